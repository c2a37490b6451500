//! Counts what functions ask of the table: a connector that has DynamoDB say what each request
//! consumed.

use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};

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

    /// What was asked since the last time.
    pub(crate) fn take(&self) -> Vec<Call> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }

    /// Counts these again.
    pub(crate) fn put_back(&self, calls: Vec<Call>) {
        self.calls.lock().unwrap().extend(calls);
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
    let is_read = matches!(
        operation.as_str(),
        "GetItem" | "BatchGetItem" | "Query" | "TransactGetItems"
    );
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
        operation,
    }
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
