mod incentive;

use kith_domain::program::Program;
use kith_domain::rates::Rate;
use kith_domain::survey::SurveyRule;
use serde_json::{Value, json};

pub use self::incentive::incentive;
pub(super) use self::incentive::rule;
use super::instant;

/// A program, defaults filled in.
#[must_use]
pub fn program(program: &Program) -> Value {
    json!({
        "id": program.id.to_string(),
        "mode": program.mode.as_str(),
        "name": program.name.as_str(),
        "destination_url": program.destination.as_str(),
        "allowed_hosts": program.allowed_hosts.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "attribution": {
            "model": program.attribution.model.as_str(),
            "window_days": program.attribution.window_days,
            "code_without_click": if program.attribution.code_without_click { "accept" } else { "refuse" },
        },
        "consent": {
            "tracking": if program.consent.tracking_required { "required" } else { "not_required" },
            "mail": program.consent.mail.as_str(),
        },
        "incentives": program.incentives.iter().map(incentive).collect::<Vec<_>>(),
        "rates": program.rates.pairs.iter().map(rate).collect::<Vec<_>>(),
        "rates_version": program.rates.version,
        "hold_days": program.hold_days,
        "surveys": program.surveys.iter().map(survey_rule).collect::<Vec<_>>(),
        "state": program.state.as_str(),
        "version": program.version,
        "created_at": instant(program.created_at),
    })
}

fn rate(rate: &Rate) -> Value {
    json!({
        "from": rate.from.code(),
        "to": rate.to.code(),
        "rate_millionths": rate.millionths,
    })
}

fn survey_rule(rule: &SurveyRule) -> Value {
    json!({
        "id": rule.id.as_str(),
        "on": rule.on.as_str(),
        "to": rule.to.as_str(),
        "delay_hours": rule.delay_hours,
        "closes_after_days": rule.closes_after_days,
        "cooldown_days": rule.cooldown_days,
    })
}
