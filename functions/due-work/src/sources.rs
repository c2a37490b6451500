//! Where due work is found: the shards of live programs, and two ranges of each test program.

use jiff::Timestamp;
use kith_domain::id::ProgramId;
use kith_domain::mode::Mode;
use kith_edge::WorkError;
use kith_store::items::ProgramClock;
use kith_store::keys::{self, DUE_SHARDS};
use kith_store::{DuePage, ListQuery, Store, StoreError};

use crate::sweep::Sweep;

/// Entries read at a time.
const PAGE_ENTRIES: u16 = 50;
/// Programs listed at a time; their clocks are read in one request.
const PAGE_PROGRAMS: u16 = 100;
/// Test programs looked at in one run, newest first.
const TEST_PROGRAMS_MAX: usize = 1_000;

/// One range of the due index, up to the instant that it is due at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// A shard of all live programs.
    Live(u8),
    /// What a test program's own clock has come to.
    Test(ProgramId, Timestamp),
    /// What waits for real time in a test program.
    Leases(ProgramId),
}

impl Source {
    /// The first entries that are due.
    pub(crate) async fn page(
        self,
        store: &Store,
        real_now: Timestamp,
    ) -> Result<DuePage, StoreError> {
        match self {
            Self::Live(shard) => store.due_live(shard, real_now, PAGE_ENTRIES).await,
            Self::Test(program, now) => store.due_test(program, now, PAGE_ENTRIES).await,
            Self::Leases(program) => {
                store
                    .leases_of_test(program, Some(real_now), PAGE_ENTRIES)
                    .await
            }
        }
    }
}

/// Every shard of the live programs.
pub(crate) fn live() -> Vec<Source> {
    (0..DUE_SHARDS).map(Source::Live).collect()
}

/// The ranges of the test programs, each with its own clock.
pub(crate) async fn test(sweep: &Sweep<'_>) -> Result<Vec<Source>, WorkError> {
    let (store, real_now) = (&sweep.store, sweep.real_now);
    let mut query = ListQuery::programs(Mode::Test, PAGE_PROGRAMS);
    let mut sources = Vec::new();
    for _ in 0..TEST_PROGRAMS_MAX.div_ceil(usize::from(PAGE_PROGRAMS)) {
        let page = store.list_index(&query).await?;
        let programs = page
            .items
            .iter()
            .filter_map(|listed| listed.id.parse().ok());
        let programs: Vec<ProgramId> = programs.collect();
        let clocks = store.get(programs.iter().copied().map(keys::clock)).await?;
        for program in programs {
            let clock = clocks.read::<ProgramClock>(&keys::clock(program))?;
            let now = clock.unwrap_or_default().at(real_now);
            sources.push(Source::Test(program, now));
            sources.push(Source::Leases(program));
        }
        query.after = page.next;
        if query.after.is_none() || !sweep.has_time() {
            break;
        }
    }
    Ok(sources)
}
