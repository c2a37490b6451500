use jiff::Timestamp;
use kith_domain::code::VoucherCode;
use kith_domain::id::RewardId;
use kith_domain::words::words;
use serde::{Deserialize, Serialize};

use crate::item::{Entity, text, text_option};

words! {
    /// What was told of a list since codes were last added.
    pub enum ListWarning {
        /// It runs low.
        Low = "low",
        /// It is empty.
        Empty = "empty",
    }
}

/// The owner's own voucher codes for an incentive: how many there were, and what was told of them.
/// How many were taken is counted beside it, so that those who take do not wait for each other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoucherList {
    /// How many codes were added in all.
    pub added: i64,
    /// At how many left it is low.
    pub low_at: i64,
    /// What was told since codes were last added.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    pub told: Option<ListWarning>,
    /// Counts writes; guards every change.
    pub version: u64,
}

/// How many codes of a list were taken, in one of its counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenVouchers {
    /// How many.
    pub taken: i64,
}

/// One of the owner's codes that was not used yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedVoucher {
    /// The code, as the owner spells it.
    #[serde(with = "text")]
    pub code: VoucherCode,
    /// Always 1: a code is taken, never changed.
    pub version: u64,
}

/// A reward that waits for a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingReward {
    /// The reward.
    #[serde(with = "text")]
    pub reward_id: RewardId,
    /// Since when, on the program's clock.
    #[serde(with = "text")]
    pub since: Timestamp,
    /// Counts writes; guards every change.
    pub version: u64,
}

macro_rules! stored_as_itself {
    ($type:ty, $kind:literal) => {
        impl Entity for $type {
            type Stored = Self;
            const KIND: &'static str = $kind;

            fn to_stored(&self) -> Self {
                self.clone()
            }

            fn from_stored(stored: Self) -> Self {
                stored
            }
        }
    };
}

stored_as_itself!(VoucherList, "voucher_list");
stored_as_itself!(TakenVouchers, "voucher_list_taken");
stored_as_itself!(ListedVoucher, "listed_voucher");
stored_as_itself!(WaitingReward, "waiting_reward");
