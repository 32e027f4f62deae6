//! sansocket for C: [`sansocket.h`](../sansocket.h) documents every function.
//!
//! The border is crossed by an opaque pointer to a [`Socket`], by plain values, and by bytes as a pointer and a length. Incoming bytes
//! are copied during the call, so that no lifetime crosses; outgoing bytes belong to the socket. Pointers that may be null are
//! `Option`s of references and boxes, so that only incoming bytes need `unsafe`. A panic aborts, as in every `extern "C"` function.

mod endpoint;
mod types;

use std::ffi::{CStr, c_char};
use std::slice;
use std::time::Duration;

use sansocket::{CloseCode, Step};

pub use endpoint::Socket;
use endpoint::{Endpoint, both};
pub use types::{Bytes, Event, EventKind, Limits, NextStep, Status, StepKind};

/// Creates a server's end of a transport that was just accepted.
#[unsafe(no_mangle)]
pub extern "C" fn sansocket_server(config: Option<&Limits>) -> Box<Socket> {
    Box::new(Socket::server(config.copied().unwrap_or_default().config()))
}

/// Creates a client's end. `None`: not a WebSocket URL.
///
/// # Safety
/// `url` is null or a string that ends with NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sansocket_client(
    url: *const c_char,
    config: Option<&Limits>,
) -> Option<Box<Socket>> {
    // SAFETY: the caller of this function vouches for the string.
    let url = unsafe { string(url) }?;
    Socket::client(url, config.copied().unwrap_or_default().config()).map(Box::new)
}

/// Frees an endpoint.
#[unsafe(no_mangle)]
pub extern "C" fn sansocket_free(socket: Option<Box<Socket>>) {
    drop(socket);
}

/// Takes received bytes.
///
/// # Safety
/// `bytes` points to `len` bytes, which nobody writes to during the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sansocket_recv(socket: Option<&mut Socket>, bytes: *const u8, len: usize) {
    // SAFETY: the caller of this function vouches for the bytes.
    let bytes = unsafe { slice(bytes, len) };
    if let Some(socket) = socket {
        socket.recv(bytes);
    }
}

/// The peer has ended its side of the transport.
#[unsafe(no_mangle)]
pub extern "C" fn sansocket_recv_eof(socket: Option<&mut Socket>) {
    if let Some(socket) = socket {
        both!(&mut socket.endpoint, endpoint => endpoint.recv_eof());
    }
}

/// The transport failed.
#[unsafe(no_mangle)]
pub extern "C" fn sansocket_recv_error(socket: Option<&mut Socket>) {
    if let Some(socket) = socket {
        both!(&mut socket.endpoint, endpoint => endpoint.recv_error());
    }
}

/// The next event.
#[unsafe(no_mangle)]
pub extern "C" fn sansocket_next_event(socket: Option<&mut Socket>) -> Event {
    socket.map_or(Event::NONE, Socket::next_event)
}

/// A header of the request that waits for an answer.
///
/// # Safety
/// `name` is null or a string that ends with NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sansocket_header(socket: Option<&Socket>, name: *const c_char) -> Bytes {
    // SAFETY: the caller of this function vouches for the string.
    let name = unsafe { string(name) };
    let value = socket.zip(name).and_then(|(socket, name)| socket.header(name));
    value.map_or(Bytes::NONE, Bytes::from)
}

/// Accepts the request for a WebSocket.
#[unsafe(no_mangle)]
pub extern "C" fn sansocket_accept(socket: Option<&mut Socket>) -> Status {
    socket.map_or(Status::Closed, Socket::accept)
}

/// Answers the request in HTTP.
///
/// # Safety
/// `body` points to `len` bytes, which nobody writes to during the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sansocket_respond(
    socket: Option<&mut Socket>,
    status: u16,
    body: *const u8,
    len: usize,
) -> Status {
    // SAFETY: the caller of this function vouches for the bytes.
    let body = unsafe { slice(body, len) };
    socket.map_or(Status::Closed, |socket| socket.respond(status, body))
}

/// What a client has to do now.
#[unsafe(no_mangle)]
pub extern "C" fn sansocket_step(socket: Option<&Socket>) -> NextStep {
    let Some(Socket { endpoint: Endpoint::Client(client), .. }) = socket else { return NextStep::RUN };
    match client.step() {
        Step::Dial { host, port } => NextStep { kind: StepKind::Dial, port, name: host.as_bytes().into() },
        Step::StartTls { name } => {
            NextStep { kind: StepKind::StartTls, port: 0, name: name.as_bytes().into() }
        }
        Step::Run => NextStep::RUN,
    }
}

/// The transport is connected, as the step asked for.
#[unsafe(no_mangle)]
pub extern "C" fn sansocket_connected(socket: Option<&mut Socket>) {
    if let Some(Socket { endpoint: Endpoint::Client(client), .. }) = socket {
        client.connected();
    }
}

/// TLS is established, as the step asked for.
#[unsafe(no_mangle)]
pub extern "C" fn sansocket_secured(socket: Option<&mut Socket>) {
    if let Some(Socket { endpoint: Endpoint::Client(client), .. }) = socket {
        client.secured();
    }
}

/// Sends a text message.
///
/// # Safety
/// `text` points to `len` bytes, which nobody writes to during the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sansocket_send_text(
    socket: Option<&mut Socket>,
    text: *const u8,
    len: usize,
) -> Status {
    // SAFETY: the caller of this function vouches for the bytes.
    let text = unsafe { slice(text, len) };
    let Some(socket) = socket else { return Status::Closed };
    match str::from_utf8(text) {
        Ok(text) => socket.connection().send_text(text).into(),
        Err(_) => Status::Invalid,
    }
}

/// Sends a binary message.
///
/// # Safety
/// `bytes` points to `len` bytes, which nobody writes to during the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sansocket_send_binary(
    socket: Option<&mut Socket>,
    bytes: *const u8,
    len: usize,
) -> Status {
    // SAFETY: the caller of this function vouches for the bytes.
    let bytes = unsafe { slice(bytes, len) };
    socket.map_or(Status::Closed, |socket| socket.connection().send_binary(bytes).into())
}

/// Sends a Ping.
///
/// # Safety
/// `payload` points to `len` bytes, which nobody writes to during the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sansocket_ping(
    socket: Option<&mut Socket>,
    payload: *const u8,
    len: usize,
) -> Status {
    // SAFETY: the caller of this function vouches for the bytes.
    let payload = unsafe { slice(payload, len) };
    socket.map_or(Status::Closed, |socket| socket.connection().ping(payload).into())
}

/// Starts the closing handshake.
///
/// # Safety
/// `reason` is null or a string that ends with NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sansocket_close(
    socket: Option<&mut Socket>,
    code: u16,
    reason: *const c_char,
) -> Status {
    let reason = if reason.is_null() {
        Some("")
    } else {
        // SAFETY: the caller of this function vouches for the string.
        unsafe { string(reason) }
    };
    match (socket, CloseCode::new(code), reason) {
        (None, ..) => Status::Closed,
        (Some(socket), Some(code), Some(reason)) => {
            both!(&mut socket.endpoint, endpoint => endpoint.close(code, reason)).into()
        }
        _ => Status::Invalid,
    }
}

/// The next bytes to write.
#[unsafe(no_mangle)]
pub extern "C" fn sansocket_output(socket: Option<&Socket>) -> Bytes {
    socket.map_or(Bytes::NONE, |socket| both!(&socket.endpoint, endpoint => endpoint.output()).into())
}

/// The next `n` bytes of the output were written.
#[unsafe(no_mangle)]
pub extern "C" fn sansocket_written(socket: Option<&mut Socket>, n: usize) {
    if let Some(socket) = socket {
        both!(&mut socket.endpoint, endpoint => endpoint.output_written(n));
    }
}

/// Whether to read.
#[unsafe(no_mangle)]
pub extern "C" fn sansocket_wants_read(socket: Option<&Socket>) -> bool {
    socket.is_some_and(|socket| both!(&socket.endpoint, endpoint => endpoint.wants_read()))
}

/// Whether to end the writing side, once.
#[unsafe(no_mangle)]
pub extern "C" fn sansocket_should_shutdown(socket: Option<&Socket>) -> bool {
    socket.is_some_and(|socket| both!(&socket.endpoint, endpoint => endpoint.should_shutdown()))
}

/// Whether the transport can be closed.
#[unsafe(no_mangle)]
pub extern "C" fn sansocket_is_ended(socket: Option<&Socket>) -> bool {
    socket.is_none_or(|socket| both!(&socket.endpoint, endpoint => endpoint.is_ended()))
}

/// Tells the time.
#[unsafe(no_mangle)]
pub extern "C" fn sansocket_handle_timeout(socket: Option<&mut Socket>, now_ms: u64) {
    if let Some(socket) = socket {
        both!(&mut socket.endpoint, endpoint => endpoint.handle_timeout(Duration::from_millis(now_ms)));
    }
}

/// When the time has to be told at the latest.
#[unsafe(no_mangle)]
pub extern "C" fn sansocket_next_timeout(socket: Option<&Socket>) -> u64 {
    let at = socket.and_then(|socket| both!(&socket.endpoint, endpoint => endpoint.next_timeout()));
    at.map_or(u64::MAX, |at| u64::try_from(at.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX))
}

/// The bytes at `ptr`.
///
/// # Safety
/// `ptr` points to `len` bytes, which nobody writes to as long as the result is in use; or `len` is 0.
unsafe fn slice<'a>(ptr: *const u8, len: usize) -> &'a [u8] {
    if ptr.is_null() || len == 0 {
        return &[];
    }
    // SAFETY: the caller of this function vouches for the bytes.
    unsafe { slice::from_raw_parts(ptr, len) }
}

/// The string at `ptr`; `None` if it is null or not UTF-8.
///
/// # Safety
/// `ptr` is null or a string that ends with NUL, and nobody writes to it as long as the result is in use.
unsafe fn string<'a>(ptr: *const c_char) -> Option<&'a str> {
    if ptr.is_null() {
        return None;
    }
    // SAFETY: the caller of this function vouches for the string.
    unsafe { CStr::from_ptr(ptr) }.to_str().ok()
}
