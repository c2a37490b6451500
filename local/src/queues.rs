//! Durable queues with SQS's semantics: visibility timeout, receive count, dead-letter queue.

mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use kith_edge::{Clock, Randomness};
use rusqlite::{Connection, params};
use tokio::sync::Notify;

use crate::state::State;
use crate::template::QueueSpec;
pub use wire::WireAnswer;
pub(crate) use wire::{is_empty_receive, lambda_attributes, md5_of, wait_of};

/// The shortest wait between two looks at a queue that nothing announced.
const RECHECK: Duration = Duration::from_millis(20);

/// All queues of one bundle. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Queues {
    state: State,
    specs: Arc<BTreeMap<String, QueueSpec>>,
    /// Told when something may have become visible, by queue.
    arrivals: Arc<BTreeMap<String, Arc<Notify>>>,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
}

/// A message as it is received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The id it got when it was sent.
    pub message_id: String,
    /// Names this receive of it.
    pub receipt: String,
    /// Its text.
    pub body: String,
    /// Message attributes, a JSON object in SQS's shape.
    pub attributes: String,
    /// How often it was received, this time included.
    pub receives: u32,
    /// When it was sent, milliseconds since 1970.
    pub sent_ms: i64,
    /// When it was first received, milliseconds since 1970.
    pub first_received_ms: i64,
}

/// How many messages a queue holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depth {
    /// Ready to be received.
    pub visible: u64,
    /// Received, neither deleted nor visible again.
    pub in_flight: u64,
    /// Sent with a delay that has not passed.
    pub delayed: u64,
}

impl Depth {
    /// Whether nothing is there at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Why a queue could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// No such queue.
    #[error("the queue {0} does not exist")]
    NoSuchQueue(String),
    /// A receipt handle that this host never gave out.
    #[error("the receipt handle is not valid")]
    InvalidReceipt,
    /// The database failed.
    #[error("the queue's database failed: {0}")]
    Database(#[from] rusqlite::Error),
}

impl Queues {
    /// The queues of a template. What was in flight when the process ended is visible again: its
    /// consumer is gone.
    ///
    /// # Errors
    /// The database failed.
    pub fn open(
        state: State,
        specs: BTreeMap<String, QueueSpec>,
        clock: Arc<dyn Clock>,
        randomness: Arc<dyn Randomness>,
    ) -> Result<Self, rusqlite::Error> {
        state.connection().execute(
            "UPDATE messages SET visible_ms = 0, receipt = NULL WHERE receipt IS NOT NULL",
            [],
        )?;
        let arrivals = specs
            .keys()
            .map(|name| (name.clone(), Arc::new(Notify::new())))
            .collect();
        Ok(Self {
            state,
            specs: Arc::new(specs),
            arrivals: Arc::new(arrivals),
            clock,
            randomness,
        })
    }

    /// The queues, by name.
    #[must_use]
    pub fn specs(&self) -> &BTreeMap<String, QueueSpec> {
        &self.specs
    }

    /// Waits until something arrives in a queue or becomes visible, at most this long.
    pub(crate) async fn wait_for_arrival(&self, queue: &str, at_most: Duration) {
        let next = self.next_visible_in(queue).ok().flatten();
        // A message that is visible already was taken by nobody yet: look again soon, not at once.
        let wait = next.map_or(at_most, |next| next.max(RECHECK).min(at_most));
        match self.arrivals.get(queue) {
            Some(arrivals) => {
                let _ = tokio::time::timeout(wait, arrivals.notified()).await;
            }
            None => tokio::time::sleep(wait).await,
        }
    }

    /// Sends one message; returns its id.
    ///
    /// # Errors
    /// There is no such queue, or the database failed.
    pub fn send(&self, queue: &str, body: &str, delay: Duration) -> Result<String, QueueError> {
        self.send_with_attributes(queue, body, "{}", delay)
    }

    fn send_with_attributes(
        &self,
        queue: &str,
        body: &str,
        attributes: &str,
        delay: Duration,
    ) -> Result<String, QueueError> {
        self.spec(queue)?;
        let message_id = self.uuid();
        let now = self.now_ms();
        self.state
            .connection()
            .prepare_cached(
                "INSERT INTO messages (queue, message_id, body, attributes, sent_ms, visible_ms) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                queue,
                message_id,
                body,
                attributes,
                now,
                later(now, delay)
            ])?;
        self.announce(queue);
        Ok(message_id)
    }

    /// Receives up to `max` messages and hides them for the visibility timeout, by default the
    /// queue's own. Messages received too often go to the dead-letter queue instead.
    ///
    /// # Errors
    /// There is no such queue, or the database failed.
    pub fn receive(
        &self,
        queue: &str,
        max: usize,
        visibility: Option<Duration>,
    ) -> Result<Vec<Message>, QueueError> {
        let spec = self.spec(queue)?;
        let now = self.now_ms();
        let hidden_until = later(now, visibility.unwrap_or(spec.visibility_timeout));
        let mut received = Vec::new();
        let mut dead = false;
        {
            let mut connection = self.state.connection();
            let transaction = connection.transaction()?;
            // One hidden for no time at all is visible again at once, and still comes once.
            let mut taken = BTreeSet::new();
            while received.len() < max {
                let Some(mut candidate) = next_visible(&transaction, queue, now, &taken)? else {
                    break;
                };
                taken.insert(candidate.id);
                if let Some(redrive) = &spec.redrive
                    && candidate.message.receives >= redrive.max_receives
                {
                    transaction
                        .prepare_cached(
                            "UPDATE messages SET queue = ?1, visible_ms = ?2, receives = 0, \
                             first_received_ms = NULL, receipt = NULL WHERE id = ?3",
                        )?
                        .execute(params![redrive.to, now, candidate.id])?;
                    dead = true;
                    continue;
                }
                let receipt = format!("{}-{}", candidate.id, self.uuid());
                let message = &mut candidate.message;
                message.receives = message.receives.saturating_add(1);
                message.receipt.clone_from(&receipt);
                if message.first_received_ms == 0 {
                    message.first_received_ms = now;
                }
                transaction
                    .prepare_cached(
                        "UPDATE messages SET visible_ms = ?1, receives = ?2, \
                         first_received_ms = ?3, receipt = ?4 WHERE id = ?5",
                    )?
                    .execute(params![
                        hidden_until,
                        message.receives,
                        message.first_received_ms,
                        receipt,
                        candidate.id
                    ])?;
                received.push(candidate.message);
            }
            transaction.commit()?;
        }
        if dead && let Some(redrive) = &spec.redrive {
            self.announce(&redrive.to);
        }
        Ok(received)
    }

    /// Deletes a received message. As in SQS, a receipt that a later receive has replaced is
    /// accepted and deletes nothing.
    ///
    /// # Errors
    /// The receipt is none of this host's, or the database failed.
    pub fn delete(&self, queue: &str, receipt: &str) -> Result<(), QueueError> {
        self.spec(queue)?;
        let id = id_of(receipt)?;
        self.state
            .connection()
            .prepare_cached("DELETE FROM messages WHERE id = ?1 AND receipt = ?2 AND queue = ?3")?
            .execute(params![id, receipt, queue])?;
        Ok(())
    }

    /// Hides a received message from now on for this long; zero makes it visible.
    ///
    /// # Errors
    /// The receipt is none of this host's, or the database failed.
    pub fn change_visibility(
        &self,
        queue: &str,
        receipt: &str,
        visibility: Duration,
    ) -> Result<(), QueueError> {
        self.spec(queue)?;
        let id = id_of(receipt)?;
        self.state
            .connection()
            .prepare_cached(
                "UPDATE messages SET visible_ms = ?1 WHERE id = ?2 AND receipt = ?3 AND queue = ?4",
            )?
            .execute(params![
                later(self.now_ms(), visibility),
                id,
                receipt,
                queue
            ])?;
        self.announce(queue);
        Ok(())
    }

    /// Makes everything in a queue visible now, whatever it waits for.
    ///
    /// # Errors
    /// There is no such queue, or the database failed.
    pub fn make_visible(&self, queue: &str) -> Result<(), QueueError> {
        self.spec(queue)?;
        self.state.connection().execute(
            "UPDATE messages SET visible_ms = 0 WHERE queue = ?1",
            [queue],
        )?;
        self.announce(queue);
        Ok(())
    }

    /// Removes every message of a queue.
    ///
    /// # Errors
    /// There is no such queue, or the database failed.
    pub fn purge(&self, queue: &str) -> Result<(), QueueError> {
        self.spec(queue)?;
        self.state
            .connection()
            .execute("DELETE FROM messages WHERE queue = ?1", [queue])?;
        Ok(())
    }

    /// How many messages a queue holds.
    ///
    /// # Errors
    /// There is no such queue, or the database failed.
    pub fn depth(&self, queue: &str) -> Result<Depth, QueueError> {
        self.spec(queue)?;
        let connection = self.state.connection();
        let mut statement = connection.prepare_cached(
            "SELECT COALESCE(SUM(visible_ms <= ?2), 0), \
                    COALESCE(SUM(visible_ms > ?2 AND receipt IS NOT NULL), 0), \
                    COALESCE(SUM(visible_ms > ?2 AND receipt IS NULL), 0) \
             FROM messages WHERE queue = ?1",
        )?;
        let depth = statement.query_row(params![queue, self.now_ms()], |row| {
            Ok(Depth {
                visible: row.get(0)?,
                in_flight: row.get(1)?,
                delayed: row.get(2)?,
            })
        })?;
        Ok(depth)
    }

    /// The bodies of what a queue holds, oldest first: for looking, not for consuming.
    ///
    /// # Errors
    /// There is no such queue, or the database failed.
    pub fn peek(&self, queue: &str) -> Result<Vec<String>, QueueError> {
        self.spec(queue)?;
        let connection = self.state.connection();
        let mut statement =
            connection.prepare_cached("SELECT body FROM messages WHERE queue = ?1 ORDER BY id")?;
        let bodies = statement
            .query_map([queue], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        Ok(bodies)
    }

    /// When the next message of a queue becomes visible, from now on.
    fn next_visible_in(&self, queue: &str) -> Result<Option<Duration>, QueueError> {
        let next: Option<i64> = self
            .state
            .connection()
            .prepare_cached("SELECT MIN(visible_ms) FROM messages WHERE queue = ?1")?
            .query_row([queue], |row| row.get(0))?;
        Ok(next.map(|at| {
            Duration::from_millis(u64::try_from(at.saturating_sub(self.now_ms())).unwrap_or(0))
        }))
    }

    fn spec(&self, queue: &str) -> Result<&QueueSpec, QueueError> {
        self.specs
            .get(queue)
            .ok_or_else(|| QueueError::NoSuchQueue(queue.to_owned()))
    }

    fn announce(&self, queue: &str) {
        if let Some(arrivals) = self.arrivals.get(queue) {
            arrivals.notify_one();
        }
    }

    fn now_ms(&self) -> i64 {
        self.clock.now().as_millisecond()
    }

    fn uuid(&self) -> String {
        crate::random::uuid(&*self.randomness)
    }
}

struct Candidate {
    id: i64,
    message: Message,
}

/// The message that has been visible longest and was not taken yet.
fn next_visible(
    connection: &Connection,
    queue: &str,
    now: i64,
    taken: &BTreeSet<i64>,
) -> Result<Option<Candidate>, rusqlite::Error> {
    let mut statement = connection.prepare_cached(
        "SELECT id, message_id, body, attributes, receives, sent_ms, first_received_ms \
         FROM messages WHERE queue = ?1 AND visible_ms <= ?2 ORDER BY visible_ms, id LIMIT ?3",
    )?;
    let look_at = taken.len().saturating_add(1);
    let mut candidates = statement
        .query_map(params![queue, now, look_at], |row| {
            Ok(Candidate {
                id: row.get(0)?,
                message: Message {
                    message_id: row.get(1)?,
                    receipt: String::new(),
                    body: row.get(2)?,
                    attributes: row.get(3)?,
                    receives: row.get(4)?,
                    sent_ms: row.get(5)?,
                    first_received_ms: row.get::<_, Option<i64>>(6)?.unwrap_or(0),
                },
            })
        })?
        .filter(|candidate| {
            candidate
                .as_ref()
                .map_or(true, |candidate| !taken.contains(&candidate.id))
        });
    candidates.next().transpose()
}

fn id_of(receipt: &str) -> Result<i64, QueueError> {
    receipt
        .split_once('-')
        .and_then(|(id, _)| id.parse().ok())
        .ok_or(QueueError::InvalidReceipt)
}

fn later(now_ms: i64, by: Duration) -> i64 {
    now_ms.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
