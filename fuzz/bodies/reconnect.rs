//! When a client tries again, after whatever its server, its transport or its clock did: not before it may, not later than the policy
//! says, and never after a final answer; by a plain model of RFC 6455 §7.2.3 and `Retry-After` (RFC 9110 §10.2.3): I13, I14.

use core::time::Duration;

use arbitrary::Arbitrary;
use sansocket::handshake::{ClientHandshake, ClientProgress, ClientRequest};
use sansocket::{
    ClientEvent, CloseCode, CloseFrame, Config, Event, Input, OpenError, ProtocolError, Reconnect,
};

use super::opening::Text;
use super::structured;

#[derive(Debug, Arbitrary)]
struct Life<'d> {
    /// The longest first delay and the longest of all, how long a stable connection is open, in seconds, and how many attempts there are.
    policy: Option<(u16, u16, u8, Option<u8>)>,
    steps: Vec<Step<'d>>,
}

#[derive(Debug, Arbitrary)]
enum Step<'d> {
    Opened,
    Close(Option<u16>),
    Lost,
    Violated,
    Refused(u16, Text<'d>, Option<Text<'d>>),
    TimedOut,
    /// The proxy said something that it must not.
    Unexpected,
    /// Seconds forward, or back.
    Time(i32),
    Ages,
    Retry(u64),
}

const FIRST: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const LATER: &str = "Sun, 06 Nov 1994 09:50:38 GMT";
const WORDS: [&str; 5] = [FIRST, LATER, "0", "120", "99999999999999999999999"];
const HOUR: Duration = Duration::from_secs(3600);

/// `data`: a policy, and what happens.
pub(crate) fn body(data: &[u8]) {
    let Some(life) = structured::<Life<'_>>(data) else { return };
    let (mut reconnect, mut model) = (Reconnect::default(), Model::default());
    if let Some((first, most, stable, attempts)) = life.policy {
        let seconds = |seconds: u16| Duration::from_secs(u64::from(seconds));
        (model.first, model.most, model.stable) = (seconds(first), seconds(most), seconds(stable.into()));
        reconnect = reconnect.first_delay(model.first).max_delay(model.most).stable_after(model.stable);
        if let Some(attempts) = attempts {
            model.left = u32::from(attempts);
            model.attempts = model.left;
            reconnect = reconnect.max_attempts(model.left);
        }
    }
    let mut now = Duration::from_secs(1 << 32);
    for step in life.steps.iter().take(100) {
        match step {
            Step::Opened => {
                model.opened = Some(now);
                reconnect.opened(now);
            }
            Step::Close(code) => {
                let code = code.and_then(CloseCode::new);
                let may_pass = code.is_none_or(|code| matches!(code.get(), 1001 | 1011..=1014));
                model.over(now, !may_pass);
                let frame = code.map(|code| Box::new(CloseFrame::new(code, "")));
                reconnect.observe(&ClientEvent::Open(Event::Close(frame)), now);
            }
            Step::Lost => {
                model.over(now, false);
                reconnect.observe_open(&Event::Failed(ProtocolError::UnexpectedEof), now);
            }
            Step::Violated => {
                model.over(now, true);
                reconnect.observe_open(&Event::Failed(ProtocolError::InvalidUtf8), now);
            }
            Step::Refused(status, after, date) => {
                let status = 300 + status % 300;
                let Some(event) = refused(status, after, date.as_ref()) else { continue };
                model.is_final = match status {
                    408 | 425 | 429 => false,
                    501 | 505 | 511 => true,
                    status => status < 500,
                };
                model.after = Some(retry_after(after, date.as_ref()));
                reconnect.observe(&event, now);
            }
            Step::TimedOut => {
                model.is_final = false;
                reconnect.failed(OpenError::TimedOut);
            }
            Step::Unexpected => {
                model.is_final = true;
                reconnect.observe(&ClientEvent::Failed(OpenError::UnexpectedProxyData), now);
            }
            Step::Time(seconds) if *seconds < 0 => {
                now = now.saturating_sub(Duration::from_secs(seconds.unsigned_abs().into()));
            }
            Step::Time(seconds) => {
                now = now.saturating_add(Duration::from_secs(seconds.unsigned_abs().into()))
            }
            Step::Ages => now = Duration::MAX,
            Step::Retry(random) => {
                let at = reconnect.retry_at(now, &mut |bytes: &mut [u8]| {
                    bytes.iter_mut().zip(random.to_le_bytes()).for_each(|(to, byte)| *to = byte);
                });
                match (at, model.retry(now)) {
                    (None, None) => {}
                    (Some(at), Some((least, most))) => {
                        let delay = at.saturating_sub(now);
                        // Behind the end of time there is no more of it.
                        assert!(delay >= least || at == Duration::MAX, "{delay:?}, expected from {least:?}");
                        assert!(delay <= most, "{delay:?}, expected up to {most:?}");
                    }
                    (at, expected) => panic!("I13: {at:?}, expected {expected:?}"),
                }
                if now == Duration::MAX {
                    return;
                }
            }
        }
    }
}

/// A refusal with these headers; `None` if they are no headers.
fn refused(status: u16, after: &Text<'_>, date: Option<&Text<'_>>) -> Option<ClientEvent<'static>> {
    let mut bytes = format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\n").into_bytes();
    for (name, value) in [("Retry-After", Some(after)), ("Date", date)] {
        let Some(value) = value.map(|value| value.of(&WORDS)) else { continue };
        if value.contains(&b'\n') {
            return None;
        }
        bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    bytes.extend(b"\r\n");
    let request = ClientRequest::new("ws://a/").ok()?;
    let handshake = ClientHandshake::new(request, Config::default(), |bytes: &mut [u8]| bytes.fill(1));
    match handshake.recv(&mut Input::new(&mut bytes)) {
        ClientProgress::Refused(refused) => Some(ClientEvent::Refused(Box::new(refused))),
        _ => None,
    }
}

/// What a server may ask for.
#[derive(Debug, Clone, Copy)]
enum After {
    /// Nothing, or so many seconds.
    Known(Option<u64>),
    /// A date that this does not read.
    Any,
}

fn retry_after(after: &Text<'_>, date: Option<&Text<'_>>) -> After {
    let after = after.of(&WORDS).trim_ascii();
    if after.iter().all(u8::is_ascii_digit) {
        let seconds = str::from_utf8(after).ok().filter(|digits| !digits.is_empty());
        return After::Known(seconds.map(|digits| digits.parse().unwrap_or(u64::MAX)));
    }
    let date = date.map(|date| date.of(&WORDS).trim_ascii());
    match (after, date) {
        (_, None) => After::Known(None),
        (after, Some(date)) if date == FIRST.as_bytes() && after == LATER.as_bytes() => {
            After::Known(Some(3661))
        }
        (after, _) if after.len() != FIRST.len() => After::Known(None),
        _ => After::Any,
    }
}

/// The policy in plain words.
struct Model {
    first: Duration,
    most: Duration,
    stable: Duration,
    /// How many attempts there are, and how many are left until the next stable connection.
    attempts: u32,
    left: u32,
    /// How many there were since the last stable connection.
    failed: u32,
    opened: Option<Duration>,
    is_final: bool,
    after: Option<After>,
}

impl Default for Model {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            first: seconds(5),
            most: seconds(60),
            stable: seconds(10),
            attempts: u32::MAX,
            left: u32::MAX,
            failed: 0,
            opened: None,
            is_final: false,
            after: None,
        }
    }
}

impl Model {
    /// The connection is over, for good or not.
    fn over(&mut self, now: Duration, is_final: bool) {
        self.is_final = is_final;
        self.ended(now);
    }

    fn ended(&mut self, now: Duration) {
        if let Some(opened) = self.opened.take()
            && now.saturating_sub(opened) >= self.stable
        {
            (self.left, self.failed) = (self.attempts, 0);
        }
    }

    /// From when to when the next attempt may be, from now.
    fn retry(&mut self, now: Duration) -> Option<(Duration, Duration)> {
        self.ended(now);
        let after = self.after.take().unwrap_or(After::Known(None));
        if core::mem::take(&mut self.is_final) || self.left == 0 {
            return None;
        }
        let doubled = (0..self.failed).try_fold(self.first, |delay, _| delay.checked_mul(2));
        let most = doubled.unwrap_or(Duration::MAX).min(self.most);
        let least = if self.failed == 0 { Duration::ZERO } else { most / 2 };
        (self.left, self.failed) = (self.left - 1, self.failed + 1);
        Some(match after {
            After::Known(None) => (least, most),
            After::Known(Some(seconds)) => {
                let asked = Duration::from_secs(seconds).min(HOUR);
                (least.max(asked), most.max(asked + self.first))
            }
            After::Any => (least, most.max(HOUR + self.first)),
        })
    }
}
