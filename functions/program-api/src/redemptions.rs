//! Spending points: record a redemption, reverse it, list them.

use kith_contract::problems::Code;
use kith_domain::audit::ObjectKind;
use kith_domain::id::{ParticipantId, RedemptionId};
use kith_domain::ledger::Balance;
use kith_domain::money::{AMOUNT_MAX, Unit};
use kith_domain::participant::Participant;
use kith_domain::redemption::{Redemption, RedemptionState};
use kith_domain::text::ExternalId;
use kith_edge::audit::Change;
use kith_edge::desk::View;
use kith_edge::http::{Problem, Response};
use kith_edge::json::{self, Faults, Member};
use kith_edge::session::Ended;
use kith_edge::wire;
use kith_store::BalanceGuard;
use kith_store::items::{LedgerReason, RedemptionName, UnitBalance};
use kith_store::keys::{self, Key};

use crate::call::{Body, Call, Paging};
use crate::merges::{refuse_merged, under_way};
use crate::person::Person;

struct Spending {
    participant: ParticipantId,
    external_id: ExternalId,
    amount: i64,
}

impl Spending {
    fn read(participant: ParticipantId, (mut body, mut faults): Body) -> Result<Self, Problem> {
        let external_id = body.required("external_id", &mut faults, json::text);
        let unit = body.required("unit", &mut faults, points);
        let amount = body.required("amount", &mut faults, json::integer_in(1..=AMOUNT_MAX));
        body.finish(&mut faults);
        let (external_id, (), amount) = faults.all((external_id, unit, amount))?;
        Ok(Self {
            participant,
            external_id,
            amount,
        })
    }
}

/// The only unit that is spent here.
fn points(member: Member, faults: &mut Faults) -> Option<()> {
    let pointer = member.pointer.clone();
    match json::text::<Unit>(member, faults)? {
        Unit::Points => Some(()),
        Unit::Currency(_) => {
            faults.add(pointer, "must be points: money is paid out by payouts");
            None
        }
        Unit::Items(_) => {
            faults.add(
                pointer,
                "must be points: products are taken by their vouchers",
            );
            None
        }
    }
}

/// `POST P/participants/{participant}/redemptions`: the points move at once.
pub(crate) async fn spend(call: Call) -> Result<Response, Ended> {
    let parsed = call
        .id("participant")
        .and_then(|participant| Spending::read(participant, call.body()?));
    let (session, view, spending) = call
        .program(parsed, |spending, program, _| {
            let person = spending.participant;
            vec![
                keys::participant(program, person),
                keys::balance(program, person, Unit::Points),
                keys::redemption_by_name(program, person, &spending.external_id),
            ]
        })
        .await?;
    let (program, person) = (view.program.id, spending.participant);
    let who = Person::of(&view, person)?;
    refuse_merged(&who.next)?;
    let name = keys::redemption_by_name(program, person, &spending.external_id);
    if let Some(name) = view.loaded.read::<RedemptionName>(&name)? {
        let key = keys::redemption(program, person, name.redemption_id);
        let known: Option<Redemption> = view.store.get_one(key).await?;
        let known = known.ok_or_else(|| Problem::internal("a redemption is not there"))?;
        let answer = repeated(&known, &spending)?;
        return session.unchanged(answer).await;
    }
    let of_source = |id| keys::redemption_by_name(program, id, &spending.external_id);
    refuse_under_way(&view, &who.next, of_source).await?;
    if !who.next.is_active() {
        let detail = "Whoever is suspended spends nothing.";
        return Err(Problem::of(Code::ParticipantSuspended, detail).into());
    }
    check_balance(&view, &spending)?;
    let redemption = Redemption {
        id: view.id(),
        program,
        participant_id: person,
        external_id: spending.external_id,
        unit: Unit::Points,
        amount: spending.amount,
        state: RedemptionState::Redeemed,
        assigned: 0,
        uncovered: 0,
        parts: 0,
        open: true,
        created_at: view.now,
        reversed_at: None,
        by: session.actor(),
        version: 1,
    };
    let mut commit = view.commit();
    commit
        .new_redemption(&redemption)
        .active(person)
        .wake_redemption(&redemption)
        .ledger(LedgerReason::Redeemed, None, &redemption.spending())
        .caused_by(redemption.id)
        .balance_guard(
            person,
            Unit::Points,
            BalanceGuard::Available(redemption.amount),
        );
    let answer = wire::redemption(&redemption);
    let change = Change::of(ObjectKind::Redemption, redemption.id)
        .within(person)
        .to(&answer);
    session
        .finish(commit, change, Response::json(201, &answer))
        .await
}

/// Refuses what is known of one who was merged into this participant, and is on its way.
async fn refuse_under_way(
    view: &View,
    person: &Participant,
    place: impl Fn(ParticipantId) -> Key,
) -> Result<(), Ended> {
    if person.merged_from.is_empty() {
        return Ok(());
    }
    let places: Vec<Key> = person.merged_from.iter().map(|id| place(*id)).collect();
    let loaded = view.store.get(places.clone()).await?;
    if places.iter().any(|key| loaded.item(key).is_some()) {
        return Err(under_way().into());
    }
    Ok(())
}

/// The shop has said so before: the same, or something else.
fn repeated(known: &Redemption, spending: &Spending) -> Result<Response, Ended> {
    if known.amount == spending.amount {
        return Ok(Response::json(200, &wire::redemption(known)));
    }
    let detail = "The external id belongs to a redemption of another amount.";
    Err(Problem::of(Code::RedemptionDiffers, detail).into())
}

fn check_balance(view: &View, spending: &Spending) -> Result<(), Ended> {
    let key = keys::balance(view.program.id, spending.participant, Unit::Points);
    let balance: Option<UnitBalance> = view.loaded.read(&key)?;
    let balance = balance.map_or(Balance::default(), |found| found.balance);
    if balance.available >= spending.amount {
        return Ok(());
    }
    let detail = format!("There are {} points to spend.", balance.available.max(0));
    Err(Problem::of(Code::InsufficientBalance, detail).into())
}

/// `POST P/participants/{participant}/redemptions/{redemption}/reverse`: the points were not spent
/// after all.
pub(crate) async fn reverse(call: Call) -> Result<Response, Ended> {
    let parsed = call.id("participant").and_then(|participant| {
        let redemption = call.id("redemption")?;
        let (body, mut faults) = call.body_or_empty()?;
        body.finish(&mut faults);
        faults.into_result()?;
        Ok((participant, redemption))
    });
    let (session, view, (participant, id)) = call
        .program(
            parsed,
            |(participant, id): &(ParticipantId, RedemptionId), program, _| {
                vec![
                    keys::participant(program, *participant),
                    keys::redemption(program, *participant, *id),
                ]
            },
        )
        .await?;
    let key = keys::redemption(view.program.id, participant, id);
    let redemption: Option<Redemption> = view.loaded.read(&key)?;
    let who = Person::of(&view, participant)?;
    refuse_merged(&who.next)?;
    let Some(redemption) = redemption else {
        let of_source = |source| keys::redemption(view.program.id, source, id);
        refuse_under_way(&view, &who.next, of_source).await?;
        return Err(Problem::not_found("redemption").into());
    };
    let mut commit = view.commit();
    let answer = match redemption.reverse(view.now) {
        Some((reversed, lines)) => {
            commit
                .redemption(&reversed, Some(&redemption))
                .not_merged(participant)
                .ledger(LedgerReason::RedemptionReversed, None, &lines)
                .caused_by(id);
            if reversed.open {
                commit.wake_redemption(&reversed);
            }
            wire::redemption(&reversed)
        }
        None => wire::redemption(&redemption),
    };
    let change = Change::of(ObjectKind::Redemption, id)
        .within(participant)
        .from(&wire::redemption(&redemption))
        .to(&answer);
    session
        .finish(commit, change, Response::json(200, &answer))
        .await
}

/// `GET P/participants/{participant}/redemptions`, oldest first.
pub(crate) async fn list(call: Call) -> Result<Response, Ended> {
    let parsed = call.id("participant").and_then(|participant| {
        let paging = call.query(|fields, faults| call.paging(fields, faults))?;
        Ok((participant, paging))
    });
    let (_, view, (participant, paging)) = call
        .program(
            parsed,
            |(participant, _): &(ParticipantId, Paging), program, _| {
                vec![keys::participant(program, *participant)]
            },
        )
        .await?;
    Person::of(&view, participant)?;
    let of = |id: String| {
        let all = keys::redemptions(view.program.id, participant);
        Key {
            sk: format!("{}{id}", all.sk),
            ..all
        }
    };
    let bound = |at| of(RedemptionId::floor_of(at).to_string());
    let from = match (paging.after, paging.from) {
        (Some(after), _) => of(after),
        (None, from) => from.map_or_else(|| of(String::new()), bound),
    };
    let to = paging.to.map_or_else(|| of("~".to_owned()), bound);
    let page = view
        .store
        .between::<Redemption>(&from, &to.sk, paging.limit)
        .await?;
    let last = page.items.last().map(|last| last.id.to_string());
    let data = page.items.iter().map(wire::redemption).collect();
    Ok(call.listed(data, last.filter(|_| page.next.is_some()).as_deref()))
}
