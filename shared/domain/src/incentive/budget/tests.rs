use proptest::prelude::*;

use super::*;
use crate::incentive::testing::{eur, incentive};
use crate::incentive::{Limits, RewardRule};

fn window(cap: i64, shards: u8) -> BudgetWindow {
    BudgetWindow {
        limit: Limit::Budget,
        window: "ever".to_owned(),
        cap: eur(cap),
        shards,
    }
}

fn taken(cap: i64, used: &[i64], cost: i64, spread: u64) -> Option<Vec<(u8, i64, i64)>> {
    let shards = u8::try_from(used.len()).unwrap();
    let takes = take_from_budget(&window(cap, shards), used, cost, spread)?;
    let take = |take: &BudgetTake| (take.shard, take.amount, take.cap);
    Some(takes.iter().map(take).collect())
}

#[test]
fn a_reward_takes_from_one_shard_where_it_can() {
    assert_eq!(taken(10, &[0], 10, 7), Some(vec![(0, 10, 10)]));
    assert_eq!(taken(10, &[1], 10, 7), None);
    // Ten in four parts: 3, 3, 2, 2.
    assert_eq!(taken(10, &[0, 0, 0, 0], 3, 0), Some(vec![(0, 3, 3)]));
    assert_eq!(taken(10, &[0, 0, 0, 0], 3, 1), Some(vec![(1, 3, 3)]));
    assert_eq!(taken(10, &[0, 0, 0, 0], 3, 2), Some(vec![(0, 3, 3)]));
    assert_eq!(taken(10, &[0, 0, 0, 0], 2, 2), Some(vec![(2, 2, 2)]));
}

/// Nothing of a budget is lost to the parting.
#[test]
fn what_is_left_in_several_shards_is_taken_from_several() {
    let whole = Some(vec![(3, 2, 2), (0, 3, 3), (1, 3, 3), (2, 2, 2)]);
    assert_eq!(taken(10, &[0, 0, 0, 0], 10, 3), whole);
    let rest = Some(vec![(1, 1, 3), (2, 1, 2)]);
    assert_eq!(taken(10, &[3, 2, 1, 2], 2, 0), rest);
    assert_eq!(taken(10, &[3, 2, 1, 2], 3, 0), None);
}

/// The cap was lowered from above: one shard has more than its part, and the rest has to wait for it.
#[test]
fn a_shard_above_its_part_lowers_what_the_others_may_take() {
    // Parts of 5 each; 8 + 1 + 0 + 0 of 20 are used, so 11 are left, and 14 free in the others.
    assert_eq!(taken(20, &[8, 1, 0, 0], 12, 0), None);
    assert_eq!(
        taken(20, &[8, 1, 0, 0], 11, 2),
        Some(vec![(0, 0, 8), (1, 4, 5), (2, 5, 5), (3, 2, 2)])
    );
    // The one that is taken from last may be filled by others meanwhile, as far as the cap allows.
    assert_eq!(
        taken(20, &[8, 1, 0, 0], 1, 2),
        Some(vec![(0, 0, 8), (1, 1, 5), (2, 0, 0), (3, 0, 0)])
    );
    assert_eq!(taken(20, &[30, 0, 0, 0], 1, 0), None);
}

#[test]
fn only_hot_budgets_are_spread() {
    let spread = |cap: i64, reward| {
        let limits = Limits {
            budget: Some(eur(cap)),
            ..Limits::default()
        };
        let budgeted = Incentive {
            limits,
            reward,
            unit_cost: Some(eur(2)),
            ..incentive()
        };
        shards_for(&budgeted, &Rates::default())
    };
    let share = |maximum: Option<i64>| RewardRule::Percentage {
        basis_points: 1,
        maximum: maximum.map(eur),
    };
    assert_eq!(spread(499_999, RewardRule::Cash(eur(500))), 1);
    assert_eq!(spread(500_000, RewardRule::Cash(eur(500))), 4);
    assert_eq!(spread(5_999, RewardRule::Points(3)), 1);
    assert_eq!(spread(6_000, RewardRule::Points(3)), 4);
    assert_eq!(spread(9_999, share(Some(10))), 1);
    assert_eq!(spread(10_000, share(Some(10))), 4);
    assert_eq!(spread(99_999, share(None)), 1);
    assert_eq!(spread(100_000, share(None)), 4);
    assert_eq!(shards_for(&incentive(), &Rates::default()), 1);
    // A day that pays for few rewards keeps the whole budget on one counter.
    let limits = Limits {
        budget_per_day: Some(eur(5_000)),
        budget: Some(eur(5_000_000)),
        ..Limits::default()
    };
    let small_days = Incentive {
        limits,
        ..incentive()
    };
    assert_eq!(shards_for(&small_days, &Rates::default()), 1);
}

/// One thing that happens to a budget.
#[derive(Debug, Clone)]
enum Happening {
    /// Somebody reads the shards, each a little later than the one before: what happened meanwhile
    /// is seen in some of them.
    Read { writer: usize, behind: Vec<usize> },
    /// Somebody decides by what they read last, and writes.
    Write {
        writer: usize,
        cost: i64,
        spread: u64,
    },
    /// A reward is cancelled.
    GiveBack { nth: usize },
    /// The owner changes the cap.
    Cap(i64),
}

fn happening() -> impl Strategy<Value = Happening> {
    let writer = 0..3_usize;
    prop_oneof![
        3 => (writer.clone(), prop::collection::vec(0..4_usize, 4))
            .prop_map(|(writer, behind)| Happening::Read { writer, behind }),
        6 => (writer, 0..25_i64, 0..8_u64)
            .prop_map(|(writer, cost, spread)| Happening::Write { writer, cost, spread }),
        2 => (0..20_usize).prop_map(|nth| Happening::GiveBack { nth }),
        1 => (0..120_i64).prop_map(Happening::Cap),
    ]
}

/// The table: the shards, all they ever were since the cap was set, and what rewards took.
struct Table {
    cap: i64,
    shards: Vec<i64>,
    since_cap: Vec<Vec<i64>>,
    rewards: Vec<Vec<BudgetTake>>,
}

impl Table {
    fn changed(&mut self) {
        self.since_cap.push(self.shards.clone());
    }

    /// What each shard was, so many changes ago, but not before the cap was what it is.
    fn seen(&self, behind: &[usize]) -> Vec<i64> {
        let last = self.since_cap.len() - 1;
        let shard =
            |(shard, behind): (usize, &usize)| self.since_cap[last.saturating_sub(*behind)][shard];
        (0..self.shards.len()).zip(behind).map(shard).collect()
    }

    /// One transaction: all guards hold, or nothing happens.
    fn write(&mut self, takes: &[BudgetTake]) -> bool {
        let holds =
            |take: &BudgetTake| self.shards[usize::from(take.shard)] <= take.cap - take.amount;
        if !takes.iter().all(holds) {
            return false;
        }
        for take in takes {
            self.shards[usize::from(take.shard)] += take.amount;
        }
        self.rewards.push(takes.to_vec());
        self.changed();
        true
    }

    fn sum(&self) -> i64 {
        self.shards.iter().sum()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    /// 5,000 cases of up to 60 happenings: whatever writers saw, and however torn and old it was,
    /// no reward brings the sum of all shards above the cap; whoever sees the table as it is gets
    /// the reward exactly if enough is left.
    #[test]
    fn a_budget_is_never_exceeded_and_never_lost(
        shards in 1..=BUDGET_SHARDS_MAX, cap in 0..120_i64, happenings in prop::collection::vec(happening(), 1..60),
    ) {
        let empty = vec![0; usize::from(shards)];
        let mut table = Table { cap, since_cap: vec![empty.clone()], shards: empty.clone(), rewards: Vec::new() };
        let mut views = vec![empty; 3];
        for happening in happenings {
            match happening {
                Happening::Read { writer, behind } => views[writer] = table.seen(&behind),
                Happening::Write { writer, cost, spread } => {
                    let window = window(table.cap, shards);
                    if let Some(takes) = take_from_budget(&window, &views[writer], cost, spread) {
                        let amounts: i64 = takes.iter().map(|take| take.amount).sum();
                        prop_assert_eq!(amounts, cost);
                        if table.write(&takes) {
                            prop_assert!(table.sum() <= table.cap, "{:?} of {}", table.shards, table.cap);
                        }
                    }
                    let left = table.cap - table.sum();
                    let fresh = take_from_budget(&window, &table.shards, cost, spread);
                    prop_assert_eq!(fresh.is_some(), cost <= left);
                    let guards = |take: &BudgetTake| table.shards[usize::from(take.shard)] <= take.cap - take.amount;
                    prop_assert!(fresh.iter().flatten().all(guards));
                }
                Happening::GiveBack { nth } => {
                    if !table.rewards.is_empty() {
                        let nth = nth % table.rewards.len();
                        for take in table.rewards.swap_remove(nth) {
                            table.shards[usize::from(take.shard)] -= take.amount;
                        }
                        table.changed();
                    }
                }
                Happening::Cap(cap) => {
                    table.cap = cap;
                    // Whoever decides by the new cap has read it, and the shards afterwards.
                    table.since_cap = vec![table.shards.clone()];
                    views = vec![table.shards.clone(); 3];
                }
            }
        }
    }

    /// 5,000 cases: the parts sum to the cap and differ by one at most.
    #[test]
    fn parts_sum_to_the_whole(cap in 0..=crate::money::AMOUNT_MAX, shards in 1..=BUDGET_SHARDS_MAX) {
        let parts: Vec<i64> = split_remainder_to_first(cap, shards).collect();
        prop_assert_eq!(parts.len(), usize::from(shards));
        prop_assert_eq!(parts.iter().sum::<i64>(), cap);
        prop_assert!(parts.first() >= parts.last());
        prop_assert!(parts.iter().max().unwrap() - parts.iter().min().unwrap() <= 1);
    }
}
