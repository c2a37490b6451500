use kith_domain::redemption::Redemption;
use serde_json::{Value, json};

use super::instant;

/// A spending of points.
#[must_use]
pub fn redemption(redemption: &Redemption) -> Value {
    json!({
        "id": redemption.id.to_string(),
        "external_id": redemption.external_id.as_str(),
        "participant_id": redemption.participant_id.to_string(),
        "unit": redemption.unit.to_string(),
        "amount": redemption.amount,
        "state": redemption.state.as_str(),
        "created_at": instant(redemption.created_at),
        "reversed_at": redemption.reversed_at.map(instant),
    })
}
