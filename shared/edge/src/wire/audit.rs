use kith_store::items::AuditEntry;
use serde_json::{Value, json};

use super::instant;

/// An entry of the audit log.
#[must_use]
pub fn audit_entry(entry: &AuditEntry) -> Value {
    // It was written by this bundle, as JSON.
    let members = |text: &Option<String>| -> Value {
        let text = text.as_deref();
        text.and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default()
    };
    json!({
        "id": entry.id.to_string(),
        "at": instant(entry.id.at()),
        "actor": entry.actor,
        "route": entry.route,
        "request_id": entry.request_id,
        "object": {
            "kind": entry.object_kind.as_str(),
            "id": entry.object_id,
            "of": entry.object_of,
        },
        "reason": entry.reason,
        "before": members(&entry.before),
        "after": members(&entry.after),
        "also_changed": entry.also_changed,
    })
}
