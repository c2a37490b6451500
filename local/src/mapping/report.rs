//! What a function says of its batch.

use std::collections::BTreeSet;

use serde_json::Value;

/// How a batch ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// Everything but these succeeded.
    Failed(BTreeSet<String>),
    /// Nothing succeeded.
    AllFailed,
}

/// Reads `batchItemFailures`. As on AWS, an identifier that is empty or none of the batch's fails
/// the whole batch; an answer without the member is a success.
#[must_use]
pub fn read(answer: &str, identifiers: &BTreeSet<String>) -> Report {
    let Ok(answer) = serde_json::from_str::<Value>(answer) else {
        return Report::AllFailed;
    };
    let failures = match answer.get("batchItemFailures") {
        None | Some(Value::Null) => return Report::Failed(BTreeSet::new()),
        Some(Value::Array(failures)) => failures,
        Some(_) => return Report::AllFailed,
    };
    let mut failed = BTreeSet::new();
    for failure in failures {
        match failure.get("itemIdentifier").and_then(Value::as_str) {
            Some(identifier) if identifiers.contains(identifier) => {
                failed.insert(identifier.to_owned());
            }
            _ => return Report::AllFailed,
        }
    }
    Report::Failed(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_names_the_failed_or_fails_all() {
        let batch: BTreeSet<String> = ["a", "b"].map(str::to_owned).into();
        let named = BTreeSet::from(["b".to_owned()]);
        let cases = [
            ("null", Report::Failed(BTreeSet::new())),
            ("{}", Report::Failed(BTreeSet::new())),
            (
                r#"{"batchItemFailures":null}"#,
                Report::Failed(BTreeSet::new()),
            ),
            (
                r#"{"batchItemFailures":[]}"#,
                Report::Failed(BTreeSet::new()),
            ),
            (
                r#"{"batchItemFailures":[{"itemIdentifier":"b"}]}"#,
                Report::Failed(named),
            ),
            (
                r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#,
                Report::AllFailed,
            ),
            (
                r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#,
                Report::AllFailed,
            ),
            (
                r#"{"batchItemFailures":[{"itemIdentifier":"c"}]}"#,
                Report::AllFailed,
            ),
            (r#"{"batchItemFailures":[{}]}"#, Report::AllFailed),
            (r#"{"batchItemFailures":"b"}"#, Report::AllFailed),
        ];
        for (answer, expected) in cases {
            assert_eq!(read(answer, &batch), expected, "{answer}");
        }
    }
}
