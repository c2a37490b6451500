//! What came of it when the owner looked at something that waited for their word.

use jiff::Timestamp;

use crate::text::Name;

/// What came of a review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// Who decided.
    pub by: String,
    /// Why.
    pub reason: Name,
    /// When, on the program's clock.
    pub at: Timestamp,
}
