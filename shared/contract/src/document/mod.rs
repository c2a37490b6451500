//! The OpenAPI document, made of the routes, the types of requests and answers, and the problems.
//!
//! `cargo run -p kith-contract` writes it, and the Postman collection that is made of it. Functions do
//! not use this module: what they need of the contract is routes, problems and answers.

#![allow(
    clippy::panic,
    clippy::indexing_slicing,
    reason = "it runs when the document is made, and what is wrong with the entries shall stop it"
)]

mod assemble;
mod operation;
mod parameters;
mod problems;

mod conversions;
mod docs;
mod events;
mod keys;
mod ledger;
mod links;
mod operations;
mod order_sources;
mod participants;
mod payouts;
mod programs;
mod refunds;
mod rewards;
mod surveys;
mod test_mode;
mod webhooks;

pub(crate) use assemble::codes;
pub use assemble::openapi;
pub use operation::Operation;

#[cfg(test)]
mod tests;

/// A group of operations.
pub(crate) struct Tag {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
}

/// The groups, in the order in which they are shown.
pub(crate) const TAGS: &[Tag] = &[
    programs::TAG,
    keys::TAG,
    participants::TAG,
    links::TAG,
    conversions::TAG,
    refunds::TAG,
    rewards::TAG,
    payouts::TAG,
    ledger::TAG,
    surveys::TAG,
    events::TAG,
    webhooks::TAG,
    order_sources::TAG,
    test_mode::TAG,
    operations::TAG,
    docs::TAG,
];

/// Every entry of the document. A route without one fails a test that says what to do.
#[must_use]
pub fn operations() -> Vec<Operation> {
    [
        programs::operations(),
        keys::operations(),
        participants::operations(),
        links::operations(),
        conversions::operations(),
        refunds::operations(),
        rewards::operations(),
        payouts::operations(),
        ledger::operations(),
        surveys::operations(),
        events::operations(),
        webhooks::operations(),
        order_sources::operations(),
        test_mode::operations(),
        operations::operations(),
        docs::operations(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
