//! What workers answer: done, refused by a rule, or failed.

use std::fmt;

use crate::causes::Causes;

/// How a message ended that does not have to come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Its work is done, or was done before.
    Done,
    /// A rule stands against it, and would again; the reason is logged.
    Refused(&'static str),
}

/// Why a message, or a part of a batch, has to come again. Made from any error by `?`.
///
/// Its text is logged, so it holds no personal data.
pub struct WorkError(Box<dyn std::error::Error + Send + Sync>);

impl WorkError {
    /// An error without a cause underneath.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into().into())
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for WorkError {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

impl fmt::Display for WorkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Causes(self.0.as_ref()).fmt(f)
    }
}

impl fmt::Debug for WorkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
