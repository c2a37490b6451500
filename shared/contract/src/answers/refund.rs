use kith_domain::id::{ConversionId, RefundId, RewardId};
use kith_domain::refund::{self as domain, RefundReason, RefundState};
use kith_domain::reward::RewardState;
use kith_domain::text::{EventName, ExternalId};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Money, Value, value};
use crate::scalar::{At, Spelled, Word};

/// What was taken back of a conversion.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Refund {
    /// Its id.
    pub id: Spelled<RefundId>,
    /// The shop's own name of it.
    pub external_id: Spelled<ExternalId>,
    /// Where it is: `waiting_for_conversion` applies when its order comes.
    pub state: Word<RefundState>,
    /// Why.
    pub reason: Word<RefundReason>,
    /// The conversion; `null` while it is not known.
    pub conversion_id: Option<Spelled<ConversionId>>,
    /// The conversion in the shop's words.
    pub conversion: OrderName,
    /// How much it took off the conversion; `null` while it waits, and if the conversion has no amount.
    pub amount: Option<Money>,
    /// How much the shop said; `null` if it said nothing, which means all that is left.
    pub requested_amount: Option<Money>,
    /// What its state has done to rewards: what it took back, or what its reversal gave back.
    pub rewards: Vec<RewardChange>,
    /// What it took back.
    pub taken_back: Vec<RewardChange>,
    /// When it was recorded.
    pub created_at: At,
    /// Who recorded it: the id of a key or of an order source, or `operator`; `null` where that was not kept yet.
    pub recorded_by: Option<String>,
    /// Counts its changes.
    pub version: u64,
}

/// A conversion in the shop's words.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct OrderName {
    /// What happened.
    pub event: Spelled<EventName>,
    /// The shop's own name of it.
    pub external_id: Spelled<ExternalId>,
}

/// What happened to one reward.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub struct RewardChange {
    /// Which.
    pub id: Spelled<RewardId>,
    /// What it was.
    pub before: RewardThen,
    /// What it became.
    pub after: RewardThen,
}

/// A reward at a time.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub struct RewardThen {
    /// Where it was.
    pub state: Word<RewardState>,
    /// What it was worth.
    pub value: Value,
}

/// A refund.
#[must_use]
pub fn refund(refund: &domain::Refund) -> Refund {
    let changes = |changes: &[domain::RewardChange]| changes.iter().map(change).collect();
    let rewards = match refund.state {
        RefundState::Applied | RefundState::WaitingForConversion => changes(&refund.changes),
        RefundState::Reversed => changes(&refund.restored),
    };
    Refund {
        id: refund.id.into(),
        external_id: refund.external_id.clone().into(),
        state: refund.state.into(),
        reason: refund.reason.into(),
        conversion_id: refund.conversion_id.map(Spelled),
        conversion: OrderName {
            event: refund.event.clone().into(),
            external_id: refund.order.clone().into(),
        },
        amount: refund.amount.map(Money::from),
        requested_amount: refund.said.map(Money::from),
        rewards,
        taken_back: changes(&refund.changes),
        created_at: refund.created_at.into(),
        recorded_by: refund.recorded_by.map(|by| by.to_string()),
        version: refund.version,
    }
}

fn change(change: &domain::RewardChange) -> RewardChange {
    RewardChange {
        id: change.reward_id.into(),
        before: then(change.before),
        after: then(change.after),
    }
}

fn then(then: domain::RewardThen) -> RewardThen {
    RewardThen {
        state: then.state.into(),
        value: value(then.value),
    }
}
