use kith_domain::audit::ObjectKind;
use kith_domain::id::AuditId;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::scalar::{At, Spelled, Word};

/// Who did what to which object.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct AuditEntry {
    /// Its id.
    pub id: Spelled<AuditId>,
    /// When, in real time.
    pub at: At,
    /// Who: the id of a key or of an order source, or `operator`.
    pub actor: String,
    /// By which route: an `operationId` of this document.
    pub route: String,
    /// In which request.
    pub request_id: String,
    /// To what.
    pub object: AuditedObject,
    /// Why, in the caller's words; `null` if they gave no reason.
    pub reason: Option<String>,
    /// The members that differ, as they were; `null` if the object was made.
    #[schemars(schema_with = "members")]
    pub before: Option<Box<RawValue>>,
    /// The members that differ, as they are; `null` if the object is gone.
    #[schemars(schema_with = "members")]
    pub after: Option<Box<RawValue>>,
    /// Members that differ and whose values are not told, such as those with personal data.
    pub also_changed: Vec<String>,
}

fn members(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": ["object", "null"], "additionalProperties": true})
}

/// What was changed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct AuditedObject {
    /// What kind of thing.
    pub kind: Word<ObjectKind>,
    /// Its id.
    pub id: String,
    /// The id of what it belongs to, if that is not the program.
    pub of: Option<String>,
}
