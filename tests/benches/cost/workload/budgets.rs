//! The one table of budgets. `cargo test` holds what is counted against it, and so does the harness,
//! which also weighs the binaries. What is less than its budget is a reason to lower it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use super::Kind::{Click, Conversion, Refund, Reward, Survey};
use super::{Figures, Operation, Warmth};

/// What an operation asks for: exactly, but for the bytes, which are a bound: numbers and instants
/// take a byte more or less.
pub(crate) type Budget = Figures;

/// A function, and what it may weigh.
#[derive(Debug)]
pub(crate) struct Weight {
    pub(crate) package: &'static str,
    /// The most packages that are compiled for it, its own and those of macros among them.
    pub(crate) dependencies_max: usize,
    /// The most bytes of the binary that is shipped, for x86-64 Linux; nothing while nobody has
    /// weighed it.
    pub(crate) binary_bytes_max: Option<u64>,
}

impl Weight {
    /// How many packages are compiled for it.
    pub(crate) fn dependencies(&self) -> usize {
        let tree = [
            "tree",
            "--offline",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ];
        let target = [
            "--target",
            "x86_64-unknown-linux-gnu",
            "--package",
            self.package,
        ];
        let output = Command::new(env!("CARGO"))
            .args(tree)
            .args(target)
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8(output.stdout).unwrap();
        // What is repeated is marked at the end of its line.
        let packages = text.lines().map(|line| line.trim_end_matches(" (*)"));
        packages.collect::<BTreeSet<_>>().len()
    }
}

const fn asks(
    requests: usize,
    sdk_calls: usize,
    read_units: f64,
    table_units: f64,
    index_units: f64,
    bytes: usize,
) -> Budget {
    Budget {
        requests,
        sdk_calls,
        read_units,
        table_units,
        index_units,
        bytes,
    }
}

const fn operation(
    name: &'static str,
    package: &'static str,
    kind: super::Kind,
    budget: Budget,
) -> Operation {
    Operation {
        name,
        package,
        kind,
        budget,
    }
}

const LINKS: &str = "link-capture";
const ORDERS: &str = "conversion-recording";

/// Every operation, with its budget.
pub(crate) const OPERATIONS: [Operation; 10] = [
    operation(
        "click, all cold",
        LINKS,
        Click(Warmth::Nothing),
        asks(3, 3, 3.0, 1.0, 0.0, 300),
    ),
    operation(
        "click, program warm",
        LINKS,
        Click(Warmth::Program),
        asks(2, 2, 1.0, 1.0, 0.0, 300),
    ),
    operation(
        "click, all warm",
        LINKS,
        Click(Warmth::Code),
        asks(1, 1, 0.0, 1.0, 0.0, 300),
    ),
    operation(
        "click, same visitor again",
        LINKS,
        Click(Warmth::Visitor),
        asks(1, 1, 0.0, 1.0, 0.0, 300),
    ),
    operation(
        "conversion, 1 reward",
        ORDERS,
        Conversion(1),
        asks(2, 2, 10.0, 28.0, 9.0, 6_700),
    ),
    operation(
        "conversion, 3 rewards",
        ORDERS,
        Conversion(3),
        asks(2, 2, 10.0, 38.0, 16.0, 11_400),
    ),
    operation(
        "conversion, 8 rewards",
        ORDERS,
        Conversion(8),
        asks(2, 2, 10.0, 60.0, 31.0, 22_600),
    ),
    operation(
        "refund, 1 reward",
        ORDERS,
        Refund,
        asks(5, 5, 8.0, 28.0, 3.0, 6_300),
    ),
    operation(
        "reward message",
        "reward-disbursement",
        Reward,
        asks(3, 3, 4.0, 12.0, 4.0, 2_900),
    ),
    operation(
        "survey message, mailed",
        "survey-dispatch",
        Survey,
        asks(10, 11, 14.0, 14.0, 11.0, 2_900),
    ),
];

const fn weighs(
    package: &'static str,
    dependencies_max: usize,
    binary_bytes_max: Option<u64>,
) -> Weight {
    Weight {
        package,
        dependencies_max,
        binary_bytes_max,
    }
}

/// Every function, with what it may weigh.
pub(crate) const WEIGHTS: [Weight; 11] = [
    weighs("api-docs", 189, None),
    weighs("conversion-recording", 182, Some(10_050_000)),
    weighs("due-work", 181, None),
    weighs("event-delivery", 182, None),
    weighs("event-relay", 181, None),
    weighs("link-capture", 188, Some(8_300_000)),
    weighs("message-dispatch", 190, None),
    weighs("program-api", 184, None),
    weighs("public-pages", 189, None),
    weighs("reward-disbursement", 182, Some(9_600_000)),
    weighs("survey-dispatch", 190, Some(8_450_000)),
];
