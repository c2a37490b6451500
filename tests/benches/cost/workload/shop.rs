//! A bundle in memory with a program in it, and the calls of a shop and its customers.

use std::collections::BTreeMap;
use std::path::Path;

use kith_domain::api_key::Scope;
use kith_domain::limit::PER_MINUTE_MAX;
use kith_edge::{Function, Invocation};
use kith_local::bundle::ClientWrap;
use kith_local::{Bundle, Options, Place};
use reqwest::{Client, Method, Response, redirect};
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// What a browser would call itself.
pub(crate) const BROWSER: &str =
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// A running bundle.
pub(crate) struct Shop {
    pub(crate) bundle: Bundle,
    pub(crate) client: Client,
}

/// A program and a person who shares its link.
pub(crate) struct Program {
    pub(crate) id: String,
    /// A key of its shop, which may do everything.
    pub(crate) key: String,
    /// Codes of referrers.
    pub(crate) codes: Vec<String>,
}

impl Shop {
    /// Starts a bundle whose schedules fire by hand only, and whose keys and links may be called as
    /// often as a call can be answered.
    pub(crate) async fn open(place: Place, paused: bool, wrap_client: Option<ClientWrap>) -> Self {
        let names = [
            "KITH_REQUESTS_PER_MINUTE",
            "KITH_REQUEST_BURST",
            "KITH_LINK_CLICKS_PER_MINUTE",
        ];
        let variables = names.map(|name| (name.to_owned(), PER_MINUTE_MAX.to_string()));
        let bundle = Bundle::start(Options {
            registry: kith_local::registry(),
            place,
            schedules: false,
            paused,
            wrap_client,
            variables: BTreeMap::from(variables),
            ..Options::default()
        })
        .await
        .unwrap();
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .build()
            .unwrap();
        Self { bundle, client }
    }

    /// Makes a program with these incentives, without holds and delays, and referrers in it.
    pub(crate) async fn program(
        &self,
        incentives: &Value,
        surveys: &Value,
        referrers: usize,
    ) -> Program {
        let body = json!({
            "name": "Joe's Artisan Bakery", "destination_url": "https://bakery.example.com/welcome",
            "hold_days": 0, "incentives": incentives, "surveys": surveys,
        });
        let made = self.call(Method::POST, "/v1/programs", Some(body)).await;
        let id = made["id"].as_str().unwrap().to_owned();
        let scopes: Vec<&str> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
        let body = json!({"name": "shop", "program_id": id, "scopes": scopes});
        let key = self.call(Method::POST, "/v1/keys", Some(body)).await;
        let key = key["key"].as_str().unwrap().to_owned();
        let mut codes = Vec::new();
        for number in 0..referrers {
            let body = json!({
                "external_id": format!("cust-{number}"), "email": format!("ann{number}@example.com"),
                "first_name": "Ann", "locale": "en-GB", "consent": {"surveys": true},
            });
            let path = format!("/v1/programs/{id}/participants");
            let made = self.call(Method::POST, &path, Some(body)).await;
            codes.push(made["code"].as_str().unwrap().to_owned());
        }
        Program { id, key, codes }
    }

    /// Sends a request as the operator.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Response {
        let request = self
            .client
            .request(method, format!("{}{path}", self.bundle.base_url()))
            .bearer_auth(self.bundle.operator_key().unwrap())
            .header("accept", "application/json");
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        request.send().await.unwrap()
    }

    /// The answer to what has to succeed.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let answer = self.send(method, path, body.as_ref()).await;
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }
}

/// A purchase by a new referee named after the order.
pub(crate) fn purchase(order: &str, touch: &Value) -> Value {
    let mut body = json!({
        "event": "purchase", "external_id": order,
        "referee": {"external_id": format!("friend-of-{order}"), "email": format!("{order}@example.net"), "first_name": "Bob"},
        "amount": {"amount": 4500, "currency": "EUR"}, "country": "DE",
    });
    for (name, value) in touch.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

/// A sample event of a function.
pub(crate) fn sample(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../events/{name}.json"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A sample of a link being followed, by this code, from this address.
pub(crate) fn visit(name: &str, code: &str, address: &str) -> String {
    sample(&format!("link-capture/{name}"))
        .to_string()
        .replace("ANN-BAKES", code)
        .replace("203.0.113.9", address)
}

/// Has a function in this process handle an event.
pub(crate) async fn invoke(function: &dyn Function, event: String) -> Value {
    let invocation = Invocation {
        request_id: "bench".to_owned(),
        deadline: jiff::Timestamp::now() + jiff::SignedDuration::from_secs(10),
    };
    let answer = function
        .invoke(RawValue::from_string(event).unwrap(), invocation)
        .await
        .unwrap();
    serde_json::from_str(answer.get()).unwrap()
}
