//! The least that a function with a write can be: one conditional put for each event, with the
//! client settings of the functions, and a redirect as the answer.
//!
//! With `FLOOR_WARM` set it opens its connection during init, as the functions do.

use std::env;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{
    BehaviorVersion, Config, IdentityCache, Region, StalledStreamProtectionConfig,
};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::{Deserialize, Serialize};

/// Amazon's roots, as the functions embed them.
const ROOTS: [&str; 5] = [
    include_str!("../../../shared/edge/roots/amazon-root-ca-1.pem"),
    include_str!("../../../shared/edge/roots/amazon-root-ca-2.pem"),
    include_str!("../../../shared/edge/roots/amazon-root-ca-3.pem"),
    include_str!("../../../shared/edge/roots/amazon-root-ca-4.pem"),
    include_str!("../../../shared/edge/roots/starfield-services-root-g2.pem"),
];

/// What a function that records a visit cannot do without.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    raw_path: String,
    request_context: RequestContext,
}

#[derive(Deserialize)]
struct RequestContext {
    http: Http,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Http {
    source_ip: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status_code: u16,
    headers: Headers,
}

#[derive(Serialize)]
struct Headers {
    location: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let table = env::var("KITH_TABLE")?;
    let client = client()?;
    if env::var_os("FLOOR_WARM").is_some() {
        let key = |value: &str| AttributeValue::S(value.to_owned());
        let warm = client.get_item().table_name(&table);
        let _ = warm
            .key("pk", key("warm"))
            .key("sk", key("warm"))
            .send()
            .await;
    }
    let (client, table) = (&client, &table);
    lambda_runtime::run(service_fn(|event: LambdaEvent<Event>| async move {
        put(client, table, event).await
    }))
    .await
}

async fn put(client: &Client, table: &str, event: LambdaEvent<Event>) -> Result<Answer, Error> {
    let text = |value: &str| AttributeValue::S(value.to_owned());
    let visit = &event.payload.request_context.http.source_ip;
    client
        .put_item()
        .table_name(table)
        .item(
            "pk",
            AttributeValue::S(format!("FLOOR#{visit}#{}", event.context.request_id)),
        )
        .item("sk", text("FLOOR"))
        .item("kind", text("floor"))
        .item("path", text(&event.payload.raw_path))
        .item("expires_at", AttributeValue::N("1772366400".to_owned()))
        .condition_expression("attribute_not_exists(pk)")
        .send()
        .await?;
    Ok(Answer {
        status_code: 302,
        headers: Headers {
            location: format!("https://bakery.example.com/?ref={}", event.payload.raw_path),
        },
    })
}

/// As `kith_edge::aws` makes it, written out, so that a mistake there does not hide in the floor.
fn client() -> Result<Client, Error> {
    let roots = ROOTS.iter().fold(TrustStore::empty(), |store, root| {
        store.with_pem_certificate(root.as_bytes())
    });
    let context = TlsContext::builder().with_trust_store(roots).build()?;
    let http_client = Builder::new()
        .tls_provider(Provider::rustls(CryptoMode::Ring))
        .tls_context(context)
        .build_https();
    let credentials = Credentials::new(
        env::var("AWS_ACCESS_KEY_ID")?,
        env::var("AWS_SECRET_ACCESS_KEY")?,
        env::var("AWS_SESSION_TOKEN").ok(),
        None,
        "environment",
    );
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_secs(3))
        .build();
    let mut config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(env::var("AWS_REGION")?))
        .credentials_provider(credentials)
        .identity_cache(IdentityCache::no_cache())
        .http_client(http_client)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    config.set_endpoint_url(env::var("AWS_ENDPOINT_URL_DYNAMODB").ok());
    Ok(Client::from_conf(config.build()))
}
