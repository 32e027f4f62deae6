use std::str;

use sansocket::Random;

use super::{Library, SplitMix};
use crate::wire::Wire;
use crate::{Message, Role};

/// It checks no rules and joins nothing, so its caller does.
pub struct WebsocketSansIo {
    wire: Wire,
    decoder: websocket_sans_io::WebsocketFrameDecoder,
    encoder: websocket_sans_io::WebsocketFrameEncoder,
    buf: Vec<u8>,
    message: Vec<u8>,
    len: usize,
    out: Vec<u8>,
    payload: Vec<u8>,
    random: Option<SplitMix>,
}

impl Library for WebsocketSansIo {
    const NAME: &str = "websocket-sans-io";

    fn new(role: Role, wire: Wire, message: &Message) -> Self {
        Self {
            buf: vec![0; wire.read_size()],
            wire,
            decoder: websocket_sans_io::WebsocketFrameDecoder::new(),
            encoder: websocket_sans_io::WebsocketFrameEncoder::new(),
            message: Vec::new(),
            len: 0,
            out: Vec::new(),
            payload: message.payload.clone(),
            random: (role == Role::Client).then_some(SplitMix(1)),
        }
    }

    fn receive(&mut self, n: usize, mut each: impl FnMut(&[u8])) {
        use websocket_sans_io::{Opcode, WebsocketFrameEvent as Event};
        let check = |opcode, bytes: &[u8]| assert!(opcode != Opcode::Text || str::from_utf8(bytes).is_ok());
        let mut left = n;
        while left > 0 {
            let received = self.wire.receive(&mut self.buf);
            let mut rest = &mut self.buf[..received];
            loop {
                let result = self.decoder.add_data(rest).unwrap();
                let (used, behind) = rest.split_at_mut(result.consumed_bytes);
                rest = behind;
                match result.event {
                    Some(Event::Start { frame_info, .. }) => {
                        assert!(frame_info.is_reasonable());
                        self.len = frame_info.payload_length as usize;
                    }
                    Some(Event::PayloadChunk { original_opcode }) if used.len() == self.len => {
                        check(original_opcode, used);
                        each(used);
                        left -= 1;
                    }
                    Some(Event::PayloadChunk { original_opcode }) => {
                        self.message.extend_from_slice(used);
                        if self.message.len() == self.len {
                            check(original_opcode, &self.message);
                            each(&self.message);
                            self.message.clear();
                            left -= 1;
                        }
                    }
                    Some(Event::End { .. }) => {}
                    None if rest.is_empty() => break,
                    None => {}
                }
            }
        }
    }

    fn send(&mut self, n: usize, flush: usize) {
        for i in 1..=n {
            let mask = self.random.as_mut().map(|random| {
                let mut key = [0; 4];
                random.fill(&mut key);
                key
            });
            let header = self.encoder.start_frame(&websocket_sans_io::FrameInfo {
                opcode: websocket_sans_io::Opcode::Binary,
                payload_length: self.payload.len() as u64,
                mask,
                fin: true,
                reserved: 0,
            });
            self.out.extend_from_slice(&header);
            let start = self.out.len();
            self.out.extend_from_slice(&self.payload);
            self.encoder.transform_frame_payload(&mut self.out[start..]);
            if i % flush == 0 {
                self.wire.send(&self.out);
                self.out.clear();
            }
        }
    }
}
