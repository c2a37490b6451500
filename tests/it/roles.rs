//! Roles: a function may do what it does, and nothing else. What it does is noted by the bundle, which
//! refuses what the role in the template does not allow; this drives every function through all it can do.

use std::collections::BTreeSet;
use std::sync::Arc;

use kith_local::guard::Actions;
use kith_local::roles::{is_action, is_resource};
use kith_local::template::{EMBEDDED, Template};
use reqwest::Method;
use serde_json::{Value, json};

use crate::chain::survey_path;
use crate::merges;
use crate::orders;
use crate::samples;
use crate::shop::{Manner, Shop, endpoint};
use crate::workers::{Moved, until};
use crate::world::{World, text};

/// The template with a change that has to be there to be made.
fn template(from: &str, to: &str) -> String {
    assert_eq!(EMBEDDED.matches(from).count(), 1, "{from}");
    EMBEDDED.replace(from, to)
}

/// What roles allow and nobody did, as `function action resource`.
fn spare(template: &Template, done: &Actions) -> BTreeSet<String> {
    let mut spare = BTreeSet::new();
    for function in template.functions.values() {
        for (action, resource) in function.role.grants() {
            let is_done = done.used.iter().any(|done| {
                done.package == function.package
                    && is_action(action, &done.action)
                    && is_resource(resource, &done.resource)
            });
            if !is_done {
                spare.insert(format!("{} {action} {resource}", function.package));
            }
        }
    }
    spare
}

/// A right that nobody needs is one that somebody who broke in has. With a configuration set, which the
/// template leaves out unless it is named.
#[tokio::test(flavor = "multi_thread")]
async fn every_right_of_a_role_is_used() {
    const SET: &str = "  ConfigurationSet:\n    Type: String\n    Default: \"\"";
    let clock = Moved::default();
    let moved = clock.clone();
    let world = World::with(|options| {
        options.variables.extend(samples::unlimited());
        options.clock = Arc::new(moved);
        options.template = Some(template(SET, &SET.replace("\"\"", "kith")));
    })
    .await;
    world.bundle.warm().await;
    every_route(&world).await;
    a_whole_referral(&world).await;
    what_was_lost(&world, &clock).await;
    a_clock_that_is_advanced(&world).await;
    everything_of_a_person(&world).await;
    orders_and_refunds(&world).await;
    webhooks(&world, &clock).await;
    world.settle().await;
    let actions = world.bundle.actions();
    assert_eq!(spare(world.bundle.template(), &actions), BTreeSet::new());
    world.bundle.shutdown().await;
}

/// A good call of every route behind a key.
async fn every_route(world: &World) {
    let key = world.test_key();
    for route in samples::behind_a_key().filter(|route| samples::is_write(route)) {
        let program = samples::program(world, &key).await;
        let answer = samples::write(route, &program)
            .await
            .send(world, &key)
            .await;
        assert!(answer.status.is_success(), "{}: {}", route.id, answer.text);
        world.settle().await;
    }
    let program = samples::program(world, &key).await;
    let things = samples::things(&program).await;
    for route in samples::behind_a_key().filter(|route| !samples::is_write(route)) {
        let answer = samples::read(route, &things).send(world, &key).await;
        assert!(answer.status.is_success(), "{}: {}", route.id, answer.text);
    }
}

/// A live program's, so that mails leave: from the link to the answer of the survey and the end of mails.
async fn a_whole_referral(world: &World) {
    let program = world.program_of(&world.live_key(), json!({})).await;
    let ann = program.referrer("ann").await;
    let token = program.click(&ann).await;
    let drawn = format!("{}/qr.svg", program.link(&ann));
    assert_eq!(world.visit(&drawn).await.status, 200);
    let order = json!({"click_tokens": [token]});
    program.convert("order-1", order).await.expect(201);
    world.settle().await;
    let mails = world.bundle.mails().list(10).unwrap();
    let of_ann = mails.iter().filter(|mail| mail.to == ["ann@example.com"]);
    let of_ann: Vec<Value> = of_ann.map(|mail| json!({"text": mail.text})).collect();
    let asking = of_ann
        .iter()
        .find(|mail| text(&mail["text"]).contains("/s/"));
    let survey = survey_path(asking.unwrap());
    assert_eq!(world.visit(&survey).await.status, 200);
    let answer = world.request(Method::POST, &survey).form(&[("score", "9")]);
    assert_eq!(world.send(answer).await.status, 200);
    let written = text(&of_ann[0]["text"]);
    let (_, token) = written.split_once("/u/").unwrap();
    let end = format!("/u/{}", token.split_whitespace().next().unwrap());
    let end = world.request(Method::POST, &end);
    let end = end.form(&[("List-Unsubscribe", "One-Click")]);
    assert_eq!(world.send(end).await.status, 200);
    world.settle().await;
}

/// Every message is lost: whoever looks for what is due finds it.
async fn what_was_lost(world: &World, clock: &Moved) {
    let shop = Shop::open().await;
    world.bundle.pause(Some("event-relay"));
    let program = world.program_of(&world.live_key(), json!({})).await;
    endpoint(&program, &shop.url("/kith"), json!([])).await;
    let ann = program.referrer("ann").await;
    let order = json!({"codes": [ann["code"]]});
    program.convert("order-1", order).await.expect(201);
    // The rewards first, then what they lead to.
    for _ in 0..3 {
        clock.by_minutes(6);
        world.bundle.run_schedules().await;
        let empty = async || {
            let depths = world.bundle.depths().unwrap();
            depths.values().all(kith_local::queues::Depth::is_empty)
        };
        until("an end of the work", empty).await;
    }
    world.bundle.resume(Some("event-relay"));
    world.settle().await;
}

/// What a test program's clock comes to when it is advanced: a release, a survey, another try.
async fn a_clock_that_is_advanced(world: &World) {
    let shop = Shop::open().await;
    shop.behaves("/kith", Manner::Says(500));
    let survey = json!({"id": "later", "on": "reward.issued", "to": "referrer", "delay_hours": 24});
    let program = json!({"hold_days": 1, "surveys": [survey]});
    let program = world.program(program).await;
    endpoint(&program, &shop.url("/kith"), json!(["participant.created"])).await;
    let ann = program.referrer("ann").await;
    let order = json!({"codes": [ann["code"]]});
    program.convert("order-1", order).await.expect(201);
    world.settle().await;
    shop.behaves("/kith", Manner::Takes);
    program.advance(24 * 3_600).await;
    program.advance(24 * 3_600).await;
}

/// Two people who are one, with something of everything.
async fn everything_of_a_person(world: &World) {
    let program = world.program(merges::rules()).await;
    let [ann, bea] = merges::story(&program).await;
    merges::merge(&program, &ann, &bea).await.expect(201);
    world.settle().await;
}

/// What shop systems tell.
async fn orders_and_refunds(world: &World) {
    let program = world.program(json!({})).await;
    let shop = orders::Shop::of(&program, "shopify").await;
    let answer = shop.tell(&shop.order(1, json!({}))).await;
    answer.expect(200);
    let ann = program.referrer("ann").await;
    let order = json!({"codes": [ann["code"]]});
    let made = program.convert("order-1", order).await.expect(201);
    world.settle().await;
    let refund = format!("/conversions/{}/refunds", text(&made["id"]));
    let whole = json!({"external_id": "refund-1", "reason": "refund"});
    program.post(&refund, whole).await.expect(201);
    world.settle().await;
}

/// Endpoints that take, that fail for a while, and that are gone.
async fn webhooks(world: &World, clock: &Moved) {
    let shop = Shop::open().await;
    let program = world.program_of(&world.live_key(), json!({})).await;
    for path in ["/takes", "/fails", "/gone"] {
        endpoint(&program, &shop.url(path), json!([])).await;
    }
    shop.behaves("/fails", Manner::Says(500));
    shop.behaves("/gone", Manner::Says(410));
    program.referrer("ann").await;
    world.settle().await;
    shop.behaves("/fails", Manner::Takes);
    clock.by_minutes(60);
    world.bundle.run_schedules().await;
    world.settle().await;
}

/// Whoever takes a right away that is needed hears of it from the first call that needs it: nothing is
/// done, and the caller is told nothing of it.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_role_does_not_allow_is_not_done() {
    const ROLE: &str = "        - PolicyName: public-pages\n          PolicyDocument:\n            Version: \"2012-10-17\"\n            Statement:\n";
    let deny = format!(
        "{ROLE}              - {{ Effect: Deny, Action: \"dynamodb:Put*\", Resource: !GetAtt Table.Arn }}\n"
    );
    let world = World::with(|options| options.template = Some(template(ROLE, &deny))).await;
    let program = world.program_of(&world.live_key(), json!({})).await;
    let ann = program.referrer("ann").await;
    let order = json!({"codes": [ann["code"]]});
    program.convert("order-1", order).await.expect(201);
    world.settle().await;
    let mails = world.bundle.mails().list(10).unwrap();
    let asking = mails.iter().map(|mail| json!({"text": mail.text}));
    let asking: Vec<Value> = asking
        .filter(|mail| text(&mail["text"]).contains("/s/"))
        .collect();
    let survey = survey_path(&asking[0]);
    assert_eq!(world.visit(&survey).await.status, 200);
    let answer = world.request(Method::POST, &survey).form(&[("score", "9")]);
    let answer = world.send(answer).await;
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert!(!answer.text.contains("dynamodb"), "{}", answer.text);
    let answered = program.get("/surveys?state=answered").await.expect(200);
    assert_eq!(answered["data"], json!([]));
    let refused = world.bundle.actions().refused;
    let refused: Vec<(&str, &str)> = refused
        .iter()
        .map(|done| (done.package.as_str(), done.action.as_str()))
        .collect();
    assert_eq!(refused, [("public-pages", "dynamodb:PutItem")]);
    world.bundle.shutdown().await;
}
