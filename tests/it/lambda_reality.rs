//! Every function as what it is on AWS: its own binary behind a Lambda Runtime API, fed with the
//! sample events.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use kith_local::Bundle;
use serde_json::{Value, json};

use crate::built;
use crate::runtime_api::{Ended, Lambda};
use crate::world::{World, text};

/// What the samples are signed with, and the ids and code that they name.
const OPERATOR: &str = "kith_live_operator1samplesamplesamplesample";
const TEST_OPERATOR: &str = "kith_test_operator1samplesamplesamplesample";
const PROGRAM: &str = "prg_01kjmma2g0kq6qyz7f1s66j7yd";
const TEST_PROGRAM: &str = "prg_01kjmma2g0ed92w1k4ar442hcb";

/// What no log line may hold: of the samples, what is personal or secret.
const NEVER_LOGGED: [&str; 6] = [
    "@example.com",
    "203.0.113.",
    "samplesample",
    "ANN-BAKES",
    "not-a-token",
    "on the telephone",
];

/// What an event deserves.
#[derive(Debug, Clone, Copy)]
enum Deserved {
    /// An HTTP answer of this status and content type; no type for an answer without a body.
    Http(u16, &'static str),
    /// Every record is done.
    Acknowledged,
    /// The records whose bodies are no messages come again, and only those.
    AcknowledgedButUnreadable,
    /// An answer that says nothing.
    Nothing,
    /// An error report of this name, and a process that lives on.
    Failed(&'static str),
}

const HTML: &str = "text/html";
const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";

/// Every sample, and what it deserves of a table that holds a live and a test program, each with a
/// participant whose code the samples name. A function's samples come in this order.
const DESERVED: &[(&str, Deserved)] = {
    use Deserved::{Acknowledged, AcknowledgedButUnreadable, Failed, Http, Nothing};
    &[
        ("api-docs/document", Http(200, JSON)),
        ("api-docs/malformed", Failed("UnreadableEvent")),
        ("api-docs/page", Http(200, HTML)),
        ("api-docs/page-head", Http(200, HTML)),
        ("api-docs/unknown-file", Http(404, PROBLEM)),
        ("api-docs/problems", Http(200, JSON)),
        ("api-docs/problem", Http(200, HTML)),
        ("api-docs/unknown-problem", Http(404, HTML)),
        ("conversion-recording/purchase", Http(201, JSON)),
        ("conversion-recording/malformed", Failed("UnreadableEvent")),
        ("conversion-recording/signup", Http(201, JSON)),
        ("conversion-recording/faulty", Http(422, PROBLEM)),
        ("conversion-recording/attribution", Http(404, PROBLEM)),
        ("conversion-recording/offer", Http(409, PROBLEM)),
        (
            "conversion-recording/refund-before-conversion",
            Http(202, JSON),
        ),
        // The order source is another program's.
        ("conversion-recording/order-of-shopify", Http(401, PROBLEM)),
        ("conversion-recording/ping-of-woocommerce", Http(200, JSON)),
        ("due-work/every-minute", Nothing),
        ("due-work/malformed", Failed("UnreadableEvent")),
        ("event-relay/events", Acknowledged),
        ("event-relay/malformed", Failed("UnreadableEvent")),
        ("link-capture/browser", Http(302, "")),
        ("link-capture/malformed", Failed("UnreadableEvent")),
        ("link-capture/browser-again", Http(302, "")),
        ("link-capture/head", Http(302, "")),
        ("link-capture/prefetch", Http(302, "")),
        ("link-capture/link-preview", Http(302, "")),
        ("link-capture/global-privacy-control", Http(302, "")),
        ("link-capture/test-link", Http(302, "")),
        ("link-capture/unknown-code", Http(404, HTML)),
        ("link-capture/click", Http(201, JSON)),
        ("link-capture/click-preflight", Http(204, "")),
        ("message-dispatch/messages", Acknowledged),
        (
            "message-dispatch/unreadable-message",
            AcknowledgedButUnreadable,
        ),
        ("message-dispatch/malformed", Failed("UnreadableEvent")),
        ("program-api/health", Http(200, JSON)),
        ("program-api/malformed", Failed("UnreadableEvent")),
        ("program-api/create-program", Http(201, JSON)),
        ("program-api/create-test-program", Http(201, JSON)),
        ("program-api/create-participant", Http(200, JSON)),
        ("program-api/create-key", Http(201, JSON)),
        ("program-api/list-rewards", Http(200, JSON)),
        ("program-api/net-promoter-score", Http(200, JSON)),
        ("program-api/operations", Http(200, JSON)),
        ("program-api/advance-test-clock", Http(200, JSON)),
        ("program-api/pause-program", Http(200, JSON)),
        ("program-api/unauthorized", Http(401, PROBLEM)),
        ("program-api/unknown-path", Http(404, PROBLEM)),
        ("program-api/wrong-method", Http(405, PROBLEM)),
        ("public-pages/privacy-control", Http(200, JSON)),
        ("public-pages/malformed", Failed("UnreadableEvent")),
        ("public-pages/qr-code", Http(200, "image/svg+xml")),
        ("public-pages/survey-page", Http(404, HTML)),
        ("public-pages/survey-page-head", Http(404, HTML)),
        ("public-pages/survey-answer-form", Http(404, HTML)),
        ("public-pages/survey-answer-json", Http(404, PROBLEM)),
        ("public-pages/unsubscribe-page", Http(404, HTML)),
        ("public-pages/unsubscribe-one-click", Http(404, HTML)),
        ("reward-disbursement/rewards", Acknowledged),
        (
            "reward-disbursement/unreadable-message",
            AcknowledgedButUnreadable,
        ),
        ("reward-disbursement/malformed", Failed("UnreadableEvent")),
        ("survey-dispatch/surveys", Acknowledged),
        (
            "survey-dispatch/unreadable-message",
            AcknowledgedButUnreadable,
        ),
        ("survey-dispatch/malformed", Failed("UnreadableEvent")),
        ("event-delivery/deliveries", Acknowledged),
        (
            "event-delivery/unreadable-message",
            AcknowledgedButUnreadable,
        ),
        ("event-delivery/malformed", Failed("UnreadableEvent")),
    ]
};

fn events() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../events")
}

fn sample(name: &str) -> Value {
    let path = events().join(format!("{name}.json"));
    let text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

/// A bundle that only makes the surroundings: table, queues and mail, and what the samples speak of.
/// Nothing between its functions runs by itself, so what happens to an event is the binary's doing.
struct Surroundings {
    world: World,
    program: String,
    test_program: String,
}

impl Surroundings {
    async fn new() -> Self {
        let world = World::with(|options| {
            options.operator_key = Some(OPERATOR.to_owned());
            options.test_operator_key = Some(TEST_OPERATOR.to_owned());
            options.paused = true;
        })
        .await;
        let program = seed(&world, OPERATOR).await;
        let test_program = seed(&world, TEST_OPERATOR).await;
        Self {
            world,
            program,
            test_program,
        }
    }

    /// A sample, speaking of the programs that are there.
    fn sample(&self, name: &str) -> String {
        sample(name)
            .to_string()
            .replace(PROGRAM, &self.program)
            .replace(TEST_PROGRAM, &self.test_program)
    }
}

/// Makes a program and a participant, both as the samples describe them.
async fn seed(world: &World, key: &str) -> String {
    let body = |name: &str| serde_json::from_str(text(&sample(name)["body"])).unwrap();
    let made = world
        .post(key, "/v1/programs", body("program-api/create-program"))
        .await;
    let program = text(&made.expect(201)["id"]).to_owned();
    let path = format!("/v1/programs/{program}/participants");
    world
        .post(key, &path, body("program-api/create-participant"))
        .await
        .expect(201);
    program
}

async fn start(bundle: &Bundle, package: &str) -> Lambda {
    let variables = &bundle.environment(package).unwrap().variables;
    let mut lambda = Lambda::start(&built::binary(package), package, variables).await;
    lambda.ready().await;
    lambda
}

/// A deployment must not be the first time that the real binary meets the real shapes.
#[tokio::test]
async fn every_function_answers_its_samples_as_a_binary() {
    let packages: BTreeSet<&str> = DESERVED
        .iter()
        .map(|(name, _)| name.split('/').next().unwrap())
        .collect();
    let mut faults = Vec::new();
    for package in packages {
        let surroundings = Surroundings::new().await;
        let mut lambda = start(&surroundings.world.bundle, package).await;
        for (name, deserved) in of(package) {
            let ended = lambda.invoke(surroundings.sample(name)).await;
            if let Err(fault) = judge(*deserved, &sample(name), &ended) {
                faults.push(format!("{name}: {fault}: {ended:?}"));
            }
        }
        let log = lambda.log();
        for secret in NEVER_LOGGED {
            assert!(!log.contains(secret), "{package} logs {secret}: {log}");
        }
        for line in log.lines() {
            assert!(
                serde_json::from_str::<Value>(line).is_ok(),
                "{package} logs what is not JSON: {line}"
            );
        }
    }
}

fn of(package: &str) -> impl Iterator<Item = &'static (&'static str, Deserved)> {
    DESERVED
        .iter()
        .filter(move |(name, _)| name.split('/').next() == Some(package))
}

/// A wrong event, say of another mapping, is an error that says so; the next event is served.
#[tokio::test]
async fn a_wrong_event_does_not_end_the_process() {
    let surroundings = Surroundings::new().await;
    let bundle = &surroundings.world.bundle;
    for package in bundle.template().functions.keys() {
        let mut lambda = start(bundle, package).await;
        let pid = lambda.pid();
        for wrong in [
            sample(&format!("{package}/malformed")),
            json!(null),
            json!("text"),
            json!({}),
        ] {
            let Ended::Failed(report) = lambda.invoke(wrong.to_string()).await else {
                panic!("{package} answers {wrong}");
            };
            assert_eq!(report["errorType"], "UnreadableEvent", "{package}");
            let message = text(&report["errorMessage"]);
            assert!(
                message.starts_with("the event cannot be read: "),
                "{package}: {message}"
            );
        }
        let (good, _) = of(package).next().unwrap();
        let ended = lambda.invoke(surroundings.sample(good)).await;
        assert!(matches!(ended, Ended::Answered(_)), "{good}: {ended:?}");
        assert_eq!(lambda.pid(), pid);
    }
}

/// The relay's binary reaches the queues by their addresses, and sends what the events say.
#[tokio::test]
async fn the_relay_fills_the_queues() {
    let surroundings = Surroundings::new().await;
    let bundle = &surroundings.world.bundle;
    let name = "event-relay/events";
    let mut lambda = start(bundle, "event-relay").await;
    lambda.invoke(surroundings.sample(name)).await;

    let mut wakes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let sample: Value = serde_json::from_str(&surroundings.sample(name)).unwrap();
    for record in sample["Records"].as_array().unwrap() {
        let wakes_of: Vec<Value> =
            serde_json::from_str(text(&record["dynamodb"]["NewImage"]["wakes"]["S"])).unwrap();
        for wake in wakes_of {
            let queue = text(&wake["queue"]).to_owned();
            wakes
                .entry(queue)
                .or_default()
                .push(text(&wake["body"]).to_owned());
        }
    }
    assert_eq!(wakes.len(), 3, "the sample wakes every worker");
    for (queue, mut bodies) in wakes {
        let name = &bundle
            .template()
            .queue_mappings
            .iter()
            .find(|mapping| mapping.queue.to_lowercase().contains(&queue))
            .unwrap()
            .queue;
        let mut sent = bundle.queues().peek(name).unwrap();
        bodies.sort();
        sent.sort();
        assert_eq!(sent, bodies, "{queue}");
    }
}

/// Whoever deploys gets one list of what is wrong, and no secret in a log.
#[tokio::test]
async fn a_wrong_configuration_ends_the_process_with_every_fault() {
    const WRONG: &str = "hush-hush";
    let world = World::start().await;
    for (package, function) in &world.bundle.template().functions {
        // Nothing is configured where nothing but files is answered.
        if package == "api-docs" {
            assert!(function.variables.is_empty(), "{package}");
            continue;
        }
        let mut variables = BTreeMap::new();
        let mut expected = vec!["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
        for name in function.variables.keys().map(String::as_str) {
            // Some take any text, so they are left out instead.
            let is_free = name == "KITH_TABLE"
                || name == "KITH_CONFIGURATION_SET"
                || name.ends_with("_QUEUE_URL");
            if !is_free {
                variables.insert(name.to_owned(), WRONG.to_owned());
            }
            if name != "KITH_CONFIGURATION_SET" {
                expected.push(name);
            }
        }
        let lambda = Lambda::start(&built::binary(package), package, &variables).await;
        let (status, log, _) = lambda.end().await;
        assert!(!status.success(), "{package} ends well: {log}");
        for name in expected {
            assert!(
                log.contains(name),
                "{package} does not complain of {name}: {log}"
            );
        }
        assert!(!log.contains(WRONG), "{package}: {log}");
    }
}

/// A sample that nothing expects anything of proves nothing.
#[test]
fn every_sample_is_fed_to_its_function() {
    let mut present = BTreeSet::new();
    for folder in fs::read_dir(events()).unwrap() {
        let folder = folder.unwrap();
        for file in fs::read_dir(folder.path()).unwrap() {
            let path = file.unwrap().path();
            let stem = path.file_stem().unwrap().to_str().unwrap();
            present.insert(format!("{}/{stem}", folder.file_name().to_str().unwrap()));
        }
    }
    let deserved = DESERVED
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    assert_eq!(present, deserved);
}

fn judge(deserved: Deserved, event: &Value, ended: &Ended) -> Result<(), String> {
    let answer = match (deserved, ended) {
        (Deserved::Failed(name), Ended::Failed(report)) => {
            return expect(report["errorType"] == *name, "another error is reported");
        }
        (Deserved::Failed(_), Ended::Answered(_)) => return Err("it is answered".to_owned()),
        (_, Ended::Failed(_)) => return Err("it fails".to_owned()),
        (_, Ended::Answered(answer)) => answer,
    };
    match deserved {
        Deserved::Http(status, content_type) => judge_http(status, content_type, answer),
        Deserved::Acknowledged => expect(
            *answer == json!({"batchItemFailures": []}),
            "records come again",
        ),
        Deserved::AcknowledgedButUnreadable => {
            let unreadable: Vec<Value> = event["Records"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|record| serde_json::from_str::<Value>(text(&record["body"])).is_err())
                .map(|record| json!({"itemIdentifier": record["messageId"]}))
                .collect();
            expect(
                !unreadable.is_empty(),
                "the sample holds nothing unreadable",
            )?;
            expect(
                *answer == json!({"batchItemFailures": unreadable}),
                "others come again",
            )
        }
        Deserved::Nothing => expect(answer.is_null(), "it says something"),
        Deserved::Failed(_) => Err("it is answered".to_owned()),
    }
}

fn judge_http(status: u16, content_type: &str, answer: &Value) -> Result<(), String> {
    expect(answer["statusCode"] == status, "another status")?;
    let headers = answer["headers"].as_object().ok_or("no headers")?;
    let header = |name: &str| {
        headers
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    expect(
        header("content-type").starts_with(content_type),
        "another content type",
    )?;
    match (status, content_type) {
        (302, _) => expect(
            header("location").starts_with("https://bakery.example.com/"),
            "another destination",
        ),
        (_, PROBLEM) => {
            let body: Value = serde_json::from_str(answer["body"].as_str().unwrap_or_default())
                .map_err(|error| error.to_string())?;
            let is_complete = ["type", "title", "detail", "instance", "code"]
                .iter()
                .all(|name| body[*name].is_string());
            expect(
                is_complete && body["status"] == status && body["retryable"].is_boolean(),
                "the problem is not complete",
            )
        }
        _ => Ok(()),
    }
}

fn expect(holds: bool, fault: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(fault.to_owned()) }
}
