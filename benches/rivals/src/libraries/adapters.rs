//! This crate's adapters, over the same wires as all others.

use std::io;
use std::time::Duration;

use sansocket::net::{self, Transport};
use sansocket::{Config, Connection, Event, tokio};

use super::{Echo, Library, SplitMix, run};
use crate::wire::Wire;
use crate::{Message, Role};

pub const NET: &str = if cfg!(feature = "simd") { "sansocket, simd, net" } else { "sansocket, net" };
pub const IO_URING: &str =
    if cfg!(feature = "simd") { "sansocket, simd, io_uring" } else { "sansocket, io_uring" };
pub const TOKIO: &str = if cfg!(feature = "simd") { "sansocket, simd, tokio" } else { "sansocket, tokio" };

pub struct Net {
    socket: net::WebSocket<Wire>,
    message: sansocket::Message<'static>,
}

impl Library for Net {
    const NAME: &str = NET;

    fn new(role: Role, wire: Wire, message: &Message) -> Self {
        let read = wire.read_size();
        let mut socket = net::WebSocket::from_parts(wire, connection(role), Vec::new());
        socket.set_read_buffer(read);
        Self { socket, message: message.payload.clone().into() }
    }

    fn receive(&mut self, n: usize, mut each: impl FnMut(&[u8])) {
        let mut left = n;
        while left > 0 {
            let mut batch = self.socket.read().unwrap().unwrap();
            while let Some(event) = batch.recv() {
                if let Event::Message(message) = event {
                    each(message.as_bytes());
                    left -= 1;
                }
            }
        }
    }

    fn send(&mut self, n: usize, flush: usize) {
        for i in 1..=n {
            if flush == 1 {
                self.socket.send(&self.message).unwrap();
                continue;
            }
            self.socket.feed(&self.message).unwrap();
            if i % flush == 0 {
                self.socket.flush().unwrap();
            }
        }
    }
}

pub struct Tokio {
    socket: tokio::WebSocket<Wire>,
    message: sansocket::Message<'static>,
}

impl Library for Tokio {
    const NAME: &str = TOKIO;

    fn new(role: Role, wire: Wire, message: &Message) -> Self {
        let read = wire.read_size();
        let mut socket = tokio::WebSocket::from_parts(wire, connection(role), Vec::new());
        socket.set_read_buffer(read);
        Self { socket, message: message.payload.clone().into() }
    }

    fn receive(&mut self, n: usize, mut each: impl FnMut(&[u8])) {
        run(async {
            let mut left = n;
            while left > 0 {
                let mut batch = self.socket.read().await.unwrap().unwrap();
                while let Some(event) = batch.recv() {
                    if let Event::Message(message) = event {
                        each(message.as_bytes());
                        left -= 1;
                    }
                }
            }
        });
    }

    fn send(&mut self, n: usize, flush: usize) {
        run(async {
            for i in 1..=n {
                if flush == 1 {
                    self.socket.send(&self.message).await.unwrap();
                    continue;
                }
                self.socket.feed(&self.message).unwrap();
                if i % flush == 0 {
                    self.socket.flush().await.unwrap();
                }
            }
        });
    }
}

fn connection(role: Role) -> Connection {
    let config = super::ours::config();
    match role {
        Role::Server => Connection::server(config),
        Role::Client => Connection::client(config, SplitMix(1)),
    }
}

/// It never waits, and never ends.
macro_rules! transport {
    ($($wire:ty),*) => {$(
        impl Transport for $wire {
            fn shutdown_write(&mut self) -> io::Result<()> {
                Ok(())
            }

            fn abort(&mut self) -> io::Result<()> {
                Ok(())
            }

            fn set_read_timeout(&mut self, _: Option<Duration>) -> io::Result<()> {
                Ok(())
            }

            fn set_write_timeout(&mut self, _: Option<Duration>) -> io::Result<()> {
                Ok(())
            }
        }
    )*};
}

transport!(Wire, &'static mut Wire);

pub struct EchoNet(net::WebSocket<&'static mut Wire>);

impl Echo for EchoNet {
    const NAME: &str = NET;
    const STATE: usize = size_of::<Self>() - size_of::<&Wire>();

    fn new(wire: &'static mut Wire, _: &'static mut [u8]) -> Self {
        Self(net::WebSocket::from_parts(wire, Connection::server(Config::default()), Vec::new()))
    }

    fn echo(&mut self) {
        let mut echoed = false;
        while !echoed {
            let mut batch = self.0.read().unwrap().unwrap();
            while let Some(event) = batch.recv() {
                if let Event::Message(message) = event {
                    batch.feed(&message).unwrap();
                    echoed = true;
                }
            }
        }
        self.0.flush().unwrap();
    }
}

pub struct EchoTokio(tokio::WebSocket<&'static mut Wire>);

impl Echo for EchoTokio {
    const NAME: &str = TOKIO;
    const STATE: usize = size_of::<Self>() - size_of::<&Wire>();

    fn new(wire: &'static mut Wire, _: &'static mut [u8]) -> Self {
        Self(tokio::WebSocket::from_parts(wire, Connection::server(Config::default()), Vec::new()))
    }

    fn echo(&mut self) {
        run(async {
            let mut echoed = false;
            while !echoed {
                let mut batch = self.0.read().await.unwrap().unwrap();
                while let Some(event) = batch.recv() {
                    if let Event::Message(message) = event {
                        batch.feed(&message).unwrap();
                        echoed = true;
                    }
                }
            }
            self.0.flush().await.unwrap();
        });
    }
}
