//! From an event to a delivery for each endpoint that listens to it.

use kith_domain::id::{DeliveryId, WebhookId};
use kith_domain::webhook::{Delivery, DeliveryState, Endpoint};
use kith_edge::{Invocation, Undone, WorkError, decide, endpoints};
use kith_store::items::{Event, RecordedFact};
use kith_store::keys::{self, EventRef};
use kith_store::wake::Queue;
use kith_store::{Commit, Was};

use crate::Deliverer;

/// Deliveries of one transaction, which settles the event in the end.
const DELIVERIES_AT_ONCE: usize = 80;

impl Deliverer {
    /// Makes the deliveries of an event and settles it: from then on they carry their own due entries.
    /// Answers those that were made.
    pub(crate) async fn address(
        &self,
        invocation: &Invocation,
        at: EventRef,
    ) -> Result<Vec<(WebhookId, DeliveryId)>, WorkError> {
        decide(|| self.address_once(invocation, at)).await
    }

    async fn address_once(
        &self,
        invocation: &Invocation,
        at: EventRef,
    ) -> Result<Vec<(WebhookId, DeliveryId)>, Undone> {
        let key = keys::event(at);
        let view = self
            .desk
            .view(invocation, at.program, [key.clone()])
            .await?;
        let Some(mut view) = view else {
            return Ok(Vec::new());
        };
        let Some(event) = view.loaded.read::<Event>(&key)? else {
            return Ok(Vec::new());
        };
        if !event.awaiting.contains(Queue::Deliveries.as_str()) {
            return Ok(Vec::new());
        }
        let endpoints = endpoints::all(&view).await?;
        let mut deliveries: Vec<Delivery> = event
            .facts
            .iter()
            .flat_map(|fact| endpoints.iter().map(move |endpoint| (fact, endpoint)))
            .filter(|(recorded, endpoint)| endpoint.hears_of(&recorded.fact))
            .map(|(recorded, endpoint)| delivery(&event, at, recorded, endpoint))
            .collect();
        view.load(deliveries.iter().map(key_of)).await?;
        deliveries.retain(|delivery| view.loaded.item(&key_of(delivery)).is_none());

        let mut parts: Vec<Commit> = deliveries
            .chunks(DELIVERIES_AT_ONCE)
            .map(|part| {
                let mut commit = view.commit();
                for delivery in part {
                    commit.delivery(delivery, Was::Absent);
                }
                commit
            })
            .collect();
        // Settled last: until then whoever comes again makes what is missing.
        let mut last = parts.pop().unwrap_or_else(|| view.commit());
        last.settle(at, &event, Queue::Deliveries);
        for part in parts {
            view.write(part).await?;
        }
        view.write(last).await?;
        Ok(deliveries
            .iter()
            .map(|delivery| (delivery.webhook, delivery.id))
            .collect())
    }
}

fn key_of(delivery: &Delivery) -> keys::Key {
    keys::delivery(delivery.program, delivery.webhook, delivery.id)
}

fn delivery(event: &Event, at: EventRef, recorded: &RecordedFact, endpoint: &Endpoint) -> Delivery {
    Delivery {
        id: Delivery::id_of(recorded.id, endpoint.id),
        program: at.program,
        webhook: endpoint.id,
        event: recorded.id,
        item: at.event,
        shards: at.shards,
        kind: recorded.fact.kind,
        state: DeliveryState::Pending,
        next_at: event.created_at,
        tries: 0,
        attempts: Vec::new(),
        created_at: event.created_at,
        version: 1,
    }
}
