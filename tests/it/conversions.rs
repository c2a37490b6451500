//! Conversions: repetitions, races, faults, attribution, refusals.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use kith_store::faults::Fault;
use serde_json::{Value, json};

use crate::world::{Answer, Program, World, purchase, text};

async fn twins(program: &Program<'_>, rounds: usize, token: &str) {
    for round in 0..rounds {
        let order = format!("order-{round}");
        let body = purchase(&order, json!({"click_tokens": [token]}));
        let answers = join_all([
            program.post("/conversions", body.clone()),
            program.post("/conversions", body),
        ])
        .await;
        let mut statuses: Vec<u16> = answers
            .iter()
            .map(|answer| answer.status.as_u16())
            .collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 201], "{answers:?}");
        assert_eq!(answers[0].json()["id"], answers[1].json()["id"]);
        let rewards = |answer: &Answer| -> Vec<Value> {
            let body = answer.json();
            body["rewards"]
                .as_array()
                .unwrap()
                .iter()
                .map(|reward| reward["id"].clone())
                .collect()
        };
        assert_eq!(rewards(&answers[0]), rewards(&answers[1]));
    }
}

async fn count_rewards(program: &Program<'_>) -> usize {
    let (mut count, mut cursor) = (0, String::new());
    loop {
        let page = program
            .get(&format!("/rewards?limit=100{cursor}"))
            .await
            .expect(200);
        count += page["data"].as_array().unwrap().len();
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return count,
        }
    }
}

/// Two identical calls at once, fifty times: one 201 and one 200 each, one set of rewards.
#[tokio::test(flavor = "multi_thread")]
async fn twins_record_one_conversion() {
    let world = World::start().await;
    let program = world.program(json!({"surveys": []})).await;
    let ann = program.referrer("ann").await;
    let token = program.click(&ann).await;
    twins(&program, 50, &token).await;
    world.settle().await;
    // The monthly limit gives Ann ten rewards; every friend gets a discount.
    assert_eq!(count_rewards(&program).await, 60);
    assert_eq!(program.balance(&ann, "EUR").await["available"], 5000);
    world.bundle.shutdown().await;
}

/// The same while every third write conflicts, is throttled, or loses its request or its answer.
#[tokio::test(flavor = "multi_thread")]
async fn twins_record_one_conversion_under_faults() {
    let world = World::start().await;
    let program = world.program(json!({"surveys": []})).await;
    let ann = program.referrer("ann").await;
    let token = program.click(&ann).await;
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
    twins(&program, 50, &token).await;
    world.settle().await;
    world.heal();
    assert_eq!(count_rewards(&program).await, 60);
    assert_eq!(program.balance(&ann, "EUR").await["available"], 5000);
    world.bundle.shutdown().await;
}

/// A limit is a limit, however many come at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_limit_holds_when_conversions_come_at_once() {
    let world = World::start().await;
    let program = world.program(json!({"surveys": []})).await;
    let ann = program.referrer("ann").await;
    let token = program.click(&ann).await;
    let orders: Vec<String> = (0..40).map(|number| format!("order-{number}")).collect();
    let answers = join_all(
        orders
            .iter()
            .map(|order| program.convert(order, json!({"click_tokens": [token]}))),
    )
    .await;
    let skipped = answers.iter().filter(|answer| {
        let body = answer.expect(201);
        body["skipped"]
            .as_array()
            .unwrap()
            .iter()
            .any(|skip| skip["reason"] == "per_referrer_per_month")
    });
    assert_eq!(skipped.count(), 30);
    world.settle().await;
    assert_eq!(program.balance(&ann, "EUR").await["available"], 5000);
    world.bundle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repetition_with_another_content_names_the_differences() {
    let world = World::start().await;
    let program = world.program(json!({})).await;
    program
        .convert("order-1", json!({"country": "DE"}))
        .await
        .expect(201);
    program
        .convert("order-1", json!({"country": "DE"}))
        .await
        .expect(200);
    let differs = program
        .convert(
            "order-1",
            json!({"country": "FR", "amount": {"amount": 1, "currency": "EUR"}}),
        )
        .await;
    assert_eq!(differs.problem(409), "conversion_differs");
    let pointers: Vec<Value> = differs.json()["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["pointer"].clone())
        .collect();
    assert_eq!(pointers, [json!("/amount"), json!("/country")]);
    world.bundle.shutdown().await;
}

/// A late touch attributes; a later one does not change it; the bond holds for the next order.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_attribution_binds() {
    let world = World::start().await;
    let program = world.program(json!({})).await;
    let ann = program.referrer("ann").await;
    let bob = program.referrer("bob").await;
    let cid = json!({"referee": {"external_id": "cid"}});
    let late = |codes: Value| json!({"referee": {"external_id": "cid"}, "codes": codes});

    let first = program.convert("order-1", cid.clone()).await.expect(201);
    assert_eq!(
        (&first["state"], &first["attribution"]["reason"]),
        (&json!("unattributed"), &json!("no_touch"))
    );
    let attributed = program
        .convert("order-1", late(json!([ann["code"]])))
        .await
        .expect(200);
    assert_eq!(attributed["state"], "qualified");
    assert_eq!(attributed["attribution"]["referrer_id"], ann["id"]);
    assert_eq!(attributed["rewards"].as_array().unwrap().len(), 2);
    let again = program
        .convert("order-1", late(json!([bob["code"]])))
        .await
        .expect(200);
    assert_eq!(again["attribution"]["referrer_id"], ann["id"]);

    let next = program
        .convert("order-2", late(json!([bob["code"]])))
        .await
        .expect(201);
    assert_eq!(next["attribution"]["reason"], "existing_referral");
    assert_eq!(next["attribution"]["referrer_id"], ann["id"]);
    assert_eq!(
        next["attribution"]["considered"][1]["outcome"],
        "not_needed"
    );
    let reasons: Vec<&str> = next["skipped"]
        .as_array()
        .unwrap()
        .iter()
        .map(|skip| text(&skip["reason"]))
        .collect();
    assert_eq!(reasons, ["first_conversion_only"]);
    world.bundle.shutdown().await;
}

/// The same person cannot refer themselves: not as participant, not by a spelling of the address.
#[tokio::test(flavor = "multi_thread")]
async fn self_referral_earns_nothing() {
    let world = World::start().await;
    let program = world.program(json!({})).await;
    let body = json!({"external_id": "ann", "email": "Ann.Baker@gmail.com"});
    let ann = program.post("/participants", body).await.expect(201);
    for (order, referee) in [
        ("order-1", json!({"external_id": "ann"})),
        ("order-2", json!({"email": "annbaker+shop@googlemail.com"})),
    ] {
        let own = program
            .convert(order, json!({"referee": referee, "codes": [ann["code"]]}))
            .await
            .expect(201);
        assert_eq!(own["attribution"]["reason"], "self_referral", "{own}");
        assert_eq!(own["rewards"], json!([]));
    }
    world.bundle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_reports_are_refused_with_every_fault() {
    let world = World::start().await;
    let program = world.program(json!({})).await;
    let refused = program
        .post(
            "/conversions",
            json!({"event": "Purchase", "external_id": "", "referee": {}, "amount": {"amount": -1, "currency": "eur"},
                   "codes": "ANN", "unknown": 1, "country": "XX"}),
        )
        .await;
    assert_eq!(refused.problem(422), "invalid_request");
    let body = refused.json();
    let pointers: Vec<&str> = body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| text(&error["pointer"]))
        .collect();
    for pointer in [
        "/event",
        "/external_id",
        "/amount/amount",
        "/amount/currency",
        "/codes",
        "/unknown",
        "/country",
    ] {
        assert!(pointers.contains(&pointer), "{pointer} in {pointers:?}");
    }
    let far = program
        .convert("order-1", json!({"occurred_at": "2020-01-01T00:00:00Z"}))
        .await;
    assert_eq!(far.problem(422), "invalid_request");
    assert_eq!(far.json()["errors"][0]["pointer"], "/occurred_at");
    // Nothing was recorded by what was refused.
    program.convert("order-1", json!({})).await.expect(201);
    world.bundle.shutdown().await;
}

/// Same key, same request: the same answer, said to be a replay. Same key, other request: refused.
#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_replays_its_answer() {
    let world = World::start().await;
    let program = world.program(json!({})).await;
    let call = |body: Value| {
        let path = program.path("/conversions");
        let request = world
            .request(reqwest::Method::POST, &path)
            .bearer_auth(&program.key);
        world.send(request.header("idempotency-key", "key-1").json(&body))
    };
    // A refused call stores nothing.
    assert_eq!(
        call(json!({"event": "purchase"})).await.problem(422),
        "invalid_request"
    );
    let first = call(purchase("order-1", json!({}))).await;
    first.expect(201);
    let again = call(purchase("order-1", json!({}))).await;
    assert_eq!((again.status, &again.text), (first.status, &first.text));
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(
        call(purchase("order-2", json!({}))).await.problem(422),
        "idempotency_key_reused"
    );
    world.bundle.shutdown().await;
}

/// Another tenant's program does not exist, whatever the key may do in its own.
#[tokio::test(flavor = "multi_thread")]
async fn one_tenant_never_sees_another() {
    let world = World::start().await;
    let mine = world.program(json!({})).await;
    let theirs = world.program(json!({})).await;
    let ann = theirs.referrer("ann").await;
    let body = json!({"name": "shop", "program_id": mine.id, "scopes": ["conversions:write", "conversions:read", "participants:read"]});
    let key = text(&world.post(&mine.key, "/v1/keys", body).await.expect(201)["key"]).to_owned();
    world
        .post(
            &key,
            &mine.path("/conversions"),
            purchase("order-1", json!({"codes": [ann["code"]]})),
        )
        .await
        .expect(201);
    let other = world
        .post(
            &key,
            &theirs.path("/conversions"),
            purchase("order-1", json!({})),
        )
        .await;
    assert_eq!(other.problem(404), "not_found");
    let live = world
        .post(
            &world.live_key(),
            &theirs.path("/conversions"),
            purchase("order-1", json!({})),
        )
        .await;
    assert_eq!(live.problem(404), "not_found");
    assert_eq!(
        world.get(&key, &mine.path("/rewards")).await.problem(403),
        "missing_scope"
    );
    let anonymous = world
        .send(
            world
                .request(reqwest::Method::POST, &mine.path("/conversions"))
                .body("{"),
        )
        .await;
    assert_eq!(anonymous.problem(401), "unauthenticated");
    world.bundle.shutdown().await;
}
