//! [`Connection`]: the protocol after the opening handshake.

mod config;
mod event;
mod keepalive;
mod masks;
mod message;
mod notice;
mod output;
mod read_buffer;
mod receiver;
mod replies;
mod segment;
mod sender;
mod state;

use alloc::vec::Vec;
use core::time::Duration;

pub use config::Config;
pub use event::{Chunk, Event};
pub use message::{EncodedMessage, Message};
pub use notice::Notice;
#[cfg(any(feature = "aio", feature = "net"))]
pub(crate) use read_buffer::Unread;
pub use read_buffer::{Lent, ReadBuffer};
pub use receiver::Receiver;
pub use segment::Segment;
pub use sender::Sender;
pub use state::State;

use crate::deflate::{Deflate, Deflater, Inflater, Params};
use crate::error::SendError;
use crate::frame::{CloseCode, Kind, Mask};
use crate::input::Input;
use crate::random::Random;

/// An open WebSocket connection, as a state machine: bytes in, events out, bytes out.
///
/// It comes from a [handshake](crate::handshake), or from [`server`](Self::server) or
/// [`client`](Self::client) if other code did the handshake. Its methods form families:
///
/// * **Receiving**: [`recv`](Self::recv) or [`recv_chunk`](Self::recv_chunk), and
///   [`recv_eof`](Self::recv_eof).
/// * **Sending**: [`send`](Self::send), [`send_text`](Self::send_text), [`send_binary`](Self::send_binary),
///   [`send_owned`](Self::send_owned), [`send_binary_owned`](Self::send_binary_owned),
///   [`send_fragment`](Self::send_fragment), [`send_encoded`](Self::send_encoded),
///   [`send_header`](Self::send_header), [`ping`](Self::ping), [`pong`](Self::pong), [`close`](Self::close).
///   They append to the output; a call that fails changes nothing.
/// * **Output**: [`output`](Self::output), or [`output_slices`](Self::output_slices) for a vectored write, or
///   [`take_output`](Self::take_output) to own the bytes; and [`output_written`](Self::output_written).
/// * **State** for the event loop: [`wants_read`](Self::wants_read), [`wants_write`](Self::wants_write),
///   [`should_shutdown`](Self::should_shutdown), [`is_ended`](Self::is_ended), [`state`](Self::state).
/// * **Time**: [`next_timeout`](Self::next_timeout) and [`handle_timeout`](Self::handle_timeout).
///
/// No action of the peer makes these methods panic. If it breaks a rule, that is not returned as an error: the
/// Close frame is already in the output, [`Event::Failed`] carries the reason, further input is dropped, and
/// sending fails with [`SendError::Closed`].
#[derive(Debug)]
pub struct Connection {
    pub(crate) receiver: Receiver,
    pub(crate) sender: Sender,
}

impl Connection {
    /// Creates the server side of a connection after the opening handshake.
    #[must_use]
    pub fn server(config: Config) -> Self {
        Self { receiver: Receiver::server(&config), sender: Sender::server(&config) }
    }

    /// Creates the client side of a connection after the opening handshake. `random` supplies the masking
    /// keys.
    #[must_use]
    pub fn client(config: Config, random: impl Random + Send + Sync + 'static) -> Self {
        Self { receiver: Receiver::client(&config), sender: Sender::client(&config, random) }
    }

    /// Adds the compression (RFC 7692) that the opening handshake negotiated. The
    /// [handshakes](crate::handshake) of this crate do this themselves.
    #[must_use]
    pub fn with_deflate(mut self, deflate: &Deflate, params: &Params) -> Self {
        self.set_deflate(deflate, params);
        self
    }

    fn set_deflate(&mut self, deflate: &Deflate, params: &Params) {
        let is_client = self.sender.is_client();
        let max_message = self.receiver.max_message();
        self.receiver.set_inflater(Inflater::new(deflate, params, !is_client, max_message));
        self.sender.set_deflater(Deflater::new(deflate, params, is_client));
    }

    /// Returns to the state before the opening handshake, which an endpoint carries out.
    pub(crate) fn opening(self) -> Self {
        Self { sender: self.sender.opening(), ..self }
    }

    /// Completes the opening handshake with the negotiated compression. Its unwritten output is dropped: it
    /// has arrived.
    pub(crate) fn open(&mut self, agreed: Option<(Deflate, Params)>) {
        self.sender.open();
        if let Some((deflate, params)) = agreed {
            self.set_deflate(&deflate, &params);
        }
    }

    /// Refuses the connection: `response` is the last output.
    pub(crate) fn refuse(&mut self, response: Vec<u8>) {
        self.sender.refuse(response);
        self.receiver.finish();
    }

    /// Ends at once: the waiting output is dropped.
    pub(crate) fn end(&mut self) {
        self.sender.end();
        self.sender.drop_output();
        self.receiver.finish();
    }

    /// Takes over the time of the opening handshake.
    pub(crate) fn begin(&mut self, now: Duration) {
        self.sender.begin(now);
    }

    /// Adds output of the opening handshake, after what is in flight.
    pub(crate) fn add_output(&mut self, bytes: Vec<u8>) {
        self.sender.add_output(bytes);
    }

    /// Drops the output of a transport that is over.
    pub(crate) fn drop_output(&mut self) {
        self.sender.drop_output();
    }

    /// Returns random bytes for the opening handshake.
    pub(crate) fn nonce(&mut self) -> [u8; 16] {
        self.sender.nonce()
    }

    /// Puts the bytes of the opening handshake in front of all output.
    pub(crate) fn with_output(self, output: Vec<u8>) -> Self {
        Self { sender: self.sender.with_output(output), ..self }
    }

    /// Splits the connection into two halves, for two threads or tasks. The receiver informs the sender with
    /// one value, a [`Notice`]. In the other direction, [`Sender::lost`] says why the connection was given
    /// up, for [`Receiver::lose`].
    #[must_use]
    pub fn split(self) -> (Receiver, Sender) {
        (self.receiver, self.sender)
    }

    /// Returns `true` if [`recv`](Self::recv) would immediately borrow a message from these bytes, or refuse
    /// it.
    #[cfg(any(feature = "aio", feature = "net"))]
    pub(crate) fn is_whole(&self, bytes: &[u8]) -> bool {
        self.receiver.is_whole(bytes)
    }

    /// See [`Sender::lacks_room`].
    #[cfg(feature = "net")]
    pub(crate) fn lacks_room(&self, len: usize) -> bool {
        self.sender.lacks_room(len)
    }

    /// Returns the sending half.
    #[cfg(any(feature = "net", feature = "aio"))]
    pub(crate) fn sender(&self) -> &Sender {
        &self.sender
    }

    /// Returns the sending half.
    #[cfg(any(feature = "net", feature = "aio"))]
    pub(crate) fn sender_mut(&mut self) -> &mut Sender {
        &mut self.sender
    }

    /// Reunites two halves, and passes on what one has not told the other: a remaining [`Notice`], or that the
    /// connection was given up. They must belong to the same connection, which is not checked.
    #[must_use]
    pub fn reunite(receiver: Receiver, sender: Sender) -> Self {
        let mut connection = Self::reunite_cut_off(receiver, sender);
        connection.lose_after_input();
        connection
    }

    /// Like [`reunite`](Self::reunite), but after a failed write, what has arrived can still be read: see
    /// [`is_cut_off`](Self::is_cut_off).
    pub(crate) fn reunite_cut_off(mut receiver: Receiver, mut sender: Sender) -> Self {
        sender.notice(receiver.take_notice());
        Self { receiver, sender }
    }

    /// Returns the next event. `None` means that `input` is used up: read more.
    ///
    /// Messages are complete: borrowed if the payload is contiguous in the input, otherwise assembled and
    /// owned.
    ///
    /// ```
    /// use sansocket::{Config, Connection, Event, Input, Message};
    /// let mut connection = Connection::server(Config::default());
    /// let mut received = *b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"; // RFC 6455 §5.7
    /// let mut input = Input::new(&mut received);
    /// while let Some(event) = connection.recv(&mut input) {
    ///     if let Event::Message(message) = event {
    ///         connection.send(&message)?; // while holding it
    ///     }
    /// }
    /// assert_eq!(connection.output(), b"\x81\x05Hello");
    /// # Ok::<(), sansocket::SendError>(())
    /// ```
    #[inline(always)]
    pub fn recv<'b>(&mut self, input: &mut Input<'b>) -> Option<Event<'b>> {
        if let Some(message) = self.recv_whole(input) {
            return Some(Event::Message(message));
        }
        self.recv_any(input)
    }

    /// Returns the message at the front of the input if it is complete there, the most common case. The rest
    /// is left to [`recv_any`](Self::recv_any).
    ///
    /// Always inlined: moving the message out of a separate function would cost as much as everything else.
    #[inline(always)]
    pub(crate) fn recv_whole<'b>(&mut self, input: &mut Input<'b>) -> Option<Message<'b>> {
        let message = self.receiver.recv_whole(input);
        if message.is_some() {
            self.sender.heard(true);
        }
        message
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn recv_any<'b>(&mut self, input: &mut Input<'b>) -> Option<Event<'b>> {
        let arrived = input.has_new();
        let event = self.receiver.next_event(input);
        self.note(arrived, input, event.as_ref());
        event
    }

    /// Tells the sender directly what the receiver reports.
    #[inline]
    fn note(&mut self, arrived: bool, input: &Input<'_>, event: Option<&Event<'_>>) {
        if arrived {
            self.sender.heard(self.receiver.is_message(input));
        }
        match event {
            Some(Event::Ping(payload)) => self.sender.answer_ping(payload),
            _ => {
                if let Some(notice) = self.receiver.reply(event) {
                    self.sender.notice(notice);
                }
            }
        }
    }

    /// Returns the next event, with message data in pieces as they arrive: messages of any size in constant
    /// memory.
    ///
    /// [`Config::max_message`] and [`Config::max_frame`] apply here too: raise them for large messages. After
    /// a switch from [`recv`](Self::recv) in the middle of a message, the first piece is what has arrived; in
    /// the other direction, `recv` returns the rest.
    #[inline]
    pub fn recv_chunk<'b>(&mut self, input: &mut Input<'b>) -> Option<Event<'b>> {
        let arrived = input.has_new();
        let event = self.receiver.next_chunk(input);
        self.note(arrived, input, event.as_ref());
        event
    }

    /// Handles the end of the transport's incoming stream. The next [`recv`](Self::recv) first processes the
    /// remaining input. Without a closing handshake or a failure before, it then reports [`Event::Failed`]
    /// for an abnormal closure (1006, §7.1.5).
    ///
    /// Waiting output may still be written, if the transport can.
    pub fn recv_eof(&mut self) {
        self.receiver.recv_eof();
        if self.receiver.has_ended() {
            self.sender.end();
        }
    }

    /// Handles a failure of the transport: no more reads or writes. The waiting output is dropped, and the
    /// next [`recv`](Self::recv) reports the failure as after [`recv_eof`](Self::recv_eof).
    pub fn recv_error(&mut self) {
        self.receiver.recv_error();
        self.sender.abort();
    }

    /// Handles a failed write: the waiting output is dropped, but what has arrived can still be received. The
    /// connection is [cut off](Self::is_cut_off) until [`lose_after_input`](Self::lose_after_input).
    #[cfg(feature = "net")]
    pub(crate) fn send_error(&mut self) {
        self.sender.abort();
    }

    /// Returns `true` if an open connection may have input: if a write fails, read that first.
    #[cfg(any(feature = "aio", feature = "net"))]
    pub(crate) fn may_have_input(&self) -> bool {
        self.receiver.is_open()
    }

    /// Returns `true` if the connection was given up without the receiver knowing.
    #[cfg(any(feature = "aio", feature = "net"))]
    pub(crate) fn is_cut_off(&self) -> bool {
        self.sender.lost().is_some() && self.receiver.is_open()
    }

    /// Lets the receiver report why the connection was given up, after the remaining input.
    pub(crate) fn lose_after_input(&mut self) {
        if let Some(error) = self.sender.lost() {
            self.receiver.lose_after_input(error);
        }
    }

    /// Sends a message.
    ///
    /// # Errors
    /// [`NotOpen`](SendError::NotOpen), [`Closed`](SendError::Closed), [`OutputFull`](SendError::OutputFull),
    /// [`TooLarge`](SendError::TooLarge), [`InFragments`](SendError::InFragments),
    /// [`PayloadOwed`](SendError::PayloadOwed), [`Compression`](SendError::Compression).
    #[inline]
    pub fn send(&mut self, message: &Message<'_>) -> Result<(), SendError> {
        self.sender.send(message)
    }

    /// Sends a text message.
    ///
    /// # Errors
    /// See [`send`](Self::send).
    #[inline]
    pub fn send_text(&mut self, text: &str) -> Result<(), SendError> {
        self.sender.send_text(text)
    }

    /// Sends a binary message.
    ///
    /// # Errors
    /// See [`send`](Self::send).
    #[inline]
    pub fn send_binary(&mut self, bytes: &[u8]) -> Result<(), SendError> {
        self.sender.send_binary(bytes)
    }

    /// Sends a message by value. A large owned payload is moved to the output instead of copied; a client
    /// masks it in place. A borrowed one is copied, as in [`send`](Self::send). So a message from
    /// [`recv`](Self::recv) can be forwarded in either form.
    ///
    /// ```
    /// use sansocket::{Config, Connection, Message};
    /// let mut connection = Connection::server(Config::default());
    /// connection.send_owned(Message::from("borrowed"))?; // copied
    /// connection.send_owned(Message::from(vec![7; 100_000]))?; // moved
    /// # assert_eq!(connection.output_len(), 2 + 8 + 10 + 100_000);
    /// # Ok::<(), sansocket::SendError>(())
    /// ```
    ///
    /// # Errors
    /// See [`send`](Self::send). The message is dropped on an error.
    #[inline]
    pub fn send_owned(&mut self, message: Message<'_>) -> Result<(), SendError> {
        self.sender.send_owned(message)
    }

    /// Sends a binary message whose payload is owned or shared, without a [`Message`] around it: a `Vec<u8>`,
    /// an `Arc<[u8]>` or, with the feature `bytes`, a `Bytes`. A large payload is moved to the output, not
    /// copied. A client masks it in place, or masks a copy if it is shared.
    ///
    /// # Errors
    /// See [`send`](Self::send). The payload is dropped on an error.
    pub fn send_binary_owned(&mut self, payload: impl Into<Segment>) -> Result<(), SendError> {
        self.sender.send_binary_owned(payload)
    }

    /// Sends a message that is already encoded. A server shares a large one and copies a small one; a client
    /// masks a copy.
    ///
    /// # Errors
    /// See [`send`](Self::send).
    pub fn send_encoded(&mut self, message: &EncodedMessage) -> Result<(), SendError> {
        self.sender.send_encoded(message)
    }

    /// Sends a message in fragments, whose number need not be known in advance (§5.4); `last` ends it.
    /// Control frames may be sent in between, other messages may not.
    ///
    /// # Errors
    /// See [`send`](Self::send), and [`MixedFragments`](SendError::MixedFragments) if this fragment is text
    /// and the previous ones were binary, or the reverse.
    pub fn send_fragment(&mut self, fragment: &Message<'_>, last: bool) -> Result<(), SendError> {
        self.sender.send_fragment(fragment, last)
    }

    /// Sends a message whose payload the caller writes itself, without a copy: directly after the output,
    /// completely and in order. The payload stays in the caller's memory, so [`Config::max_output`] does not
    /// limit it.
    ///
    /// Only the header is added to the output. If a mask is returned, apply it to the payload first.
    /// [`output_written`](Self::output_written) counts the output first, then the payload;
    /// [`payload_owed`](Self::payload_owed) returns how much is left. Until that is 0, nothing else can be
    /// sent, automatic replies wait, and [`Config::write_timeout`] applies, so do not wait for the payload.
    ///
    /// ```
    /// use sansocket::{Config, Connection, frame::Kind};
    /// let mut connection = Connection::server(Config::default());
    /// let payload = [7; 100_000];
    /// let mask = connection.send_header(Kind::Binary, payload.len())?;
    /// assert!(mask.is_none()); // a server's frames are not masked
    /// // one vectored write of both ...
    /// let wire = [connection.output(), &payload].concat();
    /// connection.output_written(wire.len());
    /// assert_eq!(connection.payload_owed(), 0);
    /// # Ok::<(), sansocket::SendError>(())
    /// ```
    ///
    /// # Errors
    /// See [`send`](Self::send), and [`PayloadTooLong`](SendError::PayloadTooLong) if the length is 2^63 or
    /// more.
    pub fn send_header(&mut self, kind: Kind, payload_len: usize) -> Result<Option<Mask>, SendError> {
        self.sender.send_header(kind, payload_len)
    }

    /// Returns how many payload bytes the caller must still write; see [`send_header`](Self::send_header).
    #[inline]
    #[must_use]
    pub fn payload_owed(&self) -> u64 {
        self.sender.payload_owed()
    }

    /// Copies the rest of an owed payload to the output, for a caller that cannot wait to write it. The frame
    /// has begun, so [`Config::max_output`] no longer applies. A payload in a
    /// [`ReadBuffer`](crate::ReadBuffer) can [stay there](crate::ReadBuffer::consumed) instead.
    pub fn buffer_payload(&mut self, payload: &[u8]) {
        self.sender.buffer_payload(payload);
    }

    /// Sets whether messages that begin from now on are compressed, if compression was negotiated. Default:
    /// true.
    ///
    /// Disable it for messages that combine a secret with data that an attacker can choose: the compressed
    /// length would reveal information about the secret.
    pub fn compress(&mut self, enabled: bool) {
        self.sender.compress(enabled);
    }

    /// Returns `true` if a message of `len` bytes would be compressed. Otherwise it can be sent without a
    /// copy, with [`send_header`](Self::send_header).
    #[must_use]
    pub fn compresses(&self, len: usize) -> bool {
        self.sender.compresses(len)
    }

    /// Sends a Ping with at most 125 bytes of payload (§5.5.2).
    ///
    /// # Errors
    /// [`ControlTooLong`](SendError::ControlTooLong), [`NotOpen`](SendError::NotOpen),
    /// [`Closed`](SendError::Closed), [`OutputFull`](SendError::OutputFull), [`TooLarge`](SendError::TooLarge),
    /// [`PayloadOwed`](SendError::PayloadOwed).
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.sender.ping(payload)
    }

    /// Sends an unsolicited Pong, as a heartbeat (§5.5.3). Pings are answered automatically.
    ///
    /// # Errors
    /// See [`ping`](Self::ping).
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.sender.pong(payload)
    }

    /// Starts the closing handshake (§7.1.2). The reason is truncated to 123 bytes.
    ///
    /// Messages may still arrive until the peer's Close. Closing is also allowed in the middle of a
    /// fragmented message.
    ///
    /// # Errors
    /// [`Closed`](SendError::Closed) if the connection is closing already, [`NotOpen`](SendError::NotOpen) if it
    /// is not open yet.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.sender.close(code, reason)
    }

    /// Returns the next bytes to write, in order, automatic replies included. That is all of the output,
    /// except that large payloads, and the blocks of a large backlog, come as separate pieces.
    #[inline]
    #[must_use]
    pub fn output(&self) -> &[u8] {
        self.sender.output()
    }

    /// Fills `into` with the next bytes to write, for a vectored write: as many pieces as exist and fit.
    /// Returns their number.
    ///
    /// ```
    /// use sansocket::{Config, Connection, Message};
    /// let mut connection = Connection::server(Config::default());
    /// connection.send_owned(Message::from(vec![7; 100_000]))?; // moved, not copied
    /// connection.send_text("next")?;
    /// let mut slices = [&[][..]; 16];
    /// let n = connection.output_slices(&mut slices);
    /// let lengths: Vec<_> = slices[..n].iter().map(|slice| slice.len()).collect();
    /// assert_eq!(lengths, [10, 100_000, 6]);
    /// # Ok::<(), sansocket::SendError>(())
    /// ```
    pub fn output_slices<'a>(&'a self, into: &mut [&'a [u8]]) -> usize {
        self.sender.output_slices(into)
    }

    /// Returns how many output bytes are not written yet, including those [in flight](Self::take_output).
    #[inline]
    #[must_use]
    pub fn output_len(&self) -> usize {
        self.sender.output_len()
    }

    /// Records that the next `n` bytes have been written: first those [in flight](Self::take_output), then
    /// the output, then an [owed](Self::payload_owed) payload.
    #[inline]
    pub fn output_written(&mut self, n: usize) {
        self.sender.output_written(n);
    }

    /// Takes the next piece of the output, for writers that need to own it, such as `io_uring`.
    ///
    /// Until [`output_written`](Self::output_written) counts it, the piece is *in flight*: not offered again,
    /// but not written either. It still counts for [`Config::max_output`], [`wants_read`](Self::wants_read),
    /// [`should_shutdown`](Self::should_shutdown) and all deadlines. Several pieces may be in flight; write
    /// them in the order in which they were taken.
    ///
    /// When the transport has [failed](Self::recv_error) or the peer is given up at a deadline, the output
    /// becomes empty. A later `output_written` for a piece in flight then has no effect. When the peer breaks
    /// a rule, the output stays: the Close frame follows what is in flight.
    ///
    /// ```
    /// use sansocket::{Config, Connection};
    /// let mut connection = Connection::server(Config::default());
    /// connection.send_text("Hello")?;
    /// let mut segment = connection.take_output().expect("something waits");
    /// assert!(!connection.wants_write() && connection.output_len() == 7);
    /// // ... a short write
    /// segment.advance(3);
    /// connection.output_written(3);
    /// assert_eq!((segment.len(), connection.output_len()), (4, 4));
    /// # Ok::<(), sansocket::SendError>(())
    /// ```
    pub fn take_output(&mut self) -> Option<Segment> {
        self.sender.take_output()
    }

    /// Returns `true` if there is output to write that is not [in flight](Self::take_output). An
    /// [owed](Self::payload_owed) payload does not count.
    #[inline]
    #[must_use]
    pub fn wants_write(&self) -> bool {
        self.sender.wants_write()
    }

    /// Returns `true` if the caller should read: until the transport has ended. A server pauses while more
    /// than [`Config::high_water`] waits in its output.
    ///
    /// After a failure or a closing handshake it stays `true`, and further input is dropped: closing a socket
    /// with unread input would reset the connection and could destroy the Close frame in transit.
    #[inline]
    #[must_use]
    pub fn wants_read(&self) -> bool {
        self.receiver.wants_read() && self.sender.wants_read()
    }

    /// Returns `true` if the caller should shut down the writing side of the transport: everything has been
    /// written. After a closing handshake the server does so first, and the client after the server (§7.1.1).
    ///
    /// It stays `true`: shut down once. Then continue to read until the end of the stream, or until
    /// [`is_ended`](Self::is_ended).
    #[inline]
    #[must_use]
    pub fn should_shutdown(&self) -> bool {
        self.sender.should_shutdown()
    }

    /// Returns `true` if the transport can be dropped: it has ended or the peer took too long, and nothing is
    /// left to write or to report.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.sender.is_ended() && self.receiver.is_ended()
    }

    /// Returns `true` if [`recv`](Self::recv) has an event to report without any input, because the transport
    /// ended or a deadline passed. Call `recv` then instead of waiting.
    #[must_use]
    pub fn has_last_words(&self) -> bool {
        self.receiver.has_last_words()
    }

    /// Returns `true` if messages can be sent: the connection is open, and neither side has begun to close
    /// it.
    #[inline]
    #[must_use]
    pub fn can_send(&self) -> bool {
        self.sender.can_send()
    }

    /// Returns the state of the connection.
    #[inline]
    #[must_use]
    pub fn state(&self) -> State {
        self.sender.state()
    }

    /// Frees the output buffer if it is empty, for a connection that goes quiet. An idle server connection
    /// without compression then holds no heap memory.
    pub fn shrink(&mut self) {
        self.sender.shrink();
    }

    /// Returns the round-trip time of the last keepalive Ping ([`Config::ping_interval`]) whose Pong arrived;
    /// `None` before the first. It is accurate if [`handle_timeout`](Self::handle_timeout) is called close to
    /// the write and the read.
    ///
    /// A keepalive Ping is only sent after `ping_interval` without received bytes. While data keeps arriving, measure with a
    /// [`ping`](Self::ping) of your own and its [`Event::Pong`].
    ///
    /// ```
    /// use core::time::Duration;
    /// use sansocket::{Config, Connection, Input};
    /// let config = Config::default().ping_interval(Some(Duration::from_secs(30)));
    /// let mut connection = Connection::server(config);
    /// connection.handle_timeout(Duration::ZERO);
    /// connection.handle_timeout(Duration::from_secs(30));
    /// assert_eq!(connection.output(), b"\x89\x00"); // a Ping
    /// connection.recv(&mut Input::new(&mut *b"\x8A\x80\0\0\0\0".to_vec())); // its Pong
    /// connection.handle_timeout(Duration::from_millis(30_008));
    /// assert_eq!(connection.latency(), Some(Duration::from_millis(8)));
    /// ```
    #[must_use]
    pub fn latency(&self) -> Option<Duration> {
        self.sender.latency()
    }

    /// Returns when [`handle_timeout`](Self::handle_timeout) must be called at the latest, on the same time
    /// scale.
    ///
    /// Any call of another method may change it. A time in the past means now. While there are [last
    /// words](Self::has_last_words), the result is now, so that no loop sleeps through them.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Duration> {
        if self.has_last_words() { Some(self.now()) } else { self.sender.next_timeout() }
    }

    /// Returns the time of the last call.
    pub(crate) fn now(&self) -> Duration {
        self.sender.now()
    }

    /// Sets the current time; sends pings and checks deadlines. A lost peer is reported by the next
    /// [`recv`](Self::recv).
    ///
    /// `now` is on any monotonic scale, such as the time since the program started. Call this once at the
    /// beginning, after the bytes of each read, and at [`next_timeout`](Self::next_timeout). Activity since the
    /// last call counts as having happened now; more frequent calls only make the timers more accurate.
    ///
    /// The peer is judged by what was received and written before the call. A loop that may come late reads,
    /// receives and writes first: otherwise an answer that has arrived does not count, nor does output that the
    /// transport would have taken.
    ///
    /// ```
    /// use core::time::Duration;
    /// use sansocket::{Config, Connection, Event, Input, ProtocolError};
    /// let config = Config::default()
    ///     .ping_interval(Some(Duration::from_secs(30)))
    ///     .pong_timeout(Duration::from_secs(10));
    /// let mut connection = Connection::server(config);
    /// connection.handle_timeout(Duration::from_secs(100));
    /// assert_eq!(connection.next_timeout(), Some(Duration::from_secs(130)));
    /// connection.handle_timeout(Duration::from_secs(130));
    /// assert_eq!(connection.output(), b"\x89\x00"); // a Ping
    /// connection.handle_timeout(Duration::from_secs(140));
    /// let lost = connection.recv(&mut Input::new(&mut []));
    /// assert_eq!(lost, Some(Event::Failed(ProtocolError::PongTimeout)));
    /// assert!(connection.is_ended());
    /// ```
    pub fn handle_timeout(&mut self, now: Duration) {
        self.sender.handle_timeout(now);
        if let Some(error) = self.sender.lost() {
            self.receiver.lose(error);
        }
    }
}
