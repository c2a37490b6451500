//! Asks people how it went, by mail: schedules surveys after what happened, sends them when their
//! time has come and they may be asked, and closes them.
//!
//! A mail has no idempotency key, so a survey is sent at most once: it is written as `sending`
//! before the provider is called, and nobody sends it again after that unless the provider surely
//! did not take it.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test stops on the first surprise"
    )
)]

mod attend;
mod schedule;

use std::sync::Arc;

use kith_edge::aws::Connection;
use kith_edge::config::Variables;
use kith_edge::desk::Desk;
use kith_edge::queue::SqsFunction;
use kith_edge::{Environment, Function, Invocation, Outcome, StartError, WorkError};
use kith_store::Store;
use kith_store::keys::EventRef;
use kith_store::wake::Message;

use kith_post::Post;

/// What asking people needs.
#[derive(Debug)]
struct Dispatch {
    desk: Desk,
    post: Post,
}

/// The function, in an environment.
///
/// # Errors
/// [`StartError::Configuration`] with every fault.
pub fn function(environment: &Environment) -> Result<Box<dyn Function>, StartError> {
    let mut variables = Variables::of(environment);
    let table = variables.required("KITH_TABLE");
    let connection = Connection::of(&mut variables);
    let post = Post::of(&mut variables, connection.as_ref());
    let (table, connection, post) = variables.finish((table, connection, post))?;
    let dispatch = Arc::new(Dispatch {
        desk: Desk::new(environment, Store::new(connection.dynamodb(), &table)),
        post,
    });
    Ok(Box::new(SqsFunction::new(move |message, invocation| {
        let dispatch = Arc::clone(&dispatch);
        async move { work_off(&dispatch, &invocation, message).await }
    })))
}

async fn work_off(
    dispatch: &Dispatch,
    invocation: &Invocation,
    message: Message,
) -> Result<Outcome, WorkError> {
    let in_program = |program| {
        tracing::Span::current().record("program.id", tracing::field::display(program));
    };
    match message {
        Message::Event {
            program_id,
            event_id,
            shards,
        } => {
            in_program(program_id);
            let at = EventRef {
                program: program_id,
                event: event_id,
                shards,
            };
            for survey in dispatch.schedule_surveys(invocation, at).await? {
                dispatch
                    .attend_survey(invocation, program_id, survey)
                    .await?;
            }
            Ok(Outcome::Done)
        }
        Message::Survey {
            program_id,
            survey_id,
        } => {
            in_program(program_id);
            dispatch
                .attend_survey(invocation, program_id, survey_id)
                .await?;
            Ok(Outcome::Done)
        }
        Message::Reward { .. }
        | Message::Payout { .. }
        | Message::PayoutLine { .. }
        | Message::Redemption { .. }
        | Message::Merge { .. }
        | Message::Mail { .. }
        | Message::Delivery { .. } => Ok(Outcome::Refused("not a message for this worker")),
    }
}
