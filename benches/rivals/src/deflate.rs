//! Compressed messages, permessage-deflate.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use crate::libraries::{self, Deflated};
use crate::payloads::{MESSAGES, json};
use crate::report::{Line, Report};
use crate::rounds::{self, Runner};
use crate::wire::{Record, Wire};
use crate::{Message, Options, Role, naive};

const SECTION: &str = "deflate";
const FLOOR: &str = "zlib-rs";

pub const NOTE: &str = "Servers, JSON, each message new and much like the others, sent as binary messages; level 1 and a window of 15 \
    bits in all. \"zlib-rs\" is the codec called directly, in buffers that are kept, without frames and masks. wtx can do no \
    context takeover. tungstenite, tokio-websockets, fastwebsockets and websocket-sans-io have no compression. sockudo-ws, wtx \
    and yawc call zlib-rs too, most of it by flate2. soketto, which makes a compressor for each message and no takeover, \
    brings C's zlib, whose level 1 compresses better, and to every other user of flate2 as well, so it needs a build of its \
    own: `--features c-zlib`.";

#[derive(Clone, Copy)]
struct Row {
    size: usize,
    takeover: bool,
    work: Work,
}

#[derive(Clone, Copy)]
enum Work {
    Receive,
    Send,
    /// How many bytes a message is when it is sent.
    Size,
}

pub fn run(options: &Options, report: &mut Report) {
    for row in rows() {
        if options.wants(SECTION, &row.name()) {
            let values = match row.work {
                Work::Receive | Work::Send => {
                    let best = rounds::best(options.rounds, &mut row.runners());
                    best.iter().map(|(name, time)| (*name, row.speed(*time))).collect()
                }
                Work::Size => row.sizes(),
            };
            report.add(row.line(&values));
        }
    }
}

fn rows() -> impl Iterator<Item = Row> {
    let works = [Work::Receive, Work::Send, Work::Size].into_iter();
    works.flat_map(|work| {
        [true, false].into_iter().flat_map(move |takeover| {
            [1 << 10, 16 << 10].into_iter().map(move |size| Row { size, takeover, work })
        })
    })
}

impl Row {
    fn name(self) -> String {
        let work = match self.work {
            Work::Receive => "receive",
            Work::Send => "send",
            Work::Size => "size of",
        };
        let takeover = if self.takeover { "takeover" } else { "no takeover" };
        format!("{work} {} KiB, {takeover}", self.size >> 10)
    }

    /// The floor and ours, then the rivals.
    fn line(self, values: &[(&'static str, f64)]) -> Line {
        let sizes = matches!(self.work, Work::Size);
        Line {
            section: SECTION,
            name: self.name(),
            unit: if sizes { "bytes" } else { "k/s" },
            lower_is_better: sizes,
            floor: Some(values[0]),
            ours: values[1..2].to_vec(),
            rivals: values[2..].to_vec(),
        }
    }

    /// Messages to a round.
    fn count(self) -> usize {
        if self.size == 1 << 10 { 10 * MESSAGES } else { 2 * MESSAGES }
    }

    fn speed(self, time: Duration) -> f64 {
        self.count() as f64 / time.as_secs_f64() * 1e-3
    }

    fn runners(self) -> Vec<Runner> {
        let mut runners = vec![self.direct(), self.prepare::<libraries::DeflatedSansocket>()];
        runners.push(self.prepare::<libraries::DeflatedSockudo>());
        runners.push(self.prepare::<libraries::DeflatedYawc>());
        if !self.takeover {
            runners.push(self.prepare::<libraries::DeflatedWtx>());
            #[cfg(feature = "c-zlib")]
            runners.push(self.prepare::<libraries::DeflatedSoketto>());
        }
        runners
    }

    fn sizes(self) -> Vec<(&'static str, f64)> {
        let direct = naive::compress(&json(self.size), self.takeover).iter().map(Vec::len).sum::<usize>();
        let mut sizes = vec![(FLOOR, direct as f64 / MESSAGES as f64)];
        sizes.push(self.prove_sending::<libraries::DeflatedSansocket>());
        sizes.push(self.prove_sending::<libraries::DeflatedSockudo>());
        sizes.push(self.prove_sending::<libraries::DeflatedYawc>());
        if !self.takeover {
            sizes.push(self.prove_sending::<libraries::DeflatedWtx>());
            #[cfg(feature = "c-zlib")]
            sizes.push(self.prove_sending::<libraries::DeflatedSoketto>());
        }
        sizes
    }

    /// Proves that the library does this work right, and prepares to measure it.
    fn prepare<L: Deflated>(self) -> Runner {
        let mut library = L::new(self.wire(None), self.takeover);
        let n = self.count();
        match self.work {
            Work::Receive => {
                self.prove_receiving::<L>();
                Runner::new(L::NAME, move || {
                    library.receive(n, |payload| {
                        black_box(payload);
                    })
                })
            }
            Work::Send | Work::Size => {
                self.prove_sending::<L>();
                let mut messages = json(self.size).map(|message| L::message(&message));
                Runner::new(L::NAME, move || (0..n).for_each(|i| library.send(&mut messages[i % MESSAGES])))
            }
        }
    }

    fn prove_receiving<L: Deflated>(self) {
        let messages = json(self.size);
        let mut expected = messages.iter().cycle();
        let mut received = 0;
        // The stream comes again: its first message refers to nothing.
        L::new(self.wire(None), self.takeover).receive(3 * MESSAGES, |payload| {
            assert!(payload == expected.next().unwrap(), "{}: {}", L::NAME, self.name());
            received += 1;
        });
        assert!(received == 3 * MESSAGES, "{}: {}", L::NAME, self.name());
    }

    /// Proves what the library sends, and tells how many bytes a message is on average.
    fn prove_sending<L: Deflated>(self) -> (&'static str, f64) {
        let (record, messages) = (Record::default(), json(self.size));
        let mut library = L::new(self.wire(Some(&record)), self.takeover);
        messages.iter().for_each(|message| library.send(&mut L::message(message)));
        let sent = naive::decode_compressed(Role::Server, &record.lock().unwrap());
        let size = sent.iter().map(|message| message.payload.len()).sum::<usize>();
        let sent: Vec<_> = sent.into_iter().map(|message| message.payload).collect();
        assert!(naive::inflate(&sent, self.takeover) == messages, "{}: {}", L::NAME, self.name());
        (L::NAME, size as f64 / MESSAGES as f64)
    }

    /// The codec without anything around it.
    fn direct(self) -> Runner {
        let (takeover, n) = (self.takeover, self.count());
        let messages = json(self.size);
        let mut out = vec![0; self.size + 1024];
        match self.work {
            Work::Receive => {
                let payloads = naive::compress(&messages, takeover);
                let (mut inflater, mut buf) = (naive::Inflater::new(takeover), vec![0; self.size + 1024]);
                Runner::new(FLOOR, move || {
                    for i in 0..n {
                        let payload = &payloads[i % MESSAGES];
                        buf[..payload.len()].copy_from_slice(payload);
                        black_box(inflater.inflate(&mut buf, payload.len(), &mut out));
                    }
                })
            }
            Work::Send | Work::Size => {
                let (mut deflater, mut wire) = (naive::Deflater::new(takeover), self.wire(None));
                Runner::new(FLOOR, move || {
                    for i in 0..n {
                        wire.send(deflater.deflate(&messages[i % MESSAGES], &mut out));
                    }
                })
            }
        }
    }

    fn wire(self, record: Option<&Record>) -> Wire {
        let (mut stream, mut key) = (Vec::new(), 0x1234_5678_u32);
        for payload in naive::compress(&json(self.size), self.takeover) {
            key = key.wrapping_mul(0x915F_77F5).wrapping_add(1);
            let start = stream.len();
            naive::encode(&Message { text: false, payload }, Some(key.to_ne_bytes()), &mut stream);
            stream[start] |= naive::RSV1;
        }
        Wire::new(&Arc::from(stream), 16 << 10, record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_libraries_do_all_rows() {
        for row in rows() {
            match row.work {
                Work::Receive | Work::Send => row.runners().truncate(0),
                Work::Size => row.sizes().truncate(0),
            }
        }
    }
}
