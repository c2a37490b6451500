use jiff::Timestamp;
use kith_domain::id::{OrderDeliveryId, OrderSourceId, ProgramId};
use kith_domain::order_source::{
    ORDER_DELIVERY_LIFE, OrderAmount, OrderDelivery, OrderOutcome, OrderSource, Platform,
    SecretText, SourceSecret, SourceState,
};
use kith_domain::text::{EventName, ExternalId};
use serde::{Deserialize, Serialize};

use crate::item::{Entity, text, text_option};

/// What lies in the table of an order source.
#[derive(Serialize, Deserialize)]
pub struct OrderSourceItem {
    #[serde(with = "text")]
    id: OrderSourceId,
    #[serde(with = "text")]
    program_id: ProgramId,
    #[serde(with = "text")]
    platform: Platform,
    #[serde(with = "text")]
    event: EventName,
    #[serde(with = "text")]
    amount: OrderAmount,
    #[serde(with = "text")]
    state: SourceState,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
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

impl Entity for OrderSource {
    type Stored = OrderSourceItem;
    const KIND: &'static str = "order_source";

    fn to_stored(&self) -> OrderSourceItem {
        let secret = |secret: &SourceSecret| SecretItem {
            secret: secret.text.reveal().to_owned(),
            until: secret.until,
        };
        OrderSourceItem {
            id: self.id,
            program_id: self.program,
            platform: self.platform,
            event: self.event.clone(),
            amount: self.amount,
            state: self.state,
            secrets: self.secrets.iter().map(secret).collect(),
            created_at: self.created_at,
            version: self.version,
        }
    }

    fn from_stored(stored: OrderSourceItem) -> Self {
        // What this version would not take for a secret verifies nothing.
        let secret = |item: SecretItem| {
            let text: SecretText = item.secret.parse().ok()?;
            Some(SourceSecret {
                text,
                until: item.until,
            })
        };
        Self {
            id: stored.id,
            program: stored.program_id,
            platform: stored.platform,
            event: stored.event,
            amount: stored.amount,
            state: stored.state,
            secrets: stored.secrets.into_iter().filter_map(secret).collect(),
            created_at: stored.created_at,
            version: stored.version,
        }
    }
}

/// What lies in the table of an event that was not recorded.
#[derive(Serialize, Deserialize)]
pub struct OrderDeliveryItem {
    #[serde(with = "text")]
    id: OrderDeliveryId,
    #[serde(with = "text")]
    program_id: ProgramId,
    #[serde(with = "text")]
    source_id: OrderSourceId,
    #[serde(with = "text")]
    at: Timestamp,
    topic: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    event_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    order: Option<ExternalId>,
    #[serde(with = "text")]
    outcome: OrderOutcome,
    reason: String,
    detail: String,
    /// Read by the table's time to live.
    expires_at: i64,
}

impl Entity for OrderDelivery {
    type Stored = OrderDeliveryItem;
    const KIND: &'static str = "order_delivery";

    fn to_stored(&self) -> OrderDeliveryItem {
        let life = ORDER_DELIVERY_LIFE.as_secs();
        OrderDeliveryItem {
            id: self.id,
            program_id: self.program,
            source_id: self.source,
            at: self.at,
            topic: self.topic.clone(),
            event_id: self.event_id.clone(),
            order: self.order.clone(),
            outcome: self.outcome,
            reason: self.reason.clone(),
            detail: self.detail.clone(),
            expires_at: self.at.as_second().saturating_add(life),
        }
    }

    fn from_stored(stored: OrderDeliveryItem) -> Self {
        Self {
            id: stored.id,
            program: stored.program_id,
            source: stored.source_id,
            at: stored.at,
            topic: stored.topic,
            event_id: stored.event_id,
            order: stored.order,
            outcome: stored.outcome,
            reason: stored.reason,
            detail: stored.detail,
        }
    }
}
