//! Deciding again, for workers: when somebody wrote between the reading and the writing.

use std::future::Future;
use std::time::Duration;

use kith_store::item::CorruptItem;
use kith_store::{CommitError, StoreError};

use crate::work::WorkError;

/// How often a decision is made at most, when others keep writing between its read and its write.
pub(crate) const DECISIONS_MAX: u8 = 3;

/// The longest wait before deciding again the first time.
const WAIT: Duration = Duration::from_millis(20);
/// The longest wait ever.
const WAIT_MAX: Duration = Duration::from_millis(80);

/// Waits before deciding again, for a random part of a time that grows: those who lost to the same
/// winner would meet again otherwise.
pub(crate) async fn let_others_pass(lost: u8) {
    let longest = WAIT.saturating_mul(4_u32.saturating_pow(u32::from(lost)));
    let longest = longest.min(WAIT_MAX);
    let longest = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX);
    let part = fastrand::u64(..longest.max(1));
    tokio::time::sleep(Duration::from_micros(part)).await;
}

/// Why a decision was not written.
#[derive(Debug)]
pub enum Undone {
    /// What it rests on has changed: it is decided again, from the start.
    Outdated,
    /// It failed.
    Failed(WorkError),
}

impl From<CommitError> for Undone {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Refused(_) => Self::Outdated,
            CommitError::TooLarge(_) | CommitError::Unbalanced(_) | CommitError::Store(_) => {
                Self::Failed(error.into())
            }
        }
    }
}

impl From<StoreError> for Undone {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<CorruptItem> for Undone {
    fn from(error: CorruptItem) -> Self {
        Self::Failed(error.into())
    }
}

impl From<WorkError> for Undone {
    fn from(error: WorkError) -> Self {
        Self::Failed(error)
    }
}

/// Reads, decides and writes, three times at most.
///
/// # Errors
/// What failed; or that others kept writing in between.
pub async fn decide<T, A>(attempt: impl Fn() -> A) -> Result<T, WorkError>
where
    A: Future<Output = Result<T, Undone>>,
{
    decide_at_most(DECISIONS_MAX, attempt).await
}

/// Reads, decides and writes, so many times at most: where many want one of the same few things,
/// and each race that is lost means that somebody else got on.
///
/// # Errors
/// What failed; or that others kept writing in between.
pub async fn decide_at_most<T, A>(times: u8, attempt: impl Fn() -> A) -> Result<T, WorkError>
where
    A: Future<Output = Result<T, Undone>>,
{
    for lost in 0..times {
        if let Some(before) = lost.checked_sub(1) {
            let_others_pass(before).await;
        }
        match attempt().await {
            Ok(value) => return Ok(value),
            Err(Undone::Outdated) => {}
            Err(Undone::Failed(error)) => return Err(error),
        }
    }
    Err(WorkError::new("others kept writing what this decides on"))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn a_lost_race_is_decided_again_but_not_for_ever() {
        let attempts = Cell::new(0);
        let losing = |races: u8| {
            attempts.set(0);
            let attempts = &attempts;
            decide(move || async move {
                attempts.set(attempts.get() + 1);
                if attempts.get() <= races {
                    Err(Undone::Outdated)
                } else {
                    Ok(attempts.get())
                }
            })
        };
        assert_eq!(losing(0).await.unwrap(), 1);
        assert_eq!(losing(2).await.unwrap(), 3);
        assert!(losing(3).await.is_err());
        assert_eq!(attempts.get(), 3);
        let failed = decide(|| async { Err::<(), _>(Undone::Failed(WorkError::new("no table"))) });
        assert_eq!(failed.await.unwrap_err().to_string(), "no table");
    }
}
