//! Where this bundle is reached: the beginning of every link.

use std::fmt;
use std::str::FromStr;

/// Longest host name, in bytes (RFC 1035, section 2.3.4).
const HOST_BYTES_MAX: usize = 253;

/// A scheme, a host and perhaps a port; no path and no trailing slash. HTTPS, or plain HTTP on the
/// loopback of one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(String);

/// The text is not an origin that links can start with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be `https://host`, perhaps with a port and without anything after it; plain http only to the loopback"
)]
pub struct OriginError;

impl Origin {
    /// The text that links start with.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The secure origin of a host name.
    ///
    /// # Errors
    /// [`OriginError`] when it is not a host name.
    pub fn of_host(host: &str) -> Result<Self, OriginError> {
        format!("https://{host}").parse()
    }

    /// Whether it is plain HTTP, which happens on one machine only: cookies are then not `Secure`.
    #[must_use]
    pub fn is_plain_http(&self) -> bool {
        self.0.starts_with("http://")
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let lower = text.to_ascii_lowercase();
        let (scheme, authority) = lower.split_once("://").ok_or(OriginError)?;
        let (host, port) = split_port(authority)?;
        if port.is_some_and(|port| port.parse::<u16>().is_err() || port.starts_with('+')) {
            return Err(OriginError);
        }
        match scheme {
            "https" if is_host(host) => Ok(Self(lower)),
            "http" if is_loopback(host) => Ok(Self(lower)),
            _ => Err(OriginError),
        }
    }
}

fn split_port(authority: &str) -> Result<(&str, Option<&str>), OriginError> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, port) = rest.split_once(']').ok_or(OriginError)?;
        return match port.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if port.is_empty() => Ok((host, None)),
            None => Err(OriginError),
        };
    }
    Ok(match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    })
}

fn is_host(host: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    host.len() <= HOST_BYTES_MAX && host.split('.').all(is_label)
}

fn is_loopback(host: &str) -> bool {
    match host.parse::<std::net::IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => host == "localhost" || (host.ends_with(".localhost") && is_host(host)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_secure_or_loopback() {
        for (text, expected) in [
            ("https://refer.example", Some("https://refer.example")),
            (
                "https://Refer.Example:8443",
                Some("https://refer.example:8443"),
            ),
            ("http://localhost:3000", Some("http://localhost:3000")),
            ("http://127.0.0.1:3000", Some("http://127.0.0.1:3000")),
            ("http://[::1]:3000", Some("http://[::1]:3000")),
            ("http://kith.localhost", Some("http://kith.localhost")),
            ("http://refer.example", None),
            ("https://refer.example/", None),
            ("https://refer.example/x", None),
            ("https://refer.example?x", None),
            ("https://user@refer.example", None),
            ("https://refer.example:", None),
            ("https://refer.example:+80", None),
            ("https://refer.example:99999", None),
            ("https://", None),
            ("https://-x.example", None),
            ("https://a..b", None),
            ("https://a b", None),
            ("http://[::1", None),
            ("http://[::1]x", None),
            ("refer.example", None),
            ("", None),
        ] {
            let origin = text.parse::<Origin>();
            assert_eq!(origin.as_ref().ok().map(Origin::as_str), expected, "{text}");
        }
    }
}
