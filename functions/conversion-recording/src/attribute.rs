//! `POST P/conversions/{id}/attribution`: the owner knows better.

use std::sync::Arc;

use kith_contract::answers::More;
use kith_contract::problems::Code;
use kith_contract::routes;
use kith_domain::attribution::{self, ByHand};
use kith_domain::audit::ObjectKind;
use kith_domain::code::ReferralCode;
use kith_domain::conversion::{Conversion, ConversionState};
use kith_domain::fact::FactKind;
use kith_domain::id::{ConversionId, ParticipantId, ProgramId};
use kith_domain::participant::Participant;
use kith_domain::text::Name;
use kith_edge::Invocation;
use kith_edge::audit::Change;
use kith_edge::fields::Fields;
use kith_edge::http::{Fault, Problem, Request, Response};
use kith_edge::json;
use kith_edge::session::Ended;
use kith_edge::wire;
use kith_store::{Was, keys};

use crate::Recording;
use crate::decision::{Decision, Inputs};
use crate::find::{ByHand as Hand, Search, bond_names_present};
use crate::parties::{Referee, record};
use crate::record::rules_at;
use crate::refund::{Waiting, refunds_of};
use crate::vouchers::Named as NamedVouchers;

enum Named {
    Referrer(ParticipantId),
    Code(ReferralCode),
}

struct Order {
    named: Named,
    reason: Name,
}

/// Attributes an unattributed conversion to the referrer that the owner names.
pub(crate) async fn attribute_by_hand(
    recording: Arc<Recording>,
    request: Arc<Request>,
    invocation: Invocation,
) -> Result<Response, Ended> {
    let program: ProgramId = request.path_value("program", "program")?;
    let id: ConversionId = request.path_value("conversion", "conversion")?;
    let parsed = read(&request);
    let (session, mut view, order) = recording
        .gate
        .open(
            &request,
            &invocation,
            &routes::ATTRIBUTE_CONVERSION,
            program,
            parsed,
            |order, mode| {
                let named = match &order.named {
                    Named::Referrer(id) => keys::participant(program, *id),
                    Named::Code(code) => keys::code(mode, code),
                };
                vec![keys::conversion(program, id), named]
            },
        )
        .await?;
    let conversion: Conversion = view
        .loaded
        .read(&keys::conversion(program, id))?
        .ok_or_else(|| Problem::not_found("conversion"))?;
    if conversion.state != ConversionState::Unattributed {
        return Err(Problem::of(Code::AlreadyAttributed, "The conversion has a referrer.").into());
    }
    let referee = Referee::known(&mut view, conversion.referee_id, Vec::new()).await?;
    bond_names_present(&mut view, &referee).await?;
    let (referrer_id, code) = match order.named {
        Named::Referrer(id) => (id, None),
        Named::Code(code) => match record(&view, &code)? {
            Some(found) => (found.participant_id, Some(found.code)),
            None => return Err(unknown("/code", "is not a code of this program")),
        },
    };
    if referee
        .bond
        .as_ref()
        .is_some_and(|bond| bond.referrer_id != referrer_id)
    {
        let detail = "The referee is bound to another referrer.";
        return Err(Problem::of(Code::ReferralExists, detail).into());
    }
    let rules = rules_at(&view, conversion.occurred_at).await?;
    let named = NamedVouchers::default();
    let search = Search {
        event: &conversion.content.event,
        occurred_at: conversion.occurred_at,
        rules: &rules,
        referee: &referee,
        named: &named,
    };
    let found = match search.by_hand(&mut view, referrer_id).await? {
        Hand::Found(found) => found,
        Hand::Nobody => {
            let detail = "is not a participant of this program";
            return Err(unknown("/referrer_id", detail));
        }
        Hand::Loop(referrer) => {
            check(&referee, &referrer, recording.as_ref())?;
            let detail = "The referee stands above the referrer, who cannot refer them.";
            return Err(Problem::of(Code::ReferralLoop, detail).into());
        }
    };
    check(&referee, &found.referrer.0, recording.as_ref())?;
    let reason = order.reason;
    let by_hand = ByHand {
        by: session.actor(),
        reason: reason.clone(),
    };
    let attribution = attribution::by_hand(
        referrer_id,
        code,
        &conversion.attribution,
        view.now,
        by_hand,
    );
    let was = Was::Version(conversion.version);
    let change = Change::of(ObjectKind::Conversion, id)
        .because(&reason)
        .from(&wire::conversion(&conversion, &[]));
    let inputs = Inputs {
        view: &view,
        rules: &rules,
        referee: &referee,
        named: &named,
        found: &found,
        waiting: &Waiting::default(),
    };
    let decision = Decision::make(&inputs, conversion, attribution);
    let mut commit = view.commit();
    commit.conversion(decision.conversion(), was);
    decision.write(&inputs, &mut commit, FactKind::ConversionAttributed);
    let refunds = refunds_of(&mut view, decision.conversion()).await?;
    let answer = wire::conversion_with_refunds(decision.conversion(), decision.rewards(), &refunds);
    let change = change.to(&answer);
    let answer = session
        .finish(commit, change, Response::json(200, &answer))
        .await?;
    decision.tell(&view).await;
    Ok(answer)
}

/// Whether somebody can be the referrer that is named by hand.
fn check(referee: &Referee, referrer: &Participant, recording: &Recording) -> Result<(), Ended> {
    if referee.is(referrer, &recording.identity) {
        return Err(Problem::of(Code::SelfReferral, "The referrer is the referee.").into());
    }
    if let Some(into) = referrer.merged_into {
        let detail = format!("The referrer was merged into {into}.");
        let problem = Problem::of(Code::ParticipantMerged, detail);
        let more = More {
            merged_into: Some(into.into()),
            ..More::default()
        };
        return Err(problem.saying(more).into());
    }
    if !referrer.is_active() {
        return Err(Problem::of(Code::ReferrerSuspended, "The referrer is suspended.").into());
    }
    if referrer.codes.is_empty() {
        let detail = "Whoever refers has a code: add the referrer as a participant first.";
        return Err(Problem::of(Code::ReferrerWithoutCode, detail).into());
    }
    Ok(())
}

fn unknown(pointer: &str, detail: &str) -> Ended {
    Problem::invalid_request(vec![Fault::new(pointer, detail)]).into()
}

fn read(request: &Request) -> Result<Order, Problem> {
    let mut body = json::body(request)?;
    let mut faults = Fields::no_query(request);
    let referrer = body.optional("referrer_id", &mut faults, json::text::<ParticipantId>);
    let code = body.optional("code", &mut faults, json::text::<ReferralCode>);
    let reason = body.required("reason", &mut faults, json::text::<Name>);
    body.finish(&mut faults);
    let named = match (referrer, code) {
        (Some(id), None) => Some(Named::Referrer(id)),
        (None, Some(code)) => Some(Named::Code(code)),
        (Some(_), Some(_)) | (None, None) => {
            if faults.is_empty() {
                faults.add("", "needs either referrer_id or code");
            }
            None
        }
    };
    let (named, reason) = faults.all((named, reason))?;
    Ok(Order { named, reason })
}
