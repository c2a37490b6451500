use kith_domain::nps::SCORE_MAX;
use kith_domain::survey::SurveyState;
use kith_domain::text::{Comment, Name};
use schemars::JsonSchema;
use serde::Serialize;

use crate::scalar::{At, Spelled, Word};

/// A survey as whoever was asked sees it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SurveyToAnswer {
    /// Who asks.
    pub program: Spelled<Name>,
    /// Where the survey is.
    pub state: Word<SurveyState>,
    /// What was answered so far.
    #[schemars(range(min = 0, max = SCORE_MAX))]
    pub score: Option<u8>,
    /// Until when an answer counts.
    pub closes_at: Option<At>,
}

/// An answer as it is kept.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SurveyAnswered {
    /// The score.
    #[schemars(range(min = 0, max = SCORE_MAX))]
    pub score: Option<u8>,
    /// The comment.
    pub comment: Option<Spelled<Comment>>,
    /// Until when another answer replaces it.
    pub closes_at: Option<At>,
}

/// Whether somebody gets mail of a program.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Unsubscription {
    /// Who sends it.
    pub program: Spelled<Name>,
    /// Whether they get none any more.
    pub unsubscribed: bool,
}
