//! The click function as it is shipped, beside the least that such a function can be.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::page;
use crate::runtime_api::{Ended, Lambda};
use crate::shop::{Shop, visit};

/// How often every binary is started anew.
const ROUNDS: usize = 5;
const WARM_UP: u32 = 200;
/// Calls between two looks at the clock, and how often each binary gets so many in a round.
const CALLS: u32 = 200;
const TURNS: usize = 12;
/// After a process has asked for work, it goes to sleep within this.
const GOES_TO_SLEEP: Duration = Duration::from_millis(20);

/// A binary and how it is run.
struct Variant {
    name: &'static str,
    binary: &'static str,
    variables: &'static [(&'static str, &'static str)],
}

const VARIANTS: [Variant; 4] = [
    Variant {
        name: "hello, lambda_http",
        binary: "floor-hello",
        variables: &[],
    },
    Variant {
        name: "one PutItem",
        binary: "floor-put",
        variables: &[],
    },
    Variant {
        name: "one PutItem, connected in init",
        binary: "floor-put",
        variables: &[("FLOOR_WARM", "1")],
    },
    Variant {
        name: "link-capture, warm click",
        binary: "link-capture",
        variables: &[],
    },
];

/// What was measured of one variant: one value for each start, or for each turn of calls.
#[derive(Default)]
struct Measured {
    init_us: Vec<f64>,
    call_us: Vec<f64>,
    wall_us: Vec<f64>,
    peak_kb: Vec<f64>,
}

/// A running variant, which is given visits.
struct Running {
    lambda: Lambda,
    name: &'static str,
    code: String,
    visitor: u32,
}

/// Builds what is to be built, runs it in turns, and prints the medians.
pub(crate) async fn run(builds: bool) {
    let folder = folder();
    if builds {
        build(&folder);
    }
    let shop = Shop::unlimited(true).await;
    let incentives = json!([]);
    let program = shop.program(&incentives, &json!([]), 1).await;
    let variables = &shop.bundle.environment("link-capture").unwrap().variables;
    let mut measured: BTreeMap<&str, Measured> = BTreeMap::new();
    let mut visitors = 0;
    for _ in 0..ROUNDS {
        let mut running = Vec::new();
        for variant in &VARIANTS {
            let binary = folder.join(variant.binary);
            let mut one = Running::start(&binary, variant, variables, &program.codes[0]).await;
            visitors += 1;
            one.visitor = visitors << 14;
            measured
                .entry(variant.name)
                .or_default()
                .init_us
                .push(one.cpu_us().await);
            one.visits(WARM_UP).await;
            running.push(one);
        }
        // In turns, so that what else the machine does falls on all alike.
        for one in (0..TURNS).flat_map(|_| 0..VARIANTS.len()) {
            let one = &mut running[one];
            let before = one.cpu_us().await;
            let wall_us = one.visits(CALLS).await;
            let spent = one.cpu_us().await - before;
            let of_variant = measured.entry(one.name).or_default();
            of_variant.call_us.push(spent / f64::from(CALLS));
            of_variant.wall_us.push(wall_us);
        }
        for one in running {
            measured
                .entry(one.name)
                .or_default()
                .peak_kb
                .push(peak_kb(one.lambda.pid()));
        }
    }

    let median = |name: &str, of: fn(&Measured) -> &Vec<f64>| {
        let mut values = of(&measured[name]).clone();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let put = median("one PutItem, connected in init", |of| &of.call_us);
    let mut rows = vec![page::row([
        "variant",
        "init CPU ms",
        "CPU µs per call",
        "of one PutItem",
        "wall µs per call",
        "peak MB",
        "binary MB",
    ])];
    for variant in &VARIANTS {
        let call = median(variant.name, |of| &of.call_us);
        let size = fs::metadata(folder.join(variant.binary)).unwrap().len();
        rows.push(vec![
            variant.name.to_owned(),
            format!("{:.2}", median(variant.name, |of| &of.init_us) / 1_000.0),
            format!("{call:.0}"),
            format!("{:.2}", call / put),
            format!("{:.0}", median(variant.name, |of| &of.wall_us)),
            format!("{:.1}", median(variant.name, |of| &of.peak_kb) / 1_024.0),
            format!("{:.2}", size as f64 / 1_000_000.0),
        ]);
    }
    let title = format!(
        "As shipped, beside the floor: medians of {ROUNDS} starts and {TURNS} turns of {CALLS} calls in each, table on loopback without TLS"
    );
    page::print(&title, &rows);
    shop.bundle.shutdown().await;
}

/// Where the binaries are that are shipped.
fn folder() -> PathBuf {
    // This harness stands in `<target>/<profile>/deps`.
    let own = std::env::current_exe().unwrap();
    own.ancestors().nth(3).unwrap().join("lambda")
}

/// Builds what is shipped.
fn build(folder: &Path) {
    let packages = [
        "-p",
        "link-capture",
        "-p",
        "kith-floor",
        "--features",
        "kith-floor/hello",
    ];
    let status = Command::new(env!("CARGO"))
        .args(["build", "--profile", "lambda", "--bins"])
        .args(packages)
        .arg("--target-dir")
        .arg(folder.parent().unwrap())
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap())
        .status()
        .unwrap();
    assert!(status.success(), "the binaries do not build");
}

impl Running {
    async fn start(
        binary: &Path,
        variant: &Variant,
        variables: &BTreeMap<String, String>,
        code: &str,
    ) -> Self {
        let mut variables = variables.clone();
        variables.extend(
            variant
                .variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        let mut lambda = Lambda::start(binary, variant.binary, &variables).await;
        lambda.ready().await;
        Self {
            lambda,
            name: variant.name,
            code: code.to_owned(),
            visitor: 0,
        }
    }

    /// Has it handle visits; gives microseconds of wall time for one of them.
    async fn visits(&mut self, count: u32) -> f64 {
        let started = Instant::now();
        for _ in 0..count {
            // Another visitor each time, so that every visit is a click of its own.
            self.visitor += 1;
            let [_, a, b, c] = self.visitor.to_be_bytes();
            let event = visit("browser", &self.code, &format!("10.{a}.{b}.{c}"));
            let ended = self.lambda.invoke(event).await;
            let Ended::Answered(answer) = ended else {
                panic!("{}: {ended:?}", self.name)
            };
            let status = answer["statusCode"].as_u64();
            assert!(matches!(status, Some(200 | 302)), "{}: {answer}", self.name);
        }
        started.elapsed().as_secs_f64() * 1_000_000.0 / f64::from(count)
    }

    /// CPU time so far, once it has gone to sleep.
    async fn cpu_us(&self) -> f64 {
        tokio::time::sleep(GOES_TO_SLEEP).await;
        cpu_us(self.lambda.pid())
    }
}

/// CPU time of a process so far, of all its threads, kernel included. (`stat` counts in hundredths
/// of a second, which is more than a whole init.)
fn cpu_us(pid: u32) -> f64 {
    fs::read_dir(format!("/proc/{pid}/task"))
        .unwrap()
        .map(|thread| {
            let schedstat = fs::read_to_string(thread.unwrap().path().join("schedstat")).unwrap();
            let nanoseconds: f64 = schedstat.split(' ').next().unwrap().parse().unwrap();
            nanoseconds / 1_000.0
        })
        .sum()
}

fn peak_kb(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
