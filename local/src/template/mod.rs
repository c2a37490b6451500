//! The SAM template as this host understands it: functions, routes, queues, mappings, the table.
//!
//! Nothing about routing is written twice: what AWS is told is what runs here. A [`Document`] is
//! the template as text; with [`LocalNames`], which say what things are called on this machine, it
//! becomes a [`Template`].

mod events;
mod filter;
mod intrinsics;
mod read;
mod roles;
#[cfg(test)]
mod tests;
mod yaml;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::roles::{Role, Use};
pub use filter::Filter;

/// The template this host was built with.
pub const EMBEDDED: &str = include_str!("../../../template.yaml");

/// Why the template cannot be used: every fault, with its place.
#[derive(Debug, thiserror::Error)]
#[error("the template is not usable: {}", .faults.join("; "))]
pub struct TemplateError {
    /// One sentence each, beginning with the place in the template.
    pub faults: Vec<String>,
}

impl TemplateError {
    pub(crate) fn one(fault: String) -> Self {
        Self {
            faults: vec![fault],
        }
    }
}

/// What AWS's things are called on this machine.
#[derive(Debug, Clone)]
pub struct LocalNames {
    /// Values for parameters, before their defaults.
    pub parameters: BTreeMap<String, String>,
    /// Secrets by the logical id of their resource.
    pub secrets: BTreeMap<String, String>,
    /// Where the local AWS services answer, without a trailing slash.
    pub endpoint: String,
    /// The region in names and credentials.
    pub region: String,
    /// The account in names: twelve digits.
    pub account: String,
    /// The stack, prefix of names that the template leaves open.
    pub stack: String,
}

impl LocalNames {
    /// The names of this machine, with its services behind `endpoint`.
    #[must_use]
    pub fn new(endpoint: String) -> Self {
        Self {
            // What a deployment must say, said for this machine.
            parameters: [
                ("Sender", "referrals@kith.example"),
                ("SenderIdentity", "kith.example"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
            secrets: BTreeMap::new(),
            endpoint,
            region: "local".to_owned(),
            account: "000000000000".to_owned(),
            stack: "kith".to_owned(),
        }
    }

    /// An ARN in this account.
    #[must_use]
    pub fn arn(&self, service: &str, resource: &str) -> String {
        format!(
            "arn:aws:{service}:{}:{}:{resource}",
            self.region, self.account
        )
    }

    /// A queue's ARN.
    #[must_use]
    pub fn queue_arn(&self, name: &str) -> String {
        self.arn("sqs", name)
    }

    /// A queue's URL.
    #[must_use]
    pub fn queue_url(&self, name: &str) -> String {
        format!("{}/{}/{name}", self.endpoint, self.account)
    }

    /// The ARN of a table's stream.
    #[must_use]
    pub fn stream_arn(&self, table: &str) -> String {
        self.arn("dynamodb", &format!("table/{table}/stream/local"))
    }

    /// A role's ARN.
    #[must_use]
    pub fn role_arn(&self, name: &str) -> String {
        format!("arn:aws:iam::{}:role/{name}", self.account)
    }

    /// A secret's ARN, by its logical id.
    #[must_use]
    pub fn secret_arn(&self, logical_id: &str) -> String {
        self.arn("secretsmanager", &format!("secret:{logical_id}"))
    }
}

/// A template as written, its intrinsic functions not yet resolved.
#[derive(Debug, Clone)]
pub struct Document {
    root: Value,
}

impl Document {
    /// Reads a template's text.
    ///
    /// # Errors
    /// It is not YAML, or uses an unknown tag.
    pub fn read(text: &str) -> Result<Self, TemplateError> {
        let root = yaml::read(text)?;
        if root.get("Resources").and_then(Value::as_object).is_none() {
            return Err(TemplateError::one("Resources is missing".to_owned()));
        }
        Ok(Self { root })
    }

    /// What each generated secret asks for, by logical id.
    #[must_use]
    pub fn secrets(&self) -> BTreeMap<String, SecretSpec> {
        read::secrets(&self.root)
    }

    /// A resource of each id with this machine's names in it: for whoever looks at what this host
    /// does not run, such as alarms.
    ///
    /// # Errors
    /// Every fault of the resources.
    pub fn resources(
        &self,
        names: &LocalNames,
    ) -> Result<BTreeMap<String, Resource>, TemplateError> {
        read::present(&self.root, names)
    }

    /// Resolves the document with this machine's names.
    ///
    /// # Errors
    /// Every fault that keeps the bundle from running, together.
    pub fn resolve(&self, names: &LocalNames) -> Result<Template, TemplateError> {
        read::template(&self.root, names)
    }
}

/// A resource, its intrinsic functions resolved to this machine's names.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    /// Such as `AWS::SQS::Queue`.
    pub kind: String,
    /// Its `Properties`, an object.
    pub properties: Value,
    /// Its `Metadata`, as it is written.
    metadata: Value,
}

/// What a generated secret asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretSpec {
    /// Characters of the generated part.
    pub length: usize,
    /// A JSON object that the generated part is put into, and under which key.
    pub inside: Option<(String, String)>,
}

/// Everything the host runs, resolved to this machine's names.
#[derive(Debug, Clone)]
pub struct Template {
    /// The functions, by package.
    pub functions: BTreeMap<String, FunctionSpec>,
    /// HTTP routes.
    pub routes: Vec<Route>,
    /// Queues, by name.
    pub queues: BTreeMap<String, QueueSpec>,
    /// Queues that feed functions.
    pub queue_mappings: Vec<QueueMapping>,
    /// Streams that feed functions.
    pub stream_mappings: Vec<StreamMapping>,
    /// Schedules that invoke functions.
    pub schedules: Vec<Schedule>,
    /// The table.
    pub table: TableSpec,
    /// What Lambda itself does under the functions' roles.
    pub uses_of_lambda: Vec<Use>,
}

/// One function.
#[derive(Debug, Clone)]
pub struct FunctionSpec {
    /// Its name in the template.
    pub logical_id: String,
    /// The package that holds it.
    pub package: String,
    /// When an invocation is ended.
    pub timeout: Duration,
    /// Memory in MB; recorded, not enforced here.
    pub memory_mb: u64,
    /// Environment variables.
    pub variables: BTreeMap<String, String>,
    /// What it may do.
    pub role: Role,
    /// Name of the group that its logs go to.
    pub log_group: String,
}

/// One route of the HTTP API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// `GET`, `ANY`, …; empty for `$default`.
    pub method: String,
    /// `/r/{code}`, `/{proxy+}` or `$default`.
    pub path: String,
    /// The package that answers.
    pub package: String,
}

/// One queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSpec {
    /// Its name.
    pub name: String,
    /// How long a received message stays hidden.
    pub visibility_timeout: Duration,
    /// After how many receives a message goes to which queue.
    pub redrive: Option<Redrive>,
}

/// Where messages go that were received too often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    /// Name of the dead-letter queue.
    pub to: String,
    /// Receives before that.
    pub max_receives: u32,
}

/// A queue that feeds a function.
#[derive(Debug, Clone)]
pub struct QueueMapping {
    /// The queue's name.
    pub queue: String,
    /// The function's package.
    pub package: String,
    /// Messages per invocation at most.
    pub batch_size: usize,
    /// Whether the function names the failed messages.
    pub reports_failures: bool,
    /// Invocations at the same time at most.
    pub concurrency_max: usize,
    /// Which messages are handed over; the others are deleted.
    pub filter: Filter,
}

/// The table's stream feeding a function.
#[derive(Debug, Clone)]
pub struct StreamMapping {
    /// The function's package.
    pub package: String,
    /// Records per invocation at most.
    pub batch_size: usize,
    /// Whether the function names the failed records.
    pub reports_failures: bool,
    /// Whether a failed batch is split in two.
    pub bisects: bool,
    /// Attempts after the first.
    pub retries_max: u32,
    /// Which records are handed over.
    pub filter: Filter,
    /// Name of the queue that is told of records given up.
    pub on_failure: Option<String>,
}

/// A function invoked by time.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// Its name in the template.
    pub name: String,
    /// The function's package.
    pub package: String,
    /// Time between two invocations.
    pub every: Duration,
}

/// The table.
#[derive(Debug, Clone)]
pub struct TableSpec {
    /// Its name.
    pub name: String,
    /// A `CreateTable` request.
    pub create: Value,
    /// The attribute that holds the time an item may be removed.
    pub ttl_attribute: Option<String>,
    /// Whether the table has a stream.
    pub has_stream: bool,
}
