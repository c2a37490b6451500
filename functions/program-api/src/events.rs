//! `GET P/events`: everything that happened, oldest first.

use jiff::Timestamp;
use kith_contract::requests::{LIMIT_DEFAULT, LIMIT_MAX};
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

/// Buckets and pages of them read for one answer; past that it is short and its cursor goes on.
const READS_MAX: u16 = 400;

/// A place between facts: behind the first `facts` facts of an event item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Position {
    item: EventId,
    facts: usize,
}

impl Position {
    fn before(at: Timestamp) -> Self {
        Self {
            item: EventId::floor_of(at),
            facts: 0,
        }
    }

    fn write(self) -> String {
        format!("{}#{}", self.item, self.facts)
    }

    fn read(text: &str) -> Option<Self> {
        let (item, facts) = text.split_once('#')?;
        Some(Self {
            item: item.parse().ok()?,
            facts: facts.parse().ok()?,
        })
    }
}

struct Filter {
    kind: Option<FactKind>,
    limit: u16,
    after: Option<Position>,
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
            let position = call
                .position(&text)
                .ok()
                .as_deref()
                .and_then(Position::read);
            if position.is_none() {
                fields.refuse("after", faults, cursor::BadCursor.to_string());
            }
            position
        });
        Filter {
            kind,
            limit: limit.unwrap_or(LIMIT_DEFAULT),
            after,
        }
    });
    let (_, view, filter) = call.program(query, |_, _, _| Vec::new()).await?;
    let mut reader = Reader {
        view: &view,
        filter: &filter,
        at: filter
            .after
            .unwrap_or_else(|| Position::before(view.program.created_at)),
        data: Vec::new(),
    };
    reader.read().await?;
    let (data, at) = (reader.data, reader.at);
    Ok(call.listed(data, Some(&at.write())))
}

struct Reader<'a> {
    view: &'a View,
    filter: &'a Filter,
    at: Position,
    data: Vec<wire::Event>,
}

impl Reader<'_> {
    /// Reads day by day until the page is full or today is read.
    async fn read(&mut self) -> Result<(), Ended> {
        let today = keys::day(self.view.now);
        let mut reads = 0_u16;
        while reads < READS_MAX {
            let day = keys::day(self.at.item.at());
            let (items, more) = self.items(&day).await?;
            reads = reads.saturating_add(u16::from(self.view.program.shards));
            for item in items {
                if self.take(&item) {
                    return Ok(());
                }
            }
            if more {
                continue;
            }
            if day >= today {
                return Ok(());
            }
            self.at = Position::before(days::next_day(self.at.item.at()));
        }
        Ok(())
    }

    /// The next items of a day from the position on, and whether there are more of them.
    async fn items(&self, day: &str) -> Result<(Vec<Event>, bool), Ended> {
        let after = self.at.item.to_string();
        let (mut items, more) = days::items::<Event>(self.view, day, &after).await?;
        // The item at the position itself may have facts left to tell.
        if self.at.facts > 0
            && let Some(item) = days::item_at::<Event>(self.view, day, &after).await?
        {
            items.insert(0, item);
        }
        Ok((items, more))
    }

    /// Tells the facts of an item that are behind the position; `true` when the page is full.
    fn take(&mut self, item: &Event) -> bool {
        let told = if item.id == self.at.item {
            self.at.facts
        } else {
            0
        };
        if item.facts.is_empty() {
            // It woke somebody, and tells nobody anything.
            self.at = Position {
                item: item.id,
                facts: 0,
            };
        }
        for (index, recorded) in item.facts.iter().enumerate().skip(told) {
            self.at = Position {
                item: item.id,
                facts: index.saturating_add(1),
            };
            if self
                .filter
                .kind
                .is_none_or(|kind| kind == recorded.fact.kind)
            {
                self.data.push(envelope(item, recorded));
            }
            if self.data.len() == usize::from(self.filter.limit) {
                return true;
            }
        }
        false
    }
}

fn envelope(event: &Event, recorded: &RecordedFact) -> wire::Event {
    let owner = (event.program, event.mode);
    wire::event(recorded.id, event.created_at, owner, &recorded.fact)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_reads_back() {
        let at = "2026-03-01T12:00:00Z".parse().unwrap();
        let position = Position {
            item: EventId::new(at, [7; 10]),
            facts: 3,
        };
        assert_eq!(Position::read(&position.write()), Some(position));
        assert_eq!(Position::read("evt_1#x"), None);
    }
}
