//! The loop.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::mem::{self, ManuallyDrop};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::net::UnixStream;
use std::ptr;
use std::time::{Duration, Instant};

use io_uring::squeue::Flags;
use io_uring::types::Fd;
use io_uring::{cqueue, opcode};
use sansocket::{CloseCode, Event, Input, Segment, Server, ServerEvent};

use crate::buffers::Buffers;
use crate::common::{Options, on_signal, page};
use crate::ring::Ring;

pub(crate) fn serve(options: &Options) -> io::Result<()> {
    let listener = TcpListener::bind(&options.listen).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot listen on {}: {error}", options.listen))
    })?;
    let ring = Ring::new()?;
    let mut buffers = Buffers::register(&ring.ring)?;
    // Should the ring fail, what is being sent has to stay all the same.
    let mut peers =
        ManuallyDrop::new(Peers { ring, map: HashMap::new(), accepted: 0, deadlines: BTreeSet::new() });
    let (address, max_message) = (listener.local_addr()?, options.max_message);
    println!("echo server on ws://{address}/, for messages of up to {max_message} bytes");

    // A signal closes one end of a pair of sockets; the ring watches the other one.
    let (stop, stopped) = UnixStream::pair()?;
    on_signal(move || drop(stop))?;
    let watch = opcode::PollAdd::new(Fd(stopped.as_raw_fd()), libc::POLLIN as u32).build();
    // SAFETY: it points to nothing.
    unsafe { peers.ring.push(watch.user_data(STOP)) };

    let began = Instant::now();
    // When to accept again, and when the grace of a stop is over.
    let (mut accept_at, mut stop_at) = (Some(Duration::ZERO), None);
    loop {
        let now = began.elapsed();
        if accept_at.is_some_and(|at| at <= now) {
            accept_at = None;
            let accept = opcode::AcceptMulti::new(Fd(listener.as_raw_fd())).flags(libc::SOCK_CLOEXEC).build();
            // SAFETY: it points to nothing.
            unsafe { peers.ring.push(accept.user_data(ACCEPT)) };
        }
        let deadline = peers.deadlines.first().map(|(deadline, _)| *deadline);
        let at = [deadline, accept_at, stop_at].into_iter().flatten().min();
        peers.ring.wait(at.map(|at| at.saturating_sub(now)))?;

        let now = began.elapsed();
        while let Some(done) = peers.ring.completion() {
            let (user_data, result) = (done.user_data(), done.result());
            match (user_data & OPERATION, user_data >> OPERATION.count_ones()) {
                (ACCEPT, _) => {
                    if result >= 0 {
                        // SAFETY: a file descriptor that was just made for us.
                        let stream = unsafe { TcpStream::from_raw_fd(result) };
                        if stop_at.is_none() {
                            peers.accepted(stream, Server::new(options.config), now);
                        }
                    }
                    if !cqueue::more(done.flags()) {
                        // After an error no file descriptor or no memory is left, until somebody has gone.
                        accept_at = Some(if result < 0 { now + ACCEPT_PAUSE } else { now });
                    }
                }
                (STOP, _) => {
                    stop_at = Some(now + GRACE);
                    peers.each(now, |server| {
                        let _ = server.close(CloseCode::GOING_AWAY, "the server is shutting down");
                    });
                }
                (SEND, id) => peers.sent(id, result, now),
                (_, id) => {
                    let buffer = cqueue::buffer_select(done.flags());
                    let bytes = match buffer {
                        Some(buffer) if result > 0 => buffers.received(buffer, result as usize),
                        _ => &mut [],
                    };
                    peers.received(id, result, bytes, now);
                    if let Some(buffer) = buffer {
                        buffers.give_back(buffer);
                    }
                }
            }
        }
        let now = began.elapsed();
        while let Some(&(deadline, id)) = peers.deadlines.first()
            && deadline <= now
        {
            peers.deadlines.pop_first();
            peers.turn(id, &mut [], now);
        }
        if let Some(at) = stop_at {
            accept_at = None;
            if at <= now {
                peers.each(now, Server::recv_error);
                stop_at = Some(now + GRACE);
            }
            // Not before: what is being sent has to stay.
            if peers.map.is_empty() {
                println!("stopped");
                return Ok(());
            }
        }
    }
}

struct Peers {
    ring: Ring,
    map: HashMap<u64, Peer>,
    accepted: u64,
    deadlines: BTreeSet<(Duration, u64)>,
}

struct Peer {
    stream: TcpStream,
    server: Server,
    is_receiving: bool,
    is_sending: bool,
    /// A piece of the output, in flight: the kernel reads it while `is_sending`.
    segment: Option<Segment>,
    shut_down: bool,
    /// As it stands among the deadlines.
    deadline: Option<Duration>,
}

impl Peers {
    fn accepted(&mut self, stream: TcpStream, server: Server, now: Duration) {
        let _ = stream.set_nodelay(true);
        self.accepted += 1;
        let (is_receiving, is_sending, segment, shut_down, deadline) = (false, false, None, false, None);
        let peer = Peer { stream, server, is_receiving, is_sending, segment, shut_down, deadline };
        self.map.insert(self.accepted, peer);
        self.turn(self.accepted, &mut [], now);
    }

    fn received(&mut self, id: u64, result: i32, bytes: &mut [u8], now: Duration) {
        let Some(peer) = self.map.get_mut(&id) else { return };
        peer.is_receiving = false;
        match -result {
            0 => peer.server.recv_eof(),
            // Without a buffer there will be one when this round is over.
            ..0 | libc::ENOBUFS | libc::EINTR | libc::EAGAIN => {}
            _ => peer.server.recv_error(),
        }
        self.turn(id, bytes, now);
    }

    fn sent(&mut self, id: u64, result: i32, now: Duration) {
        let Some(peer) = self.map.get_mut(&id) else { return };
        peer.is_sending = false;
        match (result, &mut peer.segment) {
            (0.., Some(segment)) => {
                segment.advance(result as usize);
                peer.server.output_written(result as usize);
            }
            _ => peer.server.recv_error(),
        }
        self.turn(id, &mut [], now);
    }

    /// The same for all, and a turn for each.
    fn each(&mut self, now: Duration, mut change: impl FnMut(&mut Server)) {
        for id in self.map.keys().copied().collect::<Vec<_>>() {
            if let Some(peer) = self.map.get_mut(&id) {
                change(&mut peer.server);
            }
            self.turn(id, &mut [], now);
        }
    }

    /// Handles what was received, and begins what is to be done next.
    fn turn(&mut self, id: u64, bytes: &mut [u8], now: Duration) {
        let Some(peer) = self.map.get_mut(&id) else { return };
        peer.handle(bytes, now);
        peer.begin(id, &mut self.ring);
        let is_ended = peer.server.is_ended();
        let next = peer.server.next_timeout().filter(|_| !is_ended);
        if let Some(old) = mem::replace(&mut peer.deadline, next) {
            self.deadlines.remove(&(old, id));
        }
        self.deadlines.extend(next.map(|next| (next, id)));
        if is_ended && (peer.is_receiving || peer.is_sending) {
            // Completes both; the peer stays until then.
            let _ = peer.stream.shutdown(Shutdown::Both);
        } else if is_ended {
            self.map.remove(&id);
        }
    }
}

impl Peer {
    fn handle(&mut self, bytes: &mut [u8], now: Duration) {
        let server = &mut self.server;
        let mut input = Input::new(bytes);
        while let Some(event) = server.recv(&mut input) {
            match event {
                ServerEvent::Upgrade(request) => server.answer(request.accept()),
                ServerEvent::Http(request) => {
                    let page = page(request.path());
                    server.answer(request.respond(&page));
                }
                ServerEvent::Open(Event::Message(message)) => {
                    // What cannot be sent any more, after our Close, needs no answer.
                    let _ = server.connection().send_owned(message);
                }
                _ => {} // refusals, pings and closing are answered already
            }
        }
        // Only now: what has arrived counts, however late the turn is.
        server.handle_timeout(now);
    }

    fn begin(&mut self, id: u64, ring: &mut Ring) {
        let (server, fd) = (&mut self.server, Fd(self.stream.as_raw_fd()));
        if !self.is_sending {
            let rest = self.segment.take().filter(|segment| !segment.is_empty() && !server.is_ended());
            self.segment = rest.or_else(|| server.take_output());
            if let Some(bytes) = self.segment.as_ref().map(Segment::as_ref) {
                let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                let send = opcode::Send::new(fd, bytes.as_ptr(), len).build();
                // SAFETY: the bytes stay where they are until the completion, and so does the peer.
                unsafe { ring.push(send.user_data(user_data(SEND, id))) };
                self.is_sending = true;
            }
        }
        if server.should_shutdown() && !self.shut_down {
            self.shut_down = true;
            let _ = self.stream.shutdown(Shutdown::Write);
        }
        if !self.is_receiving && server.wants_read() {
            let recv = opcode::Recv::new(fd, ptr::null_mut(), 0).buf_group(Buffers::GROUP).build();
            // SAFETY: the buffers stay where they are.
            unsafe { ring.push(recv.flags(Flags::BUFFER_SELECT).user_data(user_data(RECEIVE, id))) };
            self.is_receiving = true;
        }
    }
}

/// What a completion says of its operation: which it was, and whose.
fn user_data(operation: u64, id: u64) -> u64 {
    id << OPERATION.count_ones() | operation
}

const OPERATION: u64 = 3;
const ACCEPT: u64 = 0;
const STOP: u64 = 1;
const RECEIVE: u64 = 2;
const SEND: u64 = 3;
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long a stop waits for closing handshakes.
const GRACE: Duration = Duration::from_secs(3);
