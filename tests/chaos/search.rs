//! Many histories at a time, one a thread.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::fault::Tally;
use crate::history::{self, Outcome, Plan};

/// Has each of these numbers dealt with, and answers what came of each, in their order.
pub(crate) fn in_parallel<T: Send>(numbers: Range<u64>, of: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let next = AtomicU64::new(numbers.start);
    let found: Mutex<BTreeMap<u64, T>> = Mutex::default();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= numbers.end {
                        return;
                    }
                    let came = of(number);
                    found.lock().unwrap().insert(number, came);
                }
            });
        }
    });
    found.into_inner().unwrap().into_values().collect()
}

/// Runs the histories of these seeds until one fails; answers the first that does.
pub(crate) fn first_that_fails(
    seeds: Range<u64>,
    look: impl FnMut(&Outcome) + Send,
) -> Option<(Plan, Outcome)> {
    // Nothing beyond it is begun once one has failed.
    let end = AtomicU64::new(seeds.end);
    let look = Mutex::new(look);
    let failed = in_parallel(seeds, |seed| {
        if seed >= end.load(Ordering::Relaxed) {
            return None;
        }
        let plan = Plan::of(seed);
        let outcome = history::run(plan);
        look.lock().unwrap()(&outcome);
        if outcome.findings.is_empty() {
            return None;
        }
        end.fetch_min(seed, Ordering::Relaxed);
        Some((plan, outcome))
    });
    failed.into_iter().flatten().next()
}

/// What many histories had in them.
#[derive(Default)]
pub(crate) struct Totals {
    histories: usize,
    turns: usize,
    conversions: usize,
    rewards: usize,
    refunds: usize,
    mails: usize,
    ledger: usize,
    tally: Tally,
}

impl Totals {
    pub(crate) fn add(&mut self, outcome: &Outcome) {
        self.histories += 1;
        self.turns += outcome.turns;
        self.conversions += outcome.facts.conversions;
        self.rewards += outcome.facts.rewards;
        self.refunds += outcome.facts.refunds;
        self.mails += outcome.facts.mails;
        self.ledger += outcome.facts.ledger;
        self.tally.add(&outcome.tally);
    }

    pub(crate) fn print(&self, took: Duration) {
        let Self {
            histories,
            turns,
            conversions,
            rewards,
            refunds,
            mails,
            ledger,
            tally,
        } = self;
        let seconds = took.as_secs().max(1);
        println!(
            "{histories} histories in {seconds} s, {} a minute: {turns} turns, {conversions} conversions, \
             {rewards} rewards, {refunds} refunds, {mails} mails, {ledger} ledger entries, {} faults",
            u64::try_from(*histories).unwrap() * 60 / seconds,
            tally.total(),
        );
        for (fault, times) in tally.iter() {
            println!("{:<18} {times:>9}", fault.to_string());
        }
    }
}
