//! What conversions earn: offers before paying, vouchers, the tree above a referrer, and numbers that
//! hold when many come at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use futures_util::future::join_all;
use kith_store::faults::Fault;
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{Answer, BROWSER, Program, World, eur, purchase, text};

const DAY: i64 = 86_400;

fn cash(id: &str, beneficiary: &Value, amount: i64) -> Value {
    json!({"id": id, "on": "purchase", "beneficiary": beneficiary,
        "reward": {"kind": "cash", "amount": eur(amount)}})
}

fn thanks() -> Value {
    cash("thank-you", &json!("referrer"), 500)
}

/// Ten per cent off for the friend, before paying.
fn friend() -> Value {
    json!({"id": "friend-10", "on": "purchase", "beneficiary": "referee", "grant": "at_checkout",
        "reward": {"kind": "discount", "basis_points": 1000}})
}

async fn program(world: &World, incentives: Value) -> Program<'_> {
    let change = json!({"surveys": [], "incentives": incentives});
    world.program(change).await
}

/// `incentive state`, of a conversion's rewards.
fn earned(conversion: &Value) -> Vec<String> {
    let rewards = conversion["rewards"].as_array().unwrap();
    let one = |reward: &Value| {
        format!(
            "{} {}",
            text(&reward["incentive_id"]),
            text(&reward["state"])
        )
    };
    rewards.iter().map(one).collect()
}

/// `incentive reason`, of what it did not earn.
fn skipped(conversion: &Value) -> Vec<String> {
    let skipped = conversion["skipped"].as_array().unwrap();
    let one = |skip: &Value| format!("{} {}", text(&skip["incentive_id"]), text(&skip["reason"]));
    skipped.iter().map(one).collect()
}

/// A shop's pages, with a key that browsers may hold.
struct Shop<'a> {
    program: &'a Program<'a>,
    key: String,
}

impl<'a> Shop<'a> {
    async fn of(program: &'a Program<'a>) -> Self {
        let body = json!({"name": "pages", "program_id": program.id, "scopes": ["clicks:write"], "publishable": true});
        let made = program.world.post(&program.key, "/v1/keys", body).await;
        let key = text(&made.expect(201)["key"]).to_owned();
        Self { program, key }
    }

    async fn offer(&self, body: &Value, user_agent: &str) -> Answer {
        let world = self.program.world;
        let path = self.program.path("/offers");
        let request = world.request(Method::POST, &path);
        let request = request.bearer_auth(&self.key).json(body);
        world.send(request.header("user-agent", user_agent)).await
    }
}

/// From the click to the order: one offer, one use, one reward that is used already.
#[tokio::test(flavor = "multi_thread")]
async fn an_offer_is_made_once_and_used_once() {
    let world = World::start().await;
    let program = program(&world, json!([friend(), thanks()])).await;
    let shop = Shop::of(&program).await;
    let ann = program.referrer("ann").await;
    let token = json!({"click_token": program.click(&ann).await});

    let first = shop.offer(&token, BROWSER).await;
    let offer = first.expect(201);
    assert_eq!(first.header("access-control-allow-origin"), "*");
    assert_eq!(offer["incentive_id"], "friend-10");
    assert_eq!(
        offer["reward"],
        json!({"kind": "discount", "basis_points": 1000})
    );
    assert!(text(&offer["id"]).starts_with("off_"), "{offer}");
    assert_eq!(shop.offer(&token, BROWSER).await.expect(200), offer);

    let voucher = text(&offer["voucher_code"]).to_lowercase();
    let order = program
        .convert("order-1", json!({"codes": [voucher]}))
        .await;
    let order = order.expect(201);
    let attribution = &order["attribution"];
    assert_eq!(attribution["reason"], "voucher", "{order}");
    assert_eq!(attribution["referrer_id"], ann["id"]);
    assert_eq!(attribution["channel"], "link");
    assert!(attribution["click_id"].is_string());
    assert_eq!(order["codes"][0]["is"], "voucher");
    assert_eq!(earned(&order), ["friend-10 redeemed", "thank-you approved"]);
    world.settle().await;
    let id = text(&order["rewards"][0]["id"]);
    let reward = program.get(&format!("/rewards/{id}")).await.expect(200);
    assert_eq!(reward["state"], "redeemed");
    assert_eq!(reward["voucher_code"], offer["voucher_code"]);

    // Whoever finds the voucher afterwards finds a voucher, and nothing else.
    let found = program
        .convert("order-2", json!({"codes": [voucher]}))
        .await;
    let found = found.expect(201);
    assert_eq!(found["attribution"]["reason"], "no_touch");
    assert_eq!(found["codes"][0]["is"], "voucher");
    let again = json!({"referee": {"external_id": "friend-of-order-1"}, "codes": [voucher]});
    let again = program.convert("order-3", again).await.expect(201);
    assert_eq!(again["attribution"]["reason"], "existing_referral");
    assert_eq!(skipped(&again), ["friend-10 no_offer"]);
    assert_eq!(shop.offer(&token, BROWSER).await.problem(409), "no_offer");
    // Said again, the first order is what it was.
    let said = program
        .convert("order-1", json!({"codes": [voucher]}))
        .await;
    assert_eq!(
        said.expect(200)["rewards"][0]["id"],
        order["rewards"][0]["id"]
    );
    world.bundle.shutdown().await;
}

/// Two orders at once that name one voucher: one of them has it.
#[tokio::test(flavor = "multi_thread")]
async fn two_orders_at_once_share_no_offer() {
    let world = World::start().await;
    let program = program(&world, json!([friend()])).await;
    let shop = Shop::of(&program).await;
    let ann = program.referrer("ann").await;
    for round in 0..10 {
        let body = json!({"code": ann["code"]});
        let agent = format!("{BROWSER} {round}");
        let twins = join_all([shop.offer(&body, &agent), shop.offer(&body, &agent)]).await;
        let mut statuses: Vec<u16> = twins.iter().map(|one| one.status.as_u16()).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 201], "{twins:?}");
        assert_eq!(twins[0].json(), twins[1].json());
        let codes = json!({"codes": [twins[0].json()["voucher_code"]]});
        let (one, other) = (format!("order-{round}a"), format!("order-{round}b"));
        let orders = join_all([
            program.convert(&one, codes.clone()),
            program.convert(&other, codes),
        ])
        .await;
        let used = orders
            .iter()
            .filter(|order| order.expect(201)["attribution"]["reason"] == "voucher");
        assert_eq!(used.count(), 1, "{orders:?}");
    }
    world.settle().await;
    assert_eq!(program.rewards().await.len(), 10);
    world.bundle.shutdown().await;
}

/// The program's clock says when a promise is over; the visit has had its offer.
#[tokio::test(flavor = "multi_thread")]
async fn an_unused_offer_expires() {
    let world = World::start().await;
    let mut rule = friend();
    rule["expires_after_days"] = json!(2);
    let program = program(&world, json!([rule])).await;
    let shop = Shop::of(&program).await;
    let ann = program.referrer("ann").await;
    let token = json!({"click_token": program.click(&ann).await});
    let offer = shop.offer(&token, BROWSER).await.expect(201);
    let codes = json!({"codes": [offer["voucher_code"]]});
    program.advance(2 * DAY).await;
    let order = program.convert("order-1", codes).await.expect(201);
    assert_eq!(order["attribution"]["reason"], "no_touch");
    assert_eq!(order["codes"][0]["is"], "voucher");
    let refused = shop.offer(&token, BROWSER).await;
    assert_eq!(refused.problem(409), "no_offer");
    // A new day, a new visit.
    let code = json!({"code": ann["code"]});
    let today = shop.offer(&code, BROWSER).await.expect(201);
    program.advance(DAY).await;
    let tomorrow = shop.offer(&code, BROWSER).await.expect(201);
    assert_ne!(today["id"], tomorrow["id"]);
    // An order of the time when it held may be told of late.
    let late = json!({"codes": [today["voucher_code"]], "occurred_at": "now"});
    let mut late = purchase("order-2", late);
    late["occurred_at"] = tomorrow["expires_at"].clone();
    program.advance(5 * DAY).await;
    late["occurred_at"] = order["recorded_at"].clone();
    let late = program.post("/conversions", late).await.expect(201);
    assert_eq!(late["attribution"]["reason"], "voucher", "{late}");
    world.bundle.shutdown().await;
}

/// A bond is older than any voucher, and nobody gives another one's promise.
#[tokio::test(flavor = "multi_thread")]
async fn a_bond_wins_over_the_offer_of_another_referrer() {
    let world = World::start().await;
    let program = program(&world, json!([friend(), thanks()])).await;
    let shop = Shop::of(&program).await;
    let (ann, bob) = (program.referrer("ann").await, program.referrer("bob").await);
    let cid = |codes: Value| json!({"referee": {"external_id": "cid"}, "codes": codes});
    program
        .convert("order-1", cid(json!([bob["code"]])))
        .await
        .expect(201);
    let offer = shop
        .offer(&json!({"code": ann["code"]}), BROWSER)
        .await
        .expect(201);
    let codes = json!([offer["voucher_code"]]);
    let order = program
        .convert("order-2", cid(codes.clone()))
        .await
        .expect(201);
    assert_eq!(order["attribution"]["referrer_id"], bob["id"]);
    assert_eq!(skipped(&order), ["friend-10 no_offer"]);
    assert_eq!(order["attribution"]["considered"][1]["touch"], "voucher");
    // It was not used up: a friend of Ann's has it.
    let own = json!({"codes": codes});
    let own = program.convert("order-3", own).await.expect(201);
    assert_eq!(earned(&own), ["friend-10 redeemed", "thank-you approved"]);
    // Nobody refers themselves by a voucher.
    let offer = shop
        .offer(&json!({"code": ann["code"]}), "Safari")
        .await
        .expect(201);
    let herself = json!({"referee": {"external_id": "ann"}, "codes": [offer["voucher_code"]]});
    let herself = program.convert("order-4", herself).await.expect(201);
    assert_eq!(herself["attribution"]["reason"], "self_referral");
    world.bundle.shutdown().await;
}

/// What is given before paying is spent and used in one entry; no balance ever held it.
#[tokio::test(flavor = "multi_thread")]
async fn a_free_product_at_checkout_is_settled_at_once() {
    let world = World::start().await;
    let cake = json!({"id": "cake", "on": "purchase", "beneficiary": "referee", "grant": "at_checkout",
        "reward": {"kind": "free_product", "sku": "CAKE", "quantity": 2}});
    let program = program(&world, json!([cake])).await;
    let shop = Shop::of(&program).await;
    let ann = program.referrer("ann").await;
    let offer = shop
        .offer(&json!({"code": ann["code"]}), BROWSER)
        .await
        .expect(201);
    let order = program
        .convert("order-1", json!({"codes": [offer["voucher_code"]]}))
        .await;
    let order = order.expect(201);
    assert_eq!(earned(&order), ["cake redeemed"]);
    world.settle().await;
    let friend = json!({"id": order["attribution"]["referee_id"]});
    let balance = program.balance(&friend, "items:CAKE").await;
    assert_eq!(
        (&balance["available"], &balance["paid"]),
        (&json!(0), &json!(2)),
        "{balance}"
    );
    crate::books::audit(&program).await;
    world.bundle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_hold_makes_no_offer() {
    let world = World::start().await;
    let program = program(&world, json!([friend()])).await;
    let other = self::program(&world, json!([thanks()])).await;
    let (shop, theirs) = (Shop::of(&program).await, Shop::of(&other).await);
    let (ann, bob) = (program.referrer("ann").await, other.referrer("bob").await);
    let foreign = other.click(&bob).await;
    for (body, pointer) in [
        (json!({}), ""),
        (json!({"code": ann["code"], "click_token": "x"}), ""),
        (json!({"click_token": "x"}), "/click_token"),
        (json!({"click_token": foreign}), "/click_token"),
        (json!({"code": "NOBODY"}), "/code"),
        (json!({"code": bob["code"]}), "/code"),
    ] {
        let refused = shop.offer(&body, BROWSER).await;
        assert_eq!(refused.problem(422), "invalid_request", "{body}");
        assert_eq!(refused.json()["errors"][0]["pointer"], pointer, "{body}");
        assert_eq!(refused.header("access-control-allow-origin"), "*");
    }
    let nothing = theirs.offer(&json!({"code": bob["code"]}), BROWSER).await;
    assert_eq!(nothing.problem(409), "no_offer");
    let id = text(&ann["id"]);
    let suspend = json!({"state": "suspended"});
    program
        .patch(&format!("/participants/{id}"), suspend)
        .await
        .expect(200);
    let refused = shop.offer(&json!({"code": ann["code"]}), BROWSER).await;
    assert_eq!(refused.problem(409), "referrer_suspended");
    let path = program.path("/offers");
    let preflight = world.send(world.request(Method::OPTIONS, &path)).await;
    assert_eq!(preflight.status, 204);
    assert_eq!(
        preflight.header("access-control-allow-methods"),
        "POST, OPTIONS"
    );
    world.bundle.shutdown().await;
}

/// Whoever holds a code cannot fill the table with vouchers.
#[tokio::test(flavor = "multi_thread")]
async fn offers_of_a_day_are_bounded() {
    let world = World::start().await;
    let program = program(&world, json!([friend()])).await;
    let shop = Shop::of(&program).await;
    let ann = program.referrer("ann").await;
    let code = json!({"code": ann["code"]});
    let agents: Vec<String> = (0..500)
        .map(|number| format!("{BROWSER} {number}"))
        .collect();
    for some in agents.chunks(10) {
        for answer in join_all(some.iter().map(|agent| shop.offer(&code, agent))).await {
            answer.expect(201);
        }
    }
    let refused = shop.offer(&code, "one more").await;
    assert_eq!(refused.problem(429), "too_many_requests");
    let wait: i64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=DAY).contains(&wait), "{wait}");
    shop.offer(&code, &agents[0]).await.expect(200);
    program.advance(DAY).await;
    shop.offer(&code, "one more").await.expect(201);
    world.bundle.shutdown().await;
}

/// Cakes and discounts are handed out as vouchers; the order that names one has used it.
#[tokio::test(flavor = "multi_thread")]
async fn a_conversion_uses_the_voucher_that_it_names() {
    let world = World::start().await;
    let rule = json!({"id": "treat", "on": "purchase", "beneficiary": "referrer",
        "reward": {"kind": "discount", "basis_points": 2000}});
    let program = program(&world, json!([rule])).await;
    let other = self::program(&world, json!([])).await;
    let ann = program.referrer("ann").await;
    let order = program
        .convert("order-1", json!({"codes": [ann["code"]]}))
        .await
        .expect(201);
    world.settle().await;
    let path = format!("/rewards/{}", text(&order["rewards"][0]["id"]));
    let reward = async || program.get(&path).await.expect(200);
    let issued = reward().await;
    assert_eq!(issued["state"], "issued");
    let codes = json!({"codes": [issued["voucher_code"]], "referee": {"external_id": "ann"}});
    // Another program's vouchers are unknown.
    let abroad = other.convert("order-2", codes.clone()).await.expect(201);
    assert_eq!(abroad["codes"][0]["is"], "unknown");
    assert_eq!(reward().await["state"], "issued");
    // Her own order belongs to nobody, and uses it all the same.
    let used = program.convert("order-2", codes.clone()).await.expect(201);
    assert_eq!(
        (&used["state"], &used["codes"][0]["is"]),
        (&json!("unattributed"), &json!("voucher"))
    );
    world.settle().await;
    let redeemed = reward().await;
    assert_eq!(redeemed["state"], "redeemed", "{redeemed}");
    program.convert("order-2", codes.clone()).await.expect(200);
    let late = program.convert("order-3", codes).await.expect(201);
    assert_eq!(late["codes"][0]["is"], "voucher");
    assert_eq!(
        reward().await["version"],
        redeemed["version"],
        "it was used twice"
    );
    let facts = program.get("/events?limit=100").await.expect(200);
    let facts = facts["data"].as_array().unwrap();
    let redeemed = facts
        .iter()
        .filter(|fact| fact["type"] == "reward.redeemed");
    assert_eq!(redeemed.count(), 1);
    world.bundle.shutdown().await;
}

fn upline(levels: &[(u8, i64)]) -> Value {
    let mut rules = vec![thanks()];
    for (level, amount) in levels {
        rules.push(cash(
            &format!("level-{level}"),
            &json!({"upline": level}),
            *amount,
        ));
    }
    Value::Array(rules)
}

/// Who stands above is asked when the conversion comes: a bond made later counts from then on.
#[tokio::test(flavor = "multi_thread")]
async fn three_levels_above_the_referrer_earn() {
    let world = World::start().await;
    let program = program(&world, upline(&[(1, 300), (2, 200), (3, 100)])).await;
    let top = program.referrer("top").await;
    let join = async |name: &str, above: &Value| {
        let body = json!({"external_id": name, "referred_by": above["id"]});
        program.post("/participants", body).await.expect(201)
    };
    // Dan was bound while nobody stood above Ann.
    let ann = program.referrer("ann").await;
    let bob = join("bob", &ann).await;
    let cid = join("cid", &bob).await;
    let dan = json!({"referee": {"external_id": "dan"}, "codes": [cid["code"]]});
    let order = program.convert("order-1", dan.clone()).await.expect(201);
    assert_eq!(
        earned(&order),
        ["thank-you approved", "level-1 approved", "level-2 approved"]
    );
    assert_eq!(skipped(&order), ["level-3 no_upline"]);
    assert_eq!(order["rewards"][1]["beneficiary"], json!({"upline": 1}));
    assert_eq!(order["rewards"][1]["beneficiary_id"], bob["id"]);
    // Ann comes to somebody: from then on she stands below.
    let known = json!({"external_id": "ann", "referred_by": top["id"]});
    program.post("/participants", known).await.expect(200);
    let order = program.convert("order-2", dan.clone()).await.expect(201);
    assert_eq!(order["rewards"].as_array().unwrap().len(), 4);
    assert_eq!(order["rewards"][3]["beneficiary_id"], top["id"]);
    // A suspended level earns nothing, and whoever stands above it earns as before.
    let path = format!("/participants/{}", text(&ann["id"]));
    program
        .patch(&path, json!({"state": "suspended"}))
        .await
        .expect(200);
    let order = program.convert("order-3", dan).await.expect(201);
    assert_eq!(skipped(&order), ["level-2 beneficiary_suspended"]);
    assert_eq!(order["rewards"][2]["beneficiary_id"], top["id"]);
    world.settle().await;
    crate::books::audit(&program).await;
    world.bundle.shutdown().await;
}

/// How often the table is asked, by operation.
fn counting(world: &World) -> Arc<std::sync::Mutex<Vec<String>>> {
    let asked: Arc<std::sync::Mutex<Vec<String>>> = Arc::default();
    let kept = Arc::clone(&asked);
    world.plan(move |operation| {
        // The lease of the key's bucket is not asked for by the tree.
        if operation != "UpdateItem" {
            kept.lock().unwrap().push(operation.to_owned());
        }
        None
    });
    asked
}

/// The tree is read in one request, however many levels earn.
#[tokio::test(flavor = "multi_thread")]
async fn levels_are_not_read_one_by_one() {
    let world = World::with(|options| options.paused = true).await;
    let levels = [(1, 50), (2, 40), (3, 30), (4, 20), (5, 10)];
    let deep = program(&world, upline(&levels)).await;
    let flat = program(&world, json!([thanks()])).await;
    let mut above = deep.referrer("level-0").await;
    for level in 1..=6 {
        let body = json!({"external_id": format!("level-{level}"), "referred_by": above["id"]});
        above = deep.post("/participants", body).await.expect(201);
    }
    let ann = flat.referrer("ann").await;
    let asked = counting(&world);
    let requests = async |program: &Program<'_>, order: &str, body: Value| {
        asked.lock().unwrap().clear();
        let answer = program.convert(order, body).await.expect(201);
        (std::mem::take(&mut *asked.lock().unwrap()).len(), answer)
    };
    let friend = |code: &Value| json!({"referee": {"external_id": "friend"}, "codes": [code]});
    let (first, order) = requests(&flat, "order-1", friend(&ann["code"])).await;
    assert_eq!((first, order["rewards"].as_array().unwrap().len()), (3, 1));
    let (first, order) = requests(&deep, "order-1", friend(&above["code"])).await;
    assert_eq!(
        (first, order["rewards"].as_array().unwrap().len()),
        (4, 6),
        "{order}"
    );
    let (again, order) = requests(&deep, "order-2", friend(&above["code"])).await;
    assert_eq!(
        (again, order["rewards"].as_array().unwrap().len()),
        (4, 6),
        "{order}"
    );
    world.bundle.shutdown().await;
}

/// Somebody whom the referee has referred cannot refer them, by any way.
#[tokio::test(flavor = "multi_thread")]
async fn a_loop_is_refused() {
    let world = World::start().await;
    let program = program(&world, json!([thanks()])).await;
    let ann = program.referrer("ann").await;
    let join = async |name: &str, above: &Value| {
        let body = json!({"external_id": name, "referred_by": above["id"]});
        program.post("/participants", body).await.expect(201)
    };
    let bob = join("bob", &ann).await;
    let cid = join("cid", &bob).await;
    let hers = json!({"referee": {"external_id": "ann"}, "codes": [cid["code"]]});
    let order = program.convert("order-1", hers).await.expect(201);
    assert_eq!(order["attribution"]["reason"], "referral_loop", "{order}");
    let by_hand = async |body: Value| {
        let id = text(&order["id"]);
        program
            .post(&format!("/conversions/{id}/attribution"), body)
            .await
    };
    let refused = by_hand(json!({"referrer_id": cid["id"], "reason": "she said so"})).await;
    assert_eq!(refused.problem(409), "referral_loop");
    // What does not close a loop comes next.
    let eve = program.referrer("eve").await;
    let both = json!({"referee": {"external_id": "ann"}, "codes": [bob["code"], eve["code"]]});
    let order_2 = program.convert("order-2", both).await.expect(201);
    assert_eq!(order_2["attribution"]["referrer_id"], eve["id"]);
    let outcomes = order_2["attribution"]["considered"]
        .as_array()
        .unwrap()
        .iter();
    let outcomes: Vec<&str> = outcomes.map(|one| text(&one["outcome"])).collect();
    assert_eq!(outcomes, ["referral_loop", "chosen"]);
    // A referee who has no code yet is no referrer.
    let dan = program
        .convert("order-3", json!({"referee": {"external_id": "dan"}}))
        .await;
    let dan = dan.expect(201)["attribution"]["referee_id"].clone();
    let unattributed = program.convert("order-4", json!({})).await.expect(201);
    let path = format!("/conversions/{}/attribution", text(&unattributed["id"]));
    let refused = program
        .post(&path, json!({"referrer_id": dan, "reason": "?"}))
        .await;
    assert_eq!(refused.problem(409), "referrer_without_code");
    let refused = json!({"external_id": "fay", "referred_by": dan});
    let refused = program.post("/participants", refused).await;
    assert_eq!(refused.problem(409), "referrer_without_code");
    world.bundle.shutdown().await;
}

/// Two who name each other at the same instant: never both. By orders and by profile, of people who
/// had a code before and of people who get theirs at that very instant.
#[tokio::test(flavor = "multi_thread")]
async fn opposite_bonds_at_once_never_both_hold() {
    let world = World::start().await;
    let program = program(&world, json!([thanks()])).await;
    let mut bound = 0;
    for round in 0..20 {
        let (one, other) = (format!("one-{round}"), format!("other-{round}"));
        let ann = program.referrer(&one).await;
        let bob = program.referrer(&other).await;
        let order = |referee: &str, code: &Value| {
            let body = json!({"referee": {"external_id": referee}, "codes": [code]});
            purchase(&format!("order-of-{referee}"), body)
        };
        let profile = |referee: &str, above: &Value| json!({"external_id": referee, "referred_by": above["id"]});
        let answers = match round % 3 {
            0 => {
                let (a, b) = (order(&one, &bob["code"]), order(&other, &ann["code"]));
                join_all([
                    program.post("/conversions", a),
                    program.post("/conversions", b),
                ])
                .await
            }
            1 => {
                let (a, b) = (profile(&one, &bob), profile(&other, &ann));
                join_all([
                    program.post("/participants", a),
                    program.post("/participants", b),
                ])
                .await
            }
            _ => {
                let (a, b) = (order(&one, &bob["code"]), profile(&other, &ann));
                join_all([
                    program.post("/conversions", a),
                    program.post("/participants", b),
                ])
                .await
            }
        };
        for answer in &answers {
            assert!(
                [200, 201, 409].contains(&answer.status.as_u16()),
                "{answer:?}"
            );
        }
        let of = async |person: &Value| {
            let path = format!("/referrals?referrer_id={}", text(&person["id"]));
            let page = program.get(&path).await.expect(200);
            page["data"].as_array().unwrap().len()
        };
        let (by_ann, by_bob) = (of(&ann).await, of(&bob).await);
        assert!(by_ann + by_bob <= 1, "round {round}: {answers:?}");
        bound += by_ann + by_bob;
    }
    assert_eq!(bound, 20, "one of each pair is bound");
    world.bundle.shutdown().await;
}

#[expect(
    clippy::print_stdout,
    reason = "the counts are what a reader wants to see"
)]
fn say(text: &str) {
    println!("{text}");
}

/// So many purchases through a code at once, each repeated as its answer says, as shops do. How often
/// that is depends on how fast the machine is, so it is told and decides nothing.
async fn burst(program: &Program<'_>, code: &Value, count: usize) -> Vec<Value> {
    let (repeated, cut_off) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let started = Instant::now();
    let orders = (0..count).map(|number| {
        let (repeated, cut_off) = (&repeated, &cut_off);
        async move {
            let body = json!({"codes": [code]});
            loop {
                let order = format!("order-{number}");
                let answer = program.convert(&order, body.clone()).await;
                match answer.status.as_u16() {
                    200 | 201 => return answer.json(),
                    // A machine that is too slow for them all: the gateway cuts a function off, whose
                    // order may have been recorded all the same.
                    500 if answer.json()["code"].is_null() => {
                        cut_off.fetch_add(1, Ordering::Relaxed);
                    }
                    _ => {
                        assert!(answer.json()["retryable"] == true, "{answer:?}");
                        repeated.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        }
    });
    let conversions = join_all(orders).await;
    let (repeated, cut_off) = (repeated.into_inner(), cut_off.into_inner());
    let took = started.elapsed();
    say(&format!(
        "{count} at once: {repeated} told to come again, {cut_off} cut off, {took:?}"
    ));
    conversions
}

fn rewarded(burst: &[Value], incentive: &str) -> usize {
    let rewards = burst.iter().flat_map(earned);
    rewards.filter(|one| one.starts_with(incentive)).count()
}

/// As on a hot item: of four writes three conflict, are throttled, or lose their answer, so that much
/// happens between reading and writing.
fn trouble(world: &World) {
    let turn = AtomicUsize::new(0);
    let faults = [Fault::Conflict, Fault::TimeoutAfter, Fault::Throttle];
    world.plan(move |operation| {
        if operation != "TransactWriteItems" {
            return None;
        }
        let turn = turn.fetch_add(1, Ordering::Relaxed);
        (!turn.is_multiple_of(4)).then(|| match turn % 16 {
            1 => faults[1],
            2 => faults[2],
            _ => faults[0],
        })
    });
}

async fn cap_of_ten(faulty: bool) {
    let world = World::start().await;
    let mut rule = thanks();
    rule["limits"] = json!({"per_referrer": 10});
    rule["hold_days"] = json!(14);
    let program = program(&world, json!([rule])).await;
    let ann = program.referrer("ann").await;
    if faulty {
        trouble(&world);
    }
    let asked = (!faulty).then(|| counting(&world));
    let burst = burst(&program, &ann["code"], 200).await;
    world.heal();
    if let Some(asked) = asked {
        let asked = asked.lock().unwrap();
        let written = asked.iter().filter(|one| *one == "TransactWriteItems");
        say(&format!(
            "{} transactions for 200 conversions",
            written.count()
        ));
    }
    assert_eq!(rewarded(&burst, "thank-you"), 10);
    world.settle().await;
    assert_eq!(program.balance(&ann, "EUR").await["pending"], 5_000);
    program.advance(14 * DAY).await;
    assert_eq!(program.balance(&ann, "EUR").await["available"], 5_000);
    crate::books::audit(&program).await;
    world.bundle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_at_once_on_a_limit_of_ten_earn_ten() {
    cap_of_ten(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_at_once_under_faults_on_a_limit_of_ten_earn_ten() {
    cap_of_ten(true).await;
}

/// Two hundred at once on a budget for ten and a half rewards: ten, and it is told once.
#[tokio::test(flavor = "multi_thread")]
async fn a_budget_in_the_middle_of_a_burst_is_never_overspent() {
    budget_of_ten(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_under_faults_is_never_overspent() {
    budget_of_ten(true).await;
}

async fn budget_of_ten(faulty: bool) {
    let world = World::start().await;
    let mut rule = thanks();
    rule["limits"] = json!({"budget_per_month": eur(5_250)});
    let program = program(&world, json!([rule])).await;
    let ann = program.referrer("ann").await;
    if faulty {
        trouble(&world);
    }
    let burst = burst(&program, &ann["code"], 200).await;
    world.heal();
    assert_eq!(rewarded(&burst, "thank-you"), 10);
    let spent = burst.iter().flat_map(skipped);
    assert_eq!(
        spent
            .filter(|one| one == "thank-you budget_per_month")
            .count(),
        190
    );
    world.settle().await;
    let mut told = 0;
    let mut after = String::new();
    loop {
        let page = program
            .get(&format!("/events?limit=100{after}"))
            .await
            .expect(200);
        let facts = page["data"].as_array().unwrap().iter();
        told += facts
            .filter(|fact| fact["type"] == "budget.exhausted")
            .count();
        match page["next_cursor"].as_str() {
            Some(next) if page["data"].as_array().is_some_and(|data| !data.is_empty()) => {
                after = format!("&after={next}");
            }
            _ => break,
        }
    }
    assert_eq!(told, 1);
    crate::books::audit(&program).await;
    world.bundle.shutdown().await;
}

/// A budget that is spread over shards pays for every reward that it can, and for no more.
#[tokio::test(flavor = "multi_thread")]
async fn a_sharded_budget_is_spent_to_the_last_reward() {
    let world = World::start().await;
    let mut rule = cash("drop", &json!("referrer"), 1);
    rule["limits"] = json!({"budget": eur(1_000)});
    // A thousand rewards of one cent are spread over four shards; then the reward grows.
    let program = program(&world, json!([rule.clone()])).await;
    rule["reward"] = json!({"kind": "cash", "amount": eur(90)});
    let path = program.path("");
    let grown = world
        .patch(&program.key, &path, json!({"incentives": [rule]}))
        .await;
    grown.expect(200);
    let ann = program.referrer("ann").await;
    let burst = burst(&program, &ann["code"], 60).await;
    // 11 × 90 = 990.
    assert_eq!(rewarded(&burst, "drop"), 11);
    world.bundle.shutdown().await;
}

/// Tiers begin with their very referral, also when thirty come at once.
#[tokio::test(flavor = "multi_thread")]
async fn tiers_are_exact_when_many_come_at_once() {
    tiers(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tiers_are_exact_under_faults() {
    tiers(true).await;
}

async fn tiers(faulty: bool) {
    let world = World::start().await;
    let mut rule = thanks();
    let tier = |from: u32, amount: i64| json!({"from": from, "reward": {"kind": "cash", "amount": eur(amount)}});
    rule["tiers"] = json!([tier(5, 1_000), tier(10, 2_000), tier(20, 4_000)]);
    let mut tenth = cash("tenth", &json!("referrer"), 7);
    tenth["conditions"] = json!({"referral_number": {"from": 10, "to": 10}});
    let program = program(&world, json!([rule, tenth])).await;
    let ann = program.referrer("ann").await;
    if faulty {
        trouble(&world);
    }
    let burst = burst(&program, &ann["code"], 30).await;
    world.heal();
    let rewards = burst
        .iter()
        .flat_map(|one| one["rewards"].as_array().unwrap());
    let amounts: Vec<i64> = rewards
        .map(|one| one["value"]["amount"].as_i64().unwrap())
        .collect();
    let count = |amount: i64| amounts.iter().filter(|one| **one == amount).count();
    assert_eq!(
        [
            count(500),
            count(1_000),
            count(2_000),
            count(4_000),
            count(7)
        ],
        [4, 5, 10, 11, 1]
    );
    world.bundle.shutdown().await;
}

/// A referrer's numbers count whoever stands: not a friend whose only order was refunded, until they
/// come again. A number is given to a friend once.
#[tokio::test(flavor = "multi_thread")]
async fn a_friend_who_comes_back_counts_again() {
    let world = World::start().await;
    let mut rule = thanks();
    rule["tiers"] = json!([{"from": 2, "reward": {"kind": "cash", "amount": eur(1_000)}}]);
    let mut second = cash("second", &json!("referrer"), 7);
    second["conditions"] = json!({"referral_number": {"from": 2, "to": 2}});
    let program = program(&world, json!([rule, second])).await;
    let ann = program.referrer("ann").await;
    let buy = async |order: &str, friend: &str| {
        let body = json!({"referee": {"external_id": friend}, "codes": [ann["code"]]});
        let order = program.convert(order, body).await.expect(201);
        let amounts = order["rewards"].as_array().unwrap().iter();
        let amounts: Vec<i64> = amounts
            .map(|reward| reward["value"]["amount"].as_i64().unwrap())
            .collect();
        (text(&order["id"]).to_owned(), amounts)
    };
    let (first, amounts) = buy("order-1", "bob").await;
    assert_eq!(amounts, [500]);
    let refund = json!({"external_id": "refund-1"});
    let path = format!("/conversions/{first}/refunds");
    program.post(&path, refund).await.expect(201);
    // One stands, the second ever.
    assert_eq!(buy("order-2", "cid").await.1, [500, 7]);
    // Two stand again, and nobody is the second once more.
    assert_eq!(buy("order-3", "bob").await.1, [1_000]);
    assert_eq!(buy("order-4", "dan").await.1, [1_000]);
    world.settle().await;
    crate::books::audit(&program).await;
    world.bundle.shutdown().await;
}

/// Who came by a mail came by it, in the second month too.
#[tokio::test(flavor = "multi_thread")]
async fn a_rule_for_a_channel_holds_for_later_orders() {
    let world = World::start().await;
    let mut rule = thanks();
    rule["conditions"] = json!({"channels": ["email"]});
    let program = program(&world, json!([rule])).await;
    let ann = program.referrer("ann").await;
    let by_mail = format!("{}?ch=email", program.link(&ann));
    let token = crate::world::click_token(&world.visit(&by_mail).await);
    let first = json!({"referee": {"external_id": "bob"}, "click_tokens": [token]});
    let first = program.convert("order-1", first).await.expect(201);
    assert_eq!(earned(&first), ["thank-you approved"]);
    let next = json!({"referee": {"external_id": "bob"}});
    let next = program.convert("order-2", next).await.expect(201);
    assert_eq!(next["attribution"]["reason"], "existing_referral");
    assert_eq!(next["attribution"]["channel"], "email");
    assert_eq!(earned(&next), ["thank-you approved"]);
    let other = json!({"codes": [ann["code"]]});
    let other = program.convert("order-3", other).await.expect(201);
    assert_eq!(skipped(&other), ["thank-you channels"]);
    world.bundle.shutdown().await;
}
