//! Outside systems. Webhooks out, sent after the Standard Webhooks specification, to addresses that somebody else chose;
//! and webhooks in, by which shop systems tell of [`orders`].
//!
//! A [`Destination`] is a URL that was looked at once, when it was saved. A [`Client`] posts to it and looks again, at
//! the addresses that the name has by then; a [`Delivery`] says how that ended. A [`Messenger`] posts a signed message to an
//! endpoint of a program. [`signing`] makes the headers by which
//! the receiver knows who is calling, and checks those of others. Whether to send, and when to try again, is decided
//! elsewhere: nothing here repeats a request.
//!
//! ```text
//! let destination = Destination::parse(&endpoint.url, Reach::Public)?;
//! let headers = signing::headers(&secrets, &event_id, clock.now(), &body)?;
//! let delivery = client.post(&destination, headers, body, Limits::default()).await;
//! ```

mod address;
mod client;
mod destination;
mod internet;
mod messenger;
pub mod orders;
mod retry_after;
pub mod signing;

pub use address::is_public;
pub use client::{Answer, Client, Delivery, End, Limits, NoRoots, Phase, Unreachable};
pub use destination::{BadDestination, DESTINATION_BYTES_MAX, Destination, Reach};
pub use internet::{Connecting, Internet, Resolving, Stream, SystemInternet};
pub use messenger::{Message, Messenger, Posted, Unsent};
pub use retry_after::RetryAfter;
