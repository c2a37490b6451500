//! What was recorded: conversions and referrals.

use kith_domain::conversion::{Conversion, ConversionState};
use kith_domain::id::{ConversionId, ParticipantId, RefundId, RewardId};
use kith_domain::participant::{Referral, ReferralState};
use kith_domain::refund::Refund;
use kith_domain::reward::Reward;
use kith_domain::text::{EventName, ExternalId};
use kith_edge::desk::View;
use kith_edge::http::{Problem, Response};
use kith_edge::session::Ended;
use kith_edge::wire;
use kith_store::ListQuery;
use kith_store::items::Order;
use kith_store::keys::{self, ListName};

use crate::call::{Call, Paging, filtered};

/// `GET P/conversions/{conversion}`: as it stands now.
pub(crate) async fn read(call: Call) -> Result<Response, Ended> {
    let (_, view, id) = call
        .program(
            call.only_id("conversion"),
            |id: &ConversionId, program, _| vec![keys::conversion(program, *id)],
        )
        .await?;
    let key = keys::conversion(view.program.id, id);
    let conversion: Option<Conversion> = view.loaded.read(&key)?;
    let conversion = conversion.ok_or_else(|| Problem::not_found("conversion"))?;
    let mut data = with_rewards(&view, &[conversion]).await?;
    let answer = data.pop();
    let answer = answer.ok_or_else(|| Problem::internal("a conversion was not written"))?;
    Ok(Response::json(200, &answer))
}

struct Filter {
    event: Option<EventName>,
    external_id: Option<ExternalId>,
    referee: Option<ParticipantId>,
    referrer: Option<ParticipantId>,
    state: Option<ConversionState>,
    paging: Paging,
}

impl Filter {
    fn read(call: &Call) -> Result<Self, Problem> {
        call.query(|fields, faults| Self {
            event: fields.optional("event", faults),
            external_id: fields.optional("external_id", faults),
            referee: fields.optional("referee_id", faults),
            referrer: fields.optional("referrer_id", faults),
            state: fields.optional("state", faults),
            paging: call.paging(fields, faults),
        })
    }

    /// The order that is asked for, where one is named.
    fn order(&self) -> Option<(&EventName, &ExternalId)> {
        self.event.as_ref().zip(self.external_id.as_ref())
    }

    fn keeps(&self, conversion: &Conversion) -> bool {
        let chosen = conversion.attribution.chosen.as_ref();
        let referrer = chosen.map(|chosen| chosen.referrer_id);
        let Paging { from, to, .. } = self.paging;
        let event = &conversion.content.event;
        let external_id = &conversion.content.external_id;
        self.event.as_ref().is_none_or(|wanted| wanted == event)
            && self
                .external_id
                .as_ref()
                .is_none_or(|wanted| wanted == external_id)
            && self.referee.is_none_or(|id| conversion.referee_id == id)
            && self.referrer.is_none_or(|id| referrer == Some(id))
            && self.state.is_none_or(|state| conversion.state == state)
            && from.is_none_or(|from| conversion.recorded_at >= from)
            && to.is_none_or(|to| conversion.recorded_at < to)
    }
}

/// `GET P/conversions`: all, or those of a party, an event, a state; or the one of an order.
pub(crate) async fn list(call: Call) -> Result<Response, Ended> {
    let (_, mut view, filter) = call
        .program(Filter::read(&call), |filter, program, _| {
            let order = filter.order();
            let key = order.map(|(event, id)| keys::order(program, event, id));
            key.into_iter().collect()
        })
        .await?;
    let program = view.program.id;
    let (found, next) = if let Some((event, external_id)) = filter.order() {
        let order: Option<Order> = view
            .loaded
            .read(&keys::order(program, event, external_id))?;
        let id = order.and_then(|order| order.conversion_id);
        let key = id.map(|id| keys::conversion(program, id));
        let mut found: Vec<Conversion> = Vec::new();
        if let Some(key) = key {
            view.load([key.clone()]).await?;
            found.extend(view.loaded.read(&key)?);
        }
        found.retain(|conversion| filter.keeps(conversion));
        (found, None)
    } else {
        let mut query = filter
            .paging
            .over(|limit| match (filter.referee, filter.referrer) {
                (Some(referee), _) => ListQuery::of_referee(program, referee, limit),
                (None, Some(referrer)) => {
                    ListQuery::of_party(program, referrer, ListName::Conversions, limit)
                }
                (None, None) => ListQuery::of_program(program, ListName::Conversions, limit),
            });
        query.state = filter.state.map(|state| state.to_string());
        let id = |conversion: &Conversion| conversion.id.to_string();
        let keep = |conversion: &Conversion| filter.keeps(conversion);
        filtered(&view.store, query, id, keep).await?
    };
    let data = with_rewards(&view, &found).await?;
    Ok(call.listed(data, next.as_deref()))
}

/// Conversions as the API writes them, each with its rewards and refunds as they stand now.
async fn with_rewards(
    view: &View,
    conversions: &[Conversion],
) -> Result<Vec<wire::Conversion>, Ended> {
    let program = view.program.id;
    let reward = |id: &RewardId| keys::reward(program, *id);
    let refund = |id: &RefundId| keys::refund(program, *id);
    let wanted = conversions.iter().flat_map(|one| {
        let rewards = one.reward_ids.iter().map(reward);
        rewards.chain(one.refund_ids.iter().map(refund))
    });
    let loaded = view.store.get(wanted).await?;
    let mut written = Vec::with_capacity(conversions.len());
    for one in conversions {
        let mut rewards: Vec<Reward> = Vec::with_capacity(one.reward_ids.len());
        for id in &one.reward_ids {
            rewards.extend(loaded.read(&reward(id))?);
        }
        let mut refunds: Vec<Refund> = Vec::with_capacity(one.refund_ids.len());
        for id in &one.refund_ids {
            refunds.extend(loaded.read(&refund(id))?);
        }
        written.push(wire::conversion_with_refunds(one, &rewards, &refunds));
    }
    Ok(written)
}

/// `GET P/refunds/{refund}`.
pub(crate) async fn read_refund(call: Call) -> Result<Response, Ended> {
    let (_, view, id) = call
        .program(call.only_id("refund"), |id: &RefundId, program, _| {
            vec![keys::refund(program, *id)]
        })
        .await?;
    let refund: Option<Refund> = view.loaded.read(&keys::refund(view.program.id, id))?;
    let refund = refund.ok_or_else(|| Problem::not_found("refund"))?;
    Ok(Response::json(200, &wire::refund(&refund)))
}

/// `GET P/referrals`.
pub(crate) async fn referrals(call: Call) -> Result<Response, Ended> {
    let query = call.query(|fields, faults| {
        let referrer = fields.optional::<ParticipantId>("referrer_id", faults);
        let state = fields.optional::<ReferralState>("state", faults);
        (referrer, state, call.paging(fields, faults))
    });
    let (_, view, (referrer, state, paging)) = call.program(query, |_, _, _| Vec::new()).await?;
    let program = view.program.id;
    let mut query = paging.over(|limit| match referrer {
        Some(referrer) => ListQuery::of_party(program, referrer, ListName::Referrals, limit),
        None => ListQuery::of_program(program, ListName::Referrals, limit),
    });
    query.state = state.map(|state| state.to_string());
    let id = |referral: &Referral| referral.id.to_string();
    let (found, next) = filtered(&view.store, query, id, |_| true).await?;
    let data = found.iter().map(wire::referral).collect();
    Ok(call.listed(data, next.as_deref()))
}
