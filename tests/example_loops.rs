//! The examples `in_memory`, `poll_loop` and `unix_socket`, each against what it is written for.
#![cfg(all(feature = "net", unix))]
#![allow(dead_code, clippy::allow_attributes, reason = "their `main` is for the command line")]
#![allow(clippy::duplicate_mod, reason = "each is a program, with the same options module")]

#[path = "../examples/in_memory.rs"]
mod in_memory;
#[path = "../examples/poll_loop.rs"]
mod poll_loop;
#[path = "../examples/unix_socket.rs"]
mod unix_socket;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use sansocket::handshake::ClientRequest;
use sansocket::{CloseCode, Event, net};

#[test]
fn in_memory_delivers_whatever_the_transports_do() {
    let worlds = (0..200).map(in_memory::run).collect::<Vec<_>>();
    let transports: usize = worlds.iter().map(|world| world.transports).sum();
    assert!(transports > 400, "hardly any transport broke: {transports}");
    assert_eq!(in_memory::run(7).now, worlds[7].now, "a seed is not enough to repeat a run");
}

#[test]
fn unix_socket_echoes_also_beside_peers_that_break_off() {
    let path = std::env::temp_dir().join(format!("sansocket-{}", std::process::id()));
    // What a server has left there is replaced.
    drop(unix_socket::listen(&path).unwrap());
    let listener = unix_socket::listen(&path).unwrap();
    assert!(unix_socket::listen(&path).is_err(), "one is listening there");
    thread::spawn(move || unix_socket::serve(listener));
    let mut silent = UnixStream::connect(&path).unwrap();
    UnixStream::connect(&path).unwrap().write_all(b"GET / HTTP/1.1\r\nHo").unwrap();
    let mut echoed = Vec::new();
    unix_socket::converse(&path, &b"one\ntwo\n"[..], &mut echoed).unwrap();
    assert_eq!(echoed, b"one\ntwo\n");
    silent.write_all(b"nonsense\r\n\r\n").unwrap();
    let mut answer = String::new();
    silent.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    std::fs::remove_file(&path).unwrap();

    // Somebody's file is not.
    std::fs::write(&path, "notes").unwrap();
    unix_socket::listen(&path).unwrap_err();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "notes");
    std::fs::remove_file(&path).unwrap();
}

/// Echoes `messages` on the next connection, and then drops it, or closes it if `closes`.
fn echo(listener: &TcpListener, messages: usize, closes: bool) {
    let (stream, _) = listener.accept().unwrap();
    let mut ws = net::accept(stream).unwrap();
    let mut left = messages;
    while left > 0
        && let Ok(Some(mut batch)) = ws.read()
    {
        while let Some(event) = batch.recv() {
            if let Event::Message(message) = event {
                let _ = batch.feed(&message);
                left = left.saturating_sub(1);
            }
        }
    }
    if closes {
        let _ = ws.close(CloseCode::NORMAL, "");
        let _ = ws.finish();
    }
}

fn game(listener: &TcpListener) -> poll_loop::Game {
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    poll_loop::Game::new(ClientRequest::new(&url).unwrap()).unwrap()
}

const TICK: Duration = Duration::from_millis(5);

#[test]
fn poll_loop_plays_on_while_its_connection_is_lost_and_made_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut game = game(&listener);
    let server = thread::spawn(move || {
        // One is dropped before it opens, one in the middle of the game, and one is closed by the game.
        drop(listener.accept().unwrap());
        echo(&listener, 50, false);
        echo(&listener, usize::MAX, false);
    });
    let (began, mut latencies) = (Instant::now(), vec![]);
    game.play(TICK, 1000, |game| latencies.extend(game.latency));
    server.join().unwrap();
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(game.opened, 2);
    assert!(game.received > 100, "{}", game.received);
    assert!(latencies.iter().any(|latency| *latency < Duration::from_secs(1)), "{latencies:?}");
}

#[test]
fn poll_loop_ends_when_a_server_is_done_with_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut game = game(&listener);
    let server = thread::spawn(move || echo(&listener, 10, true));
    game.play(TICK, u64::MAX, |_| {});
    server.join().unwrap();
    assert_eq!(game.opened, 1);
}

#[test]
fn poll_loop_gives_up_a_server_that_says_nothing_more() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut game = game(&listener);
    let (over, is_over) = mpsc::channel::<()>();
    let server = thread::spawn(move || {
        let ws = net::accept(listener.accept().unwrap().0);
        let _ = is_over.recv();
        drop(ws);
    });
    let began = Instant::now();
    game.play(TICK, 200, |_| {});
    let took = began.elapsed();
    drop(over);
    server.join().unwrap();
    assert!(took < Duration::from_secs(8), "a second of playing, then its closing handshake: {took:?}");
    assert_eq!((game.opened, game.received, game.latency), (1, 0, None));
}
