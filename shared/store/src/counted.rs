//! What rewards count towards: the limits of their parties, and the budgets of their rules. One place
//! for giving it back and for taking it again.

use kith_domain::id::ParticipantId;
use kith_domain::incentive::{BudgetTake, Incentive, LimitSubject, LimitUse, window_is_over};
use kith_domain::reward::{BudgetShare, Reward};

use crate::commit::{Commit, Count, CountGuard};

/// The parties whose limits a reward counts towards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountedFor {
    /// Through whom it was earned; `None` if nobody is known any more.
    pub referrer: Option<ParticipantId>,
    /// Who was invited.
    pub referee: ParticipantId,
}

impl CountedFor {
    /// Whose counter a limit is.
    #[must_use]
    pub fn subject(&self, subject: LimitSubject) -> Option<ParticipantId> {
        match subject {
            LimitSubject::Referrer => self.referrer,
            LimitSubject::Referee => Some(self.referee),
        }
    }
}

impl Commit {
    /// A reward that will not be issued counts no more: towards the limits of the rule that made it,
    /// in the windows in which it was made, and towards budgets. A window that is over is left as it
    /// is: nothing counts towards it any more, and its counter may be gone.
    pub fn give_back(
        &mut self,
        incentive: &Incentive,
        reward: &Reward,
        parties: CountedFor,
    ) -> &mut Self {
        for (subject, limit) in self.limits_of(incentive, reward, parties) {
            let back = Count {
                by: -1,
                guard: CountGuard::None,
            };
            self.count(subject, &limit.counter, back);
        }
        for share in reward.basis.iter().flat_map(|basis| &basis.budgets) {
            self.give_back_to_budget(reward.program, &incentive.id, share);
        }
        self
    }

    /// A reward that was given back counts again, as far as there is room: a limit or budget that
    /// others have filled meanwhile refuses the commit. `takes` is what it takes from budgets now.
    pub fn count_again(
        &mut self,
        incentive: &Incentive,
        reward: &Reward,
        parties: CountedFor,
        takes: &[BudgetTake],
    ) -> &mut Self {
        for (subject, limit) in self.limits_of(incentive, reward, parties) {
            let again = Count {
                by: 1,
                guard: CountGuard::AtMost(u64::from(limit.cap)),
            };
            self.count(subject, &limit.counter, again);
        }
        for take in takes {
            let share = BudgetShare {
                window: take.window.clone(),
                shard: take.shard,
                amount: take.amount,
            };
            self.take_from_budget(reward.program, &incentive.id, &share, take.cap);
        }
        self
    }

    /// The limits that a reward counts towards whose windows are open, and whose they are.
    fn limits_of(
        &self,
        incentive: &Incentive,
        reward: &Reward,
        parties: CountedFor,
    ) -> Vec<(ParticipantId, LimitUse)> {
        let open = |limit: &LimitUse| !window_is_over(&limit.counter, self.now());
        let of = |limit: LimitUse| Some((parties.subject(limit.subject)?, limit));
        let limits = incentive.limit_uses(reward.created_at).into_iter();
        limits.filter(open).filter_map(of).collect()
    }
}
