//! The sender against recorded answers of SQS.

use super::*;
use crate::environment::Environment;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::shared::IntoShared;
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};
use std::sync::Mutex;

/// Answers each call by a plan: which message bodies fail, and through whose fault.
#[derive(Debug, Clone, Default)]
struct FakeSqs {
    calls: Arc<Mutex<Vec<Value>>>,
    /// Refused in every call, by SQS.
    stubborn: &'static str,
    /// Refused once, by SQS.
    once: &'static str,
    /// Refused because of what they are.
    bad: &'static str,
    is_down: bool,
}

impl HttpConnector for FakeSqs {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        let mut calls = self.calls.lock().unwrap();
        let seen: Vec<Value> = calls
            .iter()
            .flat_map(|call| call["Entries"].as_array().unwrap().clone())
            .collect();
        let (mut failed, mut successful) = (Vec::new(), Vec::new());
        for entry in body["Entries"].as_array().unwrap() {
            let text = entry["MessageBody"].as_str().unwrap();
            let again = seen
                .iter()
                .any(|earlier| earlier["MessageBody"] == entry["MessageBody"]);
            let is_bad = text == self.bad;
            if is_bad || text == self.stubborn || (text == self.once && !again) {
                failed.push(json!({"Id": entry["Id"], "SenderFault": is_bad, "Code": "Some"}));
            } else {
                successful
                    .push(json!({"Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": "x"}));
            }
        }
        calls.push(body);
        let (status, answer) = if self.is_down {
            (
                400,
                json!({"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "gone"}),
            )
        } else {
            (200, json!({"Successful": successful, "Failed": failed}))
        };
        let body = SdkBody::from(answer.to_string());
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status.try_into().unwrap(), body)))
    }
}

impl HttpClient for FakeSqs {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        self.clone().into_shared()
    }
}

fn queues(sqs: &FakeSqs) -> Queues {
    let variables = [
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_ENDPOINT_URL_SQS", "http://sqs.localhost"),
        ("KITH_REWARDS_QUEUE_URL", "http://sqs.localhost/rewards"),
        ("KITH_SURVEYS_QUEUE_URL", "http://sqs.localhost/surveys"),
        ("KITH_MESSAGES_QUEUE_URL", "http://sqs.localhost/messages"),
        (
            "KITH_DELIVERIES_QUEUE_URL",
            "http://sqs.localhost/deliveries",
        ),
    ];
    let mut environment = Environment::of_variables(
        variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    );
    environment.http_client = Some(sqs.clone().into_shared());
    let mut variables = Variables::of(&environment);
    let connection = Connection::of(&mut variables);
    let queues = Queues::of(&mut variables, connection.as_ref());
    variables.finish((connection, queues)).unwrap().1
}

fn wakes(queue: Queue, bodies: impl IntoIterator<Item = String>) -> Vec<Wake> {
    bodies
        .into_iter()
        .map(|body| Wake { queue, body })
        .collect()
}

#[tokio::test]
async fn messages_go_to_their_queues_in_tens() {
    let sqs = FakeSqs::default();
    let mut all = wakes(Queue::Rewards, (0..12).map(|n| format!("r{n}")));
    all.extend(wakes(Queue::Messages, ["m".to_owned()]));
    all.extend(wakes(Queue::Deliveries, ["d".to_owned()]));
    assert_eq!(queues(&sqs).send(&all).await, Vec::<usize>::new());
    let calls = sqs.calls.lock().unwrap();
    let mut sizes: Vec<(&str, usize)> = calls
        .iter()
        .map(|call| {
            (
                call["QueueUrl"].as_str().unwrap(),
                call["Entries"].as_array().unwrap().len(),
            )
        })
        .collect();
    sizes.sort_unstable();
    assert_eq!(
        sizes,
        [
            ("http://sqs.localhost/deliveries", 1),
            ("http://sqs.localhost/messages", 1),
            ("http://sqs.localhost/rewards", 2),
            ("http://sqs.localhost/rewards", 10),
        ]
    );
}

/// A batch that half succeeded answers 200: whoever does not look loses messages.
#[tokio::test]
async fn what_sqs_refuses_is_sent_again_and_then_reported() {
    let sqs = FakeSqs {
        stubborn: "b",
        once: "c",
        bad: "d",
        ..FakeSqs::default()
    };
    let all = wakes(Queue::Surveys, ["a", "b", "c", "d"].map(str::to_owned));
    assert_eq!(queues(&sqs).send(&all).await, [1, 3]);
    let calls = sqs.calls.lock().unwrap();
    let sizes: Vec<usize> = calls
        .iter()
        .map(|call| call["Entries"].as_array().unwrap().len())
        .collect();
    assert_eq!(sizes, [4, 2, 1]);
}

#[tokio::test]
async fn a_queue_that_is_down_fails_everything() {
    let sqs = FakeSqs {
        is_down: true,
        ..FakeSqs::default()
    };
    let all = wakes(Queue::Rewards, (0..3).map(|n| n.to_string()));
    assert_eq!(queues(&sqs).send(&all).await, [0, 1, 2]);
    assert!(queues(&sqs).send(&[]).await.is_empty());
}

#[test]
fn batches_stay_below_what_sqs_takes() {
    let large = "x".repeat(400_000);
    let entries: Vec<Entry> = (0..5)
        .map(|index| Entry {
            index,
            body: large.clone(),
        })
        .collect();
    let sizes: Vec<usize> = batches(entries).iter().map(Vec::len).collect();
    assert_eq!(sizes, [2, 2, 1]);
}
