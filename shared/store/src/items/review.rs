use jiff::Timestamp;
use kith_domain::review::Review;
use kith_domain::text::Name;
use serde::{Deserialize, Serialize};

use crate::item::text;

/// What lies in an item of its review.
#[derive(Serialize, Deserialize)]
pub(super) struct ReviewItem {
    by: String,
    #[serde(with = "text")]
    reason: Name,
    #[serde(with = "text")]
    at: Timestamp,
}

impl ReviewItem {
    pub(super) fn of(review: &Review) -> Self {
        Self {
            by: review.by.clone(),
            reason: review.reason.clone(),
            at: review.at,
        }
    }

    pub(super) fn read(self) -> Review {
        Review {
            by: self.by,
            reason: self.reason,
            at: self.at,
        }
    }
}
