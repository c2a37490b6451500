//! "How likely are you to recommend us?": one question, eleven links.

use askama::Template;
use jiff::Timestamp;

use crate::compose::{Envelope, link};
use crate::language::{Language, greeted_name, one_line};
use crate::mail::{Mail, MailError, Words};

/// The highest answer of the scale, which starts at 0.
const SCORE_MAX: u8 = 10;
/// The scale breaks after this answer where it does not fit one row.
const FIRST_ROW_MAX: u8 = 5;

/// The mail that asks one person one question. Its links only choose the answer on the page; nothing is sent until
/// the person presses the button there, since mail scanners open links.
#[derive(Debug, Clone)]
pub struct SurveyInvitation<'a> {
    /// The language to write in.
    pub language: Language,
    /// The program's name, which stands in the question and as the sender's.
    pub program_name: &'a str,
    /// The recipient's first name, if the shop passed one on.
    pub first_name: Option<&'a str>,
    /// The survey's page, to which `?score=` is added.
    pub survey_url: &'a str,
    /// When answers are no longer taken.
    pub closes_at: Option<Timestamp>,
    /// The page where they stop these mails.
    pub unsubscribe_url: &'a str,
    /// The program's postal address, which some countries ask for.
    pub postal_address: Option<&'a str>,
}

impl SurveyInvitation<'_> {
    /// The folder of the templates, and the tag of the mail.
    pub const KIND: &'static str = "survey_invitation";

    /// Writes the mail.
    ///
    /// # Errors
    /// `Address` when the recipient's address cannot be written to, `Link` for a link that is none, `MessageId` for an
    /// id that is no tag. None of these goes away by itself.
    pub fn compose(&self, envelope: &Envelope<'_>) -> Result<Mail, MailError> {
        let unsubscribe_url = link("unsubscribe link", self.unsubscribe_url)?;
        let survey_url = link("survey link", self.survey_url)?;
        let joint = if survey_url.contains('?') { '&' } else { '?' };
        let choice = |score: u8| Choice {
            score,
            url: format!("{survey_url}{joint}score={score}"),
        };
        let program = one_line(self.program_name);
        let postal_address = self.postal_address.map(one_line);
        let facts = Facts {
            lang: self.language.tag(),
            program: &program,
            first_name: greeted_name(self.first_name),
            rows: [
                (0..=FIRST_ROW_MAX).map(choice).collect(),
                (FIRST_ROW_MAX.saturating_add(1)..=SCORE_MAX)
                    .map(choice)
                    .collect(),
            ],
            until: self.closes_at.map(|at| self.language.instant(at)),
            unsubscribe_url: &unsubscribe_url,
            postal_address: postal_address.as_deref(),
        };
        let words = match self.language {
            Language::English => Words {
                subject: SubjectEn { facts: &facts }.render()?,
                text: TextEn { facts: &facts }.render()?,
                html: HtmlEn { facts: &facts }.render()?,
            },
        };
        envelope.mail(Self::KIND, &program, words, Some(&unsubscribe_url))
    }
}

/// What the templates of every language are filled with.
struct Facts<'a> {
    lang: &'static str,
    program: &'a str,
    first_name: Option<String>,
    rows: [Vec<Choice>; 2],
    until: Option<String>,
    unsubscribe_url: &'a str,
    postal_address: Option<&'a str>,
}

struct Choice {
    score: u8,
    url: String,
}

#[derive(Template)]
#[template(path = "survey_invitation/en/subject.txt")]
struct SubjectEn<'a> {
    facts: &'a Facts<'a>,
}

#[derive(Template)]
#[template(path = "survey_invitation/en/text.txt")]
struct TextEn<'a> {
    facts: &'a Facts<'a>,
}

#[derive(Template)]
#[template(path = "survey_invitation/en/mail.html")]
struct HtmlEn<'a> {
    facts: &'a Facts<'a>,
}

#[cfg(test)]
mod tests;
