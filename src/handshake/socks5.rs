//! [`Socks5Handshake`]: a tunnel through a SOCKS5 proxy (RFC 1928, RFC 1929).
//!
//! ```text
//! client   version, methods ─▶            [user name, password ─▶]             CONNECT host port ─▶
//! proxy                     ◀─ version, method         [◀─ version, status]                       ◀─ reply, address
//! ```

use alloc::vec;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};

use super::proxy::{Proxy, ProxyProtocol};
use super::tunnel::Tunnel;
use crate::Input;
use crate::http::Url;

/// The handshake with a SOCKS5 proxy, until the tunnel to the server is open. The proxy resolves the server's
/// name. For `wss`, TLS comes next, inside the tunnel.
///
/// Write all of [`output`](Self::output) to the proxy, then pass received bytes to [`recv`](Self::recv).
/// Repeat while it returns [`Incomplete`](Socks5Progress::Incomplete): there are two or three rounds.
///
/// ```
/// use sansocket::Input;
/// use sansocket::handshake::{Proxy, Socks5Handshake, Socks5Progress, Url};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let proxy = Proxy::parse("socks5://127.0.0.1")?; // connect there
/// let mut handshake = Socks5Handshake::new(&proxy, &Url::parse("ws://example.com/chat")?)?;
/// let mut answers = [b"\x05\0".to_vec(), b"\x05\0\0\x01\0\0\0\0\0\0".to_vec()].into_iter();
/// loop {
///     let written = handshake.output().len();
///     handshake.output_written(written);
///     let mut received = answers.next().unwrap();
///     match handshake.recv(&mut Input::new(&mut received)) {
///         Socks5Progress::Incomplete(more) => handshake = more,
///         Socks5Progress::Open => break,
///         Socks5Progress::Failed(error) => return Err(error.into()),
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct Socks5Handshake {
    output: Vec<u8>,
    written: usize,
    state: State,
    /// Sent if the proxy requests it.
    authentication: Option<Vec<u8>>,
    request: Vec<u8>,
}

/// The next expected byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    MethodVersion,
    Method,
    AuthenticationVersion,
    AuthenticationStatus,
    ReplyVersion,
    Reply,
    Reserved,
    AddressType,
    NameLength,
    /// This many bytes of address and port.
    Address(u16),
    Open,
    Failed(Socks5Error),
}

/// The result of [`Socks5Handshake::recv`].
#[derive(Debug)]
#[must_use]
pub enum Socks5Progress {
    /// All bytes are consumed. Write the output, if there is any, and read more.
    Incomplete(Socks5Handshake),
    /// The tunnel is open, and the following bytes belong to it. In TLS and in a WebSocket the client speaks
    /// first, so bytes already in the input are not the server's.
    Open,
    /// The proxy refuses the tunnel, or its answer breaks a rule: close the transport.
    Failed(Socks5Error),
}

/// Why a SOCKS5 proxy did not open a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Socks5Error {
    /// The server's name is longer than the 255 bytes that a request can carry. Nothing was sent.
    NameTooLong,
    /// The answer begins with a version other than 5: this is not a SOCKS5 proxy.
    Version(u8),
    /// The proxy accepts none of the offered authentication methods: it requires credentials, or others.
    NoAcceptableMethod,
    /// The proxy chose an authentication method that was not offered.
    UnofferedMethod(u8),
    /// The answer to user name and password has a version other than 1, or 5, which some proxies send.
    AuthenticationVersion(u8),
    /// The proxy rejected user name and password with this status.
    AuthenticationFailed(u8),
    /// The proxy could not connect to the server, or is not allowed to; this is its reply code.
    Refused(u8),
    /// The reserved byte of the reply is not zero.
    Reserved(u8),
    /// The address in the reply is neither IPv4, IPv6 nor a name.
    AddressType(u8),
    /// The proxy sent an answer before the request.
    UnexpectedData,
    /// The stream ended inside the answer.
    Truncated,
}

impl Socks5Handshake {
    /// Creates a request to `proxy`, of the protocol [`Socks5`](ProxyProtocol::Socks5), for a tunnel to the
    /// host and port of `url`. Credentials are offered if `proxy` has them; the proxy may not require them.
    ///
    /// # Errors
    /// [`Socks5Error::NameTooLong`].
    pub fn new(proxy: &Proxy, url: &Url) -> Result<Self, Socks5Error> {
        let authentication = proxy.authentication(ProxyProtocol::Socks5).map(<[u8]>::to_vec);
        let output = match authentication {
            None => vec![VERSION, 1, NO_AUTHENTICATION],
            Some(_) => vec![VERSION, 2, NO_AUTHENTICATION, USER_AND_PASSWORD],
        };
        let request = request(url.host(), url.port()).ok_or(Socks5Error::NameTooLong)?;
        Ok(Self { output, written: 0, state: State::MethodVersion, authentication, request })
    }

    /// Returns the bytes that are not written yet.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        self.output.get(self.written..).unwrap_or_default()
    }

    /// Records that the first `n` bytes of the output were written.
    pub fn output_written(&mut self, n: usize) {
        self.written = self.written.saturating_add(n).min(self.output.len());
    }

    /// Handles received bytes.
    pub fn recv(mut self, input: &mut Input<'_>) -> Socks5Progress {
        match self.recv_mut(input) {
            Tunnel::Incomplete => Socks5Progress::Incomplete(self),
            Tunnel::Open => Socks5Progress::Open,
            Tunnel::Failed(error) => Socks5Progress::Failed(error),
            // No answer of this protocol is an HTTP response.
            Tunnel::Refused(_) => Socks5Progress::Failed(Socks5Error::UnexpectedData),
        }
    }

    /// Like [`recv`](Self::recv), by reference.
    pub(super) fn recv_mut(&mut self, input: &mut Input<'_>) -> Tunnel<Socks5Error> {
        while self.state != State::Open && !input.is_empty() {
            let next = match self.output() {
                [] => input.take(1).first().map_or(Ok(self.state), |&byte| self.next(byte)),
                _ => Err(Socks5Error::UnexpectedData),
            };
            self.state = next.unwrap_or_else(State::Failed);
            if matches!(self.state, State::Failed(_)) {
                input.take(usize::MAX);
            }
        }
        match self.state {
            State::Open => Tunnel::Open,
            State::Failed(error) => Tunnel::Failed(error),
            _ => Tunnel::Incomplete,
        }
    }

    /// Returns the state after this byte.
    fn next(&mut self, byte: u8) -> Result<State, Socks5Error> {
        use {Socks5Error as E, State as S};
        Ok(match (self.state, byte) {
            (S::MethodVersion, VERSION) => S::Method,
            (S::ReplyVersion, VERSION) => S::Reply,
            (S::MethodVersion | S::ReplyVersion, version) => return Err(E::Version(version)),
            // RFC 1928 §3: "The server selects from one of the methods given in METHODS".
            (S::Method, NO_AUTHENTICATION) => self.ask(),
            (S::Method, USER_AND_PASSWORD) => match self.authentication.take() {
                Some(authentication) => {
                    self.send(authentication);
                    S::AuthenticationVersion
                }
                None => return Err(E::UnofferedMethod(byte)),
            },
            // "If the selected METHOD is X'FF', none of the methods listed by the client are acceptable, and the
            // client MUST close the connection."
            (S::Method, NO_ACCEPTABLE_METHOD) => return Err(E::NoAcceptableMethod),
            (S::Method, method) => return Err(E::UnofferedMethod(method)),
            // Many proxies answer with the version of SOCKS, and other clients accept that.
            (S::AuthenticationVersion, AUTHENTICATION_VERSION | VERSION) => S::AuthenticationStatus,
            (S::AuthenticationVersion, version) => return Err(E::AuthenticationVersion(version)),
            // RFC 1929 §2: "A STATUS field of X'00' indicates success."
            (S::AuthenticationStatus, 0) => self.ask(),
            (S::AuthenticationStatus, status) => return Err(E::AuthenticationFailed(status)),
            // RFC 1928 §6.
            (S::Reply, 0) => S::Reserved,
            (S::Reply, reply) => return Err(E::Refused(reply)),
            (S::Reserved, 0) => S::AddressType,
            (S::Reserved, byte) => return Err(E::Reserved(byte)),
            (S::AddressType, IPV4) => S::Address(4 + 2),
            (S::AddressType, IPV6) => S::Address(16 + 2),
            (S::AddressType, NAME) => S::NameLength,
            (S::AddressType, other) => return Err(E::AddressType(other)),
            (S::NameLength, len) => S::Address(u16::from(len) + 2),
            // The address from which the proxy connects is of no use to a client.
            (S::Address(left), _) if left > 1 => S::Address(left - 1),
            (S::Address(_) | S::Open, _) => S::Open,
            (S::Failed(error), _) => return Err(error),
        })
    }

    /// Requests the tunnel.
    fn ask(&mut self) -> State {
        let request = core::mem::take(&mut self.request);
        self.send(request);
        State::ReplyVersion
    }

    fn send(&mut self, output: Vec<u8>) {
        (self.output, self.written) = (output, 0);
    }
}

/// RFC 1929 §2: a user name of 1 to 255 bytes. The same applies to a password, but other clients send empty
/// ones too.
pub(super) fn authentication(user: &[u8], password: &[u8]) -> Option<Vec<u8>> {
    let user_len = u8::try_from(user.len()).ok().filter(|&len| len > 0)?;
    let password_len = u8::try_from(password.len()).ok()?;
    Some([&[AUTHENTICATION_VERSION, user_len], user, &[password_len], password].concat())
}

/// RFC 1928 §4. `None`: the name is too long.
fn request(host: &str, port: u16) -> Option<Vec<u8>> {
    let mut request = vec![VERSION, CONNECT, 0];
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        request.push(IPV4);
        request.extend(address.octets());
    } else if let Ok(address) = host.parse::<Ipv6Addr>() {
        request.push(IPV6);
        request.extend(address.octets());
    } else {
        // §5: "The first octet of the address field contains the number of octets of name that follow".
        request.extend([NAME, u8::try_from(host.len()).ok()?]);
        request.extend(host.bytes());
    }
    request.extend(port.to_be_bytes());
    Some(request)
}

/// Omits the output, which may contain a password.
impl fmt::Debug for Socks5Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socks5Handshake").field("state", &self.state).finish_non_exhaustive()
    }
}

impl fmt::Display for Socks5Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameTooLong => f.write_str("the server's name is longer than 255 bytes"),
            Self::Version(version) => write!(f, "version {version}, expected 5: it is no SOCKS5 proxy"),
            Self::NoAcceptableMethod => f.write_str(
                "the proxy wants other credentials, or a method of authentication other than a password",
            ),
            Self::UnofferedMethod(method) => {
                write!(f, "the proxy chose authentication method {method}, which was not offered")
            }
            Self::AuthenticationVersion(version) => {
                write!(f, "the answer to user name and password has version {version}, expected 1")
            }
            Self::AuthenticationFailed(status) => {
                write!(f, "the proxy does not accept user name and password (status {status})")
            }
            Self::Refused(reply) => match reply_text(*reply) {
                Some(text) => write!(f, "the proxy refused the connection: {text}"),
                None => write!(f, "the proxy refused the connection: reply {reply}"),
            },
            Self::Reserved(byte) => write!(f, "the reserved byte of the reply is {byte}, expected 0"),
            Self::AddressType(address_type) => {
                write!(f, "the reply has an address of type {address_type}, expected 1, 3 or 4")
            }
            Self::UnexpectedData => f.write_str("the proxy answered what it was not asked yet"),
            Self::Truncated => f.write_str("the stream ended inside the proxy's answer"),
        }
    }
}

/// RFC 1928 §6, the field REP.
const fn reply_text(reply: u8) -> Option<&'static str> {
    Some(match reply {
        1 => "general SOCKS server failure",
        2 => "connection not allowed by ruleset",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "TTL expired",
        7 => "command not supported",
        8 => "address type not supported",
        _ => return None,
    })
}

impl Error for Socks5Error {}

#[cfg(feature = "std")]
impl From<Socks5Error> for std::io::Error {
    fn from(error: Socks5Error) -> Self {
        use std::io::ErrorKind as K;
        let kind = match error {
            Socks5Error::NoAcceptableMethod
            | Socks5Error::AuthenticationFailed(_)
            | Socks5Error::Refused(2) => K::PermissionDenied,
            Socks5Error::Refused(3) => K::NetworkUnreachable,
            Socks5Error::Refused(4) => K::HostUnreachable,
            Socks5Error::Refused(5) => K::ConnectionRefused,
            Socks5Error::Refused(6) => K::TimedOut,
            Socks5Error::Refused(7 | 8) => K::Unsupported,
            Socks5Error::Refused(1) => K::Other,
            Socks5Error::NameTooLong => K::InvalidInput,
            Socks5Error::Truncated => K::UnexpectedEof,
            _ => K::InvalidData,
        };
        Self::new(kind, error)
    }
}

const VERSION: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const USER_AND_PASSWORD: u8 = 2;
const NO_ACCEPTABLE_METHOD: u8 = 0xff;
const AUTHENTICATION_VERSION: u8 = 1;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::ToString;

    use super::*;
    use Socks5Error as E;

    fn handshake(proxy: &str, url: &str) -> Socks5Handshake {
        Socks5Handshake::new(&Proxy::parse(proxy).unwrap(), &Url::parse(url).unwrap()).unwrap()
    }

    /// Returns what a client writes while these answers arrive in pieces, each after all previous output was
    /// written; the result of that; and the rest of the input.
    fn run(
        mut handshake: Socks5Handshake,
        answers: Rounds<'_>,
        piece: usize,
    ) -> (Vec<u8>, Result<bool, E>, Vec<u8>) {
        let mut written = Vec::new();
        for answer in answers {
            written.extend_from_slice(handshake.output());
            handshake.output_written(usize::MAX);
            let mut answer = answer.to_vec();
            for piece in answer.chunks_mut(piece) {
                let mut input = Input::new(piece);
                handshake = match handshake.recv(&mut input) {
                    Socks5Progress::Incomplete(handshake) => handshake,
                    Socks5Progress::Open => return (written, Ok(true), input.as_slice().to_vec()),
                    Socks5Progress::Failed(error) => return (written, Err(error), input.as_slice().to_vec()),
                };
                assert!(input.is_empty());
            }
        }
        (written, Ok(false), Vec::new())
    }

    /// The data sent by one side, one piece per round.
    type Rounds<'a> = &'a [&'a [u8]];

    #[test]
    fn what_is_sent_however_the_answers_are_cut() {
        const REPLY: &[u8] = b"\x05\0\0\x01\x7f\0\0\x01\x04\x38";
        let name = [b"\x05\x01\0\x03\x0bexample.com", &443_u16.to_be_bytes()[..]].concat();
        let v6 = [b"\x05\x01\0\x04", &[0; 15][..], b"\x01\0\x51"].concat();
        let cases: [(&str, &str, Rounds<'_>, Rounds<'_>); 6] = [
            ("socks5://p", "wss://example.com", &[b"\x05\0", REPLY], &[b"\x05\x01\0", &name]),
            (
                "socks5h://p",
                "ws://127.0.0.1",
                &[b"\x05\0", REPLY],
                &[b"\x05\x01\0", b"\x05\x01\0\x01\x7f\0\0\x01\0\x50"],
            ),
            ("socks5://p", "ws://[::1]:81", &[b"\x05\0", REPLY], &[b"\x05\x01\0", &v6]),
            (
                "socks5://me:s%00@p",
                "wss://example.com",
                &[b"\x05\x02", b"\x01\0", REPLY],
                &[b"\x05\x02\0\x02", b"\x01\x02me\x02s\0", &name],
            ),
            ("socks5://me@p", "wss://example.com", &[b"\x05\0", REPLY], &[b"\x05\x02\0\x02", &name]),
            (
                "socks5://me@p",
                "wss://example.com",
                &[b"\x05\x02", b"\x05\0", REPLY],
                &[b"\x05\x02\0\x02", b"\x01\x02me\0", &name],
            ),
        ];
        for (proxy, url, answers, expected) in cases {
            for piece in 1..=REPLY.len() {
                let result = run(handshake(proxy, url), answers, piece);
                assert_eq!(result, (expected.concat(), Ok(true), Vec::new()), "{proxy} {url} by {piece}");
            }
        }
    }

    #[test]
    fn replies_however_they_are_cut() {
        let name = [b"\x05\0\0\x03\xff", &[b'x'; 255][..], b"\0\x50"].concat();
        let v6 = [b"\x05\0\0\x04", &[0; 18][..]].concat();
        let cases: [(&[u8], Result<bool, E>); 17] = [
            (&name, Ok(true)),
            (&v6, Ok(true)),
            (b"\x05\0\0\x03\0\0\x50", Ok(true)),
            (&name[..name.len() - 1], Ok(false)),
            (&v6[..v6.len() - 1], Ok(false)),
            (b"", Ok(false)),
            (b"\x04", Err(E::Version(4))),
            (b"HTTP/1.1 400 Bad Request", Err(E::Version(b'H'))),
            (b"\x05\x01", Err(E::Refused(1))),
            (b"\x05\x05\0\x01\0\0\0\0\0\0", Err(E::Refused(5))),
            (b"\x05\xff", Err(E::Refused(255))),
            (b"\x05\0\x01", Err(E::Reserved(1))),
            (b"\x05\0\0\0", Err(E::AddressType(0))),
            (b"\x05\0\0\x02", Err(E::AddressType(2))),
            (b"\x05\0\0\x05", Err(E::AddressType(5))),
            (b"\x05\0\0", Ok(false)),
            (b"\x05", Ok(false)),
        ];
        for (reply, expected) in cases {
            for piece in 1..=reply.len().max(1) {
                let result = run(handshake("socks5://p", "ws://h"), &[b"\x05\0", reply], piece).1;
                assert_eq!(result, expected, "{reply:?} by {piece}");
            }
        }
    }

    #[test]
    fn methods_and_authentication_are_checked_at_the_byte_that_breaks_a_rule() {
        let cases: [(&str, Rounds<'_>, E); 9] = [
            ("socks5://p", &[b"\x04\0"], E::Version(4)),
            ("socks5://p", &[b"\x05\x02"], E::UnofferedMethod(2)),
            ("socks5://p", &[b"\x05\x01"], E::UnofferedMethod(1)),
            ("socks5://p", &[b"\x05\xff"], E::NoAcceptableMethod),
            ("socks5://u:p@p", &[b"\x05\xff"], E::NoAcceptableMethod),
            ("socks5://u:p@p", &[b"\x05\x02", b"\x04"], E::AuthenticationVersion(4)),
            ("socks5://u:p@p", &[b"\x05\x02", b"\x01\x01"], E::AuthenticationFailed(1)),
            // An answer to an unwritten request.
            ("socks5://p", &[b"\x05\0\x05"], E::UnexpectedData),
            ("socks5://u:p@p", &[b"\x05\x02", b"\x01\0\x05\0\0\x01\0\0\0\0\0\0"], E::UnexpectedData),
        ];
        for (proxy, answers, expected) in cases {
            let (_, result, left) = run(handshake(proxy, "ws://h"), answers, usize::MAX);
            assert_eq!((result, left), (Err(expected), Vec::new()), "{proxy} {answers:?}");
        }
        let unwritten = handshake("socks5://p", "ws://h").recv(&mut Input::new(&mut [5]));
        assert!(matches!(unwritten, Socks5Progress::Failed(E::UnexpectedData)));
    }

    #[test]
    fn what_follows_belongs_to_the_tunnel() {
        let answers: [&[u8]; 2] = [b"\x05\0", b"\x05\0\0\x01\0\0\0\0\0\0tunnel"];
        let (_, result, left) = run(handshake("socks5://p", "ws://h"), &answers, usize::MAX);
        assert_eq!((result, &left[..]), (Ok(true), &b"tunnel"[..]));
    }

    #[test]
    fn names_of_up_to_255_bytes() {
        let proxy = Proxy::parse("socks5://p").unwrap();
        let asked = |len: usize| {
            Socks5Handshake::new(&proxy, &Url::parse(&format!("ws://{}", "x".repeat(len))).unwrap())
        };
        assert!(asked(255).is_ok());
        assert!(matches!(asked(256), Err(E::NameTooLong)));
    }

    #[test]
    fn errors_say_what_the_proxy_said_and_debug_no_secrets() {
        assert_eq!(E::Refused(5).to_string(), "the proxy refused the connection: connection refused");
        assert_eq!(E::Refused(9).to_string(), "the proxy refused the connection: reply 9");
        assert!(!format!("{:?}", handshake("socks5://me:secret@p", "ws://h")).contains("secret"));
    }
}
