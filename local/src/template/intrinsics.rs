//! CloudFormation's intrinsic functions, resolved to what they name on this machine.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{LocalNames, TemplateError};

/// How deep a template's values and conditions may nest before reading gives up.
const DEPTH_MAX: usize = 64;

/// Properties by which a resource asks for a name.
const NAMES: [&str; 5] = [
    "QueueName",
    "TableName",
    "FunctionName",
    "RoleName",
    "LogGroupName",
];

/// Resolves values against a template's parameters, conditions and resources.
pub(super) struct Resolver<'a> {
    parameters: BTreeMap<&'a str, Value>,
    conditions: &'a Map<String, Value>,
    resources: &'a Map<String, Value>,
    names: &'a LocalNames,
}

/// A value that is left out: `!Ref AWS::NoValue`.
enum Resolved {
    Value(Value),
    Nothing,
}

impl<'a> Resolver<'a> {
    /// Reads the parameters' local values: those of `names`, else the defaults.
    pub(super) fn new(root: &'a Value, names: &'a LocalNames) -> Result<Self, TemplateError> {
        static EMPTY: std::sync::OnceLock<Map<String, Value>> = std::sync::OnceLock::new();
        let section = |name: &str| {
            root.get(name)
                .and_then(Value::as_object)
                .unwrap_or_else(|| EMPTY.get_or_init(Map::new))
        };
        let mut parameters = BTreeMap::new();
        let mut faults = Vec::new();
        for (name, parameter) in section("Parameters") {
            let local = names.parameters.get(name).cloned().map(Value::String);
            match local.or_else(|| parameter.get("Default").cloned()) {
                Some(value) => {
                    parameters.insert(name.as_str(), value);
                }
                None => faults.push(format!(
                    "Parameters.{name} has neither a default nor a local value"
                )),
            }
        }
        if !faults.is_empty() {
            return Err(TemplateError { faults });
        }
        Ok(Self {
            parameters,
            conditions: section("Conditions"),
            resources: section("Resources"),
            names,
        })
    }

    /// The value with every intrinsic function replaced; `null` where it is `AWS::NoValue`.
    pub(super) fn resolve(&self, value: &Value, at: &str) -> Result<Value, TemplateError> {
        match self.resolved(value, at, 0)? {
            Resolved::Value(value) => Ok(value),
            Resolved::Nothing => Ok(Value::Null),
        }
    }

    /// Whether a named condition holds.
    pub(super) fn condition(&self, name: &str, at: &str) -> Result<bool, TemplateError> {
        self.named_condition(name, at, 0)
    }

    fn resolved(&self, value: &Value, at: &str, depth: usize) -> Result<Resolved, TemplateError> {
        if depth > DEPTH_MAX {
            return Err(fault(at, "nests too deeply"));
        }
        let depth = depth.saturating_add(1);
        match value {
            Value::Object(object) => {
                if let Some((function, argument)) = single(object)
                    && (function == "Ref" || function.starts_with("Fn::"))
                {
                    return self.call(function, argument, at, depth);
                }
                let mut out = Map::new();
                for (key, inner) in object {
                    let inner_at = format!("{at}.{key}");
                    if let Resolved::Value(inner) = self.resolved(inner, &inner_at, depth)? {
                        out.insert(key.clone(), inner);
                    }
                }
                Ok(Resolved::Value(Value::Object(out)))
            }
            Value::Array(items) => {
                let mut out = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    let item_at = format!("{at}[{index}]");
                    if let Resolved::Value(item) = self.resolved(item, &item_at, depth)? {
                        out.push(item);
                    }
                }
                Ok(Resolved::Value(Value::Array(out)))
            }
            Value::String(text) => Ok(Resolved::Value(Value::String(self.secrets_in(text, at)?))),
            Value::Null | Value::Bool(_) | Value::Number(_) => Ok(Resolved::Value(value.clone())),
        }
    }

    fn call(
        &self,
        function: &str,
        argument: &Value,
        at: &str,
        depth: usize,
    ) -> Result<Resolved, TemplateError> {
        match function {
            "Ref" => {
                let name = argument
                    .as_str()
                    .ok_or_else(|| fault(at, "Ref takes a name"))?;
                if name == "AWS::NoValue" {
                    return Ok(Resolved::Nothing);
                }
                self.reference(name, at).map(Resolved::Value)
            }
            "Fn::GetAtt" => match argument.as_array().map(Vec::as_slice) {
                Some([Value::String(resource), Value::String(attribute)]) => self
                    .attribute(resource, attribute, at)
                    .map(Value::String)
                    .map(Resolved::Value),
                _ => Err(fault(at, "Fn::GetAtt takes a resource and an attribute")),
            },
            "Fn::Sub" => {
                let text = self.substituted(argument, at, depth)?;
                Ok(Resolved::Value(Value::String(self.secrets_in(&text, at)?)))
            }
            "Fn::Join" => match argument.as_array().map(Vec::as_slice) {
                Some([Value::String(separator), list]) => {
                    let list = self.resolve(list, at)?;
                    let parts: Vec<String> = list
                        .as_array()
                        .ok_or_else(|| fault(at, "Fn::Join takes a list"))?
                        .iter()
                        .map(text_of)
                        .collect();
                    Ok(Resolved::Value(Value::String(parts.join(separator))))
                }
                _ => Err(fault(at, "Fn::Join takes a separator and a list")),
            },
            "Fn::Select" => match argument.as_array().map(Vec::as_slice) {
                Some([index, list]) => {
                    let index = text_of(index).parse::<usize>().ok();
                    let list = self.resolve(list, at)?;
                    index
                        .and_then(|index| list.get(index).cloned())
                        .map(Resolved::Value)
                        .ok_or_else(|| fault(at, "Fn::Select finds nothing there"))
                }
                _ => Err(fault(at, "Fn::Select takes an index and a list")),
            },
            "Fn::Split" => match argument.as_array().map(Vec::as_slice) {
                Some([Value::String(separator), text]) => {
                    let text = text_of(&self.resolve(text, at)?);
                    Ok(Resolved::Value(
                        text.split(separator.as_str()).map(Value::from).collect(),
                    ))
                }
                _ => Err(fault(at, "Fn::Split takes a separator and a text")),
            },
            "Fn::If" => match argument.as_array().map(Vec::as_slice) {
                Some([Value::String(condition), yes, no]) => {
                    let chosen = if self.named_condition(condition, at, depth)? {
                        yes
                    } else {
                        no
                    };
                    self.resolved(chosen, at, depth)
                }
                _ => Err(fault(at, "Fn::If takes a condition and two values")),
            },
            "Fn::Equals" | "Fn::Not" | "Fn::And" | "Fn::Or" => {
                let mut object = Map::new();
                object.insert(function.to_owned(), argument.clone());
                self.holds(&Value::Object(object), at, depth)
                    .map(|held| Resolved::Value(Value::Bool(held)))
            }
            other => Err(fault(at, &format!("{other} is not supported here"))),
        }
    }

    fn named_condition(&self, name: &str, at: &str, depth: usize) -> Result<bool, TemplateError> {
        let condition = self
            .conditions
            .get(name)
            .ok_or_else(|| fault(at, &format!("there is no condition {name}")))?;
        self.holds(condition, &format!("Conditions.{name}"), depth)
    }

    fn holds(&self, value: &Value, at: &str, depth: usize) -> Result<bool, TemplateError> {
        if depth > DEPTH_MAX {
            return Err(fault(at, "nests too deeply"));
        }
        let depth = depth.saturating_add(1);
        let Some((function, argument)) = value.as_object().and_then(single) else {
            return Err(fault(at, "is not a condition"));
        };
        let list = || {
            argument
                .as_array()
                .ok_or_else(|| fault(at, &format!("{function} takes a list")))
        };
        match function {
            "Condition" => match argument.as_str() {
                Some(name) => self.named_condition(name, at, depth),
                None => Err(fault(at, "Condition takes a name")),
            },
            "Fn::Equals" => match list()?.as_slice() {
                [left, right] => {
                    let left = self.resolve(left, at)?;
                    let right = self.resolve(right, at)?;
                    Ok(text_of(&left) == text_of(&right))
                }
                _ => Err(fault(at, "Fn::Equals takes two values")),
            },
            "Fn::Not" => match list()?.as_slice() {
                [inner] => self.holds(inner, at, depth).map(|held| !held),
                _ => Err(fault(at, "Fn::Not takes one condition")),
            },
            "Fn::And" => {
                let mut all = true;
                for inner in list()? {
                    all &= self.holds(inner, at, depth)?;
                }
                Ok(all)
            }
            "Fn::Or" => {
                let mut any = false;
                for inner in list()? {
                    any |= self.holds(inner, at, depth)?;
                }
                Ok(any)
            }
            other => Err(fault(at, &format!("{other} is not a condition"))),
        }
    }

    /// What `Ref` gives: a parameter's value, a pseudo parameter, or a resource's name.
    fn reference(&self, name: &str, at: &str) -> Result<Value, TemplateError> {
        if let Some(value) = self.parameters.get(name) {
            return Ok(value.clone());
        }
        let text = match name {
            "AWS::Region" => self.names.region.clone(),
            "AWS::AccountId" => self.names.account.clone(),
            "AWS::StackName" => self.names.stack.clone(),
            "AWS::Partition" => "aws".to_owned(),
            "AWS::URLSuffix" => "amazonaws.com".to_owned(),
            resource => {
                let physical = self.physical_name(resource, at)?;
                match self.kind(resource) {
                    "AWS::SQS::Queue" => self.names.queue_url(&physical),
                    "AWS::SecretsManager::Secret" => self.names.secret_arn(resource),
                    _ => physical,
                }
            }
        };
        Ok(Value::String(text))
    }

    fn attribute(
        &self,
        resource: &str,
        attribute: &str,
        at: &str,
    ) -> Result<String, TemplateError> {
        let physical = self.physical_name(resource, at)?;
        let names = self.names;
        Ok(match (self.kind(resource), attribute) {
            ("AWS::SQS::Queue", "Arn") => names.queue_arn(&physical),
            ("AWS::SQS::Queue", "QueueName") => physical,
            ("AWS::SQS::Queue", "QueueUrl") => names.queue_url(&physical),
            ("AWS::DynamoDB::Table", "Arn") => names.arn("dynamodb", &format!("table/{physical}")),
            ("AWS::DynamoDB::Table", "StreamArn") => names.stream_arn(&physical),
            ("AWS::SecretsManager::Secret", "Id" | "Arn") => names.secret_arn(resource),
            ("AWS::IAM::Role", "Arn") => names.role_arn(&physical),
            // As CloudFormation has it: the group with all that is in it.
            ("AWS::Logs::LogGroup", "Arn") => names.arn("logs", &format!("log-group:{physical}:*")),
            (kind, attribute) => {
                let service = kind.split("::").nth(1).unwrap_or("unknown").to_lowercase();
                names.arn(&service, &format!("{physical}/{attribute}"))
            }
        })
    }

    /// The name of a resource on this machine: the one it asks for, else stack and logical id.
    pub(super) fn physical_name(&self, resource: &str, at: &str) -> Result<String, TemplateError> {
        let Some(definition) = self.resources.get(resource) else {
            return Err(fault(
                at,
                &format!("{resource} is neither a parameter nor a resource"),
            ));
        };
        let properties = definition.get("Properties");
        let named = NAMES
            .iter()
            .find_map(|key| properties.and_then(|properties| properties.get(key)));
        match named {
            Some(name) => Ok(text_of(&self.resolve(name, at)?)),
            None => Ok(format!("{}-{resource}", self.names.stack)),
        }
    }

    fn kind(&self, resource: &str) -> &str {
        self.resources
            .get(resource)
            .and_then(|definition| definition.get("Type"))
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    fn substituted(
        &self,
        argument: &Value,
        at: &str,
        depth: usize,
    ) -> Result<String, TemplateError> {
        let empty = Map::new();
        let (text, own) = match argument {
            Value::String(text) => (text, &empty),
            Value::Array(parts) => match parts.as_slice() {
                [Value::String(text), Value::Object(own)] => (text, own),
                _ => return Err(fault(at, "Fn::Sub takes a text and a map")),
            },
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
                return Err(fault(at, "Fn::Sub takes a text"));
            }
        };
        let mut out = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once("${") {
            out.push_str(before);
            let Some((name, after)) = after.split_once('}') else {
                return Err(fault(at, "Fn::Sub has an open ${"));
            };
            rest = after;
            if let Some(literal) = name.strip_prefix('!') {
                out.push_str("${");
                out.push_str(literal);
                out.push('}');
            } else if let Some(value) = own.get(name) {
                if let Resolved::Value(value) = self.resolved(value, at, depth)? {
                    out.push_str(&text_of(&value));
                }
            } else if let Some((resource, attribute)) = name.split_once('.') {
                out.push_str(&self.attribute(resource, attribute, at)?);
            } else {
                out.push_str(&text_of(&self.reference(name, at)?));
            }
        }
        out.push_str(rest);
        Ok(out)
    }

    /// Replaces `{{resolve:secretsmanager:…}}` by the secrets of this machine.
    fn secrets_in(&self, text: &str, at: &str) -> Result<String, TemplateError> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{resolve:") {
            out.push_str(before);
            let Some((reference, after)) = after.split_once("}}") else {
                return Err(fault(at, "a dynamic reference is not closed"));
            };
            rest = after;
            let id = reference
                .strip_prefix("secretsmanager:")
                .ok_or_else(|| fault(at, "only secrets of Secrets Manager are known here"))?;
            // `id:SecretString:field:stage:version`, the last three optional.
            let (id, rest_of_reference) = id.split_once(":SecretString").unwrap_or((id, ""));
            let field = rest_of_reference.split(':').nth(1).unwrap_or_default();
            let logical = id.rsplit(':').next().unwrap_or(id);
            let secret = self.names.secrets.get(logical).ok_or_else(|| {
                fault(at, &format!("there is no secret {logical} in the template"))
            })?;
            if field.is_empty() {
                out.push_str(secret);
            } else {
                let value = serde_json::from_str::<Value>(secret)
                    .ok()
                    .and_then(|secret| secret.get(field).map(text_of))
                    .ok_or_else(|| fault(at, &format!("secret {logical} has no field {field}")))?;
                out.push_str(&value);
            }
        }
        out.push_str(rest);
        Ok(out)
    }
}

fn single(object: &Map<String, Value>) -> Option<(&str, &Value)> {
    let mut entries = object.iter();
    match (entries.next(), entries.next()) {
        (Some((key, value)), None) => Some((key.as_str(), value)),
        _ => None,
    }
}

/// A scalar as CloudFormation writes it into a text.
pub(super) fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

fn fault(at: &str, what: &str) -> TemplateError {
    TemplateError::one(format!("{at}: {what}"))
}
