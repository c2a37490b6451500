use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use kith_domain::fact::FactKind;
use kith_domain::id::{DeliveryId, EventId, ProgramId, WebhookId};
use kith_domain::webhook::{
    Attempt, AttemptEnd, Delivery, DeliveryState, DisabledReason, Endpoint, EndpointSecret,
    EndpointState, Failing,
};
use serde::{Deserialize, Serialize};

use crate::item::{Entity, text, text_option};

/// How long a delivery is kept after it was last begun.
const DELIVERY_LIFE: SignedDuration = SignedDuration::from_hours(24 * 30);

/// What lies in the table of an endpoint.
#[derive(Serialize, Deserialize)]
pub struct EndpointItem {
    #[serde(with = "text")]
    id: WebhookId,
    #[serde(with = "text")]
    program_id: ProgramId,
    url: String,
    types: Vec<String>,
    #[serde(with = "text")]
    state: EndpointState,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    disabled: Option<DisabledReason>,
    secrets: Vec<SecretItem>,
    #[serde(with = "text")]
    created_at: Timestamp,
    version: u64,
}

#[derive(Serialize, Deserialize)]
struct SecretItem {
    secret: String,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    until: Option<Timestamp>,
}

/// Types of events as they lie in the table. A type that this version does not know is kept out: it
/// never happens here.
pub(crate) fn kinds(texts: &[String]) -> BTreeSet<FactKind> {
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}

pub(crate) fn kind_texts(kinds: &BTreeSet<FactKind>) -> Vec<String> {
    kinds.iter().map(ToString::to_string).collect()
}

impl Entity for Endpoint {
    type Stored = EndpointItem;
    const KIND: &'static str = "webhook";

    fn to_stored(&self) -> EndpointItem {
        let secret = |secret: &EndpointSecret| SecretItem {
            secret: secret.text.clone(),
            until: secret.until,
        };
        EndpointItem {
            id: self.id,
            program_id: self.program,
            url: self.url.clone(),
            types: kind_texts(&self.types),
            state: self.state,
            disabled: self.disabled,
            secrets: self.secrets.iter().map(secret).collect(),
            created_at: self.created_at,
            version: self.version,
        }
    }

    fn from_stored(stored: EndpointItem) -> Self {
        let secret = |item: SecretItem| EndpointSecret {
            text: item.secret,
            until: item.until,
        };
        Self {
            id: stored.id,
            program: stored.program_id,
            url: stored.url,
            types: kinds(&stored.types),
            state: stored.state,
            disabled: stored.disabled,
            secrets: stored.secrets.into_iter().map(secret).collect(),
            created_at: stored.created_at,
            version: stored.version,
        }
    }
}

/// What lies in the table of a delivery.
#[derive(Serialize, Deserialize)]
pub struct DeliveryItem {
    #[serde(with = "text")]
    id: DeliveryId,
    #[serde(with = "text")]
    program_id: ProgramId,
    #[serde(with = "text")]
    webhook_id: WebhookId,
    #[serde(with = "text")]
    event_id: EventId,
    #[serde(with = "text")]
    item_id: EventId,
    shards: u8,
    #[serde(rename = "type", with = "text")]
    kind: FactKind,
    #[serde(with = "text")]
    state: DeliveryState,
    #[serde(with = "text")]
    next_at: Timestamp,
    tries: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tried: Vec<AttemptItem>,
    #[serde(with = "text")]
    created_at: Timestamp,
    version: u64,
    /// Read by the table's time to live.
    expires_at: i64,
}

/// An attempt as it lies in the table, of a delivery or of a question to a shop.
#[derive(Serialize, Deserialize)]
pub(super) struct AttemptItem {
    #[serde(with = "text")]
    at: Timestamp,
    duration_ms: u32,
    #[serde(with = "text")]
    end: AttemptEnd,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    excerpt: Option<String>,
}

impl AttemptItem {
    pub(super) fn of(attempt: &Attempt) -> Self {
        Self {
            at: attempt.at,
            duration_ms: attempt.duration_ms,
            end: attempt.end,
            status: attempt.status,
            excerpt: attempt.excerpt.clone(),
        }
    }

    pub(super) fn read(self) -> Attempt {
        Attempt {
            at: self.at,
            duration_ms: self.duration_ms,
            end: self.end,
            status: self.status,
            excerpt: self.excerpt,
        }
    }
}

impl Entity for Delivery {
    type Stored = DeliveryItem;
    const KIND: &'static str = "delivery";

    fn to_stored(&self) -> DeliveryItem {
        // Of a test program, whose clock is ahead, they are kept longer by that.
        let last = self.next_at.max(self.created_at);
        DeliveryItem {
            id: self.id,
            program_id: self.program,
            webhook_id: self.webhook,
            event_id: self.event,
            item_id: self.item,
            shards: self.shards,
            kind: self.kind,
            state: self.state,
            next_at: self.next_at,
            tries: self.tries,
            tried: self.attempts.iter().map(AttemptItem::of).collect(),
            created_at: self.created_at,
            version: self.version,
            expires_at: last.as_second().saturating_add(DELIVERY_LIFE.as_secs()),
        }
    }

    fn from_stored(stored: DeliveryItem) -> Self {
        Self {
            id: stored.id,
            program: stored.program_id,
            webhook: stored.webhook_id,
            event: stored.event_id,
            item: stored.item_id,
            shards: stored.shards,
            kind: stored.kind,
            state: stored.state,
            next_at: stored.next_at,
            tries: stored.tries,
            attempts: stored.tried.into_iter().map(AttemptItem::read).collect(),
            created_at: stored.created_at,
            version: stored.version,
        }
    }
}

/// What lies in the table of how an endpoint fails.
#[derive(Serialize, Deserialize)]
pub struct FailingItem {
    #[serde(with = "text")]
    since: Timestamp,
    failures: u32,
    #[serde(with = "text")]
    left_alone_until: Timestamp,
    version: u64,
}

impl Entity for Failing {
    type Stored = FailingItem;
    const KIND: &'static str = "webhook_failing";

    fn to_stored(&self) -> FailingItem {
        FailingItem {
            since: self.since,
            failures: self.failures,
            left_alone_until: self.left_alone_until,
            version: self.version,
        }
    }

    fn from_stored(stored: FailingItem) -> Self {
        Self {
            since: stored.since,
            failures: stored.failures,
            left_alone_until: stored.left_alone_until,
            version: stored.version,
        }
    }
}
