use kith_domain::order_source::{OrderAmount, Platform, SecretText, SourceState};
use kith_domain::text::EventName;
use schemars::JsonSchema;

use super::{AsRead, never_null};
use crate::scalar::{Spelled, Word};

/// A shop system that shall tell of orders.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct NewOrderSourceInput {
    /// Which system it is.
    pub platform: Word<Platform>,
    /// The secret that it signs with. It may follow: some systems show it only once they know the address, and until then
    /// nothing of them is believed.
    pub secret: Option<Spelled<SecretText>>,
    /// The event that its orders are recorded as; `purchase` unless said.
    pub event: Option<Spelled<EventName>>,
    /// What of an order counts as its amount; `total` unless said.
    pub amount: Option<Word<OrderAmount>>,
}

/// A change of an order source, as a merge patch.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct OrderSourceChange {
    /// Another secret. The one before verifies too for 24 hours.
    #[schemars(transform = never_null)]
    pub secret: Option<Spelled<SecretText>>,
    /// The event that its orders are recorded as from now on.
    #[schemars(transform = never_null)]
    pub event: Option<Spelled<EventName>>,
    /// What of an order counts from now on.
    #[schemars(transform = never_null)]
    pub amount: Option<Word<OrderAmount>>,
    /// Whether it is listened to.
    #[schemars(transform = never_null)]
    pub state: Option<Word<SourceState>>,
    #[schemars(default)]
    #[allow(missing_docs, reason = "its type says it")]
    pub id: AsRead,
    #[schemars(default)]
    #[allow(missing_docs, reason = "its type says it")]
    pub platform: AsRead,
    #[schemars(default)]
    #[allow(missing_docs, reason = "its type says it")]
    pub url: AsRead,
    #[schemars(default)]
    #[allow(missing_docs, reason = "its type says it")]
    pub secrets: AsRead,
    #[schemars(default)]
    #[allow(missing_docs, reason = "its type says it")]
    pub created_at: AsRead,
    #[schemars(default)]
    #[allow(missing_docs, reason = "its type says it")]
    pub version: AsRead,
}
