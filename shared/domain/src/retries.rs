//! When something that an outside system did not take is tried again: one schedule for events that
//! endpoints are told of and for rewards that a shop carries out.

use jiff::{SignedDuration, Timestamp};

/// How long whoever tries something has for it: longer than a function runs.
pub const LEASE: SignedDuration = SignedDuration::from_secs(60);
/// The longest wait that an endpoint may ask for with `Retry-After`.
pub const RETRY_AFTER_MAX: SignedDuration = SignedDuration::from_hours(24);

/// How long after each failure it is tried again, before jitter: over three days in all. The
/// schedule is that of the Standard Webhooks specification ("Retries"), its first step by the minute.
const STEPS: [SignedDuration; 9] = [
    SignedDuration::from_mins(1),
    SignedDuration::from_mins(5),
    SignedDuration::from_mins(30),
    SignedDuration::from_hours(2),
    SignedDuration::from_hours(5),
    SignedDuration::from_hours(10),
    SignedDuration::from_hours(14),
    SignedDuration::from_hours(20),
    SignedDuration::from_hours(24),
];
/// The shortest time after which something is looked at again that waits for its owner.
const OWNER_WAIT_MIN: SignedDuration = SignedDuration::from_hours(1);
/// The longest.
const OWNER_WAIT_MAX: SignedDuration = SignedDuration::from_hours(5);
/// In between, this part of the time that it has waited already.
const OWNER_WAIT_PART: i32 = 4;
/// Over a part of this those are spread who waited for the same.
const PUT_OFF: SignedDuration = SignedDuration::from_mins(1);
/// How much later than planned something is tried, at most: a part of the wait.
const JITTER_DIVISOR: i64 = 5;

/// When what has failed after so many failures before is tried again, or `None` after the last time.
/// `retry_after` is how long the other side asks to be left alone; `of` are the bytes of the id.
#[must_use]
pub fn next_try(
    of: [u8; 16],
    failed_before: u32,
    retry_after: Option<SignedDuration>,
    now: Timestamp,
) -> Option<Timestamp> {
    let step = usize::try_from(failed_before).ok();
    let step = *step.and_then(|at| STEPS.get(at))?;
    let planned = step.saturating_add(jitter(of, step, failed_before.saturating_add(1)));
    let asked = retry_after.unwrap_or_default().min(RETRY_AFTER_MAX);
    Some(later(now, planned.max(asked)))
}

/// When something is tried that has to wait for somebody else first, and loses none of its tries.
#[must_use]
pub fn put_off(of: [u8; 16], tries: u32, until: Timestamp) -> Timestamp {
    later(until, jitter(of, PUT_OFF, tries))
}

/// How long it is until something is looked at again that waits for its owner to act, and has waited so
/// long. Whoever was quick is not kept waiting, and thousands that wait for weeks cost little.
#[must_use]
pub fn wait_for_owner(waited: SignedDuration) -> SignedDuration {
    let part = waited.checked_div(OWNER_WAIT_PART).unwrap_or_default();
    part.clamp(OWNER_WAIT_MIN, OWNER_WAIT_MAX)
}

/// A part of a wait, different for each id and each try and yet always the same: what failed
/// together is not tried again together.
fn jitter(of: [u8; 16], wait: SignedDuration, tries: u32) -> SignedDuration {
    let [.., a, b] = of;
    let salt = u32::from(u16::from_be_bytes([a, b])).wrapping_add(tries.wrapping_mul(40_503));
    let part = i64::from(salt % 65_536);
    let most = wait.as_millis().checked_div(i128::from(JITTER_DIVISOR));
    let most = most.and_then(|most| i64::try_from(most).ok()).unwrap_or(0);
    let milliseconds = most.saturating_mul(part).checked_div(65_536).unwrap_or(0);
    SignedDuration::from_millis(milliseconds)
}

pub(crate) fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-03-01T12:00:00Z".parse().unwrap()
    }

    /// Ten tries in all: nine waits, each a fifth longer at most, and none is longer than was asked for.
    #[test]
    fn it_is_tried_again_nine_times() {
        for (failed, step) in STEPS.into_iter().enumerate() {
            let failed = u32::try_from(failed).unwrap();
            let at = next_try([7; 16], failed, None, now()).unwrap();
            let waited = at.duration_since(now());
            assert!(
                waited >= step && waited <= step * 6 / 5,
                "{failed} {waited}"
            );
        }
        assert_eq!(next_try([7; 16], 9, None, now()), None);
        let wish = |wait| {
            let at = next_try([7; 16], 0, Some(wait), now()).unwrap();
            at.duration_since(now())
        };
        let hour = SignedDuration::from_hours(1);
        assert_eq!(wish(hour), hour);
        assert_eq!(wish(SignedDuration::MAX), RETRY_AFTER_MAX);
        assert!(wish(SignedDuration::ZERO) >= SignedDuration::from_mins(1));
    }

    #[test]
    fn who_waits_for_an_owner_is_looked_at_less_and_less_often() {
        let hours = |waited| wait_for_owner(SignedDuration::from_hours(waited)).as_hours();
        assert_eq!([-1, 0, 4, 8, 20, 10_000].map(hours), [1, 1, 1, 2, 5, 5]);
    }

    #[test]
    fn those_who_waited_for_the_same_come_one_after_the_other() {
        let at = |tail| put_off([tail; 16], 0, now());
        assert!(at(1) >= now() && at(1) != at(2));
        assert!(at(255).duration_since(now()) <= SignedDuration::from_secs(12));
    }
}
