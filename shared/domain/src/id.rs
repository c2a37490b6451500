//! Typed identifiers: a kind prefix and 26 characters that sort by time.
//!
//! The 128 bits are laid out as in the ULID specification (48 bits of Unix milliseconds, 80 bits
//! that tell ids of one millisecond apart) and printed in Crockford's base 32, in lower case. The
//! 80 bits are random for what is created, and a digest for what is derived: a derived id makes
//! the same decision, repeated, name the same thing.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const DIGITS: usize = 26;
const MILLISECOND_BITS: u32 = 48;
const TAIL_BITS: u32 = 80;

/// What an id names: its prefix.
pub trait Kind: 'static {
    /// Three lower-case letters, printed before an underscore.
    const PREFIX: &'static str;
    /// The name of the type of id.
    const NAME: &'static str;
    /// What it names, in a sentence.
    const ABOUT: &'static str;
}

/// An identifier of one kind.
pub struct Id<K: Kind> {
    bits: u128,
    kind: PhantomData<fn() -> K>,
}

/// The text is not an id of the kind asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id of this kind")]
pub struct MalformedId;

impl<K: Kind> Id<K> {
    /// A new id: the time it is made at and ten random bytes.
    #[must_use]
    pub fn new(at: Timestamp, random: [u8; 10]) -> Self {
        Self::from_parts(at, random)
    }

    /// The id that these parts always have, so that a repeated decision names the same thing. The
    /// parts are digested with their lengths, so that no two lists of parts collide.
    #[must_use]
    pub fn derived(at: Timestamp, parts: &[&[u8]]) -> Self {
        let mut digest = Sha256::new();
        digest.update(K::PREFIX.as_bytes());
        for part in parts {
            digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            digest.update(part);
        }
        let mut tail = [0; 10];
        for (to, from) in tail.iter_mut().zip(digest.finalize()) {
            *to = from;
        }
        Self::from_parts(at, tail)
    }

    /// The smallest id of an instant: the bound of a range of time.
    #[must_use]
    pub fn floor_of(at: Timestamp) -> Self {
        Self::from_parts(at, [0; 10])
    }

    /// The instant in the id, to the millisecond.
    #[must_use]
    pub fn at(self) -> Timestamp {
        let milliseconds = i64::try_from(self.bits >> TAIL_BITS).unwrap_or(i64::MAX);
        Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::MAX)
    }

    /// The id as bytes, for tokens.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.bits.to_be_bytes()
    }

    /// An id from the bytes of [`Self::to_bytes`].
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self::from_bits(u128::from_be_bytes(bytes))
    }

    fn from_parts(at: Timestamp, tail: [u8; 10]) -> Self {
        // Before 1970 and after the year 10889 no program runs; such instants meet at the ends.
        let milliseconds = u128::try_from(at.as_millisecond()).unwrap_or(0);
        let milliseconds = milliseconds.min((1 << MILLISECOND_BITS) - 1);
        let mut low = [0; 16];
        for (to, from) in low.iter_mut().skip(6).zip(tail) {
            *to = from;
        }
        Self::from_bits((milliseconds << TAIL_BITS) | u128::from_be_bytes(low))
    }

    fn from_bits(bits: u128) -> Self {
        Self {
            bits,
            kind: PhantomData,
        }
    }
}

impl<K: Kind> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; DIGITS];
        let mut rest = self.bits;
        for digit in digits.iter_mut().rev() {
            let index = usize::try_from(rest & 31).unwrap_or(0);
            *digit = ALPHABET.get(index).copied().unwrap_or(b'0');
            rest >>= 5;
        }
        f.write_str(K::PREFIX)?;
        f.write_str("_")?;
        f.write_str(std::str::from_utf8(&digits).unwrap_or_default())
    }
}

impl<K: Kind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<K: Kind> FromStr for Id<K> {
    type Err = MalformedId;

    fn from_str(text: &str) -> Result<Self, MalformedId> {
        let digits = text
            .strip_prefix(K::PREFIX)
            .and_then(|rest| rest.strip_prefix('_'))
            .filter(|digits| digits.len() == DIGITS)
            .ok_or(MalformedId)?;
        let mut bits: u128 = 0;
        for (place, digit) in digits.bytes().enumerate() {
            let value = ALPHABET
                .iter()
                .position(|&known| known == digit)
                .ok_or(MalformedId)?;
            // 26 digits hold 130 bits: the first one may use three of its five.
            if place == 0 && value > 7 {
                return Err(MalformedId);
            }
            bits = (bits << 5) | u128::try_from(value).map_err(|_| MalformedId)?;
        }
        Ok(Self::from_bits(bits))
    }
}

impl<K: Kind> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K: Kind> Copy for Id<K> {}
impl<K: Kind> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.bits == other.bits
    }
}
impl<K: Kind> Eq for Id<K> {}
impl<K: Kind> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<K: Kind> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.bits.cmp(&other.bits)
    }
}
impl<K: Kind> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bits.hash(state);
    }
}

macro_rules! kinds {
    ($($(#[doc = $about:literal])* $kind:ident $alias:ident $prefix:literal;)*) => {$(
        $(#[doc = $about])*
        #[derive(Debug)]
        pub enum $kind {}
        impl Kind for $kind {
            const PREFIX: &'static str = $prefix;
            const NAME: &'static str = stringify!($alias);
            const ABOUT: &'static str = concat!($($about),*);
        }
        $(#[doc = $about])*
        pub type $alias = Id<$kind>;
    )*};
}

kinds! {
    /// One merchant's set of rules: the tenant.
    ProgramKind ProgramId "prg";
    /// One person in one program: a referrer, a referee, or both.
    ParticipantKind ParticipantId "par";
    /// One visit through a link.
    ClickKind ClickId "clk";
    /// The bond of a referee to a referrer.
    ReferralKind ReferralId "rfl";
    /// A qualifying act of a referee.
    ConversionKind ConversionId "cnv";
    /// What one party earns for one conversion.
    RewardKind RewardId "rwd";
    /// What is taken back of a conversion.
    RefundKind RefundId "rfd";
    /// What a friend is offered before paying.
    OfferKind OfferId "off";
    /// One run of paying out.
    PayoutKind PayoutId "pay";
    /// One spending of points.
    RedemptionKind RedemptionId "rdm";
    /// Two participants becoming one.
    MergeKind MergeId "mrg";
    /// One survey, sent to one person.
    SurveyKind SurveyId "srv";
    /// One ledger entry.
    LedgerKind LedgerId "led";
    /// One event.
    EventKind EventId "evt";
    /// One API key.
    ApiKeyKind ApiKeyId "key";
    /// One entry of the audit log.
    AuditKind AuditId "aud";
    /// One endpoint of webhooks.
    WebhookKind WebhookId "whk";
    /// One event on its way to one endpoint.
    DeliveryKind DeliveryId "dlv";
    /// One shop system that tells of orders.
    OrderSourceKind OrderSourceId "src";
    /// One event of an order source that was not recorded.
    OrderDeliveryKind OrderDeliveryId "odl";
    /// One mail.
    MailKind MailId "eml";
    /// One request.
    RequestKind RequestId "req";
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_id_reads_back_and_sorts_by_time(
            early in 0i64..4_000_000_000_000, step in 1i64..1_000_000, tail: [u8; 10], other: [u8; 10],
        ) {
            let at = Timestamp::from_millisecond(early).unwrap_or_default();
            let later = Timestamp::from_millisecond(early.saturating_add(step)).unwrap_or_default();
            let id = RewardId::new(at, tail);
            let next = RewardId::new(later, other);
            prop_assert_eq!(id.to_string().parse(), Ok(id));
            prop_assert_eq!(RewardId::from_bytes(id.to_bytes()), id);
            prop_assert_eq!(id.at(), at);
            prop_assert!(id.to_string() < next.to_string());
            prop_assert!(id.to_string().len() <= 64);
        }
    }

    #[test]
    fn another_kind_or_spelling_is_refused() {
        let id = RewardId::floor_of(Timestamp::UNIX_EPOCH).to_string();
        assert_eq!(id, "rwd_00000000000000000000000000");
        for bad in [
            "",
            "rwd_",
            "rwd_0",
            &id.to_uppercase(),
            &format!("{id}0"),
            "cnv_00000000000000000000000000",
            "rwd_80000000000000000000000000",
            "rwd_0000000000000000000000000u",
            "rwd_0000000000000000000000000é",
        ] {
            assert_eq!(bad.parse::<RewardId>(), Err(MalformedId), "{bad}");
        }
    }

    /// `["ab", "c"]` and `["a", "bc"]` are different decisions.
    #[test]
    fn derived_ids_keep_the_borders_between_parts() {
        let at = Timestamp::UNIX_EPOCH;
        assert_eq!(
            RewardId::derived(at, &[b"ab", b"c"]),
            RewardId::derived(at, &[b"ab", b"c"])
        );
        assert_ne!(
            RewardId::derived(at, &[b"ab", b"c"]),
            RewardId::derived(at, &[b"a", b"bc"])
        );
    }
}
