//! Records conversions: finds the referee, attributes the conversion to a referrer, evaluates the
//! incentives, and writes all of it in one transaction.

mod attribute;
mod budgets;
mod decision;
mod find;
mod offer;
mod parties;
mod record;
mod refund;
mod report;
mod vouchers;

use std::sync::Arc;

use http::Method;
use kith_domain::email::IdentityKey;
use kith_domain::signed::TokenKeys;
use kith_edge::aws::Connection;
use kith_edge::config::Variables;
use kith_edge::desk::Desk;
use kith_edge::http::{Cors, HttpFunction, Router, preflight};
use kith_edge::session::{Gate, deciding};
use kith_edge::{Environment, Function, StartError};
use kith_store::Store;

const OFFERS: &str = "/v1/programs/{program}/offers";

/// How histories name this function.
const ACTOR: &str = "conversion-recording";

/// What recording needs: the gate, and the keys that read tokens and hash mail addresses.
#[derive(Debug)]
struct Recording {
    gate: Gate,
    tokens: TokenKeys,
    identity: IdentityKey,
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
        variables.token_keys(),
        variables.identity_key(),
        variables.proxy_hops(),
    );
    let (table, connection, operators, tokens, identity, proxy_hops) = variables.finish(found)?;
    let store = Store::new(connection.dynamodb(), &table);
    let gate = Gate::new(Desk::new(environment, store.clone()), operators);
    let recording = Arc::new(Recording {
        gate,
        tokens,
        identity,
    });
    let router = Router::new()
        .route(
            Method::POST,
            "/v1/programs/{program}/conversions",
            deciding(&recording, record::record_conversion),
        )
        .route(
            Method::POST,
            "/v1/programs/{program}/conversions/{conversion}/attribution",
            deciding(&recording, attribute::attribute_by_hand),
        )
        .route(
            Method::POST,
            OFFERS,
            Cors(deciding(&recording, offer::make_offer)),
        )
        .route(Method::OPTIONS, OFFERS, preflight)
        .route(
            Method::POST,
            "/v1/programs/{program}/conversions/{conversion}/refunds",
            deciding(&recording, refund::refund_conversion),
        )
        .route(
            Method::POST,
            "/v1/programs/{program}/refunds",
            deciding(&recording, refund::refund_order),
        )
        .route(
            Method::POST,
            "/v1/programs/{program}/refunds/{refund}/reverse",
            deciding(&recording, refund::reverse),
        );
    let warm = move || {
        let store = store.clone();
        async move { store.warm().await }
    };
    let function = HttpFunction::new(router).proxy_hops(proxy_hops);
    Ok(Box::new(function.warmed_by(warm)))
}
