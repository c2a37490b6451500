//! One reward: released when its hold is over, carried out, and expired when nobody used it.

use jiff::{RoundMode, SignedDuration, Timestamp, TimestampRound};
use kith_domain::fact::{Fact, FactKind};
use kith_domain::id::{ProgramId, RewardId};
use kith_domain::ledger::{Account, Balance, transfer};
use kith_domain::money::Unit;
use kith_domain::participant::Participant;
use kith_domain::reward::{Attention, Reward, RewardEvent};
use kith_edge::desk::View;
use kith_edge::telemetry;
use kith_edge::{Invocation, Outcome, Undone, WorkError};
use kith_store::items::{LedgerReason, UnitBalance, WaitingReward};
use kith_store::{BalanceGuard, Commit, EmptyList, Usable, Was, keys};

use crate::provider::{self, Answer, Lacking, Order, Receipt};
use crate::{WORKER, Worker};

/// The shortest time after which a reward that waits for a code is looked at again. Codes that are
/// added wake it at once; this is for the wake that was lost.
const CODES_WAIT_MIN: SignedDuration = SignedDuration::from_hours(1);
/// The longest; up to a full hour comes on top. The alarm of an empty list looks over as long.
const CODES_WAIT_MAX: SignedDuration = SignedDuration::from_hours(5);
/// In between, this part of the time that it has waited already.
const CODES_WAIT_PART: i32 = 4;
/// How long an expiry waits for points that are being spent to be taken out of their lots.
const SPENDING_WAIT: SignedDuration = SignedDuration::from_mins(1);

/// Takes a reward as far as it can go, in one transaction. A message that comes twice, late or
/// early changes nothing more.
pub(crate) async fn advance_reward(
    worker: &Worker,
    invocation: &Invocation,
    program: ProgramId,
    id: RewardId,
) -> Result<Outcome, Undone> {
    let key = keys::reward(program, id);
    let Some(view) = worker.desk.view(invocation, program, [key.clone()]).await? else {
        return Ok(Outcome::Refused("the program is not known"));
    };
    let Some(reward) = view.loaded.read::<Reward>(&key)? else {
        return Ok(Outcome::Refused("the reward is not known"));
    };
    let mut commit = view.commit();
    match reward.attention(view.program.state, view.now) {
        Attention::None => stop_waiting(&view, &mut commit, &reward).await?,
        // Not put off by whoever woke: it stands in the due index as it should.
        Attention::LookAgain(_) if view.loaded.attempts(&key) == 0 => {}
        Attention::LookAgain(at) => look_again(&mut commit, &reward, at),
        Attention::Disburse => disburse(worker, &view, &mut commit, &reward).await?,
        Attention::Expire => expire(&view, &mut commit, &reward).await?,
    }
    view.write(commit).await?;
    Ok(Outcome::Done)
}

/// Puts a reward back: whoever sent the message has put its due entry off.
fn look_again(commit: &mut Commit, reward: &Reward, at: Timestamp) {
    let next = Reward {
        version: reward.version.saturating_add(1),
        ..reward.clone()
    };
    commit.held_reward(&next, Was::Version(reward.version), at);
}

/// Releases a reward if it is still held, and has it carried out.
async fn disburse(
    worker: &Worker,
    view: &View,
    commit: &mut Commit,
    reward: &Reward,
) -> Result<(), Undone> {
    let person = keys::participant(reward.program, reward.beneficiary_id);
    let person: Option<Participant> = view.store.get_one(person).await?;
    if person
        .as_ref()
        .is_some_and(|person| person.merged_into.is_some())
    {
        // It is about to be somebody else's, and whoever carries it over wakes us again.
        return Ok(());
    }
    let after = |reward: &Reward, event, reason| {
        let next = reward.after(event, view.now, WORKER, reason);
        next.map_err(WorkError::from)
    };
    let released = after(reward, RewardEvent::HoldElapsed, None)?;
    if let Some(released) = &released {
        commit.fact(Fact::of_reward(FactKind::RewardApproved, released));
    }
    let mut approved = released.unwrap_or_else(|| reward.clone());
    let Some(mut issued) = after(&approved, RewardEvent::Disbursed, None)? else {
        return Ok(());
    };
    let version = reward.version.saturating_add(1);
    (approved.version, issued.version) = (version, version);
    let was = Was::Version(reward.version);

    let order = Order {
        view,
        reward: &issued,
    };
    let key = order.idempotency_key();
    match provider::issue(&order, person.as_ref(), commit).await {
        Answer::Issued(receipt) => {
            if let Receipt::Voucher(code) = receipt {
                issued.voucher_code = Some(code);
            }
            commit
                .reward(&issued, was)
                .fact(Fact::of_reward(FactKind::RewardIssued, &issued));
            // Not their counters, which everybody who buys through them writes.
            if let Some(person) = &person {
                commit.same_participant(person);
            }
        }
        Answer::Waiting(Lacking::Codes(list)) => {
            worker
                .metrics
                .put(&[("VoucherListEmpty", 1, telemetry::Unit::Count)]);
            tracing::warn!(provider.key = key, "the reward waits for voucher codes");
            wait_for_codes(view, commit, &approved, was, &list);
        }
        Answer::Refused(why) => {
            tracing::warn!(provider.key = key, why, "the reward was refused");
            let failed = after(&approved, RewardEvent::DisbursementFailed, Some(why))?;
            let failed = failed.unwrap_or(approved);
            commit
                .reward(&failed, was)
                .fact(Fact::of_reward(FactKind::RewardFailed, &failed));
        }
        Answer::Unavailable(error) => return Err(error.into()),
    }
    Ok(())
}

/// Leaves a reward approved until there are codes again.
fn wait_for_codes(view: &View, commit: &mut Commit, approved: &Reward, was: Was, list: &EmptyList) {
    // Only rewards of an incentive have a list.
    let Some(incentive) = &approved.incentive_id else {
        return;
    };
    let waited = list.since().map(|since| view.now.duration_since(since));
    let part = waited.unwrap_or_default().checked_div(CODES_WAIT_PART);
    let wait = part
        .unwrap_or_default()
        .clamp(CODES_WAIT_MIN, CODES_WAIT_MAX);
    // On the hour, so that a test clock need not stop for each of them.
    let hour = TimestampRound::new()
        .smallest(jiff::Unit::Hour)
        .mode(RoundMode::Ceil);
    let at = view.now.checked_add(wait).and_then(|at| at.round(hour));
    let at = at.unwrap_or(Timestamp::MAX);
    commit.wait_for_voucher(incentive, approved, was, list, at);
}

/// A reward that is done, or was withdrawn, waits for no code.
async fn stop_waiting(view: &View, commit: &mut Commit, reward: &Reward) -> Result<(), Undone> {
    let Some(incentive) = &reward.incentive_id else {
        return Ok(());
    };
    if !reward.value.is_voucher() {
        return Ok(());
    }
    let key = keys::waiting_for_voucher(reward.program, incentive, reward.id);
    let waiting: Option<WaitingReward> = view.store.get_one(key).await?;
    if let Some(waiting) = waiting {
        commit.no_longer_waiting(reward.program, incentive, &waiting);
    }
    Ok(())
}

/// Ends what was not used in time: what is left of it is not owed any more. Of money that is listed
/// in a payout, and of points that were spent, nothing is left: such a reward does not expire.
async fn expire(view: &View, commit: &mut Commit, reward: &Reward) -> Result<(), Undone> {
    let was = Was::Version(reward.version);
    let version = reward.version.saturating_add(1);
    if let Some((unit, _)) = reward.value.credit() {
        let (person, program) = (reward.beneficiary_id, reward.program);
        // In this order: points that are spent after this read change the balance, and those that
        // were spent before it show in the next one.
        let balance: Option<UnitBalance> = view
            .store
            .get_one(keys::balance(program, person, unit))
            .await?;
        let spending = keys::open_redemptions(program, person);
        if unit == Unit::Points && view.store.holds_any(&spending).await? {
            let at = view.now.checked_add(SPENDING_WAIT);
            look_again(commit, reward, at.unwrap_or(Timestamp::MAX));
            return Ok(());
        }
        let usable = Usable::of_reward(&view.store, reward.clone()).await?;
        let Some(lot) = usable.lot else {
            let kept = Reward {
                expires_at: None,
                version,
                ..reward.clone()
            };
            commit.reward(&kept, was);
            return Ok(());
        };
        let lines = transfer(
            Account::Liability(person),
            Account::Expense,
            unit,
            lot.remaining,
        );
        if unit == Unit::Points {
            let balance = balance.map_or(Balance::default(), |found| found.balance);
            commit.balance_guard(person, unit, BalanceGuard::Unchanged(balance));
        }
        commit
            .ledger(LedgerReason::RewardExpired, Some(reward.id), &lines)
            .lot(
                program,
                person,
                &lot.with_remaining(0),
                Was::Version(lot.version),
            );
    }
    let expired = reward.after(RewardEvent::Expire, view.now, WORKER, None);
    let Some(mut expired) = expired.map_err(WorkError::from)? else {
        return Ok(());
    };
    expired.version = version;
    commit
        .reward(&expired, was)
        .fact(Fact::of_reward(FactKind::RewardExpired, &expired));
    Ok(())
}
