//! Seeded histories of the whole bundle on a cloud that misbehaves, and what has to be true of each.
//!
//! `cargo test -p kith-tests --test chaos` runs some, and looks for bugs that were put in. To run long:
//! `cargo test --profile chaos -p kith-tests --test chaos -- --seed 1 --histories 10000`. docs/CHAOS.md tells more.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    reason = "a test stops on the first surprise, and tells what it saw"
)]

mod arguments;
mod audit;
mod clock;
mod cloud;
mod dice;
mod endpoint;
mod fault;
mod gate;
mod history;
mod people;
mod sabotage;
mod search;

use std::process::ExitCode;
use std::time::Instant;

use crate::arguments::{Arguments, Task};
use crate::history::{Outcome, Plan};
use crate::sabotage::Sabotage;
use crate::search::{Totals, first_that_fails, in_parallel};

/// Histories of one run of the tests.
const HISTORIES: u64 = 3;
/// Seeds that are run twice.
const REPLAYED: u64 = 1;
/// Histories in which each bug that shows soon has to be found.
const HISTORIES_FOR_A_BUG: u64 = 60;

fn main() -> ExitCode {
    let good = match Arguments::read(std::env::args_os().skip(1)) {
        Err(fault) => {
            println!("{fault}");
            false
        }
        Ok(Arguments {
            task: Task::Nothing,
            ..
        }) => true,
        Ok(Arguments {
            task: Task::Test, ..
        }) => histories(0, HISTORIES) & replays() & bugs(&Sabotage::SOON, HISTORIES_FOR_A_BUG),
        Ok(Arguments {
            task: Task::Histories,
            seed,
            histories,
        }) => self::histories(seed, histories),
        Ok(Arguments {
            task: Task::Bugs,
            histories,
            ..
        }) => bugs(Sabotage::ALL, histories),
        Ok(Arguments {
            task: Task::Bug(bug),
            histories,
            ..
        }) => bugs(&[bug], histories),
        Ok(Arguments {
            task: Task::Trace,
            seed,
            ..
        }) => trace(seed),
    };
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Runs histories until one fails, and cuts that one to its shortest prefix that fails.
fn histories(seed: u64, histories: u64) -> bool {
    let began = Instant::now();
    let mut totals = Totals::default();
    let failed = first_that_fails(seed..seed.saturating_add(histories), |outcome| {
        totals.add(outcome);
    });
    totals.print(began.elapsed());
    let Some((plan, outcome)) = failed else {
        return true;
    };
    println!("\nseed {} fails:", plan.seed);
    print_findings(&outcome);
    println!("\ncutting it short …");
    let cut = |turns| Plan { turns, ..plan };
    // What fails late mostly fails from some turn on; where it does not, a prefix that fails is found all the same.
    let (mut passes, mut fails) = (0, outcome.busy);
    while passes + 1 < fails {
        let middle = passes.midpoint(fails);
        if history::run(cut(middle)).findings.is_empty() {
            passes = middle;
        } else {
            fails = middle;
        }
    }
    print_trace(cut(fails));
    false
}

/// Whether a seed is the same history each time.
fn replays() -> bool {
    let mut same = true;
    for seed in 0..REPLAYED {
        let outcomes = [(); 2].map(|()| history::run(Plan::of(seed)));
        if outcomes[0].trace != outcomes[1].trace || outcomes[0].findings != outcomes[1].findings {
            println!("seed {seed} is not the same history twice");
            same = false;
        }
    }
    println!("\n{REPLAYED} seeds replayed");
    same
}

/// Puts each bug in, and runs histories until it shows.
fn bugs(bugs: &[Sabotage], histories: u64) -> bool {
    println!("\nbug                  histories  found by");
    // A bug a thread: what one of them takes to be found tells nothing about another.
    let places = 0..u64::try_from(bugs.len()).unwrap();
    let found = in_parallel(places, |place| {
        let bug = bugs[usize::try_from(place).unwrap()];
        let with = |seed| Plan {
            sabotage: Some(bug),
            ..Plan::of(seed)
        };
        let mut seeds = 0..histories;
        let found = seeds.find_map(|seed| {
            let finding = history::run(with(seed)).findings.into_iter().next()?;
            Some((seed, finding))
        });
        match &found {
            Some((seed, finding)) => {
                println!("{:<20} {:>9}  {finding}", bug.to_string(), seed + 1);
            }
            None => println!("{:<20} {histories:>9}  NOT FOUND", bug.to_string()),
        }
        found.is_some()
    });
    found.into_iter().all(|found| found)
}

fn trace(seed: u64) -> bool {
    print_trace(Plan::of(seed))
}

fn print_trace(plan: Plan) -> bool {
    let outcome = history::run(Plan {
        keeps_trace: true,
        ..plan
    });
    for line in &outcome.lines {
        println!("{line}");
    }
    println!(
        "\nseed {}, {} turns:",
        plan.seed,
        outcome.busy.min(plan.turns)
    );
    print_findings(&outcome);
    outcome.findings.is_empty()
}

fn print_findings(outcome: &Outcome) {
    for finding in &outcome.findings {
        println!("  {finding}");
    }
}
