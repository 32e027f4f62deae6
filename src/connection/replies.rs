//! [`Replies`]: the automatic Pongs and the Close that the peer is owed.

use alloc::boxed::Box;

use crate::frame::ControlPayload;

/// What is owed to the peer and not yet written, or cannot be put into the output yet.
///
/// Pings are answered one by one while few Pongs wait to be written, then only the latest: "If an endpoint
/// receives a Ping frame and has not yet sent Pong frame(s) in response to previous Ping frame(s), the
/// endpoint MAY elect to send a Pong frame for only the most recently processed Ping frame" (RFC 6455
/// §5.5.3).
#[derive(Debug, Default)]
pub(crate) struct Replies {
    /// How many Pongs are in the output, and how many bytes are to be written until they are all gone.
    pongs: u8,
    until_gone: usize,
    /// The latest Pong that was not put into the output.
    pong: Option<Box<ControlPayload>>,
    /// A Close that has to wait for a payload the caller writes.
    close: Option<Box<ControlPayload>>,
}

impl Replies {
    /// How many Pongs are in the output that were not written. Without any, and without a payload that the caller
    /// writes, nothing is kept.
    #[inline]
    pub(crate) fn pongs(&self) -> u64 {
        u64::from(self.pongs)
    }

    /// Whether a Pong may be put into the output, or only the latest one is remembered.
    pub(crate) fn takes_pong(&self) -> bool {
        self.pongs < MAX_PONGS
    }

    /// A Pong was put into the output, which now holds `len` bytes.
    pub(crate) fn pong_pushed(&mut self, len: usize) {
        self.pongs += 1;
        self.until_gone = len;
    }

    /// The next `n` bytes of the output were written.
    pub(crate) fn written(&mut self, n: usize) {
        self.until_gone = self.until_gone.saturating_sub(n);
        if self.until_gone == 0 {
            self.pongs = 0;
        }
    }

    /// Remembers a Pong, in place of the one before.
    pub(crate) fn keep_pong(&mut self, payload: ControlPayload) {
        match &mut self.pong {
            Some(kept) => **kept = payload,
            None => self.pong = Some(Box::new(payload)),
        }
    }

    pub(crate) fn keep_close(&mut self, payload: ControlPayload) {
        self.close = Some(Box::new(payload));
    }

    pub(crate) fn take_pong(&mut self) -> Option<Box<ControlPayload>> {
        self.pong.take()
    }

    pub(crate) fn take_close(&mut self) -> Option<Box<ControlPayload>> {
        self.close.take()
    }
}

/// How many automatic Pongs may wait in the output at a time.
const MAX_PONGS: u8 = 16;
