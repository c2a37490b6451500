//! Fixed rates between currencies, by which a program's owner has amounts compared.
//!
//! Nothing is ever paid by a rate: rewards keep the currency they were earned in. A rate only says
//! on which side of a condition, a maximum or a budget an amount of another currency falls.

use crate::money::{Currency, Money};

/// The most pairs of a program.
pub const RATES_MAX: usize = 20;
/// Millionths in a whole: what a rate of one is.
pub const RATE_WHOLE: u64 = 1_000_000;
/// The largest rate: a million major units for one.
pub const RATE_MILLIONTHS_MAX: u64 = 1_000_000_000_000;

/// What one major unit of a currency is worth in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// One major unit of this.
    pub from: Currency,
    /// Is worth that much of this.
    pub to: Currency,
    /// How much, in millionths of a major unit of `to`: 1 to [`RATE_MILLIONTHS_MAX`].
    pub millionths: u64,
}

/// The rates of a program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rates {
    /// Counts changes of the pairs: 0 as long as there never were any.
    pub version: u64,
    /// At most [`RATES_MAX`], each pair of currencies once in each direction, in the owner's order.
    pub pairs: Vec<Rate>,
}

impl Rates {
    /// An amount in another currency, rounded down (towards minus infinity). The same currency is no
    /// conversion. A pair that is given in one direction only counts for the other too. What does
    /// not fit is as much as fits, so that it stays on its side of every bound.
    ///
    /// `None` if there is no rate for the pair.
    #[must_use]
    pub fn convert(&self, money: Money, to: Currency) -> Option<Money> {
        if money.currency == to {
            return Some(money);
        }
        let find = |from: Currency, to: Currency| {
            let rate = |rate: &&Rate| rate.from == from && rate.to == to;
            self.pairs.iter().find(rate).map(|rate| rate.millionths)
        };
        let (times, by) = match find(money.currency, to) {
            Some(there) => (there, RATE_WHOLE),
            None => (RATE_WHOLE, find(to, money.currency)?),
        };
        let exact = i128::from(money.minor)
            .saturating_mul(i128::from(times))
            .saturating_mul(minor_units(to));
        let whole = i128::from(by).saturating_mul(minor_units(money.currency));
        let minor = exact.checked_div_euclid(whole)?;
        let bound = if minor < 0 { i64::MIN } else { i64::MAX };
        Some(Money::new(i64::try_from(minor).unwrap_or(bound), to))
    }

    /// These pairs in place of the present ones: another version if they differ.
    #[must_use]
    pub fn replaced(&self, pairs: Vec<Rate>) -> Self {
        let changes = u64::from(pairs != self.pairs);
        Self {
            version: self.version.saturating_add(changes),
            pairs,
        }
    }
}

/// How many minor units a major one has.
fn minor_units(currency: Currency) -> i128 {
    10_i128.saturating_pow(u32::from(currency.exponent()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::AMOUNT_MAX;
    use proptest::prelude::*;

    fn currency(code: &str) -> Currency {
        code.parse().unwrap()
    }

    fn rates(pairs: &[(&str, &str, u64)]) -> Rates {
        let rate = |&(from, to, millionths): &(&str, &str, u64)| Rate {
            from: currency(from),
            to: currency(to),
            millionths,
        };
        Rates::default().replaced(pairs.iter().map(rate).collect())
    }

    fn minor(rates: &Rates, amount: i64, from: &str, to: &str) -> Option<i64> {
        let converted = rates.convert(Money::new(amount, currency(from)), currency(to))?;
        assert_eq!(converted.currency, currency(to));
        Some(converted.minor)
    }

    /// A yen has no cents, a Kuwaiti dinar has a thousand fils.
    #[test]
    fn minor_units_are_respected() {
        let rates = rates(&[
            ("USD", "EUR", 920_000),
            ("EUR", "JPY", 160_500_000),
            ("KWD", "EUR", 3_000_000),
        ]);
        assert_eq!(minor(&rates, 1_000, "USD", "EUR"), Some(920));
        assert_eq!(minor(&rates, 1_000, "EUR", "JPY"), Some(1_605));
        assert_eq!(minor(&rates, 1_000, "KWD", "EUR"), Some(300));
        // The other direction of a pair is its inverse, rounded down.
        assert_eq!(minor(&rates, 920, "EUR", "USD"), Some(1_000));
        assert_eq!(minor(&rates, 919, "EUR", "USD"), Some(998));
        assert_eq!(minor(&rates, 1, "JPY", "EUR"), Some(0));
        assert_eq!(minor(&rates, 10_000, "JPY", "EUR"), Some(6_230));
        // Two rates are not chained: the owner gave no rate for that pair.
        assert_eq!(minor(&rates, 1_000, "USD", "JPY"), None);
        assert_eq!(minor(&rates, 7, "GBP", "GBP"), Some(7));
    }

    #[test]
    fn a_direction_that_is_given_is_not_derived() {
        let rates = rates(&[("USD", "EUR", 920_000), ("EUR", "USD", 1_000_000)]);
        assert_eq!(minor(&rates, 920, "EUR", "USD"), Some(920));
    }

    #[test]
    fn what_does_not_fit_stays_on_its_side() {
        let rates = rates(&[("KWD", "IQD", RATE_MILLIONTHS_MAX)]);
        assert_eq!(minor(&rates, i64::MAX, "KWD", "IQD"), Some(i64::MAX));
        assert_eq!(minor(&rates, i64::MIN, "KWD", "IQD"), Some(i64::MIN));
    }

    #[test]
    fn only_other_pairs_are_another_version() {
        let first = rates(&[("USD", "EUR", 920_000)]);
        assert_eq!(first.version, 1);
        assert_eq!(first.replaced(first.pairs.clone()), first);
        assert_eq!(first.replaced(Vec::new()).version, 2);
        assert_eq!(Rates::default().replaced(Vec::new()).version, 0);
    }

    proptest! {
        /// Never more than the exact amount, and less than one minor unit less; a larger amount is
        /// never converted to a smaller one.
        #[test]
        fn a_conversion_is_rounded_down(
            amount in 0..=AMOUNT_MAX, more in 0..1_000_i64, millionths in 1..=1_000_000_000_u64,
            pair in prop::sample::select(vec![("USD", "EUR"), ("JPY", "EUR"), ("EUR", "JPY"), ("KWD", "JPY"), ("JPY", "KWD")]),
        ) {
            let (from, to) = pair;
            let table = rates(&[(from, to, millionths)]);
            let units = |code| minor_units(currency(code));
            let exact = i128::from(amount) * i128::from(millionths) * units(to);
            let whole = i128::from(RATE_WHOLE) * units(from);
            if let Ok(expected) = i64::try_from(exact / whole) {
                prop_assert_eq!(minor(&table, amount, from, to), Some(expected));
            }
            prop_assert!(minor(&table, amount + more, from, to) >= minor(&table, amount, from, to));
        }
    }
}
