use std::collections::BTreeMap;

use super::*;
use crate::channel::Channel;
use crate::incentive::testing::{Given, at, eur, incentive, rates, usd};
use crate::text::MetadataKey;

/// The explanation of a rule that asks for everything, as people read it.
#[test]
fn every_condition_is_told_with_what_was_found() {
    let metadata_condition = |key: &str, test| MetadataCondition {
        key: key.parse().unwrap(),
        test,
    };
    let text = |text| MetadataValue::text(text).unwrap();
    let asking = Incentive {
        conditions: Conditions {
            minimum_amount: Some(eur(2_000)),
            maximum_amount: Some(eur(4_000)),
            first_conversion_only: true,
            conversion_number: Some(NumberRange {
                from: 1,
                to: Some(12),
            }),
            referral_number: Some(NumberRule::Every(10)),
            within_months_of_referral: Some(12),
            new_referee_only: true,
            channels: vec![Channel::Email, Channel::Qr],
            countries: vec!["DE".parse().unwrap()],
            metadata: vec![
                metadata_condition(
                    "category",
                    MetadataTest::In(vec![text("cakes"), text("pies")]),
                ),
                metadata_condition("items", MetadataTest::AtLeast(3)),
            ],
            starts_at: Some(at("2026-01-01T00:00:00Z")),
            ends_at: Some(at("2027-01-01T00:00:00Z")),
        },
        ..incentive()
    };
    let entries: BTreeMap<MetadataKey, MetadataValue> =
        [("category".parse().unwrap(), text("cakes"))].into();
    let given = Given {
        metadata: entries.try_into().unwrap(),
        rates: rates(),
        ..Given::default()
    };
    let facts = Facts {
        amount: Some(usd(5_000)),
        channel: Some(Channel::Qr),
        new_customer: Some(false),
        referral_number: Some(20),
        bound_at: at("2026-01-31T00:00:00Z"),
        ..given.facts()
    };
    let told: Vec<String> = explain(&asking, &facts)
        .into_iter()
        .map(|check| {
            let actual = check.actual.as_deref().unwrap_or("nothing");
            let held = if check.held { "held" } else { "failed" };
            format!("{}: {}; {actual}; {held}", check.condition, check.required)
        })
        .collect();
    assert_eq!(
        told,
        [
            "starts_at: not before 2026-01-01T00:00:00Z; 2027-01-01T00:00:00Z; held",
            "ends_at: before 2027-01-01T00:00:00Z; 2027-01-01T00:00:00Z; failed",
            "channels: one of email, qr; qr; held",
            "countries: one of DE; nothing; failed",
            "metadata: category is one of cakes, pies; cakes; held",
            "metadata: items is at least 3; nothing; failed",
            "new_referee_only: a new customer; a known customer; failed",
            "within_months_of_referral: until 2027-01-31T00:00:00Z; 2027-01-01T00:00:00Z; held",
            "minimum_amount: at least 20.00 EUR; 50.00 USD (46.00 EUR); held",
            "maximum_amount: at most 40.00 EUR; 50.00 USD (46.00 EUR); failed",
            "first_conversion_only: 1; 1; held",
            "conversion_number: 1 to 12; 1; held",
            "referral_number: a multiple of 10; 20; held",
        ]
    );
    assert_eq!(explain(&incentive(), &facts), []);
}

#[test]
fn amounts_are_written_with_the_decimals_of_their_currency() {
    let of = |minor, code: &str| Money::new(minor, code.parse().unwrap()).to_string();
    assert_eq!(of(5, "EUR"), "0.05 EUR");
    assert_eq!(of(-1_234, "EUR"), "-12.34 EUR");
    assert_eq!(of(1_234, "JPY"), "1234 JPY");
    assert_eq!(of(1_234, "KWD"), "1.234 KWD");
    assert_eq!(of(0, "EUR"), "0.00 EUR");
}
