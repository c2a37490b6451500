//! One reward: released when its hold is over, carried out, and expired when nobody used it.

use jiff::{RoundMode, SignedDuration, Timestamp, TimestampRound};
use kith_domain::fact::{Fact, FactKind};
use kith_domain::fulfilment::{Fulfilment, Question};
use kith_domain::id::{ProgramId, RewardId};
use kith_domain::ledger::{Account, Balance, transfer};
use kith_domain::money::Unit;
use kith_domain::participant::Participant;
use kith_domain::retries::wait_for_owner;
use kith_domain::reward::{Attention, Reward, RewardEvent};
use kith_edge::desk::View;
use kith_edge::telemetry;
use kith_edge::{Invocation, Outcome, Undone, WorkError};
use kith_store::items::{LedgerReason, UnitBalance, WaitingReward};
use kith_store::{BalanceGuard, Commit, EmptyList, Usable, Was, keys};

use crate::fulfil::{self, Asking};
use crate::provider::{self, Answer, Lacking, Order, Receipt};
use crate::{WORKER, Worker};

/// How long an expiry waits for points that are being spent to be taken out of their lots.
const SPENDING_WAIT: SignedDuration = SignedDuration::from_mins(1);

/// How far a reward has come.
pub(crate) enum Advanced {
    /// As far as it can.
    Done(Outcome),
    /// It is written that the shop is being asked.
    Asking(Box<Asking>),
}

/// Takes a reward as far as it can go, in one transaction. A message that comes twice, late or
/// early changes nothing more.
pub(crate) async fn advance_reward(
    worker: &Worker,
    invocation: &Invocation,
    program: ProgramId,
    id: RewardId,
) -> Result<Advanced, Undone> {
    let key = keys::reward(program, id);
    let refused = |reason| Ok(Advanced::Done(Outcome::Refused(reason)));
    let Some(view) = worker.desk.view(invocation, program, [key.clone()]).await? else {
        return refused("the program is not known");
    };
    let Some(reward) = view.loaded.read::<Reward>(&key)? else {
        return refused("the reward is not known");
    };
    let mut commit = view.commit();
    let mut asking = None;
    match reward.attention(view.program.state, view.now) {
        Attention::None => stop_waiting(&view, &mut commit, &reward).await?,
        // Not put off by whoever woke: it stands in the due index as it should.
        Attention::LookAgain(_) if view.loaded.attempts(&key) == 0 => {}
        Attention::LookAgain(at) => look_again(&mut commit, &reward, at),
        Attention::Disburse => {
            let has_time = fulfil::has_time(worker, invocation);
            asking = disburse(worker, &view, &mut commit, &reward, has_time).await?;
        }
        Attention::Expire => expire(&view, &mut commit, &reward).await?,
    }
    view.write(commit).await?;
    Ok(match asking {
        Some(asking) => Advanced::Asking(Box::new(asking)),
        None => Advanced::Done(Outcome::Done),
    })
}

/// Puts a reward back: whoever sent the message has put its due entry off.
fn look_again(commit: &mut Commit, reward: &Reward, at: Timestamp) {
    let next = Reward {
        version: reward.version.saturating_add(1),
        ..reward.clone()
    };
    commit.held_reward(&next, Was::Version(reward.version), at);
}

/// Releases a reward if it is still held, and has it carried out. Answers whom to ask, once it is
/// written that they are being asked.
async fn disburse(
    worker: &Worker,
    view: &View,
    commit: &mut Commit,
    reward: &Reward,
    has_time: bool,
) -> Result<Option<Asking>, Undone> {
    let person = keys::participant(reward.program, reward.beneficiary_id);
    let person: Option<Participant> = view.store.get_one(person).await?;
    if person
        .as_ref()
        .is_some_and(|person| person.merged_into.is_some())
    {
        // It is about to be somebody else's, and whoever carries it over wakes us again.
        return Ok(None);
    }
    if let Some(person) = person.as_ref().filter(|person| person.is_active())
        && let Some(fulfilment) = &reward.fulfilment
        && fulfilment.question_for(reward.state) == Question::Validate
    {
        return validate(view, commit, reward, person, has_time).await;
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
        return Ok(None);
    };
    let version = reward.version.saturating_add(1);
    (approved.version, issued.version) = (version, version);
    let was = Was::Version(reward.version);

    let order = Order {
        view,
        reward: &issued,
        has_time,
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
        Answer::Outside(inquiry) => {
            let person =
                person.ok_or_else(|| WorkError::new("a reward of nobody is carried out"))?;
            let asking = Asking::of(view, &approved, person, *inquiry);
            commit
                .reward(&asking.reward, was)
                .same_participant(&asking.person);
            return Ok(Some(asking));
        }
        Answer::Waiting(Lacking::Shop(later)) => {
            approved.fulfilment = Some(later);
            commit.reward(&approved, was);
        }
        // Held and released again meanwhile: whoever asks notes what becomes of it.
        Answer::UnderWay => *commit = view.commit(),
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
    Ok(None)
}

/// Asks the shop whether it agrees, before a reward is released.
async fn validate(
    view: &View,
    commit: &mut Commit,
    reward: &Reward,
    person: &Participant,
    has_time: bool,
) -> Result<Option<Asking>, Undone> {
    let mut held = reward.clone();
    held.version = reward.version.saturating_add(1);
    let was = Was::Version(reward.version);
    let order = Order {
        view,
        reward: &held,
        has_time,
    };
    match provider::ask(&order, Question::Validate, commit).await {
        Answer::Outside(inquiry) => {
            let asking = Asking::of(view, &held, person.clone(), *inquiry);
            commit.reward(&asking.reward, was).same_participant(person);
            return Ok(Some(asking));
        }
        Answer::Waiting(Lacking::Shop(later)) => {
            held.fulfilment = Some(later);
            commit.reward(&held, was);
        }
        Answer::Refused(why) => {
            // Nobody is there to agree: as with a shop that never answers, the owner decides.
            tracing::warn!(reward.id = %reward.id, why, "nobody can be asked whether they agree");
            let given_up = reward.fulfilment.as_deref().map(Fulfilment::unanswerable);
            held.fulfilment = given_up.map(Box::new);
            commit.reward(&held, was);
        }
        Answer::Unavailable(error) => return Err(error.into()),
        Answer::UnderWay | Answer::Issued(_) | Answer::Waiting(Lacking::Codes(_)) => {}
    }
    Ok(None)
}

/// Leaves a reward approved until there are codes again.
fn wait_for_codes(view: &View, commit: &mut Commit, approved: &Reward, was: Was, list: &EmptyList) {
    // Only rewards of an incentive have a list.
    let Some(incentive) = &approved.incentive_id else {
        return;
    };
    // Codes that are added wake it at once; this is for the wake that was lost. The alarm of an empty list
    // looks over as long as the longest wait, up to the full hour.
    let waited = list.since().map(|since| view.now.duration_since(since));
    let wait = wait_for_owner(waited.unwrap_or_default());
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
            .lot(program, person, &lot.with_remaining(0), Some(&lot));
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
