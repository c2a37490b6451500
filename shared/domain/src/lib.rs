//! The rules of a referral program, as pure functions.
//!
//! Facts and `now` go in, decisions come out. Nothing here reads a clock, an environment variable
//! or a random source, waits, logs, or knows of AWS: callers load, call a function of this crate,
//! and write what it decided.

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

pub mod api_key;
pub mod attribution;
pub mod audit;
pub mod channel;
pub mod click;
pub mod code;
pub mod conversion;
pub mod destination;
pub mod email;
pub mod explanation;
pub mod fact;
pub mod fulfilment;
pub mod id;
pub mod incentive;
pub mod ledger;
pub mod limit;
pub mod merge;
pub mod mode;
pub mod money;
pub mod notice;
pub mod nps;
pub mod offer;
pub mod order_source;
pub mod participant;
pub mod payout;
pub mod program;
pub mod rates;
pub mod redemption;
pub mod refund;
pub mod retries;
pub mod review;
pub mod reward;
pub mod share;
pub mod signed;
pub mod simulation;
pub mod survey;
pub mod text;
pub mod token;
pub mod visitor;
pub mod voucher;
pub mod webhook;
pub mod words;
