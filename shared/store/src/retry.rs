//! Repeating what failed in passing: throttling, conflicts, lost answers.
//!
//! The SDK's own retries are off; here is the only loop, because a commit has to be repeated under
//! the same token and within the time that the invocation has left.

use std::time::Duration;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use tokio::time::Instant;

const FIRST_DELAY: Duration = Duration::from_millis(10);
const DELAY_MAX: Duration = Duration::from_millis(1_000);
/// Without a deadline nobody waits longer than this.
const PATIENCE: Duration = Duration::from_secs(10);
/// A store that is asked at the very end of its time still tries once.
const DOUBLINGS_MAX: u32 = 7;

const PASSING: [&str; 10] = [
    "TransactionConflictException",
    "ThrottlingException",
    "ThrottledException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "InternalServerError",
    "InternalFailure",
    "ServiceUnavailable",
    "TransactionInProgressException",
    "LimitExceededException",
];

/// Full jitter, doubling, until the deadline.
#[derive(Debug)]
pub(crate) struct Backoff {
    until: Instant,
    attempt: u32,
}

impl Backoff {
    pub(crate) fn until(deadline: Option<Instant>) -> Self {
        let patience = Instant::now().checked_add(PATIENCE);
        let until = match (deadline, patience) {
            (Some(deadline), _) => deadline,
            (None, Some(patience)) => patience,
            (None, None) => Instant::now(),
        };
        Self { until, attempt: 0 }
    }

    /// Waits before the next attempt; `false` when there is no time for one.
    pub(crate) async fn wait(&mut self) -> bool {
        let doubled = FIRST_DELAY
            .saturating_mul(1 << self.attempt.min(DOUBLINGS_MAX))
            .min(DELAY_MAX);
        self.attempt = self.attempt.saturating_add(1);
        // Of no use to anybody who guesses it; the SDK draws its own from the same place.
        let delay = Duration::from_micros(fastrand::u64(..=micros(doubled)));
        if Instant::now()
            .checked_add(delay)
            .is_none_or(|then| then > self.until)
        {
            return false;
        }
        tokio::time::sleep(delay).await;
        true
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Whether the same request may succeed in a moment.
pub(crate) fn is_passing<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    match error {
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => {
            true
        }
        SdkError::ServiceError(service) => service
            .err()
            .code()
            .is_some_and(|code| PASSING.contains(&code)),
        // The request could not be built; `SdkError` is open for more.
        SdkError::ConstructionFailure(_) | _ => false,
    }
}
