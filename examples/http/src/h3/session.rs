//! [`Session`]: the HTTP/3 of one QUIC connection, shared by its streams.

use std::collections::{HashMap, VecDeque};
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use h3wire::{Action, Config, Connection, Event, H3Code, Recv, Role, StreamId};
use quinn::{RecvStream, SendStream, VarInt};
use tokio::sync::watch;

/// The HTTP/3 of one QUIC connection.
pub struct Session {
    quic: quinn::Connection,
    /// Locked by the task of each stream while it reads or writes, never across an `await`.
    shared: Mutex<Shared>,
    /// Whether the peer supports extended CONNECT; `None` before its SETTINGS.
    connect: watch::Sender<Option<bool>>,
}

/// What the streams share.
pub(super) struct Shared {
    pub(super) h3: Connection,
    pub(super) streams: HashMap<StreamId, Halves>,
    /// Control and QPACK: HTTP/3 needs them open until the end.
    _critical: Vec<SendStream>,
}

/// The QUIC stream of one request, and its events.
pub(super) struct Halves {
    pub(super) send: SendStream,
    pub(super) recv: RecvStream,
    pub(super) events: VecDeque<Event>,
    /// Set by the stream's task when it waits for the peer; woken by the task that puts an event here, usually itself.
    pub(super) waker: Option<Waker>,
}

impl Session {
    /// Sends SETTINGS, and begins to read the peer's.
    ///
    /// # Errors
    /// If the connection is gone.
    pub async fn begin(
        quic: quinn::Connection,
        role: Role,
    ) -> Result<Arc<Self>, Box<dyn Error + Send + Sync>> {
        let mut config = Config::default();
        config.enable_connect_protocol = role == Role::Server;
        let mut h3 = Connection::new(role, config);
        let mut critical = Vec::new();
        while let Some(Action::OpenUni(kind)) = h3.poll_action() {
            let mut stream = quic.open_uni().await?;
            let id = id(stream.id());
            h3.bind_uni(kind, id)?;
            while let Some(bytes) = h3.poll_send(id).map(<[u8]>::to_vec) {
                stream.write_all(&bytes).await?;
                h3.sent(id, bytes.len())?;
            }
            critical.push(stream);
        }
        let shared = Mutex::new(Shared { h3, streams: HashMap::new(), _critical: critical });
        let session = Arc::new(Self { quic, shared, connect: watch::Sender::new(None) });
        tokio::spawn(Arc::clone(&session).recv_uni());
        Ok(session)
    }

    /// Waits for the peer's SETTINGS: whether it supports extended CONNECT. `false` if the connection ends before.
    pub async fn supports_connect(&self) -> bool {
        let mut told = self.connect.subscribe();
        told.wait_for(Option::is_some).await.is_ok_and(|told| *told == Some(true))
    }

    /// Reads the peer's control and QPACK streams until the connection ends.
    async fn recv_uni(self: Arc<Self>) {
        while let Ok(mut stream) = self.quic.accept_uni().await {
            let session = Arc::clone(&self);
            tokio::spawn(async move {
                let id = id(stream.id());
                loop {
                    match stream.read_chunk(CHUNK, true).await {
                        Ok(Some(chunk)) => session.recv(id, &chunk.bytes, false),
                        Ok(None) => break session.recv(id, &[], true),
                        Err(quinn::ReadError::Reset(code)) => {
                            let _ = session.lock().h3.stream_reset_received(id, H3Code(code.into()));
                            break session.settle(&mut session.lock());
                        }
                        Err(_) => break,
                    }
                }
            });
        }
        let mut shared = self.lock();
        shared.h3.transport_closed();
        self.settle(&mut shared);
    }

    fn recv(&self, id: StreamId, mut bytes: &[u8], fin: bool) {
        let mut shared = self.lock();
        loop {
            match shared.h3.recv(id, bytes, fin) {
                Ok(
                    Recv::Consumed(n)
                    | Recv::Body { consumed: n, .. }
                    | Recv::Frame { consumed: n, .. }
                    | Recv::Raw { consumed: n, .. },
                ) if n < bytes.len() => bytes = &bytes[n..],
                // An error has become an action.
                _ => break,
            }
        }
        self.settle(&mut shared);
    }

    /// Carries out the actions of HTTP/3, and hands its events to the streams. Due after every call that changes its state.
    pub(super) fn settle(&self, shared: &mut Shared) {
        while let Some(action) = shared.h3.poll_action() {
            let (Action::ResetStream { stream, .. }
            | Action::StopSending { stream, .. }
            | Action::FinishStream(stream)) = action
            else {
                if let Action::CloseConnection { code, reason } = action {
                    self.quic.close(var_int(code), reason.as_bytes());
                }
                continue;
            };
            let Some(Halves { send, recv, .. }) = shared.streams.get_mut(&stream) else { continue };
            // The errors mean that QUIC has ended this side already.
            let _ = match action {
                Action::ResetStream { code, .. } => send.reset(var_int(code)),
                Action::StopSending { code, .. } => recv.stop(var_int(code)),
                _ => send.finish(),
            };
        }
        while let Some(event) = shared.h3.poll_event() {
            match event {
                Event::Headers { stream, .. }
                | Event::Finished(stream)
                | Event::StreamAborted { stream, .. }
                | Event::SendStopped { stream, .. } => {
                    if let Some(halves) = shared.streams.get_mut(&stream) {
                        halves.events.push_back(event);
                        if let Some(waker) = halves.waker.take() {
                            waker.wake();
                        }
                    } else if let Event::Headers { block, .. } = event {
                        shared.h3.release(block);
                    }
                }
                Event::PeerSettings => {
                    let settings = shared.h3.peer_settings();
                    self.connect.send_replace(Some(
                        settings.is_some_and(|settings| settings.enable_connect_protocol),
                    ));
                }
                Event::Closed { .. } => {
                    self.connect.send_if_modified(|told| told.replace(told.unwrap_or(false)).is_none());
                }
                _ => {}
            }
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn id(id: quinn::StreamId) -> StreamId {
    StreamId(VarInt::from(id).into_inner())
}

fn var_int(code: H3Code) -> VarInt {
    VarInt::from_u64(code.0).unwrap_or(VarInt::MAX)
}

/// Bytes read at once.
pub(super) const CHUNK: usize = 64 * 1024;
