use kith_domain::audit::ObjectKind;
use kith_domain::id::AuditId;
use serde::{Deserialize, Serialize};

use crate::item::{Entity, text};

/// One entry of an audit log: who did what to which object. It is written once and never again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Its id, which holds when it was written, in real time.
    #[serde(with = "text")]
    pub id: AuditId,
    /// Who: a key's id, or the operator.
    pub actor: String,
    /// By which route.
    pub route: String,
    /// In which request: the `instance` that the log has.
    pub request_id: String,
    /// To what kind of object.
    #[serde(with = "text")]
    pub object_kind: ObjectKind,
    /// The object's id.
    pub object_id: String,
    /// The id of what the object belongs to, if that is not the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_of: Option<String>,
    /// Why, in the caller's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The members that differ, before: JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// The same, after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Members that differ and whose values are not told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also_changed: Vec<String>,
}

impl Entity for AuditEntry {
    type Stored = Self;
    const KIND: &'static str = "audit";

    fn to_stored(&self) -> Self {
        self.clone()
    }

    fn from_stored(stored: Self) -> Self {
        stored
    }
}
