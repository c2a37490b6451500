//! Order sources: shop systems whose own webhooks tell of orders and refunds, and what became of what
//! they told.

use jiff::{SignedDuration, Timestamp};

use crate::id::{OrderDeliveryId, OrderSourceId, ProgramId};
use crate::text::{EventName, ExternalId};
use crate::words::words;

/// The most order sources of a program.
pub const ORDER_SOURCES_MAX: usize = 10;
/// The fewest characters of a secret: what can be guessed would let anybody invent orders.
pub const SOURCE_SECRET_CHARS_MIN: usize = 16;
/// The most characters of a secret; none of the vendors' is longer.
pub const SOURCE_SECRET_CHARS_MAX: usize = 200;
/// How long the secret before verifies too: vendors go on signing with it for a while.
pub const SECRET_OVERLAP: SignedDuration = SignedDuration::from_hours(24);
/// How long is kept what became of an event that was not recorded.
pub const ORDER_DELIVERY_LIFE: SignedDuration = SignedDuration::from_hours(24 * 30);

words! {
    /// The shop system.
    pub enum Platform {
        /// Shopify.
        Shopify = "shopify",
        /// WooCommerce.
        WooCommerce = "woocommerce",
        /// Stripe.
        Stripe = "stripe",
    }
}

words! {
    /// What of an order counts as its amount.
    pub enum OrderAmount {
        /// What the customer pays, shipping and tax included.
        Total = "total",
        /// What the goods come to after discounts, without shipping and tax.
        Subtotal = "subtotal",
    }
}

words! {
    /// Whether an order source is listened to.
    pub enum SourceState {
        /// It is.
        Active = "active",
        /// It is not: what it tells is acknowledged and passed over.
        Disabled = "disabled",
    }
}

words! {
    /// What became of an event of an order source.
    pub enum OrderOutcome {
        /// It is recorded, now or before.
        Recorded = "recorded",
        /// It is nothing that is recorded.
        Ignored = "ignored",
        /// It cannot be recorded as it is.
        Refused = "refused",
    }
}

/// The text is not fit for a secret. It is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be {SOURCE_SECRET_CHARS_MIN} to {SOURCE_SECRET_CHARS_MAX} visible ASCII characters without spaces"
)]
pub struct BadSourceSecret;

/// A secret that the vendor signs with, to the letter.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

impl SecretText {
    /// The text.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for SecretText {
    type Err = BadSourceSecret;

    fn from_str(text: &str) -> Result<Self, BadSourceSecret> {
        let good = (SOURCE_SECRET_CHARS_MIN..=SOURCE_SECRET_CHARS_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        good.then(|| Self(text.to_owned())).ok_or(BadSourceSecret)
    }
}

impl std::fmt::Debug for SecretText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretText(…)")
    }
}

/// A secret, and how long it is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceSecret {
    /// The secret.
    pub text: SecretText,
    /// Until when it verifies, once another took its place.
    pub until: Option<Timestamp>,
}

impl SourceSecret {
    /// Whether it verifies at an instant of real time.
    #[must_use]
    pub fn is_good(&self, real_now: Timestamp) -> bool {
        self.until.is_none_or(|until| until > real_now)
    }
}

/// A shop system that tells of orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderSource {
    /// Its id.
    pub id: OrderSourceId,
    /// The program.
    pub program: ProgramId,
    /// Which system it is.
    pub platform: Platform,
    /// The event that its orders are recorded as.
    pub event: EventName,
    /// What of them counts.
    pub amount: OrderAmount,
    /// Whether it is listened to.
    pub state: SourceState,
    /// Newest first, two at most. None before the vendor's secret is known: some show it only once they know the address.
    pub secrets: Vec<SourceSecret>,
    /// When it was made, on the program's clock.
    pub created_at: Timestamp,
    /// Counts writes; guards every change.
    pub version: u64,
}

impl OrderSource {
    /// The secrets that verify at an instant of real time, newest first.
    pub fn secrets_at(&self, real_now: Timestamp) -> impl Iterator<Item = &str> {
        let good = self
            .secrets
            .iter()
            .filter(move |secret| secret.is_good(real_now));
        good.map(|secret| secret.text.reveal())
    }

    /// The same with another secret, beside which the newest so far is good for [`SECRET_OVERLAP`] more. With the
    /// newest itself it stays as it is.
    pub fn change_secret(&mut self, text: SecretText, real_now: Timestamp) {
        let newest = self.secrets.first().filter(|one| one.until.is_none());
        if newest.is_some_and(|newest| newest.text == text) {
            return;
        }
        let before = newest.map(|newest| SourceSecret {
            text: newest.text.clone(),
            until: Some(
                real_now
                    .checked_add(SECRET_OVERLAP)
                    .unwrap_or(Timestamp::MAX),
            ),
        });
        let new = SourceSecret { text, until: None };
        self.secrets = std::iter::once(new).chain(before).collect();
    }
}

/// What became of an event that was not recorded, for the owner to see. Nothing of a person is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderDelivery {
    /// Its id.
    pub id: OrderDeliveryId,
    /// The program.
    pub program: ProgramId,
    /// The order source.
    pub source: OrderSourceId,
    /// When it came, in real time.
    pub at: Timestamp,
    /// The vendor's name of what happened.
    pub topic: String,
    /// The vendor's id of the event, or of the delivery.
    pub event_id: Option<String>,
    /// The order's own id.
    pub order: Option<ExternalId>,
    /// What became of it.
    pub outcome: OrderOutcome,
    /// Why: the code of a problem, or a word of the intake.
    pub reason: String,
    /// The same for people.
    pub detail: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(letter: char) -> SecretText {
        letter
            .to_string()
            .repeat(20)
            .parse()
            .unwrap_or_else(|_| unreachable!())
    }

    fn source() -> OrderSource {
        OrderSource {
            id: OrderSourceId::floor_of(Timestamp::UNIX_EPOCH),
            program: ProgramId::floor_of(Timestamp::UNIX_EPOCH),
            platform: Platform::Stripe,
            event: "purchase".parse().unwrap_or_else(|_| unreachable!()),
            amount: OrderAmount::Total,
            state: SourceState::Active,
            secrets: Vec::new(),
            created_at: Timestamp::UNIX_EPOCH,
            version: 1,
        }
    }

    /// Vendors go on with the old secret for a while; no longer than a day, and never two old ones.
    #[test]
    fn the_secret_before_is_good_for_a_day() {
        let at = |hours| Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours);
        let mut source = source();
        let good = |source: &OrderSource, hours| -> Vec<String> {
            let letters = source
                .secrets_at(at(hours))
                .map(|text| text[..1].to_owned());
            letters.collect()
        };
        assert_eq!(good(&source, 0), [""; 0]);
        source.change_secret(secret('a'), at(0));
        source.change_secret(secret('a'), at(1));
        assert_eq!(good(&source, 100), ["a"]);
        source.change_secret(secret('b'), at(10));
        assert_eq!(good(&source, 33), ["b", "a"]);
        assert_eq!(good(&source, 34), ["b"]);
        source.change_secret(secret('c'), at(12));
        assert_eq!(good(&source, 13), ["c", "b"]);
        // Whoever goes back has the old one back, and the new one for a while.
        source.change_secret(secret('b'), at(14));
        assert_eq!(good(&source, 15), ["b", "c"]);
    }

    #[test]
    fn a_secret_is_long_and_plain_and_not_printed() {
        for bad in [
            "",
            "short",
            &"a".repeat(201),
            &"a b ".repeat(8),
            &"é".repeat(20),
        ] {
            assert_eq!(bad.parse::<SecretText>(), Err(BadSourceSecret), "{bad}");
        }
        for good in [&"a".repeat(16), &"!~".repeat(100)] {
            assert!(good.parse::<SecretText>().is_ok(), "{good}");
        }
        assert_eq!(format!("{:?}", secret('a')), "SecretText(…)");
    }
}
