use kith_domain::id::ProgramId;
use schemars::JsonSchema;
use serde::Serialize;

use crate::scalar::{At, Spelled};

/// The function runs.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Health {
    /// `ok`.
    #[schemars(extend("const" = "ok"))]
    pub status: &'static str,
}

/// What is due and what was given up on.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Operations {
    /// Since when the oldest work has been due; `null` if none is.
    pub oldest_due_at: Option<At>,
    /// How much work is due: a lower bound where there is much of it.
    pub due: usize,
    /// What failed eight times, oldest first; at most 100.
    pub parked: Vec<ParkedWork>,
}

/// Work that was given up on.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ParkedWork {
    /// What it is retried by. Opaque.
    pub id: String,
    /// The kind of item.
    pub kind: String,
    /// The program; `null` if it is not known.
    pub program_id: Option<Spelled<ProgramId>>,
    /// How often it was tried.
    pub attempts: u32,
    /// Since when it has been parked.
    pub since: Option<At>,
}

/// Work that is tried again.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Retried {
    /// What it was retried by.
    pub id: String,
    /// When it is due.
    pub due_at: At,
}
