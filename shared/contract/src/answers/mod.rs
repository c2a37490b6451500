//! What the API answers: one struct for each shape, made from what the domain knows.
//!
//! The document is made of the same structs, so it cannot say something else than what is sent.
//! A member without a value is `null`, unless its description says that it is left out.

mod audit;
mod conversion;
mod event;
mod explanation;
mod fulfilment;
mod incentive;
mod key;
mod ledger;
mod link;
mod merge;
mod offer;
mod operations;
mod order_source;
mod page;
mod participant;
mod payout;
mod problem;
mod program;
mod redemption;
mod refund;
mod review;
mod reward;
mod simulation;
mod survey;
mod test_mode;
mod timeline;
mod voucher_list;
mod webhook;

pub use audit::{AuditEntry, AuditedObject};
pub use conversion::{
    Attribution, ByHand, CodeUse, Considered, Conversion, Metadata, MetadataValue, Skipped,
    conversion, conversion_with_refunds,
};
pub use event::{Event, EventData, event};
pub use explanation::{Check, Computed, Explanation, LimitApplied, explanation};
pub use fulfilment::{
    Fulfilment, FulfilmentAttempt, FulfilmentRule, ShopQuestion, fulfilment, shop_question,
};
pub use incentive::{
    Conditions, Incentive, Limits, MetadataCondition, NumberRule, Range, RewardRule, Tier,
    incentive,
};
pub use key::{ApiKey, NewApiKey};
pub use ledger::{LedgerEntry, LedgerMovement, LedgerSummary};
pub use link::{Click, Privacy};
pub use merge::{DissolvedReferral, Merge, merge};
pub use offer::{Offer, Offered, offer, offered};
pub use operations::{Health, Operations, ParkedWork, Retried};
pub use order_source::{
    OrderDelivery, OrderSource, OrderSourceSecret, OrderTaken, order_delivery, order_source,
};
pub use page::{SurveyAnswered, SurveyToAnswer, Unsubscription};
pub use participant::{
    Balances, CodeState, Consent, OwnCode, Participant, Referral, Share, UnitBalance, participant,
    referral,
};
pub use payout::{
    Payout, PayoutLine, PayoutTotals, SettledLine, payout, payout_line, settled_line,
};
pub use problem::{Fault, More, Problem};
pub use program::{
    CodeWithoutClick, Program, ProgramAttribution, ProgramConsent, Rate, SurveyRule, Tracking,
    program,
};
pub use redemption::{Redemption, redemption};
pub use refund::{OrderName, Refund, RewardChange, RewardThen, refund};
pub use review::Review;
pub use reward::{
    BasisPoints, Beneficiary, Points, Product, Reward, RewardInConversion, RewardRead, Transition,
    Value, beneficiary, reward, reward_in_conversion, value,
};
pub use simulation::{Difference, Given, Simulation, SimulationTotals};
pub use survey::{NetPromoterScore, Survey, survey};
pub use test_mode::{ClockAdvanced, TestMail};
pub use timeline::{
    Standing, Timeline, TimelineAbout, TimelineEntry, TimelineStep, timeline_entry,
};
pub use voucher_list::{CodeResult, CodesAdded, VoucherList, VoucherListRead};
pub use webhook::{
    Delivery, DeliveryAttempt, EventRedelivered, NewWebhook, PeriodRedelivered, Webhook,
    WebhookSecret, delivery, webhook,
};

use kith_domain::money::Currency;
use schemars::JsonSchema;
use serde::Serialize;

use crate::problems::Code;
use crate::scalar::Spelled;

/// An amount of money: an integer in the minor unit of its currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Money {
    /// Minor units: cents for `EUR`.
    #[schemars(example = 1299)]
    pub amount: i64,
    /// The currency.
    pub currency: Spelled<Currency>,
}

impl From<kith_domain::money::Money> for Money {
    fn from(money: kith_domain::money::Money) -> Self {
        Self {
            amount: money.minor,
            currency: money.currency.into(),
        }
    }
}

/// An amount of money.
#[must_use]
pub fn money(money: kith_domain::money::Money) -> Money {
    money.into()
}

/// A page of a list.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "ListOf{T}")]
pub struct List<T> {
    /// The entries.
    pub data: Vec<T>,
    /// Where the list goes on; `null` at its end.
    pub next_cursor: Option<String>,
}

/// A page of a list.
#[must_use]
pub fn list<T>(data: Vec<T>, next_cursor: Option<String>) -> List<T> {
    List { data, next_cursor }
}

/// What the gateway says when it refuses a call by itself.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct GatewayMessage {
    /// What went wrong.
    #[schemars(example = &"Too Many Requests")]
    pub message: String,
}

/// A problem of the catalogue, explained.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct CatalogueEntry {
    /// Its stable name.
    pub code: &'static str,
    /// The status of the answer.
    pub status: u16,
    /// A few words.
    pub title: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// What to do about it.
    pub advice: &'static str,
    /// Whether the same call may succeed later.
    pub retryable: bool,
}

impl From<Code> for CatalogueEntry {
    fn from(code: Code) -> Self {
        Self {
            code: code.as_str(),
            status: code.status(),
            title: code.title(),
            meaning: code.meaning(),
            advice: code.advice(),
            retryable: code.is_retryable(),
        }
    }
}
