//! What calls send, as the document describes it.
//!
//! The structs here are never made: the strict readers of the functions go through a body member by
//! member, so that every fault is found at once with its pointer. Tests send each body with a member
//! that nobody knows, and hold the names that the refusal tells against the schemas of this module.

mod client;
mod conversion;
mod incentive;
mod key;
mod link;
mod order_source;
mod participant;
mod payout;
mod program;
mod query;
mod refund;
mod reward;
mod survey;
mod test_mode;
mod webhook;

pub use client::*;
pub use conversion::*;
pub use incentive::*;
pub use key::*;
pub use link::*;
pub use order_source::*;
pub use participant::*;
pub use payout::*;
pub use program::*;
pub use query::*;
pub use refund::*;
pub use reward::*;
pub use survey::*;
pub use test_mode::*;
pub use webhook::*;

use std::borrow::Cow;

use kith_domain::money::{AMOUNT_MAX, Currency};
use kith_domain::text::Name;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::scalar::Spelled;

/// The longest idempotency key, in characters, all of them visible ASCII.
pub const IDEMPOTENCY_KEY_CHARS_MAX: usize = 255;

/// An amount of money: an integer in the minor unit of its currency.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct MoneyInput {
    /// Minor units: cents for `EUR`.
    #[schemars(range(min = 0, max = AMOUNT_MAX), example = 1299)]
    pub amount: i64,
    /// The currency.
    pub currency: Spelled<Currency>,
}

/// An amount of money that is worth something.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct SomeMoneyInput {
    /// Minor units: cents for `EUR`.
    #[schemars(range(min = 1, max = AMOUNT_MAX), example = 500)]
    pub amount: i64,
    /// The currency.
    pub currency: Spelled<Currency>,
}

/// No members.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Nothing {}

/// Any object: what it holds is not described here.
#[derive(Debug)]
pub struct AnyObject;

impl JsonSchema for AnyObject {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "AnyObject".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "object"})
    }
}

/// A decision of the owner, with its reason.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Decision {
    /// In the owner's own words, for the history.
    pub reason: Spelled<Name>,
}

/// A member that may be sent back as it was read, so that what was read can be sent back changed.
/// Another value is refused.
#[derive(Debug, Default)]
pub struct AsRead;

impl JsonSchema for AsRead {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "AsRead".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "readOnly": true,
            "description": "May be sent back as it was read; another value is refused.",
        })
    }
}

/// Takes `null` out of a schema: the member may be left out, but not cleared.
pub(crate) fn never_null(schema: &mut Schema) {
    use serde_json::Value;
    let is_null = |value: &Value| value == "null" || value["type"] == "null" || value.is_null();
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|one| !is_null(one));
        if let [one] = types.as_slice() {
            let one = one.clone();
            schema.insert("type".to_owned(), one);
        }
    }
    if let Some(Value::Array(words)) = schema.get_mut("enum") {
        words.retain(|word| !word.is_null());
    }
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|choice| !is_null(choice));
        if let [Value::Object(one)] = choices.as_slice() {
            let one = one.clone();
            schema.remove("anyOf");
            for (name, value) in one {
                schema.ensure_object().entry(name).or_insert(value);
            }
        }
    }
}
