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
