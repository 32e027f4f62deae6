//! [`Socket`]: an endpoint of either role, with the memory that its events point to.

use std::borrow::Cow;
use std::fmt;

use sansocket::handshake::{ClientRequest, HttpRequest, Response, UpgradeRequest};
use sansocket::{
    Client, ClientEvent, Config, Connection, Message, OsRandom, ReadBuffer, Server, ServerEvent, State,
};

use crate::types::{Event, EventKind, Status};

/// `sansocket`: one end of one transport.
#[derive(Debug)]
pub struct Socket {
    pub(crate) endpoint: Endpoint,
    /// Received bytes. Messages are borrowed from here.
    received: ReadBuffer,
    /// The payload of the last event, unless it lies in `received`. It has to be on the heap: other calls borrow the socket mutably
    /// while C still holds the pointer.
    held: Vec<u8>,
    /// The request that waits for an answer.
    request: Option<Request>,
}

#[derive(Debug)]
pub(crate) enum Endpoint {
    Server(Server),
    Client(Client),
}

#[derive(Debug)]
enum Request {
    Upgrade(Box<UpgradeRequest>),
    Http(Box<HttpRequest>),
}

/// The same words for both roles.
macro_rules! both {
    ($of:expr, $endpoint:ident => $word:expr) => {
        match $of {
            $crate::endpoint::Endpoint::Server($endpoint) => $word,
            $crate::endpoint::Endpoint::Client($endpoint) => $word,
        }
    };
}
pub(crate) use both;

impl Socket {
    pub(crate) fn server(config: Config) -> Self {
        Self::new(Endpoint::Server(Server::new(config)))
    }

    /// `None` if `url` is no WebSocket URL.
    pub(crate) fn client(url: &str, config: Config) -> Option<Self> {
        let request = ClientRequest::new(url).ok()?;
        Some(Self::new(Endpoint::Client(Client::new(request, config, OsRandom))))
    }

    fn new(endpoint: Endpoint) -> Self {
        let received = ReadBuffer::new(READ, MAX_FRAME);
        Self { endpoint, received, held: Vec::new(), request: None }
    }

    pub(crate) fn connection(&mut self) -> &mut Connection {
        both!(&mut self.endpoint, endpoint => endpoint.connection())
    }

    pub(crate) fn recv(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
    }

    pub(crate) fn next_event(&mut self) -> Event {
        let Self { endpoint, received, held, request } = self;
        *held = Vec::new();
        let mut input = received.input();
        let reported = match endpoint {
            Endpoint::Server(server) => server.recv(&mut input).map(|event| match event {
                ServerEvent::Upgrade(upgrade) => {
                    let reported = Reported::text(EventKind::Upgrade, upgrade.target());
                    *request = Some(Request::Upgrade(upgrade));
                    reported
                }
                ServerEvent::Http(http) => {
                    let reported = Reported::text(EventKind::Http, http.target());
                    *request = Some(Request::Http(http));
                    reported
                }
                ServerEvent::Refused(error) => Reported::text(EventKind::Refused, error),
                ServerEvent::Open(event) => Reported::open(event),
                _ => Reported::text(EventKind::Failed, "an event that this binding does not know"),
            }),
            Endpoint::Client(client) => client.recv(&mut input).map(|event| match event {
                ClientEvent::Opened(established) => {
                    Reported::text(EventKind::Opened, established.subprotocol().unwrap_or_default())
                }
                ClientEvent::Refused(refused) | ClientEvent::ProxyRefused(refused) => {
                    Reported::new(EventKind::Refused, refused.status(), refused.body().to_vec())
                }
                ClientEvent::Failed(error) => {
                    Reported { code: NO_CLOSE, ..Reported::text(EventKind::Failed, error) }
                }
                ClientEvent::Open(event) => Reported::open(event),
                _ => Reported::text(EventKind::Failed, "an event that this binding does not know"),
            }),
        };
        let Some(Reported { kind, code, payload }) = reported else { return Event::NONE };
        let payload = match payload {
            Cow::Borrowed(payload) => payload.into(),
            Cow::Owned(payload) => {
                *held = payload;
                held.as_slice().into()
            }
        };
        Event { kind, code, payload }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&[u8]> {
        match self.request.as_ref()? {
            Request::Upgrade(upgrade) => upgrade.header(name),
            Request::Http(http) => http.header(name),
        }
    }

    pub(crate) fn accept(&mut self) -> Status {
        match self.undecided() {
            Some((server, Request::Upgrade(upgrade))) => {
                server.answer(upgrade.accept());
                Status::Ok
            }
            Some((_, request)) => {
                self.request = Some(request);
                Status::Closed
            }
            None => Status::Closed,
        }
    }

    pub(crate) fn respond(&mut self, status: u16, body: &[u8]) -> Status {
        let Ok(response) = Response::new(status) else { return Status::Invalid };
        let response = response.body(body);
        let Some((server, request)) = self.undecided() else { return Status::Closed };
        server.answer(match request {
            Request::Upgrade(upgrade) => upgrade.reject(&response),
            Request::Http(http) => http.respond(&response),
        });
        Status::Ok
    }

    /// Takes the request that waits for an answer, unless the transport has ended meanwhile.
    fn undecided(&mut self) -> Option<(&mut Server, Request)> {
        match &mut self.endpoint {
            Endpoint::Server(server) if server.state() == State::Opening => {
                Some((server, self.request.take()?))
            }
            _ => None,
        }
    }
}

/// An event whose payload still has its lifetime.
struct Reported<'b> {
    kind: EventKind,
    code: u16,
    payload: Cow<'b, [u8]>,
}

impl<'b> Reported<'b> {
    fn new(kind: EventKind, code: u16, payload: impl Into<Cow<'b, [u8]>>) -> Self {
        Self { kind, code, payload: payload.into() }
    }

    fn text(kind: EventKind, text: impl fmt::Display) -> Self {
        Self::new(kind, 0, text.to_string().into_bytes())
    }

    fn open(event: sansocket::Event<'b>) -> Self {
        use sansocket::Event as E;
        let code = event.close_code().unwrap_or(0);
        match event {
            E::Message(Message::Text(Cow::Borrowed(text))) => {
                Self::new(EventKind::Text, code, text.as_bytes())
            }
            E::Message(Message::Text(Cow::Owned(text))) => {
                Self::new(EventKind::Text, code, text.into_bytes())
            }
            E::Message(Message::Binary(bytes)) => Self::new(EventKind::Binary, code, bytes),
            E::Ping(payload) => Self::new(EventKind::Ping, code, payload.to_vec()),
            E::Pong(payload) => Self::new(EventKind::Pong, code, payload.to_vec()),
            E::Close(close) => {
                let reason = close.map(|close| close.reason().as_bytes().to_vec()).unwrap_or_default();
                Self::new(EventKind::Close, code, reason)
            }
            E::Failed(error) => Self { code, ..Self::text(EventKind::Failed, error) },
            _ => Self::text(EventKind::Failed, "an event that this binding does not know"),
        }
    }
}

/// Memory for received bytes, once there are any.
const READ: usize = 4 << 10;
/// Payloads of longer frames are copied once more.
const MAX_FRAME: usize = 1 << 20;
/// RFC 6455 §7.1.5: the close code of a connection that ends without a Close.
const NO_CLOSE: u16 = 1006;
