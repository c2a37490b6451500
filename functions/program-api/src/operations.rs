//! What is due and what was given up on, for whoever runs the bundle.

use futures_util::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use kith_contract::answers::{Operations, ParkedWork, Retried};
use kith_contract::scalar::{At, Spelled};
use kith_domain::audit::ObjectKind;
use kith_domain::id::ProgramId;
use kith_domain::mode::Mode;
use kith_domain::program::Program;
use kith_edge::audit::Change;
use kith_edge::http::{Problem, Response};
use kith_edge::session::{Ended, Session};
use kith_store::items::ProgramClock;
use kith_store::keys::{self, DUE_SHARDS, Key};
use kith_store::{DueEntry, DuePage, DueWork, ListQuery, cursor};
use serde::{Deserialize, Serialize};

use crate::call::Call;

/// Entries counted per partition of the due index; past that the number is a lower bound.
const COUNTED_MAX: u16 = 100;
/// Parked entries shown, the oldest first.
const PARKED_MAX: u16 = 100;
/// An id's prefix, and what tells it apart.
const ID_CHARS: usize = 30;
/// Test programs looked at, the newest first.
const TEST_PROGRAMS_MAX: u16 = 50;

/// What is due at the moment: how much, and since when.
#[derive(Default)]
struct Due {
    number: usize,
    oldest: Option<Timestamp>,
}

impl Due {
    /// Counts a page; `ahead` is how far its clock is ahead of real time.
    fn add(&mut self, page: &DuePage, ahead: SignedDuration) {
        self.number = self.number.saturating_add(page.entries.len());
        let times = page.entries.iter().filter_map(DueEntry::at);
        let real = times.filter_map(|at| at.checked_sub(ahead).ok());
        self.oldest = real.chain(self.oldest).min();
    }
}

/// `GET /v1/operations`.
pub(crate) async fn read(call: Call) -> Result<Response, Ended> {
    let (session, ()) = call.outside(call.no_query(), |(), _| Vec::new()).await?;
    let mode = session.caller.mode;
    let due = match mode {
        Mode::Live => due_live(&session).await?,
        Mode::Test => due_test(&session).await?,
    };
    let parked = session.store.parked(mode, PARKED_MAX).await?;
    let parked = session.store.describe(parked.entries).await?;
    let parked = parked
        .iter()
        .map(|(entry, work)| written(&call, mode, entry, work));
    let answer = Operations {
        oldest_due_at: due.oldest.map(At),
        due: due.number,
        parked: parked.collect(),
    };
    Ok(Response::json(200, &answer))
}

async fn due_live(session: &Session) -> Result<Due, Ended> {
    let pages =
        (0..DUE_SHARDS).map(|shard| session.store.due_live(shard, session.real_now, COUNTED_MAX));
    let mut due = Due::default();
    for page in try_join_all(pages).await? {
        due.add(&page, SignedDuration::ZERO);
    }
    Ok(due)
}

/// Test programs have partitions of their own, and clocks: what waits for a program's time, and
/// leases in real time.
async fn due_test(session: &Session) -> Result<Due, Ended> {
    let store = &session.store;
    let query = ListQuery::programs(Mode::Test, TEST_PROGRAMS_MAX);
    let programs = store.list::<Program>(&query).await?.items;
    let clocks = programs.iter().map(|program| keys::clock(program.id));
    let clocks = store.get(clocks).await?;
    let mut due = Due::default();
    for program in programs {
        let clock = clocks.read::<ProgramClock>(&keys::clock(program.id))?;
        let clock = clock.unwrap_or_default();
        let now = clock.at(session.real_now);
        let page = store.due_test(program.id, now, COUNTED_MAX).await?;
        due.add(&page, SignedDuration::from_millis(clock.ahead_ms));
        let leases = store
            .leases_of_test(program.id, Some(session.real_now), COUNTED_MAX)
            .await?;
        due.add(&leases, SignedDuration::ZERO);
    }
    Ok(due)
}

/// What a parked entry's id says, signed, to us alone.
#[derive(Serialize, Deserialize)]
struct Parked {
    pk: String,
    sk: String,
    at: String,
}

/// What the ids of parked entries are good for.
fn context(mode: Mode) -> String {
    format!("parked {mode}")
}

fn written(call: &Call, mode: Mode, entry: &DueEntry, work: &DueWork) -> ParkedWork {
    let parked = Parked {
        pk: entry.key.pk.clone(),
        sk: entry.key.sk.clone(),
        at: entry.due_sk.clone(),
    };
    // Plain texts always write.
    let text = serde_json::to_string(&parked).unwrap_or_default();
    ParkedWork {
        id: cursor::write(&call.api.tokens, &context(mode), &text),
        kind: work.kind.clone(),
        program_id: work.program.map(Spelled),
        attempts: work.attempts,
        since: entry.at().map(At),
    }
}

/// `POST /v1/operations/parked/{id}/retry`: it is due at once, as if it had never been tried.
pub(crate) async fn retry(call: Call) -> Result<Response, Ended> {
    let parsed = call.only_id::<String>("id").and_then(|id| {
        call.body_or_empty().and_then(|(body, mut faults)| {
            body.finish(&mut faults);
            faults.into_result()
        })?;
        Ok(id)
    });
    let (session, id) = call.outside(parsed, |_, _| Vec::new()).await?;
    let mode = session.caller.mode;
    let unknown = || Problem::not_found("parked work");
    let text = cursor::read(&call.api.tokens, &context(mode), &id).map_err(|_| unknown())?;
    let parked: Parked = serde_json::from_str(&text).map_err(|_| unknown())?;
    let entry = DueEntry {
        key: Key {
            pk: parked.pk,
            sk: parked.sk,
        },
        due_pk: keys::parked(mode),
        due_sk: parked.at,
    };
    let work = session.store.describe(vec![entry.clone()]).await?;
    let Some((_, work)) = work.first() else {
        return Err(unknown().into());
    };
    let answer = Retried {
        id,
        due_at: session.real_now.into(),
    };
    let change = Change::of(ObjectKind::ParkedWork, worked_on(&entry.key)).to(&Unparked {
        kind: &work.kind,
        program_id: work.program.map(Spelled),
        due_at: answer.due_at,
    });
    let mut commit = session.commit();
    commit.unpark(&entry);
    session
        .finish(commit, change, Response::json(200, &answer))
        .await
}

/// What the audit log says of work that is tried again.
#[derive(Serialize)]
struct Unparked<'a> {
    kind: &'a str,
    program_id: Option<Spelled<ProgramId>>,
    due_at: At,
}

/// The id of what the work is about: the last one in its key.
fn worked_on(key: &Key) -> &str {
    let parts = key.sk.rsplit('#').chain(key.pk.rsplit('#'));
    let mut ids = parts.filter(|part| part.len() == ID_CHARS && part.contains('_'));
    ids.next().unwrap_or_default()
}
