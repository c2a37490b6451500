use std::collections::BTreeMap;

use kith_domain::attribution::{self as domain, Outcome, Reason, TouchKind};
use kith_domain::channel::Channel;
use kith_domain::code::ReferralCode;
use kith_domain::conversion::{self, CodeIs, ConversionState};
use kith_domain::explanation;
use kith_domain::id::{ClickId, ConversionId, ParticipantId, ReferralId};
use kith_domain::incentive::{self, SkipReason};
use kith_domain::program::AttributionModel;
use kith_domain::text::{CountryCode, EventName, ExternalId, MetadataKey, Name, Slug};
use kith_domain::{refund, reward};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use super::Review;
use super::{Beneficiary, Money, Refund, RewardInConversion};
use crate::scalar::{At, Spelled, Word, words};

/// What a referee did, to whom it belongs, and what came of it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Conversion {
    /// Its id.
    pub id: Spelled<ConversionId>,
    /// What happened.
    pub event: Spelled<EventName>,
    /// The shop's own name of it.
    pub external_id: Spelled<ExternalId>,
    /// Where it is: `quarantined` waits for review, `unattributed` earned nobody anything.
    pub state: Word<ConversionState>,
    /// For how much.
    pub amount: Option<Money>,
    /// In which country.
    pub country: Option<Spelled<CountryCode>>,
    /// What the shop told beyond that.
    pub metadata: Metadata,
    /// When it happened.
    pub occurred_at: At,
    /// When it was recorded, on the program's clock.
    pub recorded_at: At,
    /// Who recorded it: the id of a key or of an order source, or `operator`; `null` where that was not kept yet.
    pub recorded_by: Option<String>,
    /// To whom it belongs, and why.
    pub attribution: Attribution,
    /// What it earned.
    pub rewards: Vec<RewardInConversion>,
    /// What it did not earn, and why.
    pub skipped: Vec<Skipped>,
    /// What each of the reported codes is.
    pub codes: Vec<CodeUse>,
    /// How much of it was refunded; `null` if it has no amount.
    pub refunded: Option<Money>,
    /// Its refunds, oldest first.
    pub refunds: Vec<Refund>,
    /// What came of its review; `null` if it did not wait for one, or still waits.
    pub review: Option<Review>,
    /// Counts its changes.
    pub version: u64,
}

/// What the shop told about a conversion for its own rules.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Metadata(BTreeMap<String, MetadataValue>);

/// A value of metadata.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum MetadataValue {
    /// A text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// Yes or no.
    Boolean(bool),
}

impl From<&kith_domain::text::MetadataValue> for MetadataValue {
    fn from(value: &kith_domain::text::MetadataValue) -> Self {
        use kith_domain::text::MetadataValue as Known;
        match value {
            Known::Text(text) => Self::Text(text.to_string()),
            Known::Integer(number) => Self::Integer(*number),
            Known::Boolean(flag) => Self::Boolean(*flag),
        }
    }
}

/// To whom a conversion belongs, and why.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Attribution {
    /// Whether it has a referrer.
    #[schemars(schema_with = "attribution_states")]
    pub state: &'static str,
    /// The referrer.
    pub referrer_id: Option<Spelled<ParticipantId>>,
    /// The referee.
    pub referee_id: Spelled<ParticipantId>,
    /// The bond it counts for.
    pub referral_id: Option<Spelled<ReferralId>>,
    /// The click that did it.
    pub click_id: Option<Spelled<ClickId>>,
    /// The channel of that click.
    pub channel: Option<Word<Channel>>,
    /// Which touch counts where several hold.
    pub model: Word<AttributionModel>,
    /// How long before the conversion a touch may lie, in days; `null` where that was not kept yet.
    pub window_days: Option<u16>,
    /// Why it is attributed, or why it is not.
    pub reason: Word<Reason>,
    /// The same in a sentence, for people.
    #[schemars(example = &"The order belongs to nobody. The link with the code ANN was opened on 2 March 2026; the order came 45 days later, and the window is 30 days.")]
    pub explanation: String,
    /// Who attributed it by hand; `null` if nobody did.
    pub by_hand: Option<ByHand>,
    /// Every touch that was looked at, in this order.
    pub considered: Vec<Considered>,
}

fn attribution_states(generator: &mut SchemaGenerator) -> Schema {
    words(generator, &["attributed", "unattributed"])
}

/// Who attributed by hand, and why.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ByHand {
    /// The id of the key, or `operator`.
    pub by: String,
    /// In the owner's own words.
    pub reason: Spelled<Name>,
}

/// A touch that was looked at.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Considered {
    /// What kind of touch.
    pub touch: Word<TouchKind>,
    /// The click behind it; left out if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub click_id: Option<Spelled<ClickId>>,
    /// The code in it; left out if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Spelled<ReferralCode>>,
    /// The referrer that it leads to; left out if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referrer_id: Option<Spelled<ParticipantId>>,
    /// When it was; left out if that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<At>,
    /// What came of it.
    pub outcome: Word<Outcome>,
    /// The same in a sentence, with the facts of the case.
    #[schemars(example = &"The order came with the code ANN, but nobody in this program has it.")]
    pub explanation: String,
}

/// An incentive that gave nothing.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Skipped {
    /// Which.
    pub incentive_id: Spelled<Slug>,
    /// Who would have earned.
    pub beneficiary: Beneficiary,
    /// The name of the condition, the limit or the budget, or one of the reasons that stand for
    /// themselves.
    #[schemars(schema_with = "skip_reasons")]
    pub reason: &'static str,
    /// The same in a sentence, with the facts of the case.
    #[schemars(example = &"The order was 12.00 EUR; this reward asks for at least 20.00 EUR.")]
    pub explanation: String,
}

fn skip_reasons(generator: &mut SchemaGenerator) -> Schema {
    let mut reasons: Vec<&str> = SkipReason::all().map(SkipReason::as_str).collect();
    reasons.sort_unstable();
    words(generator, &reasons)
}

/// A code in a report.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct CodeUse {
    /// As reported.
    pub code: String,
    /// What it is.
    pub is: Word<CodeIs>,
}

/// A conversion with its rewards, of which nothing was refunded.
#[must_use]
pub fn conversion(conversion: &conversion::Conversion, rewards: &[reward::Reward]) -> Conversion {
    conversion_with_refunds(conversion, rewards, &[])
}

/// A conversion with its rewards and refunds.
#[must_use]
pub fn conversion_with_refunds(
    conversion: &conversion::Conversion,
    rewards: &[reward::Reward],
    refunds: &[refund::Refund],
) -> Conversion {
    let content = &conversion.content;
    let refunded = content
        .amount
        .map(|amount| kith_domain::money::Money::new(conversion.refunded, amount.currency).into());
    let entry = |(key, value): (&MetadataKey, _)| (key.to_string(), MetadataValue::from(value));
    Conversion {
        id: conversion.id.into(),
        event: content.event.clone().into(),
        external_id: content.external_id.clone().into(),
        state: conversion.state.into(),
        amount: content.amount.map(Money::from),
        country: content.country.map(Spelled),
        metadata: Metadata(content.metadata.iter().map(entry).collect()),
        occurred_at: conversion.occurred_at.into(),
        recorded_at: conversion.recorded_at.into(),
        recorded_by: conversion.recorded_by.map(|by| by.to_string()),
        attribution: attribution(conversion),
        rewards: rewards.iter().map(super::reward_in_conversion).collect(),
        skipped: conversion
            .skipped
            .iter()
            .map(|one| skipped(conversion, one))
            .collect(),
        codes: conversion.codes.iter().map(code).collect(),
        refunded,
        refunds: refunds.iter().map(super::refund).collect(),
        review: conversion.review.as_ref().map(Review::from),
        version: conversion.version,
    }
}

fn attribution(conversion: &conversion::Conversion) -> Attribution {
    let domain::Attribution {
        by_hand,
        chosen,
        reason,
        model,
        considered,
        window_days,
    } = &conversion.attribution;
    let chosen = chosen.as_ref();
    Attribution {
        state: if chosen.is_some() {
            "attributed"
        } else {
            "unattributed"
        },
        referrer_id: chosen.map(|chosen| chosen.referrer_id.into()),
        referee_id: conversion.referee_id.into(),
        referral_id: conversion.referral_id.map(Spelled),
        click_id: chosen.and_then(|chosen| chosen.click_id).map(Spelled),
        channel: chosen.and_then(|chosen| chosen.channel).map(Word),
        model: Word(*model),
        window_days: *window_days,
        reason: Word(*reason),
        explanation: explanation::attribution(conversion),
        by_hand: by_hand.as_ref().map(|hand| ByHand {
            by: hand.by.clone(),
            reason: hand.reason.clone().into(),
        }),
        considered: considered
            .iter()
            .map(|one| touch(conversion, one))
            .collect(),
    }
}

fn touch(conversion: &conversion::Conversion, considered: &domain::Considered) -> Considered {
    Considered {
        touch: considered.touch.into(),
        click_id: considered.click_id.map(Spelled),
        code: considered.code.clone().map(Spelled),
        referrer_id: considered.referrer_id.map(Spelled),
        at: considered.at.map(At),
        outcome: considered.outcome.into(),
        explanation: explanation::touch(conversion, considered),
    }
}

fn skipped(conversion: &conversion::Conversion, skipped: &incentive::Skipped) -> Skipped {
    Skipped {
        incentive_id: skipped.incentive_id.clone().into(),
        beneficiary: skipped.beneficiary.into(),
        reason: skipped.reason.as_str(),
        explanation: explanation::skipped(conversion, skipped),
    }
}

fn code(code: &conversion::CodeUse) -> CodeUse {
    CodeUse {
        code: code.code.clone(),
        is: code.is.into(),
    }
}
