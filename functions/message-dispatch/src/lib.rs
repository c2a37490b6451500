//! Tells people what became of their rewards, and the owner of endpoints that were disabled, by mail.
//!
//! A mail has no idempotency key, so it is sent at most once: its record is written as `sending`
//! before the provider is called, and nobody sends it again after that unless the provider surely
//! did not take it. Whoever finds it `sending` after its sender must be gone notes that nobody knows.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test stops on the first surprise"
    )
)]

mod letter;
mod notify;

use std::sync::Arc;

use kith_edge::aws::Connection;
use kith_edge::config::Variables;
use kith_edge::desk::Desk;
use kith_edge::queue::SqsFunction;
use kith_edge::{Environment, Function, Invocation, Outcome, StartError, WorkError};
use kith_store::Store;
use kith_store::keys::EventRef;
use kith_store::wake::Message;

use crate::notify::Dispatch;
use kith_post::Post;

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
            dispatch.notify_of_event(invocation, at).await
        }
        Message::Mail {
            program_id,
            mail_id,
        } => {
            in_program(program_id);
            dispatch.attend_mail(invocation, program_id, mail_id).await
        }
        Message::Reward { .. }
        | Message::Payout { .. }
        | Message::PayoutLine { .. }
        | Message::Redemption { .. }
        | Message::Merge { .. }
        | Message::Survey { .. }
        | Message::Delivery { .. } => Ok(Outcome::Refused("not a message for this worker")),
    }
}
