//! Guards: whoever was taken for active when something was decided in their favour is so when it is
//! written, or it is decided again. A program's state is read just before, and deliberately no more.

use std::sync::Arc;

use kith_domain::participant::{Participant, ParticipantState};
use kith_store::faults::{Fault, Faults};
use kith_store::{Was, keys};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::books::{all, audit};
use crate::merges::holding;
use crate::payouts::{commit, store};
use crate::world::{Program, World, eur, text};

/// Something for everybody involved, at once.
fn rules() -> Value {
    json!({
        "incentives": [
            {"id": "thank-you", "on": "purchase", "beneficiary": "referrer", "reward": {"kind": "cash", "amount": eur(500)}},
            {"id": "points", "on": "purchase", "beneficiary": "referee", "reward": {"kind": "points", "points": 70}},
            {"id": "above", "on": "purchase", "beneficiary": {"upline": 1}, "reward": {"kind": "cash", "amount": eur(100)}},
            {"id": "friend-10", "on": "purchase", "beneficiary": "referee", "grant": "at_checkout",
             "reward": {"kind": "discount", "basis_points": 1000}},
        ],
        "surveys": [],
    })
}

fn path(person: &Value) -> String {
    format!("/participants/{}", text(&person["id"]))
}

async fn be(program: &Program<'_>, person: &Value, state: &str) {
    let body = json!({"state": state});
    program.patch(&path(person), body).await.expect(200);
}

/// As [`be`], past the function that is held: what its transaction would write.
async fn suspend_behind(program: &Program<'_>, person: &Value, seed: u64) {
    let store = store(program.world);
    let id = text(&person["id"]).parse().unwrap();
    let key = keys::participant(program.id.parse().unwrap(), id);
    let mut read: Participant = store.get_one(key).await.unwrap().unwrap();
    let was = Was::Version(read.version);
    read.version += 1;
    read.state = ParticipantState::Suspended;
    let mut commit = commit(program, seed);
    commit.participant(&read, was).suspended(&read);
    store.commit(commit).await.unwrap();
}

/// Makes a call whose first transaction is held until something else has happened.
pub(crate) async fn overtaken<T>(
    faults: &Faults,
    call: impl Future<Output = T>,
    meanwhile: impl Future<Output = ()>,
) -> T {
    let begun = Arc::new(Notify::new());
    let writes = Arc::clone(&begun);
    faults.plan(move |operation| {
        (operation == "TransactWriteItems").then(|| {
            writes.notify_one();
            Fault::Throttle
        })
    });
    let overtake = async {
        begun.notified().await;
        meanwhile.await;
        faults.heal();
    };
    tokio::join!(call, overtake).0
}

/// Gifts, points and bonds of one who is suspended between the read and the write.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_given_by_hand_to_whom_a_suspension_has_overtaken() {
    let (world, faults) = holding("program-api").await;
    let program = world.program(rules()).await;
    for (seed, case) in [(1, "gift"), (2, "points"), (3, "bond")] {
        let person = program.referrer(case).await;
        if case == "points" {
            let points = json!({"beneficiary_id": person["id"], "kind": "points", "value": {"points": 50}, "reason": "x"});
            program.post("/rewards", points).await.expect(201);
            world.settle().await;
        }
        let (rest, body, code) = match case {
            "gift" => (
                "/rewards".to_owned(),
                json!({"beneficiary_id": person["id"], "kind": "cash", "value": eur(500), "reason": "x"}),
                "beneficiary_suspended",
            ),
            "points" => (
                format!("{}/redemptions", path(&person)),
                json!({"external_id": "spent", "unit": "points", "amount": 50}),
                "participant_suspended",
            ),
            _ => (
                "/participants".to_owned(),
                json!({"external_id": "friend", "referred_by": person["id"]}),
                "referrer_suspended",
            ),
        };
        let call = program.post(&rest, body);
        let answer = overtaken(&faults, call, suspend_behind(&program, &person, seed)).await;
        assert_eq!(answer.problem(409), code, "{case}");
        let points = program.balance(&person, "points").await["available"].clone();
        assert_eq!(points, if case == "points" { 50 } else { 0 }, "{case}");
        assert_eq!(program.balance(&person, "EUR").await["pending"], 0);
    }
    assert_eq!(all(&program, "/referrals").await, [Value::Null; 0]);
    audit(&program).await;
    world.bundle.shutdown().await;
}

/// Orders and offers: as the referrer, as the referee, a level above, and before paying.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_earns_by_an_order_that_their_suspension_has_overtaken() {
    let (world, faults) = holding("conversion-recording").await;
    for case in ["referrer", "bound", "referee", "above", "offer"] {
        let program = world.program(rules()).await;
        let top = program.referrer("top").await;
        let ann = program.referrer("ann").await;
        let bea = program.referrer("bea").await;
        let of_ann = json!({"codes": [ann["code"]], "referee": {"external_id": "bea"}});
        let of_top = json!({"codes": [top["code"]], "referee": {"external_id": "ann"}});
        program.convert("ann-1", of_top).await.expect(201);
        // Who is not bound yet is insisted on as a whole: the tree is kept free of loops by that.
        if matches!(case, "bound" | "referee") {
            program.convert("bea-1", of_ann.clone()).await.expect(201);
        }
        world.settle().await;
        let suspended = match case {
            "referee" => &bea,
            "above" => &top,
            _ => &ann,
        };
        let held = async || {
            let mut held = Vec::new();
            for unit in ["EUR", "points"] {
                held.push(program.balance(suspended, unit).await);
            }
            held
        };
        let before = held().await;
        let meanwhile = be(&program, suspended, "suspended");
        if case == "offer" {
            let offer = json!({"code": ann["code"]});
            let answer = overtaken(&faults, program.post("/offers", offer), meanwhile).await;
            assert_eq!(answer.problem(409), "referrer_suspended");
            continue;
        }
        let answer = overtaken(&faults, program.convert("bea-2", of_ann), meanwhile).await;
        let order = answer.expect(201);
        let rewards = order["rewards"].as_array().unwrap();
        let theirs = rewards
            .iter()
            .filter(|reward| reward["beneficiary_id"] == suspended["id"]);
        assert_eq!(theirs.count(), 0, "{case}: {order}");
        if case == "referrer" {
            assert_eq!(order["attribution"]["reason"], "suspended", "{order}");
        } else {
            let skipped = order["skipped"].as_array().unwrap();
            let why = |skip: &Value| skip["reason"] == "beneficiary_suspended";
            assert!(skipped.iter().any(why), "{case}: {order}");
        }
        world.settle().await;
        assert_eq!(held().await, before, "{case}");
        audit(&program).await;
    }
    world.bundle.shutdown().await;
}

/// What was earned before is not paid to them either: neither issued nor listed.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_issued_or_listed_for_whom_a_suspension_has_overtaken() {
    let (world, faults) = holding("reward-disbursement").await;
    let program = world.program(rules()).await;
    let ann = program.referrer("ann").await;
    let buy = async |order: &str| {
        let body = json!({"codes": [ann["code"]]});
        program.convert(order, body).await.expect(201);
        world.settle().await;
    };
    buy("order-1").await;
    let ask = async {
        let body = json!({"currency": "EUR"});
        program.post("/payouts", body).await.expect(201);
        world.settle().await;
    };
    overtaken(&faults, ask, be(&program, &ann, "suspended")).await;
    let payouts = all(&program, "/payouts").await;
    assert_eq!(payouts[0]["state"], "closed", "{payouts:?}");
    let path = format!("/payouts/{}/lines", text(&payouts[0]["id"]));
    assert_eq!(all(&program, &path).await, [Value::Null; 0]);
    assert_eq!(program.balance(&ann, "EUR").await["available"], 500);

    be(&program, &ann, "active").await;
    overtaken(&faults, buy("order-2"), be(&program, &ann, "suspended")).await;
    let failed = all(&program, "/rewards?state=failed").await;
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!(failed[0]["beneficiary_id"], ann["id"]);
    let eur = program.balance(&ann, "EUR").await;
    assert_eq!(
        (&eur["available"], &eur["pending"]),
        (&json!(500), &json!(500))
    );
    audit(&program).await;
    world.bundle.shutdown().await;
}

/// A suspension that is lifted leaves nothing behind.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_active_again_earns_and_spends_again() {
    let world = World::start().await;
    let program = world.program(rules()).await;
    let ann = program.referrer("ann").await;
    be(&program, &ann, "suspended").await;
    be(&program, &ann, "suspended").await;
    be(&program, &ann, "active").await;
    let points = json!({"beneficiary_id": ann["id"], "kind": "points", "value": {"points": 50}, "reason": "x"});
    program.post("/rewards", points).await.expect(201);
    program
        .post("/offers", json!({"code": ann["code"]}))
        .await
        .expect(201);
    let order = json!({"codes": [ann["code"]]});
    program.convert("order-1", order).await.expect(201);
    world.settle().await;
    let spend = json!({"external_id": "spent", "unit": "points", "amount": 50});
    let path = format!("{}/redemptions", path(&ann));
    program.post(&path, spend).await.expect(201);
    assert_eq!(program.balance(&ann, "EUR").await["available"], 500);
    world.settle().await;
    audit(&program).await;
    world.bundle.shutdown().await;
}

/// Every decision reads the program strongly, and none insists on it: it would be everybody's item. So
/// a pause holds what is decided after it, and what was decided before it stands.
#[tokio::test(flavor = "multi_thread")]
async fn a_pause_holds_what_is_decided_after_it_and_not_what_was_decided_before() {
    let (world, faults) = holding("reward-disbursement").await;
    let program = world.program(rules()).await;
    let ann = program.referrer("ann").await;
    let buy = async |order: &str| {
        let body = json!({"codes": [ann["code"]]});
        program.convert(order, body).await.expect(201);
        world.settle().await;
    };
    let pause = async {
        let body = json!({"state": "paused"});
        program.patch("", body).await.expect(200);
    };
    overtaken(&faults, buy("order-1"), pause).await;
    let of_ann = format!("/rewards?beneficiary_id={}", text(&ann["id"]));
    let states = async || -> Vec<String> {
        let rewards = all(&program, &of_ann).await;
        let states = rewards.iter().map(|reward| text(&reward["state"]));
        states.map(str::to_owned).collect()
    };
    assert_eq!(states().await, ["issued"]);
    let gift =
        json!({"beneficiary_id": ann["id"], "kind": "cash", "value": eur(700), "reason": "x"});
    program.post("/rewards", gift).await.expect(201);
    world.settle().await;
    let mut both = states().await;
    both.sort();
    assert_eq!(both, ["issued", "pending"]);
    assert_eq!(program.balance(&ann, "EUR").await["available"], 500);
    audit(&program).await;
    world.bundle.shutdown().await;
}
