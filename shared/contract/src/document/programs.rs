use serde_json::{Value, json};

use super::Tag;
use super::operation::{Operation, op};
use crate::answers::{List, Program};
use crate::problems::Code;
use crate::requests::{NewProgram, Page, ProgramChange};
use crate::routes;

pub(super) const TAG: Tag = Tag {
    name: "Programs",
    about: "One merchant's set of rules: where links lead, how conversions are attributed, what is earned. A program is live or test, by the key that made it.",
};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        op(&routes::CREATE_PROGRAM, TAG.name, "Create a program")
            .about("Only `name` and `destination_url` are needed; the answer has every default filled in.")
            .body::<NewProgram>(bakery())
            .answers::<Program>(201, "The program.")
            .yields("program", "/id"),
        op(&routes::LIST_PROGRAMS, TAG.name, "List programs")
            .about("Those that the key reaches, newest first.")
            .query::<Page>()
            .answers::<List<Program>>(200, "A page of programs.")
            .yields("program", "/data/0/id"),
        op(&routes::READ_PROGRAM, TAG.name, "Read a program")
            .answers::<Program>(200, "The program."),
        op(&routes::CHANGE_PROGRAM, TAG.name, "Change a program")
            .about("A merge patch. Paused: links redirect plainly, conversions are recorded, rewards stay pending. Conversions are judged by the rules that were in force when they happened.")
            .body::<ProgramChange>(json!({"hold_days": 7}))
            .answers::<Program>(200, "The program, changed.")
            .refuses([Code::IncentiveDiffers]),
    ]
}

/// The program of the examples.
pub(super) fn bakery() -> Value {
    json!({
        "name": "Joe's Artisan Bakery",
        "destination_url": "https://bakery.example/welcome?shop=1",
        "allowed_hosts": ["bakery.example"],
        "attribution": {"model": "last_click", "window_days": 30, "code_without_click": "accept"},
        "consent": {"tracking": "not_required", "mail": "legitimate_interest"},
        "incentives": [
            {"id": "friend-10", "on": "purchase", "beneficiary": "referee", "reward": {"kind": "discount", "basis_points": 1000}},
            {
                "id": "thank-you", "on": "purchase", "beneficiary": "referrer",
                "reward": {"kind": "cash", "amount": {"amount": 500, "currency": "EUR"}},
                "conditions": {"minimum_amount": {"amount": 2000, "currency": "EUR"}, "first_conversion_only": true},
                "limits": {"per_referrer_per_month": 10},
            },
            {"id": "points", "on": "signup", "beneficiary": "referrer", "reward": {"kind": "points", "points": 300}},
            {
                "id": "welcome", "on": "purchase", "beneficiary": "referee", "grant": "at_checkout",
                "reward": {"kind": "discount", "amount": {"amount": 300, "currency": "EUR"}},
            },
        ],
        "hold_days": 0,
        "surveys": [
            {"id": "after-reward", "on": "reward.issued", "to": "referrer", "delay_hours": 24, "closes_after_days": 30, "cooldown_days": 90},
        ],
    })
}
