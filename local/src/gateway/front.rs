//! The loopback server in front of the functions.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::ConnectInfo;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use tokio::net::TcpListener;

use super::event::decoded_path;
use super::{
    Answer, BODY_BYTES_MAX, Caller, HEAD_BYTES_MAX, INTEGRATION_TIMEOUT, Match, Routes, answer_of,
    event_of, refusal,
};
use crate::functions::InvocationError;
use crate::host::{Host, short};
use crate::mail::Document;

/// What JSON may do when somebody opens it as a page.
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'";
/// How many mails `/local/mail` shows.
const MAILS_SHOWN: u32 = 200;

/// Answers the requests of browsers and backends.
#[derive(Debug)]
pub(crate) struct Front {
    pub(crate) host: Host,
    pub(crate) routes: Routes,
    pub(crate) port: u16,
}

/// Serves until the host stops, finishing what has begun.
pub(crate) async fn serve(listener: TcpListener, front: Front) {
    let host = front.host.clone();
    let front = Arc::new(front);
    let router = axum::Router::new().fallback(
        move |ConnectInfo(peer): ConnectInfo<SocketAddr>, request: Request<Body>| {
            let front = Arc::clone(&front);
            async move { front.answer(peer, request).await.map(Body::from) }
        },
    );
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let served = axum::serve(listener, service)
        .with_graceful_shutdown(async move { host.stopped().await })
        .await;
    if let Err(error) = served {
        tracing::error!(error = %error, "the HTTP front ended");
    }
}

impl Front {
    async fn answer(&self, peer: SocketAddr, request: Request<Body>) -> Answer {
        let (parts, body) = request.into_parts();
        let path = decoded_path(&parts.uri);
        if path == "/local" || path.starts_with("/local/") {
            let wants_json = parts
                .headers
                .get(header::ACCEPT)
                .and_then(|accept| accept.to_str().ok())
                .is_some_and(|accept| accept.contains("application/json"));
            return self.answer_locally(&parts.method, &path, wants_json);
        }
        if head_bytes(&parts) > HEAD_BYTES_MAX {
            let message = "Request Header Fields Too Large";
            return refusal(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, message);
        }
        let Ok(body) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
            return refusal(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
        };
        let Some(matched) = self.routes.select(parts.method.as_str(), &path) else {
            return refusal(StatusCode::NOT_FOUND, "Not Found");
        };
        let caller = Caller {
            peer,
            port: self.port,
            at: self.host.clock.now(),
            request_id: crate::random::uuid(&*self.host.randomness),
        };
        let event = event_of(
            parts.method.as_str(),
            &parts.uri,
            &parts.headers,
            &body,
            &matched,
            &caller,
        );
        let started = Instant::now();
        let mut answer = self.invoke(&matched, event.to_string()).await;
        if let Ok(id) = HeaderValue::from_str(&caller.request_id) {
            answer
                .headers_mut()
                .insert(HeaderName::from_static("apigw-requestid"), id);
        }
        self.host.step(
            &matched.route.package,
            answer.status().as_u16().to_string(),
            subject(&parts.method, &path, &matched),
            Some(started.elapsed()),
        );
        answer
    }

    async fn invoke(&self, matched: &Match, event: String) -> Answer {
        let invocation = self.host.functions.invoke(&matched.route.package, event);
        match tokio::time::timeout(INTEGRATION_TIMEOUT, invocation).await {
            Ok(Ok(returned)) => answer_of(returned.get()),
            Ok(Err(error)) => {
                if !matches!(error, InvocationError::Failed(_)) {
                    tracing::warn!(outcome = short(&error), "a request was not answered");
                }
                refusal(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
            }
            Err(_) => refusal(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"),
        }
    }

    /// What is only on this machine.
    fn answer_locally(&self, method: &Method, path: &str, wants_json: bool) -> Answer {
        let Some(rest) = path.strip_prefix("/local/mail") else {
            return refusal(StatusCode::NOT_FOUND, "Not Found");
        };
        if method != Method::GET && method != Method::HEAD {
            return refusal(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
        }
        let Ok(mails) = self.host.services.mails.list(MAILS_SHOWN) else {
            return refusal(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");
        };
        if let Some(id) = rest.strip_prefix('/') {
            let mail = mails.iter().find(|mail| mail.id == id);
            return mail
                .and_then(crate::mail::part)
                .map_or_else(|| refusal(StatusCode::NOT_FOUND, "Not Found"), page);
        }
        if !rest.is_empty() {
            return refusal(StatusCode::NOT_FOUND, "Not Found");
        }
        if wants_json {
            let list = crate::mail::list(&mails).to_string();
            return local("application/json", list, NOTHING);
        }
        crate::mail::page(&mails).map_or_else(
            |_| refusal(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
            page,
        )
    }
}

/// The bytes of the request line and of the values of the headers.
fn head_bytes(parts: &Parts) -> usize {
    let values = parts.headers.values().map(HeaderValue::len);
    let target = parts
        .uri
        .path_and_query()
        .map_or(0, |uri| uri.as_str().len());
    let line = parts.method.as_str().len().saturating_add(target);
    values.fold(line, usize::saturating_add)
}

fn page(document: Document) -> Answer {
    local("text/html; charset=utf-8", document.html, &document.policy)
}

fn local(content_type: &'static str, body: String, policy: &str) -> Answer {
    let mut answer = Response::new(Bytes::from(body));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    if let Ok(policy) = HeaderValue::from_str(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    answer
}

/// The request without what identifies somebody: words stay, everything else is `…`.
fn subject(method: &Method, path: &str, matched: &Match) -> String {
    let template = if matched.route.path == "$default" {
        path
    } else {
        &matched.route.path
    };
    let mut after_codes = false;
    let words: Vec<&str> = template
        .split('/')
        .map(|segment| {
            let is_word = segment.len() <= 20
                && segment
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'-' | b'.'));
            let is_word = is_word || segment == "v1";
            let shown = if is_word && !after_codes {
                segment
            } else {
                "…"
            };
            after_codes = segment == "codes";
            shown
        })
        .collect();
    format!("{method} {}", words.join("/"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::template::Route;

    #[test]
    fn a_step_names_nobody() {
        let matched = |path: &str| Match {
            route: Route {
                method: "GET".to_owned(),
                path: path.to_owned(),
                package: "p".to_owned(),
            },
            parameters: BTreeMap::new(),
        };
        let shown = |path: &str, route: &str| subject(&Method::GET, path, &matched(route));
        assert_eq!(shown("/r/annbakes", "/r/{code}"), "GET /r/…");
        assert_eq!(
            shown(
                "/v1/programs/prg_01/participants/par_1/codes/annbakes",
                "$default"
            ),
            "GET /v1/programs/…/participants/…/codes/…"
        );
        assert_eq!(shown("/healthz", "$default"), "GET /healthz");
    }
}
