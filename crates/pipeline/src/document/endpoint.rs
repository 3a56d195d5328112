//! A host and a port.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// What a connector may connect to: one host, one port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// A host name in lower case, or an address without brackets.
    pub host: String,
    /// The port; never 0.
    pub port: u16,
}

impl Endpoint {
    /// Reads `host:port`, `1.2.3.4:port` or `[v6]:port`.
    ///
    /// # Errors
    /// Says what an endpoint looks like if this is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.contains("://") {
            return Err("write host:port, not a URL".to_owned());
        }
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or(SHAPE)?;
                host.parse::<Ipv6Addr>()
                    .map_err(|_| "there is no IPv6 address between the brackets".to_owned())?;
                (host, port.strip_prefix(':').ok_or(PORTLESS)?)
            }
            None if text.parse::<Ipv6Addr>().is_ok() => {
                return Err(
                    "write an IPv6 address in brackets, and a port after it: [::1]:443".to_owned(),
                );
            }
            None => text.split_once(':').ok_or(PORTLESS)?,
        };
        if port == "*" {
            return Err("every port has to be named".to_owned());
        }
        if host.contains('*') {
            return Err("every host has to be named; there are no wildcards".to_owned());
        }
        if !is_host(host) {
            return Err(SHAPE.to_owned());
        }
        match port.parse() {
            Ok(number) if number > 0 && port.bytes().all(|digit| digit.is_ascii_digit()) => {
                Ok(Endpoint {
                    host: host.to_ascii_lowercase(),
                    port: number,
                })
            }
            _ => Err("the port must be a number from 1 to 65535".to_owned()),
        }
    }
}

const SHAPE: &str = "write host:port, such as db.example.com:5432";
const PORTLESS: &str = "the port is missing: write host:port, such as db.example.com:5432";

/// An address, or labels of letters, digits, `-` and `_` between dots.
fn is_host(host: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .chars()
                .all(|one| one.is_ascii_alphanumeric() || one == '-' || one == '_')
    };
    host.parse::<IpAddr>().is_ok()
        || (host.len() <= 253 && host.trim_end_matches('.').split('.').all(label))
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_host_and_a_port_make_an_endpoint() {
        for text in [
            "db.example.com:5432",
            "10.0.0.7:443",
            "[::1]:8080",
            "localhost:1",
            "my_db:65535",
        ] {
            assert_eq!(Endpoint::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Endpoint::parse("DB.Example:1").unwrap().host, "db.example");
    }

    #[test]
    fn a_host_without_a_port_a_wildcard_and_a_url_are_refused() {
        for (text, reason) in [
            ("db.example.com", "port is missing"),
            ("[::1]", "port is missing"),
            ("::1", "[::1]:443"),
            ("*.example.com:443", "wildcards"),
            ("db.example.com:*", "every port"),
            ("https://db.example.com:443", "not a URL"),
            ("db:0", "1 to 65535"),
            ("db:99999", "1 to 65535"),
            ("db:+5", "1 to 65535"),
            ("db:", "1 to 65535"),
            (":5", "host:port"),
            ("a b:5", "host:port"),
            ("[nonsense]:5", "IPv6"),
        ] {
            let refused = Endpoint::parse(text).unwrap_err();
            assert!(refused.contains(reason), "{text}: {refused}");
        }
    }
}
