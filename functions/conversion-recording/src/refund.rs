//! Refunds: `POST P/conversions/{id}/refunds`, `POST P/refunds`, `POST P/refunds/{id}/reverse`.
//!
//! A refund and its conversion meet on the order's item, whichever comes first: a refund of an order
//! that is not known waits there, and the conversion takes in what waits in its own transaction. From
//! then on the conversion's version guards the sum of its refunds.

mod affected;
mod arrival;
mod report;
mod standing;

use std::sync::Arc;

use kith_contract::answers::More;
use kith_contract::problems::Code;
use kith_contract::routes;
use kith_domain::audit::ObjectKind;
use kith_domain::conversion::Conversion;
use kith_domain::fact::{Fact, FactKind};
use kith_domain::id::{ConversionId, ProgramId, RefundId};
use kith_domain::refund::{REFUNDS_MAX, Refund, RefundError, RefundState, WAITING_MAX};
use kith_domain::text::ExternalId;
use kith_edge::Invocation;
use kith_edge::audit::Change;
use kith_edge::desk::View;
use kith_edge::http::{Fault, Problem, Request, Response};
use kith_edge::session::{Ended, Session};
use kith_edge::wire;
use kith_store::items::{LedgerReason, Order, RefundName};
use kith_store::{Was, keys};

use self::affected::{Affected, Cause};
pub(crate) use self::affected::{
    fact_of as conversion_fact, reward_fact as conversion_reward_fact,
};
pub(crate) use self::arrival::{Met, Waiting};
pub(crate) use self::report::{Excess, Report, Sold};
use self::report::{read, read_by_order, read_nothing};
pub(crate) use self::standing::Standing;
use crate::Recording;

/// `POST P/conversions/{conversion}/refunds`.
pub(crate) async fn refund_conversion(
    recording: Arc<Recording>,
    request: Arc<Request>,
    invocation: Invocation,
) -> Result<Response, Ended> {
    let program: ProgramId = request.path_value("program", "program")?;
    let id: ConversionId = request.path_value("conversion", "conversion")?;
    let parsed = read(&request);
    let gate = &recording.gate;
    let key = keys::conversion(program, id);
    let (session, mut view, report) = gate
        .open(
            &request,
            &invocation,
            &routes::REFUND_CONVERSION,
            program,
            parsed,
            |_, _| vec![key.clone()],
        )
        .await?;
    let conversion: Conversion = view
        .loaded
        .read(&key)?
        .ok_or_else(|| Problem::not_found("conversion"))?;
    let content = &conversion.content;
    let sold = Sold {
        event: content.event.clone(),
        external_id: content.external_id.clone(),
    };
    let name = name_key(program, &sold, &report);
    view.load([name]).await?;
    match known(&mut view, &sold, &report).await? {
        Some(refund) => repeat(&session, &report, &refund).await,
        None => apply(&session, view, sold, report, conversion).await,
    }
}

/// `POST P/refunds`: by order, which need not be known yet.
pub(crate) async fn refund_order(
    recording: Arc<Recording>,
    request: Arc<Request>,
    invocation: Invocation,
) -> Result<Response, Ended> {
    let program: ProgramId = request.path_value("program", "program")?;
    let parsed = read_by_order(&request);
    let (session, view, (sold, report)) = recording
        .gate
        .open(
            &request,
            &invocation,
            &routes::REFUND_ORDER,
            program,
            parsed,
            |(sold, report), _| sold.keys(program, &report.external_id).to_vec(),
        )
        .await?;
    refund_told(&session, view, sold, report).await
}

/// Takes in a refund of an order, whoever tells of it. The order and the refund's name were read.
pub(crate) async fn refund_told(
    session: &Session,
    mut view: View,
    sold: Sold,
    report: Report,
) -> Result<Response, Ended> {
    let program = view.program.id;
    let sold = first_name(&mut view, sold, &report.external_id).await?;
    if let Some(refund) = known(&mut view, &sold, &report).await? {
        return repeat(session, &report, &refund).await;
    }
    let order = keys::order(program, &sold.event, &sold.external_id);
    let order: Order = view.loaded.read(&order)?.unwrap_or_default();
    let Some(id) = order.conversion_id else {
        return wait(session, &view, &sold, report, &order).await;
    };
    let key = keys::conversion(program, id);
    view.load([key.clone()]).await?;
    let conversion: Conversion = view
        .loaded
        .read(&key)?
        .ok_or_else(|| Problem::internal("an order leads to no conversion"))?;
    apply(session, view, sold, report, conversion).await
}

/// The order by the name that it is recorded by, if it was told of by another one that the shop has for it. With that name
/// the order and the refund's name are read again.
pub(crate) async fn first_name(
    view: &mut View,
    sold: Sold,
    refund: &ExternalId,
) -> Result<Sold, Ended> {
    let program = view.program.id;
    let order = keys::order(program, &sold.event, &sold.external_id);
    let order: Option<Order> = view.loaded.read(&order)?;
    let Some(external_id) = order.and_then(|order| order.same_as) else {
        return Ok(sold);
    };
    let sold = Sold {
        external_id,
        ..sold
    };
    view.load(sold.keys(program, refund)).await?;
    Ok(sold)
}

/// `POST P/refunds/{refund}/reverse`: a chargeback was won, or a mistake is undone.
pub(crate) async fn reverse(
    recording: Arc<Recording>,
    request: Arc<Request>,
    invocation: Invocation,
) -> Result<Response, Ended> {
    let program: ProgramId = request.path_value("program", "program")?;
    let id: RefundId = request.path_value("refund", "refund")?;
    let parsed = read_nothing(&request);
    let key = keys::refund(program, id);
    let (session, view, ()) = recording
        .gate
        .open(
            &request,
            &invocation,
            &routes::REVERSE_REFUND,
            program,
            parsed,
            |(), _| vec![key.clone()],
        )
        .await?;
    let refund: Refund = view
        .loaded
        .read(&key)?
        .ok_or_else(|| Problem::not_found("refund"))?;
    reverse_told(&session, view, refund).await
}

/// Reverses a refund, whoever tells of it.
pub(crate) async fn reverse_told(
    session: &Session,
    mut view: View,
    refund: Refund,
) -> Result<Response, Ended> {
    match refund.state {
        RefundState::Reversed => {
            let answer = Response::json(200, &wire::refund(&refund));
            session.unchanged(answer).await
        }
        RefundState::WaitingForConversion => wait_no_more(session, &mut view, refund).await,
        RefundState::Applied => undo(session, view, refund).await,
    }
}

/// The refund that the shop calls so, if it is recorded. Its name was read.
pub(crate) async fn refund_named(
    view: &mut View,
    sold: &Sold,
    name: &ExternalId,
) -> Result<Option<Refund>, Ended> {
    let program = view.program.id;
    let name = keys::refund_of_order(program, &sold.event, &sold.external_id, name);
    let Some(RefundName { refund_id }) = view.loaded.read(&name)? else {
        return Ok(None);
    };
    let key = keys::refund(program, refund_id);
    view.load([key.clone()]).await?;
    let refund: Option<Refund> = view.loaded.read(&key)?;
    let refund = refund.ok_or_else(|| Problem::internal("a name leads to no refund"))?;
    Ok(Some(refund))
}

async fn known(view: &mut View, sold: &Sold, report: &Report) -> Result<Option<Refund>, Ended> {
    refund_named(view, sold, &report.external_id).await
}

async fn repeat(session: &Session, report: &Report, refund: &Refund) -> Result<Response, Ended> {
    let differences = refund.differences(report.amount, report.reason);
    if !differences.is_empty() {
        let faults = differences
            .into_iter()
            .map(|at| Fault::new(at, "differs from what is recorded"));
        let detail = "This refund of the order is recorded with another content.";
        let problem = Problem::of(Code::RefundDiffers, detail);
        return Err(problem.with_errors(faults.collect()).into());
    }
    let answer = Response::json(200, &wire::refund(refund));
    session.unchanged(answer).await
}

/// Takes a refund off a conversion and its rewards.
async fn apply(
    session: &Session,
    mut view: View,
    sold: Sold,
    report: Report,
    before: Conversion,
) -> Result<Response, Ended> {
    if before.refund_ids.len() >= REFUNDS_MAX {
        return Err(too_many());
    }
    let amount = match report.excess {
        Excess::Refused => before.refundable(report.amount),
        Excess::Cut => before.refundable_at_most(report.amount),
    };
    let amount = amount.map_err(refused)?;
    let mut refund = recorded(session, &view, &sold, report);
    refund.conversion_id = Some(before.id);
    refund.amount = amount;
    refund.state = RefundState::Applied;
    let mut after = before.clone();
    after.refund(refund.id, amount);
    after.version = before.version.saturating_add(1);
    let mut affected = Affected::load(&mut view, &before).await?;
    refund.changes = affected
        .adjust(&view, &after, &cause(session, &refund))
        .await?;
    let mut commit = view.commit();
    commit
        .conversion(&after, Was::Version(before.version))
        .new_refund(&refund)
        .fact(fact(FactKind::RefundRecorded, &refund, &after));
    affected.write(&mut commit, &after, &refund, LedgerReason::RewardTakenBack);
    affected.count_standing(&mut commit, &before, &after);
    let answer = wire::refund(&refund);
    let change = Change::of(ObjectKind::Refund, refund.id).to(&answer);
    session
        .finish(commit, change, Response::json(201, &answer))
        .await
}

/// Keeps a refund until its conversion comes.
async fn wait(
    session: &Session,
    view: &View,
    sold: &Sold,
    report: Report,
    order: &Order,
) -> Result<Response, Ended> {
    if order.waiting.len() >= WAITING_MAX {
        return Err(too_many());
    }
    let refund = recorded(session, view, sold, report);
    let mut waiting = order.waiting.clone();
    waiting.push(refund.id);
    let next = Order {
        conversion_id: None,
        waiting,
        same_as: None,
        version: order.version.saturating_add(1),
    };
    let mut commit = view.commit();
    commit
        .order(
            view.program.id,
            &sold.event,
            &sold.external_id,
            &next,
            order_was(order),
        )
        .new_refund(&refund)
        .fact(Fact {
            refund_id: Some(refund.id),
            event: Some(refund.event.clone()),
            amount: refund.said,
            ..Fact::new(FactKind::RefundRecorded)
        });
    let answer = wire::refund(&refund);
    let change = Change::of(ObjectKind::Refund, refund.id).to(&answer);
    session
        .finish(commit, change, Response::json(202, &answer))
        .await
}

/// A refund that waits will never apply.
async fn wait_no_more(
    session: &Session,
    view: &mut View,
    before: Refund,
) -> Result<Response, Ended> {
    let program = view.program.id;
    let key = keys::order(program, &before.event, &before.order);
    view.load([key.clone()]).await?;
    let order: Order = view.loaded.read(&key)?.unwrap_or_default();
    if !order.waiting.contains(&before.id) {
        // The conversion has come since the refund was read.
        return Err(Ended::Outdated);
    }
    let next = Order {
        waiting: order
            .waiting
            .iter()
            .copied()
            .filter(|id| *id != before.id)
            .collect(),
        version: order.version.saturating_add(1),
        ..order.clone()
    };
    let after = Refund {
        state: RefundState::Reversed,
        version: before.version.saturating_add(1),
        ..before.clone()
    };
    let mut commit = view.commit();
    commit
        .order(
            program,
            &before.event,
            &before.order,
            &next,
            order_was(&order),
        )
        .refund(&after, Was::Version(before.version))
        .fact(Fact {
            refund_id: Some(after.id),
            event: Some(after.event.clone()),
            amount: after.said,
            ..Fact::new(FactKind::RefundReversed)
        });
    let answer = wire::refund(&after);
    let change = Change::of(ObjectKind::Refund, after.id)
        .from(&wire::refund(&before))
        .to(&answer);
    session
        .finish(commit, change, Response::json(200, &answer))
        .await
}

/// Gives back what a refund took.
async fn undo(session: &Session, mut view: View, recorded: Refund) -> Result<Response, Ended> {
    let before = conversion_of(&mut view, &recorded).await?;
    let others = other_stands(&mut view, &before, &recorded).await?;
    let mut after = before.clone();
    after.unrefund(recorded.amount, others);
    after.version = before.version.saturating_add(1);
    let mut affected = Affected::load(&mut view, &before).await?;
    let restored = affected
        .adjust(&view, &after, &cause(session, &recorded))
        .await?;
    let refund = Refund {
        state: RefundState::Reversed,
        restored,
        version: recorded.version.saturating_add(1),
        ..recorded.clone()
    };
    let mut commit = view.commit();
    commit
        .conversion(&after, Was::Version(before.version))
        .refund(&refund, Was::Version(recorded.version))
        .fact(fact(FactKind::RefundReversed, &refund, &after));
    affected.write(&mut commit, &after, &refund, LedgerReason::RewardRestored);
    affected.count_standing(&mut commit, &before, &after);
    let answer = wire::refund(&refund);
    let change = Change::of(ObjectKind::Refund, refund.id)
        .from(&wire::refund(&recorded))
        .to(&answer);
    session
        .finish(commit, change, Response::json(200, &answer))
        .await
}

async fn conversion_of(view: &mut View, refund: &Refund) -> Result<Conversion, Ended> {
    let missing = || Problem::internal("an applied refund without its conversion");
    let id = refund.conversion_id.ok_or_else(missing)?;
    let key = keys::conversion(view.program.id, id);
    view.load([key.clone()]).await?;
    let conversion: Option<Conversion> = view.loaded.read(&key)?;
    Ok(conversion.ok_or_else(missing)?)
}

/// Whether another refund of the conversion stands. Only asked of what has no amount to tell it.
async fn other_stands(
    view: &mut View,
    conversion: &Conversion,
    refund: &Refund,
) -> Result<bool, Ended> {
    let whole = conversion.content.amount.map_or(0, |amount| amount.minor);
    if whole > 0 {
        return Ok(false);
    }
    let refunds = refunds_of(view, conversion).await?;
    let stands = |other: &Refund| other.id != refund.id && other.state == RefundState::Applied;
    Ok(refunds.iter().any(stands))
}

/// The refunds of a conversion, oldest first.
pub(crate) async fn refunds_of(
    view: &mut View,
    conversion: &Conversion,
) -> Result<Vec<Refund>, Ended> {
    let program = view.program.id;
    let key = |id: &RefundId| keys::refund(program, *id);
    let wanted: Vec<_> = conversion.refund_ids.iter().map(key).collect();
    view.load(wanted.clone()).await?;
    let mut refunds = Vec::with_capacity(wanted.len());
    for key in wanted {
        refunds.extend(view.loaded.read::<Refund>(&key)?);
    }
    Ok(refunds)
}

fn cause(session: &Session, refund: &Refund) -> Cause {
    Cause {
        by: session.actor(),
        reason: format!("{} {}", refund.reason, refund.id),
    }
}

fn recorded(session: &Session, view: &View, sold: &Sold, report: Report) -> Refund {
    Refund {
        id: view.id(),
        program: view.program.id,
        event: sold.event.clone(),
        order: sold.external_id.clone(),
        conversion_id: None,
        external_id: report.external_id,
        said: report.amount,
        amount: None,
        reason: report.reason,
        state: RefundState::WaitingForConversion,
        changes: Vec::new(),
        restored: Vec::new(),
        created_at: view.now,
        recorded_by: Some(session.recorded_by()),
        version: 1,
    }
}

/// What has happened to a refund, with whom it concerns.
fn fact(kind: FactKind, refund: &Refund, conversion: &Conversion) -> Fact {
    Fact {
        refund_id: Some(refund.id),
        amount: refund.amount,
        ..affected::fact_of(kind, conversion)
    }
}

fn name_key(program: ProgramId, sold: &Sold, report: &Report) -> keys::Key {
    keys::refund_of_order(program, &sold.event, &sold.external_id, &report.external_id)
}

fn order_was(order: &Order) -> Was {
    match order.version {
        0 => Was::Absent,
        version => Was::Version(version),
    }
}

fn refused(error: RefundError) -> Ended {
    let fault = |at: &str| Problem::invalid_request(vec![Fault::new(at, error.to_string())]);
    match error {
        RefundError::OtherCurrency => fault("/amount/currency"),
        RefundError::NoAmount => fault("/amount"),
        RefundError::Exceeds { left } => {
            let problem = Problem::of(
                Code::RefundExceedsConversion,
                "The refunds of a conversion never come to more than it.",
            );
            problem.saying(More {
                left: left.map(wire::money),
                ..More::default()
            })
        }
    }
    .into()
}

fn too_many() -> Ended {
    Problem::of(Code::TooManyRefunds,
        format!(
            "An order has at most {REFUNDS_MAX} refunds, {WAITING_MAX} of them before its conversion."
        ),
    )
    .into()
}
