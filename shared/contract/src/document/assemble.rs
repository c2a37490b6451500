//! From entries to the document.

use std::collections::BTreeMap;

use schemars::generate::{Contract, SchemaSettings};
use schemars::{JsonSchema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::operation::{Answer, Body, Operation};
use super::{TAGS, operations, parameters, problems};
use crate::answers::{GatewayMessage, Problem};
use crate::problems::Code;
use crate::routes::{Access, Method, Route};

const SCHEMAS: &str = "/components/schemas";

/// What readers of the document are told first.
const ABOUT: &str = include_str!("about.md");

/// The two makers of schemas: what is sent is strict, what is answered may grow.
struct Makers {
    requests: SchemaGenerator,
    answers: SchemaGenerator,
}

impl Makers {
    fn new() -> Self {
        let maker = |contract| {
            let mut settings = SchemaSettings::draft2020_12();
            settings.contract = contract;
            settings.meta_schema = None;
            settings.definitions_path = SCHEMAS.into();
            settings.into_generator()
        };
        Self {
            requests: maker(Contract::Deserialize),
            answers: maker(Contract::Serialize),
        }
    }

    fn answer<T: JsonSchema>(&mut self) -> Value {
        self.answers.subschema_for::<T>().to_value()
    }

    /// Every schema by its name.
    ///
    /// # Panics
    /// If a name stands for one thing in requests and for another in answers.
    fn into_schemas(mut self) -> BTreeMap<String, Value> {
        let mut schemas: BTreeMap<String, Value> =
            self.requests.take_definitions(true).into_iter().collect();
        schemas.values_mut().for_each(forget_null_defaults);
        for (name, schema) in self.answers.take_definitions(true) {
            let known = schemas.insert(name.clone(), schema.clone());
            assert!(
                known.is_none_or(|known| known == schema),
                "{name} is one thing in requests and another in answers: rename one of them"
            );
        }
        schemas
    }
}

/// Takes out what says that a member which is left out counts as `null`: that goes without saying.
fn forget_null_defaults(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if members.get("default").is_some_and(Value::is_null) {
                members.remove("default");
            }
            members.values_mut().for_each(forget_null_defaults);
        }
        Value::Array(values) => values.iter_mut().for_each(forget_null_defaults),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Responses that several operations have in common, by their names.
#[derive(Default)]
struct Shared(BTreeMap<String, Value>);

impl Shared {
    /// A reference to a response, which is kept.
    fn refer(&mut self, name: String, response: Value) -> Value {
        let reference = json!({"$ref": format!("#/components/responses/{name}")});
        let known = self.0.entry(name).or_insert_with(|| response.clone());
        assert!(*known == response, "two responses of one name");
        reference
    }
}

/// The document: OpenAPI 3.1.
#[must_use]
pub fn openapi() -> Value {
    let mut makers = Makers::new();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    let mut shared = Shared::default();
    let operations = operations();
    for operation in &operations {
        let method = operation.route.method.as_str().to_ascii_lowercase();
        let written = write(operation, &operations, &mut makers, &mut shared);
        let path = paths.entry(operation.route.path).or_default();
        path.insert(method, written);
    }
    let _ = makers.answer::<Problem>();
    let _ = makers.answer::<GatewayMessage>();
    let tags: Vec<Value> = TAGS
        .iter()
        .map(|tag| json!({"name": tag.name, "description": tag.about}))
        .collect();
    let headers = HEADERS.map(|name| (name, parameters::answered_header(name)));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Kith",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Referral programs: links, attribution, rewards, payouts.",
            "description": ABOUT,
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "The origin that this document was read from."}],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": makers.into_schemas(),
            "responses": shared.0,
            "headers": headers.into_iter().collect::<BTreeMap<_, _>>(),
            "securitySchemes": {
                "secret_key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A secret key, `kith_live_…` or `kith_test_…`: of one program, or of the operator. It stays on a server.",
                },
                "publishable_key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A publishable key, `kith_pub_live_…` or `kith_pub_test_…`: it may stand in a page, and records clicks and makes offers.",
                },
            },
        },
    })
}

const HEADERS: [&str; 13] = [
    "Access-Control-Allow-Headers",
    "Access-Control-Allow-Methods",
    "Access-Control-Allow-Origin",
    "Access-Control-Max-Age",
    "ETag",
    "Idempotent-Replayed",
    "Link",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "Set-Cookie",
    "WWW-Authenticate",
];

fn write(
    operation: &Operation,
    all: &[Operation],
    makers: &mut Makers,
    shared: &mut Shared,
) -> Value {
    let route = operation.route;
    let mut written = json!({
        "operationId": route.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": description(operation),
        "security": security(route),
        "responses": responses(operation, all, makers, shared),
    });
    let parameters = parameters_of(operation, makers);
    if !parameters.is_empty() {
        written["parameters"] = Value::Array(parameters);
    }
    if let Some(body) = &operation.body {
        written["requestBody"] = request_body(body, makers);
    }
    written
}

fn description(operation: &Operation) -> String {
    let needed = match operation.route.access {
        Access::Open => "Needs no key.".to_owned(),
        Access::Key(scope) => format!("Needs a key with the scope `{scope}`."),
        Access::Operator(scope) => {
            format!("Needs a key of the operator with the scope `{scope}`.")
        }
    };
    if operation.about.is_empty() {
        needed
    } else {
        format!("{}\n\n{needed}", operation.about)
    }
}

fn security(route: &Route) -> Value {
    let Some(scope) = route.access.scope() else {
        return json!([]);
    };
    let secret = json!({"secret_key": [scope.as_str()]});
    if scope == kith_domain::api_key::Scope::Clicks {
        json!([{"publishable_key": [scope.as_str()]}, secret])
    } else {
        json!([secret])
    }
}

/// The names in braces.
pub(crate) fn names_in(path: &str) -> impl Iterator<Item = &str> {
    path.split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn parameters_of(operation: &Operation, makers: &mut Makers) -> Vec<Value> {
    let route = operation.route;
    let mut found = Vec::new();
    for name in names_in(route.path) {
        let Some((schema, example)) = parameters::of_path(route.path, name, &mut makers.requests)
        else {
            panic!(
                "`{name}` in `{}`: say in document/parameters.rs what it is",
                route.path
            );
        };
        found.push(json!({
            "name": name, "in": "path", "required": true, "schema": schema, "example": example,
        }));
    }
    if let Some(query) = operation.query {
        // The members of a flat object, one parameter each; nothing refers to the object itself.
        let schema = query(&mut makers.requests).to_value();
        let name = schema["$ref"].as_str().and_then(|at| at.rsplit('/').next());
        let object = name.and_then(|name| makers.requests.definitions_mut().remove(name));
        let object = object.unwrap_or_default();
        for (name, member) in object["properties"].as_object().into_iter().flatten() {
            found.push(query_parameter(name, member));
        }
    }
    let mut headers = operation.reads.clone();
    if route.writes() && route.access != Access::Open {
        headers.push("Idempotency-Key");
    }
    if route.method == Method::Patch {
        headers.push("If-Match");
    }
    for name in headers {
        let Some(Value::Object(said)) = parameters::sent_header(name) else {
            panic!("`{name}`: say in document/parameters.rs what it is");
        };
        let mut parameter = json!({"name": name, "in": "header"});
        for (name, value) in said {
            parameter[name] = value;
        }
        found.push(parameter);
    }
    found
}

fn query_parameter(name: &str, member: &Value) -> Value {
    let mut schema = schemars::Schema::try_from(member.clone()).unwrap_or_default();
    crate::requests::never_null(&mut schema);
    let about = schema.remove("description");
    json!({
        "name": name,
        "in": "query",
        "description": about,
        "schema": schema,
    })
}

fn request_body(body: &Body, makers: &mut Makers) -> Value {
    let mut contents = Map::new();
    for content in &body.contents {
        let mut written = json!({"schema": (content.schema)(&mut makers.requests)});
        if content.media.ends_with("json")
            && let Some(example) = &body.example
        {
            written["example"] = example.clone();
        }
        contents.insert(content.media.to_owned(), written);
    }
    json!({"required": body.is_required, "content": contents})
}

fn responses(
    operation: &Operation,
    all: &[Operation],
    makers: &mut Makers,
    shared: &mut Shared,
) -> Value {
    let mut written: BTreeMap<String, Value> = problems::responses(operation)
        .into_iter()
        .map(|(status, (name, response))| (status.to_string(), shared.refer(name, response)))
        .collect();
    for answer in &operation.answers {
        let response = success(operation, answer, all, makers);
        written.insert(answer.status.to_string(), response);
    }
    to_value(&written)
}

fn success(
    operation: &Operation,
    answer: &Answer,
    all: &[Operation],
    makers: &mut Makers,
) -> Value {
    let route = operation.route;
    let mut response = json!({"description": answer.about});
    if !answer.contents.is_empty() {
        let mut contents = Map::new();
        for content in &answer.contents {
            let schema = (content.schema)(&mut makers.answers);
            contents.insert(content.media.to_owned(), json!({"schema": schema}));
        }
        response["content"] = Value::Object(contents);
    }
    let mut headers = answer.headers.clone();
    if route.access != Access::Open {
        headers.extend(["RateLimit", "RateLimit-Policy"]);
        if route.writes() {
            headers.push("Idempotent-Replayed");
        }
    }
    if !headers.is_empty() {
        let headers: BTreeMap<&str, Value> = headers
            .into_iter()
            .map(|name| {
                assert!(
                    HEADERS.contains(&name),
                    "`{name}` is a header that nobody describes"
                );
                (
                    name,
                    json!({"$ref": format!("#/components/headers/{name}")}),
                )
            })
            .collect();
        response["headers"] = to_value(&headers);
    }
    let links = links(operation, all);
    if !links.is_empty() {
        response["links"] = to_value(&links);
    }
    response
}

/// Where an answer leads: to every operation whose path it completes.
fn links(operation: &Operation, all: &[Operation]) -> BTreeMap<&'static str, Value> {
    let own: Vec<&str> = names_in(operation.route.path).collect();
    let mut links = BTreeMap::new();
    for (yielded, pointer) in &operation.yields {
        for target in all {
            let names: Vec<&str> = names_in(target.route.path).collect();
            let reached = names.contains(yielded)
                && names
                    .iter()
                    .all(|name| name == yielded || own.contains(name));
            if !reached || matches!(target.route.method, Method::Head | Method::Options) {
                continue;
            }
            let values: BTreeMap<&str, String> = names
                .iter()
                .map(|name| {
                    let value = if name == yielded {
                        format!("$response.body#{pointer}")
                    } else {
                        format!("$request.path.{name}")
                    };
                    (*name, value)
                })
                .collect();
            let link = json!({"operationId": target.route.id, "parameters": values});
            links.insert(target.route.id, link);
        }
    }
    links
}

fn to_value(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// The words of the catalogue, for the schema of a problem.
pub(crate) fn codes() -> Vec<&'static str> {
    Code::ALL.iter().map(|code| code.as_str()).collect()
}
