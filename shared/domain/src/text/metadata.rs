//! What a shop tells about a conversion beyond its own fields.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::{TextError, made_of, single_line};

/// Longest [`MetadataKey`], in bytes.
pub const METADATA_KEY_BYTES_MAX: usize = 40;
/// Longest text among [`MetadataValue`], in characters.
pub const METADATA_TEXT_CHARS_MAX: usize = 200;
/// Most entries in [`Metadata`].
pub const METADATA_ENTRIES_MAX: usize = 20;

text_type! {
    /// A key of a conversion's metadata: 1 to 40 of `A-Z a-z 0-9 _ - .`, told apart by case.
    MetadataKey, metadata_key
}

/// A value of a conversion's metadata. There are no fractions: what needs them is an amount or a text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum MetadataValue {
    /// At most 200 characters of one line; may be empty.
    Text(Box<str>),
    /// A whole number.
    Integer(i64),
    /// Yes or no.
    Boolean(bool),
}

impl MetadataValue {
    /// Checks a text for use as a value.
    ///
    /// # Errors
    /// `TooManyCharacters`, `Unprintable`.
    pub fn text(text: &str) -> Result<Self, TextError> {
        single_line(text, METADATA_TEXT_CHARS_MAX)?;
        Ok(Self::Text(text.into()))
    }
}

/// What the shop tells about a conversion for its own rules, in the order of the keys; at most 20 entries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata(BTreeMap<MetadataKey, MetadataValue>);

impl Metadata {
    /// The value under `key`.
    #[must_use]
    pub fn get(&self, key: &MetadataKey) -> Option<&MetadataValue> {
        self.0.get(key)
    }

    /// The entries in the order of their keys.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&MetadataKey, &MetadataValue)> {
        self.0.iter()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<BTreeMap<MetadataKey, MetadataValue>> for Metadata {
    type Error = TextError;

    fn try_from(entries: BTreeMap<MetadataKey, MetadataValue>) -> Result<Self, TextError> {
        if entries.len() > METADATA_ENTRIES_MAX {
            return Err(TextError::TooManyEntries);
        }
        Ok(Self(entries))
    }
}

fn metadata_key(text: &str) -> Result<Box<str>, TextError> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    made_of(text, legal, METADATA_KEY_BYTES_MAX, TextError::MetadataKey)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_a_small_alphabet() {
        for good in ["category", "Items", "shop.id", &"k".repeat(40)] {
            assert!(good.parse::<MetadataKey>().is_ok(), "{good}");
        }
        for bad in ["", "a b", "a#b", "ключ", &"k".repeat(41)] {
            assert_eq!(
                bad.parse::<MetadataKey>(),
                Err(TextError::MetadataKey),
                "{bad}"
            );
        }
    }

    #[test]
    fn metadata_is_bounded() {
        let entries = |count: usize| -> BTreeMap<MetadataKey, MetadataValue> {
            (0..count)
                .filter_map(|n| Some((format!("k{n}").parse().ok()?, MetadataValue::Integer(7))))
                .collect()
        };
        assert!(Metadata::try_from(entries(20)).is_ok_and(|metadata| metadata.iter().len() == 20));
        assert_eq!(
            Metadata::try_from(entries(21)),
            Err(TextError::TooManyEntries)
        );
        assert_eq!(MetadataValue::text(""), Ok(MetadataValue::Text("".into())));
        assert_eq!(MetadataValue::text("a\nb"), Err(TextError::Unprintable));
        assert!(MetadataValue::text(&"x".repeat(201)).is_err());
    }
}
