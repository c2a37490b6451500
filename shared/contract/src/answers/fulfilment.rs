use kith_domain::fulfilment::{self as domain, Asked, Question};
use kith_domain::id::{ConversionId, ParticipantId, ProgramId, WebhookId};
use kith_domain::mode::Mode;
use kith_domain::participant;
use kith_domain::program::Program;
use kith_domain::reward as rewards;
use kith_domain::text::{ExternalId, Name};
use kith_domain::webhook::AttemptEnd;
use schemars::JsonSchema;
use serde::Serialize;

use super::{RewardInConversion, reward_in_conversion};
use crate::scalar::{At, Spelled, Word};

/// Who carries out the rewards of a rule.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub struct FulfilmentRule {
    /// The webhook that is asked.
    pub webhook_id: Spelled<WebhookId>,
    /// Whether it is asked, before a reward is released, whether it agrees.
    pub validate: bool,
}

impl From<domain::FulfilmentRule> for FulfilmentRule {
    fn from(rule: domain::FulfilmentRule) -> Self {
        Self {
            webhook_id: rule.webhook.into(),
            validate: rule.validate,
        }
    }
}

/// How far the shop is with a reward that it carries out itself.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Fulfilment {
    /// The webhook that is asked.
    pub webhook_id: Spelled<WebhookId>,
    /// What it is asked, or was asked last; `null` before it is asked anything.
    pub question: Option<Word<Question>>,
    /// How often it was asked this since that was begun.
    pub tries: u32,
    /// How it ended the last time; `null` before it was asked anything.
    pub last_attempt: Option<FulfilmentAttempt>,
    /// When it is asked again, on the program's clock; `null` unless it waits for that.
    pub next_at: Option<At>,
    /// What the shop calls what it has done; `null` if it did not say.
    pub receipt: Option<Spelled<Name>>,
    /// How far it is, for people to read.
    pub explanation: String,
}

/// One try to ask a shop.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct FulfilmentAttempt {
    /// When it began, in real time.
    pub at: At,
    /// How long it took, in milliseconds.
    pub duration_ms: u32,
    /// How it ended.
    pub end: Word<AttemptEnd>,
    /// The answer's status; `null` without an answer.
    pub status: Option<u16>,
}

/// How far the shop is with a reward; `None` if it does not carry it out.
#[must_use]
pub fn fulfilment(of: &rewards::Reward) -> Option<Fulfilment> {
    let fulfilment = of.fulfilment.as_deref()?;
    let next_at = match of.shop_wait() {
        Some(domain::ShopWait::Until(at)) => Some(At(at)),
        Some(domain::ShopWait::UnderWay(_) | domain::ShopWait::Owner) | None => None,
    };
    let last_attempt = fulfilment.last.as_ref().map(|last| FulfilmentAttempt {
        at: last.at.into(),
        duration_ms: last.duration_ms,
        end: last.end.into(),
        status: last.status,
    });
    Some(Fulfilment {
        webhook_id: fulfilment.rule.webhook.into(),
        question: fulfilment.question.map(Word),
        tries: fulfilment.tries,
        last_attempt,
        next_at,
        receipt: fulfilment.receipt.clone().map(Spelled),
        explanation: fulfilment.explain(of.state),
    })
}

/// What a shop is asked, as it is posted to its webhook. No mail address, no name.
#[derive(Debug, Clone, Serialize)]
pub struct ShopQuestion {
    /// The message's id, the same in every try.
    pub id: String,
    /// What it is asked.
    #[serde(rename = "type")]
    pub kind: Word<Question>,
    /// When it was asked first, on the program's clock.
    pub created_at: At,
    /// The program.
    pub program_id: Spelled<ProgramId>,
    /// Live or test.
    pub mode: Word<Mode>,
    /// About what.
    pub data: ShopQuestionData,
}

/// The reward that a shop is asked about.
#[derive(Debug, Clone, Serialize)]
pub struct ShopQuestionData {
    /// The reward, worth what it was when the shop was asked first. Without what changes from try to
    /// try: the same id stands over the same message.
    pub reward: RewardInConversion,
    /// Whose it is.
    pub participant: ShopParticipant,
    /// What earned it.
    pub conversion_id: Option<Spelled<ConversionId>>,
}

/// Whose a reward is, by ids alone.
#[derive(Debug, Clone, Serialize)]
pub struct ShopParticipant {
    /// The participant.
    pub id: Spelled<ParticipantId>,
    /// What the shop calls them; `null` if it never said.
    pub external_id: Option<Spelled<ExternalId>>,
}

/// What a shop is asked about a reward.
#[must_use]
pub fn shop_question(
    program: &Program,
    about: &rewards::Reward,
    whose: &participant::Participant,
    asked: &Asked,
) -> ShopQuestion {
    ShopQuestion {
        id: asked.question.key(about.id),
        kind: asked.question.into(),
        created_at: asked.terms.at.into(),
        program_id: program.id.into(),
        mode: program.mode.into(),
        data: ShopQuestionData {
            reward: reward_in_conversion(about),
            participant: ShopParticipant {
                id: whose.id.into(),
                external_id: whose.external_id.clone().map(Spelled),
            },
            conversion_id: about.conversion_id.map(Spelled),
        },
    }
}
