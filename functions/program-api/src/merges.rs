//! Merging participants: begin, read, and what the owner decides of one in review.

mod begin;

use kith_contract::answers::More;
use kith_contract::problems::Code;
use kith_domain::audit::ObjectKind;
use kith_domain::conversion::Conversion;
use kith_domain::id::{MergeId, ParticipantId};
use kith_domain::merge::{self, Below, Dissolved, ISSUED_MAX, Merge, MergeError, MergeState};
use kith_domain::participant::{Participant, Referral};
use kith_domain::review::Review;
use kith_domain::reward::{Reward, RewardState};
use kith_domain::text::Name;
use kith_edge::audit::Change;
use kith_edge::desk::View;
use kith_edge::http::{Fault, Problem, Response};
use kith_edge::json;
use kith_edge::session::{Ended, Session};
use kith_edge::wire;
use kith_store::items::MergeName;
use kith_store::keys::{self, Key, ListName};
use kith_store::{Commit, ListQuery, Was};

use self::begin::Pair;
use crate::call::{Body, Call, filtered};

/// Conversions under a dissolved bond whose rewards are looked at for the answer.
const CONVERSIONS_MAX: u16 = 100;

/// Who is merged into whom.
#[derive(Debug)]
struct Wanted {
    source: ParticipantId,
    target: ParticipantId,
    reason: Name,
}

impl Wanted {
    fn read(source: ParticipantId, (mut body, mut faults): Body) -> Result<Self, Problem> {
        let target = body.required("into", &mut faults, json::text::<ParticipantId>);
        let reason = body.required("reason", &mut faults, json::text::<Name>);
        body.finish(&mut faults);
        let (target, reason) = faults.all((target, reason))?;
        Ok(Self {
            source,
            target,
            reason,
        })
    }
}

/// `POST P/participants/{participant}/merge`.
pub(crate) async fn merge(call: Call) -> Result<Response, Ended> {
    let parsed = call
        .id("participant")
        .and_then(|source| Wanted::read(source, call.body()?));
    let (session, mut view, wanted) = call
        .program(parsed, |wanted, program, _| {
            let mut first = pair_keys(program, wanted.source, wanted.target);
            first.push(keys::merge_of(program, wanted.source));
            first
        })
        .await?;
    let program = view.program.id;
    let present = keys::merge_of(program, wanted.source);
    if let Some(MergeName { merge_id }) = view.loaded.read(&present)? {
        let known = load(&mut view, merge_id).await?;
        if known.target == wanted.target {
            let status = if known.state == MergeState::InReview {
                202
            } else {
                200
            };
            let answer = Response::json(status, &wire::merge(&known));
            return session.unchanged(answer).await;
        }
        if known.state == MergeState::InReview {
            let detail = "Another merge of the participant waits for review.";
            let problem = Problem::of(Code::MergeInReview, detail);
            let more = More {
                merge_id: Some(known.id.into()),
                ..More::default()
            };
            return Err(problem.saying(more).into());
        }
    }
    let pair = Pair::read(&mut view, wanted.source, wanted.target).await?;
    let below = pair.below();
    let mut merge = Merge {
        id: view.id(),
        program,
        source: wanted.source,
        target: wanted.target,
        reason: wanted.reason,
        by: session.actor(),
        state: MergeState::Building,
        finding: below.map(Below::finding),
        review: None,
        dissolved: None,
        created_at: view.now,
        done_at: None,
        sweeps: 0,
        version: 1,
    };
    let mut commit = view.commit();
    commit.merge_name(&merge);
    let status = if below.is_some() {
        merge.state = MergeState::InReview;
        202
    } else {
        pair.begin(&mut commit, &mut view, &call.api.identity, &merge)
            .await?;
        201
    };
    commit.merge(&merge, Was::Absent);
    let answer = wire::merge(&merge);
    let change = Change::of(ObjectKind::Merge, merge.id)
        .within(merge.source)
        .because(&merge.reason)
        .to(&answer);
    session
        .finish(commit, change, Response::json(status, &answer))
        .await
}

/// `GET P/merges`.
pub(crate) async fn list(call: Call) -> Result<Response, Ended> {
    let query = call.query(|fields, faults| {
        let state = fields.optional::<MergeState>("state", faults);
        (state, call.paging(fields, faults))
    });
    let (_, view, (state, paging)) = call.program(query, |_, _, _| Vec::new()).await?;
    let program = view.program.id;
    let mut query = paging.over(|limit| ListQuery::of_program(program, ListName::Merges, limit));
    query.state = state.map(|state| state.to_string());
    let id = |merge: &Merge| merge.id.to_string();
    let (found, next) = filtered(&view.store, query, id, |_| true).await?;
    Ok(call.listed(found.iter().map(wire::merge).collect(), next.as_deref()))
}

/// `GET P/merges/{merge}`.
pub(crate) async fn read(call: Call) -> Result<Response, Ended> {
    let (_, view, id) = call
        .program(call.only_id("merge"), |id: &MergeId, program, _| {
            vec![keys::merge(program, *id)]
        })
        .await?;
    let merge: Option<Merge> = view.loaded.read(&keys::merge(view.program.id, id))?;
    let merge = merge.ok_or_else(|| Problem::not_found("merge"))?;
    Ok(Response::json(200, &wire::merge(&merge)))
}

/// `POST P/merges/{merge}/approve`: carried out, without the bond that led back to oneself.
pub(crate) async fn approve(call: Call) -> Result<Response, Ended> {
    let (session, mut view, merge, reason) = open(&call).await?;
    match merge.state {
        MergeState::InReview => {}
        MergeState::Building | MergeState::Done => return repeated(&session, &merge).await,
        MergeState::Rejected => return Err(decided(&merge).into()),
    }
    view.load(pair_keys(merge.program, merge.source, merge.target))
        .await?;
    let pair = Pair::read(&mut view, merge.source, merge.target).await?;
    let dissolved = match pair.bonds().dissolved {
        Some(bond) => Some(dissolved(&view, bond).await?),
        None => None,
    };
    let approved = Merge {
        state: MergeState::Building,
        review: Some(Review {
            by: session.actor(),
            reason,
            at: view.now,
        }),
        dissolved,
        version: merge.version.saturating_add(1),
        ..merge.clone()
    };
    let mut commit = view.commit();
    pair.begin(&mut commit, &mut view, &call.api.identity, &approved)
        .await?;
    commit.merge(&approved, Was::Version(merge.version));
    decide(&session, commit, &merge, &approved).await
}

/// `POST P/merges/{merge}/reject`: nothing happens.
pub(crate) async fn reject(call: Call) -> Result<Response, Ended> {
    let (session, view, merge, reason) = open(&call).await?;
    match merge.state {
        MergeState::InReview => {}
        MergeState::Rejected => return repeated(&session, &merge).await,
        MergeState::Building | MergeState::Done => return Err(decided(&merge).into()),
    }
    let rejected = Merge {
        state: MergeState::Rejected,
        review: Some(Review {
            by: session.actor(),
            reason,
            at: view.now,
        }),
        version: merge.version.saturating_add(1),
        ..merge.clone()
    };
    let mut commit = view.commit();
    commit
        .merge(&rejected, Was::Version(merge.version))
        .no_merge_name(&rejected);
    decide(&session, commit, &merge, &rejected).await
}

/// Opens a call that decides about a merge, and says why.
async fn open(call: &Call) -> Result<(Session, View, Merge, Name), Ended> {
    let parsed = call.id("merge").and_then(|id: MergeId| {
        let (mut body, mut faults) = call.body()?;
        let reason = body.required("reason", &mut faults, json::text::<Name>);
        body.finish(&mut faults);
        let (reason,) = faults.all((reason,))?;
        Ok((id, reason))
    });
    let (session, view, (id, reason)) = call
        .program(parsed, |(id, _), program, _| {
            vec![keys::merge(program, *id)]
        })
        .await?;
    let merge: Option<Merge> = view.loaded.read(&keys::merge(view.program.id, id))?;
    let merge = merge.ok_or_else(|| Problem::not_found("merge"))?;
    Ok((session, view, merge, reason))
}

async fn repeated(session: &Session, merge: &Merge) -> Result<Response, Ended> {
    let answer = Response::json(200, &wire::merge(merge));
    session.unchanged(answer).await
}

/// Writes what was decided of a merge in review.
async fn decide(
    session: &Session,
    commit: Commit,
    before: &Merge,
    after: &Merge,
) -> Result<Response, Ended> {
    let answer = wire::merge(after);
    let mut change = Change::of(ObjectKind::Merge, after.id)
        .within(after.source)
        .from(&wire::merge(before))
        .to(&answer);
    if let Some(review) = &after.review {
        change = change.because(&review.reason);
    }
    session
        .finish(commit, change, Response::json(200, &answer))
        .await
}

fn decided(merge: &Merge) -> Problem {
    let detail = format!("The merge is {}.", merge.state);
    Problem::of(Code::MergeState, detail)
}

async fn load(view: &mut View, id: MergeId) -> Result<Merge, Ended> {
    let key = keys::merge(view.program.id, id);
    view.load([key.clone()]).await?;
    let merge: Option<Merge> = view.loaded.read(&key)?;
    Ok(merge.ok_or_else(|| Problem::internal("a participant names a merge that is not there"))?)
}

/// What a merge of two rests on.
fn pair_keys(
    program: kith_domain::id::ProgramId,
    source: ParticipantId,
    target: ParticipantId,
) -> Vec<Key> {
    [source, target]
        .into_iter()
        .flat_map(|id| [keys::participant(program, id), keys::referral(program, id)])
        .collect()
}

/// A bond that is dissolved, with the rewards that were issued under it. Those that were not are
/// rejected as the merge is carried out.
async fn dissolved(view: &View, bond: &Referral) -> Result<Dissolved, Ended> {
    let program = view.program.id;
    let query = ListQuery::of_referee(program, bond.referee_id, CONVERSIONS_MAX);
    let conversions = view.store.list::<Conversion>(&query).await?.items;
    let under = |conversion: &&Conversion| conversion.referral_id == Some(bond.id);
    let rewards = conversions.iter().filter(under);
    let rewards: Vec<_> = rewards
        .flat_map(|one| one.reward_ids.iter().copied())
        .collect();
    let key = |id: &_| keys::reward(program, *id);
    let loaded = view.store.get(rewards.iter().map(key)).await?;
    let mut issued = Vec::new();
    for id in &rewards {
        let reward: Option<Reward> = loaded.read(&key(id))?;
        let was_issued = |state| matches!(state, RewardState::Issued | RewardState::Redeemed);
        if reward.is_some_and(|reward| was_issued(reward.state)) && issued.len() < ISSUED_MAX {
            issued.push(*id);
        }
    }
    Ok(Dissolved {
        referral_id: bond.id,
        referee_id: bond.referee_id,
        issued,
    })
}

/// Refuses to change somebody who was merged, and names who they are.
pub(crate) fn refuse_merged(person: &Participant) -> Result<(), Problem> {
    match person.merged_into {
        Some(into) => Err(merged(person.id, into)),
        None => Ok(()),
    }
}

fn merged(participant: ParticipantId, into: ParticipantId) -> Problem {
    let detail = format!("The participant {participant} was merged into {into}.");
    Problem::of(Code::ParticipantMerged, detail).saying(More {
        merged_into: Some(into.into()),
        ..More::default()
    })
}

/// What is still where it was before a merge that is under way.
pub(crate) fn under_way() -> Problem {
    let detail = "What belongs to the participant is being carried over from another.";
    Problem::of(Code::MergeUnderWay, detail)
}

fn refused(error: MergeError) -> Problem {
    match error {
        MergeError::Itself => {
            let fault = Fault::new("/into", "must be another participant");
            Problem::of(Code::MergeIntoItself, "Nobody is merged into themselves.")
                .with_errors(vec![fault])
        }
        MergeError::Merged { participant, into } => merged(participant, into),
        MergeError::Suspended(id) => {
            let detail = format!("The participant {id} is suspended, and a merge would lift it.");
            Problem::of(Code::ParticipantSuspended, detail)
        }
        MergeError::TooManyCodes => {
            let most = kith_domain::participant::CODES_MAX;
            let detail = format!("Together they have more than {most} codes.");
            Problem::of(Code::TooManyCodes, detail)
        }
        MergeError::TooMany => {
            let detail = format!("At most {} are merged into one.", merge::MERGED_MAX);
            Problem::of(Code::TooManyMerges, detail)
        }
    }
}
