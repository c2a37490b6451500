//! Who carries out a reward. The seam behind which every way to give somebody something stands.
//!
//! A provider is asked under a key that stays the same for as long as the reward lives. One that
//! gives within the table writes into the transaction that issues the reward, so that both happen
//! or neither does. One that gives elsewhere sends the key along, and may be asked again after an
//! answer was lost.

mod ledger;
mod points;
mod voucher;
mod webhook;

use kith_domain::fulfilment::{Fulfilment, Question};
use kith_domain::ledger::{Account, transfer};
use kith_domain::participant::Participant;
use kith_domain::reward::{Reward, RewardValue};
use kith_edge::WorkError;
use kith_edge::desk::View;
use kith_store::items::{LedgerReason, Lot};
use kith_store::{Commit, EmptyList};

use self::ledger::Ledger;
use self::points::Points;
use self::voucher::Vouchers;
use self::webhook::Shop;

pub(crate) use self::webhook::Inquiry;

/// One request to carry out a reward.
pub(crate) struct Order<'a> {
    /// The program as it is, and the way to the table.
    pub(crate) view: &'a View,
    /// The reward as it will be once it is issued.
    pub(crate) reward: &'a Reward,
    /// Whether there is time to wait for somebody outside.
    pub(crate) has_time: bool,
}

impl Order<'_> {
    /// The key under which a provider carries the reward out once, however often it is asked.
    pub(crate) fn idempotency_key(&self) -> String {
        Question::Fulfil.key(self.reward.id)
    }
}

/// What a provider gave.
#[derive(Debug)]
pub(crate) enum Receipt {
    /// What it is worth lies in the beneficiary's balance.
    Credited,
    /// A voucher.
    Voucher(kith_domain::code::VoucherCode),
}

/// What has to come before a reward can be carried out.
#[derive(Debug)]
pub(crate) enum Lacking {
    /// Codes of the owner's list.
    Codes(Box<EmptyList>),
    /// The shop is to be left alone for a while.
    Shop(Box<Fulfilment>),
}

/// What a provider answers.
#[derive(Debug)]
pub(crate) enum Answer {
    /// It is carried out; whatever that writes stands in the commit.
    Issued(Receipt),
    /// Not now: something has to come first. The reward stays approved.
    Waiting(Lacking),
    /// Not at all, as things are. The reward fails until somebody has it tried again.
    Refused(&'static str),
    /// Somebody outside is to be asked, once it is written that they are. The reward stays approved.
    Outside(Box<Inquiry>),
    /// Somebody is asking already.
    UnderWay,
    /// The provider did not answer. The same is asked again, under the same key.
    Unavailable(WorkError),
}

/// A way to carry out rewards.
pub(crate) trait Provider {
    /// Carries out a reward, or says why not. Asked again under the same key it gives nothing twice.
    fn issue(&self, order: &Order<'_>, commit: &mut Commit) -> impl Future<Output = Answer> + Send;
}

/// Has the provider of its kind carry out a reward.
pub(crate) async fn issue(
    order: &Order<'_>,
    beneficiary: Option<&Participant>,
    commit: &mut Commit,
) -> Answer {
    if !beneficiary.is_some_and(Participant::is_active) {
        return Answer::Refused("the beneficiary is suspended");
    }
    if order.reward.fulfilment.is_some() {
        return ask(order, Question::Fulfil, commit).await;
    }
    match order.reward.value {
        RewardValue::Cash(_) => Ledger.issue(order, commit).await,
        RewardValue::Points(_) => Points.issue(order, commit).await,
        RewardValue::Discount(_) | RewardValue::FreeProduct { .. } => {
            Vouchers.issue(order, commit).await
        }
    }
}

/// Has the shop asked about a reward that it carries out itself.
pub(crate) async fn ask(order: &Order<'_>, question: Question, commit: &mut Commit) -> Answer {
    let shop = Shop {
        question,
        has_time: order.has_time,
    };
    shop.issue(order, commit).await
}

/// Puts what a reward is worth into its beneficiary's liability, with a lot of its own: the program
/// owes it from now on. What was pending is so no longer.
fn credit(commit: &mut Commit, reward: &Reward) {
    let Some(lot) = Lot::of_reward(reward) else {
        return;
    };
    let (person, unit, amount) = (reward.beneficiary_id, lot.unit, lot.remaining);
    let lines = transfer(Account::Expense, Account::Liability(person), unit, amount);
    commit
        .ledger(LedgerReason::RewardIssued, Some(reward.id), &lines)
        .pending(person, unit, amount.saturating_neg())
        .lot(reward.program, person, &lot, None);
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use kith_domain::id::RewardId;

    /// Providers keep it: a changed key pays again.
    #[test]
    fn the_key_of_a_reward_never_changes() {
        let id = RewardId::floor_of(Timestamp::UNIX_EPOCH);
        let key = Question::Fulfil.key(id);
        assert_eq!(key, "rwd_00000000000000000000000000:issue");
        // The tightest bound of the rails that come later.
        assert!(key.len() <= 63);
    }
}
