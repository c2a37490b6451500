//! One mail, checked when it is made.

use std::fmt;

use crate::address::{Address, AddressError, Mailbox, cut_at};
use crate::language::one_line;

/// The longest subject, in bytes of UTF-8.
const SUBJECT_BYTES_MAX: usize = 250;
/// The longest header name SES takes.
const HEADER_NAME_BYTES_MAX: usize = 126;
/// The longest header SES takes, name and value together.
const HEADER_BYTES_MAX: usize = 996;
/// Headers SES takes beside its own.
const HEADERS_MAX: usize = 15;
/// The longest tag value SES takes.
const TAG_BYTES_MAX: usize = 256;

/// Why a mail cannot be made. Trying again with the same facts gives the same answer.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The recipient's address cannot be written to.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// A header, named here, has characters or a length that a header must not have.
    #[error("the header {0} cannot be written")]
    Header(&'static str),
    /// A link, named here, is not an absolute `https` (or, on one machine, `http`) URL in ASCII.
    #[error("the {0} is not a link that can be put in a mail")]
    Link(&'static str),
    /// The message's id has characters that a tag must not have.
    #[error("the message's id cannot be used as a tag")]
    MessageId,
    /// An amount's currency is not one of ISO 4217.
    #[error("the currency of an amount is not known")]
    Currency,
    /// A template failed.
    #[error("a template failed")]
    Template(#[from] askama::Error),
}

/// A header beside those that every mail has. Name and value are visible ASCII and spaces, without line breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    name: &'static str,
    value: String,
}

impl Header {
    /// A header.
    ///
    /// # Errors
    /// `Header` when the name is not a token of at most 126 characters, the value is not printable ASCII, or the
    /// two together are longer than 996 characters.
    pub fn new(name: &'static str, value: impl Into<String>) -> Result<Self, MailError> {
        let value = value.into();
        let token = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let name_fits =
            !name.is_empty() && name.len() <= HEADER_NAME_BYTES_MAX && name.bytes().all(token);
        let printable = value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        let fits = name.len().saturating_add(value.len()) <= HEADER_BYTES_MAX;
        if name_fits && printable && fits && !value.trim().is_empty() {
            Ok(Self { name, value })
        } else {
            Err(MailError::Header(name))
        }
    }

    /// The name, such as `List-Unsubscribe`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }
}

/// One mail to one person, ready to be sent or recorded. `Debug` shows its id only.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    message_id: String,
    kind: &'static str,
    from: Mailbox,
    to: Address,
    subject: String,
    text: String,
    html: String,
    headers: Vec<Header>,
}

/// The words of a mail.
#[derive(Debug)]
pub(crate) struct Words {
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
}

impl Mail {
    /// Checks everything that goes into the head of the mail.
    pub(crate) fn new(
        message_id: &str,
        kind: &'static str,
        from: Mailbox,
        to: &str,
        words: Words,
        headers: Vec<Header>,
    ) -> Result<Self, MailError> {
        let tag_byte =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'@');
        if message_id.is_empty()
            || message_id.len() > TAG_BYTES_MAX
            || !message_id.bytes().all(tag_byte)
        {
            return Err(MailError::MessageId);
        }
        debug_assert!(
            headers.len() <= HEADERS_MAX,
            "SES takes {HEADERS_MAX} headers"
        );
        let subject = one_line(&words.subject);
        Ok(Self {
            message_id: message_id.to_owned(),
            kind,
            from,
            to: to.parse()?,
            subject: cut_at(&subject, SUBJECT_BYTES_MAX).trim_end().to_owned(),
            text: words.text,
            html: words.html,
            headers,
        })
    }

    /// Our own id of the message, which SES gives back with its events as the tag `message_id`.
    #[must_use]
    pub fn message_id(&self) -> &str {
        &self.message_id
    }

    /// Which message it is: `reward_issued`, `survey_invitation`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// The sender.
    #[must_use]
    pub fn from(&self) -> &Mailbox {
        &self.from
    }

    /// The recipient.
    #[must_use]
    pub fn to(&self) -> &Address {
        &self.to
    }

    /// The subject, on one line.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The plain text part.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The HTML part.
    #[must_use]
    pub fn html(&self) -> &str {
        &self.html
    }

    /// The headers beside sender, recipient and subject.
    #[must_use]
    pub fn headers(&self) -> &[Header] {
        &self.headers
    }
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail")
            .field("message_id", &self.message_id)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn mail(message_id: &str, subject: &str) -> Result<Mail, MailError> {
        let words = Words {
            subject: subject.to_owned(),
            text: "text".to_owned(),
            html: "<p>text</p>".to_owned(),
        };
        let from = "refer@example.com".parse().unwrap();
        Mail::new(
            message_id,
            "reward_issued",
            from,
            "ann@example.com",
            words,
            Vec::new(),
        )
    }

    #[test]
    fn a_header_takes_no_line_break_and_nothing_but_ascii() {
        assert!(Header::new("List-Unsubscribe", "<https://refer.example/u/abc>").is_ok());
        for value in ["a\r\nBcc: eve@example.com", "a\n b", "a\0", "ä", "", " "] {
            assert!(
                matches!(Header::new("X-A", value), Err(MailError::Header("X-A"))),
                "{value:?}"
            );
        }
        for name in ["", "X A", "X:A", "X\r\nA"] {
            assert!(Header::new(name, "a").is_err(), "{name:?}");
        }
        assert!(Header::new("X-A", "a".repeat(993)).is_ok());
        assert!(Header::new("X-A", "a".repeat(994)).is_err());
    }

    #[test]
    fn a_subject_is_one_line_of_bounded_length() {
        assert_eq!(
            mail("m1", "Hi\r\nBcc: eve@example.com").unwrap().subject(),
            "Hi Bcc: eve@example.com"
        );
        let long = mail("m1", &"ü".repeat(200)).unwrap();
        assert_eq!(long.subject().chars().count(), 125);
    }

    #[test]
    fn an_id_that_is_no_tag_is_refused() {
        for id in ["", "a b", "a\n", "ä", &"a".repeat(257)] {
            assert!(matches!(mail(id, "s"), Err(MailError::MessageId)), "{id:?}");
        }
        assert!(mail("msg_0123-abc.x", "s").is_ok());
    }

    #[test]
    fn debug_shows_no_personal_data() {
        let shown = format!("{:?}", mail("m1", "Hello Ann").unwrap());
        assert_eq!(
            shown,
            "Mail { message_id: \"m1\", kind: \"reward_issued\", .. }"
        );
    }
}
