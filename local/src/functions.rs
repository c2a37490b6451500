//! The functions of the bundle, all in this process.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use kith_edge::{Clock, Environment, Function, FunctionError, Invocation, Randomness, StartError};
use serde_json::value::RawValue;
use tokio::sync::watch;
use tracing::Instrument;

use crate::template::FunctionSpec;

/// What makes a function from its environment.
pub type Constructor =
    Arc<dyn Fn(&Environment) -> Result<Box<dyn Function>, StartError> + Send + Sync>;

/// Which package is which function.
#[derive(Clone, Default)]
pub struct Registry {
    constructors: BTreeMap<String, Constructor>,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_set()
            .entries(self.constructors.keys())
            .finish()
    }
}

impl Registry {
    /// No functions yet.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Adds the function of a package, in place of an earlier one.
    #[must_use]
    pub fn with(
        mut self,
        package: &str,
        constructor: impl Fn(&Environment) -> Result<Box<dyn Function>, StartError>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.constructors
            .insert(package.to_owned(), Arc::new(constructor));
        self
    }

    /// What makes the function of a package.
    #[must_use]
    pub fn constructor(&self, package: &str) -> Option<&Constructor> {
        self.constructors.get(package)
    }
}

/// Why an invocation brought no answer.
#[derive(Debug, thiserror::Error)]
pub enum InvocationError {
    /// There is no such function.
    #[error("there is no function {0}")]
    NoSuchFunction(String),
    /// The event is not JSON.
    #[error("the event is not JSON: {0}")]
    NotJson(#[from] serde_json::Error),
    /// The function said so.
    #[error(transparent)]
    Failed(FunctionError),
    /// It took longer than it may.
    #[error("timed out after {0:?}")]
    TimedOut(Duration),
    /// It panicked, which on Lambda ends the process.
    #[error("panicked")]
    Panicked,
}

struct Running {
    function: Arc<dyn Function>,
    timeout: Duration,
}

/// The running functions. Cheap to clone.
#[derive(Clone)]
pub struct Functions {
    running: Arc<BTreeMap<String, Running>>,
    in_flight: Arc<watch::Sender<usize>>,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
}

impl std::fmt::Debug for Functions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_set().entries(self.running.keys()).finish()
    }
}

/// Counts an invocation for as long as it lives, however it ends.
struct InFlight(Arc<watch::Sender<usize>>);

impl InFlight {
    fn new(count: &Arc<watch::Sender<usize>>) -> Self {
        count.send_modify(|count| *count = count.saturating_add(1));
        Self(Arc::clone(count))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}

impl Functions {
    pub(crate) fn new(
        functions: Vec<(FunctionSpec, Box<dyn Function>)>,
        clock: Arc<dyn Clock>,
        randomness: Arc<dyn Randomness>,
    ) -> Self {
        let running = functions
            .into_iter()
            .map(|(spec, function)| {
                let running = Running {
                    function: function.into(),
                    timeout: spec.timeout,
                };
                (spec.package, running)
            })
            .collect();
        Self {
            running: Arc::new(running),
            in_flight: Arc::new(watch::Sender::new(0)),
            clock,
            randomness,
        }
    }

    /// How many invocations are running.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        *self.in_flight.borrow()
    }

    pub(crate) async fn warm(&self) {
        for running in self.running.values() {
            running.function.warm().await;
        }
    }

    /// Invokes a function as Lambda does: with a deadline, which ends it.
    ///
    /// # Errors
    /// Every way of not getting an answer; see [`InvocationError`].
    pub async fn invoke(
        &self,
        package: &str,
        event: String,
    ) -> Result<Box<RawValue>, InvocationError> {
        let running = self
            .running
            .get(package)
            .ok_or_else(|| InvocationError::NoSuchFunction(package.to_owned()))?;
        let event = RawValue::from_string(event)?;
        let _in_flight = InFlight::new(&self.in_flight);
        let timeout = running.timeout;
        let deadline = SignedDuration::try_from(timeout)
            .ok()
            .and_then(|timeout| self.clock.now().checked_add(timeout).ok())
            .unwrap_or(jiff::Timestamp::MAX);
        let invocation = Invocation {
            request_id: crate::random::uuid(&*self.randomness),
            deadline,
        };
        let span = tracing::info_span!(
            "invocation",
            function.name = package,
            invocation.id = invocation.request_id
        );
        let function = Arc::clone(&running.function);
        let started = Instant::now();
        // A task of its own: a panic or a timeout ends it and nothing else.
        let mut task = AbortOnDrop(tokio::spawn(
            async move { function.invoke(event, invocation).await }.instrument(span),
        ));
        let outcome = match tokio::time::timeout(timeout, &mut task.0).await {
            Ok(Ok(outcome)) => outcome.map_err(InvocationError::Failed),
            Ok(Err(_)) => Err(InvocationError::Panicked),
            Err(_) => Err(InvocationError::TimedOut(timeout)),
        };
        if let Err(error) = &outcome {
            tracing::error!(
                function.name = package,
                error = %error,
                duration_ms = started.elapsed().as_millis(),
                "an invocation failed"
            );
        }
        outcome
    }
}

struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
