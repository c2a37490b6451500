//! Order sources: make, list, read, change, delete; and what of their messages was not recorded. The messages
//! themselves go to whoever records conversions.

use kith_contract::problems::Code;
use kith_domain::audit::ObjectKind;
use kith_domain::id::OrderSourceId;
use kith_domain::order_source::{
    ORDER_SOURCES_MAX, OrderAmount, OrderDelivery, OrderSource, Platform, SecretText, SourceState,
};
use kith_domain::text::EventName;
use kith_edge::audit::Change;
use kith_edge::config::Origin;
use kith_edge::desk::View;
use kith_edge::http::{Problem, Response};
use kith_edge::json;
use kith_edge::session::Ended;
use kith_edge::wire;
use kith_store::{Was, keys};

use crate::call::{Body, Call};

/// Order sources read at once: all of a program's. The bound keeps lists short and guards nothing else, so two calls at
/// once may pass it by one.
const SOURCES_AT_ONCE: u16 = 100;
const _: () = assert!(ORDER_SOURCES_MAX <= 50, "one page holds all order sources");

/// `POST P/order-sources`.
pub(crate) async fn create(call: Call) -> Result<Response, Ended> {
    let origin = call.origin()?;
    let parsed = call.body().and_then(|(mut body, mut faults)| {
        let platform = body.required("platform", &mut faults, json::text::<Platform>);
        let secret = body.optional("secret", &mut faults, json::text::<SecretText>);
        let event = body.optional("event", &mut faults, json::text::<EventName>);
        let amount = body.optional("amount", &mut faults, json::text::<OrderAmount>);
        body.finish(&mut faults);
        let (platform,) = faults.all((platform,))?;
        Ok((platform, secret, event, amount))
    });
    let (session, view, (platform, secret, event, amount)) =
        call.program(parsed, |_, _, _| Vec::new()).await?;
    let partition = keys::order_sources(view.program.id);
    let others = view
        .store
        .partition::<OrderSource>(&partition, None, false, SOURCES_AT_ONCE)
        .await?;
    if others.items.len() >= ORDER_SOURCES_MAX {
        let detail = format!("A program has {ORDER_SOURCES_MAX} order sources at most.");
        return Err(Problem::of(Code::TooManyOrderSources, detail).into());
    }
    let event = match event {
        Some(event) => event,
        None => EventName::PURCHASE.parse().map_err(Problem::internal)?,
    };
    let mut source = OrderSource {
        id: view.id(),
        program: view.program.id,
        platform,
        event,
        amount: amount.unwrap_or(OrderAmount::Total),
        state: SourceState::Active,
        secrets: Vec::new(),
        created_at: view.now,
        version: 1,
    };
    if let Some(secret) = secret {
        source.change_secret(secret, view.real_now);
    }
    let mut commit = view.commit();
    commit.order_source(&source, Was::Absent);
    let made = written(&source, &origin, &view);
    let change = Change::of(ObjectKind::OrderSource, source.id).to(&made);
    session
        .finish(commit, change, Response::json(201, &made))
        .await
}

/// `GET P/order-sources`, oldest first.
pub(crate) async fn list(call: Call) -> Result<Response, Ended> {
    let origin = call.origin()?;
    let query = call.query(|fields, faults| call.part(fields, faults));
    let (_, view, (limit, after)) = call.program(query, |_, _, _| Vec::new()).await?;
    let partition = keys::order_sources(view.program.id);
    let page = view
        .store
        .partition::<OrderSource>(&partition, after.as_deref(), false, limit)
        .await?;
    let data = page
        .items
        .iter()
        .map(|source| written(source, &origin, &view));
    Ok(call.listed(data.collect(), page.next.as_deref()))
}

/// `GET P/order-sources/{source}`.
pub(crate) async fn read(call: Call) -> Result<Response, Ended> {
    let origin = call.origin()?;
    let (_, view, id) = call
        .program(call.only_id("source"), |id: &OrderSourceId, program, _| {
            vec![keys::order_source(program, *id)]
        })
        .await?;
    let source = loaded(&view, id)?;
    Ok(Response::json(200, &written(&source, &origin, &view)))
}

/// `PATCH P/order-sources/{source}`.
pub(crate) async fn change(call: Call) -> Result<Response, Ended> {
    let origin = call.origin()?;
    let parsed = call
        .id("source")
        .and_then(|id: OrderSourceId| Ok((id, call.body()?)));
    let (session, view, (id, body)) = call
        .program(parsed, |(id, _), program, _| {
            vec![keys::order_source(program, *id)]
        })
        .await?;
    let before = loaded(&view, id)?;
    call.if_match(before.version)?;
    let was = written(&before, &origin, &view);
    let after = patched(body, &before, &was, &view)?;
    let is = written(&after, &origin, &view);
    let answer = Response::json(200, &is);
    if after == before {
        return session.unchanged(answer).await;
    }
    let mut commit = view.commit();
    commit.order_source(&after, Was::Version(before.version));
    let change = Change::of(ObjectKind::OrderSource, id).from(&was).to(&is);
    session.finish(commit, change, answer).await
}

/// An order source after a merge patch. Its version rises when anything changed.
fn patched(
    (mut body, mut faults): Body,
    present: &OrderSource,
    written: &wire::OrderSource,
    view: &View,
) -> Result<OrderSource, Problem> {
    let fixed = ["id", "platform", "url", "secrets", "created_at", "version"];
    body.read_only(&fixed, written, &mut faults);
    let secret = body.replace("secret", &mut faults, json::text::<SecretText>);
    let event = body.replace("event", &mut faults, json::text::<EventName>);
    let amount = body.replace("amount", &mut faults, json::text::<OrderAmount>);
    let state = body.replace("state", &mut faults, json::text::<SourceState>);
    body.finish(&mut faults);
    faults.into_result()?;
    let mut next = present.clone();
    next.event = event.unwrap_or(next.event);
    next.amount = amount.unwrap_or(next.amount);
    next.state = state.unwrap_or(next.state);
    if let Some(secret) = secret {
        next.change_secret(secret, view.real_now);
    }
    if next != *present {
        next.version = present.version.saturating_add(1);
    }
    Ok(next)
}

/// `DELETE P/order-sources/{source}`.
pub(crate) async fn delete(call: Call) -> Result<Response, Ended> {
    let origin = call.origin()?;
    let (session, view, id) = call
        .program(call.only_id("source"), |id: &OrderSourceId, program, _| {
            vec![keys::order_source(program, *id)]
        })
        .await?;
    let source = loaded(&view, id)?;
    let mut commit = view.commit();
    commit.no_order_source(view.program.id, id);
    let was = written(&source, &origin, &view);
    let change = Change::of(ObjectKind::OrderSource, id).from(&was);
    session.finish(commit, change, Response::no_content()).await
}

/// `GET P/order-sources/{source}/deliveries`, newest first.
pub(crate) async fn deliveries(call: Call) -> Result<Response, Ended> {
    let parsed = call.id("source").and_then(|id: OrderSourceId| {
        let part = call.query(|fields, faults| call.part(fields, faults))?;
        Ok((id, part))
    });
    let (_, view, (id, (limit, after))) = call
        .program(parsed, |(id, _), program, _| {
            vec![keys::order_source(program, *id)]
        })
        .await?;
    loaded(&view, id)?;
    let partition = keys::order_deliveries(view.program.id, id);
    let page = view
        .store
        .partition::<OrderDelivery>(&partition, after.as_deref(), true, limit)
        .await?;
    let data = page.items.iter().map(wire::order_delivery);
    Ok(call.listed(data.collect(), page.next.as_deref()))
}

/// An order source that was read first.
fn loaded(view: &View, id: OrderSourceId) -> Result<OrderSource, Ended> {
    let source = view.loaded.read(&keys::order_source(view.program.id, id))?;
    source.ok_or_else(|| Problem::not_found("order source").into())
}

fn written(source: &OrderSource, origin: &Origin, view: &View) -> wire::OrderSource {
    let url = format!("{origin}/in/{}/{}", source.program, source.id);
    wire::order_source(source, url, view.real_now)
}
