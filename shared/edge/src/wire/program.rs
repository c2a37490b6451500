use kith_domain::incentive::{Incentive, Limits};
use kith_domain::program::Program;
use kith_domain::reward::{Discount, RewardValue};
use kith_domain::survey::SurveyRule;
use serde_json::{Value, json};

use super::{beneficiary, instant, money, present};

/// A program, defaults filled in.
#[must_use]
pub fn program(program: &Program) -> Value {
    json!({
        "id": program.id.to_string(),
        "mode": program.mode.as_str(),
        "name": program.name.as_str(),
        "destination_url": program.destination.as_str(),
        "allowed_hosts": program.allowed_hosts.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "attribution": {
            "model": program.attribution.model.as_str(),
            "window_days": program.attribution.window_days,
            "code_without_click": if program.attribution.code_without_click { "accept" } else { "refuse" },
        },
        "consent": {
            "tracking": if program.consent.tracking_required { "required" } else { "not_required" },
            "mail": program.consent.mail.as_str(),
        },
        "incentives": program.incentives.iter().map(incentive).collect::<Vec<_>>(),
        "hold_days": program.hold_days,
        "surveys": program.surveys.iter().map(survey_rule).collect::<Vec<_>>(),
        "state": program.state.as_str(),
        "version": program.version,
        "created_at": instant(program.created_at),
    })
}

fn incentive(incentive: &Incentive) -> Value {
    let conditions = present(json!({
        "minimum_amount": incentive.conditions.minimum_amount.map(money),
        "first_conversion_only": incentive.conditions.first_conversion_only.then_some(true),
    }));
    let Limits {
        per_referrer_per_day,
        per_referrer_per_week,
        per_referrer_per_month,
        per_referrer,
        per_referee,
    } = incentive.limits;
    let limits = present(json!({
        "per_referrer_per_day": per_referrer_per_day,
        "per_referrer_per_week": per_referrer_per_week,
        "per_referrer_per_month": per_referrer_per_month,
        "per_referrer": per_referrer,
        "per_referee": per_referee,
    }));
    json!({
        "id": incentive.id.as_str(),
        "on": incentive.on.as_str(),
        "beneficiary": beneficiary(incentive.beneficiary),
        "reward": rule(incentive.reward),
        "conditions": conditions,
        "limits": limits,
    })
}

/// What a rule gives, as it is written in a program.
fn rule(value: RewardValue) -> Value {
    match value {
        RewardValue::Cash(amount) => json!({"kind": "cash", "amount": money(amount)}),
        RewardValue::Discount(Discount::Amount(amount)) => {
            json!({"kind": "discount", "amount": money(amount)})
        }
        RewardValue::Discount(Discount::BasisPoints(share)) => {
            json!({"kind": "discount", "basis_points": share})
        }
        RewardValue::Points(points) => json!({"kind": "points", "points": points}),
        RewardValue::FreeProduct { sku, quantity } => {
            json!({"kind": "free_product", "sku": sku.as_str(), "quantity": quantity})
        }
    }
}

fn survey_rule(rule: &SurveyRule) -> Value {
    json!({
        "id": rule.id.as_str(),
        "on": rule.on.as_str(),
        "to": rule.to.as_str(),
        "delay_hours": rule.delay_hours,
        "closes_after_days": rule.closes_after_days,
        "cooldown_days": rule.cooldown_days,
    })
}
