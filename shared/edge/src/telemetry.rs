//! Logs as JSON lines and metrics in CloudWatch's embedded metric format, both on standard output.
//!
//! Log lines carry ids, never personal data: no mail address, name, network address, token or body.

mod members;

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use tracing_subscriber::filter::LevelFilter;

use self::members::Members;
use crate::environment::{Clock, Environment};

/// What the metrics of the bundle stand under.
const NAMESPACE: &str = "Kith";
/// How seldom a tally is told.
const TALLY: SignedDuration = SignedDuration::from_secs(10);

/// Starts logging for this process: JSON lines, level `INFO` and above. A second call has no effect.
pub fn start() {
    let _ = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .fmt_fields(Members)
        .with_target(false)
        .with_max_level(LevelFilter::INFO)
        .try_init();
}

/// What a metric counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Seconds.
    Seconds,
    /// Thousandths of a second.
    Milliseconds,
}

impl Unit {
    /// CloudWatch's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Seconds => "Seconds",
            Self::Milliseconds => "Milliseconds",
        }
    }
}

/// Writes metrics under the name of the function, which is their only dimension: two stacks in one
/// account do not mix.
#[derive(Debug, Clone)]
pub struct Metrics {
    function_name: Option<String>,
    clock: Arc<dyn Clock>,
}

impl Metrics {
    /// Metrics of the function that `AWS_LAMBDA_FUNCTION_NAME` names. Without a name, as on one
    /// machine, nothing is written: nobody would read it.
    #[must_use]
    pub fn of(environment: &Environment) -> Self {
        Self {
            function_name: environment
                .variables
                .get("AWS_LAMBDA_FUNCTION_NAME")
                .filter(|name| !name.is_empty())
                .cloned(),
            clock: Arc::clone(&environment.clock),
        }
    }

    /// Writes one line with these values.
    pub fn put(&self, values: &[(&'static str, u64, Unit)]) {
        if let Some(line) = self.line(values) {
            // A metric that cannot be written is missed by its alarm.
            let _ = writeln!(std::io::stdout().lock(), "{line}");
        }
    }

    /// The line in the embedded metric format.
    fn line(&self, values: &[(&'static str, u64, Unit)]) -> Option<String> {
        let function_name = self.function_name.as_deref()?;
        let metrics: Vec<Value> = values
            .iter()
            .map(|(name, _, unit)| json!({"Name": name, "Unit": unit.as_str()}))
            .collect();
        let mut members = Map::new();
        members.insert(
            "_aws".to_owned(),
            json!({
                "Timestamp": self.clock.now().as_millisecond(),
                "CloudWatchMetrics": [
                    {"Namespace": NAMESPACE, "Dimensions": [["FunctionName"]], "Metrics": metrics},
                ],
            }),
        );
        members.insert("FunctionName".to_owned(), json!(function_name));
        for (name, value, _) in values {
            members.insert((*name).to_owned(), json!(value));
        }
        Some(Value::Object(members).to_string())
    }
}

/// Counts what may happen thousands of times a second, most of all when everything is too much already: a line for
/// each would cost more than what is counted. The first is told at once, later ones together, a line each ten seconds.
///
/// What an instance has not told when it ends is missing: it is told with the next one, and nobody waits for it.
#[derive(Debug)]
pub struct Tally {
    name: &'static str,
    counted: Mutex<Counted>,
}

#[derive(Debug, Default)]
struct Counted {
    untold: u64,
    told_at: Option<Timestamp>,
}

impl Tally {
    /// Nothing so far of the metric of this name.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            counted: Mutex::default(),
        }
    }

    /// Counts one.
    pub fn add(&self, metrics: &Metrics) {
        if let Some(number) = self.count(metrics.clock.now()) {
            metrics.put(&[(self.name, number, Unit::Count)]);
        }
    }

    /// Counts one, and answers how many are to be told now.
    fn count(&self, now: Timestamp) -> Option<u64> {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        counted.untold = counted.untold.saturating_add(1);
        let is_recent =
            |told_at| (SignedDuration::ZERO..TALLY).contains(&now.duration_since(told_at));
        if counted.told_at.is_some_and(is_recent) {
            return None;
        }
        counted.told_at = Some(now);
        Some(std::mem::take(&mut counted.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[derive(Debug)]
    struct Noon;

    impl Clock for Noon {
        fn now(&self) -> jiff::Timestamp {
            jiff::Timestamp::from_millisecond(1_772_366_400_000).unwrap()
        }
    }

    /// The shape is CloudWatch's; a line that is off by a word is a metric that never alarms.
    #[test]
    fn a_metric_is_one_line_of_the_embedded_format() {
        let name = (
            "AWS_LAMBDA_FUNCTION_NAME".to_owned(),
            "kith-due-work".to_owned(),
        );
        let mut environment = Environment::of_variables(BTreeMap::from([name]));
        environment.clock = Arc::new(Noon);
        let values = [
            ("OldestDueSeconds", 7, Unit::Seconds),
            ("ParkedWork", 0, Unit::Count),
        ];
        let line = Metrics::of(&environment).line(&values).unwrap();
        assert!(!line.contains('\n'));
        assert_eq!(
            serde_json::from_str::<Value>(&line).unwrap(),
            json!({
                "_aws": {
                    "Timestamp": 1_772_366_400_000_i64,
                    "CloudWatchMetrics": [{
                        "Namespace": "Kith",
                        "Dimensions": [["FunctionName"]],
                        "Metrics": [
                            {"Name": "OldestDueSeconds", "Unit": "Seconds"},
                            {"Name": "ParkedWork", "Unit": "Count"},
                        ],
                    }],
                },
                "FunctionName": "kith-due-work",
                "OldestDueSeconds": 7,
                "ParkedWork": 0,
            })
        );
        let nameless = Environment::of_variables(BTreeMap::new());
        assert_eq!(Metrics::of(&nameless).line(&values), None);
    }

    /// A link that a million people open at once is refused its clicks from memory; a line for each would be the dearest
    /// thing about it.
    #[test]
    fn what_happens_often_is_told_together() {
        let tally = Tally::new("ClicksLost");
        let at = |second: i64| Timestamp::from_second(1_772_366_400 + second).unwrap();
        assert_eq!(tally.count(at(0)), Some(1));
        for _ in 0..1_000 {
            assert_eq!(tally.count(at(0)), None);
        }
        assert_eq!(tally.count(at(9)), None);
        assert_eq!(tally.count(at(10)), Some(1_002));
        assert_eq!(tally.count(at(15)), None);
        // A clock that was set back keeps nobody silent.
        assert_eq!(tally.count(at(3)), Some(2));
        assert_eq!(tally.count(at(60)), Some(1));
    }
}
