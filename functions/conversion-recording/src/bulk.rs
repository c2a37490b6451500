//! `POST P/conversions/bulk`: every line as `POST P/conversions` has it.

use std::sync::Arc;

use kith_contract::routes::Route;
use kith_domain::email::EmailAddress;
use kith_domain::id::ProgramId;
use kith_edge::Invocation;
use kith_edge::http::bulk::{Bulk, Lines};
use kith_edge::http::{Request, Response};
use kith_edge::session::{Ended, deciding};
use serde_json::Value;

use crate::Recording;
use crate::record::record_conversion;

/// Records many conversions.
pub(crate) async fn record_conversions(
    recording: Arc<Recording>,
    request: Arc<Request>,
    invocation: Invocation,
) -> Result<Response, Ended> {
    let program: ProgramId = request.path_value("program", "program")?;
    let parsed = Lines::read(&request);
    let route: &Route = &kith_contract::routes::RECORD_CONVERSIONS;
    let (_, _, lines) = recording
        .gate
        .open(&request, &invocation, route, program, parsed, |_, _| {
            Vec::new()
        })
        .await?;
    let bulk = Bulk {
        request: &request,
        invocation: &invocation,
        clock: recording.gate.desk().clock(),
        single: Arc::new(deciding(&recording, record_conversion)),
        about,
    };
    Ok(bulk.answer(lines).await)
}

/// Which order a line is about, and which person by every name that is given.
fn about(line: &Value) -> Vec<String> {
    let said =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let order = said(line, "event").zip(said(line, "external_id"));
    let referee = line.get("referee").unwrap_or(&Value::Null);
    let email = said(referee, "email").and_then(|email| email.parse::<EmailAddress>().ok());
    let things = [
        order.map(|(event, id)| format!("order {event} {id}")),
        said(referee, "external_id").map(|id| format!("id {id}")),
        email.map(|email| format!("email {}", email.normalised())),
    ];
    things.into_iter().flatten().collect()
}
