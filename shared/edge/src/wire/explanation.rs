use kith_domain::incentive::{Check, Computation, Incentive, LimitApplied};
use kith_domain::reward::Reward;
use serde_json::{Value, json};

use super::{money, program, value};

/// Why a rule gave a reward, and this one: the rule as it stood, what it asked for and what was found,
/// what the reward counts towards, and how its value came about.
#[must_use]
pub fn explanation(
    reward: &Reward,
    incentive: &Incentive,
    checks: &[Check],
    computation: Option<&Computation>,
) -> Value {
    let basis = reward.basis.clone().unwrap_or_default();
    json!({
        "scheme_version": reward.scheme_version,
        "rule": program::incentive(incentive),
        "tier": basis.tier.map(|from| json!({"from": from})),
        "conditions": checks.iter().map(check).collect::<Vec<_>>(),
        "limits": basis.limits.iter().map(limit).collect::<Vec<_>>(),
        "value": computation.map(computed),
        "rates_version": basis.rates_version,
    })
}

fn check(check: &Check) -> Value {
    json!({
        "condition": check.condition,
        "required": check.required,
        "actual": check.actual,
        "held": check.held,
    })
}

fn limit(limit: &LimitApplied) -> Value {
    json!({"limit": limit.limit, "used_before": limit.used_before, "cap": limit.cap})
}

fn computed(computation: &Computation) -> Value {
    json!({
        "offered": program::rule(&computation.rule),
        "base": computation.base.map(money),
        "share": computation.share.map(money),
        "maximum": computation.maximum.map(money),
        "maximum_applied": computation.maximum_applied,
        "result": value(computation.value),
    })
}
