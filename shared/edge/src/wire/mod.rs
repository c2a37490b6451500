//! How the API writes what the domain knows. One place for each noun, because several functions
//! answer with it.

mod audit;
mod conversion;
mod explanation;
mod participant;
mod payout;
mod program;
mod redemption;
mod refund;
mod reward;
mod survey;

pub use audit::audit_entry;
pub use conversion::{conversion, conversion_with_refunds};
pub use explanation::explanation;
pub use participant::{participant, referral};
pub use payout::{payout, payout_line, settled_line};
pub use program::{incentive, program};
pub use redemption::redemption;
pub use refund::refund;
pub use reward::{beneficiary, offered, reward, reward_in_conversion, value};
pub use survey::survey;

use jiff::Timestamp;
use kith_domain::money::Money;
use serde_json::{Map, Value, json};

/// An amount of money.
#[must_use]
pub fn money(money: Money) -> Value {
    json!({"amount": money.minor, "currency": money.currency.code()})
}

/// An instant: RFC 3339, UTC.
#[must_use]
pub fn instant(at: Timestamp) -> Value {
    Value::String(at.to_string())
}

/// A page of a list.
#[must_use]
pub fn list(data: Vec<Value>, next_cursor: Option<String>) -> Value {
    json!({"data": data, "next_cursor": next_cursor})
}

/// Takes the members without a value out of an object: what is absent is not said.
fn present(value: Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .collect::<Map<_, _>>(),
        ),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            value
        }
    }
}
