//! The ledger: double entry, append-only. The lines of an entry sum to zero in every unit.
//!
//! A participant's balance is kept beside the ledger and moves in the same transaction; it equals
//! the sum of the participant's lines. Totals of the program's side are recounted, because an item
//! that every conversion of a program wrote to would be the slowest of them all.

use crate::id::ParticipantId;
use crate::money::Unit;

/// Where value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Account {
    /// What the program spends.
    Expense,
    /// What is owed to a participant and can be paid or spent.
    Liability(ParticipantId),
    /// What is listed in an open payout.
    InPayout(ParticipantId),
    /// What was paid or spent.
    Settled(ParticipantId),
    /// What a participant owes: taken back after it was paid, listed or spent. Zero or negative; what
    /// is paid next is netted against it.
    Receivable(ParticipantId),
}

impl Account {
    /// The words of all accounts.
    pub const WORDS: [&'static str; 5] =
        ["expense", "liability", "in_payout", "settled", "receivable"];

    /// The word in the API and the table.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expense => "expense",
            Self::Liability(_) => "liability",
            Self::InPayout(_) => "in_payout",
            Self::Settled(_) => "settled",
            Self::Receivable(_) => "receivable",
        }
    }

    /// Whose account it is; `None` for the program's own.
    #[must_use]
    pub fn participant(self) -> Option<ParticipantId> {
        match self {
            Self::Expense => None,
            Self::Liability(id) | Self::InPayout(id) | Self::Settled(id) | Self::Receivable(id) => {
                Some(id)
            }
        }
    }
}

/// One side of a movement. Positive adds to the account, negative takes from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// The account.
    pub account: Account,
    /// In what.
    pub unit: Unit,
    /// How much, in the unit's smallest part.
    pub amount: i64,
}

/// Lines that do not sum to zero, or do not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the lines of a ledger entry do not sum to zero")]
pub struct Unbalanced;

/// The two lines of a movement from one account to another.
#[must_use]
pub fn transfer(from: Account, to: Account, unit: Unit, amount: i64) -> [Line; 2] {
    [
        Line {
            account: from,
            unit,
            amount: amount.saturating_neg(),
        },
        Line {
            account: to,
            unit,
            amount,
        },
    ]
}

/// Checks that the lines sum to zero in every unit.
///
/// # Errors
/// [`Unbalanced`], which no use case can cause: it stops a bug before it is written.
pub fn check(lines: &[Line]) -> Result<(), Unbalanced> {
    for unit in lines.iter().map(|line| line.unit) {
        let sum = lines
            .iter()
            .filter(|line| line.unit == unit)
            .try_fold(0i64, |sum, line| sum.checked_add(line.amount))
            .ok_or(Unbalanced)?;
        if sum != 0 {
            return Err(Unbalanced);
        }
    }
    Ok(())
}

/// What a participant has in one unit. The parts are signed: what is taken back after it was paid
/// leaves `available` negative, and what is earned next is set off against it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Balance {
    /// Can be paid or spent.
    pub available: i64,
    /// Held, or waiting for its disbursement.
    pub pending: i64,
    /// Listed in an open payout.
    pub in_payout: i64,
    /// Paid or spent.
    pub paid: i64,
    /// The part of `available` that is owed by the participant: zero or negative.
    pub receivable: i64,
}

impl Balance {
    /// What a line changes in the balance of its participant.
    #[must_use]
    pub fn of_line(line: &Line) -> Self {
        let (amount, none) = (line.amount, Self::default());
        match line.account {
            Account::Expense => none,
            Account::Liability(_) => Self {
                available: amount,
                ..none
            },
            Account::Receivable(_) => Self {
                available: amount,
                receivable: amount,
                ..none
            },
            Account::InPayout(_) => Self {
                in_payout: amount,
                ..none
            },
            Account::Settled(_) => Self {
                paid: amount,
                ..none
            },
        }
    }

    /// What becomes of what is held.
    #[must_use]
    pub fn pending(amount: i64) -> Self {
        Self {
            pending: amount,
            ..Self::default()
        }
    }

    /// The sum of two changes.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            available: self.available.saturating_add(other.available),
            pending: self.pending.saturating_add(other.pending),
            in_payout: self.in_payout.saturating_add(other.in_payout),
            paid: self.paid.saturating_add(other.paid),
            receivable: self.receivable.saturating_add(other.receivable),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_transfer_sums_to_zero_and_a_changed_line_is_noticed(amount in 1i64..1_000_000, off in 1i64..1_000) {
            let ann = ParticipantId::new(Timestamp::UNIX_EPOCH, [1; 10]);
            let mut lines = transfer(Account::Expense, Account::Liability(ann), Unit::Points, amount);
            prop_assert_eq!(check(&lines), Ok(()));
            lines[1].amount += off;
            prop_assert_eq!(check(&lines), Err(Unbalanced));
        }
    }

    /// 5 EUR and 5 points are not 0 of anything.
    #[test]
    fn units_do_not_balance_each_other() {
        let euro = Unit::Currency("EUR".parse().unwrap());
        let line = |unit, amount| Line {
            account: Account::Expense,
            unit,
            amount,
        };
        assert_eq!(
            check(&[line(euro, 5), line(Unit::Points, -5)]),
            Err(Unbalanced)
        );
    }
}
