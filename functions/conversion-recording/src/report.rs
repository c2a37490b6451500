//! What the shop reports, read from the request.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kith_domain::attribution::{CODES_MAX, PresentedToken, TOKENS_MAX};
use kith_domain::code::ReferralCode;
use kith_domain::conversion::Content;
use kith_domain::email::{EmailAddress, EmailHash, IdentityKey};
use kith_domain::id::ProgramId;
use kith_domain::mode::Mode;
use kith_domain::money::Money;
use kith_domain::signed::TokenKeys;
use kith_domain::text::{
    CountryCode, EventName, ExternalId, Metadata, MetadataKey, MetadataValue, Name,
};
use kith_domain::token::ClickToken;
use kith_edge::fields::Fields;
use kith_edge::http::{Problem, Request};
use kith_edge::json::{self, Faults, Member, Object};
use kith_edge::signals;
use kith_store::keys::{self, Key};
use serde_json::Value;

use crate::parties::Owners;
use crate::vouchers::Named;

/// The longest code: of a voucher of the owner's own.
const CODE_CHARS_MAX: usize = 64;

/// A conversion as reported.
#[derive(Debug)]
pub struct Report {
    pub(crate) event: EventName,
    pub(crate) external_id: ExternalId,
    pub(crate) referee: RefereeReport,
    pub(crate) tokens: Vec<PresentedToken>,
    /// As written by the shop, referral codes and vouchers alike.
    pub(crate) codes: Vec<String>,
    pub(crate) amount: Option<Money>,
    pub(crate) occurred_at: Option<Timestamp>,
    pub(crate) country: Option<CountryCode>,
    pub(crate) metadata: Metadata,
}

/// The referee as reported.
#[derive(Debug)]
pub(crate) struct RefereeReport {
    pub(crate) external_id: Option<ExternalId>,
    pub(crate) email: Option<EmailAddress>,
    pub(crate) email_hash: Option<EmailHash>,
    pub(crate) first_name: Option<Name>,
    /// Whether the shop says that they are a new customer.
    pub(crate) new_customer: Option<bool>,
}

impl Report {
    /// Reads the body, with every fault at once.
    ///
    /// # Errors
    /// 413, 415 or 400 for what is no JSON object; 422 with every fault.
    pub fn read(
        request: &Request,
        program: ProgramId,
        tokens: &TokenKeys,
        identity: &IdentityKey,
    ) -> Result<Self, Problem> {
        let mut body = json::body(request)?;
        let mut faults = Fields::no_query(request);
        let event = body.required("event", &mut faults, json::text::<EventName>);
        let external_id = body.required("external_id", &mut faults, json::text::<ExternalId>);
        let referee = body.required_object("referee", &mut faults);
        let referee =
            referee.and_then(|object| RefereeReport::read(object, program, identity, &mut faults));
        let presented = body.optional("click_tokens", &mut faults, |member, faults| {
            json::list(TOKENS_MAX, json::string)(member, faults)
        });
        let codes = body.optional("codes", &mut faults, |member, faults| {
            json::list(CODES_MAX, code)(member, faults)
        });
        let amount = body.optional("amount", &mut faults, json::money);
        let occurred_at = body.optional("occurred_at", &mut faults, json::timestamp);
        let country = body.optional("country", &mut faults, json::text::<CountryCode>);
        let metadata = body.optional_object("metadata", &mut faults);
        let metadata = metadata
            .map(|object| read_metadata(object, &mut faults))
            .unwrap_or_default();
        // What fraud is judged by is checked for its form; nothing of it is kept yet.
        signals::client(&mut body, &mut faults);
        signals::fingerprint("payment_fingerprint", &mut body, &mut faults);
        body.finish(&mut faults);
        let (event, external_id, referee) = faults.all((event, external_id, referee))?;
        Ok(Self {
            event,
            external_id,
            referee,
            tokens: opened(presented.iter().flatten(), program, tokens),
            codes: codes.unwrap_or_default(),
            amount,
            occurred_at,
            country,
            metadata,
        })
    }

    /// What a repetition has to say again.
    pub(crate) fn content(&self) -> Content {
        Content {
            event: self.event.clone(),
            external_id: self.external_id.clone(),
            referee_external_id: self.referee.external_id.clone(),
            referee_email: self.referee.email_hash,
            amount: self.amount,
            country: self.country,
            metadata: self.metadata.clone(),
            occurred_at: self.occurred_at,
        }
    }

    /// The codes that have the form of referral codes, vouchers left out.
    pub(crate) fn referral_codes(&self, named: &Named) -> Vec<ReferralCode> {
        let codes = self.codes.iter().filter(|code| !named.contains(code));
        codes.filter_map(|code| code.parse().ok()).collect()
    }

    /// Every code that may name a referrer: those in tokens and those in the report.
    pub(crate) fn touched_codes(&self) -> Vec<ReferralCode> {
        let in_tokens = self.tokens.iter().filter_map(|token| match token {
            PresentedToken::Genuine(token) => {
                Some([token.first.code.clone(), token.latest.code.clone()])
            }
            PresentedToken::Bad => None,
        });
        let typed = self.codes.iter().filter_map(|code| code.parse().ok());
        in_tokens.flatten().chain(typed).collect()
    }

    /// What has to be read first: the order, the referee, the codes, which may be vouchers; and whoever
    /// the codes led to when they were last seen here.
    pub(crate) fn first_keys(&self, program: ProgramId, mode: Mode, owners: &Owners) -> Vec<Key> {
        let mut first = vec![keys::order(program, &self.event, &self.external_id)];
        first.extend(self.referee.keys(program));
        first.extend(Named::looked_up(program, &self.codes));
        first.extend(
            self.touched_codes()
                .iter()
                .map(|code| keys::code(mode, code)),
        );
        first.extend(owners.keys(program, &self.touched_codes()));
        first
    }
}

/// Click tokens as they are presented: those of another program are as good as none.
pub(crate) fn opened<'a>(
    texts: impl Iterator<Item = &'a String>,
    program: ProgramId,
    tokens: &TokenKeys,
) -> Vec<PresentedToken> {
    let open = |text: &String| {
        let token = ClickToken::open(tokens, text).filter(|token| token.program == program);
        token.map_or(PresentedToken::Bad, |token| {
            PresentedToken::Genuine(Box::new(token))
        })
    };
    texts.map(open).collect()
}

impl RefereeReport {
    fn read(
        mut object: Object,
        program: ProgramId,
        identity: &IdentityKey,
        faults: &mut Faults,
    ) -> Option<Self> {
        let pointer = object.pointer().to_owned();
        let is_named = object.says("external_id") || object.says("email");
        let external_id = object.optional("external_id", faults, person_id);
        let email = object.optional("email", faults, json::text::<EmailAddress>);
        let first_name = object.optional("first_name", faults, json::text::<Name>);
        let new_customer = object.optional("new_customer", faults, json::boolean);
        object.finish(faults);
        if !is_named {
            faults.add(pointer, "needs an external_id or an email");
        }
        let email_hash = email
            .as_ref()
            .map(|email| email.hash(identity, &program.to_string()));
        Some(Self {
            external_id,
            email,
            email_hash,
            first_name,
            new_customer,
        })
    }

    /// Where the referee is looked up.
    fn keys(&self, program: ProgramId) -> Vec<Key> {
        let by_id = self
            .external_id
            .as_ref()
            .map(|id| keys::external(program, id));
        let by_email = self
            .email_hash
            .as_ref()
            .map(|hash| keys::email(program, hash));
        by_id.into_iter().chain(by_email).collect()
    }
}

/// A code as written by the shop: a referral code, a voucher, or neither.
fn code(member: Member, faults: &mut Faults) -> Option<String> {
    let pointer = member.pointer.clone();
    let text = json::string(member, faults)?;
    if text.is_empty() || text.chars().count() > CODE_CHARS_MAX {
        faults.add(
            pointer,
            format!("must have 1 to {CODE_CHARS_MAX} characters"),
        );
        return None;
    }
    Some(text)
}

fn person_id(member: Member, faults: &mut Faults) -> Option<ExternalId> {
    let pointer = member.pointer.clone();
    let text = json::string(member, faults)?;
    match ExternalId::of_person(&text) {
        Ok(id) => Some(id),
        Err(error) => {
            faults.add(pointer, error.to_string());
            None
        }
    }
}

fn read_metadata(object: Object, faults: &mut Faults) -> Metadata {
    let pointer = object.pointer().to_owned();
    let mut entries = BTreeMap::new();
    for (name, member) in object.into_rest() {
        let at = member.pointer.clone();
        let key = match name.parse::<MetadataKey>() {
            Ok(key) => key,
            Err(error) => {
                faults.add(at, error.to_string());
                continue;
            }
        };
        match metadata_value(&member.value) {
            Ok(value) => {
                entries.insert(key, value);
            }
            Err(detail) => faults.add(at, detail),
        }
    }
    entries
        .try_into()
        .unwrap_or_else(|error: kith_domain::text::TextError| {
            faults.add(pointer, error.to_string());
            Metadata::default()
        })
}

fn metadata_value(value: &Value) -> Result<MetadataValue, String> {
    let refused = || "must be a text, a whole number, true or false".to_owned();
    match value {
        Value::String(text) => MetadataValue::text(text).map_err(|error| error.to_string()),
        Value::Number(number) => number
            .as_i64()
            .map(MetadataValue::Integer)
            .ok_or_else(refused),
        Value::Bool(flag) => Ok(MetadataValue::Boolean(*flag)),
        Value::Null | Value::Array(_) | Value::Object(_) => Err(refused()),
    }
}
