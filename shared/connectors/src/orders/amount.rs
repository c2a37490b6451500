//! Amounts as vendors write them, to minor units, exactly: what does not come out even is no amount.

use kith_domain::money::{AMOUNT_MAX, Currency, Money};

/// The most digits before and behind the point that are looked at.
const DIGITS_MAX: usize = 24;

/// A decimal number without a sign, such as `29.35`. Digits behind those of the currency must be zeros.
pub(super) fn decimal(text: &str, currency: Currency) -> Option<Money> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| {
        (1..=DIGITS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let places = usize::from(currency.exponent());
    let (kept, rest) = fraction.split_at_checked(places).unwrap_or((fraction, ""));
    if rest.bytes().any(|byte| byte != b'0') {
        return None;
    }
    let number: i128 = format!("{whole}{kept}").parse().ok()?;
    let missing = u32::try_from(places.checked_sub(kept.len())?).ok()?;
    money(number.checked_mul(power(missing)?)?, currency)
}

/// The same with a minus before it or none: refunds are told either way.
pub(super) fn unsigned_decimal(text: &str, currency: Currency) -> Option<Money> {
    decimal(text.strip_prefix('-').unwrap_or(text), currency)
}

/// An integer in a unit of the vendor's own, so many decimal places below the currency's.
pub(super) fn scaled(number: i64, places: u16, currency: Currency) -> Option<Money> {
    let number = i128::from(number);
    let own = currency.exponent();
    if own >= places {
        let up = power(u32::from(own.checked_sub(places)?))?;
        return money(number.checked_mul(up)?, currency);
    }
    let down = power(u32::from(places.checked_sub(own)?))?;
    let is_even = number.checked_rem(down)? == 0;
    money(number.checked_div(down).filter(|_| is_even)?, currency)
}

/// A sum within one currency.
pub(super) fn sum(amounts: impl Iterator<Item = Money>) -> Option<Money> {
    let mut amounts = amounts;
    let first = amounts.next()?;
    let all = amounts.try_fold(first, |sum, amount| sum.checked_add(amount).ok())?;
    money(i128::from(all.minor), all.currency)
}

/// What is left of an amount of the same currency; nothing less than nothing.
pub(super) fn less(amount: Money, part: Money) -> Option<Money> {
    let left = amount.minor.checked_sub(part.minor);
    let left = left.filter(|left| *left >= 0 && amount.currency == part.currency)?;
    Some(Money::new(left, amount.currency))
}

fn money(minor: i128, currency: Currency) -> Option<Money> {
    let minor = i64::try_from(minor).ok()?;
    (0..=AMOUNT_MAX)
        .contains(&minor)
        .then(|| Money::new(minor, currency))
}

fn power(exponent: u32) -> Option<i128> {
    10_i128.checked_pow(exponent)
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn currency(code: &str) -> Currency {
        code.parse().unwrap()
    }

    #[test]
    fn decimals_come_out_to_the_minor_unit() {
        for (text, code, minor) in [
            ("29.35", "EUR", 2_935),
            ("29.3", "EUR", 2_930),
            ("29", "EUR", 2_900),
            ("0.00", "EUR", 0),
            ("29.350000", "EUR", 2_935),
            ("1000.00", "JPY", 1_000),
            ("1000", "JPY", 1_000),
            ("1.234", "KWD", 1_234),
            ("1.2", "KWD", 1_200),
            ("10000000000000.00", "EUR", AMOUNT_MAX),
        ] {
            let money = decimal(text, currency(code)).map(|money| money.minor);
            assert_eq!(money, Some(minor), "{text} {code}");
        }
        for (text, code) in [
            ("29.355", "EUR"),
            ("10.5", "JPY"),
            ("1.2345", "KWD"),
            ("10000000000000.01", "EUR"),
            ("", "EUR"),
            (".5", "EUR"),
            ("5.", "EUR"),
            ("-5", "EUR"),
            ("+5", "EUR"),
            ("1,000.00", "EUR"),
            ("1e3", "EUR"),
            ("5 EUR", "EUR"),
            ("٣", "EUR"),
            ("1.2.3", "EUR"),
            ("1000000000000000000000000000000000000000000", "EUR"),
        ] {
            assert_eq!(decimal(text, currency(code)), None, "{text} {code}");
        }
        let back = unsigned_decimal("-10.00", currency("EUR"));
        assert_eq!(back.map(|money| money.minor), Some(1_000));
        assert_eq!(unsigned_decimal("--1", currency("EUR")), None);
    }

    #[test]
    fn a_unit_of_the_vendors_own_comes_out_even_or_not_at_all() {
        for (number, places, code, minor) in [
            (2_935, 2, "EUR", Some(2_935)),
            (500, 0, "JPY", Some(500)),
            (1_230, 3, "KWD", Some(1_230)),
            (500, 2, "JPY", Some(5)),
            (550, 2, "JPY", None),
            (5, 0, "EUR", Some(500)),
            (-1, 2, "EUR", None),
            (i64::MAX, 0, "EUR", None),
        ] {
            let money = scaled(number, places, currency(code)).map(|money| money.minor);
            assert_eq!(money, minor, "{number} {places} {code}");
        }
    }

    proptest! {
        /// What is written with a currency's own places reads back.
        #[test]
        fn what_is_written_is_read(minor in 0..=AMOUNT_MAX, which in 0..3_usize) {
            let (code, places) = [("EUR", 2), ("JPY", 0), ("KWD", 3)][which];
            let unit = 10_i64.pow(places);
            let width = usize::try_from(places).unwrap();
            let text = match places {
                0 => minor.to_string(),
                _ => format!("{}.{:0width$}", minor / unit, minor % unit),
            };
            let read = decimal(&text, currency(code));
            prop_assert_eq!(read, Some(Money::new(minor, currency(code))));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,60}", number: i64, places in 0..6_u16) {
            for code in ["EUR", "JPY", "KWD"] {
                let _ = unsigned_decimal(&text, currency(code));
                let _ = scaled(number, places, currency(code));
            }
        }
    }
}
