#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Mutex;

use jiff::{SignedDuration, Timestamp};
use kith_edge::SystemRandomness;
use serde_json::{Value, json};

use super::*;
use crate::template::Redrive;

#[derive(Debug)]
struct SetClock(Mutex<Timestamp>);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

impl SetClock {
    fn advance(&self, seconds: i64) {
        let mut now = self.0.lock().unwrap();
        *now = now.checked_add(SignedDuration::from_secs(seconds)).unwrap();
    }
}

fn specs() -> BTreeMap<String, QueueSpec> {
    let work = QueueSpec {
        name: "work".to_owned(),
        visibility_timeout: Duration::from_secs(30),
        redrive: Some(Redrive {
            to: "dead".to_owned(),
            max_receives: 2,
        }),
    };
    let dead = QueueSpec {
        name: "dead".to_owned(),
        redrive: None,
        ..work.clone()
    };
    BTreeMap::from([("work".to_owned(), work), ("dead".to_owned(), dead)])
}

fn queues_of(state: State, clock: &Arc<SetClock>) -> Queues {
    Queues::open(state, specs(), clock.clone(), Arc::new(SystemRandomness)).unwrap()
}

fn queues() -> (Queues, Arc<SetClock>) {
    let clock = Arc::new(SetClock(Mutex::new(Timestamp::UNIX_EPOCH)));
    (queues_of(State::open(None).unwrap(), &clock), clock)
}

fn bodies(received: &[Message]) -> Vec<&str> {
    received
        .iter()
        .map(|message| message.body.as_str())
        .collect()
}

/// Whoever looks at a queue without hiding what is in it sees each message once.
#[test]
fn a_receive_hands_out_a_message_once_however_soon_it_is_visible_again() {
    let (queues, _) = queues();
    for body in ["a", "b", "c"] {
        queues.send("work", body, Duration::ZERO).unwrap();
    }
    let received = queues.receive("work", 2, Some(Duration::ZERO)).unwrap();
    assert_eq!(bodies(&received), ["a", "b"]);
    let received = queues.receive("work", 10, Some(Duration::ZERO)).unwrap();
    assert_eq!(received.len(), 3);
}

#[test]
fn a_received_message_is_hidden_until_its_timeout() {
    let (queues, clock) = queues();
    queues.send("work", "a", Duration::ZERO).unwrap();

    let first = queues.receive("work", 10, None).unwrap();
    assert_eq!(bodies(&first), ["a"]);
    assert!(queues.receive("work", 10, None).unwrap().is_empty());
    clock.advance(30);
    let second = queues.receive("work", 10, None).unwrap();
    assert_eq!(second.first().unwrap().receives, 2);

    queues
        .delete("work", &first.first().unwrap().receipt)
        .unwrap();
    assert_eq!(
        queues.depth("work").unwrap().in_flight,
        1,
        "the old receipt is void"
    );
    queues
        .delete("work", &second.first().unwrap().receipt)
        .unwrap();
    assert!(queues.depth("work").unwrap().is_empty());
}

#[test]
fn a_message_received_too_often_goes_to_the_dead_letters() {
    let (queues, clock) = queues();
    queues.send("work", "a", Duration::ZERO).unwrap();
    for _ in 0..2 {
        assert_eq!(queues.receive("work", 1, None).unwrap().len(), 1);
        clock.advance(31);
    }
    assert!(queues.receive("work", 1, None).unwrap().is_empty());
    assert!(queues.depth("work").unwrap().is_empty());
    assert_eq!(queues.peek("dead").unwrap(), ["a"]);
}

#[test]
fn a_delayed_message_waits() {
    let (queues, clock) = queues();
    queues.send("work", "a", Duration::from_secs(5)).unwrap();
    assert_eq!(queues.depth("work").unwrap().delayed, 1);
    assert!(queues.receive("work", 1, None).unwrap().is_empty());
    clock.advance(5);
    assert_eq!(queues.receive("work", 1, None).unwrap().len(), 1);
}

/// The consumer died with the process: nobody will delete what it had received.
#[test]
fn what_was_in_flight_is_visible_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("host.db");
    let clock = Arc::new(SetClock(Mutex::new(Timestamp::UNIX_EPOCH)));
    {
        let queues = queues_of(State::open(Some(&path)).unwrap(), &clock);
        queues.send("work", "a", Duration::ZERO).unwrap();
        queues
            .send("work", "later", Duration::from_secs(60))
            .unwrap();
        assert_eq!(queues.receive("work", 10, None).unwrap().len(), 1);
    }
    let queues = queues_of(State::open(Some(&path)).unwrap(), &clock);
    let received = queues.receive("work", 10, None).unwrap();
    assert_eq!(bodies(&received), ["a"]);
    assert_eq!(received.first().unwrap().receives, 2);
}

fn call(queues: &Queues, operation: &str, request: &Value) -> Value {
    queues.call(operation, request.to_string().as_bytes()).body
}

#[test]
fn the_wire_refuses_what_sqs_refuses() {
    let (queues, _clock) = queues();
    let url = "http://127.0.0.1:1/000000000000/work";
    let kind = |answer: &Value| answer.get("__type").unwrap().as_str().unwrap().to_owned();

    let answer = call(
        &queues,
        "SendMessage",
        &json!({"QueueUrl": "http://x/1/none", "MessageBody": "a"}),
    );
    assert_eq!(kind(&answer), "com.amazonaws.sqs#QueueDoesNotExist");
    let answer = call(
        &queues,
        "ReceiveMessage",
        &json!({"QueueUrl": url, "MaxNumberOfMessages": 11}),
    );
    assert_eq!(kind(&answer), "com.amazonaws.sqs#InvalidParameterValue");
    let twins = json!([{"Id": "1", "MessageBody": "a"}, {"Id": "1", "MessageBody": "b"}]);
    let answer = call(
        &queues,
        "SendMessageBatch",
        &json!({"QueueUrl": url, "Entries": twins}),
    );
    assert_eq!(kind(&answer), "com.amazonaws.sqs#BatchEntryIdsNotDistinct");
    let answer = call(
        &queues,
        "DeleteMessage",
        &json!({"QueueUrl": url, "ReceiptHandle": "x"}),
    );
    assert_eq!(kind(&answer), "com.amazonaws.sqs#ReceiptHandleIsInvalid");
}

#[test]
fn a_batch_succeeds_in_part() {
    let (queues, _clock) = queues();
    let url = "http://127.0.0.1:1/000000000000/work";
    let entries = json!([{"Id": "1", "MessageBody": "hello"}, {"Id": "2", "MessageBody": ""}]);
    let answer = call(
        &queues,
        "SendMessageBatch",
        &json!({"QueueUrl": url, "Entries": entries}),
    );
    assert_eq!(answer.pointer("/Successful/0/Id").unwrap(), "1");
    assert_eq!(
        answer.pointer("/Successful/0/MD5OfMessageBody").unwrap(),
        "5d41402abc4b2a76b9719d911017c592"
    );
    assert_eq!(answer.pointer("/Failed/0/Id").unwrap(), "2");
}
