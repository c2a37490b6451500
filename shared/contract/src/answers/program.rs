use kith_domain::destination::{AllowedHost, Destination};
use kith_domain::id::ProgramId;
use kith_domain::mode::Mode;
use kith_domain::money::Currency;
use kith_domain::program::{self as domain, AttributionModel, MailGround, ProgramState};
use kith_domain::reward::Side;
use kith_domain::survey::{self, SurveyTrigger};
use kith_domain::text::{Name, Slug};
use kith_domain::{rates, words};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Incentive, incentive};
use crate::scalar::{At, Spelled, Word};

words::words! {
    /// Whether a visitor is asked before a click is tied to them.
    pub enum Tracking {
        /// No.
        NotRequired = "not_required",
        /// Yes.
        Required = "required",
    }
}

words::words! {
    /// What a code is worth that was typed, without a click.
    pub enum CodeWithoutClick {
        /// It attributes.
        Accept = "accept",
        /// It does not.
        Refuse = "refuse",
    }
}

/// A program, defaults filled in.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Program {
    /// Its id.
    pub id: Spelled<ProgramId>,
    /// Live or test, by the key that made it.
    pub mode: Word<Mode>,
    /// How people know it.
    pub name: Spelled<Name>,
    /// Where links lead.
    pub destination_url: Spelled<Destination>,
    /// Other hosts that a link's `to` may name.
    pub allowed_hosts: Vec<Spelled<AllowedHost>>,
    /// How conversions find their referrer.
    pub attribution: ProgramAttribution,
    /// What needs consent.
    pub consent: ProgramConsent,
    /// What is earned.
    pub incentives: Vec<Incentive>,
    /// How amounts of different currencies are compared.
    pub rates: Vec<Rate>,
    /// Counts the changes of the rates.
    pub rates_version: u64,
    /// How long rewards are held, in days.
    pub hold_days: u16,
    /// Who is asked how it went.
    pub surveys: Vec<SurveyRule>,
    /// Whether an address is known at which the owner is told of what needs somebody. The address itself is never told.
    pub has_owner_email: bool,
    /// Whether it runs. Paused: links redirect plainly, conversions are recorded, rewards stay pending.
    pub state: Word<ProgramState>,
    /// Counts its changes; what `If-Match` names.
    pub version: u64,
    /// When it was made.
    pub created_at: At,
}

/// How conversions find their referrer.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ProgramAttribution {
    /// Which touch counts where several hold.
    pub model: Word<AttributionModel>,
    /// The longest time from touch to conversion, in days.
    pub window_days: u16,
    /// What a code is worth that was typed, without a click.
    pub code_without_click: Word<CodeWithoutClick>,
}

/// What needs people's consent.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ProgramConsent {
    /// Whether a visitor has to consent before a click is tied to them.
    pub tracking: Word<Tracking>,
    /// On what ground people get surveys and news.
    pub mail: Word<MailGround>,
}

/// A fixed rate between two currencies.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Rate {
    /// Of this currency,
    pub from: Spelled<Currency>,
    /// into that one.
    pub to: Spelled<Currency>,
    /// Millionths of one minor unit of `to` that one minor unit of `from` is worth.
    pub rate_millionths: u64,
}

/// Whom a program asks how it went, and when.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SurveyRule {
    /// The owner's name of it.
    pub id: Spelled<Slug>,
    /// After which event.
    pub on: Word<SurveyTrigger>,
    /// Who is asked.
    pub to: Word<Side>,
    /// How long after the event, in hours.
    pub delay_hours: u16,
    /// How long it can be answered, in days.
    pub closes_after_days: u16,
    /// How long nobody is asked again, in days.
    pub cooldown_days: u16,
}

/// A program, defaults filled in.
#[must_use]
pub fn program(program: &domain::Program) -> Program {
    let code_without_click = if program.attribution.code_without_click {
        CodeWithoutClick::Accept
    } else {
        CodeWithoutClick::Refuse
    };
    let tracking = if program.consent.tracking_required {
        Tracking::Required
    } else {
        Tracking::NotRequired
    };
    Program {
        id: program.id.into(),
        mode: program.mode.into(),
        name: program.name.clone().into(),
        destination_url: program.destination.clone().into(),
        allowed_hosts: program.allowed_hosts.iter().cloned().map(Spelled).collect(),
        attribution: ProgramAttribution {
            model: program.attribution.model.into(),
            window_days: program.attribution.window_days,
            code_without_click: code_without_click.into(),
        },
        consent: ProgramConsent {
            tracking: tracking.into(),
            mail: program.consent.mail.into(),
        },
        incentives: program.incentives.iter().map(incentive).collect(),
        rates: program.rates.pairs.iter().map(rate).collect(),
        rates_version: program.rates.version,
        hold_days: program.hold_days,
        surveys: program.surveys.iter().map(survey_rule).collect(),
        has_owner_email: program.owner_email.is_some(),
        state: program.state.into(),
        version: program.version,
        created_at: program.created_at.into(),
    }
}

fn rate(rate: &rates::Rate) -> Rate {
    Rate {
        from: rate.from.into(),
        to: rate.to.into(),
        rate_millionths: rate.millionths,
    }
}

fn survey_rule(rule: &survey::SurveyRule) -> SurveyRule {
    SurveyRule {
        id: rule.id.clone().into(),
        on: rule.on.into(),
        to: rule.to.into(),
        delay_hours: rule.delay_hours,
        closes_after_days: rule.closes_after_days,
        cooldown_days: rule.cooldown_days,
    }
}
