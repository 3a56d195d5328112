//! From what a manifest asks for and a document grants to what a connector gets.
//!
//! Invariant: a grant needs both. The manifest asks, by name or by reference to
//! a key of the configuration; writing the value of that key is the document's
//! grant, anything else is granted by name under `permissions`.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value as Json};
use vesicle_pool::Manifest;
use vesicle_pool::manifest::Session;
use vesicle_pool::wasi::{Endpoint, FileGrant, FolderGrant, Grants};
use vesicle_session::{Postgres, Secret, UnknownTls};

use crate::document::{self, Cause, Diagnostic, Document, OptionKind, OptionSpec, Position, Value};
use crate::paths::{Refusal, expand, tidy};
use crate::session::SessionGrant;

/// What a connector gets.
#[derive(Debug, Default)]
pub struct Granted {
    /// The grants.
    pub grants: Grants,
    /// The servers it may have sessions with.
    pub sessions: Vec<SessionGrant>,
    /// The configuration, with paths as the guest opens them.
    pub config: Map<String, Json>,
    /// What the document grants and the manifest does not ask for.
    pub warnings: Vec<String>,
}

/// Works out the grants of one connector.
pub struct Granting<'a> {
    /// The document.
    pub document: &'a Document,
    /// The folder that relative paths start from.
    pub base: &'a Path,
    /// The connector's part of the document.
    pub connector: &'a document::Connector,
    /// What the component asks for.
    pub manifest: Option<&'a Manifest>,
    /// The options of its configuration.
    pub options: &'a [OptionSpec],
    /// The checked configuration.
    pub config: Map<String, Json>,
    /// The environment, for variables that are granted.
    pub environment: &'a document::Environment<'a>,
}

impl Granting<'_> {
    /// Resolves files, folders, endpoints and variables.
    ///
    /// # Errors
    ///
    /// Everything in the document that cannot be granted, with its place.
    pub fn grant(self) -> Result<Granted, Vec<Diagnostic>> {
        let mut errors = Vec::new();
        let mut granted = Granted {
            config: self.config.clone(),
            ..Granted::default()
        };
        let asked = self
            .manifest
            .map(|manifest| manifest.permissions.clone())
            .unwrap_or_default();
        for option in self.options {
            match option.kind {
                OptionKind::Files => {
                    let read = asked.read.contains(&reference(&option.name));
                    self.files(&option.name, read, &mut granted, &mut errors);
                }
                OptionKind::Directory => {
                    let write = asked.write.contains(&reference(&option.name));
                    self.folder(&option.name, write, &mut granted, &mut errors);
                }
                _ => {}
            }
        }
        self.endpoints(&asked.connect, &mut granted, &mut errors);
        self.sessions(&asked.session, &mut granted, &mut errors);
        self.named_paths(&asked.read, &asked.write, &mut granted, &mut errors);
        self.variables(&asked.env, &mut granted);
        if errors.is_empty() {
            Ok(granted)
        } else {
            Err(errors)
        }
    }

    /// The place of the n-th item of a key of the configuration, or of the key.
    fn place(&self, key: &str, item: usize) -> Position {
        let config = &self.connector.config;
        let Some(value) = config.get(key) else {
            return config.position();
        };
        value
            .items()
            .and_then(|items| items.get(item))
            .map_or(value.position(), Value::position)
    }

    fn refused(&self, at: Position, refusal: Refusal) -> Diagnostic {
        let diagnostic = self.document.diagnostic(at, refusal.message);
        Diagnostic {
            help: refusal.help,
            ..diagnostic.because(refusal.cause)
        }
    }

    fn files(&self, key: &str, read: bool, granted: &mut Granted, errors: &mut Vec<Diagnostic>) {
        let Some(Json::Array(patterns)) = self.config.get(key) else {
            return;
        };
        let mut files = Vec::new();
        for (item, pattern) in patterns.iter().filter_map(Json::as_str).enumerate() {
            match expand(self.base, pattern) {
                Ok(found) => files.extend(found),
                Err(refusal) => errors.push(self.refused(self.place(key, item), refusal)),
            }
        }
        files.sort_by(|a, b| a.guest.cmp(&b.guest));
        self.tell_apart(key, &mut files, granted);
        let paths = files.iter().map(|file| Json::from(file.guest.as_str()));
        granted.config.insert(key.to_owned(), paths.collect());
        if read {
            granted.grants.files.extend(files);
        }
    }

    /// Keeps the first name of each file, and says so where there is another.
    fn tell_apart(&self, key: &str, files: &mut Vec<FileGrant>, granted: &mut Granted) {
        let mut names: HashMap<PathBuf, String> = HashMap::new();
        files.retain(|file| match names.entry(file.host.clone()) {
            Entry::Vacant(new) => {
                new.insert(file.guest.clone());
                true
            }
            Entry::Occupied(known) => {
                if *known.get() != file.guest {
                    granted.warnings.push(format!(
                        "{key}: {} and {} are the same file; it is read once",
                        known.get(),
                        file.guest
                    ));
                }
                false
            }
        });
    }

    fn folder(&self, key: &str, write: bool, granted: &mut Granted, errors: &mut Vec<Diagnostic>) {
        let Some(path) = self.config.get(key).and_then(Json::as_str) else {
            return;
        };
        if self.base.join(path).is_file() {
            let message = format!("{path} is a file; a folder is needed here");
            errors.push(self.document.diagnostic(self.place(key, 0), message));
        }
        let guest = tidy(path);
        granted
            .config
            .insert(key.to_owned(), Json::from(guest.as_str()));
        if write {
            granted.grants.folders.push(FolderGrant {
                host: self.base.join(path),
                guest,
                is_read_only: false,
            });
        }
    }

    fn endpoints(&self, asked: &[String], granted: &mut Granted, errors: &mut Vec<Diagnostic>) {
        let named = &self.connector.permissions.connect;
        for wanted in asked {
            if let Some(written) = substitute(wanted, &self.config)
                && wanted.contains("${")
            {
                let at = self.connector.config.position();
                match document::Endpoint::parse(&written) {
                    Ok(endpoint) => self.pin(&endpoint, at, granted, errors),
                    Err(reason) => errors.push(self.document.diagnostic(at, reason)),
                }
            }
        }
        for endpoint in named {
            let name = endpoint.value.to_string();
            if asked.iter().any(|wanted| wanted == "*" || *wanted == name) {
                self.pin(&endpoint.value, endpoint.position, granted, errors);
            } else {
                granted.warnings.push(self.not_asked("connect to", &name));
            }
        }
    }

    fn pin(
        &self,
        endpoint: &document::Endpoint,
        at: Position,
        granted: &mut Granted,
        errors: &mut Vec<Diagnostic>,
    ) {
        match self.resolve(endpoint, at) {
            Ok(addresses) => granted.grants.connect.push(Endpoint {
                host: endpoint.host.clone(),
                port: endpoint.port,
                addresses,
            }),
            Err(error) => errors.push(error),
        }
    }

    /// The addresses that a host has now.
    fn resolve(
        &self,
        endpoint: &document::Endpoint,
        at: Position,
    ) -> Result<Vec<SocketAddr>, Diagnostic> {
        let addresses = (endpoint.host.as_str(), endpoint.port).to_socket_addrs();
        addresses.map(Iterator::collect).map_err(|error| {
            self.document
                .diagnostic(at, format!("cannot resolve {endpoint}: {error}"))
                .because(Cause::Missing)
        })
    }

    fn sessions(&self, asked: &[Session], granted: &mut Granted, errors: &mut Vec<Diagnostic>) {
        for session in asked {
            match self.session(session, granted) {
                Ok(Some(grant)) => granted.sessions.push(grant),
                Ok(None) => {}
                Err(error) => errors.push(error),
            }
        }
    }

    /// A session that is asked for: none where the configuration is silent or
    /// the endpoint is not granted. The password is taken out of what the guest
    /// gets.
    fn session(
        &self,
        asked: &Session,
        granted: &mut Granted,
    ) -> Result<Option<SessionGrant>, Diagnostic> {
        let at = self.connector.config.position();
        let wrong = |message: String| self.document.diagnostic(at, message);
        let password = match &asked.password {
            Some(reference) => self.take_secret(reference, granted)?,
            None => None,
        };
        let (Some(endpoint), Some(user)) = (
            substitute(&asked.endpoint, &self.config),
            substitute(&asked.user, &self.config),
        ) else {
            return Ok(None);
        };
        let parsed = document::Endpoint::parse(&endpoint).map_err(wrong)?;
        let in_document = asked.endpoint.contains("${")
            || (self.connector.permissions.connect.iter()).any(|named| named.value == parsed);
        if !in_document {
            return Ok(None);
        }
        let said = |entry: &Option<String>| {
            let entry = entry.as_deref()?;
            substitute(entry, &self.config)
        };
        let mut server = Postgres::new(
            vesicle_session::Endpoint {
                addresses: self.resolve(&parsed, at)?,
                host: parsed.host,
                port: parsed.port,
            },
            user,
        );
        server.password = password;
        if let Some(word) = said(&asked.tls) {
            server.tls = word.parse().map_err(|e: UnknownTls| wrong(e.to_string()))?;
        }
        server.root_certificate = said(&asked.root_certificate).map(|path| self.base.join(path));
        let server = Arc::new(server);
        Ok(Some(SessionGrant { endpoint, server }))
    }

    /// Takes a secret out of the configuration, which the reference is to.
    fn take_secret(
        &self,
        wanted: &str,
        granted: &mut Granted,
    ) -> Result<Option<Secret>, Diagnostic> {
        let mut secrets = self.options.iter().filter(|option| option.secret);
        let Some(option) = secrets.find(|option| reference(&option.name) == wanted) else {
            let name = &self.connector.uses;
            let message = format!(
                "{}: the password of a session, {wanted}, is not a secret option of its own",
                name.value
            );
            let diagnostic = self.document.diagnostic(name.position, message);
            return Err(diagnostic.because(Cause::Component));
        };
        granted.config.remove(&option.name);
        let value = self.config.get(&option.name).and_then(Json::as_str);
        Ok(value.map(|text| Secret::from(text.to_owned())))
    }

    fn named_paths(
        &self,
        asked_read: &[String],
        asked_write: &[String],
        granted: &mut Granted,
        errors: &mut Vec<Diagnostic>,
    ) {
        let permissions = &self.connector.permissions;
        for pattern in &permissions.read {
            if !asks(asked_read, &pattern.value) {
                granted
                    .warnings
                    .push(self.not_asked("read", &pattern.value));
                continue;
            }
            match expand(self.base, &pattern.value) {
                Ok(files) => granted.grants.files.extend(files),
                Err(refusal) => errors.push(self.refused(pattern.position, refusal)),
            }
        }
        for folder in &permissions.write {
            if asks(asked_write, &folder.value) {
                granted.grants.folders.push(FolderGrant {
                    host: self.base.join(&folder.value),
                    guest: tidy(&folder.value),
                    is_read_only: false,
                });
            } else {
                granted
                    .warnings
                    .push(self.not_asked("write to", &folder.value));
            }
        }
    }

    fn variables(&self, asked: &[String], granted: &mut Granted) {
        for name in &self.connector.permissions.env {
            if !asks(asked, &name.value) {
                granted
                    .warnings
                    .push(self.not_asked("see the variable", &name.value));
            } else if let Some(value) = (self.environment)(&name.value) {
                granted.grants.env.push((name.value.clone(), value));
            } else {
                granted.warnings.push(format!(
                    "the variable {} is granted and not set",
                    name.value
                ));
            }
        }
    }

    fn not_asked(&self, verb: &str, what: &str) -> String {
        format!(
            "{} does not ask to {verb} {what}; it is not granted",
            self.connector.uses.value
        )
    }
}

/// Whether a manifest asks for a thing of that name, or for whatever it is given.
fn asks(asked: &[String], name: &str) -> bool {
    asked.iter().any(|wanted| wanted == "*" || wanted == name)
}

fn reference(key: &str) -> String {
    format!("${{config.{key}}}")
}

/// A manifest's entry with references to the configuration filled in. `None`
/// where the configuration is silent.
fn substitute(entry: &str, config: &Map<String, Json>) -> Option<String> {
    let mut text = String::new();
    let mut rest = entry;
    while let Some((before, after)) = rest.split_once("${config.") {
        let (key, tail) = after.split_once('}')?;
        text.push_str(before);
        match config.get(key)? {
            Json::String(value) => text.push_str(value),
            other => text.push_str(&other.to_string()),
        }
        rest = tail;
    }
    text.push_str(rest);
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_to_the_configuration_are_filled_in() {
        let config = serde_json::json!({"host": "db", "port": 5432});
        let config = config.as_object().unwrap();
        assert_eq!(
            substitute("${config.host}:${config.port}", config).unwrap(),
            "db:5432"
        );
        assert_eq!(substitute("${config.user}", config), None);
        assert_eq!(substitute("plain", config).unwrap(), "plain");
    }
}
