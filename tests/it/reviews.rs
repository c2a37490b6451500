//! Review of conversions: what waits for it stays where it is, and goes one way or the other, once.

use kith_domain::conversion::{Conversion, ConversionState};
use kith_domain::reward::Reward;
use kith_store::{Was, keys};
use serde_json::{Value, json};

use crate::books::{all, audit};
use crate::payouts::{commit, store};
use crate::world::{Program, World, eur, text};

fn rules() -> Value {
    json!({
        "incentives": [
            {"id": "thank-you", "on": "purchase", "beneficiary": "referrer",
             "reward": {"kind": "cash", "amount": eur(500)}, "limits": {"per_referrer": 1, "budget": eur(600)}},
            {"id": "points", "on": "purchase", "beneficiary": "referee", "reward": {"kind": "points", "points": 70}},
        ],
        "hold_days": 7,
        "surveys": [],
    })
}

/// A conversion is put into quarantine: nothing does so by itself yet.
pub(crate) async fn quarantine(program: &Program<'_>, conversion: &Value) {
    let store = store(program.world);
    let program_id = program.id.parse().unwrap();
    let key = keys::conversion(program_id, text(&conversion["id"]).parse().unwrap());
    let mut read: Conversion = store.get_one(key).await.unwrap().unwrap();
    let seed = program
        .id
        .bytes()
        .map(u64::from)
        .fold(0, |sum, byte| sum * 31 % 1_000_003 + byte);
    let mut commit = commit(program, seed);
    let was = Was::Version(read.version);
    read.version += 1;
    read.state = ConversionState::Quarantined;
    commit.conversion(&read, was);
    for id in &read.reward_ids {
        let reward = store.get_one(keys::reward(program_id, *id)).await.unwrap();
        let mut reward: Reward = reward.unwrap();
        let was = Was::Version(reward.version);
        reward.version += 1;
        reward.in_review = true;
        commit.reward(&reward, was);
    }
    store.commit(commit).await.unwrap();
}

async fn waiting<'a>(world: &'a World) -> (Program<'a>, Value, Value) {
    let program = world.program(rules()).await;
    let ann = program.referrer("ann").await;
    let body = json!({"codes": [ann["code"]], "referee": {"external_id": "friend"}});
    let bought = program.convert("order-1", body).await.expect(201);
    quarantine(&program, &bought).await;
    (program, ann, bought)
}

fn path(conversion: &Value, action: &str) -> String {
    format!("/conversions/{}/{action}", text(&conversion["id"]))
}

/// Neither the end of the hold nor the owner's word about a reward passes the review.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_review_is_not_released() {
    let world = World::start().await;
    let (program, ann, bought) = waiting(&world).await;
    program.advance(30 * 86_400).await;
    let held = ["points referee pending", "thank-you referrer pending"];
    assert_eq!(program.rewards().await, held);
    let reward = text(&bought["rewards"][0]["id"]);
    let by_hand = json!({"reason": "now"});
    let answer = program
        .post(&format!("/rewards/{reward}/approve"), by_hand.clone())
        .await;
    assert_eq!(answer.problem(409), "conversion_in_review");

    let approved = program
        .post(&path(&bought, "approve"), by_hand.clone())
        .await
        .expect(200);
    assert_eq!(
        (&approved["state"], &approved["review"]["reason"]),
        (&json!("qualified"), &json!("now"))
    );
    world.settle().await;
    // The hold was over long ago.
    let issued = ["points referee issued", "thank-you referrer issued"];
    assert_eq!(program.rewards().await, issued);
    assert_eq!(program.balance(&ann, "EUR").await["available"], 500);
    let again = program
        .post(&path(&bought, "approve"), by_hand.clone())
        .await
        .expect(200);
    assert_eq!(again["version"], approved["version"]);
    let other = program.post(&path(&bought, "reject"), by_hand).await;
    assert_eq!(other.problem(409), "conversion_state");
    assert_eq!(
        all(&program, "/events?type=conversion.approved")
            .await
            .len(),
        1
    );
    audit(&program).await;
    world.bundle.shutdown().await;
}

/// What was rejected was never earned: its limits and budgets have room again.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_rejected_gives_its_limits_and_budgets_back() {
    let world = World::start().await;
    let (program, ann, bought) = waiting(&world).await;
    let no = json!({"reason": "stolen card"});
    let more = json!({"codes": [ann["code"]], "referee": {"external_id": "another"}});
    let full = program.convert("order-2", more).await.expect(201);
    assert_eq!(full["skipped"][0]["reason"], "per_referrer", "{full}");

    let rejected = program
        .post(&path(&bought, "reject"), no.clone())
        .await
        .expect(200);
    assert_eq!(rejected["state"], "rejected");
    program
        .post(&path(&bought, "reject"), no.clone())
        .await
        .expect(200);
    world.settle().await;
    let more = json!({"codes": [ann["code"]], "referee": {"external_id": "third"}});
    let third = program.convert("order-3", more).await.expect(201);
    assert_eq!(third["rewards"][0]["incentive_id"], "thank-you", "{third}");
    let refund = json!({"external_id": "back", "reason": "refund"});
    program
        .post(&path(&bought, "refunds"), refund)
        .await
        .expect(201);
    program.advance(8 * 86_400).await;
    let kept = [
        "points referee issued",
        "points referee issued",
        "points referee rejected",
        "thank-you referrer issued",
        "thank-you referrer rejected",
    ];
    assert_eq!(program.rewards().await, kept);
    assert_eq!(program.balance(&ann, "EUR").await["pending"], 0);
    assert_eq!(
        all(&program, "/events?type=conversion.rejected")
            .await
            .len(),
        1
    );
    let other = program.post(&path(&full, "reject"), no).await;
    assert_eq!(other.problem(409), "conversion_state");
    audit(&program).await;
    world.bundle.shutdown().await;
}

/// A refund while it waits, and a merge: both find the rewards where they are.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_refunded_and_carried_over_like_anything_else() {
    let world = World::start().await;
    let (program, ann, bought) = waiting(&world).await;
    let bea = program.referrer("bea").await;
    let half = json!({"external_id": "half", "reason": "refund", "amount": eur(2250)});
    program
        .post(&path(&bought, "refunds"), half)
        .await
        .expect(201);
    let merge = json!({"into": bea["id"], "reason": "the same"});
    let merge_path = format!("/participants/{}/merge", text(&ann["id"]));
    program.post(&merge_path, merge).await.expect(201);
    program.advance(30 * 86_400).await;
    assert_eq!(program.balance(&bea, "EUR").await["pending"], 250);
    let yes = json!({"reason": "fine"});
    let approved = program
        .post(&path(&bought, "approve"), yes)
        .await
        .expect(200);
    assert_eq!(approved["attribution"]["referrer_id"], bea["id"]);
    world.settle().await;
    assert_eq!(program.balance(&bea, "EUR").await["available"], 250);
    audit(&program).await;
    world.bundle.shutdown().await;
}
