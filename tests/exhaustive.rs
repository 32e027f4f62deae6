//! Every sequence of a few steps over a small alphabet, against the RFC's rules as tables: closing (§7), fragments received and
//! sent (§5.4), the two halves with a notice that may be carried at any time, and two connections, each the other's peer.
#![cfg(feature = "alloc")]

mod common;

#[path = "exhaustive/joined.rs"]
mod joined;

use common::*;
use sansocket::{CloseCode, Config, Connection, Input, Message, ProtocolError, SendError, State};

/// Calls `visit` with every sequence of up to `len` symbols.
fn sequences<S: Copy>(alphabet: &[S], len: usize, mut visit: impl FnMut(&[S])) {
    let mut digits = Vec::new();
    loop {
        let sequence = Vec::from_iter(digits.iter().map(|digit: &usize| alphabet[*digit]));
        visit(&sequence);
        // Counting, with one more digit after the last of each length.
        match digits.iter().rposition(|digit| digit + 1 < alphabet.len()) {
            Some(at) => {
                digits[at] += 1;
                digits[at + 1..].fill(0);
            }
            None if digits.len() < len => digits = vec![0; digits.len() + 1],
            None => return,
        }
    }
}

#[test]
fn sequences_are_all_there() {
    let mut count = 0;
    sequences(&[0, 1, 2], 3, |_| count += 1);
    assert_eq!(count, 1 + 3 + 9 + 27);
}

// ---- closing ----

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// We close, send a message, write what waits.
    Close,
    Send,
    Write,
    /// The peer sends a message, a Ping, its Close, something illegal; it ends the stream, or the transport fails.
    TheirMessage,
    TheirPing,
    TheirClose,
    Illegal,
    Eof,
    Broken,
}

const STEPS: [Step; 9] = [
    Step::Close,
    Step::Send,
    Step::Write,
    Step::TheirMessage,
    Step::TheirPing,
    Step::TheirClose,
    Step::Illegal,
    Step::Eof,
    Step::Broken,
];

/// The state, frames, an event.
type Closing = (State, Vec<(u8, Vec<u8>)>, Option<Seen>);

/// RFC 6455 §7 as a table: the state after the step, the frames that go into the output, and what is reported.
fn closing(state: State, step: Step) -> Closing {
    use State::*;
    let their_close = || Some(Seen::Close(Some((1000, String::new()))));
    let failed = |error| Some(Seen::Failed(error));
    match (state, step) {
        // §7.1.2: start the closing handshake.
        (Open, Step::Close) => (CloseSent, vec![(CLOSE, close_payload(1001, "bye"))], None),
        (Open, Step::Send) => (Open, vec![(BINARY, b"m".to_vec())], None),
        // §5.5.2: a Pong is due until the peer's Close has come.
        (Open | CloseSent, Step::TheirPing) => {
            (state, vec![(PONG, b"p".to_vec())], Some(Seen::Ping(b"p".to_vec())))
        }
        (Open | CloseSent, Step::TheirMessage) => (state, vec![], Some(Seen::Binary(b"m".to_vec()))),
        // §5.5.1: answer with a Close that echoes the code; ours is there already in the other case.
        (Open, Step::TheirClose) => (Closed, vec![(CLOSE, close_payload(1000, ""))], their_close()),
        (CloseSent, Step::TheirClose) => (Closed, vec![], their_close()),
        // §7.1.7: say why, unless a Close was sent.
        (Open, Step::Illegal) => {
            let error = ProtocolError::ReservedOpcode(3);
            (Failed, vec![(CLOSE, close_payload(1002, &error.to_string()))], failed(error))
        }
        (CloseSent, Step::Illegal) => (Failed, vec![], failed(ProtocolError::ReservedOpcode(3))),
        // §7.1.5: no Close was received, that is 1006.
        (Open | CloseSent, Step::Eof) => (Ended, vec![], failed(ProtocolError::UnexpectedEof)),
        (Open | CloseSent, Step::Broken) => (Ended, vec![], failed(ProtocolError::TransportFailed)),
        (Closed | Failed | Ended, Step::Eof | Step::Broken) => (Ended, vec![], None),
        // What comes behind the peer's Close, a failure or the end means nothing.
        _ => (state, vec![], None),
    }
}

fn do_step(connection: &mut Connection, role: Role, step: Step, wrote: &mut Vec<u8>) -> Vec<Seen> {
    match step {
        Step::Close => {
            let expected = if connection.state() == State::Open { Ok(()) } else { Err(SendError::Closed) };
            assert_eq!(connection.close(CloseCode::GOING_AWAY, "bye"), expected);
            vec![]
        }
        Step::Send => {
            let expected = if connection.state() == State::Open { Ok(()) } else { Err(SendError::Closed) };
            assert_eq!(connection.send_binary(b"m"), expected, "§5.5.1: no data behind our Close");
            vec![]
        }
        Step::Write => {
            wrote.extend_from_slice(connection.output());
            connection.output_written(connection.output().len());
            vec![]
        }
        Step::TheirMessage => receive(connection, role, &[(BINARY, b"m")]),
        Step::TheirPing => receive(connection, role, &[(PING, b"p")]),
        Step::TheirClose => receive(connection, role, &[(CLOSE, &close_payload(1000, ""))]),
        Step::Illegal => receive(connection, role, &[(0x83, b"")]),
        Step::Eof => {
            connection.recv_eof();
            events(connection, b"")
        }
        Step::Broken => {
            connection.recv_error();
            events(connection, b"")
        }
    }
}

#[test]
fn closing_in_every_order_is_that_of_section_7() {
    for role in Role::BOTH {
        sequences(&STEPS, 5, |steps| {
            let mut connection = open(role);
            let (mut state, mut frames) = (State::Open, Vec::new());
            let mut wrote = Vec::new();
            for (at, step) in steps.iter().enumerate() {
                let seen = do_step(&mut connection, role, *step, &mut wrote);
                let (next, more, event) = closing(state, *step);
                let so_far = &steps[..=at];
                assert_eq!(
                    (connection.state(), &seen),
                    (next, &Vec::from_iter(event)),
                    "{role:?} {so_far:?}"
                );
                state = next;
                frames.extend(more);
                if *step == Step::Broken {
                    // Whatever was not written is dropped.
                    frames.truncate(sent(&wrote).len());
                }
                let all = [&wrote, connection.output()].concat();
                assert_eq!(plain(&all), frames, "{role:?} {so_far:?}");
                let empty = connection.output().is_empty();
                // §7.1.1: the server ends the transport first, unless something failed.
                let shutdown = match state {
                    State::Closed => role == Role::Server,
                    State::Failed | State::Ended => true,
                    _ => false,
                };
                assert_eq!(connection.should_shutdown(), shutdown && empty, "{role:?} {so_far:?}");
                assert_eq!(connection.is_ended(), state == State::Ended && empty, "{role:?} {so_far:?}");
                assert_eq!(connection.wants_read(), state != State::Ended, "{role:?} {so_far:?}");
            }
        });
    }
}

// ---- fragments ----

/// The first byte of a frame that carries "a", or none.
const FRAMES: [u8; 8] = [FIRST_TEXT, TEXT, FIRST_BINARY, BINARY, MIDDLE, LAST, PING, CLOSE];

#[test]
fn fragments_in_every_order_are_received_as_section_5_4_says() {
    sequences(&FRAMES, 5, |frames| {
        // §5.4 as a table, with one letter for each fragment.
        let (mut message, mut expected): (Option<(u8, usize)>, Vec<Seen>) = (None, Vec::new());
        for first in frames {
            let (fin, opcode) = (first & 0x80 != 0, first & 0xF);
            let event = match (opcode, message) {
                (8, _) => Some(Seen::Close(None)),
                (9, _) => Some(Seen::Ping(b"a".to_vec())),
                (0, None) => Some(Seen::Failed(ProtocolError::UnexpectedContinuation)),
                (1 | 2, Some(_)) => Some(Seen::Failed(ProtocolError::ExpectedContinuation)),
                _ => {
                    let (kind, count) = message.unwrap_or((opcode, 0));
                    message = if fin { None } else { Some((kind, count + 1)) };
                    fin.then(|| match kind {
                        1 => Seen::Text("a".repeat(count + 1)),
                        _ => Seen::Binary(b"a".repeat(count + 1)),
                    })
                }
            };
            let over = matches!(event, Some(Seen::Close(_) | Seen::Failed(_)));
            expected.extend(event);
            if over {
                break;
            }
        }
        for role in Role::BOTH {
            let frames = Vec::from_iter(frames.iter().map(|first| {
                let payload: &[u8] = if *first == CLOSE { b"" } else { b"a" };
                (*first, payload)
            }));
            let mut connection = open(role);
            assert_eq!(receive(&mut connection, role, &frames), expected, "{role:?} {frames:02x?}");
        }
    });
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sending {
    Whole,
    Fragment { text: bool, last: bool },
    Ping,
    Close,
}

const SENDINGS: [Sending; 7] = [
    Sending::Whole,
    Sending::Fragment { text: true, last: false },
    Sending::Fragment { text: true, last: true },
    Sending::Fragment { text: false, last: false },
    Sending::Fragment { text: false, last: true },
    Sending::Ping,
    Sending::Close,
];

#[test]
fn fragments_in_every_order_are_sent_as_section_5_4_says() {
    for role in Role::BOTH {
        sequences(&SENDINGS, 6, |calls| send_fragments(role, calls));
    }
}

fn send_fragments(role: Role, calls: &[Sending]) {
    let mut connection = open(role);
    // Whether the message under way is text.
    let (mut message, mut closed, mut frames) = (None, false, Vec::new());
    for call in calls {
        let (result, expected, frame) = match *call {
            Sending::Whole => {
                let expected = if message.is_some() { Err(SendError::InFragments) } else { Ok(()) };
                (connection.send_text("w"), expected, (TEXT, &b"w"[..]))
            }
            Sending::Fragment { text, last } => {
                let part = if text { Message::from("f") } else { Message::from(b"f") };
                let expected = match message {
                    Some(other) if other != text => Err(SendError::MixedFragments),
                    _ => Ok(()),
                };
                let opcode = match (message, text) {
                    (Some(_), _) => 0,
                    (None, true) => 1,
                    (None, false) => 2,
                };
                if !closed && expected.is_ok() {
                    message = (!last).then_some(text);
                }
                let fin = if last { 0x80 } else { 0 };
                (connection.send_fragment(&part, last), expected, (fin | opcode, &b"f"[..]))
            }
            // §5.4: "Control frames […] MAY be injected in the middle of a fragmented message."
            Sending::Ping => (connection.ping(b"p"), Ok(()), (PING, &b"p"[..])),
            Sending::Close => (connection.close(CloseCode::NORMAL, ""), Ok(()), (CLOSE, &b"\x03\xE8"[..])),
        };
        assert_eq!(result, if closed { Err(SendError::Closed) } else { expected }, "{role:?} {calls:?}");
        if result.is_ok() {
            frames.push((frame.0, frame.1.to_vec()));
        }
        closed |= *call == Sending::Close;
    }
    assert_eq!(plain(connection.output()), frames, "{role:?} {calls:?}");
}

// ---- the halves ----

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HalfStep {
    Of(Step),
    /// What the receiver has to tell is carried across.
    Carry,
}

const HALF_STEPS: [HalfStep; 10] = [
    HalfStep::Of(Step::Close),
    HalfStep::Of(Step::Send),
    HalfStep::Of(Step::Write),
    HalfStep::Of(Step::TheirMessage),
    HalfStep::Of(Step::TheirPing),
    HalfStep::Of(Step::TheirClose),
    HalfStep::Of(Step::Illegal),
    HalfStep::Of(Step::Eof),
    HalfStep::Of(Step::Broken),
    HalfStep::Carry,
];

/// However late the sender hears of it: each half does what the table of closing says of the steps that it knows of, after every
/// step. The receiver knows of what the peer does, the sender of what it does itself, and of the rest when it is carried.
#[test]
fn a_notice_may_be_carried_at_any_time() {
    for role in Role::BOTH {
        sequences(&HALF_STEPS, 5, |steps| carry(role, steps));
    }
}

fn carry(role: Role, steps: &[HalfStep]) {
    let (mut receiver, mut sender) = open(role).split();
    let mut seen = Collector::default();
    let mut wrote = Vec::new();
    // What each is to be, and the steps that are not carried yet.
    let (mut receiving, mut events) = (State::Open, Vec::new());
    let (mut sending, mut frames) = (State::Open, Vec::new());
    let mut uncarried = Vec::new();
    for (at, step) in steps.iter().chain([&HalfStep::Carry, &HalfStep::Of(Step::Write)]).enumerate() {
        let context = || format!("{role:?}, step {at} of {steps:?}, carry, write");
        let known = match *step {
            HalfStep::Carry => {
                sender.notice(receiver.take_notice());
                core::mem::take(&mut uncarried)
            }
            HalfStep::Of(step @ (Step::Close | Step::Send | Step::Write)) => {
                let expected = if sending == State::Open { Ok(()) } else { Err(SendError::Closed) };
                match step {
                    Step::Close => {
                        assert_eq!(sender.close(CloseCode::GOING_AWAY, "bye"), expected, "{}", context());
                    }
                    Step::Send => assert_eq!(sender.send_binary(b"m"), expected, "{}", context()),
                    _ => {
                        wrote.extend_from_slice(sender.output());
                        sender.output_written(sender.output().len());
                    }
                }
                vec![step]
            }
            HalfStep::Of(step) => {
                let mut bytes = match step {
                    Step::TheirMessage => role.frame(BINARY, b"m"),
                    Step::TheirPing => role.frame(PING, b"p"),
                    Step::TheirClose => role.frame(CLOSE, &close_payload(1000, "")),
                    Step::Illegal => role.frame(0x83, b""),
                    _ => Vec::new(),
                };
                match step {
                    Step::Eof => receiver.recv_eof(),
                    Step::Broken => {
                        receiver.recv_error();
                        sender.abort();
                    }
                    _ => {}
                }
                let mut input = Input::new(&mut bytes);
                while let Some(event) = receiver.recv(&mut input) {
                    seen.push(&event);
                }
                let (next, _, event) = closing(receiving, step);
                receiving = next;
                events.extend(event);
                if step == Step::Broken {
                    vec![step]
                } else {
                    // §5.5.3: "If an endpoint receives a Ping frame and has not yet sent Pong frame(s) in response to previous Ping
                    // frame(s), the endpoint MAY elect to send a Pong frame for only the most recently processed Ping frame."
                    if !(step == Step::TheirPing && uncarried.contains(&step)) {
                        uncarried.push(step);
                    }
                    vec![]
                }
            }
        };
        for step in known {
            let (next, more, _) = closing(sending, step);
            sending = next;
            frames.extend(more);
            if step == Step::Broken {
                // Whatever was not written is dropped.
                frames.truncate(sent(&wrote).len());
            }
        }
        if at + 1 < steps.len() {
            // A sequence of its own.
            continue;
        }
        assert_eq!(seen.events, events, "{}", context());
        assert_eq!(receiver.is_ended(), receiving != State::Open, "{}", context());
        assert_eq!(sender.state(), sending, "{}", context());
        assert_eq!(plain(&[&wrote, sender.output()].concat()), frames, "{}", context());
    }
}

/// What fits no alphabet: a limit of one does what a limit says.
#[test]
fn the_alphabet_is_received_under_the_smallest_limits() {
    let config = Config::default().max_frame(1).max_message(1).max_fragments(1);
    sequences(&FRAMES, 4, |frames| {
        let mut connection = Role::Client.connection(config);
        let bytes = Vec::from_iter(
            frames.iter().map(|first| frame(*first, None, if *first == CLOSE { b"" } else { b"a" })),
        );
        let bytes = bytes.concat();
        let limits = sansocket::frame::Limits { max_frame: 1, max_message: 1, max_fragments: 1 };
        assert_eq!(
            events(&mut connection, &bytes),
            model(Role::Client, limits, &bytes).events,
            "{frames:02x?}"
        );
    });
}
