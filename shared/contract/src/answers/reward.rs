use std::borrow::Cow;

use kith_domain::code::VoucherCode;
use kith_domain::id::{ConversionId, ParticipantId, ReferralId, RewardId};
use kith_domain::money::Sku;
use kith_domain::reward::{
    self as domain, Discount, RewardSource, RewardState, RewardValue, UPLINE_MAX,
};
use kith_domain::text::Slug;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use super::{Explanation, Fulfilment, Money};
use crate::scalar::{At, Spelled, Word, words};

/// What a reward is worth, by its kind: money (`cash`, `discount`), a share (`discount`), `points`, or
/// a product.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Value {
    /// An amount: of `cash`, or off the price.
    Money(Money),
    /// A share of the price.
    BasisPoints(BasisPoints),
    /// Points.
    Points(Points),
    /// A product.
    Product(Product),
}

/// A share: 1,000 basis points are 10 %.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub struct BasisPoints {
    /// The share; nothing, once a refund has taken all of it back.
    #[schemars(range(min = 0, max = kith_domain::money::BASIS_POINTS_WHOLE), example = 1000)]
    pub basis_points: u32,
}

/// Loyalty points.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub struct Points {
    /// How many.
    #[schemars(range(min = 0), example = 300)]
    pub points: i64,
}

/// A product for nothing.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub struct Product {
    /// Which.
    pub sku: Spelled<Sku>,
    /// How many of it.
    pub quantity: u32,
}

/// What a reward is worth, by its kind.
#[must_use]
pub fn value(value: RewardValue) -> Value {
    match value {
        RewardValue::Cash(amount) | RewardValue::Discount(Discount::Amount(amount)) => {
            Value::Money(amount.into())
        }
        RewardValue::Discount(Discount::BasisPoints(basis_points)) => {
            Value::BasisPoints(BasisPoints { basis_points })
        }
        RewardValue::Points(points) => Value::Points(Points { points }),
        RewardValue::FreeProduct { sku, quantity } => Value::Product(Product {
            sku: sku.into(),
            quantity,
        }),
    }
}

/// Who earns: `referrer`, `referee`, or whoever stands so many levels above the referrer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beneficiary(domain::Beneficiary);

impl From<domain::Beneficiary> for Beneficiary {
    fn from(beneficiary: domain::Beneficiary) -> Self {
        Self(beneficiary)
    }
}

impl Serialize for Beneficiary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Level {
            upline: u8,
        }
        match self.0 {
            domain::Beneficiary::Referrer | domain::Beneficiary::Referee => {
                serializer.collect_str(&self.0)
            }
            domain::Beneficiary::Upline(upline) => Level { upline }.serialize(serializer),
        }
    }
}

impl JsonSchema for Beneficiary {
    fn schema_name() -> Cow<'static, str> {
        "Beneficiary".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Who earns: `referrer`, `referee`, or whoever stands so many levels above the referrer.",
            "oneOf": [
                {"type": "string", "enum": ["referrer", "referee"]},
                {
                    "type": "object",
                    "properties": {"upline": {"type": "integer", "minimum": 1, "maximum": UPLINE_MAX}},
                    "required": ["upline"],
                    "additionalProperties": false,
                },
            ],
            "examples": ["referrer", {"upline": 1}],
        })
    }
}

/// Who earns.
#[must_use]
pub fn beneficiary(beneficiary: domain::Beneficiary) -> Beneficiary {
    beneficiary.into()
}

/// The kinds of what was earned.
pub(super) fn kinds(generator: &mut SchemaGenerator) -> Schema {
    words(generator, &["cash", "discount", "points", "free_product"])
}

/// A reward inside its conversion.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RewardInConversion {
    /// Its id.
    pub id: Spelled<RewardId>,
    /// The rule that made it; `null` if it was given by hand.
    pub incentive_id: Option<Spelled<Slug>>,
    /// In which part its beneficiary earned it.
    pub beneficiary: Beneficiary,
    /// Who earned it.
    pub beneficiary_id: Spelled<ParticipantId>,
    /// What kind of thing it is. A `percentage` gives `cash`.
    #[schemars(schema_with = "kinds")]
    pub kind: &'static str,
    /// What it is worth now.
    pub value: Value,
    /// Where it is in its life.
    pub state: Word<RewardState>,
    /// Until when it is held.
    pub release_at: At,
    /// Where it came from.
    pub source: Word<RewardSource>,
}

/// A reward by itself, with its history.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Reward {
    /// What its conversion shows of it.
    #[serde(flatten)]
    pub reward: RewardInConversion,
    /// What earned it; `null` if it was given by hand.
    pub conversion_id: Option<Spelled<ConversionId>>,
    /// The bond it counts for.
    pub referral_id: Option<Spelled<ReferralId>>,
    /// What it was worth at first.
    pub original_value: Value,
    /// The version of the program that made it.
    pub scheme_version: u64,
    /// When it was made.
    pub created_at: At,
    /// When it was issued.
    pub issued_at: Option<At>,
    /// Until when it can be used.
    pub expires_at: Option<At>,
    /// The voucher that it became.
    pub voucher_code: Option<Spelled<VoucherCode>>,
    /// What happened to it, oldest first.
    pub history: Vec<Transition>,
    /// Counts its changes.
    pub version: u64,
}

/// A reward as it is read by its id: with the explanation of the rule that made it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RewardRead {
    /// The reward.
    #[serde(flatten)]
    pub reward: Reward,
    /// How far the shop is with it; `null` if the shop does not carry it out.
    pub fulfilment: Option<Fulfilment>,
    /// Why a rule gave it; `null` for any other reward.
    pub explanation: Option<Explanation>,
}

/// A step in a reward's life.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Transition {
    /// What it became.
    pub state: Word<RewardState>,
    /// When.
    pub at: At,
    /// Who did it: the id of a key or of an order source, `operator`, or the part of the program that did.
    pub by: String,
    /// Why; left out if nobody said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A reward inside its conversion.
#[must_use]
pub fn reward_in_conversion(reward: &domain::Reward) -> RewardInConversion {
    RewardInConversion {
        id: reward.id.into(),
        incentive_id: reward.incentive_id.clone().map(Spelled),
        beneficiary: reward.beneficiary.into(),
        beneficiary_id: reward.beneficiary_id.into(),
        kind: reward.value.kind(),
        value: value(reward.value),
        state: reward.state.into(),
        release_at: reward.release_at.into(),
        source: reward.source.into(),
    }
}

/// A reward by itself, with its history.
#[must_use]
pub fn reward(reward: &domain::Reward) -> Reward {
    Reward {
        reward: reward_in_conversion(reward),
        conversion_id: reward.conversion_id.map(Spelled),
        referral_id: reward.referral_id.map(Spelled),
        original_value: value(reward.original),
        scheme_version: reward.scheme_version,
        created_at: reward.created_at.into(),
        issued_at: reward.issued_at.map(At),
        expires_at: reward.expires_at.map(At),
        voucher_code: reward.voucher_code.clone().map(Spelled),
        history: reward.history.iter().map(transition).collect(),
        version: reward.version,
    }
}

fn transition(step: &domain::Transition) -> Transition {
    Transition {
        state: step.to.into(),
        at: step.at.into(),
        by: step.by.clone(),
        reason: step.reason.clone(),
    }
}
