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

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashMap};

    use jiff::Timestamp;
    use kith_domain::id::{EventId, ProgramId};
    use kith_domain::mode::Mode;
    use kith_store::wake::Queue;

    use super::*;

    fn wake(queue: Queue) -> Wake {
        Wake {
            queue,
            body: format!("to {queue}"),
        }
    }

    fn change(sequence_number: &str, wakes: &[Wake]) -> Change {
        let event = Event {
            id: EventId::floor_of(Timestamp::UNIX_EPOCH),
            program: ProgramId::floor_of(Timestamp::UNIX_EPOCH),
            mode: Mode::Live,
            created_at: Timestamp::UNIX_EPOCH,
            facts: Vec::new(),
            wakes: wakes.to_vec(),
            awaiting: BTreeSet::new(),
        };
        Change {
            sequence_number: sequence_number.to_owned(),
            new_image: item::write(&event).unwrap_or_default(),
        }
    }

    /// A lost wake has to bring its own event back, and a strange item must not hold up the others.
    #[test]
    fn each_wake_is_tied_to_its_event_and_what_is_no_event_fails_alone() {
        let (rewards, surveys) = (wake(Queue::Rewards), wake(Queue::Surveys));
        let strange = Change {
            sequence_number: "2".to_owned(),
            new_image: HashMap::new(),
        };
        let gathered = gather_wakes(vec![
            change("1", &[rewards.clone(), surveys.clone()]),
            strange,
            change("3", std::slice::from_ref(&rewards)),
        ]);
        assert_eq!(gathered.wakes, [rewards.clone(), surveys, rewards]);
        assert_eq!(gathered.of, ["1", "1", "3"]);
        assert_eq!(gathered.failed, ["2"]);
    }
}
