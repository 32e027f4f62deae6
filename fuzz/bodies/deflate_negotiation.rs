//! Whatever a peer writes into `Sec-WebSocket-Extensions`, a server answers and a client judges as a plain
//! reading of RFC 7692 §7.1 has it, and what the one answers the other takes: I13.

use sansocket::Config;
use sansocket::deflate::Deflate;
use sansocket::handshake::{
    ClientRequest, ConnectHandshake, ConnectRequest, HandshakeError as E, PseudoHeaders,
};

use super::Tape;

/// `data`: our own wishes, whether the rest is words or bytes, then the header's value.
pub(crate) fn body(data: &[u8]) {
    let mut tape = Tape::new(data);
    let flags = tape.byte();
    let [server_bits, client_bits] = [tape.byte(), tape.byte()].map(|bits| 9 + bits % 7);
    let deflate = Deflate::default()
        .server_no_context_takeover(flags & 1 != 0)
        .client_no_context_takeover(flags & 2 != 0)
        .server_max_window_bits(server_bits)
        .client_max_window_bits(client_bits);
    let mut line = String::new();
    // A head has a limit, which is not the subject here.
    while !tape.is_empty() && line.len() < 8 << 10 {
        if flags & 4 == 0 {
            line += tape.pick(&WORDS);
        } else {
            line.push(char::from(tape.byte()));
        }
    }
    let wants = Wants { flags, server_bits, client_bits };

    let answer = answer(deflate, &line);
    let plain = line.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_;,= .".contains(&byte));
    if let (Ok(answer), true) = (&answer, plain) {
        assert_eq!(*answer, wants.answer(&line), "{line:?}");
    }
    if let Ok(Some(answer)) = answer {
        assert!(judge(Deflate::default(), &answer).is_ok(), "{answer:?} to {line:?} breaks a rule");
    }
    match judge(deflate, &line) {
        Ok(()) if plain => assert!(wants.takes(&line), "{line:?}"),
        Ok(()) => {}
        Err(E::InvalidDeflate | E::UnofferedExtension) if plain => assert!(!wants.takes(&line), "{line:?}"),
        Err(error) => assert!(!plain || error == E::InvalidExtensions, "{line:?}: {error}"),
    }
}

fn answer(deflate: Deflate, line: &str) -> Result<Option<String>, E> {
    let pseudo = PseudoHeaders {
        method: Some("CONNECT"),
        protocol: Some("websocket"),
        scheme: Some("https"),
        authority: Some("h"),
        path: Some("/"),
    };
    let headers = [("sec-websocket-version", "13"), ("sec-websocket-extensions", line)];
    let request = ConnectRequest::from_parts(pseudo, headers, Config::default().deflate(Some(deflate)))
        .map_err(|refusal| refusal.error())?;
    let (response, _) = request.accept_parts();
    let answer = response.headers().value("sec-websocket-extensions");
    Ok(answer.map(|answer| String::from_utf8_lossy(answer).into_owned()))
}

fn judge(deflate: Deflate, line: &str) -> Result<(), E> {
    let request = ClientRequest::new("wss://h/").unwrap_or_else(|error| panic!("{error}"));
    let config = Config::default().deflate(Some(deflate));
    let handshake = ConnectHandshake::new(request, config, |bytes: &mut [u8]| bytes.fill(1));
    handshake.recv_parts(200, [("sec-websocket-extensions", line)]).map(drop)
}

// ---- a plain reading ----

struct Wants {
    flags: u8,
    server_bits: u8,
    client_bits: u8,
}

/// The four parameters, each with its value, if there is any; `None` if there are others, or bad ones.
type Params<'a> = [Option<Option<u8>>; 4];
const NAMES: [&str; 4] = [
    "server_no_context_takeover",
    "client_no_context_takeover",
    "server_max_window_bits",
    "client_max_window_bits",
];

fn params(extension: &str, offer: bool) -> Option<Params<'_>> {
    let mut parts = extension.split(';').map(str::trim);
    if parts.next() != Some("permessage-deflate") {
        return None;
    }
    let mut params = [None; 4];
    for part in parts {
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim())),
            None => (part, None),
        };
        let which = NAMES.iter().position(|other| *other == name)?;
        let value = match (which, value) {
            (0 | 1, None) => None,
            (3, None) if offer => None,
            (2 | 3, Some(value)) => Some((8..=15).find(|bits: &u8| bits.to_string() == value)?),
            _ => return None,
        };
        if params[which].replace(value).is_some() {
            return None;
        }
    }
    Some(params)
}

impl Wants {
    fn answer(&self, line: &str) -> Option<String> {
        line.split(',').find_map(|offer| {
            let [server_alone, client_alone, server, client] = params(offer.trim(), true)?;
            let server_bits = server.flatten().unwrap_or(15).min(self.server_bits);
            if server_bits == 8 {
                return None;
            }
            let mut answer = String::from("permessage-deflate");
            if server_alone.is_some() || self.flags & 1 != 0 {
                answer += "; server_no_context_takeover";
            }
            if client_alone.is_some() || self.flags & 2 != 0 {
                answer += "; client_no_context_takeover";
            }
            if server.is_some() || server_bits < 15 {
                answer += &format!("; server_max_window_bits={server_bits}");
            }
            if let Some(client) = client {
                let client_bits = client.unwrap_or(15).min(self.client_bits);
                if client.is_some() || client_bits < 15 {
                    answer += &format!("; client_max_window_bits={client_bits}");
                }
            }
            Some(answer)
        })
    }

    fn takes(&self, line: &str) -> bool {
        let mut extensions = line.split(',').map(str::trim).filter(|extension| !extension.is_empty());
        let Some(params) = extensions.next().map(|extension| params(extension, false)) else { return false };
        let Some([server_alone, _, server, client]) = params else { return false };
        extensions.next().is_none()
            && (server_alone.is_some() || self.flags & 1 == 0)
            && server.flatten().unwrap_or(15) <= self.server_bits
            && client.flatten().unwrap_or(0) <= self.client_bits
    }
}

const WORDS: [&str; 24] = [
    "permessage-deflate",
    "; ",
    ";",
    ", ",
    ",",
    "=",
    "\"",
    " ",
    "; server_no_context_takeover",
    "; client_no_context_takeover",
    "; server_max_window_bits",
    "; client_max_window_bits",
    "8",
    "9",
    "10",
    "12",
    "15",
    "16",
    "0",
    "; server_max_window_bits=10",
    "; client_max_window_bits=11",
    "permessage-deflate; ",
    "x",
    "\\",
];
