//! Carrying out an approved reward, one function per kind of value.
//!
//! All of today's kinds are carried out within the table, in the transaction that issues the reward.

use kith_domain::code::VoucherCode;
use kith_domain::ledger::{Account, transfer};
use kith_domain::money::Unit;
use kith_domain::reward::{Reward, RewardValue};
use kith_edge::desk::View;
use kith_store::items::{LedgerReason, Voucher};
use kith_store::{Commit, Was};

/// Adds to the commit what gives the beneficiary the reward's value.
pub(crate) fn disburse(view: &View, commit: &mut Commit, reward: &mut Reward) {
    match reward.value {
        RewardValue::Cash(money) => {
            credit(commit, reward, Unit::Currency(money.currency), money.minor);
        }
        RewardValue::Points(points) => credit(commit, reward, Unit::Points, points),
        RewardValue::FreeProduct { .. } | RewardValue::Discount(_) => {
            make_voucher(commit, reward, VoucherCode::generate(view.random()));
        }
    }
}

/// What was pending becomes available, and the program owes it from now on.
fn credit(commit: &mut Commit, reward: &Reward, unit: Unit, amount: i64) {
    let owed = Account::Liability(reward.beneficiary_id);
    let lines = transfer(Account::Expense, owed, unit, amount);
    commit
        .ledger(LedgerReason::RewardIssued, Some(reward.id), &lines)
        .pending(reward.beneficiary_id, unit, amount.saturating_neg());
}

/// A voucher under a code of its own; a code that is taken already refuses the commit, and the next
/// decision draws another.
fn make_voucher(commit: &mut Commit, reward: &mut Reward, code: VoucherCode) {
    commit.voucher(
        reward.program,
        &Voucher {
            code: code.clone(),
            reward_id: Some(reward.id),
            offer_id: None,
            used_for: None,
            conversion_id: None,
            version: 1,
        },
        Was::Absent,
    );
    reward.voucher_code = Some(code);
}
