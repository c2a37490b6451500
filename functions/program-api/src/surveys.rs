//! What people answered: surveys one by one, and the Net Promoter Score.

use jiff::{SignedDuration, Timestamp};
use kith_contract::problems::Code;
use kith_domain::nps::{Nps, SCORE_MAX};
use kith_domain::program::days;
use kith_domain::survey::{CLOSES_AFTER_DAYS_MAX, DELAY_HOURS_MAX, Survey, SurveyState};
use kith_domain::text::Slug;
use kith_edge::desk::View;
use kith_edge::http::{Problem, Response};
use kith_edge::session::Ended;
use kith_edge::wire;
use kith_store::ListQuery;
use kith_store::items::SurveyMark;
use kith_store::keys::ListName;

use crate::call::{Call, filtered};

/// Surveys read from the index at a time,
const MARKS_AT_ONCE: u16 = 1_000;
/// and as whole items.
const SURVEYS_AT_ONCE: u16 = 100;
/// Pages read for one score; a period with more in it has to be asked for in parts.
const PAGES_MAX: u16 = 300;

/// `GET P/surveys`.
pub(crate) async fn list(call: Call) -> Result<Response, Ended> {
    let query = call.query(|fields, faults| {
        let state = fields.optional::<SurveyState>("state", faults);
        let max_score = fields.integer_in("max_score", 0..=SCORE_MAX, faults);
        (state, max_score, call.paging(fields, faults))
    });
    let (_, view, (state, max_score, paging)) = call.program(query, |_, _, _| Vec::new()).await?;
    let program = view.program.id;
    let mut query = paging.over(|limit| ListQuery::of_program(program, ListName::Surveys, limit));
    query.state = state.map(|state| state.to_string());
    let id = |survey: &Survey| survey.id.to_string();
    let keep = |survey: &Survey| {
        let score = survey.answer.as_ref().map(|answer| answer.score.get());
        max_score.is_none_or(|max| score.is_some_and(|score| score <= max))
    };
    let (found, next) = filtered(&view.store, query, id, keep).await?;
    let data = found.iter().map(wire::survey).collect();
    Ok(call.listed(data, next.as_deref()))
}

/// What a score is asked for.
struct Asked {
    rule: Option<Slug>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
}

impl Asked {
    fn holds(&self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| at >= from) && self.to.is_none_or(|to| at < to)
    }
}

#[derive(Default)]
struct Counted {
    nps: Nps,
    sent: u64,
}

impl Counted {
    fn add(&mut self, asked: &Asked, mark: SurveyMark) {
        if mark.sent_at.is_some_and(|at| asked.holds(at)) {
            self.sent = self.sent.saturating_add(1);
        }
        if let (Some(score), Some(at)) = (mark.score, mark.answered_at)
            && asked.holds(at)
        {
            self.nps.record(score);
        }
    }
}

/// `GET P/nps`: what was sent, and what was answered, within the period.
pub(crate) async fn nps(call: Call) -> Result<Response, Ended> {
    let query = call.query(|fields, faults| {
        let rule = fields.optional::<Slug>("survey_id", faults);
        let (from, to) = fields.period(faults);
        Asked { rule, from, to }
    });
    let (_, view, asked) = call.program(query, |_, _, _| Vec::new()).await?;
    let Counted { nps, sent } = count(&view, &asked).await?;
    let answer = wire::NetPromoterScore::of(&nps, sent).map_err(Problem::internal)?;
    Ok(Response::json(200, &answer))
}

/// Counts the surveys that may have been sent or answered in the period: those scheduled before its
/// end, and not so long before its beginning that they were closed by then.
async fn count(view: &View, asked: &Asked) -> Result<Counted, Ended> {
    let program = view.program.id;
    let mut query = ListQuery::of_program(program, ListName::Surveys, MARKS_AT_ONCE);
    query.to = asked.to;
    query.from = asked.from.and_then(|from| from.checked_sub(life()).ok());
    let mut counted = Counted::default();
    for _ in 0..PAGES_MAX {
        let next = match &asked.rule {
            None => {
                let page = view.store.list_index(&query).await?;
                let marks = page.items.iter().map(SurveyMark::from);
                marks.for_each(|mark| counted.add(asked, mark));
                page.next
            }
            // The index does not carry the rule.
            Some(rule) => {
                query.limit = SURVEYS_AT_ONCE;
                let page = view.store.list::<Survey>(&query).await?;
                let own = page.items.iter().filter(|survey| survey.rule_id == *rule);
                own.for_each(|survey| counted.add(asked, survey.into()));
                page.next
            }
        };
        match next {
            None => return Ok(counted),
            Some(next) => query.after = Some(next),
        }
    }
    Err(Problem::of(
        Code::PeriodTooLong,
        "Ask for a shorter period with `from` and `to`.",
    )
    .into())
}

/// How long after its scheduling a survey can be answered at most.
fn life() -> SignedDuration {
    let delay = SignedDuration::from_hours(i64::from(DELAY_HOURS_MAX));
    delay.saturating_add(days(CLOSES_AFTER_DAYS_MAX))
}
