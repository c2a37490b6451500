use kith_domain::text::ExternalId;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::scalar::Spelled;

/// The longest user agent, in characters.
pub const USER_AGENT_CHARS_MAX: usize = 1_024;

/// What somebody called the shop with.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ClientInput {
    /// The address.
    #[schemars(schema_with = "address", default)]
    pub ip: Option<String>,
    /// The user agent.
    #[schemars(length(max = USER_AGENT_CHARS_MAX))]
    pub user_agent: Option<String>,
    /// What the shop calls the device.
    pub device_id: Option<Spelled<ExternalId>>,
}

fn address(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "anyOf": [
            {"type": "string", "format": "ipv4"},
            {"type": "string", "format": "ipv6"},
            {"type": "null"},
        ],
        "examples": ["203.0.113.9"],
    })
}
