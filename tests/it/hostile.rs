//! What strangers send, as the gateway would hand it on: whatever it is, the functions answer it, and never with 500.
//!
//! `tests/hostile` tries the readers by themselves, by the million; here a good call of every route is spoilt a few times and
//! goes through the whole function, table included.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kith_contract::OPENAPI;
use kith_contract::routes::{Access, ROUTES, Route};
use kith_hostile::{Random, mutate};
use serde_json::{Value, json};

use crate::samples;
use crate::world::{BROWSER, Program, World, text};

/// How often each route is called.
const CALLS: u64 = 6;
/// What a function may answer with at most.
const ANSWER_BYTES_MAX: usize = 6 * 1_024 * 1_024;
/// Headers that somebody reads.
const HEADERS: [&str; 12] = [
    "accept",
    "accept-language",
    "authorization",
    "content-type",
    "host",
    "idempotency-key",
    "if-match",
    "origin",
    "referer",
    "sec-gpc",
    "user-agent",
    "x-forwarded-for",
];
const QUERIES: [&str; 4] = [
    "",
    "limit=50&cursor=AQECAwQ&from=2026-03-01T00:00:00Z&state=issued",
    "ch=email&to=%2Fcakes%3Fa%3D1&m=AQECAwQ&utm_source=mail",
    "event=purchase&external_id=order-1&object=rwd_01kjmma2g0kq6qyz7f1s66j7yd",
];

/// A text, spoilt.
fn spoilt(good: &str, random: &mut Random) -> String {
    String::from_utf8_lossy(&mutate(good.as_bytes(), random)).into_owned()
}

/// What the document gives as an example of a body.
fn example(document: &Value, route: &Route) -> Option<String> {
    let method = route.method.as_str().to_lowercase();
    let body = &document["paths"][route.path][&method]["requestBody"]["content"];
    let example = &body["application/json"]["example"];
    (!example.is_null()).then(|| example.to_string())
}

/// What a call of a route needs: a program with somebody and something in it.
async fn filled<'a>(
    world: &'a World,
    order: &str,
) -> (Program<'a>, BTreeMap<&'static str, String>) {
    let program = world.program(json!({"hold_days": 14})).await;
    let ann = program.referrer("ann").await;
    let code = json!({"codes": [ann["code"]]});
    let bought = program.convert(order, code).await.expect(201);
    let id = |of: &Value| text(&of["id"]).to_owned();
    let zero = "00000000000000000000000000";
    let values = BTreeMap::from([
        ("program", program.id.clone()),
        ("participant", id(&ann)),
        ("code", text(&ann["code"]).to_owned()),
        ("conversion", id(&bought)),
        ("reward", id(&bought["rewards"][0])),
        ("refund", format!("rfd_{zero}")),
        ("payout", format!("pay_{zero}")),
        ("redemption", format!("rdm_{zero}")),
        ("merge", format!("mrg_{zero}")),
        ("webhook", format!("whk_{zero}")),
        ("delivery", format!("dlv_{zero}")),
        ("source", format!("src_{zero}")),
        ("event", format!("evt_{zero}")),
        ("key", format!("key_{zero}")),
        ("incentive", "thank-you".to_owned()),
        ("id", "x".to_owned()),
        ("token", "AQECAwQ".to_owned()),
        ("version", "1".to_owned()),
        ("file", "x.css".to_owned()),
    ]);
    (program, values)
}

/// One event of the gateway's, of which chance has spoilt some parts and left others.
fn event(
    route: &Route,
    values: &BTreeMap<&str, String>,
    key: &str,
    body: Option<&str>,
    random: &mut Random,
) -> Value {
    let names = samples::parameters(route.path);
    let mut parameters: BTreeMap<&str, String> = names
        .map(|name| {
            (
                name,
                values.get(name).cloned().unwrap_or_else(|| "x".to_owned()),
            )
        })
        .collect();
    let mut query = QUERIES[random.below(QUERIES.len())].to_owned();
    let mut headers: BTreeMap<String, String> = BTreeMap::from([
        ("user-agent".to_owned(), BROWSER.to_owned()),
        ("host".to_owned(), "refer.example.com".to_owned()),
    ]);
    if route.access != Access::Open {
        headers.insert("authorization".to_owned(), format!("Bearer {key}"));
    }
    if body.is_some() {
        headers.insert("content-type".to_owned(), "application/json".to_owned());
    }
    let mut bytes = body.map(|body| body.as_bytes().to_vec());
    let mut cookies = vec!["kith_click=AQECAwQ".to_owned()];
    match random.below(6) {
        0 => {
            for value in parameters.values_mut() {
                *value = spoilt(value, random);
            }
        }
        1 => query = spoilt(&query, random),
        2 => {
            let name = HEADERS[random.below(HEADERS.len())];
            let good = headers.get(name).cloned().unwrap_or_default();
            headers.insert(name.to_owned(), spoilt(&good, random));
            cookies = vec![spoilt("kith_click=AQECAwQ; a=b", random)];
        }
        _ => {
            let good = bytes.unwrap_or_else(|| b"{}".to_vec());
            bytes = Some(mutate(&good, random));
        }
    }
    let path = samples::filled(route.path, &parameters);
    json!({
        "version": "2.0", "routeKey": format!("{} {}", route.method.as_str(), route.path),
        "rawPath": path, "rawQueryString": query, "headers": headers, "cookies": cookies,
        "pathParameters": parameters,
        "requestContext": {
            "domainName": "refer.example.com", "requestId": "r", "timeEpoch": 0,
            "http": {"method": route.method.as_str(), "path": path, "sourceIp": "203.0.113.9", "userAgent": BROWSER},
        },
        "body": bytes.as_ref().map(|bytes| STANDARD.encode(bytes)), "isBase64Encoded": bytes.is_some(),
    })
}

/// Stops on an answer that nobody should get.
#[track_caller]
fn is_fit(answer: &Value, event: &Value) {
    let status = answer["statusCode"].as_u64().unwrap();
    assert!((200..500).contains(&status), "{answer} to {event}");
    assert!(answer.to_string().len() <= ANSWER_BYTES_MAX);
    let headers = answer["headers"].as_object().unwrap();
    for value in headers
        .values()
        .chain(answer["cookies"].as_array().into_iter().flatten())
    {
        let is_plain = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
        assert!(
            text(value).bytes().all(is_plain),
            "{value} would end a header: {event}"
        );
    }
    let is_head = event["requestContext"]["http"]["method"] == "HEAD";
    if !is_head && headers.get("content-type") == Some(&json!("application/problem+json")) {
        let problem: Value = serde_json::from_str(text(&answer["body"])).unwrap();
        assert_eq!(problem["status"], status);
        assert!(problem["code"].is_string(), "{problem}");
        assert!(
            answer.to_string().len() <= 128 * 1_024,
            "{} bytes",
            answer.to_string().len()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_ends_in_a_fault_of_ours() {
    let document: Value = serde_json::from_str(OPENAPI).unwrap();
    let world = samples::world().await;
    let key = world.test_key();
    let first = std::env::var("KITH_SEED").map_or(0, |seed| seed.parse().unwrap());
    let calls = std::env::var("KITH_INPUTS").map_or(CALLS, |calls| calls.parse().unwrap());
    let mut statuses: BTreeMap<u64, usize> = BTreeMap::new();
    for (number, route) in ROUTES.iter().enumerate() {
        let (_, values) = filled(&world, &format!("order-{number}")).await;
        let body = example(&document, route);
        for seed in first..first + calls {
            let mut random = Random::new(seed * 1_000 + number as u64);
            let event = event(route, &values, &key, body.as_deref(), &mut random);
            let answer = world.bundle.invoke(route.function, &event).await;
            let answer =
                answer.unwrap_or_else(|error| panic!("{error} by {event}, KITH_SEED={seed}"));
            is_fit(&answer, &event);
            *statuses
                .entry(answer["statusCode"].as_u64().unwrap())
                .or_default() += 1;
        }
    }
    // Some of it was taken: whoever is refused at the door spoils nothing behind it.
    let taken: usize = statuses.range(200..300).map(|(_, number)| number).sum();
    assert!(taken > ROUTES.len() / 2, "{statuses:?}");
    assert!(statuses[&422] > ROUTES.len(), "{statuses:?}");
    world.bundle.shutdown().await;
}
