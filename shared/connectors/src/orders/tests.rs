#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

use std::collections::BTreeMap;

use kith_domain::money::Currency;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const PLATFORMS: [Platform; 3] = [Platform::Shopify, Platform::WooCommerce, Platform::Stripe];
const LIVE: Settings = Settings {
    amount: OrderAmount::Total,
    mode: Mode::Live,
};

type Headers = BTreeMap<String, String>;

fn headers(pairs: &[(&str, &str)]) -> Headers {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn message<T>(headers: &Headers, body: &[u8], says: impl FnOnce(&Message<'_>) -> T) -> T {
    let header = |name: &str| headers.get(name).map(String::as_str);
    says(&Message::new(&header, body))
}

fn told(platform: Platform, pairs: &[(&str, &str)], body: &Value, settings: Settings) -> Told {
    let bytes = body.to_string().into_bytes();
    message(&headers(pairs), &bytes, |message| {
        read(platform, message, settings)
    })
}

fn good(platform: Platform, pairs: &Headers, body: &[u8], secrets: &[&str], now: i64) -> bool {
    let now = Timestamp::from_second(now).unwrap();
    message(pairs, body, |message| {
        verify(platform, message, secrets.iter().copied(), now)
    })
}

/// A message that its vendor signed.
struct Vector {
    about: &'static str,
    platform: Platform,
    secret: &'static str,
    header: (&'static str, &'static str),
    body: &'static str,
}

/// When the vectors of Stripe were signed.
const SIGNED_AT: i64 = 1_772_366_400;
const EVENT: &str =
    r#"{"id":"evt_1","object":"event","type":"ping","livemode":false,"data":{"object":{}}}"#;

/// Worked out by another implementation (Python's `hmac`), but for those of RFC 4231, which are published.
const VECTORS: [Vector; 6] = [
    Vector {
        about: "RFC 4231, case 2, as Shopify writes it",
        platform: Platform::Shopify,
        secret: "Jefe",
        header: (
            "x-shopify-hmac-sha256",
            "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=",
        ),
        body: "what do ya want for nothing?",
    },
    Vector {
        about: "RFC 4231, case 2, as WooCommerce writes it",
        platform: Platform::WooCommerce,
        secret: "Jefe",
        header: (
            "x-wc-webhook-signature",
            "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=",
        ),
        body: "what do ya want for nothing?",
    },
    Vector {
        about: "Shopify, of a newer subscription, beyond ASCII",
        platform: Platform::Shopify,
        secret: "3f1d0c2b9a8e7f6d5c4b3a291807f6e5",
        header: (
            "shopify-hmac-sha256",
            "6qyvnbeGmANWiVMClliprnpccIm5x5pCMmFegAYHpm8=",
        ),
        body: r#"{"id":1001,"note":"Grüße"}"#,
    },
    Vector {
        about: "WooCommerce, beyond ASCII",
        platform: Platform::WooCommerce,
        secret: "the-owner-made-this-1",
        header: (
            "x-wc-webhook-signature",
            "V7biPyn+eSqnzFD9yLM1H4h0Q7tg23Cfet9CLBbkf+I=",
        ),
        body: r#"{"id":1001,"note":"Grüße"}"#,
    },
    Vector {
        about: "Stripe, with a scheme that does not count",
        platform: Platform::Stripe,
        secret: "whsec_0123456789abcdef0123456789abcdef",
        header: (
            "stripe-signature",
            "t=1772366400,v1=9df8991fe5436400466f883e85d4f3ca76c4c73d989092ccdfa21fbb7b03e6e8,v0=deadbeef",
        ),
        body: EVENT,
    },
    Vector {
        about: "Stripe, with two signatures while a secret is rolled",
        platform: Platform::Stripe,
        secret: "whsec_another_secret_of_the_shop",
        header: (
            "stripe-signature",
            "t=1772366400, v1=9df8991fe5436400466f883e85d4f3ca76c4c73d989092ccdfa21fbb7b03e6e8, v1=c204f4c05a6a0441d3cd0681c762eeffaeb5fd104336e9460d32dc904a9a1aad",
        ),
        body: EVENT,
    },
];

#[test]
fn what_the_vendor_signed_is_believed_and_nothing_else() {
    for vector in &VECTORS {
        let Vector {
            about,
            platform,
            secret,
            header: (name, value),
            body,
        } = *vector;
        let signed = headers(&[(name, value)]);
        let is_good = |headers: &Headers, body: &[u8], secrets: &[&str]| {
            good(platform, headers, body, secrets, SIGNED_AT)
        };
        assert!(is_good(&signed, body.as_bytes(), &[secret]), "{about}");
        // The secret before verifies too.
        let both = ["another-secret-of-the-shop", secret];
        assert!(is_good(&signed, body.as_bytes(), &both), "{about}");

        assert!(
            !is_good(&signed, body.as_bytes(), &[]),
            "{about}: no secret"
        );
        assert!(
            !is_good(&signed, body.as_bytes(), &["another-secret"]),
            "{about}"
        );
        assert!(
            !is_good(&Headers::new(), body.as_bytes(), &[secret]),
            "{about}: no header"
        );
        for bad in [
            "",
            "x",
            "t=1772366400",
            "t=1772366400,v1=",
            "v1=",
            "t=,v1=,",
        ] {
            let headers = headers(&[(name, bad)]);
            assert!(
                !is_good(&headers, body.as_bytes(), &[secret]),
                "{about}: {bad}"
            );
        }
        // Every byte of the body counts.
        for place in 0..body.len() {
            let mut changed = body.as_bytes().to_vec();
            changed[place] ^= 1;
            assert!(
                !is_good(&signed, &changed, &[secret]),
                "{about}: byte {place}"
            );
        }
        let longer = format!("{body} ");
        assert!(
            !is_good(&signed, longer.as_bytes(), &[secret]),
            "{about}: a byte more"
        );
        // A signature of the other vendors says nothing here.
        for other in PLATFORMS.into_iter().filter(|other| *other != platform) {
            let is_good = good(other, &signed, body.as_bytes(), &[secret], SIGNED_AT);
            assert!(!is_good, "{about}: {other}");
        }
    }
}

/// A message that somebody kept is not believed later.
#[test]
fn a_signature_of_stripe_is_good_for_five_minutes() {
    let vector = &VECTORS[4];
    let signed = headers(&[vector.header]);
    for (seconds, expected) in [
        (0, true),
        (300, true),
        (-300, true),
        (301, false),
        (-301, false),
    ] {
        let now = SIGNED_AT + seconds;
        let is_good = good(
            vector.platform,
            &signed,
            vector.body.as_bytes(),
            &[vector.secret],
            now,
        );
        assert_eq!(is_good, expected, "{seconds}");
    }
    let right = "9df8991fe5436400466f883e85d4f3ca76c4c73d989092ccdfa21fbb7b03e6e8";
    for bad in [
        format!("t=1772366401,v1={right}"),
        format!("t=1772366400,t=1772366400,v1={right}"),
        format!("t=1772366400,v0={right}"),
        format!("t=1772366400,v1={}", right.to_uppercase()),
        format!("t=99999999999999999999,v1={right}"),
        format!("v1={right}"),
        format!("t=1772366400,{}v1={right}", "v1=x,".repeat(16)),
    ] {
        let signed = headers(&[("stripe-signature", &bad)]);
        let is_good = good(
            vector.platform,
            &signed,
            vector.body.as_bytes(),
            &[vector.secret],
            SIGNED_AT,
        );
        assert!(!is_good, "{bad}");
    }
}

#[test]
fn the_ping_of_woocommerce_is_known() {
    let is = |body: &[u8]| message(&Headers::new(), body, is_ping);
    assert!(is(b"webhook_id=7"));
    for other in [
        &b"webhook_id="[..],
        b"webhook_id=7&a=b",
        b"{}",
        b"",
        b"webhook_id=x",
    ] {
        assert!(!is(other));
    }
}

fn eur(minor: i64) -> Money {
    money(minor, "EUR")
}

fn money(minor: i64, code: &str) -> Money {
    let currency: Currency = code.parse().unwrap();
    Money::new(minor, currency)
}

fn id(text: &str) -> ExternalId {
    text.parse().unwrap()
}

/// The steps in one word each.
fn words(told: &Told) -> Vec<String> {
    match &told.tells {
        Tells::Nothing(passed) => vec![format!("nothing {}", passed.reason)],
        Tells::Unfit { pointer, .. } => vec![format!("unfit {pointer}")],
        Tells::Steps(steps) => {
            let word = |step: &Step| match step {
                Step::Order(order) => format!("order {} {}", order.id, order.amount.minor),
                Step::Refund(refund) => {
                    let amount = refund
                        .amount
                        .map_or("rest".to_owned(), |one| one.minor.to_string());
                    format!(
                        "refund {} of {} {amount} {}",
                        refund.id, refund.order, refund.reason
                    )
                }
                Step::Reversal { order, refund } => format!("reversal {refund} of {order}"),
                Step::Name { order, also } => format!("name {also} of {order}"),
            };
            steps.iter().map(word).collect()
        }
    }
}

fn first_order(told: &Told) -> PaidOrder {
    let Tells::Steps(steps) = &told.tells else {
        panic!("{told:?}");
    };
    let Some(Step::Order(order)) = steps.first() else {
        panic!("{told:?}");
    };
    (**order).clone()
}

/// A body with some members changed; `null` takes one away.
fn with(body: &Value, changes: &Value) -> Value {
    let mut body = body.clone();
    for (pointer, value) in changes.as_object().unwrap() {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = body.pointer_mut(parent).unwrap();
        if value.is_null() {
            parent.as_object_mut().unwrap().remove(name);
        } else {
            parent[name] = value.clone();
        }
    }
    body
}

fn shopify_order() -> Value {
    json!({
        "id": 820_982_911_946_154_508_u64, "admin_graphql_api_id": "gid://shopify/Order/1", "test": false,
        "contact_email": "bob@example.net", "email": "bob@example.net", "currency": "EUR",
        "created_at": "2026-03-01T13:00:00+01:00", "total_price": "59.50", "subtotal_price": "45.00",
        "discount_codes": [{"code": "SPRING", "amount": "5.00", "type": "fixed_amount"}, {"code": "ANN-BAKES"}],
        "note_attributes": [{"name": "colour", "value": "red"}, {"name": "kith_click", "value": "AQ.token"},
            {"name": "kith_code", "value": "ANN-BAKES"}],
        "customer": {"id": 115_310_627_314_723_954_u64, "email": "bob@example.net"},
        "shipping_address": {"country_code": "DE"}, "something_new": {"a": [1, 2.5, null]},
    })
}

const PAID: [(&str, &str); 2] = [
    ("x-shopify-topic", "orders/paid"),
    ("x-shopify-event-id", "98880550"),
];
const BACK: [(&str, &str); 2] = [
    ("shopify-topic", "refunds/create"),
    ("shopify-webhook-id", "b54557e4"),
];

#[test]
fn shopify_tells_of_an_order() {
    let one = told(Platform::Shopify, &PAID, &shopify_order(), LIVE);
    assert_eq!(
        (one.topic.as_str(), one.event_id.as_deref()),
        ("orders/paid", Some("98880550"))
    );
    assert_eq!(one.order, Some(id("820982911946154508")));
    assert_eq!(
        first_order(&one),
        PaidOrder {
            id: id("820982911946154508"),
            customer: Some(id("115310627314723954")),
            email: Some("bob@example.net".parse().unwrap()),
            clicks: vec!["AQ.token".to_owned()],
            codes: vec!["ANN-BAKES".to_owned(), "SPRING".to_owned()],
            amount: eur(5_950),
            country: Some("DE".parse().unwrap()),
            ordered_at: Some("2026-03-01T12:00:00Z".parse().unwrap()),
        }
    );
    let subtotal = Settings {
        amount: OrderAmount::Subtotal,
        ..LIVE
    };
    let one = told(Platform::Shopify, &PAID, &shopify_order(), subtotal);
    assert_eq!(first_order(&one).amount, eur(4_500));
    for (change, expected) in [
        (json!({"/test": true}), "nothing test_order"),
        (json!({"/id": null}), "unfit /id"),
        (json!({"/id": 0}), "unfit /id"),
        (json!({"/id": {}}), "unfit /id"),
        (json!({"/currency": null}), "unfit /currency"),
        (json!({"/currency": "XXQ"}), "unfit /currency"),
        (json!({"/total_price": null}), "unfit /total_price"),
        (json!({"/total_price": "59.505"}), "unfit /total_price"),
        (json!({"/total_price": 59.5}), "unfit /total_price"),
        (json!({"/total_price": "-1"}), "unfit /total_price"),
        (
            json!({"/customer": null, "/email": null, "/contact_email": "nobody"}),
            "unfit /contact_email",
        ),
        (json!({"/customer": null}), "order 820982911946154508 5950"),
        (
            json!({"/currency": "JPY", "/total_price": "5950.00"}),
            "order 820982911946154508 5950",
        ),
        (
            json!({"/created_at": "yesterday"}),
            "order 820982911946154508 5950",
        ),
        (
            json!({"/discount_codes": "x", "/note_attributes": 7}),
            "order 820982911946154508 5950",
        ),
    ] {
        let body = with(&shopify_order(), &change);
        assert_eq!(
            words(&told(Platform::Shopify, &PAID, &body, LIVE)),
            [expected],
            "{change}"
        );
    }
    // In a test program test orders are what there is.
    let test = Settings {
        mode: Mode::Test,
        ..LIVE
    };
    let body = with(&shopify_order(), &json!({"/test": true}));
    assert_eq!(
        first_order(&told(Platform::Shopify, &PAID, &body, test)).amount,
        eur(5_950)
    );
    for topic in ["orders/create", "products/update", ""] {
        let one = told(
            Platform::Shopify,
            &[("x-shopify-topic", topic)],
            &json!([]),
            LIVE,
        );
        assert_eq!(words(&one), ["nothing unknown_topic"], "{topic}");
    }
    assert_eq!(
        words(&told(Platform::Shopify, &PAID, &json!([1]), LIVE)),
        ["unfit "]
    );
}

#[test]
fn shopify_tells_of_a_refund() {
    let body = json!({
        "id": 890_088_186_047_892_319_u64, "order_id": 820_982_911_946_154_508_u64, "note": "wrong size",
        "transactions": [
            {"id": 1, "kind": "refund", "status": "success", "amount": "10.00", "currency": "EUR"},
            {"id": 2, "kind": "refund", "status": "failure", "amount": "99.00", "currency": "EUR"},
            {"id": 3, "kind": "capture", "status": "success", "amount": "59.50", "currency": "EUR"},
            {"id": 4, "kind": "refund", "status": "success", "amount": "2.34", "currency": "EUR"},
        ],
    });
    let words = |change: Value| {
        let one = told(Platform::Shopify, &BACK, &with(&body, &change), LIVE);
        assert_eq!(one.event_id.as_deref(), Some("b54557e4"));
        words(&one)
    };
    let expected = "refund 890088186047892319 of 820982911946154508 1234 refund";
    assert_eq!(words(json!({})), [expected]);
    assert_eq!(
        words(json!({"/transactions": []})),
        ["nothing nothing_refunded"]
    );
    assert_eq!(
        words(json!({"/transactions": null})),
        ["nothing nothing_refunded"]
    );
    assert_eq!(words(json!({"/order_id": null})), ["unfit /order_id"]);
    assert_eq!(words(json!({"/id": "x y \n"})), ["unfit /id"]);
    assert_eq!(
        words(json!({"/transactions/0/currency": "USD"})),
        ["unfit /transactions"]
    );
    assert_eq!(
        words(json!({"/transactions/3/amount": "2.345"})),
        ["unfit /transactions/3/amount"]
    );
    assert_eq!(
        words(json!({"/transactions/3/currency": null})),
        ["unfit /transactions/3/currency"]
    );
    let none = json!({"/transactions/0/amount": "0.00", "/transactions/3/amount": "0"});
    assert_eq!(words(none), ["nothing nothing_refunded"]);
}

fn woo_order(status: &str) -> Value {
    json!({
        "id": 727, "status": status, "currency": "EUR", "total": "59.50", "total_tax": "9.50", "shipping_total": "5.00",
        "date_created_gmt": "2026-03-01T12:00:00", "customer_id": 26,
        "billing": {"email": "bob@example.net", "country": "DE"},
        "meta_data": [{"id": 1, "key": "_cart", "value": {"a": 1}}, {"id": 2, "key": "kith_click", "value": "AQ.token"},
            {"id": 3, "key": "kith_code", "value": "ANN-BAKES"}],
        "coupon_lines": [{"id": 4, "code": "spring"}],
        "refunds": [],
    })
}

fn woo(body: &Value, settings: Settings) -> Told {
    let headers = [
        ("x-wc-webhook-topic", "order.updated"),
        ("x-wc-webhook-delivery-id", "41"),
    ];
    told(Platform::WooCommerce, &headers, body, settings)
}

#[test]
fn woocommerce_tells_of_an_order_with_everything_about_it() {
    let one = woo(&woo_order("processing"), LIVE);
    assert_eq!(
        (one.topic.as_str(), one.event_id.as_deref()),
        ("order.updated", Some("41"))
    );
    assert_eq!(
        first_order(&one),
        PaidOrder {
            id: id("727"),
            customer: Some(id("26")),
            email: Some("bob@example.net".parse().unwrap()),
            clicks: vec!["AQ.token".to_owned()],
            codes: vec!["ANN-BAKES".to_owned(), "spring".to_owned()],
            amount: eur(5_950),
            country: Some("DE".parse().unwrap()),
            ordered_at: Some("2026-03-01T12:00:00Z".parse().unwrap()),
        }
    );
    let subtotal = Settings {
        amount: OrderAmount::Subtotal,
        ..LIVE
    };
    assert_eq!(
        first_order(&woo(&woo_order("completed"), subtotal)).amount,
        eur(4_500)
    );
    let guest = with(&woo_order("completed"), &json!({"/customer_id": 0}));
    assert_eq!(first_order(&woo(&guest, LIVE)).customer, None);

    let refunds = json!([
        {"id": 730, "reason": "", "total": "-10.00"},
        {"id": 731, "reason": "", "total": "0.00"},
        {"id": 732, "reason": "", "total": "2.34"},
    ]);
    let of = |status: &str| with(&woo_order(status), &json!({"/refunds": refunds}));
    let two = [
        "refund 730 of 727 1000 refund",
        "refund 732 of 727 234 refund",
    ];
    assert_eq!(
        words(&woo(&of("completed"), LIVE)),
        ["order 727 5950", two[0], two[1]]
    );
    assert_eq!(
        words(&woo(&of("refunded"), LIVE)),
        [two[0], two[1], "refund status-refunded of 727 rest refund"]
    );
    assert_eq!(
        words(&woo(&woo_order("cancelled"), LIVE)),
        ["refund status-cancelled of 727 rest cancellation"]
    );
    for status in [
        "pending",
        "on-hold",
        "failed",
        "checkout-draft",
        "of-a-plugin",
    ] {
        assert_eq!(
            words(&woo(&woo_order(status), LIVE)),
            ["nothing unpaid"],
            "{status}"
        );
    }
    for (change, expected) in [
        (json!({"/id": null}), "unfit /id"),
        (json!({"/status": null}), "unfit /status"),
        (json!({"/currency": "€"}), "unfit /currency"),
        (json!({"/total": "1.005"}), "unfit /total"),
        (
            json!({"/billing/email": "", "/customer_id": 0}),
            "unfit /billing/email",
        ),
        (json!({"/refunds": [{"id": 1}]}), "unfit /refunds/0/total"),
        (
            json!({"/refunds": [{"id": 1, "total": "ten"}]}),
            "unfit /refunds/0/total",
        ),
        (
            json!({"/refunds": [{"total": "1.00"}]}),
            "unfit /refunds/0/id",
        ),
    ] {
        let body = with(&woo_order("processing"), &change);
        assert_eq!(words(&woo(&body, LIVE)), [expected], "{change}");
    }
    let more = with(&woo_order("processing"), &json!({"/total_tax": "60.00"}));
    assert_eq!(words(&woo(&more, subtotal)), ["unfit /total"]);
    let deleted = [("x-wc-webhook-topic", "order.deleted")];
    let one = told(Platform::WooCommerce, &deleted, &json!({"id": 727}), LIVE);
    assert_eq!(words(&one), ["nothing unknown_topic"]);
}

fn stripe(kind: &str, object: Value, more: &Value) -> Value {
    let event = json!({"id": "evt_1", "object": "event", "type": kind, "livemode": true, "data": {"object": object}});
    with(&event, more)
}

fn session() -> Value {
    json!({
        "id": "cs_live_1", "object": "checkout.session", "mode": "payment", "payment_status": "paid", "created": 1_772_366_400,
        "amount_total": 5_950, "amount_subtotal": 4_500, "currency": "eur",
        "total_details": {"amount_discount": 0, "amount_shipping": 500, "amount_tax": 950},
        "client_reference_id": "ANN-BAKES", "customer": "cus_1", "invoice": null, "payment_intent": "pi_1",
        "customer_details": {"email": "bob@example.net", "address": {"country": "DE"}},
        "metadata": {"kith_click": "AQ.token"},
        "discounts": [{"promotion_code": {"id": "promo_1", "code": "SPRING"}}, {"promotion_code": "promo_2"}],
    })
}

fn invoice() -> Value {
    json!({
        "id": "in_1", "object": "invoice", "billing_reason": "subscription_create", "currency": "eur", "total": 5_950,
        "total_excluding_tax": 5_000, "amount_paid": 5_950, "customer": {"id": "cus_1"}, "customer_email": "bob@example.net",
        "parent": {"subscription_details": {"subscription": "sub_1", "metadata": {"kith_code": "ANN-BAKES"}}},
        "metadata": {}, "payments": {"data": [{"payment": {"type": "payment_intent", "payment_intent": "pi_1"}}]},
    })
}

fn of_stripe(kind: &str, object: &Value, changes: &Value, settings: Settings) -> Told {
    let event = stripe(kind, with(object, changes), &json!({}));
    told(Platform::Stripe, &[], &event, settings)
}

#[test]
fn stripe_tells_of_a_checkout() {
    let kind = "checkout.session.completed";
    let one = of_stripe(kind, &session(), &json!({}), LIVE);
    assert_eq!(
        (one.topic.as_str(), one.event_id.as_deref()),
        (kind, Some("evt_1"))
    );
    assert_eq!(one.order, Some(id("pi_1")));
    assert_eq!(
        first_order(&one),
        PaidOrder {
            id: id("pi_1"),
            customer: Some(id("cus_1")),
            email: Some("bob@example.net".parse().unwrap()),
            clicks: vec!["AQ.token".to_owned()],
            codes: vec!["ANN-BAKES".to_owned(), "SPRING".to_owned()],
            amount: eur(5_950),
            country: Some("DE".parse().unwrap()),
            ordered_at: Some("2026-03-01T12:00:00Z".parse().unwrap()),
        }
    );
    let subtotal = Settings {
        amount: OrderAmount::Subtotal,
        ..LIVE
    };
    let one = of_stripe(kind, &session(), &json!({}), subtotal);
    assert_eq!(first_order(&one).amount, eur(4_500));
    // What is too long for a code is a click token.
    let long = "AQ".repeat(60);
    let one = of_stripe(
        kind,
        &session(),
        &json!({"/client_reference_id": long}),
        LIVE,
    );
    assert_eq!(first_order(&one).clicks, ["AQ.token", &long]);
    for (changes, expected) in [
        (json!({"/payment_status": "unpaid"}), vec!["nothing unpaid"]),
        (
            json!({"/payment_status": "no_payment_required"}),
            vec!["nothing unpaid"],
        ),
        (
            json!({"/payment_intent": null}),
            vec!["order cs_live_1 5950"],
        ),
        (
            json!({"/invoice": "in_1"}),
            vec!["order in_1 5950", "name pi_1 of in_1"],
        ),
        (
            json!({"/invoice": "in_1", "/payment_intent": null}),
            vec!["order in_1 5950"],
        ),
        (
            json!({"/amount_total": null}),
            vec!["unfit /data/object/amount_total"],
        ),
        (
            json!({"/amount_total": 59.5}),
            vec!["unfit /data/object/amount_total"],
        ),
        (
            json!({"/amount_total": -1}),
            vec!["unfit /data/object/amount_total"],
        ),
        (json!({"/currency": "jpy"}), vec!["order pi_1 5950"]),
        (
            json!({"/currency": "isk", "/amount_total": 5_900}),
            vec!["order pi_1 59"],
        ),
        (
            json!({"/currency": "isk"}),
            vec!["unfit /data/object/amount_total"],
        ),
        (
            json!({"/currency": "kwd", "/amount_total": 5_950}),
            vec!["order pi_1 5950"],
        ),
        (
            json!({"/currency": "usdc"}),
            vec!["unfit /data/object/currency"],
        ),
        (
            json!({"/customer": null, "/customer_details": null}),
            vec!["unfit /data/object/customer_details/email"],
        ),
    ] {
        let one = of_stripe(kind, &session(), &changes, LIVE);
        assert_eq!(words(&one), expected, "{changes}");
    }
    let late = of_stripe(
        "checkout.session.async_payment_succeeded",
        &session(),
        &json!({}),
        LIVE,
    );
    assert_eq!(words(&late), ["order pi_1 5950"]);
}

/// Checkout and the invoice tell of a subscription's first payment alike, so that it is recorded once.
#[test]
fn a_subscription_is_told_alike_by_checkout_and_by_its_invoice() {
    let subscription = json!({"/invoice": "in_1", "/payment_intent": null, "/metadata": {"kith_code": "ANN-BAKES"},
        "/client_reference_id": null, "/discounts": []});
    let by_session = of_stripe(
        "checkout.session.completed",
        &session(),
        &subscription,
        LIVE,
    );
    let by_invoice = of_stripe("invoice.paid", &invoice(), &json!({}), LIVE);
    assert_eq!(first_order(&by_session), first_order(&by_invoice));
    assert_eq!(words(&by_invoice), ["order in_1 5950", "name pi_1 of in_1"]);
    // As older versions of the API write it.
    let old = json!({"/parent": null, "/payments": null, "/payment_intent": "pi_1", "/subscription": "sub_1",
        "/subscription_details": {"metadata": {"kith_code": "ANN-BAKES"}}});
    let by_old = of_stripe("invoice.paid", &invoice(), &old, LIVE);
    assert_eq!(by_old, by_invoice);
    let subtotal = Settings {
        amount: OrderAmount::Subtotal,
        ..LIVE
    };
    let net = of_stripe("invoice.paid", &invoice(), &json!({}), subtotal);
    assert_eq!(first_order(&net).amount, eur(5_000));
    let untold = json!({"/total_excluding_tax": null, "/tax": 950});
    let net = of_stripe("invoice.paid", &invoice(), &untold, subtotal);
    assert_eq!(first_order(&net).amount, eur(5_000));
    for (changes, expected) in [
        (json!({"/total": 0}), "nothing nothing_paid"),
        (
            json!({"/parent": null}),
            "nothing invoice_without_subscription",
        ),
        (json!({"/id": null}), "unfit /data/object/id"),
        (
            json!({"/customer": null, "/customer_email": null}),
            "unfit /data/object/customer_email",
        ),
    ] {
        let one = of_stripe("invoice.paid", &invoice(), &changes, LIVE);
        assert_eq!(words(&one), [expected], "{changes}");
    }
    let own = json!({"/parent": null, "/payments": null, "/metadata": {"kith_code": "ANN-BAKES"}});
    let own = of_stripe("invoice.paid", &invoice(), &own, LIVE);
    assert_eq!(words(&own), ["order in_1 5950"]);
    let payment = json!({"id": "inpay_1", "invoice": "in_1", "payment": {"type": "payment_intent", "payment_intent": "pi_1"}});
    let name = of_stripe("invoice_payment.paid", &payment, &json!({}), LIVE);
    assert_eq!(words(&name), ["name pi_1 of in_1"]);
    let other = of_stripe(
        "invoice_payment.paid",
        &payment,
        &json!({"/payment": null}),
        LIVE,
    );
    assert_eq!(words(&other), ["nothing no_payment_intent"]);
}

#[test]
fn stripe_tells_of_refunds_and_disputes() {
    let charge = json!({"id": "ch_1", "object": "charge", "amount": 5_950, "amount_refunded": 1_500, "currency": "eur",
        "payment_intent": "pi_1"});
    let refunded = |changes: Value, before: Value| {
        let more = json!({"/data/previous_attributes": {"amount_refunded": before}});
        let event = stripe("charge.refunded", with(&charge, &changes), &more);
        words(&told(Platform::Stripe, &[], &event, LIVE))
    };
    assert_eq!(
        refunded(json!({}), json!(0)),
        ["refund ch_1:1500 of pi_1 1500 refund"]
    );
    assert_eq!(
        refunded(json!({}), json!(1_000)),
        ["refund ch_1:1500 of pi_1 500 refund"]
    );
    let of_invoice = refunded(json!({"/invoice": "in_1"}), json!(0));
    assert_eq!(of_invoice, ["refund ch_1:1500 of in_1 1500 refund"]);
    assert_eq!(
        refunded(json!({}), json!(1_500)),
        ["unfit /data/object/amount_refunded"]
    );
    let at = "unfit /data/previous_attributes/amount_refunded";
    assert_eq!(refunded(json!({}), Value::Null), [at]);
    assert_eq!(refunded(json!({}), json!("0")), [at]);
    assert_eq!(
        refunded(json!({"/payment_intent": null}), json!(0)),
        ["nothing no_payment_intent"]
    );

    let dispute = json!({"id": "dp_1", "object": "dispute", "amount": 5_950, "currency": "eur", "charge": "ch_1",
        "payment_intent": "pi_1", "status": "needs_response"});
    let told = |kind: &str, status: &str| {
        words(&of_stripe(
            kind,
            &dispute,
            &json!({"/status": status}),
            LIVE,
        ))
    };
    let taken = ["refund dp_1 of pi_1 5950 chargeback"];
    assert_eq!(told("charge.dispute.created", "needs_response"), taken);
    assert_eq!(
        told("charge.dispute.funds_withdrawn", "under_review"),
        taken
    );
    assert_eq!(
        told("charge.dispute.created", "warning_needs_response"),
        ["nothing inquiry"]
    );
    assert_eq!(
        told("charge.dispute.closed", "won"),
        ["reversal dp_1 of pi_1"]
    );
    assert_eq!(
        told("charge.dispute.funds_reinstated", "won"),
        ["reversal dp_1 of pi_1"]
    );
    assert_eq!(told("charge.dispute.closed", "lost"), ["nothing not_won"]);
    assert_eq!(
        told("charge.dispute.closed", "warning_closed"),
        ["nothing not_won"]
    );
    let none = of_stripe(
        "charge.dispute.created",
        &dispute,
        &json!({"/payment_intent": null}),
        LIVE,
    );
    assert_eq!(words(&none), ["nothing no_payment_intent"]);
}

#[test]
fn a_payment_of_the_other_mode_is_passed_over() {
    let test = Settings {
        mode: Mode::Test,
        ..LIVE
    };
    for (kind, object) in [
        ("checkout.session.completed", session()),
        ("invoice.paid", invoice()),
        ("charge.refunded", json!({})),
        ("charge.dispute.created", json!({})),
    ] {
        let live = stripe(kind, object, &json!({}));
        let test_event = with(&live, &json!({"/livemode": false}));
        let words = |event: &Value, settings| words(&told(Platform::Stripe, &[], event, settings));
        assert_eq!(words(&live, test), ["nothing other_mode"], "{kind}");
        assert_eq!(words(&test_event, LIVE), ["nothing other_mode"], "{kind}");
        assert_ne!(words(&test_event, test), ["nothing other_mode"], "{kind}");
        let untold = with(&live, &json!({"/livemode": null}));
        assert_eq!(words(&untold, LIVE), ["unfit /livemode"], "{kind}");
    }
    let other = stripe("customer.created", json!({}), &json!({}));
    assert_eq!(
        words(&told(Platform::Stripe, &[], &other, LIVE)),
        ["nothing unknown_topic"]
    );
}

/// Coupons of the shop's own, however many and however odd, are no reason not to record the order.
#[test]
fn codes_and_clicks_are_bounded() {
    let many: Vec<Value> = (0..30)
        .map(|number| json!({"code": format!("C-{number}")}))
        .collect();
    let odd = json!([{"code": ""}, {"code": "x".repeat(65)}, {"code": " A "}, {"code": "A"}, {"code": 7}, {}, null]);
    for (codes, expected) in [(json!(many), 10), (odd, 1)] {
        let body = with(
            &shopify_order(),
            &json!({"/discount_codes": codes, "/note_attributes": []}),
        );
        let one = told(Platform::Shopify, &PAID, &body, LIVE);
        assert_eq!(first_order(&one).codes.len(), expected);
    }
    let long = json!([{"name": "kith_click", "value": "x".repeat(3_000)}]);
    let body = with(&shopify_order(), &json!({"/note_attributes": long}));
    assert!(
        first_order(&told(Platform::Shopify, &PAID, &body, LIVE))
            .clicks
            .is_empty()
    );
    // What is told to the owner is plain and short, whatever the header held.
    let topics = [
        ("x-shopify-topic", "a b\u{e9}"),
        ("x-shopify-event-id", "<script>"),
    ];
    let one = told(Platform::Shopify, &topics, &json!({}), LIVE);
    assert_eq!(
        (one.topic.as_str(), one.event_id.as_deref()),
        ("?", Some("<script>"))
    );
}

/// Where everything in a body is.
fn pointers(value: &Value, at: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut below = |name: &str, value: &Value| {
        let at = format!("{at}/{name}");
        found.extend(pointers(value, &at));
        found.push(at);
    };
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| below(name, value)),
        Value::Array(values) => {
            let values = values.iter().enumerate();
            values.for_each(|(number, value)| below(&number.to_string(), value));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    found
}

/// Members that the vendors' bodies have, so that chance finds the way into them.
const MEMBERS: [&str; 34] = [
    "id",
    "type",
    "data",
    "object",
    "livemode",
    "order_id",
    "currency",
    "total_price",
    "subtotal_price",
    "contact_email",
    "customer",
    "discount_codes",
    "note_attributes",
    "name",
    "value",
    "code",
    "transactions",
    "kind",
    "status",
    "amount",
    "total",
    "total_tax",
    "refunds",
    "billing",
    "email",
    "meta_data",
    "key",
    "payment_status",
    "amount_total",
    "invoice",
    "payment_intent",
    "amount_refunded",
    "previous_attributes",
    "metadata",
];

fn any_body() -> impl Strategy<Value = Value> {
    let words = prop::sample::select(vec![
        "EUR",
        "jpy",
        "29.35",
        "-1.00",
        "refund",
        "success",
        "paid",
        "processing",
        "refunded",
        "won",
        "bob@example.net",
        "checkout.session.completed",
        "invoice.paid",
        "charge.refunded",
        "charge.dispute.closed",
        "kith_click",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0..10_000_u64).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        words.prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 96, 12, |inner| {
        let member = prop::sample::select(MEMBERS.to_vec());
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(member, inner, 0..12).prop_map(|map| {
                let members = map
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value));
                Value::Object(members.collect())
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever is signed, reading ends with steps of amounts that there are, or with a reason.
    #[test]
    fn no_body_makes_it_panic(
        body in any_body(), topic in prop::sample::select(vec!["orders/paid", "refunds/create", "order.updated", "x"]),
        subtotal: bool, live: bool,
    ) {
        let settings = Settings {
            amount: if subtotal { OrderAmount::Subtotal } else { OrderAmount::Total },
            mode: if live { Mode::Live } else { Mode::Test },
        };
        for platform in PLATFORMS {
            let one = told(platform, &[("x-shopify-topic", topic), ("x-wc-webhook-topic", topic)], &body, settings);
            if let Tells::Steps(steps) = one.tells {
                for step in steps {
                    if let Step::Order(order) = step {
                        prop_assert!(order.amount.minor >= 0);
                    }
                }
            }
        }
    }

    /// Bodies as they should be, but for one member: whatever stands there instead, it is told where it is wrong, or makes
    /// no difference to what may be recorded.
    #[test]
    fn no_member_makes_it_panic(
        which in 0..6_usize, place: prop::sample::Index, instead in any_body(), subtotal: bool,
    ) {
        let (platform, topic, good) = match which {
            0 => (Platform::Shopify, "orders/paid", shopify_order()),
            1 => (Platform::WooCommerce, "order.updated", woo_order("completed")),
            2 => (Platform::WooCommerce, "order.updated", woo_order("refunded")),
            3 => (Platform::Stripe, "", stripe("checkout.session.completed", session(), &json!({}))),
            4 => (Platform::Stripe, "", stripe("invoice.paid", invoice(), &json!({}))),
            _ => (Platform::Stripe, "", stripe("charge.dispute.created", session(), &json!({}))),
        };
        let places = pointers(&good, "");
        let place = place.get(&places);
        let mut body = good.clone();
        if let Some(member) = body.pointer_mut(place) {
            *member = instead;
        }
        let amount = if subtotal { OrderAmount::Subtotal } else { OrderAmount::Total };
        let settings = Settings { amount, ..LIVE };
        let headers = [("x-shopify-topic", topic), ("x-wc-webhook-topic", topic)];
        match told(platform, &headers, &body, settings).tells {
            Tells::Steps(steps) => prop_assert!(!steps.is_empty()),
            Tells::Nothing(passed) => prop_assert!(!passed.reason.is_empty()),
            Tells::Unfit { pointer, .. } => {
                let parent = pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
                let is_there = body.pointer(&pointer).is_some() || body.pointer(parent).is_some();
                prop_assert!(is_there || pointer.starts_with(place.as_str()), "{} {}", pointer, place);
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic(body: Vec<u8>, header in "\\PC{0,80}") {
        let names = ["x-shopify-topic", "x-shopify-hmac-sha256", "x-wc-webhook-topic", "x-wc-webhook-signature", "stripe-signature"];
        let pairs = headers(&names.map(|name| (name, header.as_str())));
        for platform in PLATFORMS {
            prop_assert!(!good(platform, &pairs, &body, &["a-secret-of-the-shop"], SIGNED_AT));
            let _ = message(&pairs, &body, |message| read(platform, message, LIVE));
        }
    }
}
