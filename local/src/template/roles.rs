//! The functions' roles, and what Lambda itself does under them.

use serde_json::Value;

use super::LocalNames;
use super::intrinsics::text_of;
use super::read::Reader;
use crate::roles::{Condition, Effect, KEYS, Operator, Role, Statement, Use, Verdict};

/// What a mapping does to its queue, and what is refused to it is refused when it is made.
const QUEUE_ACTIONS: [&str; 3] = [
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
];
/// What a mapping does to its stream.
const STREAM_ACTIONS: [&str; 4] = [
    "dynamodb:DescribeStream",
    "dynamodb:GetRecords",
    "dynamodb:GetShardIterator",
    "dynamodb:ListStreams",
];
/// What Lambda does to a log group that is there.
const LOG_ACTIONS: [&str; 2] = ["logs:CreateLogStream", "logs:PutLogEvents"];
/// Where else a role's policies could come from; they stand inside it here.
const ELSEWHERE: [&str; 2] = ["ManagedPolicyArns", "PermissionsBoundary"];

impl Reader<'_> {
    pub(super) fn role(&mut self, id: &str, properties: &Value, at: &str) {
        let name = self.physical_name(id, at);
        for member in ELSEWHERE {
            if properties.get(member).is_some() {
                self.faults
                    .push(format!("{at}: {member} is not understood here"));
            }
        }
        let mut statements = Vec::new();
        for (number, policy) in list(properties.get("Policies")).iter().enumerate() {
            let document = policy.pointer("/PolicyDocument/Statement");
            for statement in list(document) {
                match statement_of(statement) {
                    Ok(statement) => statements.push(statement),
                    Err(fault) => self
                        .faults
                        .push(format!("{at}.Properties.Policies[{number}]: {fault}")),
                }
            }
        }
        let arn = self.names.role_arn(&name);
        self.roles.insert(arn, Role { name, statements });
    }

    /// Gives each function its role. SAM would make one for a function that names none.
    pub(super) fn assign_roles(&mut self) {
        for function in self.template.functions.values_mut() {
            let arn = self.role_of.get(&function.package);
            match arn.and_then(|arn| self.roles.get(arn)) {
                Some(role) => function.role = role.clone(),
                None => self.faults.push(format!(
                    "Resources.{}: its role is none of this template",
                    function.logical_id
                )),
            }
        }
    }

    /// What Lambda does under the roles: it keeps logs, and reads what feeds a function. A mapping
    /// whose function may not do that cannot be made.
    pub(super) fn check_uses_of_lambda(&mut self) {
        let uses = uses_of_lambda(&self.template, self.names);
        for done in &uses {
            let function = self.template.functions.get(&done.package);
            let verdict = function.map(|function| {
                let role = &function.role;
                role.verdict(&done.action, &done.resource, &[])
            });
            if verdict != Some(Verdict::Allowed) {
                self.faults.push(format!(
                    "the role of {} does not allow {} on {}, which Lambda does for it",
                    done.package, done.action, done.resource
                ));
            }
        }
        self.template.uses_of_lambda = uses;
    }
}

fn uses_of_lambda(template: &super::Template, names: &LocalNames) -> Vec<Use> {
    let mut uses = Vec::new();
    let mut add = |package: &str, actions: &[&str], resource: &str| {
        for action in actions {
            uses.push(Use {
                package: package.to_owned(),
                action: (*action).to_owned(),
                resource: resource.to_owned(),
            });
        }
    };
    for function in template.functions.values() {
        let stream = format!("log-group:{}:log-stream:local", function.log_group);
        add(&function.package, &LOG_ACTIONS, &names.arn("logs", &stream));
    }
    for mapping in &template.queue_mappings {
        let queue = names.queue_arn(&mapping.queue);
        add(&mapping.package, &QUEUE_ACTIONS, &queue);
    }
    for mapping in &template.stream_mappings {
        let stream = names.stream_arn(&template.table.name);
        add(&mapping.package, &STREAM_ACTIONS, &stream);
        if let Some(queue) = &mapping.on_failure {
            add(
                &mapping.package,
                &["sqs:SendMessage"],
                &names.queue_arn(queue),
            );
        }
    }
    uses
}

/// A list, or the one thing that stands in its place.
fn list(value: Option<&Value>) -> &[Value] {
    match value {
        Some(Value::Array(items)) => items,
        Some(item) => std::slice::from_ref(item),
        None => &[],
    }
}

fn statement_of(value: &Value) -> Result<Statement, String> {
    let members = value.as_object().ok_or("a statement is an object")?;
    let mut statement = Statement {
        effect: Effect::Deny,
        actions: Vec::new(),
        resources: Vec::new(),
        conditions: Vec::new(),
    };
    for (name, value) in members {
        match name.as_str() {
            "Sid" => {}
            "Effect" => {
                statement.effect = match value.as_str() {
                    Some("Allow") => Effect::Allow,
                    Some("Deny") => Effect::Deny,
                    _ => return Err(format!("{value} is no effect")),
                };
            }
            "Action" => statement.actions = texts(value)?,
            "Resource" => statement.resources = texts(value)?,
            "Condition" => statement.conditions = conditions(value)?,
            other => return Err(format!("{other} is not understood here")),
        }
    }
    if members.contains_key("Effect")
        && !statement.actions.is_empty()
        && !statement.resources.is_empty()
    {
        Ok(statement)
    } else {
        Err("a statement has an effect, actions and resources".to_owned())
    }
}

/// Whoever does not understand a condition must not pass over it.
fn conditions(value: &Value) -> Result<Vec<Condition>, String> {
    let mut conditions = Vec::new();
    for (name, keys) in value.as_object().ok_or("a condition is an object")? {
        let operator =
            Operator::of(name).ok_or_else(|| format!("the operator {name} is not known here"))?;
        for (key, values) in keys.as_object().ok_or("a condition names keys")? {
            if !KEYS.contains(&key.as_str()) {
                return Err(format!("the key {key} is not known here"));
            }
            conditions.push(Condition {
                operator,
                key: key.clone(),
                values: texts(values)?,
            });
        }
    }
    Ok(conditions)
}

fn texts(value: &Value) -> Result<Vec<String>, String> {
    let texts = list(Some(value)).iter().map(|item| {
        let text = text_of(item);
        if !item.is_string() || text.is_empty() {
            Err(format!("{item} is no text"))
        } else if text.contains("${") {
            Err(format!("variables are not known here: {text}"))
        } else {
            Ok(text)
        }
    });
    texts.collect()
}
