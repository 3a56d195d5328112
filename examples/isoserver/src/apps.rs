//! The apps that there are.
//!
//! Invariant: apps come, change and go one at a time, so what an app is wired to
//! does not go in between; requests wait for none of that.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};
use vesicle_pool::engine::{Config, Engines};
use vesicle_pool::wasi::Wasi;
use vesicle_pool::{App, Error as PoolError, Interface, Pool, Token};

use crate::bindings::{Interfaces, Request};
use crate::clock::Clock;
use crate::hosted::{Answer, Hosted, Listed, MadeOf};
use crate::store::Store;
use crate::{Error, Limits, Result};

/// Bytes that an app's name may have.
const LONGEST_NAME: usize = 64;

/// All apps of a server.
pub struct Apps {
    pool: Pool,
    interfaces: Interfaces,
    limits: Limits,
    all: RwLock<BTreeMap<String, Arc<Hosted>>>,
    changing: tokio::sync::Mutex<()>,
}

/// What an app is to be wired to, as its upload says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Wiring {
    /// The app whose store it shares. Without one it has a store of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store_of: Option<String>,
    /// The apps, with commas between them, whose interfaces it is given for what
    /// it imports. They come before what the server itself has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uses: Option<String>,
}

impl Wiring {
    fn uses(&self) -> impl Iterator<Item = &str> {
        self.uses.iter().flat_map(|names| names.split(','))
    }
}

/// What an upload has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uploaded {
    /// There is one app more.
    New,
    /// It is in the place of the one that had its name, with that one's store
    /// unless it is to share another's.
    Replaced,
}

impl Apps {
    /// No apps yet.
    ///
    /// # Errors
    ///
    /// [`Error::Setup`].
    pub fn new(limits: Limits) -> Result<Self> {
        let engines = Engines::new(Config {
            compilers: Some(compilers()),
            ..Config::default()
        });
        let pool = Pool::new(engines.map_err(|error| Error::Setup(error.into()))?);
        let interfaces = Interfaces::read().map_err(Error::Setup)?;
        for interface in interfaces.all().iter().cloned().chain(Wasi::offered()) {
            pool.declare(interface).map_err(Error::Setup)?;
        }
        Ok(Self {
            pool,
            interfaces,
            limits,
            all: RwLock::default(),
            changing: tokio::sync::Mutex::default(),
        })
    }

    /// What apps may have.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Admits a component, wires it and starts it.
    ///
    /// # Errors
    ///
    /// [`Error::Name`], [`Error::TooMany`], [`Error::Unknown`] for an app that it
    /// is to be wired to, [`Error::Refused`] with what the pool says.
    pub async fn upload(&self, name: &str, bytes: Vec<u8>, wiring: Wiring) -> Result<Uploaded> {
        check_name(name)?;
        let _changing = self.changing.lock().await;
        let known = self.find(name).ok();
        if known.is_none() && self.all().len() >= self.limits.apps {
            let limit = self.limits.apps;
            return Err(Error::TooMany { limit });
        }
        let app = self.admit(name, bytes).await?;
        let made_of = self.make_of(name, app, wiring, known.as_deref())?;
        match known {
            Some(known) => {
                let done = known.become_another(&self.pool, made_of).await;
                done.map_err(Error::Refused)?;
                Ok(Uploaded::Replaced)
            }
            None => {
                let hosted = Hosted::start(&self.pool, &self.limits, name, made_of).await;
                let hosted = Arc::new(hosted.map_err(Error::Refused)?);
                self.all_to_change().insert(name.to_owned(), hosted);
                Ok(Uploaded::New)
            }
        }
    }

    /// Compiles a component; what it exports can then be imported by others.
    async fn admit(&self, name: &str, bytes: Vec<u8>) -> Result<App> {
        let (pool, owned) = (self.pool.clone(), name.to_owned());
        let admit = move || pool.admit_as(&owned, &bytes, Limits::ADMISSION);
        let admitted = tokio::task::spawn_blocking(admit).await;
        let app = admitted.map_err(|_| Error::Defect)?;
        let app = app.map_err(Error::Refused)?;
        for (name, structure) in &app.surface().exports {
            // Under a name of its own it is no interface, and nobody's import.
            let Ok(name) = name.parse() else {
                continue;
            };
            let interface = Interface {
                name,
                structure: Some(structure.clone()),
            };
            self.pool.declare(interface).map_err(Error::Refused)?;
        }
        Ok(app)
    }

    /// Gathers what an app is to be given.
    fn make_of(
        &self,
        name: &str,
        app: App,
        wiring: Wiring,
        known: Option<&Hosted>,
    ) -> Result<MadeOf> {
        let store = match (&wiring.store_of, known) {
            (Some(other), _) => self.find(other)?.made_of().store,
            (None, Some(known)) => known.made_of().store,
            (None, None) => Store::new(self.interfaces.one("kv"), self.limits.store),
        };
        // Of several tokens for an interface the first is taken.
        let mut tokens = Vec::new();
        for other in wiring.uses() {
            tokens.extend(self.find(other)?.tokens());
        }
        tokens.extend(Token::of(store.clone()));
        tokens.extend(Token::of(Clock {
            interfaces: self.interfaces.one("clock"),
        }));
        tokens.extend(Token::of(Wasi::deny_all(name)));
        Ok(MadeOf {
            app,
            tokens,
            store,
            wiring,
        })
    }

    /// Ends an app. A request under way is answered first.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`], [`Error::Needed`] with those that are wired to it.
    pub async fn remove(&self, name: &str) -> Result<()> {
        let _changing = self.changing.lock().await;
        let hosted = self.find(name)?;
        match hosted.tear_down(&self.pool).await {
            Ok(()) => {
                self.all_to_change().remove(name);
                Ok(())
            }
            Err(PoolError::Needed { dependants, .. }) => Err(Error::Needed {
                app: name.to_owned(),
                dependants,
            }),
            Err(error) => Err(Error::Stopped(error)),
        }
    }

    /// What there is.
    #[must_use]
    pub fn list(&self) -> Vec<Listed> {
        self.all().values().map(|hosted| hosted.listed()).collect()
    }

    /// Has an app answer a request.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`], [`Error::NoHandler`], [`Error::Overloaded`], or
    /// [`Error::Stopped`] with the reason.
    pub async fn handle(&self, name: &str, request: Request) -> Result<Answer> {
        self.find(name)?.handle(self, request).await
    }

    /// Makes fresh instances of an app and of all that it is wired to, where they
    /// have failed.
    pub(crate) async fn recover(&self, name: &str) -> Result<(), PoolError> {
        let mut seen = BTreeSet::from([name.to_owned()]);
        let mut next = vec![name.to_owned()];
        while let Some(hosted) = next.pop().map(|name| self.find(&name)) {
            let Ok(hosted) = hosted else {
                continue;
            };
            hosted.recover(&self.pool).await?;
            let wiring = hosted.made_of().wiring;
            let new = wiring.uses().filter(|name| seen.insert((*name).to_owned()));
            next.extend(new.map(str::to_owned));
        }
        Ok(())
    }

    fn find(&self, name: &str) -> Result<Arc<Hosted>> {
        let found = self.all().get(name).cloned();
        found.ok_or_else(|| Error::Unknown { app: name.into() })
    }

    fn all(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<String, Arc<Hosted>>> {
        self.all.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn all_to_change(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<String, Arc<Hosted>>> {
        self.all.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Names stand in paths and in lists as they are.
fn check_name(name: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    match name.len() <= LONGEST_NAME && !name.is_empty() && name.chars().all(fits) {
        true => Ok(()),
        false => Err(Error::Name { app: name.into() }),
    }
}

/// As many threads compile what is uploaded as leave a core to those who are
/// answered meanwhile.
fn compilers() -> NonZeroUsize {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    NonZeroUsize::new(cores - 1).unwrap_or(NonZeroUsize::MIN)
}
