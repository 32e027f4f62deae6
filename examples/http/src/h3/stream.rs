//! [`Stream`]: one request of HTTP/3, as the transport of a WebSocket.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h3wire::{Event, FieldRef, H3Code, HeaderBlockId, HeaderBlockRef, HeadersKind, Recv, StreamId};
use quinn::{ReadError, RecvStream, SendStream, WriteError};

use super::session::{CHUNK, Halves, Session, Shared, id};
use crate::{Reset, Transport};

/// One stream of HTTP/3. Dropped before its end, it is reset.
pub struct Stream {
    session: Arc<Session>,
    id: StreamId,
    /// Read, and not received yet.
    chunk: Bytes,
    fin: Fin,
    /// The rest of the header of a DATA frame.
    prefix: Bytes,
    /// A DATA frame is being sent.
    in_frame: bool,
}

/// The peer's FIN.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fin {
    No,
    Read,
    Received,
}

/// A piece of a stream.
enum Item {
    Headers(HeaderBlockId),
    Data(Bytes),
    End,
}

impl Stream {
    pub(super) fn new(session: Arc<Session>, send: SendStream, recv: RecvStream) -> Self {
        let id = id(send.id());
        let halves = Halves { send, recv, events: Default::default(), waker: None };
        session.lock().streams.insert(id, halves);
        Self { session, id, chunk: Bytes::new(), fin: Fin::No, prefix: Bytes::new(), in_frame: false }
    }

    /// Sends a HEADERS frame; with `end`, the last of our side.
    pub(super) async fn send_fields(&mut self, fields: &[FieldRef<'_>], end: bool) -> Result<(), Reset> {
        self.session.lock().h3.send_headers(self.id, fields, end).map_err(|_| Reset)?;
        poll_fn(|cx| {
            self.locked(|shared, id| {
                let Shared { h3, streams, .. } = shared;
                let halves = streams.get_mut(&id).ok_or(Reset)?;
                while let Some(bytes) = h3.poll_send(id) {
                    match Pin::new(&mut halves.send).poll_write(cx, bytes) {
                        Poll::Ready(Ok(n)) => h3.sent(id, n).map_err(|_| Reset)?,
                        Poll::Ready(Err(_)) => return Err(Reset),
                        Poll::Pending => return Ok(Poll::Pending),
                    }
                }
                Ok(Poll::Ready(()))
            })
            .map_or_else(|reset| Poll::Ready(Err(reset)), |sent| sent.map(Ok))
        })
        .await
    }

    /// Waits until the peer has acknowledged everything, or refuses it.
    pub(super) async fn sent(&mut self) {
        let stopped = self.locked(|shared, id| shared.streams.get(&id).map(|halves| halves.send.stopped()));
        if let Some(stopped) = stopped {
            let _ = stopped.await;
        }
    }

    /// The head of the request or response, read by `read`.
    pub(super) async fn recv_headers<T>(
        &mut self,
        read: impl FnOnce(HeaderBlockRef<'_>) -> T,
    ) -> Result<T, Reset> {
        match poll_fn(|cx| self.poll_item(cx)).await? {
            Item::Headers(block) => {
                let mut shared = self.session.lock();
                let result = shared.h3.headers(block).map(read).map_err(|_| Reset);
                shared.h3.release(block);
                result
            }
            Item::Data(_) | Item::End => Err(Reset),
        }
    }

    fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Result<Item, Reset>> {
        let session = Arc::clone(&self.session);
        let mut shared = session.lock();
        loop {
            let Shared { h3, streams, .. } = &mut *shared;
            let halves = streams.get_mut(&self.id).ok_or(Reset)?;
            match halves.events.pop_front() {
                // RFC 9110 §15.2: a client must be able to parse 1xx responses; the final one follows.
                Some(Event::Headers { block, kind: HeadersKind::Informational, .. }) => {
                    h3.release(block);
                    continue;
                }
                Some(Event::Headers { block, .. }) => return Poll::Ready(Ok(Item::Headers(block))),
                Some(Event::Finished(_)) => return Poll::Ready(Ok(Item::End)),
                Some(_) => return Poll::Ready(Err(Reset)),
                None => {}
            }
            if self.chunk.is_empty() && self.fin == Fin::No {
                let read = pin!(halves.recv.read_chunk(CHUNK, true)).poll(cx);
                match read {
                    Poll::Ready(Ok(Some(chunk))) => self.chunk = chunk.bytes,
                    Poll::Ready(Ok(None)) => self.fin = Fin::Read,
                    Poll::Ready(Err(ReadError::Reset(code))) => {
                        h3.stream_reset_received(self.id, H3Code(code.into())).map_err(|_| Reset)?;
                        session.settle(&mut shared);
                        continue;
                    }
                    Poll::Ready(Err(_)) => return Poll::Ready(Err(Reset)),
                    Poll::Pending => {
                        halves.waker = Some(cx.waker().clone());
                        return Poll::Pending;
                    }
                }
            }
            // Its end was reported already.
            if self.fin == Fin::Received {
                return Poll::Ready(Err(Reset));
            }
            let received = h3.recv(self.id, &self.chunk, self.fin == Fin::Read);
            session.settle(&mut shared);
            let (consumed, data) = match received {
                Ok(Recv::Body { consumed, range }) => (consumed, self.chunk.slice(range)),
                Ok(Recv::Consumed(n) | Recv::Frame { consumed: n, .. } | Recv::Raw { consumed: n, .. }) => {
                    (n, Bytes::new())
                }
                // A pause waits for a header block to be released: none is kept.
                Ok(Recv::Paused) | Err(_) => return Poll::Ready(Err(Reset)),
            };
            self.chunk.advance(consumed);
            if self.fin == Fin::Read && self.chunk.is_empty() {
                self.fin = Fin::Received;
            }
            if !data.is_empty() {
                return Poll::Ready(Ok(Item::Data(data)));
            }
        }
    }

    /// Writes the first of `bytes`, a part of a DATA frame, and removes them.
    fn poll_write(&self, cx: &mut Context<'_>, bytes: &mut Bytes) -> Poll<Result<(), Reset>> {
        self.locked(|Shared { h3, streams, .. }, id| {
            let halves = streams.get_mut(&id).ok_or(Reset)?;
            match ready!(Pin::new(&mut halves.send).poll_write(cx, bytes)) {
                Ok(n) => {
                    bytes.advance(n);
                    Poll::Ready(h3.data_written(id, n).map_err(|_| Reset))
                }
                Err(error) => {
                    if let WriteError::Stopped(code) = error {
                        // This fails only for a stream that is over.
                        let _ = h3.stop_sending_received(id, H3Code(code.into()));
                    }
                    Poll::Ready(Err(Reset))
                }
            }
        })
    }

    /// Changes the state of HTTP/3, and carries out what follows.
    fn locked<T>(&self, tell: impl FnOnce(&mut Shared, StreamId) -> T) -> T {
        let mut shared = self.session.lock();
        let told = tell(&mut shared, self.id);
        self.session.settle(&mut shared);
        told
    }

    fn abort(&self) {
        // This fails only for a stream that is over.
        let _ = self.locked(|shared, id| shared.h3.abort(id, H3Code::REQUEST_CANCELLED));
    }
}

impl Transport for Stream {
    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Reset>>> {
        Poll::Ready(match ready!(self.poll_item(cx)) {
            Ok(Item::Data(data)) => Some(Ok(data)),
            Ok(Item::End) => None,
            // RFC 9114 §4.4: a tunnel has no trailers; the library refuses them.
            Ok(Item::Headers(_)) | Err(Reset) => Some(Err(Reset)),
        })
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &mut Bytes) -> Poll<Result<(), Reset>> {
        if !self.in_frame {
            // One frame for all of `bytes`, which are offered until they are sent.
            let len = bytes.len() as u64;
            let frame = self.locked(|shared, id| shared.h3.send_data(id, len, false)).map_err(|_| Reset)?;
            self.prefix = Bytes::copy_from_slice(frame.prefix());
            self.in_frame = true;
        }
        while !self.prefix.is_empty() {
            let mut prefix = self.prefix.clone();
            ready!(self.poll_write(cx, &mut prefix))?;
            self.prefix = prefix;
        }
        ready!(self.poll_write(cx, bytes))?;
        self.in_frame = !bytes.is_empty();
        Poll::Ready(Ok(()))
    }

    fn finish(&mut self) {
        // This fails if the stream was reset, which `poll_recv` reports.
        let _ = self.locked(|shared, id| shared.h3.send_data(id, 0, true).map(drop));
    }

    fn reset(&mut self) {
        self.abort();
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.abort();
        self.session.lock().streams.remove(&self.id);
    }
}
