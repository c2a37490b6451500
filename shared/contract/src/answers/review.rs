use kith_domain::review as domain;
use kith_domain::text::Name;
use schemars::JsonSchema;
use serde::Serialize;

use crate::scalar::{At, Spelled};

/// What came of a review.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Review {
    /// Who decided: the id of a key, or `operator`.
    pub by: String,
    /// In the owner's own words.
    pub reason: Spelled<Name>,
    /// When.
    pub at: At,
}

impl From<&domain::Review> for Review {
    fn from(review: &domain::Review) -> Self {
        Self {
            by: review.by.clone(),
            reason: review.reason.clone().into(),
            at: review.at.into(),
        }
    }
}
