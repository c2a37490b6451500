use std::collections::BTreeMap;

use jiff::Timestamp;
use kith_domain::id::{ParticipantId, PayoutId, ProgramId};
use kith_domain::ledger::Turnover;
use kith_domain::money::{Currency, Unit};
use kith_domain::payout::{LineState, Payout, PayoutLine, PayoutState, PayoutTotals};
use kith_domain::text::Name;
use serde::{Deserialize, Serialize};

use super::MoneyItem;
use crate::item::{Entity, text, text_option};

/// What lies in the table of a payout.
#[derive(Serialize, Deserialize)]
pub struct PayoutItem {
    #[serde(with = "text")]
    id: PayoutId,
    #[serde(with = "text")]
    program_id: ProgramId,
    #[serde(with = "text")]
    currency: Currency,
    minimum: i64,
    #[serde(with = "text")]
    credited_before: Timestamp,
    #[serde(with = "text")]
    state: PayoutState,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    after: Option<ParticipantId>,
    #[serde(with = "text")]
    created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    opened_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    closed_at: Option<Timestamp>,
    version: u64,
}

impl Entity for Payout {
    type Stored = PayoutItem;
    const KIND: &'static str = "payout";

    fn to_stored(&self) -> PayoutItem {
        PayoutItem {
            id: self.id,
            program_id: self.program,
            currency: self.currency,
            minimum: self.minimum,
            credited_before: self.until,
            state: self.state,
            after: self.after,
            created_at: self.created_at,
            opened_at: self.opened_at,
            closed_at: self.closed_at,
            version: self.version,
        }
    }

    fn from_stored(stored: PayoutItem) -> Self {
        Self {
            id: stored.id,
            program: stored.program_id,
            currency: stored.currency,
            minimum: stored.minimum,
            until: stored.credited_before,
            state: stored.state,
            after: stored.after,
            created_at: stored.created_at,
            opened_at: stored.opened_at,
            closed_at: stored.closed_at,
            version: stored.version,
        }
    }
}

/// What lies in the table of a line of a payout.
#[derive(Serialize, Deserialize)]
pub struct PayoutLineItem {
    #[serde(with = "text")]
    payout_id: PayoutId,
    #[serde(with = "text")]
    program_id: ProgramId,
    #[serde(with = "text")]
    participant_id: ParticipantId,
    amount: MoneyItem,
    #[serde(with = "text")]
    state: LineState,
    reward_ids: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    reference: Option<Name>,
    followed: usize,
    version: u64,
}

impl Entity for PayoutLine {
    type Stored = PayoutLineItem;
    const KIND: &'static str = "payout_line";

    fn to_stored(&self) -> PayoutLineItem {
        PayoutLineItem {
            payout_id: self.payout_id,
            program_id: self.program,
            participant_id: self.participant_id,
            amount: self.amount.into(),
            state: self.state,
            reward_ids: self.reward_ids.iter().map(ToString::to_string).collect(),
            reference: self.reference.clone(),
            followed: self.followed,
            version: self.version,
        }
    }

    fn from_stored(stored: PayoutLineItem) -> Self {
        Self {
            payout_id: stored.payout_id,
            program: stored.program_id,
            participant_id: stored.participant_id,
            amount: stored.amount.into(),
            state: stored.state,
            reward_ids: stored
                .reward_ids
                .iter()
                .filter_map(|id| id.parse().ok())
                .collect(),
            reference: stored.reference,
            followed: stored.followed,
            version: stored.version,
        }
    }
}

/// What lies in the table of a payout's totals. They only ever change by addition, so that two lines
/// that are settled at once do not refuse each other.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PayoutTotalsItem {
    lines: i64,
    open_lines: i64,
    paid_lines: i64,
    failed_lines: i64,
    returned_lines: i64,
    amount: i64,
}

impl Entity for PayoutTotals {
    type Stored = PayoutTotalsItem;
    const KIND: &'static str = "payout_totals";

    fn to_stored(&self) -> PayoutTotalsItem {
        PayoutTotalsItem {
            lines: self.lines,
            open_lines: self.open,
            paid_lines: self.paid,
            failed_lines: self.failed,
            returned_lines: self.returned,
            amount: self.amount,
        }
    }

    fn from_stored(stored: PayoutTotalsItem) -> Self {
        Self {
            lines: stored.lines,
            open: stored.open_lines,
            paid: stored.paid_lines,
            failed: stored.failed_lines,
            returned: stored.returned_lines,
            amount: stored.amount,
        }
    }
}

/// The attributes of a change of a payout's totals.
pub(crate) fn totals_changed(by: &PayoutTotals) -> [(&'static str, i64); 6] {
    [
        ("lines", by.lines),
        (OPEN_LINES, by.open),
        ("paid_lines", by.paid),
        ("failed_lines", by.failed),
        ("returned_lines", by.returned),
        ("amount", by.amount),
    ]
}

/// The attribute that counts the lines that are not settled.
pub(crate) const OPEN_LINES: &str = "open_lines";

/// Which payout in a currency is not closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresentPayout {
    /// The payout.
    #[serde(with = "text")]
    pub payout_id: PayoutId,
}

impl Entity for PresentPayout {
    type Stored = Self;
    const KIND: &'static str = "present_payout";

    fn to_stored(&self) -> Self {
        self.clone()
    }

    fn from_stored(stored: Self) -> Self {
        stored
    }
}

/// What the ledger moved on a day that is over, by unit: counted once, never added up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerDay {
    /// The day, UTC.
    pub day: String,
    /// What moved.
    pub turnover: BTreeMap<Unit, Turnover>,
}

/// What lies in the table of a day of the ledger.
#[derive(Serialize, Deserialize)]
pub struct LedgerDayItem {
    day: String,
    units: Vec<TurnoverItem>,
}

#[derive(Serialize, Deserialize)]
struct TurnoverItem {
    #[serde(with = "text")]
    unit: Unit,
    earned: i64,
    taken_back: i64,
    paid: i64,
}

impl Entity for LedgerDay {
    type Stored = LedgerDayItem;
    const KIND: &'static str = "ledger_day";

    fn to_stored(&self) -> LedgerDayItem {
        let units = self.turnover.iter().map(|(unit, moved)| TurnoverItem {
            unit: *unit,
            earned: moved.earned,
            taken_back: moved.taken_back,
            paid: moved.paid,
        });
        LedgerDayItem {
            day: self.day.clone(),
            units: units.collect(),
        }
    }

    fn from_stored(stored: LedgerDayItem) -> Self {
        let turnover = stored.units.into_iter().map(|item| {
            let moved = Turnover {
                earned: item.earned,
                taken_back: item.taken_back,
                paid: item.paid,
            };
            (item.unit, moved)
        });
        Self {
            day: stored.day,
            turnover: turnover.collect(),
        }
    }
}
