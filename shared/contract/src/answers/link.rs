use kith_domain::id::ClickId;
use schemars::JsonSchema;
use serde::Serialize;

use crate::scalar::{At, Spelled};

/// A click that was recorded.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Click {
    /// Its id.
    pub click_id: Spelled<ClickId>,
    /// The token that a conversion names the click by. Opaque.
    pub click_token: String,
    /// Until when a conversion can be attributed to it.
    pub expires_at: At,
}

/// What this origin says of Global Privacy Control.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Privacy {
    /// Whether `Sec-GPC` is respected.
    pub gpc: bool,
    /// Since when, as a date.
    #[serde(rename = "lastUpdate")]
    #[schemars(extend("format" = "date"))]
    pub last_update: &'static str,
}
