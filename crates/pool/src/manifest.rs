//! What a component says it needs: the manifest in its custom section.
//!
//! Invariant: a manifest asks; it never grants. A component without one asks
//! for nothing and gets nothing.

use serde::{Deserialize, Serialize};
use wasmparser::{Parser, Payload};

use crate::{Error, Result};

/// The name of the custom section, in the component or in a module inside.
pub const SECTION: &str = "vesicle:manifest";
/// How many bytes a manifest may have.
const MAX_BYTES: usize = 64 << 10;

/// A component's manifest, in TOML.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The component's name.
    pub name: String,
    /// What it is: `source`, `transform`, `destination`, or another word.
    pub kind: String,
    /// Its version.
    pub version: String,
    /// One sentence for people.
    #[serde(default)]
    pub doc: String,
    /// What it wants to reach.
    #[serde(default)]
    pub permissions: Permissions,
    /// The limits it asks for.
    #[serde(default)]
    pub limits: Limits,
}

/// What a component wants to reach. Each entry is a name, or refers to a key
/// of the component's configuration as `${config.key}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Permissions {
    /// `host:port` to connect to.
    pub connect: Vec<String>,
    /// Files to read.
    pub read: Vec<String>,
    /// Folders to write to.
    pub write: Vec<String>,
    /// Environment variables to see.
    pub env: Vec<String>,
    /// Servers to have sessions with, which the host opens and signs in to.
    pub session: Vec<Session>,
}

/// A server to have a session with.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// What is spoken there.
    pub protocol: Protocol,
    /// `host:port`.
    pub endpoint: String,
    /// Who to sign in as.
    pub user: String,
    /// What proves it: refers to one key of the configuration, which the
    /// component then does not get.
    pub password: Option<String>,
    /// How the connection is secured, in the protocol's own words.
    pub tls: Option<String>,
    /// The file with the certificates to trust instead of the system's.
    pub root_certificate: Option<String>,
}

/// What is spoken in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// PostgreSQL's frontend/backend protocol 3.
    Postgres,
}

impl Permissions {
    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self {
            connect,
            read,
            write,
            env,
            session,
        } = self;
        connect.is_empty()
            && read.is_empty()
            && write.is_empty()
            && env.is_empty()
            && session.is_empty()
    }
}

/// The limits that a component asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Memory, as a size: `256 MiB`.
    pub memory: Option<String>,
}

/// Finds and reads the manifest of a component.
pub(crate) fn read(bytes: &[u8]) -> Result<Option<Manifest>> {
    let bad = |reason: String| Error::Manifest { reason };
    let mut found = None;
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(|e| Error::NotAComponent {
            reason: e.to_string(),
        })?;
        if let Payload::CustomSection(section) = payload
            && section.name() == SECTION
            && found.replace(section.data()).is_some()
        {
            return Err(bad("there is more than one".into()));
        }
    }
    let Some(data) = found else { return Ok(None) };
    if data.len() > MAX_BYTES {
        return Err(bad(format!(
            "it has {} bytes; {MAX_BYTES} are allowed",
            data.len()
        )));
    }
    let text = std::str::from_utf8(data).map_err(|e| bad(format!("it is not UTF-8: {e}")))?;
    toml::from_str(text)
        .map(Some)
        .map_err(|e| bad(e.to_string().trim_end().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component_with(manifest: &str) -> Vec<u8> {
        let manifest = manifest.replace('"', "\\\"").replace('\n', "\\n");
        wat::parse_str(format!(
            "(component (core module (@custom \"{SECTION}\" \"{manifest}\")))"
        ))
        .unwrap()
    }

    #[test]
    fn a_manifest_in_a_module_inside_is_found() {
        let bytes = component_with(
            "name = \"x\"\nkind = \"source\"\nversion = \"0.1.0\"\n[permissions]\nread = [\"${config.path}\"]\n",
        );
        let manifest = read(&bytes).unwrap().unwrap();
        assert_eq!(manifest.name, "x");
        assert_eq!(manifest.permissions.read, ["${config.path}"]);
        assert!(manifest.permissions.connect.is_empty());
    }

    #[test]
    fn a_component_without_a_manifest_asks_for_nothing() {
        assert_eq!(read(&wat::parse_str("(component)").unwrap()).unwrap(), None);
    }

    #[test]
    fn a_manifest_with_an_unknown_key_is_refused() {
        let bytes = component_with(
            "name = \"x\"\nkind = \"source\"\nversion = \"1\"\n[permissions]\nconect = []\n",
        );
        let error = read(&bytes).unwrap_err().to_string();
        assert!(error.contains("conect"), "{error}");
    }

    #[test]
    fn a_manifest_that_is_not_text_is_refused() {
        let bytes = wat::parse_str(format!(
            "(component (core module (@custom \"{SECTION}\" \"\\ff\\fe\")))"
        ))
        .unwrap();
        assert!(read(&bytes).is_err());
    }
}
