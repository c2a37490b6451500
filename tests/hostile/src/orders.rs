//! Webhooks of shop systems: only what was signed is genuine, and what is read of it stays within bounds.
//!
//! The input is the vendor, the headers, an empty line and the body, as they come.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use kith_connectors::orders::{Message, Settings, Step, Tells, is_ping, read, verify};
use kith_domain::attribution::{CODES_MAX, TOKENS_MAX};
use kith_domain::mode::Mode;
use kith_domain::money::{AMOUNT_MAX, Money};
use kith_domain::order_source::{OrderAmount, Platform};
use kith_domain::refund::REFUNDS_MAX;
use kith_domain::signed::hmac_sha256;

use crate::bodies::now;
use crate::{head_and_body, text};

const SECRET: &str = "whsec_dddddddddddddddddddddddd";
const OLD_SECRET: &str = "whsec_eeeeeeeeeeeeeeeeeeeeeeee";

/// Verifies and reads a message.
pub fn orders(data: &[u8]) {
    let (head, body) = head_and_body(data);
    let head = text(head);
    let mut lines = head.lines();
    let platform = match lines.next() {
        Some("woocommerce") => Platform::WooCommerce,
        Some("stripe") => Platform::Stripe,
        Some(_) | None => Platform::Shopify,
    };
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    is_genuine_only_if_signed(platform, &headers, body);
    let header = |name: &str| headers.get(name).map(String::as_str);
    let message = Message::new(&header, body);
    let _ = is_ping(&message);
    for amount in [OrderAmount::Total, OrderAmount::Subtotal] {
        for mode in [Mode::Live, Mode::Test] {
            let told = read(platform, &message, Settings { amount, mode });
            assert_eq!(told, read(platform, &message, Settings { amount, mode }));
            let names = [Some(&told.topic), told.event_id.as_ref()];
            let is_shown = |name: &&String| {
                name.len() <= 100 && name.bytes().all(|byte| byte.is_ascii_graphic())
            };
            assert!(names.iter().flatten().all(is_shown), "{names:?}");
            match &told.tells {
                Tells::Nothing(_) => {}
                Tells::Unfit { pointer, .. } => {
                    assert!(pointer.is_empty() || pointer.starts_with('/'), "{pointer}");
                    assert!(pointer.len() <= 200, "{pointer}");
                }
                Tells::Steps(steps) => {
                    // An order, another name of it, and its refunds.
                    assert!((1..=REFUNDS_MAX + 2).contains(&steps.len()));
                    steps.iter().for_each(is_within_bounds);
                }
            }
        }
    }
}

/// Whoever does not know the secret has to guess the signature, which is not in the corpus.
fn is_genuine_only_if_signed(platform: Platform, headers: &BTreeMap<String, String>, body: &[u8]) {
    let secrets = || [SECRET, OLD_SECRET].into_iter();
    let header = |name: &str| headers.get(name).map(String::as_str);
    assert!(!verify(
        platform,
        &Message::new(&header, body),
        secrets(),
        now()
    ));
    for secret in secrets() {
        let signed = signed(platform, headers, body, secret);
        let header = |name: &str| signed.get(name).map(String::as_str);
        let message = Message::new(&header, body);
        assert!(verify(platform, &message, secrets(), now()));
        assert!(!verify(platform, &message, ["another"].into_iter(), now()));
        let longer = [body, b" "].concat();
        assert!(!verify(
            platform,
            &Message::new(&header, &longer),
            secrets(),
            now()
        ));
        if let Some((_, shorter)) = body.split_last() {
            assert!(!verify(
                platform,
                &Message::new(&header, shorter),
                secrets(),
                now()
            ));
        }
        if platform == Platform::Stripe {
            let late: Timestamp = "2026-03-01T12:05:01Z".parse().unwrap();
            assert!(!verify(platform, &message, secrets(), late));
        }
    }
}

fn signed(
    platform: Platform,
    headers: &BTreeMap<String, String>,
    body: &[u8],
    secret: &str,
) -> BTreeMap<String, String> {
    let mut headers = headers.clone();
    let whole = STANDARD.encode(hmac_sha256(secret.as_bytes(), &[body]));
    match platform {
        Platform::Shopify => headers.insert("x-shopify-hmac-sha256".to_owned(), whole),
        Platform::WooCommerce => headers.insert("x-wc-webhook-signature".to_owned(), whole),
        Platform::Stripe => {
            let time = now().as_second().to_string();
            let tag = hmac_sha256(secret.as_bytes(), &[time.as_bytes(), b".", body]);
            let tag: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
            headers.insert(
                "stripe-signature".to_owned(),
                format!("t={time},v0=00,v1={tag}"),
            )
        }
    };
    headers
}

fn is_within_bounds(step: &Step) {
    let is_amount = |money: Money| (0..=AMOUNT_MAX).contains(&money.minor);
    match step {
        Step::Order(order) => {
            assert!(is_amount(order.amount), "{:?}", order.amount);
            assert!(order.customer.is_some() || order.email.is_some());
            assert!(order.clicks.len() <= TOKENS_MAX && order.codes.len() <= CODES_MAX);
            assert!(order.clicks.iter().all(|click| click.len() <= 2_048));
            assert!(
                order
                    .codes
                    .iter()
                    .all(|code| (1..=64).contains(&code.chars().count()))
            );
        }
        Step::Refund(refund) => assert!(refund.amount.is_none_or(is_amount)),
        Step::Reversal { .. } | Step::Name { .. } => {}
    }
}
