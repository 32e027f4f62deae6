//! Opening handshakes, from a browser's request to a 101 and a connection.
//!
//! Each library reads the request and writes the answer, keeps what buffers its interface lets it keep, and makes the
//! connection, which is then dropped. Not here: fastwebsockets and yawc, which want a request that hyper has read, and
//! websocket-sans-io, which has no handshake.

use std::sync::Arc;
use std::time::Duration;

use crate::Options;
use crate::libraries::{self, Handshake};
use crate::payloads::REQUEST;
use crate::report::{Line, Report};
use crate::rounds::{self, Runner};
use crate::wire::{Record, Wire};

const SECTION: &str = "handshake";
const NAME: &str = "server, a browser's request of 570 B";

pub const NOTE: &str = "Handshakes begun and answered, up to a connection that is ready, which is then dropped. \
    fastwebsockets and yawc are not here, as they want hyper to read the request; nor is websocket-sans-io, which has no \
    handshake. Of sockudo-ws it is the functions without its streams. SHA-1 is that of aws-lc-rs in tokio-websockets and wtx.";

/// What RFC 6455, section 1.3, says for this key.
const ACCEPT: &str = "\r\nsec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n";
/// To a round.
const HANDSHAKES: usize = 2000;

macro_rules! all {
    ($call:ident($($argument:expr),*)) => {
        [
            $call::<libraries::Sansocket<false>>($($argument),*),
            $call::<libraries::Tungstenite>($($argument),*),
            $call::<libraries::TokioWebsockets>($($argument),*),
            $call::<libraries::Sockudo>($($argument),*),
            $call::<libraries::Wtx>($($argument),*),
            $call::<libraries::Soketto>($($argument),*),
        ]
    };
}

pub fn run(options: &Options, report: &mut Report) {
    if !options.wants(SECTION, NAME) {
        return;
    }
    let best = rounds::best(options.rounds, &mut all!(prepare()));
    let speed = |&(name, time): &(_, Duration)| (name, HANDSHAKES as f64 / time.as_secs_f64() * 1e-3);
    let speeds: Vec<_> = best.iter().map(speed).collect();
    report.add(Line {
        section: SECTION,
        name: NAME.into(),
        unit: "k/s",
        lower_is_better: false,
        floor: None,
        ours: speeds[..1].to_vec(),
        rivals: speeds[1..].to_vec(),
    });
}

fn wire(record: Option<&Record>) -> Wire {
    Wire::new(&Arc::from(REQUEST), 4 << 10, record)
}

fn prepare<L: Handshake>() -> Runner {
    prove::<L>();
    let (mut wire, mut kept) = (wire(None), L::Kept::default());
    Runner::new(L::NAME, move || (0..HANDSHAKES).for_each(|_| L::accept(&mut wire, &mut kept)))
}

fn prove<L: Handshake>() {
    let (record, mut kept) = (Record::default(), L::Kept::default());
    let mut wire = wire(Some(&record));
    for _ in 0..3 {
        L::accept(&mut wire, &mut kept);
        let answer = String::from_utf8(std::mem::take(&mut *record.lock().unwrap())).unwrap();
        assert!(answer.starts_with("HTTP/1.1 101 "), "{}: {answer}", L::NAME);
        assert!(answer.to_lowercase().contains(ACCEPT), "{}: {answer}", L::NAME);
        assert!(answer.find("\r\n\r\n") == Some(answer.len() - 4), "{}: {answer}", L::NAME);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_libraries_answer() {
        assert_eq!(REQUEST.len(), 570);
        all!(prove());
    }
}
