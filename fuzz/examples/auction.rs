//! A user's state machine above a `Connection`, and a body for a fuzzer that drives both: the peer bids by text messages, and no order of
//! frames, however cut, may lower the highest bid, or make the server announce another one than it has.

use arbitrary::{Arbitrary, Unstructured};
use sansocket::{CloseCode, Config, Connection, Event, Input, Message, State};

/// The protocol above: "bid 12" is answered by "highest 12", or by "too low" if it is not higher; anything else ends it.
#[derive(Default)]
struct Auction {
    highest: u64,
}

impl Auction {
    fn handle(&mut self, connection: &mut Connection, event: &Event<'_>) {
        let Event::Message(message) = event else { return };
        let bid =
            message.as_text().and_then(|text| text.strip_prefix("bid ")).and_then(|bid| bid.parse().ok());
        // The connection may be closing, or its output full: that is the peer's loss.
        let _ = match bid {
            Some(bid) if bid > self.highest => {
                self.highest = bid;
                connection.send_text(&format!("highest {bid}"))
            }
            Some(_) => connection.send_text("too low"),
            None => connection.close(CloseCode::POLICY_VIOLATION, "expected a bid"),
        };
    }
}

/// What a peer does.
#[derive(Debug, Arbitrary)]
enum Act<'d> {
    Bid(u8),
    Frame { first: u8, payload: &'d [u8] },
    Bytes(&'d [u8]),
    End,
}

/// The body of a target.
fn body(data: &[u8]) {
    let Ok((cut, acts)) = <(u8, Vec<Act<'_>>)>::arbitrary_take_rest(Unstructured::new(data)) else { return };
    let mut connection = Connection::server(Config::default().max_message(100).max_output(10_000));
    let mut auction = Auction::default();
    for act in &acts {
        let mut bytes = match act {
            Act::Bid(bid) => frame(0x81, format!("bid {bid}").as_bytes()),
            Act::Frame { first, payload } => frame(*first, payload),
            Act::Bytes(bytes) => bytes.to_vec(),
            Act::End => {
                connection.recv_eof();
                Vec::new()
            }
        };
        let before = auction.highest;
        let mut pieces = bytes.chunks_mut(usize::from(cut).max(1));
        loop {
            let piece = pieces.next();
            let last = piece.is_none();
            let mut input = Input::new(piece.unwrap_or_default());
            while let Some(event) = connection.recv(&mut input) {
                auction.handle(&mut connection, &event);
            }
            if last {
                break;
            }
        }
        assert!(auction.highest >= before, "a bid never falls");
        assert!(
            connection.state() != State::Open
                || announced(connection.output()).is_none_or(|bid| bid == auction.highest)
        );
    }
}

/// A frame as a client sends it, masked with zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let len = payload.len().min(125);
    [&[first, 0x80 | len as u8, 0, 0, 0, 0], &payload[..len]].concat()
}

/// The highest bid that the output tells of last, read by a client.
fn announced(output: &[u8]) -> Option<u64> {
    let mut client = Connection::client(Config::default(), |bytes: &mut [u8]| bytes.fill(1));
    let mut output = output.to_vec();
    let mut input = Input::new(&mut output);
    let mut highest = None;
    while let Some(event) = client.recv(&mut input) {
        if let Event::Message(Message::Text(text)) = event {
            highest = text.strip_prefix("highest ").and_then(|bid| bid.parse().ok()).or(highest);
        }
    }
    highest
}

/// In place of a fuzzer: numbers that look random.
fn main() {
    let mut state = 1_u64;
    for run in 0..20_000 {
        let mut data = Vec::new();
        while data.len() < 1 + run % 200 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            data.push((state >> 56) as u8);
        }
        body(&data);
    }
}
