//! `POST P/conversions/{id}/approve` and `/reject`: the owner's word on what waits for review.

use std::sync::Arc;

use kith_contract::problems::Code;
use kith_contract::routes::{self, Route};
use kith_domain::audit::ObjectKind;
use kith_domain::conversion::{Conversion, ConversionState, Verdict};
use kith_domain::fact::FactKind;
use kith_domain::id::{ConversionId, ProgramId};
use kith_domain::review::Review;
use kith_domain::reward::{Reward, RewardEvent, RewardState};
use kith_domain::text::Name;
use kith_edge::Invocation;
use kith_edge::audit::Change;
use kith_edge::desk::View;
use kith_edge::fields::Fields;
use kith_edge::http::{Problem, Request, Response};
use kith_edge::json;
use kith_edge::session::{Ended, Session};
use kith_edge::wire;
use kith_store::items::Counters;
use kith_store::{Beside, Commit, CountedFor, Was, keys};

use crate::Recording;
use crate::record::rewards_of;
use crate::refund::{Standing, conversion_fact, conversion_reward_fact, refunds_of};

/// `POST P/conversions/{conversion}/approve`: its rewards are held as any other's from now on.
pub(crate) async fn approve(
    recording: Arc<Recording>,
    request: Arc<Request>,
    invocation: Invocation,
) -> Result<Response, Ended> {
    let route = &routes::APPROVE_CONVERSION;
    decide(&recording, &request, &invocation, (route, Verdict::Approve)).await
}

/// `POST P/conversions/{conversion}/reject`: nobody has earned anything by it.
pub(crate) async fn reject(
    recording: Arc<Recording>,
    request: Arc<Request>,
    invocation: Invocation,
) -> Result<Response, Ended> {
    let route = &routes::REJECT_CONVERSION;
    decide(&recording, &request, &invocation, (route, Verdict::Reject)).await
}

async fn decide(
    recording: &Recording,
    request: &Request,
    invocation: &Invocation,
    (route, verdict): (&'static Route, Verdict),
) -> Result<Response, Ended> {
    let program: ProgramId = request.path_value("program", "program")?;
    let id: ConversionId = request.path_value("conversion", "conversion")?;
    let key = keys::conversion(program, id);
    let first = |_: &Name, _| vec![key.clone()];
    let (session, mut view, reason) = recording
        .gate
        .open(request, invocation, route, program, read(request), first)
        .await?;
    let before: Option<Conversion> = view.loaded.read(&key)?;
    let before = before.ok_or_else(|| Problem::not_found("conversion"))?;
    let review = Review {
        by: session.actor(),
        reason,
        at: view.now,
    };
    let after = before.reviewed(verdict, review).map_err(|error| {
        let detail = format!("It cannot be done: {error}.");
        Problem::of(Code::ConversionState, detail)
    })?;
    let mut rewards = rewards_of(&mut view, &before).await?;
    let refunds = refunds_of(&mut view, &before).await?;
    let was = wire::conversion_with_refunds(&before, &rewards, &refunds);
    let Some(after) = after else {
        let answer = Response::json(200, &was);
        return session.unchanged(answer).await;
    };
    let commit = write(&session, &mut view, (&before, &after), &mut rewards).await?;
    let answer = wire::conversion_with_refunds(&after, &rewards, &refunds);
    let mut change = Change::of(ObjectKind::Conversion, id)
        .from(&was)
        .to(&answer);
    if let Some(review) = &after.review {
        change = change.because(&review.reason);
    }
    session
        .finish(commit, change, Response::json(200, &answer))
        .await
}

/// What the verdict changes: the conversion, its rewards, what they count towards, and whom the
/// referrer has brought.
async fn write(
    session: &Session,
    view: &mut View,
    (before, after): (&Conversion, &Conversion),
    rewards: &mut [Reward],
) -> Result<Commit, Ended> {
    let mut commit = view.commit();
    let (kind, event) = if after.state == ConversionState::Rejected {
        (FactKind::ConversionRejected, Some(RewardEvent::Reject))
    } else {
        (FactKind::ConversionApproved, None)
    };
    commit
        .conversion(after, Was::Version(before.version))
        .fact(conversion_fact(kind, after));
    let why = after.review.as_ref().map(|review| review.reason.as_str());
    let beside = Beside::load(&view.store, before, rewards).await?;
    for reward in rewards {
        let mut next = match event {
            Some(event) => match reward.after(event, view.now, &session.actor(), why) {
                Ok(Some(next)) => next,
                // Withdrawn before, by hand or by a refund.
                Ok(None) | Err(_) => continue,
            },
            None if reward.in_review => reward.clone(),
            None => continue,
        };
        next.in_review = false;
        next.version = reward.version.saturating_add(1);
        if event.is_some() {
            let fact = conversion_reward_fact(FactKind::RewardRejected, after, &next);
            commit.withdraw(reward, &next, &beside).fact(fact);
        } else {
            commit.reward(&next, Was::Version(reward.version));
            if next.state == RewardState::Pending && next.release_at <= view.now {
                commit.wake_reward(&next);
            }
        }
        *reward = next;
    }
    let chosen = after.attribution.chosen.as_ref();
    let parties = CountedFor {
        referrer: chosen.map(|chosen| chosen.referrer_id),
        referee: after.referee_id,
    };
    let wanted: Vec<_> = parties.keys(after.program).collect();
    view.load(wanted).await?;
    let (store, loaded) = (&view.store, &mut view.loaded);
    let parties = parties.now(store, after.program, loaded).await?;
    let counters = keys::counters(after.program, parties.referee);
    let counters = Counters::of(view.loaded.item(&counters));
    Standing::of(&counters).count(&mut commit, (before, after), parties);
    Ok(commit)
}

fn read(request: &Request) -> Result<Name, Problem> {
    let mut faults = Fields::no_query(request);
    let mut body = json::body(request)?;
    let reason = body.required("reason", &mut faults, json::text::<Name>);
    body.finish(&mut faults);
    let (reason,) = faults.all((reason,))?;
    Ok(reason)
}
