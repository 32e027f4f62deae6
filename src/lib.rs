//! A WebSocket protocol library (RFC 6455, RFC 7692) without sockets: bytes in, events out, bytes out.
//!
//! The same core runs under `std::net`, tokio, mio or io_uring, inside another HTTP library, over an HTTP/2
//! stream, in a fuzzer, and without an operating system. It has no I/O, no clock and no threads. The only
//! `unsafe` is in the calls that the feature `simd` makes.
//!
//! If threads or tokio are all you need, start with [`net`] or [`tokio`](crate::tokio): they include the
//! loop.
//!
//! # The loop
//!
//! A [`Server`] covers the complete life of one transport: the request, the connection or the HTTP response
//! in its place, the deadlines, and the end. The code around it is the following loop, the same for every
//! transport. A [`Client`] runs in the same loop:
//!
#![cfg_attr(feature = "std", doc = "```")]
#![cfg_attr(not(feature = "std"), doc = "```ignore")]
//! use std::io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
//! use std::io::{self, Read, Write};
//! use std::net::{Shutdown, TcpStream};
//! use std::time::{Duration, Instant};
//! use sansocket::handshake::Response;
//! use sansocket::{Config, Event, Input, Server, ServerEvent};
//!
//! fn serve(mut stream: TcpStream) -> io::Result<()> {
//!     let page = Response::new(404).map_err(io::Error::other)?;
//!     let config = Config::default();
//!     let mut server = Server::new(config);
//!     // A peer that reads nothing would block a write, and with it the deadlines, forever.
//!     stream.set_write_timeout(config.get_write_timeout())?;
//!     let (mut buf, mut n) = (vec![0; 64 * 1024], 0);
//!     let (began, mut shut_down) = (Instant::now(), false);
//!     while !server.is_ended() {
//!         // 1. Handle the events of the received bytes.
//!         let mut input = Input::new(&mut buf[..n]);
//!         while let Some(event) = server.recv(&mut input) {
//!             match event {
//!                 ServerEvent::Upgrade(request) => server.answer(request.accept()),
//!                 ServerEvent::Http(request) => server.answer(request.respond(&page)),
//!                 ServerEvent::Open(Event::Message(message)) => {
//!                     // The message borrows from `buf`, so it can be sent while held. An
//!                     // error means that the connection is closing: ignored by an echo.
//!                     let _ = server.connection().send(&message);
//!                 }
//!                 // Bad requests, pings and closing are already answered.
//!                 _ => {}
//!             }
//!         }
//!         // 2. Set the time, only now: what has arrived is in time, however long the events took.
//!         server.handle_timeout(began.elapsed());
//!         // 3. Write the output.
//!         while server.wants_write() {
//!             stream.write_all(server.output())?;
//!             server.output_written(server.output().len());
//!         }
//!         // 4. Shut down the writing side, once, when required.
//!         if server.should_shutdown() && !shut_down {
//!             stream.shutdown(Shutdown::Write)?;
//!             shut_down = true;
//!         }
//!         // 5. Read, and wait at most until the next deadline.
//!         n = 0;
//!         if server.wants_read() {
//!             let left = server.next_timeout().map(|at| at.saturating_sub(began.elapsed()));
//!             stream.set_read_timeout(left.map(|left| left.max(Duration::from_millis(1))))?;
//!             match stream.read(&mut buf) {
//!                 Ok(0) => server.recv_eof(),
//!                 Ok(read) => n = read,
//!                 // A timeout has one of two names, and a signal interrupts.
//!                 Err(error) if [WouldBlock, TimedOut, Interrupted].contains(&error.kind()) => {}
//!                 Err(_) => server.recv_error(),
//!             }
//!         }
//!     }
//!     Ok(())
//! }
//! # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
//! # let mut client = TcpStream::connect(listener.local_addr()?)?;
//! # let server = std::thread::spawn(move || serve(listener.accept()?.0));
//! # client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
//! #     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n\
//! #     \x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58\x88\x80\0\0\0\0")?;
//! # let mut answer = Vec::new();
//! # client.read_to_end(&mut answer)?;
//! # assert!(answer.starts_with(b"HTTP/1.1 101 ") && answer.ends_with(b"\r\n\r\n\x81\x05Hello\x88\x00"));
//! # drop(client);
//! # server.join().unwrap()?;
//! # Ok::<(), io::Error>(())
//! ```
//!
//! A non-blocking event loop does the same for each transport that is ready; [`event_loop`] has the rules for
//! readiness, completion, polling and other kinds, and for TLS. What else a server meets, such as browsers and reverse
//! proxies, is in [`serving`].
//!
//! Why it is short:
//!
//! * [`recv`](Connection::recv) consumes every byte of its input: nothing to keep, compact or append to.
//! * A message that is complete in the buffer is borrowed from there, unmasked in place: no copy, no
//!   allocation. Events borrow from the buffer only, never from the connection.
//! * A protocol violation by the peer is not an error in your code. The Close frame is already in the output,
//!   [`Event::Failed`] carries the reason, and further input is dropped. Only errors in your own calls are
//!   returned.
//! * Pings are answered and closing handshakes completed automatically, through the same output, in order.
//! * [`Config`] limits everything, and no allocation is based on a length that the peer announced.
//!
//! # Capabilities
//!
//! * Messages of any size in constant memory: [`recv_chunk`](Connection::recv_chunk) to receive,
//!   [`send_fragment`](Connection::send_fragment) to send.
//! * Keepalive and deadlines, without a clock: see [`Config`].
//! * Two threads or tasks for one connection: [`split`](Connection::split).
//! * Large messages without copies: moved in by [`send_owned`](Connection::send_owned), written from the
//!   caller's memory with [`send_header`](Connection::send_header), and borrowed from a [`ReadBuffer`] even
//!   if they took many reads.
//! * Vectored and completion-based writes: [`output_slices`](Connection::output_slices),
//!   [`take_output`](Connection::take_output).
//! * One message for many connections, encoded and compressed once: [`EncodedMessage`].
//! * Connecting: HTTP, HTTPS and SOCKS5 proxies, explicit or from the environment
//!   ([`Proxy`](handshake::Proxy)); all addresses of a host (RFC 8305, [`Addresses`]); when to reconnect
//!   ([`Reconnect`]).
//! * Integration into other HTTP libraries:
//!   [`UpgradeRequest::from_parts`](handshake::UpgradeRequest::from_parts).
//!
//! # Layers
//!
//! Each layer can be used on its own:
//!
//! * [`frame`]: frame headers, masking, incremental UTF-8 validation, close codes, and a frame decoder;
//!   without `alloc`.
//! * [`handshake`]: the opening handshake of both roles, on bytes or on headers that are already parsed, also
//!   for HTTP/2 (RFC 8441) and HTTP/3 (RFC 9220).
//! * [`Connection`]: messages, closing, limits, timers; or its halves [`Receiver`] and [`Sender`] for two
//!   threads or tasks, joined by a [`Notice`].
//! * [`Server`] and [`Client`]: all of the above, for the complete life of a transport.
//! * [`deflate`]: compression with permessage-deflate.
//! * [`net`]: a WebSocket over any stream of the standard library; [`tokio`](crate::tokio): over a tokio
//!   stream; [`futures_io`]: over a stream of smol, or of another runtime with the traits of `futures-io`;
//!   [`axum`](crate::axum): in an axum handler.
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `std` (default) | conversions into `std::io::Error`; no socket, no dependency |
//! | `alloc` (part of `std`) | the handshake and [`Connection`]; without it, only [`frame`] and [`accept_key`](handshake::accept_key) |
//! | `bytes` | messages to and from `Bytes` of the `bytes` crate, and payloads sent from `Bytes`, without a copy |
//! | `getrandom` | `OsRandom`, entropy for a client's masks and nonces |
//! | `net` | the adapter for the standard library's streams |
//! | `simdutf8` | UTF-8 validation with vector instructions, by the crate of that name; no `unsafe` in this crate |
//! | `simd` (enables `std`) | masking (on x86-64) and UTF-8 validation with the processor's vector instructions; the only `unsafe` |
//! | `deflate` | compression with zlib in Rust |
//! | `tokio` | the adapter for tokio's streams |
//! | `futures-io` | the adapter for streams with the traits of that crate, with the sleep of any runtime |
//! | `aio` | the shared parts of these adapters, for a runtime with its own streams |
//! | `http` | the handshake from and to requests and responses of the `http` crate |
//! | `axum` | an extractor for axum 0.8, over HTTP/1.1 and HTTP/2 |
//! | `rustls` (beside `net`), `tokio-rustls` | `wss://` in `net::connect` and `tokio::connect`, with ring and the roots of Mozilla |
//! | `tls`, `tokio-tls` | the same with a custom configuration or cryptography; see [TLS](#tls) |
//! | `ring`, `webpki-roots`, `platform-verifier` | cryptography, roots of Mozilla, roots of the system |
//!
//! # TLS
//!
//! TLS is `rustls`. `ConnectOptions::tls` takes any `ClientConfig`, and then the features `tls` and `tokio-tls` are
//! enough. Without it, a client uses the process's default `CryptoProvider` or, if there is none, the feature `ring`.
//! It trusts the certificate authorities of the system (feature `platform-verifier`) or, without that feature, those
//! of Mozilla (feature `webpki-roots`).
#![no_std]
#![cfg_attr(not(feature = "simd"), forbid(unsafe_code))]
#![cfg_attr(feature = "simd", deny(unsafe_code))]
// Nothing panics in library code, and nothing is imported from `std` that `core` or `alloc` provides.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable))]
#![deny(clippy::std_instead_of_core, clippy::alloc_instead_of_core)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

#[cfg(any(feature = "aio", feature = "net"))]
mod adapter;
#[cfg(feature = "alloc")]
mod connection;
#[cfg(feature = "alloc")]
mod endpoint;
mod error;
#[cfg(feature = "alloc")]
mod from_str;
#[cfg(feature = "alloc")]
mod http;
mod input;
mod random;
#[cfg(feature = "simd")]
mod simd;

#[cfg(feature = "aio")]
#[cfg_attr(docsrs, doc(cfg(feature = "aio")))]
pub mod aio;
#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
pub mod axum;
#[cfg(feature = "alloc")]
pub mod deflate;
pub mod frame;
#[cfg(feature = "futures-io")]
#[cfg_attr(docsrs, doc(cfg(feature = "futures-io")))]
pub mod futures_io;
pub mod handshake;
#[cfg(feature = "net")]
#[cfg_attr(docsrs, doc(cfg(feature = "net")))]
pub mod net;
#[cfg(all(feature = "tls", any(feature = "net", feature = "tokio-tls")))]
mod tls;
#[cfg(feature = "tokio")]
#[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
pub mod tokio;

/// The version of rustls that `ConnectOptions::tls` takes.
#[cfg(feature = "tls")]
#[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
pub use ::rustls;
/// The version of tokio-rustls whose streams a `tokio::ClientStream` can be made of.
#[cfg(feature = "tokio-tls")]
#[cfg_attr(docsrs, doc(cfg(feature = "tokio-tls")))]
pub use ::tokio_rustls;
#[cfg(feature = "alloc")]
pub use connection::{
    Chunk, Config, Connection, EncodedMessage, Event, Lent, Message, Notice, ReadBuffer, Receiver, Segment,
    Sender, State,
};
#[cfg(feature = "alloc")]
pub use endpoint::{
    Addresses, Answer, Attempt, Client, ClientEvent, ConnectOptions, OpenError, Reconnect, Server,
    ServerEvent, Step,
};
pub use error::{ProtocolError, SendError};
pub use frame::{CloseCode, CloseFrame, Kind};
pub use input::Input;
#[cfg(feature = "getrandom")]
pub use random::OsRandom;
pub use random::Random;

#[cfg(all(feature = "std", any(doc, doctest)))]
#[doc = include_str!("docs/event_loop.md")]
pub mod event_loop {}

#[cfg(all(feature = "std", any(doc, doctest)))]
#[doc = include_str!("docs/serving.md")]
pub mod serving {}

#[cfg(any(doc, doctest))]
#[doc = include_str!("docs/comparison.md")]
pub mod comparison {}

/// Compiles the programs of the README.
#[cfg(all(doctest, feature = "net", feature = "_tests"))]
#[doc = include_str!("../README.md")]
struct Readme;
