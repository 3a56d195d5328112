//! A certificate for the server, and the authority that vouches for it.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// Where the authority's certificate is, within the server's folder.
pub(crate) const ROOT: &str = "root.crt";
/// Where the server's certificate is.
pub(crate) const CERTIFICATE: &str = "server.crt";
/// Where the server's key is.
pub(crate) const KEY: &str = "server.key";

/// Writes a certificate for these names, by an authority made for it alone.
pub(crate) fn write(folder: &Path, names: &[String]) {
    let root_key = KeyPair::generate().expect("a key can be made");
    let mut root = CertificateParams::default();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    root.distinguished_name
        .push(DnType::CommonName, "authority of a test");
    let root_certificate = root.self_signed(&root_key).expect("a root can be signed");

    let key = KeyPair::generate().expect("a key can be made");
    let mut leaf = CertificateParams::new(names).expect("names or addresses");
    leaf.distinguished_name
        .push(DnType::CommonName, "server of a test");
    let certificate = leaf
        .signed_by(&key, &Issuer::from_params(&root, &root_key))
        .expect("a certificate can be signed");

    for (name, content) in [
        (ROOT, root_certificate.pem()),
        (CERTIFICATE, certificate.pem()),
        (KEY, key.serialize_pem()),
    ] {
        crate::cluster::write(&folder.join(name), &content);
    }
}
