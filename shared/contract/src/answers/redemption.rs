use kith_domain::id::{ParticipantId, RedemptionId};
use kith_domain::money::Unit;
use kith_domain::redemption::{self as domain, RedemptionState};
use kith_domain::text::ExternalId;
use schemars::JsonSchema;
use serde::Serialize;

use crate::scalar::{At, Spelled, Word};

/// One spending of points.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Redemption {
    /// Its id.
    pub id: Spelled<RedemptionId>,
    /// The shop's own name of it.
    pub external_id: Spelled<ExternalId>,
    /// Who spends.
    pub participant_id: Spelled<ParticipantId>,
    /// In what: `points`.
    pub unit: Spelled<Unit>,
    /// How much.
    pub amount: i64,
    /// Where it is.
    pub state: Word<RedemptionState>,
    /// When it was recorded.
    pub created_at: At,
    /// When it was reversed.
    pub reversed_at: Option<At>,
}

/// A spending of points.
#[must_use]
pub fn redemption(redemption: &domain::Redemption) -> Redemption {
    Redemption {
        id: redemption.id.into(),
        external_id: redemption.external_id.clone().into(),
        participant_id: redemption.participant_id.into(),
        unit: redemption.unit.into(),
        amount: redemption.amount,
        state: redemption.state.into(),
        created_at: redemption.created_at.into(),
        reversed_at: redemption.reversed_at.map(At),
    }
}
