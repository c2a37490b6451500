//! How much a request may hold: what the gateway refuses, what the API refuses, and how.

use kith_domain::api_key::Scope;
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{Answer, Program, World, purchase};

/// What the gateway itself refuses.
#[track_caller]
fn assert_gateway(answer: &Answer, status: u16, message: &str) {
    assert_eq!(answer.expect(status), json!({"message": message}));
    assert_eq!(answer.header("content-type"), "application/json");
}

/// The pointers of a refusal.
#[track_caller]
fn pointers(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.problem(422), "invalid_request");
    let errors = answer.json()["errors"].clone();
    let pointer = |error: &Value| error["pointer"].as_str().unwrap().to_owned();
    errors.as_array().unwrap().iter().map(pointer).collect()
}

async fn post(program: &Program<'_>, rest: &str, body: String) -> Answer {
    let request = program.world.request(Method::POST, &program.path(rest));
    let request = request.header("content-type", "application/json");
    program
        .world
        .send(request.bearer_auth(&program.key).body(body))
        .await
}

/// A purchase padded with spaces to a number of bytes.
fn padded(order: &str, bytes: usize) -> String {
    let text = purchase(order, json!({})).to_string();
    let padding = " ".repeat(bytes - text.len());
    text + &padding
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_has_256_kib_and_no_byte_more() {
    let world = World::start().await;
    let program = world.program(json!({})).await;
    let most = 256 * 1_024;
    post(&program, "/conversions", padded("order-1", most))
        .await
        .expect(201);
    let answer = post(&program, "/conversions", padded("order-2", most + 1)).await;
    assert_eq!(answer.problem(413), "body_too_large");
    // The gateway has a bound of its own, for whatever function is behind it.
    let answer = post(&program, "/conversions", " ".repeat(10_000_001)).await;
    assert_gateway(&answer, 413, "Request Entity Too Large");
    world.bundle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_sixteen_levels_deep_at_most() {
    let world = World::start().await;
    let program = world.program(json!({})).await;
    let nested = |depth: usize| {
        let inner = depth - 1;
        format!(
            "{{\"metadata\":{}{}}}",
            "[".repeat(inner),
            "]".repeat(inner)
        )
    };
    // Not deep, and still not what the member holds.
    let answer = post(&program, "/conversions", nested(16)).await;
    assert_eq!(answer.problem(422), "invalid_request");
    for depth in [17, 100_000] {
        let answer = post(&program, "/conversions", nested(depth)).await;
        assert_eq!(answer.problem(400), "unreadable_body", "{depth}");
    }
    world.bundle.shutdown().await;
}

/// What was cut off silently before: a filter that is not looked at gives everything.
#[tokio::test(flavor = "multi_thread")]
async fn a_query_has_a_hundred_parameters_at_most() {
    let world = World::start().await;
    let program = world.program(json!({})).await;
    let query = |count: usize| {
        let pairs: Vec<String> = (0..count).map(|number| format!("a{number}=1")).collect();
        program.path(&format!("/rewards?{}", pairs.join("&")))
    };
    let answer = world.get(&program.key, &query(100)).await;
    let unknown = pointers(&answer);
    assert_eq!(unknown.len(), 100);
    assert!(unknown.contains(&"/query/a99".to_owned()), "{unknown:?}");
    let answer = world.get(&program.key, &query(101)).await;
    assert_eq!(pointers(&answer)[0], "/query");
    // Calls with a body take no query either.
    let path = format!("/conversions?{}", "a=1&".repeat(101));
    let body = purchase("order-1", json!({})).to_string();
    assert_eq!(pointers(&post(&program, &path, body).await)[0], "/query");
    // No call with a body takes a query.
    let zero = "00000000000000000000000000";
    for rest in [
        "/conversions".to_owned(),
        "/offers".to_owned(),
        "/refunds".to_owned(),
        "/clicks".to_owned(),
        format!("/conversions/cnv_{zero}/attribution"),
        format!("/conversions/cnv_{zero}/refunds"),
        format!("/refunds/rfd_{zero}/reverse"),
    ] {
        let answer = post(&program, &format!("{rest}?dry_run=true"), "{}".to_owned()).await;
        let found = pointers(&answer);
        assert!(
            found.contains(&"/query/dry_run".to_owned()),
            "{rest} {found:?}"
        );
    }
    // Whatever others hang onto a link, it leads where it should.
    let ann = program.referrer("ann").await;
    let link = format!("{}?{}", program.link(&ann), "fbclid=x&".repeat(300));
    assert_eq!(world.visit(&link).await.status, 302);
    world.bundle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_and_request_line_have_ten_kib_together() {
    let world = World::start().await;
    let program = world.program(json!({})).await;
    let padded = |name: &'static str, bytes: usize| {
        let request = world.request(Method::GET, &program.path("/rewards"));
        world.send(
            request
                .bearer_auth(&program.key)
                .header(name, "x".repeat(bytes)),
        )
    };
    padded("x-padding", 9_000).await.expect(200);
    let too_large = "Request Header Fields Too Large";
    assert_gateway(&padded("x-padding", 10_240).await, 431, too_large);
    let path = program.path(&format!("/rewards?cursor={}", "x".repeat(10_240)));
    assert_gateway(&world.get(&program.key, &path).await, 431, too_large);
    let path = program.path(&format!("/rewards?cursor={}", "x".repeat(1_025)));
    assert_eq!(
        pointers(&world.get(&program.key, &path).await),
        ["/query/cursor"]
    );
    // A key of the right form that is longer than any is.
    let long = format!(
        "kith_test_key_00000000000000000000000000_{}",
        "x".repeat(500)
    );
    let answer = world.get(&long, "/v1/keys").await;
    assert_eq!(answer.problem(401), "unauthenticated");
    let request = world
        .request(Method::POST, &program.path("/conversions"))
        .bearer_auth(&program.key)
        .header("idempotency-key", "x".repeat(256))
        .json(&purchase("order-1", json!({})));
    let answer = world.send(request).await;
    assert_eq!(pointers(&answer), ["/headers/idempotency-key"]);
    world.bundle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_and_faults_are_bounded() {
    let world = World::start().await;
    let program = world.program(json!({})).await;
    let codes: Vec<String> = (0..11).map(|number| format!("CODE-{number}")).collect();
    let answer = program.convert("order-1", json!({"codes": codes})).await;
    assert_eq!(pointers(&answer), ["/codes"]);
    let scopes = vec!["rewards:read"; Scope::ALL.len() + 1];
    let body = json!({"name": "x", "program_id": program.id, "scopes": scopes});
    let answer = world.post(&program.key, "/v1/keys", body).await;
    assert_eq!(pointers(&answer), ["/scopes"]);
    for limit in ["0", "101", "-1", "1e2"] {
        let answer = program.get(&format!("/rewards?limit={limit}")).await;
        assert_eq!(pointers(&answer), ["/query/limit"], "{limit}");
    }
    // An answer is not ten times the request.
    let members: Vec<String> = (0..20_000)
        .map(|number| format!("\"{number:x}\":1"))
        .collect();
    let body = format!("{{{}}}", members.join(","));
    let answer = post(&program, "/conversions", body).await;
    assert_eq!(pointers(&answer).len(), 100);
    world.bundle.shutdown().await;
}

/// What a shop knows of a device has the same bounds wherever it is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_read_alike_wherever_it_is_told() {
    let world = World::start().await;
    let program = world.program(json!({})).await;
    let told = |length: usize, ip: &str, id: &str| json!({"ip": ip, "user_agent": "ü".repeat(length), "device_id": id});
    let good = told(1_024, "2001:db8::9", &"d".repeat(200));
    let bad = told(1_025, "203.0.113", &"d".repeat(201));
    for (path, body, fingerprint) in [
        (
            "/participants",
            json!({"external_id": "ann"}),
            "payout_fingerprint",
        ),
        (
            "/conversions",
            purchase("order-1", json!({})),
            "payment_fingerprint",
        ),
    ] {
        let mut refused = body.clone();
        refused["client"] = bad.clone();
        refused[fingerprint] = json!("");
        let refused = program.post(path, refused).await;
        let own = format!("/{fingerprint}");
        assert_eq!(
            pointers(&refused),
            [
                "/client/ip",
                "/client/user_agent",
                "/client/device_id",
                own.as_str()
            ]
        );
        let mut taken = body.clone();
        taken["client"] = good.clone();
        taken[fingerprint] = json!("f".repeat(200));
        program.post(path, taken).await.expect(201);
    }
    world.bundle.shutdown().await;
}
