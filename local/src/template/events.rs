//! What invokes a function: HTTP routes, queues, the stream, schedules.

use std::time::Duration;

use serde_json::{Value, json};

use super::intrinsics::text_of;
use super::read::{Reader, count, kind, last_of_arn, number};
use super::{Filter, QueueMapping, Route, Schedule, StreamMapping};

/// What Lambda allows a mapping without `MaximumConcurrency`; more than this host ever runs.
const CONCURRENCY_DEFAULT: usize = 64;
/// SQS hands over ten messages at most per receive.
const QUEUE_BATCH_MAX: usize = 10;

impl Reader<'_> {
    pub(super) fn event(&mut self, package: &str, name: &str, event: &Value, at: &str) {
        let empty = json!({});
        let properties = event.get("Properties").unwrap_or(&empty);
        match kind(event) {
            "HttpApi" => self.http_event(package, properties, at),
            "SQS" => self.queue_mapping(package, properties, properties.get("Queue"), at),
            "DynamoDB" => self.stream_mapping(package, properties, at),
            "Schedule" | "ScheduleV2" => {
                let expression = properties
                    .get("Schedule")
                    .or_else(|| properties.get("ScheduleExpression"))
                    .and_then(Value::as_str);
                match expression.and_then(rate) {
                    Some(every) => self.template.schedules.push(Schedule {
                        name: name.to_owned(),
                        package: package.to_owned(),
                        every,
                    }),
                    None => self
                        .faults
                        .push(format!("{at} needs a schedule of the form rate(n unit)")),
                }
            }
            other => self.faults.push(format!(
                "{at}: events of type {other:?} are not supported here"
            )),
        }
    }

    fn http_event(&mut self, package: &str, properties: &Value, at: &str) {
        let path = properties
            .get("Path")
            .and_then(Value::as_str)
            .unwrap_or("$default");
        let method = properties
            .get("Method")
            .and_then(Value::as_str)
            .unwrap_or("ANY")
            .to_ascii_uppercase();
        let route = if matches!(path, "$default" | "/$default") {
            Route {
                method: String::new(),
                path: "$default".to_owned(),
                package: package.to_owned(),
            }
        } else {
            Route {
                method: match method.as_str() {
                    "X-ANY" | "*" => "ANY".to_owned(),
                    _ => method,
                },
                path: path.to_owned(),
                package: package.to_owned(),
            }
        };
        let twin = self
            .template
            .routes
            .iter()
            .any(|other| other.method == route.method && other.path == route.path);
        if twin {
            let key = format!("{} {}", route.method, route.path);
            self.faults
                .push(format!("{at}: {} is routed twice", key.trim()));
        } else if !route.path.starts_with('/') && route.path != "$default" {
            self.faults.push(format!(
                "{at}: the path {} does not begin with /",
                route.path
            ));
        } else {
            self.template.routes.push(route);
        }
    }

    pub(super) fn standalone_mapping(&mut self, properties: &Value, at: &str) {
        let function = properties
            .get("FunctionName")
            .map(text_of)
            .unwrap_or_default();
        let Some(package) = self.packages.get(&function).cloned() else {
            self.faults
                .push(format!("{at}: there is no function {function}"));
            return;
        };
        let source = properties.get("EventSourceArn");
        let is_queue = source
            .and_then(Value::as_str)
            .is_some_and(|arn| arn.starts_with("arn:aws:sqs:"));
        if is_queue {
            self.queue_mapping(&package, properties, source, at);
        } else {
            self.stream_mapping(&package, properties, at);
        }
    }

    fn queue_mapping(
        &mut self,
        package: &str,
        properties: &Value,
        queue: Option<&Value>,
        at: &str,
    ) {
        let Some(queue) = queue.and_then(Value::as_str).and_then(last_of_arn) else {
            self.faults.push(format!("{at} names no queue"));
            return;
        };
        let concurrency_max = properties
            .pointer("/ScalingConfig/MaximumConcurrency")
            .and_then(count)
            .unwrap_or(CONCURRENCY_DEFAULT);
        let filter = self.filter(properties, at);
        self.template.queue_mappings.push(QueueMapping {
            queue: queue.to_owned(),
            package: package.to_owned(),
            batch_size: properties
                .get("BatchSize")
                .and_then(count)
                .unwrap_or(QUEUE_BATCH_MAX)
                .clamp(1, QUEUE_BATCH_MAX),
            reports_failures: reports_failures(properties),
            concurrency_max: concurrency_max.max(1),
            filter,
        });
    }

    fn stream_mapping(&mut self, package: &str, properties: &Value, at: &str) {
        if properties.get("StartingPosition").and_then(Value::as_str) != Some("TRIM_HORIZON") {
            self.faults
                .push(format!("{at}: a stream is read from TRIM_HORIZON"));
        }
        let filter = self.filter(properties, at);
        self.template.stream_mappings.push(StreamMapping {
            package: package.to_owned(),
            batch_size: properties
                .get("BatchSize")
                .and_then(count)
                .unwrap_or(100)
                .max(1),
            reports_failures: reports_failures(properties),
            bisects: properties
                .get("BisectBatchOnFunctionError")
                .is_some_and(|value| text_of(value) == "true"),
            retries_max: properties
                .get("MaximumRetryAttempts")
                .and_then(number)
                .and_then(|retries| u32::try_from(retries).ok())
                .unwrap_or(u32::MAX),
            filter,
            on_failure: properties
                .pointer("/DestinationConfig/OnFailure/Destination")
                .and_then(Value::as_str)
                .and_then(last_of_arn)
                .map(str::to_owned),
        });
    }

    fn filter(&mut self, properties: &Value, at: &str) -> Filter {
        let patterns: Vec<String> = properties
            .pointer("/FilterCriteria/Filters")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|filter| filter.get("Pattern").map(text_of))
            .collect();
        Filter::read(&patterns, &format!("{at}.FilterCriteria")).unwrap_or_else(|error| {
            self.faults.extend(error.faults);
            Filter::default()
        })
    }
}

fn reports_failures(properties: &Value) -> bool {
    properties
        .get("FunctionResponseTypes")
        .and_then(Value::as_array)
        .is_some_and(|kinds| kinds.iter().any(|kind| kind == "ReportBatchItemFailures"))
}

/// `rate(5 minutes)` as a duration.
fn rate(expression: &str) -> Option<Duration> {
    let inner = expression.strip_prefix("rate(")?.strip_suffix(')')?;
    let (value, unit) = inner.split_once(' ')?;
    let value: u64 = value.trim().parse().ok()?;
    let seconds = match unit.trim() {
        "minute" | "minutes" => 60,
        "hour" | "hours" => 3600,
        "day" | "days" => 86_400,
        _ => return None,
    };
    value
        .checked_mul(seconds)
        .filter(|seconds| *seconds > 0)
        .map(Duration::from_secs)
}
