//! What is sent, as the document describes it, against what the functions read.
//!
//! The readers refuse a member that nobody knows, and say which are known: those are held against the
//! schema, for every body and every object in it, and for every query.

use std::collections::{BTreeMap, BTreeSet};

use kith_contract::OPENAPI;
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::samples;
use crate::world::{Answer, Program, World, text};

/// What probes of one object have in common: the body, the names of its members, where they lie.
type Group<'a> = (Map<String, Value>, BTreeSet<String>, Vec<&'a Value>);

const UNKNOWN: &str = "zz_unknown";

/// The document, and the way through it.
struct Document(Value);

impl Document {
    fn read() -> Self {
        Self(serde_json::from_str(OPENAPI).unwrap())
    }

    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(at) => self.0.pointer(at.strip_prefix('#').unwrap()).unwrap(),
            None => schema,
        }
    }

    /// The objects that a schema allows, by the constant that tells one from others.
    fn objects<'a>(&'a self, schema: &'a Value) -> Vec<&'a Value> {
        let schema = self.resolved(schema);
        let choices = ["anyOf", "oneOf"]
            .iter()
            .filter_map(|of| schema[of].as_array());
        let choices: Vec<&Value> = choices.flatten().collect();
        if schema["additionalProperties"] == json!(false) {
            return vec![schema];
        }
        choices
            .into_iter()
            .flat_map(|one| self.objects(one))
            .collect()
    }

    /// Bodies that hold one unknown member, with where it stands and the names known there.
    fn probes(&self, schema: &Value) -> Vec<(Value, String, BTreeSet<String>)> {
        let mut groups: BTreeMap<String, Group<'_>> = BTreeMap::new();
        for object in self.objects(schema) {
            let none = Map::new();
            let properties = object["properties"].as_object().unwrap_or(&none);
            let tags: Map<String, Value> = properties
                .iter()
                .filter(|(name, member)| {
                    matches!(name.as_str(), "kind" | "operator") && member["const"].is_string()
                })
                .map(|(name, member)| (name.clone(), member["const"].clone()))
                .collect();
            // Without a tag, what has to be there tells one from others.
            let told = if tags.is_empty() {
                let required = object["required"].as_array();
                let names = required
                    .into_iter()
                    .flatten()
                    .map(|name| text(name).to_owned());
                names.map(|name| (name, json!(1))).collect()
            } else {
                tags
            };
            let key = Value::Object(told.clone()).to_string();
            let group = groups
                .entry(key)
                .or_insert_with(|| (told, BTreeSet::new(), Vec::new()));
            group.1.extend(properties.keys().cloned());
            group.2.push(object);
        }
        let mut probes = Vec::new();
        for (told, names, objects) in groups.into_values() {
            let mut body = told.clone();
            body.insert(UNKNOWN.to_owned(), json!(1));
            probes.push((Value::Object(body), format!("/{UNKNOWN}"), names));
            for (name, member) in objects
                .iter()
                .filter_map(|one| one["properties"].as_object())
                .flatten()
            {
                let member = self.resolved(member);
                let items = &member["items"];
                for (inner, at, names) in self.probes(if items.is_null() { member } else { items })
                {
                    let mut body = told.clone();
                    let (inner, at) = if items.is_null() {
                        (inner, format!("/{name}{at}"))
                    } else {
                        (json!([inner]), format!("/{name}/0{at}"))
                    };
                    body.insert(name.clone(), inner);
                    probes.push((Value::Object(body), at, names));
                }
            }
        }
        probes
    }

    /// Every operation behind a key.
    fn operations(&self) -> Vec<(Method, &String, &Value)> {
        let paths = self.0["paths"].as_object().unwrap();
        let all = paths.iter().flat_map(|(path, operations)| {
            let operations = operations.as_object().unwrap().iter();
            operations.map(move |(method, operation)| {
                (
                    method.to_ascii_uppercase().parse().unwrap(),
                    path,
                    operation,
                )
            })
        });
        all.filter(|(_, _, operation)| operation["security"] != json!([]))
            .collect()
    }
}

/// The names that a refusal tells for a pointer.
fn known(answer: &Answer, pointer: &str) -> Option<BTreeSet<String>> {
    let body: Value = serde_json::from_str(&answer.text).unwrap_or_default();
    let errors = body["errors"].as_array()?;
    let fault = errors.iter().find(|fault| fault["pointer"] == pointer)?;
    let detail = text(&fault["detail"]);
    let names = detail
        .split_once("known are: ")
        .map_or("", |(_, names)| names);
    Some(
        names
            .split(", ")
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect(),
    )
}

/// A path whose parameters name what is there, as far as anything is.
async fn filled(path: &str, program: &Program<'_>, participant: &Value) -> String {
    let zero = "00000000000000000000000000";
    let mut filled = path
        .replace("{program}", &program.id)
        .replace("{participant}", text(&participant["id"]))
        .replace("{code}", text(&participant["code"]))
        .replace("{incentive}", "thank-you")
        .replace("{id}", "x");
    for (name, prefix) in [
        ("key", "key"),
        ("conversion", "cnv"),
        ("reward", "rwd"),
        ("refund", "rfd"),
        ("payout", "pay"),
        ("redemption", "rdm"),
        ("merge", "mrg"),
        ("event", "evt"),
    ] {
        filled = filled.replace(&format!("{{{name}}}"), &format!("{prefix}_{zero}"));
    }
    if filled.contains("{webhook}") {
        let all = program.get("/webhooks").await.expect(200);
        let mut known = all["data"][0]["id"].clone();
        if known.is_null() {
            known = samples::webhook(program).await["id"].clone();
        }
        filled = filled.replace("{webhook}", text(&known));
    }
    if filled.contains("{source}") {
        let all = program.get("/order-sources").await.expect(200);
        let mut known = all["data"][0]["id"].clone();
        if known.is_null() {
            known = samples::order_source(program, "shopify").await["id"].clone();
        }
        filled = filled.replace("{source}", text(&known));
    }
    assert!(
        !filled.contains('{'),
        "{filled}: say here what stands for its parameter"
    );
    filled
}

/// A client that is written after the document is never refused for a name, and one that is written
/// after a refusal finds in it what the document says.
#[tokio::test(flavor = "multi_thread")]
async fn the_document_names_what_is_read() {
    let world = World::start().await;
    let document = Document::read();
    let program = world.program(json!({})).await;
    let participant = program.referrer("ann").await;
    let mut wrong = Vec::new();
    let mut probed = 0;
    for (method, path, operation) in document.operations() {
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        if schema.is_null() {
            continue;
        }
        let at = filled(path, &program, &participant).await;
        for (body, pointer, names) in document.probes(schema) {
            let request = world
                .request(method.clone(), &at)
                .bearer_auth(&program.key)
                .json(&body);
            let answer = world.send(request).await;
            let read = known(&answer, &pointer);
            probed += 1;
            if read.as_ref() != Some(&names) {
                wrong.push(format!(
                    "{method} {path} {body}: document {names:?}, reader {read:?}, {}",
                    answer.text
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(probed > 100, "{probed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_names_the_parameters_that_are_read() {
    let world = World::start().await;
    let document = Document::read();
    let program = world.program(json!({})).await;
    let participant = program.referrer("ann").await;
    let mut wrong = Vec::new();
    for (method, path, operation) in document.operations() {
        let parameters = operation["parameters"].as_array();
        let names: BTreeSet<String> = parameters
            .into_iter()
            .flatten()
            .filter(|parameter| parameter["in"] == "query")
            .map(|parameter| text(&parameter["name"]).to_owned())
            .collect();
        let at = format!("{}?{UNKNOWN}=1", filled(path, &program, &participant).await);
        let mut request = world.request(method.clone(), &at).bearer_auth(&program.key);
        let content = &operation["requestBody"]["content"];
        if !content["application/x-ndjson"].is_null() {
            request = request
                .header("content-type", "application/x-ndjson")
                .body("{}");
        } else if !content.is_null() {
            request = request.json(&json!({}));
        }
        let answer = world.send(request).await;
        let read = known(&answer, &format!("/query/{UNKNOWN}"));
        if read.as_ref() != Some(&names) {
            wrong.push(format!(
                "{method} {path}: document {names:?}, reader {read:?}, {}",
                answer.text
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What the schemas call required is what an empty body is refused for.
#[tokio::test(flavor = "multi_thread")]
async fn the_document_says_what_is_required() {
    let world = World::start().await;
    let document = Document::read();
    let program = world.program(json!({})).await;
    let participant = program.referrer("ann").await;
    for (method, path, operation) in document.operations() {
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        if schema.is_null() {
            continue;
        }
        let of = |object: &Value| -> BTreeSet<String> {
            let names = object["required"].as_array();
            names
                .into_iter()
                .flatten()
                .map(|name| text(name).to_owned())
                .collect()
        };
        let objects: Vec<BTreeSet<String>> = document.objects(schema).into_iter().map(of).collect();
        let always: BTreeSet<String> =
            objects.iter().skip(1).fold(objects[0].clone(), |all, one| {
                all.intersection(one).cloned().collect()
            });
        let ever: BTreeSet<String> = objects.into_iter().flatten().collect();
        let at = filled(path, &program, &participant).await;
        let request = world
            .request(method.clone(), &at)
            .bearer_auth(&program.key)
            .json(&json!({}));
        let answer = world.send(request).await;
        let body: Value = serde_json::from_str(&answer.text).unwrap_or_default();
        let errors = body["errors"].as_array();
        let read: BTreeSet<String> = errors
            .into_iter()
            .flatten()
            .filter(|fault| fault["detail"] == "is required")
            .map(|fault| text(&fault["pointer"]).trim_start_matches('/').to_owned())
            .collect();
        assert!(
            always.is_subset(&read) && read.is_subset(&ever),
            "{method} {path}: {always:?} {ever:?}, read {read:?}"
        );
    }
}
