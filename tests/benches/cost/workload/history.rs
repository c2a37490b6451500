//! History, made in seconds: an order with all that follows it, and the clicks before it, copied
//! under other names.

use std::collections::{BTreeSet, HashSet};

use kith_local::table::Table;
use reqwest::Method;
use serde_json::{Value, json};

use super::shop::{Program, Shop, invoke, purchase, visit};
use super::{done, reward_message};

/// Clicks for each order.
const CLICKS: usize = 40;
/// What one request writes at most.
const BATCH: usize = 25;
/// By its last characters a copy's name differs from that of the original.
const DIGITS: usize = 8;
const ORDER: &str = "history-00000000";
/// What is shorter names a place and no thing.
const NAME_MIN: usize = 16;

/// The items of one order as text, and the names in them that are their own.
pub(crate) struct History {
    table: Table,
    items: Vec<String>,
    click: String,
    names: Vec<String>,
    copies: usize,
}

impl History {
    /// Makes the original in a program.
    pub(crate) async fn of(shop: &Shop, program: &Program) -> Self {
        let table = shop.bundle.table().clone();
        let before: HashSet<String> = scan(&table).iter().flat_map(parts).collect();
        // By an instance of its own, which leaves those that are measured as cold as they are.
        let environment = shop.bundle.environment("link-capture").unwrap();
        let other = link_capture::function(environment).unwrap();
        let click = visit("browser", &program.codes[0], "203.0.113.77");
        done(&invoke(&*other, click).await);
        let order = purchase(ORDER, &json!({"codes": [program.codes[0]]}));
        let path = format!("/v1/programs/{}/conversions", program.id);
        let made = shop.call(Method::POST, &path, Some(order)).await;
        let message = reward_message(program, &made);
        let worker = shop.bundle.invoke("reward-disbursement", &message);
        done(&worker.await.unwrap());

        let mut names = BTreeSet::new();
        let mut items = Vec::new();
        let mut clicks = Vec::new();
        for item in scan(&table) {
            // An instant names nothing.
            let is_name = |part: &String| part.len() >= NAME_MIN && !part.contains(':');
            let own = parts(&item)
                .filter(is_name)
                .filter(|part| !before.contains(part));
            let own: Vec<String> = own.collect();
            names.extend(own.iter().cloned());
            match text(&item["kind"]) {
                _ if own.is_empty() => {}
                "click" => clicks.push(item.to_string()),
                _ => items.push(item.to_string()),
            }
        }
        // What holds another name goes before it.
        let mut names: Vec<String> = names.into_iter().collect();
        names.sort_by_key(|name| std::cmp::Reverse(name.len()));
        Self {
            table,
            items,
            click: clicks.pop().unwrap(),
            names,
            copies: 0,
        }
    }

    /// Adds so many items, or a few more.
    pub(crate) fn grow(&mut self, items: usize) {
        let mut left = items;
        let mut batch = Vec::new();
        while left > 0 {
            self.copies += 1;
            for item in &self.items {
                batch.push(self.copy(item, self.copies));
            }
            for click in 0..CLICKS {
                batch.push(self.copy(&self.click, self.copies * CLICKS + click));
            }
            left = left.saturating_sub(self.items.len() + CLICKS);
            for batch in std::mem::take(&mut batch).chunks(BATCH) {
                self.write(batch);
            }
        }
    }

    fn copy(&self, item: &str, number: usize) -> String {
        let mut copy = item.to_owned();
        for name in &self.names {
            let stem = &name[..name.len() - DIGITS];
            copy = copy.replace(name, &format!("{stem}{number:0DIGITS$}"));
        }
        copy
    }

    fn write(&self, items: &[String]) {
        let puts: Vec<String> = items
            .iter()
            .map(|item| format!(r#"{{"PutRequest":{{"Item":{item}}}}}"#))
            .collect();
        let table = self.table.name();
        let body = format!(r#"{{"RequestItems":{{"{table}":[{}]}}}}"#, puts.join(","));
        let answer = self.table.call("BatchWriteItem", body.as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
}

/// Everything in the table.
fn scan(table: &Table) -> Vec<Value> {
    let mut items = Vec::new();
    let mut request = json!({"TableName": table.name()});
    loop {
        let answer = table.call("Scan", request.to_string().as_bytes());
        let mut answer: Value = serde_json::from_str(&answer.body).unwrap();
        items.append(answer["Items"].as_array_mut().unwrap());
        if answer["LastEvaluatedKey"].is_null() {
            return items;
        }
        request["ExclusiveStartKey"] = answer["LastEvaluatedKey"].take();
    }
}

/// The parts of an item's key.
fn parts(item: &Value) -> impl Iterator<Item = String> {
    let key = format!("{}#{}", text(&item["pk"]), text(&item["sk"]));
    let parts: Vec<String> = key.split('#').map(str::to_owned).collect();
    parts.into_iter()
}

fn text(attribute: &Value) -> &str {
    attribute["S"].as_str().unwrap_or_default()
}
