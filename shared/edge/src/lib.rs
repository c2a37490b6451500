//! The edges of the bundle: everything between an AWS event and a use case.
//!
//! A function is one [`Function`]: raw JSON in, raw JSON out. [`http`], [`queue`], [`stream`] and
//! [`schedule`] wrap a use case into one; [`serve`] runs it on Lambda, and the local bundle calls
//! the same value in its own process.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::panic,
        reason = "a test stops on the first surprise"
    )
)]

mod decide;
mod environment;
mod function;
mod work;

pub mod audit;
pub mod aws;
pub mod bounded;
pub mod causes;
pub mod config;
pub mod desk;
pub mod endpoints;
pub mod fields;
pub mod http;
pub mod json;
pub mod limits;
pub mod queue;
pub mod schedule;
pub mod sender;
pub mod session;
pub mod signals;
pub mod stream;
pub mod telemetry;
pub mod visitor;

/// How the API writes what the domain knows.
pub use kith_contract::answers as wire;

pub use decide::{Undone, decide, decide_at_most};
pub use environment::{Clock, Environment, Randomness, StartError, SystemClock, SystemRandomness};
pub use function::{BoxFuture, Function, FunctionError, Invocation, serve};
pub use work::{Outcome, WorkError};

/// Items, requests and answers are many small maps and texts: the system's allocator took a third of what a conversion
/// costs in a function, and a quarter of the local bundle's CPU.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;
