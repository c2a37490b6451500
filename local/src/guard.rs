//! Who asks, and whether their role lets them: stands before the services of this machine as IAM stands
//! before those of AWS, and notes what is done.
//!
//! Whoever asks is known by the access key that the request is signed with. A function's is the name of
//! its package; [`OWNER`] may do everything. Signatures are not checked: nobody else is on this machine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;

use crate::roles::{FROM_ADDRESS, Role, Use, Verdict};
use crate::services::response;
use crate::template::{LocalNames, Template};

/// The access key of whoever owns the machine.
pub const OWNER: &str = "local";

/// What was done under the functions' roles, and what was refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Actions {
    /// What the roles allowed, and what Lambda itself does under them.
    pub used: BTreeSet<Use>,
    /// What they did not allow.
    pub refused: BTreeSet<Use>,
}

/// Stands before the services. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Guard {
    names: Arc<LocalNames>,
    /// By access key.
    roles: Arc<BTreeMap<String, Role>>,
    actions: Arc<Mutex<Actions>>,
}

/// What is asked of which service.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Call<'a> {
    /// An operation of DynamoDB.
    Table(&'a str),
    /// An operation of SQS.
    Queue(&'a str),
    /// A mail to SES.
    Mail,
}

/// An action that a request needs.
#[derive(PartialEq)]
struct Need {
    action: String,
    /// On one of these.
    resources: Vec<String>,
    /// Values that conditions may ask for.
    context: Vec<(&'static str, String)>,
}

impl Guard {
    /// A guard that knows the roles of a template.
    pub(crate) fn new(template: &Template, names: LocalNames) -> Self {
        let functions = template.functions.values();
        let roles = functions.map(|function| (function.package.clone(), function.role.clone()));
        let actions = Actions {
            used: template.uses_of_lambda.iter().cloned().collect(),
            refused: BTreeSet::new(),
        };
        Self {
            names: Arc::new(names),
            roles: Arc::new(roles.collect()),
            actions: Arc::new(Mutex::new(actions)),
        }
    }

    /// What was done so far.
    pub(crate) fn actions(&self) -> Actions {
        let actions = self.actions.lock();
        actions.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets a request pass, or gives the answer that AWS refuses it with.
    pub(crate) fn refusal(
        &self,
        call: Call<'_>,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Option<Response<String>> {
        let key = access_key(headers).unwrap_or_default();
        if key == OWNER {
            return None;
        }
        let Some(role) = self.roles.get(key) else {
            return Some(call.refusal(
                "UnrecognizedClientException",
                "InvalidClientTokenId",
                "The security token included in the request is invalid.",
            ));
        };
        let needs = match self.needs(call, body) {
            Ok(needs) => needs,
            Err(error) => {
                let kind = "SerializationException";
                return Some(call.refusal(kind, kind, &error.to_string()));
            }
        };
        let text = needs
            .iter()
            .find_map(|need| self.decide(key, role, need).err())?;
        tracing::error!(
            function.name = key,
            error = text,
            "a role does not allow that"
        );
        Some(call.refusal("AccessDeniedException", "AccessDenied", &text))
    }

    /// Decides about one action and notes it; why not, in the words of IAM.
    fn decide(&self, key: &str, role: &Role, need: &Need) -> Result<(), String> {
        let context: Vec<(&str, &str)> = need
            .context
            .iter()
            .map(|(key, value)| (*key, value.as_str()))
            .collect();
        let verdict = |resource: &String| role.verdict(&need.action, resource, &context);
        let allowed = need
            .resources
            .iter()
            .find(|resource| verdict(resource) == Verdict::Allowed);
        let denied = need
            .resources
            .iter()
            .any(|resource| verdict(resource) == Verdict::Denied);
        let resource = allowed.or(need.resources.first());
        let done = Use {
            package: key.to_owned(),
            action: need.action.clone(),
            resource: resource.cloned().unwrap_or_default(),
        };
        let is_allowed = allowed.is_some() && !denied;
        let mut actions = self.actions.lock().unwrap_or_else(PoisonError::into_inner);
        let text = (!is_allowed).then(|| {
            let because = if denied {
                "with an explicit deny in an identity-based policy".to_owned()
            } else {
                let action = &need.action;
                format!("because no identity-based policy allows the {action} action")
            };
            format!(
                "User: arn:aws:sts::{}:assumed-role/{}/{key} is not authorized to perform: {} on resource: {} {because}",
                self.names.account, role.name, done.action, done.resource
            )
        });
        if is_allowed {
            actions.used.insert(done);
        } else {
            actions.refused.insert(done);
        }
        text.map_or(Ok(()), Err)
    }

    fn needs(&self, call: Call<'_>, body: &[u8]) -> Result<Vec<Need>, serde_json::Error> {
        match call {
            Call::Table(operation) => {
                let asked: TableRequest = serde_json::from_slice(body)?;
                Ok(asked.needs(operation, &self.names))
            }
            Call::Queue(operation) => {
                let asked: QueueRequest = serde_json::from_slice(body)?;
                // A batch needs what its entries need.
                let operation = operation.strip_suffix("Batch").unwrap_or(operation);
                let named = asked.queue_url.or(asked.queue_name);
                let resource = named.map_or("*".to_owned(), |named| {
                    let name = named.rsplit('/').next().unwrap_or_default();
                    self.names.queue_arn(name)
                });
                Ok(vec![Need::of(format!("sqs:{operation}"), resource)])
            }
            Call::Mail => {
                let asked: MailRequest = serde_json::from_slice(body)?;
                Ok(asked.needs(&self.names))
            }
        }
    }
}

impl Need {
    fn of(action: String, resource: String) -> Self {
        Self {
            action,
            resources: vec![resource],
            context: Vec::new(),
        }
    }
}

/// What a request to DynamoDB names.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TableRequest {
    table_name: Option<String>,
    index_name: Option<String>,
    request_items: Option<BTreeMap<String, IgnoredAny>>,
    transact_items: Option<Vec<BTreeMap<String, Part>>>,
}

/// A part of a transaction.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Part {
    table_name: Option<String>,
}

impl TableRequest {
    /// A transaction needs what its parts need by themselves; a query of an index needs the index.
    fn needs(self, operation: &str, names: &LocalNames) -> Vec<Need> {
        let table = |name: &str| match name.strip_prefix("arn:") {
            Some(_) => name.to_owned(),
            None => names.arn("dynamodb", &format!("table/{name}")),
        };
        if operation.starts_with("Transact") {
            let parts = self.transact_items.unwrap_or_default();
            let parts = parts.into_iter().flatten();
            // Each once, however many parts need it.
            let mut needs: Vec<Need> = Vec::new();
            for (kind, part) in parts {
                let action = match kind.as_str() {
                    "ConditionCheck" => "ConditionCheckItem".to_owned(),
                    kind => format!("{kind}Item"),
                };
                let named = part.table_name.as_deref().map_or("*".to_owned(), table);
                let need = Need::of(format!("dynamodb:{action}"), named);
                if !needs.contains(&need) {
                    needs.push(need);
                }
            }
            return needs;
        }
        let action = format!("dynamodb:{operation}");
        if let Some(tables) = self.request_items {
            let tables = tables.keys();
            return tables
                .map(|name| Need::of(action.clone(), table(name)))
                .collect();
        }
        let named = self.table_name.as_deref().map(table);
        let resource = match (named, self.index_name) {
            (Some(table), Some(index)) => format!("{table}/index/{index}"),
            (Some(table), None) => table,
            (None, _) => "*".to_owned(),
        };
        vec![Need::of(action, resource)]
    }
}

/// What a request to SQS names.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct QueueRequest {
    queue_url: Option<String>,
    queue_name: Option<String>,
}

/// What a mail names.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MailRequest {
    from_email_address: Option<String>,
    configuration_set_name: Option<String>,
    content: Option<Content>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Content {
    raw: Option<IgnoredAny>,
}

impl MailRequest {
    /// The identity, and the configuration set where one is named.
    fn needs(self, names: &LocalNames) -> Vec<Need> {
        let from = self.from_email_address.unwrap_or_default();
        let bare = from
            .rsplit_once('<')
            .and_then(|(_, rest)| rest.strip_suffix('>'));
        let address = bare.unwrap_or(&from).trim().to_owned();
        let action = match self.content.and_then(|content| content.raw) {
            Some(IgnoredAny) => "ses:SendRawEmail",
            None => "ses:SendEmail",
        };
        let need = |resources: Vec<String>| Need {
            action: action.to_owned(),
            resources,
            context: vec![(FROM_ADDRESS, address.clone())],
        };
        let identity = |name: &str| names.arn("ses", &format!("identity/{name}"));
        // The address, its domain, or one above it: SES takes the nearest that was verified, which is
        // nowhere written here.
        let mut identities = vec![identity(&address)];
        let mut domain = address.split_once('@').map(|(_, domain)| domain);
        while let Some(name) = domain {
            identities.push(identity(name));
            domain = name.split_once('.').map(|(_, above)| above);
        }
        let set = self.configuration_set_name.map(|name| {
            let set = names.arn("ses", &format!("configuration-set/{name}"));
            need(vec![set])
        });
        std::iter::once(need(identities)).chain(set).collect()
    }
}

impl Call<'_> {
    /// A refusal in the form of the service. `query` is the name of the error in SQS's older protocol.
    fn refusal(self, kind: &str, query: &str, text: &str) -> Response<String> {
        let body = json!({
            "__type": format!("com.amazon.coral.service#{kind}"),
            "Message": text,
        });
        let (status, content_type, header) = match self {
            Call::Table(_) => (400, "application/x-amz-json-1.0", None),
            Call::Queue(_) => (
                403,
                "application/x-amz-json-1.0",
                Some(("x-amzn-query-error", format!("{query};Sender"))),
            ),
            Call::Mail => (
                403,
                "application/json",
                Some(("x-amzn-errortype", kind.to_owned())),
            ),
        };
        let mut answer = response(status, content_type, body.to_string());
        if let Some((name, value)) = header
            && let Ok(value) = HeaderValue::from_str(&value)
        {
            answer
                .headers_mut()
                .insert(HeaderName::from_static(name), value);
        }
        answer
    }
}

/// The access key in `AWS4-HMAC-SHA256 Credential=KEY/date/region/service/aws4_request, …`.
fn access_key(headers: &HeaderMap) -> Option<&str> {
    let signed = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (_, credential) = signed.split_once("Credential=")?;
    credential.split('/').next()
}

#[cfg(test)]
mod tests;
