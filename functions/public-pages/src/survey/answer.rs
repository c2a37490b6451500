//! An answer, as it is sent.

use kith_domain::nps::{SCORE_MAX, Score};
use kith_domain::text::Comment;
use kith_edge::fields::Fields;
use kith_edge::http::{Problem, Request};
use kith_edge::json::{self, Faults, Member};
use kith_pages::SurveyFaults;

use crate::page::sends_json;

/// What somebody chose and wrote, right or not: shown again when it is not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Given {
    /// The score.
    pub(crate) score: Option<Score>,
    /// The comment.
    pub(crate) comment: String,
}

/// What was read of an answer.
type Read = Result<(Score, Option<Comment>), (Given, SurveyFaults)>;

impl Given {
    /// Reads an answer: JSON, or a form. The inner error is a form to be shown again.
    ///
    /// # Errors
    /// What is wrong with a JSON body; 413 and 415.
    pub(crate) fn read(request: &Request) -> Result<Read, Problem> {
        if sends_json(request) {
            of_json(request).map(Ok)
        } else {
            of_form(request)
        }
    }
}

fn of_json(request: &Request) -> Result<(Score, Option<Comment>), Problem> {
    let mut faults = Faults::default();
    let mut body = json::body(request)?;
    let score = body.required("score", &mut faults, score);
    let comment = body.optional("comment", &mut faults, |member, faults| {
        let pointer = member.pointer.clone();
        match Comment::optional(&json::string(member, faults)?) {
            Ok(comment) => comment,
            Err(error) => {
                faults.add(pointer, error.to_string());
                None
            }
        }
    });
    body.finish(&mut faults);
    let (score,) = faults.all((score,))?;
    Ok((score, comment))
}

fn score(member: Member, faults: &mut Faults) -> Option<Score> {
    let number = json::integer_in(0..=i64::from(SCORE_MAX))(member, faults)?;
    Score::try_from(number).ok()
}

/// A form is read as people send it: what is not known in it is let be.
fn of_form(request: &Request) -> Result<Read, Problem> {
    let mut form = Fields::of_form(request)?;
    let mut faults = Faults::default();
    let text = form.string("score", &mut faults);
    let score = text.and_then(|text| text.parse::<Score>().ok());
    let comment = form.string("comment", &mut faults).unwrap_or_default();
    Ok(match (score, Comment::optional(&comment)) {
        (Some(score), Ok(comment)) => Ok((score, comment)),
        (score, parsed) => {
            let faults = SurveyFaults {
                score_missing: score.is_none(),
                comment_chars: parsed.is_err().then(|| characters(&comment)),
            };
            Err((Given { score, comment }, faults))
        }
    })
}

/// How long people see a comment to be: line ends count once.
fn characters(comment: &str) -> usize {
    comment.trim().replace("\r\n", "\n").chars().count()
}

#[cfg(test)]
mod tests;
