//! The chat server: a page, and WebSockets with the subprotocol `chat.v1` at `/chat`.
//!
//! The files: [`protocol`] is what is said on the wire, [`rooms`] who is where, `page.html` the page, and this one what a
//! connection does.

pub mod protocol;
pub mod rooms;

use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::{Reply, Request, SUBPROTOCOL};
use rooms::{Place, Rooms, Sender};
use sansocket::handshake::{OriginPolicy, Response, UpgradeRequest};
use sansocket::tokio::server::{Listener, Server, Slot};
use sansocket::tokio::{Accepting, Error, Incoming, WebSocket};
use sansocket::{CloseCode, Config, Event};
use tokio::net::TcpStream;

/// The server. Clones are the same one.
#[derive(Clone)]
pub struct Chat {
    rooms: Arc<Rooms>,
    origins: Arc<OriginPolicy>,
}

impl Chat {
    /// A server to which these pages may connect.
    pub fn new(origins: OriginPolicy) -> Self {
        Self { rooms: Arc::default(), origins: Arc::new(origins) }
    }

    /// Serves until `stop` is ready, and then until all connections are closed.
    pub async fn serve(&self, listener: impl Listener<Stream = TcpStream>, stop: impl Future) {
        let handler = |stream, slot| {
            let chat = self.clone();
            // What ends one connection concerns nobody else.
            async move { chat.connection(stream, slot).await }
        };
        Server::default().serve(listener, stop, handler).await;
    }

    async fn connection(&self, stream: TcpStream, slot: Slot) -> Result<(), Error> {
        let config = Config::default()
            .max_message(16 * 1024)
            .ping_interval(Some(Duration::from_secs(30)))
            .close_timeout(Duration::from_secs(3));
        // Boxed, so that the task of an open connection is not as large as its handshake was.
        match Box::pin(async { Accepting::new(stream, config).advance().await }).await? {
            Incoming::Http(http) => {
                let page = page(http.request.method(), http.request.path());
                Box::pin(http.respond(&page)).await?;
            }
            Incoming::Upgrade(mut upgrade) => match self.check(&mut upgrade.request) {
                Ok(()) => {
                    let ws = Box::pin(upgrade.accept()).await?;
                    self.converse(ws, slot).await?;
                }
                Err((status, why)) => Box::pin(upgrade.reject(&text(status, why))).await?,
            },
        }
        Ok(())
    }

    /// Whether the request may become a connection: status and reason if not.
    fn check(&self, request: &mut UpgradeRequest) -> Result<(), (u16, &'static str)> {
        if request.path() != "/chat" {
            return Err((404, "The chat is at /chat.\n"));
        }
        if !self.origins.check(request) {
            return Err((403, "Pages of this origin may not connect.\n"));
        }
        request.choose_supported(&[SUBPROTOCOL]).ok_or((400, "Expected the subprotocol chat.v1.\n"))?;
        Ok(())
    }

    async fn converse(&self, ws: WebSocket<TcpStream>, slot: Slot) -> Result<(), Error> {
        let (mut reader, writer) = slot.open(ws);
        let mut client = Client {
            rooms: &self.rooms,
            sender: writer.share(),
            place: None,
            joined: Allowance::new(),
            said: Allowance::new(),
        };
        while let Some(event) = reader.recv().await? {
            if let Event::Message(message) = event
                // What arrives after our own Close is not heard.
                && client.sender.can_send()
            {
                let request = message.as_text().map(serde_json::from_str);
                match request {
                    Some(Ok(request)) => client.handle(request),
                    _ => client.sender.start_close(CloseCode::POLICY_VIOLATION, "that is not chat.v1"),
                }
            }
        }
        Ok(())
    }
}

/// One connection.
struct Client<'a> {
    rooms: &'a Rooms,
    sender: Sender,
    place: Option<Place>,
    joined: Allowance,
    said: Allowance,
}

impl Client<'_> {
    fn handle(&mut self, request: Request) {
        match request {
            Request::Join { room, name, key } => self.join(room.trim(), name.trim(), &key),
            Request::Say { text } => self.say(text.trim()),
            Request::Leave => self.leave(),
            Request::Ping => self.reply(&Reply::Pong),
        }
    }

    fn join(&mut self, room: &str, name: &str, key: &str) {
        if !self.joined.take() {
            return self.reply(&Reply::Error { text: TOO_FAST });
        }
        self.leave();
        let joined = match () {
            () if !is_label(room) => Err("A room has a name of 1 to 32 characters."),
            () if !is_label(name) => Err("A name has 1 to 32 characters."),
            () if key.len() > 64 => Err("A key has at most 64 bytes."),
            () => self.rooms.join(room, name, key, &self.sender),
        };
        match joined {
            Ok(place) => self.place = Some(place),
            Err(text) => self.reply(&Reply::Error { text }),
        }
    }

    fn say(&mut self, text: &str) {
        let Some(place) = &self.place else {
            return self.reply(&Reply::Error { text: "Enter a room first." });
        };
        match text.chars().count() {
            0 => {}
            1..=2000 if self.said.take() => self.rooms.say(place, text),
            1..=2000 => self.reply(&Reply::Error { text: TOO_FAST }),
            _ => self.reply(&Reply::Error { text: "A message has at most 2000 characters." }),
        }
    }

    fn leave(&mut self) {
        if let Some(place) = self.place.take() {
            self.rooms.leave(&place);
        }
    }

    /// Answers this client alone. One that floods and does not read is disconnected, as a group's slow members are.
    fn reply(&self, reply: &Reply<'_>) {
        if self.sender.try_send_encoded(&reply.encode()).is_err() {
            self.sender.start_close(CloseCode::TRY_AGAIN_LATER, "too slow");
        }
    }
}

impl Drop for Client<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

/// How often one connection may enter a room, or say something: some times at once, and once more with every second. Both are
/// sent to all who are there.
struct Allowance {
    left: u32,
    since: Instant,
}

impl Allowance {
    const MAX: u32 = 10;

    fn new() -> Self {
        Self { left: Self::MAX, since: Instant::now() }
    }

    fn take(&mut self) -> bool {
        let seconds = self.since.elapsed().as_secs();
        self.since += Duration::from_secs(seconds);
        self.left = self.left.saturating_add(u32::try_from(seconds).unwrap_or(u32::MAX)).min(Self::MAX);
        let is_left = self.left > 0;
        self.left = self.left.saturating_sub(1);
        is_left
    }
}

const TOO_FAST: &str = "Not so fast: try again in a moment.";

/// Whether this can be shown as the name of a person or room.
fn is_label(name: &str) -> bool {
    (1..=32).contains(&name.chars().count()) && !name.chars().any(char::is_control)
}

/// The answer to an ordinary request.
fn page(method: &str, path: &str) -> Response {
    match (method, path) {
        ("GET" | "HEAD", "/") => response(200, "text/html; charset=utf-8", PAGE),
        ("GET" | "HEAD", _) => text(404, "There is only /, and WebSockets at /chat.\n"),
        _ => text(405, "Only GET and HEAD are supported.\n"),
    }
}

fn text(status: u16, body: &str) -> Response {
    response(status, "text/plain; charset=utf-8", body)
}

fn response(status: u16, content_type: &str, body: &str) -> Response {
    let headers = [
        ("Content-Type", content_type),
        ("Content-Security-Policy", POLICY),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cache-Control", "no-cache"),
    ];
    let response = Response::new(status).expect("the status is valid").body(body);
    headers
        .into_iter()
        .fold(response, |response, (name, value)| response.header(name, value).expect("the header is valid"))
}

/// Nothing comes from elsewhere.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
    connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const PAGE: &str = include_str!("page.html");
