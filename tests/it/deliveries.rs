//! Webhooks as a shop receives them: signed, again until they are taken, and never later because somebody else
//! fails.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use kith_connectors::signing::{self, Secret};
use kith_connectors::{Destination, Reach};
use kith_edge::{Clock, Environment};
use kith_local::listen::{self, Listen, ListenError};
use serde_json::{Value, json};

use crate::books::all;
use crate::shop::{Manner, Received, Shop, endpoint, rude};
use crate::world::{Program, World, text};

async fn deliveries(program: &Program<'_>, webhook: &str) -> Vec<Value> {
    all(program, &format!("/webhooks/{webhook}/deliveries")).await
}

/// What happened is told once, as the feed tells it, signed with the endpoint's own secret.
#[tokio::test(flavor = "multi_thread")]
async fn a_shop_is_told_what_it_asked_for_and_can_check_who_says_so() {
    let (world, shop) = (World::start().await, Shop::open().await);
    let program = world.program(json!({})).await;
    let (webhook, secret) = endpoint(&program, &shop.url("/kith"), json!(["reward.issued"])).await;
    let (_, other) = endpoint(&program, &shop.url("/all"), json!([])).await;
    let ann = program.referrer("ann").await;
    let token = program.click(&ann).await;
    program
        .convert("order-1", json!({"click_tokens": [token]}))
        .await
        .expect(201);
    world.settle().await;
    let told = all(&program, "/events").await;
    let issued: Vec<&Value> = told
        .iter()
        .filter(|event| event["type"] == "reward.issued")
        .collect();
    assert_eq!(issued.len(), 2);

    let received = shop.received("/kith");
    assert_eq!(received.len(), 2);
    for call in &received {
        let event = call.event();
        assert!(issued.contains(&&event), "{event} is none of {issued:?}");
        assert_eq!(event["id"], call.id());
        assert_eq!(call.headers["content-type"], "application/json");
        assert_eq!(
            call.headers["kith-ordering-key"],
            text(&event["data"]["reward_id"])
        );
        let secrets = [secret.clone()];
        let id = signing::verify(&call.headers, &secrets, &call.body, Timestamp::now()).unwrap();
        assert_eq!(id, call.id());
        let others = [other.clone()];
        assert!(signing::verify(&call.headers, &others, &call.body, Timestamp::now()).is_err());
        let text = String::from_utf8_lossy(&call.body);
        assert!(
            !text.contains("example.com") && !text.contains("\"ann"),
            "{text}"
        );
    }
    // Whoever asked for everything got everything that happened since, each once.
    let mut everything: Vec<String> = shop.received("/all").iter().map(Received::id).collect();
    everything.sort();
    let since = told
        .iter()
        .filter(|event| event["type"] != "program.updated");
    let mut expected: Vec<String> = since.map(|event| text(&event["id"]).to_owned()).collect();
    expected.sort();
    everything.retain(|id| expected.contains(id));
    assert_eq!(everything, expected);

    let listed = deliveries(&program, &webhook).await;
    assert_eq!(listed.len(), 2);
    for delivery in &listed {
        assert_eq!(delivery["state"], "delivered");
        assert_eq!(delivery["attempts"].as_array().unwrap().len(), 1);
        assert_eq!(delivery["attempts"][0]["status"], 200);
        assert_eq!(delivery["attempts"][0]["excerpt"], "thank you");
    }
    world.bundle.shutdown().await;
}

/// A day of failures, and then the shop is back: the same message under the same id, and nothing is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_shop_that_was_down_for_a_day_gets_everything() {
    let (world, shop) = (World::start().await, Shop::open().await);
    let program = world.program(json!({})).await;
    let (webhook, secret) =
        endpoint(&program, &shop.url("/kith"), json!(["participant.created"])).await;
    shop.behaves("/kith", Manner::Says(500));
    program.referrer("ann").await;
    world.settle().await;
    program.advance(86_400).await;
    let tries = shop.received("/kith");
    // At once, and after 1 and 5 minutes, half an hour, 2, 5 and 10 hours: the next would be 14 hours later.
    assert_eq!(tries.len(), 7, "{tries:?}");
    let listed = deliveries(&program, &webhook).await;
    assert_eq!(listed[0]["state"], "pending");
    assert_eq!(listed[0]["attempts"].as_array().unwrap().len(), 7);
    assert_eq!(listed[0]["attempts"][6]["excerpt"], "our <b>own</b> words");
    shop.behaves("/kith", Manner::Takes);
    program.advance(86_400).await;
    let tries = shop.received("/kith");
    assert_eq!(tries.len(), 8);
    for call in &tries {
        assert_eq!(call.id(), tries[0].id());
        assert_eq!(call.body, tries[0].body);
        let secrets = [secret.clone()];
        signing::verify(&call.headers, &secrets, &call.body, Timestamp::now()).unwrap();
    }
    assert_eq!(
        deliveries(&program, &webhook).await[0]["state"],
        "delivered"
    );
    world.bundle.shutdown().await;
}

/// An endpoint that fails in whichever way costs the others nothing, and its owner sees how it failed.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_an_endpoint_that_fails() {
    let (world, shop) = (World::start().await, Shop::open().await);
    let program = world.program(json!({})).await;
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/kith", listener.local_addr().unwrap())
    };
    // What claims to be longer than it is was still taken: its status came.
    let short = rude(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nno").await;
    let gibberish = rude(b"HELO shop.example\r\n\r\n").await;
    let manners = [
        ("/good", Manner::Takes),
        ("/hangs", Manner::Hangs),
        ("/redirects", Manner::Redirects),
        ("/waits", Manner::Waits(7_200)),
        ("/dawdles", Manner::Dawdles),
    ];
    for (path, manner) in manners {
        shop.behaves(path, manner);
    }
    let urls = manners.map(|(path, _)| (path, shop.url(path)));
    let more = [
        ("/refuses", closed),
        ("/resets", rude(b"").await),
        ("/lies", short),
        ("/raves", gibberish),
    ];
    let mut webhooks = BTreeMap::new();
    for (path, url) in urls.into_iter().chain(more) {
        let (webhook, _) = endpoint(&program, &url, json!(["participant.created"])).await;
        webhooks.insert(path, webhook);
    }
    let begun = Instant::now();
    let people = ["ann", "bob", "cem"];
    for name in people {
        program.referrer(name).await;
    }
    // Whoever hangs has fifteen seconds: one after the other, the third would come after thirty.
    while shop.received("/good").len() < people.len() {
        let waited = begun.elapsed();
        assert!(
            waited < Duration::from_secs(30),
            "the others were waited for"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.settle().await;
    let expected = [
        ("/good", "delivered", "answered", json!(200)),
        ("/hangs", "pending", "timed_out", Value::Null),
        ("/redirects", "pending", "answered", json!(307)),
        ("/waits", "pending", "answered", json!(429)),
        ("/dawdles", "delivered", "answered", json!(200)),
        ("/refuses", "pending", "refused", Value::Null),
        ("/resets", "pending", "broken", Value::Null),
        ("/lies", "delivered", "answered", json!(200)),
        ("/raves", "pending", "broken", Value::Null),
    ];
    for (path, state, end, status) in expected {
        let listed = deliveries(&program, &webhooks[path]).await;
        assert_eq!(listed.len(), people.len(), "{path}");
        for delivery in listed {
            let attempt = &delivery["attempts"][0];
            let told = (&delivery["state"], &attempt["end"], &attempt["status"]);
            assert_eq!(told, (&json!(state), &json!(end), &status), "{path}");
        }
    }
    assert_eq!(shop.received("/elsewhere").len(), 0);
    // Whoever hangs would hold up the clock, fifteen seconds at each step.
    shop.behaves("/hangs", Manner::Takes);
    let before = shop.received("/waits").len();
    program.advance(7_000).await;
    assert_eq!(shop.received("/waits").len(), before);
    program.advance(2_000).await;
    assert!(shop.received("/waits").len() > before);
    world.bundle.shutdown().await;
}

/// A clock that is a second behind.
#[derive(Debug)]
struct Slow(Arc<dyn Clock>);

impl Clock for Slow {
    fn now(&self) -> Timestamp {
        self.0.now() - SignedDuration::from_secs(1)
    }
}

/// What is to be posted at once does not wait for a worker whose clock is a little slow: of a test program nobody
/// would look again before its clock is moved.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_clock_is_slow_posts_at_once() {
    let world = World::with(|options| {
        let usual = kith_local::registry();
        let slow = move |environment: &Environment| {
            let mut environment = environment.clone();
            environment.clock = Arc::new(Slow(environment.clock));
            let construct = usual.constructor("event-delivery").unwrap();
            construct(&environment)
        };
        options.registry = kith_local::registry().with("event-delivery", slow);
    })
    .await;
    let shop = Shop::open().await;
    let program = world.program(json!({})).await;
    endpoint(&program, &shop.url("/kith"), json!([])).await;
    program.referrer("ann").await;
    world.settle().await;
    assert_eq!(shop.received("/kith").len(), 1);
    world.bundle.shutdown().await;
}

/// Where the owner reads.
const OWNER: &str = "joe@bakery.example";

/// Whoever is gone, or has failed for days, is told no more, and the owner can see why.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_gone_or_fails_for_days_is_given_up() {
    let (world, shop) = (World::start().await, Shop::open().await);
    let program = world.program(json!({"owner_email": OWNER})).await;
    let types = json!(["participant.created"]);
    shop.behaves("/gone", Manner::Says(410));
    shop.behaves("/dead", Manner::Says(503));
    let (gone, _) = endpoint(&program, &shop.url("/gone"), types.clone()).await;
    let (dead, _) = endpoint(&program, &shop.url("/dead"), types.clone()).await;
    program.referrer("ann").await;
    world.settle().await;
    let state = async |webhook: &str| {
        let endpoint = program
            .get(&format!("/webhooks/{webhook}"))
            .await
            .expect(200);
        (
            endpoint["state"].clone(),
            endpoint["disabled_reason"].clone(),
        )
    };
    assert_eq!(state(&gone).await, (json!("disabled"), json!("gone")));
    assert_eq!(state(&dead).await, (json!("active"), Value::Null));
    // Its deliveries fail one after the other for six days.
    for (day, name) in ["bob", "cem", "dee", "eva", "fay"].iter().enumerate() {
        program.advance(86_400).await;
        program.referrer(name).await;
        world.settle().await;
        assert_eq!(shop.received("/gone").len(), 1, "day {day}");
    }
    program.advance(86_400).await;
    assert_eq!(state(&dead).await, (json!("disabled"), json!("failing")));
    let told = all(&program, "/events?type=webhook.disabled").await;
    assert_eq!(told.len(), 2);
    // The owner was told of each, once, and their address stands nowhere else.
    let mails = all(&program, "/test-mails").await;
    let to_owner: Vec<&Value> = mails.iter().filter(|mail| mail["to"] == OWNER).collect();
    assert_eq!(to_owner.len(), 2, "{mails:?}");
    for (webhook, why) in [(&dead, "for five days"), (&gone, "(410)")] {
        let mut told = to_owner.iter().map(|mail| text(&mail["text"]));
        let is_told = told.any(|text| text.contains(webhook.as_str()) && text.contains(why));
        assert!(is_told, "{webhook}: {to_owner:?}");
    }
    for path in ["", "/audit", "/events", "/webhooks"] {
        let answer = program.get(path).await;
        answer.expect(200);
        assert!(!answer.text.contains(OWNER), "{path}: {}", answer.text);
    }
    assert_eq!(program.get("").await.expect(200)["has_owner_email"], true);
    let tries = shop.received("/dead").len();
    program.referrer("gus").await;
    program.advance(86_400).await;
    assert_eq!(shop.received("/dead").len(), tries);
    // The owner has mended it.
    shop.behaves("/dead", Manner::Takes);
    let body = json!({"state": "active"});
    program
        .patch(&format!("/webhooks/{dead}"), body)
        .await
        .expect(200);
    program.referrer("hal").await;
    world.settle().await;
    assert_eq!(shop.received("/dead").len(), tries + 1);
    world.bundle.shutdown().await;
}

/// Asked for again, it comes again, under the same id; a test comes to the endpoint that was asked alone.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_lost_is_asked_for_again() {
    let (world, shop) = (World::start().await, Shop::open().await);
    let program = world.program(json!({})).await;
    program.referrer("ann").await;
    let types = json!(["participant.created"]);
    let (one, _) = endpoint(&program, &shop.url("/one"), types.clone()).await;
    let (_, _) = endpoint(&program, &shop.url("/two"), types.clone()).await;
    // It happened before anybody listened.
    let told = all(&program, "/events?type=participant.created").await;
    let event = text(&told[0]["id"]).to_owned();
    let path = format!("/events/{event}/redeliver");
    program
        .post(&path, json!({"webhook_id": one}))
        .await
        .expect(202);
    world.settle().await;
    assert_eq!(shop.received("/one").len(), 1);
    assert_eq!(shop.received("/two").len(), 0);
    program.post(&path, json!({})).await.expect(202);
    world.settle().await;
    let ids: Vec<String> = shop.received("/one").iter().map(Received::id).collect();
    assert_eq!(ids, [event.clone(), event.clone()]);
    assert_eq!(shop.received("/two").len(), 1);
    program
        .post(&format!("/webhooks/{one}/test"), json!({}))
        .await
        .expect(202);
    world.settle().await;
    assert_eq!(
        shop.received("/one").last().unwrap().event()["type"],
        "webhook.test"
    );
    assert_eq!(shop.received("/two").len(), 1);
    world.bundle.shutdown().await;
}

/// What `listen` forwards is what a webhook would have brought, from when it began, and again until it is taken.
#[tokio::test(flavor = "multi_thread")]
async fn a_developer_listens() {
    let (world, shop) = (World::start().await, Shop::open().await);
    let program = world.program(json!({})).await;
    program.referrer("ann").await;
    world.settle().await;
    let secret = Secret::of_random([7; 32]);
    let asked = |program: &Program<'_>| Listen {
        kith: world.bundle.base_url().parse().unwrap(),
        program: program.id.parse().unwrap(),
        forward_to: Destination::parse(&shop.url("/kith"), Reach::LocalToo).unwrap(),
    };
    let (said, mut lines) = tokio::sync::mpsc::unbounded_channel();
    let running = {
        let (listen, key, secret) = (asked(&program), program.key.clone(), secret.clone());
        tokio::spawn(async move {
            let say = |line: &str| said.send(line.to_owned()).unwrap_or_default();
            listen::run(&listen, &key, secret, say).await
        })
    };
    let next = lines.recv().await.unwrap();
    assert!(next.contains(&shop.url("/kith")), "{next}");
    assert_eq!(
        lines.recv().await.unwrap(),
        format!("signed with {}", secret.reveal())
    );
    shop.behaves("/kith", Manner::Says(503));
    program.referrer("bob").await;
    let refused = lines.recv().await.unwrap();
    assert!(
        refused.contains("participant.created") && refused.contains("503"),
        "{refused}"
    );
    shop.behaves("/kith", Manner::Takes);
    while !lines.recv().await.unwrap().contains(" 200 ") {}
    running.abort();
    let told = all(&program, "/events?type=participant.created").await;
    let received = shop.received("/kith");
    for call in &received {
        assert_eq!(call.event(), told[1]);
        let secrets = [secret.clone()];
        let id = signing::verify(&call.headers, &secrets, &call.body, Timestamp::now()).unwrap();
        assert_eq!(id, text(&told[1]["id"]));
    }

    let refused = listen::run(&asked(&program), "kith_nobody", secret.clone(), |_| {}).await;
    assert!(
        matches!(refused, Err(ListenError::Refused { status: 401, .. })),
        "{refused:?}"
    );
    let live = world.program_of(&world.live_key(), json!({})).await;
    live.referrer("cem").await;
    let refused = listen::run(&asked(&live), &live.key, secret, |_| {}).await;
    assert!(matches!(refused, Err(ListenError::Live)), "{refused:?}");
    world.bundle.shutdown().await;
}

/// The example of docs/WEBHOOKS.md is right.
#[test]
fn the_vector_of_the_documentation_verifies() {
    let page = include_str!("../../docs/WEBHOOKS.md");
    let cell = |name: &str| {
        let row = page
            .lines()
            .find(|line| line.starts_with(&format!("| {name} | `")));
        let row = row.unwrap_or_else(|| panic!("no row {name}"));
        row.split('`').nth_back(1).unwrap().to_owned()
    };
    let mut headers = HeaderMap::new();
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        let value = cell(&format!("`{name}`")).parse().unwrap();
        headers.insert(name, value);
    }
    let secrets = [Secret::parse(&cell("secret")).unwrap()];
    let at = Timestamp::from_second(cell("`webhook-timestamp`").parse().unwrap()).unwrap();
    let body = cell("body");
    assert!(signing::verify(&headers, &secrets, body.as_bytes(), at).is_ok());
    assert!(signing::verify(&headers, &secrets, b"{}", at).is_err());
}
