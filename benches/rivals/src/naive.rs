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
pub fn decode(from: Role, mut bytes: &[u8]) -> Vec<Message> {
    let mut messages = Vec::new();
    let mut message = Message { text: false, payload: Vec::new() };
    while let [first, second, rest @ ..] = bytes {
        assert_eq!(second & 0x80 != 0, from == Role::Client, "masked or not");
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
