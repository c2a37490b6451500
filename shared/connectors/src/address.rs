//! Which addresses are on the internet, and which lead somewhere that no stranger may send us.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A block of addresses: the first one, and how many bits of it all share.
struct Block<Address>(Address, u32);

/// IPv4 that is not for everybody: IANA's special-purpose registry (RFC 6890), multicast, and one address of a cloud.
/// The registry's few blocks that are reachable are refused as well: they hold infrastructure, and no web server.
const SPECIAL_V4: [Block<Ipv4Addr>; 20] = [
    // "This network" (RFC 791); 0.0.0.0 reaches this machine.
    Block(Ipv4Addr::new(0, 0, 0, 0), 8),
    // Private (RFC 1918).
    Block(Ipv4Addr::new(10, 0, 0, 0), 8),
    // Shared behind carriers' NAT (RFC 6598); a cloud's metadata at 100.100.100.200.
    Block(Ipv4Addr::new(100, 64, 0, 0), 10),
    // Loopback; on Lambda the runtime's own API is here.
    Block(Ipv4Addr::new(127, 0, 0, 0), 8),
    // The host of a virtual machine at Azure, with metadata; a public address by its number.
    Block(Ipv4Addr::new(168, 63, 129, 16), 32),
    // Link-local (RFC 3927); the clouds' metadata and credentials at 169.254.169.254 and its neighbours.
    Block(Ipv4Addr::new(169, 254, 0, 0), 16),
    // Private.
    Block(Ipv4Addr::new(172, 16, 0, 0), 12),
    // Protocol assignments (RFC 6890).
    Block(Ipv4Addr::new(192, 0, 0, 0), 24),
    // Documentation (RFC 5737).
    Block(Ipv4Addr::new(192, 0, 2, 0), 24),
    // AS112 (RFC 7535), AMT (RFC 7450), once the relays of 6to4 (RFC 7526), AS112 again (RFC 7534).
    Block(Ipv4Addr::new(192, 31, 196, 0), 24),
    Block(Ipv4Addr::new(192, 52, 193, 0), 24),
    Block(Ipv4Addr::new(192, 88, 99, 0), 24),
    Block(Ipv4Addr::new(192, 175, 48, 0), 24),
    // Private.
    Block(Ipv4Addr::new(192, 168, 0, 0), 16),
    // Benchmarking (RFC 2544).
    Block(Ipv4Addr::new(198, 18, 0, 0), 15),
    // Documentation.
    Block(Ipv4Addr::new(198, 51, 100, 0), 24),
    Block(Ipv4Addr::new(203, 0, 113, 0), 24),
    // Multicast (RFC 5771), and a block of it that is for documentation (RFC 6676).
    Block(Ipv4Addr::new(224, 0, 0, 0), 4),
    Block(Ipv4Addr::new(233, 252, 0, 0), 24),
    // Reserved (RFC 1112), with the broadcast address at its end.
    Block(Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// The only block of IPv6 from which public addresses are given out (RFC 4291, IANA). Outside it are loopback, unspecified,
/// the forms that carry an IPv4 address (mapped, compatible, translated, NAT64 64:ff9b::/96 and 64:ff9b:1::/48),
/// discard-only 100::/64, segment routing 5f00::/16, unique local fc00::/7 with a cloud's metadata, link-local fe80::/10, what
/// was site-local fec0::/10, and multicast ff00::/8.
const PUBLIC_V6: Block<Ipv6Addr> = Block(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// What inside that block is not for everybody.
const SPECIAL_V6: [Block<Ipv6Addr>; 5] = [
    // Protocol assignments (RFC 2928): Teredo 2001::/32, benchmarking 2001:2::/48, ORCHID and more.
    Block(Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    // Documentation (RFC 3849).
    Block(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    // 6to4 (RFC 3056): an IPv4 address in disguise.
    Block(Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    // AS112 (RFC 7534).
    Block(Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0), 48),
    // Documentation (RFC 9637).
    Block(Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

impl Block<Ipv4Addr> {
    fn holds(&self, address: Ipv4Addr) -> bool {
        (self.0.to_bits() ^ address.to_bits()).leading_zeros() >= self.1
    }
}

impl Block<Ipv6Addr> {
    fn holds(&self, address: Ipv6Addr) -> bool {
        (self.0.to_bits() ^ address.to_bits()).leading_zeros() >= self.1
    }
}

/// Whether an address is one that everybody on the internet reaches, and so one that a stranger may have us call.
///
/// An IPv6 address that carries an IPv4 address is never public, whatever it carries: a public host has the real one.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !SPECIAL_V4.iter().any(|block| block.holds(address)),
        IpAddr::V6(address) => {
            PUBLIC_V6.holds(address) && !SPECIAL_V6.iter().any(|block| block.holds(address))
        }
    }
}

#[cfg(test)]
mod tests;
