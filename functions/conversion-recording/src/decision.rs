//! The decision about one conversion, and its transaction.

mod bond;
mod numbers;
mod write;

use kith_domain::attribution::Attribution;
use kith_domain::conversion::{Conversion, ConversionState};
use kith_domain::fulfilment::Fulfilment;
use kith_domain::id::{ReferralId, RewardId};
use kith_domain::incentive::{self, Earned, Evaluation, Facts, LimitSubject, Party, Used};
use kith_domain::offer::Offer;
use kith_domain::participant::{Participant, Referral};
use kith_domain::program::{Program, ProgramState, days};
use kith_domain::refund::Refund;
use kith_domain::reward::{
    Basis, BudgetShare, Reward, RewardSource, RewardState, RewardValue, Transition,
};
use kith_domain::text::Slug;
use kith_edge::desk::View;
use kith_store::items::Counters;
use kith_store::{Was, keys};

use self::bond::bond;
use self::numbers::Numbers;
pub(crate) use self::numbers::REFEREES;
use crate::ACTOR;
use crate::budgets::Spent;
use crate::find::Found;
use crate::parties::Referee;
use crate::refund::{Met, Waiting};
use crate::vouchers::Named;

/// What happens to a conversion that has a referrer.
pub(crate) struct Decision {
    conversion: Conversion,
    rewards: Vec<Reward>,
    /// What each of the rewards counts towards.
    earned: Vec<Earned>,
    bond: Referral,
    bond_was: Option<Was>,
    numbers: Numbers,
    /// Counters of the referrer whose windows are over.
    over: Vec<String>,
    /// What the refunds that were there before took back at once.
    met: Met,
    spent: Spent,
}

/// What a decision is made from.
#[derive(Clone, Copy)]
pub(crate) struct Inputs<'a> {
    /// The program, its time, randomness, and what was counted of budgets.
    pub(crate) view: &'a View,
    /// The rules that were in force when the conversion happened.
    pub(crate) rules: &'a Program,
    /// The referee.
    pub(crate) referee: &'a Referee,
    /// The vouchers that are named.
    pub(crate) named: &'a Named,
    /// The referrer that the attribution chose.
    pub(crate) found: &'a Found,
    /// The refunds that came first.
    pub(crate) waiting: &'a Waiting,
}

/// What was counted, as it was read.
pub(crate) struct Counted<'a> {
    view: &'a View,
    referrer: &'a Counters,
    referee: &'a Counters,
}

impl<'a> Counted<'a> {
    /// Towards budgets, and through a referrer and a referee.
    pub(crate) fn of(view: &'a View, referrer: &'a Counters, referee: &'a Counters) -> Self {
        Self {
            view,
            referrer,
            referee,
        }
    }
}

impl Used for Counted<'_> {
    fn counter(&self, subject: LimitSubject, name: &str) -> u64 {
        match subject {
            LimitSubject::Referrer => self.referrer.get(name),
            LimitSubject::Referee => self.referee.get(name),
        }
    }

    fn budget(&self, incentive: &Slug, window: &str, shard: u8) -> i64 {
        let key = keys::budget(self.view.program.id, incentive, window, shard);
        self.view.loaded.budget_used(&key)
    }
}

impl Inputs<'_> {
    /// The offer that the conversion may use: of the referrer that it belongs to, and of a rule of
    /// its event.
    fn offer(&self, conversion: &Conversion) -> Option<&Offer> {
        let of_event = |offer: &&Offer| {
            let mut rules = self.rules.incentives.iter();
            rules.any(|rule| rule.id == offer.incentive_id && rule.on == conversion.content.event)
        };
        let offers = self.named.offers(conversion.occurred_at).into_iter();
        let mut own = offers.filter(|offer| offer.referrer_id == self.found.referrer.0.id);
        own.find(of_event)
    }
}

impl Decision {
    /// Decides what a conversion with this attribution earns.
    pub(crate) fn make(
        inputs: &Inputs<'_>,
        conversion: Conversion,
        attribution: Attribution,
    ) -> Self {
        let Inputs {
            view,
            rules,
            referee,
            found,
            ..
        } = *inputs;
        let (referrer, counters) = &found.referrer;
        let (bond, bond_was) = bond(inputs, &conversion, &attribution);
        let mut numbers = Numbers::of(&conversion.content.event, referee, counters);
        let offer = inputs.offer(&conversion);
        let party = |person: &Participant| Party {
            id: person.id,
            active: person.is_active(),
        };
        let facts = Facts {
            event: &conversion.content.event,
            amount: conversion.content.amount,
            occurred_at: conversion.occurred_at,
            recorded_at: view.now,
            country: conversion.content.country,
            channel: attribution.chosen.as_ref().and_then(|one| one.channel),
            metadata: &conversion.content.metadata,
            new_customer: conversion.new_customer,
            conversion_number: numbers.conversion,
            referral_number: numbers.referral,
            referees: numbers.referees,
            bound_at: bond.created_at,
            referrer: party(referrer),
            referee: party(&referee.person),
            upline: &found.upline,
            offer: offer.map(|offer| &offer.incentive_id),
            gives_rewards: view.program.state != ProgramState::Archived,
            rates: &rules.rates,
            spread: u64::from_be_bytes(view.random()),
        };
        let counted = Counted::of(view, counters, &referee.counters);
        let evaluation = incentive::evaluate(&rules.incentives, &facts, &counted);
        numbers.rests_on(&evaluation);
        let Evaluation {
            earned, skipped, ..
        } = evaluation;
        let mut rewards: Vec<Reward> = earned
            .iter()
            .map(|earned| reward(inputs, &conversion, bond.id, offer, earned))
            .collect();
        let over = counters
            .names()
            .filter(|name| incentive::window_is_over(name, view.now));
        let over = over.map(str::to_owned).collect();
        let mut conversion = Conversion {
            state: ConversionState::Qualified,
            referral_id: Some(bond.id),
            reward_ids: rewards.iter().map(|reward| reward.id).collect(),
            number: Some(numbers.conversion),
            referral_number: numbers.referral,
            referees: Some(numbers.referees),
            upline: found.upline.iter().map(|party| party.id).collect(),
            bound_at: Some(bond.created_at),
            attribution,
            scheme_version: rules.version,
            version: conversion.version.saturating_add(1),
            skipped,
            ..conversion
        };
        let counted = (rules, &referee.counters);
        let met = inputs
            .waiting
            .meet(view, counted, &mut conversion, &mut rewards);
        let spent = Spent::among(view, &conversion.skipped);
        Self {
            conversion,
            rewards,
            earned,
            bond,
            bond_was,
            numbers,
            over,
            met,
            spent,
        }
    }

    /// The conversion as decided.
    pub(crate) fn conversion(&self) -> &Conversion {
        &self.conversion
    }

    /// Its refunds that came first.
    pub(crate) fn refunds(&self) -> &[Refund] {
        self.met.refunds()
    }

    /// Its rewards.
    pub(crate) fn rewards(&self) -> &[Reward] {
        &self.rewards
    }

    /// Tells of budgets that are spent, once the decision is written.
    pub(crate) async fn tell(&self, view: &View) {
        let conversion = &self.conversion;
        self.spent
            .tell(view, conversion.id, &conversion.content.event)
            .await;
    }
}

fn reward(
    inputs: &Inputs<'_>,
    conversion: &Conversion,
    referral_id: ReferralId,
    offer: Option<&Offer>,
    earned: &Earned,
) -> Reward {
    let Inputs { view, rules, .. } = *inputs;
    let id = RewardId::derived(
        view.now,
        &[
            &conversion.id.to_bytes(),
            earned.incentive_id.as_str().as_bytes(),
            earned.beneficiary.to_string().as_bytes(),
        ],
    );
    // What was given before paying is held by nobody.
    let offer = offer.filter(|_| earned.redeemed);
    let hold = match offer {
        Some(_) => 0,
        None => earned.hold_days.unwrap_or(rules.hold_days),
    };
    let release_at = view.now.checked_add(days(hold));
    let release_at = release_at.unwrap_or(jiff::Timestamp::MAX);
    // Without a hold there is nothing to wait for, unless the program pauses.
    let runs = view.program.state == ProgramState::Active;
    let state = match offer {
        Some(_) => RewardState::Redeemed,
        None if runs && release_at <= view.now => RewardState::Approved,
        None => RewardState::Pending,
    };
    let value = offer.map_or(earned.value, |offer| promised(offer, earned));
    Reward {
        id,
        program: view.program.id,
        beneficiary_id: earned.beneficiary_id,
        beneficiary: earned.beneficiary,
        source: RewardSource::Rule,
        conversion_id: Some(conversion.id),
        referral_id: Some(referral_id),
        incentive_id: Some(earned.incentive_id.clone()),
        scheme_version: rules.version,
        basis: Some(basis(rules, earned)),
        original: value,
        value,
        state,
        release_at,
        created_at: view.now,
        issued_at: offer.map(|_| view.now),
        expires_after_days: earned.expires_after_days,
        expires_at: None,
        voucher_code: offer.map(|offer| offer.voucher_code.clone()),
        fulfilment: earned
            .fulfilment
            .filter(|_| offer.is_none())
            .map(|rule| Box::new(Fulfilment::of(rule))),
        in_review: false,
        history: vec![Transition {
            to: state,
            at: view.now,
            by: ACTOR.to_owned(),
            reason: None,
        }],
        version: 1,
    }
}

/// What the friend was given, whatever the rule has come to since: of the same kind, which a rule
/// keeps for ever.
fn promised(offer: &Offer, earned: &Earned) -> RewardValue {
    if offer.reward.kind() == earned.value.kind() {
        offer.reward
    } else {
        earned.value
    }
}

fn basis(rules: &Program, earned: &Earned) -> Basis {
    let taken = earned.takes.iter().filter(|take| take.amount != 0);
    Basis {
        tier: earned.tier,
        limits: earned.limits.clone(),
        budgets: taken
            .map(|take| BudgetShare {
                window: take.window.clone(),
                shard: take.shard,
                amount: take.amount,
            })
            .collect(),
        rates_version: earned.used_rates.then_some(rules.rates.version),
    }
}
