//! Endpoints of webhooks as their owner keeps them. How deliveries arrive is in `deliveries.rs`.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use crate::books::all;
use crate::samples::{self, NOBODY};
use crate::world::{Answer, Program, World, text};

async fn made(program: &Program<'_>, body: Value) -> Value {
    program.post("/webhooks", body).await.expect(201)
}

fn path(webhook: &Value) -> String {
    format!("/webhooks/{}", text(&webhook["id"]))
}

async fn delete(program: &Program<'_>, path: &str) -> Answer {
    let request = program.world.request(Method::DELETE, &program.path(path));
    program.world.send(request.bearer_auth(&program.key)).await
}

/// Of what the program's commits believe that somebody is told: `None` for nothing.
async fn heard_of(program: &Program<'_>) -> Option<String> {
    let own = format!("PROGRAM#{}", program.id);
    let items = samples::table(program.world, |pk| pk == own).await;
    items[&(own, "PROGRAM".to_owned())].get("heard_of").cloned()
}

/// Sends it again for as long as others are in between, as the answer asks for.
async fn insist(program: &Program<'_>, method: Method, path: &str, body: &Value) -> Answer {
    loop {
        let request = program.world.request(method.clone(), &program.path(path));
        let request = request.bearer_auth(&program.key).json(body);
        let answer = program.world.send(request).await;
        if answer.status != 409 || answer.problem(409) != "concurrent_change" {
            return answer;
        }
    }
}

/// The secret is in the answer that made it, and nowhere else.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_told_once() {
    let world = World::start().await;
    let program = world.program(json!({})).await;
    let first = made(&program, json!({"url": NOBODY, "types": ["reward.issued"]})).await;
    let secret = text(&first["secret"]).to_owned();
    assert!(secret.starts_with("whsec_"), "{secret}");
    assert!(text(&first["id"]).starts_with("whk_"));
    let known = json!({"id": first["id"], "url": NOBODY, "types": ["reward.issued"], "state": "active",
        "disabled_reason": null, "secrets": [{"until": null}], "created_at": first["created_at"], "version": 1});
    let at = path(&first);
    assert_eq!(program.get(&at).await.expect(200), known);
    // What was read can be sent back.
    assert_eq!(program.patch(&at, known.clone()).await.expect(200), known);

    let rotate = format!("{at}/rotate");
    let request = || {
        let request = world.request(Method::POST, &program.path(&rotate));
        let request = request.header("idempotency-key", "rotate");
        world.send(
            request
                .bearer_auth(&program.key)
                .json(&json!({"overlap_hours": 2})),
        )
    };
    let rotated = request().await.expect(200);
    let again = request().await.expect(200);
    assert_eq!(again["secret"], Value::Null);
    assert_eq!(again["secrets"], rotated["secrets"]);
    assert_ne!(rotated["secret"], first["secret"]);
    assert_eq!(rotated["version"], 2);
    let secrets = rotated["secrets"].as_array().unwrap();
    assert_eq!((secrets.len(), &secrets[0]["until"]), (2, &Value::Null));
    let until: Timestamp = text(&secrets[1]["until"]).parse().unwrap();
    let hours = until.duration_since(Timestamp::now());
    assert!((110..=120).contains(&hours.as_mins()), "{until}");
    // At once: nothing but the newest signs.
    let last = program
        .post(&rotate, json!({"overlap_hours": 0}))
        .await
        .expect(200);
    assert_eq!(last["secrets"], json!([{"until": null}]));
    for hours in [json!(-1), json!(169), json!("1")] {
        let refused = program.post(&rotate, json!({"overlap_hours": hours})).await;
        assert_eq!(refused.problem(422), "invalid_request");
    }

    program
        .post(&format!("{at}/test"), json!({}))
        .await
        .expect(202);
    world.settle().await;
    let mut told = String::new();
    for rest in [
        "/webhooks",
        &at,
        &format!("{at}/deliveries"),
        "/audit",
        "/events",
    ] {
        let answer = program.get(rest).await;
        answer.expect(200);
        told += &answer.text;
    }
    assert!(told.contains("webhook.test") && told.contains("rotate_webhook_secret"));
    for secret in [&first, &rotated, &last] {
        let secret = text(&secret["secret"]).strip_prefix("whsec_").unwrap();
        assert!(!told.contains(secret) && !told.contains("whsec_"));
    }
    world.bundle.shutdown().await;
}

/// Whatever does not lead to the internet is refused at `/url`, and so is what leads nowhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_url_that_webhooks_must_not_go_to_is_refused() {
    let world = World::start().await;
    let program = world.program(json!({})).await;
    let endpoint = made(&program, json!({"url": NOBODY})).await;
    let long = format!("https://hooks.example.com/{}", "a".repeat(2_048));
    let refused = [
        ("", "must be a whole URL"),
        ("hooks.example.com", "must be a whole URL"),
        ("ftp://hooks.example.com/", "must begin with https://"),
        ("http://hooks.example.com/", "must begin with https://"),
        ("https://ann:secret@hooks.example.com/", "user name"),
        ("https://hooks.example.com/#part", "must not contain #"),
        ("https://hooks.example.com/a b", "white space"),
        ("https://hooks/", "must name its host in full"),
        (
            "https://hooks.internal/",
            "must name a host on the internet",
        ),
        (
            "https://10.0.0.1/",
            "must lead to an address on the internet",
        ),
        (
            "https://169.254.169.254/latest/meta-data",
            "must lead to an address on the internet",
        ),
        (
            "https://0x7f.1.example.local/",
            "must name a host on the internet",
        ),
        (
            "https://[fd00::1]/",
            "must lead to an address on the internet",
        ),
        (
            "https://[::ffff:10.0.0.1]/",
            "must lead to an address on the internet",
        ),
        ("https://hooks.example.com:0/", "must name a port"),
        (long.as_str(), "must be at most 2048 bytes"),
        ("https://nobody.has-this-name-for-kith.com/", "found"),
    ];
    for (url, why) in refused {
        for answer in [
            program.post("/webhooks", json!({"url": url})).await,
            program.patch(&path(&endpoint), json!({"url": url})).await,
        ] {
            assert_eq!(
                answer.problem(422),
                "invalid_request",
                "{url}: {}",
                answer.text
            );
            let error = &answer.json()["errors"][0];
            assert_eq!(error["pointer"], "/url", "{url}");
            assert!(text(&error["detail"]).contains(why), "{url}: {error}");
            assert!(!answer.text.contains("secret"), "{}", answer.text);
        }
    }
    for body in [
        json!({}),
        json!({"url": null}),
        json!({"url": NOBODY, "types": ["reward.nope"]}),
        json!({"url": NOBODY, "types": "reward.issued"}),
        json!({"url": NOBODY, "secret": "whsec_mine"}),
    ] {
        let answer = program.post("/webhooks", body).await;
        assert_eq!(answer.problem(422), "invalid_request", "{}", answer.text);
    }
    assert_eq!(all(&program, "/webhooks").await.len(), 1);
    world.bundle.shutdown().await;
}

/// Who hears of what, and that commits know it.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_known_to_whoever_commits() {
    let world = World::start().await;
    let program = world.program(json!({})).await;
    assert_eq!(heard_of(&program).await, None);
    let one = made(
        &program,
        json!({"url": NOBODY, "types": ["participant.created"]}),
    )
    .await;
    assert_eq!(
        heard_of(&program).await.unwrap(),
        "[\"participant.created\"]"
    );
    let two = made(&program, json!({"url": NOBODY, "types": []})).await;
    assert_eq!(heard_of(&program).await.unwrap(), "[]");
    let (one, two) = (path(&one), path(&two));
    let off = program
        .patch(&two, json!({"state": "disabled"}))
        .await
        .expect(200);
    assert_eq!(
        (&off["disabled_reason"], &off["version"]),
        (&json!("owner"), &json!(2))
    );
    assert_eq!(
        heard_of(&program).await.unwrap(),
        "[\"participant.created\"]"
    );
    let types = json!({"types": ["reward.issued", "reward.issued"]});
    let changed = program.patch(&one, types).await.expect(200);
    assert_eq!(changed["types"], json!(["reward.issued"]));
    assert_eq!(heard_of(&program).await.unwrap(), "[\"reward.issued\"]");
    let changed = program
        .patch(&one, json!({"types": null}))
        .await
        .expect(200);
    assert_eq!(
        (&changed["types"], &changed["version"]),
        (&json!([]), &json!(3))
    );
    assert_eq!(heard_of(&program).await.unwrap(), "[]");

    let guarded = async |version: &str| {
        let request = world.request(Method::PATCH, &program.path(&one));
        let request = request
            .header("if-match", version)
            .bearer_auth(&program.key);
        let change = json!({"url": "http://127.0.0.1:9/hook/2"});
        world.send(request.json(&change)).await
    };
    assert_eq!(guarded("\"2\"").await.problem(412), "version_conflict");
    assert_eq!(guarded("\"3\"").await.expect(200)["version"], 4);
    for change in [
        json!({"url": null}),
        json!({"state": null}),
        json!({"state": "gone"}),
        json!({"disabled_reason": "gone"}),
        json!({"version": 9}),
    ] {
        let refused = program.patch(&one, change).await;
        assert_eq!(refused.problem(422), "invalid_request", "{}", refused.text);
    }

    // What failed is forgotten with the endpoint, or when it begins anew.
    let failing = async || {
        let id = program.id.clone();
        let items = samples::table(&world, |pk| pk.contains(&id)).await;
        let kinds = items.values().filter_map(|item| item.get("kind"));
        kinds.filter(|kind| *kind == "webhook_failing").count()
    };
    program
        .post(&format!("{one}/test"), json!({}))
        .await
        .expect(202);
    world.settle().await;
    assert_eq!(failing().await, 1);
    program
        .patch(&one, json!({"state": "disabled"}))
        .await
        .expect(200);
    assert_eq!((failing().await, heard_of(&program).await), (1, None));
    let test = program.post(&format!("{one}/test"), json!({})).await;
    assert_eq!(test.problem(409), "webhook_disabled");
    let on = program
        .patch(&one, json!({"state": "active"}))
        .await
        .expect(200);
    assert_eq!(on["disabled_reason"], Value::Null);
    assert_eq!(failing().await, 0);
    program
        .post(&format!("{one}/test"), json!({}))
        .await
        .expect(202);
    world.settle().await;
    assert_eq!(failing().await, 1);
    assert_eq!(delete(&program, &one).await.status, 204);
    assert_eq!((failing().await, heard_of(&program).await), (0, None));
    for answer in [
        program.get(&one).await,
        program.get(&format!("{one}/deliveries")).await,
        delete(&program, &one).await,
    ] {
        assert_eq!(answer.problem(404), "not_found");
    }
    world.bundle.shutdown().await;
}

/// Ten and no more, and nobody is missed, however many are made and taken away at once.
#[tokio::test(flavor = "multi_thread")]
async fn changes_at_once_do_not_miss_each_other() {
    let world = samples::world().await;
    let program = world.program(json!({})).await;
    let kinds = [
        "reward.issued",
        "reward.created",
        "reward.failed",
        "reward.expired",
        "refund.recorded",
        "refund.reversed",
        "payout.opened",
        "payout.closed",
        "survey.sent",
        "survey.closed",
        "referral.created",
        "program.updated",
    ];
    let new = |kind: &str| json!({"url": NOBODY, "types": [kind]});
    let bodies: Vec<Value> = kinds.iter().map(|kind| new(kind)).collect();
    let calls = bodies
        .iter()
        .map(|body| insist(&program, Method::POST, "/webhooks", body));
    let answers = join_all(calls).await;
    let refused: Vec<&Answer> = answers
        .iter()
        .filter(|answer| answer.status != 201)
        .collect();
    assert_eq!(refused.len(), 2);
    for answer in refused {
        assert_eq!(answer.problem(409), "too_many_webhooks");
    }
    let known = all(&program, "/webhooks").await;
    assert_eq!(known.len(), 10);
    let types: BTreeSet<&str> = known.iter().map(|one| text(&one["types"][0])).collect();
    let heard = heard_of(&program).await.unwrap();
    assert_eq!(types.len(), 10);
    for kind in types {
        assert!(heard.contains(kind), "{kind} in {heard}");
    }

    // One listener goes and another comes: of each such pair the second is heard of.
    for round in 0..5 {
        let known = all(&program, "/webhooks").await;
        for one in &known {
            insist(&program, Method::DELETE, &path(one), &json!({}))
                .await
                .expect(204);
        }
        assert_eq!(heard_of(&program).await, None);
        let old = made(&program, new("reward.issued")).await;
        let (body, none) = (new("reward.issued"), json!({}));
        let at = path(&old);
        let (came, went) = futures_util::join!(
            insist(&program, Method::POST, "/webhooks", &body),
            insist(&program, Method::DELETE, &at, &none),
        );
        came.expect(201);
        went.expect(204);
        let heard = heard_of(&program).await;
        assert_eq!(
            heard.as_deref(),
            Some("[\"reward.issued\"]"),
            "round {round}"
        );
    }
    world.bundle.shutdown().await;
}

/// Each fact of a commit is an event of its own, which is found by its id alone.
#[tokio::test(flavor = "multi_thread")]
async fn any_event_is_sent_again() {
    let world = samples::world().await;
    let program = samples::program(&world, &world.test_key()).await;
    let ann = program.referrer("ann").await;
    let order = json!({"codes": [ann["code"]]});
    program.convert("order-1", order).await.expect(201);
    world.settle().await;
    let hears = made(
        &program,
        json!({"url": NOBODY, "types": ["conversion.recorded", "reward.created"]}),
    )
    .await;
    let deaf = made(&program, json!({"url": NOBODY, "types": ["payout.opened"]})).await;
    let off = made(&program, json!({"url": NOBODY})).await;
    program
        .patch(&path(&off), json!({"state": "disabled"}))
        .await
        .expect(200);
    let events = all(&program, "/events").await;
    assert!(events.len() > 4, "{events:?}");
    for event in &events {
        let again = format!("/events/{}/redeliver", text(&event["id"]));
        let sent = program.post(&again, json!({})).await.expect(202);
        let hears_of = matches!(
            text(&event["type"]),
            "conversion.recorded" | "reward.created"
        );
        let data = sent["data"].as_array().unwrap();
        assert_eq!(data.len(), usize::from(hears_of), "{event}");
        for delivery in data {
            assert_eq!(delivery["webhook_id"], hears["id"]);
            assert_eq!(delivery["event_id"], event["id"]);
            assert_eq!(delivery["type"], event["type"]);
            assert_eq!(delivery["created_at"], event["created_at"]);
        }
        // By name it goes to whoever is active, and stays one delivery however often it is sent.
        let named = json!({"webhook_id": deaf["id"]});
        let one = program.post(&again, named.clone()).await.expect(202);
        let two = program.post(&again, named).await.expect(202);
        assert_eq!(one["data"][0]["id"], two["data"][0]["id"]);
        let refused = program.post(&again, json!({"webhook_id": off["id"]})).await;
        assert_eq!(refused.problem(409), "webhook_disabled");
    }
    world.settle().await;
    let listed = all(&program, &format!("{}/deliveries", path(&deaf))).await;
    assert_eq!(listed.len(), events.len());
    let unknown = json!({"webhook_id": "whk_00000000000000000000000000"});
    let again = format!("/events/{}/redeliver", text(&events[0]["id"]));
    let refused = program.post(&again, unknown).await;
    assert_eq!(refused.expect(422)["errors"][0]["pointer"], "/webhook_id");
    // Made at the same instant as one there is, and yet another.
    let (same, _) = text(&events[0]["id"]).split_at(14);
    for id in [
        "evt_00000000000000000000000000".to_owned(),
        format!("{same}{}", "0".repeat(16)),
        "evt_x".to_owned(),
    ] {
        let refused = program
            .post(&format!("/events/{id}/redeliver"), json!({}))
            .await;
        assert_eq!(refused.problem(404), "not_found", "{id}");
    }
    world.bundle.shutdown().await;
}

/// A shop that takes whatever comes: its URL, and how much came.
async fn shop() -> (String, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let taken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&taken);
    let router = axum::Router::new().fallback(async move || {
        count.fetch_add(1, Ordering::Relaxed);
        "thank you"
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, taken)
}

/// What went to an endpoint in a while, a part by each call, each delivery once.
#[tokio::test(flavor = "multi_thread")]
async fn a_period_is_sent_again_part_by_part() {
    let world = samples::world().await;
    let program = samples::program(&world, &world.test_key()).await;
    let (url, taken) = shop().await;
    let endpoint = made(
        &program,
        json!({"url": url, "types": ["participant.created"]}),
    )
    .await;
    let other = samples::webhook(&program).await;
    let people = (0..95).map(|number| json!({"external_id": format!("p-{number}")}).to_string());
    let lines = people.collect::<Vec<_>>().join("\n");
    let request = world.request(Method::POST, &program.path("/participants/bulk"));
    let request = request
        .header("content-type", "application/x-ndjson")
        .bearer_auth(&program.key);
    assert_eq!(world.send(request.body(lines)).await.status, 200);
    world.settle().await;
    let at = path(&endpoint);
    let listed = all(&program, &format!("{at}/deliveries")).await;
    assert_eq!(listed.len(), 95);
    let times: Vec<&str> = listed.iter().map(|one| text(&one["created_at"])).collect();
    assert!(
        times.is_sorted_by_key(|time| Reverse(time.parse::<Timestamp>().unwrap())),
        "{times:?}"
    );
    let page = program
        .get(&format!("{at}/deliveries?state=delivered&limit=7"))
        .await
        .expect(200);
    assert_eq!(page["data"].as_array().unwrap()[..], listed[..7]);
    let cursor = text(&page["next_cursor"]);
    let refused = format!(
        "{}/deliveries?state=delivered&cursor={cursor}",
        path(&other)
    );
    assert_eq!(program.get(&refused).await.problem(422), "invalid_request");
    let none = program
        .get(&format!("{at}/deliveries?state=failed"))
        .await
        .expect(200);
    assert_eq!(
        (&none["data"], &none["next_cursor"]),
        (&json!([]), &Value::Null)
    );

    let again = format!("{at}/redeliver");
    let (mut counts, mut cursor) = (Vec::new(), Value::Null);
    assert_eq!(taken.load(Ordering::Relaxed), 95);
    loop {
        let body = json!({"from": "2020-01-01T00:00:00Z", "to": "2120-01-01T00:00:00Z", "state": "delivered", "cursor": cursor});
        let answer = program.post(&again, body).await.expect(200);
        counts.push(answer["redelivered"].as_u64().unwrap());
        cursor = answer["next_cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(counts, [40, 40, 15]);
    world.settle().await;
    assert_eq!(taken.load(Ordering::Relaxed), 190);

    // Half-open, and of the state that is named.
    let (oldest, newest) = (times[94], times[0]);
    let sent = async |from: &str, to: &str, state: &str| {
        let answer = program
            .post(&again, json!({"from": from, "to": to, "state": state}))
            .await;
        answer.expect(200)["redelivered"].clone()
    };
    let late = "2120-01-01T00:00:00Z";
    let last = times.iter().filter(|time| **time == newest).count();
    assert_eq!(sent(newest, late, "delivered").await, last);
    assert_eq!(sent("2020-01-01T00:00:00Z", oldest, "delivered").await, 0);
    assert_eq!(sent("2020-01-01T00:00:00Z", late, "pending").await, 0);
    let answer = program
        .post(&again, json!({"from": oldest, "to": late}))
        .await
        .expect(200);
    assert_eq!(
        (&answer["redelivered"], &answer["next_cursor"]),
        (&json!(0), &Value::Null)
    );
    for bad in [
        json!({"from": late, "to": oldest}),
        json!({"from": oldest}),
        json!({"from": oldest, "to": late, "cursor": "nonsense"}),
        json!({"from": oldest, "to": late, "state": "lost"}),
    ] {
        let refused = program.post(&again, bad).await;
        assert_eq!(refused.problem(422), "invalid_request", "{}", refused.text);
    }
    program
        .patch(&at, json!({"state": "disabled"}))
        .await
        .expect(200);
    let refused = program
        .post(&again, json!({"from": oldest, "to": late}))
        .await;
    assert_eq!(refused.problem(409), "webhook_disabled");
    world.bundle.shutdown().await;
}
