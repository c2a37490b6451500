//! From a fact to a mail, and from a mail to its end.

use jiff::Timestamp;
use kith_domain::fact::FactKind;
use kith_domain::id::{MailId, ParticipantId, ProgramId, RewardId, WebhookId};
use kith_domain::mode::Mode;
use kith_domain::notice::{Silence, mail_of_issued, mail_to_owner, may_tell};
use kith_domain::participant::Participant;
use kith_domain::reward::Reward;
use kith_domain::webhook::{Endpoint, EndpointState};
use kith_edge::desk::{Desk, View};
use kith_edge::{Invocation, Outcome, Undone, WorkError, decide};
use kith_mail::{Mail, NotSentReason, RewardIssued, SendFault, SendOutcome, WebhookDisabled};
use kith_store::items::{Event, MailAbout, MailRecord, MailState, RecordedFact, Suppression};
use kith_store::keys::{self, EventRef, Key};
use kith_store::wake::Queue;
use kith_store::{Commit, Was};

use crate::letter::{self, Unwritable};
use kith_post::{self as post, Post};

/// What telling people needs.
#[derive(Debug)]
pub(crate) struct Dispatch {
    pub(crate) desk: Desk,
    pub(crate) post: Post,
}

/// Whom to tell of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Notice {
    mail_id: MailId,
    about: MailAbout,
}

/// What is decided about a notice.
#[derive(Debug)]
enum Verdict {
    /// The addressee is told.
    Mail(Mail),
    /// The addressee is not told.
    Silent(Silence),
    /// The addressee cannot be told.
    Unwritable(Unwritable),
}

/// A mail that this worker alone may send now, with what its end is noted on.
#[derive(Debug)]
struct Outgoing {
    record: MailRecord,
    mail: Mail,
    /// How often it was tried before.
    attempts: u32,
}

impl Dispatch {
    /// Tells whoever an event concerns.
    pub(crate) async fn notify_of_event(
        &self,
        invocation: &Invocation,
        at: EventRef,
    ) -> Result<Outcome, WorkError> {
        let filed = decide(|| self.file_notices(invocation, at)).await?;
        if let Some((view, outgoing)) = filed {
            for outgoing in outgoing {
                self.send(&view, outgoing).await?;
            }
        }
        Ok(Outcome::Done)
    }

    /// Looks after a mail that waits for its next attempt, or that was left `sending`.
    pub(crate) async fn attend_mail(
        &self,
        invocation: &Invocation,
        program: ProgramId,
        id: MailId,
    ) -> Result<Outcome, WorkError> {
        let taken = decide(|| self.take_mail(invocation, program, id)).await?;
        if let Some((view, outgoing)) = taken {
            self.send(&view, outgoing).await?;
        }
        Ok(Outcome::Done)
    }

    /// Gives each notice of an event a mail record and settles the event, in one transaction: from
    /// then on the records carry their own due entries. Answers what is to be sent now.
    async fn file_notices(
        &self,
        invocation: &Invocation,
        at: EventRef,
    ) -> Result<Option<(View, Vec<Outgoing>)>, Undone> {
        let key = keys::event(at);
        let view = self
            .desk
            .view(invocation, at.program, [key.clone()])
            .await?;
        let Some(mut view) = view else {
            return Ok(None);
        };
        let Some(event) = view.loaded.read::<Event>(&key)? else {
            return Ok(None);
        };
        if !event.awaiting.contains(Queue::Messages.as_str()) {
            return Ok(None);
        }
        let notices = notices_of(&event);
        self.load(&mut view, &notices).await?;
        let mut commit = view.commit();
        let mut outgoing = Vec::new();
        for &notice in &notices {
            let present = keys::mail(at.program, notice.mail_id);
            if view.loaded.item(&present).is_none() {
                outgoing.extend(self.prepare(invocation, &view, &mut commit, notice, None)?);
            }
        }
        commit.settle(at, &event, Queue::Messages);
        view.write(commit).await?;
        Ok(Some((view, outgoing)))
    }

    /// Takes a waiting mail in hand, or settles one whose sender is gone.
    async fn take_mail(
        &self,
        invocation: &Invocation,
        program: ProgramId,
        id: MailId,
    ) -> Result<Option<(View, Outgoing)>, Undone> {
        let key = keys::mail(program, id);
        let view = self.desk.view(invocation, program, [key.clone()]).await?;
        let Some(mut view) = view else {
            return Ok(None);
        };
        let Some(record) = view.loaded.read::<MailRecord>(&key)? else {
            return Ok(None);
        };
        match record.state {
            MailState::Waiting => {
                let notice = Notice {
                    mail_id: id,
                    about: record.about,
                };
                self.load(&mut view, &[notice]).await?;
                let mut commit = view.commit();
                let outgoing =
                    self.prepare(invocation, &view, &mut commit, notice, Some(&record))?;
                view.write(commit).await?;
                Ok(outgoing.map(|outgoing| (view, outgoing)))
            }
            MailState::Sending if is_leased(&record, view.real_now) => Ok(None),
            MailState::Sending => {
                tracing::error!(mail.id = %id, "whoever sent the mail is gone, and it is not known whether it left");
                let mut commit = view.commit();
                let unknown = after(&record, MailState::Unknown);
                let unknown = settled(unknown, MailState::Unknown, "sender_lost");
                commit.mail(&unknown, Was::Version(record.version));
                view.write(commit).await?;
                Ok(None)
            }
            MailState::Sent
            | MailState::Recorded
            | MailState::Skipped
            | MailState::Failed
            | MailState::Unknown => Ok(None),
        }
    }

    /// Reads what the notices are about: endpoints, rewards, people, and whether these want mail.
    async fn load(&self, view: &mut View, notices: &[Notice]) -> Result<(), Undone> {
        let program = view.program.id;
        let first = notices.iter().flat_map(|notice| {
            let mail = keys::mail(program, notice.mail_id);
            match notice.about {
                MailAbout::Reward {
                    reward_id,
                    participant_id,
                } => vec![
                    mail,
                    keys::reward(program, reward_id),
                    keys::participant(program, participant_id),
                ],
                MailAbout::Webhook { webhook_id } => {
                    vec![mail, keys::webhook(program, webhook_id)]
                }
            }
        });
        view.load(first).await?;
        let mut suppressions: Vec<Key> = Vec::new();
        for notice in notices {
            let MailAbout::Reward { participant_id, .. } = notice.about else {
                continue;
            };
            let key = keys::participant(program, participant_id);
            let person = view.loaded.read::<Participant>(&key)?;
            suppressions.extend(person.and_then(|person| self.post.suppression(&person)));
        }
        if !suppressions.is_empty() {
            view.load(suppressions).await?;
        }
        Ok(())
    }

    /// Puts a notice's mail record into the commit. Answers the mail when it is to be sent after that.
    fn prepare(
        &self,
        invocation: &Invocation,
        view: &View,
        commit: &mut Commit,
        notice: Notice,
        present: Option<&MailRecord>,
    ) -> Result<Option<Outgoing>, Undone> {
        let (record, was) = match present {
            Some(present) => (after(present, present.state), Was::Version(present.version)),
            None => (new_record(view.program.id, notice), Was::Absent),
        };
        let mail = match self.judge(view, notice)? {
            Verdict::Mail(mail) => mail,
            Verdict::Silent(reason) => {
                commit.mail(&settled(record, MailState::Skipped, reason.as_str()), was);
                return Ok(None);
            }
            Verdict::Unwritable(error) => {
                tracing::error!(mail.id = %record.id, %error, "the mail cannot be written");
                commit.mail(&settled(record, MailState::Failed, &error.to_string()), was);
                return Ok(None);
            }
        };
        if view.program.mode == Mode::Test {
            let copy = post::recorded(record.id, &mail, view.real_now);
            let recorded = MailRecord {
                state: MailState::Recorded,
                ..record
            };
            commit
                .mail(&recorded, was)
                .test_mail(view.program.id, &copy);
            return Ok(None);
        }
        let attempts = view
            .loaded
            .attempts(&keys::mail(view.program.id, record.id));
        if !post::has_time(invocation, view.real_now) {
            commit.mail_again(&record, was, attempts);
            return Ok(None);
        }
        let sending = MailRecord {
            state: MailState::Sending,
            lease_until: Some(post::lease_until(invocation)),
            ..record
        };
        commit.mail(&sending, was);
        Ok(Some(Outgoing {
            record: sending,
            mail,
            attempts,
        }))
    }

    /// What to tell the addressee, if they are to be told.
    fn judge(&self, view: &View, notice: Notice) -> Result<Verdict, Undone> {
        match notice.about {
            MailAbout::Reward {
                reward_id,
                participant_id,
            } => self.judge_reward(view, notice.mail_id, reward_id, participant_id),
            MailAbout::Webhook { webhook_id } => {
                self.judge_webhook(view, notice.mail_id, webhook_id)
            }
        }
    }

    /// Whether to tell a beneficiary of a reward.
    fn judge_reward(
        &self,
        view: &View,
        mail: MailId,
        reward: RewardId,
        person: ParticipantId,
    ) -> Result<Verdict, Undone> {
        let program = view.program.id;
        let reward = keys::reward(program, reward);
        let Some(reward) = view.loaded.read::<Reward>(&reward)? else {
            return Err(WorkError::new("a fact names a reward that is not there").into());
        };
        let person = view
            .loaded
            .read::<Participant>(&keys::participant(program, person))?;
        let suppression = person
            .as_ref()
            .and_then(|person| self.post.suppression(person));
        let suppressed = match &suppression {
            Some(key) => view.loaded.read::<Suppression>(key)?.is_some(),
            None => false,
        };
        if let Err(reason) = may_tell(reward.state, suppression.is_some(), suppressed) {
            return Ok(Verdict::Silent(reason));
        }
        let Some(person) = person else {
            return Ok(Verdict::Silent(Silence::NoAddress));
        };
        let mail = letter::of_reward(&self.post, mail, &view.program, &person, &reward);
        Ok(mail.map_or_else(Verdict::Unwritable, Verdict::Mail))
    }

    /// Whether to tell the owner of an endpoint that was disabled.
    fn judge_webhook(
        &self,
        view: &View,
        mail: MailId,
        webhook: WebhookId,
    ) -> Result<Verdict, Undone> {
        let endpoint = keys::webhook(view.program.id, webhook);
        let endpoint = view.loaded.read::<Endpoint>(&endpoint)?;
        let disabled = endpoint.filter(|endpoint| endpoint.state == EndpointState::Disabled);
        let Some(endpoint) = disabled else {
            return Ok(Verdict::Silent(Silence::Withdrawn));
        };
        let Some(owner) = &view.program.owner_email else {
            return Ok(Verdict::Silent(Silence::NoAddress));
        };
        let mail = letter::of_webhook(&self.post, mail, &view.program, owner, &endpoint);
        Ok(mail.map_or_else(Verdict::Unwritable, Verdict::Mail))
    }

    /// Sends a mail, once, and notes how it ended.
    async fn send(&self, view: &View, outgoing: Outgoing) -> Result<(), WorkError> {
        let Outgoing {
            record,
            mail,
            attempts,
        } = outgoing;
        let outcome = self.post.mailer.send(&mail).await;
        tell(record.id, &outcome);
        let mut commit = view.commit();
        commit.mail_again(
            &ended(&record, outcome),
            Was::Version(record.version),
            attempts,
        );
        view.write(commit).await?;
        Ok(())
    }
}

/// The mails that an event calls for. Their ids are derived from the facts, so that a repetition
/// meets them.
fn notices_of(event: &Event) -> Vec<Notice> {
    let of_reward = |recorded: &RecordedFact| {
        let reward_id = recorded.fact.reward_id?;
        Some(Notice {
            mail_id: mail_of_issued(reward_id, event.created_at),
            about: MailAbout::Reward {
                reward_id,
                participant_id: recorded.fact.beneficiary_id?,
            },
        })
    };
    let of_webhook = |recorded: &RecordedFact| {
        Some(Notice {
            mail_id: mail_to_owner(recorded.id),
            about: MailAbout::Webhook {
                webhook_id: recorded.fact.webhook_id?,
            },
        })
    };
    let notices = event.facts.iter().filter_map(|recorded| {
        if recorded.fact.kind == FactKind::RewardIssued {
            of_reward(recorded)
        } else if recorded.fact.kind == FactKind::WebhookDisabled {
            of_webhook(recorded)
        } else {
            None
        }
    });
    notices.collect()
}

/// A mail before anything was tried.
fn new_record(program: ProgramId, notice: Notice) -> MailRecord {
    let template = match notice.about {
        MailAbout::Reward { .. } => RewardIssued::KIND,
        MailAbout::Webhook { .. } => WebhookDisabled::KIND,
    };
    MailRecord {
        id: notice.mail_id,
        program_id: program,
        about: notice.about,
        template: template.to_owned(),
        state: MailState::Waiting,
        lease_until: None,
        provider_id: None,
        reason: None,
        version: 1,
    }
}

/// The next version of a record, in a state, with nobody at work on it.
fn after(record: &MailRecord, state: MailState) -> MailRecord {
    MailRecord {
        state,
        lease_until: None,
        version: record.version.saturating_add(1),
        ..record.clone()
    }
}

/// A record whose mail is not sent, for a reason.
fn settled(record: MailRecord, state: MailState, reason: &str) -> MailRecord {
    MailRecord {
        state,
        reason: Some(reason.to_owned()),
        ..record
    }
}

/// The record after its sending ended.
fn ended(record: &MailRecord, outcome: SendOutcome) -> MailRecord {
    let because =
        |state, fault: SendFault| settled(after(record, state), state, &fault.to_string());
    match outcome {
        SendOutcome::Sent { provider_id } => MailRecord {
            provider_id: Some(provider_id),
            reason: None,
            ..after(record, MailState::Sent)
        },
        SendOutcome::NotSent { fault, .. } => because(MailState::Waiting, fault),
        SendOutcome::Refused { fault } => because(MailState::Failed, fault),
        SendOutcome::Unknown { fault } => because(MailState::Unknown, fault),
    }
}

/// Whether the worker that is sending it may still be alive.
fn is_leased(record: &MailRecord, real_now: Timestamp) -> bool {
    record.lease_until.is_some_and(|until| real_now < until)
}

/// Logs an end that somebody may have to look into.
fn tell(id: MailId, outcome: &SendOutcome) {
    match outcome {
        SendOutcome::Sent { .. } => {}
        SendOutcome::NotSent {
            reason: NotSentReason::Throttled | NotSentReason::Unreachable,
            fault,
        } => tracing::warn!(mail.id = %id, %fault, "the mail was not sent yet"),
        SendOutcome::NotSent {
            reason: NotSentReason::Configuration,
            fault,
        } => tracing::error!(mail.id = %id, %fault, "mail cannot be sent as things are set up"),
        SendOutcome::Refused { fault } => {
            tracing::error!(mail.id = %id, %fault, "the mail was refused");
        }
        SendOutcome::Unknown { fault } => {
            tracing::error!(mail.id = %id, %fault, "it is not known whether the mail left");
        }
    }
}

#[cfg(test)]
mod tests;
