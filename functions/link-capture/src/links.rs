//! Finds what a link leads to, and the key of the day, with as few reads as possible.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kith_domain::code::ReferralCode;
use kith_domain::id::ProgramId;
use kith_domain::mode::Mode;
use kith_edge::Invocation;
use kith_edge::desk::Desk;
use kith_edge::visitor::DayKey;
#[cfg(test)]
use kith_store::items::VisitorKey;
use kith_store::items::{CodeRecord, LinkTarget, ProgramClock};
use kith_store::keys::{self, Key};
use kith_store::{Loaded, Store, StoreError};

use crate::cache::{Cache, Known, Life};
use crate::record::in_time;

/// The most codes, and the most programs, that are remembered.
const KNOWN_MAX: usize = 10_000;
/// The most unknown codes that are remembered: apart, so that guessing codes drives out no known one.
const UNKNOWN_MAX: usize = 2_000;

const KNOWN_LIFE: Life = Life {
    fresh: SignedDuration::from_secs(60),
    stale: SignedDuration::from_secs(3_600),
};
const UNKNOWN_LIFE: Life = Life {
    fresh: SignedDuration::from_secs(10),
    stale: SignedDuration::ZERO,
};

/// After a read that failed, what is known is believed for so long before the table is asked again.
const TRUCE: SignedDuration = SignedDuration::from_secs(5);

/// How long a visitor waits for a read, when without it there is no answer.
const PATIENCE: Duration = Duration::from_millis(2_500);
/// How long a visitor waits for a read that only makes the answer newer.
const REFRESH_PATIENCE: Duration = Duration::from_millis(300);

/// Where a link leads.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    /// The code, as it was spelled when it was made, and whose it is.
    pub(crate) record: Arc<CodeRecord>,
    /// What the program lets links do.
    pub(crate) target: Arc<LinkTarget>,
    /// Whether it is a link of a live or of a test program.
    pub(crate) mode: Mode,
    /// The program's time.
    pub(crate) now: Timestamp,
    /// The key of the day, when it was asked for and could be had.
    pub(crate) day_key: Option<DayKey>,
}

/// What links lead to, as far as it is known here.
#[derive(Debug)]
pub(crate) struct Links {
    desk: Desk,
    shelf: Mutex<Shelf>,
}

#[derive(Debug)]
struct Shelf {
    codes: Cache<ReferralCode, Arc<CodeRecord>>,
    unknown: Cache<ReferralCode, ()>,
    targets: Cache<ProgramId, Arc<LinkTarget>>,
    day_key: Option<(String, DayKey)>,
}

/// What is known here of one link.
#[derive(Debug)]
struct KnownLink {
    record: Known<Arc<CodeRecord>>,
    target: Known<Arc<LinkTarget>>,
    day_key: Option<DayKey>,
}

impl KnownLink {
    /// What has to be read to know it anew. A code never moves to another program, so that a stale
    /// one tells which program to read.
    fn to_read(&self, code: &ReferralCode) -> Vec<Key> {
        let record = (!self.record.is_fresh()).then(|| keys::code(Mode::Live, code));
        let target = self.program().filter(|_| !self.target.is_fresh());
        record.into_iter().chain(target.map(keys::links)).collect()
    }

    /// Whether the link can be followed by what is known, fresh or not.
    fn suffices(&self) -> bool {
        self.record != Known::Nothing && self.target != Known::Nothing
    }

    fn program(&self) -> Option<ProgramId> {
        match &self.record {
            Known::Fresh(record) | Known::Stale(record) => Some(record.program_id),
            Known::Nothing => None,
        }
    }
}

impl Links {
    pub(crate) fn new(desk: Desk) -> Self {
        Self {
            desk,
            shelf: Mutex::new(Shelf {
                codes: Cache::new(KNOWN_MAX, KNOWN_LIFE),
                unknown: Cache::new(UNKNOWN_MAX, UNKNOWN_LIFE),
                targets: Cache::new(KNOWN_MAX, KNOWN_LIFE),
                day_key: None,
            }),
        }
    }

    /// What a code leads to; `None` when it leads nowhere. With the key of the day when the visitor
    /// may be told apart from others.
    ///
    /// # Errors
    /// [`StoreError`], when it is not known here and the table does not answer.
    pub(crate) async fn find(
        &self,
        invocation: &Invocation,
        mode: Mode,
        code: &ReferralCode,
        with_day_key: bool,
    ) -> Result<Option<Link>, StoreError> {
        let store = self.desk.store(invocation);
        let link = match mode {
            Mode::Live => self.find_live(&store, code, with_day_key).await?,
            Mode::Test => self.find_test(&store, code, with_day_key).await?,
        };
        Ok(link.filter(|link| link.record.active))
    }

    /// Whether something is known here of a code of a live program, be it that there is none.
    pub(crate) fn knows(&self, code: &ReferralCode, now: Timestamp) -> bool {
        let shelf = self.shelf();
        shelf.unknown.get(code, now).is_fresh() || shelf.codes.get(code, now) != Known::Nothing
    }

    /// Cold: code and day key in one request, then the program. Warm: nothing.
    async fn find_live(
        &self,
        store: &Store,
        code: &ReferralCode,
        with_day_key: bool,
    ) -> Result<Option<Link>, StoreError> {
        let now = self.desk.real_now();
        let day = keys::day(now);
        let Some(mut known) = self.known(code, now, &day) else {
            return Ok(None);
        };
        let mut wanted = known.to_read(code);
        let lacks_day_key = with_day_key && known.day_key.is_none();
        if lacks_day_key {
            wanted.push(keys::visitor_key(&day));
        }
        if !wanted.is_empty() {
            match read(store, wanted, known.suffices()).await {
                Ok(loaded) => {
                    self.renew(&mut known, &loaded, code, now)?;
                    if lacks_day_key {
                        known.day_key = self.keep_day_key(store, &loaded, &day).await;
                    }
                }
                Err(_) if known.suffices() => self.extend(code, &known, now),
                Err(error) => return Err(error),
            }
        }
        let Some(record) = known.record.any() else {
            return Ok(None);
        };
        let mut target = known.target.any();
        if target.is_none() {
            target = self.target_of(store, record.program_id, now).await?;
        }
        Ok(target.map(|target| Link {
            record,
            target,
            mode: Mode::Live,
            now,
            day_key: known.day_key,
        }))
    }

    /// What the program of a code that was just learned lets links do: known by another of its
    /// codes, or read.
    async fn target_of(
        &self,
        store: &Store,
        program: ProgramId,
        now: Timestamp,
    ) -> Result<Option<Arc<LinkTarget>>, StoreError> {
        let known = self.shelf().targets.get(&program, now);
        if let Known::Fresh(target) = known {
            return Ok(Some(target));
        }
        let loaded = read(store, vec![keys::links(program)], false).await?;
        Ok(self.keep_target(&loaded, program, now)?.any())
    }

    /// What is known here of a code; `None` when it is known to lead nowhere.
    fn known(&self, code: &ReferralCode, now: Timestamp, day: &str) -> Option<KnownLink> {
        let shelf = self.shelf();
        if shelf.unknown.get(code, now).is_fresh() {
            return None;
        }
        let record = shelf.codes.get(code, now);
        let target = match &record {
            Known::Fresh(record) | Known::Stale(record) => {
                shelf.targets.get(&record.program_id, now)
            }
            Known::Nothing => Known::Nothing,
        };
        Some(KnownLink {
            record,
            target,
            day_key: shelf.day_key_of(day),
        })
    }

    /// Puts what was read in place of what is not fresh.
    fn renew(
        &self,
        known: &mut KnownLink,
        loaded: &Loaded,
        code: &ReferralCode,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let program = known.program();
        if !known.record.is_fresh() {
            known.record = self.keep_record(loaded, code, now)?;
        }
        if let Some(program) = program.filter(|_| !known.target.is_fresh()) {
            known.target = self.keep_target(loaded, program, now)?;
        }
        Ok(())
    }

    /// Test programs are read anew each time: whoever tries something wants to see it at once.
    async fn find_test(
        &self,
        store: &Store,
        code: &ReferralCode,
        with_day_key: bool,
    ) -> Result<Option<Link>, StoreError> {
        let real_now = self.desk.real_now();
        let day = keys::day(real_now);
        let mut day_key = self.shelf().day_key_of(&day);
        let code_key = keys::code(Mode::Test, code);
        let mut wanted = vec![code_key.clone()];
        if with_day_key && day_key.is_none() {
            wanted.push(keys::visitor_key(&day));
        }
        let loaded = read(store, wanted, false).await?;
        let Some(record) = loaded.read::<CodeRecord>(&code_key)? else {
            return Ok(None);
        };
        if with_day_key && day_key.is_none() {
            day_key = self.keep_day_key(store, &loaded, &day).await;
        }
        let (links, clock) = (
            keys::links(record.program_id),
            keys::clock(record.program_id),
        );
        let loaded = read(store, vec![links.clone(), clock.clone()], false).await?;
        let Some(target) = loaded.read::<LinkTarget>(&links)? else {
            return Ok(None);
        };
        let clock = loaded.read::<ProgramClock>(&clock)?.unwrap_or_default();
        Ok(Some(Link {
            record: Arc::new(record),
            target: Arc::new(target),
            mode: Mode::Test,
            now: clock.at(real_now),
            day_key,
        }))
    }

    /// The key of today, of which the caller has read the item if it was not known here.
    pub(crate) async fn day_key(&self, store: &Store, loaded: &Loaded) -> Option<DayKey> {
        let day = keys::day(self.desk.real_now());
        let known = self.shelf().day_key_of(&day);
        match known {
            Some(known) => Some(known),
            None => self.keep_day_key(store, loaded, &day).await,
        }
    }

    /// Where the key of today is read, unless it is known here.
    pub(crate) fn day_key_to_read(&self) -> Option<Key> {
        let day = keys::day(self.desk.real_now());
        let known = self.shelf().day_key_of(&day).is_some();
        (!known).then(|| keys::visitor_key(&day))
    }

    fn keep_record(
        &self,
        loaded: &Loaded,
        code: &ReferralCode,
        now: Timestamp,
    ) -> Result<Known<Arc<CodeRecord>>, StoreError> {
        let record = loaded.read::<CodeRecord>(&keys::code(Mode::Live, code))?;
        let mut shelf = self.shelf();
        let Some(record) = record.map(Arc::new) else {
            shelf.unknown.put(code.clone(), (), now);
            return Ok(Known::Nothing);
        };
        let kept = Arc::clone(&record);
        shelf.codes.put(code.clone(), kept, now);
        Ok(Known::Fresh(record))
    }

    fn keep_target(
        &self,
        loaded: &Loaded,
        program: ProgramId,
        now: Timestamp,
    ) -> Result<Known<Arc<LinkTarget>>, StoreError> {
        let Some(target) = loaded.read::<LinkTarget>(&keys::links(program))? else {
            return Ok(Known::Nothing);
        };
        let target = Arc::new(target);
        let kept = Arc::clone(&target);
        self.shelf().targets.put(program, kept, now);
        Ok(Known::Fresh(target))
    }

    /// The key of a day: the one that was read, or a new one, or that of whoever was first. `None`
    /// when the table does not answer: then visitors cannot be told apart for a moment.
    async fn keep_day_key(&self, store: &Store, loaded: &Loaded, day: &str) -> Option<DayKey> {
        let key = self.desk.day_key(store, loaded, day);
        let key = in_time(REFRESH_PATIENCE, key).await.ok()?;
        self.shelf().day_key = Some((day.to_owned(), key.clone()));
        Some(key)
    }

    fn extend(&self, code: &ReferralCode, known: &KnownLink, now: Timestamp) {
        let mut shelf = self.shelf();
        shelf.codes.extend(code, now, TRUCE);
        if let Some(program) = known.program() {
            shelf.targets.extend(&program, now, TRUCE);
        }
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        // A panic while it was held left a cache, which is right or empty.
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a link onto the shelf as if it had been read.
    #[cfg(test)]
    pub(crate) fn remember(&self, record: CodeRecord, target: LinkTarget, day_key: &str) {
        let now = self.desk.real_now();
        let mut shelf = self.shelf();
        shelf.targets.put(record.program_id, Arc::new(target), now);
        let code = record.code.clone();
        shelf.codes.put(code, Arc::new(record), now);
        let key = VisitorKey {
            key: day_key.to_owned(),
            expires_at: i64::MAX,
        };
        shelf.day_key = Some((keys::day(now), DayKey::of(&key)));
    }
}

impl Shelf {
    fn day_key_of(&self, day: &str) -> Option<DayKey> {
        let (known, key) = self.day_key.as_ref()?;
        (known == day).then(|| key.clone())
    }
}

async fn read(store: &Store, keys: Vec<Key>, can_do_without: bool) -> Result<Loaded, StoreError> {
    let patience = if can_do_without {
        REFRESH_PATIENCE
    } else {
        PATIENCE
    };
    in_time(patience, store.get(keys)).await
}
