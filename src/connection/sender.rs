//! [`Sender`]: the half of a connection that turns calls and replies into bytes.

mod frames;
mod replying;

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use super::config::Config;
use super::keepalive::{Due, Timers};
use super::masks::Masks;
use super::message::{EncodedMessage, Message};
use super::output::Output;
use super::replies::Replies;
use super::segment::Segment;
use super::state::{State, Step};
use crate::deflate::Deflater;
use crate::error::{ProtocolError, SendError};
use crate::frame::{CloseCode, CloseFrame, ControlPayload, Header, Kind, Mask, Opcode};
use crate::random::Random;

/// The half of a [`Connection`](super::Connection) that turns messages into bytes.
#[derive(Debug)]
pub struct Sender {
    /// The masking keys of a client; none on a server.
    masks: Option<Box<Masks>>,
    output: Output,
    state: State,
    /// Compresses, if negotiated.
    deflater: Option<Box<Deflater>>,
    /// The message in progress, sent in fragments.
    fragments: Option<Fragments>,
    /// Payload bytes that the caller writes itself, after the output.
    owed: u64,
    replies: Replies,
    /// Output bytes behind our Close: Pongs, few at a time.
    behind_close: u16,
    pub(crate) max_output: usize,
    high_water: usize,
    timers: Timers,
    /// Why the peer was given up, if the receiver must report it.
    lost: Option<ProtocolError>,
}

#[derive(Debug, Clone, Copy)]
struct Fragments {
    kind: Kind,
    compressed: bool,
}

impl Sender {
    pub(crate) fn server(config: &Config) -> Self {
        Self::new(config, None)
    }

    pub(crate) fn client(config: &Config, random: impl Random + Send + Sync + 'static) -> Self {
        Self::new(config, Some(Masks::new(random)))
    }

    fn new(config: &Config, masks: Option<Box<Masks>>) -> Self {
        Self {
            masks,
            output: Output::default(),
            state: State::Open,
            deflater: None,
            fragments: None,
            owed: 0,
            replies: Replies::default(),
            behind_close: 0,
            max_output: config.max_output.min(Output::MAX),
            high_water: config.high_water,
            timers: Timers::new(config),
            lost: None,
        }
    }

    /// Returns to the state before the opening handshake.
    pub(crate) fn opening(self) -> Self {
        Self { state: State::Opening, ..self }
    }

    pub(crate) fn set_deflater(&mut self, deflater: Option<Box<Deflater>>) {
        self.deflater = deflater;
    }

    pub(crate) fn with_output(self, bytes: Vec<u8>) -> Self {
        Self { output: Output::new(bytes), ..self }
    }

    pub(crate) fn is_client(&self) -> bool {
        self.masks.is_some()
    }

    /// Returns `true` if more than [`Config::high_water`] waits in the output.
    #[cfg(feature = "aio")]
    pub(crate) fn is_above_high_water(&self) -> bool {
        self.output.len() > self.high_water
    }

    // ---- sending ----

    /// See [`Connection::send`](super::Connection::send).
    ///
    /// # Errors
    /// Those of [`Connection::send`](super::Connection::send).
    #[inline]
    pub fn send(&mut self, message: &Message<'_>) -> Result<(), SendError> {
        self.send_whole(message.kind(), message.as_bytes())
    }

    /// See [`Connection::send_text`](super::Connection::send_text).
    ///
    /// # Errors
    /// Those of [`Connection::send_text`](super::Connection::send_text).
    #[inline]
    pub fn send_text(&mut self, text: &str) -> Result<(), SendError> {
        self.send_whole(Kind::Text, text.as_bytes())
    }

    /// See [`Connection::send_binary`](super::Connection::send_binary).
    ///
    /// # Errors
    /// Those of [`Connection::send_binary`](super::Connection::send_binary).
    #[inline]
    pub fn send_binary(&mut self, bytes: &[u8]) -> Result<(), SendError> {
        self.send_whole(Kind::Binary, bytes)
    }

    /// See [`Connection::send_owned`](super::Connection::send_owned).
    ///
    /// # Errors
    /// Those of [`Connection::send_owned`](super::Connection::send_owned).
    #[inline]
    pub fn send_owned(&mut self, message: Message<'_>) -> Result<(), SendError> {
        match message {
            Message::Text(Cow::Owned(text)) => self.send_payload(Kind::Text, text.into()),
            Message::Binary(Cow::Owned(bytes)) => self.send_payload(Kind::Binary, bytes.into()),
            borrowed => self.send(&borrowed),
        }
    }

    /// See [`Connection::send_binary_owned`](super::Connection::send_binary_owned).
    ///
    /// # Errors
    /// Those of [`Connection::send_binary_owned`](super::Connection::send_binary_owned).
    pub fn send_binary_owned(&mut self, payload: impl Into<Segment>) -> Result<(), SendError> {
        self.send_payload(Kind::Binary, payload.into())
    }

    #[inline(never)]
    fn send_payload(&mut self, kind: Kind, payload: Segment) -> Result<(), SendError> {
        let len = payload.len();
        if len < MOVED_FROM || self.compresses(len) {
            return self.send_whole(kind, payload.as_ref());
        }
        let header = self.message_header(kind, len, len)?;
        let payload = match header.mask {
            Some(key) => payload.masked(Mask::new(key)),
            None => payload,
        };
        self.output.append_frame(&header, payload);
        Ok(())
    }

    /// See [`Connection::compresses`](super::Connection::compresses).
    #[inline]
    #[must_use]
    pub fn compresses(&self, len: usize) -> bool {
        // A peer that negotiates compression must not make a message too large.
        let fits = || Deflater::bound(len).saturating_add(Header::MAX_LEN) <= self.max_output;
        self.deflater.as_ref().is_some_and(|deflater| deflater.wants(len) && fits())
    }

    /// Returns `true` if the caller may send a payload of this length itself, without a copy: it is neither
    /// compressed nor masked, and the output has room in case it must be copied after all.
    #[cfg(any(feature = "aio", feature = "net"))]
    pub(crate) fn sends_as_is(&self, len: usize) -> bool {
        !self.is_client() && !self.compresses(len) && len <= self.room()
    }

    /// Returns `true` if sending a message of `len` bytes would fail with [`SendError::OutputFull`].
    #[cfg(any(feature = "aio", feature = "net"))]
    pub(crate) fn lacks_room(&self, len: usize) -> bool {
        let most = if self.compresses(len) { Deflater::bound(len) } else { len };
        let mask = self.masks.as_ref().map(|_| [0; 4]);
        let payload_len = most as u64;
        let header = Header { fin: true, rsv1: false, opcode: Opcode::Binary, mask, payload_len };
        let needed = most.saturating_add(header.len());
        let may_be_sent = self.may_send().is_ok() && self.fragments.is_none() && self.owed == 0;
        may_be_sent && needed > self.room() && needed <= self.max_output
    }

    /// Returns how many more bytes the output may hold.
    #[inline]
    pub(crate) fn room(&self) -> usize {
        self.max_output.saturating_sub(self.output.len())
    }

    /// See [`Connection::compress`](super::Connection::compress).
    pub fn compress(&mut self, enabled: bool) {
        if let Some(deflater) = &mut self.deflater {
            deflater.enabled = enabled;
        }
    }

    /// See [`Connection::send_encoded`](super::Connection::send_encoded).
    ///
    /// # Errors
    /// Those of [`Connection::send_encoded`](super::Connection::send_encoded).
    pub fn send_encoded(&mut self, message: &EncodedMessage) -> Result<(), SendError> {
        let header = self.message_header(message.kind(), message.payload().len(), message.payload().len())?;
        if header.mask.is_some() {
            self.push(header, message.payload());
            return Ok(());
        }
        let deflater = self.deflater.as_mut().filter(|deflater| deflater.enabled);
        let compressed = match deflater {
            Some(deflater) => {
                message.shared_compressed(deflater.window_bits()).inspect(|_| deflater.forget())
            }
            None => None,
        };
        let frame = compressed.unwrap_or(message.shared_frame());
        if frame.len() < SHARED_FROM {
            self.output.append(frame);
        } else {
            self.output.append_segment(Arc::clone(frame).into());
        }
        Ok(())
    }

    /// See [`Connection::send_fragment`](super::Connection::send_fragment).
    ///
    /// # Errors
    /// Those of [`Connection::send_fragment`](super::Connection::send_fragment).
    pub fn send_fragment(&mut self, fragment: &Message<'_>, last: bool) -> Result<(), SendError> {
        self.may_send()?;
        let (kind, payload) = (fragment.kind(), fragment.as_bytes());
        let (opcode, compressed) = match self.fragments {
            None => (kind.opcode(), self.deflater.as_ref().is_some_and(|deflater| deflater.enabled)),
            Some(first) if first.kind == kind => (Opcode::Continuation, first.compressed),
            Some(_) => return Err(SendError::MixedFragments),
        };
        if compressed {
            let bound = Deflater::bound(payload.len());
            let header = self.header(opcode, last, bound, bound)?;
            self.push_compressed(header, payload)?;
        } else {
            let header = self.header(opcode, last, payload.len(), payload.len())?;
            self.push(header, payload);
        }
        self.timers.active();
        self.fragments = if last { None } else { Some(Fragments { kind, compressed }) };
        Ok(())
    }

    /// See [`Connection::send_header`](super::Connection::send_header).
    ///
    /// # Errors
    /// Those of [`Connection::send_header`](super::Connection::send_header).
    pub fn send_header(&mut self, kind: Kind, payload_len: usize) -> Result<Option<Mask>, SendError> {
        // The payload bypasses the output: only the header must fit.
        let header = self.message_header(kind, payload_len, 0)?;
        self.push_header(header);
        self.owed = header.payload_len;
        Ok(header.mask.map(Mask::new))
    }

    /// See [`Connection::payload_owed`](super::Connection::payload_owed).
    #[inline]
    #[must_use]
    pub fn payload_owed(&self) -> u64 {
        self.owed
    }

    /// See [`Connection::buffer_payload`](super::Connection::buffer_payload).
    pub fn buffer_payload(&mut self, payload: &[u8]) {
        let len = usize::try_from(self.owed).unwrap_or(usize::MAX).min(payload.len());
        let payload = &payload[..len];
        if len < MOVED_FROM {
            self.output.append(payload);
        } else {
            self.output.append_segment(Segment::from(payload.to_vec()));
        }
        self.owed -= len as u64;
        self.send_replies();
    }

    /// See [`Connection::ping`](super::Connection::ping).
    ///
    /// # Errors
    /// Those of [`Connection::ping`](super::Connection::ping).
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.send_control(Opcode::Ping, payload)
    }

    /// See [`Connection::pong`](super::Connection::pong).
    ///
    /// # Errors
    /// Those of [`Connection::pong`](super::Connection::pong).
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.send_control(Opcode::Pong, payload)
    }

    fn send_control(&mut self, opcode: Opcode, payload: &[u8]) -> Result<(), SendError> {
        if payload.len() > ControlPayload::MAX_LEN {
            return Err(SendError::ControlTooLong);
        }
        let header = self.header(opcode, true, payload.len(), payload.len())?;
        self.push(header, payload);
        Ok(())
    }

    /// See [`Connection::close`](super::Connection::close).
    ///
    /// # Errors
    /// Those of [`Connection::close`](super::Connection::close).
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.may_send()?;
        self.state = self.state.after(Step::SendClose);
        self.deflater = None;
        self.push_close(CloseFrame::new(code, reason).as_bytes());
        Ok(())
    }

    // ---- signs of life ----

    /// Records that bytes arrived: the peer is alive. `message`: they contained a message or a piece of one,
    /// so the connection is not idle.
    #[inline]
    pub(crate) fn heard(&mut self, message: bool) {
        self.timers.heard();
        if message {
            self.timers.active();
        }
    }

    /// Handles a failure of the transport: nothing more can be written, and waiting output is dropped.
    /// [`lost`](Self::lost) reports it to the receiver.
    pub fn abort(&mut self) {
        self.give_up(ProtocolError::TransportFailed);
    }

    /// Returns why the connection was given up, by a deadline or by [`abort`](Self::abort), for
    /// [`Receiver::lose`](super::Receiver::lose).
    #[must_use]
    pub fn lost(&self) -> Option<ProtocolError> {
        self.lost
    }

    // ---- the opening handshake ----

    /// Completes the opening handshake: the timers begin.
    pub(crate) fn open(&mut self) {
        self.state = self.state.after(Step::Open);
        // The server's accept key proves that the request has arrived, even if that was never reported as
        // written. If a part was, a server that answers early still lacks the rest.
        if self.output.is_untouched() {
            self.output = Output::default();
        }
        self.heard(true);
    }

    /// Fails the opening handshake: `response` is the last output.
    pub(crate) fn refuse(&mut self, response: Vec<u8>) {
        self.conclude(Step::Fail);
        self.output = Output::new(response);
    }

    /// Takes over the time of the opening handshake.
    pub(crate) fn begin(&mut self, now: Duration) {
        self.timers.begin(now);
    }

    /// Adds output of the opening handshake, after what is in flight.
    pub(crate) fn add_output(&mut self, bytes: Vec<u8>) {
        if self.output.is_empty() {
            self.output = Output::new(bytes);
        } else {
            self.output.append(&bytes);
        }
    }

    /// Drops the output of a transport that is over.
    pub(crate) fn drop_output(&mut self) {
        self.output = Output::default();
    }

    /// Ends at once.
    pub(crate) fn end(&mut self) {
        self.conclude(Step::End);
    }

    /// Returns random bytes from the source of the masking keys; zeros on a server.
    pub(crate) fn nonce(&mut self) -> [u8; 16] {
        let mut nonce = [0; 16];
        if let Some(masks) = &mut self.masks {
            for word in nonce.as_chunks_mut::<4>().0 {
                *word = masks.next();
            }
        }
        nonce
    }

    // ---- output ----

    /// See [`Connection::output`](super::Connection::output).
    #[inline]
    #[must_use]
    pub fn output(&self) -> &[u8] {
        self.output.waiting()
    }

    /// See [`Connection::output_slices`](super::Connection::output_slices).
    pub fn output_slices<'a>(&'a self, into: &mut [&'a [u8]]) -> usize {
        self.output.slices(into)
    }

    /// See [`Connection::output_len`](super::Connection::output_len).
    #[inline]
    #[must_use]
    pub fn output_len(&self) -> usize {
        self.output.len()
    }

    /// Saves memory: nothing will be sent before something is received.
    #[cfg(feature = "aio")]
    pub(crate) fn rest(&mut self) {
        self.output.rest();
    }

    /// See [`Connection::output_written`](super::Connection::output_written).
    #[inline]
    pub fn output_written(&mut self, n: usize) {
        // The most common case: all of it.
        if self.output.is_all_in_tail(n)
            && self.state == State::Open
            && self.owed | self.replies.pongs() | self.timers.stalled() == 0
        {
            self.output.tail_written();
        } else {
            self.output_written_any(n);
        }
    }

    #[inline(never)]
    fn output_written_any(&mut self, n: usize) {
        let buffered = n.min(self.output.len());
        let owed = self.owed.min((n - buffered) as u64);
        // Without waiting output nothing was written: that is no progress.
        if buffered == 0 && owed == 0 {
            return;
        }
        let behind = usize::from(self.behind_close);
        // A Pong behind our Close is no progress: it would give a peer that only sends Pings time forever.
        let taken = buffered.min(self.output.len().saturating_sub(behind)) as u64 + owed;
        self.output.written(buffered);
        self.owed -= owed;
        let left = self.output.len();
        self.behind_close = behind.min(left) as u16;
        if taken > 0 {
            self.timers.wrote(taken, self.owed > 0 || left > behind);
        }
        // Only afterwards: what enters the output now did not wait for the transport.
        self.replies.written(buffered);
        self.send_replies();
    }

    /// See [`Connection::take_output`](super::Connection::take_output).
    #[must_use]
    pub fn take_output(&mut self) -> Option<Segment> {
        self.output.take()
    }

    /// See [`Connection::wants_write`](super::Connection::wants_write).
    #[inline]
    #[must_use]
    pub fn wants_write(&self) -> bool {
        self.output.is_waiting()
    }

    /// See [`Connection::wants_read`](super::Connection::wants_read).
    #[inline]
    #[must_use]
    pub fn wants_read(&self) -> bool {
        // If both sides waited for the other to read, neither would continue: only a server waits, and not
        // after a Close of the peer, a failure or a response in HTTP, when input is dropped.
        match self.state {
            State::Ended => false,
            State::Closed | State::Failed => true,
            _ => self.masks.is_some() || self.output.len() <= self.high_water,
        }
    }

    /// See [`Connection::should_shutdown`](super::Connection::should_shutdown).
    #[inline]
    #[must_use]
    pub fn should_shutdown(&self) -> bool {
        let over = match self.state {
            State::Opening | State::Open | State::CloseSent => false,
            // "the underlying TCP connection, in most normal cases, SHOULD be closed first by the server"
            // (§7.1.1).
            State::Closed => self.masks.is_none(),
            State::Failed | State::Ended => true,
        };
        over && self.output.is_empty() && self.owed == 0
    }

    /// See [`Connection::is_ended`](super::Connection::is_ended).
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.state == State::Ended && self.output.is_empty() && self.owed == 0
    }

    /// See [`Connection::state`](super::Connection::state).
    #[inline]
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// See [`Connection::can_send`](super::Connection::can_send).
    #[inline]
    #[must_use]
    pub fn can_send(&self) -> bool {
        self.state == State::Open
    }

    /// See [`Connection::shrink`](super::Connection::shrink).
    pub fn shrink(&mut self) {
        self.output.shrink();
    }

    // ---- time ----

    /// See [`Connection::latency`](super::Connection::latency).
    #[must_use]
    pub fn latency(&self) -> Option<Duration> {
        self.timers.latency()
    }

    /// See [`Connection::next_timeout`](super::Connection::next_timeout).
    #[must_use]
    pub fn next_timeout(&self) -> Option<Duration> {
        // A peer that reads nothing must not block the rest of the output forever, even after its own side
        // has ended.
        if self.is_ended() { None } else { self.timers.next(self.state, self.waits()) }
    }

    /// Returns the next deadline that has not passed at the last call of
    /// [`handle_timeout`](Self::handle_timeout), without what is due at once.
    #[cfg(any(feature = "aio", feature = "net"))]
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.timers.deadline(self.state, self.waits()).filter(|due| !self.is_ended() && self.now() < *due)
    }

    /// Returns `true` if there is output to write, or a payload that the caller writes itself.
    fn waits(&self) -> bool {
        !self.output.is_empty() || self.owed > 0
    }

    /// Returns how long after our Close the peer is given up.
    #[cfg(feature = "net")]
    pub(crate) fn close_timeout(&self) -> Duration {
        self.timers.close_timeout()
    }

    pub(crate) fn now(&self) -> Duration {
        self.timers.now()
    }

    /// Returns `now` if a deadline has passed since the last call of [`handle_timeout`](Self::handle_timeout).
    #[cfg(feature = "net")]
    pub(crate) fn late(&self, now: Duration) -> Option<Duration> {
        self.next_deadline().filter(|due| *due <= now).map(|_| now)
    }

    /// See [`Connection::handle_timeout`](super::Connection::handle_timeout). [`lost`](Self::lost) returns
    /// whether the peer was given up.
    pub fn handle_timeout(&mut self, now: Duration) {
        match self.timers.handle(now, self.state, self.waits()) {
            Due::Nothing => {}
            Due::Ping { is_late } => {
                self.shrink();
                // Behind a full output or an owed payload, the Ping waits, and the deadline stays: a peer that
                // reads nothing is lost.
                match self.keep_alive() {
                    true => self.timers.pinged(),
                    false if is_late => self.give_up(ProtocolError::PongTimeout),
                    false => self.timers.ping_waits(),
                }
            }
            Due::Idle => {
                let _ = self.close(CloseCode::GOING_AWAY, "idle");
                // This starts the closing deadline.
                self.timers.handle(now, self.state, true);
            }
            Due::PongTimeout => self.give_up(ProtocolError::PongTimeout),
            Due::CloseTimeout => self.give_up(ProtocolError::CloseTimeout),
            Due::WriteTimeout => self.give_up(ProtocolError::WriteTimeout),
        }
    }

    /// Gives up the peer. This is reported unless the connection was already over.
    fn give_up(&mut self, error: ProtocolError) {
        self.output = Output::default();
        self.owed = 0;
        self.replies = Replies::default();
        let before = self.conclude(Step::End);
        if before.awaits_close() {
            self.lost = Some(error);
        }
    }
}

/// Minimum size of a payload that is moved to the output, or of a frame that is shared: below it, a copy
/// costs less. A frame for many connections is copied to uncached memory.
const MOVED_FROM: usize = 8 * 1024;
const SHARED_FROM: usize = 2 * 1024;

#[cfg(test)]
mod tests {
    /// Also where the next byte would not fit, and where it never does, or nothing may be sent.
    #[cfg(any(feature = "aio", feature = "net"))]
    #[test]
    fn lacking_room_is_what_sending_says() {
        use alloc::vec;

        use crate::connection::{Config, Connection};
        use crate::error::SendError;
        use crate::frame::CloseCode;

        let config = Config::default().max_output(200);
        for waiting in [0, 1, 60, 150, 196] {
            for len in 0..250 {
                for is_closing in [false, true] {
                    for mut connection in
                        [Connection::server(config), Connection::client(config, |_: &mut [u8]| {})]
                    {
                        let _ = connection.send_binary(&vec![7; waiting]);
                        if is_closing {
                            let _ = connection.close(CloseCode::NORMAL, "");
                        }
                        let lacks_room = connection.sender.lacks_room(len);
                        let is_full = connection.send_binary(&vec![7; len]) == Err(SendError::OutputFull);
                        assert_eq!(lacks_room, is_full, "{waiting} {len} {is_closing}");
                    }
                }
            }
        }
    }
}
