//! Withdrawing rewards that were not issued: what is read for it, and everything that is written.

use std::collections::BTreeMap;

use kith_domain::conversion::Conversion;
use kith_domain::id::{ParticipantId, RewardId};
use kith_domain::incentive::Incentive;
use kith_domain::program::Program;
use kith_domain::reward::Reward;

use crate::commit::Commit;
use crate::counted::CountedFor;
use crate::items::WaitingReward;
use crate::keys;
use crate::store::{Loaded, Store, StoreError};
use crate::writes::Was;

/// What lies beside the rewards of a conversion: the rules that made them, whose limits they count
/// towards, and which of them wait for a code.
#[derive(Debug, Clone)]
pub struct Beside {
    rules: BTreeMap<u64, Program>,
    waiting: BTreeMap<RewardId, WaitingReward>,
    parties: CountedFor,
}

impl Beside {
    /// Reads what lies beside rewards of a conversion.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn load(
        store: &Store,
        conversion: &Conversion,
        rewards: &[Reward],
    ) -> Result<Self, StoreError> {
        let program = conversion.program;
        let mut wanted = Vec::new();
        for reward in rewards {
            wanted.push(keys::scheme(program, reward.scheme_version));
            if let Some(incentive) = &reward.incentive_id {
                wanted.push(keys::waiting_for_voucher(program, incentive, reward.id));
            }
        }
        let chosen = conversion.attribution.chosen.as_ref();
        let parties = CountedFor {
            referrer: chosen.map(|chosen| chosen.referrer_id),
            referee: conversion.referee_id,
        };
        wanted.extend(parties.keys(program));
        let mut loaded = store.get(wanted).await?;
        let (mut rules, mut waiting) = (BTreeMap::new(), BTreeMap::new());
        for reward in rewards {
            let version = reward.scheme_version;
            if let Some(scheme) = loaded.read::<Program>(&keys::scheme(program, version))? {
                rules.insert(version, scheme);
            }
            if let Some(incentive) = &reward.incentive_id {
                let key = keys::waiting_for_voucher(program, incentive, reward.id);
                let found = loaded.read::<WaitingReward>(&key)?;
                waiting.extend(found.map(|found| (reward.id, found)));
            }
        }
        let parties = parties.now(store, program, &mut loaded).await?;
        Ok(Self {
            rules,
            waiting,
            parties,
        })
    }

    fn incentive(&self, reward: &Reward) -> Option<&Incentive> {
        let id = reward.incentive_id.as_ref()?;
        let rules = self.rules.get(&reward.scheme_version)?;
        rules.incentives.iter().find(|rule| rule.id == *id)
    }
}

impl CountedFor {
    /// Where the counters of the parties are.
    pub fn keys(
        &self,
        program: kith_domain::id::ProgramId,
    ) -> impl Iterator<Item = keys::Key> + use<> {
        let parties = self.referrer.into_iter().chain([self.referee]);
        parties.map(move |id| keys::counters(program, id))
    }

    /// The parties as they are now, whose counters were read: whoever was merged is somebody else.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn now(
        self,
        store: &Store,
        program: kith_domain::id::ProgramId,
        loaded: &mut Loaded,
    ) -> Result<Self, StoreError> {
        let referrer: Option<ParticipantId> = match self.referrer {
            Some(id) => Some(store.counted_as(program, loaded, id).await?),
            None => None,
        };
        let referee = store.counted_as(program, loaded, self.referee).await?;
        Ok(Self { referrer, referee })
    }
}

impl Commit {
    /// A reward that was promised is withdrawn: it is held no more, waits for no code, and counts no
    /// more towards limits and budgets. `after` is the reward as it becomes.
    pub fn withdraw(&mut self, before: &Reward, after: &Reward, beside: &Beside) -> &mut Self {
        self.reward(after, Was::Version(before.version));
        if let Some((unit, amount)) = before.value.credit() {
            self.pending(before.beneficiary_id, unit, amount.saturating_neg());
        }
        if let Some((waiting, incentive)) = beside
            .waiting
            .get(&before.id)
            .zip(before.incentive_id.as_ref())
        {
            self.no_longer_waiting(before.program, incentive, waiting);
        }
        if let Some(incentive) = beside.incentive(before) {
            self.give_back(incentive, before, beside.parties);
        }
        self
    }
}
