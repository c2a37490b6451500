use serde_json::json;

use super::Tag;
use super::operation::{Operation, op};
use crate::answers::{ClockAdvanced, List, TestMail};
use crate::problems::Code;
use crate::requests::{ClockAdvance, Page};
use crate::routes;

pub(super) const TAG: Tag = Tag {
    name: "Test mode",
    about: "Test programs have a clock of their own, and their mail is recorded instead of sent.",
};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        op(&routes::ADVANCE_TEST_CLOCK, TAG.name, "Advance a test program's clock")
            .about("It steps through the instants at which something is due, and each settles at its own time. After 20 seconds the answer is `settled: false`: call again with that `until`, and with another `Idempotency-Key` if with one. `seconds` count from where the clock stands: without an `Idempotency-Key`, a call that never answered is repeated with `until`, or the clock goes further than was meant. With one it comes to the same instant however often it is repeated.")
            .body::<ClockAdvance>(json!({"seconds": 86400}))
            .answers::<ClockAdvanced>(200, "Where the clock is.")
            .refuses([Code::NotATestProgram]),
        op(&routes::LIST_TEST_MAILS, TAG.name, "List the mails of a test program")
            .about("What would have been sent, newest first; for 30 days.")
            .query::<Page>()
            .answers::<List<TestMail>>(200, "A page of mails.")
            .refuses([Code::NotATestProgram]),
    ]
}
