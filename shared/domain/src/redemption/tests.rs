use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::ledger::{self, Balance};

fn redemption(amount: i64) -> Redemption {
    let zero = Timestamp::UNIX_EPOCH;
    Redemption {
        id: RedemptionId::floor_of(zero),
        program: ProgramId::floor_of(zero),
        participant_id: ParticipantId::floor_of(zero),
        external_id: "order-1".parse().unwrap(),
        unit: Unit::Points,
        amount,
        state: RedemptionState::Redeemed,
        assigned: 0,
        uncovered: 0,
        parts: 0,
        open: true,
        created_at: zero,
        reversed_at: None,
        by: "test".to_owned(),
        version: 1,
    }
}

#[test]
fn the_oldest_are_taken_first() {
    for (lots, wanted, expected) in [
        (vec![5, 5, 5], 7, vec![5, 2]),
        (vec![5, 5], 10, vec![5, 5]),
        (vec![5], 7, vec![5]),
        (vec![5], 0, vec![]),
        (vec![], 7, vec![]),
        (vec![1; 60], 100, vec![1; STEP_LOTS_MAX]),
    ] {
        assert_eq!(take(&lots, wanted), expected, "{lots:?} {wanted}");
    }
}

/// Lots as a worker sees them, with the steps of one redemption noted.
#[derive(Debug, Clone)]
struct Desk {
    lots: BTreeMap<usize, i64>,
    notes: Vec<Vec<(usize, i64)>>,
    redemption: Redemption,
    balance: Balance,
}

impl Desk {
    fn new(lots: &[i64], amount: i64) -> Self {
        let redemption = redemption(amount);
        let sum = lots.iter().sum();
        let mut desk = Self {
            lots: lots.iter().copied().enumerate().collect(),
            notes: Vec::new(),
            redemption: redemption.clone(),
            balance: Balance {
                available: sum,
                ..Balance::default()
            },
        };
        desk.book(&redemption.spending());
        desk
    }

    fn book(&mut self, lines: &[Line]) {
        assert_eq!(ledger::check(lines), Ok(()));
        for line in lines {
            self.balance = self.balance.plus(Balance::of_line(line));
        }
    }

    /// One message: `false` when nothing had to follow.
    fn step(&mut self) -> bool {
        match self.redemption.to_follow() {
            ToFollow::Nothing => return false,
            ToFollow::Take(wanted) => {
                let first: Vec<(usize, i64)> = self
                    .lots
                    .iter()
                    .take(STEP_LOTS_MAX)
                    .map(|(name, left)| (*name, *left))
                    .collect();
                let remaining: Vec<i64> = first.iter().map(|(_, left)| *left).collect();
                let taken = take(&remaining, wanted);
                let note: Vec<(usize, i64)> = first
                    .iter()
                    .zip(&taken)
                    .map(|((name, _), part)| (*name, *part))
                    .collect();
                for (name, part) in &note {
                    let left = self.lots.get_mut(name).unwrap();
                    *left -= part;
                    if *left == 0 {
                        self.lots.remove(name);
                    }
                }
                let sum = taken.iter().sum();
                self.redemption = self.redemption.after_taking(sum, !self.lots.is_empty());
                if sum > 0 {
                    self.notes.push(note);
                }
                if !self.redemption.open {
                    self.book(&self.redemption.owing());
                }
            }
            ToFollow::GiveBack(part) => {
                let note = self.notes.pop().unwrap();
                assert_eq!(usize::try_from(part).unwrap(), self.notes.len());
                let mut sum = 0;
                for (name, part) in note {
                    *self.lots.entry(name).or_default() += part;
                    sum += part;
                }
                self.redemption = self.redemption.after_giving_back(sum);
            }
        }
        true
    }

    fn reverse(&mut self) {
        if let Some((next, lines)) = self.redemption.reverse(Timestamp::UNIX_EPOCH) {
            self.redemption = next;
            self.book(&lines);
        }
    }

    /// What lies in lots is what is owed.
    fn agrees(&self) -> bool {
        let liability = self.balance.available - self.balance.receivable;
        self.lots.values().sum::<i64>() == liability
    }
}

proptest! {
    /// Reversed at any moment, once or twice, and in any order with the worker: every lot is as it
    /// was, and so is every account.
    #[test]
    fn a_reversal_undoes_a_redemption_wherever_it_stands(
        lots in prop::collection::vec(1i64..50, 1..130), share in 1i64..=100, steps in 0usize..6, twice: bool,
    ) {
        let sum: i64 = lots.iter().sum();
        let amount = (sum * share / 100).max(1);
        let mut desk = Desk::new(&lots, amount);
        prop_assert_eq!(desk.balance.available, sum - amount);
        for _ in 0..steps {
            desk.step();
        }
        desk.reverse();
        if twice {
            let before = desk.balance;
            desk.reverse();
            prop_assert_eq!(desk.balance, before);
        }
        while desk.step() {}
        let after: Vec<i64> = desk.lots.values().copied().collect();
        prop_assert_eq!(after, lots);
        prop_assert_eq!(desk.balance, Balance { available: sum, ..Balance::default() });
        prop_assert!(desk.agrees() && !desk.redemption.open && desk.notes.is_empty());
    }

    /// What was taken back between the spending and the worker is owed, never spent twice.
    #[test]
    fn what_no_lot_is_left_for_is_owed(
        lots in prop::collection::vec(1i64..50, 1..100), share in 1i64..=100, lost in 0i64..=100, reverse: bool,
    ) {
        let sum: i64 = lots.iter().sum();
        let amount = (sum * share / 100).max(1);
        let mut desk = Desk::new(&lots, amount);
        // A refund takes the newest lots.
        let mut lost = sum * lost / 100;
        let total_lost = lost;
        while lost > 0 {
            let (name, left) = desk.lots.pop_last().unwrap();
            let part = left.min(lost);
            lost -= part;
            if left > part {
                desk.lots.insert(name, left - part);
            }
            let person = desk.redemption.participant_id;
            desk.book(&transfer(Account::Liability(person), Account::Expense, Unit::Points, part));
        }
        let mut turns = 0;
        while desk.step() {
            turns += 1;
            prop_assert!(turns <= lots.len() / STEP_LOTS_MAX + 1, "it does not end");
        }
        prop_assert!(desk.agrees(), "{desk:?}");
        prop_assert_eq!(desk.redemption.assigned + desk.redemption.uncovered, amount);
        if reverse {
            desk.reverse();
            while desk.step() {}
            prop_assert!(desk.agrees(), "{desk:?}");
            prop_assert_eq!(desk.balance.available, sum - total_lost);
            prop_assert_eq!(desk.balance.receivable, -(total_lost - (sum - desk.lots.values().sum::<i64>())));
        }
    }
}
