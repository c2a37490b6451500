//! CloudFormation's YAML as JSON: short tags become the long form, so that the rest of the reader
//! knows one way to write an intrinsic function.

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};

use super::TemplateError;

/// Reads the one document of a template.
pub(super) fn read(text: &str) -> Result<Value, TemplateError> {
    let documents = Yaml::load_from_str(text)
        .map_err(|error| TemplateError::one(format!("it is not YAML: {error}")))?;
    let [document] = documents.as_slice() else {
        return Err(TemplateError::one(format!(
            "it holds {} YAML documents instead of one",
            documents.len()
        )));
    };
    value_of(document, "")
}

fn value_of(node: &Yaml<'_>, at: &str) -> Result<Value, TemplateError> {
    match node {
        Yaml::Value(scalar) => Ok(scalar_of(scalar)),
        Yaml::Representation(text, _, None) => Ok(Value::String(text.to_string())),
        Yaml::Representation(text, _, Some(tag)) => {
            tagged(&tag.suffix, Value::String(text.to_string()), at)
        }
        Yaml::Tagged(tag, inner) => tagged(&tag.suffix, value_of(inner, at)?, at),
        Yaml::Sequence(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| value_of(item, &format!("{at}[{index}]")))
            .collect::<Result<_, _>>()
            .map(Value::Array),
        Yaml::Mapping(entries) => {
            let mut object = Map::new();
            for (key, value) in entries {
                let key = value_of(key, at)?;
                let key = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
                let inner = if at.is_empty() {
                    key.clone()
                } else {
                    format!("{at}.{key}")
                };
                object.insert(key, value_of(value, &inner)?);
            }
            Ok(Value::Object(object))
        }
        Yaml::Alias(_) | Yaml::BadValue => Err(TemplateError::one(format!(
            "{at} cannot be read (aliases are not supported)"
        ))),
    }
}

fn scalar_of(scalar: &Scalar<'_>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(value) => json!(value),
        Scalar::Integer(value) => json!(value),
        Scalar::FloatingPoint(value) => json!(value.into_inner()),
        Scalar::String(text) => Value::String(text.to_string()),
    }
}

/// The long form of a short tag. `!GetAtt A.B` also turns its text into the list of the long form.
fn tagged(name: &str, value: Value, at: &str) -> Result<Value, TemplateError> {
    let long = match name {
        "Ref" | "Condition" => name.to_owned(),
        "GetAtt" => {
            // A list is the long form already.
            let parts = match value.as_str() {
                None => value,
                Some(text) => match text.split_once('.') {
                    Some((resource, attribute)) => json!([resource, attribute]),
                    None => {
                        return Err(TemplateError::one(format!(
                            "{at}: !GetAtt {text} names no attribute"
                        )));
                    }
                },
            };
            return Ok(json!({ "Fn::GetAtt": parts }));
        }
        "Sub" | "If" | "Join" | "Equals" | "Not" | "And" | "Or" | "Select" | "Split"
        | "FindInMap" | "ImportValue" | "Base64" | "GetAZs" | "Cidr" | "Transform" => {
            format!("Fn::{name}")
        }
        other => {
            return Err(TemplateError::one(format!("{at}: unknown tag !{other}")));
        }
    };
    let mut object = Map::new();
    object.insert(long, value);
    Ok(Value::Object(object))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn short_tags_become_the_long_form() {
        let value = read(
            "a: !Ref Table\nb: !GetAtt Queue.Arn\nc: !Sub 'x-${Table}'\nd: !If [Live, 1, !Ref 'AWS::NoValue']\ne: 10\nf: '10'\ng: true\n",
        )
        .unwrap();
        assert_eq!(
            value,
            json!({
                "a": {"Ref": "Table"},
                "b": {"Fn::GetAtt": ["Queue", "Arn"]},
                "c": {"Fn::Sub": "x-${Table}"},
                "d": {"Fn::If": ["Live", 1, {"Ref": "AWS::NoValue"}]},
                "e": 10, "f": "10", "g": true
            })
        );
    }

    #[test]
    fn an_unknown_tag_is_named_with_its_place() {
        let error = read("Resources:\n  Table: !Reff X\n").unwrap_err();
        assert!(error.to_string().contains("Resources.Table"), "{error}");
    }
}
