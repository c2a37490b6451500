//! Carries a merge out: what names the source becomes the target's, thing by thing.
//!
//! It is a saga. Each step is a transaction of its own that leaves ledger, balances and lots exact,
//! and remembers nothing: what is done is known by what is left. Since the merge began nothing new is
//! made for the source, so what is left only becomes less.

mod rest;
mod value;

use kith_domain::fact::{Fact, FactKind};
use kith_domain::id::{MergeId, ParticipantId, ProgramId};
use kith_domain::incentive::window_is_over;
use kith_domain::merge::{Dissolved, Merge, MergeState};
use kith_domain::reward::{Reward, RewardEvent};
use kith_edge::desk::{Desk, View};
use kith_edge::{Invocation, Outcome, Undone, WorkError, decide_at_most};
use kith_store::items::Counters;
use kith_store::{Beside, Commit, ListQuery, Was, keys};

use crate::{RACES_MAX, WORKER, has_time, overtaken};

/// Things that are carried over in one transaction where each takes one action.
const STEP: usize = 35;

/// How a step ended.
enum Step {
    /// There is more to do.
    More,
    /// Nothing is left to do, or not now.
    Ended(Outcome),
}

/// What is to be done next.
enum Next {
    /// This transaction.
    Write(Box<Commit>),
    /// Nothing now: lots have to follow a redemption that came just before the merge.
    Wait,
    /// Nothing is left.
    Nothing,
}

impl From<Option<Commit>> for Next {
    fn from(commit: Option<Commit>) -> Self {
        commit.map_or(Self::Nothing, |commit| Self::Write(Box::new(commit)))
    }
}

/// Who is carried over to whom.
#[derive(Debug, Clone, Copy)]
struct Move {
    program: ProgramId,
    source: ParticipantId,
    /// Whom the source was merged into.
    into: ParticipantId,
    /// Who that is now.
    target: ParticipantId,
    merge: MergeId,
}

impl Move {
    /// Says that something is carried over because of this merge, to somebody who is not merged
    /// themselves.
    fn seal(&self, commit: &mut Commit) {
        commit.not_merged(self.target).caused_by(self.merge);
    }

    /// The reason that stands in the history of what is carried over.
    fn why(&self) -> String {
        format!("{}: merged from {}", self.merge, self.source)
    }
}

/// Carries a merge out as far as the time goes; what is left is gone on with by a message to itself.
pub(crate) async fn carry_out(
    desk: &Desk,
    invocation: &Invocation,
    program: ProgramId,
    id: MergeId,
) -> Result<Outcome, WorkError> {
    while has_time(desk, invocation) {
        match decide_at_most(RACES_MAX, || step(desk, invocation, program, id)).await? {
            Step::More => {}
            Step::Ended(outcome) => return Ok(outcome),
        }
    }
    decide_at_most(RACES_MAX, || go_on_later(desk, invocation, program, id)).await
}

async fn step(
    desk: &Desk,
    invocation: &Invocation,
    program: ProgramId,
    id: MergeId,
) -> Result<Step, Undone> {
    let key = keys::merge(program, id);
    let Some(mut view) = desk.view(invocation, program, [key.clone()]).await? else {
        return Ok(Step::Ended(Outcome::Refused("the program is not known")));
    };
    let Some(merge) = view.loaded.read::<Merge>(&key)? else {
        return Ok(Step::Ended(Outcome::Refused("the merge is not known")));
    };
    match merge.state {
        MergeState::Building => {}
        MergeState::Done if merge.sweeps < kith_domain::merge::SWEEPS => {}
        MergeState::Done | MergeState::InReview | MergeState::Rejected => {
            return Ok(Step::Ended(Outcome::Done));
        }
    }
    let target = view
        .store
        .present(program, &mut view.loaded, merge.target)
        .await?;
    let goes = Move {
        program,
        source: merge.source,
        into: merge.target,
        target,
        merge: id,
    };
    match next(&view, &merge, goes).await? {
        Next::Write(commit) => {
            view.write(*commit).await?;
            Ok(Step::More)
        }
        // The due entry finds it again.
        Next::Wait => Ok(Step::Ended(Outcome::Done)),
        Next::Nothing => finish(&view, &merge).await,
    }
}

/// What the next transaction writes.
async fn next(view: &View, merge: &Merge, goes: Move) -> Result<Next, Undone> {
    if let Some(bond) = &merge.dissolved
        && let Some(commit) = reject_rewards(view, bond, goes).await?
    {
        return Ok(Some(commit).into());
    }
    if let Some(commit) = counters(view, goes).await? {
        return Ok(Some(commit).into());
    }
    if let Some(commit) = rest::asked(view, goes).await? {
        return Ok(Some(commit).into());
    }
    let spending = keys::open_redemptions(goes.program, goes.source);
    if view.store.holds_any(&spending).await? {
        return Ok(Next::Wait);
    }
    if let Some(commit) = value::next(view, goes).await? {
        return Ok(Some(commit).into());
    }
    Ok(rest::next(view, goes).await?.into())
}

/// The rewards of one conversion under a bond that is dissolved, as far as they were not issued.
async fn reject_rewards(
    view: &View,
    bond: &Dissolved,
    goes: Move,
) -> Result<Option<Commit>, Undone> {
    let program = goes.program;
    let mut people = vec![bond.referee_id];
    people.extend((bond.referee_id == goes.source).then_some(goes.target));
    let reason = format!("{}: the bond was dissolved", goes.merge);
    for referee in people {
        let mut query = ListQuery::of_referee(program, referee, 50);
        loop {
            let page = view
                .store
                .list::<kith_domain::conversion::Conversion>(&query)
                .await?;
            for conversion in page.items {
                if conversion.referral_id != Some(bond.referral_id) {
                    continue;
                }
                let ids = conversion.reward_ids.iter();
                let keys: Vec<_> = ids.map(|id| keys::reward(program, *id)).collect();
                let loaded = view.store.get(keys.clone()).await?;
                let mut rejected = Vec::new();
                for key in keys {
                    let Some(reward) = loaded.read::<Reward>(&key)? else {
                        continue;
                    };
                    let after = reward.after(RewardEvent::Reject, view.now, WORKER, Some(&reason));
                    // What was issued stays, for the owner to decide.
                    if let Ok(Some(mut after)) = after {
                        after.version = reward.version.saturating_add(1);
                        rejected.push((reward, after));
                    }
                }
                if rejected.is_empty() {
                    continue;
                }
                let before: Vec<Reward> = rejected.iter().map(|(one, _)| one.clone()).collect();
                let beside = Beside::load(&view.store, &conversion, &before).await?;
                let mut commit = view.commit();
                for (before, after) in &rejected {
                    commit
                        .withdraw(before, after, &beside)
                        .fact(Fact::of_reward(FactKind::RewardRejected, after));
                }
                return Ok(Some(commit));
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => break,
            }
        }
    }
    Ok(None)
}

/// The counters of the source, all at once. What counted in windows that are over is let go.
async fn counters(view: &View, goes: Move) -> Result<Option<Commit>, Undone> {
    let key = keys::counters(goes.program, goes.source);
    let loaded = view.store.get([key.clone()]).await?;
    let counters = Counters::of(loaded.item(&key));
    if counters.is_empty() {
        return Ok(None);
    }
    let mut commit = view.commit();
    let (who, now) = ((goes.source, goes.into), view.now);
    commit.carry_counters(goes.program, who, &counters, goes.target, |name| {
        !window_is_over(name, now)
    });
    commit.not_merged(goes.target);
    Ok(Some(commit))
}

/// Nothing is left: done, and gone through once more later.
async fn finish(view: &View, merge: &Merge) -> Result<Step, Undone> {
    let done = Merge {
        state: MergeState::Done,
        done_at: merge.done_at.or(Some(view.now)),
        sweeps: merge.sweeps.saturating_add(1),
        version: merge.version.saturating_add(1),
        ..merge.clone()
    };
    let mut commit = view.commit();
    commit.merge(&done, Was::Version(merge.version));
    match view.write(commit).await {
        Err(error) if overtaken::<Merge>(&error) => Ok(Step::Ended(Outcome::Done)),
        result => result
            .map(|_| Step::Ended(Outcome::Done))
            .map_err(Undone::from),
    }
}

/// Out of time: wakes whoever goes on.
async fn go_on_later(
    desk: &Desk,
    invocation: &Invocation,
    program: ProgramId,
    id: MergeId,
) -> Result<Outcome, Undone> {
    let key = keys::merge(program, id);
    let Some(view) = desk.view(invocation, program, [key.clone()]).await? else {
        return Ok(Outcome::Refused("the program is not known"));
    };
    let Some(merge) = view.loaded.read::<Merge>(&key)? else {
        return Ok(Outcome::Refused("the merge is not known"));
    };
    if merge.state != MergeState::Building {
        return Ok(Outcome::Done);
    }
    let further = Merge {
        version: merge.version.saturating_add(1),
        ..merge.clone()
    };
    let mut commit = view.commit();
    commit
        .merge(&further, Was::Version(merge.version))
        .wake_merge(&further);
    match view.write(commit).await {
        Err(error) if overtaken::<Merge>(&error) => Ok(Outcome::Done),
        result => result.map(|_| Outcome::Done).map_err(Undone::from),
    }
}
