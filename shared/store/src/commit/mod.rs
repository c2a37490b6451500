//! The one way to write: everything that a decision changes, in one `TransactWriteItems`.
//!
//! A transaction has a hundred actions and names no item twice, so the builder folds: one ledger
//! entry with all lines, one counters item per participant with all its counters, one balance
//! update per participant and unit, one event item with all facts. Actions are labelled, so that a
//! cancellation says which guard failed.

mod fold;
mod send;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
    Update,
};
use jiff::{SignedDuration, Timestamp};
use kith_domain::fact::{Fact, FactKind};
use kith_domain::id::{LedgerId, ParticipantId, ProgramId, RewardId};
use kith_domain::ledger::{self, Balance, Line};
use kith_domain::mode::Mode;
use kith_domain::money::Unit;
use kith_domain::program::Program;
use kith_domain::reward::BudgetShare;
use kith_domain::text::Slug;

use crate::due::DueEntry;
use crate::item::{self, CorruptItem, Entity, Item};
use crate::items::{Event, IdempotencyRecord, LedgerEntry, LedgerReason, Posting, Wake};
use crate::keys::{self, DueClock, EventRef, IdempotencyScope, IndexKey, Key};
use crate::store::{StoreError, attributes};
use crate::wake::Queue;

/// DynamoDB's bound on the actions of a transaction.
pub const ACTIONS_MAX: usize = 100;
/// A commit is in the table at most so many seconds after it was decided, which is the instant in the
/// id of its event: no function runs longer.
pub const COMMIT_SECONDS_MAX: i64 = 60;

/// How long what was used of a budget is kept after it was last touched: longer than its window.
pub(crate) const BUDGET_LIFE: SignedDuration = SignedDuration::from_hours(24 * 800);

/// The window of a budget that never ends.
const BUDGET_FOR_EVER: &str = "ever";

/// What a commit needs to know of the program it writes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramScope {
    /// The program.
    pub id: ProgramId,
    /// Its mode.
    pub mode: Mode,
    /// Over how many partitions its events and ledger entries of a day are spread.
    pub shards: u8,
    /// The facts after which somebody may be asked.
    pub surveyed: BTreeSet<&'static str>,
    /// The facts of which endpoints are told: `None` for nothing, an empty set for everything.
    pub heard_of: Option<BTreeSet<FactKind>>,
}

impl From<&Program> for ProgramScope {
    fn from(program: &Program) -> Self {
        Self {
            id: program.id,
            mode: program.mode,
            shards: program.shards,
            surveyed: program
                .surveys
                .iter()
                .map(|rule| rule.on.fact().as_str())
                .collect(),
            heard_of: program.heard_of.clone(),
        }
    }
}

/// What an action insists on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// The item is new. Its kind is named.
    New(&'static str),
    /// The item is as it was read. Its kind is named.
    Unchanged(&'static str),
    /// Counters are as they were read, or below their caps.
    Counters,
    /// A budget's shard has room.
    Budget,
    /// A balance is as it was read, or suffices.
    Balance,
    /// The participant was not merged into another.
    NotMerged,
    /// The participant takes part: neither merged nor suspended.
    Active,
    /// The idempotency key is free.
    IdempotencyKey,
    /// Nothing.
    None,
}

/// A guard that did not hold.
#[derive(Debug, Clone)]
pub struct FailedGuard {
    /// Which.
    pub guard: Guard,
    /// On which item.
    pub key: Key,
    /// The item as it is, if there is one.
    pub present: Option<Item>,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Somebody wrote between our read and our write: read again and decide again.
    #[error("what the decision rests on has changed")]
    Refused(Vec<FailedGuard>),
    /// The decision needs more actions than a transaction has.
    #[error("the decision takes {0} actions, and a transaction has {ACTIONS_MAX}")]
    TooLarge(usize),
    /// The ledger lines do not sum to zero: a bug, stopped before it is written.
    #[error(transparent)]
    Unbalanced(#[from] ledger::Unbalanced),
    /// The table did not answer. Whether the decision was written is not known; it may be repeated.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<CorruptItem> for CommitError {
    fn from(error: CorruptItem) -> Self {
        Self::Store(error.into())
    }
}

impl CommitError {
    /// Whether it was the idempotency key that somebody else used first.
    #[must_use]
    pub fn lost_idempotency_race(&self) -> bool {
        match self {
            Self::Refused(failed) => failed
                .iter()
                .any(|failed| failed.guard == Guard::IdempotencyKey),
            Self::TooLarge(_) | Self::Unbalanced(_) | Self::Store(_) => false,
        }
    }
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The event item, if there were facts.
    pub event: Option<EventRef>,
}

/// Unfinished work: when to look at it. Whom to wake then follows from the item's key.
#[derive(Debug, Clone)]
pub(crate) struct Due {
    pub(crate) clock: DueClock,
    pub(crate) at: Timestamp,
    /// How often it was tried in vain already.
    pub(crate) attempts: u32,
}

/// In which indexes an item stands.
#[derive(Debug, Clone, Default)]
pub(crate) struct Indexes {
    pub(crate) list: Option<IndexKey>,
    pub(crate) party: Option<IndexKey>,
    pub(crate) referee: Option<IndexKey>,
    pub(crate) due: Option<Due>,
}

/// A lot that is used up is taken away, and begins anew when some of it comes back: then its version may be one
/// that somebody has read of another amount.
const SAME_LOT: &str = "version = :was AND remaining = :left";

/// Whether a put makes an item or changes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Write {
    /// The item must not exist.
    New,
    /// The item must have this version.
    Replace(u64),
    /// The lot must have this version, and so much must be left of it.
    ReplaceLot(u64, i64),
    /// Whatever is there.
    Overwrite,
}

/// A change of one counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// How much it rises; what is given back is negative.
    pub by: i64,
    /// What has to hold before.
    pub guard: CountGuard,
}

/// What has to hold of a counter before it rises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountGuard {
    /// Nothing: writers do not get in each other's way.
    None,
    /// It does not rise above this.
    AtMost(u64),
    /// It stands where the decision was made.
    Exactly(u64),
    /// It stands where the decision comes out the same, both ends included.
    Between(u64, u64),
}

/// What has to hold of a balance before it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BalanceGuard {
    /// At least this much is available.
    Available(i64),
    /// It is as it was read.
    Unchanged(Balance),
    /// It is as it was read, with what is listed and what was paid; only what is held may differ.
    Whole(Balance),
    /// So much is owed by the participant as was read (zero or negative), whatever else was earned
    /// or spent meanwhile.
    Receivable(i64),
}

/// A change of one shard of a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct BudgetChange {
    by: i64,
    /// What it may come to; nothing when it is given back.
    cap: Option<i64>,
    /// Whether its window ends.
    ends: bool,
}

struct Action {
    guard: Guard,
    key: Key,
    item: TransactWriteItem,
}

/// Everything that one decision writes.
pub struct Commit {
    program: Option<ProgramScope>,
    now: Timestamp,
    real_now: Timestamp,
    seed: [u8; 16],
    actions: Vec<Action>,
    facts: Vec<Fact>,
    wakes: Vec<Wake>,
    entry: Option<LedgerEntry>,
    forgotten: BTreeMap<ParticipantId, BTreeSet<String>>,
    balances: BTreeMap<(ParticipantId, Unit), Balance>,
    balance_guards: BTreeMap<(ParticipantId, Unit), BalanceGuard>,
    counters: BTreeMap<ParticipantId, BTreeMap<String, Count>>,
    fenced: BTreeSet<ParticipantId>,
    active: BTreeSet<ParticipantId>,
    budgets: BTreeMap<Key, BudgetChange>,
    pub(crate) fault: Option<CorruptItem>,
}

impl Commit {
    /// A commit within a program. `now` is the program's time, `real_now` the real one; `seed` is
    /// random and makes the commit's ids and its request token, so that repeating this value
    /// writes the same thing once.
    #[must_use]
    pub fn new(
        program: &ProgramScope,
        now: Timestamp,
        real_now: Timestamp,
        seed: [u8; 16],
    ) -> Self {
        Self {
            program: Some(program.clone()),
            ..Self::of_operator(now, real_now, seed)
        }
    }

    /// A commit outside any program: API keys. It has no facts.
    #[must_use]
    pub fn of_operator(now: Timestamp, real_now: Timestamp, seed: [u8; 16]) -> Self {
        Self {
            program: None,
            now,
            real_now,
            seed,
            actions: Vec::new(),
            facts: Vec::new(),
            wakes: Vec::new(),
            entry: None,
            forgotten: BTreeMap::new(),
            balances: BTreeMap::new(),
            balance_guards: BTreeMap::new(),
            counters: BTreeMap::new(),
            fenced: BTreeSet::new(),
            active: BTreeSet::new(),
            budgets: BTreeMap::new(),
            fault: None,
        }
    }

    /// The program's time at which this is decided.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Real time.
    pub(crate) fn real_now(&self) -> Timestamp {
        self.real_now
    }

    pub(crate) fn mode(&self) -> Mode {
        self.program
            .as_ref()
            .map_or(Mode::Live, |program| program.mode)
    }

    /// Whether nothing would be written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
            && self.facts.is_empty()
            && self.balances.is_empty()
            && self.counters.is_empty()
            && self.budgets.is_empty()
            && self.entry.is_none()
    }

    /// Records a fact, and wakes whoever has to act on it.
    pub fn fact(&mut self, fact: Fact) -> &mut Self {
        self.facts.push(fact);
        self
    }

    /// Wakes a worker for an item that carries its own due entry.
    pub(crate) fn wake(&mut self, wake: Wake) {
        if !self.wakes.contains(&wake) {
            self.wakes.push(wake);
        }
    }

    /// Moves value: the lines go into the ledger, and the balances of their participants with them.
    /// All lines of a commit make one ledger entry.
    pub fn ledger(
        &mut self,
        reason: LedgerReason,
        reward_id: Option<RewardId>,
        lines: &[Line],
    ) -> &mut Self {
        let moved = || lines.iter().filter(|line| line.amount != 0);
        for line in moved() {
            if let Some(participant) = line.account.participant() {
                self.change_balance(participant, line.unit, Balance::of_line(line));
            }
        }
        let postings = moved().map(|line| Posting {
            reason,
            reward_id,
            line: *line,
        });
        self.entry_mut().postings.extend(postings);
        self
    }

    /// Names what moved the value, by its id: a refund, a payout, a redemption.
    pub fn caused_by(&mut self, id: impl ToString) -> &mut Self {
        self.entry_mut().cause = Some(id.to_string());
        self
    }

    fn entry_mut(&mut self) -> &mut LedgerEntry {
        let (now, seed) = (self.now, self.seed);
        self.entry.get_or_insert_with(|| LedgerEntry {
            id: LedgerId::derived(now, &[&seed]),
            at: now,
            cause: None,
            postings: Vec::new(),
        })
    }

    /// Changes what a participant has that is held, or waits for its disbursement. Nothing else of a
    /// balance moves without the ledger.
    pub fn pending(&mut self, participant: ParticipantId, unit: Unit, by: i64) -> &mut Self {
        self.change_balance(participant, unit, Balance::pending(by));
        self
    }

    /// Insists on what a balance is before it changes.
    pub fn balance_guard(
        &mut self,
        participant: ParticipantId,
        unit: Unit,
        guard: BalanceGuard,
    ) -> &mut Self {
        self.change_balance(participant, unit, Balance::default());
        self.balance_guards.insert((participant, unit), guard);
        self
    }

    fn change_balance(&mut self, participant: ParticipantId, unit: Unit, change: Balance) {
        let entry = self.balances.entry((participant, unit)).or_default();
        *entry = entry.plus(change);
    }

    /// Takes from one shard of a budget, which may come to its cap and no further.
    pub fn take_from_budget(
        &mut self,
        program: ProgramId,
        incentive: &Slug,
        share: &BudgetShare,
        cap: i64,
    ) -> &mut Self {
        self.change_budget(program, incentive, share, share.amount, Some(cap))
    }

    /// Gives back what was taken from a budget.
    pub fn give_back_to_budget(
        &mut self,
        program: ProgramId,
        incentive: &Slug,
        share: &BudgetShare,
    ) -> &mut Self {
        self.change_budget(
            program,
            incentive,
            share,
            share.amount.saturating_neg(),
            None,
        )
    }

    fn change_budget(
        &mut self,
        program: ProgramId,
        incentive: &Slug,
        share: &BudgetShare,
        by: i64,
        cap: Option<i64>,
    ) -> &mut Self {
        let key = keys::budget(program, incentive, &share.window, share.shard);
        let change = self.budgets.entry(key).or_insert(BudgetChange {
            by: 0,
            cap: None,
            ends: share.window != BUDGET_FOR_EVER,
        });
        change.by = change.by.saturating_add(by);
        change.cap = cap.or(change.cap);
        self
    }

    /// Insists that nothing lies under a key, of a kind that is named for the log.
    pub(crate) fn require_absent(&mut self, kind: &'static str, key: Key) {
        let check = check(&key).condition_expression("attribute_not_exists(pk)");
        self.push_check(Guard::New(kind), key, check);
    }

    /// Insists that what lies under a key was not written since it was read.
    pub(crate) fn require_version(&mut self, kind: &'static str, key: Key, version: u64) {
        let check = check(&key)
            .condition_expression("version = :was")
            .expression_attribute_values(":was", number(version));
        self.push_check(Guard::Unchanged(kind), key, check);
    }

    fn push_check(
        &mut self,
        guard: Guard,
        key: Key,
        check: aws_sdk_dynamodb::types::builders::ConditionCheckBuilder,
    ) {
        match check.build() {
            Ok(check) => self.actions.push(Action {
                guard,
                key,
                item: TransactWriteItem::builder().condition_check(check).build(),
            }),
            Err(error) => self.fault = Some(CorruptItem(error.to_string())),
        }
    }

    /// Raises one of a participant's counters, or gives back what was raised. The stricter guard of
    /// two wins.
    pub fn count(&mut self, participant: ParticipantId, counter: &str, count: Count) -> &mut Self {
        let counters = self.counters.entry(participant).or_default();
        counters
            .entry(counter.to_owned())
            .and_modify(|present| {
                present.by = present.by.saturating_add(count.by);
                if count.guard != CountGuard::None {
                    present.guard = count.guard;
                }
            })
            .or_insert(count);
        self
    }

    /// Insists that a participant was not merged into another: something new is made for them. Whose
    /// counters change is known to be so anyway.
    pub fn not_merged(&mut self, participant: ParticipantId) -> &mut Self {
        self.fenced.insert(participant);
        self
    }

    /// Insists that a participant takes part: was not merged into another, and is not suspended. For
    /// what is decided in their favour only because they do.
    pub fn active(&mut self, participant: ParticipantId) -> &mut Self {
        self.active.insert(participant);
        self
    }

    /// Drops a counter whose window is over, when the participant's counters are written anyway.
    pub fn forget(&mut self, participant: ParticipantId, counter: &str) -> &mut Self {
        self.forgotten
            .entry(participant)
            .or_default()
            .insert(counter.to_owned());
        self
    }

    /// Keeps the answer to a call with an `Idempotency-Key`.
    pub fn remember(
        &mut self,
        scope: IdempotencyScope,
        key: &str,
        record: &IdempotencyRecord,
    ) -> &mut Self {
        let key = keys::idempotency(scope, key);
        match item::write(record) {
            Ok(body) => {
                let put = put(&key, body)
                    .condition_expression("attribute_not_exists(pk) OR expires_at <= :now")
                    .expression_attribute_values(":now", number(self.real_now.as_second()));
                self.push_put(Guard::IdempotencyKey, key, put);
            }
            Err(fault) => self.fault = Some(fault),
        }
        self
    }

    /// Notes that a worker has dealt with an event, in the transaction of what it did about it.
    pub fn settle(&mut self, at: EventRef, event: &Event, queue: Queue) -> &mut Self {
        if !event.awaiting.contains(queue.as_str()) {
            return self;
        }
        let key = keys::event(at);
        let seen = AttributeValue::Ss(event.awaiting.iter().cloned().collect());
        let update = update(&key)
            .condition_expression("awaiting = :seen")
            .expression_attribute_values(":seen", seen);
        let update = if event.awaiting.len() == 1 {
            update.update_expression("REMOVE awaiting, due_pk, due_sk, attempts")
        } else {
            let done = AttributeValue::Ss(vec![queue.as_str().to_owned()]);
            update
                .update_expression("DELETE awaiting :done")
                .expression_attribute_values(":done", done)
        };
        self.push_update(Guard::Unchanged(Event::KIND), key, update);
        self
    }

    pub(crate) fn put<T: Entity>(&mut self, key: Key, value: &T, write: Write, indexes: Indexes) {
        let mut body = match item::write(value) {
            Ok(body) => body,
            Err(fault) => {
                self.fault = Some(fault);
                return;
            }
        };
        self.add_indexes(&mut body, &key, indexes);
        let put = put(&key, body);
        let (guard, put) = match write {
            Write::New => (
                Guard::New(T::KIND),
                put.condition_expression("attribute_not_exists(pk)"),
            ),
            Write::Replace(version) => (
                Guard::Unchanged(T::KIND),
                put.condition_expression("version = :was")
                    .expression_attribute_values(":was", number(version)),
            ),
            Write::ReplaceLot(version, remaining) => (
                Guard::Unchanged(T::KIND),
                put.condition_expression(SAME_LOT)
                    .expression_attribute_values(":was", number(version))
                    .expression_attribute_values(":left", number(remaining)),
            ),
            Write::Overwrite => (Guard::None, put),
        };
        self.push_put(guard, key, put);
    }

    /// Sets a number that never falls.
    pub(crate) fn raise(&mut self, kind: &'static str, key: Key, name: &str, value: i64) {
        let update = update(&key)
            .update_expression("SET #name = :value, kind = :kind")
            .condition_expression("attribute_not_exists(#name) OR #name <= :value")
            .expression_attribute_names("#name", name)
            .expression_attribute_values(":value", number(value))
            .expression_attribute_values(":kind", AttributeValue::S(kind.to_owned()));
        self.push_update(Guard::Unchanged(kind), key, update);
    }

    /// Moves an entry of the due index that nobody has tried yet, if it stands where it was found.
    pub(crate) fn move_due(&mut self, entry: &DueEntry, pk: &str, sk: &str) {
        let update = update(&entry.key)
            .update_expression("SET due_pk = :pk, due_sk = :sk, attempts = :none")
            .condition_expression("due_pk = :was_pk AND due_sk = :was_sk")
            .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
            .expression_attribute_values(":sk", AttributeValue::S(sk.to_owned()))
            .expression_attribute_values(":none", number(0))
            .expression_attribute_values(":was_pk", AttributeValue::S(entry.due_pk.clone()))
            .expression_attribute_values(":was_sk", AttributeValue::S(entry.due_sk.clone()));
        self.push_update(Guard::Unchanged("due entry"), entry.key.clone(), update);
    }

    /// Adds to numbers of an item, which is made if it is not there yet.
    pub(crate) fn add(&mut self, kind: &'static str, key: Key, changes: &[(&'static str, i64)]) {
        let changed: Vec<_> = changes.iter().filter(|(_, by)| *by != 0).collect();
        if changed.is_empty() {
            return;
        }
        let adds: Vec<String> = changed
            .iter()
            .map(|(name, _)| format!("#{name} :{name}"))
            .collect();
        let mut update = update(&key)
            .update_expression(format!("SET kind = :kind ADD {}", adds.join(", ")))
            .expression_attribute_values(":kind", AttributeValue::S(kind.to_owned()));
        for (name, by) in changed {
            update = update
                .expression_attribute_names(format!("#{name}"), *name)
                .expression_attribute_values(format!(":{name}"), number(by));
        }
        self.push_update(Guard::None, key, update);
    }

    /// Insists that a number of an item is nothing, or was never raised.
    pub(crate) fn require_nothing(&mut self, kind: &'static str, key: Key, name: &'static str) {
        let check = check(&key)
            .condition_expression("attribute_not_exists(#name) OR #name = :none")
            .expression_attribute_names("#name", name)
            .expression_attribute_values(":none", number(0));
        self.push_check(Guard::Unchanged(kind), key, check);
    }

    pub(crate) fn delete(&mut self, kind: &'static str, key: Key) {
        let delete = delete(&key).condition_expression("attribute_exists(pk)");
        self.push_delete(kind, key, delete);
    }

    pub(crate) fn delete_version(&mut self, kind: &'static str, key: Key, version: u64) {
        let delete = delete(&key)
            .condition_expression("version = :was")
            .expression_attribute_values(":was", number(version));
        self.push_delete(kind, key, delete);
    }

    /// Takes away a lot of which so much must be left.
    pub(crate) fn delete_lot(&mut self, kind: &'static str, key: Key, was: (u64, i64)) {
        let (version, remaining) = was;
        let delete = delete(&key)
            .condition_expression(SAME_LOT)
            .expression_attribute_values(":was", number(version))
            .expression_attribute_values(":left", number(remaining));
        self.push_delete(kind, key, delete);
    }

    fn push_delete(
        &mut self,
        kind: &'static str,
        key: Key,
        delete: aws_sdk_dynamodb::types::builders::DeleteBuilder,
    ) {
        match delete.build() {
            Ok(delete) => self.actions.push(Action {
                guard: Guard::Unchanged(kind),
                key,
                item: TransactWriteItem::builder().delete(delete).build(),
            }),
            Err(error) => self.fault = Some(CorruptItem(error.to_string())),
        }
    }

    fn add_indexes(&self, body: &mut Item, key: &Key, indexes: Indexes) {
        let mut index = |name: &str, index: Option<IndexKey>| {
            if let Some(index) = index {
                body.insert(format!("{name}_pk"), AttributeValue::S(index.pk));
                body.insert(format!("{name}_sk"), AttributeValue::S(index.sk));
            }
        };
        index("list", indexes.list);
        index("party", indexes.party);
        index("referee", indexes.referee);
        if let (Some(due), Some(program)) = (indexes.due, self.program.as_ref()) {
            let id = format!("{}#{}", key.pk, key.sk);
            index(
                "due",
                Some(keys::due(program.id, program.mode, due.clock, due.at, &id)),
            );
            if due.attempts > 0 {
                body.insert("attempts".to_owned(), number(due.attempts));
            }
        }
    }

    pub(crate) fn push_put(
        &mut self,
        guard: Guard,
        key: Key,
        put: aws_sdk_dynamodb::types::builders::PutBuilder,
    ) {
        match put.build() {
            Ok(put) => self.actions.push(Action {
                guard,
                key,
                item: TransactWriteItem::builder().put(put).build(),
            }),
            Err(error) => self.fault = Some(CorruptItem(error.to_string())),
        }
    }

    pub(crate) fn push_update(
        &mut self,
        guard: Guard,
        key: Key,
        update: aws_sdk_dynamodb::types::builders::UpdateBuilder,
    ) {
        match update.build() {
            Ok(update) => {
                self.actions.push(Action {
                    guard,
                    key,
                    item: TransactWriteItem::builder().update(update).build(),
                });
            }
            Err(error) => self.fault = Some(CorruptItem(error.to_string())),
        }
    }
}

fn put(key: &Key, mut body: Item) -> aws_sdk_dynamodb::types::builders::PutBuilder {
    body.extend(attributes(key));
    Put::builder()
        .set_item(Some(body))
        .table_name(String::new())
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
}

pub(crate) fn update(key: &Key) -> aws_sdk_dynamodb::types::builders::UpdateBuilder {
    Update::builder()
        .set_key(Some(attributes(key)))
        .table_name(String::new())
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
}

fn check(key: &Key) -> aws_sdk_dynamodb::types::builders::ConditionCheckBuilder {
    ConditionCheck::builder()
        .set_key(Some(attributes(key)))
        .table_name(String::new())
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
}

fn delete(key: &Key) -> aws_sdk_dynamodb::types::builders::DeleteBuilder {
    aws_sdk_dynamodb::types::Delete::builder()
        .set_key(Some(attributes(key)))
        .table_name(String::new())
}

pub(crate) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub(crate) fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}
