//! Sends wake-ups to the queues: what the stream's relay and the sweep of due work do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use futures_util::{StreamExt, stream};
use kith_store::items::Wake;
use kith_store::wake::Queue;

use crate::aws::Connection;
use crate::causes::Causes;
use crate::config::Variables;
use crate::environment::Randomness;

/// SQS takes ten messages at a time,
const BATCH_ENTRIES_MAX: usize = 10;
/// and 1 MiB; what is left is for the envelope.
const BATCH_BYTES_MAX: usize = 1_000_000;
/// How often the entries of a batch that SQS refused are sent again.
const RESENDS: u32 = 2;
/// The longest wait before the first of those; the next one may be twice as long.
const BACKOFF_MS_MAX: u64 = 100;
/// How many batches are under way at a time.
const CONCURRENCY: usize = 4;

/// The queues and the way to them.
#[derive(Debug, Clone)]
pub struct Queues {
    client: Client,
    randomness: Arc<dyn Randomness>,
    rewards: String,
    surveys: String,
    messages: String,
    deliveries: String,
}

/// A message and its place in what is being sent.
#[derive(Debug)]
struct Entry {
    index: usize,
    body: String,
}

impl Queues {
    /// Reads `KITH_REWARDS_QUEUE_URL`, `KITH_SURVEYS_QUEUE_URL`, `KITH_MESSAGES_QUEUE_URL` and
    /// `KITH_DELIVERIES_QUEUE_URL`.
    /// `None` is a fault that [`Variables::finish`] reports, here or in the connection.
    pub fn of(variables: &mut Variables<'_>, connection: Option<&Connection>) -> Option<Self> {
        let rewards = variables.required("KITH_REWARDS_QUEUE_URL");
        let surveys = variables.required("KITH_SURVEYS_QUEUE_URL");
        let messages = variables.required("KITH_MESSAGES_QUEUE_URL");
        let deliveries = variables.required("KITH_DELIVERIES_QUEUE_URL");
        Some(Self {
            client: connection?.sqs(),
            randomness: Arc::clone(&variables.environment().randomness),
            rewards: rewards?,
            surveys: surveys?,
            messages: messages?,
            deliveries: deliveries?,
        })
    }

    /// Sends messages and answers the places of those that were not taken, in order; empty when all
    /// were. A message may have been sent although it is among them: workers bear repeats.
    pub async fn send(&self, wakes: &[Wake]) -> Vec<usize> {
        let mut by_queue: BTreeMap<Queue, Vec<Entry>> = BTreeMap::new();
        for (index, wake) in wakes.iter().enumerate() {
            let entry = Entry {
                index,
                body: wake.body.clone(),
            };
            by_queue.entry(wake.queue).or_default().push(entry);
        }
        let batches = by_queue.into_iter().flat_map(|(queue, entries)| {
            batches(entries)
                .into_iter()
                .map(move |batch| (queue, batch))
        });
        let mut failed: Vec<usize> = stream::iter(batches)
            .map(|(queue, batch)| self.send_batch(queue, batch))
            .buffer_unordered(CONCURRENCY)
            .flat_map(stream::iter)
            .collect()
            .await;
        failed.sort_unstable();
        failed
    }

    /// Sends one batch, and again what SQS refused of it for a reason of its own.
    async fn send_batch(&self, queue: Queue, batch: Vec<Entry>) -> Vec<usize> {
        let mut lost = Vec::new();
        let mut pending = batch;
        for attempt in 0..=RESENDS {
            if attempt > 0 {
                tokio::time::sleep(self.backoff(attempt)).await;
            }
            let refused = match self.call(queue, &pending).await {
                Ok(refused) => refused,
                Err(error) => {
                    // The client has repeated the call already.
                    tracing::error!(queue = %queue, error = %Causes(&error), "the queue took nothing");
                    lost.extend(pending.iter().map(|entry| entry.index));
                    return lost;
                }
            };
            let (ours, theirs): (Vec<_>, Vec<_>) =
                refused.into_iter().partition(|refusal| refusal.is_ours);
            lost.extend(ours.iter().map(|refusal| refusal.index));
            pending.retain(|entry| theirs.iter().any(|refusal| refusal.index == entry.index));
            if pending.is_empty() {
                return lost;
            }
        }
        lost.extend(pending.iter().map(|entry| entry.index));
        lost
    }

    async fn call(
        &self,
        queue: Queue,
        batch: &[Entry],
    ) -> Result<Vec<Refusal>, aws_sdk_sqs::Error> {
        let entries = batch
            .iter()
            .map(|entry| {
                SendMessageBatchRequestEntry::builder()
                    .id(entry.index.to_string())
                    .message_body(&entry.body)
                    .build()
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(aws_sdk_sqs::Error::from)?;
        let answer = self
            .client
            .send_message_batch()
            .queue_url(self.url(queue))
            .set_entries(Some(entries))
            .send()
            .await?;
        // The call succeeds even when it took nothing: what was not taken is listed.
        let refusals = answer.failed().iter().filter_map(|failure| {
            tracing::warn!(queue = %queue, code = failure.code(), "the queue refused a message");
            Some(Refusal {
                index: failure.id().parse().ok()?,
                is_ours: failure.sender_fault(),
            })
        });
        Ok(refusals.collect())
    }

    fn url(&self, queue: Queue) -> &str {
        match queue {
            Queue::Rewards => &self.rewards,
            Queue::Surveys => &self.surveys,
            Queue::Messages => &self.messages,
            Queue::Deliveries => &self.deliveries,
        }
    }

    /// Anything up to a bound that doubles: full jitter.
    fn backoff(&self, attempt: u32) -> Duration {
        let mut random = [0; 2];
        self.randomness.fill(&mut random);
        let bound = BACKOFF_MS_MAX.saturating_mul(1 << attempt.saturating_sub(1).min(4));
        let share = bound.saturating_mul(u64::from(u16::from_be_bytes(random))) >> 16;
        Duration::from_millis(share)
    }
}

/// A message that SQS listed as not taken.
struct Refusal {
    index: usize,
    /// It would be refused again.
    is_ours: bool,
}

/// Cuts what goes to one queue into batches that SQS takes. A message that is too large by itself
/// is a batch, and refused by SQS.
fn batches(entries: Vec<Entry>) -> Vec<Vec<Entry>> {
    let mut batches: Vec<Vec<Entry>> = Vec::new();
    let mut bytes: usize = 0;
    for entry in entries {
        let own = entry.body.len();
        let grown = bytes.saturating_add(own);
        match batches.last_mut() {
            Some(batch) if batch.len() < BATCH_ENTRIES_MAX && grown <= BATCH_BYTES_MAX => {
                batch.push(entry);
                bytes = grown;
            }
            Some(_) | None => {
                batches.push(vec![entry]);
                bytes = own;
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests;
