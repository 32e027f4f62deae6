//! [`Received`]: what the reading half of a split connection has received.

use core::mem;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::connection::{Receiver, Sender};

/// What was received, but not yet reported to the sender, apart from replies. The reading half reports it when it reads
/// again, which may take its caller long. A writer that is about to judge the peer by a deadline reports it first.
#[derive(Debug, Default)]
pub(crate) struct Received {
    bytes: AtomicBool,
    message: AtomicBool,
}

impl Received {
    /// Records what the last event was made of.
    #[inline]
    pub(crate) fn note(&self, receiver: &mut Receiver) {
        if mem::take(&mut receiver.message_noticed) {
            self.message.store(true, Ordering::Relaxed);
        }
        if mem::take(&mut receiver.heard_noticed) {
            self.bytes.store(true, Ordering::Relaxed);
        }
    }

    /// Reports it, once.
    pub(crate) fn report(&self, sender: &mut Sender) {
        let message = self.message.swap(false, Ordering::Relaxed);
        if self.bytes.swap(false, Ordering::Relaxed) || message {
            sender.heard(message);
        }
    }
}
