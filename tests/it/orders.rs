//! What shop systems tell by their own webhooks: recorded once, however often and however oddly it comes, and believed only
//! with the vendor's signature.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use kith_domain::signed::hmac_sha256;
use kith_store::faults::Fault;
use reqwest::Method;
use serde_json::{Value, json};

use crate::books::{all, audit};
use crate::order_sources::delete;
use crate::samples::{self, SOURCE_SECRET};
use crate::world::{Answer, Program, World, eur, text};

const PLATFORMS: [&str; 3] = ["shopify", "woocommerce", "stripe"];

/// A shop system with its address and secret.
pub(crate) struct Shop<'a> {
    world: &'a World,
    platform: &'static str,
    source: Value,
    secret: String,
}

impl<'a> Shop<'a> {
    pub(crate) async fn of(program: &Program<'a>, platform: &'static str) -> Self {
        Self {
            world: program.world,
            platform,
            source: samples::order_source(program, platform).await,
            secret: SOURCE_SECRET.to_owned(),
        }
    }

    fn id(&self) -> &str {
        text(&self.source["id"])
    }

    fn path(&self) -> String {
        format!("/order-sources/{}", self.id())
    }

    /// The headers by which the vendor says who calls and what of.
    fn headers(&self, topic: &str, body: &[u8], seconds_ago: i64) -> Vec<(&'static str, String)> {
        let key = self.secret.as_bytes();
        let whole = STANDARD.encode(hmac_sha256(key, &[body]));
        match self.platform {
            "shopify" => vec![
                ("x-shopify-topic", topic.to_owned()),
                ("x-shopify-event-id", "98880550".to_owned()),
                ("x-shopify-hmac-sha256", whole),
            ],
            "woocommerce" => vec![
                ("x-wc-webhook-topic", topic.to_owned()),
                ("x-wc-webhook-delivery-id", "41".to_owned()),
                ("x-wc-webhook-signature", whole),
            ],
            _ => {
                let at = jiff::Timestamp::now().as_second() - seconds_ago;
                let at = at.to_string();
                let code = hmac_sha256(key, &[at.as_bytes(), b".", body]);
                let code: String = code.iter().map(|byte| format!("{byte:02x}")).collect();
                vec![("stripe-signature", format!("t={at},v1={code}"))]
            }
        }
    }

    async fn send(&self, headers: Vec<(&'static str, String)>, body: Vec<u8>) -> Answer {
        let request = self.world.request(Method::POST, text(&self.source["url"]));
        let request = request.header("content-type", "application/json");
        let named = |request: reqwest::RequestBuilder, (name, value): (&str, String)| {
            request.header(name, value)
        };
        let request = headers.into_iter().fold(request, named);
        self.world.send(request.body(body)).await
    }

    /// What the vendor sends of an event.
    pub(crate) async fn tell(&self, (topic, body): &(&str, Value)) -> Answer {
        let body = body.to_string().into_bytes();
        self.send(self.headers(topic, &body, 0), body).await
    }

    /// The same, of which this became.
    #[track_caller]
    fn became(&self, answer: &Answer, outcome: &str, reason: Option<&str>) {
        let body = answer.expect(200);
        let became = (&body["outcome"], &body["reason"]);
        assert_eq!(became, (&json!(outcome), &json!(reason)), "{body}");
    }

    async fn records(&self, event: &(&'static str, Value)) {
        let answer = self.tell(event).await;
        self.became(&answer, "recorded", None);
    }

    /// A paid order of 59.50 EUR.
    pub(crate) fn order(&self, order: u32, change: Value) -> (&'static str, Value) {
        let person = format!("bob-{order}@example.net");
        let (topic, mut body) = match self.platform {
            "shopify" => (
                "orders/paid",
                json!({"id": order, "currency": "EUR", "total_price": "59.50", "subtotal_price": "45.00",
                    "contact_email": person, "customer": {"id": 7_000 + order}, "note_attributes": [], "discount_codes": []}),
            ),
            "woocommerce" => (
                "order.updated",
                json!({"id": order, "status": "processing", "currency": "EUR", "total": "59.50", "total_tax": "9.50",
                    "shipping_total": "5.00", "customer_id": 7_000 + order, "billing": {"email": person, "country": "DE"},
                    "meta_data": [], "coupon_lines": [], "refunds": []}),
            ),
            _ => (
                "checkout.session.completed",
                json!({"id": format!("evt_{order}"), "type": "checkout.session.completed", "livemode": false, "data": {"object": {
                    "id": format!("cs_{order}"), "payment_status": "paid", "currency": "eur", "amount_total": 5_950,
                    "payment_intent": format!("pi_{order}"), "customer": format!("cus_{order}"),
                    "customer_details": {"email": person}, "metadata": {}}}}),
            ),
        };
        for (pointer, value) in change.as_object().unwrap() {
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            body.pointer_mut(parent).unwrap()[name] = value.clone();
        }
        (topic, body)
    }

    /// What the shop's page kept with the order.
    pub(crate) fn kept(&self, name: &str, value: &str) -> Value {
        match self.platform {
            "shopify" => json!({"/note_attributes": [{"name": name, "value": value}]}),
            "woocommerce" => json!({"/meta_data": [{"id": 1, "key": name, "value": value}]}),
            _ => json!({"/data/object/metadata": {name: value}}),
        }
    }

    /// Something is given back of an order, in cents; of WooCommerce with the order.
    pub(crate) fn refund(
        &self,
        order: u32,
        refund: u32,
        before: i64,
        cents: i64,
    ) -> (&'static str, Value) {
        let decimal = format!("{}.{:02}", cents / 100, cents % 100);
        match self.platform {
            "shopify" => (
                "refunds/create",
                json!({"id": refund, "order_id": order, "transactions": [
                    {"kind": "refund", "status": "success", "amount": decimal, "currency": "EUR"}]}),
            ),
            "woocommerce" => {
                let refunds = json!([{"id": refund, "total": format!("-{decimal}")}]);
                self.order(order, json!({"/refunds": refunds}))
            }
            _ => (
                "charge.refunded",
                json!({"id": format!("evt_{refund}"), "type": "charge.refunded", "livemode": false, "data": {
                    "object": {"id": format!("ch_{order}"), "currency": "eur", "amount_refunded": before + cents,
                        "payment_intent": format!("pi_{order}")},
                    "previous_attributes": {"amount_refunded": before}}}),
            ),
        }
    }

    /// The name by which an order is recorded.
    fn name(&self, order: u32) -> String {
        match self.platform {
            "stripe" => format!("pi_{order}"),
            _ => order.to_string(),
        }
    }
}

/// A referrer earns a tenth of what their friends pay.
async fn program(world: &World) -> Program<'_> {
    let tenth = json!([{"id": "thank-you", "on": "purchase", "beneficiary": "referrer",
        "reward": {"kind": "percentage", "basis_points": 1_000}}]);
    world
        .program(json!({"surveys": [], "incentives": tenth}))
        .await
}

async fn conversion(program: &Program<'_>, order: &str) -> Value {
    let found = format!("/conversions?event=purchase&external_id={order}");
    let found = program.get(&found).await.expect(200);
    let found = found["data"].as_array().unwrap();
    assert_eq!(found.len(), 1, "{order}");
    found[0].clone()
}

async fn earned(program: &Program<'_>, who: &Value) -> i64 {
    program.world.settle().await;
    program.balance(who, "EUR").await["available"]
        .as_i64()
        .unwrap_or(0)
}

/// What stands among a source's deliveries, newest first: topic, order, outcome, reason.
async fn noted(program: &Program<'_>, shop: &Shop<'_>) -> Vec<String> {
    let listed = all(program, &format!("{}/deliveries", shop.path())).await;
    let word = |one: &Value| {
        let order = one["order_id"].as_str().unwrap_or("-");
        format!(
            "{} {order} {} {}",
            text(&one["topic"]),
            text(&one["outcome"]),
            text(&one["reason"])
        )
    };
    listed.iter().map(word).collect()
}

/// The whole life of an order, of each vendor: paid after a click, told ten times and more at once, given back in parts.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_recorded_once_and_given_back_in_parts() {
    let world = World::start().await;
    for platform in PLATFORMS {
        let program = program(&world).await;
        let ann = program.referrer("ann").await;
        let shop = Shop::of(&program, platform).await;
        let token = program.click(&ann).await;
        let paid = shop.order(5_501, shop.kept("kith_click", &token));
        shop.records(&paid).await;
        assert_eq!(earned(&program, &ann).await, 595, "{platform}");
        for _ in 0..9 {
            shop.records(&paid).await;
        }
        let answers = join_all((0..10).map(|_| shop.tell(&paid))).await;
        assert!(
            answers
                .iter()
                .all(|answer| answer.status == 200 || answer.status == 503)
        );
        // Those that come at once for the first time, too.
        let at_once = shop.order(5_502, shop.kept("kith_click", &token));
        let answers = join_all((0..10).map(|_| shop.tell(&at_once))).await;
        assert!(
            answers
                .iter()
                .all(|answer| answer.status == 200 || answer.status == 503)
        );
        shop.records(&at_once).await;
        assert_eq!(earned(&program, &ann).await, 1_190, "{platform}");
        assert_eq!(all(&program, "/conversions").await.len(), 2, "{platform}");

        let recorded = conversion(&program, &shop.name(5_501)).await;
        assert_eq!(recorded["recorded_by"], shop.source["id"]);
        assert_eq!(
            recorded["attribution"]["reason"], "click_token",
            "{recorded}"
        );
        assert_eq!(recorded["amount"], eur(5_950));
        let referee = text(&recorded["attribution"]["referee_id"]).to_owned();
        let referee = program
            .get(&format!("/participants/{referee}"))
            .await
            .expect(200);
        assert_eq!(referee["recorded_by"], shop.source["id"]);

        let part = shop.refund(5_501, 61, 0, 1_000);
        shop.records(&part).await;
        shop.records(&part).await;
        assert_eq!(earned(&program, &ann).await, 1_090, "{platform}");
        let refunded = conversion(&program, &shop.name(5_501)).await;
        assert_eq!(refunded["refunded"], eur(1_000), "{refunded}");
        assert_eq!(refunded["refunds"][0]["recorded_by"], shop.source["id"]);
        // More than is left takes what is left: a shop refunds what the order's amount may leave out.
        shop.records(&shop.refund(5_501, 62, 1_000, 6_000)).await;
        assert_eq!(earned(&program, &ann).await, 595, "{platform}");
        let whole = conversion(&program, &shop.name(5_501)).await;
        assert_eq!(whole["refunded"], eur(5_950));
        assert_eq!(noted(&program, &shop).await, [""; 0], "{platform}");
        let log = program.get("/audit").await;
        assert!(
            log.text.contains(shop.id()) && !log.text.contains("bob-"),
            "{}",
            log.text
        );
        audit(&program).await;
    }
    world.bundle.shutdown().await;
}

/// However they come: the refund first, then the order.
#[tokio::test(flavor = "multi_thread")]
async fn a_refund_may_come_before_its_order() {
    let world = World::start().await;
    for platform in ["shopify", "stripe"] {
        let program = program(&world).await;
        let ann = program.referrer("ann").await;
        let shop = Shop::of(&program, platform).await;
        shop.records(&shop.refund(1, 61, 0, 950)).await;
        shop.records(&shop.refund(1, 61, 0, 950)).await;
        shop.records(&shop.order(1, shop.kept("kith_code", text(&ann["code"]))))
            .await;
        assert_eq!(earned(&program, &ann).await, 500, "{platform}");
        assert_eq!(
            conversion(&program, &shop.name(1)).await["refunded"],
            eur(950)
        );
    }
    // WooCommerce tells of both at once. What was given back before it was recorded is none.
    let program = program(&world).await;
    let ann = program.referrer("ann").await;
    let shop = Shop::of(&program, "woocommerce").await;
    let gone = shop.order(
        2,
        json!({"/status": "refunded", "/refunds": [{"id": 1, "total": "-59.50"}]}),
    );
    shop.became(&shop.tell(&gone).await, "ignored", Some("not_recorded"));
    let mut both = shop.refund(3, 61, 0, 950);
    both.1["meta_data"] = json!([{"key": "kith_code", "value": ann["code"]}]);
    shop.records(&both).await;
    assert_eq!(earned(&program, &ann).await, 500);
    // The state alone, then a second time.
    let mut cancelled = both.clone();
    cancelled.1["status"] = json!("cancelled");
    shop.records(&cancelled).await;
    shop.records(&cancelled).await;
    assert_eq!(earned(&program, &ann).await, 0);
    let told = conversion(&program, "3").await;
    assert_eq!(
        (&told["refunded"], told["refunds"].as_array().unwrap().len()),
        (&eur(5_950), 2)
    );
    // All of it was given back by refunds, and the state says so too.
    shop.records(&shop.order(4, json!({}))).await;
    let refunds = json!([{"id": 71, "total": "-50.00"}, {"id": 72, "total": "-9.50"}]);
    shop.records(&shop.order(4, json!({"/status": "refunded", "/refunds": refunds})))
        .await;
    assert_eq!(
        conversion(&program, "4").await["refunds"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(noted(&program, &shop).await, [""; 0]);
    world.bundle.shutdown().await;
}

fn event(kind: &str, object: Value) -> (&'static str, Value) {
    let event = json!({"id": "evt_1", "type": kind, "livemode": false, "data": {"object": object}});
    ("", event)
}

/// A subscription's first payment is told by Checkout and by its invoice, in whatever order, and its refund by neither name
/// alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_is_one_order_under_all_its_names() {
    let world = World::start().await;
    let program = program(&world).await;
    let ann = program.referrer("ann").await;
    let shop = Shop::of(&program, "stripe").await;
    let invoice = |number: u32, reason: &str, metadata: Value| {
        let object = json!({"id": format!("in_{number}"), "billing_reason": reason, "currency": "eur", "total": 5_950,
            "customer": "cus_1", "customer_email": "bob@example.net",
            "parent": {"subscription_details": {"subscription": "sub_1", "metadata": metadata}}});
        event("invoice.paid", object)
    };
    let session = |number: u32| {
        let session = json!({"id": format!("cs_{number}"), "payment_status": "paid", "currency": "eur", "amount_total": 5_950,
            "invoice": format!("in_{number}"), "payment_intent": null, "customer": "cus_1",
            "customer_details": {"email": "bob@example.net", "address": {"country": "DE"}}, "created": 1_772_366_400,
            "client_reference_id": ann["code"], "metadata": null});
        event("checkout.session.completed", session)
    };
    let paid_by = |number: u32| {
        let payment = json!({"type": "payment_intent", "payment_intent": format!("pi_{number}")});
        event(
            "invoice_payment.paid",
            json!({"invoice": format!("in_{number}"), "payment": payment}),
        )
    };
    // The invoice knows nobody; Checkout, which comes later, says who led here.
    shop.records(&invoice(1, "subscription_create", json!({})))
        .await;
    assert_eq!(conversion(&program, "in_1").await["state"], "unattributed");
    shop.records(&paid_by(1)).await;
    shop.records(&session(1)).await;
    shop.records(&paid_by(1)).await;
    assert_eq!(earned(&program, &ann).await, 595);
    // Later payments follow the bond.
    shop.records(&paid_by(2)).await;
    shop.records(&invoice(2, "subscription_cycle", json!({})))
        .await;
    assert_eq!(earned(&program, &ann).await, 1_190);
    assert_eq!(all(&program, "/conversions").await.len(), 2);
    // The charge names the intent alone.
    shop.records(&shop.refund(2, 61, 0, 950)).await;
    assert_eq!(earned(&program, &ann).await, 1_095);
    assert_eq!(conversion(&program, "in_2").await["refunded"], eur(950));

    let dispute = |kind: &str, status: &str| {
        let object = json!({"id": "dp_1", "amount": 5_950, "currency": "eur", "payment_intent": "pi_1", "status": status});
        event(kind, object)
    };
    let won = dispute("charge.dispute.closed", "won");
    shop.became(
        &shop.tell(&won).await,
        "ignored",
        Some("nothing_to_reverse"),
    );
    let inquiry = dispute("charge.dispute.created", "warning_needs_response");
    shop.became(&shop.tell(&inquiry).await, "ignored", Some("inquiry"));
    for kind in ["charge.dispute.created", "charge.dispute.funds_withdrawn"] {
        shop.records(&dispute(kind, "needs_response")).await;
        assert_eq!(earned(&program, &ann).await, 500, "{kind}");
    }
    let disputed = conversion(&program, "in_1").await;
    assert_eq!(disputed["refunds"][0]["reason"], "chargeback");
    let lost = dispute("charge.dispute.closed", "lost");
    shop.became(&shop.tell(&lost).await, "ignored", Some("not_won"));
    assert_eq!(earned(&program, &ann).await, 500);
    for _ in 0..2 {
        shop.records(&won).await;
        assert_eq!(earned(&program, &ann).await, 1_095);
    }
    let odd = ["charge.dispute.closed pi_1 ignored nothing_to_reverse"];
    assert_eq!(noted(&program, &shop).await, odd);
    audit(&program).await;
    world.bundle.shutdown().await;
}

/// By a code that the page kept, by a coupon of the order, by the address alone; and a coupon that is nobody's.
#[tokio::test(flavor = "multi_thread")]
async fn orders_find_their_referrer_in_every_way() {
    let world = World::start().await;
    for platform in PLATFORMS {
        let program = program(&world).await;
        let ann = program.referrer("ann").await;
        let shop = Shop::of(&program, platform).await;
        let code = text(&ann["code"]);
        let coupons = |codes: &[&str]| {
            let list: Vec<Value> = codes.iter().map(|code| json!({"code": code})).collect();
            match platform {
                "shopify" => json!({"/discount_codes": list}),
                "woocommerce" => json!({"/coupon_lines": list}),
                _ => {
                    let list: Vec<Value> = codes
                        .iter()
                        .map(|code| json!({"promotion_code": {"code": code}}))
                        .collect();
                    json!({"/data/object/discounts": list})
                }
            }
        };
        shop.records(&shop.order(1, coupons(&["SPRING-SALE", code])))
            .await;
        let first = conversion(&program, &shop.name(1)).await;
        assert_eq!(first["attribution"]["reason"], "code", "{first}");
        let is: Vec<&Value> = first["codes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|code| &code["is"])
            .collect();
        assert_eq!(is, ["unknown", "referral"]);
        // A guest with the same address, whom the bond knows.
        let address = [
            "/contact_email",
            "/billing/email",
            "/data/object/customer_details/email",
        ];
        let customer = ["/customer", "/customer_id", "/data/object/customer"];
        let which = PLATFORMS.iter().position(|one| *one == platform).unwrap();
        let guest = BTreeMap::from([
            (address[which], json!(" Bob-1@Example.net ")),
            (
                customer[which],
                if platform == "woocommerce" {
                    json!(0)
                } else {
                    Value::Null
                },
            ),
        ]);
        shop.records(&shop.order(2, json!(guest))).await;
        let second = conversion(&program, &shop.name(2)).await;
        assert_eq!(
            second["attribution"]["reason"], "existing_referral",
            "{second}"
        );
        let odd = ["SPRING-SALE", "", "x y z", &"long".repeat(30)];
        shop.records(&shop.order(3, coupons(&odd))).await;
        assert_eq!(
            conversion(&program, &shop.name(3)).await["state"],
            "unattributed"
        );
        shop.records(&shop.order(4, shop.kept("kith_click", "not-a-token")))
            .await;
        let fourth = conversion(&program, &shop.name(4)).await;
        assert_eq!(fourth["attribution"]["reason"], "bad_token");
        shop.records(&shop.order(5, shop.kept("kith_code", code)))
            .await;
        assert_eq!(earned(&program, &ann).await, 3 * 595, "{platform}");
        assert_eq!(noted(&program, &shop).await, [""; 0], "{platform}");
    }
    world.bundle.shutdown().await;
}

/// What cannot be recorded is acknowledged, so that the vendor does not go on for ever, and told to the owner.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_recorded_is_told_to_the_owner() {
    let world = World::start().await;
    let program = program(&world).await;
    let shop = Shop::of(&program, "shopify").await;
    shop.records(&shop.order(1, json!({}))).await;
    let mut dollars = shop.refund(1, 61, 0, 1_000);
    dollars.1["transactions"][0]["currency"] = json!("USD");
    shop.became(
        &shop.tell(&dollars).await,
        "refused",
        Some("invalid_request"),
    );
    let dearer = shop.order(1, json!({"/total_price": "60.50"}));
    shop.became(
        &shop.tell(&dearer).await,
        "refused",
        Some("conversion_differs"),
    );
    let nobody = shop.order(2, json!({"/contact_email": "carl", "/customer": null}));
    shop.became(
        &shop.tell(&nobody).await,
        "refused",
        Some("invalid_request"),
    );
    shop.records(&shop.refund(1, 62, 0, 5_950)).await;
    let again = shop.refund(1, 63, 0, 100);
    shop.became(
        &shop.tell(&again).await,
        "refused",
        Some("refund_exceeds_conversion"),
    );
    let other = ("products/update", json!({"id": 7}));
    shop.became(&shop.tell(&other).await, "ignored", Some("unknown_topic"));
    let nothing = shop.refund(1, 64, 0, 0);
    shop.became(
        &shop.tell(&nothing).await,
        "ignored",
        Some("nothing_refunded"),
    );
    let off = program
        .patch(&shop.path(), json!({"state": "disabled"}))
        .await;
    off.expect(200);
    shop.became(
        &shop.tell(&shop.order(3, json!({}))).await,
        "ignored",
        Some("source_disabled"),
    );
    shop.became(&shop.tell(&other).await, "ignored", Some("unknown_topic"));
    let on = program
        .patch(
            &shop.path(),
            json!({"state": "active", "amount": "subtotal"}),
        )
        .await;
    on.expect(200);
    shop.records(&shop.order(3, json!({}))).await;
    assert_eq!(conversion(&program, "3").await["amount"], eur(4_500));
    assert_eq!(
        noted(&program, &shop).await,
        [
            "orders/paid 3 ignored source_disabled",
            "refunds/create 1 refused refund_exceeds_conversion",
            "orders/paid 2 refused invalid_request",
            "orders/paid 1 refused conversion_differs",
            "refunds/create 1 refused invalid_request",
        ]
    );
    let listed = program.get(&format!("{}/deliveries", shop.path())).await;
    assert!(
        !listed.text.contains("bob-") && !listed.text.contains("carl"),
        "{}",
        listed.text
    );
    let listed = listed.expect(200);
    let differs = &listed["data"][3];
    assert_eq!(differs["event_id"], "98880550");
    assert!(
        text(&differs["detail"]).contains("/amount: differs"),
        "{differs}"
    );
    assert!(text(&listed["data"][2]["detail"]).starts_with("/contact_email: "));
    let page = program
        .get(&format!("{}/deliveries?limit=2", shop.path()))
        .await
        .expect(200);
    assert_eq!(
        page["data"].as_array().unwrap()[..],
        listed["data"].as_array().unwrap()[..2]
    );
    assert!(page["next_cursor"].is_string());

    // A payment of the other mode, and a test order in a live program.
    let stripe = Shop::of(&program, "stripe").await;
    let live = stripe.order(9, json!({"/livemode": true}));
    stripe.became(&stripe.tell(&live).await, "ignored", Some("other_mode"));
    assert_eq!(
        noted(&program, &stripe).await,
        ["checkout.session.completed - ignored other_mode"]
    );
    let live = world.program_of(&world.live_key(), json!({})).await;
    let shop = Shop::of(&live, "shopify").await;
    let test = shop.order(1, json!({"/test": true}));
    shop.became(&shop.tell(&test).await, "ignored", Some("test_order"));
    // When it was ordered counts, in the vendor's time: not in a test program, whose clock is its own.
    let an_hour_ago = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1);
    let an_hour_ago = format!("{an_hour_ago:.0}");
    let ordered = json!({"/test": false, "/created_at": an_hour_ago});
    shop.records(&shop.order(2, ordered.clone())).await;
    shop.records(&shop.order(2, ordered.clone())).await;
    let recorded = conversion(&live, "2").await;
    assert_eq!(recorded["occurred_at"], an_hour_ago);
    let tested = Shop::of(&program, "shopify").await;
    tested.records(&tested.order(8, ordered)).await;
    let recorded = conversion(&program, "8").await;
    assert_eq!(recorded["occurred_at"], recorded["recorded_at"]);
    assert_eq!(
        noted(&live, &shop).await,
        ["orders/paid 1 ignored test_order"]
    );
    assert_eq!(all(&live, "/conversions").await.len(), 1);
    world.settle().await;
    world.bundle.shutdown().await;
}

/// The answer without what tells one call from another.
fn plain(answer: &Answer) -> Value {
    let mut body = answer.json();
    body["instance"] = Value::Null;
    body
}

/// Whoever does not have the vendor's secret learns nothing and does nothing.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_vendor_did_not_sign_is_answered_alike() {
    let world = World::start().await;
    let (ours, theirs) = (program(&world).await, program(&world).await);
    for platform in PLATFORMS {
        let mut shop = Shop::of(&ours, platform).await;
        let (topic, order) = shop.order(1, json!({}));
        let body = order.to_string().into_bytes();
        let before = samples::table(&world, |_| true).await;
        let mut answers = Vec::new();
        let good = |shop: &Shop<'_>| shop.headers(topic, &body, 0);
        // Without a signature, with one of something else, with an old one.
        let bare = good(&shop)
            .into_iter()
            .filter(|(name, _)| !name.contains("sig") && !name.contains("hmac"));
        answers.push(shop.send(bare.collect(), body.clone()).await);
        answers.push(shop.send(shop.headers(topic, b"{}", 0), body.clone()).await);
        let mut flipped = body.clone();
        flipped[9] ^= 1;
        answers.push(shop.send(good(&shop), flipped).await);
        if platform == "stripe" {
            answers.push(
                shop.send(shop.headers(topic, &body, 400), body.clone())
                    .await,
            );
            answers.push(
                shop.send(shop.headers(topic, &body, -400), body.clone())
                    .await,
            );
        }
        shop.secret = "another-secret-of-the-shop".to_owned();
        answers.push(shop.send(good(&shop), body.clone()).await);
        shop.secret = SOURCE_SECRET.to_owned();
        // Well signed, for nobody: another program's, none at all, no ids.
        let (program, id) = (ours.id.clone(), shop.id().to_owned());
        let zero = "0".repeat(26);
        for (program, id) in [
            (theirs.id.as_str(), id.as_str()),
            (&program, &format!("src_{zero}")),
            (&format!("prg_{zero}"), &id),
            ("x", &id),
            (&program, "y"),
        ] {
            shop.source["url"] = json!(format!("{}/in/{program}/{id}", world.bundle.base_url()));
            answers.push(shop.send(good(&shop), body.clone()).await);
        }
        // One that does not know its secret yet, and one that is gone.
        for gone in [false, true] {
            let made = match gone {
                true => json!({"platform": platform, "secret": SOURCE_SECRET}),
                false => json!({"platform": platform}),
            };
            shop.source = ours.post("/order-sources", made).await.expect(201);
            if gone {
                assert_eq!(delete(&ours, &shop.path()).await.status, 204);
            }
            answers.push(shop.send(good(&shop), body.clone()).await);
            if !gone {
                assert_eq!(delete(&ours, &shop.path()).await.status, 204);
            }
        }
        for answer in &answers {
            assert_eq!(answer.problem(401), "bad_signature", "{platform}");
            assert_eq!(plain(answer), plain(&answers[0]), "{platform}");
        }
        assert!(answers.len() >= 11, "{}", answers.len());
        world.settle().await;
        let after = samples::table(&world, |_| true).await;
        let done = samples::effect(&before, &after);
        // The two that were made for the test are told in the log.
        assert!(done.keys().all(|what| what == "audit new"), "{done:?}");
    }
    assert_eq!(all(&ours, "/conversions").await, [Value::Null; 0]);
    world.bundle.shutdown().await;
}

/// A vendor goes on signing with the old secret for a while.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_secret_and_the_one_before_are_good() {
    let world = World::start().await;
    for platform in PLATFORMS {
        let program = program(&world).await;
        let mut shop = Shop::of(&program, platform).await;
        let paid = shop.order(1, json!({}));
        for secret in ["another-secret-of-the-shop", "a-third-secret-of-the-shop"] {
            let change = program.patch(&shop.path(), json!({"secret": secret})).await;
            change.expect(200);
            shop.records(&paid).await;
            shop.secret = secret.to_owned();
            shop.records(&paid).await;
        }
        // Two are good and no more.
        shop.secret = SOURCE_SECRET.to_owned();
        assert_eq!(shop.tell(&paid).await.problem(401), "bad_signature");
    }
    world.bundle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_bodies_are_bounded_and_acknowledged() {
    let world = World::start().await;
    for platform in PLATFORMS {
        let program = program(&world).await;
        let shop = Shop::of(&program, platform).await;
        let (topic, order) = shop.order(1, json!({}));
        // Spaces are as good as order lines.
        let padded = |bytes: usize| {
            let text = order.to_string();
            (" ".repeat(bytes - text.len()) + &text).into_bytes()
        };
        let most = 2 * 1_024 * 1_024;
        let body = padded(most);
        let answer = shop.send(shop.headers(topic, &body, 0), body).await;
        shop.became(&answer, "recorded", None);
        let body = padded(most + 1);
        let answer = shop.send(shop.headers(topic, &body, 0), body).await;
        assert_eq!(answer.problem(413), "body_too_large");
        for junk in [
            &b""[..],
            b"null",
            b"[]",
            b"{",
            b"\xff\xfe",
            b"{}",
            b"{\"type\":7}",
        ] {
            let answer = shop.send(shop.headers(topic, junk, 0), junk.to_vec()).await;
            let outcome = answer.expect(200)["outcome"].clone();
            assert!(
                outcome == "refused" || outcome == "ignored",
                "{platform} {junk:?}"
            );
        }
        let deep = "[".repeat(100_000).into_bytes();
        let answer = shop.send(shop.headers(topic, &deep, 0), deep).await;
        assert!(
            answer.status == 200 && !answer.text.contains("recorded"),
            "{}",
            answer.text
        );
        assert_eq!(all(&program, "/conversions").await.len(), 1);
    }
    // What is sent when a webhook is saved, to whatever address: it tells nothing.
    for path in ["/in/x/y".to_owned(), "/in/prg_x/src_x".to_owned()] {
        let request = world.request(Method::POST, &path);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = world.send(request.body("webhook_id=7")).await;
        assert_eq!(answer.expect(200)["reason"], "ping");
    }
    world.bundle.shutdown().await;
}

/// A fault of ours is answered with 503, so that the vendor sends again, and again is once.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_fault_of_ours_the_vendor_sends_again() {
    let world = World::start().await;
    let program = program(&world).await;
    let ann = program.referrer("ann").await;
    let shop = Shop::of(&program, "shopify").await;
    let paid = |order| shop.order(order, shop.kept("kith_code", text(&ann["code"])));
    for (order, operation) in [(1, "BatchGetItem"), (2, "TransactWriteItems")] {
        world.plan(move |seen| (seen == operation).then_some(Fault::Throttle));
        let answer = shop.tell(&paid(order)).await;
        assert_eq!(answer.problem(503), "unavailable", "{operation}");
        assert!(!answer.header("retry-after").is_empty());
        world.heal();
        for _ in 0..2 {
            shop.records(&paid(order)).await;
        }
    }
    assert_eq!(earned(&program, &ann).await, 2 * 595);
    // What became of it cannot be noted, so it is told again.
    let nobody = shop.order(3, json!({"/contact_email": "", "/customer": null}));
    world.plan(|seen| (seen == "TransactWriteItems").then_some(Fault::Throttle));
    assert_eq!(shop.tell(&nobody).await.problem(503), "unavailable");
    world.heal();
    shop.became(
        &shop.tell(&nobody).await,
        "refused",
        Some("invalid_request"),
    );
    assert_eq!(noted(&program, &shop).await.len(), 1);

    // Every third write conflicts, is throttled, or loses its request or its answer, while everything comes at once.
    let turn = AtomicUsize::new(0);
    let faults = [
        Fault::Conflict,
        Fault::TimeoutAfter,
        Fault::Throttle,
        Fault::TimeoutBefore,
    ];
    world.plan(move |operation| {
        let turn = turn.fetch_add(1, Ordering::Relaxed);
        let falls = operation == "TransactWriteItems" && turn.is_multiple_of(3);
        falls.then(|| faults[turn / 3 % faults.len()])
    });
    let orders: Vec<_> = (10..20).map(paid).collect();
    let refunds: Vec<_> = (10..20)
        .map(|order| shop.refund(order, order, 0, 950))
        .collect();
    let events: Vec<_> = orders
        .iter()
        .chain(&refunds)
        .chain(&orders)
        .chain(&refunds)
        .collect();
    let insist = async |event: &(&'static str, Value)| {
        loop {
            let answer = shop.tell(event).await;
            if answer.status == 200 {
                shop.became(&answer, "recorded", None);
                return;
            }
            assert_eq!(answer.problem(503), "unavailable");
        }
    };
    join_all(events.into_iter().map(insist)).await;
    world.heal();
    assert_eq!(earned(&program, &ann).await, 2 * 595 + 10 * 500);
    assert_eq!(all(&program, "/conversions").await.len(), 12);
    audit(&program).await;
    world.bundle.shutdown().await;
}
