//! Sending again: an event to whoever hears of it, or what went to an endpoint in a while.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kith_domain::audit::ObjectKind;
use kith_domain::id::{DeliveryId, EventId, WebhookId};
use kith_domain::webhook::{Delivery, DeliveryState, Endpoint, EndpointState};
use kith_edge::audit::Change;
use kith_edge::desk::View;
use kith_edge::endpoints;
use kith_edge::http::{Fault, Problem, Response};
use kith_edge::json;
use kith_edge::session::Ended;
use kith_edge::wire;
use kith_store::cursor::BadCursor;
use kith_store::items::{Event, RecordedFact};
use kith_store::{Was, keys};
use serde_json::json;

use super::{active, disabled};
use crate::call::{Body, Call};
use crate::days;

/// Deliveries of a period that one call begins anew: one transaction with its event, its entry in the
/// log and its answer.
const DELIVERIES_AT_ONCE: usize = 40;
/// Deliveries of a period that are read at a time.
const PAGE: u16 = 100;
/// Pages of a period that one call reads.
const PAGES_MAX: u8 = 10;
/// Pages that are looked through for an event among those of its millisecond.
const EVENT_PAGES_MAX: u8 = 10;

/// `POST P/events/{event}/redeliver`.
pub(crate) async fn redeliver_event(call: Call) -> Result<Response, Ended> {
    let parsed = call.id("event").and_then(|event: EventId| {
        let (mut body, mut faults) = call.body_or_empty()?;
        let webhook = body.optional("webhook_id", &mut faults, json::text::<WebhookId>);
        body.finish(&mut faults);
        faults.into_result()?;
        Ok((event, webhook))
    });
    let (session, mut view, (id, webhook)) = call.program(parsed, |_, _, _| Vec::new()).await?;
    let found = recorded(&view, id).await?;
    let (item, recorded) = found.ok_or_else(|| Problem::not_found("event"))?;
    let to = listeners(&view, &recorded, webhook).await?;
    let made = |endpoint: &Endpoint| delivery(&view, &item, &recorded, endpoint);
    let made: Vec<Delivery> = to.iter().map(made).collect();
    let key = |delivery: &Delivery| keys::delivery(delivery.program, delivery.webhook, delivery.id);
    view.load(made.iter().map(key).collect::<Vec<_>>()).await?;
    let mut commit = view.commit();
    let mut begun = Vec::with_capacity(made.len());
    for delivery in made {
        let present = view.loaded.read::<Delivery>(&key(&delivery))?;
        let (next, was) = match present {
            Some(present) => (present.again(view.now), Was::Version(present.version)),
            None => (delivery, Was::Absent),
        };
        commit.delivery(&next, was).wake_delivery(&next);
        begun.push(wire::delivery(&next));
    }
    let ids: Vec<String> = to.iter().map(|endpoint| endpoint.id.to_string()).collect();
    let change = Change::of(ObjectKind::Event, id).to(&json!({"webhook_ids": ids}));
    let answer = Response::json(202, &wire::EventRedelivered { data: begun });
    session.finish(commit, change, answer).await
}

/// An event and the item in which it lies. All facts of an item have its instant in their ids, and the
/// first one has its id.
async fn recorded(view: &View, id: EventId) -> Result<Option<(Event, RecordedFact)>, Ended> {
    let day = keys::day(id.at());
    let within = |item: Event| {
        let mut facts = item.facts.iter();
        let found = facts.find(|recorded| recorded.id == id).cloned();
        found.map(|recorded| (item, recorded))
    };
    let first = days::item_at::<Event>(view, &day, &id.to_string()).await?;
    if let Some(found) = first.and_then(within) {
        return Ok(Some(found));
    }
    let mut after = EventId::floor_of(id.at()).to_string();
    for _ in 0..EVENT_PAGES_MAX {
        let (items, more) = days::items::<Event>(view, &day, &after).await?;
        let is_past = items.last().is_some_and(|last| last.id.at() > id.at());
        after = items.last().map_or(after, |last| last.id.to_string());
        if let Some(found) = items.into_iter().find_map(within) {
            return Ok(Some(found));
        }
        if is_past || !more {
            break;
        }
    }
    Ok(None)
}

/// To whom an event goes: each active endpoint that hears of it, or the one that is named.
async fn listeners(
    view: &View,
    recorded: &RecordedFact,
    named: Option<WebhookId>,
) -> Result<Vec<Endpoint>, Ended> {
    let mut all = endpoints::all(view).await?;
    let Some(named) = named else {
        all.retain(|endpoint| endpoint.hears_of(&recorded.fact));
        return Ok(all);
    };
    all.retain(|endpoint| endpoint.id == named);
    match all.first() {
        None => {
            let fault = Fault::new("/webhook_id", "there is no such webhook");
            Err(Problem::invalid_request(vec![fault]).into())
        }
        Some(endpoint) if endpoint.state == EndpointState::Disabled => Err(disabled().into()),
        Some(_) => Ok(all),
    }
}

/// The delivery as it is begun for the first time.
fn delivery(view: &View, item: &Event, recorded: &RecordedFact, endpoint: &Endpoint) -> Delivery {
    Delivery {
        id: Delivery::id_of(recorded.id, endpoint.id),
        program: view.program.id,
        webhook: endpoint.id,
        event: recorded.id,
        item: item.id,
        shards: view.program.shards,
        kind: recorded.fact.kind,
        state: DeliveryState::Pending,
        next_at: view.now,
        tries: 0,
        attempts: Vec::new(),
        created_at: item.created_at,
        version: 1,
    }
}

/// What of a period is sent again.
struct Period {
    webhook: WebhookId,
    from: Timestamp,
    to: Timestamp,
    state: DeliveryState,
    /// The delivery that the call before has come to.
    after: Option<DeliveryId>,
}

impl Period {
    fn read(
        call: &Call,
        webhook: WebhookId,
        (mut body, mut faults): Body,
    ) -> Result<Self, Problem> {
        let from = body.required("from", &mut faults, json::timestamp);
        let to = body.required("to", &mut faults, json::timestamp);
        if from.zip(to).is_some_and(|(from, to)| to <= from) {
            faults.add("/to", "must be later than from");
        }
        let state = body.optional("state", &mut faults, json::text::<DeliveryState>);
        let cursor = body.optional("cursor", &mut faults, json::string);
        let after = cursor.and_then(|text| {
            let after = call.position(&text).ok().and_then(|text| text.parse().ok());
            if after.is_none() {
                faults.add("/cursor", BadCursor.to_string());
            }
            after
        });
        body.finish(&mut faults);
        let (from, to) = faults.all((from, to))?;
        Ok(Self {
            webhook,
            from,
            to,
            state: state.unwrap_or(DeliveryState::Failed),
            after,
        })
    }
}

/// `POST P/webhooks/{webhook}/redeliver`: a part of the period, and where the next call goes on.
pub(crate) async fn redeliver_period(call: Call) -> Result<Response, Ended> {
    let parsed = call
        .id("webhook")
        .and_then(|webhook| Period::read(&call, webhook, call.body()?));
    let (session, view, period) = call
        .program(parsed, |period, program, _| {
            vec![keys::webhook(program, period.webhook)]
        })
        .await?;
    active(&view, period.webhook)?;
    let (found, next) = part(&view, &period).await?;
    let mut commit = view.commit();
    for delivery in &found {
        let again = delivery.again(view.now);
        commit
            .delivery(&again, Was::Version(delivery.version))
            .wake_delivery(&again);
    }
    let told: BTreeMap<&str, usize> = BTreeMap::from([("redelivered", found.len())]);
    let change = Change::of(ObjectKind::Webhook, period.webhook).to(&told);
    let answer = wire::PeriodRedelivered {
        redelivered: found.len(),
        next_cursor: next.map(|at| call.cursor(&at.to_string())),
    };
    session
        .finish(commit, change, Response::json(200, &answer))
        .await
}

/// The next deliveries of a period in the wanted state, and how far it was looked through, unless that
/// is to its end.
async fn part(view: &View, period: &Period) -> Result<(Vec<Delivery>, Option<DeliveryId>), Ended> {
    let partition = keys::deliveries(view.program.id, period.webhook);
    // Ids are made to the millisecond: what one has in common with the first instant is looked at.
    let floor = DeliveryId::floor_of(period.from);
    let mut after = period.after.map_or(floor, |after| after.max(floor));
    let mut found = Vec::new();
    for _ in 0..PAGES_MAX {
        let page = view
            .store
            .partition::<Delivery>(&partition, Some(&after.to_string()), false, PAGE)
            .await?;
        for delivery in page.items {
            if delivery.created_at >= period.to {
                return Ok((found, None));
            }
            after = delivery.id;
            if delivery.state == period.state && delivery.created_at >= period.from {
                found.push(delivery);
            }
            if found.len() == DELIVERIES_AT_ONCE {
                return Ok((found, Some(after)));
            }
        }
        if page.next.is_none() {
            return Ok((found, None));
        }
    }
    Ok((found, Some(after)))
}
