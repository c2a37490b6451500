//! Simulation: recorded conversions judged by another scheme, so that its owner sees the difference
//! before publishing it.
//!
//! The facts are those that were recorded; what limits and budgets have counted begins at nothing and
//! is counted along in the order of recording. Nothing is written.

use std::collections::BTreeMap;

use crate::conversion::{Conversion, ConversionState};
use crate::id::{ConversionId, ParticipantId};
use crate::incentive::{Facts, Incentive, LimitSubject, Used, evaluate};
use crate::money::{Currency, Money};
use crate::rates::Rates;
use crate::reward::{Beneficiary, Reward, RewardSource, RewardValue};
use crate::text::Slug;

/// The most conversions of one simulation.
pub const CONVERSIONS_MAX: usize = 2_000;

/// A reward that was made, or would be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Given {
    /// The rule.
    pub incentive_id: Slug,
    /// Who earns.
    pub beneficiary: Beneficiary,
    /// What, by a number that compares within a kind.
    value: Worth,
}

/// A value in an order of its own, so that two sets of rewards compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Worth(RewardValue);

impl Worth {
    fn order(self) -> (&'static str, i64) {
        (self.0.kind(), self.0.number())
    }
}

impl PartialOrd for Worth {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Worth {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order().cmp(&other.order())
    }
}

impl Given {
    /// A reward of a rule.
    #[must_use]
    pub fn new(incentive_id: Slug, beneficiary: Beneficiary, value: RewardValue) -> Self {
        Self {
            incentive_id,
            beneficiary,
            value: Worth(value),
        }
    }

    /// What it is worth.
    #[must_use]
    pub fn value(&self) -> RewardValue {
        self.value.0
    }
}

/// How much a scheme gives: the number of rewards, and what they cost by currency. Rewards whose
/// cost is not known count as rewards alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// How many rewards.
    pub rewards: u64,
    /// What they cost.
    pub cost: BTreeMap<Currency, i64>,
}

impl Totals {
    fn add(&mut self, given: &[Given], incentives: &[Incentive]) {
        for reward in given {
            self.rewards = self.rewards.saturating_add(1);
            let rule = incentives
                .iter()
                .find(|incentive| incentive.id == reward.incentive_id);
            let cost = match (rule, reward.value()) {
                (Some(rule), value) => rule.cost_of(value),
                (None, RewardValue::Cash(amount)) => Some(amount),
                (
                    None,
                    RewardValue::Discount(_)
                    | RewardValue::Points(_)
                    | RewardValue::FreeProduct { .. },
                ) => None,
            };
            if let Some(Money { minor, currency }) = cost {
                let sum = self.cost.entry(currency).or_default();
                *sum = sum.saturating_add(minor);
            }
        }
    }
}

/// A conversion that would earn something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Which.
    pub conversion_id: ConversionId,
    /// What it earned.
    pub before: Vec<Given>,
    /// What it would earn.
    pub after: Vec<Given>,
}

/// What a scheme would have given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What was given.
    pub before: Totals,
    /// What would have been.
    pub after: Totals,
    /// Where they differ, in the order of recording.
    pub differences: Vec<Difference>,
}

/// What is simulated: the scheme in force, another one, and the rates of the program.
#[derive(Debug, Clone, Copy)]
pub struct Schemes<'a> {
    /// In force: says what the rewards of other kinds than cash cost.
    pub present: &'a [Incentive],
    /// The other one.
    pub proposed: &'a [Incentive],
    /// The program's rates.
    pub rates: &'a Rates,
}

/// Judges conversions by another scheme: each with its rewards, in the order of recording.
#[must_use]
pub fn simulate<'a>(
    schemes: Schemes<'_>,
    recorded: impl IntoIterator<Item = (&'a Conversion, &'a [Reward])>,
) -> Outcome {
    let mut outcome = Outcome::default();
    let mut tally = Tally::default();
    for (conversion, rewards) in recorded {
        let mut before: Vec<Given> = rewards.iter().filter_map(given).collect();
        let mut after = judge(schemes, conversion, rewards, &mut tally);
        before.sort();
        after.sort();
        outcome.before.add(&before, schemes.present);
        outcome.after.add(&after, schemes.proposed);
        if before != after {
            outcome.differences.push(Difference {
                conversion_id: conversion.id,
                before,
                after,
            });
        }
    }
    outcome
}

/// What a rule gave when the conversion was recorded, whatever became of it.
fn given(reward: &Reward) -> Option<Given> {
    let incentive = reward.incentive_id.clone()?;
    let made = Given::new(incentive, reward.beneficiary, reward.original);
    (reward.source == RewardSource::Rule).then_some(made)
}

fn judge(
    schemes: Schemes<'_>,
    conversion: &Conversion,
    rewards: &[Reward],
    tally: &mut Tally,
) -> Vec<Given> {
    if conversion.state == ConversionState::Rejected {
        return Vec::new();
    }
    let upline = conversion.parties_above();
    // What was given before paying was offered by the rule that made the reward.
    let offer = rewards
        .iter()
        .find(|reward| reward.was_offered())
        .and_then(|reward| reward.incentive_id.as_ref());
    let Some(facts) = conversion.facts(&upline, offer, schemes.rates) else {
        return Vec::new();
    };
    let evaluation = evaluate(schemes.proposed, &facts, &tally.of(&facts));
    let mut given = Vec::new();
    for earned in evaluation.earned {
        for limit in &earned.uses {
            tally.raise(&facts, limit.subject, &limit.counter);
        }
        for take in &earned.takes {
            tally.take(&earned.incentive_id, &take.window, take.shard, take.amount);
        }
        given.push(Given::new(
            earned.incentive_id,
            earned.beneficiary,
            earned.value,
        ));
    }
    given
}

/// What was counted so far.
#[derive(Debug, Default)]
struct Tally {
    counters: BTreeMap<(ParticipantId, String), u64>,
    budgets: BTreeMap<(Slug, String, u8), i64>,
}

/// The same, asked on behalf of one conversion.
struct TallyOf<'a> {
    tally: &'a Tally,
    referrer: ParticipantId,
    referee: ParticipantId,
}

impl Tally {
    fn of(&self, facts: &Facts<'_>) -> TallyOf<'_> {
        TallyOf {
            tally: self,
            referrer: facts.referrer.id,
            referee: facts.referee.id,
        }
    }

    fn raise(&mut self, facts: &Facts<'_>, subject: LimitSubject, name: &str) {
        let whose = match subject {
            LimitSubject::Referrer => facts.referrer.id,
            LimitSubject::Referee => facts.referee.id,
        };
        let counter = self.counters.entry((whose, name.to_owned())).or_default();
        *counter = counter.saturating_add(1);
    }

    fn take(&mut self, incentive: &Slug, window: &str, shard: u8, amount: i64) {
        let key = (incentive.clone(), window.to_owned(), shard);
        let used = self.budgets.entry(key).or_default();
        *used = used.saturating_add(amount);
    }
}

impl Used for TallyOf<'_> {
    fn counter(&self, subject: LimitSubject, name: &str) -> u64 {
        let whose = match subject {
            LimitSubject::Referrer => self.referrer,
            LimitSubject::Referee => self.referee,
        };
        let key = (whose, name.to_owned());
        self.tally.counters.get(&key).copied().unwrap_or(0)
    }

    fn budget(&self, incentive: &Slug, window: &str, shard: u8) -> i64 {
        let key = (incentive.clone(), window.to_owned(), shard);
        self.tally.budgets.get(&key).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::{SignedDuration, Timestamp};
    use proptest::prelude::*;

    use crate::attribution::{Attribution, Chosen, Reason};
    use crate::conversion::Content;
    use crate::conversion::testing::conversion;
    use crate::id::{ProgramId, RewardId};
    use crate::incentive::{Conditions, Grant, Limits, RewardRule};
    use crate::reward::{RewardState, Transition};

    fn eur(minor: i64) -> Money {
        Money::new(minor, "EUR".parse().unwrap())
    }

    fn person(tail: u8) -> ParticipantId {
        ParticipantId::new(Timestamp::UNIX_EPOCH, [tail; 10])
    }

    fn cash(cents: i64, limits: Limits) -> Incentive {
        Incentive {
            id: "thank-you".parse().unwrap(),
            on: "purchase".parse().unwrap(),
            beneficiary: Beneficiary::Referrer,
            grant: Grant::After,
            reward: RewardRule::Cash(eur(cents)),
            tiers: Vec::new(),
            conditions: Conditions::default(),
            limits,
            on_refund: None,
            hold_days: None,
            expires_after_days: None,
            unit_cost: None,
            fulfilment: None,
            budget_shards: 0,
        }
    }

    /// The nth purchase, an hour after the one before, of a new referee of Ann's.
    fn purchase(number: u8, cents: i64) -> Conversion {
        let at = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(i64::from(number));
        let conversion = conversion(Some(eur(cents)));
        Conversion {
            id: ConversionId::new(at, [number; 10]),
            program: ProgramId::floor_of(at),
            content: Content {
                external_id: format!("order-{number}").parse().unwrap(),
                ..conversion.content
            },
            occurred_at: at,
            recorded_at: at,
            recorded_by: None,
            referee_id: person(100 + number),
            attribution: Attribution {
                chosen: Some(Chosen {
                    referrer_id: person(1),
                    click_id: None,
                    code: None,
                    channel: None,
                    touch_at: None,
                }),
                reason: Reason::Code,
                ..conversion.attribution
            },
            number: Some(1),
            referral_number: Some(u64::from(number)),
            referees: Some(u64::from(number)),
            bound_at: Some(at),
            ..conversion
        }
    }

    fn reward(of: &Conversion, cents: i64) -> Reward {
        let value = RewardValue::Cash(eur(cents));
        Reward {
            id: RewardId::derived(of.recorded_at, &[&of.id.to_bytes()]),
            program: of.program,
            beneficiary_id: person(1),
            beneficiary: Beneficiary::Referrer,
            source: RewardSource::Rule,
            conversion_id: Some(of.id),
            referral_id: None,
            incentive_id: Some("thank-you".parse().unwrap()),
            scheme_version: 1,
            basis: None,
            original: value,
            value,
            state: RewardState::Pending,
            release_at: of.recorded_at,
            created_at: of.recorded_at,
            issued_at: None,
            expires_after_days: None,
            expires_at: None,
            voucher_code: None,
            fulfilment: None,
            in_review: false,
            history: vec![Transition {
                to: RewardState::Pending,
                at: of.recorded_at,
                by: "test".to_owned(),
                reason: None,
            }],
            version: 1,
        }
    }

    fn run(proposed: Incentive, recorded: &[(Conversion, Vec<Reward>)]) -> Outcome {
        let present = [cash(500, Limits::default())];
        let schemes = Schemes {
            present: &present,
            proposed: &[proposed],
            rates: &Rates::default(),
        };
        simulate(
            schemes,
            recorded.iter().map(|(one, its)| (one, its.as_slice())),
        )
    }

    fn recorded(number: u8) -> Vec<(Conversion, Vec<Reward>)> {
        let one = |number| {
            let conversion = purchase(number, 4_500);
            let made = reward(&conversion, 500);
            (conversion, vec![made])
        };
        (1..=number).map(one).collect()
    }

    #[test]
    fn a_dearer_scheme_shows_what_it_would_cost() {
        let outcome = run(cash(700, Limits::default()), &recorded(3));
        let cost = |totals: &Totals| totals.cost.values().sum::<i64>();
        assert_eq!((outcome.before.rewards, cost(&outcome.before)), (3, 1_500));
        assert_eq!((outcome.after.rewards, cost(&outcome.after)), (3, 2_100));
        assert_eq!(outcome.differences.len(), 3);
    }

    /// Limits and budgets are counted along.
    #[test]
    fn a_capped_scheme_gives_no_more_than_its_caps() {
        let capped = Limits {
            per_referrer: Some(2),
            ..Limits::default()
        };
        let budgeted = Limits {
            budget: Some(eur(1_700)),
            ..Limits::default()
        };
        for (limits, given) in [(capped, 2), (budgeted, 3)] {
            let outcome = run(cash(500, limits), &recorded(5));
            assert_eq!((outcome.before.rewards, outcome.after.rewards), (5, given));
            assert_eq!(
                outcome.differences.len(),
                5 - usize::try_from(given).unwrap()
            );
        }
    }

    proptest! {
        /// 256 cases: the scheme that made the rewards changes nothing, and no outcome depends on
        /// anything but its inputs.
        #[test]
        fn the_same_scheme_makes_no_difference(number in 0u8..40, cap in 1u32..40) {
            let limits = Limits { per_referrer: Some(cap), ..Limits::default() };
            let mut history = recorded(number);
            for (_, made) in history.iter_mut().skip(usize::try_from(cap).unwrap()) {
                made.clear();
            }
            let outcome = run(cash(500, limits), &history);
            prop_assert!(outcome.differences.is_empty());
            prop_assert_eq!(&outcome.before, &outcome.after);
            prop_assert_eq!(run(cash(500, limits), &history), outcome);
        }
    }
}
