//! What a user grants a cell by name, in words: `read=PATH`, `write=FOLDER`,
//! `env=NAME`, `connect=HOST:PORT`.
//!
//! Invariant: what is granted is there when it is granted; a host's addresses are
//! those that it has then, and no others later.

use std::net::ToSocketAddrs as _;
use std::path::Path;
use std::str::FromStr;

use vesicle_pool::wasi::{Endpoint, FileGrant, FolderGrant, Grants};

use crate::{Error, Result};

/// One thing that is granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Granting {
    /// A file to read, or a folder with all that is in it.
    Read(String),
    /// A folder to read and write, with all that is in it.
    Write(String),
    /// A variable of the host's environment.
    Variable(String),
    /// A host and port to connect to.
    Connect(String, u16),
}

impl FromStr for Granting {
    type Err = String;

    fn from_str(words: &str) -> Result<Self, String> {
        let form = "grants are read=PATH, write=FOLDER, env=NAME and connect=HOST:PORT";
        let (verb, what) = words.split_once('=').ok_or(form)?;
        if what.is_empty() {
            return Err(format!("{verb} of what? {form}"));
        }
        let what = what.to_owned();
        match verb {
            "read" => Ok(Self::Read(what)),
            "write" => Ok(Self::Write(what)),
            "env" => Ok(Self::Variable(what)),
            "connect" => {
                let (host, port) = what.rsplit_once(':').ok_or("connect=HOST:PORT")?;
                let port = port.parse().map_err(|_| format!("{port:?} is no port"))?;
                Ok(Self::Connect(host.to_owned(), port))
            }
            _ => Err(format!("{verb:?} cannot be granted; {form}")),
        }
    }
}

/// Puts what was granted together.
///
/// # Errors
///
/// [`Error::Invalid`] for what is not there.
pub fn gather(grantings: &[Granting]) -> Result<Grants> {
    let mut grants = Grants::default();
    for granting in grantings {
        add(granting, &mut grants).map_err(Error::Invalid)?;
    }
    Ok(grants)
}

fn add(granting: &Granting, grants: &mut Grants) -> Result<(), String> {
    match granting {
        Granting::Read(path) => {
            let host = there(path)?;
            let guest = path.clone();
            if host.is_dir() {
                grants.folders.push(FolderGrant {
                    host,
                    guest,
                    is_read_only: true,
                });
            } else {
                grants.files.push(FileGrant { host, guest });
            }
        }
        Granting::Write(path) => {
            let host = there(path)?;
            if !host.is_dir() {
                return Err(format!(
                    "cannot grant {path} to write: it is no folder; name the one that it is in"
                ));
            }
            grants.folders.push(FolderGrant {
                host,
                guest: path.clone(),
                is_read_only: false,
            });
        }
        Granting::Variable(name) => {
            let value = std::env::var(name)
                .map_err(|error| format!("cannot grant the variable {name}: {error}"))?;
            grants.env.push((name.clone(), value));
        }
        Granting::Connect(host, port) => {
            let addresses = (host.as_str(), *port).to_socket_addrs();
            let addresses =
                addresses.map_err(|error| format!("cannot resolve {host}:{port}: {error}"))?;
            grants.connect.push(Endpoint {
                host: host.clone(),
                port: *port,
                addresses: addresses.collect(),
            });
        }
    }
    Ok(())
}

fn there(path: &str) -> Result<std::path::PathBuf, String> {
    let found = Path::new(path).canonicalize();
    found.map_err(|error| format!("cannot grant {path}: {error}"))
}
