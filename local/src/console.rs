//! What the local command prints: where things are, then one line per step.

use std::io::{self, Write};
use std::path::Path;

use jiff::Timestamp;

use crate::bundle::Bundle;
use crate::guard::OWNER;
use crate::host::Step;

/// Prints a line. A reader that has gone away is no reason to stop.
pub fn line(text: &str) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// Prints where everything is.
pub fn ready(bundle: &Bundle, data: Option<&Path>) {
    let url = bundle.base_url();
    let (live, test) = (bundle.operator_key(), bundle.test_operator_key());
    line("Kith is ready. Ctrl-C ends it.\n");
    line(&format!("  API      {url}/v1"));
    line(&format!(
        "  links    {url}/r/CODE   (test programs: {url}/t/CODE)"
    ));
    line(&format!("  mail     {url}/local/mail"));
    line(&format!(
        "  AWS      {}   (table, queues and mail, for AWS's SDKs; access key: {OWNER})",
        bundle.services_endpoint()
    ));
    match data {
        Some(folder) => line(&format!(
            "  data     {}   (log: {})",
            folder.display(),
            folder.join(LOG_FILE).display()
        )),
        None => line("  data     in memory"),
    }
    line(&format!(
        "\n  operator key, live programs   {}",
        live.unwrap_or("none")
    ));
    line(&format!(
        "  operator key, test programs   {}\n",
        test.unwrap_or("none")
    ));
}

/// The log's name within the data folder.
pub const LOG_FILE: &str = "kith.log";

/// Prints a step; health checks are left out.
pub fn step(step: &Step) {
    if step.subject.ends_with(" /healthz") {
        return;
    }
    let took = step
        .duration
        .map(|duration| format!("{} ms", duration.as_millis()))
        .unwrap_or_default();
    line(&format!(
        "{}  {:<20} {:<9} {took:>8}  {}",
        time_of_day(step.at),
        step.function,
        step.outcome,
        step.subject
    ));
}

/// Hours, minutes, seconds and milliseconds, in UTC.
#[must_use]
pub fn time_of_day(at: Timestamp) -> String {
    at.strftime("%H:%M:%S.%3f").to_string()
}
