#![expect(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;

use super::*;

fn public(text: &str) -> Result<Destination, BadDestination> {
    Destination::parse(text, Reach::Public)
}

fn local(text: &str) -> Result<Destination, BadDestination> {
    Destination::parse(text, Reach::LocalToo)
}

#[test]
fn ordinary_urls_are_taken_and_written_as_the_standard_does() {
    for (text, expected) in [
        (
            "https://hooks.example.com/kith",
            "https://hooks.example.com/kith",
        ),
        ("https://Shop.Example.COM", "https://shop.example.com/"),
        (
            "https://shop.example.com:443/a?b=c",
            "https://shop.example.com/a?b=c",
        ),
        (
            "https://shop.example.com:8443/a/../b",
            "https://shop.example.com:8443/b",
        ),
        ("https://müller.de/ä", "https://xn--mller-kva.de/%C3%A4"),
        ("https://ｓhop.example.com/", "https://shop.example.com/"),
        ("https://%65xample.com/", "https://example.com/"),
        ("https://8.8.8.8/", "https://8.8.8.8/"),
        ("https://134744072/", "https://8.8.8.8/"),
        (
            "https://[2606:4700:4700:0::1111]/",
            "https://[2606:4700:4700::1111]/",
        ),
        (
            "https://localhost.example.com/",
            "https://localhost.example.com/",
        ),
        (
            "https://mylocalhost.com/^`{|}?token=^`{|}[]\"'",
            "https://mylocalhost.com/^%60%7B|%7D?token=^`{|}[]%22%27",
        ),
    ] {
        for reach in [Reach::Public, Reach::LocalToo] {
            let read = Destination::parse(text, reach).unwrap();
            assert_eq!(read.as_str(), expected);
            assert!(!read.is_local());
            assert_eq!(Destination::parse(read.as_str(), reach).unwrap(), read);
        }
    }
}

/// Each is refused where the internet is meant, and the bundle on one machine refuses all but the last list as well.
#[test]
fn what_does_not_lead_to_the_internet_is_refused() {
    use BadDestination as B;
    let long = format!(
        "https://example.com/{}",
        "a".repeat(DESTINATION_BYTES_MAX - 19)
    );
    let long_encoded = format!("https://example.com/{}", "ä".repeat(600));
    let long_label = format!("https://{}.com/", "a".repeat(64));
    let long_name = format!("https://{}com/", "abcdefg.".repeat(32));
    for (text, expected) in [
        // Not a URL, or not one of the web.
        ("", B::NotAUrl),
        ("hooks.example.com", B::NotAUrl),
        ("//hooks.example.com/", B::NotAUrl),
        ("https://", B::NotAUrl),
        ("https:///", B::NotAUrl),
        ("https://exa<mple.com/", B::NotAUrl),
        ("https://example.com:99999/", B::NotAUrl),
        ("https://1.2.3.4.5/", B::NotAUrl),
        ("https://256.1.1.1/", B::NotAUrl),
        ("https://[::1/", B::NotAUrl),
        ("https://[fe80::1%25eth0]/", B::NotAUrl),
        ("https://exa%00mple.com/", B::NotAUrl),
        ("https://exa%2Fmple.com/", B::NotAUrl),
        ("ftp://example.com/", B::Scheme),
        ("file:///etc/passwd", B::Scheme),
        ("gopher://example.com/", B::Scheme),
        ("wss://example.com/", B::Scheme),
        ("javascript:alert(1)", B::Scheme),
        ("data:text/plain,x", B::Scheme),
        ("unix:/run/docker.sock", B::Scheme),
        ("http://hooks.example.com/", B::Scheme),
        ("HTTP://8.8.8.8/", B::Scheme),
        ("http://10.0.0.1/", B::Scheme),
        // What would be lost, or sent to somebody else than it seems.
        ("https://user@example.com/", B::Credentials),
        ("https://user:secret@example.com/", B::Credentials),
        ("https://:secret@example.com/", B::Credentials),
        ("https://example.com@10.0.0.1/", B::Credentials),
        ("https://example.com/#part", B::Fragment),
        ("https://example.com/#", B::Fragment),
        ("https://example.com\\@10.0.0.1/", B::Characters),
        (" https://example.com/", B::Characters),
        ("https://example.com/\n", B::Characters),
        ("https://exam\tple.com/", B::Characters),
        ("https://example.com/a b", B::Characters),
        ("https://example.com/\u{85}", B::Characters),
        ("https://example.com/\u{3000}", B::Characters),
        ("https://example.com/\0", B::Characters),
        ("https://example.com:0/", B::Port),
        (&long, B::TooLong),
        (&long_encoded, B::TooLong),
        // Names.
        ("https://intranet/", B::Host),
        ("https://example.com./", B::Host),
        ("https://localhost./", B::Host),
        ("https://example.com../", B::Host),
        ("https://a..example.com/", B::Host),
        ("https://.example.com/", B::Host),
        (&long_label, B::Host),
        (&long_name, B::Host),
        ("https://printer.local/", B::SpecialName),
        ("https://PRINTER.LOCAL/", B::SpecialName),
        ("https://printer.%6c%6f%63%61%6c/", B::SpecialName),
        ("https://printer.ｌｏｃａｌ/", B::SpecialName),
        ("https://printer。local/", B::SpecialName),
        ("https://metadata.google.internal/", B::SpecialName),
        ("https://api.corp/", B::SpecialName),
        ("https://api.intranet/", B::SpecialName),
        ("https://nas.home/", B::SpecialName),
        ("https://nas.home.arpa/", B::SpecialName),
        ("https://nas.lan/", B::SpecialName),
        ("https://nas.private/", B::SpecialName),
        ("https://nas.localdomain/", B::SpecialName),
        ("https://relay.mail/", B::SpecialName),
        ("https://shop.test/", B::SpecialName),
        ("https://shop.example/", B::SpecialName),
        ("https://shop.invalid/", B::SpecialName),
        ("https://shop.alt/", B::SpecialName),
        ("https://abcdef.onion/", B::SpecialName),
        ("https://4.3.2.1.in-addr.arpa/", B::SpecialName),
        // Addresses, in every writing.
        ("https://0.0.0.0/", B::PrivateAddress),
        ("https://0/", B::PrivateAddress),
        ("https://10.0.0.1/", B::PrivateAddress),
        ("https://10.1/", B::PrivateAddress),
        ("https://012.0.0.1/", B::PrivateAddress),
        ("https://0xA.0.0.1/", B::PrivateAddress),
        ("https://0x0a000001/", B::PrivateAddress),
        ("https://167772161/", B::PrivateAddress),
        ("https://10.0.0.1./", B::PrivateAddress),
        ("https://%31%30.0.0.1/", B::PrivateAddress),
        ("https://１０.0.0.1/", B::PrivateAddress),
        ("https://10。0。0。1/", B::PrivateAddress),
        ("https://①0.0.0.1/", B::PrivateAddress),
        ("https://100.64.0.1/", B::PrivateAddress),
        ("https://100.100.100.200/", B::PrivateAddress),
        ("https://169.254.169.254/latest/", B::PrivateAddress),
        ("https://0xa9fea9fe/", B::PrivateAddress),
        ("https://2852039166/", B::PrivateAddress),
        ("https://0251.0376.0251.0376/", B::PrivateAddress),
        ("https://172.16.0.1/", B::PrivateAddress),
        ("https://192.168.1.1/", B::PrivateAddress),
        ("https://192.168.257/", B::PrivateAddress),
        ("https://192.0.2.1/", B::PrivateAddress),
        ("https://198.18.0.1/", B::PrivateAddress),
        ("https://224.0.0.1/", B::PrivateAddress),
        ("https://240.0.0.1/", B::PrivateAddress),
        ("https://255.255.255.255/", B::PrivateAddress),
        ("https://[::]/", B::PrivateAddress),
        ("https://[::ffff:127.0.0.1]/", B::PrivateAddress),
        ("https://[::ffff:10.0.0.1]/", B::PrivateAddress),
        ("https://[::127.0.0.1]/", B::PrivateAddress),
        ("https://[::a00:1]/", B::PrivateAddress),
        ("https://[64:ff9b::10.0.0.1]/", B::PrivateAddress),
        ("https://[64:ff9b:1::1]/", B::PrivateAddress),
        ("https://[2002:a00:1::]/", B::PrivateAddress),
        ("https://[2001::1]/", B::PrivateAddress),
        ("https://[2001:db8::1]/", B::PrivateAddress),
        ("https://[fd00:ec2::254]/", B::PrivateAddress),
        ("https://[fe80::1]/", B::PrivateAddress),
        ("https://[fec0::1]/", B::PrivateAddress),
        ("https://[ff02::1]/", B::PrivateAddress),
    ] {
        assert_eq!(public(text), Err(expected), "{text}");
        assert_eq!(local(text), Err(expected), "{text}");
    }
}

/// Also without TLS, but never a name that somebody else could answer for.
#[test]
fn this_machine_is_reached_only_where_that_is_allowed() {
    for (host, error) in [
        ("localhost", BadDestination::ThisMachine),
        ("LOCALHOST:3000", BadDestination::ThisMachine),
        ("%6cocalhost", BadDestination::ThisMachine),
        ("hooks.localhost", BadDestination::ThisMachine),
        ("127.0.0.1:3000", BadDestination::PrivateAddress),
        ("127.1", BadDestination::PrivateAddress),
        ("0x7f.1", BadDestination::PrivateAddress),
        ("0177.0.0.1", BadDestination::PrivateAddress),
        ("2130706433", BadDestination::PrivateAddress),
        ("127.0.0.1.", BadDestination::PrivateAddress),
        ("１２７.0.0.1", BadDestination::PrivateAddress),
        ("127.255.255.254", BadDestination::PrivateAddress),
        ("[::1]:3000", BadDestination::PrivateAddress),
    ] {
        let secure = format!("https://{host}/hook?a=b");
        assert_eq!(public(&secure), Err(error), "{host}");
        assert!(local(&secure).unwrap().is_local(), "{host}");
        let plain = format!("http://{host}/hook?a=b");
        assert_eq!(public(&plain), Err(BadDestination::Scheme), "{host}");
        assert!(local(&plain).unwrap().is_local(), "{host}");
    }
}

#[test]
fn a_request_is_written_from_what_was_checked() {
    let read = local("http://LocalHost:3000/a%20b?c=d&e").unwrap();
    assert_eq!(read.target().as_str(), "/a%20b?c=d&e");
    assert_eq!(read.authority(), "localhost:3000");
    assert_eq!((read.port(), read.is_secure()), (3000, false));
    let read = public("https://[2606:4700::1]").unwrap();
    assert_eq!(read.target().as_str(), "/");
    assert_eq!(read.authority(), "[2606:4700::1]");
    assert_eq!((read.port(), read.is_secure()), (443, true));
    assert_eq!(read.literal(), "2606:4700::1".parse().ok());
    assert_eq!(read.host(), "[2606:4700::1]");
}

/// People put tokens into paths and queries.
#[test]
fn secrets_are_neither_in_errors_nor_in_debug_output() {
    for text in [
        "https://user:hunter2@example.com/",
        "ftp://example.com/hunter2",
        "https://10.0.0.1/hunter2",
        "https://[hunter2]/",
    ] {
        let error = public(text).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
    let read = public("https://example.com:8443/hunter2?token=hunter2").unwrap();
    assert_eq!(
        format!("{read:?}"),
        "Destination(https://example.com:8443/…)"
    );
}

proptest! {
    /// Nothing that is taken for the internet has a literal address that is not on it, whatever stands in the text.
    #[test]
    fn what_is_taken_is_public(text in "(https?://)?[0-9a-fx.:\\[\\]%@１。/#?]{1,40}") {
        if let Ok(read) = public(&text) {
            prop_assert!(read.is_secure() && !read.is_local());
            if let Some(address) = read.literal() {
                prop_assert!(is_public(address));
            }
            prop_assert_eq!(public(read.as_str()).unwrap(), read);
        }
    }

    /// Every number of 32 bits is an address in three further writings.
    #[test]
    fn a_number_is_the_address_that_it_stands_for(number in any::<u32>()) {
        let address = std::net::Ipv4Addr::from_bits(number);
        for host in [address.to_string(), number.to_string(), format!("{number:#x}"), format!("0{number:o}")] {
            let read = public(&format!("https://{host}/"));
            prop_assert_eq!(read.is_ok(), is_public(address.into()));
        }
    }
}
