//! Collects what is wrong with a request.

use crate::config::AllFound;
use crate::http::{Fault, Problem};

/// The most faults that one answer lists.
pub const FAULTS_MAX: usize = 100;

/// Every fault of a request, in the order in which they were found.
#[derive(Debug, Default)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Notes a fault at a pointer. After [`FAULTS_MAX`] of them the rest is dropped.
    pub fn add(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        if self.0.len() < FAULTS_MAX {
            self.0.push(Fault::new(pointer, detail));
        }
    }

    /// Whether nothing is wrong so far.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Goes on when nothing is wrong.
    ///
    /// # Errors
    /// 422 with every fault.
    pub fn into_result(self) -> Result<(), Problem> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Problem::invalid_request(self.0))
        }
    }

    /// The required values, when nothing is wrong: a value that is not there has left a fault.
    ///
    /// # Errors
    /// 422 with every fault.
    pub fn all<F: AllFound>(self, found: F) -> Result<F::Values, Problem> {
        self.into_result()?;
        found
            .all()
            .ok_or_else(|| Problem::internal("a value is missing without a fault"))
    }
}
