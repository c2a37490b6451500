//! What is said about a person: read once, for making and for changing.

use jiff::Timestamp;
use kith_domain::email::EmailAddress;
use kith_domain::participant::{Consent, Participant};
use kith_domain::text::{ExternalId, Locale, Name};
use kith_edge::json::{self, Faults, Member, Object, Patch};

/// A change of a profile.
#[derive(Debug, Clone)]
pub(crate) struct Profile {
    pub(crate) email: Patch<EmailAddress>,
    first_name: Patch<Name>,
    locale: Patch<Locale>,
    consent: Patch<ConsentPatch>,
}

#[derive(Debug, Clone)]
struct ConsentPatch {
    surveys: Patch<bool>,
    marketing: Patch<bool>,
    recorded_at: Patch<Timestamp>,
    source: Patch<Name>,
}

impl Profile {
    /// Takes the members of a profile out of a merge patch.
    pub(crate) fn read(object: &mut Object, faults: &mut Faults) -> Self {
        Self {
            email: object.patch("email", faults, json::text::<EmailAddress>),
            first_name: object.patch("first_name", faults, json::text::<Name>),
            locale: object.patch("locale", faults, json::text::<Locale>),
            consent: object.patch("consent", faults, json::nested(ConsentPatch::read)),
        }
    }

    /// The same for a call that is no patch: there `null` says nothing, so that a shop that knows
    /// no mail address does not delete one.
    pub(crate) fn without_clearing(self) -> Self {
        Self {
            email: kept(self.email),
            first_name: kept(self.first_name),
            locale: kept(self.locale),
            consent: match self.consent {
                Patch::Set(consent) => Patch::Set(ConsentPatch {
                    surveys: kept(consent.surveys),
                    marketing: kept(consent.marketing),
                    recorded_at: kept(consent.recorded_at),
                    source: kept(consent.source),
                }),
                Patch::Keep | Patch::Clear => Patch::Keep,
            },
        }
    }

    /// The mail address that is set, if one is.
    pub(crate) fn new_email(&self) -> Option<&EmailAddress> {
        match &self.email {
            Patch::Set(email) => Some(email),
            Patch::Keep | Patch::Clear => None,
        }
    }

    pub(crate) fn apply(self, person: &mut Participant, now: Timestamp) {
        person.email = self.email.apply(person.email.take());
        person.first_name = self.first_name.apply(person.first_name.take());
        person.locale = self.locale.apply(person.locale.take());
        match self.consent {
            Patch::Keep => {}
            Patch::Clear => person.consent = Consent::default(),
            Patch::Set(patch) => patch.apply(&mut person.consent, now),
        }
    }
}

impl ConsentPatch {
    #[expect(
        clippy::unnecessary_wraps,
        reason = "it has the form of every parser; its faults are noted"
    )]
    fn read(object: &mut Object, faults: &mut Faults) -> Option<Self> {
        Some(Self {
            surveys: object.patch("surveys", faults, json::boolean),
            marketing: object.patch("marketing", faults, json::boolean),
            recorded_at: object.patch("recorded_at", faults, json::timestamp),
            source: object.patch("source", faults, json::text::<Name>),
        })
    }

    /// A consent that does not say when it was given was given now.
    fn apply(self, consent: &mut Consent, now: Timestamp) {
        let before = (consent.surveys, consent.marketing);
        let says_when = self.recorded_at != Patch::Keep;
        consent.surveys = self.surveys.apply(consent.surveys);
        consent.marketing = self.marketing.apply(consent.marketing);
        consent.recorded_at = self.recorded_at.apply(consent.recorded_at);
        consent.source = self.source.apply(consent.source.take());
        if !says_when && (consent.surveys, consent.marketing) != before {
            consent.recorded_at = Some(now);
        }
    }
}

fn kept<T>(patch: Patch<T>) -> Patch<T> {
    match patch {
        Patch::Set(value) => Patch::Set(value),
        Patch::Keep | Patch::Clear => Patch::Keep,
    }
}

/// What the shop calls a person.
pub(crate) fn person_id(member: Member, faults: &mut Faults) -> Option<ExternalId> {
    let pointer = member.pointer.clone();
    let text = json::string(member, faults)?;
    ExternalId::of_person(&text)
        .map_err(|error| faults.add(pointer, error.to_string()))
        .ok()
}
