//! What an integrator reads: the OpenAPI document, the same as a page, and what each problem means.
//!
//! Everything is in the binary and the same for everybody: no table, no secret, nothing configured.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::panic,
        reason = "a test stops on the first surprise"
    )
)]

mod archive;
mod files;
mod problems;

use std::sync::Arc;

use kith_contract::{OPENAPI, routes};
use kith_edge::http::{Cors, Handler, HttpFunction, Problem, Request, Response, Router};
use kith_edge::{Environment, Function, Invocation, StartError};
use kith_pages::{ApiDocsPage, Language, Page};
use sha2::{Digest, Sha256};

use crate::files::Files;

/// Everything here changes with a deployment only, and may be a few minutes old after one.
const CACHE: &str = "public, max-age=300";

/// What every request needs.
#[derive(Debug)]
struct ApiDocs {
    files: Files,
    /// The document's entity tag.
    tag: String,
}

/// The function, from its environment, of which it needs nothing.
///
/// # Errors
/// None; the form is every function's.
pub fn function(_: &Environment) -> Result<Box<dyn Function>, StartError> {
    let digest = Sha256::digest(OPENAPI);
    let hex: String = digest
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let docs = ApiDocs {
        files: Files::of_binary(),
        tag: format!("\"{hex}\""),
    };
    Ok(Box::new(HttpFunction::new(router(&Arc::new(docs)))))
}

fn router(docs: &Arc<ApiDocs>) -> Router {
    let on = |answer: fn(&ApiDocs, &Request) -> Result<Response, Problem>| handler(docs, answer);
    Router::new()
        // Editors and generators of others read the document from where they are.
        .serve(&routes::READ_OPENAPI, Cors(on(document)))
        .serve(&routes::READ_OPENAPI_HEAD, Cors(on(document)))
        .serve(&routes::SHOW_DOCS, on(page_of_docs))
        .serve(&routes::SHOW_DOCS_HEAD, on(page_of_docs))
        .serve(&routes::READ_DOCS_FILE, on(file))
        .serve(&routes::READ_DOCS_FILE_HEAD, on(file))
        .serve(&routes::LIST_PROBLEMS, on(problems::list))
        .serve(&routes::LIST_PROBLEMS_HEAD, on(problems::list))
        .serve(&routes::READ_PROBLEM, on(problems::read))
        .serve(&routes::READ_PROBLEM_HEAD, on(problems::read))
        .fulfilling("api-docs")
}

fn handler(
    docs: &Arc<ApiDocs>,
    answer: fn(&ApiDocs, &Request) -> Result<Response, Problem>,
) -> impl Handler {
    let docs = Arc::clone(docs);
    move |request: Request, _: Invocation| std::future::ready(answer(&docs, &request))
}

/// `GET /openapi.json`.
///
/// # Errors
/// None; the form is every handler's.
fn document(docs: &ApiDocs, request: &Request) -> Result<Response, Problem> {
    let known = request.header("if-none-match").unwrap_or_default();
    let response = if known.split(',').any(|tag| is_same(tag, &docs.tag)) {
        Response::empty(304)
    } else {
        Response::text(200, "application/json", OPENAPI.to_owned())
    };
    Ok(response
        .header("cache-control", CACHE)
        .header("etag", docs.tag.as_str()))
}

/// Whether a tag that the caller knows is ours. Caches on the way may have made it a weak one.
fn is_same(known: &str, ours: &str) -> bool {
    let known = known.trim();
    known == "*" || known.strip_prefix("W/").unwrap_or(known) == ours
}

/// `GET /docs`.
///
/// # Errors
/// None; the form is every handler's.
fn page_of_docs(docs: &ApiDocs, _: &Request) -> Result<Response, Problem> {
    let shown = ApiDocsPage {
        files: &format!("/docs/{}", docs.files.version()),
        language: Language::English,
    };
    Ok(page(200, &shown.render()).header("cache-control", CACHE))
}

/// `GET /docs/{version}/{file}`.
///
/// # Errors
/// 404 for whatever the page does not load.
fn file(docs: &ApiDocs, request: &Request) -> Result<Response, Problem> {
    let parameter = |name| request.path_parameter(name).unwrap_or_default();
    docs.files
        .answer(&parameter("version"), &parameter("file"))
        .ok_or_else(|| Problem::not_found("file"))
}

/// A page as an answer, with the headers it travels with.
fn page(status: u16, page: &Page) -> Response {
    Response::page(status, page.body(), page.headers())
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use kith_contract::problems::Code;
    use serde_json::{Value, json};

    use super::*;

    async fn get(path: &str, headers: Value) -> Value {
        let function = function(&Environment::of_variables(BTreeMap::new())).unwrap();
        let event = json!({
            "rawPath": path, "headers": headers,
            "requestContext": {"domainName": "kith.example", "http": {"method": "GET"}},
        });
        let invocation = Invocation {
            request_id: "req-1".to_owned(),
            deadline: jiff::Timestamp::MAX,
        };
        let event = serde_json::value::to_raw_value(&event).unwrap();
        let answer = function.invoke(event, invocation).await.unwrap();
        serde_json::from_str(answer.get()).unwrap()
    }

    fn body(answer: &Value) -> &str {
        answer["body"].as_str().unwrap()
    }

    #[tokio::test]
    async fn whoever_has_the_document_is_not_sent_it_again() {
        let first = get("/openapi.json", json!({})).await;
        assert_eq!((&first["statusCode"], body(&first)), (&json!(200), OPENAPI));
        assert_eq!(first["headers"]["access-control-allow-origin"], "*");
        let tag = first["headers"]["etag"].as_str().unwrap();
        for known in [tag, &format!("\"other\", W/{tag}"), "*"] {
            let again = get("/openapi.json", json!({"if-none-match": known})).await;
            assert_eq!((&again["statusCode"], body(&again)), (&json!(304), ""));
            assert_eq!(again["headers"]["etag"], tag);
        }
        let other = get("/openapi.json", json!({"if-none-match": "\"other\""})).await;
        assert_eq!(other["statusCode"], 200);
    }

    /// A page that names a file which is not there is a blank page.
    #[tokio::test]
    async fn the_page_loads_what_is_there() {
        let page = get("/docs", json!({})).await;
        let named: BTreeSet<&str> = ["src=\"", "href=\""]
            .into_iter()
            .flat_map(|sign| body(&page).split(sign).skip(1))
            .map(|rest| rest.split('"').next().unwrap())
            .collect();
        assert!(named.len() > 4, "{named:?}");
        for path in named {
            assert!(path.starts_with('/'), "{path} is somebody else's");
            let answer = get(path, json!({})).await;
            assert_eq!(answer["statusCode"], 200, "{path}");
            assert!(!body(&answer).is_empty(), "{path}");
        }
    }

    /// The `type` of every refusal leads to a page that explains it.
    #[tokio::test]
    async fn every_problem_is_explained_to_people_and_programs() {
        let list = get("/problems", json!({"accept": "text/html"})).await;
        let listed = get("/problems", json!({"accept": "application/json"})).await;
        let listed: Value = serde_json::from_str(body(&listed)).unwrap();
        assert_eq!(listed["data"].as_array().unwrap().len(), Code::ALL.len());
        for code in Code::ALL {
            let path = format!("/problems/{}", code.as_str());
            assert!(body(&list).contains(&format!("href=\"{path}\"")), "{path}");
            let page = get(&path, json!({"accept": "text/html"})).await;
            assert_eq!(page["statusCode"], 200, "{path}");
            for sign in ["What it means", "What to do", code.as_str()] {
                assert!(body(&page).contains(sign), "{sign} at {path}");
            }
            let answer = get(&path, json!({"accept": "application/json"})).await;
            let answer: Value = serde_json::from_str(body(&answer)).unwrap();
            assert_eq!(answer["meaning"], code.meaning());
            assert_eq!(answer["retryable"], code.is_retryable());
        }
    }

    #[tokio::test]
    async fn what_is_not_in_the_catalogue_is_not_found() {
        for path in ["/problems/nonsense", "/problems/%3Cscript%3E"] {
            let page = get(path, json!({})).await;
            assert_eq!(page["statusCode"], 404, "{path}");
            assert!(!body(&page).contains("script"));
            let answer = get(path, json!({"accept": "application/json"})).await;
            assert_eq!(answer["statusCode"], 404, "{path}");
            assert!(body(&answer).contains("not_found"));
        }
        let file = get("/docs/5.0.0/swagger-ui.css", json!({})).await;
        assert_eq!(file["statusCode"], 404);
    }
}
