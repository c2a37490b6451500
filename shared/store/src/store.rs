//! Reading and writing items.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use tokio::time::Instant;

use crate::item::{self, CorruptItem, Entity, Item};
use crate::items::{ClickItem, LedgerDay, VisitorKey};
use crate::keys::{self, Key};
use crate::retry::{Backoff, is_passing};

/// The most keys of one batch.
const BATCH_KEYS_MAX: usize = 100;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why the table did not answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It was throttled, out of reach, or refused the request, for as long as there was time.
    #[error("the table did not answer while {doing}")]
    Unavailable {
        /// What was tried.
        doing: &'static str,
        /// The last cause.
        source: BoxError,
    },
    /// An item is not as it should be.
    #[error(transparent)]
    Corrupt(#[from] CorruptItem),
}

impl StoreError {
    pub(crate) fn unavailable(doing: &'static str, source: impl Into<BoxError>) -> Self {
        Self::Unavailable {
            doing,
            source: source.into(),
        }
    }
}

/// The table.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) client: Client,
    pub(crate) table: Arc<str>,
    pub(crate) until: Option<Instant>,
}

impl Store {
    /// The table of that name, through a client whose own retries are off.
    #[must_use]
    pub fn new(client: Client, table: &str) -> Self {
        Self {
            client,
            table: table.into(),
            until: None,
        }
    }

    /// The same table, for a caller whose time ends at an instant.
    #[must_use]
    pub fn until(&self, deadline: Instant) -> Self {
        Self {
            until: Some(deadline),
            ..self.clone()
        }
    }

    /// Opens the connection, so that the first request does not wait for a handshake.
    pub async fn warm(&self) {
        let key = keys::visitor_key("warm");
        let _ = self
            .client
            .get_item()
            .table_name(&*self.table)
            .set_key(Some(attributes(&key)))
            .send()
            .await;
    }

    /// Reads items, strongly consistent, in one request for up to a hundred of them.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn get(&self, keys: impl IntoIterator<Item = Key>) -> Result<Loaded, StoreError> {
        let mut wanted: Vec<Key> = keys.into_iter().collect();
        wanted.sort();
        wanted.dedup();
        let mut loaded = Loaded::default();
        for chunk in wanted.chunks(BATCH_KEYS_MAX) {
            self.get_chunk(chunk, &mut loaded).await?;
        }
        loaded.looked_for(wanted);
        Ok(loaded)
    }

    /// Reads one entity, strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn get_one<T: Entity>(&self, key: Key) -> Result<Option<T>, StoreError> {
        let mut backoff = Backoff::until(self.until);
        loop {
            let request = self
                .client
                .get_item()
                .table_name(&*self.table)
                .set_key(Some(attributes(&key)))
                .consistent_read(true);
            match request.send().await {
                Ok(output) => return Ok(output.item.map(item::read).transpose()?),
                Err(error) if is_passing(&error) && backoff.wait().await => {}
                Err(error) => return Err(StoreError::unavailable("reading", error)),
            }
        }
    }

    async fn get_chunk(&self, keys: &[Key], loaded: &mut Loaded) -> Result<(), StoreError> {
        let mut backoff = Backoff::until(self.until);
        let mut open: Vec<Item> = keys.iter().map(attributes).collect();
        while !open.is_empty() {
            let wanted = KeysAndAttributes::builder()
                .set_keys(Some(open.clone()))
                .consistent_read(true)
                .build()
                .map_err(|error| StoreError::unavailable("reading", error))?;
            match self
                .client
                .batch_get_item()
                .request_items(&*self.table, wanted)
                .send()
                .await
            {
                Ok(output) => {
                    for item in output
                        .responses
                        .into_iter()
                        .flatten()
                        .flat_map(|(_, items)| items)
                    {
                        loaded.insert(item);
                    }
                    open = output
                        .unprocessed_keys
                        .into_iter()
                        .flatten()
                        .flat_map(|(_, rest)| rest.keys)
                        .collect();
                    if !open.is_empty() && !backoff.wait().await {
                        return Err(StoreError::unavailable(
                            "reading",
                            "keys were left unprocessed",
                        ));
                    }
                }
                Err(error) if is_passing(&error) && backoff.wait().await => {}
                Err(error) => return Err(StoreError::unavailable("reading", error)),
            }
        }
        Ok(())
    }

    /// Records a click: one conditional put that is also the exact removal of duplicates. `false`
    /// when the click was there already.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn record_click(
        &self,
        program: kith_domain::id::ProgramId,
        shards: u8,
        click: &ClickItem,
    ) -> Result<bool, StoreError> {
        self.put_new(&keys::click(program, click.id, shards), click)
            .await
    }

    /// Keeps the key of a day, unless another instance was first: then theirs counts. `false` then.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn keep_visitor_key(&self, day: &str, key: &VisitorKey) -> Result<bool, StoreError> {
        self.put_new(&keys::visitor_key(day), key).await
    }

    /// Keeps what was counted of a day of the ledger that is over, unless somebody else was first:
    /// they counted the same. `false` then.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn keep_ledger_day(
        &self,
        program: kith_domain::id::ProgramId,
        day: &LedgerDay,
    ) -> Result<bool, StoreError> {
        self.put_new(&keys::ledger_day(program, &day.day), day)
            .await
    }

    async fn put_new<T: Entity>(&self, key: &Key, value: &T) -> Result<bool, StoreError> {
        let mut item = item::write(value)?;
        item.extend(attributes(key));
        let mut backoff = Backoff::until(self.until);
        loop {
            let request = self
                .client
                .put_item()
                .table_name(&*self.table)
                .set_item(Some(item.clone()))
                .condition_expression("attribute_not_exists(pk)");
            match request.send().await {
                Ok(_) => return Ok(true),
                Err(error) if failed_condition(&error) => return Ok(false),
                Err(error) if is_passing(&error) && backoff.wait().await => {}
                Err(error) => return Err(StoreError::unavailable("writing", error)),
            }
        }
    }
}

pub(crate) fn failed_condition<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    error
        .as_service_error()
        .and_then(ProvideErrorMetadata::code)
        == Some("ConditionalCheckFailedException")
}

/// The key as attributes.
pub(crate) fn attributes(key: &Key) -> Item {
    HashMap::from([
        ("pk".to_owned(), AttributeValue::S(key.pk.clone())),
        ("sk".to_owned(), AttributeValue::S(key.sk.clone())),
    ])
}

/// Items that were read, by key. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// `None` for what was looked for and is not there.
    found: HashMap<Key, Option<Arc<Item>>>,
}

impl Loaded {
    fn insert(&mut self, item: Item) {
        let part = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned();
        if let (Some(pk), Some(sk)) = (part("pk"), part("sk")) {
            self.found.insert(Key { pk, sk }, Some(Arc::new(item)));
        }
    }

    /// Notes that these were looked for.
    fn looked_for(&mut self, keys: Vec<Key>) {
        for key in keys {
            self.found.entry(key).or_default();
        }
    }

    /// Whether it was looked for, be it there or not.
    #[must_use]
    pub fn was_read(&self, key: &Key) -> bool {
        self.found.contains_key(key)
    }

    /// Adds what another read brought.
    pub fn extend(&mut self, other: Self) {
        self.found.extend(other.found);
    }

    /// The entity under a key, if there is one.
    ///
    /// # Errors
    /// [`CorruptItem`], when the item is not one of its kind.
    pub fn read<T: Entity>(&self, key: &Key) -> Result<Option<T>, CorruptItem> {
        let item = self.item(key).cloned();
        item.map(item::read).transpose()
    }

    /// How often the item under a key was claimed from the due index since its work last got on.
    #[must_use]
    pub fn attempts(&self, key: &Key) -> u32 {
        self.item(key).map_or(0, crate::due::attempts_of)
    }

    /// What was used of a budget's shard, under its key.
    #[must_use]
    pub fn budget_used(&self, key: &Key) -> i64 {
        let used = self.item(key).and_then(|item| item.get("used"));
        let used = used.and_then(|used| used.as_n().ok());
        used.and_then(|used| used.parse().ok()).unwrap_or(0)
    }

    /// The attributes under a key.
    #[must_use]
    pub fn item(&self, key: &Key) -> Option<&Item> {
        self.found.get(key)?.as_deref()
    }
}
