//! The shop itself: asked by webhook, outside the table. So nothing is carried out in the commit: it
//! says that the shop is being asked, and what became of that is written by another one.

use kith_domain::fulfilment::{Asked, Fulfilment, Question};
use kith_domain::webhook::{Endpoint, EndpointState, Failing};
use kith_edge::WorkError;
use kith_store::{Commit, keys};

use super::{Answer, Lacking, Order, Provider};

/// The shop.
pub(super) struct Shop {
    /// What it is asked.
    pub(super) question: Question,
    /// Whether there is time for its answer.
    pub(super) has_time: bool,
}

/// What is to be asked once the commit is written that says so.
#[derive(Debug)]
pub(crate) struct Inquiry {
    /// Who is asked.
    pub(crate) endpoint: Endpoint,
    /// Whether it failed before.
    pub(crate) was_failing: bool,
    /// What.
    pub(crate) asked: Asked,
    /// How far the shop is with the reward from then on.
    pub(crate) fulfilment: Fulfilment,
}

impl Provider for Shop {
    async fn issue(&self, order: &Order<'_>, _: &mut Commit) -> Answer {
        self.ask(order).await.unwrap_or_else(Answer::Unavailable)
    }
}

impl Shop {
    async fn ask(&self, order: &Order<'_>) -> Result<Answer, WorkError> {
        let (view, reward) = (order.view, order.reward);
        let Some(fulfilment) = reward.fulfilment.as_deref() else {
            return Ok(Answer::Refused("the reward names no webhook"));
        };
        if fulfilment.is_under_way(self.question, view.now) {
            return Ok(Answer::UnderWay);
        }
        let webhook = fulfilment.rule.webhook;
        let endpoint = keys::webhook(reward.program, webhook);
        let failing = keys::webhook_failing(reward.program, webhook);
        let found = view.store.get([endpoint.clone(), failing.clone()]).await?;
        let Some(endpoint) = found.read::<Endpoint>(&endpoint)? else {
            return Ok(Answer::Refused(
                "the webhook that carries it out was deleted",
            ));
        };
        let failing = found.read::<Failing>(&failing)?;
        let left_alone = failing.filter(|failing| failing.is_left_alone(view.now));
        let until = match (endpoint.state, left_alone) {
            (EndpointState::Disabled, _) => {
                Some(Fulfilment::while_disabled(reward.release_at, view.now))
            }
            (EndpointState::Active, Some(failing)) => Some(failing.left_alone_until),
            // In a moment, when whoever is woken has all its time before it.
            (EndpointState::Active, None) => (!self.has_time).then_some(view.now),
        };
        if let Some(until) = until {
            let later = fulfilment.put_off(self.question, reward.id, until);
            return Ok(Answer::Waiting(Lacking::Shop(Box::new(later))));
        }
        let (fulfilment, asked) = fulfilment.asking(self.question, reward.value, view.now);
        Ok(Answer::Outside(Box::new(Inquiry {
            endpoint,
            was_failing: failing.is_some(),
            asked,
            fulfilment,
        })))
    }
}
