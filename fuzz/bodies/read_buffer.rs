//! A buffer that keeps messages until they are complete changes nothing but where they lie: events equal those of the model, whatever
//! is read at once, whatever the buffer may keep, and its space is bounded by what has arrived: I1, I3, I4, I6, I11, I13.

use arbitrary::Arbitrary;
use sansocket::frame::Limits;
use sansocket::{Event, ReadBuffer};

use super::structured;
use crate::common::{Collector, LIMITS, Role, Seen, config, model};

#[derive(Debug, Arbitrary)]
struct Reads<'d> {
    client: bool,
    tiny: bool,
    size: u8,
    max_frame: u16,
    frames: Vec<Piece<'d>>,
    /// How much each read brings; the last one again and again.
    reads: Vec<u8>,
    /// Which reads are received piece by piece, and after which the buffer is released.
    chunks: u32,
    releases: u32,
}

#[derive(Debug, Arbitrary)]
enum Piece<'d> {
    Frame(u8, &'d [u8]),
    Long { first: u8, len: u16 },
    Bytes(&'d [u8]),
}

/// `data`: frames, and how they are read.
pub(crate) fn body(data: &[u8]) {
    let Some(reads) = structured::<Reads<'_>>(data) else { return };
    let role = if reads.client { Role::Client } else { Role::Server };
    let pieces = reads.frames.iter().take(12).map(|piece| match piece {
        Piece::Frame(first, payload) => role.frame(*first, payload),
        Piece::Long { first, len } => role.frame(*first, &"ä".repeat(usize::from(len % 600)).into_bytes()),
        Piece::Bytes(bytes) => bytes.to_vec(),
    });
    let bytes = Vec::from_iter(pieces).concat();
    let limits =
        if reads.tiny { Limits { max_frame: 20, max_message: 30, max_fragments: 2 } } else { LIMITS };
    let max_frame = usize::from(reads.max_frame);
    let mut buffer = ReadBuffer::new(usize::from(reads.size), max_frame);
    let mut connection = role.connection(config(limits));
    let (mut seen, mut left, mut turn) = (Collector::default(), &bytes[..], 0_u32);
    loop {
        let is_chunks = reads.chunks >> (turn % 32) & 1 == 1;
        let kept = buffer.unread().len();
        let mut input = buffer.input();
        let mut events = 0;
        loop {
            let event =
                if is_chunks { connection.recv_chunk(&mut input) } else { connection.recv(&mut input) };
            let Some(event) = event else { break };
            let is_over = matches!(seen.events.last(), Some(Seen::Failed(_) | Seen::Close(_)));
            assert!(!is_over, "I4: {event:?}");
            if let Event::Message(message) = &event {
                assert!(
                    core::str::from_utf8(message.as_bytes()).is_ok() || message.as_text().is_none(),
                    "I6"
                );
            }
            seen.push(&event);
            events += 1;
            assert!(events <= kept + 2, "I3");
        }
        drop(input);
        assert!(buffer.unread().len() <= max_frame + 14, "I11: no more than may be kept");
        if reads.releases >> (turn % 32) & 1 == 1 {
            let unread = buffer.unread().to_vec();
            buffer.release();
            assert_eq!(buffer.unread(), unread, "what is unread stays");
        }
        if left.is_empty() {
            break;
        }
        let unread = buffer.unread().len();
        let space = buffer.space();
        assert!(
            !space.is_empty() && space.len() <= usize::from(reads.size).max(256).max(8 * unread),
            "I11: {unread}"
        );
        let n =
            usize::from(reads.reads.get(turn as usize).or(reads.reads.last()).copied().unwrap_or(7)).max(1);
        let n = n.min(left.len()).min(space.len());
        space[..n].copy_from_slice(&left[..n]);
        buffer.filled(n);
        left = &left[n..];
        turn += 1;
    }
    let expected = model(role, limits, &bytes);
    let outcome = seen.outcome();
    assert_eq!(outcome.events, expected.events, "I1, I13");
}
