//! From the template's JSON to what the host runs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::intrinsics::{Resolver, text_of};
use super::{
    FunctionSpec, LocalNames, QueueSpec, Redrive, Resource, SecretSpec, TableSpec, Template,
    TemplateError,
};
use crate::roles::Role;

/// Lambda's own default timeout.
const TIMEOUT_SECONDS_DEFAULT: u64 = 3;
/// What the host runs, and what it must not pass over: policies that are no part of a role.
const RELEVANT: [&str; 8] = [
    "AWS::Serverless::Function",
    "AWS::SQS::Queue",
    "AWS::DynamoDB::Table",
    "AWS::Lambda::EventSourceMapping",
    "AWS::IAM::Role",
    "AWS::IAM::Policy",
    "AWS::IAM::RolePolicy",
    "AWS::IAM::ManagedPolicy",
];
/// SQS's own default visibility timeout.
const VISIBILITY_SECONDS_DEFAULT: u64 = 30;

/// See [`super::Document::secrets`].
pub(super) fn secrets(root: &Value) -> BTreeMap<String, SecretSpec> {
    let mut secrets = BTreeMap::new();
    for (id, resource) in resources(root) {
        if kind(resource) != "AWS::SecretsManager::Secret" {
            continue;
        }
        let wish = resource
            .get("Properties")
            .and_then(|properties| properties.get("GenerateSecretString"));
        let member = |name: &str| wish.and_then(|wish| wish.get(name));
        secrets.insert(
            id.clone(),
            SecretSpec {
                length: member("PasswordLength")
                    .and_then(Value::as_u64)
                    .and_then(|length| usize::try_from(length).ok())
                    .unwrap_or(32),
                inside: member("SecretStringTemplate")
                    .and_then(Value::as_str)
                    .zip(member("GenerateStringKey").and_then(Value::as_str))
                    .map(|(template, key)| (template.to_owned(), key.to_owned())),
            },
        );
    }
    secrets
}

/// See [`super::Document::resolve`].
pub(super) fn template(root: &Value, names: &LocalNames) -> Result<Template, TemplateError> {
    let mut reader = Reader {
        resolver: Resolver::new(root, names)?,
        names,
        globals: Value::Null,
        faults: Vec::new(),
        roles: BTreeMap::new(),
        role_of: BTreeMap::new(),
        template: Template {
            functions: BTreeMap::new(),
            routes: Vec::new(),
            queues: BTreeMap::new(),
            queue_mappings: Vec::new(),
            stream_mappings: Vec::new(),
            schedules: Vec::new(),
            table: TableSpec {
                name: String::new(),
                create: Value::Null,
                ttl_attribute: None,
                has_stream: false,
            },
            uses_of_lambda: Vec::new(),
        },
        packages: BTreeMap::new(),
    };
    reader.read(root);
    reader.check();
    if reader.faults.is_empty() {
        Ok(reader.template)
    } else {
        Err(TemplateError {
            faults: reader.faults,
        })
    }
}

/// Collects what the template says, and every fault of it.
pub(super) struct Reader<'a> {
    resolver: Resolver<'a>,
    pub(super) names: &'a LocalNames,
    globals: Value,
    pub(super) faults: Vec<String>,
    pub(super) template: Template,
    /// Roles by their ARN.
    pub(super) roles: BTreeMap<String, Role>,
    /// The ARN of each package's role.
    pub(super) role_of: BTreeMap<String, String>,
    /// Packages by the name and the ARN of their function.
    pub(super) packages: BTreeMap<String, String>,
}

impl Reader<'_> {
    fn read(&mut self, root: &Value) {
        if let Some(globals) = root.get("Globals").and_then(|all| all.get("Function")) {
            self.globals = self.resolved(globals, "Globals.Function");
        }
        let (resources, faults) = present_and_faults(&self.resolver, root, &RELEVANT);
        self.faults.extend(faults);
        let mut later = Vec::new();
        for (id, resource) in &resources {
            let at = format!("Resources.{id}");
            let properties = &resource.properties;
            match resource.kind.as_str() {
                "AWS::Serverless::Function" => self.function(id, resource, &at),
                "AWS::SQS::Queue" => self.queue(id, properties, &at),
                "AWS::DynamoDB::Table" => self.table(id, properties, &at),
                "AWS::IAM::Role" => self.role(id, properties, &at),
                "AWS::Lambda::EventSourceMapping" => later.push((at, properties)),
                other => self.faults.push(format!(
                    "{at}: policies stand inside their roles here, not in an {other}"
                )),
            }
        }
        for (at, properties) in later {
            self.standalone_mapping(properties, &at);
        }
        self.assign_roles();
    }

    fn resolved(&mut self, value: &Value, at: &str) -> Value {
        match self.resolver.resolve(value, at) {
            Ok(value) => value,
            Err(error) => {
                self.faults.extend(error.faults);
                Value::Null
            }
        }
    }

    pub(super) fn physical_name(&mut self, id: &str, at: &str) -> String {
        match self.resolver.physical_name(id, at) {
            Ok(name) => name,
            Err(error) => {
                self.faults.extend(error.faults);
                String::new()
            }
        }
    }

    fn function(&mut self, id: &str, resource: &Resource, at: &str) {
        let properties = &resource.properties;
        let binary = resource
            .metadata
            .pointer("/BuildProperties/Binary")
            .and_then(Value::as_str);
        let folder = properties
            .get("CodeUri")
            .and_then(Value::as_str)
            .and_then(|uri| uri.trim_end_matches('/').rsplit('/').next());
        let Some(package) = binary.or(folder).map(str::to_owned) else {
            self.faults.push(format!("{at} names no package"));
            return;
        };
        let setting = |name: &str| setting_of(&self.globals, properties, name).and_then(number);
        let timeout = setting("Timeout").unwrap_or(TIMEOUT_SECONDS_DEFAULT);
        let memory_mb = setting("MemorySize").unwrap_or(128);
        let mut variables = BTreeMap::new();
        for source in [&self.globals, properties] {
            let own = source.pointer("/Environment/Variables");
            for (name, value) in own.and_then(Value::as_object).into_iter().flatten() {
                variables.insert(name.clone(), text_of(value));
            }
        }
        let name = self.physical_name(id, at);
        self.packages.insert(
            self.names.arn("lambda", &format!("{name}/Arn")),
            package.clone(),
        );
        let log_group = properties.pointer("/LoggingConfig/LogGroup").map(text_of);
        let log_group = log_group.unwrap_or_else(|| format!("/aws/lambda/{name}"));
        self.packages.insert(name, package.clone());
        if let Some(role) = setting_of(&self.globals, properties, "Role") {
            self.role_of.insert(package.clone(), text_of(role));
        }
        let spec = FunctionSpec {
            logical_id: id.to_owned(),
            package: package.clone(),
            timeout: Duration::from_secs(timeout),
            memory_mb,
            variables,
            role: Role::default(),
            log_group,
        };
        if let Some(other) = self.template.functions.insert(package.clone(), spec) {
            self.faults.push(format!(
                "{at} and Resources.{} are both of package {package}",
                other.logical_id
            ));
        }
        let events = properties.get("Events").and_then(Value::as_object);
        for (name, event) in events.into_iter().flatten() {
            self.event(
                &package,
                name,
                event,
                &format!("{at}.Properties.Events.{name}"),
            );
        }
    }

    fn queue(&mut self, id: &str, properties: &Value, at: &str) {
        let name = self.physical_name(id, at);
        let redrive = properties.get("RedrivePolicy").and_then(|policy| {
            let to = policy
                .get("deadLetterTargetArn")
                .and_then(Value::as_str)
                .and_then(last_of_arn);
            let max_receives = policy
                .get("maxReceiveCount")
                .and_then(number)
                .and_then(|count| u32::try_from(count).ok());
            let redrive = to.zip(max_receives).map(|(to, max_receives)| Redrive {
                to: to.to_owned(),
                max_receives,
            });
            if redrive.is_none() {
                self.faults
                    .push(format!("{at}: the redrive policy is incomplete"));
            }
            redrive
        });
        let visibility = properties
            .get("VisibilityTimeout")
            .and_then(number)
            .unwrap_or(VISIBILITY_SECONDS_DEFAULT);
        self.template.queues.insert(
            name.clone(),
            QueueSpec {
                name,
                visibility_timeout: Duration::from_secs(visibility),
                redrive,
            },
        );
    }

    fn table(&mut self, id: &str, properties: &Value, at: &str) {
        if !self.template.table.name.is_empty() {
            self.faults.push(format!("{at}: the bundle has one table"));
            return;
        }
        let name = self.physical_name(id, at);
        let mut create = Map::new();
        create.insert("TableName".to_owned(), json!(name));
        create.insert("BillingMode".to_owned(), json!("PAY_PER_REQUEST"));
        for member in ["AttributeDefinitions", "KeySchema"] {
            match properties.get(member) {
                Some(value) => {
                    create.insert(member.to_owned(), value.clone());
                }
                None => self.faults.push(format!("{at}: {member} is missing")),
            }
        }
        let indexes: Vec<Value> = properties
            .get("GlobalSecondaryIndexes")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .map(|index| {
                json!({
                    "IndexName": index.get("IndexName"),
                    "KeySchema": index.get("KeySchema"),
                    "Projection": index.get("Projection"),
                })
            })
            .collect();
        if !indexes.is_empty() {
            create.insert("GlobalSecondaryIndexes".to_owned(), Value::Array(indexes));
        }
        let view = properties.pointer("/StreamSpecification/StreamViewType");
        if let Some(view) = view {
            create.insert(
                "StreamSpecification".to_owned(),
                json!({"StreamEnabled": true, "StreamViewType": view}),
            );
        }
        self.template.table = TableSpec {
            name,
            create: Value::Object(create),
            ttl_attribute: properties
                .pointer("/TimeToLiveSpecification/AttributeName")
                .and_then(Value::as_str)
                .map(str::to_owned),
            has_stream: view.is_some(),
        };
    }

    /// What only shows when everything was read.
    fn check(&mut self) {
        let template = &self.template;
        let mut faults = Vec::new();
        if template.table.name.is_empty() {
            faults.push("Resources: there is no table".to_owned());
        }
        if template.functions.is_empty() {
            faults.push("Resources: there is no function".to_owned());
        }
        if !template.stream_mappings.is_empty() && !template.table.has_stream {
            faults
                .push("Resources: a function reads the table's stream, but it has none".to_owned());
        }
        let mut missing = BTreeSet::new();
        for queue in template.queues.values() {
            if let Some(redrive) = &queue.redrive
                && !template.queues.contains_key(&redrive.to)
            {
                missing.insert(redrive.to.clone());
            }
        }
        for mapping in &template.queue_mappings {
            match template.queues.get(&mapping.queue) {
                None => {
                    missing.insert(mapping.queue.clone());
                }
                Some(queue) => {
                    let timeout = template
                        .functions
                        .get(&mapping.package)
                        .map(|function| function.timeout)
                        .unwrap_or_default();
                    if queue.visibility_timeout < timeout {
                        faults.push(format!(
                            "queue {}: its visibility timeout is shorter than the timeout of {}",
                            queue.name, mapping.package
                        ));
                    }
                }
            }
        }
        faults.extend(
            missing
                .iter()
                .map(|name| format!("there is no queue {name}")),
        );
        self.faults.extend(faults);
        if self.faults.is_empty() {
            self.check_uses_of_lambda();
        }
    }
}

/// See [`super::Document::resources`].
pub(super) fn present(
    root: &Value,
    names: &LocalNames,
) -> Result<BTreeMap<String, Resource>, TemplateError> {
    let resolver = Resolver::new(root, names)?;
    let (present, faults) = present_and_faults(&resolver, root, &[]);
    if faults.is_empty() {
        Ok(present)
    } else {
        Err(TemplateError { faults })
    }
}

/// The resources of these kinds, or all of them, whose condition holds.
fn present_and_faults(
    resolver: &Resolver<'_>,
    root: &Value,
    kinds: &[&str],
) -> (BTreeMap<String, Resource>, Vec<String>) {
    let (mut present, mut faults) = (BTreeMap::new(), Vec::new());
    for (id, resource) in resources(root) {
        let at = format!("Resources.{id}");
        let condition = resource.get("Condition").and_then(Value::as_str);
        let is_there = condition.map_or(Ok(true), |condition| resolver.condition(condition, &at));
        match is_there {
            Ok(true) if kinds.is_empty() || kinds.contains(&kind(resource)) => {}
            Ok(_) => continue,
            Err(error) => {
                faults.extend(error.faults);
                continue;
            }
        }
        let empty = json!({});
        let properties = resource.get("Properties").unwrap_or(&empty);
        let properties = resolver.resolve(properties, &format!("{at}.Properties"));
        let resource = Resource {
            kind: kind(resource).to_owned(),
            properties: properties.unwrap_or_else(|error| {
                faults.extend(error.faults);
                Value::Null
            }),
            metadata: resource.get("Metadata").cloned().unwrap_or_default(),
        };
        present.insert(id.clone(), resource);
    }
    (present, faults)
}

/// What a function says itself, or all functions together.
fn setting_of<'a>(globals: &'a Value, properties: &'a Value, name: &str) -> Option<&'a Value> {
    properties.get(name).or_else(|| globals.get(name))
}

fn resources(root: &Value) -> impl Iterator<Item = (&String, &Value)> {
    root.get("Resources")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
}

pub(super) fn kind(value: &Value) -> &str {
    value
        .get("Type")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

pub(super) fn number(value: &Value) -> Option<u64> {
    value
        .as_u64()
        .or_else(|| value.as_str().and_then(|text| text.parse().ok()))
}

pub(super) fn count(value: &Value) -> Option<usize> {
    number(value).and_then(|value| usize::try_from(value).ok())
}

pub(super) fn last_of_arn(arn: &str) -> Option<&str> {
    arn.starts_with("arn:").then(|| arn.rsplit(':').next())?
}
