use jiff::Timestamp;
use kith_domain::fact::FactKind;
use kith_domain::id::{DeliveryId, EventId, WebhookId};
use kith_domain::webhook::{
    self as domain, ATTEMPTS_KEPT, AttemptEnd, DeliveryState, DisabledReason, EndpointState,
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::scalar::{At, Spelled, Word};

/// An endpoint of webhooks without its secret, which is told once.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Webhook {
    /// Its id.
    pub id: Spelled<WebhookId>,
    /// Where deliveries go, as the URL standard writes it.
    #[schemars(extend("format" = "uri"), example = &"https://hooks.example.com/kith")]
    pub url: String,
    /// Of what it is told; an empty list means everything.
    pub types: Vec<Word<FactKind>>,
    /// Whether it is told.
    pub state: Word<EndpointState>,
    /// Why it is told nothing; `null` while it is active.
    pub disabled_reason: Option<Word<DisabledReason>>,
    /// The secrets that sign now, newest first, without their texts.
    pub secrets: Vec<WebhookSecret>,
    /// When it was made.
    pub created_at: At,
    /// Counts changes, from 1.
    pub version: u64,
}

/// A secret that signs deliveries.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct WebhookSecret {
    /// Until when it signs, since a newer one does too; `null` for the newest.
    pub until: Option<At>,
}

/// An endpoint of webhooks with the secret that was just made.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct NewWebhook {
    /// The endpoint.
    #[serde(flatten)]
    pub webhook: Webhook,
    /// The secret: `whsec_` and Base64. Left out when the answer is replayed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// One event on its way to one endpoint.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Delivery {
    /// Its id: the same however often the event is sent to the endpoint.
    pub id: Spelled<DeliveryId>,
    /// The endpoint.
    pub webhook_id: Spelled<WebhookId>,
    /// The event, which is also the message's `webhook-id`.
    pub event_id: Spelled<EventId>,
    /// The event's type.
    #[serde(rename = "type")]
    pub kind: Word<FactKind>,
    /// How far it is.
    pub state: Word<DeliveryState>,
    /// When it is tried next, on the program's clock; `null` unless it is pending.
    pub next_at: Option<At>,
    /// When the event happened, on the program's clock.
    pub created_at: At,
    /// The latest attempts, oldest first.
    #[schemars(length(max = ATTEMPTS_KEPT))]
    pub attempts: Vec<DeliveryAttempt>,
}

/// One attempt of a delivery.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct DeliveryAttempt {
    /// When it began, in real time.
    pub at: At,
    /// How long it took, in milliseconds.
    pub duration_ms: u32,
    /// How it ended.
    pub end: Word<AttemptEnd>,
    /// The answer's status; `null` without an answer.
    pub status: Option<u16>,
    /// How the answer's body begins; `null` if it has none. The endpoint wrote it: escape it where it
    /// is shown.
    pub excerpt: Option<String>,
}

/// An event that is sent again.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct EventRedelivered {
    /// Its deliveries; none if no active endpoint hears of it.
    pub data: Vec<Delivery>,
}

/// A part of a period whose deliveries are sent again.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct PeriodRedelivered {
    /// How many of them, by this call.
    pub redelivered: usize,
    /// Where the next call goes on, as its `cursor`; `null` at the end of the period.
    pub next_cursor: Option<String>,
}

/// An endpoint as it is at an instant of real time.
#[must_use]
pub fn webhook(endpoint: &domain::Endpoint, real_now: Timestamp) -> Webhook {
    let signs =
        |secret: &&domain::EndpointSecret| secret.until.is_none_or(|until| until > real_now);
    let secret = |secret: &domain::EndpointSecret| WebhookSecret {
        until: secret.until.map(At),
    };
    Webhook {
        id: endpoint.id.into(),
        url: endpoint.url.clone(),
        types: endpoint.types.iter().copied().map(Word).collect(),
        state: endpoint.state.into(),
        disabled_reason: endpoint.disabled.map(Word),
        secrets: endpoint.secrets.iter().filter(signs).map(secret).collect(),
        created_at: endpoint.created_at.into(),
        version: endpoint.version,
    }
}

/// A delivery.
#[must_use]
pub fn delivery(delivery: &domain::Delivery) -> Delivery {
    let attempt = |attempt: &domain::Attempt| DeliveryAttempt {
        at: attempt.at.into(),
        duration_ms: attempt.duration_ms,
        end: attempt.end.into(),
        status: attempt.status,
        excerpt: attempt.excerpt.clone(),
    };
    let is_pending = delivery.state == DeliveryState::Pending;
    Delivery {
        id: delivery.id.into(),
        webhook_id: delivery.webhook.into(),
        event_id: delivery.event.into(),
        kind: delivery.kind.into(),
        state: delivery.state.into(),
        next_at: is_pending.then_some(At(delivery.next_at)),
        created_at: delivery.created_at.into(),
        attempts: delivery.attempts.iter().map(attempt).collect(),
    }
}
