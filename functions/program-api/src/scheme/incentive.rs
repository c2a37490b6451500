//! Reads one incentive.

use kith_contract::requests::CHANNELS_MAX;
use kith_domain::channel::Channel;
use kith_domain::fulfilment::FulfilmentRule;
use kith_domain::id::WebhookId;
use kith_domain::incentive::{
    COUNTRIES_MAX, Conditions, EXPIRES_AFTER_DAYS_MAX, Grant, Incentive, LIMIT_MAX, Limits,
    METADATA_CONDITIONS_MAX, METADATA_VALUES_MAX, MetadataCondition, MetadataOperator,
    MetadataTest, NUMBER_MAX, NumberRange, NumberRule, OnRefund, POINTS_MAX, QUANTITY_MAX,
    RewardRule, TIERS_MAX, Tier, WITHIN_MONTHS_MAX,
};
use kith_domain::money::{BASIS_POINTS_WHOLE, Money, Sku};
use kith_domain::program::HOLD_DAYS_MAX;
use kith_domain::reward::{Beneficiary, Discount, UPLINE_MAX, UnknownBeneficiary};
use kith_domain::text::{CountryCode, EventName, MetadataKey, MetadataValue, Slug};
use kith_edge::json::{self, Faults, Member, Object};
use serde_json::Value;

/// An incentive with its own faults; what concerns several of them is judged with the list.
pub(super) fn incentive(object: &mut Object, faults: &mut Faults) -> Option<Incentive> {
    let pointer = object.pointer().to_owned();
    let costed = object.says("unit_cost");
    let id = object.required("id", faults, json::text::<Slug>);
    let on = object.required("on", faults, json::text::<EventName>);
    let beneficiary = object.required("beneficiary", faults, beneficiary);
    let grant = object.optional("grant", faults, json::text::<Grant>);
    let reward = object.required("reward", faults, json::nested(reward));
    let tiers = json::list(TIERS_MAX, json::nested(tier));
    let tiers = object.optional("tiers", faults, tiers).unwrap_or_default();
    let conditions = object.optional("conditions", faults, json::nested(conditions));
    let limits = object.optional("limits", faults, json::nested(limits));
    let on_refund = object.optional("on_refund", faults, json::text::<OnRefund>);
    let days = json::integer_in(0..=HOLD_DAYS_MAX);
    let hold_days = object.optional("hold_days", faults, days);
    let days = json::integer_in(1..=EXPIRES_AFTER_DAYS_MAX);
    let expires_after_days = object.optional("expires_after_days", faults, days);
    let unit_cost = object.optional("unit_cost", faults, some_money);
    let asks = object.says("fulfilment");
    let fulfilment = object.optional("fulfilment", faults, json::nested(fulfilment));
    let grant = grant.unwrap_or(Grant::After);
    let limits = limits.unwrap_or_default();

    ascending(&pointer, &tiers, faults);
    let rules = rules(&pointer, reward, &tiers);
    if grant == Grant::AtCheckout {
        if beneficiary.is_some_and(|one| one != Beneficiary::Referee) {
            let detail = "must be referee: before paying only the friend can be given something";
            faults.add(format!("{pointer}/beneficiary"), detail);
        }
        for (pointer, rule) in &rules {
            at_checkout(pointer, rule, faults);
        }
        if asks {
            let detail = "must not be there: what is given before paying is used at once";
            faults.add(format!("{pointer}/fulfilment"), detail);
        }
    }
    let counted = |(_, rule): &&(String, RewardRule)| !rule.gives_cash();
    if let (Some((_, rule)), Some(_), false) =
        (rules.iter().find(counted), limits.budgets().next(), costed)
    {
        let detail = format!("is required: a budget counts {} rewards by it", rule.kind());
        faults.add(format!("{pointer}/unit_cost"), detail);
    }
    // What goes without saying is not kept, so that it is the same whether it was said or not.
    let says = |word: &OnRefund| {
        let mut rules = rules.iter();
        !rules.all(|(_, rule)| rule.on_refund_default() == *word)
    };
    Some(Incentive {
        id: id?,
        on: on?,
        beneficiary: beneficiary?,
        grant,
        reward: reward?,
        tiers,
        conditions: conditions.unwrap_or_default(),
        limits,
        on_refund: on_refund.filter(says),
        hold_days,
        expires_after_days,
        unit_cost,
        fulfilment,
        budget_shards: 0,
    })
}

/// Whether there is such a webhook is judged with the program.
fn fulfilment(object: &mut Object, faults: &mut Faults) -> Option<FulfilmentRule> {
    let webhook = object.required("webhook_id", faults, json::text::<WebhookId>);
    let validate = flag(object, "validate", faults);
    Some(FulfilmentRule {
        webhook: webhook?,
        validate,
    })
}

/// Everything that may be given, and where it stands.
fn rules(pointer: &str, reward: Option<RewardRule>, tiers: &[Tier]) -> Vec<(String, RewardRule)> {
    let reward = reward.map(|rule| (format!("{pointer}/reward"), rule));
    let tiers = tiers.iter().enumerate().map(|(index, tier)| {
        let pointer = format!("{pointer}/tiers/{index}/reward");
        (pointer, tier.reward)
    });
    reward.into_iter().chain(tiers).collect()
}

fn ascending(pointer: &str, tiers: &[Tier], faults: &mut Faults) {
    let after = tiers.iter().skip(1);
    for (index, (before, tier)) in tiers.iter().zip(after).enumerate() {
        if tier.from <= before.from {
            let pointer = format!("{pointer}/tiers/{}/from", index.saturating_add(1));
            faults.add(pointer, "must be greater than that of the tier before");
        }
    }
}

fn at_checkout(pointer: &str, rule: &RewardRule, faults: &mut Faults) {
    match rule {
        RewardRule::Discount(_) | RewardRule::FreeProduct { .. } => {}
        RewardRule::Cash(_) | RewardRule::Percentage { .. } | RewardRule::Points(_) => {
            let detail = "must be discount or free_product: nothing else can be given at checkout";
            faults.add(format!("{pointer}/kind"), detail);
        }
    }
}

fn beneficiary(member: Member, faults: &mut Faults) -> Option<Beneficiary> {
    match &member.value {
        Value::Object(_) => json::nested(|object, faults| {
            let level = object.required("upline", faults, json::integer_in(1..=UPLINE_MAX));
            level.map(Beneficiary::Upline)
        })(member, faults),
        Value::String(text) if text == "referrer" => Some(Beneficiary::Referrer),
        Value::String(text) if text == "referee" => Some(Beneficiary::Referee),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            member.refuse(faults, UnknownBeneficiary.to_string());
            None
        }
    }
}

fn tier(object: &mut Object, faults: &mut Faults) -> Option<Tier> {
    let from = object.required("from", faults, json::integer_in(1..=NUMBER_MAX));
    let reward = object.required("reward", faults, json::nested(reward));
    Some(Tier {
        from: from?,
        reward: reward?,
    })
}

fn reward(object: &mut Object, faults: &mut Faults) -> Option<RewardRule> {
    let kind = object.required("kind", faults, json::any)?;
    match kind.value.as_str() {
        Some("cash") => {
            let amount = object.required("amount", faults, some_money);
            amount.map(RewardRule::Cash)
        }
        Some("percentage") => {
            let share = object.required("basis_points", faults, share());
            let maximum = object.optional("maximum", faults, some_money);
            Some(RewardRule::Percentage {
                basis_points: share?,
                maximum,
            })
        }
        Some("points") => {
            let points = json::integer_in(1..=POINTS_MAX);
            let points = object.required("points", faults, points);
            points.map(RewardRule::Points)
        }
        Some("discount") => discount(object, faults).map(RewardRule::Discount),
        Some("free_product") => {
            let sku = object.required("sku", faults, json::text::<Sku>);
            let quantity = json::integer_in(1..=QUANTITY_MAX);
            let quantity = object.required("quantity", faults, quantity);
            Some(RewardRule::FreeProduct {
                sku: sku?,
                quantity: quantity?,
            })
        }
        Some(_) | None => {
            let detail = "must be one of cash, percentage, discount, points, free_product";
            kind.refuse(faults, detail);
            // Of a kind that is not known nothing more can be said: its members are let be.
            *object = Object::new(object.pointer(), serde_json::Map::new());
            None
        }
    }
}

fn discount(object: &mut Object, faults: &mut Faults) -> Option<Discount> {
    let both = object.says("basis_points") && object.says("amount");
    let neither = !object.says("basis_points") && !object.says("amount");
    let share = object.optional("basis_points", faults, share());
    let amount = object.optional("amount", faults, some_money);
    if both || neither {
        let detail = "must have either basis_points or amount";
        faults.add(object.pointer(), detail);
        return None;
    }
    match (share, amount) {
        (Some(share), _) => Some(Discount::BasisPoints(share)),
        (None, amount) => amount.map(Discount::Amount),
    }
}

pub(crate) fn share() -> impl FnOnce(Member, &mut Faults) -> Option<u32> {
    json::integer_in(1..=BASIS_POINTS_WHOLE)
}

/// An amount that is worth something.
pub(crate) fn some_money(member: Member, faults: &mut Faults) -> Option<Money> {
    let pointer = format!("{}/amount", member.pointer);
    let money = json::money(member, faults)?;
    if money.minor == 0 {
        faults.add(pointer, "must be at least 1");
        return None;
    }
    Some(money)
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "it has the form of every parser; its faults are noted"
)]
fn conditions(object: &mut Object, faults: &mut Faults) -> Option<Conditions> {
    let months = json::integer_in(1..=WITHIN_MONTHS_MAX);
    let metadata = json::list(METADATA_CONDITIONS_MAX, json::nested(metadata_condition));
    let conditions = Conditions {
        minimum_amount: object.optional("minimum_amount", faults, json::money),
        maximum_amount: object.optional("maximum_amount", faults, json::money),
        first_conversion_only: flag(object, "first_conversion_only", faults),
        conversion_number: object.optional("conversion_number", faults, json::nested(range)),
        referral_number: object.optional("referral_number", faults, json::nested(number_rule)),
        within_months_of_referral: object.optional("within_months_of_referral", faults, months),
        new_referee_only: flag(object, "new_referee_only", faults),
        channels: object
            .optional("channels", faults, some_of::<Channel>(CHANNELS_MAX))
            .unwrap_or_default(),
        countries: object
            .optional("countries", faults, some_of::<CountryCode>(COUNTRIES_MAX))
            .unwrap_or_default(),
        metadata: object
            .optional("metadata", faults, metadata)
            .unwrap_or_default(),
        starts_at: object.optional("starts_at", faults, json::timestamp),
        ends_at: object.optional("ends_at", faults, json::timestamp),
    };
    if let (Some(starts_at), Some(ends_at)) = (conditions.starts_at, conditions.ends_at)
        && ends_at <= starts_at
    {
        faults.add(object.pointer_to("ends_at"), "must be after starts_at");
    }
    if let (Some(minimum), Some(maximum)) = (conditions.minimum_amount, conditions.maximum_amount)
        && maximum.at_least(minimum) == Some(false)
    {
        let detail = "must not be less than minimum_amount";
        faults.add(object.pointer_to("maximum_amount"), detail);
    }
    Some(conditions)
}

fn flag(object: &mut Object, name: &'static str, faults: &mut Faults) -> bool {
    let flag = object.optional(name, faults, json::boolean);
    flag.unwrap_or_default()
}

/// A list of words, one of which has to be met: none of them twice, and not none at all.
fn some_of<T: std::str::FromStr<Err: std::fmt::Display> + PartialEq>(
    length_max: usize,
) -> impl FnOnce(Member, &mut Faults) -> Option<Vec<T>> {
    move |member, faults| {
        let pointer = member.pointer.clone();
        let values = json::list(length_max, json::text::<T>)(member, faults)?;
        if values.is_empty() {
            faults.add(pointer, "must have at least one entry");
            return None;
        }
        for (index, value) in values.iter().enumerate() {
            if values.iter().take(index).any(|before| before == value) {
                faults.add(format!("{pointer}/{index}"), "stands there already");
            }
        }
        Some(values)
    }
}

fn range(object: &mut Object, faults: &mut Faults) -> Option<NumberRange> {
    let neither = !object.says("from") && !object.says("to");
    let from = object.optional("from", faults, json::integer_in(1..=NUMBER_MAX));
    let to = object.optional("to", faults, json::integer_in(1..=NUMBER_MAX));
    if neither {
        faults.add(object.pointer(), "must have from or to");
        return None;
    }
    let from = from.unwrap_or(1);
    if to.is_some_and(|to| to < from) {
        faults.add(object.pointer_to("to"), "must not be less than from");
    }
    Some(NumberRange { from, to })
}

fn number_rule(object: &mut Object, faults: &mut Faults) -> Option<NumberRule> {
    if !object.says("every") {
        return range(object, faults).map(NumberRule::Range);
    }
    let mixed = object.says("from") || object.says("to");
    let every = object.required("every", faults, json::integer_in(1..=NUMBER_MAX));
    if mixed {
        let _ = range(object, faults);
        faults.add(object.pointer(), "must have either every, or from and to");
    }
    every.map(NumberRule::Every)
}

fn metadata_condition(object: &mut Object, faults: &mut Faults) -> Option<MetadataCondition> {
    let key = object.required("key", faults, json::text::<MetadataKey>);
    let operator = object.required("operator", faults, json::text::<MetadataOperator>);
    let Some(operator) = operator else {
        // What it is compared with cannot be judged.
        let _ = object.optional("value", faults, json::any);
        return None;
    };
    let test = match operator {
        MetadataOperator::Equals => {
            let value = object.required("value", faults, metadata_value);
            value.map(MetadataTest::Equals)
        }
        MetadataOperator::In => {
            let values = object.required("value", faults, |member, faults| {
                let pointer = member.pointer.clone();
                let values = json::list(METADATA_VALUES_MAX, metadata_value)(member, faults)?;
                if values.is_empty() {
                    faults.add(pointer, "must have at least one entry");
                }
                Some(values)
            });
            values.map(MetadataTest::In)
        }
        MetadataOperator::AtLeast => {
            let bound = object.required("value", faults, json::integer_in(i64::MIN..=i64::MAX));
            bound.map(MetadataTest::AtLeast)
        }
        MetadataOperator::AtMost => {
            let bound = object.required("value", faults, json::integer_in(i64::MIN..=i64::MAX));
            bound.map(MetadataTest::AtMost)
        }
        MetadataOperator::Exists => {
            let there = object.optional("value", faults, json::boolean);
            Some(MetadataTest::Exists(there.unwrap_or(true)))
        }
    };
    Some(MetadataCondition {
        key: key?,
        test: test?,
    })
}

fn metadata_value(member: Member, faults: &mut Faults) -> Option<MetadataValue> {
    let found = match &member.value {
        Value::String(text) => MetadataValue::text(text).map_err(|error| error.to_string()),
        Value::Bool(flag) => Ok(MetadataValue::Boolean(*flag)),
        Value::Number(number) => number
            .as_i64()
            .map(MetadataValue::Integer)
            .ok_or_else(|| "must be an integer: there are no fractions".to_owned()),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            Err("must be a string, an integer, true or false".to_owned())
        }
    };
    match found {
        Ok(value) => Some(value),
        Err(detail) => {
            member.refuse(faults, detail);
            None
        }
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "it has the form of every parser; its faults are noted"
)]
fn limits(object: &mut Object, faults: &mut Faults) -> Option<Limits> {
    let mut limit = |name| object.optional(name, faults, json::integer_in(1..=LIMIT_MAX));
    let limits = Limits {
        per_referrer_per_day: limit("per_referrer_per_day"),
        per_referrer_per_week: limit("per_referrer_per_week"),
        per_referrer_per_month: limit("per_referrer_per_month"),
        per_referrer: limit("per_referrer"),
        per_referee: limit("per_referee"),
        ..Limits::default()
    };
    Some(Limits {
        budget_per_day: object.optional("budget_per_day", faults, some_money),
        budget_per_month: object.optional("budget_per_month", faults, some_money),
        budget: object.optional("budget", faults, some_money),
        ..limits
    })
}
