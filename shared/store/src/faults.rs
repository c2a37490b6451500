//! A connector that injects the faults that an embedded table never has: conflicts, throttling,
//! lost requests, lost answers, and indexes that lag. It stands between the SDK and the table.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;

/// One fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Another transaction holds the item: nothing is written.
    Conflict,
    /// The table is throttled: nothing is read or written.
    Throttle,
    /// The request is lost on its way: nothing is read or written.
    TimeoutBefore,
    /// The answer is lost on its way: what was asked for has happened.
    TimeoutAfter,
    /// An index has not heard of anything yet.
    StaleIndex,
}

impl Fault {
    /// What a request of the table comes to that meets the fault; of a transaction that conflicts, as many
    /// reasons as it has actions.
    ///
    /// # Errors
    /// The fault is a lost request or a lost answer; or what carries requests failed by itself.
    pub async fn meet(
        self,
        request: HttpRequest,
        inner: &SharedHttpConnector,
    ) -> Result<HttpResponse, ConnectorError> {
        match self {
            Self::TimeoutBefore => Err(lost("the request was lost")),
            Self::TimeoutAfter => {
                inner.call(request).await?;
                Err(lost("the answer was lost"))
            }
            Self::Throttle => answer(400, &error("ProvisionedThroughputExceededException")),
            Self::Conflict if operation_of(&request) == "TransactWriteItems" => {
                answer(400, &conflict(&request))
            }
            Self::Conflict => answer(400, &error("TransactionConflictException")),
            Self::StaleIndex => answer(200, r#"{"Items":[],"Count":0,"ScannedCount":0}"#),
        }
    }
}

/// Decides which request meets which fault. Called once for each request, with the operation's name.
pub type Plan = Box<dyn FnMut(&str) -> Option<Fault> + Send>;

/// The connector, and the handle by which a test drives it.
#[derive(Clone)]
pub struct Faults {
    inner: SharedHttpClient,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    plan: Option<Plan>,
    seen: VecDeque<String>,
}

impl Faults {
    /// Between the SDK and whatever carries its requests.
    #[must_use]
    pub fn over(inner: SharedHttpClient) -> Self {
        Self {
            inner,
            state: Arc::default(),
        }
    }

    /// From now on the plan decides.
    pub fn plan(&self, plan: impl FnMut(&str) -> Option<Fault> + Send + 'static) {
        self.lock().plan = Some(Box::new(plan));
    }

    /// From now on nothing fails.
    pub fn heal(&self) {
        self.lock().plan = None;
    }

    /// The next request of an operation meets a fault, once.
    pub fn once(&self, operation: &'static str, fault: Fault) {
        let mut left = Some(fault);
        self.plan(move |seen| if seen == operation { left.take() } else { None });
    }

    /// The operations asked for since the last call, in order.
    #[must_use]
    pub fn take_seen(&self) -> Vec<String> {
        self.lock().seen.drain(..).collect()
    }

    /// The client to give to the SDK.
    #[must_use]
    pub fn client(&self) -> SharedHttpClient {
        SharedHttpClient::new(self.clone())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self, operation: &str) -> Option<Fault> {
        let mut state = self.lock();
        state.seen.push_back(operation.to_owned());
        state.plan.as_mut().and_then(|plan| plan(operation))
    }
}

impl std::fmt::Debug for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Faults")
    }
}

impl HttpClient for Faults {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Connector {
            faults: self.clone(),
            inner: self.inner.http_connector(settings, components),
        })
    }
}

#[derive(Debug)]
struct Connector {
    faults: Faults,
    inner: SharedHttpConnector,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let fault = self.faults.next(operation_of(&request));
        let inner = self.inner.clone();
        HttpConnectorFuture::new(async move {
            match fault {
                None => inner.call(request).await,
                Some(fault) => fault.meet(request, &inner).await,
            }
        })
    }
}

/// What is asked for, by the service's own name of it; empty for what is neither the table nor a queue.
#[must_use]
pub fn operation_of(request: &HttpRequest) -> &str {
    let target = request.headers().get("x-amz-target").unwrap_or_default();
    target.rsplit('.').next().unwrap_or_default()
}

fn lost(what: &'static str) -> ConnectorError {
    ConnectorError::timeout(what.into())
}

/// An answer as the services give it.
///
/// # Errors
/// The status is none.
pub fn answer(status: u16, body: &str) -> Result<HttpResponse, ConnectorError> {
    let status =
        StatusCode::try_from(status).map_err(|error| ConnectorError::other(error.into(), None))?;
    let mut response = HttpResponse::new(status, SdkBody::from(body.to_owned()));
    response
        .headers_mut()
        .insert("content-type", "application/x-amz-json-1.0");
    Ok(response)
}

fn error(name: &str) -> String {
    format!(r##"{{"__type":"com.amazonaws.dynamodb.v20120810#{name}","message":"injected"}}"##)
}

/// As many reasons as the transaction has actions; the first one conflicts.
fn conflict(request: &HttpRequest) -> String {
    let actions = request
        .body()
        .bytes()
        .and_then(|body| serde_json::from_slice::<serde_json::Value>(body).ok())
        .and_then(|body| body.get("TransactItems")?.as_array().map(Vec::len))
        .unwrap_or(1);
    let mut reasons = vec![r#"{"Code":"TransactionConflict","Message":"injected"}"#];
    reasons.resize(actions.max(1), r#"{"Code":"None"}"#);
    format!(
        r##"{{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","message":"injected","CancellationReasons":[{}]}}"##,
        reasons.join(",")
    )
}
