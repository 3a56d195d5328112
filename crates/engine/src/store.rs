//! One store, for one instance.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::time::{Duration, Instant};

use wasmtime::component::ResourceTable;
use wasmtime::{AsContext, AsContextMut, StoreContext, StoreContextMut, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::deadline::within;
use crate::engines::Compiled;
use crate::error::DeadlinePassed;
use crate::limiter::Limiter;
use crate::meter::{self, Fuel, Meter, Refill, WhenEmpty};
use crate::ticker::Ticker;
use crate::{Budget, Error, Purse, Result};

/// Values of the host that travel with a store, one of each type.
#[derive(Default)]
pub struct Extensions(HashMap<TypeId, Box<dyn Any + Send>, BuildHasherDefault<OfType>>);

/// The hash of a type's identity, which is one already.
#[derive(Default)]
struct OfType(u64);

impl Hasher for OfType {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, part: u64) {
        self.0 = part;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Extensions {
    /// Puts a value in, in the place of another of its type.
    pub fn insert<T: Any + Send>(&mut self, value: T) {
        self.0.insert(TypeId::of::<T>(), Box::new(value));
    }

    /// The value of a type.
    #[must_use]
    pub fn get<T: Any + Send>(&self) -> Option<&T> {
        self.0.get(&TypeId::of::<T>())?.downcast_ref()
    }

    /// The value of a type, to change.
    #[must_use]
    pub fn get_mut<T: Any + Send>(&mut self) -> Option<&mut T> {
        self.0.get_mut(&TypeId::of::<T>())?.downcast_mut()
    }
}

/// What a store holds beside the guest.
pub struct State {
    /// The resources that the guest has handles of.
    pub table: ResourceTable,
    /// What WASI lets the guest reach: nothing, unless replaced.
    pub wasi: WasiCtx,
    /// Values of whoever wired the instance.
    pub extensions: Extensions,
    limiter: Limiter,
    pub(crate) meter: Option<Meter>,
    /// How long the call under way may take, and since when that counts.
    deadline: Option<(Duration, Option<Instant>)>,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

/// A store with its budget.
pub struct Store {
    inner: wasmtime::Store<State>,
    budget: Budget,
    ticker: Ticker,
}

impl Store {
    /// A store whose guest can reach nothing.
    #[must_use]
    pub fn new(compiled: &Compiled, budget: Budget) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(budget.handles);
        let state = State {
            table,
            wasi: WasiCtx::builder().build(),
            extensions: Extensions::default(),
            limiter: Limiter::new(budget.memory),
            meter: None,
            deadline: None,
        };
        let mut inner = wasmtime::Store::new(compiled.engine(), state);
        inner.limiter(|state| &mut state.limiter);
        inner.set_max_component_handles(budget.handles);
        inner.set_hostcall_fuel(budget.passing());
        inner.set_epoch_deadline(1);
        inner.epoch_deadline_callback(|mut store| {
            if let Some((limit, began)) = &mut store.data_mut().deadline {
                let since = began.get_or_insert_with(Instant::now).elapsed();
                if since >= *limit {
                    return Err(wasmtime::Error::from(DeadlinePassed(*limit)));
                }
            }
            // Tokio's own yield lets timers and sockets have their turn too.
            let yielded = Box::pin(tokio::task::yield_now());
            Ok(UpdateDeadline::YieldCustom(1, yielded))
        });
        if compiled.kind().metered {
            inner.data_mut().meter = Some(Meter::new(Fuel {
                grant: None,
                own: Purse::new(budget.fuel.unwrap_or_default()),
                when_empty: WhenEmpty::Trap,
            }));
            inner.call_hook_async(Refill);
        }
        Self {
            inner,
            budget,
            ticker: compiled.ticker.clone(),
        }
    }

    /// Says what the next calls draw their fuel from. A store that is not
    /// metered draws none.
    pub fn draw_on(&mut self, fuel: Fuel) {
        if let Some(meter) = &mut self.inner.data_mut().meter {
            *meter = Meter::new(fuel);
        }
    }

    /// Takes the bytes that the guest holds from a purse as well, which other
    /// stores draw on too. They come back when the store is gone.
    pub fn hold_from(&mut self, bytes: Purse) {
        self.inner.data_mut().limiter.share(bytes);
    }

    /// Does something with the engine's own store that runs no guest code.
    pub fn with<R>(&mut self, work: impl FnOnce(&mut wasmtime::Store<State>) -> R) -> R {
        work(&mut self.inner)
    }

    /// What the store holds beside the guest.
    pub fn state_mut(&mut self) -> &mut State {
        self.inner.data_mut()
    }

    /// Bytes that the guest's memories and tables have now.
    #[must_use]
    pub fn memory_in_use(&self) -> u64 {
        self.inner.data().limiter.used()
    }

    /// The most bytes that the guest's memories and tables have had.
    #[must_use]
    pub fn memory_peak(&self) -> u64 {
        self.inner.data().limiter.peak()
    }

    /// Runs guest code: the deadline of the budget starts within a tick of now
    /// and counts waiting too, and the epoch advances while the guest computes.
    ///
    /// # Errors
    ///
    /// Whatever stopped the guest, told apart by [`Error::of_call`].
    pub async fn run<R>(
        &mut self,
        work: impl AsyncFnOnce(&mut wasmtime::Store<State>) -> wasmtime::Result<R>,
    ) -> Result<R> {
        let limit = self.budget.deadline;
        self.inner.data_mut().deadline = limit.map(|limit| (limit, None));
        let ticker = self.ticker.clone();
        let is_metered = self.inner.data().meter.is_some();
        let inner = &mut self.inner;
        let work = ticker.watch(async {
            if !is_metered {
                return work(inner).await;
            }
            meter::begin(inner).await?;
            let done = work(inner).await;
            meter::end(inner);
            done
        });
        let Some(done) = within(limit, work).await else {
            if is_metered {
                meter::end(&mut self.inner);
            }
            return Err(Error::Deadline {
                limit: limit.unwrap_or_default(),
            });
        };
        done.map_err(|error| Error::of_call(&error))
    }
}

impl AsContext for Store {
    type Data = State;

    fn as_context(&self) -> StoreContext<'_, State> {
        self.inner.as_context()
    }
}

impl AsContextMut for Store {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, State> {
        self.inner.as_context_mut()
    }
}
