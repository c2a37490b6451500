//! Parameters and headers that follow from their names.

use kith_domain::code::ReferralCode;
use kith_domain::id::{
    ApiKeyId, ConversionId, EventId, Id, Kind, MergeId, OrderSourceId, ParticipantId, PayoutId,
    ProgramId, RedemptionId, RefundId, RewardId, WebhookId,
};
use kith_domain::text::Slug;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};

use crate::requests::IDEMPOTENCY_KEY_CHARS_MAX;
use crate::scalar::{Spelled, Spelling, example_id};

/// What a parameter of a path is: its schema and an example. `None` for a name that nobody has
/// described.
pub(super) fn of_path(
    path: &str,
    name: &str,
    generator: &mut SchemaGenerator,
) -> Option<(Value, Value)> {
    fn id<K: Kind>(generator: &mut SchemaGenerator) -> (Value, Value)
    where
        Id<K>: Spelling,
    {
        (
            schema::<Spelled<Id<K>>>(generator),
            Value::String(example_id::<K>()),
        )
    }
    fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
        generator.subschema_for::<T>().to_value()
    }
    macro_rules! ids {
        ($($name:literal $type:ty),*) => {
            match name {
                $($name => return Some({
                    fn of<K: Kind>(generator: &mut SchemaGenerator, _: fn(Id<K>)) -> (Value, Value) {
                        id::<K>(generator)
                    }
                    of(generator, |_: $type| ())
                }),)*
                _ => {}
            }
        };
    }
    ids!(
        "program" ProgramId, "participant" ParticipantId, "conversion" ConversionId,
        "reward" RewardId, "refund" RefundId, "payout" PayoutId, "redemption" RedemptionId,
        "key" ApiKeyId, "merge" MergeId, "event" EventId, "webhook" WebhookId,
        "source" OrderSourceId
    );
    let token = |about: &str| json!({"type": "string", "description": about, "minLength": 1, "maxLength": 1024});
    match name {
        "code" if path.starts_with("/problems/") => Some((
            json!({"type": "string", "description": "The `code` of a problem.", "pattern": "^[a-z_]+$"}),
            json!("not_found"),
        )),
        "version" | "file" => Some((
            json!({"type": "string", "description": "As the page says it."}),
            json!("LICENSE"),
        )),
        "code" => Some((
            schema::<Spelled<ReferralCode>>(generator),
            json!("ANN-BAKES"),
        )),
        "incentive" => Some((schema::<Spelled<Slug>>(generator), json!("thank-you"))),
        "token" => Some((
            token("What stands in the mail's link. Signed, opaque."),
            json!("AQIDBA"),
        )),
        "id" => Some((
            token("What `GET /v1/operations` calls it. Signed, opaque."),
            json!("AQIDBA"),
        )),
        _ => None,
    }
}

/// A header that calls may send.
pub(super) fn sent_header(name: &str) -> Option<Value> {
    let (about, schema) = match name {
        "Idempotency-Key" => (
            "Makes the call safe to repeat: the same key with the same request is answered with the stored answer, and with another request it is refused. Kept for two days.",
            json!({"type": "string", "minLength": 1, "maxLength": IDEMPOTENCY_KEY_CHARS_MAX, "pattern": "^[!-~]+$", "examples": ["8f14e45f-ceea-467f-a8c9-0d1f0a9d8c11"]}),
        ),
        "If-Match" => (
            "The `version` that the change was made from, in quotation marks: another present version refuses the change. `*` fits any.",
            json!({"type": "string", "minLength": 1, "pattern": "^(?:\\*|\"[0-9]{1,19}\")(?:, ?(?:\\*|\"[0-9]{1,19}\"))*$", "examples": ["\"3\""]}),
        ),
        "If-None-Match" => (
            "The `ETag` of the document that the caller has.",
            json!({"type": "string"}),
        ),
        "Sec-GPC" => (
            "`1` opts out of being recognised again.",
            json!({"type": "string", "examples": ["1"]}),
        ),
        _ => return None,
    };
    Some(json!({"description": about, "schema": schema}))
}

/// A header that answers may have.
pub(super) fn answered_header(name: &str) -> Option<Value> {
    let text = || json!({"type": "string"});
    let (about, schema, example) = match name {
        "Idempotent-Replayed" => (
            "`true` on an answer that was stored under the call's `Idempotency-Key`; left out otherwise.",
            json!({"type": "string", "const": "true"}),
            "true",
        ),
        "RateLimit" => (
            "What is left for this key: `r` calls, full again in `t` seconds.",
            text(),
            "\"key\";r=940;t=1",
        ),
        "RateLimit-Policy" => (
            "What there is for this key: `q` calls in `w` seconds.",
            text(),
            "\"key\";q=6000;w=60",
        ),
        "Retry-After" => (
            "After how many seconds to repeat the call.",
            json!({"type": "integer", "minimum": 0}),
            "1",
        ),
        "ETag" => ("What tells this version from others.", text(), "\"1f0c\""),
        "WWW-Authenticate" => (
            "How to say who calls.",
            json!({"type": "string", "const": "Bearer"}),
            "Bearer",
        ),
        "Location" => (
            "Where the link leads: the program's page with `ref={code}`, and `kith_click={token}` where the visit counts.",
            json!({"type": "string", "format": "uri"}),
            "https://bakery.example/welcome?shop=1&ref=ANN-BAKES&kith_click=AQ",
        ),
        "Set-Cookie" => (
            "The click token, for the next link; only where the visit counts.",
            text(),
            "kith_click=AQ; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=2592000",
        ),
        "Link" => (
            "The next page, with `rel=\"next\"`; left out at the end.",
            text(),
            "</v1/programs/prg_1/payouts/pay_1/lines?limit=50&cursor=AQ>; rel=\"next\"",
        ),
        "Access-Control-Allow-Origin" => ("Who may call: everybody.", text(), "*"),
        "Access-Control-Allow-Methods" => ("With which methods.", text(), "POST"),
        "Access-Control-Allow-Headers" => ("With which headers.", text(), "authorization"),
        "Access-Control-Max-Age" => ("How long this holds, in seconds.", text(), "86400"),
        _ => return None,
    };
    let example = match schema.get("type") {
        Some(kind) if kind == "integer" => json!(1),
        _ => json!(example),
    };
    Some(json!({"description": about, "schema": schema, "example": example}))
}
