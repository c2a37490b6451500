//! Mail addresses and the names beside them, in the form a mail header takes.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::language::one_line;

/// The longest address a mail server takes.
const ADDRESS_BYTES_MAX: usize = 254;
/// The longest part before the `@`.
const LOCAL_BYTES_MAX: usize = 64;
/// The longest display name, in bytes of UTF-8. Encoded it still leaves room for the address in the 320
/// characters that SES takes as a sender.
const NAME_BYTES_MAX: usize = 90;
/// Bytes in one encoded word. Base64 makes 60 characters of them, within the 75 of RFC 2047.
const ENCODED_WORD_BYTES: usize = 45;

/// One mail address that can be written to. The domain is in its ASCII form.
///
/// Checked for what would break a mail, not for what exists: one `@`, no spaces, quotes or control
/// characters, a domain that reads as one. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(String);

/// Why a text is not an address that mail can be sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not one local part, one `@` and one domain, or signs that do not belong there.
    #[error("not a mail address")]
    Malformed,
    /// More than 254 bytes, or more than 64 before the `@`.
    #[error("the mail address is too long")]
    TooLong,
    /// A local part outside ASCII, which SES does not deliver to.
    #[error("mail to an address with such a local part cannot be sent")]
    LocalPartNotAscii,
}

impl Address {
    /// The address: `ann@example.com`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let text = text.trim_matches(' ');
        let (local, domain) = text.split_once('@').ok_or(AddressError::Malformed)?;
        if text.len() > ADDRESS_BYTES_MAX || local.len() > LOCAL_BYTES_MAX {
            return Err(AddressError::TooLong);
        }
        if !local.is_ascii() && !local.chars().any(char::is_control) {
            return Err(AddressError::LocalPartNotAscii);
        }
        let dots_well = !local.starts_with('.') && !local.ends_with('.') && !local.contains("..");
        if local.is_empty() || !local.bytes().all(is_local_byte) || !dots_well {
            return Err(AddressError::Malformed);
        }
        let domain = ascii_domain(domain)?;
        let address = format!("{local}@{domain}");
        if address.len() > ADDRESS_BYTES_MAX {
            return Err(AddressError::TooLong);
        }
        Ok(Self(address))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address(…)")
    }
}

/// What may stand before the `@` without quotes (RFC 5322 `atext`, and the dot).
fn is_local_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

/// The domain in its ASCII form: `bücher.example` becomes `xn--bcher-kva.example`.
fn ascii_domain(domain: &str) -> Result<String, AddressError> {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.') || !c.is_ascii();
    if domain.is_empty() || !domain.chars().all(plain) {
        return Err(AddressError::Malformed);
    }
    match url::Host::parse(domain) {
        Ok(url::Host::Domain(ascii)) if is_domain(&ascii) => Ok(ascii),
        Ok(url::Host::Domain(_) | url::Host::Ipv4(_) | url::Host::Ipv6(_)) | Err(_) => {
            Err(AddressError::Malformed)
        }
    }
}

/// Two labels at least, each of letters, digits and inner hyphens.
fn is_domain(ascii: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    ascii.contains('.') && ascii.split('.').all(label)
}

/// An address with the name that mail programs show beside it: `"Joe's Bakery" <refer@example.com>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    name: Option<String>,
    address: Address,
}

impl Mailbox {
    /// The same address under another name. The name is cleaned of line breaks and other control
    /// characters and cut at 90 bytes; an empty one means none.
    #[must_use]
    pub fn named(&self, name: &str) -> Self {
        Self {
            name: display_name(name),
            address: self.address.clone(),
        }
    }

    /// The address alone.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The name, if there is one, as people read it.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The value of a `From` header: the name quoted, or encoded where it is not ASCII.
    #[must_use]
    pub fn to_header(&self) -> String {
        match &self.name {
            None => self.address.as_str().to_owned(),
            Some(name) if name.is_ascii() => {
                let quoted = name.replace('\\', "\\\\").replace('"', "\\\"");
                format!("\"{quoted}\" <{}>", self.address.as_str())
            }
            Some(name) => format!("{} <{}>", encoded_words(name), self.address.as_str()),
        }
    }
}

/// Reads `refer@example.com`, `Kith <refer@example.com>` or `"Kith" <refer@example.com>`.
impl FromStr for Mailbox {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        let Some(inner) = text.strip_suffix('>') else {
            return Ok(Self {
                name: None,
                address: text.parse()?,
            });
        };
        let (name, address) = inner.rsplit_once('<').ok_or(AddressError::Malformed)?;
        Ok(Self {
            name: display_name(name.trim().trim_matches('"')),
            address: address.parse()?,
        })
    }
}

fn display_name(name: &str) -> Option<String> {
    let clean = one_line(name);
    let cut = cut_at(&clean, NAME_BYTES_MAX).trim_end();
    (!cut.is_empty()).then(|| cut.to_owned())
}

/// The longest beginning of at most `bytes_max` bytes that does not split a character.
pub(crate) fn cut_at(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max))
        .unwrap_or(text)
}

/// RFC 2047: words of at most 75 characters, none of which splits a character.
fn encoded_words(name: &str) -> String {
    let mut words = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let word = cut_at(rest, ENCODED_WORD_BYTES);
        words.push(format!("=?UTF-8?B?{}?=", STANDARD.encode(word)));
        rest = rest.strip_prefix(word).unwrap_or_default();
    }
    words.join(" ")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn ordinary_addresses_are_taken_as_they_are() {
        for text in [
            "ann@example.com",
            "Ann.O'Hara+shop@mail.example.co.uk",
            "a@b.example",
            "x_1@1.example",
        ] {
            assert_eq!(
                text.parse::<Address>()
                    .map(|a| a.as_str().to_owned())
                    .as_deref(),
                Ok(text)
            );
        }
    }

    /// SES takes a domain in its ASCII form only.
    #[test]
    fn a_domain_outside_ascii_is_written_in_punycode() {
        let address: Address = "ann@bücher.example".parse().unwrap();
        assert_eq!(address.as_str(), "ann@xn--bcher-kva.example");
    }

    /// Whoever can put a line break or a second recipient into an address can send mail of their own.
    #[test]
    fn what_would_break_out_of_a_header_is_not_an_address() {
        for text in [
            "",
            "ann",
            "@example.com",
            "ann@",
            "ann@localhost",
            "a b@example.com",
            "ann@exa mple.com",
            "ann@example.com\r\nBcc: eve@example.com",
            "ann\n@example.com",
            "ann@example.com, eve@example.com",
            "ann@example.com;eve@example.com",
            "\"ann\"@example.com",
            "<ann@example.com>",
            "ann@@example.com",
            "ann@example..com",
            "ann@-a.example",
            "ann@127.0.0.1",
            "ann@[::1]",
            ".ann@example.com",
            "a..b@example.com",
            "ann@example.com\0",
            "ann@example.com%0d%0a",
        ] {
            assert_eq!(
                text.parse::<Address>(),
                Err(AddressError::Malformed),
                "{text:?}"
            );
        }
        assert_eq!(
            "ännchen@example.com".parse::<Address>(),
            Err(AddressError::LocalPartNotAscii)
        );
        let long = format!("{}@example.com", "a".repeat(65));
        assert_eq!(long.parse::<Address>(), Err(AddressError::TooLong));
        let long = format!("a@{}example.com", "a.".repeat(130));
        assert_eq!(long.parse::<Address>(), Err(AddressError::TooLong));
    }

    #[test]
    fn a_sender_may_carry_a_name() {
        let plain: Mailbox = "refer@example.com".parse().unwrap();
        assert_eq!(plain.to_header(), "refer@example.com");
        for text in ["Kith <refer@example.com>", "\"Kith\" <refer@example.com>"] {
            let named: Mailbox = text.parse().unwrap();
            assert_eq!(named.to_header(), "\"Kith\" <refer@example.com>");
        }
        assert!("Kith <refer@example.com".parse::<Mailbox>().is_err());
        assert!("Kith refer@example.com>".parse::<Mailbox>().is_err());
    }

    #[test]
    fn display_names_are_quoted_and_cannot_leave_the_quotes() {
        let sender: Mailbox = "refer@example.com".parse().unwrap();
        let header = |name: &str| sender.named(name).to_header();
        assert_eq!(
            header("Joe's Artisan Bakery"),
            "\"Joe's Artisan Bakery\" <refer@example.com>"
        );
        assert_eq!(
            header("A \"B\" \\ C"),
            "\"A \\\"B\\\" \\\\ C\" <refer@example.com>"
        );
        assert_eq!(
            header("Joe\r\nBcc: eve@example.com"),
            "\"Joe Bcc: eve@example.com\" <refer@example.com>"
        );
        assert_eq!(header(" \t\r\n "), "refer@example.com");
    }

    #[test]
    fn display_names_outside_ascii_become_encoded_words() {
        let sender: Mailbox = "refer@example.com".parse().unwrap();
        assert_eq!(
            sender.named("Bäckerei").to_header(),
            "=?UTF-8?B?QsOkY2tlcmVp?= <refer@example.com>"
        );
        let long = sender.named(&"パン屋".repeat(30)).to_header();
        assert!(long.is_ascii() && long.len() <= 320, "{long}");
        for word in long.split(' ').filter(|word| word.starts_with("=?")) {
            assert!(word.len() <= 75, "{word}");
            let text = word
                .strip_prefix("=?UTF-8?B?")
                .unwrap()
                .strip_suffix("?=")
                .unwrap();
            assert!(String::from_utf8(STANDARD.decode(text).unwrap()).is_ok());
        }
    }

    #[test]
    fn debug_shows_no_address() {
        let mailbox: Mailbox = "Kith <refer@example.com>".parse().unwrap();
        assert!(!format!("{mailbox:?}").contains("refer@"));
    }
}
