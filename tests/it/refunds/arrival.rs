//! Refunds that come before their conversion, or before it is attributed.

use serde_json::{Value, json};

use super::books::{check_books, counters};
use super::{balance, buy, cash, kinds, program, refund, refund_order, reverse, reward};
use crate::world::{World, eur, text};

/// A refund waits for its order, is told so as often as it asks, and applies in the order's own
/// transaction.
#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_comes_first_waits() {
    let world = World::start().await;
    let program = program(&world, json!([cash(1000, json!({}))]), json!({})).await;
    let ann = program.referrer("ann").await;
    let waiting = refund_order(&program, "order-1", "r-1", eur(1500))
        .await
        .expect(202);
    assert_eq!(waiting["state"], "waiting_for_conversion");
    assert_eq!(
        (&waiting["amount"], &waiting["requested_amount"]),
        (&Value::Null, &eur(1500))
    );
    assert_eq!(
        refund_order(&program, "order-1", "r-1", eur(1500))
            .await
            .expect(200),
        waiting
    );
    let differs = refund_order(&program, "order-1", "r-1", eur(1501)).await;
    assert_eq!(differs.problem(409), "refund_differs");
    refund_order(&program, "order-1", "r-2", eur(1500))
        .await
        .expect(202);

    let sold = buy(&program, "order-1", &ann).await;
    assert_eq!(sold["refunded"], eur(3000));
    assert_eq!(sold["rewards"][0]["value"], eur(334));
    assert_eq!(sold["refunds"].as_array().unwrap().len(), 2);
    let first = program
        .get(&format!("/refunds/{}", text(&waiting["id"])))
        .await
        .expect(200);
    assert_eq!(first["state"], "applied");
    assert_eq!(first["conversion_id"], sold["id"]);
    assert_eq!(
        first["rewards"][0]["before"],
        json!({"state": "approved", "value": eur(1000)})
    );
    assert_eq!(
        first["rewards"][0]["after"],
        json!({"state": "approved", "value": eur(667)})
    );
    assert_eq!(
        refund_order(&program, "order-1", "r-1", eur(1500))
            .await
            .expect(200),
        first
    );
    world.settle().await;
    assert_eq!(balance(&program, &ann, "available").await, 334);
    reverse(&program, &first).await.expect(200);
    assert_eq!(balance(&program, &ann, "available").await, 667);
    assert_eq!(balance(&program, &ann, "pending").await, 0);
    check_books(&program, &[&ann]).await;
    world.bundle.shutdown().await;
}

/// What was refunded whole before it came is recorded, earns nothing, and takes nobody's place.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_was_refunded_whole_before_it_came() {
    let world = World::start().await;
    let limits = json!({"limits": {"per_referrer": 1, "budget": eur(1000)}});
    let program = program(&world, json!([cash(1000, limits)]), json!({})).await;
    let ann = program.referrer("ann").await;
    let all = refund_order(&program, "order-1", "all", Value::Null)
        .await
        .expect(202);
    let sold = buy(&program, "order-1", &ann).await;
    assert_eq!(sold["state"], "qualified");
    assert_eq!(sold["rewards"][0]["state"], "cancelled");
    assert_eq!(sold["rewards"][0]["value"], eur(0));
    world.settle().await;
    assert_eq!(
        program.balance(&ann, "EUR").await["available"]
            .as_i64()
            .unwrap_or(0),
        0
    );
    assert_eq!(balance(&program, &ann, "pending").await, 0);
    assert_eq!(kinds(&program, "reward.cancelled").await.len(), 1);
    assert_eq!(kinds(&program, "reward.issued").await.len(), 0);
    let next = buy(&program, "order-2", &ann).await;
    assert_eq!(next["rewards"].as_array().unwrap().len(), 1, "{next}");
    world.settle().await;
    // The place is taken now.
    assert_eq!(
        reverse(&program, &all).await.expect(200)["rewards"],
        json!([])
    );
    assert_eq!(reward(&program, &sold, 0).await.0, "cancelled");
    assert_eq!(balance(&program, &ann, "available").await, 1000);
    check_books(&program, &[&ann]).await;
    world.bundle.shutdown().await;
}

/// Nobody is there any more to be refused: what is too much takes what is left, another currency
/// takes nothing, and what was reversed meanwhile does not apply.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_takes_what_it_can() {
    let world = World::start().await;
    let program = program(&world, json!([cash(1000, json!({}))]), json!({})).await;
    let ann = program.referrer("ann").await;
    let wait = async |name: &str, amount: Value| {
        refund_order(&program, "order-1", name, amount)
            .await
            .expect(202)
    };
    let reversed = wait("reversed", eur(1000)).await;
    wait("dollars", json!({"amount": 100, "currency": "USD"})).await;
    wait("most", eur(4000)).await;
    wait("much", eur(9000)).await;
    wait("rest", Value::Null).await;
    for _ in 0..2 {
        assert_eq!(
            reverse(&program, &reversed).await.expect(200)["state"],
            "reversed"
        );
    }
    for number in 4..10 {
        wait(&format!("more-{number}"), eur(1)).await;
    }
    let one_more = refund_order(&program, "order-1", "one-more", eur(1)).await;
    assert_eq!(one_more.problem(409), "too_many_refunds");

    let sold = buy(&program, "order-1", &ann).await;
    assert_eq!(sold["refunded"], eur(4500));
    let amounts: Vec<(&str, i64)> = sold["refunds"]
        .as_array()
        .unwrap()
        .iter()
        .take(4)
        .map(|refund| {
            (
                text(&refund["external_id"]),
                refund["amount"]["amount"].as_i64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        amounts,
        [("dollars", 0), ("most", 4000), ("much", 500), ("rest", 0)]
    );
    let read = program
        .get(&format!("/refunds/{}", text(&reversed["id"])))
        .await
        .expect(200);
    assert_eq!(
        (&read["state"], &read["conversion_id"]),
        (&json!("reversed"), &Value::Null)
    );
    world.settle().await;
    check_books(&program, &[&ann]).await;
    world.bundle.shutdown().await;
}

/// An order whose referrer is found after it was refunded earns on what is left of it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_attributed_late_earns_on_what_is_left() {
    let world = World::start().await;
    let program = program(&world, json!([cash(1000, json!({}))]), json!({})).await;
    let ann = program.referrer("ann").await;
    let part = program.convert("order-1", json!({})).await.expect(201);
    let whole = program.convert("order-2", json!({})).await.expect(201);
    let third = refund(&program, &part, "third", Some(1500))
        .await
        .expect(201);
    assert_eq!(third["rewards"], json!([]));
    refund(&program, &whole, "all", None).await.expect(201);
    for (sold, state, left) in [(&part, "approved", 667), (&whole, "cancelled", 0)] {
        let path = format!("/conversions/{}/attribution", text(&sold["id"]));
        let named = json!({"code": ann["code"], "reason": "on the telephone"});
        let now = program.post(&path, named).await.expect(200);
        assert_eq!(now["rewards"][0]["value"], eur(left));
        assert_eq!(now["rewards"][0]["state"], state);
        assert_eq!(now["refunds"].as_array().unwrap().len(), 1);
    }
    world.settle().await;
    assert_eq!(balance(&program, &ann, "available").await, 667);
    assert_eq!(balance(&program, &ann, "pending").await, 0);
    assert_eq!(counters(&program, &ann).await.get("referees_lost"), 1);
    reverse(&program, &third).await.expect(200);
    assert_eq!(balance(&program, &ann, "available").await, 1000);
    check_books(&program, &[&ann]).await;
    world.bundle.shutdown().await;
}
