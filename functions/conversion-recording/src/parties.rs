//! Who is involved: the referee, and whoever a code or a bond leads to.

use std::collections::BTreeMap;

use kith_domain::attribution::{CodeOwner, Referrer};
use kith_domain::code::ReferralCode;
use kith_domain::email::{EmailHash, IdentityKey};
use kith_domain::id::ParticipantId;
use kith_domain::participant::{Participant, Referral};
use kith_edge::desk::View;
use kith_edge::http::Problem;
use kith_edge::session::Ended;
use kith_store::items::{CodeRecord, Counters, Lookup};
use kith_store::keys;
use kith_store::{Commit, Was};

use crate::report::RefereeReport;

/// The referee: known, or about to be.
#[derive(Debug)]
pub(crate) struct Referee {
    pub(crate) person: Participant,
    pub(crate) was: Was,
    pub(crate) changed: bool,
    /// Look-ups that do not lead to them yet.
    new_external: bool,
    new_email: Option<EmailHash>,
    hashes: Vec<EmailHash>,
    pub(crate) bond: Option<Referral>,
    pub(crate) counters: Counters,
}

impl Referee {
    /// Finds the referee by external id, then by mail address; makes one who is not known.
    pub(crate) async fn find(
        view: &mut View,
        report: &RefereeReport,
        identity: &IdentityKey,
    ) -> Result<Self, Ended> {
        let program = view.program.id;
        let by_id = match &report.external_id {
            Some(id) => view.loaded.read::<Lookup>(&keys::external(program, id))?,
            None => None,
        };
        let by_email = match &report.email_hash {
            Some(hash) => view.loaded.read::<Lookup>(&keys::email(program, hash))?,
            None => None,
        };
        if let (Some(by_id), Some(by_email)) = (by_id, by_email)
            && by_id != by_email
        {
            return Err(Problem::conflict(
                "identity_conflict",
                "The external id and the mail address belong to two different participants.",
            )
            .into());
        }
        let new_external = report.external_id.is_some() && by_id.is_none();
        let mut referee = match by_id.or(by_email) {
            Some(known) => Self::known(view, known.participant_id).await?,
            None => Self::unknown(view),
        };
        referee.new_external = new_external;
        referee.learn(report);
        let present = referee
            .person
            .email
            .as_ref()
            .map(|email| email.hash(identity, &program.to_string()));
        if by_email.is_none() && report.email_hash == present {
            referee.new_email = report.email_hash;
        }
        referee.hashes = report.email_hash.into_iter().chain(present).collect();
        Ok(referee)
    }

    /// Loads a participant in the role of a referee.
    pub(crate) async fn known(view: &mut View, id: ParticipantId) -> Result<Self, Ended> {
        let program = view.program.id;
        let (person, bond, counters) = (
            keys::participant(program, id),
            keys::referral(program, id),
            keys::counters(program, id),
        );
        view.load([person.clone(), bond.clone(), counters.clone()])
            .await?;
        let participant = view.loaded.read::<Participant>(&person)?;
        let person = participant.ok_or_else(|| Problem::internal("a look-up leads to nobody"))?;
        Ok(Self {
            was: Was::Version(person.version),
            person,
            changed: false,
            new_external: false,
            new_email: None,
            hashes: Vec::new(),
            bond: view.loaded.read(&bond)?,
            counters: Counters::of(view.loaded.item(&counters)),
        })
    }

    fn unknown(view: &View) -> Self {
        let person = Participant::unknown(view.id(), view.program.id, view.now);
        Self {
            person,
            was: Was::Absent,
            changed: true,
            new_external: false,
            new_email: None,
            hashes: Vec::new(),
            bond: None,
            counters: Counters::default(),
        }
    }

    /// Fills in what was not known. What is known stays: profiles are changed elsewhere.
    fn learn(&mut self, report: &RefereeReport) {
        let person = &mut self.person;
        let mut fill = false;
        if person.external_id.is_none() && report.external_id.is_some() {
            person.external_id.clone_from(&report.external_id);
            fill = true;
        }
        if person.email.is_none() && report.email.is_some() {
            person.email.clone_from(&report.email);
            fill = true;
        }
        if person.first_name.is_none() && report.first_name.is_some() {
            person.first_name.clone_from(&report.first_name);
            fill = true;
        }
        self.changed |= fill;
    }

    /// Whether a person is the referee: the same participant, or the same mail address.
    pub(crate) fn is(&self, other: &Participant, identity: &IdentityKey) -> bool {
        let address = || {
            other
                .email
                .as_ref()
                .map(|email| email.hash(identity, &other.program.to_string()))
        };
        other.id == self.person.id || address().is_some_and(|hash| self.hashes.contains(&hash))
    }

    /// Writes what is new about the referee.
    pub(crate) fn write(&self, commit: &mut Commit, report: &RefereeReport) {
        let program = self.person.program;
        if self.changed {
            let next = Participant {
                version: self.person.version.saturating_add(1),
                ..self.person.clone()
            };
            commit.participant(&next, self.was);
        }
        if let (true, Some(id)) = (self.new_external, &report.external_id) {
            commit.external_id(program, id, self.person.id);
        }
        if let Some(hash) = &self.new_email {
            commit.email(program, hash, self.person.id);
        }
    }
}

/// The owners of the codes that a conversion touches, and the referrer of a bond.
#[derive(Debug, Default)]
pub(crate) struct Referrers {
    people: BTreeMap<ParticipantId, (Participant, Counters)>,
}

impl Referrers {
    /// Loads the owners of the codes and whoever else may be the referrer, in one request.
    pub(crate) async fn load(
        view: &mut View,
        codes: &[ReferralCode],
        also: Option<ParticipantId>,
    ) -> Result<Self, Ended> {
        let program = view.program.id;
        let mut ids: Vec<ParticipantId> = also.into_iter().collect();
        for code in codes {
            ids.extend(record(view, code)?.map(|record| record.participant_id));
        }
        ids.sort_unstable();
        ids.dedup();
        let wanted = ids.iter().flat_map(|id| {
            [
                keys::participant(program, *id),
                keys::counters(program, *id),
            ]
        });
        view.load(wanted).await?;
        let mut people = BTreeMap::new();
        for id in ids {
            if let Some(person) = view
                .loaded
                .read::<Participant>(&keys::participant(program, id))?
            {
                let counters = Counters::of(view.loaded.item(&keys::counters(program, id)));
                people.insert(id, (person, counters));
            }
        }
        Ok(Self { people })
    }

    pub(crate) fn get(&self, id: ParticipantId) -> Option<&(Participant, Counters)> {
        self.people.get(&id)
    }

    /// Whose code it is now.
    pub(crate) fn owner(
        &self,
        view: &View,
        code: &ReferralCode,
        referee: &Referee,
        identity: &IdentityKey,
    ) -> CodeOwner {
        let Ok(Some(record)) = record(view, code) else {
            return CodeOwner::Unknown;
        };
        let Some((person, _)) = self.people.get(&record.participant_id) else {
            return CodeOwner::Unknown;
        };
        let referrer = Referrer {
            id: person.id,
            active: person.is_active(),
            is_referee: referee.is(person, identity),
        };
        if record.active {
            CodeOwner::Active(referrer)
        } else {
            CodeOwner::Disabled(referrer)
        }
    }
}

/// What a code leads to, if it is one of this program's.
pub(crate) fn record(view: &View, code: &ReferralCode) -> Result<Option<CodeRecord>, Ended> {
    let key = keys::code(view.program.mode, code);
    let record = view.loaded.read::<CodeRecord>(&key)?;
    Ok(record.filter(|record| record.program_id == view.program.id))
}
