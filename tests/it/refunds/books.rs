//! The books as they lie in the table.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::AttributeValue;
use kith_domain::id::{LedgerId, ParticipantId, ProgramId};
use kith_domain::ledger::{self, Account, Balance, Line};
use kith_domain::money::Unit;
use kith_store::item::{self, Entity, Item};
use kith_store::items::{Counters, LedgerEntry, Lot};
use kith_store::keys;
use serde_json::Value;

use crate::world::{Program, text};

/// A partition, or the part of it whose sort keys begin so.
async fn read(program: &Program<'_>, pk: &str, begin: &str) -> Vec<Item> {
    let bundle = &program.world.bundle;
    let client = bundle.dynamodb();
    let (mut found, mut from) = (Vec::new(), None);
    loop {
        let page = client
            .query()
            .table_name(bundle.table().name())
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
            .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
            .expression_attribute_values(":sk", AttributeValue::S(begin.to_owned()))
            .set_exclusive_start_key(from)
            .send()
            .await
            .unwrap();
        found.extend(page.items.unwrap_or_default());
        from = page.last_evaluated_key;
        if from.is_none() {
            return found;
        }
    }
}

fn id(program: &Program<'_>) -> ProgramId {
    program.id.parse().unwrap()
}

fn participant(who: &Value) -> ParticipantId {
    text(&who["id"]).parse().unwrap()
}

/// A participant's counters.
pub(super) async fn counters(program: &Program<'_>, who: &Value) -> Counters {
    let key = keys::counters(id(program), participant(who));
    let items = read(program, &key.pk, &key.sk).await;
    Counters::of(items.first())
}

/// Every line of the program's ledger. Whatever moves value is told as an event, so the events say
/// on which days there are entries. Each entry sums to zero.
async fn lines(program: &Program<'_>) -> Vec<Line> {
    let mut days = BTreeSet::new();
    let mut after = String::new();
    loop {
        let page = program
            .get(&format!("/events?limit=100{after}"))
            .await
            .expect(200);
        let events = page["data"].as_array().unwrap();
        days.extend(
            events
                .iter()
                .map(|event| text(&event["created_at"])[..10].to_owned()),
        );
        if events.is_empty() {
            break;
        }
        after = format!("&after={}", text(&page["next_cursor"]));
    }
    let mut lines = Vec::new();
    for day in days {
        let at = format!("{day}T12:00:00Z").parse().unwrap();
        let key = keys::ledger(id(program), LedgerId::floor_of(at), 1);
        for stored in read(program, &key.pk, "led_").await {
            let entry: LedgerEntry = item::read(stored).unwrap();
            let postings: Vec<Line> = entry.postings.iter().map(|posting| posting.line).collect();
            ledger::check(&postings).unwrap();
            lines.extend(postings);
        }
    }
    lines
}

/// Checks that every entry sums to zero; and of these people, who must be all that the ledger names,
/// that each balance is the sum of its lines, that what is left of lots is what is owed, and that
/// nobody is owed less than nothing or owes less than nothing.
pub(super) async fn check_books(program: &Program<'_>, people: &[&Value]) {
    let mut balances: BTreeMap<(ParticipantId, Unit), Balance> = BTreeMap::new();
    let mut owed: BTreeMap<(ParticipantId, Unit), i64> = BTreeMap::new();
    for line in lines(program).await {
        let Some(who) = line.account.participant() else {
            continue;
        };
        let balance = balances.entry((who, line.unit)).or_default();
        *balance = balance.plus(Balance::of_line(&line));
        if matches!(line.account, Account::Liability(_)) {
            *owed.entry((who, line.unit)).or_default() += line.amount;
        }
    }
    for ((who, unit), balance) in balances {
        let person = people.iter().find(|person| participant(person) == who);
        let person = person.unwrap_or_else(|| panic!("{who} has {balance:?}"));
        let shown = program.balance(person, &unit.to_string()).await;
        for (part, amount) in [
            ("available", balance.available),
            ("in_payout", balance.in_payout),
            ("paid", balance.paid),
        ] {
            assert_eq!(shown[part], amount, "{part} in {unit}: {shown}");
        }
        assert!(balance.receivable <= 0, "{unit} {balance:?}");
    }
    for person in people {
        let who = participant(person);
        let key = keys::balances(id(program), who);
        let mut left: BTreeMap<(ParticipantId, Unit), i64> = BTreeMap::new();
        for stored in read(program, &key.pk, "LOT#").await {
            assert_eq!(stored["kind"], AttributeValue::S(Lot::KIND.to_owned()));
            let lot: Lot = item::read(stored).unwrap();
            assert!(lot.remaining > 0, "{lot:?}");
            *left.entry((who, lot.unit)).or_default() += lot.remaining;
        }
        let mut owed = owed.clone();
        owed.retain(|(owner, _), amount| *owner == who && *amount != 0);
        assert_eq!(left, owed, "lots and liability of {who}");
    }
}
