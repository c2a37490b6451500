use kith_domain::api_key::KeyState;
use kith_domain::audit::OBJECT_CHARS_MAX;
use kith_domain::conversion::ConversionState;
use kith_domain::fact::FactKind;
use kith_domain::id::ParticipantId;
use kith_domain::ledger::Account;
use kith_domain::merge::MergeState;
use kith_domain::money::Unit;
use kith_domain::nps::SCORE_MAX;
use kith_domain::participant::{ParticipantState, ReferralState};
use kith_domain::payout::{LineState, PayoutState};
use kith_domain::reward::RewardState;
use kith_domain::survey::SurveyState;
use kith_domain::text::{EventName, ExternalId, Slug};
use kith_domain::webhook::DeliveryState;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::scalar::{At, Spelled, Word, words};

/// The most entries that one page of a list has.
pub const LIMIT_MAX: u16 = 100;
/// How many entries a page has when nobody says.
pub const LIMIT_DEFAULT: u16 = 50;
/// Longest cursor that is looked at, in bytes.
pub const CURSOR_BYTES_MAX: usize = 1_024;
/// The longest cursor of events, which names what it told lately.
pub const BOOKMARK_BYTES_MAX: usize = 5_120;

/// How much of a list.
#[derive(Debug, JsonSchema)]
pub struct Part {
    /// How many entries at most.
    #[schemars(range(min = 1, max = LIMIT_MAX), extend("default" = LIMIT_DEFAULT))]
    pub limit: Option<u16>,
    /// Where the list goes on: the `next_cursor` of the page before, under the same filters.
    #[schemars(length(max = CURSOR_BYTES_MAX))]
    pub cursor: Option<String>,
}

/// Which time, half-open.
#[derive(Debug, JsonSchema)]
pub struct Period {
    /// The first instant.
    pub from: Option<At>,
    /// The instant after the last; not before `from`.
    pub to: Option<At>,
}

/// What every list takes.
#[derive(Debug, JsonSchema)]
pub struct Page {
    /// How much.
    #[schemars(flatten)]
    pub part: Part,
    /// Which time.
    #[schemars(flatten)]
    pub period: Period,
}

/// Which keys.
#[derive(Debug, JsonSchema)]
pub struct KeyFilter {
    /// Only those in this state.
    pub state: Option<Word<KeyState>>,
    /// Which of them.
    #[schemars(flatten)]
    pub page: Page,
}

/// Which entries of an audit log.
#[derive(Debug, JsonSchema)]
pub struct AuditFilter {
    /// Only what was done to this object: its id.
    #[schemars(length(min = 1, max = OBJECT_CHARS_MAX), regex(pattern = "^[A-Za-z0-9_-]+$"))]
    pub object: Option<String>,
    /// Only what was done by this one: the id of a key or of an order source, or `operator`.
    #[schemars(schema_with = "actor")]
    pub actor: Option<String>,
    /// Which of them.
    #[schemars(flatten)]
    pub page: Page,
}

fn actor(generator: &mut SchemaGenerator) -> Schema {
    let key = generator.subschema_for::<Spelled<kith_domain::id::ApiKeyId>>();
    schemars::json_schema!({"anyOf": [key, {"type": "string", "const": "operator"}]})
}

/// Which events.
#[derive(Debug, JsonSchema)]
pub struct EventFilter {
    /// Only those of this type.
    #[schemars(rename = "type")]
    pub kind: Option<Word<FactKind>>,
    /// How many entries at most.
    #[schemars(range(min = 1, max = LIMIT_MAX), extend("default" = LIMIT_DEFAULT))]
    pub limit: Option<u16>,
    /// Where to go on: the last `next_cursor`, which is always there.
    #[schemars(length(max = BOOKMARK_BYTES_MAX))]
    pub after: Option<String>,
}

/// Which conversions.
#[derive(Debug, JsonSchema)]
pub struct ConversionFilter {
    /// Only those of this event.
    pub event: Option<Spelled<EventName>>,
    /// Only those that the shop calls so; with `event` it is the one of an order.
    pub external_id: Option<Spelled<ExternalId>>,
    /// Only those of this referee.
    pub referee_id: Option<Spelled<ParticipantId>>,
    /// Only those that belong to this referrer.
    pub referrer_id: Option<Spelled<ParticipantId>>,
    /// Only those in this state.
    pub state: Option<Word<ConversionState>>,
    /// Which of them.
    #[schemars(flatten)]
    pub page: Page,
}

/// Which participants.
#[derive(Debug, JsonSchema)]
pub struct ParticipantFilter {
    /// Only those in this state.
    pub state: Option<Word<ParticipantState>>,
    /// Which of them.
    #[schemars(flatten)]
    pub page: Page,
}

/// Which referrals.
#[derive(Debug, JsonSchema)]
pub struct ReferralFilter {
    /// Only those of this referrer.
    pub referrer_id: Option<Spelled<ParticipantId>>,
    /// Only those in this state.
    pub state: Option<Word<ReferralState>>,
    /// Which of them.
    #[schemars(flatten)]
    pub page: Page,
}

/// Which rewards.
#[derive(Debug, JsonSchema)]
pub struct RewardFilter {
    /// Only those of this participant.
    pub beneficiary_id: Option<Spelled<ParticipantId>>,
    /// Only those in this state.
    pub state: Option<Word<RewardState>>,
    /// Which of them.
    #[schemars(flatten)]
    pub page: Page,
}

/// Which merges.
#[derive(Debug, JsonSchema)]
pub struct MergeFilter {
    /// Only those in this state.
    pub state: Option<Word<MergeState>>,
    /// Which of them.
    #[schemars(flatten)]
    pub page: Page,
}

/// Which payouts.
#[derive(Debug, JsonSchema)]
pub struct PayoutFilter {
    /// Only those in this state.
    pub state: Option<Word<PayoutState>>,
    /// Which of them.
    #[schemars(flatten)]
    pub page: Page,
}

/// Which lines of a payout.
#[derive(Debug, JsonSchema)]
pub struct LineFilter {
    /// Only those in this state.
    pub state: Option<Word<LineState>>,
    /// How much.
    #[schemars(flatten)]
    pub part: Part,
}

/// Which lines of the ledger.
#[derive(Debug, JsonSchema)]
pub struct LedgerFilter {
    /// Only those of this account.
    #[schemars(schema_with = "account")]
    pub account: Option<String>,
    /// Only those in this unit.
    pub unit: Option<Spelled<Unit>>,
    /// Only those of this participant.
    pub participant_id: Option<Spelled<ParticipantId>>,
    /// Which of them.
    #[schemars(flatten)]
    pub page: Page,
}

fn account(generator: &mut SchemaGenerator) -> Schema {
    words(generator, &Account::WORDS)
}

/// Which deliveries.
#[derive(Debug, JsonSchema)]
pub struct DeliveryFilter {
    /// Only those in this state.
    pub state: Option<Word<DeliveryState>>,
    /// How much.
    #[schemars(flatten)]
    pub part: Part,
}

/// Which surveys.
#[derive(Debug, JsonSchema)]
pub struct SurveyFilter {
    /// Only those in this state.
    pub state: Option<Word<SurveyState>>,
    /// Only those answered with at most this score.
    #[schemars(range(min = 0, max = SCORE_MAX))]
    pub max_score: Option<u8>,
    /// Which of them.
    #[schemars(flatten)]
    pub page: Page,
}

/// Which score.
#[derive(Debug, JsonSchema)]
pub struct NpsFilter {
    /// Only of this survey.
    pub survey_id: Option<Spelled<Slug>>,
    /// Which time.
    #[schemars(flatten)]
    pub period: Period,
}

/// What a link says beyond its code. What is not known is let be; `utm_*` is passed on.
#[derive(Debug, JsonSchema)]
pub struct LinkQuery {
    /// Through which channel; anything else counts as `other`.
    pub ch: Option<String>,
    /// Where on the shop's site: a path, or a URL on an allowed host. Anything else is ignored.
    pub to: Option<String>,
    /// The mail that the link stood in: signed, opaque. Anything else is ignored.
    pub m: Option<String>,
}

/// What the survey's mail fills in.
#[derive(Debug, JsonSchema)]
pub struct SurveyQuery {
    /// The score that is chosen when the page opens. Nothing is recorded by opening it.
    #[schemars(range(min = 0, max = SCORE_MAX))]
    pub score: Option<u8>,
}
