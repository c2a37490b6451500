//! A conversion that comes after its refunds, or that earns only after it was refunded.

use kith_domain::conversion::{Conversion, ConversionState};
use kith_domain::fact::Fact;
use kith_domain::id::RefundId;
use kith_domain::incentive::Incentive;
use kith_domain::program::Program;
use kith_domain::refund::{
    Adjusted, Counted, Refund, RefundState, Remains, RewardChange, RewardThen, adjust,
};
use kith_domain::reward::Reward;
use kith_edge::desk::View;
use kith_edge::http::Problem;
use kith_edge::session::Ended;
use kith_store::items::{Counters, LedgerReason, Order};
use kith_store::{Commit, CountedFor, Was, keys};

use super::affected::{incentive_of, reward_fact, target, worth_of};
use super::standing::Standing;

/// Who stands in the histories of rewards that come reduced.
const ACTOR: &str = "conversion-recording";

/// The refunds that came before their conversion, oldest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Waiting(Vec<Refund>);

impl Waiting {
    /// Reads those that wait on an order.
    pub(crate) async fn load(view: &mut View, order: &Order) -> Result<Self, Ended> {
        let program = view.program.id;
        let key = |id: &RefundId| keys::refund(program, *id);
        view.load(order.waiting.iter().map(key)).await?;
        let mut waiting = Vec::with_capacity(order.waiting.len());
        for id in &order.waiting {
            let refund: Option<Refund> = view.loaded.read(&key(id))?;
            let refund = refund.ok_or_else(|| Problem::internal("an order waits for nothing"))?;
            if refund.state != RefundState::WaitingForConversion {
                // It was reversed between the two reads.
                return Err(Ended::Outdated);
            }
            waiting.push(refund);
        }
        Ok(Self(waiting))
    }

    /// Applies them to a conversion that is about to be written, and to the rewards that it has just
    /// earned; what was refunded of it before counts too. A refund that takes more than is left takes
    /// what is left, and one in another currency takes nothing: there is nobody to refuse it to.
    pub(crate) fn meet(
        &self,
        view: &View,
        (rules, referee): (&Program, &Counters),
        conversion: &mut Conversion,
        rewards: &mut [Reward],
    ) -> Met {
        let mut met = Met {
            standing: Standing::of(referee),
            ..Met::default()
        };
        if Remains::of(conversion) != Remains::Everything {
            let reason = "refunded before it was attributed";
            met.reduce(view, rules, conversion, rewards, (reason, None));
        }
        for waiting in &self.0 {
            let amount = conversion.refundable_on_arrival(waiting.said);
            conversion.refund(waiting.id, amount);
            let reason = format!("{} {}", waiting.reason, waiting.id);
            let by = (reason.as_str(), Some(waiting.id));
            let changes = met.reduce(view, rules, conversion, rewards, by);
            met.refunds.push(Refund {
                conversion_id: Some(conversion.id),
                amount,
                state: RefundState::Applied,
                changes,
                version: waiting.version.saturating_add(1),
                ..waiting.clone()
            });
        }
        met
    }
}

/// What came of the refunds that a conversion met.
#[derive(Debug, Default)]
pub(crate) struct Met {
    refunds: Vec<Refund>,
    reduced: Vec<Reduced>,
    standing: Standing,
}

/// A reward that one of them reduced.
#[derive(Debug)]
struct Reduced {
    adjusted: Adjusted,
    refund: Option<RefundId>,
    /// The rule whose limits and budgets it counts towards no more.
    given_back: Option<Incentive>,
}

impl Met {
    /// The refunds, applied.
    pub(crate) fn refunds(&self) -> &[Refund] {
        &self.refunds
    }

    fn reduce(
        &mut self,
        view: &View,
        rules: &Program,
        conversion: &Conversion,
        rewards: &mut [Reward],
        (reason, refund): (&str, Option<RefundId>),
    ) -> Vec<RewardChange> {
        let mut changes = Vec::new();
        for reward in rewards {
            let kept = target(rules, conversion, reward);
            let worth = worth_of(rules, reward, conversion.content.amount);
            let entry = (view.now, ACTOR, reason);
            let Some(adjusted) = adjust(reward, kept, (worth, 0), true, entry) else {
                continue;
            };
            changes.push(RewardChange {
                reward_id: reward.id,
                before: RewardThen::from(&*reward),
                after: RewardThen::from(&adjusted.reward),
            });
            // It is new all the same.
            *reward = Reward {
                version: reward.version,
                ..adjusted.reward.clone()
            };
            let incentive = incentive_of(rules, reward);
            let no_more = adjusted.counted == Counted::NoMore;
            self.reduced.push(Reduced {
                given_back: incentive.filter(|_| no_more).cloned(),
                adjusted,
                refund,
            });
        }
        changes
    }

    /// Writes the refunds and what they did. The conversion and its rewards are the recording's to
    /// write, in the state they have now; what they count towards is taken by it and given back here.
    pub(crate) fn write(&self, commit: &mut Commit, conversion: &Conversion) {
        for refund in &self.refunds {
            let was = refund.version.saturating_sub(1);
            commit.refund(refund, Was::Version(was));
        }
        let chosen = conversion.attribution.chosen.as_ref();
        let parties = CountedFor {
            referrer: chosen.map(|chosen| chosen.referrer_id),
            referee: conversion.referee_id,
        };
        for reduced in &self.reduced {
            let Reduced {
                adjusted,
                refund,
                given_back,
            } = reduced;
            let reward = &adjusted.reward;
            if !adjusted.lines.is_empty() {
                commit.ledger(
                    LedgerReason::RewardTakenBack,
                    Some(reward.id),
                    &adjusted.lines,
                );
                if let Some(refund) = refund {
                    commit.caused_by(refund);
                }
            }
            if let Some(incentive) = given_back {
                commit.give_back(incentive, reward, parties);
            }
            let amount = self.refunds.iter().find(|one| Some(one.id) == *refund);
            commit.fact(Fact {
                refund_id: *refund,
                amount: amount.and_then(|refund| refund.amount),
                ..reward_fact(adjusted.fact, conversion, reward)
            });
        }
        if conversion.refunded_whole && conversion.state == ConversionState::Qualified {
            self.standing.count_new(commit, conversion);
        }
    }
}
