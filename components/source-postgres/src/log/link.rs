//! The connection that changes come over, kept alive whatever else goes on.
//!
//! Invariant: the server is told nothing but what the destination has
//! committed, and told something often enough not to give us up.

use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, FutureExt as _, LocalBoxFuture, select};
use futures::stream::StreamExt as _;
use vesicle_connector::{Committed, Result};
use vesicle_postgres_client::{Client, Lsn, Replication, Streamed, sleep};

use crate::log::position::Position;

/// How often the server hears of us at least.
const SLOW: Duration = Duration::from_secs(10);

/// How often it is asked where an answer is waited for.
pub const QUICK: Duration = Duration::from_secs(1);

/// How often the server has to hear of us, so as not to give us up: several
/// times within its `wal_sender_timeout`.
///
/// # Errors
///
/// What the server says.
pub async fn patience(client: &Client) -> Result<Duration> {
    let timeout = "\
SELECT setting::int8 FROM pg_catalog.pg_settings WHERE name = 'wal_sender_timeout'";
    let row = client.query_one(timeout, &[]).await?;
    let millis = row.map_or(0, |row| row.get::<_, i64>(0).unsigned_abs());
    Ok(match millis {
        // It has all the time there is.
        0 => SLOW,
        _ => Duration::from_millis(millis / 4).min(SLOW),
    })
}

/// A connection that streams, and what the destination has of it.
pub struct Link {
    replication: Replication,
    committed: Committed,
    /// What the destination has.
    durable: Position,
    /// Whether the host has said that this is to end.
    asked: bool,
    interval: Duration,
    pulse: LocalBoxFuture<'static, ()>,
}

/// What there was to wait for.
pub enum Event {
    /// The server has said something.
    Said(Streamed),
    /// Nothing was said for a while.
    Silence,
    /// The destination has committed something, or an end is asked for.
    Committed,
}

impl Link {
    /// A connection that has begun to stream after a position; the server hears
    /// of us at this interval.
    pub fn new(
        replication: Replication,
        committed: Committed,
        durable: Position,
        interval: Duration,
    ) -> Self {
        Self {
            replication,
            committed,
            durable,
            asked: false,
            interval,
            pulse: sleep(interval).boxed_local(),
        }
    }

    /// How far the destination is.
    pub fn durable(&self) -> &Position {
        &self.durable
    }

    /// Whether an end is asked for.
    pub fn is_asked(&self) -> bool {
        self.asked
    }

    /// What the server has said already.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub async fn ready(&mut self) -> Result<Option<Streamed>> {
        self.replication.ready().await
    }

    /// Waits for something to happen.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub async fn wait(&mut self) -> Result<Event> {
        let happened = {
            let said = pin!(self.replication.next());
            let asked = self.asked;
            let committed = pin!(async {
                match asked {
                    true => std::future::pending().await,
                    false => self.committed.next().await,
                }
            });
            match select(select(said, committed), &mut self.pulse).await {
                Either::Left((Either::Left((said, _)), _)) => Happened::Said(said?),
                Either::Left((Either::Right((cursor, _)), _)) => Happened::Committed(cursor),
                Either::Right(_) => Happened::Pulse,
            }
        };
        Ok(match happened {
            Happened::Said(said) => Event::Said(said),
            Happened::Committed(cursor) => {
                self.note(cursor)?;
                self.tell(false).await?;
                Event::Committed
            }
            Happened::Pulse => {
                self.beat().await?;
                Event::Silence
            }
        })
    }

    /// Waits for something else, while the server hears of us.
    ///
    /// # Errors
    ///
    /// What that says; what the server says.
    pub async fn during<T>(&mut self, other: impl Future<Output = Result<T>>) -> Result<T> {
        let mut other = pin!(other);
        loop {
            match select(other.as_mut(), &mut self.pulse).await {
                Either::Left((done, _)) => return done,
                Either::Right(_) => self.beat().await?,
            }
        }
    }

    /// Tells the server how far the destination is; with `asks`, to say how far
    /// it is itself.
    ///
    /// # Errors
    ///
    /// `unavailable` if it cannot be told.
    pub async fn tell(&mut self, asks: bool) -> Result<()> {
        self.replication.status(self.durable.lsn, asks).await
    }

    /// Ends the stream, and leaves the slot where the destination is.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub async fn finish(mut self) -> Result<()> {
        self.hear()?;
        self.tell(false).await?;
        self.replication.finish().await
    }

    /// A sign of life.
    async fn beat(&mut self) -> Result<()> {
        self.pulse = sleep(self.interval).boxed_local();
        self.hear()?;
        self.tell(true).await
    }

    /// Takes note of what the destination has committed by now.
    fn hear(&mut self) -> Result<()> {
        while !self.asked
            && let Some(cursor) = self.committed.next().now_or_never()
        {
            self.note(cursor)?;
        }
        Ok(())
    }

    fn note(&mut self, cursor: Option<String>) -> Result<()> {
        match cursor {
            Some(cursor) => self.durable = Position::parse(&cursor)?,
            None => self.asked = true,
        }
        Ok(())
    }

    /// Whether the destination has everything before a position.
    pub fn is_durable(&self, lsn: Lsn) -> bool {
        self.durable.lsn >= lsn
    }
}

enum Happened {
    Said(Streamed),
    Committed(Option<String>),
    Pulse,
}
