//! Surveys: who is asked, when, whether at all, and until when an answer counts.

use jiff::{SignedDuration, Timestamp};

use crate::fact::FactKind;
use crate::id::{ParticipantId, ProgramId, SurveyId};
use crate::nps::Score;
use crate::participant::Consent;
use crate::program::{MailGround, days};
use crate::reward::Side;
use crate::text::{Comment, Slug};
use crate::words::words;

/// The longest delay between the event and the question, in hours: 90 days.
pub const DELAY_HOURS_MAX: u16 = 2_160;
/// The longest time that a survey stays open, in days.
pub const CLOSES_AFTER_DAYS_MAX: u16 = 365;
/// The longest time in which a person is not asked the same again, in days.
pub const COOLDOWN_DAYS_MAX: u16 = 730;
/// How long a survey stays open unless its rule says otherwise.
pub const CLOSES_AFTER_DAYS_DEFAULT: u16 = 30;
/// How long a person is not asked again unless the rule says otherwise.
pub const COOLDOWN_DAYS_DEFAULT: u16 = 90;

words! {
    /// What makes a program ask.
    pub enum SurveyTrigger {
        /// The person's own reward was issued.
        RewardIssued = "reward.issued",
        /// A conversion was recorded in which the person was a party.
        ConversionRecorded = "conversion.recorded",
    }
}

impl SurveyTrigger {
    /// The fact that triggers it.
    #[must_use]
    pub fn fact(self) -> FactKind {
        match self {
            Self::RewardIssued => FactKind::RewardIssued,
            Self::ConversionRecorded => FactKind::ConversionRecorded,
        }
    }
}

/// One rule of a program: ask these people after that event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SurveyRule {
    /// Its name within the program.
    pub id: Slug,
    /// After what.
    pub on: SurveyTrigger,
    /// Whom.
    pub to: Side,
    /// How long after, in hours.
    pub delay_hours: u16,
    /// How long an answer counts, in days from sending.
    pub closes_after_days: u16,
    /// How long the person is not asked by this rule again, in days.
    pub cooldown_days: u16,
}

impl SurveyRule {
    /// When a survey triggered now is due.
    #[must_use]
    pub fn due_at(&self, now: Timestamp) -> Timestamp {
        let delay = SignedDuration::from_hours(i64::from(self.delay_hours));
        now.checked_add(delay).unwrap_or(Timestamp::MAX)
    }

    /// When a survey sent now closes.
    #[must_use]
    pub fn closes_at(&self, now: Timestamp) -> Timestamp {
        now.checked_add(days(self.closes_after_days))
            .unwrap_or(Timestamp::MAX)
    }

    /// Whether a person last asked at `last` may be asked again.
    #[must_use]
    pub fn has_cooled_down(&self, last: Option<Timestamp>, now: Timestamp) -> bool {
        last.is_none_or(|last| now.duration_since(last) >= days(self.cooldown_days))
    }
}

words! {
    /// Where a survey is.
    pub enum SurveyState {
        /// Waits for its time.
        Scheduled = "scheduled",
        /// Being handed to the mail provider: at most one worker gets here.
        Sending = "sending",
        /// Handed over.
        Sent = "sent",
        /// Answered; a later answer replaces the earlier one until it closes.
        Answered = "answered",
        /// No longer open.
        Closed = "closed",
        /// Not sent, for the reason kept with it.
        Skipped = "skipped",
        /// The provider refused it.
        Failed = "failed",
        /// Whether it was sent is not known. It is never sent again.
        Unknown = "unknown",
    }
}

words! {
    /// Why a survey was not sent.
    pub enum SkipReason {
        /// No mail address is known.
        NoAddress = "no_address",
        /// The person did not agree, or objected.
        NoConsent = "no_consent",
        /// The person unsubscribed, or the address does not take mail.
        Suppressed = "suppressed",
        /// The person was asked not long ago.
        Cooldown = "cooldown",
        /// The person was suspended.
        Suspended = "suspended",
        /// The rule is gone from the program.
        RuleGone = "rule_gone",
    }
}

/// What is known of the person when a survey is due.
#[derive(Debug, Clone, Copy)]
pub struct Addressee<'a> {
    /// Whether a mail address is known.
    pub has_address: bool,
    /// Whether the person is active.
    pub active: bool,
    /// What they agreed to.
    pub consent: &'a Consent,
    /// Whether the address is on the program's suppression list.
    pub suppressed: bool,
    /// When they were last asked by this rule.
    pub last_asked_at: Option<Timestamp>,
}

/// Whether to send a due survey now.
///
/// # Errors
/// The reason not to. An objection is final and stands before everything that may pass.
pub fn may_send(
    rule: &SurveyRule,
    ground: MailGround,
    person: Addressee<'_>,
    now: Timestamp,
) -> Result<(), SkipReason> {
    if !person.active {
        return Err(SkipReason::Suspended);
    }
    if !person.has_address {
        return Err(SkipReason::NoAddress);
    }
    if person.suppressed {
        return Err(SkipReason::Suppressed);
    }
    let consented = match ground {
        MailGround::LegitimateInterest => person.consent.surveys != Some(false),
        MailGround::Consent => person.consent.surveys == Some(true),
    };
    if !consented {
        return Err(SkipReason::NoConsent);
    }
    if !rule.has_cooled_down(person.last_asked_at, now) {
        return Err(SkipReason::Cooldown);
    }
    Ok(())
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// 0 to 10.
    pub score: Score,
    /// In the person's own words.
    pub comment: Option<Comment>,
    /// When, on the program's clock.
    pub answered_at: Timestamp,
}

/// What is to be done for a survey that may be able to move on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attention {
    /// Nothing: it is done, or somebody is at work on it.
    None,
    /// Its time has not come: to be looked at again when it has.
    LookAgain,
    /// To be sent, if it may be.
    Send,
    /// Whoever was sending it is gone: whether it left is not known.
    Doubt,
    /// To be closed.
    Close,
}

/// How the handing over of a survey's mail ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handover {
    /// The provider has it.
    Sent,
    /// It surely did not leave, and may leave later.
    NotSent,
    /// The provider will never take it.
    Refused,
    /// It may have left.
    Unknown,
}

/// One survey, to one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// Derived from rule, event and person: a repetition makes it again.
    pub id: SurveyId,
    /// The program.
    pub program: ProgramId,
    /// The rule that asked for it.
    pub rule_id: Slug,
    /// Whom it goes to.
    pub participant_id: ParticipantId,
    /// Where it is.
    pub state: SurveyState,
    /// When it is to be sent.
    pub due_at: Timestamp,
    /// Until when the worker that is sending it may be alive, in real time.
    pub lease_until: Option<Timestamp>,
    /// When it was handed over.
    pub sent_at: Option<Timestamp>,
    /// Until when an answer counts.
    pub closes_at: Option<Timestamp>,
    /// The latest answer.
    pub answer: Option<Answer>,
    /// Why it was not sent.
    pub skipped: Option<SkipReason>,
    /// When it was scheduled.
    pub created_at: Timestamp,
    /// Counts writes; guards every change.
    pub version: u64,
}

impl Survey {
    /// What is to be done for it now.
    #[must_use]
    pub fn attention(&self, now: Timestamp, real_now: Timestamp) -> Attention {
        match self.state {
            SurveyState::Scheduled if now < self.due_at => Attention::LookAgain,
            SurveyState::Scheduled => Attention::Send,
            SurveyState::Sending if self.lease_until.is_some_and(|until| real_now < until) => {
                Attention::None
            }
            SurveyState::Sending => Attention::Doubt,
            SurveyState::Sent | SurveyState::Answered | SurveyState::Unknown => {
                match self.closes_at {
                    Some(closes) if closes <= now => Attention::Close,
                    Some(_) => Attention::LookAgain,
                    None => Attention::None,
                }
            }
            SurveyState::Closed | SurveyState::Skipped | SurveyState::Failed => Attention::None,
        }
    }

    /// The survey while it is being sent: from here on it is never sent by anybody else. It closes
    /// when its mail says so.
    #[must_use]
    pub fn sending(&self, rule: &SurveyRule, now: Timestamp, lease_until: Timestamp) -> Self {
        Self {
            state: SurveyState::Sending,
            lease_until: Some(lease_until),
            closes_at: Some(rule.closes_at(now)),
            ..self.clone()
        }
    }

    /// The survey after its sending ended, or `None` when that changes nothing. Somebody may have
    /// been quicker to answer it than the provider to take it: then it surely was sent.
    #[must_use]
    pub fn after(&self, handover: Handover, now: Timestamp) -> Option<Self> {
        use {Handover as H, SurveyState as S};
        let ended = |state| Self {
            state,
            lease_until: None,
            ..self.clone()
        };
        match (self.state, handover) {
            (S::Sending | S::Unknown, H::Sent) => Some(Self {
                sent_at: Some(now),
                ..ended(S::Sent)
            }),
            (S::Answered | S::Closed, H::Sent | H::Unknown) if self.sent_at.is_none() => {
                Some(Self {
                    sent_at: Some(now),
                    ..ended(self.state)
                })
            }
            (S::Sending, H::NotSent) => Some(Self {
                closes_at: None,
                ..ended(S::Scheduled)
            }),
            (S::Sending, H::Refused) => Some(Self {
                closes_at: None,
                ..ended(S::Failed)
            }),
            (S::Sending, H::Unknown) => Some(ended(S::Unknown)),
            (
                S::Scheduled | S::Sent | S::Answered | S::Closed | S::Skipped | S::Failed,
                H::Sent | H::Unknown,
            )
            | (S::Unknown, H::Unknown)
            | (
                S::Scheduled
                | S::Sent
                | S::Answered
                | S::Closed
                | S::Skipped
                | S::Failed
                | S::Unknown,
                H::NotSent | H::Refused,
            ) => None,
        }
    }

    /// The survey that is not sent, for a reason.
    #[must_use]
    pub fn not_sent(&self, reason: SkipReason) -> Self {
        Self {
            state: SurveyState::Skipped,
            skipped: Some(reason),
            ..self.clone()
        }
    }

    /// The survey whose time to answer is over.
    #[must_use]
    pub fn closed(&self) -> Self {
        Self {
            state: SurveyState::Closed,
            ..self.clone()
        }
    }

    /// The survey with this answer in place of an earlier one; `None` when it is the same answer. An
    /// answer proves that the mail arrived, also where that was in doubt.
    #[must_use]
    pub fn answered(&self, score: Score, comment: Option<Comment>, now: Timestamp) -> Option<Self> {
        let is_same = self
            .answer
            .as_ref()
            .is_some_and(|given| given.score == score && given.comment == comment);
        if is_same {
            return None;
        }
        let was_in_doubt = self.state == SurveyState::Unknown;
        Some(Self {
            state: SurveyState::Answered,
            sent_at: self.sent_at.or(was_in_doubt.then_some(now)),
            answer: Some(Answer {
                score,
                comment,
                answered_at: now,
            }),
            version: self.version.saturating_add(1),
            ..self.clone()
        })
    }

    /// Whether an answer given now counts. A survey whose sending is in doubt is open: whoever has
    /// its link got the mail.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        match self.state {
            SurveyState::Sending
            | SurveyState::Sent
            | SurveyState::Answered
            | SurveyState::Unknown => self.closes_at.is_none_or(|closes| now < closes),
            SurveyState::Scheduled
            | SurveyState::Closed
            | SurveyState::Skipped
            | SurveyState::Failed => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule() -> SurveyRule {
        SurveyRule {
            id: "after-reward".parse().unwrap(),
            on: SurveyTrigger::RewardIssued,
            to: Side::Referrer,
            delay_hours: 24,
            closes_after_days: 30,
            cooldown_days: 90,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn survey(state: SurveyState) -> Survey {
        let zero = Timestamp::UNIX_EPOCH;
        Survey {
            id: SurveyId::floor_of(zero),
            program: ProgramId::floor_of(zero),
            rule_id: "after-reward".parse().unwrap(),
            participant_id: ParticipantId::floor_of(zero),
            state,
            due_at: at(100),
            lease_until: Some(at(50)),
            sent_at: None,
            closes_at: Some(at(200)),
            answer: None,
            skipped: None,
            created_at: zero,
            version: 1,
        }
    }

    /// A message may come early, twice, or long after the fact.
    #[test]
    fn a_survey_gets_the_attention_that_its_state_and_the_clocks_ask_for() {
        use {Attention as A, SurveyState as S};
        for (state, now, real_now, expected) in [
            (S::Scheduled, 99, 0, A::LookAgain),
            (S::Scheduled, 100, 0, A::Send),
            (S::Sending, 0, 49, A::None),
            (S::Sending, 0, 50, A::Doubt),
            (S::Sent, 199, 0, A::LookAgain),
            (S::Sent, 200, 0, A::Close),
            (S::Answered, 200, 0, A::Close),
            (S::Unknown, 200, 0, A::Close),
            (S::Closed, 999, 999, A::None),
            (S::Skipped, 999, 999, A::None),
            (S::Failed, 999, 999, A::None),
        ] {
            let attention = survey(state).attention(at(now), at(real_now));
            assert_eq!(attention, expected, "{state} {now} {real_now}");
        }
    }

    /// Every state and end of a sending, decided: `.` nothing to change, else the next state.
    #[test]
    fn every_end_of_a_sending_in_every_state() {
        let ends = [
            Handover::Sent,
            Handover::NotSent,
            Handover::Refused,
            Handover::Unknown,
        ];
        for (state, row) in [
            (SurveyState::Scheduled, ". . . ."),
            (SurveyState::Sending, "sent scheduled failed unknown"),
            (SurveyState::Sent, ". . . ."),
            (SurveyState::Answered, "answered . . answered"),
            (SurveyState::Closed, "closed . . closed"),
            (SurveyState::Skipped, ". . . ."),
            (SurveyState::Failed, ". . . ."),
            (SurveyState::Unknown, "sent . . ."),
        ] {
            let decided: Vec<&str> = ends
                .into_iter()
                .map(|end| match survey(state).after(end, at(120)) {
                    Some(next) => {
                        let left = end == Handover::Sent || state != SurveyState::Sending;
                        assert_eq!(next.sent_at, left.then(|| at(120)), "{state} {end:?}");
                        assert_eq!(next.after(end, at(130)), None, "{state} {end:?}");
                        next.state.as_str()
                    }
                    None => ".",
                })
                .collect();
            assert_eq!(decided.join(" "), row, "{state}");
        }
    }

    #[test]
    fn consent_address_suppression_and_cooldown_are_respected() {
        let now: Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
        let agreed = Consent {
            surveys: Some(true),
            ..Consent::default()
        };
        let objected = Consent {
            surveys: Some(false),
            ..Consent::default()
        };
        let silent = Consent::default();
        let person = |consent| Addressee {
            has_address: true,
            active: true,
            consent,
            suppressed: false,
            last_asked_at: None,
        };
        let interest = MailGround::LegitimateInterest;
        let decide = |ground, person| may_send(&rule(), ground, person, now);

        assert_eq!(decide(interest, person(&silent)), Ok(()));
        assert_eq!(decide(MailGround::Consent, person(&agreed)), Ok(()));
        assert_eq!(
            decide(MailGround::Consent, person(&silent)),
            Err(SkipReason::NoConsent)
        );
        assert_eq!(
            decide(interest, person(&objected)),
            Err(SkipReason::NoConsent)
        );
        assert_eq!(
            decide(
                interest,
                Addressee {
                    has_address: false,
                    ..person(&agreed)
                }
            ),
            Err(SkipReason::NoAddress)
        );
        assert_eq!(
            decide(
                interest,
                Addressee {
                    suppressed: true,
                    ..person(&agreed)
                }
            ),
            Err(SkipReason::Suppressed)
        );
        assert_eq!(
            decide(
                interest,
                Addressee {
                    active: false,
                    ..person(&agreed)
                }
            ),
            Err(SkipReason::Suspended)
        );
        let asked = |days_ago: i64| Addressee {
            last_asked_at: Some(now - SignedDuration::from_hours(24 * days_ago)),
            ..person(&agreed)
        };
        assert_eq!(decide(interest, asked(89)), Err(SkipReason::Cooldown));
        assert_eq!(decide(interest, asked(90)), Ok(()));
    }

    fn score(number: i64) -> Score {
        Score::try_from(number).unwrap()
    }

    #[test]
    fn a_later_answer_replaces_the_earlier_and_the_same_one_changes_nothing() {
        let now: Timestamp = "2026-03-02T00:00:00Z".parse().unwrap();
        let later: Timestamp = "2026-03-03T00:00:00Z".parse().unwrap();
        let sent = Survey {
            version: 4,
            closes_at: Some("2026-04-01T00:00:00Z".parse().unwrap()),
            ..survey(SurveyState::Sent)
        };
        let first = sent.answered(score(3), None, now).unwrap();
        assert_eq!((first.state, first.version), (SurveyState::Answered, 5));
        assert_eq!(first.answered(score(3), None, later), None);
        let comment = Comment::optional("Better now").unwrap();
        let second = first.answered(score(3), comment, later).unwrap();
        assert_eq!(second.version, 6);
        assert_eq!(
            second.answer.as_ref().map(|answer| answer.answered_at),
            Some(later)
        );
        assert_eq!(second.closes_at, sent.closes_at);
    }

    #[test]
    fn an_answer_proves_that_the_mail_arrived() {
        let now: Timestamp = "2026-03-02T00:00:00Z".parse().unwrap();
        let sent_at = |state| {
            let before = Survey {
                sent_at: None,
                ..survey(state)
            };
            before.answered(score(9), None, now).unwrap().sent_at
        };
        assert_eq!(sent_at(SurveyState::Unknown), Some(now));
        // Its sender is still at it, and writes down when.
        assert_eq!(sent_at(SurveyState::Sending), None);
    }
}
