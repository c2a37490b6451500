use serde_json::json;

use super::Tag;
use super::operation::{Operation, op};
use crate::answers::{List, Payout, PayoutLine, SettledLine};
use crate::problems::Code;
use crate::requests::{LineFilter, LineOutcome, NewPayout, Nothing, PayoutFilter};
use crate::routes;

pub(super) const TAG: Tag = Tag {
    name: "Payouts",
    about: "Paying out what people earned in money: asked for, read line by line, settled, closed.",
};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        op(&routes::CREATE_PAYOUT, TAG.name, "Create a payout")
            .about("As long as a payout in that currency is not closed it is the answer: asking twice pays once. It is `building` until its lines are whole.")
            .body::<NewPayout>(json!({"currency": "EUR"}))
            .answers::<Payout>(201, "The payout.")
            .answers::<Payout>(200, "The payout that is not closed yet.")
            .yields("payout", "/id"),
        op(&routes::LIST_PAYOUTS, TAG.name, "List payouts")
            .about("Newest first.")
            .query::<PayoutFilter>()
            .answers::<List<Payout>>(200, "A page of payouts.")
            .yields("payout", "/data/0/id"),
        op(&routes::READ_PAYOUT, TAG.name, "Read a payout").answers::<Payout>(200, "The payout."),
        op(&routes::LIST_PAYOUT_LINES, TAG.name, "List the lines of a payout")
            .about("As JSON, or as CSV for `Accept: text/csv`: then the next page stands in the header `Link`.")
            .query::<LineFilter>()
            .answers::<List<PayoutLine>>(200, "A page of lines.")
            .or_text("text/csv")
            .header("Link"),
        op(&routes::SETTLE_PAYOUT_LINE, TAG.name, "Settle a line")
            .about("What became of the transfer. What failed or came back is available again.")
            .body::<LineOutcome>(json!({"state": "paid", "reference": "transfer 17"}))
            .answers::<SettledLine>(200, "The line.")
            .refuses([Code::LineState, Code::PayoutBuilding]),
        op(&routes::CLOSE_PAYOUT, TAG.name, "Close a payout")
            .about("Once no line is open. Then the next payout in that currency may begin. Safe to repeat.")
            .optional_body::<Nothing>(json!({}))
            .answers::<Payout>(200, "The payout, closed.")
            .refuses([Code::PayoutBuilding, Code::PayoutOpenLines]),
    ]
}
