//! The pool: declared interfaces, admitted apps, wired instances.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use vesicle_engine::{Allocation, Budget, Compiled, Engines, Kind, Profile, State, Store};
use wasmtime::component::{Component, Instance as EngineInstance, InstancePre, Linker};

use crate::residents::Residents;
use crate::wiring;
use crate::{Error, Interface, InterfaceName, Provider, Result, Surface, Token};

/// Declared interfaces, and the engines that run what imports them.
/// Cloning is cheap and shares everything.
#[derive(Clone)]
pub struct Pool {
    engines: Engines,
    /// By track: `wasi:io/streams@0.2`.
    declared: Arc<RwLock<BTreeMap<String, Arc<Interface>>>>,
    pub(crate) residents: Arc<Residents>,
}

/// A component that was admitted: compiled, and not running.
#[derive(Clone)]
pub struct App {
    name: Arc<str>,
    surface: Arc<Surface>,
    compiled: Compiled,
}

/// An interface that was declared in a pool. Two are equal if they are of one
/// declaration.
#[derive(Debug, Clone)]
pub struct Declared(Arc<Interface>);

impl Declared {
    /// The interface, as it was declared first.
    #[must_use]
    pub fn interface(&self) -> &Interface {
        &self.0
    }

    /// The hash of its structure, which another pool can compare with its own.
    /// `None` where the engine knows the types and the pool does not.
    #[must_use]
    pub fn hash(&self) -> Option<[u8; 32]> {
        self.0.structure.as_ref().map(crate::Structure::hash)
    }
}

impl PartialEq for Declared {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// What the instances of an app are like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Admission {
    /// They use fuel, so that grants and accounts can limit what they compute.
    /// Their code is somewhat slower.
    pub metered: bool,
    /// They are many and small: ten thousand of them, each of at most 64 MiB,
    /// share memory that was reserved for them, and are made in a few
    /// microseconds.
    pub dense: bool,
}

/// An app whose imports have all been given, with types checked. Instances are
/// made from it.
pub struct Wired {
    app: App,
    pre: InstancePre<State>,
    tokens: Vec<Token>,
}

/// A running component in a store of its own.
pub struct Instance {
    /// The store; guest code runs through [`Store::run`].
    pub store: Store,
    /// The exports.
    pub exports: EngineInstance,
}

impl Pool {
    /// A pool in which nothing is declared yet.
    #[must_use]
    pub fn new(engines: Engines) -> Self {
        Self {
            engines,
            declared: Arc::default(),
            residents: Arc::default(),
        }
    }

    /// The engines that run what is in the pool.
    #[must_use]
    pub fn engines(&self) -> &Engines {
        &self.engines
    }

    /// Declares an interface, so that components may import it. The same again
    /// is nothing new: what was declared first stands, and both times it gives
    /// the same handle.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] where the name stands for another structure.
    pub fn declare(&self, interface: Interface) -> Result<Declared> {
        let mut declared = self
            .declared
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let track = interface.name.track();
        if let Some(known) = declared.get(&track)
            && let (Some(old), Some(new)) = (&known.structure, &interface.structure)
            && let Some(difference) = new.missing_from(old).or_else(|| old.missing_from(new))
        {
            return Err(Error::Conflict {
                interface: interface.name.to_string(),
                difference: Box::new(difference),
            });
        }
        let declared = declared.entry(track).or_insert_with(|| Arc::new(interface));
        Ok(Declared(Arc::clone(declared)))
    }

    /// Declares every interface of a provider.
    ///
    /// # Errors
    ///
    /// As [`Pool::declare`].
    pub fn declare_all(&self, provider: &dyn Provider) -> Result<()> {
        provider
            .interfaces()
            .into_iter()
            .try_for_each(|interface| self.declare(interface).map(drop))
    }

    /// Admits a component: compiled, or taken from the cache, and not run. Whoever
    /// asks waits for the compiler, as [`Engines::compile`] says; how large a
    /// stranger's component may be is for the embedder to say.
    ///
    /// # Errors
    ///
    /// [`Error::NotAComponent`], [`Error::Undeclared`] with every import that
    /// nobody has declared, [`Error::Mismatch`], or the engine's error.
    pub fn admit(&self, name: &str, bytes: &[u8]) -> Result<App> {
        self.admit_as(name, bytes, Admission::default())
    }

    /// The same, compiled for instances of another kind.
    ///
    /// # Errors
    ///
    /// As [`Pool::admit`].
    pub fn admit_as(&self, name: &str, bytes: &[u8], admission: Admission) -> Result<App> {
        let surface = Surface::read(bytes)?;
        self.check_declared(name, &surface)?;
        let kind = Kind {
            profile: if surface.waits() {
                Profile::Task
            } else {
                Profile::Call
            },
            allocation: match admission.dense {
                true => Allocation::Dense,
                false => Allocation::OnDemand,
            },
            metered: admission.metered,
        };
        let compiled = self.engines.compile(kind, bytes)?;
        Ok(App {
            name: name.into(),
            surface: Arc::new(surface),
            compiled,
        })
    }

    fn check_declared(&self, app: &str, surface: &Surface) -> Result<()> {
        let declared = self.declared.read().unwrap_or_else(PoisonError::into_inner);
        let mut missing: Vec<String> = surface.root_imports.clone();
        for (name, structure) in &surface.imports {
            match declared.get(&track(name)) {
                None if structure.is_types_only() => {}
                None => missing.push(name.clone()),
                Some(interface) => wiring::fits(app, name, structure, interface)?,
            }
        }
        if missing.is_empty() {
            Ok(())
        } else {
            Err(Error::Undeclared {
                app: app.to_owned(),
                imports: missing,
            })
        }
    }

    /// Gives an app its imports: for each the first token whose interface is of
    /// a compatible version, and nothing that is not imported. All types are
    /// checked; nothing is created and no code runs.
    ///
    /// # Errors
    ///
    /// [`Error::Unwired`] with every import without a token,
    /// [`Error::Mismatch`], or [`vesicle_engine::Error::Link`].
    pub fn wire(&self, app: &App, tokens: &[Token]) -> Result<Wired> {
        let link_error = |error: wasmtime::Error| vesicle_engine::Error::Link(format!("{error:#}"));
        let mut linker = Linker::<State>::new(app.compiled.engine());
        // A provider may refine some functions of an implementation it builds on.
        linker.allow_shadowing(true);
        let mut wired: Vec<Token> = Vec::new();
        let mut homes = wiring::Homes::default();
        let mut missing = Vec::new();
        for (name, structure) in &app.surface.imports {
            let track = track(name);
            let Some(token) = tokens
                .iter()
                .find(|token| token.interface.name.track() == track)
            else {
                if !structure.is_types_only() {
                    missing.push(name.clone());
                }
                continue;
            };
            wiring::fits(&app.name, name, structure, &token.interface)?;
            wiring::crosses(&app.name, name, structure, token)?;
            wiring::is_paid_for(app, token)?;
            homes.add(&app.name, name, structure, token)?;
            token
                .provider
                .link(&token.interface.name, &mut linker)
                .map_err(link_error)?;
            wired.push(token.clone());
        }
        if !missing.is_empty() {
            return Err(Error::Unwired {
                app: app.name.to_string(),
                imports: missing,
            });
        }
        let pre = linker
            .instantiate_pre(app.compiled.component())
            .map_err(link_error)?;
        Ok(Wired {
            app: app.clone(),
            pre,
            tokens: wired,
        })
    }
}

impl App {
    /// The name it was admitted under.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether its instances use fuel.
    #[must_use]
    pub fn is_metered(&self) -> bool {
        self.compiled.kind().metered
    }

    pub(crate) fn component(&self) -> &Component {
        self.compiled.component()
    }

    /// What it imports and exports.
    #[must_use]
    pub fn surface(&self) -> &Surface {
        &self.surface
    }
}

impl Wired {
    /// The app.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }

    /// What it is wired to.
    pub(crate) fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// The providers of what it is wired to, each once.
    fn providers(&self) -> impl Iterator<Item = &Arc<dyn Provider>> {
        let tokens = self.tokens.iter().enumerate();
        tokens.filter_map(|(at, token)| {
            let mut before = self.tokens[..at].iter();
            let known = before.any(|other| Arc::ptr_eq(&other.provider, &token.provider));
            (!known).then_some(&token.provider)
        })
    }

    /// What typed bindings pre-resolve their exports from.
    #[must_use]
    pub fn pre(&self) -> &InstancePre<State> {
        &self.pre
    }

    /// Makes an instance in a store of its own.
    ///
    /// # Errors
    ///
    /// [`Error::Provider`], or what stopped the component's start.
    pub async fn instantiate(&self, budget: Budget) -> Result<Instance> {
        self.instantiate_with(budget, |_| ()).await
    }

    /// The same with a store that is prepared before its providers are attached.
    ///
    /// # Errors
    ///
    /// As [`Wired::instantiate`].
    pub async fn instantiate_with(
        &self,
        budget: Budget,
        prepare: impl FnOnce(&mut Store),
    ) -> Result<Instance> {
        let mut store = Store::new(&self.app.compiled, budget);
        prepare(&mut store);
        for provider in self.providers() {
            provider.attach(store.state_mut())?;
        }
        let pre = self.pre.clone();
        let exports = store
            .run(async move |store| pre.instantiate_async(store).await)
            .await?;
        Ok(Instance { store, exports })
    }
}

/// The track of an import's name. A name without the form of an interface's
/// stands for itself.
pub(crate) fn track(name: &str) -> String {
    name.parse::<InterfaceName>()
        .map_or_else(|_| name.to_owned(), |name| name.track())
}
