//! One call of the API: who calls, in which program, with what read first, and the answer that is
//! written together with its effect.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use kith_contract::problems::Code;
use kith_contract::requests::IDEMPOTENCY_KEY_CHARS_MAX;
use kith_contract::routes::{Access, Route};
use kith_domain::api_key::{Caller, KeyHash, KeyState, PresentedKey, Scope};
use kith_domain::audit::Actor;
use kith_domain::id::{OrderSourceId, ProgramId};
use kith_domain::mode::Mode;
use kith_store::items::{ApiKey, IdempotencyRecord};
use kith_store::keys::{self, AuditLog, IdempotencyScope, Key};
use kith_store::{Commit, CommitError, Loaded, Store, StoreError};
use sha2::{Digest, Sha256};

use crate::audit::{By, Change};
use crate::config::{OperatorKeys, RequestLimits};
use crate::decide::{DECISIONS_MAX, let_others_pass};
use crate::desk::{Desk, View};
use crate::function::Invocation;
use crate::http::{Fault, Handler, Problem, Request, Response};
use crate::limits::{CallerLimits, Verdict};

/// How long an answer is kept for the caller who asks again.
const ANSWER_LIFE: SignedDuration = SignedDuration::from_hours(48);
/// A larger answer is not kept; none of the API's is. The largest tells of a thousand voucher codes.
const ANSWER_BYTES_MAX: usize = 160 * 1_024;
/// When to try again after the table did not answer.
const RETRY_AFTER_SECONDS: u32 = 1;

/// Why a call ended without its use case, or before the end of it.
#[derive(Debug)]
pub enum Ended {
    /// It is refused.
    Refused(Problem),
    /// It was answered before: the stored answer.
    Replayed(Response),
    /// Somebody wrote between its read and its write: it is decided again, from the start.
    Outdated,
}

impl From<Problem> for Ended {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable { .. } => Problem::unavailable(RETRY_AFTER_SECONDS)
                .caused_by(error)
                .into(),
            StoreError::Corrupt(_) => Problem::internal(error).into(),
        }
    }
}

impl From<kith_store::item::CorruptItem> for Ended {
    fn from(error: kith_store::item::CorruptItem) -> Self {
        StoreError::from(error).into()
    }
}

impl From<CommitError> for Ended {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Refused(_) => Self::Outdated,
            CommitError::Store(error) => error.into(),
            CommitError::TooLarge(_) | CommitError::Unbalanced(_) => {
                Problem::internal(error).into()
            }
        }
    }
}

/// What every call of the API goes through.
#[derive(Debug, Clone)]
pub struct Gate {
    desk: Desk,
    operators: OperatorKeys,
    limits: Arc<CallerLimits>,
}

/// A call that passed the gate.
#[derive(Debug)]
pub struct Session {
    /// Who calls.
    pub caller: Caller,
    actor: Actor,
    /// What was read.
    pub loaded: Loaded,
    /// Real time.
    pub real_now: Timestamp,
    /// The table, for as long as the call has time.
    pub store: Store,
    desk: Desk,
    idempotency: Option<Idempotency>,
    log: AuditLog,
    route: &'static Route,
    request_id: String,
}

#[derive(Debug)]
struct Idempotency {
    scope: IdempotencyScope,
    key: String,
    request_hash: String,
}

impl Gate {
    /// The gate of a function.
    #[must_use]
    pub fn new(desk: Desk, operators: OperatorKeys, limits: RequestLimits) -> Self {
        Self {
            desk,
            operators,
            limits: Arc::new(CallerLimits::new(limits)),
        }
    }

    /// How much callers may ask for.
    #[must_use]
    pub fn limits(&self) -> &CallerLimits {
        &self.limits
    }

    /// The desk behind it.
    #[must_use]
    pub fn desk(&self) -> &Desk {
        &self.desk
    }

    /// Opens a call within a program: reads the caller's key, the program, the stored answer and
    /// the use case's first keys in one request, and checks them in this order: key, program,
    /// scope (which the route names), stored answer, body. `parsed` is the body; its faults are told to nobody who may not
    /// call at all.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn open<T>(
        &self,
        request: &Request,
        invocation: &Invocation,
        route: &'static Route,
        program: ProgramId,
        parsed: Result<T, Problem>,
        first_keys: impl FnOnce(&T, Mode) -> Vec<Key>,
    ) -> Result<(Session, View, T), Ended> {
        let credentials = self.credentials(request)?;
        let mode = credentials.mode();
        let mut reads = vec![keys::program(program)];
        if mode == Mode::Test {
            reads.push(keys::clock(program));
        }
        if let Ok(parsed) = &parsed {
            reads.extend(first_keys(parsed, mode));
        }
        let scope_of_answer = IdempotencyScope::Program(program);
        let session = self
            .check(
                request,
                invocation,
                route,
                credentials,
                scope_of_answer,
                reads,
            )
            .await?;
        let view = self
            .desk
            .view_of(session.store.clone(), program, session.loaded.clone())?;
        let Some(view) =
            view.filter(|view| session.caller.reaches(view.program.id, view.program.mode))
        else {
            return Err(Problem::not_found("program").into());
        };
        tracing::Span::current().record("program.id", tracing::field::display(program));
        let parsed = session.enter(parsed)?;
        Ok((session, view, parsed))
    }

    /// Opens a call outside any program.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn open_operator<T>(
        &self,
        request: &Request,
        invocation: &Invocation,
        route: &'static Route,
        parsed: Result<T, Problem>,
        first_keys: impl FnOnce(&T, Mode) -> Vec<Key>,
    ) -> Result<(Session, T), Ended> {
        let credentials = self.credentials(request)?;
        let mode = credentials.mode();
        let reads = parsed
            .as_ref()
            .map(|parsed| first_keys(parsed, mode))
            .unwrap_or_default();
        let session = self
            .check(
                request,
                invocation,
                route,
                credentials,
                IdempotencyScope::Operator(mode),
                reads,
            )
            .await?;
        let parsed = session.enter(parsed)?;
        Ok((session, parsed))
    }

    /// A call within a program by an order source, whose vendor signed it: the use case has seen to that. Such a call
    /// has no key, no scopes and no idempotency key; what it does, it does as the source.
    #[must_use]
    pub fn session_of_source(
        &self,
        source: OrderSourceId,
        view: &View,
        route: &'static Route,
        invocation: &Invocation,
    ) -> Session {
        Session {
            caller: Caller {
                key: None,
                mode: view.program.mode,
                program: Some(view.program.id),
                scopes: Vec::new(),
                requests_per_minute: None,
            },
            actor: Actor::Source(source),
            loaded: view.loaded.clone(),
            real_now: view.real_now,
            store: view.store.clone(),
            desk: self.desk.clone(),
            idempotency: None,
            log: AuditLog::Program(view.program.id),
            route,
            request_id: invocation.request_id.clone(),
        }
    }

    fn credentials(&self, request: &Request) -> Result<Credentials, Problem> {
        let text = request
            .header("authorization")
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, key)| key.trim())
            .ok_or_else(Problem::unauthenticated)?;
        if let Some(mode) = self.operators.mode_of(KeyHash::of(text)) {
            return Ok(Credentials::Operator(mode));
        }
        PresentedKey::parse(text)
            .map(Credentials::Key)
            .ok_or_else(Problem::no_such_key)
    }

    async fn check(
        &self,
        request: &Request,
        invocation: &Invocation,
        route: &'static Route,
        credentials: Credentials,
        answer_scope: IdempotencyScope,
        mut reads: Vec<Key>,
    ) -> Result<Session, Ended> {
        let mut idempotency = idempotency(request, answer_scope)?;
        if let Credentials::Key(key) = &credentials {
            reads.push(keys::api_key(key.id));
        }
        if let Some(call) = &idempotency {
            reads.push(call.record_key());
        }
        let store = self.desk.store(invocation);
        let real_now = self.desk.real_now();
        self.admit_known(request, &credentials, &store, real_now)
            .await?;
        let mut loaded = if reads.is_empty() {
            Loaded::default()
        } else {
            store.get(reads).await?
        };
        let caller = self.caller(request, &credentials, &loaded, real_now)?;
        self.admit(request, &caller, &store, real_now).await?;
        // Outside any program, too, the keys of a program have idempotency keys of their own.
        let answer_scope = match (answer_scope, caller.program) {
            (IdempotencyScope::Operator(_), Some(own)) => IdempotencyScope::Program(own),
            (scope, _) => scope,
        };
        let moved = idempotency.as_mut();
        if let Some(call) = moved.filter(|call| call.scope != answer_scope) {
            call.scope = answer_scope;
            loaded.extend(store.get([call.record_key()]).await?);
        }
        Ok(Session {
            actor: caller.key.map_or(Actor::Operator, Actor::Key),
            caller,
            loaded,
            real_now,
            store,
            desk: self.desk.clone(),
            idempotency,
            log: match answer_scope {
                IdempotencyScope::Program(program) => AuditLog::Program(program),
                IdempotencyScope::Operator(mode) => AuditLog::Operator(mode),
            },
            route,
            request_id: invocation.request_id.clone(),
        })
    }
}

/// Limits. A call is counted once, however often it is decided.
impl Gate {
    /// Before anything is read: whoever is known here is counted; whoever is not may be made up, and
    /// an address that made up too many waits.
    async fn admit_known(
        &self,
        request: &Request,
        credentials: &Credentials,
        store: &Store,
        now: Timestamp,
    ) -> Result<(), Problem> {
        if request.standing().get().is_some() {
            return Ok(());
        }
        let verdict = match credentials {
            Credentials::Operator(mode) => {
                let operator = Caller::operator(*mode);
                Some(self.limits.serve(&operator, store, now).await)
            }
            Credentials::Key(presented) => self.limits.serve_known(presented, store, now).await,
        };
        match verdict {
            Some(verdict) => pass(request, verdict),
            None => self.limits.failures().check(request.source_address(), now),
        }
    }

    /// Who calls, by what was read.
    fn caller(
        &self,
        request: &Request,
        credentials: &Credentials,
        loaded: &Loaded,
        now: Timestamp,
    ) -> Result<Caller, Ended> {
        let presented = match credentials {
            Credentials::Operator(mode) => return Ok(Caller::operator(*mode)),
            Credentials::Key(presented) => presented,
        };
        let stored = loaded.read(&keys::api_key(presented.id))?;
        match verify(presented, stored, now) {
            Ok(caller) => {
                self.limits.verified(presented.hash, &caller);
                Ok(caller)
            }
            Err(problem) => {
                self.limits.failed(presented);
                self.limits.failures().count(request.source_address(), now);
                Err(problem.into())
            }
        }
    }

    /// Whoever was not known before is counted once their key was verified: a made-up secret must
    /// not use up what the real one has.
    async fn admit(
        &self,
        request: &Request,
        caller: &Caller,
        store: &Store,
        now: Timestamp,
    ) -> Result<(), Problem> {
        if request.standing().get().is_some() {
            return Ok(());
        }
        pass(request, self.limits.serve(caller, store, now).await)
    }
}

fn pass(request: &Request, verdict: Verdict) -> Result<(), Problem> {
    // The first one counts; there is no other, since it was looked for before.
    let standing = *request.standing().get_or_init(|| verdict.standing);
    if verdict.admitted {
        Ok(())
    } else {
        Err(Problem::too_many_requests(standing.seconds))
    }
}

enum Credentials {
    Operator(Mode),
    Key(PresentedKey),
}

impl Credentials {
    fn mode(&self) -> Mode {
        match self {
            Self::Operator(mode) => *mode,
            Self::Key(key) => key.mode,
        }
    }
}

/// Who presents a key: its end is told to those alone who know its secret.
fn verify(
    presented: &PresentedKey,
    stored: Option<ApiKey>,
    real_now: Timestamp,
) -> Result<Caller, Problem> {
    let stored = stored
        .filter(|stored| {
            presented.hash.matches(stored.hash.0)
                && stored.mode == presented.mode
                && stored.publishable == presented.publishable
        })
        .ok_or_else(Problem::no_such_key)?;
    match stored.life().state(real_now) {
        KeyState::Active => {}
        KeyState::Expired => return Err(Problem::key_expired(stored.id, stored.replaced_by)),
        KeyState::Revoked => return Err(Problem::no_such_key()),
    }
    Ok(Caller {
        key: Some(stored.id),
        mode: stored.mode,
        program: stored.program_id,
        scopes: stored.scopes.iter().map(|scope| scope.0).collect(),
        requests_per_minute: stored.requests_per_minute,
    })
}

fn idempotency(request: &Request, scope: IdempotencyScope) -> Result<Option<Idempotency>, Problem> {
    let writes = !request.method().is_safe();
    let Some(key) = request.header("idempotency-key").filter(|_| writes) else {
        return Ok(None);
    };
    let good = (1..=IDEMPOTENCY_KEY_CHARS_MAX).contains(&key.len())
        && key.bytes().all(|byte| byte.is_ascii_graphic());
    if !good {
        return Err(Problem::invalid_request(vec![Fault::new(
            "/headers/idempotency-key",
            format!("must be 1 to {IDEMPOTENCY_KEY_CHARS_MAX} visible ASCII characters"),
        )]));
    }
    let mut digest = Sha256::new();
    let method = request.method().as_str();
    let query = request
        .query()
        .iter()
        .flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
    for part in [method.as_bytes(), request.path().as_bytes(), request.body()]
        .into_iter()
        .chain(query)
    {
        digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(part);
    }
    let request_hash: String = digest
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok(Some(Idempotency {
        scope,
        key: key.to_owned(),
        request_hash,
    }))
}

impl Idempotency {
    fn record_key(&self) -> Key {
        keys::idempotency(self.scope, &self.key)
    }

    /// What is kept of an answer.
    fn record(&self, kept: &Response, real_now: Timestamp) -> IdempotencyRecord {
        let expires_at = real_now.checked_add(ANSWER_LIFE);
        IdempotencyRecord {
            request_hash: self.request_hash.clone(),
            status: kept.status(),
            body: kept.body_text().to_owned(),
            expires_at: expires_at.unwrap_or(Timestamp::MAX).as_second(),
        }
    }

    /// The stored answer, if the key was used before: for the same request, or for another one.
    fn replay(&self, loaded: &Loaded, real_now: Timestamp) -> Result<Option<Response>, Ended> {
        let record = loaded.read::<IdempotencyRecord>(&self.record_key())?;
        let Some(record) = record.filter(|record| record.expires_at > real_now.as_second()) else {
            return Ok(None);
        };
        if record.request_hash != self.request_hash {
            return Err(Problem::idempotency_key_reused().into());
        }
        Ok(Some(stored(record).header("idempotent-replayed", "true")))
    }
}

fn stored(record: IdempotencyRecord) -> Response {
    if record.body.is_empty() {
        Response::empty(record.status)
    } else {
        Response::json_text(record.status, record.body)
    }
}

impl Session {
    /// Scope, stored answer, body.
    fn enter<T>(&self, parsed: Result<T, Problem>) -> Result<T, Ended> {
        let missing = |scope: &Scope| !self.caller.may(*scope);
        if let Some(scope) = self.route.access.scope().filter(missing) {
            return Err(Problem::missing_scope(scope.as_str()).into());
        }
        if matches!(self.route.access, Access::Operator(_)) && self.caller.program.is_some() {
            let detail = "The key belongs to one program, and this concerns all of them.";
            return Err(Problem::of(Code::OperatorKeyNeeded, detail).into());
        }
        if let Some(answer) = self.replay_of(&self.loaded)? {
            return Err(Ended::Replayed(answer));
        }
        Ok(parsed?)
    }

    fn replay_of(&self, loaded: &Loaded) -> Result<Option<Response>, Ended> {
        self.idempotency
            .as_ref()
            .map_or(Ok(None), |call| call.replay(loaded, self.real_now))
    }

    /// Who acts, for histories: a key's id, an order source's, or the operator.
    #[must_use]
    pub fn actor(&self) -> String {
        self.recorded_by().to_string()
    }

    /// Who tells of something, for what is kept of it. A key that leaked is known by its id, and so is
    /// whatever was done with it.
    #[must_use]
    pub fn recorded_by(&self) -> Actor {
        self.actor
    }

    /// What a call of many transactions counts from. Whoever repeats it with its `Idempotency-Key`, because
    /// it never answered, goes on from what was said at first, and not from where it came to. `text` without
    /// such a key.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn counting_from(&self, text: String) -> Result<String, Ended> {
        let Some(call) = &self.idempotency else {
            return Ok(text);
        };
        // No caller's key has a space in it.
        let begun = Idempotency {
            key: format!("{} begun", call.key),
            request_hash: call.request_hash.clone(),
            ..*call
        };
        let kept = Response::json_text(200, text.clone());
        let mut commit = self.commit();
        commit.remember(begun.scope, &begun.key, &begun.record(&kept, self.real_now));
        match self.store.commit(commit).await {
            Ok(_) => Ok(text),
            Err(error) if error.lost_idempotency_race() => {
                let loaded = self.store.get([begun.record_key()]).await?;
                let before = begun.replay(&loaded, self.real_now)?;
                let before = before.map(|kept| kept.body_text().to_owned());
                before.ok_or(Ended::Outdated)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// An empty decision outside any program.
    #[must_use]
    pub fn commit(&self) -> Commit {
        Commit::of_operator(self.real_now, self.real_now, self.desk.random())
    }

    /// The desk: randomness and time.
    #[must_use]
    pub fn desk(&self) -> &Desk {
        &self.desk
    }

    /// Writes a decision together with its answer and what the audit log says of it, and gives the
    /// answer. If a twin of this call was first, its answer is given instead.
    ///
    /// # Errors
    /// [`Ended::Outdated`] when what was read does not hold any more.
    pub async fn finish(
        &self,
        commit: Commit,
        change: Change,
        answer: Response,
    ) -> Result<Response, Ended> {
        let kept = answer.clone();
        self.finish_keeping(commit, change, answer, kept).await
    }

    /// Gives the answer of a call that changes nothing, because it was so already; the answer is kept
    /// for whoever repeats the call.
    ///
    /// # Errors
    /// [`Ended::Replayed`] when a twin of this call was first.
    pub async fn unchanged(&self, answer: Response) -> Result<Response, Ended> {
        self.finish(self.commit(), Change::nothing(), answer).await
    }

    /// Writes a part of a decision that is too large for one transaction, together with what the
    /// audit log says of it. The last part is for [`Self::finish`].
    ///
    /// # Errors
    /// [`Ended::Outdated`] when what was read does not hold any more.
    pub async fn write_part(&self, mut commit: Commit, change: Change) -> Result<(), Ended> {
        self.log(&mut commit, change)?;
        self.store.commit(commit).await?;
        Ok(())
    }

    /// Adds what the audit log says of a decision.
    fn log(&self, commit: &mut Commit, change: Change) -> Result<(), Ended> {
        let log = change.program().map_or(self.log, AuditLog::Program);
        let by = By {
            id: self.desk.id(self.real_now),
            actor: self.actor(),
            route: self.route.id,
            request_id: &self.request_id,
        };
        let entry = change.entry(!commit.is_empty(), by);
        if let Some(entry) = entry.map_err(Problem::internal)? {
            commit.audit(log, &entry);
        }
        Ok(())
    }

    /// As [`Self::finish`], for an answer of which a part is told once only: `kept` is what a
    /// repetition is told.
    ///
    /// # Errors
    /// [`Ended::Outdated`] when what was read does not hold any more.
    pub async fn finish_keeping(
        &self,
        mut commit: Commit,
        change: Change,
        answer: Response,
        kept: Response,
    ) -> Result<Response, Ended> {
        self.log(&mut commit, change)?;
        if let Some(call) = &self.idempotency {
            if kept.body_text().len() > ANSWER_BYTES_MAX {
                return Err(Problem::internal("an answer is too large to be kept").into());
            }
            commit.remember(call.scope, &call.key, &call.record(&kept, self.real_now));
        }
        match self.store.commit(commit).await {
            Ok(_) => Ok(answer),
            Err(error) if error.lost_idempotency_race() => self.answer_of_twin().await,
            Err(error) => Err(error.into()),
        }
    }

    async fn answer_of_twin(&self) -> Result<Response, Ended> {
        let Some(call) = &self.idempotency else {
            return Err(Ended::Outdated);
        };
        let loaded = self.store.get([call.record_key()]).await?;
        match call.replay(&loaded, self.real_now)? {
            Some(answer) => Err(Ended::Replayed(answer)),
            None => Err(Ended::Outdated),
        }
    }
}

fn is_last(attempt: u8) -> bool {
    attempt.saturating_add(1) >= DECISIONS_MAX
}

/// Makes a handler of a use case: decides again, from the start, when what it read did not hold
/// any more.
pub fn deciding<S, F, A>(state: &Arc<S>, decide: F) -> impl Handler + use<S, F, A>
where
    S: Send + Sync + 'static,
    F: Fn(Arc<S>, Arc<Request>, Invocation) -> A + Send + Sync + 'static,
    A: Future<Output = Result<Response, Ended>> + Send + 'static,
{
    let (state, decide) = (Arc::clone(state), Arc::new(decide));
    move |request: Request, invocation: Invocation| {
        let (state, decide, request) = (Arc::clone(&state), Arc::clone(&decide), Arc::new(request));
        async move {
            let has_twins = request.header("idempotency-key").is_some();
            let mut looked_again = false;
            for lost in 0..DECISIONS_MAX {
                if let Some(before) = lost.checked_sub(1) {
                    let_others_pass(before).await;
                }
                match decide(Arc::clone(&state), Arc::clone(&request), invocation.clone()).await {
                    Ok(response) | Err(Ended::Replayed(response)) => return Ok(response),
                    // What stands in the way may be what a twin of this call has just done, after
                    // its stored answer was looked for here and before the rest was read.
                    Err(Ended::Refused(problem))
                        if has_twins
                            && !looked_again
                            && !is_last(lost)
                            && problem.is_of_state() =>
                    {
                        looked_again = true;
                    }
                    Err(Ended::Refused(problem)) => return Err(problem),
                    Err(Ended::Outdated) => {}
                }
            }
            Err(Problem::race("what this call changes"))
        }
    }
}
