//! `GET P/events`: everything that happened, oldest first.

use jiff::Timestamp;
use kith_domain::fact::{Fact, FactKind};
use kith_domain::id::EventId;
use kith_edge::desk::View;
use kith_edge::fields::{LIMIT_DEFAULT, LIMIT_MAX};
use kith_edge::http::Response;
use kith_edge::session::Ended;
use kith_edge::wire;
use kith_store::cursor;
use kith_store::items::{Event, RecordedFact};
use kith_store::keys;
use serde_json::{Map, Value, json};

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
    data: Vec<Value>,
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

fn envelope(event: &Event, recorded: &RecordedFact) -> Value {
    json!({
        "id": recorded.id.to_string(),
        "type": recorded.fact.kind.as_str(),
        "created_at": wire::instant(event.created_at),
        "program_id": event.program.to_string(),
        "mode": event.mode.as_str(),
        "data": data(&recorded.fact),
    })
}

/// The ids and the anchors of a fact; what it does not have is left out.
fn data(fact: &Fact) -> Value {
    fn text(value: Option<&impl ToString>) -> Option<Value> {
        value.map(|value| Value::String(value.to_string()))
    }
    let members = [
        ("conversion_id", text(fact.conversion_id.as_ref())),
        ("referral_id", text(fact.referral_id.as_ref())),
        ("reward_id", text(fact.reward_id.as_ref())),
        ("refund_id", text(fact.refund_id.as_ref())),
        ("payout_id", text(fact.payout_id.as_ref())),
        ("survey_id", text(fact.survey_id.as_ref())),
        ("participant_id", text(fact.participant_id.as_ref())),
        ("referrer_id", text(fact.referrer_id.as_ref())),
        ("referee_id", text(fact.referee_id.as_ref())),
        ("beneficiary_id", text(fact.beneficiary_id.as_ref())),
        ("click_id", text(fact.click_id.as_ref())),
        ("code", text(fact.code.as_ref())),
        ("channel", text(fact.channel.as_ref())),
        ("event", text(fact.event.as_ref())),
        ("amount", fact.amount.map(wire::money)),
        ("rule_id", text(fact.rule_id.as_ref())),
        ("kind", fact.value.map(|value| json!(value.kind()))),
        ("value", fact.value.map(wire::value)),
        ("score", fact.score.map(Value::from)),
        ("touch_at", fact.touch_at.map(wire::instant)),
        ("lead_at", fact.lead_at.map(wire::instant)),
        ("issued_at", fact.issued_at.map(wire::instant)),
        (
            "referrer_joined_at",
            fact.referrer_joined_at.map(wire::instant),
        ),
        (
            "first_qualified_at",
            fact.first_qualified_at.map(wire::instant),
        ),
        ("conversion_number", fact.conversion_number.map(Value::from)),
        ("referral_number", fact.referral_number.map(Value::from)),
    ];
    let present = members
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(present.collect::<Map<_, _>>())
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
