//! Encryption towards the server, and whom it is with.
//!
//! Invariants: an encrypted session was asked for and granted before a byte of
//! it was taken, and nothing that came in the clear counts as part of it
//! (CVE-2021-23222); there is no falling back to an open connection.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::error::{Category, Error};

/// Whether to encrypt and what to verify: `sslmode` of libpq, without `allow`
/// and `prefer`, which let whoever sits in between decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// `disable`: everything can be read on the way. A server that asks for
    /// the password itself gets it on this machine only.
    Off,
    /// `require`: encrypted; with whom is not verified, unless a root
    /// certificate is named, which makes it [`Tls::VerifyCa`], as in libpq.
    Require,
    /// `verify-ca`: somebody whom a trusted authority vouches for.
    VerifyCa,
    /// `verify-full`: the host of this name.
    VerifyFull,
}

/// A word that is no way to encrypt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not one of disable, require, verify-ca, verify-full{1}")]
pub struct UnknownTls(String, &'static str);

impl FromStr for Tls {
    type Err = UnknownTls;

    fn from_str(word: &str) -> Result<Self, UnknownTls> {
        match word {
            "disable" => Ok(Self::Off),
            "require" => Ok(Self::Require),
            "verify-ca" => Ok(Self::VerifyCa),
            "verify-full" => Ok(Self::VerifyFull),
            "allow" | "prefer" => Err(UnknownTls(
                word.to_owned(),
                "; it would let whoever sits in between turn encryption off",
            )),
            _ => Err(UnknownTls(word.to_owned(), "")),
        }
    }
}

impl fmt::Display for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Off => "disable",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        })
    }
}

/// How to encrypt a connection, read and ready.
pub(crate) struct Encryption {
    connector: TlsConnector,
    name: Option<ServerName<'static>>,
}

impl Encryption {
    /// Reads certificates; blocks. `None` where there is to be no encryption.
    pub fn prepare(
        tls: Tls,
        root: Option<&Path>,
        host: &str,
        place: &str,
    ) -> Result<Option<Self>, Error> {
        if tls == Tls::Off {
            return Ok(None);
        }
        let wrong = |what: String| {
            Error::lasting(Category::Configuration, "tls-configuration", place, what)
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(error.to_string()))?
            .dangerous();
        let name = ServerName::try_from(host.to_owned()).ok();
        if name.is_none() && tls == Tls::VerifyFull {
            return Err(wrong(format!("{host:?} cannot be in a certificate")));
        }
        let scope = match (tls, root) {
            (Tls::VerifyFull, _) => Scope::Full,
            (Tls::VerifyCa, _) | (Tls::Require, Some(_)) => Scope::Authority,
            (Tls::Require | Tls::Off, None) | (Tls::Off, Some(_)) => Scope::Nobody,
        };
        let authorities = match scope {
            Scope::Nobody => None,
            Scope::Authority | Scope::Full => {
                let roots = Arc::new(roots(root).map_err(wrong)?);
                let verifier =
                    WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
                        .build()
                        .map_err(|error| wrong(error.to_string()))?;
                Some(verifier)
            }
        };
        let config = config
            .with_custom_certificate_verifier(Arc::new(Verifier {
                authorities,
                verifies_name: scope == Scope::Full,
                provider,
            }))
            .with_no_client_auth();
        Ok(Some(Self {
            connector: TlsConnector::from(Arc::new(config)),
            name,
        }))
    }

    /// Asks the server for encryption and makes it.
    pub async fn begin(
        &self,
        mut stream: TcpStream,
        address: SocketAddr,
        place: &str,
    ) -> Result<TlsStream<TcpStream>, Error> {
        // SSLRequest: its length and its number.
        let request = [8_u32.to_be_bytes(), 80_877_103_u32.to_be_bytes()].concat();
        let lost = |error: std::io::Error| {
            Error::passing(
                Category::Unavailable,
                "connection-lost",
                place,
                format!("the connection was lost before TLS ({error})"),
            )
        };
        stream.write_all(&request).await.map_err(lost)?;
        match stream.read_u8().await.map_err(lost)? {
            b'S' => {}
            b'N' => {
                return Err(Error::lasting(
                    Category::Configuration,
                    "tls-not-offered",
                    place,
                    "the server does not do TLS: turn it on there (ssl = on), or say sslmode \
                     disable if everyone on the way may read all of it",
                ));
            }
            // What it says is not from anybody in particular (CVE-2024-10977).
            b'E' => {
                return Err(Error::passing(
                    Category::Unavailable,
                    "tls-refused",
                    place,
                    "the server has an error instead of TLS; its own log says which",
                ));
            }
            _ => {
                return Err(Error::lasting(
                    Category::Internal,
                    "foreign-protocol",
                    place,
                    "it does not speak PostgreSQL's protocol: is it the right port?",
                ));
            }
        }
        let mut early = [0];
        if stream.try_read(&mut early).is_ok_and(|read| read > 0) {
            return Err(Error::lasting(
                Category::Internal,
                "tls-stuffed",
                place,
                "bytes came in the clear after TLS was agreed on: somebody on the way may be \
                 tampering",
            ));
        }
        let name = self
            .name
            .clone()
            .unwrap_or_else(|| ServerName::from(address.ip()));
        self.connector
            .connect(name, stream)
            .await
            .map_err(|error| refused(&error, place))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Nobody,
    Authority,
    Full,
}

/// The authorities to trust: those in the file, or those of this machine.
fn roots(file: Option<&Path>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let Some(file) = file else {
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            return Err(
                "this machine has no certificates of authorities: install them (Debian: \
                 ca-certificates) or name the root certificate to trust"
                    .to_owned(),
            );
        }
        return Ok(roots);
    };
    let place = file.display();
    let unreadable = |error: &dyn fmt::Display| format!("root certificate {place}: {error}");
    let certificates = CertificateDer::pem_file_iter(file).map_err(|error| unreadable(&error))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| unreadable(&error))?;
        roots.add(certificate).map_err(|error| unreadable(&error))?;
    }
    if roots.is_empty() {
        return Err(format!("root certificate {place}: there is none in PEM"));
    }
    Ok(roots)
}

/// Why there was no handshake.
fn refused(error: &std::io::Error, place: &str) -> Error {
    let lasting =
        |what: String| Error::lasting(Category::Configuration, "tls-certificate", place, what);
    let tls = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidCertificate(reason)) => lasting(match reason {
            CertificateError::NotValidForNameContext { presented, .. } => format!(
                "the certificate is for other names ({}): use one of them, or say sslmode \
                 verify-ca",
                names(presented)
            ),
            CertificateError::NotValidForName => {
                "the certificate is for other names: use one of them, or say sslmode verify-ca"
                    .to_owned()
            }
            CertificateError::UnknownIssuer => {
                "the certificate is by an authority that is not trusted here: name its root \
                 certificate"
                    .to_owned()
            }
            other => format!("the certificate is not good: {other}"),
        }),
        Some(other) => Error::lasting(
            Category::Configuration,
            "tls-handshake",
            place,
            format!("TLS cannot be agreed on: {other}"),
        ),
        None => Error::passing(
            Category::Unavailable,
            "connection-lost",
            place,
            format!("the connection was lost during TLS ({error})"),
        ),
    }
}

/// Names of a certificate, as people write them.
fn names(presented: &[String]) -> String {
    if presented.is_empty() {
        return "none in subjectAltName".to_owned();
    }
    let bare = |name: &String| {
        let inner = name
            .split_once('(')
            .map_or(name.as_str(), |(_, inner)| inner);
        inner.trim_matches(['"', ')', ' ']).to_owned()
    };
    presented.iter().map(bare).collect::<Vec<_>>().join(", ")
}

/// Verifies as much as was asked for.
#[derive(Debug)]
struct Verifier {
    authorities: Option<Arc<WebPkiServerVerifier>>,
    verifies_name: bool,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(authorities) = &self.authorities else {
            return Ok(ServerCertVerified::assertion());
        };
        let verified = authorities.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        // The name is looked at last: a certificate that has the wrong one is
        // good in all else.
        match verified {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.verifies_name => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_libpq_that_can_fall_back_are_refused_with_the_reason() {
        for tls in [Tls::Off, Tls::Require, Tls::VerifyCa, Tls::VerifyFull] {
            assert_eq!(tls.to_string().parse(), Ok(tls));
        }
        let refused = "prefer".parse::<Tls>().unwrap_err().to_string();
        assert!(refused.contains("in between"), "{refused}");
        assert!("verify".parse::<Tls>().is_err());
    }
}
