//! Refunds: what they take back at every point of a reward's life, and what a reversal gives back.

mod arrival;
mod books;
mod race;

use serde_json::{Value, json};

use crate::world::{Answer, Program, World, eur, text};
use books::check_books;

/// A rule on purchases, with more members.
fn rule(id: &str, beneficiary: &str, reward: Value, more: Value) -> Value {
    let mut rule =
        json!({"id": id, "on": "purchase", "beneficiary": beneficiary, "reward": reward});
    for (name, value) in more.as_object().unwrap() {
        rule[name] = value.clone();
    }
    rule
}

fn cash(amount: i64, more: Value) -> Value {
    let reward = json!({"kind": "cash", "amount": eur(amount)});
    rule("thank-you", "referrer", reward, more)
}

async fn program<'a>(world: &'a World, incentives: Value, change: Value) -> Program<'a> {
    let mut body = json!({"surveys": [], "incentives": incentives});
    for (name, value) in change.as_object().unwrap() {
        body[name] = value.clone();
    }
    world.program(body).await
}

async fn buy(program: &Program<'_>, order: &str, referrer: &Value) -> Value {
    let body = json!({"codes": [referrer["code"]]});
    program.convert(order, body).await.expect(201)
}

async fn refund(program: &Program<'_>, sold: &Value, name: &str, amount: Option<i64>) -> Answer {
    let mut body = json!({"external_id": name});
    if let Some(amount) = amount {
        body["amount"] = eur(amount);
    }
    let path = format!("/conversions/{}/refunds", text(&sold["id"]));
    program.post(&path, body).await
}

async fn refund_order(program: &Program<'_>, order: &str, name: &str, amount: Value) -> Answer {
    let conversion = json!({"event": "purchase", "external_id": order});
    let body = json!({"external_id": name, "conversion": conversion, "amount": amount, "reason": "refund"});
    program.post("/refunds", body).await
}

async fn reverse(program: &Program<'_>, refund: &Value) -> Answer {
    let path = format!("/refunds/{}/reverse", text(&refund["id"]));
    program.post(&path, json!({})).await
}

/// State and value of a reward now.
async fn reward(program: &Program<'_>, sold: &Value, number: usize) -> (String, Value) {
    let id = text(&sold["rewards"][number]["id"]);
    let reward = program.get(&format!("/rewards/{id}")).await.expect(200);
    (text(&reward["state"]).to_owned(), reward["value"].clone())
}

async fn balance(program: &Program<'_>, who: &Value, part: &str) -> i64 {
    program.balance(who, "EUR").await[part]
        .as_i64()
        .unwrap_or(0)
}

async fn kinds(program: &Program<'_>, kind: &str) -> Vec<Value> {
    let page = program
        .get(&format!("/events?type={kind}&limit=100"))
        .await
        .expect(200);
    page["data"].as_array().unwrap().clone()
}

/// What is held is worth less at once; what is cancelled gives its place to another, and has it
/// again only as long as it is free.
#[tokio::test(flavor = "multi_thread")]
async fn a_refund_before_release() {
    let world = World::start().await;
    let one = json!({"limits": {"per_referrer": 1}});
    let program = program(&world, json!([cash(1000, one)]), json!({"hold_days": 14})).await;
    let ann = program.referrer("ann").await;
    let first = buy(&program, "order-1", &ann).await;
    let part = refund(&program, &first, "part", Some(1500))
        .await
        .expect(201);
    assert_eq!(
        part["rewards"][0]["before"],
        json!({"state": "pending", "value": eur(1000)})
    );
    assert_eq!(
        part["rewards"][0]["after"],
        json!({"state": "pending", "value": eur(667)})
    );
    assert_eq!(balance(&program, &ann, "pending").await, 667);
    // Reduced, it still has its place.
    assert_eq!(buy(&program, "order-2", &ann).await["rewards"], json!([]));

    let rest = refund(&program, &first, "rest", None).await.expect(201);
    assert_eq!(
        rest["rewards"][0]["after"],
        json!({"state": "cancelled", "value": eur(0)})
    );
    assert_eq!(balance(&program, &ann, "pending").await, 0);
    let back = reverse(&program, &rest).await.expect(200);
    assert_eq!(
        back["rewards"][0]["after"],
        json!({"state": "pending", "value": eur(667)})
    );
    assert_eq!(buy(&program, "order-3", &ann).await["rewards"], json!([]));

    refund(&program, &first, "again", None).await.expect(201);
    let last = buy(&program, "order-4", &ann).await;
    assert_eq!(last["rewards"].as_array().unwrap().len(), 1);
    // Its place is taken: what was cancelled stays so.
    let path = format!("/conversions/{}", text(&first["id"]));
    let shown = program.get(&path).await.expect(200);
    let again = shown["refunds"][2].clone();
    assert_eq!(again["external_id"], "again");
    assert_eq!(
        reverse(&program, &again).await.expect(200)["rewards"],
        json!([])
    );
    assert_eq!(
        reward(&program, &first, 0).await,
        ("cancelled".to_owned(), eur(0))
    );
    assert_eq!(balance(&program, &ann, "pending").await, 1000);

    let events = kinds(&program, "reward.cancelled").await;
    assert_eq!(events.len(), 2, "{events:?}");
    for member in [
        "conversion_id",
        "refund_id",
        "reward_id",
        "referrer_id",
        "referee_id",
        "beneficiary_id",
    ] {
        assert!(events[0]["data"][member].is_string(), "{member} {events:?}");
    }
    assert_eq!(events[0]["data"]["value"], eur(0));
    assert_eq!(events[0]["data"]["amount"], eur(3000));
    assert_eq!(kinds(&program, "reward.reduced").await.len(), 2);
    assert_eq!(kinds(&program, "refund.recorded").await.len(), 3);
    assert_eq!(kinds(&program, "refund.reversed").await.len(), 2);
    check_books(&program, &[&ann]).await;
    world.bundle.shutdown().await;
}

/// A cancelled reward gives its money back to the budget, and takes it again when it comes back.
#[tokio::test(flavor = "multi_thread")]
async fn a_budget_gets_back_what_was_not_issued() {
    let world = World::start().await;
    let two = json!({"limits": {"budget_per_month": eur(1000)}});
    let program = program(&world, json!([cash(500, two)]), json!({"hold_days": 14})).await;
    let ann = program.referrer("ann").await;
    let earned = |sold: &Value| sold["rewards"].as_array().unwrap().len();
    let first = buy(&program, "order-1", &ann).await;
    buy(&program, "order-2", &ann).await;
    assert_eq!(earned(&buy(&program, "order-3", &ann).await), 0);
    let all = refund(&program, &first, "all", None).await.expect(201);
    reverse(&program, &all).await.expect(200);
    assert_eq!(
        reward(&program, &first, 0).await,
        ("pending".to_owned(), eur(500))
    );
    assert_eq!(earned(&buy(&program, "order-4", &ann).await), 0);
    refund(&program, &first, "all-again", None)
        .await
        .expect(201);
    assert_eq!(earned(&buy(&program, "order-5", &ann).await), 1);
    assert_eq!(earned(&buy(&program, "order-6", &ann).await), 0);
    world.bundle.shutdown().await;
}

/// Released, and taken back before anybody carried it out: nothing is carried out.
#[tokio::test(flavor = "multi_thread")]
async fn a_refund_after_approval() {
    let world = World::start().await;
    let program = program(&world, json!([cash(1000, json!({}))]), json!({})).await;
    let ann = program.referrer("ann").await;
    world.bundle.pause(Some("reward-disbursement"));
    let whole = buy(&program, "order-1", &ann).await;
    let part = buy(&program, "order-2", &ann).await;
    assert_eq!(reward(&program, &whole, 0).await.0, "approved");
    refund(&program, &whole, "all", None).await.expect(201);
    refund(&program, &part, "part", Some(2250))
        .await
        .expect(201);
    assert_eq!(balance(&program, &ann, "pending").await, 500);
    world.bundle.resume(Some("reward-disbursement"));
    world.settle().await;
    assert_eq!(
        reward(&program, &whole, 0).await,
        ("cancelled".to_owned(), eur(0))
    );
    assert_eq!(
        reward(&program, &part, 0).await,
        ("issued".to_owned(), eur(500))
    );
    assert_eq!(balance(&program, &ann, "pending").await, 0);
    assert_eq!(balance(&program, &ann, "available").await, 500);
    check_books(&program, &[&ann]).await;
    world.bundle.shutdown().await;
}

/// A third, a third and a third take back exactly the whole, by conversion and by order alike.
#[tokio::test(flavor = "multi_thread")]
async fn thirds_of_an_issued_reward() {
    let world = World::start().await;
    let program = program(&world, json!([cash(1000, json!({}))]), json!({})).await;
    let ann = program.referrer("ann").await;
    let sold = buy(&program, "order-1", &ann).await;
    world.settle().await;
    for (name, left, state) in [
        ("first", 667, "issued"),
        ("second", 334, "issued"),
        ("third", 0, "clawed_back"),
    ] {
        let answer = if name == "second" {
            refund_order(&program, "order-1", name, eur(1500)).await
        } else {
            refund(&program, &sold, name, Some(1500)).await
        };
        let answer = answer.expect(201);
        assert_eq!(answer["state"], "applied");
        assert_eq!(answer["amount"], eur(1500));
        assert_eq!(
            answer["rewards"][0]["after"],
            json!({"state": state, "value": eur(left)})
        );
        assert_eq!(balance(&program, &ann, "available").await, left);
        check_books(&program, &[&ann]).await;
        let read = program
            .get(&format!("/refunds/{}", text(&answer["id"])))
            .await;
        assert_eq!(read.expect(200), answer);
    }
    let shown = program
        .get(&format!("/conversions/{}", text(&sold["id"])))
        .await
        .expect(200);
    assert_eq!(shown["refunded"], eur(4500));
    assert_eq!(shown["refunds"].as_array().unwrap().len(), 3);
    assert_eq!(
        program.convert("order-1", json!({})).await.expect(200)["refunds"],
        shown["refunds"]
    );
    let history = program
        .get(&format!("/rewards/{}", text(&sold["rewards"][0]["id"])))
        .await;
    let history = history.expect(200)["history"].clone();
    let states: Vec<&str> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|step| text(&step["state"]))
        .collect();
    assert_eq!(
        &states[states.len() - 3..],
        ["issued", "issued", "clawed_back"]
    );
    assert_eq!(kinds(&program, "reward.clawed_back").await.len(), 1);
    world.bundle.shutdown().await;
}

/// A refund is told again and again by its sender: it counts once, and another one of the same name
/// is not the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_refund_counts_once() {
    let world = World::start().await;
    let program = program(&world, json!([cash(1000, json!({}))]), json!({})).await;
    let ann = program.referrer("ann").await;
    let sold = buy(&program, "order-1", &ann).await;
    world.settle().await;
    let first = refund(&program, &sold, "r-1", Some(450)).await.expect(201);
    assert_eq!(
        refund(&program, &sold, "r-1", Some(450)).await.expect(200),
        first
    );
    assert_eq!(
        refund_order(&program, "order-1", "r-1", eur(450))
            .await
            .expect(200),
        first
    );
    for other in [Some(451), None] {
        let differs = refund(&program, &sold, "r-1", other).await;
        assert_eq!(differs.problem(409), "refund_differs");
        assert_eq!(differs.json()["errors"][0]["pointer"], "/amount");
    }
    let path = format!("/conversions/{}/refunds", text(&sold["id"]));
    let other = json!({"external_id": "r-1", "amount": eur(450), "reason": "chargeback"});
    let differs = program.post(&path, other).await;
    assert_eq!(differs.json()["errors"][0]["pointer"], "/reason");
    assert_eq!(balance(&program, &ann, "available").await, 900);
    // Of another order, the same name is another refund.
    let next = buy(&program, "order-2", &ann).await;
    let second = refund(&program, &next, "r-1", None).await.expect(201);
    assert_ne!(second["id"], first["id"]);
    for _ in 0..2 {
        assert_eq!(
            reverse(&program, &first).await.expect(200)["state"],
            "reversed"
        );
        assert_eq!(
            refund(&program, &sold, "r-1", Some(450)).await.expect(200)["state"],
            "reversed"
        );
    }
    world.settle().await;
    assert_eq!(balance(&program, &ann, "available").await, 1000);
    check_books(&program, &[&ann]).await;
    world.bundle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_refunded_is_refused() {
    let world = World::start().await;
    let program = program(&world, json!([cash(1000, json!({}))]), json!({})).await;
    let ann = program.referrer("ann").await;
    let sold = buy(&program, "order-1", &ann).await;
    let path = format!("/conversions/{}/refunds", text(&sold["id"]));
    for (body, pointer) in [
        (json!({}), "/external_id"),
        (
            json!({"external_id": "r", "amount": eur(0)}),
            "/amount/amount",
        ),
        (
            json!({"external_id": "r", "amount": eur(-5)}),
            "/amount/amount",
        ),
        (json!({"external_id": "r", "reason": "mood"}), "/reason"),
        (
            json!({"external_id": "r", "amount": {"amount": 5, "currency": "USD"}}),
            "/amount/currency",
        ),
        (json!({"external_id": "r", "order": 1}), "/order"),
    ] {
        let refused = program.post(&path, body.clone()).await;
        assert_eq!(refused.problem(422), "invalid_request", "{body}");
        assert_eq!(refused.json()["errors"][0]["pointer"], pointer, "{body}");
    }
    let nowhere = program
        .post("/refunds", json!({"external_id": "r", "reason": "refund"}))
        .await;
    assert_eq!(nowhere.json()["errors"][0]["pointer"], "/conversion");
    let too_much = refund(&program, &sold, "r", Some(4501)).await;
    assert_eq!(too_much.problem(409), "refund_exceeds_conversion");
    assert_eq!(too_much.json()["left"], eur(4500));
    refund(&program, &sold, "all", None).await.expect(201);
    for amount in [None, Some(1)] {
        let more = refund(&program, &sold, "more", amount).await;
        assert_eq!(more.problem(409), "refund_exceeds_conversion");
    }
    // Without an amount there is only the whole.
    let body = json!({"codes": [ann["code"]], "amount": null});
    let free = program.convert("order-2", body).await.expect(201);
    let refused = refund(&program, &free, "r", Some(1)).await;
    assert_eq!(refused.json()["errors"][0]["pointer"], "/amount");
    let whole = refund(&program, &free, "r", None).await.expect(201);
    assert_eq!(whole["amount"], Value::Null);
    assert_eq!(whole["rewards"][0]["after"]["value"], eur(0));
    let twice = refund(&program, &free, "r-2", None).await;
    assert_eq!(twice.problem(409), "refund_exceeds_conversion");
    let back = reverse(&program, &whole).await.expect(200);
    assert_eq!(back["rewards"][0]["after"]["value"], eur(1000));
    refund(&program, &free, "r-2", None).await.expect(201);
    world.settle().await;
    check_books(&program, &[&ann]).await;
    world.bundle.shutdown().await;
}

/// A voucher is as good as its reward: unused it is void, used it is owed, and a chargeback that is
/// won does not make it usable twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_voucher_is_voided_or_charged() {
    let world = World::start().await;
    let off = rule(
        "five-off",
        "referrer",
        json!({"kind": "discount", "amount": eur(500)}),
        json!({}),
    );
    let program = program(&world, json!([off]), json!({})).await;
    let ann = program.referrer("ann").await;
    let used = buy(&program, "order-1", &ann).await;
    let unused = buy(&program, "order-2", &ann).await;
    world.settle().await;
    let redeem = async |sold: &Value| {
        let path = format!("/rewards/{}/redeem", text(&sold["rewards"][0]["id"]));
        program.post(&path, json!({"reason": "at the till"})).await
    };
    redeem(&used).await.expect(200);

    let void = refund(&program, &unused, "all", None).await.expect(201);
    assert_eq!(void["rewards"][0]["after"]["state"], "clawed_back");
    assert_eq!(redeem(&unused).await.status, 409);
    assert_eq!(balance(&program, &ann, "available").await, 0);
    reverse(&program, &void).await.expect(200);
    redeem(&unused).await.expect(200);

    let charged = refund(&program, &used, "all", None).await.expect(201);
    assert_eq!(charged["rewards"][0]["before"]["state"], "redeemed");
    assert_eq!(charged["rewards"][0]["after"]["state"], "clawed_back");
    assert_eq!(balance(&program, &ann, "available").await, -500);
    check_books(&program, &[&ann]).await;
    let won = reverse(&program, &charged).await.expect(200);
    assert_eq!(
        won["rewards"][0]["after"],
        json!({"state": "redeemed", "value": eur(500)})
    );
    assert_eq!(balance(&program, &ann, "available").await, 0);
    check_books(&program, &[&ann]).await;
    // Charged again, it takes what came back for it, and no more.
    refund(&program, &used, "all-again", None).await.expect(201);
    assert_eq!(balance(&program, &ann, "available").await, -500);
    check_books(&program, &[&ann]).await;
    world.bundle.shutdown().await;
}

/// What each rule says is done: kept for ever, kept while what remains is large enough, or in part.
#[tokio::test(flavor = "multi_thread")]
async fn each_rule_decides_what_it_keeps() {
    let world = World::start().await;
    let points = |id: &str, more: Value| {
        let mut rule = rule(
            id,
            "referrer",
            json!({"kind": "points", "points": 100}),
            more,
        );
        rule["conditions"] = json!({"minimum_amount": eur(2000)});
        rule
    };
    let rules = json!([
        points("kept", json!({"on_refund": "keep"})),
        points("while", json!({"on_refund": "keep_while_conditions_hold"})),
        points("share", json!({})),
    ]);
    let program = program(&world, rules, json!({})).await;
    let ann = program.referrer("ann").await;
    let sold = buy(&program, "order-1", &ann).await;
    world.settle().await;
    let left = async || {
        let mut left = Vec::new();
        for number in 0..3 {
            left.push(
                reward(&program, &sold, number).await.1["points"]
                    .as_i64()
                    .unwrap(),
            );
        }
        left
    };
    let available = async || program.balance(&ann, "points").await["available"].clone();
    refund(&program, &sold, "a", Some(2500)).await.expect(201);
    assert_eq!(left().await, [100, 100, 45]);
    let below = refund(&program, &sold, "b", Some(1)).await.expect(201);
    assert_eq!(left().await, [100, 0, 0]);
    assert_eq!(below["rewards"].as_array().unwrap().len(), 2);
    let rest = refund(&program, &sold, "c", None).await.expect(201);
    assert_eq!(rest["rewards"], json!([]));
    assert_eq!(available().await, 100);
    reverse(&program, &rest).await.expect(200);
    assert_eq!(left().await, [100, 0, 0]);
    reverse(&program, &below).await.expect(200);
    assert_eq!(left().await, [100, 100, 45]);
    assert_eq!(available().await, 245);
    check_books(&program, &[&ann]).await;
    world.bundle.shutdown().await;
}

/// Twenty rewards of every kind for several people, issued and then taken back and given back: the
/// largest there is fits one transaction.
#[tokio::test(flavor = "multi_thread")]
async fn twenty_rewards_fit_one_refund() {
    let world = World::start().await;
    let kinds = [
        json!({"kind": "cash", "amount": eur(100)}),
        json!({"kind": "percentage", "basis_points": 500}),
        json!({"kind": "points", "points": 10}),
        json!({"kind": "discount", "amount": eur(50)}),
        json!({"kind": "free_product", "sku": "CAKE", "quantity": 2}),
    ];
    let rules: Vec<Value> = (0..20)
        .map(|number| {
            let who = if number % 2 == 0 {
                "referrer"
            } else {
                "referee"
            };
            rule(
                &format!("rule-{number}"),
                who,
                kinds[number % kinds.len()].clone(),
                json!({}),
            )
        })
        .collect();
    let program = program(&world, json!(rules), json!({})).await;
    let ann = program.referrer("ann").await;
    let sold = buy(&program, "order-1", &ann).await;
    assert_eq!(sold["rewards"].as_array().unwrap().len(), 20);
    let friend = json!({"id": sold["attribution"]["referee_id"]});
    world.settle().await;
    let before = program.rewards().await;
    assert!(
        before.iter().all(|reward| reward.ends_with(" issued")),
        "{before:?}"
    );
    let all = refund(&program, &sold, "all", None).await.expect(201);
    assert_eq!(all["rewards"].as_array().unwrap().len(), 20);
    let after = program.rewards().await;
    assert!(
        after.iter().all(|reward| reward.ends_with(" clawed_back")),
        "{after:?}"
    );
    for who in [&ann, &friend] {
        assert_eq!(balance(&program, who, "available").await, 0);
    }
    check_books(&program, &[&ann, &friend]).await;
    reverse(&program, &all).await.expect(200);
    assert_eq!(program.rewards().await, before);
    check_books(&program, &[&ann, &friend]).await;
    world.bundle.shutdown().await;
}
