//! The audit log. An entry is put where nothing was, in the transaction of what it tells of. There
//! is no other access to it than this, and reading.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use kith_domain::id::AuditId;

use crate::commit::{Commit, Indexes, Write};
use crate::items::AuditEntry;
use crate::keys::{self, AuditLog, IndexKey};
use crate::store::{Store, StoreError};

const MILLISECOND: SignedDuration = SignedDuration::from_millis(1);

/// A part of an audit log, newest first.
#[derive(Debug, Clone)]
pub struct AuditPage {
    /// The entries.
    pub entries: Vec<AuditEntry>,
    /// Behind what the log goes on: behind the last entry, or at the end of the month before.
    pub next: AuditId,
}

impl Commit {
    /// An entry of an audit log.
    pub fn audit(&mut self, log: AuditLog, entry: &AuditEntry) -> &mut Self {
        let of_object = IndexKey {
            pk: keys::audit_of_object(log, &entry.object_id),
            sk: entry.id.to_string(),
        };
        let indexes = Indexes {
            party: Some(of_object),
            ..Indexes::default()
        };
        self.put(keys::audit(log, entry.id), entry, Write::New, indexes);
        self
    }
}

impl Store {
    /// The entries of the month of `before` that are older than it, newest first, strongly
    /// consistent.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn audit_before(
        &self,
        log: AuditLog,
        before: AuditId,
        limit: u16,
    ) -> Result<AuditPage, StoreError> {
        let month = keys::audit_of_month(log, &keys::month(before.at()));
        let after = before.to_string();
        let page = self
            .partition::<AuditEntry>(&month, Some(&after), true, limit)
            .await?;
        let last = page.items.last().map(|entry| entry.id);
        Ok(AuditPage {
            entries: page.items,
            next: last
                .filter(|_| page.next.is_some())
                .unwrap_or_else(|| end_of_month_before(before.at())),
        })
    }
}

/// Behind every entry of the month before that of an instant, UTC.
fn end_of_month_before(at: Timestamp) -> AuditId {
    let first = at.to_zoned(TimeZone::UTC).first_of_month();
    let first = first.and_then(|first| first.start_of_day());
    let first = first.map_or(Timestamp::MIN, |first| first.timestamp());
    let last = first.checked_sub(MILLISECOND).unwrap_or(Timestamp::MIN);
    AuditId::new(last, [u8::MAX; 10])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_begins_behind_the_end_of_the_one_before() {
        for (at, end) in [
            ("2026-03-17T12:30:00Z", "2026-02-28T23:59:59.999Z"),
            ("2026-01-01T00:00:00Z", "2025-12-31T23:59:59.999Z"),
        ] {
            let end: Timestamp = end.parse().unwrap();
            assert_eq!(end_of_month_before(at.parse().unwrap()).at(), end, "{at}");
        }
    }
}
