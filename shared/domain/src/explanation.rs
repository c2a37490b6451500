//! What was decided, said so that it can be read out to whoever asks: one plain sentence with the
//! facts of the case. Ids, codes, amounts and dates only, never anything about a person.

mod attribution;
mod skipped;
pub mod timeline;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

pub use self::attribution::{attribution, touch};
pub use self::skipped::skipped;

use crate::text::EventName;

/// A day as people write it: 2 March 2026. All days are UTC.
#[must_use]
pub fn day(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%-d %B %Y").to_string()
}

/// A minute as people write it: 2 March 2026 at 14:05 UTC.
#[must_use]
pub fn minute(at: Timestamp) -> String {
    let zoned = at.to_zoned(TimeZone::UTC);
    zoned.strftime("%-d %B %Y at %H:%M UTC").to_string()
}

/// Two instants, by their days; by the minute if that is the same day.
fn apart(one: Timestamp, other: Timestamp) -> (String, String) {
    let (first, second) = (day(one), day(other));
    if first == second {
        (minute(one), minute(other))
    } else {
        (first, second)
    }
}

/// So many of something: 1 day, 2 days.
#[must_use]
pub fn count(number: i64, one: &str) -> String {
    if number == 1 {
        format!("1 {one}")
    } else {
        format!("{number} {one}s")
    }
}

/// A number of times: once, 2 times.
pub(crate) fn times(number: i64) -> String {
    match number {
        1 => "once".to_owned(),
        number => format!("{number} times"),
    }
}

/// How long something took, in its largest unit; a part of a day is said beside days where asked
/// for.
fn span(time: SignedDuration, exact: bool) -> String {
    const HOURS: i64 = 24;
    let hours = time.as_hours();
    let days = hours.checked_div(HOURS).unwrap_or(0);
    let rest = hours.checked_rem(HOURS).unwrap_or(0);
    if days > 0 && exact && rest > 0 {
        format!("{} and {}", count(days, "day"), count(rest, "hour"))
    } else if days > 0 && exact && time > SignedDuration::from_hours(days.saturating_mul(HOURS)) {
        format!("more than {}", count(days, "day"))
    } else if days > 0 {
        count(days, "day")
    } else if hours > 0 {
        count(hours, "hour")
    } else if time.as_mins() > 0 {
        count(time.as_mins(), "minute")
    } else {
        count(time.as_secs(), "second")
    }
}

/// A number in a row: 1st, 2nd, 3rd, 4th.
fn ordinal(number: u64) -> String {
    let tens = number.checked_rem(100).unwrap_or(0);
    let suffix = match number.checked_rem(10).unwrap_or(0) {
        1 if tens != 11 => "st",
        2 if tens != 12 => "nd",
        3 if tens != 13 => "rd",
        _ => "th",
    };
    format!("{number}{suffix}")
}

/// What people call such a conversion.
#[must_use]
pub fn noun(event: &EventName) -> &'static str {
    match event.as_str() {
        EventName::PURCHASE => "order",
        EventName::SIGNUP => "sign-up",
        EventName::LEAD => "lead",
        _ => "conversion",
    }
}

#[cfg(test)]
mod tests;
