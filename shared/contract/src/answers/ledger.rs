use kith_domain::id::{LedgerId, ParticipantId, RewardId};
use kith_domain::ledger::{Account, LedgerReason};
use kith_domain::money::Unit;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use crate::scalar::{At, Spelled, Word, words};

/// One line of a transaction. The lines of a transaction sum to zero in every unit.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct LedgerEntry {
    /// The id of the line.
    pub id: Spelled<LedgerId>,
    /// The transaction that it is a line of.
    pub transaction_id: Spelled<LedgerId>,
    /// When.
    pub at: At,
    /// The account.
    #[schemars(schema_with = "accounts")]
    pub account: &'static str,
    /// Whose account it is; `null` for the program's own.
    pub participant_id: Option<Spelled<ParticipantId>>,
    /// In what.
    pub unit: Spelled<Unit>,
    /// How much: what is owed grows by a positive amount, what was spent by a negative one.
    pub amount: i64,
    /// What moved it.
    pub reason: Word<LedgerReason>,
    /// The reward that it is about.
    pub reward_id: Option<Spelled<RewardId>>,
    /// The id of what caused it; `null` where nothing but the reward did.
    pub cause: Option<String>,
}

fn accounts(generator: &mut SchemaGenerator) -> Schema {
    words(generator, &Account::WORDS)
}

/// What the participants had, earned, lost and were paid in a period, unit by unit.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct LedgerSummary {
    /// The first instant.
    pub from: At,
    /// The instant after the last.
    pub to: At,
    /// One entry for each unit in which anything moved until then.
    pub data: Vec<LedgerMovement>,
}

/// What moved in one unit.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct LedgerMovement {
    /// In what.
    pub unit: Spelled<Unit>,
    /// What was owed to participants before.
    pub opening: i64,
    /// What they earned.
    pub earned: i64,
    /// What was taken back.
    pub taken_back: i64,
    /// What was paid or spent.
    pub paid: i64,
    /// What was owed to them after.
    pub closing: i64,
}
