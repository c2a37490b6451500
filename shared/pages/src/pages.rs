//! The pages, one struct each.

use askama::Template;
use jiff::Timestamp;

use crate::brand::{Brand, Instant, Language};
use crate::page::{Frame, Page};

/// The longest comment to an answer, in characters. Line ends count once.
pub const COMMENT_CHARS_MAX: usize = 2_000;

/// The highest answer of the scale, which starts at 0.
const SCORE_MAX: u8 = 10;

/// The question, with whatever was chosen and written already. Posts `score` and `comment`.
#[derive(Debug, Clone)]
pub struct SurveyPage<'a> {
    /// Whose question it is.
    pub brand: Brand<'a>,
    /// The answer to preselect, 0 to 10; others are ignored.
    pub score: Option<u8>,
    /// The comment so far.
    pub comment: &'a str,
    /// Whether this person answered before.
    pub answered: bool,
    /// When answers are no longer taken.
    pub closes_at: Option<Timestamp>,
    /// What was wrong with the answer that was sent; the default is nothing.
    pub faults: SurveyFaults,
}

/// What was wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SurveyFaults {
    /// No number, or none from 0 to 10.
    pub score_missing: bool,
    /// The number of characters of a comment that is too long.
    pub comment_chars: Option<usize>,
}

impl SurveyPage<'_> {
    /// Renders the page.
    #[must_use]
    pub fn render(&self) -> Page {
        let frame = Frame::of(&self.brand);
        match self.brand.language {
            Language::English => Page::render(
                &SurveyEn {
                    frame: &frame,
                    program: self.brand.spoken(),
                    choices: (0..=SCORE_MAX)
                        .map(|score| Choice {
                            score,
                            chosen: self.score == Some(score),
                        })
                        .collect(),
                    comment: self.comment,
                    comment_max: COMMENT_CHARS_MAX,
                    answered: self.answered,
                    until: self.closes_at.map(|at| self.brand.language.instant(at)),
                    score_missing: self.faults.score_missing,
                    comment_too_long: self.faults.comment_chars,
                },
                &frame,
            ),
        }
    }
}

struct Choice {
    score: u8,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "en/survey.html")]
struct SurveyEn<'a> {
    frame: &'a Frame<'a>,
    program: &'a str,
    choices: Vec<Choice>,
    comment: &'a str,
    comment_max: usize,
    answered: bool,
    until: Option<Instant>,
    score_missing: bool,
    comment_too_long: Option<usize>,
}

/// Thanks for an answer, and the way to change it.
#[derive(Debug, Clone)]
pub struct SurveyThanks<'a> {
    /// Whose question it was.
    pub brand: Brand<'a>,
    /// The answer that was taken.
    pub score: u8,
    /// Until when it can be changed.
    pub closes_at: Option<Timestamp>,
}

impl SurveyThanks<'_> {
    /// Renders the page.
    #[must_use]
    pub fn render(&self) -> Page {
        let frame = Frame::of(&self.brand);
        let language = self.brand.language;
        let (program, score) = (self.brand.spoken(), self.score);
        let until = self.closes_at.map(|at| language.instant(at));
        match language {
            Language::English => Page::render(
                &SurveyThanksEn {
                    frame: &frame,
                    program,
                    score,
                    until,
                },
                &frame,
            ),
        }
    }
}

#[derive(Template)]
#[template(path = "en/survey_thanks.html")]
struct SurveyThanksEn<'a> {
    frame: &'a Frame<'a>,
    program: &'a str,
    score: u8,
    until: Option<Instant>,
}

/// For answers that come too late.
#[derive(Debug, Clone)]
pub struct SurveyClosed<'a> {
    /// Whose question it was.
    pub brand: Brand<'a>,
}

impl SurveyClosed<'_> {
    /// Renders the page.
    #[must_use]
    pub fn render(&self) -> Page {
        let frame = Frame::of(&self.brand);
        let program = self.brand.spoken();
        match self.brand.language {
            Language::English => Page::render(
                &SurveyClosedEn {
                    frame: &frame,
                    program,
                },
                &frame,
            ),
        }
    }
}

#[derive(Template)]
#[template(path = "en/survey_closed.html")]
struct SurveyClosedEn<'a> {
    frame: &'a Frame<'a>,
    program: &'a str,
}

/// Asks before it unsubscribes, since mail scanners open links. Posts what mail programs post: `List-Unsubscribe=One-Click`.
#[derive(Debug, Clone)]
pub struct UnsubscribePage<'a> {
    /// Whose mail it is.
    pub brand: Brand<'a>,
}

impl UnsubscribePage<'_> {
    /// Renders the page.
    #[must_use]
    pub fn render(&self) -> Page {
        let frame = Frame::of(&self.brand);
        let program = self.brand.spoken();
        match self.brand.language {
            Language::English => Page::render(
                &UnsubscribeEn {
                    frame: &frame,
                    program,
                },
                &frame,
            ),
        }
    }
}

#[derive(Template)]
#[template(path = "en/unsubscribe.html")]
struct UnsubscribeEn<'a> {
    frame: &'a Frame<'a>,
    program: &'a str,
}

/// After unsubscribing, however often.
#[derive(Debug, Clone)]
pub struct Unsubscribed<'a> {
    /// Whose mail it was.
    pub brand: Brand<'a>,
}

impl Unsubscribed<'_> {
    /// Renders the page.
    #[must_use]
    pub fn render(&self) -> Page {
        let frame = Frame::of(&self.brand);
        let program = self.brand.spoken();
        match self.brand.language {
            Language::English => Page::render(
                &UnsubscribedEn {
                    frame: &frame,
                    program,
                },
                &frame,
            ),
        }
    }
}

#[derive(Template)]
#[template(path = "en/unsubscribed.html")]
struct UnsubscribedEn<'a> {
    frame: &'a Frame<'a>,
    program: &'a str,
}

/// For a link that is unknown, expired or disabled: the three look alike.
#[derive(Debug, Clone)]
pub struct LinkNotFound {
    /// What kind of link it was.
    pub link: DeadLink,
    /// The language of the page.
    pub language: Language,
}

/// A link that leads nowhere, which decides the advice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadLink {
    /// Somebody's referral link, which they can give anew.
    Referral,
    /// A link from one of our mails.
    Mail,
}

impl LinkNotFound {
    /// Renders the page.
    #[must_use]
    pub fn render(&self) -> Page {
        let frame = Frame::of(&Brand {
            language: self.language,
            ..Brand::default()
        });
        let referral = match self.link {
            DeadLink::Referral => true,
            DeadLink::Mail => false,
        };
        match self.language {
            Language::English => Page::render(
                &LinkNotFoundEn {
                    frame: &frame,
                    referral,
                },
                &frame,
            ),
        }
    }
}

#[derive(Template)]
#[template(path = "en/link_not_found.html")]
struct LinkNotFoundEn<'a> {
    frame: &'a Frame<'a>,
    referral: bool,
}

/// For an address that never was one.
#[derive(Debug, Clone, Copy, Default)]
pub struct NotFound {
    /// The language of the page.
    pub language: Language,
}

impl NotFound {
    /// Renders the page.
    #[must_use]
    pub fn render(&self) -> Page {
        let frame = Frame::of(&Brand {
            language: self.language,
            ..Brand::default()
        });
        match self.language {
            Language::English => Page::render(&NotFoundEn { frame: &frame }, &frame),
        }
    }
}

#[derive(Template)]
#[template(path = "en/not_found.html")]
struct NotFoundEn<'a> {
    frame: &'a Frame<'a>,
}

/// For a failure of ours that will pass.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unavailable {
    /// The language of the page.
    pub language: Language,
}

impl Unavailable {
    /// Renders the page.
    #[must_use]
    pub fn render(&self) -> Page {
        let frame = Frame::of(&Brand {
            language: self.language,
            ..Brand::default()
        });
        match self.language {
            Language::English => Page::render(&UnavailableEn { frame: &frame }, &frame),
        }
    }
}

#[derive(Template)]
#[template(path = "en/unavailable.html")]
struct UnavailableEn<'a> {
    frame: &'a Frame<'a>,
}

#[cfg(test)]
mod tests;
