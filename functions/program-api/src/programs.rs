//! Programs: make, list, read, change.

use kith_domain::api_key::Scope;
use kith_domain::fact::{Fact, FactKind};
use kith_domain::incentive::Incentive;
use kith_domain::program::Program;
use kith_edge::desk::View;
use kith_edge::http::{Fault, Problem, Response};
use kith_edge::session::Ended;
use kith_edge::wire;
use kith_store::items::IncentiveIdentity;
use kith_store::keys;
use kith_store::{Commit, ListQuery, ProgramScope, Was};

use crate::call::{Call, filtered, operator_only};
use crate::scheme;

/// `POST /v1/programs`.
pub(crate) async fn create(call: Call) -> Result<Response, Ended> {
    let (session, (body, faults)) = call
        .outside(Scope::ProgramsWrite, call.body(), |_, _| Vec::new())
        .await?;
    operator_only(&session)?;
    let now = session.real_now;
    let id = session.desk().id(now);
    let program = scheme::new_program(body, faults, (id, session.caller.mode), now)?;
    let scope = ProgramScope::from(&program);
    let mut commit = Commit::new(&scope, now, now, session.desk().random());
    commit.program(&program, Was::Absent);
    for incentive in &program.incentives {
        commit.new_incentive(program.id, incentive);
    }
    commit.fact(Fact::new(FactKind::ProgramUpdated));
    let answer = Response::json(201, &wire::program(&program));
    session.finish(commit, answer).await
}

/// `GET /v1/programs`: those of the mode that the caller reaches.
pub(crate) async fn list(call: Call) -> Result<Response, Ended> {
    let query = call.query(|fields, faults| call.paging(fields, faults));
    let (session, paging) = call
        .outside(Scope::ProgramsRead, query, |_, _| Vec::new())
        .await?;
    let mode = session.caller.mode;
    let (programs, next) = match session.caller.program {
        Some(own) => {
            let own = session.store.get_one::<Program>(keys::program(own)).await?;
            (own.into_iter().collect(), None)
        }
        None => {
            let query = paging.over(|limit| ListQuery::programs(mode, limit));
            filtered(&session.store, query, id_of, |_| true).await?
        }
    };
    let data = programs.iter().map(wire::program).collect();
    Ok(call.listed(data, next.as_deref()))
}

fn id_of(program: &Program) -> String {
    program.id.to_string()
}

/// `GET P`.
pub(crate) async fn read(call: Call) -> Result<Response, Ended> {
    let (_, view, ()) = call
        .program(Scope::ProgramsRead, call.no_query(), |(), _, _| Vec::new())
        .await?;
    Ok(Response::json(200, &wire::program(&view.program)))
}

/// `PATCH P`.
pub(crate) async fn change(call: Call) -> Result<Response, Ended> {
    let (session, mut view, (body, faults)) = call
        .program(Scope::ProgramsWrite, call.body(), |_, _, _| Vec::new())
        .await?;
    call.if_match(view.program.version)?;
    let next = scheme::patched(body, faults, &view.program, view.now)?;
    let answer = Response::json(200, &wire::program(&next));
    if next == view.program {
        return session.finish(session.commit(), answer).await;
    }
    let new = new_incentives(&mut view, &next).await?;
    let mut commit = view.commit_for(&ProgramScope::from(&next));
    commit.program(&next, Was::Version(view.program.version));
    for incentive in new {
        commit.new_incentive(next.id, incentive);
    }
    commit.fact(Fact::new(FactKind::ProgramUpdated));
    session.finish(commit, answer).await
}

/// The incentives whose ids were never used in this program.
async fn new_incentives<'a>(
    view: &mut View,
    next: &'a Program,
) -> Result<Vec<&'a Incentive>, Ended> {
    let program = next.id;
    let key = |incentive: &Incentive| keys::incentive(program, &incentive.id);
    let changed = |incentive: &&Incentive| !view.program.incentives.contains(incentive);
    let changed: Vec<&Incentive> = next.incentives.iter().filter(changed).collect();
    view.load(changed.iter().map(|incentive| key(incentive)))
        .await?;
    let mut new = Vec::new();
    let mut faults = Vec::new();
    for (index, incentive) in next.incentives.iter().enumerate() {
        if !changed.contains(&incentive) {
            continue;
        }
        match view.loaded.read::<IncentiveIdentity>(&key(incentive))? {
            None => new.push(incentive),
            Some(known) if known == IncentiveIdentity::from(incentive) => {}
            Some(known) => faults.push(Fault::new(
                format!("/incentives/{index}"),
                format!(
                    "this id stands for {} to the {}",
                    known.reward_kind, known.beneficiary
                ),
            )),
        }
    }
    if faults.is_empty() {
        return Ok(new);
    }
    Err(Problem::conflict(
        "incentive_differs",
        "An incentive's id keeps its kind and its beneficiary for ever.",
    )
    .with_errors(faults)
    .into())
}
