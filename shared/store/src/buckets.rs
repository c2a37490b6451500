//! Buckets of calls: one number under a condition.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use jiff::{SignedDuration, Timestamp};
use kith_domain::limit::{Level, Taking};

use crate::commit::{later, number};
use crate::item::{Entity, Item};
use crate::items::Use;
use crate::keys::Key;
use crate::store::{Store, StoreError, attributes};

/// How often a bucket is asked when others take from it at the same moment.
const ATTEMPTS_MAX: u8 = 3;
/// How long the use of something is remembered.
const USE_LIFE: SignedDuration = SignedDuration::from_hours(24 * 400);
/// Uses are told to the hour.
const HOUR_SECONDS: i64 = 3_600;

/// What came of taking from a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It was taken; where the bucket stands now.
    Granted(Level),
    /// There is not so much; where the bucket stands.
    Refused(Level),
}

impl Store {
    /// Takes tokens out of a bucket, and notes the hour. `seen` is where it was seen last, if it
    /// was. Nothing is tried again: whoever is limited can wait, and whoever limits must not.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn take(
        &self,
        bucket: &Key,
        taking: Taking,
        seen: Level,
        real_now: Timestamp,
    ) -> Result<Taken, StoreError> {
        let mut level = seen;
        for _ in 0..ATTEMPTS_MAX {
            match self.try_to_take(bucket, taking, level, real_now).await? {
                Ok(level) => return Ok(Taken::Granted(level)),
                Err(present) if taking.of(Some(present)).is_some() => level = present,
                Err(present) => return Ok(Taken::Refused(present)),
            }
        }
        Ok(Taken::Refused(level))
    }

    /// The level afterwards, or, when it stands where it was not expected, where it stands.
    async fn try_to_take(
        &self,
        bucket: &Key,
        taking: Taking,
        expected: Level,
        real_now: Timestamp,
    ) -> Result<Result<Level, Level>, StoreError> {
        let request = self
            .client
            .update_item()
            .table_name(&*self.table)
            .set_key(Some(attributes(bucket)))
            .expression_attribute_names("#level", "level")
            .expression_attribute_values(":now", number(taking.now))
            .expression_attribute_values(":kind", AttributeValue::S(Use::KIND.to_owned()))
            .expression_attribute_values(":hour", AttributeValue::S(hour(real_now).to_string()))
            .expression_attribute_values(":gone", number(later(real_now, USE_LIFE).as_second()))
            .return_values(ReturnValue::UpdatedNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        // What several take from a bucket that is not full adds up, without waiting for each other.
        let request = if expected.0 > taking.now {
            request
                .update_expression(
                    "SET #level = #level + :cost, kind = :kind, used_at = :hour, expires_at = :gone",
                )
                .condition_expression("#level > :now AND #level <= :ceiling")
                .expression_attribute_values(":cost", number(taking.cost))
                .expression_attribute_values(":ceiling", number(taking.ceiling))
        } else {
            let first = taking.now.saturating_add(taking.cost);
            request
                .update_expression(
                    "SET #level = :first, kind = :kind, used_at = :hour, expires_at = :gone",
                )
                .condition_expression("attribute_not_exists(#level) OR #level <= :now")
                .expression_attribute_values(":first", number(first))
        };
        match request.send().await {
            Ok(output) => Ok(Ok(level_in(output.attributes.as_ref()))),
            Err(error) => match error.as_service_error() {
                Some(
                    aws_sdk_dynamodb::operation::update_item::UpdateItemError::ConditionalCheckFailedException(
                        failed,
                    ),
                ) => Ok(Err(level_in(failed.item.as_ref()))),
                Some(_) | None => Err(StoreError::unavailable("taking from a bucket", error)),
            },
        }
    }
}

/// The level in an item; a bucket that was never used is full.
fn level_in(item: Option<&Item>) -> Level {
    let level = item.and_then(|item| item.get("level"));
    let level = level.and_then(|level| level.as_n().ok());
    Level(level.and_then(|text| text.parse().ok()).unwrap_or(0))
}

/// The hour of an instant.
fn hour(at: Timestamp) -> Timestamp {
    let second = at.as_second();
    let into = second.checked_rem_euclid(HOUR_SECONDS).unwrap_or(0);
    Timestamp::from_second(second.saturating_sub(into)).unwrap_or(at)
}
