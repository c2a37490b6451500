//! Webhooks of shop systems: whether they are from the vendor, and what they tell of orders and refunds.
//!
//! Everything here is a plain function of the bytes and headers that came: [`verify`] says whether the vendor signed them,
//! [`read`] says what is to be recorded. Members that are not known are passed over, for vendors add some at any time;
//! members that are needed and missing are told with a JSON pointer into the vendor's body, and nothing of the body is
//! repeated. Recording is done elsewhere, and comes to the same however often a vendor repeats itself: orders and refunds
//! keep the vendor's own ids.

mod amount;
mod body;
mod shopify;
mod stripe;
mod woocommerce;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use kith_domain::email::EmailAddress;
use kith_domain::mode::Mode;
use kith_domain::money::Money;
use kith_domain::order_source::{OrderAmount, Platform};
use kith_domain::refund::RefundReason;
use kith_domain::signed::hmac_sha256;
use kith_domain::text::{CountryCode, ExternalId};
use subtle::{Choice, ConstantTimeEq};

use self::body::Unfit;

/// The most codes of an order that are looked at: what the attribution takes.
const CODES_MAX: usize = kith_domain::attribution::CODES_MAX;
/// The longest code: of a voucher of the owner's own.
const CODE_CHARS_MAX: usize = kith_domain::code::OWN_VOUCHER_CODE_MAX;
/// The longest click token that is looked at; those of Kith are shorter by far.
const CLICK_BYTES_MAX: usize = 2_048;
/// The longest topic and event id that are repeated to the owner.
const NAME_BYTES_MAX: usize = 100;
/// What the shop's pages call the click token and the code, in every vendor's place for such things.
const CLICK: &str = "kith_click";
const CODE: &str = "kith_code";

/// What came.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    header: &'a dyn Fn(&str) -> Option<&'a str>,
    body: &'a [u8],
}

impl<'a> Message<'a> {
    /// A message. `header` finds a header by its name in lower case; `body` is what was received, to the byte.
    #[must_use]
    pub fn new(header: &'a dyn Fn(&str) -> Option<&'a str>, body: &'a [u8]) -> Self {
        Self { header, body }
    }

    fn header(&self, name: &str) -> Option<&'a str> {
        (self.header)(name)
    }
}

/// How a message is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// What of an order counts.
    pub amount: OrderAmount,
    /// The program's mode: orders of the other one are not taken.
    pub mode: Mode,
}

/// What a message tells.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// The vendor's name of what happened.
    pub topic: String,
    /// The vendor's id of the event or, where there is none, of its delivery.
    pub event_id: Option<String>,
    /// The order it is about.
    pub order: Option<ExternalId>,
    /// What is to be done.
    pub tells: Tells,
}

/// What is to be done about a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Tells {
    /// These are to be recorded, in this order.
    Steps(Vec<Step>),
    /// Nothing: it is not of those that are recorded.
    Nothing(Passed),
    /// It is of those that are recorded, and something that is needed is missing or not of its form.
    Unfit {
        /// Where, as a JSON pointer into the vendor's body.
        pointer: String,
        /// What is wrong; nothing of the body is in it.
        detail: &'static str,
    },
}

/// Why nothing is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    /// A word for programs.
    pub reason: &'static str,
    /// The same for people.
    pub detail: &'static str,
    /// Whether the owner should know: it is not what usually happens.
    pub is_odd: bool,
}

/// One thing to be recorded.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// A paid order.
    Order(Box<PaidOrder>),
    /// Something was given back of an order.
    Refund(PaidBack),
    /// What was given back is the shop's again.
    Reversal {
        /// The order.
        order: ExternalId,
        /// The refund.
        refund: ExternalId,
    },
    /// The shop has another name for an order, by which refunds may come.
    Name {
        /// The name that the order is recorded by.
        order: ExternalId,
        /// The other one.
        also: ExternalId,
    },
}

/// A paid order.
#[derive(Debug, Clone, PartialEq)]
pub struct PaidOrder {
    /// The vendor's id of it.
    pub id: ExternalId,
    /// The vendor's id of the customer; none of guests.
    pub customer: Option<ExternalId>,
    /// The customer's address.
    pub email: Option<EmailAddress>,
    /// Click tokens, as the shop's page kept them.
    pub clicks: Vec<String>,
    /// Codes: the one the page kept, then coupons.
    pub codes: Vec<String>,
    /// For how much.
    pub amount: Money,
    /// Where the customer is.
    pub country: Option<CountryCode>,
    /// When it was ordered, if the vendor always says the same.
    pub ordered_at: Option<Timestamp>,
}

/// What was given back of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaidBack {
    /// The order.
    pub order: ExternalId,
    /// The vendor's id of the refund, or what stands for one.
    pub id: ExternalId,
    /// How much; everything that is left unless it is said.
    pub amount: Option<Money>,
    /// Why.
    pub reason: RefundReason,
    /// Whether an order that is not recorded is none that will be.
    pub only_of_known: bool,
}

/// Whether the vendor signed a message with one of the secrets. `now` is real time. It takes as long wherever a signature is
/// wrong.
#[must_use]
pub fn verify<'s>(
    platform: Platform,
    message: &Message<'_>,
    secrets: impl Iterator<Item = &'s str>,
    now: Timestamp,
) -> bool {
    match platform {
        Platform::Shopify => shopify::verify(message, secrets),
        Platform::WooCommerce => woocommerce::verify(message, secrets),
        Platform::Stripe => stripe::verify(message, secrets, now),
    }
}

/// What a message tells, which was verified.
#[must_use]
pub fn read(platform: Platform, message: &Message<'_>, settings: Settings) -> Told {
    let told = match platform {
        Platform::Shopify => shopify::read(message, settings),
        Platform::WooCommerce => woocommerce::read(message, settings),
        Platform::Stripe => stripe::read(message, settings),
    };
    Told {
        topic: shown(&told.topic).unwrap_or_else(|| "?".to_owned()),
        event_id: told.event_id.as_deref().and_then(shown),
        ..told
    }
}

/// Whether it is what WooCommerce sends when a webhook is saved: unsigned, and an answer other than 200 is shown to whoever
/// saves it as an error. It tells nothing.
#[must_use]
pub fn is_ping(message: &Message<'_>) -> bool {
    let digits = message.body.strip_prefix(b"webhook_id=");
    digits.is_some_and(|digits| {
        (1..=20).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit)
    })
}

/// A signature of the whole body in Base64, as Shopify and WooCommerce have it.
fn is_signed<'s>(given: Option<&str>, secrets: impl Iterator<Item = &'s str>, body: &[u8]) -> bool {
    let Some(given) = given else {
        return false;
    };
    let mut is_good = Choice::from(0);
    for secret in secrets {
        let expected = STANDARD.encode(hmac_sha256(secret.as_bytes(), &[body]));
        is_good |= expected.as_bytes().ct_eq(given.as_bytes());
    }
    is_good.into()
}

/// A name of the vendor's as far as it is plain and short.
fn shown(text: &str) -> Option<String> {
    let good = (1..=NAME_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic());
    good.then(|| text.to_owned())
}

/// Codes as they are taken: none that cannot be one, none twice, so many at most.
fn codes<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut codes: Vec<String> = Vec::new();
    for text in texts.map(str::trim) {
        let fits = (1..=CODE_CHARS_MAX).contains(&text.chars().count());
        if fits && !codes.iter().any(|code| code == text) && codes.len() < CODES_MAX {
            codes.push(text.to_owned());
        }
    }
    codes
}

/// Click tokens as they are taken: a page that knows several writes them one behind the other.
fn clicks<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut clicks: Vec<String> = Vec::new();
    for text in texts.flat_map(|text| text.split([',', ' '])) {
        let fits = (1..=CLICK_BYTES_MAX).contains(&text.len());
        let max = kith_domain::attribution::TOKENS_MAX;
        if fits && !clicks.iter().any(|click| click == text) && clicks.len() < max {
            clicks.push(text.to_owned());
        }
    }
    clicks
}

/// Somebody must have ordered it.
fn someone(
    customer: Option<&ExternalId>,
    email: Option<&EmailAddress>,
    pointer: &str,
) -> Result<(), Unfit> {
    if customer.is_some() || email.is_some() {
        return Ok(());
    }
    Err(Unfit::at(
        pointer,
        "is needed, or the id of the customer: an order belongs to somebody",
    ))
}

fn passed(reason: &'static str, detail: &'static str) -> Tells {
    Tells::Nothing(Passed {
        reason,
        detail,
        is_odd: false,
    })
}

fn odd(reason: &'static str, detail: &'static str) -> Tells {
    Tells::Nothing(Passed {
        reason,
        detail,
        is_odd: true,
    })
}

/// Another topic than those that are recorded. Owners who send everything shall not find it all in a list.
fn unknown_topic() -> Tells {
    passed("unknown_topic", "Nothing is recorded of this topic.")
}

#[cfg(test)]
mod tests;
