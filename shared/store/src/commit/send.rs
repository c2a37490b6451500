//! Sends a decision: all of it or nothing, again as long as that can help.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{CancellationReason, TransactWriteItem};

use super::{ACTIONS_MAX, Commit, CommitError, Committed, FailedGuard, Guard};
use crate::keys::Key;
use crate::retry::{Backoff, is_passing};
use crate::store::{Store, StoreError};

impl Store {
    /// Writes a decision, all of it or nothing. Conflicts, throttling and lost answers repeat the
    /// *same* decision under the same token, with full jitter, for as long as there is time.
    ///
    /// # Errors
    /// [`CommitError::Refused`] when a guard failed: read again and decide again.
    pub async fn commit(&self, mut commit: Commit) -> Result<Committed, CommitError> {
        let event = commit.close()?;
        if let Some(fault) = commit.fault.take() {
            return Err(fault.into());
        }
        if commit.actions.len() > ACTIONS_MAX {
            return Err(CommitError::TooLarge(commit.actions.len()));
        }
        if commit.actions.is_empty() {
            return Ok(Committed { event });
        }
        let token: String = commit
            .seed
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let (guards, items): (Vec<_>, Vec<_>) = commit
            .actions
            .into_iter()
            .map(|action| ((action.guard, action.key), self.in_table(action.item)))
            .unzip();
        let mut backoff = Backoff::until(self.until);
        loop {
            let request = self
                .client
                .transact_write_items()
                .set_transact_items(Some(items.clone()))
                .client_request_token(&token);
            let error = match request.send().await {
                Ok(_) => return Ok(Committed { event }),
                Err(error) => error,
            };
            match verdict(&error) {
                Verdict::Refused(reasons) => {
                    return Err(CommitError::Refused(failed(guards, reasons)));
                }
                Verdict::Passing if backoff.wait().await => {}
                Verdict::Passing | Verdict::Final => {
                    return Err(StoreError::unavailable("writing", error).into());
                }
            }
        }
    }

    fn in_table(&self, mut item: TransactWriteItem) -> TransactWriteItem {
        let name = self.table.to_string();
        if let Some(put) = item.put.as_mut() {
            put.table_name.clone_from(&name);
        }
        if let Some(update) = item.update.as_mut() {
            update.table_name.clone_from(&name);
        }
        if let Some(check) = item.condition_check.as_mut() {
            check.table_name.clone_from(&name);
        }
        if let Some(delete) = item.delete.as_mut() {
            delete.table_name = name;
        }
        item
    }
}

enum Verdict {
    /// A guard failed.
    Refused(Vec<CancellationReason>),
    /// The same request may succeed in a moment.
    Passing,
    /// It will not.
    Final,
}

fn verdict(error: &SdkError<TransactWriteItemsError>) -> Verdict {
    if let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
        error.as_service_error()
    {
        let reasons = cancelled.cancellation_reasons();
        let has = |code: &str| reasons.iter().any(|reason| reason.code() == Some(code));
        if has("ConditionalCheckFailed") {
            return Verdict::Refused(reasons.to_vec());
        }
        let passing = [
            "TransactionConflict",
            "ThrottlingError",
            "ProvisionedThroughputExceeded",
        ];
        return if passing.into_iter().any(has) {
            Verdict::Passing
        } else {
            Verdict::Final
        };
    }
    if is_passing(error) {
        Verdict::Passing
    } else {
        Verdict::Final
    }
}

/// Reads the reasons by position against the guards of the actions.
fn failed(guards: Vec<(Guard, Key)>, reasons: Vec<CancellationReason>) -> Vec<FailedGuard> {
    guards
        .into_iter()
        .zip(reasons)
        .filter(|(_, reason)| reason.code() == Some("ConditionalCheckFailed"))
        .map(|((guard, key), reason)| FailedGuard {
            guard,
            key,
            present: reason.item,
        })
        .collect()
}
