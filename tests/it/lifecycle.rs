//! What states of programs and participants mean for links, offers, conversions and rewards; and how a
//! participant is edited.

use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{Answer, Program, World, eur, text};

/// Where a link leads now, and whether it carries a click token.
async fn follow(program: &Program<'_>, person: &Value) -> (u16, bool) {
    let answer = program.world.visit(&program.link(person)).await;
    let token = answer.header("location").contains("kith_click=");
    assert_eq!(token, !answer.header("set-cookie").is_empty());
    (answer.status.as_u16(), token)
}

/// Active, paused, archived: links redirect always, clicks count in an active program only; conversions
/// are recorded always, and earn as long as the program is not archived.
#[tokio::test(flavor = "multi_thread")]
async fn a_programs_state_decides_over_clicks_and_rewards() {
    let world = World::start().await;
    let program = world.program(json!({"surveys": []})).await;
    let ann = program.referrer("ann").await;
    for (state, clicks, earned) in [
        ("active", true, 2),
        ("paused", false, 2),
        ("archived", false, 0),
    ] {
        program.patch("", json!({"state": state})).await.expect(200);
        assert_eq!(follow(&program, &ann).await, (302, clicks), "{state}");
        let body = json!({"codes": [ann["code"]]});
        let order = program
            .convert(&format!("in-{state}"), body)
            .await
            .expect(201);
        assert_eq!(order["state"], "qualified", "{state}");
        assert_eq!(order["attribution"]["referrer_id"], ann["id"], "{state}");
        assert_eq!(
            order["rewards"].as_array().unwrap().len(),
            earned,
            "{state}"
        );
        let skipped = order["skipped"].as_array().unwrap();
        let reasons = skipped
            .iter()
            .all(|skip| skip["reason"] == "program_paused");
        assert!(reasons && skipped.len() == 2 - earned, "{state} {order}");
    }
    let told = program
        .get("/conversions?event=purchase&external_id=in-archived")
        .await
        .expect(200);
    assert_eq!(
        told["data"][0]["skipped"][0]["explanation"],
        "The program was archived when the order was recorded, and gives no rewards any more."
    );
    world.bundle.shutdown().await;
}

async fn edit(
    program: &Program<'_>,
    person: &Value,
    version: Option<&Value>,
    change: Value,
) -> Answer {
    let path = program.path(&format!("/participants/{}", text(&person["id"])));
    let mut request = program.world.request(Method::PATCH, &path);
    if let Some(version) = version {
        request = request.header("if-match", format!("\"{version}\""));
    }
    let request = request.bearer_auth(&program.key).json(&change);
    program.world.send(request).await
}

/// RFC 7396: what is absent stays, `null` clears, what cannot be changed may be sent back as it was.
#[tokio::test(flavor = "multi_thread")]
async fn a_participant_is_edited_by_merge_patches() {
    let world = World::start().await;
    let program = world.program(json!({})).await;
    let ann = json!({
        "external_id": "ann", "email": "ann@example.com", "first_name": "Ann", "locale": "de",
        "consent": {"surveys": true, "marketing": true, "source": "checkout"},
    });
    let ann = program.post("/participants", ann).await.expect(201);
    let kept = edit(&program, &ann, None, json!({"locale": "fr"}))
        .await
        .expect(200);
    assert_eq!(
        (&kept["locale"], &kept["has_email"]),
        (&json!("fr"), &json!(true))
    );
    assert_eq!(
        kept["version"].as_u64().unwrap(),
        ann["version"].as_u64().unwrap() + 1
    );

    let stale = edit(
        &program,
        &ann,
        Some(&ann["version"]),
        json!({"locale": "it"}),
    )
    .await;
    assert_eq!(stale.problem(412), "version_conflict");
    let fresh = edit(
        &program,
        &ann,
        Some(&kept["version"]),
        json!({"consent": {"marketing": null}}),
    )
    .await;
    let fresh = fresh.expect(200);
    assert_eq!(fresh["consent"]["marketing"], Value::Null);
    assert_eq!(fresh["consent"]["surveys"], true);

    let cleared = json!({"email": null, "first_name": null, "locale": null, "consent": null});
    let cleared = edit(&program, &ann, None, cleared).await.expect(200);
    assert_eq!(
        (&cleared["has_email"], &cleared["locale"]),
        (&json!(false), &Value::Null)
    );
    assert_eq!(cleared["consent"]["surveys"], Value::Null);
    let gone = json!({"email": "ann@example.com"});
    let gone = program.post("/participants/search", gone).await.expect(200);
    assert_eq!(gone["data"], json!([]));

    // Read, and sent back as it is: nothing changes, not even the version.
    let same = edit(&program, &ann, None, cleared.clone())
        .await
        .expect(200);
    assert_eq!(same, cleared);
    for (change, pointer) in [
        (json!({"id": "par_1"}), "/id"),
        (json!({"external_id": "eve"}), "/external_id"),
        (json!({"codes": []}), "/codes"),
        (json!({"state": null}), "/state"),
        (json!({"state": "merged"}), "/state"),
        (json!({"nickname": "A"}), "/nickname"),
    ] {
        let refused = edit(&program, &ann, None, change).await;
        assert_eq!(refused.problem(422), "invalid_request");
        assert_eq!(refused.json()["errors"][0]["pointer"], pointer);
    }
    world.bundle.shutdown().await;
}

/// A leaked code is switched off: its links and orders are worth nothing any more, the other codes of
/// the same person go on, and nobody else can take it.
#[tokio::test(flavor = "multi_thread")]
async fn a_leaked_code_is_disabled_for_good() {
    let world = World::start().await;
    let program = world.program(json!({"surveys": []})).await;
    let ann = program.referrer("ann").await;
    let bob = program.referrer("bob").await;
    let codes = format!("/participants/{}/codes", text(&ann["id"]));
    let vanity = program
        .post(&codes, json!({"code": "ANN-BAKES"}))
        .await
        .expect(201);
    let leaked = format!("{codes}/{}", text(&ann["code"]));
    let off = program
        .patch(&leaked, json!({"state": "disabled"}))
        .await
        .expect(200);
    assert_eq!(off["state"], "disabled");
    let now = program
        .get(&format!("/participants/{}", text(&ann["id"])))
        .await
        .expect(200);
    assert_eq!(now["code"], "ANN-BAKES");
    assert_eq!(world.visit(&program.link(&ann)).await.status, 404);
    assert_eq!(follow(&program, &vanity).await, (302, true));

    let order = json!({"codes": [ann["code"]], "amount": eur(5_000)});
    let order = program.convert("order-1", order).await.expect(201);
    assert_eq!(order["attribution"]["reason"], "disabled_code");
    assert_eq!(order["codes"][0]["is"], "disabled");
    let order = json!({"codes": [ann["code"], "ann-bakes"]});
    let order = program.convert("order-2", order).await.expect(201);
    assert_eq!(order["attribution"]["referrer_id"], ann["id"]);
    for taken in [&ann["code"], &json!("Ann-Bakes")] {
        let path = format!("/participants/{}/codes", text(&bob["id"]));
        let taken = program.post(&path, json!({"code": taken})).await;
        assert_eq!(taken.problem(409), "code_taken");
    }
    world.bundle.shutdown().await;
}
