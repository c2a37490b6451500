use serde_json::json;

use super::*;

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

fn request(content_type: &str, body: &str) -> Request {
    let event = json!({
        "rawPath": "/s/x", "headers": {"content-type": content_type}, "body": body,
        "requestContext": {"http": {"method": "POST"}},
    });
    Request::of_event(&serde_json::value::to_raw_value(&event).unwrap(), 0).unwrap()
}

fn read(content_type: &str, body: &str) -> Result<Read, Problem> {
    Given::read(&request(content_type, body))
}

fn comment(text: &str) -> Option<Comment> {
    Comment::optional(text).unwrap()
}

fn score(number: i64) -> Score {
    Score::try_from(number).unwrap()
}

#[test]
fn answers_come_as_forms_and_as_json() {
    for (content_type, body, expected) in [
        (
            FORM,
            "score=9&comment=Lovely+rolls%2C+fair.",
            (score(9), comment("Lovely rolls, fair.")),
        ),
        (FORM, "score=0&comment=", (score(0), None)),
        (FORM, "score=10&utm_source=mail", (score(10), None)),
        (
            FORM,
            "score=7&comment=a%0D%0Ab",
            (score(7), comment("a\nb")),
        ),
        (
            JSON,
            r#"{"score": 10, "comment": "Fine"}"#,
            (score(10), comment("Fine")),
        ),
        (JSON, r#"{"score": 0, "comment": null}"#, (score(0), None)),
        (JSON, r#"{"score": 0, "comment": " "}"#, (score(0), None)),
    ] {
        assert_eq!(read(content_type, body).unwrap(), Ok(expected), "{body}");
    }
}

/// What somebody wrote is never lost over a number they forgot.
#[test]
fn a_form_that_cannot_be_taken_is_shown_again_as_it_was() {
    let long = "x".repeat(2_001);
    for (body, given_score, given_comment, faults) in [
        (
            "comment=hello",
            None,
            "hello",
            SurveyFaults {
                score_missing: true,
                comment_chars: None,
            },
        ),
        (
            "score=11",
            None,
            "",
            SurveyFaults {
                score_missing: true,
                comment_chars: None,
            },
        ),
        (
            &format!("score=3&comment={long}"),
            Some(score(3)),
            &long,
            SurveyFaults {
                score_missing: false,
                comment_chars: Some(2_001),
            },
        ),
    ] {
        let given = Given {
            score: given_score,
            comment: given_comment.to_owned(),
        };
        assert_eq!(
            read(FORM, body).unwrap(),
            Err((given, faults)),
            "{body:.40}"
        );
    }
}

#[test]
fn faults_of_a_json_answer_are_named_all_at_once() {
    let long = json!({"score": 11, "comment": "x".repeat(2_001), "mail": 1}).to_string();
    let problem = read(JSON, &long).unwrap_err();
    let pointers: Vec<&str> = problem
        .errors()
        .iter()
        .map(|fault| fault.pointer.as_str())
        .collect();
    assert_eq!(problem.status(), 422);
    assert_eq!(pointers, ["/score", "/comment", "/mail"]);
    for (content_type, body, status) in [
        (JSON, "{}", 422),
        (JSON, r#"{"score": 7.5}"#, 422),
        (JSON, r#"{"score": "7"}"#, 422),
        (JSON, "score=7", 400),
        ("text/plain", "score=7", 415),
    ] {
        assert_eq!(
            read(content_type, body).unwrap_err().status(),
            status,
            "{body}"
        );
    }
}
