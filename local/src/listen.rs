//! `listen`: forwards the events of a test program to a server that webhooks cannot reach, such as the one
//! a developer runs on a laptop. It reads the feed, so that the program need not know of it.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use kith_connectors::signing::{self, Secret};
use kith_connectors::{Client, Destination, End, Limits, Reach};
use kith_domain::id::ProgramId;
use kith_edge::config::Origin;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::Deserialize;
use serde_json::Value;

/// How long it waits before it asks whether anything has happened.
const PAUSE: Duration = Duration::from_millis(500);
/// How long it waits before each further attempt to forward an event.
const RETRIES: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];
/// How long Kith has for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// What `listen` is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// Where Kith answers.
    pub kith: Origin,
    /// The program, a test one.
    pub program: ProgramId,
    /// Where its events go.
    pub forward_to: Destination,
}

/// Why listening ended.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Kith cannot be asked.
    #[error("no answer came from Kith: {0}")]
    NoAnswer(#[from] reqwest::Error),
    /// Kith refuses.
    #[error("Kith answers {status}: {detail}")]
    Refused {
        /// The status.
        status: u16,
        /// What it says.
        detail: String,
    },
    /// The program is a live one.
    #[error("the program is live, and listen is for test programs: make a webhook for it")]
    Live,
    /// Nothing can be sent from here.
    #[error(transparent)]
    NoRoots(#[from] kith_connectors::NoRoots),
    /// An event cannot be signed.
    #[error(transparent)]
    Unsignable(#[from] signing::Unsignable),
}

/// A page of the feed.
#[derive(Debug, Deserialize)]
struct Page {
    data: Vec<Value>,
    next_cursor: String,
}

/// What a refusal says.
#[derive(Debug, Default, Deserialize)]
struct Problem {
    #[serde(default)]
    detail: String,
}

/// Forwards what happens from now on, one event after the other, until something stops it. Each line is
/// told to `say`. What is not taken after five attempts is left behind: the feed still has it.
///
/// # Errors
/// [`ListenError`] when Kith does not answer as it should. That the server does not take an event is none.
pub async fn run(
    listen: &Listen,
    key: &str,
    secret: Secret,
    say: impl Fn(&str) + Sync,
) -> Result<(), ListenError> {
    let http = reqwest::Client::builder().timeout(ANSWER_MAX).build()?;
    let client = Client::new(Reach::LocalToo)?;
    let (program, to) = (listen.program, listen.forward_to.as_str());
    let feed = format!("{}/v1/programs/{program}/events", listen.kith);
    let read = async |after: &str| -> Result<Page, ListenError> {
        let asked = http
            // Cursors are written in letters that need no escape.
            .get(format!("{feed}?limit=100&after={after}"))
            .bearer_auth(key);
        let answer = asked.send().await?;
        let status = answer.status();
        if !status.is_success() {
            let problem: Problem = answer.json().await.unwrap_or_default();
            return Err(ListenError::Refused {
                status: status.as_u16(),
                detail: problem.detail,
            });
        }
        let page: Page = answer.json().await?;
        if page.data.iter().any(|event| word(event, "mode") != "test") {
            return Err(ListenError::Live);
        }
        Ok(page)
    };
    let mut after = String::new();
    loop {
        let page = read(&after).await?;
        after = page.next_cursor;
        if page.data.is_empty() {
            break;
        }
    }
    say(&format!("events of {program} go to {to}"));
    say(&format!("signed with {}", secret.reveal()));
    let secrets = [secret];
    loop {
        let page = read(&after).await?;
        for event in &page.data {
            forward(&client, &listen.forward_to, &secrets, event, &say).await?;
        }
        after = page.next_cursor;
        if page.data.is_empty() {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Posts an event as a webhook would be, until it is taken or there are no more attempts.
async fn forward(
    client: &Client,
    to: &Destination,
    secrets: &[Secret],
    event: &Value,
    say: &impl Fn(&str),
) -> Result<(), ListenError> {
    let (id, kind) = (word(event, "id"), word(event, "type"));
    let body = event.to_string();
    let mut waits = RETRIES.into_iter();
    loop {
        let mut headers: HeaderMap =
            signing::headers(secrets, id, Timestamp::now(), body.as_bytes())?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let begun = Instant::now();
        let posted = client
            .post(to, headers, body.clone().into(), Limits::default())
            .await;
        let took = begun.elapsed().as_millis();
        let (is_taken, end) = match posted.end {
            End::Answered(answer) => (answer.is_success(), answer.status.to_string()),
            end @ (End::NotResolved
            | End::ForbiddenAddress
            | End::Refused
            | End::Tls
            | End::TimedOut(_)
            | End::Broken) => (false, format!("no answer: {end:?}")),
        };
        say(&format!("{kind:<24} {id}  {end}  {took} ms"));
        if is_taken {
            return Ok(());
        }
        let Some(wait) = waits.next() else {
            say(&format!("{kind:<24} {id}  given up"));
            return Ok(());
        };
        tokio::time::sleep(wait).await;
    }
}

/// A member of an event; every event has it.
fn word<'a>(event: &'a Value, name: &str) -> &'a str {
    event.get(name).and_then(Value::as_str).unwrap_or_default()
}
