//! Signed texts: what the bundle hands to browsers and reads back later.
//!
//! The layout is `base64url(version ‖ key id ‖ payload ‖ tag)`; the tag is the first 16 bytes of
//! HMAC-SHA256 (RFC 2104, truncated as its section 5 allows) under a key derived for one purpose,
//! so that a token of one purpose never passes for another. Several keys verify and the first one
//! signs, which is how a secret is rotated.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

const VERSION: u8 = 1;
const HEADER_BYTES: usize = 2;
const TAG_BYTES: usize = 16;

/// Fewer characters do not make a secret.
pub const SECRET_CHARS_MIN: usize = 32;

/// What a signed text is for. Each purpose has a key of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Proof of clicks, carried by links and cookies.
    Click,
    /// The way to one survey.
    Survey,
    /// The way to stop mail.
    Unsubscribe,
    /// Where a list goes on.
    Cursor,
    /// The mail that a link stood in.
    Mail,
}

impl Purpose {
    /// A longer text is refused unread. Cursors of events name what they told lately.
    fn text_bytes_max(self) -> usize {
        match self {
            Self::Click | Self::Survey | Self::Unsubscribe | Self::Mail => 1_024,
            Self::Cursor => 5_120,
        }
    }

    fn label(self) -> &'static [u8] {
        match self {
            Self::Click => b"kith click",
            Self::Survey => b"kith survey",
            Self::Unsubscribe => b"kith unsubscribe",
            Self::Cursor => b"kith cursor",
            Self::Mail => b"kith mail",
        }
    }
}

/// The secrets that sign, by id: the first signs, all verify.
#[derive(Clone)]
pub struct TokenKeys(Vec<(u8, Vec<u8>)>);

/// Why the configured keys are not usable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenKeysError {
    /// The text is not `id:secret[,id:secret]`.
    #[error(
        "must be `id:secret`, or several of them joined by commas; an id is a number from 0 to 255, and each stands once"
    )]
    Malformed,
    /// A secret is too short.
    #[error("each secret needs at least {SECRET_CHARS_MIN} characters")]
    ShortSecret,
}

impl TokenKeys {
    /// Reads `id:secret[,id:secret]`.
    ///
    /// # Errors
    /// [`TokenKeysError`], when the form or the length of a secret is off.
    pub fn parse(text: &str) -> Result<Self, TokenKeysError> {
        let mut keys: Vec<(u8, Vec<u8>)> = Vec::new();
        for entry in text.split(',') {
            let (id, secret) = entry.split_once(':').ok_or(TokenKeysError::Malformed)?;
            let id = id.trim().parse().map_err(|_| TokenKeysError::Malformed)?;
            if keys.iter().any(|(known, _)| *known == id) {
                return Err(TokenKeysError::Malformed);
            }
            if secret.len() < SECRET_CHARS_MIN {
                return Err(TokenKeysError::ShortSecret);
            }
            keys.push((id, secret.as_bytes().to_vec()));
        }
        Ok(Self(keys))
    }

    /// Signs a payload.
    #[must_use]
    pub fn seal(&self, purpose: Purpose, payload: &[u8]) -> String {
        let Some((id, secret)) = self.0.first() else {
            // `parse` never makes an empty list; an empty text opens nowhere.
            return String::new();
        };
        let mut bytes = vec![VERSION, *id];
        bytes.extend_from_slice(payload);
        let tag = tag(secret, purpose, &bytes);
        bytes.extend_from_slice(&tag);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The payload of a text that one of these keys signed for this purpose.
    #[must_use]
    pub fn open(&self, purpose: Purpose, text: &str) -> Option<Vec<u8>> {
        if text.len() > purpose.text_bytes_max() {
            return None;
        }
        let mut bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let tag_at = bytes.len().checked_sub(TAG_BYTES)?;
        let presented = bytes.split_off(tag_at);
        let (&[version, id], payload) = bytes.split_first_chunk::<HEADER_BYTES>()?;
        let (_, secret) = self.0.iter().find(|(known, _)| *known == id)?;
        let genuine = tag(secret, purpose, &bytes).ct_eq(presented.as_slice());
        (version == VERSION && bool::from(genuine)).then(|| payload.to_vec())
    }
}

impl std::fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(id, _)| id))
            .finish()
    }
}

fn tag(secret: &[u8], purpose: Purpose, message: &[u8]) -> [u8; TAG_BYTES] {
    let key = hmac_sha256(secret, &[purpose.label()]);
    let mut tag = [0; TAG_BYTES];
    for (to, from) in tag.iter_mut().zip(hmac_sha256(&key, &[message])) {
        *to = from;
    }
    tag
}

/// HMAC-SHA256 of the parts, one after the other.
#[must_use]
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // HMAC takes keys of any length; the error of the constructor belongs to other MACs.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        unreachable!("HMAC takes keys of any length")
    };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OLD: &str = "1:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const BOTH: &str = "2:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb,1:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    fn keys(text: &str) -> TokenKeys {
        TokenKeys::parse(text).unwrap()
    }

    #[test]
    fn a_rotated_secret_still_opens_what_it_signed() {
        let text = keys(OLD).seal(Purpose::Survey, b"payload");
        assert_eq!(
            keys(BOTH).open(Purpose::Survey, &text).as_deref(),
            Some(&b"payload"[..])
        );
        let new = keys(BOTH).seal(Purpose::Survey, b"payload");
        assert_eq!(keys(OLD).open(Purpose::Survey, &new), None);
    }

    #[test]
    fn a_text_of_one_purpose_does_not_open_for_another() {
        let text = keys(OLD).seal(Purpose::Survey, b"payload");
        assert_eq!(keys(OLD).open(Purpose::Unsubscribe, &text), None);
    }

    #[test]
    fn unusable_secrets_are_refused_with_a_reason() {
        assert_eq!(
            TokenKeys::parse("1:short").err(),
            Some(TokenKeysError::ShortSecret)
        );
        for bad in [
            "",
            "x:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            &format!("{OLD},{OLD}"),
        ] {
            assert_eq!(
                TokenKeys::parse(bad).err(),
                Some(TokenKeysError::Malformed),
                "{bad}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_changed_character_is_noticed(payload: Vec<u8>, at: prop::sample::Index, with in "[A-Za-z0-9_-]") {
            prop_assume!(payload.len() < 200);
            let text = keys(OLD).seal(Purpose::Click, &payload);
            let mut changed: Vec<char> = text.chars().collect();
            let place = at.index(changed.len());
            changed[place] = with.chars().next().unwrap();
            let changed: String = changed.into_iter().collect();
            prop_assume!(changed != text);
            prop_assert_eq!(keys(OLD).open(Purpose::Click, &changed), None);
            prop_assert_eq!(keys(OLD).open(Purpose::Click, &text), Some(payload));
        }

        #[test]
        fn garbage_opens_nothing(text in ".{0,200}") {
            prop_assert_eq!(keys(OLD).open(Purpose::Click, &text), None);
        }
    }
}
