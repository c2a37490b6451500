//! DynamoDB's wire protocol onto the embedded table: a target and a JSON body in, an answer out.

use dynoxide::DynoxideError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Table;

/// An answer in DynamoDB's wire format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// JSON body.
    pub body: String,
}

impl Table {
    /// Runs one operation, such as `PutItem`, on the calling thread.
    #[must_use]
    pub fn call(&self, operation: &str, body: &[u8]) -> Answer {
        let database = &self.database;
        let outcome = match operation {
            "GetItem" => run(body, |request| database.get_item(request)),
            "Query" => run(body, |request| database.query(request)),
            "Scan" => run(body, |request| database.scan(request)),
            "BatchGetItem" => run(body, |request| database.batch_get_item(request)),
            "TransactGetItems" => run(body, |request| database.transact_get_items(request)),
            "DescribeTable" => run(body, |request| database.describe_table(request)),
            "DescribeTimeToLive" => run(body, |request| database.describe_time_to_live(request)),
            "ListTables" => run(body, |request| database.list_tables(request)),
            "PutItem" => self.write(run(body, |request| database.put_item(request))),
            "UpdateItem" => self.write(run(body, |request| database.update_item(request))),
            "DeleteItem" => self.write(run(body, |request| database.delete_item(request))),
            "BatchWriteItem" => self.write(run(body, |request| database.batch_write_item(request))),
            "TransactWriteItems" => {
                self.write(run(body, |request| database.transact_write_items(request)))
            }
            _ => {
                return Answer {
                    status: 400,
                    body: r#"{"__type":"com.amazon.coral.service#UnknownOperationException"}"#
                        .to_owned(),
                };
            }
        };
        match outcome {
            Ok(body) => Answer { status: 200, body },
            Err(error) => Answer {
                status: error.status_code(),
                body: error.to_json(),
            },
        }
    }

    /// Wakes the stream's readers after a write, and passes its outcome on.
    fn write(&self, outcome: Result<String, DynoxideError>) -> Result<String, DynoxideError> {
        if outcome.is_ok() {
            self.written();
        }
        outcome
    }
}

fn run<Request: DeserializeOwned, Response: Serialize>(
    body: &[u8],
    operation: impl FnOnce(Request) -> Result<Response, DynoxideError>,
) -> Result<String, DynoxideError> {
    let request = serde_json::from_slice(body).map_err(unreadable)?;
    let response = operation(request)?;
    serde_json::to_string(&response)
        .map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

/// The emulator marks what DynamoDB would call a validation fault with a prefix in its messages.
fn unreadable(error: serde_json::Error) -> DynoxideError {
    let text = error.to_string();
    let marked = ["VALIDATION_REQUEST:", "VALIDATION_AS_READ:", "VALIDATION:"]
        .iter()
        .find_map(|marker| text.strip_prefix(marker));
    match marked {
        Some(message) => DynoxideError::ValidationException(message.to_owned()),
        None if text.contains("missing field") || text.contains("unknown variant") => {
            DynoxideError::ValidationException(text)
        }
        None => DynoxideError::SerializationException(text),
    }
}
