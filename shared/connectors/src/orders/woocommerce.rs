//! WooCommerce: `X-WC-Webhook-Signature` over the body, which is the order as the shop's own API shows it;
//! `order.created` and `order.updated`.
//!
//! The order is told again with every change of it, as it is when it is sent. So each message tells everything that can be
//! recorded of the order, and most of it is recorded already.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use kith_domain::money::{Currency, Money};
use kith_domain::order_source::OrderAmount;
use kith_domain::refund::{REFUNDS_MAX, RefundReason};
use kith_domain::text::ExternalId;

use super::body::{Body, Unfit, parsed};
use super::{
    CLICK, CODE, Message, PaidBack, PaidOrder, Settings, Step, Tells, Told, amount, clicks, codes,
    is_signed, passed, someone, unknown_topic,
};

/// What stands for the id of the refund of everything that an order's state tells of.
const CANCELLED: &str = "status-cancelled";
const REFUNDED: &str = "status-refunded";

/// Whether one of the secrets signed it.
pub(super) fn verify<'s>(message: &Message<'_>, secrets: impl Iterator<Item = &'s str>) -> bool {
    is_signed(
        message.header("x-wc-webhook-signature"),
        secrets,
        message.body,
    )
}

/// What it tells.
pub(super) fn read(message: &Message<'_>, settings: Settings) -> Told {
    let topic = message.header("x-wc-webhook-topic").unwrap_or_default();
    let event_id = message.header("x-wc-webhook-delivery-id");
    let mut told = Told {
        topic: topic.to_owned(),
        event_id: event_id.map(str::to_owned),
        order: None,
        tells: unknown_topic(),
    };
    if !matches!(topic, "order.created" | "order.updated") {
        return told;
    }
    told.tells = match parsed(message.body) {
        Ok(value) => {
            let body = Body::whole(&value);
            told.order = body.id("/id");
            order(&body, settings).unwrap_or_else(Tells::from)
        }
        Err(unfit) => unfit.into(),
    };
    told
}

fn order(body: &Body<'_>, settings: Settings) -> Result<Tells, Unfit> {
    body.need("/status")?;
    let status = body.text("/status").unwrap_or_default();
    let id = body.need_id("/id")?;
    let all_of_it = |name: &str, reason| {
        let wrong = |_| Unfit::at("/status", "cannot be named");
        let name: ExternalId = name.parse().map_err(wrong)?;
        Ok(Step::Refund(PaidBack {
            order: id.clone(),
            id: name,
            amount: None,
            reason,
            only_of_known: true,
        }))
    };
    match status {
        "processing" | "completed" => {
            let currency = body.currency("/currency")?;
            let order = paid(body, id.clone(), currency, settings)?;
            let mut steps = vec![Step::Order(Box::new(order))];
            steps.extend(refunds(body, &id, currency)?);
            Ok(Tells::Steps(steps))
        }
        "refunded" => {
            let mut steps = refunds(body, &id, body.currency("/currency")?)?;
            steps.push(all_of_it(REFUNDED, RefundReason::Refund)?);
            Ok(Tells::Steps(steps))
        }
        "cancelled" => {
            let mut steps = refunds(body, &id, body.currency("/currency")?)?;
            steps.push(all_of_it(CANCELLED, RefundReason::Cancellation)?);
            Ok(Tells::Steps(steps))
        }
        _ => Ok(passed(
            "unpaid",
            "The order is in a state in which it is not paid.",
        )),
    }
}

fn paid(
    body: &Body<'_>,
    id: ExternalId,
    currency: Currency,
    settings: Settings,
) -> Result<PaidOrder, Unfit> {
    let customer = body.customer("/customer_id");
    let email = body.email("/billing/email");
    someone(customer.as_ref(), email.as_ref(), "/billing/email")?;
    let meta = |name| body.named("/meta_data", "key", name);
    let coupons = body.list("/coupon_lines");
    let coupons = coupons.iter().filter_map(|coupon| coupon.text("/code"));
    Ok(PaidOrder {
        id,
        customer,
        email,
        clicks: clicks(meta(CLICK).into_iter()),
        codes: codes(meta(CODE).into_iter().chain(coupons)),
        amount: counted(body, currency, settings)?,
        country: body.country("/billing/country"),
        ordered_at: body.text("/date_created_gmt").and_then(instant),
    })
}

/// The amount. There is no subtotal: it is what is left without tax and shipping, all of them rounded by the shop. Lines
/// have more digits than the currency.
fn counted(body: &Body<'_>, currency: Currency, settings: Settings) -> Result<Money, Unfit> {
    let total = body.money("/total", currency)?;
    match settings.amount {
        OrderAmount::Total => Ok(total),
        OrderAmount::Subtotal => {
            let tax = body.money_or_zero("/total_tax", currency)?;
            let shipping = body.money_or_zero("/shipping_total", currency)?;
            let left = amount::less(total, tax).and_then(|left| amount::less(left, shipping));
            left.ok_or_else(|| Unfit::at("/total", "is less than tax and shipping"))
        }
    }
}

fn refunds(body: &Body<'_>, order: &ExternalId, currency: Currency) -> Result<Vec<Step>, Unfit> {
    let mut steps = Vec::new();
    for refund in body.list("/refunds").into_iter().take(REFUNDS_MAX) {
        let id = refund.need_id("/id")?;
        refund.need("/total")?;
        let total = refund.text("/total").unwrap_or_default();
        let wrong = || {
            let detail =
                "must be a decimal number as text, of no more digits than the currency has";
            Unfit::at(refund.pointer("/total"), detail)
        };
        let amount = amount::unsigned_decimal(total, currency).ok_or_else(wrong)?;
        // Goods that came back without money.
        if amount.minor > 0 {
            steps.push(Step::Refund(PaidBack {
                order: order.clone(),
                id,
                amount: Some(amount),
                reason: RefundReason::Refund,
                only_of_known: true,
            }));
        }
    }
    Ok(steps)
}

/// A time in UTC that does not say so.
fn instant(text: &str) -> Option<Timestamp> {
    let time: DateTime = text.parse().ok()?;
    Offset::UTC.to_timestamp(time).ok()
}
