//! Codes, ids, names and addresses: what is taken reads back as itself, and its spellings meet.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use kith_domain::api_key::PresentedKey;
use kith_domain::code::{OWN_VOUCHER_CODE_MAX, REFERRAL_CODE_MAX, ReferralCode, VoucherCode};
use kith_domain::destination::{AllowedHost, Destination};
use kith_domain::email::{EMAIL_BYTES_MAX, EmailAddress};
use kith_domain::id::{ParticipantId, RewardId};
use kith_domain::money::{Currency, Sku};
use kith_domain::text::{
    Comment, CountryCode, EventName, ExternalId, Locale, MetadataKey, MetadataValue, Name, Slug,
};

use crate::{identity, program, text};

/// Reads the bytes as everything that people and shops name things by.
pub fn codes(data: &[u8]) {
    let text = text(data);
    referral_code(&text);
    voucher_code(&text);
    email(&text);
    reads_back::<ParticipantId>(&text);
    reads_back::<RewardId>(&text);
    reads_back::<ExternalId>(&text);
    reads_back::<EventName>(&text);
    reads_back::<Slug>(&text);
    reads_back::<Sku>(&text);
    reads_back::<Name>(&text);
    reads_back::<Comment>(&text);
    reads_back::<Locale>(&text);
    reads_back::<MetadataKey>(&text);
    reads_back::<CountryCode>(&text);
    reads_back::<Currency>(&text);
    reads_back::<AllowedHost>(&text);
    reads_back::<Destination>(&text);
    if let Ok(id) = ExternalId::of_person(&text) {
        assert!(!id.as_str().contains('@'));
    }
    let _ = MetadataValue::text(&text);
    let _ = PresentedKey::parse(&text);
    // A key of the table never parts where a text has put a `#`: only what is last may hold one.
    if let Ok(event) = text.parse::<EventName>() {
        assert!(!event.as_str().contains('#'));
    }
}

fn reads_back<T: FromStr<Err: Display> + Display + PartialEq + Debug>(text: &str) {
    match text.parse::<T>() {
        Ok(value) => {
            let shown = value.to_string();
            let again = shown.parse::<T>();
            assert!(
                again.is_ok_and(|again| again == value),
                "{shown:?} does not read back"
            );
        }
        // A refusal says what to change, and repeats nothing.
        Err(error) => {
            let said = error.to_string();
            assert!(said.len() <= 300, "{said}");
            assert!(text.len() < 24 || !said.contains(text), "{said}");
        }
    }
}

fn referral_code(text: &str) {
    reads_back::<ReferralCode>(text);
    let Ok(code) = text.parse::<ReferralCode>() else {
        return;
    };
    assert!(code.as_str().len() <= REFERRAL_CODE_MAX);
    let folded = code.folded();
    let again: ReferralCode = folded.parse().unwrap();
    assert_eq!(again, code);
    assert_eq!(again.folded(), folded);
    let shouted: ReferralCode = text.to_ascii_uppercase().parse().unwrap();
    assert_eq!(shouted, code);
    // It stands in a path, in a query and in a key.
    assert!(!folded.contains(['#', '/', '?', '&', '%', ' ']));
}

fn voucher_code(text: &str) {
    reads_back::<VoucherCode>(text);
    let Ok(code) = text.parse::<VoucherCode>() else {
        return;
    };
    assert!(code.as_str().len() <= OWN_VOUCHER_CODE_MAX);
    let folded = code.folded();
    let again: VoucherCode = folded.parse().unwrap();
    assert_eq!(again.folded(), folded);
    let whispered: VoucherCode = text.to_ascii_lowercase().parse().unwrap();
    assert_eq!(whispered.folded(), folded);
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        assert_eq!(folded.len(), code.as_str().len());
    }
}

fn email(text: &str) {
    let Ok(address) = text.parse::<EmailAddress>() else {
        return;
    };
    assert!(address.as_str().len() <= EMAIL_BYTES_MAX);
    let sent = address.for_sending();
    assert!(sent.is_ascii() && sent.len() <= EMAIL_BYTES_MAX);
    assert!(
        !sent.contains(['\r', '\n', '<', '>', ',', ';', ' ', '"']),
        "it would end a header"
    );
    let normalised = address.normalised();
    let again: EmailAddress = sent.parse().unwrap();
    assert_eq!(again.normalised(), normalised);
    let (key, program) = (identity(), program().to_string());
    assert_eq!(again.hash(&key, &program), address.hash(&key, &program));
    // Whoever normalises twice means the same person, if what comes of it is an address at all.
    if let Ok(once) = normalised.parse::<EmailAddress>() {
        assert_eq!(once.normalised(), normalised);
    }
}
