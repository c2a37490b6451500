use kith_domain::channel::Channel;
use kith_domain::id::WebhookId;
use kith_domain::incentive::{
    COUNTRIES_MAX, EXPIRES_AFTER_DAYS_MAX, Grant, LIMIT_MAX, METADATA_CONDITIONS_MAX,
    METADATA_VALUES_MAX, NUMBER_MAX, OnRefund, POINTS_MAX, QUANTITY_MAX, TIERS_MAX,
    WITHIN_MONTHS_MAX,
};
use kith_domain::money::{BASIS_POINTS_WHOLE, Sku};
use kith_domain::program::HOLD_DAYS_MAX;
use kith_domain::text::{CountryCode, EventName, METADATA_TEXT_CHARS_MAX, MetadataKey, Slug};
use schemars::JsonSchema;

use super::{MoneyInput, SomeMoneyInput};
use crate::answers::Beneficiary;
use crate::scalar::{At, Spelled, Word};

/// The most channels of a condition: all there are.
pub const CHANNELS_MAX: usize = 10;

/// A rule that gives somebody something for an event. All conditions have to hold. Each incentive gives
/// at most one reward per beneficiary and conversion.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct IncentiveInput {
    /// The owner's name of it. It keeps its kind of reward and its beneficiary for ever.
    pub id: Spelled<Slug>,
    /// For which event it gives.
    pub on: Spelled<EventName>,
    /// To whom it gives. `at_checkout` gives to the referee.
    pub beneficiary: Beneficiary,
    /// What it gives. `at_checkout` gives a `discount` or a `free_product`.
    pub reward: RewardRuleInput,
    /// When it gives: after the conversion (default), or before the friend pays.
    pub grant: Option<Word<Grant>>,
    /// What it gives instead to referrers with enough qualified referees, ascending by `from`.
    #[schemars(length(max = TIERS_MAX))]
    pub tiers: Option<Vec<TierInput>>,
    /// What has to hold.
    pub conditions: Option<ConditionsInput>,
    /// How often it gives.
    pub limits: Option<LimitsInput>,
    /// What a refund takes back: a share of it (default of `cash`, `percentage`, `points`), all of it once
    /// the conditions do not hold any more (default of `discount`, `free_product`), or nothing.
    pub on_refund: Option<Word<OnRefund>>,
    /// How long its rewards are held, if not as long as the program says.
    #[schemars(range(min = 0, max = HOLD_DAYS_MAX))]
    pub hold_days: Option<u16>,
    /// How long after its issue a reward can be used.
    #[schemars(range(min = 1, max = EXPIRES_AFTER_DAYS_MAX))]
    pub expires_after_days: Option<u16>,
    /// What one reward counts for in a budget; needed where a budget counts other things than money.
    pub unit_cost: Option<SomeMoneyInput>,
    /// Has the shop carry its rewards out itself: it is asked by a webhook. Not with `at_checkout`.
    pub fulfilment: Option<FulfilmentInput>,
}

/// Who carries out the rewards of a rule.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct FulfilmentInput {
    /// The webhook of the program that is asked `reward.fulfil` when a reward is released. It need not hear of any event.
    pub webhook_id: Spelled<WebhookId>,
    /// Whether it is asked `reward.validate` before, and a reward is released only if it agrees; not unless said.
    pub validate: Option<bool>,
}

/// What a rule gives.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields, tag = "kind", rename_all = "snake_case")]
pub enum RewardRuleInput {
    /// An amount of money, paid whatever the conversion's currency is.
    Cash {
        /// How much.
        amount: SomeMoneyInput,
    },
    /// A share of the conversion's amount, rounded down, in money of its currency.
    Percentage {
        /// The share: 1,000 is 10 %.
        #[schemars(range(min = 1, max = BASIS_POINTS_WHOLE))]
        basis_points: u32,
        /// At most this much.
        maximum: Option<SomeMoneyInput>,
    },
    /// Less to pay next time, by a share.
    #[schemars(rename = "discount")]
    DiscountByShare {
        /// The share: 1,000 is 10 %.
        #[schemars(range(min = 1, max = BASIS_POINTS_WHOLE))]
        basis_points: u32,
    },
    /// Less to pay next time, by an amount.
    #[schemars(rename = "discount")]
    DiscountByAmount {
        /// How much.
        amount: SomeMoneyInput,
    },
    /// Loyalty points.
    Points {
        /// How many.
        #[schemars(range(min = 1, max = POINTS_MAX))]
        points: i64,
    },
    /// A product for nothing.
    FreeProduct {
        /// Which.
        sku: Spelled<Sku>,
        /// How many of it.
        #[schemars(range(min = 1, max = QUANTITY_MAX))]
        quantity: u32,
    },
}

/// A reward that replaces the incentive's own.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct TierInput {
    /// From how many distinct qualified referees on, the present one included.
    #[schemars(range(min = 1, max = NUMBER_MAX))]
    pub from: u32,
    /// What is given then.
    pub reward: RewardRuleInput,
}

/// What has to hold.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ConditionsInput {
    /// The least amount. Amounts of another currency do not hold, unless the program has a rate.
    pub minimum_amount: Option<MoneyInput>,
    /// The largest amount.
    pub maximum_amount: Option<MoneyInput>,
    /// Only the referee's first qualified conversion of the event.
    pub first_conversion_only: Option<bool>,
    /// Which of the referee's qualified conversions of the event, the present one included.
    pub conversion_number: Option<RangeInput>,
    /// Which of the referrer's qualified referees, on the referee's first qualified conversion.
    pub referral_number: Option<NumberRuleInput>,
    /// How long after the referral.
    #[schemars(range(min = 1, max = WITHIN_MONTHS_MAX))]
    pub within_months_of_referral: Option<u16>,
    /// Only if the conversion says `referee.new_customer`.
    pub new_referee_only: Option<bool>,
    /// Through which channels.
    #[schemars(length(min = 1, max = CHANNELS_MAX), extend("uniqueItems" = true))]
    pub channels: Option<Vec<Word<Channel>>>,
    /// In which countries.
    #[schemars(length(min = 1, max = COUNTRIES_MAX), extend("uniqueItems" = true))]
    pub countries: Option<Vec<Spelled<CountryCode>>>,
    /// What the conversion's metadata has to be.
    #[schemars(length(max = METADATA_CONDITIONS_MAX))]
    pub metadata: Option<Vec<MetadataConditionInput>>,
    /// Since when; judged by `occurred_at`.
    pub starts_at: Option<At>,
    /// Until when; later than `starts_at`.
    pub ends_at: Option<At>,
}

/// Which numbers, both ends included: at least one of them is said.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields, extend("minProperties" = 1))]
pub struct RangeInput {
    /// The first; 1 unless said.
    #[schemars(range(min = 1, max = NUMBER_MAX))]
    pub from: Option<u32>,
    /// The last, not less than the first.
    #[schemars(range(min = 1, max = NUMBER_MAX))]
    pub to: Option<u32>,
}

/// Which numbers: a range, or every so many.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub enum NumberRuleInput {
    /// Between two numbers.
    Range(RangeInput),
    /// Every so many.
    Every(EveryInput),
}

/// Every so many.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct EveryInput {
    /// How many.
    #[schemars(range(min = 1, max = NUMBER_MAX))]
    pub every: u32,
}

/// What a member of the conversion's metadata has to be.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields, tag = "operator", rename_all = "snake_case")]
pub enum MetadataConditionInput {
    /// The same.
    Equals {
        /// Which member.
        key: Spelled<MetadataKey>,
        /// As what.
        value: MetadataValueInput,
    },
    /// One of several.
    In {
        /// Which member.
        key: Spelled<MetadataKey>,
        /// Of which.
        #[schemars(length(min = 1, max = METADATA_VALUES_MAX))]
        value: Vec<MetadataValueInput>,
    },
    /// A number, at least this one.
    AtLeast {
        /// Which member.
        key: Spelled<MetadataKey>,
        /// The least.
        #[schemars(range(min = i64::MIN, max = i64::MAX))]
        value: i64,
    },
    /// A number, at most this one.
    AtMost {
        /// Which member.
        key: Spelled<MetadataKey>,
        /// The largest.
        #[schemars(range(min = i64::MIN, max = i64::MAX))]
        value: i64,
    },
    /// There, or not there.
    Exists {
        /// Which member.
        key: Spelled<MetadataKey>,
        /// Whether it has to be there; true unless said.
        value: Option<bool>,
    },
}

/// A value of metadata. There are no fractions.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub enum MetadataValueInput {
    /// A text of one line.
    Text(MetadataText),
    /// A whole number.
    Integer(#[schemars(range(min = i64::MIN, max = i64::MAX))] i64),
    /// Yes or no.
    Boolean(bool),
}

/// A text of one line.
#[derive(Debug)]
pub struct MetadataText;

impl JsonSchema for MetadataText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "MetadataText".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "maxLength": METADATA_TEXT_CHARS_MAX,
            "pattern": format!("^[^{}]*$", crate::scalar::UNPRINTABLE),
        })
    }
}

/// How often an incentive gives, by days, ISO weeks and months in UTC.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct LimitsInput {
    /// Rewards of one referrer on one day.
    #[schemars(range(min = 1, max = LIMIT_MAX))]
    pub per_referrer_per_day: Option<u32>,
    /// In one week.
    #[schemars(range(min = 1, max = LIMIT_MAX))]
    pub per_referrer_per_week: Option<u32>,
    /// In one month.
    #[schemars(range(min = 1, max = LIMIT_MAX))]
    pub per_referrer_per_month: Option<u32>,
    /// Ever.
    #[schemars(range(min = 1, max = LIMIT_MAX))]
    pub per_referrer: Option<u32>,
    /// Rewards for one referee, ever.
    #[schemars(range(min = 1, max = LIMIT_MAX))]
    pub per_referee: Option<u32>,
    /// What may be spent on one day.
    pub budget_per_day: Option<SomeMoneyInput>,
    /// In one month.
    pub budget_per_month: Option<SomeMoneyInput>,
    /// Ever.
    pub budget: Option<SomeMoneyInput>,
}
