//! Refunds: what the shop gave back, and what that takes back from the rewards.
//!
//! [`kept`] says how much of a reward stays, from all refunds of its conversion together, and
//! [`adjust`] brings a reward there, whichever way: taking back and giving back are one rule.
//! Applying a refund twice therefore changes nothing, and refunds that add up to the whole take back
//! exactly the whole, in whatever parts and in whatever order they come.

mod adjust;
mod worth;

use jiff::Timestamp;

pub use adjust::{Adjusted, Counted, adjust};
pub use worth::{Worth, was_used, worth};

use crate::audit::Actor;
use crate::conversion::Conversion;
use crate::id::{ConversionId, ProgramId, RefundId, RewardId};
use crate::incentive::OnRefund;
use crate::money::Money;
use crate::reward::{Reward, RewardState, RewardValue};
use crate::text::{EventName, ExternalId};
use crate::words::words;

/// The most refunds of one conversion.
pub const REFUNDS_MAX: usize = 100;
/// The most refunds that wait for one conversion: they are applied in the transaction that records it.
pub const WAITING_MAX: usize = 10;

/// The counter of a referee's qualified conversions of any event; never lowered.
pub const QUALIFIED: &str = "qualified";
/// The counter of those of a referee's qualified conversions of which nothing is left.
pub const REFUNDED: &str = "refunded";
/// The counter of a referrer's referees of whose qualified conversions nothing is left.
pub const REFEREES_LOST: &str = "referees_lost";

words! {
    /// Why something was refunded, as the shop says.
    pub enum RefundReason {
        /// The customer sent it back.
        Refund = "refund",
        /// The customer's bank took the money back.
        Chargeback = "chargeback",
        /// The order was cancelled.
        Cancellation = "cancellation",
        /// The amount was wrong.
        Correction = "correction",
    }
}

words! {
    /// Where a refund is.
    pub enum RefundState {
        /// It has taken back what it takes back.
        Applied = "applied",
        /// The conversion is not known yet.
        WaitingForConversion = "waiting_for_conversion",
        /// It was undone, or will never apply.
        Reversed = "reversed",
    }
}

/// A reward as it was before a change, or is after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RewardThen {
    /// Where it was.
    pub state: RewardState,
    /// What it was worth.
    pub value: RewardValue,
}

impl From<&Reward> for RewardThen {
    fn from(reward: &Reward) -> Self {
        Self {
            state: reward.state,
            value: reward.value,
        }
    }
}

/// What a refund, or its reversal, did to one reward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RewardChange {
    /// The reward.
    pub reward_id: RewardId,
    /// What it was before.
    pub before: RewardThen,
    /// What it became.
    pub after: RewardThen,
}

/// A refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// Its id.
    pub id: RefundId,
    /// The program.
    pub program: ProgramId,
    /// The event of the conversion that was refunded.
    pub event: EventName,
    /// The shop's own name of that conversion.
    pub order: ExternalId,
    /// The conversion, once it is known.
    pub conversion_id: Option<ConversionId>,
    /// The shop's own name of the refund, unique within the order.
    pub external_id: ExternalId,
    /// How much, as the shop said; everything that is left unless it did.
    pub said: Option<Money>,
    /// How much it took off the conversion; `None` while it waits, and if the conversion has no amount.
    pub amount: Option<Money>,
    /// Why.
    pub reason: RefundReason,
    /// Where it is.
    pub state: RefundState,
    /// What it did to the rewards.
    pub changes: Vec<RewardChange>,
    /// What its reversal did to them.
    pub restored: Vec<RewardChange>,
    /// When it was recorded, on the program's clock.
    pub created_at: Timestamp,
    /// Who recorded it; `None` where that was not kept yet.
    pub recorded_by: Option<Actor>,
    /// Counts writes; guards every change.
    pub version: u64,
}

impl Refund {
    /// Where a repetition differs, as JSON pointers into the request.
    #[must_use]
    pub fn differences(&self, said: Option<Money>, reason: RefundReason) -> Vec<&'static str> {
        let parts = [
            ("/amount", self.said != said),
            ("/reason", self.reason != reason),
        ];
        let differs = |(pointer, differs): (_, bool)| differs.then_some(pointer);
        parts.into_iter().filter_map(differs).collect()
    }
}

/// What is left of a conversion after its refunds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remains {
    /// All of it.
    Everything,
    /// A part: more than nothing was refunded, and less than the whole.
    Part {
        /// How much was refunded.
        refunded: i64,
        /// Of how much.
        amount: i64,
    },
    /// Nothing: all of the amount was refunded, or there was none and something was.
    Nothing,
}

impl Remains {
    /// What is left of a conversion.
    #[must_use]
    pub fn of(conversion: &Conversion) -> Self {
        let amount = conversion.content.amount.map_or(0, |amount| amount.minor);
        let refunded = conversion.refunded;
        if conversion.refunded_whole {
            Self::Nothing
        } else if refunded <= 0 {
            Self::Everything
        } else if refunded >= amount {
            Self::Nothing
        } else {
            Self::Part { refunded, amount }
        }
    }
}

/// How much of a conversion is left, in money.
#[must_use]
pub fn remaining(conversion: &Conversion) -> Option<Money> {
    let amount = conversion.content.amount?;
    let left = amount.minor.saturating_sub(conversion.refunded);
    Some(Money::new(left, amount.currency))
}

/// How much of a reward's number stays. `minimum_met`: whether what is left of the conversion is as
/// much as the rule asks for.
///
/// Proportional, rounded down, cumulative: what is taken back is
/// `floor(original × refunded / amount)` over all refunds together, so it never is more than the
/// refunded share, less than one part short of it, and the whole once everything is refunded.
#[must_use]
pub fn kept(original: i64, policy: OnRefund, remains: Remains, minimum_met: bool) -> i64 {
    let (refunded, amount) = match remains {
        Remains::Everything => return original,
        Remains::Part { refunded, amount } => (refunded, amount),
        Remains::Nothing => (1, 1),
    };
    match policy {
        OnRefund::Keep => original,
        OnRefund::Proportional | OnRefund::KeepWhileConditionsHold if !minimum_met => 0,
        OnRefund::KeepWhileConditionsHold if refunded < amount => original,
        OnRefund::KeepWhileConditionsHold => 0,
        OnRefund::Proportional => {
            let taken = i128::from(original)
                .saturating_mul(i128::from(refunded))
                .checked_div_euclid(i128::from(amount));
            // An amount of nothing is refunded whole.
            let taken = taken.map_or(original, |taken| i64::try_from(taken).unwrap_or(original));
            original.saturating_sub(taken)
        }
    }
}

/// Why a refund is not possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RefundError {
    /// More than is left.
    #[error("more than is left of the conversion")]
    Exceeds {
        /// What is left, if the conversion has an amount.
        left: Option<Money>,
    },
    /// The conversion is in another currency.
    #[error("must be in the conversion's currency")]
    OtherCurrency,
    /// The conversion has no amount.
    #[error("the conversion has no amount, so it can only be refunded whole")]
    NoAmount,
}

impl Conversion {
    /// How much a refund takes off: what the caller said, or everything that is left.
    ///
    /// # Errors
    /// [`RefundError`].
    pub fn refundable(&self, said: Option<Money>) -> Result<Option<Money>, RefundError> {
        let left = remaining(self);
        let whole = left.filter(|left| left.minor > 0);
        match (said, left) {
            (Some(_), None) => Err(RefundError::NoAmount),
            (Some(said), Some(left)) if said.currency != left.currency => {
                Err(RefundError::OtherCurrency)
            }
            (Some(said), Some(left)) if said.minor > left.minor => {
                Err(RefundError::Exceeds { left: Some(left) })
            }
            (Some(said), Some(_)) => Ok(Some(said)),
            (None, _) if self.refunded_whole => Err(RefundError::Exceeds { left }),
            (None, _) => Ok(whole.or(left)),
        }
    }

    /// As [`Self::refundable`], told by somebody who only tells what has happened: more than is left takes what is left,
    /// as long as anything is. A shop refunds shipping too, which the conversion's amount may leave out.
    ///
    /// # Errors
    /// [`RefundError`].
    pub fn refundable_at_most(&self, said: Option<Money>) -> Result<Option<Money>, RefundError> {
        match self.refundable(said) {
            Err(RefundError::Exceeds { left: Some(left) }) if left.minor > 0 => Ok(Some(left)),
            refundable => refundable,
        }
    }

    /// How much a refund takes off that came before its conversion, when nobody is there any more to
    /// be refused: never more than is left, and nothing of another currency. A conversion without an
    /// amount is refunded whole, whatever was said.
    #[must_use]
    pub fn refundable_on_arrival(&self, said: Option<Money>) -> Option<Money> {
        let left = remaining(self)?;
        match said {
            None => Some(left),
            Some(said) if said.currency == left.currency => {
                Some(Money::new(said.minor.min(left.minor), left.currency))
            }
            Some(_) => Some(Money::zero(left.currency)),
        }
    }

    /// Takes a refund off. The version is the caller's to raise.
    pub fn refund(&mut self, id: RefundId, amount: Option<Money>) {
        self.refund_ids.push(id);
        self.refunded = self
            .refunded
            .saturating_add(amount.map_or(0, |amount| amount.minor));
        self.refunded_whole = match self.content.amount {
            // Nothing at all was taken off, which leaves it as it is.
            Some(whole) if whole.minor > 0 => self.refunded >= whole.minor,
            Some(_) | None => true,
        };
    }

    /// Undoes a refund that was taken off.
    pub fn unrefund(&mut self, amount: Option<Money>, others: bool) {
        self.refunded = self
            .refunded
            .saturating_sub(amount.map_or(0, |amount| amount.minor));
        self.refunded_whole = match self.content.amount {
            Some(whole) if whole.minor > 0 => self.refunded >= whole.minor,
            // What has no amount is refunded as long as any of its refunds stands.
            Some(_) | None => others,
        };
    }
}

#[cfg(test)]
mod tests;
