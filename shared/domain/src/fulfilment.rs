//! Rewards that the shop carries out itself: what it is asked, what its answer comes to, and what
//! becomes of a reward that changes while the shop is being asked.
//!
//! A question is an act outside the table, so it has two commits around it: one says that it is asked
//! and by whom ([`Fulfilment::asking`]), the other what the answer was ([`note()`]). In between anything
//! may happen to the reward. What the shop was asked for once it is asked for again, whatever the
//! reward has come to since: the same id means the same thing, and what it gave was that.

mod explain;
mod handed;
mod note;

use jiff::Timestamp;

pub use handed::Handed;
pub use note::{Answered, NamedCode, Noted, note};

use crate::id::{RewardId, WebhookId};
use crate::retries::{LEASE, later, next_try, put_off, wait_for_owner};
use crate::reward::{Reward, RewardEvent, RewardState, RewardValue};
use crate::text::Name;
use crate::webhook::{Attempt, Fared};
use crate::words::words;

/// Who carries out the rewards of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FulfilmentRule {
    /// The endpoint of the program that is asked.
    pub webhook: WebhookId,
    /// Whether it is asked, before a reward is released, whether it agrees.
    pub validate: bool,
}

words! {
    /// What a shop is asked.
    pub enum Question {
        /// Whether it agrees that the reward was earned.
        Validate = "reward.validate",
        /// To carry the reward out.
        Fulfil = "reward.fulfil",
    }
}

impl Question {
    /// The id under which a shop is asked this about a reward, however often.
    #[must_use]
    pub fn key(self, reward: RewardId) -> String {
        match self {
            Self::Validate => format!("{reward}:validate"),
            Self::Fulfil => format!("{reward}:issue"),
        }
    }
}

words! {
    /// How far a question is.
    pub enum Progress {
        /// It was not asked, or not since it was begun again.
        NotAsked = "not_asked",
        /// It is being asked.
        Asking = "asking",
        /// It will be asked again.
        Waiting = "waiting",
        /// It was answered.
        Answered = "answered",
        /// It was asked in vain until the last time.
        GivenUp = "given_up",
    }
}

/// What a shop was asked for first, which all tries repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// What the reward was worth.
    pub value: RewardValue,
    /// When, on the program's clock.
    pub at: Timestamp,
}

/// How far the shop is with a reward that it carries out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fulfilment {
    /// The rule, as it stood when the reward was made.
    pub rule: FulfilmentRule,
    /// Whether the shop has agreed.
    pub validated: bool,
    /// What it is asked, or was asked last.
    pub question: Option<Question>,
    /// What it was asked for.
    pub terms: Option<Terms>,
    /// How far that is.
    pub progress: Progress,
    /// On the program's clock: when it is asked again, or until when whoever asks has time.
    pub next_at: Option<Timestamp>,
    /// How often it was asked this since it was begun.
    pub tries: u32,
    /// How often anybody has begun to ask anything: tells one try from another.
    pub claims: u32,
    /// How the last try ended.
    pub last: Option<Attempt>,
    /// What the shop calls what it has done.
    pub receipt: Option<Name>,
}

/// What a reward waits for at the shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShopWait {
    /// Somebody asks it now, and has until then.
    UnderWay(Timestamp),
    /// It is asked again then.
    Until(Timestamp),
    /// It never said whether it agrees: the owner decides.
    Owner,
}

/// A try that somebody has begun, as they remember it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// What is asked.
    pub question: Question,
    /// Which try it is.
    pub claim: u32,
    /// What is asked for.
    pub terms: Terms,
}

impl Fulfilment {
    /// Nothing was asked yet.
    #[must_use]
    pub fn of(rule: FulfilmentRule) -> Self {
        Self {
            rule,
            validated: false,
            question: None,
            terms: None,
            progress: Progress::NotAsked,
            next_at: None,
            tries: 0,
            claims: 0,
            last: None,
            receipt: None,
        }
    }

    /// What the shop is asked next about a reward in a state.
    #[must_use]
    pub fn question_for(&self, state: RewardState) -> Question {
        if state == RewardState::Pending && self.rule.validate && !self.validated {
            Question::Validate
        } else {
            Question::Fulfil
        }
    }

    pub(crate) fn wait(&self, state: RewardState) -> Option<ShopWait> {
        let is_open = matches!(state, RewardState::Pending | RewardState::Approved);
        let asked = self.question?;
        // A reward that is held again is carried out once it is released again.
        let is_held = state == RewardState::Pending && asked == Question::Fulfil;
        if !is_open || is_held || asked != self.question_for(state) {
            return None;
        }
        match self.progress {
            Progress::Asking => self.next_at.map(ShopWait::UnderWay),
            Progress::Waiting => self.next_at.map(ShopWait::Until),
            Progress::GivenUp => (state == RewardState::Pending).then_some(ShopWait::Owner),
            Progress::NotAsked | Progress::Answered => None,
        }
    }

    /// Whether somebody is asking this now, and still has time for it.
    #[must_use]
    pub fn is_under_way(&self, question: Question, now: Timestamp) -> bool {
        self.progress == Progress::Asking
            && self.question == Some(question)
            && self.next_at.is_some_and(|until| until > now)
    }

    fn about(&self, question: Question) -> Self {
        if self.question == Some(question) {
            return self.clone();
        }
        Self {
            question: Some(question),
            terms: None,
            tries: 0,
            ..self.clone()
        }
    }

    /// Being asked from now on, by somebody who has a minute for it; and what they remember.
    #[must_use]
    pub fn asking(&self, question: Question, value: RewardValue, now: Timestamp) -> (Self, Asked) {
        let about = self.about(question);
        let terms = about.terms.unwrap_or(Terms { value, at: now });
        let claim = self.claims.saturating_add(1);
        let asking = Self {
            terms: Some(terms),
            progress: Progress::Asking,
            next_at: Some(later(now, LEASE)),
            claims: claim,
            ..about
        };
        let asked = Asked {
            question,
            claim,
            terms,
        };
        (asking, asked)
    }

    /// Not asked before this, and none of its tries used up.
    #[must_use]
    pub fn put_off(&self, question: Question, reward: RewardId, until: Timestamp) -> Self {
        let about = self.about(question);
        Self {
            progress: Progress::Waiting,
            next_at: Some(put_off(reward.to_bytes(), about.tries, until)),
            ..about
        }
    }

    /// Until when a reward is put off whose webhook is disabled, when it was to be carried out at `since`.
    #[must_use]
    pub fn while_disabled(since: Timestamp, now: Timestamp) -> Timestamp {
        later(now, wait_for_owner(now.duration_since(since)))
    }

    /// Nobody is there to say whether they agree.
    #[must_use]
    pub fn unanswerable(&self) -> Self {
        Self {
            progress: Progress::GivenUp,
            next_at: None,
            ..self.about(Question::Validate)
        }
    }

    /// Begun again: the owner has it tried again, or it is earned again. An answer that is under way
    /// still counts.
    pub(crate) fn again(&self, event: RewardEvent) -> Self {
        let progress = match self.progress {
            Progress::Asking => Progress::Asking,
            Progress::NotAsked | Progress::Waiting | Progress::Answered | Progress::GivenUp => {
                Progress::NotAsked
            }
        };
        // A retry repeats what may have been done. What was withdrawn the shop was told to undo.
        let terms = self.terms.filter(|_| event == RewardEvent::Retry);
        Self {
            progress,
            next_at: self.next_at.filter(|_| progress == Progress::Asking),
            tries: 0,
            terms,
            ..self.clone()
        }
    }

    /// Whether a try is the one that stands.
    fn is_asking(&self, asked: &Asked) -> bool {
        self.progress == Progress::Asking && self.claims == asked.claim
    }

    /// After a try.
    fn answered(&self, of: RewardId, answered: &Answered, now: Timestamp) -> Self {
        let again = match Verdict::of(&answered.attempt) {
            Verdict::Done | Verdict::Refused => None,
            Verdict::Again => next_try(of.to_bytes(), self.tries, answered.retry_after, now),
        };
        let (progress, terms) = match (Verdict::of(&answered.attempt), again) {
            (Verdict::Done, _) => (Progress::Answered, self.terms),
            // Nothing was done, so another time it may be asked for something else.
            (Verdict::Refused, _) => (Progress::Answered, None),
            (Verdict::Again, Some(_)) => (Progress::Waiting, self.terms),
            (Verdict::Again, None) => (Progress::GivenUp, self.terms),
        };
        Self {
            progress,
            terms,
            next_at: again,
            tries: self.tries.saturating_add(1),
            last: Some(answered.attempt.clone()),
            ..self.clone()
        }
    }
}

/// What an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Yes: it is done, or agreed to.
    Done,
    /// No.
    Refused,
    /// Neither: the same is asked again.
    Again,
}

impl Verdict {
    /// Of an attempt: any 2xx is yes and any 4xx is no, but for those by which a server says that it
    /// could not look at the question now. Everything else is no answer.
    #[must_use]
    pub fn of(attempt: &Attempt) -> Self {
        match attempt.status {
            Some(200..=299) => Self::Done,
            Some(408 | 409 | 425 | 429) => Self::Again,
            Some(400..=499) => Self::Refused,
            Some(_) | None => Self::Again,
        }
    }

    /// What it says about the endpoint. One that says no works: a shop that refuses five rewards in a
    /// row is not broken, and a 410 is about the reward.
    #[must_use]
    pub fn fared(self) -> Fared {
        match self {
            Self::Done | Self::Refused => Fared::Well,
            Self::Again => Fared::Badly,
        }
    }
}

/// The reward as a shop is asked about it: worth what it was when it was asked first.
#[must_use]
pub fn as_asked(reward: &Reward, asked: &Asked) -> Reward {
    Reward {
        value: asked.terms.value,
        ..reward.clone()
    }
}

#[cfg(test)]
mod tests;
