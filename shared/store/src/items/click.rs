use jiff::Timestamp;
use kith_domain::audit::Actor;
use kith_domain::channel::Channel;
use kith_domain::code::ReferralCode;
use kith_domain::id::{ClickId, MailId, ParticipantId};
use serde::{Deserialize, Serialize};

use crate::item::{Entity, text, text_option};

/// A click. Nothing of the visitor is in it: not even the hash that its id was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClickItem {
    /// Its id.
    #[serde(with = "text")]
    pub id: ClickId,
    /// The code in the link.
    #[serde(with = "text")]
    pub code: ReferralCode,
    /// Whose code it was.
    #[serde(with = "text")]
    pub referrer_id: ParticipantId,
    /// When, on the program's clock.
    #[serde(with = "text")]
    pub at: Timestamp,
    /// Through which channel.
    #[serde(with = "text")]
    pub channel: Channel,
    /// From what kind of place.
    pub referer: String,
    /// The mail that the link stood in.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    pub mail_id: Option<MailId>,
    /// Whether the visitor asked not to be identified: then equal visits are not told apart.
    pub anonymous: bool,
    /// Who told of it; nobody, if a link was followed.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    pub recorded_by: Option<Actor>,
    /// When the table may drop it, in seconds of real time.
    pub expires_at: i64,
}

impl Entity for ClickItem {
    type Stored = Self;
    const KIND: &'static str = "click";

    fn to_stored(&self) -> Self {
        self.clone()
    }

    fn from_stored(stored: Self) -> Self {
        stored
    }
}

/// The random key of a day's visitor hashes. When it is gone, nobody can make them again.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VisitorKey {
    /// 32 random bytes, in hexadecimal.
    pub key: String,
    /// When the table drops it, in seconds of real time.
    pub expires_at: i64,
}

impl Entity for VisitorKey {
    type Stored = Self;
    const KIND: &'static str = "visitor_key";

    fn to_stored(&self) -> Self {
        self.clone()
    }

    fn from_stored(stored: Self) -> Self {
        stored
    }
}
