//! Why a rule gave a reward: judged again from what was kept of the conversion.

use kith_domain::incentive::{compute, explain};
use kith_domain::reward::{Reward, RewardSource};
use kith_edge::desk::View;
use kith_edge::session::Ended;
use kith_edge::wire;

use super::{Origin, origin};

/// The explanation of a rule's reward; `None` for any other.
pub(super) async fn explanation(
    view: &mut View,
    reward: &Reward,
) -> Result<Option<wire::Explanation>, Ended> {
    let (RewardSource::Rule, Some(conversion_id), Some(incentive_id)) =
        (reward.source, reward.conversion_id, &reward.incentive_id)
    else {
        return Ok(None);
    };
    let Some(Origin {
        incentive,
        rules,
        conversion,
    }) = origin(view, reward, conversion_id, incentive_id).await?
    else {
        return Ok(None);
    };
    let upline = conversion.parties_above();
    let offer = reward.was_offered().then_some(incentive_id);
    let Some(facts) = conversion.facts(&upline, offer, &rules.rates) else {
        return Ok(None);
    };
    let checks = explain(&incentive, &facts);
    let computation = compute(&incentive, facts.amount, facts.referees, &rules.rates).ok();
    Ok(Some(wire::explanation(
        reward,
        &incentive,
        &checks,
        computation.as_ref(),
    )))
}
