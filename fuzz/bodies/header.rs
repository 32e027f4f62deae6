//! The header of a frame: parsed as RFC 6455 §5.2 has it, refused at the byte that breaks a rule, and written as it was read:
//! I5, I8, I13.

use sansocket::frame::{Header, Opcode};

/// `data`: any bytes.
pub(crate) fn body(data: &[u8]) {
    let whole = Header::parse(data);
    let read = read(data);
    match (whole, read) {
        (Ok(Some((header, len))), Read::Header(bits, read_len)) => {
            assert_eq!((len, bits), (read_len, self::bits(&header)), "I13");
            // The reserved bits that no extension uses are refused: what is left says all of it.
            assert_eq!(header.encode()[..], data[..len], "I8: one header has one form");
            assert!(len <= Header::MAX_LEN);
        }
        (Ok(None), Read::More) | (Err(_), Read::Illegal(_)) => {}
        (whole, read) => panic!("I13: {whole:?}, expected {read:?}"),
    }
    // Each shorter input, too, ends in the same way or wants more.
    let prefixes = (0..data.len().min(Header::MAX_LEN)).map(|len| (len, Header::parse(&data[..len])));
    for (len, prefix) in prefixes {
        match (prefix, read) {
            (Ok(Some((_, needed))), Read::Header(_, expected)) => {
                assert!(needed == expected && len >= needed)
            }
            (Ok(None), Read::Header(_, needed)) => assert!(len < needed, "complete, and not known to be"),
            (Ok(None), Read::More) => {}
            (result, Read::Illegal(at)) => {
                assert_eq!(result.is_err(), len >= at, "I5: refused at the byte that breaks the rule");
                assert!(result.is_err() || result == Ok(None));
            }
            (result, _) => panic!("I5: {result:?} of {len} bytes, {read:?} of all"),
        }
    }
}

/// FIN, RSV1, the opcode, the length, the masking key.
type Bits = (bool, bool, u8, u64, Option<[u8; 4]>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Read {
    More,
    Header(Bits, usize),
    /// So many bytes have to arrive until it is certain.
    Illegal(usize),
}

fn bits(header: &Header) -> Bits {
    let opcode = match header.opcode {
        Opcode::Continuation => 0,
        Opcode::Text => 1,
        Opcode::Binary => 2,
        Opcode::Close => 8,
        Opcode::Ping => 9,
        Opcode::Pong => 10,
    };
    (header.fin, header.rsv1, opcode, header.payload_len, header.mask)
}

/// RFC 6455 §5.2 and §5.5, as far as they do not depend on who sent it and on what came before.
fn read(data: &[u8]) -> Read {
    let Some(first) = data.first() else { return Read::More };
    let (fin, rsv, opcode) = (first & 0x80 != 0, first >> 4 & 7, first & 15);
    let control = opcode & 8 != 0;
    // RFC 7692 §6.1 gives RSV1 a meaning on the first fragment of a message only.
    let stray = rsv & 3 != 0 || rsv != 0 && !matches!(opcode, 1 | 2);
    if matches!(opcode, 3..=7 | 11..) || stray || control && !fin {
        return Read::Illegal(1);
    }
    let Some(second) = data.get(1) else { return Read::More };
    let short = second & 0x7F;
    // "All control frames MUST have a payload length of 125 bytes or less"; a Close with a body has a code of two bytes.
    if control && short > 125 || opcode == 8 && short == 1 {
        return Read::Illegal(2);
    }
    let extended = match short {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let available = data.len().min(2 + extended);
    let digits = &data[2..available];
    let number = digits.iter().fold(0, |number, digit| number << 8 | u64::from(*digit));
    // "the most significant bit MUST be 0"; "the minimal number of bytes MUST be used to encode the length".
    if extended == 8 && digits.first().is_some_and(|digit| *digit > 0x7F) {
        return Read::Illegal(3);
    }
    if extended == 8 && digits.len() >= 6 && digits[..6] == [0; 6] {
        return Read::Illegal(8);
    }
    if extended == 2 && digits.len() == 2 && number < 126 {
        return Read::Illegal(4);
    }
    if digits.len() < extended {
        return Read::More;
    }
    let len = if extended == 0 { u64::from(short) } else { number };
    let masked = second & 0x80 != 0;
    match (masked, data.get(2 + extended..6 + extended)) {
        (false, _) => Read::Header((fin, rsv & 4 != 0, opcode, len, None), 2 + extended),
        (true, Some(key)) => {
            let key = [key[0], key[1], key[2], key[3]];
            Read::Header((fin, rsv & 4 != 0, opcode, len, Some(key)), 6 + extended)
        }
        (true, None) => Read::More,
    }
}
