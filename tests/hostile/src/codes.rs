//! Codes, ids, names and addresses: what is taken reads back as itself, and its spellings meet.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use kith_domain::api_key::{self, KeyHash, PresentedKey};
use kith_domain::audit::Actor;
use kith_domain::channel::Channel;
use kith_domain::code::{OWN_VOUCHER_CODE_MAX, REFERRAL_CODE_MAX, ReferralCode, VoucherCode};
use kith_domain::destination::{AllowedHost, Destination};
use kith_domain::email::{EMAIL_BYTES_MAX, EmailAddress, EmailHash};
use kith_domain::id::{ParticipantId, RewardId};
use kith_domain::incentive::SkipReason;
use kith_domain::money::{Currency, Sku};
use kith_domain::nps::Score;
use kith_domain::reward::Beneficiary;
use kith_domain::text::{
    Comment, CountryCode, EventName, ExternalId, Locale, MetadataKey, MetadataValue, Name, Slug,
};
use kith_mail::{Address, Mailbox};

use crate::{identity, is_repeated, program, text};

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
    reads_back::<Channel>(&text);
    reads_back::<EmailHash>(&text);
    reads_back::<Score>(&text);
    reads_back::<Beneficiary>(&text);
    reads_back::<SkipReason>(&text);
    reads_back::<Actor>(&text);
    sender(&text);
    if let Ok(id) = ExternalId::of_person(&text) {
        assert!(!id.as_str().contains('@'));
    }
    let _ = MetadataValue::text(&text);
    key(&text);
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
            let refusal = |text: &str| text.parse::<T>().err().map(|error| error.to_string());
            assert!(!is_repeated(text, refusal), "{said}");
        }
    }
}

/// A key says itself what it is, so that a publishable one never passes for another.
fn key(text: &str) {
    let Some(key) = PresentedKey::parse(text) else {
        return;
    };
    assert_eq!(key.publishable, text.starts_with("kith_pub_"));
    assert!(key.hash.matches(KeyHash::of(text)));
    let (_, secret) = text.rsplit_once('_').unwrap();
    let composed = api_key::compose(key.mode, key.publishable, key.id, secret);
    let again = PresentedKey::parse(&composed).unwrap();
    assert_eq!(
        (again.id, again.mode, again.publishable),
        (key.id, key.mode, key.publishable)
    );
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
    // Whoever may be written to can be.
    assert!(sent.parse::<Address>().is_ok(), "{sent:?} is not sent to");
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

/// A name of a program, which its mails come from.
fn sender(text: &str) {
    let plain: Mailbox = "refer@kith.example".parse().unwrap();
    let named = plain.named(text);
    let header = named.to_header();
    assert!(header.is_ascii() && !header.contains(char::is_control));
    assert!(header.ends_with("refer@kith.example") || header.ends_with(" <refer@kith.example>"));
    // Outside of quotes there is one address.
    let mut quoted = false;
    let mut escaped = false;
    let outside = header.chars().filter(|letter| {
        let ends = *letter == '"' && !escaped;
        escaped = *letter == '\\' && !escaped && quoted;
        quoted ^= ends;
        !quoted && !ends
    });
    let outside: String = outside.collect();
    assert!(!outside.contains([',', ';', '"']) && outside.matches('@').count() == 1);
    if let Some(name) = named.name() {
        assert_eq!(plain.named(name).name(), Some(name));
    }
    if let Ok(mailbox) = text.parse::<Mailbox>() {
        assert!(!mailbox.to_header().contains(char::is_control));
    }
}
