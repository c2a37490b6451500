#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]

use proptest::prelude::*;

use super::*;

/// Special blocks with public addresses on both sides, typed as the registries print them and not from the code.
const ISOLATED: [&str; 19] = [
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "168.63.129.16/32",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.31.196.0/24",
    "192.52.193.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "192.175.48.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "2001:db8::/32",
    "2002::/16",
    "2620:4f:8000::/48",
];

/// Special blocks inside others, beside others, or at an end.
const ADJOINING: [&str; 33] = [
    "0.0.0.0/8",
    "224.0.0.0/4",
    "233.252.0.0/24",
    "240.0.0.0/4",
    "255.255.255.255/32",
    "::/128",
    "::1/128",
    "::/96",
    "::ffff:0:0/96",
    "::ffff:0:0:0/96",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "100:0:0:1::/64",
    "2001::/23",
    "2001::/32",
    "2001:1::1/128",
    "2001:1::2/128",
    "2001:1::3/128",
    "2001:2::/48",
    "2001:3::/32",
    "2001:4:112::/48",
    "2001:10::/28",
    "2001:20::/28",
    "2001:30::/28",
    "3fff::/20",
    "4000::/2",
    "5f00::/16",
    "fc00::/7",
    "fd00:ec2::254/128",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
];

/// The last public address before such a block, and the first one behind.
const EDGES: [&str; 7] = [
    "1.0.0.0",
    "223.255.255.255",
    "2000::",
    "2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "2001:200::",
    "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "3fff:1000::",
];

/// First and last address of a block, as numbers, and whether they are IPv4.
fn bounds(block: &str) -> (u128, u128, bool) {
    let (first, length) = block.split_once('/').unwrap();
    let length: u32 = length.parse().unwrap();
    match first.parse().unwrap() {
        IpAddr::V4(first) => {
            let first = u128::from(first.to_bits());
            (first, first | ((1 << (32 - length)) - 1), true)
        }
        IpAddr::V6(first) => {
            let first = first.to_bits();
            (first, first | ((1 << (128 - length)) - 1), false)
        }
    }
}

fn address(number: u128, is_v4: bool) -> IpAddr {
    if is_v4 {
        Ipv4Addr::from_bits(u32::try_from(number).unwrap()).into()
    } else {
        Ipv6Addr::from_bits(number).into()
    }
}

#[test]
fn the_bounds_of_every_special_block_are_refused() {
    for block in ISOLATED.iter().chain(&ADJOINING) {
        let (first, last, is_v4) = bounds(block);
        for number in [first, last] {
            let address = address(number, is_v4);
            assert!(!is_public(address), "{address} of {block}");
        }
    }
}

#[test]
fn the_neighbours_of_special_blocks_are_taken() {
    for block in ISOLATED {
        let (first, last, is_v4) = bounds(block);
        for number in [first - 1, last + 1] {
            let address = address(number, is_v4);
            assert!(is_public(address), "{address} beside {block}");
        }
    }
    for edge in EDGES {
        assert!(is_public(edge.parse().unwrap()), "{edge}");
    }
}

#[test]
fn hosts_that_everybody_knows_are_public() {
    for host in [
        "1.1.1.1",
        "8.8.8.8",
        "93.184.215.14",
        "2606:4700:4700::1111",
        "2a00:1450:4001:80b::200e",
        "2600:1f18::1",
    ] {
        assert!(is_public(host.parse().unwrap()), "{host}");
    }
}

#[test]
fn the_metadata_of_clouds_is_refused() {
    for host in [
        "169.254.169.254",
        "169.254.170.2",
        "169.254.169.123",
        "fd00:ec2::254",
        "fd20:ce::254",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::",
    ] {
        assert!(!is_public(host.parse().unwrap()), "{host}");
    }
}

proptest! {
    #[test]
    fn every_address_of_a_special_block_is_refused(
        block in proptest::sample::select([&ISOLATED[..], &ADJOINING[..]].concat()),
        offset in any::<u128>(),
    ) {
        let (first, last, is_v4) = bounds(block);
        let size = (last - first).saturating_add(1);
        let address = address(first + offset % size, is_v4);
        prop_assert!(!is_public(address), "{} of {}", address, block);
    }

    /// Whatever IPv4 address an IPv6 address carries.
    #[test]
    fn an_address_inside_an_address_is_refused(inner in any::<u32>()) {
        let inner = u128::from(inner);
        for carrier in ["::", "::ffff:0:0", "::ffff:0:0:0", "64:ff9b::", "64:ff9b:1::"] {
            let carrier: Ipv6Addr = carrier.parse().unwrap();
            prop_assert!(!is_public(Ipv6Addr::from_bits(carrier.to_bits() | inner).into()));
        }
        let six_to_four: Ipv6Addr = "2002::".parse().unwrap();
        prop_assert!(!is_public(Ipv6Addr::from_bits(six_to_four.to_bits() | (inner << 80)).into()));
    }
}
