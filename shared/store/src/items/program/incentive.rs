use jiff::Timestamp;
use kith_domain::channel::Channel;
use kith_domain::fulfilment::FulfilmentRule;
use kith_domain::incentive::{
    Conditions, Grant, Incentive, Limits, MetadataCondition, MetadataTest, NumberRange, NumberRule,
    OnRefund, RewardRule, Tier,
};
use kith_domain::money::{Money, Sku};
use kith_domain::reward::{Beneficiary, Discount};
use kith_domain::text::{CountryCode, EventName, MetadataKey, MetadataValue, Slug};
use serde::{Deserialize, Serialize};

use super::super::MoneyItem;
use super::super::conversion::MetadataItem;
use super::super::fulfilment::FulfilmentRuleItem;
use crate::item::{text, text_option};

/// What lies in the table of an incentive. What it does not say is absent.
#[derive(Serialize, Deserialize)]
pub(super) struct IncentiveItem {
    #[serde(with = "text")]
    id: Slug,
    #[serde(with = "text")]
    on: EventName,
    #[serde(with = "text")]
    beneficiary: Beneficiary,
    #[serde(with = "text", default = "after")]
    grant: Grant,
    reward: RuleItem,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tiers: Vec<TierItem>,
    #[serde(flatten)]
    conditions: ConditionsItem,
    #[serde(flatten)]
    limits: LimitsItem,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    on_refund: Option<OnRefund>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hold_days: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_after_days: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unit_cost: Option<MoneyItem>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fulfilment: Option<FulfilmentRuleItem>,
    #[serde(default)]
    budget_shards: u8,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "value")]
enum RuleItem {
    Cash(MoneyItem),
    Percentage {
        basis_points: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        maximum: Option<MoneyItem>,
    },
    DiscountShare {
        basis_points: u32,
    },
    DiscountAmount(MoneyItem),
    Points {
        points: i64,
    },
    FreeProduct {
        #[serde(with = "text")]
        sku: Sku,
        quantity: u32,
    },
}

#[derive(Serialize, Deserialize)]
struct TierItem {
    from: u32,
    reward: RuleItem,
}

#[derive(Serialize, Deserialize)]
struct ConditionsItem {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    minimum_amount: Option<MoneyItem>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    maximum_amount: Option<MoneyItem>,
    #[serde(default)]
    first_conversion_only: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    conversion_number: Option<RangeItem>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    referral_number: Option<NumberItem>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    within_months_of_referral: Option<u16>,
    #[serde(default)]
    new_referee_only: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    channels: Vec<ChannelItem>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    countries: Vec<CountryItem>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    metadata: Vec<MetadataConditionItem>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    starts_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    ends_at: Option<Timestamp>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct RangeItem {
    from: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<u32>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum NumberItem {
    Range(RangeItem),
    Every(u32),
}

/// A list of these that could not be read would be a list that asks for nothing, so the item could
/// not be read either.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct ChannelItem(#[serde(with = "text")] Channel);

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct CountryItem(#[serde(with = "text")] CountryCode);

#[derive(Serialize, Deserialize)]
struct MetadataConditionItem {
    #[serde(with = "text")]
    key: MetadataKey,
    test: MetadataTestItem,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "operator", content = "value")]
enum MetadataTestItem {
    Equals(MetadataItem),
    In(Vec<MetadataItem>),
    AtLeast(i64),
    AtMost(i64),
    Exists(bool),
}

#[derive(Serialize, Deserialize)]
struct LimitsItem {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    per_referrer_per_day: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    per_referrer_per_week: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    per_referrer_per_month: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    per_referrer: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    per_referee: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    budget_per_day: Option<MoneyItem>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    budget_per_month: Option<MoneyItem>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    budget: Option<MoneyItem>,
}

fn after() -> Grant {
    Grant::After
}

impl IncentiveItem {
    pub(super) fn of(incentive: &Incentive) -> Self {
        let tier = |tier: &Tier| TierItem {
            from: tier.from,
            reward: RuleItem::of(&tier.reward),
        };
        Self {
            id: incentive.id.clone(),
            on: incentive.on.clone(),
            beneficiary: incentive.beneficiary,
            grant: incentive.grant,
            reward: RuleItem::of(&incentive.reward),
            tiers: incentive.tiers.iter().map(tier).collect(),
            conditions: ConditionsItem::of(&incentive.conditions),
            limits: LimitsItem::of(&incentive.limits),
            on_refund: incentive.on_refund,
            hold_days: incentive.hold_days,
            expires_after_days: incentive.expires_after_days,
            unit_cost: incentive.unit_cost.map(MoneyItem::from),
            fulfilment: incentive.fulfilment.map(FulfilmentRuleItem::from),
            budget_shards: incentive.budget_shards,
        }
    }

    pub(super) fn read(self) -> Incentive {
        let tier = |tier: TierItem| Tier {
            from: tier.from,
            reward: tier.reward.read(),
        };
        Incentive {
            id: self.id,
            on: self.on,
            beneficiary: self.beneficiary,
            grant: self.grant,
            reward: self.reward.read(),
            tiers: self.tiers.into_iter().map(tier).collect(),
            conditions: self.conditions.read(),
            limits: self.limits.read(),
            on_refund: self.on_refund,
            hold_days: self.hold_days,
            expires_after_days: self.expires_after_days,
            unit_cost: self.unit_cost.map(Money::from),
            fulfilment: self.fulfilment.map(FulfilmentRule::from),
            budget_shards: self.budget_shards,
        }
    }
}

impl RuleItem {
    fn of(rule: &RewardRule) -> Self {
        match *rule {
            RewardRule::Cash(amount) => Self::Cash(amount.into()),
            RewardRule::Percentage {
                basis_points,
                maximum,
            } => Self::Percentage {
                basis_points,
                maximum: maximum.map(MoneyItem::from),
            },
            RewardRule::Discount(Discount::BasisPoints(basis_points)) => {
                Self::DiscountShare { basis_points }
            }
            RewardRule::Discount(Discount::Amount(amount)) => Self::DiscountAmount(amount.into()),
            RewardRule::Points(points) => Self::Points { points },
            RewardRule::FreeProduct { sku, quantity } => Self::FreeProduct { sku, quantity },
        }
    }

    fn read(self) -> RewardRule {
        match self {
            Self::Cash(amount) => RewardRule::Cash(amount.into()),
            Self::Percentage {
                basis_points,
                maximum,
            } => RewardRule::Percentage {
                basis_points,
                maximum: maximum.map(Money::from),
            },
            Self::DiscountShare { basis_points } => {
                RewardRule::Discount(Discount::BasisPoints(basis_points))
            }
            Self::DiscountAmount(amount) => RewardRule::Discount(Discount::Amount(amount.into())),
            Self::Points { points } => RewardRule::Points(points),
            Self::FreeProduct { sku, quantity } => RewardRule::FreeProduct { sku, quantity },
        }
    }
}

impl ConditionsItem {
    fn of(conditions: &Conditions) -> Self {
        let number = |rule| match rule {
            NumberRule::Range(range) => NumberItem::Range(RangeItem::of(range)),
            NumberRule::Every(step) => NumberItem::Every(step),
        };
        let channels = conditions.channels.iter().copied();
        let countries = conditions.countries.iter().copied();
        let metadata = conditions.metadata.iter();
        Self {
            minimum_amount: conditions.minimum_amount.map(MoneyItem::from),
            maximum_amount: conditions.maximum_amount.map(MoneyItem::from),
            first_conversion_only: conditions.first_conversion_only,
            conversion_number: conditions.conversion_number.map(RangeItem::of),
            referral_number: conditions.referral_number.map(number),
            within_months_of_referral: conditions.within_months_of_referral,
            new_referee_only: conditions.new_referee_only,
            channels: channels.map(ChannelItem).collect(),
            countries: countries.map(CountryItem).collect(),
            metadata: metadata.map(MetadataConditionItem::of).collect(),
            starts_at: conditions.starts_at,
            ends_at: conditions.ends_at,
        }
    }

    fn read(self) -> Conditions {
        let number = |item| match item {
            NumberItem::Range(range) => NumberRule::Range(range.read()),
            NumberItem::Every(step) => NumberRule::Every(step),
        };
        let metadata = self.metadata.into_iter();
        Conditions {
            minimum_amount: self.minimum_amount.map(Money::from),
            maximum_amount: self.maximum_amount.map(Money::from),
            first_conversion_only: self.first_conversion_only,
            conversion_number: self.conversion_number.map(RangeItem::read),
            referral_number: self.referral_number.map(number),
            within_months_of_referral: self.within_months_of_referral,
            new_referee_only: self.new_referee_only,
            channels: self.channels.into_iter().map(|item| item.0).collect(),
            countries: self.countries.into_iter().map(|item| item.0).collect(),
            metadata: metadata.map(MetadataConditionItem::read).collect(),
            starts_at: self.starts_at,
            ends_at: self.ends_at,
        }
    }
}

impl RangeItem {
    fn of(range: NumberRange) -> Self {
        Self {
            from: range.from,
            to: range.to,
        }
    }

    fn read(self) -> NumberRange {
        NumberRange {
            from: self.from,
            to: self.to,
        }
    }
}

impl MetadataConditionItem {
    fn of(condition: &MetadataCondition) -> Self {
        let test = match &condition.test {
            MetadataTest::Equals(value) => MetadataTestItem::Equals(MetadataItem::of(value)),
            MetadataTest::In(values) => {
                MetadataTestItem::In(values.iter().map(MetadataItem::of).collect())
            }
            MetadataTest::AtLeast(bound) => MetadataTestItem::AtLeast(*bound),
            MetadataTest::AtMost(bound) => MetadataTestItem::AtMost(*bound),
            MetadataTest::Exists(there) => MetadataTestItem::Exists(*there),
        };
        Self {
            key: condition.key.clone(),
            test,
        }
    }

    fn read(self) -> MetadataCondition {
        // A value that could not be read is one that no conversion has: the rule asks for no less.
        let values = |items: Vec<MetadataItem>| -> Vec<MetadataValue> {
            items.into_iter().filter_map(MetadataItem::read).collect()
        };
        let test = match self.test {
            MetadataTestItem::Equals(value) => match value.read() {
                Some(value) => MetadataTest::Equals(value),
                None => MetadataTest::In(Vec::new()),
            },
            MetadataTestItem::In(items) => MetadataTest::In(values(items)),
            MetadataTestItem::AtLeast(bound) => MetadataTest::AtLeast(bound),
            MetadataTestItem::AtMost(bound) => MetadataTest::AtMost(bound),
            MetadataTestItem::Exists(there) => MetadataTest::Exists(there),
        };
        MetadataCondition {
            key: self.key,
            test,
        }
    }
}

impl LimitsItem {
    fn of(limits: &Limits) -> Self {
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
        Self {
            per_referrer_per_day,
            per_referrer_per_week,
            per_referrer_per_month,
            per_referrer,
            per_referee,
            budget_per_day: budget_per_day.map(MoneyItem::from),
            budget_per_month: budget_per_month.map(MoneyItem::from),
            budget: budget.map(MoneyItem::from),
        }
    }

    fn read(self) -> Limits {
        Limits {
            per_referrer_per_day: self.per_referrer_per_day,
            per_referrer_per_week: self.per_referrer_per_week,
            per_referrer_per_month: self.per_referrer_per_month,
            per_referrer: self.per_referrer,
            per_referee: self.per_referee,
            budget_per_day: self.budget_per_day.map(Money::from),
            budget_per_month: self.budget_per_month.map(Money::from),
            budget: self.budget.map(Money::from),
        }
    }
}
