//! The incentive language: what is taken when rules are saved can be carried out, whatever happens.
//!
//! The input is `{"program": …, "facts": …}`: a program as a call would make it, and a conversion that its rules judge.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use kith_domain::id::ParticipantId;
use kith_domain::incentive::{
    Earned, Evaluation, Facts, Incentive, LimitSubject, Party, RewardRule, SkipReason, Used,
    evaluate, explain,
};
use kith_domain::money::{AMOUNT_MAX, Money};
use kith_domain::program::Program;
use kith_domain::reward::{Beneficiary, RewardValue};
use kith_domain::text::{EventName, Metadata, MetadataKey, MetadataValue, Slug};
use kith_edge::json::{self, Faults};
use kith_edge::wire;
use kith_store::item;
use program_api::scheme;
use serde_json::{Value, json};

use crate::bodies::{now, program_of};

/// What a transaction has room for by the promise made when rules are saved.
const ACTIONS_MAX: usize = 90;
/// What a conversion takes beside its rewards: itself and whatever comes with it, and ten vouchers it uses.
const ACTIONS_BESIDE: usize = 14 + 40;
/// The highest reward: that of a share of the largest amount, or of points.
const NUMBER_MAX: i64 = AMOUNT_MAX;

/// Saves the rules and judges the conversion.
pub fn incentives(data: &[u8]) {
    let Ok(input) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    let Ok(program) = program_of(&input["program"]) else {
        return;
    };
    reads_back(&program);
    let given = Given::of(&input["facts"], &program);
    let facts = given.facts(&program);
    let used = Stands::of(&input["facts"]);
    let outcome = evaluate(&program.incentives, &facts, &used);
    assert_eq!(outcome, evaluate(&program.incentives, &facts, &used));
    is_judged(&program, &facts, &used, &outcome);
    fits_a_transaction(&outcome);
    is_the_same_within_its_spans(&program, &facts, &used, &outcome);
    for incentive in &program.incentives {
        for check in explain(incentive, &facts) {
            assert!(check.required.len() <= 4_096);
        }
    }
}

/// What is read is what was saved: from the table, and from the answer, which may be sent back as it is.
fn reads_back(program: &Program) {
    let stored: Program = item::read(item::write(program).unwrap()).unwrap();
    assert_eq!(&stored, program);
    let answer = serde_json::to_value(wire::program(program)).unwrap();
    let Value::Object(members) = answer else {
        panic!("an answer is an object");
    };
    let body = json::Object::new("", members);
    let same = scheme::patched(body, Faults::default(), program, now());
    assert_eq!(same.as_ref().ok(), Some(program), "{same:?}");
}

fn is_judged(program: &Program, facts: &Facts<'_>, used: &Stands, outcome: &Evaluation) {
    let of_event = |one: &&Incentive| one.on == *facts.event;
    let asked = program.incentives.iter().filter(of_event).count();
    assert_eq!(outcome.earned.len() + outcome.skipped.len(), asked);
    for earned in &outcome.earned {
        let mut rules = program.incentives.iter();
        let rule = rules.find(|one| one.id == earned.incentive_id).unwrap();
        is_within_its_rule(rule, program, facts, earned);
        for limit in &earned.uses {
            assert!(used.counter(limit.subject, &limit.counter) < u64::from(limit.cap));
        }
        let mut windows: BTreeMap<&str, (i64, Money)> = BTreeMap::new();
        for take in &earned.takes {
            assert!(take.amount >= 0 && take.cap >= 0, "{take:?}");
            let all = rule.budgets(facts.recorded_at);
            let window = all
                .into_iter()
                .find(|one| one.window == take.window)
                .unwrap();
            assert!(take.shard < window.shards);
            let before = used.budget(&rule.id, &take.window, take.shard);
            assert!(
                before <= take.cap - take.amount || take.amount == 0,
                "{take:?}"
            );
            let (taken, _) = windows.entry(&take.window).or_insert((0, window.cap));
            *taken += take.amount;
        }
        for (window, (taken, cap)) in windows {
            let shards = 0..rule.budget_shards;
            let before: i64 = shards
                .map(|shard| used.budget(&rule.id, window, shard))
                .sum();
            assert!(
                before + taken <= cap.minor,
                "{window}: {before} + {taken} of {cap:?}"
            );
        }
    }
    for skipped in &outcome.skipped {
        // A rule without a cost is not saved where there is a budget; whoever is skipped for it knows a currency.
        if let SkipReason::Limit(_) = skipped.reason {
            let mut rules = program.incentives.iter();
            let rule = rules.find(|one| one.id == skipped.incentive_id).unwrap();
            let limited = !rule.limit_uses(facts.recorded_at).is_empty();
            assert!(limited || rule.limits.budgets().next().is_some());
        }
    }
}

fn is_within_its_rule(rule: &Incentive, program: &Program, facts: &Facts<'_>, earned: &Earned) {
    let number = earned.value.number();
    assert!((1..=NUMBER_MAX).contains(&number), "{:?}", earned.value);
    let (reward, tier) = rule.rule_for(facts.referees);
    assert_eq!(earned.tier, tier);
    match (*reward, earned.value) {
        (RewardRule::Cash(amount), RewardValue::Cash(given)) => assert_eq!(given, amount),
        (
            RewardRule::Percentage {
                basis_points,
                maximum,
            },
            RewardValue::Cash(given),
        ) => {
            let base = facts.amount.unwrap();
            assert_eq!(given.currency, base.currency);
            let whole = i128::from(given.minor) * 10_000;
            assert!(whole <= i128::from(base.minor) * i128::from(basis_points));
            if let Some(maximum) = maximum {
                let most = program.rates.convert(maximum, base.currency).unwrap();
                assert!(given.minor <= most.minor, "{given:?} {most:?}");
            }
        }
        (RewardRule::Discount(discount), RewardValue::Discount(given)) => {
            assert_eq!(given, discount);
        }
        (RewardRule::Points(points), RewardValue::Points(given)) => assert_eq!(given, points),
        (
            RewardRule::FreeProduct { sku, quantity },
            RewardValue::FreeProduct {
                sku: given,
                quantity: pieces,
            },
        ) => assert_eq!((given, pieces), (sku, quantity)),
        (rule, value) => panic!("{rule:?} gave {value:?}"),
    }
}

/// What was counted when the rules were saved is enough for what comes of them.
fn fits_a_transaction(outcome: &Evaluation) {
    let mut balances = BTreeSet::new();
    let mut levels = BTreeSet::new();
    for earned in &outcome.earned {
        if let Some((unit, _)) = earned.value.credit() {
            balances.insert((earned.beneficiary, unit.to_string()));
        }
        if let Beneficiary::Upline(level) = earned.beneficiary {
            levels.insert(level);
        }
    }
    let takes: usize = outcome.earned.iter().map(|earned| earned.takes.len()).sum();
    let actions = ACTIONS_BESIDE + outcome.earned.len() + balances.len() + levels.len() + takes;
    assert!(actions <= ACTIONS_MAX, "{actions}");
}

/// Numbers for which the evaluation says that it would come out the same: it does.
fn is_the_same_within_its_spans(
    program: &Program,
    facts: &Facts<'_>,
    used: &Stands,
    outcome: &Evaluation,
) {
    assert!(outcome.conversion_number.contains(facts.conversion_number));
    assert!(outcome.referees.contains(facts.referees));
    let told = |outcome: &Evaluation| {
        let earned = outcome.earned.iter();
        let earned: Vec<_> = earned
            .map(|one| (one.incentive_id.clone(), one.value))
            .collect();
        let skipped = outcome.skipped.iter();
        let skipped: Vec<_> = skipped
            .map(|one| (one.incentive_id.clone(), one.reason))
            .collect();
        (earned, skipped)
    };
    let same = |facts: Facts<'_>| {
        let again = evaluate(&program.incentives, &facts, used);
        assert_eq!(told(&again), told(outcome));
    };
    for number in [
        outcome.conversion_number.low,
        outcome.conversion_number.high,
    ] {
        same(Facts {
            conversion_number: number,
            ..facts.clone()
        });
    }
    for number in [outcome.referees.low, outcome.referees.high] {
        same(Facts {
            referees: number,
            ..facts.clone()
        });
    }
    if facts.referral_number.is_some() {
        for number in [outcome.referral_number.low, outcome.referral_number.high] {
            same(Facts {
                referral_number: Some(number),
                ..facts.clone()
            });
        }
    }
}

/// A conversion as the input has it; what is missing or cannot be is as usual.
struct Given {
    event: EventName,
    amount: Option<Money>,
    occurred_at: Timestamp,
    recorded_at: Timestamp,
    bound_at: Timestamp,
    metadata: Metadata,
    offer: Option<Slug>,
    upline: Vec<Party>,
    facts: Value,
}

impl Given {
    fn of(facts: &Value, program: &Program) -> Self {
        let text = |name: &str| facts[name].as_str().unwrap_or_default();
        let instant = |name: &str| json::timestamp_of(text(name)).unwrap_or_else(now);
        let first = program.incentives.first().map(|one| one.on.clone());
        let amount = facts["amount"]["amount"]
            .as_i64()
            .filter(|minor| (0..=AMOUNT_MAX).contains(minor));
        let currency = facts["amount"]["currency"]
            .as_str()
            .and_then(|text| text.parse().ok());
        let entries = facts["metadata"].as_object().into_iter().flatten();
        let entries: BTreeMap<MetadataKey, MetadataValue> = entries
            .filter_map(|(name, value)| {
                let value = match value {
                    Value::String(text) => MetadataValue::text(text).ok()?,
                    Value::Number(number) => MetadataValue::Integer(number.as_i64()?),
                    Value::Bool(flag) => MetadataValue::Boolean(*flag),
                    Value::Null | Value::Array(_) | Value::Object(_) => return None,
                };
                Some((name.parse().ok()?, value))
            })
            .collect();
        let upline = facts["upline"].as_u64().unwrap_or_default().min(5);
        Self {
            event: text("event")
                .parse()
                .ok()
                .or(first)
                .unwrap_or_else(|| "purchase".parse().unwrap()),
            amount: amount
                .zip(currency)
                .map(|(minor, currency)| Money::new(minor, currency)),
            occurred_at: instant("occurred_at"),
            recorded_at: instant("recorded_at"),
            bound_at: instant("bound_at"),
            metadata: entries.try_into().unwrap_or_default(),
            offer: text("offer").parse().ok(),
            upline: (0..upline)
                .map(|level| party(level as u8 + 3, true))
                .collect(),
            facts: facts.clone(),
        }
    }

    fn facts<'a>(&'a self, program: &'a Program) -> Facts<'a> {
        let number = |name: &str| self.facts[name].as_u64();
        Facts {
            event: &self.event,
            amount: self.amount,
            occurred_at: self.occurred_at,
            recorded_at: self.recorded_at,
            country: self.facts["country"]
                .as_str()
                .and_then(|text| text.parse().ok()),
            channel: self.facts["channel"]
                .as_str()
                .and_then(|text| text.parse().ok()),
            metadata: &self.metadata,
            new_customer: self.facts["new_customer"].as_bool(),
            conversion_number: number("conversion_number").unwrap_or(1),
            referral_number: number("referral_number"),
            referees: number("referees").unwrap_or(1),
            bound_at: self.bound_at,
            referrer: party(1, self.facts["referrer_suspended"] != json!(true)),
            referee: party(2, self.facts["referee_suspended"] != json!(true)),
            upline: &self.upline,
            offer: self.offer.as_ref(),
            gives_rewards: self.facts["paused"] != json!(true),
            rates: &program.rates,
            spread: number("spread").unwrap_or_default(),
        }
    }
}

fn party(tail: u8, active: bool) -> Party {
    Party {
        id: ParticipantId::new(Timestamp::UNIX_EPOCH, [tail; 10]),
        active,
    }
}

/// How high counters and shards of budgets stand.
struct Stands {
    counter: u64,
    budget: i64,
}

impl Stands {
    fn of(facts: &Value) -> Self {
        Self {
            counter: facts["used"].as_u64().unwrap_or_default(),
            budget: facts["spent"]
                .as_i64()
                .unwrap_or_default()
                .clamp(0, AMOUNT_MAX),
        }
    }
}

impl Used for Stands {
    fn counter(&self, _: LimitSubject, _: &str) -> u64 {
        self.counter
    }

    fn budget(&self, _: &Slug, _: &str, _: u8) -> i64 {
        self.budget
    }
}
