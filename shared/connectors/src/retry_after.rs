//! When a receiver wants to be asked again.

use std::time::Duration;

use http::HeaderValue;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::tz::TimeZone;

/// The header `Retry-After` of an answer (RFC 9110, section 10.2.3). As the receiver wrote it: whoever waits sets bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// So long after the answer.
    Seconds(u32),
    /// Not before this moment.
    At(Timestamp),
}

impl RetryAfter {
    /// How long to wait from `now`, which is when the answer came; zero for a moment that has passed.
    #[must_use]
    pub fn wait(self, now: Timestamp) -> Duration {
        match self {
            Self::Seconds(seconds) => Duration::from_secs(seconds.into()),
            Self::At(moment) => Duration::try_from(moment.duration_since(now)).unwrap_or_default(),
        }
    }

    /// Reads seconds, or a date in one of the three forms that RFC 9110 has recipients read. Anything else is no wish.
    #[must_use]
    pub fn read(value: &HeaderValue) -> Option<Self> {
        let text = value.to_str().ok()?.trim();
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            // More than 136 years are as good as 136.
            return Some(Self::Seconds(text.parse().unwrap_or(u32::MAX)));
        }
        let dated = DateTimeParser::new().parse_timestamp(text).ok();
        dated.or_else(|| obsolete_date(text)).map(Self::At)
    }
}

/// The two forms that nobody may write any more: of RFC 850, and of C's `asctime`.
fn obsolete_date(text: &str) -> Option<Timestamp> {
    ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"]
        .iter()
        .find_map(|form| DateTime::strptime(form, text).ok())
        .and_then(|date| date.to_zoned(TimeZone::UTC).ok())
        .map(|date| date.timestamp())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<RetryAfter> {
        RetryAfter::read(&HeaderValue::from_str(text).unwrap())
    }

    #[test]
    fn seconds_and_all_forms_of_dates_are_read() {
        let date = RetryAfter::At(Timestamp::from_second(784_111_777).unwrap());
        for (text, expected) in [
            ("0", Some(RetryAfter::Seconds(0))),
            ("120", Some(RetryAfter::Seconds(120))),
            (" 7 ", Some(RetryAfter::Seconds(7))),
            (
                "99999999999999999999999",
                Some(RetryAfter::Seconds(u32::MAX)),
            ),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(date)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(date)),
            ("Sun Nov  6 08:49:37 1994", Some(date)),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
            ("soon", None),
            ("Mon, 06 Nov 1994 08:49:37 GMT", None),
            ("Sun, 32 Nov 1994 08:49:37 GMT", None),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
        assert_eq!(
            RetryAfter::read(&HeaderValue::from_bytes(b"\xff1").unwrap()),
            None
        );
    }

    #[test]
    fn a_moment_is_waited_for_and_never_backwards() {
        let now = Timestamp::from_second(1_000).unwrap();
        let at = |second| RetryAfter::At(Timestamp::from_second(second).unwrap());
        assert_eq!(at(1_090).wait(now), Duration::from_secs(90));
        assert_eq!(at(999).wait(now), Duration::ZERO);
        assert_eq!(RetryAfter::Seconds(5).wait(now), Duration::from_secs(5));
    }
}
