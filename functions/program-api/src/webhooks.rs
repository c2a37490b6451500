//! Endpoints of webhooks: make, list, read, change, rotate the secret, test, delete; and, below,
//! what is on its way to them.
//!
//! Commits know by the program whether anybody is told of what they record. So whatever changes who
//! hears of what writes the program too, even where that comes to the same: two such changes at once
//! would each miss the other otherwise, and the bound on endpoints with it.

mod destinations;
mod history;
mod redelivery;

use std::collections::BTreeSet;

use kith_connectors::signing::Secret;
use kith_contract::problems::Code;
use kith_domain::audit::ObjectKind;
use kith_domain::fact::{Fact, FactKind};
use kith_domain::id::WebhookId;
use kith_domain::webhook::{
    DisabledReason, ENDPOINTS_MAX, Endpoint, EndpointSecret, EndpointState, Failing,
    OVERLAP_HOURS_DEFAULT, OVERLAP_HOURS_MAX, heard_of,
};
use kith_edge::audit::Change;
use kith_edge::desk::View;
use kith_edge::endpoints;
use kith_edge::http::{Problem, Response};
use kith_edge::json::{self, Patch};
use kith_edge::session::{Ended, Session};
use kith_edge::wire;
use kith_store::{Commit, ProgramScope, Was, keys};
use serde_json::json;

pub(crate) use self::destinations::Destinations;
pub(crate) use self::history::deliveries;
pub(crate) use self::redelivery::{redeliver_event, redeliver_period};
use crate::call::{Body, Call};

/// `POST P/webhooks`.
pub(crate) async fn create(call: Call) -> Result<Response, Ended> {
    let destinations = &call.api.destinations;
    let parsed = call.body().and_then(|(mut body, mut faults)| {
        let url = body.required("url", &mut faults, destinations.parser());
        let types = json::list(FactKind::ALL.len(), json::text::<FactKind>);
        let types = body.optional("types", &mut faults, types);
        body.finish(&mut faults);
        let (url,) = faults.all((url,))?;
        Ok((url, types.unwrap_or_default()))
    });
    let (session, view, (url, types)) = call.program(parsed, |_, _, _| Vec::new()).await?;
    let others = endpoints::all(&view).await?;
    if others.len() >= ENDPOINTS_MAX {
        let detail = format!("A program has {ENDPOINTS_MAX} endpoints at most.");
        return Err(Problem::of(Code::TooManyWebhooks, detail).into());
    }
    destinations.check(&url).await?;
    let secret = new_secret(&view);
    let endpoint = Endpoint {
        id: view.id(),
        program: view.program.id,
        url: url.as_str().to_owned(),
        types: types.into_iter().collect(),
        state: EndpointState::Active,
        disabled: None,
        secrets: vec![EndpointSecret {
            text: secret.clone(),
            until: None,
        }],
        created_at: view.now,
        version: 1,
    };
    let mut commit = telling(&view, others.iter().chain([&endpoint]));
    commit.webhook(&endpoint, Was::Absent);
    let made = wire::webhook(&endpoint, view.real_now);
    let change = Change::of(ObjectKind::Webhook, endpoint.id).to(&made);
    finish_with_secret(&session, commit, change, (201, made), secret).await
}

/// `GET P/webhooks`, oldest first.
pub(crate) async fn list(call: Call) -> Result<Response, Ended> {
    let query = call.query(|fields, faults| call.part(fields, faults));
    let (_, view, (limit, after)) = call.program(query, |_, _, _| Vec::new()).await?;
    let partition = keys::webhooks(view.program.id);
    let page = view
        .store
        .partition::<Endpoint>(&partition, after.as_deref(), false, limit)
        .await?;
    let written = |endpoint| wire::webhook(endpoint, view.real_now);
    let data = page.items.iter().map(written).collect();
    Ok(call.listed(data, page.next.as_deref()))
}

/// `GET P/webhooks/{webhook}`.
pub(crate) async fn read(call: Call) -> Result<Response, Ended> {
    let (_, view, id) = call
        .program(call.only_id("webhook"), |id: &WebhookId, program, _| {
            vec![keys::webhook(program, *id)]
        })
        .await?;
    let endpoint = loaded(&view, id)?;
    Ok(Response::json(
        200,
        &wire::webhook(&endpoint, view.real_now),
    ))
}

/// `PATCH P/webhooks/{webhook}`.
pub(crate) async fn change(call: Call) -> Result<Response, Ended> {
    let parsed = call
        .id("webhook")
        .and_then(|id: WebhookId| Ok((id, call.body()?)));
    let (session, view, (id, body)) = call
        .program(parsed, |(id, _), program, _| {
            vec![
                keys::webhook(program, *id),
                keys::webhook_failing(program, *id),
            ]
        })
        .await?;
    let before = loaded(&view, id)?;
    call.if_match(before.version)?;
    let after = patched(&call, body, &before, &view).await?;
    let (was, is) = (
        wire::webhook(&before, view.real_now),
        wire::webhook(&after, view.real_now),
    );
    let answer = Response::json(200, &is);
    if after == before {
        return session.unchanged(answer).await;
    }
    let mut commit = if (before.state, &before.types) == (after.state, &after.types) {
        view.commit()
    } else {
        let others = endpoints::all(&view).await?;
        let others = others.iter().filter(|other| other.id != id);
        telling(&view, others.chain([&after]))
    };
    commit.webhook(&after, Was::Version(before.version));
    if (before.state, after.state) == (EndpointState::Disabled, EndpointState::Active) {
        forget_failing(&mut commit, &view, id)?;
    }
    let change = Change::of(ObjectKind::Webhook, id).from(&was).to(&is);
    session.finish(commit, change, answer).await
}

/// An endpoint after a merge patch. Its version rises when anything changed.
async fn patched(
    call: &Call,
    (mut body, mut faults): Body,
    present: &Endpoint,
    view: &View,
) -> Result<Endpoint, Ended> {
    let destinations = &call.api.destinations;
    let written = wire::webhook(present, view.real_now);
    let fixed = ["id", "disabled_reason", "secrets", "created_at", "version"];
    body.read_only(&fixed, &written, &mut faults);
    let url = body.replace("url", &mut faults, destinations.parser());
    let types = json::list(FactKind::ALL.len(), json::text::<FactKind>);
    let types = body.patch("types", &mut faults, types);
    let state = body.replace("state", &mut faults, json::text::<EndpointState>);
    body.finish(&mut faults);
    faults.into_result()?;
    let mut next = present.clone();
    if let Some(url) = url.filter(|url| url.as_str() != present.url) {
        destinations.check(&url).await?;
        url.as_str().clone_into(&mut next.url);
    }
    match types {
        Patch::Keep => {}
        Patch::Clear => next.types = BTreeSet::new(),
        Patch::Set(types) => next.types = types.into_iter().collect(),
    }
    match state.filter(|state| *state != present.state) {
        None => {}
        Some(EndpointState::Active) => {
            (next.state, next.disabled) = (EndpointState::Active, None);
        }
        Some(EndpointState::Disabled) => {
            next.state = EndpointState::Disabled;
            next.disabled = Some(DisabledReason::Owner);
        }
    }
    if next != *present {
        next.version = present.version.saturating_add(1);
    }
    Ok(next)
}

/// `DELETE P/webhooks/{webhook}`: whoever delivers drops what is on its way.
pub(crate) async fn delete(call: Call) -> Result<Response, Ended> {
    let (session, view, id) = call
        .program(call.only_id("webhook"), |id: &WebhookId, program, _| {
            vec![
                keys::webhook(program, *id),
                keys::webhook_failing(program, *id),
            ]
        })
        .await?;
    let endpoint = loaded(&view, id)?;
    // Whoever changes the incentives writes the program too, as this does: one of the two sees the other.
    let mut incentives = view.program.incentives.iter();
    if incentives.any(|incentive| incentive.fulfilment.is_some_and(|rule| rule.webhook == id)) {
        let detail = "An incentive of the program has its rewards carried out by the webhook.";
        return Err(Problem::of(Code::WebhookInUse, detail).into());
    }
    let others = endpoints::all(&view).await?;
    let mut commit = telling(&view, others.iter().filter(|other| other.id != id));
    commit.no_webhook(view.program.id, id);
    forget_failing(&mut commit, &view, id)?;
    let was = wire::webhook(&endpoint, view.real_now);
    let change = Change::of(ObjectKind::Webhook, id).from(&was);
    session.finish(commit, change, Response::no_content()).await
}

/// `POST P/webhooks/{webhook}/rotate`: another secret, beside which the one before signs for a while
/// of real time, as messages do.
pub(crate) async fn rotate(call: Call) -> Result<Response, Ended> {
    let parsed = call.id("webhook").and_then(|id: WebhookId| {
        let (mut body, mut faults) = call.body_or_empty()?;
        let hours = json::integer_in(0..=OVERLAP_HOURS_MAX);
        let overlap = body.optional("overlap_hours", &mut faults, hours);
        body.finish(&mut faults);
        faults.into_result()?;
        Ok((id, overlap.unwrap_or(OVERLAP_HOURS_DEFAULT)))
    });
    let (session, view, (id, overlap_hours)) = call
        .program(parsed, |(id, _), program, _| {
            vec![keys::webhook(program, *id)]
        })
        .await?;
    let before = loaded(&view, id)?;
    let secret = new_secret(&view);
    let after = before.rotated(secret.clone(), overlap_hours, view.real_now);
    let mut commit = view.commit();
    commit.webhook(&after, Was::Version(before.version));
    let is = wire::webhook(&after, view.real_now);
    let change = Change::of(ObjectKind::Webhook, id)
        .from(&wire::webhook(&before, view.real_now))
        .to(&is);
    finish_with_secret(&session, commit, change, (200, is), secret).await
}

/// `POST P/webhooks/{webhook}/test`: an event for this endpoint alone.
pub(crate) async fn test(call: Call) -> Result<Response, Ended> {
    let parsed = call.id("webhook").and_then(|id: WebhookId| {
        let (body, mut faults) = call.body_or_empty()?;
        body.finish(&mut faults);
        faults.into_result()?;
        Ok(id)
    });
    let (session, view, id) = call
        .program(parsed, |id, program, _| vec![keys::webhook(program, *id)])
        .await?;
    let endpoint = active(&view, id)?;
    let mut commit = view.commit();
    commit.fact(Fact {
        webhook_id: Some(id),
        ..Fact::new(FactKind::WebhookTest)
    });
    let change = Change::of(ObjectKind::Webhook, id).to(&json!({"tested": true}));
    let answer = Response::json(202, &wire::webhook(&endpoint, view.real_now));
    session.finish(commit, change, answer).await
}

fn new_secret(view: &View) -> String {
    Secret::of_random(view.random()).reveal()
}

/// Tells the secret once: whoever repeats the call gets the endpoint without it.
async fn finish_with_secret(
    session: &Session,
    commit: Commit,
    change: Change,
    (status, webhook): (u16, wire::Webhook),
    secret: String,
) -> Result<Response, Ended> {
    let kept = wire::NewWebhook {
        webhook,
        secret: None,
    };
    let told = wire::NewWebhook {
        secret: Some(secret),
        ..kept.clone()
    };
    let (told, kept) = (Response::json(status, &told), Response::json(status, &kept));
    session.finish_keeping(commit, change, told, kept).await
}

/// A decision after which these endpoints are all there are. It insists on the program as it was read,
/// which was before they were.
fn telling<'a>(view: &View, endpoints: impl Iterator<Item = &'a Endpoint>) -> Commit {
    let program = view.program.told_of(heard_of(endpoints));
    let mut commit = view.commit_for(&ProgramScope::from(&program));
    commit.program(&program, Was::Version(view.program.version));
    commit
}

/// Forgets how an endpoint failed, if it did.
fn forget_failing(commit: &mut Commit, view: &View, id: WebhookId) -> Result<(), Ended> {
    let program = view.program.id;
    let failing: Option<Failing> = view.loaded.read(&keys::webhook_failing(program, id))?;
    if failing.is_some() {
        commit.no_failing(program, id);
    }
    Ok(())
}

/// An endpoint that was read first.
fn loaded(view: &View, id: WebhookId) -> Result<Endpoint, Ended> {
    let endpoint = view.loaded.read(&keys::webhook(view.program.id, id))?;
    endpoint.ok_or_else(|| Problem::not_found("webhook").into())
}

/// The same, if it is told anything.
fn active(view: &View, id: WebhookId) -> Result<Endpoint, Ended> {
    let endpoint = loaded(view, id)?;
    match endpoint.state {
        EndpointState::Active => Ok(endpoint),
        EndpointState::Disabled => Err(disabled().into()),
    }
}

fn disabled() -> Problem {
    Problem::of(
        Code::WebhookDisabled,
        "The webhook is disabled, so nothing is sent to it.",
    )
}
