//! The budgets of an event's incentives: what was used of them, and who is told when one is spent.

use std::collections::BTreeSet;

use kith_domain::fact::{Fact, FactKind};
use kith_domain::id::ConversionId;
use kith_domain::incentive::Skipped;
use kith_domain::program::Program;
use kith_domain::text::{EventName, Slug};
use kith_edge::desk::View;
use kith_store::CommitError;
use kith_store::items::Exhausted;
use kith_store::keys::{self, Key};

/// Everything that is counted of the budgets that rewards of an event count towards now, and whether
/// it was told that one of them is spent.
pub(crate) fn keys(rules: &Program, event: &EventName, view: &View) -> Vec<Key> {
    let program = view.program.id;
    let mut wanted = Vec::new();
    for incentive in rules.incentives.iter().filter(|one| &one.on == event) {
        for budget in incentive.budgets(view.now) {
            let shard = |shard| keys::budget(program, &incentive.id, &budget.window, shard);
            wanted.extend((0..budget.shards).map(shard));
            wanted.push(keys::budget_exhausted(
                program,
                &incentive.id,
                &budget.window,
            ));
        }
    }
    wanted
}

/// Budgets that could not pay for a reward, of which nobody was told yet.
#[derive(Debug, Default)]
pub(crate) struct Spent {
    windows: BTreeSet<(Slug, String)>,
}

impl Spent {
    /// Those among what was skipped.
    pub(crate) fn among(view: &View, skipped: &[Skipped]) -> Self {
        let windows = skipped.iter().filter_map(|skipped| {
            let window = skipped.budget.clone()?;
            let key = keys::budget_exhausted(view.program.id, &skipped.incentive_id, &window);
            let told = view.loaded.read::<Exhausted>(&key);
            matches!(told, Ok(None)).then(|| (skipped.incentive_id.clone(), window))
        });
        Self {
            windows: windows.collect(),
        }
    }

    /// Tells of them, each once. It is not part of the conversion's transaction: all who come when a
    /// budget is spent would wait for one another there. Whoever skips a reward next tells it, should
    /// this be lost.
    pub(crate) async fn tell(&self, view: &View, conversion: ConversionId, event: &EventName) {
        for (incentive, window) in &self.windows {
            let mut commit = view.commit();
            commit.budget_exhausted(view.program.id, incentive, window);
            commit.fact(Fact {
                conversion_id: Some(conversion),
                event: Some(event.clone()),
                rule_id: Some(incentive.clone()),
                ..Fact::new(FactKind::BudgetExhausted)
            });
            match view.write(commit).await {
                // Somebody else told it first.
                Ok(_) | Err(CommitError::Refused(_)) => {}
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "that a budget is spent was not told");
                }
            }
        }
    }
}
