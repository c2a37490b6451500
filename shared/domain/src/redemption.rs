//! Spending points. The points move at once; which lots they came from, and which rewards are used
//! up by it, follows, oldest first.

use jiff::Timestamp;

use crate::id::{ParticipantId, ProgramId, RedemptionId};
use crate::ledger::{Account, Line, transfer};
use crate::money::Unit;
use crate::text::ExternalId;
use crate::words::words;

/// The most lots that are taken from, or given back to, in one transaction.
pub const STEP_LOTS_MAX: usize = 40;

words! {
    /// Where a redemption is.
    pub enum RedemptionState {
        /// The points are spent.
        Redeemed = "redeemed",
        /// They were not spent after all.
        Reversed = "reversed",
    }
}

/// One spending of points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redemption {
    /// Its id.
    pub id: RedemptionId,
    /// The program.
    pub program: ProgramId,
    /// Who spends.
    pub participant_id: ParticipantId,
    /// The shop's own name of it.
    pub external_id: ExternalId,
    /// In what: points.
    pub unit: Unit,
    /// How much, at least 1.
    pub amount: i64,
    /// Where it is.
    pub state: RedemptionState,
    /// How much of it was taken from lots so far.
    pub assigned: i64,
    /// How much no lot was left for, because it had been taken back meanwhile: the participant owes it.
    pub uncovered: i64,
    /// In how many parts the lots are noted that it was taken from.
    pub parts: u32,
    /// Whether lots and rewards have yet to follow.
    pub open: bool,
    /// When it was recorded, on the program's clock.
    pub created_at: Timestamp,
    /// When it was reversed.
    pub reversed_at: Option<Timestamp>,
    /// Who recorded it.
    pub by: String,
    /// Counts writes; guards every change.
    pub version: u64,
}

/// What lots and rewards have to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToFollow {
    /// Nothing: they did.
    Nothing,
    /// So much has yet to be taken from lots.
    Take(i64),
    /// What was noted in this part has to be given back.
    GiveBack(u32),
}

impl Redemption {
    /// What has to follow next.
    #[must_use]
    pub fn to_follow(&self) -> ToFollow {
        match (self.open, self.state, self.parts) {
            (false, _, _) => ToFollow::Nothing,
            (true, RedemptionState::Redeemed, _) => {
                ToFollow::Take(self.amount.saturating_sub(self.assigned))
            }
            (true, RedemptionState::Reversed, 0) => ToFollow::Nothing,
            (true, RedemptionState::Reversed, parts) => ToFollow::GiveBack(parts.saturating_sub(1)),
        }
    }

    /// The redemption when so much more was taken from lots, and whether there are further ones.
    /// What no lot is left for is owed.
    #[must_use]
    pub fn after_taking(&self, taken: i64, more: bool) -> Self {
        let mut next = self.next();
        next.assigned = self.assigned.saturating_add(taken);
        if taken > 0 {
            next.parts = self.parts.saturating_add(1);
        }
        if next.assigned >= self.amount || !more {
            next.uncovered = self.amount.saturating_sub(next.assigned).max(0);
            next.open = false;
        }
        next
    }

    /// The redemption when its last part was given back.
    #[must_use]
    pub fn after_giving_back(&self, given: i64) -> Self {
        let mut next = self.next();
        next.assigned = self.assigned.saturating_sub(given);
        next.parts = self.parts.saturating_sub(1);
        next.open = next.parts > 0;
        next
    }

    /// The redemption when it is reversed, and what moves at once; `None` when it was before.
    #[must_use]
    pub fn reverse(&self, now: Timestamp) -> Option<(Self, Vec<Line>)> {
        match self.state {
            RedemptionState::Reversed => None,
            RedemptionState::Redeemed => {
                let mut next = self.next();
                next.state = RedemptionState::Reversed;
                next.reversed_at = Some(now);
                next.open = self.parts > 0;
                next.uncovered = 0;
                let id = self.participant_id;
                let (liability, owed) = (Account::Liability(id), Account::Receivable(id));
                let moved = |from, to, amount| transfer(from, to, self.unit, amount);
                let mut lines = moved(Account::Settled(id), liability, self.amount).to_vec();
                if self.uncovered > 0 {
                    lines.extend(moved(liability, owed, self.uncovered));
                }
                Some((next, lines))
            }
        }
    }

    /// What moves when it is recorded.
    #[must_use]
    pub fn spending(&self) -> [Line; 2] {
        let id = self.participant_id;
        let (from, to) = (Account::Liability(id), Account::Settled(id));
        transfer(from, to, self.unit, self.amount)
    }

    /// What moves when no lots are left for a part of it.
    #[must_use]
    pub fn owing(&self) -> [Line; 2] {
        let id = self.participant_id;
        let (from, to) = (Account::Receivable(id), Account::Liability(id));
        transfer(from, to, self.unit, self.uncovered)
    }

    fn next(&self) -> Self {
        Self {
            version: self.version.saturating_add(1),
            ..self.clone()
        }
    }
}

/// How much is taken of each lot, oldest first, until there is enough.
#[must_use]
pub fn take(lots: &[i64], wanted: i64) -> Vec<i64> {
    let mut open = wanted;
    let mut taken = Vec::new();
    for lot in lots.iter().take(STEP_LOTS_MAX) {
        if open <= 0 {
            break;
        }
        let part = (*lot).min(open);
        open = open.saturating_sub(part);
        taken.push(part);
    }
    taken
}

#[cfg(test)]
mod tests;
