//! What operations cost in money, by the list prices of one day.

use serde::Deserialize;

use crate::workload::Figures;

#[derive(Debug, Deserialize)]
pub(crate) struct Prices {
    pub(crate) date: String,
    pub(crate) region: String,
    pub(crate) excluded: Vec<String>,
    per_million: PerMillion,
    lambda_gb_second: f64,
    assumed: Assumed,
}

#[derive(Debug, Deserialize)]
struct PerMillion {
    write_units: f64,
    read_units: f64,
    http_api_requests: f64,
    lambda_requests: f64,
    sqs_requests: f64,
    mails: f64,
}

/// What cannot be measured without the vendor's services.
#[derive(Debug, Deserialize)]
struct Assumed {
    sqs_requests_per_message: f64,
    table_request_ms: f64,
    mail_request_ms: f64,
    memory_mb_of_a_whole_core: f64,
}

/// How a function is invoked.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way {
    Http,
    /// Alone in its batch, which is the most that a message can cost.
    Queue,
}

impl Prices {
    pub(crate) fn read() -> Self {
        serde_json::from_str(include_str!("prices.json")).unwrap()
    }

    /// Dollars of a million operations.
    pub(crate) fn million(&self, figures: &Figures, way: Way, cpu_us: f64, memory_mb: u64) -> f64 {
        let (each, assumed) = (&self.per_million, &self.assumed);
        let mails = (figures.sdk_calls - figures.requests) as f64;
        let memory_mb = memory_mb as f64;
        // A function gets a share of a core by its memory.
        let share = (memory_mb / assumed.memory_mb_of_a_whole_core).min(1.0);
        let ms = cpu_us / 1_000.0 / share
            + figures.requests as f64 * assumed.table_request_ms
            + mails * assumed.mail_request_ms;
        let gb_seconds = memory_mb / 1_024.0 * ms / 1_000.0;
        let invoked = match way {
            Way::Http => each.http_api_requests,
            Way::Queue => each.sqs_requests * assumed.sqs_requests_per_message,
        };
        each.write_units * (figures.table_units + figures.index_units)
            + each.read_units * figures.read_units
            + each.lambda_requests
            + each.mails * mails
            + invoked
            + self.lambda_gb_second * gb_seconds * 1_000_000.0
    }
}
