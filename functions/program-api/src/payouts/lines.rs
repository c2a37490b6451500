//! The lines of a payout: read as JSON or as CSV, and settled one by one.

use kith_contract::problems::Code;
use kith_contract::requests::{LIMIT_DEFAULT, LIMIT_MAX};
use kith_domain::audit::ObjectKind;
use kith_domain::fact::{Fact, FactKind};
use kith_domain::id::{ParticipantId, PayoutId};
use kith_domain::ledger::{Account, Balance, transfer};
use kith_domain::money::Unit;
use kith_domain::participant::Participant;
use kith_domain::payout::{
    LineEvent, LineState, LineStep, PayoutLine, PayoutState, PayoutTotals, step,
};
use kith_domain::text::{ExternalId, Name};
use kith_edge::audit::Change;
use kith_edge::desk::View;
use kith_edge::http::{Problem, Response};
use kith_edge::json;
use kith_edge::session::Ended;
use kith_edge::wire;
use kith_store::items::{LedgerReason, Lot, UnitBalance};
use kith_store::{BalanceGuard, Commit, Was, cursor, keys};

use super::{building, csv, loaded};
use crate::call::Call;
use crate::export::{self, Form};

/// Pages of lines read for one page of what a filter leaves; past that the page is short and its
/// cursor goes on.
const ROUNDS_MAX: u8 = 10;
/// Rewards that the lines of a page name; a line that comes to more ends its page. An answer of a
/// function has 6 MB at most.
const REWARDS_MAX: usize = 20_000;
/// Sorts behind every line of a payout.
const END: &str = "LINE#~";

/// Which lines are asked for.
struct Wanted {
    payout: PayoutId,
    state: Option<LineState>,
    limit: u16,
    after: Option<ParticipantId>,
}

/// `GET P/payouts/{payout}/lines`, in the order in which the participants joined. As CSV when
/// `Accept` names it: then the next page stands in the `Link` header.
pub(crate) async fn list(call: Call) -> Result<Response, Ended> {
    let parsed = wanted(&call);
    let (_, view, wanted) = call
        .program(parsed, |wanted, program, _| {
            vec![keys::payout(program, wanted.payout)]
        })
        .await?;
    let payout = loaded(&view, wanted.payout)?;
    let (lines, next) = page(&view, &wanted).await?;
    let people = lines
        .iter()
        .map(|line| keys::participant(line.program, line.participant_id));
    let people = view.store.get(people).await?;
    let mut named = Vec::with_capacity(lines.len());
    for line in lines {
        let key = keys::participant(line.program, line.participant_id);
        let person = people.read::<Participant>(&key)?;
        named.push((line, person.and_then(|person| person.external_id)));
    }
    let next = next.map(|after| after.to_string());
    if Form::of(&call.request, &[Form::Csv]) == Form::Json {
        let data = named
            .iter()
            .map(|(line, external_id)| wire::payout_line(line, external_id.as_ref()));
        return Ok(call.listed(data.collect(), next.as_deref()));
    }
    let table = csv::table(&named).map_err(Problem::internal)?;
    let name = payout.id.to_string();
    Ok(export::file(
        &call,
        Form::Csv,
        &name,
        table,
        next.as_deref(),
    ))
}

fn wanted(call: &Call) -> Result<Wanted, Problem> {
    let payout = call.id("payout")?;
    call.query(|fields, faults| {
        let state = fields.optional::<LineState>("state", faults);
        let limit = fields.integer_in("limit", 1..=LIMIT_MAX, faults);
        let cursor = fields
            .string("cursor", faults)
            .filter(|text| !text.is_empty());
        let after = cursor.and_then(|text| {
            let after = call.position(&text).ok().and_then(|text| text.parse().ok());
            if after.is_none() {
                fields.refuse("cursor", faults, cursor::BadCursor.to_string());
            }
            after
        });
        Wanted {
            payout,
            state,
            limit: limit.unwrap_or(LIMIT_DEFAULT),
            after,
        }
    })
}

/// The lines of a page, and the participant behind whom the next one begins.
async fn page(
    view: &View,
    wanted: &Wanted,
) -> Result<(Vec<PayoutLine>, Option<ParticipantId>), Ended> {
    let program = view.program.id;
    let limit = usize::from(wanted.limit);
    let (mut lines, mut after) = (Vec::new(), wanted.after);
    let mut named = 0_usize;
    for _ in 0..ROUNDS_MAX {
        let from = match after {
            Some(after) => keys::payout_line(program, wanted.payout, after),
            None => keys::payout_lines(program, wanted.payout),
        };
        let found = view
            .store
            .between::<PayoutLine>(&from, END, wanted.limit)
            .await?;
        let mut rest = found.items.into_iter().peekable();
        while let Some(line) = rest.next() {
            after = Some(line.participant_id);
            if wanted.state.is_none_or(|state| state == line.state) {
                named = named.saturating_add(line.reward_ids.len());
                lines.push(line);
            }
            if lines.len() == limit || named >= REWARDS_MAX {
                let more = rest.peek().is_some() || found.next.is_some();
                return Ok((lines, after.filter(|_| more)));
            }
        }
        if found.next.is_none() {
            return Ok((lines, None));
        }
    }
    Ok((lines, after))
}

/// What a line is told to have become.
struct Settled {
    payout: PayoutId,
    participant: ParticipantId,
    event: LineEvent,
    reference: Option<Name>,
}

/// `POST P/payouts/{payout}/lines/{participant}`: what became of the transfer. A line that was paid
/// can come back after the payout was closed, too.
pub(crate) async fn settle(call: Call) -> Result<Response, Ended> {
    let parsed = settled(&call);
    let (session, mut view, settled) = call
        .program(parsed, |settled, program, _| {
            vec![
                keys::payout(program, settled.payout),
                keys::payout_line(program, settled.payout, settled.participant),
                keys::participant(program, settled.participant),
            ]
        })
        .await?;
    let program = view.program.id;
    if loaded(&view, settled.payout)?.state == PayoutState::Building {
        return Err(building().into());
    }
    let key = keys::payout_line(program, settled.payout, settled.participant);
    let line: Option<PayoutLine> = view.loaded.read(&key)?;
    let line = line.ok_or_else(|| Problem::not_found("line"))?;
    let person: Option<Participant> = view
        .loaded
        .read(&keys::participant(program, settled.participant))?;
    let external_id: Option<ExternalId> = person.and_then(|person| person.external_id);
    let moved = step(line.state, settled.event)
        .map_err(|error| Problem::of(Code::LineState, format!("It cannot be done: {error}.")))?;
    let before = wire::settled_line(&line, external_id.as_ref());
    let (commit, line) = match moved {
        LineStep::Unchanged => (session.commit(), line),
        LineStep::Moved(state) => {
            let mut next = line.clone();
            next.state = state;
            next.followed = 0;
            next.reference = settled.reference.or(next.reference);
            next.version = line.version.saturating_add(1);
            let mut commit = view.commit();
            let owner = owner(&mut view, &mut commit, &line, settled.event).await?;
            change(&mut commit, &view, &line, &next, (settled.event, owner));
            (commit, next)
        }
    };
    let answer = wire::settled_line(&line, external_id.as_ref());
    let change = Change::of(ObjectKind::PayoutLine, line.participant_id)
        .within(settled.payout)
        .from(&before)
        .to(&answer);
    session
        .finish(commit, change, Response::json(200, &answer))
        .await
}

fn settled(call: &Call) -> Result<Settled, Problem> {
    let (payout, participant) = (call.id("payout")?, call.id("participant")?);
    let (mut body, mut faults) = call.body()?;
    let event = body.required("state", &mut faults, json::text::<LineEvent>);
    let reference = body.optional("reference", &mut faults, json::text::<Name>);
    body.finish(&mut faults);
    let (event,) = faults.all((event,))?;
    Ok(Settled {
        payout,
        participant,
        event,
        reference,
    })
}

/// In whose accounts the money of a line is: the participant's, or by now of whom they were merged
/// into. The commit insists on it.
async fn owner(
    view: &mut View,
    commit: &mut Commit,
    line: &PayoutLine,
    event: LineEvent,
) -> Result<ParticipantId, Ended> {
    let (program, listed) = (line.program, line.participant_id);
    let unit = Unit::Currency(line.amount.currency);
    let (store, loaded) = (&view.store, &mut view.loaded);
    let present = store.present(program, loaded, listed).await?;
    if present != listed {
        let balance = keys::balance(program, listed, unit);
        let balance: Option<UnitBalance> = store.get_one(balance).await?;
        let balance = balance.map_or(Balance::default(), |found| found.balance);
        let here = match event {
            LineEvent::Paid | LineEvent::Failed => balance.in_payout,
            LineEvent::Returned => balance.paid,
        };
        if here >= line.amount.minor {
            commit.balance_guard(listed, unit, BalanceGuard::Whole(balance));
            return Ok(listed);
        }
    }
    commit.not_merged(present);
    Ok(present)
}

/// Moves what the line holds to where it is now. What comes back can be paid again: it becomes one
/// credit with the line's rewards.
fn change(
    commit: &mut Commit,
    view: &View,
    line: &PayoutLine,
    next: &PayoutLine,
    (event, participant): (LineEvent, ParticipantId),
) {
    let program = line.program;
    let listed = Account::InPayout(participant);
    let owed = Account::Liability(participant);
    let paid = Account::Settled(participant);
    let (reason, from, to, kind) = match event {
        LineEvent::Paid => {
            let kind = FactKind::PayoutLinePaid;
            (LedgerReason::PayoutPaid, listed, paid, kind)
        }
        LineEvent::Failed => {
            let kind = FactKind::PayoutLineFailed;
            (LedgerReason::PayoutFailed, listed, owed, kind)
        }
        LineEvent::Returned => {
            let kind = FactKind::PayoutLineReturned;
            (LedgerReason::PayoutReturned, paid, owed, kind)
        }
    };
    let unit = Unit::Currency(line.amount.currency);
    let totals = PayoutTotals::default()
        .with(line.state, -1)
        .with(next.state, 1);
    commit
        .payout_line(next, Was::Version(line.version))
        .payout_totals(program, line.payout_id, &totals)
        .ledger(reason, None, &transfer(from, to, unit, line.amount.minor))
        .caused_by(line.payout_id)
        .fact(Fact {
            payout_id: Some(line.payout_id),
            participant_id: Some(line.participant_id),
            amount: Some(line.amount),
            ..Fact::new(kind)
        });
    if to == owed {
        let back = Lot {
            unit,
            credited_at: view.now,
            name: line.payout_id.to_string(),
            reward_ids: line.reward_ids.clone(),
            remaining: line.amount.minor,
            version: 1,
        };
        commit.lot(program, participant, &back, None);
    }
    if next.to_follow().is_some() {
        commit.wake_followers(next);
    }
}
