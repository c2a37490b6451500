//! Live or test: which world a program, a key and a code belong to.

use crate::words::words;

words! {
    /// A program is live or test by the key that made it, and a key reaches one mode only.
    pub enum Mode {
        /// Real people, real money, real time.
        Live = "live",
        /// The program has its own clock, and its mail is recorded instead of sent.
        Test = "test",
    }
}

impl Mode {
    /// Where links of this mode start: `/r/` or `/t/`.
    #[must_use]
    pub fn link_path(self) -> &'static str {
        match self {
            Self::Live => "/r/",
            Self::Test => "/t/",
        }
    }
}
