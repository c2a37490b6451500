//! How many requests a second the local bundle takes, its workers running behind it and whoever
//! asks beside it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use kith_local::Place;
use reqwest::{RequestBuilder, StatusCode};
use serde_json::json;
use tokio::task::JoinSet;

use crate::cpu;
use crate::workload::shop::{BROWSER, Program, Shop, purchase};

/// Each of which sends its next request when the last one is answered.
const CONNECTIONS: [usize; 3] = [1, 8, 32];
const REFERRERS: usize = 32;
const LASTS: Duration = Duration::from_secs(4);
/// How long the work behind the conversions may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    Click,
    /// With two rewards.
    Conversion,
}

/// What was reached.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) request: Request,
    pub(crate) is_durable: bool,
    pub(crate) connections: usize,
    /// Answers as they should be, a second.
    pub(crate) per_second: f64,
    /// The same for each two seconds of CPU that the process has used, whoever asks included: what two cores would
    /// reach that nobody else uses.
    pub(crate) by_cpu: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// Answers that were something else, or none.
    pub(crate) wrong: usize,
}

/// Measures both requests, in memory and on disk, with few and many connections.
pub(crate) async fn measure() -> Vec<Load> {
    let folder = tempfile::tempdir().unwrap();
    let durable = Place::Folder(folder.path().to_owned());
    let mut loads = Vec::new();
    for place in [Place::Memory, durable] {
        for request in [Request::Click, Request::Conversion] {
            loads.extend(of(&place, request).await);
        }
    }
    loads
}

async fn of(place: &Place, request: Request) -> Vec<Load> {
    let shop = Arc::new(Shop::open(place.clone(), false, None).await);
    let incentives = json!([
        {"id": "friend-10", "on": "purchase", "beneficiary": "referee", "reward": {"kind": "discount", "basis_points": 1000}},
        {"id": "thank-you", "on": "purchase", "beneficiary": "referrer",
         "reward": {"kind": "cash", "amount": {"amount": 500, "currency": "EUR"}}},
    ]);
    let program = Arc::new(shop.program(&incentives, &json!([]), REFERRERS).await);
    let numbers = Arc::new(AtomicU64::new(0));
    let mut loads = Vec::new();
    for connections in CONNECTIONS {
        let started = Instant::now();
        let before_us = cpu::of_this_process_us();
        let mut clients = JoinSet::new();
        for _ in 0..connections {
            let (shop, program) = (Arc::clone(&shop), Arc::clone(&program));
            let numbers = Arc::clone(&numbers);
            clients.spawn(async move { client(request, &shop, &program, &numbers, started).await });
        }
        let mut answers = Vec::new();
        while let Some(of_client) = clients.join_next().await {
            answers.extend(of_client.unwrap());
        }
        let took = started.elapsed();
        let spent_us = cpu::of_this_process_us() - before_us;
        let is_durable = *place != Place::Memory;
        loads.push(load(
            request,
            is_durable,
            connections,
            answers,
            took,
            spent_us,
        ));
    }
    let is_done = shop.bundle.quiesce(PATIENCE).await;
    assert!(is_done, "the work behind the requests does not end");
    Arc::into_inner(shop).unwrap().bundle.shutdown().await;
    loads
}

async fn client(
    request: Request,
    shop: &Shop,
    program: &Program,
    numbers: &AtomicU64,
    started: Instant,
) -> Vec<(Duration, bool)> {
    let mut answers = Vec::new();
    while started.elapsed() < LASTS {
        let sent = Instant::now();
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let (request, expected) = request.build(shop, program, number);
        let answer = request.send().await;
        let is_right = answer.is_ok_and(|answer| answer.status() == expected);
        answers.push((sent.elapsed(), is_right));
    }
    answers
}

impl Request {
    fn build(self, shop: &Shop, program: &Program, number: u64) -> (RequestBuilder, StatusCode) {
        let (url, client) = (shop.bundle.base_url(), &shop.client);
        let code = &program.codes[number as usize % program.codes.len()];
        match self {
            Self::Click => {
                let request = client
                    .get(format!("{url}/r/{code}"))
                    // Another visitor each time: the address is this machine's.
                    .header("user-agent", format!("{BROWSER} visit/{number}"))
                    .header("accept", "text/html");
                (request, StatusCode::FOUND)
            }
            Self::Conversion => {
                let order = purchase(&format!("order-{number}"), &json!({"codes": [code]}));
                let request = client
                    .post(format!("{url}/v1/programs/{}/conversions", program.id))
                    .bearer_auth(&program.key)
                    .json(&order);
                (request, StatusCode::CREATED)
            }
        }
    }
}

fn load(
    request: Request,
    is_durable: bool,
    connections: usize,
    mut answers: Vec<(Duration, bool)>,
    took: Duration,
    spent_us: f64,
) -> Load {
    answers.sort();
    let at = |percent: usize| {
        let place = (answers.len() * percent / 100).min(answers.len().saturating_sub(1));
        answers
            .get(place)
            .map_or(0.0, |(took, _)| took.as_secs_f64() * 1_000.0)
    };
    let right = answers.iter().filter(|(_, is_right)| *is_right).count();
    Load {
        request,
        is_durable,
        connections,
        per_second: right as f64 / took.as_secs_f64(),
        by_cpu: right as f64 * 2_000_000.0 / spent_us,
        p50_ms: at(50),
        p99_ms: at(99),
        wrong: answers.len() - right,
    }
}
