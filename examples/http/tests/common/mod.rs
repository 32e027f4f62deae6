//! Servers and clients of both kinds, for the same scenarios.
#![allow(dead_code, clippy::allow_attributes, reason = "each test uses a part of this module")]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use sansocket::handshake::ClientRequest;
use sansocket::{Config, Connection, Event, Message};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use websocket_http::{Transport, WebSocket, certificate, h2, h3};

/// A server in this process. It echoes, gives up when it is told so, and tells all other events.
pub(crate) trait Server: Sized {
    type Client;
    type Stream: Transport + Send + 'static;

    async fn start(config: Config) -> Self;
    async fn client(&self, config: Config) -> Self::Client;
    async fn try_open(client: &Self::Client, path: &str) -> Result<Peer<Self::Stream>, String>;
    fn events(&mut self) -> &mut UnboundedReceiver<Option<Event<'static>>>;

    async fn open(client: &Self::Client, path: &str) -> Peer<Self::Stream> {
        Self::try_open(client, path).await.unwrap()
    }

    /// The next event of any of its connections.
    async fn event(&mut self) -> Event<'static> {
        self.events().recv().await.unwrap().expect("an event before the end")
    }

    /// Whether the next is that a connection has ended.
    async fn ended(&mut self) -> bool {
        self.events().recv().await.unwrap().is_none()
    }
}

pub(crate) struct H2 {
    address: SocketAddr,
    events: UnboundedReceiver<Option<Event<'static>>>,
}

pub(crate) struct H3 {
    address: SocketAddr,
    certificate: CertificateDer<'static>,
    events: UnboundedReceiver<Option<Event<'static>>>,
}

impl H2 {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Server for H2 {
    type Client = h2::Client;
    type Stream = h2::Stream;

    async fn start(config: Config) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, (tell, events)) = (listener.local_addr().unwrap(), unbounded_channel());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let tell = tell.clone();
                tokio::spawn(async move { h2::serve(stream, config, |ws| echo(ws, tell.clone())).await });
            }
        });
        Self { address, events }
    }

    async fn client(&self, config: Config) -> h2::Client {
        let stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        h2::Client::new(stream, config).await.unwrap()
    }

    async fn try_open(client: &h2::Client, path: &str) -> Result<Peer<h2::Stream>, String> {
        let request = ClientRequest::new(&format!("ws://localhost{path}")).unwrap();
        client.open(request).await.map(Peer::new).map_err(|error| error.to_string())
    }

    fn events(&mut self) -> &mut UnboundedReceiver<Option<Event<'static>>> {
        &mut self.events
    }
}

impl H3 {
    /// A QUIC connection without HTTP/3 in it.
    pub(crate) async fn connect(&self) -> quinn::Connection {
        let endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        let tls = certificate::client(self.certificate.clone(), "h3").unwrap();
        let quic = h3::client_config(tls).unwrap();
        endpoint.connect_with(quic, self.address, "localhost").unwrap().await.unwrap()
    }
}

impl Server for H3 {
    type Client = h3::Client;
    type Stream = h3::Stream;

    async fn start(config: Config) -> Self {
        let (tls, certificate) = certificate::server("h3", None).unwrap();
        let address = "127.0.0.1:0".parse().unwrap();
        let endpoint = quinn::Endpoint::server(h3::server_config(tls).unwrap(), address).unwrap();
        let (address, (tell, events)) = (endpoint.local_addr().unwrap(), unbounded_channel());
        tokio::spawn(async move {
            while let Some(incoming) = endpoint.accept().await {
                let tell = tell.clone();
                tokio::spawn(async move {
                    h3::serve(incoming.await.unwrap(), config, move |ws| echo(ws, tell.clone())).await
                });
            }
        });
        Self { address, certificate, events }
    }

    async fn client(&self, config: Config) -> h3::Client {
        h3::Client::new(self.connect().await, config).await.unwrap()
    }

    async fn try_open(client: &h3::Client, path: &str) -> Result<Peer<h3::Stream>, String> {
        let request = ClientRequest::new(&format!("wss://localhost{path}")).unwrap();
        client.open(request).await.map(Peer::new).map_err(|error| error.to_string())
    }

    fn events(&mut self) -> &mut UnboundedReceiver<Option<Event<'static>>> {
        &mut self.events
    }
}

async fn echo<T: Transport>(mut ws: WebSocket<T>, tell: UnboundedSender<Option<Event<'static>>>) {
    let mut given_up = false;
    let turn = |given_up: &mut bool, connection: &mut Connection, event: Event<'_>| match event {
        Event::Message(message) if message == "give up" => *given_up = true,
        Event::Message(message) => connection.send_owned(message).unwrap(),
        Event::Ping(_) => {}
        event => drop(tell.send(Some(event.into_owned()))),
    };
    while ws.turn(|connection, event| turn(&mut given_up, connection, event)).await {
        if given_up {
            return;
        }
    }
    drop(tell.send(None));
}

/// A client's WebSocket, and what it has received.
pub(crate) struct Peer<T: Transport> {
    pub(crate) ws: WebSocket<T>,
    events: VecDeque<Event<'static>>,
}

impl<T: Transport> Peer<T> {
    pub(crate) fn new(ws: WebSocket<T>) -> Self {
        Self { ws, events: VecDeque::new() }
    }

    pub(crate) fn send(&mut self, message: &Message<'_>) {
        self.ws.connection().send(message).unwrap();
    }

    /// The next event; `None`: it has ended.
    pub(crate) async fn next(&mut self) -> Option<Event<'static>> {
        while self.events.is_empty() {
            let Self { ws, events } = self;
            if !ws.turn(|_, event| events.push_back(event.into_owned())).await {
                break;
            }
        }
        self.events.pop_front()
    }
}

/// No scenario may hang.
pub(crate) async fn hurry<F: Future>(scenario: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), scenario).await.expect("it is over in time")
}
