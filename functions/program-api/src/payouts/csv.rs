//! The lines of a payout as a table for a bank, or for a spreadsheet.

use kith_domain::payout::PayoutLine;
use kith_domain::text::{ExternalId, Name};
use kith_edge::http::BoxError;

use crate::csv::Table;

/// The columns. Amounts are in minor units, as everywhere; rewards are parted by spaces.
const COLUMNS: [&str; 7] = [
    "participant_id",
    "external_id",
    "amount",
    "currency",
    "state",
    "reference",
    "reward_ids",
];

/// The lines as a table. Nobody's mail address or name is in it.
pub(crate) fn table(lines: &[(PayoutLine, Option<ExternalId>)]) -> Result<String, BoxError> {
    let mut table = Table::new(&COLUMNS)?;
    for (line, external_id) in lines {
        let rewards: Vec<String> = line.reward_ids.iter().map(ToString::to_string).collect();
        let external_id = external_id.as_ref().map_or("", ExternalId::as_str);
        table.row(&[
            line.participant_id.to_string(),
            external_id.to_owned(),
            line.amount.minor.to_string(),
            line.amount.currency.code().to_owned(),
            line.state.as_str().to_owned(),
            line.reference.as_ref().map_or("", Name::as_str).to_owned(),
            rewards.join(" "),
        ])?;
    }
    table.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use kith_domain::id::{ParticipantId, PayoutId, ProgramId, RewardId};
    use kith_domain::money::Money;
    use kith_domain::payout::LineState;

    /// Commas, quotes and line breaks in what comes from outside stay in their cell.
    #[test]
    fn a_cell_keeps_what_is_in_it() {
        let zero = Timestamp::UNIX_EPOCH;
        let line = PayoutLine {
            payout_id: PayoutId::floor_of(zero),
            program: ProgramId::floor_of(zero),
            participant_id: ParticipantId::floor_of(zero),
            amount: Money::new(1299, "EUR".parse().unwrap()),
            state: LineState::Paid,
            reward_ids: vec![RewardId::floor_of(zero); 2],
            reference: Some("one, \"two\"".parse().unwrap()),
            followed: 0,
            version: 1,
        };
        let external = "=cmd|' /C calc'!A0,x".parse().unwrap();
        let zeros = "0".repeat(26);
        assert_eq!(
            table(&[(line, Some(external))]).unwrap(),
            format!(
                "participant_id,external_id,amount,currency,state,reference,reward_ids\r\n\
                 par_{zeros},\"'=cmd|' /C calc'!A0,x\",1299,EUR,paid,\"one, \"\"two\"\"\",rwd_{zeros} rwd_{zeros}\r\n"
            )
        );
    }
}
