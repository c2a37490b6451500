//! Queries of links and lists: a link leads where its program allows, whatever is hung onto it.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kith_domain::code::ReferralCode;
use kith_domain::destination::{
    AllowedHost, Destination, LinkQuery, MAIL_ID_BYTES_MAX, TO_BYTES_MAX, UTM_NAME_BYTES_MAX,
    UTM_PARAMETERS_MAX, UTM_VALUE_BYTES_MAX,
};
use kith_edge::fields::Fields;
use kith_edge::http::Request;
use kith_edge::json::{FAULTS_MAX, Faults, POINTER_BYTES_MAX};
use serde_json::json;
use url::Url;

use crate::text;

const HOME: &str = "https://bakery.example/welcome?shop=1&ref=old&utm_source=site#top";
const ALLOWED: &str = "cakes.example";
const TOKEN: &str = "AQECAwQ";
/// Three times as long when every byte is percent-encoded.
const LOCATION_BYTES_MAX: usize =
    3 * (TO_BYTES_MAX + UTM_PARAMETERS_MAX * (UTM_NAME_BYTES_MAX + UTM_VALUE_BYTES_MAX)) + 2_048;

/// A request of the gateway's.
pub(crate) fn request(
    method: &str,
    query: &str,
    headers: &BTreeMap<&str, &str>,
    body: &[u8],
) -> Request {
    let event = json!({
        "rawPath": "/", "rawQueryString": query, "headers": headers,
        "requestContext": {"http": {"method": method}},
        "body": STANDARD.encode(body), "isBase64Encoded": true,
    });
    let event = serde_json::value::to_raw_value(&event).unwrap();
    Request::of_event(&event, 0).unwrap()
}

/// Reads the bytes as the query of a link and of a list, and as a form.
pub fn queries(data: &[u8]) {
    let raw = text(data);
    let query = LinkQuery::parse(&raw);
    assert_eq!(query, LinkQuery::parse(&raw));
    assert!(
        query
            .mail_id
            .as_ref()
            .is_none_or(|id| id.len() <= MAIL_ID_BYTES_MAX)
    );
    let home: Destination = HOME.parse().unwrap();
    let allowed: [AllowedHost; 1] = [ALLOWED.parse().unwrap()];
    let code: ReferralCode = "ANN-BAKES".parse().unwrap();
    for token in [None, Some(TOKEN)] {
        let location = home.redirect(&allowed, &query, &code, token);
        leads_home(&location, token);
    }
    for form in [false, true] {
        let mut faults = Faults::default();
        let mut fields = if form {
            let kind = BTreeMap::from([("content-type", "application/x-www-form-urlencoded")]);
            Fields::of_form(&request("POST", "", &kind, data)).ok()
        } else {
            Some(Fields::of_query(&request(
                "GET",
                &raw,
                &BTreeMap::new(),
                b"",
            )))
        };
        if let Some(mut fields) = fields.take() {
            let page = fields.page(&mut faults);
            assert!((1..=100).contains(&page.limit));
            assert!(
                page.cursor
                    .as_ref()
                    .is_none_or(|cursor| cursor.len() <= 5_120)
            );
            let _ = fields.integer_in("score", 0..=10_u8, &mut faults);
            let _ = fields.string("comment", &mut faults);
            fields.finish(&mut faults);
            refusal_is_bounded(faults, if form { "/" } else { "/query" });
        }
    }
}

fn leads_home(location: &str, token: Option<&str>) {
    assert!(
        location.is_ascii() && location.len() <= LOCATION_BYTES_MAX,
        "{location}"
    );
    assert!(
        location.bytes().all(|byte| byte.is_ascii_graphic()),
        "{location:?} would end a header"
    );
    let url = Url::parse(location).unwrap();
    assert_eq!(url.scheme(), "https");
    assert!(
        matches!(url.host_str(), Some("bakery.example" | ALLOWED)),
        "{location}"
    );
    assert_eq!(
        (url.port(), url.username(), url.password()),
        (None, "", None)
    );
    let values = |name: &str| {
        let pairs = url.query_pairs().filter(|(known, _)| known == name);
        pairs
            .map(|(_, value)| value.into_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(values("ref"), ["ANN-BAKES"], "{location}");
    let tokens: Vec<String> = token.map(str::to_owned).into_iter().collect();
    assert_eq!(values("kith_click"), tokens, "{location}");
}

/// A refusal lists so many faults at most, each at a pointer, and is not longer than what was sent makes it.
pub(crate) fn refusal_is_bounded(faults: Faults, base: &str) {
    let Err(problem) = faults.into_result() else {
        return;
    };
    assert!((1..=FAULTS_MAX).contains(&problem.errors().len()));
    let mut bytes = problem.detail().len();
    for fault in problem.errors() {
        let pointer = fault.pointer.as_str();
        assert!(pointer.is_empty() || pointer.starts_with(base), "{pointer}");
        assert!(pointer.len() <= POINTER_BYTES_MAX, "{}", pointer.len());
        assert!(
            fault.detail.len() <= DETAIL_BYTES_MAX,
            "{}",
            fault.detail.len()
        );
        bytes += pointer.len() + fault.detail.len();
    }
    assert!(bytes <= REFUSAL_BYTES_MAX, "{bytes}");
}

/// What a refusal says at most.
pub(crate) const DETAIL_BYTES_MAX: usize = 1_024;
pub(crate) const REFUSAL_BYTES_MAX: usize = 100 * 1_024;
