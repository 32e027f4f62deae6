//! What stands on the wire of HTTP/3: a QUIC client whose bytes are all written here.

mod common;

use common::{H3, Server, hurry};
use quinn::{ReadError, RecvStream, SendStream, VarInt};
use sansocket::{Config, Event, ProtocolError};

/// A string of QPACK with a prefix of 7 bits, or a name of 3, not Huffman-coded.
fn string(first: u8, max: usize, text: &str) -> Vec<u8> {
    let mut bytes = match text.len() {
        len if len < max => vec![first | len as u8],
        len => vec![first | max as u8, (len - max) as u8],
    };
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

fn field(name: &str, value: &str) -> Vec<u8> {
    [string(0x20, 7, name), string(0, 127, value)].concat()
}

/// The HEADERS frame of an extended CONNECT for `protocol`.
fn request(protocol: &str) -> Vec<u8> {
    // The static table's `:method: CONNECT`, `:scheme: https` and `:path: /`.
    let block = [
        vec![0, 0, 0xC0 | 15, 0xC0 | 23, 0xC0 | 1],
        field(":authority", "localhost"),
        field(":protocol", protocol),
        field("sec-websocket-version", "13"),
    ]
    .concat();
    // Its length as a variable-length integer of two bytes.
    [vec![1, 0x40 | (block.len() >> 8) as u8, block.len() as u8], block].concat()
}

fn data(payload: &[u8]) -> Vec<u8> {
    [&[0, payload.len() as u8], payload].concat()
}

/// Reads exactly so many bytes.
async fn read(recv: &mut RecvStream, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    hurry(recv.read_exact(&mut bytes)).await.unwrap();
    bytes
}

/// Sends a request, and reads the frame with the answer. The connection lasts as long as the first value.
async fn ask(server: &H3, protocol: &str) -> (quinn::Connection, SendStream, RecvStream, Vec<u8>) {
    let quic = server.connect().await;
    let mut control = quic.open_uni().await.unwrap();
    control.write_all(&[0, 4, 0]).await.unwrap(); // its type, and SETTINGS without any
    let (mut send, mut recv) = quic.open_bi().await.unwrap();
    send.write_all(&request(protocol)).await.unwrap();
    let head = read(&mut recv, 2).await;
    let [1, len @ 0..64] = head[..] else { panic!("not a short HEADERS frame: {head:?}") };
    let answer = read(&mut recv, len.into()).await;
    // HTTP/3 needs the control stream open.
    std::mem::forget(control);
    (quic, send, recv, answer)
}

async fn open(server: &H3) -> (quinn::Connection, SendStream, RecvStream) {
    let (quic, send, recv, answer) = ask(server, "websocket").await;
    assert_eq!(answer, [0, 0, 0xC0 | 25], "`:status: 200` of the static table");
    (quic, send, recv)
}

#[tokio::test]
async fn trap_68_a_close_ends_with_fin_and_masks_are_as_ever() {
    let mut server = H3::start(Config::default()).await;
    let (_quic, mut send, mut recv) = open(&server).await;
    let hello = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"; // RFC 6455 §5.7
    send.write_all(&data(hello)).await.unwrap();
    assert_eq!(read(&mut recv, 9).await, data(b"\x81\x05Hello"));
    send.write_all(&data(b"\x88\x82\0\0\0\0\x03\xE8")).await.unwrap();
    assert_eq!(read(&mut recv, 6).await, data(b"\x88\x02\x03\xE8"));
    // RFC 6455 §7.1.1: the server ends first.
    assert_eq!(hurry(recv.read_chunk(1, true)).await, Ok(None));
    send.finish().unwrap();
    assert!(matches!(hurry(server.event()).await, Event::Close(_)));
    assert!(hurry(server.ended()).await);
}

#[tokio::test]
async fn trap_68_fin_without_a_close_is_an_abnormal_closure() {
    let mut server = H3::start(Config::default()).await;
    let (_quic, mut send, mut recv) = open(&server).await;
    send.write_all(&data(b"\x81\x85")).await.unwrap();
    send.finish().unwrap();
    assert_eq!(hurry(server.event()).await, Event::Failed(ProtocolError::UnexpectedEof));
    assert_eq!(hurry(recv.read_chunk(1, true)).await, Ok(None), "nobody is left to tell");
}

#[tokio::test]
async fn trap_68_what_the_server_gives_up_is_cancelled() {
    let server = H3::start(Config::default()).await;
    let (_quic, mut send, mut recv) = open(&server).await;
    send.write_all(&data(b"\x81\x87\0\0\0\0give up")).await.unwrap();
    assert_eq!(hurry(recv.read_chunk(1, true)).await, Err(ReadError::Reset(CANCELLED)));
    assert_eq!(hurry(send.stopped()).await, Ok(Some(CANCELLED)));
}

#[tokio::test]
async fn trap_68_a_reset_is_the_end_of_its_stream() {
    let mut server = H3::start(Config::default()).await;
    let (_quic, mut send, mut recv) = open(&server).await;
    send.reset(CANCELLED).unwrap();
    assert_eq!(hurry(server.event()).await, Event::Failed(ProtocolError::TransportFailed));
    assert_eq!(hurry(recv.read_chunk(1, true)).await, Err(ReadError::Reset(CANCELLED)));
}

#[tokio::test]
async fn trap_67_another_protocol_is_refused() {
    let server = H3::start(Config::default()).await;
    let (_quic, _send, mut recv, answer) = ask(&server, "webtransport").await;
    // `:status` by its name in the static table, and the Huffman code of 501.
    assert_eq!(answer[..7], [0, 0, 0x5F, 9, 0x82, 0x6C, 0x01]);
    assert_eq!(hurry(recv.read_chunk(1, true)).await, Ok(None));
}

/// H3_REQUEST_CANCELLED
const CANCELLED: VarInt = VarInt::from_u32(0x10C);
