//! Budgets, spread over several counters so that a program's rewards do not wait for one another.
//!
//! Each shard has its part of the cap, and a reward takes from one shard, or from several in the same
//! transaction, so that nothing of a budget is lost to the parting: whoever sees that enough is left
//! in all of them together gets it. What others take meanwhile is not seen, so every write guards the
//! shards it touches. Why the sum never rises above the cap:
//!
//! - A write never raises a shard above its part, and the parts sum to the cap. As long as no shard
//!   stands above its part, that alone keeps the sum below the cap, whatever the writer saw.
//! - A shard stands above its part only because the cap was lowered (or parted anew) while it stood
//!   there; call it *frozen*. From then on it only falls, by what is given back, until it is at its
//!   part or below. So a shard that is frozen when somebody writes was frozen when they read it, and
//!   whoever saw none may rely on the first point.
//! - Whoever saw a frozen shard takes what is left of the cap in all, and guards every shard: none
//!   stands higher than it was seen, and the one that is taken from last comes to no more than the
//!   cap leaves to it. So the sum after the write is at most the cap, whatever happened in between.
//!   Such writers fill the shards in one order, so that they meet on one guard that bears company
//!   (the shard's own cap) and the others stay as they were seen.
//!
//! Both points need that the cap was read before the shards were, which is how everything is loaded:
//! the program first. A reward judged by an earlier version of the rules, with another cap, keeps to
//! that cap and not to the present one.

use super::Incentive;
use super::RewardRule;
use super::limits::{BudgetWindow, Limit};
use crate::money::Money;
use crate::rates::Rates;

/// The most shards of a budget.
pub const BUDGET_SHARDS_MAX: u8 = 4;
/// From so many rewards on that a budget pays for, it is spread.
const HOT_FROM: i64 = 1_000;
/// What a reward of unknown cost is taken for, in minor units.
const COST_UNKNOWN: i64 = 100;

/// What a reward takes from one shard of a budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetTake {
    /// The budget.
    pub limit: Limit,
    /// The window that it is counted in.
    pub window: String,
    /// The shard.
    pub shard: u8,
    /// How much, in minor units of the budget's currency. Nothing: a guard alone.
    pub amount: i64,
    /// The most that the shard may come to: what was used of it before is at most this less the
    /// amount.
    pub cap: i64,
}

/// Takes a cost from a budget whose shards were seen at `used`, beginning with a shard by `spread`.
/// `None` if not enough is left in all of them together.
#[must_use]
pub fn take_from_budget(
    window: &BudgetWindow,
    used: &[i64],
    cost: i64,
    spread: u64,
) -> Option<Vec<BudgetTake>> {
    let spent = used
        .iter()
        .fold(0_i64, |sum, used| sum.saturating_add(*used));
    if window.cap.minor.saturating_sub(spent) < cost {
        return None;
    }
    let shards: Vec<Shard> = (0..window.shards)
        .zip(used)
        .zip(split_remainder_to_first(window.cap.minor, window.shards))
        .map(|((number, &used), part)| Shard { number, used, part })
        .collect();
    let frozen = shards.iter().any(|shard| shard.used > shard.part);
    let takes = if frozen {
        take_in_order(&shards, window.cap.minor, cost)?
    } else {
        take_anywhere(&shards, cost, spread)?
    };
    let take = |(shard, amount, cap): (u8, i64, i64)| BudgetTake {
        limit: window.limit,
        window: window.window.clone(),
        shard,
        amount,
        cap,
    };
    Some(takes.into_iter().map(take).collect())
}

/// Over how many counters to spread the budgets of an incentive that gets its first one. Where they
/// pay for few rewards, one counter serves them all.
#[must_use]
pub fn shards_for(incentive: &Incentive, rates: &Rates) -> u8 {
    let rewards = |cap: Money| {
        let costs = incentive.rules().map(|rule| {
            let cost = likely_cost(incentive, rule);
            let cost = cost.and_then(|cost| rates.convert(cost, cap.currency));
            cost.map_or(COST_UNKNOWN, |cost| cost.minor.max(1))
        });
        let cost = costs.min().unwrap_or(COST_UNKNOWN);
        cap.minor.checked_div(cost).unwrap_or(0)
    };
    let hot = |cap: Money| rewards(cap) >= HOT_FROM;
    if incentive.limits.budgets().count() > 0 && incentive.limits.budgets().all(hot) {
        BUDGET_SHARDS_MAX
    } else {
        1
    }
}

/// One counter as it was seen.
#[derive(Debug, Clone, Copy)]
struct Shard {
    number: u8,
    used: i64,
    part: i64,
}

impl Shard {
    /// What may still be taken from it.
    fn room(&self) -> i64 {
        self.part.saturating_sub(self.used).max(0)
    }
}

/// From the first shard that has room for all of it, or from as many as it takes: shard, amount, cap.
fn take_anywhere(shards: &[Shard], cost: i64, spread: u64) -> Option<Vec<(u8, i64, i64)>> {
    let start = spread.checked_rem(u64::try_from(shards.len()).ok()?)?;
    let start = usize::try_from(start).ok()?;
    let (before, from) = shards.split_at_checked(start)?;
    let in_order = || from.iter().chain(before);
    if let Some(shard) = in_order().find(|shard| shard.room() >= cost) {
        return Some(vec![(shard.number, cost, shard.part)]);
    }
    let mut missing = cost;
    let mut takes = Vec::new();
    for shard in in_order() {
        let amount = shard.room().min(missing);
        if amount > 0 {
            missing = missing.saturating_sub(amount);
            takes.push((shard.number, amount, shard.part));
        }
    }
    (missing == 0).then_some(takes)
}

/// From the shards in their order, with every one of them guarded: shard, amount, cap.
fn take_in_order(shards: &[Shard], cap: i64, cost: i64) -> Option<Vec<(u8, i64, i64)>> {
    let mut missing = cost;
    let mut takes = Vec::new();
    let mut last = None;
    for (index, shard) in shards.iter().enumerate() {
        let amount = shard.room().min(missing);
        missing = missing.saturating_sub(amount);
        if amount > 0 {
            last = Some((index, shard.part));
        }
        takes.push((shard.number, amount, shard.used.saturating_add(amount)));
    }
    if missing > 0 {
        return None;
    }
    if let Some((last, part)) = last {
        let others = takes.iter().enumerate().filter(|(index, _)| *index != last);
        let others = others.fold(0_i64, |sum, (_, (_, _, cap))| sum.saturating_add(*cap));
        if let Some((_, _, guard)) = takes.get_mut(last) {
            *guard = part.min(cap.saturating_sub(others));
        }
    }
    Some(takes)
}

/// The parts of a cap: as equal as can be, the first ones larger by one.
fn split_remainder_to_first(cap: i64, shards: u8) -> impl Iterator<Item = i64> {
    let count = i64::from(shards.max(1));
    let whole = cap.checked_div(count).unwrap_or(0);
    let rest = cap.checked_rem(count).unwrap_or(0);
    (0..count).map(move |index| whole.saturating_add(i64::from(index < rest)))
}

/// What a reward by a rule costs, as far as it is known before the conversion.
fn likely_cost(incentive: &Incentive, rule: &RewardRule) -> Option<Money> {
    let units = match *rule {
        RewardRule::Cash(amount) => return Some(amount),
        RewardRule::Percentage { maximum, .. } => return maximum,
        RewardRule::Discount(_) => 1,
        RewardRule::Points(points) => points,
        RewardRule::FreeProduct { quantity, .. } => i64::from(quantity),
    };
    let cost = incentive.unit_cost?;
    Some(Money::new(cost.minor.saturating_mul(units), cost.currency))
}

#[cfg(test)]
mod tests;
