//! A program: one merchant's rules, and the tenant of everything else.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::destination::{AllowedHost, Destination};
use crate::email::EmailAddress;
use crate::fact::FactKind;
use crate::id::ProgramId;
use crate::incentive::Incentive;
use crate::mode::Mode;
use crate::rates::Rates;
use crate::survey::SurveyRule;
use crate::text::Name;
use crate::words::words;

/// The most incentives of a program.
pub const INCENTIVES_MAX: usize = 20;
/// The most survey rules of a program.
pub const SURVEYS_MAX: usize = 10;
/// The most hosts that links may lead to.
pub const ALLOWED_HOSTS_MAX: usize = 20;
/// The longest attribution window, in days.
pub const WINDOW_DAYS_MAX: u16 = 365;
/// The longest hold, in days.
pub const HOLD_DAYS_MAX: u16 = 365;
/// The attribution window unless the program says otherwise.
pub const WINDOW_DAYS_DEFAULT: u16 = 30;
/// The hold unless the program says otherwise.
pub const HOLD_DAYS_DEFAULT: u16 = 14;

const DAY_HOURS: i64 = 24;

words! {
    /// Whether a program runs.
    pub enum ProgramState {
        /// Links count and rewards flow.
        Active = "active",
        /// Links redirect plainly, conversions are recorded, rewards stay pending.
        Paused = "paused",
        /// As paused, for good: no new rewards.
        Archived = "archived",
    }
}

words! {
    /// Which touch earns the attribution.
    pub enum AttributionModel {
        /// The earliest one that holds.
        FirstClick = "first_click",
        /// The latest one that holds.
        LastClick = "last_click",
    }
}

/// How conversions find their referrer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttributionPolicy {
    /// Which touch wins.
    pub model: AttributionModel,
    /// The longest time from touch to conversion, in days: 1 to [`WINDOW_DAYS_MAX`].
    pub window_days: u16,
    /// Whether a code that was typed, without a click, attributes.
    pub code_without_click: bool,
}

impl AttributionPolicy {
    /// The window as a span of time.
    #[must_use]
    pub fn window(&self) -> SignedDuration {
        days(self.window_days)
    }
}

impl Default for AttributionPolicy {
    fn default() -> Self {
        Self {
            model: AttributionModel::LastClick,
            window_days: WINDOW_DAYS_DEFAULT,
            code_without_click: true,
        }
    }
}

words! {
    /// On what ground people get mail.
    pub enum MailGround {
        /// They are customers and did not object.
        LegitimateInterest = "legitimate_interest",
        /// They said yes.
        Consent = "consent",
    }
}

/// What the program asks people's consent for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsentPolicy {
    /// Whether a visitor has to consent before a click is tied to them.
    pub tracking_required: bool,
    /// On what ground surveys and news are mailed.
    pub mail: MailGround,
}

impl Default for ConsentPolicy {
    fn default() -> Self {
        Self {
            tracking_required: false,
            mail: MailGround::LegitimateInterest,
        }
    }
}

/// One merchant's set of rules.
#[derive(Debug, Clone, PartialEq)]
pub struct Program {
    /// Its id: the first part of every key below it.
    pub id: ProgramId,
    /// Live or test, for ever.
    pub mode: Mode,
    /// How people know it.
    pub name: Name,
    /// Where links lead.
    pub destination: Destination,
    /// Other hosts that a link's `to` may name.
    pub allowed_hosts: Vec<AllowedHost>,
    /// How conversions find their referrer.
    pub attribution: AttributionPolicy,
    /// What needs consent.
    pub consent: ConsentPolicy,
    /// What is earned, at most [`INCENTIVES_MAX`].
    pub incentives: Vec<Incentive>,
    /// How amounts of different currencies are compared.
    pub rates: Rates,
    /// How long rewards are held, in days.
    pub hold_days: u16,
    /// Who is asked how it went, at most [`SURVEYS_MAX`].
    pub surveys: Vec<SurveyRule>,
    /// Where the owner is told of what needs somebody, such as an endpoint that was disabled.
    pub owner_email: Option<EmailAddress>,
    /// Of which facts endpoints of webhooks are told: `None` for nothing, an empty set for everything.
    pub heard_of: Option<BTreeSet<FactKind>>,
    /// Whether it runs.
    pub state: ProgramState,
    /// Counts changes, from 1.
    pub version: u64,
    /// Since when this version's rules hold: earlier conversions are judged by an earlier version.
    pub rules_since: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
    /// Over how many partitions its clicks and events of a time bucket are spread.
    pub shards: u8,
}

impl Program {
    /// The same with other facts of which endpoints are told. Its rules stay as they are.
    #[must_use]
    pub fn told_of(&self, heard_of: Option<BTreeSet<FactKind>>) -> Self {
        Self {
            heard_of,
            version: self.version.saturating_add(1),
            ..self.clone()
        }
    }

    /// When a reward recorded now is released.
    #[must_use]
    pub fn release_at(&self, now: Timestamp) -> Timestamp {
        now.checked_add(days(self.hold_days))
            .unwrap_or(Timestamp::MAX)
    }

    /// Whether links count clicks.
    #[must_use]
    pub fn counts_clicks(&self) -> bool {
        self.state == ProgramState::Active
    }
}

/// A number of days as a span of time: 24 hours each, whatever the clocks of a place do.
#[must_use]
pub fn days(number: u16) -> SignedDuration {
    SignedDuration::from_hours(i64::from(number).saturating_mul(DAY_HOURS))
}
