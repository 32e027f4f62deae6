//! Connecting by URL: [`connect`] and its variants.

use core::ops::ControlFlow;
use std::boxed::Box;
use std::format;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
#[cfg(feature = "rustls")]
use std::sync::Arc;

use super::client_stream::{Deadline, Socket};
use super::handshake::client;
use super::{ClientStream, WebSocket, is_later};
use crate::adapter::{Error, tunnelled};
use crate::connection::Config;
use crate::endpoint::ConnectOptions;
use crate::handshake::{ClientRequest, Established, ProxyHandshake};
use crate::input::Input;
#[cfg(feature = "rustls")]
use crate::tls;

/// Connects to a `ws://` URL, and with the feature `rustls` to a `wss://` URL, with the default configuration.
///
/// ```no_run
/// use sansocket::{Event, net};
/// let mut ws = net::connect("ws://127.0.0.1:9001/")?;
/// ws.send_text("Hello")?;
/// while let Some(event) = ws.recv()? {
///     if let Event::Message(message) = event {
///         println!("{message:?}");
///         ws.close(sansocket::CloseCode::NORMAL, "")?;
///     }
/// }
/// # Ok::<(), net::Error>(())
/// ```
///
/// # Errors
/// See [`Error`].
pub fn connect(url: &str) -> Result<WebSocket<ClientStream>, Error> {
    let (ws, _) = connect_with(ClientRequest::new(url)?, Config::default())?;
    Ok(ws)
}

/// Connects with subprotocols, headers and limits of your own, through a proxy, or wherever redirects lead; see
/// [`ConnectOptions`]. Returns what the server said as well.
///
/// [`Config::handshake_timeout`] bounds it all but looking up the name, which the operating system bounds:
/// every address, the proxy, TLS, the handshake, redirects.
///
/// # Errors
/// See [`Error`].
pub fn connect_with(
    mut request: ClientRequest,
    options: impl Into<ConnectOptions>,
) -> Result<(WebSocket<ClientStream>, Established), Error> {
    let mut options = options.into();
    let deadline = Deadline::after(options.config.handshake_timeout);
    loop {
        match open(&request, &options, deadline) {
            Err(error) => request = options.redirected(&request, error)?,
            connected => return connected,
        }
    }
}

/// Like [`connect_with`], with a TLS configuration of your own: other certificate authorities, a client
/// certificate. A `ws://` URL is connected to without TLS.
///
/// # Errors
/// See [`Error`].
#[cfg(feature = "rustls")]
#[cfg_attr(docsrs, doc(cfg(feature = "rustls")))]
pub fn connect_tls(
    request: ClientRequest,
    options: impl Into<ConnectOptions>,
    tls: Arc<::rustls::ClientConfig>,
) -> Result<(WebSocket<ClientStream>, Established), Error> {
    connect_with(request, options.into().tls(tls))
}

/// Connects to where one request leads.
fn open(
    request: &ClientRequest,
    options: &ConnectOptions,
    deadline: Deadline,
) -> Result<(WebSocket<ClientStream>, Established), Error> {
    let url = request.url();
    #[cfg(not(feature = "rustls"))]
    if url.is_secure() {
        return Err(io::Error::new(ErrorKind::Unsupported, "wss:// needs the feature `rustls`").into());
    }
    #[cfg(feature = "rustls")]
    let session = url.is_secure().then(|| tls::session(url.host(), options.tls.as_ref())).transpose()?;
    let socket = match &options.proxy {
        None => tcp(url.host(), url.port(), deadline)?,
        Some(proxy) => {
            let mut socket = tcp(proxy.host(), proxy.port(), deadline)?;
            tunnel(&mut socket, ProxyHandshake::new(proxy, url, options.config))?;
            socket
        }
    };
    #[cfg(feature = "rustls")]
    let stream = match session {
        // The first write carries out the TLS handshake.
        Some(session) => ::rustls::StreamOwned::new(session, socket).into(),
        None => ClientStream::from(socket),
    };
    #[cfg(not(feature = "rustls"))]
    let stream = ClientStream::from(socket);
    let config = options.config.handshake_timeout(deadline.left()?);
    let (mut ws, established) = client(stream, request.clone(), config)?;
    ws.stream.lift_deadline()?;
    Ok((ws, established))
}

/// Connects to the first address of the host that answers; each has its share of the time.
fn tcp(host: &str, port: u16, deadline: Deadline) -> io::Result<Socket> {
    let mut last = io::Error::new(ErrorKind::NotFound, format!("{host} has no address"));
    let mut addresses = (host, port).to_socket_addrs()?;
    while let Some(address) = addresses.next() {
        let others = u32::try_from(addresses.len()).unwrap_or(u32::MAX - 1);
        match TcpStream::connect_timeout(&address, deadline.left()? / (others + 1)) {
            Ok(stream) => {
                // What is written is whole messages: waiting to fill packets only costs time.
                stream.set_nodelay(true)?;
                return Ok(Socket::new(stream, deadline));
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Asks a proxy for a tunnel.
fn tunnel(socket: &mut Socket, mut handshake: ProxyHandshake) -> Result<(), Error> {
    let mut buf = [0; 1024];
    socket.write_all(handshake.output()).map_err(late)?;
    handshake.output_written(usize::MAX);
    loop {
        let n = match socket.read(&mut buf) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            read => read.map_err(late)?,
        };
        if n == 0 {
            return Err(Error::Proxy(Box::new(handshake.recv_eof()?)));
        }
        let mut input = Input::new(&mut buf[..n]);
        match tunnelled(handshake, &mut input)? {
            ControlFlow::Continue(more) => handshake = more,
            ControlFlow::Break(()) => return Ok(()),
        }
    }
}

/// On a socket that blocks, "later" is too late.
fn late(error: io::Error) -> io::Error {
    if is_later(&error) { ErrorKind::TimedOut.into() } else { error }
}
