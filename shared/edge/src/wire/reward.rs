use kith_domain::reward::{Beneficiary, Discount, Reward, RewardValue, Transition};
use kith_domain::text::Slug;
use serde_json::{Value, json};

use super::{instant, money, present};

/// What a reward is worth, by its kind.
#[must_use]
pub fn value(value: RewardValue) -> Value {
    match value {
        RewardValue::Cash(amount) | RewardValue::Discount(Discount::Amount(amount)) => {
            money(amount)
        }
        RewardValue::Discount(Discount::BasisPoints(basis_points)) => {
            json!({"basis_points": basis_points})
        }
        RewardValue::Points(points) => json!({"points": points}),
        RewardValue::FreeProduct { sku, quantity } => {
            json!({"sku": sku.as_str(), "quantity": quantity})
        }
    }
}

/// What is offered, as an incentive says it.
#[must_use]
pub fn offered(offered: RewardValue) -> Value {
    let kind = offered.kind();
    match offered {
        RewardValue::Cash(amount) | RewardValue::Discount(Discount::Amount(amount)) => {
            json!({"kind": kind, "amount": money(amount)})
        }
        RewardValue::Discount(Discount::BasisPoints(basis_points)) => {
            json!({"kind": kind, "basis_points": basis_points})
        }
        RewardValue::Points(points) => json!({"kind": kind, "points": points}),
        RewardValue::FreeProduct { sku, quantity } => {
            json!({"kind": kind, "sku": sku.as_str(), "quantity": quantity})
        }
    }
}

/// Who earns.
#[must_use]
pub fn beneficiary(beneficiary: Beneficiary) -> Value {
    match beneficiary {
        Beneficiary::Referrer | Beneficiary::Referee => Value::String(beneficiary.to_string()),
        Beneficiary::Upline(level) => json!({"upline": level}),
    }
}

/// A reward inside its conversion.
#[must_use]
pub fn reward_in_conversion(reward: &Reward) -> Value {
    json!({
        "id": reward.id.to_string(),
        "incentive_id": reward.incentive_id.as_ref().map(Slug::as_str),
        "beneficiary": beneficiary(reward.beneficiary),
        "beneficiary_id": reward.beneficiary_id.to_string(),
        "kind": reward.value.kind(),
        "value": value(reward.value),
        "state": reward.state.as_str(),
        "release_at": instant(reward.release_at),
        "source": reward.source.as_str(),
    })
}

/// A reward by itself, with its history.
#[must_use]
pub fn reward(reward: &Reward) -> Value {
    let mut written = reward_in_conversion(reward);
    let more = json!({
        "conversion_id": reward.conversion_id.map(|id| id.to_string()),
        "referral_id": reward.referral_id.map(|id| id.to_string()),
        "original_value": value(reward.original),
        "scheme_version": reward.scheme_version,
        "created_at": instant(reward.created_at),
        "issued_at": reward.issued_at.map(instant),
        "expires_at": reward.expires_at.map(instant),
        "voucher_code": reward.voucher_code.as_ref().map(ToString::to_string),
        "history": reward.history.iter().map(transition).collect::<Vec<_>>(),
        "version": reward.version,
    });
    if let (Some(members), Value::Object(more)) = (written.as_object_mut(), more) {
        members.extend(more);
    }
    written
}

fn transition(step: &Transition) -> Value {
    present(json!({
        "state": step.to.as_str(),
        "at": instant(step.at),
        "by": step.by,
        "reason": step.reason,
    }))
}
