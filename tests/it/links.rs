//! Links: who counts, what the redirect carries, and that it happens whatever else does not.

use kith_store::faults::Fault;
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{Answer, BROWSER, Program, World, click_token, text};

const PREVIEWS: [&str; 5] = [
    "WhatsApp/2.23.20.0 A",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "TelegramBot (like TwitterBot)",
];

async fn visit(program: &Program<'_>, link: &str, headers: &[(&str, &str)]) -> Answer {
    let request = program.world.request(Method::GET, link);
    let request = headers.iter().fold(request, |request, (name, value)| {
        request.header(*name, *value)
    });
    program.world.send(request).await
}

/// A plain redirect: the code for the shop, and nothing that tells visitors apart.
#[track_caller]
fn assert_plain(answer: &Answer) {
    assert_eq!(answer.status, 302, "{}", answer.text);
    assert_eq!(
        answer.header("location"),
        "https://bakery.example/welcome?shop=1&ref=ANN-BAKES"
    );
    assert_eq!(answer.header("set-cookie"), "");
}

async fn ann(program: &Program<'_>) -> Value {
    program
        .post(
            "/participants",
            json!({"external_id": "ann", "vanity_code": "ANN-BAKES"}),
        )
        .await
        .expect(201)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_gets_a_token_and_a_cookie() {
    let world = World::start().await;
    let program = world
        .program(json!({"attribution": {"window_days": 7}}))
        .await;
    let link = program.link(&ann(&program).await).to_lowercase();
    let answer = world
        .visit(&format!(
            "{link}?ch=email&utm_source=news&utm_medium=mail&other=1"
        ))
        .await;
    let token = click_token(&answer);
    let location = answer.header("location");
    for part in [
        "https://bakery.example/welcome?shop=1",
        "ref=ANN-BAKES",
        "utm_source=news",
        "utm_medium=mail",
    ] {
        assert!(location.contains(part), "{part} in {location}");
    }
    assert!(!location.contains("other"), "{location}");
    assert_eq!(
        answer.header("set-cookie"),
        format!("kith_click={token}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=604800")
    );
    assert_eq!(answer.header("cache-control"), "no-store");
    world.bundle.shutdown().await;
}

/// Same visitor, same code, same hour: one click. The token remembers the first touch and the latest.
#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_clicks_once_an_hour_and_keeps_the_first_touch() {
    let world = World::start().await;
    let first_click = json!({"attribution": {"model": "first_click"}});
    let program = world.program(first_click).await;
    let (ann, bob) = (ann(&program).await, program.referrer("bob").await);
    let first = click_token(&world.visit(&program.link(&ann)).await);
    let cookie = format!("kith_click={first}");
    let latest = visit(
        &program,
        &program.link(&bob),
        &[("user-agent", BROWSER), ("cookie", &cookie)],
    )
    .await;
    let body = json!({"click_tokens": [click_token(&latest)]});
    let conversion = program.convert("order-1", body).await.expect(201);
    assert_eq!(conversion["attribution"]["referrer_id"], ann["id"]);
    assert_eq!(
        conversion["attribution"]["considered"]
            .as_array()
            .unwrap()
            .len(),
        2
    );

    let again = click_token(&world.visit(&program.link(&ann)).await);
    let body = json!({"click_tokens": [again]});
    let second = program.convert("order-2", body).await.expect(201);
    assert_eq!(
        second["attribution"]["click_id"],
        conversion["attribution"]["click_id"]
    );
    world.bundle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_prefetches_and_people_who_object_get_the_plain_redirect() {
    let world = World::start().await;
    let program = world.program(json!({})).await;
    let link = program.link(&ann(&program).await);
    for agent in PREVIEWS {
        assert_plain(&visit(&program, &link, &[("user-agent", agent)]).await);
    }
    assert_plain(&visit(&program, &link, &[]).await);
    for (name, value) in [
        ("sec-purpose", "prefetch;prerender"),
        ("purpose", "prefetch"),
        ("x-moz", "prefetch"),
        ("sec-gpc", "1"),
    ] {
        assert_plain(&visit(&program, &link, &[("user-agent", BROWSER), (name, value)]).await);
    }
    let head = world
        .send(
            world
                .request(Method::HEAD, &link)
                .header("user-agent", BROWSER),
        )
        .await;
    assert_plain(&head);
    program
        .patch("", json!({"consent": {"tracking": "required"}}))
        .await
        .expect(200);
    assert_plain(&world.visit(&link).await);
    program
        .patch("", json!({"consent": null, "state": "paused"}))
        .await
        .expect(200);
    assert_plain(&world.visit(&link).await);
    world.bundle.shutdown().await;
}

/// Consent given after landing: the site asks, then records the click itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_site_records_a_click_after_consent() {
    let world = World::start().await;
    let program = world
        .program(json!({"consent": {"tracking": "required"}}))
        .await;
    ann(&program).await;
    let made = world
        .post(
            &program.key,
            "/v1/keys",
            json!({"name": "site", "program_id": program.id, "publishable": true}),
        )
        .await;
    let key = text(&made.expect(201)["key"]).to_owned();
    assert!(key.starts_with("kith_pub_test_"));
    let path = program.path("/clicks");
    let without = world.post(&key, &path, json!({"code": "ANN-BAKES"})).await;
    assert_eq!(without.problem(422), "invalid_request");
    let click = world
        .post(
            &key,
            &path,
            json!({"code": "ann-bakes", "channel": "app", "consent": {"tracking": true}}),
        )
        .await;
    assert_eq!(click.header("access-control-allow-origin"), "*");
    let click = click.expect(201);
    let body = json!({"click_tokens": [click["click_token"]]});
    let conversion = program.convert("order-1", body).await.expect(201);
    assert_eq!(conversion["attribution"]["click_id"], click["click_id"]);
    assert_eq!(conversion["attribution"]["channel"], "app");
    // A publishable key does nothing else.
    assert_eq!(
        world
            .get(&key, &program.path("/rewards"))
            .await
            .problem(403),
        "missing_scope"
    );
    world.bundle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_or_disabled_code_is_a_friendly_404() {
    let world = World::start().await;
    let program = world.program(json!({})).await;
    let ann = ann(&program).await;
    let link = program.link(&ann);
    let path = format!("/participants/{}/codes/ANN-BAKES", text(&ann["id"]));
    program
        .patch(&path, json!({"state": "disabled"}))
        .await
        .expect(200);
    for link in [
        link.as_str(),
        "/t/nobody-has-this",
        "/t/a",
        "/t/%FF",
        "/r/ANN-BAKES",
    ] {
        let page = visit(
            &program,
            link,
            &[("user-agent", BROWSER), ("accept", "text/html")],
        )
        .await;
        assert_eq!(page.status, 404, "{link}");
        assert!(
            page.header("content-type").starts_with("text/html"),
            "{link}"
        );
        let problem = visit(
            &program,
            link,
            &[("user-agent", BROWSER), ("accept", "application/json")],
        )
        .await;
        assert_eq!(problem.problem(404), "not_found");
    }
    let conversion = program
        .convert("order-1", json!({"codes": ["ANN-BAKES"]}))
        .await
        .expect(201);
    assert_eq!(conversion["attribution"]["reason"], "disabled_code");
    assert_eq!(
        conversion["codes"],
        json!([{"code": "ANN-BAKES", "is": "disabled"}])
    );
    world.bundle.shutdown().await;
}

/// A redirect never fails because something behind it does: the code is known, so it happens.
#[tokio::test(flavor = "multi_thread")]
async fn the_redirect_happens_while_the_table_is_away() {
    let world = World::start().await;
    let program = world.program_of(&world.live_key(), json!({})).await;
    let link = program.link(&ann(&program).await);
    click_token(&world.visit(&link).await);
    world.plan(|_| Some(Fault::Throttle));
    let answer = visit(
        &program,
        &link,
        &[("user-agent", &format!("{BROWSER} another visitor"))],
    )
    .await;
    click_token(&answer);
    let unknown = world.visit("/r/never-seen-before").await;
    assert_eq!(unknown.status, 503);
    world.heal();
    world.bundle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_never_leaves_the_programs_hosts() {
    let world = World::start().await;
    let program = world
        .program(json!({"allowed_hosts": ["shop.example"]}))
        .await;
    let link = program.link(&ann(&program).await);
    for (to, host) in [
        ("/cakes", "https://bakery.example/cakes"),
        ("https://shop.example/x", "https://shop.example/x"),
        ("//evil.example", "https://bakery.example/welcome"),
        ("https://evil.example", "https://bakery.example/welcome"),
        ("javascript:alert(1)", "https://bakery.example/welcome"),
        ("/%5Cevil.example", "https://bakery.example/"),
        (
            "https://shop.example@evil.example",
            "https://bakery.example/welcome",
        ),
    ] {
        let answer = world.visit(&format!("{link}?to={to}")).await;
        assert!(
            answer.header("location").starts_with(host),
            "{to}: {}",
            answer.header("location")
        );
    }
    world.bundle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_qr_code_is_drawn_for_a_link_that_works() {
    let world = World::start().await;
    let program = world.program(json!({})).await;
    let link = program.link(&ann(&program).await);
    let drawn = world.visit(&format!("{link}/qr.svg")).await;
    assert_eq!(
        (drawn.status.as_u16(), drawn.header("content-type")),
        (200, "image/svg+xml")
    );
    assert_eq!(world.visit("/t/nobody-has-this/qr.svg").await.status, 404);
    world.bundle.shutdown().await;
}

/// Once a program is known here, another code of it costs one read, and a known code none.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_read_once_for_all_its_codes() {
    let world = World::start().await;
    let program = world.program_of(&world.live_key(), json!({})).await;
    let (ann, bob) = (ann(&program).await, program.referrer("bob").await);
    world.settle().await;
    let asked = async |participant: &Value| {
        let seen = || -> Vec<String> {
            let faults = world.faults.lock().unwrap();
            faults
                .iter()
                .flat_map(|faults| faults.take_seen())
                .collect()
        };
        seen();
        click_token(&world.visit(&program.link(participant)).await);
        seen()
    };
    assert_eq!(asked(&ann).await.last().unwrap(), "PutItem");
    assert_eq!(asked(&bob).await, ["BatchGetItem", "PutItem"]);
    assert_eq!(asked(&bob).await, ["PutItem"]);
    world.bundle.shutdown().await;
}
