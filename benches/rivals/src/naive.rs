//! The simplest codec there can be, to prepare streams and to check what the libraries send.

use crate::{Message, Role};

/// One frame for the message; `key` masks it.
pub fn encode(message: &Message, key: Option<[u8; 4]>, out: &mut Vec<u8>) {
    let payload = &message.payload;
    let masked = if key.is_some() { 0x80 } else { 0 };
    out.push(if message.text { 0x81 } else { 0x82 });
    match payload.len() {
        len @ 0..=125 => out.push(masked | len as u8),
        len @ 126..=0xFFFF => {
            out.push(masked | 126);
            out.extend((len as u16).to_be_bytes());
        }
        len => {
            out.push(masked | 127);
            out.extend((len as u64).to_be_bytes());
        }
    }
    out.extend(key.into_iter().flatten());
    out.extend(payload.iter().enumerate().map(|(i, byte)| byte ^ key.map_or(0, |key| key[i % 4])));
}

/// The messages in `bytes`, sent by `from`. A message may be in fragments.
pub fn decode(from: Role, bytes: &[u8]) -> Vec<Message> {
    decode_with(0, from, bytes)
}

/// The same, of compressed messages.
pub fn decode_compressed(from: Role, bytes: &[u8]) -> Vec<Message> {
    decode_with(RSV1, from, bytes)
}

pub const RSV1: u8 = 0x40;

fn decode_with(reserved: u8, from: Role, mut bytes: &[u8]) -> Vec<Message> {
    let mut messages = Vec::new();
    let mut message = Message { text: false, payload: Vec::new() };
    while let [first, second, rest @ ..] = bytes {
        assert_eq!(second & 0x80 != 0, from == Role::Client, "masked or not");
        assert_eq!(first & 0x70, if first & 0xF == 0 { 0 } else { reserved }, "compressed or not");
        if first & 0xF != 0 {
            message.text = first & 0xF == 1;
        }
        let (len, rest) = match second & 0x7F {
            126 => (usize::from(u16::from_be_bytes(rest[..2].try_into().unwrap())), &rest[2..]),
            127 => (u64::from_be_bytes(rest[..8].try_into().unwrap()) as usize, &rest[8..]),
            len => (usize::from(len), rest),
        };
        let (key, rest) = if from == Role::Client { rest.split_at(4) } else { (&[0; 4][..], rest) };
        message.payload.extend(rest[..len].iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]));
        if first & 0x80 != 0 {
            messages.push(message.clone());
            message.payload.clear();
        }
        bytes = &rest[len..];
    }
    assert!(bytes.is_empty());
    messages
}

/// Each message compressed, without the end that RFC 7692, section 7.2.1, takes away.
pub fn compress(messages: &[Vec<u8>], takeover: bool) -> Vec<Vec<u8>> {
    let mut deflater = Deflater::new(takeover);
    let compressed =
        |message: &Vec<u8>| deflater.deflate(message, &mut vec![0; message.len() + 1024]).to_vec();
    messages.iter().map(compressed).collect()
}

pub fn inflate(payloads: &[Vec<u8>], takeover: bool) -> Vec<Vec<u8>> {
    let mut inflater = Inflater::new(takeover);
    let inflated = |payload: &Vec<u8>| {
        let (mut buf, mut out) = (payload.clone(), vec![0; 1 << 20]);
        buf.extend(TAIL);
        inflater.inflate(&mut buf, payload.len(), &mut out).to_vec()
    };
    payloads.iter().map(inflated).collect()
}

const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

/// zlib-rs, called directly.
pub struct Deflater {
    zlib: zlib_rs::Deflate,
    flush: zlib_rs::DeflateFlush,
}

impl Deflater {
    pub fn new(takeover: bool) -> Self {
        use zlib_rs::DeflateFlush::{FullFlush, SyncFlush};
        let flush = if takeover { SyncFlush } else { FullFlush };
        Self { zlib: zlib_rs::Deflate::new(1, false, 15), flush }
    }

    pub fn deflate<'a>(&mut self, message: &[u8], out: &'a mut [u8]) -> &'a [u8] {
        let before = self.zlib.total_out();
        self.zlib.compress(message, out, self.flush).unwrap();
        let len = (self.zlib.total_out() - before) as usize;
        out[..len].strip_suffix(&TAIL).unwrap()
    }
}

/// zlib-rs, called directly.
pub struct Inflater {
    zlib: zlib_rs::Inflate,
    takeover: bool,
}

impl Inflater {
    pub fn new(takeover: bool) -> Self {
        Self { zlib: zlib_rs::Inflate::new(false, 15), takeover }
    }

    /// What the first `len` bytes of `buf` are compressed from. The four behind them are overwritten.
    pub fn inflate<'a>(&mut self, buf: &mut [u8], len: usize, out: &'a mut [u8]) -> &'a [u8] {
        buf[len..][..4].copy_from_slice(&TAIL);
        let before = self.zlib.total_out();
        self.zlib.decompress(&buf[..len + 4], out, zlib_rs::InflateFlush::NoFlush).unwrap();
        let len = (self.zlib.total_out() - before) as usize;
        if !self.takeover {
            self.zlib.reset(false);
        }
        &out[..len]
    }
}
