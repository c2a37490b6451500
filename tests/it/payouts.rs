//! Payouts, and the ledger as it is read: what is listed, paid, failed, returned, and summed up.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::StreamExt;
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use kith_domain::id::{Id, Kind, ParticipantId, PayoutId, ProgramId, RewardId};
use kith_domain::ledger::{Account, Line, transfer};
use kith_domain::mode::Mode;
use kith_domain::money::Unit;
use kith_domain::payout::{Payout, PayoutLine};
use kith_edge::Invocation;
use kith_store::faults::Fault;
use kith_store::items::{LedgerReason, Lot};
use kith_store::wake::Message;
use kith_store::{BalanceGuard, Commit, ProgramScope, Store, Was, keys};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::books::{all, audit};
use crate::workers;
use crate::world::{Answer, Program, World, text};

/// Five euros for the referrer of every purchase, at once and without limit.
fn rules() -> Value {
    json!({
        "incentives": [{"id": "thank-you", "on": "purchase", "beneficiary": "referrer",
            "reward": {"kind": "cash", "amount": {"amount": 500, "currency": "EUR"}}}],
        "surveys": [],
    })
}

fn euro() -> Unit {
    Unit::Currency("EUR".parse().unwrap())
}

fn id<K: Kind>(value: &Value) -> Id<K> {
    text(&value["id"]).parse().unwrap()
}

/// The participant earns five euros by each of these orders.
async fn earn(program: &Program<'_>, participant: &Value, orders: &[&str]) {
    for order in orders {
        program
            .convert(order, json!({"codes": [participant["code"]]}))
            .await
            .expect(201);
    }
    program.world.settle().await;
}

async fn run(program: &Program<'_>, change: Value) -> Answer {
    let mut body = json!({"currency": "EUR"});
    for (name, value) in change.as_object().unwrap() {
        body[name] = value.clone();
    }
    program.post("/payouts", body).await
}

/// Asks for a payout and waits until it is built.
async fn built(program: &Program<'_>, change: Value) -> Value {
    let made = run(program, change).await.expect(201);
    assert_eq!(made["state"], "building");
    program.world.settle().await;
    let path = format!("/payouts/{}", text(&made["id"]));
    program.get(&path).await.expect(200)
}

async fn lines(program: &Program<'_>, payout: &Value) -> Vec<Value> {
    all(program, &format!("/payouts/{}/lines", text(&payout["id"]))).await
}

async fn mark(program: &Program<'_>, payout: &Value, of: &Value, state: &str) -> Answer {
    let (payout, of) = (text(&payout["id"]), text(&of["id"]));
    let body = json!({"state": state, "reference": format!("bank: {state}")});
    program
        .post(&format!("/payouts/{payout}/lines/{of}"), body)
        .await
}

async fn close(program: &Program<'_>, payout: &Value) -> Answer {
    let path = format!("/payouts/{}/close", text(&payout["id"]));
    program.post(&path, json!({})).await
}

/// Available, in payout, paid.
async fn euros(program: &Program<'_>, participant: &Value) -> [i64; 3] {
    let balance = program.balance(participant, "EUR").await;
    ["available", "in_payout", "paid"].map(|part| balance[part].as_i64().unwrap_or(0))
}

/// The states of all rewards, counted.
async fn states(program: &Program<'_>, state: &str) -> usize {
    all(program, &format!("/rewards?state={state}")).await.len()
}

pub(crate) fn store(world: &World) -> Store {
    let environment = world.bundle.environment("due-work").unwrap();
    Store::new(
        world.bundle.dynamodb(),
        &environment.variables["KITH_TABLE"],
    )
}

fn now() -> Timestamp {
    Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap()
}

pub(crate) fn commit(program: &Program<'_>, seed: u64) -> Commit {
    let scope = ProgramScope {
        id: program.id.parse().unwrap(),
        mode: Mode::Test,
        shards: 1,
        surveyed: BTreeSet::new(),
        heard_of: None,
    };
    let mut bytes = [7; 16];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    Commit::new(&scope, now(), now(), bytes)
}

/// Value moves for a reason of no other function's.
async fn book(program: &Program<'_>, seed: u64, reason: LedgerReason, lines: &[Line]) {
    let mut commit = commit(program, seed);
    commit.ledger(reason, None, lines);
    store(program.world).commit(commit).await.unwrap();
}

/// What a refund does when the reward is in a payout already: it is charged.
async fn charge(program: &Program<'_>, seed: u64, participant: &Value, amount: i64) {
    let theirs = Account::Receivable(id(participant));
    let lines = transfer(theirs, Account::Expense, euro(), amount);
    book(program, seed, LedgerReason::RewardTakenBack, &lines).await;
}

/// Asking twice, by one or by two at once, pays once; so does telling twice that a line is paid.
#[tokio::test(flavor = "multi_thread")]
async fn a_payout_run_twice_pays_once() {
    let world = World::start().await;
    let program = world.program(rules()).await;
    let ann = program.referrer("ann").await;
    earn(&program, &ann, &["ann-1", "ann-2"]).await;
    let asked = join_all((0..6).map(|_| run(&program, json!({})))).await;
    let made = |status: u16| {
        asked
            .iter()
            .filter(|answer| answer.status == status)
            .count()
    };
    assert_eq!((made(201), made(200)), (1, 5), "{asked:?}");
    let ids: BTreeSet<String> = asked
        .iter()
        .map(|answer| text(&answer.json()["id"]).to_owned())
        .collect();
    assert_eq!(ids.len(), 1);
    world.settle().await;
    let payout = run(
        &program,
        json!({"minimum": {"amount": 1, "currency": "EUR"}}),
    )
    .await;
    let payout = payout.expect(200);
    assert_eq!(payout["state"], "open", "{payout}");
    let euro = |amount: i64| json!({"amount": amount, "currency": "EUR"});
    assert_eq!(
        payout["totals"],
        json!({"lines": 1, "open": 1, "paid": 0, "failed": 0, "returned": 0, "amount": euro(1000)})
    );
    let listed = lines(&program, &payout).await;
    assert_eq!(
        (&listed[0]["amount"], &listed[0]["state"]),
        (&euro(1000), &json!("open"))
    );
    assert_eq!(listed[0]["reward_ids"].as_array().unwrap().len(), 2);
    assert_eq!(euros(&program, &ann).await, [0, 1000, 0]);
    let problem = close(&program, &payout).await;
    assert_eq!(problem.problem(409), "payout_open_lines");
    assert_eq!(problem.json()["open"], 1);

    assert_eq!(
        mark(&program, &payout, &ann, "returned").await.problem(409),
        "line_state"
    );
    let twice = [
        mark(&program, &payout, &ann, "paid"),
        mark(&program, &payout, &ann, "paid"),
    ];
    for answer in join_all(twice).await {
        let line = answer.expect(200);
        assert_eq!(
            (&line["state"], &line["reference"]),
            (&json!("paid"), &json!("bank: paid"))
        );
    }
    assert_eq!(
        mark(&program, &payout, &ann, "failed").await.problem(409),
        "line_state"
    );
    world.settle().await;
    assert_eq!(euros(&program, &ann).await, [0, 0, 1000]);
    assert_eq!(states(&program, "redeemed").await, 2);
    let closed = close(&program, &payout).await.expect(200);
    assert_eq!(
        (&closed["state"], &closed["totals"]["paid"]),
        (&json!("closed"), &json!(1))
    );
    assert_eq!(close(&program, &payout).await.expect(200), closed);

    // Nobody has anything left: the next payout closes itself, and makes room for the one after.
    let empty = built(&program, json!({})).await;
    assert_eq!(
        (&empty["state"], &empty["totals"]["lines"]),
        (&json!("closed"), &json!(0))
    );
    run(&program, json!({})).await.expect(201);
    world.settle().await;
    let events = all_events(&program).await;
    let told = |kind: &str| events.iter().filter(|told| *told == kind).count();
    assert_eq!(told("payout.opened"), 1, "{events:?}");
    assert_eq!(told("payout.line_paid"), 1);
    assert_eq!(told("payout.closed"), 3);
    assert_eq!(told("reward.redeemed"), 2);
    assert_eq!(all(&program, "/payouts").await.len(), 3);
    assert_eq!(all(&program, "/payouts?state=open").await.len(), 0);
    audit(&program).await;
    world.bundle.shutdown().await;
}

/// The types of all events, in order.
async fn all_events(program: &Program<'_>) -> Vec<String> {
    let page = program.get("/events?limit=100").await.expect(200);
    let data = page["data"].as_array().unwrap();
    data.iter()
        .map(|event| text(&event["type"]).to_owned())
        .collect()
}

/// What could not be paid, and what the bank sent back, is paid the next time, with the same rewards.
#[tokio::test(flavor = "multi_thread")]
async fn what_failed_or_came_back_is_paid_the_next_time() {
    let world = World::start().await;
    let program = world.program(rules()).await;
    let (ann, bob) = (program.referrer("ann").await, program.referrer("bob").await);
    earn(&program, &ann, &["ann-1", "ann-2"]).await;
    earn(&program, &bob, &["bob-1"]).await;
    let first = built(&program, json!({})).await;
    let of = |lines: &[Value], whose: &Value| {
        let mut lines = lines.iter();
        let line = lines.find(|line| line["participant_id"] == whose["id"]);
        line.cloned().unwrap_or(Value::Null)
    };
    let listed = lines(&program, &first).await;
    mark(&program, &first, &ann, "failed").await.expect(200);
    mark(&program, &first, &ann, "failed").await.expect(200);
    mark(&program, &first, &bob, "paid").await.expect(200);
    world.settle().await;
    assert_eq!(euros(&program, &ann).await, [1000, 0, 0]);
    assert_eq!(
        (
            states(&program, "issued").await,
            states(&program, "redeemed").await
        ),
        (2, 1)
    );
    close(&program, &first).await.expect(200);
    // The bank takes its time: the payout is closed long since.
    mark(&program, &first, &bob, "returned").await.expect(200);
    mark(&program, &first, &bob, "returned").await.expect(200);
    world.settle().await;
    assert_eq!(euros(&program, &bob).await, [500, 0, 0]);
    assert_eq!(states(&program, "issued").await, 3);
    audit(&program).await;

    let second = built(&program, json!({})).await;
    let again = lines(&program, &second).await;
    assert_eq!(again.len(), 2);
    for whose in [&ann, &bob] {
        let (before, now) = (of(&listed, whose), of(&again, whose));
        assert_eq!(before["reward_ids"], now["reward_ids"]);
        assert_eq!(before["amount"], now["amount"]);
        mark(&program, &second, whose, "paid").await.expect(200);
    }
    world.settle().await;
    assert_eq!(states(&program, "redeemed").await, 3);
    let states: Vec<Value> = all(&program, &format!("/payouts/{}/lines", text(&first["id"])))
        .await
        .iter()
        .map(|line| line["state"].clone())
        .collect();
    assert_eq!(states, ["failed", "returned"]);
    audit(&program).await;
    world.bundle.shutdown().await;
}

/// A refund while a payout is open leaves its line alone, since the money may be on its way. What is
/// owed is set off before anything is paid again, and nobody is ever paid a negative balance.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_owed_is_set_off_before_anything_is_paid() {
    let world = World::start().await;
    let program = world.program(rules()).await;
    let ann = program.referrer("ann").await;
    earn(&program, &ann, &["ann-1", "ann-2"]).await;
    let first = built(&program, json!({})).await;
    charge(&program, 1, &ann, 700).await;
    assert_eq!(euros(&program, &ann).await, [-700, 1000, 0]);
    assert_eq!(lines(&program, &first).await[0]["amount"]["amount"], 1000);
    mark(&program, &first, &ann, "paid").await.expect(200);
    close(&program, &first).await.expect(200);

    // She owes 7 euros and earns 5: nothing is paid, and nothing is lost.
    earn(&program, &ann, &["ann-3"]).await;
    assert_eq!(built(&program, json!({})).await["state"], "closed");
    assert_eq!(euros(&program, &ann).await, [-200, 0, 1000]);
    // 3 euros are too little for a payout from 4 on.
    earn(&program, &ann, &["ann-4"]).await;
    let from_four = json!({"minimum": {"amount": 400, "currency": "EUR"}});
    assert_eq!(built(&program, from_four).await["state"], "closed");
    assert_eq!(euros(&program, &ann).await, [300, 0, 1000]);
    let second = built(
        &program,
        json!({"minimum": {"amount": 300, "currency": "EUR"}}),
    )
    .await;
    let line = lines(&program, &second).await.remove(0);
    assert_eq!(line["amount"]["amount"], 300, "{line}");
    assert_eq!(line["reward_ids"].as_array().unwrap().len(), 2);
    assert_eq!(euros(&program, &ann).await, [0, 300, 1000]);
    let netted = all(&program, "/ledger/entries?account=receivable").await;
    let netted: Vec<(&str, i64)> = netted
        .iter()
        .map(|entry| (text(&entry["reason"]), entry["amount"].as_i64().unwrap()))
        .collect();
    assert_eq!(netted, [("reward.taken_back", -700), ("netted", 700)]);
    mark(&program, &second, &ann, "paid").await.expect(200);
    world.settle().await;
    assert_eq!(states(&program, "redeemed").await, 4);
    audit(&program).await;
    world.bundle.shutdown().await;
}

/// Whoever is suspended gets no line; what was credited at `until` or later waits.
#[tokio::test(flavor = "multi_thread")]
async fn a_payout_has_its_bounds() {
    let world = World::start().await;
    let program = world.program(rules()).await;
    let (ann, bob) = (program.referrer("ann").await, program.referrer("bob").await);
    earn(&program, &bob, &["bob-1"]).await;
    let bobs = format!("/participants/{}", text(&bob["id"]));
    let suspend = |state: &str| program.patch(&bobs, json!({"state": state}));
    suspend("suspended").await.expect(200);
    earn(&program, &ann, &["ann-1"]).await;
    let rewards = all(
        &program,
        &format!("/rewards?beneficiary_id={}", text(&ann["id"])),
    )
    .await;
    let issued_at = rewards[0]["issued_at"].clone();
    let early = built(&program, json!({"until": issued_at})).await;
    assert_eq!(early["state"], "closed", "{early}");
    let later = text(&issued_at).parse::<Timestamp>().unwrap() + SignedDuration::from_millis(1);
    let payout = built(&program, json!({"until": later.to_string()})).await;
    assert_eq!(payout["until"], later.to_string());
    let listed = lines(&program, &payout).await;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["external_id"], "ann");
    // A line is settled by itself, and a name that is not in the payout is not found.
    assert_eq!(
        mark(&program, &payout, &bob, "paid").await.problem(404),
        "not_found"
    );
    mark(&program, &payout, &ann, "paid").await.expect(200);
    close(&program, &payout).await.expect(200);
    suspend("active").await.expect(200);
    let next = built(&program, json!({"until": "2199-01-01T00:00:00Z"})).await;
    assert!(
        text(&next["until"]).starts_with("20"),
        "later than now is now: {next}"
    );
    assert_eq!(lines(&program, &next).await[0]["external_id"], "bob");
    for (body, pointer) in [
        (json!({"currency": "eur"}), "/currency"),
        (
            json!({"currency": "USD", "minimum": {"amount": 1, "currency": "EUR"}}),
            "/minimum/currency",
        ),
        (json!({"currency": "EUR", "mimimum": 1}), "/mimimum"),
    ] {
        let refused = program.post("/payouts", body).await;
        assert_eq!(refused.problem(422), "invalid_request");
        assert_eq!(refused.json()["errors"][0]["pointer"], pointer);
    }
    world.bundle.shutdown().await;
}

/// More credits than a transaction takes are one line still, and all their rewards follow it.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_and_twenty_credits_are_one_line() {
    let world = World::start().await;
    let program = world.program(rules()).await;
    let ann = program.referrer("ann").await;
    let orders = (0..120).map(|number| {
        let (program, code) = (&program, ann["code"].clone());
        async move {
            let order = format!("ann-{number}");
            program
                .convert(&order, json!({"codes": [code]}))
                .await
                .expect(201);
        }
    });
    futures_util::stream::iter(orders)
        .buffer_unordered(8)
        .collect::<Vec<()>>()
        .await;
    world.settle().await;
    let payout = built(&program, json!({})).await;
    assert_eq!(payout["totals"]["lines"], 1);
    assert_eq!(payout["totals"]["amount"]["amount"], 60_000);
    let line = lines(&program, &payout).await.remove(0);
    assert_eq!(line["amount"]["amount"], 60_000);
    let rewards: BTreeSet<&str> = line["reward_ids"]
        .as_array()
        .unwrap()
        .iter()
        .map(text)
        .collect();
    assert_eq!(rewards.len(), 120);
    mark(&program, &payout, &ann, "paid").await.expect(200);
    world.settle().await;
    assert_eq!(states(&program, "redeemed").await, 120);
    mark(&program, &payout, &ann, "returned").await.expect(200);
    world.settle().await;
    assert_eq!(states(&program, "issued").await, 120);
    assert_eq!(euros(&program, &ann).await, [60_000, 0, 0]);
    audit(&program).await;
    world.bundle.shutdown().await;
}

/// What came from outside is text in a spreadsheet too, and a page leads to the next.
#[tokio::test(flavor = "multi_thread")]
async fn lines_as_csv_are_harmless_and_paged() {
    let world = World::start().await;
    let program = world.program(rules()).await;
    let hostile = "=cmd|' /C calc'!A0";
    let (eve, ann) = (program.referrer("eve").await, program.referrer("ann").await);
    let body = json!({"external_id": hostile, "vanity_code": "EVIL-CODE"});
    let evil = program.post("/participants", body).await.expect(201);
    for (whose, order) in [(&eve, "one"), (&ann, "two"), (&evil, "three")] {
        earn(&program, whose, &[order]).await;
    }
    let payout = built(&program, json!({})).await;
    mark(&program, &payout, &ann, "paid").await.expect(200);
    world.settle().await;
    let path = format!("/payouts/{}/lines", text(&payout["id"]));
    let csv = async |path: &str| {
        let request = world.request(Method::GET, path).bearer_auth(&program.key);
        let answer = world.send(request.header("accept", "text/csv")).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8");
        answer
    };
    let answer = csv(&program.path(&path)).await;
    assert_eq!(
        answer.header("content-disposition"),
        format!("attachment; filename=\"{}.csv\"", text(&payout["id"]))
    );
    assert_eq!(answer.header("link"), "");
    let rows: Vec<&str> = answer.text.split_terminator("\r\n").collect();
    assert_eq!(rows.len(), 4, "{rows:?}");
    assert_eq!(
        rows[0],
        "participant_id,external_id,amount,currency,state,reference,reward_ids"
    );
    assert!(
        answer
            .text
            .contains(",'=cmd|' /C calc'!A0,500,EUR,open,,rwd_"),
        "{rows:?}"
    );
    assert!(!answer.text.contains('@'), "{rows:?}");
    // The same, a line at a time.
    let (mut next, mut seen) = (program.path(&format!("{path}?limit=1")), Vec::new());
    loop {
        let page = csv(&next).await;
        seen.push(
            page.text
                .split_terminator("\r\n")
                .nth(1)
                .unwrap()
                .to_owned(),
        );
        let link = page.header("link").to_owned();
        let Some(link) = link.strip_suffix(">; rel=\"next\"") else {
            break;
        };
        next = link.strip_prefix('<').unwrap().to_owned();
    }
    assert_eq!(seen, rows[1..]);
    let open = all(&program, &format!("{path}?state=open")).await;
    let open: Vec<&str> = open.iter().map(|line| text(&line["external_id"])).collect();
    assert_eq!(open, ["eve", hostile]);
    let refused = program.get(&format!("{path}?state=opne")).await;
    assert_eq!(refused.problem(422), "invalid_request");
    world.bundle.shutdown().await;
}

/// Credits without rewards behind them, as many as are asked for, of 1 cent each.
async fn credit(program: &Program<'_>, participant: &Value, seed: u64, number: usize) {
    let of: ParticipantId = id(participant);
    let program_id: ProgramId = program.id.parse().unwrap();
    for (place, chunk) in (0..number).collect::<Vec<_>>().chunks(40).enumerate() {
        let mut commit = commit(program, seed * 100 + u64::try_from(place).unwrap());
        for _ in chunk {
            let reward = RewardId::new(now(), rand_tail());
            let lot = Lot {
                unit: euro(),
                credited_at: now(),
                name: reward.to_string(),
                reward_ids: vec![reward],
                remaining: 1,
                version: 1,
            };
            commit.lot(program_id, of, &lot, None);
            let lines = transfer(Account::Expense, Account::Liability(of), euro(), 1);
            commit.ledger(LedgerReason::RewardIssued, Some(reward), &lines);
        }
        store(program.world).commit(commit).await.unwrap();
    }
}

/// Ten bytes that nobody had before.
fn rand_tail() -> [u8; 10] {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    let next = u64::try_from(NEXT.fetch_add(1, Ordering::SeqCst)).unwrap();
    let mut tail = [9; 10];
    tail[2..].copy_from_slice(&next.to_be_bytes());
    tail
}

/// Runs the worker on a message, with so many seconds until its deadline.
pub(crate) async fn work(world: &World, message: Message, seconds: i64) {
    let environment = world.bundle.environment("reward-disbursement").unwrap();
    let function = reward_disbursement::function(environment).unwrap();
    let body = serde_json::to_string(&message).unwrap();
    let event = json!({"Records": [{"messageId": "1", "body": body}]});
    let event = serde_json::value::to_raw_value(&event).unwrap();
    let invocation = Invocation {
        request_id: "1".to_owned(),
        deadline: Timestamp::now() + SignedDuration::from_secs(seconds),
    };
    function.invoke(event, invocation).await.unwrap();
}

/// Runs the worker on a message until it has written so many transactions, and lets it die there.
/// `true` when it got to the end.
pub(crate) async fn until_killed(world: &World, message: Message, transactions: usize) -> bool {
    let (begun, dead) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let killed = Arc::clone(&dead);
    world.plan(move |operation| {
        if operation != "TransactWriteItems" || begun.fetch_add(1, Ordering::SeqCst) < transactions
        {
            return None;
        }
        killed.notify_one();
        Some(Fault::Throttle)
    });
    let ended = tokio::select! {
        () = work(world, message, 60) => true,
        () = dead.notified() => false,
    };
    world.heal();
    ended
}

/// The builder, and later the worker that has the rewards follow, dies after each of its steps in
/// turn. Whoever goes on comes to the same lines, and the books are right at every moment.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_between_any_two_steps_is_gone_on_with() {
    let world = World::start().await;
    world.bundle.pause(Some("reward-disbursement"));
    for transactions in 0..8 {
        let program = world.program(rules()).await;
        let (ann, bob) = (program.referrer("ann").await, program.referrer("bob").await);
        let cid = program.referrer("cid").await;
        let seed = u64::try_from(transactions).unwrap() * 10;
        credit(&program, &ann, seed + 1, 90).await;
        credit(&program, &bob, seed + 2, 100).await;
        charge(&program, seed + 3, &bob, 60).await;
        credit(&program, &cid, seed + 4, 1).await;
        charge(&program, seed + 5, &cid, 1).await;
        let payout = run(
            &program,
            json!({"minimum": {"amount": 40, "currency": "EUR"}}),
        )
        .await;
        let payout = payout.expect(201);
        let path = format!("/payouts/{}", text(&payout["id"]));
        let build = Message::Payout {
            program_id: program.id.parse().unwrap(),
            payout_id: id(&payout),
        };
        let ended = until_killed(&world, build, transactions).await;
        // Three steps each for Ann and Bob, and the end.
        assert_eq!(ended, transactions >= 7, "{transactions}");
        audit(&program).await;
        if !ended {
            assert_eq!(program.get(&path).await.expect(200)["state"], "building");
            assert_eq!(
                mark(&program, &payout, &ann, "paid").await.problem(409),
                "payout_building"
            );
            assert_eq!(
                close(&program, &payout).await.problem(409),
                "payout_building"
            );
            assert!(until_killed(&world, build, usize::MAX).await);
        }
        let open = program.get(&path).await.expect(200);
        assert_eq!(open["state"], "open", "{open}");
        assert_eq!(
            (&open["totals"]["lines"], &open["totals"]["open"]),
            (&json!(2), &json!(2))
        );
        assert_eq!(open["totals"]["amount"]["amount"], 130);
        let listed = lines(&program, &payout).await;
        let amounts: Vec<i64> = listed
            .iter()
            .map(|line| line["amount"]["amount"].as_i64().unwrap())
            .collect();
        assert_eq!(amounts, [90, 40]);
        assert_eq!(listed[1]["reward_ids"].as_array().unwrap().len(), 100);
        audit(&program).await;

        mark(&program, &payout, &ann, "paid").await.expect(200);
        let follow = Message::PayoutLine {
            program_id: program.id.parse().unwrap(),
            payout_id: id(&payout),
            participant_id: id(&ann),
        };
        let ended = until_killed(&world, follow, transactions).await;
        assert_eq!(ended, transactions >= 3, "{transactions}");
        let line = line_of(&world, &program, &payout, &ann).await;
        assert_eq!(line.followed, (transactions * 40).min(90), "{transactions}");
        assert!(until_killed(&world, follow, usize::MAX).await);
    }
    world.bundle.shutdown().await;
}

/// The answer to a call with a key is kept, and what is kept is bounded: it does not grow with the
/// rewards of a line.
#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_a_thousand_rewards_is_settled_with_a_key() {
    let world = World::start().await;
    let program = world.program(rules()).await;
    let ann = program.referrer("ann").await;
    credit(&program, &ann, 1, 1_100).await;
    let payout = built(&program, json!({})).await;
    let listed = lines(&program, &payout).await;
    assert_eq!(listed[0]["reward_ids"].as_array().unwrap().len(), 1_100);
    let (payout, ann) = (text(&payout["id"]), text(&ann["id"]));
    let settle = || {
        let path = program.path(&format!("/payouts/{payout}/lines/{ann}"));
        let request = world.request(Method::POST, &path);
        let request = request.bearer_auth(&program.key);
        world.send(
            request
                .header("idempotency-key", "once")
                .json(&json!({"state": "paid"})),
        )
    };
    let first = settle().await.expect(200);
    let again = settle().await;
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.expect(200), first);
    assert_eq!(first["amount"]["amount"], 1_100);
    world.bundle.shutdown().await;
}

/// Charged between two steps, Ann owes all that she has: a line of which nothing is left goes.
#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_comes_to_nothing_goes() {
    let world = World::start().await;
    world.bundle.pause(Some("reward-disbursement"));
    let program = world.program(rules()).await;
    let ann = program.referrer("ann").await;
    credit(&program, &ann, 1, 50).await;
    charge(&program, 2, &ann, 40).await;
    let payout = run(&program, json!({})).await.expect(201);
    let build = Message::Payout {
        program_id: program.id.parse().unwrap(),
        payout_id: id(&payout),
    };
    // The first forty credits are set off.
    assert!(!until_killed(&world, build, 1).await);
    assert_eq!(lines(&program, &payout).await[0]["amount"]["amount"], 0);
    charge(&program, 3, &ann, 10).await;
    assert!(until_killed(&world, build, usize::MAX).await);
    let path = format!("/payouts/{}", text(&payout["id"]));
    let closed = program.get(&path).await.expect(200);
    assert_eq!(
        (&closed["state"], &closed["totals"]["lines"]),
        (&json!("closed"), &json!(0))
    );
    assert_eq!(lines(&program, &payout).await, [Value::Null; 0]);
    assert_eq!(euros(&program, &ann).await, [0, 0, 0]);
    audit(&program).await;
    world.bundle.shutdown().await;
}

async fn line_of(world: &World, program: &Program<'_>, payout: &Value, of: &Value) -> PayoutLine {
    let payout: PayoutId = id(payout);
    let key = keys::payout_line(program.id.parse().unwrap(), payout, id(of));
    store(world).get_one(key).await.unwrap().unwrap()
}

/// A builder without time left has somebody go on at once, not when its lease is over.
#[tokio::test(flavor = "multi_thread")]
async fn a_builder_out_of_time_has_another_go_on() {
    let world = World::start().await;
    world.bundle.pause(Some("reward-disbursement"));
    let program = world.program(rules()).await;
    let ann = program.referrer("ann").await;
    credit(&program, &ann, 1, 3).await;
    let payout = run(&program, json!({})).await.expect(201);
    let waiting = || {
        let depths = world.bundle.depths().unwrap();
        depths.values().map(|depth| depth.visible).sum::<u64>()
    };
    let come = async |number| {
        for _ in 0..500 {
            if waiting() >= number {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("nobody is woken");
    };
    come(1).await;
    let build = Message::Payout {
        program_id: program.id.parse().unwrap(),
        payout_id: id(&payout),
    };
    work(&world, build, 9).await;
    assert_eq!(lines(&program, &payout).await, [Value::Null; 0]);
    come(2).await;
    world.bundle.resume(Some("reward-disbursement"));
    world.settle().await;
    assert_eq!(lines(&program, &payout).await[0]["amount"]["amount"], 3);
    world.bundle.shutdown().await;
}

/// A builder that finds another one ahead of it leaves the payout to that one.
#[tokio::test(flavor = "multi_thread")]
async fn a_builder_that_was_overtaken_leaves() {
    let world = World::start().await;
    world.bundle.pause(Some("reward-disbursement"));
    let program = world.program(rules()).await;
    let ann = program.referrer("ann").await;
    credit(&program, &ann, 1, 3).await;
    let asked = run(&program, json!({})).await.expect(201);
    let key = keys::payout(program.id.parse().unwrap(), id(&asked));
    let build = Message::Payout {
        program_id: program.id.parse().unwrap(),
        payout_id: id(&asked),
    };
    let begun = Arc::new(Notify::new());
    let writes = Arc::clone(&begun);
    world.plan(move |operation| {
        (operation == "TransactWriteItems").then(|| {
            writes.notify_one();
            Fault::Throttle
        })
    });
    let overtake = async {
        begun.notified().await;
        let read: Option<Payout> = store(&world).get_one(key).await.unwrap();
        let mut payout = read.unwrap();
        let mut commit = commit(&program, 2);
        let was = Was::Version(payout.version);
        payout.version += 1;
        commit.payout(&payout, was);
        store(&world).commit(commit).await.unwrap();
        world.heal();
    };
    tokio::join!(work(&world, build, 60), overtake);
    assert_eq!(lines(&program, &asked).await, [Value::Null; 0]);
    work(&world, build, 60).await;
    assert_eq!(lines(&program, &asked).await.len(), 1);
    world.bundle.shutdown().await;
}

/// Whoever earns while their line is made does not hold it up; whoever is charged does, since what
/// is owed is set off first.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_owed_is_guarded_and_what_is_earned_is_not() {
    let world = World::start().await;
    let program = world.program(rules()).await;
    let ann = program.referrer("ann").await;
    let of: ParticipantId = id(&ann);
    let list = async |seed: u64, owed: i64| {
        let mut commit = commit(&program, seed);
        let lines = transfer(Account::Liability(of), Account::InPayout(of), euro(), 1);
        commit.ledger(LedgerReason::PayoutListed, None, &lines);
        commit.balance_guard(of, euro(), BalanceGuard::Receivable(owed));
        store(&world).commit(commit).await.is_ok()
    };
    credit(&program, &ann, 1, 3).await;
    assert!(list(1, 0).await);
    credit(&program, &ann, 2, 3).await;
    assert!(list(2, 0).await);
    charge(&program, 3, &ann, 1).await;
    assert!(!list(4, 0).await);
    assert!(list(5, -1).await);
    world.bundle.shutdown().await;
}

/// Every message comes twice, at once: two builders build one payout.
#[tokio::test(flavor = "multi_thread")]
async fn two_builders_at_once_build_one_payout() {
    let world = World::with(|options| options.duplicates = kith_local::Duplicates::AtOnce).await;
    let program = world.program(rules()).await;
    let mut people = Vec::new();
    for number in 0..35_u64 {
        let person = program.referrer(&format!("person-{number}")).await;
        credit(&program, &person, number + 1, 3).await;
        people.push(person);
    }
    let payout = built(&program, json!({})).await;
    assert_eq!(payout["state"], "open");
    assert_eq!(payout["totals"]["lines"], 35);
    assert_eq!(payout["totals"]["amount"]["amount"], 105);
    let listed = lines(&program, &payout).await;
    assert_eq!(listed.len(), 35);
    assert!(listed.iter().all(|line| line["amount"]["amount"] == 3));
    audit(&program).await;
    join_all(people.iter().map(|person| async {
        mark(&program, &payout, person, "paid").await.expect(200);
    }))
    .await;
    world.settle().await;
    let closed = close(&program, &payout).await.expect(200);
    assert_eq!(closed["totals"]["paid"], 35);
    audit(&program).await;
    world.bundle.shutdown().await;
}

/// Every line is told once, in order, whatever the size of the pages; filters keep what they say.
#[tokio::test(flavor = "multi_thread")]
async fn ledger_entries_are_told_in_order() {
    let world = World::start().await;
    let program = world.program(rules()).await;
    let (ann, bob) = (program.referrer("ann").await, program.referrer("bob").await);
    earn(&program, &ann, &["ann-1"]).await;
    program
        .post("/test-clock/advance", json!({"seconds": 3 * 86400}))
        .await
        .expect(200);
    earn(&program, &bob, &["bob-1", "bob-2"]).await;
    let payout = built(&program, json!({})).await;
    let whole = all(&program, "/ledger/entries").await;
    assert_eq!(whole.len(), 10, "{whole:?}");
    let at = |entry: &Value| text(&entry["at"]).parse::<Timestamp>().unwrap();
    assert!(whole.is_sorted_by_key(at));
    for limit in [1, 3, 7] {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = program
                .get(&format!("/ledger/entries?limit={limit}{cursor}"))
                .await
                .expect(200);
            found.extend(page["data"].as_array().unwrap().clone());
            let Some(next) = page["next_cursor"].as_str() else {
                break;
            };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(found, whole, "{limit}");
    }
    let count = async |query: &str| {
        all(&program, &format!("/ledger/entries?{query}"))
            .await
            .len()
    };
    assert_eq!(count("account=expense").await, 3);
    assert_eq!(count("account=in_payout&unit=EUR").await, 2);
    assert_eq!(count("unit=points").await, 0);
    assert_eq!(
        count(&format!("participant_id={}", text(&ann["id"]))).await,
        3
    );
    let (second, last) = (text(&whole[2]["at"]), text(&whole[9]["at"]));
    assert_eq!(count(&format!("to={second}")).await, 2);
    assert_eq!(count(&format!("from={second}")).await, 8);
    let between = all(
        &program,
        &format!("/ledger/entries?from={second}&to={last}"),
    )
    .await;
    assert!(
        between
            .iter()
            .all(|entry| at(entry) >= at(&whole[2]) && at(entry) < at(&whole[9]))
    );
    let listed = all(&program, "/ledger/entries?account=in_payout").await;
    assert!(
        listed
            .iter()
            .all(|entry| entry["cause"] == payout["id"] && entry["reason"] == "payout.listed")
    );
    assert!(listed[0]["reward_id"].is_null());
    assert_eq!(whole[0]["reward_id"], whole[1]["reward_id"]);
    for bad in [
        "account=cash",
        "unit=eur",
        "participant_id=x",
        "cursor=x",
        "state=open",
    ] {
        let refused = program.get(&format!("/ledger/entries?{bad}")).await;
        assert_eq!(refused.problem(422), "invalid_request", "{bad}");
    }
    world.bundle.shutdown().await;
}

/// Opening and what moved is closing, for any period, whether days are counted anew or were kept.
#[tokio::test(flavor = "multi_thread")]
async fn the_summary_adds_up() {
    let (world, clock) = workers::world().await;
    let program = world.program_of(&world.live_key(), rules()).await;
    let ann = program.referrer("ann").await;
    earn(&program, &ann, &["ann-1", "ann-2", "ann-3"]).await;
    clock.by_minutes(2 * 24 * 60);
    let paid_at = Timestamp::now() + SignedDuration::from_hours(48);
    let payout = built(&program, json!({})).await;
    mark(&program, &payout, &ann, "paid").await.expect(200);
    world.settle().await;
    clock.by_minutes(2 * 24 * 60);
    earn(&program, &ann, &["ann-4"]).await;
    let line = |opening: i64, earned: i64, taken_back: i64, paid: i64, closing: i64| {
        json!([{"unit": "EUR", "opening": opening, "earned": earned, "taken_back": taken_back,
            "paid": paid, "closing": closing}])
    };
    let summary = async |query: &str| {
        let path = format!("/ledger/summary{query}");
        program.get(&path).await.expect(200)["data"].clone()
    };
    let before = text(&payout["created_at"]);
    for _ in 0..2 {
        assert_eq!(summary("").await, line(0, 2000, 0, 1500, 500));
        assert_eq!(
            summary(&format!("?to={before}")).await,
            line(0, 1500, 0, 0, 1500)
        );
        assert_eq!(
            summary(&format!("?from={before}")).await,
            line(1500, 500, 0, 1500, 500)
        );
    }
    let days = kept_days(&program).await;
    let over = paid_at.to_string()[..10].to_owned();
    assert!(days.contains(&over) && days.len() >= 3, "{days:?}");
    // Today is not over.
    let today = Timestamp::now() + SignedDuration::from_hours(96);
    assert!(
        !days.contains(&today.to_string()[..10].to_owned()),
        "{days:?}"
    );
    // A bank sends a payment back, and so it shows.
    mark(&program, &payout, &ann, "returned").await.expect(200);
    assert_eq!(summary("").await, line(0, 2000, 0, 0, 2000));
    assert_eq!(kept_days(&program).await, days);
    // What is kept is believed: nothing else can have changed.
    let day = keys::ledger_day(program.id.parse().unwrap(), &over);
    let table = &world.bundle.environment("due-work").unwrap().variables["KITH_TABLE"];
    let attribute = |text: String| aws_sdk_dynamodb::types::AttributeValue::S(text);
    let delete = world.bundle.dynamodb().delete_item().table_name(table);
    delete
        .key("pk", attribute(day.pk))
        .key("sk", attribute(day.sk))
        .send()
        .await
        .unwrap();
    assert_eq!(summary("").await, line(0, 2000, 0, 0, 2000));
    assert_eq!(
        kept_days(&program).await,
        days,
        "a day that is missing is counted again"
    );
    audit(&program).await;
    world.bundle.shutdown().await;
}

/// The days of the ledger that were kept.
async fn kept_days(program: &Program<'_>) -> Vec<String> {
    let prefix = keys::ledger_day(program.id.parse().unwrap(), "");
    let end = format!("{}~", prefix.sk);
    let kept = store(program.world)
        .between::<kith_store::items::LedgerDay>(&prefix, &end, 10_000)
        .await
        .unwrap();
    kept.items.into_iter().map(|day| day.day).collect()
}

/// A call counts no more than it has time for; what it has counted the next one need not count.
#[tokio::test(flavor = "multi_thread")]
async fn a_summary_of_many_years_takes_two_calls() {
    let (world, clock) = workers::world().await;
    let program = world.program_of(&world.live_key(), rules()).await;
    let ann = program.referrer("ann").await;
    earn(&program, &ann, &["ann-1"]).await;
    clock.by_minutes(2_100 * 24 * 60);
    let first = program.get("/ledger/summary").await;
    assert_eq!(first.problem(503), "still_counting");
    assert_eq!(first.json()["retryable"], true);
    assert_eq!(first.header("retry-after"), "1");
    let second = program.get("/ledger/summary").await.expect(200);
    assert_eq!(second["data"][0]["closing"], 500);
    world.bundle.shutdown().await;
}
