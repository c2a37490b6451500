//! Many calls in one: a line of JSON each, every one answered as the single call answers it, by the
//! handler of the single call. A line is nothing but a request.

use std::collections::{BTreeMap, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::{FutureExt, StreamExt};
use jiff::SignedDuration;
use kith_contract::problems::Code;
use kith_contract::requests::IDEMPOTENCY_KEY_CHARS_MAX;
use serde_json::Value;

use super::{Handler, Place, Problem, Request, Response, panicked};
use crate::environment::Clock;
use crate::fields::Fields;
use crate::function::{BoxFuture, Invocation};
use crate::json::{BODY_BYTES_MAX, Faults, is_utf8};

/// The most lines of a call.
pub const LINES_MAX: usize = 500;
/// What a bulk call's path ends with; before it stands the path of the single call.
const PATH_END: &str = "/bulk";
const NDJSON: &str = "application/x-ndjson";
/// How many lines are under way at once.
const CONCURRENCY: usize = 8;
/// No line is begun with less time left than this.
const RESERVE: SignedDuration = SignedDuration::from_secs(3);
/// Answers of lines are given whole up to here, as they are written inside the answer of a function,
/// which has 6 MB at most.
const ANSWER_BYTES_MAX: usize = 5 * 1_024 * 1_024;
/// The longest idempotency key: with the number of a line behind it, such as `/500`, it is one of a
/// single call.
const KEY_CHARS_MAX: usize = IDEMPOTENCY_KEY_CHARS_MAX - "/500".len();

/// The lines of a bulk call, not looked at yet.
#[derive(Debug)]
pub struct Lines(Vec<Vec<u8>>);

impl Lines {
    /// The lines of the body.
    ///
    /// # Errors
    /// 415 for another media type than `application/x-ndjson` in UTF-8, 413 for a body that is too
    /// large, 422 for none or too many lines, a query, or an idempotency key that is too long.
    pub fn read(request: &Request) -> Result<Self, Problem> {
        if request.body().len() > BODY_BYTES_MAX {
            return Err(Problem::body_too_large(BODY_BYTES_MAX));
        }
        if request.content_type().as_deref() != Some(NDJSON) || !is_utf8(request) {
            return Err(Problem::unsupported_media_type(&format!(
                "{NDJSON} in UTF-8"
            )));
        }
        let mut faults = Faults::default();
        Fields::of_query(request).finish(&mut faults);
        let key = request.header("idempotency-key");
        if key.is_some_and(|key| key.len() > KEY_CHARS_MAX) {
            let detail = format!("must be at most {KEY_CHARS_MAX} characters for many lines");
            faults.add("/headers/idempotency-key", detail);
        }
        let body = request.body();
        // The last line may be ended or not.
        let body = body.strip_suffix(b"\n").unwrap_or(body);
        let lines: Vec<Vec<u8>> = body
            .split(|byte| *byte == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line).to_vec())
            .collect();
        if request.body().is_empty() || lines.len() > LINES_MAX {
            faults.add("", format!("must have 1 to {LINES_MAX} lines"));
        }
        faults.into_result()?;
        Ok(Self(lines))
    }
}

/// A bulk call that may be made.
pub struct Bulk<'a> {
    /// The call.
    pub request: &'a Request,
    /// Its invocation: no line is begun when its time runs out.
    pub invocation: &'a Invocation,
    /// Real time.
    pub clock: Arc<dyn Clock>,
    /// What answers the single call.
    pub single: Arc<dyn Handler>,
    /// What a line is about: lines that have anything in common come one after the other, in the
    /// order in which they stand.
    pub about: fn(&Value) -> Vec<String>,
}

impl Bulk<'_> {
    /// Answers every line, in its own line.
    pub async fn answer(self, lines: Lines) -> Response {
        let groups = groups(&lines.0, self.about);
        let line = Line {
            request: self.request.single(PATH_END),
            invocation: self.invocation.clone(),
            clock: self.clock,
            single: self.single,
        };
        let line = Arc::new(line);
        let mut lines: Vec<Option<Vec<u8>>> = lines.0.into_iter().map(Some).collect();
        let work: Vec<BoxFuture<'static, Vec<(usize, Response)>>> = groups
            .into_iter()
            .map(|group| {
                let take = |number: usize| Some((number, lines.get_mut(number)?.take()?));
                let group: Vec<(usize, Vec<u8>)> = group.into_iter().filter_map(take).collect();
                let line = Arc::clone(&line);
                let work = async move {
                    let mut answers = Vec::with_capacity(group.len());
                    for (number, body) in group {
                        answers.push((number, line.answer(number, body).await));
                    }
                    answers
                };
                Box::pin(work) as BoxFuture<'static, _>
            })
            .collect();
        let work = futures_util::stream::iter(work).buffer_unordered(CONCURRENCY);
        let answers: Vec<Vec<(usize, Response)>> = work.collect().await;
        let answers: BTreeMap<usize, Response> = answers.into_iter().flatten().collect();
        Response::text(200, NDJSON, written(&answers)).header("cache-control", "no-store")
    }
}

/// What answers a line.
struct Line {
    /// The single call, without body.
    request: Request,
    invocation: Invocation,
    clock: Arc<dyn Clock>,
    single: Arc<dyn Handler>,
}

impl Line {
    async fn answer(&self, number: usize, body: Vec<u8>) -> Response {
        let place = Place::of(&self.request, &self.invocation);
        let left = self.invocation.deadline.duration_since(self.clock.now());
        if left <= RESERVE {
            let detail = "The time of the call ran out before this line: send it again.";
            return place.refusal(Problem::of(Code::NotReached, detail));
        }
        let request = self.request.with_body(body, number.saturating_add(1));
        let work = self.single.handle(request, self.invocation.clone());
        match AssertUnwindSafe(work).catch_unwind().await {
            Ok(Ok(response)) => response,
            Ok(Err(problem)) => place.refusal(problem),
            Err(panic) => place.refusal(panicked(&*panic)),
        }
    }
}

/// The lines by what they are about, each group and the groups themselves in the order of the lines.
fn groups(lines: &[Vec<u8>], about: fn(&Value) -> Vec<String>) -> Vec<Vec<usize>> {
    // Which group a line has joined; a group that was joined to another leads to it.
    let mut leads_to: Vec<usize> = (0..lines.len()).collect();
    let root = |leads_to: &[usize], mut line: usize| loop {
        match leads_to.get(line) {
            Some(next) if *next != line => line = *next,
            Some(_) | None => return line,
        }
    };
    let mut first: HashMap<String, usize> = HashMap::new();
    for (number, line) in lines.iter().enumerate() {
        // What is not JSON is about nobody; its own answer says so.
        let value: Value = serde_json::from_slice(line).unwrap_or_default();
        for thing in about(&value) {
            let other = *first.entry(thing).or_insert(number);
            let (one, other) = (root(&leads_to, number), root(&leads_to, other));
            if let Some(leads) = leads_to.get_mut(one.max(other)) {
                *leads = one.min(other);
            }
        }
    }
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for number in 0..lines.len() {
        let group = root(&leads_to, number);
        groups.entry(group).or_default().push(number);
    }
    groups.into_values().collect()
}

/// The answers, a line each.
fn written(answers: &BTreeMap<usize, Response>) -> String {
    let mut text = String::new();
    let mut bytes = 0_usize;
    for (number, answer) in answers {
        let body = answer.body_text();
        let quotes = body
            .bytes()
            .filter(|byte| matches!(byte, b'"' | b'\\'))
            .count();
        bytes = bytes.saturating_add(body.len()).saturating_add(quotes);
        let whole = bytes <= ANSWER_BYTES_MAX && !body.is_empty();
        let body = if whole { body } else { "null" };
        let (line, status) = (number.saturating_add(1), answer.status());
        let replayed = answer.header_value("idempotent-replayed").is_some();
        text.push_str(&format!(
            "{{\"line\":{line},\"status\":{status},\"replayed\":{replayed},\"body\":{body}}}\n"
        ));
    }
    text
}

#[cfg(test)]
mod tests;
