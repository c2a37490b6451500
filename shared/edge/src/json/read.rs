//! From the bytes of a body to its members.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::Object;
use crate::http::{Problem, Request};

/// Longest body, in bytes.
pub const BODY_BYTES_MAX: usize = 256 * 1_024;

/// How deep objects and lists may nest; the deepest shape of the contract needs six.
pub const DEPTH_MAX: usize = 16;

const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";

/// The members of a JSON body.
///
/// # Errors
/// 415 for another media type than `application/json` in UTF-8 (for `PATCH` also
/// `application/merge-patch+json`), 413 above [`BODY_BYTES_MAX`], 400 for what is not one JSON
/// object: malformed, deeper than [`DEPTH_MAX`], or with a member twice.
pub fn body(request: &Request) -> Result<Object, Problem> {
    if request.body().len() > BODY_BYTES_MAX {
        return Err(Problem::body_too_large(BODY_BYTES_MAX));
    }
    let kind = request.content_type();
    let is_patch = request.method() == http::Method::PATCH;
    let is_json = kind
        .as_deref()
        .is_some_and(|kind| kind == JSON || (is_patch && kind == MERGE_PATCH));
    if !is_json || !is_utf8(request) {
        return Err(Problem::unsupported_media_type("application/json in UTF-8"));
    }
    object(request.body()).map(|members| Object::new("", members))
}

/// As [`body`], where the body may be left out: then no member is there.
///
/// # Errors
/// As [`body`].
pub fn body_or_empty(request: &Request) -> Result<Object, Problem> {
    if request.body().is_empty() {
        Ok(Object::new("", Map::new()))
    } else {
        body(request)
    }
}

/// Whether the body says that it is in UTF-8, or nothing.
pub(crate) fn is_utf8(request: &Request) -> bool {
    let parameters = request
        .header("content-type")
        .and_then(|value| value.split_once(';'))
        .map_or("", |(_, parameters)| parameters);
    parameters
        .split(';')
        .filter_map(|parameter| parameter.split_once('='))
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))
        .all(|(_, value)| value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8"))
}

/// Reads one JSON object.
pub(super) fn object(bytes: &[u8]) -> Result<Map<String, Value>, Problem> {
    if bytes.is_empty() {
        return Err(Problem::unreadable_body("The body is empty."));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth: 0 }
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|error| Problem::unreadable_body(format!("The body is not JSON: {error}.")))?;
    match value {
        Value::Object(members) => Ok(members),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(Problem::unreadable_body("The body is not a JSON object."))
        }
    }
}

/// Builds a value, refusing what serde_json lets pass: members twice, and endless nesting.
#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        let depth = self.depth.saturating_add(1);
        if depth > DEPTH_MAX {
            return Err(E::custom(format!("nested deeper than {DEPTH_MAX}")));
        }
        Ok(Self { depth })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    /// Whatever is written with a point, an exponent, or more digits than an integer has: kept as
    /// it is, so that whoever wants an integer refuses it instead of rounding.
    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            if members.contains_key(&name) {
                return Err(A::Error::custom("a member stands twice in one object"));
            }
            members.insert(name, map.next_value_seed(inner)?);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn request(method: &str, content_type: Option<&str>, body: &str) -> Request {
        let mut event = json!({
            "rawPath": "/", "headers": {}, "body": body,
            "requestContext": {"http": {"method": method}},
        });
        if let Some(content_type) = content_type {
            event["headers"]["content-type"] = json!(content_type);
        }
        Request::of_event(&serde_json::value::to_raw_value(&event).unwrap(), 0).unwrap()
    }

    #[test]
    fn only_json_is_taken() {
        for (method, content_type, expected) in [
            ("POST", Some("application/json"), None),
            ("POST", Some("Application/JSON; Charset=\"UTF-8\""), None),
            ("PATCH", Some("application/merge-patch+json"), None),
            ("POST", Some("application/merge-patch+json"), Some(415)),
            ("POST", Some("application/json; charset=latin1"), Some(415)),
            ("POST", Some("text/plain"), Some(415)),
            ("POST", None, Some(415)),
        ] {
            let status = body(&request(method, content_type, "{}"))
                .err()
                .map(|p| p.status());
            assert_eq!(status, expected, "{content_type:?}");
        }
        assert!(body_or_empty(&request("POST", None, "")).is_ok());
        assert_eq!(
            body_or_empty(&request("POST", None, "{}"))
                .err()
                .map(|p| p.status()),
            Some(415)
        );
    }

    #[test]
    fn what_is_not_one_object_is_unreadable() {
        let deep = format!(
            "{{\"a\":{}1{}}}",
            "[".repeat(DEPTH_MAX),
            "]".repeat(DEPTH_MAX)
        );
        let deeper = "[".repeat(100_000);
        for text in [
            "",
            "nul",
            "null",
            "1",
            "\"x\"",
            "[]",
            "{",
            "{}{}",
            "{} x",
            "{\"a\":1,}",
            "{'a':1}",
            "{\"a\":1,\"a\":2}",
            "{\"a\":{\"b\":1,\"b\":1}}",
            "{\"a\":\"\\ud800\"}",
            "{\"a\":NaN}",
            &deep,
            &deeper,
        ] {
            let problem = object(text.as_bytes()).unwrap_err();
            assert_eq!(
                (problem.status(), problem.code()),
                (400, "unreadable_body"),
                "{text:.40}"
            );
        }
        assert_eq!(object(b"{\"a\":\"\xff\"}").unwrap_err().status(), 400);
        let detail = object(b"{\"a\":1,\n\"a\":2}").unwrap_err();
        assert!(detail.detail().contains("line 2"), "{detail}");
    }

    #[test]
    fn a_long_body_is_refused_unread() {
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(BODY_BYTES_MAX));
        let problem = body(&request("POST", Some("application/json"), &long)).unwrap_err();
        assert_eq!((problem.status(), problem.code()), (413, "body_too_large"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, text in "[\\[\\]{}\",:0-9a-z.eE\\\\ -]{0,60}") {
            let _ = object(&bytes);
            let _ = object(text.as_bytes());
        }
    }
}
