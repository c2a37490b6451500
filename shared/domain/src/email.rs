//! Mail addresses, and the keyed hash by which a person is found without keeping the address.

use std::fmt;
use std::str::FromStr;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::destination::host_name;

/// Longest [`EmailAddress`], in bytes (RFC 5321, section 4.5.3.1.3, less the angle brackets).
pub const EMAIL_BYTES_MAX: usize = 254;
/// Longest part before the `@`, in bytes (RFC 5321, section 4.5.3.1.1).
pub const EMAIL_LOCAL_BYTES_MAX: usize = 64;
/// Shortest [`IdentityKey`], in bytes.
pub const IDENTITY_KEY_BYTES_MIN: usize = 16;

/// The block of SHA-256, to which HMAC pads its key (RFC 2104, section 2).
const HMAC_BLOCK: usize = 64;
/// Bytes of the MAC that are kept: 128 bits, enough that two people of a program never meet.
const HASH_BYTES: usize = 16;
/// What separates the program from the address under the MAC; neither contains it.
const HASH_SEPARATOR: u8 = 0;

/// Why a text is not a mail address that we can send to. Never repeats the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum EmailError {
    /// Nothing, or only white space.
    #[error("must not be empty")]
    Empty,
    /// More than [`EMAIL_BYTES_MAX`].
    #[error("must be at most {EMAIL_BYTES_MAX} bytes")]
    TooLong,
    /// No `@`, or several.
    #[error("must be one mail address with one `@`, without a name, commas or angle brackets")]
    NotOneAt,
    /// A part before the `@` that is not a dot-atom (RFC 5322, section 3.2.3) of at most 64 bytes.
    #[error(
        "the part before the `@` must be 1 to 64 letters, digits, dots (not doubled) and !#$%&'*+-/=?^_`{{|}}~"
    )]
    Local,
    /// Letters outside ASCII before the `@`, which SES cannot deliver to: it does not support SMTPUTF8 (RFC 6531).
    #[error(
        "the part before the `@` must be plain ASCII; mail cannot be delivered to it otherwise"
    )]
    LocalNotAscii,
    /// Not a host name with at least one dot.
    #[error("the part after the `@` must be a full domain name, such as example.com")]
    Domain,
}

/// A mail address that can be sent to. Personal data: its `Debug` shows nothing of it.
///
/// Kept as it was given, trimmed. An international domain is kept too, and encoded for sending. Two addresses are equal
/// when they were given alike; whether they reach one person is the question of [`EmailAddress::hash`].
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EmailAddress {
    given: Box<str>,
    /// The part before the `@`, as given.
    local: Box<str>,
    /// The part after the `@` in lower-case ASCII (Punycode).
    domain: Box<str>,
}

impl EmailAddress {
    /// The address as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.given
    }

    /// The address as SES takes it: in ASCII, the domain in Punycode (RFC 3492).
    #[must_use]
    pub fn for_sending(&self) -> String {
        format!("{}@{}", self.local, self.domain)
    }

    /// One spelling for the many of one mailbox: lower case, without the part after `+`, and for Google's domains
    /// without dots and with `gmail.com` for `googlemail.com`. To be hashed, never to be sent to or stored.
    #[must_use]
    pub fn normalised(&self) -> String {
        let mut local = self.local.to_ascii_lowercase();
        // An address that begins with `+` has no other name; it stays whole.
        if let Some(plus) = local.find('+').filter(|&plus| plus > 0) {
            local.truncate(plus);
        }
        let domain = match &*self.domain {
            "gmail.com" | "googlemail.com" => {
                local.retain(|c| c != '.');
                "gmail.com"
            }
            other => other,
        };
        format!("{local}@{domain}")
    }

    /// The keyed hash of the normalised address within one program: HMAC-SHA256 (RFC 2104) of the program's id, a zero
    /// byte and the address, cut to 128 bits. The same person in two programs has two unrelated hashes.
    #[must_use]
    pub fn hash(&self, key: &IdentityKey, program_id: &str) -> EmailHash {
        let mut mac = Hmac::<Sha256>::new(&key.0.into());
        mac.update(program_id.as_bytes());
        mac.update(&[HASH_SEPARATOR]);
        mac.update(self.normalised().as_bytes());
        let bytes = mac.finalize().into_bytes();
        let mut cut = [0; HASH_BYTES];
        cut.iter_mut()
            .zip(bytes)
            .for_each(|(kept, byte)| *kept = byte);
        EmailHash(cut)
    }
}

impl FromStr for EmailAddress {
    type Err = EmailError;

    fn from_str(text: &str) -> Result<Self, EmailError> {
        let given = text.trim();
        if given.is_empty() {
            return Err(EmailError::Empty);
        }
        if given.len() > EMAIL_BYTES_MAX {
            return Err(EmailError::TooLong);
        }
        let (local, domain) = given.split_once('@').ok_or(EmailError::NotOneAt)?;
        if domain.contains('@') || given.contains(['<', '>', ',', ';']) {
            return Err(EmailError::NotOneAt);
        }
        check_local(local)?;
        let domain = ascii_domain(domain).ok_or(EmailError::Domain)?;
        let sent_bytes = local.len().saturating_add(domain.len()).saturating_add(1);
        if sent_bytes > EMAIL_BYTES_MAX {
            return Err(EmailError::TooLong);
        }
        Ok(Self {
            given: given.into(),
            local: local.into(),
            domain: domain.into(),
        })
    }
}

impl TryFrom<String> for EmailAddress {
    type Error = EmailError;

    fn try_from(text: String) -> Result<Self, EmailError> {
        text.parse()
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("EmailAddress(redacted)")
    }
}

/// The secret under which addresses are hashed. Without it a hash cannot be tested against guessed addresses.
#[derive(Clone)]
pub struct IdentityKey([u8; HMAC_BLOCK]);

/// The identity key is too short to keep anything secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the identity key must be at least {IDENTITY_KEY_BYTES_MIN} bytes")]
pub struct IdentityKeyTooShort;

impl TryFrom<&[u8]> for IdentityKey {
    type Error = IdentityKeyTooShort;

    /// Prepares a secret as HMAC does: hashed when longer than a block, then padded with zeros.
    fn try_from(secret: &[u8]) -> Result<Self, IdentityKeyTooShort> {
        if secret.len() < IDENTITY_KEY_BYTES_MIN {
            return Err(IdentityKeyTooShort);
        }
        let mut block = [0; HMAC_BLOCK];
        if secret.len() > HMAC_BLOCK {
            block
                .iter_mut()
                .zip(Sha256::digest(secret))
                .for_each(|(kept, byte)| *kept = byte);
        } else {
            block
                .iter_mut()
                .zip(secret)
                .for_each(|(kept, byte)| *kept = *byte);
        }
        Ok(Self(block))
    }
}

impl fmt::Debug for IdentityKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("IdentityKey(redacted)")
    }
}

/// What stands for a mail address in keys and comparisons: 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EmailHash([u8; HASH_BYTES]);

/// The text is not an [`EmailHash`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 32 lower-case hexadecimal digits")]
pub struct EmailHashError;

impl FromStr for EmailHash {
    type Err = EmailHashError;

    fn from_str(text: &str) -> Result<Self, EmailHashError> {
        let lower_hex = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != HASH_BYTES.saturating_mul(2) || !text.bytes().all(lower_hex) {
            return Err(EmailHashError);
        }
        let number = u128::from_str_radix(text, 16).map_err(|_| EmailHashError)?;
        Ok(Self(number.to_be_bytes()))
    }
}

impl fmt::Display for EmailHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for EmailHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "EmailHash({self})")
    }
}

/// Checks that the part before the `@` is a dot-atom. Quoted forms are legal but reach nobody.
fn check_local(local: &str) -> Result<(), EmailError> {
    if !local.is_ascii() {
        return Err(EmailError::LocalNotAscii);
    }
    let is_atext =
        |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
    let is_atom = |atom: &str| !atom.is_empty() && atom.bytes().all(is_atext);
    if local.len() > EMAIL_LOCAL_BYTES_MAX || !local.split('.').all(is_atom) {
        return Err(EmailError::Local);
    }
    Ok(())
}

/// The domain in lower-case ASCII, if it is a host name with a dot.
fn ascii_domain(domain: &str) -> Option<String> {
    host_name(domain).filter(|domain| domain.contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn email(text: &str) -> Result<EmailAddress, EmailError> {
        text.parse()
    }

    fn normalised(text: &str) -> Result<String, EmailError> {
        email(text).map(|address| address.normalised())
    }

    fn key(secret: &str) -> Result<IdentityKey, IdentityKeyTooShort> {
        IdentityKey::try_from(secret.as_bytes())
    }

    #[test]
    fn ordinary_addresses_are_kept_as_given() {
        for good in [
            "ann@example.com",
            "Ann.Smith+cakes@Example.COM",
            "o'hara@sub.example.co.uk",
            "x@1.example",
            "a_b-c@ex-ample.com",
            "user/dept=1@example.org",
            "ann@xn--bcher-kva.example",
            "ann@bücher.example",
            &format!("{}@example.com", "a".repeat(64)),
        ] {
            assert_eq!(
                email(good).map(|address| address.as_str().to_owned()),
                Ok(good.to_owned())
            );
        }
        assert_eq!(
            email(" ann@example.com\n").map(|a| a.as_str().to_owned()),
            Ok("ann@example.com".to_owned())
        );
    }

    #[test]
    fn what_cannot_be_sent_to_is_refused_with_its_reason() {
        let table = [
            ("", EmailError::Empty),
            ("  ", EmailError::Empty),
            ("ann", EmailError::NotOneAt),
            ("ann@b@example.com", EmailError::NotOneAt),
            ("Ann <ann@example.com>", EmailError::NotOneAt),
            ("ann@example.com,bob@example.com", EmailError::NotOneAt),
            ("ann@example.com;", EmailError::NotOneAt),
            ("@example.com", EmailError::Local),
            (".ann@example.com", EmailError::Local),
            ("ann.@example.com", EmailError::Local),
            ("an..n@example.com", EmailError::Local),
            ("an n@example.com", EmailError::Local),
            ("an\rn@example.com", EmailError::Local),
            ("\"an n\"@example.com", EmailError::Local),
            ("änn@example.com", EmailError::LocalNotAscii),
            ("ann@", EmailError::Domain),
            ("ann@localhost", EmailError::Domain),
            ("ann@example.com.", EmailError::Domain),
            ("ann@.example.com", EmailError::Domain),
            ("ann@example..com", EmailError::Domain),
            ("ann@-example.com", EmailError::Domain),
            ("ann@example-.com", EmailError::Domain),
            ("ann@exa mple.com", EmailError::Domain),
            ("ann@exa_mple.com", EmailError::Domain),
            ("ann@example.com\r\nBcc: x", EmailError::Domain),
            ("ann@127.0.0.1", EmailError::Domain),
            ("ann@[127.0.0.1]", EmailError::Domain),
            ("ann@0x7f.1", EmailError::Domain),
            ("ann@ex%61mple.com", EmailError::Domain),
            ("ann@example.com/x", EmailError::Domain),
            ("ann@example.com:25", EmailError::Domain),
        ];
        for (text, error) in table {
            assert_eq!(email(text), Err(error), "{text:?}");
        }
        assert_eq!(
            email(&format!("{}@example.com", "a".repeat(65))),
            Err(EmailError::Local)
        );
        assert_eq!(
            email(&format!("a@{}.com", "a".repeat(64))),
            Err(EmailError::Domain)
        );
        assert_eq!(
            email(&format!("a@{}com", "abc.".repeat(70))),
            Err(EmailError::TooLong)
        );
    }

    #[test]
    fn one_mailbox_has_one_normal_form() {
        let table = [
            (" Jon@Example.com ", "jon@example.com"),
            ("jon+cakes@example.com", "jon@example.com"),
            ("jon+a+b@example.com", "jon@example.com"),
            ("j.o.n@example.com", "j.o.n@example.com"),
            ("J.O.N+x@gmail.com", "jon@gmail.com"),
            ("j.on@GoogleMail.com", "jon@gmail.com"),
            ("+tag@example.com", "+tag@example.com"),
            ("ann@BÜCHER.example", "ann@xn--bcher-kva.example"),
            ("ann@xn--bcher-kva.example", "ann@xn--bcher-kva.example"),
        ];
        for (given, normal) in table {
            assert_eq!(normalised(given), Ok(normal.to_owned()), "{given}");
        }
    }

    #[test]
    fn international_domains_are_sent_in_punycode_with_the_local_part_untouched() {
        assert_eq!(
            email("Ann+x@Bücher.example").map(|a| a.for_sending()),
            Ok("Ann+x@xn--bcher-kva.example".to_owned())
        );
    }

    /// An address in a log line outlives every erasure.
    #[test]
    fn debug_shows_neither_address_nor_key() -> Result<(), Box<dyn std::error::Error>> {
        assert_eq!(
            format!("{:?}", email("ann@example.com")?),
            "EmailAddress(redacted)"
        );
        assert_eq!(
            format!("{:?}", key("a secret of 16 b")?),
            "IdentityKey(redacted)"
        );
        Ok(())
    }

    /// Vectors computed with another implementation of HMAC: the hash is stored, so it must never change.
    #[test]
    fn hashes_are_stable() -> Result<(), Box<dyn std::error::Error>> {
        let hash = |secret: &str,
                    program: &str,
                    address: &str|
         -> Result<String, Box<dyn std::error::Error>> {
            Ok(email(address)?.hash(&key(secret)?, program).to_string())
        };
        let short = "0123456789abcdef";
        let long = "0123456789abcdef".repeat(5);
        assert_eq!(
            hash(short, "prg_1", "J.on+x@googlemail.com")?,
            "3381b2d893875c249332019b8808bc5f"
        );
        assert_eq!(
            hash(short, "prg_2", "jon@gmail.com")?,
            "137b7bcfd75cee07691511622e8d1e3b"
        );
        assert_eq!(
            hash(&long, "prg_1", "jon@gmail.com")?,
            "1d015959de4c4f235c78cb23efac3a96"
        );
        assert_eq!(key("fifteen bytes !").err(), Some(IdentityKeyTooShort));
        Ok(())
    }

    #[test]
    fn only_lower_case_hexadecimal_is_a_hash() {
        for bad in [
            "",
            "0",
            &"g".repeat(32),
            &"A".repeat(32),
            &"+".repeat(32),
            &"a".repeat(33),
        ] {
            assert_eq!(bad.parse::<EmailHash>(), Err(EmailHashError));
        }
    }

    proptest! {
        #[test]
        fn hashes_read_back(bytes: [u8; 16]) {
            let hash = EmailHash(bytes);
            prop_assert_eq!(hash.to_string().parse(), Ok(hash));
        }

        /// What is accepted can be sent to, and what is sent to is the same mailbox.
        #[test]
        fn accepted_addresses_stay_accepted(text in "[a-zA-Z+.é]{1,8}@[a-zA-Zü.-]{1,10}|\\PC{0,30}") {
            if let Ok(address) = email(&text) {
                let sent = address.for_sending();
                prop_assert!(sent.is_ascii());
                prop_assert_eq!(normalised(&sent), Ok(address.normalised()));
            }
        }
    }
}
