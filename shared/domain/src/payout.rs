//! Payouts: what is owed in one currency is listed by participant, and each line is settled by itself.

use jiff::Timestamp;

use crate::id::{ParticipantId, PayoutId, ProgramId, RewardId};
use crate::money::{Currency, Money};
use crate::reward::RewardEvent;
use crate::text::Name;
use crate::words::words;

/// The most rewards that one line names; what is left waits for the next payout.
pub const REWARDS_MAX: usize = 2_000;
/// The most credits that one step moves into a line.
pub const STEP_CREDITS_MAX: usize = 40;

words! {
    /// Where a payout is.
    pub enum PayoutState {
        /// Its lines are being made, participant by participant.
        Building = "building",
        /// Its lines are whole, and are settled one by one.
        Open = "open",
        /// Every line is settled.
        Closed = "closed",
    }
}

words! {
    /// Where a line of a payout is.
    pub enum LineState {
        /// Listed, and not settled yet.
        Open = "open",
        /// The money was sent.
        Paid = "paid",
        /// The money could not be sent: it is available again.
        Failed = "failed",
        /// The money was sent and came back: it is available again.
        Returned = "returned",
    }
}

words! {
    /// What became of a line.
    pub enum LineEvent {
        /// The money was sent.
        Paid = "paid",
        /// The money could not be sent.
        Failed = "failed",
        /// The money came back.
        Returned = "returned",
    }
}

/// One run of paying out, in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payout {
    /// Its id.
    pub id: PayoutId,
    /// The program.
    pub program: ProgramId,
    /// What is paid.
    pub currency: Currency,
    /// Nobody is paid less, in minor units; at least 1 is paid whatever stands here.
    pub minimum: i64,
    /// Only what was credited before this instant is paid.
    pub until: Timestamp,
    /// Where it is.
    pub state: PayoutState,
    /// The participant behind whom the building goes on.
    pub after: Option<ParticipantId>,
    /// When it was asked for, on the program's clock.
    pub created_at: Timestamp,
    /// When its lines were whole.
    pub opened_at: Option<Timestamp>,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// Counts writes; guards every change.
    pub version: u64,
}

/// What a payout pays one participant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayoutLine {
    /// The payout.
    pub payout_id: PayoutId,
    /// The program.
    pub program: ProgramId,
    /// Who is paid.
    pub participant_id: ParticipantId,
    /// How much. Nothing only while the payout is building and all so far was set off against what
    /// was owed.
    pub amount: Money,
    /// Where it is.
    pub state: LineState,
    /// The rewards whose credits it used up, oldest credit first, each once.
    pub reward_ids: Vec<RewardId>,
    /// What the bank calls the transfer.
    pub reference: Option<Name>,
    /// How many of the rewards have followed the line into its state.
    pub followed: usize,
    /// Counts writes; guards every change.
    pub version: u64,
}

impl PayoutLine {
    /// What happens to the line's rewards in its state, as long as some have not followed it.
    #[must_use]
    pub fn to_follow(&self) -> Option<RewardEvent> {
        let event = match self.state {
            LineState::Paid => RewardEvent::Redeem,
            LineState::Returned => RewardEvent::Return,
            // What is listed, or could not be paid, stays issued.
            LineState::Open | LineState::Failed => return None,
        };
        (self.followed < self.reward_ids.len()).then_some(event)
    }
}

/// The lines of a payout, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PayoutTotals {
    /// Lines.
    pub lines: i64,
    /// Those not settled yet.
    pub open: i64,
    /// Those paid.
    pub paid: i64,
    /// Those that could not be paid.
    pub failed: i64,
    /// Those that came back.
    pub returned: i64,
    /// What all lines come to, in minor units.
    pub amount: i64,
}

impl PayoutTotals {
    /// One line that leaves a state or comes to one.
    #[must_use]
    pub fn with(mut self, state: LineState, by: i64) -> Self {
        let count = match state {
            LineState::Open => &mut self.open,
            LineState::Paid => &mut self.paid,
            LineState::Failed => &mut self.failed,
            LineState::Returned => &mut self.returned,
        };
        *count = count.saturating_add(by);
        self
    }
}

/// What an event did to a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineStep {
    /// The line is in a new state.
    Moved(LineState),
    /// It had happened already: success without effect.
    Unchanged,
}

/// The event cannot happen to a line in its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a line that is {from} cannot become {to}")]
pub struct LineError {
    /// The present state.
    pub from: LineState,
    /// Where the event leads.
    pub to: LineEvent,
}

/// Applies one event to a line's state.
///
/// # Errors
/// [`LineError`] for what can never happen in that state.
pub fn step(state: LineState, event: LineEvent) -> Result<LineStep, LineError> {
    use {LineEvent as E, LineState as S, LineStep::*};
    match (state, event) {
        (S::Open, E::Paid) => Ok(Moved(S::Paid)),
        (S::Open, E::Failed) => Ok(Moved(S::Failed)),
        (S::Paid, E::Returned) => Ok(Moved(S::Returned)),
        (S::Paid, E::Paid) | (S::Failed, E::Failed) | (S::Returned, E::Returned) => Ok(Unchanged),
        (S::Open | S::Failed, E::Returned)
        | (S::Paid | S::Returned, E::Failed)
        | (S::Failed | S::Returned, E::Paid) => Err(LineError {
            from: state,
            to: event,
        }),
    }
}

/// What a lot holds, as far as a payout looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credit<'a> {
    /// How much is left in it.
    pub remaining: i64,
    /// The rewards in it.
    pub reward_ids: &'a [RewardId],
}

/// How many of a participant's credits, oldest first, fit into a line that names so many rewards
/// already. A credit is never split, and one fits whatever it holds into a line without any.
#[must_use]
pub fn fitting(credits: &[Credit<'_>], named: usize) -> usize {
    let mut named = named;
    credits
        .iter()
        .take_while(|credit| {
            let with = named.saturating_add(credit.reward_ids.len().max(1));
            let fits = named == 0 || with <= REWARDS_MAX;
            named = with;
            fits
        })
        .count()
}

/// Whether a participant is paid: what the credits that fit hold, less what is owed (a receivable,
/// zero or negative), reaches the minimum and is something.
#[must_use]
pub fn is_due(credits: &[Credit<'_>], receivable: i64, minimum: i64) -> bool {
    held(credits).saturating_add(receivable) >= minimum.max(1)
}

/// What a step moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// How many credits, from the oldest on, it uses up whole.
    pub credits: usize,
    /// What of them is set off against what the participant owes.
    pub netted: i64,
    /// What of them is listed.
    pub listed: i64,
}

/// The next step of a participant whose line is being made: the oldest credits, first to set off
/// what is owed, then to be listed.
#[must_use]
pub fn next_move(credits: &[Credit<'_>], receivable: i64) -> Move {
    let taken = credits.get(..STEP_CREDITS_MAX).unwrap_or(credits);
    let held = held(taken);
    let netted = held.min(receivable.saturating_neg()).max(0);
    Move {
        credits: taken.len(),
        netted,
        listed: held.saturating_sub(netted),
    }
}

fn held(credits: &[Credit<'_>]) -> i64 {
    credits
        .iter()
        .fold(0, |sum, credit| sum.saturating_add(credit.remaining))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every state and event, decided: `.` unchanged, `-` refused, a letter the next state.
    #[test]
    fn every_event_in_every_state() {
        let letter = |state: LineState| match state {
            LineState::Open => 'O',
            LineState::Paid => 'P',
            LineState::Failed => 'F',
            LineState::Returned => 'R',
        };
        // Columns: paid failed returned.
        let table = [
            (LineState::Open, "PF-"),
            (LineState::Paid, ".-R"),
            (LineState::Failed, "-.-"),
            (LineState::Returned, "--."),
        ];
        assert_eq!(table.len(), LineState::ALL.len());
        for (state, row) in table {
            let decided: String = LineEvent::ALL
                .iter()
                .map(|&event| match step(state, event) {
                    Ok(LineStep::Moved(next)) => letter(next),
                    Ok(LineStep::Unchanged) => '.',
                    Err(error) => {
                        assert_eq!((error.from, error.to), (state, event));
                        '-'
                    }
                })
                .collect();
            assert_eq!(decided, row, "{state}");
        }
    }

    /// A bank that tells the same twice moves nothing twice.
    #[test]
    fn any_event_repeated_changes_nothing_more() {
        for &state in LineState::ALL {
            for &event in LineEvent::ALL {
                if let Ok(LineStep::Moved(next)) = step(state, event) {
                    assert_eq!(
                        step(next, event),
                        Ok(LineStep::Unchanged),
                        "{state} {event}"
                    );
                }
            }
        }
    }

    fn credits(held: &[i64]) -> Vec<Credit<'static>> {
        let credit = |&remaining| Credit {
            remaining,
            reward_ids: &[],
        };
        held.iter().map(credit).collect()
    }

    /// What a line comes to, step by step, and what is owed in the end.
    fn walked(mut credits: &[Credit<'_>], mut receivable: i64) -> (i64, i64) {
        let mut listed = 0;
        while !credits.is_empty() {
            let step = next_move(credits, receivable);
            assert!(step.credits >= 1 && step.credits <= STEP_CREDITS_MAX);
            assert!(step.netted >= 0 && step.listed >= 0);
            assert_eq!(step.netted + step.listed, held(&credits[..step.credits]));
            credits = &credits[step.credits..];
            receivable += step.netted;
            listed += step.listed;
        }
        (listed, receivable)
    }

    #[test]
    fn nobody_is_paid_below_the_minimum_or_nothing() {
        let due = |held: &[i64], receivable, minimum| is_due(&credits(held), receivable, minimum);
        assert!(due(&[300, 200], 0, 500));
        assert!(!due(&[300, 199], 0, 500));
        assert!(!due(&[300, 200], -1, 500));
        assert!(!due(&[500], -500, 0));
        assert!(due(&[501], -500, 0));
        assert!(!due(&[], 0, 0));
    }

    /// A line is one item of the table: what it names is bounded. A single credit always fits, or
    /// it would never be paid.
    #[test]
    fn a_line_names_a_bounded_number_of_rewards() {
        let id = RewardId::floor_of(Timestamp::UNIX_EPOCH);
        let many = vec![id; REWARDS_MAX];
        let of = |number: usize| Credit {
            remaining: 1,
            reward_ids: &many[..number],
        };
        assert_eq!(fitting(&vec![of(1); REWARDS_MAX + 1], 0), REWARDS_MAX);
        assert_eq!(fitting(&[of(REWARDS_MAX), of(1)], 0), 1);
        assert_eq!(fitting(&[of(1), of(REWARDS_MAX), of(1)], 0), 1);
        assert_eq!(fitting(&[of(1)], REWARDS_MAX), 0);
        assert_eq!(fitting(&[of(1), of(1)], REWARDS_MAX - 1), 1);
    }

    proptest! {
        /// Step by step comes to the same as at once: what is held less what is owed.
        #[test]
        fn steps_come_to_the_whole(held_each in prop::collection::vec(1i64..1_000_000, 0..200), owed in 0i64..50_000_000) {
            let credits = credits(&held_each);
            let whole: i64 = held_each.iter().sum();
            let (listed, receivable) = walked(&credits, -owed);
            prop_assert_eq!(listed, (whole - owed).max(0));
            prop_assert_eq!(receivable, (whole - owed).min(0));
        }

        /// Whoever is paid owes nothing afterwards, gets at least the minimum and never more than
        /// the credits hold.
        #[test]
        fn who_is_paid_owes_nothing_more(
            held_each in prop::collection::vec(1i64..1_000_000, 0..200), owed in 0i64..50_000_000, minimum in 0i64..10_000_000,
        ) {
            let credits = credits(&held_each);
            if is_due(&credits, -owed, minimum) {
                let (listed, receivable) = walked(&credits, -owed);
                prop_assert_eq!(receivable, 0);
                prop_assert!(listed >= minimum.max(1) && listed <= held_each.iter().sum());
            }
        }

        /// A crash between two steps, after which the decision is made again, does not unmake it: what
        /// is netted leaves the difference as it was.
        #[test]
        fn netting_does_not_change_whether_one_is_paid(
            held_each in prop::collection::vec(1i64..1_000, 41..120), owed in 0i64..60_000, minimum in 0i64..60_000,
        ) {
            let credits = credits(&held_each);
            let step = next_move(&credits, -owed);
            if step.listed == 0 {
                let rest = &credits[step.credits..];
                prop_assert_eq!(is_due(rest, step.netted - owed, minimum), is_due(&credits, -owed, minimum));
            }
        }
    }
}
