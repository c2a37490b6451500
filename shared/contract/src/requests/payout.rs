use kith_domain::money::Currency;
use kith_domain::payout::LineEvent;
use kith_domain::text::Name;
use schemars::JsonSchema;

use super::MoneyInput;
use crate::scalar::{At, Spelled, Word};

/// A payout to be made.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct NewPayout {
    /// What is paid.
    pub currency: Spelled<Currency>,
    /// Nobody is paid less; in the currency of the payout.
    pub minimum: Option<MoneyInput>,
    /// Only what was credited before this instant is paid; now unless said.
    pub until: Option<At>,
}

/// What became of a line.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct LineOutcome {
    /// What became of it.
    pub state: Word<LineEvent>,
    /// What the bank calls the transfer.
    pub reference: Option<Spelled<Name>>,
}
