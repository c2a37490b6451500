//! Participants: one person in one program, as referrer, referee, or both.

use jiff::Timestamp;

use crate::audit::Actor;
use crate::channel::Channel;
use crate::code::ReferralCode;
use crate::email::EmailAddress;
use crate::id::{ParticipantId, ProgramId, ReferralId};
use crate::text::{ExternalId, Locale, Name};
use crate::words::words;

/// The most codes of one participant, disabled ones included.
pub const CODES_MAX: usize = 50;
/// How many levels above the referrer a bond remembers.
pub const PATH_MAX: usize = 5;

words! {
    /// Whether a participant takes part.
    pub enum ParticipantState {
        /// Refers and earns.
        Active = "active",
        /// Neither refers nor earns, until made active again.
        Suspended = "suspended",
        /// Is somebody else: see [`Participant::merged_into`]. For ever.
        Merged = "merged",
    }
}

/// What a person agreed to. Absent: never asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Consent {
    /// To be asked how it went.
    pub surveys: Option<bool>,
    /// To get news and invitations.
    pub marketing: Option<bool>,
    /// When it was given or withdrawn.
    pub recorded_at: Option<Timestamp>,
    /// Where it was given, in the shop's own words.
    pub source: Option<Name>,
}

words! {
    /// Where a code comes from.
    pub enum CodeKind {
        /// Made by the bundle from random bits.
        Generated = "generated",
        /// Chosen.
        Vanity = "vanity",
        /// Brought along from another system.
        Imported = "imported",
    }
}

/// One of a participant's codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnCode {
    /// The code.
    pub code: ReferralCode,
    /// Where it comes from.
    pub kind: CodeKind,
    /// Whether its links work.
    pub active: bool,
}

/// One person in one program. All that is personal about them is in here and nowhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Participant {
    /// Their id.
    pub id: ParticipantId,
    /// The program.
    pub program: ProgramId,
    /// What the shop calls them; absent for a guest known by mail address only.
    pub external_id: Option<ExternalId>,
    /// Where they get mail.
    pub email: Option<EmailAddress>,
    /// How they are greeted.
    pub first_name: Option<Name>,
    /// Their language.
    pub locale: Option<Locale>,
    /// What they agreed to.
    pub consent: Consent,
    /// Whether they take part.
    pub state: ParticipantState,
    /// Their codes, oldest first; none until they are made a referrer.
    pub codes: Vec<OwnCode>,
    /// Who they are, if they were merged into somebody.
    pub merged_into: Option<ParticipantId>,
    /// Who was merged into them, directly or through others.
    pub merged_from: Vec<ParticipantId>,
    /// When they were first seen.
    pub created_at: Timestamp,
    /// Who first told of them; `None` where that was not kept yet.
    pub recorded_by: Option<Actor>,
    /// Counts writes; guards every change.
    pub version: u64,
}

impl Participant {
    /// Somebody of whom nothing is known yet, not written yet.
    #[must_use]
    pub fn unknown(id: ParticipantId, program: ProgramId, now: Timestamp, by: Actor) -> Self {
        Self {
            id,
            program,
            external_id: None,
            email: None,
            first_name: None,
            locale: None,
            consent: Consent::default(),
            state: ParticipantState::Active,
            codes: Vec::new(),
            merged_into: None,
            merged_from: Vec::new(),
            created_at: now,
            recorded_by: Some(by),
            version: 0,
        }
    }

    /// The code to share: the newest vanity code that works, else the oldest one that works.
    #[must_use]
    pub fn code(&self) -> Option<&ReferralCode> {
        let active = || self.codes.iter().filter(|own| own.active);
        active()
            .rfind(|own| own.kind == CodeKind::Vanity)
            .or_else(|| active().next())
            .map(|own| &own.code)
    }

    /// Whether they take part.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.state == ParticipantState::Active
    }
}

/// The bond of a referee to a referrer. The first attribution makes it, and it stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referral {
    /// Its id.
    pub id: ReferralId,
    /// Who shared.
    pub referrer_id: ParticipantId,
    /// Who was invited.
    pub referee_id: ParticipantId,
    /// Who stood above the referrer when it was made, nearest first: a hint that saves requests. The
    /// bonds themselves say who stands there now.
    pub path: Vec<ParticipantId>,
    /// When it was made, on the program's clock.
    pub created_at: Timestamp,
    /// The channel of the click that made it, if it was one.
    pub channel: Option<Channel>,
    /// When the touch was that made it, if it was a click.
    pub touch_at: Option<Timestamp>,
    /// When the referee became a lead.
    pub lead_at: Option<Timestamp>,
    /// When the referee first qualified.
    pub first_qualified_at: Option<Timestamp>,
    /// When the referrer joined the program.
    pub referrer_joined_at: Timestamp,
    /// How it stands.
    pub state: ReferralState,
    /// Not a bond any more: whoever was bound here was merged into `referrer_id`.
    pub merged: bool,
    /// Counts writes; guards every change.
    pub version: u64,
}

impl Referral {
    /// What lies in the place of the bond of somebody who was merged: who they are. `was` is the bond
    /// that lay there.
    #[must_use]
    pub fn pointer(person: &Participant, into: ParticipantId, was: Option<&Self>) -> Self {
        let id = was.map_or_else(
            || ReferralId::from_bytes(person.id.to_bytes()),
            |was| was.id,
        );
        Self {
            id,
            referrer_id: into,
            referee_id: person.id,
            path: Vec::new(),
            created_at: person.created_at,
            channel: None,
            touch_at: None,
            lead_at: None,
            first_qualified_at: None,
            referrer_joined_at: person.created_at,
            state: ReferralState::Bound,
            merged: true,
            version: was.map_or(1, |was| was.version.saturating_add(1)),
        }
    }

    /// What a new bond remembers of whoever stands above its referrer; `above` is the bond of that
    /// referrer, if they have one.
    #[must_use]
    pub fn path_below(above: Option<&Self>) -> Vec<ParticipantId> {
        let nearest = above.map(|bond| bond.referrer_id);
        let further = above.into_iter().flat_map(|bond| &bond.path).copied();
        nearest.into_iter().chain(further).take(PATH_MAX).collect()
    }
}

words! {
    /// How a referral stands.
    pub enum ReferralState {
        /// Bound, without a qualified conversion yet.
        Bound = "bound",
        /// The referee converted.
        Converted = "converted",
    }
}
