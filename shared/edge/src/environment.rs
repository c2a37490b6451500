//! Where a function runs: its variables, its way to AWS, its clock and its randomness.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use jiff::Timestamp;

/// Real time. The bundle reads it here and nowhere else.
pub trait Clock: Send + Sync + std::fmt::Debug + 'static {
    /// The present instant.
    fn now(&self) -> Timestamp;
}

/// Random bytes fit for secrets. The bundle draws them here and nowhere else.
pub trait Randomness: Send + Sync + std::fmt::Debug + 'static {
    /// Fills the whole slice.
    fn fill(&self, bytes: &mut [u8]);
}

/// The operating system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// The operating system's random source.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandomness;

impl Randomness for SystemRandomness {
    #[expect(
        clippy::expect_used,
        reason = "without a random source no secret can be made, and the process must not go on"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system has no random source");
    }
}

/// Where a function runs. On Lambda this is the process; in the local bundle and in tests one is
/// built for each function, from what the template says.
#[derive(Debug, Clone)]
pub struct Environment {
    /// Environment variables.
    pub variables: BTreeMap<String, String>,
    /// Replaces the HTTP client under the AWS clients: how tests inject faults and the local
    /// bundle saves its sockets.
    pub http_client: Option<SharedHttpClient>,
    /// Real time.
    pub clock: Arc<dyn Clock>,
    /// Random bytes.
    pub randomness: Arc<dyn Randomness>,
}

impl Environment {
    /// The process's own environment, clock and randomness.
    #[must_use]
    pub fn of_process() -> Self {
        Self::of_variables(std::env::vars().collect())
    }

    /// These variables with the operating system's clock and randomness.
    #[must_use]
    pub fn of_variables(variables: BTreeMap<String, String>) -> Self {
        Self {
            variables,
            http_client: None,
            clock: Arc::new(SystemClock),
            randomness: Arc::new(SystemRandomness),
        }
    }
}

/// Why a function cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Every fault of the configuration, reported together.
    #[error("the configuration is not usable: {}", .0.join("; "))]
    Configuration(Vec<String>),
    /// The async runtime or the Lambda runtime could not be started, or ended.
    #[error("the runtime ended: {0}")]
    Runtime(String),
}
