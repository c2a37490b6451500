#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::template::Document;

/// A worker that may write the table, ask one index, send to a queue and mail from one address.
const TEMPLATE: &str = r#"
Resources:
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: kith
      AttributeDefinitions: [{ AttributeName: pk, AttributeType: S }]
      KeySchema: [{ AttributeName: pk, KeyType: HASH }]
  Role:
    Type: AWS::IAM::Role
    Properties:
      Policies:
        - PolicyDocument:
            Statement:
              - { Effect: Allow, Action: "logs:*", Resource: "*" }
              - { Effect: Allow, Action: ["dynamodb:PutItem", "dynamodb:DeleteItem", "dynamodb:BatchGetItem"], Resource: !GetAtt Table.Arn }
              - { Effect: Allow, Action: "dynamodb:Query", Resource: !Sub "${Table.Arn}/index/due" }
              - { Effect: Allow, Action: "sqs:SendMessage", Resource: !Sub "arn:aws:sqs:${AWS::Region}:${AWS::AccountId}:work*" }
              - { Effect: Deny, Action: "sqs:SendMessage", Resource: !Sub "arn:aws:sqs:${AWS::Region}:${AWS::AccountId}:work-dead" }
              - Effect: Allow
                Action: ses:SendEmail
                Resource:
                  - !Sub "arn:aws:ses:${AWS::Region}:${AWS::AccountId}:identity/kith.example"
                  - !Sub "arn:aws:ses:${AWS::Region}:${AWS::AccountId}:configuration-set/kith"
                Condition: { StringEquals: { "ses:FromAddress": shop@kith.example } }
  Worker: { Type: AWS::Serverless::Function, Properties: { CodeUri: functions/worker, Role: !GetAtt Role.Arn } }
"#;

fn guard() -> Guard {
    let names = LocalNames::new("http://127.0.0.1:1".to_owned());
    let template = Document::read(TEMPLATE).unwrap().resolve(&names).unwrap();
    Guard::new(&template, names)
}

fn signed(key: &str) -> HeaderMap {
    let credential =
        format!("AWS4-HMAC-SHA256 Credential={key}/20260101/local/any/aws4_request, Signature=0");
    HeaderMap::from_iter([(AUTHORIZATION, credential.parse().unwrap())])
}

/// What was noted of the worker's own calls: `action name`.
fn noted(of: &BTreeSet<Use>) -> Vec<String> {
    let own = of.iter().filter(|done| !done.action.starts_with("logs:"));
    own.map(|done| {
        let (_, name) = done
            .resource
            .split_once("000000000000:")
            .unwrap_or_default();
        format!("{} {name}", done.action)
    })
    .collect()
}

#[test]
fn each_request_needs_what_iam_asks_of_it() {
    let mail = |from: &str, set: &str, content: &str| {
        format!(r#"{{"FromEmailAddress":"{from}",{set}"Content":{{"{content}":{{}}}}}}"#)
    };
    for (call, body, used, refused) in [
        (
            Call::Table("PutItem"),
            r#"{"TableName":"kith","Item":{}}"#.to_owned(),
            vec!["dynamodb:PutItem table/kith"],
            vec![],
        ),
        (
            Call::Table("PutItem"),
            r#"{"TableName":"arn:aws:dynamodb:local:000000000000:table/kith"}"#.to_owned(),
            vec!["dynamodb:PutItem table/kith"],
            vec![],
        ),
        (
            Call::Table("PutItem"),
            r#"{"TableName":"other","Item":{}}"#.to_owned(),
            vec![],
            vec!["dynamodb:PutItem table/other"],
        ),
        (
            Call::Table("GetItem"),
            r#"{"TableName":"kith","Key":{}}"#.to_owned(),
            vec![],
            vec!["dynamodb:GetItem table/kith"],
        ),
        (
            Call::Table("Query"),
            r#"{"TableName":"kith"}"#.to_owned(),
            vec![],
            vec!["dynamodb:Query table/kith"],
        ),
        (
            Call::Table("Query"),
            r#"{"TableName":"kith","IndexName":"due"}"#.to_owned(),
            vec!["dynamodb:Query table/kith/index/due"],
            vec![],
        ),
        (
            Call::Table("Query"),
            r#"{"TableName":"kith","IndexName":"list"}"#.to_owned(),
            vec![],
            vec!["dynamodb:Query table/kith/index/list"],
        ),
        (
            Call::Table("BatchGetItem"),
            r#"{"RequestItems":{"kith":{"Keys":[]}}}"#.to_owned(),
            vec!["dynamodb:BatchGetItem table/kith"],
            vec![],
        ),
        (
            Call::Table("BatchWriteItem"),
            r#"{"RequestItems":{"kith":[]}}"#.to_owned(),
            vec![],
            vec!["dynamodb:BatchWriteItem table/kith"],
        ),
        // Each part by itself, up to the first that is not allowed.
        (
            Call::Table("TransactWriteItems"),
            r#"{"TransactItems":[{"Put":{"TableName":"kith"}},{"Delete":{"TableName":"kith"}},
                {"ConditionCheck":{"TableName":"kith"}},{"Update":{"TableName":"kith"}}]}"#
                .to_owned(),
            vec![
                "dynamodb:DeleteItem table/kith",
                "dynamodb:PutItem table/kith",
            ],
            vec!["dynamodb:ConditionCheckItem table/kith"],
        ),
        (
            Call::Table("TransactGetItems"),
            r#"{"TransactItems":[{"Get":{"TableName":"kith"}}]}"#.to_owned(),
            vec![],
            vec!["dynamodb:GetItem table/kith"],
        ),
        (
            Call::Queue("SendMessageBatch"),
            r#"{"QueueUrl":"http://x/000000000000/work"}"#.to_owned(),
            vec!["sqs:SendMessage work"],
            vec![],
        ),
        (
            Call::Queue("SendMessage"),
            r#"{"QueueUrl":"http://x/000000000000/work-dead"}"#.to_owned(),
            vec![],
            vec!["sqs:SendMessage work-dead"],
        ),
        (
            Call::Queue("GetQueueUrl"),
            r#"{"QueueName":"work"}"#.to_owned(),
            vec![],
            vec!["sqs:GetQueueUrl work"],
        ),
        (
            Call::Mail,
            mail("The Shop <shop@kith.example>", "", "Simple"),
            vec!["ses:SendEmail identity/kith.example"],
            vec![],
        ),
        (
            Call::Mail,
            mail("other@kith.example", "", "Simple"),
            vec![],
            vec!["ses:SendEmail identity/other@kith.example"],
        ),
        (
            Call::Mail,
            mail("shop@kith.example", "", "Raw"),
            vec![],
            vec!["ses:SendRawEmail identity/shop@kith.example"],
        ),
        (
            Call::Mail,
            mail(
                "shop@kith.example",
                r#""ConfigurationSetName":"kith","#,
                "Simple",
            ),
            vec![
                "ses:SendEmail configuration-set/kith",
                "ses:SendEmail identity/kith.example",
            ],
            vec![],
        ),
        (
            Call::Mail,
            mail(
                "shop@kith.example",
                r#""ConfigurationSetName":"other","#,
                "Simple",
            ),
            vec!["ses:SendEmail identity/kith.example"],
            vec!["ses:SendEmail configuration-set/other"],
        ),
    ] {
        let guard = guard();
        let refusal = guard.refusal(call, &signed("worker"), body.as_bytes());
        let actions = guard.actions();
        assert_eq!(noted(&actions.used), used, "{call:?} {body}");
        assert_eq!(noted(&actions.refused), refused, "{call:?} {body}");
        assert_eq!(refusal.is_none(), refused.is_empty(), "{call:?} {body}");
    }
}

/// Status and names as the services have them, and a text that says what to mend.
#[test]
fn refusals_have_the_form_of_the_service() {
    let guard = guard();
    let refusal = |call, body: &str, headers: &HeaderMap| {
        let answer = guard.refusal(call, headers, body.as_bytes()).unwrap();
        let body: serde_json::Value = serde_json::from_str(answer.body()).unwrap();
        let text = |name: &str| body.get(name).unwrap().as_str().unwrap().to_owned();
        let header = |name: &str| {
            let value = answer.headers().get(name);
            value.map_or(String::new(), |value| value.to_str().unwrap().to_owned())
        };
        (
            answer.status().as_u16(),
            text("__type"),
            header("x-amzn-query-error") + &header("x-amzn-errortype"),
            text("Message"),
        )
    };
    let user = "User: arn:aws:sts::000000000000:assumed-role/kith-Role/worker is not authorized to perform:";
    let denied = "com.amazon.coral.service#AccessDeniedException".to_owned();
    let worker = signed("worker");
    assert_eq!(
        refusal(Call::Table("GetItem"), r#"{"TableName":"kith"}"#, &worker),
        (
            400,
            denied.clone(),
            String::new(),
            format!(
                "{user} dynamodb:GetItem on resource: arn:aws:dynamodb:local:000000000000:table/kith because no identity-based policy allows the dynamodb:GetItem action"
            )
        )
    );
    assert_eq!(
        refusal(
            Call::Queue("SendMessage"),
            r#"{"QueueUrl":"x/work-dead"}"#,
            &worker
        ),
        (
            403,
            denied.clone(),
            "AccessDenied;Sender".to_owned(),
            format!(
                "{user} sqs:SendMessage on resource: arn:aws:sqs:local:000000000000:work-dead with an explicit deny in an identity-based policy"
            )
        )
    );
    let (status, kind, named, text) = refusal(Call::Mail, "{}", &worker);
    assert_eq!(
        (status, kind, named.as_str()),
        (403, denied, "AccessDeniedException")
    );
    assert!(text.contains("ses:SendEmail"), "{text}");
    for headers in [signed("nobody"), HeaderMap::new()] {
        let (status, kind, _, _) = refusal(Call::Table("PutItem"), "{}", &headers);
        assert_eq!(
            (status, kind.as_str()),
            (400, "com.amazon.coral.service#UnrecognizedClientException")
        );
    }
    // What cannot be read cannot be decided about.
    let (_, kind, _, _) = refusal(Call::Table("PutItem"), "[", &worker);
    assert!(kind.ends_with("SerializationException"), "{kind}");
    assert!(guard.refusal(Call::Mail, &signed(OWNER), b"[").is_none());
}
