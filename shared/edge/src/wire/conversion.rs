use kith_domain::attribution::{Attribution, Considered};
use kith_domain::conversion::{CodeUse, Conversion};
use kith_domain::incentive::Skipped;
use kith_domain::money::Money;
use kith_domain::refund::Refund;
use kith_domain::reward::Reward;
use kith_domain::text::MetadataValue;
use serde_json::{Map, Value, json};

use super::{beneficiary, instant, money, present, refund, reward_in_conversion};

/// A conversion with its rewards, of which nothing was refunded.
#[must_use]
pub fn conversion(conversion: &Conversion, rewards: &[Reward]) -> Value {
    conversion_with_refunds(conversion, rewards, &[])
}

/// A conversion with its rewards and refunds.
#[must_use]
pub fn conversion_with_refunds(
    conversion: &Conversion,
    rewards: &[Reward],
    refunds: &[Refund],
) -> Value {
    let content = &conversion.content;
    let refunded = content
        .amount
        .map(|amount| money(Money::new(conversion.refunded, amount.currency)));
    json!({
        "id": conversion.id.to_string(),
        "event": content.event.as_str(),
        "external_id": content.external_id.as_str(),
        "state": conversion.state.as_str(),
        "amount": content.amount.map(money),
        "country": content.country.map(|country| country.as_str()),
        "metadata": metadata(conversion),
        "occurred_at": instant(conversion.occurred_at),
        "recorded_at": instant(conversion.recorded_at),
        "attribution": attribution(conversion),
        "rewards": rewards.iter().map(reward_in_conversion).collect::<Vec<_>>(),
        "skipped": conversion.skipped.iter().map(skipped).collect::<Vec<_>>(),
        "codes": conversion.codes.iter().map(code).collect::<Vec<_>>(),
        "refunded": refunded,
        "refunds": refunds.iter().map(refund).collect::<Vec<_>>(),
        "version": conversion.version,
    })
}

fn metadata(conversion: &Conversion) -> Value {
    let entry = |value: &MetadataValue| match value {
        MetadataValue::Text(text) => Value::String(text.to_string()),
        MetadataValue::Integer(number) => Value::from(*number),
        MetadataValue::Boolean(flag) => Value::Bool(*flag),
    };
    let entries = conversion
        .content
        .metadata
        .iter()
        .map(|(key, value)| (key.as_str().to_owned(), entry(value)));
    Value::Object(entries.collect::<Map<_, _>>())
}

fn attribution(conversion: &Conversion) -> Value {
    let Attribution {
        by_hand,
        chosen,
        reason,
        model,
        considered,
    } = &conversion.attribution;
    let chosen = chosen.as_ref();
    json!({
        "state": if chosen.is_some() { "attributed" } else { "unattributed" },
        "referrer_id": chosen.map(|chosen| chosen.referrer_id.to_string()),
        "referee_id": conversion.referee_id.to_string(),
        "referral_id": conversion.referral_id.map(|id| id.to_string()),
        "click_id": chosen.and_then(|chosen| chosen.click_id).map(|id| id.to_string()),
        "channel": chosen.and_then(|chosen| chosen.channel).map(|channel| channel.as_str()),
        "model": model.as_str(),
        "reason": reason.as_str(),
        "by_hand": by_hand.as_ref().map(|hand| json!({"by": hand.by, "reason": hand.reason.as_str()})),
        "considered": considered.iter().map(touch).collect::<Vec<_>>(),
    })
}

fn touch(considered: &Considered) -> Value {
    present(json!({
        "touch": considered.touch.as_str(),
        "click_id": considered.click_id.map(|id| id.to_string()),
        "code": considered.code.as_ref().map(ToString::to_string),
        "referrer_id": considered.referrer_id.map(|id| id.to_string()),
        "at": considered.at.map(instant),
        "outcome": considered.outcome.as_str(),
    }))
}

fn skipped(skipped: &Skipped) -> Value {
    json!({
        "incentive_id": skipped.incentive_id.as_str(),
        "beneficiary": beneficiary(skipped.beneficiary),
        "reason": skipped.reason.as_str(),
    })
}

fn code(code: &CodeUse) -> Value {
    json!({"code": code.code, "is": code.is.as_str()})
}
