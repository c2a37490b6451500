use kith_domain::explanation::timeline::{self, Told};
use kith_domain::id::ParticipantId;
use kith_domain::participant::{self, ParticipantState};
use schemars::JsonSchema;
use serde::Serialize;

use crate::scalar::{At, Spelled, Word};

/// Everything that happened to a participant, newest first.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Timeline {
    /// How the participant stands now.
    pub participant: Standing,
    /// What happened.
    pub data: Vec<TimelineEntry>,
    /// Where it goes on; `null` at its end.
    pub next_cursor: Option<String>,
}

/// How a participant stands.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Standing {
    /// Who.
    pub id: Spelled<ParticipantId>,
    /// Whether they take part.
    pub state: Word<ParticipantState>,
    /// The same in a sentence.
    #[schemars(example = &"Takes part.")]
    pub text: String,
}

impl From<&participant::Participant> for Standing {
    fn from(participant: &participant::Participant) -> Self {
        Self {
            id: participant.id.into(),
            state: participant.state.into(),
            text: timeline::standing(participant),
        }
    }
}

/// One thing that happened. Members that its kind does not have are left out.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct TimelineEntry {
    /// When: the time in its id.
    pub at: At,
    /// What: `participant`, `referral`, `conversion`, `reward`, `survey`, `payout`, `redemption`.
    #[schemars(example = &"reward")]
    pub kind: &'static str,
    /// The id of the thing.
    #[schemars(example = &"rwd_01hr000000000000000000000z")]
    pub id: String,
    /// What it came to, to be read out.
    #[schemars(example = &"Reward of 5.00 EUR for the order order-1001 (thank-you). It is held until 24 March 2026.")]
    pub text: String,
    /// What happened to it, oldest first.
    pub steps: Vec<TimelineStep>,
    /// What else it is about.
    #[serde(flatten)]
    pub about: TimelineAbout,
}

/// One step of what happened.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct TimelineStep {
    /// When.
    pub at: At,
    /// What, to be read out.
    #[schemars(example = &"Released, by reward-disbursement.")]
    pub text: String,
}

/// What an entry is about beyond itself.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct TimelineAbout {
    /// Of conversions and rewards: the state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<&'static str>,
    /// Of conversions: what happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// Of conversions: the shop's own name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Of referrals and conversions: who shared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referrer_id: Option<String>,
    /// Of referrals and conversions: who was invited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referee_id: Option<String>,
    /// Of conversions: the click that led to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub click_id: Option<String>,
    /// Of rewards: the conversion that earned it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversion_id: Option<String>,
    /// Of rewards: the rule that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incentive_id: Option<String>,
    /// Of conversions: what it earned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reward_ids: Option<Vec<String>>,
    /// Of conversions: its refunds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refund_ids: Option<Vec<String>>,
}

/// An entry, told.
#[must_use]
pub fn timeline_entry(
    kind: &'static str,
    at: jiff::Timestamp,
    id: String,
    told: &Told,
    about: TimelineAbout,
) -> TimelineEntry {
    let step = |step: &timeline::Step| TimelineStep {
        at: step.at.into(),
        text: step.text.clone(),
    };
    TimelineEntry {
        at: at.into(),
        kind,
        id,
        text: told.text.clone(),
        steps: told.steps.iter().map(step).collect(),
        about,
    }
}
