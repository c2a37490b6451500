//! What calls ask of the table: the numbers of docs/DATA-MODEL.md and docs/SUPPORT.md, counted.
#![allow(clippy::float_arithmetic, reason = "units come in halves")]

use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};

use crate::orders::Shop;
use crate::samples;
use crate::workload::budgets::{OPERATIONS, WEIGHTS};
use crate::workload::history::History;
use crate::workload::meter::{Call, Meter};
use crate::workload::{Figures, Operation, Ready, Stage, cold};
use crate::world::{Answer, Program, World, purchase, text};

/// A world in which everything that functions ask of the table is counted.
struct Bench {
    world: World,
    meter: Meter,
}

/// What somebody asked of the table, but for what a key may still call.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Cost {
    /// Requests that read.
    requests: usize,
    /// Read units.
    read: f64,
    /// Actions of the transactions.
    actions: usize,
    /// Write units of the table.
    table: f64,
    /// Write units of the indexes.
    indexes: f64,
}

/// So many requests that read so many units.
fn reads(requests: usize, read: f64) -> Cost {
    Cost {
        requests,
        read,
        ..Cost::default()
    }
}

/// What is read, and a transaction of so many actions and units.
fn writes(reads: Cost, actions: usize, table: f64, indexes: f64) -> Cost {
    Cost {
        actions,
        table,
        indexes,
        ..reads
    }
}

impl Cost {
    fn of<'a>(calls: impl IntoIterator<Item = &'a Call>) -> Self {
        let mut cost = Self::default();
        for call in calls {
            match call.operation.as_str() {
                "UpdateItem" => {}
                "TransactWriteItems" | "PutItem" => {
                    assert!(!call.refused, "{call:?}");
                    cost.actions += call.items;
                    cost.table += call.write - call.indexes;
                    cost.indexes += call.indexes;
                }
                _ => {
                    cost.requests += 1;
                    cost.read += call.read;
                }
            }
        }
        cost
    }
}

impl Bench {
    async fn start() -> Self {
        let meter = Meter::default();
        let of_functions = meter.clone();
        let world = World::with(|options| {
            options.variables.extend(samples::unlimited());
            let faults = options.wrap_client.take().unwrap();
            options.wrap_client = Some(Arc::new(move |package: &str, inner| {
                of_functions.over(package, faults(package, inner))
            }));
        })
        .await;
        Self { world, meter }
    }

    /// The program of the README's tour.
    async fn program(&self) -> Program<'_> {
        let change = json!({"hold_days": 14, "surveys": [
            {"id": "after-reward", "on": "reward.issued", "to": "referrer", "delay_hours": 24}]});
        self.world.program(change).await
    }

    /// What the function behind a call asked while it was made.
    async fn cost(&self, call: impl Future<Output = Answer>) -> (Answer, Cost) {
        self.world.settle().await;
        self.meter.take();
        let answer = call.await;
        let calls = self.meter.take();
        assert!(answer.status.is_success(), "{}", answer.text);
        let api = |call: &&Call| {
            matches!(
                call.package.as_str(),
                "program-api" | "conversion-recording"
            )
        };
        (answer, Cost::of(calls.iter().filter(api)))
    }
}

fn id(value: &Value) -> &str {
    text(&value["id"])
}

/// The calls of docs/SUPPORT.md.
#[tokio::test(flavor = "multi_thread")]
async fn what_support_asks_costs_what_the_documents_say() {
    let bench = Bench::start().await;
    let program = bench.program().await;
    let ann = program.referrer("ann").await;
    let order = json!({"codes": [ann["code"]]});
    let order = program.convert("order-1", order).await.expect(201);
    program.advance(14 * 86_400).await;
    let refund = json!({"external_id": "r-1", "reason": "refund",
        "amount": {"amount": 1_500, "currency": "EUR"}});
    let path = format!("/conversions/{}/refunds", id(&order));
    let refund = program.post(&path, refund).await.expect(201);
    let key = samples::key_of(&program, &samples::all_scopes()).await;
    let key = text(&key["key"]);
    let person = format!("/participants/{}", id(&ann));
    let change = json!({"first_name": "Annabel"});
    program.patch(&person, change).await.expect(200);
    program.convert("alone", json!({})).await.expect(201);
    let search = "/participants/search";
    for (path, body, cost) in [
        (
            search,
            Some(json!({"email": "ann@example.com"})),
            reads(2, 4.0),
        ),
        (search, Some(json!({"external_id": "ann"})), reads(2, 4.0)),
        (search, Some(json!({"code": ann["code"]})), reads(2, 4.0)),
        (&format!("{person}/timeline"), None, reads(10, 18.0)),
        (
            "/conversions?event=purchase&external_id=order-1",
            None,
            reads(3, 7.0),
        ),
        (
            "/conversions?event=purchase&external_id=alone",
            None,
            reads(2, 4.0),
        ),
        (
            "/conversions?event=purchase&external_id=nobody",
            None,
            reads(1, 3.0),
        ),
        (&format!("/conversions/{}", id(&order)), None, reads(2, 6.0)),
        (&format!("/refunds/{}", id(&refund)), None, reads(1, 3.0)),
        (&format!("/audit?object={}", id(&ann)), None, reads(3, 3.5)),
    ] {
        // A program's key is read with the first of them.
        let more = Cost {
            read: cost.read + 1.0,
            ..cost
        };
        for (key, cost) in [(program.key.as_str(), cost), (key, more)] {
            let path = program.path(path);
            let call = async {
                match &body {
                    Some(body) => bench.world.post(key, &path, body.clone()).await,
                    None => bench.world.get(key, &path).await,
                }
            };
            assert_eq!(bench.cost(call).await.1, cost, "{path}");
        }
    }
    // A live program has no clock.
    let program = bench
        .world
        .program_of(&bench.world.live_key(), json!({}))
        .await;
    program.referrer("ann").await;
    let key = samples::key_of(&program, &["participants:read"]).await;
    let (path, body) = (program.path(search), json!({"external_id": "ann"}));
    let found = bench.world.post(text(&key["key"]), &path, body);
    assert_eq!(bench.cost(found).await.1, reads(2, 4.0));
    bench.world.bundle.shutdown().await;
}

async fn bulk(program: &Program<'_>, path: &str, lines: &[Value]) -> Answer {
    let lines: Vec<String> = lines.iter().map(|line| format!("{line}\n")).collect();
    let request = program.world.request(Method::POST, &program.path(path));
    let request = request
        .bearer_auth(&program.key)
        .header("content-type", "application/x-ndjson");
    let answer = program.world.send(request.body(lines.concat())).await;
    let told = answer.text.lines();
    let told: Vec<Value> = told
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(told.iter().all(|line| line["status"] == 201), "{told:?}");
    answer
}

/// Lines cost what as many calls cost, and a little to open.
#[tokio::test(flavor = "multi_thread")]
async fn a_line_costs_what_a_call_costs() {
    let bench = Bench::start().await;
    let program = bench.program().await;
    let ann = program.referrer("ann").await;
    let attributed =
        |number: usize| purchase(&format!("order-{number}"), json!({"codes": [ann["code"]]}));
    let plain = |number: usize| purchase(&format!("plain-{number}"), json!({}));
    let join = |number: usize| json!({"external_id": format!("p-{number}"), "email": format!("p{number}@example.com")});
    // From here on the referrer's counters and balance are there.
    program
        .post("/conversions", attributed(100))
        .await
        .expect(201);
    for (path, line, cost) in [
        (
            "/conversions",
            &attributed as &dyn Fn(usize) -> Value,
            writes(reads(1, 10.0), 12, 30.0, 12.0),
        ),
        ("/conversions", &plain, writes(reads(1, 5.0), 6, 12.0, 3.0)),
        ("/participants", &join, writes(reads(1, 4.0), 5, 10.0, 1.0)),
    ] {
        let (_, single) = bench.cost(program.post(path, line(99))).await;
        assert_eq!(single, cost, "{path}");
        let lines: Vec<Value> = (0..5).map(line).collect();
        let (_, many) = bench
            .cost(bulk(&program, &format!("{path}/bulk"), &lines))
            .await;
        let opened = reads(1 + 5 * cost.requests, 2.0 + 5.0 * cost.read);
        let five = writes(
            opened,
            5 * cost.actions,
            5.0 * cost.table,
            5.0 * cost.indexes,
        );
        assert_eq!(many, five, "{path}");
    }
    bench.world.bundle.shutdown().await;
}

/// What a shop system tells costs what the API's call costs, and a request that says whom to believe.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_of_a_shop_system_costs_what_a_call_costs() {
    let bench = Bench::start().await;
    let program = bench.program().await;
    let ann = program.referrer("ann").await;
    program
        .convert("order-1", json!({"codes": [ann["code"]]}))
        .await
        .expect(201);
    let shop = Shop::of(&program, "shopify").await;
    let paid = shop.order(1, shop.kept("kith_code", text(&ann["code"])));
    for (event, cost) in [
        (&paid, writes(reads(2, 11.0), 12, 30.0, 12.0)),
        // Told again.
        (&paid, reads(4, 14.0)),
        (
            &shop.order(2, json!({})),
            writes(reads(2, 6.0), 6, 12.0, 3.0),
        ),
        // Of no topic that is recorded, and with nothing in it.
        (&("products/update", json!({})), reads(1, 3.0)),
        (
            &("orders/paid", json!({})),
            writes(reads(1, 3.0), 1, 2.0, 0.0),
        ),
    ] {
        assert_eq!(bench.cost(shop.tell(event)).await.1, cost, "{}", event.1);
    }
    bench.world.bundle.shutdown().await;
}

/// A merge: what it begins with, and each step of what is carried over.
#[tokio::test(flavor = "multi_thread")]
async fn a_merge_costs_what_the_documents_say() {
    let bench = Bench::start().await;
    let program = bench.program().await;
    let ann = program.referrer("ann").await;
    let bea = program.referrer("bea").await;
    for number in 0..9 {
        let body = json!({"codes": [bea["code"]]});
        let order = format!("order-{number}");
        program.convert(&order, body).await.expect(201);
    }
    program.advance(16 * 86_400).await;
    let path = program.path(&format!("/participants/{}/merge", id(&bea)));
    let body = json!({"into": ann["id"], "reason": "the same person"});
    let request = bench.world.request(Method::POST, &path);
    let request = request.header("idempotency-key", "merge").json(&body);
    bench.world.settle().await;
    bench.meter.take();
    let merged = bench.world.send(request.bearer_auth(&program.key)).await;
    merged.expect(201);
    bench.world.settle().await;
    let calls = bench.meter.take();
    let begun = calls.iter().filter(|call| call.package == "program-api");
    assert_eq!(Cost::of(begun), writes(reads(5, 16.0), 13, 26.0, 4.0));
    let mut steps = Vec::new();
    let mut step = Vec::new();
    let worker = |call: &&Call| call.package == "reward-disbursement";
    for call in calls.iter().filter(worker) {
        step.push(call);
        if call.operation == "TransactWriteItems" {
            steps.push(Cost::of(std::mem::take(&mut step)));
        }
    }
    assert_eq!(
        steps,
        [
            // Whom the source has brought is counted with the target.
            writes(reads(3, 5.0), 2, 4.0, 0.0),
            // When somebody was asked last.
            writes(reads(4, 7.0), 3, 6.0, 0.0),
            // Seven rewards with what they are worth, and the two that are left.
            writes(reads(7, 23.0), 25, 66.0, 15.0),
            writes(reads(7, 13.0), 10, 24.0, 4.0),
            // Nine bonds, conversions and surveys.
            writes(reads(11, 21.0), 10, 20.0, 18.0),
            writes(reads(12, 21.5), 10, 38.0, 18.0),
            writes(reads(14, 22.5), 10, 20.0, 18.0),
            // Nothing is left.
            writes(reads(13, 13.5), 1, 2.0, 3.0),
        ]
    );
    bench.world.bundle.shutdown().await;
}

/// How many of each are measured.
fn count(operation: &Operation) -> usize {
    if cold(operation) { 1 } else { 3 }
}

/// Holds what operations ask for against their budgets, and gives every one that is over or under.
async fn misses(stage: &Stage, all: &[(&Operation, Ready)]) -> Vec<String> {
    let mut misses = Vec::new();
    for (operation, ready) in all {
        for calls in ready.measure(stage).await {
            let figures = Figures::of(&calls);
            if !figures.keeps(&operation.budget) {
                misses.push(format!("{}: {figures:?}", operation.name));
            }
        }
    }
    misses
}

/// The budgets of the harness: requests, units, calls and bytes of each operation, in a table that is
/// empty and in one with a history.
#[tokio::test(flavor = "multi_thread")]
async fn operations_keep_their_budgets_whatever_is_in_the_table() {
    for history in [0, 200] {
        let stage = Stage::open().await;
        let mut all = Vec::new();
        for operation in &OPERATIONS {
            let ready = operation.ready(&stage, count(operation)).await;
            if history > 0 {
                History::of(&stage.shop, &ready.program).await.grow(history);
            }
            all.push((operation, ready));
        }
        let misses = misses(&stage, &all).await;
        assert!(misses.is_empty(), "with {history} items: {misses:#?}");
        stage.shop.bundle.shutdown().await;
    }
}

/// Every package that is compiled into a function is fetched, reviewed and loaded with it.
#[test]
fn functions_keep_their_budgets_of_dependencies() {
    let mut misses = Vec::new();
    for weight in &WEIGHTS {
        let found = weight.dependencies();
        if found > weight.dependencies_max {
            misses.push(format!("{}: {found}", weight.package));
        }
    }
    assert!(misses.is_empty(), "{misses:#?}");
}
