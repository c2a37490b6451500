use jiff::Timestamp;
use kith_domain::id::{MergeId, ParticipantId, ProgramId, ReferralId};
use kith_domain::merge::{Dissolved, Finding, Merge, MergeState};
use kith_domain::text::Name;
use serde::{Deserialize, Serialize};

use super::review::ReviewItem;
use crate::item::{Entity, text, text_option};

/// What lies in the table of a merge.
#[derive(Serialize, Deserialize)]
pub struct MergeItem {
    #[serde(with = "text")]
    id: MergeId,
    #[serde(with = "text")]
    program_id: ProgramId,
    #[serde(with = "text")]
    source_id: ParticipantId,
    #[serde(with = "text")]
    target_id: ParticipantId,
    #[serde(with = "text")]
    reason: Name,
    by: String,
    #[serde(with = "text")]
    state: MergeState,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    finding: Option<Finding>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    review: Option<ReviewItem>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dissolved: Option<DissolvedItem>,
    #[serde(with = "text")]
    created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    done_at: Option<Timestamp>,
    sweeps: u8,
    version: u64,
}

#[derive(Serialize, Deserialize)]
struct DissolvedItem {
    #[serde(with = "text")]
    referral_id: ReferralId,
    #[serde(with = "text")]
    referee_id: ParticipantId,
    issued: Vec<String>,
}

impl From<&Dissolved> for DissolvedItem {
    fn from(bond: &Dissolved) -> Self {
        Self {
            referral_id: bond.referral_id,
            referee_id: bond.referee_id,
            issued: bond.issued.iter().map(ToString::to_string).collect(),
        }
    }
}

impl From<DissolvedItem> for Dissolved {
    fn from(item: DissolvedItem) -> Self {
        let issued = item.issued.iter().filter_map(|id| id.parse().ok());
        Self {
            referral_id: item.referral_id,
            referee_id: item.referee_id,
            issued: issued.collect(),
        }
    }
}

impl Entity for Merge {
    type Stored = MergeItem;
    const KIND: &'static str = "merge";

    fn to_stored(&self) -> MergeItem {
        MergeItem {
            id: self.id,
            program_id: self.program,
            source_id: self.source,
            target_id: self.target,
            reason: self.reason.clone(),
            by: self.by.clone(),
            state: self.state,
            finding: self.finding,
            review: self.review.as_ref().map(ReviewItem::of),
            dissolved: self.dissolved.as_ref().map(DissolvedItem::from),
            created_at: self.created_at,
            done_at: self.done_at,
            sweeps: self.sweeps,
            version: self.version,
        }
    }

    fn from_stored(stored: MergeItem) -> Self {
        Self {
            id: stored.id,
            program: stored.program_id,
            source: stored.source_id,
            target: stored.target_id,
            reason: stored.reason,
            by: stored.by,
            state: stored.state,
            finding: stored.finding,
            review: stored.review.map(ReviewItem::read),
            dissolved: stored.dissolved.map(Dissolved::from),
            created_at: stored.created_at,
            done_at: stored.done_at,
            sweeps: stored.sweeps,
            version: stored.version,
        }
    }
}

/// Which merge a participant is the source of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergeName {
    /// The merge.
    #[serde(with = "text")]
    pub merge_id: MergeId,
}

impl Entity for MergeName {
    type Stored = Self;
    const KIND: &'static str = "merge_name";

    fn to_stored(&self) -> Self {
        *self
    }

    fn from_stored(stored: Self) -> Self {
        stored
    }
}
