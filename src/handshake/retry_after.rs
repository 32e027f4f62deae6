//! [`RefusedResponse::retry_after`]: when to try again after a refusal (RFC 9110 §10.2.3).

use core::time::Duration;

use super::answer::RefusedResponse;

impl RefusedResponse {
    /// Returns how long to wait before another attempt, according to `Retry-After`; `None` without a valid
    /// one. A date is relative to the response's own `Date`, so no clock is needed; both must be in the
    /// preferred format (RFC 9110 §5.6.7).
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let value = self.header("Retry-After")?;
        let seconds = match seconds(value) {
            Some(seconds) => seconds,
            None => date(value)?.saturating_sub(date(self.header("Date")?)?),
        };
        Some(Duration::from_secs(seconds))
    }
}

/// "delay-seconds = 1*DIGIT"; larger numbers saturate.
fn seconds(digits: &[u8]) -> Option<u64> {
    (!digits.is_empty()).then_some(())?;
    digits.iter().try_fold(0_u64, |seconds, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        Some(seconds.saturating_mul(10).saturating_add(digit))
    })
}

/// RFC 9110 §5.6.7: "IMF-fixdate", such as `Sun, 06 Nov 1994 08:49:37 GMT`; in seconds since the beginning of
/// year 0.
fn date(text: &[u8]) -> Option<u64> {
    let [_, _, _, b',', b' ', d1, d2, b' ', m1, m2, m3, b' ', y1, y2, y3, y4, b' ', time @ ..] = text else {
        return None;
    };
    let [h1, h2, b':', n1, n2, b':', s1, s2, b' ', b'G', b'M', b'T'] = time else { return None };
    let month = MONTHS.iter().position(|month| *month == [*m1, *m2, *m3])?;
    let (day, year) = (seconds(&[*d1, *d2])?, seconds(&[*y1, *y2, *y3, *y4])?);
    let (hour, minute, second) = (seconds(&[*h1, *h2])?, seconds(&[*n1, *n2])?, seconds(&[*s1, *s2])?);
    // Years begin in March here, so that the leap day comes last.
    let years = year.checked_sub(u64::from(month < 2))?;
    let leap_days = years / 4 - years / 100 + years / 400;
    let days = years * 365 + leap_days + DAYS_FROM_MARCH[month] + day;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

const MONTHS: [[u8; 3]; 12] = [
    *b"Jan", *b"Feb", *b"Mar", *b"Apr", *b"May", *b"Jun", *b"Jul", *b"Aug", *b"Sep", *b"Oct", *b"Nov",
    *b"Dec",
];
const DAYS_FROM_MARCH: [u64; 12] = [306, 337, 0, 31, 61, 92, 122, 153, 184, 214, 245, 275];

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;
    use crate::handshake::{Proxy, ProxyHandshake, ProxyProgress, Url};
    use crate::{Config, Input};

    fn retry_after(headers: &str) -> Option<u64> {
        let mut response = format!("HTTP/1.1 503 x\r\n{headers}Content-Length: 0\r\n\r\n").into_bytes();
        let (proxy, url) = (Proxy::parse("http://p").unwrap(), Url::parse("ws://h").unwrap());
        let handshake = ProxyHandshake::new(&proxy, &url, Config::default());
        match handshake.recv(&mut Input::new(&mut response)) {
            ProxyProgress::Refused(refused) => refused.retry_after().map(|after| after.as_secs()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn seconds_or_a_date() {
        let after =
            |date: &str, value: &str| retry_after(&format!("Date: {date}\r\nRetry-After: {value}\r\n"));
        assert_eq!(retry_after("Retry-After: 120\r\n"), Some(120));
        assert_eq!(retry_after("retry-after: 0\r\n"), Some(0));
        assert_eq!(retry_after("Retry-After: 99999999999999999999999\r\n"), Some(u64::MAX));
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(after(date, date), Some(0));
        assert_eq!(after(date, "Sun, 06 Nov 1994 09:50:38 GMT"), Some(3661));
        assert_eq!(after(date, "Sun, 06 Nov 1994 08:49:36 GMT"), Some(0), "it is over");
        assert_eq!(after("Wed, 28 Feb 2024 00:00:00 GMT", "Fri, 01 Mar 2024 00:00:00 GMT"), Some(2 * 86_400));
        assert_eq!(after("Tue, 28 Feb 2023 00:00:00 GMT", "Wed, 01 Mar 2023 00:00:00 GMT"), Some(86_400));
        assert_eq!(after("Sun, 31 Dec 2023 23:59:59 GMT", "Mon, 01 Jan 2024 00:00:00 GMT"), Some(1));
        assert_eq!(
            after("Mon, 01 Jan 2024 00:00:00 GMT", "Wed, 01 Jan 2025 00:00:00 GMT"),
            Some(366 * 86_400)
        );
        // 2000 is a leap year, 2100 is not.
        let day = |year: u32| format!("Xxx, 01 Jan {year} 00:00:00 GMT");
        for (from, to, days) in
            [(1999, 2001, 731), (2000, 2100, 36_525), (2100, 2200, 36_524), (1999, 2401, 146_828)]
        {
            assert_eq!(after(&day(from), &day(to)), Some(days * 86_400), "{from} to {to}");
        }
    }

    #[test]
    fn months_follow_each_other() {
        let lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let first = |month: usize, year: u32| {
            let month = alloc::string::String::from_utf8_lossy(&MONTHS[month % 12]).into_owned();
            date(format!("Xxx, 01 {month} {year} 00:00:00 GMT").as_bytes()).unwrap()
        };
        for (month, days) in lengths.into_iter().enumerate() {
            let next_year = 2023 + u32::from(month == 11);
            assert_eq!(first(month + 1, next_year) - first(month, 2023), days * 86_400, "month {month}");
        }
    }

    #[test]
    fn anything_else_says_nothing() {
        for headers in [
            "",
            "Retry-After:\r\n",
            "Retry-After: -1\r\n",
            "Retry-After: 1.5\r\n",
            "Retry-After: soon\r\n",
            "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
            "Date: now\r\nRetry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
            "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sunday, 06-Nov-94 08:49:37 GMT\r\n",
            "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:49:3x GMT\r\n",
            "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sun, 06 Xxx 1994 08:49:37 GMT\r\n",
            "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sat, 01 Jan 0000 00:00:00 GMT\r\n",
        ] {
            assert_eq!(retry_after(headers), None, "{headers}");
        }
    }
}
