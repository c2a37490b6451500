use kith_domain::refund::{Refund, RefundState, RewardChange, RewardThen};
use serde_json::{Value, json};

use super::{instant, money, value};

/// A refund. `rewards` is what its state has done to them: what it took back, or what its reversal
/// gave back; then `taken_back` tells the former.
#[must_use]
pub fn refund(refund: &Refund) -> Value {
    let changes = |changes: &[RewardChange]| changes.iter().map(change).collect::<Vec<_>>();
    let taken = changes(&refund.changes);
    let (rewards, taken_back) = match refund.state {
        RefundState::Applied | RefundState::WaitingForConversion => (taken.clone(), taken),
        RefundState::Reversed => (changes(&refund.restored), taken),
    };
    json!({
        "id": refund.id.to_string(),
        "external_id": refund.external_id.as_str(),
        "state": refund.state.as_str(),
        "reason": refund.reason.as_str(),
        "conversion_id": refund.conversion_id.map(|id| id.to_string()),
        "conversion": {
            "event": refund.event.as_str(),
            "external_id": refund.order.as_str(),
        },
        "amount": refund.amount.map(money),
        "requested_amount": refund.said.map(money),
        "rewards": rewards,
        "taken_back": taken_back,
        "created_at": instant(refund.created_at),
        "version": refund.version,
    })
}

fn change(change: &RewardChange) -> Value {
    json!({
        "id": change.reward_id.to_string(),
        "before": then(change.before),
        "after": then(change.after),
    })
}

fn then(then: RewardThen) -> Value {
    json!({"state": then.state.as_str(), "value": value(then.value)})
}
