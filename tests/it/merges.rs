//! Merging participants: whatever the two had, and whatever happens meanwhile, it is the target's in the
//! end, once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use futures_util::future::join_all;
use kith_store::faults::{Fault, Faults};
use kith_store::wake::Message;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::books::{all, audit};
use crate::guards::overtaken;
use crate::payouts::{until_killed, work};
use crate::world::{Answer, Program, World, eur, text};

/// Something of every kind, for both sides; some of it held.
pub(crate) fn rules() -> Value {
    json!({
        "incentives": [
            {"id": "thank-you", "on": "purchase", "beneficiary": "referrer", "reward": {"kind": "cash", "amount": eur(500)}},
            {"id": "share", "on": "purchase", "beneficiary": "referrer",
             "reward": {"kind": "percentage", "basis_points": 1000}, "hold_days": 30},
            {"id": "points", "on": "purchase", "beneficiary": "referee", "reward": {"kind": "points", "points": 70}},
            {"id": "off", "on": "purchase", "beneficiary": "referrer", "reward": {"kind": "discount", "amount": eur(300)}},
            {"id": "cake", "on": "purchase", "beneficiary": "referrer", "reward": {"kind": "free_product", "sku": "CAKE", "quantity": 2}},
            {"id": "above", "on": "purchase", "beneficiary": {"upline": 1}, "reward": {"kind": "cash", "amount": eur(100)}},
        ],
        "surveys": [],
    })
}

fn id(value: &Value) -> &str {
    text(&value["id"])
}

async fn buy(program: &Program<'_>, order: &str, referrer: &Value, referee: &str) -> Value {
    let body = json!({"codes": [referrer["code"]], "referee": {"external_id": referee}});
    program.convert(order, body).await.expect(201)
}

pub(crate) async fn merge(program: &Program<'_>, source: &Value, target: &Value) -> Answer {
    let path = format!("/participants/{}/merge", id(source));
    let body = json!({"into": id(target), "reason": "the same person"});
    program.post(&path, body).await
}

async fn participant(program: &Program<'_>, who: &Value) -> Value {
    program
        .get(&format!("/participants/{}", id(who)))
        .await
        .expect(200)
}

/// What somebody has, by unit and part.
async fn held(program: &Program<'_>, who: &Value) -> BTreeMap<(String, String), i64> {
    let path = format!("/participants/{}/balance", id(who));
    let answer = program.get(&path).await.expect(200);
    let mut held = BTreeMap::new();
    for balance in answer["balances"].as_array().unwrap() {
        for (part, amount) in balance.as_object().unwrap() {
            if let Some(amount) = amount.as_i64().filter(|amount| *amount != 0) {
                held.insert((text(&balance["unit"]).to_owned(), part.clone()), amount);
            }
        }
    }
    held
}

async fn together(program: &Program<'_>, both: [&Value; 2]) -> BTreeMap<(String, String), i64> {
    let mut sum = held(program, both[0]).await;
    for (part, amount) in held(program, both[1]).await {
        *sum.entry(part).or_default() += amount;
    }
    sum.retain(|_, amount| *amount != 0);
    sum
}

async fn count(program: &Program<'_>, path: &str) -> usize {
    all(program, path).await.len()
}

/// Nothing names the source any more but itself.
async fn nothing_is_left_of(program: &Program<'_>, source: &Value) {
    let who = id(source);
    for path in [
        format!("/rewards?beneficiary_id={who}"),
        format!("/referrals?referrer_id={who}"),
        format!("/conversions?referrer_id={who}"),
        format!("/conversions?referee_id={who}"),
        format!("/participants/{who}/redemptions"),
    ] {
        assert_eq!(all(program, &path).await, [Value::Null; 0], "{path}");
    }
    assert_eq!(held(program, source).await, BTreeMap::new());
}

/// Ann and Bea have earned in three units, hold vouchers, were paid, owe, and have spent; Zoe invited Ann.
pub(crate) async fn story(program: &Program<'_>) -> [Value; 2] {
    let zoe = program.referrer("zoe").await;
    let ann = program.referrer("ann").await;
    let bea = program.referrer("bea").await;
    buy(program, "ann-1", &zoe, "ann").await;
    buy(program, "ann-2", &zoe, "ann").await;
    let first = buy(program, "of-ann-1", &ann, "friend-1").await;
    buy(program, "of-ann-2", &ann, "friend-2").await;
    let pounds = json!({"codes": [ann["code"]], "referee": {"external_id": "friend-3"},
        "amount": {"amount": 2000, "currency": "GBP"}});
    program.convert("of-ann-3", pounds).await.expect(201);
    buy(program, "of-bea-1", &bea, "friend-4").await;
    program.world.settle().await;
    let spend = json!({"external_id": "spent-1", "unit": "points", "amount": 100});
    let path = format!("/participants/{}/redemptions", id(&ann));
    program.post(&path, spend).await.expect(201);
    let vouchers = all(program, "/rewards?state=issued").await;
    let cake = vouchers
        .iter()
        .find(|reward| reward["kind"] == "free_product" && reward["beneficiary_id"] == ann["id"])
        .unwrap();
    let used = json!({"voucher_code": cake["voucher_code"], "external_id": "counter-1"});
    program.post("/vouchers/redeem", used).await.expect(200);
    pay(program, "paid").await;
    // What was paid is taken back: Ann owes it.
    let refund = json!({"external_id": "back-1", "reason": "refund"});
    let path = format!("/conversions/{}/refunds", id(&first));
    program.post(&path, refund).await.expect(201);
    buy(program, "of-ann-4", &ann, "friend-5").await;
    program.world.settle().await;
    [ann, bea]
}

/// Lists everybody, settles every line so, and closes the payout.
async fn pay(program: &Program<'_>, state: &str) -> Vec<Value> {
    let payout = open_payout(program).await;
    let path = format!("/payouts/{}", id(&payout));
    let lines = all(program, &format!("{path}/lines")).await;
    for line in &lines {
        let path = format!("{path}/lines/{}", text(&line["participant_id"]));
        let body = json!({"state": state, "reference": "bank"});
        program.post(&path, body).await.expect(200);
    }
    program
        .post(&format!("{path}/close"), json!({}))
        .await
        .expect(200);
    program.world.settle().await;
    lines
}

async fn open_payout(program: &Program<'_>) -> Value {
    let payout = program
        .post("/payouts", json!({"currency": "EUR"}))
        .await
        .json();
    program.world.settle().await;
    payout
}

/// Pending, issued, redeemed, taken back; three units, pieces and vouchers; paid and owed.
#[tokio::test(flavor = "multi_thread")]
async fn what_two_had_one_has() {
    let world = World::start().await;
    let program = world.program(rules()).await;
    let [ann, bea] = story(&program).await;
    audit(&program).await;
    let before = together(&program, [&ann, &bea]).await;
    let units: BTreeSet<_> = before.keys().map(|(unit, _)| unit.as_str()).collect();
    let expected = ["EUR", "GBP", "items:CAKE", "points"];
    assert_eq!(units, BTreeSet::from(expected), "{before:?}");
    let owed = ("EUR".to_owned(), "receivable".to_owned());
    assert!(before.contains_key(&owed), "{before:?}");
    let rewards = count(&program, "/rewards").await;
    let of = |who: &Value| format!("/rewards?beneficiary_id={}", id(who));
    let theirs = count(&program, &of(&ann)).await + count(&program, &of(&bea)).await;
    let summary = program.get("/ledger/summary").await.expect(200);

    let begun = merge(&program, &ann, &bea).await.expect(201);
    assert_eq!(begun["state"], "building", "{begun}");
    world.settle().await;

    let done = program
        .get(&format!("/merges/{}", id(&begun)))
        .await
        .expect(200);
    assert_eq!(done["state"], "done", "{done}");
    assert_eq!(held(&program, &bea).await, before);
    nothing_is_left_of(&program, &ann).await;
    assert_eq!(count(&program, "/rewards").await, rewards);
    assert_eq!(count(&program, &of(&bea)).await, theirs);
    let after = program.get("/ledger/summary").await.expect(200);
    assert_eq!(after["data"], summary["data"]);
    audit(&program).await;

    let gone = participant(&program, &ann).await;
    assert_eq!(
        (&gone["state"], &gone["merged_into"]),
        (&json!("merged"), &bea["id"])
    );
    let kept = participant(&program, &bea).await;
    assert_eq!(kept["codes"].as_array().unwrap().len(), 2);
    assert_eq!(kept["code"], bea["code"]);
    // Zoe's bond is Bea's now, and Zoe still earns by what Ann buys.
    let referrals = all(&program, "/referrals").await;
    let of_zoe: Vec<&Value> = referrals
        .iter()
        .filter(|bond| bond["referee_id"] == bea["id"])
        .collect();
    assert_eq!(of_zoe.len(), 1, "{referrals:?}");
    let again = buy(&program, "ann-3", &bea, "ann").await;
    assert_eq!(again["attribution"]["referee_id"], bea["id"]);
    assert_eq!(again["attribution"]["reason"], "existing_referral");
    // A friend of Ann's buys again: Bea earns.
    let friend = json!({"referee": {"external_id": "friend-2"}});
    let friend = program.convert("of-ann-5", friend).await.expect(201);
    assert_eq!(friend["attribution"]["referrer_id"], bea["id"]);
    let through = buy(&program, "of-ann-6", &ann, "friend-9").await;
    assert_eq!(through["attribution"]["referrer_id"], bea["id"]);
    let events = all(&program, "/events?type=participant.merged").await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["data"]["merged_into"], bea["id"]);
    program.advance(40 * 86_400).await;
    nothing_is_left_of(&program, &ann).await;
    audit(&program).await;
    world.bundle.shutdown().await;
}

/// Whoever asks for the source by any name finds the target; whoever changes the source is told.
#[tokio::test(flavor = "multi_thread")]
async fn every_name_leads_to_the_target_and_the_source_never_changes_again() {
    let world = World::start().await;
    let program = world.program(rules()).await;
    let ann = program.referrer("ann").await;
    let bea = program.referrer("bea").await;
    let cleo = program.referrer("cleo").await;
    // In a chain: Ann is Bea, and Bea is Cleo.
    let first = merge(&program, &ann, &bea).await.expect(201);
    assert_eq!(
        merge(&program, &ann, &bea).await.expect(200)["id"],
        first["id"]
    );
    merge(&program, &bea, &cleo).await.expect(201);
    world.settle().await;
    for wanted in [
        json!({"external_id": "ann"}),
        json!({"email": "ann@example.com"}),
        json!({"code": ann["code"]}),
        json!({"external_id": "bea"}),
    ] {
        let found = program
            .post("/participants/search", wanted.clone())
            .await
            .expect(200);
        assert_eq!(found["data"][0]["id"], cleo["id"], "{wanted}");
    }
    let joined = json!({"external_id": "ann", "first_name": "Anna"});
    let joined = program.post("/participants", joined).await.expect(200);
    assert_eq!(joined["id"], cleo["id"]);
    let both = json!({"external_id": "bea", "email": "ann@example.com"});
    let both = program.post("/participants", both).await.expect(200);
    assert_eq!(both["id"], cleo["id"]);
    let referred = json!({"external_id": "dora", "referred_by": ann["id"]});
    program.post("/participants", referred).await.expect(201);
    let referrals = all(&program, &format!("/referrals?referrer_id={}", id(&cleo))).await;
    assert_eq!(referrals.len(), 1);

    let at = |rest: &str| format!("/participants/{}{rest}", id(&ann));
    let spend = json!({"external_id": "s", "unit": "points", "amount": 1});
    let code = text(&ann["code"]);
    for answer in [
        program.patch(&at(""), json!({"first_name": "Anna"})).await,
        program.post(&at("/codes"), json!({"code": "ANN-NEW"})).await,
        program.patch(&at(&format!("/codes/{code}")), json!({"state": "disabled"})).await,
        program.post(&at("/redemptions"), spend).await,
        program
            .post("/rewards", json!({"beneficiary_id": ann["id"], "kind": "cash", "value": eur(1), "reason": "x"}))
            .await,
        merge(&program, &ann, &cleo).await,
        merge(&program, &cleo, &ann).await,
    ] {
        assert_eq!(answer.problem(409), "participant_merged");
        let into = answer.json()["merged_into"].clone();
        assert_eq!(into, bea["id"]);
    }
    world.bundle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_merged_is_refused_with_its_reason() {
    let world = World::start().await;
    let program = world.program(rules()).await;
    let ann = program.referrer("ann").await;
    let bea = program.referrer("bea").await;
    assert_eq!(
        merge(&program, &ann, &ann).await.problem(409),
        "merge_into_itself"
    );
    let nobody = json!({"id": id(&ann).replace("par_0", "par_1")});
    assert_eq!(
        merge(&program, &nobody, &ann).await.problem(404),
        "not_found"
    );
    assert_eq!(
        merge(&program, &ann, &nobody).await.problem(422),
        "invalid_request"
    );
    let suspended = json!({"state": "suspended"});
    program
        .patch(&format!("/participants/{}", id(&ann)), suspended)
        .await
        .expect(200);
    for (source, target) in [(&ann, &bea), (&bea, &ann)] {
        assert_eq!(
            merge(&program, source, target).await.problem(409),
            "participant_suspended"
        );
    }
    let merged = json!({"state": "merged"});
    let answer = program
        .patch(&format!("/participants/{}", id(&ann)), merged)
        .await;
    assert_eq!(answer.problem(422), "invalid_request");
    world.bundle.shutdown().await;
}

/// Refunds, their reversal, a bank's return, a redemption's reversal: of what was before the merge.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_before_the_merge_is_undone_after_it() {
    let world = World::start().await;
    let program = world.program(rules()).await;
    let ann = program.referrer("ann").await;
    let bea = program.referrer("bea").await;
    let first = buy(&program, "of-ann-1", &ann, "friend-1").await;
    let second = buy(&program, "of-ann-2", &ann, "friend-2").await;
    buy(&program, "of-bea-1", &bea, "friend-3").await;
    buy(&program, "ann-1", &program.referrer("zoe").await, "ann").await;
    world.settle().await;
    let spend = json!({"external_id": "spent-1", "unit": "points", "amount": 50});
    let path = format!("/participants/{}/redemptions", id(&ann));
    let spent = program.post(&path, spend.clone()).await.expect(201);
    world.settle().await;
    pay(&program, "paid").await;
    buy(&program, "of-ann-3", &ann, "friend-4").await;
    buy(&program, "of-bea-2", &bea, "friend-5").await;
    world.settle().await;
    let open = open_payout(&program).await;

    merge(&program, &ann, &bea).await.expect(201);
    world.settle().await;
    audit(&program).await;
    let eur = program.balance(&bea, "EUR").await;
    assert_eq!(
        (&eur["in_payout"], &eur["paid"]),
        (&json!(1000), &json!(1500)),
        "{eur}"
    );

    // The open line stays Ann's and pays what is Bea's by now; one that fails comes back to Bea.
    let at = |who: &Value| format!("/payouts/{}/lines/{}", id(&open), id(who));
    program
        .post(&at(&ann), json!({"state": "failed"}))
        .await
        .expect(200);
    program
        .post(&at(&bea), json!({"state": "paid"}))
        .await
        .expect(200);
    world.settle().await;
    let eur = program.balance(&bea, "EUR").await;
    assert_eq!(
        (&eur["in_payout"], &eur["available"]),
        (&json!(0), &json!(500)),
        "{eur}"
    );
    // The bank sends back what was paid to Ann before.
    let payouts = all(&program, "/payouts").await;
    let closed = payouts
        .iter()
        .find(|payout| payout["state"] == "closed")
        .unwrap();
    let path = format!("/payouts/{}/lines/{}", id(closed), id(&ann));
    program
        .post(&path, json!({"state": "returned"}))
        .await
        .expect(200);
    world.settle().await;
    let eur = program.balance(&bea, "EUR").await;
    assert_eq!(
        (&eur["paid"], &eur["available"]),
        (&json!(1000), &json!(1500)),
        "{eur}"
    );
    audit(&program).await;

    let refund = |name: &str| json!({"external_id": name, "reason": "refund"});
    let path = |of: &Value| format!("/conversions/{}/refunds", id(of));
    let taken = program
        .post(&path(&first), refund("back-1"))
        .await
        .expect(201);
    program
        .post(&path(&second), refund("back-2"))
        .await
        .expect(201);
    audit(&program).await;
    program
        .post(&format!("/refunds/{}/reverse", id(&taken)), json!({}))
        .await
        .expect(200);
    world.settle().await;
    audit(&program).await;

    // The redemption is Bea's, under its name.
    let path = format!("/participants/{}/redemptions", id(&bea));
    assert_eq!(
        program.post(&path, spend).await.expect(200)["id"],
        spent["id"]
    );
    let back = format!("{path}/{}/reverse", id(&spent));
    program.post(&back, json!({})).await.expect(200);
    world.settle().await;
    assert_eq!(program.balance(&bea, "points").await["available"], 70);
    audit(&program).await;
    nothing_is_left_of(&program, &ann).await;
    world.bundle.shutdown().await;
}

/// Both were invited, by different people: the target's bond stays.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_bonds_the_targets_stays() {
    let world = World::start().await;
    let program = world.program(rules()).await;
    let (zoe, yan) = (program.referrer("zoe").await, program.referrer("yan").await);
    let (ann, bea) = (program.referrer("ann").await, program.referrer("bea").await);
    buy(&program, "ann-1", &zoe, "ann").await;
    buy(&program, "bea-1", &yan, "bea").await;
    world.settle().await;
    merge(&program, &ann, &bea).await.expect(201);
    world.settle().await;
    let bought = program
        .convert("ann-2", json!({"referee": {"external_id": "ann"}}))
        .await
        .expect(201);
    assert_eq!(bought["attribution"]["referrer_id"], yan["id"]);
    // What was earned under the other stays earned.
    assert_eq!(
        count(&program, &format!("/rewards?beneficiary_id={}", id(&zoe))).await,
        4
    );
    let conversions = all(&program, &format!("/conversions?referee_id={}", id(&bea))).await;
    assert_eq!(conversions.len(), 3);
    audit(&program).await;
    world.bundle.shutdown().await;
}

/// One referred the other, or stands above them: nothing happens until the owner has looked.
#[tokio::test(flavor = "multi_thread")]
async fn a_merge_that_shows_a_self_referral_or_a_loop_waits_for_review() {
    for between in [false, true] {
        for upwards in [false, true] {
            let world = World::start().await;
            let program = world.program(rules()).await;
            let ann = program.referrer("ann").await;
            let mid = program.referrer("mid").await;
            let bea = program.referrer("bea").await;
            let above_bea = if between { &mid } else { &ann };
            if between {
                buy(&program, "mid-1", &ann, "mid").await;
            }
            buy(&program, "bea-1", above_bea, "bea").await;
            world.settle().await;
            let (source, target) = if upwards { (&bea, &ann) } else { (&ann, &bea) };
            let before = together(&program, [&ann, &bea]).await;

            let asked = merge(&program, source, target).await.expect(202);
            assert_eq!(asked["state"], "in_review", "{asked}");
            let finding = if between {
                "referral_loop"
            } else {
                "self_referral"
            };
            assert_eq!(asked["finding"], finding);
            assert_eq!(
                merge(&program, source, target).await.expect(202)["id"],
                asked["id"]
            );
            assert_eq!(
                merge(&program, source, &program.referrer("eve").await)
                    .await
                    .problem(409),
                "merge_in_review"
            );
            assert_eq!(participant(&program, source).await["state"], "active");
            assert_eq!(together(&program, [&ann, &bea]).await, before);
            let waiting = all(&program, "/merges?state=in_review").await;
            assert_eq!(waiting.len(), 1);

            // Whoever wakes it wakes nothing.
            let (program_id, merge_id) = (program.id.parse().unwrap(), id(&asked).parse().unwrap());
            let message = Message::Merge {
                program_id,
                merge_id,
            };
            let mine = held(&program, source).await;
            work(&world, message, 60).await;
            assert_eq!(held(&program, source).await, mine);

            let path = format!("/merges/{}", id(&asked));
            let no = json!({"reason": "twins"});
            let rejected = program
                .post(&format!("{path}/reject"), no.clone())
                .await
                .expect(200);
            assert_eq!(rejected["state"], "rejected");
            program
                .post(&format!("{path}/reject"), no.clone())
                .await
                .expect(200);
            assert_eq!(
                program
                    .post(&format!("{path}/approve"), no)
                    .await
                    .problem(409),
                "merge_state"
            );

            let asked = merge(&program, source, target).await.expect(202);
            let path = format!("/merges/{}", id(&asked));
            let yes = json!({"reason": "it is her"});
            let approved = program
                .post(&format!("{path}/approve"), yes.clone())
                .await
                .expect(200);
            let dissolved = &approved["dissolved"];
            assert_eq!(dissolved["referee_id"], bea["id"], "{approved}");
            // The discount, the cash, the cake and the points were issued; the held share was not.
            let issued = if between { 5 } else { 4 };
            assert_eq!(
                dissolved["issued_reward_ids"].as_array().unwrap().len(),
                issued,
                "{dissolved}"
            );
            world.settle().await;
            program
                .post(&format!("{path}/approve"), yes)
                .await
                .expect(200);
            let done = program.get(&path).await.expect(200);
            assert_eq!(done["state"], "done", "{done}");
            let rejected = all(&program, "/rewards?state=rejected").await;
            assert_eq!(rejected.len(), 1, "{rejected:?}");
            assert_eq!(rejected[0]["incentive_id"], "share");
            // Nobody refers the two any more who are one; those whom they referred are theirs.
            let bonds = all(&program, "/referrals").await;
            assert!(
                bonds
                    .iter()
                    .all(|bond| bond["referee_id"] != ann["id"] && bond["referee_id"] != bea["id"]),
                "{bonds:?}"
            );
            assert_eq!(bonds.len(), usize::from(between));
            let own = program
                .convert(
                    "bea-2",
                    json!({"codes": [ann["code"]], "referee": {"external_id": "bea"}}),
                )
                .await
                .expect(201);
            assert_eq!(own["attribution"]["reason"], "self_referral", "{own}");
            audit(&program).await;
            nothing_is_left_of(&program, source).await;
            world.bundle.shutdown().await;
        }
    }
}

/// Orders, refunds, redemptions, payouts of both, while the merge is under way.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_runs_beside_a_merge_ends_with_the_target() {
    let world = World::start().await;
    let program = world.program(rules()).await;
    let [ann, bea] = story(&program).await;
    let zoe = json!({"external_id": "zoe"});
    let zoe = program.post("/participants/search", zoe).await.expect(200)["data"][0].clone();
    let orders: Vec<Value> = all(&program, &format!("/conversions?referrer_id={}", id(&ann))).await;
    open_payout(&program).await;
    let retried = |path: String, body: Value| {
        let program = &program;
        async move {
            for _ in 0..20 {
                let answer = program.post(&path, body.clone()).await;
                if answer.status.as_u16() != 409 || answer.json()["retryable"] != true {
                    return answer;
                }
            }
            panic!("{path} is never done");
        }
    };
    let buying = join_all((0..12).map(|number| {
        let code = if number % 2 == 0 { &ann["code"] } else { &bea["code"] };
        let body = json!({"event": "purchase", "external_id": format!("beside-{number}"), "codes": [code],
            "referee": {"external_id": format!("new-{number}")}, "amount": eur(4000)});
        retried("/conversions".to_owned(), body)
    }));
    let bought = join_all((0..6).map(|number| {
        let body = json!({"event": "purchase", "external_id": format!("ann-more-{number}"), "codes": [zoe["code"]],
            "referee": {"external_id": "ann"}, "amount": eur(4000)});
        retried("/conversions".to_owned(), body)
    }));
    let refunding = join_all(orders.iter().map(|order| {
        let body = json!({"external_id": "beside", "reason": "refund", "amount": {"amount": 700, "currency": order["amount"]["currency"]}});
        retried(format!("/conversions/{}/refunds", id(order)), body)
    }));
    let spending = join_all((0..4).map(|number| {
        let body =
            json!({"external_id": format!("beside-{number}"), "unit": "points", "amount": 5});
        retried(format!("/participants/{}/redemptions", id(&ann)), body)
    }));
    let merging = retried(
        format!("/participants/{}/merge", id(&ann)),
        json!({"into": id(&bea), "reason": "the same person"}),
    );
    let paying = retried("/payouts".to_owned(), json!({"currency": "GBP"}));
    let (bought_by_new, bought_by_ann, refunded, spent, merged, paid) =
        tokio::join!(buying, bought, refunding, spending, merging, paying);
    merged.expect(201);
    paid.expect(201);
    for answer in bought_by_new.iter().chain(&bought_by_ann) {
        answer.expect(201);
    }
    for answer in spent.iter().filter(|answer| answer.status != 201) {
        assert_eq!(answer.problem(409), "participant_merged");
    }
    assert!(
        refunded
            .iter()
            .filter(|answer| answer.status == 201)
            .count()
            >= 3
    );
    world.settle().await;
    // A redemption that came just before the merge is waited for: what is due is looked at again.
    let merge = all(&program, "/merges").await;
    finish(&world, &program, &merge[0]).await;
    audit(&program).await;
    nothing_is_left_of(&program, &ann).await;
    program.advance(3_600).await;
    nothing_is_left_of(&program, &ann).await;
    let earned = all(&program, &format!("/conversions?referrer_id={}", id(&bea))).await;
    assert!(earned.len() >= 12 + 5, "{}", earned.len());
    audit(&program).await;
    world.bundle.shutdown().await;
}

/// Has the worker do what is left, as it would when the lease is over.
async fn finish(world: &World, program: &Program<'_>, merge: &Value) {
    let message = Message::Merge {
        program_id: program.id.parse().unwrap(),
        merge_id: id(merge).parse().unwrap(),
    };
    assert!(until_killed(world, message, usize::MAX).await);
    world.settle().await;
    let done = program
        .get(&format!("/merges/{}", id(merge)))
        .await
        .expect(200);
    assert_eq!(done["state"], "done", "{done}");
}

/// The worker dies after each of its transactions in turn, and each message comes twice. The books are
/// right at every moment, and so is the end.
#[tokio::test(flavor = "multi_thread")]
async fn a_merge_that_stops_anywhere_is_gone_on_with() {
    let world = World::start().await;
    let (mut steps, mut ended) = (0, false);
    while !ended {
        let program = world.program(rules()).await;
        let [ann, bea] = story(&program).await;
        let before = together(&program, [&ann, &bea]).await;
        world.bundle.pause(Some("reward-disbursement"));
        let begun = merge(&program, &ann, &bea).await.expect(201);
        let message = Message::Merge {
            program_id: program.id.parse().unwrap(),
            merge_id: id(&begun).parse().unwrap(),
        };
        ended = until_killed(&world, message, steps).await;
        audit(&program).await;
        assert_eq!(together(&program, [&ann, &bea]).await, before, "{steps}");
        // Orders of both go on where it stopped.
        let stopped = buy(&program, "between", &ann, "friend-1").await;
        assert_eq!(stopped["attribution"]["referrer_id"], bea["id"], "{steps}");
        finish_twice(&world, message).await;
        world.bundle.resume(Some("reward-disbursement"));
        world.settle().await;
        audit(&program).await;
        nothing_is_left_of(&program, &ann).await;
        steps += 2;
    }
    assert!(steps > 12, "{steps}");
    world.bundle.shutdown().await;
}

/// Two workers at once on the same message.
async fn finish_twice(world: &World, message: Message) {
    let work = || crate::payouts::work(world, message, 60);
    tokio::join!(work(), work());
}

/// Conflicts, throttling, lost requests and answers on every second request.
#[tokio::test(flavor = "multi_thread")]
async fn faults_on_the_way_change_nothing() {
    let world = World::start().await;
    let program = world.program(rules()).await;
    let [ann, bea] = story(&program).await;
    let before = together(&program, [&ann, &bea]).await;
    let count = std::sync::atomic::AtomicUsize::new(0);
    world.plan(move |operation| {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let faults = [
            Fault::Conflict,
            Fault::TimeoutAfter,
            Fault::Throttle,
            Fault::TimeoutBefore,
        ];
        (operation == "TransactWriteItems" && number.is_multiple_of(2))
            .then(|| faults[number / 2 % 4])
    });
    let begun = merge(&program, &ann, &bea).await.expect(201);
    world.settle().await;
    world.heal();
    finish(&world, &program, &begun).await;
    assert_eq!(held(&program, &bea).await, before);
    audit(&program).await;
    nothing_is_left_of(&program, &ann).await;
    world.bundle.shutdown().await;
}

/// A world in which what one function writes can be held back.
pub(crate) async fn holding(package: &'static str) -> (World, Faults) {
    let held: Arc<Mutex<Option<Faults>>> = Arc::default();
    let kept = Arc::clone(&held);
    let world = World::with(move |options| {
        options.wrap_client = Some(Arc::new(move |of: &str, inner: SharedHttpClient| {
            let faults = Faults::over(inner);
            if of == package {
                *kept.lock().unwrap() = Some(faults.clone());
            }
            faults.client()
        }));
    })
    .await;
    let faults = held.lock().unwrap().take().unwrap();
    (world, faults)
}

/// An order that was decided before the merge and is written after it: refused, decided again, and the
/// target's. As the referrer, as the referee of an order that nobody led to, and a level above.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_a_merge_overtakes_is_decided_again() {
    let (world, faults) = holding("conversion-recording").await;
    for case in ["referrer", "referee", "above"] {
        let program = world.program(rules()).await;
        let ann = program.referrer("ann").await;
        let bea = program.referrer("bea").await;
        let mid = program.referrer("mid").await;
        if case == "above" {
            buy(&program, "mid-1", &ann, "mid").await;
        }
        let order = match case {
            "referrer" => json!({"codes": [ann["code"]]}),
            "referee" => json!({"referee": {"external_id": "ann"}}),
            _ => json!({"codes": [mid["code"]]}),
        };
        world.settle().await;
        let merged = async {
            let merge = merge(&program, &ann, &bea).await.expect(201);
            let path = format!("/merges/{}", id(&merge));
            while program.get(&path).await.expect(200)["state"] != "done" {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        let buying = program.convert("overtaken", order);
        let answer = overtaken(&faults, buying, merged).await;
        let order = answer.expect(201);
        let attribution = &order["attribution"];
        match case {
            "referrer" => assert_eq!(attribution["referrer_id"], bea["id"]),
            "referee" => assert_eq!(attribution["referee_id"], bea["id"]),
            _ => {
                let rewards = order["rewards"].as_array().unwrap();
                let above = rewards.iter().find(|one| one["incentive_id"] == "above");
                assert_eq!(above.unwrap()["beneficiary_id"], bea["id"]);
            }
        }
        world.settle().await;
        audit(&program).await;
        nothing_is_left_of(&program, &ann).await;
    }
    world.bundle.shutdown().await;
}

/// The lists by which a merge finds things have not heard of anything yet: the second sweep finds it,
/// and until then whoever meets what still names the source finds the target.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_lists_did_not_show_is_carried_over_later() {
    let (world, faults) = holding("reward-disbursement").await;
    let program = world.program(rules()).await;
    let [ann, bea] = story(&program).await;
    let before = together(&program, [&ann, &bea]).await;
    faults.plan(|operation| (operation == "Query").then_some(Fault::StaleIndex));
    let begun = merge(&program, &ann, &bea).await.expect(201);
    world.settle().await;
    let done = program
        .get(&format!("/merges/{}", id(&begun)))
        .await
        .expect(200);
    assert_eq!(done["state"], "done", "{done}");
    assert_eq!(together(&program, [&ann, &bea]).await, before);
    audit(&program).await;
    // A friend whose bond still names Ann, and a refund of what she earned.
    let friend = json!({"referee": {"external_id": "friend-2"}});
    let friend = program.convert("later", friend).await.expect(201);
    assert_eq!(friend["attribution"]["referrer_id"], bea["id"]);
    let orders = all(&program, &format!("/conversions?referrer_id={}", id(&ann))).await;
    let refund = json!({"external_id": "later", "reason": "refund"});
    let path = format!("/conversions/{}/refunds", id(&orders[0]));
    program.post(&path, refund).await.expect(201);
    faults.heal();
    world.settle().await;
    audit(&program).await;
    program.advance(3_600).await;
    nothing_is_left_of(&program, &ann).await;
    audit(&program).await;
    world.bundle.shutdown().await;
}

/// A survey's cooldown holds for the person, whichever of the two was asked, and whichever later.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_sooner_for_having_been_two() {
    let rules = json!({
        "incentives": [{"id": "thank-you", "on": "purchase", "beneficiary": "referrer", "reward": {"kind": "cash", "amount": eur(500)}}],
        "surveys": [{"id": "after-reward", "on": "reward.issued", "to": "referrer", "delay_hours": 0, "cooldown_days": 10}],
    });
    let world = World::start().await;
    let day = 86_400;
    for case in ["source alone", "source first", "target first"] {
        let program = world.program(rules.clone()).await;
        let ann = program.referrer("ann").await;
        let bea = program.referrer("bea").await;
        let asked_after = async |order: &str, who: &Value| {
            buy(&program, order, who, order).await;
            world.settle().await;
            count(&program, "/events?type=survey.sent").await
        };
        assert_eq!(asked_after("first", &ann).await, 1);
        program.advance(5 * day).await;
        let (source, target) = match case {
            "target first" => (&bea, &ann),
            _ => (&ann, &bea),
        };
        let mut sent = 1;
        if case != "source alone" {
            sent = asked_after("second", &bea).await;
            assert_eq!(sent, 2);
        }
        merge(&program, source, target).await.expect(201);
        world.settle().await;
        assert_eq!(asked_after("third", target).await, sent, "{case}");
        // Ten days after the first of the two was asked, and six after the second.
        program.advance(6 * day).await;
        if case != "source alone" {
            assert_eq!(asked_after("fourth", target).await, sent, "{case}");
            program.advance(5 * day).await;
        }
        assert_eq!(asked_after("fifth", target).await, sent + 1, "{case}");
    }
    world.bundle.shutdown().await;
}

/// Five euros for the referrer, and nothing else.
fn thanks() -> Value {
    json!({
        "incentives": [{"id": "thank-you", "on": "purchase", "beneficiary": "referrer", "reward": {"kind": "cash", "amount": eur(500)}}],
        "surveys": [],
    })
}

/// Says of the only line of a payout what became of it.
async fn settle_line(program: &Program<'_>, payout: &Value, who: &Value, state: &str) -> Answer {
    let path = format!("/payouts/{}/lines/{}", id(payout), id(who));
    program
        .post(&path, json!({"state": state, "reference": "bank"}))
        .await
}

/// Ann has a line of five euros in a payout that is open, and Bea has nothing.
async fn listed<'a>(world: &'a World) -> (Program<'a>, [Value; 2], Value) {
    let program = world.program(thanks()).await;
    let ann = program.referrer("ann").await;
    let bea = program.referrer("bea").await;
    buy(&program, "of-ann", &ann, "friend").await;
    world.settle().await;
    let payout = open_payout(&program).await;
    (program, [ann, bea], payout)
}

/// In the end, whatever came first.
async fn the_five_euros_are_the_targets(program: &Program<'_>, both: [&Value; 2], state: &str) {
    let [source, target] = both;
    program.world.settle().await;
    let part = if state == "paid" { "paid" } else { "available" };
    let kept = BTreeMap::from([(("EUR".to_owned(), part.to_owned()), 500)]);
    assert_eq!(held(program, target).await, kept, "{state}");
    nothing_is_left_of(program, source).await;
    audit(program).await;
}

/// The bank's word comes at any step of the merge: what is carried over is what is there then, and no
/// account is ever overdrawn.
#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_settled_overtakes_each_step_of_a_merge() {
    let (world, faults) = holding("reward-disbursement").await;
    for step in 0..5 {
        for state in ["paid", "failed"] {
            let (program, [ann, bea], payout) = listed(&world).await;
            // One attempt after the step at which it is held, and none beyond.
            let (held_at, one_more) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
            let (begun, over) = (Arc::clone(&held_at), Arc::clone(&one_more));
            let settled = Arc::new(Mutex::new(false));
            let is_settled = Arc::clone(&settled);
            let (mut passed, mut tried) = (0, false);
            faults.plan(move |operation| {
                if operation != "TransactWriteItems" {
                    return None;
                }
                if passed < step {
                    passed += 1;
                    return None;
                }
                if *is_settled.lock().unwrap() && !tried {
                    tried = true;
                    return None;
                }
                if tried {
                    over.notify_one();
                }
                begun.notify_one();
                Some(Fault::Throttle)
            });
            merge(&program, &ann, &bea).await.expect(201);
            held_at.notified().await;
            settle_line(&program, &payout, &ann, state)
                .await
                .expect(200);
            *settled.lock().unwrap() = true;
            one_more.notified().await;
            for who in [&ann, &bea] {
                let held = held(&program, who).await;
                let overdrawn = held.values().any(|amount| *amount < 0);
                assert!(!overdrawn, "{step} {state}: {held:?}");
            }
            faults.heal();
            the_five_euros_are_the_targets(&program, [&ann, &bea], state).await;
        }
    }
    world.bundle.shutdown().await;
}

/// The other way round: the merge is done between what was read of a line's account and what is written.
#[tokio::test(flavor = "multi_thread")]
async fn a_merge_overtakes_a_line_that_is_being_settled() {
    let (world, faults) = holding("program-api").await;
    for state in ["paid", "failed"] {
        let (program, [ann, bea], payout) = listed(&world).await;
        world.bundle.pause(Some("reward-disbursement"));
        let begun = merge(&program, &ann, &bea).await.expect(201);
        let path = format!("/merges/{}", id(&begun));
        let carry_out = async {
            world.bundle.resume(Some("reward-disbursement"));
            while program.get(&path).await.expect(200)["state"] != "done" {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        let settling = settle_line(&program, &payout, &ann, state);
        overtaken(&faults, settling, carry_out).await.expect(200);
        the_five_euros_are_the_targets(&program, [&ann, &bea], state).await;
    }
    world.bundle.shutdown().await;
}

/// A merge moves everybody below the source. Dan stands below Pam; who stands at the top of the target's
/// tree comes below Dan in the same instant: together that would be a loop, whichever is first.
#[tokio::test(flavor = "multi_thread")]
async fn a_bond_of_the_same_instant_closes_no_loop() {
    let bind = async |program: &Program<'_>, below: &str, above: &Value| {
        let body = json!({"codes": [above["code"]], "referee": {"external_id": below}});
        program
            .convert(&format!("{below}-bound"), body)
            .await
            .expect(201)
    };
    for held_back in ["program-api", "conversion-recording"] {
        let (world, faults) = holding(held_back).await;
        for target_is_top in [false, true] {
            // No rule for levels: whoever earns above a referrer is insisted on for that.
            let program = world.program(thanks()).await;
            let top = program.referrer("top").await;
            let pam = program.referrer("pam").await;
            let dan = program.referrer("dan").await;
            let zoe = program.referrer("zoe").await;
            bind(&program, "dan", &pam).await;
            let target = if target_is_top {
                zoe.clone()
            } else {
                let quin = program.referrer("quin").await;
                bind(&program, "pam", &top).await;
                bind(&program, "quin", &zoe).await;
                quin
            };
            world.settle().await;
            let merging = merge(&program, &pam, &target);
            let binding = bind(&program, "zoe", &dan);
            let at = format!("{held_back} {target_is_top}");
            if held_back == "program-api" {
                let bound = async {
                    let order = binding.await;
                    assert_eq!(order["attribution"]["referrer_id"], dan["id"], "{at}");
                };
                let merged = overtaken(&faults, merging, bound).await.expect(202);
                assert_eq!(merged["finding"], "referral_loop", "{at}: {merged}");
            } else {
                let merged = async {
                    merging.await.expect(201);
                };
                let order = overtaken(&faults, binding, merged).await;
                let attribution = &order["attribution"];
                assert_eq!(attribution["state"], "unattributed", "{at}: {order}");
                let reason = &attribution["reason"];
                assert!(
                    ["referral_loop", "self_referral"].contains(&text(reason)),
                    "{at}: {order}"
                );
            }
            world.settle().await;
            audit(&program).await;
        }
        world.bundle.shutdown().await;
    }
}
