use kith_domain::code::VoucherCode;
use kith_domain::id::OfferId;
use kith_domain::incentive::RewardRule as Rule;
use kith_domain::offer as domain;
use kith_domain::reward::RewardValue;
use kith_domain::text::Slug;
use schemars::JsonSchema;
use serde::Serialize;

use super::RewardRule;
use crate::scalar::{At, Spelled};

/// What a friend is offered before paying.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Offer {
    /// Its id.
    pub id: Spelled<OfferId>,
    /// The rule that makes it.
    pub incentive_id: Spelled<Slug>,
    /// What is offered: a `discount` or a `free_product`.
    pub reward: Offered,
    /// The voucher that the conversion names among its `codes`.
    pub voucher_code: Spelled<VoucherCode>,
    /// Until when an order can use it.
    pub expires_at: At,
}

/// What is offered, as an incentive says it.
pub type Offered = RewardRule;

/// An offer.
#[must_use]
pub fn offer(offer: &domain::Offer) -> Offer {
    Offer {
        id: offer.id.into(),
        incentive_id: offer.incentive_id.clone().into(),
        reward: offered(offer.reward),
        voucher_code: offer.voucher_code.clone().into(),
        expires_at: offer.expires_at.into(),
    }
}

/// What is offered, as an incentive says it.
#[must_use]
pub fn offered(offered: RewardValue) -> Offered {
    let rule = match offered {
        RewardValue::Cash(amount) => Rule::Cash(amount),
        RewardValue::Discount(discount) => Rule::Discount(discount),
        RewardValue::Points(points) => Rule::Points(points),
        RewardValue::FreeProduct { sku, quantity } => Rule::FreeProduct { sku, quantity },
    };
    (&rule).into()
}
