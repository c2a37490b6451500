use kith_domain::refund::RefundReason;
use kith_domain::text::{EventName, ExternalId};
use schemars::JsonSchema;

use super::SomeMoneyInput;
use crate::scalar::{Spelled, Word};

/// What is taken back of a conversion.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct NewRefund {
    /// The shop's own name of it, once for each conversion.
    pub external_id: Spelled<ExternalId>,
    /// How much; all that is left unless said. Refunds never come to more than the conversion.
    pub amount: Option<SomeMoneyInput>,
    /// Why; `refund` unless said.
    pub reason: Option<Word<RefundReason>>,
}

/// What is taken back of an order, which need not be known yet.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct NewRefundOfOrder {
    /// The shop's own name of it, once for each conversion.
    pub external_id: Spelled<ExternalId>,
    /// The conversion, in the shop's words.
    pub conversion: OrderNameInput,
    /// How much; all that is left unless said. Refunds never come to more than the conversion.
    pub amount: Option<SomeMoneyInput>,
    /// Why; `refund` unless said.
    pub reason: Option<Word<RefundReason>>,
}

/// A conversion in the shop's words.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct OrderNameInput {
    /// What happened.
    pub event: Spelled<EventName>,
    /// The shop's own name of it.
    pub external_id: Spelled<ExternalId>,
}
