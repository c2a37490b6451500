//! Payouts: asked for, read, settled line by line, closed. `reward-disbursement` builds them.

mod csv;
mod lines;

pub(crate) use lines::{list as lines, settle};

use jiff::Timestamp;
use kith_contract::answers::More;
use kith_contract::problems::Code;
use kith_domain::audit::ObjectKind;
use kith_domain::fact::{Fact, FactKind};
use kith_domain::id::PayoutId;
use kith_domain::money::{Currency, Money};
use kith_domain::payout::{Payout, PayoutState, PayoutTotals};
use kith_edge::audit::Change;
use kith_edge::desk::View;
use kith_edge::http::{Problem, Response};
use kith_edge::json;
use kith_edge::session::Ended;
use kith_edge::wire;
use kith_store::items::PresentPayout;
use kith_store::keys::{self, ListName};
use kith_store::{ListQuery, Was};

use crate::call::{Call, filtered};

/// What a payout is asked for with.
struct Asked {
    currency: Currency,
    minimum: Option<Money>,
    until: Option<Timestamp>,
}

/// `POST P/payouts`. As long as a payout in that currency is not closed it is the answer: asking
/// twice pays once.
pub(crate) async fn create(call: Call) -> Result<Response, Ended> {
    let parsed = asked(&call);
    let (session, mut view, asked) = call
        .program(parsed, |asked, program, _| {
            vec![keys::present_payout(program, asked.currency)]
        })
        .await?;
    let program = view.program.id;
    let present = keys::present_payout(program, asked.currency);
    if let Some(present) = view.loaded.read::<PresentPayout>(&present)? {
        view.load(keys_of(&view, present.payout_id)).await?;
        let payout = loaded(&view, present.payout_id)?;
        if payout.state == PayoutState::Closed {
            // It was closed between the two reads: there is room for the next one.
            return Err(Ended::Outdated);
        }
        let answer = Response::json(200, &written(&view, &payout)?);
        return session.unchanged(answer).await;
    }
    let payout = Payout {
        id: view.id(),
        program,
        currency: asked.currency,
        minimum: asked.minimum.map_or(0, |minimum| minimum.minor),
        until: asked.until.unwrap_or(view.now).min(view.now),
        state: PayoutState::Building,
        after: None,
        created_at: view.now,
        opened_at: None,
        closed_at: None,
        version: 1,
    };
    let mut commit = view.commit();
    commit
        .payout(&payout, Was::Absent)
        .present_payout(&payout)
        .wake_builder(&payout);
    let answer = wire::payout(&payout, &PayoutTotals::default());
    let change = Change::of(ObjectKind::Payout, payout.id).to(&answer);
    session
        .finish(commit, change, Response::json(201, &answer))
        .await
}

fn asked(call: &Call) -> Result<Asked, Problem> {
    let (mut body, mut faults) = call.body()?;
    let currency = body.required("currency", &mut faults, json::text::<Currency>);
    let minimum = body.optional("minimum", &mut faults, json::money);
    let until = body.optional("until", &mut faults, json::timestamp);
    body.finish(&mut faults);
    if let (Some(currency), Some(minimum)) = (currency, minimum)
        && minimum.currency != currency
    {
        faults.add("/minimum/currency", "must be the currency of the payout");
    }
    let (currency,) = faults.all((currency,))?;
    Ok(Asked {
        currency,
        minimum,
        until,
    })
}

/// `GET P/payouts`, newest first.
pub(crate) async fn list(call: Call) -> Result<Response, Ended> {
    let query = call.query(|fields, faults| {
        let state = fields.optional::<PayoutState>("state", faults);
        (state, call.paging(fields, faults))
    });
    let (_, mut view, (state, paging)) = call.program(query, |_, _, _| Vec::new()).await?;
    let program = view.program.id;
    let mut query = paging.over(|limit| ListQuery::of_program(program, ListName::Payouts, limit));
    query.state = state.map(|state| state.to_string());
    let id = |payout: &Payout| payout.id.to_string();
    let (found, next) = filtered(&view.store, query, id, |_| true).await?;
    let totals = found
        .iter()
        .map(|payout| keys::payout_totals(program, payout.id));
    view.load(totals).await?;
    let data: Result<Vec<wire::Payout>, Ended> =
        found.iter().map(|payout| written(&view, payout)).collect();
    Ok(call.listed(data?, next.as_deref()))
}

/// `GET P/payouts/{payout}`.
pub(crate) async fn read(call: Call) -> Result<Response, Ended> {
    let (_, view, id) = call
        .program(call.only_id("payout"), |id: &PayoutId, program, _| {
            vec![
                keys::payout(program, *id),
                keys::payout_totals(program, *id),
            ]
        })
        .await?;
    Ok(Response::json(200, &written(&view, &loaded(&view, id)?)?))
}

/// `POST P/payouts/{payout}/close`: every line is settled, and the next payout may begin.
pub(crate) async fn close(call: Call) -> Result<Response, Ended> {
    let parsed = call.id("payout").and_then(|id: PayoutId| {
        let (body, mut faults) = call.body_or_empty()?;
        body.finish(&mut faults);
        faults.into_result()?;
        Ok(id)
    });
    let (session, view, id) = call
        .program(parsed, |id: &PayoutId, program, _| {
            vec![
                keys::payout(program, *id),
                keys::payout_totals(program, *id),
            ]
        })
        .await?;
    let payout = loaded(&view, id)?;
    let totals = totals(&view, &payout)?;
    let mut closed = payout.clone();
    match payout.state {
        PayoutState::Building => return Err(building().into()),
        PayoutState::Closed => {
            let answer = Response::json(200, &wire::payout(&payout, &totals));
            return session.unchanged(answer).await;
        }
        PayoutState::Open if totals.open > 0 => return Err(open_lines(totals.open).into()),
        PayoutState::Open => {
            closed.state = PayoutState::Closed;
            closed.closed_at = Some(view.now);
            closed.version = payout.version.saturating_add(1);
        }
    }
    let mut commit = view.commit();
    commit
        .payout(&closed, Was::Version(payout.version))
        .no_open_lines(payout.program, payout.id)
        .no_present_payout(payout.program, payout.currency)
        .fact(Fact {
            payout_id: Some(payout.id),
            amount: Some(Money::new(totals.amount, payout.currency)),
            ..Fact::new(FactKind::PayoutClosed)
        });
    let answer = wire::payout(&closed, &totals);
    let change = Change::of(ObjectKind::Payout, id)
        .from(&wire::payout(&payout, &totals))
        .to(&answer);
    session
        .finish(commit, change, Response::json(200, &answer))
        .await
}

fn keys_of(view: &View, id: PayoutId) -> [keys::Key; 2] {
    let program = view.program.id;
    [keys::payout(program, id), keys::payout_totals(program, id)]
}

fn loaded(view: &View, id: PayoutId) -> Result<Payout, Ended> {
    let payout: Option<Payout> = view.loaded.read(&keys::payout(view.program.id, id))?;
    Ok(payout.ok_or_else(|| Problem::not_found("payout"))?)
}

fn totals(view: &View, payout: &Payout) -> Result<PayoutTotals, Ended> {
    let key = keys::payout_totals(payout.program, payout.id);
    Ok(view.loaded.read(&key)?.unwrap_or_default())
}

fn written(view: &View, payout: &Payout) -> Result<wire::Payout, Ended> {
    Ok(wire::payout(payout, &totals(view, payout)?))
}

fn building() -> Problem {
    let detail = "The payout is being built; its lines can be settled once it is open.";
    Problem::of(Code::PayoutBuilding, detail)
}

fn open_lines(open: i64) -> Problem {
    let detail = format!("Lines that are neither paid nor failed: {open}.");
    Problem::of(Code::PayoutOpenLines, detail).saying(More {
        open: Some(open),
        ..More::default()
    })
}
