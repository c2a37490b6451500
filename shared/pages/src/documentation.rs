//! The pages that integrators read: the API, and its problems.

use askama::Template;

use crate::brand::{Brand, Language};
use crate::page::{Frame, Page};

/// Scripts, styles and calls of its own origin, pictures also out of the style sheet; nothing that stands in the page
/// itself, and nothing of anybody else's.
const API_DOCS_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// What a problem means and what to do about it. In the texts, what stands between backticks is code.
#[derive(Debug, Clone, Copy)]
pub struct ProblemPage<'a> {
    /// Its stable name.
    pub code: &'a str,
    /// The status of its answers.
    pub status: u16,
    /// Its title.
    pub title: &'a str,
    /// What it means.
    pub meaning: &'a str,
    /// What to do about it.
    pub advice: &'a str,
    /// Whether the same call may succeed later.
    pub retryable: bool,
    /// The language of the page. The texts are in the language of the catalogue.
    pub language: Language,
}

impl ProblemPage<'_> {
    /// Renders the page.
    #[must_use]
    pub fn render(&self) -> Page {
        let frame = frame(self.language);
        match self.language {
            Language::English => Page::render(
                &ProblemEn {
                    frame: &frame,
                    code: self.code,
                    status: self.status,
                    title: self.title,
                    meaning: pieces(self.meaning),
                    advice: pieces(self.advice),
                    retryable: self.retryable,
                },
                &frame,
            ),
        }
    }
}

#[derive(Template)]
#[template(path = "en/problem.html")]
struct ProblemEn<'a> {
    frame: &'a Frame<'a>,
    code: &'a str,
    status: u16,
    title: &'a str,
    meaning: Vec<Piece<'a>>,
    advice: Vec<Piece<'a>>,
    retryable: bool,
}

/// A piece of a text with code in it.
enum Piece<'a> {
    Text(&'a str),
    Code(&'a str),
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut is_code = true;
    text.split('`')
        .map(|piece| {
            is_code = !is_code;
            if is_code {
                Piece::Code(piece)
            } else {
                Piece::Text(piece)
            }
        })
        .collect()
}

/// Every problem, by status.
#[derive(Debug, Clone)]
pub struct ProblemsPage<'a> {
    /// The problems, those of one status next to each other.
    pub problems: Vec<ProblemLine<'a>>,
    /// The language of the page.
    pub language: Language,
}

/// A problem in the list.
#[derive(Debug, Clone, Copy)]
pub struct ProblemLine<'a> {
    /// Its stable name.
    pub code: &'a str,
    /// The status of its answers.
    pub status: u16,
    /// Its title.
    pub title: &'a str,
}

impl ProblemsPage<'_> {
    /// Renders the page.
    #[must_use]
    pub fn render(&self) -> Page {
        let frame = frame(self.language);
        let groups = self
            .problems
            .chunk_by(|one, other| one.status == other.status)
            .filter_map(|problems| {
                let status = problems.first()?.status;
                Some(Group { status, problems })
            })
            .collect();
        match self.language {
            Language::English => Page::render(
                &ProblemsEn {
                    frame: &frame,
                    groups,
                },
                &frame,
            ),
        }
    }
}

struct Group<'a> {
    status: u16,
    problems: &'a [ProblemLine<'a>],
}

#[derive(Template)]
#[template(path = "en/problems.html")]
struct ProblemsEn<'a> {
    frame: &'a Frame<'a>,
    groups: Vec<Group<'a>>,
}

/// The API as a page that scripts draw: Swagger UI.
#[derive(Debug, Clone, Copy)]
pub struct ApiDocsPage<'a> {
    /// The path under which the page's files are found, without a slash at its end.
    pub files: &'a str,
    /// The language of the page around it.
    pub language: Language,
}

impl ApiDocsPage<'_> {
    /// Renders the page.
    #[must_use]
    pub fn render(&self) -> Page {
        match self.language {
            Language::English => {
                Page::with_policy(&ApiDocsEn { files: self.files }, API_DOCS_POLICY.to_owned())
            }
        }
    }
}

#[derive(Template)]
#[template(path = "en/api_docs.html")]
struct ApiDocsEn<'a> {
    files: &'a str,
}

fn frame(language: Language) -> Frame<'static> {
    Frame::of(&Brand {
        language,
        ..Brand::default()
    })
}
