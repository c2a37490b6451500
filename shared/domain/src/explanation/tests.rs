use std::collections::BTreeSet;

use super::*;
use crate::attribution::{Chosen, Considered, Outcome, Reason, TouchKind};
use crate::channel::Channel;
use crate::conversion::Conversion;
use crate::conversion::testing;
use crate::id::{ClickId, ParticipantId};
use crate::incentive::{
    Condition, Limit, NumberRange, NumberRule, SHORTFALL_CHARS_MAX, Shortfall, SkipReason, Skipped,
};
use crate::money::Money;
use crate::reward::Beneficiary;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn eur(minor: i64) -> Money {
    Money::new(minor, "EUR".parse().unwrap())
}

fn par(tail: u8) -> ParticipantId {
    ParticipantId::new(Timestamp::UNIX_EPOCH, [tail; 10])
}

/// An order of 12 euros on the tenth of March, by a customer who came through Ann.
fn order() -> Conversion {
    let conversion = testing::conversion(Some(eur(1_200)));
    let mut order = Conversion {
        occurred_at: at("2026-03-10T12:00:00Z"),
        recorded_at: at("2026-03-10T12:00:01Z"),
        referee_id: par(2),
        number: Some(3),
        bound_at: Some(at("2026-02-01T00:00:00Z")),
        new_customer: Some(false),
        ..conversion
    };
    order.attribution.chosen = Some(Chosen {
        referrer_id: par(1),
        click_id: None,
        code: None,
        channel: Some(Channel::Email),
        touch_at: None,
    });
    order
}

/// How a told text names people.
fn readable(text: &str) -> String {
    let names = [(par(1), "<ann>"), (par(2), "<customer>"), (par(3), "<eve>")];
    names.into_iter().fold(text.to_owned(), |text, (id, name)| {
        text.replace(&id.to_string(), name)
    })
}

fn link(opened: &str, outcome: Outcome) -> Considered {
    Considered {
        touch: TouchKind::ClickToken,
        click_id: Some(ClickId::floor_of(at(opened))),
        code: Some("ANN".parse().unwrap()),
        referrer_id: Some(par(1)),
        at: Some(at(opened)),
        outcome,
    }
}

fn of_kind(touch: TouchKind, outcome: Outcome) -> Considered {
    Considered {
        touch,
        ..link("2026-03-02T09:00:00Z", outcome)
    }
}

fn code(outcome: Outcome) -> Considered {
    Considered {
        click_id: None,
        at: None,
        ..of_kind(TouchKind::Code, outcome)
    }
}

/// What a support person reads of each outcome. The match is closed: a new outcome has to be told.
#[test]
fn every_outcome_is_told() {
    for &outcome in Outcome::ALL {
        let (considered, expected) = match outcome {
            Outcome::Chosen => (
                link("2026-03-02T09:00:00Z", outcome),
                "The link with the code ANN was opened on 2 March 2026, 8 days before the order.",
            ),
            Outcome::NotNeeded => (
                link("2026-03-02T09:00:00Z", outcome),
                "The link with the code ANN was opened on 2 March 2026, but another touch came first.",
            ),
            Outcome::OutsideWindow => (
                link("2026-01-24T09:00:00Z", outcome),
                "The link with the code ANN was opened on 24 January 2026; the order came 45 days \
                 and 3 hours later, and the window is 30 days.",
            ),
            Outcome::BadToken => (
                Considered {
                    touch: TouchKind::ClickToken,
                    click_id: None,
                    code: None,
                    referrer_id: None,
                    at: None,
                    outcome,
                },
                "The click token is damaged or not one of this program, so it proves no visit.",
            ),
            Outcome::UnknownCode => (
                code(outcome),
                "The order came with the code ANN, but nobody in this program has it.",
            ),
            Outcome::DisabledCode => (
                link("2026-03-02T09:00:00Z", outcome),
                "A link with the code ANN was opened on 2 March 2026, but it was disabled when the \
                 order was recorded.",
            ),
            Outcome::SelfReferral => (
                Considered {
                    referrer_id: Some(par(2)),
                    ..code(outcome)
                },
                "The code ANN belongs to the customer, and nobody refers themselves.",
            ),
            Outcome::ReferralLoop => (
                code(outcome),
                "The code ANN belongs to <ann>, who was referred by this customer, directly or \
                 further up, and cannot be their referrer.",
            ),
            Outcome::Suspended => (
                code(outcome),
                "The code ANN belongs to <ann>, who was suspended when the order was recorded.",
            ),
            Outcome::CodeWithoutClick => (
                code(outcome),
                "The order came with the code ANN, but without a click, and this program goes by \
                 clicks only.",
            ),
        };
        assert_eq!(readable(&touch(&order(), &considered)), expected);
    }
}

#[test]
fn each_kind_of_touch_is_told_when_it_decides() {
    for &kind in TouchKind::ALL {
        let expected = match kind {
            TouchKind::ExistingReferral => {
                "The customer has been bound to <ann> since 1 February 2026, and the first \
                 referrer stays."
            }
            TouchKind::Voucher => "The order used the voucher of an offer by the code ANN.",
            TouchKind::ClickToken => {
                "The link with the code ANN was opened on 2 March 2026, 8 days before the order."
            }
            TouchKind::Code => "The order came with the code ANN.",
            TouchKind::Manual => "<ann> was named as the referrer by hand on 2 March 2026.",
        };
        let considered = of_kind(kind, Outcome::Chosen);
        assert_eq!(readable(&touch(&order(), &considered)), expected);
        let mut decided = order();
        decided.attribution.considered = vec![considered];
        let expected = format!("The order belongs to <ann>. {expected}");
        assert_eq!(readable(&attribution(&decided)), expected);
    }
}

/// A window is told so that nobody reads "30 days later, and the window is 30 days".
#[test]
fn what_lies_outside_the_window_is_told_exactly() {
    for (opened, expected) in [
        (
            "2026-02-08T11:00:00Z",
            "8 February 2026; the order came 30 days and 1 hour later, and the window is 30 days.",
        ),
        (
            "2026-02-08T11:59:59Z",
            "8 February 2026; the order came more than 30 days later, and the window is 30 days.",
        ),
        (
            "2026-03-10T15:30:00Z",
            "10 March 2026 at 15:30 UTC, after the order of 10 March 2026 at 12:00 UTC; only a \
             link that is opened before counts.",
        ),
        (
            "2026-03-12T00:00:00Z",
            "12 March 2026, after the order of 10 March 2026; only a link that is opened before \
             counts.",
        ),
    ] {
        let told = touch(&order(), &link(opened, Outcome::OutsideWindow));
        let told = told.strip_prefix("The link with the code ANN was opened on ");
        assert_eq!(told, Some(expected));
    }
    let mut old = order();
    old.attribution.window_days = None;
    let told = touch(&old, &link("2026-02-08T11:00:00Z", Outcome::OutsideWindow));
    assert!(told.ends_with("30 days and 1 hour later."), "{told}");
}

#[test]
fn whose_code_it_was_is_told_of_a_self_referral() {
    let told = touch(&order(), &code(Outcome::SelfReferral));
    assert_eq!(
        readable(&told),
        "The code ANN belongs to <ann>, who has the same mail address as the customer, and nobody \
         refers themselves."
    );
}

/// The reasons for which nobody is the referrer, and those for which somebody is.
#[test]
fn why_it_belongs_to_nobody_is_told() {
    let mut order = order();
    order.attribution.chosen = None;
    for &reason in Reason::ALL {
        order.attribution.reason = reason;
        let (outcome, expected) = match reason {
            Reason::NoTouch => {
                order.attribution.considered.clear();
                assert_eq!(
                    attribution(&order),
                    "The order belongs to nobody: it came without click token, offer and code, and \
                     the customer was bound to no referrer."
                );
                continue;
            }
            Reason::OutsideWindow => (Outcome::OutsideWindow, "the window is 30 days."),
            Reason::BadToken => (Outcome::BadToken, "it proves no visit."),
            Reason::UnknownCode => (Outcome::UnknownCode, "nobody in this program has it."),
            Reason::DisabledCode => (Outcome::DisabledCode, "when the order was recorded."),
            Reason::SelfReferral => (Outcome::SelfReferral, "nobody refers themselves."),
            Reason::ReferralLoop => (Outcome::ReferralLoop, "cannot be their referrer."),
            Reason::Suspended => (Outcome::Suspended, "when the order was recorded."),
            Reason::CodeWithoutClick => (Outcome::CodeWithoutClick, "goes by clicks only."),
            Reason::ExistingReferral
            | Reason::Voucher
            | Reason::ClickToken
            | Reason::Code
            | Reason::Manual => continue,
        };
        let first = link("2026-01-01T00:00:00Z", outcome);
        for (others, tail) in [
            (0, ""),
            (1, " The other touch did not hold either."),
            (2, " The other touches did not hold either."),
        ] {
            let all = std::iter::repeat_n(first.clone(), others + 1);
            order.attribution.considered = all.collect();
            let told = attribution(&order);
            let begins = told.starts_with("The order belongs to nobody. ");
            assert!(
                begins && told.ends_with(&format!("{expected}{tail}")),
                "{told}"
            );
        }
    }
}

fn skip(reason: SkipReason, shortfall: Option<Shortfall>) -> Skipped {
    Skipped {
        incentive_id: "thank-you".parse().unwrap(),
        beneficiary: Beneficiary::Referrer,
        reason,
        shortfall,
        budget: None,
    }
}

fn range(from: u32, to: Option<u32>) -> Shortfall {
    Shortfall::Numbers(NumberRule::Range(NumberRange { from, to }))
}

/// What a support person reads of each reason. The match is closed: a new reason has to be told.
#[test]
fn every_reason_to_skip_is_told() {
    use SkipReason as R;
    let text = |text: &str| Some(Shortfall::Text(text.to_owned()));
    let count = |used, cap| Some(Shortfall::Count { used, cap });
    let budget = Some(Shortfall::Budget {
        used: 9_700,
        cap: eur(10_000),
        cost: 500,
    });
    let bound = |minor| {
        Some(Shortfall::Amount {
            bound: eur(minor),
            counted: None,
        })
    };
    for reason in R::all() {
        let (shortfall, expected) = match reason {
            R::CurrencyMismatch => (
                Some(Shortfall::Currency("USD".parse().unwrap())),
                "The order was in EUR, this reward compares in USD, and the program has no rate \
                 between the two.",
            ),
            R::NoAmount => (
                None,
                "The order came without an amount, which this reward needs.",
            ),
            R::ZeroValue => (None, "For 12.00 EUR this reward comes to nothing."),
            R::NoUpline => (None, "There was nobody to earn this reward."),
            R::NewCustomerUnknown => (
                None,
                "This reward is for new customers, and the shop did not say whether the customer \
                 is new.",
            ),
            R::NoOffer => (
                None,
                "This reward is given before paying, and the order named no unused voucher of it.",
            ),
            R::BeneficiarySuspended => (
                None,
                "The referrer <ann> was suspended when the order was recorded.",
            ),
            R::ProgramPaused => (
                None,
                "The program was archived when the order was recorded, and gives no rewards any \
                 more.",
            ),
            R::Condition(condition) => match condition {
                Condition::StartsAt => (
                    Some(Shortfall::At(at("2026-03-11T00:00:00Z"))),
                    "The order was on 10 March 2026, and this reward begins on 11 March 2026.",
                ),
                Condition::EndsAt => (
                    Some(Shortfall::At(at("2026-03-10T10:00:00Z"))),
                    "The order was on 10 March 2026 at 12:00 UTC, and this reward ended on 10 March \
                     2026 at 10:00 UTC.",
                ),
                Condition::Channels => (
                    text("one of qr, app"),
                    "The customer came by the channel email; this reward asks for one of qr, app.",
                ),
                Condition::Countries => (
                    text("one of DE, FR"),
                    "The order names no country; this reward asks for one of DE, FR.",
                ),
                Condition::Metadata => (
                    text("category is cakes"),
                    "The metadata of the order did not fit; this reward asks for category is cakes.",
                ),
                Condition::NewRefereeOnly => (
                    None,
                    "This reward is for new customers, and the shop said that the customer is not \
                     new.",
                ),
                Condition::WithinMonthsOfReferral => (
                    Some(Shortfall::Months(1)),
                    "The customer was bound on 1 February 2026 and the order was on 10 March 2026; \
                     this reward ends 1 month after the bond.",
                ),
                Condition::MinimumAmount => (
                    bound(2_000),
                    "The order was 12.00 EUR; this reward asks for at least 20.00 EUR.",
                ),
                Condition::MaximumAmount => (
                    bound(1_000),
                    "The order was 12.00 EUR; this reward asks for at most 10.00 EUR.",
                ),
                Condition::FirstConversionOnly => (
                    None,
                    "It was the customer's 3rd order that counts; this reward is for the first only.",
                ),
                Condition::ConversionNumber => (
                    Some(range(1, Some(2))),
                    "It was the customer's 3rd order that counts; this reward is for the 1st to the \
                     2nd.",
                ),
                Condition::ReferralNumber => (
                    Some(Shortfall::Numbers(NumberRule::Every(10))),
                    "This reward counts customers by their first order, and this was a later one.",
                ),
            },
            R::Limit(limit) => match limit {
                Limit::PerReferrerPerDay => (
                    count(1, 1),
                    "This reward was earned once through this referrer on 10 March 2026 already; \
                     the limit is 1 a day.",
                ),
                Limit::PerReferrerPerWeek => (
                    count(5, 5),
                    "This reward was earned 5 times through this referrer in week 11 of 2026 \
                     already; the limit is 5 a week.",
                ),
                Limit::PerReferrerPerMonth => (
                    count(10, 10),
                    "This reward was earned 10 times through this referrer in March 2026 already; \
                     the limit is 10 a month.",
                ),
                Limit::PerReferrer => (
                    count(32, 32),
                    "This reward was earned 32 times through this referrer already; the limit is \
                     32.",
                ),
                Limit::PerReferee => (
                    count(1, 1),
                    "This reward was earned once through this customer already; the limit is 1.",
                ),
                Limit::BudgetPerDay => (
                    budget.clone(),
                    "Of the budget for 10 March 2026, 100.00 EUR, 3.00 EUR was left; this reward \
                     costs 5.00 EUR.",
                ),
                Limit::BudgetPerMonth => (
                    budget.clone(),
                    "Of the budget for March 2026, 100.00 EUR, 3.00 EUR was left; this reward costs \
                     5.00 EUR.",
                ),
                Limit::Budget => (
                    budget.clone(),
                    "Of the budget, 100.00 EUR, 3.00 EUR was left; this reward costs 5.00 EUR.",
                ),
            },
        };
        let told = skipped(&order(), &skip(reason, shortfall));
        assert_eq!(readable(&told), expected);
        // What was recorded before shortfalls were kept is told too.
        let told = skipped(&order(), &skip(reason, None));
        assert!(told.ends_with('.') && told.len() > 20, "{told}");
    }
}

#[test]
fn the_details_of_a_skip_are_told() {
    let told = |mut conversion: Conversion, reason, shortfall, change: fn(&mut Conversion)| {
        change(&mut conversion);
        readable(&skipped(&conversion, &skip(reason, shortfall)))
    };
    let numbers = |rule| Some(Shortfall::Numbers(rule));
    let referral = SkipReason::Condition(Condition::ReferralNumber);
    let ninth = |conversion: &mut Conversion| conversion.referral_number = Some(9);
    assert_eq!(
        told(order(), referral, numbers(NumberRule::Every(10)), ninth),
        "The customer was the referrer's 9th who bought; this reward is for every 10th."
    );
    let number = SkipReason::Condition(Condition::ConversionNumber);
    for (rule, expected) in [
        (range(4, None), "the 4th and later ones."),
        (range(11, Some(11)), "the 11th."),
        (range(21, Some(22)), "the 21st to the 22nd."),
    ] {
        let told = told(order(), number, Some(rule), |_| {});
        assert!(told.ends_with(expected), "{told}");
    }
    let counted = Shortfall::Amount {
        bound: eur(2_000),
        counted: Some(eur(1_104)),
    };
    let minimum = SkipReason::Condition(Condition::MinimumAmount);
    let dollars = |conversion: &mut Conversion| {
        conversion.content.amount = Some(Money::new(1_200, "USD".parse().unwrap()));
    };
    assert_eq!(
        told(order(), minimum, Some(counted), dollars),
        "The order was 12.00 USD, which counts as 11.04 EUR; this reward asks for at least 20.00 \
         EUR."
    );
    let signup = |conversion: &mut Conversion| conversion.content.event = "signup".parse().unwrap();
    assert_eq!(
        told(order(), SkipReason::NoAmount, None, signup),
        "The sign-up came without an amount, which this reward needs."
    );
    let upline = |reason| Skipped {
        beneficiary: Beneficiary::Upline(2),
        ..skip(reason, None)
    };
    assert_eq!(
        skipped(&order(), &upline(SkipReason::NoUpline)),
        "Nobody stood 2 levels above the referrer."
    );
    let mut above = order();
    above.upline = vec![par(3), par(3)];
    assert_eq!(
        readable(&skipped(&above, &upline(SkipReason::BeneficiarySuspended))),
        "<eve> was suspended when the order was recorded."
    );
}

/// Sentences are told in lists and exports; none is a book.
#[test]
fn no_explanation_is_long() {
    let long = Shortfall::Text("x".repeat(SHORTFALL_CHARS_MAX));
    let told: BTreeSet<usize> = SkipReason::all()
        .map(|reason| {
            skipped(&order(), &skip(reason, Some(long.clone())))
                .chars()
                .count()
        })
        .collect();
    assert!(told.iter().all(|length| *length <= 300), "{told:?}");
}

/// Nobody reads of zero seconds.
#[test]
fn a_link_that_was_opened_in_the_same_second_was_opened_just_before() {
    let told = touch(&order(), &link("2026-03-10T12:00:00Z", Outcome::Chosen));
    let expected = "The link with the code ANN was opened on 10 March 2026, just before the order.";
    assert_eq!(told, expected);
}
