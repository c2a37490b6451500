//! The tree of referrals: who stands above whom.
//!
//! A bond names one referee's referrer and keeps it for ever, so a chain of bonds that was read holds;
//! only its end may grow. Where somebody was merged into another a pointer lies in the place of the bond. A bond also remembers who stood above its referrer when it was made, which
//! saves requests and is never believed: every level is read from the bond itself.

use std::collections::BTreeSet;

use kith_domain::id::{ParticipantId, ProgramId};
use kith_domain::participant::{Participant, Referral};

use crate::commit::Commit;
use crate::keys::{self, Key};
use crate::store::{Loaded, Store, StoreError};

/// How many levels are walked at most to find out who stands at the very top.
pub const DEPTH_MAX: usize = 64;

/// What was read of a program's tree.
#[derive(Debug, Clone)]
pub struct Tree {
    program: ProgramId,
    people: bool,
    asked: BTreeSet<ParticipantId>,
}

impl Tree {
    /// A tree of which nothing was read: bonds only.
    #[must_use]
    pub fn of_bonds(program: ProgramId) -> Self {
        Self {
            program,
            people: false,
            asked: BTreeSet::new(),
        }
    }

    /// A tree of which nothing was read: whose participants are read beside their bonds.
    #[must_use]
    pub fn of_people(program: ProgramId) -> Self {
        Self {
            people: true,
            ..Self::of_bonds(program)
        }
    }

    /// What is to be read of participants, unless it was asked for before. The caller reads it
    /// together with whatever else it needs.
    pub fn keys(&mut self, participants: impl IntoIterator<Item = ParticipantId>) -> Vec<Key> {
        let mut keys = Vec::new();
        for id in participants {
            if self.asked.insert(id) {
                keys.push(keys::referral(self.program, id));
                if self.people {
                    keys.push(keys::participant(self.program, id));
                }
            }
        }
        keys
    }
}

/// What a commit that writes a bond has to insist on, so that the tree stays one, whatever others write
/// at the same instant.
///
/// Only somebody with a code ever refers, and codes are never taken away. So nobody stands below a
/// referee who has no code, as long as that stays so. Below a referee who has one, somebody may: then
/// whoever stands at the very top above the referrer is somebody else, and has to stand there still. A
/// merge that moves others below the referee writes the referee.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Nothing: the referee is new.
    Free,
    /// The referee, who has no code, was not written since.
    SameReferee,
    /// Nobody has referred this participant yet, who stands at the top above the referrer.
    Below(ParticipantId),
}

/// Who stands above a participant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Above {
    /// Nearest first.
    pub ids: Vec<ParticipantId>,
    /// Whether nobody stands above the last of them, or above the participant if there is none.
    pub complete: bool,
}

impl Store {
    /// Who stands above a participant now, up to a number of levels. `hint` says who may: with it, or
    /// with what the first bond remembers, everybody is read in one request, unless the tree has grown
    /// at its top since. Bonds that `tree` asked for are taken from `loaded`, and what is read is
    /// added there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn above(
        &self,
        tree: &mut Tree,
        loaded: &mut Loaded,
        participant: ParticipantId,
        hint: &[ParticipantId],
        levels: usize,
    ) -> Result<Above, StoreError> {
        let mut above = Above::default();
        let mut at = participant;
        let mut hint = hint.to_vec();
        loop {
            if !tree.asked.contains(&at) {
                let left = levels.saturating_sub(above.ids.len());
                let guessed = hint.iter().copied().take(left);
                let wanted = tree.keys(std::iter::once(at).chain(guessed));
                loaded.extend(self.get(wanted).await?);
            }
            let bond = loaded.read::<Referral>(&keys::referral(tree.program, at))?;
            let Some(bond) = bond else {
                above.complete = true;
                return Ok(above);
            };
            if bond.merged {
                // Who stood here is somebody else now.
                at = bond.referrer_id;
                if let Some(last) = above.ids.last_mut() {
                    *last = at;
                }
                continue;
            }
            if above.ids.len() >= levels {
                return Ok(above);
            }
            at = bond.referrer_id;
            above.ids.push(at);
            if !bond.path.is_empty() {
                hint = bond.path;
            }
        }
    }

    /// Where a referee may be bound below a referrer; `None` if the bond would close a loop, or if the
    /// tree above the referrer is higher than [`DEPTH_MAX`] levels, so that it cannot be told. `referee`
    /// is as they were read; nothing if they are new.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn place(
        &self,
        tree: &mut Tree,
        loaded: &mut Loaded,
        referee: Option<&Participant>,
        referrer: ParticipantId,
    ) -> Result<Option<Place>, StoreError> {
        let Some(referee) = referee else {
            return Ok(Some(Place::Free));
        };
        if referee.id == referrer {
            return Ok(None);
        }
        if referee.codes.is_empty() {
            return Ok(Some(Place::SameReferee));
        }
        let above = self.above(tree, loaded, referrer, &[], DEPTH_MAX).await?;
        if !above.complete || above.ids.contains(&referee.id) {
            return Ok(None);
        }
        let top = above.ids.last().copied().unwrap_or(referrer);
        Ok(Some(Place::Below(top)))
    }
}

impl Commit {
    /// Insists that a new bond still stands where it was placed. `referee` is as they were read, unless
    /// this commit makes or changes them itself.
    pub fn placed(
        &mut self,
        program: ProgramId,
        place: Place,
        referee: Option<&Participant>,
    ) -> &mut Self {
        match (place, referee) {
            (Place::Free, _) | (Place::SameReferee, None) => self,
            (Place::SameReferee, Some(referee)) => self.same_participant(referee),
            (Place::Below(top), None) => self.unbound(program, top),
            (Place::Below(top), Some(referee)) => {
                self.unbound(program, top).same_participant(referee)
            }
        }
    }
}
