//! One delivery, as far as it can go now: claimed, posted, and what became of it noted.

use jiff::SignedDuration;
use kith_domain::fact::{Fact, FactKind};
use kith_domain::id::{DeliveryId, ProgramId, WebhookId};
use kith_domain::webhook::{
    Attempt, Delivery, DeliveryState, DisabledReason, Endpoint, EndpointState, Failing, heard_of,
};
use kith_edge::desk::View;
use kith_edge::{Invocation, Undone, WorkError, decide};
use kith_store::items::Event;
use kith_store::keys::{self, EventRef};
use kith_store::{ProgramScope, Was};

use crate::Deliverer;
use crate::post::Posted;

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
        let is_success = posted.attempt.is_success();
        decide(|| self.note(invocation, &claimed, &posted)).await?;
        // How the endpoint fares is another item: many deliveries write it, and none waits for it.
        if !is_success || claimed.was_failing {
            return match self.judge(invocation, &claimed, &posted.attempt).await {
                // Whoever was faster has noted the same, or the next attempt will.
                Ok(()) | Err(Undone::Outdated) => Ok(()),
                Err(Undone::Failed(error)) => Err(error),
            };
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
        if delivery.state == DeliveryState::Pending && delivery.next_at > view.now {
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

    /// Notes how the endpoint fares, and disables it when it is gone or has failed for days.
    async fn judge(
        &self,
        invocation: &Invocation,
        claimed: &Claimed,
        attempt: &Attempt,
    ) -> Result<(), Undone> {
        let (program, webhook) = (claimed.endpoint.program, claimed.endpoint.id);
        let key = keys::webhook_failing(program, webhook);
        let endpoint = keys::webhook(program, webhook);
        let more = [key.clone(), endpoint.clone()];
        let Some(view) = self.desk.view(invocation, program, more).await? else {
            return Ok(());
        };
        let before = view.loaded.read::<Failing>(&key)?;
        if attempt.is_success() {
            if before.is_some() {
                let mut commit = view.commit();
                commit.no_failing(program, webhook);
                view.write(commit).await?;
            }
            return Ok(());
        }
        let failing = Failing::after(before.as_ref(), view.now);
        let reason = if attempt.says_gone() {
            Some(DisabledReason::Gone)
        } else {
            failing
                .is_given_up(view.now)
                .then_some(DisabledReason::Failing)
        };
        let endpoint = view.loaded.read::<Endpoint>(&endpoint)?;
        let endpoint = endpoint.filter(|endpoint| endpoint.state == EndpointState::Active);
        // Taken away or disabled meanwhile: nobody asks any more how it fares.
        let Some(endpoint) = endpoint else {
            return Ok(());
        };
        if let Some(reason) = reason {
            return self
                .disable(&view, &endpoint, reason, before.is_some())
                .await;
        }
        let was = before.map_or(Was::Absent, |before| Was::Version(before.version));
        let mut commit = view.commit();
        commit.failing(program, webhook, &failing, was);
        view.write(commit).await?;
        Ok(())
    }

    /// Tells an endpoint no more, and those that are left of that.
    async fn disable(
        &self,
        view: &View,
        endpoint: &Endpoint,
        reason: DisabledReason,
        was_failing: bool,
    ) -> Result<(), Undone> {
        tracing::error!(webhook.id = %endpoint.id, %reason, "the endpoint is disabled");
        let disabled = endpoint.disabled(reason);
        let others = self.endpoints(view).await?;
        let others = others.iter().filter(|other| other.id != endpoint.id);
        let program = view.program.told_of(heard_of(others));
        let mut commit = view.commit_for(&ProgramScope::from(&program));
        commit
            .webhook(&disabled, Was::Version(endpoint.version))
            .program(&program, Was::Version(view.program.version))
            .fact(Fact {
                webhook_id: Some(endpoint.id),
                ..Fact::new(FactKind::WebhookDisabled)
            });
        if was_failing {
            commit.no_failing(endpoint.program, endpoint.id);
        }
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

/// So that a wish to wait is one of jiff's spans.
pub(crate) fn span(wait: std::time::Duration) -> SignedDuration {
    SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX)
}
