use kith_domain::ledger::Balance;
use kith_domain::money::{Currency, Money};
use serde::{Deserialize, Serialize};

use crate::item::{Entity, text};

/// An amount of money.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct MoneyItem {
    amount: i64,
    #[serde(with = "text")]
    currency: Currency,
}

impl From<Money> for MoneyItem {
    fn from(money: Money) -> Self {
        Self {
            amount: money.minor,
            currency: money.currency,
        }
    }
}

impl From<MoneyItem> for Money {
    fn from(item: MoneyItem) -> Self {
        Self::new(item.amount, item.currency)
    }
}

/// What lies in the table of a balance. Attributes that were never raised are absent.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct BalanceItem {
    available: i64,
    pending: i64,
    in_payout: i64,
    paid: i64,
    receivable: i64,
    unit: String,
}

/// A balance with its unit as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitBalance {
    /// The unit: a currency's code, or `points`.
    pub unit: String,
    /// The parts.
    pub balance: Balance,
}

impl Entity for UnitBalance {
    type Stored = BalanceItem;
    const KIND: &'static str = "balance";

    fn to_stored(&self) -> BalanceItem {
        let Balance {
            available,
            pending,
            in_payout,
            paid,
            receivable,
        } = self.balance;
        BalanceItem {
            available,
            pending,
            in_payout,
            paid,
            receivable,
            unit: self.unit.clone(),
        }
    }

    fn from_stored(stored: BalanceItem) -> Self {
        let BalanceItem {
            available,
            pending,
            in_payout,
            paid,
            receivable,
            unit,
        } = stored;
        Self {
            unit,
            balance: Balance {
                available,
                pending,
                in_payout,
                paid,
                receivable,
            },
        }
    }
}
