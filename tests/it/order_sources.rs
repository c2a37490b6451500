//! Order sources as their owner keeps them. What they tell is in `orders.rs`.

use reqwest::Method;
use serde_json::{Value, json};

use crate::books::all;
use crate::samples::{self, SOURCE_SECRET};
use crate::world::{Answer, Program, World, text};

fn path(source: &Value) -> String {
    format!("/order-sources/{}", text(&source["id"]))
}

pub(crate) async fn delete(program: &Program<'_>, path: &str) -> Answer {
    let request = program.world.request(Method::DELETE, &program.path(path));
    program.world.send(request.bearer_auth(&program.key)).await
}

/// The secret goes in and never comes out; the address comes out to be entered elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_never_shown() {
    let world = World::start().await;
    let program = world.program(json!({})).await;
    let body = json!({"platform": "stripe", "secret": SOURCE_SECRET, "event": "sale", "amount": "subtotal"});
    let made = program.post("/order-sources", body).await.expect(201);
    let id = text(&made["id"]);
    assert!(id.starts_with("src_"), "{id}");
    let url = format!("{}/in/{}/{id}", world.bundle.base_url(), program.id);
    let expected = json!({"id": id, "platform": "stripe", "event": "sale", "amount": "subtotal", "state": "active",
        "url": url, "secrets": [{"until": null}], "created_at": made["created_at"], "version": 1});
    assert_eq!(made, expected);
    let at = path(&made);
    assert_eq!(program.get(&at).await.expect(200), expected);
    // What was read can be sent back, and so can the same secret.
    assert_eq!(
        program.patch(&at, expected.clone()).await.expect(200),
        expected
    );
    let same = json!({"secret": SOURCE_SECRET});
    assert_eq!(program.patch(&at, same).await.expect(200), expected);

    let other = json!({"secret": "another-secret-of-the-shop", "event": "purchase"});
    let changed = program.patch(&at, other).await.expect(200);
    assert_eq!(
        (&changed["version"], &changed["event"]),
        (&json!(2), &json!("purchase"))
    );
    let until: jiff::Timestamp = text(&changed["secrets"][1]["until"]).parse().unwrap();
    let hours = until.duration_since(jiff::Timestamp::now());
    assert!((1_430..=1_440).contains(&hours.as_mins()), "{until}");
    assert_eq!(changed["secrets"][0]["until"], Value::Null);

    // Some systems show their secret only once they know the address.
    let later = json!({"platform": "shopify"});
    let later = program.post("/order-sources", later).await.expect(201);
    assert_eq!(later["secrets"], json!([]));
    assert_eq!(
        (&later["event"], &later["amount"]),
        (&json!("purchase"), &json!("total"))
    );

    let mut told = String::new();
    for rest in ["/order-sources", &at, &format!("{at}/deliveries"), "/audit"] {
        let answer = program.get(rest).await;
        answer.expect(200);
        told += &answer.text;
    }
    assert!(told.contains("change_order_source"), "{told}");
    for secret in [SOURCE_SECRET, "another-secret-of-the-shop"] {
        assert!(!told.contains(secret));
    }

    let guarded = async |version: &str| {
        let request = world.request(Method::PATCH, &program.path(&at));
        let request = request
            .header("if-match", version)
            .bearer_auth(&program.key);
        world
            .send(request.json(&json!({"state": "disabled"})))
            .await
    };
    assert_eq!(guarded("\"1\"").await.problem(412), "version_conflict");
    assert_eq!(guarded("\"2\"").await.expect(200)["state"], "disabled");
    assert_eq!(delete(&program, &at).await.status, 204);
    for answer in [
        program.get(&at).await,
        program.get(&format!("{at}/deliveries")).await,
        program.patch(&at, json!({"state": "active"})).await,
        delete(&program, &at).await,
    ] {
        assert_eq!(answer.problem(404), "not_found");
    }
    world.bundle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_order_source_cannot_be_is_refused() {
    let world = samples::world().await;
    let program = world.program(json!({})).await;
    let source = samples::order_source(&program, "woocommerce").await;
    let long = "x".repeat(201);
    for (body, pointer) in [
        (json!({}), "/platform"),
        (json!({"platform": "magento"}), "/platform"),
        (json!({"platform": "shopify", "secret": "short"}), "/secret"),
        (json!({"platform": "shopify", "secret": long}), "/secret"),
        (
            json!({"platform": "shopify", "secret": "with a space in it"}),
            "/secret",
        ),
        (json!({"platform": "shopify", "event": "Sale"}), "/event"),
        (json!({"platform": "shopify", "amount": "net"}), "/amount"),
        (
            json!({"platform": "shopify", "url": "https://x.example"}),
            "/url",
        ),
    ] {
        let answer = program.post("/order-sources", body.clone()).await;
        assert_eq!(answer.problem(422), "invalid_request", "{body}");
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{body}");
        assert!(!answer.text.contains("with a space"), "{}", answer.text);
    }
    for (change, pointer) in [
        (json!({"secret": null}), "/secret"),
        (json!({"state": "gone"}), "/state"),
        (json!({"platform": "stripe"}), "/platform"),
        (json!({"url": "https://x.example"}), "/url"),
        (json!({"secrets": []}), "/secrets"),
        (json!({"version": 9}), "/version"),
    ] {
        let answer = program.patch(&path(&source), change.clone()).await;
        assert_eq!(answer.problem(422), "invalid_request", "{change}");
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{change}");
    }
    for _ in 0..9 {
        samples::order_source(&program, "stripe").await;
    }
    let one_more = json!({"platform": "stripe"});
    let answer = program.post("/order-sources", one_more.clone()).await;
    assert_eq!(answer.problem(409), "too_many_order_sources");
    let listed = all(&program, "/order-sources").await;
    assert_eq!((listed.len(), &listed[0]["id"]), (10, &source["id"]));
    let page = program.get("/order-sources?limit=4").await.expect(200);
    assert_eq!(page["data"].as_array().unwrap()[..], listed[..4]);
    assert_eq!(delete(&program, &path(&source)).await.status, 204);
    program.post("/order-sources", one_more).await.expect(201);
    world.bundle.shutdown().await;
}
