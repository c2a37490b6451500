use super::Tag;
use super::operation::{Operation, op};
use crate::answers::{LedgerEntry, LedgerSummary, List};
use crate::problems::Code;
use crate::requests::{LedgerFilter, Period};
use crate::routes;

pub(super) const TAG: Tag = Tag {
    name: "Ledger",
    about: "Every movement of value, in double entry.",
};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        op(
            &routes::LIST_LEDGER_ENTRIES,
            TAG.name,
            "List the lines of the ledger",
        )
        .about("Oldest first.")
        .query::<LedgerFilter>()
        .answers::<List<LedgerEntry>>(200, "A page of lines."),
        op(&routes::SUMMARISE_LEDGER, TAG.name, "Sum the ledger up")
            .about("What the participants had, earned, lost and were paid in a period, recounted.")
            .query::<Period>()
            .answers::<LedgerSummary>(200, "The sums, unit by unit.")
            .refuses([Code::StillCounting]),
    ]
}
