//! `/local/mail`: the caught mails as a page, or as JSON; and the HTML part of one as a document of its
//! own, which the page shows in a frame.

use std::collections::BTreeSet;

use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use sha2::{Digest, Sha256};

use super::Mail;

/// HTML, and what it may do.
#[derive(Debug)]
pub struct Document {
    /// The document.
    pub html: String,
    /// Its `Content-Security-Policy`.
    pub policy: String,
}

#[derive(Template)]
#[template(path = "mail.html")]
struct Page<'a> {
    mails: Vec<Shown<'a>>,
}

struct Shown<'a> {
    mail: &'a Mail,
    to: String,
    /// The text in pieces, addresses of pages apart, so that they can be followed.
    text: Vec<Piece<'a>>,
}

enum Piece<'a> {
    Text(&'a str),
    Link(&'a str),
}

/// The page that shows these mails.
///
/// # Errors
/// Never in practice: writing into a text cannot fail.
pub fn page(mails: &[Mail]) -> Result<Document, askama::Error> {
    let mails = mails
        .iter()
        .map(|mail| Shown {
            mail,
            to: mail.to.join(", "),
            text: mail.text.as_deref().map(pieces).unwrap_or_default(),
        })
        .collect();
    let html = Page { mails }.render()?;
    let styles = styles(&html);
    let policy = format!(
        "default-src 'none'; style-src {styles}; img-src data:; frame-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    );
    Ok(Document { html, policy })
}

/// The HTML part of a mail. It comes from elsewhere: it gets its pictures and the styles that it holds, and
/// nothing that runs. Its links open outside the frame.
pub(crate) fn part(mail: &Mail) -> Option<Document> {
    let html = format!("<base target=\"_blank\">{}", mail.html.as_deref()?);
    let styles = styles(&html);
    let policy = format!(
        "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src {styles}; img-src http: https: data:; form-action 'none'; frame-ancestors 'self'"
    );
    Some(Document { html, policy })
}

/// What a policy says of the styles in a document: exactly these. Mails have theirs on the elements.
fn styles(html: &str) -> String {
    let between = |start: &'static str, end: &'static str| {
        html.split(start)
            .skip(1)
            .filter_map(move |rest| rest.split(end).next())
    };
    let sheets = between("<style>", "</style>").map(str::to_owned);
    let attributes = between(" style=\"", "\"").map(plain);
    let hashes: BTreeSet<String> = sheets
        .chain(attributes)
        .map(|style| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(style))))
        .collect();
    let hashes: Vec<String> = hashes.into_iter().collect();
    format!("'unsafe-hashes' {}", hashes.join(" "))
}

/// The value of an attribute as a browser reads it.
fn plain(value: &str) -> String {
    [
        ("&#39;", "'"),
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&amp;", "&"),
    ]
    .into_iter()
    .fold(value.to_owned(), |text, (written, meant)| {
        text.replace(written, meant)
    })
}

/// The same mails as a list of the API's shape.
#[must_use]
pub(crate) fn list(mails: &[Mail]) -> Value {
    let data: Vec<Value> = mails
        .iter()
        .map(|mail| {
            let headers: Map<String, Value> = mail
                .headers
                .iter()
                .map(|(name, value)| (name.clone(), json!(value)))
                .collect();
            json!({
                "id": mail.id, "to": mail.to.join(", "), "subject": mail.subject,
                "text": mail.text, "html": mail.html, "headers": headers,
                "from": mail.from, "sent_at": mail.sent_at,
            })
        })
        .collect();
    json!({"data": data, "next_cursor": null})
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    loop {
        let start = ["https://", "http://"]
            .iter()
            .filter_map(|scheme| rest.find(scheme))
            .min();
        let Some((before, from)) = start.and_then(|start| rest.split_at_checked(start)) else {
            break;
        };
        let end = from
            .find(|letter: char| letter.is_whitespace() || matches!(letter, '<' | '>' | '"' | ')'))
            .unwrap_or(from.len());
        let Some((link, after)) = from.split_at_checked(end) else {
            break;
        };
        let sentence = link.trim_end_matches(['.', ',', ';']);
        pieces.push(Piece::Text(before));
        pieces.push(Piece::Link(sentence));
        pieces.push(Piece::Text(link.strip_prefix(sentence).unwrap_or_default()));
        rest = after;
    }
    pieces.push(Piece::Text(rest));
    pieces
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn mail() -> Mail {
        Mail {
            id: "1".to_owned(),
            sent_at: "2026-03-01T12:00:00Z".to_owned(),
            from: "a@kith.example".to_owned(),
            to: vec!["b@example.com".to_owned()],
            subject: "<script>alert(1)</script>".to_owned(),
            text: Some("see https://kith.example/s/x?a=1&b=2. <b>".to_owned()),
            html: Some("<p class=\"x\">hi</p>".to_owned()),
            headers: vec![("List-Unsubscribe".to_owned(), "<https://x>".to_owned())],
            tags: Vec::new(),
        }
    }

    /// A mail holds what strangers typed; the page must show it, not run it.
    #[test]
    fn what_a_mail_holds_is_shown_and_not_run() {
        let document = page(&[mail()]).unwrap();
        assert!(!document.policy.contains("unsafe-inline"));
        let page = document.html;
        assert!(!page.contains("<script>"), "{page}");
        assert!(
            page.contains("href=\"https://kith.example/s/x?a=1&#38;b=2\""),
            "{page}"
        );
        assert!(
            !page.contains("<p class=\"x\""),
            "the frame has a document of its own: {page}"
        );
        assert!(!page.contains("<b>"), "{page}");
    }

    /// A browser drops a style whose hash is another, and the mail would be bare.
    #[test]
    fn a_mail_keeps_its_styles_and_runs_nothing() {
        let hash = |style: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(style)));
        let document = part(&Mail {
            html: Some(
                "<style>p{color:red}</style><p style=\"font:'A &amp; B'\">x</p><script>1</script>"
                    .to_owned(),
            ),
            ..mail()
        })
        .unwrap();
        assert!(document.policy.starts_with("sandbox allow-popups "));
        assert!(document.policy.contains("default-src 'none'"));
        assert!(
            !document.policy.contains("script-src") && !document.policy.contains("unsafe-inline")
        );
        for style in ["p{color:red}", "font:'A & B'"] {
            assert!(document.policy.contains(&hash(style)), "{style}");
        }
        assert!(
            part(&Mail {
                html: None,
                ..mail()
            })
            .is_none()
        );
    }
}
