//! One app: its place in the pool, what it was made of, and who waits for it.
//!
//! Invariant: whoever puts another instance in its place, or ends it, holds
//! `changing`; what it was made of is then what is behind its tokens.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use tokio::sync::Semaphore;
use vesicle_pool::engine::{Error as EngineError, Purse};
use vesicle_pool::{App as Admitted, Error as PoolError, Grant, Pool, Resident, Token};

use crate::apps::{Apps, Wiring};
use crate::bindings::{App, HANDLER, Request, Response};
use crate::store::Store;
use crate::{Error, Limits, Result};

/// An app that was uploaded.
pub(crate) struct Hosted {
    resident: Resident,
    /// For the request that is answered, and those that wait.
    places: Semaphore,
    changing: tokio::sync::Mutex<()>,
    made_of: Mutex<MadeOf>,
}

/// What an instance is made of, to make it again.
#[derive(Clone)]
pub(crate) struct MadeOf {
    pub app: Admitted,
    pub tokens: Vec<Token>,
    pub store: Store,
    pub wiring: Wiring,
}

/// What an app has answered.
#[derive(Debug)]
pub struct Answer {
    /// Its response.
    pub response: Response,
    /// Fuel that it used, with all that it called.
    pub fuel: u64,
}

/// What is told of an app.
#[derive(Debug, Serialize)]
pub struct Listed {
    name: String,
    imports: Vec<String>,
    exports: Vec<String>,
    #[serde(flatten)]
    wiring: Wiring,
    /// Why its last request failed, until the next one comes.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
}

impl Hosted {
    /// Starts an app.
    ///
    /// # Errors
    ///
    /// What the pool says.
    pub async fn start(
        pool: &Pool,
        limits: &Limits,
        name: &str,
        made_of: MadeOf,
    ) -> Result<Self, PoolError> {
        let MadeOf { app, tokens, .. } = &made_of;
        let resident = pool.keep(name, app, tokens, limits.account()).await?;
        Ok(Self {
            resident,
            places: Semaphore::new(1 + limits.waiting),
            changing: tokio::sync::Mutex::default(),
            made_of: Mutex::new(made_of),
        })
    }

    /// Puts another app in the place of this one; whoever is wired to it stays
    /// so.
    ///
    /// # Errors
    ///
    /// What the pool says; then the old one is still there.
    pub async fn become_another(&self, pool: &Pool, made_of: MadeOf) -> Result<(), PoolError> {
        let _changing = self.changing.lock().await;
        self.renew(pool, &made_of).await?;
        *self.made_of.lock().unwrap_or_else(PoisonError::into_inner) = made_of;
        Ok(())
    }

    /// Makes a fresh instance if a call before has failed, and sees to it that
    /// it has its reserve.
    ///
    /// # Errors
    ///
    /// What the pool says.
    pub async fn recover(&self, pool: &Pool) -> Result<(), PoolError> {
        self.fill_reserve();
        if self.resident.failure().is_none() {
            return Ok(());
        }
        let _changing = self.changing.lock().await;
        // Another request may have been faster.
        match self.resident.failure() {
            Some(_) => self.renew(pool, &self.made_of()).await,
            None => Ok(()),
        }
    }

    async fn renew(&self, pool: &Pool, made_of: &MadeOf) -> Result<(), PoolError> {
        self.fill_reserve();
        let MadeOf { app, tokens, .. } = made_of;
        pool.replace(&self.resident, app, tokens).await
    }

    fn fill_reserve(&self) {
        let reserve = &self.resident.account().fuel;
        let used = Limits::RESERVE.saturating_sub(reserve.amounts().left);
        if used > 0 {
            reserve.fill(used);
        }
    }

    /// Takes it out of the pool. A request under way is answered first.
    ///
    /// # Errors
    ///
    /// [`PoolError::Needed`] with those that are wired to it.
    pub async fn tear_down(&self, pool: &Pool) -> Result<(), PoolError> {
        let _changing = self.changing.lock().await;
        pool.tear_down(&self.resident).await
    }

    /// Has it answer a request, one of some apps. Of an attempt that found a
    /// failed instance no code has run, so another is made while there is time.
    ///
    /// # Errors
    ///
    /// [`Error::NoHandler`], [`Error::Overloaded`], [`Error::Stopped`].
    pub async fn handle(&self, apps: &Apps, request: Request) -> Result<Answer> {
        let (app, limits) = (self.resident.name(), apps.limits());
        let token = self.resident.token(HANDLER);
        let token = token.map_err(|_| Error::NoHandler { app: app.into() })?;
        let Ok(_place) = self.places.try_acquire() else {
            return Err(Error::Overloaded {
                app: app.into(),
                waiting: limits.waiting,
            });
        };
        let (request, fuel) = (Arc::new(request), Purse::new(limits.fuel));
        let limit = limits.deadline();
        let answered = async {
            loop {
                apps.recover(app).await?;
                let grant = Grant {
                    deadline: limit,
                    fuel: Some(fuel.clone()),
                };
                match call(apps.pool(), &token, grant, Arc::clone(&request)).await {
                    Err(PoolError::Poisoned { .. }) => {}
                    answered => return answered,
                }
            }
        };
        let late = |_| Err(EngineError::Deadline { limit }.into());
        let answered = tokio::time::timeout(limit, answered).await;
        let response = answered.unwrap_or_else(late).map_err(Error::Stopped)?;
        let fuel = fuel.amounts().spent;
        Ok(Answer { response, fuel })
    }

    /// What it is made of now.
    pub fn made_of(&self) -> MadeOf {
        let made_of = self.made_of.lock();
        made_of.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What others can be wired to.
    pub fn tokens(&self) -> Vec<Token> {
        self.resident.tokens()
    }

    /// What is told of it.
    pub fn listed(&self) -> Listed {
        let MadeOf { app, wiring, .. } = self.made_of();
        let surface = app.surface();
        Listed {
            name: self.resident.name().to_owned(),
            imports: surface.imports.keys().cloned().collect(),
            exports: surface.exports.keys().cloned().collect(),
            wiring,
            failure: self.resident.failure(),
        }
    }
}

/// Calls whatever instance is behind a token.
async fn call(
    pool: &Pool,
    token: &Token,
    grant: Grant,
    request: Arc<Request>,
) -> Result<Response, PoolError> {
    pool.with(
        token,
        grant,
        |store, instance| App::new(store, instance),
        move |store, app: &App| {
            Box::pin(async move {
                let handler = app.isoserver_app_handler();
                handler.call_handle(store, &request).await
            })
        },
    )
    .await
}
