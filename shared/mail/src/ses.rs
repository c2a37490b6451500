//! Mail through Amazon SES.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::config::{
    BehaviorVersion, Region, StalledStreamProtectionConfig, retry::RetryConfig,
    timeout::TimeoutConfig,
};
use aws_sdk_sesv2::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_sesv2::operation::send_email::{SendEmailError, SendEmailOutput};
use aws_sdk_sesv2::types::{
    Body, Content, Destination, EmailContent, Message, MessageHeader, MessageTag,
};
use aws_smithy_http_client::tls;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextRef;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

use crate::mail::Mail;
use crate::send::{Mailer, NotSentReason, SendFault, SendFuture, SendOutcome};

/// The longest error code that is kept.
const CODE_BYTES_MAX: usize = 64;
/// The deepest chain of causes that is read.
const CAUSES_MAX: usize = 10;

/// What a [`SesMailer`] is made of.
#[derive(Debug, Clone)]
pub struct SesSettings {
    /// The AWS region, such as `eu-west-1`.
    pub region: String,
    /// Who sends.
    pub credentials: SharedCredentialsProvider,
    /// Another endpoint than the region's own.
    pub endpoint_url: Option<String>,
    /// Whom the endpoint is certified by.
    pub tls: tls::TlsContext,
    /// Replaces the HTTP client. Without one, each mail gets a connection of its own.
    pub http_client: Option<SharedHttpClient>,
    /// The SES configuration set, whose event destinations report what became of a mail. Empty means none.
    pub configuration_set: Option<String>,
    /// How long a connection may take to be made. [`SesSettings::CONNECT_TIMEOUT`] unless a test needs less.
    pub connect_timeout: Duration,
    /// How long the whole call may take. [`SesSettings::OPERATION_TIMEOUT`] unless a test needs less.
    pub operation_timeout: Duration,
}

impl SesSettings {
    /// Two seconds to connect.
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
    /// Eight seconds for the whole call.
    pub const OPERATION_TIMEOUT: Duration = Duration::from_secs(8);

    /// The usual timeouts, the region's own endpoint, no configuration set.
    #[must_use]
    pub fn new(
        region: impl Into<String>,
        credentials: SharedCredentialsProvider,
        tls: tls::TlsContext,
    ) -> Self {
        Self {
            region: region.into(),
            credentials,
            tls,
            endpoint_url: None,
            http_client: None,
            configuration_set: None,
            connect_timeout: Self::CONNECT_TIMEOUT,
            operation_timeout: Self::OPERATION_TIMEOUT,
        }
    }
}

/// Sends mail through Amazon SES, each mail with one request that is never repeated.
#[derive(Clone)]
pub struct SesMailer {
    client: Client,
    configuration_set: Option<String>,
}

impl fmt::Debug for SesMailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SesMailer")
            .field("configuration_set", &self.configuration_set)
            .finish_non_exhaustive()
    }
}

impl SesMailer {
    /// A mailer. Connects to nothing yet.
    #[must_use]
    pub fn new(settings: SesSettings) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(settings.connect_timeout)
            .operation_timeout(settings.operation_timeout)
            .build();
        let own = || one_connection_per_mail(settings.tls);
        let http_client = settings.http_client.unwrap_or_else(own);
        let mut config = aws_sdk_sesv2::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(settings.region))
            .credentials_provider(settings.credentials)
            .http_client(http_client)
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .timeout_config(timeouts);
        config.set_endpoint_url(settings.endpoint_url);
        Self {
            client: Client::from_conf(config.build()),
            configuration_set: settings.configuration_set.filter(|name| !name.is_empty()),
        }
    }

    async fn send_once(&self, mail: &Mail) -> SendOutcome {
        let message = match message(mail) {
            Ok(message) => message,
            Err(error) => {
                return SendOutcome::Refused {
                    fault: fault_of(&error),
                };
            }
        };
        let transmitted = Arc::new(AtomicBool::new(false));
        let mut request = self
            .client
            .send_email()
            .from_email_address(mail.from().to_header())
            .destination(
                Destination::builder()
                    .to_addresses(mail.to().as_str())
                    .build(),
            )
            .content(EmailContent::builder().simple(message).build())
            .set_configuration_set_name(self.configuration_set.clone());
        for (name, value) in [("message_id", mail.message_id()), ("message", mail.kind())] {
            match MessageTag::builder().name(name).value(value).build() {
                Ok(tag) => request = request.email_tags(tag),
                Err(error) => {
                    return SendOutcome::Refused {
                        fault: fault_of(&error),
                    };
                }
            }
        }
        let answer = request
            .customize()
            .interceptor(TransmitMark(Arc::clone(&transmitted)))
            .send()
            .await;
        match answer {
            Ok(output) => sent(&output),
            Err(error) => failed(&error, transmitted.load(Ordering::Acquire)),
        }
    }
}

impl Mailer for SesMailer {
    fn send<'a>(&'a self, mail: &'a Mail) -> SendFuture<'a> {
        Box::pin(self.send_once(mail))
    }
}

/// A client that keeps no connection for later. Between two invocations a function is frozen and its idle
/// connections are closed from the other side; a request written to such a connection ends without an answer, and
/// the mail would be recorded as one that may have left. One handshake per mail costs less than that doubt.
fn one_connection_per_mail(tls: tls::TlsContext) -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().build_with_connector_fn(move |settings, _components| {
        let mut connector = aws_smithy_http_client::Connector::builder()
            .tls_provider(tls::Provider::Rustls(
                tls::rustls_provider::CryptoMode::Ring,
            ))
            .tls_context(tls.clone())
            .pool_max_idle_per_host(0);
        connector.set_connector_settings(settings.cloned());
        connector.build()
    })
}

fn message(mail: &Mail) -> Result<Message, BuildError> {
    let content = |text: &str| Content::builder().charset("UTF-8").data(text).build();
    let body = Body::builder()
        .text(content(mail.text())?)
        .html(content(mail.html())?)
        .build();
    let mut message = Message::builder()
        .subject(content(mail.subject())?)
        .body(body);
    for header in mail.headers() {
        message = message.headers(
            MessageHeader::builder()
                .name(header.name())
                .value(header.value())
                .build()?,
        );
    }
    Ok(message.build())
}

/// Notes when the request is handed to the connection: what fails before was not sent, whatever it is.
#[derive(Debug)]
struct TransmitMark(Arc<AtomicBool>);

impl Intercept for TransmitMark {
    fn name(&self) -> &'static str {
        "TransmitMark"
    }

    fn read_before_transmit(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.store(true, Ordering::Release);
        Ok(())
    }
}

fn sent(output: &SendEmailOutput) -> SendOutcome {
    match output.message_id() {
        Some(id) if !id.is_empty() => SendOutcome::Sent {
            provider_id: id.to_owned(),
        },
        Some(_) | None => SendOutcome::Unknown {
            fault: SendFault::new(None, Some(200), "the answer names no message"),
        },
    }
}

/// What a failed call means for the mail.
fn failed(error: &SdkError<SendEmailError, HttpResponse>, transmitted: bool) -> SendOutcome {
    match error {
        SdkError::ServiceError(answer) => refused(answer.err(), answer.raw().status().as_u16()),
        // Credentials, endpoint, signature: not one byte was written.
        SdkError::ConstructionFailure(_)
        | SdkError::TimeoutError(_)
        | SdkError::DispatchFailure(_)
            if !transmitted =>
        {
            SendOutcome::NotSent {
                reason: NotSentReason::Configuration,
                fault: fault_of(error),
            }
        }
        SdkError::DispatchFailure(failure)
            if failure.as_connector_error().is_some_and(never_connected) =>
        {
            SendOutcome::NotSent {
                reason: NotSentReason::Unreachable,
                fault: fault_of(error),
            }
        }
        SdkError::ResponseError(answer) => {
            let status = answer.raw().status().as_u16();
            SendOutcome::Unknown {
                fault: SendFault::new(None, Some(status), &causes(error)),
            }
        }
        // The SDK's own list may grow; what is not known here may have left.
        SdkError::ConstructionFailure(_)
        | SdkError::TimeoutError(_)
        | SdkError::DispatchFailure(_)
        | _ => SendOutcome::Unknown {
            fault: fault_of(error),
        },
    }
}

/// What SES answered. A mail lost is worse than a mail that waits, so only what is wrong with the mail itself is
/// final; what is wrong with the account waits for its owner.
fn refused(error: &SendEmailError, status: u16) -> SendOutcome {
    let code = error.code().map(code_text);
    let fault = SendFault::new(code.clone(), Some(status), "SES answered");
    let not_sent = |reason, fault| SendOutcome::NotSent { reason, fault };
    match code.as_deref() {
        Some(
            "TooManyRequestsException"
            | "LimitExceededException"
            | "ThrottlingException"
            | "Throttling"
            | "ThrottledException"
            | "RequestThrottled"
            | "RequestThrottledException"
            | "RequestLimitExceeded",
        ) => not_sent(NotSentReason::Throttled, fault),
        Some(
            "SendingPausedException"
            | "AccountSuspendedException"
            | "MailFromDomainNotVerifiedException"
            | "NotFoundException",
        ) => not_sent(NotSentReason::Configuration, fault),
        // An identity that is not verified has no code of its own: SES says "Email address is not verified."
        Some("MessageRejected")
            if error
                .message()
                .is_some_and(|text| text.contains("not verified")) =>
        {
            not_sent(NotSentReason::Configuration, fault)
        }
        _ if status == 429 => not_sent(NotSentReason::Throttled, fault),
        _ if matches!(status, 401 | 403 | 404) => not_sent(NotSentReason::Configuration, fault),
        // A refusal that names its reason is SES's own; without one, something on the way may have answered.
        Some(_) if (400..500).contains(&status) && status != 408 => SendOutcome::Refused { fault },
        Some(_) | None => SendOutcome::Unknown { fault },
    }
}

/// Whether the failure came before a connection stood: name not found, refused, no answer to the connection attempt,
/// TLS not agreed upon. Nothing of the request can have been written then.
fn never_connected(error: &ConnectorError) -> bool {
    chain(error).any(|cause| {
        cause
            .downcast_ref::<hyper_util::client::legacy::Error>()
            .is_some_and(|error| error.is_connect())
            || cause
                .downcast_ref::<std::io::Error>()
                .is_some_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
    })
}

fn fault_of(error: &(dyn Error + 'static)) -> SendFault {
    SendFault::new(None, None, &causes(error))
}

/// The chain of causes in one line. It names hosts and ports, nothing of the mail: the service's own words are
/// not part of it.
fn causes(error: &(dyn Error + 'static)) -> String {
    chain(error)
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| {
        (**error).source()
    })
    .take(CAUSES_MAX)
}

/// An error code is a word. Whatever else stands there does not get into logs.
fn code_text(code: &str) -> String {
    code.chars()
        .filter(char::is_ascii_alphanumeric)
        .take(CODE_BYTES_MAX)
        .collect()
}

#[cfg(test)]
mod tests;
