//! Time: pings, pong deadlines, idle connections, and the deadline for closing.
#![cfg(feature = "alloc")]

mod common;

use core::time::Duration;

use common::*;
use sansocket::{
    CloseCode, Config, Connection, Event, Input, Kind, Notice, ProtocolError, ReadBuffer, State,
};

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn timed() -> Config {
    let config = Config::default().ping_interval(Some(secs(30))).pong_timeout(secs(10));
    config.close_timeout(secs(5)).write_timeout(None)
}

fn at(connection: &mut Connection, now: u64) -> Option<ProtocolError> {
    match timeout(connection, secs(now)) {
        Some(Event::Failed(error)) => Some(error),
        event => {
            assert_eq!(event, None, "the time brings failures only");
            None
        }
    }
}

#[test]
fn without_timers_nothing_is_ever_due() {
    for role in Role::BOTH {
        let mut connection = open(role);
        for now in [0, 1, 1 << 40, u64::MAX] {
            assert_eq!((at(&mut connection, now), connection.next_timeout()), (None, None));
        }
        assert!(!connection.wants_write());
    }
}

#[test]
fn trap_53_one_ping_after_silence_and_the_end_if_nothing_answers() {
    for role in Role::BOTH {
        let mut connection = role.connection(timed());
        assert_eq!(at(&mut connection, 100), None);
        assert_eq!(connection.next_timeout(), Some(secs(130)));
        assert_eq!((at(&mut connection, 129), connection.wants_write()), (None, false));
        assert_eq!(at(&mut connection, 130), None);
        assert_eq!(written(&mut connection), [(PING, vec![])]);
        assert_eq!(connection.next_timeout(), Some(secs(140)));
        assert_eq!((at(&mut connection, 139), connection.wants_write()), (None, false), "one at a time");
        // Anything at all is a sign of life, even half a header.
        events(&mut connection, &[0x81]);
        assert_eq!(at(&mut connection, 141), None);
        assert_eq!(connection.next_timeout(), Some(secs(171)));
        assert_eq!(at(&mut connection, 171), None);
        assert_eq!(written(&mut connection), [(PING, vec![])]);
        connection.send_text("never written").expect("open");
        assert_eq!(at(&mut connection, 181), Some(ProtocolError::PongTimeout));
        assert_eq!((connection.state(), connection.next_timeout()), (State::Ended, None));
        assert!(connection.is_ended() && connection.should_shutdown() && !connection.wants_read());
        assert_eq!((at(&mut connection, 500), eof(&mut connection)), (None, None), "I4");
    }
}

#[test]
fn a_recv_of_no_bytes_is_no_sign_of_life() {
    let mut connection = Role::Server.connection(timed());
    at(&mut connection, 0);
    at(&mut connection, 30);
    events(&mut connection, b"");
    assert_eq!(at(&mut connection, 40), Some(ProtocolError::PongTimeout));
}

#[test]
fn the_pong_deadline_stands_when_the_output_is_full() {
    let mut connection = Role::Server.connection(timed().max_output(10));
    at(&mut connection, 0);
    connection.send_binary(&[7; 8]).expect("fits");
    at(&mut connection, 30);
    assert_eq!(connection.output().len(), 10);
    assert_eq!(at(&mut connection, 40), Some(ProtocolError::PongTimeout));
}

/// A Ping for which there is no room when it is due is sent as soon as there is, and the peer has the full time
/// to answer: it has done nothing wrong.
#[test]
fn a_ping_that_has_to_wait_is_sent_before_its_answer_is_missed() {
    for owed in [false, true] {
        for write_timeout in [None, Some(secs(60))] {
            let mut connection = Connection::server(timed().max_output(10).write_timeout(write_timeout));
            at(&mut connection, 0);
            if owed {
                connection.send_header(Kind::Binary, 8).expect("open");
            } else {
                connection.send_binary(&[7; 8]).expect("fits");
            }
            at(&mut connection, 30);
            assert_eq!(connection.next_timeout(), Some(secs(40)));
            connection.output_written(1);
            assert_eq!(connection.output_len(), if owed { 1 } else { 9 }, "no room yet");
            connection.output_written(9);
            assert_eq!(written(&mut connection), [(PING, vec![])]);
            assert_eq!(connection.next_timeout(), Some(secs(30)), "now, to start the clock");
            assert_eq!((at(&mut connection, 39), connection.next_timeout()), (None, Some(secs(49))));
            assert_eq!((at(&mut connection, 40), connection.wants_write()), (None, false), "once");
            let mut answered = events(&mut connection, &Role::Server.frame(PONG, b""));
            assert_eq!((at(&mut connection, 41), answered.pop()), (None, Some(Seen::Pong(vec![]))));
            assert_eq!(connection.latency(), Some(secs(2)), "from when it was sent");
            at(&mut connection, 71);
            assert_eq!(at(&mut connection, 81), Some(ProtocolError::PongTimeout));
        }
    }
}

/// A caller that only receives may set a limit below that of any frame: a peer that answers is not lost.
#[test]
fn an_empty_output_has_room_for_a_ping() {
    for role in Role::BOTH {
        let mut connection = role.connection(timed().max_output(0));
        at(&mut connection, 0);
        assert_eq!((at(&mut connection, 30), written(&mut connection)), (None, vec![(PING, vec![])]));
        events(&mut connection, &role.frame(PONG, b""));
        assert_eq!((at(&mut connection, 31), connection.next_timeout()), (None, Some(secs(61))));
        assert_eq!(
            (at(&mut connection, 61), at(&mut connection, 71)),
            (None, Some(ProtocolError::PongTimeout))
        );
    }
}

/// It is not sent any more if bytes have arrived in the meantime.
#[test]
fn a_ping_that_has_to_wait_is_not_needed_after_a_sign_of_life() {
    let mut connection = Connection::server(timed());
    at(&mut connection, 0);
    connection.send_header(Kind::Binary, 8).expect("open");
    at(&mut connection, 30);
    events(&mut connection, &[0x81]);
    connection.output_written(10);
    assert_eq!((at(&mut connection, 40), connection.wants_write()), (None, false));
    assert_eq!((at(&mut connection, 70), written(&mut connection)), (None, vec![(PING, vec![])]));
}

#[test]
fn an_idle_connection_is_closed_with_1001() {
    for role in Role::BOTH {
        let mut connection = role.connection(timed().idle_timeout(Some(secs(60))).ping_interval(None));
        assert_eq!(at(&mut connection, 0), None);
        // Control frames do not keep it open, messages in either direction do.
        receive(&mut connection, role, &[(PING, b"")]);
        assert_eq!((at(&mut connection, 50), connection.next_timeout()), (None, Some(secs(60))));
        receive(&mut connection, role, &[(TEXT, b"")]);
        assert_eq!((at(&mut connection, 59), connection.next_timeout()), (None, Some(secs(119))));
        connection.send_text("").expect("open");
        assert_eq!((at(&mut connection, 100), connection.next_timeout()), (None, Some(secs(160))));
        let _ = take_all(&mut connection);
        assert_eq!(at(&mut connection, 160), None);
        assert_eq!(connection.state(), State::CloseSent);
        assert_eq!(&written(&mut connection)[0].1[..2], 1001_u16.to_be_bytes());
        // The deadline starts once more with what was written.
        assert_eq!(connection.next_timeout(), Some(secs(160)));
        assert_eq!((at(&mut connection, 161), connection.next_timeout()), (None, Some(secs(166))));
        assert_eq!(at(&mut connection, 166), Some(ProtocolError::CloseTimeout));
        assert!(connection.is_ended());
    }
}

#[test]
fn the_peer_has_until_the_close_deadline() {
    type Prepare = fn(&mut Connection, Role);
    let table: [(Prepare, Option<ProtocolError>); 3] = [
        (|c, _| assert_eq!(c.close(CloseCode::NORMAL, ""), Ok(())), Some(ProtocolError::CloseTimeout)),
        (|c, role| assert_eq!(receive(c, role, &[(CLOSE, b"")]).len(), 1), None),
        (|c, role| assert_eq!(receive(c, role, &[(0xFF, b"")]).len(), 1), None),
    ];
    for role in Role::BOTH {
        for (prepare, error) in table {
            let mut connection = role.connection(timed());
            at(&mut connection, 10);
            prepare(&mut connection, role);
            assert!(connection.next_timeout().is_some_and(|due| due <= secs(10)), "now, to start the clock");
            assert_eq!((at(&mut connection, 11), connection.next_timeout()), (None, Some(secs(16))));
            events(&mut connection, &role.frame(PONG, b"bytes do not help"));
            assert_eq!((at(&mut connection, 15), connection.is_ended()), (None, false));
            assert_eq!((at(&mut connection, 16), connection.is_ended()), (error, true), "whatever waits");
            assert_eq!((at(&mut connection, 99), connection.next_timeout()), (None, None));
        }
    }
}

#[test]
fn the_close_deadline_begins_anew_with_what_is_written_or_taken() {
    type Write = fn(&mut Connection);
    let ways: [Write; 2] = [|c| c.output_written(c.output().len()), |c| drop(take_all(c))];
    for write in ways {
        let mut connection = Connection::server(timed());
        connection.close(CloseCode::NORMAL, "").unwrap();
        assert_eq!((at(&mut connection, 10), connection.next_timeout()), (None, Some(secs(15))));
        write(&mut connection);
        assert_eq!((at(&mut connection, 13), connection.next_timeout()), (None, Some(secs(18))));
        // There is nothing more to take.
        drop(take_all(&mut connection));
        assert_eq!((at(&mut connection, 14), connection.next_timeout()), (None, Some(secs(18))));
    }
}

/// A peer that answers our Close with Pings alone gets its Pongs, and is left at the deadline all the same.
#[test]
fn pongs_do_not_put_off_the_close_deadline() {
    for role in Role::BOTH {
        let mut connection = role.connection(timed());
        connection.close(CloseCode::NORMAL, "").expect("open");
        drop(take_all(&mut connection));
        assert_eq!((at(&mut connection, 10), connection.next_timeout()), (None, Some(secs(15))));
        for now in 11..15 {
            receive(&mut connection, role, &[(PING, b"still here")]);
            assert_eq!(written(&mut connection), [(PONG, b"still here".to_vec())]);
            assert_eq!((at(&mut connection, now), connection.next_timeout()), (None, Some(secs(15))));
        }
        assert_eq!(at(&mut connection, 15), Some(ProtocolError::CloseTimeout));
    }
}

#[test]
fn time_that_jumps_or_goes_backwards_does_no_harm() {
    let mut connection = Role::Server.connection(timed());
    assert_eq!(at(&mut connection, 1000), None);
    for now in [0, 999, 1029, 5] {
        assert_eq!((at(&mut connection, now), connection.next_timeout()), (None, Some(secs(1030))));
    }
    events(&mut connection, &[0x81]);
    assert_eq!(
        (at(&mut connection, 5), connection.next_timeout()),
        (None, Some(secs(1059))),
        "heard at 1029"
    );
    // A jump, as after a suspended laptop: a Ping first, never the end at once.
    assert_eq!(at(&mut connection, 1 << 40), None);
    assert_eq!(written(&mut connection), [(PING, vec![])]);
    assert_eq!(connection.next_timeout(), Some(secs((1 << 40) + 10)));
    events(&mut connection, &Role::Server.frame(PONG, b""));
    assert_eq!(timeout(&mut connection, Duration::MAX), None);
    assert_eq!(connection.next_timeout(), Some(Duration::MAX), "no overflow");
    for extreme in [Duration::ZERO, Duration::MAX] {
        let config = Config::default()
            .ping_interval(Some(extreme))
            .pong_timeout(extreme)
            .idle_timeout(Some(extreme))
            .close_timeout(extreme);
        let mut connection = Role::Client.connection(config);
        for _ in 0..10 {
            let now = connection.next_timeout().unwrap_or(secs(1));
            let _ = timeout(&mut connection, now);
        }
        assert!(connection.is_ended());
    }
}

/// A peer that reads slowly, but reads, is neither lost nor cut off; one that reads nothing is.
#[test]
fn progress_in_writing_is_a_sign_of_life() {
    let config =
        Config::default().ping_interval(Some(secs(30))).pong_timeout(secs(20)).close_timeout(secs(10));
    for close in [false, true] {
        let mut connection = Connection::server(config);
        connection.handle_timeout(secs(0));
        connection.send_binary(&[7; 1 << 20]).unwrap();
        if close {
            connection.close(CloseCode::NORMAL, "").unwrap();
        }
        for second in 1..=200 {
            assert_eq!(timeout(&mut connection, secs(second)), None, "{second} s");
            connection.output_written(5000);
        }
        assert_eq!(connection.state(), if close { State::CloseSent } else { State::Open });
        let lost = (201..=300).find_map(|second| timeout(&mut connection, secs(second)));
        let why = if close { ProtocolError::CloseTimeout } else { ProtocolError::PongTimeout };
        assert_eq!(lost, Some(Event::Failed(why)));
        assert!(connection.is_ended());
    }
}

/// A peer that takes a byte every nine seconds holds neither an open connection nor a closing one.
#[test]
fn a_trickle_is_no_progress() {
    for close in [false, true] {
        let mut connection = Connection::server(Config::default());
        connection.handle_timeout(secs(0));
        connection.send_binary(&[7; 1 << 20]).unwrap();
        if close {
            connection.close(CloseCode::NORMAL, "").unwrap();
        }
        let lost = (0..100).find_map(|i| {
            let lost = timeout(&mut connection, secs(9 * i));
            connection.output_written(1);
            lost.map(|event| (9 * i, event))
        });
        let expected = match close {
            false => (63, Event::Failed(ProtocolError::WriteTimeout)),
            true => (18, Event::Failed(ProtocolError::CloseTimeout)),
        };
        assert_eq!(lost, Some(expected));
        assert!(connection.is_ended() && !connection.wants_write());
    }
}

#[test]
fn output_that_nobody_takes_ends_an_open_connection() {
    for role in Role::BOTH {
        let mut connection = open(role);
        connection.handle_timeout(secs(100));
        assert_eq!(connection.next_timeout(), None, "nothing waits");
        connection.send_text("waits").unwrap();
        assert_eq!(connection.next_timeout(), Some(secs(160)));
        assert_eq!((at(&mut connection, 110), connection.next_timeout()), (None, Some(secs(170))));
        // All of it is taken: the next one has the full time.
        connection.output_written(connection.output().len());
        assert_eq!(connection.next_timeout(), None);
        connection.send_binary(&[7; 100_000]).unwrap();
        assert_eq!((at(&mut connection, 120), connection.next_timeout()), (None, Some(secs(180))));
        connection.output_written(16 * 1024 - 1);
        assert_eq!((at(&mut connection, 179), connection.next_timeout()), (None, Some(secs(180))));
        connection.output_written(1);
        assert_eq!((at(&mut connection, 180), connection.next_timeout()), (None, Some(secs(240))));
        assert_eq!(at(&mut connection, 239), None);
        assert_eq!(at(&mut connection, 240), Some(ProtocolError::WriteTimeout));
        assert!(connection.is_ended());

        // So does a payload that the caller owes.
        let mut connection = open(role);
        connection.send_header(Kind::Binary, 100_000).expect("open");
        connection.output_written(connection.output().len());
        assert_eq!((at(&mut connection, 100), connection.next_timeout()), (None, Some(secs(160))));
        connection.output_written(10);
        assert_eq!((at(&mut connection, 110), connection.next_timeout()), (None, Some(secs(160))));
        connection.output_written(16 * 1024 - 10);
        assert_eq!((at(&mut connection, 120), connection.next_timeout()), (None, Some(secs(180))));
        assert_eq!(at(&mut connection, 180), Some(ProtocolError::WriteTimeout));

        // What is measured from the beginning of time, too, also if it is a Pong that waits.
        let mut connection = open(role);
        events(&mut connection, &role.frame(PING, b""));
        at(&mut connection, 0);
        connection.output_written(connection.output().len());
        connection.send_text("waits").unwrap();
        assert_eq!((at(&mut connection, 60), connection.next_timeout()), (None, Some(secs(120))));

        let mut patient = role.connection(Config::default().write_timeout(None));
        patient.send_text("waits").unwrap();
        assert_eq!((at(&mut patient, 1 << 40), patient.next_timeout()), (None, None));
    }
}

/// What had to wait for the output, and follows when all of it was written, has not waited for the transport:
/// a Pong beyond the sixteenth, a Pong behind a payload that the caller writes itself.
#[test]
fn a_reply_that_follows_what_was_written_is_no_sign_of_life() {
    for owed in [false, true] {
        let mut connection = Connection::server(timed());
        at(&mut connection, 0);
        at(&mut connection, 30);
        assert_eq!(connection.next_timeout(), Some(secs(40)), "a Ping waits for an answer");
        let pings = if owed {
            connection.output_written(2);
            connection.send_header(Kind::Binary, 100).expect("open");
            1
        } else {
            17
        };
        // Heard of at 30: the next Ping is due at 60, and its answer at 70.
        events(&mut connection, &[0x89, 0x80, 0, 0, 0, 0].repeat(pings));
        at(&mut connection, 30);
        at(&mut connection, 60);
        assert_eq!(connection.next_timeout(), Some(secs(70)));
        let all = connection.output().len() + connection.payload_owed() as usize;
        connection.output_written(all);
        // Behind the payload, the Ping waited too, and is sent only now.
        let expected: &[u8] = if owed { &[0x8A, 0, 0x89, 0] } else { &[0x8A, 0] };
        assert_eq!(connection.output(), expected, "the reply that waited");
        at(&mut connection, 61);
        assert_eq!(connection.next_timeout(), Some(secs(if owed { 71 } else { 70 })), "owed: {owed}");
    }
}

#[test]
fn a_long_message_on_its_way_is_not_idle() {
    let mut connection = Connection::server(Config::default().idle_timeout(Some(secs(30))));
    connection.handle_timeout(secs(0));
    let mut head = *b"\x82\xFE\x10\0\0\0\0\0";
    assert_eq!(connection.recv(&mut Input::new(&mut head)), None);
    for second in 1..=100 {
        assert_eq!(connection.recv(&mut Input::new(&mut [0; 7])), None);
        connection.handle_timeout(secs(second));
        assert_eq!(connection.state(), State::Open, "{second} s");
    }
}

/// A message of which nothing more arrives is not on its way, whatever else the peer sends.
#[test]
fn a_message_that_stopped_in_the_middle_is_idle() {
    for role in Role::BOTH {
        for chunks in [false, true] {
            let mut connection = role.connection(Config::default().idle_timeout(Some(secs(30))));
            connection.handle_timeout(secs(0));
            let pong = role.frame(PONG, b"");
            let fragment = [role.frame(0x02, b"part"), pong.clone()].concat();
            for (now, mut bytes) in [(10, fragment), (20, pong.clone()), (30, pong)] {
                let mut input = Input::new(&mut bytes);
                while match chunks {
                    false => connection.recv(&mut input),
                    true => connection.recv_chunk(&mut input),
                }
                .is_some()
                {}
                connection.handle_timeout(secs(now));
                assert_eq!(connection.next_timeout(), Some(secs(40)), "the fragment arrived at 10");
            }
        }
    }
}

/// A caller may take one event at a time out of a read buffer: what it has not asked for yet is still new.
#[test]
fn a_message_that_is_received_later_than_it_was_read_is_not_idle() {
    for role in Role::BOTH {
        let mut connection = role.connection(Config::default().idle_timeout(Some(secs(30))));
        connection.handle_timeout(secs(0));
        let mut buffer = ReadBuffer::default();
        buffer.extend_from_slice(&role.frames(&[(PING, b""), (TEXT, b"Hello"), (PONG, b"")]));
        for expected in [30, 50, 50, 50] {
            let _ = connection.recv_chunk(&mut buffer.input());
            connection.handle_timeout(secs(20));
            assert_eq!(connection.next_timeout(), Some(secs(expected)));
        }
        assert!(buffer.is_empty());
    }
}

/// The same in the other direction: a peer that reads slowly is still receiving. Whether the output holds the
/// payload or the caller writes it makes no difference.
#[test]
fn a_long_message_that_is_being_written_is_not_idle() {
    for owed in [false, true] {
        let config = Config::default().idle_timeout(Some(secs(30)));
        let mut connection = Connection::server(config);
        connection.handle_timeout(secs(0));
        if owed {
            connection.send_header(Kind::Binary, 1_000_000).expect("open");
        } else {
            connection.send_binary(&vec![7; 1_000_000]).expect("open");
        }
        for second in 1..=100 {
            connection.output_written(10_000);
            connection.handle_timeout(secs(second));
            assert_eq!(connection.state(), State::Open, "{second} s");
        }
        connection.output_written(10);
        assert_eq!((connection.output_len(), connection.payload_owed()), (0, 0));
        // The last 16 KiB were complete at 99.
        assert_eq!(connection.next_timeout(), Some(secs(129)));
        connection.handle_timeout(secs(129));
        assert_eq!(connection.state(), State::CloseSent);
    }
}

#[test]
fn an_answer_that_is_received_late_is_in_time_if_the_time_is_set_after_it() {
    for role in Role::BOTH {
        for receives_first in [true, false] {
            let mut connection = role.connection(timed().idle_timeout(Some(secs(60))));
            assert_eq!((at(&mut connection, 100), at(&mut connection, 130)), (None, None));
            assert_eq!(written(&mut connection), [(PING, vec![])]);
            // The Pong was read at once, and then the loop was busy.
            let pong = role.frame(0x8A, b"");
            if receives_first {
                events(&mut connection, &pong);
            }
            let lost = at(&mut connection, 150);
            assert_eq!(lost, (!receives_first).then_some(ProtocolError::PongTimeout), "{role:?}");
        }
    }
}

/// The output stalled, then the transport took more, and the loop was busy. So it is with our Close.
#[test]
fn output_that_is_written_late_is_in_time_if_the_time_is_set_after_it() {
    for closes in [false, true] {
        for writes_first in [true, false] {
            let mut connection = open(Role::Server);
            connection.send_binary(&[7; 100_000]).expect("open");
            if closes {
                connection.close(CloseCode::NORMAL, "").expect("open");
            }
            assert_eq!(at(&mut connection, 100), None);
            if writes_first {
                connection.output_written(connection.output_len());
            }
            let error = if closes { ProtocolError::CloseTimeout } else { ProtocolError::WriteTimeout };
            assert_eq!(at(&mut connection, 200), (!writes_first).then_some(error));
        }
    }
}

/// The latency is that of a Ping of the timers, told by its Pong and by nothing else, whole or in halves.
#[test]
fn latency_is_the_time_from_a_ping_to_its_pong() {
    let millis = Duration::from_millis;
    let config = Config::default().ping_interval(Some(millis(1000)));
    let (mut receiver, mut sender) = Connection::server(config).split();
    let mut hear = |sender: &mut sansocket::Sender, bytes: &[u8], at| {
        let mut bytes = bytes.to_vec();
        let mut input = Input::new(&mut bytes);
        while receiver.recv(&mut input).is_some() {}
        sender.notice(receiver.take_notice());
        sender.handle_timeout(millis(at));
    };
    let pong = b"\x8A\x80\0\0\0\0";
    sender.handle_timeout(millis(0));
    hear(&mut sender, pong, 5);
    assert_eq!(sender.latency(), None, "nobody asked for this one");
    sender.handle_timeout(millis(1005));
    assert_eq!(sender.output(), b"\x89\x00");
    hear(&mut sender, b"\x82\x80\0\0\0\0", 1010);
    assert_eq!(sender.latency(), None, "a message is a sign of life and no Pong");
    hear(&mut sender, b"\x8A\x81\0\0\0\0x", 1015);
    assert_eq!(sender.latency(), None, "this one answers another Ping");
    hear(&mut sender, pong, 1025);
    assert_eq!(sender.latency(), Some(millis(20)));
    hear(&mut sender, pong, 1600);
    assert_eq!(sender.latency(), Some(millis(20)));
    sender.output_written(2);
    sender.handle_timeout(millis(2600));
    hear(&mut sender, pong, 2607);
    assert_eq!(sender.latency(), Some(millis(7)));
}

/// A loop tells the time, receives, and waits: it must not wait with a Pong that nothing has timed.
#[test]
fn latency_is_accurate_in_a_loop_that_sleeps_until_the_next_timeout() {
    let config = Config::default().ping_interval(Some(secs(30))).pong_timeout(secs(10));
    let mut connection = Connection::server(config);
    connection.handle_timeout(secs(0));
    connection.handle_timeout(secs(30));
    assert_eq!(connection.output(), b"\x89\x00");
    connection.output_written(2);
    let read_at = Duration::from_millis(30_008);
    connection.handle_timeout(read_at);
    let mut pong = *b"\x8A\x80\0\0\0\0";
    assert!(connection.recv(&mut Input::new(&mut pong)).is_some());
    let next = connection.next_timeout().unwrap();
    connection.handle_timeout(next.max(read_at));
    assert_eq!(connection.latency(), Some(Duration::from_millis(8)));
    assert_eq!(connection.next_timeout(), Some(secs(60) + Duration::from_millis(8)));
}

#[test]
fn a_piece_that_the_receiving_half_gives_is_told_to_the_other() {
    for role in Role::BOTH {
        let config = Config::default().idle_timeout(Some(secs(10)));
        let (mut receiver, mut sender) = role.connection(config).split();
        sender.handle_timeout(secs(0));
        let mut bytes = role.frames(&[(TEXT, b"Hello"), (PING, b"p")]);
        let (front, rest) = bytes.split_at_mut(role.frame(TEXT, b"Hello").len() - 2);
        let mut seen = Collector::default();
        for (now, piece) in [(8, front), (16, rest)] {
            let mut input = Input::new(piece);
            while let Some(event) = receiver.recv_chunk(&mut input) {
                seen.push(&event);
                assert_eq!(receiver.has_reply(), matches!(event, Event::Ping(_)));
            }
            assert!(input.is_empty());
            sender.notice(receiver.take_notice());
            sender.handle_timeout(secs(now));
            assert_eq!(sender.next_timeout(), Some(secs(now + 10)), "a piece of a message is no silence");
        }
        assert_eq!(seen.events, [Seen::Text("Hello".to_owned()), Seen::Ping(b"p".to_vec())]);
        assert_eq!(plain(sender.output()), [(PONG, b"p".to_vec())]);
        assert_eq!(receiver.take_notice(), Notice::default(), "it was told");
    }
}

#[test]
fn a_pong_that_the_receiving_half_gives_is_a_sign_of_life_and_no_message() {
    for role in Role::BOTH {
        for (config, expected) in [
            (Config::default().ping_interval(Some(secs(10))), 18),
            (Config::default().idle_timeout(Some(secs(10))), 10),
        ] {
            let (mut receiver, mut sender) = role.connection(config).split();
            sender.handle_timeout(secs(0));
            let mut pong = role.frame(PONG, b"");
            assert!(receiver.recv(&mut Input::new(&mut pong)).is_some());
            sender.notice(receiver.take_notice());
            sender.handle_timeout(secs(8));
            assert_eq!(sender.next_timeout(), Some(secs(expected)));
        }
    }
}

/// Neither cuts, nor a buffer, nor halves make a difference to the time: the deadlines are those of the same bytes
/// in one piece.
#[test]
fn deadlines_do_not_depend_on_how_bytes_are_cut_and_kept() {
    for seed in 0..2000 {
        let mut rng = Rng::new(seed);
        let role = rng.pick(&Role::BOTH);
        let millis = |rng: &mut Rng| Some(Duration::from_millis(rng.pick(&[20, 50, 100])));
        let config = Config::default()
            .ping_interval(if rng.one_in(2) { millis(&mut rng) } else { None })
            .idle_timeout(millis(&mut rng));
        let mut plain = role.connection(config);
        let mut buffered = role.connection(config);
        let (mut receiver, mut sender) = role.connection(config).split();
        let max_frame = rng.pick(&[0, 3, 1 << 20]);
        let mut buffers = [(); 2].map(|()| ReadBuffer::new(64, max_frame));
        let (mut sent, mut in_fragments, mut now) = (Vec::new(), false, Duration::ZERO);
        for _ in 0..30 {
            for _ in 0..rng.below(4) {
                let (first, payload): (u8, &[u8]) = match (rng.below(4), in_fragments) {
                    (0, _) => (PING, b"x"),
                    (1, _) => (PONG, b""),
                    (2, false) => (TEXT, b"Hello"),
                    (2, true) => (MIDDLE, b"more"),
                    (_, false) => (FIRST_TEXT, b"begun"),
                    (_, true) => (LAST, b""),
                };
                in_fragments = if first & 0xF > 2 { in_fragments } else { first & 0x80 == 0 };
                sent.extend(role.frame(first, payload));
            }
            let arrived = if rng.one_in(2) { sent.len() } else { rng.below(sent.len()) };
            let mut bytes: Vec<u8> = sent.drain(..arrived).collect();
            for piece in bytes.chunks(rng.pick(&[1, 2, 7, 1000])) {
                buffers[0].extend_from_slice(piece);
                while match rng.one_in(2) {
                    false => buffered.recv(&mut buffers[0].input()),
                    true => buffered.recv_chunk(&mut buffers[0].input()),
                }
                .is_some()
                {}
            }
            for piece in bytes.chunks(rng.pick(&[1, 2, 7, 1000])) {
                buffers[1].extend_from_slice(piece);
                while receiver.recv(&mut buffers[1].input()).is_some() {
                    sender.notice(receiver.take_notice());
                }
                sender.notice(receiver.take_notice());
            }
            let mut input = Input::new(&mut bytes);
            while plain.recv(&mut input).is_some() {}
            now += Duration::from_millis(rng.below(15) as u64);
            plain.handle_timeout(now);
            buffered.handle_timeout(now);
            sender.handle_timeout(now);
            let time = (plain.next_timeout(), plain.latency());
            assert_eq!((buffered.next_timeout(), buffered.latency()), time, "{seed}");
            assert_eq!((sender.next_timeout(), sender.latency()), time, "{seed}");
        }
    }
}
