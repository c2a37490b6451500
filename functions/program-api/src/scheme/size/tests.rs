use kith_domain::program::INCENTIVES_MAX;
use serde_json::{Value, json};

use super::*;

fn rules(incentives: &[Value]) -> Vec<Incentive> {
    let read = |(index, value): (usize, &Value)| {
        let mut value = value.clone();
        value["id"] = json!(format!("i{index}"));
        let mut faults = Faults::default();
        let mut object = kith_edge::json::Object::new("", value.as_object().unwrap().clone());
        let read = super::super::incentive::incentive(&mut object, &mut faults);
        assert!(faults.is_empty(), "{faults:?}");
        read.unwrap()
    };
    incentives.iter().enumerate().map(read).collect()
}

fn faults(incentives: &[Value]) -> Vec<String> {
    let mut faults = Faults::default();
    check(&rules(incentives), &mut faults);
    let Err(problem) = faults.into_result() else {
        return Vec::new();
    };
    let told = |fault: &kith_edge::http::Fault| {
        assert_eq!(fault.pointer, "/incentives");
        fault.detail.clone()
    };
    problem.errors().iter().map(told).collect()
}

fn counts(incentives: &[Value]) -> (usize, usize) {
    let rules = rules(incentives);
    let rules: Vec<&Incentive> = rules.iter().collect();
    (recording(&rules), refunding(&rules))
}

fn points(beneficiary: &Value) -> Value {
    json!({"on": "purchase", "beneficiary": beneficiary, "reward": {"kind": "points", "points": 1}})
}

fn with(mut incentive: Value, member: &str, value: Value) -> Value {
    incentive[member] = value;
    incentive
}

/// The numbers are those of the items that a conversion and its refund write.
#[test]
fn the_worst_case_is_counted_item_by_item() {
    assert_eq!(counts(&[]), (54, 11));
    let referrer = points(&json!("referrer"));
    // The reward and its balance; refunded, the lot too.
    assert_eq!(counts(std::slice::from_ref(&referrer)), (56, 14));
    // One balance for two rewards in points; another for the other party, whose counters are looked at
    // for a merge, and for the other unit.
    assert_eq!(counts(&[referrer.clone(), referrer.clone()]), (57, 16));
    let upline = points(&json!({"upline": 2}));
    assert_eq!(counts(&[referrer.clone(), upline]), (59, 17));
    let share = json!({"kind": "percentage", "basis_points": 100});
    let share = with(referrer.clone(), "reward", share);
    assert_eq!(counts(&[referrer.clone(), share.clone()]), (58, 17));
    // A discount is in no balance until it is charged; a free product has a voucher and a lot.
    let discount = json!({"kind": "discount", "basis_points": 100});
    let discount = with(referrer.clone(), "reward", discount);
    assert_eq!(counts(&[discount]), (55, 14));
    let cake = json!({"kind": "free_product", "sku": "CAKE", "quantity": 1});
    let cake = with(referrer.clone(), "reward", cake);
    assert_eq!(counts(&[cake]), (56, 15));
    // Of tiers one applies, whichever takes most.
    let tiers =
        json!([{"from": 2, "reward": {"kind": "free_product", "sku": "CAKE", "quantity": 1}}]);
    let tiered = with(referrer, "tiers", tiers);
    assert_eq!(counts(&[tiered]), (56, 15));
    // Each window of a budget has its shards.
    let cash = |amount: i64| json!({"amount": amount, "currency": "EUR"});
    let limits = json!({"budget_per_day": cash(100_000), "budget": cash(900_000)});
    let hot = with(
        share,
        "reward",
        json!({"kind": "cash", "amount": cash(100)}),
    );
    assert_eq!(counts(&[with(hot, "limits", limits)]), (64, 22));
}

/// What shops do fits: twenty rules of one event, in one unit, or for seven parties.
#[test]
fn rules_without_budgets_fit() {
    let beneficiaries = [
        json!("referrer"),
        json!("referee"),
        json!({"upline": 1}),
        json!({"upline": 5}),
    ];
    for count in 1..=beneficiaries.len() {
        let some = beneficiaries
            .iter()
            .take(count)
            .cycle()
            .take(INCENTIVES_MAX);
        let some: Vec<Value> = some.map(points).collect();
        assert_eq!(faults(&some), Vec::<String>::new());
    }
}

/// Nobody may find out with the first large order that a rule cannot be carried out.
#[test]
fn what_does_not_fit_is_refused_with_the_event_and_the_count() {
    let budget = json!({"budget": {"amount": 100_000, "currency": "EUR"}});
    let rule = json!({"on": "purchase", "beneficiary": "referrer", "limits": budget,
        "reward": {"kind": "cash", "amount": {"amount": 100, "currency": "EUR"}}});
    let seven = vec![rule.clone(); 7];
    assert_eq!(faults(&seven), Vec::<String>::new());
    let eight = vec![rule.clone(); 8];
    assert_eq!(
        faults(&eight),
        [
            "those on purchase may take 95 writes to record a conversion, and a transaction has room for 90: use fewer \
             incentives, budgets or units"
        ]
    );
    // Events are counted apart.
    let mut apart = seven;
    apart.push(with(rule, "on", json!("signup")));
    assert_eq!(faults(&apart), Vec::<String>::new());
}
