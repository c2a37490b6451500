use jiff::Timestamp;
use kith_domain::incentive::{NumberRange, NumberRule, Shortfall};
use kith_domain::money::{Currency, Money};
use serde::{Deserialize, Serialize};

use super::MoneyItem;
use crate::item::text;

/// What lies in the table of what an incentive asked for and did not find.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ShortfallItem {
    At(#[serde(with = "text")] Timestamp),
    Months(u16),
    Amount {
        bound: MoneyItem,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        counted: Option<MoneyItem>,
    },
    Range {
        from: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<u32>,
    },
    Every(u32),
    Text(String),
    Currency(#[serde(with = "text")] Currency),
    Count {
        used: i64,
        cap: i64,
    },
    Budget {
        used: i64,
        cap: MoneyItem,
        cost: i64,
    },
}

impl ShortfallItem {
    pub(super) fn of(shortfall: &Shortfall) -> Self {
        match shortfall {
            Shortfall::At(at) => Self::At(*at),
            Shortfall::Months(months) => Self::Months(*months),
            Shortfall::Amount { bound, counted } => Self::Amount {
                bound: (*bound).into(),
                counted: counted.map(MoneyItem::from),
            },
            Shortfall::Numbers(NumberRule::Range(NumberRange { from, to })) => Self::Range {
                from: *from,
                to: *to,
            },
            Shortfall::Numbers(NumberRule::Every(step)) => Self::Every(*step),
            Shortfall::Text(text) => Self::Text(text.clone()),
            Shortfall::Currency(currency) => Self::Currency(*currency),
            Shortfall::Count { used, cap } => Self::Count {
                used: *used,
                cap: *cap,
            },
            Shortfall::Budget { used, cap, cost } => Self::Budget {
                used: *used,
                cap: (*cap).into(),
                cost: *cost,
            },
        }
    }

    pub(super) fn read(self) -> Shortfall {
        match self {
            Self::At(at) => Shortfall::At(at),
            Self::Months(months) => Shortfall::Months(months),
            Self::Amount { bound, counted } => Shortfall::Amount {
                bound: bound.into(),
                counted: counted.map(Money::from),
            },
            Self::Range { from, to } => {
                Shortfall::Numbers(NumberRule::Range(NumberRange { from, to }))
            }
            Self::Every(step) => Shortfall::Numbers(NumberRule::Every(step)),
            Self::Text(text) => Shortfall::Text(text),
            Self::Currency(currency) => Shortfall::Currency(currency),
            Self::Count { used, cap } => Shortfall::Count { used, cap },
            Self::Budget { used, cap, cost } => Shortfall::Budget {
                used,
                cap: cap.into(),
                cost,
            },
        }
    }
}
