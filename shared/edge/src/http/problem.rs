//! Refusals as RFC 9457 describes them: `application/problem+json`.
//!
//! `type` is the address of the page that explains the code. `code` repeats it for clients, and is
//! the contract; `detail` is for people and may change.

use kith_contract::answers::{self, More};
use kith_contract::problems::Code;
use kith_domain::id::ApiKeyId;
use kith_domain::program::ProgramState;

use super::Response;

pub use kith_contract::answers::Fault;

/// What went wrong underneath: logged, never shown.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a request was not done. Everything but [`Self::cause`] is for the client and safe to show.
#[derive(Debug)]
pub struct Problem(Box<Parts>);

#[derive(Debug)]
struct Parts {
    code: Code,
    detail: String,
    errors: Vec<Fault>,
    retry_after: Option<u32>,
    allow: Option<String>,
    more: More,
    cause: Option<BoxError>,
}

impl Problem {
    /// A problem of the catalogue; `detail` tells of this case what the catalogue cannot.
    #[must_use]
    pub fn of(code: Code, detail: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            code,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: None,
            allow: None,
            more: More::default(),
            cause: None,
        }))
    }

    /// 400: the request cannot be read.
    #[must_use]
    pub fn unreadable_body(detail: impl Into<String>) -> Self {
        Self::of(Code::UnreadableBody, detail)
    }

    /// 401: no valid credentials.
    #[must_use]
    pub fn unauthenticated() -> Self {
        Self::of(
            Code::Unauthenticated,
            "Send an API key as `Authorization: Bearer <key>`.",
        )
    }

    /// 401: a key that opens nothing: whether it ever did is not told.
    #[must_use]
    pub fn no_such_key() -> Self {
        Self::of(
            Code::Unauthenticated,
            "The key opens nothing here: it is misspelled, was revoked, or belongs elsewhere.",
        )
    }

    /// 401: the right secret of a key whose time is over.
    #[must_use]
    pub fn key_expired(key: ApiKeyId, replaced_by: Option<ApiKeyId>) -> Self {
        let detail = match replaced_by {
            Some(successor) => format!("The key {key} has expired; {successor} replaced it."),
            None => format!("The key {key} has expired."),
        };
        Self::of(Code::KeyExpired, detail)
    }

    /// 403: a known caller without the scope.
    #[must_use]
    pub fn missing_scope(scope: &str) -> Self {
        Self::of(
            Code::MissingScope,
            format!("The key lacks the scope {scope}."),
        )
    }

    /// 404: missing, or not the caller's to see; the two are answered alike.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Self::of(Code::NotFound, format!("There is no such {what}."))
    }

    /// 405, with the methods that the path has.
    #[must_use]
    pub fn method_not_allowed(allow: impl Into<String>) -> Self {
        let allow = allow.into();
        let mut problem = Self::of(Code::MethodNotAllowed, format!("The path has: {allow}."));
        problem.0.allow = Some(allow);
        problem
    }

    /// 409 that may pass when repeated: somebody wrote in between.
    #[must_use]
    pub fn race(what: &str) -> Self {
        Self::of(
            Code::ConcurrentChange,
            format!("The {what} changed while it was being written."),
        )
    }

    /// 412: the version that the caller edited is not the present one.
    #[must_use]
    pub fn version_conflict() -> Self {
        Self::of(
            Code::VersionConflict,
            "`If-Match` names another version than the present one.",
        )
    }

    /// 413.
    #[must_use]
    pub fn body_too_large(bytes_max: usize) -> Self {
        Self::of(
            Code::BodyTooLarge,
            format!("A body has at most {bytes_max} bytes."),
        )
    }

    /// 415, naming the media type that is taken.
    #[must_use]
    pub fn unsupported_media_type(taken: &str) -> Self {
        Self::of(
            Code::UnsupportedMediaType,
            format!("Send the body as {taken}."),
        )
    }

    /// 422 with every fault.
    #[must_use]
    pub fn invalid_request(errors: Vec<Fault>) -> Self {
        let mut problem = Self::of(Code::InvalidRequest, "Every fault stands in `errors`.");
        problem.0.errors = errors;
        problem
    }

    /// 422: the idempotency key belongs to another request.
    #[must_use]
    pub fn idempotency_key_reused() -> Self {
        Self::of(
            Code::IdempotencyKeyReused,
            "This idempotency key was used for a different request.",
        )
    }

    /// 409 unless the program runs; `what` it does not do otherwise: `makes no offers`.
    ///
    /// # Errors
    /// `program_paused` and `program_archived`.
    pub fn unless_running(state: ProgramState, what: &str) -> Result<(), Self> {
        let (code, word) = match state {
            ProgramState::Active => return Ok(()),
            ProgramState::Paused => (Code::ProgramPaused, "paused"),
            ProgramState::Archived => (Code::ProgramArchived, "archived"),
        };
        let detail = format!("The program is {word}: it {what}.");
        Err(Self::of(code, detail))
    }

    /// 429.
    #[must_use]
    pub fn too_many_requests(retry_after_seconds: u32) -> Self {
        let mut problem = Self::of(Code::TooManyRequests, "Wait before calling again.");
        problem.0.retry_after = Some(retry_after_seconds);
        problem
    }

    /// 503: something that is needed does not answer in time. Nothing is known to have happened.
    #[must_use]
    pub fn unavailable(retry_after_seconds: u32) -> Self {
        let mut problem = Self::of(
            Code::Unavailable,
            "Repeat the request after a while, with the same idempotency key if it had one.",
        );
        problem.0.retry_after = Some(retry_after_seconds);
        problem
    }

    /// 503: there was more to count than one call counts. What was counted is kept.
    #[must_use]
    pub fn still_counting(retry_after_seconds: u32) -> Self {
        let mut problem = Self::of(
            Code::StillCounting,
            "There is more to count than one call can. What was counted is kept: repeat the call.",
        );
        problem.0.retry_after = Some(retry_after_seconds);
        problem
    }

    /// 500: our bug.
    #[must_use]
    pub fn internal(cause: impl Into<BoxError>) -> Self {
        let mut problem = Self::of(
            Code::Internal,
            "The fault is ours. It was recorded under `instance`.",
        );
        problem.0.cause = Some(cause.into());
        problem
    }

    /// With what went wrong underneath, for the log.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<BoxError>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// With faults, for refusals other than [`Self::invalid_request`] that name pointers.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<Fault>) -> Self {
        self.0.errors = errors;
        self
    }

    /// With what its code says besides.
    #[must_use]
    pub fn saying(mut self, more: More) -> Self {
        self.0.more = more;
        self
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.0.code.status()
    }

    /// Whether it is what is stored that stands in the way, and not what is said.
    pub(crate) fn is_of_state(&self) -> bool {
        matches!(self.status(), 404 | 409 | 412)
    }

    /// The stable name.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.0.code.as_str()
    }

    /// What went wrong, for people.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The faults of the request.
    #[must_use]
    pub fn errors(&self) -> &[Fault] {
        &self.0.errors
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.code.is_retryable()
    }

    /// What went wrong underneath. Not for clients.
    #[must_use]
    pub fn cause(&self) -> Option<&(dyn std::error::Error + Send + Sync + 'static)> {
        self.0.cause.as_deref()
    }

    /// The answer; `origin` is where explanations stand, and may be empty, and `instance` is the id
    /// of the request.
    #[must_use]
    pub fn into_response(self, origin: &str, instance: &str) -> Response {
        let parts = *self.0;
        let code = parts.code;
        let mut body = answers::Problem::of(code);
        body.kind.insert_str(0, origin);
        body.detail = parts.detail;
        body.instance = instance.to_owned();
        body.errors = parts.errors;
        body.more = parts.more;
        let mut response =
            Response::json(code.status(), &body).header("content-type", "application/problem+json");
        if let Some(seconds) = parts.retry_after {
            response = response.header("retry-after", seconds.to_string());
        }
        if let Some(allow) = parts.allow {
            response = response.header("allow", allow);
        }
        if code.status() == 401 {
            response = response.header("www-authenticate", "Bearer");
        }
        response
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.0.code.as_str(), self.0.detail)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_refusal_tells_everything_at_once() {
        let problem = Problem::invalid_request(vec![Fault::new("/amount/currency", "no")])
            .saying(More {
                open: Some(3),
                ..More::default()
            })
            .caused_by("secret cause");
        let response = problem.into_response("https://kith.example", "req-1");
        assert_eq!(response.status(), 422);
        assert_eq!(
            response.header_value("content-type"),
            Some("application/problem+json")
        );
        let body: Value = serde_json::from_str(response.body_text()).unwrap();
        assert_eq!(
            body,
            json!({
                "type": "https://kith.example/problems/invalid_request",
                "title": "The request is not acceptable",
                "status": 422,
                "detail": "Every fault stands in `errors`.",
                "instance": "req-1",
                "code": "invalid_request",
                "retryable": false,
                "errors": [{"pointer": "/amount/currency", "detail": "no"}],
                "open": 3
            })
        );
    }

    /// Statuses, codes, headers and whether to repeat: what clients are written against.
    #[test]
    fn every_problem_of_the_contract() {
        type Row = (
            Problem,
            u16,
            &'static str,
            bool,
            Option<(&'static str, &'static str)>,
        );
        let table: Vec<Row> = vec![
            (
                Problem::unreadable_body("x"),
                400,
                "unreadable_body",
                false,
                None,
            ),
            (
                Problem::unauthenticated(),
                401,
                "unauthenticated",
                false,
                Some(("www-authenticate", "Bearer")),
            ),
            (
                Problem::missing_scope("keys:write"),
                403,
                "missing_scope",
                false,
                None,
            ),
            (Problem::not_found("program"), 404, "not_found", false, None),
            (
                Problem::method_not_allowed("GET, POST"),
                405,
                "method_not_allowed",
                false,
                Some(("allow", "GET, POST")),
            ),
            (
                Problem::of(Code::CodeTaken, "x"),
                409,
                "code_taken",
                false,
                None,
            ),
            (
                Problem::race("program"),
                409,
                "concurrent_change",
                true,
                None,
            ),
            (
                Problem::version_conflict(),
                412,
                "version_conflict",
                false,
                None,
            ),
            (
                Problem::body_too_large(1),
                413,
                "body_too_large",
                false,
                None,
            ),
            (
                Problem::unsupported_media_type("x"),
                415,
                "unsupported_media_type",
                false,
                None,
            ),
            (
                Problem::invalid_request(vec![]),
                422,
                "invalid_request",
                false,
                None,
            ),
            (
                Problem::idempotency_key_reused(),
                422,
                "idempotency_key_reused",
                false,
                None,
            ),
            (
                Problem::too_many_requests(7),
                429,
                "too_many_requests",
                true,
                Some(("retry-after", "7")),
            ),
            (Problem::internal("cause"), 500, "internal", false, None),
            (
                Problem::unavailable(2),
                503,
                "unavailable",
                true,
                Some(("retry-after", "2")),
            ),
        ];
        for (problem, status, code, retryable, header) in table {
            assert_eq!(
                (problem.status(), problem.code(), problem.is_retryable()),
                (status, code, retryable)
            );
            let response = problem.into_response("https://kith.example", "req-1");
            assert_eq!(response.status(), status);
            assert!(!response.body_text().contains("cause"));
            if let Some((name, value)) = header {
                assert_eq!(response.header_value(name), Some(value));
            }
        }
    }
}
