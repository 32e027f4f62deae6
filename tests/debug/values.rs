//! The types that stand alone: of the frame layer, of configuration, and the errors.

use super::*;
use sansocket::deflate::{CodecError, Deflate, Params};
use sansocket::frame::{BufferTooSmall, Header, InvalidUtf8, Limits, Mask, Opcode};

pub(super) fn look(logged: &mut Logged) {
    look_at_frames(logged);
    look_at_handshakes(logged);
    look_at_errors(logged);
    logged.look(&Config::default().deflate(Some(Deflate::default())));
    logged.look(&Deflate::default());
    logged.look(&Params::default());
    logged.look(&Inflated { consumed: 7, data: &long(), done: true });
    let mut addresses = Addresses::new(["192.0.2.1:443".parse().expect("an address")]);
    logged.look(&addresses.next_attempt(Duration::ZERO));
    logged.look(&addresses);
    logged.look(&Reconnect::default());
    logged.look(&Step::Run);
    #[cfg(feature = "getrandom")]
    logged.look(&OsRandom);
}

fn look_at_frames(logged: &mut Logged) {
    let key = *SECRET.as_bytes().first_chunk().expect("four bytes");
    let header = Header { fin: true, rsv1: false, opcode: Opcode::Text, mask: Some(key), payload_len: 7 };
    logged.look(&header);
    logged.look(&header.encode());
    logged.look(&header.opcode);
    logged.look(&Kind::Text);
    logged.look(&Mask::new(key));
    logged.look(&Limits::NONE);
    logged.look(&CloseCode::NORMAL);
    logged.look(&CloseFrame::new(CloseCode::NORMAL, "bye"));
    let mut text = long();
    logged.look(&Utf8::new().push(&text).expect("text"));
    text.push(0xFF);
    let invalid: InvalidUtf8<'_> = Utf8::new().push(&text).expect_err("no text");
    logged.look(&invalid);
    logged.look(&Utf8::new());
}

fn look_at_handshakes(logged: &mut Logged) {
    let pseudo = PseudoHeaders {
        method: Some("CONNECT"),
        protocol: Some("websocket"),
        scheme: Some("https"),
        authority: Some("h"),
        path: Some("/"),
    };
    logged.look(&pseudo);
    let headers = [("sec-websocket-version", "13"), ("cookie", SECRET), ("authorization", SECRET)];
    let request = ConnectRequest::from_parts(pseudo, headers, Config::default()).expect("a legal request");
    logged.look(&request);
    logged.look(&Redirects::new(3));
    logged.look(&Proxy::parse("http://user:hunter2@p").expect("a URL").protocol());
    logged.look(&ServerHandshake::new(Config::default()));

    let handshake = || ClientHandshake::new(client_request(), Config::default(), random);
    let mut half = format!("HTTP/1.1 403 \r\nSet-Cookie: {SECRET}\r\n").into_bytes();
    logged.look(&handshake().recv(&mut Input::new(&mut half)));
    let url = Url::parse("ws://h").expect("a URL");
    let proxy = Proxy::parse("http://user:hunter2@p").expect("a URL");
    let mut half = format!("HTTP/1.1 407 \r\nSet-Cookie: {SECRET}\r\n").into_bytes();
    logged.look(&ProxyHandshake::new(&proxy, &url, Config::default()).recv(&mut Input::new(&mut half)));
    let socks5 = Proxy::parse("socks5://user:hunter2@p").expect("a URL");
    let mut handshake = Socks5Handshake::new(&socks5, &url).expect("a short name");
    handshake.output_written(handshake.output().len());
    logged.look(&handshake.recv(&mut Input::new(&mut [5, 2])));
}

fn look_at_errors(logged: &mut Logged) {
    let mut bad = format!("GET / HTTP/1.1\r\nCookie: {SECRET}\r\n\r\n").into_bytes();
    match ServerHandshake::new(Config::default()).recv(&mut Input::new(&mut bad)) {
        ServerProgress::Refused(refusal) => logged.look(&refusal),
        other => panic!("{other:?}"),
    }
    logged.look(&ArgumentError::ReservedHeader);
    logged.look(&BufferTooSmall { needed: 7 });
    logged.look(&CodecError);
    logged.look(&HandshakeError::MissingHost);
    logged.look(&OpenError::TimedOut);
    logged.look(&ProtocolError::InvalidCloseCode(1005));
    logged.look(&RedirectError::TooMany);
    #[cfg(feature = "http")]
    logged.look(&RequestError::Argument(ArgumentError::ReservedHeader));
    logged.look(&SendError::OutputFull);
    logged.look(&Socks5Error::NameTooLong);
    logged.look(&UrlError::Host);
}
