use kith_domain::money::Money;
use kith_domain::payout::{Payout, PayoutLine, PayoutTotals};
use kith_domain::text::{ExternalId, Name};
use serde_json::{Value, json};

use super::{instant, money};

/// A payout with its totals. They are whole once it is open.
#[must_use]
pub fn payout(payout: &Payout, totals: &PayoutTotals) -> Value {
    let amount = |minor| money(Money::new(minor, payout.currency));
    json!({
        "id": payout.id.to_string(),
        "state": payout.state.as_str(),
        "currency": payout.currency.code(),
        "minimum": amount(payout.minimum),
        "until": instant(payout.until),
        "created_at": instant(payout.created_at),
        "opened_at": payout.opened_at.map(instant),
        "closed_at": payout.closed_at.map(instant),
        "totals": {
            "lines": totals.lines,
            "open": totals.open,
            "paid": totals.paid,
            "failed": totals.failed,
            "returned": totals.returned,
            "amount": amount(totals.amount),
        },
    })
}

/// A line of a payout.
#[must_use]
pub fn payout_line(line: &PayoutLine, external_id: Option<&ExternalId>) -> Value {
    let mut written = settled_line(line, external_id);
    if let Some(members) = written.as_object_mut() {
        let rewards = line.reward_ids.iter().map(ToString::to_string).collect();
        members.insert("reward_ids".to_owned(), rewards);
    }
    written
}

/// A line of a payout, without its rewards: there may be thousands of them, and who settles a line
/// has read it.
#[must_use]
pub fn settled_line(line: &PayoutLine, external_id: Option<&ExternalId>) -> Value {
    json!({
        "participant_id": line.participant_id.to_string(),
        "external_id": external_id.map(ExternalId::as_str),
        "amount": money(line.amount),
        "state": line.state.as_str(),
        "reference": line.reference.as_ref().map(Name::as_str),
    })
}
