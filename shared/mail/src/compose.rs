//! What every message needs to become a mail.

use url::Url;

use crate::address::Mailbox;
use crate::mail::{Header, Mail, MailError, Words};

/// The longest link that still fits a header.
const LINK_BYTES_MAX: usize = 900;

/// From whom, to whom, and under which id.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'a> {
    /// The verified address that mail comes from. People see the program's name beside it.
    pub sender: &'a Mailbox,
    /// The recipient's address, as it was given.
    pub to: &'a str,
    /// Our id of the message, the same however often it is composed.
    pub message_id: &'a str,
}

impl Envelope<'_> {
    /// Puts the words in the envelope, with the headers that let a mail program unsubscribe in one click (RFC 8058) where
    /// the recipient may.
    pub(crate) fn mail(
        &self,
        kind: &'static str,
        program_name: &str,
        words: Words,
        unsubscribe_url: Option<&str>,
    ) -> Result<Mail, MailError> {
        let mut headers = Vec::with_capacity(3);
        if let Some(url) = unsubscribe_url {
            headers.push(Header::new("List-Unsubscribe", format!("<{url}>"))?);
            headers.push(Header::new(
                "List-Unsubscribe-Post",
                "List-Unsubscribe=One-Click",
            )?);
        }
        headers.push(Header::new("Auto-Submitted", "auto-generated")?);
        Mail::new(
            self.message_id,
            kind,
            self.sender.named(program_name),
            self.to,
            words,
            headers,
        )
    }
}

/// The link as it may stand in a mail: absolute, `https` or `http`, without a user name, in visible ASCII that
/// needs no escape in a header.
pub(crate) fn link(what: &'static str, text: &str) -> Result<String, MailError> {
    let refused = || MailError::Link(what);
    let url = Url::parse(text).map_err(|_| refused())?;
    let web = matches!(url.scheme(), "https" | "http")
        && url.username().is_empty()
        && url.password().is_none();
    let written = String::from(url);
    let plain = written
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>' | b'"'));
    if web && plain && written.len() <= LINK_BYTES_MAX {
        Ok(written)
    } else {
        Err(refused())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_web_links_get_into_a_mail() {
        for text in [
            "https://refer.example/s/abc",
            "http://127.0.0.1:8787/u/abc",
            "https://bakery.example/?a=1&b=2",
        ] {
            assert_eq!(link("link", text).ok().as_deref(), Some(text));
        }
        assert_eq!(
            link("link", "https://bäckerei.example/brötchen")
                .ok()
                .as_deref(),
            Some("https://xn--bckerei-5wa.example/br%C3%B6tchen")
        );
        for text in [
            "",
            "/s/abc",
            "javascript:alert(1)",
            "data:text/html,x",
            "mailto:a@b.example",
            "https://a<b.example/",
            "https://ann:secret@refer.example/",
        ] {
            assert!(
                matches!(link("link", text), Err(MailError::Link("link"))),
                "{text:?}"
            );
        }
    }
}
