//! What a support person is asked, each answered by one or two calls: the questions of
//! docs/SUPPORT.md, in the same order.

use std::future::Future;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::world::{Program, World, eur, text};

/// What a conversion says about the referrer's reward and about its attribution.
async fn why(program: &Program<'_>, order: &str) -> (String, String) {
    let found = format!("/conversions?event=purchase&external_id={order}");
    let found = program.get(&found).await.expect(200);
    let conversion = &found["data"][0];
    let skipped = conversion["skipped"].as_array().unwrap();
    let mut skipped = skipped
        .iter()
        .filter(|skip| skip["incentive_id"] == "thank-you");
    let told = skipped.next().map_or("", |skip| text(&skip["explanation"]));
    (
        text(&conversion["attribution"]["explanation"]).to_owned(),
        told.to_owned(),
    )
}

/// A text with a person's id replaced by a name.
fn named(told: &str, person: &Value, name: &str) -> String {
    told.replace(text(&person["id"]), name)
}

/// "My friend bought and I got nothing."
#[tokio::test(flavor = "multi_thread")]
async fn why_a_friends_order_earned_nothing_is_one_call_away() {
    let world = World::start().await;
    let limited = json!({"incentives": [
        {"id": "thank-you", "on": "purchase", "beneficiary": "referrer",
         "reward": {"kind": "cash", "amount": eur(500)},
         "conditions": {"minimum_amount": eur(2_000)}, "limits": {"per_referrer_per_month": 1}}]});
    let program = world.program(limited).await;
    let ann = program.referrer("ann").await;
    let code = text(&ann["code"]);
    let early = program.click(&ann).await;

    let ordered = program.click(&ann).await;
    let before = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(2);
    let body = json!({"click_tokens": [ordered], "occurred_at": before.to_string()});
    program.convert("too-early", body).await.expect(201);
    let (told, _) = why(&program, "too-early").await;
    let begins =
        format!("The order belongs to nobody. The link with the code {code} was opened on");
    assert!(told.starts_with(&begins), "{told}");
    assert!(
        told.ends_with("only a link that is opened before counts."),
        "{told}"
    );

    let own = json!({"codes": [code], "referee": {"email": "Ann+shop@example.com"}});
    program.convert("own", own).await.expect(201);
    let (told, _) = why(&program, "own").await;
    assert_eq!(
        told,
        format!(
            "The order belongs to nobody. The code {code} belongs to the customer, and nobody \
             refers themselves."
        )
    );

    let small = json!({"codes": [code], "amount": eur(1_200)});
    program.convert("small", small).await.expect(201);
    let (told, skipped) = why(&program, "small").await;
    assert_eq!(
        named(&told, &ann, "Ann"),
        format!("The order belongs to Ann. The order came with the code {code}.")
    );
    assert_eq!(
        skipped,
        "The order was 12.00 EUR; this reward asks for at least 20.00 EUR."
    );

    for order in ["first", "second"] {
        let body = json!({"codes": [code]});
        program.convert(order, body).await.expect(201);
    }
    let (_, skipped) = why(&program, "second").await;
    let begins = "This reward was earned once through this referrer in ";
    assert!(skipped.starts_with(begins), "{skipped}");
    assert!(
        skipped.ends_with(" already; the limit is 1 a month."),
        "{skipped}"
    );

    program.advance(45 * 86_400).await;
    let late = json!({"click_tokens": [early]});
    program.convert("late", late).await.expect(201);
    let (told, _) = why(&program, "late").await;
    let ends = "; the order came 45 days later, and the window is 30 days.";
    let told = told
        .replace("45 days and 1 hour", "45 days")
        .replace("more than 45 days", "45 days");
    assert!(told.ends_with(ends), "{told}");

    let unknown = "/conversions?event=purchase&external_id=nobody-knows";
    let unknown = program.get(unknown).await.expect(200);
    assert_eq!(unknown["data"], json!([]));
    world.bundle.shutdown().await;
}

/// The requests that one call sends to the table, but for what its key may still call.
async fn requests_of<T>(world: &World, call: impl Future<Output = T>) -> (T, Vec<String>) {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = Arc::clone(&seen);
    world.plan(move |operation| {
        if operation != "UpdateItem" {
            kept.lock().unwrap().push(operation.to_owned());
        }
        None
    });
    let answer = call.await;
    world.heal();
    let mut seen = seen.lock().unwrap().clone();
    seen.sort_unstable();
    (answer, seen)
}

/// What a timeline says, entry by entry: `kind: text`.
fn told(timeline: &Value) -> Vec<String> {
    let entries = timeline["data"].as_array().unwrap().iter();
    let told = entries.map(|entry| format!("{}: {}", text(&entry["kind"]), text(&entry["text"])));
    told.collect()
}

fn timeline_of(person: &Value) -> String {
    format!("/participants/{}/timeline", text(&person["id"]))
}

/// The first entry of a kind.
fn entry<'a>(timeline: &'a Value, kind: &str) -> &'a Value {
    let mut entries = timeline["data"].as_array().unwrap().iter();
    let found = entries.find(|entry| entry["kind"] == kind);
    found.unwrap_or_else(|| panic!("no {kind} in {timeline:#}"))
}

fn steps(entry: &Value) -> Vec<&str> {
    let steps = entry["steps"].as_array().unwrap().iter();
    steps.map(|step| text(&step["text"])).collect()
}

fn at(entry: &Value) -> Timestamp {
    text(&entry["at"]).parse().unwrap()
}

/// "Where is my reward?"
#[tokio::test(flavor = "multi_thread")]
async fn where_a_reward_is_stands_in_the_timeline() {
    let world = World::start().await;
    let program = world.program(json!({"surveys": [], "hold_days": 14})).await;
    let ann = program.referrer("ann").await;
    let body = json!({"codes": [ann["code"]]});
    let order = program.convert("order-1", body).await.expect(201);
    let release = text(&order["rewards"][0]["release_at"]).parse().unwrap();
    let day = kith_domain::explanation::day(release);

    world.settle().await;
    let found = json!({"email": "ann@example.com"});
    let found = program.post("/participants/search", found);
    let (found, requests) = requests_of(&world, found).await;
    assert_eq!(requests, ["BatchGetItem"; 2]);
    let ann = found.expect(200)["data"][0].clone();
    let (timeline, requests) = requests_of(&world, program.get(&timeline_of(&ann))).await;
    let expected = [vec!["BatchGetItem"; 3], vec!["Query"; 7]].concat();
    assert_eq!(requests, expected);
    let timeline = timeline.expect(200);
    let reward = entry(&timeline, "reward");
    assert_eq!(
        reward["text"],
        format!("Reward of 5.00 EUR for the order order-1 (thank-you). It is held until {day}.")
    );
    program.advance(14 * 86_400).await;
    let timeline = program.get(&timeline_of(&ann)).await.expect(200);
    let reward = entry(&timeline, "reward");
    assert_eq!(
        reward["text"],
        "Reward of 5.00 EUR for the order order-1 (thank-you). It is in the balance, and the next \
         payout pays it."
    );
    let steps = steps(reward);
    assert_eq!(steps.len(), 4, "{steps:?}");
    assert_eq!(
        steps[..3],
        [
            &format!("Held until {day}, by conversion-recording."),
            "Released, by reward-disbursement.",
            "Issued, by reward-disbursement."
        ]
    );
    assert_eq!(steps[3], "A mail about it was sent.");
    world.bundle.shutdown().await;
}

/// "My voucher does not work."
#[tokio::test(flavor = "multi_thread")]
async fn why_a_voucher_does_not_work_is_told() {
    let world = World::start().await;
    let program = world.program(json!({"surveys": []})).await;
    let ann = program.referrer("ann").await;
    let body = json!({"codes": [ann["code"]], "referee": {"external_id": "bob"}});
    program.convert("order-1", body).await.expect(201);
    world.settle().await;
    let found = json!({"external_id": "bob"});
    let found = program
        .post("/participants/search", found)
        .await
        .expect(200);
    let bob = &found["data"][0];
    let timeline = program.get(&timeline_of(bob)).await.expect(200);
    let told = text(&entry(&timeline, "reward")["text"]).to_owned();
    let begins = "Reward of a discount of 10 % for the order order-1 (friend-10). Its voucher is ";
    let voucher = told
        .strip_prefix(begins)
        .unwrap_or_else(|| panic!("{told}"));
    let voucher = voucher
        .strip_suffix(", and can be used.")
        .unwrap()
        .to_owned();

    let used = json!({"voucher_code": voucher, "external_id": "order-7"});
    program.post("/vouchers/redeem", used).await.expect(200);
    let again = json!({"voucher_code": voucher, "external_id": "order-8"});
    let again = program.post("/vouchers/redeem", again).await;
    assert_eq!(again.problem(409), "voucher_redeemed");
    let timeline = program.get(&timeline_of(bob)).await.expect(200);
    let reward = entry(&timeline, "reward");
    assert!(text(&reward["text"]).ends_with("Its voucher was used."));
    world.bundle.shutdown().await;
}

/// "My friend sent it back. What happened to my reward?"
#[tokio::test(flavor = "multi_thread")]
async fn what_a_refund_did_to_a_reward_stands_in_the_timeline() {
    let world = World::start().await;
    let program = world.program(json!({"surveys": []})).await;
    let ann = program.referrer("ann").await;
    let body = json!({"codes": [ann["code"]]});
    program.convert("order-1", body).await.expect(201);
    world.settle().await;
    let conversion = json!({"event": "purchase", "external_id": "order-1"});
    let part = json!({"external_id": "r-1", "conversion": conversion, "reason": "refund", "amount": eur(1_500)});
    program.post("/refunds", part).await.expect(201);
    let timeline = program.get(&timeline_of(&ann)).await.expect(200);
    assert_eq!(
        entry(&timeline, "reward")["text"],
        "Reward of 3.34 EUR for the order order-1 (thank-you). It was 5.00 EUR at first. It is in \
         the balance, and the next payout pays it."
    );
    let rest = json!({"external_id": "r-2", "conversion": conversion, "reason": "chargeback"});
    program.post("/refunds", rest).await.expect(201);
    let timeline = program.get(&timeline_of(&ann)).await.expect(200);
    let reward = text(&entry(&timeline, "reward")["text"]);
    assert!(
        reward.ends_with("It was taken back after it was issued."),
        "{reward}"
    );
    let steps = steps(entry(&timeline, "conversion"));
    assert!(
        steps.contains(&"15.00 EUR was refunded (refund r-1)."),
        "{steps:?}"
    );
    let back = "30.00 EUR was charged back by the customer's bank (refund r-2).";
    assert!(steps.contains(&back), "{steps:?}");
    world.bundle.shutdown().await;
}

/// "I got two accounts." And: "Who changed this?"
#[tokio::test(flavor = "multi_thread")]
async fn two_accounts_and_who_changed_one_are_found() {
    let world = World::start().await;
    let program = world.program(json!({"surveys": []})).await;
    let ann = program.referrer("ann").await;
    let other = json!({"external_id": "ann-2", "email": "ann.baker@example.com"});
    let other = program.post("/participants", other).await.expect(201);
    let both = json!({"external_id": "ann", "email": "Ann.Baker@example.com"});
    let both = program.post("/participants", both).await;
    assert_eq!(both.problem(409), "identity_conflict");
    for (wanted, person) in [
        (json!({"external_id": "ann"}), &ann),
        (json!({"email": "ann.baker@example.com"}), &other),
        (json!({"code": other["code"]}), &other),
    ] {
        let found = program
            .post("/participants/search", wanted)
            .await
            .expect(200);
        assert_eq!(found["data"][0]["id"], person["id"]);
    }
    let path = format!("/participants/{}", text(&other["id"]));
    let suspended = program.patch(&path, json!({"state": "suspended"})).await;
    suspended.expect(200);
    let timeline = program.get(&timeline_of(&other)).await.expect(200);
    let standing = text(&timeline["participant"]["text"]);
    assert!(
        standing.starts_with("Is suspended: neither refers nor earns"),
        "{standing}"
    );
    let log = format!("/audit?object={}", text(&other["id"]));
    let log = program.get(&log).await.expect(200);
    let last = &log["data"][0];
    assert_eq!(
        (&last["route"], &last["actor"]),
        (&json!("change_participant"), &json!("operator"))
    );
    world.bundle.shutdown().await;
}

/// Page by page, the timeline is what it is at once: newest first, nobody's name or address in it,
/// and at most ten requests however long the history is.
#[tokio::test(flavor = "multi_thread")]
async fn a_timeline_is_whole_and_in_order() {
    let world = World::start().await;
    let points = json!({"incentives": [
        {"id": "cash", "on": "purchase", "beneficiary": "referrer", "reward": {"kind": "cash", "amount": eur(500)}},
        {"id": "points", "on": "purchase", "beneficiary": "referrer", "reward": {"kind": "points", "points": 50}}]});
    let program = world.program(points).await;
    let eve = program.referrer("eve").await;
    let ann = json!({"external_id": "ann", "email": "ann@example.com", "first_name": "Annabel", "referred_by": eve["id"]});
    let ann = program.post("/participants", ann).await.expect(201);
    for number in 0..4 {
        let token = program.click(&ann).await;
        let body = json!({"click_tokens": [token]});
        program
            .convert(&format!("order-{number}"), body)
            .await
            .expect(201);
    }
    let own = json!({"referee": {"external_id": "ann"}});
    program.convert("own-order", own).await.expect(201);
    world.settle().await;
    program.advance(3_600).await;
    let spent = json!({"external_id": "cup", "unit": "points", "amount": 120});
    let path = format!("/participants/{}/redemptions", text(&ann["id"]));
    program.post(&path, spent).await.expect(201);
    program.advance(3_600).await;
    program
        .post("/payouts", json!({"currency": "EUR"}))
        .await
        .expect(201);
    world.settle().await;

    let (whole, requests) = requests_of(&world, program.get(&timeline_of(&ann))).await;
    assert_eq!(requests.len(), 10, "{requests:?}");
    assert!(!whole.text.contains("example") && !whole.text.contains("Annabel"));
    let whole = whole.expect(200);
    let entries = whole["data"].as_array().unwrap().clone();
    let times: Vec<Timestamp> = entries.iter().map(at).collect();
    assert!(
        times.is_sorted_by(|newer, older| newer >= older),
        "{times:?}"
    );
    let mut kinds: Vec<&str> = entries.iter().map(|entry| text(&entry["kind"])).collect();
    assert_eq!(kinds[..2], ["payout", "redemption"]);
    kinds.sort_unstable();
    let of = |kind| kinds.iter().filter(|one| **one == kind).count();
    // Bonds of four friends and the own one; four orders and the own one; two rewards for each friend.
    assert_eq!((of("referral"), of("conversion"), of("reward")), (5, 5, 8));
    assert_eq!(
        (of("participant"), of("payout"), of("redemption")),
        (1, 1, 1)
    );
    assert!(of("survey") >= 1);
    let told = told(&whole);
    assert!(
        told.contains(&"redemption: Spent 120 points (cup).".to_owned()),
        "{told:#?}"
    );
    let bound = format!("referral: Was bound to the referrer {}.", text(&eve["id"]));
    assert!(told.contains(&bound), "{told:#?}");

    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = format!("{}?limit=3{cursor}", timeline_of(&ann));
        let page = program.get(&page).await.expect(200);
        found.extend(page["data"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(found, entries);
    let (from, to) = (times[entries.len() - 3], times[1]);
    let part = format!("{}?from={from}&to={to}", timeline_of(&ann));
    let part = program.get(&part).await.expect(200);
    let expected: Vec<&Value> = entries
        .iter()
        .filter(|one| {
            let at = at(one);
            at >= from && at < to
        })
        .collect();
    assert_eq!(
        part["data"].as_array().unwrap().iter().collect::<Vec<_>>(),
        expected
    );
    world.bundle.shutdown().await;
}
