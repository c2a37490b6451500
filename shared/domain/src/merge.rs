//! Merging: of two participants who are one person, one becomes a pointer to the other.
//!
//! The source is merged into the target. What names the source by then is carried over step by step;
//! here is what is decided at once: whether it may be, whose bond stays, and what the target takes in.

use jiff::Timestamp;

use crate::id::{MergeId, ParticipantId, ProgramId, ReferralId, RewardId};
use crate::participant::{CODES_MAX, CodeKind, Participant, ParticipantState, Referral};
use crate::review::Review;
use crate::text::Name;
use crate::words::words;

/// How many a participant takes in at most, those that were taken in by them included: following from
/// one to the next is bounded by it.
pub const MERGED_MAX: usize = 20;
/// How many rewards a merge names at most that stay for the owner to decide.
pub const ISSUED_MAX: usize = 100;
/// How often a merge is gone through: lists lag, so once more after a while.
pub const SWEEPS: u8 = 2;

words! {
    /// Where a merge is.
    pub enum MergeState {
        /// Waits for the owner's word: nothing happened yet.
        InReview = "in_review",
        /// The source is merged; what it had is being carried over.
        Building = "building",
        /// Everything is carried over.
        Done = "done",
        /// The owner refused it: nothing happened.
        Rejected = "rejected",
    }
}

words! {
    /// What a merge reveals, so that somebody has to look at it.
    pub enum Finding {
        /// One of the two referred the other: they referred themselves.
        SelfReferral = "self_referral",
        /// One stands above the other, with others in between.
        Loop = "referral_loop",
    }
}

/// One merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merge {
    /// Its id.
    pub id: MergeId,
    /// The program.
    pub program: ProgramId,
    /// Who becomes a pointer.
    pub source: ParticipantId,
    /// Who stays.
    pub target: ParticipantId,
    /// Why, in the owner's words.
    pub reason: Name,
    /// Who asked for it.
    pub by: String,
    /// Where it is.
    pub state: MergeState,
    /// What it reveals.
    pub finding: Option<Finding>,
    /// What was decided in review, by whom and why.
    pub review: Option<Review>,
    /// The bond that is not carried over, once it was approved.
    pub dissolved: Option<Dissolved>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When everything was carried over.
    pub done_at: Option<Timestamp>,
    /// How often what the source has was gone through to its end.
    pub sweeps: u8,
    /// Counts writes; guards every change.
    pub version: u64,
}

/// A bond that a merge dissolves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dissolved {
    /// The bond.
    pub referral_id: ReferralId,
    /// Who stood below: the source or the target.
    pub referee_id: ParticipantId,
    /// Rewards that were earned under it and issued: they stay for the owner to decide.
    pub issued: Vec<RewardId>,
}

/// Why a merge cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeError {
    /// Into oneself.
    Itself,
    /// One of the two is merged into somebody already.
    Merged {
        /// Which.
        participant: ParticipantId,
        /// Into whom.
        into: ParticipantId,
    },
    /// One of the two is suspended: the merge would lift it.
    Suspended(ParticipantId),
    /// Together they have more codes than one may have.
    TooManyCodes,
    /// Too many are merged into one.
    TooMany,
}

/// Whether two participants may become one.
///
/// # Errors
/// [`MergeError`].
pub fn check(source: &Participant, target: &Participant) -> Result<(), MergeError> {
    if source.id == target.id {
        return Err(MergeError::Itself);
    }
    for person in [source, target] {
        if let Some(into) = person.merged_into {
            let participant = person.id;
            return Err(MergeError::Merged { participant, into });
        }
    }
    for person in [source, target] {
        match person.state {
            ParticipantState::Active => {}
            ParticipantState::Suspended | ParticipantState::Merged => {
                return Err(MergeError::Suspended(person.id));
            }
        }
    }
    if source.codes.len().saturating_add(target.codes.len()) > CODES_MAX {
        return Err(MergeError::TooManyCodes);
    }
    let taken_in = source.merged_from.len().saturating_add(1);
    if target.merged_from.len().saturating_add(taken_in) > MERGED_MAX {
        return Err(MergeError::TooMany);
    }
    Ok(())
}

/// The two after the merge: the source, and the target with what it takes in. Their versions are
/// raised.
#[must_use]
pub fn merged(source: &Participant, target: &Participant) -> (Participant, Participant) {
    let mut kept = target.clone();
    let of = |kind: fn(CodeKind) -> bool| {
        let own = source.codes.iter().filter(move |own| kind(own.kind));
        own.cloned().collect::<Vec<_>>()
    };
    // In an order that leaves the target's own code the one to share: of the chosen ones the last
    // counts, of the others the first.
    let mut codes = of(|kind| kind == CodeKind::Vanity);
    codes.append(&mut kept.codes);
    codes.extend(of(|kind| kind != CodeKind::Vanity));
    kept.codes = codes;
    fill(&mut kept.external_id, &source.external_id);
    fill(&mut kept.email, &source.email);
    fill(&mut kept.first_name, &source.first_name);
    fill(&mut kept.locale, &source.locale);
    if kept.consent.recorded_at.is_none() && kept.consent.surveys.is_none() {
        kept.consent = source.consent.clone();
    }
    kept.merged_from.push(source.id);
    kept.merged_from.extend(source.merged_from.iter().copied());
    kept.version = target.version.saturating_add(1);
    let gone = Participant {
        state: ParticipantState::Merged,
        merged_into: Some(target.id),
        codes: Vec::new(),
        version: source.version.saturating_add(1),
        ..source.clone()
    };
    (gone, kept)
}

fn fill<T: Clone>(kept: &mut Option<T>, other: &Option<T>) {
    if kept.is_none() {
        kept.clone_from(other);
    }
}

/// Who stands above each of the two, nearest first, as they are now.
#[derive(Debug, Clone, Copy)]
pub struct Chains<'a> {
    /// Above the source.
    pub source: &'a [ParticipantId],
    /// Above the target.
    pub target: &'a [ParticipantId],
}

/// Which of the two stands below the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Below {
    /// The source, so many levels.
    Source(usize),
    /// The target, so many levels.
    Target(usize),
}

impl Below {
    /// Who of the two stands below the other, if one does.
    #[must_use]
    pub fn of(source: ParticipantId, target: ParticipantId, chains: Chains<'_>) -> Option<Self> {
        let place = |chain: &[ParticipantId], id| {
            let at = chain.iter().position(|above| *above == id);
            at.map(|levels| levels.saturating_add(1))
        };
        let source_below = place(chains.source, target).map(Self::Source);
        source_below.or_else(|| place(chains.target, source).map(Self::Target))
    }

    /// What the merge reveals.
    #[must_use]
    pub fn finding(self) -> Finding {
        match self {
            Self::Source(1) | Self::Target(1) => Finding::SelfReferral,
            Self::Source(_) | Self::Target(_) => Finding::Loop,
        }
    }
}

/// What becomes of the two bonds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bonds<'a> {
    /// The bond of the person from now on.
    pub kept: Option<Kept<'a>>,
    /// The bond that is dissolved.
    pub dissolved: Option<&'a Referral>,
}

/// Whose bond is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept<'a> {
    /// The target's, where it is.
    Target(&'a Referral),
    /// The source's, which becomes the target's.
    Source(&'a Referral),
}

impl<'a> Bonds<'a> {
    /// Whoever stands below the other loses their bond, which would lead back to themselves. Of what
    /// is left the target's stays, else it takes the source's.
    #[must_use]
    pub fn of(
        source: Option<&'a Referral>,
        target: Option<&'a Referral>,
        below: Option<Below>,
    ) -> Self {
        let (source, target, dissolved) = match below {
            None => (source, target, None),
            Some(Below::Source(_)) => (None, target, source),
            Some(Below::Target(_)) => (source, None, target),
        };
        let kept = target.map(Kept::Target).or(source.map(Kept::Source));
        Self { kept, dissolved }
    }
}

/// The bond of the source as the target's.
#[must_use]
pub fn taken_over(bond: &Referral, target: ParticipantId, version: u64) -> Referral {
    Referral {
        referee_id: target,
        version,
        ..bond.clone()
    }
}

#[cfg(test)]
mod tests;
