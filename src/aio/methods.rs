//! The methods that a WebSocket and its halves share.

/// The ways to receive, around `poll_next`.
macro_rules! receive_methods {
    () => {
        /// The next event, with data piece by piece as it arrives: messages of any size in constant memory; see
        /// [`Connection::recv_chunk`](crate::Connection::recv_chunk). The pieces are copies; those of a [`Batch`](crate::aio::Batch) are borrowed.
        ///
        /// Cancel-safe: a future that was dropped has taken no event.
        ///
        /// # Errors
        /// The stream's.
        pub async fn recv_chunk(&mut self) -> io::Result<Option<Event<'_>>> {
            poll_fn(|cx| self.poll_owned(cx, Recv::Chunks)).await
        }

        /// Receives and drops what still arrives until the connection is over and the transport ended, as behind
        /// `close`.
        ///
        /// Cancel-safe: calling it again waits for the rest.
        ///
        /// # Errors
        /// The stream's, or the [`ProtocolError`](crate::ProtocolError), as an [`io::Error`], with which the connection failed in
        /// place of a closing handshake.
        pub async fn finish(&mut self) -> io::Result<()> {
            poll_fn(|cx| {
                loop {
                    match ready!(self.poll_owned(cx, Recv::Chunks))? {
                        Some(Event::Failed(error)) => return Poll::Ready(Err(error.into())),
                        Some(_) => {}
                        None => return Poll::Ready(Ok(())),
                    }
                }
            })
            .await
        }

        /// The next event, borrowing nothing.
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

/// The ways to send, around `poll_writing`. Both have the others of [`send_methods`](crate::adapter::send_methods), too.
macro_rules! write_methods {
    () => {
        /// Sends a message: waits while more than [`Config::high_water`](crate::Config::high_water) is waiting, then queues it and
        /// writes as much as the stream takes now; the rest goes with the next call.
        ///
        /// A server's large payload is written from where it is, without a copy of what the stream takes now.
        ///
        /// Cancel-safe: a future that was dropped has sent nothing.
        ///
        /// # Errors
        /// [`SendError`], as an [`io::Error`], if the message cannot be sent; otherwise the stream's.
        pub async fn send(&mut self, message: &Message<'_>) -> io::Result<()> {
            poll_fn(|cx| self.poll_writing(cx, |writing, cx| writing.poll_send_message(message, cx))).await
        }

        send_methods!(async .await);

        async fn queue(&mut self, mut queue: impl FnMut(&mut Sender) -> Result<(), SendError>) -> io::Result<()> {
            poll_fn(|cx| self.poll_writing(cx, |writing, cx| writing.poll_send(&mut queue, cx))).await
        }

        /// Writes all that is waiting.
        ///
        /// Cancel-safe: the next call goes on where a dropped future stopped.
        ///
        /// # Errors
        /// The stream's, or why the peer was given up before everything was written.
        pub async fn flush(&mut self) -> io::Result<()> {
            poll_fn(|cx| self.poll_writing(cx, |writing, cx| writing.poll_flush_all(cx))).await
        }
    };
}
pub(super) use write_methods;
