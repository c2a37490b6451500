//! `POST P/conversions`.

use std::sync::Arc;

use kith_contract::problems::Code;
use kith_contract::routes;
use kith_domain::attribution::{self, Attribution, Evidence};
use kith_domain::conversion::{CodeIs, CodeUse, Conversion, ConversionState, check_occurred_at};
use kith_domain::fact::{Fact, FactKind};
use kith_domain::id::{ConversionId, ProgramId};
use kith_domain::program::Program;
use kith_domain::reward::Reward;
use kith_edge::Invocation;
use kith_edge::audit::Change;
use kith_edge::desk::View;
use kith_edge::http::{Fault, Problem, Request, Response};
use kith_edge::session::{Ended, Session};
use kith_edge::wire;
use kith_store::items::Order;
use kith_store::keys;
use kith_store::{StoreError, Was};

use crate::Recording;
use crate::decision::{Decision, Inputs};
use crate::find::Search;
use crate::parties::{Referee, record};
use crate::refund::{Waiting, refunds_of};
use crate::report::Report;
use crate::vouchers::Named;

/// How many earlier versions of the rules are read at once.
const VERSIONS_AT_ONCE: u64 = 20;

/// Records a conversion, or answers a repetition with what is recorded. A repetition that brings a
/// touch to an unattributed conversion attributes it.
pub(crate) async fn record_conversion(
    recording: Arc<Recording>,
    request: Arc<Request>,
    invocation: Invocation,
) -> Result<Response, Ended> {
    let program: ProgramId = request.path_value("program", "program")?;
    let parsed = Report::read(&request, program, &recording.tokens, &recording.identity);
    let (session, view, report) = recording
        .gate
        .open(
            &request,
            &invocation,
            &routes::RECORD_CONVERSION,
            program,
            parsed,
            |report, mode| report.first_keys(program, mode, &recording.owners),
        )
        .await?;
    record_report(&recording, &session, view, &report).await
}

/// Records what is reported, whoever reports it. The report's first keys were read.
pub(crate) async fn record_report(
    recording: &Recording,
    session: &Session,
    mut view: View,
    report: &Report,
) -> Result<Response, Ended> {
    let order = keys::order(view.program.id, &report.event, &report.external_id);
    let order = view.loaded.read::<Order>(&order)?.unwrap_or_default();
    match order.conversion_id {
        Some(id) => {
            let known = load(&mut view, id).await?;
            repeat(recording, session, view, report, known).await
        }
        None => record_new(recording, session, view, report, &order).await,
    }
}

async fn record_new(
    recording: &Recording,
    session: &Session,
    mut view: View,
    report: &Report,
    order: &Order,
) -> Result<Response, Ended> {
    let order_was = match order.version {
        0 => Was::Absent,
        version => Was::Version(version),
    };
    let occurred_at = report.occurred_at.unwrap_or(view.now);
    check_occurred_at(occurred_at, view.now).map_err(|error| {
        Problem::invalid_request(vec![Fault::new("/occurred_at", error.to_string())])
    })?;
    let waiting = Waiting::load(&mut view, order).await?;
    let (referee, named) = involved(recording, session, &mut view, report).await?;
    let rules = rules_at(&view, occurred_at).await?;
    let conversion = Conversion {
        id: view.id(),
        program: view.program.id,
        content: report.content(),
        state: ConversionState::Unattributed,
        occurred_at,
        recorded_at: view.now,
        recorded_by: Some(session.recorded_by()),
        referee_id: referee.person.id,
        referral_id: None,
        attribution: nothing_yet(&rules),
        reward_ids: Vec::new(),
        skipped: Vec::new(),
        codes: code_uses(&view, report, &named)?,
        number: None,
        referral_number: None,
        referees: None,
        upline: Vec::new(),
        bound_at: None,
        new_customer: report.referee.new_customer,
        refunded: 0,
        refund_ids: Vec::new(),
        refunded_whole: false,
        review: None,
        scheme_version: rules.version,
        version: 0,
    };
    let search = Search {
        event: &report.event,
        occurred_at,
        rules: &rules,
        referee: &referee,
        named: &named,
    };
    let (attribution, found) = search.by_evidence(recording, &mut view, report).await?;
    let mut commit = view.commit();
    referee.write(&mut commit, &report.referee);
    if referee.was == Was::Absent {
        let joined = Fact {
            participant_id: Some(referee.person.id),
            ..Fact::new(FactKind::ParticipantCreated)
        };
        commit.fact(joined);
    } else {
        commit.not_merged(referee.person.id);
    }
    named.write(&view, &mut commit, &conversion)?;
    let Some(found) = found else {
        let mut conversion = Conversion {
            attribution,
            version: 1,
            ..conversion
        };
        let counted = (&rules, &referee.counters);
        let met = waiting.meet(&view, counted, &mut conversion, &mut []);
        commit.new_conversion(&conversion, order_was).fact(Fact {
            conversion_id: Some(conversion.id),
            referee_id: Some(conversion.referee_id),
            event: Some(conversion.content.event.clone()),
            amount: conversion.content.amount,
            ..Fact::new(FactKind::ConversionRecorded)
        });
        met.write(&mut commit, &conversion);
        let answer = wire::conversion_with_refunds(&conversion, &[], met.refunds());
        return session
            .finish(commit, Change::routine(), Response::json(201, &answer))
            .await;
    };
    let inputs = Inputs {
        view: &view,
        rules: &rules,
        referee: &referee,
        named: &named,
        found: &found,
        waiting: &waiting,
    };
    let decision = Decision::make(&inputs, conversion, attribution);
    commit.new_conversion(decision.conversion(), order_was);
    decision.write(&inputs, &mut commit, FactKind::ConversionRecorded);
    let (conversion, rewards) = (decision.conversion(), decision.rewards());
    let answer = wire::conversion_with_refunds(conversion, rewards, decision.refunds());
    let answer = session
        .finish(commit, Change::routine(), Response::json(201, &answer))
        .await?;
    decision.tell(&view).await;
    Ok(answer)
}

/// The referee, and the vouchers that are named with what stands behind them.
async fn involved(
    recording: &Recording,
    session: &Session,
    view: &mut View,
    report: &Report,
) -> Result<(Referee, Named), Ended> {
    let mut named = Named::among(view, &report.codes)?;
    let behind = named.behind(view.program.id);
    let (identity, by) = (&recording.identity, session.recorded_by());
    let referee = Referee::find(view, (&report.referee, by), identity, behind).await?;
    named.read(view)?;
    Ok((referee, named))
}

async fn repeat(
    recording: &Recording,
    session: &Session,
    mut view: View,
    report: &Report,
    (conversion, rewards): (Conversion, Vec<Reward>),
) -> Result<Response, Ended> {
    let differences = conversion
        .content
        .differences(conversion.occurred_at, &report.content());
    if !differences.is_empty() {
        let faults = differences
            .into_iter()
            .map(|at| Fault::new(at, "differs from what is recorded"));
        return Err(Problem::of(
            Code::ConversionDiffers,
            "This event and external id are recorded with another content.",
        )
        .with_errors(faults.collect())
        .into());
    }
    let refunds = refunds_of(&mut view, &conversion).await?;
    let known = || {
        let answer = wire::conversion_with_refunds(&conversion, &rewards, &refunds);
        Response::json(200, &answer)
    };
    let brings_touch = !report.tokens.is_empty() || !report.codes.is_empty();
    if conversion.state != ConversionState::Unattributed || !brings_touch {
        return session.unchanged(known()).await;
    }
    let (referee, named) = involved(recording, session, &mut view, report).await?;
    let rules = rules_at(&view, conversion.occurred_at).await?;
    let search = Search {
        event: &report.event,
        occurred_at: conversion.occurred_at,
        rules: &rules,
        referee: &referee,
        named: &named,
    };
    let (attribution, found) = search.by_evidence(recording, &mut view, report).await?;
    let Some(found) = found else {
        return session.unchanged(known()).await;
    };
    let was = Was::Version(conversion.version);
    let inputs = Inputs {
        view: &view,
        rules: &rules,
        referee: &referee,
        named: &named,
        found: &found,
        waiting: &Waiting::default(),
    };
    let conversion = Conversion {
        codes: code_uses(&view, report, &named)?,
        new_customer: conversion.new_customer.or(report.referee.new_customer),
        ..conversion
    };
    let decision = Decision::make(&inputs, conversion, attribution);
    let mut commit = view.commit();
    referee.write(&mut commit, &report.referee);
    named.write(&view, &mut commit, decision.conversion())?;
    commit.conversion(decision.conversion(), was);
    decision.write(&inputs, &mut commit, FactKind::ConversionAttributed);
    let answer = wire::conversion_with_refunds(decision.conversion(), decision.rewards(), &refunds);
    let answer = session
        .finish(commit, Change::routine(), Response::json(200, &answer))
        .await?;
    decision.tell(&view).await;
    Ok(answer)
}

/// A recorded conversion with its rewards.
pub(crate) async fn load(
    view: &mut View,
    id: ConversionId,
) -> Result<(Conversion, Vec<Reward>), Ended> {
    let program = view.program.id;
    let key = keys::conversion(program, id);
    view.load([key.clone()]).await?;
    let conversion: Conversion = view
        .loaded
        .read(&key)?
        .ok_or_else(|| Problem::internal("an order leads to no conversion"))?;
    let rewards = rewards_of(view, &conversion).await?;
    Ok((conversion, rewards))
}

/// The rewards of a conversion.
pub(crate) async fn rewards_of(
    view: &mut View,
    conversion: &Conversion,
) -> Result<Vec<Reward>, Ended> {
    let program = view.program.id;
    let wanted = conversion
        .reward_ids
        .iter()
        .map(|id| keys::reward(program, *id));
    view.load(wanted.collect::<Vec<_>>()).await?;
    let mut rewards = Vec::new();
    for id in &conversion.reward_ids {
        rewards.extend(view.loaded.read(&keys::reward(program, *id))?);
    }
    Ok(rewards)
}

/// The rules that were in force at an instant: the present ones, or an earlier version.
pub(crate) async fn rules_at(view: &View, at: jiff::Timestamp) -> Result<Program, StoreError> {
    let present = &view.program;
    let mut oldest = present.clone();
    let mut below = present.version;
    while oldest.rules_since > at && below > 1 {
        let from = below.saturating_sub(VERSIONS_AT_ONCE).max(1);
        let versions: Vec<u64> = (from..below).rev().collect();
        let loaded = view
            .store
            .get(
                versions
                    .iter()
                    .map(|version| keys::scheme(present.id, *version)),
            )
            .await?;
        for version in versions {
            if oldest.rules_since <= at {
                break;
            }
            if let Some(earlier) = loaded.read::<Program>(&keys::scheme(present.id, version))? {
                oldest = earlier;
            }
        }
        below = from;
    }
    Ok(oldest)
}

fn nothing_yet(rules: &Program) -> Attribution {
    let evidence = Evidence {
        bond: None,
        offers: &[],
        tokens: &[],
        codes: &[],
        occurred_at: rules.created_at,
    };
    attribution::attribute(rules.attribution, &evidence, |_| {
        attribution::CodeOwner::Unknown
    })
}

/// What each of the reported codes is.
fn code_uses(view: &View, report: &Report, named: &Named) -> Result<Vec<CodeUse>, Ended> {
    let mut uses = Vec::with_capacity(report.codes.len());
    for text in &report.codes {
        let found = match text.parse() {
            Ok(code) => record(view, &code)?,
            Err(_) => None,
        };
        let is = match found {
            _ if named.contains(text) => CodeIs::Voucher,
            Some(record) if record.active => CodeIs::Referral,
            Some(_) => CodeIs::Disabled,
            None => CodeIs::Unknown,
        };
        uses.push(CodeUse {
            code: text.clone(),
            is,
        });
    }
    Ok(uses)
}
