use std::fmt;
use std::str::FromStr;

use super::conditions::Condition;
use super::limits::Limit;

/// Why an incentive gave no reward: a condition, limit or budget, or one of the reasons that stand
/// for themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SkipReason {
    /// An amount is of another currency than what it is compared with, and there is no rate.
    CurrencyMismatch,
    /// The conversion has no amount, and the incentive needs one.
    NoAmount,
    /// The reward would be worth nothing.
    ZeroValue,
    /// Nobody is that many levels above the referrer.
    NoUpline,
    /// The shop did not say whether the referee is a new customer.
    NewCustomerUnknown,
    /// The conversion names no unused voucher of this incentive.
    NoOffer,
    /// The beneficiary does not take part.
    BeneficiarySuspended,
    /// The program is archived.
    ProgramPaused,
    /// A condition does not hold.
    Condition(Condition),
    /// A limit or a budget was reached.
    Limit(Limit),
}

impl SkipReason {
    /// Those that are neither a condition nor a limit.
    const OWN: [Self; 8] = [
        Self::CurrencyMismatch,
        Self::NoAmount,
        Self::ZeroValue,
        Self::NoUpline,
        Self::NewCustomerUnknown,
        Self::NoOffer,
        Self::BeneficiarySuspended,
        Self::ProgramPaused,
    ];

    /// Every reason.
    pub fn all() -> impl Iterator<Item = Self> {
        let conditions = Condition::ALL.iter().copied().map(Self::Condition);
        let limits = Limit::ALL.iter().copied().map(Self::Limit);
        Self::OWN.into_iter().chain(conditions).chain(limits)
    }

    /// The word in the API and the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CurrencyMismatch => "currency_mismatch",
            Self::NoAmount => "no_amount",
            Self::ZeroValue => "zero_value",
            Self::NoUpline => "no_upline",
            Self::NewCustomerUnknown => "new_customer_unknown",
            Self::NoOffer => "no_offer",
            Self::BeneficiarySuspended => "beneficiary_suspended",
            Self::ProgramPaused => "program_paused",
            Self::Condition(condition) => condition.as_str(),
            Self::Limit(limit) => limit.as_str(),
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SkipReason {
    type Err = UnknownReason;

    fn from_str(text: &str) -> Result<Self, UnknownReason> {
        Self::all()
            .find(|known| known.as_str() == text)
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

    /// Reasons are stored as words; one that could not be read back would lose a conversion.
    #[test]
    fn every_reason_reads_back() {
        let all: Vec<SkipReason> = SkipReason::all().collect();
        assert_eq!(all.len(), 28);
        for reason in all {
            assert_eq!(reason.as_str().parse(), Ok(reason));
        }
        assert_eq!("".parse::<SkipReason>(), Err(UnknownReason));
    }
}
