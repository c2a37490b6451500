//! What stands before the functions on AWS: an API Gateway HTTP API with payload format 2.0.

mod answer;
mod event;
mod front;
mod routes;

pub use answer::{Answer, answer_of, refusal};
pub use event::{Caller, event_of};
pub(crate) use front::{Front, serve};
pub use routes::{Match, Routes};

/// The largest body that the gateway takes: 10 MB.
pub const BODY_BYTES_MAX: usize = 10_000_000;
/// The most bytes of a request line and the values of its headers together.
pub const HEAD_BYTES_MAX: usize = 10_240;
/// The longest the gateway waits for a function.
pub const INTEGRATION_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(30);
