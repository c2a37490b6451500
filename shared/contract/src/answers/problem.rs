use kith_domain::id::{ApiKeyId, MergeId, ParticipantId};
use schemars::JsonSchema;
use serde::Serialize;

use super::Money;
use crate::problems::Code;
use crate::scalar::Spelled;

/// Why a call was refused (RFC 9457).
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Problem {
    /// The address of a page that explains the code.
    #[serde(rename = "type")]
    #[schemars(extend("format" = "uri-reference"), example = &"/problems/not_found")]
    pub kind: String,
    /// A few words, for people.
    #[schemars(example = &"Not found")]
    pub title: &'static str,
    /// The status of the answer.
    #[schemars(range(min = 400, max = 599), example = 404)]
    pub status: u16,
    /// What went wrong here, for people.
    #[schemars(example = &"There is no such program.")]
    pub detail: String,
    /// The id of the request, under which it is logged.
    #[schemars(example = &"3f0c9f1e-6f5d-4a3f-9a57-4b5f3d1f6b7a")]
    pub instance: String,
    /// The stable name of the problem.
    #[schemars(extend("x-extensible-enum" = crate::document::codes()), example = &"not_found")]
    pub code: &'static str,
    /// Whether the same call may succeed later.
    pub retryable: bool,
    /// Every fault of a request; left out if there is none to name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Fault>,
    /// What the code says besides.
    #[serde(flatten)]
    pub more: More,
}

impl Problem {
    /// A problem of the catalogue, as far as it explains itself.
    #[must_use]
    pub fn of(code: Code) -> Self {
        Self {
            kind: format!("/problems/{}", code.as_str()),
            title: code.title(),
            status: code.status(),
            detail: String::new(),
            instance: String::new(),
            code: code.as_str(),
            retryable: code.is_retryable(),
            errors: Vec::new(),
            more: More::default(),
        }
    }
}

/// What some problems say besides, for programs; left out of all others.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct More {
    /// Of `refund_exceeds_conversion`: how much can still be refunded; left out if there is no amount to refund from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left: Option<Money>,
    /// Of `merge_in_review`: the merge that waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merge_id: Option<Spelled<MergeId>>,
    /// Of `participant_merged`: who it is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merged_into: Option<Spelled<ParticipantId>>,
    /// Of `payout_open_lines`: how many lines are neither paid nor failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open: Option<i64>,
    /// Of `key_replaced`: the key that it was rotated to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<Spelled<ApiKeyId>>,
}

/// One fault of a request that was understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Fault {
    /// Where: a JSON pointer into the body, `/query/{name}`, or `/headers/{name}`.
    #[schemars(example = &"/amount/currency")]
    pub pointer: String,
    /// What to change.
    #[schemars(example = &"is required")]
    pub detail: String,
}

impl Fault {
    /// A fault at a pointer.
    #[must_use]
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            detail: detail.into(),
        }
    }
}
