//! What was measured, for people and for machines.

use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::aims::Aim;
use crate::binaries::Measured;
use crate::growth::{Growth, LARGE, SMALL};
use crate::prices::Prices;
use crate::throughput::{Load, Request};
use crate::workload::budgets::WEIGHTS;
use crate::workload::{Figures, Operation};
use crate::{aims, page};

/// An operation with everything that is known of it.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) operation: &'static Operation,
    pub(crate) figures: Figures,
    pub(crate) measured: Measured,
    /// Of a million.
    pub(crate) dollars: f64,
}

/// What was measured; a part that was not asked for is empty.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) rows: Vec<Row>,
    pub(crate) growth: Vec<Growth>,
    pub(crate) loads: Vec<Load>,
}

const OPERATIONS: [&str; 17] = [
    "operation",
    "requests",
    "SDK calls",
    "read",
    "write",
    "of indexes",
    "bytes",
    "CPU µs",
    "of hello",
    "of 1 request",
    "of all",
    "init ms",
    "of floor",
    "peak MB",
    "binary MB",
    "$/million",
    "budget",
];

impl Report {
    /// Prints the tables.
    pub(crate) fn print(&self) {
        if !self.rows.is_empty() {
            let rows = self.rows.iter().map(Row::cells);
            page::print("Operations", &table(OPERATIONS, rows));
            let prices = Prices::read();
            println!(
                "\nPrices of {} as of {}, without {}.",
                prices.region,
                prices.date,
                prices.excluded.join("; ")
            );
        }
        if !self.growth.is_empty() {
            let title = format!("The same with {SMALL} and with {LARGE} items in the table");
            let head = [
                "operation",
                "figures",
                "CPU µs, few",
                "CPU µs, many",
                "ratio",
            ];
            let rows = self.growth.iter().map(|one| {
                let figures = if one.is_same { "as budgeted" } else { "OVER" };
                vec![
                    one.name.to_owned(),
                    figures.to_owned(),
                    format!("{:.0}", one.small_us),
                    format!("{:.0}", one.large_us),
                    format!("{:.2}", one.large_us / one.small_us),
                ]
            });
            page::print(&title, &table(head, rows));
        }
        if !self.loads.is_empty() {
            let profile = if cfg!(debug_assertions) {
                "a debug build: too slow to compare"
            } else {
                "a release build"
            };
            let title = format!("Throughput of the local bundle, {profile}");
            let head = [
                "request",
                "kept",
                "connections",
                "per second",
                "per 2 CPU s",
                "p50 ms",
                "p99 ms",
                "wrong",
            ];
            page::print(&title, &table(head, self.loads.iter().map(Load::cells)));
        }
        let aims = self.aims();
        if !aims.is_empty() {
            let rows = aims.iter().map(|aim| {
                let is_met = if aim.is_met { "met" } else { "missed" };
                vec![aim.what.clone(), aim.reached.clone(), is_met.to_owned()]
            });
            page::print("Aims", &table(["aim", "reached", ""], rows));
        }
        for miss in self.misses() {
            println!("\nover budget: {miss}");
        }
    }

    fn aims(&self) -> Vec<Aim> {
        aims::of(&self.rows, &self.loads)
    }

    /// What is over a budget that no machine can excuse.
    fn misses(&self) -> Vec<String> {
        let figures = self
            .rows
            .iter()
            .filter(|row| !row.figures.keeps(&row.operation.budget));
        let figures = figures.map(|row| format!("{}: {:?}", row.operation.name, row.figures));
        let sizes = self.rows.iter().filter_map(|row| {
            let package = row.operation.package;
            let weight = WEIGHTS
                .iter()
                .find(|weight| weight.package == package)
                .unwrap();
            let bytes = row.measured.binary_bytes;
            (weight.binary_bytes_max.is_some_and(|most| bytes > most))
                .then(|| format!("{package}: {bytes} bytes"))
        });
        let grown = self.growth.iter().filter(|one| !one.is_same);
        let grown = grown.map(|one| format!("{}: grows with the table", one.name));
        let mut misses: Vec<String> = figures.chain(sizes).chain(grown).collect();
        misses.dedup();
        misses
    }

    /// Writes it as JSON.
    pub(crate) fn write(&self, path: &Path) {
        let prices: Value = serde_json::from_str(include_str!("prices.json")).unwrap();
        let report = json!({
            "at": jiff::Timestamp::now().to_string(),
            "is_debug": cfg!(debug_assertions),
            "operations": self.rows.iter().map(Row::json).collect::<Value>(),
            "growth": self.growth.iter().map(|one| json!({
                "operation": one.name, "is_as_budgeted": one.is_same,
                "items": [SMALL, LARGE], "cpu_us": [one.small_us, one.large_us],
            })).collect::<Value>(),
            "throughput": self.loads.iter().map(Load::json).collect::<Value>(),
            "aims": self.aims().iter().map(|aim| json!({
                "aim": aim.what, "reached": aim.reached, "is_met": aim.is_met,
            })).collect::<Value>(),
            "over_budget": self.misses(),
            "prices": prices,
        });
        std::fs::write(path, format!("{report:#}\n")).unwrap();
        println!("\nwritten to {}", path.display());
    }

    /// Fails when anything is over its budget.
    pub(crate) fn end(&self) -> ExitCode {
        if self.misses().is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

fn table<const N: usize>(
    head: [&str; N],
    rows: impl Iterator<Item = Vec<String>>,
) -> Vec<Vec<String>> {
    std::iter::once(page::row(head)).chain(rows).collect()
}

impl Row {
    fn cells(&self) -> Vec<String> {
        let (figures, measured) = (&self.figures, &self.measured);
        let keeps = figures.keeps(&self.operation.budget);
        vec![
            self.operation.name.to_owned(),
            figures.requests.to_string(),
            figures.sdk_calls.to_string(),
            figures.read_units.to_string(),
            (figures.table_units + figures.index_units).to_string(),
            figures.index_units.to_string(),
            figures.bytes.to_string(),
            format!("{:.0}", measured.call_us),
            format!("{:.2}", measured.of_hello),
            format!("{:.2}", measured.of_one_request),
            format!("{:.2}", measured.of_all_requests),
            format!("{:.2}", measured.init_us / 1_000.0),
            format!("{:.2}", measured.of_init),
            format!("{:.1}", measured.peak_kb / 1_024.0),
            format!("{:.2}", measured.binary_bytes as f64 / 1_000_000.0),
            format!("{:.2}", self.dollars),
            (if keeps { "kept" } else { "OVER" }).to_owned(),
        ]
    }

    fn json(&self) -> Value {
        let (figures, measured) = (&self.figures, &self.measured);
        json!({
            "operation": self.operation.name,
            "function": self.operation.package,
            "requests": figures.requests,
            "sdk_calls": figures.sdk_calls,
            "read_units": figures.read_units,
            "table_write_units": figures.table_units,
            "index_write_units": figures.index_units,
            "bytes_written": figures.bytes,
            "cpu_us": measured.call_us,
            "cpu_of_hello": measured.of_hello,
            "cpu_of_one_request": measured.of_one_request,
            "cpu_of_all_requests": measured.of_all_requests,
            "init_cpu_us": measured.init_us,
            "init_of_floor": measured.of_init,
            "peak_kb": measured.peak_kb,
            "binary_bytes": measured.binary_bytes,
            "dollars_per_million": self.dollars,
        })
    }
}

impl Load {
    fn name(&self) -> &'static str {
        match self.request {
            Request::Click => "click",
            Request::Conversion => "conversion, 2 rewards",
        }
    }

    fn kept(&self) -> &'static str {
        if self.is_durable {
            "on disk"
        } else {
            "in memory"
        }
    }

    fn cells(&self) -> Vec<String> {
        vec![
            self.name().to_owned(),
            self.kept().to_owned(),
            self.connections.to_string(),
            format!("{:.0}", self.per_second),
            format!("{:.0}", self.by_cpu),
            format!("{:.1}", self.p50_ms),
            format!("{:.1}", self.p99_ms),
            self.wrong.to_string(),
        ]
    }

    fn json(&self) -> Value {
        json!({
            "request": self.name(), "kept": self.kept(), "connections": self.connections,
            "per_second": self.per_second, "per_two_cpu_seconds": self.by_cpu,
            "p50_ms": self.p50_ms, "p99_ms": self.p99_ms, "wrong": self.wrong,
        })
    }
}
