//! A request as the gateway delivers it: payload 2.0 of an HTTP API.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use kith_domain::limit::Standing;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde::de::Error;
use serde_json::value::RawValue;

use super::Problem;
use crate::config::Origin;
use crate::function::FunctionError;

/// The most parameters of a query, or of a form, that are looked at.
pub(crate) const PAIRS_MAX: usize = 100;

/// One HTTP request.
#[derive(Debug, Clone)]
pub struct Request {
    method: Method,
    path: String,
    route_key: String,
    domain_name: String,
    path_parameters: BTreeMap<String, String>,
    raw_query: String,
    query: Vec<(String, String)>,
    query_is_cut: bool,
    headers: BTreeMap<String, String>,
    cookies: Vec<String>,
    body: Vec<u8>,
    source_address: Option<IpAddr>,
    standing: Arc<OnceLock<Standing>>,
}

impl Request {
    /// Reads an event. `proxy_hops` is how many trusted proxies stand before the gateway.
    ///
    /// # Errors
    /// [`FunctionError::UnreadableEvent`] when the event is not one of an HTTP API.
    pub fn of_event(event: &RawValue, proxy_hops: u8) -> Result<Self, FunctionError> {
        let event: Event<'_> =
            serde_json::from_str(event.get()).map_err(FunctionError::UnreadableEvent)?;
        Self::read(event, proxy_hops).map_err(FunctionError::UnreadableEvent)
    }

    fn read(event: Event<'_>, proxy_hops: u8) -> Result<Self, serde_json::Error> {
        let context = event.request_context;
        let method = Method::from_bytes(context.http.method.as_bytes())
            .map_err(|_| serde_json::Error::custom("the method is not one"))?;
        let body = event.body.unwrap_or_default();
        let body = if event.is_base64_encoded {
            STANDARD
                .decode(body.as_bytes())
                .map_err(|_| serde_json::Error::custom("the body is not base64"))?
        } else {
            body.into_bytes()
        };
        // The gateway sends names in lower case.
        let headers = event.headers;
        let source_address = source_address(
            &context.http.source_ip,
            headers.get("x-forwarded-for").map(String::as_str),
            proxy_hops,
        );
        let mut pairs = form_urlencoded::parse(event.raw_query_string.as_bytes()).into_owned();
        let query = pairs.by_ref().take(PAIRS_MAX).collect();
        let query_is_cut = pairs.next().is_some();
        Ok(Self {
            method,
            path: event.raw_path.into_owned(),
            route_key: event.route_key.into_owned(),
            domain_name: context.domain_name.into_owned(),
            path_parameters: event.path_parameters.unwrap_or_default(),
            raw_query: event.raw_query_string.into_owned(),
            query,
            query_is_cut,
            headers,
            cookies: event.cookies.unwrap_or_default(),
            body,
            source_address,
            standing: Arc::default(),
        })
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The path as it was sent: parts of it may be secrets, so it is not logged.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The gateway's route, such as `GET /r/{code}` or `$default`.
    #[must_use]
    pub fn route_key(&self) -> &str {
        &self.route_key
    }

    /// A part of the path by its name in the route, percent-decoded; `None` also when it does not
    /// decode.
    #[must_use]
    pub fn path_parameter(&self, name: &str) -> Option<Cow<'_, str>> {
        let raw = self.path_parameters.get(name)?;
        // Gateways differ in whether they decode; no value of ours holds a percent sign, so
        // decoding twice does no harm.
        decode_strictly(raw)
    }

    /// A typed part of the path; what does not parse is not found. `what` names the thing.
    ///
    /// # Errors
    /// 404.
    pub fn path_value<T: FromStr>(&self, name: &str, what: &str) -> Result<T, Problem> {
        self.path_parameter(name)
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| Problem::not_found(what))
    }

    /// What was called, by the gateway's and the caller's word: scheme and host.
    pub(super) fn called_address(&self) -> String {
        let scheme = self.header("x-forwarded-proto").unwrap_or("https");
        let host = self.header("host").unwrap_or(&self.domain_name);
        format!("{scheme}://{host}")
    }

    /// The call that a call of many makes for each of them: the path without its end, and no body yet.
    pub(super) fn single(&self, path_end: &str) -> Self {
        let mut single = self.clone();
        if let Some(path) = self.path.strip_suffix(path_end) {
            path.clone_into(&mut single.path);
        }
        let kind = "application/json".to_owned();
        single.headers.insert("content-type".to_owned(), kind);
        single.body = Vec::new();
        single
    }

    /// The same call with a body, as one of many: each has an idempotency key of its own, if the call
    /// of many has one.
    pub(super) fn with_body(&self, body: Vec<u8>, number: usize) -> Self {
        let mut one = self.clone();
        one.body = body;
        // Each of them counts as a call of its own.
        one.standing = Arc::default();
        if let Some(key) = one.headers.get_mut("idempotency-key") {
            key.push_str(&format!(":{number}"));
        }
        one
    }

    pub(crate) fn set_path_parameters(&mut self, parameters: BTreeMap<String, String>) {
        self.path_parameters = parameters;
    }

    /// The query as it was sent, without its `?`.
    #[must_use]
    pub fn raw_query(&self) -> &str {
        &self.raw_query
    }

    /// Whether the query has more parameters than are looked at. Links lead on all the same; calls of
    /// the API are refused.
    pub(crate) fn query_is_cut(&self) -> bool {
        self.query_is_cut
    }

    /// The parameters of the query in their order, decoded; `+` is a space.
    #[must_use]
    pub fn query(&self) -> &[(String, String)] {
        &self.query
    }

    /// The first parameter of this name.
    #[must_use]
    pub fn query_value(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// A header by its name in lower case. Repeated ones are joined by commas.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The first cookie of this name.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies
            .iter()
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    }

    /// The body, decoded.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The media type of the body in lower case, without parameters.
    #[must_use]
    pub fn content_type(&self) -> Option<String> {
        let value = self.header("content-type")?;
        let (essence, _) = value.split_once(';').unwrap_or((value, ""));
        Some(essence.trim().to_ascii_lowercase())
    }

    /// Whether the caller would rather have JSON than a page: `Accept` names JSON and not HTML.
    #[must_use]
    pub fn prefers_json(&self) -> bool {
        let Some(accept) = self.header("accept") else {
            return false;
        };
        let accept = accept.to_ascii_lowercase();
        let names = |kind: &str| {
            accept
                .split(',')
                .filter_map(|range| range.split(';').next())
                .any(|range| range.trim() == kind)
        };
        (names("application/json") || names("application/problem+json")) && !names("text/html")
    }

    /// The first of these media types that `Accept` names, whatever weight it gives them.
    #[must_use]
    pub fn accepts<'a>(&self, kinds: &[&'a str]) -> Option<&'a str> {
        let accept = self.header("accept")?;
        let named: Vec<&str> = accept
            .split(',')
            .filter_map(|range| range.split(';').next())
            .map(str::trim)
            .collect();
        let names = |kind: &&str| named.iter().any(|range| range.eq_ignore_ascii_case(kind));
        kinds.iter().copied().find(names)
    }

    /// The language that the browser prefers: the first tag of `Accept-Language`.
    #[must_use]
    pub fn preferred_language(&self) -> Option<&str> {
        let tags = self.header("accept-language")?;
        tags.split([',', ';']).next()
    }

    /// Who called: the address before the trusted proxies. Personal data: hashed at once, never
    /// logged or stored.
    #[must_use]
    pub fn source_address(&self) -> Option<IpAddr> {
        self.source_address
    }

    /// What its caller is told of the limit that it was counted towards, once it was.
    pub(crate) fn standing(&self) -> &Arc<OnceLock<Standing>> {
        &self.standing
    }

    /// The origin that links begin with: the configured one, or the host that was called.
    ///
    /// # Errors
    /// 400 when nothing is configured and the host is not one.
    pub fn origin(&self, configured: Option<&Origin>) -> Result<Origin, Problem> {
        match configured {
            Some(origin) => Ok(origin.clone()),
            None => Origin::of_host(&self.domain_name)
                .map_err(|_| Problem::unreadable_body("the host of the request is not one")),
        }
    }
}

/// Decodes percent-encoding; `None` when it is malformed or does not decode to UTF-8.
pub(super) fn decode_strictly(raw: &str) -> Option<Cow<'_, str>> {
    let well_formed = raw.split('%').skip(1).all(|rest| {
        rest.get(..2)
            .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    });
    if !well_formed {
        return None;
    }
    percent_decode_str(raw).decode_utf8().ok()
}

/// The caller's address: the gateway's own sight of it, or the `hops`-th one before that, counted
/// from the right, since what stands further left is the caller's to invent.
fn source_address(gateway_sees: &str, forwarded_for: Option<&str>, hops: u8) -> Option<IpAddr> {
    let direct = address(gateway_sees);
    if hops == 0 {
        return direct;
    }
    let forwarded = forwarded_for.unwrap_or_default();
    let mut before = forwarded.rsplit(',').map(address).peekable();
    // The gateway appends what it sees to the list; what calls functions elsewhere may not.
    if before.peek().is_some_and(|last| *last == direct) {
        before.next();
    }
    let proxies = usize::from(hops).saturating_sub(1);
    before.nth(proxies).flatten().or(direct)
}

fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let plain = text.parse::<IpAddr>().ok();
    plain.or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    #[serde(borrow)]
    raw_path: Cow<'a, str>,
    #[serde(borrow, default)]
    raw_query_string: Cow<'a, str>,
    #[serde(borrow, default)]
    route_key: Cow<'a, str>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    cookies: Option<Vec<String>>,
    path_parameters: Option<BTreeMap<String, String>>,
    #[serde(borrow)]
    request_context: Context<'a>,
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Context<'a> {
    #[serde(borrow, default)]
    domain_name: Cow<'a, str>,
    #[serde(borrow)]
    http: HttpContext<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HttpContext<'a> {
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow, default)]
    source_ip: Cow<'a, str>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn event() -> Value {
        json!({
            "version": "2.0",
            "routeKey": "GET /r/{code}",
            "rawPath": "/r/Ann%2DBakes",
            "rawQueryString": "ch=e+mail&utm_source=a%26b&bad=%zz&empty",
            "cookies": ["kith_click=abc", "other=1; second=2"],
            "headers": {
                "accept": "application/json;q=0.9, */*",
                "content-type": "Application/JSON; charset=utf-8",
                "x-forwarded-for": "10.9.9.9, 198.51.100.7, 203.0.113.9"
            },
            "queryStringParameters": {"ch": "e mail"},
            "pathParameters": {"code": "Ann%2DBakes", "bad": "100%"},
            "requestContext": {
                "accountId": "123456789012",
                "domainName": "abc.execute-api.eu-west-1.amazonaws.com",
                "http": {"method": "GET", "path": "/r/Ann-Bakes", "protocol": "HTTP/1.1", "sourceIp": "203.0.113.9", "userAgent": "x"},
                "requestId": "JKJaXmPLvHcESHA=",
                "timeEpoch": 1_583_348_638_390_i64
            },
            "isBase64Encoded": false
        })
    }

    fn read(event: &Value, hops: u8) -> Request {
        let raw = serde_json::value::to_raw_value(event).unwrap();
        Request::of_event(&raw, hops).unwrap()
    }

    #[test]
    fn an_event_is_read() {
        let request = read(&event(), 0);
        assert_eq!(request.method(), Method::GET);
        assert_eq!(request.path_parameter("code").as_deref(), Some("Ann-Bakes"));
        assert_eq!(request.path_parameter("bad"), None);
        assert_eq!(request.query_value("ch"), Some("e mail"));
        assert_eq!(request.query_value("utm_source"), Some("a&b"));
        assert_eq!(request.query_value("bad"), Some("%zz"));
        assert_eq!(request.query_value("empty"), Some(""));
        assert_eq!(request.cookie("kith_click"), Some("abc"));
        assert_eq!(request.cookie("second"), Some("2"));
        assert_eq!(request.cookie("third"), None);
        assert_eq!(request.content_type().as_deref(), Some("application/json"));
        assert!(request.prefers_json());
        assert_eq!(
            request.origin(None).unwrap().as_str(),
            "https://abc.execute-api.eu-west-1.amazonaws.com"
        );
    }

    #[test]
    fn a_binary_body_is_decoded() {
        let mut event = event();
        event["body"] = json!("eyJhIjoxfQ==");
        event["isBase64Encoded"] = json!(true);
        assert_eq!(read(&event, 0).body(), br#"{"a":1}"#);
        event["body"] = json!("!");
        let raw = serde_json::value::to_raw_value(&event).unwrap();
        assert!(Request::of_event(&raw, 0).is_err());
    }

    #[test]
    fn what_is_not_a_request_is_refused() {
        for text in ["{}", "[]", "null", r#"{"Records": []}"#] {
            let raw = RawValue::from_string(text.to_owned()).unwrap();
            let error = Request::of_event(&raw, 0).unwrap_err();
            assert!(matches!(error, FunctionError::UnreadableEvent(_)), "{text}");
        }
    }

    /// Whatever a caller writes into the header itself must never be believed.
    #[test]
    fn the_source_address_is_counted_from_the_right() {
        let appended = "10.9.9.9, 198.51.100.7, 203.0.113.9";
        for (seen, forwarded, hops, expected) in [
            ("203.0.113.9", Some(appended), 0, "203.0.113.9"),
            ("203.0.113.9", Some(appended), 1, "198.51.100.7"),
            ("203.0.113.9", Some(appended), 2, "10.9.9.9"),
            ("203.0.113.9", Some(appended), 3, "203.0.113.9"),
            ("127.0.0.1", Some("198.51.100.7"), 1, "198.51.100.7"),
            ("127.0.0.1", Some("junk"), 1, "127.0.0.1"),
            ("127.0.0.1", None, 1, "127.0.0.1"),
            ("::1", Some("[2001:db8::1]:443"), 1, "2001:db8::1"),
        ] {
            let found = source_address(seen, forwarded, hops).map(|address| address.to_string());
            assert_eq!(found.as_deref(), Some(expected), "{forwarded:?} {hops}");
        }
    }

    #[test]
    fn only_callers_that_ask_for_json_alone_prefer_it() {
        for (accept, expected) in [
            ("application/json", true),
            ("application/problem+json, */*", true),
            ("text/html,application/xhtml+xml,application/json", false),
            ("*/*", false),
            ("", false),
        ] {
            let mut event = event();
            event["headers"]["accept"] = json!(accept);
            assert_eq!(read(&event, 0).prefers_json(), expected, "{accept}");
        }
    }
}
