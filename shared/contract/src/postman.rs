//! The Postman collection that is made of the document: a folder for each group, in an order that runs
//! from top to bottom against a fresh bundle.
//!
//! Ids come from answers: what an operation yields is kept in a variable, and stands in the paths and
//! bodies that follow. Each request checks its answer against the document: the status, the media
//! type, and the members that have to be there.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::document::{Operation, TAGS, openapi, operations};
use crate::routes::{Access, Method};

/// What calls end in that have nothing to work on in a fresh program. All others succeed.
const OTHERWISE: &[(&str, &[u16])] = &[
    // A link of a test program has no live twin.
    ("follow_link", &[404]),
    ("follow_link_head", &[404]),
    ("draw_qr_code", &[404]),
    ("draw_qr_code_head", &[404]),
    // It did not wait for review: nothing showed a self-referral or a loop.
    ("reject_merge", &[409]),
    // Nothing holds the conversion back.
    ("approve_conversion", &[409]),
    ("reject_conversion", &[409]),
    // Nothing was earned yet.
    ("spend_points", &[409]),
    ("reverse_redemption", &[404]),
    // The code has attributed it.
    ("attribute_conversion", &[409]),
    // Rewards go on by themselves meanwhile.
    ("approve_reward", &[200, 409]),
    ("reject_reward", &[200, 409]),
    ("cancel_reward", &[200, 409]),
    ("retry_reward", &[200, 409]),
    ("redeem_reward", &[200, 409]),
    ("redeem_voucher", &[404]),
    // The incentive of the example gives cash.
    ("read_voucher_list", &[409]),
    ("add_voucher_codes", &[409]),
    // Nobody has a balance, so the payout has no lines and closes by itself.
    ("settle_payout_line", &[404, 409]),
    ("close_payout", &[200, 409]),
    // Tokens stand in mails.
    ("show_survey", &[404]),
    ("show_survey_head", &[404]),
    ("answer_survey", &[404]),
    ("show_unsubscribe", &[404]),
    ("show_unsubscribe_head", &[404]),
    ("unsubscribe", &[404]),
    ("retry_parked", &[404]),
    // Nothing signs it.
    ("take_order", &[401]),
    // The version stands in the page.
    ("read_docs_file", &[404]),
    ("read_docs_file_head", &[404]),
];

/// Somebody who is there twice: the variable of the participant that is merged into another one.
const DUPLICATE: &str = "duplicate";

/// The URL of an endpoint in the examples, and what stands for it in the collection: there a name has
/// to lead somewhere, and on one machine this does, though nobody listens.
const WEBHOOK_URL: (&str, &str) = ("https://hooks.example.com/kith", "http://127.0.0.1:9/kith");

/// Checks an answer, and keeps what it yields.
const SCRIPT: &str = include_str!("postman.js");

/// The collection, in Postman's format 2.1.
#[must_use]
pub fn collection() -> Value {
    let document = openapi();
    let operations = operations();
    let examples = examples(&document);
    let folders: Vec<Value> = TAGS
        .iter()
        .map(|tag| {
            let items: Vec<Value> = operations
                .iter()
                .filter(|operation| operation.tag == tag.name)
                .map(|operation| item(operation, &document, &examples))
                .collect();
            json!({"name": tag.name, "description": tag.about, "item": items})
        })
        .collect();
    let mut variables = vec![
        json!({"key": "base_url", "value": "http://127.0.0.1:8787"}),
        json!({"key": "operator_key", "value": "kith_test_…"}),
        json!({"key": "webhook_url", "value": WEBHOOK_URL.1}),
    ];
    let known = examples.iter();
    variables.extend(known.map(|(name, value)| json!({"key": name, "value": value})));
    json!({
        "info": {
            "name": "Kith",
            "description": "Set `base_url`, and `operator_key` to the operator's test key; then run it from top to bottom.",
            "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json",
        },
        "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "{{operator_key}}", "type": "string"}]},
        "variable": variables,
        "item": folders,
    })
}

/// An example for each parameter of paths, under the name of its variable.
fn examples(document: &Value) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (path, operations) in document["paths"].as_object().into_iter().flatten() {
        for operation in operations.as_object().into_iter().flat_map(Map::values) {
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let (name, example) = (parameter["name"].as_str(), parameter["example"].as_str());
                if let (Some(name), Some(example), Some("path")) =
                    (name, example, parameter["in"].as_str())
                {
                    found.insert(variable(path, name).to_owned(), example.to_owned());
                }
            }
        }
    }
    // Bodies name whoever stays.
    found.remove(DUPLICATE);
    found
}

/// The variable of a parameter: one name may stand for several things.
fn variable<'a>(path: &str, name: &'a str) -> &'a str {
    match name {
        "code" if path.starts_with("/problems/") => "problem",
        "participant" if path.ends_with("/merge") => DUPLICATE,
        _ => name,
    }
}

/// A piece of a path, its parameter as a variable.
fn place(path: &str, part: &str) -> String {
    let name = part
        .strip_prefix('{')
        .and_then(|part| part.strip_suffix('}'));
    match name {
        Some(name) => format!("{{{{{}}}}}", variable(path, name)),
        None => part.to_owned(),
    }
}

fn item(operation: &Operation, document: &Value, examples: &BTreeMap<String, String>) -> Value {
    let route = operation.route;
    let method = route.method.as_str();
    let parts: Vec<String> = route
        .path
        .split('/')
        .skip(1)
        .map(|part| place(route.path, part))
        .collect();
    let path = parts
        .iter()
        .fold(String::new(), |path, part| path + "/" + part);
    let mut headers = vec![json!({"key": "Accept", "value": "application/json"})];
    let mut request = json!({
        "method": method,
        "url": {"raw": format!("{{{{base_url}}}}{path}"), "host": ["{{base_url}}"], "path": parts},
        "description": operation.summary,
    });
    if route.access == Access::Open {
        request["auth"] = json!({"type": "noauth"});
    } else if route.writes() {
        headers.push(json!({"key": "Idempotency-Key", "value": "{{$guid}}"}));
    }
    if let Some(body) = &operation.body
        && let (Some(content), Some(example)) = (body.contents.first(), &body.example)
    {
        headers.push(json!({"key": "Content-Type", "value": content.media}));
        let lines = example.as_str().map(str::to_owned);
        let text =
            lines.unwrap_or_else(|| serde_json::to_string_pretty(example).unwrap_or_default());
        let kept = |text: String, (name, value): (&String, &String)| {
            let taken = format!("\"{value}\"");
            // Slugs are the owner's own names, which the examples say themselves.
            if name == "incentive" || (name == "code" && operation.route.id == "add_code") {
                return text;
            }
            text.replace(&taken, &format!("\"{{{{{name}}}}}\""))
        };
        let text = examples.iter().fold(text, kept);
        let text = text.replace(WEBHOOK_URL.0, "{{webhook_url}}");
        request["body"] =
            json!({"mode": "raw", "raw": text, "options": {"raw": {"language": "json"}}});
    }
    request["header"] = Value::Array(headers);
    let written = &document["paths"][route.path][method.to_ascii_lowercase()];
    json!({
        "name": operation.summary,
        "request": request,
        "event": [{"listen": "test", "script": {"type": "text/javascript", "exec": script(operation, written, document)}}],
        "protocolProfileBehavior": {"followRedirects": false},
    })
}

fn script(operation: &Operation, written: &Value, document: &Value) -> Vec<String> {
    let otherwise = OTHERWISE.iter().find(|(id, _)| *id == operation.route.id);
    let expected: Vec<u16> = match otherwise {
        Some((_, statuses)) => statuses.to_vec(),
        None => operation
            .answers
            .iter()
            .map(|answer| answer.status)
            .collect(),
    };
    let mut answers = Map::new();
    for status in &expected {
        let response = &written["responses"][status.to_string()];
        let answer = if operation.route.method == Method::Head {
            json!({"media": [], "required": []})
        } else {
            answer(resolved(response, document), document)
        };
        answers.insert(status.to_string(), answer);
    }
    let mut yields: BTreeMap<&str, &str> = operation.yields.iter().copied().collect();
    if operation.route.id == "list_participants" {
        // The newest of them, whom the bulk call has added.
        yields.insert(DUPLICATE, "/data/0/id");
    }
    let told = json!({"answers": answers, "yields": yields});
    std::iter::once(format!("const documented = {told};"))
        .chain(SCRIPT.lines().map(str::to_owned))
        .collect()
}

/// What an answer has to be: one of these media types, with these members.
fn answer(response: &Value, document: &Value) -> Value {
    let contents = response["content"].as_object();
    let media: Vec<&String> = contents.into_iter().flat_map(Map::keys).collect();
    let json = ["application/json", "application/problem+json"];
    let schema = json
        .into_iter()
        .map(|media| &response["content"][media]["schema"])
        .find(|schema| !schema.is_null())
        .unwrap_or(&Value::Null);
    let schema = resolved(schema, document);
    let schema = match schema["allOf"].get(0) {
        Some(first) => resolved(first, document),
        None => schema,
    };
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    json!({"media": media, "required": required})
}

/// What a reference leads to.
fn resolved<'a>(value: &'a Value, document: &'a Value) -> &'a Value {
    let pointer = value["$ref"].as_str().and_then(|at| at.strip_prefix('#'));
    pointer.and_then(|at| document.pointer(at)).unwrap_or(value)
}
