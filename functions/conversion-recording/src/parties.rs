//! Who is involved: the referee, and whoever a code or a bond leads to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use kith_contract::problems::Code;
use kith_domain::attribution::{CodeOwner, Referrer};
use kith_domain::audit::Actor;
use kith_domain::code::ReferralCode;
use kith_domain::email::{EmailHash, IdentityKey};
use kith_domain::id::{ParticipantId, ProgramId};
use kith_domain::participant::{Participant, Referral};
use kith_edge::bounded::Bounded;
use kith_edge::desk::View;
use kith_edge::http::Problem;
use kith_edge::session::Ended;
use kith_store::items::{CodeRecord, Counters, Lookup};
use kith_store::keys::{self, Key};
use kith_store::{Commit, Was};

use crate::report::RefereeReport;

/// Of how many codes it is remembered whose they were.
const OWNERS_MAX: usize = 10_000;

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
    /// Finds the referee by external id, then by mail address; makes one who is not known, in the name of
    /// whoever reports them. `also` is read on the way.
    pub(crate) async fn find(
        view: &mut View,
        (report, by): (&RefereeReport, Actor),
        identity: &IdentityKey,
        also: Vec<Key>,
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
            && now(view, by_id).await? != now(view, by_email).await?
        {
            return Err(Problem::of(
                Code::IdentityConflict,
                "The external id and the mail address belong to two different participants.",
            )
            .into());
        }
        let new_external = report.external_id.is_some() && by_id.is_none();
        let mut referee = match by_id.or(by_email) {
            Some(known) => Self::known(view, known.participant_id, also).await?,
            None => {
                if !also.is_empty() {
                    view.load(also).await?;
                }
                Self::unknown(view, by)
            }
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

    /// Loads a participant in the role of a referee, or whom they were merged into. `also` is read on
    /// the way.
    pub(crate) async fn known(
        view: &mut View,
        id: ParticipantId,
        also: Vec<Key>,
    ) -> Result<Self, Ended> {
        let program = view.program.id;
        let own = |id| {
            [
                keys::participant(program, id),
                keys::referral(program, id),
                keys::counters(program, id),
            ]
        };
        view.load(own(id).into_iter().chain(also)).await?;
        let (store, loaded) = (&view.store, &mut view.loaded);
        let present = store.present(program, loaded, id).await?;
        if present != id {
            view.load(own(present)).await?;
        }
        let [person, bond, counters] = own(present);
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

    /// Whether they had a qualified conversion before.
    pub(crate) fn has_qualified(&self) -> bool {
        let bond = self.bond.as_ref();
        bond.is_some_and(|bond| bond.first_qualified_at.is_some())
    }

    /// As they were read, but for what the report has filled in; nothing if they are new.
    pub(crate) fn before(&self) -> Option<&Participant> {
        (self.was != Was::Absent).then_some(&self.person)
    }

    /// As they were read, if nothing about them is written.
    pub(crate) fn unwritten(&self) -> Option<&Participant> {
        self.before().filter(|_| !self.changed)
    }

    fn unknown(view: &View, by: Actor) -> Self {
        let person = Participant::unknown(view.id(), view.program.id, view.now, by);
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

/// To whom a look-up leads now.
async fn now(view: &mut View, lookup: Lookup) -> Result<ParticipantId, Ended> {
    let (store, loaded) = (&view.store, &mut view.loaded);
    let id = lookup.participant_id;
    Ok(store.present(view.program.id, loaded, id).await?)
}

/// Whose the codes were that were seen here: what is worth reading before it is known whose they are.
/// It is never believed; the codes themselves are read in the same request.
#[derive(Debug)]
pub(crate) struct Owners(Mutex<Bounded<(ProgramId, ReferralCode), ParticipantId>>);

impl Default for Owners {
    fn default() -> Self {
        Self(Mutex::new(Bounded::new(OWNERS_MAX)))
    }
}

impl Owners {
    /// What is read of a referrer of a new referee.
    pub(crate) fn keys(&self, program: ProgramId, codes: &[ReferralCode]) -> Vec<Key> {
        let known = self.known();
        let owners = codes
            .iter()
            .filter_map(|code| known.get(&(program, code.clone())));
        let keys = |id: &ParticipantId| {
            [
                keys::participant(program, *id),
                keys::counters(program, *id),
                keys::referral(program, *id),
            ]
        };
        owners.flat_map(keys).collect()
    }

    /// Whose the codes are, which were looked up.
    pub(crate) fn of(
        &self,
        view: &View,
        codes: &[ReferralCode],
    ) -> Result<Vec<ParticipantId>, Ended> {
        let mut owners = Vec::new();
        for code in codes {
            if let Some(record) = record(view, code)? {
                let name = (view.program.id, code.clone());
                self.known().put(name, record.participant_id);
                owners.push(record.participant_id);
            }
        }
        Ok(owners)
    }

    fn known(&self) -> MutexGuard<'_, Bounded<(ProgramId, ReferralCode), ParticipantId>> {
        // A panic while it was held left a memory that is right or empty.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever may be the referrer of a conversion.
#[derive(Debug, Default)]
pub(crate) struct Referrers {
    people: BTreeMap<ParticipantId, (Participant, Counters)>,
}

impl Referrers {
    /// Loads them, and whatever else is needed now, in one request; in none if all of it was read.
    pub(crate) async fn load(
        view: &mut View,
        ids: BTreeSet<ParticipantId>,
        also: Vec<Key>,
    ) -> Result<Self, Ended> {
        let program = view.program.id;
        let wanted = ids.iter().flat_map(|id| {
            [
                keys::participant(program, *id),
                keys::counters(program, *id),
            ]
        });
        let mut wanted: Vec<Key> = wanted.chain(also).collect();
        wanted.retain(|key| !view.loaded.was_read(key));
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

    /// Those of them who were merged into somebody.
    pub(crate) fn merged(&self) -> BTreeSet<ParticipantId> {
        let merged = self
            .people
            .values()
            .filter(|(person, _)| person.merged_into.is_some());
        merged.map(|(person, _)| person.id).collect()
    }

    pub(crate) fn get(&self, id: ParticipantId) -> Option<&(Participant, Counters)> {
        self.people.get(&id)
    }

    /// Somebody as a referrer of the referee. `below` are those who are known to stand below them.
    pub(crate) fn as_referrer(
        &self,
        id: ParticipantId,
        referee: &Referee,
        identity: &IdentityKey,
        below: &BTreeSet<ParticipantId>,
    ) -> Option<Referrer> {
        let (person, _) = self.people.get(&id)?;
        Some(Referrer {
            id,
            active: person.is_active(),
            is_referee: referee.is(person, identity),
            is_below_referee: below.contains(&id),
        })
    }

    /// Whose code it is now, of those who are known as referrers.
    pub(crate) fn owner(
        view: &View,
        code: &ReferralCode,
        known: impl Fn(ParticipantId) -> Option<Referrer>,
    ) -> CodeOwner {
        let Ok(Some(record)) = record(view, code) else {
            return CodeOwner::Unknown;
        };
        match known(record.participant_id) {
            None => CodeOwner::Unknown,
            Some(referrer) if record.active => CodeOwner::Active(referrer),
            Some(referrer) => CodeOwner::Disabled(referrer),
        }
    }
}

/// What a code leads to, if it is one of this program's.
pub(crate) fn record(view: &View, code: &ReferralCode) -> Result<Option<CodeRecord>, Ended> {
    let key = keys::code(view.program.mode, code);
    let record = view.loaded.read::<CodeRecord>(&key)?;
    Ok(record.filter(|record| record.program_id == view.program.id))
}
