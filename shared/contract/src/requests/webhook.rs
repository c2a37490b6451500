use kith_domain::fact::FactKind;
use kith_domain::id::WebhookId;
use kith_domain::webhook::{DeliveryState, EndpointState, OVERLAP_HOURS_MAX};
use schemars::JsonSchema;

use super::{AsRead, CURSOR_BYTES_MAX, never_null};
use crate::scalar::{At, Spelled, WebhookUrl, Word};

/// An endpoint of webhooks to be made.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct NewWebhookInput {
    /// Where deliveries go. Its host is looked up at once.
    pub url: Spelled<WebhookUrl>,
    /// Of what it is told; of everything unless said, or if the list is empty.
    #[schemars(length(max = FactKind::ALL.len()))]
    pub types: Option<Vec<Word<FactKind>>>,
}

/// A change of an endpoint, as a merge patch.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct WebhookChange {
    /// Where deliveries go. Another host is looked up at once.
    #[schemars(transform = never_null)]
    pub url: Option<Spelled<WebhookUrl>>,
    /// Of what it is told: all types. `null` or an empty list means everything.
    #[schemars(length(max = FactKind::ALL.len()))]
    pub types: Option<Vec<Word<FactKind>>>,
    /// Whether it is told. What happened while it was disabled is told by redelivery only.
    #[schemars(transform = never_null)]
    pub state: Option<Word<EndpointState>>,
    #[schemars(default)]
    #[allow(missing_docs, reason = "its type says it")]
    pub id: AsRead,
    #[schemars(default)]
    #[allow(missing_docs, reason = "its type says it")]
    pub disabled_reason: AsRead,
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

/// How a secret is rotated.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct SecretRotation {
    /// How long the secret before signs too, in hours; 24 unless said.
    #[schemars(range(min = 0, max = OVERLAP_HOURS_MAX))]
    pub overlap_hours: Option<u16>,
}

/// To whom an event is sent again.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct EventRedelivery {
    /// To this endpoint, whatever types it hears of; to each active one that hears of it unless said.
    pub webhook_id: Option<Spelled<WebhookId>>,
}

/// What is sent again to an endpoint.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct PeriodRedelivery {
    /// The first instant at which the event happened, on the program's clock.
    pub from: At,
    /// The instant after the last one.
    pub to: At,
    /// Only deliveries in this state; `failed` unless said.
    pub state: Option<Word<DeliveryState>>,
    /// Where the call before ended.
    #[schemars(length(max = CURSOR_BYTES_MAX))]
    pub cursor: Option<String>,
}
