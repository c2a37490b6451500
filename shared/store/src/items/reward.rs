use jiff::Timestamp;
use kith_domain::code::VoucherCode;
use kith_domain::id::{ConversionId, OfferId, ParticipantId, ProgramId, ReferralId, RewardId};
use kith_domain::incentive::Limit;
use kith_domain::money::{Sku, Unit};
use kith_domain::reward::{
    Basis, Beneficiary, BudgetShare, Discount, LimitApplied, Reward, RewardSource, RewardState,
    RewardValue, Transition,
};
use kith_domain::text::{ExternalId, Slug};
use serde::{Deserialize, Serialize};

use super::MoneyItem;
use super::fulfilment::FulfilmentItem;
use crate::item::{Entity, text, text_option};

/// What a reward is worth, as it lies in the table.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "value")]
pub(crate) enum ValueItem {
    Cash(MoneyItem),
    DiscountShare {
        basis_points: u32,
    },
    DiscountAmount(MoneyItem),
    Points {
        points: i64,
    },
    FreeProduct {
        #[serde(with = "text")]
        sku: Sku,
        quantity: u32,
    },
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
            RewardValue::FreeProduct { sku, quantity } => Self::FreeProduct { sku, quantity },
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
            ValueItem::FreeProduct { sku, quantity } => Self::FreeProduct { sku, quantity },
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
    source: RewardSource,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    conversion_id: Option<ConversionId>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    referral_id: Option<ReferralId>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    incentive_id: Option<Slug>,
    scheme_version: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    basis: Option<BasisItem>,
    /// What it was made with, where it is worth something else by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    original: Option<ValueItem>,
    worth: ValueItem,
    #[serde(with = "text")]
    state: RewardState,
    #[serde(with = "text")]
    release_at: Timestamp,
    #[serde(with = "text")]
    created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    issued_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_after_days: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    usable_until: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    voucher_code: Option<VoucherCode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fulfilment: Option<FulfilmentItem>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    in_review: bool,
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

#[derive(Serialize, Deserialize)]
struct BasisItem {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tier: Option<u32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    limits: Vec<LimitItem>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    budgets: Vec<BudgetShareItem>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rates_version: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct LimitItem {
    #[serde(with = "text")]
    limit: Limit,
    used: i64,
    cap: i64,
}

#[derive(Serialize, Deserialize)]
struct BudgetShareItem {
    window: String,
    shard: u8,
    amount: i64,
}

impl BasisItem {
    fn of(basis: &Basis) -> Self {
        let limit = |applied: &LimitApplied| LimitItem {
            limit: applied.limit,
            used: applied.used_before,
            cap: applied.cap,
        };
        let share = |share: &BudgetShare| BudgetShareItem {
            window: share.window.clone(),
            shard: share.shard,
            amount: share.amount,
        };
        Self {
            tier: basis.tier,
            limits: basis.limits.iter().map(limit).collect(),
            budgets: basis.budgets.iter().map(share).collect(),
            rates_version: basis.rates_version,
        }
    }

    fn read(self) -> Basis {
        let limit = |item: LimitItem| LimitApplied {
            limit: item.limit,
            used_before: item.used,
            cap: item.cap,
        };
        let share = |item: BudgetShareItem| BudgetShare {
            window: item.window,
            shard: item.shard,
            amount: item.amount,
        };
        Basis {
            tier: self.tier,
            limits: self.limits.into_iter().map(limit).collect(),
            budgets: self.budgets.into_iter().map(share).collect(),
            rates_version: self.rates_version,
        }
    }
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
            source: self.source,
            conversion_id: self.conversion_id,
            referral_id: self.referral_id,
            incentive_id: self.incentive_id.clone(),
            scheme_version: self.scheme_version,
            basis: self.basis.as_ref().map(BasisItem::of),
            original: (self.original != self.value).then(|| self.original.into()),
            worth: self.value.into(),
            state: self.state,
            release_at: self.release_at,
            created_at: self.created_at,
            issued_at: self.issued_at,
            expires_after_days: self.expires_after_days,
            usable_until: self.expires_at,
            voucher_code: self.voucher_code.clone(),
            fulfilment: self.fulfilment.as_deref().map(FulfilmentItem::of),
            in_review: self.in_review,
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
            source: stored.source,
            conversion_id: stored.conversion_id,
            referral_id: stored.referral_id,
            incentive_id: stored.incentive_id,
            scheme_version: stored.scheme_version,
            basis: stored.basis.map(BasisItem::read),
            original: stored.original.unwrap_or(stored.worth).into(),
            value: stored.worth.into(),
            state: stored.state,
            release_at: stored.release_at,
            created_at: stored.created_at,
            issued_at: stored.issued_at,
            expires_after_days: stored.expires_after_days,
            expires_at: stored.usable_until,
            voucher_code: stored.voucher_code,
            fulfilment: stored.fulfilment.map(|item| Box::new(item.read())),
            in_review: stored.in_review,
            history: stored.history.into_iter().map(step).collect(),
            version: stored.version,
        }
    }
}

/// A voucher: whose it is, and what it was used for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voucher {
    /// The code.
    #[serde(with = "text")]
    pub code: VoucherCode,
    /// The reward that it was made for.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    pub reward_id: Option<RewardId>,
    /// The offer that it was made for.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    pub offer_id: Option<OfferId>,
    /// What it was used for, in the shop's own name: an order.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    pub used_for: Option<ExternalId>,
    /// The conversion that named it.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    pub conversion_id: Option<ConversionId>,
    /// When it was used, on the program's clock.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    pub used_at: Option<Timestamp>,
    /// When the table may drop it, in seconds of real time: that of an offer that nobody used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
    /// Counts writes; guards every change.
    pub version: u64,
}

impl Voucher {
    /// An unused voucher of a reward.
    #[must_use]
    pub fn of_reward(code: VoucherCode, reward: RewardId) -> Self {
        Self {
            reward_id: Some(reward),
            ..Self::listed(code)
        }
    }

    /// An unused voucher of an offer.
    #[must_use]
    pub fn of_offer(code: VoucherCode, offer: OfferId) -> Self {
        Self {
            offer_id: Some(offer),
            ..Self::listed(code)
        }
    }

    /// A code of the owner's list that nobody has yet: neither a reward's nor an offer's.
    #[must_use]
    pub fn listed(code: VoucherCode) -> Self {
        Self {
            code,
            reward_id: None,
            offer_id: None,
            used_for: None,
            conversion_id: None,
            used_at: None,
            expires_at: None,
            version: 1,
        }
    }
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

/// What is left of a credit in its beneficiary's liability: consumed by payouts and redemptions,
/// oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lot {
    /// In what.
    pub unit: Unit,
    /// When it was credited, on the program's clock: the order of use.
    pub credited_at: Timestamp,
    /// What it is named after: the reward, or the payout whose money came back.
    pub name: String,
    /// The rewards in it: one, unless it is money that came back.
    pub reward_ids: Vec<RewardId>,
    /// How much is left, at least 1.
    pub remaining: i64,
    /// Counts writes; guards every change.
    pub version: u64,
}

/// What lies in the table of a lot.
#[derive(Serialize, Deserialize)]
pub struct LotItem {
    #[serde(with = "text")]
    unit: Unit,
    #[serde(with = "text")]
    credited_at: Timestamp,
    name: String,
    reward_ids: Vec<String>,
    remaining: i64,
    version: u64,
}

impl Entity for Lot {
    type Stored = LotItem;
    const KIND: &'static str = "lot";

    fn to_stored(&self) -> LotItem {
        LotItem {
            unit: self.unit,
            credited_at: self.credited_at,
            name: self.name.clone(),
            reward_ids: self.reward_ids.iter().map(ToString::to_string).collect(),
            remaining: self.remaining,
            version: self.version,
        }
    }

    fn from_stored(stored: LotItem) -> Self {
        Self {
            unit: stored.unit,
            credited_at: stored.credited_at,
            name: stored.name,
            reward_ids: stored
                .reward_ids
                .iter()
                .filter_map(|id| id.parse().ok())
                .collect(),
            remaining: stored.remaining,
            version: stored.version,
        }
    }
}

impl Lot {
    /// The lot of a reward that is issued: what it is worth, where that is something to credit.
    #[must_use]
    pub fn of_reward(reward: &Reward) -> Option<Self> {
        let (unit, remaining) = reward.value.credit()?;
        Some(Self {
            unit,
            credited_at: reward.issued_at?,
            name: reward.id.to_string(),
            reward_ids: vec![reward.id],
            remaining,
            version: 1,
        })
    }

    /// The lot of a reward that is issued and of which so much is left in a unit.
    #[must_use]
    pub fn left_of(reward: &Reward, (unit, remaining): (Unit, i64)) -> Option<Self> {
        let lot = Self {
            unit,
            remaining,
            ..Self::of_reward(reward)?
        };
        Some(lot)
    }

    /// The lot as it is written when so much of it is left.
    #[must_use]
    pub fn with_remaining(&self, remaining: i64) -> Self {
        Self {
            remaining,
            version: self.version.saturating_add(1),
            ..self.clone()
        }
    }
}
