//! Tenants do not meet: every route is called by everybody who may not call it, and with everything
//! that belongs to somebody else. A route that is new is in the list by itself, and fails here until
//! it has a sample, or a reason for being open.

use std::collections::{BTreeMap, BTreeSet};

use kith_contract::routes::{self, Access, Route};
use serde_json::{Value, json};

use crate::samples::{self, Call, Things};
use crate::world::{Answer, Program, text};

/// What needs no key, and why.
const OPEN: [(&str, &str); 13] = [
    (
        "follow_link",
        "whoever has a link follows it; it says where to, and nothing of whom",
    ),
    ("follow_test_link", "the same"),
    (
        "show_survey",
        "the token in the path is signed and names one survey",
    ),
    ("answer_survey", "the same"),
    (
        "show_unsubscribe",
        "the token in the path is signed and names one mail",
    ),
    ("unsubscribe", "the same"),
    ("draw_qr_code", "it draws the link that it is asked with"),
    ("draw_test_qr_code", "the same"),
    ("read_privacy_control", "a standing notice"),
    (
        "record_click_preflight",
        "a browser asks without the key; the answer is the same for all",
    ),
    ("make_offer_preflight", "the same"),
    (
        "take_order",
        "shop systems have no key: their signature is checked, and orders.rs tries everything else",
    ),
    (
        "read_health",
        "it says that the function runs, and reads nothing",
    ),
];

/// The contract and its pages: the same for everybody, and without the table.
const PUBLIC: &str = "api-docs";

/// Everything that is open is meant to be.
#[test]
fn every_open_route_has_its_reason() {
    let known: BTreeMap<&str, &str> = OPEN.into_iter().collect();
    let mut used = BTreeSet::new();
    for route in routes::ROUTES
        .iter()
        .filter(|route| route.access == Access::Open)
    {
        let id = route.id.strip_suffix("_head").unwrap_or(route.id);
        used.insert(id);
        assert!(
            known.contains_key(id) || route.function == PUBLIC,
            "{} is open, and nobody said why",
            route.id
        );
        let secret = ["{token}", "{code}"]
            .iter()
            .any(|name| route.path.contains(name));
        let signed = route.id == "take_order";
        assert!(
            !route.writes() || secret || signed,
            "{} writes for everybody",
            route.id
        );
    }
    assert!(known.keys().all(|id| used.contains(id)));
}

/// Counts what was tried, by case.
#[derive(Default)]
struct Cases(BTreeMap<&'static str, usize>);

impl Cases {
    #[track_caller]
    fn refused(
        &mut self,
        case: &'static str,
        route: &Route,
        answer: &Answer,
        status: u16,
        code: &str,
    ) {
        *self.0.entry(case).or_default() += 1;
        assert_eq!(
            answer.status.as_u16(),
            status,
            "{case}: {} answers {}",
            route.id,
            answer.text
        );
        assert_eq!(answer.problem(status), code, "{case}: {}", route.id);
    }
}

/// A key's text and its headers, in all the ways in which it is none.
fn no_keys(revoked: &str, program: &str) -> Vec<(&'static str, Option<String>)> {
    vec![
        ("no key", None),
        ("nonsense", Some("Bearer nonsense".to_owned())),
        (
            "a key of another kind of header",
            Some(format!("Basic {program}")),
        ),
        (
            "a key that never was",
            Some(format!(
                "Bearer kith_test_key_00000000000000000000000000_{}",
                "0".repeat(64)
            )),
        ),
        (
            "another secret",
            Some(format!(
                "Bearer {}{}",
                &program[..program.len() - 1],
                if program.ends_with('0') { '1' } else { '0' }
            )),
        ),
        (
            "the id without the secret",
            Some(format!("Bearer {}_", program.rsplit_once('_').unwrap().0)),
        ),
        (
            "an operator's key that is none",
            Some("Bearer kith_test_0123456789012345678901234567".to_owned()),
        ),
        ("a revoked key", Some(format!("Bearer {revoked}"))),
        (
            "a publishable key that says it is secret",
            Some(format!(
                "Bearer {}",
                program.replace("kith_test_", "kith_pub_test_")
            )),
        ),
        (
            "a key of the other mode's name",
            Some(format!(
                "Bearer {}",
                program.replace("kith_test_", "kith_live_")
            )),
        ),
    ]
}

struct Keys {
    /// May do everything, within its program.
    all: String,
    revoked: String,
    publishable: String,
}

async fn keys(program: &Program<'_>) -> Keys {
    let world = program.world;
    let secret = |made: &Value| text(&made["key"]).to_owned();
    let all = secret(&samples::key_of(program, &samples::all_scopes()).await);
    let gone = samples::key_of(program, &samples::all_scopes()).await;
    let path = format!("/v1/keys/{}", text(&gone["id"]));
    let request = world.request(reqwest::Method::DELETE, &path);
    let answer = world.send(request.bearer_auth(&program.key)).await;
    assert_eq!(answer.status, 204);
    let body = json!({"name": "pages", "program_id": program.id, "publishable": true});
    let made = world.post(&program.key, "/v1/keys", body).await.expect(201);
    Keys {
        all,
        revoked: secret(&gone),
        publishable: secret(&made),
    }
}

/// A good call of a route in a program: only the caller is wrong.
async fn call(route: &'static Route, program: &Program<'_>, things: Option<&Things>) -> Call {
    if samples::is_write(route) {
        return samples::write(route, program).await;
    }
    match things {
        Some(things) => samples::read(route, things),
        None => samples::read(route, &samples::things(program).await),
    }
}

/// Without a key, with one that is none, with too small a one, of the other mode, of another program:
/// on every route, with a call that would be good otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn no_route_answers_whom_it_should_not() {
    let world = samples::world().await;
    let operator = world.test_key();
    let theirs = samples::program(&world, &operator).await;
    let things = samples::things(&theirs).await;
    let mine = samples::program(&world, &operator).await;
    let (their_keys, my_keys) = (keys(&theirs).await, keys(&mine).await);
    let (mut cases, mut number) = (Cases::default(), 0);
    for route in samples::behind_a_key() {
        number += 1;
        // Each call in a program of its own, so that one's preparation is not in another's way.
        let own = samples::program(&world, &operator).await;
        let (program, keys, good) = if samples::is_write(route) {
            let keys = keys(&own).await;
            let good = call(route, &own, None).await;
            (&own, keys, good)
        } else {
            let keys = Keys {
                all: their_keys.all.clone(),
                revoked: their_keys.revoked.clone(),
                publishable: their_keys.publishable.clone(),
            };
            (&theirs, keys, call(route, &theirs, Some(&things)).await)
        };
        let before = samples::table(&world, |pk| pk.contains(&program.id)).await;
        for (case, header) in no_keys(&keys.revoked, &keys.all) {
            let mut request = good.bare(&world);
            if let Some(header) = header {
                request = request.header("authorization", header);
            }
            let answer = world.send(request).await;
            cases.refused(case, route, &answer, 401, "unauthenticated");
        }
        let scope = route.access.scope().unwrap();
        if scope.as_str() != "clicks:write" {
            let answer = good.send(&world, &keys.publishable).await;
            let code = if matches!(route.access, Access::Operator(_)) {
                ["operator_key_needed", "missing_scope"]
            } else {
                ["missing_scope"; 2]
            };
            assert!(code.contains(&answer.problem(403).as_str()), "{}", route.id);
            *cases.0.entry("a publishable key").or_default() += 1;
        }
        let others: Vec<&str> = samples::all_scopes()
            .into_iter()
            .filter(|other| *other != scope.as_str())
            .collect();
        // A key that reaches every program, where only those may call.
        let made = if matches!(route.access, Access::Operator(_)) {
            let body = json!({"name": "wide", "scopes": others});
            world.post(&operator, "/v1/keys", body).await.expect(201)
        } else {
            samples::key_of(program, &others).await
        };
        let answer = good.send(&world, text(&made["key"])).await;
        cases.refused(
            "every scope but the one",
            route,
            &answer,
            403,
            "missing_scope",
        );
        if matches!(route.access, Access::Operator(_)) {
            let answer = good.send(&world, &keys.all).await;
            cases.refused(
                "a program's key",
                route,
                &answer,
                403,
                "operator_key_needed",
            );
        }
        if route.path.contains("{program}") {
            let answer = good.send(&world, &my_keys.all).await;
            cases.refused("another program's key", route, &answer, 404, "not_found");
            let answer = good.send(&world, &world.live_key()).await;
            cases.refused(
                "the other mode's operator",
                route,
                &answer,
                404,
                "not_found",
            );
            let malformed = Call {
                path: good.path.replace(&program.id, "prg_x"),
                ..good.clone()
            };
            let answer = malformed.send(&world, &operator).await;
            cases.refused("a malformed program", route, &answer, 404, "not_found");
        } else if samples::parameters(route.path).next().is_some() {
            let answer = good.send(&world, &world.live_key()).await;
            cases.refused(
                "the other mode's operator",
                route,
                &answer,
                404,
                "not_found",
            );
            if !matches!(route.access, Access::Operator(_)) {
                let answer = good.send(&world, &my_keys.all).await;
                cases.refused("another program's key", route, &answer, 404, "not_found");
            }
        } else {
            // A list, or something new: the other mode's caller neither sees nor makes anything here.
            let answer = good.send(&world, &world.live_key()).await;
            assert!(
                !answer.text.contains(&program.id) || answer.status.is_client_error(),
                "{}: {}",
                route.id,
                answer.text
            );
            *cases.0.entry("the other mode's operator").or_default() += 1;
        }
        world.settle().await;
        let after = samples::table(&world, |pk| pk.contains(&program.id)).await;
        // What was made for the test itself: the last key, which is told in the log.
        let done = samples::effect(&before, &after);
        let meant = |what: &String| what == "audit new";
        assert!(done.keys().all(meant), "{}: {done:?}", route.id);
    }
    let tried: usize = cases.0.values().sum();
    eprintln!(
        "{number} routes behind a key, {tried} calls that were refused: {:#?}",
        cases.0
    );
    assert!(number >= 50 && tried >= number * 12);
    world.bundle.shutdown().await;
}

/// Each thing of one program, asked for through another's path with the other's key: it is not
/// there, and nothing becomes of it.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_reaches_into_another_program() {
    let world = samples::world().await;
    let operator = world.test_key();
    let mine = samples::program(&world, &operator).await;
    let my_things = samples::things(&mine).await;
    let my_key = keys(&mine).await.all;
    let mut tried = BTreeMap::<&str, usize>::new();
    for route in
        samples::behind_a_key().filter(|route| !matches!(route.access, Access::Operator(_)))
    {
        let names: Vec<&str> = samples::parameters(route.path)
            .filter(|name| *name != "program")
            .collect();
        if names.is_empty() {
            continue;
        }
        let theirs = samples::program(&world, &operator).await;
        let own_rule = json!({"id": "only-here", "on": "purchase", "beneficiary": "referee", "reward": {"kind": "discount", "basis_points": 100}});
        let mut rules = theirs.get("").await.expect(200)["incentives"].clone();
        rules.as_array_mut().unwrap().push(own_rule);
        theirs
            .patch("", json!({"incentives": rules}))
            .await
            .expect(200);
        let good = call(route, &theirs, None).await;
        let before = samples::table(&world, |pk| pk.contains(&theirs.id)).await;
        let of_path = values(route, &good.path);
        for name in &names {
            // One name is theirs and the others are mine; then all are theirs.
            for alone in [true, false] {
                let mut of: BTreeMap<&str, String> = if alone {
                    my_things
                        .of
                        .iter()
                        .map(|(name, value)| (*name, value.clone()))
                        .collect()
                } else {
                    of_path.clone()
                };
                of.insert("program", mine.id.clone());
                let their = if *name == "incentive" {
                    "only-here".to_owned()
                } else {
                    of_path[name].clone()
                };
                of.insert(name, their);
                let path = samples::filled(route.path, &of);
                let answer = Call {
                    path,
                    ..good.clone()
                }
                .send(&world, &my_key)
                .await;
                assert_eq!(
                    answer.problem(404),
                    "not_found",
                    "{} by {name}: {}",
                    route.id,
                    answer.text
                );
                *tried.entry(route.id).or_default() += 1;
            }
            // And what is none at all.
            let mut of: BTreeMap<&str, String> = my_things
                .of
                .iter()
                .map(|(name, value)| (*name, value.clone()))
                .collect();
            of.insert(name, "nonsense".to_owned());
            let path = samples::filled(route.path, &of);
            let answer = Call {
                path,
                ..good.clone()
            }
            .send(&world, &my_key)
            .await;
            assert_eq!(
                answer.problem(404),
                "not_found",
                "{} by {name}: {}",
                route.id,
                answer.text
            );
            *tried.entry(route.id).or_default() += 1;
        }
        world.settle().await;
        let after = samples::table(&world, |pk| pk.contains(&theirs.id)).await;
        assert_eq!(
            samples::effect(&before, &after),
            BTreeMap::new(),
            "{}",
            route.id
        );
    }
    eprintln!(
        "{} routes with names in their path, {} calls",
        tried.len(),
        tried.values().sum::<usize>()
    );
    world.bundle.shutdown().await;
}

/// The values of a path's parameters.
fn values(route: &Route, path: &str) -> BTreeMap<&'static str, String> {
    let pattern = routes::ROUTES
        .iter()
        .find(|known| known.id == route.id)
        .unwrap()
        .path;
    let parts = pattern.split('/').zip(path.split('/'));
    let named = parts.filter_map(|(name, value)| {
        let name = name.strip_prefix('{')?.strip_suffix('}')?;
        Some((name, value.to_owned()))
    });
    named.collect()
}

/// What stands in bodies and queries rather than in paths: people, orders, codes, click tokens,
/// vouchers, cursors and idempotency keys of another program say nothing and do nothing.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_another_program_works_in_a_body_or_a_query() {
    let world = samples::world().await;
    let operator = world.test_key();
    let theirs = samples::program(&world, &operator).await;
    let things = samples::things(&theirs).await;
    let their = |name: &str| things.of[name].clone();
    let token = theirs.click(&things.ann).await;
    let voucher = json!({"beneficiary_id": things.ann["id"], "kind": "discount", "value": {"basis_points": 500}, "reason": "a gift"});
    let made = theirs.post("/rewards", voucher).await.expect(201);
    world.settle().await;
    let given = theirs
        .get(&format!("/rewards/{}", text(&made["id"])))
        .await
        .expect(200);
    let mine = samples::program(&world, &operator).await;
    let own = samples::things(&mine).await;
    let key = keys(&mine).await.all;
    let before = samples::table(&world, |pk| pk.contains(&theirs.id)).await;
    let post = async |path: &str, body: Value| world.post(&key, &mine.path(path), body).await;

    let gift = json!({"beneficiary_id": their("participant"), "kind": "points", "value": {"points": 1}, "reason": "x"});
    assert_eq!(post("/rewards", gift).await.problem(422), "invalid_request");
    let joins = json!({"external_id": "eve", "referred_by": their("participant")});
    assert_eq!(
        post("/participants", joins).await.problem(422),
        "invalid_request"
    );
    let same_code = json!({"external_id": "eve", "vanity_code": their("code")});
    assert_eq!(
        post("/participants", same_code).await.problem(409),
        "code_taken"
    );
    for offer in [
        json!({"code": their("code")}),
        json!({"click_token": token}),
    ] {
        assert_eq!(post("/offers", offer).await.problem(422), "invalid_request");
    }
    let click = json!({"code": their("code")});
    assert_eq!(post("/clicks", click).await.problem(422), "invalid_request");
    let brought = json!({"event": "purchase", "external_id": "order-2", "referee": {"external_id": "bob"},
        "codes": [their("code"), given["voucher_code"]], "click_tokens": [token], "amount": {"amount": 4500, "currency": "EUR"}});
    let order = post("/conversions", brought).await.expect(201);
    assert_eq!(order["state"], "unattributed", "{order}");
    assert_eq!(
        order["attribution"]["considered"][0]["outcome"], "bad_token",
        "{order}"
    );
    assert!(
        order["codes"]
            .as_array()
            .unwrap()
            .iter()
            .all(|code| code["is"] == "unknown"),
        "{order}"
    );
    let by_hand = json!({"referrer_id": their("participant"), "reason": "x"});
    let path = format!("/conversions/{}/attribution", text(&order["id"]));
    assert_eq!(post(&path, by_hand).await.problem(422), "invalid_request");
    let by_code = json!({"code": their("code"), "reason": "x"});
    assert_eq!(post(&path, by_code).await.problem(422), "invalid_request");
    let used = json!({"voucher_code": given["voucher_code"], "external_id": "order-2"});
    assert_eq!(
        post("/vouchers/redeem", used).await.problem(404),
        "not_found"
    );
    let found = post("/participants/search", json!({"code": their("code")}))
        .await
        .expect(200);
    assert_eq!(found["data"], json!([]));
    let body = json!({"name": "theirs", "program_id": theirs.id, "scopes": ["rewards:read"]});
    let refused = world.post(&key, "/v1/keys", body).await;
    assert_eq!(refused.problem(422), "invalid_request");

    // Filters find nothing of theirs.
    for (list, filter, name) in [
        ("/rewards", "beneficiary_id", "participant"),
        ("/conversions", "referrer_id", "participant"),
        ("/conversions", "referee_id", "participant"),
        ("/referrals", "referrer_id", "participant"),
        ("/audit", "object", "reward"),
        ("/audit", "object", "key"),
    ] {
        let path = mine.path(&format!("{list}?{filter}={}", their(name)));
        let page = world.get(&key, &path).await.expect(200);
        assert_eq!(page["data"], json!([]), "{path}");
    }

    // Cursors are good for their own list.
    let mut cursors = 0;
    for route in samples::behind_a_key()
        .filter(|route| !route.writes() && route.path.starts_with("/v1/programs/{program}"))
    {
        let list = samples::read(route, &things).path;
        let page = world.get(&operator, &format!("{list}?limit=1")).await;
        if page.status != 200 || page.headers["content-type"] != "application/json" {
            continue;
        }
        let Some(cursor) = page.json()["next_cursor"].as_str().map(str::to_owned) else {
            continue;
        };
        let name = if route.id == "list_events" {
            "after"
        } else {
            "cursor"
        };
        let list = samples::read(route, &own).path;
        let answer = world
            .get(&key, &format!("{list}?limit=1&{name}={cursor}"))
            .await;
        assert_eq!(answer.problem(422), "invalid_request", "{}", route.id);
        cursors += 1;
    }
    assert!(cursors >= 5, "only {cursors} lists had a cursor");

    // The same idempotency key in two programs is two keys, in the path and outside it.
    let keyed = async |key: &str, path: String, body: Value| {
        let request = world.request(reqwest::Method::POST, &path).bearer_auth(key);
        world
            .send(request.header("idempotency-key", "once").json(&body))
            .await
    };
    let their_key = keys(&theirs).await.all;
    let carl = || json!({"external_id": "carl"});
    let known = keyed(&their_key, theirs.path("/participants"), carl())
        .await
        .expect(201);
    let answer = keyed(&key, mine.path("/participants"), carl()).await;
    assert_eq!(answer.header("idempotent-replayed"), "");
    assert_ne!(answer.expect(201)["id"], known["id"]);
    let new = |program: &Program<'_>| json!({"name": "shop", "program_id": program.id, "scopes": ["rewards:read"]});
    let known = keyed(&their_key, "/v1/keys".to_owned(), new(&theirs)).await;
    assert_eq!(
        known.problem(422),
        "idempotency_key_reused",
        "a program's keys share theirs"
    );
    for (key, program) in [(&their_key, &theirs), (&key, &mine)] {
        let request = world
            .request(reqwest::Method::POST, "/v1/keys")
            .bearer_auth(key);
        let answer = world
            .send(
                request
                    .header("idempotency-key", "shop")
                    .json(&new(program)),
            )
            .await;
        assert_eq!(answer.expect(201)["program_id"], program.id);
        assert_eq!(answer.header("idempotent-replayed"), "");
    }
    let copied = world
        .request(reqwest::Method::POST, "/v1/keys")
        .bearer_auth(&key);
    let copied = world
        .send(
            copied
                .header("idempotency-key", "other")
                .json(&new(&theirs)),
        )
        .await;
    assert_eq!(copied.problem(422), "invalid_request");
    world.settle().await;
    let after = samples::table(&world, |pk| pk.contains(&theirs.id)).await;
    let done = samples::effect(&before, &after);
    // Their own keys, and Carl.
    assert!(
        done.keys()
            .all(|what| !what.contains("changed") && !what.contains("gone")),
        "{done:?}"
    );
    world.bundle.shutdown().await;
}
