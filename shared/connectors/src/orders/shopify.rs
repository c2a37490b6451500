//! Shopify: `X-Shopify-Hmac-Sha256` over the body; `orders/paid` and `refunds/create`.

use jiff::Timestamp;
use kith_domain::mode::Mode;
use kith_domain::order_source::OrderAmount;
use kith_domain::refund::RefundReason;

use super::body::{Body, Unfit, parsed};
use super::{
    CLICK, CODE, Message, PaidBack, PaidOrder, Settings, Step, Tells, Told, amount, clicks, codes,
    is_signed, odd, passed, someone, unknown_topic,
};

/// Whether one of the secrets signed it.
pub(super) fn verify<'s>(message: &Message<'_>, secrets: impl Iterator<Item = &'s str>) -> bool {
    is_signed(either(message, "hmac-sha256"), secrets, message.body)
}

/// A header by its name, with the prefix of old and without it, as newer subscriptions have it.
fn either<'a>(message: &Message<'a>, name: &str) -> Option<&'a str> {
    let old = message.header(&format!("x-shopify-{name}"));
    old.or_else(|| message.header(&format!("shopify-{name}")))
}

/// What it tells.
pub(super) fn read(message: &Message<'_>, settings: Settings) -> Told {
    let topic = either(message, "topic").unwrap_or_default();
    let event_id = either(message, "event-id").or_else(|| either(message, "webhook-id"));
    let mut told = Told {
        topic: topic.to_owned(),
        event_id: event_id.map(str::to_owned),
        order: None,
        tells: unknown_topic(),
    };
    if !matches!(topic, "orders/paid" | "refunds/create") {
        return told;
    }
    let value = match parsed(message.body) {
        Ok(value) => value,
        Err(unfit) => {
            told.tells = unfit.into();
            return told;
        }
    };
    let body = Body::whole(&value);
    let tells = if topic == "orders/paid" {
        told.order = body.id("/id");
        paid(&body, settings)
    } else {
        told.order = body.id("/order_id");
        paid_back(&body)
    };
    told.tells = tells.unwrap_or_else(Tells::from);
    told
}

fn paid(body: &Body<'_>, settings: Settings) -> Result<Tells, Unfit> {
    if settings.mode == Mode::Live && body.flag("/test") == Some(true) {
        let detail = "A test order is not recorded in a live program.";
        return Ok(odd("test_order", detail));
    }
    let id = body.need_id("/id")?;
    let currency = body.currency("/currency")?;
    let amount = match settings.amount {
        OrderAmount::Total => body.money("/total_price", currency)?,
        OrderAmount::Subtotal => body.money("/subtotal_price", currency)?,
    };
    let customer = body.customer("/customer/id");
    let addresses = ["/contact_email", "/email", "/customer/email"];
    let email = addresses.iter().find_map(|at| body.email(at));
    someone(customer.as_ref(), email.as_ref(), "/contact_email")?;
    let note = |name| body.named("/note_attributes", "name", name);
    let discounts = body.list("/discount_codes");
    let discounts = discounts
        .iter()
        .filter_map(|discount| discount.text("/code"));
    let countries = [
        "/shipping_address/country_code",
        "/billing_address/country_code",
    ];
    let order = PaidOrder {
        id,
        customer,
        email,
        clicks: clicks(note(CLICK).into_iter()),
        codes: codes(note(CODE).into_iter().chain(discounts)),
        amount,
        country: countries.iter().find_map(|at| body.country(at)),
        ordered_at: body.text("/created_at").and_then(instant),
    };
    Ok(Tells::Steps(vec![Step::Order(Box::new(order))]))
}

fn paid_back(body: &Body<'_>) -> Result<Tells, Unfit> {
    let order = body.need_id("/order_id")?;
    let id = body.need_id("/id")?;
    let mut parts = Vec::new();
    for part in body.list("/transactions") {
        if part.text("/kind") == Some("refund") && part.text("/status") == Some("success") {
            let currency = part.currency("/currency")?;
            parts.push(part.money("/amount", currency)?);
        }
    }
    if parts.is_empty() {
        let detail = "Nothing was paid back: the refund has no transaction that succeeded.";
        return Ok(passed("nothing_refunded", detail));
    }
    let wrong = || Unfit::at("/transactions", "must be of one currency, and not too much");
    let amount = amount::sum(parts.into_iter()).ok_or_else(wrong)?;
    if amount.minor == 0 {
        return Ok(passed("nothing_refunded", "Nothing was paid back."));
    }
    Ok(Tells::Steps(vec![Step::Refund(PaidBack {
        order,
        id,
        amount: Some(amount),
        reason: RefundReason::Refund,
        only_of_known: false,
    })]))
}

/// An instant with its offset.
fn instant(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}
