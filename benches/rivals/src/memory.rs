//! What a server's connection keeps in memory, and how often it allocates.

use std::sync::Arc;

use crate::allocator::count;
use crate::libraries::{self, Echo};
use crate::report::{Line, Report, Value};
use crate::wire::{Record, Wire};
use crate::{Message, Options, Role, messages, naive};

const SECTION: &str = "memory";

pub const NOTE: &str = "Servers as they are by default; every byte of the heap that belongs to one connection, without its transport, \
    which each is given by reference. \"net\" and \"tokio\" are this crate's adapters, which bring their own buffer. Not \
    counted: the buffer that the user of \"sansocket\" reads into, as it is empty between two reads, and so one serves \
    many connections. Counted: the buffers that sockudo-ws and wtx want from their user for each \
    connection. websocket-sans-io holds one frame's header and joins nothing: what would, is its caller's. \
    \"1 MiB\" is after one message of that size was received and sent back, and everything was written and dropped.";

macro_rules! all {
    ($call:ident($($argument:expr),*)) => {
        [
            $call::<libraries::EchoSansocket>($($argument),*),
            $call::<libraries::EchoNet>($($argument),*),
            $call::<libraries::EchoTokio>($($argument),*),
            $call::<libraries::EchoTungstenite>($($argument),*),
            $call::<libraries::EchoTokioWebsockets>($($argument),*),
            $call::<libraries::EchoSockudo>($($argument),*),
            $call::<libraries::EchoWtx>($($argument),*),
            $call::<libraries::EchoFastwebsockets>($($argument),*),
            $call::<libraries::EchoSoketto>($($argument),*),
            $call::<libraries::EchoYawc>($($argument),*),
        ]
    };
}

pub fn run(options: &Options, report: &mut Report) {
    let mut add = |name: &str, unit, values: &dyn Fn() -> [Vec<Value>; 2]| {
        if options.wants(SECTION, name) {
            let [ours, rivals] = values();
            report.add(Line {
                section: SECTION,
                name: name.into(),
                unit,
                lower_is_better: true,
                floor: None,
                ours,
                rivals,
            });
        }
    };
    add("idle connection, its type", "bytes", &|| split(&all!(state())));
    add("idle connection, its heap", "bytes", &|| split(&all!(heap(0))));
    add("heap after 1 MiB", "bytes", &|| split(&all!(heap(1))));
    for (name, work) in messages::ALLOCATIONS {
        add(name, "allocations", &|| messages::allocations(work));
    }
}

/// Ours, and rivals.
fn split(values: &[Value]) -> [Vec<Value>; 2] {
    let (ours, rivals) = values.split_at(OURS);
    [ours.to_vec(), rivals.to_vec()]
}

const OURS: usize = 3;

fn state<L: Echo>() -> Value {
    (L::NAME, L::STATE as f64)
}

/// Bytes on the heap after so many messages.
fn heap<L: Echo>(messages: usize) -> Value {
    prove::<L>();
    let (wire, buf) = (wire(None), buf());
    let (library, counted) = count(|| {
        let mut library = L::new(wire, buf);
        (0..messages).for_each(|_| library.echo());
        library
    });
    drop(library);
    (L::NAME, counted.live as f64)
}

fn prove<L: Echo>() {
    let record = Record::default();
    let mut library = L::new(wire(Some(&record)), buf());
    library.echo();
    library.echo();
    let sent = naive::decode(Role::Server, &record.lock().unwrap());
    assert!(sent == [message(), message()], "{}", L::NAME);
}

/// Left in memory at the end, for the sake of simple types.
fn wire(record: Option<&Record>) -> &'static mut Wire {
    let mut stream = Vec::new();
    naive::encode(&message(), Some([1, 2, 3, 4]), &mut stream);
    Box::leak(Box::new(Wire::new(&Arc::from(stream), READ, record)))
}

fn buf() -> &'static mut [u8] {
    vec![0; READ].leak()
}

const READ: usize = 16 << 10;

fn message() -> Message {
    Message { text: false, payload: (0..1 << 20).map(|i| (i * 7) as u8).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_libraries_echo() {
        all!(prove());
    }

    #[test]
    fn an_idle_connection_of_ours_has_no_heap() {
        assert_eq!(heap::<libraries::EchoSansocket>(0).1, 0.0);
    }
}
