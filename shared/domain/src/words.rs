//! Closed vocabularies: enumerations whose values have one word each, in code, keys and JSON alike.

/// The text is none of the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownWord {
    /// The words there are.
    pub known: &'static [&'static str],
}

impl std::fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "must be one of {}", self.known.join(", "))
    }
}

impl std::error::Error for UnknownWord {}

/// An enumeration whose words are known.
pub trait Vocabulary {
    /// The words, in the order in which they were declared.
    fn words() -> &'static [&'static str];
}

/// Declares an enumeration with a word for each value: `as_str`, `ALL`, `Display` and `FromStr`.
#[macro_export]
macro_rules! words {
    ($(#[$outer:meta])* pub enum $type:ident { $($(#[$doc:meta])* $name:ident = $word:literal,)* }) => {
        $(#[$outer])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $type { $($(#[$doc])* $name,)* }

        impl $type {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The word in the API and the table.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }

        impl $crate::words::Vocabulary for $type {
            fn words() -> &'static [&'static str] {
                &[$($word,)*]
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::words::UnknownWord;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($word => Ok(Self::$name),)*
                    _ => Err($crate::words::UnknownWord { known: &[$($word,)*] }),
                }
            }
        }
    };
}

pub use words;
