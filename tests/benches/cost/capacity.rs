//! Requests to the table and capacity units of one operation each.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::meter::{Call, Meter};
use crate::page;
use crate::shop::{Program, Shop, click_token, invoke, purchase, visit};

/// How long the chain behind one conversion may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Measures one thing after the other, and keeps the rows.
struct Bill {
    meter: Meter,
    rows: Vec<Vec<String>>,
}

impl Bill {
    /// Adds what was asked since the last time, a row for each function that asked.
    fn note(&mut self, what: &str) {
        let mut by_package: BTreeMap<String, Vec<Call>> = BTreeMap::new();
        for call in self.meter.take() {
            by_package
                .entry(call.package.clone())
                .or_default()
                .push(call);
        }
        if by_package.is_empty() {
            by_package.insert("none".to_owned(), Vec::new());
        }
        for (package, calls) in by_package {
            // Of nothing, the sum is minus zero.
            let sum = |of: fn(&Call) -> f64| (calls.iter().map(of).sum::<f64>() + 0.0).to_string();
            self.rows.push(vec![
                what.to_owned(),
                package,
                calls.len().to_string(),
                sum(|call| call.read),
                sum(|call| call.write),
                sum(|call| call.indexes),
                describe(&calls),
            ]);
        }
    }

    /// Leaves out what was asked since the last time.
    fn skip(&self) {
        self.meter.take();
    }
}

/// What was asked for, in order; the same several times in a row once.
fn describe(calls: &[Call]) -> String {
    let mut parts: Vec<(String, usize)> = Vec::new();
    for call in calls {
        let items = if call.items == 1 {
            String::new()
        } else {
            format!(" of {}", call.items)
        };
        let refused = if call.refused {
            " (condition failed)"
        } else {
            ""
        };
        let part = format!("{}{items}{refused}", call.operation);
        match parts.last_mut() {
            Some((last, times)) if *last == part => *times += 1,
            _ => parts.push((part, 1)),
        }
    }
    let parts = parts.into_iter().map(|(part, times)| match times {
        1 => part,
        _ => format!("{times} × {part}"),
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// Prints the bill.
pub(crate) async fn run() {
    let meter = Meter::default();
    let of_functions = meter.clone();
    let shop = Shop::open(
        true,
        Some(Arc::new(move |package, inner| {
            of_functions.over(package, inner)
        })),
    )
    .await;
    let mut bill = Bill {
        meter,
        rows: vec![page::row([
            "operation",
            "function",
            "requests",
            "read units",
            "write units",
            "of indexes",
            "which",
        ])],
    };
    let one = json!([
        {"id": "thank-you", "on": "purchase", "beneficiary": "referrer",
         "reward": {"kind": "cash", "amount": {"amount": 500, "currency": "EUR"}}},
    ]);
    let two = json!([
        {"id": "friend-10", "on": "purchase", "beneficiary": "referee", "reward": {"kind": "discount", "basis_points": 1000}},
        {"id": "thank-you", "on": "purchase", "beneficiary": "referrer",
         "reward": {"kind": "cash", "amount": {"amount": 500, "currency": "EUR"}},
         "conditions": {"minimum_amount": {"amount": 2000, "currency": "EUR"}, "first_conversion_only": true}},
    ]);
    let survey =
        json!([{"id": "after-reward", "on": "reward.issued", "to": "referrer", "delay_hours": 0}]);
    let bakery = shop.program(&one, &survey, 2).await;
    let brewery = shop.program(&two, &json!([]), 1).await;
    bill.skip();

    let token = clicks(&shop, &bakery, &mut bill).await;
    conversions(&shop, &bakery, &brewery, &token, &mut bill).await;
    chain(&shop, &bakery, &mut bill).await;
    page::print(
        "Table requests and capacity units of one operation",
        &bill.rows,
    );
    println!(
        "\nA put whose condition fails is counted as one write unit, as DynamoDB does; the emulator does not say."
    );
    shop.bundle.shutdown().await;
}

/// Instances of the function, from their cold start on. Gives the first click's token.
async fn clicks(shop: &Shop, program: &Program, bill: &mut Bill) -> String {
    let environment = shop.bundle.environment("link-capture").unwrap();
    let (first, second) = (&program.codes[0], &program.codes[1]);

    let early = link_capture::function(environment).unwrap();
    early.warm().await;
    bill.note("init of the click function");
    let answer = invoke(&*early, visit("browser", first, "198.51.100.1")).await;
    bill.note("click, all cold, first of the day");

    let function = link_capture::function(environment).unwrap();
    invoke(&*function, visit("browser", first, "198.51.100.2")).await;
    bill.note("click, all cold");
    invoke(&*function, visit("browser", second, "198.51.100.2")).await;
    bill.note("click, program warm, code cold");
    invoke(&*function, visit("browser", first, "198.51.100.3")).await;
    bill.note("click, all warm");
    invoke(&*function, visit("browser", first, "198.51.100.3")).await;
    bill.note("click, same visitor in the hour");
    invoke(&*function, visit("link-preview", first, "198.51.100.4")).await;
    bill.note("link preview or crawler, warm");
    invoke(&*function, visit("unknown-code", first, "198.51.100.4")).await;
    bill.note("unknown code, cold");
    invoke(&*function, visit("unknown-code", first, "198.51.100.4")).await;
    bill.note("unknown code, warm");
    click_token(&answer)
}

async fn conversions(
    shop: &Shop,
    bakery: &Program,
    brewery: &Program,
    token: &str,
    bill: &mut Bill,
) {
    let convert = async |program: &Program, body: &Value| {
        let path = format!("/v1/programs/{}/conversions", program.id);
        shop.call(Method::POST, &path, Some(body.clone())).await
    };
    let count = |answer: &Value| answer["rewards"].as_array().unwrap().len();

    let first = purchase("order-1", &json!({"click_tokens": [token]}));
    assert_eq!(count(&convert(bakery, &first).await), 1);
    bill.note("conversion, new referee, click token, 1 reward");
    convert(bakery, &first).await;
    bill.note("the same conversion again");
    let mut again = purchase("order-2", &json!({}));
    again["referee"] = first["referee"].clone();
    assert_eq!(count(&convert(bakery, &again).await), 1);
    bill.note("conversion, known referee by the bond, 1 reward");
    let by_code = purchase("order-3", &json!({"codes": [brewery.codes[0]]}));
    assert_eq!(count(&convert(brewery, &by_code).await), 2);
    bill.note("conversion, new referee, code, 2 rewards");
    assert_eq!(
        count(&convert(bakery, &purchase("order-4", &json!({}))).await),
        0
    );
    bill.note("conversion, unattributed");

    for number in [3, 8] {
        let program = shop.program(&many(number), &json!([]), 1).await;
        bill.skip();
        let order = purchase("order-1", &json!({"codes": [program.codes[0]]}));
        assert_eq!(count(&convert(&program, &order).await), number);
        bill.note(&format!("conversion, new referee, code, {number} rewards"));
    }
    let budgeted = json!([
        {"id": "thank-you", "on": "purchase", "beneficiary": "referrer",
         "reward": {"kind": "cash", "amount": {"amount": 500, "currency": "EUR"}},
         "limits": {"per_referrer_per_month": 10, "budget_per_month": {"amount": 10_000_000, "currency": "EUR"}}},
    ]);
    let program = shop.program(&budgeted, &json!([]), 1).await;
    bill.skip();
    let order = purchase("order-1", &json!({"codes": [program.codes[0]]}));
    assert_eq!(count(&convert(&program, &order).await), 1);
    bill.note("conversion, new referee, code, 1 reward with a limit and a budget");
}

/// Rules for both sides, in turn, that all give cash.
fn many(number: usize) -> Value {
    let rule = |place: usize| {
        let beneficiary = if place.is_multiple_of(2) {
            "referrer"
        } else {
            "referee"
        };
        json!({"id": format!("rule-{place}"), "on": "purchase", "beneficiary": beneficiary,
               "reward": {"kind": "cash", "amount": {"amount": 100, "currency": "EUR"}}})
    };
    (0..number).map(rule).collect()
}

/// What follows behind the API: each worker gets one message of each kind.
async fn chain(shop: &Shop, bakery: &Program, bill: &mut Bill) {
    let bundle = &shop.bundle;
    // What was recorded so far is worked off unmeasured.
    bundle.resume(None);
    assert!(bundle.quiesce(PATIENCE).await);
    bundle.run_schedules().await;
    bill.skip();
    bundle.run_schedules().await;
    bill.note("sweep of the due index, nothing due");

    // A referrer who was not asked yet, so that a survey goes out.
    for package in ["message-dispatch", "survey-dispatch"] {
        bundle.pause(Some(package));
    }
    let body = purchase("order-5", &json!({"codes": [bakery.codes[1]]}));
    let path = format!("/v1/programs/{}/conversions", bakery.id);
    shop.call(Method::POST, &path, Some(body)).await;
    bill.skip();
    until(async || {
        let path = format!("/v1/programs/{}/rewards?state=issued", bakery.id);
        let page = shop.call(Method::GET, &path, None).await;
        page["data"].as_array().unwrap().len() == 3
    })
    .await;
    // The looking is not part of the bill.
    bill_of(
        bill,
        "reward-disbursement",
        "disbursement of one reward, cash",
    );
    let mails = mails(shop).await.len();
    bundle.resume(Some("message-dispatch"));
    until(async || self::mails(shop).await.len() > mails).await;
    bill_of(bill, "message-dispatch", "reward mail");
    bundle.resume(Some("survey-dispatch"));
    assert!(bundle.quiesce(PATIENCE).await);
    bundle.run_schedules().await;
    assert!(bundle.quiesce(PATIENCE).await);
    bill_of(bill, "survey-dispatch", "survey planned and sent");

    let marker = format!("{}/s/", bundle.base_url());
    let survey = self::mails(shop).await.into_iter().find_map(|mail| {
        let text = mail["text"].as_str().unwrap();
        let from = text.split_once(&marker)?.1;
        from.split(|letter: char| letter.is_whitespace() || "?>\")".contains(letter))
            .next()
            .map(str::to_owned)
    });
    let path = format!("/s/{}", survey.expect("no survey was sent"));
    bill.skip();
    shop.send(Method::GET, &path, None).await;
    bill.note("survey page");
    shop.call(
        Method::POST,
        &path,
        Some(json!({"score": 10, "comment": "The sourdough!"})),
    )
    .await;
    bill.note("survey answer");
}

/// Notes one function's requests and leaves the others out.
fn bill_of(bill: &mut Bill, package: &str, what: &str) {
    let kept: Vec<Call> = bill
        .meter
        .take()
        .into_iter()
        .filter(|call| call.package == package)
        .collect();
    bill.meter.put_back(kept);
    bill.note(what);
}

async fn mails(shop: &Shop) -> Vec<Value> {
    let list = shop.call(Method::GET, "/local/mail", None).await;
    list["data"].as_array().unwrap().clone()
}

async fn until(holds: impl AsyncFn() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    waited.await.expect("it did not happen in time");
}
