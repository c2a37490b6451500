use kith_domain::attribution::{CODES_MAX, TOKENS_MAX};
use kith_domain::code::ReferralCode;
use kith_domain::email::EmailAddress;
use kith_domain::id::ParticipantId;
use kith_domain::text::{
    CountryCode, EventName, ExternalId, METADATA_ENTRIES_MAX, METADATA_KEY_BYTES_MAX, Name,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{ClientInput, MetadataValueInput, MoneyInput};
use crate::scalar::{At, PersonId, Spelled, TypedCode};

/// What a referee did. `event` and `external_id` together are recorded once.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct NewConversion {
    /// What happened.
    pub event: Spelled<EventName>,
    /// The shop's own name of it, such as the order's number.
    pub external_id: Spelled<ExternalId>,
    /// Who did it.
    pub referee: RefereeInput,
    /// Click tokens that the visitor brought.
    #[schemars(length(max = TOKENS_MAX))]
    pub click_tokens: Option<Vec<String>>,
    /// Codes that the visitor typed: referral codes and vouchers alike.
    #[schemars(length(max = CODES_MAX))]
    pub codes: Option<Vec<Spelled<TypedCode>>>,
    /// For how much, net of tax and shipping.
    pub amount: Option<MoneyInput>,
    /// When it happened: at most 90 days back and 5 minutes ahead; now unless said.
    pub occurred_at: Option<At>,
    /// In which country.
    pub country: Option<Spelled<CountryCode>>,
    /// What the referee called with, for the fraud rules. Checked, hashed, and never answered.
    pub client: Option<ClientInput>,
    /// What tells the means of payment from others. Checked, hashed, and never answered.
    pub payment_fingerprint: Option<Spelled<ExternalId>>,
    /// For the program's own conditions.
    #[schemars(schema_with = "metadata", default)]
    pub metadata: Option<()>,
}

fn metadata(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": ["object", "null"],
        "propertyNames": {"pattern": "^[A-Za-z0-9_.-]+$", "maxLength": METADATA_KEY_BYTES_MAX},
        "additionalProperties": generator.subschema_for::<MetadataValueInput>(),
        "maxProperties": METADATA_ENTRIES_MAX,
        "examples": [{"category": "cakes", "items": 3}],
    })
}

/// Who did it: found by `external_id`, then by `email`; at least one of them is said.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields, transform = named)]
pub struct RefereeInput {
    /// What the shop calls them.
    pub external_id: Option<Spelled<PersonId>>,
    /// Their mail address.
    pub email: Option<Spelled<EmailAddress>>,
    /// How mails address them.
    pub first_name: Option<Spelled<Name>>,
    /// Whether the shop has not sold them anything before.
    pub new_customer: Option<bool>,
}

fn named(schema: &mut Schema) {
    let says = |name: &str| serde_json::json!({"properties": {name: {"type": "string"}}, "required": [name]});
    let either = [says("external_id"), says("email")];
    schema.insert("anyOf".to_owned(), either.into_iter().collect());
}

/// To whom a conversion belongs: the referrer, or one of their codes.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub enum AttributionByHand {
    /// By the referrer.
    ByReferrer(AttributionByReferrer),
    /// By a code.
    ByCode(AttributionByCode),
}

/// To whom a conversion belongs, by the referrer.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct AttributionByReferrer {
    /// The referrer.
    pub referrer_id: Spelled<ParticipantId>,
    /// Nothing.
    pub code: Option<()>,
    /// In the owner's own words.
    pub reason: Spelled<Name>,
}

/// To whom a conversion belongs, by a code.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct AttributionByCode {
    /// One of the referrer's codes.
    pub code: Spelled<ReferralCode>,
    /// Nothing.
    pub referrer_id: Option<()>,
    /// In the owner's own words.
    pub reason: Spelled<Name>,
}
