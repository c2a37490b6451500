//! The audit log: every write by hand stands in it, whole, and nothing of a person does.

use std::path::Path;

use jiff::Timestamp;
use kith_contract::routes::{Access, Route};
use kith_domain::audit::ObjectKind;
use kith_domain::id::AuditId;
use kith_domain::mode::Mode;
use kith_store::items::AuditEntry;
use kith_store::keys::AuditLog;
use kith_store::{Commit, CommitError, Store};
use serde_json::Value;

use crate::samples::{self, Call};
use crate::world::{Program, World, text};

/// What the shop tells all day. It is kept as what it is, with who told it, and is in no log.
const ROUTINE: [&str; 4] = [
    "record_click",
    "make_offer",
    "record_conversion",
    "join_participant",
];

/// What is done outside any program.
const OUTSIDE: [&str; 1] = ["retry_parked"];

fn object_of(route: &Route) -> &'static str {
    match route.id {
        "attribute_conversion" | "approve_conversion" | "reject_conversion" => "conversion",
        "merge_participant" | "approve_merge" | "reject_merge" => "merge",
        "refund_conversion" | "refund_order" | "reverse_refund" => "refund",
        "create_program" | "change_program" => "program",
        "create_key" | "rotate_key" | "revoke_key" => "key",
        "retry_parked" => "parked_work",
        "advance_test_clock" => "test_clock",
        "change_participant" | "add_code" | "switch_code" => "participant",
        "spend_points" | "reverse_redemption" => "redemption",
        "give_reward" | "approve_reward" | "reject_reward" | "cancel_reward" | "retry_reward"
        | "redeem_reward" | "redeem_voucher" => "reward",
        "add_voucher_codes" => "voucher_list",
        "create_payout" | "close_payout" => "payout",
        "settle_payout_line" => "payout_line",
        "create_webhook"
        | "change_webhook"
        | "delete_webhook"
        | "rotate_webhook_secret"
        | "test_webhook"
        | "redeliver_period" => "webhook",
        "redeliver_event" => "event",
        "create_order_source" | "change_order_source" | "delete_order_source" => "order_source",
        unknown => panic!("{unknown} writes, and nobody said of what the audit log tells: add it"),
    }
}

/// The newest entry of a log.
async fn newest(world: &World, key: &str, path: &str) -> Value {
    let page = world.get(key, &format!("{path}?limit=1")).await.expect(200);
    page["data"][0].clone()
}

fn log_of(call: &Call, program: &Program<'_>, answer: &Value) -> String {
    match call.route.id {
        id if OUTSIDE.contains(&id) => "/v1/audit".to_owned(),
        "create_program" => format!("/v1/programs/{}/audit", text(&answer["id"])),
        _ => program.path("/audit"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_write_stands_in_the_log_once_and_nothing_of_a_person_does() {
    let world = World::start().await;
    let operator = world.test_key();
    for route in samples::writes() {
        let program = samples::program(&world, &operator).await;
        let call = samples::write(route, &program).await;
        let own = samples::key_of(&program, &samples::all_scopes()).await;
        let by_operator = matches!(route.access, Access::Operator(_));
        let (key, actor) = if by_operator {
            (operator.as_str(), "operator")
        } else {
            (text(&own["key"]), text(&own["id"]))
        };
        let before = newest(&world, &operator, &program.path("/audit")).await;
        let request = || {
            let request = call.request(&world, key);
            request.header("idempotency-key", route.id)
        };
        let first = world.send(request()).await;
        assert!(first.status.is_success(), "{}: {}", route.id, first.text);
        let answer = if first.text.is_empty() {
            Value::Null
        } else {
            first.json()
        };
        assert_eq!(
            world.send(request()).await.status,
            first.status,
            "{}",
            route.id
        );
        let log = log_of(&call, &program, &answer);
        let entry = newest(&world, &operator, &log).await;
        if ROUTINE.contains(&route.id) {
            assert_eq!(entry, before, "{} is in the log", route.id);
            continue;
        }
        assert_eq!(entry["route"], route.id, "{entry}");
        assert_eq!(entry["actor"], actor, "{entry}");
        assert_eq!(entry["object"]["kind"], object_of(route), "{entry}");
        assert!(text(&entry["id"]).starts_with("aud_"), "{entry}");
        assert!(!text(&entry["request_id"]).is_empty(), "{entry}");
        assert!(entry["before"] != entry["after"], "{entry}");
        let id = text(&entry["object"]["id"]);
        let path = format!("{log}?object={id}&actor={actor}&limit=1");
        // The repetition made no second entry, and both filters find the one there is.
        let found = world.get(&operator, &path).await.expect(200);
        assert_eq!(found["data"][0], entry, "{}", route.id);
        let all = world
            .get(&operator, &format!("{log}?actor={actor}"))
            .await
            .expect(200);
        let of_route = all["data"].as_array().unwrap().iter();
        assert_eq!(
            of_route.filter(|entry| entry["route"] == route.id).count(),
            1,
            "{}",
            route.id
        );
        let asked = call.body.as_ref().and_then(|body| body.get("reason"));
        if let Some(reason) = asked.filter(|_| !route.id.contains("refund")) {
            assert_eq!(entry["reason"], *reason, "{entry}");
        }
    }
    let entries = samples::table(&world, |pk| pk.contains("#AUDIT#")).await;
    assert!(entries.len() > 100, "{}", entries.len());
    for (key, entry) in &entries {
        let all = format!("{entry:?}");
        let size: usize = entry.values().map(String::len).sum();
        assert!(size < 10_000, "{key:?} has {size} bytes");
        // The names, addresses, codes and secrets that the samples bring along.
        for personal in [
            "example.com",
            "example.net",
            "Anne",
            "Carl",
            "ANN-",
            "SPRING",
            "kith_",
            "bank 7",
            "whsec_",
            samples::SOURCE_SECRET,
            "another-secret-of-the-shop",
            "/hook",
        ] {
            assert!(!all.contains(personal), "{personal} in {key:?}: {all}");
        }
    }
    world.bundle.shutdown().await;
}

fn store(world: &World) -> Store {
    let environment = world.bundle.environment("program-api").unwrap();
    let table = &environment.variables["KITH_TABLE"];
    Store::new(world.bundle.dynamodb(), table)
}

fn entry(at: &str, seed: u8, actor: &str) -> AuditEntry {
    AuditEntry {
        id: AuditId::new(at.parse().unwrap(), [seed; 10]),
        actor: actor.to_owned(),
        route: "retry_parked".to_owned(),
        request_id: "1".to_owned(),
        object_kind: ObjectKind::ParkedWork,
        object_id: "rwd_1".to_owned(),
        object_of: None,
        reason: None,
        before: None,
        after: Some("{}".to_owned()),
        also_changed: Vec::new(),
    }
}

async fn write(store: &Store, log: AuditLog, entry: &AuditEntry) -> Result<(), CommitError> {
    let now = Timestamp::now();
    let mut commit = Commit::of_operator(now, now, entry.id.to_bytes());
    commit.audit(log, entry);
    store.commit(commit).await.map(|_| ())
}

/// Newest first, over months in which nothing was done, a page at a time, within bounds.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_told_newest_first_over_months() {
    let world = World::start().await;
    let (store, log) = (store(&world), AuditLog::Operator(Mode::Test));
    let key = world.test_key();
    let times = [
        "2025-11-30T23:59:59.999Z",
        "2025-12-01T00:00:00Z",
        "2026-03-07T10:00:00Z",
        "2026-03-07T10:00:01Z",
        "2026-03-31T23:00:00Z",
        "2026-07-01T00:00:00Z",
    ];
    for (seed, at) in (1..).zip(times) {
        let actor = if seed % 2 == 0 { "operator" } else { "key_0" };
        write(&store, log, &entry(at, seed, actor)).await.unwrap();
    }
    let told = async |filter: &str, limit: usize| {
        let (mut told, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/v1/audit?limit={limit}{filter}{cursor}");
            let page = world.get(&key, &path).await.expect(200);
            let data = page["data"].as_array().unwrap();
            assert!(data.len() <= limit);
            told.extend(data.iter().map(|entry| text(&entry["at"]).to_owned()));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return told,
            }
        }
    };
    let all: Vec<String> = times.iter().rev().map(|at| (*at).to_owned()).collect();
    for limit in [1, 2, 5, 6, 100] {
        assert_eq!(told("", limit).await, all, "{limit} at a time");
        assert_eq!(told("&object=rwd_1", limit).await, all, "{limit} at a time");
    }
    for object in ["", "&object=rwd_1"] {
        let within = "&from=2025-12-01T00:00:00Z&to=2026-03-31T23:00:00Z";
        assert_eq!(told(&format!("{within}{object}"), 2).await, all[2..5]);
        let operator = told(&format!("&actor=operator{object}"), 2).await;
        assert_eq!(operator, [times[5], times[3], times[1]]);
    }
    assert!(told("&object=rwd_2", 2).await.is_empty());
    let live = world.get(&world.live_key(), "/v1/audit").await.expect(200);
    assert_eq!(live["data"], serde_json::json!([]));
    for bad in ["actor=ann", "object=a%23b", "nope=1"] {
        let refused = world.get(&key, &format!("/v1/audit?{bad}")).await;
        assert_eq!(refused.problem(422), "invalid_request", "{bad}");
    }
    world.bundle.shutdown().await;
}

/// What is written stays as it was written.
#[tokio::test(flavor = "multi_thread")]
async fn an_entry_is_never_written_over() {
    let world = World::start().await;
    let (store, log) = (store(&world), AuditLog::Operator(Mode::Test));
    let first = entry("2026-03-07T10:00:00Z", 1, "operator");
    write(&store, log, &first).await.unwrap();
    let other = AuditEntry {
        actor: "key_0".to_owned(),
        ..first
    };
    let now = Timestamp::now();
    let mut commit = Commit::of_operator(now, now, [9; 16]);
    commit.audit(log, &other);
    let refused = store.commit(commit).await.unwrap_err();
    assert!(matches!(refused, CommitError::Refused(_)), "{refused}");
    let page = world.get(&world.test_key(), "/v1/audit").await.expect(200);
    assert_eq!(page["data"][0]["actor"], "operator");
    world.bundle.shutdown().await;
}

/// The table's room has one way to the log, and it only adds; an entry has no end.
#[test]
fn nothing_but_adding_and_reading_reaches_the_log() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut sources = Vec::new();
    for room in ["functions", "shared", "local"] {
        let mut folders = vec![root.join(room)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|kind| kind == "rs") {
                    sources.push(path);
                }
            }
        }
    }
    assert!(sources.len() > 200);
    let mut reaching = Vec::new();
    for path in sources {
        let text = std::fs::read_to_string(&path).unwrap();
        let words = ["AUDIT#", "AUDITOF#", "keys::audit", "audit_of_month("];
        if words.iter().any(|word| text.contains(word)) {
            let path = path.strip_prefix(root).unwrap().to_str().unwrap();
            reaching.push(path.to_owned());
        }
    }
    reaching.sort();
    assert_eq!(
        reaching,
        [
            "shared/store/src/audit.rs",
            "shared/store/src/keys.rs",
            "shared/store/src/list.rs"
        ]
    );
    let way = std::fs::read_to_string(root.join("shared/store/src/audit.rs")).unwrap();
    assert_eq!(way.matches("self.put(").count(), 1);
    assert!(way.contains("Write::New"));
    for word in ["delete", "update", "Overwrite", "Replace", "expires_at"] {
        assert!(!way.contains(word), "{word}");
    }
    let item = root.join("shared/store/src/items/audit.rs");
    assert!(
        !std::fs::read_to_string(item)
            .unwrap()
            .contains("expires_at")
    );
}
