use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use kith_domain::api_key::{KeyHash, KeyLife, Scope};
use kith_domain::id::{
    ApiKeyId, LedgerId, MailId, ParticipantId, ProgramId, RewardId, SurveyId, WebhookId,
};
use kith_domain::ledger::{Account, LedgerReason, Line};
use kith_domain::mode::Mode;
use kith_domain::money::Unit;
use kith_domain::text::Name;
use kith_domain::words::words;
use serde::{Deserialize, Serialize};

use crate::item::{Entity, Item, text, text_option};

macro_rules! stored_as_itself {
    ($type:ty, $kind:literal) => {
        impl Entity for $type {
            type Stored = Self;
            const KIND: &'static str = $kind;

            fn to_stored(&self) -> Self {
                self.clone()
            }

            fn from_stored(stored: Self) -> Self {
                stored
            }
        }
    };
}

/// An API key: everything but the secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ApiKey {
    /// Its id, which stands in the key too.
    #[serde(with = "text")]
    pub id: ApiKeyId,
    /// What the operator calls it.
    #[serde(with = "text")]
    pub name: Name,
    /// The only mode it reaches.
    #[serde(with = "text")]
    pub mode: Mode,
    /// The only program it reaches; none for an operator's key.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    pub program_id: Option<ProgramId>,
    /// What it may do.
    pub scopes: Vec<ScopeItem>,
    /// Whether browsers may hold it.
    pub publishable: bool,
    /// SHA-256 of the whole key.
    pub hash: HashItem,
    /// When it was made.
    #[serde(with = "text")]
    pub created_at: Timestamp,
    /// By whom: a key's id, or the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// From when on it is good no more.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    pub ends_at: Option<Timestamp>,
    /// When it was taken back.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    pub revoked_at: Option<Timestamp>,
    /// The key whose place it took.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    pub replaces: Option<ApiKeyId>,
    /// The key that took its place.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    pub replaced_by: Option<ApiKeyId>,
    /// The most calls a minute, if not as many as every key has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
    /// When the table may drop it, in seconds of real time: long after it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
}

impl ApiKey {
    /// What ends it.
    #[must_use]
    pub fn life(&self) -> KeyLife {
        KeyLife {
            ends_at: self.ends_at,
            revoked_at: self.revoked_at,
            replaced_by: self.replaced_by,
        }
    }
}

stored_as_itself!(ApiKey, "api_key");

/// How much something was used: the level of its bucket, and the hour of the last use.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Use {
    /// Until when what was taken out of the bucket lasts, in microseconds.
    pub level: i64,
    /// The hour in which it was used last.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    pub used_at: Option<Timestamp>,
    /// When the table may drop it, in seconds of real time.
    pub expires_at: i64,
}

stored_as_itself!(Use, "use");

/// A scope, as its word.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ScopeItem(#[serde(with = "text")] pub Scope);

/// A key's hash, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct HashItem(pub KeyHash);

impl Serialize for HashItem {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0.to_bytes())
    }
}

impl<'de> Deserialize<'de> for HashItem {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = serde_dynamo_bytes(deserializer)?;
        let bytes: [u8; 32] = bytes
            .try_into()
            .map_err(|_| serde::de::Error::custom("a key's hash has 32 bytes"))?;
        Ok(Self(KeyHash::from_bytes(bytes)))
    }
}

fn serde_dynamo_bytes<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<u8>, D::Error> {
    struct Bytes;
    impl serde::de::Visitor<'_> for Bytes {
        type Value = Vec<u8>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("bytes")
        }
        fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            Ok(bytes.to_vec())
        }
        fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
            Ok(bytes)
        }
    }
    deserializer.deserialize_byte_buf(Bytes)
}

/// When a person was last asked by a survey rule.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Asked {
    /// On the program's clock.
    #[serde(with = "text")]
    pub at: Timestamp,
    /// By which survey.
    #[serde(with = "text")]
    pub survey_id: SurveyId,
    /// Counts writes; guards every change.
    pub version: u64,
}

stored_as_itself!(Asked, "asked");

/// A mail address that gets no more mail from a program.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Suppression {
    /// Since when.
    #[serde(with = "text")]
    pub since: Timestamp,
    /// Why: `unsubscribed`, `bounce`, `complaint`.
    pub reason: String,
}

stored_as_itself!(Suppression, "suppression");

words! {
    /// Where a mail is.
    pub enum MailState {
        /// Surely not sent yet: waits for its next attempt.
        Waiting = "waiting",
        /// Being handed to the provider: at most one worker gets here.
        Sending = "sending",
        /// Handed over.
        Sent = "sent",
        /// Recorded for a test program.
        Recorded = "recorded",
        /// Not sent: nobody to send it to, or they do not want it.
        Skipped = "skipped",
        /// The provider refused it.
        Failed = "failed",
        /// Whether it was sent is not known. It is never sent again.
        Unknown = "unknown",
    }
}

/// What a mail tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum MailAbout {
    /// A reward that was issued, its beneficiary.
    Reward {
        /// The reward.
        #[serde(with = "text")]
        reward_id: RewardId,
        /// The beneficiary.
        #[serde(with = "text")]
        participant_id: ParticipantId,
    },
    /// An endpoint of webhooks that was disabled, the owner.
    Webhook {
        /// The endpoint.
        #[serde(with = "text")]
        webhook_id: WebhookId,
    },
}

/// What is known of a mail that was, or is being, sent. No address and no text.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MailRecord {
    /// Derived from the fact it tells of: a repetition meets it.
    #[serde(with = "text")]
    pub id: MailId,
    /// The program.
    #[serde(with = "text")]
    pub program_id: ProgramId,
    /// What it tells, and so to whom.
    #[serde(flatten)]
    pub about: MailAbout,
    /// In which words: `reward_issued`, `webhook_disabled`.
    pub template: String,
    /// Where it is.
    #[serde(with = "text")]
    pub state: MailState,
    /// Until when the worker that is sending it may be alive, in real time.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    pub lease_until: Option<Timestamp>,
    /// What the provider calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<String>,
    /// Why it was not sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Counts writes; guards every change.
    pub version: u64,
}

stored_as_itself!(MailRecord, "mail");

/// A mail of a test program: recorded whole, never sent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TestMail {
    /// Its id.
    #[serde(with = "text")]
    pub id: MailId,
    /// To whom it would have gone.
    pub to: String,
    /// The subject.
    pub subject: String,
    /// The body, as text.
    pub text: String,
    /// The body, as HTML.
    pub html: String,
    /// Further headers.
    pub headers: BTreeMap<String, String>,
    /// When the table may drop it, in seconds of real time.
    pub expires_at: i64,
}

stored_as_itself!(TestMail, "test_mail");

/// The answer to a call with an `Idempotency-Key`, written in the transaction of its effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdempotencyRecord {
    /// Digest of method, path and body.
    pub request_hash: String,
    /// The answer's status.
    pub status: u16,
    /// The answer's body.
    pub body: String,
    /// When it stops counting, in seconds of real time.
    pub expires_at: i64,
}

stored_as_itself!(IdempotencyRecord, "idempotency");

/// One line of a ledger entry, with what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    /// What moved value.
    pub reason: LedgerReason,
    /// The reward it is about.
    pub reward_id: Option<RewardId>,
    /// The account, the unit and the amount.
    pub line: Line,
}

/// An entry of the ledger: all lines of one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    /// Its id.
    pub id: LedgerId,
    /// When, on the program's clock.
    pub at: Timestamp,
    /// The refund, payout or redemption that moved value, by its id.
    pub cause: Option<String>,
    /// The lines; they sum to zero in every unit.
    pub postings: Vec<Posting>,
}

/// What lies in the table of a ledger entry.
#[derive(Serialize, Deserialize)]
pub struct LedgerEntryItem {
    #[serde(with = "text")]
    id: LedgerId,
    #[serde(with = "text")]
    at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
    lines: Vec<LineItem>,
}

#[derive(Serialize, Deserialize)]
struct LineItem {
    #[serde(with = "text")]
    reason: LedgerReason,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    reward_id: Option<RewardId>,
    account: AccountItem,
    #[serde(with = "text")]
    unit: Unit,
    amount: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum AccountItem {
    Expense,
    Liability(#[serde(with = "text")] ParticipantId),
    InPayout(#[serde(with = "text")] ParticipantId),
    Settled(#[serde(with = "text")] ParticipantId),
    Receivable(#[serde(with = "text")] ParticipantId),
}

impl From<Account> for AccountItem {
    fn from(account: Account) -> Self {
        match account {
            Account::Expense => Self::Expense,
            Account::Liability(id) => Self::Liability(id),
            Account::InPayout(id) => Self::InPayout(id),
            Account::Settled(id) => Self::Settled(id),
            Account::Receivable(id) => Self::Receivable(id),
        }
    }
}

impl From<AccountItem> for Account {
    fn from(item: AccountItem) -> Self {
        match item {
            AccountItem::Expense => Self::Expense,
            AccountItem::Liability(id) => Self::Liability(id),
            AccountItem::InPayout(id) => Self::InPayout(id),
            AccountItem::Settled(id) => Self::Settled(id),
            AccountItem::Receivable(id) => Self::Receivable(id),
        }
    }
}

impl Entity for LedgerEntry {
    type Stored = LedgerEntryItem;
    const KIND: &'static str = "ledger";

    fn to_stored(&self) -> LedgerEntryItem {
        let line = |posting: &Posting| LineItem {
            reason: posting.reason,
            reward_id: posting.reward_id,
            account: posting.line.account.into(),
            unit: posting.line.unit,
            amount: posting.line.amount,
        };
        LedgerEntryItem {
            id: self.id,
            at: self.at,
            cause: self.cause.clone(),
            lines: self.postings.iter().map(line).collect(),
        }
    }

    fn from_stored(stored: LedgerEntryItem) -> Self {
        let posting = |line: LineItem| Posting {
            reason: line.reason,
            reward_id: line.reward_id,
            line: Line {
                account: line.account.into(),
                unit: line.unit,
                amount: line.amount,
            },
        };
        Self {
            id: stored.id,
            at: stored.at,
            cause: stored.cause,
            postings: stored.lines.into_iter().map(posting).collect(),
        }
    }
}

/// The mark on the counters of somebody who was merged: nothing new is made for them.
pub(crate) const FENCE: &str = "merged_into";

/// The mark on the counters of a participant who is suspended.
pub(crate) const SUSPENDED: &str = "suspended";

/// A participant's counters, by name. One that was never raised is 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters(BTreeMap<String, u64>);

impl Counters {
    /// The counters in an item.
    #[must_use]
    pub fn of(item: Option<&Item>) -> Self {
        let number = |value: &AttributeValue| value.as_n().ok().and_then(|text| text.parse().ok());
        let counters = item
            .into_iter()
            .flatten()
            .filter_map(|(name, value)| Some((name.clone(), number(value)?)));
        Self(counters.collect())
    }

    /// The names of the counters.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The counters, by name.
    pub fn all(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }

    /// Whether none was ever raised.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Who the participant is whose counters these are, if they were merged.
    #[must_use]
    pub fn merged_into(item: Option<&Item>) -> Option<ParticipantId> {
        item?.get(FENCE)?.as_s().ok()?.parse().ok()
    }

    /// How high a counter stands.
    #[must_use]
    pub fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }
}
