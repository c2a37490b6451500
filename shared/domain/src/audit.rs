//! The audit log: what kinds of objects it speaks of.

use std::fmt;
use std::str::FromStr;

use crate::id::{ApiKeyId, OrderSourceId};
use crate::words::words;

words! {
    /// What was changed.
    pub enum ObjectKind {
        /// A program's settings.
        Program = "program",
        /// An API key.
        Key = "key",
        /// A participant, with their codes.
        Participant = "participant",
        /// The merge of two participants.
        Merge = "merge",
        /// A conversion.
        Conversion = "conversion",
        /// A refund.
        Refund = "refund",
        /// A reward.
        Reward = "reward",
        /// A spending of points.
        Redemption = "redemption",
        /// A payout.
        Payout = "payout",
        /// What a payout pays one participant.
        PayoutLine = "payout_line",
        /// The owner's own voucher codes for an incentive.
        VoucherList = "voucher_list",
        /// The clock of a test program.
        TestClock = "test_clock",
        /// An endpoint of webhooks.
        Webhook = "webhook",
        /// What happened, told again to endpoints of webhooks.
        Event = "event",
        /// A shop system that tells of orders.
        OrderSource = "order_source",
        /// Work that was given up on.
        ParkedWork = "parked_work",
    }
}

/// The most characters of what names an object.
pub const OBJECT_CHARS_MAX: usize = 64;

/// What names an object: its id, or the short name that the owner gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectName(String);

/// The text names no object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {OBJECT_CHARS_MAX} letters, digits, '-' or '_'")]
pub struct BadObjectName;

impl ObjectName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ObjectName {
    type Err = BadObjectName;

    fn from_str(text: &str) -> Result<Self, BadObjectName> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let good = (1..=OBJECT_CHARS_MAX).contains(&text.len()) && text.bytes().all(plain);
        good.then(|| Self(text.to_owned())).ok_or(BadObjectName)
    }
}

/// Who acted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// Whoever has the operator's own key.
    Operator,
    /// Whoever has this key.
    Key(ApiKeyId),
    /// A shop system, by its own webhook.
    Source(OrderSourceId),
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator => f.write_str("operator"),
            Self::Key(key) => key.fmt(f),
            Self::Source(source) => source.fmt(f),
        }
    }
}

/// The text names nobody who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be `operator` or the id of a key or of an order source")]
pub struct BadActor;

impl FromStr for Actor {
    type Err = BadActor;

    fn from_str(text: &str) -> Result<Self, BadActor> {
        match text {
            "operator" => Ok(Self::Operator),
            id => (id.parse().map(Self::Key))
                .or_else(|_| id.parse().map(Self::Source))
                .map_err(|_| BadActor),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_actors_read_back() {
        let key = ApiKeyId::new(jiff::Timestamp::UNIX_EPOCH, [7; 10]);
        let source = OrderSourceId::new(jiff::Timestamp::UNIX_EPOCH, [7; 10]);
        for actor in [Actor::Operator, Actor::Key(key), Actor::Source(source)] {
            assert_eq!(actor.to_string().parse(), Ok(actor));
        }
        for bad in ["", "Operator", "rwd_1"] {
            assert_eq!(bad.parse::<Actor>(), Err(BadActor), "{bad}");
        }
        assert_eq!(
            "thank-you".parse::<ObjectName>().map(|name| name.0),
            Ok("thank-you".to_owned())
        );
        for bad in ["", "a#b", "ann@example.com", &"a".repeat(65)] {
            assert_eq!(bad.parse::<ObjectName>(), Err(BadObjectName), "{bad}");
        }
    }
}
