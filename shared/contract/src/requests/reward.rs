use kith_domain::code::VoucherCode;
use kith_domain::id::ParticipantId;
use kith_domain::incentive::{POINTS_MAX, QUANTITY_MAX};
use kith_domain::money::{BASIS_POINTS_WHOLE, Sku};
use kith_domain::text::{ExternalId, Name};
use schemars::JsonSchema;

use super::{IncentiveInput, SomeMoneyInput};
use crate::scalar::{At, Spelled};

/// The most voucher codes of one call.
pub const VOUCHER_CODES_MAX: usize = 1_000;

/// A reward by hand.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields, tag = "kind", rename_all = "snake_case")]
pub enum NewReward {
    /// Money.
    Cash {
        /// Who gets it.
        beneficiary_id: Spelled<ParticipantId>,
        /// How much.
        value: SomeMoneyInput,
        /// In the owner's own words.
        reason: Spelled<Name>,
    },
    /// Less to pay next time.
    Discount {
        /// Who gets it.
        beneficiary_id: Spelled<ParticipantId>,
        /// How much less.
        value: DiscountInput,
        /// In the owner's own words.
        reason: Spelled<Name>,
    },
    /// Loyalty points.
    Points {
        /// Who gets them.
        beneficiary_id: Spelled<ParticipantId>,
        /// How many.
        value: PointsInput,
        /// In the owner's own words.
        reason: Spelled<Name>,
    },
    /// A product for nothing.
    FreeProduct {
        /// Who gets it.
        beneficiary_id: Spelled<ParticipantId>,
        /// Which.
        value: ProductInput,
        /// In the owner's own words.
        reason: Spelled<Name>,
    },
}

/// Less to pay: by a share, or by an amount.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub enum DiscountInput {
    /// By a share.
    Share(ShareInput),
    /// By an amount.
    Amount(SomeMoneyInput),
}

/// A share: 1,000 basis points are 10 %.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ShareInput {
    /// The share.
    #[schemars(range(min = 1, max = BASIS_POINTS_WHOLE), example = 1000)]
    pub basis_points: u32,
}

/// Loyalty points.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct PointsInput {
    /// How many.
    #[schemars(range(min = 1, max = POINTS_MAX), example = 300)]
    pub points: i64,
}

/// A product for nothing.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ProductInput {
    /// Which.
    pub sku: Spelled<Sku>,
    /// How many of it.
    #[schemars(range(min = 1, max = QUANTITY_MAX))]
    pub quantity: u32,
}

/// A voucher that was used for an order.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct VoucherUse {
    /// The voucher.
    pub voucher_code: Spelled<VoucherCode>,
    /// The shop's own name of the order. The same order again changes nothing.
    pub external_id: Spelled<ExternalId>,
}

/// Voucher codes of the owner's own.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct NewVoucherCodes {
    /// The codes. Each is judged by itself.
    #[schemars(length(max = VOUCHER_CODES_MAX))]
    pub codes: Vec<String>,
}

/// Which scheme is tried, on what.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct SimulationInput {
    /// The scheme: all incentives.
    #[schemars(length(max = kith_domain::program::INCENTIVES_MAX))]
    pub incentives: Vec<IncentiveInput>,
    /// The first instant at which conversions were recorded that are looked at.
    pub from: At,
    /// The instant after the last; later than `from`.
    pub to: At,
    /// Where the differences go on: the `next_cursor` of the answer before.
    pub cursor: Option<String>,
}
