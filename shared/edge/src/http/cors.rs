//! Lets the pages of any shop call what browsers may call. A key is in the request and no cookie,
//! so an origin gains nothing that the key does not give.

use super::{Handler, Place, Problem, Request, Response};
use crate::function::{BoxFuture, Invocation};

/// How long a browser remembers the answer to a preflight: longer ones are cut by the browsers.
const PREFLIGHT_SECONDS: &str = "7200";

/// A handler whose every answer, refusals among them, may be read by the page that asked.
#[derive(Debug)]
pub struct Cors<H>(pub H);

impl<H: Handler> Handler for Cors<H> {
    fn handle(
        &self,
        request: Request,
        invocation: Invocation,
    ) -> BoxFuture<'_, Result<Response, Problem>> {
        let place = Place::of(&request, &invocation);
        Box::pin(async move {
            let answer = self.0.handle(request, invocation).await;
            Ok(readable(
                answer.unwrap_or_else(|problem| place.refusal(problem)),
            ))
        })
    }
}

fn readable(response: Response) -> Response {
    response.header("access-control-allow-origin", "*").header(
        "access-control-expose-headers",
        "idempotent-replayed, ratelimit, ratelimit-policy, retry-after",
    )
}

/// What a browser asks before it sends a request with a key.
///
/// # Errors
/// None; the form is every handler's.
pub async fn preflight(_: Request, _: Invocation) -> Result<Response, Problem> {
    Ok(Response::no_content()
        .header("access-control-allow-origin", "*")
        .header("access-control-allow-methods", "POST, OPTIONS")
        .header(
            "access-control-allow-headers",
            "authorization, content-type, idempotency-key",
        )
        .header("access-control-max-age", PREFLIGHT_SECONDS))
}
