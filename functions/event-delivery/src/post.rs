//! The call itself.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use jiff::{SignedDuration, Timestamp};
use kith_connectors::signing::{self, Secret};
use kith_connectors::{Destination, End, RetryAfter};
use kith_contract::answers;
use kith_domain::webhook::{Attempt, AttemptEnd, Delivery, Endpoint};
use kith_store::items::Event;

use crate::Deliverer;
use crate::deliver::span;

/// What a delivery is about: whoever wants them in order sorts by the event's id among those with the
/// same key.
const ORDERING_KEY: HeaderName = HeaderName::from_static("kith-ordering-key");

/// An attempt, and what the endpoint wishes.
#[derive(Debug)]
pub(crate) struct Posted {
    pub(crate) attempt: Attempt,
    retry_after: Option<RetryAfter>,
}

impl Posted {
    /// How long the endpoint asks to be left alone.
    pub(crate) fn retry_after(&self, now: Timestamp) -> Option<SignedDuration> {
        self.retry_after.map(|wish| span(wish.wait(now)))
    }
}

/// Why nothing can be sent at all.
#[derive(Debug, thiserror::Error)]
enum Unsent {
    #[error("the event's fact is gone")]
    NoFact,
    #[error("the event cannot be written")]
    Unwritable,
    #[error(transparent)]
    Secret(#[from] signing::BadSecret),
    #[error(transparent)]
    Unsignable(#[from] signing::Unsignable),
}

impl Deliverer {
    /// Posts a delivery, once.
    pub(crate) async fn post(
        &self,
        endpoint: &Endpoint,
        delivery: &Delivery,
        event: &Event,
    ) -> Posted {
        let at = self.desk.real_now();
        let ended = |end, duration_ms, status, excerpt| Attempt {
            at,
            duration_ms,
            end,
            status,
            excerpt,
        };
        // What was saved may be forbidden by now.
        let Ok(destination) = Destination::parse(&endpoint.url, self.reach) else {
            return Posted {
                attempt: ended(AttemptEnd::ForbiddenAddress, 0, None, None),
                retry_after: None,
            };
        };
        let (headers, body) = match message(endpoint, delivery, event, at) {
            Ok(message) => message,
            Err(error) => {
                tracing::error!(delivery.id = %delivery.id, %error, "the delivery cannot be written");
                return Posted {
                    attempt: ended(AttemptEnd::Broken, 0, None, None),
                    retry_after: None,
                };
            }
        };
        let posted = self
            .client
            .post(&destination, headers, body, self.limits)
            .await;
        let duration_ms = u32::try_from(posted.duration.as_millis()).unwrap_or(u32::MAX);
        let end = match &posted.end {
            End::Answered(_) => AttemptEnd::Answered,
            End::NotResolved => AttemptEnd::NotResolved,
            End::ForbiddenAddress => AttemptEnd::ForbiddenAddress,
            End::Refused => AttemptEnd::Refused,
            End::Tls => AttemptEnd::Tls,
            End::TimedOut(_) => AttemptEnd::TimedOut,
            End::Broken => AttemptEnd::Broken,
        };
        let answer = match posted.end {
            End::Answered(answer) => Some(answer),
            End::NotResolved
            | End::ForbiddenAddress
            | End::Refused
            | End::Tls
            | End::TimedOut(_)
            | End::Broken => None,
        };
        let status = answer.as_ref().map(|answer| answer.status);
        let excerpt = answer.as_ref().map(|answer| answer.excerpt.clone());
        Posted {
            attempt: ended(
                end,
                duration_ms,
                status,
                excerpt.filter(|text| !text.is_empty()),
            ),
            retry_after: answer.and_then(|answer| answer.retry_after),
        }
    }
}

/// The event as the feed tells it, signed for this moment.
fn message(
    endpoint: &Endpoint,
    delivery: &Delivery,
    event: &Event,
    at: Timestamp,
) -> Result<(HeaderMap, Bytes), Unsent> {
    let recorded = event
        .facts
        .iter()
        .find(|recorded| recorded.id == delivery.event);
    let recorded = recorded.ok_or(Unsent::NoFact)?;
    let owner = (event.program, event.mode);
    let told = answers::event(recorded.id, event.created_at, owner, &recorded.fact);
    let body = serde_json::to_vec(&told).map_err(|_| Unsent::Unwritable)?;
    let secrets: Vec<Secret> = endpoint
        .secrets_at(at)
        .map(Secret::parse)
        .collect::<Result<_, _>>()?;
    let mut headers = signing::headers(&secrets, &recorded.id.to_string(), at, &body)?;
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(key) = HeaderValue::from_str(&recorded.fact.subject(event.program)) {
        headers.insert(ORDERING_KEY, key);
    }
    Ok((headers, Bytes::from(body)))
}
