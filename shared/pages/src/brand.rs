//! What makes a page look and read like one program's own.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Whose page it is. The default is nobody's: no name, the usual colour, English.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Brand<'a> {
    /// The name over the page, if it belongs to a program.
    pub name: Option<&'a str>,
    /// The colour of buttons and of what is chosen; without one, the usual one in a light and a dark shade.
    pub accent: Option<Accent>,
    /// The language of the page.
    pub language: Language,
}

impl<'a> Brand<'a> {
    /// A program's page in the usual colour, in English.
    #[must_use]
    pub fn of(name: &'a str) -> Self {
        Self {
            name: Some(name),
            ..Self::default()
        }
    }

    /// The name as it stands in sentences; `this shop` where there is none.
    pub(crate) fn spoken(&self) -> &'a str {
        match (self.name, self.language) {
            (Some(name), _) => name,
            (None, Language::English) => "this shop",
        }
    }
}

/// A language that every page has a template for.
///
/// To add one: a variant here, a folder beside `templates/en`, and the arms the compiler asks for.
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

    /// The language's tag.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
        }
    }

    pub(crate) fn instant(self, at: Timestamp) -> Instant {
        let format = match self {
            Self::English => "%-d %B %Y, %H:%M UTC",
        };
        let zoned = at.to_zoned(TimeZone::UTC);
        Instant {
            machine: format!("{at:.0}"),
            people: zoned.strftime(format).to_string(),
        }
    }
}

/// One instant, for programs and for people.
pub(crate) struct Instant {
    pub(crate) machine: String,
    pub(crate) people: String,
}

/// A colour, and the one of black and white that is read better on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accent {
    red: u8,
    green: u8,
    blue: u8,
}

impl Accent {
    /// Reads `#rrggbb`; anything else is `None`.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#').filter(|rest| rest.len() == 6)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let [_, red, green, blue] = u32::from_str_radix(digits, 16).ok()?.to_be_bytes();
        Some(Self { red, green, blue })
    }

    /// The rule that puts the colour in place of the usual one.
    pub(crate) fn style(self) -> String {
        let Self { red, green, blue } = self;
        let on_accent = if self.is_light() { "#000" } else { "#fff" };
        format!(":root{{--accent:#{red:02x}{green:02x}{blue:02x};--on-accent:{on_accent}}}")
    }

    /// Whether black has more contrast with it than white: relative luminance over 0.179, with the gamma curve
    /// taken as a square, which decides alike but for colours where it hardly matters.
    fn is_light(self) -> bool {
        let squared = |channel: u8| u32::from(channel).saturating_mul(u32::from(channel));
        let luminance = squared(self.red)
            .saturating_mul(2_126)
            .saturating_add(squared(self.green).saturating_mul(7_152))
            .saturating_add(squared(self.blue).saturating_mul(722));
        luminance > 116_394_750
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn style(text: &str) -> Option<String> {
        Accent::from_hex(text).map(Accent::style)
    }

    #[test]
    fn text_on_a_colour_can_be_read() {
        for (colour, on) in [
            ("#000000", "#fff"),
            ("#0f766e", "#fff"),
            ("#1d4ed8", "#fff"),
            ("#7f1d1d", "#fff"),
            ("#ffffff", "#000"),
            ("#ffd400", "#000"),
            ("#5eead4", "#000"),
            ("#ff0000", "#000"),
        ] {
            assert_eq!(
                style(colour),
                Some(format!(":root{{--accent:{colour};--on-accent:{on}}}"))
            );
        }
    }

    /// The colour ends up in a style sheet, where anything could follow it.
    #[test]
    fn nothing_but_a_colour_is_a_colour() {
        for text in [
            "",
            "#fff",
            "red",
            "#12345g",
            "#+12345",
            "#1234567",
            "0f766e0",
            "#0f766e;}",
            "#äöü",
        ] {
            assert_eq!(style(text), None, "{text}");
        }
        assert_eq!(style("#0F766E"), style("#0f766e"));
    }
}
