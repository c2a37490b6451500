//! Disburses rewards: releases those whose hold is over, has what was released carried out, expires
//! what nobody used, and lets lots and rewards follow the points that are spent.

mod advance;
mod provider;
mod spend;

use std::sync::Arc;

use kith_domain::id::ProgramId;
use kith_edge::aws::Connection;
use kith_edge::config::Variables;
use kith_edge::desk::Desk;
use kith_edge::queue::SqsFunction;
use kith_edge::telemetry::Metrics;
use kith_edge::{Environment, Function, Invocation, Outcome, StartError, WorkError, decide};
use kith_store::Store;
use kith_store::wake::Message;

use crate::spend::Spending;

/// Who stands in the history of the rewards that it moves.
const WORKER: &str = "reward-disbursement";

/// What the worker has at hand.
#[derive(Debug)]
struct Worker {
    desk: Desk,
    metrics: Metrics,
}

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
    let worker = Arc::new(Worker {
        desk: Desk::new(environment, Store::new(connection.dynamodb(), &table)),
        metrics: Metrics::of(environment),
    });
    Ok(Box::new(SqsFunction::new(move |message, invocation| {
        let worker = Arc::clone(&worker);
        async move { work_off(&worker, &invocation, message).await }
    })))
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
            decide(|| advance::advance_reward(worker, invocation, program_id, reward_id)).await
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
        Message::Payout { .. }
        | Message::PayoutLine { .. }
        | Message::Event { .. }
        | Message::Mail { .. }
        | Message::Survey { .. } => Ok(Outcome::Refused("not a message for this worker")),
    }
}

fn in_program(program: ProgramId) {
    tracing::Span::current().record("program.id", tracing::field::display(program));
}
