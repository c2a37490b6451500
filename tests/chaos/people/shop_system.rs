//! A shop system that tells of its orders by its own webhook, as often as it likes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kith_domain::signed::hmac_sha256;
use serde_json::{Value, json};

use super::{Acknowledged, People, text};
use crate::cloud::Request;
use crate::dice::Dice;

/// By which its messages are signed.
const SECRET: &str = "3f1d0c2b9a8e7f6d5c4b3a291807f6e5";

impl People {
    /// Has the program take orders from one.
    pub(super) async fn open_source(&self) {
        let body = json!({"platform": "woocommerce", "secret": SECRET});
        let source = self.must("POST", &self.path("/order-sources"), body).await;
        let (_, path) = text(&source["url"]).split_once("8787").unwrap();
        self.book().source = path.to_owned();
    }

    /// The shop system tells that an order was paid, and then, perhaps, that some of it was given back.
    pub(super) async fn tell(&self, dice: &mut Dice, number: usize) {
        let code = dice.pick(&self.book().people).unwrap()["code"].clone();
        let cents = 500 + dice.roll(9_000);
        let mut order = json!({"id": number, "status": "processing", "currency": "EUR", "total": decimal(cents),
            "total_tax": "0.00", "shipping_total": "0.00", "customer_id": dice.roll(4), "coupon_lines": [], "refunds": [],
            "billing": {"email": format!("friend-{number}@example.net"), "country": "DE"},
            "meta_data": [{"id": 1, "key": "kith_code", "value": code}]});
        self.tell_of(dice, number, &order).await;
        if dice.once_in(2) {
            let refund =
                json!({"id": number, "total": format!("-{}", decimal(1 + dice.roll(cents)))});
            order["refunds"] = json!([refund]);
            self.tell_of(dice, number, &order).await;
        }
    }

    async fn tell_of(&self, dice: &mut Dice, number: usize, order: &Value) {
        let signature = STANDARD.encode(hmac_sha256(
            SECRET.as_bytes(),
            &[order.to_string().as_bytes()],
        ));
        let path = self.book().source.clone();
        let request = Request {
            headers: vec![
                ("x-wc-webhook-topic", "order.updated".to_owned()),
                ("x-wc-webhook-delivery-id", number.to_string()),
                ("x-wc-webhook-signature", signature),
            ],
            ..self.request("POST", &path, Some(order.clone()))
        };
        let answer = self.call(dice, &request).await;
        if answer.is_some_and(|(_, body)| body["outcome"] == "recorded") {
            self.book().acknowledged.push(Acknowledged {
                kind: "order",
                id: number.to_string(),
                name: None,
            });
        }
    }
}

/// An amount as this vendor writes it.
fn decimal(cents: usize) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}
