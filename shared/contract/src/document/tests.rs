use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{TAGS, assemble, operations};
use crate::problems::Code;
use crate::routes::ROUTES;

/// The document would say nothing of a route without an entry.
#[test]
fn every_route_has_an_entry_and_every_entry_a_route() {
    let routes: BTreeSet<&str> = ROUTES.iter().map(|route| route.id).collect();
    let entries: Vec<&str> = operations().iter().map(|entry| entry.route.id).collect();
    let described: BTreeSet<&str> = entries.iter().copied().collect();
    let missing: Vec<_> = routes.difference(&described).collect();
    assert!(
        missing.is_empty(),
        "no entry for {missing:?}: add `op(&routes::…, TAG.name, \"…\")` to the file of its tag in \
         shared/contract/src/document/, with the types of what it takes (requests/) and answers \
         (answers/), then run `cargo run -p kith-contract`"
    );
    assert_eq!(described.difference(&routes).count(), 0);
    assert_eq!(entries.len(), described.len(), "two entries for one route");
}

/// What is served and what clients are made of is what the code says.
#[test]
fn what_is_kept_is_what_the_code_makes() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, text) in crate::written() {
        let kept = std::fs::read_to_string(root.join(name)).unwrap_or_default();
        assert!(
            kept == text,
            "shared/contract/{name} is not what the code says any more: run `cargo run -p kith-contract`"
        );
    }
}

/// Whatever is referred to is there, and whatever is there is referred to.
#[test]
fn every_reference_leads_somewhere() {
    fn collect<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get("$ref") {
                    found.insert(reference);
                }
                members.values().for_each(|value| collect(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let document = assemble::openapi();
    let mut referred = BTreeSet::new();
    collect(&document, &mut referred);
    for reference in &referred {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    for kind in ["schemas", "responses", "headers"] {
        for name in document["components"][kind].as_object().unwrap().keys() {
            let reference = format!("#/components/{kind}/{name}");
            assert!(
                referred.contains(reference.as_str()),
                "{reference} is not used"
            );
        }
    }
}

/// A code that no operation answers with is of no use, or is forgotten somewhere.
#[test]
fn every_code_is_answered_by_some_operation() {
    // No operation has it: its path does, for other methods.
    let mut left: BTreeSet<Code> = Code::ALL.iter().copied().collect();
    left.remove(&Code::MethodNotAllowed);
    for operation in operations() {
        for code in super::problems::of(&operation) {
            left.remove(&code);
        }
    }
    assert!(
        left.is_empty(),
        "{left:?}: add it with `.refuses(…)` to the entries of those routes in document/ that answer so"
    );
}

#[test]
fn every_operation_is_in_a_group_that_is_described() {
    let known: BTreeMap<&str, &str> = TAGS.iter().map(|tag| (tag.name, tag.about)).collect();
    for operation in operations() {
        assert!(known.contains_key(operation.tag), "{}", operation.route.id);
        assert!(!operation.answers.is_empty(), "{}", operation.route.id);
    }
}

/// The page that shows the document warns whoever opens it of every dialect that is named.
#[test]
fn the_document_names_no_dialect() {
    let document: Value = serde_json::from_str(crate::OPENAPI).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["jsonSchemaDialect"], Value::Null);
}
