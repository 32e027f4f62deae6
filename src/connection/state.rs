//! [`State`]: the states of a connection (RFC 6455 §4 and §7.1), as a table independent of roles and bytes.

/// The state of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// The opening handshake is under way; see [`Server`](crate::Server) and [`Client`](crate::Client).
    Opening,
    /// Messages may be sent and received.
    Open,
    /// We sent a Close; the peer may continue to send until its own Close.
    CloseSent,
    /// The closing handshake is complete: the peer's Close arrived, and ours is in the output or written.
    Closed,
    /// The peer broke the protocol, or its request was refused. A Close or an HTTP response with the reason
    /// is in the output or written.
    Failed,
    /// The transport ended, or the peer missed a deadline.
    Ended,
}

/// What changes the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Open,
    SendClose,
    ReceiveClose,
    Fail,
    End,
}

impl State {
    /// Returns the state after `step`.
    pub(crate) const fn after(self, step: Step) -> Self {
        match (self, step) {
            (Self::Ended, _) | (_, Step::End) => Self::Ended,
            (Self::Failed, _) | (_, Step::Fail) => Self::Failed,
            (Self::Opening, Step::Open) => Self::Open,
            // No frames are exchanged before the handshake is complete.
            (Self::Opening, Step::SendClose | Step::ReceiveClose) => Self::Opening,
            // "after both sending and receiving a Close message, an endpoint considers the WebSocket
            // connection closed" (§5.5.1): a Close is answered at once, so receiving one is always both.
            (Self::Closed, _) | (_, Step::ReceiveClose) => Self::Closed,
            (Self::Open | Self::CloseSent, Step::SendClose) => Self::CloseSent,
            (Self::Open | Self::CloseSent, Step::Open) => self,
        }
    }

    /// Returns `true` if the peer may still send messages: the end of the stream, or a deadline, is a failure
    /// then.
    pub(crate) const fn awaits_close(self) -> bool {
        matches!(self, Self::Open | Self::CloseSent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_in_every_state() {
        use State::*;
        //             Open       SendClose  ReceiveClose  Fail    End
        let table = [
            (Opening, [Open, Opening, Opening, Failed, Ended]),
            (Open, [Open, CloseSent, Closed, Failed, Ended]),
            (CloseSent, [CloseSent, CloseSent, Closed, Failed, Ended]),
            (Closed, [Closed, Closed, Closed, Failed, Ended]),
            (Failed, [Failed, Failed, Failed, Failed, Ended]),
            (Ended, [Ended, Ended, Ended, Ended, Ended]),
        ];
        for (state, after) in table {
            let steps = [Step::Open, Step::SendClose, Step::ReceiveClose, Step::Fail, Step::End];
            assert_eq!(steps.map(|step| state.after(step)), after, "{state:?}");
        }
    }
}
