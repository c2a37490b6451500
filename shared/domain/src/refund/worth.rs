//! In what the number of an issued reward is owed, or charged.

use crate::money::{BASIS_POINTS_WHOLE, Money, Unit};
use crate::reward::{Discount, Reward, RewardState, RewardValue};

/// What an issued reward's number comes to: so much of a unit, rounded down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Worth {
    /// In what.
    pub unit: Unit,
    /// So much of it…
    pub of: i64,
    /// …for so much of the number, at least 1.
    pub per: i64,
}

impl Worth {
    /// What a number comes to, rounded down. Going from number to number by differences of this adds
    /// up exactly.
    #[must_use]
    pub fn at(self, number: i64) -> i64 {
        let exact = i128::from(self.of)
            .saturating_mul(i128::from(number))
            .checked_div_euclid(i128::from(self.per.max(1)));
        exact.map_or(0, |exact| i64::try_from(exact).unwrap_or(i64::MAX))
    }
}

/// Whether a reward was used when it stood issued last, also if it was taken back since.
#[must_use]
pub fn was_used(reward: &Reward) -> bool {
    match reward.state {
        RewardState::Redeemed => true,
        RewardState::ClawedBack => {
            let mut states = reward.history.iter().rev().map(|step| step.to);
            let before = states.find(|state| *state != RewardState::ClawedBack);
            before == Some(RewardState::Redeemed)
        }
        RewardState::Pending
        | RewardState::Approved
        | RewardState::Issued
        | RewardState::Rejected
        | RewardState::Cancelled
        | RewardState::Failed
        | RewardState::Expired => false,
    }
}

/// What the number of a reward comes to once it is issued. Cash and points are owed as they are, and
/// so are pieces of a product whose voucher is not used; an unused discount is worth nothing yet.
///
/// A used voucher is worth money: a discount by amount that amount; a discount by share the share of
/// `used_on`, the amount that it was taken off; pieces `unit_cost` each. Where that is not known:
/// pieces are worth themselves, a discount by share `unit_cost`, or nothing. A discount that was given
/// before paying is worth nothing by itself: what goes back of its order is the reduced price.
#[must_use]
pub fn worth(reward: &Reward, used_on: Option<Money>, unit_cost: Option<Money>) -> Option<Worth> {
    let money = |money: Money, per: i64| Worth {
        unit: Unit::Currency(money.currency),
        of: money.minor,
        per,
    };
    let itself = |unit| Worth {
        unit,
        of: 1,
        per: 1,
    };
    let used = was_used(reward);
    match reward.original {
        RewardValue::Cash(cash) => Some(itself(Unit::Currency(cash.currency))),
        RewardValue::Points(_) => Some(itself(Unit::Points)),
        RewardValue::FreeProduct { sku, .. } => match unit_cost.filter(|_| used) {
            Some(cost) => Some(money(cost, 1)),
            None => Some(itself(Unit::Items(sku))),
        },
        RewardValue::Discount(_) if !used || reward.was_offered() => None,
        RewardValue::Discount(Discount::Amount(off)) => Some(itself(Unit::Currency(off.currency))),
        RewardValue::Discount(Discount::BasisPoints(share)) => match (used_on, unit_cost) {
            (Some(price), _) => Some(money(price, i64::from(BASIS_POINTS_WHOLE))),
            (None, Some(cost)) => Some(money(cost, i64::from(share))),
            (None, None) => None,
        },
    }
}
