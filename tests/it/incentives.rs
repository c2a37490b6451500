//! The incentive language over HTTP: what is saved is kept, word by word, and what cannot be carried
//! out is not saved.

use kith_store::items::IncentiveIdentity;
use kith_store::{Store, keys};
use serde_json::{Value, json};

use crate::world::{Program, World, eur};

fn cash(budget: Option<i64>) -> Value {
    let limits = budget.map_or(json!({}), |budget| json!({"budget": eur(budget)}));
    json!({"id": "thank-you", "on": "purchase", "beneficiary": "referrer",
        "reward": {"kind": "cash", "amount": eur(500)}, "limits": limits})
}

/// Over how many counters the budgets of the incentive are spread, for ever.
async fn shards(program: &Program<'_>) -> u8 {
    let bundle = &program.world.bundle;
    let environment = bundle.environment("due-work").unwrap();
    let store = Store::new(bundle.dynamodb(), &environment.variables["KITH_TABLE"]);
    let id = program.id.parse().unwrap();
    let key = keys::incentive(id, &"thank-you".parse().unwrap());
    let identity: Option<IncentiveIdentity> = store.get_one(key).await.unwrap();
    identity.unwrap().budget_shards
}

/// The example of the contract, and the owner who reads it and sends it back.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_saved_is_kept_word_by_word() {
    let world = World::start().await;
    let whole = json!([{
        "id": "thank-you", "on": "purchase", "beneficiary": "referrer", "grant": "after",
        "reward": {"kind": "percentage", "basis_points": 2000, "maximum": eur(5000)},
        "tiers": [{"from": 5, "reward": {"kind": "cash", "amount": eur(1000)}}],
        "conditions": {"minimum_amount": eur(2000), "maximum_amount": eur(90_000), "first_conversion_only": true,
            "conversion_number": {"from": 1, "to": 12}, "referral_number": {"from": 10, "to": 10},
            "within_months_of_referral": 12, "new_referee_only": true, "channels": ["email", "qr"],
            "countries": ["DE", "FR"], "metadata": [{"key": "category", "operator": "equals", "value": "cakes"}],
            "starts_at": "2026-03-01T00:00:00Z", "ends_at": "2026-04-01T00:00:00Z"},
        "limits": {"per_referrer_per_day": 2, "per_referrer_per_week": 5, "per_referrer_per_month": 10,
            "per_referrer": 32, "per_referee": 1, "budget_per_day": eur(10_000), "budget_per_month": eur(20_000),
            "budget": eur(30_000)},
        "on_refund": "proportional", "hold_days": 14, "expires_after_days": 365, "unit_cost": eur(250),
    }]);
    let rates = json!([{"from": "USD", "to": "EUR", "rate_millionths": 920_000}]);
    let program = world
        .program(json!({"incentives": whole, "rates": rates}))
        .await;
    let read = program.get("").await.expect(200);
    assert_eq!(read["incentives"], whole);
    assert_eq!(
        (&read["rates"], &read["rates_version"]),
        (&rates, &json!(1))
    );
    let same = program.patch("", read.clone()).await.expect(200);
    assert_eq!(same, read);
    let other = program.patch("", json!({"rates": []})).await.expect(200);
    assert_eq!(
        (&other["rates_version"], &other["version"]),
        (&json!(2), &json!(2))
    );
    world.bundle.shutdown().await;
}

/// The counters of a budget lie under their numbers for ever: they outlive the budget, and the rule.
#[tokio::test(flavor = "multi_thread")]
async fn a_budget_finds_its_counters_again() {
    let world = World::start().await;
    let program = world.program(json!({"incentives": [cash(None)]})).await;
    assert_eq!(shards(&program).await, 0);
    let incentives = |incentives: Value| json!({ "incentives": incentives });
    let set = async |value| {
        let changed = program.patch("", incentives(value)).await.expect(200);
        assert!(!changed.to_string().contains("budget_shards"));
    };
    set(json!([cash(Some(500_000))])).await;
    assert_eq!(shards(&program).await, 4);
    set(json!([])).await;
    set(json!([cash(Some(1_000))])).await;
    assert_eq!(shards(&program).await, 4);
    let mut points = cash(None);
    points["reward"] = json!({"kind": "points", "points": 1});
    let refused = program.patch("", incentives(json!([points]))).await;
    assert_eq!(refused.problem(409), "incentive_differs");
    // The counters that were fixed long ago count, not those that the budget would get today.
    let many: Vec<Value> = (0..8)
        .map(|index| {
            let mut one = cash(Some(500_000));
            one["id"] = json!(format!("i{index}"));
            one
        })
        .collect();
    let refused = program.patch("", incentives(json!(many))).await;
    assert_eq!(refused.problem(422), "invalid_request");
    assert!(
        refused.text.contains("95 writes to record"),
        "{}",
        refused.text
    );
    world.bundle.shutdown().await;
}
