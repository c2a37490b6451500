//! Disburses rewards: releases those whose hold is over, and carries out what was released.

mod disburse;

use jiff::Timestamp;
use kith_domain::fact::{Fact, FactKind};
use kith_domain::id::{ProgramId, RewardId};
use kith_domain::reward::{Attention, Reward, RewardError, RewardEvent};
use kith_edge::aws::Connection;
use kith_edge::config::Variables;
use kith_edge::desk::{Desk, View};
use kith_edge::queue::SqsFunction;
use kith_edge::{
    Environment, Function, Invocation, Outcome, StartError, Undone, WorkError, decide,
};
use kith_store::wake::Message;
use kith_store::{Commit, Store, Was, keys};

/// Who stands in the history of the rewards that it moves.
const WORKER: &str = "reward-disbursement";

/// The function, in an environment.
///
/// # Errors
/// [`StartError::Configuration`] with every fault.
pub fn function(environment: &Environment) -> Result<Box<dyn Function>, StartError> {
    let mut variables = Variables::of(environment);
    let found = (
        variables.required("KITH_TABLE"),
        Connection::of(&mut variables),
    );
    let (table, connection) = variables.finish(found)?;
    let desk = Desk::new(environment, Store::new(connection.dynamodb(), &table));
    Ok(Box::new(SqsFunction::new(move |message, invocation| {
        let desk = desk.clone();
        async move { work_off(&desk, &invocation, message).await }
    })))
}

async fn work_off(
    desk: &Desk,
    invocation: &Invocation,
    message: Message,
) -> Result<Outcome, WorkError> {
    let Message::Reward {
        program_id,
        reward_id,
    } = message
    else {
        return Ok(Outcome::Refused("not a message for this worker"));
    };
    tracing::Span::current().record("program.id", tracing::field::display(program_id));
    decide(|| advance_reward(desk, invocation, program_id, reward_id)).await
}

/// Takes a reward as far as it can go, in one transaction. A message that comes twice, late or
/// early changes nothing more.
async fn advance_reward(
    desk: &Desk,
    invocation: &Invocation,
    program: ProgramId,
    id: RewardId,
) -> Result<Outcome, Undone> {
    let key = keys::reward(program, id);
    let Some(view) = desk.view(invocation, program, [key.clone()]).await? else {
        return Ok(Outcome::Refused("the program is not known"));
    };
    let Some(reward) = view.loaded.read::<Reward>(&key)? else {
        return Ok(Outcome::Refused("the reward is not known"));
    };
    let mut commit = view.commit();
    match reward.attention(view.program.state, view.now) {
        Attention::None | Attention::Expire => return Ok(Outcome::Done),
        Attention::LookAgain(at) => hold_on(&mut commit, &reward, at),
        Attention::Disburse => issue(&view, &mut commit, &reward).map_err(WorkError::from)?,
    }
    view.write(commit).await?;
    Ok(Outcome::Done)
}

/// Puts a held reward back: whoever sent the message has put its due entry off.
fn hold_on(commit: &mut Commit, reward: &Reward, look_again_at: Timestamp) {
    let mut held = reward.clone();
    held.version = reward.version.saturating_add(1);
    commit.held_reward(&held, Was::Version(reward.version), look_again_at);
}

/// Releases a reward if it is still held, and disburses it.
fn issue(view: &View, commit: &mut Commit, reward: &Reward) -> Result<(), RewardError> {
    let released = reward.after(RewardEvent::HoldElapsed, view.now, WORKER, None)?;
    if released.is_some() {
        commit.fact(fact_of(FactKind::RewardApproved, reward));
    }
    let approved = released.unwrap_or_else(|| reward.clone());
    let Some(mut issued) = approved.after(RewardEvent::Disbursed, view.now, WORKER, None)? else {
        return Ok(());
    };
    issued.version = reward.version.saturating_add(1);
    disburse::disburse(view, commit, &mut issued);
    commit
        .reward(&issued, Was::Version(reward.version))
        .fact(Fact {
            issued_at: issued.issued_at,
            ..fact_of(FactKind::RewardIssued, reward)
        });
    Ok(())
}

fn fact_of(kind: FactKind, reward: &Reward) -> Fact {
    Fact {
        reward_id: Some(reward.id),
        conversion_id: reward.conversion_id,
        referral_id: reward.referral_id,
        participant_id: Some(reward.beneficiary_id),
        beneficiary_id: Some(reward.beneficiary_id),
        rule_id: reward.incentive_id.clone(),
        value: Some(reward.value),
        ..Fact::new(kind)
    }
}
