//! How far the shop is, for people to read.

use super::{Fulfilment, Progress, Question};
use crate::explanation::{minute, times};
use crate::reward::RewardState;
use crate::webhook::{Attempt, AttemptEnd};

impl Attempt {
    /// How it ended, in a few words.
    #[must_use]
    pub fn ending(&self) -> String {
        if let Some(status) = self.status {
            return format!("status {status}");
        }
        let words = match self.end {
            AttemptEnd::Answered => "an answer without a status",
            AttemptEnd::NotResolved => "its host was not found",
            AttemptEnd::ForbiddenAddress => "its host leads to an address that is not public",
            AttemptEnd::Refused => "nobody listens there",
            AttemptEnd::Tls => "no secure connection came about",
            AttemptEnd::TimedOut => "no answer in time",
            AttemptEnd::Broken => "the connection broke",
        };
        words.to_owned()
    }
}

impl Fulfilment {
    /// How far the shop is with a reward in a state: a sentence.
    #[must_use]
    pub fn explain(&self, state: RewardState) -> String {
        let last = self.last.as_ref().map(Attempt::ending);
        let last = last.unwrap_or_else(|| "no answer".to_owned());
        let times = times(i64::from(self.tries));
        let what = match self.question {
            Some(Question::Validate) => "whether it agrees",
            Some(Question::Fulfil) | None => "to carry it out",
        };
        match (state, self.progress) {
            (RewardState::Issued | RewardState::Redeemed | RewardState::Expired, _) => {
                "The shop has carried it out.".to_owned()
            }
            (RewardState::ClawedBack, _) => {
                "The shop has carried it out, and it was taken back.".to_owned()
            }
            (RewardState::Cancelled | RewardState::Rejected, Progress::Asking) => {
                "It was withdrawn while the shop was being asked. If the shop says that it has carried it out, \
                 it is taken back."
                    .to_owned()
            }
            (RewardState::Rejected, Progress::Answered)
                if self.question == Some(Question::Validate) =>
            {
                format!("The shop did not agree ({last}).")
            }
            (RewardState::Cancelled | RewardState::Rejected, _) if self.tries > 0 => {
                format!("It was withdrawn after the shop had been asked {times}; the last answer: {last}.")
            }
            (RewardState::Cancelled | RewardState::Rejected, _) => {
                "It was withdrawn before the shop was asked.".to_owned()
            }
            (RewardState::Failed, Progress::Answered) => {
                format!("The shop has refused it ({last}). Retried, it is asked again under the same id.")
            }
            (RewardState::Failed, _) if self.tries > 0 => format!(
                "The shop was asked {times} in vain; the last answer: {last}. Retried, it is asked again under the \
                 same id."
            ),
            (RewardState::Failed, _) => "The shop was not asked.".to_owned(),
            (RewardState::Pending | RewardState::Approved, Progress::Asking) => {
                format!("The shop is being asked {what}.")
            }
            (RewardState::Pending | RewardState::Approved, Progress::Waiting) => {
                self.explain_waiting(&times, what, &last)
            }
            (RewardState::Pending, Progress::GivenUp) if self.tries == 0 => {
                "The shop cannot be asked whether it agrees: its webhook was deleted. The owner approves or \
                 rejects it."
                    .to_owned()
            }
            (RewardState::Pending, Progress::GivenUp) => format!(
                "The shop was asked {times} whether it agrees and did not say; the last answer: {last}. The owner \
                 approves or rejects it."
            ),
            (RewardState::Pending, _) if self.rule.validate && !self.validated => {
                "The shop is asked whether it agrees as soon as the hold is over.".to_owned()
            }
            (RewardState::Pending, _) => {
                "The shop is asked to carry it out as soon as the hold is over.".to_owned()
            }
            (RewardState::Approved, _) => {
                "The shop is about to be asked to carry it out.".to_owned()
            }
        }
    }

    fn explain_waiting(&self, times: &str, what: &str, last: &str) -> String {
        let again = self.next_at.map_or_else(
            || "again later".to_owned(),
            |at| format!("again on {}", minute(at)),
        );
        if self.tries == 0 {
            return format!(
                "The shop's webhook is disabled or fails, and is left alone for a while; it is asked {what} {again}."
            );
        }
        format!("The shop was asked {what} {times}, the last answer: {last}; it is asked {again}.")
    }
}
