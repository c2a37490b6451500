use kith_domain::api_key::{KeyState, Scope};
use kith_domain::id::{ApiKeyId, ProgramId};
use kith_domain::mode::Mode;
use kith_domain::text::Name;
use schemars::JsonSchema;
use serde::Serialize;

use crate::scalar::{At, Spelled, Word};

/// An API key without its secret, which is told once.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ApiKey {
    /// Its id, which is also part of the key itself: whoever finds a leaked key can look it up.
    pub id: Spelled<ApiKeyId>,
    /// What the owner calls it.
    pub name: Spelled<Name>,
    /// Live or test, by the key that made it.
    pub mode: Word<Mode>,
    /// Whether it opens anything now.
    pub state: Word<KeyState>,
    /// The program that it reaches; `null` for every program of its mode.
    pub program_id: Option<Spelled<ProgramId>>,
    /// What it may do.
    pub scopes: Vec<Word<Scope>>,
    /// Whether it may stand in a page.
    pub publishable: bool,
    /// How many calls a minute it may make; `null` for as many as any key.
    pub requests_per_minute: Option<u32>,
    /// When it was made.
    pub created_at: At,
    /// Who made it: the id of a key, or `operator`; `null` if nobody noted it.
    pub created_by: Option<String>,
    /// When it ends by itself.
    pub expires_at: Option<At>,
    /// When it was revoked.
    pub revoked_at: Option<At>,
    /// The key that it was rotated from.
    pub replaces: Option<Spelled<ApiKeyId>>,
    /// The key that it was rotated to.
    pub replaced_by: Option<Spelled<ApiKeyId>>,
    /// In which hour it was last used; `null` if it never was.
    pub last_used_at: Option<At>,
}

/// An API key that was just made, with its secret.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct NewApiKey {
    /// The key.
    #[serde(flatten)]
    pub api_key: ApiKey,
    /// The secret: the whole key, to be sent as `Authorization: Bearer`. Left out when the answer is
    /// replayed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}
