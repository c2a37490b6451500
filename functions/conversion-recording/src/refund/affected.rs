//! The rewards of a conversion that a refund or its reversal touches, with everything that lies
//! beside them: the rules that made them, their lots, what their vouchers were used on.

use std::collections::BTreeMap;

use kith_domain::conversion::Conversion;
use kith_domain::fact::{Fact, FactKind};
use kith_domain::id::{ParticipantId, RewardId};
use kith_domain::incentive::{BudgetTake, Incentive, OnRefund, take_from_budget, window_is_over};
use kith_domain::money::{Money, Unit};
use kith_domain::program::Program;
use kith_domain::refund::{
    Adjusted, Counted, Refund, Remains, RewardChange, RewardThen, Worth, adjust, kept, remaining,
    was_used, worth,
};
use kith_domain::reward::{Basis, BudgetShare, Reward, RewardState, RewardValue};
use kith_edge::desk::View;
use kith_edge::http::Problem;
use kith_edge::session::Ended;
use kith_store::items::{Counters, LedgerReason, Lot, Voucher};
use kith_store::keys::{self, Key};
use kith_store::{Commit, CountedFor, Loaded, Was};

use super::standing::Standing;

/// Who changes rewards, and why, for their histories.
pub(super) struct Cause {
    pub(super) by: String,
    pub(super) reason: String,
}

/// The rewards of a conversion, as they were read and as they become.
pub(super) struct Affected {
    rules: Program,
    rewards: Vec<Reward>,
    parties: CountedFor,
    referrer: Counters,
    referee: Counters,
    changed: Vec<Changed>,
}

/// A reward that changes.
struct Changed {
    was: Was,
    adjusted: Adjusted,
    /// The lot as it is written, and as it was.
    lot: Option<(Lot, Option<Lot>)>,
    /// What it takes from budgets when it counts again.
    takes: Vec<BudgetTake>,
}

impl Affected {
    /// Reads the rewards of a conversion, the rules that made them, and the counters of its parties.
    pub(super) async fn load(view: &mut View, conversion: &Conversion) -> Result<Self, Ended> {
        let program = view.program.id;
        let chosen = conversion.attribution.chosen.as_ref();
        let parties = CountedFor {
            referrer: chosen.map(|chosen| chosen.referrer_id),
            referee: conversion.referee_id,
        };
        let counters = |id: ParticipantId| keys::counters(program, id);
        let scheme = keys::scheme(program, conversion.scheme_version);
        let mut wanted: Vec<Key> = conversion
            .reward_ids
            .iter()
            .map(|id| keys::reward(program, *id))
            .collect();
        wanted.extend(parties.keys(program));
        if conversion.scheme_version != view.program.version {
            wanted.push(scheme.clone());
        }
        view.load(wanted).await?;
        let (store, loaded) = (&view.store, &mut view.loaded);
        let parties = parties.now(store, program, loaded).await?;
        let rules = if conversion.scheme_version == view.program.version {
            view.program.clone()
        } else {
            let rules: Option<Program> = view.loaded.read(&scheme)?;
            rules.ok_or_else(|| Problem::internal("a conversion without its rules"))?
        };
        let mut rewards = Vec::with_capacity(conversion.reward_ids.len());
        for id in &conversion.reward_ids {
            rewards.extend(view.loaded.read::<Reward>(&keys::reward(program, *id))?);
        }
        let counted = |id: ParticipantId| Counters::of(view.loaded.item(&counters(id)));
        Ok(Self {
            rules,
            rewards,
            referrer: parties.referrer.map(counted).unwrap_or_default(),
            referee: counted(parties.referee),
            parties,
            changed: Vec::new(),
        })
    }

    /// Brings every reward to what is kept of it when the conversion stands as `after`.
    pub(super) async fn adjust(
        &mut self,
        view: &View,
        after: &Conversion,
        cause: &Cause,
    ) -> Result<Vec<RewardChange>, Ended> {
        let mut changes = Vec::new();
        let touched = self.touched(after);
        let beside = Beside::load(view, &self.rules, &touched).await?;
        for reward in touched {
            let target = target(&self.rules, after, &reward);
            let worth = beside.worth.get(&reward.id).copied();
            let lot = worth.and_then(|worth| beside.lots.get(&(reward.id, worth.unit)));
            let left = lot.map_or(0, |lot| lot.remaining);
            let takes = self.room(view, &beside.loaded, &reward);
            let room = takes.is_some();
            let entry = (view.now, cause.by.as_str(), cause.reason.as_str());
            let Some(adjusted) = adjust(&reward, target, (worth, left), room, entry) else {
                continue;
            };
            changes.push(RewardChange {
                reward_id: reward.id,
                before: RewardThen::from(&reward),
                after: RewardThen::from(&adjusted.reward),
            });
            let lot = lot_after(&reward, lot, &adjusted);
            let was = Was::Version(reward.version);
            self.changed.push(Changed {
                was,
                adjusted,
                lot,
                takes: takes.unwrap_or_default(),
            });
        }
        Ok(changes)
    }

    /// Those that are not where they belong.
    fn touched(&self, after: &Conversion) -> Vec<Reward> {
        let off = |reward: &&Reward| reward.value.number() != target(&self.rules, after, reward);
        self.rewards.iter().filter(off).cloned().collect()
    }

    /// What a reward that was cancelled takes from budgets if it counts again; `None` if its limits or
    /// budgets have no room for it.
    fn room(&self, view: &View, loaded: &Loaded, reward: &Reward) -> Option<Vec<BudgetTake>> {
        let Some(incentive) = incentive_of(&self.rules, reward) else {
            return Some(Vec::new());
        };
        for limit in incentive.limit_uses(reward.created_at) {
            let counters = match self.parties.subject(limit.subject) {
                Some(id) if id == self.parties.referee => &self.referee,
                Some(_) => &self.referrer,
                None => continue,
            };
            let over = window_is_over(&limit.counter, view.now);
            if !over && counters.get(&limit.counter) >= u64::from(limit.cap) {
                return None;
            }
        }
        let mut takes = Vec::new();
        for window in incentive.budgets(reward.created_at) {
            if window_is_over(&format!("{}#{}", incentive.id, window.window), view.now) {
                continue;
            }
            let cost = incentive.cost_of(reward.original)?;
            let cost = self.rules.rates.convert(cost, window.cap.currency)?;
            let used: Vec<i64> = (0..window.shards)
                .map(|shard| {
                    let key = keys::budget(reward.program, &incentive.id, &window.window, shard);
                    used_of(loaded, &key)
                })
                .collect();
            takes.extend(take_from_budget(&window, &used, cost.minor, 0)?);
        }
        Some(takes)
    }

    /// Writes the rewards, what moves with them, and the facts.
    pub(super) fn write(
        &self,
        commit: &mut Commit,
        conversion: &Conversion,
        refund: &Refund,
        reason: LedgerReason,
    ) {
        for changed in &self.changed {
            let adjusted = &changed.adjusted;
            let mut reward = adjusted.reward.clone();
            if adjusted.counted == Counted::Again {
                reward.basis = Some(counted_again(reward.basis.take(), &changed.takes));
            }
            let owner = reward.beneficiary_id;
            commit.reward(&reward, changed.was);
            if let Some((unit, by)) = adjusted.pending {
                commit.pending(owner, unit, by);
            }
            if let Some((lot, was)) = &changed.lot {
                commit.lot(reward.program, owner, lot, was.as_ref());
            }
            if !adjusted.lines.is_empty() {
                commit
                    .ledger(reason, Some(reward.id), &adjusted.lines)
                    .caused_by(refund.id);
            }
            if let Some(incentive) = incentive_of(&self.rules, &reward) {
                match adjusted.counted {
                    Counted::AsBefore => {}
                    Counted::NoMore => {
                        commit.give_back(incentive, &reward, self.parties);
                    }
                    Counted::Again => {
                        commit.count_again(incentive, &reward, self.parties, &changed.takes);
                    }
                }
            }
            commit.fact(Fact {
                refund_id: Some(refund.id),
                amount: refund.amount,
                ..reward_fact(adjusted.fact, conversion, &reward)
            });
        }
    }

    /// Counts the referee as lost, or found again, when the last of their conversions goes or comes back.
    pub(super) fn count_standing(
        &self,
        commit: &mut Commit,
        before: &Conversion,
        after: &Conversion,
    ) {
        Standing::of(&self.referee).count(commit, (before, after), self.parties);
    }
}

/// What lies beside the rewards that change.
struct Beside {
    worth: BTreeMap<RewardId, Worth>,
    lots: BTreeMap<(RewardId, Unit), Lot>,
    loaded: Loaded,
}

impl Beside {
    /// Reads vouchers and budgets; then what the vouchers were used on; then the lots.
    async fn load(view: &View, rules: &Program, rewards: &[Reward]) -> Result<Self, Ended> {
        let program = view.program.id;
        let used = |reward: &&Reward| reward.value.is_voucher() && was_used(reward);
        let vouchers = rewards.iter().filter(used);
        let vouchers = vouchers.filter_map(|reward| reward.voucher_code.as_ref());
        let vouchers: Vec<Key> = vouchers.map(|code| keys::voucher(program, code)).collect();
        let cancelled = |reward: &&Reward| reward.state == RewardState::Cancelled;
        let budgets = rewards
            .iter()
            .filter(cancelled)
            .flat_map(|reward| budget_keys(rules, reward));
        let wanted: Vec<Key> = vouchers.iter().cloned().chain(budgets).collect();
        let mut loaded = view.store.get(wanted).await?;
        let mut named = BTreeMap::new();
        for key in &vouchers {
            if let Some(voucher) = loaded.read::<Voucher>(key)?
                && let Some(id) = voucher.conversion_id
            {
                named.insert(key.clone(), keys::conversion(program, id));
            }
        }
        loaded.extend(view.store.get(named.values().cloned()).await?);
        let mut worths = BTreeMap::new();
        for reward in rewards {
            let key = reward.voucher_code.as_ref();
            let named = key.and_then(|code| named.get(&keys::voucher(program, code)));
            let on: Option<Conversion> = match named {
                Some(key) => loaded.read(key)?,
                None => None,
            };
            let price = on.and_then(|conversion| conversion.content.amount);
            if let Some(worth) = worth_of(rules, reward, price) {
                worths.insert(reward.id, worth);
            }
        }
        let mut places = BTreeMap::new();
        for reward in rewards {
            if let Some(worth) = worths.get(&reward.id)
                && let Some(key) = lot_key(reward, worth.unit)
            {
                places.insert((reward.id, worth.unit), key);
            }
        }
        loaded.extend(view.store.get(places.values().cloned()).await?);
        let mut lots = BTreeMap::new();
        for (place, key) in places {
            if let Some(lot) = loaded.read::<Lot>(&key)? {
                lots.insert(place, lot);
            }
        }
        Ok(Self {
            worth: worths,
            lots,
            loaded,
        })
    }
}

/// What a reward's number comes to, by the rule that made it.
pub(super) fn worth_of(rules: &Program, reward: &Reward, price: Option<Money>) -> Option<Worth> {
    let cost = incentive_of(rules, reward).and_then(|incentive| incentive.unit_cost);
    worth(reward, price, cost)
}

/// The number that is kept of a reward when its conversion stands so.
pub(super) fn target(rules: &Program, conversion: &Conversion, reward: &Reward) -> i64 {
    let original: RewardValue = reward.original;
    let remains = Remains::of(conversion);
    let (policy, minimum_met) = match incentive_of(rules, reward) {
        Some(incentive) => {
            let left = remaining(conversion);
            let met = incentive.minimum_still_met(left, &rules.rates);
            (incentive.on_refund_of(original), met)
        }
        None => (OnRefund::default_of(&original), true),
    };
    kept(original.number(), policy, remains, minimum_met)
}

/// The rule that made a reward.
pub(super) fn incentive_of<'a>(rules: &'a Program, reward: &Reward) -> Option<&'a Incentive> {
    let id = reward.incentive_id.as_ref()?;
    rules
        .incentives
        .iter()
        .find(|incentive| incentive.id == *id)
}

/// What has happened to a conversion, with whom it concerns.
pub(crate) fn fact_of(kind: FactKind, conversion: &Conversion) -> Fact {
    let chosen = conversion.attribution.chosen.as_ref();
    Fact {
        conversion_id: Some(conversion.id),
        referral_id: conversion.referral_id,
        referrer_id: chosen.map(|chosen| chosen.referrer_id),
        referee_id: Some(conversion.referee_id),
        event: Some(conversion.content.event.clone()),
        ..Fact::new(kind)
    }
}

/// What has happened to a reward of a conversion.
pub(crate) fn reward_fact(kind: FactKind, conversion: &Conversion, reward: &Reward) -> Fact {
    Fact {
        reward_id: Some(reward.id),
        participant_id: Some(reward.beneficiary_id),
        beneficiary_id: Some(reward.beneficiary_id),
        rule_id: reward.incentive_id.clone(),
        value: Some(reward.value),
        issued_at: reward.issued_at,
        ..fact_of(kind, conversion)
    }
}

/// Where the lot of a reward is in a unit, if it was issued.
fn lot_key(reward: &Reward, unit: Unit) -> Option<Key> {
    let id = reward.id.to_string();
    let at = reward.issued_at?;
    Some(keys::lot(
        reward.program,
        reward.beneficiary_id,
        unit,
        at,
        &id,
    ))
}

/// The lot as the change leaves it, and as it was.
fn lot_after(
    reward: &Reward,
    lot: Option<&Lot>,
    adjusted: &Adjusted,
) -> Option<(Lot, Option<Lot>)> {
    let (unit, by) = adjusted.lot?;
    match lot {
        Some(lot) => {
            let left = lot.remaining.saturating_add(by);
            Some((lot.with_remaining(left), Some(lot.clone())))
        }
        None => {
            let lot = Lot {
                unit,
                credited_at: reward.issued_at?,
                name: reward.id.to_string(),
                reward_ids: vec![reward.id],
                remaining: by,
                version: 1,
            };
            Some((lot, None))
        }
    }
}

/// The shards of the budgets that a reward counts towards.
fn budget_keys(rules: &Program, reward: &Reward) -> Vec<Key> {
    let Some(incentive) = incentive_of(rules, reward) else {
        return Vec::new();
    };
    let windows = incentive.budgets(reward.created_at).into_iter();
    windows
        .flat_map(|window| {
            (0..window.shards).map(move |shard| {
                keys::budget(reward.program, &incentive.id, &window.window, shard)
            })
        })
        .collect()
}

fn used_of(loaded: &Loaded, key: &Key) -> i64 {
    let item = loaded.item(key);
    let used = item.and_then(|item| item.get("used"));
    let used = used.and_then(|used| used.as_n().ok());
    used.and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn counted_again(basis: Option<Basis>, takes: &[BudgetTake]) -> Basis {
    let share = |take: &BudgetTake| BudgetShare {
        window: take.window.clone(),
        shard: take.shard,
        amount: take.amount,
    };
    let taken = takes.iter().filter(|take| take.amount != 0);
    Basis {
        budgets: taken.map(share).collect(),
        ..basis.unwrap_or_default()
    }
}
