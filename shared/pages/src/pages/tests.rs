#![expect(clippy::unwrap_used, reason = "a test may panic")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::{Accent, ApiDocsPage, ProblemLine, ProblemPage, ProblemsPage};

const PROGRAM: &str = "Joe's Artisan Bakery";

fn survey<'a>() -> SurveyPage<'a> {
    SurveyPage {
        brand: Brand::of(PROGRAM),
        score: None,
        comment: "",
        answered: false,
        closes_at: Some("2026-03-31T12:00:00Z".parse().unwrap()),
        faults: SurveyFaults::default(),
    }
}

fn thanks(score: u8) -> SurveyThanks<'static> {
    SurveyThanks {
        brand: Brand::of(PROGRAM),
        score,
        closes_at: survey().closes_at,
    }
}

/// Every page there is, under hostile names.
fn every_page(name: &str) -> Vec<Page> {
    let accent = Accent::from_hex("#7f1d1d");
    let brand = Brand {
        name: Some(name),
        accent,
        language: Language::English,
    };
    let language = Language::English;
    vec![
        survey().render(),
        SurveyPage {
            brand,
            comment: name,
            score: Some(9),
            answered: true,
            ..survey()
        }
        .render(),
        SurveyPage {
            brand,
            faults: SurveyFaults {
                score_missing: true,
                comment_chars: Some(2_001),
            },
            ..survey()
        }
        .render(),
        SurveyThanks { brand, ..thanks(3) }.render(),
        SurveyClosed { brand }.render(),
        UnsubscribePage { brand }.render(),
        Unsubscribed { brand }.render(),
        LinkNotFound {
            link: DeadLink::Referral,
            language,
        }
        .render(),
        LinkNotFound {
            link: DeadLink::Mail,
            language,
        }
        .render(),
        NotFound { language }.render(),
        Unavailable { language }.render(),
        problem(name, "`x`", "y").render(),
        ProblemsPage {
            problems: vec![ProblemLine {
                code: "code_taken",
                status: 409,
                title: name,
            }],
            language,
        }
        .render(),
    ]
}

fn problem<'a>(title: &'a str, meaning: &'a str, advice: &'a str) -> ProblemPage<'a> {
    ProblemPage {
        code: "code_taken",
        status: 409,
        title,
        meaning,
        advice,
        retryable: false,
        language: Language::English,
    }
}

#[test]
fn the_scale_is_eleven_labelled_radios_in_one_group() {
    let page = survey().render();
    let html = page.body();
    for score in 0..=10 {
        let radio = format!(
            "<label><input type=\"radio\" name=\"score\" value=\"{score}\" id=\"score-{score}\" required><span>{score}</span></label>"
        );
        assert_eq!(html.matches(&radio).count(), 1, "{score}");
    }
    assert_eq!(html.matches("type=\"radio\"").count(), 11);
    assert!(
        !html.contains(" checked")
            && !html.contains("role=\"alert\"")
            && !html.contains("aria-invalid")
    );
    assert!(html.contains(
        "<legend><h1>How likely are you to recommend <bdi>Joe&#39;s Artisan Bakery</bdi> to a friend or colleague?</h1></legend>"
    ));
    assert!(
        html.contains("<time datetime=\"2026-03-31T12:00:00Z\">31 March 2026, 12:00 UTC</time>")
    );
}

#[test]
fn a_choice_made_in_the_mail_is_preselected() {
    let page = SurveyPage {
        score: Some(0),
        ..survey()
    }
    .render();
    assert_eq!(page.body().matches(" checked>").count(), 1);
    assert!(page.body().contains("id=\"score-0\" required checked>"));
    let page = SurveyPage {
        score: Some(11),
        ..survey()
    }
    .render();
    assert!(!page.body().contains(" checked>"));
}

/// What somebody wrote must not be lost because a number was missing.
#[test]
fn a_refused_answer_keeps_what_was_written() {
    let faults = SurveyFaults {
        score_missing: true,
        comment_chars: None,
    };
    let page = SurveyPage {
        comment: "\nGood bread.\nLong queue.",
        faults,
        ..survey()
    }
    .render();
    let html = page.body();
    assert!(html.contains("<title>Error: How likely"));
    assert!(
        html.contains(">\n\nGood bread.\nLong queue.</textarea>"),
        "the first line end after the tag is the page's own"
    );
    assert!(html.contains("role=\"alert\"") && html.contains("href=\"#score-0\""));
    assert!(html.contains("aria-describedby=\"score-fault scale-ends\" aria-invalid=\"true\""));

    let faults = SurveyFaults {
        score_missing: false,
        comment_chars: Some(2_345),
    };
    let page = SurveyPage {
        score: Some(4),
        comment: "x",
        faults,
        ..survey()
    }
    .render();
    assert!(page.body().contains("it has 2345 characters, and 2000 fit"));
    assert!(page.body().contains("id=\"score-4\" required checked>"));
    assert!(
        page.body()
            .contains("aria-describedby=\"comment-fault comment-hint\" aria-invalid=\"true\"")
    );
}

#[test]
fn thanks_show_the_answer_and_the_way_back() {
    let html = thanks(9).render().into_body();
    assert!(html.contains("<span class=\"answer\">9</span>"));
    assert!(html.contains(
        "<a href=\"?\">change your answer</a> until <time datetime=\"2026-03-31T12:00:00Z\">"
    ));
    let words = |score| thanks(score).render().into_body();
    assert!(
        words(10).contains("lovely")
            && words(8).contains("stands with you")
            && words(0).contains("frank")
    );
    assert!(
        !SurveyThanks {
            closes_at: None,
            ..thanks(9)
        }
        .render()
        .body()
        .contains("href")
    );
}

/// The page's button and a mail program's one click are one request (RFC 8058); opening the page is none.
#[test]
fn unsubscribing_takes_a_button() {
    let html = UnsubscribePage {
        brand: Brand::of(PROGRAM),
    }
    .render()
    .into_body();
    assert!(html.contains("<form method=\"post\" action=\"?\">"));
    assert!(html.contains("<input type=\"hidden\" name=\"List-Unsubscribe\" value=\"One-Click\">"));
    assert!(
        Unsubscribed {
            brand: Brand::of(PROGRAM)
        }
        .render()
        .body()
        .contains("You will get no more mail from <bdi>Joe&#39;s Artisan Bakery</bdi>.")
    );
}

#[test]
fn without_a_name_sentences_still_read_well() {
    let html = SurveyPage {
        brand: Brand::default(),
        ..survey()
    }
    .render()
    .into_body();
    assert!(
        html.contains("recommend <bdi>this shop</bdi> to") && !html.contains("class=\"brand\"")
    );
}

#[test]
fn hostile_names_stay_text() {
    for name in [
        "<script>alert(1)</script>",
        "</textarea></title></style><img src=x onerror=y>",
        "\" onfocus=\"x",
    ] {
        for page in every_page(name) {
            assert!(
                !page.body().contains("<script") && !page.body().contains("<img"),
                "{}",
                page.body()
            );
            assert!(!page.body().contains("\" onfocus"));
        }
    }
}

/// A browser drops a style sheet whose hash is another, and the page would be bare.
#[test]
fn the_policy_allows_exactly_the_style_of_the_page() {
    for page in every_page(PROGRAM) {
        let (_, rest) = page.body().split_once("<style>").unwrap();
        let (style, after) = rest.split_once("</style>").unwrap();
        let hash = STANDARD.encode(Sha256::digest(style.as_bytes()));
        assert_eq!(
            page.content_security_policy(),
            format!(
                "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
            )
        );
        assert!(!after.contains("<style") && !page.body().contains(" style="));
        assert!(
            page.headers()
                .contains(&("content-security-policy", page.content_security_policy()))
        );
    }
}

/// No request leaves the page: nobody learns who looked at it.
#[test]
fn every_page_is_alone_and_unlisted() {
    for page in every_page(PROGRAM) {
        let html = page.body();
        for sign in [
            "src=", "url(", "<link", "<script", "@import", "http://", "https://", "<iframe",
        ] {
            assert!(!html.contains(sign), "{sign}");
        }
        assert!(html.starts_with("<!doctype html>\n<html lang=\"en\""));
        for needed in [
            "<meta name=\"robots\" content=\"noindex\">",
            "<meta name=\"referrer\" content=\"no-referrer\">",
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">",
            "<title>",
            "prefers-color-scheme:dark",
        ] {
            assert!(html.contains(needed), "{needed}");
        }
        assert_eq!(html.matches("<h1>").count(), 1);
        assert!(html.len() < 10_000, "{} bytes", html.len());
    }
}

#[test]
fn what_stands_between_backticks_is_code() {
    let page = problem("Taken", "Send `a <b>`, or", "`Retry-After` says it.").render();
    let html = page.body();
    assert!(
        html.contains("<p>Send <code>a &#60;b&#62;</code>, or</p>"),
        "{html}"
    );
    assert!(html.contains("<code>Retry-After</code> says it.</p>"));
}

#[test]
fn problems_stand_under_their_status() {
    let line = |code, status| ProblemLine {
        code,
        status,
        title: "Title",
    };
    let page = ProblemsPage {
        problems: vec![line("a", 404), line("b", 409), line("c", 409)],
        language: Language::English,
    };
    let html = page.render().into_body();
    assert_eq!(html.matches("<h2>").count(), 2);
    assert_eq!(html.matches("<a href=\"/problems/").count(), 3);
}

/// The one page with scripts holds none itself, and loads nothing of others.
#[test]
fn the_page_of_the_api_loads_files_of_its_origin_only() {
    let page = ApiDocsPage {
        files: "/docs/5",
        language: Language::English,
    }
    .render();
    let html = page.body();
    for script in html.split("<script").skip(1) {
        assert!(script.starts_with(" src=\"/docs/5/"), "{script}");
        assert!(script.contains("\"></script>"), "{script}");
    }
    for sign in [
        "<style",
        " style=",
        "http://",
        "https://",
        " on",
        "javascript:",
    ] {
        assert!(!html.contains(sign), "{sign}");
    }
    let policy = page.content_security_policy();
    for part in [
        "default-src 'none'",
        "script-src 'self';",
        "style-src 'self';",
        "connect-src 'self';",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(part), "{part}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains("http"));
}
