use super::Tag;
use super::operation::{HTML, Operation, op};
use crate::answers::{CatalogueEntry, List};
use crate::problems::Code;
use crate::requests::AnyObject;
use crate::routes::{self, Method, Route};

pub(super) const TAG: Tag = Tag {
    name: "Documentation",
    about: "This document, the page that shows it, and a page for each problem.",
};

pub(super) fn operations() -> Vec<Operation> {
    let mut all = vec![
        op(&routes::READ_OPENAPI, TAG.name, "Read this document")
            .answers::<AnyObject>(200, "This document.")
            .header("ETag")
            .answers_empty(304, "The caller knows it, by `If-None-Match`.")
            .header("ETag")
            .reads("If-None-Match")
            .refuses([Code::Internal]),
        head(&routes::READ_OPENAPI_HEAD, "See whether this document is there"),
        op(&routes::LIST_PROBLEMS, TAG.name, "List problems")
            .about("The catalogue: a page, or JSON for `Accept: application/json`.")
            .answers::<List<CatalogueEntry>>(200, "Every problem.")
            .or_text(HTML)
            .refuses([Code::Internal]),
        head(&routes::LIST_PROBLEMS_HEAD, "See whether the catalogue is there"),
        op(&routes::READ_PROBLEM, TAG.name, "Explain a problem")
            .about("Where the `type` of a refusal leads: a page, or JSON for `Accept: application/json`.")
            .answers::<CatalogueEntry>(200, "What it means, and what to do about it.")
            .or_text(HTML)
            .refuses([Code::NotFound, Code::Internal]),
        head(&routes::READ_PROBLEM_HEAD, "See whether a problem is explained"),
    ];
    all.extend(pages());
    all
}

fn pages() -> Vec<Operation> {
    vec![
        op(&routes::SHOW_DOCS, TAG.name, "Show this document")
            .about("A page with Swagger UI, which the bundle carries.")
            .answers_empty(200, "The page.")
            .or_text(HTML)
            .refuses([Code::Internal]),
        head(&routes::SHOW_DOCS_HEAD, "See whether the page is there"),
        op(&routes::READ_DOCS_FILE, TAG.name, "Read a file of the page")
            .answers_empty(200, "The file.")
            .or_text("text/javascript")
            .or_text("text/css")
            .or_text("text/plain")
            .or_text("image/png")
            .refuses([Code::NotFound, Code::Internal]),
        head(
            &routes::READ_DOCS_FILE_HEAD,
            "See whether a file of the page is there",
        ),
    ]
}

fn head(route: &'static Route, summary: &'static str) -> Operation {
    debug_assert!(route.method == Method::Head);
    op(route, TAG.name, summary).answers_empty(200, "It is.")
}
