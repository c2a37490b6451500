//! The call itself.

use kith_connectors::{Message, Posted};
use kith_contract::answers;
use kith_domain::webhook::{Delivery, Endpoint};
use kith_store::items::Event;

use crate::Deliverer;

/// Why there is nothing to send.
#[derive(Debug, thiserror::Error)]
enum Unwritten {
    #[error("the event's fact is gone")]
    NoFact,
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Unsent(#[from] kith_connectors::Unsent),
}

impl Deliverer {
    /// Posts a delivery, once.
    pub(crate) async fn post(
        &self,
        endpoint: &Endpoint,
        delivery: &Delivery,
        event: &Event,
    ) -> Posted {
        let at = self.desk.real_now();
        let posted = async {
            let message = message(delivery, event)?;
            Ok::<_, Unwritten>(self.messenger.post(endpoint, message, at).await?)
        };
        posted.await.unwrap_or_else(|error| {
            tracing::error!(delivery.id = %delivery.id, %error, "the delivery cannot be written");
            Posted::unsent(at)
        })
    }
}

/// The event as the feed tells it.
fn message(delivery: &Delivery, event: &Event) -> Result<Message, Unwritten> {
    let mut facts = event.facts.iter();
    let recorded = facts.find(|recorded| recorded.id == delivery.event);
    let recorded = recorded.ok_or(Unwritten::NoFact)?;
    let owner = (event.program, event.mode);
    let told = answers::event(recorded.id, event.created_at, owner, &recorded.fact);
    Ok(Message {
        id: recorded.id.to_string(),
        about: recorded.fact.subject(event.program),
        body: serde_json::to_vec(&told)?,
    })
}
