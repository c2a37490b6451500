use kith_domain::api_key::{OVERLAP_HOURS_MAX, Scope};
use kith_domain::id::ProgramId;
use kith_domain::limit::PER_MINUTE_MAX;
use kith_domain::text::Name;
use schemars::JsonSchema;

use crate::scalar::{At, Spelled, Word};

/// A key to be made.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub enum NewKey {
    /// For a backend.
    Secret(NewSecretKey),
    /// For a page.
    Publishable(NewPublishableKey),
}

/// A secret key: for a backend, never for a page.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct NewSecretKey {
    /// What the owner calls it.
    pub name: Spelled<Name>,
    /// The program that it reaches; every program of the mode unless said.
    pub program_id: Option<Spelled<ProgramId>>,
    /// What it may do: no more than the key that makes it.
    #[schemars(length(min = 1, max = Scope::ALL.len()))]
    pub scopes: Vec<Word<Scope>>,
    /// Not.
    #[schemars(schema_with = "not", default)]
    pub publishable: Option<bool>,
    /// When it ends by itself; never unless said.
    pub expires_at: Option<At>,
    /// How many calls a minute it may make; as many as any key unless said.
    #[schemars(range(min = 1, max = PER_MINUTE_MAX))]
    pub requests_per_minute: Option<u32>,
}

/// A publishable key: for clicks and offers, from a page.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct NewPublishableKey {
    /// What the owner calls it.
    pub name: Spelled<Name>,
    /// The program that it reaches; every program of the mode unless said.
    pub program_id: Option<Spelled<ProgramId>>,
    /// It has the scope `clicks:write` and no other.
    #[schemars(schema_with = "clicks", default)]
    pub scopes: Option<Vec<Word<Scope>>>,
    /// It is.
    #[schemars(extend("const" = true))]
    pub publishable: bool,
    /// When it ends by itself; never unless said.
    pub expires_at: Option<At>,
    /// How many calls a minute it may make; as many as any key unless said.
    #[schemars(range(min = 1, max = PER_MINUTE_MAX))]
    pub requests_per_minute: Option<u32>,
}

fn not(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"enum": [false, null]})
}

fn clicks(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"enum": [[Scope::Clicks.as_str()], null]})
}

/// How a key is rotated.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Rotation {
    /// How long the old key goes on to work, in hours; 24 unless said.
    #[schemars(range(min = 0, max = OVERLAP_HOURS_MAX))]
    pub overlap_hours: Option<u16>,
}
