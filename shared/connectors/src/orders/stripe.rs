//! Stripe: `Stripe-Signature` with the time in it; payments of Checkout, invoices of subscriptions, refunds, disputes.
//!
//! A payment has several names. An order is recorded by its invoice if it has one, else by its payment intent; whoever tells
//! of both tells that the intent is another name of the invoice, for charges and disputes name the intent alone. So a
//! subscription's first payment, of which Checkout and the invoice tell, is one order, and its refund finds it.

use jiff::Timestamp;
use kith_domain::mode::Mode;
use kith_domain::money::{Currency, Money};
use kith_domain::order_source::OrderAmount;
use kith_domain::refund::RefundReason;
use kith_domain::signed::hmac_sha256;
use kith_domain::text::ExternalId;
use subtle::{Choice, ConstantTimeEq};

use super::body::{Body, Unfit, parsed};
use super::{
    CLICK, CODE, Message, PaidBack, PaidOrder, Settings, Step, Tells, Told, amount, clicks, codes,
    odd, passed, someone, unknown_topic,
};

/// How far the time of a message may be from now, both ways, in seconds: exactly so far is still good.
const TOLERANCE_SECONDS: u64 = 300;
/// Most signatures of a message that are looked at.
const SIGNATURES_MAX: usize = 16;
/// Longer than any referral code: what is longer in a place that takes either is a click token.
const REFERRAL_CODE_MAX: usize = kith_domain::code::REFERRAL_CODE_MAX;

/// Currencies whose amounts Stripe writes in whole units (docs.stripe.com/currencies).
const ZERO_DECIMAL: [&str; 15] = [
    "BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF",
    "XOF", "XPF",
];
/// Currencies whose amounts Stripe writes in thousandths.
const THREE_DECIMAL: [&str; 5] = ["BHD", "JOD", "KWD", "OMR", "TND"];

/// Whether one of the secrets signed it, now. The secret is used to the letter, with what it begins with.
pub(super) fn verify<'s>(
    message: &Message<'_>,
    secrets: impl Iterator<Item = &'s str>,
    now: Timestamp,
) -> bool {
    let Some((time, signatures)) = message.header("stripe-signature").and_then(signature) else {
        return false;
    };
    let Ok(at) = time.parse::<i64>() else {
        return false;
    };
    if now.as_second().abs_diff(at) > TOLERANCE_SECONDS {
        return false;
    }
    let mut is_good = Choice::from(0);
    for secret in secrets {
        let parts = [time.as_bytes(), b".", message.body];
        let code = hmac_sha256(secret.as_bytes(), &parts);
        let expected: String = code.iter().map(|byte| format!("{byte:02x}")).collect();
        for given in &signatures {
            is_good |= expected.as_bytes().ct_eq(given.as_bytes());
        }
    }
    is_good.into()
}

/// The time, which is there once, and the signatures of the scheme that counts.
fn signature(header: &str) -> Option<(&str, Vec<&str>)> {
    let parts = header
        .split(',')
        .filter_map(|part| part.trim().split_once('='));
    let of = |wanted| {
        let parts = parts.clone().filter(move |(name, _)| *name == wanted);
        parts.map(|(_, value)| value)
    };
    let mut times = of("t");
    let time = times.next()?;
    let only = times.next().is_none();
    only.then(|| (time, of("v1").take(SIGNATURES_MAX).collect()))
}

/// What it tells.
pub(super) fn read(message: &Message<'_>, settings: Settings) -> Told {
    let value = match parsed(message.body) {
        Ok(value) => value,
        Err(unfit) => {
            return Told {
                topic: String::new(),
                event_id: None,
                order: None,
                tells: unfit.into(),
            };
        }
    };
    let body = Body::whole(&value);
    let topic = body.text("/type").unwrap_or_default();
    let tells = event(&body, topic, settings).unwrap_or_else(Tells::from);
    Told {
        topic: topic.to_owned(),
        event_id: body.text("/id").map(str::to_owned),
        order: order_of(&tells),
        tells,
    }
}

fn order_of(tells: &Tells) -> Option<ExternalId> {
    let Tells::Steps(steps) = tells else {
        return None;
    };
    steps.first().map(|step| match step {
        Step::Order(order) => order.id.clone(),
        Step::Refund(refund) => refund.order.clone(),
        Step::Reversal { order, .. } | Step::Name { order, .. } => order.clone(),
    })
}

fn event(body: &Body<'_>, topic: &str, settings: Settings) -> Result<Tells, Unfit> {
    let tell: fn(&Body<'_>, &Body<'_>, Settings) -> Result<Tells, Unfit> = match topic {
        "checkout.session.completed" | "checkout.session.async_payment_succeeded" => session,
        "invoice.paid" => invoice,
        "invoice_payment.paid" => invoice_payment,
        "charge.refunded" => charge,
        "charge.dispute.created" | "charge.dispute.funds_withdrawn" => dispute,
        "charge.dispute.closed" | "charge.dispute.funds_reinstated" => dispute_over,
        _ => return Ok(unknown_topic()),
    };
    body.need("/livemode")?;
    let is_live = body.flag("/livemode") == Some(true);
    if is_live != (settings.mode == Mode::Live) {
        let detail = if is_live {
            "A live payment is not recorded in a test program."
        } else {
            "A test payment is not recorded in a live program."
        };
        return Ok(odd("other_mode", detail));
    }
    tell(body, &body.need("/data/object")?, settings)
}

/// A session of Checkout, which may have been for a subscription.
fn session(_: &Body<'_>, session: &Body<'_>, settings: Settings) -> Result<Tells, Unfit> {
    if session.text("/payment_status") != Some("paid") {
        return Ok(passed("unpaid", "Nothing was paid yet."));
    }
    let invoice = session.id("/invoice");
    let intent = session.id("/payment_intent");
    let id = match invoice.clone().or_else(|| intent.clone()) {
        Some(id) => id,
        None => session.need_id("/id")?,
    };
    let currency = session.currency("/currency")?;
    let mut amount = money(session, "/amount_total", currency)?;
    if settings.amount == OrderAmount::Subtotal {
        for part in [
            "/total_details/amount_tax",
            "/total_details/amount_shipping",
        ] {
            amount = without(session, amount, part)?;
        }
    }
    let customer = session.customer("/customer");
    let addresses = ["/customer_details/email", "/customer_email"];
    let email = addresses.iter().find_map(|at| session.email(at));
    let at = session.pointer("/customer_details/email");
    someone(customer.as_ref(), email.as_ref(), &at)?;
    let (click, code) = either(session.text("/client_reference_id"));
    let promotions = promotion_codes(session);
    let own = |name: &str| session.text(&format!("/metadata/{name}"));
    // The invoice tells neither where the customer is nor when the session began.
    let alone = invoice.is_none();
    let country = session.country("/customer_details/address/country");
    let order = PaidOrder {
        id: id.clone(),
        customer,
        email,
        clicks: clicks(own(CLICK).into_iter().chain(click)),
        codes: codes(own(CODE).into_iter().chain(code).chain(promotions)),
        amount,
        country: country.filter(|_| alone),
        ordered_at: seconds(session, "/created").filter(|_| alone),
    };
    let name = intent.filter(|intent| *intent != id);
    let name = name.map(|also| Step::Name { order: id, also });
    let steps = std::iter::once(Step::Order(Box::new(order))).chain(name);
    Ok(Tells::Steps(steps.collect()))
}

fn invoice(_: &Body<'_>, invoice: &Body<'_>, settings: Settings) -> Result<Tells, Unfit> {
    let places = [
        "/metadata",
        "/subscription_details/metadata",
        "/parent/subscription_details/metadata",
        "/lines/data/0/metadata",
    ];
    let found = |name: &str| {
        let texts = places.iter().map(|place| format!("{place}/{name}"));
        let texts: Vec<&str> = texts.filter_map(|at| invoice.text(&at)).collect();
        texts
    };
    let subscribes = ["/subscription", "/parent/subscription_details/subscription"];
    let is_subscription = subscribes.iter().any(|at| invoice.id(at).is_some());
    if !is_subscription && found(CLICK).is_empty() && found(CODE).is_empty() {
        // Checkout makes one for a payment that it has told of by its intent already.
        let detail = "An invoice without a subscription is recorded only if its metadata names a click or a code.";
        return Ok(odd("invoice_without_subscription", detail));
    }
    let id = invoice.need_id("/id")?;
    let currency = invoice.currency("/currency")?;
    let total = money(invoice, "/total", currency)?;
    if total.minor == 0 {
        return Ok(passed("nothing_paid", "Nothing was to be paid."));
    }
    let amount = match settings.amount {
        OrderAmount::Total => total,
        OrderAmount::Subtotal => {
            let net = match invoice.get("/total_excluding_tax") {
                Some(_) => money(invoice, "/total_excluding_tax", currency)?,
                None => without(invoice, total, "/tax")?,
            };
            without(invoice, net, "/shipping_cost/amount_subtotal")?
        }
    };
    let customer = invoice.customer("/customer");
    let email = invoice.email("/customer_email");
    let at = invoice.pointer("/customer_email");
    someone(customer.as_ref(), email.as_ref(), &at)?;
    let order = PaidOrder {
        id: id.clone(),
        customer,
        email,
        clicks: clicks(found(CLICK).into_iter()),
        codes: codes(found(CODE).into_iter().chain(promotion_codes(invoice))),
        amount,
        country: None,
        ordered_at: None,
    };
    let payments = invoice.list("/payments/data");
    let intents = payments
        .iter()
        .filter_map(|payment| payment.id("/payment/payment_intent"));
    let intents = invoice.id("/payment_intent").into_iter().chain(intents);
    let name = intents.take(1).map(|also| Step::Name {
        order: id.clone(),
        also,
    });
    let steps = std::iter::once(Step::Order(Box::new(order))).chain(name);
    Ok(Tells::Steps(steps.collect()))
}

/// Which intent paid an invoice: newer invoices do not say it themselves.
fn invoice_payment(_: &Body<'_>, payment: &Body<'_>, _: Settings) -> Result<Tells, Unfit> {
    let order = payment.need_id("/invoice")?;
    let Some(also) = payment.id("/payment/payment_intent") else {
        let detail = "The invoice was not paid by a payment intent.";
        return Ok(passed("no_payment_intent", detail));
    };
    Ok(Tells::Steps(vec![Step::Name { order, also }]))
}

/// What was given back of a charge since the event before: the event tells the sum of all its refunds.
fn charge(body: &Body<'_>, charge: &Body<'_>, _: Settings) -> Result<Tells, Unfit> {
    let id = charge.need_id("/id")?;
    let order = charge
        .id("/invoice")
        .or_else(|| charge.id("/payment_intent"));
    let Some(order) = order else {
        return Ok(without_intent());
    };
    let currency = charge.currency("/currency")?;
    let now = charge.need_integer("/amount_refunded")?;
    let before = body.need_integer("/data/previous_attributes/amount_refunded")?;
    let at = charge.pointer("/amount_refunded");
    let wrong = || Unfit::at(at.as_str(), "must be more than it was");
    let back = now.checked_sub(before).filter(|back| *back > 0);
    let back = exact(back.ok_or_else(wrong)?, currency).ok_or_else(wrong)?;
    // Each refund of a charge raises the sum, which so names it.
    let name = format!("{id}:{now}").parse();
    let id = name.map_err(|_| Unfit::at(charge.pointer("/id"), "must be an id"))?;
    Ok(Tells::Steps(vec![Step::Refund(PaidBack {
        order,
        id,
        amount: Some(back),
        reason: RefundReason::Refund,
        only_of_known: false,
    })]))
}

/// A bank takes the money back. What only asks a question takes nothing yet.
fn dispute(_: &Body<'_>, dispute: &Body<'_>, _: Settings) -> Result<Tells, Unfit> {
    let id = dispute.need_id("/id")?;
    if is_inquiry(dispute) {
        let detail = "The bank asks, and has taken nothing back.";
        return Ok(passed("inquiry", detail));
    }
    let Some(order) = dispute.id("/payment_intent") else {
        return Ok(without_intent());
    };
    let currency = dispute.currency("/currency")?;
    let amount = money(dispute, "/amount", currency)?;
    if amount.minor == 0 {
        return Ok(passed("nothing_refunded", "Nothing was taken back."));
    }
    Ok(Tells::Steps(vec![Step::Refund(PaidBack {
        order,
        id,
        amount: Some(amount),
        reason: RefundReason::Chargeback,
        only_of_known: false,
    })]))
}

/// The bank has decided. What the shop lost stays taken back.
fn dispute_over(_: &Body<'_>, dispute: &Body<'_>, _: Settings) -> Result<Tells, Unfit> {
    let refund = dispute.need_id("/id")?;
    dispute.need("/status")?;
    if dispute.text("/status") != Some("won") {
        return Ok(passed("not_won", "What was taken back stays so."));
    }
    let Some(order) = dispute.id("/payment_intent") else {
        return Ok(without_intent());
    };
    Ok(Tells::Steps(vec![Step::Reversal { order, refund }]))
}

fn is_inquiry(dispute: &Body<'_>) -> bool {
    let status = dispute.text("/status").unwrap_or_default();
    status.starts_with("warning_")
}

fn without_intent() -> Tells {
    odd(
        "no_payment_intent",
        "The charge was made without a payment intent, so no order is known of it.",
    )
}

/// The codes of promotions, where the payload holds them and not their ids alone.
fn promotion_codes<'a>(object: &Body<'a>) -> Vec<&'a str> {
    let discounts = object.list("/discounts");
    let discounts = discounts.iter();
    discounts
        .filter_map(|discount| discount.text("/promotion_code/code"))
        .collect()
}

/// A place that takes a click token as well as a code.
fn either(text: Option<&str>) -> (Option<&str>, Option<&str>) {
    match text {
        Some(text) if text.len() > REFERRAL_CODE_MAX => (Some(text), None),
        code => (None, code),
    }
}

fn money(object: &Body<'_>, pointer: &str, currency: Currency) -> Result<Money, Unfit> {
    let number = object.need_integer(pointer)?;
    let wrong = || Unfit::at(object.pointer(pointer), "must be an amount of the currency");
    exact(number, currency).ok_or_else(wrong)
}

/// An amount without a part of it, if that is told.
fn without(object: &Body<'_>, amount: Money, part: &str) -> Result<Money, Unfit> {
    if object.get(part).is_none() {
        return Ok(amount);
    }
    let part_money = money(object, part, amount.currency)?;
    let wrong = || Unfit::at(object.pointer(part), "is more than the whole");
    amount::less(amount, part_money).ok_or_else(wrong)
}

/// An amount as Stripe writes it: mostly hundredths, whatever the currency's own minor unit is.
fn exact(number: i64, currency: Currency) -> Option<Money> {
    let code = currency.code();
    let places = if ZERO_DECIMAL.contains(&code) {
        0
    } else if THREE_DECIMAL.contains(&code) {
        3
    } else {
        2
    };
    amount::scaled(number, places, currency)
}

fn seconds(object: &Body<'_>, pointer: &str) -> Option<Timestamp> {
    Timestamp::from_second(object.integer(pointer)?).ok()
}
