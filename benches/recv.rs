//! Receiving: bytes copied out of a prepared stream, a read at a time, to whole messages.

mod common;

use common::{Ascii, Binary, MultiByte, Payload, Role, SIZES, Stream};
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};

#[divan::bench(types = [Binary, Ascii, MultiByte], consts = [4, 64], args = SIZES)]
fn server<P: Payload, const READ_KIB: usize>(bencher: Bencher<'_, '_>, size: usize) {
    receive::<P>(bencher, Role::Server, READ_KIB, size);
}

#[divan::bench(types = [Binary, Ascii, MultiByte], consts = [4, 64], args = SIZES)]
fn client<P: Payload, const READ_KIB: usize>(bencher: Bencher<'_, '_>, size: usize) {
    receive::<P>(bencher, Role::Client, READ_KIB, size);
}

fn receive<P: Payload>(bencher: Bencher<'_, '_>, role: Role, read_kib: usize, size: usize) {
    let stream = Stream::new(role, &P::message(size));
    let mut connection = role.connection();
    let mut buf = vec![0; read_kib << 10];
    bencher
        .counter(ItemsCount::new(stream.messages))
        .counter(BytesCount::new(stream.messages * size))
        .bench_local(|| assert_eq!(stream.receive(&mut connection, &mut buf), stream.messages));
}

fn main() {
    divan::main();
}
