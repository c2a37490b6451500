use serde_json::json;

use super::Tag;
use super::operation::{Operation, op};
use crate::answers::Refund;
use crate::problems::Code;
use crate::requests::{NewRefund, NewRefundOfOrder, Nothing};
use crate::routes;

pub(super) const TAG: Tag = Tag {
    name: "Refunds",
    about: "What is taken back of conversions, and with them of rewards.",
};

const REFUSED: [Code; 3] = [
    Code::RefundDiffers,
    Code::RefundExceedsConversion,
    Code::TooManyRefunds,
];

pub(super) fn operations() -> Vec<Operation> {
    vec![
        op(&routes::REFUND_CONVERSION, TAG.name, "Refund a conversion")
            .body::<NewRefund>(json!({"external_id": "refund-1", "amount": {"amount": 1500, "currency": "EUR"}, "reason": "refund"}))
            .answers::<Refund>(201, "The refund, with what it took back.")
            .answers::<Refund>(200, "The refund, which was recorded before.")
            .refuses(REFUSED)
            .yields("refund", "/id"),
        op(&routes::REFUND_ORDER, TAG.name, "Refund an order")
            .about("By the shop's own name of it, which need not be known yet: then the refund waits for the conversion.")
            .body::<NewRefundOfOrder>(json!({
                "external_id": "refund-2", "conversion": {"event": "purchase", "external_id": "order-1001"},
                "amount": {"amount": 500, "currency": "EUR"}, "reason": "chargeback",
            }))
            .answers::<Refund>(201, "The refund, with what it took back.")
            .answers::<Refund>(200, "The refund, which was recorded before.")
            .answers::<Refund>(202, "The refund waits for its conversion.")
            .refuses(REFUSED)
            .yields("refund", "/id"),
        op(&routes::READ_REFUND, TAG.name, "Read a refund").answers::<Refund>(200, "The refund."),
        op(&routes::REVERSE_REFUND, TAG.name, "Reverse a refund")
            .about("A chargeback was won, or a mistake is undone. Safe to repeat.")
            .optional_body::<Nothing>(json!({}))
            .answers::<Refund>(200, "The refund, reversed, with what came back."),
    ]
}
