//! What each operation may be refused for.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::Operation;
use crate::problems::Code;
use crate::routes::{Access, Method};

/// Every problem that an operation may end in: its own, and those that follow from its route.
pub(crate) fn of(operation: &Operation) -> BTreeSet<Code> {
    let route = operation.route;
    let mut codes: BTreeSet<Code> = operation.refuses.iter().copied().collect();
    if route.method == Method::Options || route.method == Method::Head {
        return codes;
    }
    match route.access {
        Access::Open => {}
        Access::Key(_) | Access::Operator(_) => {
            codes.extend([
                Code::Unauthenticated,
                Code::KeyExpired,
                Code::MissingScope,
                Code::InvalidRequest,
                Code::TooManyRequests,
                Code::Internal,
                Code::Unavailable,
            ]);
            if route.path.contains('{') {
                codes.insert(Code::NotFound);
            }
        }
    }
    if let Access::Operator(_) = route.access {
        codes.insert(Code::OperatorKeyNeeded);
    }
    if route.writes() && route.access != Access::Open {
        codes.extend([Code::ConcurrentChange, Code::IdempotencyKeyReused]);
    }
    if operation.takes_anything {
        codes.insert(Code::BodyTooLarge);
    } else if operation.body.is_some() {
        codes.extend([
            Code::UnreadableBody,
            Code::BodyTooLarge,
            Code::UnsupportedMediaType,
            Code::InvalidRequest,
        ]);
    }
    if route.method == Method::Patch {
        codes.insert(Code::VersionConflict);
    }
    codes
}

/// Statuses that the gateway answers by itself, before any function is asked.
const OF_THE_GATEWAY: [u16; 5] = [413, 429, 431, 500, 503];

/// The answers of an operation that refuse it, by status: each with a name that says what is in it.
pub(crate) fn responses(operation: &Operation) -> BTreeMap<u16, (String, Value)> {
    let mut by_status: BTreeMap<u16, BTreeSet<Code>> = BTreeMap::new();
    for code in of(operation) {
        by_status.entry(code.status()).or_default().insert(code);
    }
    for status in OF_THE_GATEWAY {
        by_status.entry(status).or_default();
    }
    let is_head = operation.route.method == Method::Head;
    let absent = (is_head && operation.route.path.contains('{')).then(|| {
        let response = json!({"description": "There is no such thing."});
        (404, ("404_head".to_owned(), response))
    });
    let named = |(status, codes): (u16, BTreeSet<Code>)| {
        let mut response = response(status, &codes);
        let mut name = name(status, &codes);
        // People get pages, where there are pages.
        if operation.is_page() && matches!(status, 404 | 422 | 429 | 503) {
            response["content"]["text/html"] = json!({"schema": {"type": "string"}});
            name.push_str("_page");
        }
        (status, (name, response))
    };
    by_status.into_iter().map(named).chain(absent).collect()
}

fn name(status: u16, codes: &BTreeSet<Code>) -> String {
    if codes.is_empty() {
        return format!("{status}_gateway");
    }
    let words: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    format!("{status}_{}", words.join("."))
}

fn response(status: u16, codes: &BTreeSet<Code>) -> Value {
    let gateway = json!({"schema": {"$ref": "#/components/schemas/GatewayMessage"}});
    if codes.is_empty() {
        return json!({
            "description": "The gateway refuses the call by itself.",
            "content": {"application/json": gateway},
        });
    }
    let lines: Vec<String> = codes
        .iter()
        .map(|code| format!("- `{}`: {}", code.as_str(), code.meaning()))
        .collect();
    let words: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    let schema = json!({
        "allOf": [
            {"$ref": "#/components/schemas/Problem"},
            {"properties": {"status": {"const": status}, "code": {"enum": words}}},
        ],
    });
    let mut headers = serde_json::Map::new();
    let mut has = |name: &str| {
        let at = format!("#/components/headers/{name}");
        headers.insert(name.to_owned(), json!({"$ref": at}));
    };
    match status {
        401 => has("WWW-Authenticate"),
        429 => {
            has("Retry-After");
            has("RateLimit");
            has("RateLimit-Policy");
        }
        503 => has("Retry-After"),
        _ => {}
    }
    let mut content = json!({"application/problem+json": {"schema": schema}});
    if OF_THE_GATEWAY.contains(&status) {
        content["application/json"] = gateway;
    }
    let mut response = json!({"description": lines.join("\n"), "content": content});
    if !headers.is_empty() {
        response["headers"] = Value::Object(headers);
    }
    response
}
