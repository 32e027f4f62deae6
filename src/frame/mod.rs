//! Frames (RFC 6455 §5). Each part is public and works on its own, without `alloc`.
//!
//! ```text
//! bytes ─▶ Decoder ─▶ Part { header, payload }
//! payload ─▶ encode ─▶ bytes
//! text ─▶ Utf8      close payload ─▶ CloseFrame
//!
//! Decoder = Header::parse + Mask + rules (§5.1, §5.2, §5.4)
//! encode  = Header::encode + Mask
//! ```
//!
//! # Without `alloc`
//!
//! The program below is an echo server with fixed buffers. It starts after the opening handshake, for which
//! [`accept_key`](crate::handshake::accept_key) needs no `alloc` either. Received bytes may be cut anywhere.
//! The [`Decoder`] checks headers, the order of fragments and the limits, so every payload fits into its
//! buffer. The program checks the content of payloads: UTF-8, also across fragments, and the code and reason
//! of a Close. A client uses [`Decoder::client`] and a new masking key for each frame that it sends.
//!
//! ```
//! #![no_std]
//! # extern crate std; // for the test harness
//! use sansocket::frame::{CloseFrame, ControlPayload, Decoder, Header, Limits, Opcode, Part, Utf8, encode};
//! use sansocket::{Input, ProtocolError};
//!
//! const MAX: usize = 1024; // bytes of a message
//!
//! /// `read` returns the number of bytes that arrived, or `None` at the end of the transport.
//! fn serve(read: impl FnMut(&mut [u8]) -> Option<usize>, mut write: impl FnMut(&[u8])) {
//!     let mut out = [0; Header::MAX_LEN + MAX];
//!     let mut send = |opcode, payload: &[u8]| {
//!         let header = Header { fin: true, rsv1: false, opcode, mask: None, payload_len: 0 };
//!         if let Ok(len) = encode(header, payload, &mut out) {
//!             write(&out[..len]);
//!         }
//!     };
//!     // A lost transport has no code.
//!     if let Err(Some(code)) = echo(read, &mut send).map_err(ProtocolError::close_code) {
//!         send(Opcode::Close, CloseFrame::new(code, "").as_bytes());
//!     }
//! }
//!
//! /// Returns after the closing handshake, or when the client breaks a rule.
//! fn echo(
//!     mut read: impl FnMut(&mut [u8]) -> Option<usize>,
//!     mut send: impl FnMut(Opcode, &[u8]),
//! ) -> Result<(), ProtocolError> {
//!     let limits = Limits { max_frame: MAX as u64, max_message: MAX as u64, max_fragments: 16 };
//!     let (mut decoder, mut utf8) = (Decoder::server(limits), Utf8::new());
//!     let (mut buf, mut message, mut len, mut kind) = ([0; 64], [0; MAX], 0, Opcode::Text);
//!     let mut control = ControlPayload::EMPTY; // not `message`: it may come between fragments
//!     while let Some(n) = read(&mut buf) {
//!         let mut input = Input::new(&mut buf[..n]);
//!         while let Some(Part { header, start, end, payload }) = decoder.next(&mut input)? {
//!             if header.opcode.is_control() {
//!                 control = if start { ControlPayload::EMPTY } else { control };
//!                 control.push(payload);
//!                 match header.opcode {
//!                     Opcode::Ping if end => send(Opcode::Pong, &control),
//!                     Opcode::Close if end => {
//!                         return CloseFrame::parse(&control).map(|_| send(Opcode::Close, &control));
//!                     }
//!                     _ => {}
//!                 }
//!                 continue;
//!             }
//!             kind = if header.opcode == Opcode::Continuation { kind } else { header.opcode };
//!             message[len..][..payload.len()].copy_from_slice(payload); // fits: `max_message`
//!             len += payload.len();
//!             let last = end && header.fin;
//!             if kind == Opcode::Text && (utf8.push(payload).is_err() || (last && !utf8.is_complete())) {
//!                 return Err(ProtocolError::InvalidUtf8);
//!             }
//!             if last {
//!                 send(kind, &message[..len]);
//!                 len = 0;
//!             }
//!         }
//!     }
//!     Err(ProtocolError::UnexpectedEof)
//! }
//! # fn main() {
//! # // Every cut gives the same answers.
//! # let received: [(&[&[u8]], &[u8]); 6] = [
//! #     // A Ping, and a Pong, between the fragments of "grün", one of which is cut inside "ü".
//! #     (
//! #         &[b"\x01\x83\0\0\0\0gr\xC3", b"\x89\x82\0\0\0\0hi", b"\x8A\x81\0\0\0\0x", b"\x80\x82\0\0\0\0\xBCn",
//! #             b"\x82\x80\0\0\0\0", b"\x88\x85\0\0\0\0\x03\xE8bye", b"\x89\x80\0\0\0\0"],
//! #         b"\x8A\x02hi\x81\x05gr\xC3\xBCn\x82\0\x88\x05\x03\xE8bye",
//! #     ),
//! #     // A code point that is cut off, a Close with a bad code, a fragment of no message, a large message.
//! #     (&[b"\x01\x81\0\0\0\0\xC3", b"\x80\x80\0\0\0\0"], b"\x88\x02\x03\xEF"),
//! #     (&[b"\x88\x82\0\0\0\0\x03\xED"], b"\x88\x02\x03\xEA"),
//! #     (&[b"\x80\x80\0\0\0\0"], b"\x88\x02\x03\xEA"),
//! #     (&[b"\x02\xFE\x04\0\0\0\0\0", &[0; 1024], b"\x80\x81\0\0\0\0"], b"\x88\x02\x03\xF1"),
//! #     (&[b"\x82\x82\x01\x02\0\0\xFE\xFD"], b"\x82\x02\xFF\xFF"), // and the end of the transport
//! # ];
//! # for (frames, expected) in received {
//! #     for most in 1..=64 {
//! #         let mut bytes = frames.iter().copied().flatten().copied().peekable();
//! #         let (mut sent, mut len) = ([0; 64], 0);
//! #         serve(
//! #             |buf| {
//! #                 bytes.peek()?;
//! #                 Some(buf[..most].iter_mut().zip(bytes.by_ref()).map(|(to, byte)| *to = byte).count())
//! #             },
//! #             |bytes| {
//! #                 sent[len..][..bytes.len()].copy_from_slice(bytes);
//! #                 len += bytes.len();
//! #             },
//! #         );
//! #         assert_eq!(&sent[..len], expected, "{most}");
//! #     }
//! # }
//! # }
//! ```

mod close;
mod control;
mod decoder;
mod encoder;
mod header;
mod mask;
mod rules;
mod utf8;

pub use close::{CloseCode, CloseFrame};
pub use control::ControlPayload;
pub use decoder::{Decoder, Part};
pub use encoder::{BufferTooSmall, encode};
pub use header::{EncodedHeader, Header, Kind, Opcode};
pub use mask::Mask;
pub use rules::Limits;
pub use utf8::{InvalidUtf8, Utf8, ValidText};
#[cfg(feature = "alloc")]
pub(crate) use {decoder::Cut, decoder::Masked, utf8::validate};
