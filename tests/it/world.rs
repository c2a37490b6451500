//! A running bundle in memory, and how a test talks to it.

use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use kith_local::{Bundle, Options, Place};
use kith_store::faults::Faults;
use reqwest::{Client, Method, RequestBuilder, StatusCode, redirect};
use serde_json::{Value, json};

use crate::documented;

/// The user agent of a person's browser.
pub(crate) const BROWSER: &str =
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
/// How long anything may take before a test gives up waiting: longer than on any machine, since no
/// test is decided by it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|_| panic!("not JSON: {} {}", self.status, self.text))
    }

    /// The body of an answer with this status.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        if self.text.is_empty() {
            Value::Null
        } else {
            self.json()
        }
    }

    /// The stable code of a problem with this status.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16) -> String {
        let body = self.expect(status);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(body["status"], status);
        body["code"].as_str().unwrap().to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

/// A bundle, with an operator of each mode.
pub(crate) struct World {
    pub(crate) bundle: Bundle,
    pub(crate) faults: Arc<std::sync::Mutex<Vec<Faults>>>,
    client: Client,
}

/// The last part of an id or link.
pub(crate) fn text(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("not a text: {value}"))
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// A world whose options were changed first.
    pub(crate) async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let faults: Arc<std::sync::Mutex<Vec<Faults>>> = Arc::default();
        let kept = Arc::clone(&faults);
        let mut options = Options {
            registry: kith_local::registry(),
            place: Place::Memory,
            schedules: false,
            wrap_client: Some(Arc::new(move |_: &str, inner: SharedHttpClient| {
                let faults = Faults::over(inner);
                kept.lock().unwrap().push(faults.clone());
                faults.client()
            })),
            ..Options::default()
        };
        change(&mut options);
        let bundle = Bundle::start(options).await.unwrap();
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .build()
            .unwrap();
        Self {
            bundle,
            faults,
            client,
        }
    }

    /// Every function's connection meets faults by this plan from now on.
    pub(crate) fn plan(
        &self,
        plan: impl Fn(&str) -> Option<kith_store::faults::Fault> + Send + Sync + 'static,
    ) {
        let plan = Arc::new(plan);
        for faults in self.faults.lock().unwrap().iter() {
            let plan = Arc::clone(&plan);
            faults.plan(move |operation| plan(operation));
        }
    }

    pub(crate) fn heal(&self) {
        self.faults.lock().unwrap().iter().for_each(Faults::heal);
    }

    pub(crate) fn live_key(&self) -> String {
        self.bundle.operator_key().unwrap().to_owned()
    }

    pub(crate) fn test_key(&self) -> String {
        self.bundle.test_operator_key().unwrap().to_owned()
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}{path}", self.bundle.base_url())
        };
        self.client.request(method, url)
    }

    /// Sends it, and holds the answer against the document.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Answer {
        let (client, request) = request.build_split();
        let request = request.unwrap();
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let response = client.execute(request).await.unwrap();
        let answer = Answer {
            status: response.status(),
            headers: response.headers().clone(),
            text: response.text().await.unwrap(),
        };
        documented::check(&method, &path, &answer);
        answer
    }

    pub(crate) async fn post(&self, key: &str, path: &str, body: Value) -> Answer {
        self.send(
            self.request(Method::POST, path)
                .bearer_auth(key)
                .json(&body),
        )
        .await
    }

    pub(crate) async fn patch(&self, key: &str, path: &str, body: Value) -> Answer {
        self.send(
            self.request(Method::PATCH, path)
                .bearer_auth(key)
                .json(&body),
        )
        .await
    }

    pub(crate) async fn get(&self, key: &str, path: &str) -> Answer {
        self.send(self.request(Method::GET, path).bearer_auth(key))
            .await
    }

    /// Follows a link as a person's browser would.
    pub(crate) async fn visit(&self, path: &str) -> Answer {
        self.send(
            self.request(Method::GET, path)
                .header("user-agent", BROWSER),
        )
        .await
    }

    /// Waits until nothing is under way. Nothing was asked for that a role does not allow.
    pub(crate) async fn settle(&self) {
        assert!(
            self.bundle.quiesce(PATIENCE).await,
            "work is left: {:?}",
            self.bundle.depths()
        );
        let refused = self.bundle.actions().refused;
        assert!(refused.is_empty(), "the roles do not allow {refused:?}");
    }

    /// A test program with these members changed.
    pub(crate) async fn program(&self, change: Value) -> Program<'_> {
        self.program_of(&self.test_key(), change).await
    }

    pub(crate) async fn program_of(&self, key: &str, change: Value) -> Program<'_> {
        let mut body = bakery();
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        let made = self.post(key, "/v1/programs", body).await.expect(201);
        Program {
            world: self,
            key: key.to_owned(),
            id: text(&made["id"]).to_owned(),
        }
    }
}

/// The bakery of the documentation, without hold and delays.
pub(crate) fn bakery() -> Value {
    json!({
        "name": "Joe's Artisan Bakery",
        "destination_url": "https://bakery.example/welcome?shop=1",
        "incentives": [
            {"id": "friend-10", "on": "purchase", "beneficiary": "referee", "reward": {"kind": "discount", "basis_points": 1000}},
            {"id": "thank-you", "on": "purchase", "beneficiary": "referrer",
             "reward": {"kind": "cash", "amount": {"amount": 500, "currency": "EUR"}},
             "conditions": {"minimum_amount": {"amount": 2000, "currency": "EUR"}, "first_conversion_only": true},
             "limits": {"per_referrer_per_month": 10}}
        ],
        "hold_days": 0,
        "surveys": [{"id": "after-reward", "on": "reward.issued", "to": "referrer", "delay_hours": 0}]
    })
}

/// A program in a world.
pub(crate) struct Program<'a> {
    pub(crate) world: &'a World,
    pub(crate) key: String,
    pub(crate) id: String,
}

impl Program<'_> {
    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/v1/programs/{}{rest}", self.id)
    }

    pub(crate) async fn post(&self, rest: &str, body: Value) -> Answer {
        self.world.post(&self.key, &self.path(rest), body).await
    }

    pub(crate) async fn patch(&self, rest: &str, body: Value) -> Answer {
        self.world.patch(&self.key, &self.path(rest), body).await
    }

    pub(crate) async fn get(&self, rest: &str) -> Answer {
        self.world.get(&self.key, &self.path(rest)).await
    }

    /// A referrer with a mail address of their own.
    pub(crate) async fn referrer(&self, name: &str) -> Value {
        let body = json!({"external_id": name, "email": format!("{name}@example.com"), "first_name": name});
        self.post("/participants", body).await.expect(201)
    }

    /// The link of a participant, as a path.
    pub(crate) fn link(&self, participant: &Value) -> String {
        let link = text(&participant["link"]);
        link.split_once("://")
            .and_then(|(_, rest)| rest.split_once('/'))
            .map(|(_, path)| format!("/{path}"))
            .unwrap()
    }

    /// Follows a link and gives the click token.
    pub(crate) async fn click(&self, participant: &Value) -> String {
        let answer = self.world.visit(&self.link(participant)).await;
        assert_eq!(answer.status, 302, "{}", answer.text);
        click_token(&answer)
    }

    pub(crate) async fn convert(&self, order: &str, body: Value) -> Answer {
        self.post("/conversions", purchase(order, body)).await
    }

    /// Rewards as `incentive beneficiary state`, in order.
    pub(crate) async fn rewards(&self) -> Vec<String> {
        let page = self.get("/rewards?limit=100").await.expect(200);
        let mut rewards: Vec<String> = page["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|reward| {
                format!(
                    "{} {} {}",
                    text(&reward["incentive_id"]),
                    text(&reward["beneficiary"]),
                    text(&reward["state"])
                )
            })
            .collect();
        rewards.sort();
        rewards
    }

    /// Moves the program's clock, through everything that is due on the way.
    pub(crate) async fn advance(&self, seconds: i64) {
        let body = json!({"seconds": seconds});
        let answer = self.post("/test-clock/advance", body).await.expect(200);
        assert_eq!(answer["settled"], true, "{answer}");
    }

    pub(crate) async fn balance(&self, participant: &Value, unit: &str) -> Value {
        let answer = self
            .get(&format!(
                "/participants/{}/balance",
                text(&participant["id"])
            ))
            .await
            .expect(200);
        answer["balances"]
            .as_array()
            .unwrap()
            .iter()
            .find(|balance| balance["unit"] == unit)
            .cloned()
            .unwrap_or(Value::Null)
    }
}

/// An amount in euro cents.
pub(crate) fn eur(cents: i64) -> Value {
    json!({"amount": cents, "currency": "EUR"})
}

/// A purchase of 45 EUR by a new referee named after the order, changed.
pub(crate) fn purchase(order: &str, change: Value) -> Value {
    let mut body = json!({
        "event": "purchase", "external_id": order,
        "referee": {"external_id": format!("friend-of-{order}"), "email": format!("{order}@example.net")},
        "amount": {"amount": 4500, "currency": "EUR"},
    });
    for (name, value) in change.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

/// The click token in a redirect.
pub(crate) fn click_token(answer: &Answer) -> String {
    let location = answer.header("location");
    location
        .split(['?', '&'])
        .find_map(|pair| pair.strip_prefix("kith_click="))
        .unwrap_or_else(|| panic!("no token in {location}"))
        .to_owned()
}
