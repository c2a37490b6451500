//! Bounded text: the only shapes in which words from outside go further than the door.
//!
//! Everything is compared byte by byte, without Unicode normalisation: two spellings of `é` are two texts. A name is
//! only ever shown, and a natural key comes from the same system every time, so normalising would only hide from the
//! caller what was stored.

use std::fmt;
use std::str::FromStr;

/// Declares a text type whose `FromStr` is `$parse: fn(&str) -> Result<Box<str>, TextError>`.
macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, $parse:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// The text as it is stored and shown.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = TextError;

            fn from_str(text: &str) -> Result<Self, TextError> {
                $parse(text).map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = TextError;

            fn try_from(text: String) -> Result<Self, TextError> {
                text.parse()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

mod country;
mod metadata;

pub use country::CountryCode;
pub use metadata::{
    METADATA_ENTRIES_MAX, METADATA_KEY_BYTES_MAX, METADATA_TEXT_CHARS_MAX, Metadata, MetadataKey,
    MetadataValue,
};

/// Longest [`ExternalId`], in bytes of UTF-8.
pub const EXTERNAL_ID_BYTES_MAX: usize = 200;
/// Longest [`EventName`], in bytes.
pub const EVENT_NAME_BYTES_MAX: usize = 64;
/// Longest [`Name`], in characters.
pub const NAME_CHARS_MAX: usize = 200;
/// Longest [`Comment`], in characters.
pub const COMMENT_CHARS_MAX: usize = 2_000;
/// Longest [`Locale`], in bytes (RFC 5646, section 4.4.1, recommends room for 35).
pub const LOCALE_BYTES_MAX: usize = 35;
/// Longest [`Slug`], in bytes.
pub const SLUG_BYTES_MAX: usize = 64;

/// Why a text is not what it should be. Each message says what to change and repeats nothing of what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TextError {
    /// Nothing, or only white space.
    #[error("must not be empty")]
    Empty,
    /// More bytes of UTF-8 than the bound.
    #[error("must be at most {max} bytes of UTF-8")]
    TooManyBytes {
        /// The bound.
        max: usize,
    },
    /// More characters than the bound.
    #[error("must be at most {max} characters")]
    TooManyCharacters {
        /// The bound.
        max: usize,
    },
    /// Control characters, invisible ones, and those that turn the direction of the text around them.
    #[error("must not contain control, invisible or text-direction characters")]
    Unprintable,
    /// White space at an end makes two ids of what people read as one.
    #[error("must not begin or end with white space")]
    OuterSpace,
    /// A person's id that holds an `@`.
    #[error(
        "must not be a mail address; use your own customer id here and send the address as `email`"
    )]
    MailAddress,
    /// `"0"` as a person's id: nearly always a missing id that was converted to text, shared by many people.
    #[error("must not be \"0\"; use your own customer id")]
    Zero,
    /// Not an [`EventName`].
    #[error("must be 1 to 64 of a-z, 0-9, `_`, `-`, `.` and begin with a letter")]
    EventName,
    /// Not a [`Slug`].
    #[error("must be 1 to 64 of a-z, 0-9, `-`, `_`")]
    Slug,
    /// Not a [`MetadataKey`].
    #[error("must be 1 to 40 of A-Z, a-z, 0-9, `_`, `-`, `.`")]
    MetadataKey,
    /// Not a [`Locale`].
    #[error("must be a language tag such as `en` or `en-GB`")]
    Locale,
    /// Not a [`CountryCode`].
    #[error(
        "must be a country code of ISO 3166-1 alpha-2, such as `DE` (the United Kingdom is `GB`)"
    )]
    CountryCode,
    /// More entries than [`METADATA_ENTRIES_MAX`].
    #[error("must have at most {METADATA_ENTRIES_MAX} entries")]
    TooManyEntries,
}

text_type! {
    /// The shop's own id of something: an order, a redemption, or a person (see [`ExternalId::of_person`]).
    ///
    /// 1 to 200 bytes of visible text, kept and compared exactly. It may contain `#`: in a table key it is always the
    /// last part, and nothing that may stand before it can.
    ExternalId, external_id
}

impl ExternalId {
    /// Reads the id of a person, which must survive the person's erasure without naming them: anything with an `@` is
    /// taken for a mail address and refused. `"0"` is refused too, because it is what a missing id looks like.
    ///
    /// # Errors
    /// `MailAddress`, `Zero`, and whatever any [`ExternalId`] is refused for.
    pub fn of_person(text: &str) -> Result<Self, TextError> {
        let id: Self = text.parse()?;
        if text.contains('@') {
            return Err(TextError::MailAddress);
        }
        if text == "0" {
            return Err(TextError::Zero);
        }
        Ok(id)
    }
}

text_type! {
    /// What happened, in the shop's word: `signup`, `purchase`, `lead`, or a name of its own.
    ///
    /// 1 to 64 of `a-z 0-9 _ - .`, beginning with a letter; so it never contains `#`.
    EventName, event_name
}

impl EventName {
    /// The event of somebody becoming known to the shop.
    pub const SIGNUP: &str = "signup";
    /// The event of somebody paying.
    pub const PURCHASE: &str = "purchase";
    /// The event of somebody showing interest.
    pub const LEAD: &str = "lead";
}

text_type! {
    /// A name or other single line for people to read: a program, a person, a key, a reason.
    ///
    /// 1 to 200 characters, trimmed, without control or text-direction characters, which could make a mail or a list
    /// show something other than what is stored.
    Name, name
}

text_type! {
    /// What somebody wrote in a survey: at most 2,000 characters in several lines.
    ///
    /// People cannot be asked to find an invisible character, so those are dropped, line ends become `\n`, and the ends
    /// are trimmed.
    Comment, comment
}

impl Comment {
    /// Reads a field that may be left empty.
    ///
    /// # Errors
    /// `TooManyCharacters`.
    pub fn optional(text: &str) -> Result<Option<Self>, TextError> {
        match text.parse() {
            Ok(comment) => Ok(Some(comment)),
            Err(TextError::Empty) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

text_type! {
    /// The language somebody reads: a tag in the shape of BCP 47 (RFC 5646, section 2.1), such as `en` or `zh-Hant-TW`.
    ///
    /// Only the shape is checked, not the registry of subtags. Spelled as section 2.1.1 recommends: `EN-gb` is `en-GB`.
    Locale, locale
}

impl Locale {
    /// The language alone, in lower case: `en` of `en-GB`.
    #[must_use]
    pub fn language(&self) -> &str {
        self.0.split('-').next().unwrap_or_default()
    }
}

text_type! {
    /// A name the owner gives to an incentive or a survey: 1 to 64 of `a-z 0-9 - _`.
    Slug, slug
}

fn external_id(text: &str) -> Result<Box<str>, TextError> {
    if text.is_empty() {
        return Err(TextError::Empty);
    }
    if text.len() > EXTERNAL_ID_BYTES_MAX {
        return Err(TextError::TooManyBytes {
            max: EXTERNAL_ID_BYTES_MAX,
        });
    }
    if text.chars().any(is_unprintable) {
        return Err(TextError::Unprintable);
    }
    if text.trim() != text {
        return Err(TextError::OuterSpace);
    }
    Ok(text.into())
}

fn event_name(text: &str) -> Result<Box<str>, TextError> {
    let legal = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.');
    if !text.starts_with(|first: char| first.is_ascii_lowercase()) {
        return Err(TextError::EventName);
    }
    made_of(text, legal, EVENT_NAME_BYTES_MAX, TextError::EventName)
}

fn slug(text: &str) -> Result<Box<str>, TextError> {
    let legal = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    made_of(text, legal, SLUG_BYTES_MAX, TextError::Slug)
}

fn name(text: &str) -> Result<Box<str>, TextError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(TextError::Empty);
    }
    single_line(text, NAME_CHARS_MAX)?;
    Ok(text.into())
}

fn comment(text: &str) -> Result<Box<str>, TextError> {
    let lines = text.replace("\r\n", "\n").replace('\r', "\n");
    let kept: String = lines
        .chars()
        .filter(|&c| matches!(c, '\n' | '\t') || !is_unprintable(c))
        .collect();
    let kept = kept.trim();
    if kept.is_empty() {
        return Err(TextError::Empty);
    }
    if kept.chars().count() > COMMENT_CHARS_MAX {
        return Err(TextError::TooManyCharacters {
            max: COMMENT_CHARS_MAX,
        });
    }
    Ok(kept.into())
}

/// Checks the shape of a language tag and gives it the recommended case, subtag by subtag.
fn locale(text: &str) -> Result<Box<str>, TextError> {
    if text.len() > LOCALE_BYTES_MAX {
        return Err(TextError::Locale);
    }
    let mut spelled = text.to_ascii_lowercase();
    let mut at: usize = 0;
    let mut after_singleton = false;
    for (position, subtag) in text.split('-').enumerate() {
        let end = at.saturating_add(subtag.len());
        let legal = matches!(subtag.len(), 1..=8)
            && subtag.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let is_language =
            matches!(subtag.len(), 2..=8) && subtag.bytes().all(|byte| byte.is_ascii_alphabetic());
        if !legal || (position == 0 && !is_language) {
            return Err(TextError::Locale);
        }
        if position > 0 && !after_singleton {
            let upper_end = match subtag.len() {
                2 => end,
                4 => at.saturating_add(1),
                _ => at,
            };
            if let Some(capitals) = spelled.get_mut(at..upper_end) {
                capitals.make_ascii_uppercase();
            }
        }
        after_singleton = after_singleton || subtag.len() == 1;
        at = end.saturating_add(1);
    }
    if after_singleton
        && spelled
            .rsplit('-')
            .next()
            .is_some_and(|last| last.len() == 1)
    {
        return Err(TextError::Locale);
    }
    Ok(spelled.into())
}

/// Whether a character is shown as nothing, ends the line, or changes how its neighbours are shown. The joiners U+200C
/// and U+200D are not among them: Persian and emoji need them.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E001F}')
}

/// Checks that a text is one line of at most `max` characters.
fn single_line(text: &str, max: usize) -> Result<(), TextError> {
    if text.chars().count() > max {
        return Err(TextError::TooManyCharacters { max });
    }
    if text.chars().any(is_unprintable) {
        return Err(TextError::Unprintable);
    }
    Ok(())
}

/// Checks that a text is 1 to `max` bytes, each of them `legal`.
fn made_of(
    text: &str,
    legal: impl Fn(u8) -> bool,
    max: usize,
    error: TextError,
) -> Result<Box<str>, TextError> {
    if (1..=max).contains(&text.len()) && text.bytes().all(legal) {
        return Ok(text.into());
    }
    Err(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn external(text: &str) -> Result<ExternalId, TextError> {
        text.parse()
    }

    #[test]
    fn external_ids_keep_what_is_visible_and_refuse_the_rest() {
        for text in [
            "cust-42",
            "order#1001",
            "日本-7",
            "a b",
            "0",
            "ann@example.com",
            &"x".repeat(200),
        ] {
            assert_eq!(external(text).map(|id| id.to_string()), Ok(text.to_owned()));
        }
        let table = [
            ("", TextError::Empty),
            (" a", TextError::OuterSpace),
            ("a\u{a0}", TextError::OuterSpace),
            ("a\nb", TextError::Unprintable),
            ("a\0", TextError::Unprintable),
            ("a\u{202e}b", TextError::Unprintable),
            ("a\u{200b}b", TextError::Unprintable),
        ];
        for (text, error) in table {
            assert_eq!(external(text), Err(error), "{text:?}");
        }
        assert_eq!(
            external(&"é".repeat(101)),
            Err(TextError::TooManyBytes { max: 200 })
        );
    }

    /// A person's id stands in keys and events, which outlive the person's erasure.
    #[test]
    fn a_persons_id_is_never_a_mail_address_nor_a_missing_id() {
        assert_eq!(
            ExternalId::of_person("ann@example.com"),
            Err(TextError::MailAddress)
        );
        assert_eq!(ExternalId::of_person("0"), Err(TextError::Zero));
        assert_eq!(ExternalId::of_person(""), Err(TextError::Empty));
        assert_eq!(
            ExternalId::of_person("00").map(|id| id.to_string()),
            Ok("00".to_owned())
        );
    }

    #[test]
    fn event_names_and_slugs_have_small_alphabets() {
        for good in [
            "signup",
            "purchase",
            "lead",
            "trial.started",
            "a",
            "x-1_2",
            &"a".repeat(64),
        ] {
            assert!(good.parse::<EventName>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "1st",
            "-a",
            "Purchase",
            "a b",
            "a#b",
            "é",
            &"a".repeat(65),
        ] {
            assert_eq!(bad.parse::<EventName>(), Err(TextError::EventName), "{bad}");
        }
        for good in ["friend-10", "thank_you", "1", &"a".repeat(64)] {
            assert!(good.parse::<Slug>().is_ok(), "{good}");
        }
        for bad in ["", "Friend", "a.b", "a#b", "a/b", &"a".repeat(65)] {
            assert_eq!(bad.parse::<Slug>(), Err(TextError::Slug), "{bad}");
        }
    }

    #[test]
    fn names_are_trimmed_single_lines() {
        assert_eq!(
            "  Joe's Artisan Bakery "
                .parse::<Name>()
                .map(|n| n.to_string()),
            Ok("Joe's Artisan Bakery".to_owned())
        );
        assert!("می‌خواهم 👨‍👩‍👧".parse::<Name>().is_ok());
        assert!("é".repeat(200).parse::<Name>().is_ok());
        assert_eq!(
            "é".repeat(201).parse::<Name>(),
            Err(TextError::TooManyCharacters { max: 200 })
        );
        assert_eq!(" \t".parse::<Name>(), Err(TextError::Empty));
        for bad in [
            "a\r\nBcc: x",
            "a\u{202e}b",
            "a\u{2066}b",
            "a\u{2028}b",
            "a\u{7f}b",
            "a\u{85}b",
            "a\u{feff}b",
        ] {
            assert_eq!(bad.parse::<Name>(), Err(TextError::Unprintable), "{bad:?}");
        }
    }

    /// A form sends CRLF, and a comment pasted from elsewhere may hold anything: the person is not to blame.
    #[test]
    fn comments_are_cleaned_rather_than_refused() {
        let cleaned = |text: &str| text.parse::<Comment>().map(|comment| comment.to_string());
        assert_eq!(
            cleaned(" good\r\nbread\r\u{0}\u{202e}!\t"),
            Ok("good\nbread\n!".to_owned())
        );
        assert_eq!(cleaned(&"ü".repeat(2_000)), Ok("ü".repeat(2_000)));
        assert_eq!(
            cleaned(&"ü".repeat(2_001)),
            Err(TextError::TooManyCharacters { max: 2_000 })
        );
        assert_eq!(Comment::optional("\u{200b} \r\n"), Ok(None));
        assert_eq!(
            Comment::optional("fine").map(|c| c.map(|c| c.to_string())),
            Ok(Some("fine".to_owned()))
        );
    }

    #[test]
    fn locales_take_the_recommended_case() {
        let table = [
            ("en", "en"),
            ("EN-gb", "en-GB"),
            ("zh-hant-tw", "zh-Hant-TW"),
            ("es-419", "es-419"),
            ("sr-latn", "sr-Latn"),
            ("de-CH-1901", "de-CH-1901"),
            ("en-ca-x-CA", "en-CA-x-ca"),
            ("fil", "fil"),
        ];
        for (given, spelled) in table {
            assert_eq!(
                given.parse::<Locale>().map(|l| l.to_string()),
                Ok(spelled.to_owned()),
                "{given}"
            );
        }
        for bad in [
            "",
            "e",
            "en_GB",
            "en-",
            "-en",
            "en--GB",
            "12",
            "en GB",
            "ünïc",
            "en-abcdefghi",
            "en-x",
            &"en-".repeat(12),
        ] {
            assert_eq!(bad.parse::<Locale>(), Err(TextError::Locale), "{bad}");
        }
        assert_eq!(
            "pt-BR".parse::<Locale>().map(|l| l.language().to_owned()),
            Ok("pt".to_owned())
        );
    }

    proptest! {
        /// What was accepted once is stored, read back, and must be accepted as the same thing.
        #[test]
        fn accepted_text_reads_back_as_itself(text in "\\PC{0,220}|.{0,80}|[a-zA-Z0-9-]{1,36}") {
            fn check<T: FromStr + fmt::Display + PartialEq + fmt::Debug>(text: &str) {
                if let Ok(first) = text.parse::<T>() {
                    assert_eq!(first.to_string().parse::<T>().ok(), Some(first));
                }
            }
            check::<ExternalId>(&text);
            check::<EventName>(&text);
            check::<Name>(&text);
            check::<Comment>(&text);
            check::<Locale>(&text);
            check::<Slug>(&text);
            check::<CountryCode>(&text);
            check::<MetadataKey>(&text);
        }
    }
}
