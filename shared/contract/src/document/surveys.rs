use serde_json::json;

use super::Tag;
use super::operation::{FORM, HTML, Operation, op};
use crate::answers::{
    List, NetPromoterScore, Survey, SurveyAnswered, SurveyToAnswer, Unsubscription,
};
use crate::problems::Code;
use crate::requests::{
    NpsFilter, OneClick, SurveyAnswerInput, SurveyFilter, SurveyForm, SurveyQuery,
};
use crate::routes;

pub(super) const TAG: Tag = Tag {
    name: "Surveys",
    about: "How it went: what people answered, the Net Promoter Score, and the pages that mails lead to.",
};

pub(super) fn operations() -> Vec<Operation> {
    let mut all = vec![
        op(&routes::LIST_SURVEYS, TAG.name, "List surveys")
            .about("With answers and comments, newest first.")
            .query::<SurveyFilter>()
            .answers::<List<Survey>>(200, "A page of surveys."),
        op(&routes::READ_NPS, TAG.name, "Read the Net Promoter Score")
            .query::<NpsFilter>()
            .answers::<NetPromoterScore>(200, "The score of the period.")
            .refuses([Code::PeriodTooLong]),
    ];
    all.extend(pages());
    all
}

fn pages() -> Vec<Operation> {
    let refused = [Code::NotFound, Code::Internal, Code::Unavailable];
    vec![
        op(&routes::SHOW_SURVEY, TAG.name, "Show a survey")
            .about("A page, or JSON for `Accept: application/json`. Changes nothing.")
            .query::<SurveyQuery>()
            .answers::<SurveyToAnswer>(200, "The survey.")
            .or_text(HTML)
            .refuses(refused),
        op(
            &routes::SHOW_SURVEY_HEAD,
            TAG.name,
            "See whether there is a survey",
        )
        .answers_empty(200, "There is."),
        op(&routes::ANSWER_SURVEY, TAG.name, "Answer a survey")
            .about("A later answer replaces the earlier until the survey closes.")
            .body::<SurveyAnswerInput>(json!({"score": 9, "comment": "The cakes were lovely."}))
            .or_body::<SurveyForm>(FORM)
            .answers::<SurveyAnswered>(200, "The answer, as it is kept.")
            .or_text(HTML)
            .refuses(refused)
            .refuses([Code::ConcurrentChange]),
        op(
            &routes::SHOW_UNSUBSCRIBE,
            TAG.name,
            "Show the unsubscribe page",
        )
        .about("A page with a button, or JSON for `Accept: application/json`. Changes nothing.")
        .answers::<Unsubscription>(200, "Whether they are unsubscribed.")
        .or_text(HTML)
        .refuses(refused),
        op(
            &routes::SHOW_UNSUBSCRIBE_HEAD,
            TAG.name,
            "See whether there is an unsubscribe page",
        )
        .answers_empty(200, "There is."),
        op(&routes::UNSUBSCRIBE, TAG.name, "Unsubscribe")
            .about("One click (RFC 8058): nothing of the body is read. Safe to repeat.")
            .form::<OneClick>()
            .answers::<Unsubscription>(200, "They are unsubscribed.")
            .or_text(HTML)
            .refuses(refused)
            .refuses([Code::ConcurrentChange]),
    ]
}
