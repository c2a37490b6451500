//! What a call says of what it changed, for the audit log.
//!
//! An entry is written once and stays for ever, so it names people by their ids only. What may be
//! told of an object is listed here by name; of whatever else differs only the member's name is
//! kept.

use std::collections::BTreeSet;

use kith_domain::audit::ObjectKind;
use kith_domain::id::ProgramId;
use kith_store::items::AuditEntry;
use serde::Serialize;
use serde_json::{Map, Value};

/// The most bytes of what is told of an object before, and of the same after.
const MEMBERS_BYTES_MAX: usize = 4 * 1_024;
/// The most bytes of one member, where all of them do not fit.
const MEMBER_BYTES_MAX: usize = 512;

/// What a call changes. Every write takes one, so that none is forgotten.
#[derive(Debug, Clone)]
pub struct Change(What);

#[derive(Debug, Clone)]
enum What {
    Nothing,
    Routine,
    Object(Box<Description>),
}

#[derive(Debug, Clone)]
struct Description {
    kind: ObjectKind,
    id: String,
    of: Option<String>,
    program: Option<ProgramId>,
    reason: Option<String>,
    before: Option<Value>,
    after: Option<Value>,
    also: BTreeSet<String>,
    written_before: bool,
}

impl Change {
    /// Nothing but, perhaps, the stored answer is written: it was so already.
    #[must_use]
    pub fn nothing() -> Self {
        Self(What::Nothing)
    }

    /// What the shop tells us all day: a click, an order, a new person. It is kept as what it is, and
    /// is in no log.
    #[must_use]
    pub fn routine() -> Self {
        Self(What::Routine)
    }

    /// An object is made or changed.
    #[must_use]
    pub fn of(kind: ObjectKind, id: impl ToString) -> Self {
        Self(What::Object(Box::new(Description {
            kind,
            id: id.to_string(),
            of: None,
            program: None,
            reason: None,
            before: None,
            after: None,
            also: BTreeSet::new(),
            written_before: false,
        })))
    }

    /// It belongs to another object.
    #[must_use]
    pub fn within(self, owner: impl ToString) -> Self {
        self.with(|told| told.of = Some(owner.to_string()))
    }

    /// It concerns this program, although the call is outside any.
    #[must_use]
    pub fn in_program(self, program: Option<ProgramId>) -> Self {
        self.with(|told| told.program = program)
    }

    /// Why, in the caller's words.
    #[must_use]
    pub fn because(self, reason: impl ToString) -> Self {
        self.with(|told| told.reason = Some(reason.to_string()))
    }

    /// The object as the API writes it, before.
    #[must_use]
    pub fn from(self, before: &impl Serialize) -> Self {
        self.with(|told| told.before = Some(value(before)))
    }

    /// The object as the API writes it, after.
    #[must_use]
    pub fn to(self, after: &impl Serialize) -> Self {
        self.with(|told| told.after = Some(value(after)))
    }

    /// Names a member that differs and that the API does not write.
    #[must_use]
    pub fn also(self, member: &str) -> Self {
        self.with(|told| _ = told.also.insert(member.to_owned()))
    }

    /// The change was written step by step before the answer.
    #[must_use]
    pub fn written_before(self) -> Self {
        self.with(|told| told.written_before = true)
    }

    fn with(mut self, say: impl FnOnce(&mut Description)) -> Self {
        match &mut self.0 {
            What::Object(told) => say(told),
            What::Nothing | What::Routine => {}
        }
        self
    }

    /// The program that it concerns, if it says so.
    pub(crate) fn program(&self) -> Option<ProgramId> {
        match &self.0 {
            What::Object(told) => told.program,
            What::Nothing | What::Routine => None,
        }
    }

    /// What is written of it: `None` for what is in no log. `writes` says whether anything else is
    /// written.
    ///
    /// # Errors
    /// [`Untold`], when something is written of which nothing is told.
    pub(crate) fn entry(self, writes: bool, by: By<'_>) -> Result<Option<AuditEntry>, Untold> {
        let told = match self.0 {
            What::Nothing if writes => return Err(Untold),
            What::Nothing | What::Routine => return Ok(None),
            What::Object(told) => told,
        };
        if !writes && !told.written_before {
            return Ok(None);
        }
        let (before, after, also) = told.difference();
        Ok(Some(AuditEntry {
            id: by.id,
            actor: by.actor,
            route: by.route.to_owned(),
            request_id: by.request_id.to_owned(),
            object_kind: told.kind,
            object_id: told.id,
            object_of: told.of,
            reason: told.reason,
            before,
            after,
            also_changed: also.into_iter().collect(),
        }))
    }
}

/// Something would be written of which the audit log would hear nothing: a bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a write without a word of what it changes")]
pub(crate) struct Untold;

/// Who does it, and how.
pub(crate) struct By<'a> {
    pub(crate) id: kith_domain::id::AuditId,
    pub(crate) actor: String,
    pub(crate) route: &'a str,
    pub(crate) request_id: &'a str,
}

/// What the API writes is always JSON.
fn value(object: &impl Serialize) -> Value {
    serde_json::to_value(object).unwrap_or_default()
}

type Members = Map<String, Value>;

impl Description {
    /// The members that differ: before, after, and the names of those that are not told.
    fn difference(&self) -> (Option<String>, Option<String>, BTreeSet<String>) {
        let members = |side: &Option<Value>| side.as_ref().and_then(Value::as_object).cloned();
        let (whole_before, whole_after) = (members(&self.before), members(&self.after));
        let (mut before, mut after) = (Members::new(), Members::new());
        let mut also = self.also.clone();
        let names = whole_before.iter().chain(&whole_after).flat_map(Map::keys);
        for name in names.collect::<BTreeSet<_>>() {
            let of =
                |side: &Option<Members>| side.as_ref().and_then(|side| side.get(name)).cloned();
            let (was, is) = (of(&whole_before), of(&whole_after));
            if was == is || derived(self.kind).contains(&name.as_str()) {
                continue;
            }
            let told = |value: &Value| shown(self.kind, name, value);
            let (told_was, told_is) = (was.as_ref().and_then(told), is.as_ref().and_then(told));
            if told_was == told_is {
                also.insert(name.clone());
                continue;
            }
            let (told_was, told_is) = apart(told_was, told_is);
            before.extend(told_was.map(|value| (name.clone(), value)));
            after.extend(told_is.map(|value| (name.clone(), value)));
        }
        let mut side = |whole: Option<Members>, mut members: Members| {
            whole?;
            cut(&mut members, &mut also);
            serde_json::to_string(&members).ok()
        };
        let before = side(whole_before, before);
        let after = side(whole_after, after);
        (before, after, also)
    }
}

/// What may be told of an object: members by name, and members of members, also of those in lists.
fn told(kind: ObjectKind) -> &'static [&'static str] {
    match kind {
        ObjectKind::Program => &[
            "id",
            "mode",
            "name",
            "destination_url",
            "allowed_hosts",
            "attribution",
            "consent",
            "incentives",
            "rates",
            "rates_version",
            "hold_days",
            "surveys",
            "has_owner_email",
            "state",
            "version",
            "created_at",
        ],
        ObjectKind::Key => &[
            "id",
            "name",
            "mode",
            "program_id",
            "scopes",
            "publishable",
            "created_by",
            "state",
            "created_at",
            "expires_at",
            "revoked_at",
            "replaces",
            "replaced_by",
            "requests_per_minute",
        ],
        ObjectKind::Participant => &[
            "id",
            "state",
            "has_email",
            "merged_into",
            "consent/surveys",
            "consent/marketing",
            "consent/recorded_at",
            "codes/kind",
            "codes/state",
            "created_at",
            "version",
        ],
        ObjectKind::Merge => &[
            "id",
            "state",
            "participant_id",
            "into",
            "finding",
            "review/by",
            "review/at",
            "dissolved",
            "created_at",
        ],
        ObjectKind::Conversion => &[
            "state",
            "attribution/state",
            "attribution/referrer_id",
            "attribution/referral_id",
            "attribution/click_id",
            "attribution/reason",
            "rewards/id",
            "rewards/state",
            "rewards/value",
            "review/by",
            "review/at",
            "version",
        ],
        ObjectKind::Refund => &[
            "id",
            "conversion_id",
            "state",
            "amount",
            "reason",
            "rewards/id",
            "rewards/before",
            "rewards/after",
            "created_at",
        ],
        ObjectKind::Reward => &[
            "id",
            "beneficiary_id",
            "conversion_id",
            "incentive_id",
            "kind",
            "value",
            "source",
            "state",
            "release_at",
            "issued_at",
            "expires_at",
            "created_at",
        ],
        ObjectKind::Redemption => &[
            "id",
            "participant_id",
            "unit",
            "amount",
            "state",
            "created_at",
            "reversed_at",
        ],
        ObjectKind::Payout => &[
            "id",
            "state",
            "currency",
            "minimum",
            "until",
            "created_at",
            "opened_at",
            "closed_at",
            "totals",
        ],
        ObjectKind::PayoutLine => &["participant_id", "amount", "state"],
        ObjectKind::VoucherList => &["incentive_id", "added", "left"],
        ObjectKind::TestClock => &["now", "until", "settled"],
        // The URL may hold a secret.
        ObjectKind::Webhook => &[
            "id",
            "types",
            "state",
            "disabled_reason",
            "secrets",
            "created_at",
            "version",
            "tested",
            "redelivered",
        ],
        ObjectKind::Event => &["webhook_ids"],
        ObjectKind::OrderSource => &[
            "id",
            "platform",
            "event",
            "amount",
            "state",
            "url",
            "secrets",
            "created_at",
            "version",
        ],
        ObjectKind::ParkedWork => &["kind", "program_id", "due_at"],
    }
}

/// Members that follow from others.
fn derived(kind: ObjectKind) -> &'static [&'static str] {
    match kind {
        ObjectKind::Participant => &["code", "link", "share"],
        ObjectKind::Conversion => &["codes", "refunds", "skipped"],
        ObjectKind::Reward => &["history", "explanation", "version"],
        ObjectKind::Program
        | ObjectKind::Key
        | ObjectKind::Merge
        | ObjectKind::Refund
        | ObjectKind::Redemption
        | ObjectKind::Payout
        | ObjectKind::PayoutLine
        | ObjectKind::VoucherList
        | ObjectKind::TestClock
        | ObjectKind::Webhook
        | ObjectKind::Event
        | ObjectKind::OrderSource
        | ObjectKind::ParkedWork => &[],
    }
}

/// A member as far as it may be told.
fn shown(kind: ObjectKind, name: &str, value: &Value) -> Option<Value> {
    let told = told(kind);
    if told.contains(&name) {
        return Some(value.clone());
    }
    let inner: Vec<&str> = told
        .iter()
        .filter_map(|path| path.split_once('/'))
        .filter(|(outer, _)| *outer == name)
        .map(|(_, inner)| inner)
        .collect();
    if inner.is_empty() {
        return None;
    }
    let cut = |value: &Value| {
        let members = value.as_object()?.iter();
        let members = members.filter(|(name, _)| inner.contains(&name.as_str()));
        let members = members.map(|(name, value)| (name.clone(), value.clone()));
        Some(Value::Object(members.collect()))
    };
    match value {
        Value::Array(items) => Some(items.iter().filter_map(cut).collect()),
        Value::Object(_) => cut(value),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// Of two lists of things with ids, only those that differ.
fn apart(was: Option<Value>, is: Option<Value>) -> (Option<Value>, Option<Value>) {
    let (Some(Value::Array(was)), Some(Value::Array(is))) = (&was, &is) else {
        return (was, is);
    };
    let named = |items: &[Value]| items.iter().all(|item| item.get("id").is_some());
    if !named(was) || !named(is) {
        return (Some(was.clone().into()), Some(is.clone().into()));
    }
    let without = |items: &[Value], others: &[Value]| -> Value {
        let items = items.iter().filter(|item| !others.contains(item));
        items.cloned().collect()
    };
    (Some(without(was, is)), Some(without(is, was)))
}

/// Makes members fit: first things with ids are told by their ids, then what is long by its name.
fn cut(members: &mut Members, also: &mut BTreeSet<String>) {
    let size = |members: &Members| serde_json::to_string(members).map_or(0, |text| text.len());
    if size(members) <= MEMBERS_BYTES_MAX {
        return;
    }
    for value in members.values_mut() {
        if let Value::Array(items) = value {
            let ids: Option<Vec<Value>> =
                items.iter().map(|item| item.get("id").cloned()).collect();
            if let Some(ids) = ids {
                *items = ids;
            }
        }
    }
    if size(members) <= MEMBERS_BYTES_MAX {
        return;
    }
    let long = |value: &Value| value.to_string().len() > MEMBER_BYTES_MAX;
    let names = members.iter().filter(|(_, value)| long(value));
    let names: Vec<String> = names.map(|(name, _)| name.clone()).collect();
    for name in names {
        members.remove(&name);
        also.insert(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kith_domain::id::AuditId;
    use serde_json::json;

    fn entry(change: Change, writes: bool) -> Result<Option<AuditEntry>, Untold> {
        change.entry(
            writes,
            By {
                id: AuditId::new(jiff::Timestamp::UNIX_EPOCH, [1; 10]),
                actor: "operator".to_owned(),
                route: "change_program",
                request_id: "req",
            },
        )
    }

    fn told_of(change: Change) -> (Value, Value, Vec<String>) {
        let entry = entry(change, true).unwrap().unwrap();
        let side = |text: Option<String>| {
            text.map_or(Value::Null, |text| serde_json::from_str(&text).unwrap())
        };
        (side(entry.before), side(entry.after), entry.also_changed)
    }

    #[test]
    fn a_write_of_which_nothing_is_told_is_refused() {
        assert_eq!(entry(Change::nothing(), true).unwrap_err(), Untold);
        assert!(entry(Change::nothing(), false).unwrap().is_none());
        assert!(entry(Change::routine(), true).unwrap().is_none());
        let change = Change::of(ObjectKind::Reward, "rwd_1");
        assert!(entry(change.clone(), false).unwrap().is_none());
        assert!(entry(change.clone(), true).unwrap().is_some());
        assert!(entry(change.written_before(), false).unwrap().is_some());
    }

    #[test]
    fn only_what_differs_is_told_and_nothing_of_a_person() {
        let was = json!({"id": "par_1", "external_id": null, "state": "active", "locale": "en",
            "code": "ANN", "consent": {"surveys": true, "source": "checkout"},
            "codes": [{"code": "ANN", "kind": "vanity", "state": "active"}]});
        let is = json!({"id": "par_1", "external_id": "ann@example.com", "state": "suspended",
            "locale": "en", "code": null, "consent": {"surveys": false, "source": "a letter of Ann's"},
            "codes": [{"code": "ANN", "kind": "vanity", "state": "disabled"}]});
        let change = Change::of(ObjectKind::Participant, "par_1")
            .from(&was)
            .to(&is);
        let (before, after, also) = told_of(change.also("first_name"));
        let before_is = json!({"state": "active", "consent": {"surveys": true},
            "codes": [{"kind": "vanity", "state": "active"}]});
        let after_is = json!({"state": "suspended", "consent": {"surveys": false},
            "codes": [{"kind": "vanity", "state": "disabled"}]});
        assert_eq!((before, after), (before_is, after_is));
        assert_eq!(also, ["external_id", "first_name"]);
    }

    #[test]
    fn of_many_incentives_those_that_differ_are_told_and_too_many_by_id() {
        let incentive = |id: String, gives: i64| json!({"id": id, "reward": {"points": gives}});
        let some = |gives: &dyn Fn(i64) -> i64| -> Value {
            let all = (0..20).map(|n| incentive(format!("rule-{n}"), gives(n)));
            json!({"incentives": all.collect::<Vec<_>>()})
        };
        let was = some(&|n| n);
        let is = some(&|n| if n == 7 { 100 } else { n });
        let (before, after, _) = told_of(Change::of(ObjectKind::Program, "prg").from(&was).to(&is));
        assert_eq!(
            before,
            json!({"incentives": [incentive("rule-7".to_owned(), 7)]})
        );
        assert_eq!(
            after,
            json!({"incentives": [incentive("rule-7".to_owned(), 100)]})
        );
        let long = |n: i64| json!({"id": format!("rule-{n}"), "text": "x".repeat(1_000)});
        let made = json!({"name": "x".repeat(4_000), "hold_days": 3,
            "incentives": (0..20).map(long).collect::<Vec<_>>()});
        let (before, after, also) = told_of(Change::of(ObjectKind::Program, "prg").to(&made));
        assert!(before.is_null());
        assert_eq!(after["incentives"].as_array().unwrap().len(), 20);
        assert_eq!(
            (&after["incentives"][3], &after["hold_days"]),
            (&json!("rule-3"), &json!(3))
        );
        assert_eq!(also, ["name"]);
    }
}
