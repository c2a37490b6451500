//! The operations whose cost is held against budgets: how each is made ready, and what it asks for.
//! The tests and the harness run the same ones.
#![allow(clippy::float_arithmetic, reason = "units come in halves")]

pub(crate) mod budgets;
pub(crate) mod history;
pub(crate) mod meter;
pub(crate) mod shop;

use std::sync::Arc;
use std::time::Duration;

use kith_local::Place;
use reqwest::Method;
use serde_json::{Value, json};

use self::budgets::Budget;
use self::meter::{Call, Meter};
use self::shop::{Program, Shop, invoke, purchase, sample, visit};

/// How many codes are clicked in turn.
const CODES: usize = 20;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A visit, by what is in the function's memory already.
    Click(Warmth),
    /// An order of a new referee that earns so many rewards.
    Conversion(usize),
    /// A full refund of an order with one issued reward.
    Refund,
    /// The message about an approved reward of cash.
    Reward,
    /// The message about an issued reward, after which somebody is asked at once, by mail.
    Survey,
}

/// What the function behind links remembers when a visitor comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Warmth {
    /// Nothing: the instance is new.
    Nothing,
    /// The program, by another of its codes.
    Program,
    /// The code.
    Code,
    /// The code; and the visitor was here within the hour, which only the table knows.
    Visitor,
}

/// An operation, and what it may cost.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    /// The function that does it.
    pub(crate) package: &'static str,
    pub(crate) kind: Kind,
    pub(crate) budget: Budget,
}

/// What one operation asks for. What a key or a link may still do is not in it: that is one `UpdateItem` for the 1st, 2nd,
/// 4th … call, and from then on for every 50th of a key and every 300th click of a link.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figures {
    /// Requests to the table.
    pub(crate) requests: usize,
    /// Requests to AWS services, the table among them.
    pub(crate) sdk_calls: usize,
    pub(crate) read_units: f64,
    /// Write units of the table.
    pub(crate) table_units: f64,
    /// Write units of its indexes.
    pub(crate) index_units: f64,
    /// Bytes of what was written.
    pub(crate) bytes: usize,
}

impl Figures {
    pub(crate) fn of(calls: &[Call]) -> Self {
        let table = || calls.iter().filter(|call| call.is_of_table());
        // Of nothing, the sum is minus zero.
        let sum = |of: fn(&Call) -> f64| table().map(of).sum::<f64>() + 0.0;
        Self {
            requests: table().count(),
            sdk_calls: calls.len(),
            read_units: sum(|call| call.read),
            table_units: sum(|call| call.write - call.indexes),
            index_units: sum(|call| call.indexes),
            bytes: table().map(|call| call.bytes).sum(),
        }
    }

    /// Whether this is what the budget says.
    pub(crate) fn keeps(&self, budget: &Budget) -> bool {
        let bytes = budget.bytes;
        self.bytes <= bytes
            && *self
                == Self {
                    bytes: self.bytes,
                    ..budget.clone()
                }
    }
}

/// A bundle in which nothing runs by itself, and which counts what its functions ask for.
pub(crate) struct Stage {
    pub(crate) shop: Shop,
    meter: Meter,
}

impl Stage {
    pub(crate) async fn open() -> Self {
        let meter = Meter::default();
        let of_functions = meter.clone();
        let count = move |package: &str, inner| of_functions.over(package, inner);
        let shop = Shop::open(Place::Memory, true, Some(Arc::new(count))).await;
        Self { shop, meter }
    }
}

/// Events of which each is the operation once.
pub(crate) struct Ready {
    pub(crate) package: &'static str,
    pub(crate) program: Program,
    /// What comes first, so that the function is as warm as the operation wants it.
    pub(crate) before: Vec<Value>,
    pub(crate) events: Vec<Value>,
}

impl Operation {
    /// Makes ready what so many operations need.
    pub(crate) async fn ready(&self, stage: &Stage, count: usize) -> Ready {
        let shop = &stage.shop;
        let surveys = match self.kind {
            Kind::Survey => {
                json!([{"id": "after-reward", "on": "reward.issued", "to": "referrer", "delay_hours": 0}])
            }
            Kind::Click(_) | Kind::Conversion(_) | Kind::Refund | Kind::Reward => json!([]),
        };
        let (rewards, referrers) = match self.kind {
            Kind::Click(Warmth::Program) => (1, count + 1),
            Kind::Click(_) => (1, CODES),
            Kind::Survey => (1, count + 1),
            Kind::Conversion(rewards) => (rewards, 1),
            Kind::Refund | Kind::Reward => (1, 1),
        };
        let program = shop.program(&rules(rewards), &surveys, referrers).await;
        let codes = &program.codes;
        let (before, events) = match self.kind {
            Kind::Click(warmth) => {
                // Whoever clicks first on a day makes the day's key.
                let environment = shop.bundle.environment(self.package).unwrap();
                let other = link_capture::function(environment).unwrap();
                invoke(&*other, visit("browser", &codes[0], "198.51.100.1")).await;
                clicks(warmth, codes, count)
            }
            Kind::Conversion(_) => {
                let order = |number: usize| conversion(shop, &program, number);
                (vec![order(0)], (1..=count).map(order).collect())
            }
            Kind::Refund => {
                let mut events = Vec::new();
                for number in 0..=count {
                    let made = convert(shop, &program, number).await;
                    work_off(shop, reward_message(&program, &made)).await;
                    events.push(refund(shop, &program, &made));
                }
                (vec![events.remove(0)], events)
            }
            Kind::Reward => {
                let mut events = Vec::new();
                for number in 0..=count {
                    let made = convert(shop, &program, number).await;
                    events.push(reward_message(&program, &made));
                }
                (vec![events.remove(0)], events)
            }
            Kind::Survey => {
                for number in 0..=count {
                    let made = convert(shop, &program, number).await;
                    work_off(shop, reward_message(&program, &made)).await;
                }
                let mut events = survey_messages(shop, &program, count + 1).await;
                (vec![events.remove(0)], events)
            }
        };
        assert_eq!(events.len(), count, "{}", self.name);
        Ready {
            package: self.package,
            program,
            before,
            events,
        }
    }
}

impl Ready {
    /// Has the function in this process do the operations, and gives what each asked for.
    pub(crate) async fn measure(&self, stage: &Stage) -> Vec<Vec<Call>> {
        let bundle = &stage.shop.bundle;
        for event in &self.before {
            done(&bundle.invoke(self.package, event).await.unwrap());
        }
        stage.meter.take_all();
        let mut measured = Vec::new();
        for event in &self.events {
            done(&bundle.invoke(self.package, event).await.unwrap());
            let mut calls = stage.meter.take_all();
            calls.retain(|call| call.package == self.package && !call.is_of_a_bucket());
            measured.push(calls);
        }
        measured
    }
}

/// Insists that an event was not refused.
pub(crate) fn done(answer: &Value) {
    let status = answer["statusCode"].as_u64();
    let is_done = match status {
        Some(status) => matches!(status, 200..=399),
        None => answer["batchItemFailures"] == json!([]),
    };
    assert!(is_done, "{answer}");
}

/// Rules for both sides, in turn, that all give cash.
fn rules(number: usize) -> Value {
    let rule = |place: usize| {
        let beneficiary = if place.is_multiple_of(2) {
            "referrer"
        } else {
            "referee"
        };
        json!({"id": format!("rule-{place}"), "on": "purchase", "beneficiary": beneficiary,
               "reward": {"kind": "cash", "amount": {"amount": 500, "currency": "EUR"}}})
    };
    (0..number).map(rule).collect()
}

/// Clicks before those that count, and these. A code has few of them: of many, some would ask the
/// code's bucket.
fn clicks(warmth: Warmth, codes: &[String], count: usize) -> (Vec<Value>, Vec<Value>) {
    let click = |number: usize, visitor: usize| {
        let [.., a, b, c] = visitor.to_be_bytes();
        let code = &codes[number % codes.len()];
        let event = visit("browser", code, &format!("10.{a}.{b}.{c}"));
        serde_json::from_str(&event).unwrap()
    };
    let first = || (0..codes.len()).map(|number| click(number, 0)).collect();
    let many = 1..=count;
    match warmth {
        Warmth::Nothing => (Vec::new(), many.map(|of| click(of, of)).collect()),
        Warmth::Program => (vec![click(0, 0)], many.map(|of| click(of, of)).collect()),
        Warmth::Code => (first(), many.map(|of| click(of, of)).collect()),
        Warmth::Visitor => (first(), many.map(|of| click(of, 0)).collect()),
    }
}

/// A request of the shop, as the gateway hands it to a function.
fn request(shop: &Shop, program: &Program, rest: &str, body: &Value) -> Value {
    let mut event = sample("conversion-recording/purchase");
    let path = format!("/v1/programs/{}{rest}", program.id);
    event["requestContext"]["http"]["path"] = json!(path);
    event["rawPath"] = json!(path);
    event["body"] = json!(body.to_string());
    event["headers"]["authorization"] = json!(format!("Bearer {}", program.key));
    // An order has a name of its own, which keeps it from being recorded twice.
    event["headers"]
        .as_object_mut()
        .unwrap()
        .remove("idempotency-key");
    event["headers"]["host"] = json!(shop.bundle.base_url().trim_start_matches("http://"));
    event
}

fn order(program: &Program, number: usize) -> Value {
    let code = &program.codes[number % program.codes.len()];
    purchase(&format!("order-{number:06}"), &json!({"codes": [code]}))
}

fn conversion(shop: &Shop, program: &Program, number: usize) -> Value {
    request(shop, program, "/conversions", &order(program, number))
}

/// Records an order, and gives the conversion.
async fn convert(shop: &Shop, program: &Program, number: usize) -> Value {
    let path = format!("/v1/programs/{}/conversions", program.id);
    shop.call(Method::POST, &path, Some(order(program, number)))
        .await
}

fn refund(shop: &Shop, program: &Program, conversion: &Value) -> Value {
    let path = format!("/conversions/{}/refunds", text(&conversion["id"]));
    let body = json!({"external_id": "refund-1", "reason": "refund"});
    request(shop, program, &path, &body)
}

/// A batch of one message.
fn batch(name: &str, body: &Value) -> Value {
    let mut event = sample(name);
    event["Records"].as_array_mut().unwrap().truncate(1);
    event["Records"][0]["body"] = json!(body.to_string());
    event
}

/// The message about the reward of a conversion.
pub(crate) fn reward_message(program: &Program, conversion: &Value) -> Value {
    let reward = &conversion["rewards"][0]["id"];
    let body = json!({"reward": {"program_id": program.id, "reward_id": reward}});
    batch("reward-disbursement/rewards", &body)
}

async fn work_off(shop: &Shop, message: Value) {
    let answer = shop.bundle.invoke("reward-disbursement", &message).await;
    done(&answer.unwrap());
}

/// A message for each of so many rewards of a program that were issued. Events are told a moment after
/// they happened, so that nobody who reads on misses one.
async fn survey_messages(shop: &Shop, program: &Program, count: usize) -> Vec<Value> {
    let mut messages = Vec::new();
    let mut after = String::new();
    while messages.len() < count {
        let path = format!(
            "/v1/programs/{}/events?type=reward.issued{after}",
            program.id
        );
        let page = shop.call(Method::GET, &path, None).await;
        let events = page["data"].as_array().unwrap();
        if events.is_empty() {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        }
        for event in events {
            let event = json!({"program_id": program.id, "event_id": event["id"], "shards": 1});
            messages.push(batch("survey-dispatch/surveys", &json!({"event": event})));
        }
        after = format!("&after={}", text(&page["next_cursor"]));
    }
    messages
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// Whether only the first event of an instance is the operation.
pub(crate) fn cold(operation: &Operation) -> bool {
    operation.kind == Kind::Click(Warmth::Nothing)
}
