//! An audit of a program's books over HTTP: what has to be true of them at any time.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::world::{Program, text};

/// Reads a whole list, page by page.
pub(crate) async fn all(program: &Program<'_>, path: &str) -> Vec<Value> {
    let separator = if path.contains('?') { '&' } else { '?' };
    // Who reads events goes on behind the last one for ever.
    let go_on = if path.starts_with("/events") {
        "after"
    } else {
        "cursor"
    };
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = program
            .get(&format!("{path}{separator}limit=100{cursor}"))
            .await
            .expect(200);
        let data = page["data"].as_array().unwrap();
        found.extend(data.iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) if !data.is_empty() => cursor = format!("&{go_on}={next}"),
            Some(_) | None => return found,
        }
    }
}

/// What a participant has in one account in one unit, by the entries.
type Accounts = BTreeMap<(String, String, String), i64>;

/// The books as they were at one moment.
struct Books {
    entries: Vec<Value>,
    accounts: Accounts,
    /// Of whom and in which unit, and what the API says of it.
    balances: Vec<((String, String), Value)>,
    summary: Value,
}

impl Books {
    /// Reads until nothing was written meanwhile: pages are read one after another, so whatever a
    /// worker writes between two of them would be in one sum and not in another.
    async fn read(program: &Program<'_>) -> Self {
        loop {
            let entries = all(program, "/ledger/entries").await;
            let accounts = accounts(&entries);
            let people: BTreeSet<(String, String)> = accounts
                .keys()
                .map(|(participant, unit, _)| (participant.clone(), unit.clone()))
                .collect();
            let mut balances = Vec::new();
            for (participant, unit) in people {
                let balance = program.balance(&json!({"id": participant}), &unit).await;
                balances.push(((participant, unit), balance));
            }
            let summary = program.get("/ledger/summary").await.expect(200);
            if all(program, "/ledger/entries").await == entries {
                return Self {
                    entries,
                    accounts,
                    balances,
                    summary,
                };
            }
        }
    }
}

fn accounts(entries: &[Value]) -> Accounts {
    let mut accounts = Accounts::new();
    for entry in entries {
        if let Some(participant) = entry["participant_id"].as_str() {
            let (unit, account) = (text(&entry["unit"]), text(&entry["account"]));
            let key = (participant.to_owned(), unit.to_owned(), account.to_owned());
            *accounts.entry(key).or_default() += entry["amount"].as_i64().unwrap();
        }
    }
    accounts
}

/// Checks that every transaction sums to zero, that every balance is the sum of its entries, and
/// that the summary says the same. Answers how many entries there are.
pub(crate) async fn audit(program: &Program<'_>) -> usize {
    let books = Books::read(program).await;
    let mut transactions: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for entry in &books.entries {
        assert!(ids.insert(text(&entry["id"])), "twice: {entry}");
        let key = (text(&entry["transaction_id"]), text(&entry["unit"]));
        *transactions.entry(key).or_default() += entry["amount"].as_i64().unwrap();
    }
    for (transaction, sum) in &transactions {
        assert_eq!(*sum, 0, "{transaction:?} does not sum to zero");
    }
    let mut closing: BTreeMap<&str, i64> = BTreeMap::new();
    for ((participant, unit), balance) in &books.balances {
        let sum = |account: &str| {
            let key = (participant.clone(), unit.clone(), account.to_owned());
            books.accounts.get(&key).copied().unwrap_or(0)
        };
        let available = sum("liability") + sum("receivable");
        for (part, expected) in [
            ("available", available),
            ("in_payout", sum("in_payout")),
            ("paid", sum("settled")),
        ] {
            assert_eq!(
                balance[part], expected,
                "{part} {unit} of {participant}: {balance}"
            );
        }
        *closing.entry(unit).or_default() += available + sum("in_payout");
    }
    for line in books.summary["data"].as_array().unwrap() {
        let part = |name: &str| line[name].as_i64().unwrap();
        let unit = text(&line["unit"]);
        assert_eq!(part("opening"), 0, "{line}");
        assert_eq!(
            part("opening") + part("earned") - part("taken_back") - part("paid"),
            part("closing"),
            "{line}"
        );
        assert_eq!(part("closing"), closing.remove(unit).unwrap_or(0), "{line}");
    }
    closing.retain(|_, left| *left != 0);
    assert!(closing.is_empty(), "the summary leaves out {closing:?}");
    books.entries.len()
}
