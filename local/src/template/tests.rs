#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::time::Duration;

use super::*;
use crate::roles::{Condition, Operator};

const SMALL: &str = r#"
Parameters:
  Hops: { Type: Number, Default: 0 }
Conditions:
  Proxied: !Not [!Equals [!Ref Hops, "0"]]
Globals:
  Function:
    Timeout: 6
    Environment: { Variables: { SHARED: everywhere } }
Resources:
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions: [{ AttributeName: pk, AttributeType: S }]
      KeySchema: [{ AttributeName: pk, KeyType: HASH }]
      StreamSpecification: { StreamViewType: NEW_IMAGE }
      TimeToLiveSpecification: { AttributeName: expires_at, Enabled: true }
  Key: { Type: AWS::SecretsManager::Secret, Properties: { GenerateSecretString: { PasswordLength: 43 } } }
  Work:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 60
      RedrivePolicy: { deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 5 }
  Dead: { Type: AWS::SQS::Queue }
  Logs: { Type: AWS::Logs::LogGroup }
  WorkerRole:
    Type: AWS::IAM::Role
    Properties:
      Policies:
        - PolicyDocument:
            Statement:
              - { Effect: Allow, Action: ["logs:CreateLogStream", "logs:PutLogEvents"], Resource: !GetAtt Logs.Arn }
              - Effect: Allow
                Action: ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
                Resource: !GetAtt Work.Arn
              - { Effect: Allow, Action: "sqs:SendMessage", Resource: [!GetAtt Dead.Arn] }
              - Effect: Allow
                Action: ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"]
                Resource: !Sub "${Table.Arn}/stream/*"
              - Effect: Allow
                Action: ses:SendEmail
                Resource: "*"
                Condition: { StringEquals: { "ses:FromAddress": shop@kith.example } }
  OtherRole:
    Type: AWS::IAM::Role
    Properties:
      Policies:
        - PolicyDocument: { Statement: { Effect: Allow, Action: "logs:*", Resource: "*" } }
  Worker:
    Type: AWS::Serverless::Function
    Metadata: { BuildProperties: { Binary: worker } }
    Properties:
      Timeout: 10
      Role: !GetAtt WorkerRole.Arn
      LoggingConfig: { LogGroup: !Ref Logs }
      Environment:
        Variables:
          QUEUE: !Ref Work
          KEYS: &keys !Sub "1:{{resolve:secretsmanager:${Key}}}"
          HOPS: !Ref Hops
          PROXIED: !If [Proxied, "yes", !Ref AWS::NoValue]
      Events:
        Page: { Type: HttpApi, Properties: { Method: get, Path: "/r/{code}" } }
        Rest: { Type: HttpApi }
        Work:
          Type: SQS
          Properties:
            Queue: !GetAtt Work.Arn
            BatchSize: 5
            FunctionResponseTypes: [ReportBatchItemFailures]
            ScalingConfig: { MaximumConcurrency: 4 }
        Stream:
          Type: DynamoDB
          Properties:
            Stream: !GetAtt Table.StreamArn
            StartingPosition: TRIM_HORIZON
            BisectBatchOnFunctionError: true
            MaximumRetryAttempts: 5
            FilterCriteria: { Filters: [{ Pattern: '{"eventName": ["INSERT"]}' }] }
            DestinationConfig: { OnFailure: { Destination: !GetAtt Dead.Arn } }
        Minute: { Type: ScheduleV2, Properties: { ScheduleExpression: rate(1 minute) } }
  Other:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/other/
      Role: !GetAtt OtherRole.Arn
      Environment: { Variables: { KEYS: *keys } }
"#;

fn names() -> LocalNames {
    let mut names = LocalNames::new("http://127.0.0.1:1".to_owned());
    names.secrets.insert("Key".to_owned(), "s3cret".to_owned());
    names
}

#[test]
fn everything_the_host_runs_is_read() {
    let document = Document::read(SMALL).unwrap();
    assert_eq!(
        document.secrets().get("Key"),
        Some(&SecretSpec {
            length: 43,
            inside: None
        })
    );
    let template = document.resolve(&names()).unwrap();

    let worker = template.functions.get("worker").unwrap();
    assert_eq!(worker.timeout, Duration::from_secs(10));
    let variables: Vec<(&str, &str)> = worker
        .variables
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        variables,
        [
            ("HOPS", "0"),
            ("KEYS", "1:s3cret"),
            ("QUEUE", "http://127.0.0.1:1/000000000000/kith-Work"),
            ("SHARED", "everywhere"),
        ]
    );
    let other = template.functions.get("other").unwrap();
    assert_eq!(other.timeout, Duration::from_secs(6));
    assert_eq!(other.variables.get("KEYS").unwrap(), "1:s3cret");

    let routes: Vec<(&str, &str)> = template
        .routes
        .iter()
        .map(|route| (route.method.as_str(), route.path.as_str()))
        .collect();
    assert_eq!(routes, [("GET", "/r/{code}"), ("", "$default")]);

    let queue = template.queues.get("kith-Work").unwrap();
    assert_eq!(queue.visibility_timeout, Duration::from_secs(60));
    assert_eq!(queue.redrive.as_ref().unwrap().to, "kith-Dead");

    let [mapping] = template.queue_mappings.as_slice() else {
        panic!("one queue mapping");
    };
    assert_eq!((mapping.batch_size, mapping.concurrency_max), (5, 4));
    assert!(mapping.reports_failures);

    let [stream] = template.stream_mappings.as_slice() else {
        panic!("one stream mapping");
    };
    assert_eq!((stream.bisects, stream.retries_max), (true, 5));
    assert_eq!(stream.on_failure.as_deref(), Some("kith-Dead"));
    assert!(!stream.reports_failures);

    assert_eq!(worker.log_group, "kith-Logs");
    assert_eq!(other.log_group, "/aws/lambda/kith-Other");
    assert_eq!(worker.role.name, "kith-WorkerRole");
    let grants: Vec<(&str, &str)> = worker.role.grants().collect();
    let logs = "arn:aws:logs:local:000000000000:log-group:kith-Logs:*";
    assert_eq!(grants.len(), 11);
    assert!(grants.contains(&("logs:PutLogEvents", logs)), "{grants:?}");
    let mailing = worker.role.statements.last().unwrap();
    assert_eq!(
        mailing.conditions,
        [Condition {
            operator: Operator::StringEquals,
            key: "ses:FromAddress".to_owned(),
            values: vec!["shop@kith.example".to_owned()],
        }]
    );
    let of_lambda = template.uses_of_lambda.iter();
    let of_lambda = of_lambda.filter(|done| done.package == "worker");
    assert_eq!(of_lambda.count(), 2 + 3 + 4 + 1);

    assert_eq!(template.schedules.len(), 1);
    assert_eq!(template.table.ttl_attribute.as_deref(), Some("expires_at"));
}

#[test]
fn faults_are_told_together_and_with_their_place() {
    let broken = SMALL
        .replace("!Ref Work\n", "!Ref Wrok\n")
        .replace("VisibilityTimeout: 60", "VisibilityTimeout: 9")
        .replace("rate(1 minute)", "cron(0 12 * * ? *)");
    let error = Document::read(&broken)
        .unwrap()
        .resolve(&names())
        .unwrap_err();
    let text = error.to_string();
    assert!(text.contains("Resources.Worker.Properties"), "{text}");
    assert!(text.contains("Wrok"), "{text}");

    let broken = SMALL
        .replace("VisibilityTimeout: 60", "VisibilityTimeout: 9")
        .replace("rate(1 minute)", "cron(0 12 * * ? *)");
    let error = Document::read(&broken)
        .unwrap()
        .resolve(&names())
        .unwrap_err();
    assert_eq!(error.faults.len(), 2, "{error}");
}

/// What cannot be decided is not guessed, and a mapping that AWS would not make is not made here.
#[test]
fn roles_that_are_not_understood_or_too_small_are_faults() {
    for (from, to, fault) in [
        (
            "StringEquals",
            "IpAddress",
            "the operator IpAddress is not known here",
        ),
        (
            "ses:FromAddress",
            "ses:Recipients",
            "the key ses:Recipients is not known here",
        ),
        (
            "Action: ses:SendEmail",
            "NotAction: ses:SendEmail",
            "NotAction is not understood here",
        ),
        (
            "Action: ses:SendEmail",
            "Sid: Mail",
            "a statement has an effect, actions and resources",
        ),
        (
            "shop@kith.example",
            "'${aws:username}'",
            "variables are not known here",
        ),
        (
            "      Role: !GetAtt OtherRole.Arn\n",
            "",
            "Resources.Other: its role is none of this template",
        ),
        (
            "  OtherRole:\n    Type: AWS::IAM::Role\n    Properties:\n",
            "  OtherRole:\n    Type: AWS::IAM::Role\n    Properties:\n      ManagedPolicyArns: [x]\n",
            "Resources.OtherRole: ManagedPolicyArns is not understood here",
        ),
        (
            "Logs: { Type: AWS::Logs::LogGroup }",
            "Logs: { Type: AWS::Logs::LogGroup }\n  Wide: { Type: AWS::IAM::Policy }",
            "policies stand inside their roles here, not in an AWS::IAM::Policy",
        ),
        (
            "\"sqs:DeleteMessage\", ",
            "",
            "the role of worker does not allow sqs:DeleteMessage on arn:aws:sqs:local:000000000000:kith-Work",
        ),
        (
            "Action: \"sqs:SendMessage\"",
            "Action: \"sqs:PurgeQueue\"",
            "the role of worker does not allow sqs:SendMessage on arn:aws:sqs:local:000000000000:kith-Dead",
        ),
        (
            "\"dynamodb:GetRecords\", ",
            "",
            "the role of worker does not allow dynamodb:GetRecords on",
        ),
        (
            "Action: \"logs:*\"",
            "Action: \"logs:PutLogEvents\"",
            "the role of other does not allow logs:CreateLogStream on",
        ),
    ] {
        let broken = SMALL.replace(from, to);
        assert_ne!(broken, SMALL, "{from}");
        let document = Document::read(&broken).unwrap();
        let faults = document.resolve(&names()).unwrap_err().faults;
        let [only] = faults.as_slice() else {
            panic!("{to}: {faults:?}");
        };
        assert!(only.contains(fault), "{only}");
    }
}

#[test]
fn a_parameter_without_a_value_is_named() {
    let broken = SMALL.replace(
        "Hops: { Type: Number, Default: 0 }",
        "Hops: { Type: Number }",
    );
    let error = Document::read(&broken)
        .unwrap()
        .resolve(&names())
        .unwrap_err();
    assert!(error.to_string().contains("Parameters.Hops"), "{error}");
}

#[test]
fn something_that_is_no_template_is_refused() {
    assert!(Document::read("a: [").is_err());
    assert!(Document::read("a: 1").is_err());
}

/// The template that is deployed is the template that runs here.
#[test]
fn the_projects_own_template_is_usable() {
    let document = Document::read(EMBEDDED).unwrap();
    let mut names = LocalNames::new("http://127.0.0.1:1".to_owned());
    for id in document.secrets().into_keys() {
        names.secrets.insert(id, "x".repeat(43));
    }
    let template = document.resolve(&names).unwrap();
    assert!(template.routes.iter().any(|route| route.path == "$default"));
    assert_eq!(template.stream_mappings.len(), 1);
    assert!(
        template
            .stream_mappings
            .iter()
            .all(|mapping| !mapping.filter.is_empty())
    );
    for function in template.functions.values() {
        for (name, value) in &function.variables {
            assert!(
                !value.contains("{{"),
                "{name} of {} is open",
                function.package
            );
        }
    }
}
