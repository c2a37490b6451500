//! Pages as answers, and refusals as pages for whoever does not want JSON.

use kith_edge::causes::Causes;
use kith_edge::http::{Handler, Problem, Request, Response};
use kith_edge::{BoxFuture, Invocation};
use kith_pages::{DeadLink, Language, LinkNotFound, Page, Unavailable};

/// After how many seconds somebody may try again.
const RETRY_AFTER_SECONDS: u32 = 2;

/// A handler whose refusals are friendly pages, except to callers who speak JSON.
pub(crate) struct Paged<H>(pub(crate) H);

impl<H: Handler> Handler for Paged<H> {
    fn handle(
        &self,
        request: Request,
        invocation: Invocation,
    ) -> BoxFuture<'_, Result<Response, Problem>> {
        let (speaks_json, language) = (speaks_json(&request), language(&request));
        Box::pin(async move {
            let problem = match self.0.handle(request, invocation).await {
                Ok(response) => return Ok(response),
                Err(problem) if speaks_json => return Err(problem),
                Err(problem) => problem,
            };
            refusal(problem, language)
        })
    }
}

fn refusal(problem: Problem, language: Language) -> Result<Response, Problem> {
    if problem.status() == 404 {
        let link = DeadLink::Mail;
        return Ok(page(404, &LinkNotFound { link, language }.render()));
    }
    let is_ours = problem.status() >= 500;
    if !is_ours && !problem.is_retryable() {
        return Err(problem);
    }
    if let Some(cause) = problem.cause() {
        let (code, error) = (problem.code(), Causes(cause));
        tracing::error!(problem.code = code, error = %error, "a page could not be shown");
    }
    let response = page(problem.status(), &Unavailable { language }.render());
    Ok(response.header("retry-after", RETRY_AFTER_SECONDS.to_string()))
}

/// Whether the caller speaks JSON: asks for it, or sends it.
pub(crate) fn speaks_json(request: &Request) -> bool {
    request.prefers_json() || sends_json(request)
}

/// Whether the body says that it is JSON.
pub(crate) fn sends_json(request: &Request) -> bool {
    request.content_type().as_deref() == Some("application/json")
}

/// The language that the browser prefers.
pub(crate) fn language(request: &Request) -> Language {
    Language::of_locale(request.preferred_language())
}

/// A page as an answer, with the headers it travels with.
pub(crate) fn page(status: u16, page: &Page) -> Response {
    Response::page(status, page.body(), page.headers())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever opens a mail's link is a person; a 500 in JSON would be the end of the road for them.
    #[test]
    fn what_a_person_can_do_nothing_about_is_a_page() {
        let shown = |problem| refusal(problem, Language::English).unwrap();
        assert_eq!(shown(Problem::not_found("survey")).status(), 404);
        for problem in [
            Problem::unavailable(1).caused_by("x"),
            Problem::internal("x"),
            Problem::race("survey"),
        ] {
            let status = problem.status();
            let response = shown(problem);
            assert_eq!(response.status(), status);
            assert_eq!(response.header_value("retry-after"), Some("2"));
            assert_eq!(
                response.header_value("content-type"),
                Some("text/html; charset=utf-8")
            );
        }
        let refused = refusal(Problem::unsupported_media_type("x"), Language::English);
        assert_eq!(refused.map_err(|problem| problem.status()), Err(415));
    }
}
