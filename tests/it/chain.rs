//! The chain: link, conversion, reward, mail, survey, answer, NPS.

use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{World, text};

/// The whole of it, in a test program with a hold of 14 days and a survey a day later, walked in
/// seconds by its clock.
#[tokio::test(flavor = "multi_thread")]
async fn a_referral_goes_all_the_way() {
    let world = World::start().await;
    let program = world
        .program(json!({
            "hold_days": 14,
            "surveys": [{"id": "after-reward", "on": "reward.issued", "to": "referrer", "delay_hours": 24}],
        }))
        .await;
    let ann = program.referrer("ann").await;
    let token = program.click(&ann).await;

    let conversion = program
        .convert("order-1", json!({"click_tokens": [token]}))
        .await
        .expect(201);
    assert_eq!(conversion["state"], "qualified");
    assert_eq!(conversion["attribution"]["reason"], "click_token");
    assert_eq!(conversion["attribution"]["referrer_id"], ann["id"]);
    assert_eq!(
        conversion["attribution"]["considered"][0]["outcome"],
        "chosen"
    );
    assert_eq!(
        program.rewards().await,
        ["friend-10 referee pending", "thank-you referrer pending"]
    );
    assert_eq!(program.balance(&ann, "EUR").await["pending"], 500);

    let fourteen_days = 14 * 24 * 3600;
    let early = program
        .post(
            "/test-clock/advance",
            json!({"seconds": fourteen_days - 60}),
        )
        .await
        .expect(200);
    assert_eq!(early["settled"], true, "{early}");
    assert_eq!(
        program.rewards().await,
        ["friend-10 referee pending", "thank-you referrer pending"]
    );
    let released = program
        .post("/test-clock/advance", json!({"seconds": 60}))
        .await
        .expect(200);
    assert_eq!(released["settled"], true, "{released}");
    assert_eq!(
        program.rewards().await,
        ["friend-10 referee issued", "thank-you referrer issued"]
    );
    let balance = program.balance(&ann, "EUR").await;
    assert_eq!(
        (&balance["available"], &balance["pending"]),
        (&json!(500), &json!(0))
    );

    let mails = program.get("/test-mails").await.expect(200);
    let to: Vec<&str> = mails["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|mail| text(&mail["to"]))
        .collect();
    assert_eq!(to.len(), 2, "{mails}");
    assert!(
        to.contains(&"ann@example.com") && to.contains(&"order-1@example.net"),
        "{to:?}"
    );

    let asked = program
        .post("/test-clock/advance", json!({"seconds": 24 * 3600}))
        .await
        .expect(200);
    assert_eq!(asked["settled"], true, "{asked}");
    let mails = program.get("/test-mails").await.expect(200);
    let newest = &mails["data"][0];
    assert_eq!(mails["data"].as_array().unwrap().len(), 3);
    assert_eq!(newest["to"], "ann@example.com");
    assert_eq!(
        newest["headers"]["List-Unsubscribe-Post"],
        "List-Unsubscribe=One-Click"
    );
    let survey = survey_path(newest);

    let page = world.visit(&format!("{survey}?score=9")).await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("Artisan Bakery"), "{}", page.text);
    let form = [("score", "9"), ("comment", "Lovely bread")];
    let answered = world
        .send(world.request(Method::POST, &survey).form(&form))
        .await;
    assert_eq!(answered.status, 200, "{}", answered.text);

    let nps = program.get("/nps").await.expect(200);
    assert_eq!(
        (&nps["promoters"], &nps["responses"], &nps["sent"]),
        (&json!(1), &json!(1), &json!(1))
    );
    assert_eq!(nps["score"], 100);
    let answers = program.get("/surveys?state=answered").await.expect(200);
    assert_eq!(answers["data"][0]["comment"], "Lovely bread");
    world.settle().await;
    world.bundle.shutdown().await;
}

/// The path of the survey in a mail.
pub(crate) fn survey_path(mail: &Value) -> String {
    let body = text(&mail["text"]);
    let start = body
        .find("/s/")
        .unwrap_or_else(|| panic!("no survey in {body}"));
    body[start..]
        .split(|c: char| c.is_whitespace() || c == '?' || c == '>')
        .next()
        .unwrap()
        .to_owned()
}

/// Live programs: the mail goes out through the provider, and every queue message may come twice.
#[tokio::test(flavor = "multi_thread")]
async fn every_message_twice_changes_nothing() {
    let world = World::with(|options| options.duplicates = kith_local::Duplicates::AtOnce).await;
    let program = world.program_of(&world.live_key(), json!({})).await;
    let ann = program.referrer("ann").await;
    for order in ["order-1", "order-2", "order-3"] {
        let token = program.click(&ann).await;
        program
            .convert(order, json!({"click_tokens": [token]}))
            .await
            .expect(201);
    }
    world.settle().await;
    let rewards = program.rewards().await;
    assert_eq!(
        rewards
            .iter()
            .filter(|reward| *reward == "thank-you referrer issued")
            .count(),
        3,
        "{rewards:?}"
    );
    assert_eq!(
        rewards
            .iter()
            .filter(|reward| *reward == "friend-10 referee issued")
            .count(),
        3,
        "{rewards:?}"
    );
    assert_eq!(program.balance(&ann, "EUR").await["available"], 1500);
    let mails = world.get(&world.live_key(), "/local/mail").await;
    let mails = world
        .send(
            world
                .request(Method::GET, "/local/mail")
                .header("accept", "application/json"),
        )
        .await
        .expect(mails.status.as_u16());
    // Six rewards were issued, and Ann is asked once: the cooldown holds.
    assert_eq!(mails["data"].as_array().unwrap().len(), 7, "{mails}");
    world.bundle.shutdown().await;
}
