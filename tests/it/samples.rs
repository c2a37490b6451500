//! A good call of every route that writes, each in a program of its own that holds what the call
//! needs, and of every route that reads. Whoever adds a route adds it here, and so to the tests that
//! walk the list: isolation, idempotency, audit.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use kith_contract::routes::{self, Access, Route};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::reviews::quarantine;
use crate::world::{Answer, Program, World, eur, text};

/// Reads, although they are `POST`: what they look for stands in the body. They keep no answer.
pub(crate) const READS_BY_POST: [&str; 2] = ["search_participants", "simulate"];

/// Writes that are as many calls as they have lines: each line is answered, remembered and logged as the
/// single call is (`bulk.rs`).
pub(crate) const BY_LINE: [&str; 2] = ["record_conversions", "join_participants"];

/// One call.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) route: &'static Route,
    pub(crate) path: String,
    pub(crate) body: Option<Value>,
}

impl Call {
    pub(crate) fn method(&self) -> Method {
        self.route.method.as_str().parse().unwrap()
    }

    /// The call as a request with this key.
    pub(crate) fn request(&self, world: &World, key: &str) -> RequestBuilder {
        let request = self.bare(world);
        request.bearer_auth(key)
    }

    /// The call as a request without a key.
    pub(crate) fn bare(&self, world: &World) -> RequestBuilder {
        let request = world.request(self.method(), &self.path);
        match &self.body {
            Some(line) if BY_LINE.contains(&self.route.id) => request
                .header("content-type", "application/x-ndjson")
                .body(line.to_string()),
            Some(body) => request.json(body),
            None => request,
        }
    }

    pub(crate) async fn send(&self, world: &World, key: &str) -> Answer {
        world.send(self.request(world, key)).await
    }
}

/// Every route behind a key.
pub(crate) fn behind_a_key() -> impl Iterator<Item = &'static Route> {
    let routes = routes::ROUTES.iter().copied();
    routes.filter(|route| route.access != Access::Open)
}

/// Whether a call of a route writes, by lines or at once.
pub(crate) fn is_write(route: &Route) -> bool {
    route.writes() && !READS_BY_POST.contains(&route.id)
}

/// Every route behind a key that writes.
pub(crate) fn writes() -> impl Iterator<Item = &'static Route> {
    let others = [READS_BY_POST, BY_LINE].concat();
    behind_a_key().filter(move |route| route.writes() && !others.contains(&route.id))
}

/// The parameters of a path.
pub(crate) fn parameters(path: &str) -> impl Iterator<Item = &str> {
    path.split('{')
        .skip(1)
        .filter_map(|rest| rest.split('}').next())
}

/// A path with its parameters filled in.
pub(crate) fn filled(path: &str, values: &BTreeMap<&str, String>) -> String {
    let mut filled = path.to_owned();
    for name in parameters(path) {
        let value = values
            .get(name)
            .unwrap_or_else(|| panic!("no sample of {{{name}}}: add one"));
        filled = filled.replace(&format!("{{{name}}}"), value);
    }
    filled
}

/// A world in which nobody is held up for calling often.
pub(crate) async fn world() -> World {
    World::with(|options| options.variables.extend(unlimited())).await
}

/// Variables for as many calls as a test makes.
pub(crate) fn unlimited() -> BTreeMap<String, String> {
    let variables = [
        ("KITH_REQUESTS_PER_MINUTE", "600000"),
        ("KITH_REQUEST_BURST", "100000"),
        ("KITH_FAILURES_PER_MINUTE", "600000"),
    ];
    let variables = variables.into_iter();
    variables
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// A program of the mode of the key, whose rewards wait for two weeks.
pub(crate) async fn program<'a>(world: &'a World, key: &str) -> Program<'a> {
    let rule = |id: &str, to: &str, reward: Value| json!({"id": id, "on": "purchase", "beneficiary": to, "reward": reward});
    let mut at_checkout = rule(
        "at-checkout",
        "referee",
        json!({"kind": "discount", "basis_points": 500}),
    );
    at_checkout["grant"] = json!("at_checkout");
    let incentives = json!([
        at_checkout,
        rule(
            "thank-you",
            "referrer",
            json!({"kind": "cash", "amount": eur(500)})
        ),
        rule(
            "friend-10",
            "referee",
            json!({"kind": "discount", "basis_points": 1000})
        ),
    ]);
    let change = json!({"surveys": [], "hold_days": 14, "incentives": incentives});
    world.program_of(key, change).await
}

async fn give(program: &Program<'_>, to: &Value, kind: &str, value: Value) -> Value {
    let body =
        json!({"beneficiary_id": to["id"], "kind": kind, "value": value, "reason": "a gift"});
    let made = program.post("/rewards", body).await.expect(201);
    program.world.settle().await;
    let path = format!("/rewards/{}", text(&made["id"]));
    program.get(&path).await.expect(200)
}

/// A payout with one open line.
async fn payout(program: &Program<'_>, to: &Value) -> Value {
    give(program, to, "cash", eur(700)).await;
    let made = program.post("/payouts", json!({"currency": "EUR"})).await;
    program.world.settle().await;
    made.expect(201)
}

/// A merge that waits for review: Ann has referred Bea, who is Ann.
async fn in_review(program: &Program<'_>, ann: &Value) -> Value {
    let bea = json!({"external_id": "bea", "referred_by": ann["id"]});
    let bea = program.post("/participants", bea).await.expect(201);
    let path = format!("/participants/{}/merge", text(&bea["id"]));
    let body = json!({"into": ann["id"], "reason": "the same person"});
    program.post(&path, body).await.expect(202)
}

/// Where nobody listens: what goes there fails at once.
pub(crate) const NOBODY: &str = "http://127.0.0.1:9/hook";

/// An endpoint of webhooks that hears of nothing but tests, with its secret.
pub(crate) async fn webhook(program: &Program<'_>) -> Value {
    let body = json!({"url": NOBODY, "types": ["webhook.test"]});
    program.post("/webhooks", body).await.expect(201)
}

/// A secret that a shop system shows.
pub(crate) const SOURCE_SECRET: &str = "3f1d0c2b9a8e7f6d5c4b3a291807f6e5";

/// A shop system that tells of orders.
pub(crate) async fn order_source(program: &Program<'_>, platform: &str) -> Value {
    let body = json!({"platform": platform, "secret": SOURCE_SECRET});
    program.post("/order-sources", body).await.expect(201)
}

/// The first event of a program.
async fn first_event(program: &Program<'_>) -> String {
    let page = program.get("/events?limit=1").await.expect(200);
    text(&page["data"][0]["id"]).to_owned()
}

/// A key of the program that may do everything that a program's key can.
pub(crate) async fn key_of(program: &Program<'_>, scopes: &[&str]) -> Value {
    let body = json!({"name": "a key", "program_id": program.id, "scopes": scopes});
    let made = program.world.post(&program.key, "/v1/keys", body).await;
    made.expect(201)
}

/// Every scope.
pub(crate) fn all_scopes() -> Vec<&'static str> {
    let scopes = kith_domain::api_key::Scope::ALL.iter();
    scopes.map(|scope| scope.as_str()).collect()
}

/// Work that was given up on: a reward's.
async fn parked(program: &Program<'_>, reward: &str) -> String {
    let table = program.world.bundle.table().name().to_owned();
    program
        .world
        .bundle
        .dynamodb()
        .update_item()
        .table_name(table)
        .key(
            "pk",
            AttributeValue::S(format!("PROGRAM#{}#REWARD#{reward}", program.id)),
        )
        .key("sk", AttributeValue::S("REWARD".to_owned()))
        .update_expression("SET due_pk = :pk, due_sk = :sk")
        .expression_attribute_values(":pk", AttributeValue::S("PARKED#test".to_owned()))
        .expression_attribute_values(
            ":sk",
            AttributeValue::S(format!("2026-01-01T00:00:00.000Z#{reward}")),
        )
        .send()
        .await
        .unwrap();
    let shown = program
        .world
        .get(&program.key, "/v1/operations")
        .await
        .expect(200);
    let entries = shown["parked"].as_array().unwrap();
    let own = entries
        .iter()
        .find(|entry| entry["program_id"] == *program.id);
    text(&own.unwrap()["id"]).to_owned()
}

/// What each parameter of a path can be, and what every body needs, in one program.
pub(crate) struct Things {
    /// Values of parameters.
    pub(crate) of: BTreeMap<&'static str, String>,
    /// Ann, who has a code.
    pub(crate) ann: Value,
}

/// A program with one thing of each kind, and their names.
pub(crate) async fn things(program: &Program<'_>) -> Things {
    let ann = program.referrer("ann").await;
    let order = json!({"codes": [ann["code"]]});
    let conversion = program.convert("order-1", order).await.expect(201);
    let refund = json!({"external_id": "refund-1", "amount": eur(100), "reason": "refund"});
    let path = format!("/conversions/{}/refunds", text(&conversion["id"]));
    let refund = program.post(&path, refund).await.expect(201);
    give(program, &ann, "points", json!({"points": 500})).await;
    let spending = json!({"external_id": "mug-1", "unit": "points", "amount": 200});
    let path = format!("/participants/{}/redemptions", text(&ann["id"]));
    let redemption = program.post(&path, spending).await.expect(201);
    let payout = payout(program, &ann).await;
    let merge = in_review(program, &ann).await;
    let key = key_of(program, &["rewards:read"]).await;
    let reward = text(&conversion["rewards"][0]["id"]).to_owned();
    program.world.settle().await;
    let id = |value: &Value| text(&value["id"]).to_owned();
    let of = BTreeMap::from([
        ("program", program.id.clone()),
        ("participant", id(&ann)),
        ("conversion", id(&conversion)),
        ("refund", id(&refund)),
        ("reward", reward.clone()),
        ("redemption", id(&redemption)),
        ("payout", id(&payout)),
        ("key", id(&key)),
        ("webhook", id(&webhook(program).await)),
        ("event", first_event(program).await),
        ("source", id(&order_source(program, "shopify").await)),
        ("merge", id(&merge)),
        ("incentive", "thank-you".to_owned()),
        ("code", text(&ann["code"]).to_owned()),
        ("id", parked(program, &reward).await),
    ]);
    Things { of, ann }
}

/// A good call of a route that only reads, in a program with these things.
pub(crate) fn read(route: &'static Route, things: &Things) -> Call {
    let mut of = things.of.clone();
    let body = match route.id {
        "search_participants" => Some(json!({"external_id": "ann"})),
        "simulate" => Some(
            json!({"incentives": [], "from": "2020-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"}),
        ),
        _ => None,
    };
    if route.id == "read_voucher_list" {
        of.insert("incentive", "friend-10".to_owned());
    }
    Call {
        route,
        path: filled(route.path, &of),
        body,
    }
}

/// A good call of a route that writes, which nobody has made yet. It makes in the program what the
/// call needs.
pub(crate) async fn write(route: &'static Route, program: &Program<'_>) -> Call {
    let ann = program.referrer("ann").await;
    let mut of: BTreeMap<&str, String> = BTreeMap::from([
        ("program", program.id.clone()),
        ("participant", text(&ann["id"]).to_owned()),
    ]);
    let reason = || Some(json!({"reason": "it was agreed"}));
    let body = match route.id {
        "record_click" => Some(json!({"code": ann["code"]})),
        "make_offer" => Some(json!({"code": ann["code"]})),
        "record_conversion" | "record_conversions" => {
            Some(json!({"event": "purchase", "external_id": "order-1",
            "referee": {"external_id": "bob", "email": "bob@example.net"},
            "codes": [ann["code"]], "amount": eur(4500)}))
        }
        "attribute_conversion" => {
            let made = program.convert("order-1", json!({})).await.expect(201);
            of.insert("conversion", text(&made["id"]).to_owned());
            Some(json!({"referrer_id": ann["id"], "reason": "it was agreed"}))
        }
        "approve_conversion" | "reject_conversion" => {
            let order = json!({"codes": [ann["code"]]});
            let made = program.convert("order-1", order).await.expect(201);
            quarantine(program, &made).await;
            of.insert("conversion", text(&made["id"]).to_owned());
            reason()
        }
        "merge_participant" => {
            let body = json!({"external_id": "ann-2", "email": "ann2@example.net"});
            let other = program.post("/participants", body).await.expect(201);
            Some(json!({"into": other["id"], "reason": "the same person"}))
        }
        "approve_merge" | "reject_merge" => {
            let made = in_review(program, &ann).await;
            of.insert("merge", text(&made["id"]).to_owned());
            reason()
        }
        "refund_conversion" | "refund_order" | "reverse_refund" => {
            refunding(route, program, &ann, &mut of).await
        }
        "create_program" => {
            Some(json!({"name": "Another", "destination_url": "https://another.example/"}))
        }
        "change_program" => Some(json!({"hold_days": 7})),
        "create_key" => {
            Some(json!({"name": "shop", "program_id": program.id, "scopes": ["rewards:read"]}))
        }
        "rotate_key" | "revoke_key" => {
            let made = key_of(program, &["rewards:read"]).await;
            of.insert("key", text(&made["id"]).to_owned());
            (route.id == "rotate_key").then(|| json!({"overlap_hours": 1}))
        }
        "advance_test_clock" => Some(json!({"seconds": 60})),
        "join_participant" | "join_participants" => {
            Some(json!({"external_id": "carl", "email": "carl@example.net", "first_name": "Carl"}))
        }
        "change_participant" => {
            Some(json!({"email": "anne@example.com", "first_name": "Anne", "state": "suspended"}))
        }
        "add_code" => Some(json!({"code": format!("ANN-{}", &program.id[20..])})),
        "switch_code" => {
            of.insert("code", text(&ann["code"]).to_owned());
            Some(json!({"state": "disabled"}))
        }
        "spend_points" | "reverse_redemption" => {
            give(program, &ann, "points", json!({"points": 500})).await;
            let spending = json!({"external_id": "mug-1", "unit": "points", "amount": 200});
            if route.id == "reverse_redemption" {
                let path = format!("/participants/{}/redemptions", text(&ann["id"]));
                let made = program.post(&path, spending).await.expect(201);
                of.insert("redemption", text(&made["id"]).to_owned());
                None
            } else {
                Some(spending)
            }
        }
        "give_reward" => Some(json!({"beneficiary_id": ann["id"], "kind": "points",
            "value": {"points": 50}, "reason": "it was agreed"})),
        "approve_reward" | "reject_reward" | "cancel_reward" | "retry_reward" | "retry_parked" => {
            let reward = held(route, program, &ann).await;
            if route.id == "retry_parked" {
                of.insert("id", parked(program, &reward).await);
            }
            of.insert("reward", reward);
            (route.id != "retry_parked").then(reason).flatten()
        }
        "redeem_reward" | "redeem_voucher" => {
            let made = give(program, &ann, "discount", json!({"basis_points": 1000})).await;
            of.insert("reward", text(&made["id"]).to_owned());
            if route.id == "redeem_reward" {
                reason()
            } else {
                Some(json!({"voucher_code": made["voucher_code"], "external_id": "order-9"}))
            }
        }
        "add_voucher_codes" => {
            of.insert("incentive", "friend-10".to_owned());
            Some(json!({"codes": ["SPRING-1", "SPRING-2", "SPRING-2"]}))
        }
        "create_payout" => {
            give(program, &ann, "cash", eur(700)).await;
            Some(json!({"currency": "EUR"}))
        }
        "settle_payout_line" | "close_payout" => {
            let made = payout(program, &ann).await;
            of.insert("payout", text(&made["id"]).to_owned());
            let paid = json!({"state": "paid", "reference": "bank 7"});
            if route.id == "settle_payout_line" {
                Some(paid)
            } else {
                let path = format!("/payouts/{}/lines/{}", text(&made["id"]), text(&ann["id"]));
                program.post(&path, paid).await.expect(200);
                None
            }
        }
        "create_webhook" => Some(json!({"url": NOBODY, "types": ["reward.issued"]})),
        "change_webhook"
        | "delete_webhook"
        | "rotate_webhook_secret"
        | "test_webhook"
        | "redeliver_event"
        | "redeliver_period" => hooking(route, program, &mut of).await,
        "create_order_source" => Some(json!({"platform": "stripe", "secret": SOURCE_SECRET})),
        "change_order_source" | "delete_order_source" => {
            let made = order_source(program, "shopify").await;
            of.insert("source", text(&made["id"]).to_owned());
            let change = json!({"secret": "another-secret-of-the-shop", "amount": "subtotal"});
            (route.id == "change_order_source").then_some(change)
        }
        unknown => panic!("no sample of {unknown}: add one"),
    };
    program.world.settle().await;
    Call {
        route,
        path: filled(route.path, &of),
        body,
    }
}

async fn hooking(
    route: &Route,
    program: &Program<'_>,
    of: &mut BTreeMap<&'static str, String>,
) -> Option<Value> {
    let made = webhook(program).await;
    let id = text(&made["id"]).to_owned();
    let body = match route.id {
        "change_webhook" => Some(json!({"types": ["reward.issued"], "state": "disabled"})),
        "rotate_webhook_secret" => Some(json!({"overlap_hours": 1})),
        "redeliver_event" => {
            of.insert("event", first_event(program).await);
            Some(json!({"webhook_id": id}))
        }
        "redeliver_period" => {
            let test = format!("/webhooks/{id}/test");
            program.post(&test, json!({})).await.expect(202);
            let (from, to) = ("2020-01-01T00:00:00Z", "2120-01-01T00:00:00Z");
            Some(json!({"from": from, "to": to, "state": "pending"}))
        }
        _ => None,
    };
    of.insert("webhook", id);
    body
}

async fn refunding(
    route: &Route,
    program: &Program<'_>,
    ann: &Value,
    of: &mut BTreeMap<&'static str, String>,
) -> Option<Value> {
    let order = json!({"codes": [ann["code"]]});
    let made = program.convert("order-1", order).await.expect(201);
    of.insert("conversion", text(&made["id"]).to_owned());
    let refund = json!({"external_id": "refund-1", "reason": "refund"});
    match route.id {
        "refund_order" => {
            let mut refund = refund;
            refund["conversion"] = json!({"event": "purchase", "external_id": "order-1"});
            Some(refund)
        }
        "reverse_refund" => {
            let path = format!("/conversions/{}/refunds", text(&made["id"]));
            let made = program.post(&path, refund).await.expect(201);
            of.insert("refund", text(&made["id"]).to_owned());
            None
        }
        _ => Some(refund),
    }
}

/// A reward that waits, or that failed where it is to be tried again.
async fn held(route: &Route, program: &Program<'_>, ann: &Value) -> String {
    let order = json!({"codes": [ann["code"]]});
    let made = program.convert("order-1", order).await.expect(201);
    let rewards = made["rewards"].as_array().unwrap();
    let own = rewards
        .iter()
        .find(|reward| reward["beneficiary"] == "referrer");
    let id = text(&own.unwrap()["id"]).to_owned();
    if route.id == "retry_reward" {
        let person = format!("/participants/{}", text(&ann["id"]));
        program
            .patch(&person, json!({"state": "suspended"}))
            .await
            .expect(200);
        let approve = format!("/rewards/{id}/approve");
        program
            .post(&approve, json!({"reason": "early"}))
            .await
            .expect(200);
        program.world.settle().await;
        program
            .patch(&person, json!({"state": "active"}))
            .await
            .expect(200);
    }
    id
}

/// Whether somebody may hold such an item without an effect: stored answers, the use of keys, the
/// random key of the day.
fn is_no_effect(pk: &str, sk: &str) -> bool {
    pk.contains("#IDEMPOTENCY#") || pk.starts_with("VISITORKEY#") || sk == "USE"
}

/// Every item of the table that an effect can be seen in, by its key.
pub(crate) type Table = BTreeMap<(String, String), BTreeMap<String, String>>;

/// Every item of the table, as it lies there.
#[expect(
    clippy::disallowed_methods,
    reason = "a test looks at the whole table, which is small"
)]
pub(crate) async fn items(world: &World) -> Vec<HashMap<String, AttributeValue>> {
    let client = world.bundle.dynamodb();
    let (mut items, mut from) = (Vec::new(), None);
    loop {
        let page = client.scan().table_name(world.bundle.table().name());
        let page = page.consistent_read(true).set_exclusive_start_key(from);
        let page = page.send().await.unwrap();
        items.extend_from_slice(page.items());
        from = page.last_evaluated_key().cloned();
        if from.is_none() {
            return items;
        }
    }
}

/// The items whose partition passes.
pub(crate) async fn table(world: &World, pass: impl Fn(&str) -> bool) -> Table {
    let mut found = Table::new();
    for item in items(world).await {
        let part = |name: &str| item[name].as_s().unwrap().clone();
        let (pk, sk) = (part("pk"), part("sk"));
        if pass(&pk) && !is_no_effect(&pk, &sk) {
            let attributes = item.iter();
            let attributes = attributes.map(|(name, value)| (name.clone(), plain(value)));
            found.insert((pk, sk), attributes.collect());
        }
    }
    found
}

/// A value as text, the same for the same value.
fn plain(value: &AttributeValue) -> String {
    if let Ok(text) = value.as_s().or_else(|_| value.as_n()) {
        return text.clone();
    }
    if let Ok(members) = value.as_m() {
        let members = members.iter().map(|(name, value)| (name, plain(value)));
        return format!("{:?}", members.collect::<BTreeMap<_, _>>());
    }
    if let Ok(items) = value.as_l() {
        return format!("{:?}", items.iter().map(plain).collect::<Vec<_>>());
    }
    if let Ok(items) = value.as_ss() {
        return format!("{:?}", items.iter().collect::<BTreeSet<_>>());
    }
    format!("{value:?}")
}

/// What a call did: how many items of each kind it made, changed and took away.
pub(crate) fn effect(before: &Table, after: &Table) -> BTreeMap<String, usize> {
    let mut effect = BTreeMap::new();
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    for key in keys {
        let what = match (before.get(key), after.get(key)) {
            (None, Some(_)) => "new",
            (Some(_), None) => "gone",
            (Some(was), Some(is)) if was != is => "changed",
            (_, _) => continue,
        };
        let item = after.get(key).or_else(|| before.get(key)).unwrap();
        let kind = item.get("kind").map_or("?", String::as_str);
        *effect.entry(format!("{kind} {what}")).or_default() += 1;
    }
    effect
}
