#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::sync::Mutex;

use kith_edge::{BoxFuture, Function, FunctionError, Invocation, StartError};
use serde_json::json;
use serde_json::value::RawValue;

use super::*;
use crate::functions::Registry;
use crate::mail::MailFault;
use crate::roles::Use;

/// Longer than anything takes on any machine: no test is decided by it.
const PATIENCE: Duration = Duration::from_secs(300);

/// A web function that writes, a relay on the stream, a worker on a queue with dead letters.
const TEMPLATE: &str = r#"
Globals: { Function: { Timeout: 5, Environment: { Variables: { TABLE: !Ref Table, QUEUE: !Ref Work } } } }
Resources:
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions: [{ AttributeName: pk, AttributeType: S }]
      KeySchema: [{ AttributeName: pk, KeyType: HASH }]
      StreamSpecification: { StreamViewType: NEW_IMAGE }
  Work:
    Type: AWS::SQS::Queue
    Properties: { VisibilityTimeout: 30, RedrivePolicy: { deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 3 } }
  Dead: { Type: AWS::SQS::Queue }
  WebRole:
    Type: AWS::IAM::Role
    Properties:
      Policies:
        - PolicyDocument:
            Statement:
              - { Effect: Allow, Action: "logs:*", Resource: "*" }
              - { Effect: Allow, Action: "dynamodb:PutItem", Resource: !GetAtt Table.Arn }
  Role:
    Type: AWS::IAM::Role
    Properties:
      Policies: [{ PolicyDocument: { Statement: { Effect: Allow, Action: "*", Resource: "*" } } }]
  Web:
    Type: AWS::Serverless::Function
    Properties:
      Role: !GetAtt WebRole.Arn
      CodeUri: functions/web
      Events: { Write: { Type: HttpApi, Properties: { Method: POST, Path: "/write/{name}" } } }
  Relay:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/relay
      Role: !GetAtt Role.Arn
      Events:
        Stream:
          Type: DynamoDB
          Properties:
            Stream: !GetAtt Table.StreamArn
            StartingPosition: TRIM_HORIZON
            MaximumRetryAttempts: 2
            BisectBatchOnFunctionError: true
            FunctionResponseTypes: [ReportBatchItemFailures]
            FilterCriteria: { Filters: [{ Pattern: '{"eventName":["INSERT"],"dynamodb":{"NewImage":{"kind":{"S":["event"]}}}}' }] }
            DestinationConfig: { OnFailure: { Destination: !GetAtt Dead.Arn } }
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/worker
      Role: !GetAtt Role.Arn
      Events: { Queue: { Type: SQS, Properties: { Queue: !GetAtt Work.Arn, FunctionResponseTypes: [ReportBatchItemFailures] } } }
"#;

type Handler = Arc<dyn Fn(Value) -> BoxFuture<'static, Result<Value, String>> + Send + Sync>;

struct Tiny(Handler);

impl Function for Tiny {
    fn invoke(
        &self,
        event: Box<RawValue>,
        _invocation: Invocation,
    ) -> BoxFuture<'_, Result<Box<RawValue>, FunctionError>> {
        let event = serde_json::from_str(event.get()).unwrap();
        let answer = self.0(event);
        Box::pin(async move {
            let answer = answer.await.map_err(FunctionError::NotDone)?;
            Ok(RawValue::from_string(answer.to_string()).unwrap())
        })
    }
}

fn credentials(environment: &Environment) -> Credentials {
    let variable = |name| environment.variables.get(name).unwrap().clone();
    let secret = variable("AWS_SECRET_ACCESS_KEY");
    Credentials::new(variable("AWS_ACCESS_KEY_ID"), secret, None, None, "test")
}

fn dynamodb(environment: &Environment) -> aws_sdk_dynamodb::Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("local"))
        .credentials_provider(credentials(environment))
        .endpoint_url(
            environment
                .variables
                .get("AWS_ENDPOINT_URL_DYNAMODB")
                .unwrap(),
        )
        .http_client(environment.http_client.clone().unwrap())
        .build();
    aws_sdk_dynamodb::Client::from_conf(config)
}

fn sqs(environment: &Environment) -> aws_sdk_sqs::Client {
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(aws_sdk_sqs::config::BehaviorVersion::latest())
        .region(aws_sdk_sqs::config::Region::new("local"))
        .credentials_provider(credentials(environment))
        .endpoint_url(environment.variables.get("AWS_ENDPOINT_URL_SQS").unwrap())
        .http_client(environment.http_client.clone().unwrap())
        .build();
    aws_sdk_sqs::Client::from_conf(config)
}

/// Puts an event named by the path.
fn web(environment: &Environment) -> Result<Box<dyn Function>, StartError> {
    let client = dynamodb(environment);
    let table = environment.variables.get("TABLE").unwrap().clone();
    Ok(Box::new(Tiny(Arc::new(move |event| {
        let put = client
            .put_item()
            .table_name(&table)
            .item("pk", text(event.pointer("/pathParameters/name")))
            .item("kind", text(Some(&json!("event"))));
        Box::pin(async move {
            put.send().await.unwrap();
            Ok(
                json!({"statusCode": 201, "headers": {"X-A": "ä"}, "cookies": ["a=1", "b=2"], "body": "made"}),
            )
        })
    }))))
}

fn text(value: Option<&Value>) -> aws_sdk_dynamodb::types::AttributeValue {
    let text = value.and_then(Value::as_str).unwrap_or_default();
    aws_sdk_dynamodb::types::AttributeValue::S(text.to_owned())
}

/// Sends the name of each event to the queue.
fn relay(environment: &Environment) -> Result<Box<dyn Function>, StartError> {
    let client = sqs(environment);
    let queue = environment.variables.get("QUEUE").unwrap().clone();
    Ok(Box::new(Tiny(Arc::new(move |event| {
        let (client, queue) = (client.clone(), queue.clone());
        Box::pin(async move {
            for record in event.get("Records").unwrap().as_array().unwrap() {
                let name = record.pointer("/dynamodb/NewImage/pk/S").unwrap();
                if name == "poison" {
                    return Err("poisoned".to_owned());
                }
                client
                    .send_message()
                    .queue_url(&queue)
                    .message_body(name.as_str().unwrap())
                    .send()
                    .await
                    .unwrap();
            }
            Ok(json!({"batchItemFailures": []}))
        })
    }))))
}

type Seen = Arc<Mutex<Vec<String>>>;

/// Notes what it gets; fails on `bad`.
fn worker(seen: &Seen) -> Handler {
    let seen = Arc::clone(seen);
    Arc::new(move |event| {
        let mut failures = Vec::new();
        for record in event.get("Records").unwrap().as_array().unwrap() {
            let body = record.get("body").unwrap().as_str().unwrap().to_owned();
            if body == "bad" {
                failures.push(json!({"itemIdentifier": record.get("messageId")}));
            }
            seen.lock().unwrap().push(body);
        }
        Box::pin(async move { Ok(json!({ "batchItemFailures": failures })) })
    })
}

fn options() -> (Options, Seen) {
    let seen = Seen::default();
    let handler = worker(&seen);
    let registry = Registry::empty()
        .with("web", web)
        .with("relay", relay)
        .with("worker", move |_| Ok(Box::new(Tiny(handler.clone()))));
    let options = Options {
        registry,
        template: Some(TEMPLATE.to_owned()),
        ..Options::default()
    };
    (options, seen)
}

async fn post(bundle: &Bundle, name: &str) -> reqwest::Response {
    reqwest::Client::new()
        .post(format!("{}/write/{name}", bundle.base_url()))
        .send()
        .await
        .unwrap()
}

fn names(seen: &Seen) -> Vec<String> {
    seen.lock().unwrap().clone()
}

#[tokio::test]
async fn a_request_goes_through_table_stream_and_queue_to_the_worker() {
    let (options, seen) = options();
    let bundle = Bundle::start(options).await.unwrap();

    let answer = post(&bundle, "a%20b").await;
    assert_eq!(answer.status(), 201);
    let cookies: Vec<_> = answer.headers().get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1", "b=2"]);
    assert_eq!(
        answer.headers().get("x-a").unwrap().as_bytes(),
        "ä".as_bytes()
    );
    assert!(bundle.quiesce(PATIENCE).await);

    assert_eq!(names(&seen), ["a b"]);
    let lost = reqwest::get(format!("{}/none", bundle.base_url()))
        .await
        .unwrap();
    assert_eq!(lost.status(), 404);
    assert_eq!(lost.text().await.unwrap(), r#"{"message":"Not Found"}"#);
    bundle.shutdown().await;
}

#[tokio::test]
async fn what_fails_is_tried_again_and_ends_in_the_dead_letters() {
    let (mut options, seen) = options();
    options.visibility_timeout = Some(Duration::from_millis(30));
    let bundle = Bundle::start(options).await.unwrap();
    for name in ["good", "bad"] {
        post(&bundle, name).await;
    }
    assert!(bundle.quiesce(PATIENCE).await);
    let mut names = names(&seen);
    names.sort();
    assert_eq!(names, ["bad", "bad", "bad", "good"]);
    assert_eq!(bundle.queues().peek("kith-Dead").unwrap(), ["bad"]);
}

/// One record that never succeeds must not hold back the others, nor be lost without a trace.
#[tokio::test]
async fn a_poisoned_record_is_given_up_and_the_stream_goes_on() {
    let (mut options, seen) = options();
    options.paused = true;
    let bundle = Bundle::start(options).await.unwrap();
    for name in ["one", "poison", "two"] {
        post(&bundle, name).await;
    }
    bundle.resume(None);
    assert!(bundle.quiesce(PATIENCE).await);
    let mut names = names(&seen);
    names.sort();
    names.dedup();
    assert_eq!(names, ["one", "two"]);
    let dead = bundle.queues().peek("kith-Dead").unwrap();
    let note: Value = serde_json::from_str(dead.first().unwrap()).unwrap();
    assert_eq!(note.pointer("/DDBStreamBatchInfo/batchSize").unwrap(), 1);
    assert!(!note.to_string().contains("poison"), "places, not contents");
}

#[tokio::test]
async fn every_message_can_come_twice() {
    let (mut options, seen) = options();
    options.duplicates = Duplicates::AtOnce;
    let bundle = Bundle::start(options).await.unwrap();
    post(&bundle, "a").await;
    assert!(bundle.quiesce(PATIENCE).await);
    assert_eq!(
        names(&seen),
        ["a"; 4],
        "the relay ran twice, so two messages, each twice"
    );
}

/// Dropping the bundle is a crash: nothing is finished. What was acknowledged must still arrive.
#[tokio::test]
async fn what_was_acknowledged_survives_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::Folder(folder.path().join("data"));
    let (mut first, _) = options();
    first.place = place.clone();
    first.paused = true;
    let bundle = Bundle::start(first).await.unwrap();
    post(&bundle, "a").await;
    bundle
        .queues()
        .send("kith-Work", "b", Duration::ZERO)
        .unwrap();
    bundle.queues().receive("kith-Work", 1, None).unwrap();
    drop(bundle);

    let (mut second, seen) = options();
    second.place = place.clone();
    let bundle = Bundle::start(second).await.unwrap();
    assert!(bundle.quiesce(PATIENCE).await);
    let mut names = names(&seen);
    names.sort();
    assert_eq!(names, ["a", "b"]);

    let (mut third, _) = options();
    third.place = place;
    let error = Bundle::start(third).await.unwrap_err();
    assert!(matches!(error, BundleError::InUse(_)), "{error}");
}

#[tokio::test]
async fn faults_of_the_start_say_what_to_do() {
    let (options, _) = options();
    let bundle = Bundle::start(options).await.unwrap();
    let (mut taken, _) = self::options();
    taken.port = bundle.port;
    let error = Bundle::start(taken).await.unwrap_err();
    assert!(error.to_string().contains("--port"), "{error}");

    let (mut missing, _) = self::options();
    missing.registry = Registry::empty().with("relay", relay);
    let error = Bundle::start(missing).await.unwrap_err();
    assert!(error.to_string().contains("web, worker"), "{error}");

    let (mut weak, _) = self::options();
    weak.operator_key = Some("kith_live_short".to_owned());
    let error = Bundle::start(weak).await.unwrap_err();
    assert!(error.to_string().contains("32"), "{error}");
}

/// What a role does not name is refused, whatever the code asks for, and noted.
#[tokio::test]
async fn a_function_does_what_its_role_allows_and_nothing_else() {
    use aws_sdk_dynamodb::error::ProvideErrorMetadata;

    let (options, _) = options();
    let bundle = Bundle::start(options).await.unwrap();
    let web = bundle.environment("web").unwrap();
    let read = dynamodb(web).get_item().table_name("kith-Table");
    let read = read.key("pk", text(Some(&json!("a"))));
    let error = read.send().await.unwrap_err();
    assert_eq!(error.code(), Some("AccessDeniedException"));
    let message = error.message().unwrap();
    assert!(message.contains("dynamodb:GetItem"), "{message}");
    let sent = sqs(web).send_message().queue_url("x/kith-Work");
    let error = sent.message_body("hello").send().await.unwrap_err();
    assert_eq!(error.code(), Some("AccessDenied"));
    assert_eq!(post(&bundle, "a").await.status(), 201);
    assert!(bundle.quiesce(PATIENCE).await);

    let actions = bundle.actions();
    let of_web = |uses: BTreeSet<Use>| {
        let own = uses.into_iter().filter(|done| done.package == "web");
        own.map(|done| done.action).collect::<Vec<_>>()
    };
    assert_eq!(
        of_web(actions.used),
        [
            "dynamodb:PutItem",
            "logs:CreateLogStream",
            "logs:PutLogEvents"
        ]
    );
    assert_eq!(
        of_web(actions.refused),
        ["dynamodb:GetItem", "sqs:SendMessage"]
    );
}

/// Functions that are processes of their own reach the same services by a port, under their roles.
#[tokio::test]
async fn the_services_answer_the_sdks_over_sockets_too() {
    let (options, _) = options();
    let bundle = Bundle::start(options).await.unwrap();
    for (key, status) in [("relay", 200), ("web", 403), ("nobody", 403)] {
        let signed = format!("AWS4-HMAC-SHA256 Credential={key}/20260101/local/sqs/aws4_request");
        let answer = reqwest::Client::new()
            .post(bundle.services_endpoint())
            .header("authorization", signed)
            .header("x-amz-target", "AmazonSQS.SendMessage")
            .header("content-type", "application/x-amz-json-1.0")
            .body(r#"{"QueueUrl":"x/kith-Dead","MessageBody":"hello"}"#)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), status, "{key}");
    }
    let depth = bundle.queues().depth("kith-Dead").unwrap();
    assert_eq!(depth.visible, 1);
}

fn ses(bundle: &Bundle) -> aws_sdk_sesv2::Client {
    let environment = bundle.environment("web").unwrap();
    let config = aws_sdk_sesv2::Config::builder()
        .behavior_version(aws_sdk_sesv2::config::BehaviorVersion::latest())
        .region(aws_sdk_sesv2::config::Region::new("local"))
        .credentials_provider(Credentials::new("local", "local", None, None, "local"))
        .endpoint_url(environment.variables.get("AWS_ENDPOINT_URL_SESV2").unwrap())
        .http_client(environment.http_client.clone().unwrap())
        .retry_config(aws_sdk_sesv2::config::retry::RetryConfig::disabled())
        .build();
    aws_sdk_sesv2::Client::from_conf(config)
}

#[tokio::test]
async fn mail_is_caught_shown_and_made_to_fail() {
    use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message, MessageHeader};

    let (options, _) = options();
    let bundle = Bundle::start(options).await.unwrap();
    let client = ses(&bundle);
    let content = |text: &str| Content::builder().data(text).build().unwrap();
    let send = || {
        let header = MessageHeader::builder()
            .name("List-Unsubscribe")
            .value("<https://x>");
        let message = Message::builder()
            .subject(content("Hello"))
            .body(
                Body::builder()
                    .text(content("text"))
                    .html(content("<p>html</p>"))
                    .build(),
            )
            .headers(header.build().unwrap())
            .build();
        client
            .send_email()
            .from_email_address("a@kith.example")
            .destination(Destination::builder().to_addresses("b@example.com").build())
            .content(EmailContent::builder().simple(message).build())
            .send()
    };
    assert!(!send().await.unwrap().message_id().unwrap().is_empty());

    let url = format!("{}/local/mail", bundle.base_url());
    let list: Value = reqwest::Client::new()
        .get(&url)
        .header("accept", "application/json")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(list.pointer("/data/0/to").unwrap(), "b@example.com");
    assert_eq!(
        list.pointer("/data/0/headers/List-Unsubscribe").unwrap(),
        "<https://x>"
    );
    let page = reqwest::get(&url).await.unwrap().text().await.unwrap();
    assert!(page.contains("Hello"));

    bundle.mails().set_fault(MailFault::Throttle);
    let error = send().await.unwrap_err().into_service_error();
    assert!(error.is_too_many_requests_exception(), "{error:?}");
    bundle.mails().set_fault(MailFault::Reject);
    let error = send().await.unwrap_err().into_service_error();
    assert!(error.is_message_rejected(), "{error:?}");
    bundle.mails().set_fault(MailFault::TimeOutAfterSending);
    let error = send().await.unwrap_err();
    assert!(
        matches!(error, aws_sdk_sesv2::error::SdkError::DispatchFailure(_)),
        "{error:?}"
    );
    assert_eq!(bundle.mails().list(10).unwrap().len(), 2);
}
