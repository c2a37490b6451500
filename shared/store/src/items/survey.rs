use jiff::Timestamp;
use kith_domain::id::{ParticipantId, ProgramId, SurveyId};
use kith_domain::nps::Score;
use kith_domain::survey::{Answer, SkipReason, Survey, SurveyState};
use kith_domain::text::{Comment, Slug};
use serde::{Deserialize, Serialize};

use crate::item::{Entity, text, text_option};
use crate::list::Listed;

/// What the list index carries of a survey: enough for the NPS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SurveyMark {
    /// The answer's score.
    pub score: Option<Score>,
    /// When it was handed over.
    pub sent_at: Option<Timestamp>,
    /// When it was last answered.
    pub answered_at: Option<Timestamp>,
}

impl From<&Listed> for SurveyMark {
    fn from(listed: &Listed) -> Self {
        let value = |name| listed.carried.get(name);
        let instant = |name| value(name).and_then(|value| value.as_s().ok()?.parse().ok());
        let score = value("score").and_then(|value| value.as_n().ok()?.parse::<i64>().ok());
        Self {
            score: score.and_then(|score| Score::try_from(score).ok()),
            sent_at: instant("sent_at"),
            answered_at: instant("answered_at"),
        }
    }
}

impl From<&Survey> for SurveyMark {
    fn from(survey: &Survey) -> Self {
        let answer = survey.answer.as_ref();
        Self {
            score: answer.map(|answer| answer.score),
            sent_at: survey.sent_at,
            answered_at: answer.map(|answer| answer.answered_at),
        }
    }
}

/// What lies in the table of a survey. `score`, `sent_at` and `answered_at` are attributes of their
/// own, because the list index carries them for the NPS.
#[derive(Serialize, Deserialize)]
pub struct SurveyItem {
    #[serde(with = "text")]
    id: SurveyId,
    #[serde(with = "text")]
    program_id: ProgramId,
    #[serde(with = "text")]
    rule_id: Slug,
    #[serde(with = "text")]
    participant_id: ParticipantId,
    #[serde(with = "text")]
    state: SurveyState,
    #[serde(with = "text")]
    due_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    lease_until: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    sent_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    closes_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    score: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    comment: Option<Comment>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    answered_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    skipped: Option<SkipReason>,
    #[serde(with = "text")]
    created_at: Timestamp,
    version: u64,
}

impl Entity for Survey {
    type Stored = SurveyItem;
    const KIND: &'static str = "survey";

    fn to_stored(&self) -> SurveyItem {
        let answer = self.answer.as_ref();
        SurveyItem {
            id: self.id,
            program_id: self.program,
            rule_id: self.rule_id.clone(),
            participant_id: self.participant_id,
            state: self.state,
            due_at: self.due_at,
            lease_until: self.lease_until,
            sent_at: self.sent_at,
            closes_at: self.closes_at,
            score: answer.map(|answer| i64::from(answer.score.get())),
            comment: answer.and_then(|answer| answer.comment.clone()),
            answered_at: answer.map(|answer| answer.answered_at),
            skipped: self.skipped,
            created_at: self.created_at,
            version: self.version,
        }
    }

    fn from_stored(stored: SurveyItem) -> Self {
        let score = stored.score.and_then(|score| Score::try_from(score).ok());
        let answer = score
            .zip(stored.answered_at)
            .map(|(score, answered_at)| Answer {
                score,
                comment: stored.comment,
                answered_at,
            });
        Self {
            id: stored.id,
            program: stored.program_id,
            rule_id: stored.rule_id,
            participant_id: stored.participant_id,
            state: stored.state,
            due_at: stored.due_at,
            lease_until: stored.lease_until,
            sent_at: stored.sent_at,
            closes_at: stored.closes_at,
            answer,
            skipped: stored.skipped,
            created_at: stored.created_at,
            version: stored.version,
        }
    }
}
