//! HTTP at the edge: from the gateway's event to a handler and back.

pub mod bulk;
mod cors;
mod guard;
mod problem;
mod request;
mod response;
mod router;

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use serde_json::value::RawValue;
use tracing::Instrument;

pub use cors::{Cors, preflight};
pub use problem::{BoxError, Fault, Problem};
pub(crate) use request::PAIRS_MAX;
pub use request::Request;
pub use response::Response;
pub use router::Router;

use self::guard::Guard;
use crate::causes::{Causes, last_words};
use crate::config::Origin;
use crate::function::{BoxFuture, Function, FunctionError, Invocation};

/// What answers requests: a closure from a request to an answer, or a [`Router`].
pub trait Handler: Send + Sync + 'static {
    /// Answers one request.
    fn handle(
        &self,
        request: Request,
        invocation: Invocation,
    ) -> BoxFuture<'_, Result<Response, Problem>>;
}

impl<F, A> Handler for F
where
    F: Fn(Request, Invocation) -> A + Send + Sync + 'static,
    A: Future<Output = Result<Response, Problem>> + Send + 'static,
{
    fn handle(
        &self,
        request: Request,
        invocation: Invocation,
    ) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(self(request, invocation))
    }
}

type Warm = Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// A function behind the HTTP API.
pub struct HttpFunction {
    handler: Box<dyn Handler>,
    proxy_hops: u8,
    warm: Option<Warm>,
}

impl HttpFunction {
    /// A function whose requests this handler answers.
    #[must_use]
    pub fn new(handler: impl Handler) -> Self {
        Self {
            handler: Box::new(handler),
            proxy_hops: 0,
            warm: None,
        }
    }

    /// How many trusted proxies stand before the gateway; none by default.
    #[must_use]
    pub fn proxy_hops(mut self, hops: u8) -> Self {
        self.proxy_hops = hops;
        self
    }

    /// What opens connections during init.
    #[must_use]
    pub fn warmed_by<W>(mut self, warm: impl Fn() -> W + Send + Sync + 'static) -> Self
    where
        W: Future<Output = ()> + Send + 'static,
    {
        self.warm = Some(Box::new(move || Box::pin(warm())));
        self
    }

    async fn answer(
        &self,
        event: Box<RawValue>,
        invocation: Invocation,
    ) -> Result<Box<RawValue>, FunctionError> {
        let request = Request::of_event(&event, self.proxy_hops)?;
        let place = Place::of(&request, &invocation);
        let standing = Arc::clone(request.standing());
        let is_head = request.method() == http::Method::HEAD;
        let guard = Guard::of(&request);
        // Handlers fill in what they learn. The path itself stays out: codes and tokens stand in it.
        let span = tracing::info_span!(
            "request",
            request.id = %place.request_id,
            http.method = %request.method(),
            http.route = request.route_key(),
            program.id = tracing::field::Empty,
        );
        let response = async {
            let work = AssertUnwindSafe(async { self.handler.handle(request, invocation).await });
            match work.catch_unwind().await {
                Ok(Ok(response)) => response,
                Ok(Err(problem)) => place.refusal(problem),
                Err(panic) => place.refusal(panicked(&*panic)),
            }
        }
        .instrument(span)
        .await;
        let response = match standing.get() {
            Some(standing) => crate::limits::told(response, standing),
            None => response,
        };
        let response = guard.on(response);
        if is_head {
            response.without_body().into_event()
        } else {
            response.into_event()
        }
    }
}

impl Function for HttpFunction {
    fn invoke(
        &self,
        event: Box<RawValue>,
        invocation: Invocation,
    ) -> BoxFuture<'_, Result<Box<RawValue>, FunctionError>> {
        Box::pin(self.answer(event, invocation))
    }

    fn warm(&self) -> BoxFuture<'_, ()> {
        match &self.warm {
            Some(warm) => warm(),
            None => Box::pin(async {}),
        }
    }
}

/// Where a request came in: what a refusal tells of it.
struct Place {
    /// What the caller believes to have called: explanations stand there too.
    address: String,
    request_id: String,
}

impl Place {
    fn of(request: &Request, invocation: &Invocation) -> Self {
        Self {
            address: request.called_address(),
            request_id: invocation.request_id.clone(),
        }
    }

    /// Writes the refusal down, and makes an answer of it that leads to its explanation.
    fn refusal(&self, problem: Problem) -> Response {
        record(&problem);
        let origin = self.address.parse::<Origin>();
        let origin = origin.as_ref().map_or("", Origin::as_str);
        problem.into_response(origin, &self.request_id)
    }
}

/// A bug that was met: what was said is for the log.
fn panicked(panic: &(dyn Any + Send)) -> Problem {
    Problem::internal(format!("the handler panicked: {}", last_words(panic)))
}

/// Writes down what is ours to repair, once, with its whole chain of causes. Refusals are the
/// caller's affair and leave no line.
fn record(problem: &Problem) {
    let Some(cause) = problem.cause() else {
        return;
    };
    let causes = Causes(cause);
    if problem.status() == 500 {
        tracing::error!(problem.code = problem.code(), error = %causes, "the request failed");
    } else {
        tracing::warn!(problem.code = problem.code(), error = %causes, "the request was not done");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn event(method: &str) -> Box<RawValue> {
        serde_json::value::to_raw_value(&json!({
            "version": "2.0", "routeKey": "$default", "rawPath": "/", "rawQueryString": "",
            "headers": {},
            "requestContext": {"http": {"method": method, "sourceIp": "192.0.2.1"}},
        }))
        .unwrap()
    }

    async fn answer(function: &HttpFunction, method: &str) -> Value {
        let invocation = Invocation {
            request_id: "req-1".to_owned(),
            deadline: jiff::Timestamp::MAX,
        };
        let answer = function.invoke(event(method), invocation).await.unwrap();
        serde_json::from_str(answer.get()).unwrap()
    }

    #[tokio::test]
    async fn a_handler_answers() {
        let function = HttpFunction::new(|request: Request, _| async move {
            Ok(Response::json(
                200,
                &json!({"method": request.method().as_str()}),
            ))
        });
        assert_eq!(
            answer(&function, "GET").await["body"],
            r#"{"method":"GET"}"#
        );
        let head = answer(&function, "HEAD").await;
        assert_eq!(
            (&head["statusCode"], &head["body"]),
            (&json!(200), &json!(""))
        );
    }

    /// Whoever follows the type of a problem finds its page, also on one machine; a host that is none
    /// is not repeated.
    #[tokio::test]
    async fn a_problem_leads_to_its_explanation() {
        let function = HttpFunction::new(|_: Request, _| async { Err(Problem::not_found("path")) });
        for (proto, host, expected) in [
            (
                "https",
                "api.kith.example",
                "https://api.kith.example/problems/not_found",
            ),
            (
                "http",
                "127.0.0.1:8787",
                "http://127.0.0.1:8787/problems/not_found",
            ),
            ("http", "kith.example", "/problems/not_found"),
            ("https", "\"><script>", "/problems/not_found"),
        ] {
            let event = json!({
                "rawPath": "/", "headers": {"host": host, "x-forwarded-proto": proto},
                "requestContext": {"http": {"method": "GET"}},
            });
            let invocation = Invocation {
                request_id: "req-1".to_owned(),
                deadline: jiff::Timestamp::MAX,
            };
            let event = serde_json::value::to_raw_value(&event).unwrap();
            let answer = function.invoke(event, invocation).await.unwrap();
            let answer: Value = serde_json::from_str(answer.get()).unwrap();
            let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
            assert_eq!(body["type"], expected);
        }
    }

    /// A caller gets a problem, not the gateway's silence, and the next request is served.
    #[tokio::test]
    async fn a_panic_is_a_problem() {
        let function = HttpFunction::new(|_: Request, _| async {
            if jiff::Timestamp::MAX > jiff::Timestamp::MIN {
                panic!("bug");
            }
            Ok(Response::no_content())
        });
        let event = answer(&function, "GET").await;
        assert_eq!(event["statusCode"], 500);
        let body: Value = serde_json::from_str(event["body"].as_str().unwrap()).unwrap();
        assert_eq!(
            (&body["code"], &body["instance"]),
            (&json!("internal"), &json!("req-1"))
        );
    }
}
