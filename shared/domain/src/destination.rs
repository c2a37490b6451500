//! Where a link leads: the program's page, or the place on it that the link names with `to`.
//!
//! A link's query comes from whoever wrote the link, and everybody trusts the link's host. So the rule for `to` is to
//! name what is allowed and to ignore the rest, and the redirect is always written from a URL that was parsed and
//! checked (WHATWG URL standard, by the crate `url`), never from the text that was sent.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use url::form_urlencoded::{byte_serialize, parse as parse_query};
use url::{Host, Position, Url};

use crate::channel::Channel;
use crate::code::ReferralCode;

/// Longest [`Destination`], in bytes, as given and as written out.
pub const DESTINATION_BYTES_MAX: usize = 2_048;
/// Longest `to` of a link, in bytes.
pub const TO_BYTES_MAX: usize = 2_048;
/// Longest host name, in bytes (RFC 1035, section 2.3.4, without the root's dot).
pub const HOST_BYTES_MAX: usize = 253;
/// Longest label of a host name, in bytes.
pub const HOST_LABEL_BYTES_MAX: usize = 63;
/// Most parameters of a link's query that are looked at.
pub const LINK_PARAMETERS_MAX: usize = 64;
/// Most `utm_*` parameters that are passed on.
pub const UTM_PARAMETERS_MAX: usize = 10;
/// Longest name of a `utm_*` parameter, in bytes.
pub const UTM_NAME_BYTES_MAX: usize = 40;
/// Longest value of a `utm_*` parameter, in bytes; a longer one is not passed on.
pub const UTM_VALUE_BYTES_MAX: usize = 200;
/// Longest mail id in a link's `m`, in bytes.
pub const MAIL_ID_BYTES_MAX: usize = 128;

/// The parameter that carries the referral code.
pub const CODE_PARAMETER: &str = "ref";
/// The parameter, and the cookie, that carries the click token.
pub const CLICK_PARAMETER: &str = "kith_click";

/// Hosts of this machine, the only ones reached without TLS.
const LOOPBACK_HOSTS: [&str; 2] = ["localhost", "127.0.0.1"];

/// Why a URL cannot be a program's destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum DestinationError {
    /// Over the bound.
    #[error("must be at most {DESTINATION_BYTES_MAX} bytes")]
    TooLong,
    /// White space, control characters, or backslashes, which browsers read as slashes.
    #[error("must not contain white space, control characters or backslashes")]
    Characters,
    /// Not a whole URL.
    #[error("must be a whole URL such as https://shop.example/welcome")]
    NotAUrl,
    /// Neither `https`, nor `http` on this machine.
    #[error("must begin with https:// (http:// only for localhost and 127.0.0.1)")]
    Scheme,
    /// A user name or password.
    #[error("must not contain a user name or password")]
    Credentials,
}

/// Why a text is not an [`AllowedHost`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("must be a host name such as shop.example, without scheme, port, path or wildcard")]
pub struct AllowedHostError;

/// A further host that a link's `to` may lead to, in lower-case ASCII (Punycode). Matched exactly: a subdomain is
/// another host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AllowedHost(Box<str>);

impl AllowedHost {
    /// The host name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AllowedHost {
    type Err = AllowedHostError;

    fn from_str(text: &str) -> Result<Self, AllowedHostError> {
        host_name(text)
            .map(|host| Self(host.into()))
            .ok_or(AllowedHostError)
    }
}

impl fmt::Display for AllowedHost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A program's page: an `https` URL (`http` on this machine only) without credentials, parsed once and then cheap to
/// send people to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    given: Box<str>,
    page: Page,
    /// Scheme, host and port, without a slash at the end.
    origin: Box<str>,
    host: Box<str>,
    /// `None` for the scheme's own.
    port: Option<u16>,
}

/// A URL in the pieces between which parameters are put.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Page {
    /// Up to the end of the path.
    start: Box<str>,
    /// The query as it was, without `?` and without parameters of ours.
    query: Box<str>,
    fragment: Option<Box<str>>,
}

impl Destination {
    /// The URL as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.given
    }

    /// Writes the URL that a visit through a link is redirected to; always absolute and in ASCII.
    ///
    /// Keeps the page's query and fragment, replaces its `utm_*` by those of the same name in the link, then adds
    /// `ref={code}` and, for a click, `kith_click={token}`, replacing any that were there. A `to` that holds brings its
    /// own query with it; one that does not is ignored.
    #[must_use]
    pub fn redirect(
        &self,
        allowed_hosts: &[AllowedHost],
        link: &LinkQuery<'_>,
        code: &ReferralCode,
        click_token: Option<&str>,
    ) -> String {
        let target = link
            .to
            .as_deref()
            .and_then(|to| self.resolve(to, allowed_hosts));
        let page = target.as_ref().unwrap_or(&self.page);
        let mut location = String::with_capacity(DESTINATION_BYTES_MAX);
        location.push_str(&page.start);
        let mut separator = '?';
        let mut append = |pieces: [&str; 3]| {
            location.push(separator);
            pieces.iter().for_each(|piece| location.push_str(piece));
            separator = '&';
        };
        for pair in page.query.split('&').filter(|pair| !pair.is_empty()) {
            if !link.replaces(pair) {
                append([pair, "", ""]);
            }
        }
        for (name, value) in &link.utm {
            append([name, "=", &encoded(value)]);
        }
        append([CODE_PARAMETER, "=", code.as_str()]);
        if let Some(token) = click_token {
            append([CLICK_PARAMETER, "=", &encoded(token)]);
        }
        if let Some(fragment) = &page.fragment {
            location.push('#');
            location.push_str(fragment);
        }
        location
    }

    /// The page that `to` names: a path on the destination's own origin, or a URL there or on an allowed host.
    fn resolve(&self, to: &str, allowed_hosts: &[AllowedHost]) -> Option<Page> {
        if to.len() > TO_BYTES_MAX || to.contains(|c: char| c.is_control() || c == '\\') {
            return None;
        }
        if to.starts_with('/') {
            // `//` begins a host, not a path.
            let url = Url::parse(&format!("{}{to}", self.origin)).ok()?;
            return (!to.starts_with("//") && self.is_origin_of(&url)).then(|| Page::of(&url));
        }
        let url = whole_url(to)?;
        (self.is_origin_of(&url) || self.allows(&url, allowed_hosts)).then(|| Page::of(&url))
    }

    fn is_origin_of(&self, url: &Url) -> bool {
        url[..Position::BeforePath] == *self.origin
    }

    /// Whether a URL is `https`, on a host that the program names, at the usual port or the destination's.
    fn allows(&self, url: &Url, allowed_hosts: &[AllowedHost]) -> bool {
        let host = url.host_str().unwrap_or_default();
        url.scheme() == "https"
            && (host == &*self.host || allowed_hosts.iter().any(|allowed| host == &*allowed.0))
            && (url.port().is_none() || url.port() == self.port)
    }
}

impl FromStr for Destination {
    type Err = DestinationError;

    fn from_str(text: &str) -> Result<Self, DestinationError> {
        if text.len() > DESTINATION_BYTES_MAX {
            return Err(DestinationError::TooLong);
        }
        if text.contains(|c: char| c.is_control() || c.is_whitespace() || c == '\\') {
            return Err(DestinationError::Characters);
        }
        let (scheme, _) = text.split_once("://").ok_or(DestinationError::NotAUrl)?;
        if !["https", "http"]
            .iter()
            .any(|known| scheme.eq_ignore_ascii_case(known))
        {
            return Err(DestinationError::Scheme);
        }
        if authority(text).contains('@') {
            return Err(DestinationError::Credentials);
        }
        let url = whole_url(text).ok_or(DestinationError::NotAUrl)?;
        let host = url.host_str().ok_or(DestinationError::NotAUrl)?;
        if url.scheme() != "https" && !LOOPBACK_HOSTS.contains(&host) {
            return Err(DestinationError::Scheme);
        }
        if url.as_str().len() > DESTINATION_BYTES_MAX {
            return Err(DestinationError::TooLong);
        }
        Ok(Self {
            given: text.into(),
            page: Page::of(&url),
            origin: url[..Position::BeforePath].into(),
            host: host.into(),
            port: url.port(),
        })
    }
}

impl TryFrom<String> for Destination {
    type Error = DestinationError;

    fn try_from(text: String) -> Result<Self, DestinationError> {
        text.parse()
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.given)
    }
}

impl Page {
    fn of(url: &Url) -> Self {
        let kept = |pair: &&str| {
            !name_of(pair).is_some_and(|name| name == CODE_PARAMETER || name == CLICK_PARAMETER)
        };
        let pairs: Vec<&str> = url
            .query()
            .unwrap_or_default()
            .split('&')
            .filter(kept)
            .collect();
        let (host, path) = (
            &url[..Position::BeforePath],
            &url[Position::BeforePath..Position::AfterPath],
        );
        Self {
            start: [host, &strict(path)].concat().into(),
            query: strict(&pairs.join("&")).into(),
            fragment: url.fragment().map(|fragment| strict(fragment).into()),
        }
    }
}

/// A path, query or fragment as RFC 3986 (section 3.3 to 3.5) has it in a `Location`. The URL standard keeps more than
/// that, such as `|` or a `%` before no digits: it is percent-encoded.
fn strict(text: &str) -> String {
    let mut rest = text.as_bytes();
    let mut strict = String::with_capacity(text.len());
    while let Some((byte, after)) = rest.split_first() {
        let stands = match byte {
            b'%' => matches!(after, [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit()),
            byte => byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?".contains(byte),
        };
        if stands {
            strict.push(char::from(*byte));
        } else {
            strict.push_str(&format!("%{byte:02X}"));
        }
        rest = after;
    }
    strict
}

/// What a link's query says, within bounds. Of a parameter that comes twice the first counts; unknown ones, which other
/// sites hang onto links, are ignored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkQuery<'a> {
    /// Through which channel the link was shared: `ch`; `other` for a word that is none.
    pub channel: Channel,
    /// Where on the site the link leads: `to`, not yet judged.
    pub to: Option<Cow<'a, str>>,
    /// The signed short id of the mail the link stood in: `m`, not yet verified.
    pub mail_id: Option<Cow<'a, str>>,
    /// `utm_*`, to be passed on.
    utm: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> LinkQuery<'a> {
    /// Reads a raw query, without its `?`.
    #[must_use]
    pub fn parse(raw: &'a str) -> Self {
        let mut query = Self::default();
        let mut channel = None;
        for (name, value) in parse_query(raw.as_bytes()).take(LINK_PARAMETERS_MAX) {
            match &*name {
                "ch" => _ = channel.get_or_insert_with(|| channel_of(&value)),
                "to" => _ = query.to.get_or_insert(value),
                "m" if value.len() <= MAIL_ID_BYTES_MAX => _ = query.mail_id.get_or_insert(value),
                _ if is_utm(&name, &value) => query.pass_on(name, value),
                _ => {}
            }
        }
        query.channel = channel.unwrap_or_default();
        query
    }

    fn pass_on(&mut self, name: Cow<'a, str>, value: Cow<'a, str>) {
        if self.utm.len() < UTM_PARAMETERS_MAX && !self.utm.iter().any(|(known, _)| *known == name)
        {
            self.utm.push((name, value));
        }
    }

    /// Whether the link brings its own value for a parameter of the page.
    fn replaces(&self, pair: &str) -> bool {
        !self.utm.is_empty()
            && name_of(pair).is_some_and(|name| self.utm.iter().any(|(ours, _)| *ours == name))
    }
}

fn channel_of(word: &str) -> Channel {
    word.to_ascii_lowercase().parse().unwrap_or(Channel::Other)
}

/// Whether a parameter is a campaign's, of a shape that is passed on.
fn is_utm(name: &str, value: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.strip_prefix("utm_")
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(legal))
        && name.len() <= UTM_NAME_BYTES_MAX
        && (1..=UTM_VALUE_BYTES_MAX).contains(&value.len())
}

/// The decoded name of one `name=value` of a query.
fn name_of(pair: &str) -> Option<Cow<'_, str>> {
    parse_query(pair.as_bytes()).next().map(|(name, _)| name)
}

/// A value for a query, as forms write it: ASCII, nothing left that could end the parameter or the URL.
fn encoded(value: &str) -> String {
    byte_serialize(value.as_bytes()).collect()
}

/// Parses a URL that is written out from `http(s)://` on and has no credentials. The URL standard would forgive
/// `https:host`, `https:/host` and `https:\\host`; nobody means well by them here.
fn whole_url(text: &str) -> Option<Url> {
    let (scheme, _) = text.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
        return None;
    }
    let authority = authority(text);
    if authority.is_empty() || authority.contains('@') {
        return None;
    }
    Url::parse(text)
        .ok()
        .filter(|url| url.username().is_empty() && url.password().is_none())
}

/// What stands between `://` and the path.
fn authority(text: &str) -> &str {
    let (_, rest) = text.split_once("://").unwrap_or_default();
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

/// A host name in lower-case ASCII, if it is one and not an address.
pub(crate) fn host_name(text: &str) -> Option<String> {
    // `Host::parse` decodes `%`, which no host name contains; everything else it lets through is checked below.
    if text.contains('%') {
        return None;
    }
    let Host::Domain(host) = Host::parse(text).ok()? else {
        return None;
    };
    let is_label = |label: &str| {
        (1..=HOST_LABEL_BYTES_MAX).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    (host.len() <= HOST_BYTES_MAX && host.split('.').all(is_label)).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

    const BAKERY: &str = "https://bakery.example/welcome?shop=1";

    fn allowed() -> Vec<AllowedHost> {
        ["shop.bakery.example", "bücher.example"]
            .iter()
            .filter_map(|host| host.parse().ok())
            .collect()
    }

    /// Where a link with `query` leads that belongs to a program with `destination`.
    fn followed(destination: &str, query: &str, click_token: Option<&str>) -> Result<String> {
        let destination: Destination = destination.parse()?;
        Ok(destination.redirect(
            &allowed(),
            &LinkQuery::parse(query),
            &"ANN-BAKES".parse()?,
            click_token,
        ))
    }

    fn with_to(to: &str) -> Result<String> {
        followed(BAKERY, &format!("to={}", encoded(to)), None)
    }

    #[test]
    fn destinations_are_https_or_on_this_machine() {
        for good in [
            BAKERY,
            "https://bakery.example",
            "HTTPS://Bakery.Example/",
            "https://bakery.example:8443/x#top",
            "http://localhost:3000/welcome",
            "http://127.0.0.1:8080",
            "https://bücher.example/straße",
            "https://192.0.2.7/",
        ] {
            assert_eq!(
                good.parse()
                    .map(|destination: Destination| destination.to_string()),
                Ok(good.to_owned())
            );
        }
        let table = [
            ("", DestinationError::NotAUrl),
            ("bakery.example", DestinationError::NotAUrl),
            ("/welcome", DestinationError::NotAUrl),
            ("//bakery.example", DestinationError::NotAUrl),
            ("https:bakery.example", DestinationError::NotAUrl),
            ("https:/bakery.example", DestinationError::NotAUrl),
            ("https://", DestinationError::NotAUrl),
            ("https:///bakery.example", DestinationError::NotAUrl),
            ("https://?x", DestinationError::NotAUrl),
            ("https://bakery.example:99999/", DestinationError::NotAUrl),
            ("https://ba<kery.example/", DestinationError::NotAUrl),
            ("http://bakery.example/", DestinationError::Scheme),
            ("http://localhost.evil.example/", DestinationError::Scheme),
            ("http://127.0.0.2/", DestinationError::Scheme),
            ("ftp://bakery.example/", DestinationError::Scheme),
            (
                "javascript://bakery.example/%0aalert(1)",
                DestinationError::Scheme,
            ),
            (
                "https://ann:secret@bakery.example/",
                DestinationError::Credentials,
            ),
            ("https://@bakery.example/", DestinationError::Credentials),
            (" https://bakery.example/", DestinationError::Characters),
            (
                "https://bakery.example/\r\nSet-Cookie: x",
                DestinationError::Characters,
            ),
            (
                "https://bakery.example\\@evil.example/",
                DestinationError::Characters,
            ),
        ];
        for (text, error) in table {
            assert_eq!(text.parse::<Destination>(), Err(error), "{text:?}");
        }
        let long = format!(
            "https://bakery.example/{}",
            "x".repeat(DESTINATION_BYTES_MAX)
        );
        assert_eq!(long.parse::<Destination>(), Err(DestinationError::TooLong));
        let long_when_encoded = format!("https://bakery.example/{}", "ü".repeat(500));
        assert_eq!(
            long_when_encoded.parse::<Destination>(),
            Err(DestinationError::TooLong)
        );
    }

    #[test]
    fn allowed_hosts_are_bare_names() {
        for (given, host) in [
            ("bakery.example", "bakery.example"),
            ("Shop.Bakery.EXAMPLE", "shop.bakery.example"),
            ("BÜCHER.example", "xn--bcher-kva.example"),
            ("localhost", "localhost"),
            ("a-1.b", "a-1.b"),
        ] {
            assert_eq!(
                given.parse().map(|host: AllowedHost| host.to_string()),
                Ok(host.to_owned())
            );
        }
        for bad in [
            "",
            ".",
            "bakery.example.",
            ".bakery.example",
            "*.bakery.example",
            "https://bakery.example",
            "bakery.example:443",
            "bakery.example/",
            "a b.example",
            "ann@bakery.example",
            "127.0.0.1",
            "[::1]",
            "bak%65ry.example",
            "-a.example",
            "bakery_x.example",
            "a..b",
            &format!("{}.example", "a".repeat(64)),
            &"a.".repeat(127),
        ] {
            assert_eq!(bad.parse::<AllowedHost>(), Err(AllowedHostError), "{bad}");
        }
    }

    #[test]
    fn code_and_token_are_added_to_whatever_query_there_is() -> Result {
        let table = [
            (
                BAKERY,
                "https://bakery.example/welcome?shop=1&ref=ANN-BAKES&kith_click=v1.a-b_c",
            ),
            (
                "https://bakery.example",
                "https://bakery.example/?ref=ANN-BAKES&kith_click=v1.a-b_c",
            ),
            (
                "https://bakery.example/?",
                "https://bakery.example/?ref=ANN-BAKES&kith_click=v1.a-b_c",
            ),
            (
                "https://bakery.example/?a&&b=%20+%C3%BC&",
                "https://bakery.example/?a&b=%20+%C3%BC&ref=ANN-BAKES&kith_click=v1.a-b_c",
            ),
            (
                "https://bakery.example/#/cakes?x=1",
                "https://bakery.example/?ref=ANN-BAKES&kith_click=v1.a-b_c#/cakes?x=1",
            ),
            (
                "https://bakery.example/?ref=old&%72ef=2&kith_click=x&refer=3&ref",
                "https://bakery.example/?refer=3&ref=ANN-BAKES&kith_click=v1.a-b_c",
            ),
            (
                "http://localhost:3000/x",
                "http://localhost:3000/x?ref=ANN-BAKES&kith_click=v1.a-b_c",
            ),
            (
                "https://Bücher.example/straße",
                "https://xn--bcher-kva.example/stra%C3%9Fe?ref=ANN-BAKES&kith_click=v1.a-b_c",
            ),
        ];
        for (destination, location) in table {
            assert_eq!(followed(destination, "", Some("v1.a-b_c"))?, location);
        }
        assert_eq!(
            followed(BAKERY, "", None)?,
            "https://bakery.example/welcome?shop=1&ref=ANN-BAKES"
        );
        Ok(())
    }

    /// What browsers put up with, a `Location` does not hold.
    #[test]
    fn a_location_is_written_as_the_standard_of_urls_has_it() -> Result {
        let odd = "https://bakery.example/a|b%zl?q=%ZL.&r=[x]^%41%#top|%";
        assert_eq!(
            followed(odd, "", None)?,
            "https://bakery.example/a%7Cb%25zl?q=%25ZL.&r=%5Bx%5D%5E%41%25&ref=ANN-BAKES#top%7C%25"
        );
        let to = with_to("/menu?size=10%|")?;
        assert_eq!(
            to,
            "https://bakery.example/menu?size=10%25%7C&ref=ANN-BAKES"
        );
        Ok(())
    }

    #[test]
    fn campaign_parameters_are_passed_on_within_bounds() -> Result {
        let start = "https://bakery.example/welcome?shop=1";
        let table = [
            (
                "utm_source=mail&utm_medium=a+b%26c",
                format!("{start}&utm_source=mail&utm_medium=a+b%26c&ref=ANN-BAKES"),
            ),
            (
                "utm_source=1&utm_source=2",
                format!("{start}&utm_source=1&ref=ANN-BAKES"),
            ),
            (
                "fbclid=x&ref=EVIL&kith_click=forged&shop=2",
                format!("{start}&ref=ANN-BAKES"),
            ),
            (
                "utm_=x&UTM_source=x&utm_so%20urce=x&utm_source=",
                format!("{start}&ref=ANN-BAKES"),
            ),
            (
                "utm_id=%0d%0aSet-Cookie:x%23",
                format!("{start}&utm_id=%0D%0ASet-Cookie%3Ax%23&ref=ANN-BAKES"),
            ),
        ];
        for (query, location) in table {
            assert_eq!(followed(BAKERY, query, None)?, location, "{query}");
        }
        let in_page = "https://bakery.example/?utm_source=page&utm_%6dedium=page&utm_term=page";
        assert_eq!(
            followed(in_page, "utm_medium=link&utm_source=link", None)?,
            "https://bakery.example/?utm_term=page&utm_medium=link&utm_source=link&ref=ANN-BAKES"
        );
        let many: String = (0..100).map(|n| format!("utm_x{n}=1&")).collect();
        assert_eq!(
            followed(BAKERY, &many, None)?.matches("utm_").count(),
            UTM_PARAMETERS_MAX
        );
        let long = format!(
            "utm_source={}&utm_{}=1",
            "x".repeat(UTM_VALUE_BYTES_MAX + 1),
            "y".repeat(UTM_NAME_BYTES_MAX)
        );
        assert_eq!(
            followed(BAKERY, &long, None)?,
            format!("{start}&ref=ANN-BAKES")
        );
        Ok(())
    }

    #[test]
    fn links_may_name_a_page_of_the_site_or_of_an_allowed_host() -> Result {
        let table = [
            ("/", "https://bakery.example/?ref=ANN-BAKES"),
            (
                "/cakes?size=2&ref=x#top",
                "https://bakery.example/cakes?size=2&ref=ANN-BAKES#top",
            ),
            ("/a/../b/./c", "https://bakery.example/b/c?ref=ANN-BAKES"),
            (
                "/..//evil.example",
                "https://bakery.example//evil.example?ref=ANN-BAKES",
            ),
            (
                "/a b/ü",
                "https://bakery.example/a%20b/%C3%BC?ref=ANN-BAKES",
            ),
            (
                "/?next=https://evil.example",
                "https://bakery.example/?next=https://evil.example&ref=ANN-BAKES",
            ),
            (
                "/@evil.example",
                "https://bakery.example/@evil.example?ref=ANN-BAKES",
            ),
            ("/:80/x", "https://bakery.example/:80/x?ref=ANN-BAKES"),
            (
                "https://bakery.example/cakes",
                "https://bakery.example/cakes?ref=ANN-BAKES",
            ),
            (
                "HTTPS://BAKERY.example:443/cakes",
                "https://bakery.example/cakes?ref=ANN-BAKES",
            ),
            (
                "https://bakery.example",
                "https://bakery.example/?ref=ANN-BAKES",
            ),
            (
                "https://bakery。example/x",
                "https://bakery.example/x?ref=ANN-BAKES",
            ),
            (
                "https://shop.bakery.example/x?y=1",
                "https://shop.bakery.example/x?y=1&ref=ANN-BAKES",
            ),
            (
                "https://Bücher.example/x",
                "https://xn--bcher-kva.example/x?ref=ANN-BAKES",
            ),
        ];
        for (to, location) in table {
            assert_eq!(with_to(to)?, location, "{to}");
        }
        Ok(())
    }

    /// The link's host is one that people trust: it must not send them anywhere its owner did not name.
    #[test]
    fn hostile_targets_are_ignored() -> Result {
        let plain = followed(BAKERY, "", None)?;
        for to in [
            "",
            " ",
            "cakes",
            "./cakes",
            "../cakes",
            "?x=1",
            "#x",
            "evil.example",
            "bakery.example/x",
            "//evil.example",
            "///evil.example",
            "////evil.example",
            "//bakery.example",
            "/\\evil.example",
            "\\/evil.example",
            "\\\\evil.example",
            "/\\/evil.example",
            "/cakes\\..\\x",
            "/\t/evil.example",
            "/\n/evil.example",
            "/\r\n/evil.example",
            "\t//evil.example",
            "/\0",
            "/x\r\nSet-Cookie: a=b",
            "/\u{7f}",
            "/\u{85}x",
            " /cakes",
            "\u{a0}//evil.example",
            "https:evil.example",
            "https:/evil.example",
            "https:///evil.example",
            "https:////evil.example",
            "https:\\\\evil.example",
            "https:bakery.example",
            "https:/bakery.example",
            "https://",
            "https://?bakery.example",
            "https://#bakery.example",
            "http://bakery.example/",
            "http://evil.example/",
            "ftp://bakery.example/",
            "ws://bakery.example/",
            "wss://bakery.example",
            "javascript:alert(1)",
            "javascript://bakery.example/%0aalert(1)",
            "JaVaScRiPt:alert(1)",
            "java\tscript:alert(1)",
            "data:text/html,<script>",
            "vbscript:x",
            "file:///etc/passwd",
            "blob:https://bakery.example/x",
            "about:blank",
            "mailto:a@b.c",
            "view-source:https://bakery.example",
            "intent://bakery.example/#Intent;scheme=https;end",
            "https://evil.example",
            "https://evil.example/",
            "https://evil.example:443/",
            "https://evil.example?bakery.example",
            "https://evil.example#bakery.example",
            "https://evil.example/bakery.example",
            "https://evil.example#@bakery.example",
            "https://evil.example?@bakery.example",
            "https://evil.example/@bakery.example",
            "https://evil.example\\@bakery.example",
            "https://evil.example\\.bakery.example",
            "https://bakery.example\\@evil.example",
            "https://bakery.example@evil.example",
            "https://bakery.example:443@evil.example",
            "https://bakery.example%40evil.example",
            "https://bakery.example:pass@evil.example",
            "https://user@bakery.example/",
            "https://user:pass@bakery.example/",
            "https://@bakery.example/",
            "https://:@bakery.example/",
            "https://evil.example@bakery.example/",
            "https://bakery.example.evil.example",
            "https://bakery.example.",
            "https://bakery.example./x",
            "https://.bakery.example/",
            "https://bakery.example..evil.example",
            "https://evilbakery.example",
            "https://bakery.exampleevil",
            "https://www.bakery.example",
            "https://x.shop.bakery.example/",
            "https://bakery-example.evil.example",
            "https://bakery%2eexample.evil.example",
            "https://evil.example%00.bakery.example",
            "https://evil.example%2f.bakery.example",
            "https://evil.example%23.bakery.example",
            "https://evil。example",
            "https://evil.example／.bakery.example",
            "https://evil.example＃bakery.example",
            "https://evil.example＠bakery.example",
            "https://bаkery.example/",
            "https://ｅvil.example/",
            "https://[::1]/",
            "https://[bakery.example]/",
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://localhost/",
            "https://bakery.example:8443/",
            "https://bakery.example:80/",
            "https://bakery.example:0/",
            "https://bakery.example:443x/",
            "https://bakery.example:99999/",
            "https://shop.bakery.example:8443/",
            "https://bakery.example :443/",
            "https:// bakery.example/",
            "https://bakery.example\t.evil.example",
            "https://ev\til.example",
            "ht\ttps://bakery.example",
            "\u{0}https://bakery.example/",
            " https://bakery.example/",
            "https ://bakery.example",
            "https://bakery.example/\u{0}",
            "https://bakery.example\n/",
        ] {
            assert_eq!(with_to(to)?, plain, "{to:?}");
        }
        assert_eq!(with_to(&format!("/{}", "x".repeat(TO_BYTES_MAX)))?, plain);
        // Encoded twice: what is left after decoding once is a harmless path.
        assert_eq!(
            with_to("/%2f/evil.example")?,
            "https://bakery.example/%2f/evil.example?ref=ANN-BAKES"
        );
        assert_eq!(
            with_to("/%5cevil.example")?,
            "https://bakery.example/%5cevil.example?ref=ANN-BAKES"
        );
        Ok(())
    }

    #[test]
    fn the_destinations_own_port_is_allowed_too() -> Result {
        let to = |destination: &str, to: &str| {
            followed(destination, &format!("to={}", encoded(to)), None)
        };
        let staging = "https://bakery.example:8443/";
        assert_eq!(
            to(staging, "https://bakery.example:8443/x")?,
            "https://bakery.example:8443/x?ref=ANN-BAKES"
        );
        assert_eq!(
            to(staging, "https://shop.bakery.example:8443/x")?,
            "https://shop.bakery.example:8443/x?ref=ANN-BAKES"
        );
        assert_eq!(
            to(staging, "https://bakery.example/x")?,
            "https://bakery.example/x?ref=ANN-BAKES"
        );
        assert_eq!(
            to(staging, "https://bakery.example:8444/x")?,
            "https://bakery.example:8443/?ref=ANN-BAKES"
        );
        let local = "http://localhost:3000/";
        assert_eq!(
            to(local, "http://localhost:3000/x")?,
            "http://localhost:3000/x?ref=ANN-BAKES"
        );
        assert_eq!(
            to(local, "http://localhost:3001/x")?,
            "http://localhost:3000/?ref=ANN-BAKES"
        );
        assert_eq!(
            to(local, "http://shop.bakery.example/x")?,
            "http://localhost:3000/?ref=ANN-BAKES"
        );
        Ok(())
    }

    #[test]
    fn a_links_query_is_read_within_bounds() {
        let query = LinkQuery::parse("ch=email&ch=qr&to=%2Fcakes&m=abc&fbclid=1");
        assert_eq!(
            (query.channel, query.to.as_deref(), query.mail_id.as_deref()),
            (Channel::Email, Some("/cakes"), Some("abc"))
        );
        assert_eq!(LinkQuery::parse("ch=WhatsApp").channel, Channel::Whatsapp);
        assert_eq!(
            LinkQuery::parse("ch=carrier-pigeon").channel,
            Channel::Other
        );
        assert_eq!(LinkQuery::parse("ch=").channel, Channel::Other);
        assert_eq!(LinkQuery::parse(""), LinkQuery::default());
        assert_eq!(
            LinkQuery::parse(&format!("m={}", "x".repeat(MAIL_ID_BYTES_MAX + 1))).mail_id,
            None
        );
        assert_eq!(
            LinkQuery::parse(&format!("{}to=/x", "a=1&".repeat(LINK_PARAMETERS_MAX))).to,
            None
        );
    }

    proptest! {
        /// Whatever a link says, it leads to a host that the program named, over TLS, and fits into one header line.
        #[test]
        fn no_link_leads_off_the_programs_hosts(
            to in r"(https?:|HTTPS:|)[/\\@:]{0,4}(bakery\.example|evil\.example|user@|shop\.bakery\.example|)[/\\@:#?.%\t ]{0,3}(evil\.example|:443|8443|)\PC{0,8}|.{0,30}",
            rest in ".{0,40}",
        ) {
            let query = format!("to={}&{rest}", encoded(&to));
            let location = followed(BAKERY, &query, Some("token")).map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert!(location.bytes().all(|byte| byte.is_ascii_graphic()), "{}", location);
            let url = Url::parse(&location).map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert_eq!(url.as_str(), &location);
            prop_assert_eq!(url.scheme(), "https");
            prop_assert!(matches!(url.host_str(), Some("bakery.example" | "shop.bakery.example" | "xn--bcher-kva.example")), "{}", location);
            prop_assert!(url.username().is_empty() && url.password().is_none() && url.port().is_none());
            let codes = url.query_pairs().filter(|(name, _)| name == CODE_PARAMETER).count();
            let tokens = url.query_pairs().filter(|(name, _)| name == CLICK_PARAMETER).count();
            prop_assert_eq!((codes, tokens), (1, 1));
        }
    }
}
