//! Where a webhook goes: a URL that somebody else wrote, and that the bundle will call from inside.
//!
//! Everything is decided on the URL as the WHATWG URL standard reads it (by the crate `url`), never on the text as
//! written: that turns `0x7f.1`, `2130706433`, `%6c`, `１` and the like into what they stand for. What a name leads to
//! is looked at when connecting ([`Client`](crate::Client)); here are the forms that no look-up can make good.

use std::fmt;
use std::net::IpAddr;

use http::HeaderValue;
use http::uri::PathAndQuery;
pub use kith_domain::destination::DESTINATION_BYTES_MAX;
use kith_domain::destination::{HOST_BYTES_MAX, HOST_LABEL_BYTES_MAX};
use url::{Host, Position, Url};

use crate::address::is_public;

/// Names under which nobody on the internet can answer, so that only this machine or a network around it does: set aside
/// by RFC 6761 (`localhost`, `test`, `invalid`, `example`), RFC 6762 with its appendix G (`local` and the names that private
/// networks are known to use), RFC 7686 (`onion`), RFC 8375 (`home.arpa`; nothing else in `arpa` is a host of
/// somebody's), RFC 9476 (`alt`) and ICANN (`internal`, `mail`). `example.com` is a name like any other: IANA answers there.
const SPECIAL_NAMES: [&str; 16] = [
    "alt",
    "arpa",
    "corp",
    "example",
    "home",
    "internal",
    "intranet",
    "invalid",
    "lan",
    "local",
    LOCALHOST,
    "localdomain",
    "mail",
    "onion",
    "private",
    "test",
];
const LOCALHOST: &str = "localhost";

/// How far webhooks may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reach {
    /// The internet, through HTTPS: wherever somebody else writes the URL.
    Public,
    /// This machine too, also without TLS: the bundle on one machine, whose owner is its only user.
    LocalToo,
}

impl Reach {
    /// Of a bundle that is itself reached by plain HTTP, or not. Only one machine is, and there a shop's server may be on it too.
    #[must_use]
    pub fn of_bundle(is_plain_http: bool) -> Self {
        if is_plain_http {
            Self::LocalToo
        } else {
            Self::Public
        }
    }
}

/// Why a URL cannot be a webhook's. The texts say what to change, and repeat nothing of the URL: it may hold a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum BadDestination {
    /// Over the bound, as written or with everything percent-encoded.
    #[error("must be at most {DESTINATION_BYTES_MAX} bytes")]
    TooLong,
    /// White space, control characters, or backslashes, which are read as slashes.
    #[error("must not contain white space, control characters or backslashes")]
    Characters,
    /// Not a whole URL, or one that does not fit into a request.
    #[error("must be a whole URL such as https://hooks.example.com/kith")]
    NotAUrl,
    /// Another scheme than `https`; `http` is for this machine only.
    #[error("must begin with https://")]
    Scheme,
    /// A user name or password.
    #[error("must not contain a user name or password: the signature shows who is calling")]
    Credentials,
    /// A fragment.
    #[error("must not contain # and what follows it: that part of a URL is never sent")]
    Fragment,
    /// A name without a dot or with one at its end, or with a part that is empty or too long.
    #[error(
        "must name its host in full, such as hooks.example.com, without a dot at the end of the name"
    )]
    Host,
    /// A name that is not on the internet.
    #[error(
        "must name a host on the internet: names that end in .local, .internal, .test and the like lead nowhere from here"
    )]
    SpecialName,
    /// This machine.
    #[error("must name another machine: localhost is the one that sends")]
    ThisMachine,
    /// An address that is not on the internet.
    #[error("must lead to an address on the internet: this one is private, local or reserved")]
    PrivateAddress,
    /// Port 0.
    #[error("must name a port between 1 and 65535, or none")]
    Port,
}

/// A URL that webhooks may be sent to. Its host is on the internet or, where that is allowed, this machine; which of the two
/// is settled here, and a name that leads to the other is not connected to.
#[derive(Clone, PartialEq, Eq)]
pub struct Destination {
    url: Url,
    /// Path and query, as in the request's first line.
    target: PathAndQuery,
    /// Host and port, as in the header `Host`.
    authority: HeaderValue,
    is_local: bool,
}

impl Destination {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`BadDestination`], by the first thing that is wrong.
    pub fn parse(text: &str, reach: Reach) -> Result<Self, BadDestination> {
        if text.len() > DESTINATION_BYTES_MAX {
            return Err(BadDestination::TooLong);
        }
        let is_bad = |letter: char| letter.is_whitespace() || letter.is_control() || letter == '\\';
        if text.contains(is_bad) {
            return Err(BadDestination::Characters);
        }
        let url = Url::parse(text).map_err(|_| BadDestination::NotAUrl)?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(BadDestination::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BadDestination::Credentials);
        }
        let host = url.host().ok_or(BadDestination::NotAUrl)?;
        let is_local = is_this_machine(&host);
        if url.scheme() == "http" && !(is_local && reach == Reach::LocalToo) {
            return Err(BadDestination::Scheme);
        }
        check_host(&host, is_local, reach)?;
        if url.port() == Some(0) {
            return Err(BadDestination::Port);
        }
        if url.fragment().is_some() {
            return Err(BadDestination::Fragment);
        }
        if url.as_str().len() > DESTINATION_BYTES_MAX {
            return Err(BadDestination::TooLong);
        }
        let target = url[Position::BeforePath..Position::AfterQuery]
            .parse()
            .map_err(|_| BadDestination::NotAUrl)?;
        let authority = HeaderValue::from_str(&url[Position::BeforeHost..Position::AfterPort])
            .map_err(|_| BadDestination::NotAUrl)?;
        Ok(Self {
            url,
            target,
            authority,
            is_local,
        })
    }

    /// The URL as the standard writes it: to be stored, and to be shown to its owner. Path and query may hold a secret, so it
    /// is not for logs.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// The host, in lower-case ASCII (Punycode), an IPv6 address in brackets: fit for logs.
    #[must_use]
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Whether this machine is meant.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.is_local
    }

    /// Whether an address is where this may lead.
    pub(crate) fn allows(&self, address: IpAddr) -> bool {
        if self.is_local {
            address.is_loopback()
        } else {
            is_public(address)
        }
    }

    /// The host as an address, when it is written as one.
    pub(crate) fn literal(&self) -> Option<IpAddr> {
        match self.url.host()? {
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
            Host::Domain(_) => None,
        }
    }

    pub(crate) fn is_secure(&self) -> bool {
        self.url.scheme() == "https"
    }

    pub(crate) fn port(&self) -> u16 {
        // Both schemes have one.
        self.url.port_or_known_default().unwrap_or_default()
    }

    pub(crate) fn target(&self) -> &PathAndQuery {
        &self.target
    }

    pub(crate) fn authority(&self) -> &HeaderValue {
        &self.authority
    }
}

/// Without path and query, which may hold a secret.
impl fmt::Debug for Destination {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = &self.url[..Position::AfterPort];
        write!(formatter, "Destination({origin}/…)")
    }
}

fn is_this_machine(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => is_under(name, LOCALHOST),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

fn check_host(host: &Host<&str>, is_local: bool, reach: Reach) -> Result<(), BadDestination> {
    if let Host::Domain(name) = host {
        let has_good_labels = name
            .split('.')
            .all(|label| (1..=HOST_LABEL_BYTES_MAX).contains(&label.len()));
        if name.len() > HOST_BYTES_MAX || !has_good_labels {
            return Err(BadDestination::Host);
        }
    }
    match (host, is_local, reach) {
        (_, true, Reach::LocalToo) => Ok(()),
        (Host::Domain(_), true, Reach::Public) => Err(BadDestination::ThisMachine),
        (Host::Domain(name), false, _) => {
            if !name.contains('.') {
                Err(BadDestination::Host)
            } else if SPECIAL_NAMES.iter().any(|special| is_under(name, special)) {
                Err(BadDestination::SpecialName)
            } else {
                Ok(())
            }
        }
        (Host::Ipv4(address), _, _) => public_only((*address).into()),
        (Host::Ipv6(address), _, _) => public_only((*address).into()),
    }
}

fn public_only(address: IpAddr) -> Result<(), BadDestination> {
    if is_public(address) {
        Ok(())
    } else {
        Err(BadDestination::PrivateAddress)
    }
}

/// Whether a name is another one or below it. Both are in lower case.
fn is_under(name: &str, above: &str) -> bool {
    name.strip_suffix(above)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests;
