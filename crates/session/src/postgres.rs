//! A PostgreSQL server, and how to get in.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::authentication::Credentials;
use crate::certificate;
use crate::endpoint::{Endpoint, is_loopback};
use crate::error::{Category, Error};
use crate::secret::Secret;
use crate::session::Session;
use crate::stream::{Stream, dial};
use crate::tls::{Encryption, Tls};

/// A PostgreSQL server, and how to get in.
#[derive(Debug, Clone)]
pub struct Postgres {
    /// Where it is.
    pub endpoint: Endpoint,
    /// Who signs in.
    pub user: String,
    /// With what, where the server asks.
    pub password: Option<Secret>,
    /// Whether to encrypt, and what to verify.
    pub tls: Tls,
    /// The authorities to trust, in PEM; those of this machine where there is none.
    pub root_certificate: Option<PathBuf>,
    /// How long dialling with TLS may take, over all addresses; and then again
    /// the guest's introduction, and signing in.
    pub connect_timeout: Duration,
}

impl Postgres {
    /// A server without a password, with ten seconds to connect; TLS with a
    /// verified name, or none where the server is on this machine.
    #[must_use]
    pub fn new(endpoint: Endpoint, user: impl Into<String>) -> Self {
        let tls = if endpoint.is_loopback() {
            Tls::Off
        } else {
            Tls::VerifyFull
        };
        Self {
            endpoint,
            user: user.into(),
            password: None,
            tls,
            root_certificate: None,
            connect_timeout: Duration::from_secs(10),
        }
    }

    /// Dials the addresses in turn and does TLS. It is not signed in yet: that
    /// takes what the guest says first.
    ///
    /// # Errors
    ///
    /// What cannot work as configured; a server that cannot be reached in
    /// time, or that is not the one it should be.
    pub async fn open(&self) -> Result<Session, Error> {
        let place = self.endpoint.to_string();
        self.validate(&place)?;
        let deadline = Instant::now() + self.connect_timeout;
        let encryption = self.prepare(&place).await?;
        let (stream, address) = self.dial(deadline, &place).await?;
        let (stream, binding) = match encryption {
            None => (Stream::Plain(stream), None),
            Some(encryption) => {
                let begun = encryption.begin(stream, address, &place);
                let stream = timeout_at(deadline, begun)
                    .await
                    .unwrap_or_else(|_| Err(self.late("does not answer to TLS", &place)))?;
                let certificates = stream.get_ref().1.peer_certificates();
                let binding = certificates
                    .and_then(|chain| chain.first())
                    .and_then(|certificate| certificate::end_point(certificate));
                (Stream::Tls(Box::new(stream)), binding)
            }
        };
        let is_encrypted = matches!(stream, Stream::Tls(_));
        let credentials = Credentials {
            user: self.user.clone(),
            password: self.password.clone(),
            is_private: is_encrypted || is_loopback(&address),
            is_encrypted,
            binding,
        };
        Ok(Session::new(
            stream,
            credentials,
            place,
            self.connect_timeout,
        ))
    }

    fn validate(&self, place: &str) -> Result<(), Error> {
        let password = self.password.as_ref().map_or(&[][..], Secret::expose);
        let wrong = if self.endpoint.addresses.is_empty() {
            "there is no address for it"
        } else if self.user.is_empty() {
            "there is no user to sign in as"
        } else if self.user.contains('\0') || password.contains(&0) {
            "users and passwords cannot have a zero byte in them"
        } else if self.connect_timeout.is_zero() {
            "there is no time to connect in"
        } else {
            return Ok(());
        };
        let configuration = Category::Configuration;
        Err(Error::lasting(configuration, "session", place, wrong))
    }

    /// Reads certificates, which blocks, aside.
    async fn prepare(&self, place: &str) -> Result<Option<Encryption>, Error> {
        let (tls, root) = (self.tls, self.root_certificate.clone());
        let (host, at) = (self.endpoint.host.clone(), place.to_owned());
        let prepared = tokio::task::spawn_blocking(move || {
            Encryption::prepare(tls, root.as_deref(), &host, &at)
        });
        prepared.await.unwrap_or_else(|_| {
            Err(Error::passing(
                Category::Internal,
                "stopping",
                place,
                "this host is stopping",
            ))
        })
    }

    /// Dials one address after the other, each with its share of the time.
    async fn dial(&self, deadline: Instant, place: &str) -> Result<(TcpStream, SocketAddr), Error> {
        let addresses = &self.endpoint.addresses;
        let mut failures = Vec::new();
        for (index, &address) in addresses.iter().enumerate() {
            let left = deadline.saturating_duration_since(Instant::now());
            let others = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
            let share = Instant::now() + left / others;
            let dialled = timeout_at(share, dial(address)).await;
            match dialled.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                Ok(stream) => return Ok((stream, address)),
                Err(error) => failures.push((address, error)),
            }
        }
        Err(self.unreachable(&failures, place))
    }

    fn unreachable(&self, failures: &[(SocketAddr, io::Error)], place: &str) -> Error {
        use io::ErrorKind::{ConnectionRefused, TimedOut};
        let all_are = |kind| failures.iter().all(|(_, error)| error.kind() == kind);
        let reasons: Vec<String> = failures
            .iter()
            .map(|(address, error)| {
                let reason = match error.kind() {
                    ConnectionRefused => "connection refused".to_owned(),
                    TimedOut => "no answer".to_owned(),
                    _ => error.to_string(),
                };
                if address.to_string() == place {
                    reason
                } else {
                    format!("{reason} ({address})")
                }
            })
            .collect();
        let reasons = reasons.join(", ");
        if all_are(TimedOut) {
            return self.late(&format!("cannot be reached: {reasons}"), place);
        }
        let (code, advice) = if all_are(ConnectionRefused) {
            (
                "connection-refused",
                "; is the server running, and does it listen there?",
            )
        } else {
            ("unreachable", "")
        };
        Error::passing(
            Category::Unavailable,
            code,
            place,
            format!("{reasons}{advice}"),
        )
    }

    fn late(&self, what: &str, place: &str) -> Error {
        Error::passing(
            Category::Timeout,
            "connect-timeout",
            place,
            format!("the server {what}, within {:?}", self.connect_timeout),
        )
    }
}
