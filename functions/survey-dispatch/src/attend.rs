//! Taking a survey as far as it can go: sending, settling, closing.

use kith_domain::fact::{Fact, FactKind};
use kith_domain::id::{MailId, ProgramId, SurveyId};
use kith_domain::mode::Mode;
use kith_domain::participant::Participant;
use kith_domain::program::Program;
use kith_domain::survey::{
    Addressee, Attention, Handover, SkipReason, Survey, SurveyRule, may_send,
};
use kith_domain::text::Name;
use kith_edge::desk::View;
use kith_edge::{Invocation, Undone, WorkError, decide};
use kith_mail::{
    Envelope, Language, Mail, MailError, NotSentReason, SendOutcome, SurveyInvitation,
};
use kith_store::items::{Asked, Suppression};
use kith_store::keys;
use kith_store::{Commit, Was};

use crate::Dispatch;
use kith_post as post;

/// A survey that this worker alone may send now.
#[derive(Debug)]
struct Outgoing {
    survey: Survey,
    mail: Mail,
    /// How often it was tried before.
    attempts: u32,
}

/// What a person who may be asked is asked by.
#[derive(Debug)]
struct Permitted<'a> {
    rule: &'a SurveyRule,
    person: Participant,
    /// When they were asked before.
    asked: Option<Asked>,
}

impl Dispatch {
    /// Takes a survey as far as it can go. A message that comes twice, late or early changes
    /// nothing more.
    pub(crate) async fn attend_survey(
        &self,
        invocation: &Invocation,
        program: ProgramId,
        id: SurveyId,
    ) -> Result<(), WorkError> {
        let taken = decide(|| self.advance(invocation, program, id)).await?;
        match taken {
            Some(outgoing) => self.send(invocation, outgoing).await,
            None => Ok(()),
        }
    }

    /// Writes what can be decided now. Answers the mail when it is to be sent after that.
    async fn advance(
        &self,
        invocation: &Invocation,
        program: ProgramId,
        id: SurveyId,
    ) -> Result<Option<Outgoing>, Undone> {
        let key = keys::survey(program, id);
        let view = self.desk.view(invocation, program, [key.clone()]).await?;
        let Some(mut view) = view else {
            return Ok(None);
        };
        let Some(survey) = view.loaded.read::<Survey>(&key)? else {
            return Ok(None);
        };
        let mut commit = view.commit();
        let outgoing = match survey.attention(view.now, view.real_now) {
            Attention::None => return Ok(None),
            Attention::LookAgain => {
                // Whoever sent the message has put the due entry off: this puts it back.
                commit.survey(&numbered(&survey, survey.clone()), was(&survey));
                None
            }
            Attention::Send => {
                self.prepare(invocation, &mut view, &mut commit, &survey)
                    .await?
            }
            Attention::Doubt => {
                tracing::error!(survey.id = %id, "whoever sent the survey is gone, and it is not known whether it left");
                note_end(&mut commit, &view, &survey, Handover::Unknown, 0);
                None
            }
            Attention::Close => {
                let closed = numbered(&survey, survey.closed());
                let score = closed.answer.as_ref().map(|answer| answer.score.get());
                commit.survey(&closed, was(&survey)).fact(Fact {
                    score,
                    ..fact_of(FactKind::SurveyClosed, &closed)
                });
                None
            }
        };
        view.write(commit).await?;
        Ok(outgoing)
    }

    /// Decides about a survey that is due.
    async fn prepare(
        &self,
        invocation: &Invocation,
        view: &mut View,
        commit: &mut Commit,
        survey: &Survey,
    ) -> Result<Option<Outgoing>, Undone> {
        self.load(view, survey).await?;
        let Permitted {
            rule,
            person,
            asked,
        } = match self.judge(view, survey)? {
            Ok(permitted) => permitted,
            Err(reason) => {
                commit.survey(&numbered(survey, survey.not_sent(reason)), was(survey));
                return Ok(None);
            }
        };
        let sending = survey.sending(rule, view.now, post::lease_until(invocation));
        let sending = numbered(survey, sending);
        let mail_id = mail_id(survey);
        let mail = match self.write_mail(mail_id, &view.program, &person, &sending) {
            Ok(mail) => mail,
            Err(error) => {
                tracing::error!(survey.id = %survey.id, %error, "the survey's mail cannot be written");
                if let Some(failed) = sending.after(Handover::Refused, view.now) {
                    commit.survey(&failed, was(survey));
                }
                return Ok(None);
            }
        };
        let attempts = view
            .loaded
            .attempts(&keys::survey(survey.program, survey.id));
        if view.program.mode == Mode::Live && !post::has_time(invocation, view.real_now) {
            commit.survey_again(&numbered(survey, survey.clone()), was(survey), attempts);
            return Ok(None);
        }
        note_asked(commit, view, survey, asked);
        if view.program.mode == Mode::Test {
            if let Some(sent) = sending.after(Handover::Sent, view.now) {
                commit
                    .survey(&sent, was(survey))
                    .fact(fact_of(FactKind::SurveySent, &sent))
                    .test_mail(
                        survey.program,
                        &post::recorded(mail_id, &mail, view.real_now),
                    );
            }
            return Ok(None);
        }
        commit.survey(&sending, was(survey));
        Ok(Some(Outgoing {
            survey: sending,
            mail,
            attempts,
        }))
    }

    /// Reads the person, whether they want mail, and when they were asked.
    async fn load(&self, view: &mut View, survey: &Survey) -> Result<(), Undone> {
        let person = keys::participant(survey.program, survey.participant_id);
        let asked = keys::asked(survey.program, survey.participant_id, &survey.rule_id);
        view.load([person.clone(), asked]).await?;
        let person = view.loaded.read::<Participant>(&person)?;
        if let Some(key) = person.and_then(|person| self.post.suppression(&person)) {
            view.load([key]).await?;
        }
        Ok(())
    }

    /// Whether the person may be asked.
    fn judge<'a>(
        &self,
        view: &'a View,
        survey: &Survey,
    ) -> Result<Result<Permitted<'a>, SkipReason>, Undone> {
        let rules = &view.program.surveys;
        let Some(rule) = rules.iter().find(|rule| rule.id == survey.rule_id) else {
            return Ok(Err(SkipReason::RuleGone));
        };
        let person = keys::participant(survey.program, survey.participant_id);
        let Some(person) = view.loaded.read::<Participant>(&person)? else {
            return Ok(Err(SkipReason::NoAddress));
        };
        let suppression = self.post.suppression(&person);
        let suppressed = match &suppression {
            Some(key) => view.loaded.read::<Suppression>(key)?.is_some(),
            None => false,
        };
        let asked = keys::asked(survey.program, survey.participant_id, &survey.rule_id);
        let asked = view.loaded.read::<Asked>(&asked)?;
        let addressee = Addressee {
            has_address: suppression.is_some(),
            active: person.is_active(),
            consent: &person.consent,
            suppressed,
            // An attempt of this very survey that did not leave does not stand in its own way.
            last_asked_at: asked
                .filter(|asked| asked.survey_id != survey.id)
                .map(|asked| asked.at),
        };
        let may = may_send(rule, view.program.consent.mail, addressee, view.now);
        Ok(may.map(|()| Permitted {
            rule,
            person,
            asked,
        }))
    }

    fn write_mail(
        &self,
        id: MailId,
        program: &Program,
        person: &Participant,
        survey: &Survey,
    ) -> Result<Mail, MailError> {
        let to = person.email.as_ref().map(|email| email.for_sending());
        let message_id = id.to_string();
        let envelope = Envelope {
            sender: &self.post.sender,
            to: to.as_deref().unwrap_or_default(),
            message_id: &message_id,
        };
        let locale = person.locale.as_ref().map(ToString::to_string);
        let invitation = SurveyInvitation {
            language: Language::of_locale(locale.as_deref()),
            program_name: program.name.as_str(),
            first_name: person.first_name.as_ref().map(Name::as_str),
            survey_url: &self.post.survey_url(survey),
            closes_at: survey.closes_at,
            unsubscribe_url: &self.post.unsubscribe_url(person),
            postal_address: None,
        };
        invitation.compose(&envelope)
    }

    /// Sends a survey's mail, once, and notes how it ended.
    async fn send(&self, invocation: &Invocation, outgoing: Outgoing) -> Result<(), WorkError> {
        let Outgoing {
            survey,
            mail,
            attempts,
        } = outgoing;
        let outcome = self.post.mailer.send(&mail).await;
        tell(survey.id, &outcome);
        let end = match outcome {
            SendOutcome::Sent { .. } => Handover::Sent,
            SendOutcome::NotSent { .. } => Handover::NotSent,
            SendOutcome::Refused { .. } => Handover::Refused,
            SendOutcome::Unknown { .. } => Handover::Unknown,
        };
        // The person may have answered already: what is noted is added to that.
        decide(|| async {
            let key = keys::survey(survey.program, survey.id);
            let view = self
                .desk
                .view(invocation, survey.program, [key.clone()])
                .await?;
            let Some(view) = view else {
                return Ok(());
            };
            let Some(present) = view.loaded.read::<Survey>(&key)? else {
                return Ok(());
            };
            let mut commit = view.commit();
            note_end(&mut commit, &view, &present, end, attempts);
            view.write(commit).await?;
            Ok(())
        })
        .await
    }
}

/// Notes that the person is asked now. Two events may ask the same person at once: whoever comes
/// second finds this changed, decides again, and lets it cool down.
fn note_asked(commit: &mut Commit, view: &View, survey: &Survey, before: Option<Asked>) {
    let now = Asked {
        at: view.now,
        survey_id: survey.id,
        version: before.map_or(1, |asked| asked.version.saturating_add(1)),
    };
    let was = before.map_or(Was::Absent, |asked| Was::Version(asked.version));
    commit.asked(
        survey.program,
        survey.participant_id,
        &survey.rule_id,
        &now,
        was,
    );
}

/// Puts the end of a sending into the commit, unless it changes nothing.
fn note_end(commit: &mut Commit, view: &View, present: &Survey, end: Handover, attempts: u32) {
    let Some(next) = present.after(end, view.now) else {
        return;
    };
    let next = numbered(present, next);
    if end == Handover::NotSent {
        commit.survey_again(&next, was(present), attempts);
    } else {
        commit.survey(&next, was(present));
    }
    if present.sent_at.is_none() && next.sent_at.is_some() {
        commit.fact(fact_of(FactKind::SurveySent, &next));
    }
}

/// What the next version has to find.
fn was(present: &Survey) -> Was {
    Was::Version(present.version)
}

/// The next version of a survey.
fn numbered(present: &Survey, next: Survey) -> Survey {
    Survey {
        version: present.version.saturating_add(1),
        ..next
    }
}

/// The id of a survey's mail, the same however often it is written.
fn mail_id(survey: &Survey) -> MailId {
    let parts: [&[u8]; 2] = [&survey.id.to_bytes(), SurveyInvitation::KIND.as_bytes()];
    MailId::derived(survey.due_at, &parts)
}

fn fact_of(kind: FactKind, survey: &Survey) -> Fact {
    Fact {
        survey_id: Some(survey.id),
        participant_id: Some(survey.participant_id),
        rule_id: Some(survey.rule_id.clone()),
        ..Fact::new(kind)
    }
}

/// Logs an end that somebody may have to look into.
fn tell(id: SurveyId, outcome: &SendOutcome) {
    match outcome {
        SendOutcome::Sent { .. } => {}
        SendOutcome::NotSent {
            reason: NotSentReason::Throttled | NotSentReason::Unreachable,
            fault,
        } => tracing::warn!(survey.id = %id, %fault, "the survey was not sent yet"),
        SendOutcome::NotSent {
            reason: NotSentReason::Configuration,
            fault,
        } => tracing::error!(survey.id = %id, %fault, "mail cannot be sent as things are set up"),
        SendOutcome::Refused { fault } => {
            tracing::error!(survey.id = %id, %fault, "the survey was refused");
        }
        SendOutcome::Unknown { fault } => {
            tracing::error!(survey.id = %id, %fault, "it is not known whether the survey left");
        }
    }
}
