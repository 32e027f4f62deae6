//! [`Connection`]: the protocol after the opening handshake.

mod config;

pub use config::Config;

use alloc::vec::Vec;

use crate::random::Random;

/// An open WebSocket connection, as a state machine.
#[derive(Debug)]
pub struct Connection {
    config: Config,
    output: Vec<u8>,
}

impl Connection {
    /// The server's end of a connection whose opening handshake is over.
    #[must_use]
    pub fn server(config: Config) -> Self {
        Self { config, output: Vec::new() }
    }

    /// The client's end of a connection whose opening handshake is over. `random` gives the masking keys.
    #[must_use]
    pub fn client(config: Config, random: impl Random + Send + 'static) -> Self {
        let _ = random;
        Self { config, output: Vec::new() }
    }

    /// Puts the bytes of the opening handshake in front of all output.
    pub(crate) fn with_output(self, output: Vec<u8>) -> Self {
        Self { output, ..self }
    }

    /// All bytes to write.
    #[must_use]
    pub fn output(&mut self) -> &[u8] {
        &self.output
    }
}
