//! The key of the day, under which visitors are told apart for as long as it lives.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use kith_domain::click::{DAY_KEY_LIFE, VisitorHash};
use kith_store::items::VisitorKey;
use kith_store::{Loaded, Store, StoreError, keys};

use crate::desk::Desk;
use crate::http::Request;

/// The random key of a day's visitor hashes. It exists only as long as the day's visitors have to be
/// told apart.
#[derive(Clone)]
pub struct DayKey(Arc<str>);

impl DayKey {
    /// A key that was read.
    #[must_use]
    pub fn of(key: &VisitorKey) -> Self {
        Self(key.key.as_str().into())
    }

    /// The visitor behind a request: an address and a user agent.
    #[must_use]
    pub fn visitor(&self, request: &Request) -> VisitorHash {
        let address = request.source_address().map(|address| address.to_string());
        VisitorHash::of(
            self.0.as_bytes(),
            address.as_deref().unwrap_or_default(),
            request.header("user-agent").unwrap_or_default(),
        )
    }
}

impl fmt::Debug for DayKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("DayKey(redacted)")
    }
}

impl Desk {
    /// The key of a day, of which `loaded` holds the item if there is one: that one, or a new one, or
    /// that of whoever was first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn day_key(
        &self,
        store: &Store,
        loaded: &Loaded,
        day: &str,
    ) -> Result<DayKey, StoreError> {
        let key = keys::visitor_key(day);
        if let Some(read) = loaded.read::<VisitorKey>(&key)? {
            return Ok(DayKey::of(&read));
        }
        let random: [u8; 32] = self.random();
        let expires_at = self.real_now().checked_add(DAY_KEY_LIFE);
        let ours = VisitorKey {
            key: random.iter().map(|byte| format!("{byte:02x}")).collect(),
            expires_at: expires_at.unwrap_or(Timestamp::MAX).as_second(),
        };
        if store.keep_visitor_key(day, &ours).await? {
            return Ok(DayKey::of(&ours));
        }
        let theirs = store.get_one::<VisitorKey>(key).await?;
        let theirs = theirs.ok_or_else(|| StoreError::Unavailable {
            doing: "reading",
            source: "the key of the day is gone".into(),
        })?;
        Ok(DayKey::of(&theirs))
    }
}
