//! What answers tell browsers: what a page may do, and who else may read it.

use kith_contract::routes::{self, Method as Verb, Route};
use reqwest::Method;
use serde_json::json;

use crate::api::filled;
use crate::chain::survey_path;
use crate::world::{Answer, World, text};

/// What pages of any origin may call.
const OF_BROWSERS: [&str; 6] = [
    "record_click",
    "record_click_preflight",
    "make_offer",
    "make_offer_preflight",
    "read_openapi",
    "read_openapi_head",
];

const CORS: [&str; 5] = [
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-expose-headers",
];

fn is_page(answer: &Answer) -> bool {
    answer.header("content-type").starts_with("text/html")
}

/// Everything that browsers are told not to do.
#[track_caller]
fn assert_guarded(answer: &Answer, at: &str) {
    assert_eq!(answer.header("x-content-type-options"), "nosniff", "{at}");
    assert_eq!(
        answer.header("strict-transport-security"),
        "",
        "{at}: it is plain HTTP"
    );
    if answer.status.is_redirection() {
        return;
    }
    assert_eq!(answer.header("referrer-policy"), "no-referrer", "{at}");
    let policy = answer.header("content-security-policy");
    assert!(policy.contains("default-src 'none'"), "{at}: {policy}");
    assert!(
        !policy.contains("unsafe-inline") && !policy.contains("unsafe-eval"),
        "{at}: {policy}"
    );
    if is_page(answer) {
        assert!(policy.contains("frame-ancestors 'none'"), "{at}: {policy}");
        for sign in ["<script>", " onclick=", " onload=", "javascript:"] {
            assert!(!answer.text.contains(sign), "{sign} at {at}");
        }
    }
}

fn call(world: &World, route: &Route, path: &str) -> reqwest::RequestBuilder {
    let method: Method = route.method.as_str().parse().unwrap();
    world
        .request(method, path)
        .header("accept", "text/html")
        .header("origin", "https://shop.example")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_guarded_and_only_what_browsers_call_is_shared() {
    let world = World::start().await;
    let program = world.program(json!({})).await;
    let mut pages = Vec::new();
    for route in routes::ROUTES {
        let path = filled(route.path, &program.id);
        let at = format!("{} {}", route.method.as_str(), route.path);
        let without_key = world.send(call(&world, route, &path)).await;
        let with_key = call(&world, route, &path)
            .header("content-type", "application/json")
            .bearer_auth(&program.key)
            .body("{}");
        for answer in [without_key, world.send(with_key).await] {
            assert_guarded(&answer, &at);
            for name in CORS {
                let is_shared = !answer.header(name).is_empty();
                assert!(
                    !is_shared || OF_BROWSERS.contains(&route.id),
                    "{name} at {at}"
                );
            }
            if OF_BROWSERS.contains(&route.id) {
                assert_eq!(answer.header("access-control-allow-origin"), "*", "{at}");
            }
            if is_page(&answer) {
                pages.push(route.id);
            }
        }
    }
    pages.dedup();
    for id in [
        "follow_link",
        "show_survey",
        "show_unsubscribe",
        "show_docs",
        "list_problems",
        "read_problem",
    ] {
        assert!(pages.contains(&id), "{id} is no page: {pages:?}");
    }
    world.bundle.shutdown().await;
}

/// A browser asks before it sends a key. Whoever is not to be called from pages answers as to any wrong method.
#[tokio::test(flavor = "multi_thread")]
async fn preflights_are_answered_for_clicks_and_offers_only() {
    let world = World::start().await;
    let program = world.program(json!({})).await;
    for route in routes::ROUTES {
        let ask = world
            .request(Method::OPTIONS, &filled(route.path, &program.id))
            .header("origin", "https://shop.example")
            .header("access-control-request-method", route.method.as_str())
            .header("access-control-request-headers", "authorization");
        let answer = world.send(ask).await;
        let may = routes::ROUTES
            .iter()
            .any(|other| other.path == route.path && other.method == Verb::Options);
        if may {
            assert_eq!(answer.status, 204, "{}", route.path);
            assert_eq!(
                answer.header("access-control-allow-methods"),
                "POST, OPTIONS"
            );
            assert!(
                answer
                    .header("access-control-allow-headers")
                    .contains("authorization")
            );
        } else {
            assert_eq!(answer.problem(405), "method_not_allowed", "{}", route.path);
            assert_eq!(
                answer.header("access-control-allow-origin"),
                "",
                "{}",
                route.path
            );
        }
    }
    // The page reads how long to wait, and whether the answer is a repeated one.
    let refused = world
        .request(Method::POST, &program.path("/clicks"))
        .header("origin", "https://shop.example")
        .json(&json!({}));
    let exposed = world.send(refused).await;
    for name in [
        "idempotent-replayed",
        "ratelimit",
        "ratelimit-policy",
        "retry-after",
    ] {
        let names = exposed.header("access-control-expose-headers");
        assert!(
            names.split(", ").any(|exposed| exposed == name),
            "{name} in {names}"
        );
    }
    world.bundle.shutdown().await;
}

/// The pages that people get when all is well, and the mails on this machine.
#[tokio::test(flavor = "multi_thread")]
async fn pages_with_something_on_them_are_guarded_too() {
    let world = World::start().await;
    let live = world.live_key();
    let program = world.program_of(&live, json!({"hold_days": 0})).await;
    let ann = program.referrer("ann").await;
    program
        .convert("order-1", json!({"codes": [ann["code"]]}))
        .await
        .expect(201);
    world.settle().await;
    let mails = world
        .send(
            world
                .request(Method::GET, "/local/mail")
                .header("accept", "application/json"),
        )
        .await
        .expect(200);
    let mails = mails["data"].as_array().unwrap();
    let mut paths = vec!["/local/mail".to_owned()];
    for mail in mails {
        let unsubscribe = text(&mail["text"]).split("/u/").nth(1).map(|rest| {
            let token = rest.split(char::is_whitespace).next().unwrap();
            format!("/u/{token}")
        });
        paths.extend(unsubscribe);
        if text(&mail["text"]).contains("/s/") {
            paths.push(survey_path(mail));
        }
        let frame = format!("/local/mail/{}", text(&mail["id"]));
        let part = world.visit(&frame).await;
        assert_eq!(part.status, 200, "{frame}");
        let policy = part.header("content-security-policy");
        assert!(policy.starts_with("sandbox ") && policy.contains("default-src 'none'"));
        assert!(!policy.contains("unsafe-inline") && policy.contains("frame-ancestors 'self'"));
    }
    assert!(paths.len() > 2, "{paths:?}");
    for path in paths {
        let request = world
            .request(Method::GET, &path)
            .header("accept", "text/html");
        let page = world.send(request).await;
        assert_eq!(
            (page.status.as_u16(), is_page(&page)),
            (200, true),
            "{path}"
        );
        assert_guarded(&page, &path);
    }
    world.bundle.shutdown().await;
}
