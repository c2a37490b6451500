use std::collections::BTreeMap;
use std::str::FromStr;

use jiff::Timestamp;
use kith_domain::attribution::{
    Attribution, ByHand, Chosen, Considered, Outcome, Reason, TouchKind,
};
use kith_domain::audit::Actor;
use kith_domain::channel::Channel;
use kith_domain::code::ReferralCode;
use kith_domain::conversion::{CodeIs, CodeUse, Content, Conversion, ConversionState};
use kith_domain::email::EmailHash;
use kith_domain::id::{
    ClickId, ConversionId, ParticipantId, ProgramId, ReferralId, RefundId, RewardId,
};
use kith_domain::incentive::{SkipReason, Skipped};
use kith_domain::program::AttributionModel;
use kith_domain::reward::Beneficiary;
use kith_domain::text::{
    CountryCode, EventName, ExternalId, MetadataKey, MetadataValue, Name, Slug,
};
use serde::{Deserialize, Serialize};

use super::MoneyItem;
use super::review::ReviewItem;
use super::shortfall::ShortfallItem;
use crate::item::{Entity, text, text_option};

/// An order: where a conversion and the refunds that came before it meet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Order {
    /// The conversion, once it is recorded.
    pub conversion_id: Option<ConversionId>,
    /// Refunds that came first, oldest first, until the conversion takes them in.
    pub waiting: Vec<RefundId>,
    /// The name that the order is recorded by, if this is another one that the shop has for it.
    pub same_as: Option<ExternalId>,
    /// Counts writes; guards every change.
    pub version: u64,
}

/// What lies in the table of an order.
#[derive(Serialize, Deserialize)]
pub struct OrderItem {
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    conversion_id: Option<ConversionId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    waiting: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    same_as: Option<ExternalId>,
    #[serde(default)]
    version: u64,
}

impl Entity for Order {
    type Stored = OrderItem;
    const KIND: &'static str = "order";

    fn to_stored(&self) -> OrderItem {
        OrderItem {
            conversion_id: self.conversion_id,
            waiting: self.waiting.iter().map(ToString::to_string).collect(),
            same_as: self.same_as.clone(),
            version: self.version,
        }
    }

    fn from_stored(stored: OrderItem) -> Self {
        Self {
            conversion_id: stored.conversion_id,
            waiting: ids(&stored.waiting),
            same_as: stored.same_as,
            version: stored.version,
        }
    }
}

/// What lies in the table of a conversion.
#[derive(Serialize, Deserialize)]
pub struct ConversionItem {
    #[serde(with = "text")]
    id: ConversionId,
    #[serde(with = "text")]
    program_id: ProgramId,
    #[serde(with = "text")]
    event: EventName,
    #[serde(with = "text")]
    external_id: ExternalId,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    referee_external_id: Option<ExternalId>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    referee_email_hash: Option<EmailHash>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    amount: Option<MoneyItem>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    country: Option<CountryCode>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, MetadataItem>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    said_occurred_at: Option<Timestamp>,
    #[serde(with = "text")]
    state: ConversionState,
    #[serde(with = "text")]
    occurred_at: Timestamp,
    #[serde(with = "text")]
    recorded_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    recorded_by: Option<Actor>,
    #[serde(with = "text")]
    referee_id: ParticipantId,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    referral_id: Option<ReferralId>,
    attribution: AttributionItem,
    reward_ids: Vec<String>,
    skipped: Vec<SkippedItem>,
    codes: Vec<CodeUseItem>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    number: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    referral_number: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    referees: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    upline: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    bound_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    new_customer: Option<bool>,
    #[serde(default, skip_serializing_if = "is_zero")]
    refunded: i64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    refund_ids: Vec<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    refunded_whole: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    review: Option<ReviewItem>,
    scheme_version: u64,
    version: u64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks with a reference"
)]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks with a reference"
)]
fn is_false(flag: &bool) -> bool {
    !*flag
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum MetadataItem {
    Boolean(bool),
    Integer(i64),
    Text(String),
}

#[derive(Serialize, Deserialize)]
struct AttributionItem {
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    referrer_id: Option<ParticipantId>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    click_id: Option<ClickId>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    code: Option<ReferralCode>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    channel: Option<Channel>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    touch_at: Option<Timestamp>,
    #[serde(with = "text")]
    reason: Reason,
    #[serde(with = "text")]
    model: AttributionModel,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    window_days: Option<u16>,
    considered: Vec<ConsideredItem>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by_hand: Option<ByHandItem>,
}

#[derive(Serialize, Deserialize)]
struct ByHandItem {
    by: String,
    #[serde(with = "text")]
    reason: Name,
}

#[derive(Serialize, Deserialize)]
struct ConsideredItem {
    #[serde(with = "text")]
    touch: TouchKind,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    click_id: Option<ClickId>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    code: Option<ReferralCode>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    referrer_id: Option<ParticipantId>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    at: Option<Timestamp>,
    #[serde(with = "text")]
    outcome: Outcome,
}

#[derive(Serialize, Deserialize)]
struct SkippedItem {
    #[serde(with = "text")]
    incentive_id: Slug,
    #[serde(with = "text")]
    beneficiary: Beneficiary,
    #[serde(with = "text")]
    reason: SkipReason,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shortfall: Option<ShortfallItem>,
}

#[derive(Serialize, Deserialize)]
struct CodeUseItem {
    code: String,
    #[serde(with = "text")]
    is: CodeIs,
}

impl Entity for Conversion {
    type Stored = ConversionItem;
    const KIND: &'static str = "conversion";

    fn to_stored(&self) -> ConversionItem {
        let content = &self.content;
        let metadata = content
            .metadata
            .iter()
            .map(|(key, value)| (key.as_str().to_owned(), MetadataItem::of(value)));
        let skipped = |skipped: &Skipped| SkippedItem {
            incentive_id: skipped.incentive_id.clone(),
            beneficiary: skipped.beneficiary,
            reason: skipped.reason,
            shortfall: skipped.shortfall.as_ref().map(ShortfallItem::of),
        };
        ConversionItem {
            id: self.id,
            program_id: self.program,
            event: content.event.clone(),
            external_id: content.external_id.clone(),
            referee_external_id: content.referee_external_id.clone(),
            referee_email_hash: content.referee_email,
            amount: content.amount.map(MoneyItem::from),
            country: content.country,
            metadata: metadata.collect(),
            said_occurred_at: content.occurred_at,
            state: self.state,
            occurred_at: self.occurred_at,
            recorded_at: self.recorded_at,
            recorded_by: self.recorded_by,
            referee_id: self.referee_id,
            referral_id: self.referral_id,
            attribution: AttributionItem::of(&self.attribution),
            reward_ids: self.reward_ids.iter().map(RewardId::to_string).collect(),
            skipped: self.skipped.iter().map(skipped).collect(),
            codes: self
                .codes
                .iter()
                .map(|used| CodeUseItem {
                    code: used.code.clone(),
                    is: used.is,
                })
                .collect(),
            number: self.number,
            referral_number: self.referral_number,
            referees: self.referees,
            upline: self.upline.iter().map(ToString::to_string).collect(),
            bound_at: self.bound_at,
            new_customer: self.new_customer,
            refunded: self.refunded,
            refund_ids: self.refund_ids.iter().map(ToString::to_string).collect(),
            refunded_whole: self.refunded_whole,
            review: self.review.as_ref().map(ReviewItem::of),
            scheme_version: self.scheme_version,
            version: self.version,
        }
    }

    fn from_stored(stored: ConversionItem) -> Self {
        let metadata: BTreeMap<MetadataKey, MetadataValue> = stored
            .metadata
            .into_iter()
            .filter_map(|(key, value)| Some((key.parse().ok()?, value.read()?)))
            .collect();
        let skipped = |item: SkippedItem| Skipped {
            incentive_id: item.incentive_id,
            beneficiary: item.beneficiary,
            reason: item.reason,
            shortfall: item.shortfall.map(ShortfallItem::read),
            budget: None,
        };
        Self {
            id: stored.id,
            program: stored.program_id,
            content: Content {
                event: stored.event,
                external_id: stored.external_id,
                referee_external_id: stored.referee_external_id,
                referee_email: stored.referee_email_hash,
                amount: stored.amount.map(Into::into),
                country: stored.country,
                metadata: metadata.try_into().unwrap_or_default(),
                occurred_at: stored.said_occurred_at,
            },
            state: stored.state,
            occurred_at: stored.occurred_at,
            recorded_at: stored.recorded_at,
            recorded_by: stored.recorded_by,
            referee_id: stored.referee_id,
            referral_id: stored.referral_id,
            attribution: stored.attribution.read(),
            reward_ids: ids(&stored.reward_ids),
            skipped: stored.skipped.into_iter().map(skipped).collect(),
            codes: stored
                .codes
                .into_iter()
                .map(|used| CodeUse {
                    code: used.code,
                    is: used.is,
                })
                .collect(),
            number: stored.number,
            referral_number: stored.referral_number,
            referees: stored.referees,
            upline: ids(&stored.upline),
            bound_at: stored.bound_at,
            new_customer: stored.new_customer,
            refunded: stored.refunded,
            refund_ids: ids(&stored.refund_ids),
            refunded_whole: stored.refunded_whole,
            review: stored.review.map(ReviewItem::read),
            scheme_version: stored.scheme_version,
            version: stored.version,
        }
    }
}

fn ids<T: FromStr>(texts: &[String]) -> Vec<T> {
    texts.iter().filter_map(|id| id.parse().ok()).collect()
}

impl MetadataItem {
    pub(super) fn of(value: &MetadataValue) -> Self {
        match value {
            MetadataValue::Text(text) => Self::Text(text.to_string()),
            MetadataValue::Integer(number) => Self::Integer(*number),
            MetadataValue::Boolean(flag) => Self::Boolean(*flag),
        }
    }

    pub(super) fn read(self) -> Option<MetadataValue> {
        match self {
            Self::Text(text) => MetadataValue::text(&text).ok(),
            Self::Integer(number) => Some(MetadataValue::Integer(number)),
            Self::Boolean(flag) => Some(MetadataValue::Boolean(flag)),
        }
    }
}

impl AttributionItem {
    fn of(attribution: &Attribution) -> Self {
        let considered = |considered: &Considered| ConsideredItem {
            touch: considered.touch,
            click_id: considered.click_id,
            code: considered.code.clone(),
            referrer_id: considered.referrer_id,
            at: considered.at,
            outcome: considered.outcome,
        };
        let chosen = attribution.chosen.as_ref();
        Self {
            referrer_id: chosen.map(|chosen| chosen.referrer_id),
            click_id: chosen.and_then(|chosen| chosen.click_id),
            code: chosen.and_then(|chosen| chosen.code.clone()),
            channel: chosen.and_then(|chosen| chosen.channel),
            touch_at: chosen.and_then(|chosen| chosen.touch_at),
            reason: attribution.reason,
            model: attribution.model,
            window_days: attribution.window_days,
            considered: attribution.considered.iter().map(considered).collect(),
            by_hand: attribution.by_hand.as_ref().map(|hand| ByHandItem {
                by: hand.by.clone(),
                reason: hand.reason.clone(),
            }),
        }
    }

    fn read(self) -> Attribution {
        let considered = |item: ConsideredItem| Considered {
            touch: item.touch,
            click_id: item.click_id,
            code: item.code,
            referrer_id: item.referrer_id,
            at: item.at,
            outcome: item.outcome,
        };
        Attribution {
            chosen: self.referrer_id.map(|referrer_id| Chosen {
                referrer_id,
                click_id: self.click_id,
                code: self.code,
                channel: self.channel,
                touch_at: self.touch_at,
            }),
            reason: self.reason,
            model: self.model,
            window_days: self.window_days,
            considered: self.considered.into_iter().map(considered).collect(),
            by_hand: self.by_hand.map(|hand| ByHand {
                by: hand.by,
                reason: hand.reason,
            }),
        }
    }
}
