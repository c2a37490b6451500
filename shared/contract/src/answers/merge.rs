use kith_domain::id::{MergeId, ParticipantId, ReferralId, RewardId};
use kith_domain::merge::{self as domain, Finding, MergeState};
use kith_domain::text::Name;
use schemars::JsonSchema;
use serde::Serialize;

use super::Review;
use crate::scalar::{At, Spelled, Word};

/// Two participants becoming one.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Merge {
    /// Its id.
    pub id: Spelled<MergeId>,
    /// Where it is: `in_review` waits for the owner's word, `building` is being carried over.
    pub state: Word<MergeState>,
    /// Who becomes a pointer.
    pub participant_id: Spelled<ParticipantId>,
    /// Who stays.
    pub into: Spelled<ParticipantId>,
    /// In the owner's own words.
    pub reason: Spelled<Name>,
    /// Who asked for it: the id of a key, or `operator`.
    pub by: String,
    /// What it shows, so that it waits for review; `null` if nothing.
    pub finding: Option<Word<Finding>>,
    /// What was decided in review; `null` without one.
    pub review: Option<Review>,
    /// The bond that led back to the same person, and is not carried over; `null` if there is none.
    pub dissolved: Option<DissolvedReferral>,
    /// When it was asked for.
    pub created_at: At,
    /// When everything was carried over.
    pub done_at: Option<At>,
}

/// A bond that a merge dissolved.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct DissolvedReferral {
    /// Which.
    pub referral_id: Spelled<ReferralId>,
    /// Who stood below.
    pub referee_id: Spelled<ParticipantId>,
    /// What was earned under it and issued: it stays, for the owner to decide. At most 100.
    pub issued_reward_ids: Vec<Spelled<RewardId>>,
}

/// A merge.
#[must_use]
pub fn merge(merge: &domain::Merge) -> Merge {
    let dissolved = |bond: &domain::Dissolved| DissolvedReferral {
        referral_id: bond.referral_id.into(),
        referee_id: bond.referee_id.into(),
        issued_reward_ids: bond.issued.iter().copied().map(Spelled).collect(),
    };
    Merge {
        id: merge.id.into(),
        state: merge.state.into(),
        participant_id: merge.source.into(),
        into: merge.target.into(),
        reason: merge.reason.clone().into(),
        by: merge.by.clone(),
        finding: merge.finding.map(Word),
        review: merge.review.as_ref().map(Review::from),
        dissolved: merge.dissolved.as_ref().map(dissolved),
        created_at: merge.created_at.into(),
        done_at: merge.done_at.map(At),
    }
}
