//! Shows the frames of one direction of a connection, for people.
#![allow(dead_code, clippy::allow_attributes, reason = "not every example takes everything")]

use std::time::Instant;

use sansocket::frame::{CloseFrame, Decoder, Header, Limits, Opcode, Part};
use sansocket::{CloseCode, Input};

/// The frames of one direction. What breaks a rule is shown once, and nothing behind it.
pub(crate) struct Trace {
    /// Who sends, in front of every line.
    name: String,
    began: Instant,
    decoder: Option<Decoder>,
    /// The first payload bytes of the frame under way.
    beginning: Vec<u8>,
    /// Whether the message under way is text, and whether it is compressed.
    message: (bool, bool),
}

impl Trace {
    /// What a client sends: masked frames. Times are shown since `began`.
    pub(crate) fn of_client(name: impl Into<String>, began: Instant) -> Self {
        Self::new(name.into(), began, Decoder::server(Limits::NONE))
    }

    /// What a server sends.
    pub(crate) fn of_server(name: impl Into<String>, began: Instant) -> Self {
        Self::new(name.into(), began, Decoder::client(Limits::NONE))
    }

    fn new(name: String, began: Instant, decoder: Decoder) -> Self {
        // Whether compression was negotiated is for the ends to check.
        let decoder = Some(decoder.with_rsv1());
        Self { name, began, decoder, beginning: Vec::new(), message: (false, false) }
    }

    /// Goes on with the bytes that were sent next, and shows every frame that ends in them with `show`.
    pub(crate) fn bytes(&mut self, bytes: &[u8], mut show: impl FnMut(String)) {
        let mut copy = bytes.to_vec();
        let mut input = Input::new(&mut copy);
        while self.next(&mut input, &mut show).is_some() {}
    }

    /// The next piece of a frame, its payload unmasked. `None`: the input is used up, or shown no longer.
    pub(crate) fn next<'b>(
        &mut self,
        input: &mut Input<'b>,
        mut show: impl FnMut(String),
    ) -> Option<Part<'b>> {
        match self.decoder.as_mut()?.next(input) {
            Ok(Some(part)) => {
                self.part(&part).into_iter().for_each(show);
                Some(part)
            }
            Ok(None) => None,
            Err(error) => {
                show(self.line(&format!("broken: {error}; what follows is not shown")));
                self.decoder = None;
                None
            }
        }
    }

    /// Whether a rule was broken, so that nothing is shown any more.
    pub(crate) fn is_broken(&self) -> bool {
        self.decoder.is_none()
    }

    /// A line for something else that happened in this direction.
    pub(crate) fn line(&self, what: &str) -> String {
        format!("{:8.3} {} {what}", self.began.elapsed().as_secs_f64(), self.name)
    }

    /// The line for a frame, with its last piece.
    fn part(&mut self, part: &Part<'_>) -> Option<String> {
        let header = &part.header;
        if part.start {
            self.beginning.clear();
            match header.opcode {
                Opcode::Text | Opcode::Binary => self.message = (header.opcode == Opcode::Text, header.rsv1),
                _ => {}
            }
        }
        let room = KEPT.saturating_sub(self.beginning.len()).min(part.payload.len());
        self.beginning.extend_from_slice(&part.payload[..room]);
        part.end.then(|| self.line(&self.frame(header)))
    }

    /// Such as `Text, 5 bytes, mask 37fa213d: Hello`.
    fn frame(&self, header: &Header) -> String {
        let compressed = !header.opcode.is_control() && self.message.1;
        let mut line = format!("{:?}", header.opcode);
        if !header.fin {
            line += ", more follows";
        }
        let unit = if header.payload_len == 1 { "byte" } else { "bytes" };
        line += &format!(", {}{} {unit}", header.payload_len, if compressed { " compressed" } else { "" });
        if let Some([a, b, c, d]) = header.mask {
            line += &format!(", mask {a:02x}{b:02x}{c:02x}{d:02x}");
        }
        if header.opcode == Opcode::Close {
            return format!("{line}: {}", close(&self.beginning));
        }
        let shown = &self.beginning[..self.beginning.len().min(SHOWN)];
        let is_text = self.message.0 && !compressed && !header.opcode.is_control();
        let payload = if is_text {
            String::from_utf8_lossy(shown).escape_debug().to_string()
        } else {
            shown.escape_ascii().to_string()
        };
        match (shown.len() as u64) < header.payload_len {
            true => format!("{line}: {payload}…"),
            false if shown.is_empty() => line,
            false => format!("{line}: {payload}"),
        }
    }
}

fn close(payload: &[u8]) -> String {
    match CloseFrame::parse(payload) {
        Ok(Some(frame)) if frame.reason().is_empty() => name(frame.code().get()),
        Ok(Some(frame)) => format!("{} {}", name(frame.code().get()), frame.reason().escape_debug()),
        Ok(None) => name(1005),
        Err(error) => format!("{error}: {}", payload.escape_ascii()),
    }
}

/// A close code with its name in the registry of RFC 6455 §11.7.
pub(crate) fn name(code: u16) -> String {
    let name = match CloseCode::new(code) {
        Some(CloseCode::NORMAL) => "normal closure",
        Some(CloseCode::GOING_AWAY) => "going away",
        Some(CloseCode::PROTOCOL_ERROR) => "protocol error",
        Some(CloseCode::UNSUPPORTED_DATA) => "unsupported data",
        Some(CloseCode::INVALID_PAYLOAD_DATA) => "invalid payload data",
        Some(CloseCode::POLICY_VIOLATION) => "policy violation",
        Some(CloseCode::MESSAGE_TOO_BIG) => "message too big",
        Some(CloseCode::MANDATORY_EXTENSION) => "mandatory extension",
        Some(CloseCode::INTERNAL_ERROR) => "internal error",
        Some(CloseCode::SERVICE_RESTART) => "service restart",
        Some(CloseCode::TRY_AGAIN_LATER) => "try again later",
        Some(CloseCode::BAD_GATEWAY) => "bad gateway",
        _ if code == 1005 => "no code",
        _ if code == 1006 => "no closing handshake",
        _ => "application's own",
    };
    format!("{code} ({name})")
}

/// Payload bytes of a frame that are kept: all that a Close can have.
const KEPT: usize = 125;
/// How many of them are shown.
const SHOWN: usize = 48;
