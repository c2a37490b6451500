use proptest::prelude::*;

use super::*;
use crate::incentive::testing::{Given, at, eur, incentive, rates, reason, usd};
use crate::incentive::{Facts, Incentive};
use crate::rates::Rates;
use std::collections::BTreeMap;

/// The only reason that a condition gives, or none.
fn judged(conditions: Conditions, facts: &Facts<'_>) -> Option<&'static str> {
    let asking = Incentive {
        conditions,
        ..incentive()
    };
    reason(&asking, facts, 0)
}

fn metadata(entries: &[(&str, MetadataValue)]) -> Metadata {
    let entries = entries.iter().cloned();
    let entries: BTreeMap<MetadataKey, MetadataValue> = entries
        .map(|(key, value)| (key.parse().unwrap(), value))
        .collect();
    entries.try_into().unwrap()
}

fn text(text: &str) -> MetadataValue {
    MetadataValue::text(text).unwrap()
}

#[test]
fn amounts_are_compared_in_one_currency_or_by_a_rate() {
    let minimum = |money| Conditions {
        minimum_amount: Some(money),
        ..Conditions::default()
    };
    let maximum = |money| Conditions {
        maximum_amount: Some(money),
        ..Conditions::default()
    };
    let of = |amount, rates| (amount, rates);
    let none = Rates::default;
    for (conditions, (amount, rates), expected) in [
        (minimum(eur(4_500)), of(Some(eur(4_500)), none()), None),
        (
            minimum(eur(4_500)),
            of(Some(eur(4_499)), none()),
            Some("minimum_amount"),
        ),
        (maximum(eur(4_500)), of(Some(eur(4_500)), none()), None),
        (
            maximum(eur(4_500)),
            of(Some(eur(4_501)), none()),
            Some("maximum_amount"),
        ),
        (minimum(eur(0)), of(None, none()), Some("no_amount")),
        (maximum(eur(9)), of(None, none()), Some("no_amount")),
        (
            minimum(eur(1)),
            of(Some(usd(9_999)), none()),
            Some("currency_mismatch"),
        ),
        (
            maximum(eur(9_999)),
            of(Some(usd(1)), none()),
            Some("currency_mismatch"),
        ),
        // A dollar is 92 cents.
        (minimum(eur(920)), of(Some(usd(1_000)), rates()), None),
        (
            minimum(eur(920)),
            of(Some(usd(999)), rates()),
            Some("minimum_amount"),
        ),
        (maximum(eur(920)), of(Some(usd(1_001)), rates()), None),
        (
            maximum(eur(920)),
            of(Some(usd(1_002)), rates()),
            Some("maximum_amount"),
        ),
        (minimum(usd(1_000)), of(Some(eur(920)), rates()), None),
        (
            minimum(usd(1_000)),
            of(Some(eur(919)), rates()),
            Some("minimum_amount"),
        ),
    ] {
        let given = Given {
            rates,
            ..Given::default()
        };
        let facts = Facts {
            amount,
            ..given.facts()
        };
        let told = format!("{conditions:?} {amount:?}");
        assert_eq!(judged(conditions, &facts), expected, "{told}");
    }
}

#[test]
fn numbers_are_asked_for_by_range_or_step() {
    let given = Given::default();
    let numbered = |conversion_number, referral_number| Facts {
        conversion_number,
        referral_number,
        ..given.facts()
    };
    let first = Conditions {
        first_conversion_only: true,
        ..Conditions::default()
    };
    assert_eq!(judged(first.clone(), &numbered(1, None)), None);
    let reason = Some("first_conversion_only");
    assert_eq!(judged(first, &numbered(2, None)), reason);

    let range = |from, to| NumberRange { from, to };
    let recurring = Conditions {
        conversion_number: Some(range(2, Some(12))),
        ..Conditions::default()
    };
    for (number, held) in [(1, false), (2, true), (12, true), (13, false)] {
        let reason = (!held).then_some("conversion_number");
        assert_eq!(
            judged(recurring.clone(), &numbered(number, None)),
            reason,
            "{number}"
        );
    }
    let referral = |rule| Conditions {
        referral_number: Some(rule),
        ..Conditions::default()
    };
    let milestone = referral(NumberRule::Range(range(10, Some(10))));
    let from_third = referral(NumberRule::Range(range(3, None)));
    let every_tenth = referral(NumberRule::Every(10));
    let each = referral(NumberRule::Every(1));
    for (rule, number, held) in [
        (&milestone, Some(9), false),
        (&milestone, Some(10), true),
        (&milestone, Some(11), false),
        // Not the referee's first qualified conversion.
        (&milestone, None, false),
        (&each, None, false),
        (&each, Some(1), true),
        (&each, Some(7), true),
        (&from_third, Some(2), false),
        (&from_third, Some(3), true),
        (&from_third, Some(u64::MAX), true),
        (&every_tenth, Some(1), false),
        (&every_tenth, Some(9), false),
        (&every_tenth, Some(10), true),
        (&every_tenth, Some(15), false),
        (&every_tenth, Some(20), true),
        (&every_tenth, Some(0), false),
    ] {
        let reason = (!held).then_some("referral_number");
        assert_eq!(
            judged(rule.clone(), &numbered(1, number)),
            reason,
            "{rule:?} {number:?}"
        );
    }
}

#[test]
fn new_referees_are_those_that_the_shop_calls_so() {
    let given = Given::default();
    let asked = Conditions {
        new_referee_only: true,
        ..Conditions::default()
    };
    for (new_customer, expected) in [
        (Some(true), None),
        (Some(false), Some("new_referee_only")),
        (None, Some("new_customer_unknown")),
    ] {
        let facts = Facts {
            new_customer,
            ..given.facts()
        };
        assert_eq!(judged(asked.clone(), &facts), expected);
    }
}

/// Months are those of the calendar; where the month has no such day, its last one.
#[test]
fn months_are_counted_by_the_calendar() {
    for (bound, months, last) in [
        ("2026-01-31T10:00:00Z", 1, "2026-02-28T10:00:00Z"),
        ("2024-01-31T10:00:00Z", 1, "2024-02-29T10:00:00Z"),
        ("2026-03-15T23:59:59Z", 12, "2027-03-15T23:59:59Z"),
        ("2024-02-29T00:00:00Z", 12, "2025-02-28T00:00:00Z"),
        ("2026-10-25T00:30:00Z", 6, "2027-04-25T00:30:00Z"),
    ] {
        let given = Given::default();
        let asked = Conditions {
            within_months_of_referral: Some(months),
            ..Conditions::default()
        };
        let occurred = |occurred_at| Facts {
            bound_at: at(bound),
            occurred_at,
            ..given.facts()
        };
        let last = at(last);
        let late = last
            .checked_add(jiff::SignedDuration::from_millis(1))
            .unwrap();
        assert_eq!(judged(asked.clone(), &occurred(last)), None, "{bound}");
        let reason = Some("within_months_of_referral");
        assert_eq!(judged(asked.clone(), &occurred(late)), reason, "{bound}");
        // A conversion that was reported late happened before it was bound.
        assert_eq!(judged(asked, &occurred(at("2020-01-01T00:00:00Z"))), None);
    }
    assert_eq!(months_after(Timestamp::MAX, 1), Timestamp::MAX);
}

#[test]
fn lists_ask_for_one_of_them() {
    let given = Given::default();
    let channels = Conditions {
        channels: vec![Channel::Email, Channel::Qr],
        ..Conditions::default()
    };
    for (channel, expected) in [
        (Some(Channel::Email), None),
        (Some(Channel::Qr), None),
        (Some(Channel::Link), Some("channels")),
        (None, Some("channels")),
    ] {
        let facts = Facts {
            channel,
            ..given.facts()
        };
        assert_eq!(judged(channels.clone(), &facts), expected);
    }
    let countries = Conditions {
        countries: vec!["DE".parse().unwrap(), "FR".parse().unwrap()],
        ..Conditions::default()
    };
    for (country, expected) in [
        (Some("FR"), None),
        (Some("GB"), Some("countries")),
        (None, Some("countries")),
    ] {
        let facts = Facts {
            country: country.map(|code| code.parse().unwrap()),
            ..given.facts()
        };
        assert_eq!(judged(countries.clone(), &facts), expected);
    }
}

#[test]
fn a_rule_holds_from_its_start_until_before_its_end() {
    let given = Given::default();
    let asked = Conditions {
        starts_at: Some(at("2026-03-01T00:00:00Z")),
        ends_at: Some(at("2026-04-01T00:00:00Z")),
        ..Conditions::default()
    };
    for (occurred_at, expected) in [
        ("2026-02-28T23:59:59.999Z", Some("starts_at")),
        ("2026-03-01T00:00:00Z", None),
        ("2026-03-31T23:59:59.999Z", None),
        ("2026-04-01T00:00:00Z", Some("ends_at")),
    ] {
        // When it is recorded does not matter.
        let facts = Facts {
            occurred_at: at(occurred_at),
            ..given.facts()
        };
        assert_eq!(judged(asked.clone(), &facts), expected, "{occurred_at}");
    }
}

#[test]
fn metadata_is_compared_with_its_type() {
    let given = metadata(&[
        ("category", text("cakes")),
        ("items", MetadataValue::Integer(3)),
        ("gift", MetadataValue::Boolean(false)),
        ("three", text("3")),
    ]);
    use MetadataTest as T;
    for (key, test, held) in [
        ("category", T::Equals(text("cakes")), true),
        ("category", T::Equals(text("Cakes")), false),
        ("items", T::Equals(MetadataValue::Integer(3)), true),
        ("three", T::Equals(MetadataValue::Integer(3)), false),
        ("gift", T::Equals(MetadataValue::Boolean(false)), true),
        ("none", T::Equals(text("")), false),
        ("category", T::In(vec![text("pies"), text("cakes")]), true),
        ("category", T::In(vec![text("pies")]), false),
        ("none", T::In(vec![text("pies")]), false),
        ("items", T::AtLeast(3), true),
        ("items", T::AtLeast(4), false),
        ("items", T::AtMost(3), true),
        ("items", T::AtMost(2), false),
        ("three", T::AtLeast(3), false),
        ("gift", T::AtMost(3), false),
        ("none", T::AtMost(3), false),
        ("gift", T::Exists(true), true),
        ("gift", T::Exists(false), false),
        ("none", T::Exists(false), true),
        ("none", T::Exists(true), false),
    ] {
        let condition = MetadataCondition {
            key: key.parse().unwrap(),
            test,
        };
        assert_eq!(condition.holds(&given), held, "{condition:?}");
    }
    let key = |key: &str, test| MetadataCondition {
        key: key.parse().unwrap(),
        test,
    };
    let asked = Conditions {
        metadata: vec![key("gift", T::Exists(true)), key("items", T::AtLeast(9))],
        ..Conditions::default()
    };
    let given = Given {
        metadata: given,
        ..Given::default()
    };
    assert_eq!(judged(asked, &given.facts()), Some("metadata"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// 2,000 cases: the span around a number is exactly where the rule says the same.
    #[test]
    fn a_span_ends_where_the_answer_changes(from in 1_u32..8, length in prop::option::of(0_u32..6), every in any::<bool>(), number in 0_u64..30) {
        let rule = if every {
            NumberRule::Every(from)
        } else {
            NumberRule::Range(NumberRange { from, to: length.map(|length| from + length) })
        };
        let (held, span) = rule.judge(number);
        prop_assert!(span.contains(number));
        for other in (0..40).filter(|other| span.contains(*other)) {
            prop_assert_eq!(rule.judge(other), (held, span), "{}", other);
        }
        if span.low > 0 {
            prop_assert!(rule.judge(span.low - 1).1 != span);
        }
        if span.high < u64::MAX {
            prop_assert!(rule.judge(span.high + 1).1 != span);
        }
    }
}
