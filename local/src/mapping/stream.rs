//! The table's stream feeding a function.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::watch;

use super::report::{self, Report};
use super::subject;
use crate::host::{Duplicates, Host, counted};
use crate::table::{StreamRecord, TableError};
use crate::template::StreamMapping;

/// The first wait before a failed batch is tried again; doubles with each attempt.
const BACKOFF_FIRST: Duration = Duration::from_millis(50);
/// The longest wait between two attempts.
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// How long to wait for a write before looking anyway.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Reads the stream from where it was left and feeds the function, in order, until the host stops.
/// `seen` tells how many of the table's writes have been dealt with.
pub(crate) async fn run(host: Host, mapping: StreamMapping, seen: watch::Sender<u64>) {
    let source_arn = host.names.stream_arn(host.services.table.name());
    let mut writes = host.services.table.writes();
    while !host.is_stopping() {
        let written = *writes.borrow_and_update();
        let records = match read(&host, &mapping, &source_arn).await {
            Ok(records) => records,
            Err(error) => {
                tracing::error!(error = %error, "the table's stream cannot be read");
                Vec::new()
            }
        };
        if records.is_empty() {
            seen.send_replace(written);
            tokio::select! {
                () = host.stopped() => return,
                _ = tokio::time::timeout(LOOK_EVERY, writes.changed()) => {}
            }
            continue;
        }
        for facts in records.iter().filter_map(subject::facts) {
            host.step("table", "committed".to_owned(), facts, None);
        }
        tokio::select! {
            () = host.stopped() => return,
            () = host.gate.passes(&mapping.package) => {}
        }
        let Some(last) = records.last().map(|record| record.sequence_number.clone()) else {
            continue;
        };
        let mut feed: Vec<StreamRecord> = records;
        feed.retain(|record| mapping.filter.passes(&record.record));
        for batch in feed.chunks(mapping.batch_size) {
            if !deliver(&host, &mapping, batch.to_vec(), &source_arn).await {
                return;
            }
        }
        note(&host, &mapping, &last);
    }
}

async fn read(
    host: &Host,
    mapping: &StreamMapping,
    source_arn: &str,
) -> Result<Vec<StreamRecord>, TableError> {
    let after = host.state.checkpoint(&mapping.package)?;
    let table = host.services.table.clone();
    let (source_arn, region) = (source_arn.to_owned(), host.names.region.clone());
    tokio::task::spawn_blocking(move || table.stream_after(after.as_deref(), &source_arn, &region))
        .await
        .unwrap_or_else(|_| Ok(Vec::new()))
}

fn note(host: &Host, mapping: &StreamMapping, sequence_number: &str) {
    if let Err(error) = host.state.set_checkpoint(&mapping.package, sequence_number) {
        tracing::error!(error = %error, "the stream's position was not noted");
    }
}

/// A stretch of the stream and how often it was tried.
struct Part {
    records: Vec<StreamRecord>,
    attempts: u32,
}

/// Feeds one batch until every record has succeeded or was given up. False when the host stops
/// before that; the records then come again after a restart.
async fn deliver(
    host: &Host,
    mapping: &StreamMapping,
    batch: Vec<StreamRecord>,
    source_arn: &str,
) -> bool {
    let mut parts = VecDeque::from([Part {
        records: batch,
        attempts: 0,
    }]);
    while let Some(mut part) = parts.pop_front() {
        let started = Instant::now();
        let failed_from = attempt(host, mapping, &part.records).await;
        let subject = counted(part.records.len(), "record");
        let outcome = match failed_from {
            None => "done",
            Some(_) => "failed",
        };
        host.step(
            &mapping.package,
            outcome.to_owned(),
            subject,
            Some(started.elapsed()),
        );
        let Some(failed_from) = failed_from else {
            if let Some(last) = part.records.last() {
                note(host, mapping, &last.sequence_number);
            }
            continue;
        };
        if host.is_stopping() {
            return false;
        }
        // What came before the first failure is done; the rest is tried again.
        let done: Vec<StreamRecord> = part
            .records
            .drain(..failed_from.min(part.records.len()))
            .collect();
        if let Some(last) = done.last() {
            note(host, mapping, &last.sequence_number);
        }
        part.attempts = part.attempts.saturating_add(1);
        if mapping.bisects && part.records.len() > 1 {
            let second = part.records.split_off(part.records.len().div_ceil(2));
            parts.push_front(Part {
                records: second,
                attempts: 0,
            });
            part.attempts = 0;
            parts.push_front(part);
        } else if part.attempts > mapping.retries_max {
            give_up(host, mapping, &part, source_arn);
        } else {
            let wait = BACKOFF_FIRST
                .saturating_mul(2_u32.saturating_pow(part.attempts.saturating_sub(1)))
                .min(BACKOFF_MAX);
            tokio::select! {
                () = host.stopped() => return false,
                () = tokio::time::sleep(wait) => {}
            }
            parts.push_front(part);
        }
    }
    true
}

/// The index of the first record that failed.
async fn attempt(host: &Host, mapping: &StreamMapping, records: &[StreamRecord]) -> Option<usize> {
    match host.duplicates() {
        Duplicates::None => once(host, mapping, records).await,
        Duplicates::After => {
            let first = once(host, mapping, records).await;
            let second = once(host, mapping, records).await;
            earliest(first, second)
        }
        Duplicates::AtOnce => {
            let (first, second) =
                tokio::join!(once(host, mapping, records), once(host, mapping, records));
            earliest(first, second)
        }
    }
}

fn earliest(first: Option<usize>, second: Option<usize>) -> Option<usize> {
    match (first, second) {
        (Some(first), Some(second)) => Some(first.min(second)),
        (first, second) => first.or(second),
    }
}

/// What Lambda hands to a function behind a stream.
#[must_use]
pub fn stream_event(records: &[StreamRecord]) -> Value {
    let records: Vec<&Value> = records.iter().map(|record| &record.record).collect();
    json!({ "Records": records })
}

async fn once(host: &Host, mapping: &StreamMapping, records: &[StreamRecord]) -> Option<usize> {
    let event = stream_event(records).to_string();
    let answer = host.functions.invoke(&mapping.package, event).await;
    let answer = match answer {
        Ok(answer) if mapping.reports_failures => answer,
        Ok(_) => return None,
        Err(_) => return Some(0),
    };
    let identifiers: BTreeSet<String> = records
        .iter()
        .map(|record| record.sequence_number.clone())
        .collect();
    match report::read(answer.get(), &identifiers) {
        Report::AllFailed => Some(0),
        Report::Failed(failed) => records
            .iter()
            .position(|record| failed.contains(&record.sequence_number)),
    }
}

/// Tells the on-failure destination where the records stand, as Lambda does: their places, not
/// their contents.
fn give_up(host: &Host, mapping: &StreamMapping, part: &Part, source_arn: &str) {
    tracing::error!(
        function.name = mapping.package,
        records = part.records.len(),
        "stream records were given up"
    );
    let sequence = |record: Option<&StreamRecord>| {
        record
            .map(|record| record.sequence_number.clone())
            .unwrap_or_default()
    };
    let first = sequence(part.records.first());
    let last = sequence(part.records.last());
    if let Some(queue) = &mapping.on_failure {
        let message = json!({
            "requestContext": {
                "requestId": crate::random::uuid(&*host.randomness),
                "functionArn": host.names.arn("lambda", &format!("function:{}", mapping.package)),
                "condition": "RetryAttemptsExhausted",
                "approximateInvokeCount": part.attempts,
            },
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
            "version": "1.0",
            "timestamp": host.clock.now().to_string(),
            "DDBStreamBatchInfo": {
                "shardId": "shardId-local",
                "startSequenceNumber": first,
                "endSequenceNumber": last,
                "batchSize": part.records.len(),
                "streamArn": source_arn,
            },
        });
        let sent = host
            .services
            .queues
            .send(queue, &message.to_string(), Duration::ZERO);
        if let Err(error) = sent {
            tracing::error!(error = %error, "the on-failure destination was not told");
        }
    }
    note(host, mapping, &last);
}
