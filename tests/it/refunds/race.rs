//! Refunds that come at once, and refunds under faults.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use kith_store::faults::Fault;
use serde_json::{Value, json};

use super::books::{check_books, counters};
use super::{balance, buy, cash, program, refund, refund_order, reverse, reward};
use crate::world::{Answer, Program, World, eur, purchase, text};

/// Sends until it is decided, as clients do.
async fn decided<A: Future<Output = Answer>>(call: impl Fn() -> A) -> Answer {
    for _ in 0..200 {
        let answer = call().await;
        let lost = answer.status == 409 && answer.json()["code"] == "concurrent_change";
        if !lost && answer.status != 503 {
            return answer;
        }
    }
    panic!("never decided");
}

/// Twenty tenths at once: ten are refunded, ten are one too many.
#[tokio::test(flavor = "multi_thread")]
async fn refunds_at_once_never_exceed_the_conversion() {
    let world = World::start().await;
    let program = program(&world, json!([cash(1000, json!({}))]), json!({})).await;
    let ann = program.referrer("ann").await;
    let sold = buy(&program, "order-1", &ann).await;
    world.settle().await;
    let names: Vec<String> = (0..20).map(|number| format!("r-{number}")).collect();
    let answers = join_all(
        names
            .iter()
            .map(|name| decided(|| refund(&program, &sold, name, Some(450)))),
    )
    .await;
    let applied = answers.iter().filter(|answer| answer.status == 201);
    assert_eq!(applied.count(), 10);
    for refused in answers.iter().filter(|answer| answer.status != 201) {
        assert_eq!(refused.problem(409), "refund_exceeds_conversion");
    }
    assert_eq!(
        reward(&program, &sold, 0).await,
        ("clawed_back".to_owned(), eur(0))
    );
    assert_eq!(balance(&program, &ann, "available").await, 0);
    check_books(&program, &[&ann]).await;
    world.bundle.shutdown().await;
}

/// The same refund five times at once, and five times its reversal.
#[tokio::test(flavor = "multi_thread")]
async fn twins_of_a_refund_and_of_its_reversal() {
    let world = World::start().await;
    let program = program(&world, json!([cash(1000, json!({}))]), json!({})).await;
    let ann = program.referrer("ann").await;
    let sold = buy(&program, "order-1", &ann).await;
    world.settle().await;
    let made = join_all((0..5).map(|_| decided(|| refund(&program, &sold, "r", Some(1500))))).await;
    let mut statuses: Vec<u16> = made.iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 200, 201]);
    assert_eq!(balance(&program, &ann, "available").await, 667);
    let first = made[0].json();
    let back = join_all((0..5).map(|_| decided(|| reverse(&program, &first)))).await;
    assert!(back.iter().all(|answer| answer.status == 200), "{back:?}");
    assert_eq!(balance(&program, &ann, "available").await, 1000);
    check_books(&program, &[&ann]).await;
    world.bundle.shutdown().await;
}

/// Order and refund at the same instant, twenty pairs: whichever is first, each is there once and the
/// refund has been applied.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_and_its_refund_at_the_same_instant() {
    let world = World::start().await;
    let program = program(&world, json!([cash(1000, json!({}))]), json!({})).await;
    let ann = program.referrer("ann").await;
    for number in 0..20 {
        let order = format!("order-{number}");
        let body = purchase(&order, json!({"codes": [ann["code"]]}));
        let (sold, taken) = tokio::join!(
            decided(|| program.post("/conversions", body.clone())),
            decided(|| refund_order(&program, &order, "r", eur(1500))),
        );
        let sold = sold.expect(201);
        let taken = taken.json();
        let read = program
            .get(&format!("/refunds/{}", text(&taken["id"])))
            .await
            .expect(200);
        assert_eq!(
            (&read["state"], &read["amount"]),
            (&json!("applied"), &eur(1500))
        );
        assert_eq!(read["conversion_id"], sold["id"]);
        let shown = program
            .get(&format!("/conversions/{}", text(&sold["id"])))
            .await
            .expect(200);
        assert_eq!(shown["refunded"], eur(1500));
        assert_eq!(shown["rewards"][0]["value"], eur(667));
    }
    world.settle().await;
    assert_eq!(balance(&program, &ann, "available").await, 20 * 667);
    check_books(&program, &[&ann]).await;
    world.bundle.shutdown().await;
}

/// Issuing and refunding at the same instant, thirty times: the money is there or it is not.
#[tokio::test(flavor = "multi_thread")]
async fn a_refund_while_the_reward_is_being_issued() {
    let world = World::start().await;
    let program = program(&world, json!([cash(1000, json!({}))]), json!({})).await;
    let ann = program.referrer("ann").await;
    let orders: Vec<String> = (0..30).map(|number| format!("order-{number}")).collect();
    join_all(orders.iter().map(|order| async {
        let body = purchase(order, json!({"codes": [ann["code"]]}));
        let sold = decided(|| program.post("/conversions", body.clone()))
            .await
            .expect(201);
        decided(|| refund(&program, &sold, "all", None))
            .await
            .expect(201);
    }))
    .await;
    world.settle().await;
    let rewards = program.rewards().await;
    let gone =
        |reward: &&String| reward.ends_with(" cancelled") || reward.ends_with(" clawed_back");
    assert_eq!(rewards.iter().filter(gone).count(), 30, "{rewards:?}");
    assert_eq!(balance(&program, &ann, "available").await, 0);
    assert_eq!(balance(&program, &ann, "pending").await, 0);
    check_books(&program, &[&ann]).await;
    world.bundle.shutdown().await;
}

/// Every third write conflicts, is throttled, or loses its request or its answer: what the callers
/// repeat until it is decided happens once.
#[tokio::test(flavor = "multi_thread")]
async fn refunds_under_faults_happen_once() {
    let world = World::start().await;
    let program = program(&world, json!([cash(1000, json!({}))]), json!({})).await;
    let ann = program.referrer("ann").await;
    let mut sold: Vec<Value> = Vec::new();
    for number in 0..12 {
        sold.push(buy(&program, &format!("order-{number}"), &ann).await);
    }
    world.settle().await;
    let turn = AtomicUsize::new(0);
    let faults = [
        Fault::Conflict,
        Fault::TimeoutAfter,
        Fault::Throttle,
        Fault::TimeoutBefore,
    ];
    world.plan(move |operation| {
        let turn = turn.fetch_add(1, Ordering::Relaxed);
        (operation == "TransactWriteItems" && turn.is_multiple_of(3))
            .then(|| faults[turn / 3 % faults.len()])
    });
    join_all(sold.iter().map(|sold| async {
        decided(|| refund(&program, sold, "a", Some(1500))).await;
        let rest = decided(|| refund(&program, sold, "b", None)).await.json();
        decided(|| reverse(&program, &rest)).await.expect(200);
    }))
    .await;
    world.settle().await;
    world.heal();
    assert_eq!(balance(&program, &ann, "available").await, 12 * 667);
    check_books(&program, &[&ann]).await;
    world.bundle.shutdown().await;
}

async fn lost(program: &Program<'_>, ann: &Value) -> u64 {
    counters(program, ann)
        .await
        .get(kith_domain::refund::REFEREES_LOST)
}

/// A referee counts for as long as anything is left of any of their orders, and is lost and found
/// once, however the refunds of their orders come together.
#[tokio::test(flavor = "multi_thread")]
async fn a_referee_is_lost_with_the_last_of_their_orders() {
    let world = World::start().await;
    let program = program(
        &world,
        json!([cash(1000, json!({}))]),
        json!({"hold_days": 14}),
    )
    .await;
    let ann = program.referrer("ann").await;
    let body = json!({"referee": {"external_id": "bob"}, "codes": [ann["code"]]});
    let order = async |name: &str| program.convert(name, body.clone()).await.expect(201);
    let first = order("order-1").await;
    let half = refund(&program, &first, "half", Some(2250))
        .await
        .expect(201);
    assert_eq!(lost(&program, &ann).await, 0);
    reverse(&program, &half).await.expect(200);
    let second = order("order-2").await;
    let third = order("order-3").await;
    for round in 0..5 {
        let name = format!("all-{round}");
        let call = |sold: Value| {
            let (program, name) = (&program, &name);
            async move {
                decided(|| refund(program, &sold, name, None))
                    .await
                    .expect(201)
            }
        };
        let two = join_all([call(first.clone()), call(second.clone())]).await;
        assert_eq!(lost(&program, &ann).await, 0);
        let last = call(third.clone()).await;
        assert_eq!(lost(&program, &ann).await, 1);
        join_all(two.iter().map(|one| decided(|| reverse(&program, one)))).await;
        assert_eq!(lost(&program, &ann).await, 0);
        decided(|| reverse(&program, &last)).await.expect(200);
        assert_eq!(lost(&program, &ann).await, 0);
    }
    // Lost, and won again by another order; an order that was refunded before it came wins nobody.
    for sold in [&first, &second, &third] {
        refund(&program, sold, "final", None).await.expect(201);
    }
    assert_eq!(lost(&program, &ann).await, 1);
    refund_order(&program, "order-4", "r", Value::Null)
        .await
        .expect(202);
    order("order-4").await;
    assert_eq!(lost(&program, &ann).await, 1);
    order("order-5").await;
    assert_eq!(lost(&program, &ann).await, 0);
    assert_eq!(counters(&program, &ann).await.get("referees"), 1);
    world.bundle.shutdown().await;
}
