use jiff::Timestamp;
use kith_domain::code::VoucherCode;
use kith_domain::id::{ConversionId, ParticipantId, ProgramId, ReferralId, RewardId};
use kith_domain::reward::{Beneficiary, Discount, Reward, RewardState, RewardValue, Transition};
use kith_domain::text::Slug;
use serde::{Deserialize, Serialize};

use super::MoneyItem;
use crate::item::{Entity, text, text_option};

/// What a reward is worth, as it lies in the table.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "value")]
pub(crate) enum ValueItem {
    Cash(MoneyItem),
    DiscountShare { basis_points: u32 },
    DiscountAmount(MoneyItem),
    Points { points: i64 },
}

impl From<RewardValue> for ValueItem {
    fn from(value: RewardValue) -> Self {
        match value {
            RewardValue::Cash(money) => Self::Cash(money.into()),
            RewardValue::Discount(Discount::BasisPoints(basis_points)) => {
                Self::DiscountShare { basis_points }
            }
            RewardValue::Discount(Discount::Amount(money)) => Self::DiscountAmount(money.into()),
            RewardValue::Points(points) => Self::Points { points },
        }
    }
}

impl From<ValueItem> for RewardValue {
    fn from(item: ValueItem) -> Self {
        match item {
            ValueItem::Cash(money) => Self::Cash(money.into()),
            ValueItem::DiscountShare { basis_points } => {
                Self::Discount(Discount::BasisPoints(basis_points))
            }
            ValueItem::DiscountAmount(money) => Self::Discount(Discount::Amount(money.into())),
            ValueItem::Points { points } => Self::Points(points),
        }
    }
}

/// What lies in the table of a reward.
#[derive(Serialize, Deserialize)]
pub struct RewardItem {
    #[serde(with = "text")]
    id: RewardId,
    #[serde(with = "text")]
    program_id: ProgramId,
    #[serde(with = "text")]
    beneficiary_id: ParticipantId,
    #[serde(with = "text")]
    beneficiary: Beneficiary,
    #[serde(with = "text")]
    conversion_id: ConversionId,
    #[serde(with = "text")]
    referral_id: ReferralId,
    #[serde(with = "text")]
    incentive_id: Slug,
    scheme_version: u64,
    worth: ValueItem,
    #[serde(with = "text")]
    state: RewardState,
    #[serde(with = "text")]
    release_at: Timestamp,
    #[serde(with = "text")]
    created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    issued_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    voucher_code: Option<VoucherCode>,
    history: Vec<TransitionItem>,
    version: u64,
}

#[derive(Serialize, Deserialize)]
struct TransitionItem {
    #[serde(with = "text")]
    to: RewardState,
    #[serde(with = "text")]
    at: Timestamp,
    by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Entity for Reward {
    type Stored = RewardItem;
    const KIND: &'static str = "reward";

    fn to_stored(&self) -> RewardItem {
        let step = |step: &Transition| TransitionItem {
            to: step.to,
            at: step.at,
            by: step.by.clone(),
            reason: step.reason.clone(),
        };
        RewardItem {
            id: self.id,
            program_id: self.program,
            beneficiary_id: self.beneficiary_id,
            beneficiary: self.beneficiary,
            conversion_id: self.conversion_id,
            referral_id: self.referral_id,
            incentive_id: self.incentive_id.clone(),
            scheme_version: self.scheme_version,
            worth: self.value.into(),
            state: self.state,
            release_at: self.release_at,
            created_at: self.created_at,
            issued_at: self.issued_at,
            voucher_code: self.voucher_code.clone(),
            history: self.history.iter().map(step).collect(),
            version: self.version,
        }
    }

    fn from_stored(stored: RewardItem) -> Self {
        let step = |step: TransitionItem| Transition {
            to: step.to,
            at: step.at,
            by: step.by,
            reason: step.reason,
        };
        Self {
            id: stored.id,
            program: stored.program_id,
            beneficiary_id: stored.beneficiary_id,
            beneficiary: stored.beneficiary,
            conversion_id: stored.conversion_id,
            referral_id: stored.referral_id,
            incentive_id: stored.incentive_id,
            scheme_version: stored.scheme_version,
            value: stored.worth.into(),
            state: stored.state,
            release_at: stored.release_at,
            created_at: stored.created_at,
            issued_at: stored.issued_at,
            voucher_code: stored.voucher_code,
            history: stored.history.into_iter().map(step).collect(),
            version: stored.version,
        }
    }
}

/// Whose reward a voucher belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voucher {
    /// The code.
    #[serde(with = "text")]
    pub code: VoucherCode,
    /// The reward.
    #[serde(with = "text")]
    pub reward_id: RewardId,
}

impl Entity for Voucher {
    type Stored = Self;
    const KIND: &'static str = "voucher";

    fn to_stored(&self) -> Self {
        self.clone()
    }

    fn from_stored(stored: Self) -> Self {
        stored
    }
}
