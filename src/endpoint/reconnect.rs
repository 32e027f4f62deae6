//! [`Reconnect`]: when to reconnect (RFC 6455 §7.2.3).

use core::time::Duration;

use super::{ClientEvent, OpenError};
use crate::connection::Event;
use crate::frame::CloseCode;
use crate::handshake::{HandshakeError, RefusedResponse, Socks5Error};
use crate::random::Random;

/// The reconnection policy of a client that lost its connection, or could not open it. No clock, no
/// transport.
///
/// - **Back-off with jitter.** The first attempt comes after a random time of up to 5 s. Later delays double:
///   5 to 10 s, 10 to 20 s, up to 30 to 60 s. So the clients of a restarted server do not return all at once.
/// - **Reset.** The delays start over after a connection has been open for 10 s.
/// - **`Retry-After`** of a refusal is honoured, up to an hour, plus jitter.
/// - **Transient failures only.** It retries after a transport failure, a timeout, or a server restart or
///   overload. It does not retry after a wrong or unauthorized request, a protocol violation by the peer, or
///   a normal close.
///
/// Pass every event of a [`Client`](super::Client) to [`observe`](Self::observe), or report outcomes with the
/// other methods: with an adapter these are [`opened`](Self::opened), [`observe_open`](Self::observe_open) and
/// `not_opened`, which takes the adapter's error. After the end of each transport, call
/// [`retry_at`](Self::retry_at); if you closed it yourself, ignore the result. If nothing was reported, because
/// dialling failed, another attempt is made.
///
/// A close code that is final here may not be so for your server, such as one of an application (3000 to 4999): to reconnect
/// after it, report all events but that one.
///
/// ```
/// use core::time::Duration;
/// use sansocket::handshake::ClientRequest;
/// use sansocket::{Client, Config, Input, Reconnect};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let request = ClientRequest::new("ws://example.com/feed")?;
/// let random = |bytes: &mut [u8]| bytes.fill(7); // in a real program, `OsRandom`
/// let mut reconnect = Reconnect::default();
/// let mut now = Duration::ZERO; // in a real program, the time since the start
/// # let mut answers = ["503 Later\r\nRetry-After: 60", "403 No"].into_iter();
/// loop {
///     let mut client = Client::new(request.clone(), Config::default(), random);
///     while !client.is_ended() {
///         // The loop of `Client`, reduced to the relevant calls.
///         client.handle_timeout(now);
/// #       client.connected();
/// #       client.output_written(usize::MAX);
/// #       let answer = format!("HTTP/1.1 {}\r\nContent-Length: 0\r\n\r\n", answers.next().unwrap());
/// #       let mut received = answer.into_bytes();
///         let mut input = Input::new(&mut received);
///         while let Some(event) = client.recv(&mut input) {
///             reconnect.observe(&event, now);
///         }
///     }
///     match reconnect.retry_at(now, &mut { random }) {
///         Some(at) => now = at, // in a real program, sleep until then
///         None => break,        // not worth another attempt
///     }
/// }
/// # assert!(now >= Duration::from_secs(60) && now <= Duration::from_secs(65));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconnect {
    first_delay: Duration,
    max_delay: Duration,
    stable_after: Duration,
    max_attempts: Option<u32>,
    /// Attempts since the last stable connection.
    attempts: u32,
    opened_at: Option<Duration>,
    retry_after: Option<Duration>,
    /// The cause of the last failure is permanent.
    pub(crate) is_final: bool,
}

impl Default for Reconnect {
    fn default() -> Self {
        Self {
            first_delay: Duration::from_secs(5),
            max_delay: Duration::from_secs(60),
            stable_after: Duration::from_secs(10),
            max_attempts: None,
            attempts: 0,
            opened_at: None,
            retry_after: None,
            is_final: false,
        }
    }
}

impl Reconnect {
    /// Maximum delay of the first attempt. Later delays are multiples of it: with zero, there is no delay but
    /// that of `Retry-After`.
    /// Default: 5 s. "A value chosen randomly between 0 and 5 seconds is a reasonable initial delay" (RFC 6455
    /// §7.2.3).
    #[must_use]
    pub fn first_delay(self, delay: Duration) -> Self {
        Self { first_delay: delay, ..self }
    }

    /// Maximum delay of any attempt, except for `Retry-After`. Default: 60 s.
    #[must_use]
    pub fn max_delay(self, delay: Duration) -> Self {
        Self { max_delay: delay, ..self }
    }

    /// How long a connection must be open to reset the delays. Default: 10 s.
    #[must_use]
    pub fn stable_after(self, time: Duration) -> Self {
        Self { stable_after: time, ..self }
    }

    /// Maximum number of consecutive retries without a stable connection. The first connection is not
    /// counted: 3 means up to 4 connects. Default: no limit.
    #[must_use]
    pub fn max_attempts(self, attempts: u32) -> Self {
        Self { max_attempts: Some(attempts), ..self }
    }

    /// Records an event of a client.
    pub fn observe(&mut self, event: &ClientEvent<'_>, now: Duration) {
        match event {
            ClientEvent::Opened(_) => self.opened(now),
            ClientEvent::Refused(refused) | ClientEvent::ProxyRefused(refused) => self.refused(refused),
            ClientEvent::Failed(error) => self.failed(*error),
            ClientEvent::Open(event) => self.observe_open(event, now),
        }
    }

    /// Records an event of an open connection.
    pub fn observe_open(&mut self, event: &Event<'_>, now: Duration) {
        self.is_final = match event {
            Event::Close(frame) => frame.as_ref().is_some_and(|frame| !may_pass(frame.code())),
            // A protocol violation by the peer has a close code.
            Event::Failed(error) => error.close_code().is_some(),
            _ => return,
        };
        // The transport may end much later: a peer that has closed need not end it.
        self.ended(now);
    }

    /// Records that the connection is no longer open.
    fn ended(&mut self, now: Duration) {
        let was_open = self.opened_at.take().map(|opened_at| now.saturating_sub(opened_at));
        if was_open.is_some_and(|time| time >= self.stable_after) {
            self.attempts = 0;
        }
    }

    /// Records that a connection was opened.
    pub fn opened(&mut self, now: Duration) {
        self.opened_at = Some(now);
    }

    /// Records an HTTP response of the server or a proxy in place of a connection.
    pub fn refused(&mut self, refused: &RefusedResponse) {
        self.is_final = match refused.status() {
            // RFC 9110 §15, RFC 6585 §4, RFC 8470 §5.2: request timeout, too early, too many requests.
            408 | 425 | 429 => false,
            // Not implemented, unsupported version of HTTP, the network wants credentials (RFC 6585 §6).
            501 | 505 | 511 => true,
            // A server or gateway in trouble. RFC 9110 §15: "treat an unrecognized status code as being equivalent to
            // the x00 status code of that class", and an invalid one as 5xx.
            status => status < 500,
        };
        self.retry_after = refused.retry_after();
    }

    /// Records that the connection could not be opened.
    pub fn failed(&mut self, error: OpenError) {
        self.is_final = !error.is_transient();
    }

    /// Returns when to try again, in the caller's time, after a transport ended or could not be made. `None`
    /// means that another attempt would be useless: the failure that was reported is permanent, or the attempts are used
    /// up. A permanent failure is used up by this call: without a new report, the next call returns a time, if an attempt is
    /// left. Attempts return with a stable connection.
    #[must_use]
    pub fn retry_at(&mut self, now: Duration, random: &mut impl Random) -> Option<Duration> {
        self.ended(now);
        let retry_after = self.retry_after.take();
        if core::mem::take(&mut self.is_final) || self.max_attempts.is_some_and(|most| self.attempts >= most)
        {
            return None;
        }
        let mut delay = self.next_delay(random);
        if let Some(after) = retry_after {
            let jitter = between(Duration::ZERO, self.first_delay, random);
            delay = delay.max(after.min(MAX_RETRY_AFTER).saturating_add(jitter));
        }
        Some(now.saturating_add(delay))
    }

    /// "Should the first reconnect attempt fail, subsequent reconnect attempts SHOULD be delayed by increasingly longer
    /// amounts of time, using a method such as truncated binary exponential backoff."
    fn next_delay(&mut self, random: &mut impl Random) -> Duration {
        let factor = 1_u32.checked_shl(self.attempts).unwrap_or(u32::MAX);
        let most = self.first_delay.saturating_mul(factor).min(self.max_delay);
        let least = if self.attempts == 0 { Duration::ZERO } else { most / 2 };
        self.attempts = self.attempts.saturating_add(1);
        between(least, most, random)
    }
}

impl OpenError {
    /// Returns `true` if another attempt may succeed without any change: the transport failed, or it took too
    /// long.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        match self {
            Self::Handshake(error) | Self::Proxy(error) => {
                matches!(error, HandshakeError::Truncated | HandshakeError::TimedOut)
            }
            // RFC 1928 §6: a general failure; network or host unreachable, connection refused, TTL expired.
            Self::Socks5(error) => matches!(error, Socks5Error::Truncated | Socks5Error::Refused(1 | 3..=6)),
            Self::TimedOut | Self::TransportFailed => true,
            Self::UnexpectedProxyData | Self::ProxyVar(_) | Self::Redirect(_) => false,
        }
    }
}

/// Returns `true` if a server that closed with this code may be usable again: RFC 6455 §7.4.1, and the
/// registry of §11.7 for 1012 to 1014. The meaning of application codes is unknown here.
fn may_pass(code: CloseCode) -> bool {
    use CloseCode as C;
    matches!(
        code,
        C::GOING_AWAY | C::INTERNAL_ERROR | C::SERVICE_RESTART | C::TRY_AGAIN_LATER | C::BAD_GATEWAY
    )
}

/// Returns a random time from `least` to `most`.
fn between(least: Duration, most: Duration, random: &mut impl Random) -> Duration {
    let mut bytes = [0; 8];
    random.fill(&mut bytes);
    let span = u64::try_from(most.saturating_sub(least).as_nanos()).unwrap_or(u64::MAX);
    let nanos = (u128::from(span) * u128::from(u64::from_le_bytes(bytes))) >> u64::BITS;
    least.saturating_add(Duration::from_nanos(nanos as u64))
}

/// Upper limit for longer requests of the server: it may have changed its mind.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60 * 60);

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::vec::Vec;
    use core::ops::Range;

    use super::*;
    use crate::handshake::{ClientRequest, RedirectError};
    use crate::{Client, CloseFrame, Config, Input, ProtocolError};

    const fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    /// A random source at its minimum, and, except for a nanosecond, its maximum.
    fn least(bytes: &mut [u8]) {
        bytes.fill(0);
    }

    fn most(bytes: &mut [u8]) {
        bytes.fill(0xff);
    }

    /// Returns the earliest and latest time of the next attempt, in seconds from now.
    fn window(reconnect: &mut Reconnect, now: Duration) -> Option<(u64, u64)> {
        let earliest = reconnect.clone().retry_at(now, &mut least);
        let latest = reconnect.retry_at(now, &mut most);
        assert_eq!(earliest.is_some(), latest.is_some());
        Some(((earliest? - now).as_secs(), (latest? + Duration::from_nanos(1) - now).as_secs()))
    }

    #[test]
    fn delays_double_up_to_the_maximum() {
        let mut reconnect = Reconnect::default();
        let windows = [(0, 5), (5, 10), (10, 20), (20, 40), (30, 60), (30, 60)];
        for expected in windows {
            assert_eq!(window(&mut reconnect, secs(1000)), Some(expected));
        }
        for _ in 0..100 {
            assert_eq!(window(&mut reconnect, secs(1000)), Some((30, 60)), "however many there are");
        }
        let mut reconnect = Reconnect::default().first_delay(secs(2)).max_delay(secs(7));
        for expected in [(0, 2), (2, 4), (3, 7), (3, 7)] {
            assert_eq!(window(&mut reconnect, secs(0)), Some(expected));
        }
        let mut endless = Reconnect::default().first_delay(Duration::MAX).max_delay(Duration::MAX);
        assert!(endless.retry_at(secs(1), &mut most).is_some());
        assert_eq!(endless.retry_at(Duration::MAX, &mut most), Some(Duration::MAX));
    }

    #[test]
    fn what_is_random_is_spread_over_the_window() {
        let mut reconnect = Reconnect::default();
        let half = |bytes: &mut [u8]| bytes.copy_from_slice(&(1_u64 << 63).to_le_bytes());
        assert_eq!(reconnect.retry_at(secs(0), &mut { half }), Some(Duration::from_millis(2500)));
        assert_eq!(reconnect.retry_at(secs(0), &mut { half }), Some(Duration::from_millis(7500)));
    }

    #[test]
    fn a_connection_that_was_stable_begins_again() {
        let mut reconnect = Reconnect::default();
        for _ in 0..3 {
            window(&mut reconnect, secs(0));
        }
        reconnect.opened(secs(100));
        assert_eq!(window(&mut reconnect, secs(109)), Some((20, 40)), "it was not open for long enough");
        reconnect.opened(secs(200));
        assert_eq!(window(&mut reconnect, secs(210)), Some((0, 5)));
        assert_eq!(window(&mut reconnect, secs(300)), Some((5, 10)), "the next one did not open");

        let mut patient = Reconnect::default().stable_after(secs(60));
        window(&mut patient, secs(0));
        patient.opened(secs(100));
        assert_eq!(window(&mut patient, secs(159)), Some((5, 10)));
        patient.opened(secs(200));
        assert_eq!(window(&mut patient, secs(260)), Some((0, 5)));
    }

    #[test]
    fn a_connection_is_open_until_it_closes_or_fails_not_until_its_transport_ends() {
        for end in [close(1013), Event::Close(None), Event::Failed(ProtocolError::UnexpectedEof)] {
            let mut reconnect = Reconnect::default();
            window(&mut reconnect, secs(0));
            reconnect.opened(secs(100));
            reconnect.observe_open(&end, secs(109));
            assert_eq!(window(&mut reconnect, secs(120)), Some((5, 10)), "{end:?}");
            reconnect.opened(secs(200));
            reconnect.observe_open(&Event::Ping((&b""[..]).into()), secs(201));
            reconnect.observe_open(&end, secs(210));
            assert_eq!(window(&mut reconnect, secs(220)), Some((0, 5)), "{end:?}");
        }
    }

    #[test]
    fn attempts_may_have_a_maximum() {
        let mut reconnect = Reconnect::default().max_attempts(2);
        assert!(window(&mut reconnect, secs(0)).is_some() && window(&mut reconnect, secs(0)).is_some());
        assert_eq!(window(&mut reconnect, secs(0)), None);
        reconnect.opened(secs(0));
        assert!(window(&mut reconnect, secs(10)).is_some());
        assert_eq!(Reconnect::default().max_attempts(0).retry_at(secs(0), &mut least), None);
    }

    /// Returns the window for another attempt after this response of a server, if there is one.
    fn refused(answer: &str) -> Option<(u64, u64)> {
        let request = ClientRequest::new("ws://a/").unwrap();
        let mut client = Client::new(request, Config::default(), least);
        client.connected();
        let mut received = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n").into_bytes();
        let (mut input, mut reconnect) = (Input::new(&mut received), Reconnect::default());
        let event = client.recv(&mut input).unwrap();
        reconnect.observe(&event, secs(0));
        window(&mut reconnect, secs(0))
    }

    #[test]
    fn refusals_that_may_pass_and_what_they_ask_for() {
        let again = |statuses: Range<u16>| -> Vec<u16> {
            statuses.filter(|status| refused(&format!("{status} x")).is_some()).collect()
        };
        assert_eq!(again(200..500), [408, 425, 429]);
        // A gateway has statuses of its own for a server that is down, such as 521.
        let never = [501, 505, 511];
        assert_eq!(again(500..1000), Vec::from_iter((500..1000).filter(|status| !never.contains(status))));
        let after = |value: &str| refused(&format!("503 x\r\nRetry-After: {value}"));
        assert_eq!(after("0"), Some((0, 5)));
        assert_eq!(after("120"), Some((120, 125)));
        assert_eq!(after("99999999999999999999"), Some((3600, 3605)), "an hour at most");
        assert_eq!(after("soon"), Some((0, 5)));
        assert_eq!(refused("403 x\r\nRetry-After: 1"), None);

        // It applies once, and does not shorten the back-off.
        let mut reconnect = Reconnect { retry_after: Some(secs(1)), attempts: 4, ..Reconnect::default() };
        assert_eq!(window(&mut reconnect, secs(0)), Some((30, 60)));
        assert_eq!(reconnect.retry_after, None);
    }

    #[test]
    fn errors_and_closes_that_may_pass() {
        use HandshakeError as H;
        let failures = [
            (OpenError::TimedOut, true),
            (OpenError::TransportFailed, true),
            (OpenError::Handshake(H::Truncated), true),
            (OpenError::Proxy(H::Truncated), true),
            (OpenError::Socks5(Socks5Error::Truncated), true),
            (OpenError::Socks5(Socks5Error::Refused(1)), true),
            (OpenError::Socks5(Socks5Error::Refused(5)), true),
            (OpenError::Handshake(H::WrongAccept), false),
            (OpenError::Proxy(H::BareLineFeed), false),
            (OpenError::Socks5(Socks5Error::Refused(2)), false),
            (OpenError::Socks5(Socks5Error::Refused(7)), false),
            (OpenError::Socks5(Socks5Error::NoAcceptableMethod), false),
            (OpenError::UnexpectedProxyData, false),
            (OpenError::Redirect(RedirectError::TooMany), false),
        ];
        for (error, expected) in failures {
            let mut reconnect = Reconnect::default();
            reconnect.observe(&ClientEvent::Failed(error), secs(0));
            assert_eq!(window(&mut reconnect, secs(0)).is_some(), expected, "{error:?}");
            assert!(window(&mut reconnect, secs(0)).is_some(), "what is asked again is another attempt");
        }
        let events =
            [ProtocolError::UnexpectedEof, ProtocolError::TransportFailed, ProtocolError::PongTimeout]
                .map(|error| (Event::Failed(error), true))
                .into_iter()
                .chain(
                    [ProtocolError::ReservedBits, ProtocolError::InvalidUtf8, ProtocolError::MessageTooLarge]
                        .map(|error| (Event::Failed(error), false)),
                )
                .chain([(Event::Close(None), true)])
                .chain([1001, 1011, 1012, 1013, 1014].map(|code| (close(code), true)))
                .chain(
                    [1000, 1002, 1003, 1007, 1008, 1009, 1010, 3000, 4999].map(|code| (close(code), false)),
                );
        for (event, expected) in events {
            let mut reconnect = Reconnect::default();
            reconnect.observe_open(&event, secs(0));
            assert_eq!(window(&mut reconnect, secs(0)).is_some(), expected, "{event:?}");
        }
    }

    fn close(code: u16) -> Event<'static> {
        Event::Close(Some(CloseFrame::new(CloseCode::new(code).unwrap(), "").into()))
    }
}
