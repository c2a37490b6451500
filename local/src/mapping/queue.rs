//! A queue that feeds a function.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::report::{self, Report};
use super::subject;
use crate::host::{Duplicates, Host, short};
use crate::queues::{Message, lambda_attributes, md5_of};
use crate::template::{LocalNames, QueueMapping};

/// How long to wait for an arrival before looking anyway.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Feeds the function until the host stops, then finishes what has begun.
pub(crate) async fn run(host: Host, mapping: QueueMapping) {
    let mapping = Arc::new(mapping);
    let permits = Arc::new(Semaphore::new(mapping.concurrency_max));
    let mut batches = JoinSet::new();
    while !host.is_stopping() {
        let permit = tokio::select! {
            () = host.stopped() => break,
            permit = async {
                host.gate.passes(&mapping.package).await;
                Arc::clone(&permits).acquire_owned().await
            } => permit,
        };
        let queues = &host.services.queues;
        let received = queues
            .receive(&mapping.queue, mapping.batch_size, None)
            .unwrap_or_else(|error| {
                tracing::error!(error = %error, queue = mapping.queue, "a queue cannot be read");
                Vec::new()
            });
        if received.is_empty() {
            tokio::select! {
                () = host.stopped() => break,
                () = queues.wait_for_arrival(&mapping.queue, LOOK_EVERY) => {}
            }
            continue;
        }
        let (host, mapping) = (host.clone(), Arc::clone(&mapping));
        batches.spawn(async move {
            deliver(&host, &mapping, received).await;
            drop(permit);
        });
        while batches.try_join_next().is_some() {}
    }
    while batches.join_next().await.is_some() {}
}

/// Hands a batch to the function and deletes what it does not report as failed. The rest waits for
/// its visibility timeout.
async fn deliver(host: &Host, mapping: &QueueMapping, received: Vec<Message>) {
    let (batch, filtered): (Vec<Message>, Vec<Message>) =
        received.into_iter().partition(|message| {
            mapping.filter.is_empty() || {
                let body = serde_json::from_str(&message.body);
                let body = body.unwrap_or_else(|_| json!(message.body));
                let record = record(&host.names, &mapping.queue, message, body);
                mapping.filter.passes(&record)
            }
        });
    delete(host, mapping, &filtered);
    if batch.is_empty() {
        return;
    }
    let event = queue_event(&host.names, &mapping.queue, &batch).to_string();
    let started = Instant::now();
    let failed = match host.duplicates() {
        Duplicates::None => attempt(host, mapping, &event, &batch).await,
        Duplicates::After => {
            let mut failed = attempt(host, mapping, &event, &batch).await;
            failed.extend(attempt(host, mapping, &event, &batch).await);
            failed
        }
        Duplicates::AtOnce => {
            let (mut failed, again) = tokio::join!(
                attempt(host, mapping, &event, &batch),
                attempt(host, mapping, &event, &batch)
            );
            failed.extend(again);
            failed
        }
    };
    let succeeded: Vec<Message> = batch
        .iter()
        .filter(|message| !failed.contains(&message.message_id))
        .cloned()
        .collect();
    delete(host, mapping, &succeeded);
    let outcome = match failed.len() {
        0 => "done".to_owned(),
        count => format!("{count} failed"),
    };
    let subject = subject::messages(&batch);
    host.step(&mapping.package, outcome, subject, Some(started.elapsed()));
}

/// The ids of the messages that failed.
async fn attempt(
    host: &Host,
    mapping: &QueueMapping,
    event: &str,
    batch: &[Message],
) -> BTreeSet<String> {
    let identifiers: BTreeSet<String> = batch
        .iter()
        .map(|message| message.message_id.clone())
        .collect();
    let answer = host
        .functions
        .invoke(&mapping.package, event.to_owned())
        .await;
    match answer {
        Ok(answer) if mapping.reports_failures => match report::read(answer.get(), &identifiers) {
            Report::Failed(failed) => failed,
            Report::AllFailed => identifiers,
        },
        Ok(_) => BTreeSet::new(),
        Err(error) => {
            tracing::warn!(
                function.name = mapping.package,
                outcome = short(&error),
                "a whole batch failed"
            );
            identifiers
        }
    }
}

fn delete(host: &Host, mapping: &QueueMapping, messages: &[Message]) {
    for message in messages {
        if let Err(error) = host
            .services
            .queues
            .delete(&mapping.queue, &message.receipt)
        {
            tracing::error!(error = %error, queue = mapping.queue, "a message was not deleted");
        }
    }
}

/// What Lambda hands to a function behind a queue.
#[must_use]
pub fn queue_event(names: &LocalNames, queue: &str, messages: &[Message]) -> Value {
    let records: Vec<Value> = messages
        .iter()
        .map(|message| record(names, queue, message, json!(message.body)))
        .collect();
    json!({ "Records": records })
}

/// One message as Lambda hands it over; filters see its body read as JSON.
fn record(names: &LocalNames, queue: &str, message: &Message, body: Value) -> Value {
    json!({
        "messageId": message.message_id,
        "receiptHandle": message.receipt,
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": message.receives.to_string(),
            "SentTimestamp": message.sent_ms.to_string(),
            "SenderId": names.account,
            "ApproximateFirstReceiveTimestamp": message.first_received_ms.to_string(),
        },
        "messageAttributes": lambda_attributes(&message.attributes),
        "md5OfBody": md5_of(&message.body),
        "eventSource": "aws:sqs",
        "eventSourceARN": names.queue_arn(queue),
        "awsRegion": names.region,
    })
}
