use std::collections::BTreeMap;

use kith_domain::id::MailId;
use schemars::JsonSchema;
use serde::Serialize;

use crate::scalar::{At, Spelled};

/// Where a test program's clock is.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ClockAdvanced {
    /// Where it is now.
    pub now: At,
    /// Where it was to come to.
    pub until: At,
    /// Whether it came there. If not: call again with that `until`.
    pub settled: bool,
}

/// A mail that a test program would have sent.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct TestMail {
    /// Its id.
    pub id: Spelled<MailId>,
    /// To whom.
    pub to: String,
    /// The subject.
    pub subject: String,
    /// The body, as text.
    pub text: String,
    /// The body, as HTML.
    pub html: String,
    /// Further headers.
    pub headers: BTreeMap<String, String>,
}
