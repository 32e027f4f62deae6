//! The methods that a WebSocket and its halves share.

/// The receive methods, based on `poll_next`.
macro_rules! receive_methods {
    () => {
        /// Returns the next event, with message data in pieces as they arrive: messages of any size in
        /// constant memory. See [`Connection::recv_chunk`](crate::Connection::recv_chunk). The pieces are
        /// copies; those of a [`Batch`](crate::aio::Batch) are borrowed.
        ///
        /// Cancel-safe: a dropped future has taken no event.
        ///
        /// # Errors
        /// Errors of the stream.
        pub async fn recv_chunk(&mut self) -> io::Result<Option<Event<'_>>> {
            poll_fn(|cx| self.poll_owned(cx, Recv::Chunks)).await
        }

        /// Receives and drops further events until the connection is over and the transport has ended, as
        /// after `close`.
        ///
        /// Cancel-safe: a further call waits for the rest.
        ///
        /// # Errors
        /// Errors of the stream, or the [`ProtocolError`](crate::ProtocolError), as an [`io::Error`], with
        /// which the connection failed in place of a closing handshake.
        pub async fn finish(&mut self) -> io::Result<()> {
            loop {
                match poll_fn(|cx| self.poll_owned(cx, Recv::Chunks)).await? {
                    Some(Event::Failed(error)) => self.ending.fail(error),
                    Some(_) => {}
                    None => return self.ending.result(),
                }
            }
        }

        /// Returns the next event, which borrows nothing.
        pub(in crate::aio) fn poll_owned(
            &mut self,
            cx: &mut Context<'_>,
            recv: Recv,
        ) -> Poll<io::Result<Option<Event<'static>>>> {
            let next = ready!(self.poll_next(cx, recv))?;
            Poll::Ready(Ok(if let Next::Owned(event) = next { Some(event) } else { None }))
        }
    };
}
pub(super) use receive_methods;

/// The send methods, based on `poll_writing`. Both types also have those of
/// [`send_methods`](crate::adapter::send_methods).
macro_rules! write_methods {
    () => {
        /// Sends a message. It waits while more than [`Config::high_water`](crate::Config::high_water) is
        /// waiting, then queues the message and writes as much as the stream takes now. The next `flush`, `send`
        /// or read from the stream writes the rest.
        ///
        /// A server's large payload is written directly from its own memory; only what the stream does not
        /// take now is copied.
        ///
        /// Cancel-safe: a dropped future has sent nothing.
        ///
        /// # Errors
        /// A [`SendError`], as an [`io::Error`], if the message cannot be sent: its `get_ref` downcasts to
        /// `SendError`, and its kind is `NotConnected` if the connection is closing or closed. Otherwise errors
        /// of the stream.
        pub async fn send(&mut self, message: &Message<'_>) -> io::Result<()> {
            poll_fn(|cx| self.poll_writing(cx, |writing, cx| writing.poll_send_message(message, cx))).await
        }

        send_methods!(async .await);

        async fn queue(&mut self, mut queue: impl FnMut(&mut Sender) -> Result<(), SendError>) -> io::Result<()> {
            poll_fn(|cx| self.poll_writing(cx, |writing, cx| writing.poll_send(&mut queue, cx))).await
        }

        /// Writes all waiting output.
        ///
        /// Cancel-safe: the next call continues where a dropped future stopped.
        ///
        /// # Errors
        /// Errors of the stream, or the reason why the peer was given up.
        pub async fn flush(&mut self) -> io::Result<()> {
            poll_fn(|cx| self.poll_writing(cx, |writing, cx| writing.poll_flush_all(cx))).await
        }
    };
}
pub(super) use write_methods;
