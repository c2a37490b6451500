//! `GET /r/{code}` and `/t/{code}`: the redirect, and the click where there is one.

use std::sync::Arc;

use kith_domain::code::ReferralCode;
use kith_domain::destination::{CLICK_PARAMETER, LinkQuery};
use kith_domain::mode::Mode;
use kith_domain::program::days;
use kith_domain::token::{ClickToken, open_mail_id};
use kith_domain::visitor::{Visit, Visitor, gpc_opt_out};
use kith_edge::Invocation;
use kith_edge::causes::Causes;
use kith_edge::http::{Problem, Request, Response};
use kith_pages::{DeadLink, Language, LinkNotFound, Page, Unavailable};
use kith_store::StoreError;
use kith_store::items::LinkTarget;

use crate::LinkCapture;
use crate::links::Link;
use crate::record::{Click, touch};
use crate::referer::class_of;

/// After how many seconds a visitor may try again.
const RETRY_AFTER_SECONDS: u32 = 2;

/// What following a link comes to, besides the redirect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Treatment {
    /// Nothing: no click, no token, no cookie.
    Plain,
    /// A click of nobody, and neither token nor cookie.
    Anonymous,
    /// A click of this visitor, with token and cookie.
    Tracked,
}

/// Machines leave nothing behind, and neither does anybody where links do not count; who opts out,
/// or has not been asked although they must be, is counted and not known.
fn treatment(visitor: Visitor, opts_out: bool, target: &LinkTarget) -> Treatment {
    if !visitor.counts() || !target.counts_clicks {
        Treatment::Plain
    } else if opts_out || target.tracking_required {
        Treatment::Anonymous
    } else {
        Treatment::Tracked
    }
}

/// Follows a link.
///
/// # Errors
/// Problems, for callers who prefer them to pages: 404 for a code that leads nowhere, 503 when that
/// cannot be known.
pub(crate) async fn follow(
    capture: Arc<LinkCapture>,
    mode: Mode,
    request: Request,
    invocation: Invocation,
) -> Result<Response, Problem> {
    let code = request.path_parameter("code");
    let Some(code) = code.and_then(|text| text.parse::<ReferralCode>().ok()) else {
        return not_found(&request);
    };
    let visitor = classify(&request);
    let opts_out = gpc_opt_out(request.header("sec-gpc"));
    let with_day_key = visitor.counts() && !opts_out;
    let (failures, now) = (capture.gate.limits().failures(), capture.desk().real_now());
    let is_known = mode == Mode::Live && capture.links.knows(&code, now);
    if !is_known && let Err(problem) = failures.check(request.source_address(), now) {
        return too_many(&request, problem);
    }
    let found = capture
        .links
        .find(&invocation, mode, &code, with_day_key)
        .await;
    let link = match found {
        Ok(Some(link)) => link,
        Ok(None) => {
            if !is_known {
                failures.count(request.source_address(), now);
            }
            return not_found(&request);
        }
        Err(error) => return unavailable(&request, error),
    };
    let query = LinkQuery::parse(request.raw_query());
    let token = match treatment(visitor, opts_out, &link.target) {
        Treatment::Plain => None,
        Treatment::Anonymous => {
            let click = Click {
                channel: query.channel,
                referer: class_of(request.header("referer")),
                // Whom a mail went to is known: the link in it would say who clicked.
                mail_id: None,
                identity: capture.nobody(link.now),
                recorded_by: None,
            };
            capture.record_or_lose(&invocation, &link, &click).await;
            None
        }
        Treatment::Tracked => Some(capture.track(&request, &invocation, &link, &query).await),
    };
    let location = link.target.destination.redirect(
        &link.target.allowed_hosts,
        &query,
        &link.record.code,
        token.as_deref(),
    );
    let response = Response::redirect(302, &location);
    Ok(match token {
        Some(token) => response.cookie(cookie(&token, link.target.window_days)),
        None => response,
    })
}

impl LinkCapture {
    /// Records the click of a visitor, and makes the token of it, which continues the one that the
    /// visitor brought.
    async fn track(
        &self,
        request: &Request,
        invocation: &Invocation,
        link: &Link,
        query: &LinkQuery<'_>,
    ) -> String {
        let mail_id = query
            .mail_id
            .as_deref()
            .and_then(|text| open_mail_id(&self.token_keys, text));
        let identity = match &link.day_key {
            Some(day_key) => Self::visitor(link, request, day_key),
            None => self.nobody(link.now),
        };
        let click = Click {
            channel: query.channel,
            referer: class_of(request.header("referer")),
            mail_id,
            identity,
            recorded_by: None,
        };
        if link.day_key.is_some() {
            self.record_or_lose(invocation, link, &click).await;
        } else {
            // Written under a random id it would be counted as often as the visitor comes back.
            self.lose();
        }
        let presented = request
            .cookie(CLICK_PARAMETER)
            .and_then(|text| ClickToken::open(&self.token_keys, text));
        let program = link.record.program_id;
        ClickToken::of_touch(program, presented, touch(link, &click), mail_id)
            .seal(&self.token_keys)
    }
}

fn classify(request: &Request) -> Visitor {
    Visitor::classify(&Visit {
        method_is_head: request.method() == http::Method::HEAD,
        user_agent: request.header("user-agent"),
        sec_purpose: request.header("sec-purpose"),
        purpose: request.header("purpose"),
        x_purpose: request.header("x-purpose"),
        x_moz: request.header("x-moz"),
    })
}

fn cookie(token: &str, window_days: u16) -> String {
    let seconds = days(window_days).as_secs();
    format!("{CLICK_PARAMETER}={token}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={seconds}")
}

/// An unknown code, a disabled one and what never was one are answered alike.
fn not_found(request: &Request) -> Result<Response, Problem> {
    if request.prefers_json() {
        return Err(Problem::not_found("link"));
    }
    let link = DeadLink::Referral;
    let language = language(request);
    Ok(page(404, &LinkNotFound { link, language }.render()))
}

/// An address that tried too many codes that lead nowhere waits, unless the code is known here.
fn too_many(request: &Request, problem: Problem) -> Result<Response, Problem> {
    if request.prefers_json() {
        return Err(problem);
    }
    let language = language(request);
    let response = page(429, &Unavailable { language }.render());
    Ok(response.header("retry-after", RETRY_AFTER_SECONDS.to_string()))
}

fn unavailable(request: &Request, error: StoreError) -> Result<Response, Problem> {
    if request.prefers_json() {
        return Err(Problem::unavailable(RETRY_AFTER_SECONDS).caused_by(error));
    }
    tracing::warn!(error = %Causes(&error), "a link could not be followed");
    let language = language(request);
    let response = page(503, &Unavailable { language }.render());
    Ok(response.header("retry-after", RETRY_AFTER_SECONDS.to_string()))
}

fn language(request: &Request) -> Language {
    Language::of_locale(request.preferred_language())
}

fn page(status: u16, page: &Page) -> Response {
    Response::page(status, page.body(), page.headers())
}

#[cfg(test)]
mod tests;
