use kith_domain::destination::{AllowedHost, Destination};
use kith_domain::email::EmailAddress;
use kith_domain::money::Currency;
use kith_domain::program::{
    ALLOWED_HOSTS_MAX, AttributionModel, HOLD_DAYS_MAX, INCENTIVES_MAX, MailGround, ProgramState,
    SURVEYS_MAX, WINDOW_DAYS_MAX,
};
use kith_domain::rates::{RATE_MILLIONTHS_MAX, RATES_MAX};
use kith_domain::reward::Side;
use kith_domain::survey::{
    CLOSES_AFTER_DAYS_MAX, COOLDOWN_DAYS_MAX, DELAY_HOURS_MAX, SurveyTrigger,
};
use kith_domain::text::{Name, Slug};
use schemars::JsonSchema;

use super::{AsRead, IncentiveInput, never_null};
use crate::answers::{CodeWithoutClick, Tracking};
use crate::scalar::{Spelled, Word};

/// A program to be made. What is left out, or `null`, has its default.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct NewProgram {
    /// How people know it.
    pub name: Spelled<Name>,
    /// Where links lead.
    pub destination_url: Spelled<Destination>,
    /// Other hosts that a link's `to` may name.
    #[schemars(length(max = ALLOWED_HOSTS_MAX))]
    pub allowed_hosts: Option<Vec<Spelled<AllowedHost>>>,
    /// How conversions find their referrer.
    pub attribution: Option<AttributionInput>,
    /// What needs consent.
    pub consent: Option<ProgramConsentInput>,
    /// What is earned; none unless said.
    #[schemars(length(max = INCENTIVES_MAX))]
    pub incentives: Option<Vec<IncentiveInput>>,
    /// How amounts of different currencies are compared; they are not unless said.
    #[schemars(length(max = RATES_MAX))]
    pub rates: Option<Vec<RateInput>>,
    /// How long rewards are held, in days; 14 unless said.
    #[schemars(range(min = 0, max = HOLD_DAYS_MAX))]
    pub hold_days: Option<u16>,
    /// Who is asked how it went; nobody unless said.
    #[schemars(length(max = SURVEYS_MAX))]
    pub surveys: Option<Vec<SurveyRuleInput>>,
    /// Where the owner is told of what needs somebody, such as a webhook that was disabled; nowhere unless said.
    pub owner_email: Option<Spelled<EmailAddress>>,
}

/// A change of a program, as a merge patch: what is left out stays, `null` means the default.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ProgramChange {
    /// How people know it.
    #[schemars(transform = never_null)]
    pub name: Option<Spelled<Name>>,
    /// Where links lead.
    #[schemars(transform = never_null)]
    pub destination_url: Option<Spelled<Destination>>,
    /// Whether it runs.
    #[schemars(transform = never_null)]
    pub state: Option<Word<ProgramState>>,
    /// Other hosts that a link's `to` may name.
    #[schemars(length(max = ALLOWED_HOSTS_MAX))]
    pub allowed_hosts: Option<Vec<Spelled<AllowedHost>>>,
    /// How conversions find their referrer.
    pub attribution: Option<AttributionInput>,
    /// What needs consent.
    pub consent: Option<ProgramConsentInput>,
    /// What is earned: all of them.
    #[schemars(length(max = INCENTIVES_MAX))]
    pub incentives: Option<Vec<IncentiveInput>>,
    /// How amounts of different currencies are compared: all rates.
    #[schemars(length(max = RATES_MAX))]
    pub rates: Option<Vec<RateInput>>,
    /// How long rewards are held, in days.
    #[schemars(range(min = 0, max = HOLD_DAYS_MAX))]
    pub hold_days: Option<u16>,
    /// Who is asked how it went: all rules.
    #[schemars(length(max = SURVEYS_MAX))]
    pub surveys: Option<Vec<SurveyRuleInput>>,
    /// Where the owner is told of what needs somebody, such as a webhook that was disabled.
    pub owner_email: Option<Spelled<EmailAddress>>,
    #[schemars(default)]
    #[allow(missing_docs, reason = "its type says it")]
    pub has_owner_email: AsRead,
    #[schemars(default)]
    #[allow(missing_docs, reason = "its type says it")]
    pub id: AsRead,
    #[schemars(default)]
    #[allow(missing_docs, reason = "its type says it")]
    pub mode: AsRead,
    #[schemars(default)]
    #[allow(missing_docs, reason = "its type says it")]
    pub rates_version: AsRead,
    #[schemars(default)]
    #[allow(missing_docs, reason = "its type says it")]
    pub version: AsRead,
    #[schemars(default)]
    #[allow(missing_docs, reason = "its type says it")]
    pub created_at: AsRead,
}

/// How conversions find their referrer.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct AttributionInput {
    /// Which touch counts where several hold; the last click unless said.
    pub model: Option<Word<AttributionModel>>,
    /// The longest time from touch to conversion, in days; 30 unless said.
    #[schemars(range(min = 1, max = WINDOW_DAYS_MAX))]
    pub window_days: Option<u16>,
    /// What a code is worth that was typed, without a click; it is accepted unless said.
    pub code_without_click: Option<Word<CodeWithoutClick>>,
}

/// What needs people's consent.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ProgramConsentInput {
    /// Whether a visitor has to consent before a click is tied to them; not unless said.
    pub tracking: Option<Word<Tracking>>,
    /// On what ground people get surveys and news.
    pub mail: Option<Word<MailGround>>,
}

/// A fixed rate between two different currencies.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct RateInput {
    /// Of this currency,
    pub from: Spelled<Currency>,
    /// into that one.
    pub to: Spelled<Currency>,
    /// Millionths of one minor unit of `to` that one minor unit of `from` is worth.
    #[schemars(range(min = 1, max = RATE_MILLIONTHS_MAX))]
    pub rate_millionths: u64,
}

/// Whom a program asks how it went, and when.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct SurveyRuleInput {
    /// The owner's name of it, once in a program.
    pub id: Spelled<Slug>,
    /// After which event.
    pub on: Word<SurveyTrigger>,
    /// Who is asked.
    pub to: Word<Side>,
    /// How long after the event, in hours; at once unless said.
    #[schemars(range(min = 0, max = DELAY_HOURS_MAX))]
    pub delay_hours: Option<u16>,
    /// How long it can be answered, in days; 30 unless said.
    #[schemars(range(min = 1, max = CLOSES_AFTER_DAYS_MAX))]
    pub closes_after_days: Option<u16>,
    /// How long nobody is asked again, in days; 90 unless said.
    #[schemars(range(min = 0, max = COOLDOWN_DAYS_MAX))]
    pub cooldown_days: Option<u16>,
}
