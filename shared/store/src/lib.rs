//! The table: every key, every item, every condition, and the one way to write.
//!
//! A use case reads what it needs with [`Store::get`], decides with a pure function of the domain,
//! and writes once with a [`Commit`]. There are no rules here: a condition says only that what was
//! read still holds.

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, reason = "a test stops on the first surprise")
)]

mod audit;
mod buckets;
mod commit;
mod counted;
pub mod cursor;
mod due;
#[cfg(feature = "faults")]
pub mod faults;
pub mod item;
pub mod items;
pub mod keys;
mod list;
mod merges;
mod order_sources;
mod redemptions;
mod retry;
mod store;
pub mod tree;
mod voucher_lists;
mod vouchers;
pub mod wake;
mod webhooks;
mod withdrawals;
mod writes;

pub use audit::AuditPage;
pub use buckets::Taken;
pub use commit::{ACTIONS_MAX, BalanceGuard, COMMIT_SECONDS_MAX, Count, CountGuard};
pub use commit::{Commit, CommitError, Committed, FailedGuard, Guard, ProgramScope};
pub use counted::CountedFor;
pub use due::{DueEntry, DuePage, DueWork, PARK_AFTER};
pub use list::{ListQuery, Listed, Page};
pub use store::{Loaded, Store, StoreError};
pub use voucher_lists::{Drawn, EmptyList, VoucherDraw, VoucherStock};
pub use vouchers::{Usable, lot_key};
pub use withdrawals::Beside;
pub use writes::Was;
