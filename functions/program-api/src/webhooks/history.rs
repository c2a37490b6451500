//! `GET P/webhooks/{webhook}/deliveries`: what was sent, and what came of it.

use kith_domain::id::WebhookId;
use kith_domain::webhook::{Delivery, DeliveryState};
use kith_edge::desk::View;
use kith_edge::http::Response;
use kith_edge::session::Ended;
use kith_edge::wire;
use kith_store::keys;

use super::loaded;
use crate::call::Call;

/// Pages read for one page of what a filter leaves; past that the page is short and its cursor goes
/// on.
const ROUNDS_MAX: u8 = 10;

/// Which deliveries are asked for.
struct Wanted {
    webhook: WebhookId,
    state: Option<DeliveryState>,
    limit: u16,
    after: Option<String>,
}

/// `GET P/webhooks/{webhook}/deliveries`, newest first.
pub(crate) async fn deliveries(call: Call) -> Result<Response, Ended> {
    let parsed = call.id("webhook").and_then(|webhook| {
        call.query(|fields, faults| {
            let state = fields.optional::<DeliveryState>("state", faults);
            let (limit, after) = call.part(fields, faults);
            Wanted {
                webhook,
                state,
                limit,
                after,
            }
        })
    });
    let (_, view, wanted) = call
        .program(parsed, |wanted, program, _| {
            vec![keys::webhook(program, wanted.webhook)]
        })
        .await?;
    loaded(&view, wanted.webhook)?;
    let (found, next) = page(&view, &wanted).await?;
    let data = found.iter().map(wire::delivery).collect();
    Ok(call.listed(data, next.as_deref()))
}

/// A page of those that are asked for, and where the next one begins.
async fn page(view: &View, wanted: &Wanted) -> Result<(Vec<Delivery>, Option<String>), Ended> {
    let partition = keys::deliveries(view.program.id, wanted.webhook);
    let limit = usize::from(wanted.limit);
    let mut after = wanted.after.clone();
    let mut kept = Vec::new();
    for _ in 0..ROUNDS_MAX {
        let page = view
            .store
            .partition::<Delivery>(&partition, after.as_deref(), true, wanted.limit)
            .await?;
        let mut rest = page.items.into_iter().peekable();
        while let Some(delivery) = rest.next() {
            if wanted.state.is_some_and(|state| state != delivery.state) {
                continue;
            }
            let here = delivery.id.to_string();
            kept.push(delivery);
            if kept.len() == limit {
                let more = rest.peek().is_some() || page.next.is_some();
                return Ok((kept, more.then_some(here)));
            }
        }
        if page.next.is_none() {
            return Ok((kept, None));
        }
        after = page.next;
    }
    Ok((kept, after))
}
