//! The whole bundle on one machine: the real functions in one process, around an embedded table,
//! queues and a mail catcher, wired as `template.yaml` says.
//!
//! [`Bundle::start`] is all of it. What AWS does between functions is here ([`gateway`], the
//! mappings of queues, stream and schedule), and so is what AWS is made of ([`table`], [`queues`],
//! [`mail`]); the SDK of a function reaches it without sockets through [`services`]. Nothing here
//! knows a rule of the business, and nothing here behaves as AWS would not.

pub mod bundle;
pub mod command;
pub mod console;
pub mod demo;
pub mod functions;
pub mod gateway;
pub mod guard;
mod host;
pub mod listen;
pub mod logs;
pub mod mail;
pub mod mapping;
pub mod queues;
mod random;
mod registry;
pub mod roles;
mod secrets;
pub mod services;
pub mod state;
pub mod table;
pub mod template;

pub use bundle::{Bundle, BundleError, Options, Parts, Place};
pub use host::{Duplicates, Step, StepSink};
pub use registry::registry;
