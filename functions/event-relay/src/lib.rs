//! Relays committed events: takes the new event items of the table's stream and wakes whom they
//! name, through the queues.
//!
//! It reads no table: what an event wakes stands in the event. A wake that cannot be sent is not
//! lost either, since the work behind it is due a few minutes later.

use kith_edge::aws::Connection;
use kith_edge::causes::Causes;
use kith_edge::config::Variables;
use kith_edge::sender::Queues;
use kith_edge::stream::{Change, StreamFunction};
use kith_edge::{Environment, Function, StartError};
use kith_store::item;
use kith_store::items::{Event, Wake};

/// The function, in an environment.
///
/// # Errors
/// [`StartError::Configuration`] with every fault.
pub fn function(environment: &Environment) -> Result<Box<dyn Function>, StartError> {
    let mut variables = Variables::of(environment);
    let connection = Connection::of(&mut variables);
    let queues = Queues::of(&mut variables, connection.as_ref());
    let (_, queues) = variables.finish((connection, queues))?;
    Ok(Box::new(StreamFunction::new(move |changes, _| {
        let queues = queues.clone();
        async move { Ok(relay_events(&queues, changes).await) }
    })))
}

/// Sends every wake of the events, and answers the sequence numbers of those that have to come again.
async fn relay_events(queues: &Queues, changes: Vec<Change>) -> Vec<String> {
    let Gathered {
        wakes,
        of,
        mut failed,
    } = gather_wakes(changes);
    for place in queues.send(&wakes).await {
        failed.extend(of.get(place).cloned());
    }
    failed.sort_unstable();
    failed.dedup();
    failed
}

/// The wakes of a batch, and the event that each of them is of.
#[derive(Debug, Default, PartialEq)]
struct Gathered {
    wakes: Vec<Wake>,
    /// For each wake the sequence number of its event.
    of: Vec<String>,
    /// The sequence numbers of what is not an event.
    failed: Vec<String>,
}

fn gather_wakes(changes: Vec<Change>) -> Gathered {
    let mut gathered = Gathered::default();
    for change in changes {
        match item::read::<Event>(change.new_image) {
            Ok(event) => {
                let numbers = std::iter::repeat_n(change.sequence_number, event.wakes.len());
                gathered.of.extend(numbers);
                gathered.wakes.extend(event.wakes);
            }
            Err(error) => {
                let number = change.sequence_number;
                tracing::error!(sequence_number = %number, error = %Causes(&error), "the event cannot be read");
                gathered.failed.push(number);
            }
        }
    }
    gathered
}
