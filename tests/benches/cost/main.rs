//! What operations cost and how fast they are, as one table, and as JSON in
//! `target/performance.json`.
//!
//! ```text
//! cargo bench -p kith-tests --bench cost                  everything
//! cargo bench -p kith-tests --bench cost -- operations    a part: operations, growth, throughput
//! cargo bench -p kith-tests --bench cost -- built         operations, of the binaries that are there
//! cargo bench -p kith-tests --bench cost -- built refund  those of them whose name holds this
//! ```
//!
//! It fails when an operation or a binary is over its budget, and by nothing that depends on the
//! machine. The functions are built as they are shipped (`--profile lambda`), which takes minutes.
//! docs/PERFORMANCE.md says what the columns mean.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::float_arithmetic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    reason = "a harness prints what it measured and stops on the first surprise"
)]

mod aims;
mod binaries;
mod cpu;
mod growth;
mod page;
mod prices;
mod report;
#[path = "../../it/runtime_api.rs"]
#[allow(dead_code, reason = "the tests use the rest of it")]
mod runtime_api;
mod throughput;
#[allow(dead_code, reason = "the tests use the rest of it")]
mod workload;

use std::path::PathBuf;
use std::process::ExitCode;

use crate::prices::{Prices, Way};
use crate::report::{Report, Row};
use crate::workload::budgets::OPERATIONS;
use crate::workload::{Figures, Operation, Stage, cold};

/// How often the exact figures are counted; they are the same each time.
const COUNTED: usize = 3;

/// What can be measured apart.
const PARTS: [&str; 4] = ["operations", "built", "growth", "throughput"];

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo bench` says so; `cargo test` does not, and gets nothing.
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("run me with cargo bench");
        return ExitCode::SUCCESS;
    }
    let named: Vec<&str> = arguments
        .iter()
        .map(String::as_str)
        .filter(|name| !name.starts_with("--"))
        .collect();
    let (parts, names): (Vec<&str>, Vec<&str>) =
        named.into_iter().partition(|name| PARTS.contains(name));
    let is_wanted = |part: &str| parts.is_empty() || parts.contains(&part);
    let mut report = Report::default();
    if is_wanted("operations") {
        binaries::build();
    }
    if is_wanted("operations") || is_wanted("built") {
        let is_named = |operation: &&Operation| {
            names.is_empty() || names.iter().any(|name| operation.name.contains(name))
        };
        for operation in OPERATIONS.iter().filter(is_named) {
            if binaries::are_there(operation) {
                report.rows.push(row(operation).await);
            }
        }
    }
    if is_wanted("growth") {
        report.growth = growth::measure().await;
    }
    if is_wanted("throughput") {
        report.loads = throughput::measure().await;
    }
    report.print();
    report.write(&target().join("performance.json"));
    report.end()
}

/// Everything about one operation.
async fn row(operation: &'static Operation) -> Row {
    let stage = Stage::open().await;
    let count = if cold(operation) { 1 } else { COUNTED };
    let ready = operation.ready(&stage, count).await;
    let calls = ready.measure(&stage).await.pop().unwrap();
    let functions = &stage.shop.bundle.template().functions;
    let function = functions
        .values()
        .find(|one| one.package == operation.package);
    let memory_mb = function.unwrap().memory_mb;
    let is_http = ready
        .events
        .iter()
        .all(|event| event["rawPath"].is_string());
    let way = if is_http { Way::Http } else { Way::Queue };
    stage.shop.bundle.shutdown().await;
    let figures = Figures::of(&calls);
    let measured = binaries::measure(operation, &calls).await;
    let dollars = Prices::read().million(&figures, way, measured.call_us, memory_mb);
    Row {
        operation,
        figures,
        measured,
        dollars,
    }
}

/// Cargo's folder: this harness stands in `<target>/<profile>/deps`.
fn target() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.ancestors().nth(3).unwrap().to_owned()
}
