//! How a bundle is started.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use kith_edge::{Clock, Randomness, SystemClock, SystemRandomness};

use crate::functions::Registry;
use crate::host::{Duplicates, StepSink};

/// Where the bundle keeps its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a folder; survives the process.
    Folder(PathBuf),
    /// In memory; ends with the bundle.
    Memory,
}

/// Puts something between a function's AWS clients and this machine's services: gets the
/// function's package and the way to the services, gives the client that the function uses.
pub type ClientWrap = Arc<dyn Fn(&str, SharedHttpClient) -> SharedHttpClient + Send + Sync>;

/// How a bundle is started. The default is what tests want: memory, a free port, no functions.
#[derive(Clone)]
pub struct Options {
    /// The functions.
    pub registry: Registry,
    /// A template to use in place of the embedded one, as text.
    pub template: Option<String>,
    /// The port on the loopback address; 0 takes a free one.
    pub port: u16,
    /// Where the data is kept.
    pub place: Place,
    /// Operator key of live programs; made when absent.
    pub operator_key: Option<String>,
    /// Operator key of test programs; made when absent.
    pub test_operator_key: Option<String>,
    /// Environment variables in place of the template's, for functions that have them.
    pub variables: BTreeMap<String, String>,
    /// Put between the functions and the services.
    pub wrap_client: Option<ClientWrap>,
    /// Real time, for functions and queues.
    pub clock: Arc<dyn Clock>,
    /// Random bytes.
    pub randomness: Arc<dyn Randomness>,
    /// Visibility timeout of every queue in place of the template's.
    pub visibility_timeout: Option<Duration>,
    /// How often messages are delivered.
    pub duplicates: Duplicates,
    /// Whether queues, stream and schedules wait for [`super::Bundle::resume`].
    pub paused: bool,
    /// Whether schedules fire by themselves. Without, [`super::Bundle::run_schedules`] fires them.
    pub schedules: bool,
    /// Told of every step.
    pub on_step: Option<StepSink>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            registry: Registry::empty(),
            template: None,
            port: 0,
            place: Place::Memory,
            operator_key: None,
            test_operator_key: None,
            variables: BTreeMap::new(),
            wrap_client: None,
            clock: Arc::new(SystemClock),
            randomness: Arc::new(SystemRandomness),
            visibility_timeout: None,
            duplicates: Duplicates::None,
            paused: false,
            schedules: true,
            on_step: None,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Options")
            .field("registry", &self.registry)
            .field("port", &self.port)
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}
