//! A registry that may mean harm: what it answers is bounded before it is held,
//! and is not used unless its digest is right. The protocol is that of
//! <https://github.com/opencontainers/distribution-spec>.

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::net::IpAddr;

use oci_client::Reference;
use oci_client::manifest::{
    IMAGE_MANIFEST_LIST_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE,
    OCI_IMAGE_MEDIA_TYPE, OciManifest,
};
use reqwest::header::{ACCEPT, WWW_AUTHENTICATE};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url};
use sha2::{Digest as _, Sha256};

use super::super::fetch::{Budget, told};

/// Bytes of a manifest; registries take no larger ones.
const MAX_MANIFEST: usize = 4 << 20;
/// Bytes of an answer that has a token.
const MAX_TOKEN: usize = 64 << 10;
/// How often a request is sent elsewhere.
const MAX_REDIRECTIONS: usize = 5;

/// A sha256 digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Digest(String);

impl Digest {
    pub fn parse(text: &str) -> Result<Self, String> {
        let is_hex = |hex: &&str| {
            hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        match text.strip_prefix("sha256:").filter(is_hex) {
            Some(hex) => Ok(Self(hex.to_owned())),
            None => Err(format!(
                "has the digest \"{}\", and only sha256 is taken",
                text.escape_debug()
            )),
        }
    }

    fn of(hash: Sha256) -> Self {
        Self(hash.finalize().iter().map(|b| format!("{b:02x}")).collect())
    }

    pub fn hex(&self) -> &str {
        &self.0
    }
}

/// Requests may be sent on to where TLS is, or stay on this machine.
pub(super) fn redirections() -> Policy {
    Policy::custom(|attempt| {
        if attempt.previous().len() > MAX_REDIRECTIONS {
            attempt.error("sent elsewhere too often")
        } else if is_safe(attempt.url()) {
            attempt.follow()
        } else {
            attempt.error("sent elsewhere without TLS")
        }
    })
}

fn is_safe(url: &Url) -> bool {
    match url.scheme() {
        "https" => true,
        "http" => url.host_str().is_some_and(is_loopback),
        _ => false,
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let address: Result<IpAddr, _> = address.parse();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// One image of a registry.
pub(super) struct Registry<'a> {
    client: &'a Client,
    reference: &'a Reference,
    token: Option<String>,
}

impl<'a> Registry<'a> {
    pub fn new(client: &'a Client, reference: &'a Reference) -> Self {
        Self {
            client,
            reference,
            token: None,
        }
    }

    fn url(&self, what: &str) -> Result<Url, String> {
        let (host, name) = (
            self.reference.resolve_registry(),
            self.reference.repository(),
        );
        let bare = host.rsplit_once(':').map_or(host, |(bare, _)| bare);
        let scheme = if is_loopback(bare) { "http" } else { "https" };
        let url = format!("{scheme}://{host}/v2/{name}/{what}");
        url.parse().map_err(|error| format!("{url}: {error}"))
    }

    /// The manifest of a digest; of none, that of the reference's tag.
    pub async fn manifest(
        &mut self,
        wanted: Option<&Digest>,
        budget: &mut Budget,
    ) -> Result<(OciManifest, Digest), String> {
        let what = match wanted {
            Some(digest) => format!("manifests/sha256:{}", digest.hex()),
            None => format!("manifests/{}", self.reference.tag().unwrap_or("latest")),
        };
        let answer = self.get(&what, budget).await?;
        let body = body(answer, MAX_MANIFEST, budget).await;
        let body = body.map_err(|why| format!("{what}: {why}"))?;
        let digest = Digest::of(Sha256::new_with_prefix(&body));
        if wanted.is_some_and(|wanted| *wanted != digest) {
            return Err(format!("the registry gave another manifest than {what}"));
        }
        let manifest = serde_json::from_slice(&body);
        let manifest = manifest.map_err(|error| format!("{what} is no manifest: {error}"))?;
        Ok((manifest, digest))
    }

    /// Fetches a blob into a file, which is then at its beginning.
    pub async fn blob(
        &mut self,
        digest: &Digest,
        size: u64,
        mut file: File,
        budget: &mut Budget,
    ) -> Result<File, String> {
        let what = format!("blobs/sha256:{}", digest.hex());
        let mut answer = self.get(&what, budget).await?;
        let (mut hash, mut left) = (Sha256::new(), size);
        let failed = |error: std::io::Error| format!("cannot be kept: {error}");
        loop {
            let chunk = answer.chunk().await.map_err(unreachable)?;
            let Some(chunk) = chunk else { break };
            budget.fetch(chunk.len() as u64)?;
            let rest = left.checked_sub(chunk.len() as u64);
            left = rest.ok_or_else(|| format!("has more than the {size} bytes it should have"))?;
            hash.update(&chunk);
            file.write_all(&chunk).map_err(failed)?;
        }
        if Digest::of(hash) != *digest {
            return Err(format!(
                "is not what the registry should have given, {what}"
            ));
        }
        file.rewind().map_err(failed)?;
        Ok(file)
    }

    /// Asks, and once more with a token if one is asked for.
    async fn get(&mut self, what: &str, budget: &mut Budget) -> Result<Response, String> {
        let url = self.url(what)?;
        let mut answer = self.ask(&url, budget).await?;
        if answer.status() == StatusCode::UNAUTHORIZED && self.token.is_none() {
            let challenge = answer.headers().get(WWW_AUTHENTICATE);
            let challenge = challenge.and_then(|value| value.to_str().ok());
            let challenge = challenge.unwrap_or_default().to_owned();
            self.token = Some(self.token(&challenge, budget).await?);
            answer = self.ask(&url, budget).await?;
        }
        match answer.status() {
            StatusCode::OK => Ok(answer),
            status => {
                let host = self.reference.resolve_registry();
                Err(format!(
                    "{host} has no {what}, or shows it to nobody: {status}"
                ))
            }
        }
    }

    async fn ask(&self, url: &Url, budget: &mut Budget) -> Result<Response, String> {
        budget.answer()?;
        let mut request = self.client.get(url.clone());
        for kind in [
            OCI_IMAGE_MEDIA_TYPE,
            OCI_IMAGE_INDEX_MEDIA_TYPE,
            IMAGE_MANIFEST_MEDIA_TYPE,
            IMAGE_MANIFEST_LIST_MEDIA_TYPE,
            "*/*",
        ] {
            request = request.header(ACCEPT, kind);
        }
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        request.send().await.map_err(unreachable)
    }

    /// A token that anybody gets.
    async fn token(&self, challenge: &str, budget: &mut Budget) -> Result<String, String> {
        let wants = "the registry wants to be signed in to";
        let Some(realm) = parameter(challenge, "realm") else {
            return Err(wants.to_owned());
        };
        let mut url: Url = realm.parse().map_err(|error| format!("{wants}: {error}"))?;
        if !challenge.starts_with("Bearer ") || !is_safe(&url) {
            return Err(wants.to_owned());
        }
        let scope = format!("repository:{}:pull", self.reference.repository());
        url.query_pairs_mut().append_pair("scope", &scope);
        if let Some(service) = parameter(challenge, "service") {
            url.query_pairs_mut().append_pair("service", service);
        }
        budget.answer()?;
        let answer = self.client.get(url).send().await.map_err(unreachable)?;
        if answer.status() != StatusCode::OK {
            return Err(format!("{wants}: {}", answer.status()));
        }
        let body = body(answer, MAX_TOKEN, budget).await?;
        let answer: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let token = answer["token"].as_str().or(answer["access_token"].as_str());
        Ok(token.ok_or(wants)?.to_owned())
    }
}

/// The value of a parameter in `Bearer realm="…",service="…"`.
fn parameter<'a>(challenge: &'a str, name: &str) -> Option<&'a str> {
    let (_, parameters) = challenge.split_once(' ')?;
    let begin = format!("{name}=\"");
    let at = parameters.match_indices(&begin).find(|(at, _)| {
        let before = parameters[..*at].trim_end();
        before.is_empty() || before.ends_with(',')
    });
    let value = &parameters[at?.0 + begin.len()..];
    value.split_once('"').map(|(value, _)| value)
}

async fn body(mut answer: Response, most: usize, budget: &mut Budget) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
        budget.fetch(chunk.len() as u64)?;
        body.extend_from_slice(&chunk);
        if body.len() > most {
            return Err(format!("the registry gives more than {most} bytes"));
        }
    }
    Ok(body)
}

fn unreachable(error: reqwest::Error) -> String {
    format!(
        "the registry does not answer: {}",
        told(&error.without_url())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_of_a_challenge_is_found_by_its_whole_name() {
        let challenge = r#"Bearer norealm="x", service="a,realm=b",realm="https://y/z""#;
        assert_eq!(parameter(challenge, "realm"), Some("https://y/z"));
        assert_eq!(parameter(challenge, "service"), Some("a,realm=b"));
        assert_eq!(parameter(challenge, "scope"), None);
        assert_eq!(parameter("Basic", "realm"), None);
    }

    #[test]
    fn only_this_machine_is_asked_without_tls() {
        for host in ["localhost", "127.0.0.1", "127.7.7.7", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "10.0.0.1",
            "localhost.example.org",
            "0.0.0.0",
            "example.org",
            "",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
