//! A certificate's fingerprint, as channel binding wants it.
//!
//! RFC 5929, section 4.1: `tls-server-end-point` is the hash of the server's
//! certificate by the hash function of its signature, or by SHA-256 where that
//! is MD5 or SHA-1. Where the signature has no single hash function of its own
//! (Ed25519, RSASSA-PSS), there is none.

use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// Object identifiers of signatures, in DER without tag and length: RFC 3279
/// and RFC 4055 for RSA, RFC 5758 for ECDSA.
mod oid {
    const RSA: [u8; 8] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
    const ECDSA_SHA2: [u8; 7] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03];

    pub fn rsa(oid: &[u8]) -> Option<u8> {
        oid.strip_prefix(&RSA).and_then(last)
    }

    pub fn ecdsa_sha2(oid: &[u8]) -> Option<u8> {
        oid.strip_prefix(&ECDSA_SHA2).and_then(last)
    }

    pub fn is_ecdsa_sha1(oid: &[u8]) -> bool {
        oid == [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01]
    }

    fn last(rest: &[u8]) -> Option<u8> {
        match rest {
            &[last] => Some(last),
            _ => None,
        }
    }
}

/// The binding to a certificate in DER, where there is one.
pub(crate) fn end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    let signature = signature_algorithm(certificate)?;
    let sha256 = || Sha256::digest(certificate).to_vec();
    let sha384 = || Sha384::digest(certificate).to_vec();
    let sha512 = || Sha512::digest(certificate).to_vec();
    if oid::is_ecdsa_sha1(signature) {
        return Some(sha256());
    }
    match (oid::rsa(signature), oid::ecdsa_sha2(signature)) {
        // MD5, SHA-1, SHA-256.
        (Some(4 | 5 | 11), _) | (_, Some(2)) => Some(sha256()),
        (Some(12), _) | (_, Some(3)) => Some(sha384()),
        (Some(13), _) | (_, Some(4)) => Some(sha512()),
        _ => None,
    }
}

/// The identifier in `Certificate ::= SEQUENCE { tbsCertificate SEQUENCE,
/// signatureAlgorithm SEQUENCE { OBJECT IDENTIFIER, ... }, ... }`.
fn signature_algorithm(certificate: &[u8]) -> Option<&[u8]> {
    const SEQUENCE: u8 = 0x30;
    const OBJECT_IDENTIFIER: u8 = 0x06;
    let (certificate, _) = element(certificate, SEQUENCE)?;
    let (_, rest) = element(certificate, SEQUENCE)?;
    let (algorithm, _) = element(rest, SEQUENCE)?;
    let (identifier, _) = element(algorithm, OBJECT_IDENTIFIER)?;
    Some(identifier)
}

/// The content of the first element, and what comes after it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length = bytes
                .iter()
                .fold(0, |length, &byte| length << 8 | usize::from(byte));
            (length, rest)
        }
        _ => return None,
    };
    (found == tag).then_some(rest)?.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(algorithm: &'static rcgen::SignatureAlgorithm) -> Vec<u8> {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        rcgen::CertificateParams::new(["localhost".to_owned()])
            .unwrap()
            .self_signed(&key)
            .unwrap()
            .der()
            .to_vec()
    }

    #[test]
    fn the_hash_is_that_of_the_signature() {
        for (algorithm, bytes) in [
            (&rcgen::PKCS_ECDSA_P256_SHA256, Some(32)),
            (&rcgen::PKCS_ECDSA_P384_SHA384, Some(48)),
            (&rcgen::PKCS_ED25519, None),
        ] {
            let binding = end_point(&certificate(algorithm));
            assert_eq!(binding.map(|hash| hash.len()), bytes, "{algorithm:?}");
        }
    }

    #[test]
    fn a_certificate_cut_anywhere_binds_to_nothing() {
        let whole = certificate(&rcgen::PKCS_ECDSA_P256_SHA256);
        for cut in 0..whole.len() {
            assert_eq!(end_point(&whole[..cut]), None, "{cut}");
        }
    }
}
