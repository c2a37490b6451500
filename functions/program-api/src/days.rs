//! What is kept by day, read in order over all shards of the day: events and ledger entries.

use jiff::{SignedDuration, Timestamp};
use kith_domain::id::ProgramId;
use kith_edge::desk::View;
use kith_edge::session::Ended;
use kith_store::item::Entity;
use kith_store::items::{Event, LedgerEntry};
use kith_store::keys;

/// Items read at a time from one shard.
const ITEMS_AT_ONCE: u16 = 100;
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// An item that lies in the bucket of its day, under its id.
pub(crate) trait Dated: Entity {
    /// The id as text: the sort key.
    fn sort_key(&self) -> String;

    /// One shard of a day.
    fn bucket(program: ProgramId, day: &str, shard: u8) -> String;
}

impl Dated for Event {
    fn sort_key(&self) -> String {
        self.id.to_string()
    }

    fn bucket(program: ProgramId, day: &str, shard: u8) -> String {
        keys::events_of_day(program, day, shard)
    }
}

impl Dated for LedgerEntry {
    fn sort_key(&self) -> String {
        self.id.to_string()
    }

    fn bucket(program: ProgramId, day: &str, shard: u8) -> String {
        keys::ledger_of_day(program, day, shard)
    }
}

/// The next items of a day behind an id, over all its shards, in order; and whether there are more
/// of them.
pub(crate) async fn items<T: Dated>(
    view: &View,
    day: &str,
    after: &str,
) -> Result<(Vec<T>, bool), Ended> {
    let mut items: Vec<(String, T)> = Vec::new();
    // What one shard has not shown yet may be older than what another shows.
    let mut horizon: Option<String> = None;
    for shard in 0..view.program.shards.max(1) {
        let bucket = T::bucket(view.program.id, day, shard);
        let page = view
            .store
            .partition::<T>(&bucket, Some(after), false, ITEMS_AT_ONCE)
            .await?;
        let last = page.items.last().map(T::sort_key);
        if page.next.is_some() {
            horizon = match (horizon, last) {
                (Some(horizon), Some(last)) => Some(horizon.min(last)),
                (horizon, last) => horizon.or(last),
            };
        }
        let found = page.items.into_iter();
        items.extend(found.map(|item| (item.sort_key(), item)));
    }
    items.sort_by(|(a, _), (b, _)| a.cmp(b));
    if let Some(horizon) = &horizon {
        items.retain(|(id, _)| id <= horizon);
    }
    let items = items.into_iter().map(|(_, item)| item).collect();
    Ok((items, horizon.is_some()))
}

/// The item of a day with this id, in whichever shard it is.
pub(crate) async fn item_at<T: Dated>(
    view: &View,
    day: &str,
    id: &str,
) -> Result<Option<T>, Ended> {
    let shards = 0..view.program.shards.max(1);
    let keys = shards.map(|shard| keys::Key {
        pk: T::bucket(view.program.id, day, shard),
        sk: id.to_owned(),
    });
    let keys: Vec<keys::Key> = keys.collect();
    let loaded = view.store.get(keys.clone()).await?;
    for key in keys {
        if let Some(item) = loaded.read::<T>(&key)? {
            return Ok(Some(item));
        }
    }
    Ok(None)
}

/// The first instant of a day, UTC.
pub(crate) fn day_of(at: Timestamp) -> Timestamp {
    let seconds = at.as_second();
    let begun = seconds.saturating_sub(seconds.rem_euclid(DAY.as_secs()));
    Timestamp::from_second(begun).unwrap_or(Timestamp::MIN)
}

/// The first instant of the following day, UTC.
pub(crate) fn next_day(at: Timestamp) -> Timestamp {
    day_of(at).checked_add(DAY).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_and_ends_at_midnight() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        for (instant, begun, next) in [
            (
                "2026-03-01T12:00:00Z",
                "2026-03-01T00:00:00Z",
                "2026-03-02T00:00:00Z",
            ),
            (
                "2026-03-01T00:00:00Z",
                "2026-03-01T00:00:00Z",
                "2026-03-02T00:00:00Z",
            ),
            (
                "1969-12-31T23:59:59Z",
                "1969-12-31T00:00:00Z",
                "1970-01-01T00:00:00Z",
            ),
        ] {
            assert_eq!(
                (day_of(at(instant)), next_day(at(instant))),
                (at(begun), at(next))
            );
        }
    }
}
