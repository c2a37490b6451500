//! The life of rewards: by hand, carried out, refused, used, spent, expired; and what happens when
//! any of it comes twice, late, or out of order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use kith_domain::id::{ParticipantId, ProgramId};
use kith_domain::ledger::{Account, Balance};
use kith_local::Duplicates;
use kith_store::faults::Fault;
use kith_store::items::{LedgerEntry, Lot, UnitBalance};
use kith_store::{Store, keys};
use reqwest::Method;
use serde_json::{Value, json};

use crate::books::all;
use crate::world::{Program, World, eur, text};

const DAY: i64 = 86_400;

/// Every message comes twice.
async fn world() -> World {
    World::with(|options| options.duplicates = Duplicates::AtOnce).await
}

async fn program_with(world: &World, incentives: Value) -> Program<'_> {
    let body = json!({"surveys": [], "incentives": incentives});
    world.program(body).await
}

async fn give(program: &Program<'_>, person: &Value, kind: &str, value: Value) -> Value {
    let body =
        json!({"beneficiary_id": person["id"], "kind": kind, "value": value, "reason": "sorry"});
    program.post("/rewards", body).await.expect(201)
}

async fn reward(program: &Program<'_>, id: &Value) -> Value {
    let path = format!("/rewards/{}", text(id));
    program.get(&path).await.expect(200)
}

fn states(reward: &Value) -> Vec<&str> {
    let history = reward["history"].as_array().unwrap();
    history.iter().map(|step| text(&step["state"])).collect()
}

async fn facts(program: &Program<'_>, kind: &str) -> usize {
    let (mut count, mut after) = (0, String::new());
    loop {
        let path = format!("/events?type={kind}&limit=100{after}");
        let page = program.get(&path).await.expect(200);
        let found = page["data"].as_array().unwrap().len();
        count += found;
        match page["next_cursor"].as_str() {
            Some(next) if found > 0 => after = format!("&after={next}"),
            _ => return count,
        }
    }
}

fn store(world: &World) -> Store {
    let environment = world.bundle.environment("due-work").unwrap();
    let table = environment.variables["KITH_TABLE"].clone();
    Store::new(world.bundle.dynamodb().clone(), &table)
}

/// What a person's ledger lines come to, by unit; checked against the balances and the lots that are
/// kept beside them.
async fn audit(program: &Program<'_>, people: &[&Value]) {
    let store = store(program.world);
    let id: ProgramId = program.id.parse().unwrap();
    let mut sums: BTreeMap<(ParticipantId, String), (Balance, i64)> = BTreeMap::new();
    let mut day = Timestamp::now() - SignedDuration::from_hours(48);
    let until = Timestamp::now() + SignedDuration::from_hours(24 * 800);
    while day < until {
        let pk = keys::ledger_of_day(id, &keys::day(day), 0);
        let mut after: Option<String> = None;
        loop {
            let page = store.partition::<LedgerEntry>(&pk, after.as_deref(), false, 100);
            let page = page.await.unwrap();
            for posting in page.items.iter().flat_map(|entry| &entry.postings) {
                let Some(person) = posting.line.account.participant() else {
                    continue;
                };
                let key = (person, posting.line.unit.to_string());
                let (balance, liability) = sums.entry(key).or_default();
                *balance = balance.plus(Balance::of_line(&posting.line));
                if let Account::Liability(_) = posting.line.account {
                    *liability += posting.line.amount;
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        day += SignedDuration::from_hours(24);
    }
    for person in people {
        let person: ParticipantId = text(&person["id"]).parse().unwrap();
        let balances = keys::balances(id, person);
        let kept: Vec<UnitBalance> = store.starting_with(&balances, 100).await.unwrap();
        for UnitBalance { unit, balance } in kept {
            let key = (person, unit.clone());
            let (sum, liability) = sums.get(&key).copied().unwrap_or_default();
            let pending = Balance::pending(balance.pending);
            assert_eq!(balance, sum.plus(pending), "{unit} of {person}");
            let lots = keys::lots(id, person, unit.parse().unwrap());
            let lots: Vec<Lot> = store.starting_with(&lots, 500).await.unwrap();
            let left: i64 = lots.iter().map(|lot| lot.remaining).sum();
            assert_eq!(left, liability, "lots of {unit} of {person}");
        }
    }
}

/// Whatever is given by hand goes the way of every reward, and says who gave it and why.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_by_hand_is_issued_at_once() {
    let world = world().await;
    let program = program_with(&world, json!([])).await;
    let ann = program.referrer("ann").await;
    for (kind, value) in [
        ("cash", eur(500)),
        ("points", json!({"points": 30})),
        ("discount", json!({"basis_points": 1000})),
        ("discount", eur(250)),
        ("free_product", json!({"sku": "CAKE", "quantity": 2})),
    ] {
        let given = give(&program, &ann, kind, value.clone()).await;
        assert_eq!(given["state"], "approved");
        world.settle().await;
        let issued = reward(&program, &given["id"]).await;
        assert_eq!(
            (&issued["state"], &issued["value"]),
            (&json!("issued"), &value)
        );
        assert_eq!(
            (&issued["source"], &issued["conversion_id"]),
            (&json!("manual"), &Value::Null)
        );
        assert_eq!(states(&issued), ["approved", "issued"]);
        assert_eq!(issued["history"][0]["reason"], "sorry");
        assert_eq!(issued["history"][0]["by"], "operator");
        let is_voucher = matches!(kind, "discount" | "free_product");
        assert_eq!(issued["voucher_code"].is_string(), is_voucher, "{issued}");
    }
    for (unit, available) in [("EUR", 500), ("points", 30), ("items:CAKE", 2)] {
        let balance = program.balance(&ann, unit).await;
        let expected = json!({"unit": unit, "available": available, "pending": 0, "in_payout": 0, "paid": 0, "receivable": 0});
        assert_eq!(balance, expected);
    }
    for (kind, times) in [("created", 5), ("approved", 5), ("issued", 5)] {
        assert_eq!(
            facts(&program, &format!("reward.{kind}")).await,
            times,
            "{kind}"
        );
    }
    audit(&program, &[&ann]).await;
    world.bundle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_given_is_refused() {
    let world = world().await;
    let program = program_with(&world, json!([])).await;
    let ann = program.referrer("ann").await;
    let body = |person: &Value, kind: &str, value: Value| json!({"beneficiary_id": person, "kind": kind, "value": value, "reason": "x"});
    for (kind, value, pointer) in [
        ("cash", eur(0), "/value/amount"),
        ("cash", json!({"points": 1}), "/value/amount"),
        ("points", json!({"points": 0}), "/value/points"),
        (
            "discount",
            json!({"basis_points": 10_001}),
            "/value/basis_points",
        ),
        ("free_product", json!({"sku": "CAKE"}), "/value/quantity"),
        ("percentage", json!({"basis_points": 1}), "/kind"),
    ] {
        let answer = program
            .post("/rewards", body(&ann["id"], kind, value))
            .await;
        let problem = answer.expect(422);
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    let nobody = json!("par_00000000000000000000000000");
    let answer = program
        .post("/rewards", body(&nobody, "cash", eur(1)))
        .await;
    assert_eq!(
        answer.expect(422)["errors"][0]["pointer"],
        "/beneficiary_id"
    );
    let path = format!("/participants/{}", text(&ann["id"]));
    program
        .patch(&path, json!({"state": "suspended"}))
        .await
        .expect(200);
    let answer = program
        .post("/rewards", body(&ann["id"], "cash", eur(1)))
        .await;
    assert_eq!(answer.problem(409), "beneficiary_suspended");
    assert_eq!(facts(&program, "reward.created").await, 0);
    world.bundle.shutdown().await;
}

/// A call that is repeated under its key gives once; a paused program gives when it runs again.
#[tokio::test(flavor = "multi_thread")]
async fn given_twice_under_one_key_and_in_a_pause() {
    let world = world().await;
    let program = program_with(&world, json!([])).await;
    let ann = program.referrer("ann").await;
    let body =
        json!({"beneficiary_id": ann["id"], "kind": "cash", "value": eur(500), "reason": "sorry"});
    let send = || {
        let request = world.request(Method::POST, &program.path("/rewards"));
        let request = request.bearer_auth(&program.key).json(&body);
        world.send(request.header("idempotency-key", "once"))
    };
    let answers = join_all((0..5).map(|_| send())).await;
    let ids: BTreeSet<String> = answers
        .iter()
        .map(|answer| answer.expect(201)["id"].to_string())
        .collect();
    assert_eq!(ids.len(), 1);
    program
        .patch("", json!({"state": "paused"}))
        .await
        .expect(200);
    let held = give(&program, &ann, "cash", eur(70)).await;
    assert_eq!(held["state"], "pending");
    world.settle().await;
    assert_eq!(program.balance(&ann, "EUR").await["pending"], 70);
    program
        .patch("", json!({"state": "active"}))
        .await
        .expect(200);
    program.advance(3_600).await;
    assert_eq!(reward(&program, &held["id"]).await["state"], "issued");
    assert_eq!(program.balance(&ann, "EUR").await["available"], 570);
    audit(&program, &[&ann]).await;
    world.bundle.shutdown().await;
}

/// Whoever is suspended when it is their turn gets nothing, and nothing is lost: once they take part
/// again the reward is tried again.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_reward_fails_and_is_retried_by_hand() {
    let world = world().await;
    let rule = json!({"id": "thank-you", "on": "purchase", "beneficiary": "referrer", "reward": {"kind": "cash", "amount": eur(500)}});
    let program = world
        .program(json!({"surveys": [], "hold_days": 14, "incentives": [rule]}))
        .await;
    let ann = program.referrer("ann").await;
    let conversion = program
        .convert("order-1", json!({"codes": [ann["code"]]}))
        .await
        .expect(201);
    let id = &conversion["rewards"][0]["id"];
    let person = format!("/participants/{}", text(&ann["id"]));
    program
        .patch(&person, json!({"state": "suspended"}))
        .await
        .expect(200);
    program.advance(14 * DAY).await;
    let failed = reward(&program, id).await;
    assert_eq!(states(&failed), ["pending", "approved", "failed"]);
    assert_eq!(
        failed["history"][2]["reason"],
        "the beneficiary is suspended"
    );
    assert_eq!(facts(&program, "reward.failed").await, 1);
    assert_eq!(program.balance(&ann, "EUR").await["pending"], 500);
    // It stays so however often its message comes.
    program.advance(DAY).await;
    assert_eq!(states(&reward(&program, id).await).len(), 3);
    program
        .patch(&person, json!({"state": "active"}))
        .await
        .expect(200);
    let retry = format!("/rewards/{}/retry", text(id));
    for _ in 0..2 {
        program.post(&retry, json!({"reason": "cleared"})).await;
        world.settle().await;
    }
    let issued = reward(&program, id).await;
    assert_eq!(states(&issued)[3..], ["approved", "issued"]);
    assert_eq!(facts(&program, "reward.issued").await, 1);
    audit(&program, &[&ann]).await;
    world.bundle.shutdown().await;
}

/// Each at its own time, and only what nobody used.
#[tokio::test(flavor = "multi_thread")]
async fn rewards_expire_at_their_time() {
    let world = world().await;
    let rule = |id: &str, to: &str, reward: Value| json!({"id": id, "on": "purchase", "beneficiary": to, "reward": reward, "expires_after_days": 30});
    let program = program_with(
        &world,
        json!([
            rule(
                "points",
                "referrer",
                json!({"kind": "points", "points": 100})
            ),
            rule(
                "cash",
                "referrer",
                json!({"kind": "cash", "amount": eur(500)})
            ),
            rule(
                "treat",
                "referrer",
                json!({"kind": "free_product", "sku": "CAKE", "quantity": 1})
            ),
            rule(
                "friend",
                "referee",
                json!({"kind": "discount", "basis_points": 1000})
            ),
        ]),
    )
    .await;
    let ann = program.referrer("ann").await;
    program
        .convert("order-1", json!({"codes": [ann["code"]]}))
        .await
        .expect(201);
    program.advance(1).await;
    // A part of the points is spent, and the friend uses the discount.
    let spend = json!({"external_id": "s-1", "unit": "points", "amount": 30});
    let path = format!("/participants/{}/redemptions", text(&ann["id"]));
    program.post(&path, spend).await.expect(201);
    let rewards = all(&program, "/rewards").await;
    let of = |incentive: &str| {
        rewards
            .iter()
            .find(|reward| reward["incentive_id"] == incentive)
            .unwrap()
            .clone()
    };
    let used = json!({"voucher_code": of("friend")["voucher_code"], "external_id": "order-2"});
    program.post("/vouchers/redeem", used).await.expect(200);
    // The cash is listed in a payout.
    program
        .post("/payouts", json!({"currency": "EUR"}))
        .await
        .expect(201);
    world.settle().await;

    program.advance(30 * DAY - 60).await;
    assert_eq!(facts(&program, "reward.expired").await, 0);
    program.advance(60).await;
    for (incentive, state) in [
        ("points", "expired"),
        ("cash", "issued"),
        ("treat", "expired"),
        ("friend", "redeemed"),
    ] {
        let now = reward(&program, &of(incentive)["id"]).await;
        assert_eq!(now["state"], state, "{now}");
        if state == "expired" {
            let last = now["history"].as_array().unwrap().last().unwrap();
            let at: Timestamp = text(&last["at"]).parse().unwrap();
            let promised: Timestamp = text(&of(incentive)["expires_at"]).parse().unwrap();
            let late = at.duration_since(promised);
            assert!(
                late >= SignedDuration::ZERO && late < SignedDuration::from_secs(30),
                "{late}"
            );
        }
    }
    assert_eq!(facts(&program, "reward.expired").await, 2);
    let points = program.balance(&ann, "points").await;
    assert_eq!(
        (&points["available"], &points["paid"]),
        (&json!(0), &json!(30))
    );
    assert_eq!(program.balance(&ann, "EUR").await["in_payout"], 500);
    assert_eq!(program.balance(&ann, "items:CAKE").await["available"], 0);
    let late = json!({"voucher_code": of("treat")["voucher_code"], "external_id": "order-3"});
    let answer = program.post("/vouchers/redeem", late).await;
    assert_eq!(answer.problem(409), "voucher_expired");
    let by_hand = format!("/rewards/{}/redeem", text(&of("treat")["id"]));
    let answer = program.post(&by_hand, json!({"reason": "x"})).await;
    assert_eq!(answer.problem(409), "voucher_expired");
    audit(&program, &[&ann]).await;
    world.bundle.shutdown().await;
}

/// Forty friends at once want one of twenty-five codes: nobody gets another's, those who came too
/// late wait, and they get the next codes without anybody asking.
#[tokio::test(flavor = "multi_thread")]
async fn an_owners_codes_go_to_one_each_and_the_rest_wait_for_more() {
    let world = world().await;
    let treat = json!({"id": "treat", "on": "purchase", "beneficiary": "referee", "reward": {"kind": "free_product", "sku": "CAKE", "quantity": 1}});
    let cash = json!({"id": "cash", "on": "purchase", "beneficiary": "referrer", "reward": {"kind": "cash", "amount": eur(1)}});
    let program = program_with(&world, json!([treat, cash])).await;
    let codes = |from: usize, to: usize| -> Vec<String> {
        (from..to)
            .map(|number| format!("SPRING-{number:04}"))
            .collect()
    };
    let add = async |codes: Vec<String>| {
        program
            .post("/voucher-lists/treat/codes", json!({"codes": codes}))
            .await
    };
    let unknown = program
        .post("/voucher-lists/nothing/codes", json!({"codes": []}))
        .await;
    assert_eq!(unknown.problem(404), "not_found");
    let no_vouchers = program
        .post("/voucher-lists/cash/codes", json!({"codes": ["A"]}))
        .await;
    assert_eq!(no_vouchers.problem(409), "no_vouchers");
    let empty = program.get("/voucher-lists/treat").await.expect(200);
    assert_eq!(
        (&empty["own_codes"], &empty["available"]),
        (&json!(false), &json!(0))
    );

    let mut first = codes(0, 25);
    first.extend([
        "spring-0001".to_owned(),
        "has a space".to_owned(),
        String::new(),
    ]);
    let added = add(first).await.expect(200);
    let results: Vec<&str> = added["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| text(&one["result"]))
        .collect();
    assert_eq!(results[..25], ["added"; 25]);
    assert_eq!(results[25..], ["known", "invalid", "invalid"]);
    let again = add(codes(0, 3)).await.expect(200);
    assert!(
        again["results"]
            .as_array()
            .unwrap()
            .iter()
            .all(|one| one["result"] == "known")
    );
    assert_eq!(again["list"]["available"], 25);
    // Nobody has it yet.
    let answer = program
        .post(
            "/vouchers/redeem",
            json!({"voucher_code": "SPRING-0001", "external_id": "x"}),
        )
        .await;
    assert_eq!(answer.problem(404), "not_found");

    let ann = program.referrer("ann").await;
    let orders: Vec<String> = (0..40).map(|number| format!("order-{number}")).collect();
    for some in orders.chunks(8) {
        join_all(
            some.iter()
                .map(|order| program.convert(order, json!({"codes": [ann["code"]]}))),
        )
        .await;
    }
    world.settle().await;
    let (issued, waiting) = treats(&program).await;
    assert_eq!((issued.len(), waiting), (25, 15));
    assert_eq!(
        issued.iter().collect::<BTreeSet<_>>().len(),
        25,
        "{issued:?}"
    );
    assert_eq!(
        BTreeSet::from_iter(issued),
        BTreeSet::from_iter(codes(0, 25))
    );
    let list = program.get("/voucher-lists/treat").await.expect(200);
    let expected = json!({"incentive_id": "treat", "own_codes": true, "added": 25, "taken": 25, "available": 0, "waiting": 15});
    assert_eq!(list, expected);
    assert_eq!(facts(&program, "voucher_list.low").await, 2);

    // Time passes, and they go on waiting: neither lost nor given up.
    program.advance(DAY).await;
    assert_eq!(treats(&program).await.1, 15);
    let parked = world
        .get(&world.test_key(), "/v1/operations")
        .await
        .expect(200);
    assert_eq!(parked["parked"], json!([]));

    add(codes(25, 60)).await.expect(200);
    world.settle().await;
    let (issued, waiting) = treats(&program).await;
    assert_eq!((issued.len(), waiting), (40, 0));
    assert_eq!(issued.iter().collect::<BTreeSet<_>>().len(), 40);
    let list = program.get("/voucher-lists/treat").await.expect(200);
    assert_eq!(
        (&list["available"], &list["waiting"]),
        (&json!(20), &json!(0))
    );
    assert_eq!(facts(&program, "voucher_list.low").await, 2);
    world.bundle.shutdown().await;
}

/// The codes of those that are issued, and how many wait.
async fn treats(program: &Program<'_>) -> (Vec<String>, usize) {
    let rewards = all(program, "/rewards").await;
    let of = |state: &str| -> Vec<Value> {
        let mut found = rewards.clone();
        found.retain(|reward| reward["incentive_id"] == "treat" && reward["state"] == state);
        found
    };
    let codes = of("issued")
        .iter()
        .map(|reward| text(&reward["voucher_code"]).to_owned())
        .collect();
    (codes, of("approved").len())
}

/// A thousand in a call, told one by one, under an idempotency key too; and the warnings at a tenth
/// and at nothing, told once each.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_filled_by_the_thousand_and_warns_twice() {
    let world = world().await;
    let treat = json!({"id": "treat", "on": "purchase", "beneficiary": "referee", "reward": {"kind": "discount", "basis_points": 500}});
    let program = program_with(&world, json!([treat])).await;
    let codes: Vec<String> = (0..1_000)
        .map(|number| format!("CODE-{number}-{}", "x".repeat(50)))
        .collect();
    let send = || {
        let request = world.request(Method::POST, &program.path("/voucher-lists/treat/codes"));
        let request = request
            .bearer_auth(&program.key)
            .json(&json!({"codes": codes}));
        world.send(request.header("idempotency-key", "thousand"))
    };
    let first = send().await.expect(200);
    assert_eq!(first["list"]["available"], 1_000);
    let second = send().await;
    assert_eq!(second.header("idempotent-replayed"), "true");
    assert_eq!(second.expect(200), first);
    let too_many = json!({"codes": vec!["x"; 1_001]});
    program
        .post("/voucher-lists/treat/codes", too_many)
        .await
        .expect(422);
    // A list of ten warns at one left, and at none.
    let program = program_with(&world, json!([{"id": "few", "on": "purchase", "beneficiary": "referee", "reward": {"kind": "discount", "basis_points": 500}}])).await;
    let ten: Vec<String> = (0..10).map(|number| format!("TEN-{number}")).collect();
    program
        .post("/voucher-lists/few/codes", json!({"codes": ten}))
        .await
        .expect(200);
    let ann = program.referrer("ann").await;
    let mut warnings = Vec::new();
    for number in 0..12 {
        let order = format!("order-{number}");
        program
            .convert(&order, json!({"codes": [ann["code"]]}))
            .await
            .expect(201);
        world.settle().await;
        warnings.push(facts(&program, "voucher_list.low").await);
    }
    assert_eq!(warnings, [0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 2, 2]);
    world.bundle.shutdown().await;
}

async fn points(program: &Program<'_>, person: &Value) -> (i64, i64) {
    let balance = program.balance(person, "points").await;
    (
        balance["available"].as_i64().unwrap(),
        balance["paid"].as_i64().unwrap(),
    )
}

/// The oldest go first, and come back when the spending is reversed.
#[tokio::test(flavor = "multi_thread")]
async fn points_are_spent_oldest_first_and_come_back() {
    let world = world().await;
    let program = program_with(&world, json!([])).await;
    let ann = program.referrer("ann").await;
    let mut given = Vec::new();
    for _ in 0..3 {
        given.push(give(&program, &ann, "points", json!({"points": 100})).await);
        program.advance(60).await;
    }
    let path = format!("/participants/{}/redemptions", text(&ann["id"]));
    let spend = async |name: &str, amount: i64| {
        let body = json!({"external_id": name, "unit": "points", "amount": amount});
        program.post(&path, body).await
    };
    let states = async || {
        let rewards = join_all(given.iter().map(|one| reward(&program, &one["id"]))).await;
        rewards
            .iter()
            .map(|reward| text(&reward["state"]).to_owned())
            .collect::<Vec<_>>()
    };
    let first = spend("s-1", 150).await.expect(201);
    assert_eq!(
        (&first["state"], &first["amount"]),
        (&json!("redeemed"), &json!(150))
    );
    assert_eq!(points(&program, &ann).await, (150, 150));
    world.settle().await;
    assert_eq!(states().await, ["redeemed", "issued", "issued"]);
    assert_eq!(facts(&program, "reward.redeemed").await, 1);
    assert_eq!(spend("s-1", 150).await.expect(200), first);
    assert_eq!(spend("s-1", 151).await.problem(409), "redemption_differs");
    assert_eq!(spend("s-2", 151).await.problem(409), "insufficient_balance");
    for unit in ["EUR", "items:CAKE", "miles"] {
        let body = json!({"external_id": "s-3", "unit": unit, "amount": 1});
        let problem = program.post(&path, body).await.expect(422);
        assert_eq!(problem["errors"][0]["pointer"], "/unit");
    }
    spend("s-4", 100).await.expect(201);
    world.settle().await;
    assert_eq!(states().await, ["redeemed", "redeemed", "issued"]);

    let reverse = format!("{path}/{}/reverse", text(&first["id"]));
    for _ in 0..2 {
        let reversed = program.post(&reverse, json!({})).await.expect(200);
        assert_eq!(reversed["state"], "reversed");
        assert!(reversed["reversed_at"].is_string());
        assert_eq!(points(&program, &ann).await, (200, 100));
        world.settle().await;
    }
    assert_eq!(states().await, ["issued", "issued", "issued"]);
    audit(&program, &[&ann]).await;
    // What came back is spent first again.
    spend("s-5", 100).await.expect(201);
    world.settle().await;
    assert_eq!(states().await, ["redeemed", "issued", "issued"]);
    let listed = all(&program, &path).await;
    let names: Vec<&str> = listed.iter().map(|one| text(&one["external_id"])).collect();
    assert_eq!(names, ["s-1", "s-4", "s-5"]);
    assert_eq!(listed[0]["state"], "reversed");
    audit(&program, &[&ann]).await;
    world.bundle.shutdown().await;
}

/// Many tills at once never spend more than there is, and one spending is recorded once.
#[tokio::test(flavor = "multi_thread")]
async fn points_are_never_spent_twice() {
    let world = world().await;
    let program = program_with(&world, json!([])).await;
    let ann = program.referrer("ann").await;
    give(&program, &ann, "points", json!({"points": 300})).await;
    world.settle().await;
    let path = format!("/participants/{}/redemptions", text(&ann["id"]));
    let spend = |number: usize| {
        let body =
            json!({"external_id": format!("s-{}", number % 10), "unit": "points", "amount": 50});
        let (program, path) = (&program, &path);
        async move {
            loop {
                let answer = program.post(path, body.clone()).await;
                let raced = answer.status == 409 && answer.json()["retryable"] == true;
                if !raced {
                    return answer.status.as_u16();
                }
            }
        }
    };
    let statuses = join_all((0..30).map(spend)).await;
    let count = |status: u16| statuses.iter().filter(|found| **found == status).count();
    assert_eq!(count(201), 6, "{statuses:?}");
    assert_eq!(count(201) + count(200) + count(409), 30, "{statuses:?}");
    world.settle().await;
    assert_eq!(points(&program, &ann).await, (0, 300));
    assert_eq!(facts(&program, "reward.redeemed").await, 1);
    audit(&program, &[&ann]).await;
    world.bundle.shutdown().await;
}

/// A hundred little rewards take several steps; reversed before the worker came, between its steps,
/// or after, all is as it was.
#[tokio::test(flavor = "multi_thread")]
async fn a_spending_of_many_lots_is_undone_wherever_the_worker_stands() {
    let world = world().await;
    let program = program_with(&world, json!([])).await;
    let ann = program.referrer("ann").await;
    for _ in 0..10 {
        join_all((0..10).map(|_| give(&program, &ann, "points", json!({"points": 2})))).await;
    }
    world.settle().await;
    let path = format!("/participants/{}/redemptions", text(&ann["id"]));
    let spend = async |name: &str| {
        let body = json!({"external_id": name, "unit": "points", "amount": 181});
        program.post(&path, body).await.expect(201)
    };
    let reverse = async |redemption: &Value| {
        let path = format!("{path}/{}/reverse", text(&redemption["id"]));
        program.post(&path, json!({})).await.expect(200);
    };
    let redeemed = async || all(&program, "/rewards?state=redeemed").await.len();
    // Before the worker came.
    world.bundle.pause(Some("reward-disbursement"));
    let early = spend("early").await;
    reverse(&early).await;
    assert_eq!(points(&program, &ann).await, (200, 0));
    world.bundle.resume(Some("reward-disbursement"));
    world.settle().await;
    assert_eq!(redeemed().await, 0);
    audit(&program, &[&ann]).await;
    // After it was done.
    let done = spend("done").await;
    world.settle().await;
    assert_eq!(redeemed().await, 90);
    audit(&program, &[&ann]).await;
    reverse(&done).await;
    world.settle().await;
    assert_eq!(redeemed().await, 0);
    audit(&program, &[&ann]).await;
    // Somewhere in between: the second step does not get through.
    let writes = std::sync::Arc::new(AtomicUsize::new(0));
    let torn = spend("torn");
    let torn = torn.await;
    world.plan(move |operation| {
        let nth =
            (operation == "TransactWriteItems").then(|| writes.fetch_add(1, Ordering::SeqCst));
        nth.filter(|nth| nth % 3 == 2).map(|_| Fault::TimeoutAfter)
    });
    reverse(&torn).await;
    world.settle().await;
    world.heal();
    assert_eq!(redeemed().await, 0);
    assert_eq!(points(&program, &ann).await, (200, 0));
    audit(&program, &[&ann]).await;
    world.bundle.shutdown().await;
}

/// By its reward, by its code, twice, for another order, in any spelling.
#[tokio::test(flavor = "multi_thread")]
async fn a_voucher_is_used_once_by_reward_or_by_code() {
    let world = world().await;
    let program = program_with(&world, json!([])).await;
    let ann = program.referrer("ann").await;
    let cake = json!({"sku": "CAKE", "quantity": 2});
    let by_code = give(&program, &ann, "free_product", cake.clone()).await;
    let by_hand = give(&program, &ann, "free_product", cake).await;
    let cash = give(&program, &ann, "cash", eur(5)).await;
    let early = format!("/rewards/{}/redeem", text(&cash["id"]));
    let answer = program.post(&early, json!({"reason": "x"})).await;
    assert_eq!(answer.problem(409), "not_a_voucher");
    world.settle().await;
    let code = reward(&program, &by_code["id"]).await["voucher_code"].clone();
    let redeem = async |code: &str, order: &str| {
        let body = json!({"voucher_code": code, "external_id": order});
        program.post("/vouchers/redeem", body).await
    };
    let used = redeem(&text(&code).to_lowercase().replace('-', " "), "order-1")
        .await
        .expect(200);
    assert_eq!(
        (&used["id"], &used["state"]),
        (&by_code["id"], &json!("redeemed"))
    );
    assert_eq!(redeem(text(&code), "order-1").await.expect(200), used);
    assert_eq!(
        redeem(text(&code), "order-2").await.problem(409),
        "voucher_redeemed"
    );
    assert_eq!(redeem("NOBODYS", "order-2").await.problem(404), "not_found");
    let balance = program.balance(&ann, "items:CAKE").await;
    assert_eq!(
        (&balance["available"], &balance["paid"]),
        (&json!(2), &json!(2))
    );

    let path = format!("/rewards/{}/redeem", text(&by_hand["id"]));
    for _ in 0..2 {
        let used = program
            .post(&path, json!({"reason": "at the till"}))
            .await
            .expect(200);
        assert_eq!(used["history"][2]["reason"], "at the till");
    }
    let code = reward(&program, &by_hand["id"]).await["voucher_code"].clone();
    assert_eq!(
        redeem(text(&code), "order-3").await.problem(409),
        "voucher_redeemed"
    );
    let balance = program.balance(&ann, "items:CAKE").await;
    assert_eq!(
        (&balance["available"], &balance["paid"]),
        (&json!(0), &json!(4))
    );
    assert_eq!(facts(&program, "reward.redeemed").await, 2);
    audit(&program, &[&ann]).await;
    world.bundle.shutdown().await;
}

/// Twenty tills at once: one order has the cake.
#[tokio::test(flavor = "multi_thread")]
async fn a_voucher_is_used_by_one_order_of_many_at_once() {
    let world = world().await;
    let program = program_with(&world, json!([])).await;
    let ann = program.referrer("ann").await;
    let given = give(
        &program,
        &ann,
        "free_product",
        json!({"sku": "CAKE", "quantity": 1}),
    )
    .await;
    world.settle().await;
    let code = reward(&program, &given["id"]).await["voucher_code"].clone();
    let answers = join_all((0..20).map(|number| {
        let body = json!({"voucher_code": code, "external_id": format!("order-{number}")});
        program.post("/vouchers/redeem", body)
    }))
    .await;
    let won = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(won, 1);
    assert!(
        answers
            .iter()
            .all(|answer| answer.status == 200 || answer.status == 409)
    );
    assert_eq!(program.balance(&ann, "items:CAKE").await["paid"], 1);
    audit(&program, &[&ann]).await;
    world.bundle.shutdown().await;
}

/// What is withdrawn counts no more: towards what is pending, limits, and what was said of it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_withdrawn_makes_room_again() {
    let world = world().await;
    let rule = json!({"id": "thank-you", "on": "purchase", "beneficiary": "referrer", "reward": {"kind": "cash", "amount": eur(500)}, "limits": {"per_referrer": 1, "budget": eur(500)}});
    let program = world
        .program(json!({"surveys": [], "hold_days": 14, "incentives": [rule]}))
        .await;
    let ann = program.referrer("ann").await;
    let buy = async |order: &str| {
        program
            .convert(order, json!({"codes": [ann["code"]]}))
            .await
            .expect(201)
    };
    for (number, step) in ["cancel", "reject"].into_iter().enumerate() {
        let made = buy(&format!("made-{number}")).await;
        let full = buy(&format!("full-{number}")).await;
        assert_eq!(full["rewards"], json!([]), "{full}");
        let path = format!("/rewards/{}/{step}", text(&made["rewards"][0]["id"]));
        for _ in 0..2 {
            program
                .post(&path, json!({"reason": "a mistake"}))
                .await
                .expect(200);
        }
        assert_eq!(program.balance(&ann, "EUR").await["pending"], 0);
        assert_eq!(
            facts(
                &program,
                &format!(
                    "reward.{step}{}",
                    if step == "cancel" { "led" } else { "ed" }
                )
            )
            .await,
            1
        );
    }
    assert_eq!(buy("last").await["rewards"].as_array().unwrap().len(), 1);
    let given = give(&program, &ann, "points", json!({"points": 5})).await;
    let path = format!("/rewards/{}/cancel", text(&given["id"]));
    // Issued before or after: whichever comes first.
    let answer = program.post(&path, json!({"reason": "a mistake"})).await;
    assert!(
        answer.status == 200 || answer.problem(409) == "reward_state",
        "{}",
        answer.text
    );
    world.settle().await;
    assert_eq!(program.balance(&ann, "points").await["pending"], 0);
    audit(&program, &[&ann]).await;
    world.bundle.shutdown().await;
}

/// Requests that are lost, answers that are lost, conflicts: each reward is issued once.
#[tokio::test(flavor = "multi_thread")]
async fn rewards_are_issued_once_through_every_fault() {
    for fault in [
        Fault::Conflict,
        Fault::TimeoutBefore,
        Fault::TimeoutAfter,
        Fault::Throttle,
    ] {
        let world = world().await;
        let program = program_with(&world, json!([])).await;
        let ann = program.referrer("ann").await;
        let writes = std::sync::Arc::new(AtomicUsize::new(0));
        world.plan(move |operation| {
            let nth =
                (operation == "TransactWriteItems").then(|| writes.fetch_add(1, Ordering::SeqCst));
            nth.filter(|nth| nth % 2 == 0).map(|_| fault)
        });
        for (kind, value) in [
            ("cash", eur(5)),
            ("points", json!({"points": 7})),
            ("free_product", json!({"sku": "CAKE", "quantity": 1})),
        ] {
            give(&program, &ann, kind, value).await;
        }
        world.settle().await;
        world.heal();
        for (unit, available) in [("EUR", 5), ("points", 7), ("items:CAKE", 1)] {
            assert_eq!(
                program.balance(&ann, unit).await["available"],
                available,
                "{fault:?}"
            );
        }
        assert_eq!(facts(&program, "reward.issued").await, 3, "{fault:?}");
        audit(&program, &[&ann]).await;
        world.bundle.shutdown().await;
    }
}

/// Anybody can follow how a reward came about, also after the rules have changed.
#[tokio::test(flavor = "multi_thread")]
async fn a_rules_reward_is_explained_as_the_rule_stood() {
    let world = world().await;
    let share = |basis_points: i64| {
        json!({"id": "share", "on": "purchase", "beneficiary": "referrer",
        "reward": {"kind": "percentage", "basis_points": basis_points, "maximum": eur(400)},
        "conditions": {"minimum_amount": eur(2000), "first_conversion_only": true}, "limits": {"per_referrer": 5}})
    };
    let program = program_with(&world, json!([share(1000)])).await;
    let ann = program.referrer("ann").await;
    let mut ids = Vec::new();
    for order in ["order-1", "order-2"] {
        let made = program
            .convert(order, json!({"codes": [ann["code"]]}))
            .await
            .expect(201);
        ids.push(made["rewards"][0]["id"].clone());
    }
    program
        .patch("", json!({"incentives": [share(1)]}))
        .await
        .expect(200);
    let explained = reward(&program, &ids[1]).await["explanation"].clone();
    assert_eq!(explained["scheme_version"], 1);
    assert_eq!(explained["rule"]["reward"]["basis_points"], 1000);
    assert_eq!(
        explained["conditions"],
        json!([
            {"condition": "minimum_amount", "required": "at least 20.00 EUR", "actual": "45.00 EUR", "held": true},
            {"condition": "first_conversion_only", "required": "1", "actual": "1", "held": true},
        ])
    );
    let limits = json!([{"limit": "per_referrer", "used_before": 1, "cap": 5}]);
    assert_eq!(explained["limits"], limits);
    assert_eq!(
        explained["value"],
        json!({"offered": {"kind": "percentage", "basis_points": 1000, "maximum": eur(400)}, "base": eur(4500),
            "share": eur(450), "maximum": eur(400), "maximum_applied": true, "result": eur(400)})
    );
    assert_eq!(
        (&explained["tier"], &explained["rates_version"]),
        (&Value::Null, &Value::Null)
    );
    let given = give(&program, &ann, "cash", eur(1)).await;
    assert_eq!(
        reward(&program, &given["id"]).await["explanation"],
        Value::Null
    );
    world.bundle.shutdown().await;
}
