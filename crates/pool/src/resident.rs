//! Instances that live in the pool and are called through tokens.
//!
//! A resident answers one call at a time; who comes while it is busy waits for
//! its turn, within the time that its own call has. A call that has begun is
//! never cut off in the middle: whoever asked may give up, and the resident
//! finishes within its own budget, so that no caller can harm what others use.
//!
//! Invariants: after a call that did not return, the instance is never entered
//! again; its tokens answer with the reason until it is replaced. A resident
//! that was torn down holds no store. A slot stands for the same function as
//! long as the resident lives, whatever instance is behind it.

mod function;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Mutex as Turn;
use vesicle_engine::{Purse, State, Store};
use wasmtime::component::{ComponentExportIndex, Linker, Val};

use crate::pool::track;
use crate::residents::Residents;
use crate::waits::{Id, Waits};
use crate::{
    Account, App, Error, Instance, Interface, InterfaceName, Provider, Result, Token, Wired, link,
};

pub(crate) use function::Caller;
pub use function::Function;

/// An instance that others call. Cloning is cheap and means the same one.
#[derive(Clone)]
pub struct Resident {
    inner: Arc<Inner>,
}

struct Inner {
    id: Id,
    name: Arc<str>,
    account: Account,
    exports: Vec<Interface>,
    /// The exported functions, sorted; the place of one is its slot.
    functions: Vec<String>,
    /// What it is wired to; those of them that are residents cannot be torn
    /// down before it.
    wired: Mutex<Option<Arc<Wired>>>,
    turn: Arc<Turn<Life>>,
    /// Those it is one of; they hold it.
    pool: Weak<Residents>,
    waits: Arc<Waits>,
}

/// What is behind the tokens.
enum Life {
    Alive(Box<Alive>),
    /// It trapped, or did not finish.
    Poisoned(String),
    TornDown,
}

struct Alive {
    instance: Instance,
    /// By slot.
    functions: Vec<ComponentExportIndex>,
}

/// Which resident a store belongs to.
struct Owner(Id);

/// What the call under way in a store was granted.
struct Granted(Option<Purse>);

impl fmt::Debug for Resident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "resident {} ({})", self.inner.name, self.inner.id)
    }
}

impl Resident {
    /// Makes an instance and keeps it.
    pub(crate) async fn new(
        name: &str,
        id: Id,
        wired: Arc<Wired>,
        account: Account,
        pool: &Arc<Residents>,
    ) -> Result<Self> {
        let (functions, places) = functions(wired.app()).into_iter().unzip();
        let exports = exports(wired.app())?;
        let instance = born(&wired, id, &account).await?;
        let alive = Alive {
            instance,
            functions: places,
        };
        Ok(Self {
            inner: Arc::new(Inner {
                id,
                name: name.into(),
                account,
                exports,
                functions,
                wired: Mutex::new(Some(wired)),
                turn: Arc::new(Turn::new(Life::Alive(Box::new(alive)))),
                waits: Arc::clone(&pool.waits),
                pool: Arc::downgrade(pool),
            }),
        })
    }

    /// The name it was given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// What it has of its own.
    #[must_use]
    pub fn account(&self) -> &Account {
        &self.inner.account
    }

    pub(crate) fn is_metered(&self) -> bool {
        let wired = self.inner.wired.lock();
        let wired = wired.unwrap_or_else(PoisonError::into_inner);
        wired.as_ref().is_none_or(|wired| wired.app().is_metered())
    }

    pub(crate) fn id(&self) -> Id {
        self.inner.id
    }

    /// A token for each interface it exports.
    #[must_use]
    pub fn tokens(&self) -> Vec<Token> {
        let provider: Arc<dyn Provider> = Arc::new(self.clone());
        Token::all(&provider)
    }

    /// The token of an interface that it exports.
    ///
    /// # Errors
    ///
    /// [`Error::NotExported`] with those that it does.
    pub fn token(&self, interface: &str) -> Result<Token> {
        let wanted: InterfaceName = interface.parse()?;
        let found = self
            .tokens()
            .into_iter()
            .find(|token| token.interface().track() == wanted.track());
        found.ok_or_else(|| self.not_exported(interface))
    }

    /// The residents that it is wired to.
    pub(crate) fn relies_on(&self) -> impl Iterator<Item = Self> {
        let wired = self.inner.wired.lock();
        let wired = wired.unwrap_or_else(PoisonError::into_inner).clone();
        let providers = wired.map_or_else(Vec::new, |wired| wired.providers().to_vec());
        providers
            .into_iter()
            .filter_map(|provider| provider.resident().cloned())
    }

    fn not_exported(&self, what: &str) -> Error {
        Error::NotExported {
            instance: self.name().to_owned(),
            what: what.to_owned(),
            exports: self.inner.functions.clone(),
        }
    }

    /// Puts another instance in the place of this one, behind the same tokens.
    ///
    /// # Errors
    ///
    /// [`Error::NotExported`] where it does not export all that this one does,
    /// or what stopped its start; then nothing has changed.
    pub(crate) async fn replace(&self, wired: Arc<Wired>) -> Result<()> {
        let fresh = functions(wired.app());
        let mut places = Vec::with_capacity(fresh.len());
        for known in &self.inner.functions {
            match fresh.get(known) {
                Some(place) => places.push(*place),
                None => {
                    return Err(Error::NotExported {
                        instance: wired.app().name().to_owned(),
                        what: known.clone(),
                        exports: fresh.into_keys().collect(),
                    });
                }
            }
        }
        let alive = Alive {
            instance: born(&wired, self.inner.id, &self.inner.account).await?,
            functions: places,
        };
        let mut life = self.inner.turn.lock().await;
        *life = Life::Alive(Box::new(alive));
        let mut kept = self
            .inner
            .wired
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *kept = Some(wired);
        Ok(())
    }

    /// Lets a call in flight end, and frees everything.
    pub(crate) async fn tear_down(&self) {
        *self.inner.turn.lock().await = Life::TornDown;
        let mut wired = self
            .inner
            .wired
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *wired = None;
    }
}

impl Inner {
    /// Calls a function; the turn is ours.
    async fn carry_out(
        &self,
        life: &mut Life,
        slot: usize,
        arguments: &[Val],
        grant: Option<Purse>,
    ) -> Result<Vec<Val>> {
        let alive = match life {
            Life::Alive(alive) => alive,
            Life::Poisoned(reason) => {
                return Err(Error::Poisoned {
                    instance: self.name.to_string(),
                    reason: reason.clone(),
                });
            }
            Life::TornDown => {
                return Err(Error::Gone {
                    instance: self.name.to_string(),
                });
            }
        };
        let (exports, place) = (alive.instance.exports, alive.functions[slot]);
        let store = &mut alive.instance.store;
        store.draw_on(self.account.with(grant.clone()));
        store.state_mut().extensions.insert(Granted(grant));
        let done = store
            .run(async |store| {
                let function = exports
                    .get_func(&mut *store, place)
                    .ok_or_else(|| wasmtime::Error::msg("an export is no function"))?;
                let results = function.ty(&*store).results().len();
                let mut results = vec![Val::Bool(false); results];
                function
                    .call_async(&mut *store, arguments, &mut results)
                    .await?;
                Ok(results)
            })
            .await;
        // The grant is over when nobody holds it.
        store.draw_on(self.account.with(None));
        store.state_mut().extensions.insert(Granted(None));
        done.map_err(|error| {
            *life = Life::Poisoned(error.to_string());
            Error::Failed {
                instance: self.name.to_string(),
                function: self.functions[slot].clone(),
                error: Box::new(error.into()),
            }
        })
    }
}

impl Provider for Resident {
    fn name(&self) -> &str {
        &self.inner.name
    }

    fn interfaces(&self) -> Vec<Interface> {
        self.inner.exports.clone()
    }

    fn link(&self, interface: &InterfaceName, linker: &mut Linker<State>) -> wasmtime::Result<()> {
        let found = self.inner.exports.iter().find(|it| it.name == *interface);
        let functions = found.and_then(|it| it.structure.as_ref());
        let mut slot = linker.instance(&interface.to_string())?;
        for name in functions.into_iter().flat_map(|it| it.functions()) {
            link::dynamic(&mut slot, name, self.function(interface, name)?)?;
        }
        Ok(())
    }

    fn attach(&self, _: &mut State) -> Result<()> {
        Ok(())
    }

    fn resident(&self) -> Option<&Resident> {
        Some(self)
    }

    fn function(&self, interface: &InterfaceName, function: &str) -> Result<Function> {
        let functions = &self.inner.functions;
        match functions.binary_search(&key(&interface.track(), function)) {
            Ok(slot) => Ok(Function::new(self, slot)),
            Err(_) => Err(self.not_exported(&format!("{interface}.{function}"))),
        }
    }
}

async fn born(wired: &Wired, id: Id, account: &Account) -> Result<Instance> {
    let prepare = |store: &mut Store| {
        store.state_mut().extensions.insert(Owner(id));
        store.draw_on(account.with(None));
    };
    wired.instantiate_with(account.budget, prepare).await
}

/// The interfaces that an app exports, as others can be wired to them.
fn exports(app: &App) -> Result<Vec<Interface>> {
    let exports = app.surface().exports.iter();
    exports
        .map(|(name, structure)| {
            Ok(Interface {
                name: name.parse()?,
                structure: Some(structure.clone()),
            })
        })
        .collect()
}

/// The exported functions of an app, and where they are.
fn functions(app: &App) -> BTreeMap<String, ComponentExportIndex> {
    let component = app.component();
    let mut functions = BTreeMap::new();
    for (name, structure) in &app.surface().exports {
        let Some((_, interface)) = component.get_export(None, name) else {
            continue;
        };
        for function in structure.functions() {
            if let Some((_, index)) = component.get_export(Some(&interface), function) {
                functions.insert(key(&track(name), function), index);
            }
        }
    }
    functions
}

fn key(track: &str, function: &str) -> String {
    format!("{track}.{function}")
}
