//! Records what a message tells, step by step, each as the API's own call would.

use kith_connectors::orders::{PaidBack, PaidOrder, Step};
use kith_domain::conversion::{Conversion, check_occurred_at};
use kith_domain::mode::Mode;
use kith_domain::order_source::OrderSource;
use kith_domain::refund::Refund;
use kith_domain::text::{ExternalId, Metadata};
use kith_edge::audit::Change;
use kith_edge::desk::View;
use kith_edge::http::{Problem, Response};
use kith_edge::session::{Ended, Session};
use kith_store::Was;
use kith_store::items::Order;
use kith_store::keys::{self, Key};

use super::End;
use crate::Recording;
use crate::record::record_report;
use crate::refund::{Excess, Sold, first_name, refund_named, refund_told, reverse_told};
use crate::report::{RefereeReport, Report, opened};

/// What steps are recorded with.
pub(super) struct Recorder<'a> {
    pub(super) recording: &'a Recording,
    pub(super) session: &'a Session,
    pub(super) source: &'a OrderSource,
    /// The program, its clock and the source. Each step goes on from here: what one step has written, the next one reads.
    pub(super) view: &'a View,
}

impl Recorder<'_> {
    /// Records the steps in their order. One that is refused does not hold up the others.
    pub(super) async fn record(&self, steps: &[Step]) -> Result<End, Ended> {
        let mut all: Option<End> = None;
        let known = self.names(steps).await?;
        for step in steps {
            let step = match step {
                Step::Order(order) => self.order(order).await,
                Step::Refund(refund) if known.contains(&refund.id) => Ok(End::recorded()),
                Step::Refund(refund) => self.refund(refund).await,
                Step::Reversal { order, refund } => self.reversal(order, refund).await,
                Step::Name { order, also } => self.name(order, also).await,
            };
            let step = step?;
            all = Some(match all {
                Some(before) => before.or(step),
                None => step,
            });
        }
        let nothing = || End::ignored("nothing", "There is nothing to record.", false);
        Ok(all.unwrap_or_else(nothing))
    }

    /// Which of many refunds of an order are recorded: shop systems tell them all again with each change.
    async fn names(&self, steps: &[Step]) -> Result<Vec<ExternalId>, Ended> {
        let refunds = steps.iter().filter_map(|step| match step {
            Step::Refund(refund) if refund.only_of_known => Some(refund),
            Step::Order(_) | Step::Refund(_) | Step::Reversal { .. } | Step::Name { .. } => None,
        });
        let program = self.view.program.id;
        let event = &self.source.event;
        let key =
            |refund: &PaidBack| keys::refund_of_order(program, event, &refund.order, &refund.id);
        let wanted: Vec<(&PaidBack, Key)> = refunds.map(|refund| (refund, key(refund))).collect();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let loaded = self
            .view
            .store
            .get(wanted.iter().map(|(_, key)| key.clone()))
            .await?;
        let known = wanted.iter().filter(|(_, key)| loaded.item(key).is_some());
        Ok(known.map(|(refund, _)| refund.id.clone()).collect())
    }

    async fn order(&self, order: &PaidOrder) -> Result<End, Ended> {
        let report = self.report(order);
        let mut view = self.view.clone();
        let program = view.program.id;
        let owners = &self.recording.owners;
        view.load(report.first_keys(program, view.program.mode, owners))
            .await?;
        let answer = record_report(self.recording, self.session, view, &report).await;
        ended(answer)
    }

    /// An order as the API would be told of it.
    fn report(&self, order: &PaidOrder) -> Report {
        let (view, recording) = (self.view, self.recording);
        let program = view.program.id;
        let hash = |email: &kith_domain::email::EmailAddress| {
            email.hash(&recording.identity, &program.to_string())
        };
        // The vendor's time is real time, which a test program's clock is not; and what the API would refuse counts from
        // now.
        let is_live = view.program.mode == Mode::Live;
        let ordered_at = order.ordered_at.filter(|_| is_live);
        let ordered_at = ordered_at.filter(|at| check_occurred_at(*at, view.now).is_ok());
        Report {
            event: self.source.event.clone(),
            external_id: order.id.clone(),
            referee: RefereeReport {
                external_id: order.customer.clone(),
                email: order.email.clone(),
                email_hash: order.email.as_ref().map(hash),
                first_name: None,
                new_customer: None,
            },
            tokens: opened(order.clicks.iter(), program, &recording.tokens),
            codes: order.codes.clone(),
            amount: Some(order.amount),
            occurred_at: ordered_at,
            country: order.country,
            metadata: Metadata::default(),
        }
    }

    async fn refund(&self, refund: &PaidBack) -> Result<End, Ended> {
        let mut view = self.view.clone();
        let sold = self.sold(&refund.order);
        view.load(sold.keys(view.program.id, &refund.id)).await?;
        if refund.only_of_known
            && let Some(end) = self.nothing_left(&mut view, refund).await?
        {
            return Ok(end);
        }
        let report = crate::refund::Report {
            external_id: refund.id.clone(),
            amount: refund.amount,
            reason: refund.reason,
            excess: Excess::Cut,
        };
        ended(refund_told(self.session, view, sold, report).await)
    }

    /// Why a refund of what is recorded would take nothing, if so. The order was read.
    async fn nothing_left(&self, view: &mut View, refund: &PaidBack) -> Result<Option<End>, Ended> {
        let program = view.program.id;
        let order = keys::order(program, &self.source.event, &refund.order);
        let order: Order = view.loaded.read(&order)?.unwrap_or_default();
        let Some(id) = order.conversion_id else {
            let detail = "The order is not recorded, and is given back.";
            return Ok(Some(End::ignored("not_recorded", detail, false)));
        };
        let key = keys::conversion(program, id);
        view.load([key.clone()]).await?;
        let conversion: Option<Conversion> = view.loaded.read(&key)?;
        let is_whole = conversion.is_some_and(|conversion| conversion.refunded_whole);
        Ok(is_whole.then(|| {
            let detail = "Nothing is left of the order.";
            End::ignored("nothing_left", detail, false)
        }))
    }

    async fn reversal(&self, order: &ExternalId, name: &ExternalId) -> Result<End, Ended> {
        let mut view = self.view.clone();
        let sold = self.sold(order);
        view.load(sold.keys(view.program.id, name)).await?;
        let sold = first_name(&mut view, sold, name).await?;
        let refund: Option<Refund> = refund_named(&mut view, &sold, name).await?;
        let Some(refund) = refund else {
            let detail = "What was won back is not recorded as taken back.";
            return Ok(End::ignored("nothing_to_reverse", detail, true));
        };
        ended(reverse_told(self.session, view, refund).await)
    }

    /// Notes another name of an order, unless something is known by it already.
    async fn name(&self, order: &ExternalId, also: &ExternalId) -> Result<End, Ended> {
        let mut view = self.view.clone();
        let (program, event) = (view.program.id, &self.source.event);
        let key = keys::order(program, event, also);
        view.load([key.clone()]).await?;
        if view.loaded.item(&key).is_some() {
            return Ok(End::recorded());
        }
        let named = Order {
            same_as: Some(order.clone()),
            version: 1,
            ..Order::default()
        };
        let mut commit = view.commit();
        commit.order(program, event, also, &named, Was::Absent);
        let change = Change::routine();
        ended(
            self.session
                .finish(commit, change, Response::no_content())
                .await,
        )
    }

    fn sold(&self, order: &ExternalId) -> Sold {
        Sold {
            event: self.source.event.clone(),
            external_id: order.clone(),
        }
    }
}

/// What a step came to. What may succeed later, or is our fault, is not an end: the vendor sends it again.
fn ended(answer: Result<Response, Ended>) -> Result<End, Ended> {
    match answer {
        Ok(_) => Ok(End::recorded()),
        Err(Ended::Refused(problem)) if !problem.is_retryable() && problem.status() < 500 => {
            Ok(End::refused(problem.code(), told(&problem)))
        }
        Err(ended) => Err(ended),
    }
}

/// A refusal in one text; none of ours repeats what was sent.
fn told(problem: &Problem) -> String {
    let mut text = problem.detail().to_owned();
    for fault in problem.errors() {
        text.push_str(&format!(" {}: {}.", fault.pointer, fault.detail));
    }
    text
}
