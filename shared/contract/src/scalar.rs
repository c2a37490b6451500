//! Single values as JSON has them: strings that types of the domain parse and print.
//!
//! A value is written by its `Display`, so that no second spelling of it can come up. Its schema says
//! what its `FromStr` takes; a test holds the two together.

use std::borrow::Cow;
use std::fmt::Display;

use jiff::Timestamp;
use kith_domain::code::{
    OWN_VOUCHER_CODE_MAX, REFERRAL_CODE_MAX, REFERRAL_CODE_MIN, ReferralCode, VoucherCode,
};
use kith_domain::destination::{AllowedHost, DESTINATION_BYTES_MAX, Destination, HOST_BYTES_MAX};
use kith_domain::email::{EMAIL_BYTES_MAX, EmailAddress};
use kith_domain::id::{Id, Kind};
use kith_domain::money::{Currency, SKU_BYTES_MAX, Sku, Unit};
use kith_domain::order_source::{SOURCE_SECRET_CHARS_MAX, SOURCE_SECRET_CHARS_MIN, SecretText};
use kith_domain::text::{
    COMMENT_CHARS_MAX, Comment, CountryCode, EVENT_NAME_BYTES_MAX, EXTERNAL_ID_BYTES_MAX,
    EventName, ExternalId, LOCALE_BYTES_MAX, Locale, METADATA_KEY_BYTES_MAX, MetadataKey,
    NAME_CHARS_MAX, Name, SLUG_BYTES_MAX, Slug,
};
use kith_domain::webhook::URL_BYTES_MAX;
use kith_domain::words::Vocabulary;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

/// A string that a type of the domain prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spelled<T>(pub T);

/// How a type of the domain is spelled in JSON.
pub trait Spelling {
    /// What the document calls it.
    fn name() -> Cow<'static, str>;
    /// What its text looks like.
    fn schema() -> Schema;
}

impl<T> From<T> for Spelled<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T: Display> Serialize for Spelled<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<T: Spelling> JsonSchema for Spelled<T> {
    fn schema_name() -> Cow<'static, str> {
        T::name()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        T::schema()
    }
}

/// One word of a vocabulary. A request is held to the words there are; an answer may have words
/// that come later, so there they are listed and not enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word<T>(pub T);

impl<T> From<T> for Word<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T: Display> Serialize for Word<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<T: Vocabulary> JsonSchema for Word<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        std::any::type_name::<T>().into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        words(generator, T::words())
    }
}

/// A string that is one of these words.
pub(crate) fn words(generator: &SchemaGenerator, words: &[&str]) -> Schema {
    if generator.contract().is_serialize() {
        json_schema!({"type": "string", "x-extensible-enum": words})
    } else {
        json_schema!({"type": "string", "enum": words})
    }
}

/// An instant: RFC 3339, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At(pub Timestamp);

impl From<Timestamp> for At {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

impl Serialize for At {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl JsonSchema for At {
    fn schema_name() -> Cow<'static, str> {
        "Instant".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "date-time",
            "description": "An instant in RFC 3339. Answers are in UTC; requests may have an offset.",
            "examples": ["2026-03-01T12:00:00Z"],
        })
    }
}

/// What the shop calls a person: an [`ExternalId`] that is no mail address. Of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PersonId;

/// Where webhooks go: what it may be is settled by whoever sends them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebhookUrl;

/// A code as a shop's customer typed it: whatever it is, it is told which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TypedCode;

impl<K: Kind> Spelling for Id<K> {
    fn name() -> Cow<'static, str> {
        K::NAME.into()
    }

    fn schema() -> Schema {
        json_schema!({
            "type": "string",
            "pattern": format!("^{}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$", K::PREFIX),
            "maxLength": 64,
            "description": format!("{} Opaque; ids sort by the time they were made at.", K::ABOUT.trim()),
            "examples": [example_id::<K>()],
        })
    }
}

/// The id that stands in examples.
pub(crate) fn example_id<K: Kind>() -> String {
    format!("{}_01kmn5v0ng8z3x5r2t7y9w4q6a", K::PREFIX)
}

/// Control characters, invisible ones, and those that turn the direction of text, as a class.
pub(crate) const UNPRINTABLE: &str = r"\u0000-\u001F\u007F-\u009F\u00AD\u061C\u180E\u200B\u200E\u200F\u2028-\u202E\u2060-\u206F\uFEFF\uFFF9-\uFFFB";
/// A host name with at least one dot.
const HOST: &str = r"(?:[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*\.)+[A-Za-z]{2,63}";
/// What stands before the `@`.
const LOCAL: &str = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*";

/// A string of a shape.
fn shaped(description: &str, pattern: &str, length_max: usize, example: &str) -> Schema {
    json_schema!({
        "type": "string",
        "description": description,
        "pattern": pattern,
        "minLength": 1,
        "maxLength": length_max,
        "examples": [example],
    })
}

macro_rules! spelling {
    ($type:ty, $name:literal, $schema:expr) => {
        impl Spelling for $type {
            fn name() -> Cow<'static, str> {
                $name.into()
            }

            fn schema() -> Schema {
                $schema
            }
        }
    };
}

spelling!(
    Name,
    "Name",
    shaped(
        "One line for people to read. Outer white space is dropped.",
        &format!(r"^\s*[^\s{UNPRINTABLE}](?:[^{UNPRINTABLE}]*[^\s{UNPRINTABLE}])?\s*$"),
        NAME_CHARS_MAX,
        "Joe's Artisan Bakery",
    )
);
spelling!(
    ExternalId,
    "ExternalId",
    shaped(
        &format!(
            "The shop's own name of a thing: one line of at most {EXTERNAL_ID_BYTES_MAX} bytes in UTF-8."
        ),
        &format!(r"^[^\s{UNPRINTABLE}](?:[^{UNPRINTABLE}]*[^\s{UNPRINTABLE}])?$"),
        EXTERNAL_ID_BYTES_MAX,
        "order-1001",
    )
);
spelling!(PersonId, "PersonId", {
    let mut schema = shaped(
        &format!(
            "What the shop calls a person: one line of at most {EXTERNAL_ID_BYTES_MAX} bytes in UTF-8; never a mail address, and never `0`."
        ),
        &format!(r"^[^\s@{UNPRINTABLE}](?:[^@{UNPRINTABLE}]*[^\s@{UNPRINTABLE}])?$"),
        EXTERNAL_ID_BYTES_MAX,
        "cust-42",
    );
    schema.insert("not".to_owned(), serde_json::json!({"const": "0"}));
    schema
});
spelling!(
    EventName,
    "EventName",
    shaped(
        "What happened: `signup`, `purchase`, `lead`, or a name of the shop's own.",
        r"^[a-z][a-z0-9_.-]*$",
        EVENT_NAME_BYTES_MAX,
        "purchase",
    )
);
spelling!(
    SecretText,
    "OrderSourceSecretText",
    json_schema!({
        "type": "string",
        "description": "A secret that a shop system signs with, to the letter: visible ASCII characters without spaces.",
        "pattern": "^[!-~]+$",
        "minLength": SOURCE_SECRET_CHARS_MIN,
        "maxLength": SOURCE_SECRET_CHARS_MAX,
        "examples": ["3f1d0c2b9a8e7f6d5c4b3a291807f6e5"],
    })
);
spelling!(
    Slug,
    "Slug",
    shaped(
        "A name that the owner gives to a rule.",
        r"^[a-z0-9_-]+$",
        SLUG_BYTES_MAX,
        "thank-you",
    )
);
spelling!(
    Locale,
    "Locale",
    shaped(
        "A language tag of BCP 47.",
        r"^[A-Za-z]{2,8}(?:-[A-Za-z0-9]{2,8})*(?:-[A-Za-z0-9](?:-[A-Za-z0-9]{1,8})*-[A-Za-z0-9]{2,8})?$",
        LOCALE_BYTES_MAX,
        "en-GB",
    )
);
spelling!(
    MetadataKey,
    "MetadataKey",
    shaped(
        "A key of metadata.",
        r"^[A-Za-z0-9_.-]+$",
        METADATA_KEY_BYTES_MAX,
        "category",
    )
);
spelling!(
    Comment,
    "Comment",
    json_schema!({
        "type": "string",
        "description": "What somebody wrote, in several lines.",
        "maxLength": COMMENT_CHARS_MAX,
        "examples": ["The cakes were lovely."],
    })
);
spelling!(
    EmailAddress,
    "EmailAddress",
    shaped(
        "A mail address. International domains are taken too, as they are or in Punycode. No answer repeats one.",
        &format!("^{LOCAL}@{HOST}$"),
        EMAIL_BYTES_MAX,
        "ann@example.com",
    )
);
spelling!(
    ReferralCode,
    "ReferralCode",
    json_schema!({
        "type": "string",
        "description": "A referral code. Codes match without regard to case.",
        "pattern": format!("^[A-Za-z0-9_-]{{{REFERRAL_CODE_MIN},{REFERRAL_CODE_MAX}}}$"),
        "minLength": REFERRAL_CODE_MIN,
        "maxLength": REFERRAL_CODE_MAX,
        "examples": ["ANN-BAKES"],
    })
);
spelling!(
    VoucherCode,
    "VoucherCode",
    shaped(
        "A voucher code, as it was issued.",
        r"^[!-~]+$",
        OWN_VOUCHER_CODE_MAX,
        "7KQ2MX-9RTWZP-4HNVCB",
    )
);
spelling!(
    TypedCode,
    "TypedCode",
    json_schema!({
        "type": "string",
        "description": "A code as the customer typed it: a referral code, a voucher, or anything else.",
        "minLength": 1,
        "maxLength": OWN_VOUCHER_CODE_MAX,
        "examples": ["ANN-BAKES"],
    })
);
spelling!(
    Sku,
    "Sku",
    shaped(
        "The owner's own name of a product.",
        r"^[A-Za-z0-9._/:+-]+$",
        SKU_BYTES_MAX,
        "CAKE-1",
    )
);
spelling!(
    Unit,
    "Unit",
    json_schema!({
        "type": "string",
        "description": "What a balance is kept in: a currency, `points`, or pieces of a product.",
        "pattern": format!("^(?:{}|points|items:[A-Za-z0-9._/:+-]{{1,{SKU_BYTES_MAX}}})$", currencies().join("|")),
        "examples": ["EUR", "points", "items:CAKE-1"],
    })
);
spelling!(
    Currency,
    "Currency",
    json_schema!({
        "type": "string",
        "description": "A currency of ISO 4217.",
        "enum": currencies(),
        "examples": ["EUR"],
    })
);
spelling!(
    CountryCode,
    "Country",
    json_schema!({
        "type": "string",
        "description": "A country of ISO 3166-1, by its alpha-2 code.",
        "enum": spelled_with::<CountryCode>(2),
        "examples": ["DE"],
    })
);
spelling!(
    Destination,
    "Destination",
    shaped(
        "Where links lead: a URL with `https`, or with `http` on this machine; without user name and password.",
        &format!(
            r"^(?:https://{HOST}|http://(?:localhost|127\.0\.0\.1))(?::[1-5]?[0-9]{{1,4}})?(?:[/?#][!-\[\]-~]*)?$"
        ),
        DESTINATION_BYTES_MAX,
        "https://bakery.example/welcome?shop=1",
    )
);
spelling!(
    WebhookUrl,
    "WebhookUrl",
    shaped(
        "Where webhooks go: a URL with `https` to a host on the internet, without user name, password and fragment. The bundle on one machine takes `http` to that machine too.",
        &format!(
            r"^(?:https://{HOST}|http://(?:localhost|127\.0\.0\.1))(?::(?:[1-9][0-9]{{0,3}}|[1-5][0-9]{{4}}|6[0-4][0-9]{{3}}|65[0-4][0-9]{{2}}|655[0-2][0-9]|6553[0-5]))?(?:[/?][!$-\[\]-~]*)?$"
        ),
        URL_BYTES_MAX,
        "https://hooks.example.com/kith",
    )
);
spelling!(
    AllowedHost,
    "AllowedHost",
    shaped(
        "A host name, without scheme, port, path or wildcard.",
        &format!("^{HOST}$"),
        HOST_BYTES_MAX,
        "bakery.example",
    )
);

fn currencies() -> Vec<String> {
    spelled_with::<Currency>(3)
}

/// Every text of so many capital letters that is of this type, in order.
fn spelled_with<T: std::str::FromStr>(letters: u32) -> Vec<String> {
    let mut texts = vec![String::new()];
    for _ in 0..letters {
        texts = texts
            .iter()
            .flat_map(|text| ('A'..='Z').map(move |letter| format!("{text}{letter}")))
            .collect();
    }
    texts.retain(|text| text.parse::<T>().is_ok());
    texts
}

#[cfg(test)]
mod tests {
    use super::*;
    use kith_domain::id::RewardId;
    use proptest::prelude::*;
    use proptest::string::string_regex;
    use std::str::FromStr;

    /// Texts of the shape that the document describes are taken by the type, and so is the example:
    /// whoever keeps to the document is never refused for the form of a value.
    fn holds<T: Spelling>(takes: impl Fn(&str) -> bool) {
        let schema = T::schema();
        let schema = schema.as_value();
        for example in schema["examples"].as_array().unwrap() {
            assert!(takes(example.as_str().unwrap()), "{}: {example}", T::name());
        }
        for word in schema["enum"].as_array().into_iter().flatten() {
            assert!(takes(word.as_str().unwrap()), "{}: {word}", T::name());
        }
        let Some(pattern) = schema["pattern"].as_str() else {
            return;
        };
        // `string_regex` wants what is between the anchors.
        let inner = pattern
            .strip_prefix('^')
            .and_then(|text| text.strip_suffix('$'))
            .unwrap();
        // Short ones: a text of many repetitions is over the length more often than not.
        let inner = [
            ("]*", "]{0,3}"),
            ("]+", "]{1,3}"),
            (")*", "){0,2}"),
            (")+", "){1,2}"),
        ]
        .into_iter()
        .fold(inner.to_owned(), |text, (from, to)| text.replace(from, to));
        let texts = string_regex(&inner).unwrap();
        let bytes_max = schema["maxLength"].as_u64().unwrap_or(200);
        let bytes_max = usize::try_from(bytes_max).unwrap();
        let config = proptest::test_runner::Config {
            cases: 64,
            failure_persistence: None,
            max_global_rejects: 100_000,
            ..proptest::test_runner::Config::default()
        };
        let mut runner = proptest::test_runner::TestRunner::new(config);
        runner
            .run(&texts, |text| {
                prop_assume!(text.len() <= bytes_max && schema["not"]["const"] != text);
                // A label of a host has 63 characters at most, which no schema says.
                prop_assume!(text.split(['.', '@', '/', ':']).all(|part| part.len() < 60));
                // Nor does one say how long the part before the `@` is.
                prop_assume!(text.find('@').is_none_or(|at| at <= 64));
                prop_assert!(takes(&text), "{}: {text:?}", T::name());
                Ok(())
            })
            .unwrap();
    }

    fn parses<T: FromStr>(text: &str) -> bool {
        text.parse::<T>().is_ok()
    }

    #[test]
    fn what_the_document_describes_is_taken() {
        holds::<Name>(parses::<Name>);
        holds::<ExternalId>(parses::<ExternalId>);
        holds::<PersonId>(|text| ExternalId::of_person(text).is_ok());
        holds::<EventName>(parses::<EventName>);
        holds::<Slug>(parses::<Slug>);
        holds::<Locale>(parses::<Locale>);
        holds::<MetadataKey>(parses::<MetadataKey>);
        holds::<Comment>(parses::<Comment>);
        holds::<EmailAddress>(parses::<EmailAddress>);
        holds::<ReferralCode>(parses::<ReferralCode>);
        holds::<VoucherCode>(parses::<VoucherCode>);
        holds::<Sku>(parses::<Sku>);
        holds::<Unit>(parses::<Unit>);
        holds::<Currency>(parses::<Currency>);
        holds::<CountryCode>(parses::<CountryCode>);
        holds::<Destination>(parses::<Destination>);
        holds::<AllowedHost>(parses::<AllowedHost>);
    }

    #[test]
    fn ids_have_their_prefix() {
        holds::<RewardId>(parses::<RewardId>);
        assert_eq!(RewardId::name(), "RewardId");
    }
}
