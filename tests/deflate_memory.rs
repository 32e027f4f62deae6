//! Memory of compression: what a bomb costs, what an idle connection holds, what a pool is for. A test
//! program of its own, for its counting allocator.
#![cfg(feature = "deflate")]

mod common;
#[path = "common/counting.rs"]
mod counting;

use common::*;
use counting::{Used, measure};
use sansocket::deflate::{Codec, Deflate, Params, Zlib};
use sansocket::{Config, Connection, EncodedMessage, Event, Input, Message, ProtocolError as E};

/// The first byte of a compressed message, of its first frame, and of one of text.
const Z_BINARY: u8 = 0xC2;
const Z_FIRST: u8 = 0x42;
const Z_TEXT: u8 = 0xC1;

/// A decompressor: zlib's own state and window, then the window and the room for a piece.
const INFLATER: isize = 48 << 10;
const BLOCK: isize = 36 << 10;

fn params(no_context_takeover: bool, window_bits: u8) -> Params {
    let mut params = Params::default();
    (params.server_no_context_takeover, params.client_no_context_takeover) =
        (no_context_takeover, no_context_takeover);
    (params.server_max_window_bits, params.client_max_window_bits) = (window_bits, window_bits);
    params
}

/// A pool that keeps nothing, so that all that is measured is that of the connection.
static NO_POOL: Zlib = Zlib::new(0);

fn with(role: Role, config: Config, params: Params) -> Connection {
    role.connection(config).with_deflate(&Deflate::new(&NO_POOL), &params)
}

// ---- bombs ----

/// A gibibyte of zeros in a message of a mebibyte; the first piece of it, then what is repeated.
fn bomb() -> Vec<u8> {
    let mut compressor = NO_POOL.compressor(15, 9);
    let mut zeros = |len| compressed(&mut *compressor, &vec![0; len]);
    let (first, next) = (zeros(1 << 20), zeros(1 << 20));
    let mut bomb = [first, next.repeat(1023)].concat();
    bomb.truncate(bomb.len() - 4);
    assert!((1 << 20..(1 << 20) + (1 << 16)).contains(&bomb.len()), "{}", bomb.len());
    bomb
}

/// Receives until something fails: what it takes, how many bytes of the input, what was delivered, and the
/// largest piece.
fn explode(connection: &mut Connection, mode: Mode, bytes: &mut [u8], read: usize) -> Exploded {
    let mut exploded = Exploded::default();
    let (used, ()) = measure(|| {
        for piece in bytes.chunks_mut(read) {
            let mut input = Input::new(piece);
            loop {
                let event = match mode {
                    Mode::Messages => connection.recv(&mut input),
                    Mode::Chunks => connection.recv_chunk(&mut input),
                };
                match event {
                    None => break,
                    Some(Event::Failed(error)) => {
                        exploded.error = Some(error);
                        return;
                    }
                    Some(Event::Message(message)) => exploded.delivered += message.as_bytes().len(),
                    Some(Event::Chunk(chunk)) => {
                        exploded.delivered += chunk.data.as_bytes().len();
                        exploded.largest = exploded.largest.max(chunk.data.as_bytes().len());
                    }
                    Some(_) => {}
                }
            }
            exploded.taken += read;
        }
    });
    exploded.used = Some(used);
    exploded
}

#[derive(Debug, Default)]
struct Exploded {
    used: Option<Used>,
    taken: usize,
    delivered: usize,
    largest: usize,
    error: Option<E>,
}

impl Exploded {
    fn peak(&self) -> isize {
        self.used.map_or(0, |used| used.peak)
    }
}

#[test]
fn cve_2018_1000518_a_bomb_of_a_gibibyte_costs_the_limit_and_is_refused_early() {
    let bomb = bomb();
    let half = bomb.split_at(bomb.len() / 2);
    let many: Vec<(u8, &[u8])> = bomb
        .chunks(1000)
        .enumerate()
        .map(|(i, piece)| {
            (
                if i == 0 {
                    Z_FIRST
                } else if piece.len() < 1000 {
                    LAST
                } else {
                    MIDDLE
                },
                piece,
            )
        })
        .collect();
    for role in Role::BOTH {
        for limit in [0, 1000, 100_000, 1 << 20, 4 << 20] {
            let kinds: [Frames<'_>; 3] = [&[(Z_BINARY, &bomb)], &[(Z_FIRST, half.0), (LAST, half.1)], &many];
            // It takes its time to get to a high limit.
            for frames in &kinds[..if limit > 1 << 20 { 1 } else { 3 }] {
                let bytes = role.frames(frames);
                for (mode, read) in
                    [(Mode::Messages, 64 << 10), (Mode::Messages, bytes.len()), (Mode::Chunks, bytes.len())]
                {
                    let config = Config::default().max_message(limit);
                    let mut connection = with(role, config, params(false, 15));
                    let exploded = explode(&mut connection, mode, &mut bytes.clone(), read);
                    assert_eq!(exploded.error, Some(E::MessageTooLarge));
                    let limit = limit as usize;
                    if mode == Mode::Messages {
                        let most = limit.cast_signed() + INFLATER + BLOCK;
                        assert!(exploded.peak() <= most, "{limit}: {exploded:?}");
                        assert_eq!(exploded.delivered, 0);
                    } else {
                        assert!(exploded.peak() <= (1100 << 10) + INFLATER + BLOCK, "{limit}: {exploded:?}");
                        assert_eq!(exploded.delivered, limit);
                    }
                    // A limit of a part of the bomb is met in that part of its bytes.
                    assert!(exploded.taken <= limit / 1000 + read + 100, "{limit}: {exploded:?}");
                }
            }
        }
    }
}

#[test]
fn a_bomb_behind_good_messages_of_the_same_window() {
    let bomb = bomb();
    let config = Config::default().max_message(1 << 20);
    let mut connection = with(Role::Client, config, params(false, 15));
    let good = Role::Client.frame(Z_BINARY, &Blocks::default().stored(false, &[7; 30_000]).message());
    for _ in 0..100 {
        let exploded = explode(&mut connection, Mode::Messages, &mut good.clone(), 4096);
        assert_eq!((exploded.error, exploded.delivered), (None, 30_000));
    }
    let mut bytes = Role::Client.frame(Z_BINARY, &bomb);
    let exploded = explode(&mut connection, Mode::Messages, &mut bytes, 4096);
    assert_eq!(exploded.error, Some(E::MessageTooLarge));
    assert!(exploded.peak() <= (1 << 20) + INFLATER + BLOCK, "{exploded:?}");
}

#[test]
fn chunks_of_a_gibibyte_need_little_memory_whatever_was_read_at_once() {
    let bomb = bomb();
    let config = Config::default().max_message(u64::MAX);
    for (role, frames) in
        [(Role::Client, &[(Z_BINARY, &bomb[..])][..]), (Role::Server, &[(TEXT, b"x"), (Z_TEXT, &bomb)])]
    {
        for params in [params(false, 15), params(true, 15), params(false, 9)] {
            let mut bytes = role.frames(frames);
            // As after a connection that never got anything compressed: all of it lies in one buffer.
            let mut connection = with(role, config, params);
            let most = if cfg!(debug_assertions) { 100 << 10 } else { bytes.len() };
            bytes.truncate(most);
            let exploded = explode(&mut connection, Mode::Chunks, &mut bytes, most);
            assert_eq!(exploded.error, None);
            assert!(exploded.delivered > 90 << 20, "{exploded:?}");
            assert!(exploded.largest <= 530 << 10, "{exploded:?}");
            // While a piece grows, the old one and the new one are there at the same time.
            assert!(exploded.peak() <= (1100 << 10) + INFLATER + BLOCK, "{exploded:?}");
        }
    }
}

#[test]
fn fragments_that_inflate_to_nothing_hold_nothing() {
    let config = Config::default().max_fragments(u32::MAX);
    let empty = Blocks::default().flushed().repeat(20);
    let mut connection = with(Role::Client, config, params(true, 15));
    let mut bytes = Role::Client.frame(Z_FIRST, &empty);
    explode(&mut connection, Mode::Messages, &mut bytes, 1 << 20);
    let block = Role::Client.frame(MIDDLE, &empty).repeat(2000);
    for mode in [Mode::Messages, Mode::Chunks] {
        for _ in 0..10 {
            let exploded = explode(&mut connection, mode, &mut block.clone(), 1 << 20);
            assert!(
                exploded.error.is_none() && exploded.delivered == 0 && exploded.peak() == 0,
                "{exploded:?}"
            );
        }
    }
}

// ---- held ----

/// What a connection holds after a message of a kibibyte each way, without its fixed parts.
fn idle(role: Role, params: Params, connections: usize) -> isize {
    let json = b"{\"id\":1,\"name\":\"somebody\",\"tags\":[\"a\",\"b\"]},".repeat(22);
    let mut peer = with(role.opposite(), Config::default(), params);
    peer.send_binary(&json).expect("open");
    let received = take_all(&mut peer);
    let mut received = received.clone();
    let original = received.clone();
    let (used, all) = measure(|| {
        let mut all = Vec::with_capacity(connections);
        for _ in 0..connections {
            let mut connection = with(role, Config::default(), params);
            received.copy_from_slice(&original);
            let mut input = Input::new(&mut received);
            assert!(matches!(connection.recv(&mut input), Some(Event::Message(_))));
            connection.send_binary(&json).expect("open");
            connection.output_written(usize::MAX);
            connection.shrink();
            all.push(connection);
        }
        all
    });
    (used.held - (all.capacity() * size_of::<Connection>()).cast_signed()) / connections.cast_signed()
}

#[test]
fn ten_thousand_idle_connections() {
    // These are the figures in the documentation.
    let mut without = Params::default();
    without.server_no_context_takeover = true;
    let mut half = Params::default();
    half.client_no_context_takeover = true;
    for (name, params, connections, most) in [
        // Not a byte of a codec: two boxes with what was agreed.
        ("no takeover", params(true, 15), 10_000, 200),
        ("no takeover, 9 bits", params(true, 9), 10_000, 200),
        // All of it is held, so a few are enough to count.
        ("takeover, 15 bits", params(false, 15), 50, 460 << 10),
        ("takeover, 12 bits", params(false, 12), 50, 175 << 10),
        ("takeover, 9 bits", params(false, 9), 50, 150 << 10),
        ("only the client takes over", without, 50, 86 << 10),
        ("only the server takes over", half, 50, 382 << 10),
    ] {
        let held = idle(Role::Server, params, connections);
        println!("{name}: {held} bytes a connection");
        assert!((0..=most).contains(&held), "{name}: {held} bytes");
    }
}

#[test]
fn a_message_under_way_holds_a_state_and_its_end_gives_it_back() {
    for (params, inflating) in [(params(true, 15), INFLATER + BLOCK), (params(true, 9), INFLATER + (5 << 10))]
    {
        let mut connection = with(Role::Client, Config::default(), params);
        let payload = Blocks::default().fixed(false, &[Say::Bytes(b"Hello")]).message();
        let mut first = Role::Client.frame(Z_FIRST, &payload[..3]);
        let mut last = Role::Client.frame(LAST, &payload[3..]);
        let (used, ()) = measure(|| {
            let (used, _) = measure(|| explode(&mut connection, Mode::Messages, &mut first, 100));
            assert!((30 << 10..=inflating).contains(&used.held), "{used:?}");
            explode(&mut connection, Mode::Messages, &mut last, 100);
        });
        assert_eq!(used.held, 0, "{used:?}");
        let (used, ()) = measure(|| {
            connection.send_fragment(&Message::from("Hello"), false).expect("open");
            connection.send_fragment(&Message::from("Hello"), true).expect("open");
            connection.output_written(usize::MAX);
            connection.shrink();
        });
        assert_eq!(used.held, 0, "{used:?}");
        // What is broken holds nothing either, nor does what could not be sent.
        let mut bad = Role::Client.frame(Z_FIRST, &[0xFF]);
        let (used, exploded) = measure(|| explode(&mut connection, Mode::Messages, &mut bad, 100));
        assert_eq!(exploded.error, Some(E::InvalidDeflate));
        connection.output_written(usize::MAX);
        connection.shrink();
        assert!(used.held <= 256, "{used:?}");
    }
}

#[test]
fn a_pool_makes_states_once() {
    static POOL: Zlib = Zlib::new(2);
    let deflate = Deflate::new(&POOL);
    let json = b"{\"id\":1,\"name\":\"somebody\"},".repeat(40);
    let round = |params: Params| {
        let mut server = Connection::server(Config::default()).with_deflate(&deflate, &params);
        let mut client = Role::Client.connection(Config::default()).with_deflate(&deflate, &params);
        for _ in 0..3 {
            server.send_binary(&json).expect("open");
            let mut bytes = take_all(&mut server);
            let exploded = explode(&mut client, Mode::Messages, &mut bytes, 1 << 20);
            assert_eq!((exploded.error, exploded.delivered), (None, json.len()));
        }
    };
    let news = || drop(EncodedMessage::compressed(&Message::from(&json[..]), &deflate));
    round(params(true, 15));
    news();
    // The states are there: what is allocated is small.
    let (used, ()) = measure(|| (0..10).for_each(|_| round(params(true, 15))));
    assert!(used.held == 0 && used.peak < 20 << 10, "{used:?}");
    let (used, ()) = measure(news);
    assert!(used.held == 0 && used.peak < 20 << 10, "{used:?}");
    // Others come in their place when they are what is used now; there are never more.
    let all = || (9..15).for_each(|bits| round(params(true, bits)));
    all();
    let (used, ()) = measure(all);
    assert_eq!(used.held, 0, "{used:?}");
    let (used, ()) = measure(|| (0..10).for_each(|_| round(params(true, 14))));
    assert!(used.held == 0 && used.peak < 60 << 10, "{used:?}");
}

#[test]
fn steady_traffic_with_takeover_allocates_nothing_but_messages() {
    let json = b"{\"id\":1,\"name\":\"somebody\"},".repeat(40);
    let mut server = with(Role::Server, Config::default(), params(false, 15));
    let mut client = with(Role::Client, Config::default(), params(false, 15));
    let mut round = || {
        server.send_binary(&json).expect("open");
        let mut bytes = server.output().to_vec();
        server.output_written(usize::MAX);
        explode(&mut client, Mode::Messages, &mut bytes, 1 << 20).error.is_none()
    };
    (0..4).for_each(|_| assert!(round()));
    let (used, ()) = measure(|| (0..100).for_each(|_| assert!(round())));
    assert!(used.calls <= 210, "the copy of the output, and the message: {used:?}");
}

/// What waits, as one message of many, holds about its own length, not the length that it could have had.
#[test]
fn compressed_output_holds_what_it_counts_for() {
    for size in [1 << 20, 8 << 20] {
        let zeros = vec![0; size];
        for taken in [false, true] {
            let mut server = with(Role::Server, Config::default(), params(false, 15));
            server.send_binary(&zeros).expect("open");
            server.output_written(1);
            let (used, segments) = measure(|| {
                let mut segments = Vec::new();
                while server.output_len() < 1 << 20 {
                    server.send_binary(&zeros).expect("open");
                    if taken {
                        segments.extend(std::iter::from_fn(|| server.take_output()));
                    }
                }
                segments
            });
            assert!(used.held < 4 << 20, "{size} {taken}: {used:?} for {}", server.output_len());
            drop(segments);
        }
    }
}

#[test]
fn a_compressed_message_that_waits_alone_holds_two_blocks() {
    let mut server = with(Role::Server, Config::default(), params(false, 15));
    let zeros = vec![0; 8 << 20];
    // The compressor is made.
    server.send_binary(&zeros[..1000]).expect("open");
    server.output_written(usize::MAX);
    let (used, ()) = measure(|| server.send_binary(&zeros).expect("open"));
    assert!(used.held <= 2 * (64 << 10), "{used:?} for {}", server.output_len());
}

/// Nor is a room for what it could have had kept when everything is written.
#[test]
fn large_compressed_messages_leave_no_room_behind() {
    let json: String =
        (0..30_000).map(|n| format!("{{\"id\":{},\"name\":\"somebody\"}},", n * 7919)).collect();
    let mut server = with(Role::Server, Config::default(), params(false, 15));
    let mut round = |text: &str| {
        server.send_text(text).expect("open");
        let len = server.output_len();
        server.output_written(len);
        len
    };
    // The compressor is made.
    round(&json);
    (0..6).for_each(|_| assert!(round("{}") < 20));
    let (used, ()) = measure(|| (0..6).for_each(|_| assert!(round(&json) > 80 << 10)));
    assert!(used.held < 8 << 10, "{used:?}");
}

/// A message may end with a final block (RFC 7692 §7.2.3.4), and then holds no more than another.
#[test]
fn a_final_block_leaves_nothing_behind() {
    for bits in [9, 12, 15] {
        let held = |payload: &[u8]| {
            let mut bytes = frame(Z_BINARY, None, payload);
            let (used, client) = measure(|| {
                let mut client = with(Role::Client, Config::default(), params(false, bits));
                assert!(matches!(client.recv(&mut Input::new(&mut bytes)), Some(Event::Message(_))));
                client
            });
            drop(client);
            used.held
        };
        // The same, and the bit BFINAL.
        assert_eq!(held(b"\x4B\x04\x00"), held(b"\x4A\x04\x00"), "{bits}");
    }
}
