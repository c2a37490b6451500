//! The least that a function with a table can be: the same few requests for each event, through a
//! client with the settings of the functions, and an answer of one word.
//!
//! `FLOOR_REQUESTS` says which: what a function was seen asking for, in the shape in which the
//! harness hands it over. Written are the same attributes under keys of their own.

use std::env;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{
    BehaviorVersion, Config, IdentityCache, Region, StalledStreamProtectionConfig,
};
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, Put, TransactWriteItem};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::{Deserialize, Serialize};
use serde_dynamo::aws_sdk_dynamodb_1::to_item;
use serde_json::Value;

type Item = std::collections::HashMap<String, AttributeValue>;

/// Amazon's roots, as the functions embed them.
const ROOTS: [&str; 5] = [
    include_str!("../../../shared/edge/roots/amazon-root-ca-1.pem"),
    include_str!("../../../shared/edge/roots/amazon-root-ca-2.pem"),
    include_str!("../../../shared/edge/roots/amazon-root-ca-3.pem"),
    include_str!("../../../shared/edge/roots/amazon-root-ca-4.pem"),
    include_str!("../../../shared/edge/roots/starfield-services-root-g2.pem"),
];

const NEW: &str = "attribute_not_exists(pk)";

/// A request to the table, by its items.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Asked {
    /// `GetItem` or `BatchGetItem` of these keys, strongly consistent.
    Read(Vec<Value>),
    /// `PutItem` or `TransactWriteItems` of these items, each on condition that it is not there.
    Write(Vec<Value>),
}

/// The same, as the SDK takes it.
enum Request {
    Read(Vec<Item>),
    Write(Vec<Item>),
}

/// What a function behind HTTP or a queue cannot do without.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    raw_path: Option<String>,
    body: Option<String>,
    #[serde(rename = "Records", default)]
    records: Vec<Record>,
}

#[derive(Deserialize)]
struct Record {
    body: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status_code: u16,
    body: String,
}

/// The requests, and what tells the items of one event from those of another.
struct Floor {
    client: Client,
    table: String,
    requests: Vec<Request>,
    name: String,
    events: AtomicU64,
    is_repeated: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let asked: Vec<Asked> = serde_json::from_str(&env::var("FLOOR_REQUESTS")?)?;
    let requests = asked.into_iter().map(Asked::read);
    let floor = Floor {
        client: client()?,
        table: env::var("KITH_TABLE")?,
        requests: requests.collect::<Result<_, Error>>()?,
        name: env::var("FLOOR_NAME")?,
        events: AtomicU64::new(0),
        is_repeated: env::var_os("FLOOR_REPEATED").is_some(),
    };
    // The connection is opened in init, as the functions do.
    let key = |value: &str| AttributeValue::S(value.to_owned());
    let warm = floor.client.get_item().table_name(&floor.table);
    let warm = warm.key("pk", key("warm")).key("sk", key("warm"));
    let _ = warm.send().await;
    let floor = &floor;
    lambda_runtime::run(service_fn(|event: LambdaEvent<Event>| async move {
        floor.answer(event.payload).await
    }))
    .await
}

impl Asked {
    fn read(self) -> Result<Request, Error> {
        let items = |items: Vec<Value>| -> Result<Vec<Item>, Error> {
            Ok(items.into_iter().map(to_item).collect::<Result<_, _>>()?)
        };
        Ok(match self {
            Self::Read(keys) => Request::Read(items(keys)?),
            Self::Write(written) => Request::Write(items(written)?),
        })
    }
}

impl Floor {
    async fn answer(&self, event: Event) -> Result<Answer, Error> {
        let number = self.events.fetch_add(1, Ordering::Relaxed);
        for (turn, request) in self.requests.iter().enumerate() {
            match request {
                Request::Read(keys) => self.read(keys).await?,
                Request::Write(items) => self.write(items, number, turn).await?,
            }
        }
        let records = event.records.into_iter().map(|record| record.body);
        let said = event.body.or(event.raw_path);
        Ok(Answer {
            status_code: 200,
            body: said.into_iter().chain(records).collect(),
        })
    }

    async fn read(&self, keys: &[Item]) -> Result<(), Error> {
        if let [key] = keys {
            let get = self.client.get_item().table_name(&self.table);
            let get = get.set_key(Some(key.clone())).consistent_read(true);
            get.send().await?;
            return Ok(());
        }
        let wanted = KeysAndAttributes::builder().set_keys(Some(keys.to_vec()));
        let wanted = wanted.consistent_read(true).build()?;
        let get = self.client.batch_get_item();
        get.request_items(&self.table, wanted).send().await?;
        Ok(())
    }

    async fn write(&self, items: &[Item], number: u64, turn: usize) -> Result<(), Error> {
        let items = items.iter().enumerate().map(|(place, item)| {
            let mut item = item.clone();
            let pk = if self.is_repeated {
                "FLOOR#repeated".to_owned()
            } else {
                format!("FLOOR#{}#{number}#{turn}#{place}", self.name)
            };
            item.insert("pk".to_owned(), AttributeValue::S(pk));
            item
        });
        let mut items: Vec<Item> = items.collect();
        if items.len() == 1 {
            let put = self.client.put_item().table_name(&self.table);
            let put = put.set_item(items.pop()).condition_expression(NEW);
            match put.send().await {
                Ok(_) => {}
                Err(_) if self.is_repeated => {}
                Err(error) => return Err(error.into()),
            }
            return Ok(());
        }
        let mut transaction = self.client.transact_write_items();
        for item in items {
            let put = Put::builder().table_name(&self.table).set_item(Some(item));
            let put = put.condition_expression(NEW).build()?;
            let action = TransactWriteItem::builder().put(put).build();
            transaction = transaction.transact_items(action);
        }
        transaction.send().await?;
        Ok(())
    }
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
