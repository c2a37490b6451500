//! Items: how domain values lie in the table.
//!
//! An item's struct names the attributes; renaming a field of the domain renames nothing here.
//! Leaf values that print and parse are kept as text.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Attributes of one item.
pub type Item = HashMap<String, AttributeValue>;

/// An item that does not hold what its key promises. Only a bug or a hand in the table makes one.
#[derive(Debug, thiserror::Error)]
#[error("an item is not as it should be: {0}")]
pub struct CorruptItem(pub String);

/// A value that has a place in the table.
pub trait Entity: Sized {
    /// What lies in the table.
    type Stored: Serialize + DeserializeOwned;
    /// What is kept in the attribute `kind`.
    const KIND: &'static str;

    /// The attributes of the value.
    fn to_stored(&self) -> Self::Stored;

    /// The value of the attributes.
    fn from_stored(stored: Self::Stored) -> Self;
}

/// The attributes of an entity, its kind among them.
///
/// # Errors
/// [`CorruptItem`], when it cannot be written.
pub fn write<T: Entity>(value: &T) -> Result<Item, CorruptItem> {
    let mut item: Item = serde_dynamo::aws_sdk_dynamodb_1::to_item(value.to_stored())
        .map_err(|error| CorruptItem(error.to_string()))?;
    item.insert("kind".to_owned(), AttributeValue::S(T::KIND.to_owned()));
    Ok(item)
}

/// The entity in an item.
///
/// # Errors
/// [`CorruptItem`], when the item is not one of its kind.
pub fn read<T: Entity>(item: Item) -> Result<T, CorruptItem> {
    let stored = serde_dynamo::aws_sdk_dynamodb_1::from_item(item)
        .map_err(|error| CorruptItem(format!("{}: {error}", T::KIND)))?;
    Ok(T::from_stored(stored))
}

/// Serde for values that print and parse.
pub mod text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes the printed form.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<T: Display, S: Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    /// Parses the printed form.
    ///
    /// # Errors
    /// When the text does not parse; the text itself is not repeated.
    pub fn deserialize<'de, T: FromStr, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse()
            .map_err(|_| D::Error::custom(format!("not a {}", std::any::type_name::<T>())))
    }
}

/// Serde for optional values that print and parse.
pub mod text_option {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes the printed form, or nothing.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<T: Display, S: Serializer>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => serializer.collect_str(value),
            None => serializer.serialize_none(),
        }
    }

    /// Parses the printed form, if there is one.
    ///
    /// # Errors
    /// When the text does not parse; the text itself is not repeated.
    pub fn deserialize<'de, T: FromStr, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        match Option::<String>::deserialize(deserializer)? {
            Some(text) => match text.parse() {
                Ok(value) => Ok(Some(value)),
                Err(_) => Err(D::Error::custom(format!(
                    "not a {}",
                    std::any::type_name::<T>()
                ))),
            },
            None => Ok(None),
        }
    }
}
