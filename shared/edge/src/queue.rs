//! Workers behind a queue: an SQS batch in, the messages that failed out.

use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures_util::{FutureExt, StreamExt, stream};
use kith_store::wake::Message;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tracing::Instrument;

use crate::causes::last_words;
use crate::function::{BoxFuture, Function, FunctionError, Invocation};
use crate::work::{Outcome, WorkError};

/// How many messages of a batch are worked on at a time, unless a function says otherwise. They wait for the table most of the time,
/// and a partition does not like to be asked by all ten at once.
const CONCURRENCY: usize = 4;

type Handler = Box<
    dyn Fn(Message, Invocation) -> BoxFuture<'static, Result<Outcome, WorkError>> + Send + Sync,
>;

/// A function behind a queue.
///
/// The messages of a batch succeed or fail each for itself: one that fails, panics or cannot be
/// read is reported alone, so that the queue delivers it again and in the end keeps it as evidence.
/// Messages of one batch may be handled in any order, as those of different batches are.
pub struct SqsFunction {
    handler: Handler,
    concurrency: usize,
}

impl SqsFunction {
    /// A function whose messages this handler works off.
    #[must_use]
    pub fn new<A>(handler: impl Fn(Message, Invocation) -> A + Send + Sync + 'static) -> Self
    where
        A: Future<Output = Result<Outcome, WorkError>> + Send + 'static,
    {
        Self {
            handler: Box::new(move |message, invocation| Box::pin(handler(message, invocation))),
            concurrency: CONCURRENCY,
        }
    }

    /// Works on so many messages of a batch at a time: for whoever calls somebody who may be slow, and
    /// must not have the others wait for that.
    #[must_use]
    pub fn at_once(self, concurrency: usize) -> Self {
        Self {
            concurrency,
            ..self
        }
    }

    async fn answer(
        &self,
        event: Box<RawValue>,
        invocation: Invocation,
    ) -> Result<Box<RawValue>, FunctionError> {
        let batch: Batch =
            serde_json::from_str(event.get()).map_err(FunctionError::UnreadableEvent)?;
        let total = batch.records.len();
        let mut failed: Vec<String> = stream::iter(batch.records)
            .map(|record| {
                let span = tracing::info_span!(
                    "message",
                    request.id = %invocation.request_id,
                    message.id = record.message_id,
                    program.id = tracing::field::Empty,
                );
                let invocation = invocation.clone();
                async move {
                    let is_done = self.work(&record.body, invocation).await;
                    (!is_done).then_some(record.message_id)
                }
                .instrument(span)
            })
            .buffer_unordered(self.concurrency)
            .filter_map(std::future::ready)
            .collect()
            .await;
        if total > 0 && failed.len() == total {
            return Err(FunctionError::WholeBatchFailed(total));
        }
        failed.sort_unstable();
        respond(failed.iter().map(String::as_str))
    }

    /// Whether a message does not have to come again.
    async fn work(&self, body: &str, invocation: Invocation) -> bool {
        let message: Message = match serde_json::from_str(body) {
            Ok(message) => message,
            Err(error) => {
                // The text of the error may repeat a part of the body.
                let place = (error.line(), error.column());
                tracing::error!(?place, "the message cannot be read");
                return false;
            }
        };
        // The handler runs inside the guard from its first line on.
        let work = AssertUnwindSafe(async { (self.handler)(message, invocation).await });
        match work.catch_unwind().await {
            Ok(Ok(Outcome::Done)) => true,
            Ok(Ok(Outcome::Refused(reason))) => {
                tracing::info!(reason, "the message was refused");
                true
            }
            Ok(Err(error)) => {
                tracing::error!(%error, ?message, "the message failed");
                false
            }
            Err(panic) => {
                let error = last_words(&*panic);
                tracing::error!(error, ?message, "the handler panicked");
                false
            }
        }
    }
}

impl Function for SqsFunction {
    fn invoke(
        &self,
        event: Box<RawValue>,
        invocation: Invocation,
    ) -> BoxFuture<'_, Result<Box<RawValue>, FunctionError>> {
        Box::pin(self.answer(event, invocation))
    }
}

/// The answer of a function that reports what failed.
pub(crate) fn respond<'a>(
    failed: impl Iterator<Item = &'a str>,
) -> Result<Box<RawValue>, FunctionError> {
    serde_json::value::to_raw_value(&Answer {
        batch_item_failures: failed
            .map(|item_identifier| Failure { item_identifier })
            .collect(),
    })
    .map_err(FunctionError::UnwritableAnswer)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    batch_item_failures: Vec<Failure<'a>>,
}

/// One record that has to come again.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure<'a> {
    item_identifier: &'a str,
}

#[derive(Deserialize)]
struct Batch {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    message_id: String,
    body: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use kith_domain::id::{ProgramId, RewardId};
    use serde_json::{Value, json};

    fn body(kind: u8) -> String {
        let message = Message::Reward {
            program_id: ProgramId::from_bytes([0; 16]),
            reward_id: RewardId::from_bytes([kind; 16]),
        };
        serde_json::to_string(&message).unwrap()
    }

    /// The last byte of the reward's id says how the message ends.
    fn function() -> SqsFunction {
        SqsFunction::new(|message, _| async move {
            let Message::Reward { reward_id, .. } = message else {
                return Ok(Outcome::Refused("not a reward"));
            };
            match reward_id.to_bytes()[15] {
                0 => Ok(Outcome::Done),
                1 => Ok(Outcome::Refused("a rule")),
                2 => Err(std::io::Error::other("no table"))?,
                3 => panic!("bug"),
                _ => Err(WorkError::new("no")),
            }
        })
    }

    async fn answer(bodies: &[String]) -> Result<Value, FunctionError> {
        let records: Vec<Value> = bodies
            .iter()
            .enumerate()
            .map(|(index, body)| {
                json!({
                    "messageId": format!("message-{index}"), "receiptHandle": "r", "body": body,
                    "attributes": {"ApproximateReceiveCount": "1"}, "messageAttributes": {},
                    "md5OfBody": "", "eventSource": "aws:sqs", "eventSourceARN": "arn", "awsRegion": "eu-west-1",
                })
            })
            .collect();
        let event = serde_json::value::to_raw_value(&json!({ "Records": records })).unwrap();
        let invocation = Invocation {
            request_id: "req-1".to_owned(),
            deadline: jiff::Timestamp::MAX,
        };
        let answer = function().invoke(event, invocation).await?;
        Ok(serde_json::from_str(answer.get()).unwrap())
    }

    /// One bad message must not hold up or repeat the others.
    #[tokio::test]
    async fn a_message_fails_alone() {
        let bodies = [
            body(0),
            body(2),
            body(1),
            body(3),
            body(9),
            "junk".to_owned(),
            r#"{"reward":{"program_id":"x"}}"#.to_owned(),
            body(0),
        ];
        let answer = answer(&bodies).await.unwrap();
        let failed = |index: u8| json!({"itemIdentifier": format!("message-{index}")});
        assert_eq!(
            answer,
            json!({"batchItemFailures": [failed(1), failed(3), failed(4), failed(5), failed(6)]})
        );
    }

    #[tokio::test]
    async fn success_reports_nothing() {
        let answers = [answer(&[body(0), body(1)]).await, answer(&[]).await];
        for answer in answers {
            assert_eq!(answer.unwrap(), json!({"batchItemFailures": []}));
        }
    }

    /// Alarms see errors of the function; a quiet list of failures they would not.
    #[tokio::test]
    async fn a_batch_that_fails_as_a_whole_is_an_error() {
        let error = answer(&[body(2), body(3)]).await.unwrap_err();
        assert!(matches!(error, FunctionError::WholeBatchFailed(2)));
    }

    #[tokio::test]
    async fn what_is_not_a_batch_is_refused() {
        let event = serde_json::value::to_raw_value(&json!({"detail": {}})).unwrap();
        let invocation = Invocation {
            request_id: String::new(),
            deadline: jiff::Timestamp::MAX,
        };
        let error = function().invoke(event, invocation).await.unwrap_err();
        assert!(matches!(error, FunctionError::UnreadableEvent(_)));
    }
}
