//! How words, names, money and dates are written in mails.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The longest first name that is greeted by.
const FIRST_NAME_CHARS_MAX: usize = 40;

/// A language that every message has templates for.
///
/// To add one: a variant here, a folder beside each `en` under `templates/`, and the arms the compiler asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// English.
    #[default]
    English,
}

impl Language {
    /// The closest language there are templates for: today always English.
    #[must_use]
    pub fn of_locale(locale: Option<&str>) -> Self {
        let primary = locale.unwrap_or_default().split(['-', '_']).next();
        match primary.map(str::to_ascii_lowercase).as_deref() {
            Some("en") => Self::English,
            None | Some(_) => Self::default(),
        }
    }

    /// The language's tag, for `lang` attributes.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
        }
    }

    /// `31 December 2026, 23:59 UTC`.
    pub(crate) fn instant(self, at: Timestamp) -> String {
        match self {
            Self::English => at
                .to_zoned(TimeZone::UTC)
                .strftime("%-d %B %Y, %H:%M UTC")
                .to_string(),
        }
    }

    /// `12.5%` of 1250 basis points.
    pub(crate) fn percent(self, basis_points: u32) -> String {
        let whole = basis_points / 100;
        let text = match basis_points % 100 {
            0 => format!("{whole}"),
            part if part.is_multiple_of(10) => format!("{whole}.{}", part / 10),
            part => format!("{whole}.{part:02}"),
        };
        match self {
            Self::English => format!("{text}%"),
        }
    }

    /// Digits in groups of three: `1,200`.
    pub(crate) fn grouped(self, number: u64) -> String {
        let separator = match self {
            Self::English => ',',
        };
        let digits = number.to_string();
        let mut text = String::with_capacity(digits.len().saturating_mul(2));
        for (index, digit) in digits.chars().enumerate() {
            let left = digits.len().saturating_sub(index);
            if index > 0 && left.is_multiple_of(3) {
                text.push(separator);
            }
            text.push(digit);
        }
        text
    }
}

/// An amount as people read it: `5.00 EUR`, `1,200 JPY`, `-0.05 EUR`.
///
/// `minor` is in the currency's minor unit; `None` when `currency` is not a code of ISO 4217.
#[must_use]
pub fn money(minor: i64, currency: &str, language: Language) -> Option<String> {
    let known = iso_currency::Currency::from_code(currency)?;
    let digits = usize::from(known.exponent().unwrap_or(0));
    let unit = 10_u64.checked_pow(u32::try_from(digits).ok()?)?;
    let amount = minor.unsigned_abs();
    let sign = if minor < 0 { "-" } else { "" };
    let whole = language.grouped(amount.checked_div(unit)?);
    let code = known.code();
    if digits == 0 {
        return Some(format!("{sign}{whole} {code}"));
    }
    let point = match language {
        Language::English => '.',
    };
    let part = amount.checked_rem(unit)?;
    Some(format!("{sign}{whole}{point}{part:0digits$} {code}"))
}

/// The text on one line: control characters, and the marks that turn the direction of what follows,
/// are gone; runs of white space are one space.
pub(crate) fn one_line(text: &str) -> String {
    let spaced: String = text
        .chars()
        .filter(|c| !turns_direction(*c))
        .map(|c| {
            if c.is_control() || c.is_whitespace() {
                ' '
            } else {
                c
            }
        })
        .collect();
    spaced
        .split(' ')
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Embeddings, overrides and isolates. The letters of Arabic or Hebrew turn the direction by themselves and need none.
fn turns_direction(c: char) -> bool {
    matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// The name to greet by, if it can be one. Shops pass on what people typed: what looks like an address of the web
/// or of mail would make our mail the carrier of somebody's advertisement, and is left out.
pub(crate) fn greeted_name(first_name: Option<&str>) -> Option<String> {
    let name = one_line(first_name?);
    let chars = name.chars().count();
    let letters = name.chars().any(char::is_alphabetic);
    let mut after_dot = name.split('.').skip(1);
    let dotted = after_dot.any(|rest| rest.starts_with(|c: char| c.is_alphanumeric()));
    let refers = name.contains(['/', '@', '\\']) || name.to_lowercase().contains("www") || dotted;
    (letters && chars <= FIRST_NAME_CHARS_MAX && !refers).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_has_the_digits_of_its_currency() {
        let cases = [
            (500, "EUR", "5.00 EUR"),
            (5, "EUR", "0.05 EUR"),
            (0, "USD", "0.00 USD"),
            (-5, "EUR", "-0.05 EUR"),
            (1_200, "JPY", "1,200 JPY"),
            (1_234_567, "KWD", "1,234.567 KWD"),
            (123_456_789, "EUR", "1,234,567.89 EUR"),
            (1_000_000_000_000_000, "EUR", "10,000,000,000,000.00 EUR"),
            (12_345, "CLF", "1.2345 CLF"),
            (i64::MIN, "EUR", "-92,233,720,368,547,758.08 EUR"),
            (7, "XAU", "7 XAU"),
        ];
        for (minor, currency, expected) in cases {
            assert_eq!(
                money(minor, currency, Language::English).as_deref(),
                Some(expected)
            );
        }
        assert_eq!(money(1, "EURO", Language::English), None);
        assert_eq!(money(1, "", Language::English), None);
    }

    #[test]
    fn percentages_have_no_needless_zeros() {
        let cases = [
            (1_000, "10%"),
            (1_250, "12.5%"),
            (1_205, "12.05%"),
            (5, "0.05%"),
            (10_000, "100%"),
        ];
        for (basis_points, expected) in cases {
            assert_eq!(Language::English.percent(basis_points), expected);
        }
    }

    #[test]
    fn unknown_locales_are_written_to_in_english() {
        for locale in [
            None,
            Some("en-GB"),
            Some("EN"),
            Some("de-DE"),
            Some(""),
            Some("xx_YY"),
        ] {
            assert_eq!(Language::of_locale(locale), Language::English);
        }
    }

    #[test]
    fn names_are_one_line_and_turn_nothing_round() {
        assert_eq!(
            one_line(" Ann\r\nBcc: x\t\u{85}y\u{2028}z "),
            "Ann Bcc: x y z"
        );
        assert_eq!(
            one_line("\u{202E}gro.live\u{202C} \u{2067}x\u{2069}"),
            "gro.live x"
        );
        assert_eq!(one_line("مخبز \u{200D}الورد"), "مخبز \u{200D}الورد");
    }

    /// A first name is what a stranger typed at a shop: it must not become an advertisement we deliver.
    #[test]
    fn only_what_may_be_a_name_is_greeted() {
        for name in [
            "Ann",
            "Ann-Marie",
            "J. R.",
            "Zoë",
            "李",
            "عائشة",
            "O'Neil",
            "Ann <b>",
        ] {
            assert_eq!(greeted_name(Some(name)).as_deref(), Some(name));
        }
        for name in [
            "",
            "  ",
            "42",
            "https://evil.example",
            "win.evil.example",
            "www evil",
            "eve@example.com",
            "\r\n",
        ] {
            assert_eq!(greeted_name(Some(name)), None, "{name}");
        }
        assert_eq!(greeted_name(Some(&"a".repeat(41))), None);
        assert_eq!(greeted_name(None), None);
    }
}
