//! Programs: make, list, read, change.

use kith_contract::problems::Code;
use kith_domain::audit::ObjectKind;
use kith_domain::fact::{Fact, FactKind};
use kith_domain::id::WebhookId;
use kith_domain::incentive::Incentive;
use kith_domain::program::Program;
use kith_edge::audit::Change;
use kith_edge::desk::View;
use kith_edge::http::{Fault, Problem, Response};
use kith_edge::session::Ended;
use kith_edge::wire;
use kith_store::items::IncentiveIdentity;
use kith_store::keys;
use kith_store::{Commit, ListQuery, ProgramScope, Was};

use crate::call::{Call, filtered};
use crate::scheme;

/// `POST /v1/programs`.
pub(crate) async fn create(call: Call) -> Result<Response, Ended> {
    let (session, (body, faults)) = call.outside(call.body(), |_, _| Vec::new()).await?;
    let now = session.real_now;
    let id = session.desk().id(now);
    let program = scheme::new_program(body, faults, (id, session.caller.mode), now)?;
    scheme::check_size(&program)?;
    // Its first webhook can only be made after it.
    check_webhooks(&program, |_| false)?;
    let scope = ProgramScope::from(&program);
    let mut commit = Commit::new(&scope, now, now, session.desk().random());
    commit.program(&program, Was::Absent);
    for incentive in &program.incentives {
        commit.new_incentive(program.id, incentive);
    }
    commit.fact(Fact::new(FactKind::ProgramUpdated));
    let made = wire::program(&program);
    let change = Change::of(ObjectKind::Program, id)
        .in_program(Some(id))
        .to(&made);
    session
        .finish(commit, change, Response::json(201, &made))
        .await
}

/// `GET /v1/programs`: those of the mode that the caller reaches.
pub(crate) async fn list(call: Call) -> Result<Response, Ended> {
    let query = call.query(|fields, faults| call.paging(fields, faults));
    let (session, paging) = call.outside(query, |_, _| Vec::new()).await?;
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
    let (_, view, ()) = call.program(call.no_query(), |(), _, _| Vec::new()).await?;
    Ok(Response::json(200, &wire::program(&view.program)))
}

/// `PATCH P`.
pub(crate) async fn change(call: Call) -> Result<Response, Ended> {
    let (session, mut view, (body, faults)) =
        call.program(call.body(), |_, _, _| Vec::new()).await?;
    call.if_match(view.program.version)?;
    let mut next = scheme::patched(body, faults, &view.program, view.now)?;
    if next == view.program {
        let answer = Response::json(200, &wire::program(&next));
        return session.unchanged(answer).await;
    }
    let identities = identities(&mut view, &mut next).await?;
    scheme::check_size(&next)?;
    let named = named_webhooks(&next).map(|(_, webhook)| keys::webhook(next.id, webhook));
    view.load(named.collect::<Vec<_>>()).await?;
    let known = |webhook| view.loaded.item(&keys::webhook(next.id, webhook)).is_some();
    check_webhooks(&next, known)?;
    let changed = wire::program(&next);
    let mut commit = view.commit_for(&ProgramScope::from(&next));
    commit.program(&next, Was::Version(view.program.version));
    for (incentive, identity) in next.incentives.iter().zip(identities) {
        match identity {
            Identity::Kept => {}
            Identity::New => {
                commit.new_incentive(next.id, incentive);
            }
            Identity::FirstBudget => {
                commit.first_budget(next.id, incentive);
            }
        }
    }
    commit.fact(Fact::new(FactKind::ProgramUpdated));
    let change = Change::of(ObjectKind::Program, next.id)
        .from(&wire::program(&view.program))
        .to(&changed);
    session
        .finish(commit, change, Response::json(200, &changed))
        .await
}

/// The webhooks that carry rewards out, and the places of their incentives.
fn named_webhooks(program: &Program) -> impl Iterator<Item = (usize, WebhookId)> {
    let rules = program
        .incentives
        .iter()
        .map(|incentive| incentive.fulfilment);
    let named = rules.enumerate();
    named.filter_map(|(index, rule)| rule.map(|rule| (index, rule.webhook)))
}

/// Refuses incentives whose rewards nobody would carry out.
fn check_webhooks(program: &Program, known: impl Fn(WebhookId) -> bool) -> Result<(), Problem> {
    let unknown = named_webhooks(program).filter(|(_, webhook)| !known(*webhook));
    let fault = |(index, _)| {
        let pointer = format!("/incentives/{index}/fulfilment/webhook_id");
        Fault::new(pointer, "there is no such webhook")
    };
    let faults: Vec<Fault> = unknown.map(fault).collect();
    if faults.is_empty() {
        return Ok(());
    }
    Err(Problem::invalid_request(faults))
}

/// What becomes of what an incentive's id stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Identity {
    /// It stays.
    Kept,
    /// The id was never used in this program.
    New,
    /// It gets its first budget.
    FirstBudget,
}

/// What the ids of the incentives stand for, in their order; fixes the counters of their budgets.
async fn identities(view: &mut View, next: &mut Program) -> Result<Vec<Identity>, Ended> {
    let program = next.id;
    let known = view.program.incentives.clone();
    let changed = |incentive: &&Incentive| !known.contains(incentive);
    let key = |incentive: &Incentive| keys::incentive(program, &incentive.id);
    let wanted = next.incentives.iter().filter(changed).map(key);
    view.load(wanted.collect::<Vec<_>>()).await?;
    let mut identities = Vec::with_capacity(next.incentives.len());
    let mut faults = Vec::new();
    for (index, incentive) in next.incentives.clone().iter().enumerate() {
        if known.contains(incentive) {
            identities.push(Identity::Kept);
            continue;
        }
        let identity: Option<IncentiveIdentity> = view.loaded.read(&key(incentive))?;
        let shards = identity.as_ref().map_or(0, |known| known.budget_shards);
        let fixed = scheme::fix_shards(next, index, shards);
        identities.push(match identity {
            None => Identity::New,
            Some(_) if fixed => Identity::FirstBudget,
            Some(_) => Identity::Kept,
        });
        if let Some(known) = identity.filter(|known| !known.is_of(incentive)) {
            let detail = format!(
                "this id stands for {} to the {}",
                known.reward_kind, known.beneficiary
            );
            faults.push(Fault::new(format!("/incentives/{index}"), detail));
        }
    }
    if faults.is_empty() {
        return Ok(identities);
    }
    Err(Problem::of(
        Code::IncentiveDiffers,
        "An incentive's id keeps its kind and its beneficiary for ever.",
    )
    .with_errors(faults)
    .into())
}
