//! Tells shops what happened: makes a delivery for each endpoint of webhooks that listens to an event,
//! posts it, signed, and tries again over days.
//!
//! A delivery is made at least once, under an id that stays the same over all attempts. Each one is an
//! item of its own, and so is how an endpoint fails: a dead endpoint holds up nobody else.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test stops on the first surprise"
    )
)]

mod address;
mod deliver;
mod post;

use std::sync::Arc;

use kith_connectors::{Messenger, Reach};
use kith_edge::aws::Connection;
use kith_edge::config::{Origin, Variables};
use kith_edge::desk::Desk;
use kith_edge::queue::SqsFunction;
use kith_edge::{Environment, Function, Invocation, Outcome, StartError, WorkError};
use kith_store::Store;
use kith_store::keys::EventRef;
use kith_store::wake::Message;

/// The most messages of a batch, as the template has it.
const BATCH: usize = 5;

/// What telling endpoints needs.
#[derive(Debug)]
struct Deliverer {
    desk: Desk,
    messenger: Messenger,
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
    let table = variables.required("KITH_TABLE");
    let url = variables.parsed("KITH_PUBLIC_URL", str::parse::<Origin>);
    let connection = Connection::of(&mut variables);
    let (table, url, connection) = variables.finish((table, url, connection))?;
    let messenger = messenger(Reach::of_bundle(url.is_plain_http()));
    let ready = messenger.client().map(|_| ());
    ready.map_err(|error| StartError::Configuration(vec![error.to_string()]))?;
    let deliverer = Arc::new(Deliverer {
        desk: Desk::new(environment, Store::new(connection.dynamodb(), &table)),
        messenger,
    });
    let function = SqsFunction::new(move |message, invocation| {
        let deliverer = Arc::clone(&deliverer);
        async move { work_off(&deliverer, &invocation, message).await }
    });
    // All of a batch at once: who is slow holds up nobody.
    Ok(Box::new(function.at_once(BATCH)))
}

async fn work_off(
    deliverer: &Deliverer,
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
            let begun = deliverer.address(invocation, at).await?;
            let posted = begun.into_iter().map(|(webhook, delivery)| {
                deliverer.deliver(invocation, program_id, webhook, delivery)
            });
            // All at once: who is slow holds up nobody.
            let ends = futures_util::future::join_all(posted).await;
            ends.into_iter().collect::<Result<(), WorkError>>()?;
            Ok(Outcome::Done)
        }
        Message::Delivery {
            program_id,
            webhook_id,
            delivery_id,
        } => {
            in_program(program_id);
            deliverer
                .deliver(invocation, program_id, webhook_id, delivery_id)
                .await?;
            Ok(Outcome::Done)
        }
        Message::Reward { .. }
        | Message::Payout { .. }
        | Message::PayoutLine { .. }
        | Message::Redemption { .. }
        | Message::Merge { .. }
        | Message::Survey { .. }
        | Message::Mail { .. } => Ok(Outcome::Refused("not a message for this worker")),
    }
}
