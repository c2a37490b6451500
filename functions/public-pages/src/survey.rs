//! `/s/{token}`: one question, and its answer, which a later one replaces until the survey closes.

mod answer;

use std::sync::Arc;

use kith_contract::scalar::{At, Spelled};
use kith_domain::fact::{Fact, FactKind};
use kith_domain::nps::Score;
use kith_domain::survey::{Survey, SurveyState};
use kith_domain::token::SurveyToken;
use kith_edge::Invocation;
use kith_edge::desk::View;
use kith_edge::http::{Problem, Request, Response};
use kith_edge::session::Ended;
use kith_edge::wire;
use kith_pages::{Brand, SurveyClosed, SurveyFaults, SurveyPage, SurveyThanks};
use kith_store::{Was, keys};

use crate::PublicPages;
use crate::page::{language, page, speaks_json};
use answer::Given;

/// Shows the question, with the answer so far or the one that the link names. Changes nothing.
///
/// # Errors
/// [`Ended`].
pub(crate) async fn show(
    pages: Arc<PublicPages>,
    request: Arc<Request>,
    invocation: Invocation,
) -> Result<Response, Ended> {
    let (view, survey) = match find(&pages, &request, &invocation).await? {
        Found::Open(view, survey) => (view, survey),
        Found::Over(response) => return Ok(response),
    };
    if speaks_json(&request) {
        return Ok(Response::json(200, &state_of(&view, &survey)));
    }
    let chosen = request
        .query_value("score")
        .and_then(|text| text.parse().ok());
    let given = Given {
        score: chosen.or(survey.answer.as_ref().map(|answer| answer.score)),
        comment: survey
            .answer
            .as_ref()
            .and_then(|answer| answer.comment.as_ref())
            .map(ToString::to_string)
            .unwrap_or_default(),
    };
    let faults = SurveyFaults::default();
    Ok(question(200, &view, &survey, &request, &given, faults))
}

/// Takes an answer. The same answer again changes nothing.
///
/// # Errors
/// [`Ended`].
pub(crate) async fn answer(
    pages: Arc<PublicPages>,
    request: Arc<Request>,
    invocation: Invocation,
) -> Result<Response, Ended> {
    let (view, survey) = match find(&pages, &request, &invocation).await? {
        Found::Open(view, survey) => (view, survey),
        Found::Over(response) => return Ok(response),
    };
    let (score, comment) = match Given::read(&request)? {
        Ok(read) => read,
        Err((given, faults)) => {
            return Ok(question(422, &view, &survey, &request, &given, faults));
        }
    };
    let survey = match survey.answered(score, comment, view.now) {
        None => survey,
        Some(changed) => {
            let mut commit = view.commit();
            commit
                .survey(&changed, Was::Version(survey.version))
                .fact(Fact {
                    survey_id: Some(changed.id),
                    participant_id: Some(changed.participant_id),
                    rule_id: Some(changed.rule_id.clone()),
                    score: Some(score.get()),
                    ..Fact::new(FactKind::SurveyAnswered)
                });
            view.write(commit).await?;
            Box::new(changed)
        }
    };
    if speaks_json(&request) {
        return Ok(Response::json(200, &answer_of(&survey)));
    }
    let thanks = SurveyThanks {
        brand: brand(&view, &request),
        score: score.get(),
        closes_at: survey.closes_at,
    };
    Ok(page(200, &thanks.render()))
}

/// What a survey's token leads to.
enum Found {
    /// A survey that takes answers, and its program.
    Open(Box<View>, Box<Survey>),
    /// A survey that takes no answers any more: what to answer instead.
    Over(Response),
}

async fn find(
    pages: &PublicPages,
    request: &Request,
    invocation: &Invocation,
) -> Result<Found, Ended> {
    let unknown = || Problem::not_found("survey");
    let token = request
        .path_parameter("token")
        .and_then(|text| SurveyToken::open(&pages.token_keys, &text))
        .ok_or_else(unknown)?;
    let key = keys::survey(token.program, token.survey);
    let view = pages
        .desk
        .view(invocation, token.program, [key.clone()])
        .await?
        .ok_or_else(unknown)?;
    tracing::Span::current().record("program.id", tracing::field::display(token.program));
    let survey = view.loaded.read::<Survey>(&key)?.ok_or_else(unknown)?;
    if survey.is_open(view.now) {
        return Ok(Found::Open(Box::new(view), Box::new(survey)));
    }
    if speaks_json(request) || !was_open(&survey) {
        return Err(unknown().into());
    }
    let brand = brand(&view, request);
    Ok(Found::Over(page(404, &SurveyClosed { brand }.render())))
}

/// Whether a survey that takes no answers took some before.
fn was_open(survey: &Survey) -> bool {
    match survey.state {
        SurveyState::Sending
        | SurveyState::Sent
        | SurveyState::Answered
        | SurveyState::Unknown
        | SurveyState::Closed => true,
        SurveyState::Scheduled | SurveyState::Skipped | SurveyState::Failed => false,
    }
}

fn question(
    status: u16,
    view: &View,
    survey: &Survey,
    request: &Request,
    given: &Given,
    faults: SurveyFaults,
) -> Response {
    let question = SurveyPage {
        brand: brand(view, request),
        score: given.score.map(Score::get),
        comment: &given.comment,
        answered: survey.answer.is_some(),
        closes_at: survey.closes_at,
        faults,
    };
    page(status, &question.render())
}

fn brand<'a>(view: &'a View, request: &Request) -> Brand<'a> {
    Brand {
        language: language(request),
        ..Brand::of(view.program.name.as_str())
    }
}

fn state_of(view: &View, survey: &Survey) -> wire::SurveyToAnswer {
    wire::SurveyToAnswer {
        program: view.program.name.clone().into(),
        state: survey.state.into(),
        score: survey.answer.as_ref().map(|answer| answer.score.get()),
        closes_at: survey.closes_at.map(At),
    }
}

fn answer_of(survey: &Survey) -> wire::SurveyAnswered {
    let answer = survey.answer.as_ref();
    let comment = answer.and_then(|answer| answer.comment.clone());
    wire::SurveyAnswered {
        score: answer.map(|answer| answer.score.get()),
        comment: comment.map(Spelled),
        closes_at: survey.closes_at.map(At),
    }
}
