//! Collects what is wrong with a request.

use crate::config::AllFound;
use crate::http::{Fault, Problem};

/// The most faults that one answer lists.
pub const FAULTS_MAX: usize = 100;
/// The longest pointer of a fault, in bytes. Names that nobody knows are the caller's, and not repeated at any length.
pub const POINTER_BYTES_MAX: usize = 512;

/// Every fault of a request, in the order in which they were found.
#[derive(Debug, Default)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Notes a fault at a pointer, or, where a name on the way is too long to be repeated, at what holds that name. After
    /// [`FAULTS_MAX`] of them the rest is dropped.
    pub fn add(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        if self.0.len() >= FAULTS_MAX {
            return;
        }
        let (pointer, detail) = (pointer.into(), detail.into());
        let fault = match nameable(&pointer) {
            None => Fault::new(pointer, detail),
            Some(holder) => {
                let detail =
                    format!("holds something under a name too long to repeat, which {detail}");
                Fault::new(holder, detail)
            }
        };
        self.0.push(fault);
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

/// Of a pointer that is too long, the place that holds what it leads to, as far up as it takes to be short enough.
fn nameable(pointer: &str) -> Option<&str> {
    let mut holder = pointer;
    while holder.len() > POINTER_BYTES_MAX {
        (holder, _) = holder.rsplit_once('/')?;
    }
    (holder.len() < pointer.len()).then_some(holder)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A body of 256 KiB may consist of names, and what is written with six characters each in an answer.
    #[test]
    fn names_are_repeated_up_to_a_bound() {
        let long = "\0".repeat(POINTER_BYTES_MAX);
        let fits = format!("/{}", "a".repeat(POINTER_BYTES_MAX - 1));
        let mut faults = Faults::default();
        faults.add(fits.as_str(), "is not known");
        faults.add(format!("{fits}a"), "is not known");
        faults.add(format!("/metadata/{long}/x/y"), "is not known");
        faults.add(format!("/query/{long}"), "is not known");
        let problem = faults.into_result().unwrap_err();
        let told = problem.errors().iter();
        let told: Vec<_> = told
            .map(|fault| (fault.pointer.as_str(), fault.detail.as_str()))
            .collect();
        let held = "holds something under a name too long to repeat, which is not known";
        let expected = [
            (fits.as_str(), "is not known"),
            ("", held),
            ("/metadata", held),
            ("/query", held),
        ];
        assert_eq!(told, expected);
    }
}
