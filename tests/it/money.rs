//! Programs as real shops run them, each over HTTP from the first link to the last cent.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::books::{all, audit};
use crate::world::{Program, World, eur, text};

const DAY: i64 = 86_400;

fn cash(id: &str, amount: i64) -> Value {
    json!({"id": id, "on": "purchase", "beneficiary": "referrer", "reward": {"kind": "cash", "amount": eur(amount)}})
}

fn with(mut rule: Value, member: &str, value: Value) -> Value {
    rule[member] = value;
    rule
}

async fn program_with<'a>(world: &'a World, incentives: Value, change: Value) -> Program<'a> {
    let mut body = json!({"surveys": [], "incentives": incentives});
    for (name, value) in change.as_object().unwrap() {
        body[name] = value.clone();
    }
    world.program(body).await
}

/// A purchase through a code.
async fn buy(program: &Program<'_>, order: &str, code: &Value, change: Value) -> Value {
    let mut body = json!({"codes": [code]});
    for (name, value) in change.as_object().unwrap() {
        body[name] = value.clone();
    }
    program.convert(order, body).await.expect(201)
}

fn reasons(conversion: &Value) -> Vec<&str> {
    conversion["skipped"]
        .as_array()
        .unwrap()
        .iter()
        .map(|skipped| text(&skipped["reason"]))
        .collect()
}

async fn available(program: &Program<'_>, participant: &Value) -> i64 {
    program.balance(participant, "EUR").await["available"]
        .as_i64()
        .unwrap_or(0)
}

/// Friends get ten per cent, the referrer five euros, thirty-two times at most.
#[tokio::test(flavor = "multi_thread")]
async fn double_sided_with_a_cap_of_32() {
    let world = World::start().await;
    let friend = json!({"id": "friend-10", "on": "purchase", "beneficiary": "referee",
        "reward": {"kind": "discount", "basis_points": 1000}, "conditions": {"first_conversion_only": true}});
    let thanks = with(
        cash("thank-you", 500),
        "limits",
        json!({"per_referrer": 32}),
    );
    let program = program_with(&world, json!([friend, thanks]), json!({})).await;
    let ann = program.referrer("ann").await;
    let orders: Vec<String> = (0..40).map(|number| format!("order-{number}")).collect();
    for some in orders.chunks(8) {
        join_all(
            some.iter()
                .map(|order| buy(&program, order, &ann["code"], json!({}))),
        )
        .await;
    }
    world.settle().await;
    let rewards = program.rewards().await;
    let count = |what: &str| rewards.iter().filter(|reward| *reward == what).count();
    assert_eq!(count("thank-you referrer issued"), 32);
    assert_eq!(count("friend-10 referee issued"), 40);
    assert_eq!(available(&program, &ann).await, 32 * 500);
    // Forty vouchers make no entry, thirty-two credits two lines each.
    assert_eq!(audit(&program).await, 64);
    world.bundle.shutdown().await;
}

/// Five euros for the first referrals, ten from the fifth on, twenty from the tenth.
#[tokio::test(flavor = "multi_thread")]
async fn tiered_cash_of_5_10_and_20() {
    let world = World::start().await;
    let tiered = with(
        cash("tiered", 500),
        "tiers",
        json!([
            {"from": 5, "reward": {"kind": "cash", "amount": eur(1000)}},
            {"from": 10, "reward": {"kind": "cash", "amount": eur(2000)}},
        ]),
    );
    let program = program_with(&world, json!([tiered]), json!({})).await;
    let ann = program.referrer("ann").await;
    let mut earned = Vec::new();
    for number in 1..=11 {
        let conversion = buy(
            &program,
            &format!("order-{number}"),
            &ann["code"],
            json!({}),
        )
        .await;
        earned.push(
            conversion["rewards"][0]["value"]["amount"]
                .as_i64()
                .unwrap(),
        );
    }
    assert_eq!(
        earned,
        [500, 500, 500, 500, 1000, 1000, 1000, 1000, 1000, 2000, 2000]
    );
    // Somebody who comes again is no new referral: the eleventh referee's second order pays as before.
    let again = program
        .convert(
            "order-12",
            json!({"referee": {"external_id": "friend-of-order-1"}}),
        )
        .await
        .expect(201);
    assert_eq!(again["rewards"][0]["value"], eur(2000));
    world.settle().await;
    assert_eq!(
        available(&program, &ann).await,
        4 * 500 + 5 * 1000 + 3 * 2000
    );
    audit(&program).await;
    let first = all(&program, "/rewards").await;
    let last = first
        .iter()
        .find(|reward| reward["conversion_id"] == again["id"])
        .unwrap();
    let explained = program
        .get(&format!("/rewards/{}", text(&last["id"])))
        .await
        .expect(200);
    assert_eq!(explained["explanation"]["tier"]["from"], 10, "{explained}");
    world.bundle.shutdown().await;
}

/// A fifth of every payment in the first twelve months, fifty euros at most; an upgrade hits the
/// maximum, is charged back, and the chargeback is won.
#[tokio::test(flavor = "multi_thread")]
async fn recurring_share_with_a_maximum_and_a_chargeback_that_is_won() {
    let world = World::start().await;
    let share = json!({"id": "recurring", "on": "purchase", "beneficiary": "referrer",
        "reward": {"kind": "percentage", "basis_points": 2000, "maximum": eur(5000)},
        "conditions": {"within_months_of_referral": 12}});
    let program = program_with(&world, json!([share]), json!({"hold_days": 14})).await;
    let ann = program.referrer("ann").await;
    let bob = json!({"referee": {"external_id": "bob"}});
    let pay = async |order: &str, amount: i64| {
        let mut body = bob.clone();
        body["amount"] = eur(amount);
        buy(&program, order, &ann["code"], body).await
    };
    let month = pay("month-1", 4999).await;
    // 999.8 cents, rounded down.
    assert_eq!(month["rewards"][0]["value"], eur(999));
    program.advance(30 * DAY).await;
    assert_eq!(available(&program, &ann).await, 999);

    let upgrade = pay("month-2", 60_000).await;
    assert_eq!(upgrade["rewards"][0]["value"], eur(5000));
    program.advance(30 * DAY).await;
    assert_eq!(available(&program, &ann).await, 5999);

    let refunds = format!("/conversions/{}/refunds", text(&upgrade["id"]));
    let body = json!({"external_id": "dispute-1", "reason": "chargeback"});
    let charged = program.post(&refunds, body.clone()).await.expect(201);
    assert_eq!(charged["amount"], eur(60_000));
    assert_eq!(
        charged["rewards"][0]["before"],
        json!({"state": "issued", "value": eur(5000)})
    );
    assert_eq!(
        charged["rewards"][0]["after"],
        json!({"state": "clawed_back", "value": eur(0)})
    );
    assert_eq!(
        program.post(&refunds, body).await.expect(200)["id"],
        charged["id"]
    );
    assert_eq!(available(&program, &ann).await, 999);

    let reverse = format!("/refunds/{}/reverse", text(&charged["id"]));
    assert_eq!(
        program.post(&reverse, json!({})).await.expect(200)["state"],
        "reversed"
    );
    assert_eq!(
        program.post(&reverse, json!({})).await.expect(200)["state"],
        "reversed"
    );
    assert_eq!(available(&program, &ann).await, 5999);
    let present = program
        .get(&format!("/conversions/{}", text(&upgrade["id"])))
        .await
        .expect(200);
    assert_eq!(present["refunded"], eur(0));
    assert_eq!(present["rewards"][0]["state"], "issued");
    assert_eq!(present["rewards"][0]["value"], eur(5000));

    // Ten months on, it is over.
    program.advance(310 * DAY).await;
    let late = pay("month-13", 4999).await;
    assert_eq!(reasons(&late), ["within_months_of_referral"]);
    world.settle().await;
    assert_eq!(available(&program, &ann).await, 5999);
    audit(&program).await;
    world.bundle.shutdown().await;
}

/// Ann brought Bob, Bob brought Cleo, Cleo brought Dan: each of the three earns when Eve buys
/// through Dan, and nobody earns above the top.
#[tokio::test(flavor = "multi_thread")]
async fn an_upline_of_three_levels() {
    let world = World::start().await;
    let level = |number: u8, amount: i64| {
        json!({"id": format!("level-{number}"), "on": "purchase", "beneficiary": {"upline": number},
            "reward": {"kind": "cash", "amount": eur(amount)}})
    };
    let rules = json!([
        cash("direct", 1000),
        level(1, 300),
        level(2, 200),
        level(3, 100)
    ]);
    let program = program_with(&world, rules, json!({})).await;
    let mut people: Vec<Value> = Vec::new();
    for name in ["ann", "bob", "cleo", "dan"] {
        let mut body = json!({"external_id": name});
        if let Some(above) = people.last() {
            body["referred_by"] = above["id"].clone();
        }
        people.push(program.post("/participants", body).await.expect(201));
    }
    let eve = buy(&program, "order-eve", &people[3]["code"], json!({})).await;
    let earned: Vec<(Value, Value)> = eve["rewards"]
        .as_array()
        .unwrap()
        .iter()
        .map(|reward| {
            (
                reward["beneficiary"].clone(),
                reward["beneficiary_id"].clone(),
            )
        })
        .collect();
    assert_eq!(
        earned,
        [
            (json!("referrer"), people[3]["id"].clone()),
            (json!({"upline": 1}), people[2]["id"].clone()),
            (json!({"upline": 2}), people[1]["id"].clone()),
            (json!({"upline": 3}), people[0]["id"].clone()),
        ]
    );
    let short = buy(&program, "order-fay", &people[1]["code"], json!({})).await;
    assert_eq!(short["rewards"].as_array().unwrap().len(), 2);
    assert_eq!(reasons(&short), ["no_upline", "no_upline"]);
    world.settle().await;
    for (person, expected) in people.iter().zip([100 + 300, 200 + 1000, 300, 1000]) {
        assert_eq!(available(&program, person).await, expected, "{person}");
    }
    let body = json!({"external_id": "ann", "referred_by": people[3]["id"]});
    assert_eq!(
        program.post("/participants", body).await.problem(409),
        "referral_loop"
    );
    audit(&program).await;
    world.bundle.shutdown().await;
}

/// A hundred euros a month, five euros each: twenty of fifty that come at once, and a fresh
/// budget in the next month.
#[tokio::test(flavor = "multi_thread")]
async fn a_monthly_budget_spent_in_the_middle_of_a_burst() {
    let world = World::start().await;
    let budgeted = with(
        cash("thank-you", 500),
        "limits",
        json!({"budget_per_month": eur(10_000)}),
    );
    let program = program_with(&world, json!([budgeted]), json!({})).await;
    let ann = program.referrer("ann").await;
    let orders: Vec<String> = (0..50).map(|number| format!("order-{number}")).collect();
    let burst = join_all(orders.iter().map(|order| async {
        let mut tries = 0;
        loop {
            let answer = program
                .convert(order, json!({"codes": [ann["code"]]}))
                .await;
            if answer.status != 503 {
                break answer.expect(201);
            }
            tries += 1;
            assert!(tries < 50, "{}", answer.text);
        }
    }))
    .await;
    let skipped = burst
        .iter()
        .filter(|answer| reasons(answer) == ["budget_per_month"]);
    assert_eq!(skipped.count(), 30);
    world.settle().await;
    assert_eq!(available(&program, &ann).await, 10_000);
    let exhausted = all(&program, "/events?type=budget.exhausted").await;
    assert_eq!(exhausted.len(), 1, "{exhausted:?}");
    program.advance(31 * DAY).await;
    let fresh = buy(&program, "next-month", &ann["code"], json!({})).await;
    assert_eq!(fresh["rewards"].as_array().unwrap().len(), 1);
    audit(&program).await;
    world.bundle.shutdown().await;
}

/// A hundred euros for the tenth referral, once, also when an earlier one is refunded afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn a_milestone_at_the_tenth_referral() {
    let world = World::start().await;
    let milestone = with(
        cash("tenth", 10_000),
        "conditions",
        json!({"referral_number": {"from": 10, "to": 10}}),
    );
    let program = program_with(&world, json!([milestone]), json!({})).await;
    let ann = program.referrer("ann").await;
    let mut orders = Vec::new();
    for number in 1..=9 {
        let conversion = buy(
            &program,
            &format!("order-{number}"),
            &ann["code"],
            json!({}),
        )
        .await;
        assert_eq!(reasons(&conversion), ["referral_number"]);
        orders.push(conversion);
    }
    // A second order of the same friend is no referral of its own.
    let again = json!({"referee": {"external_id": "friend-of-order-1"}});
    assert_eq!(
        reasons(&buy(&program, "order-1b", &ann["code"], again).await),
        ["referral_number"]
    );
    let tenth = buy(&program, "order-10", &ann["code"], json!({})).await;
    assert_eq!(tenth["rewards"][0]["value"], eur(10_000));
    // The first friend sends everything back: the next one is the eleventh all the same.
    let refund = format!("/conversions/{}/refunds", text(&orders[1]["id"]));
    program
        .post(&refund, json!({"external_id": "r-1"}))
        .await
        .expect(201);
    let next = buy(&program, "order-11", &ann["code"], json!({})).await;
    assert_eq!(reasons(&next), ["referral_number"]);
    world.settle().await;
    assert_eq!(available(&program, &ann).await, 10_000);
    audit(&program).await;
    world.bundle.shutdown().await;
}

/// Somebody without an account buys with a coupon that a friend told them, by another spelling of
/// the same mail address the next time, and makes an account in the end: one person, one bond.
#[tokio::test(flavor = "multi_thread")]
async fn a_guest_known_by_mail_address_and_coupon_only() {
    let world = World::start().await;
    let program = program_with(&world, json!([cash("thank-you", 500)]), json!({})).await;
    let body =
        json!({"external_id": "ann", "email": "ann@example.com", "vanity_code": "ANN-BAKES"});
    let ann = program.post("/participants", body).await.expect(201);
    let guest = async |order: &str, referee: Value, codes: Value| {
        let body = json!({"referee": referee, "codes": codes});
        program.convert(order, body).await.expect(201)
    };
    let first = guest(
        "guest-1",
        json!({"email": "Bob.Miller+shop@gmail.com"}),
        json!([" nothing ", "ann-bakes"]),
    )
    .await;
    assert_eq!(first["attribution"]["reason"], "code");
    let again = guest(
        "guest-2",
        json!({"email": "bobmiller@gmail.com"}),
        json!([]),
    )
    .await;
    assert_eq!(again["attribution"]["reason"], "existing_referral");
    let account = guest(
        "guest-3",
        json!({"external_id": "cust-7", "email": "bobmiller@gmail.com"}),
        json!([]),
    )
    .await;
    let person = |conversion: &Value| conversion["attribution"]["referee_id"].clone();
    assert_eq!(person(&first), person(&again));
    assert_eq!(person(&first), person(&account));
    // Her own coupon earns Ann nothing.
    let herself = guest(
        "guest-4",
        json!({"email": "a.n.n@example.com"}),
        json!(["ANN-BAKES"]),
    )
    .await;
    assert_eq!(herself["state"], "qualified");
    let herself = guest(
        "guest-5",
        json!({"email": "ANN@example.com"}),
        json!(["ANN-BAKES"]),
    )
    .await;
    assert_eq!(herself["attribution"]["reason"], "self_referral");
    world.settle().await;
    assert_eq!(available(&program, &ann).await, 4 * 500);
    audit(&program).await;
    world.bundle.shutdown().await;
}

/// A third goes back, then the rest: what is taken back adds up to the reward, to the cent.
#[tokio::test(flavor = "multi_thread")]
async fn a_refund_of_a_third_and_then_the_rest() {
    let world = World::start().await;
    let program = program_with(&world, json!([cash("thank-you", 1000)]), json!({})).await;
    let ann = program.referrer("ann").await;
    let amount = json!({"amount": eur(4500)});
    let sold = buy(&program, "order-1", &ann["code"], amount).await;
    world.settle().await;
    let refund = async |name: &str, amount: Option<i64>| {
        let mut body = json!({"external_id": name, "conversion": {"event": "purchase", "external_id": "order-1"}, "reason": "refund"});
        if let Some(amount) = amount {
            body["amount"] = eur(amount);
        }
        program.post("/refunds", body).await
    };
    let third = refund("third", Some(1500)).await.expect(201);
    // 333.3 cents are taken back, rounded down.
    assert_eq!(
        third["rewards"][0]["after"],
        json!({"state": "issued", "value": eur(667)})
    );
    assert_eq!(available(&program, &ann).await, 667);
    assert_eq!(
        refund("much", Some(3001)).await.problem(409),
        "refund_exceeds_conversion"
    );
    let rest = refund("rest", None).await.expect(201);
    assert_eq!(rest["amount"], eur(3000));
    assert_eq!(
        rest["rewards"][0]["after"],
        json!({"state": "clawed_back", "value": eur(0)})
    );
    assert_eq!(available(&program, &ann).await, 0);
    assert_eq!(
        refund("more", Some(1)).await.problem(409),
        "refund_exceeds_conversion"
    );
    let present = program
        .get(&format!("/conversions/{}", text(&sold["id"])))
        .await
        .expect(200);
    assert_eq!(present["refunded"], eur(4500));
    assert_eq!(present["refunds"].as_array().unwrap().len(), 2);
    audit(&program).await;
    world.bundle.shutdown().await;
}

/// A voucher of five euros is used, and then what it was earned for goes back: the shop is owed
/// the five euros. One that was not used is simply void.
#[tokio::test(flavor = "multi_thread")]
async fn a_voucher_refunded_after_and_before_its_use() {
    let world = World::start().await;
    let off = json!({"id": "five-off", "on": "purchase", "beneficiary": "referrer",
        "reward": {"kind": "discount", "amount": eur(500)}});
    let program = program_with(&world, json!([off]), json!({})).await;
    let ann = program.referrer("ann").await;
    let used = buy(&program, "order-1", &ann["code"], json!({})).await;
    let unused = buy(&program, "order-2", &ann["code"], json!({})).await;
    world.settle().await;
    let code = async |conversion: &Value| {
        let id = text(&conversion["rewards"][0]["id"]);
        program.get(&format!("/rewards/{id}")).await.expect(200)["voucher_code"].clone()
    };
    let (first, second) = (code(&used).await, code(&unused).await);
    let redeem = async |voucher: &Value, order: &str| {
        program
            .post(
                "/vouchers/redeem",
                json!({"voucher_code": voucher, "external_id": order}),
            )
            .await
    };
    assert_eq!(
        redeem(&first, "anns-order").await.expect(200)["state"],
        "redeemed"
    );
    assert_eq!(
        redeem(&first, "anns-order").await.expect(200)["state"],
        "redeemed"
    );
    assert_eq!(
        redeem(&first, "another").await.problem(409),
        "voucher_redeemed"
    );
    for conversion in [&used, &unused] {
        let refund = format!("/conversions/{}/refunds", text(&conversion["id"]));
        let answer = program
            .post(&refund, json!({"external_id": "all"}))
            .await
            .expect(201);
        assert_eq!(
            answer["rewards"][0]["after"]["state"], "clawed_back",
            "{answer}"
        );
    }
    assert_eq!(available(&program, &ann).await, -500);
    assert_eq!(redeem(&second, "late").await.status, 409);
    audit(&program).await;
    world.bundle.shutdown().await;
}

/// Paying out twice pays once; what the bank returns is paid the next time; what is owed is set off.
#[tokio::test(flavor = "multi_thread")]
async fn a_payout_run_twice_and_a_line_returned_by_the_bank() {
    let world = World::start().await;
    let program = program_with(&world, json!([cash("thank-you", 500)]), json!({})).await;
    let (ann, bob) = (program.referrer("ann").await, program.referrer("bob").await);
    let taken = buy(&program, "ann-1", &ann["code"], json!({})).await;
    buy(&program, "ann-2", &ann["code"], json!({})).await;
    buy(&program, "bob-1", &bob["code"], json!({})).await;
    world.settle().await;
    let run = async || program.post("/payouts", json!({"currency": "EUR"})).await;
    let payout = run().await.expect(201);
    world.settle().await;
    assert_eq!(run().await.expect(200)["id"], payout["id"]);
    let path = format!("/payouts/{}", text(&payout["id"]));
    let lines = all(&program, &format!("{path}/lines")).await;
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(program.balance(&ann, "EUR").await["in_payout"], 1000);
    let mark = async |participant: &Value, state: &str| {
        let line = format!("{path}/lines/{}", text(&participant["id"]));
        program
            .post(&line, json!({"state": state, "reference": "bank-1"}))
            .await
    };
    assert_eq!(
        program
            .post(&format!("{path}/close"), json!({}))
            .await
            .problem(409),
        "payout_open_lines"
    );
    // A refund meanwhile leaves the line as it is: the money may be on its way.
    let refund = format!("/conversions/{}/refunds", text(&taken["id"]));
    program
        .post(&refund, json!({"external_id": "all"}))
        .await
        .expect(201);
    assert_eq!(available(&program, &ann).await, -500);
    mark(&ann, "paid").await.expect(200);
    mark(&ann, "paid").await.expect(200);
    mark(&bob, "paid").await.expect(200);
    world.settle().await;
    program
        .post(&format!("{path}/close"), json!({}))
        .await
        .expect(200);
    assert_eq!(program.balance(&bob, "EUR").await["paid"], 500);
    mark(&bob, "returned").await.expect(200);
    world.settle().await;
    let back = program.balance(&bob, "EUR").await;
    assert_eq!(
        (&back["available"], &back["paid"]),
        (&json!(500), &json!(0)),
        "{back}"
    );
    audit(&program).await;

    // Ann earns ten euros more and owes five.
    buy(&program, "ann-3", &ann["code"], json!({})).await;
    buy(&program, "ann-4", &ann["code"], json!({})).await;
    world.settle().await;
    let second = run().await.expect(201);
    assert_ne!(second["id"], payout["id"]);
    world.settle().await;
    let lines = all(&program, &format!("/payouts/{}/lines", text(&second["id"]))).await;
    let mut amounts: Vec<(&str, i64)> = lines
        .iter()
        .map(|line| {
            (
                text(&line["external_id"]),
                line["amount"]["amount"].as_i64().unwrap(),
            )
        })
        .collect();
    amounts.sort_unstable();
    assert_eq!(amounts, [("ann", 500), ("bob", 500)]);
    audit(&program).await;
    world.bundle.shutdown().await;
}

/// Fourteen days in one request: released, issued, told, asked, expired, each at its own time.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_advanced_stops_at_everything_that_is_due() {
    let world = World::start().await;
    let short = json!({"id": "short", "on": "purchase", "beneficiary": "referrer",
        "reward": {"kind": "points", "points": 50}, "hold_days": 2, "expires_after_days": 5});
    let long = with(cash("long", 500), "hold_days", json!(10));
    let change = json!({"surveys": [{"id": "after-reward", "on": "reward.issued", "to": "referrer", "delay_hours": 24}]});
    let program = program_with(&world, json!([short, long]), change).await;
    let ann = program.referrer("ann").await;
    let sold = buy(&program, "order-1", &ann["code"], json!({})).await;
    let start: jiff::Timestamp = text(&sold["recorded_at"]).parse().unwrap();
    program.advance(14 * DAY).await;
    let mut seen = Vec::new();
    for event in all(&program, "/events").await {
        let at: jiff::Timestamp = text(&event["created_at"]).parse().unwrap();
        let days = at.duration_since(start).as_secs() / DAY;
        let kind = text(&event["type"]);
        if kind.starts_with("reward.") || kind == "survey.sent" {
            seen.push((days, kind.to_owned()));
        }
    }
    seen.sort();
    let expected = [
        (0, "reward.created"),
        (0, "reward.created"),
        (2, "reward.approved"),
        (2, "reward.issued"),
        (3, "survey.sent"),
        (7, "reward.expired"),
        (10, "reward.approved"),
        (10, "reward.issued"),
    ];
    let expected: Vec<(i64, String)> = expected.map(|(day, kind)| (day, kind.to_owned())).into();
    assert_eq!(seen, expected);
    assert_eq!(program.balance(&ann, "points").await["available"], 0);
    audit(&program).await;
    world.bundle.shutdown().await;
}

/// What another scheme would have cost, seen before it is published; nothing is written.
#[tokio::test(flavor = "multi_thread")]
async fn a_scheme_is_tried_on_what_was_recorded() {
    let world = World::start().await;
    let program = program_with(&world, json!([cash("thank-you", 500)]), json!({})).await;
    let ann = program.referrer("ann").await;
    let mut orders = Vec::new();
    for (number, amount) in [1000, 3000, 5000].into_iter().enumerate() {
        let change = json!({"amount": eur(amount)});
        orders.push(buy(&program, &format!("order-{number}"), &ann["code"], change).await);
    }
    world.settle().await;
    let before = all(&program, "/events").await.len();
    let ask = async |incentives: Value| {
        let body = json!({"incentives": incentives, "from": "2020-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"});
        program.post("/simulations", body).await
    };
    let same = ask(json!([cash("thank-you", 500)])).await.expect(200);
    assert_eq!(same["before"], json!({"rewards": 3, "cost": [eur(1500)]}));
    assert_eq!(same["after"], same["before"]);
    assert_eq!(
        same["differences"],
        json!({"data": [], "next_cursor": null})
    );

    let dearer = with(
        cash("thank-you", 800),
        "conditions",
        json!({"minimum_amount": eur(2000)}),
    );
    let other = ask(json!([dearer])).await.expect(200);
    assert_eq!(other["after"], json!({"rewards": 2, "cost": [eur(1600)]}));
    let differences = other["differences"]["data"].as_array().unwrap();
    assert_eq!(differences.len(), 3);
    assert_eq!(differences[0]["conversion_id"], orders[0]["id"]);
    assert_eq!(differences[0]["before"][0]["value"], eur(500));
    assert_eq!(differences[0]["after"], json!([]));
    assert_eq!(differences[2]["after"][0]["value"], eur(800));

    let faulty = ask(json!([{"id": "thank-you"}])).await;
    assert_eq!(faulty.problem(422), "invalid_request");
    assert_eq!(faulty.json()["errors"].as_array().unwrap().len(), 3);
    assert_eq!(all(&program, "/events").await.len(), before);
    world.bundle.shutdown().await;
}
