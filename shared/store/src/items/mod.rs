//! One struct per kind of item, and its way to the domain and back.

mod audit;
mod click;
mod conversion;
mod event;
mod fulfilment;
mod merge;
mod money;
mod offer;
mod order_source;
mod participant;
mod payout;
mod program;
mod records;
mod redemption;
mod refund;
mod review;
mod reward;
mod shortfall;
mod survey;
mod voucher_list;
mod webhook;

pub use audit::AuditEntry;
pub use click::{ClickItem, VisitorKey};
pub use conversion::Order;
pub use event::{Event, RecordedFact, Wake};
pub use kith_domain::ledger::LedgerReason;
pub use merge::MergeName;
pub(crate) use money::MoneyItem;
pub use money::UnitBalance;
pub use offer::{Exhausted, StoredOffer};
pub use participant::{CodeRecord, Lookup};
pub use payout::{LedgerDay, PresentPayout};
pub(crate) use payout::{OPEN_LINES, totals_changed};
pub use program::{IncentiveIdentity, LinkTarget, ProgramClock};
pub use records::{
    ApiKey, Asked, Counters, HashItem, IdempotencyRecord, LedgerEntry, MailAbout, MailRecord,
    MailState, Posting, ScopeItem, Suppression, TestMail, Use,
};
pub(crate) use records::{FENCE, SUSPENDED};
pub use redemption::{OpenRedemption, RedemptionName, RedemptionPart};
pub use refund::RefundName;
pub use reward::{Lot, Voucher};
pub use survey::SurveyMark;
pub use voucher_list::{ListWarning, ListedVoucher, TakenVouchers, VoucherList, WaitingReward};
