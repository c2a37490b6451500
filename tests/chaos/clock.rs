//! Time that passes when the runtime says so, and differs a little from one function to the next.

use jiff::{SignedDuration, Timestamp};
use kith_edge::Clock;
use tokio::time::Instant;

/// When histories begin.
const BEGINNING: &str = "2026-03-01T09:00:00Z";

/// Real time as one process sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SimulatedClock {
    began: Instant,
    skew: SignedDuration,
}

impl SimulatedClock {
    /// The clock that all others differ from. To be made inside the runtime.
    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
            skew: SignedDuration::ZERO,
        }
    }

    /// The same, fast or slow by so much.
    pub(crate) fn skewed(self, skew: SignedDuration) -> Self {
        Self { skew, ..self }
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        let beginning: Timestamp = BEGINNING.parse().unwrap();
        let passed = SignedDuration::try_from(self.began.elapsed()).unwrap();
        beginning + passed + self.skew
    }
}
