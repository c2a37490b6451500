//! Reads JSON bodies strictly: every fault is found in one pass, and nothing is guessed.
//!
//! ```
//! # use kith_edge::http::{Problem, Request};
//! # use kith_edge::json::{self, Faults};
//! # use kith_domain::text::Name;
//! # fn use_case(request: &Request) -> Result<(), Problem> {
//! let mut faults = Faults::default();
//! let mut body = json::body(request)?;
//! let name = body.required("name", &mut faults, json::text::<Name>);
//! let hold_days = body.optional("hold_days", &mut faults, json::integer_in(0..=365_u16));
//! body.finish(&mut faults);
//! let (name,) = faults.all((name,))?;
//! # Ok(())
//! # }
//! ```

mod faults;
mod object;
mod read;
mod values;

pub use faults::{FAULTS_MAX, Faults, POINTER_BYTES_MAX};
pub(crate) use object::unknown;
pub use object::{Member, Object, Patch};
pub(crate) use read::is_utf8;
pub use read::{BODY_BYTES_MAX, DEPTH_MAX, body, body_or_empty};
pub(crate) use values::NOT_A_TIMESTAMP;
pub use values::{
    any, boolean, integer_in, list, money, nested, string, text, timestamp, timestamp_of,
};
