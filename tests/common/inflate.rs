//! RFC 1951 read aloud: a decompressor that is simple and slow, and a writer of blocks that no compressor
//! would write.

/// Decompresses messages, one bit after the other, with all that ever was as its window.
#[derive(Debug, Default)]
pub(crate) struct Naive {
    pub(crate) history: Vec<u8>,
    /// The largest distance so far.
    pub(crate) farthest: usize,
    /// A message is not decompressed much further than to so many bytes, and then not valid.
    pub(crate) limit: Option<usize>,
    /// How long the history may become by this message.
    pub(crate) end: usize,
}

impl Naive {
    /// A message without its `00 00 FF FF`; if it is not valid, what comes before that is seen.
    pub(crate) fn message(&mut self, payload: &[u8]) -> Result<Vec<u8>, Vec<u8>> {
        let start = self.history.len();
        self.end = self.limit.map_or(usize::MAX, |limit| start + limit);
        // What there is without the tail; behind the last block that is complete it goes on with the tail.
        let mut bits = Bits { bytes: payload, at: 0 };
        let (mut last, mut is_final, mut restarts) = ((0_usize, start), false, 0);
        let stop = loop {
            // The only rule that is not of the RFC: what begins after a final block costs 256 bytes, and 255 times are free.
            if is_final && last.0.div_ceil(8) < payload.len() {
                restarts += 1;
                if restarts > 255 + (last.1 - start) / 256 {
                    break Stop::Bad;
                }
            }
            match self.block(&mut bits) {
                Ok(ended) => (last, is_final) = ((bits.at, self.history.len()), ended),
                Err(stop) => break stop,
            }
        };
        let data = self.history.split_off(start);
        let whole = [payload, &[0x00, 0x00, 0xFF, 0xFF]].concat();
        // A final block needs no tail; any other block has to be the tail.
        let good = stop == Stop::More
            && (is_final && last.0.div_ceil(8) == payload.len() || {
                let mut bits = Bits { bytes: &whole, at: last.0 };
                let history = [&self.history[..], &data[..last.1 - start]].concat();
                let mut scratch = Self { history, end: self.end, ..Self::default() };
                loop {
                    match scratch.block(&mut bits) {
                        Err(_) => break false,
                        Ok(_) if bits.at.div_ceil(8) == whole.len() => {
                            break scratch.history.len() == start + data.len();
                        }
                        Ok(_) => {}
                    }
                }
            });
        self.history.extend_from_slice(&data);
        if good { Ok(data) } else { Err(data) }
    }

    /// One block, and whether it is final.
    fn block(&mut self, bits: &mut Bits<'_>) -> Result<bool, Stop> {
        let is_final = bits.take(1)? == 1;
        match bits.take(2)? {
            0 => {
                bits.at = bits.at.next_multiple_of(8);
                let (len, complement) = (bits.take(16)?, bits.take(16)?);
                bad_if(len != !complement & 0xFFFF)?;
                for _ in 0..len {
                    let byte = bits.take(8)?;
                    self.history.push(byte as u8);
                }
            }
            1 => {
                let lengths = (0..288).map(|i| match i {
                    0..=143 | 280..=287 => 8,
                    144..=255 => 9,
                    _ => 7,
                });
                let (literals, distances) =
                    (Code::new(&Vec::from_iter(lengths), true)?, Code::new(&[5; 32], true)?);
                self.codes(bits, &literals, &distances)?;
            }
            2 => {
                let (literals, distances) = dynamic(bits)?;
                self.codes(bits, &literals, &distances)?;
            }
            _ => return Err(Stop::Bad),
        }
        if is_final {
            bits.at = bits.at.next_multiple_of(8);
        }
        Ok(is_final)
    }

    fn codes(&mut self, bits: &mut Bits<'_>, literals: &Code, distances: &Code) -> Result<(), Stop> {
        loop {
            bad_if(self.history.len() > self.end)?;
            let length = match literals.symbol(bits)? {
                literal @ 0..=255 => {
                    self.history.push(literal as u8);
                    continue;
                }
                256 => return Ok(()),
                symbol @ 257..=264 => symbol - 254,
                symbol @ 265..=284 => {
                    let extra = (symbol - 261) / 4;
                    let base = 3 + ((4 + (symbol - 265) % 4) << extra);
                    base + bits.take(extra)?
                }
                285 => 258,
                _ => return Err(Stop::Bad),
            };
            let distance = match distances.symbol(bits)? {
                symbol @ 0..=3 => symbol + 1,
                symbol @ 4..=29 => {
                    let extra = symbol / 2 - 1;
                    1 + ((2 + symbol % 2) << extra) + bits.take(extra)?
                }
                _ => return Err(Stop::Bad),
            };
            bad_if(distance > self.history.len())?;
            self.farthest = self.farthest.max(distance);
            for _ in 0..length {
                self.history.push(self.history[self.history.len() - distance]);
            }
        }
    }
}

fn dynamic(bits: &mut Bits<'_>) -> Result<(Code, Code), Stop> {
    const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    let (literals, distances, count) = (bits.take(5)? + 257, bits.take(5)? + 1, bits.take(4)? + 4);
    bad_if(literals > 286 || distances > 30)?;
    let mut lengths = [0; 19];
    for place in &ORDER[..count] {
        lengths[*place] = bits.take(3)? as u8;
    }
    let code = Code::new(&lengths, false)?;
    let mut lengths = Vec::new();
    while lengths.len() < literals + distances {
        let (length, times) = match code.symbol(bits)? {
            length @ 0..=15 => (length as u8, 1),
            16 => (*lengths.last().ok_or(Stop::Bad)?, 3 + bits.take(2)?),
            17 => (0, 3 + bits.take(3)?),
            _ => (0, 11 + bits.take(7)?),
        };
        lengths.extend(std::iter::repeat_n(length, times));
    }
    bad_if(lengths.len() > literals + distances || lengths[256] == 0)?;
    Ok((Code::new(&lengths[..literals], true)?, Code::new(&lengths[literals..], true)?))
}

/// RFC 1951 §3.2.2: how many codes of each length there are, and the symbols in their order.
struct Code {
    counts: [usize; 16],
    symbols: Vec<usize>,
}

impl Code {
    /// `lone`: a single code of one bit is fine, and none at all too, as long as they are not used.
    fn new(lengths: &[u8], lone: bool) -> Result<Self, Stop> {
        let mut counts = [0; 16];
        lengths.iter().for_each(|length| counts[usize::from(*length)] += 1);
        counts[0] = 0;
        let mut left = 1_i32;
        for count in &counts[1..] {
            left = left * 2 - *count as i32;
            bad_if(left < 0)?;
        }
        let longest = counts.iter().rposition(|count| *count > 0).unwrap_or(0);
        bad_if(left > 0 && !(lone && longest <= 1))?;
        let mut symbols = Vec::from_iter((0..lengths.len()).filter(|symbol| lengths[*symbol] > 0));
        symbols.sort_by_key(|symbol| lengths[*symbol]);
        Ok(Self { counts, symbols })
    }

    fn symbol(&self, bits: &mut Bits<'_>) -> Result<usize, Stop> {
        let (mut code, mut first, mut index) = (0, 0, 0);
        for count in &self.counts[1..] {
            code |= bits.take(1)?;
            if code < first + count {
                return Ok(self.symbols[index + code - first]);
            }
            (index, first, code) = (index + count, (first + count) * 2, code * 2);
            // One bit is enough to see that it is the other code, which there is not.
            bad_if(self.symbols.len() < 2)?;
        }
        Err(Stop::Bad)
    }
}

struct Bits<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, n: usize) -> Result<usize, Stop> {
        let mut value = 0;
        for i in 0..n {
            let byte = self.bytes.get(self.at / 8).ok_or(Stop::More)?;
            value |= usize::from(byte >> (self.at % 8) & 1) << i;
            self.at += 1;
        }
        Ok(value)
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Stop {
    More,
    Bad,
}

fn bad_if(broken: bool) -> Result<(), Stop> {
    if broken { Err(Stop::Bad) } else { Ok(()) }
}

// ---- writing ----

/// Writes blocks, bit by bit.
#[derive(Debug, Clone, Default)]
pub(crate) struct Blocks {
    bytes: Vec<u8>,
    bits: usize,
}

/// What a block with fixed codes says.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Say<'a> {
    Bytes(&'a [u8]),
    /// Length, of 3 to 10 or 258; and distance, of at most 32768.
    Copy(usize, usize),
}

impl Blocks {
    /// A block with fixed codes.
    pub(crate) fn fixed(mut self, is_final: bool, says: &[Say<'_>]) -> Self {
        self.bits(is_final.into(), 1);
        self.bits(1, 2);
        for say in says {
            match *say {
                Say::Bytes(bytes) => bytes.iter().for_each(|byte| match usize::from(*byte) {
                    low @ 0..=143 => self.code(0x30 + low, 8),
                    high => self.code(0x190 + high - 144, 9),
                }),
                Say::Copy(length, distance) => {
                    match length {
                        258 => self.code(0xC0 + 285 - 280, 8),
                        short => self.code(short + 254 - 256, 7),
                    }
                    let symbol = (0..30).rfind(|symbol| base(*symbol) <= distance).unwrap_or(0);
                    self.code(symbol, 5);
                    self.bits(distance - base(symbol), (symbol / 2).saturating_sub(1));
                }
            }
        }
        self.code(0, 7);
        if is_final { self.aligned() } else { self }
    }

    /// A block without compression.
    pub(crate) fn stored(mut self, is_final: bool, bytes: &[u8]) -> Self {
        self.bits(is_final.into(), 3);
        let mut aligned = self.aligned();
        aligned.bits(bytes.len(), 16);
        aligned.bits(!bytes.len() & 0xFFFF, 16);
        bytes.iter().for_each(|byte| aligned.bits((*byte).into(), 8));
        aligned
    }

    fn aligned(mut self) -> Self {
        self.bits = self.bits.next_multiple_of(8);
        self
    }

    /// The end of a fragment that is not the last: an empty block, whole.
    pub(crate) fn flushed(self) -> Vec<u8> {
        self.stored(false, &[]).bytes
    }

    /// The end of a message: an empty block without its tail.
    pub(crate) fn message(self) -> Vec<u8> {
        let mut bytes = self.flushed();
        bytes.truncate(bytes.len() - 4);
        bytes
    }

    /// As it is.
    pub(crate) fn bare(self) -> Vec<u8> {
        self.bytes
    }

    fn bits(&mut self, value: usize, n: usize) {
        for i in 0..n {
            if self.bits / 8 == self.bytes.len() {
                self.bytes.push(0);
            }
            self.bytes[self.bits / 8] |= ((value >> i & 1) << (self.bits % 8)) as u8;
            self.bits += 1;
        }
    }

    fn code(&mut self, value: usize, n: usize) {
        (0..n).rev().for_each(|i| self.bits(value >> i & 1, 1));
    }
}

/// The smallest distance of a symbol.
fn base(symbol: usize) -> usize {
    match symbol {
        0..=3 => symbol + 1,
        _ => 1 + ((2 + symbol % 2) << (symbol / 2 - 1)),
    }
}

/// Compressed, up to and with `00 00 FF FF`.
pub(crate) fn compressed(compressor: &mut dyn sansocket::deflate::Compressor, data: &[u8]) -> Vec<u8> {
    let mut out = vec![0; data.len() + data.len() / 8 + 64];
    let len = compressor.compress(data, false, &mut out).expect("a codec that works");
    out.truncate(len);
    assert!(out.ends_with(&[0x00, 0x00, 0xFF, 0xFF]));
    out
}
