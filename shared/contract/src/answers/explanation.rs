use kith_domain::incentive::{self as domain, Computation};
use kith_domain::reward::{self, Reward};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Incentive, Money, RewardRule, Value, incentive, value};

/// Why a rule gave a reward, and this one: the rule as it stood, what it asked for and what was
/// found, what the reward counts towards, and how its value came about.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Explanation {
    /// The version of the program that the rule stood in.
    pub scheme_version: u64,
    /// The rule, as it stood.
    pub rule: Incentive,
    /// The tier that replaced the reward; `null` if none did.
    pub tier: Option<TierReached>,
    /// What the rule asked for, and what was found.
    pub conditions: Vec<Check>,
    /// What the reward counts towards.
    pub limits: Vec<LimitApplied>,
    /// How the value came about.
    pub value: Option<Computed>,
    /// The version of the rates that were used; `null` if none were.
    pub rates_version: Option<u64>,
}

/// A tier that was reached.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub struct TierReached {
    /// From how many qualified referees on it holds.
    pub from: u32,
}

/// One condition of an incentive.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Check {
    /// Its name.
    pub condition: &'static str,
    /// What it asks for, for people to read.
    pub required: String,
    /// What was found; `null` if there was nothing.
    pub actual: Option<String>,
    /// Whether it held.
    pub held: bool,
}

/// A limit or budget that a reward counts towards.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct LimitApplied {
    /// Its name.
    pub limit: &'static str,
    /// How much was used before.
    pub used_before: i64,
    /// How much there is.
    pub cap: i64,
}

/// How a value came about.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Computed {
    /// What the rule offered.
    pub offered: RewardRule,
    /// Of a share: what it is a share of.
    pub base: Option<Money>,
    /// Of a share: what it comes to, rounded down, before any maximum.
    pub share: Option<Money>,
    /// Of a share: its maximum, in the conversion's currency.
    pub maximum: Option<Money>,
    /// Whether the maximum was less than the share.
    pub maximum_applied: bool,
    /// What came of it.
    pub result: Value,
}

/// Why a rule gave a reward, and this one.
#[must_use]
pub fn explanation(
    reward: &Reward,
    rule: &domain::Incentive,
    checks: &[domain::Check],
    computation: Option<&Computation>,
) -> Explanation {
    let basis = reward.basis.clone().unwrap_or_default();
    Explanation {
        scheme_version: reward.scheme_version,
        rule: incentive(rule),
        tier: basis.tier.map(|from| TierReached { from }),
        conditions: checks.iter().map(check).collect(),
        limits: basis.limits.iter().map(limit).collect(),
        value: computation.map(computed),
        rates_version: basis.rates_version,
    }
}

fn check(check: &domain::Check) -> Check {
    Check {
        condition: check.condition,
        required: check.required.clone(),
        actual: check.actual.clone(),
        held: check.held,
    }
}

fn limit(limit: &reward::LimitApplied) -> LimitApplied {
    LimitApplied {
        limit: limit.limit.as_str(),
        used_before: limit.used_before,
        cap: limit.cap,
    }
}

fn computed(computation: &Computation) -> Computed {
    Computed {
        offered: (&computation.rule).into(),
        base: computation.base.map(Money::from),
        share: computation.share.map(Money::from),
        maximum: computation.maximum.map(Money::from),
        maximum_applied: computation.maximum_applied,
        result: value(computation.value),
    }
}
