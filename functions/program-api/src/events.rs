//! `GET P/events`: everything that happened, oldest first. Whoever goes on behind the last answer
//! misses nothing, although commits overlap: [`bookmark`] says how.

mod bookmark;

use kith_contract::requests::{BOOKMARK_BYTES_MAX, LIMIT_DEFAULT, LIMIT_MAX};
use kith_domain::fact::FactKind;
use kith_domain::id::EventId;
use kith_edge::desk::View;
use kith_edge::http::Response;
use kith_edge::session::Ended;
use kith_edge::wire;
use kith_store::cursor;
use kith_store::items::{Event, RecordedFact};
use kith_store::keys;

use crate::call::Call;
use crate::days;

use bookmark::Bookmark;

/// Buckets and pages of them read for one answer; past that it is short and its cursor goes on.
const READS_MAX: u16 = 400;

struct Filter {
    kind: Option<FactKind>,
    limit: u16,
    after: Option<Bookmark>,
}

/// `GET P/events`. The cursor is always there: at the end it is where the next event will be.
pub(crate) async fn list(call: Call) -> Result<Response, Ended> {
    let query = call.query(|fields, faults| {
        let kind = fields.optional::<FactKind>("type", faults);
        let limit = fields.integer_in("limit", 1..=LIMIT_MAX, faults);
        let after = fields
            .string("after", faults)
            .filter(|text| !text.is_empty());
        let after = after.and_then(|text| {
            let short = Some(text).filter(|text| text.len() <= BOOKMARK_BYTES_MAX);
            let position = short.and_then(|text| call.position(&text).ok());
            let bookmark = position.as_deref().and_then(Bookmark::read);
            if bookmark.is_none() {
                fields.refuse("after", faults, cursor::BadCursor.to_string());
            }
            bookmark
        });
        Filter {
            kind,
            limit: limit.unwrap_or(LIMIT_DEFAULT),
            after,
        }
    });
    let (_, view, filter) = call.program(query, |_, _, _| Vec::new()).await?;
    let begun = || Bookmark::before(view.program.created_at);
    let mut reader = Reader {
        view: &view,
        kind: filter.kind,
        limit: usize::from(filter.limit),
        bookmark: filter.after.unwrap_or_else(begun),
        data: Vec::new(),
    };
    reader.read().await?;
    let (data, bookmark) = (reader.data, reader.bookmark);
    Ok(call.listed(data, Some(&bookmark.write())))
}

struct Reader<'a> {
    view: &'a View,
    kind: Option<FactKind>,
    limit: usize,
    bookmark: Bookmark,
    data: Vec<wire::Event>,
}

impl Reader<'_> {
    /// Reads day by day until the page is full or today is read.
    async fn read(&mut self) -> Result<(), Ended> {
        let today = keys::day(self.view.now);
        let (mut at, mut with_it) = self.bookmark.start();
        let mut reads = 0_u16;
        while reads < READS_MAX {
            let day = keys::day(at.at());
            let (items, more) = self.items(&day, at, with_it).await?;
            reads = reads.saturating_add(u16::from(self.view.program.shards));
            with_it = false;
            for item in items {
                if self.tell(&item) {
                    return Ok(());
                }
                at = item.id;
            }
            if more {
                continue;
            }
            if day >= today {
                self.bookmark.caught_up(self.view.now);
                return Ok(());
            }
            at = EventId::floor_of(days::next_day(at.at()));
            self.bookmark.tell(at, 0, self.view.now);
        }
        Ok(())
    }

    /// The next items of a day behind one of them, or with it, and whether there are more.
    async fn items(
        &self,
        day: &str,
        after: EventId,
        with_it: bool,
    ) -> Result<(Vec<Event>, bool), Ended> {
        let after = after.to_string();
        let (mut items, more) = days::items::<Event>(self.view, day, &after).await?;
        if with_it && let Some(item) = days::item_at::<Event>(self.view, day, &after).await? {
            items.insert(0, item);
        }
        Ok((items, more))
    }

    /// Tells the facts of an item that were not told yet; `true` when the page is full.
    fn tell(&mut self, item: &Event) -> bool {
        if !self.bookmark.has_room_for(item.id, self.view.now) {
            return true;
        }
        let mut told = self.bookmark.told(item.id);
        for recorded in item.facts.iter().skip(told) {
            if self.data.len() == self.limit {
                break;
            }
            told = told.saturating_add(1);
            if self.kind.is_none_or(|kind| kind == recorded.fact.kind) {
                self.data.push(envelope(item, recorded));
            }
        }
        // An item without facts woke somebody, and tells nobody anything.
        self.bookmark.tell(item.id, told, self.view.now);
        self.data.len() == self.limit
    }
}

fn envelope(event: &Event, recorded: &RecordedFact) -> wire::Event {
    let owner = (event.program, event.mode);
    wire::event(recorded.id, event.created_at, owner, &recorded.fact)
}
