//! The whole bundle on one machine.

pub mod bundle;
pub mod functions;
pub mod gateway;
mod host;
pub mod mail;
mod mapping;
pub mod queues;
mod random;
mod secrets;
pub mod services;
pub mod state;
pub mod table;
pub mod template;

pub use bundle::{Bundle, BundleError, Options, Place};
pub use host::{Duplicates, Step, StepSink};
