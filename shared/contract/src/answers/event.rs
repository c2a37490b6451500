use kith_domain::channel::Channel;
use kith_domain::code::ReferralCode;
use kith_domain::fact::{Fact, FactKind};
use kith_domain::id::{
    ClickId, ConversionId, EventId, MergeId, ParticipantId, PayoutId, ProgramId, ReferralId,
    RefundId, RewardId, SurveyId, WebhookId,
};
use kith_domain::mode::Mode;
use kith_domain::text::{EventName, Slug};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Money, Value, value};
use crate::scalar::{At, Spelled, Word};

/// Something that happened in a program.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Event {
    /// Its id.
    pub id: Spelled<EventId>,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: Word<FactKind>,
    /// When.
    pub created_at: At,
    /// The program.
    pub program_id: Spelled<ProgramId>,
    /// Live or test.
    pub mode: Word<Mode>,
    /// Whom and what it concerns.
    pub data: EventData,
}

/// The ids and the anchors of an event; what it does not have is left out. No mail address, no name.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct EventData {
    /// The conversion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversion_id: Option<Spelled<ConversionId>>,
    /// The bond.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referral_id: Option<Spelled<ReferralId>>,
    /// The reward.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reward_id: Option<Spelled<RewardId>>,
    /// The refund.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refund_id: Option<Spelled<RefundId>>,
    /// The payout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payout_id: Option<Spelled<PayoutId>>,
    /// The survey.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub survey_id: Option<Spelled<SurveyId>>,
    /// The endpoint of webhooks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_id: Option<Spelled<WebhookId>>,
    /// The participant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub participant_id: Option<Spelled<ParticipantId>>,
    /// The merge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merge_id: Option<Spelled<MergeId>>,
    /// Who the participant is from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merged_into: Option<Spelled<ParticipantId>>,
    /// The referrer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referrer_id: Option<Spelled<ParticipantId>>,
    /// The referee.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referee_id: Option<Spelled<ParticipantId>>,
    /// Who earned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beneficiary_id: Option<Spelled<ParticipantId>>,
    /// The click.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub click_id: Option<Spelled<ClickId>>,
    /// The referral code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Spelled<ReferralCode>>,
    /// The channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<Word<Channel>>,
    /// What the referee did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<Spelled<EventName>>,
    /// For how much.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
    /// The incentive or the survey's rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule_id: Option<Spelled<Slug>>,
    /// The kind of reward.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::reward::kinds")]
    pub kind: Option<&'static str>,
    /// What the reward is worth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// The score of a survey.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<u8>,
    /// When the touch was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub touch_at: Option<At>,
    /// When the referee became a lead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lead_at: Option<At>,
    /// When the reward was issued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued_at: Option<At>,
    /// When the referrer joined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referrer_joined_at: Option<At>,
    /// When the referee first qualified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_qualified_at: Option<At>,
    /// Which qualified conversion of its event it is for the referee.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversion_number: Option<u64>,
    /// Which qualified referee of the referrer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referral_number: Option<u64>,
}

/// An event.
#[must_use]
pub fn event(
    id: EventId,
    created_at: jiff::Timestamp,
    (program, mode): (ProgramId, Mode),
    fact: &Fact,
) -> Event {
    Event {
        id: id.into(),
        kind: fact.kind.into(),
        created_at: created_at.into(),
        program_id: program.into(),
        mode: mode.into(),
        data: data(fact),
    }
}

fn data(fact: &Fact) -> EventData {
    EventData {
        conversion_id: fact.conversion_id.map(Spelled),
        referral_id: fact.referral_id.map(Spelled),
        reward_id: fact.reward_id.map(Spelled),
        refund_id: fact.refund_id.map(Spelled),
        payout_id: fact.payout_id.map(Spelled),
        survey_id: fact.survey_id.map(Spelled),
        webhook_id: fact.webhook_id.map(Spelled),
        participant_id: fact.participant_id.map(Spelled),
        merge_id: fact.merge_id.map(Spelled),
        merged_into: fact.merged_into.map(Spelled),
        referrer_id: fact.referrer_id.map(Spelled),
        referee_id: fact.referee_id.map(Spelled),
        beneficiary_id: fact.beneficiary_id.map(Spelled),
        click_id: fact.click_id.map(Spelled),
        code: fact.code.clone().map(Spelled),
        channel: fact.channel.map(Word),
        event: fact.event.clone().map(Spelled),
        amount: fact.amount.map(Money::from),
        rule_id: fact.rule_id.clone().map(Spelled),
        kind: fact.value.map(kith_domain::reward::RewardValue::kind),
        value: fact.value.map(value),
        score: fact.score,
        touch_at: fact.touch_at.map(At),
        lead_at: fact.lead_at.map(At),
        issued_at: fact.issued_at.map(At),
        referrer_joined_at: fact.referrer_joined_at.map(At),
        first_qualified_at: fact.first_qualified_at.map(At),
        conversion_number: fact.conversion_number,
        referral_number: fact.referral_number,
    }
}
