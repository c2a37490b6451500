use jiff::{SignedDuration, Timestamp};
use kith_domain::destination::{AllowedHost, Destination};
use kith_domain::email::EmailAddress;
use kith_domain::id::ProgramId;
use kith_domain::incentive::Incentive;
use kith_domain::mode::Mode;
use kith_domain::money::Currency;
use kith_domain::program::{
    AttributionModel, AttributionPolicy, ConsentPolicy, MailGround, Program, ProgramState,
};
use kith_domain::rates::{Rate, Rates};
use kith_domain::reward::{Beneficiary, Side};
use kith_domain::survey::{SurveyRule, SurveyTrigger};
use kith_domain::text::{Name, Slug};
use serde::{Deserialize, Serialize};

use self::incentive::IncentiveItem;
use super::participant::address;
use super::webhook::{kind_texts, kinds};
use crate::item::{Entity, text};

mod incentive;

/// What lies in the table of a program.
#[derive(Serialize, Deserialize)]
pub struct ProgramItem {
    #[serde(with = "text")]
    id: ProgramId,
    #[serde(with = "text")]
    mode: Mode,
    #[serde(with = "text")]
    name: Name,
    #[serde(with = "text")]
    destination_url: Destination,
    allowed_hosts: Vec<String>,
    #[serde(with = "text")]
    attribution_model: AttributionModel,
    window_days: u16,
    code_without_click: bool,
    tracking_required: bool,
    #[serde(with = "text")]
    mail_ground: MailGround,
    incentives: Vec<IncentiveItem>,
    #[serde(default)]
    rates_version: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    rates: Vec<RateItem>,
    hold_days: u16,
    surveys: Vec<SurveyRuleItem>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "address")]
    owner_email: Option<EmailAddress>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    heard_of: Option<Vec<String>>,
    #[serde(with = "text")]
    state: ProgramState,
    version: u64,
    #[serde(with = "text")]
    rules_since: Timestamp,
    #[serde(with = "text")]
    created_at: Timestamp,
    shards: u8,
}

#[derive(Serialize, Deserialize)]
struct RateItem {
    #[serde(with = "text")]
    from: Currency,
    #[serde(with = "text")]
    to: Currency,
    millionths: u64,
}

#[derive(Serialize, Deserialize)]
struct SurveyRuleItem {
    #[serde(with = "text")]
    id: Slug,
    #[serde(with = "text")]
    on: SurveyTrigger,
    #[serde(with = "text")]
    to: Side,
    delay_hours: u16,
    closes_after_days: u16,
    cooldown_days: u16,
}

impl Entity for Program {
    type Stored = ProgramItem;
    const KIND: &'static str = "program";

    fn to_stored(&self) -> ProgramItem {
        let survey = |rule: &SurveyRule| SurveyRuleItem {
            id: rule.id.clone(),
            on: rule.on,
            to: rule.to,
            delay_hours: rule.delay_hours,
            closes_after_days: rule.closes_after_days,
            cooldown_days: rule.cooldown_days,
        };
        ProgramItem {
            id: self.id,
            mode: self.mode,
            name: self.name.clone(),
            destination_url: self.destination.clone(),
            allowed_hosts: self.allowed_hosts.iter().map(ToString::to_string).collect(),
            attribution_model: self.attribution.model,
            window_days: self.attribution.window_days,
            code_without_click: self.attribution.code_without_click,
            tracking_required: self.consent.tracking_required,
            mail_ground: self.consent.mail,
            incentives: self.incentives.iter().map(IncentiveItem::of).collect(),
            rates_version: self.rates.version,
            rates: self.rates.pairs.iter().map(RateItem::of).collect(),
            hold_days: self.hold_days,
            surveys: self.surveys.iter().map(survey).collect(),
            owner_email: self.owner_email.clone(),
            heard_of: self.heard_of.as_ref().map(kind_texts),
            state: self.state,
            version: self.version,
            rules_since: self.rules_since,
            created_at: self.created_at,
            shards: self.shards,
        }
    }

    fn from_stored(stored: ProgramItem) -> Self {
        let survey = |item: SurveyRuleItem| SurveyRule {
            id: item.id,
            on: item.on,
            to: item.to,
            delay_hours: item.delay_hours,
            closes_after_days: item.closes_after_days,
            cooldown_days: item.cooldown_days,
        };
        Self {
            id: stored.id,
            mode: stored.mode,
            name: stored.name,
            destination: stored.destination_url,
            allowed_hosts: hosts(&stored.allowed_hosts),
            attribution: AttributionPolicy {
                model: stored.attribution_model,
                window_days: stored.window_days,
                code_without_click: stored.code_without_click,
            },
            consent: ConsentPolicy {
                tracking_required: stored.tracking_required,
                mail: stored.mail_ground,
            },
            incentives: stored
                .incentives
                .into_iter()
                .map(IncentiveItem::read)
                .collect(),
            rates: Rates {
                version: stored.rates_version,
                pairs: stored.rates.into_iter().map(RateItem::read).collect(),
            },
            hold_days: stored.hold_days,
            surveys: stored.surveys.into_iter().map(survey).collect(),
            owner_email: stored.owner_email,
            heard_of: stored.heard_of.as_deref().map(kinds),
            state: stored.state,
            version: stored.version,
            rules_since: stored.rules_since,
            created_at: stored.created_at,
            shards: stored.shards,
        }
    }
}

impl RateItem {
    fn of(rate: &Rate) -> Self {
        Self {
            from: rate.from,
            to: rate.to,
            millionths: rate.millionths,
        }
    }

    fn read(self) -> Rate {
        Rate {
            from: self.from,
            to: self.to,
            millionths: self.millionths,
        }
    }
}

fn hosts(texts: &[String]) -> Vec<AllowedHost> {
    texts.iter().filter_map(|host| host.parse().ok()).collect()
}

/// What links need to know of a program: small, and cached where they are followed.
#[derive(Debug, Clone, PartialEq)]
pub struct LinkTarget {
    /// Where links lead.
    pub destination: Destination,
    /// Other hosts that a link's `to` may name.
    pub allowed_hosts: Vec<AllowedHost>,
    /// How long a click can earn an attribution.
    pub window_days: u16,
    /// Whether a visitor has to consent before a click is tied to them.
    pub tracking_required: bool,
    /// Whether links count clicks: the program runs.
    pub counts_clicks: bool,
    /// Over how many partitions an hour's clicks are spread.
    pub shards: u8,
}

impl From<&Program> for LinkTarget {
    fn from(program: &Program) -> Self {
        Self {
            destination: program.destination.clone(),
            allowed_hosts: program.allowed_hosts.clone(),
            window_days: program.attribution.window_days,
            tracking_required: program.consent.tracking_required,
            counts_clicks: program.counts_clicks(),
            shards: program.shards,
        }
    }
}

/// What lies in the table of a link target.
#[derive(Serialize, Deserialize)]
pub struct LinkTargetItem {
    #[serde(with = "text")]
    destination_url: Destination,
    allowed_hosts: Vec<String>,
    window_days: u16,
    tracking_required: bool,
    counts_clicks: bool,
    shards: u8,
}

impl Entity for LinkTarget {
    type Stored = LinkTargetItem;
    const KIND: &'static str = "links";

    fn to_stored(&self) -> LinkTargetItem {
        LinkTargetItem {
            destination_url: self.destination.clone(),
            allowed_hosts: self.allowed_hosts.iter().map(ToString::to_string).collect(),
            window_days: self.window_days,
            tracking_required: self.tracking_required,
            counts_clicks: self.counts_clicks,
            shards: self.shards,
        }
    }

    fn from_stored(stored: LinkTargetItem) -> Self {
        Self {
            destination: stored.destination_url,
            allowed_hosts: hosts(&stored.allowed_hosts),
            window_days: stored.window_days,
            tracking_required: stored.tracking_required,
            counts_clicks: stored.counts_clicks,
            shards: stored.shards,
        }
    }
}

/// What an incentive's id stands for, for ever: whoever counts by id counts one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncentiveIdentity {
    /// The kind of its reward.
    pub reward_kind: String,
    /// Who earns.
    #[serde(with = "text")]
    pub beneficiary: Beneficiary,
    /// Over how many counters its budgets are spread, fixed with its first one; 0 before.
    #[serde(default)]
    pub budget_shards: u8,
}

impl IncentiveIdentity {
    /// Whether an incentive is what its id stands for.
    #[must_use]
    pub fn is_of(&self, incentive: &Incentive) -> bool {
        self.reward_kind == incentive.reward.kind() && self.beneficiary == incentive.beneficiary
    }
}

impl From<&Incentive> for IncentiveIdentity {
    fn from(incentive: &Incentive) -> Self {
        Self {
            reward_kind: incentive.reward.kind().to_owned(),
            beneficiary: incentive.beneficiary,
            budget_shards: incentive.budget_shards,
        }
    }
}

impl Entity for IncentiveIdentity {
    type Stored = Self;
    const KIND: &'static str = "incentive";

    fn to_stored(&self) -> Self {
        self.clone()
    }

    fn from_stored(stored: Self) -> Self {
        stored
    }
}

/// The clock of a test program: how far it is ahead of real time. It goes on ticking.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramClock {
    /// Milliseconds ahead, never less than before.
    pub ahead_ms: i64,
}

impl ProgramClock {
    /// The program's time at a real instant, to the millisecond.
    #[must_use]
    pub fn at(self, real: Timestamp) -> Timestamp {
        real.checked_add(SignedDuration::from_millis(self.ahead_ms))
            .unwrap_or(Timestamp::MAX)
    }
}

impl Entity for ProgramClock {
    type Stored = Self;
    const KIND: &'static str = "clock";

    fn to_stored(&self) -> Self {
        *self
    }

    fn from_stored(stored: Self) -> Self {
        stored
    }
}
