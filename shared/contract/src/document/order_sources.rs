use serde_json::json;

use super::Tag;
use super::operation::{Operation, op};
use crate::answers::{List, OrderDelivery, OrderSource, OrderTaken};
use crate::problems::Code;
use crate::requests::{NewOrderSourceInput, OrderSourceChange, Part};
use crate::routes;

pub(super) const TAG: Tag = Tag {
    name: "Order sources",
    about: include_str!("order_sources.md"),
};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        op(&routes::CREATE_ORDER_SOURCE, TAG.name, "Create an order source")
            .about("The answer has the address to enter in the shop system, in `url`. The secret is never shown. A program has ten order sources at most.")
            .body::<NewOrderSourceInput>(json!({
                "platform": "shopify",
                "secret": "3f1d0c2b9a8e7f6d5c4b3a291807f6e5",
            }))
            .answers::<OrderSource>(201, "The order source.")
            .refuses([Code::TooManyOrderSources])
            .yields("source", "/id"),
        op(&routes::LIST_ORDER_SOURCES, TAG.name, "List order sources")
            .about("Oldest first, disabled ones included.")
            .query::<Part>()
            .answers::<List<OrderSource>>(200, "A page of order sources."),
        op(&routes::READ_ORDER_SOURCE, TAG.name, "Read an order source")
            .answers::<OrderSource>(200, "The order source."),
        op(&routes::CHANGE_ORDER_SOURCE, TAG.name, "Change an order source")
            .about("A merge patch. Beside a changed secret the one before verifies for 24 hours: shop systems go on signing with it for a while. What a disabled order source tells is acknowledged and not recorded, and stands among its deliveries.")
            .body::<OrderSourceChange>(json!({"amount": "subtotal"}))
            .answers::<OrderSource>(200, "The order source, changed."),
        op(&routes::LIST_ORDER_DELIVERIES, TAG.name, "List what was not recorded")
            .about("What an order source told and could not be recorded, and what was passed over and should not have come, newest first. Kept for 30 days. What was recorded stands among conversions and refunds, with the order source in `recorded_by`.")
            .query::<Part>()
            .answers::<List<OrderDelivery>>(200, "A page of events."),
        op(&routes::TAKE_ORDER, TAG.name, "Take what a shop system tells")
            .about("For shop systems alone: this is the address to enter there. No key: the system's signature over the body is checked, and whatever is wrong with it, or with the address, is answered alike. 200 means that the event need not be sent again, whatever became of it; after 503 it is to be sent again. The body is the system's own, 2 MiB at most.")
            .anything(json!({"id": 1001, "currency": "EUR", "total_price": "45.00", "contact_email": "bob@example.net"}))
            .answers::<OrderTaken>(200, "It is recorded, or is nothing to be recorded.")
            .refuses([Code::BadSignature, Code::Internal, Code::Unavailable]),
        op(&routes::DELETE_ORDER_SOURCE, TAG.name, "Delete an order source")
            .about("What it told stays recorded.")
            .answers_empty(204, "It is gone."),
    ]
}
