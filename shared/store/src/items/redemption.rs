use jiff::Timestamp;
use kith_domain::id::{ParticipantId, ProgramId, RedemptionId};
use kith_domain::money::Unit;
use kith_domain::redemption::{Redemption, RedemptionState};
use kith_domain::text::ExternalId;
use serde::{Deserialize, Serialize};

use super::Lot;
use super::reward::LotItem;
use crate::item::{Entity, text, text_option};

/// What lies in the table of a redemption.
#[derive(Serialize, Deserialize)]
pub struct RedemptionItem {
    #[serde(with = "text")]
    id: RedemptionId,
    #[serde(with = "text")]
    program_id: ProgramId,
    #[serde(with = "text")]
    participant_id: ParticipantId,
    #[serde(with = "text")]
    external_id: ExternalId,
    #[serde(with = "text")]
    unit: Unit,
    amount: i64,
    #[serde(with = "text")]
    state: RedemptionState,
    assigned: i64,
    #[serde(default)]
    uncovered: i64,
    parts: u32,
    open: bool,
    #[serde(with = "text")]
    created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    reversed_at: Option<Timestamp>,
    by: String,
    version: u64,
}

impl Entity for Redemption {
    type Stored = RedemptionItem;
    const KIND: &'static str = "redemption";

    fn to_stored(&self) -> RedemptionItem {
        RedemptionItem {
            id: self.id,
            program_id: self.program,
            participant_id: self.participant_id,
            external_id: self.external_id.clone(),
            unit: self.unit,
            amount: self.amount,
            state: self.state,
            assigned: self.assigned,
            uncovered: self.uncovered,
            parts: self.parts,
            open: self.open,
            created_at: self.created_at,
            reversed_at: self.reversed_at,
            by: self.by.clone(),
            version: self.version,
        }
    }

    fn from_stored(stored: RedemptionItem) -> Self {
        Self {
            id: stored.id,
            program: stored.program_id,
            participant_id: stored.participant_id,
            external_id: stored.external_id,
            unit: stored.unit,
            amount: stored.amount,
            state: stored.state,
            assigned: stored.assigned,
            uncovered: stored.uncovered,
            parts: stored.parts,
            open: stored.open,
            created_at: stored.created_at,
            reversed_at: stored.reversed_at,
            by: stored.by,
            version: stored.version,
        }
    }
}

/// Which redemption the shop calls so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedemptionName {
    /// The redemption.
    #[serde(with = "text")]
    pub redemption_id: RedemptionId,
}

/// That a redemption is open: lots and rewards have yet to follow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenRedemption {
    /// The redemption.
    #[serde(with = "text")]
    pub redemption_id: RedemptionId,
    /// Whether it was reversed: lots come back.
    pub reversed: bool,
}

/// From which lots a part of a redemption was taken: each as it was before, with what was taken of it
/// in the place of what was left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedemptionPart {
    /// The parts of lots.
    pub taken: Vec<Lot>,
}

/// What lies in the table of a part of a redemption.
#[derive(Serialize, Deserialize)]
pub struct RedemptionPartItem {
    taken: Vec<LotItem>,
}

impl Entity for RedemptionPart {
    type Stored = RedemptionPartItem;
    const KIND: &'static str = "redemption_part";

    fn to_stored(&self) -> RedemptionPartItem {
        RedemptionPartItem {
            taken: self.taken.iter().map(Entity::to_stored).collect(),
        }
    }

    fn from_stored(stored: RedemptionPartItem) -> Self {
        let taken = stored.taken.into_iter().map(Lot::from_stored);
        Self {
            taken: taken.collect(),
        }
    }
}

macro_rules! stored_as_itself {
    ($type:ty, $kind:literal) => {
        impl Entity for $type {
            type Stored = Self;
            const KIND: &'static str = $kind;

            fn to_stored(&self) -> Self {
                *self
            }

            fn from_stored(stored: Self) -> Self {
                stored
            }
        }
    };
}

stored_as_itself!(RedemptionName, "redemption_name");
stored_as_itself!(OpenRedemption, "open_redemption");
