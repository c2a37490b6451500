//! Reads what comes as pairs of names and texts: the query of a list, and forms.
//!
//! Only known names are taken, each at most once. A fault in the query has the pointer
//! `/query/{name}`, one in a form `/{name}`.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use jiff::Timestamp;

use kith_contract::requests::{CURSOR_BYTES_MAX, LIMIT_DEFAULT, LIMIT_MAX};

use crate::http::{PAIRS_MAX, Problem, Request};
use crate::json::{BODY_BYTES_MAX, Faults, timestamp_of, unknown};

/// The most entries that one page of a list has as a table or as lines of JSON.
pub const EXPORT_LIMIT_MAX: u16 = 1_000;

const FORM: &str = "application/x-www-form-urlencoded";

/// Pairs being read: values are taken by name, and what is left over is unknown.
#[derive(Debug, Clone)]
pub struct Fields {
    base: &'static str,
    pairs: Vec<(String, String)>,
    /// The names that were asked for, which are those that are known.
    asked: Vec<&'static str>,
    /// Whether there were more than are looked at.
    is_cut: bool,
}

impl Fields {
    /// The query of a request.
    #[must_use]
    pub fn of_query(request: &Request) -> Self {
        Self {
            base: "/query",
            pairs: request.query().to_vec(),
            is_cut: request.query_is_cut(),
            asked: Vec::new(),
        }
    }

    /// What is wrong with the query of a call that takes none: the faults that its body's are added
    /// to.
    #[must_use]
    pub fn no_query(request: &Request) -> Faults {
        let mut faults = Faults::default();
        Self::of_query(request).finish(&mut faults);
        faults
    }

    /// The body of a form.
    ///
    /// # Errors
    /// 415 when the body is not `application/x-www-form-urlencoded`, 413 when it is too long.
    pub fn of_form(request: &Request) -> Result<Self, Problem> {
        if request.body().len() > BODY_BYTES_MAX {
            return Err(Problem::body_too_large(BODY_BYTES_MAX));
        }
        if request.content_type().as_deref() != Some(FORM) {
            return Err(Problem::unsupported_media_type(FORM));
        }
        let mut pairs = form_urlencoded::parse(request.body()).into_owned();
        Ok(Self {
            base: "",
            pairs: pairs.by_ref().take(PAIRS_MAX).collect(),
            is_cut: pairs.next().is_some(),
            asked: Vec::new(),
        })
    }

    /// A text, as it was sent. Twice is a fault.
    pub fn string(&mut self, name: &'static str, faults: &mut Faults) -> Option<String> {
        self.asked.push(name);
        let (taken, rest) = std::mem::take(&mut self.pairs)
            .into_iter()
            .partition::<Vec<_>, _>(|(known, _)| known == name);
        self.pairs = rest;
        let mut taken = taken.into_iter().map(|(_, value)| value);
        let value = taken.next()?;
        if taken.next().is_some() {
            self.refuse(name, faults, "stands more than once");
            return None;
        }
        Some(value)
    }

    /// A value that its type parses; the type's error is the fault's detail. `None` when it is
    /// absent, or left a fault.
    pub fn optional<T: FromStr<Err: Display>>(
        &mut self,
        name: &'static str,
        faults: &mut Faults,
    ) -> Option<T> {
        match self.string(name, faults)?.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.refuse(name, faults, T::Err::to_string(&error));
                None
            }
        }
    }

    /// As [`Self::optional`], where absence is a fault too.
    pub fn required<T: FromStr<Err: Display>>(
        &mut self,
        name: &'static str,
        faults: &mut Faults,
    ) -> Option<T> {
        if self.has(name) {
            return self.optional(name, faults);
        }
        self.asked.push(name);
        self.refuse(name, faults, "is required");
        None
    }

    /// A whole number within bounds, in plain digits.
    pub fn integer_in<T>(
        &mut self,
        name: &'static str,
        bounds: RangeInclusive<T>,
        faults: &mut Faults,
    ) -> Option<T>
    where
        T: FromStr + PartialOrd + Display,
    {
        let text = self.string(name, faults)?;
        let value = Some(&text)
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|text| text.parse().ok())
            .filter(|value| bounds.contains(value));
        if value.is_none() {
            let (low, high) = (bounds.start(), bounds.end());
            self.refuse(
                name,
                faults,
                format!("must be an integer from {low} to {high}"),
            );
        }
        value
    }

    /// An instant in RFC 3339.
    pub fn timestamp(&mut self, name: &'static str, faults: &mut Faults) -> Option<Timestamp> {
        let text = self.string(name, faults)?;
        // A `+` of an offset that was not encoded arrives as a space.
        let value = timestamp_of(&text).or_else(|| timestamp_of(&text.replace(' ', "+")));
        if value.is_none() {
            self.refuse(name, faults, crate::json::NOT_A_TIMESTAMP);
        }
        value
    }

    /// `limit`, `cursor`, `from` and `to`: what every list takes. `from` and `to` are half-open, and
    /// in order.
    pub fn page(&mut self, faults: &mut Faults) -> PageQuery {
        self.page_up_to(LIMIT_MAX, faults)
    }

    /// As [`Self::page`], of so many entries at most.
    pub fn page_up_to(&mut self, limit_max: u16, faults: &mut Faults) -> PageQuery {
        let (from, to) = self.period(faults);
        let limit = self.integer_in("limit", 1..=limit_max, faults);
        let cursor = self
            .string("cursor", faults)
            .filter(|cursor| !cursor.is_empty());
        let is_long = |cursor: &String| cursor.len() > CURSOR_BYTES_MAX;
        if cursor.as_ref().is_some_and(is_long) {
            self.refuse("cursor", faults, "is not a cursor of this list");
        }
        let cursor = cursor.filter(|cursor| !is_long(cursor));
        PageQuery {
            limit: limit.unwrap_or(LIMIT_DEFAULT),
            cursor,
            from,
            to,
        }
    }

    /// `from` and `to`: half-open, and in order.
    pub fn period(&mut self, faults: &mut Faults) -> (Option<Timestamp>, Option<Timestamp>) {
        let from = self.timestamp("from", faults);
        let to = self.timestamp("to", faults);
        if let (Some(from), Some(to)) = (from, to)
            && from > to
        {
            self.refuse("to", faults, "must not be before `from`");
        }
        (from, to)
    }

    /// Whether a name is there and was not taken yet.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.pairs.iter().any(|(known, _)| known == name)
    }

    /// Notes a fault of a name.
    pub fn refuse(&self, name: &str, faults: &mut Faults, detail: impl Into<String>) {
        let name = name.replace('~', "~0").replace('/', "~1");
        faults.add(format!("{}/{name}", self.base), detail);
    }

    /// Refuses every name that was not taken, and more parameters than are looked at.
    pub fn finish(self, faults: &mut Faults) {
        if self.is_cut {
            let detail = format!("must have at most {PAIRS_MAX} parameters");
            faults.add(self.base, detail);
        }
        let mut left: Vec<&str> = self.pairs.iter().map(|(name, _)| name.as_str()).collect();
        left.sort_unstable();
        left.dedup();
        for name in left {
            self.refuse(name, faults, unknown("parameter", &self.asked));
        }
    }
}

/// What a list is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageQuery {
    /// How many entries at most: 1 to [`LIMIT_MAX`].
    pub limit: u16,
    /// Where the list goes on, as it was answered with the page before.
    pub cursor: Option<String>,
    /// The first instant.
    pub from: Option<Timestamp>,
    /// The instant after the last.
    pub to: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn query(text: &str) -> Fields {
        let event = json!({
            "rawPath": "/", "rawQueryString": text, "headers": {},
            "requestContext": {"http": {"method": "GET"}},
        });
        let event = serde_json::value::to_raw_value(&event).unwrap();
        Fields::of_query(&Request::of_event(&event, 0).unwrap())
    }

    fn form(content_type: &str, body: &str) -> Result<Fields, Problem> {
        let event = json!({
            "rawPath": "/", "headers": {"content-type": content_type}, "body": body,
            "requestContext": {"http": {"method": "POST"}},
        });
        let event = serde_json::value::to_raw_value(&event).unwrap();
        Fields::of_form(&Request::of_event(&event, 0).unwrap())
    }

    fn pointers(faults: Faults) -> Vec<String> {
        let Err(problem) = faults.into_result() else {
            return Vec::new();
        };
        problem
            .errors()
            .iter()
            .map(|fault| fault.pointer.clone())
            .collect()
    }

    #[test]
    fn a_page_is_asked_for() {
        let mut faults = Faults::default();
        let mut fields =
            query("limit=100&cursor=abc&from=2026-03-01T00:00:00Z&to=2026-03-01T02:00:00+01:00");
        let page = fields.page(&mut faults);
        assert_eq!((page.limit, page.cursor.as_deref()), (100, Some("abc")));
        assert_eq!(page.to.unwrap().to_string(), "2026-03-01T01:00:00Z");
        fields.finish(&mut faults);
        assert!(faults.is_empty());
        let page = query("cursor=").page(&mut faults);
        assert_eq!((page.limit, page.cursor), (LIMIT_DEFAULT, None));
    }

    /// A typo in a filter that is silently lost shows an owner everything instead of a part.
    #[test]
    fn every_fault_of_a_query_is_found() {
        for limit in ["0", "101", "-1", "+5", "5.0", "", "x", "99999999999"] {
            let mut faults = Faults::default();
            let page = query(&format!("limit={limit}")).page(&mut faults);
            assert_eq!(page.limit, LIMIT_DEFAULT);
            assert_eq!(pointers(faults), ["/query/limit"], "{limit}");
        }
        let mut faults = Faults::default();
        let mut fields = query(
            "stat%2Fe=x&limit=1&limit=2&from=2026-03-02T00:00:00Z&to=2026-03-01T00:00:00Z&max=x&stat%2Fe=y",
        );
        fields.page(&mut faults);
        assert_eq!(fields.optional::<u8>("max", &mut faults), None);
        assert_eq!(fields.required::<u8>("must", &mut faults), None);
        fields.finish(&mut faults);
        assert_eq!(
            pointers(faults),
            [
                "/query/to",
                "/query/limit",
                "/query/max",
                "/query/must",
                "/query/stat~1e"
            ]
        );
    }

    #[test]
    fn a_form_is_read() {
        let mut faults = Faults::default();
        let mut fields = form(
            "application/x-www-form-urlencoded; charset=UTF-8",
            "score=9&comment=good+cakes%21",
        )
        .unwrap();
        assert_eq!(fields.integer_in("score", 0..=10_u8, &mut faults), Some(9));
        assert_eq!(
            fields.string("comment", &mut faults).as_deref(),
            Some("good cakes!")
        );
        assert_eq!(form("application/json", "{}").unwrap_err().status(), 415);
        let long = "x".repeat(BODY_BYTES_MAX + 1);
        assert_eq!(form(FORM, &long).unwrap_err().status(), 413);
    }

    proptest! {
        #[test]
        fn no_query_makes_it_panic(text in "[a-z%&=+0-9~/]{0,60}|\\PC{0,40}") {
            let mut faults = Faults::default();
            let mut fields = query(&text);
            fields.page(&mut faults);
            fields.finish(&mut faults);
        }
    }
}
