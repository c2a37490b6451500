use std::collections::BTreeSet;

use jiff::Timestamp;
use kith_domain::channel::Channel;
use kith_domain::code::ReferralCode;
use kith_domain::fact::{Fact, FactKind};
use kith_domain::id::{
    ClickId, ConversionId, EventId, MergeId, ParticipantId, PayoutId, ProgramId, ReferralId,
    RefundId, RewardId, SurveyId, WebhookId,
};
use kith_domain::mode::Mode;
use kith_domain::text::{EventName, Slug};
use serde::{Deserialize, Serialize};

use super::MoneyItem;
use super::reward::ValueItem;
use crate::item::{Entity, text, text_option};

/// A message for a queue: `go and read`. Ids only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wake {
    /// Which queue.
    #[serde(with = "text")]
    pub queue: crate::wake::Queue,
    /// The message's body.
    pub body: String,
}

/// One fact with the id it has for the outside.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedFact {
    /// The id, the same for every delivery.
    pub id: EventId,
    /// The fact.
    pub fact: Fact,
}

/// The facts of one commit.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The id of the item; the first fact has it too.
    pub id: EventId,
    /// The program.
    pub program: ProgramId,
    /// The program's mode.
    pub mode: Mode,
    /// When, on the program's clock.
    pub created_at: Timestamp,
    /// What happened, in order.
    pub facts: Vec<RecordedFact>,
    /// Whom to wake.
    pub wakes: Vec<Wake>,
    /// Who has not dealt with it yet: the queues whose worker has to settle it.
    pub awaiting: BTreeSet<String>,
}

/// What lies in the table of an event.
#[derive(Serialize, Deserialize)]
pub struct EventItem {
    #[serde(with = "text")]
    id: EventId,
    #[serde(with = "text")]
    program_id: ProgramId,
    #[serde(with = "text")]
    mode: Mode,
    #[serde(with = "text")]
    created_at: Timestamp,
    facts: Vec<FactItem>,
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "wakes")]
    wakes: Vec<Wake>,
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "string_set")]
    awaiting: Vec<String>,
}

/// Wakes are one text of JSON: the stream's filter sees leaves of an image only.
pub(crate) mod wakes {
    use serde::de::Error as _;
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Wake;

    pub(super) fn serialize<S: Serializer>(
        wakes: &[Wake],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&serde_json::to_string(wakes).map_err(S::Error::custom)?)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Wake>, D::Error> {
        serde_json::from_str(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// A set of strings in the table, so that a worker takes its own name out of it in place.
mod string_set {
    use serde::{Deserialize, Deserializer};
    pub(super) use serde_dynamo::string_set::serialize;

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<String>, D::Error> {
        Vec::deserialize(deserializer)
    }
}

#[derive(Serialize, Deserialize)]
struct FactItem {
    #[serde(with = "text")]
    id: EventId,
    #[serde(rename = "type", with = "text")]
    kind: FactKind,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    conversion_id: Option<ConversionId>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    referral_id: Option<ReferralId>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    reward_id: Option<RewardId>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    refund_id: Option<RefundId>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    payout_id: Option<PayoutId>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    survey_id: Option<SurveyId>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    webhook_id: Option<WebhookId>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    participant_id: Option<ParticipantId>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    merge_id: Option<MergeId>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    merged_into: Option<ParticipantId>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    referrer_id: Option<ParticipantId>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    referee_id: Option<ParticipantId>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    beneficiary_id: Option<ParticipantId>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    click_id: Option<ClickId>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    code: Option<ReferralCode>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    channel: Option<Channel>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    event: Option<EventName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    amount: Option<MoneyItem>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    rule_id: Option<Slug>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    worth: Option<ValueItem>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    score: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    touch_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    lead_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    issued_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    referrer_joined_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    first_qualified_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    conversion_number: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    referral_number: Option<u64>,
}

impl Entity for Event {
    type Stored = EventItem;
    const KIND: &'static str = "event";

    fn to_stored(&self) -> EventItem {
        EventItem {
            id: self.id,
            program_id: self.program,
            mode: self.mode,
            created_at: self.created_at,
            facts: self.facts.iter().map(FactItem::of).collect(),
            wakes: self.wakes.clone(),
            awaiting: self.awaiting.iter().cloned().collect(),
        }
    }

    fn from_stored(stored: EventItem) -> Self {
        Self {
            id: stored.id,
            program: stored.program_id,
            mode: stored.mode,
            created_at: stored.created_at,
            facts: stored.facts.into_iter().map(FactItem::read).collect(),
            wakes: stored.wakes,
            awaiting: stored.awaiting.into_iter().collect(),
        }
    }
}

impl FactItem {
    fn of(recorded: &RecordedFact) -> Self {
        let fact = recorded.fact.clone();
        Self {
            id: recorded.id,
            kind: fact.kind,
            conversion_id: fact.conversion_id,
            referral_id: fact.referral_id,
            reward_id: fact.reward_id,
            refund_id: fact.refund_id,
            payout_id: fact.payout_id,
            survey_id: fact.survey_id,
            webhook_id: fact.webhook_id,
            participant_id: fact.participant_id,
            merge_id: fact.merge_id,
            merged_into: fact.merged_into,
            referrer_id: fact.referrer_id,
            referee_id: fact.referee_id,
            beneficiary_id: fact.beneficiary_id,
            click_id: fact.click_id,
            code: fact.code,
            channel: fact.channel,
            event: fact.event,
            amount: fact.amount.map(MoneyItem::from),
            rule_id: fact.rule_id,
            worth: fact.value.map(ValueItem::from),
            score: fact.score,
            touch_at: fact.touch_at,
            lead_at: fact.lead_at,
            issued_at: fact.issued_at,
            referrer_joined_at: fact.referrer_joined_at,
            first_qualified_at: fact.first_qualified_at,
            conversion_number: fact.conversion_number,
            referral_number: fact.referral_number,
        }
    }

    fn read(self) -> RecordedFact {
        let fact = Fact {
            kind: self.kind,
            conversion_id: self.conversion_id,
            referral_id: self.referral_id,
            reward_id: self.reward_id,
            refund_id: self.refund_id,
            payout_id: self.payout_id,
            survey_id: self.survey_id,
            webhook_id: self.webhook_id,
            participant_id: self.participant_id,
            merge_id: self.merge_id,
            merged_into: self.merged_into,
            referrer_id: self.referrer_id,
            referee_id: self.referee_id,
            beneficiary_id: self.beneficiary_id,
            click_id: self.click_id,
            code: self.code,
            channel: self.channel,
            event: self.event,
            amount: self.amount.map(Into::into),
            rule_id: self.rule_id,
            value: self.worth.map(Into::into),
            score: self.score,
            touch_at: self.touch_at,
            lead_at: self.lead_at,
            issued_at: self.issued_at,
            referrer_joined_at: self.referrer_joined_at,
            first_qualified_at: self.first_qualified_at,
            conversion_number: self.conversion_number,
            referral_number: self.referral_number,
        };
        RecordedFact { id: self.id, fact }
    }
}
