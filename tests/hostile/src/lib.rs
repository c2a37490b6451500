//! What strangers may send, and what must hold whatever they do.
//!
//! A target is a function from any bytes to nothing: it reads them as the bundle would, and stops where a promise is
//! broken. `cargo test` runs each over its corpus and over inputs made of it by chance, by a seed; `.ci/run libfuzzer` has
//! libFuzzer look for inputs that reach more code (`fuzz/`, and `docs/HOSTILE.md`). What these find becomes a test of
//! the crate concerned, and the input a file of the corpus.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "a target stops on the first surprise"
)]

mod bodies;
mod codes;
mod cursors;
mod incentives;
mod mutation;
mod orders;
mod queries;
mod receivers;
mod requests;
mod tokens;
mod user_agents;

pub use bodies::bodies;
pub use codes::codes;
pub use cursors::cursors;
pub use incentives::incentives;
pub use mutation::{Random, mutate};
pub use orders::orders;
pub use queries::queries;
pub use receivers::receivers;
pub use requests::requests;
pub use tokens::tokens;
pub use user_agents::user_agents;

use kith_domain::email::IdentityKey;
use kith_domain::id::ProgramId;
use kith_domain::signed::TokenKeys;

/// Reads bytes, and stops where a promise is broken.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also that of its corpus.
pub const TARGETS: [(&str, Target); 10] = [
    ("tokens", tokens),
    ("cursors", cursors),
    ("codes", codes),
    ("bodies", bodies),
    ("incentives", incentives),
    ("user_agents", user_agents),
    ("queries", queries),
    ("orders", orders),
    ("requests", requests),
    ("receivers", receivers),
];

/// The secrets of the corpus: the second signed before the first.
const PRESENT: &str = "2:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const PREVIOUS: &str = "1:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn keys(text: &str) -> TokenKeys {
    TokenKeys::parse(text).unwrap()
}

fn both_keys() -> TokenKeys {
    keys(&format!("{PRESENT},{PREVIOUS}"))
}

/// What one of the keys signs for this purpose.
fn is_ours(text: &str, seal: impl Fn(&TokenKeys) -> String) -> bool {
    [PRESENT, PREVIOUS]
        .iter()
        .any(|key| seal(&keys(key)) == text)
}

fn identity() -> IdentityKey {
    IdentityKey::try_from(&b"cccccccccccccccccccccccccccccccc"[..]).unwrap()
}

fn program() -> ProgramId {
    ProgramId::from_bytes([7; 16])
}

/// The input that a file of a corpus holds: editors end it with a line.
#[must_use]
pub fn of_file(bytes: &[u8]) -> &[u8] {
    bytes.strip_suffix(b"\n").unwrap_or(bytes)
}

/// What stands before an empty line, and what behind it.
fn head_and_body(data: &[u8]) -> (&[u8], &[u8]) {
    let at = data.windows(2).position(|pair| pair == b"\n\n");
    at.map_or((data, b""), |at| (&data[..at], &data[at + 2..]))
}

/// The bytes as text, as far as they are.
fn text(data: &[u8]) -> String {
    String::from_utf8_lossy(data).into_owned()
}

/// Whether a refusal repeats what was sent. Somebody may send it its own words, so their letters are sent from the end as well.
fn is_repeated(text: &str, refusal: impl Fn(&str) -> Option<String>) -> bool {
    let repeats = |text: &str| refusal(text).is_some_and(|said| said.contains(text));
    let turned: String = text.chars().rev().collect();
    text.len() >= 24 && repeats(text) && repeats(&turned)
}
