//! The functions that this program holds: one line each.

use crate::functions::Registry;

/// Every function of the bundle, by package.
#[must_use]
pub fn registry() -> Registry {
    Registry::empty()
}
