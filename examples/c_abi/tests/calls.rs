//! The functions of the border, as C calls them: without an endpoint, in any order, on any bytes.
#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::multiple_unsafe_ops_per_block, reason = "the tests are calls of unsafe functions")]

use std::ptr;

use sansocket_c::*;

fn bytes<'a>(bytes: Bytes) -> &'a [u8] {
    if bytes.len == 0 {
        return &[];
    }
    // SAFETY: the tests look at them before the next call.
    unsafe { std::slice::from_raw_parts(bytes.ptr, bytes.len) }
}

fn recv(socket: &mut Socket, bytes: &[u8]) {
    // SAFETY: the bytes are there.
    unsafe { sansocket_recv(Some(socket), bytes.as_ptr(), bytes.len()) }
}

#[test]
fn a_request_can_be_inspected_accepted_and_rejected() {
    for accept in [true, false] {
        let mut socket = sansocket_server(None);
        assert_eq!(sansocket_accept(Some(&mut socket)), Status::Closed, "there is no request yet");
        recv(&mut socket, REQUEST);
        recv(&mut socket, b"\x81\x82\0\0\0\0hi");
        let event = sansocket_next_event(Some(&mut socket));
        assert_eq!((event.kind, bytes(event.payload)), (EventKind::Upgrade, &b"/chat?room=1"[..]));
        let header = |socket: &Socket, name: &std::ffi::CStr| {
            // SAFETY: the name ends with NUL.
            bytes(unsafe { sansocket_header(Some(socket), name.as_ptr()) }).to_vec()
        };
        assert_eq!(header(&socket, c"origin"), b"https://a");
        assert_eq!(header(&socket, c"cookie"), b"");
        // SAFETY: NULL with length 0 is no bytes.
        let respond =
            |socket: &mut Socket, status| unsafe { sansocket_respond(Some(socket), status, ptr::null(), 0) };
        if accept {
            assert_eq!(respond(&mut socket, 101), Status::Invalid);
            assert_eq!(sansocket_accept(Some(&mut socket)), Status::Ok);
            assert!(bytes(sansocket_output(Some(&socket))).starts_with(b"HTTP/1.1 101 "));
            let event = sansocket_next_event(Some(&mut socket));
            assert_eq!((event.kind, bytes(event.payload)), (EventKind::Text, &b"hi"[..]));
            // Sent back while it is held.
            // SAFETY: the payload is valid until the next event.
            let sent =
                unsafe { sansocket_send_text(Some(&mut socket), event.payload.ptr, event.payload.len) };
            assert_eq!(sent, Status::Ok);
            assert!(bytes(sansocket_output(Some(&socket))).ends_with(b"\x81\x02hi"));
        } else {
            assert_eq!(respond(&mut socket, 403), Status::Ok);
            assert!(bytes(sansocket_output(Some(&socket))).starts_with(b"HTTP/1.1 403 "));
            assert_eq!(sansocket_accept(Some(&mut socket)), Status::Closed, "it was answered");
        }
        assert_eq!(header(&socket, c"origin"), b"");
        sansocket_free(Some(socket));
    }
}

#[test]
fn a_request_whose_transport_has_ended_is_not_answered() {
    type End = fn(&mut Socket);
    let ends: [End; 2] = [
        // SAFETY: NULL is no reason.
        |socket| assert_eq!(unsafe { sansocket_close(Some(socket), 1001, ptr::null()) }, Status::Ok),
        |socket| sansocket_recv_error(Some(socket)),
    ];
    for end in ends {
        let mut socket = sansocket_server(None);
        recv(&mut socket, REQUEST);
        assert_eq!(sansocket_next_event(Some(&mut socket)).kind, EventKind::Upgrade);
        end(&mut socket);
        // SAFETY: NULL with length 0 is no bytes.
        let responded = unsafe { sansocket_respond(Some(&mut socket), 403, ptr::null(), 0) };
        assert_eq!((responded, sansocket_accept(Some(&mut socket))), (Status::Closed, Status::Closed));
        assert_eq!(bytes(sansocket_output(Some(&socket))), b"");
    }
}

#[test]
fn a_client_is_told_where_to_dial() {
    // SAFETY: the URL ends with NUL.
    let client = |url: &std::ffi::CStr| unsafe { sansocket_client(url.as_ptr(), None) };
    assert!(
        client(c"http://a").is_none() && client(c"ws://a b/").is_none() && client(c"ws://\xFF/").is_none()
    );
    let mut socket = client(c"wss://example.com/chat").unwrap();
    let step = sansocket_step(Some(&socket));
    assert_eq!((step.kind, bytes(step.name), step.port), (StepKind::Dial, &b"example.com"[..], 443));
    sansocket_connected(Some(&mut socket));
    let step = sansocket_step(Some(&socket));
    assert_eq!((step.kind, bytes(step.name)), (StepKind::StartTls, &b"example.com"[..]));
    sansocket_secured(Some(&mut socket));
    assert_eq!(sansocket_step(Some(&socket)).kind, StepKind::Run);
    assert!(bytes(sansocket_output(Some(&socket))).starts_with(b"GET /chat HTTP/1.1\r\n"));
    let len = bytes(sansocket_output(Some(&socket))).len();
    sansocket_written(Some(&mut socket), len);
    recv(&mut socket, b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    let event = sansocket_next_event(Some(&mut socket));
    assert_eq!((event.kind, event.code, bytes(event.payload)), (EventKind::Refused, 403, &b"no"[..]));
    assert!(sansocket_is_ended(Some(&socket)));
}

#[test]
fn deadlines_are_in_milliseconds() {
    let config = Limits { ping_interval_ms: 1500, ..Limits::default() };
    let mut socket = sansocket_server(Some(&config));
    assert_eq!(sansocket_next_timeout(Some(&socket)), 0, "it does not know the time");
    sansocket_handle_timeout(Some(&mut socket), 10_000);
    assert_eq!(sansocket_next_timeout(Some(&socket)), 20_000, "for the handshake");
    recv(&mut socket, REQUEST);
    assert_eq!(sansocket_next_event(Some(&mut socket)).kind, EventKind::Upgrade);
    assert_eq!(sansocket_next_timeout(Some(&socket)), u64::MAX, "the decision is the caller's");
    sansocket_accept(Some(&mut socket));
    sansocket_written(Some(&mut socket), usize::MAX);
    sansocket_handle_timeout(Some(&mut socket), 10_000);
    assert_eq!(sansocket_next_timeout(Some(&socket)), 11_500);
    sansocket_handle_timeout(Some(&mut socket), 11_500);
    assert_eq!(bytes(sansocket_output(Some(&socket))), b"\x89\x00");
}

#[test]
fn a_limit_is_kept() {
    let mut socket = sansocket_server(Some(&Limits { max_message: 2, ..Limits::default() }));
    recv(&mut socket, REQUEST);
    sansocket_next_event(Some(&mut socket));
    sansocket_accept(Some(&mut socket));
    recv(&mut socket, b"\x82\x82\0\0\0\0hi\x82\x83\0\0\0\0");
    assert_eq!(sansocket_next_event(Some(&mut socket)).kind, EventKind::Binary);
    let event = sansocket_next_event(Some(&mut socket));
    assert_eq!((event.kind, event.code), (EventKind::Failed, 1006));
    assert!(!bytes(event.payload).is_empty());
}

#[test]
fn nothing_in_place_of_an_endpoint_does_nothing() {
    let some = b"x".as_ptr();
    sansocket_free(None);
    // SAFETY: the bytes are there, and NULL is no string.
    unsafe {
        assert!(sansocket_client(ptr::null(), None).is_none());
        sansocket_recv(None, some, 1);
        assert_eq!(sansocket_header(None, ptr::null()).len, 0);
        assert_eq!(sansocket_respond(None, 200, some, 1), Status::Closed);
        assert_eq!(sansocket_send_text(None, some, 1), Status::Closed);
        assert_eq!(sansocket_send_binary(None, some, 1), Status::Closed);
        assert_eq!(sansocket_ping(None, some, 1), Status::Closed);
        assert_eq!(sansocket_close(None, 1000, ptr::null()), Status::Closed);
    }
    sansocket_recv_eof(None);
    sansocket_recv_error(None);
    assert_eq!(sansocket_next_event(None).kind, EventKind::None);
    assert_eq!(sansocket_accept(None), Status::Closed);
    assert_eq!(sansocket_step(None).kind, StepKind::Run);
    sansocket_connected(None);
    sansocket_secured(None);
    assert_eq!(sansocket_output(None).len, 0);
    sansocket_written(None, 1);
    assert!(!sansocket_wants_read(None) && !sansocket_should_shutdown(None) && sansocket_is_ended(None));
    sansocket_handle_timeout(None, 1);
    assert_eq!(sansocket_next_timeout(None), u64::MAX);
}

#[test]
fn any_order_of_calls_on_any_bytes() {
    let mut state = 0x9E37_79B9_u32;
    let mut random = move |below: u32| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state % below
    };
    for run in 0..2000_u32 {
        let mut socket = if run % 2 == 0 {
            sansocket_server(None)
        } else {
            // SAFETY: the URL ends with NUL.
            unsafe { sansocket_client(c"ws://a/".as_ptr(), None) }.unwrap()
        };
        if run % 4 == 0 {
            recv(&mut socket, REQUEST);
        }
        let mut held = Bytes { ptr: ptr::null(), len: 0 };
        let mut now = 0;
        for _ in 0..random(60) {
            let bytes_in: Vec<u8> = (0..random(40)).map(|_| random(256) as u8).collect();
            let (data, len) = (bytes_in.as_ptr(), bytes_in.len());
            let socket = &mut *socket;
            match random(16) {
                0 | 1 => {
                    held.len = 0;
                    recv(socket, &bytes_in);
                }
                2 => {
                    held.len = 0;
                    recv(socket, b"\x81\x82\0\0\0\0hi\x89\x81\0\0\0\0p");
                }
                3..=5 => {
                    held = sansocket_next_event(Some(socket)).payload;
                }
                6 => sansocket_recv_eof(Some(socket)),
                7 if random(4) == 0 => sansocket_recv_error(Some(socket)),
                8 => drop(sansocket_accept(Some(socket))),
                // SAFETY: the bytes are there.
                9 => drop(unsafe { sansocket_respond(Some(socket), random(1000) as u16, data, len) }),
                // SAFETY: the bytes of the last event are there until the next.
                10 => drop(unsafe { sansocket_send_binary(Some(socket), held.ptr, held.len) }),
                // SAFETY: the bytes are there.
                11 => drop(unsafe { sansocket_send_text(Some(socket), data, len) }),
                // SAFETY: the bytes are there.
                12 => drop(unsafe { sansocket_ping(Some(socket), data, len) }),
                // SAFETY: the string ends with NUL.
                13 => drop(unsafe { sansocket_close(Some(socket), random(5000) as u16, c"why".as_ptr()) }),
                14 => {
                    now += u64::from(random(5000));
                    sansocket_handle_timeout(Some(socket), now);
                }
                _ => {
                    sansocket_connected(Some(socket));
                    let output = bytes(sansocket_output(Some(socket))).len();
                    sansocket_written(Some(socket), random(output as u32 + 2) as usize);
                }
            }
        }
        // However it got here, it comes to an end.
        sansocket_recv_eof(Some(&mut socket));
        for _ in 0..100 {
            while sansocket_next_event(Some(&mut socket)).kind != EventKind::None {
                let _ = sansocket_accept(Some(&mut socket));
            }
            sansocket_written(Some(&mut socket), usize::MAX);
            now += 1_000_000;
            sansocket_handle_timeout(Some(&mut socket), now);
        }
        // A request that was not answered keeps it.
        // SAFETY: NULL with length 0 is no bytes.
        let _ = unsafe { sansocket_respond(Some(&mut socket), 503, ptr::null(), 0) };
        while sansocket_next_event(Some(&mut socket)).kind != EventKind::None {}
        sansocket_written(Some(&mut socket), usize::MAX);
        sansocket_handle_timeout(Some(&mut socket), now + 1_000_000);
        while sansocket_next_event(Some(&mut socket)).kind != EventKind::None {}
        assert!(sansocket_is_ended(Some(&socket)), "run {run}");
        sansocket_free(Some(socket));
    }
}

const REQUEST: &[u8] = b"GET /chat?room=1 HTTP/1.1\r\nHost: a\r\nOrigin: https://a\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
