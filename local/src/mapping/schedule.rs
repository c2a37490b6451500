//! A schedule that invokes a function, and the sweep that DynamoDB does in the background.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::host::{Host, short};
use crate::template::{LocalNames, Schedule};

/// How soon after the start a schedule fires first: what a stopped process left is found at once.
const FIRST_AFTER: Duration = Duration::from_secs(1);
/// How often expired items are removed.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// Invokes the function again and again until the host stops.
pub(crate) async fn run(host: Host, schedule: Schedule) {
    let mut wait = FIRST_AFTER.min(schedule.every);
    while !host.is_stopping() {
        tokio::select! {
            () = host.stopped() => return,
            () = tokio::time::sleep(wait) => {}
        }
        let started = Instant::now();
        tokio::select! {
            () = host.stopped() => return,
            () = host.gate.passes(&schedule.package) => {}
        }
        fire(&host, &schedule).await;
        wait = schedule.every.saturating_sub(started.elapsed());
    }
}

/// Invokes the function once, now.
pub(crate) async fn fire(host: &Host, schedule: &Schedule) {
    let started = Instant::now();
    let id = crate::random::uuid(&*host.randomness);
    let event = schedule_event(&host.names, &schedule.name, &id, host.clock.now()).to_string();
    let outcome = match host.functions.invoke(&schedule.package, event).await {
        Ok(_) => "done".to_owned(),
        Err(error) => short(&error),
    };
    host.step(
        &schedule.package,
        outcome,
        "schedule".to_owned(),
        Some(started.elapsed()),
    );
}

/// What EventBridge sends when a rule's time has come.
#[must_use]
pub fn schedule_event(names: &LocalNames, rule: &str, id: &str, at: Timestamp) -> Value {
    json!({
        "version": "0",
        "id": id,
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": names.account,
        "time": at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "region": names.region,
        "resources": [names.arn("events", &format!("rule/{}-{}", names.stack, rule))],
        "detail": {},
    })
}

/// Removes expired items until the host stops.
pub(crate) async fn sweep(host: Host) {
    loop {
        tokio::select! {
            () = host.stopped() => return,
            () = tokio::time::sleep(SWEEP_EVERY) => {}
        }
        let table = host.services.table.clone();
        match tokio::task::spawn_blocking(move || table.sweep_expired()).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::error!(error = %error, "expired items were not removed"),
            Err(error) => tracing::error!(error = %error, "the sweep ended"),
        }
    }
}
