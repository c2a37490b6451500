//! Requests as the gateway hands them on: read, routed, and answered with what may stand in a header.
//!
//! The input is a request as it is written: `POST /path?query`, the headers, an empty line and the body.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::FutureExt;
use jiff::Timestamp;
use kith_contract::routes::ROUTES;
use kith_edge::fields::Fields;
use kith_edge::http::bulk::{Bulk, LINES_MAX, Lines};
use kith_edge::http::{Cors, Handler, HttpFunction, Problem, Request, Response, Router};
use kith_edge::json::{self, BODY_BYTES_MAX, Faults};
use kith_edge::{BoxFuture, Clock, Function, Invocation};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use crate::bodies::now;
use crate::{head_and_body, text};

/// The address that the gateway sees.
const GATEWAY_SEES: &str = "203.0.113.9";
/// What trusted proxies before it have seen, from the first.
const PROXIES_SAW: [&str; 2] = ["192.0.2.55", "198.51.100.7"];

/// Sends the bytes as a request to every route.
pub fn requests(data: &[u8]) {
    let (head, body) = head_and_body(data);
    let sent = Sent::of(&text(head), body);
    nobody_invents_an_address(&sent);
    let invocation = Invocation {
        request_id: "req-1".to_owned(),
        deadline: Timestamp::MAX,
    };
    let answer = FUNCTION.invoke(sent.event(None), invocation);
    match answer.now_or_never().unwrap() {
        Ok(answer) => is_an_answer(&serde_json::from_str(answer.get()).unwrap(), &sent),
        Err(_) => assert!(!sent.is_a_method(), "{:?} is a method", sent.method),
    }
}

/// Every route of the contract, from any page.
static FUNCTION: LazyLock<HttpFunction> = LazyLock::new(|| {
    let router = ROUTES
        .iter()
        .fold(Router::new(), |router, route| router.serve(route, echo));
    HttpFunction::new(Cors(router))
});

/// A request in its parts.
struct Sent {
    method: String,
    path: String,
    query: String,
    headers: BTreeMap<String, String>,
    cookies: Vec<String>,
    body: Vec<u8>,
}

impl Sent {
    fn of(head: &str, body: &[u8]) -> Self {
        let mut lines = head.lines();
        let first = lines.next().unwrap_or_default();
        let (method, target) = first.split_once(' ').unwrap_or(("GET", first));
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let headers: BTreeMap<String, String> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let cookies = headers.get("cookie").into_iter();
        let cookies = cookies.flat_map(|line| line.split("; ").map(str::to_owned));
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            cookies: cookies.collect(),
            headers,
            body: body.to_vec(),
        }
    }

    fn is_a_method(&self) -> bool {
        let is_of_a_token =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        !self.method.is_empty() && self.method.bytes().all(is_of_a_token)
    }

    fn event(&self, forwarded_for: Option<String>) -> Box<RawValue> {
        let mut headers = self.headers.clone();
        if let Some(addresses) = forwarded_for {
            headers.insert("x-forwarded-for".to_owned(), addresses);
        }
        let host = self.headers.get("host").map(String::as_str);
        to_raw_value(&json!({
            "rawPath": self.path, "rawQueryString": self.query, "headers": headers, "cookies": self.cookies,
            "pathParameters": {"code": self.path},
            "requestContext": {
                "domainName": host.unwrap_or("api.kith.example"),
                "http": {"method": self.method, "sourceIp": GATEWAY_SEES},
            },
            "body": STANDARD.encode(&self.body), "isBase64Encoded": true,
        }))
        .unwrap()
    }
}

/// Proxies that are trusted write behind whatever the caller has written, which decides nothing.
fn nobody_invents_an_address(sent: &Sent) {
    let invented = sent.headers.get("x-forwarded-for");
    let invented = invented.map(String::as_str).unwrap_or_default();
    let [first, second] = PROXIES_SAW;
    for (hops, seen, expected) in [
        (0, invented.to_owned(), GATEWAY_SEES),
        (1, format!("{invented},{second}, {GATEWAY_SEES}"), second),
        (1, format!("{invented}, {second}"), second),
        (
            2,
            format!("{invented}, {first}, {second}, {GATEWAY_SEES}"),
            first,
        ),
    ] {
        if let Ok(request) = Request::of_event(&sent.event(Some(seen)), hops) {
            let address = request.source_address().map(|address| address.to_string());
            assert_eq!(address.as_deref(), Some(expected));
            assert_eq!(request.body(), sent.body);
        }
    }
}

/// Reads whatever handlers read of a request, and repeats some of it.
async fn echo(request: Request, invocation: Invocation) -> Result<Response, Problem> {
    if request.path().ends_with("/bulk") {
        return in_bulk(&request, invocation).await;
    }
    if let Some(kind) = request.content_type() {
        assert!(!kind.contains(';') && !kind.bytes().any(|byte| byte.is_ascii_uppercase()));
    }
    let kinds = ["text/html", "text/csv"];
    assert!(
        request
            .accepts(&kinds)
            .is_none_or(|kind| kinds.contains(&kind))
    );
    assert!(
        request
            .preferred_language()
            .is_none_or(|tag| !tag.contains(','))
    );
    let _ = request.prefers_json();
    let cookie = request.cookie("kith_click").unwrap_or_default();
    assert!(!cookie.contains(';'));
    let code = request.path_parameter("code").unwrap_or_default();
    // A part of a path is what stood between two slashes, or what was encoded there.
    assert!(!code.contains('/') || request.path().to_ascii_lowercase().contains("%2f"));
    let origin = request.origin(None)?;
    let origin = origin.as_str();
    assert!(origin.starts_with("https://") || origin.starts_with("http://"));
    assert!(
        origin.bytes().all(|byte| byte.is_ascii_graphic()),
        "{origin}"
    );
    let mut faults = Fields::no_query(&request);
    let body = json::body_or_empty(&request)?;
    body.finish(&mut faults);
    faults.into_result()?;
    Ok(Response::redirect(302, &format!("{origin}/{code}"))
        .header("content-language", cookie)
        .cookie(format!("kith_click={code}; Path=/")))
}

/// Every line is answered once, in a line of its own.
async fn in_bulk(request: &Request, invocation: Invocation) -> Result<Response, Problem> {
    let lines = Lines::read(request)?;
    let body = request.body();
    let asked = body.strip_suffix(b"\n").unwrap_or(body);
    let asked = asked.split(|byte| *byte == b'\n').count();
    assert!(asked <= LINES_MAX && body.len() <= BODY_BYTES_MAX);
    let bulk = Bulk {
        request,
        invocation: &invocation,
        clock: Arc::new(Still),
        single: Arc::new(Single),
        about: |line| {
            let of = |name| line.get(name).map(Value::to_string);
            [of("a"), of("external_id")].into_iter().flatten().collect()
        },
    };
    let answer = bulk.answer(lines).await;
    let mut numbers = BTreeSet::new();
    for line in answer.body_text().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        numbers.insert(line["line"].as_u64().unwrap());
        assert!(
            matches!(line["status"].as_u64(), Some(200 | 400 | 422)),
            "{line}"
        );
    }
    assert!(numbers.into_iter().eq(1..=asked as u64));
    assert_eq!(answer.body_text().lines().count(), asked);
    Ok(answer)
}

#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        now()
    }
}

/// A call of a line, which is told back what it has sent.
struct Single;

impl Handler for Single {
    fn handle(&self, request: Request, _: Invocation) -> BoxFuture<'_, Result<Response, Problem>> {
        let body = json::body(&request).map(|mut body| {
            let mut faults = Faults::default();
            let text = body.optional("a", &mut faults, json::string);
            body.finish(&mut faults);
            (text, faults)
        });
        Box::pin(std::future::ready(body.and_then(|(text, faults)| {
            faults.into_result()?;
            Ok(Response::json(200, &json!({"a": text})))
        })))
    }
}

fn is_an_answer(answer: &Value, sent: &Sent) {
    let status = answer["statusCode"].as_u64().unwrap();
    assert!(
        matches!(
            status,
            200 | 302 | 400 | 401 | 403 | 404 | 405 | 413 | 415 | 422
        ),
        "{answer}"
    );
    let headers = answer["headers"].as_object().unwrap();
    let cookies = answer["cookies"].as_array().into_iter().flatten();
    for value in headers.values().chain(cookies) {
        let value = value.as_str().unwrap();
        assert!(
            !value.contains(char::is_control),
            "{value:?} would end a header"
        );
    }
    let is_page = headers.get("content-type") == Some(&json!("text/html; charset=utf-8"));
    assert!(!is_page, "nobody here makes pages");
    if sent.method == "HEAD" {
        assert_eq!(answer["body"], "");
    } else if headers.get("content-type") == Some(&json!("application/problem+json")) {
        let problem: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        let kind = problem["type"].as_str().unwrap();
        let is_ours = |kind: &str| {
            let path = kind.find("/problems/").map(|at| &kind[..at]);
            path.is_some_and(|origin| {
                origin.is_empty() || !origin.contains(['<', '>', '"', ' ', '@', '?', '#'])
            })
        };
        assert!(is_ours(kind), "{kind}");
        if status == 405 {
            assert!(
                !headers["allow"]
                    .as_str()
                    .unwrap()
                    .split(", ")
                    .any(|method| method == sent.method)
            );
        }
    }
}
