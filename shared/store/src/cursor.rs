//! Cursors: where a list goes on. Opaque to the caller, signed, and good for one list only.

use kith_domain::signed::{Purpose, TokenKeys};
use sha2::{Digest, Sha256};

const CONTEXT_BYTES: usize = 8;

/// The text is no cursor of this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a cursor of this list; leave it out to start at the beginning")]
pub struct BadCursor;

/// Writes the position in a list; `list` names the list and its filters.
#[must_use]
pub fn write(keys: &TokenKeys, list: &str, position: &str) -> String {
    let mut payload = context(list).to_vec();
    payload.extend_from_slice(position.as_bytes());
    keys.seal(Purpose::Cursor, &payload)
}

/// Reads the position in a list.
///
/// # Errors
/// [`BadCursor`], when the text was changed or belongs to another list.
pub fn read(keys: &TokenKeys, list: &str, text: &str) -> Result<String, BadCursor> {
    let payload = keys.open(Purpose::Cursor, text).ok_or(BadCursor)?;
    let (context_of, position) = payload
        .split_first_chunk::<CONTEXT_BYTES>()
        .ok_or(BadCursor)?;
    if *context_of != context(list) {
        return Err(BadCursor);
    }
    String::from_utf8(position.to_vec()).map_err(|_| BadCursor)
}

fn context(list: &str) -> [u8; CONTEXT_BYTES] {
    let digest: [u8; 32] = Sha256::digest(list.as_bytes()).into();
    digest.first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_good_for_its_own_list_only() {
        let keys = TokenKeys::parse("1:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa").unwrap();
        let cursor = write(&keys, "rewards?state=pending", "rwd_1");
        assert_eq!(
            read(&keys, "rewards?state=pending", &cursor),
            Ok("rwd_1".to_owned())
        );
        assert_eq!(read(&keys, "rewards?state=issued", &cursor), Err(BadCursor));
        assert_eq!(
            read(&keys, "rewards?state=pending", "rwd_1"),
            Err(BadCursor)
        );
    }
}
