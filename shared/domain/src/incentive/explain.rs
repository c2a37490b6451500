use super::conditions::{Condition, Conditions, NumberRange, NumberRule, months_after};
use super::evaluate::{Facts, Seen};
use super::{Incentive, MetadataCondition, MetadataTest};
use crate::money::Money;
use crate::text::MetadataValue;

/// One condition of an incentive: what it asks for, what was found, and whether that is the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The condition, as the API names it.
    pub condition: &'static str,
    /// What it asks for, for people to read.
    pub required: String,
    /// What was found; `None` if there was nothing.
    pub actual: Option<String>,
    /// Whether it held.
    pub held: bool,
}

/// What an incentive asks of a conversion, condition by condition.
#[must_use]
pub fn explain(incentive: &Incentive, facts: &Facts<'_>) -> Vec<Check> {
    let asked = &incentive.conditions;
    let mut checks = Vec::new();
    for &condition in Condition::ALL {
        let verdict = condition.judge(asked, facts, &mut Seen::default());
        let Some(verdict) = verdict else {
            continue;
        };
        if condition == Condition::Metadata {
            checks.extend(asked.metadata.iter().map(|one| metadata_check(one, facts)));
            continue;
        }
        checks.push(Check {
            condition: condition.as_str(),
            required: required(condition, asked, facts),
            actual: actual(condition, asked, facts),
            held: verdict.is_ok(),
        });
    }
    checks
}

fn metadata_check(asked: &MetadataCondition, facts: &Facts<'_>) -> Check {
    Check {
        condition: Condition::Metadata.as_str(),
        required: metadata_required(asked),
        actual: facts.metadata.get(&asked.key).map(shown),
        held: asked.holds(facts.metadata),
    }
}

/// What a condition asks of one entry of the metadata.
pub(super) fn metadata_required(asked: &MetadataCondition) -> String {
    let key = &asked.key;
    match &asked.test {
        MetadataTest::Equals(value) => format!("{key} is {}", shown(value)),
        MetadataTest::In(values) => {
            let values = values.iter().map(shown).collect::<Vec<_>>();
            format!("{key} is one of {}", values.join(", "))
        }
        MetadataTest::AtLeast(bound) => format!("{key} is at least {bound}"),
        MetadataTest::AtMost(bound) => format!("{key} is at most {bound}"),
        MetadataTest::Exists(true) => format!("{key} is there"),
        MetadataTest::Exists(false) => format!("{key} is not there"),
    }
}

fn required(condition: Condition, asked: &Conditions, facts: &Facts<'_>) -> String {
    let some = |text: Option<String>| text.unwrap_or_default();
    match condition {
        Condition::StartsAt => some(asked.starts_at.map(|at| format!("not before {at}"))),
        Condition::EndsAt => some(asked.ends_at.map(|at| format!("before {at}"))),
        Condition::Channels => one_of(asked.channels.iter()),
        Condition::Countries => one_of(asked.countries.iter()),
        Condition::Metadata => String::new(),
        Condition::NewRefereeOnly => "a new customer".to_owned(),
        Condition::WithinMonthsOfReferral => {
            let until = |months| format!("until {}", months_after(facts.bound_at, months));
            some(asked.within_months_of_referral.map(until))
        }
        Condition::MinimumAmount => some(
            asked
                .minimum_amount
                .map(|least| at_least(least.to_string())),
        ),
        Condition::MaximumAmount => {
            let at_most = |most| format!("at most {most}");
            some(asked.maximum_amount.map(at_most))
        }
        Condition::FirstConversionOnly => "1".to_owned(),
        Condition::ConversionNumber => some(asked.conversion_number.map(range)),
        Condition::ReferralNumber => some(asked.referral_number.map(|rule| match rule {
            NumberRule::Range(numbers) => range(numbers),
            NumberRule::Every(step) => format!("a multiple of {step}"),
        })),
    }
}

fn actual(condition: Condition, asked: &Conditions, facts: &Facts<'_>) -> Option<String> {
    match condition {
        Condition::StartsAt | Condition::EndsAt | Condition::WithinMonthsOfReferral => {
            Some(facts.occurred_at.to_string())
        }
        Condition::Channels => facts.channel.map(|channel| channel.to_string()),
        Condition::Countries => facts.country.map(|country| country.to_string()),
        Condition::Metadata => None,
        Condition::NewRefereeOnly => facts.new_customer.map(|new| match new {
            true => "a new customer".to_owned(),
            false => "a known customer".to_owned(),
        }),
        Condition::MinimumAmount => compared(asked.minimum_amount, facts),
        Condition::MaximumAmount => compared(asked.maximum_amount, facts),
        Condition::FirstConversionOnly | Condition::ConversionNumber => {
            Some(facts.conversion_number.to_string())
        }
        Condition::ReferralNumber => facts.referral_number.map(|number| number.to_string()),
    }
}

/// The conversion's amount, and what it counts for where a rate was needed.
fn compared(bound: Option<Money>, facts: &Facts<'_>) -> Option<String> {
    let found = facts.amount?;
    let converted = facts.rates.convert(found, bound?.currency);
    Some(match converted.filter(|converted| *converted != found) {
        Some(converted) => format!("{found} ({converted})"),
        None => found.to_string(),
    })
}

fn range(numbers: NumberRange) -> String {
    match numbers.to {
        None => at_least(numbers.from.to_string()),
        Some(to) if to == numbers.from => to.to_string(),
        Some(to) => format!("{} to {to}", numbers.from),
    }
}

fn at_least(bound: String) -> String {
    format!("at least {bound}")
}

pub(super) fn one_of(values: impl Iterator<Item = impl ToString>) -> String {
    let values: Vec<String> = values.map(|value| value.to_string()).collect();
    format!("one of {}", values.join(", "))
}

fn shown(value: &MetadataValue) -> String {
    match value {
        MetadataValue::Text(text) => text.to_string(),
        MetadataValue::Integer(number) => number.to_string(),
        MetadataValue::Boolean(flag) => flag.to_string(),
    }
}

#[cfg(test)]
mod tests;
