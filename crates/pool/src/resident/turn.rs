//! A resident's turn: what is done while nobody else calls it.
//!
//! Invariant: whoever has a turn is the only one that enters the instance.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::OwnedMutexGuard;
use vesicle_engine::Purse;

use super::{Call, Failure, Inner, Life, Work};
use crate::outlive::{Outliving, outlive};
use crate::{Error, Result, Value};

/// The turn of a resident, and what pays for what is done in it.
pub(crate) struct Turn {
    inner: Arc<Inner>,
    life: OwnedMutexGuard<Life>,
    grant: Option<Purse>,
}

impl Turn {
    /// Takes it once those before have had theirs.
    pub async fn wait_for(inner: &Arc<Inner>, grant: Option<Purse>) -> Self {
        let inner = Arc::clone(inner);
        let life = Arc::clone(&inner.turn).lock_owned().await;
        Self { inner, life, grant }
    }

    /// Takes it if nobody has it.
    pub fn at_once(inner: &Arc<Inner>, grant: Option<Purse>) -> Option<Self> {
        let life = Arc::clone(&inner.turn).try_lock_owned().ok()?;
        Some(Self {
            inner: Arc::clone(inner),
            life,
            grant,
        })
    }

    /// Calls a function, to its end.
    ///
    /// # Errors
    ///
    /// [`Error::Poisoned`], [`Error::Gone`], and what the engine says.
    pub fn call(mut self, call: Call) -> Result<Outliving<Result<Vec<Value>>>> {
        let alive = match &mut *self.life {
            Life::Alive(alive) if !self.inner.is_leaving() => alive,
            life => return Err(self.inner.lost(life)),
        };
        let signature = &self.inner.signatures[call.slot];
        let entry = alive.entry(call.slot, signature)?;
        Ok(outlive(entry.work(self, call)))
    }

    /// Does some work, to its end.
    pub fn spend<W: Work>(self, work: W) -> Outliving<Result<W::Output>> {
        outlive(Box::pin(self.carry_out(work)))
    }

    /// Does some work.
    pub async fn carry_out<W: Work>(mut self, work: W) -> Result<W::Output> {
        let slot = work.slot();
        self.tidy().await;
        let alive = match &mut *self.life {
            Life::Alive(alive) if !self.inner.is_leaving() => alive,
            life => return Err(self.inner.lost(life)),
        };
        let done = work.run(&self.inner, alive, self.grant.clone()).await;
        self.tidy().await;
        done.map_err(|failure| self.failed(slot, failure))
    }

    /// Drops the resources that nobody holds any more.
    pub async fn sweep(mut self) {
        self.inner.sweep(&mut self.life, self.grant.take()).await;
    }

    /// The same where there may be some, which is seldom.
    async fn tidy(&mut self) {
        if self.inner.has_left_behind.load(Ordering::Acquire) {
            let swept = self.inner.sweep(&mut self.life, self.grant.clone());
            Box::pin(swept).await;
        }
    }

    fn failed(&mut self, slot: Option<usize>, failure: Failure) -> Error {
        let error = match failure {
            Failure::Before(error) => return error,
            Failure::Within(error) => error,
        };
        *self.life = Life::Poisoned(error.to_string());
        let function = slot.map(|slot| self.inner.signatures[slot].name.clone());
        Error::Failed {
            instance: self.inner.name.to_string(),
            function: function.unwrap_or_else(|| "a call".to_owned()),
            error: Box::new(error),
        }
    }
}
