//! Every answer that a test gets, held against the document: its status, its media type, its body.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use jsonschema::Validator;
use kith_contract::OPENAPI;
use kith_contract::routes::{ROUTES, Route};
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{Answer, text};

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(OPENAPI).unwrap());

/// What has been made of the document's schemas so far, by the pointer that leads to them.
static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

/// Stops the test on an answer that the document does not describe. Paths that are nobody's are refused
/// by no operation, and described by none.
#[track_caller]
pub(crate) fn check(method: &Method, path: &str, answer: &Answer) {
    let Some(route) = route(method, path) else {
        return;
    };
    let fault = fault(route, answer);
    assert_eq!(
        fault, None,
        "{method} {}: {} {}",
        route.path, answer.status, answer.text
    );
}

/// The route that a path belongs to; a literal segment goes before a parameter.
fn route(method: &Method, path: &str) -> Option<&'static Route> {
    let segments: Vec<&str> = path.split('/').collect();
    let fits = |route: &&&'static Route| {
        let own: Vec<&str> = route.path.split('/').collect();
        own.len() == segments.len()
            && own
                .iter()
                .zip(&segments)
                .all(|(own, given)| own.starts_with('{') && !given.is_empty() || own == given)
    };
    ROUTES
        .iter()
        .filter(|route| route.method.as_str() == method.as_str())
        .filter(fits)
        .min_by_key(|route| route.path.matches('{').count())
        .copied()
}

/// How an answer differs from what the document says of it.
fn fault(route: &Route, answer: &Answer) -> Option<String> {
    let method = route.method.as_str().to_ascii_lowercase();
    let status = answer.status.as_u16().to_string();
    let at = ["paths", route.path, &method, "responses", &status];
    let at = at.iter().fold(String::new(), |at, part| {
        at + "/" + &part.replace('~', "~0").replace('/', "~1")
    });
    let Some(response) = DOCUMENT.pointer(&at) else {
        return Some("the status is not documented".to_owned());
    };
    let (at, response) = match response["$ref"].as_str() {
        Some(to) => (to[1..].to_owned(), DOCUMENT.pointer(&to[1..]).unwrap()),
        None => (at, response),
    };
    let (media, _) = answer
        .header("content-type")
        .split_once(';')
        .unwrap_or((answer.header("content-type"), ""));
    if answer.text.is_empty() {
        return None;
    }
    let content = &response["content"][media];
    if content.is_null() {
        return Some(format!("the media type {media} is not documented"));
    }
    if !matches!(media, "application/json" | "application/problem+json") {
        return None;
    }
    let at = format!("{at}/content/{}/schema", media.replace('/', "~1"));
    let body = answer.json();
    let validator = validator(at, &content["schema"]);
    let faults: Vec<String> = validator
        .iter_errors(&body)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    (!faults.is_empty()).then(|| faults.join("; "))
}

fn validator(at: String, schema: &Value) -> Arc<Validator> {
    let mut known = VALIDATORS.lock().unwrap();
    let validator = known.entry(at).or_insert_with(|| {
        // References lead into the document's components.
        let mut schema = schema.clone();
        schema["components"] = DOCUMENT["components"].clone();
        let options = jsonschema::draft202012::options().should_validate_formats(true);
        Arc::new(options.build(&schema).unwrap())
    });
    Arc::clone(validator)
}

fn told(path: &str, method: &Method, status: u16, media: &str, body: &Value) -> Option<String> {
    let route = route(method, path).unwrap();
    let mut headers = reqwest::header::HeaderMap::new();
    headers.insert("content-type", media.parse().unwrap());
    let answer = Answer {
        status: reqwest::StatusCode::from_u16(status).unwrap(),
        headers,
        text: body.to_string(),
    };
    fault(route, &answer)
}

#[test]
fn what_the_document_does_not_describe_is_found() {
    let (get, post) = (Method::GET, Method::POST);
    let json = "application/json";
    let healthy = json!({"status": "ok"});
    assert_eq!(told("/healthz", &get, 200, json, &healthy), None);
    let found = told("/healthz", &get, 201, json, &healthy);
    assert_eq!(found.unwrap(), "the status is not documented");
    let found = told("/healthz", &get, 200, "text/csv", &healthy);
    assert_eq!(found.unwrap(), "the media type text/csv is not documented");
    let found = told("/healthz", &get, 200, json, &json!({})).unwrap();
    assert!(found.contains("status"), "{found}");
    let problem = json!({"type": "about:blank", "title": "t", "status": 409, "detail": "d", "instance": "i",
        "code": "code_taken", "retryable": false});
    let at = "/v1/programs/prg_1/participants";
    let media = "application/problem+json";
    assert_eq!(told(at, &post, 409, media, &problem), None);
    let mut other = problem;
    other["code"] = json!("payout_state");
    assert!(told(at, &post, 409, media, &other).is_some());
    assert_eq!(
        text(&json!(
            route(&post, "/v1/programs/prg_1/participants/search")
                .unwrap()
                .id
        )),
        "search_participants"
    );
}
