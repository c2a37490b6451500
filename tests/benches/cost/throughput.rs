//! How many requests a second the local bundle takes, its workers running behind them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::json;
use tokio::task::JoinSet;

use crate::page;
use crate::shop::{BROWSER, Shop, purchase};

const CLIENTS: u64 = 8;
const REFERRERS: usize = 32;
const LASTS: Duration = Duration::from_secs(4);
/// How long the work behind the conversions may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// Prints what was reached.
pub(crate) async fn run() {
    let shop = Arc::new(Shop::unlimited(false).await);
    let incentives = json!([
        {"id": "friend-10", "on": "purchase", "beneficiary": "referee", "reward": {"kind": "discount", "basis_points": 1000}},
        {"id": "thank-you", "on": "purchase", "beneficiary": "referrer",
         "reward": {"kind": "cash", "amount": {"amount": 500, "currency": "EUR"}}},
    ]);
    let program = shop.program(&incentives, &json!([]), REFERRERS).await;
    let mut rows = vec![page::row([
        "operation",
        "requests",
        "per second",
        "p50 ms",
        "p99 ms",
        "not as expected",
        "all work done after s",
    ])];

    let codes = Arc::new(program.codes.clone());
    let clicks = load(&shop, {
        let codes = Arc::clone(&codes);
        move |shop, number| {
            let code = codes[number as usize % codes.len()].clone();
            async move {
                let request = shop
                    .client
                    .get(format!("{}/r/{code}", shop.bundle.base_url()))
                    // Another visitor each time: the address is this machine's.
                    .header("user-agent", format!("{BROWSER} visit/{number}"))
                    .header("accept", "text/html");
                request.send().await.map(|answer| answer.status())
            }
        }
    })
    .await;
    rows.push(clicks.row("click", StatusCode::FOUND, Duration::ZERO));

    let id = program.id.clone();
    let conversions = load(&shop, move |shop, number| {
        let code = codes[number as usize % codes.len()].clone();
        let url = format!("{}/v1/programs/{id}/conversions", shop.bundle.base_url());
        async move {
            let request = shop
                .client
                .post(url)
                .bearer_auth(shop.bundle.operator_key().unwrap())
                .json(&purchase(
                    &format!("order-{number}"),
                    &json!({"codes": [code]}),
                ));
            request.send().await.map(|answer| answer.status())
        }
    })
    .await;
    let started = Instant::now();
    assert!(
        shop.bundle.quiesce(PATIENCE).await,
        "the work behind the conversions does not end"
    );
    rows.push(conversions.row(
        "conversion, 2 rewards",
        StatusCode::CREATED,
        started.elapsed(),
    ));

    let profile = if cfg!(debug_assertions) {
        "a debug build: too slow to compare"
    } else {
        "a release build"
    };
    let title = format!(
        "Throughput of the local bundle, in memory, {CLIENTS} clients in the same process, {profile}"
    );
    page::print(&title, &rows);
}

struct Load {
    answers: Vec<(Duration, Option<StatusCode>)>,
    took: Duration,
}

impl Load {
    fn row(mut self, what: &str, expected: StatusCode, settled: Duration) -> Vec<String> {
        self.answers.sort();
        let at = |percent: usize| {
            let index =
                (self.answers.len() * percent / 100).min(self.answers.len().saturating_sub(1));
            let took = self
                .answers
                .get(index)
                .map(|(took, _)| *took)
                .unwrap_or_default();
            format!("{:.1}", took.as_secs_f64() * 1_000.0)
        };
        let good = self
            .answers
            .iter()
            .filter(|(_, status)| *status == Some(expected))
            .count();
        vec![
            what.to_owned(),
            self.answers.len().to_string(),
            format!("{:.0}", good as f64 / self.took.as_secs_f64()),
            at(50),
            at(99),
            (self.answers.len() - good).to_string(),
            format!("{:.1}", settled.as_secs_f64()),
        ]
    }
}

/// Several clients, each sending its next request when the last one is answered.
async fn load<F>(
    shop: &Arc<Shop>,
    request: impl Fn(Arc<Shop>, u64) -> F + Clone + Send + 'static,
) -> Load
where
    F: Future<Output = Result<StatusCode, reqwest::Error>> + Send,
{
    let numbers = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (shop, numbers, request) = (Arc::clone(shop), Arc::clone(&numbers), request.clone());
        clients.spawn(async move {
            let mut answers = Vec::new();
            while started.elapsed() < LASTS {
                let sent = Instant::now();
                let number = numbers.fetch_add(1, Ordering::Relaxed);
                let answer = request(Arc::clone(&shop), number).await;
                answers.push((sent.elapsed(), answer.ok()));
            }
            answers
        });
    }
    let mut answers = Vec::new();
    while let Some(of_client) = clients.join_next().await {
        answers.extend(of_client.unwrap());
    }
    Load {
        answers,
        took: started.elapsed(),
    }
}
