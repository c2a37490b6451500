//! `/local/mail`: the caught mails as a page, or as JSON.

use askama::Template;
use serde_json::{Map, Value, json};

use super::Mail;

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
    /// The HTML part as a document of its own, whose links open outside its frame.
    frame: Option<String>,
}

enum Piece<'a> {
    Text(&'a str),
    Link(&'a str),
}

/// The page that shows these mails.
///
/// # Errors
/// Never in practice: writing into a text cannot fail.
pub fn page(mails: &[Mail]) -> Result<String, askama::Error> {
    let mails = mails
        .iter()
        .map(|mail| Shown {
            mail,
            to: mail.to.join(", "),
            text: mail.text.as_deref().map(pieces).unwrap_or_default(),
            frame: mail
                .html
                .as_ref()
                .map(|html| format!("<base target=\"_blank\">{html}")),
        })
        .collect();
    Page { mails }.render()
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

    /// A mail holds what strangers typed; the page must show it, not run it.
    #[test]
    fn what_a_mail_holds_is_shown_and_not_run() {
        let mail = Mail {
            id: "1".to_owned(),
            sent_at: "2026-03-01T12:00:00Z".to_owned(),
            from: "a@kith.example".to_owned(),
            to: vec!["b@example.com".to_owned()],
            subject: "<script>alert(1)</script>".to_owned(),
            text: Some("see https://kith.example/s/x?a=1&b=2. <b>".to_owned()),
            html: Some("<p class=\"x\">hi</p>".to_owned()),
            headers: vec![("List-Unsubscribe".to_owned(), "<https://x>".to_owned())],
            tags: Vec::new(),
        };
        let page = page(&[mail]).unwrap();
        assert!(!page.contains("<script>"), "{page}");
        assert!(
            page.contains("href=\"https://kith.example/s/x?a=1&#38;b=2\""),
            "{page}"
        );
        assert!(
            !page.contains("<p class=\"x\""),
            "the frame's document is an attribute: {page}"
        );
        assert!(!page.contains("<b>"), "{page}");
    }
}
