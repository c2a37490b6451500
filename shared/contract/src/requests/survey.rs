use kith_domain::nps::SCORE_MAX;
use kith_domain::text::Comment;
use schemars::JsonSchema;

use crate::scalar::Spelled;

/// An answer to a survey.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct SurveyAnswerInput {
    /// How likely they are to recommend.
    #[schemars(range(min = 0, max = SCORE_MAX), example = 9)]
    pub score: u8,
    /// In their own words.
    pub comment: Option<Spelled<Comment>>,
}

/// An answer to a survey, as the page's form sends it. What else stands in it is let be.
#[derive(Debug, JsonSchema)]
pub struct SurveyForm {
    /// How likely they are to recommend.
    #[schemars(range(min = 0, max = SCORE_MAX), example = 9)]
    pub score: u8,
    /// In their own words.
    #[schemars(transform = super::never_null)]
    pub comment: Option<Spelled<Comment>>,
}

/// What mail programs send, and the page's button. Nothing of it is read.
#[derive(Debug, JsonSchema)]
pub struct OneClick {
    /// `One-Click`.
    #[schemars(rename = "List-Unsubscribe", transform = super::never_null)]
    pub list_unsubscribe: Option<String>,
}
