//! Many conversions or participants in one call: each line is the single call, whatever its
//! neighbours are, however often it is sent.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use jiff::{SignedDuration, Timestamp};
use kith_edge::Clock;
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{Answer, Program, World, purchase, text};

const NDJSON: &str = "application/x-ndjson";

async fn send(program: &Program<'_>, rest: &str, lines: &[String], key: Option<&str>) -> Answer {
    let request = program.world.request(Method::POST, &program.path(rest));
    let mut request = request
        .bearer_auth(&program.key)
        .header("content-type", NDJSON)
        .body(
            lines
                .iter()
                .map(|line| format!("{line}\n"))
                .collect::<String>(),
        );
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    program.world.send(request).await
}

/// What each line was answered.
fn told(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.header("content-type"), NDJSON);
    let lines = answer
        .text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let lines: Vec<Value> = lines.collect();
    for (number, line) in lines.iter().enumerate() {
        assert_eq!(line["line"], number + 1);
    }
    lines
}

fn statuses(lines: &[Value]) -> Vec<u64> {
    lines
        .iter()
        .map(|line| line["status"].as_u64().unwrap())
        .collect()
}

/// Sends the lines, and those again that were not reached, until each has been. Gives what each was
/// answered then.
async fn through(program: &Program<'_>, rest: &str, lines: &[String]) -> Vec<Value> {
    let mut answers = vec![Value::Null; lines.len()];
    loop {
        let open: Vec<usize> = (0..lines.len())
            .filter(|line| answers[*line].is_null())
            .collect();
        let wanted: Vec<String> = open.iter().map(|line| lines[*line].clone()).collect();
        let told = told(&send(program, rest, &wanted, None).await);
        for (line, answer) in open.into_iter().zip(told) {
            // There was no time for it, or the key has made many calls just now.
            if answer["body"]["retryable"] != true {
                answers[line] = answer;
            }
        }
        if answers.iter().all(|answer| !answer.is_null()) {
            return answers;
        }
    }
}

/// Every kind of line, among 500.
fn mixed(code: &str) -> Vec<String> {
    let order = |number: usize| {
        let change = if number.is_multiple_of(10) {
            json!({"codes": [code]})
        } else {
            json!({})
        };
        purchase(&format!("order-{number}"), change).to_string()
    };
    (0..500)
        .map(|number| match number % 20 {
            15 => order(number - 15),
            16 => purchase(&format!("order-{}", number - 16), json!({"country": "FR"})).to_string(),
            17 => "{\"event\": ".to_owned(),
            18 => String::new(),
            19 => purchase("unknown", json!({"typo": 1})).to_string(),
            _ => order(number),
        })
        .collect()
}

/// What a line of [`mixed`] is answered the first time, and every later time.
fn expected(number: usize) -> (u64, u64) {
    match number % 20 {
        15 => (200, 200),
        16 => (409, 409),
        17 | 18 => (400, 400),
        19 => (422, 422),
        _ => (201, 200),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_lines_are_five_hundred_calls() {
    let world = World::start().await;
    let program = world.program(json!({"surveys": []})).await;
    let ann = program.referrer("ann").await;
    let lines = mixed(text(&ann["code"]));
    let first = through(&program, "/conversions/bulk", &lines).await;
    let wanted: Vec<u64> = (0..500).map(|number| expected(number).0).collect();
    assert_eq!(statuses(&first), wanted);
    // The same problem as that of the single call, but for the request that it belongs to.
    for (number, status) in [(16, 409), (17, 400), (18, 400), (19, 422)] {
        let request = world.request(Method::POST, &program.path("/conversions"));
        let request = request
            .bearer_auth(&program.key)
            .header("content-type", "application/json")
            .body(lines[number].clone());
        let mut single = world.send(request).await.expect(status);
        let mut bulk = first[number]["body"].clone();
        for problem in [&mut single, &mut bulk] {
            problem["instance"] = Value::Null;
        }
        assert_eq!(single, bulk);
    }
    let again = through(&program, "/conversions/bulk", &lines).await;
    let wanted: Vec<u64> = (0..500).map(|number| expected(number).1).collect();
    assert_eq!(statuses(&again), wanted);
    let ids = |lines: &[Value]| -> Vec<Value> {
        lines
            .iter()
            .map(|line| line["body"]["id"].clone())
            .collect()
    };
    assert_eq!(ids(&first), ids(&again));
    world.settle().await;
    world.bundle.shutdown().await;
}

/// One effect each, whoever was first.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_lines_at_once_have_one_effect_each() {
    let world = World::start().await;
    let program = world.program(json!({"surveys": []})).await;
    let ann = program.referrer("ann").await;
    let body = json!({"codes": [ann["code"]]});
    let order = |number: usize| purchase(&format!("order-{number}"), body.clone()).to_string();
    let lines: Vec<String> = (0..30).map(order).collect();
    let (one, other) = tokio::join!(
        through(&program, "/conversions/bulk", &lines),
        through(&program, "/conversions/bulk", &lines),
    );
    for (one, other) in one.iter().zip(&other) {
        let mut both = [one["status"].as_u64(), other["status"].as_u64()];
        both.sort_unstable();
        assert_eq!(both, [Some(200), Some(201)], "{one} {other}");
        assert_eq!(one["body"]["id"], other["body"]["id"]);
    }
    world.settle().await;
    // Ten a month for Ann, one for each friend.
    assert_eq!(program.rewards().await.len(), 40);
    assert_eq!(program.balance(&ann, "EUR").await["available"], 5_000);
    world.bundle.shutdown().await;
}

/// Real time that a test moves on.
#[derive(Debug, Default)]
struct Jumping(AtomicI64);

impl Clock for Jumping {
    fn now(&self) -> Timestamp {
        Timestamp::now() + SignedDuration::from_secs(self.0.load(Ordering::Relaxed))
    }
}

/// The call runs out of time in the middle: what was reached is done, the rest is told so, and the
/// same call under the same key does the rest.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_ran_out_of_time_is_resumed() {
    let clock = Arc::new(Jumping::default());
    let world = World::with(|options| options.clock = Arc::clone(&clock) as Arc<dyn Clock>).await;
    let program = world.program(json!({"surveys": []})).await;
    let lines: Vec<String> = (0..60)
        .map(|number| purchase(&format!("order-{number}"), json!({})).to_string())
        .collect();
    let (writes, jumping) = (AtomicUsize::new(0), Arc::clone(&clock));
    world.plan(move |operation| {
        let written = operation == "TransactWriteItems";
        if written && writes.fetch_add(1, Ordering::Relaxed) == 30 {
            jumping.0.store(13, Ordering::Relaxed);
        }
        None
    });
    let first = told(&send(&program, "/conversions/bulk", &lines, Some("monday")).await);
    let count = |lines: &[Value]| {
        let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
        for status in statuses(lines) {
            *counts.entry(status).or_default() += 1;
        }
        counts
    };
    let reached = count(&first)[&201];
    assert!((20..60).contains(&reached), "{reached}");
    assert_eq!(count(&first), [(201, reached), (503, 60 - reached)].into());
    let second = told(&send(&program, "/conversions/bulk", &lines, Some("monday")).await);
    assert_eq!(count(&second), [(201, 60)].into());
    let replayed = second.iter().filter(|line| line["replayed"] == true);
    assert_eq!(replayed.count(), reached);
    // The key belongs to the line: in another place it is another request.
    let turned: Vec<String> = lines.iter().rev().cloned().collect();
    let third = told(&send(&program, "/conversions/bulk", &turned, Some("monday")).await);
    let codes: Vec<&Value> = third.iter().map(|line| &line["body"]["code"]).collect();
    assert!(
        codes.iter().all(|code| *code == "idempotency_key_reused"),
        "{codes:?}"
    );
    world.bundle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_participants_join_in_one_call() {
    let world = World::start().await;
    let program = world.program(json!({})).await;
    let line = |value: Value| value.to_string();
    let lines = [
        line(json!({"external_id": "ann", "vanity_code": "ANN-BAKES"})),
        line(json!({"external_id": "bob", "vanity_code": "ann-bakes"})),
        line(json!({"external_id": "ann", "email": "Ann@example.com", "locale": "de"})),
        line(json!({"external_id": "ann", "locale": "fr"})),
        line(json!({"external_id": "eve", "email": "ann+2@example.com"})),
        line(json!({"external_id": "ann@example.com"})),
        "nonsense".to_owned(),
    ];
    let first = told(&send(&program, "/participants/bulk", &lines, None).await);
    assert_eq!(statuses(&first), [201, 409, 200, 200, 409, 422, 400]);
    let codes: Vec<&Value> = first.iter().map(|line| &line["body"]["code"]).collect();
    assert_eq!(
        (codes[1], codes[4]),
        (&json!("code_taken"), &json!("identity_conflict"))
    );
    assert_eq!(first[3]["body"]["locale"], "fr");
    let again = told(&send(&program, "/participants/bulk", &lines, None).await);
    assert_eq!(statuses(&again), [200, 409, 200, 200, 409, 422, 400]);
    let found = json!({"email": "ann@example.com"});
    let found = program
        .post("/participants/search", found)
        .await
        .expect(200);
    assert_eq!(found["data"][0]["locale"], "fr");
    assert_eq!(found["data"][0]["id"], first[0]["body"]["id"]);
    world.bundle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_call_is_refused_as_a_whole_when_nobody_can_read_its_lines() {
    let world = World::start().await;
    let program = world.program(json!({})).await;
    for path in ["/conversions/bulk", "/participants/bulk"] {
        let lines = vec!["{}".to_owned(); 501];
        let many = send(&program, path, &lines, None).await;
        assert_eq!(many.problem(422), "invalid_request");
        let plain = program.post(path, json!({})).await;
        assert_eq!(plain.problem(415), "unsupported_media_type");
        let stranger = Program {
            key: "kith_test_nobody".to_owned(),
            id: program.id.clone(),
            world: &world,
        };
        assert_eq!(
            send(&stranger, path, &lines, None).await.problem(401),
            "unauthenticated"
        );
    }
    world.bundle.shutdown().await;
}
