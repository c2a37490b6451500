//! What a Lambda function is to this bundle, and the loop that serves one on Lambda.

use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;

use jiff::Timestamp;
use lambda_runtime::{Diagnostic, LambdaEvent, Runtime, service_fn};
use serde_json::value::RawValue;

use crate::environment::{Environment, StartError};

/// A boxed future that may move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What the runtime says about one invocation, besides the event.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The id under which AWS logs this invocation.
    pub request_id: String,
    /// When the runtime will end the invocation, in real time.
    pub deadline: Timestamp,
}

/// Why an invocation as a whole failed: the event was not of the expected shape, or every message
/// of a batch failed. The text is logged and answered to the runtime; it holds no personal data.
#[derive(Debug, thiserror::Error)]
pub enum FunctionError {
    /// The event is not what this function is invoked with.
    #[error("the event cannot be read: {0}")]
    UnreadableEvent(#[source] serde_json::Error),
    /// Nothing of a batch succeeded: an error, so that alarms on errors see it.
    #[error("every one of the {0} records of the batch failed")]
    WholeBatchFailed(usize),
    /// The work ended without being done, and is to be invoked again.
    #[error("{0}")]
    NotDone(String),
    /// The answer could not be written as JSON: a bug.
    #[error("the answer cannot be written: {0}")]
    UnwritableAnswer(#[source] serde_json::Error),
}

impl FunctionError {
    /// The error's name, by which the runtime and alarms tell one kind from another.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::UnreadableEvent(_) => "UnreadableEvent",
            Self::WholeBatchFailed(_) => "WholeBatchFailed",
            Self::NotDone(_) => "NotDone",
            Self::UnwritableAnswer(_) => "UnwritableAnswer",
        }
    }
}

/// One Lambda function: raw JSON in, raw JSON out.
pub trait Function: Send + Sync + 'static {
    /// Handles one event.
    fn invoke(
        &self,
        event: Box<RawValue>,
        invocation: Invocation,
    ) -> BoxFuture<'_, Result<Box<RawValue>, FunctionError>>;

    /// Opens connections during init, so that the first request does not wait for a handshake.
    /// Failures are ignored here; the request that needs the connection reports them.
    fn warm(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

/// Runs a function on Lambda until the runtime ends the process: the whole of every `main`.
///
/// One thread: a Lambda instance handles one event at a time.
pub fn serve(
    build: impl FnOnce(&Environment) -> Result<Box<dyn Function>, StartError>,
) -> ExitCode {
    crate::telemetry::start();
    let started = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| StartError::Runtime(error.to_string()))
        .and_then(|runtime| {
            let environment = Environment::of_process();
            // Clients spawn nothing, but their timers need the runtime's context.
            let function = {
                let _context = runtime.enter();
                build(&environment)?
            };
            runtime.block_on(run(function))
        });
    match started {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = %error, "the function cannot start");
            ExitCode::FAILURE
        }
    }
}

async fn run(function: Box<dyn Function>) -> Result<(), StartError> {
    function.warm().await;
    let function: Arc<dyn Function> = function.into();
    // Without the layer that `lambda_runtime::run` adds: each call has a span of its own here, which names the request.
    let handler = service_fn(move |event: LambdaEvent<Box<RawValue>>| {
        let function = Arc::clone(&function);
        async move {
            let request_id = event.context.request_id;
            let invocation = Invocation {
                request_id: request_id.clone(),
                deadline: i64::try_from(event.context.deadline)
                    .ok()
                    .and_then(|ms| Timestamp::from_millisecond(ms).ok())
                    .unwrap_or(Timestamp::MAX),
            };
            function
                .invoke(event.payload, invocation)
                .await
                .map_err(|error| {
                    tracing::error!(request.id = request_id, %error, "the invocation failed");
                    Diagnostic {
                        error_type: error.name().to_owned(),
                        error_message: error.to_string(),
                    }
                })
        }
    });
    let served = Runtime::new(handler).run().await;
    served.map_err(|error| StartError::Runtime(error.to_string()))
}
