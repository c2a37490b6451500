//! The decision about one conversion, and its transaction.

use jiff::Timestamp;
use kith_domain::attribution::Attribution;
use kith_domain::conversion::{Conversion, ConversionState};
use kith_domain::fact::{Fact, FactKind};
use kith_domain::id::{ReferralId, RewardId};
use kith_domain::incentive::{self, Earned, Evaluation, Facts, LimitSubject, Party, Used};
use kith_domain::participant::{Participant, Referral, ReferralState};
use kith_domain::program::{Program, ProgramState};
use kith_domain::refund::Refund;
use kith_domain::reward::{Reward, RewardSource, RewardState, Transition};
use kith_domain::text::{EventName, Slug};
use kith_edge::desk::View;
use kith_store::items::Counters;
use kith_store::{Commit, Count, CountGuard, Was};

use crate::parties::Referee;
use crate::refund::{Met, Waiting};

/// How the history names this function.
const ACTOR: &str = "conversion-recording";
/// The counter of a referrer's distinct qualified referees.
const REFEREES: &str = "referees";

/// What happens to a conversion that has a referrer.
pub(crate) struct Decision {
    conversion: Conversion,
    rewards: Vec<Reward>,
    earned: Vec<Earned>,
    bond: Referral,
    bond_was: Option<Was>,
    conversion_number: u64,
    referral_number: Option<u64>,
    rests_on_conversion_number: bool,
    /// Counters of the referrer whose windows are over.
    over: Vec<String>,
    /// What the refunds that were there before took back at once.
    met: Met,
}

/// What a decision is made from.
pub(crate) struct Inputs<'a> {
    /// The program, its time, randomness.
    pub(crate) view: &'a View,
    /// The rules that were in force when the conversion happened.
    pub(crate) rules: &'a Program,
    /// The referee.
    pub(crate) referee: &'a Referee,
    /// The referrer that the attribution chose, with their counters.
    pub(crate) referrer: &'a (Participant, Counters),
    /// The refunds that came first.
    pub(crate) waiting: &'a Waiting,
}

/// The counters as they were read.
struct Counted<'a> {
    referrer: &'a Counters,
    referee: &'a Counters,
}

impl Used for Counted<'_> {
    fn counter(&self, subject: LimitSubject, name: &str) -> u64 {
        match subject {
            LimitSubject::Referrer => self.referrer.get(name),
            LimitSubject::Referee => self.referee.get(name),
        }
    }

    fn budget(&self, _: &Slug, _: &str, _: u8) -> i64 {
        0
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
            referrer: (referrer, referrer_counters),
            waiting,
        } = inputs;
        let event = &conversion.content.event;
        let conversion_number = referee.counters.get(&conversions(event)).saturating_add(1);
        let (bond, bond_was) = bond(inputs, &conversion, &attribution);
        let first = referee
            .bond
            .as_ref()
            .is_none_or(|bond| bond.first_qualified_at.is_none());
        let referral_number = first.then(|| referrer_counters.get(REFEREES).saturating_add(1));
        let chosen = attribution.chosen.as_ref();
        let facts = Facts {
            event,
            amount: conversion.content.amount,
            occurred_at: conversion.occurred_at,
            recorded_at: view.now,
            country: conversion.content.country,
            channel: chosen.and_then(|chosen| chosen.channel),
            metadata: &conversion.content.metadata,
            new_customer: conversion.new_customer,
            conversion_number,
            referral_number,
            referees: referral_number.unwrap_or_else(|| referrer_counters.get(REFEREES)),
            bound_at: bond.created_at,
            referrer: Party {
                id: referrer.id,
                active: referrer.is_active(),
            },
            referee: Party {
                id: referee.person.id,
                active: referee.person.is_active(),
            },
            upline: &[],
            offer: None,
            gives_rewards: view.program.state != ProgramState::Archived,
            rates: &rules.rates,
            spread: 0,
        };
        let counted = Counted {
            referrer: referrer_counters,
            referee: &referee.counters,
        };
        let Evaluation {
            earned,
            skipped,
            conversion_number: same,
            referees: _,
            referral_number: _,
        } = incentive::evaluate(&rules.incentives, &facts, &counted);
        let rests_on_conversion_number = !same.is_all();
        let mut rewards: Vec<Reward> = earned
            .iter()
            .map(|earned| reward(view, rules, &conversion, bond.id, earned))
            .collect();
        let over = referrer_counters
            .names()
            .filter(|name| incentive::window_is_over(name, view.now));
        let over = over.map(str::to_owned).collect();
        let mut conversion = Conversion {
            state: ConversionState::Qualified,
            referral_id: Some(bond.id),
            reward_ids: rewards.iter().map(|reward| reward.id).collect(),
            skipped,
            number: Some(conversion_number),
            attribution,
            scheme_version: rules.version,
            version: conversion.version.saturating_add(1),
            ..conversion
        };
        let counted = (*rules, &referee.counters);
        let met = waiting.meet(view, counted, &mut conversion, &mut rewards);
        Self {
            conversion,
            rewards,
            earned,
            bond,
            bond_was,
            conversion_number,
            referral_number,
            rests_on_conversion_number,
            over,
            met,
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

    /// Writes everything but the conversion itself: bond, counters, rewards, balances, facts.
    pub(crate) fn write(&self, commit: &mut Commit, what: FactKind) {
        let program = self.conversion.program;
        let fact = self.fact(what);
        if let Some(was) = self.bond_was {
            commit.referral(program, &self.bond, was);
            if was == Was::Absent {
                commit.fact(Fact {
                    kind: FactKind::ReferralCreated,
                    ..fact.clone()
                });
            }
        }
        commit.fact(fact);
        self.count(commit);
        for reward in &self.rewards {
            commit.reward(reward, Was::Absent);
            if let Some((unit, amount)) = reward.value.credit() {
                commit.pending(reward.beneficiary_id, unit, amount);
            }
            commit.fact(self.reward_fact(reward, FactKind::RewardCreated));
            if reward.state == RewardState::Approved {
                commit.fact(self.reward_fact(reward, FactKind::RewardApproved));
            }
        }
        self.met.write(commit, &self.conversion);
    }

    fn count(&self, commit: &mut Commit) {
        let (referrer, referee) = (self.bond.referrer_id, self.bond.referee_id);
        // Guarded only where a rule rests on it, so that other conversions do not wait for each other.
        let guard = if self.rests_on_conversion_number {
            CountGuard::Exactly(self.conversion_number.saturating_sub(1))
        } else {
            CountGuard::None
        };
        commit.count(
            referee,
            &conversions(&self.conversion.content.event),
            Count { by: 1, guard },
        );
        if self.referral_number.is_some() {
            commit.count(
                referrer,
                REFEREES,
                Count {
                    by: 1,
                    guard: CountGuard::None,
                },
            );
        }
        for counter in &self.over {
            commit.forget(referrer, counter);
        }
        for limit in self.earned.iter().flat_map(|earned| &earned.uses) {
            let subject = match limit.subject {
                LimitSubject::Referrer => referrer,
                LimitSubject::Referee => referee,
            };
            let guard = CountGuard::AtMost(u64::from(limit.cap));
            commit.count(subject, &limit.counter, Count { by: 1, guard });
        }
    }

    fn fact(&self, kind: FactKind) -> Fact {
        let chosen = self.conversion.attribution.chosen.as_ref();
        Fact {
            conversion_id: Some(self.conversion.id),
            referral_id: Some(self.bond.id),
            referrer_id: Some(self.bond.referrer_id),
            referee_id: Some(self.bond.referee_id),
            click_id: chosen.and_then(|chosen| chosen.click_id),
            code: chosen.and_then(|chosen| chosen.code.clone()),
            channel: chosen.and_then(|chosen| chosen.channel),
            event: Some(self.conversion.content.event.clone()),
            amount: self.conversion.content.amount,
            touch_at: self.bond.touch_at,
            lead_at: self.bond.lead_at,
            referrer_joined_at: Some(self.bond.referrer_joined_at),
            first_qualified_at: self.bond.first_qualified_at,
            conversion_number: Some(self.conversion_number),
            referral_number: self.referral_number,
            ..Fact::new(kind)
        }
    }

    fn reward_fact(&self, reward: &Reward, kind: FactKind) -> Fact {
        Fact {
            reward_id: Some(reward.id),
            beneficiary_id: Some(reward.beneficiary_id),
            rule_id: reward.incentive_id.clone(),
            value: Some(reward.value),
            ..self.fact(kind)
        }
    }
}

/// The counter of a referee's qualified conversions of an event.
fn conversions(event: &EventName) -> String {
    format!("conversions#{event}")
}

/// The bond that the conversion counts for, and how it has to be written, if at all.
fn bond(
    inputs: &Inputs<'_>,
    conversion: &Conversion,
    attribution: &Attribution,
) -> (Referral, Option<Was>) {
    let Inputs {
        view,
        referee,
        referrer: (referrer, _),
        ..
    } = inputs;
    let known = referee.bond.as_ref();
    let mut bond = known.cloned().unwrap_or_else(|| Referral {
        id: view.id(),
        referrer_id: referrer.id,
        referee_id: referee.person.id,
        path: Vec::new(),
        created_at: view.now,
        touch_at: attribution
            .chosen
            .as_ref()
            .and_then(|chosen| chosen.touch_at),
        lead_at: None,
        first_qualified_at: None,
        referrer_joined_at: referrer.created_at,
        state: ReferralState::Bound,
        version: 0,
    });
    let occurred_at: Timestamp = conversion.occurred_at;
    if conversion.content.event.as_str() == EventName::LEAD {
        bond.lead_at = bond.lead_at.or(Some(occurred_at));
    }
    bond.first_qualified_at = bond.first_qualified_at.or(Some(occurred_at));
    bond.state = ReferralState::Converted;
    if known == Some(&bond) {
        return (bond, None);
    }
    let was = known.map_or(Was::Absent, |known| Was::Version(known.version));
    bond.version = bond.version.saturating_add(1);
    (bond, Some(was))
}

fn reward(
    view: &View,
    rules: &Program,
    conversion: &Conversion,
    referral_id: ReferralId,
    earned: &Earned,
) -> Reward {
    let id = RewardId::derived(
        view.now,
        &[
            &conversion.id.to_bytes(),
            earned.incentive_id.as_str().as_bytes(),
            earned.beneficiary.to_string().as_bytes(),
        ],
    );
    let release_at = rules.release_at(view.now);
    // Without a hold there is nothing to wait for, unless the program pauses.
    let runs = view.program.state == ProgramState::Active;
    let state = if runs && release_at <= view.now {
        RewardState::Approved
    } else {
        RewardState::Pending
    };
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
        basis: None,
        original: earned.value,
        value: earned.value,
        state,
        release_at,
        created_at: view.now,
        issued_at: None,
        expires_after_days: None,
        expires_at: None,
        voucher_code: None,
        history: vec![Transition {
            to: state,
            at: view.now,
            by: ACTOR.to_owned(),
            reason: None,
        }],
        version: 1,
    }
}
