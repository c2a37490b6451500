//! The binaries that are shipped, beside the least that such functions can be: what each operation
//! costs of CPU and memory, behind a Lambda Runtime API, in turns on the same machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use kith_local::guard::OWNER;
use serde_json::{Value, json};

use crate::cpu;
use crate::runtime_api::{Ended, Lambda};
use crate::workload::budgets::OPERATIONS;
use crate::workload::meter::Call;
use crate::workload::shop::visit;
use crate::workload::{Operation, Ready, Stage, cold, done};

/// How often every binary is started anew.
const STARTS: usize = 4;
/// How often each gets events in a start, and how many; the first time is for warming up.
const TURNS: usize = 6;
const EVENTS: usize = 20;
/// A start for operations that only the first event of an instance is.
const COLD_STARTS: usize = 15;
/// After a process has asked for work, it goes to sleep within this.
const GOES_TO_SLEEP: Duration = Duration::from_millis(10);

const HELLO: &str = "floor-hello";
const TABLE: &str = "floor-table";

/// What was measured of an operation, and of its floors.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) call_us: f64,
    /// CPU of the call, as a multiple of what the floors take.
    pub(crate) of_hello: f64,
    /// … of one request of the shape of what is written, or read if nothing is.
    pub(crate) of_one_request: f64,
    /// … of all requests, in the same shapes.
    pub(crate) of_all_requests: f64,
    pub(crate) init_us: f64,
    /// CPU of init, as a multiple of the floor's with a table.
    pub(crate) of_init: f64,
    pub(crate) peak_kb: f64,
    pub(crate) binary_bytes: u64,
}

/// A binary with what it is started with.
struct Variant {
    binary: &'static str,
    variables: BTreeMap<String, String>,
}

/// One value for each start, or for each turn.
#[derive(Default)]
struct Samples {
    init_us: Vec<f64>,
    call_us: Vec<f64>,
    peak_kb: Vec<f64>,
}

/// Where the binaries are.
pub(crate) fn folder() -> PathBuf {
    crate::target().join("lambda")
}

/// Builds what is shipped, and the floors.
pub(crate) fn build() {
    let mut packages: Vec<&str> = OPERATIONS
        .iter()
        .map(|operation| operation.package)
        .collect();
    packages.push("kith-floor");
    packages.dedup();
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--profile", "lambda", "--bins"]);
    build.args(["--features", "kith-floor/hello"]);
    for package in packages {
        build.args(["-p", package]);
    }
    let status = build
        .arg("--target-dir")
        .arg(crate::target())
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap())
        .status()
        .unwrap();
    assert!(status.success(), "the binaries do not build");
}

/// Whether the binaries of an operation were built.
pub(crate) fn are_there(operation: &Operation) -> bool {
    [operation.package, HELLO, TABLE]
        .iter()
        .all(|name| folder().join(name).exists())
}

/// Measures an operation whose requests are known.
pub(crate) async fn measure(operation: &Operation, requests: &[Call]) -> Measured {
    let is_cold = cold(operation);
    let (starts, turns, events) = if is_cold {
        (COLD_STARTS, 1, 1)
    } else {
        (STARTS, TURNS, EVENTS)
    };
    let stage = Stage::open().await;
    let ready = operation.ready(&stage, starts * turns * events).await;
    let variables = &stage
        .shop
        .bundle
        .environment(operation.package)
        .unwrap()
        .variables;
    let variants = variants(operation, requests, variables);
    let mut samples: Vec<Samples> = variants.iter().map(|_| Samples::default()).collect();
    let mut all = ready.events.chunks(events);
    for start in 0..starts {
        let mut running = Vec::new();
        for (variant, samples) in variants.iter().zip(&mut samples) {
            let mut lambda = variant.start(start).await;
            samples.init_us.push(spent_us(&lambda).await);
            if variant.binary == operation.package {
                give(&mut lambda, &ready.before).await;
            }
            running.push(lambda);
        }
        for turn in 0..turns {
            let events = all.next().unwrap();
            // In turns, so that what else the machine does falls on all alike.
            for ((variant, samples), lambda) in variants.iter().zip(&mut samples).zip(&mut running)
            {
                let before = spent_us(lambda).await;
                give(lambda, &variant.events(&ready, events)).await;
                let spent = spent_us(lambda).await - before;
                if is_cold || turn > 0 {
                    samples.call_us.push(spent / events.len() as f64);
                }
            }
        }
        for (samples, lambda) in samples.iter_mut().zip(&running) {
            samples.peak_kb.push(peak_kb(lambda.pid()));
        }
    }
    stage.shop.bundle.shutdown().await;
    summary(operation, &samples)
}

fn summary(operation: &Operation, samples: &[Samples]) -> Measured {
    let [own, hello, one, rest @ ..] = samples else {
        panic!("a floor is missing")
    };
    let all = rest.first().unwrap_or(one);
    // Of each turn its own ratio: neighbours in time meet the same machine.
    let ratio = |of: fn(&Samples) -> &Vec<f64>, floor: &Samples| {
        let pairs = of(own).iter().zip(of(floor));
        median(pairs.map(|(own, floor)| own / floor).collect())
    };
    let binary = folder().join(operation.package);
    Measured {
        call_us: median(own.call_us.clone()),
        of_hello: ratio(|of| &of.call_us, hello),
        of_one_request: ratio(|of| &of.call_us, one),
        of_all_requests: ratio(|of| &of.call_us, all),
        init_us: median(own.init_us.clone()),
        of_init: ratio(|of| &of.init_us, one),
        peak_kb: median(own.peak_kb.clone()),
        binary_bytes: fs::metadata(binary).unwrap().len(),
    }
}

/// The function, and its floors: without a table, with one request, and with all if they are more.
fn variants(
    operation: &Operation,
    requests: &[Call],
    variables: &BTreeMap<String, String>,
) -> Vec<Variant> {
    let requests: Vec<&Call> = requests.iter().filter(|call| call.is_of_table()).collect();
    let shape = |call: &Call| {
        let name = if call.is_read() { "read" } else { "write" };
        json!({name: call.shape})
    };
    let last = requests.last().unwrap();
    let one = vec![shape(last)];
    let all: Vec<Value> = requests.iter().map(|call| shape(call)).collect();
    let mut shapes = vec![one];
    if all.len() > 1 {
        shapes.push(all);
    }
    let with = |binary: &'static str| Variant {
        binary,
        variables: variables.clone(),
    };
    let mut variants = vec![with(operation.package), with(HELLO)];
    for shapes in shapes {
        let mut floor = with(TABLE);
        // No role: the floor reads one item by `GetItem` and writes new ones, which not every function may.
        let owner = ("AWS_ACCESS_KEY_ID".to_owned(), OWNER.to_owned());
        floor.variables.extend([owner]);
        let requests = Value::Array(shapes).to_string();
        floor
            .variables
            .insert("FLOOR_REQUESTS".to_owned(), requests);
        if last.refused {
            floor
                .variables
                .insert("FLOOR_REPEATED".to_owned(), "1".to_owned());
        }
        variants.push(floor);
    }
    variants
}

impl Variant {
    async fn start(&self, number: usize) -> Lambda {
        let mut variables = self.variables.clone();
        let requests = variables.get("FLOOR_REQUESTS").map_or(0, String::len);
        variables.insert("FLOOR_NAME".to_owned(), format!("{number}-{requests}"));
        let binary = folder().join(self.binary);
        let mut lambda = Lambda::start(&binary, self.binary, &variables).await;
        lambda.ready().await;
        lambda
    }

    /// The events, or as many visits for what knows nothing but HTTP.
    fn events(&self, ready: &Ready, events: &[Value]) -> Vec<Value> {
        let is_http = events.iter().all(|event| event["rawPath"].is_string());
        if is_http || self.binary != HELLO {
            return events.to_vec();
        }
        let visit = visit("browser", &ready.program.codes[0], "198.51.100.1");
        vec![serde_json::from_str(&visit).unwrap(); events.len()]
    }
}

async fn give(lambda: &mut Lambda, events: &[Value]) {
    for event in events {
        match lambda.invoke(event.to_string()).await {
            Ended::Answered(answer) => done(&answer),
            Ended::Failed(error) => panic!("{error}, for {event}; {}", lambda.log()),
        }
    }
}

/// CPU time so far, once the process has gone to sleep.
async fn spent_us(lambda: &Lambda) -> f64 {
    tokio::time::sleep(GOES_TO_SLEEP).await;
    cpu::of_threads_us(lambda.pid())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn peak_kb(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let mut lines = status.lines();
    let line = lines.find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
