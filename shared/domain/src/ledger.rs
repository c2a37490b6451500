//! The ledger: double entry, append-only. The lines of an entry sum to zero in every unit.
//!
//! A participant's balance is kept beside the ledger and moves in the same transaction; it equals
//! the sum of the participant's lines. Totals of the program's side are recounted, because an item
//! that every conversion of a program wrote to would be the slowest of them all.

use crate::id::ParticipantId;
use crate::money::Unit;
use crate::words::words;

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

words! {
    /// What moved value.
    pub enum LedgerReason {
        /// A reward was credited.
        RewardIssued = "reward.issued",
        /// A reward was used.
        RewardRedeemed = "reward.redeemed",
        /// A reward was taken back, in part or whole.
        RewardTakenBack = "reward.taken_back",
        /// A taking back was undone.
        RewardRestored = "reward.restored",
        /// A reward was not used in time.
        RewardExpired = "reward.expired",
        /// What a participant owed was set off against what they had earned.
        Netted = "netted",
        /// Listed in a payout.
        PayoutListed = "payout.listed",
        /// A line of a payout was paid.
        PayoutPaid = "payout.paid",
        /// A line of a payout could not be paid.
        PayoutFailed = "payout.failed",
        /// A line of a payout came back.
        PayoutReturned = "payout.returned",
        /// Points were spent.
        Redeemed = "redeemed",
        /// A spending of points was undone.
        RedemptionReversed = "redemption.reversed",
        /// A participant was merged into another.
        Merged = "merged",
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

/// What moved between the participants' side of the ledger (liability, in payout, receivable) and the
/// rest of it, in one unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Turnover {
    /// What the program spent on participants: came from expense.
    pub earned: i64,
    /// What went back to expense: taken back, or not used in time.
    pub taken_back: i64,
    /// What was paid or spent: went to settled, less what came back from there.
    pub paid: i64,
}

impl Turnover {
    /// What a line adds.
    #[must_use]
    pub fn of_line(line: &Line) -> Self {
        let none = Self::default();
        match line.account {
            Account::Expense if line.amount < 0 => Self {
                earned: line.amount.saturating_neg(),
                ..none
            },
            Account::Expense => Self {
                taken_back: line.amount,
                ..none
            },
            Account::Settled(_) => Self {
                paid: line.amount,
                ..none
            },
            // The participants' side itself: what one of these accounts loses another one gets, or it
            // stands in a line above.
            Account::Liability(_) | Account::InPayout(_) | Account::Receivable(_) => none,
        }
    }

    /// The sum of two.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            earned: self.earned.saturating_add(other.earned),
            taken_back: self.taken_back.saturating_add(other.taken_back),
            paid: self.paid.saturating_add(other.paid),
        }
    }

    /// By how much it changes what the participants have.
    #[must_use]
    pub fn change(self) -> i64 {
        self.earned
            .saturating_sub(self.taken_back)
            .saturating_sub(self.paid)
    }
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

    proptest! {
        /// Whatever moves between accounts: what the participants have changes by what was earned less
        /// what was taken back and paid.
        #[test]
        fn the_turnover_explains_what_the_participants_have(
            moves in prop::collection::vec((0usize..5, 0usize..5, 1i64..1_000_000), 0..40),
        ) {
            let ann = ParticipantId::new(Timestamp::UNIX_EPOCH, [1; 10]);
            let accounts = [
                Account::Expense, Account::Liability(ann), Account::InPayout(ann), Account::Settled(ann), Account::Receivable(ann),
            ];
            let (mut had, mut moved) = (0, Turnover::default());
            for (from, to, amount) in moves {
                for line in transfer(accounts[from], accounts[to], Unit::Points, amount) {
                    let is_theirs = match line.account {
                        Account::Liability(_) | Account::InPayout(_) | Account::Receivable(_) => true,
                        Account::Expense | Account::Settled(_) => false,
                    };
                    had += if is_theirs { line.amount } else { 0 };
                    moved = moved.plus(Turnover::of_line(&line));
                }
            }
            prop_assert_eq!(moved.change(), had);
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
