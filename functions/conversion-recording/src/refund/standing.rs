//! Whether a referee still stands behind the referrer's numbers.
//!
//! A referee counts for as long as anything is left of any of their qualified conversions. Two
//! counters of the referee tell: how many there are, and of how many nothing is left. Whoever changes
//! the latter insists on both as they were read, so that two refunds at once see each other, and the
//! referrer loses the referee once.

use kith_domain::conversion::{Conversion, ConversionState};
use kith_domain::id::ParticipantId;
use kith_domain::refund::{QUALIFIED, REFEREES_LOST, REFUNDED};
use kith_store::items::Counters;
use kith_store::{Commit, Count, CountGuard, CountedFor};

/// A referee's counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    qualified: u64,
    refunded: u64,
}

impl Standing {
    /// As they were read.
    pub(crate) fn of(referee: &Counters) -> Self {
        Self {
            qualified: referee.get(QUALIFIED),
            refunded: referee.get(REFUNDED),
        }
    }

    /// Whether nothing is left of any of their conversions.
    fn is_lost(self) -> bool {
        self.qualified > 0 && self.refunded >= self.qualified
    }

    /// Counts a conversion of which nothing is left any more, or of which something is left again.
    /// `parties` are its referrer and referee as they are now.
    pub(crate) fn count(
        self,
        commit: &mut Commit,
        (before, after): (&Conversion, &Conversion),
        parties: CountedFor,
    ) {
        let stands = |one: &Conversion| match one.state {
            // What waits for review counts as it was recorded; so does what was refunded of it.
            ConversionState::Qualified | ConversionState::Quarantined => !one.refunded_whole,
            ConversionState::Rejected | ConversionState::Unattributed => false,
        };
        if stands(before) == stands(after) {
            return;
        }
        let (by, next) = if stands(before) {
            (1, self.refunded.saturating_add(1))
        } else {
            (-1, self.refunded.saturating_sub(1))
        };
        let next = Self {
            refunded: next,
            ..self
        };
        let referee = parties.referee;
        commit
            .count(referee, REFUNDED, exactly(by, self.refunded))
            .count(referee, QUALIFIED, exactly(0, self.qualified));
        self.lose(commit, parties.referrer, next);
    }

    /// Counts a new qualified conversion of which nothing is left. That it qualified is counted where
    /// it is decided; here both counters have to be as they were read.
    pub(super) fn count_new(self, commit: &mut Commit, conversion: &Conversion) {
        let referee = conversion.referee_id;
        commit
            .count(referee, REFUNDED, exactly(1, self.refunded))
            .count(referee, QUALIFIED, exactly(0, self.qualified));
        let arrived = Self {
            qualified: self.qualified.saturating_add(1),
            ..self
        };
        let next = Self {
            refunded: self.refunded.saturating_add(1),
            ..arrived
        };
        let chosen = conversion.attribution.chosen.as_ref();
        let referrer = chosen.map(|chosen| chosen.referrer_id);
        arrived.lose(commit, referrer, next);
    }

    fn lose(self, commit: &mut Commit, referrer: Option<ParticipantId>, next: Self) {
        let by = match (self.is_lost(), next.is_lost()) {
            (false, true) => 1,
            (true, false) => -1,
            (false, false) | (true, true) => return,
        };
        if let Some(referrer) = referrer {
            let count = Count {
                by,
                guard: CountGuard::None,
            };
            commit.count(referrer, REFEREES_LOST, count);
        }
    }
}

fn exactly(by: i64, was: u64) -> Count {
    Count {
        by,
        guard: CountGuard::Exactly(was),
    }
}
