//! Codes that people read, type and share: referral codes and vouchers.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

/// Shortest [`ReferralCode`], in characters.
pub const REFERRAL_CODE_MIN: usize = 3;
/// Longest [`ReferralCode`], in characters.
pub const REFERRAL_CODE_MAX: usize = 40;
/// Length of a generated [`ReferralCode`]: 31¹¹ codes are 54.5 bits.
pub const GENERATED_CODE_LENGTH: usize = 11;
/// Characters of a [`VoucherCode`] without its dashes: 31¹⁸ codes are 89.2 bits.
pub const VOUCHER_CODE_LENGTH: usize = 18;

/// Longest voucher code of the owner's own, in bytes.
pub const OWN_VOUCHER_CODE_MAX: usize = 64;

/// Characters between two dashes of a voucher code.
const VOUCHER_GROUP: usize = 6;
/// Digits and capitals without the look-alikes `0 O 1 I L`.
const ALPHABET: [char; 31] = [
    '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'J', 'K', 'M',
    'N', 'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z',
];
/// How much of a code `Debug` shows, so that a log never holds one in full.
const DEBUG_CHARS: usize = 3;

/// Why a text is not a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum CodeError {
    /// Not a [`ReferralCode`].
    #[error("must be {REFERRAL_CODE_MIN} to {REFERRAL_CODE_MAX} of A-Z, a-z, 0-9, `-`, `_`")]
    Referral,
    /// Not a [`VoucherCode`].
    #[error(
        "must be 1 to {OWN_VOUCHER_CODE_MAX} visible ASCII characters without spaces, as it was issued"
    )]
    Voucher,
}

/// The code that ties a link to its referrer: 3 to 40 of `A-Z a-z 0-9 - _`.
///
/// Keeps the spelling it was given for showing; compares, hashes and is looked up without regard to ASCII case.
#[derive(Clone)]
pub struct ReferralCode(Box<str>);

impl ReferralCode {
    /// Makes a code from eight bytes of a CSPRNG.
    ///
    /// The 64 bits are reduced modulo 31¹¹ ≈ 2^54.49. Since 2⁶⁴ is 726 times that and a remainder, each code has 726
    /// or 727 preimages: the likeliest is 0.14 % likelier than the rarest, and at least 54.48 bits of min-entropy
    /// remain. No rejection, so no loop and no second draw.
    #[must_use]
    pub fn generate(random: [u8; 8]) -> Self {
        Self(
            symbols(
                u128::from(u64::from_be_bytes(random)),
                GENERATED_CODE_LENGTH,
            )
            .collect(),
        )
    }

    /// The code as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The spelling under which the code is looked up: ASCII lower case.
    #[must_use]
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl FromStr for ReferralCode {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, CodeError> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if (REFERRAL_CODE_MIN..=REFERRAL_CODE_MAX).contains(&text.len()) && text.bytes().all(legal)
        {
            return Ok(Self(text.into()));
        }
        Err(CodeError::Referral)
    }
}

impl TryFrom<String> for ReferralCode {
    type Error = CodeError;

    fn try_from(text: String) -> Result<Self, CodeError> {
        text.parse()
    }
}

impl PartialEq for ReferralCode {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for ReferralCode {}

impl Hash for ReferralCode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for byte in self.0.bytes() {
            state.write_u8(byte.to_ascii_lowercase());
        }
        // No byte of a code: keeps codes apart that are hashed one after the other.
        state.write_u8(u8::MAX);
    }
}

impl fmt::Display for ReferralCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for ReferralCode {
    /// Shows the beginning only: a code in full does not belong in a log.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "ReferralCode({}…)",
            self.0.get(..DEBUG_CHARS).unwrap_or_default()
        )
    }
}

/// A generated voucher: worth money to whoever holds it, so it is long enough that nobody guesses one.
///
/// Shown as `XXXXXX-XXXXXX-XXXXXX`. Read in any case, with dashes and spaces anywhere or nowhere.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct VoucherCode(Box<str>);

impl VoucherCode {
    /// Makes a code from sixteen bytes of a CSPRNG.
    ///
    /// The 128 bits are reduced modulo 31¹⁸ ≈ 2^89.18; no code is more than 2⁻³⁸ likelier than another, and 89 bits of
    /// min-entropy remain.
    #[must_use]
    pub fn generate(random: [u8; 16]) -> Self {
        grouped(symbols(u128::from_be_bytes(random), VOUCHER_CODE_LENGTH))
    }

    /// The code as it is shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The spelling under which the code is looked up: ASCII upper case.
    #[must_use]
    pub fn folded(&self) -> String {
        self.0.to_ascii_uppercase()
    }
}

impl FromStr for VoucherCode {
    type Err = CodeError;

    /// Reads a generated code however it is spaced; any other text of 1 to 64 visible ASCII characters
    /// is a code of the owner's own, and kept as it is.
    fn from_str(text: &str) -> Result<Self, CodeError> {
        if text.is_empty() || text.len() > OWN_VOUCHER_CODE_MAX {
            return Err(CodeError::Voucher);
        }
        let symbols: Vec<char> = text
            .chars()
            .filter(|c| !matches!(c, '-' | ' '))
            .map(|c| c.to_ascii_uppercase())
            .collect();
        if symbols.len() == VOUCHER_CODE_LENGTH && symbols.iter().all(|c| ALPHABET.contains(c)) {
            Ok(grouped(symbols.into_iter()))
        } else if text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(text.into()))
        } else {
            Err(CodeError::Voucher)
        }
    }
}

impl TryFrom<String> for VoucherCode {
    type Error = CodeError;

    fn try_from(text: String) -> Result<Self, CodeError> {
        text.parse()
    }
}

impl fmt::Display for VoucherCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for VoucherCode {
    /// Shows the beginning only: a log must not hand out money.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "VoucherCode({}…)",
            self.0.get(..DEBUG_CHARS).unwrap_or_default()
        )
    }
}

/// The last `length` digits of `number` in base 31, lowest first.
fn symbols(mut number: u128, length: usize) -> impl Iterator<Item = char> {
    const BASE: u128 = ALPHABET.len() as u128;
    (0..length).filter_map(move |_| {
        let digit = usize::try_from(number % BASE).ok()?;
        number /= BASE;
        ALPHABET.get(digit).copied()
    })
}

/// Puts the dashes in.
fn grouped(symbols: impl Iterator<Item = char>) -> VoucherCode {
    let mut shown = String::with_capacity(VOUCHER_CODE_LENGTH.saturating_add(2));
    for (position, symbol) in symbols.enumerate() {
        if position > 0 && position.is_multiple_of(VOUCHER_GROUP) {
            shown.push('-');
        }
        shown.push(symbol);
    }
    VoucherCode(shown.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;
    use std::hash::BuildHasher;

    #[test]
    fn codes_are_three_to_forty_of_the_alphabet() {
        for good in ["abc", "ANN-BAKES", "a_b", "---", "123", &"x".repeat(40)] {
            assert_eq!(
                good.parse::<ReferralCode>().map(|code| code.to_string()),
                Ok(good.to_owned())
            );
        }
        for bad in [
            "",
            "ab",
            "a b",
            "ann@x",
            "añb",
            "a#b",
            "a/b",
            "a.b",
            "abc\n",
            &"x".repeat(41),
        ] {
            assert_eq!(
                bad.parse::<ReferralCode>(),
                Err(CodeError::Referral),
                "{bad:?}"
            );
        }
    }

    /// People type codes in any case, and a link printed in capitals has to find the same referrer.
    #[test]
    fn case_does_not_matter_but_is_kept() -> Result<(), CodeError> {
        let (shown, typed): (ReferralCode, ReferralCode) =
            ("Ann-Bakes".parse()?, "ANN-bakes".parse()?);
        let hasher = std::hash::RandomState::new();
        assert_eq!(shown, typed);
        assert_eq!(hasher.hash_one(&shown), hasher.hash_one(&typed));
        assert_eq!(shown.folded(), "ann-bakes");
        assert_eq!(shown.as_str(), "Ann-Bakes");
        assert_ne!(shown, "ann_bakes".parse()?);
        Ok(())
    }

    #[test]
    fn the_alphabet_has_no_look_alikes_even_when_folded() {
        let folded: HashSet<char> = ALPHABET.iter().map(char::to_ascii_lowercase).collect();
        assert_eq!(folded.len(), 31);
        for look_alike in ['0', 'o', '1', 'i', 'l'] {
            assert!(!folded.contains(&look_alike));
        }
    }

    #[test]
    fn logs_do_not_show_whole_codes() -> Result<(), CodeError> {
        assert_eq!(
            format!("{:?}", "ANN-BAKES".parse::<ReferralCode>()?),
            "ReferralCode(ANN…)"
        );
        assert_eq!(
            format!("{:?}", VoucherCode::generate([0; 16])),
            "VoucherCode(222…)"
        );
        Ok(())
    }

    #[test]
    fn vouchers_read_however_they_are_typed() -> Result<(), CodeError> {
        let voucher = VoucherCode::generate(*b"sixteen bytes ok");
        assert_eq!(voucher.as_str().len(), 20);
        let bare = voucher.as_str().replace('-', "");
        let spaced: String = bare.chars().flat_map(|c| [c, ' ']).collect();
        for typed in [
            bare.clone(),
            bare.to_lowercase(),
            spaced,
            voucher.to_string(),
        ] {
            assert_eq!(typed.parse::<VoucherCode>()?, voucher);
        }
        for bad in [String::new(), format!("{bare}é"), "-".repeat(1_000)] {
            assert_eq!(bad.parse::<VoucherCode>(), Err(CodeError::Voucher), "{bad}");
        }
        Ok(())
    }

    /// What is not one of ours may be the owner's, who has printed it already.
    #[test]
    fn an_owners_code_is_kept_as_it_is() -> Result<(), CodeError> {
        let ours = VoucherCode::generate(*b"sixteen bytes ok").to_string();
        let bare = ours.replace('-', "");
        let shorter = bare.get(1..).unwrap_or_default().to_owned();
        for own in [
            "x",
            "Spring-2026",
            &shorter,
            &format!("{bare}2"),
            "000000000000000000",
        ] {
            let code: VoucherCode = own.parse()?;
            assert_eq!(code.as_str(), own);
        }
        let folded = |text: &str| text.parse::<VoucherCode>().map(|code| code.folded());
        assert_eq!(folded("spring-2026")?, folded("SPRING-2026")?);
        Ok(())
    }

    /// Vectors, so that a change of the arithmetic is seen: digits come lowest first.
    #[test]
    fn generated_codes_are_stable() {
        assert_eq!(ReferralCode::generate([0; 8]).as_str(), "22222222222");
        assert_eq!(
            ReferralCode::generate([0, 0, 0, 0, 0, 0, 0, 32]).as_str(),
            "33222222222"
        );
        assert_eq!(
            VoucherCode::generate([0; 16]).as_str(),
            "222222-222222-222222"
        );
    }

    proptest! {
        #[test]
        fn generated_codes_are_valid_codes(random: [u8; 8]) {
            let code = ReferralCode::generate(random);
            prop_assert_eq!(code.as_str().len(), GENERATED_CODE_LENGTH);
            prop_assert!(code.as_str().chars().all(|c| ALPHABET.contains(&c)));
            prop_assert_eq!(code.to_string().parse::<ReferralCode>(), Ok(code));
        }

        #[test]
        fn generated_vouchers_read_back(random: [u8; 16]) {
            let voucher = VoucherCode::generate(random);
            prop_assert_eq!(voucher.to_string().parse::<VoucherCode>(), Ok(voucher));
        }

        /// Distinct draws below 31¹¹ never meet: all of the drawn bits are in the code.
        #[test]
        fn small_draws_never_collide(a in 0_u64..(1 << 54), b in 0_u64..(1 << 54)) {
            let generate = |draw: u64| ReferralCode::generate(draw.to_be_bytes());
            prop_assert_eq!(generate(a) == generate(b), a == b);
        }
    }
}
