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
/// It comes from a [handshake](crate::handshake), or from [`server`](Self::server) and
/// [`client`](Self::client) when somebody else did the handshake. Its methods come in families:
///
/// * **Receiving**: [`recv`](Self::recv) or [`recv_chunk`](Self::recv_chunk), and
///   [`recv_eof`](Self::recv_eof).
/// * **Sending**: [`send`](Self::send), [`send_text`](Self::send_text), [`send_binary`](Self::send_binary),
///   [`send_owned`](Self::send_owned), [`send_binary_owned`](Self::send_binary_owned),
///   [`send_fragment`](Self::send_fragment), [`send_encoded`](Self::send_encoded), [`send_header`](Self::send_header),
///   [`ping`](Self::ping), [`pong`](Self::pong), [`close`](Self::close).
///   They append to the output; an error changes nothing.
/// * **Output**: [`output`](Self::output), or [`output_slices`](Self::output_slices) for a vectored write, or
///   [`take_output`](Self::take_output) to own what is written; and [`output_written`](Self::output_written).
/// * **Advice** for the event loop: [`wants_read`](Self::wants_read), [`wants_write`](Self::wants_write),
///   [`should_shutdown`](Self::should_shutdown), [`is_ended`](Self::is_ended), [`state`](Self::state).
/// * **Time**: [`next_timeout`](Self::next_timeout) and [`handle_timeout`](Self::handle_timeout).
///
/// Nothing the peer does makes any of them panic or return an error: when it breaks a rule, the Close frame
/// that says so is in the output, [`Event::Failed`] says why, and whatever else it sends is dropped.
#[derive(Debug)]
pub struct Connection {
    pub(crate) receiver: Receiver,
    pub(crate) sender: Sender,
}

impl Connection {
    /// The server's end of a connection whose opening handshake is over.
    #[must_use]
    pub fn server(config: Config) -> Self {
        Self { receiver: Receiver::server(&config), sender: Sender::server(&config) }
    }

    /// The client's end of a connection whose opening handshake is over. `random` gives the masking keys.
    #[must_use]
    pub fn client(config: Config, random: impl Random + Send + Sync + 'static) -> Self {
        Self { receiver: Receiver::client(&config), sender: Sender::client(&config, random) }
    }

    /// The same connection with compression (RFC 7692), as its opening handshake has agreed on. A
    /// [handshake](crate::handshake) of this crate does so by itself.
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

    /// The same before its opening handshake, which an endpoint carries out.
    pub(crate) fn opening(self) -> Self {
        Self { sender: self.sender.opening(), ..self }
    }

    /// The opening handshake is complete, and this compression was agreed on. What it still had to say is
    /// forgotten: it has arrived.
    pub(crate) fn open(&mut self, agreed: Option<(Deflate, Params)>) {
        self.sender.open();
        if let Some((deflate, params)) = agreed {
            self.set_deflate(&deflate, &params);
        }
    }

    /// There will be no connection: `response` is the last that is written.
    pub(crate) fn refuse(&mut self, response: Vec<u8>) {
        self.sender.refuse(response);
        self.receiver.finish();
    }

    /// Ends without another word: what waits in the output is dropped.
    pub(crate) fn end(&mut self) {
        self.sender.end();
        self.sender.set_output(Vec::new());
        self.receiver.finish();
    }

    /// Replaces what is written during the opening handshake.
    pub(crate) fn set_output(&mut self, bytes: Vec<u8>) {
        self.sender.set_output(bytes);
    }

    /// Random bytes for the opening handshake.
    pub(crate) fn nonce(&mut self) -> [u8; 16] {
        self.sender.nonce()
    }

    /// Puts the bytes of the opening handshake in front of all output.
    pub(crate) fn with_output(self, output: Vec<u8>) -> Self {
        Self { sender: self.sender.with_output(output), ..self }
    }

    /// The two halves, for two threads or tasks. What the receiver has to tell the sender is one value, a
    /// [`Notice`]; the way back is [`Sender::lost`], why the connection was given up, for [`Receiver::lose`].
    #[must_use]
    pub fn split(self) -> (Receiver, Sender) {
        (self.receiver, self.sender)
    }

    /// Whether [`recv`](Self::recv) would at once borrow a message from these bytes, or refuse it.
    #[cfg(any(feature = "aio", feature = "net"))]
    pub(crate) fn is_whole(&self, bytes: &[u8]) -> bool {
        self.receiver.is_whole(bytes)
    }

    /// See [`Sender::lacks_room`].
    #[cfg(feature = "net")]
    pub(crate) fn lacks_room(&self, len: usize) -> bool {
        self.sender.lacks_room(len)
    }

    /// The half that sends.
    #[cfg(feature = "net")]
    pub(crate) fn sender(&self) -> &Sender {
        &self.sender
    }

    /// The half that sends.
    #[cfg(feature = "aio")]
    pub(crate) fn sender_mut(&mut self) -> &mut Sender {
        &mut self.sender
    }

    /// Puts two halves together again. They have to be of the same connection, which nobody checks.
    #[must_use]
    pub fn reunite(receiver: Receiver, sender: Sender) -> Self {
        Self { receiver, sender }
    }

    /// The next event. `None`: `input` is used up, read more.
    ///
    /// Messages come whole: borrowed from the input if their payload lies whole in it, otherwise put together
    /// and owned.
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

    /// The message at the front of the input, if it lies there whole, as most do. Anything else is left for
    /// [`recv_any`](Self::recv_any).
    ///
    /// Always inlined: moving the message out of a function of its own costs as much as all the rest.
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

    /// Tells the sender what the receiver has to tell, without a detour.
    #[inline]
    fn note(&mut self, arrived: bool, input: &Input<'_>, event: Option<&Event<'_>>) {
        if arrived {
            self.sender.heard(self.receiver.is_message(input, event));
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

    /// The next event, with data piece by piece as it arrives: messages of any size in constant memory.
    ///
    /// [`Config::max_message`] and [`Config::max_frame`] bound these messages too: raise them for large ones.
    /// After [`recv`](Self::recv) in the middle of a message the first piece is what had arrived; the other
    /// way round, `recv` returns the rest.
    #[inline]
    pub fn recv_chunk<'b>(&mut self, input: &mut Input<'b>) -> Option<Event<'b>> {
        let arrived = input.has_new();
        let event = self.receiver.next_chunk(input);
        self.note(arrived, input, event.as_ref());
        event
    }

    /// Nothing more will arrive: the transport has ended. The next [`recv`](Self::recv) first receives what is left
    /// of the input; then, unless there was a closing handshake or a failure, it reports [`Event::Failed`] for an
    /// abnormal closure, which §7.1.5 calls 1006.
    ///
    /// What waits in the output may still be written, if the transport can.
    pub fn recv_eof(&mut self) {
        self.receiver.recv_eof();
        if self.receiver.has_ended() {
            self.sender.end();
        }
    }

    /// The transport failed: nothing can be read or written any more. What waits in the output is dropped, and the
    /// next [`recv`](Self::recv) reports it as after [`recv_eof`](Self::recv_eof).
    pub fn recv_error(&mut self) {
        self.receiver.recv_error();
        self.sender.abort();
    }

    /// Sends a message.
    ///
    /// # Errors
    /// [`Closed`](SendError::Closed), [`OutputFull`](SendError::OutputFull), [`TooLarge`](SendError::TooLarge),
    /// [`InFragments`](SendError::InFragments), [`PayloadOwed`](SendError::PayloadOwed),
    /// [`Compression`](SendError::Compression).
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

    /// Sends a message by value. A large payload that is owned is moved to the output, not copied; a client masks it where
    /// it is. One that is borrowed is copied, as by [`send`](Self::send). So a message from [`recv`](Self::recv) may be sent
    /// on without asking which it is.
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
    /// See [`send`](Self::send). The message is dropped then.
    #[inline]
    pub fn send_owned(&mut self, message: Message<'_>) -> Result<(), SendError> {
        self.sender.send_owned(message)
    }

    /// Sends a binary message whose payload is owned or shared, without a message around it: a `Vec<u8>`, an `Arc<[u8]>`,
    /// with the feature `bytes` a `Bytes`. A large one is moved to the output, not copied; a client masks it where it is,
    /// or a copy if it is shared.
    ///
    /// # Errors
    /// See [`send`](Self::send). The payload is dropped then.
    pub fn send_binary_owned(&mut self, payload: impl Into<Segment>) -> Result<(), SendError> {
        self.sender.send_binary_owned(payload)
    }

    /// Sends a message that was encoded before. A server shares a large one and copies a small one; a client masks a copy.
    ///
    /// # Errors
    /// See [`send`](Self::send).
    pub fn send_encoded(&mut self, message: &EncodedMessage) -> Result<(), SendError> {
        self.sender.send_encoded(message)
    }

    /// Sends a message in fragments whose number need not be known (§5.4); `last` ends it. Control frames may
    /// be sent in between, other messages may not.
    ///
    /// # Errors
    /// See [`send`](Self::send), and [`MixedFragments`](SendError::MixedFragments) if this one is text and
    /// those before were binary, or the other way round.
    pub fn send_fragment(&mut self, fragment: &Message<'_>, last: bool) -> Result<(), SendError> {
        self.sender.send_fragment(fragment, last)
    }

    /// Sends a message whose payload the caller writes itself, without a copy: right behind the output, all of it, in
    /// order. The payload stays in the caller's memory, so that [`Config::max_output`] does not bound it.
    ///
    /// Only the header goes to the output. A mask that is returned has to be applied to the payload first.
    /// How much of the payload was written is told with [`output_written`](Self::output_written), which
    /// counts the output and then the payload; [`payload_owed`](Self::payload_owed) tells how much is left.
    /// Until it is 0 nothing else can be sent, and automatic replies wait.
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

    /// How many payload bytes the caller still has to write; see [`send_header`](Self::send_header).
    #[inline]
    #[must_use]
    pub fn payload_owed(&self) -> u64 {
        self.sender.payload_owed()
    }

    /// Copies the rest of a payload that is owed to the output, for a caller who cannot wait to write it (one that lies in a
    /// [`ReadBuffer`](crate::ReadBuffer) can [stay there](crate::ReadBuffer::consumed)). Its
    /// frame has begun, so that [`Config::max_output`] cannot refuse it any more.
    pub fn buffer_payload(&mut self, payload: &[u8]) {
        self.sender.buffer_payload(payload);
    }

    /// Whether messages that begin from now on are compressed, if compression was negotiated. Default: true.
    ///
    /// Turn it off for messages that mix a secret with what somebody else can choose: the length of what is
    /// sent would tell.
    pub fn compress(&mut self, enabled: bool) {
        self.sender.compress(enabled);
    }

    /// Whether a message of `len` bytes would be compressed. One that would not may go without a copy, by
    /// [`send_header`](Self::send_header).
    #[must_use]
    pub fn compresses(&self, len: usize) -> bool {
        self.sender.compresses(len)
    }

    /// Sends a Ping with at most 125 bytes of payload (§5.5.2).
    ///
    /// # Errors
    /// [`ControlTooLong`](SendError::ControlTooLong), [`Closed`](SendError::Closed),
    /// [`OutputFull`](SendError::OutputFull), [`PayloadOwed`](SendError::PayloadOwed).
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.sender.ping(payload)
    }

    /// Sends a Pong that nobody asked for, a heartbeat (§5.5.3). Pings are answered without it.
    ///
    /// # Errors
    /// See [`ping`](Self::ping).
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.sender.pong(payload)
    }

    /// Starts the closing handshake (§7.1.2). A reason of more than 123 bytes is cut.
    ///
    /// Messages may still arrive until the peer's Close. It may be called in the middle of a message in
    /// fragments.
    ///
    /// # Errors
    /// [`Closed`](SendError::Closed) if the connection is closing already.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.sender.close(code, reason)
    }

    /// The next bytes to write, in order, automatic replies included: all of them, unless a large payload is among them, which
    /// comes in a piece of its own.
    #[inline]
    #[must_use]
    pub fn output(&self) -> &[u8] {
        self.sender.output()
    }

    /// The next bytes to write, for a vectored write: as many pieces as there are and `into` has room for. Tells how many.
    ///
    /// ```
    /// use sansocket::{Config, Connection, Message};
    /// let mut connection = Connection::server(Config::default());
    /// connection.send_owned(Message::from(vec![7; 100_000]))?; // moved, not copied
    /// connection.send_text("next")?;
    /// let mut slices = [&[][..]; 16];
    /// let n = connection.output_slices(&mut slices);
    /// assert_eq!(slices[..n].iter().map(|slice| slice.len()).collect::<Vec<_>>(), [10, 100_000, 6]);
    /// # Ok::<(), sansocket::SendError>(())
    /// ```
    pub fn output_slices<'a>(&'a self, into: &mut [&'a [u8]]) -> usize {
        self.sender.output_slices(into)
    }

    /// How many bytes of output were not written yet, those [in flight](Self::take_output) among them.
    #[inline]
    #[must_use]
    pub fn output_len(&self) -> usize {
        self.sender.output_len()
    }

    /// The next `n` bytes of the output have been written: of what is [in flight](Self::take_output) first, then of the
    /// output, then of a payload that is [owed](Self::payload_owed).
    #[inline]
    pub fn output_written(&mut self, n: usize) {
        self.sender.output_written(n);
    }

    /// Takes the next piece of the output, to be written by somebody who needs to own it, such as `io_uring`.
    ///
    /// Until [`output_written`](Self::output_written) says so, it is *in flight*: not offered again, and not written either, so
    /// that it counts for [`Config::max_output`], [`wants_read`](Self::wants_read), [`should_shutdown`](Self::should_shutdown)
    /// and all deadlines. Several pieces may be in flight, and are written in the order in which they were taken.
    ///
    /// What a transport has taken when the connection fails or is given up still counts as its own: the output is empty then, and
    /// an `output_written` that comes later for such a piece changes nothing.
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

    /// Whether there is output to write that is not [in flight](Self::take_output). A payload that is
    /// [owed](Self::payload_owed) is not part of it.
    #[inline]
    #[must_use]
    pub fn wants_write(&self) -> bool {
        self.sender.wants_write()
    }

    /// Whether to read: until the transport has ended, but on a server not while more than
    /// [`Config::high_water`] waits in the output.
    ///
    /// After a failure or a closing handshake it stays true, and what arrives is dropped: closing a socket
    /// with unread input would reset the connection and could destroy the Close frame on its way.
    #[inline]
    #[must_use]
    pub fn wants_read(&self) -> bool {
        self.receiver.wants_read() && self.sender.wants_read()
    }

    /// Whether to shut down the transport's writing side: everything has been said. After a closing handshake
    /// the server does so first, and a client when the server has (§7.1.1).
    ///
    /// It stays true: shut down once. Then read on until the end of the stream, or until
    /// [`is_ended`](Self::is_ended).
    #[inline]
    #[must_use]
    pub fn should_shutdown(&self) -> bool {
        self.sender.should_shutdown()
    }

    /// Whether the transport can be dropped: it has ended, or the peer took too long, there is nothing left to write
    /// and nothing left to report.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.sender.is_ended() && self.receiver.is_ended()
    }

    /// Whether [`recv`](Self::recv) has an event to report without any input: the transport ended, or a
    /// deadline passed. A loop that waits calls `recv` instead.
    #[must_use]
    pub fn has_last_words(&self) -> bool {
        self.receiver.has_last_words()
    }

    /// Whether messages can be sent: the connection is open, and neither end has begun to close it.
    #[inline]
    #[must_use]
    pub fn can_send(&self) -> bool {
        self.sender.can_send()
    }

    /// Where the connection is in its life.
    #[inline]
    #[must_use]
    pub fn state(&self) -> State {
        self.sender.state()
    }

    /// Frees the output's buffer if it is empty, as when a connection goes quiet. An idle server connection
    /// then holds no heap memory at all.
    pub fn shrink(&mut self) {
        self.sender.shrink();
    }

    /// The round-trip time of the last Ping of the keepalive ([`Config::ping_interval`]) whose Pong arrived, as exact as
    /// [`handle_timeout`](Self::handle_timeout) is called close to writing and reading. `None` before the first.
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

    /// When [`handle_timeout`](Self::handle_timeout) has to be called at the latest, on the same scale.
    ///
    /// It may change with every call of any other method; a time in the past means now. While there are
    /// [last words](Self::has_last_words) it is now, so that no loop can sleep on them.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Duration> {
        if self.has_last_words() { Some(self.now()) } else { self.sender.next_timeout() }
    }

    /// The time that was told last.
    pub(crate) fn now(&self) -> Duration {
        self.sender.now()
    }

    /// Tells the time, on any monotonic scale of the caller's, such as the time since the program started;
    /// sends pings and watches deadlines. That the peer is lost comes out of the next [`recv`](Self::recv).
    ///
    /// Call it once at the beginning, after reading, and at [`next_timeout`](Self::next_timeout). What
    /// happened since the last call counts as having happened now, so calling it more often makes the timers
    /// more exact, and nothing else.
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
