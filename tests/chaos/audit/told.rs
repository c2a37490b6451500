//! What the endpoint of webhooks was told.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use kith_domain::id::{EventId, RewardId};
use kith_domain::reward::RewardState;
use kith_domain::webhook::{Delivery, DeliveryState, Endpoint, EndpointState};
use kith_store::item::{self, Entity};
use kith_store::items::Event;
use serde_json::Value;

use super::{Auditor, Write, text_of};

/// When something was, by the writes that were made meanwhile.
type During = Range<usize>;

fn of_kind<T: Entity>(writes: &[Write]) -> impl Iterator<Item = (usize, T)> {
    let writes = writes.iter().enumerate();
    let of_kind = writes.filter(|(_, write)| text_of(&write.image, "kind") == Some(T::KIND));
    of_kind.map(|(at, write)| (at, item::read(write.image.clone()).unwrap()))
}

/// From when an event was recorded until everybody had dealt with it.
fn dealt_with(writes: &[Write]) -> BTreeMap<EventId, During> {
    let mut during: BTreeMap<EventId, During> = BTreeMap::new();
    for (at, event) in of_kind::<Event>(writes) {
        for fact in event.facts {
            during.entry(fact.id).or_insert(at..at).end = at;
        }
    }
    during
}

/// While which writes an endpoint was disabled.
fn disabled(writes: &[Write], endpoint: &Endpoint) -> Vec<During> {
    let mut disabled: Vec<During> = Vec::new();
    let mut since = None;
    for (at, present) in of_kind::<Endpoint>(writes) {
        if present.id == endpoint.id {
            match (present.state, since) {
                (EndpointState::Disabled, None) => since = Some(at),
                (EndpointState::Active, Some(begun)) => {
                    disabled.push(begun..at);
                    since = None;
                }
                _ => {}
            }
        }
    }
    disabled
}

impl Auditor<'_> {
    /// Everything that happened since there is an endpoint was told to it at least once, the same under the
    /// same id.
    pub(super) fn webhooks(&mut self) {
        let taken = self.cloud.taken();
        for (id, bodies) in &taken {
            if self.was_withdrawn(id) {
                continue;
            }
            let first = self.told(&bodies[0]);
            if let Some(other) = bodies.iter().find(|body| self.told(body) != first) {
                self.find(format!("{id} tells different things: {first}, {other}"));
            }
        }
        for reward in self.rewards.values() {
            let carried_out = matches!(reward.state, RewardState::Issued | RewardState::Redeemed);
            let question = format!("{}:issue", reward.id);
            if reward.fulfilment.is_some() && carried_out && !taken.contains_key(&question) {
                self.findings
                    .push("the shop never heard of a reward that it carried out".to_owned());
            }
        }
        let ids: BTreeSet<String> = self.facts.iter().map(|fact| fact.id.to_string()).collect();
        let told = taken.keys().filter(|id| !id.starts_with("rwd_"));
        for id in told.filter(|id| !ids.contains(*id)) {
            self.findings
                .push(format!("{id} was told and has not happened"));
        }
        let taken = taken.keys().filter_map(|id| id.parse().ok()).collect();
        for endpoint in self.books.all::<Endpoint>() {
            if endpoint.state == EndpointState::Disabled {
                self.find("an endpoint is disabled although the owner has enabled it");
            }
            self.untold(&endpoint, &taken);
        }
    }

    /// Whether a question is about a reward that was withdrawn at some time: then the shop forgets its id, and
    /// may be asked for something else under it.
    fn was_withdrawn(&self, question: &str) -> bool {
        let reward = question.split(':').next().and_then(|id| id.parse().ok());
        let reward = reward.and_then(|id: RewardId| self.rewards.get(&id));
        reward.is_some_and(|reward| {
            let mut states = reward.history.iter().map(|transition| transition.to);
            states.any(|state| matches!(state, RewardState::Cancelled | RewardState::Rejected))
        })
    }

    /// What a body says. Whom a question is about may have turned out to be somebody else meanwhile.
    fn told(&self, body: &str) -> Value {
        let mut told: Value = serde_json::from_str(body).unwrap();
        if let Some(who) = told["data"]["participant"]["id"].as_str() {
            let present = Value::from(self.present(who));
            told["data"]["reward"]["beneficiary_id"] = present.clone();
            told["data"]["participant"] = present;
        }
        told
    }

    fn untold(&mut self, endpoint: &Endpoint, taken: &BTreeSet<EventId>) {
        let disabled = disabled(&self.writes, endpoint);
        let dealt_with = dealt_with(&self.writes);
        let deliveries: BTreeMap<EventId, Delivery> = self
            .books
            .all::<Delivery>()
            .into_iter()
            .map(|delivery| (delivery.event, delivery))
            .collect();
        let mut findings = Vec::new();
        for recorded in &self.facts {
            // What was written with the endpoint itself was not for it yet.
            let is_for_it =
                recorded.id.at() > endpoint.created_at && endpoint.hears_of(&recorded.fact);
            if !is_for_it || taken.contains(&recorded.id) {
                continue;
            }
            let explained = match deliveries.get(&recorded.id) {
                // Seven tries over days were in vain: the owner sees that, and may send it again.
                Some(delivery) if delivery.state == DeliveryState::Failed => {
                    delivery.attempts.len() >= 7
                }
                // It was on its way when the endpoint was disabled.
                Some(delivery) if delivery.state == DeliveryState::Dropped => !disabled.is_empty(),
                Some(_) => false,
                // Nobody was to be told when it was decided who is.
                None => {
                    let during = &dealt_with[&recorded.id];
                    disabled
                        .iter()
                        .any(|off| off.start <= during.end && during.start <= off.end)
                }
            };
            if !explained {
                findings.push(format!("nobody was told of {}", recorded.fact.kind));
            }
        }
        self.findings.extend(findings);
    }
}
