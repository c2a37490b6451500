//! Builds payouts: who has something to be paid gets a line, one participant after another.
//!
//! It is a saga. Each step is a transaction of its own that leaves the ledger, the balance and the
//! line exact: credits are used up, what is owed is set off, the rest is listed. A builder that
//! dies leaves a payout that is `building` and due; whoever goes on finds the lines that were begun
//! and what is left of the credits. Nothing is remembered but what the steps wrote.

use kith_domain::fact::{Fact, FactKind};
use kith_domain::id::{ParticipantId, PayoutId, ProgramId};
use kith_domain::ledger::{Account, transfer};
use kith_domain::money::{Money, Unit};
use kith_domain::participant::Participant;
use kith_domain::payout::{
    self, Credit, LineState, Payout, PayoutLine, PayoutState, PayoutTotals, REWARDS_MAX,
};
use kith_edge::desk::{Desk, View};
use kith_edge::{Invocation, Outcome, Undone, WorkError, decide};
use kith_store::items::{LedgerReason, Lot, UnitBalance};
use kith_store::keys::{self, ListName};
use kith_store::{BalanceGuard, Commit, ListQuery, Was};

use crate::{has_time, overtaken};

/// Participants looked at in one request.
const PAGE: u16 = 30;

/// How far a page of the building came.
enum Page {
    /// There is nothing to build, or it is built.
    Ended(Outcome),
    /// The next page.
    More,
}

/// Builds a payout as far as the time goes; what is left is gone on with by a message to itself.
pub(crate) async fn build(
    desk: &Desk,
    invocation: &Invocation,
    program: ProgramId,
    id: PayoutId,
) -> Result<Outcome, WorkError> {
    loop {
        match decide(|| build_page(desk, invocation, program, id)).await? {
            Page::Ended(outcome) => return Ok(outcome),
            Page::More => {}
        }
    }
}

async fn build_page(
    desk: &Desk,
    invocation: &Invocation,
    program: ProgramId,
    id: PayoutId,
) -> Result<Page, Undone> {
    let key = keys::payout(program, id);
    let Some(view) = desk.view(invocation, program, [key.clone()]).await? else {
        return Ok(Page::Ended(Outcome::Refused("the program is not known")));
    };
    let Some(payout) = view.loaded.read::<Payout>(&key)? else {
        return Ok(Page::Ended(Outcome::Refused("the payout is not known")));
    };
    if payout.state != PayoutState::Building {
        return Ok(Page::Ended(Outcome::Done));
    }
    let list = ListName::Balances(payout.currency);
    let mut query = ListQuery::of_program(program, list, PAGE);
    query.after = payout.after.map(|after| after.to_string());
    let page = view.store.list_index(&query).await?;
    let listed = page.items.iter().filter_map(|found| found.id.parse().ok());
    let listed: Vec<ParticipantId> = listed.collect();
    let candidates = candidates(&view, &payout, &listed).await?;
    let mut done = payout.after;
    for participant in listed {
        if !has_time(desk, invocation) {
            return go_on_later(&view, &payout, done).await;
        }
        if candidates.contains(&participant)
            && !decide(|| list_participant(&view, &payout, participant)).await?
        {
            return Ok(Page::Ended(Outcome::Done));
        }
        done = Some(participant);
    }
    let next = page.next.and_then(|next| next.parse().ok());
    if next.is_none() {
        return finish(&view, &payout).await;
    }
    let mut further = changed(&payout);
    further.after = next;
    let mut commit = view.commit();
    commit.payout(&further, Was::Version(payout.version));
    written(&view, commit, Page::More).await
}

/// The payout as it is written next.
fn changed(payout: &Payout) -> Payout {
    let mut next = payout.clone();
    next.version = payout.version.saturating_add(1);
    next
}

/// Writes how far the building came, unless another builder has.
async fn written(view: &View, commit: Commit, page: Page) -> Result<Page, Undone> {
    match view.write(commit).await {
        Err(error) if overtaken::<Payout>(&error) => Ok(Page::Ended(Outcome::Done)),
        result => result.map(|_| page).map_err(Undone::from),
    }
}

/// Out of time: notes behind whom to go on, and wakes whoever does.
async fn go_on_later(
    view: &View,
    payout: &Payout,
    after: Option<ParticipantId>,
) -> Result<Page, Undone> {
    let mut further = changed(payout);
    further.after = after;
    let mut commit = view.commit();
    commit
        .payout(&further, Was::Version(payout.version))
        .wake_builder(&further);
    written(view, commit, Page::Ended(Outcome::Done)).await
}

/// Every participant was looked at: the lines are whole. Without any there is nothing to settle.
async fn finish(view: &View, payout: &Payout) -> Result<Page, Undone> {
    let key = keys::payout_totals(payout.program, payout.id);
    let totals = view.store.get_one::<PayoutTotals>(key).await?;
    let totals = totals.unwrap_or_default();
    let mut next = changed(payout);
    next.after = None;
    let mut commit = view.commit();
    let kind = if totals.lines == 0 {
        next.state = PayoutState::Closed;
        next.closed_at = Some(view.now);
        commit
            .no_open_lines(payout.program, payout.id)
            .no_present_payout(payout.program, payout.currency);
        FactKind::PayoutClosed
    } else {
        next.state = PayoutState::Open;
        next.opened_at = Some(view.now);
        FactKind::PayoutOpened
    };
    commit
        .payout(&next, Was::Version(payout.version))
        .fact(Fact {
            payout_id: Some(payout.id),
            amount: Some(Money::new(totals.amount, payout.currency)),
            ..Fact::new(kind)
        });
    written(view, commit, Page::Ended(Outcome::Done)).await
}

/// Those of a page who may get a line, or whose line was begun.
async fn candidates(
    view: &View,
    payout: &Payout,
    listed: &[ParticipantId],
) -> Result<Vec<ParticipantId>, Undone> {
    let keys = listed.iter().flat_map(|&participant| {
        let keys = keys_of(payout, participant);
        [keys.balance, keys.line]
    });
    let loaded = view.store.get(keys).await?;
    let mut candidates = Vec::new();
    for &participant in listed {
        let keys = keys_of(payout, participant);
        let balance = loaded.read::<UnitBalance>(&keys.balance)?;
        // What was credited before the instant is no more than what is there now.
        let available = balance.map_or(0, |held| held.balance.available);
        if available >= payout.minimum.max(1) || loaded.item(&keys.line).is_some() {
            candidates.push(participant);
        }
    }
    Ok(candidates)
}

struct Keys {
    participant: keys::Key,
    balance: keys::Key,
    line: keys::Key,
}

fn keys_of(payout: &Payout, participant: ParticipantId) -> Keys {
    Keys {
        participant: keys::participant(payout.program, participant),
        balance: keys::balance(payout.program, participant, unit_of(payout)),
        line: keys::payout_line(payout.program, payout.id, participant),
    }
}

fn unit_of(payout: &Payout) -> Unit {
    Unit::Currency(payout.currency)
}

/// One participant, from the first step that is not done yet to the last. `false` when another
/// builder has gone on with the payout.
async fn list_participant(
    view: &View,
    payout: &Payout,
    participant: ParticipantId,
) -> Result<bool, Undone> {
    let Some(mut listing) = Listing::read(view, payout, participant).await? else {
        return Ok(true);
    };
    while let Some(commit) = listing.step(view.commit()) {
        match view.write(commit).await {
            Ok(_) => {}
            Err(error) if overtaken::<Payout>(&error) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}

/// What a participant's line is made from.
struct Listing<'a> {
    payout: &'a Payout,
    line: PayoutLine,
    /// What is left to be used up, oldest first.
    lots: Vec<Lot>,
    /// What is owed: zero or negative.
    receivable: i64,
}

impl<'a> Listing<'a> {
    /// `None` when the participant gets no line. A line that was begun is gone on with, whatever
    /// became of the participant meanwhile: part of their credits is in it already.
    async fn read(
        view: &View,
        payout: &'a Payout,
        participant: ParticipantId,
    ) -> Result<Option<Self>, Undone> {
        let keys = keys_of(payout, participant);
        let Keys {
            participant: person,
            balance,
            line,
        } = keys_of(payout, participant);
        let loaded = view.store.get([person, balance, line]).await?;
        let line = loaded.read::<PayoutLine>(&keys.line)?;
        let balance = loaded.read::<UnitBalance>(&keys.balance)?;
        let receivable = balance.map_or(0, |held| held.balance.receivable);
        let wanted = u16::try_from(REWARDS_MAX).unwrap_or(u16::MAX);
        let mut lots = view
            .store
            .lots_before(
                payout.program,
                participant,
                unit_of(payout),
                payout.until,
                wanted,
            )
            .await?;
        let credits = credits(&lots);
        let named = line.as_ref().map_or(0, |line| line.reward_ids.len());
        let fitting = payout::fitting(&credits, named);
        let fits = credits.get(..fitting).unwrap_or_default();
        let person = loaded.read::<Participant>(&keys.participant)?;
        let is_active = person.as_ref().is_some_and(Participant::is_active);
        let is_merged = person.is_some_and(|person| person.merged_into.is_some());
        let is_begun = line.is_some();
        let is_due = payout::is_due(fits, receivable, payout.minimum);
        // What is left of somebody who was merged is listed for whom they are now.
        lots.truncate(if is_merged { 0 } else { fitting });
        let goes_on = is_begun || (is_active && is_due);
        Ok(goes_on.then(|| Self {
            payout,
            line: line.unwrap_or_else(|| new_line(payout, participant)),
            lots,
            receivable,
        }))
    }

    /// What the next step writes; `None` when the line is whole.
    fn step(&mut self, mut commit: Commit) -> Option<Commit> {
        let (payout, participant) = (self.payout, self.line.participant_id);
        commit.same_payout(payout);
        if self.lots.is_empty() {
            // A taking back in the middle can leave nothing of a line that was begun.
            if self.line.version == 0 || self.line.amount.minor > 0 {
                return None;
            }
            let gone = one_line(-1);
            commit
                .no_payout_line(&self.line)
                .payout_totals(payout.program, payout.id, &gone);
            self.line.version = 0;
            return Some(commit);
        }
        if self.line.version == 0 {
            commit.active(participant);
        } else {
            // A line that was begun is gone on with.
            commit.not_merged(participant);
        }
        let step = payout::next_move(&credits(&self.lots), self.receivable);
        let (unit, was) = (unit_of(payout), self.line.version);
        let owed = Account::Liability(participant);
        let (theirs, listed) = (
            Account::Receivable(participant),
            Account::InPayout(participant),
        );
        commit
            .ledger(
                LedgerReason::Netted,
                None,
                &transfer(owed, theirs, unit, step.netted),
            )
            .ledger(
                LedgerReason::PayoutListed,
                None,
                &transfer(owed, listed, unit, step.listed),
            )
            .caused_by(payout.id)
            .balance_guard(participant, unit, BalanceGuard::Receivable(self.receivable));
        for lot in self.lots.drain(..step.credits) {
            let used_up = lot.with_remaining(0);
            commit.lot(payout.program, participant, &used_up, Some(&lot));
            for id in lot.reward_ids {
                if !self.line.reward_ids.contains(&id) {
                    self.line.reward_ids.push(id);
                }
            }
        }
        self.receivable = self.receivable.saturating_add(step.netted);
        self.line.amount.minor = self.line.amount.minor.saturating_add(step.listed);
        self.line.version = was.saturating_add(1);
        let (was, mut totals) = match was {
            0 => (Was::Absent, one_line(1)),
            version => (Was::Version(version), PayoutTotals::default()),
        };
        totals.amount = step.listed;
        commit
            .payout_line(&self.line, was)
            .payout_totals(payout.program, payout.id, &totals);
        Some(commit)
    }
}

fn one_line(by: i64) -> PayoutTotals {
    PayoutTotals {
        lines: by,
        ..PayoutTotals::default()
    }
    .with(LineState::Open, by)
}

fn new_line(payout: &Payout, participant: ParticipantId) -> PayoutLine {
    PayoutLine {
        payout_id: payout.id,
        program: payout.program,
        participant_id: participant,
        amount: Money::zero(payout.currency),
        state: LineState::Open,
        reward_ids: Vec::new(),
        reference: None,
        followed: 0,
        version: 0,
    }
}

fn credits(lots: &[Lot]) -> Vec<Credit<'_>> {
    lots.iter()
        .map(|lot| Credit {
            remaining: lot.remaining,
            reward_ids: &lot.reward_ids,
        })
        .collect()
}
