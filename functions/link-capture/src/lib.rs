//! Follows referral links, and records the clicks.
//!
//! A click is one write and, once the function is warm, no read: what a link leads to is kept in
//! the function for a minute, and the click's id is derived from program, code and visitor, so that
//! one conditional put is both the record and the exact removal of duplicates. Whatever happens to
//! the table, a link that is known here leads where it should.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::panic,
        reason = "a test stops on the first surprise"
    )
)]

mod cache;
mod clicks;
mod follow;
mod links;
mod record;
mod referer;

use std::sync::Arc;

use kith_contract::routes;
use kith_domain::code::ReferralCode;
use kith_domain::limit::Limit;
use kith_domain::mode::Mode;
use kith_domain::signed::TokenKeys;
use kith_edge::aws::Connection;
use kith_edge::config::{OperatorKeys, RequestLimits, Variables};
use kith_edge::desk::Desk;
use kith_edge::http::{Cors, HttpFunction, Request, Router, preflight};
use kith_edge::limits::{Buckets, OwnBuckets};
use kith_edge::session::{Gate, deciding};
use kith_edge::telemetry::{Metrics, Tally};
use kith_edge::{Environment, Function, Invocation, StartError};
use kith_store::Store;

use crate::links::Links;

/// How many clicks of a link in a minute an instance writes without asking the link's bucket.
const FREE_CLICKS: u32 = 30;

/// What every request needs.
#[derive(Debug)]
struct LinkCapture {
    links: Links,
    gate: Gate,
    token_keys: TokenKeys,
    metrics: Metrics,
    lost: Tally,
    clicks: Buckets<(Mode, ReferralCode)>,
    clicks_per_link: Limit,
    free_clicks: OwnBuckets<(Mode, ReferralCode)>,
}

impl LinkCapture {
    fn new(
        environment: &Environment,
        store: Store,
        token_keys: TokenKeys,
        operators: OperatorKeys,
        limits: RequestLimits,
        clicks_per_minute: u32,
    ) -> Self {
        let desk = Desk::new(environment, store);
        Self {
            links: Links::new(desk.clone()),
            gate: Gate::new(desk, operators, limits),
            token_keys,
            metrics: Metrics::of(environment),
            lost: Tally::new("ClicksLost"),
            clicks: Buckets::default(),
            clicks_per_link: Limit::new(clicks_per_minute, clicks_per_minute),
            free_clicks: OwnBuckets::new(Limit::new(FREE_CLICKS, FREE_CLICKS)),
        }
    }

    fn desk(&self) -> &Desk {
        self.gate.desk()
    }
}

/// The function, from its environment.
///
/// # Errors
/// [`StartError::Configuration`] with every variable that is missing or wrong.
pub fn function(environment: &Environment) -> Result<Box<dyn Function>, StartError> {
    let mut variables = Variables::of(environment);
    let table = variables.required("KITH_TABLE");
    let token_keys = variables.token_keys();
    let operators = variables.operator_keys();
    let proxy_hops = variables.proxy_hops();
    let connection = Connection::of(&mut variables);
    let limits = variables.limits();
    let clicks = variables.calls("KITH_LINK_CLICKS_PER_MINUTE", 6_000);
    let found = (
        table, token_keys, operators, limits, clicks, proxy_hops, connection,
    );
    let (table, token_keys, operators, limits, clicks, proxy_hops, connection) =
        variables.finish(found)?;
    let store = Store::new(connection.dynamodb(), &table);
    let capture = LinkCapture::new(
        environment,
        store.clone(),
        token_keys,
        operators,
        limits,
        clicks,
    );
    let function = HttpFunction::new(router(&Arc::new(capture)))
        .proxy_hops(proxy_hops)
        .warmed_by(move || {
            let store = store.clone();
            async move { store.warm().await }
        });
    Ok(Box::new(function))
}

fn router(capture: &Arc<LinkCapture>) -> Router {
    let link = |mode: Mode| {
        let capture = Arc::clone(capture);
        move |request: Request, invocation: Invocation| {
            follow::follow(Arc::clone(&capture), mode, request, invocation)
        }
    };
    Router::new()
        .serve(&routes::FOLLOW_LINK, link(Mode::Live))
        .serve(&routes::FOLLOW_LINK_HEAD, link(Mode::Live))
        .serve(&routes::FOLLOW_TEST_LINK, link(Mode::Test))
        .serve(&routes::FOLLOW_TEST_LINK_HEAD, link(Mode::Test))
        .serve(
            &routes::RECORD_CLICK,
            Cors(deciding(capture, clicks::create)),
        )
        .serve(&routes::RECORD_CLICK_PREFLIGHT, preflight)
        .fulfilling("link-capture")
}
