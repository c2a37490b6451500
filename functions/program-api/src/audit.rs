//! `GET P/audit` and `GET /v1/audit`: who did what to which object, newest first.

use jiff::{SignedDuration, Timestamp};
use kith_contract::answers::{AuditEntry as Answer, AuditedObject};
use kith_domain::audit::{Actor, ObjectName};
use kith_domain::id::AuditId;
use kith_edge::http::{Problem, Response};
use kith_edge::session::Ended;
use kith_store::items::AuditEntry;
use kith_store::keys::AuditLog;
use kith_store::{AuditPage, ListQuery, Store};
use serde_json::value::RawValue;

use crate::call::{Call, Paging};

/// Requests to the table for one answer; past that it is short and its cursor goes on.
const READS_MAX: u8 = 24;
/// Entries read at a time when only some of them are wanted.
const ENTRIES_AT_ONCE: u16 = 100;
/// What is written while the call is answered may stand in it.
const A_MOMENT: SignedDuration = SignedDuration::from_secs(1);
/// Nothing was done before this.
const BEGINNING: Timestamp = Timestamp::constant(1_735_689_600, 0);

struct Wanted {
    object: Option<ObjectName>,
    actor: Option<Actor>,
    paging: Paging,
}

fn wanted(call: &Call) -> Result<Wanted, Problem> {
    call.query(|fields, faults| Wanted {
        object: fields.optional("object", faults),
        actor: fields.optional("actor", faults),
        paging: call.paging(fields, faults),
    })
}

/// `GET P/audit`: what was done to a program and within it, its keys included.
pub(crate) async fn list(call: Call) -> Result<Response, Ended> {
    let (session, view, wanted) = call.program(wanted(&call), |_, _, _| Vec::new()).await?;
    let search = Search {
        store: &view.store,
        log: AuditLog::Program(view.program.id),
        // A test program's own clock may be ahead of the log, which keeps real time.
        begins: view.program.created_at.min(session.real_now),
        ends: session.real_now,
        wanted: &wanted,
    };
    search.answer(&call).await
}

/// `GET /v1/audit`: what the operator did outside any program, in the mode of the key.
pub(crate) async fn list_outside(call: Call) -> Result<Response, Ended> {
    let (session, wanted) = call.outside(wanted(&call), |_, _| Vec::new()).await?;
    let search = Search {
        store: &session.store,
        log: AuditLog::Operator(session.caller.mode),
        begins: BEGINNING,
        ends: session.real_now,
        wanted: &wanted,
    };
    search.answer(&call).await
}

struct Search<'a> {
    store: &'a Store,
    log: AuditLog,
    /// When the log begins,
    begins: Timestamp,
    /// and how far it can have come.
    ends: Timestamp,
    wanted: &'a Wanted,
}

impl Search<'_> {
    async fn answer(&self, call: &Call) -> Result<Response, Ended> {
        let (entries, next) = match &self.wanted.object {
            Some(object) => self.of_object(object).await?,
            None => self.of_all().await?,
        };
        let data = entries.into_iter().map(written).collect();
        Ok(call.listed(data, next.as_deref()))
    }

    fn is_wanted(&self, entry: &AuditEntry) -> bool {
        let actor = self.wanted.actor;
        actor.is_none_or(|actor| entry.actor == actor.to_string())
    }

    /// What the index knows of one object.
    async fn of_object(
        &self,
        object: &ObjectName,
    ) -> Result<(Vec<AuditEntry>, Option<String>), Ended> {
        let paging = &self.wanted.paging;
        let query =
            paging.over(|limit| ListQuery::audit_of_object(self.log, object.as_str(), limit));
        let id = |entry: &AuditEntry| entry.id.to_string();
        crate::call::filtered(self.store, query, id, |entry| self.is_wanted(entry)).await
    }

    /// Month by month, back to where the log begins.
    async fn of_all(&self) -> Result<(Vec<AuditEntry>, Option<String>), Ended> {
        let Paging {
            limit,
            after,
            from,
            to,
        } = &self.wanted.paging;
        let begins = from.unwrap_or(self.begins).max(self.begins);
        let ends = self.ends.checked_add(A_MOMENT).unwrap_or(self.ends);
        let first = AuditId::floor_of(begins);
        let mut before = AuditId::floor_of(to.unwrap_or(ends).min(ends));
        if let Some(after) = after.as_deref().and_then(|after| after.parse().ok()) {
            before = after;
        }
        let at_once = match self.wanted.actor {
            Some(_) => ENTRIES_AT_ONCE,
            None => limit.saturating_add(1),
        };
        let mut found: Vec<AuditEntry> = Vec::new();
        for _ in 0..READS_MAX {
            let AuditPage { entries, next } =
                self.store.audit_before(self.log, before, at_once).await?;
            for entry in entries {
                if entry.id < first {
                    return Ok((found, None));
                }
                if !self.is_wanted(&entry) {
                    continue;
                }
                if found.len() == usize::from(*limit) {
                    let last = found.last().map(|last| last.id.to_string());
                    return Ok((found, last));
                }
                found.push(entry);
            }
            before = next;
            if before < first {
                return Ok((found, None));
            }
        }
        Ok((found, Some(before.to_string())))
    }
}

fn written(entry: AuditEntry) -> Answer {
    // It was written by this bundle, as JSON.
    let members = |text: Option<String>| text.and_then(|text| RawValue::from_string(text).ok());
    Answer {
        id: entry.id.into(),
        at: entry.id.at().into(),
        actor: entry.actor,
        route: entry.route,
        request_id: entry.request_id,
        object: AuditedObject {
            kind: entry.object_kind.into(),
            id: entry.object_id,
            of: entry.object_of,
        },
        reason: entry.reason,
        before: members(entry.before),
        after: members(entry.after),
        also_changed: entry.also_changed,
    }
}
