//! [`State`]: the life of a connection (RFC 6455 §7.1), as a table that knows neither roles nor bytes.

/// Where a connection is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Messages may be sent and received.
    Open,
    /// We sent a Close; the peer may go on sending until its own.
    CloseSent,
    /// The closing handshake is over: the peer's Close arrived, and ours is in the output or written.
    Closed,
    /// The peer broke the protocol. A Close with the reason is in the output or written.
    Failed,
    /// The transport ended, or the peer was given up after a deadline.
    Ended,
}

/// What moves a connection on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    SendClose,
    ReceiveClose,
    Fail,
    End,
}

impl State {
    /// The state after `step`.
    pub(crate) const fn after(self, step: Step) -> Self {
        match (self, step) {
            (Self::Ended, _) | (_, Step::End) => Self::Ended,
            (Self::Failed, _) | (_, Step::Fail) => Self::Failed,
            // "after both sending and receiving a Close message, an endpoint considers the WebSocket
            // connection closed" (§5.5.1): a Close is answered at once, so receiving one is always both.
            (Self::Closed, _) | (_, Step::ReceiveClose) => Self::Closed,
            (Self::Open | Self::CloseSent, Step::SendClose) => Self::CloseSent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_in_every_state() {
        use State::*;
        //              SendClose  ReceiveClose  Fail    End
        let table = [
            (Open, [CloseSent, Closed, Failed, Ended]),
            (CloseSent, [CloseSent, Closed, Failed, Ended]),
            (Closed, [Closed, Closed, Failed, Ended]),
            (Failed, [Failed, Failed, Failed, Ended]),
            (Ended, [Ended, Ended, Ended, Ended]),
        ];
        for (state, after) in table {
            let steps = [Step::SendClose, Step::ReceiveClose, Step::Fail, Step::End];
            assert_eq!(steps.map(|step| state.after(step)), after, "{state:?}");
        }
    }
}
