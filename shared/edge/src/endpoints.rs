//! Endpoints of webhooks as workers see them: who there is, and how they fare.

use kith_domain::fact::{Fact, FactKind};
use kith_domain::id::{ProgramId, WebhookId};
use kith_domain::webhook::{
    DisabledReason, ENDPOINTS_MAX, Endpoint, EndpointState, Failing, Fared, heard_of,
};
use kith_store::{ProgramScope, StoreError, Was, keys};

use crate::decide::Undone;
use crate::desk::{Desk, View};
use crate::function::Invocation;
use crate::work::WorkError;

/// Endpoints read at once: all of a program's.
const ENDPOINTS_AT_ONCE: u16 = 100;
const _: () = assert!(ENDPOINTS_MAX <= 100, "one page holds all endpoints");

/// Every endpoint of a program.
///
/// # Errors
/// [`StoreError`].
pub async fn all(view: &View) -> Result<Vec<Endpoint>, StoreError> {
    let partition = keys::webhooks(view.program.id);
    let page = view
        .store
        .partition(&partition, None, false, ENDPOINTS_AT_ONCE)
        .await?;
    Ok(page.items)
}

/// Notes how an endpoint fared, and disables it when it is gone or has failed for days. Many write
/// this and none waits for it: whoever is outdated lets it be, since somebody faster has noted the
/// same, or the next attempt will.
///
/// # Errors
/// [`WorkError`], when the table does not answer.
pub async fn note_fared(
    desk: &Desk,
    invocation: &Invocation,
    (program, webhook): (ProgramId, WebhookId),
    fared: Fared,
) -> Result<(), WorkError> {
    match note(desk, invocation, (program, webhook), fared).await {
        Ok(()) | Err(Undone::Outdated) => Ok(()),
        Err(Undone::Failed(error)) => Err(error),
    }
}

async fn note(
    desk: &Desk,
    invocation: &Invocation,
    (program, webhook): (ProgramId, WebhookId),
    fared: Fared,
) -> Result<(), Undone> {
    let key = keys::webhook_failing(program, webhook);
    let endpoint = keys::webhook(program, webhook);
    let more = [key.clone(), endpoint.clone()];
    let Some(view) = desk.view(invocation, program, more).await? else {
        return Ok(());
    };
    let before = view.loaded.read::<Failing>(&key)?;
    if fared == Fared::Well {
        if before.is_some() {
            let mut commit = view.commit();
            commit.no_failing(program, webhook);
            view.write(commit).await?;
        }
        return Ok(());
    }
    let failing = Failing::after(before.as_ref(), view.now);
    let reason = if fared == Fared::Gone {
        Some(DisabledReason::Gone)
    } else {
        failing
            .is_given_up(view.now)
            .then_some(DisabledReason::Failing)
    };
    let endpoint = view.loaded.read::<Endpoint>(&endpoint)?;
    let endpoint = endpoint.filter(|endpoint| endpoint.state == EndpointState::Active);
    // Taken away or disabled meanwhile: nobody asks any more how it fares.
    let Some(endpoint) = endpoint else {
        return Ok(());
    };
    if let Some(reason) = reason {
        return disable(&view, &endpoint, reason, before.is_some()).await;
    }
    let was = before.map_or(Was::Absent, |before| Was::Version(before.version));
    let mut commit = view.commit();
    commit.failing(program, webhook, &failing, was);
    view.write(commit).await?;
    Ok(())
}

/// Tells an endpoint no more, and those that are left of that.
async fn disable(
    view: &View,
    endpoint: &Endpoint,
    reason: DisabledReason,
    was_failing: bool,
) -> Result<(), Undone> {
    tracing::error!(webhook.id = %endpoint.id, %reason, "the endpoint is disabled");
    let disabled = endpoint.disabled(reason);
    let others = all(view).await?;
    let others = others.iter().filter(|other| other.id != endpoint.id);
    let program = view.program.told_of(heard_of(others));
    let mut commit = view.commit_for(&ProgramScope::from(&program));
    commit
        .webhook(&disabled, Was::Version(endpoint.version))
        .program(&program, Was::Version(view.program.version))
        .fact(Fact {
            webhook_id: Some(endpoint.id),
            ..Fact::new(FactKind::WebhookDisabled)
        });
    if was_failing {
        commit.no_failing(endpoint.program, endpoint.id);
    }
    view.write(commit).await?;
    Ok(())
}
