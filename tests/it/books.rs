//! An audit of a program's books over HTTP: what has to be true of them at any time.

use std::collections::BTreeMap;

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

/// Checks that every transaction sums to zero, that every balance is the sum of its entries, and
/// that the summary says the same. Answers how many entries there are.
///
/// It waits until nothing is under way: it reads page by page, so whatever a worker wrote meanwhile
/// would be in one sum and not in the other.
pub(crate) async fn audit(program: &Program<'_>) -> usize {
    program.world.settle().await;
    let entries = all(program, "/ledger/entries").await;
    let mut transactions: BTreeMap<(String, String), i64> = BTreeMap::new();
    let mut accounts: BTreeMap<(String, String, String), i64> = BTreeMap::new();
    let mut ids = std::collections::BTreeSet::new();
    for entry in &entries {
        assert!(ids.insert(text(&entry["id"])), "twice: {entry}");
        let (unit, amount) = (text(&entry["unit"]), entry["amount"].as_i64().unwrap());
        let transaction = text(&entry["transaction_id"]).to_owned();
        *transactions
            .entry((transaction, unit.to_owned()))
            .or_default() += amount;
        if let Some(participant) = entry["participant_id"].as_str() {
            let account = text(&entry["account"]).to_owned();
            let key = (participant.to_owned(), unit.to_owned(), account);
            *accounts.entry(key).or_default() += amount;
        }
    }
    for (transaction, sum) in &transactions {
        assert_eq!(*sum, 0, "{transaction:?} does not sum to zero");
    }
    let mut closing: BTreeMap<String, i64> = BTreeMap::new();
    let people: std::collections::BTreeSet<(String, String)> = accounts
        .keys()
        .map(|(participant, unit, _)| (participant.clone(), unit.clone()))
        .collect();
    for (participant, unit) in people {
        let sum = |account: &str| {
            let key = (participant.clone(), unit.clone(), account.to_owned());
            accounts.get(&key).copied().unwrap_or(0)
        };
        let balance = program.balance(&json!({"id": participant}), &unit).await;
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
    let summary = program.get("/ledger/summary").await.expect(200);
    for line in summary["data"].as_array().unwrap() {
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
    entries.len()
}
