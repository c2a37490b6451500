//! A page with the headers it must travel with.

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::brand::Brand;

const STYLE: &str = include_str!("../templates/style.css");

/// Shown should a template ever fail, which writing to memory does not.
const PLAIN: &str = "<!doctype html><html lang=\"en\"><title>Please try again</title><p>Please try again in a minute.</p></html>";

/// A page, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    body: String,
    content_security_policy: String,
}

impl Page {
    pub(crate) fn render(template: &impl Template, frame: &Frame<'_>) -> Self {
        Self::with_policy(template, policy(&frame.style))
    }

    pub(crate) fn with_policy(template: &impl Template, content_security_policy: String) -> Self {
        Self {
            body: template.render().unwrap_or_else(|_| PLAIN.to_owned()),
            content_security_policy,
        }
    }

    /// The HTML.
    #[must_use]
    pub fn body(&self) -> &str {
        &self.body
    }

    /// The HTML, owned.
    #[must_use]
    pub fn into_body(self) -> String {
        self.body
    }

    /// The page's own style sheet by its hash, forms to the page's own origin, and nothing else; for the page that shows
    /// the API, files of its own origin.
    #[must_use]
    pub fn content_security_policy(&self) -> &str {
        &self.content_security_policy
    }

    /// The headers that every page is sent with, names in lower case. Pages are one person's and are not kept by caches.
    #[must_use]
    pub fn headers(&self) -> [(&'static str, &str); 6] {
        [
            ("content-type", "text/html; charset=utf-8"),
            ("content-security-policy", &self.content_security_policy),
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("x-content-type-options", "nosniff"),
            ("x-robots-tag", "noindex"),
        ]
    }
}

/// What the layout is filled with.
pub(crate) struct Frame<'a> {
    pub(crate) lang: &'static str,
    pub(crate) name: Option<&'a str>,
    pub(crate) style: String,
}

impl<'a> Frame<'a> {
    pub(crate) fn of(brand: &Brand<'a>) -> Self {
        let mut style = STYLE.to_owned();
        if let Some(accent) = brand.accent {
            style.push_str(&accent.style());
        }
        Self {
            lang: brand.language.tag(),
            name: brand.name,
            style,
        }
    }
}

fn policy(style: &str) -> String {
    let hash = STANDARD.encode(Sha256::digest(style.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
}
