use schemars::JsonSchema;

use crate::scalar::At;

/// The furthest that one call advances: ten years, in seconds.
pub const ADVANCE_SECONDS_MAX: i64 = 315_360_000;

/// How far the clock goes: by a time, or to an instant.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub enum ClockAdvance {
    /// By a time.
    By(AdvanceBy),
    /// To an instant.
    To(AdvanceTo),
}

/// By a time.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct AdvanceBy {
    /// How many seconds, from where the clock stands; with an `Idempotency-Key`, from where it stood at the
    /// first call.
    #[schemars(range(min = 1, max = ADVANCE_SECONDS_MAX))]
    pub seconds: i64,
    /// Nothing.
    pub until: Option<()>,
}

/// To an instant.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct AdvanceTo {
    /// The instant, on the program's clock, which never goes back.
    pub until: At,
    /// Nothing.
    pub seconds: Option<()>,
}
