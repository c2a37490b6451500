//! Endpoints of webhooks and what is on its way to them, as parts of a commit.

use kith_domain::id::{ProgramId, WebhookId};
use kith_domain::webhook::{Delivery, DeliveryState, Endpoint, Failing};

use crate::commit::{Commit, Due, Indexes};
use crate::item::Entity;
use crate::keys::{self, DueClock};
use crate::wake::{Message, Queue};
use crate::writes::Was;

impl Commit {
    /// An endpoint.
    pub fn webhook(&mut self, endpoint: &Endpoint, was: Was) -> &mut Self {
        let key = keys::webhook(endpoint.program, endpoint.id);
        self.put(key, endpoint, was.into(), Indexes::default());
        self
    }

    /// There is no such endpoint any more.
    pub fn no_webhook(&mut self, program: ProgramId, webhook: WebhookId) -> &mut Self {
        self.delete(Endpoint::KIND, keys::webhook(program, webhook));
        self
    }

    /// A delivery. It is due when it is to be tried, and when whoever tries it should long be done.
    pub fn delivery(&mut self, delivery: &Delivery, was: Was) -> &mut Self {
        let due = match delivery.state {
            DeliveryState::Pending => Some(Due {
                clock: DueClock::Program,
                at: delivery.next_at,
                attempts: 0,
            }),
            DeliveryState::Sending => Some(self.lease()),
            DeliveryState::Delivered | DeliveryState::Failed | DeliveryState::Dropped => None,
        };
        let key = keys::delivery(delivery.program, delivery.webhook, delivery.id);
        let indexes = Indexes {
            due,
            ..Indexes::default()
        };
        self.put(key, delivery, was.into(), indexes);
        self
    }

    /// Has a delivery tried at once.
    pub fn wake_delivery(&mut self, delivery: &Delivery) -> &mut Self {
        let message = Message::Delivery {
            program_id: delivery.program,
            webhook_id: delivery.webhook,
            delivery_id: delivery.id,
        };
        self.wake(message.to(Queue::Deliveries));
        self
    }

    /// How an endpoint fails.
    pub fn failing(
        &mut self,
        program: ProgramId,
        webhook: WebhookId,
        failing: &Failing,
        was: Was,
    ) -> &mut Self {
        let key = keys::webhook_failing(program, webhook);
        self.put(key, failing, was.into(), Indexes::default());
        self
    }

    /// An endpoint fails no more.
    pub fn no_failing(&mut self, program: ProgramId, webhook: WebhookId) -> &mut Self {
        self.delete(Failing::KIND, keys::webhook_failing(program, webhook));
        self
    }
}
