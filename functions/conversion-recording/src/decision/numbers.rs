use kith_domain::id::ParticipantId;
use kith_domain::incentive::{Evaluation, Span};
use kith_domain::refund::{QUALIFIED, REFEREES_LOST, REFUNDED};
use kith_domain::text::EventName;
use kith_store::items::Counters;
use kith_store::{Commit, Count, CountGuard};

use crate::parties::Referee;

/// The counter of a referrer's distinct qualified referees: ordinals, never given out twice where a rule rests on them.
pub(crate) const REFEREES: &str = "referees";

/// The numbers of a conversion, and the counters that they were read from.
#[derive(Debug)]
pub(super) struct Numbers {
    /// Which qualified conversion of its event it is for the referee, from 1.
    pub(super) conversion: u64,
    /// Which distinct qualified referee it makes the referee, on their first one.
    pub(super) referral: Option<u64>,
    /// How many referees of the referrer stand qualified, this one included.
    pub(super) referees: u64,
    /// Of whose conversions nothing was left, before this one.
    lost: u64,
    standing: Standing,
    counter: String,
    same_conversion: Span,
    same_referral: Span,
    same_referees: Span,
}

/// How the referee stands among the referrer's qualified ones before the conversion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// They never qualified.
    New,
    /// Something is left of so many qualified conversions.
    Qualified(u64),
    /// All of so many were refunded: the conversion makes them stand again.
    Lost(u64),
}

impl Numbers {
    /// The numbers as the counters were read.
    pub(super) fn of(event: &EventName, referee: &Referee, referrer: &Counters) -> Self {
        let counter = format!("conversions#{event}");
        let qualified = referee.counters.get(QUALIFIED);
        let standing = if !referee.has_qualified() {
            Standing::New
        } else if qualified == 0 || referee.counters.get(REFUNDED) < qualified {
            Standing::Qualified(qualified)
        } else {
            Standing::Lost(qualified)
        };
        let (ever, lost) = (referrer.get(REFEREES), referrer.get(REFEREES_LOST));
        let stood = ever.saturating_sub(lost);
        let (referral, referees) = match standing {
            Standing::New => (Some(ever.saturating_add(1)), stood.saturating_add(1)),
            Standing::Qualified(_) => (None, stood),
            Standing::Lost(_) => (None, stood.saturating_add(1)),
        };
        Self {
            conversion: referee.counters.get(&counter).saturating_add(1),
            referral,
            referees,
            lost,
            standing,
            counter,
            same_conversion: Span::ALL,
            same_referral: Span::ALL,
            same_referees: Span::ALL,
        }
    }

    /// Notes with which numbers the evaluation comes out the same.
    pub(super) fn rests_on(&mut self, evaluation: &Evaluation) {
        self.same_conversion = evaluation.conversion_number;
        self.same_referral = evaluation.referral_number;
        self.same_referees = evaluation.referees;
    }

    /// Raises the counters. They are guarded only where a rule rests on them, so that other
    /// conversions do not wait for each other.
    pub(super) fn count(
        &self,
        commit: &mut Commit,
        referrer: ParticipantId,
        referee: ParticipantId,
    ) {
        let mut count = |who, counter: &str, by, guard| {
            if by != 0 || guard != CountGuard::None {
                commit.count(who, counter, Count { by, guard });
            }
        };
        count(
            referee,
            &self.counter,
            1,
            guard(before(self.same_conversion)),
        );
        let (qualified, refunded, back) = match self.standing {
            Standing::New => (CountGuard::None, CountGuard::None, 0),
            Standing::Qualified(so_many) => {
                let fewer = CountGuard::Between(0, so_many.saturating_sub(1));
                (CountGuard::Between(so_many, u64::MAX), fewer, 0)
            }
            Standing::Lost(all) => (CountGuard::Exactly(all), CountGuard::Exactly(all), -1),
        };
        count(referee, QUALIFIED, 1, qualified);
        count(referee, REFUNDED, 0, refunded);
        let made = i64::from(self.referral.is_some());
        count(referrer, REFEREES, made, guard(self.referees_before()));
        // How many stand is counted by two counters: one has room, so the other has to stay.
        let lost = if self.same_referees.is_all() {
            CountGuard::None
        } else {
            CountGuard::Exactly(self.lost)
        };
        count(referrer, REFEREES_LOST, back, lost);
    }

    /// With which counts of referees before this one the decision comes out the same.
    fn referees_before(&self) -> Span {
        let mut span = match self.referral {
            Some(_) => before(self.same_referral),
            None => Span::ALL,
        };
        if !self.same_referees.is_all() {
            let raised = match self.standing {
                Standing::New | Standing::Lost(_) => 1,
                Standing::Qualified(_) => 0,
            };
            let to_count = |standing: u64| {
                if standing == u64::MAX {
                    return standing;
                }
                standing.saturating_add(self.lost).saturating_sub(raised)
            };
            let low = to_count(self.same_referees.low);
            let high = to_count(self.same_referees.high);
            span = Span::new(span.low.max(low), span.high.min(high));
        }
        span
    }
}

/// What a counter that is raised by one may have been, to come to one of these numbers.
fn before(numbers: Span) -> Span {
    let high = match numbers.high {
        u64::MAX => u64::MAX,
        high => high.saturating_sub(1),
    };
    Span::new(numbers.low.saturating_sub(1), high)
}

/// The guard of a counter that may be any of these.
fn guard(span: Span) -> CountGuard {
    if span.is_all() {
        CountGuard::None
    } else {
        CountGuard::Between(span.low, span.high)
    }
}
