//! What a caller sees of a failure that is ours, and what the log does.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::join_all;
use kith_contract::routes::Route;
use kith_edge::http::{HttpFunction, Problem, Request, Response};
use kith_edge::{Function, Invocation};
use kith_store::faults::Fault;
use reqwest::Method;
use serde_json::{Value, json};

use crate::api::filled;
use crate::idempotency::world_with;
use crate::samples::{self, Call};
use crate::workers::Moved;
use crate::world::{Answer, Program, World, text};

/// Words of what is behind the API: the table and its keys, the SDK, the code, the causes.
const INTERNALS: [&str; 19] = [
    "dynamo",
    "transact",
    "batchget",
    "throughput",
    "injected",
    "smithy",
    "aws",
    "sdk",
    "program#",
    "key#",
    "reward#",
    "the table",
    "kith_store",
    ".rs",
    "::",
    "panick",
    "missing field",
    "was lost",
    "item is not as it should be",
];
/// What an item is spoiled with.
const SPOILT: &str = "ann-in-her-own-words";

/// The log of this process.
fn log() -> &'static Path {
    static LOG: OnceLock<PathBuf> = OnceLock::new();
    LOG.get_or_init(|| {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("internals.log");
        let _ = std::fs::remove_file(&path);
        kith_local::logs::start(Some(&path), None).unwrap();
        path
    })
}

/// The lines of one request.
fn lines_of(instance: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(log()).unwrap();
    let lines = text.lines().filter(|line| line.contains(instance));
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The answer shows nothing of ours; the log has one line of the same name that says the cause.
#[track_caller]
fn check(answer: &Answer, at: &str, cause: &str) {
    check_text(&answer.text, at);
    let problem = answer.json();
    let lines = lines_of(text(&problem["instance"]));
    assert_eq!(lines.len(), 1, "{at}: {lines:?}");
    assert_eq!(lines[0]["problem.code"], problem["code"], "{at}: {lines:?}");
    let level = if answer.status == 500 {
        "ERROR"
    } else {
        "WARN"
    };
    assert_eq!(lines[0]["level"], level, "{at}: {lines:?}");
    let told = lines[0]["error"].to_string();
    assert!(told.contains(cause), "{at}: {told}");
    assert!(!told.contains(SPOILT), "{at}: {told}");
}

#[track_caller]
fn check_text(shown: &str, at: &str) {
    let shown = shown.to_lowercase();
    for internal in INTERNALS.iter().chain(&[SPOILT]) {
        assert!(!shown.contains(internal), "{at} shows {internal}: {shown}");
    }
}

/// What may be repeated says so.
#[track_caller]
fn check_unavailable(answer: &Answer, at: &str, cause: &str) {
    assert_eq!(answer.problem(503), "unavailable", "{at}");
    assert_eq!(answer.json()["retryable"], true, "{at}");
    assert!(!answer.header("retry-after").is_empty(), "{at}");
    check(answer, at, cause);
}

/// A call of every route behind a key, for what is not there.
async fn call_all(
    world: &World,
    program: &Program<'_>,
    key: &str,
) -> Vec<(&'static Route, Answer)> {
    let calls = samples::behind_a_key().map(|route| async move {
        let method: Method = route.method.as_str().parse().unwrap();
        let request = world.request(method, &filled(route.path, &program.id));
        let request = request.header("content-type", "application/json");
        (route, world.send(request.body("{}").bearer_auth(key)).await)
    });
    join_all(calls).await
}

/// The client learns that it failed, whether to try again, and under which name the log knows more.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_out_of_reach_is_told_in_the_log_and_not_to_the_caller() {
    log();
    let world = world_with(Moved::default()).await;
    let program = samples::program(&world, &world.test_key()).await;
    let key = samples::key_of(&program, &samples::all_scopes()).await;
    for (fault, cause) in [
        (Fault::TimeoutBefore, "the request was lost"),
        (Fault::Throttle, "ProvisionedThroughputExceeded"),
    ] {
        world.plan(move |operation| (operation == "BatchGetItem").then_some(fault));
        let answers = call_all(&world, &program, text(&key["key"])).await;
        world.heal();
        let mut checked = 0;
        for (route, answer) in answers {
            // A malformed id is nowhere, and nothing is read for it.
            if answer.status == 404 {
                assert_eq!(route.id, "retry_parked", "{}", answer.text);
                continue;
            }
            check_unavailable(&answer, route.id, cause);
            checked += 1;
        }
        assert!(checked > 60, "{checked}");
    }

    // It reads, but does not write.
    for (fault, cause) in [
        (Fault::TimeoutBefore, "the request was lost"),
        (Fault::Throttle, "ProvisionedThroughputExceeded"),
        (Fault::Conflict, "TransactionCanceled"),
    ] {
        let mut calls = Vec::new();
        for id in [
            "join_participant",
            "record_conversion",
            "create_key",
            "make_offer",
        ] {
            let route = samples::writes().find(|route| route.id == id).unwrap();
            let program = samples::program(&world, &world.test_key()).await;
            calls.push((samples::write(route, &program).await, program.key));
        }
        world.settle().await;
        world.plan(move |operation| (operation == "TransactWriteItems").then_some(fault));
        let sent = calls.iter().map(|(call, key)| call.send(&world, key));
        let answers = join_all(sent).await;
        world.heal();
        for ((call, _), answer) in calls.iter().zip(answers) {
            check_unavailable(&answer, call.route.id, cause);
        }
    }
    world.bundle.shutdown().await;
}

/// Every item that lies in a program but the program itself, changed.
async fn spoil(program: &Program<'_>, change: impl Fn(&AttributeValue) -> Option<AttributeValue>) {
    let client = program.world.bundle.dynamodb();
    let table = program.world.bundle.table().name();
    for item in samples::items(program.world).await {
        let pk = item["pk"].as_s().unwrap();
        let inside = pk.contains(&program.id) && !pk.ends_with(&program.id);
        if !inside {
            continue;
        }
        // Without its place it would not be found at all.
        let is_place = |name: &str| name.ends_with("pk") || name.ends_with("sk") || name == "kind";
        let spoilt: HashMap<_, _> = item
            .iter()
            .filter_map(|(name, value)| {
                let value = if is_place(name) {
                    Some(value.clone())
                } else {
                    change(value)
                };
                Some((name.clone(), value?))
            })
            .collect();
        let put = client.put_item().table_name(table).set_item(Some(spoilt));
        put.send().await.unwrap();
    }
}

/// Somebody had a hand in the table: whoever calls learns nothing of it, and the log where to look.
#[tokio::test(flavor = "multi_thread")]
async fn a_spoilt_item_is_told_in_the_log_and_not_to_the_caller() {
    log();
    let world = samples::world().await;
    let reads: Vec<_> = samples::behind_a_key()
        .filter(|route| !samples::is_write(route))
        .collect();
    for way in ["emptied", "overwritten"] {
        let program = samples::program(&world, &world.test_key()).await;
        let things = samples::things(&program).await;
        spoil(&program, |value| match (way, value) {
            ("emptied", _) => None,
            (_, AttributeValue::S(_)) => Some(AttributeValue::S(SPOILT.to_owned())),
            (_, other) => Some(other.clone()),
        })
        .await;
        let mut failed = BTreeMap::new();
        let calls: Vec<Call> = reads
            .iter()
            .map(|route| samples::read(route, &things))
            .collect();
        let answers = join_all(calls.iter().map(|call| call.send(&world, &program.key))).await;
        for (call, answer) in calls.iter().zip(answers) {
            let at = format!("{way}: {}", call.route.id);
            if answer.status == 500 {
                assert_eq!(answer.problem(500), "internal", "{at}");
                assert_eq!(answer.json()["retryable"], false, "{at}");
                check(&answer, &at, "an item is not as it should be");
                failed.insert(call.route.id, answer.status.as_u16());
            } else {
                check_text(&answer.text, &at);
                assert!(!answer.status.is_server_error(), "{at}: {}", answer.text);
            }
        }
        for id in [
            "read_participant",
            "read_conversion",
            "read_reward",
            "read_timeline",
        ] {
            assert!(failed.contains_key(id), "{way}: {id} in {failed:?}");
        }
        let page = world.visit(&program.link(&things.ann)).await;
        check_text(&page.text, way);
    }
    world.bundle.shutdown().await;
}

/// A bug is told as any other failure of ours; what was said when it was met helps whoever looks for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_told_in_the_log_and_not_to_the_caller() {
    log();
    let function = HttpFunction::new(|request: Request, _| async move {
        let length = request.body().len();
        let rest = [1_u8, 2, 3].get(..length).map(<[u8]>::len);
        assert_eq!(rest, Some(9), "kith_store::items of dynamo");
        Ok::<_, Problem>(Response::no_content())
    });
    let event = json!({
        "rawPath": "/", "headers": {}, "requestContext": {"http": {"method": "GET"}},
    });
    let invocation = Invocation {
        request_id: "the-request-that-panicked-in-internals".to_owned(),
        deadline: jiff::Timestamp::MAX,
    };
    let event = serde_json::value::to_raw_value(&event).unwrap();
    let answer = function.invoke(event, invocation).await.unwrap();
    let answer: Value = serde_json::from_str(answer.get()).unwrap();
    assert_eq!(answer["statusCode"], 500);
    let problem: Value = serde_json::from_str(text(&answer["body"])).unwrap();
    assert_eq!(problem["code"], "internal");
    let lines = lines_of(text(&problem["instance"]));
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0]["error"].to_string().contains("items of dynamo"),
        "{lines:?}"
    );
    let mut shown = problem.clone();
    shown["instance"] = Value::Null;
    check_text(&shown.to_string(), "a panic");
}
