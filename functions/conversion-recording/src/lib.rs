//! Records conversions: finds the referee, attributes the conversion to a referrer, evaluates the
//! incentives, and writes all of it in one transaction. Shops tell of them, or shop systems by their own
//! webhooks.

mod attribute;
mod budgets;
mod bulk;
mod decision;
mod find;
mod offer;
mod orders;
mod parties;
mod record;
mod refund;
pub mod report;
mod review;
mod vouchers;

use std::sync::Arc;

use kith_contract::routes;
use kith_domain::email::IdentityKey;
use kith_domain::signed::TokenKeys;
use kith_edge::aws::Connection;
use kith_edge::config::Variables;
use kith_edge::desk::Desk;
use kith_edge::http::{Cors, HttpFunction, Router, preflight};
use kith_edge::session::{Gate, deciding};
use kith_edge::{Environment, Function, StartError};
use kith_store::Store;

use crate::parties::Owners;

/// How histories name this function.
const ACTOR: &str = "conversion-recording";

/// What recording needs: the gate, and the keys that read tokens and hash mail addresses.
#[derive(Debug)]
struct Recording {
    gate: Gate,
    tokens: TokenKeys,
    identity: IdentityKey,
    owners: Owners,
}

/// The function, in an environment.
///
/// # Errors
/// [`StartError::Configuration`] with every fault.
pub fn function(environment: &Environment) -> Result<Box<dyn Function>, StartError> {
    let mut variables = Variables::of(environment);
    let found = (
        variables.required("KITH_TABLE"),
        Connection::of(&mut variables),
        variables.operator_keys(),
        variables.limits(),
        variables.token_keys(),
        variables.identity_key(),
        variables.proxy_hops(),
    );
    let (table, connection, operators, limits, tokens, identity, proxy_hops) =
        variables.finish(found)?;
    let store = Store::new(connection.dynamodb(), &table);
    let gate = Gate::new(Desk::new(environment, store.clone()), operators, limits);
    let recording = Arc::new(Recording {
        gate,
        tokens,
        identity,
        owners: Owners::default(),
    });
    let router = Router::new()
        .serve(
            &routes::RECORD_CONVERSION,
            deciding(&recording, record::record_conversion),
        )
        .serve(
            &routes::RECORD_CONVERSIONS,
            deciding(&recording, bulk::record_conversions),
        )
        .serve(
            &routes::ATTRIBUTE_CONVERSION,
            deciding(&recording, attribute::attribute_by_hand),
        )
        .serve(
            &routes::APPROVE_CONVERSION,
            deciding(&recording, review::approve),
        )
        .serve(
            &routes::REJECT_CONVERSION,
            deciding(&recording, review::reject),
        )
        .serve(
            &routes::MAKE_OFFER,
            Cors(deciding(&recording, offer::make_offer)),
        )
        .serve(&routes::MAKE_OFFER_PREFLIGHT, preflight)
        .serve(
            &routes::REFUND_CONVERSION,
            deciding(&recording, refund::refund_conversion),
        )
        .serve(
            &routes::REFUND_ORDER,
            deciding(&recording, refund::refund_order),
        )
        .serve(
            &routes::REVERSE_REFUND,
            deciding(&recording, refund::reverse),
        )
        .serve(
            &routes::TAKE_ORDER,
            orders::SentAgain(deciding(&recording, orders::take_order)),
        )
        .fulfilling("conversion-recording");
    let warm = move || {
        let store = store.clone();
        async move { store.warm().await }
    };
    let function = HttpFunction::new(router).proxy_hops(proxy_hops);
    Ok(Box::new(function.warmed_by(warm)))
}
