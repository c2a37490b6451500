//! Limits: what a caller gets who asks for more than they may, and what the table is charged.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use kith_edge::Clock;
use kith_store::faults::Fault;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::workload::meter::{Call, Meter};
use crate::world::{Answer, BROWSER, Program, World, purchase, text};

/// Real time that stands still, until it is moved: so every count is exact.
#[derive(Debug, Clone)]
struct Stopped(Arc<AtomicI64>);

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

impl Stopped {
    fn by_seconds(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

struct Bench {
    world: World,
    clock: Stopped,
    meter: Meter,
}

impl Bench {
    async fn start(variables: &[(&str, &str)]) -> Self {
        let clock = Stopped(Arc::new(AtomicI64::new(Timestamp::now().as_second())));
        let meter = Meter::default();
        let (stopped, of_functions) = (clock.clone(), meter.clone());
        let variables: BTreeMap<_, _> = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let world = World::with(|options| {
            options.clock = Arc::new(stopped);
            options.variables.extend(variables);
            let faults = options.wrap_client.take().unwrap();
            options.wrap_client = Some(Arc::new(move |package: &str, inner| {
                of_functions.over(package, faults(package, inner))
            }));
        })
        .await;
        Self {
            world,
            clock,
            meter,
        }
    }

    /// What functions asked of the table since the last time, workers left out.
    fn bill(&self) -> Bill {
        let calls = self.meter.take();
        let of = |operation: &str| {
            let calls = calls.iter().filter(|call| call.operation == operation);
            calls.filter(|call| is_api(call)).count()
        };
        let sum = |units: fn(&Call) -> f64| {
            let calls = calls.iter().filter(|call| is_api(call));
            calls.map(units).sum()
        };
        Bill {
            leases: of("UpdateItem"),
            reads: of("BatchGetItem") + of("GetItem") + of("Query"),
            writes: of("TransactWriteItems") + of("PutItem"),
            read_units: sum(|call| call.read),
            write_units: sum(|call| call.write),
        }
    }
}

fn is_api(call: &Call) -> bool {
    matches!(
        call.package.as_str(),
        "program-api" | "conversion-recording" | "link-capture"
    )
}

#[derive(Debug, PartialEq)]
struct Bill {
    leases: usize,
    reads: usize,
    writes: usize,
    read_units: f64,
    write_units: f64,
}

/// A key of a program, with this many calls a minute: a sixth of it at once.
async fn key(program: &Program<'_>, per_minute: u32) -> String {
    let body = json!({
        "name": "shop", "program_id": program.id, "requests_per_minute": per_minute,
        "scopes": ["rewards:read", "conversions:write"],
    });
    let made = program.world.post(&program.key, "/v1/keys", body).await;
    text(&made.expect(201)["key"]).to_owned()
}

/// The parameters of the header `RateLimit`.
fn left(answer: &Answer) -> (u32, u32) {
    let (name, rest) = answer.header("ratelimit").split_once(";r=").unwrap();
    assert_eq!(name, "\"key\"");
    let (left, seconds) = rest.split_once(";t=").unwrap();
    (left.parse().unwrap(), seconds.parse().unwrap())
}

/// The guard against a bill that grows with what somebody else sends: calls over the limit are
/// refused from memory.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_calls_over_the_limit_cost_the_table_next_to_nothing() {
    const CALLS: usize = 10_000;
    const CLIENTS: usize = 16;
    let bench = Bench::start(&[
        ("KITH_REQUESTS_PER_MINUTE", "1200"),
        ("KITH_REQUEST_BURST", "200"),
    ])
    .await;
    let program = bench.world.program(json!({})).await;
    let body = json!({"name": "shop", "program_id": program.id, "scopes": ["rewards:read"]});
    let made = bench
        .world
        .post(&program.key, "/v1/keys", body)
        .await
        .expect(201);
    let (key, path) = (text(&made["key"]).to_owned(), program.path("/rewards"));
    // The instance knows the key.
    let first = bench.world.get(&key, &path).await;
    assert_eq!((first.status.as_u16(), left(&first).0), (200, 199));
    bench.meter.take();

    let world = Arc::new(bench.world);
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (world, key, path) = (Arc::clone(&world), key.clone(), path.clone());
        clients.spawn(async move {
            let mut answers = Vec::new();
            for _ in 0..CALLS / CLIENTS {
                let answer = world.get(&key, &path).await;
                let (left, seconds) = left(&answer);
                assert_eq!(answer.header("ratelimit-policy"), "\"key\";q=200;w=10");
                if answer.status == 429 {
                    assert_eq!((left, seconds), (0, 1));
                    assert_eq!(answer.header("retry-after"), "1");
                    assert_eq!(answer.problem(429), "too_many_requests");
                }
                answers.push(answer.status.as_u16());
            }
            answers
        });
    }
    let answers: Vec<u16> = clients.join_all().await.into_iter().flatten().collect();
    let count = |status: u16| answers.iter().filter(|answer| **answer == status).count();
    assert_eq!((count(200), count(429)), (199, CALLS - 199));
    let calls = bench.meter.take();
    let of = |operation: &str| {
        let calls = calls.iter().filter(|call| call.operation == operation);
        calls.count()
    };
    // Each call that passed read what it needs. Leases: 2, 4, 8, then 10 at a time, and two that
    // found less, or nothing.
    assert_eq!(of("BatchGetItem"), 199);
    let leases = of("UpdateItem");
    assert!((20..=24).contains(&leases), "{leases} leases");
    let written: f64 = calls.iter().map(|call| call.write).sum();
    assert!(written <= 24.0, "{written} write units");

    let refused = world.get(&key, &path).await;
    assert_eq!(refused.status, 429);
    bench.clock.by_seconds(1);
    // A second brings twenty: at least one lease of them.
    let answer = world.get(&key, &path).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    Arc::into_inner(world).unwrap().bundle.shutdown().await;
}

/// However many functions serve it, a key has one bucket.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_has_one_bucket_in_all_functions() {
    let bench = Bench::start(&[]).await;
    let program = bench.world.program(json!({"surveys": []})).await;
    let key = key(&program, 60).await;
    let mut statuses = Vec::new();
    for number in 0..10 {
        let body = purchase(&format!("order-{number}"), json!({}));
        let path = program.path("/conversions");
        let converted = bench.world.post(&key, &path, body).await;
        let listed = bench.world.get(&key, &program.path("/rewards")).await;
        statuses.push((converted.status.as_u16(), listed.status.as_u16()));
        // What was refused by then did not happen.
        assert_eq!(listed.header("ratelimit-policy"), "\"key\";q=10;w=10");
    }
    let passed = statuses.iter().filter(|status| **status == (201, 200));
    assert_eq!(passed.count(), 5, "{statuses:?}");
    assert_eq!(&statuses[5..], [(429, 429); 5]);
    bench.world.bundle.shutdown().await;
}

/// What a limit costs those who stay below it: a lease for one call, for two, for four.
#[tokio::test(flavor = "multi_thread")]
async fn a_conversion_asks_the_table_for_nothing_more_than_now_and_then_a_lease() {
    let bench = Bench::start(&[]).await;
    let program = bench.world.program(json!({"surveys": []})).await;
    let ann = program.referrer("ann").await;
    let convert = async |number: usize| {
        let body = json!({"codes": [ann["code"]]});
        let order = format!("order-{number}");
        program.convert(&order, body).await.expect(201);
        let calls = bench.meter.take().into_iter();
        let own = calls.filter(|call| call.package == "conversion-recording");
        own.map(|call| call.operation).collect::<Vec<_>>()
    };
    let mut leases = Vec::new();
    for number in 1..=40 {
        let mut asked = convert(number).await;
        if asked.iter().any(|operation| operation == "UpdateItem") {
            leases.push(number);
        }
        asked.retain(|operation| operation != "UpdateItem");
        // The first order by a code finds out whose it is.
        let reads = if number == 1 { 2 } else { 1 };
        let mut expected = vec!["BatchGetItem"; reads];
        expected.push("TransactWriteItems");
        assert_eq!(asked, expected, "{number}");
    }
    assert_eq!(leases, [1, 2, 4, 8, 16, 32]);
    bench.world.bundle.shutdown().await;
}

/// A refusal tells what is left, as an answer does, and so does what was answered before.
#[tokio::test(flavor = "multi_thread")]
async fn every_answer_to_a_known_key_says_what_is_left() {
    let bench = Bench::start(&[]).await;
    let world = &bench.world;
    let program = world.program(json!({})).await;
    let key = key(&program, 60).await;
    let convert = || {
        world
            .request(Method::POST, &program.path("/conversions"))
            .bearer_auth(&key)
            .header("idempotency-key", "order-1")
            .json(&purchase("order-1", json!({})))
    };
    let first = world.send(convert()).await;
    assert_eq!((first.status.as_u16(), left(&first)), (201, (9, 1)));
    let again = world.send(convert()).await;
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(left(&again).0, 8);
    for (path, status) in [
        (program.path("/rewards?nope=1"), 422),
        (program.path("/payouts"), 403),
        (program.path("/rewards/rwd_x"), 404),
        (
            "/v1/programs/prg_00000000000000000000000000".to_owned(),
            404,
        ),
    ] {
        let answer = world.get(&key, &path).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(!answer.header("ratelimit").is_empty(), "{path}");
    }
    let unknown = world
        .get("kith_test_key_00000000000000000000000000_x", "/v1/keys")
        .await;
    assert_eq!(
        (unknown.status.as_u16(), unknown.header("ratelimit")),
        (401, "")
    );
    let operator = world.get(&program.key, "/v1/keys").await;
    assert_eq!(operator.header("ratelimit-policy"), "\"key\";q=1000;w=10");
    bench.world.bundle.shutdown().await;
}

/// A limit must not stop the orders that it protects.
#[tokio::test(flavor = "multi_thread")]
async fn calls_pass_while_the_table_cannot_be_asked_for_a_lease() {
    let bench = Bench::start(&[]).await;
    let program = bench.world.program(json!({})).await;
    let key = key(&program, 60).await;
    bench
        .world
        .plan(|operation| (operation == "UpdateItem").then_some(Fault::Throttle));
    for number in 0..20 {
        let body = purchase(&format!("order-{number}"), json!({}));
        let answer = bench
            .world
            .post(&key, &program.path("/conversions"), body)
            .await;
        assert_eq!(answer.status, 201, "{}", answer.text);
    }
    bench.world.heal();
    bench.clock.by_seconds(1);
    let mut passed = 0;
    while bench
        .world
        .get(&key, &program.path("/rewards"))
        .await
        .status
        == 200
    {
        passed += 1;
    }
    assert_eq!(passed, 10);
    bench.world.bundle.shutdown().await;
}

/// Guessing keys costs the table a few reads, takes nothing from a real key, and stops nobody who
/// is known.
#[tokio::test(flavor = "multi_thread")]
async fn made_up_keys_are_soon_refused_without_a_read() {
    let bench = Bench::start(&[("KITH_FAILURES_PER_MINUTE", "20")]).await;
    let world = &bench.world;
    let program = world.program(json!({})).await;
    let key = key(&program, 600).await;
    let path = program.path("/rewards");
    let first = world.get(&key, &path).await;
    assert_eq!((first.status.as_u16(), left(&first).0), (200, 99));
    bench.meter.take();
    // The real id with a wrong secret, and keys that do not exist.
    let wrong = format!("{key}0");
    for number in 0..50 {
        let made_up = "kith_test_key_00000000000000000000000000_x";
        let bad = if number % 2 == 0 { &wrong } else { made_up };
        let answer = world.get(bad, &path).await;
        if number < 20 {
            assert_eq!(answer.problem(401), "unauthenticated", "{number}");
        } else {
            assert_eq!(answer.problem(429), "too_many_requests", "{number}");
            assert_eq!(answer.header("retry-after"), "3");
        }
        assert_eq!(answer.header("ratelimit"), "");
    }
    let bill = bench.bill();
    assert_eq!(
        (bill.reads, bill.leases, bill.write_units),
        (20, 0, 0.0),
        "{bill:?}"
    );
    // Whoever is known goes on, at the same address; the bucket is as it was.
    let second = world.get(&key, &path).await;
    assert_eq!((second.status.as_u16(), left(&second).0), (200, 98));
    world.get(&program.key, "/v1/keys").await.expect(200);
    bench.clock.by_seconds(3);
    assert_eq!(
        world.get(&wrong, &path).await.problem(401),
        "unauthenticated"
    );
    bench.world.bundle.shutdown().await;
}

/// What ended is forgotten here too: a revoked key is read again, and counted as any other guess.
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_not_told_of_its_limit() {
    let bench = Bench::start(&[]).await;
    let world = &bench.world;
    let program = world.program(json!({})).await;
    let key = key(&program, 60).await;
    let path = program.path("/rewards");
    world.get(&key, &path).await.expect(200);
    let id = key
        .strip_prefix("kith_test_")
        .unwrap()
        .rsplit_once('_')
        .unwrap()
        .0;
    let revoke = world
        .request(Method::DELETE, &format!("/v1/keys/{id}"))
        .bearer_auth(&program.key);
    assert_eq!(world.send(revoke).await.status, 204);
    // The call that finds it out had a place in the bucket; none has afterwards.
    assert_eq!(world.get(&key, &path).await.problem(401), "unauthenticated");
    let next = world.get(&key, &path).await;
    assert_eq!((next.status.as_u16(), next.header("ratelimit")), (401, ""));
    bench.world.bundle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_use_of_a_key_is_told_to_the_hour() {
    let bench = Bench::start(&[]).await;
    let world = &bench.world;
    let program = world.program(json!({})).await;
    let key = key(&program, 60).await;
    let id = key
        .strip_prefix("kith_test_")
        .unwrap()
        .rsplit_once('_')
        .unwrap()
        .0;
    let path = format!("/v1/keys/{id}");
    let used = async || world.get(&program.key, &path).await.expect(200)["last_used_at"].clone();
    assert_eq!(used().await, Value::Null);
    for hours in [0, 1] {
        bench.clock.by_seconds(hours * 3_600);
        world.get(&key, &program.path("/rewards")).await.expect(200);
        let second = bench.clock.now().as_second() / 3_600 * 3_600;
        let hour = Timestamp::from_second(second).unwrap();
        assert_eq!(used().await, hour.to_string());
    }
    let listed = world.get(&program.key, "/v1/keys").await.expect(200);
    assert_eq!(listed["data"][0]["last_used_at"], used().await);
    bench.world.bundle.shutdown().await;
}

/// Somebody's machines may click a link as often as they like: people get where it leads.
#[tokio::test(flavor = "multi_thread")]
async fn links_redirect_when_their_budget_of_writes_is_spent() {
    let bench = Bench::start(&[("KITH_LINK_CLICKS_PER_MINUTE", "20")]).await;
    let world = &bench.world;
    let program = world.program_of(&world.live_key(), json!({})).await;
    let ann = program.referrer("ann").await;
    let link = program.link(&ann);
    let visit = async |number: usize| {
        let request = world.request(Method::GET, &link);
        let agent = format!("{BROWSER} visit/{number}");
        world.send(request.header("user-agent", agent)).await
    };
    visit(0).await;
    bench.meter.take();
    for number in 1..30 {
        assert_eq!(visit(number).await.status, 302);
    }
    // A warm click is one write, as it would be without a limit.
    let bill = bench.bill();
    assert_eq!(
        (bill.writes, bill.reads, bill.leases),
        (29, 0, 0),
        "{bill:?}"
    );
    let mut token = String::new();
    for number in 30..200 {
        let answer = visit(number).await;
        assert_eq!(answer.status, 302);
        // Redirects say nothing of limits: whoever reads it might wait before following.
        assert_eq!(answer.header("ratelimit"), "");
        assert!(answer.header("set-cookie").starts_with("kith_click="));
        token = crate::world::click_token(&answer);
    }
    let bill = bench.bill();
    // What an instance writes unasked is used up; 20 more come from the link's bucket.
    assert_eq!((bill.writes, bill.reads), (20, 0), "{bill:?}");
    assert!(bill.leases <= 21, "{bill:?}");
    // A click that was not written attributes as any other.
    let body = json!({"click_tokens": [token]});
    let converted = program.convert("order-1", body).await.expect(201);
    assert_eq!(converted["attribution"]["referrer_id"], ann["id"]);
    // Later clicks are written again.
    bench.clock.by_seconds(60);
    bench.meter.take();
    visit(1_000).await;
    assert_eq!(bench.bill().writes, 1);
    bench.world.bundle.shutdown().await;
}

/// Guessing codes costs the table a few reads; links that are known lead on meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn guessed_codes_are_soon_refused_without_a_read() {
    let bench = Bench::start(&[("KITH_FAILURES_PER_MINUTE", "20")]).await;
    let world = &bench.world;
    let program = world.program_of(&world.live_key(), json!({})).await;
    let ann = program.referrer("ann").await;
    let link = program.link(&ann);
    assert_eq!(world.visit(&link).await.status, 302);
    bench.meter.take();
    for number in 0..50 {
        let answer = world.visit(&format!("/r/GUESS-{number}")).await;
        assert_eq!(
            answer.status,
            if number < 20 { 404 } else { 429 },
            "{number}"
        );
    }
    assert_eq!(bench.bill().reads, 20);
    let json = world
        .request(Method::GET, "/r/GUESS-99")
        .header("accept", "application/json");
    let json = world.send(json.header("user-agent", BROWSER)).await;
    assert_eq!(json.problem(429), "too_many_requests");
    assert_eq!(world.visit(&link).await.status, 302);
    bench.clock.by_seconds(60);
    assert_eq!(world.visit("/r/GUESS-100").await.status, 404);
    bench.world.bundle.shutdown().await;
}
