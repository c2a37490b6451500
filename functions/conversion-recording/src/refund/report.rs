//! What the shop reports of a refund, read from the request.

use kith_domain::money::Money;
use kith_domain::refund::RefundReason;
use kith_domain::text::{EventName, ExternalId};
use kith_edge::fields::Fields;
use kith_edge::http::{Problem, Request};
use kith_edge::json::{self, Faults, Object};

/// A refund as it is reported.
pub(super) struct Report {
    pub(super) external_id: ExternalId,
    pub(super) amount: Option<Money>,
    pub(super) reason: RefundReason,
}

/// What it is a refund of, in the shop's words.
pub(super) struct Sold {
    pub(super) event: EventName,
    pub(super) external_id: ExternalId,
}

pub(super) fn read(request: &Request) -> Result<Report, Problem> {
    let mut body = json::body(request)?;
    let mut faults = Fields::no_query(request);
    let report = read_report(&mut body, &mut faults);
    body.finish(&mut faults);
    let (report,) = faults.all((report,))?;
    Ok(report)
}

pub(super) fn read_by_order(request: &Request) -> Result<(Sold, Report), Problem> {
    let mut body = json::body(request)?;
    let mut faults = Fields::no_query(request);
    let report = read_report(&mut body, &mut faults);
    let sold = body.required_object("conversion", &mut faults);
    let sold = sold.and_then(|mut object| {
        let event = object.required("event", &mut faults, json::text::<EventName>);
        let external_id = object.required("external_id", &mut faults, json::text::<ExternalId>);
        object.finish(&mut faults);
        Some(Sold {
            event: event?,
            external_id: external_id?,
        })
    });
    body.finish(&mut faults);
    let (sold, report) = faults.all((sold, report))?;
    Ok((sold, report))
}

fn read_report(body: &mut Object, faults: &mut Faults) -> Option<Report> {
    let external_id = body.required("external_id", faults, json::text::<ExternalId>);
    let amount = body.optional("amount", faults, json::money);
    if amount.is_some_and(|amount| amount.minor == 0) {
        faults.add(body.pointer_to("amount") + "/amount", "must be more than 0");
    }
    let reason = body.optional("reason", faults, json::text::<RefundReason>);
    Some(Report {
        external_id: external_id?,
        amount,
        reason: reason.unwrap_or(RefundReason::Refund),
    })
}

pub(super) fn read_nothing(request: &Request) -> Result<(), Problem> {
    let mut faults = Fields::no_query(request);
    json::body_or_empty(request)?.finish(&mut faults);
    faults.into_result()
}
