use std::cell::Cell;
use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::incentive::testing::{
    Given, Stands, eur, every_limit, incentive, party, rates, reason, usd,
};
use crate::incentive::{Conditions, Limits, NumberRange, NumberRule, RewardRule, Tier, explain};
use crate::reward::Discount;

#[test]
fn parties_have_to_be_there_and_take_part() {
    let given = Given {
        upline: vec![party(3), party(4)],
        ..Given::default()
    };
    let earns = |beneficiary, facts: &Facts<'_>| {
        let one = Incentive {
            beneficiary,
            ..incentive()
        };
        let evaluation = evaluate(&[one], facts, &Stands(0));
        match (evaluation.earned.first(), evaluation.skipped.first()) {
            (Some(earned), None) => {
                assert_eq!(earned.beneficiary, beneficiary);
                Ok(earned.beneficiary_id)
            }
            (None, Some(skipped)) => Err(skipped.reason.as_str()),
            _ => panic!("an incentive gives something or is skipped"),
        }
    };
    let facts = given.facts();
    assert_eq!(earns(Beneficiary::Referrer, &facts), Ok(party(1).id));
    assert_eq!(earns(Beneficiary::Referee, &facts), Ok(party(2).id));
    assert_eq!(earns(Beneficiary::Upline(1), &facts), Ok(party(3).id));
    assert_eq!(earns(Beneficiary::Upline(2), &facts), Ok(party(4).id));
    assert_eq!(earns(Beneficiary::Upline(3), &facts), Err("no_upline"));
    assert_eq!(earns(Beneficiary::Upline(0), &facts), Err("no_upline"));
    let mut suspended = given.facts();
    suspended.referrer.active = false;
    let reason = Err("beneficiary_suspended");
    assert_eq!(earns(Beneficiary::Referrer, &suspended), reason);
    assert_eq!(earns(Beneficiary::Upline(1), &suspended), Ok(party(3).id));
    let archived = Facts {
        gives_rewards: false,
        ..given.facts()
    };
    assert_eq!(
        earns(Beneficiary::Referee, &archived),
        Err("program_paused")
    );
}

#[test]
fn only_rules_of_the_event_are_judged() {
    let given = Given {
        event: "signup".parse().unwrap(),
        ..Given::default()
    };
    let evaluation = evaluate(&[incentive()], &given.facts(), &Stands(0));
    assert!(evaluation.earned.is_empty() && evaluation.skipped.is_empty());
    assert!(evaluation.conversion_number.is_all() && evaluation.referees.is_all());
}

/// What the friend was given before paying is recorded by the conversion that names its voucher.
#[test]
fn what_is_given_at_checkout_takes_its_offer() {
    let offered = Incentive {
        id: "friend-10".parse().unwrap(),
        beneficiary: Beneficiary::Referee,
        grant: Grant::AtCheckout,
        reward: RewardRule::Discount(Discount::BasisPoints(1_000)),
        ..incentive()
    };
    let after = Incentive {
        reward: RewardRule::Points(5),
        ..incentive()
    };
    let none = Given::default();
    assert_eq!(reason(&offered, &none.facts(), 0), Some("no_offer"));
    let other = Given {
        offer: Some("thank-you".parse().unwrap()),
        ..Given::default()
    };
    assert_eq!(reason(&offered, &other.facts(), 0), Some("no_offer"));
    let named = Given {
        offer: Some(offered.id.clone()),
        ..Given::default()
    };
    let evaluation = evaluate(&[offered, after], &named.facts(), &Stands(0));
    let redeemed: Vec<bool> = evaluation.earned.iter().map(|one| one.redeemed).collect();
    assert_eq!(redeemed, [true, false]);
}

/// Each limit alone stops a reward when it is reached, in the order in which they are named.
#[test]
fn limits_are_reached_at_their_caps() {
    let given = Given::default();
    let limited = Incentive {
        limits: every_limit(),
        ..incentive()
    };
    let all = evaluate(std::slice::from_ref(&limited), &given.facts(), &Stands(0));
    let limits: Vec<String> = all.earned[0]
        .limits
        .iter()
        .map(|one| format!("{} {} {}", one.limit, one.used_before, one.cap))
        .collect();
    assert_eq!(
        limits,
        [
            "per_referrer_per_day 0 1",
            "per_referrer_per_week 0 2",
            "per_referrer_per_month 0 3",
            "per_referrer 0 4",
            "per_referee 0 5",
            "budget_per_day 0 1000",
            "budget_per_month 0 2000",
            "budget 0 3000",
        ]
    );
    assert_eq!(all.earned[0].uses.len(), 5);
    assert_eq!(all.earned[0].takes.len(), 3);
    for (used, name) in [
        (1, "per_referrer_per_day"),
        (2, "per_referrer_per_week"),
        (3, "per_referrer_per_month"),
        (4, "per_referrer"),
        (5, "per_referee"),
        (501, "budget_per_day"),
        (1_501, "budget_per_month"),
        (2_501, "budget"),
    ] {
        let mut alone = Limits::default();
        let all = every_limit();
        match name {
            "per_referrer_per_day" => alone.per_referrer_per_day = all.per_referrer_per_day,
            "per_referrer_per_week" => alone.per_referrer_per_week = all.per_referrer_per_week,
            "per_referrer_per_month" => alone.per_referrer_per_month = all.per_referrer_per_month,
            "per_referrer" => alone.per_referrer = all.per_referrer,
            "per_referee" => alone.per_referee = all.per_referee,
            "budget_per_day" => alone.budget_per_day = all.budget_per_day,
            "budget_per_month" => alone.budget_per_month = all.budget_per_month,
            _ => alone.budget = all.budget,
        }
        let limited = Incentive {
            limits: alone,
            ..incentive()
        };
        assert_eq!(reason(&limited, &given.facts(), used), Some(name));
        assert_eq!(reason(&limited, &given.facts(), used - 1), None, "{name}");
    }
}

/// A budget that cannot pay says in which window, so that it is told once.
#[test]
fn a_budget_in_another_currency_takes_a_rate() {
    let budgeted = Incentive {
        limits: Limits {
            budget_per_month: Some(usd(543)),
            ..Limits::default()
        },
        ..incentive()
    };
    let given = Given::default();
    let mismatch = Some("currency_mismatch");
    assert_eq!(reason(&budgeted, &given.facts(), 0), mismatch);
    let given = Given {
        rates: rates(),
        ..Given::default()
    };
    // 5 euros are 5.43 dollars.
    let evaluation = evaluate(std::slice::from_ref(&budgeted), &given.facts(), &Stands(0));
    let earned = &evaluation.earned[0];
    assert!(earned.used_rates);
    assert_eq!((earned.takes[0].amount, earned.takes[0].cap), (543, 543));
    assert_eq!(earned.takes[0].window, "month#2027-01");
    let evaluation = evaluate(&[budgeted], &given.facts(), &Stands(1));
    let skipped = &evaluation.skipped[0];
    assert_eq!(skipped.reason.as_str(), "budget_per_month");
    assert_eq!(skipped.budget.as_deref(), Some("month#2027-01"));
}

/// A rate that one rule used is not said to have been used by the next.
#[test]
fn each_reward_says_for_itself_whether_it_used_rates() {
    let given = Given {
        rates: rates(),
        ..Given::default()
    };
    let compared = Incentive {
        conditions: Conditions {
            minimum_amount: Some(usd(1)),
            ..Conditions::default()
        },
        ..incentive()
    };
    let evaluation = evaluate(&[compared, incentive()], &given.facts(), &Stands(0));
    let used: Vec<bool> = evaluation.earned.iter().map(|one| one.used_rates).collect();
    assert_eq!(used, [true, false]);
}

/// A conversion that earns nothing anyway does not wait for a counter that many others raise.
#[test]
fn numbers_are_only_looked_at_when_they_decide() {
    let given = Given::default();
    let asked = Incentive {
        conditions: Conditions {
            minimum_amount: Some(eur(9_999)),
            first_conversion_only: true,
            referral_number: Some(NumberRule::Every(10)),
            ..Conditions::default()
        },
        tiers: vec![Tier {
            from: 5,
            reward: RewardRule::Points(1),
        }],
        ..incentive()
    };
    let evaluation = evaluate(&[asked, incentive()], &given.facts(), &Stands(0));
    assert_eq!(evaluation.skipped[0].reason.as_str(), "minimum_amount");
    assert!(evaluation.conversion_number.is_all());
    assert!(evaluation.referral_number.is_all());
    assert!(evaluation.referees.is_all());
}

fn conditions() -> impl Strategy<Value = Conditions> {
    let range = || (1_u32..6, prop::option::of(0_u32..4));
    let range = move || {
        range().prop_map(|(from, more)| NumberRange {
            from,
            to: more.map(|more| from + more),
        })
    };
    let rule = prop_oneof![
        range().prop_map(NumberRule::Range),
        (1_u32..5).prop_map(NumberRule::Every)
    ];
    let minimum = prop::option::of((1_i64..9_000, any::<bool>()));
    let fields = (
        minimum,
        any::<bool>(),
        prop::option::of(range()),
        prop::option::of(rule),
        any::<bool>(),
    );
    fields.prop_map(
        |(minimum, first, conversion_number, referral_number, new_referee_only)| Conditions {
            minimum_amount: minimum
                .map(|(minor, euros)| if euros { eur(minor) } else { usd(minor) }),
            first_conversion_only: first,
            conversion_number,
            referral_number,
            new_referee_only,
            ..Conditions::default()
        },
    )
}

fn any_incentive() -> impl Strategy<Value = Incentive> {
    let reward = || {
        prop_oneof![
            (1_i64..900).prop_map(|minor| RewardRule::Cash(eur(minor))),
            (1_u32..9_999, prop::option::of(1_i64..900)).prop_map(|(basis_points, maximum)| {
                RewardRule::Percentage {
                    basis_points,
                    maximum: maximum.map(eur),
                }
            }),
            (1_i64..900).prop_map(RewardRule::Points),
        ]
    };
    let tiers = prop::collection::btree_map(1_u32..9, reward(), 0..4);
    let limits = (prop::option::of(1_u32..6), prop::option::of(100_i64..4_000));
    let party = prop_oneof![
        Just(Beneficiary::Referrer),
        Just(Beneficiary::Referee),
        (1_u8..4).prop_map(Beneficiary::Upline)
    ];
    (reward(), tiers, conditions(), limits, party, 1_u8..=4).prop_map(
        |(reward, tiers, conditions, (most, budget), beneficiary, shards)| Incentive {
            beneficiary,
            reward,
            tiers: tiers
                .into_iter()
                .map(|(from, reward)| Tier { from, reward })
                .collect(),
            conditions,
            limits: Limits {
                per_referrer: most,
                budget: budget.map(eur),
                ..Limits::default()
            },
            unit_cost: Some(eur(1)),
            budget_shards: shards,
            ..incentive()
        },
    )
}

#[derive(Debug, Clone)]
struct Numbers {
    amount: Option<i64>,
    dollars: bool,
    conversion: u64,
    referral: Option<u64>,
    referees: u64,
    new: Option<bool>,
    used: i64,
}

fn numbers() -> impl Strategy<Value = Numbers> {
    (
        prop::option::of(0_i64..9_999),
        any::<bool>(),
        1_u64..12,
        prop::option::of(1_u64..12),
        0_u64..12,
        any::<Option<bool>>(),
        0_i64..900,
    )
        .prop_map(
            |(amount, dollars, conversion, referral, referees, new, used)| Numbers {
                amount,
                dollars,
                conversion,
                referral,
                referees,
                new,
                used,
            },
        )
}

fn facts<'a>(given: &'a Given, numbers: &Numbers) -> Facts<'a> {
    let money = if numbers.dollars { usd } else { eur };
    Facts {
        amount: numbers.amount.map(money),
        conversion_number: numbers.conversion,
        referral_number: numbers.referral,
        referees: numbers.referees,
        new_customer: numbers.new,
        ..given.facts()
    }
}

/// Counters and shards that stand at different heights, and how often they were asked.
struct Heights {
    base: i64,
    asked: Cell<u64>,
}

impl Used for Heights {
    fn counter(&self, _: LimitSubject, name: &str) -> u64 {
        self.asked.set(self.asked.get() + 1);
        (self.base.unsigned_abs() + u64::try_from(name.len()).unwrap()) % 7
    }

    fn budget(&self, _: &Slug, _: &str, shard: u8) -> i64 {
        self.asked.set(self.asked.get() + 1);
        self.base / (i64::from(shard) + 1)
    }
}

fn given(with_rates: bool) -> Given {
    Given {
        upline: vec![party(3), party(4)],
        rates: if with_rates {
            rates()
        } else {
            Rates::default()
        },
        ..Given::default()
    }
}

/// An evaluation with each number replaced by what it comes to.
fn outcome(evaluation: &Evaluation) -> (Vec<Earned>, Vec<Skipped>) {
    (evaluation.earned.clone(), evaluation.skipped.clone())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// 4,000 cases: with any numbers out of the spans, all three at once, the same comes out. So a
    /// guard on the spans is as good as a guard on the numbers.
    #[test]
    fn within_the_spans_an_evaluation_is_the_same(
        incentives in prop::collection::vec(any_incentive(), 1..5), numbers in numbers(), others in numbers(), with_rates in any::<bool>(),
    ) {
        let given = given(with_rates);
        let used = Heights { base: numbers.used, asked: Cell::new(0) };
        let evaluation = evaluate(&incentives, &facts(&given, &numbers), &used);
        prop_assert!(evaluation.conversion_number.contains(numbers.conversion));
        prop_assert!(evaluation.referees.contains(numbers.referees));
        prop_assert!(numbers.referral.is_none_or(|number| evaluation.referral_number.contains(number)));
        let clamp = |number: u64, span: Span| number.clamp(span.low, span.high);
        let mut moved = numbers.clone();
        moved.conversion = clamp(others.conversion, evaluation.conversion_number);
        moved.referees = clamp(others.referees, evaluation.referees);
        moved.referral = numbers.referral.map(|_| clamp(others.referral.unwrap_or(1), evaluation.referral_number));
        let again = evaluate(&incentives, &facts(&given, &moved), &used);
        prop_assert_eq!(outcome(&evaluation), outcome(&again), "{:?} {:?}", numbers, moved);
        prop_assert_eq!(evaluation.conversion_number, again.conversion_number);
        prop_assert_eq!(evaluation.referees, again.referees);
        prop_assert_eq!(evaluation.referral_number, again.referral_number);
    }

    /// 4,000 cases: a function of its inputs only; each incentive of the event stands once; where a
    /// budget is taken from does not change what is earned.
    #[test]
    fn an_evaluation_is_a_function_of_its_inputs(
        incentives in prop::collection::vec(any_incentive(), 1..5), numbers in numbers(), spread in any::<u64>(),
    ) {
        let given = given(true);
        let used = Heights { base: numbers.used, asked: Cell::new(0) };
        let facts = facts(&given, &numbers);
        let once = evaluate(&incentives, &facts, &used);
        prop_assert_eq!(&once, &evaluate(&incentives, &facts, &used));
        prop_assert_eq!(once.earned.len() + once.skipped.len(), incentives.len());
        let elsewhere = evaluate(&incentives, &Facts { spread, ..facts.clone() }, &used);
        let essence = |evaluation: &Evaluation| -> Vec<(Slug, RewardValue, i64)> {
            let taken = |one: &Earned| one.takes.iter().map(|take| take.amount).sum();
            evaluation.earned.iter().map(|one| (one.incentive_id.clone(), one.value, taken(one))).collect()
        };
        prop_assert_eq!(essence(&once), essence(&elsewhere));
        prop_assert_eq!(&once.skipped, &elsewhere.skipped);
        // One rule does not change what another gives.
        let mut alone: BTreeMap<usize, bool> = BTreeMap::new();
        for (index, one) in incentives.iter().enumerate() {
            let evaluation = evaluate(std::slice::from_ref(one), &facts, &used);
            alone.insert(index, !evaluation.earned.is_empty());
        }
        prop_assert_eq!(alone.values().filter(|earned| **earned).count(), once.earned.len());
    }

    /// 4,000 cases: the explanation and the decision are of one mind.
    #[test]
    fn what_is_explained_is_what_was_decided(one in any_incentive(), numbers in numbers(), with_rates in any::<bool>()) {
        let given = given(with_rates);
        let facts = facts(&given, &numbers);
        let checks = explain(&one, &facts);
        let evaluation = evaluate(std::slice::from_ref(&one), &facts, &Stands(0));
        if !evaluation.earned.is_empty() {
            prop_assert!(checks.iter().all(|check| check.held), "{:?}", checks);
        }
        if let Some(failed) = checks.iter().find(|check| !check.held) {
            let skipped = evaluation.skipped.first().map(|one| one.reason.as_str());
            let by_itself = ["currency_mismatch", "no_amount", "new_customer_unknown", "no_upline"];
            prop_assert!(skipped == Some(failed.condition) || skipped.is_some_and(|one| by_itself.contains(&one)));
        }
    }

    /// 4,000 cases: a limit is reached at its cap and not before.
    #[test]
    fn a_limit_is_reached_at_its_cap_and_not_before(cap in 1_u32..100, used in 0_i64..200) {
        let given = Given::default();
        let limits = Limits { per_referrer_per_month: Some(cap), ..Limits::default() };
        let limited = Incentive { limits, ..incentive() };
        let skipped = reason(&limited, &given.facts(), used);
        prop_assert_eq!(skipped.is_none(), used < i64::from(cap));
    }
}
