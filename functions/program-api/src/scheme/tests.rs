use serde_json::{Value, json};

use super::*;

fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn object(value: &Value) -> Object {
    Object::new("", value.as_object().unwrap().clone())
}

fn read(value: &Value) -> Result<Program, Problem> {
    let id = ProgramId::new(now(), [1; 10]);
    new_program(object(value), Faults::default(), (id, Mode::Live), now())
}

fn patch(present: &Program, value: &Value) -> Result<Program, Problem> {
    let later = "2026-04-01T12:00:00Z".parse().unwrap();
    patched(object(value), Faults::default(), present, later)
}

fn pointers(problem: &Problem) -> Vec<&str> {
    let faults = problem.errors().iter();
    faults.map(|fault| fault.pointer.as_str()).collect()
}

/// A program as it is answered.
fn written(program: &Program) -> Value {
    serde_json::to_value(wire::program(program)).unwrap()
}

fn bakery() -> Value {
    json!({
        "name": "Joe's Artisan Bakery",
        "destination_url": "https://bakery.example/welcome?shop=1",
        "allowed_hosts": ["bakery.example"],
        "attribution": {"model": "last_click", "window_days": 30, "code_without_click": "accept"},
        "consent": {"tracking": "not_required", "mail": "legitimate_interest"},
        "incentives": [
            {"id": "friend-10", "on": "purchase", "beneficiary": "referee", "reward": {"kind": "discount", "basis_points": 1000}},
            {"id": "thank-you", "on": "purchase", "beneficiary": "referrer", "grant": "after",
             "reward": {"kind": "cash", "amount": {"amount": 500, "currency": "EUR"}},
             "conditions": {"minimum_amount": {"amount": 2000, "currency": "EUR"}, "first_conversion_only": true},
             "limits": {"per_referrer_per_month": 10}},
            {"id": "points", "on": "signup", "beneficiary": "referrer", "reward": {"kind": "points", "points": 300}},
        ],
        "hold_days": 14,
        "surveys": [{"id": "after-reward", "on": "reward.issued", "to": "referrer", "delay_hours": 24,
            "closes_after_days": 30, "cooldown_days": 90}],
    })
}

/// What was sent is what is answered: the contract's own example.
#[test]
fn a_whole_program_is_read_and_written_back() {
    let mut written = written(&read(&bakery()).unwrap());
    let written = written.as_object_mut().unwrap();
    for (name, value) in bakery().as_object().unwrap() {
        let mut value = value.clone();
        if name == "incentives" {
            for incentive in value.as_array_mut().unwrap() {
                let incentive = incentive.as_object_mut().unwrap();
                let voucher = incentive["reward"]["kind"] == "discount";
                let on_refund = if voucher {
                    "keep_while_conditions_hold"
                } else {
                    "proportional"
                };
                for (name, default) in [
                    ("grant", json!("after")),
                    ("tiers", json!([])),
                    ("conditions", json!({})),
                    ("limits", json!({})),
                    ("on_refund", json!(on_refund)),
                ] {
                    incentive.entry(name).or_insert(default);
                }
            }
        }
        assert_eq!(written.get(name), Some(&value), "{name}");
    }
}

#[test]
fn only_name_and_destination_are_required() {
    let program = read(&json!({"name": "x", "destination_url": "https://x.example"})).unwrap();
    assert_eq!(program.attribution, AttributionPolicy::default());
    assert_eq!((program.hold_days, program.version), (14, 1));
    assert!(program.incentives.is_empty() && program.surveys.is_empty());
    let problem = read(&json!({})).unwrap_err();
    assert_eq!(pointers(&problem), ["/name", "/destination_url"]);
}

#[test]
fn every_fault_is_told_at_once() {
    let problem = read(&json!({
        "name": "", "destination_url": "x", "hold_days": 366, "colour": "red", "state": "paused",
        "attribution": {"model": "first", "window_days": 0, "code_without_click": "no"},
        "consent": {"tracking": "maybe", "mail": "no"},
        "incentives": [
            {"id": "A", "on": "Purchase", "beneficiary": "friend", "reward": {"kind": "cash", "amount": {"amount": 0, "currency": "EUR"}}},
            {"id": "d", "on": "purchase", "beneficiary": "referee",
             "reward": {"kind": "discount", "basis_points": 10001, "amount": {"amount": 1, "currency": "EUR"}}},
            {"id": "e", "on": "purchase", "beneficiary": "referee", "reward": {"kind": "discount"}, "limits": {"per_referee": 0}},
            {"id": "f", "on": "purchase", "beneficiary": "referee", "reward": {"kind": "gold", "grams": 1}},
        ],
        "surveys": [{"id": "s", "on": "purchase", "to": "all", "delay_hours": -1}],
    }))
    .unwrap_err();
    assert_eq!(
        pointers(&problem),
        [
            "/name",
            "/destination_url",
            "/attribution/model",
            "/attribution/window_days",
            "/attribution/code_without_click",
            "/consent/tracking",
            "/consent/mail",
            "/incentives/0/id",
            "/incentives/0/on",
            "/incentives/0/beneficiary",
            "/incentives/0/reward/amount/amount",
            "/incentives/1/reward/basis_points",
            "/incentives/1/reward",
            "/incentives/2/reward",
            "/incentives/2/limits/per_referee",
            "/incentives/3/reward/kind",
            "/hold_days",
            "/surveys/0/on",
            "/surveys/0/to",
            "/surveys/0/delay_hours",
            "/colour",
            "/state",
        ]
    );
}

/// The whole language of the contract, and what goes without saying in it.
fn everything() -> Value {
    let eur = |amount: i64| json!({"amount": amount, "currency": "EUR"});
    json!({
        "name": "x", "destination_url": "https://x.example",
        "rates": [
            {"from": "USD", "to": "EUR", "rate_millionths": 920_000},
            {"from": "EUR", "to": "USD", "rate_millionths": 1_080_000},
        ],
        "incentives": [
            {"id": "thank-you", "on": "purchase", "beneficiary": "referrer", "grant": "after",
             "reward": {"kind": "percentage", "basis_points": 2000, "maximum": eur(5000)},
             "tiers": [{"from": 5, "reward": {"kind": "cash", "amount": eur(1000)}},
                {"from": 20, "reward": {"kind": "percentage", "basis_points": 3000}}],
             "conditions": {"minimum_amount": eur(2000), "maximum_amount": eur(2000), "first_conversion_only": true,
                "conversion_number": {"from": 1, "to": 12}, "referral_number": {"from": 10, "to": 10},
                "within_months_of_referral": 12, "new_referee_only": true, "channels": ["email", "qr"],
                "countries": ["DE", "FR"],
                "metadata": [
                    {"key": "category", "operator": "equals", "value": "cakes"},
                    {"key": "paid", "operator": "in", "value": [true, 1, "yes"]},
                    {"key": "items", "operator": "at_least", "value": -3},
                    {"key": "items", "operator": "at_most", "value": 9},
                    {"key": "gift", "operator": "exists", "value": false}],
                "starts_at": "2026-03-01T00:00:00Z", "ends_at": "2026-04-01T00:00:00Z"},
             "limits": {"per_referrer_per_day": 2, "per_referrer_per_week": 5, "per_referrer_per_month": 10,
                "per_referrer": 32, "per_referee": 1, "budget_per_day": eur(10000), "budget_per_month": eur(200_000),
                "budget": eur(1_000_000)},
             "on_refund": "keep", "hold_days": 0, "expires_after_days": 365},
            {"id": "cake", "on": "purchase", "beneficiary": "referee", "grant": "at_checkout",
             "reward": {"kind": "free_product", "sku": "CAKE-1", "quantity": 2}, "tiers": [],
             "conditions": {"referral_number": {"every": 10}, "conversion_number": {"from": 2}},
             "limits": {"budget": eur(250)}, "on_refund": "keep_while_conditions_hold", "unit_cost": eur(250)},
            {"id": "above", "on": "signup", "beneficiary": {"upline": 5}, "grant": "after",
             "reward": {"kind": "discount", "amount": eur(300)},
             "tiers": [{"from": 2, "reward": {"kind": "points", "points": 7}}], "conditions": {}, "limits": {}},
        ],
    })
}

/// What was sent is what is answered, member by member; and sent back it is no change.
#[test]
fn the_whole_language_is_read_and_written_back() {
    let program = read(&everything()).unwrap();
    let written = written(&program);
    assert_eq!(written["incentives"], everything()["incentives"]);
    assert_eq!(written["rates"], everything()["rates"]);
    assert_eq!(written["rates_version"], 1);
    assert_eq!(patch(&program, &written).unwrap(), program);
}

/// A program is the same before and after the table.
#[test]
fn the_whole_language_is_stored() {
    let program = read(&everything()).unwrap();
    let stored = kith_store::item::write(&program).unwrap();
    assert_eq!(kith_store::item::read::<Program>(stored).unwrap(), program);
}

#[test]
fn what_goes_without_saying_is_filled_in() {
    let program = read(&json!({
        "name": "x", "destination_url": "https://x.example",
        "incentives": [
            {"id": "a", "on": "purchase", "beneficiary": "referee", "reward": {"kind": "points", "points": 1},
             "conditions": {"conversion_number": {"to": 3}, "metadata": [{"key": "k", "operator": "exists"}]}},
            {"id": "b", "on": "purchase", "beneficiary": "referee", "reward": {"kind": "points", "points": 1},
             "on_refund": "proportional"},
        ],
    }))
    .unwrap();
    let written = written(&program);
    assert_eq!(
        written["incentives"][0],
        json!({
            "id": "a", "on": "purchase", "beneficiary": "referee", "grant": "after",
            "reward": {"kind": "points", "points": 1}, "tiers": [],
            "conditions": {"conversion_number": {"from": 1, "to": 3},
                "metadata": [{"key": "k", "operator": "exists", "value": true}]},
            "limits": {}, "on_refund": "proportional",
        })
    );
    assert_eq!(written["rates"], json!([]));
    assert_eq!(written["rates_version"], 0);
    // Said or not, it is the same rule.
    assert_eq!(program.incentives[0].on_refund, None);
    assert_eq!(program.incentives[1].on_refund, None);
}

/// Every fault of an incentive at once, each where it is.
#[test]
fn every_fault_of_an_incentive_is_told() {
    let eur = |amount: i64| json!({"amount": amount, "currency": "EUR"});
    let problem = read(&json!({
        "name": "x", "destination_url": "https://x.example",
        "rates": [
            {"from": "USD", "to": "USD", "rate_millionths": 1},
            {"from": "USD", "to": "EUR", "rate_millionths": 0},
            {"from": "USD", "to": "eur", "rate_millionths": 1},
            {"from": "USD", "to": "EUR", "rate_millionths": 1_000_000_000_001_i64},
        ],
        "incentives": [
            {"id": "a", "on": "purchase", "beneficiary": {"upline": 6}, "grant": "later",
             "reward": {"kind": "percentage", "basis_points": 10001, "maximum": eur(0)},
             "tiers": [{"from": 0, "reward": {"kind": "points", "points": 1}}],
             "conditions": {"conversion_number": {"from": 3, "to": 2}, "referral_number": {"every": 1, "from": 1},
                "within_months_of_referral": 0, "new_referee_only": "yes", "channels": [], "countries": ["DE", "de"],
                "minimum_amount": eur(2), "maximum_amount": eur(1),
                "metadata": [{"key": "a b", "operator": "equals", "value": 1.5}, {"key": "k", "operator": "in", "value": []},
                    {"key": "k", "operator": "at_least", "value": "3"}, {"key": "k", "operator": "is", "value": 1},
                    {"key": "k", "operator": "equals"}],
                "starts_at": "2026-03-01T00:00:00Z", "ends_at": "2026-03-01T00:00:00Z", "weather": "fine"},
             "limits": {"budget": eur(0), "per_referee": 1_000_001},
             "on_refund": "no", "hold_days": 366, "expires_after_days": 0, "unit_cost": eur(0)},
            {"id": "b", "on": "purchase", "beneficiary": "upline:1", "grant": "at_checkout",
             "reward": {"kind": "cash", "amount": eur(1)},
             "tiers": [{"from": 2, "reward": {"kind": "points", "points": 1}},
                {"from": 2, "reward": {"kind": "free_product", "sku": "a b", "quantity": 0}}],
             "conditions": {"conversion_number": {}, "channels": ["email", "mail"]}},
            {"id": "c", "on": "purchase", "beneficiary": "referrer", "grant": "at_checkout",
             "reward": {"kind": "discount", "basis_points": 1},
             "tiers": [{"from": 3, "reward": {"kind": "percentage", "basis_points": 1}},
                {"from": 2, "reward": {"kind": "discount", "basis_points": 2}}],
             "limits": {"budget_per_day": eur(1)}, "budget_shards": 4},
        ],
    }))
    .unwrap_err();
    assert_eq!(
        pointers(&problem),
        [
            "/incentives/0/beneficiary/upline",
            "/incentives/0/grant",
            "/incentives/0/reward/basis_points",
            "/incentives/0/reward/maximum/amount",
            "/incentives/0/tiers/0/from",
            "/incentives/0/conditions/conversion_number/to",
            "/incentives/0/conditions/referral_number",
            "/incentives/0/conditions/within_months_of_referral",
            "/incentives/0/conditions/new_referee_only",
            "/incentives/0/conditions/channels",
            "/incentives/0/conditions/countries/1",
            "/incentives/0/conditions/metadata/0/key",
            "/incentives/0/conditions/metadata/0/value",
            "/incentives/0/conditions/metadata/1/value",
            "/incentives/0/conditions/metadata/2/value",
            "/incentives/0/conditions/metadata/3/operator",
            "/incentives/0/conditions/metadata/4/value",
            "/incentives/0/conditions/ends_at",
            "/incentives/0/conditions/maximum_amount",
            "/incentives/0/conditions/weather",
            "/incentives/0/limits/per_referee",
            "/incentives/0/limits/budget/amount",
            "/incentives/0/on_refund",
            "/incentives/0/hold_days",
            "/incentives/0/expires_after_days",
            "/incentives/0/unit_cost/amount",
            "/incentives/1/beneficiary",
            "/incentives/1/tiers/1/reward/sku",
            "/incentives/1/tiers/1/reward/quantity",
            "/incentives/1/conditions/conversion_number",
            "/incentives/1/conditions/channels/1",
            "/incentives/1/reward/kind",
            "/incentives/2/tiers/1/from",
            "/incentives/2/beneficiary",
            "/incentives/2/tiers/0/reward/kind",
            "/incentives/2/unit_cost",
            "/incentives/2/budget_shards",
            "/rates/0/to",
            "/rates/1/rate_millionths",
            "/rates/2/to",
            "/rates/3/rate_millionths",
        ]
    );
}

/// What is `null` is left out: it neither gives a discount its worth nor a budget its cost.
#[test]
fn a_null_says_nothing() {
    let discount = json!({"kind": "discount", "basis_points": 1000});
    let nothing = json!({"kind": "discount", "basis_points": null, "amount": null});
    let budget = json!({"budget": {"amount": 500, "currency": "EUR"}});
    let faulty = |change: Value, expected: &[&str]| {
        let mut incentive =
            json!({"id": "a", "on": "purchase", "beneficiary": "referee", "reward": discount});
        for (name, value) in change.as_object().unwrap() {
            incentive[name] = value.clone();
        }
        let mut body = bakery();
        body["incentives"] = json!([incentive]);
        let problem = read(&body).unwrap_err();
        assert_eq!(problem.status(), 422, "{change}");
        assert_eq!(pointers(&problem), expected, "{change}");
    };
    faulty(json!({"reward": nothing}), &["/incentives/0/reward"]);
    faulty(
        json!({"tiers": [{"from": 2, "reward": nothing}]}),
        &["/incentives/0/tiers/0/reward"],
    );
    faulty(
        json!({"limits": budget, "unit_cost": null}),
        &["/incentives/0/unit_cost"],
    );
    let number = |rule: Value| json!({"conditions": {"referral_number": rule}});
    let at = "/incentives/0/conditions/referral_number";
    let every = "/incentives/0/conditions/referral_number/every";
    faulty(number(json!({"from": null, "to": null})), &[at]);
    faulty(number(json!({"every": null})), &[at, every]);
    // One choice beside a null is one choice.
    let mut body = bakery();
    body["incentives"][0]["reward"]["amount"] = Value::Null;
    body["incentives"][1]["conditions"]["referral_number"] = json!({"from": 2, "to": null});
    read(&body).unwrap();
}

#[test]
fn a_pair_of_currencies_has_one_rate_in_each_direction() {
    let rate = |from: &str, to: &str| json!({"from": from, "to": to, "rate_millionths": 1});
    let rates = json!([rate("USD", "EUR"), rate("EUR", "USD"), rate("USD", "EUR")]);
    let body = json!({"name": "x", "destination_url": "https://x.example", "rates": rates});
    assert_eq!(pointers(&read(&body).unwrap_err()), ["/rates/2"]);
}

/// Conversions are judged by the rates of their time.
#[test]
fn other_rates_are_other_rules() {
    let present = read(&everything()).unwrap();
    let next = patch(&present, &json!({"rates": null})).unwrap();
    assert_eq!((next.rates.version, next.rates.pairs.len()), (2, 0));
    assert_eq!(next.rules_since.to_string(), "2026-04-01T12:00:00Z");
    let refused = patch(&present, &json!({"rates_version": 2})).unwrap_err();
    assert_eq!(pointers(&refused), ["/rates_version"]);
}

/// The counters of a budget stay where they are, whatever becomes of the budget.
#[test]
fn the_shards_of_a_budget_are_fixed_once() {
    let budget = |amount: i64| {
        json!([{"id": "a", "on": "purchase", "beneficiary": "referrer",
            "reward": {"kind": "cash", "amount": {"amount": 100, "currency": "EUR"}},
            "limits": {"budget": {"amount": amount, "currency": "EUR"}}}])
    };
    let body = |amount| json!({"name": "x", "destination_url": "https://x.example", "incentives": budget(amount)});
    let mut large = read(&body(100_000)).unwrap();
    assert_eq!(large.incentives[0].budget_shards, 4);
    let smaller = patch(&large, &json!({"incentives": budget(99_999)})).unwrap();
    assert_eq!(smaller.incentives[0].budget_shards, 4);
    let mut small = read(&body(99_999)).unwrap();
    assert_eq!(small.incentives[0].budget_shards, 1);
    assert!(!fix_shards(&mut small, 0, 0));
    // An id that comes back has the counters that it had.
    large.incentives[0].budget_shards = 0;
    assert!(!fix_shards(&mut large, 0, 3));
    assert_eq!(large.incentives[0].budget_shards, 3);
    large.incentives[0].budget_shards = 0;
    assert!(fix_shards(&mut large, 0, 0));
    assert_eq!(large.incentives[0].budget_shards, 4);
    assert!(!fix_shards(&mut large, 7, 0));
}

#[test]
fn an_id_stands_once() {
    let mut twice = bakery();
    let first = twice["incentives"][0].clone();
    twice["incentives"].as_array_mut().unwrap().push(first);
    let survey = twice["surveys"][0].clone();
    twice["surveys"].as_array_mut().unwrap().push(survey);
    let problem = read(&twice).unwrap_err();
    assert_eq!(pointers(&problem), ["/incentives/3/id", "/surveys/1/id"]);
}

#[test]
fn a_patch_keeps_what_it_does_not_name() {
    let present = read(&bakery()).unwrap();
    let next = patch(
        &present,
        &json!({"name": "Joe's", "attribution": {"window_days": 7}, "hold_days": null, "surveys": null, "state": "paused"}),
    )
    .unwrap();
    assert_eq!(next.name.as_str(), "Joe's");
    assert_eq!(next.attribution.window_days, 7);
    assert_eq!(next.attribution.model, present.attribution.model);
    assert_eq!((next.hold_days, next.surveys.len()), (14, 0));
    assert_eq!(next.state, ProgramState::Paused);
    assert_eq!(next.incentives, present.incentives);
    assert_eq!(next.version, 2);
}

/// Whoever reads a program, changes nothing and sends it back, has changed nothing.
#[test]
fn a_program_sent_back_is_no_change() {
    let present = read(&bakery()).unwrap();
    assert_eq!(patch(&present, &written(&present)).unwrap(), present);
    assert_eq!(patch(&present, &json!({})).unwrap(), present);
}

/// Earlier conversions are judged by the rules of their time, so a new name is no new rule.
#[test]
fn rules_have_a_beginning() {
    let present = read(&bakery()).unwrap();
    let renamed = patch(&present, &json!({"name": "Joe's"})).unwrap();
    assert_eq!((renamed.version, renamed.rules_since), (2, now()));
    let changed = patch(&present, &json!({"hold_days": 3})).unwrap();
    assert_eq!(changed.rules_since.to_string(), "2026-04-01T12:00:00Z");
}

#[test]
fn what_is_fixed_cannot_be_patched() {
    let present = read(&bakery()).unwrap();
    let problem = patch(
        &present,
        &json!({"id": "prg_x", "mode": "test", "version": 9, "created_at": null, "name": null, "state": null,
            "destination_url": null}),
    )
    .unwrap_err();
    assert_eq!(
        pointers(&problem),
        [
            "/id",
            "/mode",
            "/version",
            "/created_at",
            "/name",
            "/destination_url",
            "/state"
        ]
    );
}
