//! The rewards of a payout's line follow it: redeemed when it is paid, issued again when it comes
//! back.

use kith_domain::fact::{Fact, FactKind};
use kith_domain::id::{ParticipantId, PayoutId, ProgramId, RewardId};
use kith_domain::payout::PayoutLine;
use kith_domain::reward::{Reward, RewardEvent};
use kith_edge::desk::Desk;
use kith_edge::{Invocation, Outcome, Undone, WorkError, decide};
use kith_store::{Was, keys};

use crate::{WORKER, has_time, overtaken};

/// Rewards that follow in one transaction.
const STEP: usize = 40;

/// Has the rewards of a line follow it, step by step. What is left when the time is over is found
/// due.
pub(crate) async fn follow(
    desk: &Desk,
    invocation: &Invocation,
    program: ProgramId,
    payout: PayoutId,
    participant: ParticipantId,
) -> Result<Outcome, WorkError> {
    let key = keys::payout_line(program, payout, participant);
    while has_time(desk, invocation) {
        let step = || follow_some(desk, invocation, program, key.clone());
        if let Some(outcome) = decide(step).await? {
            return Ok(outcome);
        }
    }
    Ok(Outcome::Done)
}

/// One step; `None` when there may be more.
async fn follow_some(
    desk: &Desk,
    invocation: &Invocation,
    program: ProgramId,
    key: keys::Key,
) -> Result<Option<Outcome>, Undone> {
    let Some(mut view) = desk.view(invocation, program, [key.clone()]).await? else {
        return Ok(Some(Outcome::Refused("the program is not known")));
    };
    let Some(line) = view.loaded.read::<PayoutLine>(&key)? else {
        return Ok(Some(Outcome::Refused("the payout has no such line")));
    };
    let Some(event) = line.to_follow() else {
        return Ok(Some(Outcome::Done));
    };
    let next = line.reward_ids.iter().skip(line.followed).take(STEP);
    let next: Vec<RewardId> = next.copied().collect();
    view.load(next.iter().map(|id| keys::reward(program, *id)))
        .await?;
    let mut commit = view.commit();
    for id in &next {
        let Some(reward) = view.loaded.read::<Reward>(&keys::reward(program, *id))? else {
            continue;
        };
        // What was taken back or has expired meanwhile is left alone.
        let Ok(Some(mut moved)) = reward.after(event, view.now, WORKER, None) else {
            continue;
        };
        moved.version = reward.version.saturating_add(1);
        commit.reward(&moved, Was::Version(reward.version));
        // A reward that is issued again is news to nobody: the line that came back is.
        if event == RewardEvent::Redeem {
            commit.fact(Fact {
                payout_id: Some(line.payout_id),
                ..Fact::of_reward(FactKind::RewardRedeemed, &moved)
            });
        }
    }
    let mut further = line.clone();
    further.followed = line.followed.saturating_add(next.len());
    further.version = line.version.saturating_add(1);
    commit.payout_line(&further, Was::Version(line.version));
    match view.write(commit).await {
        Ok(_) => Ok(None),
        // Somebody else is at it, or the line went on to another state, whose message comes too.
        Err(error) if overtaken::<PayoutLine>(&error) => Ok(Some(Outcome::Done)),
        Err(error) => Err(error.into()),
    }
}
