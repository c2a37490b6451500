//! What a use case has on its desk: the table, real time, randomness; and the view of one program.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp, Unit};
use kith_domain::id::{Id, Kind, ProgramId};
use kith_domain::mode::Mode;
use kith_domain::program::Program;
use kith_store::items::ProgramClock;
use kith_store::keys::{self, Key};
use kith_store::{Commit, CommitError, Committed, Loaded, ProgramScope, Store, StoreError};
use tokio::time::Instant;

use crate::environment::{Clock, Environment, Randomness};
use crate::function::Invocation;

/// Time kept for the answer: nothing is tried again after this before the deadline.
const RESERVE: SignedDuration = SignedDuration::from_secs(3);

/// The table, real time and randomness of one function.
#[derive(Debug, Clone)]
pub struct Desk {
    store: Store,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
}

impl Desk {
    /// The desk of a function.
    #[must_use]
    pub fn new(environment: &Environment, store: Store) -> Self {
        Self {
            store,
            clock: Arc::clone(&environment.clock),
            randomness: Arc::clone(&environment.randomness),
        }
    }

    /// Real time, to the millisecond: what is stored compares equal with what was computed.
    #[must_use]
    pub fn real_now(&self) -> Timestamp {
        let now = self.clock.now();
        now.round(
            jiff::TimestampRound::new()
                .smallest(Unit::Millisecond)
                .mode(jiff::RoundMode::Floor),
        )
        .unwrap_or(now)
    }

    /// The clock behind it.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    /// Random bytes fit for secrets.
    #[must_use]
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.randomness.fill(&mut bytes);
        bytes
    }

    /// A new id.
    #[must_use]
    pub fn id<K: Kind>(&self, at: Timestamp) -> Id<K> {
        Id::new(at, self.random())
    }

    /// The table, for as long as an invocation has time.
    #[must_use]
    pub fn store(&self, invocation: &Invocation) -> Store {
        let left = invocation.deadline.duration_since(self.clock.now());
        let usable = left
            .checked_sub(RESERVE)
            .and_then(|left| Duration::try_from(left).ok());
        let until =
            Instant::now().checked_add(usable.unwrap_or_default().min(Duration::from_secs(60)));
        match until {
            Some(until) => self.store.until(until),
            None => self.store.clone(),
        }
    }

    /// Reads a program, its clock, and whatever else the use case needs first, in one request.
    /// `None` when there is no such program.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn view(
        &self,
        invocation: &Invocation,
        program: ProgramId,
        more: impl IntoIterator<Item = Key>,
    ) -> Result<Option<View>, StoreError> {
        let store = self.store(invocation);
        let first = [keys::program(program), keys::clock(program)];
        let loaded = store.get(first.into_iter().chain(more)).await?;
        self.view_of(store, program, loaded)
    }

    /// The view of a program that was read already.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`].
    pub fn view_of(
        &self,
        store: Store,
        program: ProgramId,
        loaded: Loaded,
    ) -> Result<Option<View>, StoreError> {
        let Some(program) = loaded.read::<Program>(&keys::program(program))? else {
            return Ok(None);
        };
        let real_now = self.real_now();
        let now = match program.mode {
            Mode::Live => real_now,
            Mode::Test => loaded
                .read::<ProgramClock>(&keys::clock(program.id))?
                .unwrap_or_default()
                .at(real_now),
        };
        let scope = ProgramScope::from(&program);
        Ok(Some(View {
            program,
            scope,
            now,
            real_now,
            loaded,
            store,
            randomness: Arc::clone(&self.randomness),
        }))
    }
}

/// One program as it is now, with what was read beside it, and the way to write to it.
#[derive(Debug, Clone)]
pub struct View {
    /// The program.
    pub program: Program,
    /// The program's time.
    pub now: Timestamp,
    /// Real time.
    pub real_now: Timestamp,
    /// What was read.
    pub loaded: Loaded,
    /// The table, for as long as the invocation has time.
    pub store: Store,
    scope: ProgramScope,
    randomness: Arc<dyn Randomness>,
}

impl View {
    /// Reads more.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn load(&mut self, more: impl IntoIterator<Item = Key>) -> Result<(), StoreError> {
        let more = self.store.get(more).await?;
        self.loaded.extend(more);
        Ok(())
    }

    /// Random bytes fit for secrets.
    #[must_use]
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.randomness.fill(&mut bytes);
        bytes
    }

    /// A new id, made now on the program's clock.
    #[must_use]
    pub fn id<K: Kind>(&self) -> Id<K> {
        Id::new(self.now, self.random())
    }

    /// An empty decision.
    #[must_use]
    pub fn commit(&self) -> Commit {
        self.commit_for(&self.scope)
    }

    /// An empty decision that changes the program itself: its facts go by the new rules.
    #[must_use]
    pub fn commit_for(&self, scope: &ProgramScope) -> Commit {
        Commit::new(scope, self.now, self.real_now, self.random())
    }

    /// Writes a decision.
    ///
    /// # Errors
    /// [`CommitError`].
    pub async fn write(&self, commit: Commit) -> Result<Committed, CommitError> {
        self.store.commit(commit).await
    }
}
