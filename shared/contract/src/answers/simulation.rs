use kith_domain::id::ConversionId;
use kith_domain::simulation as domain;
use kith_domain::text::Slug;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Beneficiary, List, Money, Value, value};
use crate::scalar::Spelled;

/// What another scheme would have given for what was recorded.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Simulation {
    /// How many conversions were looked at.
    pub conversions: usize,
    /// What the present scheme gives.
    pub before: SimulationTotals,
    /// What the other one would have given.
    pub after: SimulationTotals,
    /// Where they differ.
    pub differences: List<Difference>,
}

/// How much a scheme gives.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SimulationTotals {
    /// How many rewards.
    pub rewards: u64,
    /// What they cost, by currency. Rewards whose cost is not known count as rewards alone.
    pub cost: Vec<Money>,
}

/// A conversion that would have earned something else.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Difference {
    /// Which.
    pub conversion_id: Spelled<ConversionId>,
    /// What it earned.
    pub before: Vec<Given>,
    /// What it would have earned.
    pub after: Vec<Given>,
}

/// A reward in a simulation.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Given {
    /// The rule.
    pub incentive_id: Spelled<Slug>,
    /// Who earns.
    pub beneficiary: Beneficiary,
    /// What kind of thing.
    #[schemars(schema_with = "super::reward::kinds")]
    pub kind: &'static str,
    /// What it is worth.
    pub value: Value,
}

impl From<&domain::Totals> for SimulationTotals {
    fn from(totals: &domain::Totals) -> Self {
        let cost = |(currency, minor): (&_, &i64)| {
            Money::from(kith_domain::money::Money::new(*minor, *currency))
        };
        Self {
            rewards: totals.rewards,
            cost: totals.cost.iter().map(cost).collect(),
        }
    }
}

impl From<&domain::Difference> for Difference {
    fn from(difference: &domain::Difference) -> Self {
        Self {
            conversion_id: difference.conversion_id.into(),
            before: difference.before.iter().map(Given::from).collect(),
            after: difference.after.iter().map(Given::from).collect(),
        }
    }
}

impl From<&domain::Given> for Given {
    fn from(given: &domain::Given) -> Self {
        Self {
            incentive_id: given.incentive_id.clone().into(),
            beneficiary: given.beneficiary.into(),
            kind: given.value().kind(),
            value: value(given.value()),
        }
    }
}
