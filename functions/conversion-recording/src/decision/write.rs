use kith_domain::fact::{Fact, FactKind};
use kith_domain::incentive::{Earned, LimitSubject};
use kith_domain::ledger::{Account, transfer};
use kith_domain::participant::Participant;
use kith_domain::reward::{Beneficiary, BudgetShare, Reward, RewardState};
use kith_store::items::LedgerReason;
use kith_store::{Commit, Count, CountGuard, Was};

use super::{Decision, Inputs};

impl Decision {
    /// Writes everything but the conversion itself: bond, counters, budgets, rewards, balances, facts.
    pub(crate) fn write(&self, inputs: &Inputs<'_>, commit: &mut Commit, what: FactKind) {
        let program = self.conversion.program;
        let fact = self.fact(what);
        if let Some(was) = self.bond_was {
            commit.referral(program, &self.bond, was);
            if was == Was::Absent {
                commit.placed(program, inputs.found.place, inputs.referee.unwritten());
                commit.fact(Fact {
                    kind: FactKind::ReferralCreated,
                    ..fact.clone()
                });
            }
        }
        commit.fact(fact);
        let (referrer, referee) = (self.bond.referrer_id, self.bond.referee_id);
        self.numbers.count(commit, referrer, referee);
        takes_part(commit, &inputs.found.referrer.0);
        if inputs.referee.was != Was::Absent {
            takes_part(commit, &inputs.referee.person);
        }
        for counter in &self.over {
            commit.forget(referrer, counter);
        }
        for (earned, reward) in self.earned.iter().zip(&self.rewards) {
            self.write_reward(inputs, commit, earned, reward);
        }
        self.met.write(commit, &self.conversion);
    }

    fn write_reward(
        &self,
        inputs: &Inputs<'_>,
        commit: &mut Commit,
        earned: &Earned,
        reward: &Reward,
    ) {
        commit.reward(reward, Was::Absent);
        if matches!(reward.beneficiary, Beneficiary::Upline(_)) {
            commit.active(reward.beneficiary_id);
        }
        commit.fact(self.reward_fact(reward, FactKind::RewardCreated));
        if earned.redeemed {
            inputs.named.use_offer(commit, &self.conversion, reward);
            settle(commit, reward);
            commit.fact(self.reward_fact(reward, FactKind::RewardRedeemed));
        } else {
            if reward.state == RewardState::Approved {
                commit.fact(self.reward_fact(reward, FactKind::RewardApproved));
            }
            if let Some((unit, amount)) = reward.value.credit() {
                commit.pending(reward.beneficiary_id, unit, amount);
            }
        }
        self.use_up(commit, earned);
    }

    /// Counts a reward towards its limits and budgets.
    fn use_up(&self, commit: &mut Commit, earned: &Earned) {
        for limit in &earned.uses {
            let subject = match limit.subject {
                LimitSubject::Referrer => self.bond.referrer_id,
                LimitSubject::Referee => self.bond.referee_id,
            };
            let guard = CountGuard::AtMost(u64::from(limit.cap));
            commit.count(subject, &limit.counter, Count { by: 1, guard });
        }
        for take in &earned.takes {
            let share = BudgetShare {
                window: take.window.clone(),
                shard: take.shard,
                amount: take.amount,
            };
            let program = self.conversion.program;
            commit.take_from_budget(program, &earned.incentive_id, &share, take.cap);
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
            conversion_number: Some(self.numbers.conversion),
            referral_number: self.numbers.referral,
            ..Fact::new(kind)
        }
    }

    fn reward_fact(&self, reward: &Reward, kind: FactKind) -> Fact {
        Fact {
            reward_id: Some(reward.id),
            beneficiary_id: Some(reward.beneficiary_id),
            rule_id: reward.incentive_id.clone(),
            value: Some(reward.value),
            issued_at: reward.issued_at,
            ..self.fact(kind)
        }
    }
}

/// Insists that somebody still takes part, as far as they did: of whoever is suspended nothing was
/// decided in their favour.
fn takes_part(commit: &mut Commit, person: &Participant) {
    if person.is_active() {
        commit.active(person.id);
    } else {
        commit.not_merged(person.id);
    }
}

/// What was given before paying never lay in a balance: it is spent and used at once.
fn settle(commit: &mut Commit, reward: &Reward) {
    if let Some((unit, amount)) = reward.original.credit() {
        let used = Account::Settled(reward.beneficiary_id);
        let lines = transfer(Account::Expense, used, unit, amount);
        commit.ledger(LedgerReason::RewardRedeemed, Some(reward.id), &lines);
    }
}
