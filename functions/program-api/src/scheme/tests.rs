use serde_json::json;

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
    let mut written = wire::program(&read(&bakery()).unwrap());
    let written = written.as_object_mut().unwrap();
    for (name, value) in bakery().as_object().unwrap() {
        let mut value = value.clone();
        if name == "incentives" {
            for incentive in value.as_array_mut().unwrap() {
                let incentive = incentive.as_object_mut().unwrap();
                incentive.remove("grant");
                incentive.entry("conditions").or_insert_with(|| json!({}));
                incentive.entry("limits").or_insert_with(|| json!({}));
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

/// A rule that is taken and not applied would cost the owner money.
#[test]
fn what_cannot_be_done_yet_is_refused_by_name() {
    let problem = read(&json!({
        "name": "x", "destination_url": "https://x.example",
        "incentives": [
            {"id": "a", "on": "purchase", "beneficiary": {"upline": 1}, "grant": "at_checkout",
             "reward": {"kind": "percentage", "basis_points": 2000}, "tiers": [],
             "conditions": {"channels": ["email"]}, "limits": {"budget": {"amount": 1, "currency": "EUR"}}},
        ],
    }))
    .unwrap_err();
    let not_yet = problem
        .errors()
        .iter()
        .filter(|fault| fault.detail == NOT_YET);
    let not_yet: Vec<&str> = not_yet.map(|fault| fault.pointer.as_str()).collect();
    assert_eq!(not_yet, pointers(&problem));
    assert_eq!(
        not_yet,
        [
            "/incentives/0/beneficiary",
            "/incentives/0/reward/kind",
            "/incentives/0/conditions/channels",
            "/incentives/0/limits/budget",
            "/incentives/0/grant",
            "/incentives/0/tiers",
        ]
    );
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
    assert_eq!(patch(&present, &wire::program(&present)).unwrap(), present);
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
