//! API keys: make, list, revoke.

use std::collections::BTreeSet;

use kith_domain::api_key::{Caller, KeyHash, Scope, compose};
use kith_domain::id::{ApiKeyId, ProgramId};
use kith_domain::program::Program;
use kith_domain::text::Name;
use kith_edge::http::{Fault, Problem, Response};
use kith_edge::json;
use kith_edge::session::{Ended, Session};
use kith_edge::wire;
use kith_store::ListQuery;
use kith_store::items::{ApiKey, HashItem, ScopeItem};
use kith_store::keys;
use serde_json::{Value, json};

use crate::call::{Body, Call, filtered};

/// Random bytes in a key's secret part.
const SECRET_BYTES: usize = 32;

struct NewKey {
    name: Name,
    program: Option<ProgramId>,
    scopes: BTreeSet<Scope>,
    publishable: bool,
}

/// `POST /v1/keys`.
pub(crate) async fn create(call: Call) -> Result<Response, Ended> {
    let parsed = call.body().and_then(NewKey::read);
    let (session, new) = call
        .outside(parsed, |new, _| {
            new.program.into_iter().map(keys::program).collect()
        })
        .await?;
    let known = match new.program {
        Some(id) => session.loaded.read::<Program>(&keys::program(id))?,
        None => None,
    };
    new.check(&session.caller, known.as_ref())?;
    let (stored, text) = new.make(&session);
    let mut commit = session.commit();
    commit.api_key(&stored);
    let kept = written(&stored);
    let mut told = kept.clone();
    if let Some(members) = told.as_object_mut() {
        members.insert("key".to_owned(), Value::String(text));
    }
    let (told, kept) = (Response::json(201, &told), Response::json(201, &kept));
    session.finish_keeping(commit, told, kept).await
}

impl NewKey {
    fn read((mut body, mut faults): Body) -> Result<Self, Problem> {
        let name = body.required("name", &mut faults, json::text::<Name>);
        let program = body.optional("program_id", &mut faults, json::text::<ProgramId>);
        let publishable = body.optional("publishable", &mut faults, json::boolean);
        let publishable = publishable.unwrap_or_default();
        let scopes = json::list(Scope::ALL.len(), json::text::<Scope>);
        let scopes = if publishable {
            // A browser may do one thing, and nobody has to say so.
            let fixed = vec![Scope::Clicks];
            let asked = body.optional("scopes", &mut faults, scopes);
            if asked.is_some_and(|asked| asked != fixed) {
                let detail = format!("a publishable key has the scope {} only", Scope::Clicks);
                faults.add("/scopes", detail);
            }
            Some(fixed)
        } else {
            body.required("scopes", &mut faults, scopes)
        };
        if scopes.as_ref().is_some_and(Vec::is_empty) {
            faults.add("/scopes", "must not be empty");
        }
        body.finish(&mut faults);
        let (name, scopes) = faults.all((name, scopes))?;
        Ok(Self {
            name,
            program,
            scopes: scopes.into_iter().collect(),
            publishable,
        })
    }

    /// Nobody gives what they do not have: another program, another mode, another scope.
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
        match self.scopes.iter().find(|scope| !caller.may(**scope)) {
            Some(scope) => Err(Problem::missing_scope(scope.as_str())),
            None => Ok(()),
        }
    }

    fn make(self, session: &Session) -> (ApiKey, String) {
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
        };
        (stored, text)
    }
}

/// `GET /v1/keys`: those that the caller reaches.
pub(crate) async fn list(call: Call) -> Result<Response, Ended> {
    let query = call.query(|fields, faults| call.paging(fields, faults));
    let (session, paging) = call.outside(query, |_, _| Vec::new()).await?;
    let mode = session.caller.mode;
    let query = paging.over(|limit| ListQuery::api_keys(mode, limit));
    let id = |key: &ApiKey| key.id.to_string();
    let keep = |key: &ApiKey| reaches(&session.caller, key);
    let (found, next) = filtered(&session.store, query, id, keep).await?;
    Ok(call.listed(found.iter().map(written).collect(), next.as_deref()))
}

/// `DELETE /v1/keys/{key}`: from the answer on nobody passes with it.
pub(crate) async fn revoke(call: Call) -> Result<Response, Ended> {
    let (session, id) = call
        .outside(call.only_id("key"), |id: &ApiKeyId, _| {
            vec![keys::api_key(*id)]
        })
        .await?;
    let key = session.loaded.read::<ApiKey>(&keys::api_key(id))?;
    if !key.is_some_and(|key| reaches(&session.caller, &key)) {
        return Err(Problem::not_found("key").into());
    }
    let mut commit = session.commit();
    commit.revoke(id);
    session.finish(commit, Response::no_content()).await
}

fn reaches(caller: &Caller, key: &ApiKey) -> bool {
    key.mode == caller.mode && (caller.program.is_none() || caller.program == key.program_id)
}

/// A key without its secret, which is told once.
fn written(key: &ApiKey) -> Value {
    let scopes: Vec<&str> = key.scopes.iter().map(|scope| scope.0.as_str()).collect();
    json!({
        "id": key.id.to_string(),
        "name": key.name.as_str(),
        "mode": key.mode.as_str(),
        "program_id": key.program_id.map(|id| id.to_string()),
        "scopes": scopes,
        "publishable": key.publishable,
        "created_at": wire::instant(key.created_at),
    })
}
