//! `GET P/ledger/summary`: what the participants had, earned, lost and were paid.
//!
//! It is recounted from the ledger and never added up beside it, so that it cannot be wrong in
//! another way than the ledger is. A day of a live program that is over for an hour never changes
//! any more: what was counted of it is kept, so that the next call does not count it again. That
//! is all that the call writes. It changes nothing of the caller's, and writing it twice writes the
//! same; a program that nobody asks about has no such days.

use std::collections::BTreeMap;

use futures_util::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use kith_contract::answers::{LedgerMovement, LedgerSummary};
use kith_domain::ledger::Turnover;
use kith_domain::mode::Mode;
use kith_domain::money::Unit;
use kith_edge::desk::View;
use kith_edge::http::{Problem, Response};
use kith_edge::session::Ended;
use kith_store::items::{LedgerDay, LedgerEntry};
use kith_store::keys;

use crate::call::Call;
use crate::days;

/// How long after its end a day is sure not to change: longer than any call takes.
const SETTLED_AFTER: SignedDuration = SignedDuration::from_hours(1);
/// Buckets of days, and further pages of them, counted in one call; what was counted stays counted.
const READS_MAX: u32 = 2_000;
/// As much in a test program. Its clock jumps, so that a call that is under way may write to a day
/// which is long over: nothing is kept, and all has to be counted in one call.
const READS_MAX_TEST: u32 = 8_000;
/// Days counted at the same time.
const DAYS_AT_A_TIME: usize = 16;
/// Transactions read at a time.
const ENTRIES_AT_ONCE: u16 = 1_000;
/// Time kept for the answer.
const RESERVE: SignedDuration = SignedDuration::from_secs(8);
/// Days that are kept at most: more than a program lives.
const DAYS_MAX: u16 = 36_500;

type Moved = BTreeMap<Unit, Turnover>;

/// What a day moved: before the period, within it, and behind it.
#[derive(Debug, Default)]
struct Counted {
    before: Moved,
    within: Moved,
    behind: Moved,
    reads: u32,
}

/// The period asked for, half-open.
#[derive(Debug, Clone, Copy)]
struct Period {
    from: Timestamp,
    to: Timestamp,
}

impl Period {
    /// Whether a day lies on one side of each of its ends, so that its sums suffice.
    fn takes_whole(self, begun: Timestamp) -> bool {
        let cuts = |end| begun < end && end < days::next_day(begun);
        !cuts(self.from) && !cuts(self.to)
    }
}

impl Counted {
    fn add(&mut self, period: Period, at: Timestamp, unit: Unit, moved: Turnover) {
        let place = if at < period.from {
            &mut self.before
        } else if at < period.to {
            &mut self.within
        } else {
            &mut self.behind
        };
        let sum = place.entry(unit).or_default();
        *sum = sum.plus(moved);
    }

    fn extend(&mut self, other: Self) {
        self.reads = self.reads.saturating_add(other.reads);
        for (to, from) in [
            (&mut self.before, other.before),
            (&mut self.within, other.within),
            (&mut self.behind, other.behind),
        ] {
            for (unit, moved) in from {
                let sum = to.entry(unit).or_default();
                *sum = sum.plus(moved);
            }
        }
    }

    /// What moved on the day, whenever.
    fn whole(&self) -> Moved {
        let mut all = Moved::new();
        for (unit, moved) in self.before.iter().chain(&self.within).chain(&self.behind) {
            let sum: &mut Turnover = all.entry(*unit).or_default();
            *sum = sum.plus(*moved);
        }
        all
    }
}

/// `GET P/ledger/summary`.
pub(crate) async fn summary(call: Call) -> Result<Response, Ended> {
    let query = call.query(|fields, faults| fields.period(faults));
    let (_, view, (from, to)) = call.program(query, |_, _, _| Vec::new()).await?;
    let from = from.unwrap_or(view.program.created_at);
    let to = to.unwrap_or(view.now).max(from);
    let period = Period { from, to };
    let (mut counted, open) = kept(&view, period).await?;
    let bound = match view.program.mode {
        Mode::Live => READS_MAX,
        Mode::Test => READS_MAX_TEST,
    };
    let desk = call.api.gate.desk();
    let has_time = || call.invocation.deadline.duration_since(desk.real_now()) > RESERVE;
    let mut days = stream::iter(open)
        .map(|begun| count(&view, period, begun))
        .buffer_unordered(DAYS_AT_A_TIME);
    while let Some(day) = days.next().await {
        if counted.reads >= bound || !has_time() {
            return Err(Problem::still_counting(1).into());
        }
        counted.extend(day?);
    }
    drop(days);
    Ok(Response::json(200, &written(period, &counted)))
}

/// What is known of days that are over, and the days that have to be counted.
async fn kept(view: &View, period: Period) -> Result<(Counted, Vec<Timestamp>), Ended> {
    let program = view.program.id;
    let first = days::day_of(view.program.created_at);
    // Nothing is later than now.
    let end = period.to.min(days::next_day(view.now));
    let last = keys::ledger_day(program, &keys::day(end));
    let prefix = keys::ledger_day(program, "");
    let kept = view
        .store
        .between::<LedgerDay>(&prefix, &last.sk, DAYS_MAX)
        .await?;
    let mut kept: BTreeMap<String, Moved> = kept
        .items
        .into_iter()
        .map(|day| (day.day, day.turnover))
        .collect();
    let (mut counted, mut open, mut begun) = (Counted::default(), Vec::new(), first);
    while begun < end {
        let known = kept.remove(&keys::day(begun));
        match known.filter(|_| period.takes_whole(begun)) {
            Some(moved) => {
                for (unit, moved) in moved {
                    counted.add(period, begun, unit, moved);
                }
            }
            None => open.push(begun),
        }
        begun = days::next_day(begun);
    }
    Ok((counted, open))
}

/// Counts a day, and keeps it if it is over for good.
async fn count(view: &View, period: Period, begun: Timestamp) -> Result<Counted, Ended> {
    let (program, day) = (view.program.id, keys::day(begun));
    let mut counted = Counted::default();
    for shard in 0..view.program.shards.max(1) {
        let bucket = keys::ledger_of_day(program, &day, shard);
        let mut after: Option<String> = None;
        loop {
            let page = view
                .store
                .partition::<LedgerEntry>(&bucket, after.as_deref(), false, ENTRIES_AT_ONCE)
                .await?;
            counted.reads = counted.reads.saturating_add(1);
            for entry in &page.items {
                for line in entry.postings.iter().map(|posting| &posting.line) {
                    counted.add(period, entry.at, line.unit, Turnover::of_line(line));
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    let settled = days::next_day(begun).checked_add(SETTLED_AFTER);
    if view.program.mode == Mode::Live && settled.is_ok_and(|settled| settled <= view.now) {
        let turnover = counted.whole();
        let kept = LedgerDay { day, turnover };
        view.store.keep_ledger_day(program, &kept).await?;
    }
    Ok(counted)
}

fn written(period: Period, counted: &Counted) -> LedgerSummary {
    let units: std::collections::BTreeSet<Unit> = counted
        .before
        .keys()
        .chain(counted.within.keys())
        .copied()
        .collect();
    let data = units.into_iter().map(|unit| {
        let of = |moved: &Moved| moved.get(&unit).copied().unwrap_or_default();
        let (opening, within) = (of(&counted.before).change(), of(&counted.within));
        LedgerMovement {
            unit: unit.into(),
            opening,
            earned: within.earned,
            taken_back: within.taken_back,
            paid: within.paid,
            closing: opening.saturating_add(within.change()),
        }
    });
    LedgerSummary {
        from: period.from.into(),
        to: period.to.into(),
        data: data.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// The sums of a day serve only when no end of the period cuts it.
    #[test]
    fn a_day_that_is_cut_is_counted_by_its_lines() {
        let period = |from, to| Period {
            from: at(from),
            to: at(to),
        };
        let whole = |day: &str, period: Period| period.takes_whole(at(&format!("{day}T00:00:00Z")));
        let days = period("2026-03-01T00:00:00Z", "2026-03-03T00:00:00Z");
        for day in ["2026-02-28", "2026-03-01", "2026-03-02", "2026-03-03"] {
            assert!(whole(day, days), "{day}");
        }
        let cut = period("2026-03-01T00:00:01Z", "2026-03-02T23:59:59Z");
        assert!(!whole("2026-03-01", cut) && !whole("2026-03-02", cut));
        assert!(whole("2026-02-28", cut) && whole("2026-03-03", cut));
    }

    #[test]
    fn a_moment_counts_on_its_side_of_each_end() {
        let period = Period {
            from: at("2026-03-01T12:00:00Z"),
            to: at("2026-03-01T13:00:00Z"),
        };
        let earned = |earned| Turnover {
            earned,
            ..Turnover::default()
        };
        let mut counted = Counted::default();
        for (text, amount) in [
            ("2026-03-01T11:59:59.999Z", 1),
            ("2026-03-01T12:00:00Z", 10),
            ("2026-03-01T12:59:59.999Z", 100),
            ("2026-03-01T13:00:00Z", 1_000),
        ] {
            counted.add(period, at(text), Unit::Points, earned(amount));
        }
        let of = |moved: &Moved| moved[&Unit::Points].earned;
        assert_eq!(
            (
                of(&counted.before),
                of(&counted.within),
                of(&counted.behind)
            ),
            (1, 110, 1_000)
        );
        assert_eq!(of(&counted.whole()), 1_111);
        let line = &written(period, &counted).data[0];
        assert_eq!((line.opening, line.closing), (1, 111));
    }
}
