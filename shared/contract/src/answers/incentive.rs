use std::borrow::Cow;

use kith_domain::channel::Channel;
use kith_domain::incentive::{self as domain, Grant, MetadataOperator, MetadataTest, OnRefund};
use kith_domain::money::Sku;
use kith_domain::reward::Discount;
use kith_domain::text::{CountryCode, EventName, MetadataKey, Slug};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use super::{Beneficiary, FulfilmentRule, MetadataValue, Money};
use crate::scalar::{At, Spelled, Word};

/// An incentive as it is kept, defaults filled in. What it does not ask for is left out.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Incentive {
    /// The owner's name of it. It keeps its kind of reward and its beneficiary for ever.
    pub id: Spelled<Slug>,
    /// For which event it gives.
    pub on: Spelled<EventName>,
    /// To whom it gives.
    pub beneficiary: Beneficiary,
    /// When it gives.
    pub grant: Word<Grant>,
    /// What it gives.
    pub reward: RewardRule,
    /// What it gives instead to referrers with enough qualified referees.
    pub tiers: Vec<Tier>,
    /// When it gives.
    pub conditions: Conditions,
    /// How often it gives.
    pub limits: Limits,
    /// What a refund takes back; left out where it differs by the kinds of reward.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_refund: Option<Word<OnRefund>>,
    /// How long its rewards are held, if not as long as the program says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold_days: Option<u16>,
    /// How long after its issue a reward can be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_after_days: Option<u16>,
    /// What one reward counts for in a budget.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit_cost: Option<Money>,
    /// Who carries its rewards out, if the shop does so itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fulfilment: Option<FulfilmentRule>,
}

/// What a rule gives.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RewardRule {
    /// An amount of money.
    Cash {
        /// How much.
        amount: Money,
    },
    /// A share of the conversion's amount, in money.
    Percentage {
        /// The share: 1,000 is 10 %.
        basis_points: u32,
        /// At most this much; left out if there is no maximum.
        #[serde(skip_serializing_if = "Option::is_none")]
        maximum: Option<Money>,
    },
    /// Less to pay next time: by a share or by an amount.
    Discount {
        /// The share; left out if it is an amount.
        #[serde(skip_serializing_if = "Option::is_none")]
        basis_points: Option<u32>,
        /// The amount; left out if it is a share.
        #[serde(skip_serializing_if = "Option::is_none")]
        amount: Option<Money>,
    },
    /// Loyalty points.
    Points {
        /// How many.
        points: i64,
    },
    /// A product for nothing.
    FreeProduct {
        /// Which.
        sku: Spelled<Sku>,
        /// How many of it.
        quantity: u32,
    },
}

impl From<&domain::RewardRule> for RewardRule {
    fn from(rule: &domain::RewardRule) -> Self {
        match *rule {
            domain::RewardRule::Cash(amount) => Self::Cash {
                amount: amount.into(),
            },
            domain::RewardRule::Percentage {
                basis_points,
                maximum,
            } => Self::Percentage {
                basis_points,
                maximum: maximum.map(Money::from),
            },
            domain::RewardRule::Discount(Discount::Amount(amount)) => Self::Discount {
                basis_points: None,
                amount: Some(amount.into()),
            },
            domain::RewardRule::Discount(Discount::BasisPoints(share)) => Self::Discount {
                basis_points: Some(share),
                amount: None,
            },
            domain::RewardRule::Points(points) => Self::Points { points },
            domain::RewardRule::FreeProduct { sku, quantity } => Self::FreeProduct {
                sku: sku.into(),
                quantity,
            },
        }
    }
}

/// A reward that replaces the incentive's own.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub struct Tier {
    /// From how many qualified referees on, the present one included.
    pub from: u32,
    /// What is given then.
    pub reward: RewardRule,
}

/// What has to hold. Every member is left out that asks for nothing.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Conditions {
    /// The least amount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum_amount: Option<Money>,
    /// The largest amount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum_amount: Option<Money>,
    /// Only the referee's first qualified conversion of the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_conversion_only: Option<bool>,
    /// Which of the referee's qualified conversions of the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversion_number: Option<Range>,
    /// Which of the referrer's qualified referees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referral_number: Option<NumberRule>,
    /// How long after the referral.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within_months_of_referral: Option<u16>,
    /// Only if the shop said that the referee is a new customer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_referee_only: Option<bool>,
    /// Through which channels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<Word<Channel>>,
    /// In which countries.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub countries: Vec<Spelled<CountryCode>>,
    /// What the conversion's metadata has to be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metadata: Vec<MetadataCondition>,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<At>,
    /// Until when; then it does not hold any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<At>,
}

/// Which numbers, both ends included.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub struct Range {
    /// The first.
    pub from: u32,
    /// The last; left out if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<u32>,
}

/// Which numbers: a range, or every so many.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum NumberRule {
    /// Between two numbers.
    Range(Range),
    /// Every so many.
    Every {
        /// How many.
        every: u32,
    },
}

/// What a member of the conversion's metadata has to be.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct MetadataCondition {
    /// Which member.
    pub key: Spelled<MetadataKey>,
    /// How it is compared.
    pub operator: Word<MetadataOperator>,
    /// With what: a list for `in`, a number for `at_least` and `at_most`, true or false for `exists`.
    pub value: Compared,
}

/// What metadata is compared with.
#[derive(Debug, Clone)]
pub struct Compared(MetadataTest);

impl Serialize for Compared {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            MetadataTest::Equals(value) => MetadataValue::from(value).serialize(serializer),
            MetadataTest::In(values) => {
                serializer.collect_seq(values.iter().map(MetadataValue::from))
            }
            MetadataTest::AtLeast(bound) | MetadataTest::AtMost(bound) => {
                bound.serialize(serializer)
            }
            MetadataTest::Exists(there) => there.serialize(serializer),
        }
    }
}

impl JsonSchema for Compared {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Compared".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<MetadataValue>();
        json_schema!({"anyOf": [one, {"type": "array", "items": one}]})
    }
}

/// How often an incentive gives. Every member is left out that has no limit.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub struct Limits {
    /// Rewards of one referrer on one day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_referrer_per_day: Option<u32>,
    /// In one week.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_referrer_per_week: Option<u32>,
    /// In one month.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_referrer_per_month: Option<u32>,
    /// Ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_referrer: Option<u32>,
    /// Rewards for one referee, ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_referee: Option<u32>,
    /// What may be spent on one day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget_per_day: Option<Money>,
    /// In one month.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget_per_month: Option<Money>,
    /// Ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<Money>,
}

/// An incentive as it is kept.
#[must_use]
pub fn incentive(incentive: &domain::Incentive) -> Incentive {
    Incentive {
        id: incentive.id.clone().into(),
        on: incentive.on.clone().into(),
        beneficiary: incentive.beneficiary.into(),
        grant: incentive.grant.into(),
        reward: (&incentive.reward).into(),
        tiers: incentive.tiers.iter().map(tier).collect(),
        conditions: conditions(&incentive.conditions),
        limits: limits(&incentive.limits),
        on_refund: on_refund(incentive).map(Word),
        hold_days: incentive.hold_days,
        expires_after_days: incentive.expires_after_days,
        unit_cost: incentive.unit_cost.map(Money::from),
        fulfilment: incentive.fulfilment.map(FulfilmentRule::from),
    }
}

/// What was said, or what goes without saying. Where the kinds of reward differ, so may their
/// defaults, and there is no one word for them.
fn on_refund(incentive: &domain::Incentive) -> Option<OnRefund> {
    let default = incentive.reward.on_refund_default();
    let one_default = || {
        let mut rules = incentive.rules();
        rules.all(|rule| rule.on_refund_default() == default)
    };
    incentive
        .on_refund
        .or_else(|| one_default().then_some(default))
}

fn tier(tier: &domain::Tier) -> Tier {
    Tier {
        from: tier.from,
        reward: (&tier.reward).into(),
    }
}

fn conditions(conditions: &domain::Conditions) -> Conditions {
    Conditions {
        minimum_amount: conditions.minimum_amount.map(Money::from),
        maximum_amount: conditions.maximum_amount.map(Money::from),
        first_conversion_only: conditions.first_conversion_only.then_some(true),
        conversion_number: conditions.conversion_number.map(range),
        referral_number: conditions.referral_number.map(|rule| match rule {
            domain::NumberRule::Range(numbers) => NumberRule::Range(range(numbers)),
            domain::NumberRule::Every(every) => NumberRule::Every { every },
        }),
        within_months_of_referral: conditions.within_months_of_referral,
        new_referee_only: conditions.new_referee_only.then_some(true),
        channels: conditions.channels.iter().copied().map(Word).collect(),
        countries: conditions.countries.iter().copied().map(Spelled).collect(),
        metadata: conditions.metadata.iter().map(metadata_condition).collect(),
        starts_at: conditions.starts_at.map(At),
        ends_at: conditions.ends_at.map(At),
    }
}

fn range(range: domain::NumberRange) -> Range {
    Range {
        from: range.from,
        to: range.to,
    }
}

fn metadata_condition(condition: &domain::MetadataCondition) -> MetadataCondition {
    MetadataCondition {
        key: condition.key.clone().into(),
        operator: condition.test.operator().into(),
        value: Compared(condition.test.clone()),
    }
}

fn limits(limits: &domain::Limits) -> Limits {
    let domain::Limits {
        per_referrer_per_day,
        per_referrer_per_week,
        per_referrer_per_month,
        per_referrer,
        per_referee,
        budget_per_day,
        budget_per_month,
        budget,
    } = *limits;
    Limits {
        per_referrer_per_day,
        per_referrer_per_week,
        per_referrer_per_month,
        per_referrer,
        per_referee,
        budget_per_day: budget_per_day.map(Money::from),
        budget_per_month: budget_per_month.map(Money::from),
        budget: budget.map(Money::from),
    }
}
