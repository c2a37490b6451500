//! Posting to an endpoint of a program: signed for this moment, once, and told in the words of the
//! domain how it ended.

use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use jiff::{SignedDuration, Timestamp};
use kith_domain::webhook::{Attempt, AttemptEnd, Endpoint};

use crate::client::{Answer, Client, End, Limits, NoRoots};
use crate::destination::{Destination, Reach};
use crate::retry_after::RetryAfter;
use crate::signing::{self, Secret};

/// What a message is about: whoever wants them in order sorts by id among those with the same key.
const ORDERING_KEY: HeaderName = HeaderName::from_static("kith-ordering-key");

/// A message in JSON.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its id, the same in every attempt.
    pub id: String,
    /// The id of what it is about.
    pub about: String,
    /// The body.
    pub body: Vec<u8>,
}

/// An attempt, and what the endpoint says beside its status.
#[derive(Debug, Clone)]
pub struct Posted {
    /// How it ended.
    pub attempt: Attempt,
    /// The answer's body, as [`Answer::body`]; empty without an answer.
    pub body: Bytes,
    retry_after: Option<RetryAfter>,
}

impl Posted {
    /// An attempt that came to nothing, because there was nothing to send.
    #[must_use]
    pub fn unsent(at: Timestamp) -> Self {
        Self::without_answer(at, 0, AttemptEnd::Broken)
    }

    fn without_answer(at: Timestamp, duration_ms: u32, end: AttemptEnd) -> Self {
        Self {
            attempt: Attempt {
                at,
                duration_ms,
                end,
                status: None,
                excerpt: None,
            },
            body: Bytes::new(),
            retry_after: None,
        }
    }

    fn answered(at: Timestamp, duration_ms: u32, answer: Answer) -> Self {
        Self {
            attempt: Attempt {
                at,
                duration_ms,
                end: AttemptEnd::Answered,
                status: Some(answer.status),
                excerpt: Some(answer.excerpt).filter(|text| !text.is_empty()),
            },
            body: answer.body,
            retry_after: answer.retry_after,
        }
    }

    /// How long the endpoint asks to be left alone.
    #[must_use]
    pub fn retry_after(&self, now: Timestamp) -> Option<SignedDuration> {
        let wait = self.retry_after?.wait(now);
        Some(SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX))
    }
}

/// Why nothing could be sent at all.
#[derive(Debug, thiserror::Error)]
pub enum Unsent {
    /// A secret is not one.
    #[error(transparent)]
    Secret(#[from] signing::BadSecret),
    /// The message cannot be signed.
    #[error(transparent)]
    Unsignable(#[from] signing::Unsignable),
    /// Nobody could be believed.
    #[error(transparent)]
    NoRoots(#[from] NoRoots),
}

/// Posts to endpoints. To be made once and kept.
#[derive(Debug)]
pub struct Messenger {
    reach: Reach,
    limits: Limits,
    /// Made when it is first needed: it reads the system's certificates.
    client: OnceLock<Client>,
}

impl Messenger {
    /// A messenger that reaches so far.
    #[must_use]
    pub fn new(reach: Reach) -> Self {
        Self {
            reach,
            limits: Limits::default(),
            client: OnceLock::new(),
        }
    }

    /// A messenger that posts by this client.
    #[must_use]
    pub fn over(client: Client) -> Self {
        Self {
            reach: client.reach(),
            limits: Limits::default(),
            client: OnceLock::from(client),
        }
    }

    /// How long a call may take, all of it.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.limits.total
    }

    /// Makes what is needed to post, for whoever would rather know at the start that it is not there.
    ///
    /// # Errors
    /// [`NoRoots`].
    pub fn client(&self) -> Result<&Client, NoRoots> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = Client::new(self.reach)?;
        Ok(self.client.get_or_init(|| client))
    }

    /// Posts a message to an endpoint, once. `at` is real time.
    ///
    /// # Errors
    /// [`Unsent`], when there is nothing to be sent; a call that fails is an attempt.
    pub async fn post(
        &self,
        endpoint: &Endpoint,
        message: Message,
        at: Timestamp,
    ) -> Result<Posted, Unsent> {
        let client = self.client()?;
        // What was saved may be forbidden by now.
        let Ok(destination) = Destination::parse(&endpoint.url, self.reach) else {
            return Ok(Posted::without_answer(at, 0, AttemptEnd::ForbiddenAddress));
        };
        let headers = headers(endpoint, &message, at)?;
        let body = Bytes::from(message.body);
        let posted = client.post(&destination, headers, body, self.limits).await;
        let duration_ms = u32::try_from(posted.duration.as_millis()).unwrap_or(u32::MAX);
        let without = |end| Posted::without_answer(at, duration_ms, end);
        Ok(match posted.end {
            End::Answered(answer) => Posted::answered(at, duration_ms, answer),
            End::NotResolved => without(AttemptEnd::NotResolved),
            End::ForbiddenAddress => without(AttemptEnd::ForbiddenAddress),
            End::Refused => without(AttemptEnd::Refused),
            End::Tls => without(AttemptEnd::Tls),
            End::TimedOut(_) => without(AttemptEnd::TimedOut),
            End::Broken => without(AttemptEnd::Broken),
        })
    }
}

/// Signed with every secret that signs now.
fn headers(endpoint: &Endpoint, message: &Message, at: Timestamp) -> Result<HeaderMap, Unsent> {
    let secrets: Vec<Secret> = endpoint
        .secrets_at(at)
        .map(Secret::parse)
        .collect::<Result<_, _>>()?;
    let mut headers = signing::headers(&secrets, &message.id, at, &message.body)?;
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(about) = HeaderValue::from_str(&message.about) {
        headers.insert(ORDERING_KEY, about);
    }
    Ok(headers)
}
