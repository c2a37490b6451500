//! The HTTP contract in one room: the routes with who may call them, and the problems that they
//! answer with.
//!
//! Functions build their routers from [`routes`] and their refusals from [`problems`]; tests walk
//! both. What is not here does not exist for a caller.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::panic,
        reason = "a test stops on the first surprise"
    )
)]

pub mod answers;
pub mod document;
#[expect(
    clippy::indexing_slicing,
    reason = "a JSON value answers null for what is not there; what is written to is an object made here"
)]
pub mod postman;
pub mod problems;
pub mod requests;
pub mod routes;
pub mod scalar;

use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{PrettyFormatter, Serializer};

/// The OpenAPI document: the whole contract for programs.
pub const OPENAPI: &str = include_str!("../openapi.json");

/// What is made of the contract and kept beside this crate: names of files, and their texts.
#[must_use]
pub fn written() -> Vec<(&'static str, String)> {
    let document = document::openapi();
    let collection = postman::collection();
    [("openapi.json", &document), ("postman.json", &collection)]
        .into_iter()
        .map(|(name, value)| (name, pretty(value)))
        .collect()
}

/// JSON for people to compare: a member to a line, and little white space.
fn pretty(value: &Value) -> String {
    let mut bytes = Vec::new();
    let form = PrettyFormatter::with_indent(b" ");
    let mut serializer = Serializer::with_formatter(&mut bytes, form);
    // JSON whose keys are strings always writes.
    let _ = value.serialize(&mut serializer);
    bytes.push(b'\n');
    String::from_utf8(bytes).unwrap_or_default()
}
