use std::collections::BTreeMap;

use jiff::Timestamp;
use kith_domain::id::{MailId, ParticipantId, ProgramId};
use kith_domain::signed::TokenKeys;
use kith_domain::token::{RefererClass, seal_mail_id};
use kith_edge::Environment;
use kith_edge::aws::Connection;
use kith_edge::config::{OperatorKeys, Variables};
use kith_store::Store;
use kith_store::items::CodeRecord;
use serde_json::{Value, json};

use super::*;

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const HOME: &str = "https://bakery.example/welcome?shop=1&ref=Ann-Bakes";

/// A function whose table is out of reach: nothing listens at its address.
fn capture() -> Arc<LinkCapture> {
    let variables = [
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:1"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let environment = Environment::of_variables(BTreeMap::from(variables));
    let connection = Connection::of(&mut Variables::of(&environment)).unwrap();
    let store = Store::new(connection.dynamodb(), "table");
    let keys = TokenKeys::parse("1:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa").unwrap();
    let operators = OperatorKeys::default();
    let limits = Variables::of(&environment).limits().unwrap();
    let capture = LinkCapture::new(&environment, store, keys, operators, limits, 6_000);
    Arc::new(capture)
}

fn target() -> LinkTarget {
    LinkTarget {
        destination: "https://bakery.example/welcome?shop=1".parse().unwrap(),
        allowed_hosts: vec!["cakes.example".parse().unwrap()],
        window_days: 30,
        tracking_required: false,
        counts_clicks: true,
        shards: 1,
    }
}

fn program() -> ProgramId {
    ProgramId::new(Timestamp::UNIX_EPOCH, [1; 10])
}

fn record(active: bool) -> CodeRecord {
    CodeRecord {
        code: "Ann-Bakes".parse().unwrap(),
        program_id: program(),
        participant_id: ParticipantId::new(Timestamp::UNIX_EPOCH, [2; 10]),
        active,
    }
}

/// A function that knows Ann's link.
fn knowing(target: LinkTarget) -> Arc<LinkCapture> {
    let capture = capture();
    capture
        .links
        .remember(record(true), target, "key of the day");
    capture
}

fn request(method: &str, code: &str, query: &str, headers: &Value) -> Request {
    let event = json!({
        "rawPath": format!("/r/{code}"), "rawQueryString": query, "headers": headers,
        "cookies": headers.get("cookie").map(|cookie| vec![cookie]),
        "pathParameters": {"code": code},
        "requestContext": {"http": {"method": method, "sourceIp": "203.0.113.9"}},
    });
    Request::of_event(&serde_json::value::to_raw_value(&event).unwrap(), 0).unwrap()
}

async fn answer(capture: &Arc<LinkCapture>, request: Request) -> Result<Response, Problem> {
    let deadline = Timestamp::now() + jiff::SignedDuration::from_secs(6);
    let invocation = Invocation {
        request_id: "req-1".to_owned(),
        deadline,
    };
    follow(Arc::clone(capture), Mode::Live, request, invocation).await
}

fn location(response: &Response) -> &str {
    response.header_value("location").unwrap()
}

/// What the browser is sent: the address without the token, and the token.
fn token_of(capture: &LinkCapture, response: &Response) -> (String, ClickToken, String) {
    let (address, text) = location(response).split_once("&kith_click=").unwrap();
    let token = ClickToken::open(&capture.token_keys, text).unwrap();
    (address.to_owned(), token, text.to_owned())
}

fn cookies(response: &Response) -> Value {
    let event = response.clone().into_event().unwrap();
    let event: Value = serde_json::from_str(event.get()).unwrap();
    event["cookies"].clone()
}

/// The table is down, and yet whoever follows a known link arrives with a token.
#[tokio::test]
async fn a_known_link_is_followed_without_the_table() {
    let capture = knowing(target());
    let headers = json!({"user-agent": FIREFOX, "referer": "https://l.facebook.com/"});
    let response = answer(&capture, request("GET", "ANN-bakes", "ch=email", &headers))
        .await
        .unwrap();
    assert_eq!(response.status(), 302);
    assert_eq!(response.header_value("cache-control"), Some("no-store"));
    let (address, token, text) = token_of(&capture, &response);
    assert_eq!(address, HOME);
    assert_eq!(token.program, program());
    assert_eq!(token.first, token.latest);
    assert_eq!(token.latest.channel, kith_domain::channel::Channel::Email);
    assert_eq!(token.latest.referer, RefererClass::Social);
    assert_eq!(
        cookies(&response),
        json!([format!(
            "kith_click={text}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=2592000"
        )])
    );
}

/// The same visitor is one click, whose first touch stays while the latest one moves.
#[tokio::test]
async fn a_visitor_who_comes_back_brings_the_first_touch() {
    let capture = knowing(target());
    let mail = MailId::from_bytes([3; 16]);
    let query = format!("m={}", seal_mail_id(&capture.token_keys, mail));
    let first = answer(
        &capture,
        request("GET", "ann-bakes", &query, &json!({"user-agent": FIREFOX})),
    )
    .await
    .unwrap();
    let (_, first, text) = token_of(&capture, &first);
    assert_eq!(first.mail, Some(mail));

    let headers = json!({"user-agent": FIREFOX, "cookie": format!("a=b; kith_click={text}")});
    let second = answer(&capture, request("GET", "ann-bakes", "ch=qr", &headers))
        .await
        .unwrap();
    let (_, second, _) = token_of(&capture, &second);
    assert_eq!(second.first, first.first);
    assert_eq!(second.latest.channel, kith_domain::channel::Channel::Qr);
    assert_eq!(second.latest.click_id, first.latest.click_id);

    let headers = json!({"user-agent": format!("{FIREFOX} Other")});
    let other = answer(&capture, request("GET", "ann-bakes", "", &headers))
        .await
        .unwrap();
    assert_ne!(
        token_of(&capture, &other).1.latest.click_id,
        first.latest.click_id
    );
}

/// Machines, opt-outs and programs that do not count or have to ask: the redirect, and nothing else.
#[tokio::test]
async fn who_is_not_to_be_known_gets_the_redirect_alone() {
    let person = json!({"user-agent": FIREFOX});
    let asking = LinkTarget {
        tracking_required: true,
        ..target()
    };
    let paused = LinkTarget {
        counts_clicks: false,
        ..target()
    };
    for (target, method, headers) in [
        (target(), "HEAD", person.clone()),
        (target(), "GET", json!({})),
        (
            target(),
            "GET",
            json!({"user-agent": "facebookexternalhit/1.1"}),
        ),
        (target(), "GET", json!({"user-agent": "Googlebot/2.1"})),
        (
            target(),
            "GET",
            json!({"user-agent": FIREFOX, "sec-purpose": "prefetch;prerender"}),
        ),
        (
            target(),
            "GET",
            json!({"user-agent": FIREFOX, "purpose": "prefetch"}),
        ),
        (
            target(),
            "GET",
            json!({"user-agent": FIREFOX, "x-moz": "prefetch"}),
        ),
        (
            target(),
            "GET",
            json!({"user-agent": FIREFOX, "sec-gpc": "1"}),
        ),
        (asking, "GET", person.clone()),
        (paused, "GET", person),
    ] {
        let capture = knowing(target);
        let response = answer(&capture, request(method, "ann-bakes", "", &headers))
            .await
            .unwrap();
        assert_eq!(response.status(), 302);
        assert_eq!(location(&response), HOME, "{method} {headers}");
        assert_eq!(cookies(&response), Value::Null, "{method} {headers}");
    }
}

#[test]
fn visits_are_treated_by_who_comes_and_what_the_program_says() {
    use Treatment::{Anonymous, Plain, Tracked};
    for (visitor, opts_out, tracking_required, counts_clicks, expected) in [
        (Visitor::Person, false, false, true, Tracked),
        (Visitor::Person, true, false, true, Anonymous),
        (Visitor::Person, false, true, true, Anonymous),
        (Visitor::Person, false, false, false, Plain),
        (Visitor::Person, true, true, false, Plain),
        (Visitor::Crawler, false, false, true, Plain),
        (Visitor::Preview, true, false, true, Plain),
        (Visitor::Prefetch, false, true, true, Plain),
        (Visitor::NoUserAgent, false, false, true, Plain),
        (Visitor::Head, false, false, true, Plain),
    ] {
        let target = LinkTarget {
            tracking_required,
            counts_clicks,
            ..target()
        };
        assert_eq!(
            treatment(visitor, opts_out, &target),
            expected,
            "{visitor:?}"
        );
    }
}

#[tokio::test]
async fn links_keep_to_the_programs_hosts_and_pass_campaigns_on() {
    let capture = knowing(target());
    let headers = json!({});
    for (query, expected) in [
        (
            "to=/cakes&utm_source=a%26b",
            "https://bakery.example/cakes?utm_source=a%26b&ref=Ann-Bakes",
        ),
        (
            "to=https://cakes.example/x",
            "https://cakes.example/x?ref=Ann-Bakes",
        ),
        ("to=https://evil.example/", HOME),
        ("to=%zz&x=1", HOME),
    ] {
        let response = answer(&capture, request("GET", "ann-bakes", query, &headers))
            .await
            .unwrap();
        assert_eq!(location(&response), expected, "{query}");
    }
}

#[tokio::test]
async fn dead_links_are_pages_for_people_and_problems_for_programs() {
    let capture = capture();
    capture.links.remember(record(false), target(), "key");
    let json_only = json!({"accept": "application/json"});
    for code in ["ann-bakes", "x", "a%20b", "%zz"] {
        let response = answer(&capture, request("GET", code, "", &json!({})))
            .await
            .unwrap();
        assert_eq!(response.status(), 404, "{code}");
        assert_eq!(
            response.header_value("content-type"),
            Some("text/html; charset=utf-8")
        );
        assert_eq!(response.header_value("cache-control"), Some("no-store"));
        let problem = answer(&capture, request("GET", code, "", &json_only))
            .await
            .unwrap_err();
        assert_eq!(
            (problem.status(), problem.code()),
            (404, "not_found"),
            "{code}"
        );
    }
}

/// A code that was never read here leads nowhere while the table is down, and says when to come back.
#[tokio::test]
async fn an_unread_code_is_unavailable_without_the_table() {
    let capture = capture();
    let json_only = json!({"accept": "application/json"});
    let (page, problem) = tokio::join!(
        answer(&capture, request("GET", "bob", "", &json!({}))),
        answer(&capture, request("GET", "bob", "", &json_only)),
    );
    let (page, problem) = (page.unwrap(), problem.unwrap_err());
    assert_eq!(page.status(), 503);
    assert_eq!(page.header_value("retry-after"), Some("2"));
    assert_eq!((problem.status(), problem.is_retryable()), (503, true));
}
