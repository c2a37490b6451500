use jiff::Timestamp;
use kith_domain::id::{OrderDeliveryId, OrderSourceId};
use kith_domain::order_source::{self as domain, OrderAmount, OrderOutcome, Platform, SourceState};
use kith_domain::text::{EventName, ExternalId};
use schemars::JsonSchema;
use serde::Serialize;

use crate::scalar::{At, Spelled, Word};

/// A shop system that tells of orders, without its secret, which is never shown.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct OrderSource {
    /// Its id.
    pub id: Spelled<OrderSourceId>,
    /// Which system it is.
    pub platform: Word<Platform>,
    /// The event that its orders are recorded as.
    pub event: Spelled<EventName>,
    /// What of an order counts as its amount.
    pub amount: Word<OrderAmount>,
    /// Whether it is listened to.
    pub state: Word<SourceState>,
    /// The address to enter in the shop system.
    #[schemars(extend("format" = "uri"), example = &"https://refer.example.com/in/prg_01kjmma2g0kq6qyz7f1s66j7yd/src_01kjmma2g0kq6qyz7f1s66j7yd")]
    pub url: String,
    /// The secrets that verify now, newest first, without their texts; none before it was told.
    pub secrets: Vec<OrderSourceSecret>,
    /// When it was made.
    pub created_at: At,
    /// Counts changes, from 1.
    pub version: u64,
}

/// A secret that a shop system signs with.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct OrderSourceSecret {
    /// Until when it verifies, since a newer one does too; `null` for the newest.
    pub until: Option<At>,
}

/// What became of an event of a shop system that was not recorded, or not whole.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct OrderDelivery {
    /// Its id.
    pub id: Spelled<OrderDeliveryId>,
    /// When it came, in real time.
    pub at: At,
    /// The system's name of what happened.
    pub topic: String,
    /// The system's id of the event or of its delivery; `null` if it has none.
    pub event_id: Option<String>,
    /// The order's id in the system; `null` if it was not found.
    pub order_id: Option<Spelled<ExternalId>>,
    /// What became of it.
    pub outcome: Word<OrderOutcome>,
    /// Why: the `code` of a problem, or a word such as `test_order`.
    pub reason: String,
    /// The same for people. Nothing of a person is in it.
    pub detail: String,
}

/// What the shop system is answered: that it need not send the event again.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct OrderTaken {
    /// What became of the event.
    pub outcome: Word<OrderOutcome>,
    /// Why it was not recorded; `null` if it was.
    pub reason: Option<String>,
    /// The same for people.
    pub detail: Option<String>,
}

/// An order source as it is at an instant of real time, reached at an address.
#[must_use]
pub fn order_source(source: &domain::OrderSource, url: String, real_now: Timestamp) -> OrderSource {
    let secrets = source.secrets.iter().filter(|one| one.is_good(real_now));
    let secret = |secret: &domain::SourceSecret| OrderSourceSecret {
        until: secret.until.map(At),
    };
    OrderSource {
        id: source.id.into(),
        platform: source.platform.into(),
        event: source.event.clone().into(),
        amount: source.amount.into(),
        state: source.state.into(),
        url,
        secrets: secrets.map(secret).collect(),
        created_at: source.created_at.into(),
        version: source.version,
    }
}

/// What became of an event.
#[must_use]
pub fn order_delivery(delivery: &domain::OrderDelivery) -> OrderDelivery {
    OrderDelivery {
        id: delivery.id.into(),
        at: delivery.at.into(),
        topic: delivery.topic.clone(),
        event_id: delivery.event_id.clone(),
        order_id: delivery.order.clone().map(Spelled),
        outcome: delivery.outcome.into(),
        reason: delivery.reason.clone(),
        detail: delivery.detail.clone(),
    }
}
