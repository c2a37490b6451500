//! What every call of the API has in common: who may call, what is refused, what is kept.

use reqwest::Method;
use serde_json::json;

use crate::world::{Answer, World, purchase, text};

pub(crate) fn filled(pattern: &str, program: &str) -> String {
    let zero = "00000000000000000000000000";
    pattern
        .replace("{program}", program)
        .replace("{key}", &format!("key_{zero}"))
        .replace("{participant}", &format!("par_{zero}"))
        .replace("{conversion}", &format!("cnv_{zero}"))
        .replace("{reward}", &format!("rwd_{zero}"))
        .replace("{refund}", &format!("rfd_{zero}"))
        .replace("{payout}", &format!("pay_{zero}"))
        .replace("{redemption}", &format!("rdm_{zero}"))
        .replace("{merge}", &format!("mrg_{zero}"))
        .replace("{incentive}", "thank-you")
        .replace("{code}", "ANN-BAKES")
        .replace("{id}", "x")
        .replace("{token}", "not-a-token")
        .replace("{version}", "1")
        .replace("{file}", "x.css")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_refused_at_once() {
    let world = World::start().await;
    let program = world.program(json!({})).await;
    let body = json!({"name": "shop", "program_id": program.id, "scopes": ["rewards:read"]});
    let call = world
        .request(Method::POST, "/v1/keys")
        .bearer_auth(&program.key)
        .header("idempotency-key", "k");
    let made = world
        .send(call.try_clone().unwrap().json(&body))
        .await
        .expect(201);
    let key = text(&made["key"]);
    world.get(key, &program.path("/rewards")).await.expect(200);
    // The secret is told once, also to whoever repeats the call.
    let replayed = world.send(call.json(&body)).await;
    assert_eq!(replayed.header("idempotent-replayed"), "true");
    assert!(!replayed.text.contains(key), "{}", replayed.text);
    let listed = world.get(&program.key, "/v1/keys").await;
    assert!(!listed.text.contains(key) && listed.text.contains(text(&made["id"])));
    let path = format!("/v1/keys/{}", text(&made["id"]));
    assert_eq!(
        world
            .send(
                world
                    .request(Method::DELETE, &path)
                    .bearer_auth(&program.key)
            )
            .await
            .status,
        204
    );
    assert_eq!(
        world.get(key, &program.path("/rewards")).await.problem(401),
        "unauthenticated"
    );
    // A key makes no key that may do more than itself.
    let body = json!({"name": "keys", "program_id": program.id, "scopes": ["keys:write"]});
    let maker =
        text(&world.post(&program.key, "/v1/keys", body).await.expect(201)["key"]).to_owned();
    let body = json!({"name": "more", "program_id": program.id, "scopes": ["rewards:write"]});
    assert!(
        world
            .post(&maker, "/v1/keys", body)
            .await
            .status
            .is_client_error()
    );
    world.bundle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_cannot_be_read_say_why() {
    let world = World::start().await;
    let program = world.program(json!({})).await;
    let path = program.path("/conversions");
    let send = |kind: &'static str, body: Vec<u8>| {
        let request = world
            .request(Method::POST, &path)
            .bearer_auth(&program.key)
            .header("content-type", kind);
        world.send(request.body(body))
    };
    let json = "application/json";
    for (kind, body, status, code) in [
        (json, b"{".to_vec(), 400, "unreadable_body"),
        (json, b"[]".to_vec(), 400, "unreadable_body"),
        (
            json,
            b"{\"event\":\"a\",\"event\":\"b\"}".to_vec(),
            400,
            "unreadable_body",
        ),
        (json, b"\xff".to_vec(), 400, "unreadable_body"),
        ("text/plain", b"{}".to_vec(), 415, "unsupported_media_type"),
        (json, vec![b' '; 300 * 1024], 413, "body_too_large"),
    ] {
        assert_eq!(send(kind, body).await.problem(status), code);
    }
    world.bundle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_validated_whole_versioned_and_guarded() {
    let world = World::start().await;
    let key = world.test_key();
    let refused = world
        .post(&key, "/v1/programs", json!({
            "name": "", "destination_url": "http://bakery.example", "hold_days": -1, "nope": 1,
            "incentives": [
                {"id": "A", "on": "purchase", "beneficiary": "nobody", "reward": {"kind": "cash", "amount": {"amount": 1, "currency": "EUR"}}},
                {"id": "b", "on": "purchase", "beneficiary": "referee", "reward": {"kind": "discount", "basis_points": 10001}},
                {"id": "b", "on": "purchase", "beneficiary": "referee", "reward": {"kind": "gold"}},
            ],
        }))
        .await;
    assert_eq!(refused.problem(422), "invalid_request");
    for pointer in [
        "/name",
        "/destination_url",
        "/hold_days",
        "/nope",
        "/incentives/0/id",
        "/incentives/0/beneficiary",
        "/incentives/1/reward/basis_points",
        "/incentives/2/reward/kind",
    ] {
        assert!(
            refused.text.contains(&format!("\"{pointer}\"")),
            "{pointer} in {}",
            refused.text
        );
    }
    let program = world.program(json!({})).await;
    let path = program.path("");
    let changed = world
        .patch(&key, &path, json!({"hold_days": 3, "id": program.id}))
        .await
        .expect(200);
    assert_eq!(
        (&changed["version"], &changed["hold_days"]),
        (&json!(2), &json!(3))
    );
    let same = world
        .patch(&key, &path, json!({"hold_days": 3}))
        .await
        .expect(200);
    assert_eq!(same["version"], 2);
    let stale = world
        .request(Method::PATCH, &path)
        .bearer_auth(&key)
        .header("if-match", "\"1\"")
        .json(&json!({"hold_days": 4}));
    assert_eq!(world.send(stale).await.problem(412), "version_conflict");
    for (tag, status) in [
        ("2", 422),
        ("\"2", 422),
        ("W/\"2\"", 412),
        ("\"1\", \"2\"", 200),
        ("*", 200),
    ] {
        let edit = world
            .request(Method::PATCH, &path)
            .bearer_auth(&key)
            .header("if-match", tag)
            .json(&json!({"hold_days": 3}));
        assert_eq!(world.send(edit).await.status, status, "{tag}");
    }
    let other = json!({"incentives": [{"id": "thank-you", "on": "purchase", "beneficiary": "referee", "reward": {"kind": "points", "points": 5}}]});
    assert!(world.patch(&key, &path, other).await.status == 409);
    world.bundle.shutdown().await;
}

/// Rules are those of when it happened: a conversion of yesterday is judged by yesterday's version.
#[tokio::test(flavor = "multi_thread")]
async fn a_conversion_is_judged_by_the_rules_of_its_time() {
    let world = World::start().await;
    let program = world.program(json!({"surveys": []})).await;
    let ann = program.referrer("ann").await;
    program
        .post("/test-clock/advance", json!({"seconds": 3600}))
        .await
        .expect(200);
    let made = program.get("").await.expect(200)["created_at"].clone();
    let generous = json!({"incentives": [
        {"id": "thank-you", "on": "purchase", "beneficiary": "referrer", "reward": {"kind": "cash", "amount": {"amount": 900, "currency": "EUR"}}}
    ]});
    program.patch("", generous).await.expect(200);
    let now = program
        .convert("order-1", json!({"codes": [ann["code"]]}))
        .await
        .expect(201);
    assert_eq!(now["rewards"][0]["value"]["amount"], 900);
    let then = program
        .convert(
            "order-2",
            json!({"codes": [ann["code"]], "occurred_at": made}),
        )
        .await
        .expect(201);
    assert_eq!(then["rewards"].as_array().unwrap().len(), 2, "{then}");
    assert_eq!(then["rewards"][1]["value"]["amount"], 500);
    world.bundle.shutdown().await;
}

/// Paused: links redirect plainly, conversions are recorded, rewards stay pending until it goes on.
#[tokio::test(flavor = "multi_thread")]
async fn rewards_of_a_paused_program_wait() {
    let world = World::start().await;
    let program = world.program(json!({"surveys": [], "hold_days": 1})).await;
    let ann = program.referrer("ann").await;
    program
        .convert("order-1", json!({"codes": [ann["code"]]}))
        .await
        .expect(201);
    program
        .patch("", json!({"state": "paused"}))
        .await
        .expect(200);
    program
        .convert("order-2", json!({"codes": [ann["code"]]}))
        .await
        .expect(201);
    program
        .post("/test-clock/advance", json!({"seconds": 2 * 86400}))
        .await
        .expect(200);
    let rewards = program.rewards().await;
    assert!(
        rewards.iter().all(|reward| reward.ends_with("pending")),
        "{rewards:?}"
    );
    program
        .patch("", json!({"state": "active"}))
        .await
        .expect(200);
    program
        .post("/test-clock/advance", json!({"seconds": 3600}))
        .await
        .expect(200);
    let rewards = program.rewards().await;
    assert!(
        rewards.len() == 4 && rewards.iter().all(|reward| reward.ends_with("issued")),
        "{rewards:?}"
    );
    world.bundle.shutdown().await;
}

/// By hand: approve before the hold ends, reject, and not twice.
#[tokio::test(flavor = "multi_thread")]
async fn the_owner_moves_a_reward_by_hand() {
    let world = World::start().await;
    let program = world.program(json!({"surveys": [], "hold_days": 14})).await;
    let ann = program.referrer("ann").await;
    let conversion = program
        .convert("order-1", json!({"codes": [ann["code"]]}))
        .await
        .expect(201);
    let id = |place: usize| text(&conversion["rewards"][place]["id"]).to_owned();
    let (discount, cash) = (id(0), id(1));
    program
        .post(
            &format!("/rewards/{discount}/reject"),
            json!({"reason": "fraud"}),
        )
        .await
        .expect(200);
    assert_eq!(
        program
            .post(
                &format!("/rewards/{discount}/approve"),
                json!({"reason": "no"})
            )
            .await
            .status,
        409
    );
    program
        .post(
            &format!("/rewards/{cash}/approve"),
            json!({"reason": "a friend"}),
        )
        .await
        .expect(200);
    world.settle().await;
    assert_eq!(
        program.rewards().await,
        ["friend-10 referee rejected", "thank-you referrer issued"]
    );
    let read = program.get(&format!("/rewards/{cash}")).await.expect(200);
    assert!(read["history"].to_string().contains("a friend"), "{read}");
    let balance = program.balance(&ann, "EUR").await;
    assert_eq!(
        (&balance["available"], &balance["pending"]),
        (&json!(500), &json!(0))
    );
    let repeated = purchase("order-1", json!({"codes": [ann["code"]]}));
    let repeated = program.post("/conversions", repeated).await.expect(200);
    assert_eq!(repeated["rewards"][0]["state"], "rejected");
    world.bundle.shutdown().await;
}

/// A voucher is redeemed once; money is not redeemed by hand.
#[tokio::test(flavor = "multi_thread")]
async fn a_voucher_is_redeemed_by_its_reward() {
    let world = World::start().await;
    let program = world.program(json!({"surveys": []})).await;
    let ann = program.referrer("ann").await;
    let made = program
        .convert("order-1", json!({"codes": [ann["code"]]}))
        .await
        .expect(201);
    world.settle().await;
    let redeem = |place: usize| {
        let path = format!("/rewards/{}/redeem", text(&made["rewards"][place]["id"]));
        let program = &program;
        async move {
            program
                .post(&path, json!({"reason": "used in the shop"}))
                .await
        }
    };
    let used = redeem(0).await.expect(200);
    assert_eq!(used["state"], "redeemed");
    assert!(used["voucher_code"].is_string());
    assert_eq!(redeem(0).await.expect(200)["state"], "redeemed");
    assert_eq!(redeem(1).await.problem(409), "not_a_voucher");
    world.bundle.shutdown().await;
}

/// Whoever writes their first call finds in the refusal what to change, and all of it at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_first_call_is_told_what_is_missing() {
    let world = World::start().await;
    let program = world.program(json!({})).await;
    let path = program.path("/conversions");
    let told = |answer: Answer| text(&answer.json()["detail"]).to_owned();
    let none = world.send(world.request(Method::GET, &path)).await;
    assert_eq!(none.problem(401), "unauthenticated");
    assert_eq!(
        told(none),
        "Send an API key as `Authorization: Bearer <key>`."
    );
    // What was a key is answered as what never was one.
    let body = json!({"name": "shop", "program_id": program.id, "scopes": ["conversions:read"]});
    let made = world.post(&program.key, "/v1/keys", body).await.expect(201);
    let key = format!("/v1/keys/{}", text(&made["id"]));
    let revoked = world
        .request(Method::DELETE, &key)
        .bearer_auth(&program.key);
    world.send(revoked).await.expect(204);
    for key in ["nonsense", text(&made["key"])] {
        let refused = world.get(key, &path).await;
        assert_eq!(refused.problem(401), "unauthenticated");
        let why =
            "The key opens nothing here: it is misspelled, was revoked, or belongs elsewhere.";
        assert_eq!(told(refused), why);
    }
    let empty = world.request(Method::POST, &path).bearer_auth(&program.key);
    let empty = world
        .send(empty.header("content-type", "application/json"))
        .await;
    assert_eq!(empty.problem(400), "unreadable_body");
    assert_eq!(told(empty), "The body is empty.");
    let faulty =
        json!({"event": "purchase", "external_id": "", "referee": {}, "client": {"ip": "unknown"}});
    let faulty = program.post("/conversions", faulty).await;
    assert_eq!(faulty.problem(422), "invalid_request");
    assert_eq!(
        faulty.json()["errors"],
        json!([
            {"pointer": "/external_id", "detail": "must not be empty"},
            {"pointer": "/referee", "detail": "needs an external_id or an email"},
            {"pointer": "/client/ip", "detail": "must be an IPv4 or IPv6 address"},
        ])
    );
    world.bundle.shutdown().await;
}
