//! A small Lambda Runtime API: gives a function's own binary its events and takes its answers, as
//! AWS does.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::{Path as PathParameters, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// How long a process may take for anything before the test gives up.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long an invocation may take, by its deadline.
const TIMEOUT: Duration = Duration::from_secs(20);

/// How an invocation ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Ended {
    /// With an answer.
    Answered(Value),
    /// With this error report.
    Failed(Value),
}

struct Invocation {
    id: String,
    event: String,
}

/// What the server and its handlers share.
struct Api {
    events: tokio::sync::Mutex<mpsc::UnboundedReceiver<Invocation>>,
    waiting: Mutex<HashMap<String, oneshot::Sender<Ended>>>,
    /// How often the process has asked for an event.
    asked: watch::Sender<u64>,
    /// Reports of a failed start.
    not_started: Mutex<Vec<Value>>,
}

/// A function's own binary, running, with the Runtime API it talks to. Dropping it ends both.
pub(crate) struct Lambda {
    api: Arc<Api>,
    events: mpsc::UnboundedSender<Invocation>,
    invocations: u64,
    server: JoinHandle<()>,
    child: Child,
    log: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Lambda {
    /// Starts a binary with these variables and those that Lambda sets, and nothing else.
    pub(crate) async fn start(
        binary: &Path,
        name: &str,
        variables: &BTreeMap<String, String>,
    ) -> Self {
        let (events, received) = mpsc::unbounded_channel();
        let api = Arc::new(Api {
            events: tokio::sync::Mutex::new(received),
            waiting: Mutex::default(),
            asked: watch::Sender::new(0),
            not_started: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = router(Arc::clone(&api));
        let server = tokio::spawn(async move {
            axum::serve(listener, router).await.unwrap();
        });
        let mut child = Command::new(binary)
            .env_clear()
            .envs(lambda_variables(name, address))
            .envs(variables)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", binary.display()));
        let log: Arc<Mutex<String>> = Arc::default();
        let readers = vec![
            tokio::spawn(collect(child.stdout.take().unwrap(), Arc::clone(&log))),
            tokio::spawn(collect(child.stderr.take().unwrap(), Arc::clone(&log))),
        ];
        Self {
            api,
            events,
            invocations: 0,
            server,
            child,
            log,
            readers,
        }
    }

    /// The process's id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("the process has ended")
    }

    /// What the process has written so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until init is over: the process asks for its first event.
    pub(crate) async fn ready(&mut self) {
        let mut asked = self.api.asked.subscribe();
        let is_ready = tokio::select! {
            asked = asked.wait_for(|asked| *asked > 0) => asked.is_ok(),
            _ = self.child.wait() => false,
            () = tokio::time::sleep(PATIENCE) => false,
        };
        assert!(is_ready, "the function does not start: {}", self.log());
    }

    /// Has the process handle an event.
    pub(crate) async fn invoke(&mut self, event: String) -> Ended {
        self.invocations += 1;
        let id = format!(
            "8476a536-e9f4-11e8-9739-{number:012x}",
            number = self.invocations
        );
        let (sender, answer) = oneshot::channel();
        self.api.waiting.lock().unwrap().insert(id.clone(), sender);
        self.events.send(Invocation { id, event }).ok().unwrap();
        let ended = tokio::select! {
            answer = answer => answer.ok(),
            _ = self.child.wait() => None,
            () = tokio::time::sleep(PATIENCE) => None,
        };
        ended.unwrap_or_else(|| panic!("no answer came: {}", self.log()))
    }

    /// Waits for the process to end by itself: its status, what it has written, and what it has
    /// reported to the runtime.
    pub(crate) async fn end(mut self) -> (ExitStatus, String, Vec<Value>) {
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let Ok(Ok(status)) = status else {
            panic!("the process goes on: {}", self.log());
        };
        for reader in std::mem::take(&mut self.readers) {
            reader.await.unwrap();
        }
        let reported = self.api.not_started.lock().unwrap().clone();
        (status, self.log(), reported)
    }
}

impl Drop for Lambda {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// What Lambda itself sets; credentials and region are among the function's own variables here.
fn lambda_variables(name: &str, api: SocketAddr) -> [(&'static str, String); 8] {
    [
        ("AWS_LAMBDA_RUNTIME_API", api.to_string()),
        ("AWS_LAMBDA_FUNCTION_NAME", name.to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256".to_owned()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{name}")),
        (
            "AWS_LAMBDA_LOG_STREAM_NAME",
            "2026/03/01/[$LATEST]0123456789".to_owned(),
        ),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        ("LAMBDA_TASK_ROOT", "/var/task".to_owned()),
    ]
}

async fn collect(mut output: impl AsyncRead + Unpin, log: Arc<Mutex<String>>) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = output.read(&mut buffer).await {
        log.lock()
            .unwrap()
            .push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
}

fn router(api: Arc<Api>) -> Router {
    let at = |path: &str| format!("/2018-06-01/runtime{path}");
    Router::new()
        .route(&at("/invocation/next"), get(next))
        .route(&at("/invocation/{id}/response"), post(response))
        .route(&at("/invocation/{id}/error"), post(error))
        .route(&at("/init/error"), post(init_error))
        .with_state(api)
}

async fn next(State(api): State<Arc<Api>>) -> impl IntoResponse {
    api.asked.send_modify(|asked| *asked += 1);
    let Some(invocation) = api.events.lock().await.recv().await else {
        // The test is over; the process is about to be ended.
        return std::future::pending().await;
    };
    let deadline = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        + TIMEOUT;
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("lambda-runtime-aws-request-id", invocation.id),
        (
            "lambda-runtime-deadline-ms",
            deadline.as_millis().to_string(),
        ),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:eu-central-1:123456789012:function:kith".to_owned(),
        ),
        (
            "lambda-runtime-trace-id",
            "Root=1-69a42d40-0123456789abcdef01234567;Parent=0123456789abcdef;Sampled=0".to_owned(),
        ),
    ];
    (axum::response::AppendHeaders(headers), invocation.event)
}

async fn response(
    State(api): State<Arc<Api>>,
    PathParameters(id): PathParameters<String>,
    body: String,
) -> StatusCode {
    let answer = serde_json::from_str(&body).unwrap_or_else(|_| Value::String(body.clone()));
    api.ended(&id, Ended::Answered(answer))
}

async fn error(
    State(api): State<Arc<Api>>,
    PathParameters(id): PathParameters<String>,
    body: String,
) -> StatusCode {
    let report = serde_json::from_str(&body).unwrap_or_else(|_| Value::String(body.clone()));
    api.ended(&id, Ended::Failed(report))
}

async fn init_error(State(api): State<Arc<Api>>, body: String) -> StatusCode {
    let report = serde_json::from_str(&body).unwrap_or_else(|_| Value::String(body.clone()));
    api.not_started.lock().unwrap().push(report);
    StatusCode::ACCEPTED
}

impl Api {
    /// AWS refuses an answer to what it has not asked, or was answered already.
    fn ended(&self, id: &str, ended: Ended) -> StatusCode {
        match self.waiting.lock().unwrap().remove(id) {
            Some(waiting) => {
                // The test may have given up meanwhile.
                let _ = waiting.send(ended);
                StatusCode::ACCEPTED
            }
            None => StatusCode::FORBIDDEN,
        }
    }
}
