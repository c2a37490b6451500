use kith_domain::incentive::{
    Conditions, Incentive, Limits, MetadataCondition, MetadataTest, NumberRange, NumberRule,
    OnRefund, RewardRule, Tier,
};
use kith_domain::reward::Discount;
use kith_domain::text::MetadataValue;
use serde_json::{Value, json};

use super::super::{beneficiary, instant, money, present};

/// An incentive as it is written in a program.
#[must_use]
pub fn incentive(incentive: &Incentive) -> Value {
    present(json!({
        "id": incentive.id.as_str(),
        "on": incentive.on.as_str(),
        "beneficiary": beneficiary(incentive.beneficiary),
        "grant": incentive.grant.as_str(),
        "reward": rule(&incentive.reward),
        "tiers": incentive.tiers.iter().map(tier).collect::<Vec<_>>(),
        "conditions": conditions(&incentive.conditions),
        "limits": limits(&incentive.limits),
        "on_refund": on_refund(incentive).map(OnRefund::as_str),
        "hold_days": incentive.hold_days,
        "expires_after_days": incentive.expires_after_days,
        "unit_cost": incentive.unit_cost.map(money),
    }))
}

/// What was said, or what goes without saying. Where the kinds of reward differ, so may their
/// defaults, and there is no one word for them.
fn on_refund(incentive: &Incentive) -> Option<OnRefund> {
    let default = incentive.reward.on_refund_default();
    let one_default = || {
        let mut rules = incentive.rules();
        rules.all(|rule| rule.on_refund_default() == default)
    };
    incentive
        .on_refund
        .or_else(|| one_default().then_some(default))
}

fn tier(tier: &Tier) -> Value {
    json!({"from": tier.from, "reward": rule(&tier.reward)})
}

/// What a rule gives, as it is written in a program.
pub(in crate::wire) fn rule(rule: &RewardRule) -> Value {
    let kind = rule.kind();
    match *rule {
        RewardRule::Cash(amount) | RewardRule::Discount(Discount::Amount(amount)) => {
            json!({"kind": kind, "amount": money(amount)})
        }
        RewardRule::Percentage {
            basis_points,
            maximum,
        } => present(json!({
            "kind": kind,
            "basis_points": basis_points,
            "maximum": maximum.map(money),
        })),
        RewardRule::Discount(Discount::BasisPoints(share)) => {
            json!({"kind": kind, "basis_points": share})
        }
        RewardRule::Points(points) => json!({"kind": kind, "points": points}),
        RewardRule::FreeProduct { sku, quantity } => {
            json!({"kind": kind, "sku": sku.as_str(), "quantity": quantity})
        }
    }
}

fn conditions(conditions: &Conditions) -> Value {
    let channels = conditions.channels.iter().map(|channel| channel.as_str());
    let countries = conditions.countries.iter().map(|country| country.as_str());
    let metadata = conditions.metadata.iter().map(metadata_condition);
    present(json!({
        "minimum_amount": conditions.minimum_amount.map(money),
        "maximum_amount": conditions.maximum_amount.map(money),
        "first_conversion_only": conditions.first_conversion_only.then_some(true),
        "conversion_number": conditions.conversion_number.map(range),
        "referral_number": conditions.referral_number.map(|rule| match rule {
            NumberRule::Range(numbers) => range(numbers),
            NumberRule::Every(step) => json!({"every": step}),
        }),
        "within_months_of_referral": conditions.within_months_of_referral,
        "new_referee_only": conditions.new_referee_only.then_some(true),
        "channels": some(channels.collect()),
        "countries": some(countries.collect()),
        "metadata": some(metadata.collect()),
        "starts_at": conditions.starts_at.map(instant),
        "ends_at": conditions.ends_at.map(instant),
    }))
}

fn range(range: NumberRange) -> Value {
    present(json!({"from": range.from, "to": range.to}))
}

fn metadata_condition(condition: &MetadataCondition) -> Value {
    let value = match &condition.test {
        MetadataTest::Equals(value) => metadata_value(value),
        MetadataTest::In(values) => values.iter().map(metadata_value).collect(),
        MetadataTest::AtLeast(bound) | MetadataTest::AtMost(bound) => Value::from(*bound),
        MetadataTest::Exists(there) => Value::from(*there),
    };
    json!({
        "key": condition.key.as_str(),
        "operator": condition.test.operator().as_str(),
        "value": value,
    })
}

fn metadata_value(value: &MetadataValue) -> Value {
    match value {
        MetadataValue::Text(text) => Value::from(text.as_ref()),
        MetadataValue::Integer(number) => Value::from(*number),
        MetadataValue::Boolean(flag) => Value::from(*flag),
    }
}

fn limits(limits: &Limits) -> Value {
    let Limits {
        per_referrer_per_day,
        per_referrer_per_week,
        per_referrer_per_month,
        per_referrer,
        per_referee,
        budget_per_day,
        budget_per_month,
        budget,
    } = *limits;
    present(json!({
        "per_referrer_per_day": per_referrer_per_day,
        "per_referrer_per_week": per_referrer_per_week,
        "per_referrer_per_month": per_referrer_per_month,
        "per_referrer": per_referrer,
        "per_referee": per_referee,
        "budget_per_day": budget_per_day.map(money),
        "budget_per_month": budget_per_month.map(money),
        "budget": budget.map(money),
    }))
}

/// A list that asks for something.
fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}
