//! What was recorded: conversions and referrals.

use kith_domain::conversion::{Conversion, ConversionState};
use kith_domain::explanation;
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
use crate::export::{self, Form, Listed, Source, cell};

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
    let found = with_rewards(&view, vec![conversion]).await?;
    let answer = found.first().map(Listed::json);
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
    fn read(call: &Call, form: Form) -> Result<Self, Problem> {
        call.query(|fields, faults| Self {
            event: fields.optional("event", faults),
            external_id: fields.optional("external_id", faults),
            referee: fields.optional("referee_id", faults),
            referrer: fields.optional("referrer_id", faults),
            state: fields.optional("state", faults),
            paging: call.paging_as(form, fields, faults),
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

/// `GET P/conversions`: all, or those of a party, an event, a state; or the one of an order. As JSON,
/// as a table or as lines of JSON.
pub(crate) async fn list(call: Call) -> Result<Response, Ended> {
    let form = Form::of(&call.request, &Form::ALL);
    let (session, view, filter) = call
        .program(Filter::read(&call, form), |filter, program, _| {
            let order = filter.order();
            let key = order.map(|(event, id)| keys::order(program, event, id));
            key.into_iter().collect()
        })
        .await?;
    let source = Conversions {
        view: &view,
        filter: &filter,
    };
    export::answer(&call, &session, form, &filter.paging, &source).await
}

/// The conversions that a filter finds.
struct Conversions<'a> {
    view: &'a View,
    filter: &'a Filter,
}

impl Source for Conversions<'_> {
    type Row = Told;

    async fn page(
        &self,
        after: Option<String>,
        limit: u16,
    ) -> Result<(Vec<Told>, Option<String>), Ended> {
        let (found, next) = match self.filter.order() {
            Some((event, external_id)) => (self.of_order(event, external_id).await?, None),
            None => self.listed(after, limit).await?,
        };
        Ok((with_rewards(self.view, found).await?, next))
    }
}

impl Conversions<'_> {
    async fn of_order(
        &self,
        event: &EventName,
        external_id: &ExternalId,
    ) -> Result<Vec<Conversion>, Ended> {
        let program = self.view.program.id;
        let order = keys::order(program, event, external_id);
        let order: Option<Order> = self.view.loaded.read(&order)?;
        let Some(id) = order.and_then(|order| order.conversion_id) else {
            return Ok(Vec::new());
        };
        let key = keys::conversion(program, id);
        let found: Option<Conversion> = self.view.store.get_one(key).await?;
        let kept = found.filter(|conversion| self.filter.keeps(conversion));
        Ok(kept.into_iter().collect())
    }

    async fn listed(
        &self,
        after: Option<String>,
        limit: u16,
    ) -> Result<(Vec<Conversion>, Option<String>), Ended> {
        let program = self.view.program.id;
        let Filter {
            referee,
            referrer,
            state,
            ref paging,
            ..
        } = *self.filter;
        let query = paging.over(|limit| match (referee, referrer) {
            (Some(referee), _) => ListQuery::of_referee(program, referee, limit),
            (None, Some(referrer)) => {
                ListQuery::of_party(program, referrer, ListName::Conversions, limit)
            }
            (None, None) => ListQuery::of_program(program, ListName::Conversions, limit),
        });
        let mut query = query.page(after, limit);
        query.state = state.map(|state| state.to_string());
        let id = |conversion: &Conversion| conversion.id.to_string();
        let keep = |conversion: &Conversion| self.filter.keeps(conversion);
        filtered(&self.view.store, query, id, keep).await
    }
}

/// A conversion, with its rewards and refunds as they stand now.
struct Told {
    conversion: Conversion,
    rewards: Vec<Reward>,
    refunds: Vec<Refund>,
}

impl Listed for Told {
    type Json = wire::Conversion;

    const NAME: &'static str = "conversions";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "state",
        "event",
        "external_id",
        "amount",
        "currency",
        "refunded",
        "country",
        "occurred_at",
        "recorded_at",
        "recorded_by",
        "referee_id",
        "referrer_id",
        "referral_id",
        "click_id",
        "channel",
        "reason",
        "explanation",
        "reward_ids",
        "skipped",
        "refund_ids",
        "version",
    ];

    fn id(&self) -> String {
        self.conversion.id.to_string()
    }

    fn json(&self) -> wire::Conversion {
        wire::conversion_with_refunds(&self.conversion, &self.rewards, &self.refunds)
    }

    fn cells(&self) -> Vec<String> {
        let conversion = &self.conversion;
        let content = &conversion.content;
        let attribution = &conversion.attribution;
        let chosen = attribution.chosen.as_ref();
        let amount = content.amount;
        let skipped = conversion.skipped.iter();
        let skipped = skipped.map(|one| format!("{}:{}", one.incentive_id, one.reason));
        vec![
            conversion.id.to_string(),
            conversion.state.to_string(),
            content.event.to_string(),
            content.external_id.to_string(),
            cell(amount.map(|amount| amount.minor)),
            cell(amount.map(|amount| amount.currency)),
            cell(amount.map(|_| conversion.refunded)),
            cell(content.country),
            conversion.occurred_at.to_string(),
            conversion.recorded_at.to_string(),
            cell(conversion.recorded_by),
            conversion.referee_id.to_string(),
            cell(chosen.map(|chosen| chosen.referrer_id)),
            cell(conversion.referral_id),
            cell(chosen.and_then(|chosen| chosen.click_id)),
            cell(chosen.and_then(|chosen| chosen.channel)),
            attribution.reason.to_string(),
            explanation::attribution(conversion),
            spaced(&conversion.reward_ids),
            skipped.collect::<Vec<_>>().join(" "),
            spaced(&conversion.refund_ids),
            conversion.version.to_string(),
        ]
    }
}

fn spaced(ids: &[impl ToString]) -> String {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    ids.join(" ")
}

/// Reads the rewards and refunds of conversions.
async fn with_rewards(view: &View, conversions: Vec<Conversion>) -> Result<Vec<Told>, Ended> {
    let program = view.program.id;
    let reward = |id: &RewardId| keys::reward(program, *id);
    let refund = |id: &RefundId| keys::refund(program, *id);
    let wanted = conversions.iter().flat_map(|one| {
        let rewards = one.reward_ids.iter().map(reward);
        rewards.chain(one.refund_ids.iter().map(refund))
    });
    let wanted: Vec<_> = wanted.collect();
    let loaded = view.store.get(wanted).await?;
    let mut told = Vec::with_capacity(conversions.len());
    for conversion in conversions {
        let mut rewards: Vec<Reward> = Vec::with_capacity(conversion.reward_ids.len());
        for id in &conversion.reward_ids {
            rewards.extend(loaded.read(&reward(id))?);
        }
        let mut refunds: Vec<Refund> = Vec::with_capacity(conversion.refund_ids.len());
        for id in &conversion.refund_ids {
            refunds.extend(loaded.read(&refund(id))?);
        }
        told.push(Told {
            conversion,
            rewards,
            refunds,
        });
    }
    Ok(told)
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
