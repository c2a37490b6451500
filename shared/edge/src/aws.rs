//! Clients of AWS services, made from a function's environment and nothing else: no files, no
//! profiles, no metadata service.
//!
//! On Lambda the region and the credentials are variables, which is what makes this much smaller
//! than the SDK's chain of providers. Endpoints are trusted under Amazon's own roots only.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::config::{
    BehaviorVersion, IdentityCache, Region, StalledStreamProtectionConfig, retry::RetryConfig,
    timeout::TimeoutConfig,
};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use crate::config::Variables;

/// Amazon Trust Services: what AWS endpoints are certified by. See `roots/README.md`.
const ROOTS: [&str; 5] = [
    include_str!("../roots/amazon-root-ca-1.pem"),
    include_str!("../roots/amazon-root-ca-2.pem"),
    include_str!("../roots/amazon-root-ca-3.pem"),
    include_str!("../roots/amazon-root-ca-4.pem"),
    include_str!("../roots/starfield-services-root-g2.pem"),
];

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Longest wait for one attempt, connection and answer.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
/// How often a call to SQS is tried.
const SQS_ATTEMPTS: u32 = 3;

/// What every AWS client of a function is made from: one HTTP client, shared by them all.
#[derive(Debug, Clone)]
pub struct Connection {
    region: Region,
    credentials: Credentials,
    tls: TlsContext,
    http_client: SharedHttpClient,
    dynamodb_endpoint: Option<String>,
    sqs_endpoint: Option<String>,
    sesv2_endpoint: Option<String>,
}

impl Connection {
    /// Reads `AWS_REGION`, the credentials in `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and
    /// `AWS_SESSION_TOKEN`, and `AWS_ENDPOINT_URL_*`, which replace a service's address. `None` is a
    /// fault that [`Variables::finish`] reports.
    pub fn of(variables: &mut Variables<'_>) -> Option<Self> {
        let text = |text: &str| Ok::<_, std::convert::Infallible>(text.to_owned());
        let region = variables.required("AWS_REGION");
        let key_id = variables.required("AWS_ACCESS_KEY_ID");
        let secret = variables.required("AWS_SECRET_ACCESS_KEY");
        let session = variables.optional("AWS_SESSION_TOKEN", text);
        let dynamodb_endpoint = variables.optional("AWS_ENDPOINT_URL_DYNAMODB", text);
        let sqs_endpoint = variables.optional("AWS_ENDPOINT_URL_SQS", text);
        let sesv2_endpoint = variables.optional("AWS_ENDPOINT_URL_SESV2", text);
        let tls = amazon().map_err(|fault| variables.fault(fault)).ok()?;
        let replaced = variables.environment().http_client.clone();
        let http_client = replaced.unwrap_or_else(|| https_client(&tls));
        Some(Self {
            region: Region::new(region?),
            // Lambda replaces the process before its credentials expire.
            credentials: Credentials::new(key_id?, secret?, session?, None, "environment"),
            tls,
            http_client,
            dynamodb_endpoint: dynamodb_endpoint?,
            sqs_endpoint: sqs_endpoint?,
            sesv2_endpoint: sesv2_endpoint?,
        })
    }

    /// A client of the table. It repeats nothing: the store does, under the same token.
    #[must_use]
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        let mut config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(self.region.clone())
            .credentials_provider(self.credentials.clone())
            .identity_cache(IdentityCache::no_cache())
            .http_client(self.http_client.clone())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        config.set_endpoint_url(self.dynamodb_endpoint.clone());
        aws_sdk_dynamodb::Client::from_conf(config.build())
    }

    /// A client of the queues. It tries three times.
    #[must_use]
    pub fn sqs(&self) -> aws_sdk_sqs::Client {
        let mut config = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(self.region.clone())
            .credentials_provider(self.credentials.clone())
            .identity_cache(IdentityCache::no_cache())
            .http_client(self.http_client.clone())
            .retry_config(RetryConfig::standard().with_max_attempts(SQS_ATTEMPTS))
            .timeout_config(timeouts())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        config.set_endpoint_url(self.sqs_endpoint.clone());
        aws_sdk_sqs::Client::from_conf(config.build())
    }

    /// The region, for clients that are made elsewhere.
    #[must_use]
    pub fn region(&self) -> Region {
        self.region.clone()
    }

    /// The credentials, for clients that are made elsewhere.
    #[must_use]
    pub fn credentials(&self) -> Credentials {
        self.credentials.clone()
    }

    /// The HTTP client, for clients that are made elsewhere.
    #[must_use]
    pub fn http_client(&self) -> SharedHttpClient {
        self.http_client.clone()
    }

    /// Whom AWS endpoints are certified by, for clients that are made elsewhere.
    #[must_use]
    pub fn tls(&self) -> TlsContext {
        self.tls.clone()
    }

    /// Where SES is, if not at AWS.
    #[must_use]
    pub fn sesv2_endpoint(&self) -> Option<String> {
        self.sesv2_endpoint.clone()
    }
}

/// How long calls may take: one second to connect, three for an attempt.
#[must_use]
pub fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .build()
}

/// Amazon's roots and no others: those of the system are a hundred files to read at each start.
fn amazon() -> Result<TlsContext, String> {
    let roots = ROOTS.iter().fold(TrustStore::empty(), |store, root| {
        store.with_pem_certificate(root.as_bytes())
    });
    let context = TlsContext::builder().with_trust_store(roots).build();
    context.map_err(|error| format!("the HTTPS client cannot be made: {error}"))
}

/// An HTTPS client. It connects when it is first used.
fn https_client(tls: &TlsContext) -> SharedHttpClient {
    Builder::new()
        .tls_provider(Provider::rustls(CryptoMode::Ring))
        .tls_context(tls.clone())
        .build_https()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Environment;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::of_variables(
            variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        )
    }

    /// A root that does not parse would stop every function at its first call, on AWS only.
    #[tokio::test]
    async fn the_embedded_roots_are_usable() {
        let environment = environment(&[
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            // Nothing listens there; certificates are read before the connection is tried.
            ("AWS_ENDPOINT_URL_DYNAMODB", "https://127.0.0.1:1"),
        ]);
        let mut variables = Variables::of(&environment);
        let connection = Connection::of(&mut variables);
        let (connection,) = variables.finish((connection,)).unwrap();
        let error = connection
            .dynamodb()
            .list_tables()
            .send()
            .await
            .unwrap_err();
        assert!(
            matches!(error, aws_sdk_dynamodb::error::SdkError::DispatchFailure(_)),
            "{error:?}"
        );
    }

    #[test]
    fn what_is_missing_is_reported_together() {
        let environment = environment(&[]);
        let mut variables = Variables::of(&environment);
        let connection = Connection::of(&mut variables);
        let error = variables.finish((connection,)).unwrap_err().to_string();
        for name in ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
            assert!(error.contains(name), "{error}");
        }
    }

    #[test]
    fn a_connection_does_not_print_its_secret() {
        let environment = environment(&[
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "hush-hush"),
            ("AWS_SESSION_TOKEN", "hush-hush"),
        ]);
        let connection = Connection::of(&mut Variables::of(&environment)).unwrap();
        assert!(!format!("{connection:?}").contains("hush"));
    }
}
