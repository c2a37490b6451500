//! What the shop has given: issued, settled, and taken back as far as it was withdrawn meanwhile.

use jiff::Timestamp;

use super::note::{Answered, NamedCode};
use super::{Asked, Fulfilment};
use crate::fact::{Fact, FactKind};
use crate::ledger::{Account, Line, transfer};
use crate::money::{Money, Unit};
use crate::refund::{adjust, worth};
use crate::reward::{Reward, RewardError, RewardEvent, RewardState, RewardValue};

/// Why the history says that something was taken back at once.
const OVERTAKEN: &str = "withdrawn while the shop was carrying it out";

/// A reward that the shop has carried out, and what has to be written with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Handed {
    /// The reward, its version raised.
    pub reward: Reward,
    /// What has happened.
    pub facts: Vec<Fact>,
    /// How what is pending changes.
    pub pending: Option<(Unit, i64)>,
    /// What is owed by it.
    pub issued: Vec<Line>,
    /// What is not owed any more, because the shop has given it.
    pub settled: Vec<Line>,
    /// What is taken back again.
    pub taken_back: Vec<Line>,
    /// What is left of it in its beneficiary's liability.
    pub left: Option<(Unit, i64)>,
}

/// The shop has given what it was asked for. What it gives itself is not owed any more; what it made a
/// voucher of is, until that is used. What was withdrawn since then, in part or whole, is taken back
/// as from any reward that was used. `next` is the reward with its question answered.
///
/// `Ok(None)` if it was issued already, `Err` inside if the voucher cannot be this reward's.
pub(super) fn handed(
    reward: &Reward,
    next: &Reward,
    (asked, answered): (&Asked, &Answered),
    unit_cost: Option<Money>,
    (now, by): (Timestamp, &str),
) -> Result<Result<Option<Handed>, &'static str>, RewardError> {
    let value = asked.terms.value;
    let is_withdrawn = matches!(reward.state, RewardState::Cancelled | RewardState::Rejected);
    let code = match &answered.code {
        NamedCode::Good(code) if value.is_voucher() => Some(code.clone()),
        NamedCode::Bad(why) if value.is_voucher() && reward.state == RewardState::Approved => {
            return Ok(Err(*why));
        }
        NamedCode::Good(_) | NamedCode::Bad(_) | NamedCode::None => None,
    };
    let given = Reward {
        value,
        voucher_code: code,
        fulfilment: next.fulfilment.clone().map(|fulfilment| {
            Box::new(Fulfilment {
                receipt: answered.receipt.clone(),
                ..*fulfilment
            })
        }),
        ..reward.clone()
    };
    let Some(mut given) = given.after(RewardEvent::HandedOver, now, by, None)? else {
        return Ok(Ok(None));
    };
    let mut facts = vec![Fact::of_reward(FactKind::RewardIssued, &given)];
    let (person, credit) = (reward.beneficiary_id, value.credit());
    let moves = |from, to| {
        credit.map_or_else(Vec::new, |(unit, amount)| {
            transfer(from, to, unit, amount).to_vec()
        })
    };
    let owed = Account::Liability(person);
    let issued = moves(Account::Expense, owed);
    let mut settled = Vec::new();
    let mut left = credit;
    if is_given(&given) {
        settled = moves(owed, Account::Settled(person));
        left = None;
        given = given
            .after(RewardEvent::Redeem, now, by, None)?
            .unwrap_or(given);
        facts.push(Fact::of_reward(FactKind::RewardRedeemed, &given));
    }
    let kept = if is_withdrawn {
        0
    } else {
        reward.value.number()
    };
    let in_lot = left.map_or(0, |(_, amount)| amount);
    let worth = worth(&given, None, unit_cost);
    let mut taken_back = Vec::new();
    if let Some(adjusted) = adjust(&given, kept, (worth, in_lot), true, (now, by, OVERTAKEN)) {
        given = adjusted.reward;
        if is_withdrawn && !reward.is_taken_back() {
            // Withdrawn by hand: no refund that is undone brings it back.
            given.value = reward.value;
        }
        facts.push(Fact::of_reward(adjusted.fact, &given));
        taken_back = adjusted.lines;
        if let Some((unit, by)) = adjusted.lot {
            left = Some((unit, in_lot.saturating_add(by)));
        }
    }
    given.version = next.version;
    let held = reward.value.credit().filter(|_| reward.state.is_held());
    Ok(Ok(Some(Handed {
        reward: given,
        facts,
        pending: held.map(|(unit, amount)| (unit, amount.saturating_neg())),
        issued,
        settled,
        taken_back,
        left,
    })))
}

/// Whether nothing is left to be used of what the shop has done: it made no voucher of it.
fn is_given(reward: &Reward) -> bool {
    match reward.value {
        RewardValue::Cash(_) | RewardValue::Points(_) => true,
        RewardValue::FreeProduct { .. } => reward.voucher_code.is_none(),
        RewardValue::Discount(_) => false,
    }
}
