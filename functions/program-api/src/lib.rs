//! The owner's and the shop's API: programs, keys, participants and their codes, what was recorded
//! and what became of it, surveys, events, the test clock, operations. It is also what answers when
//! no other function's route fits: 404 and 405.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test stops on the first surprise"
    )
)]

mod call;
mod codes;
mod conversions;
mod days;
mod events;
mod keys;
mod ledger;
mod operations;
mod participants;
mod payouts;
mod person;
mod profile;
mod programs;
mod redemptions;
mod rewards;
mod scheme;
mod simulations;
mod surveys;
mod test_clock;
mod test_mails;
mod voucher_lists;
mod vouchers;

use std::sync::Arc;

use http::Method;
use kith_edge::aws::Connection;
use kith_edge::config::Variables;
use kith_edge::desk::Desk;
use kith_edge::http::{HttpFunction, Problem, Request, Response, Router};
use kith_edge::sender::Queues;
use kith_edge::session::Gate;
use kith_edge::{Environment, Function, Invocation, StartError};
use kith_store::Store;
use serde_json::json;

use crate::call::{Api, handler};

/// What other functions own. Their own routes fit first; here is only known which methods the paths
/// have, for callers with another one.
const ELSEWHERE: [(Method, &str); 22] = [
    (Method::GET, "/r/{code}"),
    (Method::GET, "/t/{code}"),
    (Method::GET, "/r/{code}/qr.svg"),
    (Method::GET, "/t/{code}/qr.svg"),
    (Method::GET, "/s/{token}"),
    (Method::POST, "/s/{token}"),
    (Method::GET, "/u/{token}"),
    (Method::POST, "/u/{token}"),
    (Method::GET, "/.well-known/gpc.json"),
    (Method::HEAD, "/r/{code}"),
    (Method::HEAD, "/t/{code}"),
    (Method::HEAD, "/s/{token}"),
    (Method::HEAD, "/u/{token}"),
    (Method::POST, "/v1/programs/{program}/clicks"),
    (Method::OPTIONS, "/v1/programs/{program}/clicks"),
    (Method::POST, "/v1/programs/{program}/offers"),
    (Method::OPTIONS, "/v1/programs/{program}/offers"),
    (Method::POST, "/v1/programs/{program}/conversions"),
    (
        Method::POST,
        "/v1/programs/{program}/conversions/{conversion}/attribution",
    ),
    (
        Method::POST,
        "/v1/programs/{program}/conversions/{conversion}/refunds",
    ),
    (Method::POST, "/v1/programs/{program}/refunds"),
    (
        Method::POST,
        "/v1/programs/{program}/refunds/{refund}/reverse",
    ),
];

/// The function, in an environment.
///
/// # Errors
/// [`StartError::Configuration`] with every fault.
pub fn function(environment: &Environment) -> Result<Box<dyn Function>, StartError> {
    let mut variables = Variables::of(environment);
    let table = variables.required("KITH_TABLE");
    let connection = Connection::of(&mut variables);
    let queues = Queues::of(&mut variables, connection.as_ref());
    let operators = variables.operator_keys();
    let tokens = variables.token_keys();
    let identity = variables.identity_key();
    let public = variables.public_origin();
    let found = (
        table, connection, queues, operators, tokens, identity, public,
    );
    let (table, connection, queues, operators, tokens, identity, public) =
        variables.finish(found)?;
    let store = Store::new(connection.dynamodb(), &table);
    let api = Arc::new(Api {
        gate: Gate::new(Desk::new(environment, store.clone()), operators),
        tokens,
        identity,
        public,
        queues,
    });
    let warm = move || {
        let store = store.clone();
        async move { store.warm().await }
    };
    Ok(Box::new(HttpFunction::new(router(&api)).warmed_by(warm)))
}

fn router(api: &Arc<Api>) -> Router {
    let router = Router::new().route(Method::GET, "/healthz", health);
    let router = participant_routes(program_routes(router, api), api);
    let router = money_routes(router, api);
    ELSEWHERE
        .into_iter()
        .fold(outcome_routes(router, api), |router, (method, pattern)| {
            router.route(method, pattern, elsewhere)
        })
}

/// Programs, keys, operations, and the world of a test program.
fn program_routes(router: Router, api: &Arc<Api>) -> Router {
    router
        .route(Method::POST, "/v1/programs", handler(api, programs::create))
        .route(Method::GET, "/v1/programs", handler(api, programs::list))
        .route(
            Method::GET,
            "/v1/programs/{program}",
            handler(api, programs::read),
        )
        .route(
            Method::PATCH,
            "/v1/programs/{program}",
            handler(api, programs::change),
        )
        .route(Method::POST, "/v1/keys", handler(api, keys::create))
        .route(Method::GET, "/v1/keys", handler(api, keys::list))
        .route(Method::DELETE, "/v1/keys/{key}", handler(api, keys::revoke))
        .route(
            Method::GET,
            "/v1/operations",
            handler(api, operations::read),
        )
        .route(
            Method::POST,
            "/v1/operations/parked/{id}/retry",
            handler(api, operations::retry),
        )
        .route(
            Method::POST,
            "/v1/programs/{program}/test-clock/advance",
            handler(api, test_clock::advance),
        )
        .route(
            Method::GET,
            "/v1/programs/{program}/test-mails",
            handler(api, test_mails::list),
        )
        .route(
            Method::GET,
            "/v1/programs/{program}/events",
            handler(api, events::list),
        )
        .route(
            Method::POST,
            "/v1/programs/{program}/simulations",
            handler(api, simulations::run),
        )
}

/// People and their codes.
fn participant_routes(router: Router, api: &Arc<Api>) -> Router {
    router
        .route(
            Method::POST,
            "/v1/programs/{program}/participants",
            handler(api, participants::join),
        )
        .route(
            Method::POST,
            "/v1/programs/{program}/participants/search",
            handler(api, participants::search),
        )
        .route(
            Method::GET,
            "/v1/programs/{program}/participants/{participant}",
            handler(api, participants::read),
        )
        .route(
            Method::PATCH,
            "/v1/programs/{program}/participants/{participant}",
            handler(api, participants::change),
        )
        .route(
            Method::GET,
            "/v1/programs/{program}/participants/{participant}/balance",
            handler(api, participants::balance),
        )
        .route(
            Method::POST,
            "/v1/programs/{program}/participants/{participant}/redemptions",
            handler(api, redemptions::spend),
        )
        .route(
            Method::GET,
            "/v1/programs/{program}/participants/{participant}/redemptions",
            handler(api, redemptions::list),
        )
        .route(
            Method::POST,
            "/v1/programs/{program}/participants/{participant}/redemptions/{redemption}/reverse",
            handler(api, redemptions::reverse),
        )
        .route(
            Method::POST,
            "/v1/programs/{program}/participants/{participant}/codes",
            handler(api, codes::add),
        )
        .route(
            Method::PATCH,
            "/v1/programs/{program}/participants/{participant}/codes/{code}",
            handler(api, codes::switch),
        )
}

/// What came of it all.
fn outcome_routes(router: Router, api: &Arc<Api>) -> Router {
    router
        .route(
            Method::GET,
            "/v1/programs/{program}/conversions",
            handler(api, conversions::list),
        )
        .route(
            Method::GET,
            "/v1/programs/{program}/conversions/{conversion}",
            handler(api, conversions::read),
        )
        .route(
            Method::GET,
            "/v1/programs/{program}/refunds/{refund}",
            handler(api, conversions::read_refund),
        )
        .route(
            Method::GET,
            "/v1/programs/{program}/referrals",
            handler(api, conversions::referrals),
        )
        .route(
            Method::GET,
            "/v1/programs/{program}/rewards",
            handler(api, rewards::list),
        )
        .route(
            Method::POST,
            "/v1/programs/{program}/rewards",
            handler(api, rewards::give),
        )
        .route(
            Method::POST,
            "/v1/programs/{program}/vouchers/redeem",
            handler(api, vouchers::redeem),
        )
        .route(
            Method::GET,
            "/v1/programs/{program}/voucher-lists/{incentive}",
            handler(api, voucher_lists::read),
        )
        .route(
            Method::POST,
            "/v1/programs/{program}/voucher-lists/{incentive}/codes",
            handler(api, voucher_lists::add),
        )
        .route(
            Method::GET,
            "/v1/programs/{program}/rewards/{reward}",
            handler(api, rewards::read),
        )
        .route(
            Method::POST,
            "/v1/programs/{program}/rewards/{reward}/approve",
            handler(api, rewards::approve),
        )
        .route(
            Method::POST,
            "/v1/programs/{program}/rewards/{reward}/reject",
            handler(api, rewards::reject),
        )
        .route(
            Method::POST,
            "/v1/programs/{program}/rewards/{reward}/cancel",
            handler(api, rewards::cancel),
        )
        .route(
            Method::POST,
            "/v1/programs/{program}/rewards/{reward}/retry",
            handler(api, rewards::retry),
        )
        .route(
            Method::POST,
            "/v1/programs/{program}/rewards/{reward}/redeem",
            handler(api, rewards::redeem),
        )
        .route(
            Method::GET,
            "/v1/programs/{program}/surveys",
            handler(api, surveys::list),
        )
        .route(
            Method::GET,
            "/v1/programs/{program}/nps",
            handler(api, surveys::nps),
        )
}

/// Payouts and the ledger.
fn money_routes(router: Router, api: &Arc<Api>) -> Router {
    router
        .route(
            Method::POST,
            "/v1/programs/{program}/payouts",
            handler(api, payouts::create),
        )
        .route(
            Method::GET,
            "/v1/programs/{program}/payouts",
            handler(api, payouts::list),
        )
        .route(
            Method::GET,
            "/v1/programs/{program}/payouts/{payout}",
            handler(api, payouts::read),
        )
        .route(
            Method::GET,
            "/v1/programs/{program}/payouts/{payout}/lines",
            handler(api, payouts::lines),
        )
        .route(
            Method::POST,
            "/v1/programs/{program}/payouts/{payout}/lines/{participant}",
            handler(api, payouts::settle),
        )
        .route(
            Method::POST,
            "/v1/programs/{program}/payouts/{payout}/close",
            handler(api, payouts::close),
        )
        .route(
            Method::GET,
            "/v1/programs/{program}/ledger/entries",
            handler(api, ledger::entries),
        )
        .route(
            Method::GET,
            "/v1/programs/{program}/ledger/summary",
            handler(api, ledger::summary),
        )
}

/// `GET /healthz`: the function runs. What it depends on shows where it is needed.
async fn health(_: Request, _: Invocation) -> Result<Response, Problem> {
    Ok(Response::json(200, &json!({"status": "ok"})))
}

async fn elsewhere(_: Request, _: Invocation) -> Result<Response, Problem> {
    Err(Problem::not_found("path"))
}
