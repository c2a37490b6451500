//! A shop's server, as webhooks meet it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use kith_connectors::signing::Secret;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;

use crate::world::{PATIENCE, Program, text};

/// What a shop's server does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Manner {
    Takes,
    Says(u16),
    /// Answers 200 with a body of its own.
    Tells(&'static str),
    /// Asks to be left alone for so many seconds.
    Waits(u32),
    /// Never answers.
    Hangs,
    /// Answers with this status when it is let go.
    Holds(u16),
    /// Sends on to another path.
    Redirects,
    /// Takes it, but not at once.
    Dawdles,
}

/// One call as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Received {
    pub(crate) fn id(&self) -> String {
        self.headers["webhook-id"].to_str().unwrap().to_owned()
    }

    pub(crate) fn event(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Shop {
    address: SocketAddr,
    manners: Arc<Mutex<BTreeMap<String, Manner>>>,
    received: Arc<Mutex<Vec<Received>>>,
    held: Arc<Semaphore>,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shop = Self {
            address: listener.local_addr().unwrap(),
            manners: Arc::default(),
            received: Arc::default(),
            held: Arc::new(Semaphore::new(0)),
        };
        let router = Router::new().fallback(answer).with_state(shop.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        shop
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn behaves(&self, path: &str, manner: Manner) {
        self.manners.lock().unwrap().insert(path.to_owned(), manner);
    }

    pub(crate) fn received(&self, path: &str) -> Vec<Received> {
        let received = self.received.lock().unwrap();
        let here = received.iter().filter(|received| received.path == path);
        here.cloned().collect()
    }

    /// Waits until it was called so often there.
    pub(crate) async fn until_called(&self, path: &str, times: usize) {
        let begun = Instant::now();
        while self.received(path).len() < times {
            assert!(begun.elapsed() < PATIENCE, "nobody calls {path}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Lets one call go that is held.
    pub(crate) fn lets_go(&self) {
        self.held.add_permits(1);
    }
}

async fn answer(State(shop): State<Shop>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let path = uri.path().to_owned();
    let manner = shop.manners.lock().unwrap().get(&path).copied();
    shop.received.lock().unwrap().push(Received {
        path,
        headers,
        body,
    });
    match manner.unwrap_or(Manner::Takes) {
        Manner::Takes => (StatusCode::OK, "thank you").into_response(),
        Manner::Tells(body) => (StatusCode::OK, body).into_response(),
        Manner::Says(status) => {
            let status = StatusCode::from_u16(status).unwrap();
            (status, "our <b>own</b> words").into_response()
        }
        Manner::Waits(seconds) => {
            let wish = [("retry-after", seconds.to_string())];
            (StatusCode::TOO_MANY_REQUESTS, wish).into_response()
        }
        Manner::Hangs => {
            tokio::time::sleep(Duration::from_secs(60)).await;
            StatusCode::OK.into_response()
        }
        Manner::Holds(status) => {
            shop.held.acquire().await.unwrap().forget();
            StatusCode::from_u16(status).unwrap().into_response()
        }
        Manner::Redirects => {
            let to = [("location", shop.url("/elsewhere"))];
            (StatusCode::TEMPORARY_REDIRECT, to).into_response()
        }
        Manner::Dawdles => {
            tokio::time::sleep(Duration::from_secs(2)).await;
            StatusCode::OK.into_response()
        }
    }
}

/// A server that reads a call and then writes these bytes, whatever HTTP says. With none it resets the connection.
pub(crate) async fn rude(answer: &'static [u8]) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/kith", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut call = [0; 4_096];
            let _ = stream.read(&mut call).await;
            if answer.is_empty() {
                stream.set_zero_linger().unwrap();
            }
            let _ = stream.write_all(answer).await;
        }
    });
    url
}

/// An endpoint of a shop, with its secret.
pub(crate) async fn endpoint(program: &Program<'_>, url: &str, types: Value) -> (String, Secret) {
    let body = json!({"url": url, "types": types});
    let made = program.post("/webhooks", body).await.expect(201);
    let secret = Secret::parse(text(&made["secret"])).unwrap();
    (text(&made["id"]).to_owned(), secret)
}
