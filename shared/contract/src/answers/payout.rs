use kith_domain::id::{ParticipantId, PayoutId, RewardId};
use kith_domain::money::Currency;
use kith_domain::payout::{self as domain, LineState, PayoutState};
use kith_domain::text::{ExternalId, Name};
use schemars::JsonSchema;
use serde::Serialize;

use super::Money;
use crate::scalar::{At, Spelled, Word};

/// One run of paying out. Its totals are whole once it is open.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Payout {
    /// Its id.
    pub id: Spelled<PayoutId>,
    /// Where it is.
    pub state: Word<PayoutState>,
    /// What is paid.
    pub currency: Spelled<Currency>,
    /// Nobody is paid less.
    pub minimum: Money,
    /// Only what was credited before this instant is paid.
    pub until: At,
    /// When it was asked for.
    pub created_at: At,
    /// When its lines were whole.
    pub opened_at: Option<At>,
    /// When it was closed.
    pub closed_at: Option<At>,
    /// Its lines, counted.
    pub totals: PayoutTotals,
}

/// The lines of a payout, counted.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub struct PayoutTotals {
    /// All.
    pub lines: i64,
    /// Those not settled yet.
    pub open: i64,
    /// Those paid.
    pub paid: i64,
    /// Those that could not be paid.
    pub failed: i64,
    /// Those that came back.
    pub returned: i64,
    /// What all lines come to.
    pub amount: Money,
}

/// What a payout pays one participant.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct PayoutLine {
    /// The line.
    #[serde(flatten)]
    pub line: SettledLine,
    /// The rewards whose credits it used up.
    pub reward_ids: Vec<Spelled<RewardId>>,
}

/// A line of a payout without its rewards: there may be thousands of them, and whoever settles a line
/// has read it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SettledLine {
    /// Who is paid.
    pub participant_id: Spelled<ParticipantId>,
    /// What the shop calls them.
    pub external_id: Option<Spelled<ExternalId>>,
    /// How much.
    pub amount: Money,
    /// What became of it.
    pub state: Word<LineState>,
    /// What the bank calls the transfer.
    pub reference: Option<Spelled<Name>>,
}

/// A payout with its totals.
#[must_use]
pub fn payout(payout: &domain::Payout, totals: &domain::PayoutTotals) -> Payout {
    let amount = |minor| Money::from(kith_domain::money::Money::new(minor, payout.currency));
    Payout {
        id: payout.id.into(),
        state: payout.state.into(),
        currency: payout.currency.into(),
        minimum: amount(payout.minimum),
        until: payout.until.into(),
        created_at: payout.created_at.into(),
        opened_at: payout.opened_at.map(At),
        closed_at: payout.closed_at.map(At),
        totals: PayoutTotals {
            lines: totals.lines,
            open: totals.open,
            paid: totals.paid,
            failed: totals.failed,
            returned: totals.returned,
            amount: amount(totals.amount),
        },
    }
}

/// A line of a payout.
#[must_use]
pub fn payout_line(line: &domain::PayoutLine, external_id: Option<&ExternalId>) -> PayoutLine {
    PayoutLine {
        line: settled_line(line, external_id),
        reward_ids: line.reward_ids.iter().copied().map(Spelled).collect(),
    }
}

/// A line of a payout, without its rewards.
#[must_use]
pub fn settled_line(line: &domain::PayoutLine, external_id: Option<&ExternalId>) -> SettledLine {
    SettledLine {
        participant_id: line.participant_id.into(),
        external_id: external_id.cloned().map(Spelled),
        amount: line.amount.into(),
        state: line.state.into(),
        reference: line.reference.clone().map(Spelled),
    }
}
