//! What every answer tells browsers not to do, whichever handler made it.

use super::{Request, Response};

/// A year of HTTPS only, for this host alone: what stands beside it belongs to others.
const HTTPS_ONLY: &str = "max-age=31536000";
/// What is not a page has nothing to run or to load, should somebody open it as one.
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'";
/// No page of ours asks for any of these.
const NO_DEVICES: &str =
    "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()";

/// How a request reached the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Guard {
    is_https: bool,
}

impl Guard {
    /// For the answer to a request. The gateway says how it was reached; plain HTTP is one machine's only.
    pub(super) fn of(request: &Request) -> Self {
        Self {
            is_https: request.header("x-forwarded-proto") == Some("https"),
        }
    }

    /// The answer with its headers, of which the handler's own stay. A redirect keeps the visitor's referrer, by which the
    /// shop learns where its visitors come from.
    pub(super) fn on(self, response: Response) -> Response {
        let mut response = response;
        if self.is_https {
            response = unless_set(response, "strict-transport-security", HTTPS_ONLY);
        }
        if (300..400).contains(&response.status()) {
            return response;
        }
        let is_page = response
            .header_value("content-type")
            .is_some_and(|kind| kind.starts_with("text/html"));
        if is_page {
            response = unless_set(response, "permissions-policy", NO_DEVICES);
            response = unless_set(response, "x-frame-options", "DENY");
        }
        let response = unless_set(response, "content-security-policy", NOTHING);
        unless_set(response, "referrer-policy", "no-referrer")
    }
}

fn unless_set(response: Response, name: &'static str, value: &str) -> Response {
    if response.header_value(name).is_some() {
        response
    } else {
        response.header(name, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 6] = [
        "strict-transport-security",
        "content-security-policy",
        "referrer-policy",
        "x-content-type-options",
        "x-frame-options",
        "permissions-policy",
    ];

    fn set(response: Response, is_https: bool) -> Vec<&'static str> {
        let response = Guard { is_https }.on(response);
        NAMES
            .into_iter()
            .filter(|name| response.header_value(name).is_some())
            .collect()
    }

    #[test]
    fn every_answer_is_guarded_and_pages_more() {
        let json = Response::json_text(200, "{}".to_owned());
        assert_eq!(set(json.clone(), true), NAMES[..4]);
        assert_eq!(set(json, false), NAMES[1..4]);
        assert_eq!(set(Response::html(200, String::new()), true), NAMES);
        let redirect = Response::redirect(302, "https://bakery.example");
        assert_eq!(set(redirect, true), [NAMES[0], NAMES[3]]);
    }

    #[test]
    fn what_a_handler_says_stays() {
        let own = Response::html(200, String::new()).header("content-security-policy", "own");
        let guarded = Guard { is_https: true }.on(own);
        assert_eq!(guarded.header_value("content-security-policy"), Some("own"));
    }
}
