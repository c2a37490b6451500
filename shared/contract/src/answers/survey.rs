use kith_domain::id::{ParticipantId, SurveyId};
use kith_domain::nps::{Nps, SCORE_MAX};
use kith_domain::survey::{self as domain, SkipReason, SurveyState};
use kith_domain::text::{Comment, Slug};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::scalar::{At, Spelled, Word};

/// One survey, to one person, with its answer.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Survey {
    /// Its id.
    pub id: Spelled<SurveyId>,
    /// The rule that asked for it.
    pub survey_id: Spelled<Slug>,
    /// Who is asked.
    pub participant_id: Spelled<ParticipantId>,
    /// Where it is.
    pub state: Word<SurveyState>,
    /// When it is to be sent.
    pub due_at: At,
    /// When it was sent.
    pub sent_at: Option<At>,
    /// Until when an answer counts.
    pub closes_at: Option<At>,
    /// How likely they are to recommend, 0 to 10.
    #[schemars(range(min = 0, max = SCORE_MAX))]
    pub score: Option<u8>,
    /// In their own words.
    pub comment: Option<Spelled<Comment>>,
    /// When they answered.
    pub answered_at: Option<At>,
    /// Why it was not sent.
    pub skipped: Option<Word<SkipReason>>,
    /// When it was scheduled.
    pub created_at: At,
}

/// A survey with its answer.
#[must_use]
pub fn survey(survey: &domain::Survey) -> Survey {
    let answer = survey.answer.as_ref();
    Survey {
        id: survey.id.into(),
        survey_id: survey.rule_id.clone().into(),
        participant_id: survey.participant_id.into(),
        state: survey.state.into(),
        due_at: survey.due_at.into(),
        sent_at: survey.sent_at.map(At),
        closes_at: survey.closes_at.map(At),
        score: answer.map(|answer| answer.score.get()),
        comment: answer
            .and_then(|answer| answer.comment.clone())
            .map(Spelled),
        answered_at: answer.map(|answer| answer.answered_at.into()),
        skipped: survey.skipped.map(Word),
        created_at: survey.created_at.into(),
    }
}

/// The Net Promoter Score of a period.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct NetPromoterScore {
    /// Scores of 9 and 10.
    pub promoters: u64,
    /// Scores of 7 and 8.
    pub passives: u64,
    /// Scores up to 6.
    pub detractors: u64,
    /// All of them.
    pub responses: u64,
    /// How many were asked.
    pub sent: u64,
    /// The share of promoters less that of detractors, in percent, exact to hundredths; `null` without
    /// responses.
    #[schemars(with = "Option<f64>", range(min = -100, max = 100))]
    pub score: Option<Box<RawValue>>,
}

impl NetPromoterScore {
    /// The score of what was counted.
    ///
    /// # Errors
    /// When a score does not write as a number, which would be a bug.
    pub fn of(nps: &Nps, sent: u64) -> Result<Self, serde_json::Error> {
        // A raw value, because it is exact in hundredths and no float is.
        let score = nps
            .score()
            .map(|score| RawValue::from_string(score.to_string()))
            .transpose()?;
        Ok(Self {
            promoters: nps.promoters,
            passives: nps.passives,
            detractors: nps.detractors,
            responses: nps.responses(),
            sent,
            score,
        })
    }
}
