//! What operations cost, and how fast they are. Printed for people; nothing passes or fails by it.
//!
//! ```text
//! cargo bench -p kith-tests --bench cost                 requests and capacity, then throughput
//! cargo bench -p kith-tests --bench cost -- capacity     table requests and capacity units only
//! cargo bench -p kith-tests --bench cost -- throughput   requests a second of the local bundle only
//! cargo bench -p kith-tests --bench cost -- floor        init, CPU, memory and size beside the floor
//! cargo bench -p kith-tests --bench cost -- floor-again  the same of the binaries that are there
//! ```
//!
//! `floor` builds what is shipped (`--profile lambda`), which takes minutes. Capacity does not
//! depend on the profile: `cargo bench --profile dev …` saves the wait for that one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::float_arithmetic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::print_stdout,
    reason = "a harness prints what it measured and stops on the first surprise"
)]

mod capacity;
mod floor;
mod meter;
mod page;
#[path = "../../it/runtime_api.rs"]
#[allow(dead_code, reason = "the tests use the rest of it")]
mod runtime_api;
mod shop;
mod throughput;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo bench` says so; `cargo test` does not, and gets nothing.
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("run me with cargo bench");
        return;
    }
    let named: Vec<&str> = arguments
        .iter()
        .map(String::as_str)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let is_wanted = |part: &str, by_default: bool| {
        if named.is_empty() {
            by_default
        } else {
            named.contains(&part)
        }
    };
    if is_wanted("capacity", true) {
        capacity::run().await;
    }
    if is_wanted("throughput", true) {
        throughput::run().await;
    }
    if is_wanted("floor", false) {
        floor::run(true).await;
    }
    if is_wanted("floor-again", false) {
        floor::run(false).await;
    }
}
