use serde_json::json;

use super::Tag;
use super::operation::{Operation, op};
use crate::answers::{ApiKey, List, NewApiKey};
use crate::problems::Code;
use crate::requests::{KeyFilter, NewKey, Rotation};
use crate::routes;

pub(super) const TAG: Tag = Tag {
    name: "Keys",
    about: "What opens the API. A key has scopes, belongs to one program or to the operator, and is live or test by the key that made it.",
};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        op(&routes::CREATE_KEY, TAG.name, "Create a key")
            .about("The secret is told once, in `key`; a replayed answer does not repeat it. Nobody gives what they do not have: another program, another mode, another scope.")
            .body::<NewKey>(json!({
                "name": "shop backend",
                "scopes": ["participants:read", "participants:write", "conversions:read", "conversions:write"],
            }))
            .answers::<NewApiKey>(201, "The key, with its secret.")
            .yields("key", "/id"),
        op(&routes::LIST_KEYS, TAG.name, "List keys")
            .about("Those that the caller's key reaches, revoked ones for 90 days more.")
            .query::<KeyFilter>()
            .answers::<List<ApiKey>>(200, "A page of keys."),
        op(&routes::READ_KEY, TAG.name, "Read a key")
            .about("The id stands in the key itself, so that a leaked one can be looked up.")
            .answers::<ApiKey>(200, "The key."),
        op(&routes::ROTATE_KEY, TAG.name, "Rotate a key")
            .about("Makes another key that may do the same. The old one goes on for a while, so that nothing stands still meanwhile.")
            .optional_body::<Rotation>(json!({"overlap_hours": 24}))
            .answers::<NewApiKey>(201, "The new key, with its secret.")
            .refuses([Code::KeyEnded, Code::KeyReplaced]),
        op(&routes::REVOKE_KEY, TAG.name, "Revoke a key")
            .about("From the answer on nobody passes with it. Safe to repeat.")
            .answers_empty(204, "It is revoked."),
    ]
}
