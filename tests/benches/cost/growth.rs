//! What operations cost in a table with next to nothing in it, and in one with a million items.

use crate::cpu;
use crate::workload::budgets::OPERATIONS;
use crate::workload::history::History;
use crate::workload::{Figures, Operation, Ready, Stage, cold};

/// Items in the table, in equal parts of the program of each operation.
pub(crate) const SMALL: usize = 10;
/// … and many.
pub(crate) const LARGE: usize = 1_000_000;
/// How often an operation is done.
const TIMES: usize = 300;

/// An operation in both tables.
#[derive(Debug)]
pub(crate) struct Growth {
    pub(crate) name: &'static str,
    /// Whether each one asked for the same in both.
    pub(crate) is_same: bool,
    /// CPU of function and embedded table together, in the small one.
    pub(crate) small_us: f64,
    /// … and in the large one.
    pub(crate) large_us: f64,
}

/// Measures each operation in both tables.
pub(crate) async fn measure() -> Vec<Growth> {
    let (small, large) = (Grown::to(SMALL).await, Grown::to(LARGE).await);
    let mut grown = Vec::new();
    for ((operation, ready_small), (_, ready_large)) in small.all.iter().zip(&large.all) {
        let (mut is_same, mut costs) = (true, Vec::new());
        for (stage, ready) in [(&small.stage, ready_small), (&large.stage, ready_large)] {
            let before = cpu::of_this_process_us();
            let measured = ready.measure(stage).await;
            let spent = cpu::of_this_process_us() - before;
            costs.push(spent / (ready.before.len() + ready.events.len()) as f64);
            is_same &= measured
                .iter()
                .all(|calls| Figures::of(calls).keeps(&operation.budget));
        }
        grown.push(Growth {
            name: operation.name,
            is_same,
            small_us: costs[0],
            large_us: costs[1],
        });
    }
    small.stage.shop.bundle.shutdown().await;
    large.stage.shop.bundle.shutdown().await;
    grown
}

struct Grown {
    stage: Stage,
    all: Vec<(&'static Operation, Ready)>,
}

impl Grown {
    async fn to(items: usize) -> Self {
        let stage = Stage::open().await;
        let mut all = Vec::new();
        // An instance is cold only once.
        let is_warm = |operation: &&Operation| !cold(operation);
        let operations = OPERATIONS.iter().filter(is_warm);
        for operation in operations {
            let ready = operation.ready(&stage, TIMES).await;
            let history = History::of(&stage.shop, &ready.program).await;
            all.push((operation, ready, history));
        }
        let each = items.div_ceil(all.len());
        let filled = all.into_iter().map(|(operation, ready, mut history)| {
            history.grow(each);
            (operation, ready)
        });
        let all = filled.collect();
        Self { stage, all }
    }
}
