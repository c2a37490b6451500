//! The due index: what has a time, or could be stuck. Reading it, claiming from it, parking.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::{SignedDuration, Timestamp};
use kith_domain::id::ProgramId;
use kith_domain::mode::Mode;

use crate::commit::{Commit, later, number};
use crate::item::Item;
use crate::items::Wake;
use crate::keys::{self, Key};
use crate::retry::{Backoff, is_passing};
use crate::store::{Store, StoreError, attributes, failed_condition};
use crate::wake::Message;

/// After so many attempts an entry is parked: nobody tries again before somebody says so.
pub const PARK_AFTER: u32 = 8;

/// How long the first claim holds; each further one twice as long.
const FIRST_BACK_OFF: SignedDuration = SignedDuration::from_mins(2);
const BACK_OFF_DOUBLINGS_MAX: u32 = 7;

/// An entry of the due index: which item, and the place at which it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueEntry {
    /// The item.
    pub key: Key,
    /// The partition it was found in.
    pub due_pk: String,
    /// The time and name it was found under.
    pub due_sk: String,
}

impl DueEntry {
    /// When it is due, on the clock that it waits for.
    #[must_use]
    pub fn at(&self) -> Option<Timestamp> {
        let text = self
            .due_sk
            .strip_prefix(keys::REAL_MARK)
            .unwrap_or(&self.due_sk);
        text.split('#').next()?.parse().ok()
    }

    /// Whether it waits for real time although its program has a clock of its own.
    #[must_use]
    pub fn is_lease_of_test(&self) -> bool {
        self.due_sk.starts_with(keys::REAL_MARK)
    }
}

/// A page of due entries.
#[derive(Debug, Clone, Default)]
pub struct DuePage {
    /// The entries, earliest first.
    pub entries: Vec<DueEntry>,
    /// Whether there are more.
    pub more: bool,
}

/// What a claimed or parked item is about.
#[derive(Debug, Clone)]
pub struct DueWork {
    /// The kind of the item.
    pub kind: String,
    /// The program, if the item names one.
    pub program: Option<ProgramId>,
    /// Whom to wake.
    pub wakes: Vec<Wake>,
    /// How often it was tried.
    pub attempts: u32,
    /// Whether this was once too often: it is parked now, and nobody is woken.
    pub parked: bool,
}

impl Commit {
    /// Takes an entry out of the parking place: it is due at once, as if never tried.
    pub fn unpark(&mut self, entry: &DueEntry) -> &mut Self {
        let id = format!("{}#{}", entry.key.pk, entry.key.sk);
        let time = keys::instant(self.real_now());
        let program = entry.key.pk.strip_prefix("PROGRAM#");
        let program = program.and_then(|rest| rest.split('#').next());
        let (pk, sk) = match (entry.due_pk.as_str(), program) {
            (parked, Some(program)) if parked == keys::parked(Mode::Test) => (
                format!("DUE#{program}"),
                format!("{}{time}#{id}", keys::REAL_MARK),
            ),
            (_, _) => (
                keys::due_shard(keys::shard(&id, keys::DUE_SHARDS)),
                format!("{time}#{id}"),
            ),
        };
        self.move_due(entry, &pk, &sk);
        self
    }
}

impl Store {
    /// The entries of a live partition that are due.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn due_live(
        &self,
        shard: u8,
        now: Timestamp,
        limit: u16,
    ) -> Result<DuePage, StoreError> {
        let pk = keys::due_shard(shard);
        self.due_range(&pk, "0", &upper(&keys::instant(now)), limit)
            .await
    }

    /// The entries of a test program that its own clock has come to.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn due_test(
        &self,
        program: ProgramId,
        now: Timestamp,
        limit: u16,
    ) -> Result<DuePage, StoreError> {
        self.due_range(
            &keys::due_test(program),
            "0",
            &upper(&keys::instant(now)),
            limit,
        )
        .await
    }

    /// The leases of a test program that run out by `real_now`, or all of them.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn leases_of_test(
        &self,
        program: ProgramId,
        real_now: Option<Timestamp>,
        limit: u16,
    ) -> Result<DuePage, StoreError> {
        let to = match real_now {
            Some(now) => upper(&format!("{}{}", keys::REAL_MARK, keys::instant(now))),
            None => upper(keys::REAL_MARK),
        };
        self.due_range(&keys::due_test(program), keys::REAL_MARK, &to, limit)
            .await
    }

    /// What was parked in a mode, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn parked(&self, mode: Mode, limit: u16) -> Result<DuePage, StoreError> {
        self.due_range(&keys::parked(mode), "0", &upper("9"), limit)
            .await
    }

    /// What entries are about. Those whose items are gone, or stand elsewhere by now, are left out.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn describe(
        &self,
        entries: Vec<DueEntry>,
    ) -> Result<Vec<(DueEntry, DueWork)>, StoreError> {
        let loaded = self
            .get(entries.iter().map(|entry| entry.key.clone()))
            .await?;
        let described = entries.into_iter().filter_map(|found| {
            let item = loaded.item(&found.key)?;
            let present = entry(item).filter(|present| *present == found)?;
            let parked = present.due_pk.starts_with(keys::PARKED_MARK);
            Some((present, work(item, attempts_of(item), parked)))
        });
        Ok(described.collect())
    }

    async fn due_range(
        &self,
        pk: &str,
        from: &str,
        to: &str,
        limit: u16,
    ) -> Result<DuePage, StoreError> {
        let request = self
            .client
            .query()
            .table_name(&*self.table)
            .index_name("due")
            .key_condition_expression("due_pk = :pk AND due_sk BETWEEN :from AND :to")
            .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
            .expression_attribute_values(":from", AttributeValue::S(from.to_owned()))
            .expression_attribute_values(":to", AttributeValue::S(to.to_owned()))
            .limit(i32::from(limit));
        let output = self.ask("reading what is due", request).await?;
        let more = output.last_evaluated_key.is_some();
        let entries = output
            .items
            .into_iter()
            .flatten()
            .filter_map(|item| entry(&item))
            .collect();
        Ok(DuePage { entries, more })
    }

    /// Claims an entry: puts it off, counts the attempt, and tells whom to wake. `None` when it is
    /// not due any more: done, or claimed by somebody else. After [`PARK_AFTER`] attempts the entry
    /// is parked instead.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn claim(
        &self,
        entry: &DueEntry,
        real_now: Timestamp,
    ) -> Result<Option<DueWork>, StoreError> {
        let loaded = self.get([entry.key.clone()]).await?;
        let Some(item) = loaded.item(&entry.key) else {
            return Ok(None);
        };
        let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned();
        if text("due_sk").as_ref() != Some(&entry.due_sk)
            || text("due_pk").as_ref() != Some(&entry.due_pk)
        {
            return Ok(None);
        }
        let attempts = attempts_of(item).saturating_add(1);
        let mut work = work(item, attempts, attempts > PARK_AFTER);
        let moved = if work.parked {
            let mode = if entry.due_pk.starts_with("DUE#prg_") {
                Mode::Test
            } else {
                Mode::Live
            };
            self.move_due(
                entry,
                &keys::parked(mode),
                &parked_sk(real_now, &entry.key),
                attempts,
            )
            .await?
        } else {
            let until = keys::instant(later(real_now, back_off(attempts)));
            let id = format!("{}#{}", entry.key.pk, entry.key.sk);
            let mark = if entry.due_pk.starts_with("DUE#prg_") {
                keys::REAL_MARK
            } else {
                ""
            };
            self.move_due(
                entry,
                &entry.due_pk,
                &format!("{mark}{until}#{id}"),
                attempts,
            )
            .await?
        };
        if work.parked {
            work.wakes.clear();
        }
        Ok(moved.then_some(work))
    }

    async fn move_due(
        &self,
        entry: &DueEntry,
        pk: &str,
        sk: &str,
        attempts: u32,
    ) -> Result<bool, StoreError> {
        let mut backoff = Backoff::until(self.until);
        loop {
            let request = self
                .client
                .update_item()
                .table_name(&*self.table)
                .set_key(Some(attributes(&entry.key)))
                .update_expression("SET due_pk = :pk, due_sk = :sk, attempts = :attempts")
                .condition_expression("due_pk = :was_pk AND due_sk = :was_sk")
                .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
                .expression_attribute_values(":sk", AttributeValue::S(sk.to_owned()))
                .expression_attribute_values(":attempts", number(attempts))
                .expression_attribute_values(":was_pk", AttributeValue::S(entry.due_pk.clone()))
                .expression_attribute_values(":was_sk", AttributeValue::S(entry.due_sk.clone()));
            match request.send().await {
                Ok(_) => return Ok(true),
                Err(error) if failed_condition(&error) => return Ok(false),
                Err(error) if is_passing(&error) && backoff.wait().await => {}
                Err(error) => return Err(StoreError::unavailable("claiming what is due", error)),
            }
        }
    }
}

/// The name of a parked entry, by which it is retried by hand.
fn parked_sk(at: Timestamp, key: &Key) -> String {
    format!("{}#{}#{}", keys::instant(at), key.pk, key.sk)
}

/// Everything that starts with the text sorts up to here.
fn upper(text: &str) -> String {
    format!("{text}\u{10FFFF}")
}

pub(crate) fn back_off(attempts: u32) -> SignedDuration {
    let doublings = attempts.saturating_sub(1).min(BACK_OFF_DOUBLINGS_MAX);
    FIRST_BACK_OFF
        .checked_mul(1 << doublings)
        .unwrap_or(FIRST_BACK_OFF)
}

fn entry(item: &Item) -> Option<DueEntry> {
    let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned();
    let key = Key {
        pk: text("pk")?,
        sk: text("sk")?,
    };
    Some(DueEntry {
        key,
        due_pk: text("due_pk")?,
        due_sk: text("due_sk")?,
    })
}

fn work(item: &Item, attempts: u32, parked: bool) -> DueWork {
    let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned();
    DueWork {
        kind: text("kind").unwrap_or_default(),
        program: text("program_id").and_then(|id| id.parse().ok()),
        wakes: wakes_of(item),
        attempts,
        parked,
    }
}

pub(crate) fn attempts_of(item: &Item) -> u32 {
    let number = item.get("attempts").and_then(|value| value.as_n().ok());
    number.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Whom an item wakes. An event says it itself, and of those who have not dealt with it yet; of
/// everything else the key does.
fn wakes_of(item: &Item) -> Vec<Wake> {
    let Some(wakes) = item.get("wakes") else {
        return entry(item)
            .and_then(|entry| Message::of_item(&entry.key))
            .into_iter()
            .collect();
    };
    let wakes: Vec<Wake> = wakes
        .as_s()
        .ok()
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    match item.get("awaiting").and_then(|value| value.as_ss().ok()) {
        Some(awaiting) => wakes
            .into_iter()
            .filter(|wake| awaiting.iter().any(|name| name == wake.queue.as_str()))
            .collect(),
        None => wakes,
    }
}
