//! Parsers of single values. Each notes its own fault and then answers `None`.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use jiff::Timestamp;
use kith_domain::money::{AMOUNT_MAX, Currency, Money};
use serde_json::Value;

use super::object::as_object;
use super::{Faults, Member, Object};

/// A string that a type of the domain parses; its error is the fault's detail.
pub fn text<T: FromStr<Err: Display>>(member: Member, faults: &mut Faults) -> Option<T> {
    let pointer = member.pointer.clone();
    let text = string(member, faults)?;
    match text.parse() {
        Ok(value) => Some(value),
        Err(error) => {
            faults.add(pointer, T::Err::to_string(&error));
            None
        }
    }
}

/// Any string. Its length has to be bounded by whoever takes it.
pub fn string(member: Member, faults: &mut Faults) -> Option<String> {
    match member.value {
        Value::String(text) => Some(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            faults.add(member.pointer, "must be a string");
            None
        }
    }
}

/// `true` or `false`.
pub fn boolean(member: Member, faults: &mut Faults) -> Option<bool> {
    let value = member.value.as_bool();
    if value.is_none() {
        member.refuse(faults, "must be true or false");
    }
    value
}

/// An integer within bounds. What is written with a point or an exponent is not one.
pub fn integer_in<T>(bounds: RangeInclusive<T>) -> impl FnOnce(Member, &mut Faults) -> Option<T>
where
    T: TryFrom<i64> + PartialOrd + Display,
{
    move |member, faults| {
        let value = member
            .value
            .as_i64()
            .and_then(|value| T::try_from(value).ok())
            .filter(|value| bounds.contains(value));
        if value.is_none() {
            let (low, high) = (bounds.start(), bounds.end());
            member.refuse(faults, format!("must be an integer from {low} to {high}"));
        }
        value
    }
}

/// An instant in RFC 3339, with `Z` or an offset.
pub fn timestamp(member: Member, faults: &mut Faults) -> Option<Timestamp> {
    let value = member.value.as_str().and_then(timestamp_of);
    if value.is_none() {
        member.refuse(faults, NOT_A_TIMESTAMP);
    }
    value
}

pub(crate) const NOT_A_TIMESTAMP: &str =
    "must be an instant in RFC 3339, such as 2026-03-01T12:00:00Z";

/// An instant in RFC 3339 and nothing looser: date, `T`, time with seconds, and `Z` or an offset.
#[must_use]
pub fn timestamp_of(text: &str) -> Option<Timestamp> {
    let shape = |part: &str, pattern: &str| {
        part.len() == pattern.len()
            && part.bytes().zip(pattern.bytes()).all(|(byte, expected)| {
                if expected == b'0' {
                    byte.is_ascii_digit()
                } else {
                    byte == expected
                }
            })
    };
    let (moment, rest) = text.split_at_checked("0000-00-00T00:00:00".len())?;
    let zone = match rest.strip_prefix('.') {
        Some(rest) => {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            (1..=9).contains(&digits).then(|| rest.get(digits..))??
        }
        None => rest,
    };
    let is_zone = zone == "Z" || shape(zone, "+00:00") || shape(zone, "-00:00");
    (shape(moment, "0000-00-00T00:00:00") && is_zone)
        .then(|| text.parse().ok())
        .flatten()
}

/// An amount from 0 to [`AMOUNT_MAX`] with its currency.
pub fn money(member: Member, faults: &mut Faults) -> Option<Money> {
    nested(|object, faults| {
        let amount = object.required("amount", faults, integer_in(0..=AMOUNT_MAX));
        let currency = object.required("currency", faults, text::<Currency>);
        Some(Money::new(amount?, currency?))
    })(member, faults)
}

/// A list of at most `length_max` values. `None` when the list or any value of it left a fault.
pub fn list<T>(
    length_max: usize,
    parse: impl Fn(Member, &mut Faults) -> Option<T>,
) -> impl FnOnce(Member, &mut Faults) -> Option<Vec<T>> {
    move |member, faults| {
        let Value::Array(values) = member.value else {
            faults.add(member.pointer, "must be a list");
            return None;
        };
        if values.len() > length_max {
            faults.add(
                member.pointer,
                format!("must have at most {length_max} entries"),
            );
            return None;
        }
        let parsed: Vec<Option<T>> = values
            .into_iter()
            .enumerate()
            .map(|(index, value)| {
                let pointer = format!("{}/{index}", member.pointer);
                parse(Member { value, pointer }, faults)
            })
            .collect();
        parsed.into_iter().collect()
    }
}

/// An object that `read` takes members from; what it leaves is unknown.
pub fn nested<T>(
    read: impl Fn(&mut Object, &mut Faults) -> Option<T>,
) -> impl Fn(Member, &mut Faults) -> Option<T> {
    move |member, faults| {
        let mut object = as_object(member, faults)?;
        let value = read(&mut object, faults);
        object.finish(faults);
        value
    }
}

/// Whatever it is, with its pointer: for what has rules of its own.
pub fn any(member: Member, _faults: &mut Faults) -> Option<Member> {
    Some(member)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Patch;
    use proptest::prelude::{Just, Strategy, prop, prop_assert, prop_oneof, proptest};
    use serde_json::json;

    kith_domain::words! {
        /// For tests.
        pub enum Word {
            /// The one.
            One = "one",
            /// The other.
            Two = "two",
        }
    }

    fn body(text: &str) -> Object {
        Object::new("", super::super::read::object(text.as_bytes()).unwrap())
    }

    fn found(faults: Faults) -> Vec<(String, String)> {
        let Err(problem) = faults.into_result() else {
            return Vec::new();
        };
        let fault = |fault: &crate::http::Fault| (fault.pointer.clone(), fault.detail.clone());
        problem.errors().iter().map(fault).collect()
    }

    #[test]
    fn every_fault_is_found_in_one_pass() {
        let mut faults = Faults::default();
        let mut object = body(
            r#"{"word": "three", "days": 1.0, "flag": "yes", "at": "tomorrow", "a/b~c": 1,
                "price": {"amount": -1, "currency": "eur", "tax": 1}, "words": ["one", "x", 2], "many": [1, 2, 3],
                "sub": {"inner": null}, "none": null}"#,
        );
        assert_eq!(object.required("word", &mut faults, text::<Word>), None);
        assert_eq!(
            object.optional("days", &mut faults, integer_in(0..=365_u16)),
            None
        );
        assert_eq!(object.optional("flag", &mut faults, boolean), None);
        assert_eq!(object.optional("at", &mut faults, timestamp), None);
        assert_eq!(object.optional("price", &mut faults, money), None);
        assert_eq!(
            object.optional("words", &mut faults, list(3, text::<Word>)),
            None
        );
        assert_eq!(object.optional("many", &mut faults, list(2, string)), None);
        let mut sub = object.optional_object("sub", &mut faults).unwrap();
        assert_eq!(sub.required("inner", &mut faults, boolean), None);
        sub.finish(&mut faults);
        assert_eq!(object.optional("none", &mut faults, boolean), None);
        assert_eq!(object.required("missing", &mut faults, boolean), None);
        object.finish(&mut faults);
        let found = found(faults);
        let pointers: Vec<&str> = found.iter().map(|(pointer, _)| pointer.as_str()).collect();
        assert_eq!(
            pointers,
            [
                "/word",
                "/days",
                "/flag",
                "/at",
                "/price/amount",
                "/price/currency",
                "/price/tax",
                "/words/1",
                "/words/2",
                "/many",
                "/sub/inner",
                "/missing",
                "/a~1b~0c",
            ]
        );
        assert_eq!(found[0].1, "must be one of one, two");
        assert_eq!(found[1].1, "must be an integer from 0 to 365");
    }

    #[test]
    fn what_is_right_is_read() {
        let mut faults = Faults::default();
        let mut object = body(
            r#"{"word": "two", "days": 365, "flag": false, "at": "2026-03-01T13:00:00+01:00",
                "price": {"amount": 1000000000000000, "currency": "EUR"}, "words": ["one", "two"]}"#,
        );
        assert_eq!(
            object.required("word", &mut faults, text::<Word>),
            Some(Word::Two)
        );
        assert_eq!(
            object.optional("days", &mut faults, integer_in(0..=365_u16)),
            Some(365)
        );
        assert_eq!(object.optional("flag", &mut faults, boolean), Some(false));
        let at = object.optional("at", &mut faults, timestamp).unwrap();
        assert_eq!(at.to_string(), "2026-03-01T12:00:00Z");
        let price = object.optional("price", &mut faults, money).unwrap();
        assert_eq!((price.minor, price.currency.code()), (AMOUNT_MAX, "EUR"));
        let words = object.optional("words", &mut faults, list(2, text::<Word>));
        assert_eq!(words, Some(vec![Word::One, Word::Two]));
        object.finish(&mut faults);
        assert_eq!(found(faults), []);
    }

    /// Rounding an amount would pay somebody wrongly.
    #[test]
    fn integers_are_never_rounded() {
        for text in [
            "1.0",
            "1e3",
            "1E0",
            "-0",
            "-1",
            "366",
            "18446744073709551615",
            "9e99",
            "1.5",
            "\"1\"",
            "true",
            "100000000000000000000",
        ] {
            let mut faults = Faults::default();
            let mut object = body(&format!("{{\"n\": {text}}}"));
            assert_eq!(
                object.required("n", &mut faults, integer_in(0..=365_u64 as i64)),
                None,
                "{text}"
            );
            assert!(!faults.is_empty(), "{text}");
        }
    }

    #[test]
    fn only_rfc_3339_is_an_instant() {
        for good in [
            "2026-03-01T12:00:00Z",
            "2026-03-01T12:00:00.5Z",
            "2026-03-01T12:00:00.123456789Z",
            "2026-03-01T12:00:00-11:30",
        ] {
            assert!(timestamp_of(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "2026-03-01",
            "2026-03-01T12:00Z",
            "2026-03-01 12:00:00Z",
            "2026-03-01T12:00:00",
            "2026-03-01T12:00:00z",
            "2026-03-01t12:00:00Z",
            "2026-02-30T12:00:00Z",
            "2026-03-01T25:00:00Z",
            "2026-03-01T12:00:00.Z",
            "2026-03-01T12:00:00.1234567890Z",
            "2026-03-01T12:00:00+01:00[Europe/Berlin]",
            "+002026-03-01T12:00:00Z",
            "2026-03-01T12:00:00é",
            "20260301T120000Z",
            "2026-03-01T12:00:00,5Z",
        ] {
            assert!(timestamp_of(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_patch_tells_absent_from_null() {
        let mut faults = Faults::default();
        let mut object = body(
            r#"{"gone": null, "new": true, "bad": 1, "id": "x", "version": 2, "state": null}"#,
        );
        assert_eq!(object.patch("absent", &mut faults, boolean), Patch::Keep);
        assert_eq!(object.patch("gone", &mut faults, boolean), Patch::Clear);
        assert_eq!(object.patch("new", &mut faults, boolean), Patch::Set(true));
        assert_eq!(object.patch("bad", &mut faults, boolean), Patch::Keep);
        assert_eq!(object.replace("state", &mut faults, boolean), None);
        let present = json!({"id": "x", "version": 1});
        object.read_only(&["id", "version"], &present, &mut faults);
        object.finish(&mut faults);
        let found = found(faults);
        let pointers: Vec<&str> = found.iter().map(|(pointer, _)| pointer.as_str()).collect();
        assert_eq!(pointers, ["/bad", "/state", "/version"]);
        assert_eq!(Patch::Clear.apply(Some(1)), None);
        assert_eq!(Patch::Keep.apply_or(1, 2), 1);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            proptest::prelude::any::<bool>().prop_map(Value::from),
            proptest::prelude::any::<i64>().prop_map(Value::from),
            proptest::prelude::any::<f64>().prop_map(Value::from),
            "\\PC{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map("[a-f~/]{1,2}", inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// Whatever is sent, reading ends with values or with faults at pointers that resolve.
        #[test]
        fn any_object_is_read_or_refused(values in prop::collection::btree_map("[a-f]", any_json(), 0..6)) {
            let whole = Value::Object(values.into_iter().collect());
            let mut faults = Faults::default();
            let mut object = super::super::object::as_object(
                Member { value: whole.clone(), pointer: String::new() }, &mut faults,
            ).unwrap();
            let _ = object.optional("a", &mut faults, text::<Word>);
            let _ = object.optional("b", &mut faults, integer_in(-5..=5_i8));
            let _ = object.optional("c", &mut faults, money);
            let _ = object.optional("d", &mut faults, list(3, nested(|object, faults| object.optional("a", faults, timestamp))));
            let _ = object.optional("e", &mut faults, boolean);
            object.finish(&mut faults);
            for (pointer, _) in found(faults) {
                prop_assert!(whole.pointer(&pointer).is_some() || pointer.ends_with("/amount") || pointer.ends_with("/currency"));
            }
        }

        #[test]
        fn no_text_makes_instants_panic(text in "\\PC{0,40}") {
            let _ = timestamp_of(&text);
        }
    }
}
