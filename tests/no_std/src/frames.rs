//! A frame there and back, and the accept key, without an allocator.

use sansocket::Input;
use sansocket::frame::{Decoder, Header, Limits, Opcode, encode};
use sansocket::handshake::accept_key;

pub(crate) fn run() -> Result<(), &'static str> {
    // RFC 6455 §1.3
    let key = accept_key(b"dGhlIHNhbXBsZSBub25jZQ==");
    if &key != b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
        return Err("another accept key");
    }
    let header =
        Header { fin: true, rsv1: false, opcode: Opcode::Text, mask: Some([1, 2, 3, 4]), payload_len: 0 };
    let mut frame = [0; 64];
    let len = encode(header, &key, &mut frame).map_err(|_| "the frame does not fit")?;
    let mut decoder = Decoder::server(Limits { max_frame: 125, max_message: 125, max_fragments: 1 });
    match decoder.next(&mut Input::new(&mut frame[..len])) {
        Ok(Some(chunk)) if *chunk.payload == key => Ok(()),
        _ => Err("another payload"),
    }
}
