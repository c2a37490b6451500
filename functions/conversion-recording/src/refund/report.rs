//! What the shop reports of a refund, read from the request.

use kith_domain::id::ProgramId;
use kith_domain::money::Money;
use kith_domain::refund::RefundReason;
use kith_domain::text::{EventName, ExternalId};
use kith_edge::fields::Fields;
use kith_edge::http::{Problem, Request};
use kith_edge::json::{self, Faults, Object};
use kith_store::keys::{self, Key};

/// A refund as it is reported.
pub(crate) struct Report {
    pub(crate) external_id: ExternalId,
    pub(crate) amount: Option<Money>,
    pub(crate) reason: RefundReason,
    pub(crate) excess: Excess,
}

/// What becomes of a refund of more than is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Excess {
    /// Whoever asks for it is told.
    Refused,
    /// It takes what is left: it has happened, and nobody is there to be told.
    Cut,
}

/// What it is a refund of, in the shop's words.
pub(crate) struct Sold {
    pub(crate) event: EventName,
    pub(crate) external_id: ExternalId,
}

impl Sold {
    /// Where the order is, and one of its refunds by its name.
    pub(crate) fn keys(&self, program: ProgramId, refund: &ExternalId) -> [Key; 2] {
        let (event, order) = (&self.event, &self.external_id);
        [
            keys::order(program, event, order),
            keys::refund_of_order(program, event, order, refund),
        ]
    }
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
        excess: Excess::Refused,
    })
}

pub(super) fn read_nothing(request: &Request) -> Result<(), Problem> {
    let mut faults = Fields::no_query(request);
    json::body_or_empty(request)?.finish(&mut faults);
    faults.into_result()
}
