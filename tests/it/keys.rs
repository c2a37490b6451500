//! API keys: made, read, rotated, expired, revoked; and what each of them may not do.

use std::sync::Arc;

use kith_edge::Clock;
use reqwest::Method;
use serde_json::{Value, json};

use crate::samples;
use crate::workers::Moved;
use crate::world::{Answer, Program, World, text};

async fn make(program: &Program<'_>, maker: &str, change: Value) -> Value {
    let mut body = json!({"name": "shop", "program_id": program.id, "scopes": ["rewards:read"]});
    for (name, value) in change.as_object().unwrap() {
        body[name] = value.clone();
    }
    if body["scopes"].is_null() {
        body.as_object_mut().unwrap().remove("scopes");
    }
    program
        .world
        .post(maker, "/v1/keys", body)
        .await
        .expect(201)
}

async fn rotate(world: &World, by: &str, key: &Value, body: Value) -> Answer {
    let path = format!("/v1/keys/{}/rotate", text(&key["id"]));
    world.post(by, &path, body).await
}

async fn revoke(world: &World, by: &str, key: &Value) -> Answer {
    let path = format!("/v1/keys/{}", text(&key["id"]));
    let request = world.request(Method::DELETE, &path).bearer_auth(by);
    world.send(request).await
}

async fn read(world: &World, by: &str, key: &Value) -> Answer {
    world
        .get(by, &format!("/v1/keys/{}", text(&key["id"])))
        .await
}

/// Calls something that the key may call.
async fn call(program: &Program<'_>, key: &Value) -> Answer {
    let rewards = program.path("/rewards");
    program.world.get(text(&key["key"]), &rewards).await
}

async fn with_clock() -> (World, Moved) {
    let clock = Moved::default();
    let moved = clock.clone();
    let world = World::with(|options| options.clock = Arc::new(moved)).await;
    (world, clock)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_key_and_its_successor_are_both_good_until_the_overlap_ends() {
    let (world, clock) = with_clock().await;
    let program = world.program(json!({})).await;
    let old = make(&program, &program.key, json!({"requests_per_minute": 600})).await;
    let new = rotate(&world, &program.key, &old, json!({"overlap_hours": 2})).await;
    let new = new.expect(201);
    assert_eq!(new["replaces"], old["id"]);
    for member in [
        "name",
        "program_id",
        "scopes",
        "publishable",
        "requests_per_minute",
    ] {
        assert_eq!(new[member], old[member], "{member}");
    }
    assert_ne!(new["key"], old["key"]);
    call(&program, &old).await.expect(200);
    call(&program, &new).await.expect(200);
    let seen = read(&world, &program.key, &old).await.expect(200);
    assert_eq!(
        (&seen["state"], &seen["replaced_by"]),
        (&json!("active"), &new["id"])
    );

    clock.by_minutes(119);
    call(&program, &old).await.expect(200);
    clock.by_minutes(1);
    let late = call(&program, &old).await;
    assert_eq!(late.problem(401), "key_expired");
    assert!(late.text.contains(text(&new["id"])), "{}", late.text);
    call(&program, &new).await.expect(200);
    world.bundle.shutdown().await;
}

/// Whoever rotates a key that leaked has no time for an overlap.
#[tokio::test(flavor = "multi_thread")]
async fn without_an_overlap_the_old_key_ends_at_once() {
    let world = World::start().await;
    let program = world.program(json!({})).await;
    let old = make(&program, &program.key, json!({})).await;
    let body = json!({"overlap_hours": 0});
    let new = rotate(&world, &program.key, &old, body).await.expect(201);
    assert_eq!(call(&program, &old).await.problem(401), "key_expired");
    call(&program, &new).await.expect(200);
    for bad in [
        json!({"overlap_hours": 721}),
        json!({"overlap_hours": -1}),
        json!({"hours": 1}),
    ] {
        let answer = rotate(&world, &program.key, &new, bad).await;
        assert_eq!(answer.problem(422), "invalid_request");
    }
    world.bundle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_replaced_once_and_only_while_it_is_good() {
    let (world, clock) = with_clock().await;
    let program = world.program(json!({})).await;
    let old = make(&program, &program.key, json!({})).await;
    let new = rotate(&world, &program.key, &old, json!({}))
        .await
        .expect(201);
    let again = rotate(&world, &program.key, &old, json!({})).await;
    assert_eq!(again.problem(409), "key_replaced");
    assert_eq!(again.json()["replaced_by"], new["id"]);
    // Its successor may be, while the first is still good.
    let third = rotate(&world, &program.key, &new, json!({}))
        .await
        .expect(201);
    for key in [&old, &new, &third] {
        call(&program, key).await.expect(200);
    }
    // Twins: one successor.
    let (one, other) = tokio::join!(
        rotate(&world, &program.key, &third, json!({})),
        rotate(&world, &program.key, &third, json!({}))
    );
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);

    let gone = make(&program, &program.key, json!({})).await;
    assert_eq!(revoke(&world, &program.key, &gone).await.status, 204);
    let answer = rotate(&world, &program.key, &gone, json!({})).await;
    assert_eq!(answer.problem(409), "key_ended");
    clock.by_minutes(25 * 60);
    let answer = rotate(&world, &program.key, &old, json!({})).await;
    assert_eq!(answer.problem(409), "key_ended");
    world.bundle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_is_replayed_without_the_secret() {
    let world = World::start().await;
    let program = world.program(json!({})).await;
    let old = make(&program, &program.key, json!({})).await;
    let path = format!("/v1/keys/{}/rotate", text(&old["id"]));
    let request = || {
        world
            .request(Method::POST, &path)
            .bearer_auth(&program.key)
            .header("idempotency-key", "rotate-1")
    };
    let first = world.send(request()).await;
    let made = first.expect(201);
    let again = world.send(request()).await;
    assert_eq!(again.header("idempotent-replayed"), "true");
    let mut expected = made.clone();
    let secret = expected.as_object_mut().unwrap().remove("key").unwrap();
    assert_eq!(again.expect(201), expected);
    // A lost answer costs nothing but another rotation.
    let next = rotate(&world, &program.key, &made, json!({}))
        .await
        .expect(201);
    assert_ne!(next["key"], secret);
    world.bundle.shutdown().await;
}

/// A key with `keys:write` gives nothing that it does not have, be it by making or by rotating.
#[tokio::test(flavor = "multi_thread")]
async fn no_key_comes_by_one_that_may_do_more() {
    let world = World::start().await;
    let program = world.program(json!({})).await;
    let other = world.program(json!({})).await;
    let scopes = json!({"scopes": ["keys:write", "rewards:read"], "requests_per_minute": 900});
    let maker = make(&program, &program.key, scopes).await;
    let by = text(&maker["key"]);

    let more = make(&program, &program.key, json!({"scopes": ["rewards:write"]})).await;
    let answer = rotate(&world, by, &more, json!({})).await;
    assert_eq!(answer.problem(403), "missing_scope");
    let as_much = make(&program, &program.key, json!({})).await;
    let rotated = rotate(&world, by, &as_much, json!({})).await.expect(201);
    assert_eq!(rotated["requests_per_minute"], 900);
    assert_eq!(rotated["created_by"], maker["id"]);
    let own = rotate(&world, by, &maker, json!({})).await.expect(201);
    assert_eq!(own["scopes"], maker["scopes"]);

    let of_operator = json!({"name": "all", "scopes": ["rewards:read"]});
    let of_operator = world
        .post(&program.key, "/v1/keys", of_operator)
        .await
        .expect(201);
    let of_other = make(&other, &other.key, json!({})).await;
    for foreign in [&of_operator, &of_other] {
        assert_eq!(read(&world, by, foreign).await.problem(404), "not_found");
        assert_eq!(revoke(&world, by, foreign).await.problem(404), "not_found");
        let answer = rotate(&world, by, foreign, json!({})).await;
        assert_eq!(answer.problem(404), "not_found");
        // Nor is it there for the operator of the other mode.
        let live = read(&world, &world.live_key(), foreign).await;
        assert_eq!(live.problem(404), "not_found");
    }
    for (change, status) in [
        (json!({"scopes": ["rewards:write"]}), 403),
        (json!({"program_id": other.id}), 422),
        (json!({"program_id": null}), 422),
        (json!({"requests_per_minute": 901}), 422),
        (
            json!({"publishable": true, "scopes": ["clicks:write"]}),
            403,
        ),
    ] {
        let mut body = json!({"name": "x", "program_id": program.id, "scopes": ["rewards:read"]});
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        let answer = world.post(by, "/v1/keys", body).await;
        assert_eq!(answer.status, status, "{change} {}", answer.text);
    }
    world.bundle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_made_for_a_time_ends_with_it_and_its_successor_lives_as_long() {
    let (world, clock) = with_clock().await;
    let program = world.program(json!({})).await;
    let start = clock.now();
    let day = jiff::SignedDuration::from_hours(24);
    let end = start + day;
    let key = make(
        &program,
        &program.key,
        json!({"expires_at": end.to_string()}),
    )
    .await;
    call(&program, &key).await.expect(200);
    clock.by_minutes(12 * 60);
    let next = rotate(&world, &program.key, &key, json!({}))
        .await
        .expect(201);
    let next_end: jiff::Timestamp = text(&next["expires_at"]).parse().unwrap();
    let half = jiff::SignedDuration::from_hours(36);
    assert!(
        next_end >= start + half - jiff::SignedDuration::from_mins(1),
        "{next}"
    );
    // The overlap makes the life of the first no longer.
    clock.by_minutes(12 * 60);
    assert_eq!(call(&program, &key).await.problem(401), "key_expired");
    call(&program, &next).await.expect(200);
    // Whoever does not know the secret is not told that there is such a key.
    let forged = json!({"key": format!("{}0", text(&key["key"]))});
    assert_eq!(
        call(&program, &forged).await.problem(401),
        "unauthenticated"
    );

    let list = async |state: &str| {
        let path = format!("/v1/keys?limit=100{state}");
        let page = world.get(&program.key, &path).await.expect(200);
        let ids = page["data"].as_array().unwrap().iter();
        ids.map(|key| key["id"].clone()).collect::<Vec<_>>()
    };
    let revoked = make(&program, &program.key, json!({})).await;
    revoke(&world, &program.key, &revoked).await;
    assert_eq!(list("&state=active").await, [next["id"].clone()]);
    assert_eq!(list("&state=expired").await, [key["id"].clone()]);
    assert_eq!(list("&state=revoked").await, [revoked["id"].clone()]);
    assert_eq!(list("").await.len(), 3);
    let bad = world.get(&program.key, "/v1/keys?state=lost").await;
    assert_eq!(bad.problem(422), "invalid_request");
    for bad in [start, end + day * 3_700] {
        let body = json!({"name": "x", "scopes": ["rewards:read"], "expires_at": bad.to_string()});
        let answer = world.post(&program.key, "/v1/keys", body).await;
        assert_eq!(answer.problem(422), "invalid_request");
        assert!(answer.text.contains("/expires_at"), "{}", answer.text);
    }
    world.bundle.shutdown().await;
}

/// All that is known of a leak may be a line in a log: the id in it is enough.
#[tokio::test(flavor = "multi_thread")]
async fn a_leaked_key_is_found_and_revoked_by_its_id() {
    let world = World::start().await;
    let program = world.program(json!({})).await;
    let key = make(&program, &program.key, json!({})).await;
    call(&program, &key).await.expect(200);
    let leaked = text(&key["key"]);
    let id = leaked.strip_prefix("kith_test_").unwrap();
    let id = json!({"id": id.rsplit_once('_').unwrap().0});
    let seen = read(&world, &program.key, &id).await;
    assert!(!seen.text.contains(leaked), "{}", seen.text);
    let seen = seen.expect(200);
    assert_eq!(
        (
            &seen["name"],
            &seen["program_id"],
            &seen["state"],
            &seen["created_by"]
        ),
        (
            &json!("shop"),
            &json!(program.id),
            &json!("active"),
            &json!("operator")
        )
    );
    assert_eq!(revoke(&world, &program.key, &id).await.status, 204);
    assert_eq!(call(&program, &key).await.problem(401), "unauthenticated");
    // It stays to be looked at, and revoking it again changes nothing.
    let seen = read(&world, &program.key, &id).await.expect(200);
    assert_eq!(seen["state"], "revoked");
    assert_eq!(revoke(&world, &program.key, &id).await.status, 204);
    assert_eq!(read(&world, &program.key, &id).await.expect(200), seen);
    world.bundle.shutdown().await;
}

/// Everybody who looks at the shop's pages holds a publishable key.
#[tokio::test(flavor = "multi_thread")]
async fn a_publishable_key_never_gets_another_scope() {
    let world = World::start().await;
    let program = world.program(json!({})).await;
    for scopes in [
        json!(["clicks:write", "rewards:read"]),
        json!(["keys:write"]),
        json!([]),
    ] {
        let body = json!({"name": "page", "program_id": program.id, "publishable": true, "scopes": scopes});
        let answer = world.post(&program.key, "/v1/keys", body).await;
        assert_eq!(answer.problem(422), "invalid_request", "{scopes}");
    }
    let publishable = json!({"publishable": true, "scopes": null});
    let key = make(&program, &program.key, publishable).await;
    assert_eq!(key["scopes"], json!(["clicks:write"]));
    let next = rotate(&world, &program.key, &key, json!({}))
        .await
        .expect(201);
    assert_eq!(
        (&next["scopes"], &next["publishable"]),
        (&key["scopes"], &json!(true))
    );
    assert!(text(&next["key"]).starts_with("kith_pub_test_"));
    assert_eq!(call(&program, &next).await.problem(403), "missing_scope");
    let itself = rotate(&world, text(&next["key"]), &next, json!({})).await;
    assert_eq!(itself.problem(403), "missing_scope");
    // The mark is part of what is checked.
    let dressed_up = json!({"key": text(&next["key"]).replace("kith_pub_", "kith_")});
    assert_eq!(
        call(&program, &dressed_up).await.problem(401),
        "unauthenticated"
    );
    world.bundle.shutdown().await;
}

/// What a key that leaked was used for is found by its id, wherever it stands; whoever calls from a
/// browser is told nothing of it.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_key_told_of_keeps_its_id() {
    let world = World::start().await;
    let friend = json!({"id": "friend-10", "on": "purchase", "beneficiary": "referee", "grant": "at_checkout",
        "reward": {"kind": "discount", "basis_points": 1000}});
    let program = world
        .program(json!({"incentives": [friend], "surveys": []}))
        .await;
    let shop = make(
        &program,
        &program.key,
        json!({"scopes": ["participants:write", "conversions:write"]}),
    )
    .await;
    let pages = json!({"publishable": true, "scopes": ["clicks:write"]});
    let pages = make(&program, &program.key, pages).await;
    let (by_shop, by_pages) = (text(&shop["key"]), text(&pages["key"]));

    let ann = json!({"external_id": "ann"});
    let ann = world
        .post(by_shop, &program.path("/participants"), ann.clone())
        .await;
    let ann = ann.expect(201);
    assert_eq!(ann["recorded_by"], shop["id"]);
    let bea = program.referrer("bea").await;
    assert_eq!(bea["recorded_by"], "operator");
    for (path, body) in [
        ("/clicks", json!({"code": ann["code"]})),
        ("/offers", json!({"code": ann["code"]})),
    ] {
        let answer = world.post(by_pages, &program.path(path), body).await;
        let answer = answer.expect(201).to_string();
        let told = answer.contains("recorded_by") || answer.contains(text(&pages["id"]));
        assert!(!told, "{answer}");
    }
    program.click(&ann).await;
    let order = crate::world::purchase("order-1", json!({"codes": [ann["code"]]}));
    let path = program.path("/conversions");
    let bought = world.post(by_shop, &path, order.clone()).await.expect(201);
    assert_eq!(bought["recorded_by"], shop["id"]);
    // Whoever says it again has not recorded it.
    world.post(&program.key, &path, order).await.expect(200);
    let id = text(&bought["id"]);
    let read = program.get(&format!("/conversions/{id}")).await.expect(200);
    assert_eq!(read["recorded_by"], shop["id"]);
    let referee = format!(
        "/participants/{}",
        text(&bought["attribution"]["referee_id"])
    );
    let named = json!({"first_name": "Cleo"});
    program.patch(&referee, named).await.expect(200);
    let referee = program.get(&referee).await.expect(200);
    assert_eq!(referee["recorded_by"], shop["id"]);

    let table = samples::table(&world, |pk| pk.contains(&program.id)).await;
    let by = |kind: &str| -> Vec<Option<&str>> {
        let items = table.values().filter(|item| item["kind"] == kind);
        let mut by: Vec<_> = items
            .map(|item| item.get("recorded_by").map(String::as_str))
            .collect();
        by.sort_unstable();
        by
    };
    let key = pages["id"].as_str();
    assert_eq!((by("click"), by("offer")), (vec![None, key], vec![key]));
    world.bundle.shutdown().await;
}
