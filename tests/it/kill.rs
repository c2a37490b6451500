//! `kill -9` of the local bundle under load, over and over: nothing that was acknowledged is lost.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::world::{PATIENCE, bakery, purchase, text};

const OPERATOR: &str = "kith_live_kill_test_operator_key_0123456789";
const ROUNDS: u64 = 10;

/// Starts the command on a data folder and waits until it answers.
async fn start(command: &Path, data: &Path, port: u16) -> Child {
    let child = Command::new(command)
        .args(["--port", &port.to_string(), "--data"])
        .arg(data)
        .env("KITH_OPERATOR_KEY", OPERATOR)
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let deadline = Instant::now() + PATIENCE;
    let client = Client::new();
    while client
        .get(format!("http://127.0.0.1:{port}/healthz"))
        .send()
        .await
        .is_err()
    {
        assert!(Instant::now() < deadline, "the bundle does not start");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    child
}

async fn post(client: &Client, url: &str, body: &Value) -> Option<Value> {
    let answer = client
        .post(url)
        .bearer_auth(OPERATOR)
        .json(body)
        .send()
        .await
        .ok()?;
    let good = answer.status().is_success();
    let body = answer.json().await.ok()?;
    good.then_some(body)
}

async fn get(client: &Client, url: &str) -> Value {
    client
        .get(url)
        .bearer_auth(OPERATOR)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_by_kill_9() {
    let command = crate::built::binary("kith-local");
    let data = tempfile::tempdir().unwrap();
    let port = free_port();
    let base = format!("http://127.0.0.1:{port}/v1/programs");
    let client = Client::new();
    let mut child = start(&command, data.path(), port).await;
    let program = post(&client, &base, &bakery()).await.unwrap();
    let base = format!("{base}/{}", text(&program["id"]));
    let ann = post(
        &client,
        &format!("{base}/participants"),
        &json!({"external_id": "ann"}),
    )
    .await
    .unwrap();

    let mut acknowledged = Vec::new();
    for round in 0..ROUNDS {
        let orders: Vec<String> = (0..8)
            .map(|number| format!("order-{round}-{number}"))
            .collect();
        let load = join_all(orders.iter().map(|order| {
            let body = purchase(order, json!({"codes": [ann["code"]]}));
            let (client, url) = (client.clone(), format!("{base}/conversions"));
            async move {
                post(&client, &url, &body)
                    .await
                    .map(|answer| text(&answer["id"]).to_owned())
            }
        }));
        // A moment that differs from round to round, from the first request to well behind the last.
        let moment = Duration::from_millis(20 + round * 70);
        let (answers, ()) = tokio::join!(load, async {
            tokio::time::sleep(moment).await;
            child.start_kill().unwrap();
        });
        child.wait().await.unwrap();
        acknowledged.extend(answers.into_iter().flatten());
        child = start(&command, data.path(), port).await;
    }
    assert!(!acknowledged.is_empty(), "no round acknowledged anything");

    let deadline = Instant::now() + PATIENCE;
    for id in &acknowledged {
        loop {
            let conversion = get(&client, &format!("{base}/conversions/{id}")).await;
            let rewards = conversion["rewards"].as_array().unwrap();
            assert!(!rewards.is_empty(), "{conversion}");
            if rewards.iter().all(|reward| reward["state"] == "issued") {
                break;
            }
            assert!(
                Instant::now() < deadline,
                "rewards do not arrive: {conversion}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    eprintln!(
        "{} of {} conversions were acknowledged before a kill",
        acknowledged.len(),
        ROUNDS * 8
    );
    child.start_kill().unwrap();
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}
