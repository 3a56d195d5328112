//! A connection and what is asked over it.
//!
//! Invariants: the driver runs as a task of its own until the client is gone;
//! why a connection broke is told by the first call that notices.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;

use bytes::Bytes;
use futures::channel::oneshot;
use futures::{SinkExt as _, StreamExt as _};
use tokio_postgres::types::ToSql;
use tokio_postgres::{CopyInSink, CopyOutStream, NoTls, Row, Statement};
use tokio_util::compat::FuturesAsyncReadCompatExt as _;
use vesicle_connector::{Error, Result};

use crate::Options;
use crate::error::database_error;
use crate::session;
use crate::tap::{Tap, Tapped};

/// Texts are written and read the same way everywhere; and a session whose host
/// is gone without a word ends, with the locks it holds, after a minute.
pub(crate) const SETTINGS: &str = "-c TimeZone=UTC -c DateStyle=ISO -c IntervalStyle=postgres \
    -c extra_float_digits=1 -c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 \
    -c tcp_keepalives_count=3";

/// A connection to a database.
pub struct Client {
    inner: tokio_postgres::Client,
    told: Told,
    /// Resolves when the driver has ended.
    driven: oneshot::Receiver<()>,
    tap: Tap,
}

/// What errors are told with.
#[derive(Clone)]
struct Told {
    place: Rc<str>,
    /// Why the driver has ended, where it was not asked to.
    broken: Rc<RefCell<Option<Error>>>,
}

impl Told {
    fn error(&self, error: tokio_postgres::Error) -> Error {
        match self.broken.borrow().as_ref() {
            Some(broken) if error.is_closed() => broken.clone(),
            _ => database_error(&self.place, &error),
        }
    }
}

impl Client {
    /// Connects, and calls itself by a name that operators see in
    /// `pg_stat_activity`.
    ///
    /// # Errors
    ///
    /// What the host or the server says.
    pub async fn connect(options: &Options, name: &str) -> Result<Self> {
        let told = Told {
            place: options.place().into(),
            broken: Rc::default(),
        };
        let session = session::open(options).await?;
        let tap = Tap::default();
        let mut config = tokio_postgres::Config::new();
        config
            .user(&options.user)
            .dbname(&options.database)
            .application_name(name)
            .options(SETTINGS);
        #[cfg(all(feature = "native", not(target_arch = "wasm32")))]
        config.password(std::env::var("PGPASSWORD").unwrap_or_default());
        let (inner, connection) = config
            .connect_raw(Tapped::new(session, tap.clone()).compat(), NoTls)
            .await
            .map_err(|error| told.error(error))?;
        let driver = told.clone();
        let (ended, driven) = oneshot::channel::<()>();
        session::spawn(async move {
            if let Err(error) = connection.await {
                *driver.broken.borrow_mut() = Some(database_error(&driver.place, &error));
            }
            drop(ended);
        });
        Ok(Self {
            inner,
            told,
            tap,
            driven,
        })
    }

    /// Ends the connection, and returns when it has ended: one that is only
    /// dropped lasts until its driver has its next turn, which in a component
    /// may be at the next call.
    pub async fn close(self) {
        drop(self.inner);
        // It says nothing; it ends.
        let _ = self.driven.await;
    }

    /// `host:port/database`, for messages.
    pub fn place(&self) -> &str {
        &self.told.place
    }

    /// Carries out statements without parameters, one after another.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub async fn run(&self, sql: &str) -> Result<()> {
        let done = self.inner.batch_execute(sql).await;
        done.map_err(|error| self.told.error(error))
    }

    /// The rows of a query.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub async fn query(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>> {
        let rows = self.inner.query(sql, params).await;
        rows.map_err(|error| self.told.error(error))
    }

    /// The only row of a query, if there is one.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub async fn query_one(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>> {
        let row = self.inner.query_opt(sql, params).await;
        row.map_err(|error| self.told.error(error))
    }

    /// Carries out a statement. How many rows it changed.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub async fn execute(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<u64> {
        let count = self.inner.execute(sql, params).await;
        count.map_err(|error| self.told.error(error))
    }

    /// Begins a `COPY … TO STDOUT`.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub async fn copy_out(&self, sql: &str) -> Result<CopyOut> {
        let statement = self.prepare(sql).await?;
        let open = OpenTap::of(&self.tap);
        let copy = self.inner.copy_out(&statement).await;
        Ok(CopyOut {
            told: self.told.clone(),
            tap: open,
            copy: Box::pin(copy.map_err(|error| self.told.error(error))?),
        })
    }

    /// Begins a `COPY … FROM STDIN`.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub async fn copy_in(&self, sql: &str) -> Result<CopyIn> {
        let copy = self.inner.copy_in(&self.prepare(sql).await?).await;
        Ok(CopyIn {
            told: self.told.clone(),
            copy: Box::pin(copy.map_err(|error| self.told.error(error))?),
        })
    }

    async fn prepare(&self, sql: &str) -> Result<Statement> {
        let statement = self.inner.prepare(sql).await;
        statement.map_err(|error| self.told.error(error))
    }
}

/// A tap that is open for as long as this is there.
struct OpenTap(Tap);

impl OpenTap {
    fn of(tap: &Tap) -> Self {
        tap.open();
        Self(tap.clone())
    }
}

impl Drop for OpenTap {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// What a `COPY … TO STDOUT` says. One at a time, on a connection that nothing
/// else is asked of meanwhile.
pub struct CopyOut {
    told: Told,
    tap: OpenTap,
    copy: Pin<Box<CopyOutStream>>,
}

impl CopyOut {
    /// The next bytes; none at the end.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        let (tap, copy) = (&self.tap.0, &mut self.copy);
        let piece = poll_fn(|context| match tap.take(context) {
            Some(piece) => Poll::Ready(Some(Ok(piece))),
            None => match copy.poll_next_unpin(context) {
                // The last pieces come before the end.
                Poll::Ready(None) => Poll::Ready(tap.take(context).map(Ok)),
                polled => polled,
            },
        });
        let piece = piece.await.transpose();
        piece.map_err(|error| self.told.error(error))
    }
}

/// A `COPY … FROM STDIN` under way. Dropped before its end, it is undone.
pub struct CopyIn {
    told: Told,
    copy: Pin<Box<CopyInSink<Bytes>>>,
}

impl CopyIn {
    /// Sends bytes.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub async fn send(&mut self, bytes: Bytes) -> Result<()> {
        let sent = self.copy.feed(bytes).await;
        sent.map_err(|error| self.told.error(error))
    }

    /// Ends the copy. How many rows the server has taken.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub async fn finish(mut self) -> Result<u64> {
        let rows = pin!(self.copy.as_mut().finish()).await;
        rows.map_err(|error| self.told.error(error))
    }
}
