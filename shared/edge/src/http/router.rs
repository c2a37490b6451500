//! Many routes in one function: method and path to a handler.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use kith_contract::routes::{self, Route as Contracted};

use super::request::decode_strictly;
use super::{Handler, Problem, Request, Response};
use crate::function::{BoxFuture, Invocation};

/// Routes requests.
///
/// A path belongs to the pattern that fits it best: from left to right, a literal segment goes
/// before a parameter. Only then the method counts, so that a path with other methods is 405 with
/// `Allow` and never somebody else's. `HEAD` is answered by `GET` unless it has a route. An unknown
/// path is 404, and so is one whose percent-encoding is malformed; a trailing slash makes another
/// path.
#[derive(Default)]
pub struct Router {
    paths: Vec<PathRoutes>,
}

struct PathRoutes {
    segments: Vec<Segment>,
    methods: Vec<Route>,
}

struct Route {
    method: Method,
    pattern: &'static str,
    handler: Box<dyn Handler>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Segment {
    Literal(&'static str),
    /// The names are each route's own.
    Parameter,
}

impl Router {
    /// No routes yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a route of the contract.
    #[must_use]
    pub fn serve(self, route: &'static Contracted, handler: impl Handler) -> Self {
        self.route(method(route.method), route.path, handler)
    }

    /// Adds a route. A segment in braces is a parameter, which is never empty; the handler asks for
    /// it by [`Request::path_parameter`]. A second route of the same method and shape is never
    /// reached.
    #[must_use]
    pub fn route(mut self, method: Method, pattern: &'static str, handler: impl Handler) -> Self {
        let segments: Vec<Segment> = segments(pattern)
            .map(|segment| match parameter(segment) {
                Some(_) => Segment::Parameter,
                None => Segment::Literal(segment),
            })
            .collect();
        let route = Route {
            method,
            pattern,
            handler: Box::new(handler),
        };
        let known = self.paths.iter_mut().find(|path| path.segments == segments);
        match known {
            Some(path) => path.methods.push(route),
            None => self.paths.push(PathRoutes {
                segments,
                methods: vec![route],
            }),
        }
        self
    }

    /// This router, which must have exactly the routes that the contract gives to a function. A
    /// difference is a bug that stops the first start of a debug build.
    #[must_use]
    pub fn fulfilling(self, function: &str) -> Self {
        debug_assert_eq!(self.differs_from(function), Vec::<String>::new());
        self
    }

    /// Method and pattern of each route that is here and not in the contract, or the other way
    /// round.
    fn differs_from(&self, function: &str) -> Vec<String> {
        let served = self.paths.iter().flat_map(|path| &path.methods);
        let served: BTreeSet<String> = served
            .map(|route| format!("{} {}", route.method, route.pattern))
            .collect();
        let promised: BTreeSet<String> = routes::of(function)
            .map(|route| format!("{} {}", route.method.as_str(), route.path))
            .collect();
        served.symmetric_difference(&promised).cloned().collect()
    }

    fn find(&self, request: &Request) -> Result<(&Route, BTreeMap<String, String>), Problem> {
        let unknown = || Problem::not_found("path");
        let given: Vec<Cow<'_, str>> = segments(request.path())
            .map(decode_strictly)
            .collect::<Option<_>>()
            .ok_or_else(unknown)?;
        let path = self
            .paths
            .iter()
            .filter(|path| path.fits(&given))
            .max_by_key(|path| path.precedence())
            .ok_or_else(unknown)?;
        let route = path
            .method(request.method())
            .ok_or_else(|| Problem::method_not_allowed(path.allow()))?;
        let parameters = segments(route.pattern)
            .zip(given)
            .filter_map(|(segment, value)| {
                // The value is encoded again when it must be, since readers decode it.
                let value = value.replace('%', "%25");
                Some((parameter(segment)?.to_owned(), value))
            })
            .collect();
        Ok((route, parameters))
    }
}

impl PathRoutes {
    fn fits(&self, given: &[Cow<'_, str>]) -> bool {
        self.segments.len() == given.len()
            && self
                .segments
                .iter()
                .zip(given)
                .all(|(segment, text)| match segment {
                    Segment::Literal(literal) => literal == text,
                    Segment::Parameter => !text.is_empty(),
                })
    }

    /// Literal segments first, from left to right.
    fn precedence(&self) -> Vec<Reverse<bool>> {
        self.segments
            .iter()
            .map(|segment| Reverse(*segment == Segment::Parameter))
            .collect()
    }

    fn method(&self, method: &Method) -> Option<&Route> {
        let of = |wanted: &Method| self.methods.iter().find(|route| route.method == *wanted);
        of(method).or_else(|| (*method == Method::HEAD).then(|| of(&Method::GET))?)
    }

    fn allow(&self) -> String {
        let mut methods: BTreeSet<&str> = self
            .methods
            .iter()
            .map(|route| route.method.as_str())
            .collect();
        if methods.contains("GET") {
            methods.insert("HEAD");
        }
        methods.into_iter().collect::<Vec<_>>().join(", ")
    }
}

impl Handler for Router {
    fn handle(
        &self,
        mut request: Request,
        invocation: Invocation,
    ) -> BoxFuture<'_, Result<Response, Problem>> {
        match self.find(&request) {
            Ok((route, parameters)) => {
                tracing::Span::current().record("http.route", route.pattern);
                request.set_path_parameters(parameters);
                route.handler.handle(request, invocation)
            }
            Err(problem) => Box::pin(std::future::ready(Err(problem))),
        }
    }
}

/// A method of the contract.
fn method(method: routes::Method) -> Method {
    match method {
        routes::Method::Get => Method::GET,
        routes::Method::Head => Method::HEAD,
        routes::Method::Post => Method::POST,
        routes::Method::Patch => Method::PATCH,
        routes::Method::Delete => Method::DELETE,
        routes::Method::Options => Method::OPTIONS,
    }
}

/// The segments of a path: what stands between slashes, after the first.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.strip_prefix('/').unwrap_or(path).split('/')
}

fn parameter(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn request(method: &str, path: &str) -> Request {
        let event = serde_json::value::to_raw_value(&json!({
            "rawPath": path, "headers": {}, "requestContext": {"http": {"method": method}},
        }))
        .unwrap();
        Request::of_event(&event, 0).unwrap()
    }

    fn router() -> Router {
        let named = |name: &'static str| {
            move |request: Request, _: Invocation| async move {
                let text = |name| {
                    request
                        .path_parameter(name)
                        .unwrap_or_default()
                        .into_owned()
                };
                Ok(Response::text(
                    200,
                    "text/plain",
                    format!("{name} {} {}", text("program"), text("id")),
                ))
            }
        };
        Router::new()
            .route(Method::GET, "/", named("root"))
            .route(
                Method::GET,
                "/v1/programs/{program}/things/{id}",
                named("get"),
            )
            .route(
                Method::PATCH,
                "/v1/programs/{program}/things/{id}",
                named("patch"),
            )
            .route(
                Method::POST,
                "/v1/programs/{program}/things/search",
                named("search"),
            )
            .route(Method::GET, "/v1/{program}/prg/things/{id}", named("odd"))
            .route(Method::HEAD, "/head", named("head"))
    }

    #[tokio::test]
    async fn paths_and_methods_find_their_handlers() {
        let invocation = Invocation {
            request_id: String::new(),
            deadline: jiff::Timestamp::MAX,
        };
        for (method, path, expected) in [
            ("GET", "/", Ok("root  ")),
            ("GET", "/v1/programs/prg_1/things/x", Ok("get prg_1 x")),
            ("HEAD", "/v1/programs/prg_1/things/x", Ok("get prg_1 x")),
            (
                "PATCH",
                "/v1/programs/p%2Fq/things/a%20%25b",
                Ok("patch p/q a %b"),
            ),
            (
                "POST",
                "/v1/programs/prg_1/things/search",
                Ok("search prg_1 "),
            ),
            ("GET", "/v1/programs/prg/things/x", Ok("get prg x")),
            ("GET", "/v1/other/prg/things/x", Ok("odd other x")),
            ("HEAD", "/head", Ok("head  ")),
            // A literal path keeps its name, whatever the method.
            (
                "GET",
                "/v1/programs/prg_1/things/search",
                Err((405, Some("POST"))),
            ),
            (
                "PUT",
                "/v1/programs/prg_1/things/x",
                Err((405, Some("GET, HEAD, PATCH"))),
            ),
            ("GET", "/head", Err((405, Some("HEAD")))),
            ("GET", "/v1/programs/prg_1/things/", Err((404, None))),
            ("GET", "/v1/programs/prg_1/things/x/", Err((404, None))),
            ("GET", "/v1/programs//things/x", Err((404, None))),
            ("GET", "//", Err((404, None))),
            ("GET", "/v1/programs/prg_1/things/%zz", Err((404, None))),
            ("GET", "/v1/programs/prg_1/things/%ff", Err((404, None))),
            ("GET", "/V1/programs/prg_1/things/x", Err((404, None))),
        ] {
            let answer = router()
                .handle(request(method, path), invocation.clone())
                .await;
            let answer = match &answer {
                Ok(response) => Ok(response.body_text().to_owned()),
                Err(problem) => Err(problem.status()),
            };
            let allow = router()
                .handle(request(method, path), invocation.clone())
                .await
                .map_err(|problem| problem.into_response("", ""))
                .err();
            match expected {
                Ok(text) => assert_eq!(answer, Ok(text.to_owned()), "{method} {path}"),
                Err((status, allowed)) => {
                    assert_eq!(answer, Err(status), "{method} {path}");
                    let allow = allow.unwrap();
                    assert_eq!(allow.header_value("allow"), allowed, "{method} {path}");
                }
            }
        }
    }
}
