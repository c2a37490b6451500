//! Rewards: list, read, give by hand, and what the owner decides about one.

mod explain;
mod give;
mod table;

pub(crate) use give::give;

use kith_contract::problems::Code;
use kith_domain::audit::ObjectKind;
use kith_domain::conversion::Conversion;
use kith_domain::fact::{Fact, FactKind};
use kith_domain::id::{ConversionId, ParticipantId, RewardId};
use kith_domain::incentive::Incentive;
use kith_domain::program::{Program, ProgramState};
use kith_domain::reward::{Reward, RewardError, RewardEvent, RewardState};
use kith_domain::text::{Name, Slug};
use kith_domain::voucher::{Claim, Use, VoucherRefusal, use_voucher};
use kith_edge::audit::Change;
use kith_edge::desk::View;
use kith_edge::http::{Problem, Response};
use kith_edge::json;
use kith_edge::session::{Ended, Session};
use kith_edge::wire;
use kith_store::keys::{self, ListName};
use kith_store::{Beside, Commit, ListQuery, Store, Usable, Was};

use crate::call::{Call, filtered};
use crate::export::{self, Form, Source};
use crate::vouchers;

/// `GET P/rewards`, as JSON, as a table or as lines of JSON.
pub(crate) async fn list(call: Call) -> Result<Response, Ended> {
    let form = Form::of(&call.request, &Form::ALL);
    let query = call.query(|fields, faults| {
        let beneficiary = fields.optional::<ParticipantId>("beneficiary_id", faults);
        let state = fields.optional::<RewardState>("state", faults);
        (beneficiary, state, call.paging_as(form, fields, faults))
    });
    let (session, view, (beneficiary, state, paging)) =
        call.program(query, |_, _, _| Vec::new()).await?;
    let program = view.program.id;
    let mut query = paging.over(|limit| match beneficiary {
        Some(beneficiary) => ListQuery::of_party(program, beneficiary, ListName::Rewards, limit),
        None => ListQuery::of_program(program, ListName::Rewards, limit),
    });
    query.state = state.map(|state| state.to_string());
    let source = Rewards {
        store: &view.store,
        query,
    };
    export::answer(&call, &session, form, &paging, &source).await
}

/// The rewards that a query finds.
struct Rewards<'a> {
    store: &'a Store,
    query: ListQuery,
}

impl Source for Rewards<'_> {
    type Row = Reward;

    async fn page(
        &self,
        after: Option<String>,
        limit: u16,
    ) -> Result<(Vec<Reward>, Option<String>), Ended> {
        let query = self.query.page(after, limit);
        let id = |reward: &Reward| reward.id.to_string();
        filtered(self.store, query, id, |_| true).await
    }
}

/// `GET P/rewards/{reward}`, with its history and, where a rule made it, the explanation.
pub(crate) async fn read(call: Call) -> Result<Response, Ended> {
    let (_, mut view, id) = call
        .program(call.only_id("reward"), |id: &RewardId, program, _| {
            vec![keys::reward(program, *id)]
        })
        .await?;
    let reward = loaded(&view, id)?;
    let answer = wire::RewardRead {
        reward: wire::reward(&reward),
        fulfilment: wire::fulfilment(&reward),
        explanation: explain::explanation(&mut view, &reward).await?,
    };
    Ok(Response::json(200, &answer))
}

/// `POST P/rewards/{reward}/approve`.
pub(crate) async fn approve(call: Call) -> Result<Response, Ended> {
    decide(call, RewardEvent::Approve).await
}

/// `POST P/rewards/{reward}/reject`.
pub(crate) async fn reject(call: Call) -> Result<Response, Ended> {
    decide(call, RewardEvent::Reject).await
}

/// `POST P/rewards/{reward}/cancel`.
pub(crate) async fn cancel(call: Call) -> Result<Response, Ended> {
    decide(call, RewardEvent::Cancel).await
}

/// `POST P/rewards/{reward}/retry`.
pub(crate) async fn retry(call: Call) -> Result<Response, Ended> {
    decide(call, RewardEvent::Retry).await
}

/// `POST P/rewards/{reward}/redeem`: a voucher was used. Cash is redeemed by its payout and points
/// by spending them.
pub(crate) async fn redeem(call: Call) -> Result<Response, Ended> {
    let (session, view, (id, reason)) = open(&call).await?;
    let reward = loaded(&view, id)?;
    if !reward.value.is_voucher() {
        let detail = "Cash is redeemed by a payout, points by spending them.";
        return Err(Problem::of(Code::NotAVoucher, detail).into());
    }
    let usable = Usable::of_reward(&view.store, reward).await?;
    let by = session.actor();
    let claim = Claim {
        used_for: None,
        by: &by,
        reason: Some(reason.as_str()),
    };
    let mut commit = view.commit();
    let answer = match use_voucher(&usable.reward, usable.used_for(), claim, view.now) {
        Ok(Use::Now(mut redeemed)) => {
            commit.redeem(&usable, &redeemed, None, None);
            redeemed.version = usable.reward.version.saturating_add(1);
            wire::reward(&redeemed)
        }
        Ok(Use::Before) => wire::reward(&usable.reward),
        Err(refusal) => return Err(unusable(refusal).into()),
    };
    let change = Change::of(ObjectKind::Reward, id)
        .because(&reason)
        .from(&wire::reward(&usable.reward))
        .to(&answer);
    session
        .finish(commit, change, Response::json(200, &answer))
        .await
}

fn unusable(refusal: VoucherRefusal) -> Problem {
    match refusal {
        VoucherRefusal::Redeemed | VoucherRefusal::Expired => vouchers::refused(refusal),
        VoucherRefusal::Void(from) => refused(RewardError::NotAllowed {
            from,
            to: RewardState::Redeemed,
        }),
    }
}

/// Opens a call about one reward that says why.
async fn open(call: &Call) -> Result<(Session, View, (RewardId, Name)), Ended> {
    let parsed = call.id("reward").and_then(|id: RewardId| {
        let (mut body, mut faults) = call.body()?;
        let reason = body.required("reason", &mut faults, json::text::<Name>);
        body.finish(&mut faults);
        let (reason,) = faults.all((reason,))?;
        Ok((id, reason))
    });
    call.program(parsed, |(id, _), program, _| {
        vec![keys::reward(program, *id)]
    })
    .await
}

async fn decide(call: Call, event: RewardEvent) -> Result<Response, Ended> {
    let (session, mut view, (id, reason)) = open(&call).await?;
    let reward = loaded(&view, id)?;
    let decided = reward
        .after(event, view.now, &session.actor(), Some(reason.as_str()))
        .map_err(refused)?;
    let Some(mut next) = decided else {
        let answer = Response::json(200, &wire::reward(&reward));
        return session.unchanged(answer).await;
    };
    if next.state == RewardState::Approved && view.program.state != ProgramState::Active {
        let detail = "Rewards stay as they are until the program is active again.";
        return Err(Problem::of(Code::ProgramPaused, detail).into());
    }
    next.version = reward.version.saturating_add(1);
    let mut commit = view.commit();
    if is_withdrawn(next.state) {
        withdraw(&mut commit, &mut view, &reward, &next).await?;
    } else {
        commit.reward(&next, Was::Version(reward.version));
    }
    if let Some(kind) = fact_of(next.state) {
        commit.fact(Fact::of_reward(kind, &next));
    }
    let answer = wire::reward(&next);
    let change = Change::of(ObjectKind::Reward, id)
        .because(&reason)
        .from(&wire::reward(&reward))
        .to(&answer);
    session
        .finish(commit, change, Response::json(200, &answer))
        .await
}

fn loaded(view: &View, id: RewardId) -> Result<Reward, Ended> {
    let reward: Option<Reward> = view.loaded.read(&keys::reward(view.program.id, id))?;
    Ok(reward.ok_or_else(|| Problem::not_found("reward"))?)
}

fn refused(error: RewardError) -> Problem {
    let code = match error {
        RewardError::StillHeld { .. } => Code::StillHeld,
        RewardError::NotAllowed { .. } => Code::RewardState,
        RewardError::InReview => Code::ConversionInReview,
    };
    Problem::of(code, format!("It cannot be done: {error}."))
}

fn fact_of(state: RewardState) -> Option<FactKind> {
    match state {
        RewardState::Approved => Some(FactKind::RewardApproved),
        RewardState::Rejected => Some(FactKind::RewardRejected),
        RewardState::Cancelled => Some(FactKind::RewardCancelled),
        // Nothing that is decided by hand here leads to these.
        RewardState::Pending
        | RewardState::Issued
        | RewardState::Redeemed
        | RewardState::ClawedBack
        | RewardState::Failed
        | RewardState::Expired => None,
    }
}

fn is_withdrawn(state: RewardState) -> bool {
    matches!(state, RewardState::Rejected | RewardState::Cancelled)
}

/// Writes that a reward will not be issued: it is held no more, and out of the limits and budgets that
/// it counted towards, those of the rules that made it, in the windows in which it was made.
async fn withdraw(
    commit: &mut Commit,
    view: &mut View,
    reward: &Reward,
    next: &Reward,
) -> Result<(), Ended> {
    let conversion = match reward.conversion_id {
        Some(id) if reward.incentive_id.is_some() => {
            let key = keys::conversion(reward.program, id);
            view.load([key.clone()]).await?;
            let conversion: Option<Conversion> = view.loaded.read(&key)?;
            let missing = || Problem::internal("a reward without its conversion");
            conversion.ok_or_else(missing)?
        }
        Some(_) | None => {
            commit.reward(next, Was::Version(reward.version));
            if let Some((unit, amount)) = reward.value.credit() {
                commit.pending(reward.beneficiary_id, unit, amount.saturating_neg());
            }
            return Ok(());
        }
    };
    let rewards = std::slice::from_ref(reward);
    let beside = Beside::load(&view.store, &conversion, rewards).await?;
    commit.withdraw(reward, next, &beside);
    Ok(())
}

/// What a rule made a reward of.
struct Origin {
    /// The rule, as it stood.
    incentive: Incentive,
    /// The scheme that it stood in.
    rules: Program,
    conversion: Conversion,
}

/// Reads what a rule made a reward of; `None` if any of it is not there.
async fn origin(
    view: &mut View,
    reward: &Reward,
    conversion_id: ConversionId,
    incentive_id: &Slug,
) -> Result<Option<Origin>, Ended> {
    let rules = keys::scheme(reward.program, reward.scheme_version);
    let conversion = keys::conversion(reward.program, conversion_id);
    view.load([rules.clone(), conversion.clone()]).await?;
    let rules: Option<Program> = view.loaded.read(&rules)?;
    let conversion: Option<Conversion> = view.loaded.read(&conversion)?;
    let (Some(rules), Some(conversion)) = (rules, conversion) else {
        return Ok(None);
    };
    let mut incentives = rules.incentives.iter();
    let incentive = incentives.find(|incentive| incentive.id == *incentive_id);
    let Some(incentive) = incentive.cloned() else {
        return Ok(None);
    };
    Ok(Some(Origin {
        incentive,
        rules,
        conversion,
    }))
}
