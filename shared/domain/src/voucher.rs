//! Using a voucher: the same whether it is named by its reward, by its code, or by a conversion.

use jiff::Timestamp;

use crate::ledger::{Account, Line, transfer};
use crate::money::Unit;
use crate::reward::{Reward, RewardError, RewardEvent, RewardState};
use crate::text::ExternalId;

/// Who wants to use a voucher, and for what.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// What it is to be used for, in the shop's own name: an order. By hand it need not be said.
    pub used_for: Option<&'a ExternalId>,
    /// Who asks, for the history.
    pub by: &'a str,
    /// The reason given, for the history.
    pub reason: Option<&'a str>,
}

/// What using a voucher comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Use {
    /// It is used now: the reward as it becomes.
    Now(Box<Reward>),
    /// It was used before, for the same thing.
    Before,
}

/// Why a voucher cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VoucherRefusal {
    /// It was used for something else.
    #[error("the voucher was used already")]
    Redeemed,
    /// Its time is over.
    #[error("the voucher has expired")]
    Expired,
    /// The reward behind it was taken back, or is not a voucher.
    #[error("the voucher's reward is {0}")]
    Void(RewardState),
}

/// Judges the use of a reward's voucher. `used_for` is what it was used for before, as far as that
/// was said.
///
/// # Errors
/// [`VoucherRefusal`]. What has expired is refused from that instant on, whether or not somebody
/// has looked at it since.
pub fn use_voucher(
    reward: &Reward,
    used_for: Option<&ExternalId>,
    claim: Claim<'_>,
    now: Timestamp,
) -> Result<Use, VoucherRefusal> {
    if !reward.value.is_voucher() {
        return Err(VoucherRefusal::Void(reward.state));
    }
    if reward.state == RewardState::Issued && reward.expires_at.is_some_and(|at| at <= now) {
        return Err(VoucherRefusal::Expired);
    }
    match reward.after(RewardEvent::Redeem, now, claim.by, claim.reason) {
        Ok(Some(redeemed)) => Ok(Use::Now(Box::new(redeemed))),
        Ok(None) if claim.used_for.is_none() || claim.used_for == used_for => Ok(Use::Before),
        Ok(None) => Err(VoucherRefusal::Redeemed),
        Err(RewardError::NotAllowed {
            from: RewardState::Expired,
            ..
        }) => Err(VoucherRefusal::Expired),
        Err(RewardError::NotAllowed { from, .. }) => Err(VoucherRefusal::Void(from)),
        Err(RewardError::StillHeld { .. } | RewardError::InReview) => {
            Err(VoucherRefusal::Void(reward.state))
        }
    }
}

/// What moves when a reward is used that lies in its beneficiary's liability with so much left.
#[must_use]
pub fn settled(reward: &Reward, unit: Unit, left: i64) -> [Line; 2] {
    let person = reward.beneficiary_id;
    transfer(
        Account::Liability(person),
        Account::Settled(person),
        unit,
        left,
    )
}

#[cfg(test)]
mod tests;
