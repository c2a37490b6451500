//! Functions behind the table's stream: a batch of changes in, the ones that failed out.

use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::panic::AssertUnwindSafe;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::FutureExt;
use serde::Deserialize;
use serde_json::value::RawValue;
use tracing::Instrument;

use crate::causes::last_words;
use crate::function::{BoxFuture, Function, FunctionError, Invocation};
use crate::queue::respond;
use crate::work::WorkError;

/// One change of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Its place in the stream, by which a failure is reported.
    pub sequence_number: String,
    /// The item after the change; empty when it was deleted.
    pub new_image: HashMap<String, AttributeValue>,
}

type Handler = Box<
    dyn Fn(Vec<Change>, Invocation) -> BoxFuture<'static, Result<Vec<String>, WorkError>>
        + Send
        + Sync,
>;

/// A function behind a stream. The handler takes a whole batch and answers the sequence numbers of
/// what failed; AWS goes on from the first of them, so what comes after it may come again.
pub struct StreamFunction {
    handler: Handler,
}

impl StreamFunction {
    /// A function whose changes this handler works off.
    #[must_use]
    pub fn new<A>(handler: impl Fn(Vec<Change>, Invocation) -> A + Send + Sync + 'static) -> Self
    where
        A: Future<Output = Result<Vec<String>, WorkError>> + Send + 'static,
    {
        Self {
            handler: Box::new(move |changes, invocation| Box::pin(handler(changes, invocation))),
        }
    }

    async fn answer(
        &self,
        event: Box<RawValue>,
        invocation: Invocation,
    ) -> Result<Box<RawValue>, FunctionError> {
        let batch: Batch<'_> =
            serde_json::from_str(event.get()).map_err(FunctionError::UnreadableEvent)?;
        let numbers: Vec<&str> = batch
            .records
            .iter()
            .map(|record| record.dynamodb.sequence_number.as_str())
            .collect();
        let mut failed: BTreeSet<String> = BTreeSet::new();
        let mut changes = Vec::with_capacity(numbers.len());
        for record in &batch.records {
            match record.dynamodb.change() {
                Ok(change) => changes.push(change),
                Err(error) => {
                    // The text of the error may repeat a part of the item.
                    let place = (error.line(), error.column());
                    let number = &record.dynamodb.sequence_number;
                    tracing::error!(sequence_number = %number, ?place, "the change cannot be read");
                    failed.insert(number.clone());
                }
            }
        }
        if !changes.is_empty() {
            match self.work(changes, invocation).await {
                Some(unfinished) => failed.extend(unfinished),
                None => return Err(FunctionError::WholeBatchFailed(numbers.len())),
            }
        }
        let all = numbers.len();
        let failed = || {
            let is_failed = |number: &&str| failed.contains(*number);
            numbers.iter().copied().filter(is_failed)
        };
        if all > 0 && failed().count() == all {
            return Err(FunctionError::WholeBatchFailed(all));
        }
        respond(failed())
    }

    /// What failed of these changes; `None` when nothing is known to have succeeded.
    async fn work(&self, changes: Vec<Change>, invocation: Invocation) -> Option<Vec<String>> {
        let span = tracing::info_span!("batch", request.id = %invocation.request_id);
        async {
            let work = AssertUnwindSafe(async { (self.handler)(changes, invocation).await });
            match work.catch_unwind().await {
                Ok(Ok(failed)) => Some(failed),
                Ok(Err(error)) => {
                    tracing::error!(%error, "the batch failed");
                    None
                }
                Err(panic) => {
                    let error = last_words(&*panic);
                    tracing::error!(error, "the handler panicked");
                    None
                }
            }
        }
        .instrument(span)
        .await
    }
}

impl Function for StreamFunction {
    fn invoke(
        &self,
        event: Box<RawValue>,
        invocation: Invocation,
    ) -> BoxFuture<'_, Result<Box<RawValue>, FunctionError>> {
        Box::pin(self.answer(event, invocation))
    }
}

#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(borrow, rename = "Records")]
    records: Vec<Record<'a>>,
}

#[derive(Deserialize)]
struct Record<'a> {
    #[serde(borrow)]
    dynamodb: Dynamodb<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Dynamodb<'a> {
    sequence_number: String,
    /// Kept as text, so that one strange item fails alone.
    #[serde(borrow)]
    new_image: Option<&'a RawValue>,
}

impl Dynamodb<'_> {
    fn change(&self) -> Result<Change, serde_json::Error> {
        let new_image = match self.new_image {
            Some(image) => serde_json::from_str::<serde_dynamo::Item>(image.get())?.into(),
            None => HashMap::new(),
        };
        Ok(Change {
            sequence_number: self.sequence_number.clone(),
            new_image,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// Fails the changes whose `end` says so.
    fn function() -> StreamFunction {
        StreamFunction::new(|changes, _| async move {
            let mut failed = Vec::new();
            for change in changes {
                match change
                    .new_image
                    .get("end")
                    .and_then(|end| end.as_s().ok())
                    .map(String::as_str)
                {
                    Some("fail") => failed.push(change.sequence_number),
                    Some("error") => return Err(WorkError::new("no queue")),
                    Some("panic") => panic!("bug"),
                    _ => {}
                }
            }
            Ok(failed)
        })
    }

    fn record(number: u8, image: Value) -> Value {
        json!({
            "eventID": "1", "eventVersion": "1.1", "eventName": "INSERT", "eventSource": "aws:dynamodb", "awsRegion": "eu-west-1",
            "dynamodb": {
                "ApproximateCreationDateTime": 1_772_366_400.0, "Keys": {"pk": {"S": "x"}}, "NewImage": image,
                "SequenceNumber": format!("10{number}"), "SizeBytes": 10, "StreamViewType": "NEW_IMAGE"
            },
            "eventSourceARN": "arn"
        })
    }

    async fn answer(records: &[Value]) -> Result<Value, FunctionError> {
        let event = serde_json::value::to_raw_value(&json!({ "Records": records })).unwrap();
        let invocation = Invocation {
            request_id: "req-1".to_owned(),
            deadline: jiff::Timestamp::MAX,
        };
        let answer = function().invoke(event, invocation).await?;
        Ok(serde_json::from_str(answer.get()).unwrap())
    }

    #[tokio::test]
    async fn changes_fail_each_for_itself() {
        let answer = answer(&[
            record(1, json!({"end": {"S": "ok"}, "n": {"N": "1"}, "list": {"L": [{"NULL": true}]}, "set": {"SS": ["a"]}})),
            record(2, json!({"end": {"S": "fail"}})),
            record(3, json!({"end": {"Z": "strange"}})),
            record(4, json!({})),
        ])
        .await
        .unwrap();
        assert_eq!(
            answer,
            json!({"batchItemFailures": [{"itemIdentifier": "102"}, {"itemIdentifier": "103"}]})
        );
    }

    #[tokio::test]
    async fn a_batch_that_fails_as_a_whole_is_an_error() {
        for end in ["fail", "error", "panic"] {
            let error = answer(&[record(1, json!({"end": {"S": end}}))])
                .await
                .unwrap_err();
            assert!(matches!(error, FunctionError::WholeBatchFailed(1)), "{end}");
        }
        assert_eq!(answer(&[]).await.unwrap(), json!({"batchItemFailures": []}));
    }
}
