use kith_domain::survey::Survey;
use serde_json::{Value, json};

use super::instant;

/// A survey with its answer.
#[must_use]
pub fn survey(survey: &Survey) -> Value {
    let answer = survey.answer.as_ref();
    json!({
        "id": survey.id.to_string(),
        "survey_id": survey.rule_id.as_str(),
        "participant_id": survey.participant_id.to_string(),
        "state": survey.state.as_str(),
        "due_at": instant(survey.due_at),
        "sent_at": survey.sent_at.map(instant),
        "closes_at": survey.closes_at.map(instant),
        "score": answer.map(|answer| answer.score.get()),
        "comment": answer.and_then(|answer| answer.comment.as_ref()).map(ToString::to_string),
        "answered_at": answer.map(|answer| instant(answer.answered_at)),
        "skipped": survey.skipped.map(|reason| reason.as_str()),
        "created_at": instant(survey.created_at),
    })
}
