//! Rewards that the shop carries out itself: asked by webhook under one id, and never given twice,
//! whatever comes in between.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use kith_connectors::signing::{self, Secret};
use kith_local::Duplicates;
use kith_store::faults::Fault;
use kith_store::wake::Message;
use reqwest::Method;
use serde_json::{Value, json};

use crate::books::{all, audit};
use crate::payouts::until_killed;
use crate::shop::{Manner, Shop, endpoint, rude};
use crate::workers;
use crate::world::{PATIENCE, Program, World, eur, text};

const PATH: &str = "/fulfil";

/// A rule whose rewards the webhook carries out.
fn rule(id: &str, reward: Value, webhook: &str, change: Value) -> Value {
    let mut rule = json!({"id": id, "on": "purchase", "beneficiary": "referrer", "reward": reward,
        "fulfilment": {"webhook_id": webhook}});
    for (name, value) in change.as_object().unwrap() {
        rule[name] = value.clone();
    }
    rule
}

fn cash() -> Value {
    json!({"kind": "cash", "amount": eur(900)})
}

/// A program whose one rule gives nine euros by the shop.
struct Given<'a> {
    program: Program<'a>,
    webhook: String,
    secret: Secret,
    ann: Value,
}

async fn given<'a>(world: &'a World, key: &str, url: &str, change: Value) -> Given<'a> {
    let empty = json!({"incentives": [], "surveys": []});
    let program = world.program_of(key, empty).await;
    let (webhook, secret) = endpoint(&program, url, json!(["webhook.test"])).await;
    let rules = json!({"incentives": [rule("gift", cash(), &webhook, change)]});
    program.patch("", rules).await.expect(200);
    let ann = program.referrer("ann").await;
    Given {
        program,
        webhook,
        secret,
        ann,
    }
}

async fn test_given<'a>(world: &'a World, shop: &Shop, change: Value) -> Given<'a> {
    given(world, &world.test_key(), &shop.url(PATH), change).await
}

impl Given<'_> {
    /// Somebody buys through Ann; her reward and the order.
    async fn buy(&self, order: &str) -> (String, Value) {
        let codes = json!({"codes": [self.ann["code"]]});
        let sold = self.program.convert(order, codes).await.expect(201);
        (text(&sold["rewards"][0]["id"]).to_owned(), sold)
    }

    async fn reward(&self, id: &str) -> Value {
        let path = format!("/rewards/{id}");
        self.program.get(&path).await.expect(200)
    }

    async fn state(&self, id: &str) -> String {
        text(&self.reward(id).await["state"]).to_owned()
    }

    async fn decide(&self, id: &str, word: &str) {
        let path = format!("/rewards/{id}/{word}");
        let body = json!({"reason": "by hand"});
        self.program.post(&path, body).await.expect(200);
    }

    async fn refund(&self, sold: &Value, name: &str, amount: Value) -> Value {
        let path = format!("/conversions/{}/refunds", text(&sold["id"]));
        let body = json!({"external_id": name, "reason": "refund", "amount": amount});
        self.program.post(&path, body).await.expect(201)
    }

    /// What Ann has in euros: pending, available, paid.
    async fn balance(&self) -> (i64, i64, i64) {
        let balance = self.program.balance(&self.ann, "EUR").await;
        let part = |name: &str| balance[name].as_i64().unwrap_or(0);
        (part("pending"), part("available"), part("paid"))
    }

    /// Waits until a reward is there.
    async fn until(&self, id: &str, state: &str) {
        let begun = Instant::now();
        while self.state(id).await != state {
            let reward = self.reward(id).await;
            assert!(begun.elapsed() < PATIENCE, "{reward}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn facts(&self, kind: &str) -> usize {
        all(&self.program, &format!("/events?type={kind}"))
            .await
            .len()
    }
}

fn ids(shop: &Shop) -> BTreeSet<String> {
    let received = shop.received(PATH);
    received.iter().map(|call| call.id()).collect()
}

/// Each kind of reward, with and without a receipt and a code: the message, what becomes of the reward,
/// and the books.
#[tokio::test(flavor = "multi_thread")]
async fn a_shop_gives_each_kind_and_kith_books_it() {
    let (world, shop) = (World::start().await, Shop::open().await);
    let empty = json!({"incentives": [], "surveys": []});
    let program = world.program(empty).await;
    let mut rules = Vec::new();
    let mut secrets = Vec::new();
    let cake = json!({"kind": "free_product", "sku": "CAKE", "quantity": 2});
    for (id, reward, manner) in [
        (
            "cash",
            cash(),
            Manner::Tells(
                r#"{"receipt": "transfer 17", "voucher_code": "NOT-FOR-CASH", "more": {}}"#,
            ),
        ),
        (
            "points",
            json!({"kind": "points", "points": 70}),
            Manner::Says(204),
        ),
        ("cake", cake.clone(), Manner::Takes),
        (
            "cake-voucher",
            cake,
            Manner::Tells(r#"{"voucher_code": "SHOP-CAKE-1"}"#),
        ),
        (
            "off",
            json!({"kind": "discount", "basis_points": 1000}),
            Manner::Tells(r#"{"voucher_code": "SHOP-OFF-1", "receipt": ""}"#),
        ),
        (
            "off-bare",
            json!({"kind": "discount", "amount": eur(300)}),
            Manner::Tells(r#"["not", "an object"]"#),
        ),
    ] {
        let path = format!("/{id}");
        shop.behaves(&path, manner);
        let (webhook, secret) = endpoint(&program, &shop.url(&path), json!(["webhook.test"])).await;
        rules.push(rule(id, reward, &webhook, json!({})));
        secrets.push(secret);
    }
    program
        .patch("", json!({"incentives": rules}))
        .await
        .expect(200);
    let ann = program.referrer("ann").await;
    let codes = json!({"codes": [ann["code"]]});
    let sold = program.convert("order-1", codes).await.expect(201);
    world.settle().await;
    for (reward, secret) in sold["rewards"].as_array().unwrap().iter().zip(secrets) {
        let id = text(&reward["incentive_id"]);
        let read = program
            .get(&format!("/rewards/{}", text(&reward["id"])))
            .await
            .expect(200);
        let (state, code, receipt) = match id {
            "cash" => ("redeemed", Value::Null, json!("transfer 17")),
            "points" | "cake" => ("redeemed", Value::Null, Value::Null),
            "cake-voucher" => ("issued", json!("SHOP-CAKE-1"), Value::Null),
            "off" => ("issued", json!("SHOP-OFF-1"), Value::Null),
            _ => ("issued", Value::Null, Value::Null),
        };
        assert_eq!(
            (&read["state"], &read["voucher_code"]),
            (&json!(state), &code),
            "{read}"
        );
        let how = &read["fulfilment"];
        assert_eq!(
            (&how["receipt"], &how["tries"], &how["next_at"]),
            (&receipt, &json!(1), &Value::Null)
        );
        assert_eq!(how["question"], "reward.fulfil");
        assert_eq!(how["last_attempt"]["end"], "answered");
        assert_eq!(how["explanation"], "The shop has carried it out.");

        let received = shop.received(&format!("/{id}"));
        assert_eq!(received.len(), 1, "{id}");
        let (call, message) = (&received[0], received[0].event());
        let key = format!("{}:issue", text(&reward["id"]));
        assert_eq!(
            (call.id(), text(&message["id"])),
            (key.clone(), key.as_str())
        );
        assert_eq!(call.headers["kith-ordering-key"], text(&reward["id"]));
        signing::verify(&call.headers, &[secret], &call.body, Timestamp::now()).unwrap();
        assert_eq!(message["type"], "reward.fulfil");
        assert_eq!(
            (&message["program_id"], &message["mode"]),
            (&json!(program.id), &json!("test"))
        );
        let data = &message["data"];
        assert_eq!(data["conversion_id"], sold["id"]);
        assert_eq!(
            data["participant"],
            json!({"id": ann["id"], "external_id": "ann"})
        );
        assert_eq!(
            (&data["reward"]["value"], &data["reward"]["state"]),
            (&read["value"], &json!("approved"))
        );
        let told = String::from_utf8_lossy(&call.body).into_owned();
        assert!(
            !told.contains("example.com") && !told.contains("first_name"),
            "{told}"
        );
    }
    let balances = [("EUR", 0, 900), ("points", 0, 70), ("items:CAKE", 2, 2)];
    for (unit, available, paid) in balances {
        let balance = program.balance(&ann, unit).await;
        assert_eq!(
            (&balance["pending"], &balance["available"], &balance["paid"]),
            (&json!(0), &json!(available), &json!(paid)),
            "{unit}"
        );
    }
    // What the shop made a voucher of is used as any other.
    let used = json!({"voucher_code": "shop-cake-1", "external_id": "order-7"});
    program.post("/vouchers/redeem", used).await.expect(200);
    assert_eq!(program.balance(&ann, "items:CAKE").await["paid"], 4);
    assert_eq!(all(&program, "/events?type=reward.issued").await.len(), 6);
    assert_eq!(all(&program, "/events?type=reward.redeemed").await.len(), 4);
    // 3 lines of expense, 3 of what is owed twice, 3 settled, and one expense and liability; used later.
    assert!(audit(&program).await > 0);
    world.bundle.shutdown().await;
}

/// A no is a no: the reward fails with the status, the endpoint is none the worse, and a retry asks under
/// the same id.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_shop_refuses_fails_and_is_asked_again_by_hand() {
    let (world, shop) = (World::start().await, Shop::open().await);
    let given = test_given(&world, &shop, json!({})).await;
    for (number, status) in [400, 404, 410, 422].into_iter().enumerate() {
        shop.behaves(PATH, Manner::Says(status));
        let (id, _) = given.buy(&format!("order-{number}")).await;
        world.settle().await;
        let failed = given.reward(&id).await;
        assert_eq!(failed["state"], "failed", "{failed}");
        let reason = format!("the shop refused it: status {status}");
        assert_eq!(
            failed["history"].as_array().unwrap().last().unwrap()["reason"],
            reason
        );
        assert_eq!(failed["fulfilment"]["last_attempt"]["status"], status);
        let text = text(&failed["fulfilment"]["explanation"]).to_owned();
        assert!(text.contains(&format!("status {status}")), "{text}");
        // The shop's own words are kept nowhere.
        assert!(!failed.to_string().contains("own</b>"), "{failed}");
        given.program.advance(90_000).await;
        assert_eq!(shop.received(PATH).len(), 2 * number + 1);
        shop.behaves(PATH, Manner::Takes);
        given.decide(&id, "retry").await;
        world.settle().await;
        assert_eq!(given.state(&id).await, "redeemed");
        let asked = shop.received(PATH);
        assert_eq!(asked.len(), 2 * number + 2);
        assert_eq!(asked[2 * number].id(), asked[2 * number + 1].id());
    }
    let webhook = given
        .program
        .get(&format!("/webhooks/{}", given.webhook))
        .await
        .expect(200);
    assert_eq!(webhook["state"], "active");
    assert_eq!(given.balance().await, (0, 0, 4 * 900));
    audit(&given.program).await;
    world.bundle.shutdown().await;
}

/// A shop that is down for a day is asked as deliveries are, under one id and for the same, and gives
/// once; one that is down for good fails the reward after the tenth time.
#[tokio::test(flavor = "multi_thread")]
async fn a_shop_that_is_down_is_asked_again() {
    let (world, shop) = (World::start().await, Shop::open().await);
    let given = test_given(&world, &shop, json!({})).await;
    shop.behaves(PATH, Manner::Says(500));
    let (id, _) = given.buy("order-1").await;
    world.settle().await;
    let waiting = given.reward(&id).await;
    assert_eq!(waiting["state"], "approved");
    assert!(waiting["fulfilment"]["next_at"].is_string(), "{waiting}");
    assert_eq!(given.balance().await, (900, 0, 0));
    given.program.advance(86_400).await;
    let asked = shop.received(PATH);
    assert_eq!(asked.len(), 7, "{asked:?}");
    shop.behaves(PATH, Manner::Takes);
    given.program.advance(86_400).await;
    let asked = shop.received(PATH);
    assert_eq!((asked.len(), ids(&shop).len()), (8, 1));
    for call in &asked {
        assert_eq!(call.body, asked[0].body);
        let secrets = [given.secret.clone()];
        signing::verify(&call.headers, &secrets, &call.body, Timestamp::now()).unwrap();
    }
    assert_eq!(
        (given.state(&id).await.as_str(), given.balance().await),
        ("redeemed", (0, 0, 900))
    );

    shop.behaves(PATH, Manner::Says(503));
    let (dead, _) = given.buy("order-2").await;
    given.program.advance(4 * 86_400).await;
    assert_eq!(shop.received(PATH).len(), 18);
    let failed = given.reward(&dead).await;
    assert_eq!(
        (&failed["state"], &failed["fulfilment"]["tries"]),
        (&json!("failed"), &json!(10))
    );
    let reason = &failed["history"].as_array().unwrap().last().unwrap()["reason"];
    assert_eq!(
        reason,
        "the shop did not take it, the last time: status 503"
    );
    assert_eq!(given.balance().await, (900, 0, 900));
    audit(&given.program).await;
    world.bundle.shutdown().await;
}

/// Whatever a server does instead of answering: the same is asked again. One that has said yes has said
/// yes, whatever it says about the length of that.
#[tokio::test(flavor = "multi_thread")]
async fn no_answer_is_no_answer_and_yes_is_yes() {
    let world = World::start().await;
    let lies = br#"HTTP/1.1 200 OK
content-length: 100000

{"receipt": "cut off"#;
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/kith", listener.local_addr().unwrap())
    };
    let shop = Shop::open().await;
    shop.behaves("/hangs", Manner::Hangs);
    shop.behaves("/redirects", Manner::Redirects);
    for (url, end, state) in [
        (rude(b"").await, "broken", "approved"),
        (rude(b"nonsense\r\n\r\n").await, "broken", "approved"),
        (closed, "refused", "approved"),
        (shop.url("/hangs"), "timed_out", "approved"),
        (shop.url("/redirects"), "answered", "approved"),
        (rude(lies).await, "answered", "redeemed"),
        (
            rude(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{\"receipt\": \"x\"}").await,
            "answered",
            "redeemed",
        ),
    ] {
        let given = given(&world, &world.test_key(), &url, json!({})).await;
        let (id, _) = given.buy("order-1").await;
        world.settle().await;
        let reward = given.reward(&id).await;
        let how = &reward["fulfilment"];
        assert_eq!(
            (&reward["state"], &how["last_attempt"]["end"]),
            (&json!(state), &json!(end)),
            "{reward}"
        );
        assert_eq!(how["receipt"], Value::Null);
        assert_eq!(how["next_at"].is_null(), state == "redeemed");
        audit(&given.program).await;
    }
    assert_eq!(shop.received("/elsewhere").len(), 0);
    world.bundle.shutdown().await;
}

/// A wish to be left alone is honoured, and a shop that hangs holds up nobody else's rewards.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_a_slow_shop() {
    let (world, shop) = (World::start().await, Shop::open().await);
    let given = test_given(&world, &shop, json!({})).await;
    shop.behaves(PATH, Manner::Waits(7_200));
    let (id, _) = given.buy("order-1").await;
    world.settle().await;
    given.program.advance(7_000).await;
    assert_eq!(shop.received(PATH).len(), 1);
    assert_eq!(given.state(&id).await, "approved");
    shop.behaves(PATH, Manner::Takes);
    given.program.advance(2_000).await;
    assert_eq!(shop.received(PATH).len(), 2);
    assert_eq!(given.state(&id).await, "redeemed");

    // Eight at once that hang, and eight that need no shop.
    shop.behaves(PATH, Manner::Holds(200));
    let points = json!({"id": "points", "on": "purchase", "beneficiary": "referee", "reward": {"kind": "points", "points": 7}});
    let rules = json!([rule("gift", cash(), &given.webhook, json!({})), points]);
    given
        .program
        .patch("", json!({"incentives": rules}))
        .await
        .expect(200);
    let begun = Instant::now();
    let mut slow = Vec::new();
    for number in 2..10 {
        slow.push(given.buy(&format!("order-{number}")).await.0);
    }
    let issued = async || all(&given.program, "/rewards?state=issued").await.len();
    while issued().await < 8 {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "the others were waited for"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for _ in &slow {
        shop.lets_go();
    }
    for id in &slow {
        given.until(id, "redeemed").await;
    }
    world.settle().await;
    assert_eq!(given.balance().await, (0, 0, 9 * 900));
    audit(&given.program).await;
    world.bundle.shutdown().await;
}

/// Messages come twice and at the same time: the shop hears of a reward under one id, and it is booked
/// once.
#[tokio::test(flavor = "multi_thread")]
async fn messages_that_come_twice_give_once() {
    for duplicates in [Duplicates::After, Duplicates::AtOnce] {
        let (world, shop) = (World::start().await, Shop::open().await);
        world.bundle.set_duplicates(duplicates);
        let given = test_given(&world, &shop, json!({})).await;
        for number in 0..10 {
            given.buy(&format!("order-{number}")).await;
        }
        world.settle().await;
        assert_eq!(
            (shop.received(PATH).len(), ids(&shop).len()),
            (10, 10),
            "{duplicates:?}"
        );
        assert_eq!(given.balance().await, (0, 0, 9_000));
        assert_eq!(given.facts("reward.redeemed").await, 10);
        audit(&given.program).await;
        world.bundle.shutdown().await;
    }
}

/// The worker dies before it has written that it asks, before it has written what was answered, and
/// after that; and the table fails before or after it has written. The shop is asked under one id, and
/// what it gives is booked once.
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_gives_nothing_twice_and_loses_nothing() {
    for transactions in 0..3 {
        let (world, clock) = workers::world().await;
        let shop = Shop::open().await;
        let url = shop.url(PATH);
        let given = given(&world, &world.live_key(), &url, json!({})).await;
        world.bundle.pause(Some("reward-disbursement"));
        let (id, _) = given.buy("order-1").await;
        let message = Message::Reward {
            program_id: given.program.id.parse().unwrap(),
            reward_id: id.parse().unwrap(),
        };
        let ended = until_killed(&world, message, transactions).await;
        assert_eq!(ended, transactions == 2);
        assert_eq!(shop.received(PATH).len(), transactions.min(1));
        let state = if ended { "redeemed" } else { "approved" };
        assert_eq!(given.state(&id).await, state);
        world.bundle.resume(Some("reward-disbursement"));
        world.settle().await;
        clock.by_minutes(6);
        world.bundle.run_schedules().await;
        world.settle().await;
        assert_eq!(given.state(&id).await, "redeemed", "{transactions}");
        let times = if transactions == 1 { 2 } else { 1 };
        assert_eq!((shop.received(PATH).len(), ids(&shop).len()), (times, 1));
        assert_eq!(given.balance().await, (0, 0, 900));
        assert_eq!(given.facts("reward.issued").await, 1);
        audit(&given.program).await;
        world.bundle.shutdown().await;
    }
    for fault in [
        Fault::Conflict,
        Fault::Throttle,
        Fault::TimeoutBefore,
        Fault::TimeoutAfter,
    ] {
        let (world, shop) = (World::start().await, Shop::open().await);
        let given = test_given(&world, &shop, json!({})).await;
        let (id, _) = given.buy("order-1").await;
        let writes = Arc::new(AtomicUsize::new(0));
        world.plan(move |operation| {
            let nth =
                (operation == "TransactWriteItems").then(|| writes.fetch_add(1, Ordering::SeqCst));
            nth.filter(|nth| nth % 2 == 0).map(|_| fault)
        });
        let (other, _) = given.buy("order-2").await;
        world.settle().await;
        world.heal();
        for id in [&id, &other] {
            assert_eq!(given.state(id).await, "redeemed", "{fault:?}");
        }
        assert_eq!(ids(&shop).len(), 2, "{fault:?}");
        assert_eq!(given.balance().await, (0, 0, 1_800), "{fault:?}");
        audit(&given.program).await;
        world.bundle.shutdown().await;
    }
}

/// What is withdrawn while the shop is giving it was given: it is taken back as from whoever was paid.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_withdrawn_while_the_shop_gives_it_is_owed_back() {
    let (world, shop) = (World::start().await, Shop::open().await);
    let given = test_given(&world, &shop, json!({})).await;
    shop.behaves(PATH, Manner::Holds(200));
    let mut owed = 0;
    for (number, (how, state, value, back)) in [
        ("part", "redeemed", 600, 300),
        ("whole", "clawed_back", 0, 900),
        ("undone", "redeemed", 900, 0),
        ("cancel", "clawed_back", 900, 900),
        ("reject", "clawed_back", 900, 900),
    ]
    .into_iter()
    .enumerate()
    {
        let (id, sold) = given.buy(&format!("order-{number}")).await;
        shop.until_called(PATH, number + 1).await;
        match how {
            "part" => _ = given.refund(&sold, "r", eur(1_500)).await,
            "whole" => _ = given.refund(&sold, "r", Value::Null).await,
            "undone" => {
                let refund = given.refund(&sold, "r", Value::Null).await;
                let path = format!("/refunds/{}/reverse", text(&refund["id"]));
                given.program.post(&path, json!({})).await.expect(200);
            }
            by_hand => given.decide(&id, by_hand).await,
        }
        shop.lets_go();
        given.until(&id, state).await;
        world.settle().await;
        owed += back;
        let reward = given.reward(&id).await;
        assert_eq!(reward["value"], eur(value), "{how} {reward}");
        let paid = 900 * (i64::try_from(number).unwrap() + 1);
        assert_eq!(given.balance().await, (0, -owed, paid), "{how}");
        audit(&given.program).await;
    }
    assert_eq!(given.facts("reward.clawed_back").await, 3);
    assert_eq!(shop.received(PATH).len(), 5);
    // A refund afterwards is charged as from whoever was paid.
    shop.behaves(PATH, Manner::Takes);
    let (id, sold) = given.buy("late").await;
    world.settle().await;
    given.refund(&sold, "r", Value::Null).await;
    assert_eq!(given.state(&id).await, "clawed_back");
    assert_eq!(given.balance().await, (0, -owed - 900, 6 * 900));
    audit(&given.program).await;
    world.bundle.shutdown().await;
}

/// What is withdrawn between two tries is withdrawn: the shop is asked no more, and told by the event.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_withdrawn_between_tries_is_asked_for_no_more() {
    let (world, shop) = (World::start().await, Shop::open().await);
    let given = test_given(&world, &shop, json!({})).await;
    shop.behaves(PATH, Manner::Says(500));
    let (refunded, sold) = given.buy("order-1").await;
    let (cancelled, _) = given.buy("order-2").await;
    let (reduced, part) = given.buy("order-3").await;
    world.settle().await;
    assert_eq!(ids(&shop).len(), 3);
    given.refund(&sold, "r", Value::Null).await;
    given.decide(&cancelled, "cancel").await;
    given.refund(&part, "r", eur(1_500)).await;
    shop.behaves(PATH, Manner::Takes);
    given.program.advance(86_400).await;
    for id in [&refunded, &cancelled] {
        let reward = given.reward(id).await;
        assert_eq!(
            (&reward["state"], &reward["fulfilment"]["next_at"]),
            (&json!("cancelled"), &Value::Null)
        );
        let asked = shop.received(PATH);
        let asked = asked
            .iter()
            .filter(|call| call.id().starts_with(id.as_str()));
        assert_eq!(asked.count(), 1);
    }
    assert_eq!(given.facts("reward.cancelled").await, 2);
    // Asked again for what it was asked for first, it gave that.
    let asked = shop.received(PATH);
    let asked: Vec<_> = asked
        .iter()
        .filter(|call| call.id().starts_with(reduced.as_str()))
        .collect();
    assert_eq!(
        asked.last().unwrap().event()["data"]["reward"]["value"],
        eur(900)
    );
    let reward = given.reward(&reduced).await;
    assert_eq!(
        (&reward["state"], &reward["value"]),
        (&json!("redeemed"), &eur(600))
    );
    assert_eq!(given.balance().await, (0, -300, 900));
    audit(&given.program).await;
    world.bundle.shutdown().await;
}

/// A shop that is asked first agrees, does not, or never says: then the owner decides.
#[tokio::test(flavor = "multi_thread")]
async fn a_shop_may_say_no_before_a_reward_is_released() {
    let (world, shop) = (World::start().await, Shop::open().await);
    let validated = |webhook: &str| json!({"fulfilment": {"webhook_id": webhook, "validate": true}, "hold_days": 2, "limits": {"per_referrer": 3}});
    let given = test_given(&world, &shop, json!({})).await;
    let rules = json!([rule(
        "gift",
        cash(),
        &given.webhook,
        validated(&given.webhook)
    )]);
    given
        .program
        .patch("", json!({"incentives": rules}))
        .await
        .expect(200);
    let asked = || {
        shop.received(PATH)
            .iter()
            .map(|call| call.event()["type"].clone())
            .collect::<Vec<_>>()
    };

    let (yes, _) = given.buy("yes").await;
    given.program.advance(86_400).await;
    assert_eq!(asked(), [Value::Null; 0]);
    given.program.advance(2 * 86_400).await;
    assert_eq!(given.state(&yes).await, "redeemed");
    assert_eq!(asked(), ["reward.validate", "reward.fulfil"]);
    assert_eq!(
        ids(&shop),
        BTreeSet::from([format!("{yes}:validate"), format!("{yes}:issue")])
    );

    shop.behaves(PATH, Manner::Says(403));
    let (no, _) = given.buy("no").await;
    given.program.advance(3 * 86_400).await;
    let rejected = given.reward(&no).await;
    assert_eq!(rejected["state"], "rejected");
    let reason = &rejected["history"].as_array().unwrap().last().unwrap()["reason"];
    assert_eq!(reason, "refused by the shop: status 403");
    assert_eq!(given.balance().await, (0, 0, 900));
    assert_eq!(asked().len(), 3);

    shop.behaves(PATH, Manner::Says(500));
    let mut silent = Vec::new();
    // The rejected one has given its place back.
    for order in ["approved", "rejected"] {
        silent.push(given.buy(order).await.0);
    }
    given.program.advance(8 * 86_400).await;
    for id in &silent {
        let held = given.reward(id).await;
        assert_eq!(held["state"], "pending", "{held}");
        let text = text(&held["fulfilment"]["explanation"]).to_owned();
        assert!(
            text.contains("10 times whether it agrees") && text.contains("owner"),
            "{text}"
        );
    }
    assert_eq!(asked().len(), 3 + 20);
    given.program.advance(20 * 86_400).await;
    assert_eq!(asked().len(), 3 + 20);
    shop.behaves(PATH, Manner::Takes);
    given.decide(&silent[0], "approve").await;
    given.decide(&silent[1], "reject").await;
    given.program.advance(2 * 3_600).await;
    assert_eq!(given.state(&silent[0]).await, "redeemed");
    assert_eq!(given.state(&silent[1]).await, "rejected");
    assert_eq!(given.balance().await, (0, 0, 1_800));
    audit(&given.program).await;
    world.bundle.shutdown().await;
}

/// As with any provider: who is suspended gets nothing, a merge carries the reward over, and a pause
/// keeps what is held.
#[tokio::test(flavor = "multi_thread")]
async fn people_and_pauses_are_respected_as_elsewhere() {
    let (world, shop) = (World::start().await, Shop::open().await);
    let given = test_given(&world, &shop, json!({"hold_days": 1})).await;
    let person = format!("/participants/{}", text(&given.ann["id"]));
    let be = async |state: &str| {
        let body = json!({"state": state});
        given.program.patch(&person, body).await.expect(200);
    };
    let (suspended, _) = given.buy("order-1").await;
    be("suspended").await;
    given.program.advance(2 * 86_400).await;
    assert_eq!(given.state(&suspended).await, "failed");
    assert_eq!(shop.received(PATH).len(), 0);
    let text_of = text(&given.reward(&suspended).await["fulfilment"]["explanation"]).to_owned();
    assert_eq!(text_of, "The shop was not asked.");
    be("active").await;
    given.decide(&suspended, "retry").await;
    world.settle().await;
    assert_eq!(given.state(&suspended).await, "redeemed");

    // Suspended while the shop gives it: it was given.
    shop.behaves(PATH, Manner::Holds(200));
    let (given_all_the_same, _) = given.buy("order-2").await;
    let advance = given.program.advance(2 * 86_400);
    let meanwhile = async {
        shop.until_called(PATH, 2).await;
        be("suspended").await;
        shop.lets_go();
    };
    tokio::join!(advance, meanwhile);
    assert_eq!(given.state(&given_all_the_same).await, "redeemed");
    be("active").await;

    shop.behaves(PATH, Manner::Takes);
    let (paused, _) = given.buy("order-3").await;
    given
        .program
        .patch("", json!({"state": "paused"}))
        .await
        .expect(200);
    given.program.advance(3 * 86_400).await;
    assert_eq!(given.state(&paused).await, "pending");
    assert_eq!(shop.received(PATH).len(), 2);
    given
        .program
        .patch("", json!({"state": "active"}))
        .await
        .expect(200);
    given.program.advance(86_400).await;
    assert_eq!(given.state(&paused).await, "redeemed");

    shop.behaves(PATH, Manner::Says(500));
    let (merged, _) = given.buy("order-4").await;
    given.program.advance(86_400 + 60).await;
    let bea = given.program.referrer("bea").await;
    let into = json!({"into": bea["id"], "reason": "the same person"});
    given
        .program
        .post(&format!("{person}/merge"), into)
        .await
        .expect(201);
    world.settle().await;
    shop.behaves(PATH, Manner::Takes);
    given.program.advance(86_400).await;
    let reward = given.reward(&merged).await;
    assert_eq!(
        (&reward["state"], &reward["beneficiary_id"]),
        (&json!("redeemed"), &bea["id"])
    );
    let last = shop.received(PATH).last().unwrap().event();
    assert_eq!(last["data"]["participant"]["external_id"], "bea");
    assert_eq!(given.program.balance(&bea, "EUR").await["paid"], 4 * 900);
    audit(&given.program).await;
    world.bundle.shutdown().await;
}

/// A code that somebody has is nobody else's, and one that is none fails too; the shop names another.
#[tokio::test(flavor = "multi_thread")]
async fn a_voucher_of_the_shop_is_judged_as_one_of_the_list() {
    let (world, shop) = (World::start().await, Shop::open().await);
    let given = test_given(&world, &shop, json!({})).await;
    let off = json!({"kind": "discount", "basis_points": 500});
    let rules = json!([rule("off", off, &given.webhook, json!({}))]);
    given
        .program
        .patch("", json!({"incentives": rules}))
        .await
        .expect(200);
    shop.behaves(PATH, Manner::Tells(r#"{"voucher_code": "ONCE"}"#));
    let (first, _) = given.buy("order-1").await;
    world.settle().await;
    let (second, _) = given.buy("order-2").await;
    world.settle().await;
    assert_eq!(given.state(&first).await, "issued");
    let reason = async |id: &str| {
        let reward = given.reward(id).await;
        let last = reward["history"]
            .as_array()
            .unwrap()
            .last()
            .unwrap()
            .clone();
        (text(&reward["state"]).to_owned(), last["reason"].clone())
    };
    let taken = "the shop has made a voucher under a code that is taken";
    assert_eq!(reason(&second).await, ("failed".to_owned(), json!(taken)));
    shop.behaves(PATH, Manner::Tells(r#"{"voucher_code": "not one"}"#));
    given.decide(&second, "retry").await;
    world.settle().await;
    let no_code = "the shop has made a voucher whose code cannot be one";
    assert_eq!(reason(&second).await, ("failed".to_owned(), json!(no_code)));
    shop.behaves(PATH, Manner::Tells(r#"{"voucher_code": "ANOTHER"}"#));
    given.decide(&second, "retry").await;
    world.settle().await;
    assert_eq!(given.reward(&second).await["voucher_code"], "ANOTHER");
    assert_eq!(ids(&shop).len(), 2);
    audit(&given.program).await;
    world.bundle.shutdown().await;
}

/// A shop that is seldom asked fails once, and again days later: that is no five days of failures.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_seldom_asked_is_not_given_up_for_two_failures() {
    let (world, shop) = (World::start().await, Shop::open().await);
    let given = test_given(&world, &shop, json!({})).await;
    shop.behaves(PATH, Manner::Says(503));
    let (withdrawn, _) = given.buy("order-1").await;
    world.settle().await;
    // Nobody asks again, so nothing tells that the shop is well.
    given.decide(&withdrawn, "cancel").await;
    given.program.advance(6 * 86_400).await;
    assert_eq!(shop.received(PATH).len(), 1);
    let (waits, _) = given.buy("order-2").await;
    world.settle().await;
    assert_eq!(shop.received(PATH).len(), 2);
    let webhook = format!("/webhooks/{}", given.webhook);
    let webhook = given.program.get(&webhook).await.expect(200);
    assert_eq!(webhook["state"], "active");
    shop.behaves(PATH, Manner::Takes);
    given.program.advance(3_600).await;
    assert_eq!(given.state(&waits).await, "redeemed");
    audit(&given.program).await;
    world.bundle.shutdown().await;
}

/// Secrets rotate as for deliveries; a disabled endpoint has rewards wait, and a deleted one has them
/// fail; one that a rule names is not deleted, and no rule names one that is not there.
#[tokio::test(flavor = "multi_thread")]
async fn endpoints_come_and_go() {
    let (world, shop) = (World::start().await, Shop::open().await);
    let given = test_given(&world, &shop, json!({})).await;
    let endpoint = format!("/webhooks/{}", given.webhook);
    let delete = async || {
        let path = given.program.path(&endpoint);
        let request = world.request(Method::DELETE, &path);
        world.send(request.bearer_auth(&given.program.key)).await
    };
    let rotated = given
        .program
        .post(&format!("{endpoint}/rotate"), json!({}))
        .await
        .expect(200);
    let new = Secret::parse(text(&rotated["secret"])).unwrap();
    given.buy("order-1").await;
    world.settle().await;
    let call = shop.received(PATH).remove(0);
    for secret in [given.secret.clone(), new] {
        signing::verify(&call.headers, &[secret], &call.body, Timestamp::now()).unwrap();
    }

    given
        .program
        .patch(&endpoint, json!({"state": "disabled"}))
        .await
        .expect(200);
    let (waits, _) = given.buy("order-2").await;
    world.settle().await;
    given.program.advance(86_400).await;
    let waiting = given.reward(&waits).await;
    assert_eq!(
        (&waiting["state"], &waiting["fulfilment"]["tries"]),
        (&json!("approved"), &json!(0))
    );
    let text_of = text(&waiting["fulfilment"]["explanation"]).to_owned();
    assert!(
        text_of.starts_with("The shop's webhook is disabled or fails"),
        "{text_of}"
    );
    assert_eq!(shop.received(PATH).len(), 1);
    given
        .program
        .patch(&endpoint, json!({"state": "active"}))
        .await
        .expect(200);
    // What has waited for a day is looked at every five hours.
    given.program.advance(3_600).await;
    assert_eq!(given.state(&waits).await, "approved");
    given.program.advance(4 * 3_600).await;
    assert_eq!(given.state(&waits).await, "redeemed");

    assert_eq!(delete().await.problem(409), "webhook_in_use");
    shop.behaves(PATH, Manner::Says(500));
    let (orphan, _) = given.buy("order-3").await;
    world.settle().await;
    given
        .program
        .patch("", json!({"incentives": []}))
        .await
        .expect(200);
    delete().await.expect(204);
    given.program.advance(86_400).await;
    let failed = given.reward(&orphan).await;
    assert_eq!(failed["state"], "failed");
    let reason = &failed["history"].as_array().unwrap().last().unwrap()["reason"];
    assert_eq!(reason, "the webhook that carries it out was deleted");

    let rules = json!({"incentives": [rule("gift", cash(), &given.webhook, json!({}))]});
    let refused = given.program.patch("", rules.clone()).await;
    assert_eq!(refused.problem(422), "invalid_request");
    assert_eq!(
        refused.json()["errors"][0]["pointer"],
        "/incentives/0/fulfilment/webhook_id"
    );
    let mut new = crate::world::bakery();
    new["incentives"] = rules["incentives"].clone();
    let refused = world.post(&world.test_key(), "/v1/programs", new).await;
    assert_eq!(refused.problem(422), "invalid_request");
    let checkout = json!({"grant": "at_checkout", "beneficiary": "referee"});
    let off = json!({"kind": "discount", "basis_points": 500});
    let rules = json!({"incentives": [rule("off", off, &given.webhook, checkout)]});
    let refused = given.program.patch("", rules).await;
    assert_eq!(refused.problem(422), "invalid_request");
    assert_eq!(
        refused.json()["errors"][0]["pointer"],
        "/incentives/0/fulfilment"
    );
    audit(&given.program).await;
    world.bundle.shutdown().await;
}
