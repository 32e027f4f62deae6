//! A SOCKS5 proxy's answers, any bytes in any cut, against a naive reading of RFC 1928 and RFC 1929.
#![cfg(feature = "alloc")]
#![expect(clippy::expect_used, reason = "a test may panic")]

mod common;

use common::Rng;
use sansocket::Input;
use sansocket::handshake::{Proxy, Socks5Error as E, Socks5Handshake, Socks5Progress, Url};

#[test]
fn any_answers_in_any_cut_equal_a_naive_reading() {
    let mut rng = Rng::new(1928);
    let mut seen = [0; 3];
    for round in 0..60_000 {
        let password = rng.one_in(2);
        let answers = answers(&mut rng, password);
        let expected = read(&answers, password);
        let most = if rng.one_in(2) { 1 } else { 1 + rng.below(30) };
        assert_eq!(run(&mut rng, &answers, password, most), expected, "{round}: {answers:?}");
        seen[match expected {
            Ok(None) => 0,
            Ok(Some(_)) => 1,
            Err(_) => 2,
        }] += 1;
    }
    assert!(seen.iter().all(|count| *count > 1000), "the cases are not worth much: {seen:?}");
}

/// Nearly right, most often.
fn answers(rng: &mut Rng, password: bool) -> Vec<u8> {
    let mut answers = vec![5, rng.pick(&[0, 0, 2, 2, 255, 1])];
    if answers[1] == 2 && password {
        answers.extend([1, 0]);
    }
    let address = match rng.below(4) {
        0 => vec![4; 17],
        1 => [vec![3, 7], vec![b'x'; 7]].concat(),
        2 => [vec![3, 255], vec![b'x'; 255]].concat(),
        _ => vec![1; 5],
    };
    answers.extend([5, 0, 0]);
    answers.extend(address);
    answers.extend([4, 56]);
    if rng.one_in(2) {
        let at = rng.below(answers.len().min(9));
        answers[at] = rng.pick(&[0, 1, 2, 3, 4, 5, 8, 255]);
    }
    if rng.one_in(3) {
        answers.truncate(rng.below(answers.len()));
    }
    if rng.one_in(3) {
        answers.extend(b"behind");
    }
    answers
}

/// The naive reading: how many bytes are left when the tunnel is open, `None` if it is not open yet.
fn read(answers: &[u8], password: bool) -> Result<Option<usize>, E> {
    let mut rest = answers.iter().copied();
    macro_rules! next {
        () => {
            match rest.next() {
                Some(byte) => byte,
                None => return Ok(None),
            }
        };
    }
    match next!() {
        5 => {}
        version => return Err(E::Version(version)),
    }
    match next!() {
        0 => {}
        2 if password => {
            match next!() {
                // Also that of SOCKS, which many proxies confuse with it.
                1 | 5 => {}
                version => return Err(E::AuthenticationVersion(version)),
            }
            match next!() {
                0 => {}
                status => return Err(E::AuthenticationFailed(status)),
            }
        }
        255 => return Err(E::NoAcceptableMethod),
        method => return Err(E::UnofferedMethod(method)),
    }
    match next!() {
        5 => {}
        version => return Err(E::Version(version)),
    }
    match next!() {
        0 => {}
        reply => return Err(E::Refused(reply)),
    }
    match next!() {
        0 => {}
        byte => return Err(E::Reserved(byte)),
    }
    let len = match next!() {
        1 => 4,
        4 => 16,
        3 => usize::from(next!()),
        other => return Err(E::AddressType(other)),
    };
    for _ in 0..len + 2 {
        next!();
    }
    Ok(Some(rest.len()))
}

/// What a handshake makes of the answers in pieces of at most `most` bytes; no piece crosses the end of a round, whose
/// answer comes after all output was written.
fn run(rng: &mut Rng, answers: &[u8], password: bool, most: usize) -> Result<Option<usize>, E> {
    let proxy = if password { "socks5://user:password@p" } else { "socks5://p" };
    let proxy = Proxy::parse(proxy).expect("a URL");
    let mut handshake = Socks5Handshake::new(&proxy, &Url::parse("ws://h").expect("a URL")).expect("short");
    let rounds = if answers.get(1) == Some(&2) { [2, 2, usize::MAX] } else { [2, usize::MAX, 0] };
    let mut rest = answers;
    for len in rounds {
        let (mut round, behind) = rest.split_at(len.min(rest.len()));
        rest = behind;
        while !round.is_empty() {
            while !handshake.output().is_empty() {
                assert!(handshake.output().len() <= 3 + 4 + 13, "the output is bounded");
                handshake.output_written(1 + rng.below(5));
            }
            let (piece, more) = round.split_at((1 + rng.below(most)).min(round.len()));
            round = more;
            let mut piece = piece.to_vec();
            let mut input = Input::new(&mut piece);
            handshake = match handshake.recv(&mut input) {
                Socks5Progress::Incomplete(handshake) => handshake,
                Socks5Progress::Open => return Ok(Some(input.len() + round.len() + rest.len())),
                Socks5Progress::Failed(error) => {
                    assert!(input.is_empty(), "I2");
                    return Err(error);
                }
            };
            assert!(input.is_empty(), "I2");
        }
    }
    Ok(None)
}
