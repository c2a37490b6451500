//! Limits in front of the table: what may be refused is refused from memory, and the table is asked
//! for several calls at once.

use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use kith_domain::api_key::{Caller, KeyHash, PresentedKey};
use kith_domain::id::ApiKeyId;
use kith_domain::limit::{Level, Limit, Share, Standing, Step};
use kith_domain::mode::Mode;
use kith_store::keys::{self, Key};
use kith_store::{Store, StoreError, Taken};

use crate::bounded::Bounded;
use crate::causes::Causes;
use crate::config::RequestLimits;
use crate::http::{Problem, Response};

/// The most buckets, verified keys, and addresses that are remembered.
const KNOWN_MAX: usize = 10_000;
/// How long a call waits for a lease before it passes without.
const PATIENCE: Duration = Duration::from_secs(1);
/// How many lease questions one call asks: for what it wants, then for what there is.
const QUESTIONS_MAX: u8 = 2;

/// Whether a call may go on, and what its caller is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it goes on.
    pub admitted: bool,
    /// What is left.
    pub standing: Standing,
}

/// What this instance has of buckets that all instances share.
#[derive(Debug)]
pub struct Buckets<K> {
    shares: Mutex<Bounded<K, Arc<tokio::sync::Mutex<Share>>>>,
    /// Whether the table could not be asked, and that was said.
    told: AtomicBool,
}

impl<K: Hash + Eq> Default for Buckets<K> {
    fn default() -> Self {
        Self {
            shares: Mutex::new(Bounded::new(KNOWN_MAX)),
            told: AtomicBool::new(false),
        }
    }
}

impl<K: Hash + Eq> Buckets<K> {
    /// Takes a call, from memory or from the table. When the table cannot be asked, the call passes:
    /// a limit that fails must not stop what it protects.
    pub async fn serve(
        &self,
        who: K,
        bucket: impl FnOnce() -> Key,
        limit: Limit,
        store: &Store,
        now: Timestamp,
    ) -> Verdict {
        let share = {
            let mut shares = locked(&self.shares);
            Arc::clone(shares.entry(who, Arc::default))
        };
        // One question at a time: calls that come meanwhile are served from its answer.
        let mut share = share.lock().await;
        let mut step = share.serve(limit, now);
        if let Step::Ask(wanted) = step {
            let bucket = bucket();
            let asking = ask(&mut share, &bucket, wanted, limit, store, now);
            match tokio::time::timeout(PATIENCE, asking).await {
                Ok(Ok(())) => self.told.store(false, Ordering::Relaxed),
                Ok(Err(error)) => {
                    self.pass(&mut share, limit, now, &Causes(&error).to_string());
                }
                Err(elapsed) => self.pass(&mut share, limit, now, &elapsed.to_string()),
            }
            step = share.serve(limit, now);
        }
        Verdict {
            admitted: step == Step::Admitted,
            standing: share.standing(limit, now),
        }
    }

    fn pass(&self, share: &mut Share, limit: Limit, now: Timestamp, error: &str) {
        share.unreachable(limit, now);
        if !self.told.swap(true, Ordering::Relaxed) {
            tracing::warn!(error, "limits could not be kept; calls pass");
        }
    }
}

/// Asks the table for what is wanted, and then for what there is.
async fn ask(
    share: &mut Share,
    bucket: &Key,
    mut wanted: u32,
    limit: Limit,
    store: &Store,
    now: Timestamp,
) -> Result<(), StoreError> {
    for _ in 0..QUESTIONS_MAX {
        let taking = limit.taking(wanted, now);
        match store.take(bucket, taking, share.level(), now).await? {
            Taken::Granted(level) => {
                share.granted(wanted, level, now);
                return Ok(());
            }
            Taken::Refused(level) => {
                share.refused(level);
                wanted = limit.room(level, now).min(wanted);
            }
        }
        if wanted == 0 {
            break;
        }
    }
    Ok(())
}

/// Who has a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Holder {
    Key(ApiKeyId),
    Operator(Mode),
}

impl Holder {
    fn of(caller: &Caller) -> Self {
        caller.key.map_or(Self::Operator(caller.mode), Self::Key)
    }

    fn bucket(self) -> Key {
        match self {
            Self::Key(id) => keys::api_key_use(id),
            Self::Operator(mode) => keys::operator_use(mode),
        }
    }
}

/// A key that was verified here before: it may be refused without being read again. Whether it is
/// still good is read by each call that is not.
#[derive(Debug, Clone, Copy)]
struct Verified {
    hash: KeyHash,
    limit: Limit,
}

/// How much the callers of an instance may ask for.
#[derive(Debug)]
pub struct CallerLimits {
    limits: RequestLimits,
    buckets: Buckets<Holder>,
    verified: Mutex<Bounded<ApiKeyId, Verified>>,
    failures: Failures,
}

impl CallerLimits {
    /// Limits as they are configured.
    #[must_use]
    pub fn new(limits: RequestLimits) -> Self {
        Self {
            limits,
            buckets: Buckets::default(),
            verified: Mutex::new(Bounded::new(KNOWN_MAX)),
            failures: Failures::new(limits.failures),
        }
    }

    /// Calls from one address that fail.
    #[must_use]
    pub fn failures(&self) -> &Failures {
        &self.failures
    }

    /// The limit of a caller.
    fn limit_of(&self, caller: &Caller) -> Limit {
        let own = caller.requests_per_minute;
        own.map_or(self.limits.requests, |own| {
            self.limits.requests.scaled_to(own)
        })
    }

    /// Takes a call of somebody whose key was verified.
    pub(crate) async fn serve(&self, caller: &Caller, store: &Store, now: Timestamp) -> Verdict {
        let holder = Holder::of(caller);
        let limit = self.limit_of(caller);
        self.buckets
            .serve(holder, || holder.bucket(), limit, store, now)
            .await
    }

    /// Takes a call of a key that was verified here before; `None` if it was not.
    pub(crate) async fn serve_known(
        &self,
        presented: &PresentedKey,
        store: &Store,
        now: Timestamp,
    ) -> Option<Verdict> {
        let known = locked(&self.verified).get(&presented.id).copied();
        let known = known.filter(|known| known.hash.matches(presented.hash))?;
        let holder = Holder::Key(presented.id);
        let verdict = self
            .buckets
            .serve(holder, || holder.bucket(), known.limit, store, now)
            .await;
        Some(verdict)
    }

    /// Notes that a key was verified.
    pub(crate) fn verified(&self, hash: KeyHash, caller: &Caller) {
        let limit = self.limit_of(caller);
        if let Some(id) = caller.key {
            locked(&self.verified).put(id, Verified { hash, limit });
        }
    }

    /// Notes that a key is not good any more, or never was.
    pub(crate) fn failed(&self, presented: &PresentedKey) {
        let mut verified = locked(&self.verified);
        let known = verified.get(&presented.id);
        // Somebody without the secret must not make a good key forgotten.
        if known.is_some_and(|known| known.hash.matches(presented.hash)) {
            verified.remove(&presented.id);
        }
    }
}

/// Buckets of this instance alone: small ones, which cost nothing.
#[derive(Debug)]
pub struct OwnBuckets<K> {
    limit: Limit,
    levels: Mutex<Bounded<K, Level>>,
}

impl<K: Hash + Eq> OwnBuckets<K> {
    /// Buckets of one limit.
    #[must_use]
    pub fn new(limit: Limit) -> Self {
        Self {
            limit,
            levels: Mutex::new(Bounded::new(KNOWN_MAX)),
        }
    }

    /// Takes one; `false` when the bucket is empty.
    pub fn take(&self, who: K, now: Timestamp) -> bool {
        let mut levels = locked(&self.levels);
        let level = levels.entry(who, Level::default);
        let taken = self.limit.taking(1, now).of(Some(*level));
        if let Some(taken) = taken {
            *level = taken;
        }
        taken.is_some()
    }

    /// In how many seconds there is something in a bucket again; `None` when there is.
    pub fn wait(&self, who: &K, now: Timestamp) -> Option<u32> {
        let level = locked(&self.levels).get(who).copied()?;
        (self.limit.room(level, now) == 0).then(|| self.limit.seconds_until(1, level, now).max(1))
    }
}

/// Calls that cost the table something and come to nothing: keys and codes that do not exist. They
/// are counted by the address that they come from, in this instance alone; the address is kept as a
/// hash whose key is this process's own.
#[derive(Debug)]
pub struct Failures {
    hasher: RandomState,
    buckets: OwnBuckets<u64>,
}

impl Failures {
    fn new(limit: Limit) -> Self {
        Self {
            hasher: RandomState::new(),
            buckets: OwnBuckets::new(limit),
        }
    }

    /// Whether the table may be asked for something that an address may have made up.
    ///
    /// # Errors
    /// 429.
    pub fn check(&self, address: Option<IpAddr>, now: Timestamp) -> Result<(), Problem> {
        let wait = self.buckets.wait(&self.source(address), now);
        wait.map_or(Ok(()), |seconds| Err(Problem::too_many_requests(seconds)))
    }

    /// Counts a call that came to nothing.
    pub fn count(&self, address: Option<IpAddr>, now: Timestamp) {
        self.buckets.take(self.source(address), now);
    }

    /// A network is one source: whoever has an address of version 6 has the 64 bits below it.
    fn source(&self, address: Option<IpAddr>) -> u64 {
        let network = address.map(|address| match address {
            IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
            IpAddr::V6(address) => address.to_bits() >> 64,
        });
        self.hasher.hash_one(network)
    }
}

/// Writes what a caller is told of a limit into an answer, as
/// [draft-ietf-httpapi-ratelimit-headers-11](https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/11/)
/// has it.
pub(crate) fn told(response: Response, standing: &Standing) -> Response {
    let (quota, window) = (standing.limit.burst(), standing.limit.window_seconds());
    let (remaining, seconds) = (standing.remaining, standing.seconds);
    response
        .header("ratelimit-policy", format!("\"key\";q={quota};w={window}"))
        .header("ratelimit", format!("\"key\";r={remaining};t={seconds}"))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while it was held left a memory, which is right or empty.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// Guessing costs the table a little, and no more; nobody else is hit.
    #[test]
    fn failures_are_counted_by_network() {
        let failures = Failures::new(Limit::new(60, 3));
        let check =
            |source: &str, second| failures.check(Some(source.parse().unwrap()), at(second));
        let count = |source: &str| failures.count(Some(source.parse().unwrap()), at(100));
        for _ in 0..3 {
            assert!(check("198.51.100.1", 100).is_ok());
            count("198.51.100.1");
        }
        assert_eq!(check("198.51.100.1", 100).unwrap_err().status(), 429);
        assert!(check("198.51.100.2", 100).is_ok());
        assert!(failures.check(None, at(100)).is_ok());
        assert!(check("198.51.100.1", 101).is_ok());
        for _ in 0..3 {
            count("2001:db8::1");
        }
        assert!(check("2001:db8::ffff:1", 100).is_err());
        assert!(check("2001:db8:0:1::1", 100).is_ok());
    }

    #[test]
    fn the_headers_are_structured_fields() {
        let limit = Limit::new(6_000, 1_000);
        let standing = Standing {
            limit,
            remaining: 999,
            seconds: 1,
        };
        let response = told(Response::no_content(), &standing);
        assert_eq!(
            response.header_value("ratelimit-policy"),
            Some("\"key\";q=1000;w=10")
        );
        assert_eq!(
            response.header_value("ratelimit"),
            Some("\"key\";r=999;t=1")
        );
    }
}
