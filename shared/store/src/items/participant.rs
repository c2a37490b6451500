use jiff::Timestamp;
use kith_domain::audit::Actor;
use kith_domain::channel::Channel;
use kith_domain::code::ReferralCode;
use kith_domain::email::EmailAddress;
use kith_domain::id::{ParticipantId, ProgramId, ReferralId};
use kith_domain::participant::{
    CodeKind, Consent, OwnCode, Participant, ParticipantState, Referral, ReferralState,
};
use kith_domain::text::{ExternalId, Locale, Name};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::item::{Entity, text, text_option};

/// What lies in the table of a participant.
#[derive(Serialize, Deserialize)]
pub struct ParticipantItem {
    #[serde(with = "text")]
    id: ParticipantId,
    #[serde(with = "text")]
    program_id: ProgramId,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    external_id: Option<ExternalId>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "address")]
    email: Option<EmailAddress>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    first_name: Option<Name>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    locale: Option<Locale>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    consent_surveys: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    consent_marketing: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    consent_recorded_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    consent_source: Option<Name>,
    #[serde(with = "text")]
    state: ParticipantState,
    codes: Vec<OwnCodeItem>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    merged_into: Option<ParticipantId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    merged_from: Vec<String>,
    #[serde(with = "text")]
    created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    recorded_by: Option<Actor>,
    version: u64,
}

#[derive(Serialize, Deserialize)]
struct OwnCodeItem {
    #[serde(with = "text")]
    code: ReferralCode,
    #[serde(with = "text")]
    kind: CodeKind,
    active: bool,
}

impl Entity for Participant {
    type Stored = ParticipantItem;
    const KIND: &'static str = "participant";

    fn to_stored(&self) -> ParticipantItem {
        let code = |own: &OwnCode| OwnCodeItem {
            code: own.code.clone(),
            kind: own.kind,
            active: own.active,
        };
        ParticipantItem {
            id: self.id,
            program_id: self.program,
            external_id: self.external_id.clone(),
            email: self.email.clone(),
            first_name: self.first_name.clone(),
            locale: self.locale.clone(),
            consent_surveys: self.consent.surveys,
            consent_marketing: self.consent.marketing,
            consent_recorded_at: self.consent.recorded_at,
            consent_source: self.consent.source.clone(),
            state: self.state,
            codes: self.codes.iter().map(code).collect(),
            merged_into: self.merged_into,
            merged_from: self.merged_from.iter().map(ToString::to_string).collect(),
            created_at: self.created_at,
            recorded_by: self.recorded_by,
            version: self.version,
        }
    }

    fn from_stored(stored: ParticipantItem) -> Self {
        let code = |own: OwnCodeItem| OwnCode {
            code: own.code,
            kind: own.kind,
            active: own.active,
        };
        Self {
            id: stored.id,
            program: stored.program_id,
            external_id: stored.external_id,
            email: stored.email,
            first_name: stored.first_name,
            locale: stored.locale,
            consent: Consent {
                surveys: stored.consent_surveys,
                marketing: stored.consent_marketing,
                recorded_at: stored.consent_recorded_at,
                source: stored.consent_source,
            },
            state: stored.state,
            codes: stored.codes.into_iter().map(code).collect(),
            merged_into: stored.merged_into,
            merged_from: ids(&stored.merged_from),
            created_at: stored.created_at,
            recorded_by: stored.recorded_by,
            version: stored.version,
        }
    }
}

fn ids(stored: &[String]) -> Vec<ParticipantId> {
    stored.iter().filter_map(|id| id.parse().ok()).collect()
}

/// A mail address does not print, so that it stays out of logs; it is spelled out here alone.
pub(super) mod address {
    use super::{Deserialize, Deserializer, EmailAddress, Serializer};
    use serde::de::Error;

    #[expect(clippy::ref_option, reason = "the form that serde calls")]
    pub(in crate::items) fn serialize<S: Serializer>(
        value: &Option<EmailAddress>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(address) => serializer.serialize_str(address.as_str()),
            None => serializer.serialize_none(),
        }
    }

    pub(in crate::items) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<EmailAddress>, D::Error> {
        Option::<String>::deserialize(deserializer)?
            .map(|text| {
                text.parse()
                    .map_err(|_| D::Error::custom("not a mail address"))
            })
            .transpose()
    }
}

/// Who is found under an external id or a hashed mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lookup {
    /// Who.
    #[serde(with = "text")]
    pub participant_id: ParticipantId,
}

impl Entity for Lookup {
    type Stored = Self;
    const KIND: &'static str = "lookup";

    fn to_stored(&self) -> Self {
        *self
    }

    fn from_stored(stored: Self) -> Self {
        stored
    }
}

/// Where a link finds its referrer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeRecord {
    /// The code as it was spelled when it was made.
    #[serde(with = "text")]
    pub code: ReferralCode,
    /// The program.
    #[serde(with = "text")]
    pub program_id: ProgramId,
    /// Whose it is.
    #[serde(with = "text")]
    pub participant_id: ParticipantId,
    /// Whether it works.
    pub active: bool,
}

impl Entity for CodeRecord {
    type Stored = Self;
    const KIND: &'static str = "code";

    fn to_stored(&self) -> Self {
        self.clone()
    }

    fn from_stored(stored: Self) -> Self {
        stored
    }
}

/// What lies in the table of a referral.
#[derive(Serialize, Deserialize)]
pub struct ReferralItem {
    #[serde(with = "text")]
    id: ReferralId,
    #[serde(with = "text")]
    referrer_id: ParticipantId,
    #[serde(with = "text")]
    referee_id: ParticipantId,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    path: Vec<String>,
    #[serde(with = "text")]
    created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    channel: Option<Channel>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    touch_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    lead_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    first_qualified_at: Option<Timestamp>,
    #[serde(with = "text")]
    referrer_joined_at: Timestamp,
    #[serde(with = "text")]
    state: ReferralState,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    merged: bool,
    version: u64,
}

impl Entity for Referral {
    type Stored = ReferralItem;
    const KIND: &'static str = "referral";

    fn to_stored(&self) -> ReferralItem {
        ReferralItem {
            id: self.id,
            referrer_id: self.referrer_id,
            referee_id: self.referee_id,
            path: self.path.iter().map(ToString::to_string).collect(),
            created_at: self.created_at,
            channel: self.channel,
            touch_at: self.touch_at,
            lead_at: self.lead_at,
            first_qualified_at: self.first_qualified_at,
            referrer_joined_at: self.referrer_joined_at,
            state: self.state,
            merged: self.merged,
            version: self.version,
        }
    }

    fn from_stored(stored: ReferralItem) -> Self {
        Self {
            id: stored.id,
            referrer_id: stored.referrer_id,
            referee_id: stored.referee_id,
            path: ids(&stored.path),
            created_at: stored.created_at,
            channel: stored.channel,
            touch_at: stored.touch_at,
            lead_at: stored.lead_at,
            first_qualified_at: stored.first_qualified_at,
            referrer_joined_at: stored.referrer_joined_at,
            state: stored.state,
            merged: stored.merged,
            version: stored.version,
        }
    }
}
