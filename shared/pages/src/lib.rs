//! The web pages that people see: one question and its answer, the end of a subscription, friendly ends for
//! links that lead nowhere, and what integrators read.
//!
//! A page is a template under `templates/` for each [`Language`] and a struct here that fills it. Rendering gives a
//! [`Page`]: the HTML and the headers it must travel with. Pages work without scripts, load nothing from
//! anywhere, and say so in their `Content-Security-Policy`; but for the one that shows the API, which loads scripts of its own origin. Which page is shown, and under which status, is decided
//! elsewhere.
//!
//! Forms post to the page's own path (`action="?"`). Since a page sends no referrer, browsers send `Origin: null`
//! with them: what guards a form is the token in its path.

mod brand;
mod documentation;
mod page;
mod pages;

pub use brand::{Accent, Brand, Language};
pub use documentation::{ApiDocsPage, ProblemLine, ProblemPage, ProblemsPage};
pub use page::Page;
pub use pages::{
    COMMENT_CHARS_MAX, DeadLink, LinkNotFound, NotFound, SurveyClosed, SurveyFaults, SurveyPage,
    SurveyThanks, Unavailable, UnsubscribePage, Unsubscribed,
};
