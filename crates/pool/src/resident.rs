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

mod alive;
mod exports;
mod function;
mod turn;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Mutex as Lock;
use vesicle_engine::{Purse, State};
use wasmtime::component::{Linker, ResourceAny};

use crate::kinds::Kinds;
use crate::outlive::outlive;
use crate::residents::Residents;
use crate::waits::{Id, Waiter};
use crate::{Account, Error, Interface, InterfaceName, Provider, Result, Token, Wired, link};

pub(crate) use alive::{Alive, Call, Entered, Failure, Work};
use exports::{Signature, exports, functions, key, names};
pub use function::Function;
pub(crate) use function::{Begun, Caller};
pub(crate) use turn::Turn;

/// An instance that others call. Cloning is cheap and means the same one.
#[derive(Clone)]
pub struct Resident {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    id: Id,
    name: Arc<str>,
    account: Account,
    exports: Vec<Interface>,
    /// The exported functions, sorted by name; the place of one is its slot.
    signatures: Vec<Signature>,
    /// What it is wired to; those of them that are residents cannot be torn
    /// down before it.
    wired: Mutex<Option<Arc<Wired>>>,
    turn: Arc<Lock<Life>>,
    /// Those it is one of; they hold it.
    pool: Weak<Residents>,
    waiter: Arc<Waiter>,
    kinds: Arc<Kinds>,
    /// How many instances have been behind it.
    lives: AtomicU64,
    /// Whether it is being torn down, or has been.
    is_leaving: AtomicBool,
    /// Its resources that nobody holds any more, each with its life.
    left_behind: Mutex<Vec<(u64, ResourceAny)>>,
    /// Whether there may be any, looked at before the lock is taken.
    has_left_behind: AtomicBool,
}

/// What is behind the tokens.
pub(crate) enum Life {
    Alive(Box<Alive>),
    /// It trapped, or did not finish.
    Poisoned(String),
    TornDown,
}

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
        let (signatures, places) = functions(wired.app()).into_iter().unzip();
        let exports = exports(wired.app())?;
        let waiter = pool.waits.waiter(id);
        let alive = Alive::new(&wired, Arc::clone(&waiter), 0, &account, places).await?;
        Ok(Self {
            inner: Arc::new(Inner {
                id,
                name: name.into(),
                account,
                exports,
                signatures,
                wired: Mutex::new(Some(wired)),
                turn: Arc::new(Lock::new(Life::Alive(Box::new(alive)))),
                waiter,
                kinds: Arc::clone(&pool.kinds),
                lives: AtomicU64::new(1),
                is_leaving: AtomicBool::new(false),
                left_behind: Mutex::default(),
                has_left_behind: AtomicBool::new(false),
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

    /// Why it cannot be called until it is replaced, where a call has failed.
    /// `None` also while a call is in flight.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        match &*self.inner.turn.try_lock().ok()? {
            Life::Poisoned(reason) => Some(reason.clone()),
            Life::Alive(_) | Life::TornDown => None,
        }
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
        wired
            .map_or_else(Vec::new, |wired| residents(&wired))
            .into_iter()
    }

    fn not_exported(&self, what: &str) -> Error {
        Error::NotExported {
            instance: self.name().to_owned(),
            what: what.to_owned(),
            exports: names(&self.inner.signatures),
        }
    }

    /// The error of who finds it torn down.
    pub(crate) fn gone(&self) -> Error {
        Error::Gone {
            instance: self.name().to_owned(),
        }
    }

    pub(crate) fn kinds(&self) -> &Kinds {
        &self.inner.kinds
    }

    /// Whether both are the same one.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// Where the resources of an interface are at home, of those whose resources
    /// its functions take or give.
    pub(crate) fn home_of(&self, track: &str) -> Option<Self> {
        let exports = &self.inner.exports;
        if exports.iter().any(|it| it.name.track() == track) {
            return Some(self.clone());
        }
        let wired = self.inner.wired.lock();
        let wired = wired.unwrap_or_else(PoisonError::into_inner).clone()?;
        let mut tokens = wired.tokens().iter();
        let token = tokens.find(|token| token.interface.name.track() == track)?;
        token.provider.resident()?.home_of(track)
    }

    /// Notes that nobody holds one of its resources any more.
    pub(crate) fn leave_behind(&self, life: u64, any: ResourceAny) {
        let inner = &self.inner;
        if !inner.is_leaving() {
            inner.left_behind().push((life, any));
            inner.has_left_behind.store(true, Ordering::Release);
        }
    }

    pub(crate) fn has_left_behind(&self) -> bool {
        self.inner.has_left_behind.load(Ordering::Acquire)
    }

    /// Drops the resources that nobody holds any more. Where that would be
    /// waiting for itself it is left to the end of the call under way.
    pub(crate) async fn sweep(&self, caller: Caller) {
        let Ok(_wait) = self.wait(&caller) else {
            return;
        };
        let turn = Turn::wait_for(&self.inner, caller.grant).await;
        outlive(Box::pin(turn.sweep())).await;
    }

    /// Puts another instance in the place of this one, behind the same tokens.
    ///
    /// # Errors
    ///
    /// [`Error::NotExported`] where it does not export all that this one does,
    /// [`Error::Gone`] where this one was torn down or what it is to be wired to,
    /// or what stopped its start; then nothing has changed.
    pub(crate) async fn replace(&self, pool: &Residents, wired: Arc<Wired>) -> Result<()> {
        let fresh = functions(wired.app());
        let mut places = Vec::with_capacity(fresh.len());
        for known in &self.inner.signatures {
            match fresh.iter().find(|(signature, _)| signature == known) {
                Some((_, place)) => places.push(*place),
                None => {
                    let (fresh, _): (Vec<_>, Vec<_>) = fresh.into_iter().unzip();
                    return Err(Error::NotExported {
                        instance: wired.app().name().to_owned(),
                        what: known.name.clone(),
                        exports: names(&fresh),
                    });
                }
            }
        }
        let Inner {
            waiter, account, ..
        } = &*self.inner;
        let life = self.inner.lives.fetch_add(1, Ordering::Relaxed);
        let alive = Alive::new(&wired, Arc::clone(waiter), life, account, places).await?;
        let mut life = self.inner.turn.lock().await;
        if self.inner.is_leaving() {
            return Err(self.gone());
        }
        let needed = residents(&wired).into_iter();
        let before = pool.while_there(needed, |_| {
            let kept = self.inner.wired.lock();
            kept.unwrap_or_else(PoisonError::into_inner).replace(wired)
        })?;
        *life = Life::Alive(Box::new(alive));
        drop(before);
        Ok(())
    }

    /// Lets a call in flight end, and frees everything.
    pub(crate) async fn tear_down(&self) {
        self.inner.is_leaving.store(true, Ordering::SeqCst);
        *self.inner.turn.lock().await = Life::TornDown;
        self.inner.left_behind().clear();
        let mut wired = self
            .inner
            .wired
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *wired = None;
    }
}

impl Inner {
    pub fn account(&self) -> &Account {
        &self.account
    }

    fn is_leaving(&self) -> bool {
        self.is_leaving.load(Ordering::SeqCst)
    }

    fn left_behind(&self) -> MutexGuard<'_, Vec<(u64, ResourceAny)>> {
        let left = self.left_behind.lock();
        left.unwrap_or_else(PoisonError::into_inner)
    }

    /// Why there is nothing to call.
    fn lost(self: &Arc<Self>, life: &Life) -> Error {
        match life {
            Life::Poisoned(reason) => Error::Poisoned {
                instance: self.name.to_string(),
                reason: reason.clone(),
            },
            _ => Resident::from(self).gone(),
        }
    }

    /// Drops the resources that nobody holds any more; the turn is ours.
    async fn sweep(&self, life: &mut Life, grant: Option<Purse>) {
        self.has_left_behind.store(false, Ordering::Release);
        loop {
            let Some((of, any)) = self.left_behind().pop() else {
                return;
            };
            let Life::Alive(alive) = life else {
                continue;
            };
            if alive.life != of {
                continue;
            }
            let released = alive.release(&self.account, grant.clone(), any).await;
            if let Err(error) = released {
                *life = Life::Poisoned(error.to_string());
            }
        }
    }
}

impl From<&Arc<Inner>> for Resident {
    fn from(inner: &Arc<Inner>) -> Self {
        Self {
            inner: Arc::clone(inner),
        }
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
        let Some(structure) = found.and_then(|it| it.structure.as_ref()) else {
            return Ok(());
        };
        let mut slot = linker.instance(&interface.to_string())?;
        let answers = |name: &str| self.function(interface, name);
        link::interface(&mut slot, interface, structure, &self.inner.kinds, answers)
    }

    fn attach(&self, _: &mut State) -> Result<()> {
        Ok(())
    }

    fn resident(&self) -> Option<&Resident> {
        Some(self)
    }

    fn whole(&self) -> Result<&Resident> {
        Ok(self)
    }

    fn function(&self, interface: &InterfaceName, function: &str) -> Result<Function> {
        let (signatures, wanted) = (&self.inner.signatures, key(&interface.track(), function));
        match signatures.binary_search_by(|it| it.name.cmp(&wanted)) {
            Ok(slot) => Ok(Function::new(self, slot)),
            Err(_) => Err(self.not_exported(&format!("{interface}.{function}"))),
        }
    }
}

/// The residents among what an app is wired to.
fn residents(wired: &Wired) -> Vec<Resident> {
    let tokens = wired.tokens().iter();
    tokens
        .filter_map(|token| token.provider.resident().cloned())
        .collect()
}
