//! Clicks: one visitor, one code, one hour, one click.

use jiff::{SignedDuration, Timestamp};

use crate::code::ReferralCode;
use crate::id::{ClickId, ProgramId};
use crate::signed::hmac_sha256;

/// How long a visitor hash can be made again: its random day key is deleted after this.
pub const DAY_KEY_LIFE: SignedDuration = SignedDuration::from_hours(48);
/// How long a click is kept.
pub const CLICK_LIFE: SignedDuration = SignedDuration::from_hours(35 * 24);

const HOUR_SECONDS: i64 = 3_600;

/// A visitor, for as long as the day key lives: HMAC-SHA256 of address and user agent. Without the
/// key it cannot be made again, nor searched by trying every address.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VisitorHash([u8; 32]);

impl VisitorHash {
    /// The visitor behind an address and a user agent, under the key of the day.
    #[must_use]
    pub fn of(day_key: &[u8], address: &str, user_agent: &str) -> Self {
        Self(hmac_sha256(
            day_key,
            &[address.as_bytes(), &[0], user_agent.as_bytes()],
        ))
    }

    /// The hash, to derive ids from. It is kept nowhere.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The start of the hour, which every click of it shares.
#[must_use]
pub fn hour_of(at: Timestamp) -> Timestamp {
    let second = at.as_second();
    let into = second.rem_euclid(HOUR_SECONDS);
    Timestamp::from_second(second.saturating_sub(into)).unwrap_or(at)
}

/// The id of a click: the same for the same visitor, code and hour, so that one conditional write
/// is both the record and the exact removal of duplicates.
#[must_use]
pub fn click_id(
    program: ProgramId,
    code: &ReferralCode,
    visitor: VisitorHash,
    at: Timestamp,
) -> ClickId {
    ClickId::derived(
        hour_of(at),
        &[&program.to_bytes(), code.folded().as_bytes(), &visitor.0],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_visitor_code_and_hour_make_one_click() {
        let program = ProgramId::new(Timestamp::UNIX_EPOCH, [1; 10]);
        let code = |text: &str| text.parse::<ReferralCode>().unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let ann = VisitorHash::of(b"key", "203.0.113.9", "Firefox");
        let id = |code_text: &str, visitor, time: &str| {
            click_id(program, &code(code_text), visitor, at(time))
        };
        let one = id("ANN-BAKES", ann, "2026-03-01T12:00:00Z");
        assert_eq!(one, id("ann-bakes", ann, "2026-03-01T12:59:59Z"));
        assert_eq!(one.at(), at("2026-03-01T12:00:00Z"));
        assert_ne!(one, id("ANN-BAKES", ann, "2026-03-01T13:00:00Z"));
        assert_ne!(one, id("BOB", ann, "2026-03-01T12:00:00Z"));
        assert_ne!(
            one,
            id(
                "ANN-BAKES",
                VisitorHash::of(b"next day", "203.0.113.9", "Firefox"),
                "2026-03-01T12:00:00Z"
            )
        );
    }

    /// `("1", "2 3")` and `("1 2", "3")` are different visitors.
    #[test]
    fn address_and_user_agent_do_not_run_together() {
        assert!(VisitorHash::of(b"key", "1", "23") != VisitorHash::of(b"key", "12", "3"));
    }
}
