//! `GET /problems` and `/problems/{code}`: where the `type` of a refusal leads.

use kith_contract::answers::{CatalogueEntry, list as list_of};
use kith_contract::problems::Code;
use kith_edge::http::{Problem, Request, Response};
use kith_pages::{Language, NotFound, ProblemLine, ProblemPage, ProblemsPage};

use crate::{ApiDocs, CACHE, page};

/// The catalogue, by status.
///
/// # Errors
/// None; the form is every handler's.
pub(crate) fn list(_: &ApiDocs, request: &Request) -> Result<Response, Problem> {
    let mut codes = Code::ALL.to_vec();
    codes.sort_by_key(|code| (code.status(), code.as_str()));
    let response = if request.prefers_json() {
        let data: Vec<CatalogueEntry> = codes.into_iter().map(Into::into).collect();
        Response::json(200, &list_of(data, None))
    } else {
        let line = |code: Code| ProblemLine {
            code: code.as_str(),
            status: code.status(),
            title: code.title(),
        };
        let problems = codes.into_iter().map(line).collect();
        let language = language(request);
        page(200, &ProblemsPage { problems, language }.render())
    };
    Ok(cached(response))
}

/// One problem.
///
/// # Errors
/// 404 for a code that is not in the catalogue.
pub(crate) fn read(_: &ApiDocs, request: &Request) -> Result<Response, Problem> {
    let code = request
        .path_parameter("code")
        .and_then(|word| Code::of(&word));
    let language = language(request);
    match code {
        Some(code) if request.prefers_json() => {
            Ok(cached(Response::json(200, &CatalogueEntry::from(code))))
        }
        Some(code) => {
            let shown = ProblemPage {
                code: code.as_str(),
                status: code.status(),
                title: code.title(),
                meaning: code.meaning(),
                advice: code.advice(),
                retryable: code.is_retryable(),
                language,
            };
            Ok(cached(page(200, &shown.render())))
        }
        None if request.prefers_json() => Err(Problem::not_found("problem")),
        None => Ok(page(404, &NotFound { language }.render())),
    }
}

/// The catalogue changes with a deployment only.
fn cached(response: Response) -> Response {
    response
        .header("cache-control", CACHE)
        .header("vary", "accept")
}

fn language(request: &Request) -> Language {
    Language::of_locale(request.preferred_language())
}
