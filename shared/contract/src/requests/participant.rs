use kith_domain::code::ReferralCode;
use kith_domain::email::EmailAddress;
use kith_domain::id::ParticipantId;
use kith_domain::text::{ExternalId, Locale, Name};
use kith_domain::words::words;
use schemars::JsonSchema;

use super::{AsRead, ClientInput, never_null};
use crate::answers::CodeState;
use crate::scalar::{At, PersonId, Spelled, Word};

/// A person to be added, or to be brought up to date: `external_id` is who it is. What is left out, or
/// `null`, stays.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct NewParticipant {
    /// What the shop calls them.
    pub external_id: Spelled<PersonId>,
    /// Where they get mail.
    pub email: Option<Spelled<EmailAddress>>,
    /// How mails address them.
    pub first_name: Option<Spelled<Name>>,
    /// The language they read.
    pub locale: Option<Spelled<Locale>>,
    /// A code of their own choice.
    pub vanity_code: Option<Spelled<ReferralCode>>,
    /// Who referred them, if that is known without a conversion. The first bond holds.
    pub referred_by: Option<Spelled<ParticipantId>>,
    /// What they consented to.
    pub consent: Option<ConsentInput>,
    /// What they called with, for the fraud rules. Checked, hashed, and never answered.
    pub client: Option<ClientInput>,
    /// What tells their payout account from others. Checked, hashed, and never answered.
    pub payout_fingerprint: Option<Spelled<ExternalId>>,
}

/// What somebody consented to.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ConsentInput {
    /// To surveys.
    pub surveys: Option<bool>,
    /// To news.
    pub marketing: Option<bool>,
    /// When they said so; now unless said.
    pub recorded_at: Option<At>,
    /// Where they said so.
    pub source: Option<Spelled<Name>>,
}

words! {
    /// Whether somebody takes part, as far as that is said by hand.
    pub enum TakingPart {
        /// Refers and earns.
        Active = "active",
        /// Neither refers nor earns, until made active again.
        Suspended = "suspended",
    }
}

/// Two participants who are one person.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct NewMerge {
    /// Who stays.
    pub into: Spelled<ParticipantId>,
    /// In the owner's own words.
    pub reason: Spelled<Name>,
}

/// A change of a participant, as a merge patch: what is left out stays, `null` clears.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ParticipantChange {
    /// Where they get mail.
    pub email: Option<Spelled<EmailAddress>>,
    /// How mails address them.
    pub first_name: Option<Spelled<Name>>,
    /// The language they read.
    pub locale: Option<Spelled<Locale>>,
    /// What they consented to.
    pub consent: Option<ConsentInput>,
    /// Whether they take part. Who is merged is not changed.
    #[schemars(transform = never_null)]
    pub state: Option<Word<TakingPart>>,
    #[schemars(default)]
    #[allow(missing_docs, reason = "its type says it")]
    pub id: AsRead,
    #[schemars(default)]
    #[allow(missing_docs, reason = "its type says it")]
    pub external_id: AsRead,
    #[schemars(default)]
    #[allow(missing_docs, reason = "its type says it")]
    pub code: AsRead,
    #[schemars(default)]
    #[allow(missing_docs, reason = "its type says it")]
    pub link: AsRead,
    #[schemars(default)]
    #[allow(missing_docs, reason = "its type says it")]
    pub codes: AsRead,
    #[schemars(default)]
    #[allow(missing_docs, reason = "its type says it")]
    pub share: AsRead,
    #[schemars(default)]
    #[allow(missing_docs, reason = "its type says it")]
    pub has_email: AsRead,
    #[schemars(default)]
    #[allow(missing_docs, reason = "its type says it")]
    pub merged_into: AsRead,
    #[schemars(default)]
    #[allow(missing_docs, reason = "its type says it")]
    pub created_at: AsRead,
    #[schemars(default)]
    #[allow(missing_docs, reason = "its type says it")]
    pub recorded_by: AsRead,
    #[schemars(default)]
    #[allow(missing_docs, reason = "its type says it")]
    pub version: AsRead,
}

/// By what a person is looked for: exactly one of these.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub enum ParticipantSearch {
    /// By what the shop calls them.
    ByExternalId(SearchByExternalId),
    /// By mail address.
    ByEmail(SearchByEmail),
    /// By one of their codes.
    ByCode(SearchByCode),
}

/// By what the shop calls them.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct SearchByExternalId {
    /// What the shop calls them.
    pub external_id: Spelled<PersonId>,
    /// Nothing.
    pub email: Option<()>,
    /// Nothing.
    pub code: Option<()>,
}

/// By mail address.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct SearchByEmail {
    /// Where they get mail.
    pub email: Spelled<EmailAddress>,
    /// Nothing.
    pub external_id: Option<()>,
    /// Nothing.
    pub code: Option<()>,
}

/// By one of their codes.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct SearchByCode {
    /// The code.
    pub code: Spelled<ReferralCode>,
    /// Nothing.
    pub external_id: Option<()>,
    /// Nothing.
    pub email: Option<()>,
}

/// A further code.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct NewCode {
    /// The code; a generated one unless said.
    pub code: Option<Spelled<ReferralCode>>,
}

/// A change of a code.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct CodeChange {
    /// Whether its links work.
    #[schemars(transform = never_null)]
    pub state: Option<Word<CodeState>>,
    #[schemars(default)]
    #[allow(missing_docs, reason = "its type says it")]
    pub code: AsRead,
    #[schemars(default)]
    #[allow(missing_docs, reason = "its type says it")]
    pub kind: AsRead,
    #[schemars(default)]
    #[allow(missing_docs, reason = "its type says it")]
    pub link: AsRead,
}

/// A spending of points.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct NewRedemption {
    /// The shop's own name of it.
    pub external_id: Spelled<ExternalId>,
    /// In what: points alone are spent here.
    #[schemars(extend("const" = "points"))]
    pub unit: String,
    /// How many.
    #[schemars(range(min = 1, max = kith_domain::money::AMOUNT_MAX))]
    pub amount: i64,
}
