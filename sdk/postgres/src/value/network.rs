//! `inet`, `cidr`, `macaddr`, `macaddr8`.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use vesicle_connector::Result;

use super::{Codec, malformed, unreadable};

/// PostgreSQL's number for IPv4 addresses; that for IPv6 is one more.
const INET: u8 = 2;

#[derive(Clone, Copy)]
pub(crate) struct Inet {
    pub(crate) cidr: bool,
}

impl Inet {
    fn name(self) -> &'static str {
        if self.cidr { "cidr" } else { "inet" }
    }
}

impl Codec for Inet {
    fn print(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let [family, bits, _, length, address @ ..] = bytes else {
            return Err(malformed(self.name(), bytes));
        };
        let v4 = <[u8; 4]>::try_from(address)
            .ok()
            .filter(|_| *family == INET);
        let v6 = <[u8; 16]>::try_from(address)
            .ok()
            .filter(|_| *family == INET + 1);
        let address: IpAddr = match (v4, v6) {
            (Some(v4), _) => Ipv4Addr::from(v4).into(),
            (_, Some(v6)) => Ipv6Addr::from(v6).into(),
            _ => return Err(malformed(self.name(), bytes)),
        };
        let all = length.wrapping_mul(8);
        if *bits > all || usize::from(*length) != bytes.len() - 4 {
            return Err(malformed(self.name(), bytes));
        }
        let written = match *bits == all && !self.cidr {
            true => write!(out, "{address}"),
            false => write!(out, "{address}/{bits}"),
        };
        written.map_err(Into::into)
    }

    fn parse(&self, text: &str, out: &mut Vec<u8>) -> Result<()> {
        let bad = || unreadable(self.name(), text);
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().map_err(|_| bad())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        let (family, number, all) = match address {
            IpAddr::V4(v4) => (INET, u128::from(u32::from(v4)) << 96, 32),
            IpAddr::V6(v6) => (INET + 1, u128::from(v6), 128),
        };
        let bits = bits.unwrap_or(all);
        // A network has no bits set beyond its own.
        let beyond = number.checked_shl(u32::from(bits)).unwrap_or(0);
        if bits > all || self.cidr && beyond != 0 {
            return Err(bad());
        }
        out.extend_from_slice(&[family, bits, u8::from(self.cidr), all / 8]);
        match address {
            IpAddr::V4(v4) => out.extend_from_slice(&v4.octets()),
            IpAddr::V6(v6) => out.extend_from_slice(&v6.octets()),
        }
        Ok(())
    }
}

/// An address of `N` bytes.
#[derive(Clone, Copy)]
pub(crate) struct Mac<const N: usize>;

impl<const N: usize> Codec for Mac<N> {
    fn print(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        if bytes.len() != N {
            return Err(malformed("macaddr", bytes));
        }
        for (index, byte) in bytes.iter().enumerate() {
            write!(out, "{}{byte:02x}", if index > 0 { ":" } else { "" })?;
        }
        Ok(())
    }

    fn parse(&self, text: &str, out: &mut Vec<u8>) -> Result<()> {
        let bad = || unreadable(if N == 6 { "macaddr" } else { "macaddr8" }, text);
        let mut bytes = [0; N];
        let mut parts = text.split([':', '-']);
        for byte in &mut bytes {
            let part = parts
                .next()
                .filter(|part| part.len() == 2)
                .ok_or_else(bad)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| bad())?;
        }
        if parts.next().is_some() {
            return Err(bad());
        }
        out.extend_from_slice(&bytes);
        Ok(())
    }
}
