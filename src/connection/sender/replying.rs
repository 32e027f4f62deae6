//! The part of the [`Sender`] that carries out notices and answers the peer.

use alloc::string::ToString;
use core::mem;

use super::Sender;
use crate::connection::notice::{End, Notice};
use crate::connection::state::{State, Step};
use crate::frame::{CloseFrame, ControlPayload, Opcode};

impl Sender {
    /// Carries out what the [`Receiver`](crate::Receiver) reports; see [`Notice`].
    pub fn notice(&mut self, notice: Notice) {
        if notice.heard {
            self.heard(notice.message);
        }
        if let Some(payload) = &notice.pong {
            self.answer_ping(payload);
        }
        if notice.ponged {
            self.timers.ponged();
        }
        match notice.end {
            None => {}
            // "If an endpoint receives a Close frame and did not previously send a Close frame, the endpoint
            // MUST send a Close frame in response. (When sending a Close frame in response, the endpoint
            // typically echos the status code it received.)" (§5.5.1)
            Some(End::Close(code)) => {
                let before = self.conclude(Step::ReceiveClose);
                if before == State::Open {
                    let frame = code.map(|code| CloseFrame::new(code, ""));
                    self.push_close(frame.as_ref().map_or(&[], CloseFrame::as_bytes));
                }
            }
            // "the endpoint SHOULD send a Close frame with an appropriate status code before proceeding to
            // _Close the WebSocket Connection_" (§7.1.7).
            Some(End::Fail(error)) => {
                let before = self.conclude(Step::Fail);
                match error.close_code() {
                    Some(code) if before == State::Open => {
                        self.push_close(CloseFrame::new(code, &error.to_string()).as_bytes());
                    }
                    _ => {}
                }
            }
        }
        if notice.eof {
            self.conclude(Step::End);
        }
    }

    /// "Upon receipt of a Ping frame, an endpoint MUST send a Pong frame in response, unless it already received a Close
    /// frame" (§5.5.2).
    pub(crate) fn answer_ping(&mut self, payload: &[u8]) {
        if self.state.awaits_close() {
            if self.takes_pong() {
                self.push_pong(payload);
            } else if let Some(payload) = ControlPayload::new(payload) {
                self.replies.keep_pong(payload);
            }
        }
    }

    /// Applies a state change made by the peer, after which it needs no more Pongs or messages. Returns the
    /// previous state.
    pub(super) fn conclude(&mut self, step: Step) -> State {
        self.replies.take_pong();
        self.deflater = None;
        let after = self.state.after(step);
        mem::replace(&mut self.state, after)
    }

    pub(super) fn push_close(&mut self, payload: &[u8]) {
        if self.owed == 0 {
            self.push_control(Opcode::Close, payload);
            self.behind_close = 0;
        } else if let Some(payload) = ControlPayload::new(payload) {
            self.replies.keep_close(payload);
        }
    }

    /// Returns `true` if a Pong may be put into the output now.
    fn takes_pong(&self) -> bool {
        self.owed == 0 && self.replies.takes_pong()
    }

    fn push_pong(&mut self, payload: &[u8]) {
        let before = self.output.len();
        self.push_control(Opcode::Pong, payload);
        let len = self.output.len();
        self.replies.pong_pushed(len);
        if self.state != State::Open {
            self.behind_close += (len - before) as u16;
        }
    }

    /// Puts the kept replies, and a Ping that had to wait, into the output, if nothing delays them any more.
    pub(super) fn send_replies(&mut self) {
        if self.takes_pong()
            && let Some(payload) = self.replies.take_pong()
        {
            self.push_pong(&payload);
        }
        if self.owed == 0
            && let Some(payload) = self.replies.take_close()
        {
            self.push_close(&payload);
        }
        if self.timers.owes_ping() && self.keep_alive() {
            self.timers.pinged_late();
        }
    }

    /// Sends a Ping of the timers; returns `false` if it must wait. An empty output has room for it, as for replies,
    /// whatever the limit.
    pub(super) fn keep_alive(&mut self) -> bool {
        if self.state == State::Open && self.output.is_empty() && self.owed == 0 {
            self.push_control(Opcode::Ping, &[]);
            true
        } else {
            self.ping(&[]).is_ok()
        }
    }
}
