//! [`Received`]: what the reading half of a split connection has received.

use core::mem;
use core::sync::atomic::{AtomicU8, Ordering};

use crate::connection::{Notice, Receiver, Sender};

/// What was received, but not yet reported to the sender, apart from replies. The reading half reports it when it reads
/// again, which may take its caller long. A writer that is about to judge the peer by a deadline reports it first.
#[derive(Debug, Default)]
pub(crate) struct Received(AtomicU8);

impl Received {
    /// Records what the last event was made of.
    #[inline]
    pub(crate) fn note(&self, receiver: &mut Receiver) {
        let pong = receiver.noticed.as_mut().is_some_and(|noticed| mem::take(&mut noticed.ponged));
        let news = flag(mem::take(&mut receiver.heard_noticed), HEARD)
            | flag(mem::take(&mut receiver.message_noticed), MESSAGE)
            | flag(pong, PONG);
        // Usually nobody has reported since the last event.
        if self.0.load(Ordering::Relaxed) & news != news {
            self.0.fetch_or(news, Ordering::Relaxed);
        }
    }

    /// Reports it, once.
    pub(crate) fn report(&self, sender: &mut Sender) {
        let news = self.0.swap(0, Ordering::Relaxed);
        let mut notice = Notice::default();
        (notice.heard, notice.message, notice.ponged) = (news > 0, news & MESSAGE > 0, news & PONG > 0);
        sender.notice(notice);
    }

    /// Reports it, and all that the receiver has noticed since.
    pub(crate) fn report_all(&self, receiver: &mut Receiver, sender: &mut Sender) {
        self.report(sender);
        sender.notice(receiver.take_notice());
    }
}

fn flag(is_set: bool, flag: u8) -> u8 {
    if is_set { flag } else { 0 }
}

const HEARD: u8 = 1;
const MESSAGE: u8 = 2;
const PONG: u8 = 4;
