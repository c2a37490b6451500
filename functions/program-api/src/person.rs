//! One person in a program, as read, and how a change of them is written.

use kith_contract::problems::Code;
use kith_domain::audit::{Actor, ObjectKind};
use kith_domain::code::ReferralCode;
use kith_domain::email::{EmailAddress, EmailHash, IdentityKey};
use kith_domain::fact::{Fact, FactKind};
use kith_domain::id::{ParticipantId, ProgramId};
use kith_domain::participant::{CODES_MAX, CodeKind, OwnCode, Participant};
use kith_edge::audit::Change;
use kith_edge::desk::View;
use kith_edge::http::Problem;
use kith_edge::session::Ended;
use kith_edge::wire;
use kith_store::items::{CodeRecord, Lookup};
use kith_store::keys::{self, Key};
use kith_store::{Commit, Was};

use crate::merges::refuse_merged;

/// A person, as they were read and as they are to be.
#[derive(Debug)]
pub(crate) struct Person {
    before: Option<Participant>,
    pub(crate) next: Participant,
    /// Codes that are not taken yet.
    new_codes: Vec<ReferralCode>,
}

impl Person {
    /// Somebody who is not known yet.
    pub(crate) fn unknown(view: &View, by: Actor) -> Self {
        Self {
            before: None,
            next: Participant::unknown(view.id(), view.program.id, view.now, by),
            new_codes: Vec::new(),
        }
    }

    /// Somebody who was read already.
    ///
    /// # Errors
    /// 404.
    pub(crate) fn of(view: &View, id: ParticipantId) -> Result<Self, Ended> {
        let person: Option<Participant> =
            view.loaded.read(&keys::participant(view.program.id, id))?;
        let person = person.ok_or_else(|| Problem::not_found("participant"))?;
        Ok(Self {
            before: Some(person.clone()),
            next: person,
            new_codes: Vec::new(),
        })
    }

    /// As they were read; nothing if they are new.
    pub(crate) fn before(&self) -> Option<&Participant> {
        self.before.as_ref()
    }

    /// As they were read, if nothing about them is new.
    pub(crate) fn unwritten(&self) -> Option<&Participant> {
        let same = |before: &&Participant| before.version == self.next.version;
        self.before.as_ref().filter(same)
    }

    pub(crate) fn is_new(&self) -> bool {
        self.before.is_none()
    }

    /// Gives them a code of somebody's choice. One that is theirs already stays as it is.
    ///
    /// # Errors
    /// 409 `code_taken`, `too_many_codes`. The code's record has to have been read.
    pub(crate) fn take_code(&mut self, view: &View, code: ReferralCode) -> Result<(), Ended> {
        if self.next.codes.iter().any(|own| own.code == code) {
            return Ok(());
        }
        let record: Option<CodeRecord> = view.loaded.read(&keys::code(view.program.mode, &code))?;
        if record.is_some() {
            return Err(Problem::of(Code::CodeTaken, "The code belongs to somebody else.").into());
        }
        self.add_code(code, CodeKind::Vanity)
    }

    /// Gives them a code made from random bits.
    ///
    /// # Errors
    /// 409 `too_many_codes`.
    pub(crate) fn generate_code(&mut self, view: &View) -> Result<ReferralCode, Ended> {
        let code = ReferralCode::generate(view.random());
        self.add_code(code.clone(), CodeKind::Generated)?;
        Ok(code)
    }

    fn add_code(&mut self, code: ReferralCode, kind: CodeKind) -> Result<(), Ended> {
        if self.next.codes.len() >= CODES_MAX {
            let detail = format!("A participant has at most {CODES_MAX} codes.");
            return Err(Problem::of(Code::TooManyCodes, detail).into());
        }
        self.new_codes.push(code.clone());
        self.next.codes.push(OwnCode {
            code,
            kind,
            active: true,
        });
        Ok(())
    }

    /// What the audit log says of a change of them, who are written so and so: what no answer shows
    /// is named, and not told.
    pub(crate) fn change(&self, before: &wire::Participant, after: &wire::Participant) -> Change {
        let change = Change::of(ObjectKind::Participant, self.next.id)
            .from(before)
            .to(after);
        let Some(was) = &self.before else {
            return change;
        };
        let hidden = [
            ("email", was.email != self.next.email),
            ("first_name", was.first_name != self.next.first_name),
            ("consent", was.consent.source != self.next.consent.source),
        ];
        let changed = hidden.into_iter().filter(|(_, changed)| *changed);
        changed.fold(change, |change, (name, _)| change.also(name))
    }

    /// Whether what leads to a participant leads to them: that is they, or was merged into them.
    fn is_named(&self, id: ParticipantId) -> bool {
        self.next.id == id || self.next.merged_from.contains(&id)
    }

    /// Writes what is new about them, and nothing when nothing is.
    ///
    /// # Errors
    /// 409 `participant_merged`; `identity_conflict`, when the mail address leads to somebody else. Its
    /// look-up has to have been read.
    pub(crate) fn write(
        &mut self,
        commit: &mut Commit,
        view: &View,
        identity: &IdentityKey,
    ) -> Result<(), Ended> {
        if self.before.as_ref() == Some(&self.next) {
            return Ok(());
        }
        if let Some(before) = &self.before {
            refuse_merged(before)?;
        }
        let (program, id) = (self.next.program, self.next.id);
        let (was, kind) = match &self.before {
            None => (Was::Absent, FactKind::ParticipantCreated),
            Some(before) => (Was::Version(before.version), FactKind::ParticipantUpdated),
        };
        self.next.version = self.next.version.saturating_add(1);
        commit.participant(&self.next, was);
        let state = self.before.as_ref().map(|before| before.state);
        if state.is_some_and(|state| state != self.next.state) {
            commit.suspended(&self.next);
        }
        let before = self.before.as_ref();
        if before.is_none_or(|before| before.external_id.is_none())
            && let Some(external_id) = &self.next.external_id
        {
            commit.external_id(program, external_id, id);
        }
        let address = |person: &Participant| {
            let email = person.email.as_ref();
            email.map(|email| hash(identity, program, email))
        };
        let (old, new) = (before.and_then(address), address(&self.next));
        if old != new {
            if let Some(old) = old {
                commit.forget_email(program, &old);
            }
            if let Some(new) = new {
                match view.loaded.read::<Lookup>(&keys::email(program, &new))? {
                    None => _ = commit.email(program, &new, id),
                    Some(lookup) if self.is_named(lookup.participant_id) => {}
                    Some(_) => return Err(identity_conflict()),
                }
            }
        }
        for code in &self.new_codes {
            commit.code(code, program, id);
        }
        commit.fact(Fact {
            participant_id: Some(id),
            ..Fact::new(kind)
        });
        Ok(())
    }
}

/// The look-up of a mail address within a program.
pub(crate) fn email_key(identity: &IdentityKey, program: ProgramId, email: &EmailAddress) -> Key {
    keys::email(program, &hash(identity, program, email))
}

fn hash(identity: &IdentityKey, program: ProgramId, email: &EmailAddress) -> EmailHash {
    email.hash(identity, &program.to_string())
}

/// What is said points at two people.
pub(crate) fn identity_conflict() -> Ended {
    Problem::of(
        Code::IdentityConflict,
        "The external id and the mail address belong to two different participants.",
    )
    .into()
}
