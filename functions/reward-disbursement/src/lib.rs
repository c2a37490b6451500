//! Disburses rewards: releases those whose hold is over, has what was released carried out, by the
//! shop too, expires
//! what nobody used, lets lots and rewards follow the points that are spent, builds payouts, lets
//! rewards follow the lines that are paid, and carries over what somebody had who was merged.

mod advance;
mod followers;
mod fulfil;
mod merge;
mod payout;
mod provider;
mod spend;

use std::sync::Arc;

use jiff::SignedDuration;
use kith_connectors::{Messenger, Reach};
use kith_domain::id::ProgramId;
use kith_edge::aws::Connection;
use kith_edge::config::{Origin, Variables};
use kith_edge::desk::Desk;
use kith_edge::queue::SqsFunction;
use kith_edge::telemetry::Metrics;
use kith_edge::{
    Environment, Function, Invocation, Outcome, StartError, WorkError, decide_at_most,
};
use kith_store::item::Entity;
use kith_store::wake::Message;
use kith_store::{CommitError, Guard, Store};

use crate::advance::Advanced;
use crate::spend::Spending;

/// Who stands in the history of the rewards that it moves.
const WORKER: &str = "reward-disbursement";
/// Time kept for the step that is under way: no further one is begun.
const RESERVE: SignedDuration = SignedDuration::from_secs(10);

/// The most messages of a batch, as the template has it.
const BATCH: usize = 10;

/// How often something is decided at most. Many rewards at once want one of the last codes of a list,
/// and many messages follow the spendings of one person.
const RACES_MAX: u8 = 20;

/// What the worker has at hand.
#[derive(Debug)]
struct Worker {
    desk: Desk,
    messenger: Messenger,
    metrics: Metrics,
}

/// The function, in an environment.
///
/// # Errors
/// [`StartError::Configuration`] with every fault.
pub fn function(environment: &Environment) -> Result<Box<dyn Function>, StartError> {
    function_that_posts(environment, Messenger::new)
}

/// The same, with a messenger of one's own for as far as the bundle reaches.
///
/// # Errors
/// [`StartError::Configuration`] with every fault.
pub fn function_that_posts(
    environment: &Environment,
    messenger: impl FnOnce(Reach) -> Messenger,
) -> Result<Box<dyn Function>, StartError> {
    let mut variables = Variables::of(environment);
    let found = (
        variables.required("KITH_TABLE"),
        variables.parsed("KITH_PUBLIC_URL", str::parse::<Origin>),
        Connection::of(&mut variables),
    );
    let (table, url, connection) = variables.finish(found)?;
    let worker = Arc::new(Worker {
        desk: Desk::new(environment, Store::new(connection.dynamodb(), &table)),
        messenger: messenger(Reach::of_bundle(url.is_plain_http())),
        metrics: Metrics::of(environment),
    });
    let function = SqsFunction::new(move |message, invocation| {
        let worker = Arc::clone(&worker);
        async move { work_off(&worker, &invocation, message).await }
    });
    // All of a batch at once: a shop that is slow holds up nobody else's rewards.
    Ok(Box::new(function.at_once(BATCH)))
}

async fn work_off(
    worker: &Worker,
    invocation: &Invocation,
    message: Message,
) -> Result<Outcome, WorkError> {
    match message {
        Message::Reward {
            program_id,
            reward_id,
        } => {
            in_program(program_id);
            let advance = || advance::advance_reward(worker, invocation, program_id, reward_id);
            match decide_at_most(RACES_MAX, advance).await? {
                Advanced::Done(outcome) => Ok(outcome),
                Advanced::Asking(asking) => fulfil::ask(worker, invocation, *asking).await,
            }
        }
        Message::Redemption {
            program_id,
            participant_id,
            redemption_id,
        } => {
            in_program(program_id);
            let spending = Spending {
                program: program_id,
                participant: participant_id,
                id: redemption_id,
            };
            spend::follow_redemption(worker, invocation, spending).await
        }
        Message::Payout {
            program_id,
            payout_id,
        } => {
            in_program(program_id);
            payout::build(&worker.desk, invocation, program_id, payout_id).await
        }
        Message::PayoutLine {
            program_id,
            payout_id,
            participant_id,
        } => {
            in_program(program_id);
            let (payout, whose) = (payout_id, participant_id);
            followers::follow(&worker.desk, invocation, program_id, payout, whose).await
        }
        Message::Merge {
            program_id,
            merge_id,
        } => {
            in_program(program_id);
            merge::carry_out(&worker.desk, invocation, program_id, merge_id).await
        }
        Message::Event { .. }
        | Message::Mail { .. }
        | Message::Survey { .. }
        | Message::Delivery { .. } => Ok(Outcome::Refused("not a message for this worker")),
    }
}

/// Whether a further step of long work may be begun.
fn has_time(desk: &Desk, invocation: &Invocation) -> bool {
    invocation.deadline.duration_since(desk.real_now()) > RESERVE
}

/// Whether a commit was refused because somebody has written the entity that it goes on with: they
/// are ahead.
fn overtaken<T: Entity>(error: &CommitError) -> bool {
    match error {
        CommitError::Refused(failed) => failed
            .iter()
            .any(|failed| failed.guard == Guard::Unchanged(T::KIND)),
        CommitError::TooLarge(_) | CommitError::Unbalanced(_) | CommitError::Store(_) => false,
    }
}

fn in_program(program: ProgramId) {
    tracing::Span::current().record("program.id", tracing::field::display(program));
}
