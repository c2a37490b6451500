//! How far somebody has read the events of a program.
//!
//! An event's id is made when its commit is decided, and the commit is in the table a little later:
//! events appear out of order, though never later than [`COMMIT_SECONDS_MAX`]. So what is older than
//! that is settled and one place tells how far it was read; of what is younger, a bookmark says which
//! events it has told, and whatever appears between them is told next time.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use kith_domain::id::EventId;
use kith_store::COMMIT_SECONDS_MAX;
use serde::{Deserialize, Serialize};

/// How many events a bookmark names at most; who has read so many goes on when the first of them are
/// settled. They make its text 3 KB long, of 10 KB that the gateway takes of path, query and headers.
const TOLD_MAX: usize = 256;

/// An event's instant and the first 32 random bits of its id. Of two commits of one program in the
/// same millisecond, one pair in four billion shares them.
type Short = [u8; 10];

/// A place in the events of a program, and what was told beyond it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bookmark {
    /// Everything up to this event was told.
    settled: EventId,
    /// So many facts of that event were.
    facts: usize,
    /// The younger events that were told, each with how many of its facts.
    told: BTreeMap<Short, usize>,
}

/// What lies in a cursor.
#[derive(Serialize, Deserialize)]
struct Stored {
    settled: [u8; 16],
    facts: usize,
    /// Milliseconds since the one before, random bits, facts.
    told: Vec<(u64, [u8; 4], usize)>,
}

impl Bookmark {
    /// Before everything from this instant on.
    pub(super) fn before(at: Timestamp) -> Self {
        Self {
            settled: EventId::floor_of(at),
            facts: 0,
            told: BTreeMap::new(),
        }
    }

    /// Where to begin to read: events behind this one, and this one itself if it was told in part.
    pub(super) const fn start(&self) -> (EventId, bool) {
        (self.settled, self.facts > 0)
    }

    /// How many facts of an event were told.
    pub(super) fn told(&self, event: EventId) -> usize {
        if event == self.settled {
            return self.facts;
        }
        self.told.get(&short(event)).copied().unwrap_or(0)
    }

    /// So many facts of an event are told now, and of everything that is there before it all are.
    pub(super) fn tell(&mut self, event: EventId, facts: usize, now: Timestamp) {
        if event < settled_before(now) {
            self.settled = event;
            self.facts = facts;
            self.told.remove(&short(event));
        } else if facts > 0 {
            self.told.insert(short(event), facts);
        }
    }

    /// Everything up to now was told: what is settled needs no names any more.
    pub(super) fn caught_up(&mut self, now: Timestamp) {
        let before = settled_before(now);
        if self.settled < before {
            self.settled = before;
            self.facts = 0;
        }
        let least = short(self.settled);
        self.told.retain(|told, _| *told >= least);
    }

    /// Whether an event can be told: it needs no name, has one, or can be given one.
    pub(super) fn has_room_for(&self, event: EventId, now: Timestamp) -> bool {
        event < settled_before(now)
            || self.told.len() < TOLD_MAX
            || self.told.contains_key(&short(event))
    }

    /// As text, for a cursor.
    pub(super) fn write(&self) -> String {
        let mut last = milliseconds(&short(self.settled));
        let told = self.told.iter().map(|(short, facts)| {
            let at = milliseconds(short);
            let since = at.saturating_sub(last);
            last = at;
            let [.., a, b, c, d] = *short;
            (since, [a, b, c, d], *facts)
        });
        let stored = Stored {
            settled: self.settled.to_bytes(),
            facts: self.facts,
            told: told.collect(),
        };
        // Bytes and numbers always write.
        URL_SAFE_NO_PAD.encode(postcard::to_stdvec(&stored).unwrap_or_default())
    }

    /// What [`Self::write`] wrote.
    pub(super) fn read(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let stored: Stored = postcard::from_bytes(&bytes).ok()?;
        let settled = EventId::from_bytes(stored.settled);
        let mut at = milliseconds(&short(settled));
        let told = stored.told.into_iter().map(|(since, tail, facts)| {
            at = at.saturating_add(since);
            let [_, _, head @ ..] = at.to_be_bytes();
            let mut short = Short::default();
            for (to, from) in short.iter_mut().zip(head.into_iter().chain(tail)) {
                *to = from;
            }
            (short, facts)
        });
        Some(Self {
            settled,
            facts: stored.facts,
            told: told.collect(),
        })
    }
}

/// No commit that is decided from now on, or under way, has an event before this.
fn settled_before(now: Timestamp) -> EventId {
    let span = SignedDuration::from_secs(COMMIT_SECONDS_MAX);
    EventId::floor_of(now.checked_sub(span).unwrap_or(Timestamp::MIN))
}

fn short(event: EventId) -> Short {
    event.to_bytes().first_chunk().copied().unwrap_or_default()
}

fn milliseconds(short: &Short) -> u64 {
    let [a, b, c, d, e, f, ..] = *short;
    u64::from_be_bytes([0, 0, a, b, c, d, e, f])
}

#[cfg(test)]
#[allow(
    clippy::arithmetic_side_effects,
    reason = "a test stops on the first surprise"
)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn now() -> Timestamp {
        "2026-03-01T12:00:00Z".parse().unwrap()
    }

    fn event(seconds_ago: i64, tail: u8) -> EventId {
        EventId::new(now() - SignedDuration::from_secs(seconds_ago), [tail; 10])
    }

    #[test]
    fn what_appears_late_was_not_told() {
        let mut bookmark = Bookmark::before(now() - SignedDuration::from_hours(1));
        for seconds_ago in [1_000, 50, 10] {
            bookmark.tell(event(seconds_ago, 1), 2, now());
        }
        bookmark.caught_up(now());
        let read = Bookmark::read(&bookmark.write()).unwrap();
        assert_eq!(read, bookmark);
        assert_eq!(read.told(event(50, 1)), 2);
        assert_eq!(read.told(event(10, 1)), 2);
        // It was decided before what was told, and committed after it.
        assert_eq!(read.told(event(30, 1)), 0);
        // So was this, in the very same millisecond.
        assert_eq!(read.told(event(10, 2)), 0);
        assert!(read.start().0 <= event(60, 0));
    }

    #[test]
    fn what_is_settled_needs_no_name() {
        let mut bookmark = Bookmark::before(now() - SignedDuration::from_hours(1));
        bookmark.tell(event(10, 1), 3, now());
        let later = now() + SignedDuration::from_secs(COMMIT_SECONDS_MAX);
        bookmark.caught_up(later);
        assert_eq!(bookmark.start(), (settled_before(later), false));
        assert_eq!(bookmark.told.len(), 0);
    }

    #[test]
    fn a_settled_event_told_in_part_is_where_it_goes_on() {
        let mut bookmark = Bookmark::before(now() - SignedDuration::from_hours(1));
        bookmark.tell(event(1_000, 1), 2, now());
        assert_eq!(bookmark.start(), (event(1_000, 1), true));
        assert_eq!(bookmark.told(event(1_000, 1)), 2);
    }

    #[test]
    fn the_longest_fits_into_a_cursor() {
        let mut bookmark = Bookmark::before(now() - SignedDuration::from_secs(60));
        for number in 0..TOLD_MAX {
            let ago = SignedDuration::from_millis(i64::try_from(number * 200).unwrap());
            let event = EventId::new(now() - ago, [255; 10]);
            assert!(bookmark.has_room_for(event, now()));
            bookmark.tell(event, 90, now());
        }
        assert!(!bookmark.has_room_for(event(1, 1), now()));
        assert!(bookmark.has_room_for(event(0, 255), now()));
        assert!(bookmark.has_room_for(event(61, 1), now()));
        // Sealed, it is written in base64 once more, with a context and a signature.
        let longest = (bookmark.write().len() + 64) * 4 / 3;
        assert!(
            longest <= kith_contract::requests::BOOKMARK_BYTES_MAX,
            "{longest}"
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,64}") {
            let _ = Bookmark::read(&text);
        }

        /// Whatever order commits appear in, a reader who comes again and again is told each once.
        #[test]
        fn everything_is_told_once(appear in proptest::collection::vec((0_i64..60, 0_i64..60), 1..40)) {
            // Decided at a second, in the table some seconds later.
            let begun = now();
            let events: Vec<(EventId, i64)> = appear.iter().enumerate().map(|(index, (decided, takes))| {
                let at = begun + SignedDuration::from_secs(*decided);
                (EventId::new(at, [u8::try_from(index + 1).unwrap(); 10]), decided + takes)
            }).collect();
            let mut bookmark = Bookmark::before(begun);
            let mut told = Vec::new();
            for second in (0..=180).step_by(7) {
                let now = begun + SignedDuration::from_secs(second);
                let mut there: Vec<EventId> = events.iter()
                    .filter(|(id, appears)| *appears <= second && *id > bookmark.start().0)
                    .map(|(id, _)| *id).collect();
                there.sort();
                for id in there {
                    if bookmark.told(id) == 0 {
                        told.push(id);
                        bookmark.tell(id, 1, now);
                    }
                }
                bookmark.caught_up(now);
                bookmark = Bookmark::read(&bookmark.write()).unwrap();
            }
            told.sort();
            let mut all: Vec<EventId> = events.iter().map(|(id, _)| *id).collect();
            all.sort();
            prop_assert_eq!(told, all);
        }
    }
}
