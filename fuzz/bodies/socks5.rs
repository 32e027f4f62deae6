//! A tunnel through a SOCKS5 proxy, by the handshake alone and on a client's way to its server, with short writes, and answers in
//! any cut at any time: what is said and what comes of it is what RFC 1928 and RFC 1929 say, at the same byte; then the server is
//! greeted, and learns nothing of the proxy: I1, I2, I4, I8, I13, I14.

use core::net::{Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use arbitrary::Arbitrary;
use sansocket::handshake::{ClientRequest, Proxy, Socks5Error as E, Socks5Handshake, Socks5Progress, Url};
use sansocket::{Client, ClientEvent, Config, ConnectOptions, Input, OpenError, Step};

use super::reading::{self, Read, Side, Verdict};
use super::structured;

#[derive(Debug, Arbitrary)]
struct Way<'d> {
    login: Option<Login<'d>>,
    host: Host,
    port: u16,
    secure: bool,
    /// The end of a proxy that says no more: time runs out, or the stream ends.
    stalls: bool,
    answers: Vec<Answer<'d>>,
    acts: Vec<Act>,
}

#[derive(Debug, Arbitrary)]
struct Login<'d> {
    user: &'d [u8],
    password: &'d [u8],
    times: u8,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Host {
    /// A name of so many bytes.
    Name(u16),
    V4([u8; 4]),
    V6([u8; 16]),
}

#[derive(Debug, Arbitrary)]
enum Answer<'d> {
    Method(u8),
    Login(u8),
    Reply(u8, Host),
    Bytes(&'d [u8]),
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Act {
    /// Writes so many bytes at most.
    Write(u8),
    /// Receives so many bytes at most, and one more.
    Read(u8),
}

/// `data`: where to go through which proxy, what the proxy answers, and what happens when.
pub(crate) fn body(data: &[u8]) {
    let Some(way) = structured::<Way<'_>>(data) else { return };
    let login = way.login.as_ref().map(Login::pair);
    let user_info =
        login.as_ref().map(|(user, password)| format!("{}:{}@", encoded(user), encoded(password)));
    let proxy = Proxy::parse(&format!("socks5://{}p", user_info.unwrap_or_default()));
    let is_legal =
        login.as_ref().is_none_or(|(user, password)| (1..256).contains(&user.len()) && password.len() < 256);
    assert_eq!(proxy.is_ok(), is_legal, "I13: RFC 1929 §2, lengths of one byte");
    let Ok(proxy) = proxy else { return };
    let port = way.port.max(1);
    let url = format!("{}://{}:{port}/", if way.secure { "wss" } else { "ws" }, way.host.in_url());
    let client = WayOfClient::new(&url, proxy.clone());
    let url = Url::parse(&url).unwrap_or_else(|error| panic!("{url}: {error}"));

    let answers = Vec::from_iter(way.answers.iter().take(MAX_ANSWERS).map(Answer::bytes)).concat();
    let Some(address) = way.host.address() else {
        assert!(matches!(Socks5Handshake::new(&proxy, &url), Err(E::NameTooLong)), "I13");
        return client.fails(E::NameTooLong);
    };
    let request = [&[5, 1, 0], &address[..], &port.to_be_bytes()].concat();
    let talk = Talk::read(login.as_ref(), request, &answers);
    let handshake = Socks5Handshake::new(&proxy, &url).unwrap_or_else(|error| panic!("{error}"));
    run(&way, &talk, &answers, &mut Some(handshake));
    let mut client = client;
    match run(&way, &talk, &answers, &mut client) {
        Progress::Incomplete => client.falls_silent(way.stalls),
        Progress::Failed(error) => client.fails(error),
        Progress::Open(_) => client.opens(&way, &url),
    }
}

// ---- the reading ----

/// RFC 1928 §3 to §6 and RFC 1929 §2, over all answers at once.
struct Talk {
    /// Behind how many bytes of the answers the client says what.
    turns: Vec<(usize, Vec<u8>)>,
    /// Behind how many bytes it is over, and how.
    end: Option<(usize, Result<(), E>)>,
}

impl Talk {
    fn read(login: Option<&(Vec<u8>, Vec<u8>)>, request: Vec<u8>, answers: &[u8]) -> Self {
        let greeting = if login.is_some() { vec![5, 2, 0, 2] } else { vec![5, 1, 0] };
        let mut talk = Self { turns: vec![(0, greeting)], end: None };
        talk.end = talk.end(login, request, answers);
        talk
    }

    /// `None`: the answers end before.
    fn end(
        &mut self,
        login: Option<&(Vec<u8>, Vec<u8>)>,
        request: Vec<u8>,
        answers: &[u8],
    ) -> Option<(usize, Result<(), E>)> {
        let byte = |at: usize| answers.get(at).copied();
        if byte(0)? != 5 {
            return Some((1, Err(E::Version(byte(0)?))));
        }
        let at = match (byte(1)?, login) {
            (0, _) => 2,
            (2, Some((user, password))) => {
                let lens = [user.len() as u8, password.len() as u8];
                self.turns.push((2, [&[1, lens[0]], &user[..], &[lens[1]], password].concat()));
                // Also that of SOCKS, which many proxies confuse with it.
                if byte(2)? != 1 && byte(2)? != 5 {
                    return Some((3, Err(E::AuthenticationVersion(byte(2)?))));
                }
                if byte(3)? != 0 {
                    return Some((4, Err(E::AuthenticationFailed(byte(3)?))));
                }
                4
            }
            (255, _) => return Some((2, Err(E::NoAcceptableMethod))),
            (method, _) => return Some((2, Err(E::UnofferedMethod(method)))),
        };
        self.turns.push((at, request));
        if byte(at)? != 5 {
            return Some((at + 1, Err(E::Version(byte(at)?))));
        }
        if byte(at + 1)? != 0 {
            return Some((at + 2, Err(E::Refused(byte(at + 1)?))));
        }
        if byte(at + 2)? != 0 {
            return Some((at + 3, Err(E::Reserved(byte(at + 2)?))));
        }
        let address = match byte(at + 3)? {
            1 => 4,
            3 => 1 + usize::from(byte(at + 4)?),
            4 => 16,
            other => return Some((at + 4, Err(E::AddressType(other)))),
        };
        let end = at + 4 + address + 2;
        (end <= answers.len()).then_some((end, Ok(())))
    }

    /// All that the client has said behind so many bytes of the answers.
    fn said(&self, at: usize) -> Vec<u8> {
        let turns = self.turns.iter().take_while(|(turn, _)| *turn <= at);
        turns.flat_map(|(_, message)| message).copied().collect()
    }

    /// Where the client speaks next, behind `at`; or the end, and no further.
    fn next(&self, at: usize) -> usize {
        let turn = self.turns.iter().map(|(turn, _)| *turn).find(|turn| *turn > at);
        turn.or(self.end.map(|(end, _)| end)).unwrap_or(usize::MAX)
    }

    /// What comes of the answers from one place to another, when so many bytes were written before. `strict`: nothing may come behind
    /// them at once.
    fn progress(&self, from: usize, to: usize, written: usize, strict: bool) -> Progress {
        let mut said = 0;
        let early = self.turns.iter().find_map(|(turn, message)| {
            said += message.len();
            (written < said).then_some(from.max(*turn))
        });
        let early = early.filter(|early| *early < to);
        match self.end.filter(|(end, _)| *end <= to) {
            Some((end, _)) if early.is_some_and(|early| early < end) => Progress::Failed(E::UnexpectedData),
            Some((_, Err(error))) => Progress::Failed(error),
            Some((end, Ok(()))) if strict && end < to => Progress::Failed(E::UnexpectedData),
            Some((end, Ok(()))) => Progress::Open(to - end),
            None if early.is_some() => Progress::Failed(E::UnexpectedData),
            None => Progress::Incomplete,
        }
    }
}

// ---- the run ----

/// What has come of received bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Incomplete,
    /// So many bytes are the tunnel's.
    Open(usize),
    Failed(E),
}

trait Subject {
    /// Whether it takes what comes behind the last answer, at once, for a fault.
    const STRICT: bool;
    fn output(&self) -> &[u8];
    fn written(&mut self, n: usize);
    fn recv(&mut self, bytes: &[u8]) -> Progress;
}

/// Runs to the end, and when all acts are done at the pace of the answers.
fn run<S: Subject>(way: &Way<'_>, talk: &Talk, answers: &[u8], subject: &mut S) -> Progress {
    let mut acts = way.acts.iter().take(MAX_ACTS);
    let (mut at, mut written) = (0, Vec::new());
    loop {
        assert_eq!([&written, subject.output()].concat(), talk.said(at), "I8, I13");
        let act = acts.next();
        let n = match act {
            Some(Act::Write(n)) => usize::from(*n),
            Some(Act::Read(_)) => 0,
            None => usize::MAX,
        };
        let n = n.min(subject.output().len());
        written.extend_from_slice(&subject.output()[..n]);
        subject.written(n);
        let to = match act {
            Some(Act::Write(_)) => at,
            Some(Act::Read(n)) => at + 1 + usize::from(*n),
            None if at == answers.len() => return Progress::Incomplete,
            None => talk.next(at),
        };
        let to = to.min(answers.len());
        if at < to {
            let expected = talk.progress(at, to, written.len(), S::STRICT);
            assert_eq!(subject.recv(&answers[at..to]), expected, "I1, I13: {at} to {to} of {answers:02x?}");
            if expected != Progress::Incomplete {
                return expected;
            }
            at = to;
        }
    }
}

impl Subject for Option<Socks5Handshake> {
    const STRICT: bool = false;

    fn output(&self) -> &[u8] {
        self.as_ref().map(Socks5Handshake::output).unwrap_or_default()
    }

    fn written(&mut self, n: usize) {
        self.as_mut().into_iter().for_each(|handshake| handshake.output_written(n));
    }

    fn recv(&mut self, bytes: &[u8]) -> Progress {
        let mut bytes = bytes.to_vec();
        let mut input = Input::new(&mut bytes);
        let progress = self.take().map(|handshake| handshake.recv(&mut input));
        let left = input.len();
        match progress {
            Some(Socks5Progress::Open) => Progress::Open(left),
            Some(Socks5Progress::Failed(error)) => {
                assert_eq!(left, 0, "I2");
                Progress::Failed(error)
            }
            Some(Socks5Progress::Incomplete(handshake)) => {
                assert_eq!(left, 0, "I2");
                *self = Some(handshake);
                Progress::Incomplete
            }
            None => panic!("it is over"),
        }
    }
}

struct WayOfClient {
    client: Client,
    error: Option<E>,
}

impl WayOfClient {
    fn new(url: &str, proxy: Proxy) -> Self {
        let request = ClientRequest::new(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        let options = ConnectOptions::from(Config::default().handshake_timeout(TIMEOUT)).proxy(proxy);
        let mut client = Client::new(request, options, |bytes: &mut [u8]| bytes.fill(7));
        client.handle_timeout(Duration::ZERO);
        assert_eq!(client.step(), Step::Dial { host: "p", port: 1080 });
        client.connected();
        Self { client, error: None }
    }

    fn recv_all(&mut self, bytes: &[u8]) -> Vec<ClientEvent<'static>> {
        let mut bytes = bytes.to_vec();
        let mut input = Input::new(&mut bytes);
        let mut events = Vec::new();
        while let Some(event) = self.client.recv(&mut input) {
            events.push(match event {
                ClientEvent::Opened(established) => ClientEvent::Opened(established),
                ClientEvent::Failed(error) => ClientEvent::Failed(error),
                other => panic!("neither open nor failed: {other:?}"),
            });
        }
        assert!(input.is_empty(), "I2");
        events
    }

    /// It has failed, or does so now.
    fn fails(mut self, error: E) {
        let events = self.recv_all(&[]);
        let failed = match events[..] {
            [] => self.error,
            [ClientEvent::Failed(OpenError::Socks5(error))] => Some(error),
            _ => None,
        };
        assert_eq!(failed, Some(error), "I14: one outcome");
        self.ends();
    }

    /// The proxy says no more.
    fn falls_silent(mut self, stalls: bool) {
        let expected = if stalls {
            self.client.handle_timeout(TIMEOUT);
            OpenError::TimedOut
        } else {
            self.client.recv_eof();
            OpenError::Socks5(E::Truncated)
        };
        let events = self.recv_all(&[]);
        assert!(matches!(events[..], [ClientEvent::Failed(error)] if error == expected), "I14: {events:?}");
        self.ends();
    }

    fn ends(mut self) {
        assert!(self.client.is_ended() && !self.client.wants_write() && self.client.next_timeout().is_none());
        assert!(self.recv_all(b"more").is_empty(), "I4");
    }

    /// The tunnel is there: TLS if it has to be, then the opening handshake, in which nothing is the proxy's.
    fn opens(mut self, way: &Way<'_>, url: &Url) {
        if way.secure {
            assert!(!self.client.wants_write(), "nothing is written before TLS");
            assert_eq!(self.client.step(), Step::StartTls { name: url.host() });
            self.client.secured();
        }
        assert_eq!(self.client.step(), Step::Run);
        let Read::Head(head) = reading::head(self.client.output(), Side::Request, usize::MAX, usize::MAX)
        else {
            panic!("I8: {:?}", self.client.output());
        };
        assert_eq!(reading::request(&head), Verdict::Upgrade, "I8");
        assert!(["Authorization", "Proxy-Authorization"].iter().all(|name| head.values(name).is_empty()));
        self.client.output_written(usize::MAX);
        let accept = reading::accept_key(head.only("Sec-WebSocket-Key").unwrap_or_default());
        let answer = format!(
            "HTTP/1.1 101 \r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        let events = self.recv_all(answer.as_bytes());
        assert!(matches!(events[..], [ClientEvent::Opened(_)]), "I14: {events:?}");
    }
}

impl Subject for WayOfClient {
    const STRICT: bool = true;

    fn output(&self) -> &[u8] {
        self.client.output()
    }

    fn written(&mut self, n: usize) {
        self.client.output_written(n);
    }

    fn recv(&mut self, bytes: &[u8]) -> Progress {
        assert_eq!(self.client.step(), Step::Run);
        let events = self.recv_all(bytes);
        self.error = match events[..] {
            [] if self.client.output().starts_with(b"GET ") || self.client.step() != Step::Run => {
                return Progress::Open(0);
            }
            [] => return Progress::Incomplete,
            [ClientEvent::Failed(OpenError::Socks5(error))] => Some(error),
            [ClientEvent::Failed(OpenError::UnexpectedProxyData)] => Some(E::UnexpectedData),
            _ => panic!("{events:?}"),
        };
        self.error.map_or(Progress::Incomplete, Progress::Failed)
    }
}

// ---- bytes ----

impl Login<'_> {
    fn pair(&self) -> (Vec<u8>, Vec<u8>) {
        (self.user.to_vec(), self.password.repeat(usize::from(self.times)))
    }
}

/// RFC 3986 §2.1, every byte.
fn encoded(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("%{byte:02X}")).collect()
}

impl Host {
    fn in_url(self) -> String {
        match self {
            Self::Name(len) => "x".repeat(name_len(len)),
            Self::V4(bytes) => Ipv4Addr::from(bytes).to_string(),
            Self::V6(bytes) => format!("[{}]", Ipv6Addr::from(bytes)),
        }
    }

    /// RFC 1928 §5: ATYP and DST.ADDR; `None` for a name that is too long.
    fn address(self) -> Option<Vec<u8>> {
        Some(match self {
            Self::Name(len) => {
                let name = vec![b'x'; name_len(len)];
                [&[3, u8::try_from(name.len()).ok()?], &name[..]].concat()
            }
            Self::V4(bytes) => [&[1], &bytes[..]].concat(),
            Self::V6(bytes) => [&[4], &bytes[..]].concat(),
        })
    }
}

fn name_len(len: u16) -> usize {
    1 + usize::from(len) % 300
}

impl Answer<'_> {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Method(method) => vec![5, *method],
            Self::Login(status) => vec![1, *status],
            Self::Reply(reply, host) => {
                let address = host.address().unwrap_or(vec![0, 1]);
                [&[5, *reply, 0], &address[..], &[4, 56]].concat()
            }
            Self::Bytes(bytes) => bytes.to_vec(),
        }
    }
}

const MAX_ANSWERS: usize = 6;
const MAX_ACTS: usize = 40;
const TIMEOUT: Duration = Duration::from_secs(10);
