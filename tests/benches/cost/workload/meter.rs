//! Counts what functions ask of the table: a connector that has DynamoDB say what each request
//! consumed. Of other services it counts the calls.

use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};

/// What the calls of other services are called.
const ELSEWHERE: &str = "elsewhere";

/// One request to the table, and what it consumed.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// The function that asked.
    pub(crate) package: String,
    /// What it asked for.
    pub(crate) operation: String,
    /// How many items or actions it named.
    pub(crate) items: usize,
    /// Read units.
    pub(crate) read: f64,
    /// Write units, those of indexes included.
    pub(crate) write: f64,
    /// Of these, what the indexes consumed.
    pub(crate) indexes: f64,
    /// Whether a condition failed, so that nothing was written. DynamoDB takes units for that as
    /// well; the emulator says nothing, so one put counts as one unit and a transaction as nothing.
    pub(crate) refused: bool,
    /// Bytes that it was to write, as DynamoDB counts those of an item: names and values of what is
    /// put, keys and values of what is changed.
    pub(crate) bytes: usize,
    /// What it read, by key, or wrote, as plain JSON: enough to ask for as much once more.
    pub(crate) shape: Vec<Value>,
}

impl Call {
    /// Whether the table was asked; else it was another service, about which nothing more is known.
    pub(crate) fn is_of_table(&self) -> bool {
        self.operation != ELSEWHERE
    }

    /// Whether the table was asked how much a caller may still ask for. Nothing else is changed
    /// outside of transactions.
    pub(crate) fn is_of_a_bucket(&self) -> bool {
        self.operation == "UpdateItem"
    }

    /// Whether the table was asked for something that changes nothing.
    pub(crate) fn is_read(&self) -> bool {
        is_read(&self.operation)
    }
}

/// Everything asked for so far. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meter {
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Meter {
    /// Between a function and what carries its requests.
    pub(crate) fn over(&self, package: &str, inner: SharedHttpClient) -> SharedHttpClient {
        SharedHttpClient::new(Metered {
            package: package.to_owned(),
            inner,
            meter: self.clone(),
        })
    }

    /// What was asked since the last time, of the table and of other services.
    pub(crate) fn take_all(&self) -> Vec<Call> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }

    /// What was asked of the table since the last time.
    pub(crate) fn take(&self) -> Vec<Call> {
        let mut calls = self.take_all();
        calls.retain(Call::is_of_table);
        calls
    }
}

#[derive(Debug, Clone)]
struct Metered {
    package: String,
    inner: SharedHttpClient,
    meter: Meter,
}

impl HttpClient for Metered {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Connector {
            inner: self.inner.http_connector(settings, components),
            package: self.package.clone(),
            meter: self.meter.clone(),
        })
    }
}

#[derive(Debug)]
struct Connector {
    package: String,
    inner: SharedHttpConnector,
    meter: Meter,
}

impl HttpConnector for Connector {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let operation = request
            .headers()
            .get("x-amz-target")
            .and_then(|target| target.strip_prefix("DynamoDB_20120810."))
            .map(str::to_owned);
        let inner = self.inner.clone();
        let Some(operation) = operation else {
            let call = call(
                self.package.clone(),
                ELSEWHERE.to_owned(),
                &Value::Null,
                &Value::Null,
                true,
            );
            self.meter.calls.lock().unwrap().push(call);
            return HttpConnectorFuture::new(async move { inner.call(request).await });
        };
        let mut asked: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        asked["ReturnConsumedCapacity"] = json!("INDEXES");
        let body = asked.to_string();
        request
            .headers_mut()
            .insert("content-length", body.len().to_string());
        *request.body_mut() = SdkBody::from(body);
        let (package, meter) = (self.package.clone(), self.meter.clone());
        HttpConnectorFuture::new(async move {
            let response = inner.call(request).await?;
            let answer = response
                .body()
                .bytes()
                .and_then(|bytes| serde_json::from_slice(bytes).ok())
                .unwrap_or(Value::Null);
            let call = call(
                package,
                operation,
                &asked,
                &answer,
                response.status().is_success(),
            );
            meter.calls.lock().unwrap().push(call);
            Ok(response)
        })
    }
}

fn call(package: String, operation: String, asked: &Value, answer: &Value, done: bool) -> Call {
    // One table, or a list of them.
    let consumed = &answer["ConsumedCapacity"];
    let consumed = consumed
        .as_array()
        .map_or_else(|| vec![consumed.clone()], Clone::clone);
    let units: f64 = consumed
        .iter()
        .filter_map(|table| table["CapacityUnits"].as_f64())
        .sum();
    let indexes = consumed
        .iter()
        .filter_map(|table| table["GlobalSecondaryIndexes"].as_object())
        .flat_map(|indexes| indexes.values())
        .filter_map(|index| index["CapacityUnits"].as_f64())
        .sum();
    let is_read = is_read(&operation);
    let refused = !done;
    let floor = if refused && !is_read && operation != "TransactWriteItems" {
        1.0
    } else {
        0.0
    };
    Call {
        package,
        items: items(asked),
        read: if is_read { units } else { 0.0 },
        write: if is_read { 0.0 } else { units.max(floor) },
        indexes: if is_read { 0.0 } else { indexes },
        refused,
        bytes: if is_read {
            0
        } else {
            written(asked).iter().map(size).sum()
        },
        shape: if is_read {
            read(asked, answer)
        } else {
            written(asked).iter().map(plain).collect()
        },
        operation,
    }
}

fn is_read(operation: &str) -> bool {
    matches!(
        operation,
        "GetItem" | "BatchGetItem" | "Query" | "TransactGetItems"
    )
}

fn items(asked: &Value) -> usize {
    if let Some(actions) = asked["TransactItems"].as_array() {
        return actions.len();
    }
    match asked["RequestItems"].as_object() {
        Some(tables) => tables
            .values()
            .filter_map(|table| table["Keys"].as_array())
            .map(Vec::len)
            .sum(),
        None => 1,
    }
}

/// What a request is to write: the attributes of each item that is put; of what is changed, removed or only looked
/// at, the key and the values that are named.
fn written(asked: &Value) -> Vec<Value> {
    let actions = match asked["TransactItems"].as_array() {
        Some(actions) => actions
            .iter()
            .filter_map(|action| action.as_object()?.values().next().cloned())
            .collect(),
        None => vec![asked.clone()],
    };
    let attributes = |action: &Value| {
        if action["Item"].is_object() {
            return action["Item"].clone();
        }
        let mut attributes = action["Key"].as_object().cloned().unwrap_or_default();
        let values = action["ExpressionAttributeValues"].as_object();
        attributes.extend(values.into_iter().flatten().map(|(name, value)| {
            let name = name.trim_start_matches(':');
            (name.to_owned(), value.clone())
        }));
        Value::Object(attributes)
    };
    actions.iter().map(attributes).collect()
}

/// The keys that a request reads; of a query, those that it found, or one at which nothing is. What was not there is
/// asked for under a name at which nothing ever is: by now it may have been written.
fn read(asked: &Value, answer: &Value) -> Vec<Value> {
    let tables = |tables: &Value, list: fn(&Value) -> &Value| -> Vec<Value> {
        let tables = tables.as_object().into_iter().flatten();
        tables
            .flat_map(|(_, table)| list(table).as_array().cloned().unwrap_or_default())
            .collect()
    };
    let (keys, found) = if asked["Key"].is_object() {
        (vec![asked["Key"].clone()], vec![answer["Item"].clone()])
    } else if let Some(found) = answer["Items"].as_array() {
        let key = |item: &Value| json!({"pk": item["pk"], "sk": item["sk"]});
        let mut keys: Vec<Value> = found.iter().map(key).collect();
        if keys.is_empty() {
            keys.push(json!({"pk": {"S": "FLOOR"}, "sk": {"S": "nothing"}}));
        }
        (keys, found.clone())
    } else {
        let keys = tables(&asked["RequestItems"], |table| &table["Keys"]);
        (keys, tables(&answer["Responses"], |table| table))
    };
    let named = |key: &Value| {
        let is_there = |item: &Value| item["pk"] == key["pk"] && item["sk"] == key["sk"];
        let mut key = plain(key);
        if !found.iter().any(is_there) {
            key["sk"] = json!(format!("{}#floor", key["sk"].as_str().unwrap()));
        }
        key
    };
    keys.iter().map(named).collect()
}

/// DynamoDB's size of attributes, of a value among them.
fn size(attributes: &Value) -> usize {
    let named = |members: &Value| -> usize {
        let members = members.as_object().into_iter().flatten();
        members
            .map(|(name, value)| name.len() + size_of_value(value))
            .sum()
    };
    named(attributes)
}

fn size_of_value(value: &Value) -> usize {
    let Some((kind, value)) = value.as_object().and_then(|typed| typed.iter().next()) else {
        return 0;
    };
    let each = || value.as_array().into_iter().flatten();
    match kind.as_str() {
        "S" => value.as_str().map_or(0, str::len),
        // Two digits a byte, and one more.
        "N" => value
            .as_str()
            .map_or(0, |digits| digits.len().div_ceil(2) + 1),
        "SS" => each().filter_map(Value::as_str).map(str::len).sum(),
        "L" => 3 + each().map(|value| size_of_value(value) + 1).sum::<usize>(),
        "M" => 3 + size(value) + value.as_object().map_or(0, serde_json::Map::len),
        _ => 1,
    }
}

/// Attributes without the names of their types.
fn plain(attributes: &Value) -> Value {
    let members = attributes.as_object().into_iter().flatten();
    let members = members.map(|(name, value)| (name.clone(), plain_value(value)));
    Value::Object(members.collect())
}

fn plain_value(value: &Value) -> Value {
    let Some((kind, value)) = value.as_object().and_then(|typed| typed.iter().next()) else {
        return Value::Null;
    };
    match kind.as_str() {
        "N" => value
            .as_str()
            .and_then(|digits| digits.parse().ok())
            .map_or(Value::Null, Value::Number),
        "L" => value
            .as_array()
            .into_iter()
            .flatten()
            .map(plain_value)
            .collect(),
        "M" => plain(value),
        "NULL" => Value::Null,
        _ => value.clone(),
    }
}
