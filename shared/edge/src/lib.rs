//! The edges of the bundle: everything between an AWS event and a use case.
//!
//! A function is one [`Function`]: raw JSON in, raw JSON out. [`http`], [`queue`], [`stream`] and
//! [`schedule`] wrap a use case into one; [`serve`] runs it on Lambda, and the local bundle calls
//! the same value in its own process.

mod environment;
mod function;

pub use environment::{Clock, Environment, Randomness, StartError, SystemClock, SystemRandomness};
pub use function::{BoxFuture, Function, FunctionError, Invocation, serve};
pub mod telemetry;
pub mod aws;
mod causes;
pub mod config;
pub mod desk;
pub mod http;
pub mod json;
pub mod session;
pub mod wire;
