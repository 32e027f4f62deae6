//! [`Group`]: connections that receive the same messages.

use core::fmt;
use core::pin::pin;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::vec::Vec;

use ::tokio::io::AsyncWrite;
use ::tokio::sync::Notify;

use crate::aio;
use crate::connection::EncodedMessage;
use crate::error::SendError;
use crate::frame::{CloseCode, CloseFrame};
use crate::tokio::{SharedSender, Timer};

/// Connections that receive the same messages, in the same order. Clones refer to the same group.
///
/// A broadcast never waits: it queues the message for each member, and the task of each member writes it. All members share
/// the bytes. If there is no room, the broadcast first writes what the member's stream takes; the policy [`Slow`] says what
/// happens to a member that has none even then. While a member sends a message in fragments, nothing can come in between: it
/// does not receive what is broadcast meanwhile.
#[derive(Debug, Clone)]
pub struct Group(Arc<Shared>);

/// What happens to a member that is too slow for a broadcast: more than [`Config::high_water`](crate::Config::high_water) waits
/// in its output, also after its stream has taken what it takes now. For messages of about that size or larger, set `high_water` to
/// several of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slow {
    /// It is closed with 1013 (try again later), which takes at most [`Config::close_timeout`](crate::Config::close_timeout) for
    /// each 16 KiB of its output. [`Reconnect`](crate::Reconnect) reconnects after that code.
    Disconnect,
    /// It does not receive this message.
    Skip,
}

#[derive(Debug)]
struct Shared {
    slow: Slow,
    /// Held for a complete broadcast, so that all members receive all messages in one order.
    order: Mutex<()>,
    /// Not held while a member is called: that wakes tasks, which may leave the group.
    members: Mutex<Members>,
    /// Told when the last member leaves.
    emptied: Notify,
}

#[derive(Default)]
struct Members {
    by_id: BTreeMap<u64, Arc<dyn Member>>,
    next: u64,
    /// The Close for connections that join later.
    closed: Option<CloseFrame>,
}

impl Group {
    /// Creates a group without members.
    #[must_use]
    pub fn new(slow: Slow) -> Self {
        Self(Arc::new(Shared {
            slow,
            order: Mutex::default(),
            members: Mutex::default(),
            emptied: Notify::new(),
        }))
    }

    /// Adds a connection, until the [`Membership`] is dropped. In a group that was [closed](Self::close) it is closed at once.
    #[must_use = "the connection leaves the group when the membership is dropped"]
    pub fn join<W: AsyncWrite + Unpin + Send + 'static>(&self, sender: SharedSender<W>) -> Membership {
        let membership = self.reserve();
        membership.enter(Arc::new(sender));
        membership
    }

    /// Queues a message for all members. Returns the number of members for which it was queued.
    ///
    /// A member whose [`Config::max_output`](crate::Config::max_output) is smaller than the message does not receive it; that
    /// is not slow.
    pub fn broadcast(&self, message: &EncodedMessage) -> usize {
        self.broadcast_except(None, message)
    }

    fn broadcast_except(&self, id: Option<u64>, message: &EncodedMessage) -> usize {
        let _order = lock(&self.0.order);
        let gets = |member: &&Arc<dyn Member>| match member.try_send_encoded(message) {
            Ok(()) => true,
            Err(SendError::OutputFull) if self.0.slow == Slow::Disconnect => {
                member.start_close(CloseCode::TRY_AGAIN_LATER, "too slow");
                false
            }
            Err(_) => false,
        };
        self.members(id).iter().filter(gets).count()
    }

    /// Closes all members, and connections that join later. The task of each connection completes the closing handshake.
    pub fn close(&self, code: CloseCode, reason: &str) {
        lock(&self.0.members).closed = Some(CloseFrame::new(code, reason));
        for member in self.members(None) {
            member.start_close(code, reason);
        }
    }

    /// Returns the number of members.
    #[must_use]
    pub fn len(&self) -> usize {
        lock(&self.0.members).by_id.len()
    }

    /// Returns `true` if the group has no members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until the group has no members, such as after [`close`](Self::close). It has no deadline of its own.
    ///
    /// Cancel-safe.
    pub async fn wait_empty(&self) {
        loop {
            let mut emptied = pin!(self.0.emptied.notified());
            // The last member may leave before the first poll.
            emptied.as_mut().enable();
            if self.is_empty() {
                return;
            }
            emptied.await;
        }
    }

    /// A place for a member that enters later.
    pub(super) fn reserve(&self) -> Membership {
        let members = &mut *lock(&self.0.members);
        members.next += 1;
        Membership { group: self.clone(), id: members.next }
    }

    /// Returns all members, or all others.
    fn members(&self, except: Option<u64>) -> Vec<Arc<dyn Member>> {
        let members = lock(&self.0.members);
        let others = members.by_id.iter().filter(|&(&id, _)| Some(id) != except);
        others.map(|(_, member)| Arc::clone(member)).collect()
    }
}

/// The membership of a connection in a [`Group`], which it leaves when this is dropped.
#[derive(Debug)]
pub struct Membership {
    group: Group,
    id: u64,
}

impl Membership {
    /// Queues a message for all other members, such as one that this member has sent. Otherwise like [`Group::broadcast`].
    pub fn broadcast_to_others(&self, message: &EncodedMessage) -> usize {
        self.group.broadcast_except(Some(self.id), message)
    }

    pub(super) fn enter(&self, member: Arc<dyn Member>) {
        let closed = {
            let members = &mut *lock(&self.group.0.members);
            members.by_id.insert(self.id, Arc::clone(&member));
            members.closed
        };
        if let Some(frame) = closed {
            member.start_close(frame.code(), frame.reason());
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let (member, is_empty) = {
            let members = &mut *lock(&self.group.0.members);
            (members.by_id.remove(&self.id), members.by_id.is_empty())
        };
        // Not under the lock.
        drop(member);
        if is_empty {
            self.group.0.emptied.notify_waiters();
        }
    }
}

/// A connection over any stream.
pub(super) trait Member: Send + Sync {
    fn try_send_encoded(&self, message: &EncodedMessage) -> Result<(), SendError>;
    fn start_close(&self, code: CloseCode, reason: &str);
}

impl<W: AsyncWrite + Unpin + Send> Member for aio::SharedSender<W, Timer> {
    fn try_send_encoded(&self, message: &EncodedMessage) -> Result<(), SendError> {
        self.try_send_encoded(message)
    }

    fn start_close(&self, code: CloseCode, reason: &str) {
        self.start_close(code, reason);
    }
}

/// A WebSocket in one piece, whose handler closes it.
impl Member for Notify {
    fn try_send_encoded(&self, _: &EncodedMessage) -> Result<(), SendError> {
        Err(SendError::Closed)
    }

    fn start_close(&self, _: CloseCode, _: &str) {
        self.notify_one();
    }
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Members").field("len", &self.by_id.len()).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
