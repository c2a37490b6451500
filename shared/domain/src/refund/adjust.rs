//! Bringing a reward to what is kept of it.

use jiff::Timestamp;

use super::worth::{Worth, was_used};
use crate::fact::FactKind;
use crate::ledger::{Account, Line, transfer};
use crate::money::Unit;
use crate::reward::{HISTORY_MAX, Reward, RewardEvent, RewardState, Transition};

/// What a change does to the limits and budgets that a reward counts towards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// It counts as before.
    AsBefore,
    /// It counts no more: it was taken back whole before it was issued.
    NoMore,
    /// It counts again.
    Again,
}

/// A reward brought to what is kept of it, and what has to be written with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adjusted {
    /// The reward, its version raised.
    pub reward: Reward,
    /// What has happened.
    pub fact: FactKind,
    /// How what is pending changes.
    pub pending: Option<(Unit, i64)>,
    /// How what is left of its lot changes. What leaves a lot is never more than it has.
    pub lot: Option<(Unit, i64)>,
    /// What moves in the ledger.
    pub lines: Vec<Line>,
    /// What becomes of its limits and budgets.
    pub counted: Counted,
}

/// Who adjusts, when and why, for the history.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) now: Timestamp,
    pub(super) by: &'a str,
    pub(super) reason: &'a str,
}

/// Brings a reward to the number that is kept of it; `None` if it is there, or if refunds do not
/// touch it any more. `worth` is what its number comes to (see [`super::worth`]) and `lot` what is
/// left of its lot in that unit. `room`: whether the limits and budgets that it counted towards would
/// take it again.
///
/// Not issued: it is worth less, and cancelled at nothing. Issued or used: what is taken back leaves
/// its lot first, and what is gone already is owed by the beneficiary; at nothing it is clawed back.
/// An unused voucher is as good as its reward and leaves nobody owing anything. What was rejected,
/// cancelled otherwise, or has expired is left alone.
///
/// The way back is the same, except that it credits a lot and leaves what is owed to be netted; what
/// was cancelled is held again, and judged by the worker from there on; and a voucher that was used
/// stays used.
#[must_use]
pub fn adjust(
    reward: &Reward,
    kept: i64,
    (worth, lot): (Option<Worth>, i64),
    room: bool,
    (now, by, reason): (Timestamp, &str, &str),
) -> Option<Adjusted> {
    let entry = Entry { now, by, reason };
    let (before, kept) = (reward.value.number(), kept.max(0));
    if kept == before {
        return None;
    }
    let more = kept > before;
    match reward.state {
        RewardState::Pending | RewardState::Approved | RewardState::Failed => {
            Some(before_issue(reward, kept, &entry))
        }
        RewardState::Cancelled if more && room && reward.is_taken_back() => {
            Some(before_issue(reward, kept, &entry))
        }
        RewardState::Issued | RewardState::Redeemed => {
            Some(after_issue(reward, kept, worth, lot, &entry))
        }
        RewardState::ClawedBack if more && reward.is_taken_back() => {
            Some(after_issue(reward, kept, worth, lot, &entry))
        }
        RewardState::Cancelled
        | RewardState::ClawedBack
        | RewardState::Rejected
        | RewardState::Expired => None,
    }
}

fn before_issue(reward: &Reward, kept: i64, entry: &Entry<'_>) -> Adjusted {
    let next = moved(reward, kept, entry);
    let held = |reward: &Reward| reward.value.credit().map_or(0, |(_, amount)| amount);
    let by = held(&next).saturating_sub(held(reward));
    let (counted, fact) = match (reward.state, next.state) {
        (RewardState::Cancelled, _) => (Counted::Again, FactKind::RewardReduced),
        (_, RewardState::Cancelled) => (Counted::NoMore, FactKind::RewardCancelled),
        (_, _) => (Counted::AsBefore, FactKind::RewardReduced),
    };
    Adjusted {
        pending: next.value.credit().map(|(unit, _)| (unit, by)),
        reward: next,
        fact,
        lot: None,
        lines: Vec::new(),
        counted,
    }
}

fn after_issue(
    reward: &Reward,
    kept: i64,
    worth: Option<Worth>,
    lot: i64,
    entry: &Entry<'_>,
) -> Adjusted {
    let next = moved(reward, kept, entry);
    let fact = if next.state == RewardState::ClawedBack {
        FactKind::RewardClawedBack
    } else {
        FactKind::RewardReduced
    };
    let mut adjusted = Adjusted {
        reward: next,
        fact,
        pending: None,
        lot: None,
        lines: Vec::new(),
        counted: Counted::AsBefore,
    };
    let Some(worth) = worth else {
        return adjusted;
    };
    let person = reward.beneficiary_id;
    let (owed, charged) = (Account::Liability(person), Account::Receivable(person));
    let by = worth
        .at(kept)
        .saturating_sub(worth.at(reward.value.number()));
    if by > 0 {
        adjusted.lot = Some((worth.unit, by));
        let lines = transfer(Account::Expense, owed, worth.unit, by);
        adjusted.lines.extend(lines);
        return adjusted;
    }
    let taken = by.saturating_neg();
    let from_lot = taken.min(lot.max(0));
    if from_lot > 0 {
        adjusted.lot = Some((worth.unit, from_lot.saturating_neg()));
        let lines = transfer(owed, Account::Expense, worth.unit, from_lot);
        adjusted.lines.extend(lines);
    }
    let gone = taken.saturating_sub(from_lot);
    let is_owed = was_used(reward) || !reward.value.is_voucher();
    if gone > 0 && is_owed {
        let lines = transfer(charged, Account::Expense, worth.unit, gone);
        adjusted.lines.extend(lines);
    }
    adjusted
}

/// The reward with another number, in the state that comes with it.
fn moved(reward: &Reward, kept: i64, entry: &Entry<'_>) -> Reward {
    let Entry { now, by, reason } = *entry;
    let events: &[RewardEvent] = if kept == 0 {
        &[RewardEvent::TakeBack]
    } else if !reward.is_taken_back() {
        &[]
    } else if was_used(reward) && reward.value.is_voucher() {
        // The voucher was used: it does not become another one.
        &[RewardEvent::Restore, RewardEvent::Redeem]
    } else {
        &[RewardEvent::Restore]
    };
    let mut next = reward.clone();
    for event in events {
        // Neither depends on the end of the hold, and both are legal wherever they are asked for.
        if let Ok(Some(after)) = next.after(*event, now, by, Some(reason)) {
            next = after;
        }
    }
    if events.is_empty() && next.history.len() < HISTORY_MAX {
        next.history.push(Transition {
            to: next.state,
            at: now,
            by: by.to_owned(),
            reason: Some(reason.to_owned()),
        });
    }
    next.value = reward.value.with_number(kept);
    next.version = reward.version.saturating_add(1);
    next
}
