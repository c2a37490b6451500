//! How large the transactions of a scheme can get: a conversion of each event, and the refund of it.
//!
//! A rule that is saved has to be carried out in one transaction, whatever else comes together. So
//! the worst case is counted here, item by item, when the rules are saved.

use std::collections::{BTreeMap, BTreeSet};

use kith_domain::incentive::{Incentive, RewardRule, shards_for};
use kith_domain::money::Unit;
use kith_domain::rates::Rates;
use kith_domain::reward::{Beneficiary, Discount};
use kith_domain::text::EventName;
use kith_edge::json::Faults;

/// What a transaction may take in the worst case of a scheme; DynamoDB's bound is 100.
const ACTIONS_ALLOWED: usize = 90;
/// Whatever the scheme, a conversion writes itself, its order, the bond, a new referee with their
/// code and two look-ups, both parties' counters, an offer with its voucher, a ledger entry, the
/// event and the idempotency record.
const RECORDING: usize = 14;
/// A conversion names at most ten codes, each of which may be a voucher that it uses: the reward, the
/// voucher, and for a free product its lot and the balance of whoever holds it.
const VOUCHERS_USED: usize = 10 * 4;
/// Whatever the scheme, a refund writes itself, what its external id leads to, the conversion, its
/// order, the bond, both parties' counters, a ledger entry, the event, the idempotency record and the
/// audit entry.
const REFUNDING: usize = 11;
/// Stands for a currency that only the conversion knows.
const OF_THE_CONVERSION: &str = "the conversion's currency";

/// Notes an event whose conversions could not be recorded or refunded in one transaction.
pub(super) fn check(incentives: &[Incentive], faults: &mut Faults) {
    let mut events: BTreeMap<&EventName, Vec<&Incentive>> = BTreeMap::new();
    for incentive in incentives {
        events.entry(&incentive.on).or_default().push(incentive);
    }
    for (event, incentives) in events {
        for (what, actions) in [
            ("record", recording(&incentives)),
            ("refund", refunding(&incentives)),
        ] {
            if actions > ACTIONS_ALLOWED {
                let detail = format!(
                    "those on {event} may take {actions} writes to {what} a conversion, and a transaction has room for \
                     {ACTIONS_ALLOWED}: use fewer incentives, budgets or units"
                );
                faults.add("/incentives", detail);
            }
        }
    }
}

/// The most actions that recording a conversion takes.
fn recording(incentives: &[&Incentive]) -> usize {
    let pending = balances(incentives, |_, rule| match rule {
        RewardRule::Percentage { .. } => vec![OF_THE_CONVERSION.to_owned()],
        RewardRule::Cash(_)
        | RewardRule::Discount(_)
        | RewardRule::Points(_)
        | RewardRule::FreeProduct { .. } => rule.unit().iter().map(Unit::to_string).collect(),
    });
    sum([
        RECORDING,
        VOUCHERS_USED,
        incentives.len(),
        pending,
        budgets(incentives),
        levels(incentives),
    ])
}

/// Those above the referrer who earn: each is known not to have been merged.
fn levels(incentives: &[&Incentive]) -> usize {
    let levels = incentives
        .iter()
        .filter_map(|incentive| match incentive.beneficiary {
            Beneficiary::Upline(level) => Some(level),
            Beneficiary::Referrer | Beneficiary::Referee => None,
        });
    levels.collect::<BTreeSet<_>>().len()
}

/// The most actions that refunding a conversion takes: for each reward itself, its lot or voucher, a
/// balance, and what is given back to limits and budgets.
fn refunding(incentives: &[&Incentive]) -> usize {
    let beside = incentives.iter().map(|incentive| {
        let of_rule = |rule: &RewardRule| match rule {
            RewardRule::Cash(_)
            | RewardRule::Percentage { .. }
            | RewardRule::Points(_)
            | RewardRule::Discount(_) => 1,
            RewardRule::FreeProduct { .. } => 2,
        };
        incentive.rules().map(of_rule).max().unwrap_or(0)
    });
    // A voucher that was used is charged in money, or in pieces.
    let charged = balances(incentives, |incentive, rule| {
        let currency = |money: kith_domain::money::Money| money.currency.to_string();
        let cost = incentive.unit_cost.map(currency);
        match rule {
            RewardRule::Percentage { .. } => vec![OF_THE_CONVERSION.to_owned()],
            RewardRule::Discount(Discount::Amount(amount)) => vec![currency(*amount)],
            RewardRule::Discount(Discount::BasisPoints(_)) => {
                let of_conversion = Some(OF_THE_CONVERSION.to_owned());
                of_conversion.into_iter().chain(cost).collect()
            }
            RewardRule::Cash(_) | RewardRule::Points(_) | RewardRule::FreeProduct { .. } => {
                let unit = rule.unit().map(|unit| unit.to_string());
                unit.into_iter().chain(cost).collect()
            }
        }
    });
    sum([
        REFUNDING,
        incentives.len(),
        sum(beside),
        charged,
        budgets(incentives),
    ])
}

/// The most balances that rewards of these incentives touch: for each beneficiary as many as there
/// are units, and no more than there are rewards.
fn balances(
    incentives: &[&Incentive],
    units: impl Fn(&Incentive, &RewardRule) -> Vec<String>,
) -> usize {
    let mut of_party: BTreeMap<Beneficiary, (usize, BTreeSet<String>)> = BTreeMap::new();
    for incentive in incentives {
        let units = incentive.rules().flat_map(|rule| units(incentive, rule));
        let units: BTreeSet<String> = units.collect();
        let (rewards, all) = of_party.entry(incentive.beneficiary).or_default();
        *rewards = rewards.saturating_add(usize::from(!units.is_empty()));
        all.extend(units);
    }
    sum(of_party
        .into_values()
        .map(|(rewards, units)| rewards.min(units.len())))
}

/// The most shards of budgets that one conversion touches.
fn budgets(incentives: &[&Incentive]) -> usize {
    sum(incentives.iter().map(|incentive| {
        let shards = match incentive.budget_shards {
            0 => shards_for(incentive, &Rates::default()),
            fixed => fixed,
        };
        let windows = incentive.limits.budgets().count();
        windows.saturating_mul(usize::from(shards))
    }))
}

fn sum(counts: impl IntoIterator<Item = usize>) -> usize {
    counts.into_iter().fold(0, usize::saturating_add)
}

#[cfg(test)]
mod tests;
