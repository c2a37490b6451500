//! What a step is about, in the words of the chain. Ids and kinds only: whatever is not of the
//! expected shape is counted and not shown.

use serde_json::Value;

use crate::host::counted;
use crate::queues::Message;
use crate::table::StreamRecord;

/// How many things are named before the rest is counted.
const NAMED_MAX: usize = 3;

/// The facts that a stream record commits: `conversion.recorded, 2 × reward.created`.
pub(super) fn facts(record: &StreamRecord) -> Option<String> {
    let image = record.record.pointer("/dynamodb/NewImage")?;
    let is_new = record.record.get("eventName").and_then(Value::as_str) == Some("INSERT");
    if !is_new || image.pointer("/kind/S").and_then(Value::as_str) != Some("event") {
        return None;
    }
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for fact in image.pointer("/facts/L").and_then(Value::as_array)? {
        let kind = fact.pointer("/M/type/S").and_then(Value::as_str)?;
        match counts.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => counts.push((kind, 1)),
        }
    }
    let facts: Vec<String> = counts
        .iter()
        .map(|(kind, count)| match count {
            1 => (*kind).to_owned(),
            count => format!("{count} × {kind}"),
        })
        .collect();
    Some(facts.join(", "))
}

/// What the messages of a batch are about: `reward rwd_…, survey srv_…`.
pub(super) fn messages(batch: &[Message]) -> String {
    let mut named: Vec<String> = batch
        .iter()
        .take(NAMED_MAX)
        .map_while(|message| name(&message.body))
        .collect();
    match batch.len().saturating_sub(named.len()) {
        0 => {}
        rest if named.is_empty() => named.push(counted(rest, "message")),
        rest => named.push(format!("{rest} more")),
    }
    named.join(", ")
}

/// A message says what it is about as `{"reward": {"program_id": …, "reward_id": …}}`.
fn name(body: &str) -> Option<String> {
    let body: Value = serde_json::from_str(body).ok()?;
    let (kind, members) = body.as_object()?.iter().next()?;
    let id = members.get(format!("{kind}_id"))?.as_str()?;
    let is_plain = |text: &str| {
        text.len() <= 64
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    (is_plain(kind) && is_plain(id)).then(|| format!("{kind} {id}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn message(body: &str) -> Message {
        Message {
            message_id: String::new(),
            receipt: String::new(),
            body: body.to_owned(),
            attributes: String::new(),
            receives: 1,
            sent_ms: 0,
            first_received_ms: 0,
        }
    }

    #[test]
    fn messages_are_named_by_kind_and_id_or_counted() {
        let reward = message(r#"{"reward":{"program_id":"prg_1","reward_id":"rwd_1"}}"#);
        let other = message("ann@example.com");
        let hidden = message(r#"{"mail":{"mail_id":"ann@example.com"}}"#);
        assert_eq!(messages(std::slice::from_ref(&reward)), "reward rwd_1");
        assert_eq!(
            messages(&[reward.clone(), other.clone()]),
            "reward rwd_1, 1 more"
        );
        assert_eq!(messages(&[other, hidden]), "2 messages");
        let many = vec![reward; 5];
        assert_eq!(
            messages(&many),
            "reward rwd_1, reward rwd_1, reward rwd_1, 2 more"
        );
    }

    #[test]
    fn facts_of_new_events_are_told() {
        let types = ["conversion.recorded", "reward.created", "reward.created"];
        let list: Vec<Value> = types
            .iter()
            .map(|kind| json!({"M": {"type": {"S": kind}}}))
            .collect();
        let record = |event: &str, kind: &str| StreamRecord {
            sequence_number: "1".to_owned(),
            record: json!({"eventName": event, "dynamodb": {"NewImage": {
                "kind": {"S": kind}, "facts": {"L": list},
            }}}),
        };
        assert_eq!(
            facts(&record("INSERT", "event")).as_deref(),
            Some("conversion.recorded, 2 × reward.created")
        );
        assert_eq!(facts(&record("MODIFY", "event")), None);
        assert_eq!(facts(&record("INSERT", "click")), None);
    }
}
