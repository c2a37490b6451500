use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::evaluate::{Facts, Seen, Span};
use super::skip::SkipReason;
use crate::channel::Channel;
use crate::money::Money;
use crate::text::{CountryCode, Metadata, MetadataKey, MetadataValue};
use crate::words::words;

/// The largest number that a rule asks a conversion or a referral for.
pub const NUMBER_MAX: u32 = 1_000_000;
/// The most months after the referral that a rule asks for.
pub const WITHIN_MONTHS_MAX: u16 = 120;
/// The most countries of a condition: all there are.
pub const COUNTRIES_MAX: usize = 249;
/// The most conditions on metadata of an incentive.
pub const METADATA_CONDITIONS_MAX: usize = 10;
/// The most values that one of them lists.
pub const METADATA_VALUES_MAX: usize = 20;

/// What has to hold for an incentive to give a reward. All of it has to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions {
    /// The conversion's amount is at least this.
    pub minimum_amount: Option<Money>,
    /// The conversion's amount is at most this.
    pub maximum_amount: Option<Money>,
    /// It is this referee's first qualified conversion of that event.
    pub first_conversion_only: bool,
    /// Which of this referee's qualified conversions of that event it is.
    pub conversion_number: Option<NumberRange>,
    /// It is the referee's first qualified conversion, and makes them such a one of the referrer's
    /// distinct qualified referees.
    pub referral_number: Option<NumberRule>,
    /// It happened within so many calendar months, UTC, of the referee being bound.
    pub within_months_of_referral: Option<u16>,
    /// The shop says that the referee is a new customer.
    pub new_referee_only: bool,
    /// It came through one of these; empty for any.
    pub channels: Vec<Channel>,
    /// It came from one of these; empty for any.
    pub countries: Vec<CountryCode>,
    /// What the shop told beyond that: at most [`METADATA_CONDITIONS_MAX`].
    pub metadata: Vec<MetadataCondition>,
    /// It did not happen before.
    pub starts_at: Option<Timestamp>,
    /// It happened before.
    pub ends_at: Option<Timestamp>,
}

/// Numbers from one to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NumberRange {
    /// The first, from 1.
    pub from: u32,
    /// The last; without end unless given.
    pub to: Option<u32>,
}

/// Which numbers a referral may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberRule {
    /// Those from one to another.
    Range(NumberRange),
    /// The multiples of this, which is at least 1.
    Every(u32),
}

words! {
    /// How a value of the metadata is compared.
    pub enum MetadataOperator {
        /// It is the value.
        Equals = "equals",
        /// It is one of the values.
        In = "in",
        /// It is an integer, and not less.
        AtLeast = "at_least",
        /// It is an integer, and not more.
        AtMost = "at_most",
        /// It is there, or is not.
        Exists = "exists",
    }
}

/// What a value of the metadata is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetadataTest {
    /// It is this, of the same type.
    Equals(MetadataValue),
    /// It is one of these: 1 to [`METADATA_VALUES_MAX`].
    In(Vec<MetadataValue>),
    /// It is an integer, and not less.
    AtLeast(i64),
    /// It is an integer, and not more.
    AtMost(i64),
    /// It is there, or is not.
    Exists(bool),
}

/// A condition on one entry of the metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataCondition {
    /// The entry's key.
    pub key: MetadataKey,
    /// What its value has to be.
    pub test: MetadataTest,
}

words! {
    /// A condition by its name, in the order in which they are judged: what is cheap to guard first,
    /// so that a conversion that fails another condition anyway does not wait for a counter.
    pub enum Condition {
        /// [`Conditions::starts_at`].
        StartsAt = "starts_at",
        /// [`Conditions::ends_at`].
        EndsAt = "ends_at",
        /// [`Conditions::channels`].
        Channels = "channels",
        /// [`Conditions::countries`].
        Countries = "countries",
        /// [`Conditions::metadata`].
        Metadata = "metadata",
        /// [`Conditions::new_referee_only`].
        NewRefereeOnly = "new_referee_only",
        /// [`Conditions::within_months_of_referral`].
        WithinMonthsOfReferral = "within_months_of_referral",
        /// [`Conditions::minimum_amount`].
        MinimumAmount = "minimum_amount",
        /// [`Conditions::maximum_amount`].
        MaximumAmount = "maximum_amount",
        /// [`Conditions::first_conversion_only`].
        FirstConversionOnly = "first_conversion_only",
        /// [`Conditions::conversion_number`].
        ConversionNumber = "conversion_number",
        /// [`Conditions::referral_number`].
        ReferralNumber = "referral_number",
    }
}

/// The first conversion, as a range of numbers.
const FIRST: NumberRange = NumberRange {
    from: 1,
    to: Some(1),
};

impl NumberRange {
    /// Whether a number is in it, and the numbers around it of which the same is true.
    #[must_use]
    pub fn judge(self, number: u64) -> (bool, Span) {
        let from = u64::from(self.from);
        let to = self.to.map_or(u64::MAX, u64::from);
        if number < from {
            (false, Span::to(from.saturating_sub(1)))
        } else if number <= to {
            (true, Span::new(from, to))
        } else {
            (false, Span::from(to.saturating_add(1)))
        }
    }
}

impl NumberRule {
    /// Whether a number is one of them, and the numbers around it of which the same is true.
    #[must_use]
    pub fn judge(self, number: u64) -> (bool, Span) {
        match self {
            Self::Range(range) => range.judge(number),
            Self::Every(1) => FIRST_AND_ALL.judge(number),
            Self::Every(step) => {
                let step = u64::from(step.max(1));
                let past = number.checked_rem(step).unwrap_or(0);
                if past == 0 && number > 0 {
                    return (true, Span::new(number, number));
                }
                let low = number.saturating_sub(past);
                // Zero itself is none of them.
                let first = if low == 0 { 0 } else { low.saturating_add(1) };
                let last = low.saturating_add(step.saturating_sub(1));
                (false, Span::new(first, last))
            }
        }
    }
}

const FIRST_AND_ALL: NumberRange = NumberRange { from: 1, to: None };

impl MetadataTest {
    /// How it compares.
    #[must_use]
    pub fn operator(&self) -> MetadataOperator {
        match self {
            Self::Equals(_) => MetadataOperator::Equals,
            Self::In(_) => MetadataOperator::In,
            Self::AtLeast(_) => MetadataOperator::AtLeast,
            Self::AtMost(_) => MetadataOperator::AtMost,
            Self::Exists(_) => MetadataOperator::Exists,
        }
    }
}

impl MetadataCondition {
    /// Whether it holds.
    #[must_use]
    pub fn holds(&self, metadata: &Metadata) -> bool {
        let value = metadata.get(&self.key);
        match (&self.test, value) {
            (MetadataTest::Exists(there), value) => value.is_some() == *there,
            (MetadataTest::Equals(expected), Some(value)) => value == expected,
            (MetadataTest::In(expected), Some(value)) => expected.contains(value),
            (MetadataTest::AtLeast(bound), Some(MetadataValue::Integer(value))) => value >= bound,
            (MetadataTest::AtMost(bound), Some(MetadataValue::Integer(value))) => value <= bound,
            (
                MetadataTest::AtLeast(_) | MetadataTest::AtMost(_),
                Some(MetadataValue::Text(_) | MetadataValue::Boolean(_)),
            )
            | (
                MetadataTest::Equals(_)
                | MetadataTest::In(_)
                | MetadataTest::AtLeast(_)
                | MetadataTest::AtMost(_),
                None,
            ) => false,
        }
    }
}

impl Condition {
    /// Whether it holds, and why not; `None` if the incentive does not ask for it. Notes what was
    /// looked at.
    pub(super) fn judge(
        self,
        asked: &Conditions,
        facts: &Facts<'_>,
        seen: &mut Seen,
    ) -> Option<Result<(), SkipReason>> {
        let held = match self {
            Self::StartsAt => asked.starts_at? <= facts.occurred_at,
            Self::EndsAt => facts.occurred_at < asked.ends_at?,
            Self::Channels => {
                let channels = some(&asked.channels)?;
                facts.channel.is_some_and(|one| channels.contains(&one))
            }
            Self::Countries => {
                let countries = some(&asked.countries)?;
                facts.country.is_some_and(|one| countries.contains(&one))
            }
            Self::Metadata => {
                let metadata = some(&asked.metadata)?;
                metadata.iter().all(|one| one.holds(facts.metadata))
            }
            Self::NewRefereeOnly => {
                asked.new_referee_only.then_some(())?;
                match facts.new_customer {
                    Some(new) => new,
                    None => return Some(Err(SkipReason::NewCustomerUnknown)),
                }
            }
            Self::WithinMonthsOfReferral => {
                facts.occurred_at <= months_after(facts.bound_at, asked.within_months_of_referral?)
            }
            Self::MinimumAmount => {
                let minimum = asked.minimum_amount?;
                match amount_in(minimum, facts, seen) {
                    Ok(amount) => amount.minor >= minimum.minor,
                    Err(reason) => return Some(Err(reason)),
                }
            }
            Self::MaximumAmount => {
                let maximum = asked.maximum_amount?;
                match amount_in(maximum, facts, seen) {
                    Ok(amount) => amount.minor <= maximum.minor,
                    Err(reason) => return Some(Err(reason)),
                }
            }
            Self::FirstConversionOnly => {
                asked.first_conversion_only.then_some(())?;
                seen.conversion_number(FIRST.judge(facts.conversion_number))
            }
            Self::ConversionNumber => {
                let range = asked.conversion_number?;
                seen.conversion_number(range.judge(facts.conversion_number))
            }
            Self::ReferralNumber => {
                let rule = asked.referral_number?;
                facts
                    .referral_number
                    .is_some_and(|number| seen.referral_number(rule.judge(number)))
            }
        };
        Some(if held {
            Ok(())
        } else {
            Err(SkipReason::Condition(self))
        })
    }
}

/// The conversion's amount in the currency of what it is compared with.
fn amount_in(bound: Money, facts: &Facts<'_>, seen: &mut Seen) -> Result<Money, SkipReason> {
    let amount = facts.amount.ok_or(SkipReason::NoAmount)?;
    seen.convert(facts.rates, amount, bound.currency)
}

/// The same day and time so many calendar months later, UTC; the month's last day where it has no
/// such day.
pub(super) fn months_after(at: Timestamp, months: u16) -> Timestamp {
    jiff::Span::new()
        .try_months(months)
        .and_then(|months| at.to_zoned(TimeZone::UTC).checked_add(months))
        .map_or(Timestamp::MAX, |later| later.timestamp())
}

/// A list that asks for something.
fn some<T>(list: &[T]) -> Option<&[T]> {
    (!list.is_empty()).then_some(list)
}

#[cfg(test)]
mod tests;
