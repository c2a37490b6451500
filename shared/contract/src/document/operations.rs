use serde_json::json;

use super::Tag;
use super::operation::{Operation, op};
use crate::answers::{Health, Operations, Retried};
use crate::problems::Code;
use crate::requests::Nothing;
use crate::routes;

pub(super) const TAG: Tag = Tag {
    name: "Operations",
    about: "For whoever runs the bundle.",
};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        op(&routes::READ_HEALTH, TAG.name, "See whether it runs")
            .answers::<Health>(200, "It runs.")
            .refuses([Code::Internal]),
        op(&routes::READ_OPERATIONS, TAG.name, "See what is due")
            .about("And what was given up on, with what it is retried by.")
            .answers::<Operations>(200, "What is due.")
            .yields("id", "/parked/0/id"),
        op(&routes::RETRY_PARKED, TAG.name, "Retry parked work")
            .about("It is due at once, as if it had never been tried.")
            .optional_body::<Nothing>(json!({}))
            .answers::<Retried>(200, "When it is due."),
    ]
}
