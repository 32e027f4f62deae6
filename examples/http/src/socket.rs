//! [`WebSocket`]: the loop around a connection, over a transport of [`Bytes`].

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use sansocket::{Connection, Event, ReadBuffer};
use tokio::time::{Instant, Sleep, sleep_until};

/// One stream of HTTP/2 or HTTP/3, both directions.
pub trait Transport {
    /// The next received bytes; `None`: the peer has ended its side.
    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Reset>>>;

    /// Sends the first of `bytes`, as many as flow control allows and at least one, and removes them. The caller offers the rest
    /// again before other bytes.
    fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &mut Bytes) -> Poll<Result<(), Reset>>;

    /// Ends our side: END_STREAM, FIN.
    fn finish(&mut self);

    /// Ends both sides abruptly: RST_STREAM, H3_REQUEST_CANCELLED. It does nothing to a side that has ended already.
    fn reset(&mut self);
}

/// The stream was reset, or its connection is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reset;

/// A WebSocket on one stream.
#[derive(Debug)]
pub struct WebSocket<T: Transport> {
    connection: Connection,
    transport: T,
    received: ReadBuffer,
    /// Taken from the output, and not sent yet.
    sending: Bytes,
    began: Instant,
    deadline: Pin<Box<Sleep>>,
    finished: bool,
    recv_ended: bool,
}

impl<T: Transport> WebSocket<T> {
    /// A connection that an extended CONNECT on this stream has opened.
    pub fn new(connection: Connection, transport: T) -> Self {
        let began = Instant::now();
        Self {
            connection,
            transport,
            received: ReadBuffer::default(),
            sending: Bytes::new(),
            began,
            deadline: Box::pin(sleep_until(began)),
            finished: false,
            recv_ended: false,
        }
    }

    /// The connection, to send and to close. [`turn`](Self::turn) writes its output.
    pub fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// One turn: writes as far as flow control allows, waits for something to happen, and gives each event to `handle`.
    /// `false`: it was the last turn. Dropping the future loses nothing.
    pub async fn turn(&mut self, mut handle: impl FnMut(&mut Connection, Event<'_>)) -> bool {
        poll_fn(|cx| self.poll(cx)).await;
        let mut input = self.received.input();
        while let Some(event) = self.connection.recv(&mut input) {
            handle(&mut self.connection, event);
        }
        drop(input);
        // Only now: what has arrived is in time, however late this turn is.
        self.connection.handle_timeout(self.began.elapsed());
        // An idle WebSocket keeps no memory for reading.
        self.received.release();
        if !self.connection.is_ended() {
            return true;
        }
        self.finish();
        if !(self.finished && self.recv_ended) {
            self.transport.reset();
        }
        false
    }

    /// Writes, and reads once; ready when there is something for the connection to receive, or its deadline has come.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.connection.has_last_words() {
            return Poll::Ready(());
        }
        while let Poll::Ready(sent) = self.poll_send(cx) {
            match sent {
                Some(Ok(())) => {}
                Some(Err(Reset)) => {
                    self.failed();
                    return Poll::Ready(());
                }
                None => break,
            }
        }
        self.finish();
        if self.connection.is_ended() {
            return Poll::Ready(());
        }
        if self.connection.wants_read()
            && let Poll::Ready(received) = self.transport.poll_recv(cx)
        {
            match received {
                // The library may share these bytes, and they are to be unmasked: this is their only copy.
                Some(Ok(bytes)) => self.received.extend_from_slice(&bytes),
                Some(Err(Reset)) => self.failed(),
                None => {
                    self.recv_ended = true;
                    self.connection.recv_eof();
                }
            }
            return Poll::Ready(());
        }
        // A time that the clock does not reach never comes.
        match self.connection.next_timeout().and_then(|at| self.began.checked_add(at)) {
            Some(at) => {
                self.deadline.as_mut().reset(at);
                self.deadline.as_mut().poll(cx)
            }
            None => Poll::Pending,
        }
    }

    /// Sends some of the output; `None`: there is none.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<(), Reset>>> {
        if self.sending.is_empty() {
            let Some(segment) = self.connection.take_output() else { return Poll::Ready(None) };
            self.sending = segment.into();
        }
        let before = self.sending.remaining();
        self.transport.poll_send(cx, &mut self.sending).map(|sent| {
            self.connection.output_written(before - self.sending.remaining());
            Some(sent)
        })
    }

    /// Ends our side, once, when the connection says so.
    fn finish(&mut self) {
        if self.connection.should_shutdown() && !self.finished {
            self.finished = true;
            self.transport.finish();
        }
    }

    fn failed(&mut self) {
        self.sending.clear();
        self.connection.recv_error();
    }
}
