//! Points that were spent: the lots that they came from follow, oldest first, and the rewards that
//! are used up with them; and back again, when a redemption is reversed.

use std::collections::BTreeSet;

use kith_domain::fact::{Fact, FactKind};
use kith_domain::id::{ParticipantId, ProgramId, RedemptionId, RewardId};
use kith_domain::redemption::{Redemption, STEP_LOTS_MAX, ToFollow, take};
use kith_domain::reward::{Reward, RewardEvent};
use kith_edge::desk::View;
use kith_edge::{Invocation, Outcome, Undone, WorkError, decide_at_most};
use kith_store::items::{LedgerReason, Lot, OpenRedemption, RedemptionPart};
use kith_store::{Commit, Was, keys};

use crate::{RACES_MAX, WORKER, Worker, has_time, overtaken};

/// More redemptions of one participant are not open at a time.
const OPEN_MAX: u16 = 100;

/// A redemption to follow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spending {
    pub(crate) program: ProgramId,
    pub(crate) participant: ParticipantId,
    pub(crate) id: RedemptionId,
}

/// How a step ended.
enum Step {
    /// There is more to do.
    More,
    /// Nothing is left to do, or not now.
    Ended(Outcome),
}

/// Takes a redemption as far as it can go, a transaction for every forty lots. What there was no time
/// for, the due entry finds again.
pub(crate) async fn follow_redemption(
    worker: &Worker,
    invocation: &Invocation,
    spending: Spending,
) -> Result<Outcome, WorkError> {
    while has_time(&worker.desk, invocation) {
        match decide_at_most(RACES_MAX, || step(worker, invocation, spending)).await? {
            Step::More => {}
            Step::Ended(outcome) => return Ok(outcome),
        }
    }
    Ok(Outcome::Done)
}

async fn step(
    worker: &Worker,
    invocation: &Invocation,
    spending: Spending,
) -> Result<Step, Undone> {
    let key = keys::redemption(spending.program, spending.participant, spending.id);
    let view = worker
        .desk
        .view(invocation, spending.program, [key.clone()])
        .await?;
    let Some(view) = view else {
        return Ok(Step::Ended(Outcome::Refused("the program is not known")));
    };
    let Some(redemption) = view.loaded.read::<Redemption>(&key)? else {
        return Ok(Step::Ended(Outcome::Refused("the redemption is not known")));
    };
    let mut commit = view.commit();
    let next = match redemption.to_follow() {
        ToFollow::Nothing => None,
        ToFollow::Take(wanted) => take_from_lots(&view, &mut commit, &redemption, wanted).await?,
        ToFollow::GiveBack(part) => Some(give_back(&view, &mut commit, &redemption, part).await?),
    };
    let Some(next) = next else {
        return Ok(Step::Ended(Outcome::Done));
    };
    commit.redemption(&next, Some(&redemption));
    match view.write(commit).await {
        Ok(_) if next.open => Ok(Step::More),
        Ok(_) => Ok(Step::Ended(Outcome::Done)),
        // Whoever is ahead goes on with it.
        Err(error) if overtaken::<Redemption>(&error) => Ok(Step::Ended(Outcome::Done)),
        Err(error) => Err(error.into()),
    }
}

/// Takes what is wanted from the oldest lots. `None` when it has to wait.
async fn take_from_lots(
    view: &View,
    commit: &mut Commit,
    redemption: &Redemption,
    wanted: i64,
) -> Result<Option<Redemption>, Undone> {
    let (program, person) = (redemption.program, redemption.participant_id);
    let prefix = keys::lots(program, person, redemption.unit);
    // One more than a step takes tells whether there are more.
    let limit = u16::try_from(STEP_LOTS_MAX)
        .unwrap_or(u16::MAX)
        .saturating_add(1);
    let lots: Vec<Lot> = view.store.starting_with(&prefix, limit).await?;
    let left: Vec<i64> = lots.iter().map(|lot| lot.remaining).collect();
    let taken = take(&left, wanted);
    let sum = taken
        .iter()
        .fold(0i64, |sum, part| sum.saturating_add(*part));
    let next = redemption.after_taking(sum, lots.len() > taken.len());
    if next.uncovered > 0 {
        if others_come_back(view, redemption).await? {
            return Ok(None);
        }
        commit
            .ledger(LedgerReason::Redeemed, None, &next.owing())
            .caused_by(redemption.id);
    }
    let (mut noted, mut used_up) = (Vec::new(), BTreeSet::new());
    for (lot, part) in lots.iter().zip(taken) {
        let rest = lot.with_remaining(lot.remaining.saturating_sub(part));
        if rest.remaining <= 0 {
            used_up.extend(lot.reward_ids.iter().copied());
        }
        commit.lot(program, person, &rest, Some(lot));
        noted.push(Lot {
            remaining: part,
            ..lot.clone()
        });
    }
    if !noted.is_empty() {
        commit.redemption_part(redemption, &RedemptionPart { taken: noted });
    }
    for reward in move_rewards(view, commit, program, used_up, RewardEvent::Redeem).await? {
        commit.fact(Fact::of_reward(FactKind::RewardRedeemed, &reward));
    }
    Ok(Some(next))
}

/// Whether another redemption of the participant is being reversed: its lots are on their way back.
async fn others_come_back(view: &View, redemption: &Redemption) -> Result<bool, Undone> {
    let prefix = keys::open_redemptions(redemption.program, redemption.participant_id);
    let open: Vec<OpenRedemption> = view.store.starting_with(&prefix, OPEN_MAX).await?;
    Ok(open
        .iter()
        .any(|other| other.reversed && other.redemption_id != redemption.id))
}

/// Gives back what was noted in a part.
async fn give_back(
    view: &View,
    commit: &mut Commit,
    redemption: &Redemption,
    part: u32,
) -> Result<Redemption, Undone> {
    let (program, person) = (redemption.program, redemption.participant_id);
    let key = keys::redemption_part(program, person, redemption.id, part);
    let noted: Option<RedemptionPart> = view.store.get_one(key).await?;
    // Somebody gave it back between our two reads: the redemption says so by now.
    let Some(noted) = noted else {
        return Err(Undone::Outdated);
    };
    let place = |lot: &Lot| keys::lot(program, person, lot.unit, lot.credited_at, &lot.name);
    let present = view.store.get(noted.taken.iter().map(place)).await?;
    let (mut sum, mut returned) = (0i64, BTreeSet::new());
    for taken in &noted.taken {
        sum = sum.saturating_add(taken.remaining);
        returned.extend(taken.reward_ids.iter().copied());
        match present.read::<Lot>(&place(taken))? {
            Some(lot) => {
                let whole = lot.remaining.saturating_add(taken.remaining);
                commit.lot(program, person, &lot.with_remaining(whole), Some(&lot));
            }
            None => {
                let anew = Lot {
                    version: 1,
                    ..taken.clone()
                };
                commit.lot(program, person, &anew, None);
            }
        }
    }
    commit.no_redemption_part(redemption, part);
    move_rewards(view, commit, program, returned, RewardEvent::Return).await?;
    Ok(redemption.after_giving_back(sum))
}

/// Moves rewards with the lots that they lay in. One that is elsewhere by now stays there.
async fn move_rewards(
    view: &View,
    commit: &mut Commit,
    program: ProgramId,
    ids: BTreeSet<RewardId>,
    event: RewardEvent,
) -> Result<Vec<Reward>, Undone> {
    let mut moved = Vec::new();
    if ids.is_empty() {
        return Ok(moved);
    }
    let place = |id: &RewardId| keys::reward(program, *id);
    let loaded = view.store.get(ids.iter().map(place)).await?;
    for id in &ids {
        let Some(reward) = loaded.read::<Reward>(&place(id))? else {
            continue;
        };
        if let Ok(Some(mut next)) = reward.after(event, view.now, WORKER, None) {
            next.version = reward.version.saturating_add(1);
            commit.reward(&next, Was::Version(reward.version));
            moved.push(next);
        }
    }
    Ok(moved)
}
