//! The bundle, started and stopped.

mod options;
mod start;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
use kith_edge::Environment;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::functions::InvocationError;
use crate::guard::{Actions, OWNER};
use crate::host::{Duplicates, Host};
use crate::mail::Mails;
use crate::mapping::schedule;
use crate::queues::{Depth, QueueError, Queues};
use crate::table::Table;
use crate::template::Template;
pub use options::{ClientWrap, Options, Place};
pub use start::{BundleError, Parts};

/// How long the end waits for requests and batches that have begun.
const FINISH_WITHIN: Duration = Duration::from_secs(35);

/// The whole bundle, running in this process. Dropping it ends it without finishing anything, as
/// a crash would; [`Bundle::shutdown`] finishes what has begun.
#[derive(Debug)]
pub struct Bundle {
    host: Host,
    template: Template,
    environments: BTreeMap<String, Environment>,
    port: u16,
    services_endpoint: String,
    stop: watch::Sender<bool>,
    stream_seen: Vec<watch::Receiver<u64>>,
    tasks: JoinSet<()>,
    /// Held so that no other process uses the same data.
    _lock: Option<std::fs::File>,
}

impl Bundle {
    /// Starts everything. When this returns, requests are answered.
    ///
    /// # Errors
    /// Every reason not to start; see [`BundleError`].
    pub async fn start(options: Options) -> Result<Self, BundleError> {
        start::start(options).await
    }

    /// Where the HTTP API answers, without a trailing slash.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Where table, queues and mail answer to processes of their own, without a trailing slash:
    /// the value for `AWS_ENDPOINT_URL_DYNAMODB`, `…_SQS` and `…_SESV2`.
    #[must_use]
    pub fn services_endpoint(&self) -> &str {
        &self.services_endpoint
    }

    /// The template that runs here.
    #[must_use]
    pub fn template(&self) -> &Template {
        &self.template
    }

    /// The operator key of live programs.
    #[must_use]
    pub fn operator_key(&self) -> Option<&str> {
        self.variable("KITH_OPERATOR_KEY")
    }

    /// The operator key of test programs.
    #[must_use]
    pub fn test_operator_key(&self) -> Option<&str> {
        self.variable("KITH_TEST_OPERATOR_KEY")
    }

    fn variable(&self, name: &str) -> Option<&str> {
        self.environments
            .values()
            .find_map(|environment| environment.variables.get(name))
            .map(String::as_str)
    }

    /// What a function of this bundle was started with.
    #[must_use]
    pub fn environment(&self, package: &str) -> Option<&Environment> {
        self.environments.get(package)
    }

    /// The table.
    #[must_use]
    pub fn table(&self) -> &Table {
        &self.host.services.table
    }

    /// The queues.
    #[must_use]
    pub fn queues(&self) -> &Queues {
        &self.host.services.queues
    }

    /// The mail catcher.
    #[must_use]
    pub fn mails(&self) -> &Mails {
        &self.host.services.mails
    }

    /// A client of the table that no fault is injected into.
    #[must_use]
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.host.names.region.clone()))
            .credentials_provider(Credentials::new(OWNER, OWNER, None, None, OWNER))
            .endpoint_url(&self.services_endpoint)
            .http_client(self.host.services.client())
            .build();
        aws_sdk_dynamodb::Client::from_conf(config)
    }

    /// What was done under the functions' roles so far, and what they did not allow.
    #[must_use]
    pub fn actions(&self) -> Actions {
        self.host.services.guard.actions()
    }

    /// What each queue holds, dead letters included.
    ///
    /// # Errors
    /// The database failed.
    pub fn depths(&self) -> Result<BTreeMap<String, Depth>, QueueError> {
        let queues = self.queues();
        queues
            .specs()
            .keys()
            .map(|name| Ok((name.clone(), queues.depth(name)?)))
            .collect()
    }

    /// Invokes a function with an event.
    ///
    /// # Errors
    /// Every way of not getting an answer.
    pub async fn invoke(&self, package: &str, event: &Value) -> Result<Value, InvocationError> {
        let answer = self
            .host
            .functions
            .invoke(package, event.to_string())
            .await?;
        Ok(serde_json::from_str(answer.get())?)
    }

    /// Has every function do what it does before its first event, as Lambda has it. By itself the
    /// bundle does not: it has no connections to open.
    pub async fn warm(&self) {
        self.host.functions.warm().await;
    }

    /// Holds back queues, stream and schedules: all, or what feeds one function. HTTP goes on.
    pub fn pause(&self, package: Option<&str>) {
        self.host.gate.close(package);
    }

    /// Lets them go on.
    pub fn resume(&self, package: Option<&str>) {
        self.host.gate.open(package);
    }

    /// From now on delivers every message and every batch of stream records this often.
    pub fn set_duplicates(&self, duplicates: Duplicates) {
        *self
            .host
            .duplicates
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = duplicates;
    }

    /// Fires every schedule once, now, and waits for its end.
    pub async fn run_schedules(&self) {
        for schedule in &self.template.schedules {
            schedule::fire(&self.host, schedule).await;
        }
    }

    /// Makes what failed visible again without waiting for its visibility timeout; what is being
    /// worked on comes twice then, as it would after a timeout. Dead letters stay where they are.
    ///
    /// # Errors
    /// The database failed.
    pub fn retry_now(&self) -> Result<(), QueueError> {
        for mapping in &self.template.queue_mappings {
            self.queues().make_visible(&mapping.queue)?;
        }
        Ok(())
    }

    /// Waits until nothing is under way: the stream is read to its end, no message waits in a
    /// queue that feeds a function, no function runs. False when that takes longer than `at_most`.
    pub async fn quiesce(&self, at_most: Duration) -> bool {
        tokio::time::timeout(at_most, async {
            loop {
                // Twice in a row: between two looks a batch may be on its way from one place to
                // the next.
                if self.is_quiet() {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                    if self.is_quiet() {
                        return;
                    }
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .is_ok()
    }

    fn is_quiet(&self) -> bool {
        let written = *self.table().writes().borrow();
        let read = self
            .stream_seen
            .iter()
            .all(|seen| *seen.borrow() == written);
        read && self.host.functions.in_flight() == 0
            && self.template.queue_mappings.iter().all(|mapping| {
                self.queues()
                    .depth(&mapping.queue)
                    .is_ok_and(|depth| depth.is_empty())
            })
            && *self.table().writes().borrow() == written
    }

    /// Ends the bundle: nothing new is taken, what has begun is finished.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        let finished = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(FINISH_WITHIN, finished).await.is_err() {
            tracing::warn!("something did not end in time and was cut off");
        }
    }
}

/// Nothing happens with steps.
fn no_steps() -> crate::host::StepSink {
    Arc::new(|_| {})
}

#[cfg(test)]
mod tests;
