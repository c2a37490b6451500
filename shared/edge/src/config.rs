//! Reads a function's environment variables, all of them before the first complaint.
//!
//! ```
//! # use kith_edge::config::Variables;
//! # use kith_edge::{Environment, StartError};
//! # fn settings(environment: &Environment) -> Result<(String, u8), StartError> {
//! let mut variables = Variables::of(environment);
//! let table = variables.required("KITH_TABLE");
//! let hops = variables.parsed_or("KITH_PROXY_HOPS", 0, str::parse::<u8>);
//! let (table, hops) = variables.finish((table, hops))?;
//! # Ok((table, hops))
//! # }
//! ```
//!
//! A message names variables and says what is wrong with them; it never repeats a value, because
//! values may be secrets. An empty variable is one that is not set: templates cannot leave a
//! variable out.

use std::collections::BTreeMap;
use std::fmt::Display;

use kith_domain::api_key::{KeyHash, OPERATOR_KEY_CHARS_MIN, is_operator_key};
use kith_domain::email::IdentityKey;
use kith_domain::limit::{Limit, PER_MINUTE_MAX};
use kith_domain::mode::Mode;
use kith_domain::signed::TokenKeys;

use crate::environment::{Environment, StartError};

mod origin;

pub use origin::{Origin, OriginError};

/// The variables of one function while they are being read.
#[derive(Debug)]
pub struct Variables<'a> {
    environment: &'a Environment,
    faults: Vec<String>,
}

impl<'a> Variables<'a> {
    /// Starts reading.
    #[must_use]
    pub fn of(environment: &'a Environment) -> Self {
        Self {
            environment,
            faults: Vec::new(),
        }
    }

    /// Where the function runs.
    #[must_use]
    pub fn environment(&self) -> &'a Environment {
        self.environment
    }

    /// The text of a variable that must be set. `None` is a fault that [`Self::finish`] reports.
    pub fn required(&mut self, name: &str) -> Option<String> {
        self.parsed(name, |text| {
            Ok::<_, std::convert::Infallible>(text.to_owned())
        })
    }

    /// The value of a variable that must be set. `None` is a fault that [`Self::finish`] reports.
    pub fn parsed<T, E: Display>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let value = self.optional(name, parse)?;
        if value.is_none() {
            self.fault(format!("{name} is not set"));
        }
        value
    }

    /// The value of a variable that may be missing: `Some(None)` when it is, `None` for a fault.
    pub fn optional<T, E: Display>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Option<T>> {
        match self.text(name).map(parse) {
            None => Some(None),
            Some(Ok(value)) => Some(Some(value)),
            Some(Err(error)) => {
                self.fault(format!("{name} {error}"));
                None
            }
        }
    }

    /// The value of a variable, or what it is when it is missing.
    pub fn parsed_or<T, E: Display>(
        &mut self,
        name: &str,
        default: T,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.optional(name, parse)
            .map(|value| value.unwrap_or(default))
    }

    /// `KITH_TOKEN_KEYS`: the secrets that sign what browsers carry.
    pub fn token_keys(&mut self) -> Option<TokenKeys> {
        self.parsed("KITH_TOKEN_KEYS", TokenKeys::parse)
    }

    /// `KITH_IDENTITY_KEY`: the secret under which mail addresses are hashed.
    pub fn identity_key(&mut self) -> Option<IdentityKey> {
        self.parsed("KITH_IDENTITY_KEY", |text| {
            IdentityKey::try_from(text.as_bytes())
        })
    }

    /// `KITH_PUBLIC_URL`: where links lead. May be missing for functions that are called through
    /// HTTP: see [`crate::http::Request::origin`].
    pub fn public_origin(&mut self) -> Option<Option<Origin>> {
        self.optional("KITH_PUBLIC_URL", str::parse)
    }

    /// `KITH_PROXY_HOPS`: how many trusted proxies stand before the gateway; none by default.
    pub fn proxy_hops(&mut self) -> Option<u8> {
        self.parsed_or("KITH_PROXY_HOPS", 0, |text| {
            text.parse().map_err(|_| "must be a number from 0 to 255")
        })
    }

    /// `KITH_REQUESTS_PER_MINUTE`, `KITH_REQUEST_BURST` and `KITH_FAILURES_PER_MINUTE`: how much one
    /// caller may ask for.
    pub fn limits(&mut self) -> Option<RequestLimits> {
        let requests = self.calls("KITH_REQUESTS_PER_MINUTE", 6_000);
        let burst = self.calls("KITH_REQUEST_BURST", 1_000);
        let failures = self.calls("KITH_FAILURES_PER_MINUTE", 600);
        let (requests, failures) = (Limit::new(requests?, burst?), failures?);
        Some(RequestLimits {
            requests,
            failures: Limit::new(failures, failures),
        })
    }

    /// A number of calls, at least one.
    pub fn calls(&mut self, name: &str, default: u32) -> Option<u32> {
        self.parsed_or(name, default, |text| {
            text.parse()
                .ok()
                .filter(|calls| (1..=PER_MINUTE_MAX).contains(calls))
                .ok_or_else(|| format!("must be a number from 1 to {PER_MINUTE_MAX}"))
        })
    }

    /// `KITH_OPERATOR_KEY` and `KITH_TEST_OPERATOR_KEY`, hashed.
    pub fn operator_keys(&mut self) -> Option<OperatorKeys> {
        let live = self.operator_key("KITH_OPERATOR_KEY", Mode::Live);
        let test = self.operator_key("KITH_TEST_OPERATOR_KEY", Mode::Test);
        Some(OperatorKeys {
            live: live?,
            test: test?,
        })
    }

    fn operator_key(&mut self, name: &str, mode: Mode) -> Option<Option<KeyHash>> {
        self.optional(name, |text| {
            if is_operator_key(text, mode) {
                Ok(KeyHash::of(text))
            } else {
                Err(format!(
                    "must start with `kith_{mode}_` and have at least {OPERATOR_KEY_CHARS_MIN} visible ASCII characters"
                ))
            }
        })
    }

    /// Adds a complaint that belongs to no single variable. It must not repeat a value.
    pub fn fault(&mut self, fault: String) {
        self.faults.push(fault);
    }

    /// The values that were read, when nothing was wrong with any variable.
    ///
    /// # Errors
    /// [`StartError::Configuration`] with every fault.
    pub fn finish<F: AllFound>(self, found: F) -> Result<F::Values, StartError> {
        if !self.faults.is_empty() {
            return Err(StartError::Configuration(self.faults));
        }
        found
            .all()
            .ok_or_else(|| StartError::Configuration(vec!["a value is missing".to_owned()]))
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        let variables: &'a BTreeMap<String, String> = &self.environment.variables;
        variables
            .get(name)
            .map(String::as_str)
            .filter(|text| !text.is_empty())
    }
}

/// Tuples of values that are there unless a fault was noted.
pub trait AllFound {
    /// The same tuple of plain values.
    type Values;
    /// The values, when there is none missing.
    fn all(self) -> Option<Self::Values>;
}

macro_rules! all_found {
    ($($name:ident)+) => {
        impl<$($name),+> AllFound for ($(Option<$name>,)+) {
            type Values = ($($name,)+);

            #[allow(non_snake_case, reason = "a value is named as its type")]
            fn all(self) -> Option<Self::Values> {
                let ($($name,)+) = self;
                Some(($($name?,)+))
            }
        }
    };
}

all_found!(A);
all_found!(A B);
all_found!(A B C);
all_found!(A B C D);
all_found!(A B C D E);
all_found!(A B C D E F);
all_found!(A B C D E F G);
all_found!(A B C D E F G H);
all_found!(A B C D E F G H I);
all_found!(A B C D E F G H I J);

/// How much one caller may ask for.
#[derive(Debug, Clone, Copy)]
pub struct RequestLimits {
    /// Calls of one key that was not given a number of its own.
    pub requests: Limit,
    /// Calls from one address that cost the table something and fail: wrong keys, unknown codes.
    pub failures: Limit,
}

/// The operator's keys, hashed as every key is. A mode without one has no operator.
#[derive(Debug, Clone, Copy, Default)]
pub struct OperatorKeys {
    /// Reaches every live program.
    pub live: Option<KeyHash>,
    /// Reaches every test program.
    pub test: Option<KeyHash>,
}

impl OperatorKeys {
    /// Whose operator presents this key, if any.
    #[must_use]
    pub fn mode_of(&self, presented: KeyHash) -> Option<Mode> {
        // Both are compared, so that the time does not tell which one was near.
        let live = self.live.is_some_and(|known| known.matches(presented));
        let test = self.test.is_some_and(|known| known.matches(presented));
        match (live, test) {
            (true, _) => Some(Mode::Live),
            (false, true) => Some(Mode::Test),
            (false, false) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::of_variables(
            variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        )
    }

    /// Whoever sets a function up wants one list, not one error per deployment; and a log is no place for secrets.
    #[test]
    fn every_fault_is_reported_and_no_value() {
        let environment = environment(&[
            ("KITH_TABLE", ""),
            ("KITH_TOKEN_KEYS", "1:hush"),
            ("KITH_IDENTITY_KEY", "hush"),
            ("KITH_PUBLIC_URL", "ftp://hush"),
            ("KITH_PROXY_HOPS", "hush"),
            ("KITH_REQUESTS_PER_MINUTE", "0"),
            ("KITH_REQUEST_BURST", "600001"),
            ("KITH_FAILURES_PER_MINUTE", "hush"),
            (
                "KITH_OPERATOR_KEY",
                "kith_test_hushhushhushhushhushhushhush",
            ),
            ("KITH_TEST_OPERATOR_KEY", "kith_test_hush"),
        ]);
        let mut variables = Variables::of(&environment);
        let table = variables.required("KITH_TABLE");
        let keys = variables.token_keys();
        let identity = variables.identity_key();
        let origin = variables.public_origin();
        let hops = variables.proxy_hops();
        let operators = variables.operator_keys();
        let limits = variables.limits();
        let error = variables
            .finish((table, keys, identity, origin, hops, operators, limits))
            .unwrap_err();

        let StartError::Configuration(faults) = &error else {
            panic!("{error}")
        };
        assert_eq!(faults.len(), 10, "{faults:?}");
        assert!(faults[0].contains("KITH_TABLE is not set"), "{faults:?}");
        assert!(!error.to_string().contains("hush"), "{error}");
    }

    #[test]
    fn what_is_missing_has_its_default() {
        let environment = environment(&[("KITH_TABLE", "kith"), ("KITH_PUBLIC_URL", "")]);
        let mut variables = Variables::of(&environment);
        let table = variables.required("KITH_TABLE");
        let origin = variables.public_origin();
        let hops = variables.proxy_hops();
        let operators = variables.operator_keys();
        let (table, origin, hops, operators) =
            variables.finish((table, origin, hops, operators)).unwrap();
        assert_eq!((table.as_str(), origin, hops), ("kith", None, 0));
        assert!(operators.live.is_none() && operators.test.is_none());
    }

    #[test]
    fn an_operator_is_known_by_the_key_of_the_mode() {
        let live = "kith_live_operator1abcdefghijklmnopqrstuv";
        let test = "kith_test_operator1abcdefghijklmnopqrstuv";
        let environment = environment(&[
            ("KITH_OPERATOR_KEY", live),
            ("KITH_TEST_OPERATOR_KEY", test),
        ]);
        let mut variables = Variables::of(&environment);
        let keys = variables.operator_keys();
        let (keys,) = variables.finish((keys,)).unwrap();
        assert_eq!(keys.mode_of(KeyHash::of(live)), Some(Mode::Live));
        assert_eq!(keys.mode_of(KeyHash::of(test)), Some(Mode::Test));
        assert_eq!(keys.mode_of(KeyHash::of("kith_live_other")), None);
    }
}
