//! Event patterns of event source mappings: the part of EventBridge's language that templates of
//! this bundle use.
//!
//! As on AWS, a pattern's lists are alternatives, its maps must all hold, arrays in the event match
//! when any element does, and `exists` speaks of leaves: an object is never "there" by itself.

use serde_json::Value;

use super::TemplateError;

/// The patterns of one mapping. A record passes when any of them matches, or when there are none.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    patterns: Vec<Value>,
}

impl Filter {
    /// Reads `FilterCriteria.Filters[].Pattern`, each a JSON text.
    ///
    /// # Errors
    /// A pattern that is not JSON, or uses an operator this host does not know.
    pub fn read(patterns: &[String], at: &str) -> Result<Self, TemplateError> {
        let mut read = Vec::with_capacity(patterns.len());
        for text in patterns {
            let pattern: Value = serde_json::from_str(text)
                .map_err(|error| TemplateError::one(format!("{at}: not JSON: {error}")))?;
            check(&pattern, at)?;
            read.push(pattern);
        }
        Ok(Self { patterns: read })
    }

    /// Whether a record is handed to the function.
    #[must_use]
    pub fn passes(&self, record: &Value) -> bool {
        self.patterns.is_empty()
            || self
                .patterns
                .iter()
                .any(|pattern| matches(pattern, &[record]))
    }

    /// Whether every record passes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }
}

/// `found` are the values that stand at the pattern's place: several where the path led through
/// an array.
fn matches(pattern: &Value, found: &[&Value]) -> bool {
    match pattern {
        Value::Object(members) => members.iter().all(|(key, inner)| {
            let mut next = Vec::new();
            for value in found {
                descend(value, key, &mut next);
            }
            matches(inner, &next)
        }),
        Value::Array(alternatives) => {
            let mut leaves = Vec::new();
            for value in found {
                collect_leaves(value, &mut leaves);
            }
            alternatives
                .iter()
                .any(|alternative| alternative_holds(alternative, &leaves))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn descend<'a>(value: &'a Value, key: &str, out: &mut Vec<&'a Value>) {
    match value {
        Value::Object(members) => out.extend(members.get(key)),
        Value::Array(items) => items.iter().for_each(|item| descend(item, key, out)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn collect_leaves<'a>(value: &'a Value, out: &mut Vec<&'a Value>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect_leaves(item, out)),
        Value::Object(_) => {}
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => out.push(value),
    }
}

fn alternative_holds(alternative: &Value, leaves: &[&Value]) -> bool {
    match alternative {
        Value::Object(operator) => operator.iter().all(|(name, argument)| match name.as_str() {
            "exists" => argument.as_bool() == Some(!leaves.is_empty()),
            "prefix" => leaves.iter().any(|leaf| {
                leaf.as_str()
                    .zip(argument.as_str())
                    .is_some_and(|(text, prefix)| text.starts_with(prefix))
            }),
            "anything-but" => {
                let excluded: Vec<&Value> = argument
                    .as_array()
                    .map_or_else(|| vec![argument], |list| list.iter().collect());
                !leaves.is_empty() && leaves.iter().all(|leaf| !excluded.contains(leaf))
            }
            _ => false,
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            leaves.contains(&alternative)
        }
    }
}

fn check(pattern: &Value, at: &str) -> Result<(), TemplateError> {
    match pattern {
        Value::Object(members) => members
            .iter()
            .try_for_each(|(key, inner)| check(inner, &format!("{at}.{key}"))),
        Value::Array(alternatives) => alternatives.iter().try_for_each(|alternative| {
            let Value::Object(operator) = alternative else {
                return Ok(());
            };
            match operator
                .keys()
                .find(|name| !["exists", "prefix", "anything-but"].contains(&name.as_str()))
            {
                None => Ok(()),
                Some(name) => Err(TemplateError::one(format!(
                    "{at}: the filter operator {name} is not supported here"
                ))),
            }
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Err(
            TemplateError::one(format!("{at}: a pattern's leaf is a list of alternatives")),
        ),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use serde_json::json;

    fn filter(pattern: &Value) -> Filter {
        Filter::read(&[pattern.to_string()], "test").unwrap()
    }

    #[test]
    fn nested_values_match_exactly() {
        let filter = filter(&json!({
            "eventName": ["INSERT"],
            "dynamodb": {"NewImage": {"kind": {"S": ["event"]}}}
        }));
        let record = |name: &str, kind: &str| json!({"eventName": name, "dynamodb": {"NewImage": {"kind": {"S": kind}}}});
        assert!(filter.passes(&record("INSERT", "event")));
        assert!(!filter.passes(&record("MODIFY", "event")));
        assert!(!filter.passes(&record("INSERT", "click")));
        assert!(!filter.passes(&json!({"eventName": "INSERT"})));
    }

    #[test]
    fn exists_speaks_of_leaves_only() {
        let leaf = filter(&json!({"wakes": {"L": {"S": [{"exists": true}]}}}));
        let branch = filter(&json!({"wakes": [{"exists": true}]}));
        let absent = filter(&json!({"wakes": {"S": [{"exists": false}]}}));
        let record = json!({"wakes": {"L": [{"S": "rewards"}, {"S": "surveys"}]}});
        assert!(leaf.passes(&record));
        assert!(!branch.passes(&record), "an object is no leaf");
        assert!(absent.passes(&record));
        assert!(!leaf.passes(&json!({"wakes": {"L": []}})));
        assert!(!leaf.passes(&json!({})));
    }

    #[test]
    fn prefixes_and_alternatives() {
        let filter =
            filter(&json!({"a": [{"prefix": "rwd_"}, "x"], "b": [{"anything-but": ["y"]}]}));
        assert!(filter.passes(&json!({"a": "rwd_1", "b": "z"})));
        assert!(filter.passes(&json!({"a": ["no", "x"], "b": 1})));
        assert!(!filter.passes(&json!({"a": "cnv_1", "b": "z"})));
        assert!(!filter.passes(&json!({"a": "x", "b": "y"})));
    }

    #[test]
    fn unknown_operators_are_refused() {
        let error = Filter::read(&[r#"{"a": [{"suffix": "x"}]}"#.to_owned()], "F").unwrap_err();
        assert!(error.to_string().contains("suffix"));
        assert!(Filter::read(&[r#"{"a": "x"}"#.to_owned()], "F").is_err());
    }
}
