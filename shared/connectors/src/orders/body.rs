//! A vendor's body: JSON, of which only what is asked for is looked at.

use kith_domain::email::EmailAddress;
use kith_domain::money::{Currency, Money};
use kith_domain::text::{CountryCode, ExternalId};
use serde_json::Value;

use super::{Tells, amount};

/// What was missing, or not of its form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unfit {
    pointer: String,
    detail: &'static str,
}

impl Unfit {
    pub(super) fn at(pointer: impl Into<String>, detail: &'static str) -> Self {
        Self {
            pointer: pointer.into(),
            detail,
        }
    }
}

impl From<Unfit> for Tells {
    fn from(unfit: Unfit) -> Self {
        Self::Unfit {
            pointer: unfit.pointer,
            detail: unfit.detail,
        }
    }
}

/// A value with the pointer that leads to it.
#[derive(Debug, Clone)]
pub(super) struct Body<'a> {
    value: &'a Value,
    at: String,
}

/// Reads the bytes.
pub(super) fn parsed(bytes: &[u8]) -> Result<Value, Unfit> {
    let value: Option<Value> = serde_json::from_slice(bytes).ok();
    let object = value.filter(Value::is_object);
    object.ok_or_else(|| Unfit::at("", "must be a JSON object"))
}

impl<'a> Body<'a> {
    pub(super) fn whole(value: &'a Value) -> Self {
        Self {
            value,
            at: String::new(),
        }
    }

    /// What a pointer leads to, from here; nothing for `null`.
    pub(super) fn get(&self, pointer: &str) -> Option<Self> {
        let value = self.value.pointer(pointer).filter(|value| !value.is_null());
        value.map(|value| Self {
            value,
            at: self.pointer(pointer),
        })
    }

    /// The same, which is needed.
    pub(super) fn need(&self, pointer: &str) -> Result<Self, Unfit> {
        self.get(pointer)
            .ok_or_else(|| Unfit::at(self.pointer(pointer), "is needed"))
    }

    /// The elements of a list; none if there is no list.
    pub(super) fn list(&self, pointer: &str) -> Vec<Self> {
        let list = self.value.pointer(pointer).and_then(Value::as_array);
        let elements = list.into_iter().flatten().enumerate();
        let element = |(index, value)| Self {
            value,
            at: format!("{}/{index}", self.pointer(pointer)),
        };
        elements.map(element).collect()
    }

    pub(super) fn pointer(&self, rest: &str) -> String {
        format!("{}{rest}", self.at)
    }

    pub(super) fn text(&self, pointer: &str) -> Option<&'a str> {
        self.value.pointer(pointer).and_then(Value::as_str)
    }

    pub(super) fn flag(&self, pointer: &str) -> Option<bool> {
        self.value.pointer(pointer).and_then(Value::as_bool)
    }

    pub(super) fn integer(&self, pointer: &str) -> Option<i64> {
        self.value.pointer(pointer).and_then(Value::as_i64)
    }

    pub(super) fn need_integer(&self, pointer: &str) -> Result<i64, Unfit> {
        self.need(pointer)?;
        let wrong = || Unfit::at(self.pointer(pointer), "must be an integer");
        self.integer(pointer).ok_or_else(wrong)
    }

    /// An id: a text, a number, or the object whose `id` it is. An empty text and 0 are none.
    pub(super) fn id(&self, pointer: &str) -> Option<ExternalId> {
        match self.value.pointer(pointer)? {
            Value::String(text) => text.parse().ok(),
            Value::Number(number) => {
                let number = number.as_u64().filter(|number| *number > 0);
                number.and_then(|number| number.to_string().parse().ok())
            }
            Value::Object(members) => {
                let text = members.get("id").and_then(Value::as_str);
                text.and_then(|text| text.parse().ok())
            }
            Value::Null | Value::Bool(_) | Value::Array(_) => None,
        }
    }

    pub(super) fn need_id(&self, pointer: &str) -> Result<ExternalId, Unfit> {
        self.need(pointer)?;
        let wrong = || Unfit::at(self.pointer(pointer), "must be an id");
        self.id(pointer).ok_or_else(wrong)
    }

    /// The id of a customer: of a guest there is none, and nobody's mail address is one.
    pub(super) fn customer(&self, pointer: &str) -> Option<ExternalId> {
        let id = self.id(pointer)?;
        ExternalId::of_person(id.as_str()).ok()
    }

    pub(super) fn email(&self, pointer: &str) -> Option<EmailAddress> {
        self.text(pointer)?.trim().parse().ok()
    }

    pub(super) fn country(&self, pointer: &str) -> Option<CountryCode> {
        self.text(pointer)?.parse().ok()
    }

    pub(super) fn currency(&self, pointer: &str) -> Result<Currency, Unfit> {
        self.need(pointer)?;
        let text = self.text(pointer).unwrap_or_default();
        let wrong = || Unfit::at(self.pointer(pointer), "must be a currency of ISO 4217");
        text.to_ascii_uppercase().parse().map_err(|_| wrong())
    }

    /// A decimal number as text.
    pub(super) fn money(&self, pointer: &str, currency: Currency) -> Result<Money, Unfit> {
        self.need(pointer)?;
        let wrong = || {
            let detail =
                "must be a decimal number as text, of no more digits than the currency has";
            Unfit::at(self.pointer(pointer), detail)
        };
        let text = self.text(pointer).ok_or_else(wrong)?;
        amount::decimal(text, currency).ok_or_else(wrong)
    }

    /// The same, or nothing where nothing is said.
    pub(super) fn money_or_zero(&self, pointer: &str, currency: Currency) -> Result<Money, Unfit> {
        match self.get(pointer) {
            Some(_) => self.money(pointer, currency),
            None => Ok(Money::zero(currency)),
        }
    }

    /// The value of the element of a list of names and values.
    pub(super) fn named(&self, list: &str, key: &str, name: &str) -> Option<&'a str> {
        let elements = self.value.pointer(list).and_then(Value::as_array)?;
        let member = |value: &'a Value, member: &str| value.get(member).and_then(Value::as_str);
        let mut elements = elements.iter();
        let found = elements.find(|element| member(element, key) == Some(name))?;
        member(found, "value")
    }
}
