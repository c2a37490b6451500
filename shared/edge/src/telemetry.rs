//! Logs as JSON lines and metrics in CloudWatch's embedded metric format, both on standard output.
//!
//! Log lines carry ids, never personal data: no mail address, name, network address, token or body.

use tracing_subscriber::filter::LevelFilter;

/// Starts logging for this process: JSON lines, level `INFO` and above. A second call has no effect.
pub fn start() {
    let _ = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_target(false)
        .with_max_level(LevelFilter::INFO)
        .try_init();
}
