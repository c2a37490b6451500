//! Conversions: what the shop reports, and what is decided about it.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::attribution::Attribution;
use crate::audit::Actor;
use crate::email::EmailHash;
use crate::id::{ConversionId, ParticipantId, ProgramId, ReferralId, RefundId, RewardId};
use crate::incentive::{Facts, Party, Skipped};
use crate::money::Money;
use crate::rates::Rates;
use crate::review::Review;
use crate::text::{CountryCode, EventName, ExternalId, Metadata, Slug};
use crate::words::words;

/// How far ahead of now a conversion may say it happened: clocks differ.
pub const AHEAD_MAX: SignedDuration = SignedDuration::from_mins(5);
/// How long ago a conversion may say it happened.
pub const BACK_MAX: SignedDuration = SignedDuration::from_hours(90 * 24);

words! {
    /// Where a conversion is.
    pub enum ConversionState {
        /// Counts, and earned what it earned.
        Qualified = "qualified",
        /// Waits for review; its rewards stay pending.
        Quarantined = "quarantined",
        /// Refused in review.
        Rejected = "rejected",
        /// Recorded; nobody earned anything.
        Unattributed = "unattributed",
    }
}

words! {
    /// What is said of a conversion that waits for review.
    pub enum Verdict {
        /// It is good: its rewards go on.
        Approve = "approve",
        /// It is not: nobody earned anything.
        Reject = "reject",
    }
}

/// The conversion does not wait for review.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a conversion that is {0} does not wait for review")]
pub struct NotInReview(pub ConversionState);

/// What a repetition has to say again to be one: the content of a report.
#[derive(Debug, Clone, PartialEq)]
pub struct Content {
    /// What happened.
    pub event: EventName,
    /// The shop's own name of it, unique per event.
    pub external_id: ExternalId,
    /// What the shop calls the referee.
    pub referee_external_id: Option<ExternalId>,
    /// The referee's mail address, hashed.
    pub referee_email: Option<EmailHash>,
    /// For how much.
    pub amount: Option<Money>,
    /// In which country.
    pub country: Option<CountryCode>,
    /// For the program's own conditions.
    pub metadata: Metadata,
    /// When it happened, if the shop said so.
    pub occurred_at: Option<Timestamp>,
}

impl Content {
    /// Where a repetition differs, as JSON pointers into the request. `occurred_at` counts if the
    /// repetition sends it, against the instant the conversion is recorded with.
    #[must_use]
    pub fn differences(
        &self,
        recorded_occurred_at: Timestamp,
        again: &Self,
    ) -> BTreeSet<&'static str> {
        [
            ("/event", self.event != again.event),
            ("/external_id", self.external_id != again.external_id),
            (
                "/referee/external_id",
                self.referee_external_id != again.referee_external_id,
            ),
            ("/referee/email", self.referee_email != again.referee_email),
            ("/amount", self.amount != again.amount),
            ("/country", self.country != again.country),
            ("/metadata", self.metadata != again.metadata),
            (
                "/occurred_at",
                again
                    .occurred_at
                    .is_some_and(|at| at != recorded_occurred_at),
            ),
        ]
        .into_iter()
        .filter_map(|(pointer, differs)| differs.then_some(pointer))
        .collect()
    }
}

/// A recorded conversion.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversion {
    /// Its id.
    pub id: ConversionId,
    /// The program.
    pub program: ProgramId,
    /// What the shop reported.
    pub content: Content,
    /// Where it is.
    pub state: ConversionState,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// When it was recorded, on the program's clock.
    pub recorded_at: Timestamp,
    /// Who recorded it; `None` where that was not kept yet.
    pub recorded_by: Option<Actor>,
    /// The referee.
    pub referee_id: ParticipantId,
    /// The bond it counts for.
    pub referral_id: Option<ReferralId>,
    /// To whom it belongs, and why.
    pub attribution: Attribution,
    /// The rewards it earned.
    pub reward_ids: Vec<RewardId>,
    /// What it did not earn.
    pub skipped: Vec<Skipped>,
    /// What each of the codes in the report was.
    pub codes: Vec<CodeUse>,
    /// Which qualified conversion of its event it is for the referee; `None` unless qualified.
    pub number: Option<u64>,
    /// Which distinct qualified referee it made the referee for the referrer, if it was their first
    /// qualified conversion. A number is given out once where a rule of the event rests on it.
    pub referral_number: Option<u64>,
    /// How many of the referrer's referees stood qualified when it was recorded, this one included.
    pub referees: Option<u64>,
    /// Who stood above the referrer when it was recorded, nearest first.
    pub upline: Vec<ParticipantId>,
    /// When the referee was bound.
    pub bound_at: Option<Timestamp>,
    /// Whether the shop said that the referee is a new customer.
    pub new_customer: Option<bool>,
    /// How much was refunded, in minor units of the amount's currency; what was reversed is out of it.
    pub refunded: i64,
    /// Its refunds, oldest first, reversed ones too.
    pub refund_ids: Vec<RefundId>,
    /// Whether nothing of it is left: all of the amount was refunded, or it was and had none.
    pub refunded_whole: bool,
    /// What came of its review, if it waited for one.
    pub review: Option<Review>,
    /// The version of the program's rules that judged it.
    pub scheme_version: u64,
    /// Counts writes; guards every change.
    pub version: u64,
}

impl Conversion {
    /// The conversion after its review; `None` if the same was decided before.
    ///
    /// # Errors
    /// [`NotInReview`].
    pub fn reviewed(&self, verdict: Verdict, review: Review) -> Result<Option<Self>, NotInReview> {
        let state = match (self.state, verdict) {
            (ConversionState::Quarantined, Verdict::Approve) => ConversionState::Qualified,
            (ConversionState::Quarantined, Verdict::Reject) => ConversionState::Rejected,
            (ConversionState::Qualified, Verdict::Approve)
            | (ConversionState::Rejected, Verdict::Reject)
                if self.review.is_some() =>
            {
                return Ok(None);
            }
            (
                ConversionState::Qualified
                | ConversionState::Rejected
                | ConversionState::Unattributed,
                Verdict::Approve | Verdict::Reject,
            ) => return Err(NotInReview(self.state)),
        };
        Ok(Some(Self {
            state,
            review: Some(review),
            version: self.version.saturating_add(1),
            ..self.clone()
        }))
    }

    /// The facts that it was judged by, as far as they are kept: whoever is involved is taken to take
    /// part, and the program to give rewards. `upline` is [`Self::parties_above`]; `offer` the rule
    /// whose offer it used. `None` if it has no referrer.
    #[must_use]
    pub fn facts<'a>(
        &'a self,
        upline: &'a [Party],
        offer: Option<&'a Slug>,
        rates: &'a Rates,
    ) -> Option<Facts<'a>> {
        let chosen = self.attribution.chosen.as_ref()?;
        let party = |id| Party { id, active: true };
        Some(Facts {
            event: &self.content.event,
            amount: self.content.amount,
            occurred_at: self.occurred_at,
            recorded_at: self.recorded_at,
            country: self.content.country,
            channel: chosen.channel,
            metadata: &self.content.metadata,
            new_customer: self.new_customer,
            conversion_number: self.number?,
            referral_number: self.referral_number,
            referees: self.referees.unwrap_or_default(),
            bound_at: self.bound_at.unwrap_or(self.recorded_at),
            referrer: party(chosen.referrer_id),
            referee: party(self.referee_id),
            upline,
            offer,
            gives_rewards: true,
            rates,
            spread: 0,
        })
    }

    /// Who stood above the referrer, as parties.
    #[must_use]
    pub fn parties_above(&self) -> Vec<Party> {
        let party = |&id: &ParticipantId| Party { id, active: true };
        self.upline.iter().map(party).collect()
    }
}

/// What a code in a report was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeUse {
    /// As reported.
    pub code: String,
    /// What it is.
    pub is: CodeIs,
}

words! {
    /// What a reported code is.
    pub enum CodeIs {
        /// A referral code that works.
        Referral = "referral",
        /// A voucher.
        Voucher = "voucher",
        /// Nothing that this program knows.
        Unknown = "unknown",
        /// A referral code that was disabled.
        Disabled = "disabled",
    }
}

/// When a conversion happened cannot be so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OccurredAtError {
    /// In the future.
    #[error("must not be more than 5 minutes ahead")]
    Ahead,
    /// Too long ago.
    #[error("must not be more than 90 days ago")]
    TooLongAgo,
}

/// Checks when a conversion says it happened, against the program's clock.
///
/// # Errors
/// [`OccurredAtError`], when it is too far from now.
pub fn check_occurred_at(at: Timestamp, now: Timestamp) -> Result<(), OccurredAtError> {
    let age = now.duration_since(at);
    if age > BACK_MAX {
        Err(OccurredAtError::TooLongAgo)
    } else if age.checked_neg().is_some_and(|ahead| ahead > AHEAD_MAX) {
        Err(OccurredAtError::Ahead)
    } else {
        Ok(())
    }
}

/// What tests of several rules are about.
#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use crate::attribution::Reason;
    use crate::program::AttributionModel;

    const ZERO: Timestamp = Timestamp::UNIX_EPOCH;

    /// A qualified purchase for that much, of nobody's.
    pub(crate) fn conversion(amount: Option<Money>) -> Conversion {
        Conversion {
            id: ConversionId::floor_of(ZERO),
            program: ProgramId::floor_of(ZERO),
            content: Content {
                event: "purchase".parse().unwrap(),
                external_id: "order-1".parse().unwrap(),
                referee_external_id: None,
                referee_email: None,
                amount,
                country: None,
                metadata: Metadata::default(),
                occurred_at: None,
            },
            state: ConversionState::Qualified,
            occurred_at: ZERO,
            recorded_at: ZERO,
            recorded_by: None,
            referee_id: ParticipantId::floor_of(ZERO),
            referral_id: None,
            attribution: Attribution {
                chosen: None,
                reason: Reason::NoTouch,
                model: AttributionModel::LastClick,
                considered: Vec::new(),
                by_hand: None,
                window_days: Some(30),
            },
            reward_ids: Vec::new(),
            skipped: Vec::new(),
            codes: Vec::new(),
            number: None,
            referral_number: None,
            referees: None,
            upline: Vec::new(),
            bound_at: None,
            new_customer: None,
            refunded: 0,
            refund_ids: Vec::new(),
            refunded_whole: false,
            review: None,
            scheme_version: 1,
            version: 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversion_lies_between_90_days_ago_and_5_minutes_ahead() {
        let now: Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
        for (at, expected) in [
            ("2026-06-01T00:05:00Z", Ok(())),
            ("2026-06-01T00:05:01Z", Err(OccurredAtError::Ahead)),
            ("2026-03-03T00:00:00Z", Ok(())),
            ("2026-03-02T23:59:59Z", Err(OccurredAtError::TooLongAgo)),
        ] {
            assert_eq!(
                check_occurred_at(at.parse().unwrap(), now),
                expected,
                "{at}"
            );
        }
    }
}
