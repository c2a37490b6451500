//! Money in integer minor units of an ISO 4217 currency. No floats, checked arithmetic only.

use std::fmt;
use std::str::FromStr;

/// The largest amount the API takes or pays: 10¹⁵ minor units.
pub const AMOUNT_MAX: i64 = 1_000_000_000_000_000;

/// Basis points in a whole: 10,000.
pub const BASIS_POINTS_WHOLE: u32 = 10_000;

/// A currency of ISO 4217.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency(iso_currency::Currency);

impl PartialOrd for Currency {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Currency {
    /// By code.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.code().cmp(other.code())
    }
}

impl Currency {
    /// The three capital letters.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// How many decimal digits the minor unit has, where ISO 4217 defines one: 2 for `EUR`, 0 for `JPY`.
    #[must_use]
    pub fn exponent(self) -> u16 {
        self.0.exponent().unwrap_or(0)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// The text is not the code of a currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a currency code of ISO 4217 in capital letters, such as EUR")]
pub struct UnknownCurrency;

impl FromStr for Currency {
    type Err = UnknownCurrency;

    fn from_str(text: &str) -> Result<Self, UnknownCurrency> {
        let known = iso_currency::Currency::from_code(text).ok_or(UnknownCurrency)?;
        if known.code() == text {
            Ok(Self(known))
        } else {
            Err(UnknownCurrency)
        }
    }
}

/// An amount of one currency. May be negative inside the ledger; amounts from outside are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    /// Integer minor units: cents for `EUR`.
    pub minor: i64,
    /// The currency, part of the type: nothing adds or compares across currencies.
    pub currency: Currency,
}

/// Why two amounts were not computed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Amounts of different currencies are never added or compared.
    #[error("amounts of different currencies")]
    CurrencyMismatch,
    /// The result does not fit.
    #[error("the amount is too large")]
    Overflow,
}

impl Money {
    /// An amount.
    #[must_use]
    pub fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// Nothing, in a currency.
    #[must_use]
    pub fn zero(currency: Currency) -> Self {
        Self::new(0, currency)
    }

    /// The sum.
    ///
    /// # Errors
    /// [`MoneyError::CurrencyMismatch`] and [`MoneyError::Overflow`].
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::CurrencyMismatch);
        }
        let minor = self
            .minor
            .checked_add(other.minor)
            .ok_or(MoneyError::Overflow)?;
        Ok(Self::new(minor, self.currency))
    }

    /// Whether this is at least `other`; `None` when the currencies differ.
    #[must_use]
    pub fn at_least(self, other: Self) -> Option<bool> {
        (self.currency == other.currency).then_some(self.minor >= other.minor)
    }

    /// A share in basis points, rounded down (towards minus infinity).
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] when the share does not fit, which takes more than 100 %.
    pub fn share_floor(self, basis_points: u32) -> Result<Self, MoneyError> {
        let share = i128::from(self.minor)
            .checked_mul(i128::from(basis_points))
            .ok_or(MoneyError::Overflow)?
            .div_euclid(i128::from(BASIS_POINTS_WHOLE));
        let minor = i64::try_from(share).map_err(|_| MoneyError::Overflow)?;
        Ok(Self::new(minor, self.currency))
    }
}

/// As people write it: 20.00 EUR.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.currency.code();
        let decimals = usize::from(self.currency.exponent());
        let sign = if self.minor < 0 { "-" } else { "" };
        let width = decimals.saturating_add(1);
        let digits = format!("{:0>width$}", self.minor.unsigned_abs());
        match digits.split_at_checked(digits.len().saturating_sub(decimals)) {
            Some((whole, part)) if !part.is_empty() => write!(f, "{sign}{whole}.{part} {code}"),
            Some(_) | None => write!(f, "{sign}{digits} {code}"),
        }
    }
}

/// The longest [`Sku`], in bytes.
pub const SKU_BYTES_MAX: usize = 64;

/// The owner's own name of a product: 1 to 64 of letters, digits and `- _ . / : +`, as it was given.
///
/// Kept inline, so that what a reward is worth and what a balance is kept in stay plain values.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sku {
    bytes: [u8; SKU_BYTES_MAX],
    length: u8,
}

impl Sku {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only ASCII ever gets in.
        self.bytes
            .get(..usize::from(self.length))
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .unwrap_or_default()
    }
}

/// The text does not name a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {SKU_BYTES_MAX} of A-Z, a-z, 0-9, `-`, `_`, `.`, `/`, `:`, `+`")]
pub struct BadSku;

impl FromStr for Sku {
    type Err = BadSku;

    fn from_str(text: &str) -> Result<Self, BadSku> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:+".contains(&byte);
        if text.is_empty() || !text.bytes().all(legal) {
            return Err(BadSku);
        }
        let mut bytes = [0; SKU_BYTES_MAX];
        bytes
            .get_mut(..text.len())
            .ok_or(BadSku)?
            .copy_from_slice(text.as_bytes());
        let length = u8::try_from(text.len()).map_err(|_| BadSku)?;
        Ok(Self { bytes, length })
    }
}

impl fmt::Display for Sku {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Sku {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a balance and a ledger account are kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unit {
    /// Minor units of a currency.
    Currency(Currency),
    /// Loyalty points.
    Points,
    /// Pieces of a product.
    Items(Sku),
}

/// What the text of a unit of pieces begins with.
const ITEMS: &str = "items:";

/// The text is not a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a currency code of ISO 4217 such as EUR, `points`, or `items:` and a product")]
pub struct UnknownUnit;

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Currency(currency) => f.write_str(currency.code()),
            Self::Points => f.write_str("points"),
            Self::Items(sku) => write!(f, "{ITEMS}{sku}"),
        }
    }
}

impl FromStr for Unit {
    type Err = UnknownUnit;

    fn from_str(text: &str) -> Result<Self, UnknownUnit> {
        match text.strip_prefix(ITEMS) {
            Some(sku) => sku.parse().map(Self::Items).map_err(|_| UnknownUnit),
            None if text == "points" => Ok(Self::Points),
            None => text.parse().map(Self::Currency).map_err(|_| UnknownUnit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn eur() -> Currency {
        "EUR".parse().unwrap_or_else(|_| unreachable!())
    }

    #[test]
    fn only_codes_of_the_standard_are_currencies() {
        assert_eq!("EUR".parse::<Currency>().map(Currency::exponent), Ok(2));
        assert_eq!("JPY".parse::<Currency>().map(Currency::exponent), Ok(0));
        assert_eq!("KWD".parse::<Currency>().map(Currency::exponent), Ok(3));
        for bad in ["", "eur", "EURO", "ABC", "E R", "€"] {
            assert_eq!(bad.parse::<Currency>(), Err(UnknownCurrency), "{bad}");
        }
    }

    #[test]
    fn a_unit_reads_back() {
        for text in ["EUR", "points", "items:CAKE-1", "items:a/b:c"] {
            assert_eq!(
                text.parse::<Unit>().map(|unit| unit.to_string()),
                Ok(text.to_owned())
            );
        }
        let long = format!("items:{}", "x".repeat(65));
        for bad in [
            "",
            "eur",
            "items:",
            "items:a b",
            "items:ä",
            "points ",
            &long,
        ] {
            assert_eq!(bad.parse::<Unit>(), Err(UnknownUnit), "{bad}");
        }
    }

    #[test]
    fn currencies_never_meet() {
        let usd = "USD".parse().unwrap_or_else(|_| unreachable!());
        assert_eq!(
            Money::new(1, eur()).checked_add(Money::new(1, usd)),
            Err(MoneyError::CurrencyMismatch)
        );
        assert_eq!(Money::new(1, eur()).at_least(Money::new(1, usd)), None);
        assert_eq!(
            Money::new(i64::MAX, eur()).checked_add(Money::new(1, eur())),
            Err(MoneyError::Overflow)
        );
    }

    proptest! {
        /// Rounding down never pays more than the exact share, and less than one minor unit less.
        #[test]
        fn a_share_is_rounded_down(minor in 0..=AMOUNT_MAX, basis_points in 0..=BASIS_POINTS_WHOLE) {
            let share = Money::new(minor, eur()).share_floor(basis_points).map(|m| i128::from(m.minor));
            let exact = i128::from(minor) * i128::from(basis_points);
            let whole = i128::from(BASIS_POINTS_WHOLE);
            prop_assert!(share.is_ok_and(|s| s * whole <= exact && exact < (s + 1) * whole));
        }
    }
}
