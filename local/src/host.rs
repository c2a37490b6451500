//! What the front and the mappings share.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use kith_edge::{Clock, Randomness};
use tokio::sync::watch;

use crate::functions::{Functions, InvocationError};
use crate::services::Services;
use crate::state::State;
use crate::template::LocalNames;

/// One thing that happened: an invocation and how it ended, or a commit of facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// When it ended.
    pub at: Timestamp,
    /// The function; `table` for a commit.
    pub function: String,
    /// How it ended: a status, `done`, `2 failed`, `failed`, `timed out`; `committed`.
    pub outcome: String,
    /// What it was about, without codes, tokens or addresses.
    pub subject: String,
    /// How long it took, if it took time.
    pub duration: Option<Duration>,
}

/// Told of every step as it happens.
pub type StepSink = Arc<dyn Fn(&Step) + Send + Sync>;

/// How often messages are delivered, for tests of redelivery.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Duplicates {
    /// Once, unless they fail.
    #[default]
    None,
    /// Twice, one after the other.
    After,
    /// Twice at the same time.
    AtOnce,
}

/// Holds back what feeds functions, for tests.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    closed: Arc<watch::Sender<Closed>>,
}

#[derive(Debug, Clone, Default)]
struct Closed {
    all: bool,
    packages: BTreeSet<String>,
}

impl Gate {
    pub(crate) fn new(all: bool) -> Self {
        let closed = Closed {
            all,
            packages: BTreeSet::new(),
        };
        Self {
            closed: Arc::new(watch::Sender::new(closed)),
        }
    }

    pub(crate) fn close(&self, package: Option<&str>) {
        self.closed.send_modify(|closed| match package {
            None => closed.all = true,
            Some(package) => {
                closed.packages.insert(package.to_owned());
            }
        });
    }

    pub(crate) fn open(&self, package: Option<&str>) {
        self.closed.send_modify(|closed| match package {
            None => *closed = Closed::default(),
            Some(package) => {
                closed.packages.remove(package);
            }
        });
    }

    /// Returns at once while the way to this function is open.
    pub(crate) async fn passes(&self, package: &str) {
        let mut closed = self.closed.subscribe();
        let _ = closed
            .wait_for(|closed| !closed.all && !closed.packages.contains(package))
            .await;
    }
}

/// What the front and the mappings share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Host {
    pub(crate) functions: Functions,
    pub(crate) services: Services,
    pub(crate) state: State,
    pub(crate) names: Arc<LocalNames>,
    pub(crate) gate: Gate,
    pub(crate) duplicates: Arc<Mutex<Duplicates>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) randomness: Arc<dyn Randomness>,
    pub(crate) steps: StepSink,
    pub(crate) stop: watch::Receiver<bool>,
}

impl fmt::Debug for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Host")
            .field("functions", &self.functions)
            .finish_non_exhaustive()
    }
}

impl Host {
    /// Tells the sink of a step.
    pub(crate) fn step(
        &self,
        function: &str,
        outcome: String,
        subject: String,
        took: Option<Duration>,
    ) {
        (self.steps)(&Step {
            at: self.clock.now(),
            function: function.to_owned(),
            outcome,
            subject,
            duration: took,
        });
    }

    pub(crate) fn duplicates(&self) -> Duplicates {
        *self
            .duplicates
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the host is ending.
    pub(crate) fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// Resolves when the host ends.
    pub(crate) async fn stopped(&self) {
        let mut stop = self.stop.clone();
        // The sender is gone only when the bundle is, which is an end as well.
        let _ = stop.wait_for(|stopping| *stopping).await;
    }
}

/// A failure in one word or two.
pub(crate) fn short(error: &InvocationError) -> String {
    match error {
        InvocationError::TimedOut(_) => "timed out".to_owned(),
        InvocationError::Panicked => "panicked".to_owned(),
        InvocationError::NoSuchFunction(_)
        | InvocationError::NotJson(_)
        | InvocationError::Failed(_) => "failed".to_owned(),
    }
}

/// `1 message`, `2 messages`.
pub(crate) fn counted(count: usize, thing: &str) -> String {
    if count == 1 {
        format!("1 {thing}")
    } else {
        format!("{count} {thing}s")
    }
}
