use jiff::Timestamp;
use kith_domain::audit::Actor;
use kith_domain::id::{ConversionId, ProgramId, RefundId, RewardId};
use kith_domain::refund::{Refund, RefundReason, RefundState, RewardChange, RewardThen};
use kith_domain::reward::RewardState;
use kith_domain::text::{EventName, ExternalId};
use serde::{Deserialize, Serialize};

use super::MoneyItem;
use super::reward::ValueItem;
use crate::item::{Entity, text, text_option};

/// What lies in the table of a refund.
#[derive(Serialize, Deserialize)]
pub struct RefundItem {
    #[serde(with = "text")]
    id: RefundId,
    #[serde(with = "text")]
    program_id: ProgramId,
    #[serde(with = "text")]
    event: EventName,
    #[serde(with = "text")]
    order: ExternalId,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    conversion_id: Option<ConversionId>,
    #[serde(with = "text")]
    external_id: ExternalId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    said: Option<MoneyItem>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    amount: Option<MoneyItem>,
    #[serde(with = "text")]
    reason: RefundReason,
    #[serde(with = "text")]
    state: RefundState,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    changes: Vec<ChangeItem>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    restored: Vec<ChangeItem>,
    #[serde(with = "text")]
    created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    recorded_by: Option<Actor>,
    version: u64,
}

#[derive(Serialize, Deserialize)]
struct ChangeItem {
    #[serde(with = "text")]
    reward_id: RewardId,
    before: ThenItem,
    after: ThenItem,
}

#[derive(Serialize, Deserialize)]
struct ThenItem {
    #[serde(with = "text")]
    state: RewardState,
    worth: ValueItem,
}

impl From<RewardThen> for ThenItem {
    fn from(then: RewardThen) -> Self {
        Self {
            state: then.state,
            worth: then.value.into(),
        }
    }
}

impl From<ThenItem> for RewardThen {
    fn from(item: ThenItem) -> Self {
        Self {
            state: item.state,
            value: item.worth.into(),
        }
    }
}

impl From<&RewardChange> for ChangeItem {
    fn from(change: &RewardChange) -> Self {
        Self {
            reward_id: change.reward_id,
            before: change.before.into(),
            after: change.after.into(),
        }
    }
}

impl From<ChangeItem> for RewardChange {
    fn from(item: ChangeItem) -> Self {
        Self {
            reward_id: item.reward_id,
            before: item.before.into(),
            after: item.after.into(),
        }
    }
}

impl Entity for Refund {
    type Stored = RefundItem;
    const KIND: &'static str = "refund";

    fn to_stored(&self) -> RefundItem {
        RefundItem {
            id: self.id,
            program_id: self.program,
            event: self.event.clone(),
            order: self.order.clone(),
            conversion_id: self.conversion_id,
            external_id: self.external_id.clone(),
            said: self.said.map(Into::into),
            amount: self.amount.map(Into::into),
            reason: self.reason,
            state: self.state,
            changes: self.changes.iter().map(Into::into).collect(),
            restored: self.restored.iter().map(Into::into).collect(),
            created_at: self.created_at,
            recorded_by: self.recorded_by,
            version: self.version,
        }
    }

    fn from_stored(stored: RefundItem) -> Self {
        Self {
            id: stored.id,
            program: stored.program_id,
            event: stored.event,
            order: stored.order,
            conversion_id: stored.conversion_id,
            external_id: stored.external_id,
            said: stored.said.map(Into::into),
            amount: stored.amount.map(Into::into),
            reason: stored.reason,
            state: stored.state,
            changes: stored.changes.into_iter().map(Into::into).collect(),
            restored: stored.restored.into_iter().map(Into::into).collect(),
            created_at: stored.created_at,
            recorded_by: stored.recorded_by,
            version: stored.version,
        }
    }
}

/// Which refund of an order the shop calls by a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundName {
    /// The refund.
    #[serde(with = "text")]
    pub refund_id: RefundId,
}

impl Entity for RefundName {
    type Stored = Self;
    const KIND: &'static str = "refund_of_order";

    fn to_stored(&self) -> Self {
        *self
    }

    fn from_stored(stored: Self) -> Self {
        stored
    }
}
