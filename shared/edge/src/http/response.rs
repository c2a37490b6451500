//! An answer as the gateway takes it: payload 2.0 of an HTTP API.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::function::FunctionError;

/// What a page may do when it says nothing of its own: show itself, and send its forms home.
const PAGE_POLICY: &str =
    "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// One HTTP answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    status: u16,
    headers: BTreeMap<&'static str, String>,
    cookies: Vec<String>,
    body: Body,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Body {
    Text(String),
    Bytes(Vec<u8>),
}

impl Response {
    /// No body and no header but `X-Content-Type-Options`.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        Self {
            status,
            headers: BTreeMap::new(),
            cookies: Vec::new(),
            body: Body::Text(String::new()),
        }
        .header("x-content-type-options", "nosniff")
    }

    /// JSON, which nobody stores.
    #[must_use]
    pub fn json(status: u16, value: &impl Serialize) -> Self {
        match serde_json::to_string(value) {
            Ok(text) => Self::json_text(status, text),
            Err(error) => {
                // Every key of an answer is a string, so this is a bug and nothing else.
                tracing::error!(%error, "an answer cannot be written");
                Self::empty(500)
            }
        }
    }

    /// JSON that is written already, such as a stored answer.
    #[must_use]
    pub fn json_text(status: u16, text: String) -> Self {
        Self::text(status, "application/json", text).header("cache-control", "no-store")
    }

    /// A page, which nobody stores, frames or learns the address of.
    #[must_use]
    pub fn html(status: u16, page: String) -> Self {
        Self::text(status, "text/html; charset=utf-8", page)
            .header("cache-control", "no-store")
            .header("referrer-policy", "no-referrer")
            .header("content-security-policy", PAGE_POLICY)
    }

    /// A page with the headers that it travels with.
    #[must_use]
    pub fn page<'a>(
        status: u16,
        page: &str,
        headers: impl IntoIterator<Item = (&'static str, &'a str)>,
    ) -> Self {
        let response = Self::html(status, page.to_owned());
        headers
            .into_iter()
            .fold(response, |response, (name, value)| {
                response.header(name, value)
            })
    }

    /// Text of any media type.
    #[must_use]
    pub fn text(status: u16, content_type: &str, text: String) -> Self {
        let mut response = Self::empty(status).header("content-type", content_type);
        response.body = Body::Text(text);
        response
    }

    /// Bytes of any media type.
    #[must_use]
    pub fn bytes(status: u16, content_type: &str, bytes: Vec<u8>) -> Self {
        let mut response = Self::empty(status).header("content-type", content_type);
        response.body = Body::Bytes(bytes);
        response
    }

    /// A redirect that is not stored: every visit comes back here.
    #[must_use]
    pub fn redirect(status: u16, url: &str) -> Self {
        Self::empty(status)
            .header("location", url)
            .header("cache-control", "no-store")
    }

    /// 204.
    #[must_use]
    pub fn no_content() -> Self {
        Self::empty(204).header("cache-control", "no-store")
    }

    /// Sets a header, by its name in lower case. Control characters are left out of the value.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        let mut value = value.into();
        if value.contains(char::is_control) {
            value.retain(|character| !character.is_control());
        }
        self.headers.insert(name, value);
        self
    }

    /// Adds a `Set-Cookie` line.
    #[must_use]
    pub fn cookie(mut self, mut line: String) -> Self {
        line.retain(|character| !character.is_control());
        self.cookies.push(line);
        self
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// A header, by its name in lower case.
    #[must_use]
    pub fn header_value(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The body as text: what is stored for a replay. Empty for bytes.
    #[must_use]
    pub fn body_text(&self) -> &str {
        match &self.body {
            Body::Text(text) => text,
            Body::Bytes(_) => "",
        }
    }

    /// The same answer without its body: what `HEAD` gets.
    #[must_use]
    pub fn without_body(mut self) -> Self {
        self.body = Body::Text(String::new());
        self
    }

    /// What the function answers to the gateway.
    ///
    /// # Errors
    /// [`FunctionError::UnwritableAnswer`], which would be a bug.
    pub fn into_event(self) -> Result<Box<RawValue>, FunctionError> {
        let (body, is_base64_encoded) = match &self.body {
            Body::Text(text) => (Cow::Borrowed(text.as_str()), false),
            Body::Bytes(bytes) => (Cow::Owned(STANDARD.encode(bytes)), true),
        };
        serde_json::value::to_raw_value(&Event {
            status_code: self.status,
            headers: &self.headers,
            cookies: &self.cookies,
            body,
            is_base64_encoded,
        })
        .map_err(FunctionError::UnwritableAnswer)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    status_code: u16,
    headers: &'a BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    cookies: &'a [String],
    body: Cow<'a, str>,
    is_base64_encoded: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn event(response: Response) -> Value {
        serde_json::from_str(response.into_event().unwrap().get()).unwrap()
    }

    #[test]
    fn answers_have_the_shape_that_the_gateway_takes() {
        assert_eq!(
            event(Response::json(201, &json!({"id": "x"}))),
            json!({
                "statusCode": 201,
                "headers": {
                    "cache-control": "no-store", "content-type": "application/json",
                    "x-content-type-options": "nosniff"
                },
                "body": "{\"id\":\"x\"}",
                "isBase64Encoded": false
            })
        );
        let redirect = Response::redirect(302, "https://bakery.example/")
            .cookie("kith_click=t; Path=/".to_owned());
        assert_eq!(
            event(redirect),
            json!({
                "statusCode": 302,
                "headers": {
                    "cache-control": "no-store", "location": "https://bakery.example/",
                    "x-content-type-options": "nosniff"
                },
                "cookies": ["kith_click=t; Path=/"],
                "body": "",
                "isBase64Encoded": false
            })
        );
        let bytes = event(Response::bytes(200, "image/png", vec![0, 255]));
        assert_eq!(bytes["body"], "AP8=");
        assert_eq!(bytes["isBase64Encoded"], true);
    }

    /// A line break in a header would let a link write headers of its own.
    #[test]
    fn headers_hold_no_line_breaks() {
        let response = Response::redirect(302, "https://x.example/\r\nset-cookie: a=b");
        assert_eq!(
            response.header_value("location"),
            Some("https://x.example/set-cookie: a=b")
        );
    }

    #[test]
    fn head_keeps_the_headers() {
        let response = Response::html(200, "<p>x</p>".to_owned()).without_body();
        assert_eq!(response.body_text(), "");
        assert_eq!(
            response.header_value("referrer-policy"),
            Some("no-referrer")
        );
    }
}
