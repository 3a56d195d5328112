//! Where a state in PostgreSQL is, and how to get in.
//!
//! Invariants: whoever is not on this machine is dialled with TLS and a
//! verified name unless the address says otherwise; `Display`, `Debug` and
//! errors have nothing of the password.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use vesicle_session::{Endpoint, Postgres, Secret, Tls};

/// The schema where an address names none.
const SCHEMA: &str = "vesicle";
/// Bytes of the longest name in PostgreSQL (`NAMEDATALEN` - 1).
const LONGEST_NAME: usize = 63;
/// What an address looks like.
const FORM: &str = "postgres://user:password@host:port/database";
/// What may stand behind the `?` of an address.
const PARAMETERS: &str = "sslmode, sslrootcert, schema, connect_timeout";

/// A schema of a database, and who signs in there.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    host: String,
    port: u16,
    user: String,
    password: Option<String>,
    database: String,
    schema: String,
    tls: Option<Tls>,
    root_certificate: Option<PathBuf>,
    connect_timeout: Duration,
}

impl Address {
    /// Reads a URL: `postgres://user:password@host:port/database?schema=vesicle`.
    /// Paths in it are relative to `base`.
    ///
    /// # Errors
    /// A sentence that says what is wrong, and has nothing of the password.
    pub fn parse(url: &str, base: &Path) -> Result<Self, String> {
        let rest = url
            .strip_prefix("postgres://")
            .or_else(|| url.strip_prefix("postgresql://"))
            .ok_or_else(|| format!("this is no URL of a database: write {FORM}"))?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (userinfo, place) = authority
            .rsplit_once('@')
            .ok_or_else(|| format!("the URL names no user: write {FORM}"))?;
        let (user, password) = match userinfo.split_once(':') {
            Some((user, password)) => (user, Some(decode(password)?)),
            None => (userinfo, None),
        };
        let user = decode(user)?;
        let (host, port) = host_and_port(place)?;
        let database = match decode(path)? {
            path if path.is_empty() => user.clone(),
            path => path,
        };
        if user.is_empty() || host.is_empty() {
            return Err(format!("the URL names no user or no host: write {FORM}"));
        }
        let mut address = Self {
            host,
            port,
            user,
            password,
            database,
            schema: SCHEMA.to_owned(),
            tls: None,
            root_certificate: None,
            connect_timeout: Duration::from_secs(10),
        };
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            address.set(name, decode(value)?, base)?;
        }
        Ok(address)
    }

    fn set(&mut self, name: &str, value: String, base: &Path) -> Result<(), String> {
        match name {
            "sslmode" => {
                let tls = value.parse::<Tls>();
                self.tls = Some(tls.map_err(|error| format!("sslmode: {error}"))?);
            }
            "sslrootcert" => self.root_certificate = Some(base.join(value)),
            "schema" if value.is_empty() || value.len() > LONGEST_NAME => {
                return Err(format!(
                    "schema: a name has 1 to {LONGEST_NAME} bytes, this has {}",
                    value.len()
                ));
            }
            "schema" if value.starts_with("pg_") || value.contains('\0') => {
                return Err(format!("schema: {value:?} is a name of PostgreSQL's own"));
            }
            "schema" => self.schema = value,
            "connect_timeout" => {
                let seconds = value.parse().ok().filter(|seconds| *seconds > 0);
                let seconds = seconds.ok_or("connect_timeout: a number of seconds is needed")?;
                self.connect_timeout = Duration::from_secs(seconds);
            }
            _ => {
                return Err(format!(
                    "{name:?} is no parameter of this URL; there are {PARAMETERS}"
                ));
            }
        }
        Ok(())
    }

    /// The password, which nothing may show.
    pub fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// Who signs in.
    pub(super) fn user(&self) -> &str {
        &self.user
    }

    /// The database.
    pub(super) fn database(&self) -> &str {
        &self.database
    }

    /// The schema that the tables are in.
    pub(super) fn schema(&self) -> &str {
        &self.schema
    }

    /// How long it may take to be let in, once more for each step.
    pub(super) fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    /// The server: `host:port/database`.
    pub(super) fn server(&self) -> String {
        let endpoint = self.endpoint(Vec::new());
        format!("{endpoint}/{}", self.database)
    }

    /// What is dialled, before its name is looked up.
    pub(super) fn host_and_port(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    fn endpoint(&self, addresses: Vec<std::net::SocketAddr>) -> Endpoint {
        Endpoint {
            host: self.host.clone(),
            port: self.port,
            addresses,
        }
    }

    /// How to get in, at what the name was found to stand for.
    pub(super) fn dial_at(&self, addresses: Vec<std::net::SocketAddr>) -> Postgres {
        let postgres = Postgres::new(self.endpoint(addresses), &self.user);
        Postgres {
            password: self.password.clone().map(Secret::from),
            tls: self.tls.unwrap_or(postgres.tls),
            root_certificate: self.root_certificate.clone(),
            connect_timeout: self.connect_timeout,
            ..postgres
        }
    }
}

/// The host and the port of `host`, `host:port`, `[address]` or `[address]:port`.
fn host_and_port(place: &str) -> Result<(String, u16), String> {
    let (host, port) = match place
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        Some((host, "")) => (host, None),
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => match place.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        },
    };
    if host.contains(',') {
        return Err("the URL names several hosts; a state is in one place".to_owned());
    }
    if host.contains(':') && host.parse::<IpAddr>().is_err() {
        return Err("the host of the URL is none: write [address]:port for IPv6".to_owned());
    }
    let port = match port {
        None | Some("") => 5432,
        Some(port) => port
            .parse()
            .map_err(|_| "the port of the URL is no number from 1 to 65535".to_owned())?,
    };
    Ok((decode(host)?, port))
}

/// A text as RFC 3986, 2.1 writes it.
fn decode(text: &str) -> Result<String, String> {
    let wrong = "a % in the URL is not followed by two hexadecimal digits; write %25 for it";
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = rest.get(..2).and_then(|digits| str::from_utf8(digits).ok());
        let value = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(value.ok_or(wrong)?);
        rest = &rest[2..];
    }
    String::from_utf8(bytes).map_err(|_| "the URL is not UTF-8".to_owned())
}

/// Where the state is, for people.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "schema {} of {}", self.schema, self.server())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self} as {})", self.user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Address, String> {
        Address::parse(url, Path::new("/base"))
    }

    #[test]
    fn a_url_says_where_the_state_is_and_shows_no_password() {
        let url = "postgresql://reader:p%40ss%2fword@[::1]:5433/app?schema=team&sslmode=verify-ca&sslrootcert=root.pem";
        let address = parse(url).unwrap();
        assert_eq!(address.password(), Some("p@ss/word"));
        assert_eq!(address.to_string(), "schema team of [::1]:5433/app");
        assert!(!format!("{address:?}").contains("p@ss"));
        let dialled = address.dial_at(Vec::new());
        assert_eq!(
            (dialled.tls, dialled.user.as_str()),
            (Tls::VerifyCa, "reader")
        );
        assert_eq!(dialled.root_certificate, Some("/base/root.pem".into()));
    }

    #[test]
    fn what_a_url_leaves_out_is_what_it_is_everywhere() {
        let address = parse("postgres://reader@db.example.com").unwrap();
        assert_eq!(
            address.to_string(),
            "schema vesicle of db.example.com:5432/reader"
        );
        let elsewhere = vec!["192.0.2.7:5432".parse().unwrap()];
        assert_eq!(address.dial_at(elsewhere).tls, Tls::VerifyFull);
        let here = vec!["127.0.0.1:5432".parse().unwrap()];
        assert_eq!(address.dial_at(here).tls, Tls::Off);
    }

    #[test]
    fn what_cannot_be_is_told_without_the_password() {
        for (url, said) in [
            ("state.db", "no URL of a database"),
            ("postgres://db.example.com/app", "names no user"),
            ("postgres://a:s3cret@h:port/app", "the port of the URL"),
            ("postgres://a:s3cret@h,i/app", "several hosts"),
            ("postgres://a:s3cret%@h/app", "%25"),
            ("postgres://a:s3cret@h/app?sslmode=prefer", "in between"),
            (
                "postgres://a:s3cret@h/app?shema=x",
                "\"shema\" is no parameter",
            ),
            ("postgres://a:s3cret@h/app?schema=pg_x", "PostgreSQL's own"),
        ] {
            let error = parse(url).unwrap_err();
            assert!(error.contains(said) && !error.contains("s3cret"), "{error}");
        }
    }
}
