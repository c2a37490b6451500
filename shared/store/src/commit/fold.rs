//! Folds what a decision collected into actions: one item, one action.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::SignedDuration;
use kith_domain::fact::FactKind;
use kith_domain::id::{EventId, ParticipantId, ProgramId};
use kith_domain::ledger::{self, Balance, Line};
use kith_domain::money::Unit;

use super::{
    BUDGET_LIFE, BalanceGuard, BudgetChange, Commit, CommitError, Count, CountGuard, Due, Guard,
    Indexes, ProgramScope, Write, check, later, number, update,
};
use crate::items::{Event, FENCE, RecordedFact, SUSPENDED, Wake};
use crate::keys::{self, DueClock, EventRef, Key, ListName};
use crate::wake::{Message, Queue};

/// How many counters one commit forgets: the rest waits for the next.
const FORGOTTEN_MAX: usize = 50;

/// Counters bear no mark of a merge.
const NOT_MERGED: &str = "attribute_not_exists(#fence)";
/// Counters bear no mark of a suspension.
const NOT_SUSPENDED: &str = "attribute_not_exists(#suspended)";

/// How long after its commit an event is looked at again, unless it was dealt with.
const EVENT_LEASE: SignedDuration = SignedDuration::from_mins(5);

impl Commit {
    /// Folds what was collected into actions.
    pub(super) fn close(&mut self) -> Result<Option<EventRef>, CommitError> {
        let Some(program) = self.program.clone() else {
            return Ok(None);
        };
        if let Some(entry) = self.entry.take().filter(|entry| !entry.postings.is_empty()) {
            let lines: Vec<Line> = entry.postings.iter().map(|posting| posting.line).collect();
            ledger::check(&lines)?;
            let key = keys::ledger(program.id, entry.id, program.shards);
            self.put(key, &entry, Write::New, Indexes::default());
        }
        for ((participant, unit), change) in std::mem::take(&mut self.balances) {
            self.push_balance(program.id, participant, unit, change);
        }
        for (key, change) in std::mem::take(&mut self.budgets) {
            self.push_budget(key, change);
        }
        for (participant, counters) in std::mem::take(&mut self.counters) {
            let mut forgotten = self.forgotten.remove(&participant).unwrap_or_default();
            forgotten.retain(|name| !counters.contains_key(name));
            self.fenced.remove(&participant);
            let active = self.active.remove(&participant);
            self.push_counters(program.id, participant, &counters, &forgotten, active);
        }
        for participant in std::mem::take(&mut self.active) {
            self.fenced.remove(&participant);
            let key = keys::counters(program.id, participant);
            let check = check(&key)
                .condition_expression(format!("{NOT_MERGED} AND {NOT_SUSPENDED}"))
                .expression_attribute_names("#fence", FENCE)
                .expression_attribute_names("#suspended", SUSPENDED);
            self.push_check(Guard::Active, key, check);
        }
        for participant in std::mem::take(&mut self.fenced) {
            let key = keys::counters(program.id, participant);
            let check = check(&key)
                .condition_expression(NOT_MERGED)
                .expression_attribute_names("#fence", FENCE);
            self.push_check(Guard::NotMerged, key, check);
        }
        Ok(self.push_event(&program))
    }

    fn push_balance(
        &mut self,
        program: ProgramId,
        participant: ParticipantId,
        unit: Unit,
        change: Balance,
    ) {
        let parts = [
            ("available", change.available),
            ("pending", change.pending),
            ("in_payout", change.in_payout),
            ("paid", change.paid),
            ("receivable", change.receivable),
        ];
        let guard = self.balance_guards.remove(&(participant, unit));
        let changed: Vec<(&str, i64)> = parts.into_iter().filter(|(_, by)| *by != 0).collect();
        if changed.is_empty() && guard.is_none() {
            return;
        }
        let key = keys::balance(program, participant, unit);
        let mut sets = vec!["#unit = :unit".to_owned(), "kind = :kind".to_owned()];
        let mut update = update(&key)
            .expression_attribute_names("#unit", "unit")
            .expression_attribute_values(":unit", AttributeValue::S(unit.to_string()))
            .expression_attribute_values(":kind", AttributeValue::S("balance".to_owned()));
        if let Unit::Currency(currency) = unit {
            // Who has money to be paid out is found in the list.
            let id = participant.to_string();
            let list = keys::list(program, ListName::Balances(currency), &id);
            sets.push("list_pk = :list_pk, list_sk = :list_sk".to_owned());
            update = update
                .expression_attribute_values(":list_pk", AttributeValue::S(list.pk))
                .expression_attribute_values(":list_sk", AttributeValue::S(list.sk));
        }
        let mut adds = Vec::new();
        for (name, by) in changed {
            adds.push(format!("{name} :{name}"));
            update = update.expression_attribute_values(format!(":{name}"), number(by));
        }
        let add = if adds.is_empty() {
            String::new()
        } else {
            format!(" ADD {}", adds.join(", "))
        };
        let mut update = update.update_expression(format!("SET {}{add}", sets.join(", ")));
        for (part, condition, value) in guarded(guard) {
            let place = format!(":was_{part}");
            update = update.expression_attribute_values(&place, number(value));
            let text = match condition {
                ">=" => format!("{part} >= {place}"),
                // What was never raised is absent and nothing.
                _ if value == 0 => format!("(attribute_not_exists({part}) OR {part} = {place})"),
                _ => format!("{part} = {place}"),
            };
            let before = update.get_condition_expression().clone();
            let all = before.map_or_else(|| text.clone(), |before| format!("{before} AND {text}"));
            update = update.condition_expression(all);
        }
        let label = if guard.is_some() {
            Guard::Balance
        } else {
            Guard::None
        };
        self.push_update(label, key, update);
    }

    fn push_budget(&mut self, key: Key, change: BudgetChange) {
        if change.by == 0 {
            self.require_at_most(key, change.cap);
            return;
        }
        let mut update = update(&key)
            .expression_attribute_values(":kind", AttributeValue::S("budget".to_owned()))
            .expression_attribute_values(":by", number(change.by));
        update = if change.ends {
            let forget_at = later(self.real_now, BUDGET_LIFE).as_second();
            update
                .update_expression("SET kind = :kind, expires_at = :expires_at ADD used :by")
                .expression_attribute_values(":expires_at", number(forget_at))
        } else {
            update.update_expression("SET kind = :kind ADD used :by")
        };
        let mut guard = Guard::None;
        if let Some(cap) = change.cap {
            guard = Guard::Budget;
            let bound = cap.saturating_sub(change.by);
            // A shard that was never used takes no more than its cap either.
            let condition = if bound >= 0 {
                "attribute_not_exists(used) OR used <= :bound"
            } else {
                "used <= :bound"
            };
            update = update
                .condition_expression(condition)
                .expression_attribute_values(":bound", number(bound));
        }
        self.push_update(guard, key, update);
    }

    /// Insists that no more was used of a budget's shard, of which nothing is taken.
    fn require_at_most(&mut self, key: Key, cap: Option<i64>) {
        let Some(cap) = cap else { return };
        let check = check(&key)
            .condition_expression("attribute_not_exists(used) OR used <= :bound")
            .expression_attribute_values(":bound", number(cap));
        self.push_check(Guard::Budget, key, check);
    }

    fn push_counters(
        &mut self,
        program: ProgramId,
        participant: ParticipantId,
        counters: &BTreeMap<String, Count>,
        forgotten: &BTreeSet<String>,
        active: bool,
    ) {
        let key = keys::counters(program, participant);
        let mut update = update(&key)
            .expression_attribute_values(":kind", AttributeValue::S("counters".to_owned()));
        let mut adds = Vec::new();
        let mut conditions = vec![NOT_MERGED.to_owned()];
        update = update.expression_attribute_names("#fence", FENCE);
        if active {
            conditions.push(NOT_SUSPENDED.to_owned());
            update = update.expression_attribute_names("#suspended", SUSPENDED);
        }
        for (place, (name, count)) in counters.iter().enumerate() {
            update = update.expression_attribute_names(format!("#c{place}"), name);
            // What is only guarded stays as it is.
            if count.by != 0 || count.guard == CountGuard::None {
                adds.push(format!("#c{place} :by{place}"));
                update =
                    update.expression_attribute_values(format!(":by{place}"), number(count.by));
            }
            let bound = match count.guard {
                CountGuard::None => continue,
                CountGuard::AtMost(cap) => {
                    conditions.push(format!(
                        "(attribute_not_exists(#c{place}) OR #c{place} <= :g{place})"
                    ));
                    cap.saturating_sub_signed(count.by)
                }
                CountGuard::Exactly(0) => {
                    // Never raised, or given back to nothing.
                    conditions.push(format!(
                        "(attribute_not_exists(#c{place}) OR #c{place} = :g{place})"
                    ));
                    0
                }
                CountGuard::Exactly(was) => {
                    conditions.push(format!("#c{place} = :g{place}"));
                    was
                }
                CountGuard::Between(low, high) => {
                    let within = format!("#c{place} BETWEEN :l{place} AND :g{place}");
                    conditions.push(if low == 0 {
                        format!("(attribute_not_exists(#c{place}) OR {within})")
                    } else {
                        within
                    });
                    update = update.expression_attribute_values(format!(":l{place}"), number(low));
                    high
                }
            };
            update = update.expression_attribute_values(format!(":g{place}"), number(bound));
        }
        let mut removes = Vec::new();
        for (place, name) in forgotten.iter().take(FORGOTTEN_MAX).enumerate() {
            removes.push(format!("#f{place}"));
            update = update.expression_attribute_names(format!("#f{place}"), name);
        }
        let remove = if removes.is_empty() {
            String::new()
        } else {
            format!(" REMOVE {}", removes.join(", "))
        };
        let add = if adds.is_empty() {
            String::new()
        } else {
            format!(" ADD {}", adds.join(", "))
        };
        let update = update
            .update_expression(format!("SET kind = :kind{add}{remove}"))
            .condition_expression(conditions.join(" AND "));
        self.push_update(Guard::Counters, key, update);
    }

    fn push_event(&mut self, program: &ProgramScope) -> Option<EventRef> {
        let facts = std::mem::take(&mut self.facts);
        // An event without facts wakes somebody and tells nobody anything.
        if facts.is_empty() && self.wakes.is_empty() {
            return None;
        }
        let id = EventId::derived(self.now, &[&self.seed]);
        let at = EventRef {
            program: program.id,
            event: id,
            shards: program.shards,
        };
        let awaiting: BTreeSet<String> = facts
            .iter()
            .flat_map(|fact| consumers(program, fact.kind))
            .map(|queue| queue.as_str().to_owned())
            .collect();
        let to_event = |queue: &String| Some(Message::of_event(at).to(queue.parse().ok()?));
        let mut wakes: Vec<Wake> = awaiting.iter().filter_map(to_event).collect();
        wakes.extend(std::mem::take(&mut self.wakes));
        let due = (!awaiting.is_empty()).then(|| Due {
            clock: DueClock::Real,
            at: later(self.real_now, EVENT_LEASE),
            attempts: 0,
        });
        let recorded = facts.into_iter().enumerate().map(|(number, fact)| {
            let place = u64::try_from(number).unwrap_or(0).to_be_bytes();
            let id = if number == 0 {
                id
            } else {
                EventId::derived(self.now, &[&self.seed, &place])
            };
            RecordedFact { id, fact }
        });
        let event = Event {
            id,
            program: program.id,
            mode: program.mode,
            created_at: self.now,
            facts: recorded.collect(),
            wakes,
            awaiting,
        };
        self.put(
            keys::event(at),
            &event,
            Write::New,
            Indexes {
                due,
                ..Indexes::default()
            },
        );
        Some(at)
    }
}

/// Which workers have to deal with a fact, apart from those whose work carries its own due entry.
fn consumers(program: &ProgramScope, kind: FactKind) -> Vec<Queue> {
    let mut queues = Vec::new();
    if matches!(kind, FactKind::RewardIssued | FactKind::WebhookDisabled) {
        queues.push(Queue::Messages);
    }
    if program.surveyed.contains(kind.as_str()) {
        queues.push(Queue::Surveys);
    }
    let heard = program.heard_of.as_ref();
    if heard.is_some_and(|kinds| kinds.is_empty() || kinds.contains(&kind))
        || kind == FactKind::WebhookTest
    {
        queues.push(Queue::Deliveries);
    }
    queues
}

/// The parts of a balance that a guard looks at, how, and against what.
fn guarded(guard: Option<BalanceGuard>) -> Vec<(&'static str, &'static str, i64)> {
    match guard {
        None => Vec::new(),
        Some(BalanceGuard::Available(least)) => vec![("available", ">=", least)],
        Some(BalanceGuard::Receivable(was)) => vec![("receivable", "=", was)],
        Some(BalanceGuard::Whole(was)) => vec![
            ("available", "=", was.available),
            ("receivable", "=", was.receivable),
            ("in_payout", "=", was.in_payout),
            ("paid", "=", was.paid),
        ],
        Some(BalanceGuard::Unchanged(was)) => vec![
            ("available", "=", was.available),
            ("receivable", "=", was.receivable),
        ],
    }
}
