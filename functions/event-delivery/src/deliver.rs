//! One delivery, as far as it can go now: claimed, posted, and what became of it noted.

use kith_connectors::Posted;
use kith_domain::id::{DeliveryId, ProgramId, WebhookId};
use kith_domain::webhook::{
    Attempt, Delivery, DeliveryState, Endpoint, EndpointState, Failing, Fared,
};
use kith_edge::{Invocation, Undone, WorkError, decide, endpoints};
use kith_store::Was;
use kith_store::items::Event;
use kith_store::keys::{self, EventRef};

use crate::Deliverer;

/// A delivery that this worker alone makes now.
#[derive(Debug)]
struct Claimed {
    delivery: Delivery,
    endpoint: Endpoint,
    event: Event,
    /// Whether the endpoint failed before.
    was_failing: bool,
}

impl Deliverer {
    /// Takes a delivery as far as it can go. A message that comes twice, late or early changes
    /// nothing more.
    pub(crate) async fn deliver(
        &self,
        invocation: &Invocation,
        program: ProgramId,
        webhook: WebhookId,
        id: DeliveryId,
    ) -> Result<(), WorkError> {
        let claimed = decide(|| self.claim(invocation, program, webhook, id)).await?;
        let Some(claimed) = claimed else {
            return Ok(());
        };
        let posted = self
            .post(&claimed.endpoint, &claimed.delivery, &claimed.event)
            .await;
        tell(&claimed.delivery, &posted.attempt);
        decide(|| self.note(invocation, &claimed, &posted)).await?;
        let fared = posted.attempt.fared();
        if fared != Fared::Well || claimed.was_failing {
            endpoints::note_fared(&self.desk, invocation, (program, webhook), fared).await?;
        }
        Ok(())
    }

    /// Writes what can be decided now. Answers the delivery when it is to be posted after that.
    async fn claim(
        &self,
        invocation: &Invocation,
        program: ProgramId,
        webhook: WebhookId,
        id: DeliveryId,
    ) -> Result<Option<Claimed>, Undone> {
        let key = keys::delivery(program, webhook, id);
        let endpoint_key = keys::webhook(program, webhook);
        let failing_key = keys::webhook_failing(program, webhook);
        let more = [key.clone(), endpoint_key.clone(), failing_key.clone()];
        let Some(mut view) = self.desk.view(invocation, program, more).await? else {
            return Ok(None);
        };
        let Some(delivery) = view.loaded.read::<Delivery>(&key)? else {
            return Ok(None);
        };
        let was = Was::Version(delivery.version);
        let mut commit = view.commit();
        match delivery.state {
            DeliveryState::Delivered | DeliveryState::Failed | DeliveryState::Dropped => {
                return Ok(None);
            }
            DeliveryState::Sending if delivery.next_at > view.now => return Ok(None),
            // Whoever was posting it is gone, and it is not known whether it arrived: once more.
            DeliveryState::Pending | DeliveryState::Sending => {}
        }
        let endpoint = view.loaded.read::<Endpoint>(&endpoint_key)?;
        let endpoint = endpoint.filter(|endpoint| endpoint.state == EndpointState::Active);
        let Some(endpoint) = endpoint else {
            commit.delivery(&delivery.dropped(), was);
            view.write(commit).await?;
            return Ok(None);
        };
        let failing = view.loaded.read::<Failing>(&failing_key)?;
        let left_alone = failing.filter(|failing| failing.is_left_alone(view.now));
        if let Some(failing) = left_alone {
            commit.delivery(&delivery.put_off(failing.left_alone_until), was);
            view.write(commit).await?;
            return Ok(None);
        }
        if delivery.state == DeliveryState::Pending && !delivery.is_due(view.now) {
            // Whoever sent the message has put the due entry off: this puts it back.
            commit.delivery(&delivery.untouched(), was);
            view.write(commit).await?;
            return Ok(None);
        }
        let event_key = keys::event(EventRef {
            program,
            event: delivery.item,
            shards: delivery.shards,
        });
        view.load([event_key.clone()]).await?;
        let Some(event) = view.loaded.read::<Event>(&event_key)? else {
            commit.delivery(&delivery.dropped(), was);
            view.write(commit).await?;
            return Ok(None);
        };
        let sending = delivery.sending(view.now);
        commit.delivery(&sending, was);
        view.write(commit).await?;
        Ok(Some(Claimed {
            delivery: sending,
            endpoint,
            event,
            was_failing: failing.is_some(),
        }))
    }

    /// Notes what became of an attempt.
    async fn note(
        &self,
        invocation: &Invocation,
        claimed: &Claimed,
        posted: &Posted,
    ) -> Result<(), Undone> {
        let delivery = &claimed.delivery;
        let key = keys::delivery(delivery.program, delivery.webhook, delivery.id);
        let view = self
            .desk
            .view(invocation, delivery.program, [key.clone()])
            .await?;
        let Some(view) = view else {
            return Ok(());
        };
        // Asked for again meanwhile, or taken over by another worker: that attempt tells.
        let present = view.loaded.read::<Delivery>(&key)?;
        if present.is_none_or(|present| present.version != delivery.version) {
            return Ok(());
        }
        let after = delivery.after(
            posted.attempt.clone(),
            posted.retry_after(view.real_now),
            view.now,
        );
        let mut commit = view.commit();
        commit.delivery(&after, Was::Version(delivery.version));
        view.write(commit).await?;
        Ok(())
    }
}

fn tell(delivery: &Delivery, attempt: &Attempt) {
    let (id, webhook) = (delivery.id, delivery.webhook);
    let (end, status) = (attempt.end, attempt.status.unwrap_or_default());
    let duration_ms = attempt.duration_ms;
    let tries = delivery.tries.saturating_add(1);
    tracing::info!(delivery.id = %id, webhook.id = %webhook, %end, status, duration_ms, tries, "delivery tried");
}
