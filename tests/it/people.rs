//! Participants, their codes, their mail, and their wish to be left alone.

use reqwest::Method;
use serde_json::{Value, json};

use crate::chain::survey_path;
use crate::world::{World, text};

#[tokio::test(flavor = "multi_thread")]
async fn a_participant_is_made_once_and_keeps_the_code() {
    let world = World::start().await;
    let program = world.program(json!({})).await;
    let made = program
        .post(
            "/participants",
            json!({"external_id": "ann", "email": "ann@example.com"}),
        )
        .await
        .expect(201);
    let again = program
        .post(
            "/participants",
            json!({"external_id": "ann", "first_name": "Ann"}),
        )
        .await
        .expect(200);
    assert_eq!((&again["id"], &again["code"]), (&made["id"], &made["code"]));
    let code = text(&made["code"]);
    assert!(
        code.len() >= 11 && !code.contains(['0', 'O', '1', 'I', 'l']),
        "{code}"
    );
    for found in [
        json!({"external_id": "ann"}),
        json!({"email": " ANN+x@example.com "}),
        json!({"code": code.to_lowercase()}),
    ] {
        let page = program
            .post("/participants/search", found)
            .await
            .expect(200);
        assert_eq!(page["data"][0]["id"], made["id"]);
    }
    // No answer repeats a mail address or a name.
    let read = program
        .get(&format!("/participants/{}", text(&made["id"])))
        .await;
    assert!(
        !read.text.contains("example.com") && !read.text.contains("Ann"),
        "{}",
        read.text
    );
    for bad in ["", "0", "ann@example.com"] {
        let refused = program
            .post("/participants", json!({"external_id": bad}))
            .await;
        assert_eq!(
            refused.json()["errors"][0]["pointer"],
            "/external_id",
            "{bad}"
        );
    }
    let taken = program
        .post(
            "/participants",
            json!({"external_id": "bob", "email": "ann@example.com"}),
        )
        .await;
    assert_eq!(taken.problem(409), "identity_conflict");
    world.bundle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_are_unique_and_work_until_they_are_disabled() {
    let world = World::start().await;
    let program = world.program(json!({})).await;
    let other = world.program(json!({})).await;
    let ann = program
        .post(
            "/participants",
            json!({"external_id": "ann", "vanity_code": "ANN-BAKES"}),
        )
        .await
        .expect(201);
    let taken = other
        .post(
            "/participants",
            json!({"external_id": "bob", "vanity_code": "ann-bakes"}),
        )
        .await;
    assert_eq!(taken.problem(409), "code_taken");
    let codes = format!("/participants/{}/codes", text(&ann["id"]));
    let two = program
        .post(&codes, json!({"code": "ANN-TWO"}))
        .await
        .expect(201);
    assert!(two.to_string().contains("ANN-TWO"));
    for code in ["ANN-BAKES", "ANN-TWO"] {
        assert_eq!(world.visit(&format!("/t/{code}")).await.status, 302);
    }
    program
        .patch(&format!("{codes}/ANN-BAKES"), json!({"state": "disabled"}))
        .await
        .expect(200);
    assert_eq!(world.visit("/t/ANN-BAKES").await.status, 404);
    program
        .patch(&format!("{codes}/ANN-BAKES"), json!({"state": "active"}))
        .await
        .expect(200);
    assert_eq!(world.visit("/t/ANN-BAKES").await.status, 302);
    world.bundle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_referrer_neither_refers_nor_earns() {
    let world = World::start().await;
    let program = world.program(json!({})).await;
    let ann = program.referrer("ann").await;
    let bound = json!({"referee": {"external_id": "bob"}, "codes": [ann["code"]]});
    program.convert("order-1", bound.clone()).await.expect(201);
    program
        .patch(
            &format!("/participants/{}", text(&ann["id"])),
            json!({"state": "suspended"}),
        )
        .await
        .expect(200);
    let new = program
        .convert("order-2", json!({"codes": [ann["code"]]}))
        .await
        .expect(201);
    assert_eq!(new["attribution"]["reason"], "suspended");
    // The bond holds; the reward is what is withheld.
    let again = program.convert("order-3", bound).await.expect(201);
    assert_eq!(again["attribution"]["reason"], "existing_referral");
    assert!(
        again["skipped"]
            .to_string()
            .contains("beneficiary_suspended"),
        "{again}"
    );
    world.bundle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_their_own_ancestor() {
    let world = World::start().await;
    let program = world.program(json!({})).await;
    let ann = program.referrer("ann").await;
    let bob = program
        .post(
            "/participants",
            json!({"external_id": "bob", "referred_by": ann["id"]}),
        )
        .await
        .expect(201);
    let cid = program
        .post(
            "/participants",
            json!({"external_id": "cid", "referred_by": bob["id"]}),
        )
        .await
        .expect(201);
    let looped = program
        .post(
            "/participants",
            json!({"external_id": "ann", "referred_by": cid["id"]}),
        )
        .await;
    assert_eq!(looped.problem(409), "referral_loop");
    let referrals = program
        .get(&format!("/referrals?referrer_id={}", text(&ann["id"])))
        .await
        .expect(200);
    assert_eq!(referrals["data"][0]["referee_id"], bob["id"]);
    world.bundle.shutdown().await;
}

/// One click of a mail program stops all mail; looking at the page does not.
#[tokio::test(flavor = "multi_thread")]
async fn unsubscribing_stops_mail_and_looking_does_not() {
    let world = World::start().await;
    let program = world.program(json!({"surveys": []})).await;
    let ann = program.referrer("ann").await;
    program
        .convert("order-1", json!({"codes": [ann["code"]]}))
        .await
        .expect(201);
    world.settle().await;
    let mails = program.get("/test-mails").await.expect(200);
    let mail = mails["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|mail| mail["to"] == "ann@example.com")
        .unwrap();
    let stop = text(&mail["headers"]["List-Unsubscribe"])
        .trim_matches(['<', '>'])
        .to_owned();
    let page = world.visit(&stop).await;
    assert!(
        page.status == 200 && page.text.contains("<form"),
        "{}",
        page.text
    );
    let order = |number: u32| {
        (
            format!("order-{number}"),
            json!({"referee": {"external_id": format!("quiet-{number}")}, "codes": [ann["code"]]}),
        )
    };
    let (name, body) = order(2);
    program.convert(&name, body).await.expect(201);
    world.settle().await;
    let mails = program.get("/test-mails").await.expect(200);
    assert_eq!(
        mails["data"].as_array().unwrap().len(),
        3,
        "a look stopped the mail"
    );

    let one_click = world
        .request(Method::POST, &stop)
        .form(&[("List-Unsubscribe", "One-Click")]);
    assert_eq!(world.send(one_click).await.status, 200);
    let (name, body) = order(3);
    program.convert(&name, body).await.expect(201);
    world.settle().await;
    let mails = program.get("/test-mails").await.expect(200);
    assert_eq!(mails["data"].as_array().unwrap().len(), 3, "mail goes on");
    assert_eq!(world.visit("/u/not-a-token").await.status, 404);
    world.bundle.shutdown().await;
}

/// A later answer replaces the earlier until the survey closes; bad scores are refused and keep the comment.
#[tokio::test(flavor = "multi_thread")]
async fn a_survey_is_answered_changed_and_closed() {
    let world = World::start().await;
    let program = world.program(json!({})).await;
    let ann = program.referrer("ann").await;
    program
        .convert("order-1", json!({"codes": [ann["code"]]}))
        .await
        .expect(201);
    world.settle().await;
    let mails = program.get("/test-mails").await.expect(200);
    let asked = mails["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|mail| text(&mail["text"]).contains("/s/"))
        .unwrap();
    let survey = survey_path(asked);
    world.visit(&format!("{survey}?score=3")).await;
    let nps = || async { program.get("/nps?survey_id=after-reward").await.expect(200) };
    assert_eq!(nps().await["responses"], 0, "looking is not answering");
    let answer = |body: Value| {
        let request = world
            .request(Method::POST, &survey)
            .header("accept", "application/json")
            .json(&body);
        world.send(request)
    };
    for bad in [
        json!({}),
        json!({"score": 11}),
        json!({"score": -1}),
        json!({"score": 5.5}),
        json!({"score": "9"}),
    ] {
        assert_eq!(answer(bad.clone()).await.status, 422, "{bad}");
    }
    assert_eq!(
        answer(json!({"score": 2, "comment": "dry"})).await.status,
        200
    );
    assert_eq!(nps().await["detractors"], 1);
    assert_eq!(
        answer(json!({"score": 9, "comment": "<b>better</b>"}))
            .await
            .status,
        200
    );
    let now = nps().await;
    assert_eq!(
        (&now["promoters"], &now["detractors"], &now["responses"]),
        (&json!(1), &json!(0), &json!(1))
    );
    let page = world.visit(&survey).await;
    assert!(
        !page.text.contains("<b>better</b>"),
        "the comment is escaped"
    );
    program
        .post("/test-clock/advance", json!({"seconds": 31 * 24 * 3600}))
        .await
        .expect(200);
    assert_eq!(answer(json!({"score": 0})).await.status, 404);
    assert_eq!(nps().await["promoters"], 1);
    let closed = program.get("/surveys?state=closed").await.expect(200);
    assert_eq!(closed["data"][0]["score"], 9);
    world.bundle.shutdown().await;
}
