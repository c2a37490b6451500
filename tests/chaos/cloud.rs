//! AWS as it may be: the functions of the bundle, and around them everything that can be late, lost,
//! twice or out of order. One turn after the other, each chosen by the dice, on one thread.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::Hasher;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use jiff::{SignedDuration, Timestamp};
use kith_connectors::{Client, Messenger, Reach};
use kith_edge::{Clock, Function, Invocation};
use kith_local::functions::Registry;
use kith_local::gateway::{
    Answer, Caller, INTEGRATION_TIMEOUT, Routes, answer_of, event_of, refusal,
};
use kith_local::mapping::report::{self, Report};
use kith_local::mapping::{queue_event, schedule_event, stream_event};
use kith_local::queues::Message;
use kith_local::table::StreamRecord;
use kith_local::template::QueueMapping;
use kith_local::{Options, Parts, Place};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::clock::SimulatedClock;
use crate::dice::{Bytes, Dice};
use crate::endpoint::{OneEndpoint, Taken};
use crate::fault::Fault;
use crate::gate::{Gate, INVOCATION, Waits};

/// The port that is written in links. Nothing listens there.
const PORT: u16 = 8787;
/// What passes from one turn to the next.
const TICK: Duration = Duration::from_millis(1);
/// What passes when there is nothing to happen.
const IDLE: Duration = Duration::from_millis(50);
/// How often the schedule fires.
const SWEEP_EVERY: SignedDuration = SignedDuration::from_mins(1);
/// How far the clock of a process may be off.
const SKEW_MS_MAX: usize = 900;
/// Turns in which everything has to come to rest once nothing fails any more.
const TURNS_TO_REST: usize = 30_000;
/// How often the mail provider may fail where others may once.
const MAIL_CHANCES: usize = 3;
/// Batches of one queue, or runs of the schedule, at the same time.
const AT_ONCE: usize = 3;

/// How a call to a function did not end.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The process is gone.
    Crashed,
    /// It said that it failed.
    Failed,
}

/// The answer to a client is lost, or the call was.
#[derive(Debug)]
pub(crate) struct Lost;

/// A call of a client.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) key: Option<String>,
    pub(crate) idempotency_key: Option<String>,
    /// Others, by which a shop system says who calls.
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Option<Value>,
    /// The last part of the client's address.
    pub(crate) from: u8,
}

/// A message that was sent and is not done yet.
struct Held {
    queue: String,
    message: Message,
}

/// A stretch of the stream, and how often it was tried.
struct Part {
    records: Vec<StreamRecord>,
    attempts: u32,
}

struct State {
    dice: Dice,
    /// Something fails once in so many times; never, when everything is to come to rest.
    rarity: Option<usize>,
    /// How rarely something fails in this history.
    fails_once_in: usize,
    /// Which faults this history has more of, and which it has none of.
    moods: u64,
    idle: BTreeMap<String, Vec<Arc<dyn Function>>>,
    held: Vec<Held>,
    dead: Vec<Held>,
    at_work: BTreeMap<String, usize>,
    parts: VecDeque<Part>,
    relays: bool,
    read_to: Option<String>,
    /// How many writes there were when the stream was read to its end.
    read_at: Option<u64>,
    /// Everything that the stream told, in order.
    told: Vec<Value>,
    /// Where the entries of the due index stand, by the keys of their items.
    due: BTreeMap<String, String>,
    /// Until when the mail provider takes nothing.
    no_mail_until: Timestamp,
    /// When the schedule fired last.
    swept: Timestamp,
    invocations: u64,
    turns: usize,
    trace: Trace,
}

/// What happened, as a number: the same for the same history.
#[derive(Default)]
struct Trace {
    hasher: std::hash::DefaultHasher,
    lines: Vec<String>,
    kept: bool,
}

impl Trace {
    fn add(&mut self, turn: usize, line: String) {
        self.hasher.write(line.as_bytes());
        if self.kept {
            self.lines.push(format!("{turn:5} {line}"));
        }
    }
}

/// How a history has a fault. What nothing else gets in the way of comes to more: two faults that hide each
/// other in one history do not in another (Groce and others, "Swarm testing", 2012).
enum Mood {
    Never,
    Usual,
    Often,
}

impl Mood {
    fn of(fault: Fault, moods: u64) -> Self {
        match Dice::new(moods ^ fault as u64).roll(8) {
            0 | 1 => Self::Never,
            2..=5 => Self::Usual,
            _ => Self::Often,
        }
    }

    /// How many chances it has against the others that may happen at the same place.
    fn chances(self) -> usize {
        match self {
            Self::Never => 0,
            Self::Usual => 1,
            Self::Often => 4,
        }
    }
}

/// One bundle in its history. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Cloud(Arc<Inner>);

struct Inner {
    parts: Parts,
    registry: Registry,
    routes: Routes,
    clock: SimulatedClock,
    gate: Gate,
    endpoint: OneEndpoint,
    state: Mutex<State>,
}

enum Choice {
    Let(usize),
    LateRequest(usize),
    Relay,
    Deliver(usize),
    Schedule,
    Stall,
}

impl Cloud {
    pub(crate) fn new(mut dice: Dice, keeps_trace: bool) -> Self {
        let clock = SimulatedClock::new();
        let gate = Gate::default();
        let of_functions = gate.clone();
        let options = Options {
            place: Place::Memory,
            clock: Arc::new(clock),
            randomness: Arc::new(Bytes::new(dice.split())),
            wrap_client: Some(Arc::new(move |package, inner| {
                of_functions.over(package, inner)
            })),
            ..Options::default()
        };
        let endpoint = OneEndpoint::new(gate.clone());
        let parts = Parts::new(&options, PORT, "http://127.0.0.1:1").unwrap();
        let fails_once_in = [6, 15, 15, 40, 200][dice.roll(5)];
        let moods = dice.next();
        Self(Arc::new(Inner {
            routes: Routes::new(&parts.template.routes),
            registry: registry(&endpoint),
            endpoint,
            parts,
            clock,
            gate,
            state: Mutex::new(State {
                dice,
                rarity: None,
                fails_once_in,
                moods,
                idle: BTreeMap::new(),
                held: Vec::new(),
                dead: Vec::new(),
                at_work: BTreeMap::new(),
                parts: VecDeque::new(),
                relays: false,
                read_to: None,
                read_at: None,
                no_mail_until: clock.now(),
                swept: clock.now(),
                told: Vec::new(),
                due: BTreeMap::new(),
                invocations: 0,
                turns: 0,
                trace: Trace {
                    kept: keeps_trace,
                    ..Trace::default()
                },
            }),
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.0.gate
    }

    pub(crate) fn parts(&self) -> &Parts {
        &self.0.parts
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// A variable that every function behind the API has.
    pub(crate) fn operator_key(&self, name: &str) -> String {
        self.0.parts.environments["program-api"].variables[name].clone()
    }

    /// What happened so far, as a number and, if they are kept, as lines.
    pub(crate) fn trace(&self) -> (u64, Vec<String>) {
        let state = self.state();
        (state.trace.hasher.finish(), state.trace.lines.clone())
    }

    pub(crate) fn turns(&self) -> usize {
        self.state().turns
    }

    /// What the endpoint of webhooks took.
    pub(crate) fn taken(&self) -> Taken {
        self.0.endpoint.taken()
    }

    /// Takes what the stream told, in order.
    pub(crate) fn take_told(&self) -> Vec<Value> {
        std::mem::take(&mut self.state().told)
    }

    /// The earliest work that has a time, as the stream told: in real time for live programs; `None` when
    /// nothing has.
    pub(crate) fn next_due(&self, is_live: bool) -> Option<Timestamp> {
        let state = self.state();
        let times = state
            .due
            .values()
            .filter_map(|sk| match sk.strip_prefix("real#") {
                Some(rest) => Some(rest),
                None => is_live.then_some(sk.as_str()),
            });
        let times = times.map(|sk| sk.split('#').next().unwrap().parse().unwrap());
        times.min()
    }

    /// The bodies of dead letters, with the queues that they were for.
    pub(crate) fn dead(&self) -> Vec<(String, String)> {
        let state = self.state();
        let told = |held: &Held| (held.queue.clone(), held.message.body.clone());
        state.dead.iter().map(told).collect()
    }

    /// From now on things fail.
    pub(crate) fn fail(&self) {
        let mut state = self.state();
        state.rarity = Some(state.fails_once_in);
    }

    /// From now on nothing fails.
    pub(crate) fn calm(&self) {
        self.state().rarity = None;
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.state().rarity.is_none()
    }

    pub(crate) fn roll(&self, sides: usize) -> usize {
        self.state().dice.roll(sides)
    }

    fn note(&self, line: String) {
        let mut state = self.state();
        let turn = state.turns;
        state.trace.add(turn, line);
    }

    /// Whether something fails now on the way to functions: the fault is counted.
    fn fails(&self, fault: Fault, rarer: usize) -> bool {
        self.fails_in("", fault, rarer)
    }

    /// The same for a function of this package.
    fn fails_in(&self, package: &str, fault: Fault, rarer: usize) -> bool {
        let mut state = self.state();
        let Some(rarity) = state.rarity else {
            return false;
        };
        let rarity = rarity.saturating_mul(rarer);
        let fails = match Mood::of(fault, state.moods) {
            Mood::Never => false,
            Mood::Usual => state.dice.once_in(rarity),
            Mood::Often => state.dice.once_in(3.max(rarity / 4)),
        };
        if fails {
            let turn = state.turns;
            state.trace.add(turn, format!("fault {fault}"));
            drop(state);
            self.0.gate.note_in(package, fault);
        }
        fails
    }

    // ------------------------------------------------------------------------------------- functions

    /// A process that is idle, or a new one.
    fn instance(&self, package: &str) -> Arc<dyn Function> {
        let fresh = {
            let mut state = self.state();
            let cold = state.dice.once_in(8);
            let idle = state.idle.entry(package.to_owned()).or_default();
            if cold { None } else { idle.pop() }
        };
        if let Some(instance) = fresh {
            return instance;
        }
        let mut environment = self.0.parts.environments[package].clone();
        if self.fails_in(package, Fault::Skewed, 1) {
            let ms = self.roll(2 * SKEW_MS_MAX + 1);
            let off = i64::try_from(ms).unwrap() - i64::try_from(SKEW_MS_MAX).unwrap();
            let clock = self.0.clock.skewed(SignedDuration::from_millis(off));
            environment.clock = Arc::new(clock);
        }
        let construct = self.0.registry.constructor(package).unwrap();
        construct(&environment).unwrap().into()
    }

    /// Has a function handle an event.
    async fn invoke(&self, package: &str, event: String) -> Result<Box<RawValue>, Ended> {
        let gate = self.gate();
        let function = self.instance(package);
        let id = {
            let mut state = self.state();
            state.invocations += 1;
            state.invocations
        };
        let timeout = self.0.parts.template.functions[package].timeout;
        let invocation = Invocation {
            request_id: format!("invocation-{id}"),
            deadline: self.now() + SignedDuration::try_from(timeout).unwrap(),
        };
        let event = RawValue::from_string(event).unwrap();
        let work = {
            let function = Arc::clone(&function);
            INVOCATION.scope(id, async move { function.invoke(event, invocation).await })
        };
        let task = tokio::spawn(work);
        let handle = task.abort_handle();
        gate.runs(id, handle.clone());
        let outcome = tokio::time::timeout(timeout, task).await;
        gate.ended(id);
        let ended = match outcome {
            Ok(Ok(Ok(answer))) => Ok(answer),
            Ok(Ok(Err(_))) => Err(Ended::Failed),
            Ok(Err(error)) => {
                if error.is_panic() {
                    gate.find(format!("{package} panicked"));
                }
                return Err(Ended::Crashed);
            }
            Err(_) => {
                handle.abort();
                gate.note_in(package, Fault::TimedOut);
                return Err(Ended::Crashed);
            }
        };
        let mut state = self.state();
        state
            .idle
            .entry(package.to_owned())
            .or_default()
            .push(function);
        ended
    }

    // ------------------------------------------------------------------------------------- clients

    /// Calls the API.
    pub(crate) async fn call(&self, request: &Request) -> Result<Answer, Lost> {
        let label = format!("{} {}", request.method, template_of(&request.path));
        let lost = self.gate().pass(Waits::Call, format!("call {label}"));
        if lost.await.is_some() {
            return Err(Lost);
        }
        let answer = self.answer(request).await;
        let label = format!("answer {} {label}", answer.status().as_u16());
        if self.gate().pass(Waits::Answer, label).await.is_some() {
            return Err(Lost);
        }
        Ok(answer)
    }

    async fn answer(&self, request: &Request) -> Answer {
        let uri: Uri = request.path.parse().unwrap();
        let matched = self.0.routes.select(request.method, uri.path()).unwrap();
        let mut headers = HeaderMap::new();
        let mut head = |name: HeaderName, value: &str| {
            headers.insert(name, HeaderValue::from_str(value).unwrap());
        };
        head(http::header::HOST, "127.0.0.1:8787");
        head(http::header::USER_AGENT, BROWSER);
        head(http::header::ACCEPT, "application/json");
        if let Some(key) = &request.key {
            head(http::header::AUTHORIZATION, &format!("Bearer {key}"));
        }
        if let Some(key) = &request.idempotency_key {
            head(HeaderName::from_static("idempotency-key"), key);
        }
        for (name, value) in &request.headers {
            head(HeaderName::from_static(name), value);
        }
        let body = request.body.as_ref().map(Value::to_string);
        if body.is_some() {
            head(http::header::CONTENT_TYPE, "application/json");
        }
        let caller = Caller {
            peer: SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 51, 100, request.from)), 4711),
            port: PORT,
            at: self.now(),
            request_id: format!("request-{}", self.roll(1 << 30)),
        };
        let event = event_of(
            request.method,
            &uri,
            &headers,
            body.unwrap_or_default().as_bytes(),
            &matched,
            &caller,
        );
        let invocation = self.invoke(&matched.route.package, event.to_string());
        match tokio::time::timeout(INTEGRATION_TIMEOUT, invocation).await {
            Ok(Ok(returned)) => answer_of(returned.get()),
            Ok(Err(_)) => refusal(
                http::StatusCode::INTERNAL_SERVER_ERROR,
                "Internal Server Error",
            ),
            Err(_) => refusal(http::StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"),
        }
    }

    // ------------------------------------------------------------------------------------- turns

    /// Lets everything go on that can go on by itself, then lets one thing happen. False if there was
    /// nothing to happen.
    pub(crate) async fn turn(&self) -> bool {
        // The runtime moves its clock only when nothing else can be done.
        tokio::time::sleep(TICK).await;
        self.state().turns += 1;
        self.collect();
        let Some(choice) = self.choose() else {
            tokio::time::sleep(IDLE).await;
            return false;
        };
        match choice {
            Choice::Let(place) => {
                let point = self.gate().take(place);
                let fault = self.fault_of(point.waits, &point.label);
                point.go(fault);
            }
            Choice::LateRequest(place) => {
                self.note("a late request takes effect".to_owned());
                self.gate().let_in(place).await;
            }
            Choice::Relay => self.relay(),
            Choice::Deliver(place) => self.deliver(place),
            Choice::Schedule => self.schedule(),
            Choice::Stall => {
                let ms = [300, 2_000, 20_000, 200_000][self.roll(4)];
                self.note(format!("{ms} ms pass"));
                self.gate().note(Fault::Stalled);
                tokio::time::advance(Duration::from_millis(ms)).await;
            }
        }
        true
    }

    /// Takes what was sent out of the queues: from here on they are what the dice make of them.
    fn collect(&self) {
        if !self.gate().take_sent() {
            return;
        }
        let queues = &self.0.parts.services.queues;
        for mapping in &self.0.parts.template.queue_mappings {
            loop {
                let received = queues.receive(&mapping.queue, 10, None).unwrap();
                if received.is_empty() {
                    break;
                }
                let mut state = self.state();
                for message in received {
                    queues.delete(&mapping.queue, &message.receipt).unwrap();
                    let queue = mapping.queue.clone();
                    state.held.push(Held { queue, message });
                }
            }
        }
    }

    /// Reads the stream on, if what was read is dealt with.
    fn read_on(&self) {
        let mut state = self.state();
        let parts = &self.0.parts;
        let table = &parts.services.table;
        let written = *table.writes().borrow();
        if !state.parts.is_empty() || state.read_at == Some(written) {
            return;
        }
        state.read_at = Some(written);
        let arn = parts.names.stream_arn(table.name());
        let records = table
            .stream_after(state.read_to.as_deref(), &arn, &parts.names.region)
            .unwrap();
        let Some(last) = records.last() else {
            return;
        };
        // There may be more than one page of it.
        state.read_at = None;
        state.read_to = Some(last.sequence_number.clone());
        for record in &records {
            let ((pk, sk), due) = due_of(&record.record);
            self.gate().note_written(&pk, &sk);
            let key = format!("{pk} {sk}");
            match due {
                Some(due) => state.due.insert(key, due),
                None => state.due.remove(&key),
            };
            state.told.push(record.record.clone());
        }
        let mapping = &parts.template.stream_mappings[0];
        let mut left: VecDeque<StreamRecord> = records
            .into_iter()
            .filter(|record| mapping.filter.passes(&record.record))
            .collect();
        while !left.is_empty() {
            let most = left.len().min(mapping.batch_size).min(8);
            let size = if state.rarity.is_some() {
                1 + state.dice.roll(most)
            } else {
                most
            };
            let records = left.drain(..size).collect();
            state.parts.push_back(Part {
                records,
                attempts: 0,
            });
        }
    }

    fn choose(&self) -> Option<Choice> {
        self.read_on();
        let waiting = self.gate().waiting();
        let late = self.gate().late();
        let mut state = self.state();
        let relays = !state.relays && !state.parts.is_empty();
        let free: Vec<usize> = (0..state.held.len())
            .filter(|place| {
                let queue = &state.held[*place].queue;
                state.at_work.get(queue).copied().unwrap_or(0) < AT_ONCE
            })
            .collect();
        if state.rarity.is_none() {
            // First come, first served.
            return match (waiting, late, relays, free.first()) {
                (1.., _, _, _) => Some(Choice::Let(0)),
                (_, 1.., _, _) => Some(Choice::LateRequest(0)),
                (_, _, true, _) => Some(Choice::Relay),
                (_, _, _, Some(place)) => Some(Choice::Deliver(*place)),
                _ => None,
            };
        }
        let schedules = state.at_work.get("schedule").copied().unwrap_or(0);
        let waits_a_minute = self.now().duration_since(state.swept) >= SWEEP_EVERY;
        if waiting + late + free.len() == 0 && !relays && !waits_a_minute {
            return (state.dice.once_in(40)).then_some(Choice::Stall);
        }
        let stalls = match Mood::of(Fault::Stalled, state.moods) {
            Mood::Never => false,
            Mood::Usual => state.dice.once_in(8),
            // A day on which everything takes long.
            Mood::Often => state.dice.once_in(2),
        };
        let weights = [
            12 * waiting.min(4),
            2 * late,
            if relays { 5 } else { 0 },
            5 * free.len().min(2),
            usize::from(waits_a_minute && schedules < 2),
            usize::from(stalls),
        ];
        let sum: usize = weights.iter().sum();
        if sum == 0 {
            return None;
        }
        let mut drawn = state.dice.roll(sum);
        let chosen = weights
            .iter()
            .position(|weight| {
                let here = drawn < *weight;
                drawn = drawn.wrapping_sub(*weight);
                here
            })
            .unwrap();
        Some(match chosen {
            0 => Choice::Let(state.dice.roll(waiting)),
            1 => Choice::LateRequest(state.dice.roll(late)),
            2 => Choice::Relay,
            3 => Choice::Deliver(free[state.dice.roll(free.len())]),
            4 => Choice::Schedule,
            _ => Choice::Stall,
        })
    }

    /// Whether what waited meets a fault, and which.
    fn fault_of(&self, waits: Waits, label: &str) -> Option<Fault> {
        self.note(label.to_owned());
        let moods = self.state().moods;
        let chances = |fault: &Fault| Mood::of(*fault, moods).chances();
        let faults = waits.faults().iter();
        let faults = faults.flat_map(|fault| std::iter::repeat_n(*fault, chances(fault)));
        let faults: Vec<Fault> = faults.collect();
        if faults.is_empty() {
            return None;
        }
        let fault = faults[self.roll(faults.len())];
        let package = label.split(' ').next().unwrap_or_default();
        if waits == Waits::Mail {
            return self.fault_of_mail(package, fault);
        }
        self.fails_in(package, fault, 1).then_some(fault)
    }

    /// The same for mail, which somebody else's service sends: it fails more often, and where it is asked
    /// for too much it takes nothing for minutes.
    fn fault_of_mail(&self, package: &str, fault: Fault) -> Option<Fault> {
        let now = self.now();
        if !self.is_calm() && self.state().no_mail_until > now {
            self.gate().note_in(package, Fault::Throttled);
            return Some(Fault::Throttled);
        }
        let fails = (0..MAIL_CHANCES).any(|_| self.fails_in(package, fault, 1));
        if fails && fault == Fault::Throttled {
            let minutes =
                SignedDuration::from_mins(1 + i64::from(u8::try_from(self.roll(10)).unwrap()));
            self.state().no_mail_until = now + minutes;
        }
        fails.then_some(fault)
    }

    /// Hands the next batch of the stream over.
    fn relay(&self) {
        let part = {
            let mut state = self.state();
            state.relays = true;
            state.parts.pop_front().unwrap()
        };
        self.note(format!("relay {}", part.records.len()));
        let cloud = self.clone();
        tokio::spawn(async move {
            cloud.relay_part(part).await;
            cloud.state().relays = false;
        });
    }

    async fn relay_part(&self, mut part: Part) {
        if self.fails(Fault::BatchLost, 4) {
            return;
        }
        let mapping = &self.0.parts.template.stream_mappings[0];
        let event = stream_event(&part.records).to_string();
        let answer = self.invoke(&mapping.package, event).await;
        let ids: BTreeSet<String> = part
            .records
            .iter()
            .map(|record| record.sequence_number.clone())
            .collect();
        let failed = failed(answer, ids);
        let twice = failed.is_empty() && self.fails(Fault::BatchTwice, 2);
        let first = part
            .records
            .iter()
            .position(|record| failed.contains(&record.sequence_number));
        let mut state = self.state();
        if twice {
            state.parts.push_front(part);
            return;
        }
        let Some(first) = first else {
            return;
        };
        part.records.drain(..first);
        part.attempts += 1;
        if part.records.len() > 1 {
            let records = part.records.split_off(part.records.len().div_ceil(2));
            let attempts = 0;
            state.parts.push_front(Part { records, attempts });
            part.attempts = 0;
        }
        if part.attempts > mapping.retries_max {
            drop(state);
            self.gate().note(Fault::BatchLost);
        } else {
            state.parts.push_front(part);
        }
    }

    /// Hands a batch over that begins with this message; the others are any of the same queue.
    fn deliver(&self, place: usize) {
        let first = self.state().held.remove(place);
        self.note(format!("deliver {}", first.queue));
        if self.fails(Fault::MessageLost, 2) {
            return;
        }
        if place > 0 && !self.is_calm() {
            self.gate().note(Fault::MessageLate);
        }
        let mappings = &self.0.parts.template.queue_mappings;
        let mapping = mappings
            .iter()
            .find(|mapping| mapping.queue == first.queue)
            .unwrap()
            .clone();
        let mut batch = vec![first.message];
        {
            let mut state = self.state();
            while batch.len() < mapping.batch_size {
                let same: Vec<usize> = (0..state.held.len())
                    .filter(|place| state.held[*place].queue == mapping.queue)
                    .collect();
                let goes_on = state.rarity.is_none() || !state.dice.once_in(3);
                let Some(place) = same.first().filter(|_| goes_on).copied() else {
                    break;
                };
                batch.push(state.held.remove(place).message);
            }
        }
        if self.fails(Fault::MessageTwice, 1) {
            let again = batch.iter().map(|message| Message {
                message_id: format!("{}-again", message.message_id),
                ..message.clone()
            });
            if self.roll(2) == 0 {
                let held = again.map(|message| Held {
                    queue: mapping.queue.clone(),
                    message,
                });
                self.state().held.extend(held);
            } else {
                self.hand_over(mapping.clone(), again.collect());
            }
        }
        self.hand_over(mapping, batch);
    }

    fn hand_over(&self, mapping: QueueMapping, mut batch: Vec<Message>) {
        for message in &mut batch {
            message.receives += 1;
        }
        *self
            .state()
            .at_work
            .entry(mapping.queue.clone())
            .or_default() += 1;
        let cloud = self.clone();
        tokio::spawn(async move {
            cloud.deliver_batch(&mapping, batch).await;
            *cloud.state().at_work.get_mut(&mapping.queue).unwrap() -= 1;
        });
    }

    async fn deliver_batch(&self, mapping: &QueueMapping, batch: Vec<Message>) {
        let parts = &self.0.parts;
        let event = queue_event(&parts.names, &mapping.queue, &batch).to_string();
        let answer = self.invoke(&mapping.package, event).await;
        let ids = batch.iter().map(|message| message.message_id.clone());
        let failed = failed(answer, ids.collect());
        let redrive = parts.template.queues[&mapping.queue].redrive.as_ref();
        let receives_max = redrive.unwrap().max_receives;
        let mut state = self.state();
        for message in batch {
            if failed.contains(&message.message_id) {
                let dies = message.receives >= receives_max;
                let queue = mapping.queue.clone();
                let held = Held { queue, message };
                if dies {
                    state.dead.push(held);
                } else {
                    state.held.push(held);
                }
            }
        }
    }

    /// Fires the schedule.
    pub(crate) fn schedule(&self) {
        let parts = &self.0.parts;
        let schedule = &parts.template.schedules[0];
        let at_work = {
            let mut state = self.state();
            state.swept = self.now();
            let at_work = state.at_work.entry("schedule".to_owned()).or_default();
            *at_work += 1;
            *at_work
        };
        self.note("schedule".to_owned());
        if at_work > 1 {
            self.gate().note(Fault::ScheduleTwice);
        }
        let event = schedule_event(&parts.names, &schedule.name, "event", self.now()).to_string();
        let cloud = self.clone();
        tokio::spawn(async move {
            let package = &cloud.0.parts.template.schedules[0].package;
            let _ = cloud.invoke(package, event).await;
            *cloud.state().at_work.get_mut("schedule").unwrap() -= 1;
        });
    }

    /// Turns until something is done.
    pub(crate) async fn finish<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let work = tokio::spawn(work);
        while !work.is_finished() {
            self.turn().await;
        }
        work.await.unwrap()
    }

    /// Turns until nothing happens any more. To be called once nothing fails.
    pub(crate) async fn rest(&self) {
        for _ in 0..TURNS_TO_REST {
            if !self.turn().await && self.is_quiet() {
                return;
            }
        }
        self.gate().find("it does not come to rest".to_owned());
    }

    /// Whether nothing is under way.
    pub(crate) fn is_quiet(&self) -> bool {
        let state = self.state();
        self.gate().running() == 0
            && !state.relays
            && state.parts.is_empty()
            && state.held.is_empty()
            && state.at_work.values().all(|count| *count == 0)
    }
}

/// The functions, with one endpoint for all that is posted.
fn registry(endpoint: &OneEndpoint) -> Registry {
    let client = Client::over(Reach::LocalToo, Arc::new(endpoint.clone())).unwrap();
    let messenger = move |_| Messenger::over(client.clone());
    let other = messenger.clone();
    kith_local::registry()
        .with("event-delivery", move |environment| {
            event_delivery::function_that_posts(environment, messenger.clone())
        })
        .with("reward-disbursement", move |environment| {
            reward_disbursement::function_that_posts(environment, other.clone())
        })
}

/// A person's browser.
const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// What did not succeed of what was handed over.
fn failed(answer: Result<Box<RawValue>, Ended>, ids: BTreeSet<String>) -> BTreeSet<String> {
    match answer.map(|answer| report::read(answer.get(), &ids)) {
        Ok(Report::Failed(failed)) => failed,
        Ok(Report::AllFailed) | Err(_) => ids,
    }
}

/// The key of a written item, and where it stands in the due index if it is due.
fn due_of(record: &Value) -> ((String, String), Option<String>) {
    let (keys, image) = (&record["dynamodb"]["Keys"], &record["dynamodb"]["NewImage"]);
    let text = |value: &Value| value["S"].as_str().map(str::to_owned);
    let pk = text(&image["due_pk"]).filter(|pk| pk.starts_with("DUE#"));
    let due = pk.and_then(|_| text(&image["due_sk"]));
    let key = |name: &str| text(&keys[name]).unwrap_or_default();
    ((key("pk"), key("sk")), due)
}

/// A path without what differs from one run to the next.
fn template_of(path: &str) -> String {
    let parts = path.split('/').map(|part| {
        let is_word = part.len() < 20 && !part.contains('_');
        if is_word { part } else { "…" }
    });
    parts.collect::<Vec<_>>().join("/")
}
