//! From a function's answer to an HTTP response.

use base64::Engine;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::{Map, Value};

/// An HTTP response with its body in memory.
pub type Answer = Response<Bytes>;

/// The response for what a function returned. A value without `statusCode` is the body of a 200;
/// an answer of the wrong shape is the gateway's own 500.
#[must_use]
pub fn answer_of(returned: &str) -> Answer {
    let Ok(value) = serde_json::from_str::<Value>(returned) else {
        return internal_error();
    };
    match &value {
        Value::Object(members) if members.contains_key("statusCode") => {
            structured(members).unwrap_or_else(internal_error)
        }
        Value::String(text) => json_answer(text.clone()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            json_answer(returned.to_owned())
        }
    }
}

/// What the gateway answers by itself.
#[must_use]
pub fn refusal(status: StatusCode, message: &str) -> Answer {
    let mut answer = json_answer(format!(r#"{{"message":"{message}"}}"#));
    *answer.status_mut() = status;
    answer
}

fn internal_error() -> Answer {
    refusal(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
}

fn json_answer(body: String) -> Answer {
    let mut answer = Response::new(Bytes::from(body));
    answer.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    answer
}

fn structured(members: &Map<String, Value>) -> Option<Answer> {
    let status = match members.get("statusCode")? {
        Value::Number(number) => number.as_u64()?,
        Value::String(text) => text.parse().ok()?,
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    let status = StatusCode::from_u16(u16::try_from(status).ok()?).ok()?;
    let text = match members.get("body") {
        None | Some(Value::Null) => "",
        Some(Value::String(text)) => text,
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            return None;
        }
    };
    let is_encoded = members.get("isBase64Encoded").and_then(Value::as_bool) == Some(true);
    let body = if is_encoded {
        let decoded = base64::engine::general_purpose::STANDARD
            .decode(text)
            .ok()?;
        Bytes::from(decoded)
    } else {
        Bytes::copy_from_slice(text.as_bytes())
    };
    let has_body = !body.is_empty();
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    for (name, value) in members
        .get("headers")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            Value::Null => continue,
            Value::Array(_) | Value::Object(_) => return None,
        };
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        // The length and the connection are the gateway's own business.
        if name == header::CONTENT_LENGTH || name == header::TRANSFER_ENCODING {
            continue;
        }
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).ok()?);
    }
    for cookie in members
        .get("cookies")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let cookie = HeaderValue::from_bytes(cookie.as_str()?.as_bytes()).ok()?;
        headers.append(header::SET_COOKIE, cookie);
    }
    if has_body && !headers.contains_key(header::CONTENT_TYPE) {
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/plain;charset=UTF-8"),
        );
    }
    Some(answer)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use serde_json::json;

    #[test]
    fn a_structured_answer_keeps_its_parts() {
        let returned = json!({
            "statusCode": 302,
            "headers": {"Location": "https://bakery.example/ä", "x-n": 1, "content-length": "99"},
            "cookies": ["a=1; Path=/", "b=2"],
            "body": "aGk=", "isBase64Encoded": true,
        });
        let answer = answer_of(&returned.to_string());
        assert_eq!(answer.status(), 302);
        assert_eq!(answer.body().as_ref(), b"hi");
        assert_eq!(
            answer.headers().get("location").unwrap().as_bytes(),
            "https://bakery.example/ä".as_bytes()
        );
        assert_eq!(answer.headers().get("x-n").unwrap(), "1");
        assert_eq!(answer.headers().get("content-length"), None);
        let cookies: Vec<_> = answer.headers().get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["a=1; Path=/", "b=2"]);
    }

    #[test]
    fn anything_else_is_the_body_of_a_200() {
        let answer = answer_of(r#"{"a":1}"#);
        assert_eq!(answer.status(), 200);
        assert_eq!(
            answer.headers().get("content-type").unwrap(),
            "application/json"
        );
        assert_eq!(answer.body().as_ref(), br#"{"a":1}"#);
    }

    #[test]
    fn an_answer_of_the_wrong_shape_is_the_gateways_500() {
        for returned in [
            r#"{"statusCode":"x"}"#,
            r#"{"statusCode":200,"body":{}}"#,
            "{",
        ] {
            let answer = answer_of(returned);
            assert_eq!(answer.status(), 500);
            assert_eq!(
                answer.body().as_ref(),
                br#"{"message":"Internal Server Error"}"#
            );
        }
    }
}
