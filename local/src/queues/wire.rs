//! SQS's JSON protocol onto the queues.

use std::time::Duration;

use md5::{Digest, Md5};
use serde_json::{Value, json};

use super::{Message, QueueError, Queues};

/// SQS takes one MiB, for a message and for a batch.
const BATCH_BYTES_MAX: usize = 1_048_576;
/// Entries of a batch, and messages of a receive.
const ENTRIES_MAX: usize = 10;

/// An answer in SQS's wire format.
#[derive(Debug, Clone, PartialEq)]
pub struct WireAnswer {
    /// HTTP status.
    pub status: u16,
    /// JSON body.
    pub body: Value,
    /// What older clients read as the error's name, for `x-amzn-query-error`.
    pub query_error: Option<String>,
}

/// A refusal in SQS's own words.
struct Refusal {
    kind: &'static str,
    query: &'static str,
    message: String,
}

impl From<QueueError> for Refusal {
    fn from(error: QueueError) -> Self {
        let (kind, query) = match &error {
            QueueError::NoSuchQueue(_) => (
                "QueueDoesNotExist",
                "AWS.SimpleQueueService.NonExistentQueue",
            ),
            QueueError::InvalidReceipt => ("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid"),
            QueueError::Database(_) => ("InternalError", "InternalError"),
        };
        Self {
            kind,
            query,
            message: error.to_string(),
        }
    }
}

fn refused(kind: &'static str, query: &'static str, message: &str) -> Refusal {
    Refusal {
        kind,
        query,
        message: message.to_owned(),
    }
}

fn missing(member: &str) -> Refusal {
    refused(
        "MissingParameter",
        "MissingParameter",
        &format!("The request must contain the parameter {member}."),
    )
}

impl Queues {
    /// Runs one operation, such as `SendMessage`. Waiting (`WaitTimeSeconds`) is the caller's part:
    /// this answers at once.
    #[must_use]
    pub fn call(&self, operation: &str, body: &[u8]) -> WireAnswer {
        let outcome = serde_json::from_slice(body)
            .map_err(|error| refused("SerializationException", "", &error.to_string()))
            .and_then(|request| self.operate(operation, &request));
        match outcome {
            Ok(body) => WireAnswer {
                status: 200,
                body,
                query_error: None,
            },
            Err(refusal) => WireAnswer {
                status: if refusal.kind == "InternalError" {
                    500
                } else {
                    400
                },
                body: json!({
                    "__type": format!("com.amazonaws.sqs#{}", refusal.kind),
                    "message": refusal.message,
                }),
                query_error: Some(format!("{};Sender", refusal.query)),
            },
        }
    }

    fn operate(&self, operation: &str, request: &Value) -> Result<Value, Refusal> {
        match operation {
            "SendMessage" => {
                let queue = queue_of(request)?;
                let body = text(request, "MessageBody")?;
                self.accept(queue, body, request)
            }
            "SendMessageBatch" => self.send_batch(request),
            "ReceiveMessage" => self.receive_messages(request),
            "DeleteMessage" => {
                self.delete(queue_of(request)?, text(request, "ReceiptHandle")?)?;
                Ok(json!({}))
            }
            "DeleteMessageBatch" => {
                let queue = queue_of(request)?;
                each_entry(request, |entry| {
                    self.delete(queue, text(entry, "ReceiptHandle")?)?;
                    Ok(json!({}))
                })
            }
            "ChangeMessageVisibility" => {
                self.change(queue_of(request)?, request)?;
                Ok(json!({}))
            }
            "ChangeMessageVisibilityBatch" => {
                let queue = queue_of(request)?;
                each_entry(request, |entry| {
                    self.change(queue, entry)?;
                    Ok(json!({}))
                })
            }
            "GetQueueAttributes" => {
                let queue = queue_of(request)?;
                let depth = self.depth(queue)?;
                let spec = self.spec(queue)?;
                Ok(json!({"Attributes": {
                    "ApproximateNumberOfMessages": depth.visible.to_string(),
                    "ApproximateNumberOfMessagesNotVisible": depth.in_flight.to_string(),
                    "ApproximateNumberOfMessagesDelayed": depth.delayed.to_string(),
                    "VisibilityTimeout": spec.visibility_timeout.as_secs().to_string(),
                }}))
            }
            "GetQueueUrl" => {
                let name = text(request, "QueueName")?;
                self.spec(name)?;
                Ok(json!({ "QueueUrl": format!("http://localhost/000000000000/{name}") }))
            }
            "ListQueues" => {
                let urls: Vec<String> = self
                    .specs
                    .keys()
                    .map(|name| format!("http://localhost/000000000000/{name}"))
                    .collect();
                Ok(json!({ "QueueUrls": urls }))
            }
            "PurgeQueue" => {
                self.purge(queue_of(request)?)?;
                Ok(json!({}))
            }
            other => Err(refused(
                "UnsupportedOperation",
                "AWS.SimpleQueueService.UnsupportedOperation",
                &format!("{other} is not available here"),
            )),
        }
    }

    fn accept(&self, queue: &str, body: &str, request: &Value) -> Result<Value, Refusal> {
        if body.is_empty() {
            return Err(missing("MessageBody"));
        }
        if body.len() > BATCH_BYTES_MAX {
            return Err(refused(
                "InvalidParameterValue",
                "InvalidParameterValue",
                "One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes.",
            ));
        }
        let delay = seconds(request, "DelaySeconds").unwrap_or_default();
        let attributes = request
            .get("MessageAttributes")
            .map_or_else(|| "{}".to_owned(), Value::to_string);
        let message_id = self.send_with_attributes(queue, body, &attributes, delay)?;
        Ok(json!({"MessageId": message_id, "MD5OfMessageBody": md5_of(body)}))
    }

    fn send_batch(&self, request: &Value) -> Result<Value, Refusal> {
        let queue = queue_of(request)?;
        let bytes: usize = entries(request)?
            .iter()
            .filter_map(|entry| entry.get("MessageBody").and_then(Value::as_str))
            .map(str::len)
            .sum();
        if bytes > BATCH_BYTES_MAX {
            return Err(refused(
                "BatchRequestTooLong",
                "AWS.SimpleQueueService.BatchRequestTooLong",
                "Batch requests cannot be longer than 1048576 bytes.",
            ));
        }
        self.spec(queue)?;
        each_entry(request, |entry| {
            self.accept(queue, text(entry, "MessageBody")?, entry)
        })
    }

    fn receive_messages(&self, request: &Value) -> Result<Value, Refusal> {
        let queue = queue_of(request)?;
        let max = request
            .get("MaxNumberOfMessages")
            .and_then(Value::as_u64)
            .unwrap_or(1);
        let max = usize::try_from(max)
            .ok()
            .filter(|max| (1..=ENTRIES_MAX).contains(max));
        let Some(max) = max else {
            return Err(refused(
                "InvalidParameterValue",
                "InvalidParameterValue",
                "Value for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10.",
            ));
        };
        let received = self.receive(queue, max, seconds(request, "VisibilityTimeout"))?;
        let messages: Vec<Value> = received.iter().map(wire_message).collect();
        if messages.is_empty() {
            Ok(json!({}))
        } else {
            Ok(json!({ "Messages": messages }))
        }
    }

    fn change(&self, queue: &str, request: &Value) -> Result<(), Refusal> {
        let visibility =
            seconds(request, "VisibilityTimeout").ok_or_else(|| missing("VisibilityTimeout"))?;
        self.change_visibility(queue, text(request, "ReceiptHandle")?, visibility)?;
        Ok(())
    }
}

fn wire_message(message: &Message) -> Value {
    json!({
        "MessageId": message.message_id,
        "ReceiptHandle": message.receipt,
        "Body": message.body,
        "MD5OfBody": md5_of(&message.body),
        "Attributes": {
            "SenderId": "000000000000",
            "SentTimestamp": message.sent_ms.to_string(),
            "ApproximateReceiveCount": message.receives.to_string(),
            "ApproximateFirstReceiveTimestamp": message.first_received_ms.to_string(),
        },
        "MessageAttributes": serde_json::from_str::<Value>(&message.attributes).unwrap_or_default(),
    })
}

/// The MD5 of a text in hexadecimal, as SQS tells it.
pub(crate) fn md5_of(text: &str) -> String {
    Md5::digest(text.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn each_entry(
    request: &Value,
    mut act: impl FnMut(&Value) -> Result<Value, Refusal>,
) -> Result<Value, Refusal> {
    let entries = entries(request)?;
    let mut successful = Vec::new();
    let mut failed = Vec::new();
    for entry in entries {
        let id = entry.get("Id").cloned().unwrap_or_default();
        match act(entry) {
            Ok(mut answer) => {
                if let Some(members) = answer.as_object_mut() {
                    members.insert("Id".to_owned(), id);
                }
                successful.push(answer);
            }
            Err(refusal) => failed.push(json!({
                "Id": id, "SenderFault": true, "Code": refusal.kind, "Message": refusal.message
            })),
        }
    }
    Ok(json!({"Successful": successful, "Failed": failed}))
}

fn entries(request: &Value) -> Result<&Vec<Value>, Refusal> {
    let entries = request
        .get("Entries")
        .and_then(Value::as_array)
        .ok_or_else(|| missing("Entries"))?;
    let batch_fault =
        |kind: &'static str, query: &'static str, message: &str| Err(refused(kind, query, message));
    if entries.is_empty() {
        return batch_fault(
            "EmptyBatchRequest",
            "AWS.SimpleQueueService.EmptyBatchRequest",
            "There should be at least one entry in the request.",
        );
    }
    if entries.len() > ENTRIES_MAX {
        return batch_fault(
            "TooManyEntriesInBatchRequest",
            "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
            "Maximum number of entries per request are 10.",
        );
    }
    let mut ids: Vec<&str> = entries
        .iter()
        .filter_map(|entry| entry.get("Id").and_then(Value::as_str))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.len() != entries.len() {
        return batch_fault(
            "BatchEntryIdsNotDistinct",
            "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
            "Each entry needs an Id of its own.",
        );
    }
    Ok(entries)
}

/// The queue's name: the last part of its URL.
fn queue_of(request: &Value) -> Result<&str, Refusal> {
    let url = text(request, "QueueUrl")?;
    Ok(url.rsplit('/').next().unwrap_or(url))
}

fn text<'a>(request: &'a Value, member: &str) -> Result<&'a str, Refusal> {
    request
        .get(member)
        .and_then(Value::as_str)
        .ok_or_else(|| missing(member))
}

fn seconds(request: &Value, member: &str) -> Option<Duration> {
    request
        .get(member)
        .and_then(Value::as_u64)
        .map(Duration::from_secs)
}

/// How long a receive is willing to wait for a message.
pub(crate) fn wait_of(operation: &str, body: &[u8]) -> Option<(String, Duration)> {
    if operation != "ReceiveMessage" {
        return None;
    }
    let request: Value = serde_json::from_slice(body).ok()?;
    let wait = seconds(&request, "WaitTimeSeconds").filter(|wait| !wait.is_zero())?;
    let queue = queue_of(&request).ok()?.to_owned();
    Some((queue, wait.min(Duration::from_secs(20))))
}

/// Whether an answer to a receive brought nothing.
pub(crate) fn is_empty_receive(answer: &WireAnswer) -> bool {
    answer.status == 200 && answer.body.get("Messages").is_none()
}

/// Message attributes in the form in which Lambda hands them to a function.
pub(crate) fn lambda_attributes(attributes: &str) -> Value {
    let Ok(Value::Object(members)) = serde_json::from_str(attributes) else {
        return json!({});
    };
    members
        .into_iter()
        .map(|(name, value)| {
            let value = json!({
                "stringValue": value.get("StringValue"),
                "binaryValue": value.get("BinaryValue"),
                "dataType": value.get("DataType"),
                "stringListValues": [], "binaryListValues": [],
            });
            (name, value)
        })
        .collect::<serde_json::Map<_, _>>()
        .into()
}
