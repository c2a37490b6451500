//! Whole-bundle tests: black box over HTTP, on the local host, and what cannot be seen from there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test stops on the first surprise"
)]

mod api;
mod audit;
mod books;
mod bounds;
mod built;
mod bulk;
mod chain;
mod contract;
mod conversions;
mod costs;
mod deliveries;
#[path = "../chaos/dice.rs"]
#[allow(dead_code, reason = "the simulation uses more of it")]
mod dice;
mod documented;
mod earning;
mod exports;
mod feed;
mod fulfilment;
mod guards;
mod headers;
mod histories;
mod hostile;
mod idempotency;
mod incentives;
mod internals;
mod isolation;
mod keys;
mod kill;
mod lambda_reality;
mod lifecycle;
mod limits;
mod links;
mod merges;
mod money;
mod operations;
mod order_sources;
mod orders;
mod payouts;
mod people;
mod refunds;
mod reviews;
mod rewards;
mod roles;
mod runbook;
mod runtime_api;
mod samples;
mod shop;
mod store;
mod support;
mod tidy;
mod tour;
mod webhooks;
mod workers;
#[path = "../benches/cost/workload/mod.rs"]
#[allow(dead_code, reason = "the harness uses more of it")]
mod workload;
mod world;
