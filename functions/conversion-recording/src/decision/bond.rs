use jiff::Timestamp;
use kith_domain::attribution::Attribution;
use kith_domain::conversion::Conversion;
use kith_domain::participant::{Referral, ReferralState};
use kith_domain::text::EventName;
use kith_store::Was;

use super::Inputs;

/// The bond that the conversion counts for, and how it has to be written, if at all.
pub(super) fn bond(
    inputs: &Inputs<'_>,
    conversion: &Conversion,
    attribution: &Attribution,
) -> (Referral, Option<Was>) {
    let Inputs {
        view,
        referee,
        found,
        ..
    } = *inputs;
    let referrer = &found.referrer.0;
    let known = referee.bond.as_ref();
    let chosen = attribution.chosen.as_ref();
    let mut bond = known.cloned().unwrap_or_else(|| Referral {
        id: view.id(),
        referrer_id: referrer.id,
        referee_id: referee.person.id,
        path: found.path.clone(),
        created_at: view.now,
        channel: chosen.and_then(|chosen| chosen.channel),
        touch_at: chosen.and_then(|chosen| chosen.touch_at),
        lead_at: None,
        first_qualified_at: None,
        referrer_joined_at: referrer.created_at,
        state: ReferralState::Bound,
        merged: false,
        version: 0,
    });
    let occurred_at: Timestamp = conversion.occurred_at;
    if conversion.content.event.as_str() == EventName::LEAD {
        bond.lead_at = bond.lead_at.or(Some(occurred_at));
    }
    bond.first_qualified_at = bond.first_qualified_at.or(Some(occurred_at));
    bond.state = ReferralState::Converted;
    if known == Some(&bond) {
        return (bond, None);
    }
    let was = known.map_or(Was::Absent, |known| Was::Version(known.version));
    bond.version = bond.version.saturating_add(1);
    (bond, Some(was))
}
