//! [`Replies`]: the automatic Pongs and the Close owed to the peer.

use alloc::boxed::Box;

use crate::frame::ControlPayload;

/// Replies that are in the output and not yet written, or that cannot be put there yet.
///
/// Pings are answered individually while few Pongs wait, then only the latest: "If an endpoint receives a
/// Ping frame and has not yet sent Pong frame(s) in response to previous Ping frame(s), the endpoint MAY
/// elect to send a Pong frame for only the most recently processed Ping frame" (RFC 6455 §5.5.3).
#[derive(Debug, Default)]
pub(crate) struct Replies {
    /// The number of Pongs in the output, and of output bytes up to the end of the last one.
    pongs: u8,
    until_gone: usize,
    /// The latest Pong that is not in the output.
    pong: Option<Box<ControlPayload>>,
    /// A Close that must wait for a payload that the caller writes.
    close: Option<Box<ControlPayload>>,
}

impl Replies {
    /// Returns the number of unwritten Pongs in the output. If it is zero and the caller owes no payload, no
    /// reply is kept.
    #[inline]
    pub(crate) fn pongs(&self) -> u64 {
        u64::from(self.pongs)
    }

    /// Returns `true` if a Pong may be put into the output, `false` if only the latest is kept.
    pub(crate) fn takes_pong(&self) -> bool {
        self.pongs < MAX_PONGS
    }

    /// Records that a Pong was put into the output, which now holds `len` bytes.
    pub(crate) fn pong_pushed(&mut self, len: usize) {
        self.pongs += 1;
        self.until_gone = len;
    }

    /// Records that the next `n` bytes of the output were written.
    pub(crate) fn written(&mut self, n: usize) {
        self.until_gone = self.until_gone.saturating_sub(n);
        if self.until_gone == 0 {
            self.pongs = 0;
        }
    }

    /// Keeps a Pong in place of the previous one.
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

/// Maximum number of automatic Pongs in the output.
const MAX_PONGS: u8 = 16;
