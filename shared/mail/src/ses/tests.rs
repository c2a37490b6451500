#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::sync::Mutex;
use std::sync::atomic::AtomicU32;

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::ErrorKind;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::{Beneficiary, Envelope, Gift, Language, RewardIssued};

const SENT: &str = r#"{"MessageId": "0100-abc"}"#;

type Answer = Box<dyn Fn() -> Result<HttpResponse, ConnectorError> + Send + Sync>;

/// An HTTP client without a network: keeps what it is given and answers as told.
#[derive(Clone)]
struct Fake {
    answer: Arc<Answer>,
    bodies: Arc<Mutex<Vec<(String, String)>>>,
    calls: Arc<AtomicU32>,
}

impl fmt::Debug for Fake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fake")
    }
}

impl HttpConnector for Fake {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = String::from_utf8(request.body().bytes().unwrap().to_vec()).unwrap();
        self.bodies
            .lock()
            .unwrap()
            .push((request.uri().to_owned(), body));
        self.calls.fetch_add(1, Ordering::Relaxed);
        HttpConnectorFuture::ready((self.answer)())
    }
}

impl Fake {
    fn new(
        answer: impl Fn() -> Result<HttpResponse, ConnectorError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            answer: Arc::new(Box::new(answer)),
            bodies: Arc::default(),
            calls: Arc::default(),
        }
    }

    /// An answer of SES: status, error code (none: as it is), body.
    fn answering(status: u16, code: &'static str, body: &'static str) -> Self {
        Self::new(move || {
            let response = http::Response::builder()
                .status(status)
                .header("content-type", "application/json")
                .header("x-amzn-errortype", code)
                .body(SdkBody::from(body))
                .unwrap();
            Ok(response.try_into().unwrap())
        })
    }

    fn client(&self) -> SharedHttpClient {
        let connector = SharedHttpConnector::new(self.clone());
        http_client_fn(move |_settings, _components| connector.clone())
    }
}

fn settings() -> SesSettings {
    let credentials = Credentials::new("AKIATEST", "secret", None, None, "test");
    SesSettings::new(
        "eu-west-1",
        SharedCredentialsProvider::new(credentials),
        tls::TlsContext::default(),
    )
}

fn mail() -> Mail {
    let sender = "refer@kith.example".parse().unwrap();
    let reward = RewardIssued {
        language: Language::English,
        program_name: "Joe's Artisan Bakery",
        first_name: Some("Ann"),
        beneficiary: Beneficiary::Referrer,
        gift: Gift::Cash {
            minor: 500,
            currency: "EUR",
        },
        shop_url: None,
        unsubscribe_url: "https://refer.example/u/abc",
        postal_address: None,
    };
    reward
        .compose(&Envelope {
            sender: &sender,
            to: "ann@example.com",
            message_id: "evt_1-mail",
        })
        .unwrap()
}

async fn outcome(fake: &Fake) -> SendOutcome {
    let mailer = SesMailer::new(SesSettings {
        http_client: Some(fake.client()),
        ..settings()
    });
    let outcome = mailer.send(&mail()).await;
    assert!(
        fake.calls.load(Ordering::Relaxed) <= 1,
        "a mail must be sent at most once"
    );
    outcome
}

fn reason(outcome: &SendOutcome) -> NotSentReason {
    match outcome {
        SendOutcome::NotSent { reason, .. } => *reason,
        SendOutcome::Sent { .. } | SendOutcome::Refused { .. } | SendOutcome::Unknown { .. } => {
            panic!("expected a mail that was not sent: {outcome:?}")
        }
    }
}

/// The request is the contract with SES: pinned in full.
#[tokio::test]
async fn a_mail_is_one_request_with_headers_and_tags() {
    let fake = Fake::answering(200, "", SENT);
    let mailer = SesMailer::new(SesSettings {
        http_client: Some(fake.client()),
        configuration_set: Some("kith-events".to_owned()),
        ..settings()
    });
    let mail = mail();

    let outcome = mailer.send(&mail).await;

    assert_eq!(
        outcome,
        SendOutcome::Sent {
            provider_id: "0100-abc".to_owned()
        }
    );
    let (uri, body) = fake.bodies.lock().unwrap().first().cloned().unwrap();
    assert_eq!(
        uri,
        "https://email.eu-west-1.amazonaws.com/v2/email/outbound-emails"
    );
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    let content = |data: &str| serde_json::json!({"Data": data, "Charset": "UTF-8"});
    assert_eq!(
        body,
        serde_json::json!({
            "FromEmailAddress": "\"Joe's Artisan Bakery\" <refer@kith.example>",
            "Destination": {"ToAddresses": ["ann@example.com"]},
            "Content": {"Simple": {
                "Subject": content("Thank you: 5.00 EUR from Joe's Artisan Bakery"),
                "Body": {"Text": content(mail.text()), "Html": content(mail.html())},
                "Headers": [
                    {"Name": "List-Unsubscribe", "Value": "<https://refer.example/u/abc>"},
                    {"Name": "List-Unsubscribe-Post", "Value": "List-Unsubscribe=One-Click"},
                    {"Name": "Auto-Submitted", "Value": "auto-generated"},
                ],
            }},
            "EmailTags": [
                {"Name": "message_id", "Value": "evt_1-mail"},
                {"Name": "message", "Value": "reward_issued"},
            ],
            "ConfigurationSetName": "kith-events",
        })
    );
}

#[tokio::test]
async fn an_empty_configuration_set_is_none() {
    let fake = Fake::answering(200, "", SENT);
    let http_client = Some(fake.client());
    let mailer = SesMailer::new(SesSettings {
        http_client,
        configuration_set: Some(String::new()),
        ..settings()
    });
    mailer.send(&mail()).await;
    let (_, body) = fake.bodies.lock().unwrap().first().cloned().unwrap();
    assert!(!body.contains("ConfigurationSetName"));
}

#[tokio::test]
async fn what_ses_throttles_may_be_sent_later() {
    for (status, code) in [
        (429, "TooManyRequestsException"),
        (400, "LimitExceededException"),
        (400, "ThrottlingException"),
        (503, "Throttling"),
        (429, ""),
    ] {
        let outcome = outcome(&Fake::answering(
            status,
            code,
            r#"{"message": "slow down"}"#,
        ))
        .await;
        assert_eq!(reason(&outcome), NotSentReason::Throttled, "{code}");
    }
}

/// What the owner can mend must not cost anybody their mail.
#[tokio::test]
async fn what_is_wrong_with_the_account_waits_for_its_owner() {
    for (status, code) in [
        (400, "SendingPausedException"),
        (400, "AccountSuspendedException"),
        (400, "MailFromDomainNotVerifiedException"),
        (404, "NotFoundException"),
        (403, "AccessDeniedException"),
        (403, "ExpiredTokenException"),
        (403, "UnrecognizedClientException"),
        (403, "InvalidSignatureException"),
        (401, ""),
    ] {
        let outcome = outcome(&Fake::answering(status, code, r#"{"message": "no"}"#)).await;
        assert_eq!(reason(&outcome), NotSentReason::Configuration, "{code}");
    }
    let unverified = r#"{"message": "Email address is not verified. The following identities failed the check in region EU-WEST-1: refer@kith.example"}"#;
    let outcome = outcome(&Fake::answering(400, "MessageRejected", unverified)).await;
    assert_eq!(reason(&outcome), NotSentReason::Configuration);
}

#[tokio::test]
async fn what_is_wrong_with_the_mail_is_final() {
    for (status, code) in [
        (400, "MessageRejected"),
        (400, "BadRequestException"),
        (400, "ValidationException"),
        (413, "TooLarge"),
    ] {
        let outcome = outcome(&Fake::answering(
            status,
            code,
            r#"{"message": "Ann's mail: ann@example.com"}"#,
        ))
        .await;
        let SendOutcome::Refused { fault } = &outcome else {
            panic!("{code}: {outcome:?}")
        };
        assert_eq!(
            (fault.code.as_deref(), fault.status),
            (Some(code), Some(status))
        );
        assert!(
            !format!("{outcome:?} {fault}").contains("ann@"),
            "no personal data in what gets logged"
        );
        assert_eq!(
            fault.to_string(),
            format!("SES answered: {code} ({status})")
        );
    }
}

/// Behind each of these the mail may be on its way.
#[tokio::test]
async fn what_may_have_left_is_never_called_not_sent() {
    for (status, code, body) in [
        (500, "InternalServiceError", r#"{"message": "oops"}"#),
        (503, "ServiceUnavailable", "{}"),
        (502, "", "<html>bad gateway</html>"),
        (400, "", "<html>what?</html>"),
        (408, "RequestTimeout", "{}"),
        (200, "", "not json"),
        (200, "", "{}"),
        (200, "", r#"{"MessageId": ""}"#),
    ] {
        let outcome = outcome(&Fake::answering(status, code, body)).await;
        let SendOutcome::Unknown { fault } = &outcome else {
            panic!("{status} {code}: {outcome:?}")
        };
        assert_eq!(fault.status, Some(status));
    }
    let failures: [fn() -> ConnectorError; 4] = [
        || ConnectorError::timeout("no answer".into()),
        || ConnectorError::io(std::io::Error::from(std::io::ErrorKind::ConnectionReset).into()),
        || ConnectorError::other("closed".into(), Some(ErrorKind::TransientError)),
        || ConnectorError::user("strange".into()),
    ];
    for failure in failures {
        let outcome = outcome(&Fake::new(move || Err(failure()))).await;
        assert!(
            matches!(outcome, SendOutcome::Unknown { .. }),
            "{outcome:?}"
        );
    }
}

/// Not one byte is written before the request is signed, so this may be tried again.
#[tokio::test]
async fn without_credentials_nothing_is_sent() {
    #[derive(Debug)]
    struct NoCredentials;
    impl aws_credential_types::provider::ProvideCredentials for NoCredentials {
        fn provide_credentials<'a>(
            &'a self,
        ) -> aws_credential_types::provider::future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            use aws_credential_types::provider::error::CredentialsError;
            aws_credential_types::provider::future::ProvideCredentials::ready(Err(
                CredentialsError::not_loaded_no_source(),
            ))
        }
    }
    let fake = Fake::answering(200, "", SENT);
    let mailer = SesMailer::new(SesSettings {
        http_client: Some(fake.client()),
        credentials: SharedCredentialsProvider::new(NoCredentials),
        ..settings()
    });
    let outcome = mailer.send(&mail()).await;
    assert_eq!(reason(&outcome), NotSentReason::Configuration);
    assert_eq!(fake.calls.load(Ordering::Relaxed), 0);
}

/// Sends over the real client to `endpoint`, with timeouts a test can wait for.
async fn over_the_wire(endpoint: String) -> SendOutcome {
    let mailer = SesMailer::new(SesSettings {
        endpoint_url: Some(endpoint),
        connect_timeout: Duration::from_millis(300),
        operation_timeout: Duration::from_millis(900),
        ..settings()
    });
    mailer.send(&mail()).await
}

#[tokio::test]
async fn a_refused_connection_sent_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let outcome = over_the_wire(format!("http://{address}")).await;
    assert_eq!(reason(&outcome), NotSentReason::Unreachable);
}

#[tokio::test]
async fn a_name_that_does_not_resolve_sent_nothing() {
    let outcome = over_the_wire("http://ses.invalid:81".to_owned()).await;
    assert_eq!(reason(&outcome), NotSentReason::Unreachable);
}

/// A connection that is made but never agrees on TLS has carried nothing of the mail.
#[tokio::test]
async fn a_handshake_that_hangs_or_fails_sent_nothing() {
    for hang in [true, false] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            if hang {
                tokio::time::sleep(Duration::from_secs(20)).await;
            }
            socket
                .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                .await
                .unwrap();
        });
        let outcome = over_the_wire(format!("https://{address}")).await;
        assert_eq!(reason(&outcome), NotSentReason::Unreachable, "hang: {hang}");
        server.abort();
    }
}

/// The request was read and no answer came: by then the mail may have left.
#[tokio::test]
async fn silence_or_a_hang_up_after_the_request_is_unknown() {
    for answer in [
        "silence",
        "",
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"Mess",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut buffer = vec![0; 65_536];
            let read = socket.read(&mut buffer).await.unwrap();
            assert!(read > 0);
            if answer == "silence" {
                tokio::time::sleep(Duration::from_secs(20)).await;
            }
            socket.write_all(answer.as_bytes()).await.unwrap();
        });
        let outcome = over_the_wire(format!("http://{address}")).await;
        assert!(
            matches!(outcome, SendOutcome::Unknown { .. }),
            "{answer:?}: {outcome:?}"
        );
        server.abort();
    }
}

/// A connection left over from before a freeze may be dead; a mail written to it would end as `Unknown`.
#[tokio::test]
async fn every_mail_has_a_connection_of_its_own() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&connections);
    let server = tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::Relaxed);
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{SENT}",
                SENT.len()
            );
            tokio::spawn(async move {
                let mut buffer = vec![0; 65_536];
                while socket.read(&mut buffer).await.unwrap_or(0) > 0 {
                    if buffer.windows(9).any(|window| window == b"EmailTags") {
                        socket.write_all(answer.as_bytes()).await.unwrap();
                        buffer.fill(0);
                    }
                }
            });
        }
    });
    let mailer = SesMailer::new(SesSettings {
        endpoint_url: Some(format!("http://{address}")),
        ..settings()
    });
    for _ in 0..3 {
        let outcome = mailer.send(&mail()).await;
        assert!(matches!(outcome, SendOutcome::Sent { .. }), "{outcome:?}");
    }
    assert_eq!(connections.load(Ordering::Relaxed), 3);
    server.abort();
}
