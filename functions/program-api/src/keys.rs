//! API keys: make, list, read, rotate, revoke.

use std::collections::BTreeSet;

use jiff::Timestamp;
use kith_contract::answers::More;
use kith_contract::problems::Code;
use kith_contract::scalar::{At, Spelled, Word};
use kith_domain::api_key::{
    Caller, KeyHash, KeyState, LIFE_MAX, NotRotatable, OVERLAP_HOURS_DEFAULT, OVERLAP_HOURS_MAX,
    Scope, compose,
};
use kith_domain::audit::ObjectKind;
use kith_domain::id::{ApiKeyId, ProgramId};
use kith_domain::limit::PER_MINUTE_MAX;
use kith_domain::program::Program;
use kith_domain::text::Name;
use kith_edge::audit::Change;
use kith_edge::http::{Fault, Problem, Response};
use kith_edge::json::{self, Faults, Object};
use kith_edge::session::{Ended, Session};
use kith_edge::wire;
use kith_store::ListQuery;
use kith_store::items::{ApiKey, HashItem, ScopeItem, Use};
use kith_store::keys;

use crate::call::{Body, Call, filtered};

/// Random bytes in a key's secret part.
const SECRET_BYTES: usize = 32;

struct NewKey {
    name: Name,
    program: Option<ProgramId>,
    scopes: BTreeSet<Scope>,
    publishable: bool,
    ends_at: Option<Timestamp>,
    requests_per_minute: Option<u32>,
}

/// `POST /v1/keys`.
pub(crate) async fn create(call: Call) -> Result<Response, Ended> {
    let now = call.api.gate.desk().real_now();
    let parsed = call.body().and_then(|body| NewKey::read(body, now));
    let (session, mut new) = call
        .outside(parsed, |new, _| {
            new.program.into_iter().map(keys::program).collect()
        })
        .await?;
    let known = match new.program {
        Some(id) => session.loaded.read::<Program>(&keys::program(id))?,
        None => None,
    };
    new.check(&session.caller, known.as_ref())?;
    new.requests_per_minute = within(&session.caller, new.requests_per_minute);
    let (stored, text) = new.make(&session, None);
    let mut commit = session.commit();
    commit.api_key(&stored);
    let change = Change::of(ObjectKind::Key, stored.id)
        .in_program(stored.program_id)
        .to(&written(&stored, None, session.real_now));
    let (told, kept) = answers(&session, &stored, text);
    session.finish_keeping(commit, change, told, kept).await
}

impl NewKey {
    fn read((mut body, mut faults): Body, now: Timestamp) -> Result<Self, Problem> {
        let name = body.required("name", &mut faults, json::text::<Name>);
        let program = body.optional("program_id", &mut faults, json::text::<ProgramId>);
        let ends_at = body.optional("expires_at", &mut faults, json::timestamp);
        let latest = now.checked_add(LIFE_MAX).unwrap_or(Timestamp::MAX);
        if ends_at.is_some_and(|end| end <= now || end > latest) {
            faults.add("/expires_at", "must lie ahead, by ten years at most");
        }
        let requests_per_minute = body.optional(
            "requests_per_minute",
            &mut faults,
            json::integer_in(1..=PER_MINUTE_MAX),
        );
        let (publishable, scopes) = read_scopes(&mut body, &mut faults);
        body.finish(&mut faults);
        let (name, scopes) = faults.all((name, scopes))?;
        Ok(Self {
            name,
            program,
            scopes: scopes.into_iter().collect(),
            publishable,
            ends_at,
            requests_per_minute,
        })
    }

    /// Nobody gives what they do not have: another program, another mode, another scope, more calls.
    fn check(&self, caller: &Caller, known: Option<&Program>) -> Result<(), Problem> {
        let fault =
            |detail: &str| Problem::invalid_request(vec![Fault::new("/program_id", detail)]);
        match (self.program, caller.program) {
            (None, Some(_)) => {
                return Err(fault("is required: the caller's key reaches one program"));
            }
            (Some(_), _) if !known.is_some_and(|known| caller.reaches(known.id, known.mode)) => {
                return Err(fault("there is no such program"));
            }
            (None, None) | (Some(_), _) => {}
        }
        if let Some(scope) = self.scopes.iter().find(|scope| !caller.may(**scope)) {
            return Err(Problem::missing_scope(scope.as_str()));
        }
        match (self.requests_per_minute, caller.requests_per_minute) {
            (Some(asked), Some(own)) if asked > own => {
                let detail = format!("must be at most {own}, as the caller's own key has");
                let fault = Fault::new("/requests_per_minute", detail);
                Err(Problem::invalid_request(vec![fault]))
            }
            (_, _) => Ok(()),
        }
    }

    fn make(self, session: &Session, replaces: Option<ApiKeyId>) -> (ApiKey, String) {
        let (mode, now) = (session.caller.mode, session.real_now);
        let id: ApiKeyId = session.desk().id(now);
        let random: [u8; SECRET_BYTES] = session.desk().random();
        let secret: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let text = compose(mode, self.publishable, id, &secret);
        let stored = ApiKey {
            id,
            name: self.name,
            mode,
            program_id: self.program,
            scopes: self.scopes.into_iter().map(ScopeItem).collect(),
            publishable: self.publishable,
            hash: HashItem(KeyHash::of(&text)),
            created_at: now,
            created_by: Some(session.actor()),
            ends_at: self.ends_at,
            revoked_at: None,
            replaces,
            replaced_by: None,
            requests_per_minute: self.requests_per_minute,
            expires_at: None,
        };
        (stored, text)
    }
}

/// Whether the key is publishable, and its scopes: of a publishable key they are fixed.
fn read_scopes(body: &mut Object, faults: &mut Faults) -> (bool, Option<Vec<Scope>>) {
    let publishable = body.optional("publishable", faults, json::boolean);
    let publishable = publishable.unwrap_or_default();
    let scopes = json::list(Scope::ALL.len(), json::text::<Scope>);
    let scopes = if publishable {
        // A browser may do one thing, and nobody has to say so.
        let fixed = vec![Scope::Clicks];
        let asked = body.optional("scopes", faults, scopes);
        if asked.is_some_and(|asked| asked != fixed) {
            let detail = format!("a publishable key has the scope {} only", Scope::Clicks);
            faults.add("/scopes", detail);
        }
        Some(fixed)
    } else {
        body.required("scopes", faults, scopes)
    };
    if scopes.as_ref().is_some_and(Vec::is_empty) {
        faults.add("/scopes", "must not be empty");
    }
    (publishable, scopes)
}

/// `POST /v1/keys/{key}/rotate`: another key that may do the same; this one ends after a while.
pub(crate) async fn rotate(call: Call) -> Result<Response, Ended> {
    let id: ApiKeyId = call.id("key")?;
    let parsed = call.body_or_empty().and_then(|(mut body, mut faults)| {
        let hours = json::integer_in(0..=OVERLAP_HOURS_MAX);
        let overlap = body.optional("overlap_hours", &mut faults, hours);
        body.finish(&mut faults);
        faults.into_result()?;
        Ok(overlap.unwrap_or(OVERLAP_HOURS_DEFAULT))
    });
    let (session, overlap_hours) = call.outside(parsed, |_, _| vec![keys::api_key(id)]).await?;
    let old = reached(&session, id)?;
    let ends_at = old
        .life()
        .replaced(session.real_now, overlap_hours)
        .map_err(not_rotatable)?;
    let new = NewKey {
        name: old.name.clone(),
        program: old.program_id,
        scopes: old.scopes.iter().map(|scope| scope.0).collect(),
        publishable: old.publishable,
        ends_at: old
            .life()
            .successor_ends_at(old.created_at, session.real_now),
        requests_per_minute: within(&session.caller, old.requests_per_minute),
    };
    // Whoever rotates a key holds its successor.
    if let Some(scope) = new.scopes.iter().find(|scope| !session.caller.may(**scope)) {
        return Err(Problem::missing_scope(scope.as_str()).into());
    }
    let (stored, text) = new.make(&session, Some(old.id));
    let mut commit = session.commit();
    commit.replace_key(old.id, stored.id, ends_at);
    commit.api_key(&stored);
    let replaced = ApiKey {
        replaced_by: Some(stored.id),
        ends_at: Some(ends_at),
        ..old.clone()
    };
    let change = changed(&session, &old, &replaced);
    let (told, kept) = answers(&session, &stored, text);
    session.finish_keeping(commit, change, told, kept).await
}

/// As many calls a minute as were asked for, and no more than the caller's own key has.
fn within(caller: &Caller, asked: Option<u32>) -> Option<u32> {
    match (asked, caller.requests_per_minute) {
        (Some(asked), Some(own)) => Some(asked.min(own)),
        (asked, own) => asked.or(own),
    }
}

fn not_rotatable(why: NotRotatable) -> Problem {
    let detail = why.to_string();
    match why {
        NotRotatable::Ended(_) => Problem::of(Code::KeyEnded, detail),
        NotRotatable::Replaced(by) => Problem::of(Code::KeyReplaced, detail).saying(More {
            replaced_by: Some(by.into()),
            ..More::default()
        }),
    }
}

/// What is told of a new key, and what is told to whoever asks again: the secret once.
fn answers(session: &Session, stored: &ApiKey, text: String) -> (Response, Response) {
    let kept = wire::NewApiKey {
        api_key: written(stored, None, session.real_now),
        key: None,
    };
    let told = wire::NewApiKey {
        key: Some(text),
        ..kept.clone()
    };
    (Response::json(201, &told), Response::json(201, &kept))
}

/// `GET /v1/keys`: those that the caller reaches.
pub(crate) async fn list(call: Call) -> Result<Response, Ended> {
    let query = call.query(|fields, faults| {
        let state = fields.optional::<KeyState>("state", faults);
        (call.paging(fields, faults), state)
    });
    let (session, (paging, state)) = call.outside(query, |_, _| Vec::new()).await?;
    let (mode, now) = (session.caller.mode, session.real_now);
    let query = paging.over(|limit| ListQuery::api_keys(mode, limit));
    let id = |key: &ApiKey| key.id.to_string();
    let keep = |key: &ApiKey| {
        reaches(&session.caller, key) && state.is_none_or(|state| key.life().state(now) == state)
    };
    let (found, next) = filtered(&session.store, query, id, keep).await?;
    let uses = found.iter().map(|key| keys::api_key_use(key.id));
    let uses = session.store.get(uses).await?;
    let mut data = Vec::with_capacity(found.len());
    for key in &found {
        let used = uses.read::<Use>(&keys::api_key_use(key.id))?;
        data.push(written(key, used, now));
    }
    Ok(call.listed(data, next.as_deref()))
}

/// `GET /v1/keys/{key}`.
pub(crate) async fn read(call: Call) -> Result<Response, Ended> {
    let (session, id) = call
        .outside(call.only_id("key"), |id: &ApiKeyId, _| {
            vec![keys::api_key(*id), keys::api_key_use(*id)]
        })
        .await?;
    let key = reached(&session, id)?;
    let used = session.loaded.read::<Use>(&keys::api_key_use(id))?;
    let answer = written(&key, used, session.real_now);
    Ok(Response::json(200, &answer))
}

/// `DELETE /v1/keys/{key}`: from the answer on nobody passes with it.
pub(crate) async fn revoke(call: Call) -> Result<Response, Ended> {
    let (session, id) = call
        .outside(call.only_id("key"), |id: &ApiKeyId, _| {
            vec![keys::api_key(*id)]
        })
        .await?;
    let key = reached(&session, id)?;
    let mut commit = session.commit();
    if key.revoked_at.is_none() {
        commit.revoke_key(id);
    }
    let revoked = ApiKey {
        revoked_at: key.revoked_at.or(Some(session.real_now)),
        ..key.clone()
    };
    let change = changed(&session, &key, &revoked);
    session.finish(commit, change, Response::no_content()).await
}

/// What the audit log says of a change of a key.
fn changed(session: &Session, before: &ApiKey, after: &ApiKey) -> Change {
    let written = |key| written(key, None, session.real_now);
    Change::of(ObjectKind::Key, before.id)
        .in_program(before.program_id)
        .from(&written(before))
        .to(&written(after))
}

/// A key that was read, if the caller reaches it. What they do not reach does not exist for them.
fn reached(session: &Session, id: ApiKeyId) -> Result<ApiKey, Ended> {
    let key = session.loaded.read::<ApiKey>(&keys::api_key(id))?;
    key.filter(|key| reaches(&session.caller, key))
        .ok_or_else(|| Problem::not_found("key").into())
}

fn reaches(caller: &Caller, key: &ApiKey) -> bool {
    key.mode == caller.mode && (caller.program.is_none() || caller.program == key.program_id)
}

/// A key without its secret, which is told once.
fn written(key: &ApiKey, used: Option<Use>, now: Timestamp) -> wire::ApiKey {
    wire::ApiKey {
        id: key.id.into(),
        name: key.name.clone().into(),
        mode: key.mode.into(),
        state: key.life().state(now).into(),
        program_id: key.program_id.map(Spelled),
        scopes: key.scopes.iter().map(|scope| Word(scope.0)).collect(),
        publishable: key.publishable,
        requests_per_minute: key.requests_per_minute,
        created_at: key.created_at.into(),
        created_by: key.created_by.clone(),
        expires_at: key.ends_at.map(At),
        revoked_at: key.revoked_at.map(At),
        replaces: key.replaces.map(Spelled),
        replaced_by: key.replaced_by.map(Spelled),
        last_used_at: used.and_then(|used| used.used_at).map(At),
    }
}
