//! Through which channel a link was shared.

use std::fmt;
use std::str::FromStr;

use crate::words::Vocabulary;

macro_rules! channels {
    ($($(#[$doc:meta])* $name:ident $text:literal $byte:literal;)*) => {
        /// The channel named by a link's `ch`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
        pub enum Channel {
            $($(#[$doc])* $name,)*
        }

        impl Channel {
            /// The word in links, keys and JSON.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The byte in click tokens; never given to another channel.
            #[must_use]
            pub fn to_byte(self) -> u8 {
                match self { $(Self::$name => $byte,)* }
            }

            /// The channel of a token's byte; one made by a later version counts as `other`.
            #[must_use]
            pub fn from_byte(byte: u8) -> Self {
                match byte { $($byte => Self::$name,)* _ => Self::Other }
            }
        }

        impl Vocabulary for Channel {
            fn words() -> &'static [&'static str] {
                &[$($text,)*]
            }
        }

        impl FromStr for Channel {
            type Err = UnknownChannel;

            fn from_str(text: &str) -> Result<Self, UnknownChannel> {
                match text { $($text => Ok(Self::$name),)* _ => Err(UnknownChannel) }
            }
        }
    };
}

channels! {
    /// A bare link: the default.
    #[default]
    Link "link" 0;
    /// Mail.
    Email "email" 1;
    /// WhatsApp.
    Whatsapp "whatsapp" 2;
    /// Text message.
    Sms "sms" 3;
    /// Facebook.
    Facebook "facebook" 4;
    /// X, once Twitter.
    X "x" 5;
    /// LinkedIn.
    Linkedin "linkedin" 6;
    /// A printed or shown QR code.
    Qr "qr" 7;
    /// The shop's own app.
    App "app" 8;
    /// Anything else.
    Other "other" 9;
}

/// The text names no channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be one of link, email, whatsapp, sms, facebook, x, linkedin, qr, app, other")]
pub struct UnknownChannel;

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
