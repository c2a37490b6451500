use std::fmt;
use std::str::FromStr;

use super::conditions::Condition;

/// Why an incentive gave no reward: the name of the condition, limit or budget, or one of the reasons
/// that stand for themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SkipReason(&'static str);

impl SkipReason {
    /// An amount is of another currency than what it is compared with, and there is no rate.
    pub const CURRENCY_MISMATCH: Self = Self("currency_mismatch");
    /// The conversion has no amount, and the incentive needs one.
    pub const NO_AMOUNT: Self = Self("no_amount");
    /// The reward would be worth nothing.
    pub const ZERO_VALUE: Self = Self("zero_value");
    /// Nobody is that many levels above the referrer.
    pub const NO_UPLINE: Self = Self("no_upline");
    /// The shop did not say whether the referee is a new customer.
    pub const NEW_CUSTOMER_UNKNOWN: Self = Self("new_customer_unknown");
    /// The conversion names no unused voucher of this incentive.
    pub const NO_OFFER: Self = Self("no_offer");
    /// The beneficiary does not take part.
    pub const BENEFICIARY_SUSPENDED: Self = Self("beneficiary_suspended");
    /// The program is archived.
    pub const PROGRAM_PAUSED: Self = Self("program_paused");

    /// Those that are neither a condition's name nor a limit's.
    const OWN: [Self; 8] = [
        Self::CURRENCY_MISMATCH,
        Self::NO_AMOUNT,
        Self::ZERO_VALUE,
        Self::NO_UPLINE,
        Self::NEW_CUSTOMER_UNKNOWN,
        Self::NO_OFFER,
        Self::BENEFICIARY_SUSPENDED,
        Self::PROGRAM_PAUSED,
    ];

    /// Every reason there is.
    pub fn all() -> impl Iterator<Item = Self> {
        let own = Self::OWN.into_iter();
        let conditions = Condition::ALL.iter().copied().map(Self::condition);
        let limits = super::limits::NAMES.into_iter().map(Self::limit);
        own.chain(conditions).chain(limits)
    }

    /// A condition does not hold.
    #[must_use]
    pub fn condition(condition: Condition) -> Self {
        Self(condition.as_str())
    }

    /// A limit or a budget was reached.
    #[must_use]
    pub fn limit(name: &'static str) -> Self {
        Self(name)
    }

    /// The word in the API and the table.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl FromStr for SkipReason {
    type Err = UnknownReason;

    fn from_str(text: &str) -> Result<Self, UnknownReason> {
        Self::all()
            .find(|known| known.0 == text)
            .ok_or(UnknownReason)
    }
}

/// The text is no reason to skip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a reason to skip")]
pub struct UnknownReason;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incentive::{Incentive, testing};

    /// Reasons are stored as words; one that could not be read back would lose a conversion.
    #[test]
    fn every_reason_reads_back() {
        for reason in SkipReason::OWN {
            assert_eq!(reason.as_str().parse(), Ok(reason));
        }
        for condition in Condition::ALL {
            let reason = SkipReason::condition(*condition);
            assert_eq!(condition.as_str().parse(), Ok(reason));
        }
        let all = Incentive {
            limits: testing::every_limit(),
            ..testing::incentive()
        };
        let uses = all.limit_uses(testing::at("2026-03-01T00:00:00Z"));
        let budgets = all.budgets(testing::at("2026-03-01T00:00:00Z"));
        let uses = uses.iter().map(|limit| limit.limit);
        let names: Vec<_> = uses.chain(budgets.iter().map(|one| one.limit)).collect();
        assert_eq!(names.len(), 8);
        for name in names {
            assert_eq!(name.parse(), Ok(SkipReason::limit(name)));
        }
        assert_eq!("".parse::<SkipReason>(), Err(UnknownReason));
    }
}
