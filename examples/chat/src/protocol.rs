//! The subprotocol `chat.v1`: one JSON object a message, in both directions.

use std::time::{SystemTime, UNIX_EPOCH};

use sansocket::{EncodedMessage, Message};
use serde::{Deserialize, Serialize};

pub const SUBPROTOCOL: &str = "chat.v1";

/// What a client sends.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub enum Request {
    /// Enters a room, and leaves the one before. A connection with the same `name` and `key` as another takes its place: the
    /// same person has reconnected.
    Join {
        room: String,
        name: String,
        key: String,
    },
    Say {
        text: String,
    },
    Leave,
    /// Asks for a Pong: a page cannot send the Ping of WebSocket.
    Ping,
}

/// What the server sends.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Reply<'a> {
    Joined { room: &'a str, name: &'a str, people: Vec<&'a str>, history: Vec<&'a Said> },
    Came { name: &'a str },
    Left { name: &'a str },
    Said(&'a Said),
    Error { text: &'a str },
    Pong,
}

/// A message in a room.
#[derive(Debug, Serialize)]
pub struct Said {
    pub name: String,
    pub text: String,
    /// In milliseconds since 1970.
    pub at: u64,
}

impl Said {
    pub fn now(name: &str, text: &str) -> Self {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { name: name.into(), text: text.into(), at: u64::try_from(at.as_millis()).unwrap_or(u64::MAX) }
    }
}

impl Reply<'_> {
    pub fn encode(&self) -> EncodedMessage {
        let json = serde_json::to_string(self).expect("strings and numbers are JSON");
        EncodedMessage::new(&Message::from(json))
    }
}
