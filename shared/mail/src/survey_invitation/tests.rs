#![expect(clippy::unwrap_used, reason = "a test may panic")]

use super::*;
use crate::Mailbox;

fn survey<'a>() -> SurveyInvitation<'a> {
    SurveyInvitation {
        language: Language::English,
        program_name: "Joe's Artisan Bakery",
        first_name: Some("Ann"),
        survey_url: "https://refer.example/s/abc",
        closes_at: None,
        unsubscribe_url: "https://refer.example/u/def",
        postal_address: None,
    }
}

fn compose(survey: &SurveyInvitation<'_>) -> Mail {
    let sender: Mailbox = "refer@kith.example".parse().unwrap();
    survey
        .compose(&Envelope {
            sender: &sender,
            to: "ann@example.com",
            message_id: "msg_1",
        })
        .unwrap()
}

#[test]
fn the_invitation_reads_so() {
    let closes_at = Some("2026-03-31T12:00:00Z".parse().unwrap());
    let mail = compose(&SurveyInvitation {
        closes_at,
        ..survey()
    });
    assert_eq!(
        mail.subject(),
        "How likely are you to recommend Joe's Artisan Bakery?"
    );
    assert_eq!(
        mail.text(),
        "Hello Ann,

How likely are you to recommend Joe's Artisan Bakery to a friend or colleague?

Choose a number from 0 (not at all likely) to 10 (extremely likely). It opens a page where you can add a comment and send your answer.

0: https://refer.example/s/abc?score=0
1: https://refer.example/s/abc?score=1
2: https://refer.example/s/abc?score=2
3: https://refer.example/s/abc?score=3
4: https://refer.example/s/abc?score=4
5: https://refer.example/s/abc?score=5
6: https://refer.example/s/abc?score=6
7: https://refer.example/s/abc?score=7
8: https://refer.example/s/abc?score=8
9: https://refer.example/s/abc?score=9
10: https://refer.example/s/abc?score=10

You can answer until 31 March 2026, 12:00 UTC, and change your answer until then.

Thank you!

--
You get this mail because you take part in the referral program of Joe's Artisan Bakery.
To get no more mail from it:
https://refer.example/u/def"
    );
}

#[test]
fn without_a_name_or_an_end_it_still_reads_well() {
    let mail = compose(&SurveyInvitation {
        first_name: None,
        ..survey()
    });
    assert!(mail.text().starts_with("Hello,\n\nHow likely"));
    assert!(mail.text().contains("?score=10\n\nThank you!\n"));
    assert!(mail.html().contains(">Hello,</p>") && !mail.html().contains("until"));
}

/// The scale starts at 0, and has no eleventh step.
#[test]
fn the_html_has_eleven_links_from_nought_to_ten() {
    let mail = compose(&survey());
    assert_eq!(mail.html().matches("?score=").count(), 11);
    for score in 0..=10 {
        let anchor = format!(
            "href=\"https://refer.example/s/abc?score={score}\" aria-label=\"{score} out of 10\""
        );
        assert_eq!(mail.html().matches(&anchor).count(), 1, "{score}");
    }
}

#[test]
fn a_query_that_is_there_already_is_kept() {
    let mail = compose(&SurveyInvitation {
        survey_url: "https://refer.example/s/abc?a=1",
        ..survey()
    });
    assert!(
        mail.text()
            .contains("10: https://refer.example/s/abc?a=1&score=10\n")
    );
    assert!(mail.html().contains("?a=1&#38;score=10\""));
}

#[test]
fn hostile_names_stay_text() {
    let mail = compose(&SurveyInvitation {
        program_name: "<script>alert(1)</script>",
        first_name: Some("<script>alert(1)</script>"),
        ..survey()
    });
    assert!(!mail.html().contains("<script"));
    assert!(
        mail.html()
            .contains("recommend <bdi>&#60;script&#62;alert(1)&#60;/script&#62;</bdi> to a friend")
    );
    assert!(
        mail.text().starts_with("Hello,\n"),
        "what holds a path is not greeted as a name"
    );
}

#[test]
fn both_ways_to_unsubscribe_are_there() {
    let mail = compose(&survey());
    let headers: Vec<_> = mail
        .headers()
        .iter()
        .map(|h| (h.name(), h.value()))
        .collect();
    assert!(headers.contains(&("List-Unsubscribe", "<https://refer.example/u/def>")));
    assert!(headers.contains(&("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")));
    assert!(mail.html().contains("href=\"https://refer.example/u/def\""));
}
