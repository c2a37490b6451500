//! From an HTTP request to the event of payload format 2.0.

use std::net::SocketAddr;

use base64::Engine;
use http::{HeaderMap, Uri, header};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::Match;

/// Who sent a request, and where it arrived.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The other end of the connection.
    pub peer: SocketAddr,
    /// The port it came in by.
    pub port: u16,
    /// When it came in.
    pub at: Timestamp,
    /// The id that AWS would give the request.
    pub request_id: String,
}

/// The path as the gateway reads it: decoded, and ended by a decoded `?`.
#[must_use]
pub(super) fn decoded_path(uri: &Uri) -> String {
    let decoded = percent_decode_str(uri.path()).decode_utf8_lossy();
    decoded
        .split_once('?')
        .map_or_else(|| decoded.to_string(), |(path, _)| path.to_owned())
}

/// The event for a request, exactly as a function behind an HTTP API gets it.
#[must_use]
pub fn event_of(
    method: &str,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
    matched: &Match,
    caller: &Caller,
) -> Value {
    let path = decoded_path(uri);
    let query = uri.query().unwrap_or_default();
    let (headers, cookies) = header_members(headers, caller);
    let text_of = |name: &str| headers.get(name).cloned().unwrap_or_else(|| json!(""));
    let host = headers
        .get("host")
        .and_then(Value::as_str)
        .unwrap_or("localhost")
        .to_owned();
    let domain = host
        .rsplit_once(':')
        .map_or(host.as_str(), |(name, _)| name);
    let (body, is_encoded) = body_members(body, headers.get("content-type"));

    let mut event = json!({
        "version": "2.0",
        "routeKey": matched.key(),
        "rawPath": path,
        "rawQueryString": query,
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "domainName": domain,
            "domainPrefix": domain.split('.').next(),
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": caller.peer.ip().to_string(),
                "userAgent": text_of("user-agent"),
            },
            "requestId": caller.request_id,
            "routeKey": matched.key(),
            "stage": "$default",
            "time": caller.at.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            "timeEpoch": caller.at.as_millisecond(),
        },
        "isBase64Encoded": is_encoded,
    });
    // Members without a value are left out, as AWS does.
    if let Some(members) = event.as_object_mut() {
        members.insert("headers".to_owned(), Value::Object(headers));
        if !cookies.is_empty() {
            members.insert("cookies".to_owned(), json!(cookies));
        }
        let parameters = query_members(query);
        if !parameters.is_empty() {
            members.insert("queryStringParameters".to_owned(), parameters.into());
        }
        if !matched.parameters.is_empty() {
            members.insert("pathParameters".to_owned(), json!(matched.parameters));
        }
        if let Some(body) = body {
            members.insert("body".to_owned(), Value::String(body));
        }
    }
    event
}

/// Lower-case names; repeated headers joined by commas; cookies apart.
fn header_members(headers: &HeaderMap, caller: &Caller) -> (Map<String, Value>, Vec<String>) {
    let mut members = Map::new();
    let mut cookies = Vec::new();
    for name in headers.keys() {
        let values: Vec<String> = headers
            .get_all(name)
            .iter()
            .map(|value| text(value.as_bytes()))
            .collect();
        if name == header::COOKIE {
            cookies.extend(
                values
                    .iter()
                    .flat_map(|value| value.split(';'))
                    .map(|cookie| cookie.trim().to_owned())
                    .filter(|cookie| !cookie.is_empty()),
            );
        } else if name != header::CONNECTION && name != header::TRANSFER_ENCODING {
            members.insert(name.as_str().to_owned(), json!(values.join(",")));
        }
    }
    let peer = caller.peer.ip().to_string();
    let chain = match members.get("x-forwarded-for").and_then(Value::as_str) {
        Some(earlier) => format!("{earlier}, {peer}"),
        None => peer,
    };
    members.insert("x-forwarded-for".to_owned(), json!(chain));
    members.insert("x-forwarded-proto".to_owned(), json!("http"));
    members.insert(
        "x-forwarded-port".to_owned(),
        json!(caller.port.to_string()),
    );
    (members, cookies)
}

/// UTF-8 where it is, Latin-1 otherwise: no byte of a header is lost.
fn text(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(
        |_| bytes.iter().map(|byte| char::from(*byte)).collect(),
        str::to_owned,
    )
}

fn query_members(query: &str) -> Map<String, Value> {
    let mut members: Map<String, Value> = Map::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let joined = match members.get(name.as_ref()).and_then(Value::as_str) {
            Some(earlier) => format!("{earlier},{value}"),
            None => value.into_owned(),
        };
        members.insert(name.into_owned(), Value::String(joined));
    }
    members
}

/// The gateway hands over as text what it knows to be text, and nothing else: a form, or a body
/// without a type, comes in base64.
fn body_members(body: &[u8], content_type: Option<&Value>) -> (Option<String>, bool) {
    if body.is_empty() {
        return (None, false);
    }
    let essence = content_type
        .and_then(Value::as_str)
        .and_then(|value| value.split(';').next())
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let is_text = essence.starts_with("text/")
        || matches!(
            essence.as_str(),
            "application/json" | "application/xml" | "application/javascript"
        );
    match std::str::from_utf8(body) {
        Ok(body) if is_text => (Some(body.to_owned()), false),
        _ => {
            let encoded = base64::engine::general_purpose::STANDARD.encode(body);
            (Some(encoded), true)
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::collections::BTreeMap;

    use super::*;
    use crate::template::Route;

    fn event(uri: &str, headers: &[(&str, &str)], body: &[u8]) -> Value {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(
                header::HeaderName::from_bytes(name.as_bytes()).unwrap(),
                header::HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        let matched = Match {
            route: Route {
                method: "GET".to_owned(),
                path: "/r/{code}".to_owned(),
                package: "p".to_owned(),
            },
            parameters: BTreeMap::from([("code".to_owned(), "a b".to_owned())]),
        };
        let caller = Caller {
            peer: "127.0.0.9:5555".parse().unwrap(),
            port: 8787,
            at: "2026-03-01T12:00:00Z".parse().unwrap(),
            request_id: "id".to_owned(),
        };
        event_of("GET", &uri.parse().unwrap(), &map, body, &matched, &caller)
    }

    #[test]
    fn everything_the_gateway_puts_in_is_there() {
        let event = event(
            "/r/a%20b?x=1&x=%26&y=a+b",
            &[
                ("Host", "127.0.0.1:8787"),
                ("Accept", "text/html"),
                ("Accept", "*/*"),
                ("Cookie", "a=1; b=2"),
                ("Cookie", "c=3"),
                ("User-Agent", "Gänse"),
                ("X-Forwarded-For", "203.0.113.9"),
                ("Connection", "keep-alive"),
            ],
            b"",
        );
        let at = |pointer: &str| event.pointer(pointer).cloned().unwrap_or(Value::Null);
        assert_eq!(at("/rawPath"), "/r/a b");
        assert_eq!(at("/rawQueryString"), "x=1&x=%26&y=a+b");
        assert_eq!(at("/routeKey"), "GET /r/{code}");
        assert_eq!(
            at("/queryStringParameters"),
            json!({"x": "1,&", "y": "a b"})
        );
        assert_eq!(at("/pathParameters"), json!({"code": "a b"}));
        assert_eq!(at("/cookies"), json!(["a=1", "b=2", "c=3"]));
        assert_eq!(at("/headers/accept"), "text/html,*/*");
        assert_eq!(at("/headers/user-agent"), "Gänse");
        assert_eq!(at("/headers/cookie"), Value::Null);
        assert_eq!(at("/headers/connection"), Value::Null);
        assert_eq!(at("/headers/x-forwarded-for"), "203.0.113.9, 127.0.0.9");
        assert_eq!(at("/requestContext/http/sourceIp"), "127.0.0.9");
        assert_eq!(at("/requestContext/time"), "01/Mar/2026:12:00:00 +0000");
        assert_eq!(at("/requestContext/timeEpoch"), 1_772_366_400_000_i64);
        assert_eq!(at("/body"), Value::Null);
        assert_eq!(at("/isBase64Encoded"), false);
    }

    #[test]
    fn only_known_text_comes_as_text() {
        let json = event("/r/x", &[("Content-Type", "application/json")], b"{}");
        assert_eq!(json.pointer("/body").unwrap(), "{}");
        for kind in [
            "application/x-www-form-urlencoded",
            "application/octet-stream",
        ] {
            let form = event("/r/x", &[("Content-Type", kind)], b"a=1");
            assert_eq!(form.pointer("/body").unwrap(), "YT0x");
            assert_eq!(form.pointer("/isBase64Encoded").unwrap(), true);
        }
        let broken = event("/r/x", &[("Content-Type", "text/plain")], b"\xff");
        assert_eq!(broken.pointer("/isBase64Encoded").unwrap(), true);
    }

    #[test]
    fn a_header_that_is_not_utf8_is_read_as_latin_1() {
        assert_eq!(text(b"G\xe4nse"), "Gänse");
    }
}
