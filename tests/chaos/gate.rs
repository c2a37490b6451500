//! Where everything waits for its turn: each request that a function makes of the table, the queues and
//! the mail, each call of a client, each answer. One by one they are let through, or meet a fault.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use kith_store::faults::{self, answer, operation_of};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::fault::{Fault, Tally};
use crate::sabotage::{Sabotage, as_if_done};

/// How far an index may be behind the table.
const INDEX_LAG: Duration = Duration::from_secs(60);

tokio::task_local! {
    /// The invocation that a request is made by.
    pub(crate) static INVOCATION: u64;
}

/// What waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waits {
    /// A request that reads the table.
    Read,
    /// A query of one of its indexes.
    Index,
    /// A request that writes to it.
    Write,
    /// Messages on their way to a queue.
    Send,
    /// A mail on its way to the provider.
    Mail,
    /// A webhook on its way to its endpoint.
    Post,
    /// A client's call on its way to the API.
    Call,
    /// The answer on its way back.
    Answer,
}

impl Waits {
    /// The faults that it may meet.
    pub(crate) fn faults(self) -> &'static [Fault] {
        use Fault::{
            AnswerLost, Conflict, CrashAfter, CrashBefore, EndpointForgets, EndpointHangs,
            EndpointRefuses, Late, LostAfter, LostBefore, PartlySent, RequestLost, StaleIndex,
            Throttled,
        };
        match self {
            Self::Read => &[CrashBefore, LostBefore, Throttled],
            Self::Index => &[CrashBefore, LostBefore, Throttled, StaleIndex, StaleIndex],
            Self::Write => &[
                CrashBefore,
                CrashAfter,
                LostBefore,
                LostAfter,
                Late,
                Throttled,
                Conflict,
            ],
            Self::Send => &[CrashBefore, CrashAfter, LostBefore, LostAfter, PartlySent],
            Self::Mail => &[CrashBefore, CrashAfter, LostBefore, LostAfter, Throttled],
            Self::Post => &[EndpointRefuses, EndpointHangs, EndpointForgets],
            Self::Call => &[RequestLost],
            Self::Answer => &[AnswerLost],
        }
    }
}

/// Something that waits for its turn.
pub(crate) struct Point {
    pub(crate) waits: Waits,
    /// What it is, for the trace: the same words in every run of a seed.
    pub(crate) label: String,
    go: oneshot::Sender<Option<Fault>>,
}

impl Point {
    /// Lets it through, or has it meet a fault.
    pub(crate) fn go(self, fault: Option<Fault>) {
        // Whoever waited may have been ended meanwhile.
        let _ = self.go.send(fault);
    }

    /// Whether somebody still waits for it.
    pub(crate) fn is_awaited(&self) -> bool {
        !self.go.is_closed()
    }
}

/// A request that takes effect after its caller gave it up.
struct LateRequest {
    request: HttpRequest,
    inner: SharedHttpConnector,
}

#[derive(Default)]
struct State {
    points: Vec<Point>,
    late: Vec<LateRequest>,
    running: BTreeMap<u64, AbortHandle>,
    tally: Tally,
    findings: Vec<String>,
    sabotage: Option<Sabotage>,
    requests: u64,
    sent: bool,
    /// A mail may have come since somebody looked.
    mailed: bool,
    /// The packages that met a fault.
    hit: BTreeSet<String>,
    /// When the stream told of each item last, by its key.
    written: BTreeMap<(String, String), Instant>,
}

/// The gate of one history. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<Mutex<State>>);

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gate")
    }
}

impl Gate {
    /// From now on there is a bug.
    pub(crate) fn put_in(&self, sabotage: Option<Sabotage>) {
        self.lock().sabotage = sabotage;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts the gate between a function and its services.
    pub(crate) fn over(&self, package: &str, inner: SharedHttpClient) -> SharedHttpClient {
        SharedHttpClient::new(Gated {
            gate: self.clone(),
            package: package.to_owned(),
            inner,
        })
    }

    /// Waits for a turn.
    pub(crate) async fn pass(&self, waits: Waits, label: String) -> Option<Fault> {
        let (go, gone) = oneshot::channel();
        self.lock().points.push(Point { waits, label, go });
        gone.await.unwrap_or(None)
    }

    /// What waits, as it came.
    pub(crate) fn waiting(&self) -> usize {
        let mut state = self.lock();
        state.points.retain(Point::is_awaited);
        state.points.len()
    }

    /// Whether messages may have been sent since the last time.
    pub(crate) fn take_sent(&self) -> bool {
        std::mem::take(&mut self.lock().sent)
    }

    /// Whether a mail may have come since the last time.
    pub(crate) fn take_mailed(&self) -> bool {
        std::mem::take(&mut self.lock().mailed)
    }

    /// Takes one out of what waits.
    pub(crate) fn take(&self, place: usize) -> Point {
        self.lock().points.remove(place)
    }

    /// How many requests are to take effect later.
    pub(crate) fn late(&self) -> usize {
        self.lock().late.len()
    }

    /// Has one of them take effect.
    pub(crate) async fn let_in(&self, place: usize) {
        let late = self.lock().late.remove(place);
        let _ = late.inner.call(late.request).await;
    }

    /// The stream told of an item.
    pub(crate) fn note_written(&self, pk: &str, sk: &str) {
        let key = (pk.to_owned(), sk.to_owned());
        self.lock().written.insert(key, Instant::now());
    }

    /// Whether an index that lags has heard of an item as it is.
    fn is_heard_of(&self, item: &Value) -> bool {
        let text = |name: &str| item[name]["S"].as_str().unwrap_or_default().to_owned();
        let state = self.lock();
        let written = state.written.get(&(text("pk"), text("sk")));
        written.is_some_and(|at| at.elapsed() > INDEX_LAG)
    }

    pub(crate) fn runs(&self, invocation: u64, handle: AbortHandle) {
        self.lock().running.insert(invocation, handle);
    }

    /// An invocation is over.
    pub(crate) fn ended(&self, invocation: u64) {
        self.lock().running.remove(&invocation);
    }

    pub(crate) fn running(&self) -> usize {
        self.lock().running.len()
    }

    pub(crate) fn note(&self, fault: Fault) {
        self.lock().tally.note(fault);
    }

    pub(crate) fn tally(&self) -> Tally {
        self.lock().tally.clone()
    }

    /// A function of this package met a fault.
    pub(crate) fn note_in(&self, package: &str, fault: Fault) {
        let mut state = self.lock();
        state.tally.note(fault);
        state.hit.insert(package.to_owned());
    }

    /// Whether a function of this package ever met a fault, or had time pass it by.
    pub(crate) fn met_a_fault(&self, package: &str) -> bool {
        let state = self.lock();
        state.hit.contains(package) || state.tally.of(Fault::Stalled) > 0
    }

    /// Something that must not be, whatever goes wrong around it.
    pub(crate) fn find(&self, finding: String) {
        self.lock().findings.push(finding);
    }

    pub(crate) fn findings(&self) -> Vec<String> {
        self.lock().findings.clone()
    }

    /// The bug that was put in, and the number of this request.
    fn sabotage(&self) -> Option<(Sabotage, u64)> {
        let mut state = self.lock();
        let sabotage = state.sabotage?;
        state.requests += 1;
        Some((sabotage, state.requests))
    }

    fn sabotage_is(&self, sabotage: Sabotage) -> bool {
        self.lock().sabotage == Some(sabotage)
    }

    fn crash(&self, invocation: Option<u64>) {
        let state = self.lock();
        let handle = invocation.and_then(|invocation| state.running.get(&invocation));
        handle.expect("a request belongs to an invocation").abort();
    }
}

struct Gated {
    gate: Gate,
    package: String,
    inner: SharedHttpClient,
}

impl std::fmt::Debug for Gated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gated")
    }
}

impl HttpClient for Gated {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Connector {
            gate: self.gate.clone(),
            package: self.package.clone(),
            inner: self.inner.http_connector(settings, components),
        })
    }
}

#[derive(Debug)]
struct Connector {
    gate: Gate,
    package: String,
    inner: SharedHttpConnector,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (gate, inner) = (self.gate.clone(), self.inner.clone());
        let invocation = INVOCATION.try_with(|id| *id).ok();
        let (waits, operation) = what(&request);
        let label = format!("{} {operation}", self.package);
        let package = self.package.clone();
        HttpConnectorFuture::new(async move {
            // Outside of an invocation is the warming of a connection.
            let fault = match invocation {
                Some(_) => gate.pass(waits, label).await,
                None => None,
            };
            let request = match gate.sabotage() {
                None => request,
                Some((sabotage, number)) if sabotage.forgets(&package, waits, number) => {
                    return answer(200, &as_if_done(&request));
                }
                Some((sabotage, number)) => sabotage.of(request, number),
            };
            match waits {
                Waits::Send => gate.lock().sent = true,
                Waits::Mail => gate.lock().mailed = true,
                _ => {}
            }
            let repeats = gate.sabotage_is(Sabotage::MailRepeated) && waits == Waits::Mail;
            match fault {
                Some(Fault::LostAfter) if repeats => {
                    let again = request.try_clone().unwrap();
                    let _ = inner.call(request).await;
                    inner.call(again).await
                }
                None => inner.call(request).await,
                Some(Fault::CrashBefore) => {
                    gate.crash(invocation);
                    std::future::pending().await
                }
                Some(Fault::CrashAfter) => {
                    let _ = inner.call(request).await;
                    gate.crash(invocation);
                    std::future::pending().await
                }
                Some(Fault::Late) => {
                    gate.lock().late.push(LateRequest {
                        request: request.try_clone().unwrap(),
                        inner: inner.clone(),
                    });
                    faults::Fault::TimeoutBefore.meet(request, &inner).await
                }
                Some(Fault::PartlySent) => partly(request, &inner).await,
                Some(Fault::StaleIndex) => lagging(&gate, request, &inner).await,
                Some(Fault::Throttled) if waits == Waits::Mail => throttled_mail(),
                Some(fault) => of_service(fault).meet(request, &inner).await,
            }
        })
    }
}

/// What the embedded table has under another name.
fn of_service(fault: Fault) -> faults::Fault {
    match fault {
        Fault::Conflict => faults::Fault::Conflict,
        Fault::Throttled => faults::Fault::Throttle,
        Fault::LostBefore => faults::Fault::TimeoutBefore,
        Fault::LostAfter => faults::Fault::TimeoutAfter,
        fault => panic!("{fault} is no fault of a request"),
    }
}

/// What a request is.
fn what(request: &HttpRequest) -> (Waits, String) {
    let operation = operation_of(request);
    let waits = match operation {
        "" => return (Waits::Mail, "SendEmail".to_owned()),
        "SendMessage" | "SendMessageBatch" => Waits::Send,
        "GetItem" | "BatchGetItem" => Waits::Read,
        "Query" if body(request).get("IndexName").is_some() => Waits::Index,
        "Query" => Waits::Read,
        _ => Waits::Write,
    };
    (waits, operation.to_owned())
}

pub(crate) fn body(request: &HttpRequest) -> Value {
    let bytes = request.body().bytes().unwrap_or_default();
    serde_json::from_slice(bytes).unwrap_or_default()
}

fn throttled_mail() -> Result<HttpResponse, ConnectorError> {
    let mut refusal = answer(429, r#"{"message":"Maximum sending rate exceeded."}"#)?;
    let headers = refusal.headers_mut();
    headers.insert("x-amzn-errortype", "TooManyRequestsException");
    Ok(refusal)
}

/// What an index answers that has not heard of the last minute.
async fn lagging(
    gate: &Gate,
    request: HttpRequest,
    inner: &SharedHttpConnector,
) -> Result<HttpResponse, ConnectorError> {
    let response = inner.call(request).await?;
    let bytes = response.body().bytes().unwrap_or_default();
    let mut told: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let Some(items) = told["Items"].as_array_mut() else {
        return Ok(response);
    };
    items.retain(|item| gate.is_heard_of(item));
    told["Count"] = items.len().into();
    answer(200, &told.to_string())
}

/// Sends the first half of a batch; of the rest SQS says that the fault is its own.
async fn partly(
    mut request: HttpRequest,
    inner: &SharedHttpConnector,
) -> Result<HttpResponse, ConnectorError> {
    let mut batch = body(&request);
    let entries = batch["Entries"].as_array().cloned().unwrap_or_default();
    let (taken, refused) = entries.split_at(entries.len() / 2);
    let mut told = json!({"Successful": []});
    if !taken.is_empty() {
        batch["Entries"] = json!(taken);
        *request.body_mut() = SdkBody::from(batch.to_string());
        let response = inner.call(request).await?;
        told = serde_json::from_slice(response.body().bytes().unwrap_or_default()).unwrap();
    }
    let failed =
        |entry: &Value| json!({"Id": entry["Id"], "SenderFault": false, "Code": "InternalError"});
    told["Failed"] = refused.iter().map(failed).collect();
    answer(200, &told.to_string())
}
