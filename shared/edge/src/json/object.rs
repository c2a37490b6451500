//! The members of a JSON object, taken one by one.

use serde::Serialize;
use serde_json::{Map, Value};

use super::Faults;

/// One value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// The value.
    pub value: Value,
    /// Its JSON pointer.
    pub pointer: String,
}

impl Member {
    /// Notes that this value is not what it should be.
    pub fn refuse(&self, faults: &mut Faults, detail: impl Into<String>) {
        faults.add(self.pointer.as_str(), detail);
    }
}

/// What a merge patch says about one member (RFC 7396).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Patch<T> {
    /// It is absent: the value stays.
    #[default]
    Keep,
    /// It is `null`: the value goes.
    Clear,
    /// The new value.
    Set(T),
}

impl<T> Patch<T> {
    /// The value after the patch.
    pub fn apply(self, present: Option<T>) -> Option<T> {
        match self {
            Self::Keep => present,
            Self::Clear => None,
            Self::Set(value) => Some(value),
        }
    }

    /// The value after the patch, where clearing means the default.
    pub fn apply_or(self, present: T, default: T) -> T {
        match self {
            Self::Keep => present,
            Self::Clear => default,
            Self::Set(value) => value,
        }
    }
}

/// A JSON object being read: members are taken by name, and what is left over is unknown.
///
/// The parsers are those of this module's parent, or any function from a [`Member`] to a value that
/// notes a fault when it answers `None`.
#[derive(Debug, Clone)]
pub struct Object {
    pointer: String,
    members: Map<String, Value>,
    /// The names that were asked for, which are those that are known.
    asked: Vec<&'static str>,
}

impl Object {
    /// Members at a pointer; the whole body stands at the empty one.
    #[must_use]
    pub fn new(pointer: impl Into<String>, members: Map<String, Value>) -> Self {
        Self {
            pointer: pointer.into(),
            members,
            asked: Vec::new(),
        }
    }

    /// Where this object stands.
    #[must_use]
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// Where a member of this object stands.
    #[must_use]
    pub fn pointer_to(&self, name: &str) -> String {
        let name = name.replace('~', "~0").replace('/', "~1");
        format!("{}/{name}", self.pointer)
    }

    /// Whether a member is there with a value, and was not taken yet.
    #[must_use]
    pub fn says(&self, name: &str) -> bool {
        self.members.get(name).is_some_and(|value| !value.is_null())
    }

    /// A member that must be there; `None` leaves a fault.
    pub fn required<T>(
        &mut self,
        name: &'static str,
        faults: &mut Faults,
        parse: impl FnOnce(Member, &mut Faults) -> Option<T>,
    ) -> Option<T> {
        match self.take(name) {
            Some(member) if !member.value.is_null() => parse(member, faults),
            Some(_) | None => {
                faults.add(self.pointer_to(name), "is required");
                None
            }
        }
    }

    /// A member that may be absent or `null`. `None` may also mean that it left a fault.
    pub fn optional<T>(
        &mut self,
        name: &'static str,
        faults: &mut Faults,
        parse: impl FnOnce(Member, &mut Faults) -> Option<T>,
    ) -> Option<T> {
        let member = self.take(name).filter(|member| !member.value.is_null())?;
        parse(member, faults)
    }

    /// A member of a merge patch. A value that left a fault is [`Patch::Keep`].
    pub fn patch<T>(
        &mut self,
        name: &'static str,
        faults: &mut Faults,
        parse: impl FnOnce(Member, &mut Faults) -> Option<T>,
    ) -> Patch<T> {
        match self.take(name) {
            None => Patch::Keep,
            Some(member) if member.value.is_null() => Patch::Clear,
            Some(member) => parse(member, faults).map_or(Patch::Keep, Patch::Set),
        }
    }

    /// A member of a merge patch that cannot be cleared: its new value, if there is one.
    pub fn replace<T>(
        &mut self,
        name: &'static str,
        faults: &mut Faults,
        parse: impl FnOnce(Member, &mut Faults) -> Option<T>,
    ) -> Option<T> {
        let member = self.take(name)?;
        if member.value.is_null() {
            member.refuse(faults, "cannot be cleared");
            return None;
        }
        parse(member, faults)
    }

    /// Members that may be sent back as they were read, and not otherwise; `present` is what was read.
    pub fn read_only(
        &mut self,
        names: &[&'static str],
        present: &impl Serialize,
        faults: &mut Faults,
    ) {
        let sent: Vec<(&str, Option<Member>)> =
            names.iter().map(|name| (*name, self.take(name))).collect();
        if sent.iter().all(|(_, member)| member.is_none()) {
            return;
        }
        let present = serde_json::to_value(present).unwrap_or_default();
        for (name, member) in sent {
            let differs = |member: &Member| present.get(name) != Some(&member.value);
            if let Some(member) = member.filter(differs) {
                member.refuse(faults, "cannot be changed");
            }
        }
    }

    /// An object that may be absent, to be read and finished in turn.
    pub fn optional_object(&mut self, name: &'static str, faults: &mut Faults) -> Option<Object> {
        self.optional(name, faults, as_object)
    }

    /// An object that must be there, to be read and finished in turn; `None` leaves a fault.
    pub fn required_object(&mut self, name: &'static str, faults: &mut Faults) -> Option<Object> {
        self.required(name, faults, as_object)
    }

    /// The members that were not taken yet, such as the entries of a map.
    #[must_use]
    pub fn into_rest(self) -> Vec<(String, Member)> {
        let pointers: Vec<String> = self
            .members
            .keys()
            .map(|name| self.pointer_to(name))
            .collect();
        self.members
            .into_iter()
            .zip(pointers)
            .map(|((name, value), pointer)| (name, Member { value, pointer }))
            .collect()
    }

    /// Refuses every member that was not taken.
    pub fn finish(self, faults: &mut Faults) {
        for name in self.members.keys() {
            faults.add(self.pointer_to(name), unknown("field", &self.asked));
        }
    }

    fn take(&mut self, name: &'static str) -> Option<Member> {
        self.asked.push(name);
        let value = self.members.remove(name)?;
        let pointer = self.pointer_to(name);
        Some(Member { value, pointer })
    }
}

/// That a name is not known, and which are.
pub(crate) fn unknown(what: &str, known: &[&str]) -> String {
    let mut known = known.to_vec();
    known.sort_unstable();
    known.dedup();
    if known.is_empty() {
        return format!("is not a known {what}: there are none");
    }
    format!("is not a known {what}; known are: {}", known.join(", "))
}

pub(super) fn as_object(member: Member, faults: &mut Faults) -> Option<Object> {
    match member.value {
        Value::Object(members) => Some(Object::new(member.pointer, members)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            faults.add(member.pointer, "must be an object");
            None
        }
    }
}
