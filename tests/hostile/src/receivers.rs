//! Receivers of webhooks: where their owners have us call, when they want to be called again, and what is believed of
//! others that sign as we do.
//!
//! The first line is a URL, the second a header `Retry-After`, the third a secret, the fourth the id of a message and the fifth
//! its signature; the rest is its body.

use std::net::IpAddr;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use kith_connectors::signing::{
    self, ID_HEADER, SIGNATURE_HEADER, Secret, TIMESTAMP_HEADER, Unverified,
};
use kith_connectors::{DESTINATION_BYTES_MAX, Destination, Reach, RetryAfter, is_public};
use url::{Host, Url};

use crate::bodies::now;
use crate::{is_repeated, text};

/// Reads the lines.
pub fn receivers(data: &[u8]) {
    let mut lines = data.splitn(6, |byte| *byte == b'\n');
    let [url, retry_after, secret, id, signature] =
        std::array::from_fn(|_| lines.next().unwrap_or_default());
    let body = lines.next().unwrap_or_default();
    destination(&text(url));
    if let Some(wish) = HeaderValue::from_bytes(retry_after)
        .ok()
        .and_then(|value| RetryAfter::read(&value))
    {
        // Whoever waits sets bounds; it is enough that there is a wait at all.
        assert!(wish.wait(now()) >= Duration::ZERO);
    }
    let secret = text(secret);
    if let Ok(secret) = Secret::parse(&secret).inspect(|read| assert_eq!(read.reveal(), secret)) {
        is_signed(&secret, &text(id), body);
    }
    nobody_guesses(id, signature, body);
}

fn destination(text: &str) {
    let local = Destination::parse(text, Reach::LocalToo);
    let public = match Destination::parse(text, Reach::Public) {
        Ok(public) => public,
        Err(error) => {
            assert!(error.to_string().len() <= 200);
            let refusal = |text: &str| {
                let read = Destination::parse(text, Reach::Public);
                read.err().map(|error| error.to_string())
            };
            assert!(!is_repeated(text, refusal), "{error}");
            assert!(local.is_err() || local.is_ok_and(|local| local.is_local()));
            return;
        }
    };
    assert_eq!(local.as_ref(), Ok(&public));
    assert!(!public.is_local() && public.as_str().len() <= DESTINATION_BYTES_MAX);
    let again = Destination::parse(public.as_str(), Reach::Public);
    assert_eq!(again, Ok(public.clone()));
    let written = public.as_str();
    assert!(
        written.starts_with("https://") && written.bytes().all(|byte| byte.is_ascii_graphic()),
        "{written:?}"
    );
    // Whoever reads the URL anew sees a host of the internet too, and nothing beside it.
    let url = Url::parse(written).unwrap();
    assert_eq!(
        (url.username(), url.password(), url.fragment()),
        ("", None, None)
    );
    match url.host().unwrap() {
        Host::Domain(name) => {
            assert!(name.contains('.') && !name.ends_with('.'), "{name}");
            assert!(name.parse::<IpAddr>().is_err(), "{name}");
            assert!(name != "localhost" && !name.ends_with(".localhost"));
        }
        Host::Ipv4(address) => assert!(is_public(address.into()), "{address}"),
        Host::Ipv6(address) => assert!(is_public(address.into()), "{address}"),
    }
    assert!(!format!("{public:?}").contains(['?', '#', '@']));
}

/// What is signed is believed as it is, and neither later nor longer.
fn is_signed(secret: &Secret, id: &str, body: &[u8]) {
    let secrets = std::slice::from_ref(secret);
    let Ok(headers) = signing::headers(secrets, id, now(), body) else {
        return;
    };
    assert_eq!(signing::verify(&headers, secrets, body, now()), Ok(id));
    let longer = [body, b" "].concat();
    assert_eq!(
        signing::verify(&headers, secrets, &longer, now()),
        Err(Unverified::Signature)
    );
    let late = now() + signing::TOLERANCE + jiff::SignedDuration::from_secs(1);
    assert_eq!(
        signing::verify(&headers, secrets, body, late),
        Err(Unverified::Stale)
    );
    let other = [Secret::of_random([9; 32])];
    assert!(signing::verify(&headers, &other, body, now()).is_err() || *secret == other[0]);
}

/// Whoever does not know the secret has to guess the signature.
fn nobody_guesses(id: &[u8], signature: &[u8], body: &[u8]) {
    let mut headers = HeaderMap::new();
    headers.insert(TIMESTAMP_HEADER, now().as_second().into());
    for (name, value) in [(ID_HEADER, id), (SIGNATURE_HEADER, signature)] {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.insert(name, value);
        }
    }
    let secrets = [Secret::of_random([7; 32]), Secret::of_random([8; 32])];
    assert!(signing::verify(&headers, &secrets, body, now()).is_err());
}
