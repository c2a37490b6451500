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

const ROUNDS: usize = 7;
const WARM_UP: u32 = 200;
const CALLS: u32 = 2_000;
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

/// What one run of a variant took.
struct Run {
    init_us: f64,
    call_us: f64,
    wall_us: f64,
    peak_kb: f64,
}

/// Builds, runs in turns, and prints the medians.
pub(crate) async fn run() {
    let folder = build();
    let shop = Shop::open(true, None).await;
    let incentives = json!([]);
    let program = shop.program(&incentives, &json!([]), 1).await;
    let variables = &shop.bundle.environment("link-capture").unwrap().variables;
    let mut runs: BTreeMap<&str, Vec<Run>> = BTreeMap::new();
    // In turns, so that what else the machine does falls on all alike.
    for (number, variant) in (0..ROUNDS).flat_map(|_| &VARIANTS).enumerate() {
        let binary = folder.join(variant.binary);
        let run = measure(&binary, variant, variables, &program.codes[0], number).await;
        runs.entry(variant.name).or_default().push(run);
    }

    let median = |name: &str, of: fn(&Run) -> f64| {
        let mut values: Vec<f64> = runs[name].iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let put = median("one PutItem, connected in init", |run| run.call_us);
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
        let call = median(variant.name, |run| run.call_us);
        let size = fs::metadata(folder.join(variant.binary)).unwrap().len();
        rows.push(vec![
            variant.name.to_owned(),
            format!("{:.2}", median(variant.name, |run| run.init_us) / 1_000.0),
            format!("{call:.0}"),
            format!("{:.2}", call / put),
            format!("{:.0}", median(variant.name, |run| run.wall_us)),
            format!("{:.1}", median(variant.name, |run| run.peak_kb) / 1_024.0),
            format!("{:.2}", size as f64 / 1_000_000.0),
        ]);
    }
    let title = format!(
        "As shipped, beside the floor: medians of {ROUNDS} rounds of {CALLS} calls, table on loopback without TLS"
    );
    page::print(&title, &rows);
    shop.bundle.shutdown().await;
}

/// Builds what is shipped, and gives its folder.
fn build() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    // This binary stands in `<target>/<profile>/deps`.
    let target = own.ancestors().nth(3).unwrap();
    let status = Command::new(env!("CARGO"))
        .args([
            "build",
            "--profile",
            "lambda",
            "--bins",
            "-p",
            "link-capture",
            "-p",
            "kith-floor",
            "--features",
            "kith-floor/hello",
            "--target-dir",
        ])
        .arg(target)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap())
        .status()
        .unwrap();
    assert!(status.success(), "the binaries do not build");
    target.join("lambda")
}

async fn measure(
    binary: &Path,
    variant: &Variant,
    variables: &BTreeMap<String, String>,
    code: &str,
    number: usize,
) -> Run {
    let mut variables = variables.clone();
    variables.extend(
        variant
            .variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    );
    let mut lambda = Lambda::start(binary, variant.binary, &variables).await;
    lambda.ready().await;
    tokio::time::sleep(GOES_TO_SLEEP).await;
    let init_us = cpu_us(lambda.pid());
    // Another visitor each time, so that every call is a click of its own.
    let mut visitor = u32::try_from(number).unwrap() * (WARM_UP + CALLS);
    let mut call = async |lambda: &mut Lambda| {
        visitor += 1;
        let [_, a, b, c] = visitor.to_be_bytes();
        let ended = lambda
            .invoke(visit("browser", code, &format!("10.{a}.{b}.{c}")))
            .await;
        let Ended::Answered(answer) = ended else {
            panic!("{}: {ended:?}", variant.name)
        };
        let status = answer["statusCode"].as_u64();
        assert!(
            matches!(status, Some(200 | 302)),
            "{}: {answer}",
            variant.name
        );
    };
    for _ in 0..WARM_UP {
        call(&mut lambda).await;
    }
    tokio::time::sleep(GOES_TO_SLEEP).await;
    let (before, started) = (cpu_us(lambda.pid()), Instant::now());
    for _ in 0..CALLS {
        call(&mut lambda).await;
    }
    let took = started.elapsed();
    tokio::time::sleep(GOES_TO_SLEEP).await;
    let after = cpu_us(lambda.pid());
    Run {
        init_us,
        call_us: (after - before) / f64::from(CALLS),
        wall_us: took.as_secs_f64() * 1_000_000.0 / f64::from(CALLS),
        peak_kb: peak_kb(lambda.pid()),
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
