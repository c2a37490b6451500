//! Lists, newest first: index pages, merged over their shards, then the items themselves, strongly
//! consistent, so that a list shows the present state of what it lists.

use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::try_join_all;
use jiff::Timestamp;
use kith_domain::id::{ParticipantId, ProgramId};
use kith_domain::mode::Mode;
use kith_domain::money::Unit;

use crate::item::{self, Entity, Item};
use crate::items::Lot;
use crate::keys::{self, AuditLog, Key, LIST_SHARDS, ListName};
use crate::retry::{Backoff, is_passing};
use crate::store::{Store, StoreError};

/// Index pages read for one page of a filtered list; past that the page is short and its cursor
/// goes on.
const ROUNDS_MAX: u8 = 10;
/// Sorts behind every id.
const END: &str = "~";

/// What to list.
#[derive(Debug, Clone)]
pub struct ListQuery {
    /// The index: `list`, `party` or `referee`.
    index: &'static str,
    partitions: Vec<String>,
    prefix: &'static str,
    /// Only items in this state.
    pub state: Option<String>,
    /// Only what was made at or after this instant.
    pub from: Option<Timestamp>,
    /// Only what was made before this instant.
    pub to: Option<Timestamp>,
    /// Go on behind this id.
    pub after: Option<String>,
    /// The most items of a page.
    pub limit: u16,
}

impl ListQuery {
    /// All of a program's conversions, rewards, and so on.
    #[must_use]
    pub fn of_program(program: ProgramId, list: ListName, limit: u16) -> Self {
        let partitions = (0..LIST_SHARDS)
            .map(|shard| keys::list_shard(program, list, shard))
            .collect();
        Self::new("list", partitions, prefix(list), limit)
    }

    /// Those of one participant: as referrer, beneficiary or addressee.
    #[must_use]
    pub fn of_party(
        program: ProgramId,
        participant: ParticipantId,
        list: ListName,
        limit: u16,
    ) -> Self {
        Self::new(
            "party",
            vec![keys::party(program, participant, list)],
            prefix(list),
            limit,
        )
    }

    /// The conversions of a referee.
    #[must_use]
    pub fn of_referee(program: ProgramId, participant: ParticipantId, limit: u16) -> Self {
        let list = ListName::Conversions;
        Self::new(
            "referee",
            vec![keys::party(program, participant, list)],
            prefix(list),
            limit,
        )
    }

    /// The programs of a mode.
    #[must_use]
    pub fn programs(mode: Mode, limit: u16) -> Self {
        Self::new("list", vec![keys::programs(mode)], "prg_", limit)
    }

    /// The API keys of a mode.
    #[must_use]
    pub fn api_keys(mode: Mode, limit: u16) -> Self {
        Self::new("list", vec![keys::api_keys(mode)], "key_", limit)
    }

    /// What an audit log says of one object.
    #[must_use]
    pub fn audit_of_object(log: AuditLog, object: &str, limit: u16) -> Self {
        let partition = keys::audit_of_object(log, object);
        Self::new("party", vec![partition], "aud_", limit)
    }

    /// The same list, of so many entries behind an id.
    #[must_use]
    pub fn page(&self, after: Option<String>, limit: u16) -> Self {
        Self {
            after,
            limit,
            ..self.clone()
        }
    }

    fn new(index: &'static str, partitions: Vec<String>, prefix: &'static str, limit: u16) -> Self {
        Self {
            index,
            partitions,
            prefix,
            state: None,
            from: None,
            to: None,
            after: None,
            limit,
        }
    }

    fn lower(&self) -> String {
        self.from
            .map_or_else(|| self.prefix.to_owned(), |from| self.bound(from))
    }

    /// The ids are compared as text; a bound is the time part of an id.
    fn bound(&self, at: Timestamp) -> String {
        let floor = kith_domain::id::RewardId::floor_of(at).to_string();
        let digits = floor.split('_').nth(1).unwrap_or_default().to_owned();
        format!("{}{digits}", self.prefix)
    }
}

fn prefix(list: ListName) -> &'static str {
    match list {
        ListName::Conversions => "cnv_",
        ListName::Participants => "par_",
        ListName::Referrals => "rfl_",
        ListName::Rewards => "rwd_",
        ListName::Surveys => "srv_",
        ListName::Payouts | ListName::PayoutLines => "pay_",
        ListName::Merges => "mrg_",
        ListName::Balances(_) => "par_",
    }
}

/// A page of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The items, newest first.
    pub items: Vec<T>,
    /// The id behind which the list goes on, if it does.
    pub next: Option<String>,
}

/// One entry of an index: the item's key, and the attributes that the index carries.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The id it is sorted by.
    pub id: String,
    /// The item.
    pub key: Key,
    /// What the index carries of it.
    pub carried: Item,
}

impl Store {
    /// A page of a list, each item as it is now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list<T: Entity>(&self, query: &ListQuery) -> Result<Page<T>, StoreError> {
        let page = self.list_index(query).await?;
        let loaded = self
            .get(page.items.iter().map(|listed| listed.key.clone()))
            .await?;
        let mut items = Vec::with_capacity(page.items.len());
        for listed in page.items {
            let Some(present) = loaded.item(&listed.key) else {
                continue;
            };
            // The index lags: the item itself says in which state it is.
            if query
                .state
                .as_deref()
                .is_none_or(|state| state_of(present) == Some(state))
            {
                items.push(item::read(present.clone())?);
            }
        }
        Ok(Page {
            items,
            next: page.next,
        })
    }

    /// A page of a list, as far as the index carries it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn list_index(&self, query: &ListQuery) -> Result<Page<Listed>, StoreError> {
        let limit = usize::from(query.limit);
        let (from, mut below) = (query.lower(), query.after.clone());
        let mut items: Vec<Listed> = Vec::new();
        for _ in 0..ROUNDS_MAX {
            let pages = query
                .partitions
                .iter()
                .map(|pk| self.index_page(query, pk, &from, below.as_deref()));
            let pages = try_join_all(pages).await?;
            // What one shard has left may be newer than what another already showed: only ids
            // above the highest unread one are sure to be next.
            let horizon = pages.iter().filter_map(|page| page.last.clone()).max();
            let mut found: Vec<Listed> = pages.into_iter().flat_map(|page| page.entries).collect();
            found.sort_by(|a, b| b.id.cmp(&a.id));
            if let Some(horizon) = &horizon {
                found.retain(|listed| listed.id >= *horizon);
            }
            items.extend(found.into_iter().filter(|listed| {
                query
                    .state
                    .as_deref()
                    .is_none_or(|state| state_of(&listed.carried) == Some(state))
            }));
            if items.len() > limit {
                items.truncate(limit);
                let next = items.last().map(|listed| listed.id.clone());
                return Ok(Page { items, next });
            }
            match horizon {
                None => return Ok(Page { items, next: None }),
                Some(horizon) if items.len() == limit => {
                    return Ok(Page {
                        items,
                        next: Some(horizon),
                    });
                }
                Some(horizon) => below = Some(horizon),
            }
        }
        Ok(Page { items, next: below })
    }

    async fn index_page(
        &self,
        query: &ListQuery,
        pk: &str,
        from: &str,
        below: Option<&str>,
    ) -> Result<IndexPage, StoreError> {
        let index = query.index;
        let end = || {
            query
                .to
                .map_or_else(|| format!("{}{END}", query.prefix), |to| query.bound(to))
        };
        let end = match below {
            Some(below) => below.to_owned().min(end()),
            None => end(),
        };
        let request = self
            .client
            .query()
            .table_name(&*self.table)
            .index_name(index)
            .key_condition_expression(format!(
                "{index}_pk = :pk AND {index}_sk BETWEEN :from AND :to"
            ))
            .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
            .expression_attribute_values(":from", AttributeValue::S(from.to_owned()))
            .expression_attribute_values(":to", AttributeValue::S(end.clone()))
            .scan_index_forward(false)
            .limit(i32::from(query.limit.saturating_add(2)));
        let output = self.ask("reading a list", request).await?;
        let sk = format!("{index}_sk");
        let entries: Vec<Listed> = output
            .items
            .into_iter()
            .flatten()
            .filter_map(|item| listed(item, &sk))
            // The upper end is open.
            .filter(|listed| listed.id != end)
            .collect();
        let last = output
            .last_evaluated_key
            .and_then(|key| key.get(&sk)?.as_s().ok().cloned());
        Ok(IndexPage { entries, last })
    }

    /// Sends a query again as long as that can help and there is time.
    pub(crate) async fn ask(
        &self,
        doing: &'static str,
        request: QueryFluentBuilder,
    ) -> Result<QueryOutput, StoreError> {
        let mut backoff = Backoff::until(self.until);
        loop {
            match request.clone().send().await {
                Ok(output) => return Ok(output),
                Err(error) if is_passing(&error) && backoff.wait().await => {}
                Err(error) => return Err(StoreError::unavailable(doing, error)),
            }
        }
    }

    /// A strongly consistent query of the table itself, from one sort key to another.
    fn range(&self, pk: &str, from: &str, to: &str) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&*self.table)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
            .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
            .expression_attribute_values(":from", AttributeValue::S(from.to_owned()))
            .expression_attribute_values(":to", AttributeValue::S(to.to_owned()))
    }

    /// The first items of a partition whose sort keys begin as this key's does: a participant's
    /// balances.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn starting_with<T: Entity>(
        &self,
        prefix: &Key,
        limit: u16,
    ) -> Result<Vec<T>, StoreError> {
        let request = self
            .client
            .query()
            .table_name(&*self.table)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", AttributeValue::S(prefix.pk.clone()))
            .expression_attribute_values(":prefix", AttributeValue::S(prefix.sk.clone()))
            .limit(i32::from(limit));
        let output = self.ask("reading a list", request).await?;
        let items = output.items.into_iter().flatten().map(item::read);
        Ok(items.collect::<Result<_, _>>()?)
    }

    /// The first items of a partition whose sort keys begin as this key's does and end in a number, with
    /// that number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn numbered<T: Entity>(
        &self,
        prefix: &Key,
        limit: u16,
    ) -> Result<Vec<(u32, T)>, StoreError> {
        let end = format!("{}{END}", prefix.sk);
        let (found, _) = self
            .between_once(&prefix.pk, &prefix.sk, &end, usize::from(limit))
            .await?;
        let mut numbered = Vec::new();
        for item in found {
            let sk = item.get("sk").and_then(|sk| sk.as_s().ok());
            let number = sk.and_then(|sk| sk.strip_prefix(&prefix.sk)?.parse().ok());
            if let Some(number) = number {
                numbered.push((number, item::read(item)?));
            }
        }
        Ok(numbered)
    }

    /// A participant's lots of a unit that were credited before an instant, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn lots_before(
        &self,
        program: ProgramId,
        participant: ParticipantId,
        unit: Unit,
        before: Timestamp,
        limit: u16,
    ) -> Result<Vec<Lot>, StoreError> {
        let from = keys::lots(program, participant, unit);
        // What was credited at the instant itself sorts behind its text.
        let to = format!("{}{}", from.sk, keys::instant(before));
        Ok(self.between(&from, &to, limit).await?.items)
    }

    /// A page of the items of a partition whose sort keys lie behind this key's and not behind `to`,
    /// in order, strongly consistent. It is full as long as there are more, however large they are.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn between<T: Entity>(
        &self,
        from: &Key,
        to: &str,
        limit: u16,
    ) -> Result<Page<T>, StoreError> {
        let limit = usize::from(limit);
        let (mut last, mut items) = (from.sk.clone(), Vec::new());
        loop {
            let wanted = limit.saturating_add(2).saturating_sub(items.len());
            let (found, more) = self.between_once(&from.pk, &last, to, wanted).await?;
            for item in found {
                let sk = item.get("sk").and_then(|sk| sk.as_s().ok()).cloned();
                let sk = sk.filter(|sk| *sk != last);
                let Some(sk) = sk else {
                    continue;
                };
                if items.len() == limit {
                    let next = Some(last);
                    return Ok(Page { items, next });
                }
                last = sk;
                items.push(item::read(item)?);
            }
            if !more {
                return Ok(Page { items, next: None });
            }
        }
    }

    /// The newest items of a partition whose sort keys begin as this key's does, and go on from one
    /// text up to another one, itself left out: newest first, strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn latest<T: Entity>(
        &self,
        prefix: &Key,
        from: &str,
        to: &str,
        limit: u16,
    ) -> Result<Vec<T>, StoreError> {
        let (low, high) = (format!("{}{from}", prefix.sk), format!("{}{to}", prefix.sk));
        if low > high {
            return Ok(Vec::new());
        }
        let request = self
            .range(&prefix.pk, &low, &high)
            .scan_index_forward(false)
            .limit(i32::from(limit.saturating_add(1)));
        let output = self.ask("reading a list", request).await?;
        let is_high = |item: &Item| {
            let sk = item.get("sk").and_then(|sk| sk.as_s().ok());
            sk.is_some_and(|sk| *sk == high)
        };
        let found = output.items.into_iter().flatten();
        let found = found.filter(|item| !is_high(item));
        let found = found.take(limit.into()).map(item::read);
        Ok(found.collect::<Result<_, _>>()?)
    }

    async fn between_once(
        &self,
        pk: &str,
        from: &str,
        to: &str,
        limit: usize,
    ) -> Result<(Vec<Item>, bool), StoreError> {
        if from > to {
            return Ok((Vec::new(), false));
        }
        let request = self
            .range(pk, from, to)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX));
        let output = self.ask("reading a list", request).await?;
        let more = output.last_evaluated_key.is_some();
        Ok((output.items.unwrap_or_default(), more))
    }

    /// Whether a partition has any item whose sort key begins as this key's does.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn holds_any(&self, prefix: &Key) -> Result<bool, StoreError> {
        let end = format!("{}{END}", prefix.sk);
        let (found, _) = self.between_once(&prefix.pk, &prefix.sk, &end, 1).await?;
        Ok(!found.is_empty())
    }

    /// A page of a partition of the table itself, newest first: test mails, a day's events.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn partition<T: Entity>(
        &self,
        pk: &str,
        after: Option<&str>,
        newest_first: bool,
        limit: u16,
    ) -> Result<Page<T>, StoreError> {
        let (from, to) = match (newest_first, after) {
            (true, after) => ("0", after.unwrap_or(END)),
            (false, after) => (after.unwrap_or("0"), END),
        };
        let request = self
            .range(pk, from, to)
            .scan_index_forward(!newest_first)
            .limit(i32::from(limit.saturating_add(1)));
        let output = self.ask("reading a list", request).await?;
        let mut more = output.last_evaluated_key.is_some();
        let mut last = None;
        let mut items = Vec::new();
        for found in output.items.into_iter().flatten() {
            let sk = found.get("sk").and_then(|sk| sk.as_s().ok()).cloned();
            if sk.as_deref() == after {
                continue;
            }
            // One more was asked for than is shown, in case the first was seen before.
            if items.len() == usize::from(limit) {
                more = true;
                break;
            }
            last = sk;
            items.push(item::read(found)?);
        }
        Ok(Page {
            items,
            next: last.filter(|_| more),
        })
    }
}

struct IndexPage {
    entries: Vec<Listed>,
    /// The last id that was read, when there is more behind it.
    last: Option<String>,
}

fn listed(item: Item, sk: &str) -> Option<Listed> {
    let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned();
    let (id, key) = (
        text(sk)?,
        Key {
            pk: text("pk")?,
            sk: text("sk")?,
        },
    );
    Some(Listed {
        id,
        key,
        carried: item,
    })
}

fn state_of(item: &Item) -> Option<&str> {
    item.get("state")
        .and_then(|value| value.as_s().ok())
        .map(String::as_str)
}
