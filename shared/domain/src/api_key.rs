//! API keys: their form, what they may do, and how a secret is checked.

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::id::{ApiKeyId, ProgramId};
use crate::mode::Mode;
use crate::words::words;

/// What a publishable key starts with, before its mode; a secret key starts with `kith_`.
const PUBLISHABLE_MARK: &str = "pub_";
const MARK: &str = "kith_";
/// A presented key that is longer is not a key.
pub const KEY_CHARS_MAX: usize = 512;
/// The furthest ahead that a key's end may lie.
pub const LIFE_MAX: SignedDuration = SignedDuration::from_hours(24 * 3_660);
/// How many hours a key that was replaced goes on for, unless somebody says so.
pub const OVERLAP_HOURS_DEFAULT: u16 = 24;
/// The most hours that a key and its successor may both be good.
pub const OVERLAP_HOURS_MAX: u16 = 720;
/// Operator keys come from configuration and have at least this many characters.
pub const OPERATOR_KEY_CHARS_MIN: usize = 32;

words! {
    /// What a key may do.
    pub enum Scope {
        /// Read programs.
        ProgramsRead = "programs:read",
        /// Make and change programs.
        ProgramsWrite = "programs:write",
        /// Read participants, codes, balances.
        ParticipantsRead = "participants:read",
        /// Make and change participants and codes.
        ParticipantsWrite = "participants:write",
        /// Read conversions and referrals.
        ConversionsRead = "conversions:read",
        /// Record conversions and attribute them.
        ConversionsWrite = "conversions:write",
        /// Record refunds.
        RefundsWrite = "refunds:write",
        /// Read rewards.
        RewardsRead = "rewards:read",
        /// Approve, reject, cancel, redeem, retry, grant.
        RewardsWrite = "rewards:write",
        /// Read payouts and the ledger.
        PayoutsRead = "payouts:read",
        /// Make and settle payouts.
        PayoutsWrite = "payouts:write",
        /// Read surveys, answers and NPS.
        SurveysRead = "surveys:read",
        /// Read numbers.
        KpisRead = "kpis:read",
        /// Read events.
        EventsRead = "events:read",
        /// Manage webhook endpoints.
        WebhooksWrite = "webhooks:write",
        /// Make and revoke keys.
        KeysWrite = "keys:write",
        /// Read the audit log.
        AuditRead = "audit:read",
        /// Export and erase.
        PrivacyWrite = "privacy:write",
        /// Record clicks and make offers: all that a publishable key may do.
        Clicks = "clicks:write",
    }
}

words! {
    /// Where a key is in its life.
    pub enum KeyState {
        /// Whoever presents it passes.
        Active = "active",
        /// Its time is over.
        Expired = "expired",
        /// It was taken back.
        Revoked = "revoked",
    }
}

/// What ends a key, in real time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyLife {
    /// From when on it is good no more.
    pub ends_at: Option<Timestamp>,
    /// When it was taken back.
    pub revoked_at: Option<Timestamp>,
    /// The key that took its place.
    pub replaced_by: Option<ApiKeyId>,
}

/// Why a key gets no successor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotRotatable {
    /// It is good no more.
    #[error("The key is {0}: make a new one.")]
    Ended(KeyState),
    /// It has a successor.
    #[error("The key was replaced by {0}: rotate that one.")]
    Replaced(ApiKeyId),
}

impl KeyLife {
    /// Where a key is in its life. Taken back goes before everything.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> KeyState {
        if self.revoked_at.is_some() {
            KeyState::Revoked
        } else if self.ends_at.is_some_and(|end| end <= now) {
            KeyState::Expired
        } else {
            KeyState::Active
        }
    }

    /// When a key ends that gets a successor now: after the overlap, unless its time is over
    /// before.
    ///
    /// # Errors
    /// [`NotRotatable`].
    pub fn replaced(&self, now: Timestamp, overlap_hours: u16) -> Result<Timestamp, NotRotatable> {
        match (self.state(now), self.replaced_by) {
            (KeyState::Active, None) => {}
            (KeyState::Active, Some(successor)) => return Err(NotRotatable::Replaced(successor)),
            (ended @ (KeyState::Expired | KeyState::Revoked), _) => {
                return Err(NotRotatable::Ended(ended));
            }
        }
        let overlap = SignedDuration::from_hours(i64::from(overlap_hours.min(OVERLAP_HOURS_MAX)));
        let end = now.checked_add(overlap).unwrap_or(Timestamp::MAX);
        Ok(self.ends_at.map_or(end, |before| before.min(end)))
    }

    /// When the successor of a key ends that was made for a time: after as long a time.
    #[must_use]
    pub fn successor_ends_at(&self, made_at: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let life = self.ends_at?.duration_since(made_at);
        Some(now.checked_add(life).unwrap_or(Timestamp::MAX))
    }
}

/// SHA-256 of a whole key: what is stored. A key holds enough random bits for a fast hash.
#[derive(Debug, Clone, Copy)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// The hash of a key as presented.
    #[must_use]
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }

    /// The stored form.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// For storing.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 32] {
        self.0
    }

    /// Whether two keys are the same, in a time that does not tell where they differ.
    #[must_use]
    pub fn matches(self, other: Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// A presented key that has the form of one made by the API.
#[derive(Debug, Clone, Copy)]
pub struct PresentedKey {
    /// The key's own id, by which it is looked up.
    pub id: ApiKeyId,
    /// The mode it claims.
    pub mode: Mode,
    /// Whether it claims to be publishable.
    pub publishable: bool,
    /// The hash of the whole text.
    pub hash: KeyHash,
}

impl PresentedKey {
    /// Reads `kith_{live|test}_{key id}_{secret}` or `kith_pub_{live|test}_{key id}_{secret}`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > KEY_CHARS_MAX {
            return None;
        }
        let rest = text.strip_prefix(MARK)?;
        let (publishable, rest) = match rest.strip_prefix(PUBLISHABLE_MARK) {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let (mode, rest) = rest.split_once('_')?;
        let (id, secret) = rest.rsplit_once('_')?;
        if secret.is_empty() {
            return None;
        }
        Some(Self {
            id: id.parse().ok()?,
            mode: mode.parse().ok()?,
            publishable,
            hash: KeyHash::of(text),
        })
    }
}

/// Writes a new key; `secret` holds at least 128 random bits, as letters and digits.
#[must_use]
pub fn compose(mode: Mode, publishable: bool, id: ApiKeyId, secret: &str) -> String {
    let mark = if publishable { PUBLISHABLE_MARK } else { "" };
    format!("{MARK}{mark}{mode}_{id}_{secret}")
}

/// Whether a configured text can be the operator's key of a mode.
#[must_use]
pub fn is_operator_key(text: &str, mode: Mode) -> bool {
    (OPERATOR_KEY_CHARS_MIN..=KEY_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic())
        && text
            .strip_prefix(MARK)
            .and_then(|rest| rest.strip_prefix(mode.as_str()))
            .is_some_and(|rest| rest.starts_with('_'))
}

/// Whose key it is, once checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The key made by the API; `None` for the operator's configured key.
    pub key: Option<ApiKeyId>,
    /// The only mode it reaches.
    pub mode: Mode,
    /// The only program it reaches; `None` for the operator, who reaches every program of the mode.
    pub program: Option<ProgramId>,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// The most calls a minute that it was given; `None` for as many as every key has.
    pub requests_per_minute: Option<u32>,
}

impl Caller {
    /// The operator's configured key: everything in its mode.
    #[must_use]
    pub fn operator(mode: Mode) -> Self {
        Self {
            key: None,
            mode,
            program: None,
            scopes: Scope::ALL.to_vec(),
            requests_per_minute: None,
        }
    }

    /// Whether the key has a scope.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// Whether the key reaches a program of a mode. What it does not reach does not exist for it.
    #[must_use]
    pub fn reaches(&self, program: ProgramId, mode: Mode) -> bool {
        self.mode == mode && self.program.is_none_or(|own| own == program)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_composed_key_reads_back() {
        let id = ApiKeyId::new(Timestamp::UNIX_EPOCH, [7; 10]);
        for (mode, publishable) in [(Mode::Live, false), (Mode::Test, true)] {
            let text = compose(mode, publishable, id, "Abc123");
            let read = PresentedKey::parse(&text).unwrap();
            assert_eq!(
                (read.id, read.mode, read.publishable),
                (id, mode, publishable)
            );
            assert!(read.hash.matches(KeyHash::of(&text)));
            assert!(!read.hash.matches(KeyHash::of(&format!("{text}x"))));
        }
    }

    #[test]
    fn what_is_not_a_key_is_not_looked_up() {
        for bad in [
            "",
            "kith_live_",
            "kith_live_key_1_x",
            "kith_prod_key_00000000000000000000000000_x",
            "kith_live_key_00000000000000000000000000_",
            "Bearer x",
        ] {
            assert!(PresentedKey::parse(bad).is_none(), "{bad}");
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_key_is_good_until_its_end_or_until_it_is_taken_back() {
        use KeyState::{Active, Expired, Revoked};
        for (ends, revoked, now, expected) in [
            (None, None, 10, Active),
            (Some(11), None, 10, Active),
            (Some(10), None, 10, Expired),
            (None, Some(10), 10, Revoked),
            (Some(5), Some(4), 10, Revoked),
        ] {
            let life = KeyLife {
                ends_at: ends.map(at),
                revoked_at: revoked.map(at),
                replaced_by: None,
            };
            assert_eq!(life.state(at(now)), expected, "{ends:?} {revoked:?}");
        }
    }

    #[test]
    fn a_replaced_key_ends_after_the_overlap_and_never_later_than_before() {
        let hour = 3_600;
        for (ends, overlap, expected) in [
            (None, 24, 24 * hour),
            (None, 0, 0),
            (Some(hour), 24, hour),
            (Some(48 * hour), 24, 24 * hour),
            (None, u16::MAX, i64::from(OVERLAP_HOURS_MAX) * hour),
        ] {
            let life = KeyLife {
                ends_at: ends.map(at),
                ..KeyLife::default()
            };
            assert_eq!(life.replaced(at(0), overlap), Ok(at(expected)));
        }
        let gone = KeyLife {
            revoked_at: Some(at(0)),
            ..KeyLife::default()
        };
        assert_eq!(
            gone.replaced(at(1), 1),
            Err(NotRotatable::Ended(KeyState::Revoked))
        );
        let successor = ApiKeyId::new(at(0), [7; 10]);
        let replaced = KeyLife {
            ends_at: Some(at(hour)),
            revoked_at: None,
            replaced_by: Some(successor),
        };
        assert_eq!(
            replaced.replaced(at(1), 1),
            Err(NotRotatable::Replaced(successor))
        );
        // After its end that counts first: its successor's name helps nobody then.
        assert_eq!(
            replaced.replaced(at(hour), 1),
            Err(NotRotatable::Ended(KeyState::Expired))
        );
        assert_eq!(
            replaced.successor_ends_at(at(0), at(50)),
            Some(at(hour + 50))
        );
        assert_eq!(KeyLife::default().successor_ends_at(at(0), at(50)), None);
    }

    #[test]
    fn an_operator_key_needs_its_mode_and_length() {
        assert!(is_operator_key(
            "kith_live_0123456789012345678901",
            Mode::Live
        ));
        assert!(!is_operator_key(
            "kith_live_0123456789012345678901",
            Mode::Test
        ));
        assert!(!is_operator_key(
            "kith_live_012345678901234567890",
            Mode::Live
        ));
        assert!(!is_operator_key(
            "kith_live_01234567890123456789 1",
            Mode::Live
        ));
    }
}
