//! The owner's and the shop's API: programs, keys, participants and their codes, what was recorded
//! and what became of it, surveys, events, webhooks, order sources, the test clock, operations. It is also what
//! answers when no other function's route fits: 404 and 405.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test stops on the first surprise"
    )
)]

mod audit;
mod call;
mod codes;
mod conversions;
mod csv;
mod days;
mod events;
mod export;
mod keys;
mod ledger;
mod merges;
mod operations;
mod order_sources;
mod participants;
mod payouts;
mod person;
mod profile;
mod programs;
mod redemptions;
mod rewards;
pub mod scheme;
mod simulations;
mod surveys;
mod test_clock;
mod test_mails;
mod timeline;
mod voucher_lists;
mod vouchers;
mod webhooks;

use std::sync::Arc;

use kith_contract::answers::Health;
use kith_contract::routes::{self, Route};
use kith_edge::aws::Connection;
use kith_edge::config::Variables;
use kith_edge::desk::Desk;
use kith_edge::http::{HttpFunction, Problem, Request, Response, Router};
use kith_edge::sender::Queues;
use kith_edge::session::{Ended, Gate};
use kith_edge::{Environment, Function, Invocation, StartError};
use kith_store::Store;

use crate::call::{Api, Call, handler};
use crate::webhooks::Destinations;

/// The name of this function in the contract.
const NAME: &str = "program-api";

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
    let callers = match (operators, variables.limits(), variables.proxy_hops()) {
        (Some(operators), Some(limits), Some(proxy_hops)) => Some((operators, limits, proxy_hops)),
        (_, _, _) => None,
    };
    let found = (table, connection, queues, callers, tokens, identity, public);
    let (table, connection, queues, callers, tokens, identity, public) = variables.finish(found)?;
    let (operators, limits, proxy_hops) = callers;
    let store = Store::new(connection.dynamodb(), &table);
    let api = Arc::new(Api {
        gate: Gate::new(Desk::new(environment, store.clone()), operators, limits),
        tokens,
        identity,
        destinations: Destinations::of(public.as_ref()),
        public,
        queues,
    });
    let warm = move || {
        let store = store.clone();
        async move { store.warm().await }
    };
    let function = HttpFunction::new(router(api)).proxy_hops(proxy_hops);
    Ok(Box::new(function.warmed_by(warm)))
}

/// A router, and what the use cases behind it share.
struct Routes {
    router: Router,
    api: Arc<Api>,
}

impl Routes {
    fn on<F, A>(self, route: &'static Route, use_case: F) -> Self
    where
        F: Fn(Call) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Response, Ended>> + Send + 'static,
    {
        let handler = handler(&self.api, route, use_case);
        Self {
            router: self.router.serve(route, handler),
            ..self
        }
    }
}

fn router(api: Arc<Api>) -> Router {
    let routes = Routes {
        router: Router::new().serve(&routes::READ_HEALTH, health),
        api,
    };
    let routes = outcome_routes(participant_routes(program_routes(routes)));
    let own = order_routes(webhook_routes(money_routes(routes)));
    let own = own.router.fulfilling(NAME);
    // What others own is routed to them before. Here is only known which methods their paths have,
    // for callers with another one.
    let others = routes::ROUTES.iter().filter(|route| route.function != NAME);
    others.fold(own, |router, route| router.serve(route, elsewhere))
}

/// Programs, keys, operations, and the world of a test program.
fn program_routes(routes: Routes) -> Routes {
    routes
        .on(&routes::CREATE_PROGRAM, programs::create)
        .on(&routes::LIST_PROGRAMS, programs::list)
        .on(&routes::READ_PROGRAM, programs::read)
        .on(&routes::CHANGE_PROGRAM, programs::change)
        .on(&routes::CREATE_KEY, keys::create)
        .on(&routes::LIST_KEYS, keys::list)
        .on(&routes::READ_KEY, keys::read)
        .on(&routes::ROTATE_KEY, keys::rotate)
        .on(&routes::REVOKE_KEY, keys::revoke)
        .on(&routes::READ_OPERATIONS, operations::read)
        .on(&routes::RETRY_PARKED, operations::retry)
        .on(&routes::LIST_OPERATOR_AUDIT, audit::list_outside)
        .on(&routes::LIST_AUDIT, audit::list)
        .on(&routes::ADVANCE_TEST_CLOCK, test_clock::advance)
        .on(&routes::LIST_TEST_MAILS, test_mails::list)
        .on(&routes::LIST_EVENTS, events::list)
        .on(&routes::SIMULATE, simulations::run)
}

/// People and their codes.
fn participant_routes(routes: Routes) -> Routes {
    routes
        .on(&routes::JOIN_PARTICIPANT, participants::join)
        .on(&routes::JOIN_PARTICIPANTS, participants::join_many)
        .on(&routes::LIST_PARTICIPANTS, participants::list)
        .on(&routes::SEARCH_PARTICIPANTS, participants::search)
        .on(&routes::READ_PARTICIPANT, participants::read)
        .on(&routes::CHANGE_PARTICIPANT, participants::change)
        .on(&routes::MERGE_PARTICIPANT, merges::merge)
        .on(&routes::LIST_MERGES, merges::list)
        .on(&routes::READ_MERGE, merges::read)
        .on(&routes::APPROVE_MERGE, merges::approve)
        .on(&routes::REJECT_MERGE, merges::reject)
        .on(&routes::READ_TIMELINE, timeline::read)
        .on(&routes::READ_BALANCE, participants::balance)
        .on(&routes::SPEND_POINTS, redemptions::spend)
        .on(&routes::LIST_REDEMPTIONS, redemptions::list)
        .on(&routes::REVERSE_REDEMPTION, redemptions::reverse)
        .on(&routes::ADD_CODE, codes::add)
        .on(&routes::SWITCH_CODE, codes::switch)
}

/// What came of it all.
fn outcome_routes(routes: Routes) -> Routes {
    routes
        .on(&routes::LIST_CONVERSIONS, conversions::list)
        .on(&routes::READ_CONVERSION, conversions::read)
        .on(&routes::READ_REFUND, conversions::read_refund)
        .on(&routes::LIST_REFERRALS, conversions::referrals)
        .on(&routes::LIST_REWARDS, rewards::list)
        .on(&routes::GIVE_REWARD, rewards::give)
        .on(&routes::REDEEM_VOUCHER, vouchers::redeem)
        .on(&routes::READ_VOUCHER_LIST, voucher_lists::read)
        .on(&routes::ADD_VOUCHER_CODES, voucher_lists::add)
        .on(&routes::READ_REWARD, rewards::read)
        .on(&routes::APPROVE_REWARD, rewards::approve)
        .on(&routes::REJECT_REWARD, rewards::reject)
        .on(&routes::CANCEL_REWARD, rewards::cancel)
        .on(&routes::RETRY_REWARD, rewards::retry)
        .on(&routes::REDEEM_REWARD, rewards::redeem)
        .on(&routes::LIST_SURVEYS, surveys::list)
        .on(&routes::READ_NPS, surveys::nps)
}

/// Payouts and the ledger.
fn money_routes(routes: Routes) -> Routes {
    routes
        .on(&routes::CREATE_PAYOUT, payouts::create)
        .on(&routes::LIST_PAYOUTS, payouts::list)
        .on(&routes::READ_PAYOUT, payouts::read)
        .on(&routes::LIST_PAYOUT_LINES, payouts::lines)
        .on(&routes::SETTLE_PAYOUT_LINE, payouts::settle)
        .on(&routes::CLOSE_PAYOUT, payouts::close)
        .on(&routes::LIST_LEDGER_ENTRIES, ledger::entries)
        .on(&routes::SUMMARISE_LEDGER, ledger::summary)
}

/// Who is told of events, and what became of that.
fn webhook_routes(routes: Routes) -> Routes {
    routes
        .on(&routes::CREATE_WEBHOOK, webhooks::create)
        .on(&routes::LIST_WEBHOOKS, webhooks::list)
        .on(&routes::READ_WEBHOOK, webhooks::read)
        .on(&routes::CHANGE_WEBHOOK, webhooks::change)
        .on(&routes::DELETE_WEBHOOK, webhooks::delete)
        .on(&routes::ROTATE_WEBHOOK_SECRET, webhooks::rotate)
        .on(&routes::TEST_WEBHOOK, webhooks::test)
        .on(&routes::LIST_DELIVERIES, webhooks::deliveries)
        .on(&routes::REDELIVER_EVENT, webhooks::redeliver_event)
        .on(&routes::REDELIVER_PERIOD, webhooks::redeliver_period)
}

/// Who tells of orders, and what of it was not recorded.
fn order_routes(routes: Routes) -> Routes {
    routes
        .on(&routes::CREATE_ORDER_SOURCE, order_sources::create)
        .on(&routes::LIST_ORDER_SOURCES, order_sources::list)
        .on(&routes::READ_ORDER_SOURCE, order_sources::read)
        .on(&routes::CHANGE_ORDER_SOURCE, order_sources::change)
        .on(&routes::DELETE_ORDER_SOURCE, order_sources::delete)
        .on(&routes::LIST_ORDER_DELIVERIES, order_sources::deliveries)
}

/// `GET /healthz`: the function runs. What it depends on shows where it is needed.
async fn health(_: Request, _: Invocation) -> Result<Response, Problem> {
    Ok(Response::json(200, &Health { status: "ok" }))
}

async fn elsewhere(_: Request, _: Invocation) -> Result<Response, Problem> {
    Err(Problem::not_found("path"))
}
