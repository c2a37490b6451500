use kith_domain::code::VoucherCode;
use kith_domain::text::Slug;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use crate::scalar::{Spelled, words};

/// How many of the owner's own voucher codes an incentive has.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct VoucherList {
    /// The incentive.
    pub incentive_id: Spelled<Slug>,
    /// Whether there ever were any: then no others are made.
    pub own_codes: bool,
    /// How many were added.
    pub added: i64,
    /// How many were taken.
    pub taken: i64,
    /// How many are left.
    pub available: i64,
}

/// The same, with the rewards that wait for codes.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct VoucherListRead {
    /// The list.
    #[serde(flatten)]
    pub list: VoucherList,
    /// How many rewards wait for codes; counted up to 1,000.
    pub waiting: usize,
}

/// What became of the codes of one call.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct CodesAdded {
    /// One entry for each code, in their order.
    pub results: Vec<CodeResult>,
    /// The list after that.
    pub list: VoucherList,
}

/// What became of one code.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct CodeResult {
    /// The code; `null` if it was none.
    pub code: Option<Spelled<VoucherCode>>,
    /// Whether it was added, or known already, or is none.
    #[schemars(schema_with = "results")]
    pub result: &'static str,
    /// What is wrong with it; left out otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

fn results(generator: &mut SchemaGenerator) -> Schema {
    words(generator, &["added", "known", "invalid"])
}
