//! One run through due entries: claim, wake, park.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use kith_domain::mode::Mode;
use kith_edge::causes::Causes;
use kith_edge::desk::Desk;
use kith_edge::sender::Queues;
use kith_edge::{Invocation, WorkError};
use kith_store::items::Wake;
use kith_store::{DueEntry, DueWork, Store, StoreError};
use tokio::time::Instant;

use crate::sources::Source;

/// Time kept for what is under way and for the metrics.
const RESERVE: SignedDuration = SignedDuration::from_secs(10);
/// How many ranges are swept at a time,
const SOURCES_AT_A_TIME: usize = 4;
/// and how many entries of each are claimed at a time.
const CLAIMS_AT_A_TIME: usize = 2;
/// Parked entries counted; an alarm needs one.
const PARKED_COUNT_MAX: u16 = 100;

/// One run.
#[derive(Debug)]
pub(crate) struct Sweep<'a> {
    pub(crate) store: Store,
    pub(crate) real_now: Timestamp,
    queues: &'a Queues,
    until: Option<Instant>,
}

/// What became of a page of entries.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Tally {
    /// Entries that were due still, and are claimed or parked now.
    claimed: usize,
    /// How late the latest of them was, in seconds.
    oldest_due: u64,
    /// Whether the range has more.
    more: bool,
}

impl<'a> Sweep<'a> {
    /// Begins a run that ends well before its invocation does.
    pub(crate) fn begin(desk: &Desk, queues: &'a Queues, invocation: &Invocation) -> Self {
        let real_now = desk.real_now();
        let left = invocation.deadline.duration_since(real_now);
        let usable = left.checked_sub(RESERVE).unwrap_or_default();
        let usable = Duration::try_from(usable).unwrap_or_default();
        Self {
            store: desk.store(invocation),
            real_now,
            queues,
            until: Instant::now().checked_add(usable),
        }
    }

    /// Whether something more may be begun.
    pub(crate) fn has_time(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() < until)
    }

    /// Sweeps ranges page by page, a page of each before the next of any, so that a full one does
    /// not starve the others. Answers how late the latest entry was, in seconds.
    ///
    /// One range that fails does not stop the others; its failure is answered in the end.
    pub(crate) async fn run(&self, sources: Vec<Source>) -> Result<u64, WorkError> {
        let (mut open, mut oldest_due, mut failure) = (sources, 0, None);
        while !open.is_empty() && self.has_time() {
            let pages: Vec<_> = stream::iter(open)
                .map(|source| async move { (source, self.sweep_page(source).await) })
                .buffer_unordered(SOURCES_AT_A_TIME)
                .collect()
                .await;
            open = Vec::new();
            for (source, page) in pages {
                match page {
                    Ok(tally) => {
                        oldest_due = oldest_due.max(tally.oldest_due);
                        // The index lags: a page of what was claimed already may come again.
                        if tally.more && tally.claimed > 0 {
                            open.push(source);
                        }
                    }
                    Err(error) => {
                        tracing::error!(?source, error = %Causes(&error), "a range of due work cannot be read");
                        failure = Some(error);
                    }
                }
            }
        }
        failure.map_or(Ok(oldest_due), |error| Err(error.into()))
    }

    /// Claims the first entries of a range, and wakes whoever they are for.
    async fn sweep_page(&self, source: Source) -> Result<Tally, StoreError> {
        if !self.has_time() {
            return Ok(Tally::default());
        }
        let page = source.page(&self.store, self.real_now).await?;
        let claims: Vec<_> = stream::iter(page.entries)
            .map(|entry| async move {
                let claim = self.store.claim(&entry, self.real_now).await;
                (entry, claim)
            })
            .buffer_unordered(CLAIMS_AT_A_TIME)
            .collect()
            .await;
        let mut tally = Tally {
            more: page.more,
            ..Tally::default()
        };
        let mut wakes: Vec<Wake> = Vec::new();
        for (entry, claim) in claims {
            match claim {
                Ok(Some(work)) => {
                    tally.claimed = tally.claimed.saturating_add(1);
                    tally.oldest_due = tally.oldest_due.max(self.lateness(&entry));
                    report(&entry, &work);
                    wakes.extend(work.wakes);
                }
                // Done meanwhile, or claimed by somebody else.
                Ok(None) => {}
                Err(error) => {
                    tally.oldest_due = tally.oldest_due.max(self.lateness(&entry));
                    tracing::error!(item = %entry.key, error = %Causes(&error), "due work cannot be claimed");
                }
            }
        }
        // What cannot be sent now is due again after its back-off.
        let lost = self.queues.send(&wakes).await;
        if !lost.is_empty() {
            tracing::warn!(
                lost = lost.len(),
                "wakes were not taken and wait for their next turn"
            );
        }
        Ok(tally)
    }

    /// How long ago an entry was due, by real time.
    fn lateness(&self, entry: &DueEntry) -> u64 {
        let late = entry.at().map(|at| self.real_now.duration_since(at));
        u64::try_from(late.unwrap_or_default().as_secs()).unwrap_or(0)
    }

    /// How much work was given up and waits for a person.
    pub(crate) async fn parked(&self) -> Result<u64, WorkError> {
        let mut parked: u64 = 0;
        for &mode in Mode::ALL {
            let page = self.store.parked(mode, PARKED_COUNT_MAX).await?;
            parked = parked.saturating_add(u64::try_from(page.entries.len()).unwrap_or(0));
        }
        Ok(parked)
    }
}

/// Logs what was given up.
fn report(entry: &DueEntry, work: &DueWork) {
    if work.parked {
        tracing::error!(
            kind = work.kind, program.id = work.program.map(tracing::field::display), item = %entry.key, attempts = work.attempts,
            "work was given up and is parked"
        );
    }
}
