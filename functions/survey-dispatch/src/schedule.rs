//! From a fact to the surveys that a program's rules ask for after it.

use kith_domain::fact::{Fact, FactKind};
use kith_domain::id::{ParticipantId, ProgramId, SurveyId};
use kith_domain::reward::{Reward, Side};
use kith_domain::survey::{Survey, SurveyRule, SurveyState, SurveyTrigger};
use kith_edge::{Invocation, Undone, WorkError, decide};
use kith_store::items::{Event, RecordedFact};
use kith_store::keys::{self, EventRef};
use kith_store::wake::Queue;
use kith_store::{Loaded, Was};

use crate::Dispatch;

impl Dispatch {
    /// Schedules what an event asks for and settles the event, in one transaction: from then on the
    /// surveys carry their own due entries. Answers those that are due at once.
    pub(crate) async fn schedule_surveys(
        &self,
        invocation: &Invocation,
        at: EventRef,
    ) -> Result<Vec<SurveyId>, WorkError> {
        decide(|| self.schedule_once(invocation, at)).await
    }

    async fn schedule_once(
        &self,
        invocation: &Invocation,
        at: EventRef,
    ) -> Result<Vec<SurveyId>, Undone> {
        let key = keys::event(at);
        let view = self
            .desk
            .view(invocation, at.program, [key.clone()])
            .await?;
        let Some(mut view) = view else {
            return Ok(Vec::new());
        };
        let Some(event) = view.loaded.read::<Event>(&key)? else {
            return Ok(Vec::new());
        };
        if !event.awaiting.contains(Queue::Surveys.as_str()) {
            return Ok(Vec::new());
        }
        let rewards = rewards_of(&event);
        view.load(rewards.map(|reward| keys::reward(at.program, reward)))
            .await?;

        let mut surveys = Vec::new();
        for recorded in &event.facts {
            for rule in &view.program.surveys {
                let Some(person) = addressee(&recorded.fact, rule, at.program, &view.loaded)?
                else {
                    continue;
                };
                surveys.push(Survey {
                    created_at: view.now,
                    ..survey(&event, recorded, rule, person)
                });
            }
        }
        view.load(
            surveys
                .iter()
                .map(|survey| keys::survey(at.program, survey.id)),
        )
        .await?;

        let mut commit = view.commit();
        surveys.retain(|survey| {
            let key = keys::survey(at.program, survey.id);
            view.loaded.item(&key).is_none()
        });
        for survey in &surveys {
            commit.survey(survey, Was::Absent);
        }
        commit.settle(at, &event, Queue::Surveys);
        view.write(commit).await?;
        let due = surveys.iter().filter(|survey| survey.due_at <= view.now);
        Ok(due.map(|survey| survey.id).collect())
    }
}

/// The rewards that decide on which side of a referral a person is asked.
fn rewards_of(event: &Event) -> impl Iterator<Item = kith_domain::id::RewardId> {
    event
        .facts
        .iter()
        .filter(|recorded| recorded.fact.kind == FactKind::RewardIssued)
        .filter_map(|recorded| recorded.fact.reward_id)
}

/// Whom a rule asks after a fact, if it asks anybody.
fn addressee(
    fact: &Fact,
    rule: &SurveyRule,
    program: ProgramId,
    loaded: &Loaded,
) -> Result<Option<ParticipantId>, Undone> {
    if fact.kind != rule.on.fact() {
        return Ok(None);
    }
    match rule.on {
        SurveyTrigger::RewardIssued => {
            let Some(id) = fact.reward_id else {
                return Ok(None);
            };
            let reward = loaded.read::<Reward>(&keys::reward(program, id))?;
            let theirs = reward.filter(|reward| reward.beneficiary == rule.to.into());
            Ok(theirs.map(|reward| reward.beneficiary_id))
        }
        // Nobody is asked about a conversion that is nobody's merit.
        SurveyTrigger::ConversionRecorded => Ok(match (fact.referrer_id, rule.to) {
            (None, _) => None,
            (Some(referrer), Side::Referrer) => Some(referrer),
            (Some(_), Side::Referee) => fact.referee_id,
        }),
    }
}

/// The survey that a rule asks for after a fact: the same one, however often that is decided.
fn survey(
    event: &Event,
    recorded: &RecordedFact,
    rule: &SurveyRule,
    person: ParticipantId,
) -> Survey {
    let parts: [&[u8]; 3] = [
        &recorded.id.to_bytes(),
        rule.id.as_str().as_bytes(),
        &person.to_bytes(),
    ];
    Survey {
        id: SurveyId::derived(event.created_at, &parts),
        program: event.program,
        rule_id: rule.id.clone(),
        participant_id: person,
        state: SurveyState::Scheduled,
        due_at: rule.due_at(event.created_at),
        lease_until: None,
        sent_at: None,
        closes_at: None,
        answer: None,
        skipped: None,
        created_at: event.created_at,
        version: 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use kith_domain::id::EventId;
    use kith_domain::mode::Mode;

    fn rule(to: Side) -> SurveyRule {
        SurveyRule {
            id: "how-was-it".parse().unwrap(),
            on: SurveyTrigger::ConversionRecorded,
            to,
            delay_hours: 24,
            closes_after_days: 30,
            cooldown_days: 90,
        }
    }

    fn person(tail: u8) -> ParticipantId {
        ParticipantId::new(Timestamp::UNIX_EPOCH, [tail; 10])
    }

    #[test]
    fn a_conversion_asks_the_side_that_the_rule_names() {
        let program = ProgramId::floor_of(Timestamp::UNIX_EPOCH);
        let asked =
            |fact: &Fact, to| addressee(fact, &rule(to), program, &Loaded::default()).unwrap();
        let attributed = Fact {
            referrer_id: Some(person(1)),
            referee_id: Some(person(2)),
            ..Fact::new(FactKind::ConversionRecorded)
        };
        assert_eq!(asked(&attributed, Side::Referrer), Some(person(1)));
        assert_eq!(asked(&attributed, Side::Referee), Some(person(2)));
        let unattributed = Fact {
            referrer_id: None,
            ..attributed.clone()
        };
        let other = Fact {
            kind: FactKind::RewardCreated,
            ..attributed
        };
        for to in [Side::Referrer, Side::Referee] {
            assert_eq!(asked(&unattributed, to), None);
            assert_eq!(asked(&other, to), None);
        }
    }

    /// A redelivered event must meet the surveys that it made before.
    #[test]
    fn a_survey_is_the_same_however_often_it_is_scheduled() {
        let created_at: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let recorded = |tail| RecordedFact {
            id: EventId::new(created_at, [tail; 10]),
            fact: Fact::new(FactKind::ConversionRecorded),
        };
        let event = Event {
            id: EventId::new(created_at, [0; 10]),
            program: ProgramId::floor_of(created_at),
            mode: Mode::Live,
            created_at,
            facts: Vec::new(),
            wakes: Vec::new(),
            awaiting: std::collections::BTreeSet::new(),
        };
        let rule = rule(Side::Referrer);
        let first = survey(&event, &recorded(0), &rule, person(1));
        assert_eq!(first, survey(&event, &recorded(0), &rule, person(1)));
        assert_eq!(first.due_at.to_string(), "2026-03-02T12:00:00Z");
        let others = [
            survey(&event, &recorded(1), &rule, person(1)),
            survey(&event, &recorded(0), &rule, person(2)),
        ];
        assert!(others.iter().all(|other| other.id != first.id));
    }
}
