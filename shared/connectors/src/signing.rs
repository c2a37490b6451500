//! Signatures after the Standard Webhooks specification: HMAC-SHA256 over id, time and body.
//!
//! A receiver that knows the secret sees that a message is from us, unchanged and fresh. While a secret is being
//! replaced, each message is signed with the new one and the old one, so that receivers may change over when they like.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::{SignedDuration, Timestamp};
use kith_domain::signed::hmac_sha256;
use subtle::{Choice, ConstantTimeEq};

/// Names the message: the same in every attempt, so that the receiver knows a repetition.
pub const ID_HEADER: HeaderName = HeaderName::from_static("webhook-id");
/// When this attempt was made, in seconds since 1970.
pub const TIMESTAMP_HEADER: HeaderName = HeaderName::from_static("webhook-timestamp");
/// One or more signatures.
pub const SIGNATURE_HEADER: HeaderName = HeaderName::from_static("webhook-signature");

/// How far the time of a message may be from now, both ways: exactly so far is still good.
pub const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);
/// Fewest bytes of a secret.
pub const SECRET_BYTES_MIN: usize = 24;
/// Most bytes of a secret.
pub const SECRET_BYTES_MAX: usize = 64;
/// Longest id of a message, in bytes.
pub const MESSAGE_ID_BYTES_MAX: usize = 256;
/// Most signatures of a message that are looked at.
pub const SIGNATURES_MAX: usize = 16;

/// What the text of a secret begins with.
const SECRET_MARK: &str = "whsec_";
/// What a symmetric signature begins with. Asymmetric ones begin with `v1a,` and are passed over.
const SIGNATURE_MARK: &str = "v1,";

/// Why a text is not a secret. It is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error(
    "must be whsec_ followed by {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} bytes in Base64, with its padding"
)]
pub struct BadSecret;

/// Why a message cannot be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unsignable {
    /// The dot stands between the parts of what is signed: with one in the id, two messages could be signed alike.
    #[error(
        "the id of a message must be 1 to {MESSAGE_ID_BYTES_MAX} visible ASCII characters without a dot"
    )]
    MessageId,
    /// Nobody would believe the message.
    #[error("a message needs at least one secret")]
    NoSecret,
}

/// Why a message is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unverified {
    /// One of the three headers is not there exactly once, or not of its form.
    #[error("webhook-id, webhook-timestamp and webhook-signature must each be there once")]
    Headers,
    /// An old message that somebody kept, or a clock that is wrong.
    #[error("the message is older or newer than five minutes")]
    Stale,
    /// Another secret, or something was changed on the way.
    #[error("no signature is right")]
    Signature,
}

/// A key that sender and receiver share: 24 to 64 bytes.
///
/// Comparing takes as long wherever two differ. Nothing prints it but [`Secret::reveal`].
#[derive(Clone)]
pub struct Secret(Box<[u8]>);

impl Secret {
    /// A new secret of random bytes, which the caller takes from the system's source.
    #[must_use]
    pub fn of_random(bytes: [u8; 32]) -> Self {
        Self(Box::new(bytes))
    }

    /// Reads `whsec_` and Base64 (standard alphabet, with padding), as [`Secret::reveal`] writes it.
    ///
    /// # Errors
    /// [`BadSecret`].
    pub fn parse(text: &str) -> Result<Self, BadSecret> {
        let encoded = text.strip_prefix(SECRET_MARK).ok_or(BadSecret)?;
        // Four letters for three bytes: no more is decoded than can be a secret.
        if encoded.len() > SECRET_BYTES_MAX.div_ceil(3).saturating_mul(4) {
            return Err(BadSecret);
        }
        let bytes = STANDARD.decode(encoded).map_err(|_| BadSecret)?;
        if !(SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&bytes.len()) {
            return Err(BadSecret);
        }
        Ok(Self(bytes.into()))
    }

    /// The text by which the receiver is told, and which is stored.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{SECRET_MARK}{}", STANDARD.encode(&self.0))
    }

    /// The signature of a message, with its version.
    fn sign(&self, id: &[u8], timestamp: &[u8], body: &[u8]) -> String {
        let code = hmac_sha256(&self.0, &[id, b".", timestamp, b".", body]);
        format!("{SIGNATURE_MARK}{}", STANDARD.encode(code))
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

/// The value of `webhook-signature`: a signature by each secret, in their order, which is the newest first.
///
/// `at` is the moment of this attempt, in whole seconds; `body` is what is sent, to the byte.
///
/// # Errors
/// [`Unsignable`].
pub fn sign(
    secrets: &[Secret],
    id: &str,
    at: Timestamp,
    body: &[u8],
) -> Result<String, Unsignable> {
    if !is_message_id(id) {
        return Err(Unsignable::MessageId);
    }
    if secrets.is_empty() {
        return Err(Unsignable::NoSecret);
    }
    let timestamp = at.as_second().to_string();
    let signatures: Vec<String> = secrets
        .iter()
        .map(|secret| secret.sign(id.as_bytes(), timestamp.as_bytes(), body))
        .collect();
    Ok(signatures.join(" "))
}

/// The three headers of a message that is sent `at` a moment.
///
/// # Errors
/// [`Unsignable`].
pub fn headers(
    secrets: &[Secret],
    id: &str,
    at: Timestamp,
    body: &[u8],
) -> Result<HeaderMap, Unsignable> {
    let signature = sign(secrets, id, at, body)?;
    // Base64 and visible ASCII are header values.
    let text = |text: &str| HeaderValue::from_str(text).map_err(|_| Unsignable::MessageId);
    Ok(HeaderMap::from_iter([
        (ID_HEADER, text(id)?),
        (TIMESTAMP_HEADER, HeaderValue::from(at.as_second())),
        (SIGNATURE_HEADER, text(&signature)?),
    ]))
}

/// Checks a message of somebody else's, and gives its id, by which the receiver knows a repetition.
///
/// `body` is what was received, to the byte. One good signature by one of the secrets is enough; versions that are not
/// known are passed over.
///
/// # Errors
/// [`Unverified`].
pub fn verify<'a>(
    headers: &'a HeaderMap,
    secrets: &[Secret],
    body: &[u8],
    now: Timestamp,
) -> Result<&'a str, Unverified> {
    let id = only(headers, &ID_HEADER).filter(|id| is_message_id(id));
    let id = id.ok_or(Unverified::Headers)?;
    let timestamp = only(headers, &TIMESTAMP_HEADER).ok_or(Unverified::Headers)?;
    let at = seconds(timestamp).ok_or(Unverified::Headers)?;
    let given = only(headers, &SIGNATURE_HEADER).ok_or(Unverified::Headers)?;
    // In whole seconds, as the sender counts and as the specification's own libraries do.
    let age = SignedDuration::from_secs(now.as_second().saturating_sub(at.as_second()));
    if age.abs() > TOLERANCE {
        return Err(Unverified::Stale);
    }
    let mut is_good = Choice::from(0);
    for secret in secrets {
        let expected = secret.sign(id.as_bytes(), timestamp.as_bytes(), body);
        for signature in given.split(' ').take(SIGNATURES_MAX) {
            is_good |= expected.as_bytes().ct_eq(signature.as_bytes());
        }
    }
    if is_good.into() {
        Ok(id)
    } else {
        Err(Unverified::Signature)
    }
}

fn is_message_id(text: &str) -> bool {
    (1..=MESSAGE_ID_BYTES_MAX).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'.')
}

/// A header that is there once: of two, sender and receiver could mean different ones.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// Digits and nothing else, in the one way to write them.
fn seconds(text: &str) -> Option<Timestamp> {
    let second: i64 = text.parse().ok()?;
    let is_canonical = second >= 0 && second.to_string() == text;
    Timestamp::from_second(second).ok().filter(|_| is_canonical)
}

#[cfg(test)]
mod tests;
