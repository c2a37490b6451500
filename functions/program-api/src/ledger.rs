//! The ledger: its lines, and what they come to.

mod summary;

pub(crate) use summary::summary;

use jiff::Timestamp;
use kith_contract::requests::{LIMIT_DEFAULT, LIMIT_MAX};
use kith_contract::scalar::Spelled;
use kith_domain::id::{LedgerId, ParticipantId};
use kith_domain::ledger::Account;
use kith_domain::money::Unit;
use kith_edge::desk::View;
use kith_edge::http::{Problem, Response};
use kith_edge::session::Ended;
use kith_edge::wire;
use kith_store::items::{LedgerEntry, Posting};
use kith_store::{cursor, keys};

use crate::call::Call;
use crate::days;

/// Buckets and pages of them read for one answer; past that it is short and its cursor goes on.
const READS_MAX: u16 = 400;

/// A place between lines: behind the first `lines` lines of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Position {
    transaction: LedgerId,
    lines: usize,
}

impl Position {
    fn before(at: Timestamp) -> Self {
        Self {
            transaction: LedgerId::floor_of(at),
            lines: 0,
        }
    }

    fn write(self) -> String {
        format!("{}#{}", self.transaction, self.lines)
    }

    fn read(text: &str) -> Option<Self> {
        let (transaction, lines) = text.split_once('#')?;
        Some(Self {
            transaction: transaction.parse().ok()?,
            lines: lines.parse().ok()?,
        })
    }
}

struct Filter {
    account: Option<&'static str>,
    unit: Option<Unit>,
    participant: Option<ParticipantId>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    limit: u16,
    after: Option<Position>,
}

/// `GET P/ledger/entries`, oldest first: every line of every transaction.
pub(crate) async fn entries(call: Call) -> Result<Response, Ended> {
    let (_, view, filter) = call.program(filter(&call), |_, _, _| Vec::new()).await?;
    let begin = filter.from.unwrap_or(view.program.created_at);
    let begin = begin.max(days::day_of(view.program.created_at));
    let mut reader = Reader {
        view: &view,
        filter: &filter,
        at: filter.after.unwrap_or_else(|| Position::before(begin)),
        until: filter.to.unwrap_or(Timestamp::MAX),
        data: Vec::new(),
    };
    let is_whole = reader.read().await?;
    let next = (!is_whole).then(|| reader.at.write());
    Ok(call.listed(reader.data, next.as_deref()))
}

fn filter(call: &Call) -> Result<Filter, Problem> {
    call.query(|fields, faults| {
        let account = fields.string("account", faults).and_then(|text| {
            let known = Account::WORDS.into_iter().find(|word| *word == text);
            if known.is_none() {
                let words = Account::WORDS.join(", ");
                fields.refuse("account", faults, format!("must be one of {words}"));
            }
            known
        });
        let unit = fields.optional::<Unit>("unit", faults);
        let participant = fields.optional::<ParticipantId>("participant_id", faults);
        let (from, to) = fields.period(faults);
        let limit = fields.integer_in("limit", 1..=LIMIT_MAX, faults);
        let cursor = fields
            .string("cursor", faults)
            .filter(|text| !text.is_empty());
        let after = cursor.and_then(|text| {
            let position = call.position(&text).ok();
            let position = position.as_deref().and_then(Position::read);
            if position.is_none() {
                fields.refuse("cursor", faults, cursor::BadCursor.to_string());
            }
            position
        });
        Filter {
            account,
            unit,
            participant,
            from,
            to,
            limit: limit.unwrap_or(LIMIT_DEFAULT),
            after,
        }
    })
}

struct Reader<'a> {
    view: &'a View,
    filter: &'a Filter,
    at: Position,
    /// The instant after the last.
    until: Timestamp,
    data: Vec<wire::LedgerEntry>,
}

/// Where reading a transaction ended.
enum Taken {
    /// Behind it.
    Whole,
    /// Within it or behind it: the page is full.
    Full,
    /// Before it: it is later than was asked for.
    TooLate,
}

impl Reader<'_> {
    /// Reads day by day until the page is full, or all was read: `true` then.
    async fn read(&mut self) -> Result<bool, Ended> {
        let today = days::day_of(self.view.now);
        let mut reads = 0_u16;
        while reads < READS_MAX {
            let begun = days::day_of(self.at.transaction.at());
            if begun > today || begun >= self.until {
                return Ok(true);
            }
            let (entries, more) = self.entries(begun).await?;
            reads = reads.saturating_add(u16::from(self.view.program.shards));
            for entry in entries {
                match self.take(&entry) {
                    Taken::Whole => {}
                    Taken::Full => return Ok(false),
                    Taken::TooLate => return Ok(true),
                }
            }
            if !more {
                self.at = Position::before(days::next_day(begun));
            }
        }
        Ok(false)
    }

    /// The next transactions of a day from the position on, and whether there are more of them.
    async fn entries(&self, begun: Timestamp) -> Result<(Vec<LedgerEntry>, bool), Ended> {
        let (day, after) = (keys::day(begun), self.at.transaction.to_string());
        let (mut entries, more) = days::items::<LedgerEntry>(self.view, &day, &after).await?;
        // The transaction at the position itself may have lines left to tell.
        if self.at.lines > 0
            && let Some(entry) = days::item_at::<LedgerEntry>(self.view, &day, &after).await?
        {
            entries.insert(0, entry);
        }
        Ok((entries, more))
    }

    /// Tells the lines of a transaction that are behind the position.
    fn take(&mut self, entry: &LedgerEntry) -> Taken {
        if entry.at >= self.until {
            return Taken::TooLate;
        }
        let told = if entry.id == self.at.transaction {
            self.at.lines
        } else {
            0
        };
        for (place, posting) in entry.postings.iter().enumerate().skip(told) {
            self.at = Position {
                transaction: entry.id,
                lines: place.saturating_add(1),
            };
            if self.is_asked_for(entry, posting) {
                self.data.push(written(entry, place, posting));
            }
            if self.data.len() == usize::from(self.filter.limit) {
                return Taken::Full;
            }
        }
        Taken::Whole
    }

    fn is_asked_for(&self, entry: &LedgerEntry, posting: &Posting) -> bool {
        let (line, filter) = (&posting.line, self.filter);
        let of = line.account.participant();
        // Ids hold milliseconds only; the instant itself decides.
        if filter.from.is_some_and(|from| entry.at < from) {
            return false;
        }
        filter
            .account
            .is_none_or(|account| account == line.account.as_str())
            && filter.unit.is_none_or(|unit| unit == line.unit)
            && (filter.participant.is_none() || filter.participant == of)
    }
}

fn written(entry: &LedgerEntry, place: usize, posting: &Posting) -> wire::LedgerEntry {
    let line = &posting.line;
    wire::LedgerEntry {
        id: line_id(entry.id, place).into(),
        transaction_id: entry.id.into(),
        at: entry.at.into(),
        account: line.account.as_str(),
        participant_id: line.account.participant().map(Spelled),
        unit: line.unit.into(),
        amount: line.amount,
        reason: posting.reason.into(),
        reward_id: posting.reward_id.map(Spelled),
        cause: entry.cause.clone(),
    }
}

/// The id of a line: always the same for its place in its transaction.
fn line_id(transaction: LedgerId, place: usize) -> LedgerId {
    let place = u64::try_from(place).unwrap_or(u64::MAX).to_be_bytes();
    LedgerId::derived(transaction.at(), &[&transaction.to_bytes(), &place])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_reads_back() {
        let position = Position {
            transaction: LedgerId::new("2026-03-01T12:00:00Z".parse().unwrap(), [7; 10]),
            lines: 3,
        };
        assert_eq!(Position::read(&position.write()), Some(position));
        assert_eq!(Position::read("led_1#x"), None);
    }

    /// A line has one name, and no two lines have the same.
    #[test]
    fn every_line_has_an_id_of_its_own() {
        let at = "2026-03-01T12:00:00Z".parse().unwrap();
        let (one, two) = (LedgerId::new(at, [1; 10]), LedgerId::new(at, [2; 10]));
        let ids = [line_id(one, 0), line_id(one, 1), line_id(two, 0), one, two];
        let distinct: std::collections::BTreeSet<_> = ids.into_iter().collect();
        assert_eq!(distinct.len(), ids.len());
        assert_eq!(line_id(one, 1), line_id(one, 1));
    }
}
