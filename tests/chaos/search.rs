//! Many histories at a time, one a thread.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::fault::Tally;
use crate::history::{self, Outcome, Plan};

/// Runs the plans of these numbers, until one is what is looked for; answers the first that is.
pub(crate) fn in_parallel(
    numbers: Range<u64>,
    plan: impl Fn(u64) -> Plan + Sync,
    mut is_it: impl FnMut(u64, &Outcome) -> bool + Send,
) -> Option<(Plan, Outcome)> {
    let next = AtomicU64::new(numbers.start);
    // Nothing beyond it is begun once one is found.
    let end = AtomicU64::new(numbers.end);
    let found: Mutex<BTreeMap<u64, (Plan, Outcome)>> = Mutex::default();
    let is_it = Mutex::new(&mut is_it);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= end.load(Ordering::Relaxed) {
                        return;
                    }
                    let plan = plan(number);
                    let outcome = history::run(plan);
                    if is_it.lock().unwrap()(number, &outcome) {
                        end.fetch_min(number, Ordering::Relaxed);
                        found.lock().unwrap().insert(number, (plan, outcome));
                    }
                }
            });
        }
    });
    let found = found.into_inner().unwrap();
    found.into_iter().next().map(|(_, found)| found)
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
