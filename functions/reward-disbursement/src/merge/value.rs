//! What the source has: lots with their rewards, the other rewards, and what is left in its accounts.

use std::collections::BTreeMap;

use kith_domain::id::RewardId;
use kith_domain::ledger::{Account, Balance, transfer};
use kith_domain::money::Unit;
use kith_domain::reward::{HISTORY_MAX, Reward, Transition};
use kith_edge::Undone;
use kith_edge::desk::View;
use kith_store::items::{LedgerReason, Lot, UnitBalance};
use kith_store::keys::{self, ListName};
use kith_store::{BalanceGuard, Commit, ListQuery, lot_key};

use super::Move;
use crate::WORKER;

/// Rewards carried over in one transaction: each takes three actions, and the balances of both.
const REWARDS: usize = 7;
/// Lots read to find those of the next step.
const LOTS: u16 = 100;
/// More units than there are currencies.
const UNITS_MAX: u16 = 300;

/// The next transaction; nothing when nothing is left.
pub(super) async fn next(view: &View, goes: Move) -> Result<Option<Commit>, Undone> {
    if let Some(commit) = lots(view, goes).await? {
        return Ok(Some(commit));
    }
    if let Some(commit) = rewards(view, goes).await? {
        return Ok(Some(commit));
    }
    accounts(view, goes).await
}

/// What is left of credits, with the rewards that they are named after. Read strongly, so none is
/// missed.
async fn lots(view: &View, goes: Move) -> Result<Option<Commit>, Undone> {
    let prefix = keys::all_lots(goes.program, goes.source);
    let lots: Vec<Lot> = view.store.starting_with(&prefix, LOTS).await?;
    let mut of: BTreeMap<String, Vec<Lot>> = BTreeMap::new();
    for lot in lots {
        of.entry(lot.name.clone()).or_default().push(lot);
    }
    if of.is_empty() {
        return Ok(None);
    }
    let mut commit = view.commit();
    let step: Vec<_> = of.into_iter().take(REWARDS).collect();
    let named = step.iter().filter_map(|(name, _)| name.parse().ok());
    let named = named.map(|id: RewardId| keys::reward(goes.program, id));
    let mut wanted: Vec<_> = named.collect();
    let place = |lot: &Lot| {
        keys::lot(
            goes.program,
            goes.target,
            lot.unit,
            lot.credited_at,
            &lot.name,
        )
    };
    wanted.extend(step.iter().flat_map(|(_, lots)| lots).map(place));
    let loaded = view.store.get(wanted).await?;
    for (name, lots) in step {
        let reward: Option<Reward> = match name.parse() {
            Ok(id) => loaded.read(&keys::reward(goes.program, id))?,
            Err(_) => None,
        };
        match reward.filter(|reward| reward.beneficiary_id == goes.source) {
            Some(reward) => _ = commit.carry_reward(&reward, &carried(view, goes, &reward), &lots),
            // Money that came back from a payout; or its reward went ahead.
            None => {
                for lot in &lots {
                    let there: Option<Lot> = loaded.read(&place(lot))?;
                    let who = (goes.source, goes.target);
                    commit.carry_lot(goes.program, who, lot, there.as_ref());
                }
            }
        }
    }
    goes.seal(&mut commit);
    Ok(Some(commit))
}

/// The reward as the target's.
fn carried(view: &View, goes: Move, reward: &Reward) -> Reward {
    let mut next = reward.clone();
    next.beneficiary_id = goes.target;
    next.version = reward.version.saturating_add(1);
    if next.history.len() < HISTORY_MAX {
        next.history.push(Transition {
            to: reward.state,
            at: view.now,
            by: WORKER.to_owned(),
            reason: Some(goes.why()),
        });
    }
    next
}

/// Rewards without a lot: promised ones, used ones, discounts, and those that are history.
async fn rewards(view: &View, goes: Move) -> Result<Option<Commit>, Undone> {
    let mut query = ListQuery::of_party(goes.program, goes.source, ListName::Rewards, 50);
    loop {
        let page = view.store.list::<Reward>(&query).await?;
        // The list lags: what it shows may be carried over already.
        let own = page.items.into_iter();
        let own = own.filter(|reward| reward.beneficiary_id == goes.source);
        let own: Vec<Reward> = own.take(REWARDS).collect();
        if !own.is_empty() {
            // One may have been issued since the lots were looked at.
            let lots: Vec<_> = own.iter().filter_map(lot_key).collect();
            let loaded = view.store.get(lots).await?;
            let mut commit = view.commit();
            for reward in &own {
                let lot: Option<Lot> = match lot_key(reward) {
                    Some(key) => loaded.read(&key)?,
                    None => None,
                };
                let lots: Vec<Lot> = lot.into_iter().collect();
                commit.carry_reward(reward, &carried(view, goes, reward), &lots);
            }
            goes.seal(&mut commit);
            return Ok(Some(commit));
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(None),
        }
    }
}

/// What is left in the accounts of one unit when no lot is: listed, settled, owed by the source.
async fn accounts(view: &View, goes: Move) -> Result<Option<Commit>, Undone> {
    let prefix = keys::balances(goes.program, goes.source);
    let held: Vec<UnitBalance> = view.store.starting_with(&prefix, UNITS_MAX).await?;
    for UnitBalance { unit, balance } in held {
        let Ok(unit) = unit.parse::<Unit>() else {
            continue;
        };
        let left = Balance {
            pending: 0,
            ..balance
        };
        if left == Balance::default() {
            continue;
        }
        let (from, to) = (goes.source, goes.target);
        let owed = balance.available.saturating_sub(balance.receivable);
        let mut commit = view.commit();
        for (account, amount) in [
            (Account::Liability as fn(_) -> _, owed),
            (Account::Receivable as fn(_) -> _, balance.receivable),
            (Account::InPayout as fn(_) -> _, balance.in_payout),
            (Account::Settled as fn(_) -> _, balance.paid),
        ] {
            let lines = transfer(account(from), account(to), unit, amount);
            commit.ledger(LedgerReason::Merged, None, &lines);
        }
        commit.balance_guard(from, unit, BalanceGuard::Whole(balance));
        goes.seal(&mut commit);
        return Ok(Some(commit));
    }
    Ok(None)
}
